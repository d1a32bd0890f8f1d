"""What comes next: the sound around and after a wake word, without a gap.

A `Recorder` keeps the last seconds of a stream in memory. A `Capture` begins in them, before the hit, and goes on with
what is fed afterwards, until whoever spoke has finished. Everything is counted in samples, and what is captured does
not depend on how the stream was cut.
"""

from __future__ import annotations

import numpy as np

from wakeword.errors import AudioError

HISTORY_S = 10.0  # how far back a capture can begin; 640 kB at 16 kHz
LONGEST_S = 600.0
FRAME_S = 0.02
WORD_TAIL_S = 0.3  # a hit may come before the word's last sound, which is not yet what comes next
FLOOR_WINDOW_S, WORD_WINDOW_S = 5.0, 1.0
QUIETEST_DBFS = -90.0
FLOOR_PERCENTILE = 10
QUIET_SHARE = 1 / 3  # of the way from the noise up to the word, in decibels: what lies below counts as silence
LEAST_MARGIN_DB = 3.0


class Capture:
    """The sound from a moment before a hit until its end. Made by `WakeWord.capture`; fed by `WakeWord.feed`.

    `read` hands over what has come since the last `read`. `ended_by` is None while it goes on, and then one of
    "silence" (somebody spoke and stopped), "nothing said", "length", "stream" (it ended, or was reset) or "closed".
    """

    def __init__(self, sample_rate_hz: int, before: int, max_samples: int, quiet: _Quiet | None) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.hit_s = before / sample_rate_hz
        """Where in it the hit is: how much pre-roll there was."""
        self.ended_by: str | None = None
        self._room, self._before, self._quiet = before + max_samples, before, quiet
        self._pieces: list[np.ndarray] = []

    @property
    def done(self) -> bool:
        return self.ended_by is not None

    def read(self) -> np.ndarray:
        """float32 [N] since the last call, possibly empty."""
        pieces, self._pieces = self._pieces, []
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)

    def close(self) -> None:
        """Stops it early; what was captured may still be read."""
        self.end("closed")

    def end(self, reason: str) -> None:
        self.ended_by = self.ended_by or reason

    def take(self, samples: np.ndarray) -> None:
        """The stream goes on with float32 [N]."""
        if self.done:
            return
        kept = samples[: self._room]
        if self._quiet:
            skipped = min(self._before, len(kept))
            self._before -= skipped
            heard = self._quiet.feed(kept[skipped:])
            if heard is not None:
                kept = kept[: skipped + heard]
                self.end(self._quiet.reason)
        self._room -= len(kept)
        self._pieces.append(kept.copy())
        if not self._room:
            self.end("length")


class _Quiet:
    """Tells when whoever spoke after a hit has finished: by level, against that of the word and of the noise."""

    def __init__(self, before: np.ndarray, sample_rate_hz: int, end_silence_s: float, wait_s: float) -> None:
        """`before` are the samples up to the hit, float32 [N]."""
        self._frame = round(FRAME_S * sample_rate_hz)
        self._tail, self._wait = round(WORD_TAIL_S * sample_rate_hz), round(wait_s * sample_rate_hz)
        self._end_silence = round(end_silence_s * sample_rate_hz)
        levels = _levels_dbfs(before[len(before) % self._frame :], self._frame)
        noise, word = levels[-round(FLOOR_WINDOW_S / FRAME_S) :], levels[-round(WORD_WINDOW_S / FRAME_S) :]
        floor = float(np.percentile(noise, FLOOR_PERCENTILE)) if len(noise) else QUIETEST_DBFS
        peak = float(word.max(initial=floor))
        self._threshold_dbfs = floor + max(LEAST_MARGIN_DB, QUIET_SHARE * (peak - floor))
        self._pending = np.zeros(0, np.float32)
        self._heard = self._silent = 0
        self._spoken = False
        self.reason = ""

    def feed(self, samples: np.ndarray) -> int | None:
        """Samples after the hit, float32 [N]; returns how many of them belong to the capture once it is over."""
        earlier = len(self._pending)
        samples = np.concatenate([self._pending, samples])
        whole = len(samples) // self._frame * self._frame
        self._pending = samples[whole:]
        for number, level in enumerate(_levels_dbfs(samples[:whole], self._frame).tolist(), 1):
            if self._is_over(level > self._threshold_dbfs):
                return max(0, number * self._frame - earlier)
        return None

    def _is_over(self, loud: bool) -> bool:
        """One more frame."""
        self._heard += self._frame
        self._silent = 0 if loud else self._silent + self._frame
        self._spoken = self._spoken or (loud and self._heard > self._tail)
        if self._spoken:
            self.reason = "silence"
            return self._silent >= self._end_silence
        self.reason = "nothing said"
        return self._heard >= self._wait


