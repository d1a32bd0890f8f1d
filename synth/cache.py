"""The folder in which decoded and spoken clips are kept between runs, and what keeps it from filling the disk.

WAKEWORD_CACHE names another folder, WAKEWORD_CACHE_GB another size than LIMIT_GB. When something was added, what nobody
opened for UNUSED_DAYS goes, and then what was opened longest ago until the rest fits; never what a run is reading.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import platformdirs

from wakeword.errors import DataError
from wakeword.files import is_held, shared_lock

LIMIT_GB, UNUSED_DAYS = 8.0, 30.0
CLIPS, SPOKEN = "clips", "spoken"  # the sub-folders that are kept small; each of their folders is one entry
USED = ".used"  # a file in each entry: its time says when that was opened last, its lock that it is being read
UNFINISHED = "."  # how the names of folders begin that are still being made
FRESH_S = 3600.0  # an entry that was opened in this time may be about to be read
LEFT_OVER_S = 86400.0  # an unfinished folder that was not touched for so long is of a process that was killed


def cache_folder() -> Path:
    """WAKEWORD_CACHE, or the user's cache folder."""
    return Path(os.environ.get("WAKEWORD_CACHE") or platformdirs.user_cache_dir("wakeword", appauthor=False))


def limit_bytes() -> float:
    """WAKEWORD_CACHE_GB or LIMIT_GB. Raises DataError for what is no number of gigabytes."""
    told = os.environ.get("WAKEWORD_CACHE_GB") or LIMIT_GB
    try:
        limit = float(told)
    except ValueError:
        limit = -1.0
    if not limit >= 0.0:
        raise DataError(f"WAKEWORD_CACHE_GB: got {told!r}, expected a number of gigabytes, 0 or more")
    return limit * 1e9


def unfinished(entry: Path) -> Path:
    """A new folder beside an entry that is to be made, for what will be renamed to it. Raises OSError."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{UNFINISHED}{entry.name}.", dir=entry.parent))


def opened(entry: Path) -> BinaryIO | None:
    """Notes that an entry is used. While the file that is returned is open, the entry stays; None: it is read-only."""
    try:
        file = open(entry / USED, "ab")  # noqa: SIM115 - whoever reads the entry closes it
        os.utime(entry / USED)
    except OSError:
        return None
    with contextlib.suppress(OSError):  # a file system without locks: FRESH_S must do
        shared_lock(file.fileno())
    return file


def tidy(room: float) -> None:
    """Removes from the cache what is too old, and what it holds beyond so many bytes."""
    now = time.time()
    for entry in sorted(_entries(cache_folder()), key=_last_used, reverse=True):
        age_s = now - _last_used(entry)
        if entry.name.startswith(UNFINISHED):
            if age_s > LEFT_OVER_S:
                shutil.rmtree(entry, ignore_errors=True)
            continue
        room -= _bytes(entry)
        if age_s > UNUSED_DAYS * 86400 or (room < 0 and age_s > FRESH_S):
            _remove(entry)


def _entries(folder: Path) -> Iterator[Path]:
    for kind in (CLIPS, SPOKEN):
        if (folder / kind).is_dir():
            yield from (entry for entry in (folder / kind).iterdir() if entry.is_dir())


def _last_used(entry: Path) -> float:
    for path in (entry / USED, entry):  # those of earlier versions have no such file
        with contextlib.suppress(OSError):
            return path.stat().st_mtime
    return 0.0  # somebody else removed it


def _bytes(entry: Path) -> int:
    total = 0
    for folder, _, names in os.walk(entry):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(folder, name)).st_size
    return total


def _remove(entry: Path) -> None:
    """Unless it is read: whole or not at all, as it is renamed first."""
    if (entry / USED).exists() and is_held(entry / USED):
        return
    doomed = entry.with_name(f"{UNFINISHED}{entry.name}.doomed-{os.getpid()}")
    with contextlib.suppress(OSError):  # on Windows: of a file that is open there; else: somebody else was faster
        entry.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
