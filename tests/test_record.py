"""`wakeword record` on a real microphone path: takes that are good are kept, others are refused with their reason."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sound_system import PATIENCE_S, file_microphone, needs_alsa
from synth_clips import noise, syllables

from wakeword import cli, microphone
from wakeword.audio import read
from wakeword.sources import Gap

RATE_HZ = 44100  # of ALSA's `null`, which stands behind the file


def spoken() -> np.ndarray:
    hush = noise(0.8, rate_hz=RATE_HZ) * 0.02
    return np.concatenate([hush, syllables(0.7, rate_hz=RATE_HZ), hush, hush]).astype(np.float32)


def record(folder: Path, heard: np.ndarray, answers: str, *options: str) -> subprocess.CompletedProcess:
    env = file_microphone(folder, heard)
    command = [sys.executable, "-m", "wakeword", "record", "hey test", "--device", "wavmic", *options]
    return subprocess.run(
        command, env=env, cwd=folder, input=answers, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


@needs_alsa
def test_good_takes_are_kept_under_new_names_until_the_count_is_reached(tmp_path: Path) -> None:
    done = record(tmp_path, spoken(), "\n\nr\n", "-n", "2", "--seconds", "2")
    assert done.returncode == 0, done.stderr
    assert 'wakeword train "hey test" --takes' in done.stdout
    files = sorted(path.name for path in (tmp_path / "takes" / "hey_test").iterdir())
    assert files == ["take_001.wav", "take_002.wav"]
    again = record(tmp_path, spoken(), "\nq\n", "-n", "5", "--seconds", "2")
    assert again.returncode == 0
    assert len(list((tmp_path / "takes" / "hey_test").iterdir())) == 3


@needs_alsa
@pytest.mark.parametrize(
    ("heard", "reason"),
    [
        (np.zeros(3 * RATE_HZ, np.float32), "silent"),
        (0.01 * spoken(), "too quiet"),
        (np.clip(1000 * spoken(), -1, 1), "clipped"),
        (noise(3.0, rate_hz=RATE_HZ), "no voice"),
    ],
)
def test_a_bad_take_is_not_kept_and_the_reason_is_said(tmp_path: Path, heard: np.ndarray, reason: str) -> None:
    done = record(tmp_path, heard, "\n", "-n", "1", "--seconds", "2")
    assert done.returncode == 0, done.stderr
    assert f"not kept: {reason}" in done.stdout
    assert not (tmp_path / "takes").exists()


@needs_alsa
def test_a_room_is_recorded_for_as_long_as_asked(tmp_path: Path) -> None:
    done = record(tmp_path, noise(8.0, rate_hz=RATE_HZ), "", "--background", "0.1", "--out", "room")
    assert done.returncode == 0, done.stderr
    pcm = read(tmp_path / "room" / "background_001.wav", RATE_HZ)
    assert abs(len(pcm) / RATE_HZ - 6.0) < 0.2
    assert np.std(pcm) == pytest.approx(0.05, rel=0.1)


@needs_alsa
def test_an_unknown_microphone_is_one_line(tmp_path: Path) -> None:
    env = file_microphone(tmp_path, spoken())
    command = [sys.executable, "-m", "wakeword", "record", "hey test", "--device", "nosuch"]
    done = subprocess.run(command, env=env, cwd=tmp_path, input="\n", capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


class Unplugged:
    """A microphone that is gone after a second, or at once."""

    name, sample_rate_hz = "unplugged", 16000

    def __init__(self, blocks: int) -> None:
        self._blocks = blocks

    def blocks(self) -> Iterator[np.ndarray | Gap]:
        yield from (np.full(1600, 0.1, np.float32) for _ in range(self._blocks))
        yield Gap(16000)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("blocks", [10, 0])
def test_what_was_recorded_of_a_room_is_kept_when_the_microphone_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], blocks: int
) -> None:
    monkeypatch.setattr(microphone, "MicrophoneSource", lambda device, on_event: Unplugged(blocks))
    out = tmp_path / "home"
    assert cli.main(["record", "home", "--background", "1", "--out", str(out)]) == (0 if blocks else 2)
    shown = capsys.readouterr()
    if blocks:
        assert len(read(out / "background_001.wav", 16000)) == 16000
        assert "ended early" in shown.out and f"wakeword train PHRASE --negatives {out}" in shown.out
    else:
        assert "went away" in shown.err and not list(out.iterdir())
