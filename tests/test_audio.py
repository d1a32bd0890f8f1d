"""Samples and files: conversions, decoding, resampling, writing, and what bad input is told."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from wakeword.audio import (
    StreamResampler,
    audio_files,
    read,
    read_blocks,
    rms,
    speech_activity,
    to_float,
    to_int16,
    write,
)
from wakeword.errors import AudioError, FileError

RATE_HZ = 16000
IMAGE_LIMIT_DB = -80.0


def test_every_int16_survives_the_way_to_float_and_back() -> None:
    every = np.arange(-32768, 32768).astype(np.int16)
    assert np.array_equal(to_int16(to_float(every)), every)
    assert to_float(every).dtype == np.float32
    assert to_float(every).min() == -1.0


def test_float_samples_are_rounded_to_nearest_and_clipped_at_full_scale() -> None:
    assert to_int16(np.float32([0.6 / 32768, -0.6 / 32768, 1.5, -1.5])).tolist() == [1, -1, 32767, -32768]


@pytest.mark.parametrize(
    ("pcm", "message"),
    [
        (np.zeros(4), "got dtype float64, expected int16 or float32"),
        (np.zeros((2, 4), np.float32), r"got shape \[2, 4\], expected mono \[N\]"),
        (np.float32([0, np.nan]), "NaN or infinite"),
        (np.float32([0, np.inf]), "NaN or infinite"),
        (np.float32([0, -1e30]), "beyond 1e"),
    ],
)
def test_arrays_that_are_not_audio_are_refused(pcm: np.ndarray, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        to_float(pcm)


def test_samples_far_above_full_scale_are_taken_as_long_as_their_energy_is_finite() -> None:
    assert to_float(np.full(4, -1e6, np.float32))[0] == np.float32(-1e6)


@given(st.lists(st.integers(0, 4000), min_size=1, max_size=8), st.sampled_from([(8000, 16000), (44100, 16000)]))
def test_resampling_in_pieces_equals_resampling_whole(cuts: list[int], rates: tuple[int, int]) -> None:
    pcm = tone(8000, 440, rates[0])
    resampler = StreamResampler(*rates)
    pieces = [resampler.feed(piece) for piece in np.split(pcm, sorted(cuts))]
    assert np.array_equal(np.concatenate([*pieces, resampler.flush()]), resampled(pcm, *rates))


def test_resampling_keeps_a_tones_pitch_level_and_length() -> None:
    out = resampled(tone(44100, 1000, 44100), 44100, RATE_HZ)
    assert abs(len(out) - RATE_HZ) <= 1
    np.testing.assert_allclose(out[1000:15000], tone(RATE_HZ, 1000, RATE_HZ)[1000:15000], atol=2e-3)


@pytest.mark.parametrize("rate_hz", [8000, 11025, 22050, 44100, 48000])
@pytest.mark.parametrize("share", [0.03, 0.21, 0.41])
def test_a_file_at_another_rate_is_read_without_images_of_a_tone(tmp_path: Path, rate_hz: int, share: float) -> None:
    hz = share * min(rate_hz, RATE_HZ)
    write_float(tmp_path / "tone.wav", tone(2 * rate_hz, hz, rate_hz), rate_hz)
    levels_db = spectrum_db(read(tmp_path / "tone.wav", RATE_HZ))
    bins_hz = np.linspace(0.0, RATE_HZ / 2, len(levels_db))
    assert bins_hz[levels_db.argmax()] == pytest.approx(hz, abs=1.0)
    assert levels_db[np.abs(bins_hz - hz) > 20.0].max() < IMAGE_LIMIT_DB  # 20 Hz: the window's own main lobe


@pytest.mark.parametrize("rate_hz", [22050, 44100, 48000])
def test_what_a_file_has_above_half_the_rate_is_gone_and_not_mirrored(tmp_path: Path, rate_hz: int) -> None:
    write_float(tmp_path / "high.wav", tone(2 * rate_hz, 9000.0, rate_hz), rate_hz)
    heard = read(tmp_path / "high.wav", RATE_HZ)[2000:-2000]
    assert 20.0 * np.log10(rms(heard) / rms(tone(RATE_HZ, 440.0, RATE_HZ))) < IMAGE_LIMIT_DB


def test_after_reset_a_resampler_is_as_new() -> None:
    resampler, pcm = StreamResampler(44100, RATE_HZ), tone(9000, 300, 44100)
    first = np.concatenate([resampler.feed(pcm), resampler.flush()])
    resampler.reset()
    assert np.array_equal(np.concatenate([resampler.feed(pcm), resampler.flush()]), first)


def test_equal_rates_pass_samples_through_untouched() -> None:
    pcm = tone(100, 440, RATE_HZ)
    assert StreamResampler(RATE_HZ, RATE_HZ).feed(pcm) is pcm
    assert len(StreamResampler(RATE_HZ, RATE_HZ).flush()) == 0


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    pcm = to_int16(tone(5000, 440, RATE_HZ))
    write(tmp_path / f"a{suffix}", pcm, RATE_HZ)
    assert np.array_equal(to_int16(read(tmp_path / f"a{suffix}", RATE_HZ)), pcm)


def test_stereo_is_averaged_and_8_khz_is_brought_to_16(tmp_path: Path) -> None:
    left, right = tone(8000, 440, 8000), tone(8000, 660, 8000)
    soundfile.write(tmp_path / "stereo.wav", np.stack([left, right], axis=1), 8000, "FLOAT")
    got = read(tmp_path / "stereo.wav", RATE_HZ)
    assert abs(len(got) - 16000) <= 1
    np.testing.assert_allclose(got, resampled((left + right) / 2, 8000, RATE_HZ), atol=1e-6)


@pytest.mark.parametrize(("suffix", "subtype"), [(".ogg", "VORBIS"), (".opus", "OPUS"), (".mp3", "MPEG_LAYER_III")])
def test_lossy_formats_are_read(tmp_path: Path, suffix: str, subtype: str) -> None:
    path = tmp_path / f"a{suffix}"
    container = "MP3" if suffix == ".mp3" else "OGG"
    soundfile.write(path, tone(48000, 440, 48000), 48000, subtype, format=container)
    got = read(path, RATE_HZ)
    assert len(got) == pytest.approx(16000, abs=1600)  # mp3 pads its ends
    assert rms(got[4000:12000]) == pytest.approx(rms(tone(8000, 440, RATE_HZ)), rel=0.05)


def test_a_file_without_samples_is_empty_and_a_long_one_comes_in_blocks(tmp_path: Path) -> None:
    write(tmp_path / "empty.wav", np.zeros(0, np.int16), RATE_HZ)
    assert read(tmp_path / "empty.wav", RATE_HZ).shape == (0,)
    write(tmp_path / "long.wav", np.zeros(60 * RATE_HZ, np.int16), RATE_HZ)
    lengths = [len(block) for block in read_blocks(tmp_path / "long.wav", RATE_HZ)]
    assert sum(lengths) == 60 * RATE_HZ
    assert max(lengths) < 20 * RATE_HZ


def test_files_that_are_not_audio_are_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("hello")
    soundfile.write(tmp_path / "nan.wav", np.float32([0, np.nan]), RATE_HZ, "FLOAT")
    write(tmp_path / "whole.flac", np.random.default_rng(1).normal(0, 0.1, 40000).astype(np.float32), RATE_HZ)
    (tmp_path / "cut.flac").write_bytes((tmp_path / "whole.flac").read_bytes()[:20000])
    for name, message in {
        "text.wav": r"text\.wav: not readable audio: ",
        "missing.wav": r"missing\.wav: not readable audio: ",
        "nan.wav": r"nan\.wav: got samples that are NaN",
        "cut.flac": r"cut\.flac: (truncated: got \d+ samples, its header says 40000|not readable audio)",
    }.items():
        with pytest.raises(AudioError, match=message) as caught:
            read(tmp_path / name, RATE_HZ)
        assert "\n" not in str(caught.value)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileError, match=r"a\.wav: cannot be written: "):
        write(tmp_path / "file" / "a.wav", np.zeros(4, np.int16), RATE_HZ)
    with pytest.raises(AudioError, match=r"cannot write \.mp3, expected \.wav or \.flac"):
        write(tmp_path / "a.mp3", np.zeros(4, np.int16), RATE_HZ)


def test_a_pause_does_not_lower_the_active_level() -> None:
    word = tone(8000, 440, RATE_HZ)
    level, end = speech_activity(word, RATE_HZ)
    padded_level, padded_end = speech_activity(np.concatenate([np.zeros(3200, np.float32), word, word * 0]), RATE_HZ)
    assert level == pytest.approx(rms(word), rel=1e-6)
    assert (padded_level, padded_end) == (pytest.approx(level, rel=1e-6), 3200 + end)
    assert speech_activity(np.zeros(100, np.float32), RATE_HZ) == (0.0, 0)


def tone(samples: int, hz: float, rate_hz: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(samples) / rate_hz)).astype(np.float32)


def write_float(path: Path, pcm: np.ndarray, rate_hz: int) -> None:
    """In 32 bits, whose noise lies far below an image."""
    soundfile.write(path, pcm, rate_hz, "FLOAT")


def spectrum_db(pcm: np.ndarray) -> np.ndarray:
    """Levels of the bins over the loudest one's, without the ends, where the resampler's filter swings in."""
    middle = pcm[2000:-2000]
    cosines = np.cos(2 * np.pi * np.outer(np.arange(4), np.arange(len(middle))) / len(middle))
    window = np.array([0.35875, -0.48829, 0.14128, -0.01168]) @ cosines  # Blackman-Harris
    magnitudes = np.abs(np.fft.rfft(middle * window))
    return 20.0 * np.log10(magnitudes / magnitudes.max() + 1e-12)


def resampled(pcm: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    resampler = StreamResampler(from_hz, to_hz)
    return np.concatenate([resampler.feed(pcm), resampler.flush()])


def test_recordings_are_found_through_links_but_not_in_hidden_places_or_pipes(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    write(elsewhere / "linked.flac", np.zeros(16, np.float32), RATE_HZ)
    folder = tmp_path / "folder"
    for name in ("b.wav", "a/deep.WAV", ".hidden/x.wav", ".x.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write(folder / name.lower(), np.zeros(16, np.float32), RATE_HZ)
    (folder / "notes.txt").write_text("")
    (folder / "phone.m4a").write_text("")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.wav")
    (folder / "to_elsewhere").symlink_to(elsewhere, target_is_directory=True)
    (folder / "back_up").symlink_to(tmp_path, target_is_directory=True)
    (folder / "broken.wav").symlink_to(tmp_path / "nowhere.wav")
    files, foreign = audio_files(folder)
    found = [path.relative_to(folder).as_posix() for path in files]
    assert found == ["b.wav", "broken.wav", "a/deep.wav", "to_elsewhere/linked.flac"]
    assert [path.name for path in foreign] == ["phone.m4a"]
