"""On Ray the same shards come out, even when a worker is killed while it renders."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from pathlib import Path

import pytest
from synth_clips import make_clips, tiny

from synth import open_clips, write_shards
from synth.workers import engine_named
from wakeword.errors import DataError, FileError

pytest.importorskip("ray", reason="needs the extra 'cluster'")
ROOT = Path(__file__).parent.parent
EXAMPLES, EACH = 96, 8


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WAKEWORD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # Ray's workers begin elsewhere
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return make_clips(tmp_path / "clips")


def contents(out: Path) -> dict[str, str]:
    files = [path for path in out.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def busy_workers() -> list[int]:
    """Process ids of Ray's workers at work that descend from this process."""
    parents, busy = {}, []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if (process / "cmdline").read_bytes().startswith(b"ray::_work"):
                busy.append(int(process.name))
        except OSError:
            continue  # it has ended meanwhile
    return [one for one in busy if os.getpid() in ancestors(one, parents)]


def ancestors(process: int, parents: dict[int, int]) -> list[int]:
    return [process, *ancestors(parents[process], parents)] if process in parents else [process]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for the workers in /proc")
def test_a_killed_worker_changes_no_byte(folder: Path, tmp_path: Path) -> None:
    clips = open_clips(folder, tiny(examples=EXAMPLES))
    killed: list[int] = []

    def kill_one(done: int, total: int) -> None:
        if not killed and (found := busy_workers()):
            os.kill(found[0], signal.SIGKILL)
            killed.append(done)
            assert done < total

    write_shards(clips, tmp_path / "ray", "flac", EACH, 2, kill_one, engine_named("ray"))
    assert killed
    write_shards(clips, tmp_path / "local", "flac", EACH)
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


def divided(shared: int, job: int) -> float:
    if job == 3:
        raise FileError("the disk is full")
    return shared / job


def test_results_come_in_order_and_what_a_job_raises_is_raised_here(folder: Path) -> None:
    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    results = engine_named("ray")(divided, 12, [(1,), (2,), (3,)], 2)
    assert [next(results), next(results)] == [12.0, 6.0]
    with pytest.raises(FileError, match="the disk is full"):
        next(results)
    assert not ray.is_initialized()


def test_another_engine_is_refused() -> None:
    with pytest.raises(DataError, match="expected local or ray"):
        engine_named("abacus")
