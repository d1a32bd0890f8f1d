"""From a folder of clips to a stream of examples, on one core or on many, with the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count as counting
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from synth.bank import Bank, Progress, open_bank
from synth.pool import Pool, draw_weight, pools, stretch_samples
from synth.recipe import draw
from synth.recordings import Rejected, TakeRules, clip_folders, is_added, required_kinds, scan
from synth.render import render
from synth.sources import Share, shares
from synth.splits import Segment, split
from synth.workers import ordered_map
from wakeword.clips import Example
from wakeword.config import Config
from wakeword.errors import DataError

BATCH_EXAMPLES = 8  # go to a worker at a time
OWN_SHARE = 0.6  # of the activates drawn, at most, from takes that were added ...
OWN_HALF = 10  # ... half of that with so many takes
REAL_SHARE = 0.2  # of validation's negatives drawn, from recordings added to a phrase that only synthesizers say
HARD_SHARE = 0.5  # of the near misses drawn, from those that were added: what a model woke at where it is used
Result = TypeVar("Result")


@dataclass(frozen=True)
class Clips:
    """A folder of clips, ready to draw from: decoded, trimmed, checked and split."""

    config: Config
    bank: Bank
    phrases: tuple[str, ...]
    splits: dict[str, dict[str, list[Segment]]]
    rejected: tuple[Rejected, ...]
    times: Mapping[str, float] = field(default_factory=dict)
    """How many times as often as usual some recordings are drawn, by their id."""
    sources: tuple[Share, ...] = ()
    """Where the recordings come from, and under what licence."""

    @cached_property
    def pools(self) -> dict[str, dict[str, Pool]]:
        return {name: pools(segments, self.config, self.times) for name, segments in self.splits.items()}

    def example(self, split_name: str, index: int) -> Example:
        """Example `index` of a split: a pure function of the clips, `times`, the seed, the split and the index."""
        return render(draw(index, split_name, self.pools[split_name], self.config), self.bank, self.config)

    def summary(self) -> dict[str, Any]:
        """Files, groups and hours of each kind on each side, and how many files were rejected."""
        rate = self.config.audio.sample_rate_hz
        sides = {
            name: {
                kind: {
                    "files": len(segments),
                    "groups": len({segment.take.group for segment in segments}),
                    "hours": round(sum(segment.samples for segment in segments) / rate / 3600.0, 4),
                }
                for kind, segments in kinds.items()
            }
            for name, kinds in self.splits.items()
        }
        return {"phrases": list(self.phrases), **sides, "rejected": len(self.rejected)}


def open_clips(
    clips_dir: str | Path | Mapping[str, str | Path],
    config: Config,
    phrases: Sequence[str] | None = None,
    progress: Progress | None = None,
    added: Mapping[str, Sequence[str | Path]] | None = None,
    spoken: bool = False,
) -> Clips:
    """Finds, decodes (once; see `synth.bank`), checks and splits the recordings of the three kinds.

    `clips_dir` has the folders activates/ negatives/ backgrounds/, or is a mapping of these names to folders. Without
    `phrases` the wake word is the name of the folder around activates/. `progress(done, total)` counts the files while
    they are decoded. Files that cannot be used are in `Clips.rejected`.

    `added` are further folders by kind: a user's takes among spoken ones (of several phrases in a sub-folder each),
    their home, their noise, what a model woke at (near_misses; HARD_SHARE of those drawn). Of the activates drawn, k
    takes that were added make up k / (k + OWN_HALF) * OWN_SHARE. `spoken` says that synthesizers made `clips_dir`: if
    no takes were added to it, all negatives that were are for validation, where they make up REAL_SHARE. Where all that
    is real is a negative, a network learns to tell people from synthesizers instead of words from words.

    Raises DataError when a folder is missing or empty, when nothing usable is left of a kind, or
    when there is too little of it for both training and validation.
    """
    folders = clip_folders(clips_dir, added)
    wanted = tuple(phrases or [folders["activates"][0].resolve().parent.name.replace("_", " ")])
    required = required_kinds(config)
    recordings, unread = scan(folders, wanted, required)
    bank = open_bank(recordings, TakeRules.of(config), progress)
    rejected = (*unread, *bank.rejected)
    for kind in required:
        if not any(take.kind == kind for take in bank.takes):
            raise DataError(_nothing_left(kind, folders[kind][0], rejected))
    for phrase in wanted:
        if not any(take.label == phrase for take in bank.takes):
            raise DataError(f"{folders['activates'][0]}: got no usable recording of {phrase!r}, expected at least 2")
    sides = split(bank.takes, config.synth.validation_fraction, config.synth.seed, config.audio.sample_rate_hz)
    if spoken and not any(is_added(take.id) for take in bank.takes if take.kind == "activates"):
        sides = _kept_apart(sides)
        times = _real_times(sides["validation"].get("negatives", []), config)
    else:
        times = {take: n for side in sides.values() for take, n in _own_times(side.get("activates", [])).items()}
    hard = {take: n for side in sides.values() for take, n in _hard_times(side.get("near_misses", [])).items()}
    held = shares(recordings, sides, config.audio.sample_rate_hz)
    return Clips(config, bank, wanted, sides, rejected, times | hard, held)


def _kept_apart(sides: dict[str, dict[str, list[Segment]]]) -> dict[str, dict[str, list[Segment]]]:
    """The sides, with all negatives that were added on the one of validation."""
    train, validation = (sides[side].get("negatives", []) for side in ("train", "validation"))
    added = [segment for segment in train if is_added(segment.take.id)]
    others = [segment for segment in train if not is_added(segment.take.id)]
    return {
        "train": {**sides["train"], "negatives": others},
        "validation": {**sides["validation"], "negatives": [*validation, *added]},
    }


def _own_times(activates: Sequence[Segment]) -> dict[str, float]:
    """How often each added take is drawn for once that another one is: the more there are, the more they all count."""
    added = [segment.take.id for segment in activates if is_added(segment.take.id)]
    others = len(activates) - len(added)
    if not added or not others:
        return {}
    share = OWN_SHARE * len(added) / (len(added) + OWN_HALF)
    return dict.fromkeys(added, max(1.0, share / (1 - share) * others / len(added)))


def _hard_times(near_misses: Sequence[Segment]) -> dict[str, float]:
    """How often added near misses are drawn for once that another one is: a few dozen among thousands must count."""
    added = [segment.take.id for segment in near_misses if is_added(segment.take.id)]
    others = len(near_misses) - len(added)
    if not added or not others:
        return {}
    return dict.fromkeys(added, max(1.0, HARD_SHARE / (1 - HARD_SHARE) * others / len(added)))


def _real_times(negatives: Sequence[Segment], config: Config) -> dict[str, float]:
    """How often added negatives are drawn for once that they would be by their length."""
    longest = stretch_samples(config)
    added, others = (
        sum(draw_weight(segment, longest) for segment in negatives if is_added(segment.take.id) == own)
        for own in (True, False)
    )
    if not added or not others:
        return {}
    times = min(1.0, REAL_SHARE / (1 - REAL_SHARE) * others / added)
    return {segment.take.id: times for segment in negatives if is_added(segment.take.id)}


def _nothing_left(kind: str, folder: Path, rejected: Sequence[Rejected]) -> str:
    mine = [one for one in rejected if Path(one.path).is_relative_to(folder)]
    first = f"; the first: {Path(mine[0].path).name}: {mine[0].reason}" if mine else ""
    return f"{folder}: got {len(mine)} files and none is usable, expected {kind}{first}"


def stream(
    clips: Clips,
    config: Config,
    split: str,
    start: int = 0,
    count: int | None = None,
    workers: int = 0,
    times: Mapping[str, float] | None = None,
) -> Iterator[Example]:
    """Yields examples start, start + 1, ... of a split, `count` of them or without end.

    `config` must cut the same audio as the one that opened the clips; its `synth` section may differ. The bytes do not
    depend on `workers`: 0 renders in this process, else so many processes render ahead by a few batches. Closing the
    generator, an error or Ctrl-C ends them. `times` draws some recordings, named by their id, more or less often.
    """
    if config.audio != clips.config.audio:
        raise DataError(f"clips: opened for {clips.config.audio}, got a configuration with {config.audio}")
    if config is not clips.config or times:
        clips = replace(clips, config=config, times={**clips.times, **(times or {})})
    indices = counting(start) if count is None else range(start, start + count)
    if workers == 0:
        yield from (clips.example(split, index) for index in indices)
        return
    for batch in in_batches(clips, _render_batch, split, indices, workers):
        yield from batch


def _render_batch(clips: Clips, split: str, indices: list[int]) -> list[Example]:
    return [clips.example(split, index) for index in indices]


def in_batches(
    clips: Clips,
    function: Callable[[Clips, str, list[int]], list[Result]],
    split: str,
    indices: Iterable[int],
    workers: int,
) -> Iterator[list[Result]]:
    """`function(clips, split, some indices)` for all indices, a few at a time, in order, on so many processes."""
    indices = iter(indices)
    batches = iter(lambda: list(islice(indices, BATCH_EXAMPLES)), [])
    return ordered_map(function, clips, ((split, batch) for batch in batches), workers)
