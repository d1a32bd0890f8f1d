"""What an evaluation found, and what may be said about it. `Evaluation.to_dict` is what `evaluation.json` holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from wakeword.metrics import MAX_DEAF_SHARE, Det, OperatingPoint, hours_needed
from wakeword.trials import Skipped


@dataclass(frozen=True)
class PositiveScore:
    """The highest smoothed score while a take was heard, and when it was detected.

    Latencies count from the take's last sound until the own and the chosen threshold was reached; None if it was not.
    """

    path: str
    score: float
    own_latency_s: float | None
    chosen_latency_s: float | None


@dataclass(frozen=True)
class NegativeScore:
    """A moment of the negatives that scored high; `time_s` counts from the start of its file."""

    path: str
    time_s: float
    score: float


@dataclass(frozen=True)
class Condition:
    """The takes of one speaker or session, or all of them heard at another SNR, level or distance; misses at both."""

    kind: Literal["group", "snr_db", "level_dbfs", "distance_m"]
    value: str | float
    positives: int
    own_misses: int
    chosen_misses: int


@dataclass(frozen=True)
class Evaluation:
    """What was measured. `own` is at the bundle's threshold, `chosen` at the one that these recordings ask for.

    `other_targets` has the threshold chosen for other false-accept rates per hour, and what it gives.
    `conditions` breaks the misses down: by the first sub-folder of the positives, by SNR (with noise), by level,
    and by distance (with rooms).
    `positives` are in order of their score, the worst first; `negatives` are the loudest moments, the loudest first.
    """

    phrase: str
    target_fa_per_hour: float
    own: OperatingPoint
    chosen: OperatingPoint
    other_targets: dict[float, OperatingPoint]
    det: Det
    positives: tuple[PositiveScore, ...]
    negatives: tuple[NegativeScore, ...]
    negative_files: int
    snr_db: float | None
    noisy_negatives: bool
    skipped: tuple[Skipped, ...]
    conditions: tuple[Condition, ...] = ()

    @property
    def hours_needed(self) -> float:
        """Hours of negatives without a false accept that could show the target."""
        return hours_needed(self.target_fa_per_hour)

    @property
    def supported(self) -> bool:
        """Whether the target is shown at the chosen threshold: the 95 % bound is within it, not just the rate."""
        return self.chosen.fa_per_hour_upper <= self.target_fa_per_hour and self.chosen.deaf_share <= MAX_DEAF_SHARE

    @property
    def warning(self) -> str:
        """What makes the figures at the bundle's own threshold worthless; empty if nothing does."""
        if self.own.deaf_share <= MAX_DEAF_SHARE:
            return ""
        return (
            f"At its own threshold the detector was deaf for {self.own.deaf_share:.0%} of the negatives: it fired, and "
            "its score did not fall far enough to re-arm it. Few false accepts and few misses mean nothing there."
        )

    @property
    def claim(self) -> str:
        """One sentence: what these hours show about the target, or why they cannot."""
        point, target = self.chosen, f"{self.target_fa_per_hour:g} false accepts per hour"
        found = f"{point.fa_count} in {point.negative_hours:.2f} h"
        if point.fa_per_hour > self.target_fa_per_hour:
            return f"No threshold keeps to {target}: {found} at the highest."
        if point.negative_hours < self.hours_needed:
            return (
                f"{point.negative_hours:.2f} h of negatives cannot show fewer than {target}; "
                f"that needs {self.hours_needed:.2f} h without one."
            )
        if self.supported:
            return f"Fewer than {target} is shown: {found}, at most {point.fa_per_hour_upper:.2f} per hour at 95 %."
        return (
            f"Fewer than {target} was measured ({found}) but is not shown: "
            f"at 95 % it may be up to {point.fa_per_hour_upper:.2f} per hour."
        )

    def latency_ms(self, which: Literal["own", "chosen"]) -> dict[str, float] | None:
        """Median and 95th percentile over the takes that were heard at that threshold; None if there was none."""
        values = [getattr(take, f"{which}_latency_s") for take in self.positives]
        heard = [1000.0 * value for value in values if value is not None]
        if not heard:
            return None
        median, p95 = np.percentile(heard, [50, 95]).round(1).tolist()
        return {"median": median, "p95": p95}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        lost = max(self.own.threshold, self.chosen.threshold)
        return {
            "phrase": self.phrase,
            "target_fa_per_hour": self.target_fa_per_hour,
            "hours_needed": self.hours_needed,
            "supported": self.supported,
            "claim": self.claim,
            "warning": self.warning,
            "own_threshold": asdict(self.own),
            "chosen_threshold": asdict(self.chosen),
            "snr_db": self.snr_db,
            "noisy_negatives": self.noisy_negatives,
            "negative_files": self.negative_files,
            "latency_ms": {"own": self.latency_ms("own"), "chosen": self.latency_ms("chosen")},
            "other_targets": [
                {"target_fa_per_hour": key, **asdict(point)} for key, point in self.other_targets.items()
            ],
            "missed": [{"path": take.path, "score": take.score} for take in self.positives if take.score < lost],
            "conditions": [asdict(condition) for condition in self.conditions],
            "loudest_negatives": [asdict(moment) for moment in self.negatives],
            "skipped": [asdict(file) for file in self.skipped],
            "det": {
                "thresholds": self.det.thresholds.tolist(),
                "miss_rate": self.det.miss_rate.tolist(),
                "fa_per_hour": self.det.fa_per_hour.tolist(),
                "fa_count": self.det.fa_count.tolist(),
                "deaf_share": self.det.deaf_share.tolist(),
            },
        }
