"""Files that are whole or not there, and folders that one run at a time writes."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from wakeword.errors import FileError

LOCK_NAME = ".lock"


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """What the system refuses in here becomes a FileError that names `path`."""
    try:
        yield
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from None


@contextmanager
def replacing(path: str | Path) -> Iterator[str]:
    """Yields a temporary name beside `path`; on success it is renamed over it, on failure removed.

    Raises FileError if it, or its folder, cannot be written.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        try:
            yield temporary
            os.chmod(temporary, 0o666 & ~_UMASK)
            os.replace(temporary, path)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)


# Temporary files are made private; what they become gets the permissions that any new file gets. Asked for once, while
# importing, because the only way to ask is to set it, and threads share it.
_UMASK = os.umask(0)
os.umask(_UMASK)


def check_writable(path: str | Path) -> None:
    """Raises FileError, before hours of work, if a file could not be written at `path`. Leaves nothing behind."""
    path = Path(path)
    missing: list[Path] = []
    try:
        with writing(path):
            missing += [folder for folder in path.parents if not folder.exists()]
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path.parent):
                pass
    finally:
        for folder in missing:
            with suppress(OSError):  # never made, or somebody else has written into it by now
                folder.rmdir()


def write_bytes(path: str | Path, content: bytes) -> None:
    """Writes a file whole or not at all. Raises FileError if it cannot be written."""
    with replacing(path) as temporary:
        Path(temporary).write_bytes(content)


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Makes a folder and holds its lock, which the system takes back even from a killed process.

    Raises FileError if another run has the lock, or if the folder cannot be written.
    """
    folder = Path(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / LOCK_NAME, "w")  # noqa: SIM115 - closed below, after the body
    with file:
        try:
            _lock(file.fileno())
        except OSError:
            raise FileError(f"{folder}: another run is writing into it, expected it to be alone") from None
        yield


def folder_name(phrase: str) -> str:
    """A phrase as the name of a folder, on every system.

    >>> folder_name("hey computer"), folder_name("What's up?")
    ('hey_computer', 'What_s_up')
    """
    return re.sub(r"\W+", "_", phrase).strip("_") or "wakeword"


def folder_names(phrases: Sequence[str]) -> dict[str, str]:
    """A folder's name of its own for each phrase, also where a system tells no upper from lower case.

    >>> folder_names(["hey computer", "Hey, computer!"])
    {'hey computer': 'hey_computer', 'Hey, computer!': 'Hey_computer_2'}
    """
    names: dict[str, str] = {}
    for phrase in dict.fromkeys(phrases):
        names[phrase] = numbered(folder_name(phrase), names.values())
    return names


def numbered(name: str, taken: Iterable[str]) -> str:
    """The name itself, or with the first number from 2 on that makes it another one, whatever the case.

    >>> numbered("hey", []), numbered("hey", ["Hey", "hey_2"])
    ('hey', 'hey_3')
    """
    known = {one.lower() for one in taken}
    free = (f"{name}_{number}" if number > 1 else name for number in count(1))
    return next(one for one in free if one.lower() not in known)


def shared_lock(descriptor: int) -> None:
    """Holds a file's lock until it is closed, beside others who hold it this way. Raises OSError if one has it alone.

    Not on Windows, where an open file cannot be removed anyway.
    """
    if os.name != "nt":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def is_held(path: str | Path) -> bool:
    """Whether somebody has a file's lock, alone or not. On Windows never: see `shared_lock`."""
    if os.name == "nt":
        return False
    with open(path, "rb") as file:
        try:
            _lock(file.fileno())
        except BlockingIOError:
            return True
        except OSError:  # a file system without locks
            return False
        return False


def _lock(descriptor: int) -> None:
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
