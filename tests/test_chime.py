"""The chime: a sound that ends, and never drives a recording over full scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import wakeword
from wakeword import audio, cli
from wakeword.chime import chime, overlay, write_with_chimes
from wakeword.errors import AudioError

RATE_HZ = 16000


@pytest.mark.parametrize("rate_hz", [2000, 8000, 16000, 44100, 96000])
def test_the_chime_fades_in_and_out_at_any_rate(rate_hz: int) -> None:
    sound = chime(rate_hz)
    assert sound.dtype == np.float32
    assert len(sound) == round(0.4 * rate_hz)
    assert 0.1 < np.abs(sound).max() < 0.5
    assert np.abs(sound[[0, -1]]).max() < 1e-3


def test_over_silence_the_chime_is_itself() -> None:
    sound = chime(RATE_HZ)
    mixed = overlay(np.zeros(2 * len(sound), np.float32), sound, 100)
    assert np.array_equal(mixed[100 : 100 + len(sound)], sound)
    assert not mixed[:100].any()
    assert not mixed[100 + len(sound) :].any()


@pytest.mark.parametrize("level", [-1.0, 1.0])
def test_over_a_recording_at_full_scale_nothing_clips(level: float) -> None:
    mixed = overlay(np.full(RATE_HZ, level, np.float32), chime(RATE_HZ), 2000)
    assert np.abs(mixed).max() <= 1.0
    assert np.array_equal(mixed[:2000], np.full(2000, level, np.float32))


def test_overlaying_in_pieces_equals_overlaying_the_whole() -> None:
    pcm = np.random.default_rng(2).uniform(-1, 1, RATE_HZ).astype(np.float32)
    sound = chime(RATE_HZ)
    pieces = [overlay(pcm[at : at + 999], sound, 3000 - at) for at in range(0, len(pcm), 999)]
    assert np.array_equal(np.concatenate(pieces), overlay(pcm, sound, 3000))


@pytest.mark.parametrize("at_samples", [-10_000, -100, 900, 1000, 5000])
def test_what_lies_outside_the_recording_is_cut_off(at_samples: int) -> None:
    pcm = np.ones(1000, np.float32)
    assert len(overlay(pcm, chime(RATE_HZ), at_samples)) == 1000
    assert (pcm == 1).all()


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_recording_is_written_with_chimes_at_its_own_rate(tmp_path: Path, suffix: str) -> None:
    soundfile.write(tmp_path / "in.wav", np.zeros((30_000, 2)), 11025)
    write_with_chimes(tmp_path / f"out{suffix}", tmp_path / "in.wav", [0.5, 2.0])
    written, rate_hz = soundfile.read(tmp_path / f"out{suffix}", dtype="float32")
    assert (rate_hz, written.shape) == (11025, (30_000,))
    for at in (round(0.5 * 11025), round(2.0 * 11025)):
        assert np.allclose(written[at : at + 4000], chime(11025)[:4000], atol=1 / 32768)


def test_a_damaged_recording_leaves_no_half_written_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.flac", np.random.default_rng(1).uniform(-1, 1, 50_000), RATE_HZ)
    whole = (tmp_path / "in.flac").read_bytes()
    (tmp_path / "in.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AudioError, match=r"in\.flac"):
        write_with_chimes(tmp_path / "out.wav", tmp_path / "in.flac", [0.5])
    assert [path.name for path in tmp_path.iterdir()] == ["in.flac"]


def test_the_verb_lays_a_chime_over_each_detection(tiny_bundle: Path, tmp_path: Path, capsys) -> None:
    pcm = np.random.default_rng(4).normal(0, 0.05, 5 * RATE_HZ).astype(np.float32)
    audio.write(tmp_path / "in.wav", pcm, RATE_HZ)
    ww = wakeword.load(tiny_bundle)
    threshold = float(np.quantile(ww.scores(pcm)[1], 0.5))
    arguments = [
        "--wav",
        str(tmp_path / "in.wav"),
        "--chime-out",
        str(tmp_path / "out.wav"),
        "--threshold",
        str(threshold),
    ]
    assert cli.main(["listen", str(tiny_bundle), *arguments]) == 0
    changed = np.flatnonzero(audio.read(tmp_path / "in.wav", RATE_HZ) != audio.read(tmp_path / "out.wav", RATE_HZ))
    first = capsys.readouterr().out.split()[0].partition(":")
    assert changed[0] / RATE_HZ == pytest.approx(60 * int(first[0]) + float(first[2]), abs=0.02)


def test_the_chimes_never_replace_the_recording(tiny_bundle: Path, tmp_path: Path, capsys) -> None:
    audio.write(tmp_path / "in.wav", np.zeros(RATE_HZ, np.float32), RATE_HZ)
    both = str(tmp_path / "in.wav")
    assert cli.main(["listen", str(tiny_bundle), "--wav", both, "--chime-out", both]) == 2
    assert "got the recording itself" in capsys.readouterr().err


def test_chimes_that_cannot_be_written_are_refused_before_listening(tiny_bundle: Path, tmp_path: Path, capsys) -> None:
    audio.write(tmp_path / "in.wav", np.zeros(RATE_HZ, np.float32), RATE_HZ)
    out = str(tmp_path / "in.wav" / "chimed.wav")
    assert cli.main(["listen", str(tiny_bundle), "--wav", str(tmp_path / "in.wav"), "--chime-out", out]) == 2
    assert "chimed.wav: cannot be written" in capsys.readouterr().err
