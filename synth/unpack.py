"""Archives from strangers: only plain files and folders, only below the folder they are unpacked into."""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from wakeword.errors import DataError

DRIVE_MARK = ":"


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a .tar, .tar.gz or .zip into `folder`.

    Raises DataError for a damaged one, and at the first link, device or path that leads out; what was unpacked before
    it is the caller's to delete.
    """
    try:
        if archive.suffix == ".zip":
            _unzip(archive, folder)
        else:
            _untar(archive, folder)
    except (gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise DataError(f"{archive}: cannot be unpacked: {error}") from None


def _untar(archive: Path, folder: Path) -> None:
    """One pass: to look through a large .tar.gz first would take minutes."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if not (member.isfile() or member.isdir()):
                raise _refused(archive, member.name, "neither a file nor a folder")
            _write(_inside(archive, folder, member.name), None if member.isdir() else tar.extractfile(member))


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as found:
        for info in found.infolist():
            if stat.S_ISLNK(info.external_attr >> 16):
                raise _refused(archive, info.filename, "a link")
            _write(_inside(archive, folder, info.filename), None if info.is_dir() else found.open(info))


def _write(target: Path, content: IO[bytes] | None) -> None:
    """A file of that content; without any, a folder."""
    (target if content is None else target.parent).mkdir(parents=True, exist_ok=True)
    if content is not None:
        with content, open(target, "wb") as file:
            shutil.copyfileobj(content, file, 1 << 20)


def _inside(archive: Path, folder: Path, name: str) -> Path:
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or any(DRIVE_MARK in part for part in parts.parts):
        raise _refused(archive, name, "a path that leads out of its folder")
    return folder.joinpath(*parts.parts)


def _refused(archive: Path, name: str, what: str) -> DataError:
    return DataError(f"{archive}: not unpacked: {name!r} is {what}, expected plain files and folders")
