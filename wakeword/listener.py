"""From a source to detections: resample, feed, keep stream time across interruptions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np

from wakeword.audio import StreamResampler, to_float
from wakeword.capture import Capture
from wakeword.detector import Detection
from wakeword.sources import Gap, Source

PIECE_S = 0.5  # a file's blocks are long; what follows a hit is wanted soon, and from a memory of a few seconds


class Feedable(Protocol):
    """What a listener needs of `wakeword.stream.WakeWord`; `capture` only if it is asked for one."""

    sample_rate_hz: int

    def feed(self, pcm: np.ndarray) -> list[Detection]: ...

    def flush(self) -> list[Detection]: ...

    def reset(self) -> None: ...

    def capture(self, *, after: Detection | None, **lengths: float | None) -> Capture: ...


class Listener:
    """Iterates over the detections in a source; times are seconds since the listener's first sample.

    >>> listener = Listener(source, wakeword.load("models/hey_computer"))    # doctest: +SKIP
    >>> for detection in listener:                                           # doctest: +SKIP
    ...     print(detection.phrase, detection.end_s)

    Or `Listener(source, ww, on_detection=print).run()`. `close` ends it, from any thread. The wake word is reset at the
    start and after a `Gap`, and flushed before it, so that a word that ended just there still counts. `on_audio` gets
    every piece, float32 [N] at the wake word's rate, once it was fed.
    """

    def __init__(
        self,
        source: Source,
        wakeword: Feedable,
        on_detection: Callable[[Detection], None] | None = None,
        on_audio: Callable[[np.ndarray], None] | None = None,
    ) -> None:
        self._source, self._wakeword = source, wakeword
        self._on_detection, self._on_audio = on_detection, on_audio
        self._paused = False
        self._start()

    def run(self) -> None:
        """Listens until the source ends, calling `on_detection` for each detection."""
        for detection in self:
            if self._on_detection:
                self._on_detection(detection)

    def __iter__(self) -> Iterator[Detection]:
        self._start()
        while self._advance():
            while self._hits:
                yield self._hits.popleft()
        while self._hits:
            yield self._hits.popleft()

    def pause(self) -> None:
        """Hears nothing from the next piece on, while stream time goes on: for as long as the device itself speaks.

        From any thread. What was heard so far is finished, as at a `Gap`; after `resume` the wake word starts fresh, so
        that the device's own voice is no context.
        """
        self._paused = True

    def resume(self) -> None:
        """Hears again. From any thread."""
        self._paused = False

    @property
    def paused(self) -> bool:
        return self._paused

    def capture(self, after: Detection, **lengths: float | None) -> Capture:
        """`WakeWord.capture` after a detection of this listener; it fills while the listener goes on."""
        return self._wakeword.capture(after=replace(after, end_s=after.end_s - self._begin_s), **lengths)

    def in_stream_time(self, detection: Detection) -> Detection:
        """What the wake word found just now, by its own time since the last interruption, in the listener's time."""
        by_s = self._begin_s
        return replace(detection, start_s=detection.start_s + by_s, end_s=detection.end_s + by_s)

    def follow(self, capture: Capture) -> Iterator[np.ndarray]:
        """Listens on, and yields what is captured as it comes, float32 [N] at the wake word's rate, until it ends.

        For use inside the loop over the listener; detections on the way are not lost, they come after it.
        """
        while True:
            pcm = capture.read()
            if len(pcm):
                yield pcm
            if capture.done:
                return
            if not self._advance():
                capture.end("stream")

    def close(self) -> None:
        """Closes the source, which ends the iteration."""
        self._source.close()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        self._begin_s = self._next_s = 0.0  # of what the wake word hears now, and of what comes after an interruption
        self._samples = 0
        self._rate_hz, self._resampler = 0, None
        self._hits: deque[Detection] = deque()
        self._pieces: Iterator[np.ndarray | Gap] | None = None

    def _advance(self) -> bool:
        """Hears one more piece; False at the end of the source."""
        if self._pieces is None:
            self._pieces = self._cut()
        piece = next(self._pieces, None)
        if piece is None:
            self._interrupt()
            return False
        if isinstance(piece, Gap):
            self._skip(piece.samples)
        elif self._paused:
            self._skip(len(piece))
        else:
            self._hear(piece)
        return True

    def _cut(self) -> Iterator[np.ndarray | Gap]:
        for block in self._source.blocks():
            if isinstance(block, Gap):
                yield block
                continue
            most = max(1, round(PIECE_S * self._source.sample_rate_hz))
            yield from (block[at : at + most] for at in range(0, len(block), most))

    def _hear(self, piece: np.ndarray) -> None:
        if self._resampler is None:
            self._wakeword.reset()
            self._begin_s = self._next_s
            self._rate_hz = self._source.sample_rate_hz
            self._resampler = StreamResampler(self._rate_hz, self._wakeword.sample_rate_hz)
        self._samples += len(piece)
        pcm = self._resampler.feed(to_float(piece))
        self._take(self._wakeword.feed(pcm))
        if self._on_audio:
            self._on_audio(pcm)

    def _skip(self, samples: int) -> None:
        self._interrupt()
        self._next_s += samples / self._source.sample_rate_hz

    def _interrupt(self) -> None:
        """What was heard so far ends here; the next piece begins afresh."""
        if self._resampler is not None:
            self._take(self._wakeword.feed(self._resampler.flush()) + self._wakeword.flush())
            self._next_s = self._begin_s + self._samples / self._rate_hz
            self._samples, self._resampler = 0, None

    def _take(self, detections: list[Detection]) -> None:
        self._hits += map(self.in_stream_time, detections)
