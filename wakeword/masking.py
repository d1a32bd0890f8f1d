"""Parts of what a network hears are left out in training, so that it cannot know a recording by a few of its sounds.

D. Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition", arXiv:1904.08779.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

BAND_MASKS, TIME_MASKS = (2, 6), (5, 10)  # of an example: how many, and the most bands or frames that one hides


def masked_in_training(front: nn.Module) -> None:
    """Lets a front end, which gives (features [B, F, T], ...), mask them whenever it is in training mode."""
    front.register_forward_hook(_masked)


def spec_augmented(frames: Tensor) -> Tensor:
    """Features [B, F, T], of each example other bands and moments replaced by the mean of their band."""
    hidden = _hidden(frames, 1, *BAND_MASKS)[:, :, None] | _hidden(frames, 2, *TIME_MASKS)[:, None, :]
    return torch.where(hidden, frames.mean(dim=2, keepdim=True), frames)


def _hidden(frames: Tensor, dimension: int, count: int, longest: int) -> Tensor:
    """Which places along a dimension of size N lie below one of `count` masks, bool [B, N]."""
    size, shape = frames.shape[dimension], (len(frames), count, 1)
    starts = torch.randint(size, shape, device=frames.device)
    ends = starts + torch.randint(longest + 1, shape, device=frames.device)
    at = torch.arange(size, device=frames.device)
    return ((starts <= at) & (at < ends)).any(dim=1)


def _masked(front: nn.Module, _: Any, made: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (spec_augmented(made[0]), *made[1:]) if front.training else made
