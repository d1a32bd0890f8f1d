"""Several networks for one wake word, whose mean teaches the one that ships.

Where a phrase is known from synthesizers alone, every network that begins with another head finds other things to tell
it by, and real people are missed by luck. What the networks have in common is the phrase: their mean is the better
teacher (Hinton, Vinyals and Dean 2015, arXiv:1503.02531; figures in docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wakeword.model import WakeModel


class Teachers(nn.Module):
    """Networks of the same sizes. What of them is frozen must be the same in all, and is computed once for all."""

    def __init__(self, models: Sequence[WakeModel]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)
        self.frozen = 0

    def freeze(self, layers: int) -> None:
        """As `WakeModel.freeze`, in each."""
        self.frozen = layers
        for model in self.models:
            model.freeze(layers)

    def each(self, pcm: Tensor) -> Tensor:
        """pcm float32 [B, N] in -1..1, of which nothing came before -> each one's logits [M, B, T, K]."""
        first = self.models[0]
        state = first.empty_state(len(pcm))
        with torch.no_grad():
            frames, _, _ = first.front(pcm, state.pcm, state.norm)
        x = _through(first, frames, 0, self.frozen)
        last = 1 + len(first.gru)
        return torch.stack([model.said(_through(model, x, self.frozen, last)) for model in self.models])

    def forward(self, pcm: Tensor) -> Tensor:
        """pcm as for `each` -> the mean of their logits [B, T, K]."""
        return self.each(pcm).mean(dim=0)


def _through(model: WakeModel, x: Tensor, start: int, stop: int) -> Tensor:
    """x [B, C, T] after the layers from `start` to `stop`: 0 is the convolution, the GRUs come after it."""
    for layer in range(start, stop):
        x = model.recurred(x, layer - 1)[0] if layer else model.convolved(x)
    return x
