"""From a source to detections: the samples decide, not how they were cut, and time goes on across a gap."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from level_word import LevelWord

import wakeword
from wakeword import audio, cli
from wakeword.listener import Listener
from wakeword.sources import Gap, StdinSource, WavSource

STEP_S = 0.01


class CutSource:
    """Given blocks and gaps, at a rate."""

    name = "blocks"

    def __init__(self, blocks: list[np.ndarray | Gap], sample_rate_hz: int = 16000) -> None:
        self._blocks, self.sample_rate_hz, self.closed = blocks, sample_rate_hz, False

    def blocks(self) -> Iterator[np.ndarray | Gap]:
        yield from self._blocks

    def close(self) -> None:
        self.closed = True


def beeps(starts_s: list[float], length_s: float, rate_hz: int = 16000) -> np.ndarray:
    """int16 [N]: silence with tones of 0.3 s."""
    times_s = np.arange(round(length_s * rate_hz)) / rate_hz
    on = np.any([(times_s >= start_s) & (times_s < start_s + 0.3) for start_s in starts_s], axis=0)
    return audio.to_int16((0.5 * on * np.sin(2 * np.pi * 500 * times_s)).astype(np.float32))


def speechlike(length_s: float, rate_hz: int = 16000) -> np.ndarray:
    """int16 [N]: noise whose level moves, so that a network's output moves too."""
    rng = np.random.default_rng(5)
    level = np.repeat(rng.uniform(0, 0.3, round(length_s * 10)), rate_hz // 10)
    return audio.to_int16((level * rng.standard_normal(len(level))).astype(np.float32))


def wakeful_threshold(bundle: Path, pcm: np.ndarray) -> float:
    """One that a network with random weights passes now and then."""
    ww = wakeword.load(bundle)
    return float(np.quantile(ww.scores(pcm)[1][ww.warmup_steps :], 0.8))


@pytest.mark.parametrize("block_samples", [1, 159, 160, 1000, 100_000])
def test_detections_do_not_depend_on_how_the_sound_was_cut(block_samples: int) -> None:
    pcm = beeps([0.5, 1.5], 2.0)
    blocks = [pcm[at : at + block_samples] for at in range(0, len(pcm), block_samples)]
    assert list(Listener(CutSource(blocks), LevelWord())) == list(Listener(CutSource([pcm]), LevelWord()))


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100, 48000])
def test_a_sound_is_heard_at_its_time_at_any_rate(rate_hz: int) -> None:
    heard = list(Listener(CutSource([beeps([0.5, 1.5], 2.0, rate_hz)], rate_hz), LevelWord()))
    assert [d.end_s for d in heard] == pytest.approx([0.51, 1.51], abs=STEP_S + 1e-9)


def test_a_sound_in_the_last_unfinished_step_is_heard() -> None:
    pcm = beeps([0.5], 0.5 + 100 / 16000)
    assert len(pcm) % 160
    assert len(list(Listener(CutSource([pcm]), LevelWord()))) == 1
    assert len(list(Listener(CutSource([pcm.repeat(3)], 48000), LevelWord()))) == 1


def test_time_goes_on_across_a_gap_and_the_wake_word_starts_fresh() -> None:
    early, late = beeps([0.9], 1.0), beeps([0.0], 1.0)
    assert len(list(Listener(CutSource([early, late]), LevelWord()))) == 1  # no rest between the two
    heard = list(Listener(CutSource([early, Gap(48000), late]), LevelWord()))
    assert [d.end_s for d in heard] == pytest.approx([0.91, 4.01], abs=STEP_S + 1e-9)


def test_a_word_that_ended_just_before_a_gap_is_heard() -> None:
    pcm = beeps([0.5], 0.5 + 100 / 16000)
    assert len(list(Listener(CutSource([pcm, Gap(100)]), LevelWord()))) == 1


def test_listening_again_starts_at_zero() -> None:
    listener = Listener(CutSource([beeps([0.5], 1.0)]), LevelWord())
    assert list(listener) == list(listener)


