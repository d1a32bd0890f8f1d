"""Backgrounds out of nothing: noise of several colours, hum, knocks, crowds and music."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synth import noise
from synth.music import music
from wakeword.audio import read, write

RATE_HZ = 16000
BABBLE_VOICES = 6


def write_backgrounds(
    work: Path, rng: np.random.Generator, seconds: float, noises: int, babbles: int, pieces: int
) -> None:
    """Into work/backgrounds: `noises` of each kind, `babbles` crowds of who speaks in work/negatives, pieces of music.

    One sub-folder a kind of noise, a crowd or a piece of music: what is set aside for validation as a whole.
    """
    folder, samples = work / "backgrounds", round(seconds * RATE_HZ)
    makers = {
        colour: lambda c=colour: noise.coloured(c, samples, RATE_HZ, rng) for colour in noise.COLOURS_DB_PER_OCTAVE
    }
    makers |= {"hum": lambda: noise.hum(samples, RATE_HZ, rng), "knocks": lambda: noise.knocks(samples, RATE_HZ, rng)}
    for name, make in makers.items():
        for number in range(noises):
            write(folder / name / f"{number}.wav", make(), RATE_HZ)
    spoken = sorted((work / "negatives").rglob("*.wav"))
    for number in range(babbles):
        voices = [read(spoken[int(i)], RATE_HZ) for i in rng.choice(len(spoken), BABBLE_VOICES, replace=False)]
        write(folder / f"babble_{number}" / "0.wav", noise.babble(voices, samples, rng), RATE_HZ)
    for number in range(pieces):
        write(folder / f"music_{number}" / "0.wav", music(samples, RATE_HZ, rng), RATE_HZ)
