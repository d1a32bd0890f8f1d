"""One client's stream: raw PCM of any format in, detections out, in slices so that other clients have their turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wakeword.audio import StreamResampler, to_float
from wakeword.detector import Detection
from wakeword.errors import ServeError
from wakeword.stream import WakeWord

RATES_HZ = (4000, 192_000)
WIDEST_BYTES = 4
MOST_CHANNELS = 16
SLICE_S = 1.0
OnHeard = Callable[[str, Detection], None]  # (who, what)
OnEvent = Callable[[str], None]  # a line that the user should see


@dataclass(frozen=True)
class Format:
    """Of interleaved little-endian PCM; one byte a sample is unsigned, as in a WAV file. Raises ServeError."""

    rate_hz: int
    width_bytes: int = 2
    channels: int = 1

    def __post_init__(self) -> None:
        _check("rate", self.rate_hz, *RATES_HZ)
        _check("width", self.width_bytes, 1, WIDEST_BYTES)
        _check("channels", self.channels, 1, MOST_CHANNELS)


def _check(what: str, got: Any, low: int, high: int) -> None:
    if type(got) is not int or not low <= got <= high:  # not isinstance: JSON's true would pass for 1
        raise ServeError(f"{what}: got {shown(got)}, expected a whole number from {low} to {high}")


def shown(value: object, most: int = 60) -> str:
    """What a client sent, safe and short enough for a log.

    >>> shown("a\\nb" * 30, most=10)
    "'a\\\\nba..."
    """
    text = ascii(value)
    return text if len(text) <= most else text[: most - 3] + "..."


def mono(pcm: bytes, form: Format) -> np.ndarray:
    """PCM -> float32 [N], full scale 1, channels averaged. Raises ServeError for a part of a frame."""
    frame_bytes = form.width_bytes * form.channels
    if len(pcm) % frame_bytes:
        raise ServeError(f"sound: got {len(pcm)} bytes, expected whole frames of {frame_bytes}")
    samples = _DECODERS[form.width_bytes](pcm)
    return samples if form.channels == 1 else samples.reshape(-1, form.channels).mean(axis=1, dtype=np.float32)


def _decode_24(pcm: bytes) -> np.ndarray:
    wide = np.zeros((len(pcm) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(pcm, np.uint8).reshape(-1, 3)
    return _decode_32(wide.tobytes())


def _decode_32(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i4").astype(np.float32) * np.float32(2.0**-31)


_DECODERS = {
    1: lambda pcm: (np.frombuffer(pcm, np.uint8).astype(np.float32) - 128) * np.float32(1 / 128),
    2: lambda pcm: to_float(np.frombuffer(pcm, "<i2").astype(np.int16, copy=False)),
    3: _decode_24,
    4: _decode_32,
}


class ClientStream:
    """What one client has sent since its stream began. Verbs: feed, flush. Times are seconds since then.

    `slice_samples` (at the wake word's rate) is the most that is worked on between two results of `feed`; slices end
    where its multiples do. It changes no detection.
    """

    def __init__(self, wakeword: WakeWord, slice_samples: int | None = None) -> None:
        self.wakeword = wakeword
        self._slice = slice_samples or round(SLICE_S * wakeword.sample_rate_hz)
        self._samples = 0
        self._form: Format | None = None
        self._resampler: StreamResampler | None = None

    @property
    def time_s(self) -> float:
        """How much has been heard."""
        return self._samples / self.wakeword.sample_rate_hz

    def feed(self, pcm: bytes, form: Format) -> Iterator[list[Detection]]:
        """Yields what was heard, slice by slice; must be exhausted. The format may change at any time.

        Raises ServeError, before anything is heard, for a part of a frame.
        """
        pcm_heard = mono(pcm, form)
        if form != self._form:
            yield from self._hear(self._rest())
            self._form = form
            self._resampler = StreamResampler(form.rate_hz, self.wakeword.sample_rate_hz)
        # Resampled in slices, too: a byte of telephone sound becomes sixteen here.
        step = max(1, round(SLICE_S * form.rate_hz))
        for at in range(0, len(pcm_heard), step):
            yield from self._hear(self._resampler.feed(pcm_heard[at : at + step]))

    def flush(self) -> list[Detection]:
        """The end of the stream: what was held back."""
        heard = [detection for slice_ in self._hear(self._rest()) for detection in slice_]
        self._form = None
        return heard + self.wakeword.flush()

    def _rest(self) -> np.ndarray:
        return self._resampler.flush() if self._form and self._resampler else np.zeros(0, np.float32)

    def _hear(self, samples: np.ndarray) -> Iterator[list[Detection]]:
        at = 0
        while at < len(samples):
            stop = min(len(samples), at + self._slice - self._samples % self._slice)
            self._samples += stop - at
            yield self.wakeword.feed(samples[at:stop])
            at = stop
