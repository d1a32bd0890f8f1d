"""Synthetic speakers: one adapter an engine, one protocol. Draw first, then speak exactly what was drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

MIN_CLIP_S = 0.1  # shorter ones are texts that an engine has no sound for
MAX_LENGTH_RATIO = 2.5  # to the median of the same text: beyond it something was cut off, or added
MIN_FOR_MEDIAN = 5


@dataclass(frozen=True)
class VoiceParams:
    """How one utterance is spoken. Engines add their own plain numbers; `dataclasses.asdict` is ready for JSON.

    `voice` is the speaker's name: clips with the same name count as one speaker when data is split.
    """

    voice: str


@dataclass(frozen=True)
class SpokenClip:
    """One wav file and what was said in it, how."""

    path: Path
    text: str
    params: VoiceParams


@dataclass(frozen=True)
class DroppedClip:
    """What was not kept of an engine's speech, and why."""

    text: str
    params: VoiceParams
    reason: str


@dataclass(frozen=True)
class Spoken:
    """What an engine wrote, and what was left out."""

    clips: list[SpokenClip]
    dropped: list[DroppedClip]


class VoiceEngine(Protocol):
    """What every engine's adapter offers."""

    name: str
    sample_rate_hz: int
    threads: int  # that `speak` may be called from side by side
    reads_phonemes: bool  # whether a text may be espeak's [[phonemes]]

    def draw(self, rng: np.random.Generator) -> VoiceParams:
        """A random speaker and manner. All of the randomness is here."""

    def speak(self, text: str, params: VoiceParams) -> np.ndarray:
        """float32 [N] in -1..1 at `sample_rate_hz`, without silence at the ends; empty if there was nothing to say."""


def length_problems(lengths_s: Mapping[int, float], texts: Mapping[int, str]) -> dict[int, str]:
    """By clip number, what is wrong with its length: (almost) empty, or far from the median of the same text.

    >>> length_problems({0: 1.0, 1: 1.1, 2: 0.9, 3: 0.2, 4: 1.0, 5: 0.0}, dict.fromkeys(range(6), "hey computer"))
    {3: 'lasts 0.20 s where others last 0.95 s', 5: 'has no sound'}
    """
    by_text = defaultdict(list)
    for number, length_s in lengths_s.items():
        by_text[texts[number]].append(length_s)
    found = {}
    for number, length_s in lengths_s.items():
        others = by_text[texts[number]]
        median_s = float(np.median(others))
        if length_s < MIN_CLIP_S:
            found[number] = "has no sound"
        elif len(others) >= MIN_FOR_MEDIAN and not 1 / MAX_LENGTH_RATIO <= length_s / median_s <= MAX_LENGTH_RATIO:
            found[number] = f"lasts {length_s:.2f} s where others last {median_s:.2f} s"
    return found