def test_run_calls_back_and_leaving_closes_the_source() -> None:
    heard, source = [], CutSource([beeps([0.5], 1.0)])
    with Listener(source, LevelWord(), heard.append) as listener:
        listener.run()
    assert len(heard) == 1
    assert source.closed


class PausedSource(CutSource):
    """Pauses its listener before some of its blocks, and lets it go on before others."""

    def __init__(self, blocks: list[np.ndarray | Gap], pause_at: int, resume_at: int) -> None:
        super().__init__(blocks)
        self.listener: Listener | None = None
        self._switch = {pause_at: lambda: self.listener.pause(), resume_at: lambda: self.listener.resume()}

    def blocks(self) -> Iterator[np.ndarray | Gap]:
        for number, block in enumerate(self._blocks):
            self._switch.get(number, lambda: None)()
            yield block


def test_a_paused_listener_hears_nothing_while_time_goes_on() -> None:
    source = PausedSource([beeps([0.2], 0.5) for _ in range(6)], pause_at=1, resume_at=4)
    source.listener = Listener(source, LevelWord())
    assert [d.end_s for d in source.listener] == pytest.approx([0.21, 2.21, 2.71], abs=1e-9)


def test_a_word_that_ended_just_before_a_pause_is_heard_and_the_pause_is_no_context() -> None:
    source = PausedSource([beeps([0.2], 0.2 + 100 / 16000), beeps([0.0], 0.5), beeps([0.0], 0.5)], 1, 2)
    source.listener = Listener(source, LevelWord())
    assert [d.end_s for d in source.listener] == pytest.approx([0.21, 0.70625 + 0.01], abs=1e-9)


@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_a_real_bundle_hears_the_same_in_a_file_and_in_a_pipe(tiny_bundle: Path, tmp_path: Path, rate_hz: int) -> None:
    pcm = speechlike(10.0, rate_hz)
    soundfile.write(tmp_path / "a.wav", pcm, rate_hz)
    threshold = wakeful_threshold(tiny_bundle, audio.read(tmp_path / "a.wav", 16000))
    from_file = list(Listener(WavSource(tmp_path / "a.wav"), wakeword.load(tiny_bundle, threshold)))
    pipe = StdinSource(io.BytesIO(pcm.tobytes()), rate_hz)
    from_pipe = list(Listener(pipe, wakeword.load(tiny_bundle, threshold)))
    assert from_file
    assert [(d.phrase, d.end_s) for d in from_file] == [(d.phrase, d.end_s) for d in from_pipe]
    assert [d.score for d in from_file] == pytest.approx([d.score for d in from_pipe], abs=1e-5)  # float32, other cuts


def test_the_verb_prints_only_detections_for_machines(tiny_bundle: Path, tmp_path: Path, capsys) -> None:
    pcm = speechlike(10.0)
    soundfile.write(tmp_path / "a.wav", pcm, 16000)
    threshold = wakeful_threshold(tiny_bundle, audio.to_float(pcm))
    code = cli.main(
        ["listen", str(tiny_bundle), "--wav", str(tmp_path / "a.wav"), "--json", "--threshold", str(threshold)]
    )
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    expected = list(Listener(WavSource(tmp_path / "a.wav"), wakeword.load(tiny_bundle, threshold)))
    assert (code, printed.err) == (0, "")
    assert [line["end_s"] for line in lines] == pytest.approx([d.end_s for d in expected], abs=1e-6)
    assert all(list(line) == ["phrase", "start_s", "end_s", "score"] for line in lines)


def damaged(path: Path, what: str) -> None:
    """A recording that cannot be heard, or not to its end."""
    pcm = audio.to_float(speechlike(2.0))
    if what == "text":
        path.write_text("no audio")
    elif what == "truncated":
        soundfile.write(path, pcm, 16000, format="FLAC")
        path.write_bytes(path.read_bytes()[:20000])
    else:
        pcm[-1] = np.nan
        soundfile.write(path, pcm, 16000, "FLOAT", format="WAV")


