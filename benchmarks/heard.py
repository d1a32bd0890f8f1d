"""What a backbone hears in recordings, for the programs of this folder that ask one. No program itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from synth.splicing import RATE_HZ, Piece, pieces
from wakeword.audio import read
from wakeword.backbone import Backbone
from wakeword.config import Config
from wakeword.likeness import loudest_steps
from wakeword.model import stream_logits

CUTTINGS = 4  # of each recording, to choose pieces from
SILENCE_S = 0.5  # around what phones are looked for in: the last one is heard late


class Heard:
    """What a backbone hears in recordings: probabilities of phones [T, S]."""

    def __init__(self, backbone: Backbone, config: Config) -> None:
        self._model, self._step = backbone.model(config), config.step_samples

    def __call__(self, path: Path, silence_s: float = 0.0) -> np.ndarray:
        """Of one, with so much silence before and after it."""
        pcm = np.pad(read(path, RATE_HZ), round(silence_s * RATE_HZ))
        whole = torch.from_numpy(pcm[: len(pcm) // self._step * self._step])[None]
        return torch.softmax(stream_logits(self._model, whole, whole.shape[1])[0], dim=1).numpy()

    def pieces(self, path: Path, said: list[int], rng: np.random.Generator) -> Iterator[Piece]:
        """Of a recording of these phones, cut between them; nothing where it is too short for them."""
        if len(steps := loudest_steps(self(path, SILENCE_S), said)) == len(said):
            pcm = np.pad(read(path, RATE_HZ), round(SILENCE_S * RATE_HZ))
            for _ in range(CUTTINGS):
                yield from pieces(pcm, steps, self._step / RATE_HZ, rng)
