"""Every random choice of one example, drawn from (seed, split, index) alone and written to the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from synth.codecs import Codec
from synth.draws import between
from synth.pool import Pool
from synth.rooms import RecordedRoom, Room
from synth.splits import SPLITS, Segment
from synth.transforms import Band, Filter, Scramble, Speed, VocalTract
from wakeword.clips import ANY_PHRASE
from wakeword.config import Config
from wakeword.sections import Section

PLACEMENT_TRIES = 50  # then the event is left out: the example is full
SCRAMBLED_SHARE = 0.25  # of the negatives made of activates: the whole word with its parts in another order
JOINED_SHARE = 0.7  # of the others: joined to other speech, as if they were part of another word
RECORDED_ROOM_SHARE = 0.5
TOUCHING_GAP_S = (0.0, 0.12)  # between words of running speech
EVENT_KINDS: dict[str, Literal["activate", "negative"]] = {
    "activates": "activate",
    "negatives": "negative",
    "near_misses": "negative",
}


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
    vocal_tract: VocalTract | None
    filter: Filter | None
    band: Band | None
    codec: Codec | None
    room: Room | RecordedRoom | None
    reversed: bool
    scramble: Scramble | None
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
    overdrive_db: float | None = None
    """How far above full scale the peaks would be if they were not cut off there; None for no clipping."""
    headroom_db: float = 0.0
    """No draw: what `render` had to take off at the end to keep the peaks below full scale."""


def draw(index: int, split: str, sources: dict[str, Pool], config: Config) -> Recipe:
    """The recipe of example `index` of a split: a pure function of its arguments and `config.synth.seed`."""
    synth = config.synth
    rng = np.random.default_rng([synth.seed, SPLITS.index(split), index])
    background = _background(rng, sources, config)
    background_dbfs = _uniform(rng, synth.background_dbfs)
    rooms = sources.get("rooms")
    events: list[EventDraw] = []
    for _ in range(int(rng.integers(synth.activates[0], synth.activates[1] + 1))):
        events += _event(rng, "activates", sources["activates"].choose(rng), events, config, rooms)
    negatives = int(rng.integers(synth.negatives[0], synth.negatives[1] + 1))
    pieces = int(rng.binomial(negatives, synth.partial_probability)) if negatives else 0
    for _ in range(negatives - pieces):
        near = "near_misses" in sources and rng.random() < synth.near_miss_probability
        kind = "near_misses" if near else "negatives"
        events += _event(rng, kind, sources[kind].choose(rng), events, config, rooms)
    for _ in range(pieces):
        disguise = _scrambled if rng.random() < SCRAMBLED_SHARE else _piece
        events += disguise(rng, sources["activates"].choose(rng), events, config, rooms)
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
        overdrive_db=_uniform(rng, synth.clip_db) if rng.random() < synth.clip_probability else None,
    )


def _uniform(rng: np.random.Generator, bounds: tuple[float, float], skew: float = 1.0) -> float:
    """A place between the bounds, u ** skew of the way for a uniform u: with 2, half lie in the lowest quarter.

    Two decimals are finer than anyone hears, and the manifest shows exactly the number that was used.
    """
    low, high = bounds
    return float(round(low + (high - low) * rng.random() ** skew, 2))


def _background(rng: np.random.Generator, sources: dict[str, Pool], config: Config) -> BackgroundDraw | None:
    if rng.random() < config.synth.background_absent:
        return None
    segment = sources["backgrounds"].choose(rng)
    samples = min(segment.samples, config.example_samples)
    offset = int(rng.integers(samples)) if samples < config.example_samples else 0
    start = segment.start + int(rng.integers(segment.samples - samples + 1))
    return BackgroundDraw(id=segment.take.id, start_sample=start, samples=samples, offset_samples=offset)


def _event(
    rng: np.random.Generator,
    kind: str,
    segment: Segment,
    placed: Sequence[EventDraw],
    config: Config,
    rooms: Pool | None,
) -> list[EventDraw]:
    """One event, or none if it found no place."""
    crop_start, crop_samples = _crop(rng, kind, segment, config)
    effects = _effects(rng, kind, crop_samples, config, rooms)
    samples = effects["speed"].samples(crop_samples) if effects["speed"] else crop_samples
    start = _place(rng, samples, placed, config)
    if start is None:
        return []
    event = EventDraw(
        kind=EVENT_KINDS[kind],
        label={"activates": segment.take.label, "negatives": "", "near_misses": ANY_PHRASE}[kind],
        id=segment.take.id,
        crop_start_sample=crop_start,
        crop_samples=crop_samples,
        **effects,
        start_sample=start,
        end_sample=start + samples,
    )
    return [event]


def _effects(
    rng: np.random.Generator, kind: str, crop_samples: int, config: Config, rooms: Pool | None
) -> dict[str, Any]:
    """What is done to an event, by the name of its field; None where nothing is."""
    synth, other = config.synth, kind == "negatives"
    scrambled = other and rng.random() < synth.scrambled_probability
    return {
        "speed": Speed.sample(rng, config) if rng.random() < synth.speed_probability else None,
        "vocal_tract": VocalTract.sample(rng, config) if rng.random() < synth.vocal_tract_probability else None,
        "filter": Filter.sample(rng, config) if rng.random() < synth.filter_probability else None,
        "band": Band.sample(rng, config) if rng.random() < synth.band_probability else None,
        "codec": Codec.sample(rng, config) if rng.random() < synth.codec_probability else None,
        "room": _room(rng, rooms, config) if rng.random() < synth.room_probability else None,
        "reversed": other and rng.random() < synth.reversed_probability,
        "scramble": Scramble.sample(rng, crop_samples, config.audio.sample_rate_hz) if scrambled else None,
        "snr_db": _uniform(rng, synth.snr_db, synth.snr_skew),
    }


def _room(rng: np.random.Generator, recorded: Pool | None, config: Config) -> Room | RecordedRoom:
    """A recorded one half of the time, where there are any."""
    if recorded and rng.random() < RECORDED_ROOM_SHARE:
        return RecordedRoom(id=recorded.choose(rng).take.id)
    return Room.sample(rng, config)


def _scrambled(
    rng: np.random.Generator, segment: Segment, placed: Sequence[EventDraw], config: Config, rooms: Pool | None
) -> list[EventDraw]:
    """A whole activate as a negative, its parts in another order: the sounds alone must not wake."""
    scramble = Scramble.sample(rng, segment.samples, config.audio.sample_rate_hz)
    events = _event(rng, "activates", segment, placed, config, rooms)
    return [event.model_copy(update={"kind": "negative", "scramble": scramble}) for event in events]


def _piece(
    rng: np.random.Generator, segment: Segment, placed: Sequence[EventDraw], config: Config, rooms: Pool | None
) -> list[EventDraw]:
    """The beginning or the end of an activate as a negative: what must not wake, said by the same people.

    Most are joined to a negative that is there already, a beginning before it and an end after it, and share its speed,
    equaliser, room and level, as if one voice had said both. The others stand alone.
    """
    is_end = bool(rng.integers(2))
    crop_samples = max(1, round(segment.samples * between(rng, config.synth.partial_share)))
    hosts = [event for event in placed if event.kind == "negative" and not event.label]
    joined = bool(hosts) and rng.random() < JOINED_SHARE
    chosen = (
        [hosts[int(rng.integers(len(hosts)))]] if joined else _event(rng, "activates", segment, placed, config, rooms)
    )
    if not chosen:
        return []
    template, start = chosen[0], chosen[0].start_sample
    samples = template.speed.samples(crop_samples) if template.speed else crop_samples
    if joined:
        start = template.end_sample if is_end else start - samples
    if not _free(start, start + samples, placed, config.example_samples):
        return []
    changes = {
        "kind": "negative",
        "label": segment.take.label,
        "id": segment.take.id,
        "crop_start_sample": segment.start + (segment.samples - crop_samples) * is_end,
        "crop_samples": crop_samples,
        "reversed": False,
        "scramble": None,
        "start_sample": start,
        "end_sample": start + samples,
    }
    return [template.model_copy(update=changes)]


def _crop(rng: np.random.Generator, kind: str, segment: Segment, config: Config) -> tuple[int, int]:
    """Whole, but of a long negative a random stretch, which also fits an example at any speed."""
    if kind != "negatives":
        return segment.start, segment.samples
    room_samples = int(config.example_samples * min(1.0, config.synth.speed[0]))
    wanted = min(round(between(rng, config.synth.negative_s) * config.audio.sample_rate_hz), room_samples)
    if segment.samples <= wanted:
        return segment.start, segment.samples
    return segment.start + int(rng.integers(segment.samples - wanted + 1)), wanted


def _place(rng: np.random.Generator, samples: int, placed: Sequence[EventDraw], config: Config) -> int | None:
    """A start on the grid where the event fits without covering another one, or None if none was found."""
    grid_samples, example_samples = config.synth.grid_ms * config.audio.sample_rate_hz / 1000.0, config.example_samples
    if placed and rng.random() < config.synth.touching_probability:
        beside = _beside(rng, samples, placed[int(rng.integers(len(placed)))], config)
        start = round(round(beside / grid_samples) * grid_samples)
        if _free(start, start + samples, placed, example_samples):
            return start
    positions = int((example_samples - samples) / grid_samples) + 1
    if positions < 1:
        return None
    for _ in range(PLACEMENT_TRIES):
        start = round(int(rng.integers(positions)) * grid_samples)
        if _free(start, start + samples, placed, example_samples):
            return start
    return None


def _beside(rng: np.random.Generator, samples: int, other: EventDraw, config: Config) -> int:
    """A start right after the other event or so that this one ends right before it, as words do in a sentence."""
    gap = round(between(rng, TOUCHING_GAP_S) * config.audio.sample_rate_hz)
    return other.end_sample + gap if rng.integers(2) else other.start_sample - gap - samples


def _free(start: int, end: int, placed: Sequence[EventDraw], example_samples: int) -> bool:
    if start < 0 or end > example_samples:
        return False
    for other in placed:  # noqa: SIM110 - asked a dozen times an event, and `all` would take twice as long
        if end > other.start_sample and start < other.end_sample:
            return False
    return True