class Recorder:
    """The last `history_s` of a stream, in a ring of fixed size, and the captures that are under way."""

    def __init__(self, sample_rate_hz: int, history_s: float = HISTORY_S) -> None:
        self._rate = sample_rate_hz
        self._ring = np.zeros(max(1, round(history_s * sample_rate_hz)), np.float32)
        self._captures: list[Capture] = []
        self.reset()

    def reset(self) -> None:
        self.end()
        self._samples, self._ended = 0, False

    def end(self) -> None:
        """The stream is over: whatever is being captured ends here."""
        for capture in self._captures:
            capture.end("stream")
        self._captures, self._ended = [], True

    def feed(self, samples: np.ndarray) -> None:
        """float32 [N]; copied, since the caller may use its array again."""
        size = len(self._ring)
        first = self._samples % size
        self._samples += len(samples)
        if first + len(samples) <= size:
            self._ring[first : first + len(samples)] = samples
        else:
            self._wrap(samples[-size:])
        self._ended = False
        if self._captures:
            for capture in self._captures:
                capture.take(samples)
            self._captures = [capture for capture in self._captures if not capture.done]

    def _wrap(self, kept: np.ndarray) -> None:
        """Writes the newest samples, no more than the ring holds, over its end."""
        first = (self._samples - len(kept)) % len(self._ring)
        before_end = min(len(kept), len(self._ring) - first)
        self._ring[first : first + before_end] = kept[:before_end]
        self._ring[: len(kept) - before_end] = kept[before_end:]

    def _history(self) -> np.ndarray:
        """What is remembered, the oldest first, float32 [N]."""
        at = self._samples % len(self._ring)
        if self._samples < len(self._ring):
            return self._ring[:at].copy()
        return np.concatenate([self._ring[at:], self._ring[:at]])

    def capture(
        self, at_s: float | None, pre_roll_s: float, max_s: float, end_silence_s: float | None, wait_s: float
    ) -> Capture:
        """Begins at `at_s` of the stream (None: now) less `pre_roll_s`, or where the memory begins."""
        limits = {"pre_roll_s": HISTORY_S, "max_s": LONGEST_S, "end_silence_s": LONGEST_S, "wait_s": LONGEST_S}
        values = {"pre_roll_s": pre_roll_s, "max_s": max_s, "end_silence_s": end_silence_s or 0.0, "wait_s": wait_s}
        for name, value in values.items():
            if not 0.0 <= value <= limits[name]:
                raise AudioError(f"capture: got {name} {value}, expected 0 to {limits[name]:g}")
        hit = self._samples if at_s is None else min(self._samples, round(at_s * self._rate))
        history = self._history()
        oldest = self._samples - len(history)
        start = max(oldest, hit - round(pre_roll_s * self._rate))
        hit = max(hit, start)
        quiet = None if end_silence_s is None else _Quiet(history[: hit - oldest], self._rate, end_silence_s, wait_s)
        capture = Capture(self._rate, hit - start, round(max_s * self._rate), quiet)
        capture.take(history[start - oldest :])
        if self._ended:
            capture.end("stream")
        if not capture.done:
            self._captures.append(capture)
        return capture


def _levels_dbfs(samples: np.ndarray, frame: int) -> np.ndarray:
    """RMS level of each whole frame of float32 [N]."""
    power = np.square(samples[: len(samples) // frame * frame].reshape(-1, frame)).mean(axis=1, dtype=np.float64)
    return 10 * np.log10(np.maximum(power, 10 ** (QUIETEST_DBFS / 10)))
