"""The same seed gives the same bytes: with any number of workers, and after any interruption."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest
from synth_clips import make_clips, tiny

from synth import dataset, open_clips, stream, write_dataset
from synth.build import BATCH_EXAMPLES
from wakeword.clips import read_manifest
from wakeword.errors import DataError, FileError
from wakeword.files import locked

EXAMPLES = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clips(tmp_path_factory.mktemp("dataset") / "clips")


@pytest.fixture(autouse=True)
def cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWORD_CACHE", str(folder.parent / "cache"))


def contents(out: Path) -> dict[str, str]:
    files = [path for path in out.rglob("*") if path.is_file() and path.name != dataset.LOCK_NAME]
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_stream_is_the_same_for_any_number_of_workers(folder: Path) -> None:
    config = tiny()
    clips = open_clips(folder, config)
    alone = [example.pcm.tobytes() for example in stream(clips, config, "train", 0, 5 + 16 * BATCH_EXAMPLES)]
    for workers in (1, 2, 16):
        count = workers * BATCH_EXAMPLES  # a batch for each
        examples = list(stream(clips, config, "train", 5, count, workers))
        assert [example.pcm.tobytes() for example in examples] == alone[5 : 5 + count]
    assert examples[0].recipe == clips.example("train", 5).recipe
    assert len(set(alone)) == len(alone)


def test_an_endless_stream_ends_its_workers_when_closed(folder: Path) -> None:
    import multiprocessing

    config = tiny()
    examples = stream(open_clips(folder, config), config, "train", workers=1)
    assert len(list(islice(examples, 3))) == 3
    examples.close()
    assert not multiprocessing.active_children()


def test_what_goes_wrong_in_a_worker_is_raised_here(folder: Path, tmp_path: Path) -> None:
    from synth.workers import ordered_map

    with pytest.raises(ZeroDivisionError):
        list(ordered_map(divmod, 1, [(1,), (0,)], workers=1))


def test_a_script_that_would_start_itself_in_its_workers_ends_and_says_what_it_lacks(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("from synth.workers import ordered_map\nprint(list(ordered_map(divmod, 1, [(1,)], workers=1)))\n")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 1
    assert 'got a script without if __name__ == "__main__":, all of which' in done.stderr
    assert "one of them died: killed, out of memory, or started by a script without if" in done.stderr


def test_another_seed_or_split_gives_other_examples(folder: Path) -> None:
    clips, other = open_clips(folder, tiny()), open_clips(folder, tiny(seed=2))
    first = clips.example("train", 0).pcm.tobytes()
    assert first != clips.example("validation", 0).pcm.tobytes() != other.example("train", 0).pcm.tobytes() != first


def test_a_dataset_has_what_its_manifest_says(folder: Path, tmp_path: Path) -> None:
    import soundfile

    calls: list[tuple[int, int]] = []
    clips = open_clips(folder, tiny(examples=EXAMPLES))
    description = write_dataset(clips, tmp_path / "out", progress=lambda *done: calls.append(done))
    lines = list(read_manifest(tmp_path / "out" / "manifest.jsonl"))
    assert [line.split for line in lines] == ["train"] * 20 + ["validation"] * 4
    assert calls[-1] == (EXAMPLES, EXAMPLES)
    assert description == json.loads((tmp_path / "out" / "dataset.json").read_text())
    pcm, rate_hz = soundfile.read(tmp_path / "out" / lines[7].path, dtype="int16")
    example = clips.example("train", 7)
    assert pcm.tobytes() == example.pcm.tobytes()
    assert rate_hz == lines[7].sample_rate_hz
    assert tuple(lines[7].events) == example.events
    assert lines[7].recipe == example.recipe


def test_after_files_are_lost_the_same_command_brings_back_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    clips, out = open_clips(folder, tiny(examples=EXAMPLES)), tmp_path / "out"
    write_dataset(clips, out)
    whole = contents(out)
    (out / "manifest.jsonl").rename(out / dataset.JOURNAL_NAME)
    with open(out / dataset.JOURNAL_NAME, "a") as journal:
        journal.write('{"path": "audio/train/00')  # where a kill left it
    (out / "audio/train/000003.flac").unlink()
    (out / "audio/train/000004.flac").write_bytes(b"")
    kept = (out / "audio/train/000005.flac").stat().st_mtime_ns
    write_dataset(clips, out, workers=1)
    assert contents(out) == whole
    assert (out / "audio/train/000005.flac").stat().st_mtime_ns == kept


def test_a_run_killed_midway_goes_on_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    clips, out = open_clips(folder, tiny(examples=200)), tmp_path / "killed"
    code = (
        "from synth_clips import tiny\nfrom synth import open_clips, write_dataset\n"
        f"write_dataset(open_clips({str(folder)!r}, tiny(examples=200)), {str(out)!r})"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parent.parent)])
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths})
    deadline = time.monotonic() + 60
    while not (out / "audio/train/000020.flac").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    process.wait()
    assert not (out / "manifest.jsonl").exists()
    write_dataset(clips, out)
    write_dataset(clips, tmp_path / "undisturbed")
    assert contents(out) == contents(tmp_path / "undisturbed")


def test_a_folder_of_something_else_is_refused(folder: Path, tmp_path: Path) -> None:
    write_dataset(open_clips(folder, tiny(examples=4)), tmp_path / "out")
    with pytest.raises(DataError, match="another configuration"):
        write_dataset(open_clips(folder, tiny(examples=4, seed=9)), tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match="other files"):
        write_dataset(open_clips(folder, tiny(examples=4)), tmp_path / "mine")


def test_two_runs_into_one_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    clips = open_clips(folder, tiny(examples=4))
    with locked(tmp_path / "out"), pytest.raises(FileError, match="another run"):
        write_dataset(clips, tmp_path / "out")


def test_the_command_line_writes_a_dataset_and_says_what_it_skipped(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from wakeword.cli import main

    bad = folder / "activates" / "notes.wav"
    bad.write_text("not audio")
    arguments = ["synth", "tiny", "--clips", str(folder), "--examples", "6", "--workers", "0"]
    try:
        assert main([*arguments, "--out", str(tmp_path / "one")]) == 0
        assert "notes.wav: not readable audio" in capsys.readouterr().out
        assert main([*arguments, "--out", str(tmp_path / "two"), "--json"]) == 0
    finally:
        bad.unlink()
    printed = json.loads(capsys.readouterr().out)
    assert printed["examples"] == {"train": 5, "validation": 1}
    assert printed["phrases"] == ["clips"]
    assert main(["synth", "tiny", "--clips", str(tmp_path / "gone"), "--out", str(tmp_path / "three")]) == 2
