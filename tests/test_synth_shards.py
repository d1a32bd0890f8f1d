"""Shards: the same bytes whoever renders them, nothing lost or doubled whatever happens, read by whoever reads tar."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from synth_clips import make_clips, plain, tiny

from synth import Clips, open_clips, write_shards
from synth.encoding import encode, with_serial
from wakeword.audio import decoded, to_float
from wakeword.cli import main
from wakeword.errors import ConfigError, DataError, FileError
from wakeword.shards import Shards

EXAMPLES, EACH = 22, 4
ROOT = Path(__file__).parent.parent
PATHS = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clips = make_clips(tmp_path_factory.mktemp("shards") / "clips")
    (clips / "negatives" / "source.toml").write_text(
        'name = "Talk"\nlicence = "CC BY 4.0"\nurl = "https://talk.example"'
    )
    return clips


@pytest.fixture(autouse=True)
def cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWORD_CACHE", str(folder.parent / "cache"))


@pytest.fixture
def clips(folder: Path) -> Clips:
    return open_clips(folder, tiny(examples=EXAMPLES), ["hey test"])


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Path:
    """Shards that no test changes."""
    os.environ["WAKEWORD_CACHE"] = str(folder.parent / "cache")
    write_shards(open_clips(folder, tiny(examples=EXAMPLES), ["hey test"]), folder.parent / "dataset", "flac", EACH)
    return folder.parent / "dataset"


def contents(out: Path) -> dict[str, str]:
    files = [path for path in out.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_any_number_of_workers_writes_the_same_bytes(clips: Clips, dataset: Path, tmp_path: Path) -> None:
    write_shards(clips, tmp_path / "two", "flac", EACH, workers=2)
    assert contents(tmp_path / "two") == contents(dataset)


def test_every_example_is_in_one_shard_just_as_it_is_rendered(clips: Clips, dataset: Path) -> None:
    names = []
    for path in sorted(dataset.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                assert (member.mtime, member.uid, member.uname) == (0, 0, "")
                names.append(member.name)
    assert len(names) == len(set(names)) == 2 * EXAMPLES
    for split in ("train", "validation"):
        shards = Shards(dataset, split)
        for number in range(len(shards)):
            rendered = clips.example(split, number)
            assert shards[number].pcm.tobytes() == rendered.pcm.tobytes()
            assert shards[number].events == rendered.events
            assert shards[number].recipe == rendered.recipe
    assert sum(len(Shards(dataset, split)) for split in ("train", "validation")) == EXAMPLES


def test_the_index_says_what_is_there(dataset: Path) -> None:
    index = json.loads((dataset / "index.json").read_text())
    shards = [shard for split in index["splits"].values() for shard in split]
    assert sorted(shard["path"] for shard in shards) == sorted(path.name for path in dataset.glob("*.tar"))
    for shard in shards:
        content = (dataset / shard["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (shard["bytes"], shard["sha256"])


def test_a_run_killed_midway_goes_on_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    code = (
        "from synth_clips import tiny\nfrom synth import open_clips, write_shards\n"
        f"if __name__ == '__main__': write_shards(open_clips({str(folder)!r}, tiny(examples=96)), {str(out)!r}, "
        "'flac', 8, workers=2)"
    )
    (tmp_path / "run.py").write_text(code)
    process = subprocess.Popen([sys.executable, str(tmp_path / "run.py")], env={**os.environ, "PYTHONPATH": PATHS})
    deadline = time.monotonic() + 60
    while len(list(out.glob("*.tar"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    process.wait()
    assert not (out / "index.json").exists()
    kept = {path: path.stat().st_mtime_ns for path in (out / ".shards").glob("*.json")}
    clips = open_clips(folder, tiny(examples=96))
    write_shards(clips, out, "flac", 8)
    write_shards(clips, tmp_path / "undisturbed", "flac", 8)
    assert contents(out) == contents(tmp_path / "undisturbed")
    assert kept
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())


def test_a_lost_and_a_shortened_shard_come_back_and_the_others_stay(clips: Clips, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_shards(clips, out, "flac", EACH)
    whole, kept = contents(out), (out / "train-000000.tar").stat().st_mtime_ns
    (out / "train-000001.tar").unlink()
    (out / "train-000002.tar").write_bytes(b"short")
    (out / ".train-000003.tar.abc.part").write_bytes(b"left over")
    with pytest.raises(DataError, match="got 5 bytes"):
        Shards(out)[2 * EACH]
    write_shards(clips, out, "flac", EACH)
    assert contents(out) == whole
    assert (out / "train-000000.tar").stat().st_mtime_ns == kept


def test_another_configuration_shard_size_or_a_second_run_is_refused(
    clips: Clips, folder: Path, tmp_path: Path
) -> None:
    from wakeword.files import locked

    out = tmp_path / "out"
    write_shards(clips, out, "flac", EACH)
    with pytest.raises(DataError, match="another configuration"):
        write_shards(clips, out, "flac", EACH + 1)
    with pytest.raises(DataError, match="another configuration"):
        write_shards(open_clips(folder, tiny(examples=EXAMPLES, seed=9)), out, "flac", EACH)
    with locked(out), pytest.raises(FileError, match="another run"):
        write_shards(clips, out, "flac", EACH)


def test_a_folder_that_cannot_be_written_is_one_line(clips: Clips, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileError, match="cannot be written"):
        write_shards(clips, tmp_path / "file" / "out", "flac", EACH)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is found on Linux only")
def test_a_full_disk_is_one_line_and_leaves_no_shard(clips: Clips, tmp_path: Path, monkeypatch) -> None:
    import synth.shards

    full = lambda *_: open("/dev/full", "wb", buffering=0)  # noqa: E731, SIM115 - closed by whoever opens it
    monkeypatch.setattr(synth.shards, "open", full, raising=False)
    with pytest.raises(FileError, match="No space left"):
        write_shards(clips, tmp_path / "out", "flac", EACH)
    assert not list((tmp_path / "out").glob("*.tar"))
    assert not (tmp_path / "out" / "index.json").exists()


def test_memory_does_not_grow_with_the_dataset(folder: Path, tmp_path: Path) -> None:
    peaks = []
    for examples in (16, 112):
        clips = open_clips(folder, plain(examples=examples))  # without rooms, of which a pool is kept
        write_shards(clips, tmp_path / f"warm {examples}", "flac", 16)
        tracemalloc.start()
        write_shards(clips, tmp_path / str(examples), "flac", 16)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    more_audio = 96 * 2 * clips.config.example_samples
    assert peaks[1] - peaks[0] < 0.1 * more_audio


def test_the_card_names_each_source_its_licence_and_what_has_none(dataset: Path) -> None:
    card = (dataset / "README.md").read_text()
    assert "| train | negatives | [Talk](https://talk.example) | CC BY 4.0 | 5 |" in card
    assert "| validation | activates | not stated | not stated | 1 |" in card
    assert "Of 9 files nobody said a licence" in card
    assert "| train | 19 | 0.02 |" in card


def test_a_source_that_says_no_licence_is_the_users_mistake(folder: Path, tmp_path: Path, capsys) -> None:
    clips = make_clips(tmp_path / "clips")
    (clips / "source.toml").write_text('name = "mine"')
    arguments = ["synth", "tiny", "--clips", str(clips), "--hours", "0.01", "--workers", "0"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert "source.toml: got no usable 'licence'" in capsys.readouterr().err


def test_opus_is_small_deterministic_and_keeps_length_and_place(clips: Clips, folder: Path, tmp_path: Path) -> None:
    example = clips.example("train", 1)
    first, second = (encode(example.pcm, 16000, "opus") for _ in range(2))
    assert first == second
    assert len(first) < 0.5 * len(encode(example.pcm, 16000, "flac"))
    again = decoded(io.BytesIO(first))
    assert len(again) == len(example.pcm)
    likeness = np.fft.irfft(np.fft.rfft(to_float(again)) * np.conj(np.fft.rfft(to_float(example.pcm))))
    assert likeness.argmax() == 0
    few = open_clips(folder, tiny(examples=6))
    write_shards(few, tmp_path / "out", "opus", EACH)
    assert len(Shards(tmp_path / "out")[3].pcm) == len(example.pcm)


def test_an_ogg_page_with_its_own_serial_number_is_unchanged() -> None:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.zeros(16000, np.float32), 16000, format="OGG", subtype="OPUS")
    assert with_serial(file.getvalue(), int.from_bytes(file.getvalue()[14:18], "little")) == file.getvalue()


def test_opus_at_a_rate_that_it_does_not_know_is_refused(folder: Path, tmp_path: Path) -> None:
    from wakeword.config import load_config

    with pytest.raises(ConfigError, match="44100 Hz"):
        write_shards(open_clips(folder, load_config("activate")), tmp_path / "out", "opus")


def test_the_command_line_takes_one_of_hours_examples_and_preview(folder: Path, tmp_path: Path, capsys) -> None:
    clips = ["synth", "tiny", "--clips", str(folder), "--workers", "0"]
    out = ["--out", str(tmp_path / "out")]
    assert main([*clips, *out, "--hours", "1", "--examples", "4"]) == 2
    assert main([*clips, *out, "--hours", "0"]) == 2
    assert main([*clips, *out, "--hours", "0.01", "--format", "aac"]) == 2
    assert main([*clips, *out, "--hours", "0.01", "--engine", "abacus"]) == 2
    assert main([*clips, "--hours", "0.01"]) == 2
    assert capsys.readouterr().err.count("wakeword: error: ") == 5
    assert main([*clips, *out, "--hours", "0.01", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["examples"] == {"train": 10, "validation": 2}
