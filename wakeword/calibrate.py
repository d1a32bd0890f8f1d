"""A threshold for a wanted rate of false accepts, from recordings in which the word is not said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wakeword.errors import DataError
from wakeword.evaluate import Ear, all_recordings, column_of
from wakeword.metrics import OperatingPoint, Trials, det_curve, edge_threshold, hours_needed, operating_point
from wakeword.stream import WakeWord
from wakeword.trials import Progress, Skipped

NO_POSITIVE = 1.0  # takes of the word play no part: this one is heard at any threshold


@dataclass(frozen=True)
class Calibration:
    """The threshold that was found, and what the recordings gave at the old one and at this one.

    Of `before` and `after` only what concerns false accepts means anything.
    """

    phrase: str
    target_fa_per_hour: float
    before: OperatingPoint
    after: OperatingPoint
    skipped: tuple[Skipped, ...]

    @property
    def hours_needed(self) -> float:
        """Hours of recordings without a single event that would show the target at 95 %."""
        return hours_needed(self.target_fa_per_hour)


def calibrate(
    ww: WakeWord,
    negatives: str | Path | Sequence[str | Path],
    target_fa_per_hour: float = 0.5,
    phrase: str | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """The lowest threshold from which on every one keeps to `target_fa_per_hour` on these recordings.

    phrase: which of the bundle's (default: the first). Raises DataError if the recordings are too short to hold a
    single event at that rate (1 / target hours), if none can be used, or if no threshold keeps to the target.
    """
    if not 0 < target_fa_per_hour < float("inf"):
        raise DataError(f"target_fa_per_hour: got {target_fa_per_hour}, expected a positive number")
    column = column_of(ww, phrase)
    curve, stream = Ear(ww, column, progress=progress).hear_negatives(all_recordings(negatives), False)
    hours = stream.heard_samples / ww.sample_rate_hz / 3600.0
    if hours * target_fa_per_hour < 1.0:
        raise DataError(
            f"negatives: got {hours:.2f} h, expected at least {1 / target_fa_per_hour:.2f} h to measure "
            f"{target_fa_per_hour:g} false accepts per hour ({hours_needed(target_fa_per_hour):.2f} h to show it)"
        )
    config = ww.detector_configs[column]
    trials = Trials(np.array([NO_POSITIVE]), [curve], hours)
    threshold = edge_threshold(det_curve(trials, config), target_fa_per_hour)
    if threshold is None:
        raise DataError(f"negatives: at no threshold fewer than {target_fa_per_hour:g} false accepts per hour: retrain")
    before, after = (operating_point(trials, config, at) for at in (config.threshold, threshold))
    return Calibration(ww.phrases[column], target_fa_per_hour, before, after, tuple(stream.skipped))
