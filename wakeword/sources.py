"""Where sound comes from: one protocol, here for files and pipes. The microphone has `wakeword.microphone` to itself.

A source yields mono blocks at its own rate, as they come. Block sizes mean nothing: `wakeword.listener` gives the same
detections for the same samples however they were cut.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from wakeword.audio import native_rate_hz, read_blocks, to_float
from wakeword.errors import AudioError

READ_BYTES = 1 << 15
OTHER_FILES = {b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3\x03": "MP3", b"ID3\x04": "MP3", b"RF64": "RF64", b"FORM": "AIFF"}
PCM_FORMAT, EXTENSIBLE_FORMAT = 1, 0xFFFE
UNKNOWN_DATA_BYTES = 0x7FFF0000  # programs that write WAV to a pipe put some such size, or 0, into the header


@dataclass(frozen=True)
class Gap:
    """The sound was interrupted for about `samples` (at the source's rate): what was heard before is no context."""

    samples: int


class Source(Protocol):
    """Mono sound. `sample_rate_hz` may change at a `Gap`, when another device took over."""

    name: str
    sample_rate_hz: int

    def blocks(self) -> Iterator[np.ndarray | Gap]:
        """Yields int16 or float32 [N], any N, until the sound ends or the source is closed."""

    def close(self) -> None:
        """Ends `blocks` and frees the device. May be called twice, and from another thread."""


class WavSource:
    """A recording in any format that soundfile reads, decoded a few seconds at a time; channels are averaged.

    Raises AudioError at once for a file that is missing or no audio, and while reading for one that is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        self.sample_rate_hz = native_rate_hz(path)
        self._closed = False

    def blocks(self) -> Iterator[np.ndarray]:
        """Yields float32 [N]."""
        for block in read_blocks(self.name, self.sample_rate_hz):
            if self._closed:
                return
            yield block

    def close(self) -> None:
        self._closed = True


class StdinSource:
    """Raw 16-bit little-endian PCM from a binary stream, interleaved if there are several channels (averaged).

    A WAV header at the start takes the place of `sample_rate_hz` and `channels`. An incomplete frame at the very end is
    dropped. Raises AudioError for another kind of audio file, and for WAV that is not 16-bit PCM.

    >>> import io
    >>> source = StdinSource(io.BytesIO(bytes([1, 0, 2, 0])), sample_rate_hz=16000)
    >>> [block.tolist() for block in source.blocks()]
    [[1, 2]]
    """

    def __init__(self, stream: BinaryIO, sample_rate_hz: int, channels: int = 1, name: str = "stdin") -> None:
        # read1 returns what a pipe holds now; read would wait for the full amount and delay every detection.
        read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        start = _read_exactly(read, 4)
        if start in OTHER_FILES:
            raise AudioError(f"{name}: got a {OTHER_FILES[start]} file, expected raw 16-bit PCM or WAV")
        header = _read_wav_header(read, name) if start == b"RIFF" else None
        self.name = name
        self.sample_rate_hz = header.sample_rate_hz if header else sample_rate_hz
        self._channels = header.channels if header else channels
        self._left_bytes = header.data_bytes if header else None
        self._rest = b"" if header else start
        self._read = read
        self._closed = False
        if self.sample_rate_hz < 1 or self._channels < 1:
            raise AudioError(f"{name}: got {self.sample_rate_hz} Hz, {self._channels} channels, expected at least 1")

    def blocks(self) -> Iterator[np.ndarray]:
        """Yields int16 [N] for one channel, float32 [N] for several."""
        frame_bytes = 2 * self._channels
        while not self._closed:
            data = self._next_bytes()
            self._rest += data
            whole_bytes = len(self._rest) - len(self._rest) % frame_bytes
            frames, self._rest = self._rest[:whole_bytes], self._rest[whole_bytes:]
            if frames:
                yield self._mono(frames)
            if not data:
                return

    def close(self) -> None:
        """Stops after the block being read. The stream itself belongs to whoever opened it."""
        self._closed = True

    def _next_bytes(self) -> bytes:
        if self._left_bytes is None:
            return self._read(READ_BYTES)
        data = self._read(min(READ_BYTES, self._left_bytes))
        self._left_bytes -= len(data)
        return data

    def _mono(self, frames: bytes) -> np.ndarray:
        pcm = np.frombuffer(frames, "<i2").astype(np.int16)
        return pcm if self._channels == 1 else to_float(pcm).reshape(-1, self._channels).mean(axis=1)


@dataclass(frozen=True)
class _WavHeader:
    sample_rate_hz: int
    channels: int
    data_bytes: int | None


def _read_wav_header(read: Callable[[int], bytes], name: str) -> _WavHeader:
    """Reads on from after `RIFF` to the first sample. Written here because soundfile must seek, which no pipe can."""
    if _read_exactly(read, 8)[4:] != b"WAVE":
        raise AudioError(f"{name}: got a RIFF file that is no WAV, expected raw 16-bit PCM or WAV")
    form = b""
    while True:
        chunk = _read_exactly(read, 8)
        if len(chunk) < 8:
            raise AudioError(f"{name}: ended inside its WAV header, expected samples after it")
        kind, size_bytes = struct.unpack("<4sI", chunk)
        if kind == b"data":
            known = 0 < size_bytes < UNKNOWN_DATA_BYTES
            return _parse_format(form, size_bytes if known else None, name)
        body = _read_exactly(read, size_bytes + size_bytes % 2)
        form = body if kind == b"fmt " else form


def _parse_format(form: bytes, data_bytes: int | None, name: str) -> _WavHeader:
    if len(form) < 16:
        raise AudioError(f"{name}: got a WAV header without a format, expected 16-bit PCM")
    code, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", form[:16])
    if code == EXTENSIBLE_FORMAT and len(form) >= 26:
        code = struct.unpack("<H", form[24:26])[0]
    if (code, bits) != (PCM_FORMAT, 16):
        raise AudioError(f"{name}: got WAV of format {code} with {bits} bits, expected 16-bit PCM (format 1)")
    return _WavHeader(rate_hz, channels, data_bytes)


def _read_exactly(read: Callable[[int], bytes], count: int) -> bytes:
    """`count` bytes, fewer only at the end of the stream."""
    data = b""
    while len(data) < count and (more := read(count - len(data))):
        data += more
    return data
