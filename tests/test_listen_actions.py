"""`wakeword listen` with actions, and training on what it saved."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from synth_clips import make_clips, syllables, tiny
from test_listener import speechlike, wakeful_threshold

from synth import open_clips
from wakeword import audio, cli
from wakeword.audio import write
from wakeword.cli.train import wrong_hits
from wakeword.errors import DataError


@pytest.fixture
def wakeful(tiny_bundle: Path, tmp_path: Path) -> list[str]:
    """The start of a command line that hears something, in `a.wav`."""
    pcm = speechlike(10.0)
    soundfile.write(tmp_path / "a.wav", pcm, 16000)
    threshold = wakeful_threshold(tiny_bundle, audio.to_float(pcm))
    rule = ["--threshold", str(threshold), "--rearm", "1.0", "--refractory", "3"]
    return [str(tiny_bundle), *rule]


def test_every_hit_is_acted_on_and_saved_and_stdout_holds_nothing_but_hits(wakeful: list[str], tmp_path: Path) -> None:
    copy = f'"{sys.executable}" -c "import sys; open(sys.argv[1],\'wb\').write(sys.stdin.buffer.read()); print(1)"'
    options = ["--exec", "echo did {phrase}", "--pipe-command", f'{copy} "{tmp_path / "pcm"}"', "--max-s", "1"]
    options += ["--pre-roll", "0", "--end-silence", "60", "--save-hits", str(tmp_path / "saved"), "--json"]
    command = [sys.executable, "-m", "wakeword", "listen", *wakeful, "--wav", str(tmp_path / "a.wav"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    hits = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(hits) >= 2
    assert done.stderr.count("did hey test\n") == len(hits)
    assert len(list((tmp_path / "saved" / "hits").glob("*.wav"))) == len(hits)
    starts = [round(16000 * hit["end_s"]) for hit in hits]
    fed, pcm = np.fromfile(tmp_path / "pcm", "<i2"), speechlike(10.0)
    assert any(np.array_equal(fed, pcm[start : start + 16000]) for start in starts)


def test_on_a_terminal_a_line_shows_level_score_and_the_last_hit(wakeful: list[str], tmp_path: Path) -> None:
    ours, theirs = pytest.importorskip("pty", reason="needs a terminal").openpty()
    command = [sys.executable, "-m", "wakeword", "listen", *wakeful, "--stdin"]
    with open(tmp_path / "a.wav", "rb") as sound:
        process = subprocess.Popen(command, stdin=sound, stdout=subprocess.PIPE, stderr=theirs, text=True)
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # Linux says so when the other side is closed
            pass
    printed = process.stdout.read()
    assert process.wait(60) == 0
    assert "hey test" in printed
    assert "\x1b" not in printed
    lines = shown.decode().split("\r\x1b[K")
    assert any("dBFS  score 0." in line and "last: hey test" in line for line in lines)
    assert lines[-1] == ""


def sorted_hits(folder: Path, *kinds: str) -> Path:
    for seed, kind in enumerate(kinds):
        for number in range(3):
            write(folder / kind / f"{number}.wav", syllables(0.6, 10 * seed + number), 16000)
    return folder


def test_what_was_sorted_as_wrong_is_trained_on_else_all_but_what_is_right(tmp_path: Path) -> None:
    everything = sorted_hits(tmp_path / "a", "hits", "near_misses", "right", "wrong")
    assert wrong_hits(everything) == [everything / "wrong"]
    unsorted = sorted_hits(tmp_path / "b", "hits", "near_misses", "right")
    assert wrong_hits(unsorted) == [unsorted / "hits", unsorted / "near_misses"]
    plain = sorted_hits(tmp_path / "c", "somewhere")
    assert wrong_hits(plain) == [plain]
    with pytest.raises(DataError, match="nothing but right hits"):
        wrong_hits(sorted_hits(tmp_path / "d", "right"))


def test_a_few_hard_negatives_are_half_of_the_near_misses_that_are_drawn(tmp_path: Path) -> None:
    clips = make_clips(tmp_path / "clips")
    for number in range(40):
        write(clips / "near_misses" / f"{number}.wav", syllables(0.6, 300 + number), 16000)
    wrong = sorted_hits(tmp_path / "saved", "wrong") / "wrong"
    config = tiny(near_miss_probability=1.0, partial_probability=0.0, negatives=[2, 2])
    opened = open_clips(clips, config, ["hey test"], added={"near_misses": [wrong]})
    sources = [e.source for i in range(60) for e in opened.example("train", i).events if e.kind == "negative"]
    assert sum("+1/" in source for source in sources) / len(sources) == pytest.approx(0.5, abs=0.15)


def test_train_takes_hard_negatives_and_refuses_a_folder_without_any(tmp_path: Path, capsys, monkeypatch) -> None:
    pytest.importorskip("torch", reason="training needs the extra 'train'")
    monkeypatch.setenv("WAKEWORD_CACHE", str(tmp_path / "cache"))
    clips, saved = make_clips(tmp_path / "clips"), sorted_hits(tmp_path / "saved", "hits", "wrong")
    words = ["train", "hey test", "--clips", str(clips), "--config", "tiny", "--max-steps", "10", "--json"]
    words += ["--out", str(tmp_path / "model"), "--hard-negatives"]
    assert cli.main([*words, str(saved)]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (found,) = (event for event in events if event["event"] == "clips")
    assert found["train"]["near_misses"]["files"] + found["validation"]["near_misses"]["files"] == 3
    (tmp_path / "empty").mkdir()
    assert cli.main([*words, str(tmp_path / "empty")]) == 2
    assert "no audio found" in capsys.readouterr().err
