"""From probabilities to detections. A pure machine, counted in output steps, never on a clock.

One word's rule: the mean of the last `smoothing_steps` probabilities reaches the threshold, at least `refractory_steps`
steps after the last detection, and, with `rearm_ratio`, only after the mean has been below rearm_ratio * threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from wakeword.sections import DetectorConfig


@dataclass(frozen=True)
class Detection:
    """A wake word that was heard. Times are seconds since the start of the stream (or the last reset)."""

    phrase: str
    start_s: float
    end_s: float
    score: float


class DetectorState(NamedTuple):
    """All that one word's detector remembers. `recent` holds the last probabilities [smoothing_steps]."""

    recent: tuple[float, ...]
    steps_since_fire: int | None = None
    armed: bool = True


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
        self.config = config
        self._rearm_below = config.threshold * (config.rearm_ratio or 0.0)

    def zero_state(self) -> DetectorState:
        return DetectorState(recent=(0.0,) * self.config.smoothing_steps)

    def step(self, probability: float, state: DetectorState) -> tuple[float | None, DetectorState]:
        """One output step. Returns the smoothed score if the word fires here, else None, and the next state."""
        recent = (*state.recent[1:], probability)
        score = sum(recent) / len(recent)
        since = None if state.steps_since_fire is None else state.steps_since_fire + 1
        armed = state.armed or score < self._rearm_below
        rested = since is None or since > self.config.refractory_steps
        if score >= self.config.threshold and armed and rested:
            return score, DetectorState(recent, 0, armed=self.config.rearm_ratio is None)
        return None, DetectorState(recent, since, armed)


def smooth(probabilities: np.ndarray, smoothing_steps: int) -> np.ndarray:
    """The scores that `Detector` compares with its threshold, for a whole curve [T] -> [T]."""
    padded = np.concatenate([np.zeros(smoothing_steps), np.asarray(probabilities, np.float64)])
    return np.lib.stride_tricks.sliding_window_view(padded, smoothing_steps)[1:].mean(axis=1)


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