@pytest.mark.parametrize(("name", "what"), [("a.wav", "text"), ("a.flac", "truncated"), ("a.wav", "nan")])
def test_a_recording_that_cannot_be_heard_is_one_line(
    tiny_bundle: Path, tmp_path: Path, name: str, what: str, capsys
) -> None:
    damaged(tmp_path / name, what)
    assert cli.main(["listen", str(tiny_bundle), "--wav", str(tmp_path / name)]) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert name in printed.err


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_recordings_of_nothing_silence_and_clipped_stereo_are_heard_to_their_end(
    tiny_bundle: Path, tmp_path: Path, rate_hz: int, capsys
) -> None:
    clipped = np.clip(np.stack([speechlike(2.0, rate_hz) / 3000.0] * 2, axis=1), -1, 1)
    for number, pcm in enumerate([np.zeros(0), np.zeros(rate_hz), clipped]):
        soundfile.write(tmp_path / f"{number}.wav", pcm, rate_hz)
        threshold = ["--threshold", "0.999999"]
        assert cli.main(["listen", str(tiny_bundle), "--wav", str(tmp_path / f"{number}.wav"), *threshold]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_verb_reads_a_pipe(tiny_bundle: Path) -> None:
    pcm = speechlike(10.0)
    threshold = str(wakeful_threshold(tiny_bundle, audio.to_float(pcm)))
    command = [sys.executable, "-m", "wakeword", "listen", str(tiny_bundle), "--stdin", "--threshold", threshold]
    run = subprocess.run(command, input=pcm.tobytes(), capture_output=True, timeout=60, check=False)
    assert (run.returncode, run.stderr.decode().strip()) == (0, "listening for hey test on stdin at 16000 Hz")
    assert "hey test" in run.stdout.decode()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--wav", "a.wav", "--stdin"], "got --wav and --stdin, expected one source"),
        (["--wav", "a.wav", "--rate", "8000"], "--rate: got it without --stdin"),
        (["--stdin", "--rate", "0"], "Invalid value for '--rate'"),
        (["--stdin", "--rate", "1000000"], "Invalid value for '--rate'"),
        (["--stdin", "--chime-out", "b.wav"], "--chime-out: got it without --wav"),
        (["--wav", "missing.wav"], "missing.wav: not readable audio"),
        (["--wav", "missing.wav", "--chime-out", "b.mp3"], "b.mp3: got .mp3, expected .wav or .flac"),
        (["--wav", "missing.wav", "--threshold", "7"], "threshold: got 7.0"),
        (
            ["--wav", "missing.wav", "--threshold", "high"],
            "--threshold: got 'high', expected a number or PHRASE=NUMBER",
        ),
        (["--wav", "missing.wav", "--threshold", "hey tset=0.5"], "threshold: got 'hey tset', expected one of"),
        (["--wav", "missing.wav", "--rearm", "2"], "rearm_ratio: got 2.0"),
        (["--wav", "missing.wav", "--min-level", "3"], "minimum level: got 3 dBFS"),
        (["--wav", "missing.wav", "--exec", "no-such-program"], "--exec: got 'no-such-program'"),
        (["--wav", "missing.wav", "--pause-while-exec"], "--pause-while-exec: got it without --exec"),
        (["--wav", "missing.wav", "--save-hits-mb", "9"], "--save-hits-mb: got it without --save-hits"),
        (["--wav", "missing.wav", "--pre-roll", "1"], "--pre-roll: got it without --pipe-command"),
        (["--wav", "missing.wav", "--webhook", "ftp://a"], "--webhook: got 'ftp://a'"),
        (
            ["--wav", "missing.wav", "--pipe-command", "cat", "--pre-roll", "60"],
            "got pre_roll_s 60.0, expected 0 to 10",
        ),
        (["--wav", "missing.wav", "--save-hits", "x\0y"], "--save-hits"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    tiny_bundle: Path, arguments: list[str], complaint: str, capsys
) -> None:
    assert cli.main(["listen", str(tiny_bundle), *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert complaint in printed.err


def test_listening_needs_a_bundle(capsys) -> None:
    assert cli.main(["listen", "--wav", "a.wav"]) == 2
    assert "BUNDLE: got none" in capsys.readouterr().err
