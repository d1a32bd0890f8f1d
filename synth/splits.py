"""Train and validation, set apart BEFORE anything is cut, mixed or changed.

By group (speaker, session) where there are several; else by file; a single long file by time. Which side a group is on
depends on (seed, group) alone as far as the sizes allow, so adding recordings moves few of the old ones.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from synth.bank import Take
from synth.recordings import is_added
from wakeword.errors import DataError

SPLITS = ("train", "validation")
GAP_S = 1.0  # between the two parts of a file that is split by time
OVERSHOOT = 1.5  # validation may be this much larger than asked, where groups are large


@dataclass(frozen=True)
class Segment:
    """Samples [start, stop) of a take that one side may use."""

    take: Take
    start: int
    stop: int

    @property
    def samples(self) -> int:
        return self.stop - self.start


def split(
    takes: Sequence[Take], validation_fraction: float, seed: int, sample_rate_hz: int
) -> dict[str, dict[str, list[Segment]]]:
    """`{"train": {kind: segments}, "validation": {kind: segments}}` for the kinds that have takes.

    Shares are counted in audio for backgrounds and in files for speech, and apart for recordings that were added to the
    clips, so that a few takes among many spoken ones are on both sides. A single added take is trained on. Raises
    DataError if a kind (or one phrase of the activates) is too little to give both sides something.
    """
    sides: dict[str, dict[str, list[Segment]]] = {name: {} for name in SPLITS}
    sources = defaultdict(list)
    for take in takes:
        sources[take.kind, is_added(take.id)].append(take)
    for (kind, added), members in sources.items():
        if added and len(members) == 1 and kind in ("activates", "near_misses"):
            parts = [Segment(members[0], 0, members[0].samples)], []
        else:
            parts = _split_kind(members, validation_fraction, seed, sample_rate_hz)
        for name, part in zip(SPLITS, parts, strict=True):
            sides[name].setdefault(kind, []).extend(part)
    return sides


def _split_kind(takes: Sequence[Take], fraction: float, seed: int, rate: int) -> tuple[list[Segment], list[Segment]]:
    if len(takes) == 1:
        return _by_time(takes[0], fraction, rate)
    groups = defaultdict(list)
    for take in takes:
        groups[take.group].append(take)
    if len(groups) == 1:
        groups = {take.id: [take] for take in takes}
    chosen = _choose(groups, fraction, seed)
    sides = ([], [])
    for name, members in groups.items():
        sides[name in chosen].extend(Segment(take, 0, take.samples) for take in members)
    return sides


def _choose(groups: dict[str, list[Take]], fraction: float, seed: int) -> set[str]:
    """Names of the groups for validation: in hash order, those that still fit. Each label is on both sides."""
    weights = {name: _weight(members) for name, members in groups.items()}
    labels = {name: {take.label for take in members} for name, members in groups.items()}
    wanted = fraction * sum(weights.values())
    order = sorted(groups, key=lambda name: _hash(seed, name))
    left = Counter(label for name in groups for label in labels[name])
    chosen, held = set(), 0.0

    def take(name: str) -> None:
        chosen.add(name)
        left.subtract(labels[name])

    for name in order:
        if (
            held < wanted
            and held + weights[name] <= OVERSHOOT * wanted
            and all(left[label] > 1 for label in labels[name])
        ):
            take(name)
            held += weights[name]
    for label in sorted(set().union(*labels.values()) - set().union(*(labels[name] for name in chosen))):
        spare = [name for name in order if label in labels[name] and all(left[one] > 1 for one in labels[name])]
        if not spare:
            files = sum(take.label == label for members in groups.values() for take in members)
            raise DataError(
                f"{label}: got {files} usable files of one speaker or session, expected 2, one for validation"
            )
        take(min(spare, key=weights.__getitem__))
    return chosen


def _weight(members: Sequence[Take]) -> float:
    return float(sum(take.samples for take in members) if members[0].kind == "backgrounds" else len(members))


def _hash(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


def _by_time(take: Take, fraction: float, rate: int) -> tuple[list[Segment], list[Segment]]:
    gap = round(GAP_S * rate)
    validation = round(fraction * (take.samples - gap))
    stop = take.samples - gap - validation
    if take.kind == "activates" or min(validation, stop) < gap:
        raise DataError(
            f"{take.kind}: got one usable file ({take.id}), expected at least 2, to keep some for validation"
        )
    return [Segment(take, 0, stop)], [Segment(take, take.samples - validation, take.samples)]
