"""Laws that every effect obeys: sound stays where its label is, no images, no clicks."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import signal
from synth_clips import RATE_HZ, db, noise, syllables

from synth.codecs import KINDS, Codec
from synth.convolve import overlap_added
from synth.rooms import Room, impulse_response, room_response
from synth.transforms import (
    RINGS_S,
    Band,
    Filter,
    Scramble,
    Speed,
    VocalTract,
    fade_edges,
    filtered,
    looped,
)
from wakeword.audio import rms, speech_activity
from wakeword.config import load_config

IMAGE_LIMIT_DB = -80.0
ROOM = Room(size_m=(5.0, 4.0, 2.6), source_m=(1.0, 1.0, 1.0), microphone_m=(3.0, 2.0, 1.0), rt60_s=0.5, tail_seed=1)


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


@pytest.mark.parametrize("factor", [0.88, 0.951, 1.0, 1.057, 1.14])
@pytest.mark.parametrize("hz", [500.0, 3000.0, 6500.0])
def test_another_speed_moves_a_tone_and_leaves_no_image_of_it(factor: float, hz: float) -> None:
    changed = Speed(factor=factor).apply(tone(hz), RATE_HZ)[2000:-2000]  # its ends are where the filter swings in
    spectrum = np.abs(np.fft.rfft(changed * signal.windows.blackmanharris(len(changed))))
    bins_hz = np.fft.rfftfreq(len(changed), 1 / RATE_HZ)
    assert bins_hz[spectrum.argmax()] == pytest.approx(hz * factor, abs=1.0)
    elsewhere = np.abs(bins_hz - hz * factor) > 20.0  # the window's own main lobe
    assert db(spectrum[elsewhere].max() / spectrum.max()) < IMAGE_LIMIT_DB


def test_what_would_lie_above_half_the_rate_is_gone_and_not_mirrored() -> None:
    changed = Speed(factor=1.14).apply(tone(7500.0), RATE_HZ)[2000:-2000]  # 8,550 Hz
    assert db(rms(changed) / rms(tone(7500.0))) < IMAGE_LIMIT_DB


@pytest.mark.parametrize(
    "effect",
    [
        Speed(factor=0.9),
        Speed(factor=1.13),
        VocalTract(factor=0.88),
        VocalTract(factor=1.15),
        Filter(low_db=6.0, middle_db=-6.0, high_db=6.0),
        Band(low_hz=300.0, high_hz=3400.0),
        ROOM,
    ],
    ids=lambda effect: f"{type(effect).__name__}{getattr(effect, 'factor', '')}",
)
def test_a_word_stays_where_its_label_is_through_every_effect(effect: object) -> None:
    """Its last click, 500 samples before the end, comes out within a sample of where it went in."""
    word = 1e-3 * noise(0.6)
    word[-500] = 0.5
    changed = effect.apply(word, RATE_HZ)
    factor = effect.factor if isinstance(effect, Speed) else 1.0
    assert abs(int(np.abs(changed).argmax()) - (len(word) - 500) / factor) <= 1.0
    ring = len(impulse_response(effect, RATE_HZ)) - 1 if isinstance(effect, Room) else 0
    assert len(changed) == round(len(word) / factor) + ring


@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_a_click_stays_where_it_is_through_every_filter_that_can_be_drawn(rate_hz: int) -> None:
    rng, config = np.random.default_rng(0), load_config("default")
    for number in range(500):
        click = np.zeros(2000 if number % 10 else 3 * rate_hz, np.float32)
        click[1000] = 1.0
        effects = [Filter.sample(rng, config), Band.sample(rng, config)]
        for some in ([effects[0]], [effects[1]], effects):
            assert int(np.abs(filtered(click, rate_hz, some)).argmax()) == 1000


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_stays_where_its_label_is_through_filter_band_codec_and_room_together(kind: str) -> None:
    """The filters move nothing, says the test above; what comes out in the end lies within a sample of that."""
    rng, config, word = np.random.default_rng(0), load_config("default"), noise(0.8)
    near = ROOM.model_copy(update={"microphone_m": (1.3, 1.2, 1.0)})  # no reflection is as loud as the direct sound
    for _ in range(25):
        coloured = filtered(word, RATE_HZ, [Filter.sample(rng, config), Band.sample(rng, config)])
        coded = Codec(kind=kind, compression=Codec.sample(rng, config).compression).apply(coloured, RATE_HZ)
        likeness = signal.correlate(near.apply(coded, RATE_HZ), coloured, method="fft")
        assert abs(int(likeness.argmax()) - (len(word) - 1)) <= 1


def test_a_room_in_blocks_is_the_room_at_once_with_no_seam() -> None:
    response = impulse_response(ROOM, RATE_HZ)
    for seconds in (0.01, 0.5, 1.9, 5.0):
        sound = syllables(seconds)
        difference = ROOM.apply(sound, RATE_HZ) - signal.fftconvolve(sound, response)
        assert len(difference) == len(sound) + len(response) - 1
        assert np.abs(difference).max() < 1e-5


@pytest.mark.parametrize("response_s", [1 / RATE_HZ, 0.1, 0.7, 3.0])
def test_a_response_of_any_length_goes_with_a_sound_of_any_length(response_s: float) -> None:
    decay = np.exp(-np.arange(round(response_s * RATE_HZ)) / (response_s * RATE_HZ))
    response = (noise(response_s) * decay).astype(np.float32)
    for samples in (1, 2, 7999, 16000, 16001, 40000, 80000, 120000):
        sound = noise(samples / RATE_HZ, seed=1)
        wet = room_response(response, RATE_HZ).apply(sound)
        assert wet.dtype == np.float32
        np.testing.assert_allclose(wet, signal.fftconvolve(sound, response), atol=1e-6)


def test_any_size_of_block_gives_the_same_room() -> None:
    response, sound = impulse_response(ROOM, RATE_HZ)[:700], noise(0.3)
    for size in (720, 1400, 1536, 4096):
        blocks = overlap_added(sound, np.fft.rfft(response, size).astype(np.complex64), size, len(response))
        np.testing.assert_allclose(blocks, np.convolve(sound, response), atol=1e-4)


@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_filters_in_one_pass_are_the_filters_one_after_the_other(seconds: float) -> None:
    equaliser, band = Filter(low_db=6.0, middle_db=-3.0, high_db=4.0), Band(low_hz=200.0, high_hz=3800.0)
    sound = syllables(seconds)
    apart = signal.sosfilt(equaliser.sections(RATE_HZ).astype(np.float64), sound.astype(np.float64))
    apart = signal.sosfilt(band.sections(RATE_HZ).astype(np.float64), apart)
    together = filtered(sound, RATE_HZ, [equaliser, band])
    late = int(signal.correlate(apart, together, method="fft").argmax()) - (len(sound) - 1)
    assert 0 < late < 5
    np.testing.assert_allclose(together[: len(sound) - late], apart[late:], atol=3e-6)


EQUALISERS = [Filter(low_db=10.0, middle_db=-10.0, high_db=10.0), Filter(low_db=-10.0, middle_db=10.0, high_db=-10.0)]
BANDS = [Band(low_hz=low_hz, high_hz=3000.0) for low_hz in (50.0, 75.0, 130.0, 350.0)]


@pytest.mark.parametrize("effects", [*([one] for one in (*EQUALISERS, *BANDS)), *map(list, product(EQUALISERS, BANDS))])
def test_what_is_left_out_of_the_response_of_a_filter_is_below_100_db(effects: list[Filter | Band]) -> None:
    impulse = np.zeros(3 * RATE_HZ, np.float32)
    impulse[0] = 1.0
    whole = impulse.astype(np.float64)
    for effect in effects:
        whole = signal.sosfilt(effect.sections(RATE_HZ).astype(np.float64), whole)
    kept = round(max(RINGS_S, *(effect.rings_s for effect in effects)) * RATE_HZ)
    assert np.square(whole[kept:]).sum() < 1e-10 * np.square(whole).sum()
    heard = filtered(impulse, RATE_HZ, effects)
    late = int(np.abs(whole).argmax())
    np.testing.assert_allclose(heard[: len(heard) - late], whole[late:], atol=1e-5 * np.abs(whole).max())


def roughest(pcm: np.ndarray) -> float:
    """The largest second difference: a click is large there, a low tone is not."""
    return float(np.abs(np.diff(pcm, 2)).max())


def test_joins_do_not_click() -> None:
    low = tone(200.0)
    smooth = roughest(low)
    cut = np.concatenate([low[:5000], low[7031:12000]])
    assert roughest(cut) > 20 * smooth  # what a join without care sounds like
    assert roughest(Scramble(order=(3, 0, 2, 1)).apply(low, RATE_HZ)) < 3 * smooth
    assert roughest(looped(low[:7031], 3, 40000, RATE_HZ)) < 3 * smooth
    faded, silence = low[40:9040].copy(), np.zeros(100, np.float32)
    fade_edges(faded, RATE_HZ)
    assert roughest(np.concatenate([silence, faded, silence])) < 3 * smooth


def test_levels_are_those_of_double_precision() -> None:
    for seconds in (0.001, 0.1, 10.0, 60.0):
        sound = noise(seconds)
        exact = float(np.sqrt(np.square(sound, dtype=np.float64).mean()))
        assert rms(sound) == pytest.approx(exact, rel=1e-6)
        assert speech_activity(np.concatenate([sound, sound]), RATE_HZ)[0] == pytest.approx(exact, rel=0.05)
    assert rms(np.zeros(0, np.float32)) == 0.0
