"""A file from a server to the disk: goes on where it broke off, and is checked before it gets its name."""

from __future__ import annotations

import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from synth.corpora import Archive
from wakeword.errors import WakewordError

TRIES = 5  # in a row without a single new byte
PAUSE_S = 1.0  # before the second try; each further one waits twice as long
TIMEOUT_S = 60.0
CHUNK_BYTES = 1 << 18
BEYOND_THE_END = 416  # what is on the disk is no beginning of the file that the server has: begin again
RETRIED_CODES = {408, 425, 429, 500, 502, 503, 504, BEYOND_THE_END}
Progress = Callable[[int, int], None]


class DownloadError(WakewordError):
    """A server that does not give what it should."""


def download(archive: Archive, folder: Path, progress: Progress | None = None, pause_s: float = PAUSE_S) -> Path:
    """Downloads one file into `folder`, unless it is there already, and returns its path.

    What an earlier attempt left as NAME.part is gone on with. `progress(done, total)` counts bytes. Raises
    DownloadError if the server refuses, breaks off TRIES times in a row without giving a byte, or gives another file
    than expected; that file is deleted. OSError if the disk cannot be written.
    """
    path, part = folder / archive.name, folder / f"{archive.name}.part"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    tries = 0
    while True:
        before = _size(part)
        try:
            _continue(archive, part, progress)
            break
        except (http.client.HTTPException, ConnectionError, TimeoutError, urllib.error.URLError) as error:
            tries = 0 if _size(part) > before else tries + 1
            if isinstance(error, urllib.error.HTTPError) and error.code == BEYOND_THE_END:
                part.unlink(missing_ok=True)
            if tries >= TRIES or not _is_passing(error):
                raise DownloadError(f"{archive.url}: {_reason(error)}{_kept(part)}") from None
            time.sleep(pause_s * 2 ** max(tries - 1, 0))
    _check(archive, part)
    part.replace(path)
    return path


def _continue(archive: Archive, part: Path, progress: Progress | None) -> None:
    """Appends what is missing. Raises IncompleteRead if the connection ended too early."""
    have = _size(part)
    if archive.bytes is not None and have >= archive.bytes:
        return
    request = urllib.request.Request(archive.url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        goes_on = have > 0 and answer.status == 206 and _first_byte(answer) == have
        if not goes_on:
            have = 0  # a server that knows no ranges begins again
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else archive.bytes
        with open(part, "ab" if goes_on else "wb") as file:
            while chunk := answer.read(CHUNK_BYTES):
                file.write(chunk)
                have += len(chunk)
                if progress:
                    progress(have, total or have)
    if total is not None and have < total:
        raise http.client.IncompleteRead(b"", total - have)


def _first_byte(answer: http.client.HTTPResponse) -> int | None:
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _check(archive: Archive, part: Path) -> None:
    size, expected = _size(part), archive.bytes
    if expected is not None and size != expected:
        part.unlink()
        raise DownloadError(f"{archive.url}: got {size:,} bytes, expected {expected:,}; deleted")
    if archive.md5 is None:
        return
    with open(part, "rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != archive.md5:
        part.unlink()
        raise DownloadError(f"{archive.url}: got a file with MD5 {found}, expected {archive.md5}; deleted")


def _is_passing(error: Exception) -> bool:
    return not isinstance(error, urllib.error.HTTPError) or error.code in RETRIED_CODES


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"got {error.code} {error.reason}, expected a file"
    if isinstance(error, http.client.IncompleteRead):
        return f"the connection broke off {error.expected:,} bytes before the end"
    return f"cannot be downloaded: {getattr(error, 'reason', None) or error}"


def _kept(part: Path) -> str:
    return f"; {_size(part):,} bytes are kept, and the same command goes on" if _size(part) else ""


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
