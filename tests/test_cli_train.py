"""The verbs `train` and `export` from the outside."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra 'train'")

import wakeword
from tests.synth_clips import make_clips
from wakeword import cli

ROOT = Path(__file__).resolve().parent.parent
FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from wakeword.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    os.environ["WAKEWORD_CACHE"] = str(folder / "cache")
    yield make_clips(folder / "clips")
    del os.environ["WAKEWORD_CACHE"]


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_train_writes_a_bundle_that_listens_and_says_where_it_stands(clips: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "model"
    words = ["train", "hey test", "--clips", str(clips), "--config", "tiny", "--out", str(out), "--max-steps", "50"]
    assert cli.main([*words, "--json"]) == 0
    events = lines(capsys)
    assert {event["event"] for event in events} == {"decoding", "clips", "step", "validation", "bundle"}
    assert wakeword.load(out).phrases == ["hey test"]
    assert cli.main([*words, "--json"]) == 0, "a finished run is finished again, not trained again"
    assert not any(event["event"] == "step" for event in lines(capsys))
    assert cli.main([*words, "--out", str(tmp_path / "other"), "--start-from", str(tmp_path)]) == 2
    assert "expected that of an earlier training run" in capsys.readouterr().err


def test_a_dataset_trains_the_same_way_as_clips(clips: Path, tmp_path: Path, capsys) -> None:
    data, out = str(tmp_path / "data"), tmp_path / "model"
    assert cli.main(["synth", "tiny", "--clips", str(clips), "--phrase", "hey test", "--out", data, "--json"]) == 0
    assert cli.main(["train", "--data", data, "--config", "tiny", "--out", str(out), "--max-steps", "50"]) == 0
    assert wakeword.load(out).phrases == ["hey test"]
    capsys.readouterr()
    assert cli.main(["train", "open sesame", "--data", data, "--config", "tiny", "--out", str(tmp_path / "no")]) == 2
    assert "got examples of ['hey test'], expected some of ['open sesame']" in capsys.readouterr().err
    assert cli.main(["train", "--data", data, "--config", "default", "--out", str(tmp_path / "other")]) == 2
    assert "expected (16000, 96000): another config?" in capsys.readouterr().err


def test_a_dataset_without_an_activate_is_refused(clips: Path, tmp_path: Path, capsys) -> None:
    text = (ROOT / "configs" / "tiny.toml").read_text("utf-8").replace("activates = [0, 2]", "activates = [0, 0]")
    (tmp_path / "none.toml").write_text(text, "utf-8")
    config, data = str(tmp_path / "none.toml"), str(tmp_path / "data")
    assert cli.main(["synth", config, "--clips", str(clips), "--out", data, "--examples", "4", "--json"]) == 0
    assert cli.main(["train", "--data", data, "--config", config, "--out", str(tmp_path / "model")]) == 2
    assert "without a single activate" in capsys.readouterr().err


def test_more_skipped_files_than_are_listed_are_counted() -> None:
    from wakeword.cli.training import LISTED_FILES, _skipped_lines

    lines = _skipped_lines([f"{number}.wav: no samples in it" for number in range(LISTED_FILES + 3)])
    assert lines[0] == f"skipped {LISTED_FILES + 3} files:"
    assert lines[-1] == "  and 3 more: --json lists all"
    assert _skipped_lines([]) == []


def test_export_writes_the_graph_of_a_bundle_again(tiny_bundle: Path, tmp_path: Path, capsys) -> None:
    graph = tmp_path / "again.onnx"
    assert cli.main(["export", str(tiny_bundle), "--out", str(graph), "--json"]) == 0
    assert lines(capsys)[0]["bytes"] == graph.stat().st_size
    assert cli.main(["export", str(tiny_bundle), "--out", str(tmp_path / "again.bin")]) == 2
    assert "ends in .onnx" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "got neither a phrase nor --clips nor --data"),
        (["x", "--clips", "nowhere"], "nowhere: no such folder"),
        (["--data", "nowhere"], "cannot be read"),
        (["x", "--clips", "a", "--data", "b"], "got both --clips and --data"),
        (["x", "--clips", "a", "--voice", "espeak"], "got --voice, --spelling or --lang with recordings"),
        (["x", "--data", "a", "--takes", "b"], "got recordings besides --data"),
        (["hey test", "--lang", "xx"], "expected one that espeak knows"),
        (["x", "--clips", "a", "--target-fa-per-hour", "-1"], "target_fa_per_hour"),
        (["--clips", "x", "--config", "nonsense"], "expected a .toml file or one of"),
        (["...", "--config", "tiny"], "expected words to say"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], message: str, capsys) -> None:
    assert cli.main(["train", *words]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.count("\n") == 1


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    (tmp_path / "in_the_way").write_text("")
    monkeypatch.setenv("WAKEWORD_CACHE", str(tmp_path / "in_the_way"))
    assert cli.main(["train", "hey test", "--config", "tiny", "--out", str(tmp_path / "model")]) == 2
    assert "the spoken clips cannot be kept" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
@pytest.mark.parametrize("limit_bytes", [20_000, 60_000])
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(clips: Path, tmp_path: Path, limit_bytes: int) -> None:
    """A limit on file size stands for a full disk: the same error number path, and no other process suffers."""
    out = tmp_path / "model"
    cli.main(
        ["train", "x", "--clips", str(clips), "--config", "tiny", "--out", str(tmp_path / "warm"), "--max-steps", "1"]
    )
    script = tmp_path / "full_disk.py"
    script.write_text(FULL_DISK)
    words = ["train", "x", "--clips", str(clips), "--config", "tiny", "--out", str(out), "--max-steps", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script), str(limit_bytes), *words, "--workers", "0"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr
    assert not (out / "model.json").exists()
    assert not list(out.rglob("*.part"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
@pytest.mark.parametrize("verb", ["synth", "listen"])
def test_a_full_disk_ends_every_other_verb_that_writes_in_one_line(
    clips: Path, tiny_bundle: Path, tmp_path: Path, verb: str, capsys
) -> None:
    synth = ["synth", "tiny", "--clips", str(clips), "--examples", "4", "--workers", "0", "--json", "--out"]
    assert cli.main([*synth, str(tmp_path / "warm")]) == 0
    example = str(next((tmp_path / "warm").rglob("*.flac")))
    listen = ["listen", str(tiny_bundle), "--wav", example, "--chime-out", str(tmp_path / "out" / "chimed.wav")]
    words = {"synth": [*synth, str(tmp_path / "out")], "listen": listen}[verb]
    (tmp_path / "full_disk.py").write_text(FULL_DISK)
    command = [sys.executable, str(tmp_path / "full_disk.py"), "9000", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "cannot be written" in done.stderr
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("real", [True, False])
def test_a_phrase_without_real_speech_is_told_what_that_means(monkeypatch: pytest.MonkeyPatch, real: bool) -> None:
    pytest.importorskip("espeakng_loader", reason="needs the extra 'espeak'")
    from wakeword.cli import training

    monkeypatch.setattr(training, "speak_clips", lambda *_, **__: Path("clips"))
    events: list[dict] = []
    training.spoken_clips(["hey computer"], events.append, real_speech=real)
    assert [event["note"] for event in events if event["event"] == "note"] == [training.NO_REAL_SPEECH] * (not real)
