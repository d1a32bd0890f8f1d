"""Takes that are recorded in the browser, one folder a phrase, as `wakeword train --takes` wants them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from wakeword.audio import to_float, write
from wakeword.errors import ServeError
from wakeword.files import check_writable
from wakeword.serve.sound import shown

MOST_TAKES = 1000  # of a phrase: a page that went mad fills no disk
LONGEST_S = 10.0
_NAME = re.compile(r"take_\d{3,4}\.wav")
Check = Callable[[np.ndarray, int], str]  # (float32 [N], rate) -> what is wrong with the take, or nothing


class Takes:
    """Raises FileError at once if the folder cannot be written.

    Args:
        folder: of the folders; each is made with its first take.
        names: each phrase's own folder in it.
        check: see `Check`; a take it finds wrong is not kept.
    """

    def __init__(self, folder: Path, names: dict[str, str], check: Check) -> None:
        self._folders = {phrase: folder / name for phrase, name in names.items()}
        self._check = check
        self._one_at_a_time = threading.Lock()  # of those who choose a number: requests come from several threads
        for path in self._folders.values():
            check_writable(path / "take")

    def list(self) -> list[dict[str, Any]]:
        """Each phrase's folder and takes, in order."""
        return [
            {"phrase": phrase, "folder": str(folder), "takes": [path.name for path in _takes(folder)]}
            for phrase, folder in self._folders.items()
        ]

    def add(self, phrase: str, pcm: bytes, rate_hz: int) -> dict[str, str]:
        """Keeps 16-bit mono PCM as the next number. Returns {"take": its name} or {"problem": why it was not kept}.

        Raises ServeError for a phrase that is not known, a rate or length out of range, or a full folder.
        """
        folder = self._folder(phrase)
        if not 8000 <= rate_hz <= 96_000:
            raise ServeError(f"rate: got {rate_hz}, expected 8000 to 96000")
        if len(pcm) % 2 or not 0 < len(pcm) <= 2 * LONGEST_S * rate_hz:
            raise ServeError(f"take: got {len(pcm)} bytes, expected 16-bit sound of up to {LONGEST_S:g} s")
        samples = to_float(np.frombuffer(pcm, "<i2").astype(np.int16, copy=False))
        if problem := self._check(samples, rate_hz):
            return {"problem": problem}
        with self._one_at_a_time:
            taken = _takes(folder)
            if len(taken) >= MOST_TAKES:
                raise ServeError(f"{folder}: got {len(taken)} takes already, expected fewer than {MOST_TAKES}")
            last = max((int(path.stem.partition("_")[2]) for path in taken), default=0)
            path = folder / f"take_{last + 1:03d}.wav"
            write(path, samples, rate_hz)
        return {"take": path.name}

    def path(self, phrase: str, name: str) -> Path:
        """The file of a take. Raises ServeError if there is none of that name."""
        path = self._folder(phrase) / name
        if not _NAME.fullmatch(name) or not path.is_file():
            raise ServeError(f"take: got {shown(name)}, expected one that was recorded")
        return path

    def remove(self, phrase: str, name: str) -> None:
        """Deletes a take that was recorded here. Raises ServeError if there is none of that name."""
        self.path(phrase, name).unlink(missing_ok=True)

    def _folder(self, phrase: str) -> Path:
        if phrase not in self._folders:
            raise ServeError(f"phrase: got {shown(phrase)}, expected one of {list(self._folders)}")
        return self._folders[phrase]


def _takes(folder: Path) -> list[Path]:
    found = (path for path in folder.iterdir() if _NAME.fullmatch(path.name)) if folder.is_dir() else ()
    return sorted(found, key=lambda path: (len(path.name), path.name))
