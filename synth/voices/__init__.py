"""Synthetic speakers: one adapter an engine, one protocol. Draw first, then speak exactly what was drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class VoiceParams:
    """How one utterance is spoken. Engines add their own plain numbers; `dataclasses.asdict` is ready for JSON.

    `voice` is the speaker's name: clips with the same name count as one speaker when data is split.
    """

    voice: str


class VoiceEngine(Protocol):
    """What every engine's adapter offers."""

    name: str
    sample_rate_hz: int

    def draw(self, rng: np.random.Generator) -> VoiceParams:
        """A random speaker and manner. All of the randomness is here."""

    def speak(self, text: str, params: VoiceParams) -> np.ndarray:
        """float32 [N] in -1..1 at `sample_rate_hz`, without silence at the ends; empty if there was nothing to say."""
