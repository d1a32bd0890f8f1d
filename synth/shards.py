"""Any number of examples as shards of a fixed size: `train-000007.tar`, index.json, dataset.json and README.md.

A shard is a function of the clips, the configuration and its number, so whoever renders it, in whatever order, on
whatever machine, writes the same bytes. It is written under another name and renamed; a note of it follows. Whatever
has no note after a run was killed is rendered again. What is held in memory is one example a worker.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from synth.build import Clips
from synth.card import data_card
from synth.dataset import JOURNAL_NAME, Progress, claim, describe
from synth.encoding import CodecName, check_codec, encode
from synth.workers import ordered_map
from wakeword.clips import Clip
from wakeword.errors import DataError
from wakeword.files import locked, replacing, write_bytes, writing
from wakeword.shards import FORMAT, INDEX_NAME, Shard, ShardIndex

CARD_NAME, NOTES_NAME = "README.md", ".shards"
SHARD_EXAMPLES = 512  # of 6 s in FLAC: about 50 MB
Engine = Callable[..., Iterator[Any]]


class Job(NamedTuple):
    """One shard: examples [first, stop) of a split."""

    split: str
    number: int
    first: int
    stop: int

    @property
    def path(self) -> str:
        return f"{self.split}-{self.number:06d}.tar"

    @property
    def note(self) -> str:
        return f"{NOTES_NAME}/{self.split}-{self.number:06d}.json"


def write_shards(
    clips: Clips,
    out: str | Path,
    codec: CodecName = "flac",
    shard_examples: int = SHARD_EXAMPLES,
    workers: int = 0,
    progress: Progress | None = None,
    engine: Engine = ordered_map,
) -> dict[str, Any]:
    """Renders `clips.config.synth.examples` examples into shards in `out` and returns what dataset.json says.

    `engine(function, shared, jobs, workers)` yields `function(shared, *job)` of each job, in order: `ordered_map` on
    this machine. Raises DataError if the folder holds a dataset of another configuration or of other clips, ConfigError
    for a codec that does not know the rate, and FileError if another run is writing it or it cannot be written.
    """
    check_codec(codec, clips.config.audio.sample_rate_hz)
    description = {**describe(clips), "shards": {"format": FORMAT, "codec": codec, "examples": shard_examples}}
    out = Path(out)
    with locked(out), writing(out):
        claim(out, description)
        if (out / JOURNAL_NAME).exists():
            raise DataError(f"{out}: got an unfinished dataset of single files, expected an empty folder")
        jobs = list(_jobs(description["examples"], shard_examples))
        _sweep(out)
        notes = _noted(out, jobs)
        missing = [job for job in jobs if job.path not in notes]
        written = engine(partial(write_shard, out.absolute(), codec), clips, ((job,) for job in missing), workers)
        for note in written:
            notes[note["path"]] = note
            if progress:
                progress(len(notes), len(jobs))
        _sweep(out)
        _finish(out, clips, description, jobs, notes)
    return description


def _jobs(examples: dict[str, int], shard_examples: int) -> Iterator[Job]:
    for split, count in examples.items():
        for number, first in enumerate(range(0, count, shard_examples)):
            yield Job(split, number, first, min(first + shard_examples, count))


def _sweep(out: Path) -> None:
    """Removes what workers that were killed left half-written, in an earlier run or in this one."""
    for left_over in (*out.glob(".*.part"), *(out / NOTES_NAME).glob(".*.part")):
        left_over.unlink()


def _noted(out: Path, jobs: list[Job]) -> dict[str, dict[str, Any]]:
    """Notes of the shards that are there and whole, by path."""
    notes = {}
    for job in jobs:
        try:
            note = json.loads((out / job.note).read_text("utf-8"))
            if (out / job.path).stat().st_size == note["bytes"]:
                notes[job.path] = note
        except (OSError, ValueError, KeyError):
            continue  # not written, or not noted: it is rendered again
    return notes


def write_shard(out: Path, codec: CodecName, clips: Clips, job: Job) -> dict[str, Any]:
    """Renders one shard, then notes it. Runs in a worker; returns the note."""
    counts = {"activate": 0, "negative": 0}
    with replacing(out / job.path) as temporary:
        with open(temporary, "wb") as file:
            hashed = _Hashed(file)
            with tarfile.open(fileobj=hashed, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
                for index in range(job.first, job.stop):
                    for event in _add(tar, clips, job.split, index, codec):
                        counts[event.kind] += 1
            os.fsync(file.fileno())  # the note must not outlive it in a power cut
        note = {
            "path": job.path,
            "examples": job.stop - job.first,
            "bytes": hashed.bytes,
            "sha256": hashed.digest.hexdigest(),
            "activates": counts["activate"],
            "negatives": counts["negative"],
        }
    write_bytes(out / job.note, json.dumps(note).encode())
    return note


class _Hashed:
    """A file to write to that knows what went through it."""

    def __init__(self, file: Any) -> None:
        self._file, self.digest, self.bytes = file, hashlib.sha256(), 0

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        self.bytes += len(content)
        return self._file.write(content)


def _add(tar: tarfile.TarFile, clips: Clips, split: str, index: int, codec: CodecName) -> list:
    example, rate = clips.example(split, index), clips.config.audio.sample_rate_hz
    key = f"{split}-{index:09d}"
    events = list(example.events)
    fields = {"samples": len(example.pcm), "events": events, "recipe": example.recipe}
    clip = Clip(path=f"{key}.{codec}", sample_rate_hz=rate, split=split, **fields)
    for suffix, content in ((codec, encode(example.pcm, rate, codec)), ("json", clip.model_dump_json().encode())):
        info = tarfile.TarInfo(f"{key}.{suffix}")  # no time, no owner: the same bytes whoever writes them, and when
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return events


def _finish(out: Path, clips: Clips, description: dict[str, Any], jobs: list[Job], notes: dict[str, Any]) -> None:
    """The card and, last, the index: where it is, all is there. The notes stay, for whoever loses a shard."""
    rate, samples = clips.config.audio.sample_rate_hz, clips.config.example_samples
    splits = {split: [notes[job.path] for job in jobs if job.split == split] for split in description["examples"]}
    totals = {
        split: {
            "samples": samples * sum(note["examples"] for note in found),
            "shards": len(found),
            **{name: sum(note[name] for note in found) for name in ("examples", "activates", "negatives", "bytes")},
        }
        for split, found in splits.items()
    }
    index = ShardIndex(
        format=FORMAT,
        codec=description["shards"]["codec"],
        sample_rate_hz=rate,
        samples=samples,
        phrases=list(clips.phrases),
        splits={
            split: [Shard(**{name: note[name] for name in Shard.model_fields}) for note in found]
            for split, found in splits.items()
        },
    )
    write_bytes(out / CARD_NAME, data_card(description, totals, rate).encode())
    write_bytes(out / INDEX_NAME, index.model_dump_json(indent=1).encode())
