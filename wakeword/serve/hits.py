"""Hits that `wakeword listen --save-hits` kept, for somebody to listen to and sort into right and wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wakeword.audio import AUDIO_SUFFIXES
from wakeword.errors import ServeError
from wakeword.files import check_writable, writing
from wakeword.hits import HITS, NEAR_MISSES, RIGHT, WRONG
from wakeword.serve.sound import shown

UNSORTED = (HITS, NEAR_MISSES, ".")
KINDS = (*UNSORTED, RIGHT, WRONG)
MOST_SHOWN = 500
MOST_FACTS_BYTES = 1 << 14
FACTS = {"phrase": str, "score": (int, float), "saved_at": str, "end_in_file_s": (int, float), "kind": str}


class Hits:
    """A folder with hits/, near_misses/ (or recordings of its own), right/ and wrong/.

    Beside a recording there may be a .json of the same name with the facts; the two are moved together. Raises
    FileError at once if the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        check_writable(folder / "x")

    def list(self) -> list[dict[str, Any]]:
        """The newest MOST_SHOWN of each kind, by name, which begins with the time: {kind, name} and their facts."""
        found = []
        for kind in KINDS:
            folder = self._folder / kind
            paths = [path for path in folder.iterdir() if _is_recording(path)] if folder.is_dir() else []
            newest = sorted(paths, key=lambda path: path.name, reverse=True)[:MOST_SHOWN]
            found += [{**_facts(path), "kind": kind, "name": path.name} for path in newest]
        return sorted(found, key=lambda hit: hit["name"], reverse=True)

    def path(self, kind: str, name: str) -> Path:
        """The recording. Raises ServeError if there is none."""
        path = self._folder / kind / name
        if kind not in KINDS or Path(name).name != name or not _is_recording(path):
            raise ServeError(f"hit: got {shown(f'{kind}/{name}')}, expected one in the folder")
        return path

    def move(self, kind: str, name: str, to: str) -> str:
        """Moves a hit to right/ or wrong/, or ("") back to where it came from. Returns its new kind.

        Raises ServeError if there is no such hit, no such place, or one of that name already there; FileError if the
        system refuses.
        """
        path = self.path(kind, name)
        if to not in (RIGHT, WRONG, ""):
            raise ServeError(f"verdict: got {shown(to)}, expected {RIGHT!r}, {WRONG!r} or ''")
        came_from = _facts(path).get("kind")
        to = to or (came_from if came_from in UNSORTED else UNSORTED[0])
        target = self._folder / to / name
        if target == path:
            return to
        if target.exists():
            raise ServeError(f"{target}: got another of this name, expected none")
        with writing(target):
            target.parent.mkdir(exist_ok=True)
            if (facts := path.with_suffix(".json")).is_file():
                facts.replace(target.with_suffix(".json"))
            path.replace(target)
        return to


def _is_recording(path: Path) -> bool:
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _facts(path: Path) -> dict[str, Any]:
    """Those of FACTS that the .json has; none if it is missing or is not ours."""
    try:
        with path.with_suffix(".json").open("rb") as file:
            found = json.loads(file.read(MOST_FACTS_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    found = found if isinstance(found, dict) else {}
    return {key: found[key] for key, kind in FACTS.items() if isinstance(found.get(key), kind)}
