"""Every random choice of one example, drawn from (seed, split, index) alone and written to the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from synth.rooms import Room
from synth.splits import SPLITS, Segment
from synth.transforms import Filter, Speed
from wakeword.config import Config, Section

PLACEMENT_TRIES = 50  # then the event is left out: the example is full
EVENT_KINDS: dict[str, Literal["activate", "negative"]] = {"activates": "activate", "negatives": "negative"}


class BackgroundDraw(Section):
    """`samples` of a recording from `start_sample`; fewer than an example are looped, beginning at `offset_samples`."""

    id: str
    start_sample: int
    samples: int
    offset_samples: int


class EventDraw(Section):
    """One activate or negative. [start_sample, end_sample) is the dry sound; a room rings on after it."""

    kind: Literal["activate", "negative"]
    label: str
    id: str
    crop_start_sample: int
    crop_samples: int
    speed: Speed | None
    filter: Filter | None
    room: Room | None
    snr_db: float
    start_sample: int
    end_sample: int


class Recipe(Section):
    """All that `render` needs besides the recordings. Plain JSON both ways: `Recipe.model_validate_json`."""

    seed: int
    split: Literal["train", "validation"]
    index: int
    background: BackgroundDraw | None
    background_dbfs: float
    events: tuple[EventDraw, ...]
    gain_db: float
    example_dbfs: float | None
    headroom_db: float = 0.0
    """No draw: what `render` had to take off at the end to keep the peaks below full scale."""


class Pool:
    """The segments of one kind on one side, and how often each is drawn."""

    def __init__(self, segments: Sequence[Segment], stretch_samples: int | None = None) -> None:
        """Labels are drawn equally often; with `stretch_samples`, longer segments more often, up to ten times."""
        self.segments = list(segments)
        if stretch_samples:
            weights = np.array([min(max(s.samples / stretch_samples, 1.0), 10.0) for s in self.segments])
        else:
            counts = Counter(s.take.label for s in self.segments)
            weights = np.array([1.0 / counts[s.take.label] for s in self.segments])
        self._cumulative = np.cumsum(weights)

    def choose(self, rng: np.random.Generator) -> Segment:
        at = rng.random() * self._cumulative[-1]
        return self.segments[min(int(np.searchsorted(self._cumulative, at, side="right")), len(self.segments) - 1)]


def pools(segments: dict[str, list[Segment]], config: Config) -> dict[str, Pool]:
    """A pool for each kind that has segments."""
    negative_samples = round(config.synth.negative_s[1] * config.audio.sample_rate_hz)
    stretch = {"activates": None, "negatives": negative_samples, "backgrounds": config.example_samples}
    return {kind: Pool(segments[kind], stretch[kind]) for kind in stretch if segments.get(kind)}


def draw(index: int, split: str, sources: dict[str, Pool], config: Config) -> Recipe:
    """The recipe of example `index` of a split: a pure function of its arguments and `config.synth.seed`."""
    synth = config.synth
    rng = np.random.default_rng([synth.seed, SPLITS.index(split), index])
    background = _background(rng, sources, config)
    background_dbfs = _uniform(rng, synth.background_dbfs)
    events: list[EventDraw] = []
    for kind, counts in (("activates", synth.activates), ("negatives", synth.negatives)):
        for _ in range(int(rng.integers(counts[0], counts[1] + 1))):
            event = _event(rng, kind, sources, events, config)
            events += [event] if event else []
    events.sort(key=lambda event: event.start_sample)
    return Recipe(
        seed=synth.seed,
        split=split,
        index=index,
        background=background,
        background_dbfs=background_dbfs,
        events=tuple(events),
        gain_db=_uniform(rng, synth.gain_db),
        example_dbfs=synth.example_dbfs,
    )


def _uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    """Two decimals are finer than anyone hears, and the manifest shows exactly the number that was used."""
    return float(round(rng.uniform(*bounds), 2))


def _background(rng: np.random.Generator, sources: dict[str, Pool], config: Config) -> BackgroundDraw | None:
    if rng.random() < config.synth.background_absent:
        return None
    segment = sources["backgrounds"].choose(rng)
    samples = min(segment.samples, config.example_samples)
    offset = int(rng.integers(samples)) if samples < config.example_samples else 0
    start = segment.start + int(rng.integers(segment.samples - samples + 1))
    return BackgroundDraw(id=segment.take.id, start_sample=start, samples=samples, offset_samples=offset)


def _event(
    rng: np.random.Generator, kind: str, sources: dict[str, Pool], placed: Sequence[EventDraw], config: Config
) -> EventDraw | None:
    synth = config.synth
    partial = kind == "negatives" and rng.random() < synth.partial_probability
    segment = sources["activates" if partial else kind].choose(rng)
    crop_start, crop_samples = _partial(rng, segment, config) if partial else _crop(rng, kind, segment, config)
    speed = Speed.sample(rng, config) if rng.random() < synth.speed_probability else None
    equaliser = Filter.sample(rng, config) if rng.random() < synth.filter_probability else None
    room = Room.sample(rng, config) if rng.random() < synth.room_probability else None
    snr_db = _uniform(rng, synth.snr_db)
    samples = speed.samples(crop_samples) if speed else crop_samples
    start = _place(rng, samples, placed, config)
    if start is None:
        return None
    return EventDraw(
        kind=EVENT_KINDS[kind],
        label=segment.take.label if kind == "activates" or partial else "",
        id=segment.take.id,
        crop_start_sample=crop_start,
        crop_samples=crop_samples,
        speed=speed,
        filter=equaliser,
        room=room,
        snr_db=snr_db,
        start_sample=start,
        end_sample=start + samples,
    )


def _crop(rng: np.random.Generator, kind: str, segment: Segment, config: Config) -> tuple[int, int]:
    """An activate whole; of a long negative a random stretch, which also fits an example at any speed."""
    if kind == "activates":
        return segment.start, segment.samples
    room_samples = int(config.example_samples * min(1.0, config.synth.speed[0]))
    wanted = min(round(rng.uniform(*config.synth.negative_s) * config.audio.sample_rate_hz), room_samples)
    if segment.samples <= wanted:
        return segment.start, segment.samples
    return segment.start + int(rng.integers(segment.samples - wanted + 1)), wanted


def _partial(rng: np.random.Generator, segment: Segment, config: Config) -> tuple[int, int]:
    """The beginning or the end of an activate: what must not wake, said by the same people in the same rooms."""
    samples = max(1, round(segment.samples * rng.uniform(*config.synth.partial_share)))
    return segment.start + (segment.samples - samples) * int(rng.integers(2)), samples


def _place(rng: np.random.Generator, samples: int, placed: Sequence[EventDraw], config: Config) -> int | None:
    """A start on the grid where the event fits without touching another one, or None if none was found."""
    grid_samples = config.synth.grid_ms * config.audio.sample_rate_hz / 1000.0
    positions = int((config.example_samples - samples) / grid_samples) + 1
    if positions < 1:
        return None
    for _ in range(PLACEMENT_TRIES):
        start = round(int(rng.integers(positions)) * grid_samples)
        end = start + samples
        free = all(end <= other.start_sample or start >= other.end_sample for other in placed)
        if free and end <= config.example_samples:
            return start
    return None
