"""Where recordings come from and what may be done with them: `source.toml`, in a folder of recordings or any above it.

name = "LibriSpeech dev-clean"
licence = "CC BY 4.0"
url = "https://www.openslr.org/12/"
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from synth.recordings import Recording
from synth.splits import Segment
from wakeword.errors import DataError
from wakeword.sections import Section

SOURCE_NAME = "source.toml"


class Source(Section):
    """What one source.toml says."""

    name: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    url: str = ""


class Share(Section):
    """What one source gives to one kind on one side. `source` is None where nobody said where it comes from."""

    source: Source | None
    split: str
    kind: str
    files: int
    groups: int
    hours: float


def read_source(path: Path) -> Source:
    """Raises DataError for a source.toml that is not one."""
    try:
        return Source.model_validate(tomllib.loads(path.read_text("utf-8")))
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise DataError(f"{path}: got no usable {key!r}, expected name, licence and, if there is one, url") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as TOML: {error}") from None


def shares(
    recordings: Sequence[Recording], splits: Mapping[str, Mapping[str, Sequence[Segment]]], sample_rate_hz: int
) -> tuple[Share, ...]:
    """Who gives how much of what, in a fixed order. Raises DataError for a source.toml that is not one."""
    paths = {recording.id: recording.path for recording in recordings}
    known: dict[Path, Source | None] = {}
    found: defaultdict[tuple, list[Segment]] = defaultdict(list)
    for side, kinds in splits.items():
        for kind, segments in kinds.items():
            for segment in segments:
                found[_of(paths[segment.take.id].absolute().parent, known), side, kind].append(segment)
    return tuple(
        Share(
            source=source,
            split=side,
            kind=kind,
            files=len(segments),
            groups=len({segment.take.group for segment in segments}),
            hours=round(sum(segment.samples for segment in segments) / sample_rate_hz / 3600.0, 4),
        )
        for (source, side, kind), segments in found.items()
    )


def _of(folder: Path, known: dict[Path, Source | None]) -> Source | None:
    if folder not in known:
        path = folder / SOURCE_NAME
        if path.is_file():
            known[folder] = read_source(path)
        else:
            known[folder] = None if folder.parent == folder else _of(folder.parent, known)
    return known[folder]
