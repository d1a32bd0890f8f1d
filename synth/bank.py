"""All takes decoded once, in one flat file of int16 that every process maps and none copies.

The file lies in the user's cache under a digest of what it was made from (paths, sizes, times, rules), so a changed
recording makes a new one and an unchanged folder opens at once (`synth/cache.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from synth import cache
from synth.recordings import Recording, Rejected, TakeRules, decode_all
from wakeword.errors import DataError

FORMAT = 5  # raise it when decoding or trimming changes, and old caches are rebuilt
SAMPLES_NAME, INDEX_NAME = "samples.int16", "index.json"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Take:
    """One usable recording: `samples` of the bank from `offset`, at the bank's rate."""

    id: str
    kind: str
    label: str
    group: str
    offset: int
    samples: int


class Bank:
    """Read-only samples of all takes. Pickles as its path, so that workers share the pages."""

    def __init__(self, folder: Path) -> None:
        """Opens a finished cache folder. Raises OSError, ValueError or KeyError if it is not one."""
        index = json.loads((folder / INDEX_NAME).read_text("utf-8"))
        self.folder = folder
        self.digest: str = index["digest"]
        self.sample_rate_hz: int = index["sample_rate_hz"]
        self.takes = tuple(Take(**take) for take in index["takes"])
        self.rejected = tuple(Rejected(**rejected) for rejected in index["rejected"])
        expected = 2 * sum(take.samples for take in self.takes)
        if (folder / SAMPLES_NAME).stat().st_size != expected:
            raise ValueError(f"{folder / SAMPLES_NAME}: expected {expected} bytes")
        self._in_use = cache.opened(folder)  # open as long as this is
        self._by_id = {take.id: take for take in self.takes}
        mapped = np.memmap(folder / SAMPLES_NAME, np.int16, mode="r") if expected else np.zeros(0, np.int16)
        self._samples = mapped.view(np.ndarray)  # a slice of a memmap costs more than reading it

    def __reduce__(self) -> tuple:
        return Bank, (self.folder,)

    def read(self, take_id: str, start: int, samples: int) -> np.ndarray:
        """int16 [samples] of a take from `start`: a view of the mapped file."""
        take = self._by_id.get(take_id)
        if take is None or start < 0 or start + samples > take.samples:
            have = "no such recording" if take is None else f"a recording of {take.samples} samples"
            raise DataError(f"{take_id}: got {have}, expected samples {start} to {start + samples} of it")
        return self._samples[take.offset + start : take.offset + start + samples]

    def whole(self, take_id: str) -> np.ndarray:
        """All of a take, int16 [N]. Raises DataError for one that is not in the bank."""
        return self.read(take_id, 0, self._by_id[take_id].samples if take_id in self._by_id else 0)


def open_bank(recordings: Sequence[Recording], rules: TakeRules, progress: Progress | None = None) -> Bank:
    """Opens the recordings' cache, building it first where it is missing, damaged or out of date.

    `progress(done, total)` is called after each file. Raises DataError if the cache cannot be written.
    """
    digest, limit = _digest(recordings, rules), cache.limit_bytes()
    folder = cache.cache_folder() / cache.CLIPS / digest[:32]
    try:
        return Bank(folder)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there or not whole: the same answer to each
    try:
        _build(folder, digest, recordings, rules, progress)
        bank = Bank(folder)
        cache.tidy(limit)
        return bank
    except OSError as error:
        raise DataError(f"{folder.parent}: the clips cannot be cached: {error.strerror or error}") from None


def _digest(recordings: Sequence[Recording], rules: TakeRules) -> str:
    digest = hashlib.sha256(json.dumps([FORMAT, asdict(rules)]).encode())
    for recording in recordings:
        status = recording.path.stat() if recording.path.exists() else None
        identity = (status.st_size, status.st_mtime_ns) if status else None
        row = [recording.id, str(recording.path.absolute()), recording.label, recording.group, identity]
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def _build(
    folder: Path, digest: str, recordings: Sequence[Recording], rules: TakeRules, progress: Progress | None
) -> None:
    temporary = cache.unfinished(folder)
    try:
        with open(temporary / SAMPLES_NAME, "wb") as file:
            writer = _Writer(file)
            rejected = decode_all(recordings, rules, writer.add, progress)
        index = {
            "digest": digest,
            "sample_rate_hz": rules.sample_rate_hz,
            "takes": [asdict(take) for take in writer.takes],
            "rejected": [asdict(one) for one in rejected],
        }
        (temporary / INDEX_NAME).write_text(json.dumps(index), "utf-8")
        _move_into_place(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class _Writer:
    """Appends takes to the flat file, and takes back what came before a refusal."""

    def __init__(self, file) -> None:
        self._file = file
        self.takes: list[Take] = []

    def add(self, recording: Recording, pieces: Iterator[np.ndarray]) -> None:
        start = self._file.tell()
        whole = False
        try:
            for piece in pieces:
                self._file.write(piece.tobytes())
            whole = True
        finally:
            if not whole:
                self._file.seek(start)
                self._file.truncate()
        samples = (self._file.tell() - start) // 2
        fields = (recording.id, recording.kind, recording.label, recording.group)
        self.takes.append(Take(*fields, offset=start // 2, samples=samples))


def _move_into_place(temporary: Path, folder: Path) -> None:
    """Another process may have finished first: its folder is as good as ours. A damaged one makes way."""
    try:
        Bank(folder)
    except (OSError, ValueError, KeyError, TypeError):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            os.replace(temporary, folder)
        except OSError:
            Bank(folder)  # raises, unless somebody else was faster
