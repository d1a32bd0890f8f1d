"""One example as bytes that depend on its samples alone: a FLAC or Opus file in memory."""

from __future__ import annotations

import io
import zlib
from typing import Literal

import numpy as np

from wakeword.audio import to_float
from wakeword.errors import ConfigError

CodecName = Literal["flac", "opus"]
CODECS: tuple[CodecName, ...] = ("flac", "opus")
OPUS_RATES_HZ = (8000, 12000, 16000, 24000, 48000)
OPUS_LEVEL = 0.9  # of libsndfile's 0 (256 kbit/s) to 1 (6): 31 kbit/s, at which speech has no audible loss
PAGE_HEADER, SERIAL_AT, CRC_AT, SEGMENTS_AT = 27, 14, 22, 26  # of an Ogg page, RFC 3533
MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def check_codec(codec: CodecName, sample_rate_hz: int) -> None:
    """Raises ConfigError if the codec does not know the rate."""
    if codec == "opus" and sample_rate_hz not in OPUS_RATES_HZ:
        raise ConfigError(f"opus: got audio at {sample_rate_hz} Hz, expected one of {OPUS_RATES_HZ}, or --format flac")


def encode(pcm: np.ndarray, sample_rate_hz: int, codec: CodecName) -> bytes:
    """int16 [N] -> a file. FLAC gives back the same samples; Opus about the same sound in far less."""
    import soundfile

    file = io.BytesIO()
    if codec == "flac":
        soundfile.write(file, pcm, sample_rate_hz, "PCM_16", format="FLAC")
        return file.getvalue()
    level = {"compression_level": OPUS_LEVEL}
    soundfile.write(file, to_float(pcm), sample_rate_hz, "OPUS", format="OGG", **level)
    return with_serial(file.getvalue(), 0)


def with_serial(ogg: bytes, serial: int) -> bytes:
    """An Ogg file whose stream has this serial number, which libsndfile draws from the clock."""
    content, at = bytearray(ogg), 0
    while at < len(content):
        segments = content[at + SEGMENTS_AT]
        end = at + PAGE_HEADER + segments + sum(content[at + PAGE_HEADER : at + PAGE_HEADER + segments])
        content[at + SERIAL_AT : at + SERIAL_AT + 4] = serial.to_bytes(4, "little")
        content[at + CRC_AT : at + CRC_AT + 4] = bytes(4)
        content[at + CRC_AT : at + CRC_AT + 4] = _crc(content[at:end]).to_bytes(4, "little")
        at = end
    return bytes(content)


def _crc(page: bytes | bytearray) -> int:
    """Ogg's checksum is zlib's with all bits in the other order, and nothing inverted at either end."""
    mirrored = zlib.crc32(page.translate(MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
