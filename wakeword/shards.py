"""Examples in tar files, as WebDataset lays them out: `train-00000007.flac` beside `train-00000007.json`, many a shard.

`index.json` names the shards of each split and how many examples each holds, so example i is found without reading what
lies before it. A shard is opened where it is needed and never held open: a `Shards` can be pickled into any worker.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from itertools import count as counting
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import ValidationError

from wakeword.audio import decoded, to_float
from wakeword.clips import Clip, Example
from wakeword.errors import AudioError, DataError
from wakeword.sections import Section

INDEX_NAME = "index.json"
FORMAT = 1
SHARDS_KNOWN = 64  # whose members' places are remembered


class Shard(Section):
    """A tar file beside the index."""

    path: str
    examples: int
    bytes: int
    sha256: str


class ShardIndex(Section):
    """What index.json says. All examples are of one rate and length."""

    format: Literal[1]
    codec: Literal["flac", "opus"]
    sample_rate_hz: int
    samples: int
    phrases: list[str]
    splits: dict[str, list[Shard]]


class Member(NamedTuple):
    """Where one example's audio and JSON lie in its shard: (offset, bytes) of each."""

    audio: tuple[int, int]
    text: tuple[int, int]


def read_index(folder: str | Path) -> ShardIndex:
    """Reads index.json. Raises DataError if it is missing (the dataset is not finished), or is something else."""
    path = Path(folder) / INDEX_NAME
    try:
        return ShardIndex.model_validate(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}: was `wakeword synth` finished?") from None
    except (ValueError, ValidationError):
        raise DataError(f"{path}: got something else than a shard index, expected one of `wakeword synth`") from None


class Shards:
    """One split's examples by number: `shards[i]`, `len(shards)`; a dataset as torch's DataLoader wants it."""

    def __init__(self, folder: str | Path, split: str = "train") -> None:
        """Raises DataError if the folder has no index, or none of this split."""
        self.folder, self.index = Path(folder), read_index(folder)
        self.shards = self.index.splits.get(split, [])
        if not self.shards:
            raise DataError(f"{folder}: got no {split} examples, expected one of {sorted(self.index.splits)}")
        self._ends = list(accumulate(shard.examples for shard in self.shards))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, number: int) -> Example:
        """Example `number` of the split. Raises IndexError, DataError for a damaged shard, AudioError for its audio."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        place = bisect_right(self._ends, number)
        shard = self.shards[place]
        return self._read(shard, number - (self._ends[place] - shard.examples))

    def stream(self, start: int = 0, rank: int = 0, world: int = 1) -> Iterator[Example]:
        """The examples of one of `world` processes, over and over without end, from its number `start` on.

        Example i of a round belongs to process i % world: no two ever get the same, and together they get all.
        """
        for number in counting(start):
            yield self[(number * world + rank) % len(self)]

    def _read(self, shard: Shard, number: int) -> Example:
        path = self.folder / shard.path
        members = _members(str(path), shard.bytes)
        if len(members) != shard.examples:
            raise DataError(f"{path}: got {len(members)} examples, expected the {shard.examples} of its index")
        audio, text = (_stretch(path, *place) for place in members[number])
        try:
            clip = Clip.model_validate_json(text)
            pcm = decoded(io.BytesIO(audio))
        except (ValidationError, AudioError):
            raise DataError(f"{path}: got a damaged example {number}, expected what `wakeword synth` wrote") from None
        if len(pcm) != clip.samples:
            raise DataError(f"{path}: got {len(pcm)} samples in example {number}, expected {clip.samples}")
        return Example(pcm, tuple(clip.events), clip.recipe)


def process_rank() -> tuple[int, int]:
    """(rank, number of processes), as torchrun tells its processes; (0, 1) without it."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


@lru_cache(maxsize=SHARDS_KNOWN)
def _members(path: str, expected_bytes: int) -> list[Member]:
    try:
        if os.path.getsize(path) != expected_bytes:
            raise DataError(f"{path}: got {os.path.getsize(path)} bytes, expected the {expected_bytes} of its index")
        with tarfile.open(path, "r:") as tar:
            places = [(member.offset_data, member.size) for member in tar]
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return [Member(*pair) for pair in zip(places[::2], places[1::2], strict=False)]


def _stretch(path: Path, offset: int, size: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(size)


def stacked(examples: list[Example]) -> tuple[np.ndarray, list[tuple]]:
    """For a loader's `collate_fn`: float32 [B, N] in -1..1, and each example's events."""
    return np.stack([to_float(example.pcm) for example in examples]), [example.events for example in examples]
