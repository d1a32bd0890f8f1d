"""A source gives the samples that are in it, however they arrive."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wakeword import audio
from wakeword.errors import AudioError
from wakeword.sources import Source, StdinSource, WavSource

RATE_HZ = 16000


class Pipe(io.BytesIO):
    """A pipe whose writer delivers a few bytes at a time."""

    def __init__(self, data: bytes, bytes_per_read: int) -> None:
        super().__init__(data)
        self._bytes_per_read = bytes_per_read

    def read1(self, size: int = -1) -> bytes:
        return super().read1(min(size, self._bytes_per_read))


def noise(samples: int, channels: int = 1) -> np.ndarray:
    pcm = np.random.default_rng(3).integers(-32768, 32768, (samples, channels)).astype(np.int16)
    return pcm[:, 0] if channels == 1 else pcm


def wav_bytes(pcm: np.ndarray, rate_hz: int = RATE_HZ, subtype: str = "PCM_16", form: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, pcm, rate_hz, subtype, format=form)
    return file.getvalue()


def heard(source: Source) -> np.ndarray:
    return np.concatenate([audio.to_float(block) for block in source.blocks()] or [np.zeros(0, np.float32)])


@pytest.mark.parametrize(("rate_hz", "suffix"), [(8000, "wav"), (44100, "flac"), (48000, "wav")])
def test_a_file_is_heard_sample_for_sample_at_its_own_rate(tmp_path: Path, rate_hz: int, suffix: str) -> None:
    path, pcm = tmp_path / f"a.{suffix}", noise(5000)
    soundfile.write(path, pcm, rate_hz, "PCM_16")
    source = WavSource(path)
    assert source.sample_rate_hz == rate_hz
    assert np.array_equal(heard(source), audio.to_float(pcm))


def test_a_file_that_is_no_audio_is_refused_before_listening(tmp_path: Path) -> None:
    path = tmp_path / "notes.wav"
    path.write_text("these are not samples")
    with pytest.raises(AudioError, match=r"notes\.wav: not readable audio"):
        WavSource(path)


def test_a_closed_file_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(3 * audio.BLOCK_SAMPLES), RATE_HZ)
    source = WavSource(path)
    blocks = source.blocks()
    next(blocks)
    source.close()
    assert list(blocks) == []


@pytest.mark.parametrize("bytes_per_read", [1, 2, 3, 7, 100_000])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_raw_pcm_is_the_same_however_a_pipe_cuts_it(bytes_per_read: int, channels: int) -> None:
    pcm = noise(600, channels)
    source = StdinSource(Pipe(pcm.tobytes(), bytes_per_read), RATE_HZ, channels)
    mono = audio.to_float(pcm.reshape(-1)).reshape(-1, channels).mean(axis=1)
    assert np.array_equal(heard(source), mono)


@pytest.mark.parametrize("extra", [b"", b"\x01", b"\x01\x02\x03"])
def test_an_incomplete_last_frame_is_dropped(extra: bytes) -> None:
    pcm = noise(10, channels=2)
    assert len(heard(StdinSource(io.BytesIO(pcm.tobytes() + extra), RATE_HZ, 2))) == 10


def test_an_empty_pipe_is_no_sound() -> None:
    assert len(heard(StdinSource(io.BytesIO(b""), RATE_HZ))) == 0


@pytest.mark.parametrize("bytes_per_read", [1, 5, 100_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_wav_header_tells_the_rate_and_is_not_sound(tmp_path: Path, bytes_per_read: int, channels: int) -> None:
    data = wav_bytes(noise(500, channels), rate_hz=22050)
    (tmp_path / "same.wav").write_bytes(data)
    source = StdinSource(Pipe(data, bytes_per_read), RATE_HZ)
    assert source.sample_rate_hz == 22050
    assert np.array_equal(heard(source), heard(WavSource(tmp_path / "same.wav")))


def test_what_follows_the_samples_in_a_wav_is_not_sound() -> None:
    pcm = noise(500)
    data = wav_bytes(pcm) + b"LIST" + (400).to_bytes(4, "little") + b"\x7f" * 400
    assert np.array_equal(heard(StdinSource(io.BytesIO(data), RATE_HZ)), audio.to_float(pcm))


@pytest.mark.parametrize("size_bytes", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_without_a_known_length_is_heard_to_the_end(size_bytes: int) -> None:
    pcm = noise(500)
    data = bytearray(wav_bytes(pcm))
    at = data.index(b"data") + 4
    data[at : at + 4] = size_bytes.to_bytes(4, "little")
    assert np.array_equal(heard(StdinSource(io.BytesIO(bytes(data)), RATE_HZ)), audio.to_float(pcm))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (wav_bytes(noise(50), subtype="PCM_24"), "format 1 with 24 bits, expected 16-bit PCM"),
        (wav_bytes(noise(50), subtype="FLOAT"), "format 3 with 32 bits, expected 16-bit PCM"),
        (wav_bytes(noise(50), form="FLAC"), "got a FLAC file, expected raw 16-bit PCM or WAV"),
        (wav_bytes(noise(50))[:30], "ended inside its WAV header"),
        (b"RIFF\x00\x00\x00\x00AVI rest", "got a RIFF file that is no WAV"),
        (b"RIFF\x00\x00\x00\x00WAVEdata\x02\x00\x00\x00\x01\x00", "got a WAV header without a format"),
    ],
)
def test_other_files_in_a_pipe_are_refused_by_name(data: bytes, complaint: str) -> None:
    with pytest.raises(AudioError, match=complaint):
        StdinSource(io.BytesIO(data), RATE_HZ)


def test_a_pipe_needs_a_rate_and_a_channel() -> None:
    with pytest.raises(AudioError, match="got 0 Hz"):
        StdinSource(io.BytesIO(b"\x00" * 8), sample_rate_hz=0)
