"""Clips that the synthesizer's tests make for themselves: syllables and noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wakeword.audio import write
from wakeword.config import Config, load_config, override

RATE_HZ = 16000


def syllables(seconds: float, seed: int = 0, rate_hz: int = RATE_HZ) -> np.ndarray:
    """float32 [N]: a hoarse vowel that swells four times a second, as speech does."""
    time_s, rng = np.arange(round(seconds * rate_hz)) / rate_hz, np.random.default_rng(seed)
    swell = np.abs(np.sin(np.pi * 4.0 * time_s)) + 0.1
    pitch_hz = rng.uniform(100.0, 250.0)
    vowel = sum(np.sin(2 * np.pi * k * pitch_hz * time_s + rng.uniform(0, 2 * np.pi)) for k in range(1, 11))
    return (swell * (0.035 * vowel + 0.05 * rng.standard_normal(len(time_s)))).astype(np.float32)


def noise(seconds: float, seed: int = 0, rate_hz: int = RATE_HZ) -> np.ndarray:
    """float32 [N]: white noise at -26 dBFS."""
    return (0.05 * np.random.default_rng(seed).standard_normal(round(seconds * rate_hz))).astype(np.float32)


def db(ratio: float) -> float:
    """Decibels of a ratio of amplitudes."""
    return 20.0 * float(np.log10(ratio))


def make_clips(folder: Path, takes: int = 6) -> Path:
    """A small folder of clips: `takes` words, negatives short and long, three backgrounds of 5 s."""
    for number in range(takes):
        write(folder / "activates" / f"{number}.wav", syllables(0.5 + 0.02 * number, number), RATE_HZ)
        write(folder / "negatives" / f"{number}.flac", syllables(1.0 + number, 100 + number), RATE_HZ)
    for number in range(3):
        write(folder / "backgrounds" / f"{number}.wav", noise(5.0, 200 + number), RATE_HZ)
    return folder


def tiny(**synth: object) -> Config:
    """The smoke-test configuration with other values in its section `synth`."""
    return override(load_config("tiny"), synth=synth)


def plain(**synth: object) -> Config:
    """The same without any effect, so that what comes out can be compared with what went in."""
    off = {"speed_probability": 0.0, "filter_probability": 0.0, "room_probability": 0.0, "gain_db": [0.0, 0.0]}
    return tiny(**{**off, "background_absent": 0.0, "background_dbfs": [-40.0, -40.0], "snr_db": [10.0, 10.0], **synth})
