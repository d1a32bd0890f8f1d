"""Recipe -> audio and labels. Pure: no draw, no BLAS, no state, so the same recipe gives the same bytes in any process.

Levels. A background is brought to `background_dbfs`, its RMS over the whole example. An event is scaled until its
ACTIVE level lies `snr_db` above the background's level, before its room is added; the active level is that of
`wakeword.audio.speech_activity`, which pauses do not lower. Where the background is absent or silent, `background_dbfs`
stands in for its level. At the end the example gets its gain, and is turned down as a whole if a peak would clip, which
changes no SNR. Only an example with `overdrive_db` is turned up until it does clip.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from synth.bank import Bank
from synth.convolve import Response
from synth.recipe import EventDraw, Recipe
from synth.rooms import RecordedRoom, recorded_response, room_response
from synth.transforms import fade_edges, filtered, looped
from wakeword.audio import FULL_SCALE, db_to_gain, rms, speech_activity, to_float
from wakeword.clips import Event, Example
from wakeword.config import Config

PEAK_LIMIT = (FULL_SCALE - 1) / FULL_SCALE
RECORDED_ROOMS = 128  # whose spectra a process keeps: the longest take half a megabyte each
KEPT_BYTES = 1 << 24

# glibc gives a large array back to the kernel when it is freed, and the next one pays for its pages again. It keeps
# what is smaller than the largest one that was ever freed: from here on this one. (mallopt(3), M_MMAP_THRESHOLD)
np.empty(KEPT_BYTES, np.uint8)


def render(recipe: Recipe, bank: Bank, config: Config) -> Example:
    """int16 audio [example_samples], events whose bounds are those of the recipe, and the recipe as plain JSON.

    Raises DataError if the recipe names a recording that the bank does not have.
    """
    rate = config.audio.sample_rate_hz
    mix = background(recipe, bank, config)
    for event in recipe.events:
        sound = dry_event(event, bank, rate)
        level, _ = speech_activity(sound, rate)
        if level > 0.0:
            sound *= np.float32(db_to_gain(recipe.background_dbfs + event.snr_db) / level)
        if isinstance(event.room, RecordedRoom):
            sound = _recorded(bank, event.room.id).apply(sound)
        elif event.room:
            sound = event.room.apply(sound, rate)
        heard = min(len(sound), len(mix) - event.start_sample)
        mix[event.start_sample : event.start_sample + heard] += sound[:heard]
    pcm, headroom_db = _finished(mix, recipe)
    events = tuple(
        Event(
            kind=event.kind,
            label=event.label,
            start_sample=event.start_sample,
            end_sample=event.end_sample,
            source=event.id,
        )
        for event in recipe.events
    )
    plain = recipe.model_dump(mode="json")
    plain["headroom_db"] = headroom_db
    return Example(pcm, events, plain)


def background(recipe: Recipe, bank: Bank, config: Config) -> np.ndarray:
    """float32 [example_samples] at `background_dbfs`; zeros where it is absent or its stretch is silent."""
    drawn, samples = recipe.background, config.example_samples
    if drawn is None:
        return np.zeros(samples, np.float32)
    sound = bank.read(drawn.id, drawn.start_sample, drawn.samples).astype(np.float32)
    if len(sound) < samples:
        sound = looped(sound, drawn.offset_samples, samples, config.audio.sample_rate_hz)
    level = rms(sound)
    if level > 0.0:
        sound *= np.float32(db_to_gain(recipe.background_dbfs) / level)
    return sound


def dry_event(event: EventDraw, bank: Bank, sample_rate_hz: int) -> np.ndarray:
    """float32 [end_sample - start_sample]: cut, faded at both ends, its effects applied; not yet at its level."""
    sound = to_float(bank.read(event.id, event.crop_start_sample, event.crop_samples))  # a copy: the bank is int16
    sound = sound[::-1] if event.reversed else sound
    fade_edges(sound, sample_rate_hz)
    for effect in (event.scramble, event.speed, event.vocal_tract):
        if effect:
            sound = effect.apply(sound, sample_rate_hz)
    if event.filter or event.band:
        sound = filtered(sound, sample_rate_hz, [one for one in (event.filter, event.band) if one])
    return event.codec.apply(sound, sample_rate_hz) if event.codec else sound


@lru_cache(maxsize=RECORDED_ROOMS)
def _recorded(bank: Bank, room_id: str) -> Response:
    return room_response(recorded_response(to_float(bank.whole(room_id)), bank.sample_rate_hz), bank.sample_rate_hz)


def _finished(mix: np.ndarray, recipe: Recipe) -> tuple[np.ndarray, float]:
    """The example at its level, int16 [N], and by how many dB it had to be turned down again. Changes `mix`."""
    gain = db_to_gain(recipe.gain_db)
    if recipe.example_dbfs is not None:
        level = rms(mix)
        gain = db_to_gain(recipe.example_dbfs) / level if level > 0.0 else 1.0
    peak = max(float(mix.max()), -float(mix.min())) * gain
    turned_down = min(1.0, PEAK_LIMIT / peak) if peak > 0.0 else 1.0
    if recipe.overdrive_db is not None and peak > 0.0:
        mix *= np.float32(gain * db_to_gain(recipe.overdrive_db) / peak * FULL_SCALE)
        np.clip(mix, 1 - FULL_SCALE, FULL_SCALE - 1, out=mix)
        turned_down = 1.0
    else:
        mix *= np.float32(gain * turned_down * FULL_SCALE)
    np.rint(mix, out=mix)
    return mix.astype(np.int16), round(-20.0 * math.log10(turned_down), 2) + 0.0
