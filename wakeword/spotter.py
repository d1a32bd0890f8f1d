"""A second opinion on a phrase: how well the last sounds follow its phones, as the backbone hears them.

Members that learn a phrase from synthesizers know how those say it. The backbone heard people, but knows no phrase. The
two err apart, so their log-odds are averaged: a sound must both resemble the phrase as a whole and have its phones in
their order. Nothing here learns. The score of a path (see `wakeword.path`) is held for a few steps, since it may be at
its highest a little before the members are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from wakeword.path import HELD_STEPS, LEAST, MOST, Paths, hearing_in
from wakeword.phones import PHONES


class SpotState(NamedTuple):
    """What a spotter carries from call to call. P paths of I states, K phrases."""

    gru: tuple[Tensor, ...]  # [1, B, H] each
    path: Tensor  # [B, P, I]
    held: Tensor  # [B, HELD_STEPS - 1, K]


class Spotter(nn.Module):
    """The backbone's last GRUs and its head of phones, as they are, and the paths of the phrases through them.

    `grus` are the inputs and units of each.
    """

    def __init__(self, grus: Sequence[tuple[int, int]], paths: Paths, epsilon: float) -> None:
        super().__init__()
        self.paths = paths
        self.gru = nn.ModuleList(nn.GRU(inputs, units, batch_first=True) for inputs, units in grus)
        self.norm = nn.ModuleList(nn.BatchNorm1d(units, eps=epsilon) for _, units in grus)
        self.head = nn.Linear(grus[-1][1], len(PHONES))
        for name, value in hearing_in({}).items():
            self.register_buffer(name, torch.from_numpy(value))
        for name in ("phone", "skips", "ends"):
            self.register_buffer(name, torch.from_numpy(getattr(paths, name)), persistent=False)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Spotter:
        """Stays as it is: its batch statistics are the backbone's, too."""
        return super().train(False)

    def zero_state(self, batch: int) -> SpotState:
        """The state at the start of a stream."""
        shape, held = self.paths.phone.shape, (HELD_STEPS - 1, self.paths.phrases)
        device = self.pace.device
        grus = tuple(torch.zeros(1, batch, gru.hidden_size, device=device) for gru in self.gru)
        return SpotState(grus, *(torch.zeros(batch, *size, device=device) for size in (shape, held)))

    def forward(self, x: Tensor, state: SpotState) -> tuple[Tensor, SpotState]:
        """What the layers below give, [B, T, I] -> the log-odds of each phrase's path [B, T, K] and the next state."""
        last = []
        for gru, norm, before in zip(self.gru, self.norm, state.gru, strict=True):
            steps, after = gru(x, before)
            x = norm(steps.transpose(1, 2)).transpose(1, 2)
            last.append(after)
        counted = torch.softmax(self.head(x), dim=2) @ self.likeness
        likeliest = counted.amax(dim=2, keepdim=True) ** (1.0 - self.doubt)
        scores, path = self._walked(counted / likeliest * self.pace, state.path)
        known = torch.cat([state.held, scores], dim=1)
        held = known.unfold(1, HELD_STEPS, 1).amax(dim=3)
        state = SpotState(tuple(last), path, known[:, known.shape[1] - HELD_STEPS + 1 :])
        return torch.logit(held.clamp(LEAST, MOST)), state

    def _walked(self, costs: Tensor, path: Tensor) -> tuple[Tensor, Tensor]:
        """`Paths.step` for a batch: costs [B, T, phones], [B, P, I] -> scores [B, T, K] and the next [B, P, I]."""
        one, two = path.new_ones(*path.shape[:2], 1), path.new_zeros(*path.shape[:2], 2)
        reached = []
        for now in costs.unbind(1):
            begun, skipped = torch.cat([one, path], dim=2)[:, :, :-1], torch.cat([two, path], dim=2)[:, :, :-2]
            path = torch.maximum(torch.maximum(path, begun), skipped * self.skips) * now[:, self.phone]
            reached.append((path * self.ends).amax(dim=2))
        scores = torch.stack(reached, dim=1) ** torch.tensor(1.0 / self.paths.counts).to(path)
        mine = [np.flatnonzero(self.paths.phrase == k) for k in range(self.paths.phrases)]
        return torch.stack([scores[:, :, rows].amax(dim=2) for rows in mine], dim=2), path
