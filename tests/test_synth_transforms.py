"""Each effect does to a sound what its numbers say."""

from __future__ import annotations

import numpy as np
import pytest
from synth_clips import RATE_HZ, db, noise, tiny

from synth.transforms import Band, Filter, Scramble, VocalTract, looped


def test_a_loop_goes_on_for_as_long_as_asked() -> None:
    sound = looped(noise(0.5), 100, 50000, RATE_HZ)
    assert len(sound) == 50000
    period = 8000 - 320
    assert np.array_equal(sound[:period], sound[period : 2 * period])


def test_the_three_bands_have_the_gains_that_were_drawn() -> None:
    from scipy import signal

    sections = Filter(low_db=6.0, middle_db=0.0, high_db=-6.0).sections(RATE_HZ)
    _, response = signal.sosfreqz(sections, worN=[20.0, 7900.0], fs=RATE_HZ)
    assert [db(abs(value)) for value in response] == pytest.approx([6.0, -6.0], abs=0.3)


def test_a_narrow_channel_is_3_db_down_at_its_edges_and_keeps_what_is_between() -> None:
    impulse = np.zeros(RATE_HZ, np.float32)
    impulse[1000] = 1.0
    gains = np.abs(np.fft.rfft(Band(low_hz=300.0, high_hz=3400.0).apply(impulse, RATE_HZ)))  # bins of 1 Hz
    measured = [db(gains[hz]) for hz in (300, 1000, 3400)]
    assert measured == pytest.approx([-3.0, 0.0, -3.0], abs=0.1)
    assert db(gains[75]) < -23.0  # two octaves at 12 dB
    assert db(gains[6800]) < -24.0  # one at 24


def test_a_channel_wider_than_the_audio_only_loses_its_rumble() -> None:
    band = Band(low_hz=50.0, high_hz=7500.0)
    impulse = np.zeros(8000, np.float32)
    impulse[1000] = 1.0
    gains = np.abs(np.fft.rfft(band.apply(impulse, 8000)))
    assert db(gains[3900]) == pytest.approx(0.0, abs=0.1)


def test_channels_are_drawn_within_their_ranges() -> None:
    rng, config = np.random.default_rng(0), tiny(band_low_hz=[100.0, 200.0], band_high_hz=[3000.0, 4000.0])
    for _ in range(50):
        band = Band.sample(rng, config)
        assert 100.0 <= band.low_hz <= 200.0
        assert 3000.0 <= band.high_hz <= 4000.0


def test_scrambling_puts_the_parts_in_the_order_that_was_drawn() -> None:
    parts = [np.full(400, level, np.float32) for level in (0.1, 0.2, 0.3)]
    scrambled = Scramble(order=(2, 0, 1)).apply(np.concatenate(parts), RATE_HZ)
    assert [scrambled[200], scrambled[600], scrambled[1000]] == pytest.approx([0.3, 0.1, 0.2])


def test_a_scrambled_word_never_keeps_its_order_and_never_loses_a_sample() -> None:
    rng, sound = np.random.default_rng(0), noise(0.4567)
    for _ in range(100):
        scramble = Scramble.sample(rng, len(sound), RATE_HZ)
        assert sorted(scramble.order) == list(range(len(scramble.order)))
        assert list(scramble.order) != sorted(scramble.order)
        assert len(scramble.apply(sound, RATE_HZ)) == len(sound)


def vowel(pitch_hz: float, formant_hz: float, rate_hz: int) -> np.ndarray:
    """float32 [2 s]: pulses through one resonance."""
    from scipy import signal

    pulses = np.zeros(2 * rate_hz)
    pulses[(np.arange(int(2 * pitch_hz)) * rate_hz / pitch_hz).astype(int)] = 1.0
    width = np.exp(-np.pi * 100.0 / rate_hz)  # 100 Hz wide
    poles = [1.0, -2.0 * width * np.cos(2 * np.pi * formant_hz / rate_hz), width**2]
    return (0.1 * signal.lfilter([1.0], poles, pulses)).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [16000, 44100])
@pytest.mark.parametrize("factor", [0.85, 1.0, 1.18])
def test_a_throat_moves_the_formant_and_leaves_the_pitch(factor: float, rate_hz: int) -> None:
    pcm = vowel(100.0, 1500.0, rate_hz)
    changed = VocalTract(factor=factor).apply(pcm, rate_hz)
    assert len(changed) == len(pcm)
    spectrum = np.abs(np.fft.rfft(changed))[: 2 * 4000]  # bins of 0.5 Hz
    near = np.arange(2 * 1000, 2 * 2200)
    centre_hz = float(np.sum(near / 2 * spectrum[near] ** 2) / np.sum(spectrum[near] ** 2))
    assert centre_hz == pytest.approx(1500.0 * factor, abs=60.0)
    harmonics = (spectrum**2).reshape(-1, 200)[5:25].sum(axis=0)  # 100 Hz a row: all energy in the rows' same few bins
    assert harmonics[[0, 1, -1]].sum() > 0.95 * harmonics.sum()
    if factor == 1.0:
        assert np.abs(changed - pcm).max() < 1e-6


def test_a_throat_makes_nothing_of_silence_and_survives_a_few_samples() -> None:
    assert not VocalTract(factor=1.1).apply(np.zeros(5000, np.float32), RATE_HZ).any()
    assert len(VocalTract(factor=1.1).apply(np.ones(3, np.float32), RATE_HZ)) == 3
