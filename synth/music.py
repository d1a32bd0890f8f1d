"""Music made of numbers, for backgrounds: chords, a bass, a tune and drums, in any key, at any pace.

Nobody would listen to it, but it is what a wake word has to be heard over and not to be woken by: steady harmonics, a
tune whose pitch, timbre and loudness move somewhat as those of a voice do, and beats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from synth.noise import to_peak

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))  # major and minor, in semitones over the key
BEATS_PER_MINUTE = (60.0, 160.0)
BEATS_PER_BAR = 4
CHORDS = 4  # of a bar each, before they come again
LOWEST_HZ = (55.0, 104.0)  # of the key: the bass's octave
HARMONICS = 16
RESONANCE_HZ, RESONANCE_WIDTH_OCTAVES = (300.0, 3000.0), 0.5  # what makes one instrument, or voice, unlike another
VIBRATO_HZ = 5.5
LEVELS_DB = (-12.0, 0.0)  # of the parts, against each other

Notes = Iterator[tuple[int, np.ndarray]]  # where each begins, in samples, and its sound, float64 [M]


def music(samples: int, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """A piece in one key and at one pace, float32 [samples] with a peak of 0.5; two to four of its parts play."""
    beat = round(60.0 * sample_rate_hz / rng.uniform(*BEATS_PER_MINUTE))
    chords = (0, *map(int, rng.integers(7, size=CHORDS - 1)))
    song = _Song(
        rng, sample_rate_hz, samples // beat + 1, beat, rng.uniform(*LOWEST_HZ), SCALES[rng.integers(2)], chords
    )
    parts = (song.chords_played(), song.bass(), song.tune(), song.drums())
    sound = np.zeros(samples)
    for number in rng.permutation(len(parts))[: rng.integers(2, len(parts) + 1)]:
        part = np.zeros(samples)
        for start, note in parts[number]:
            heard = note[: max(samples - start, 0)]
            part[start : start + len(heard)] += heard
        sound += part / max(float(part.std()), 1e-9) * 10.0 ** (rng.uniform(*LEVELS_DB) / 20.0)
    pressed = np.tanh(sound / max(3.0 * float(sound.std()), 1e-9))  # as records are
    return to_peak(pressed)


@dataclass(frozen=True)
class _Instrument:
    """Harmonics that fall by `slope` powers of their number around a resonance, and how a note swells and dies."""

    slope: float
    resonance_hz: float
    attack_s: float
    decay_s: float
    vibrato: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> _Instrument:
        attack_s, decay_s = np.exp(rng.uniform(np.log([0.003, 0.1]), np.log([0.1, 2.0])))
        return cls(rng.uniform(0.5, 2.0), rng.uniform(*RESONANCE_HZ), attack_s, decay_s, rng.uniform(0.0, 0.01))

    def play(self, hz: float, samples: int, rate: int, rng: np.random.Generator) -> np.ndarray:
        """One note, float64 [samples]: its pitch trembles by `vibrato` of itself, VIBRATO_HZ times a second."""
        time_s = np.arange(samples) / rate
        phase = (
            2
            * np.pi
            * hz
            * (time_s + self.vibrato / (2 * np.pi * VIBRATO_HZ) * np.sin(2 * np.pi * VIBRATO_HZ * time_s))
        )
        numbers = np.arange(1, min(HARMONICS, int(rate / 2.2 / hz)) + 1)
        off = np.log2(numbers * hz / self.resonance_hz) / RESONANCE_WIDTH_OCTAVES
        amplitudes = numbers**-self.slope * (0.2 + np.exp(-0.5 * off**2))
        tones = np.sin(np.outer(numbers, phase) + rng.uniform(0, 2 * np.pi, (len(numbers), 1)))
        return amplitudes @ tones * np.minimum(time_s / self.attack_s, 1.0) * np.exp(-time_s / self.decay_s)


@dataclass(frozen=True)
class _Song:
    """What all parts keep to: so many beats of `beat` samples, a key, its scale, and a chord (a step of it) a bar."""

    rng: np.random.Generator
    rate: int
    beats: int
    beat: int
    key_hz: float
    scale: tuple[int, ...]
    chords: tuple[int, ...]

    def hz(self, degree: int) -> float:
        """Of a step of the scale; seven are an octave."""
        octaves, step = divmod(degree, len(self.scale))
        return self.key_hz * 2.0 ** (octaves + self.scale[step] / 12.0)

    def chord(self, beat: int) -> int:
        return self.chords[beat // BEATS_PER_BAR % len(self.chords)]

    def chords_played(self) -> Notes:
        """Thirds upon each other, held for a bar."""
        instrument, octave = _Instrument.sample(self.rng), 7 * int(self.rng.integers(1, 3))
        for beat in range(0, self.beats, BEATS_PER_BAR):
            for third in (0, 2, 4):
                hz = self.hz(self.chord(beat) + third + octave)
                yield beat * self.beat, instrument.play(hz, BEATS_PER_BAR * self.beat, self.rate, self.rng)

    def bass(self) -> Notes:
        """The chord's root at every beat."""
        instrument = _Instrument.sample(self.rng)
        for beat in range(self.beats):
            yield beat * self.beat, instrument.play(self.hz(self.chord(beat)), self.beat, self.rate, self.rng)

    def tune(self) -> Notes:
        """Steps up and down the scale, of half a beat to two beats."""
        instrument, degree, half = _Instrument.sample(self.rng), 14, 0
        while half < 2 * self.beats:
            length = int(self.rng.choice([1, 1, 2, 4]))
            degree = int(np.clip(degree + self.rng.integers(-2, 3), 10, 24))
            yield half * self.beat // 2, instrument.play(self.hz(degree), length * self.beat // 2, self.rate, self.rng)
            half += length

    def drums(self) -> Notes:
        """A falling thump and a rattle in turn at the beats, a hiss at every half."""
        time_s = np.arange(self.beat) / self.rate
        thump = np.sin(2 * np.pi * (50.0 * time_s - 4.0 * np.exp(-time_s / 0.03))) * np.exp(-time_s / 0.1)
        for half in range(2 * self.beats):
            hiss = self.rng.standard_normal(self.beat)
            if half % 2 == 0:
                yield half * self.beat // 2, thump if half % 4 == 0 else hiss * np.exp(-time_s / 0.05)
            yield half * self.beat // 2, 0.3 * np.diff(hiss, prepend=0.0) * np.exp(-time_s / 0.02)
