"""Folders that other people's build tools take: plain C, an Arduino library, an ESP-IDF component, a Zephyr module.

All hold the same runtime files in `src`, the same generated data beside them, and thin files of their own from
`packages/`, in which @name@ stands for what is known only here.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import unicodedata
from importlib import resources
from pathlib import Path

from wakeword.errors import FileError
from wakeword.files import writing

TARGETS = ("c", "arduino", "esp-idf", "zephyr")
REPORT = "report.json"  # a folder with one was written here before, and may be written again
VERSION = "1.0.0"
LONGEST_NAME = 50
LICENSE = "LICENSE"  # of the runtime, and of the files around it


def slug(phrases: tuple[str, ...]) -> str:
    """A name that every package manager takes: ASCII letters, digits and underscores after `wakeword_`.

    >>> slug(("hey computer",)), slug(("for",)), slug(("Grüß Gott!",)), slug(("小爱",))
    ('wakeword_hey_computer', 'wakeword_for', 'wakeword_gru_gott', 'wakeword_word')
    """
    plain = unicodedata.normalize("NFKD", "_".join(phrases)).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return f"wakeword_{words or 'word'}"[:LONGEST_NAME].rstrip("_")


def fields(phrases: tuple[str, ...]) -> dict[str, str]:
    """What stands for @name@ in the files of packages/."""
    plain = (re.sub(r"[\x00-\x1f\"\\@\u2028\u2029\u0085]+", " ", phrase) for phrase in phrases)
    shown = ", ".join(" ".join(phrase.split()) for phrase in plain)
    return {"slug": slug(phrases), "phrases": shown, "version": VERSION}


def lay_out(folder: Path, target: str, phrases: tuple[str, ...], generated: dict[str, str]) -> None:
    """Fills an empty folder: packages/<target>, the runtime with its licence, and the generated sources."""
    room, known = Path(str(resources.files("firmware_export"))), fields(phrases)
    template = room / "packages" / target
    for path in sorted(path for path in template.rglob("*") if path.is_file()):
        text = path.read_text("utf-8")
        for name, value in known.items():
            text = text.replace(f"@{name}@", value)
        _write(folder / path.relative_to(template), text)
    for path in sorted((room / "runtime").iterdir()):
        if path.suffix in (".c", ".h"):
            _write(folder / "src" / path.name, path.read_text("utf-8"))
    for name, text in generated.items():
        _write(folder / "src" / name, text)
    _write(folder / LICENSE, (room / "runtime" / LICENSE).read_text("utf-8"))


def check_replaceable(out: Path) -> None:
    """Raises FileError if `out` is a file, or a folder with something in it that was not exported before."""
    if out.exists() and not out.is_dir():
        raise FileError(f"--out: got the file {out}, expected a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / REPORT).is_file():
        raise FileError(
            f"--out: got {out}, which holds other files, expected a new or empty folder or an earlier export"
        )


class Replacement:
    """A new folder beside `out`, that takes its place when all went well: `with Replacement(out) as folder: ...`."""

    def __init__(self, out: Path) -> None:
        check_replaceable(out)
        self._out = out.resolve()  # `.` has no name to put a temporary one beside

    def __enter__(self) -> Path:
        with writing(self._out):
            self._out.parent.mkdir(parents=True, exist_ok=True)
            self._room = Path(tempfile.mkdtemp(prefix=f".{self._out.name}.", suffix=".part", dir=self._out.parent))
        folder = self._room / "new"
        folder.mkdir()
        return folder

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            if kind is None:
                with writing(self._out):
                    self._swap()
        finally:
            shutil.rmtree(self._room, ignore_errors=True)

    def _swap(self) -> None:
        old = self._room / "old"
        if self._out.exists():
            self._out.rename(old)
        try:
            (self._room / "new").rename(self._out)
        except OSError:
            if old.exists():
                old.rename(self._out)
            raise


def _write(path: Path, text: str) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8", newline="\n")
