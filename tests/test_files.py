"""Files are whole or not there, and a folder has one writer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wakeword.errors import FileError
from wakeword.files import check_writable, locked, replacing, write_bytes


def test_a_failed_write_leaves_the_old_file_and_no_debris(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        write_half_and_fail(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_write_replaces_the_old_file_and_makes_folders(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    for text in ("first", "second"):
        with replacing(path) as temporary:
            Path(temporary).write_text(text)
    assert path.read_text() == "second"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_is_written_by_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "run"),
        pytest.raises(FileError, match="another run is writing into it"),
        locked(tmp_path / "run"),
    ):
        pass
    with locked(tmp_path / "run"):
        pass


def write_half_and_fail(path: Path) -> None:
    with replacing(path) as temporary:
        Path(temporary).write_text("half")
        raise ZeroDivisionError


def lock(path: Path) -> None:
    with locked(path):
        pass


@pytest.mark.parametrize("write", [check_writable, lambda path: write_bytes(path, b""), lock])
def test_a_place_that_cannot_be_written_is_named(write: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileError, match=r"inside: cannot be written: (File exists|Not a directory)$"):
        write(tmp_path / "file" / "inside")
    assert (tmp_path / "file").read_text() == "in the way"


def test_whether_a_place_can_be_written_is_found_out_without_a_trace(tmp_path: Path) -> None:
    check_writable(tmp_path / "models" / "computer" / "model.json")
    assert not list(tmp_path.iterdir())
    (tmp_path / "models").mkdir()
    check_writable(tmp_path / "models" / "computer" / "model.json")
    assert [path.name for path in tmp_path.rglob("*")] == ["models"]
    with pytest.raises(FileError, match=r": cannot be written: File name too long$"):
        check_writable(tmp_path / "new" / ("x" * 300) / "model.json")
    assert [path.name for path in tmp_path.rglob("*")] == ["models"]
