"""From probabilities to detections. A pure machine, counted in output steps, never on a clock.

One word's rule: its score reaches the threshold, at least `refractory_steps` steps after the last detection, and, with
`rearm_ratio`, only after the score has been below rearm_ratio * threshold. The score is the mean of the last
`smoothing_steps` probabilities; with patience the least of the last `patience_steps` such means, so that it reaches the
threshold only where that many successive means do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError

from wakeword.errors import BundleError
from wakeword.sections import DetectorConfig


@dataclass(frozen=True)
class Detection:
    """A wake word that was heard. Times are seconds since the start of the stream (or the last reset)."""

    phrase: str
    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True)
class Rule:
    """What takes the place of the bundles' own decision rules; None keeps theirs.

    `threshold` is one number for every phrase, or numbers by phrase; `refractory_s` is rounded to whole steps.
    """

    threshold: float | Mapping[str, float] | None = None
    smoothing_steps: int | None = None
    patience_steps: int | None = None
    refractory_s: float | None = None
    rearm_ratio: float | None = None

    def apply(self, config: DetectorConfig, phrase: str, threshold: float, step_s: float) -> DetectorConfig:
        """A phrase's rule; `threshold` is its own. Raises BundleError for what makes no sense."""
        wanted = self.threshold.get(phrase) if isinstance(self.threshold, Mapping) else self.threshold
        if wanted is not None and not 0.0 < wanted < 1.0:
            raise BundleError(f"threshold: got {wanted}, expected a number between 0 and 1")
        if self.refractory_s is not None and not 0.0 <= self.refractory_s <= 3600.0:
            raise BundleError(f"refractory_s: got {self.refractory_s}, expected 0 to 3600")
        changes = {
            "threshold": wanted if wanted is not None else threshold,
            "smoothing_steps": self.smoothing_steps,
            "patience_steps": self.patience_steps,
            "refractory_steps": None if self.refractory_s is None else round(self.refractory_s / step_s),
            "rearm_ratio": self.rearm_ratio,
        }
        kept = {name: value for name, value in changes.items() if value is not None}
        try:
            return DetectorConfig.model_validate({**config.model_dump(), **kept})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise BundleError(f"{name}: got {first['input']!r}, {first['msg'].lower()}") from None


class DetectorState(NamedTuple):
    """All that one word's detector remembers.

    `recent` holds the last probabilities [smoothing_steps], `means` the means before the last [patience_steps - 1], and
    `score` what was compared with the threshold.
    """

    recent: tuple[float, ...]
    steps_since_fire: int | None = None
    armed: bool = True
    means: tuple[float, ...] = ()
    score: float = 0.0


class Detector:
    """The rule for one word: `step(probability, state) -> (score or None, state)`.

    >>> detector = Detector(DetectorConfig(threshold=0.5, smoothing_steps=1, refractory_steps=2))
    >>> state, fired = detector.zero_state(), []
    >>> for probability in [0.1, 0.9, 0.9, 0.9, 0.9]:
    ...     score, state = detector.step(probability, state)
    ...     fired.append(score)
    >>> fired
    [None, 0.9, None, None, 0.9]
    """

    def __init__(self, config: DetectorConfig) -> None:
        self.config, self._threshold = config, config.threshold
        self._rearm_below = config.threshold * (config.rearm_ratio or 0.0)

    def zero_state(self) -> DetectorState:
        return DetectorState((0.0,) * self.config.smoothing_steps, means=(0.0,) * (self.config.patience_steps - 1))

    def step(self, probability: float, state: DetectorState) -> tuple[float | None, DetectorState]:
        """One output step. Returns the score if the word fires here, else None, and the next state."""
        recent, since, armed, means, _ = state
        recent = (*recent[1:], probability)
        score = sum(recent) / len(recent)
        if means:
            means, score = (*means[1:], score), min(*means, score)
        since = None if since is None else since + 1
        armed = armed or score < self._rearm_below
        if score >= self._threshold and armed and (since is None or since > self.config.refractory_steps):
            return score, DetectorState(recent, 0, self.config.rearm_ratio is None, means, score)
        return None, DetectorState(recent, since, armed, means, score)


def smooth(probabilities: np.ndarray, smoothing_steps: int, patience_steps: int = 1) -> np.ndarray:
    """The scores that `Detector` compares with its threshold, for a whole curve [T] -> [T]."""
    means = _windows(np.asarray(probabilities, np.float64), smoothing_steps).mean(axis=1)
    return means if patience_steps == 1 else _windows(means, patience_steps).min(axis=1)


def _windows(values: np.ndarray, length: int) -> np.ndarray:
    """[T] -> [T, length]: each value after the length - 1 before it, zeros before the first."""
    padded = np.concatenate([np.zeros(length), values])
    return np.lib.stride_tricks.sliding_window_view(padded, length)[1:]


def fire_steps(scores: np.ndarray, config: DetectorConfig, threshold: float | None = None) -> np.ndarray:
    """Indices of the steps at which `Detector` fires on smoothed scores [T], at any threshold, without a step loop.

    This is what makes a whole DET curve cheap. `tests/test_detector.py` holds it equal to the machine above.
    """
    threshold = config.threshold if threshold is None else threshold
    hits = np.flatnonzero(scores >= threshold)
    low = None if config.rearm_ratio is None else np.flatnonzero(scores < threshold * config.rearm_ratio)
    fired, at = [], 0
    while at < len(hits):
        fired.append(hits[at])
        earliest = hits[at] + config.refractory_steps + 1
        if low is not None:
            below = np.searchsorted(low, hits[at], side="right")
            if below == len(low):
                break
            earliest = max(earliest, low[below])
        at = np.searchsorted(hits, earliest)
    return np.asarray(fired, dtype=np.int64)
