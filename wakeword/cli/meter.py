"""The line that `listen` keeps on a terminal: level, score, last hit."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping

import numpy as np

WIDTH, FLOOR_DBFS = 20, -60.0
EVERY_S = 0.1  # of sound
CLEAR = "\r\x1b[K"


class Meter:
    """Draws on stderr. `step` and `hear` are given what `WakeWord.on_score` and `Listener.on_audio` give."""

    def __init__(self, thresholds: Mapping[str, float], sample_rate_hz: int) -> None:
        self._thresholds, self._rate_hz = thresholds, sample_rate_hz
        self._samples = self._undrawn = 0
        self._power = self._score = 0.0
        self._phrase = next(iter(thresholds))
        self._last: tuple[str, float, int] | None = None

    def step(self, phrase: str, _end_s: float, score: float, _fired: bool) -> None:
        if score >= self._score:
            self._phrase, self._score = phrase, score

    def hear(self, pcm: np.ndarray) -> None:
        self._samples += len(pcm)
        self._undrawn += len(pcm)
        self._power += float(np.square(pcm).sum(dtype=np.float64))
        if self._undrawn >= EVERY_S * self._rate_hz:
            columns = shutil.get_terminal_size().columns
            self._write(CLEAR + self.line()[: columns - 1])  # a line that wraps cannot be cleared
            self._undrawn, self._power, self._score = 0, 0.0, 0.0

    def hit(self, phrase: str, score: float) -> None:
        """Clears the line, so that the detection can be printed."""
        self._last = (phrase, score, self._samples)
        self.clear()

    def clear(self) -> None:
        self._write(CLEAR)

    def line(self) -> str:
        """Such as `[#####---------------]  -45 dBFS  score 0.12 of 0.80  last: hey computer 0.93, 4 s ago`."""
        level = max(FLOOR_DBFS, 10 * np.log10(max(self._power / max(self._undrawn, 1), 1e-12)))
        bar = "#" * round(WIDTH * (1 - level / FLOOR_DBFS))
        text = f"[{bar:-<{WIDTH}}] {level:4.0f} dBFS  score {self._score:.2f} of {self._thresholds[self._phrase]:.2f}"
        if len(self._thresholds) > 1:
            text += f" {self._phrase}"
        if self._last:
            phrase, score, samples = self._last
            text += f"  last: {phrase} {score:.2f}, {_ago((self._samples - samples) / self._rate_hz)} ago"
        return text

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _ago(seconds: float) -> str:
    """
    >>> _ago(4.2), _ago(200.0), _ago(9000.0)
    ('4 s', '3 min', '2 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"
