"""The cache of decoded and spoken clips: what is removed, and what is not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from synth import cache
from synth.bank import open_bank
from synth.cache import CLIPS, SPOKEN, USED, opened, tidy
from synth.recordings import Recording, TakeRules
from tests.synth_clips import syllables
from wakeword.audio import write
from wakeword.errors import DataError

HOUR_S = 3600.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WAKEWORD_CACHE", str(tmp_path))
    return tmp_path


def entry(folder: Path, name: str, hours_ago: float, kind: str = CLIPS, size: int = 1000) -> Path:
    made = folder / kind / name
    made.mkdir(parents=True)
    (made / "samples").write_bytes(bytes(size))
    (made / USED).touch()
    for path in (made / USED, made):
        os.utime(path, (time.time() - hours_ago * HOUR_S,) * 2)
    return made


def left(folder: Path) -> set[str]:
    return {path.name for kind in (CLIPS, SPOKEN) for path in (folder / kind).glob("*")}


def test_what_was_used_longest_ago_makes_room_in_both_folders(folder: Path) -> None:
    for number, kind in enumerate([CLIPS, SPOKEN, CLIPS, SPOKEN]):
        entry(folder, f"used_{number}", 2.0 + number, kind)
    tidy(2500)
    assert left(folder) == {"used_0", "used_1"}


def test_what_was_used_within_the_hour_stays_however_little_room_there_is(folder: Path) -> None:
    entry(folder, "now", 0.5)
    entry(folder, "earlier", 1.5)
    tidy(0)
    assert left(folder) == {"now"}


def test_what_nobody_used_for_a_month_goes_though_there_is_room(folder: Path) -> None:
    entry(folder, "old", 31 * 24.0)
    entry(folder, "young", 29 * 24.0)
    tidy(1e9)
    assert left(folder) == {"young"}


def test_entries_of_earlier_versions_go_by_the_time_of_their_folder(folder: Path) -> None:
    made = entry(folder, "old", 1.0)
    (made / USED).unlink()
    os.utime(made, (time.time() - 31 * 24 * HOUR_S,) * 2)
    tidy(1e9)
    assert left(folder) == set()


def test_unfinished_folders_stay_for_a_day(folder: Path) -> None:
    entry(folder, ".abc.making", 23.0)
    entry(folder, ".def.killed", 25.0)
    tidy(0)
    assert left(folder) == {".abc.making"}


def test_other_folders_of_the_cache_are_left_alone(folder: Path) -> None:
    entry(folder, "kokoro", 5000.0, "voices")
    tidy(0)
    assert (folder / "voices" / "kokoro").is_dir()


@pytest.mark.skipif(os.name == "nt", reason="there the open file itself is in the way")
def test_what_is_being_read_stays(folder: Path) -> None:
    made = entry(folder, "read", 0.0)
    reader = opened(made)
    os.utime(made / USED, (time.time() - 31 * 24 * HOUR_S,) * 2)
    tidy(0)
    assert left(folder) == {"read"}
    reader.close()
    tidy(0)
    assert left(folder) == set()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is read-only here")
def test_an_entry_that_is_read_only_can_be_read(folder: Path) -> None:
    made = entry(folder, "fixed", 1.0)
    (made / USED).unlink()
    made.chmod(0o500)
    assert opened(made) is None


def bank_of(folder: Path, name: str):
    path = folder / "takes" / f"{name}.wav"
    write(path, syllables(0.6, 3), 16000)
    recording = Recording(f"activates/{name}.wav", path, "activates", "hey", "me")
    return open_bank([recording], TakeRules(16000, 1600, 64000))


@pytest.mark.skipif(os.name == "nt", reason="there nothing of it can be made old while it is open")
def test_a_bank_stays_while_it_is_open_and_makes_room_when_another_is_built(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAKEWORD_CACHE_GB", "0")
    first = bank_of(folder, "first")
    long_ago = (time.time() - 2 * HOUR_S,) * 2
    os.utime(first.folder / USED, long_ago)
    second = bank_of(folder, "second")
    assert first.folder.is_dir() and len(first.whole("activates/first.wav"))
    kept = first.folder
    del first
    os.utime(second.folder / USED, long_ago)
    bank_of(folder, "third")
    assert not kept.is_dir() and second.folder.is_dir()


@pytest.mark.parametrize("told", ["much", "-1", "nan"])
def test_a_limit_that_is_no_number_is_refused_before_anything_is_built(
    folder: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    monkeypatch.setenv("WAKEWORD_CACHE_GB", told)
    with pytest.raises(DataError, match=f"WAKEWORD_CACHE_GB: got '{told}', expected a number of gigabytes"):
        bank_of(folder, "one")
    assert not (folder / CLIPS).exists()


def test_the_limit_is_the_users_or_eight_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAKEWORD_CACHE_GB", raising=False)
    assert cache.limit_bytes() == 8e9
    monkeypatch.setenv("WAKEWORD_CACHE_GB", "0.5")
    assert cache.limit_bytes() == 5e8
