"""A larger model that a small one learns from: what it says of an example instead of what was meant by it.

A network of a microcontroller's size, trained on synthesizers alone, learns their voices by heart, and what it makes of
people is luck. What an ensemble that begins with the backbone says, also of what is nearly the phrase, is more to learn
from than 0 and 1 (knowledge distillation; Hinton, Vinyals, Dean 2015, arXiv:1503.02531).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wakeword.bundle import Bundle
from wakeword.config import SystemConfig
from wakeword.errors import DataError
from wakeword.model import model_from_weights
from wakeword.path import Paths

TEMPERATURE = 3.0  # log-odds are divided by it: how unlike the phrase a sound is is learned, too


class Teacher:
    """A bundle's network, for a student of another configuration."""

    def __init__(self, bundle: Bundle, phrases: list[str], config: SystemConfig) -> None:
        """Raises DataError for a bundle of other phrases or of another rate, or one that was never trained."""
        card = bundle.card
        if card.phrases != phrases:
            raise DataError(f"teacher: {bundle.path}: got a model of {card.phrases}, expected one of {phrases}")
        its, own = (c.audio.sample_rate_hz for c in (card.config, config))
        if its != own:
            raise DataError(f"teacher: {bundle.path}: got one that hears {its} Hz, expected {own}")
        if card.paths and not card.config.model.spotter:
            raise DataError(f"teacher: {bundle.path}: got an enrolled phrase, expected a model that was trained")
        self.name = f"{' '.join(phrases)} {card.fingerprint()} {card.sha256.get('weights.safetensors', '')[:8]}"
        paths = Paths.of(card.paths) if card.paths else None
        self._model = model_from_weights(card.config, bundle.weights(), paths).requires_grad_(False)
        self._ends = [(c.receptive_samples, c.step_samples) for c in (card.config, config)]

    def to(self, device: torch.device) -> Teacher:
        self._model.to(device)
        return self

    def loss(self, pcm: Tensor, logits: Tensor) -> Tensor:
        """Mean binary cross-entropy of a student's logits [B, T, K] for pcm [B, N] to what the teacher says."""
        with torch.no_grad():
            said = torch.sigmoid(self._model(pcm, self._model.empty_state(len(pcm)))[0] / TEMPERATURE)
        at = self._nearest(logits.shape[1])
        kept = (at >= 0) & (at < said.shape[1])
        own = logits[:, kept] / TEMPERATURE
        return TEMPERATURE * nn.functional.binary_cross_entropy_with_logits(own, said[:, at[kept]])

    def _nearest(self, outputs: int) -> Tensor:
        """For each of a student's outputs the number of the teacher's that ends nearest to it, of two the later."""
        (its_first, its_step), (first, step) = self._ends
        later = first - its_first + step * torch.arange(outputs)
        return (2 * later + its_step).div(2 * its_step, rounding_mode="floor")
