"""Backgrounds made of numbers, for users who have none: coloured noise, hum, knocks, and many voices at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

COLOURS_DB_PER_OCTAVE = {"white": 0.0, "pink": -3.0, "brown": -6.0}
MODULATION_HZ = 0.5
HUM_HARMONICS = 12
PEAK = 0.5


def coloured(colour: str, samples: int, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Noise float32 [samples] whose power falls by `COLOURS_DB_PER_OCTAVE`; slowly louder and softer by up to 6 dB."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency_hz = np.fft.rfftfreq(samples, 1 / sample_rate_hz)
    octaves = np.log2(np.maximum(frequency_hz, 20.0) / 20.0)
    sound = np.fft.irfft(spectrum * 10.0 ** (COLOURS_DB_PER_OCTAVE[colour] * octaves / 20.0), samples)
    return to_peak(sound * _slow_gain(samples, sample_rate_hz, rng))


def hum(samples: int, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Mains or a motor, float32 [samples]: a steady tone with falling harmonics, over a little noise."""
    base_hz = rng.uniform(45.0, 130.0)
    time_s = np.arange(samples) / sample_rate_hz
    tones = (
        np.sin(2 * np.pi * base_hz * k * time_s + rng.uniform(0, 2 * np.pi)) * rng.uniform(0.2, 1.0) / k
        for k in range(1, HUM_HARMONICS + 1)
        if base_hz * k < sample_rate_hz / 2
    )
    return to_peak(sum(tones) + 0.05 * rng.standard_normal(samples))


def knocks(samples: int, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Dishes and doors, float32 [samples]: short decaying noise bursts, about two a second, over faint noise."""
    sound = 0.01 * rng.standard_normal(samples)
    for start in rng.integers(0, samples, max(1, 2 * samples // sample_rate_hz)):
        length = min(int(sample_rate_hz * rng.uniform(0.02, 0.3)), samples - start)
        ringing = np.sin(2 * np.pi * rng.uniform(200, 4000) * np.arange(length) / sample_rate_hz)
        burst = (ringing + 0.5 * rng.standard_normal(length)) * np.exp(-5.0 * np.arange(length) / max(length, 1))
        sound[start : start + length] += burst * rng.uniform(0.1, 1.0)
    return to_peak(sound)


def babble(voices: Sequence[np.ndarray], samples: int, rng: np.random.Generator) -> np.ndarray:
    """Several people talking at once, float32 [samples]: the given recordings, looped and laid over each other."""
    sound = np.zeros(samples)
    for voice in voices:
        looped = np.resize(np.roll(voice, int(rng.integers(len(voice)))), samples)
        sound += looped / max(float(np.abs(voice).max()), 1e-6) * rng.uniform(0.3, 1.0)
    return to_peak(sound)


def _slow_gain(samples: int, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    knots = max(2, int(samples / sample_rate_hz * MODULATION_HZ) + 2)
    gain_db = np.interp(np.linspace(0, knots - 1, samples), np.arange(knots), rng.uniform(-6.0, 0.0, knots))
    return 10.0 ** (gain_db / 20.0)


def to_peak(sound: np.ndarray) -> np.ndarray:
    """float [N] -> float32 [N] with a peak of 0.5; silence stays silence."""
    return (sound * (PEAK / max(float(np.abs(sound).max()), 1e-9))).astype(np.float32)
