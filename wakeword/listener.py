"""From a source to detections: resample, feed, keep stream time across interruptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np

from wakeword.audio import StreamResampler, to_float
from wakeword.detector import Detection
from wakeword.sources import Gap, Source


class Feedable(Protocol):
    """What a listener needs of `wakeword.stream.WakeWord`."""

    sample_rate_hz: int

    def feed(self, pcm: np.ndarray) -> list[Detection]: ...

    def flush(self) -> list[Detection]: ...

    def reset(self) -> None: ...


class Listener:
    """Iterates over the detections in a source; times are seconds since the listener's first sample.

    >>> listener = Listener(source, wakeword.load("models/hey_computer"))    # doctest: +SKIP
    >>> for detection in listener:                                           # doctest: +SKIP
    ...     print(detection.phrase, detection.end_s)

    Or `Listener(source, ww, on_detection=print).run()`. `close` ends it, from any thread. The wake word is reset at the
    start and after a `Gap`, and flushed before it, so that a word that ended just there still counts.
    """

    def __init__(
        self, source: Source, wakeword: Feedable, on_detection: Callable[[Detection], None] | None = None
    ) -> None:
        self._source, self._wakeword, self._on_detection = source, wakeword, on_detection

    def run(self) -> None:
        """Listens until the source ends, calling `on_detection` for each detection."""
        for detection in self:
            if self._on_detection:
                self._on_detection(detection)

    def __iter__(self) -> Iterator[Detection]:
        begin_s, samples = 0.0, 0
        rate_hz, resampler = self._begin()
        for block in self._source.blocks():
            if isinstance(block, Gap):
                yield from _shifted(self._end(resampler), begin_s)
                begin_s += samples / rate_hz + block.samples / self._source.sample_rate_hz
                samples = 0
                rate_hz, resampler = self._begin()
                continue
            samples += len(block)
            yield from _shifted(self._wakeword.feed(resampler.feed(to_float(block))), begin_s)
        yield from _shifted(self._end(resampler), begin_s)

    def close(self) -> None:
        """Closes the source, which ends the iteration."""
        self._source.close()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self) -> tuple[int, StreamResampler]:
        self._wakeword.reset()
        rate_hz = self._source.sample_rate_hz
        return rate_hz, StreamResampler(rate_hz, self._wakeword.sample_rate_hz)

    def _end(self, resampler: StreamResampler) -> list[Detection]:
        return self._wakeword.feed(resampler.flush()) + self._wakeword.flush()


def _shifted(detections: list[Detection], by_s: float) -> list[Detection]:
    return [replace(d, start_s=d.start_s + by_s, end_s=d.end_s + by_s) for d in detections]
