"""A corpus by its name: downloaded, checked, unpacked, and with a source.toml that says whose it is."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from synth.corpora import Corpus
from synth.download import PAUSE_S, download
from synth.sources import SOURCE_NAME
from synth.unpack import unpack
from wakeword.errors import DataError
from wakeword.files import locked, writing

DOWNLOADS = ".downloads"
Progress = Callable[[str, int, int], None]


def fetch(corpus: Corpus, out: str | Path, progress: Progress | None = None, pause_s: float = PAUSE_S) -> Path:
    """Brings a corpus to `out`/NAME, which is whole or not there, and returns that folder; at once if it is there.

    `progress(file, done, total)` counts bytes. A run that was stopped goes on where it was. Raises DownloadError,
    DataError for a corpus that cannot be downloaded without its owner's leave or a bad archive, FileError if `out`
    cannot be written or another run is writing it.
    """
    out, target = Path(out), Path(out) / corpus.name
    if target.is_dir():
        return target
    if not corpus.archives:
        raise DataError(f"{corpus.name}: {corpus.note}: {corpus.url}")
    with writing(out), locked(out / DOWNLOADS / corpus.name):
        downloads = out / DOWNLOADS / corpus.name
        files = []
        for archive in corpus.archives:
            report = (lambda done, total, name=archive.name: progress(name, done, total)) if progress else None
            files.append(download(archive, downloads, report, pause_s))
        work = Path(tempfile.mkdtemp(prefix="unpacking-", dir=downloads))
        try:
            _lay_out(corpus, files, work)
            work.chmod(0o755)
            work.replace(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(downloads, ignore_errors=True)
    return target


def _lay_out(corpus: Corpus, files: list[Path], work: Path) -> None:
    """A corpus in one archive is unpacked; one in volumes is left to a program that knows them."""
    if len(files) == 1:
        unpack(files[0], work)
    else:
        for file in files:
            file.replace(work / file.name)
    lines = {"name": corpus.title, "licence": corpus.licence, "url": corpus.url}
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())  # JSON's strings are TOML's, too
    (work / SOURCE_NAME).write_text(text, "utf-8")
