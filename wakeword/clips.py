"""Labelled audio and its manifest: the contract between whoever makes examples and training.

A manifest is JSON Lines, one `Clip` a line. `Example` is the same thing with the audio in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count as counting
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from wakeword.audio import read, to_int16
from wakeword.errors import DataError
from wakeword.files import replacing
from wakeword.sections import Section

MANIFEST_NAME = "manifest.jsonl"
KINDS = ("activates", "negatives", "backgrounds")
OPTIONAL_KINDS = ("near_misses", "rooms")
ANY_PHRASE = "*"  # the label of a near miss: it sounds like one of the phrases, no matter which


class Event(Section):
    """Something overlaid on the background: samples [start_sample, end_sample) of the example.

    `label` is the phrase of an activate; of a negative it is the phrase that it is a piece of, ANY_PHRASE for one that
    only sounds like a phrase, else empty. `source` is the recording it was made of, empty where that is not known.
    """

    kind: Literal["activate", "negative"]
    label: str
    start_sample: int
    end_sample: int
    source: str = ""


@dataclass(frozen=True)
class Example:
    """int16 audio [N] with its events, in the order of their start, and every draw that made it."""

    pcm: np.ndarray
    events: tuple[Event, ...]
    recipe: dict[str, Any]


class Clip(Section):
    """One line of a manifest. `path` is relative to the manifest's folder."""

    path: str
    sample_rate_hz: int
    samples: int
    split: Literal["train", "validation"]
    events: list[Event]
    recipe: dict[str, Any]


def write_manifest(path: str | Path, clips: Iterable[Clip]) -> None:
    """Writes one JSON object a line; the old file stays until the new one is complete."""
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(clip.model_dump_json() + "\n" for clip in clips)


def read_manifest(path: str | Path) -> Iterator[Clip]:
    """Yields the clips. Raises DataError if the file cannot be read, or with the line that is not a Clip."""
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: got bytes that are not UTF-8, expected a manifest of JSON lines") from None
    for number, line in enumerate(lines, 1):
        try:
            yield Clip.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            what = ": ".join([*map(str, first["loc"]), first["msg"].lower()])
            raise DataError(f"{path}:{number}: got a line that is no clip: {what}") from None


def read_examples(folder: str | Path, clips: Sequence[Clip], start: int = 0) -> Iterator[Example]:
    """The examples of a dataset from number `start` on, over and over without end; audio is read when it is needed.

    Raises DataError for a file that is not as long as its manifest says, AudioError for one that cannot be read.
    """
    for index in counting(start):
        clip = clips[index % len(clips)]
        pcm = to_int16(read(Path(folder) / clip.path, clip.sample_rate_hz))
        if len(pcm) != clip.samples:
            raise DataError(f"{clip.path}: got {len(pcm)} samples, expected the {clip.samples} of its manifest")
        yield Example(pcm, tuple(clip.events), clip.recipe)


class PhraseLengths:
    """Learns how long each phrase takes from the examples that pass by."""

    def __init__(self, phrases: list[str]) -> None:
        self._samples: dict[str, list[int]] = {phrase: [] for phrase in phrases}

    def watch(self, examples: Iterator[Example]) -> Iterator[Example]:
        for example in examples:
            for event in example.events:
                if event.kind == "activate":
                    self._samples[event.label].append(event.end_sample - event.start_sample)
            yield example

    def median_s(self, sample_rate_hz: int) -> list[float]:
        """Per phrase, in seconds; 0 where none was seen."""
        return [round(float(np.median(seen or [0])) / sample_rate_hz, 3) for seen in self._samples.values()]
