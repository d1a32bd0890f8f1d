"""Where training's examples come from, and the batches that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from wakeword.audio import FULL_SCALE
from wakeword.clips import Event, Example
from wakeword.config import Config
from wakeword.errors import DataError
from wakeword.labels import targets


@dataclass(frozen=True)
class TrainingData:
    """Where examples come from.

    `train(i, times)` yields examples i, i + 1, ... without end; `validation(n)` yields n held-out ones. `times` says
    how many times as often as usual to draw some recordings, by their `Event.source`; whoever draws nothing may ignore
    it. `pronunciations` are those of each phrase, as numbers of `wakeword.phones`; only a spotter needs them.
    """

    phrases: list[str]
    train: Callable[[int, Mapping[str, float]], Iterator[Example]]
    validation: Callable[[int], Iterator[Example]]
    provenance: dict[str, Any]
    pronunciations: list[list[list[int]]] = field(default_factory=list)


class Batch(NamedTuple):
    """What one step is trained on."""

    events: list[tuple[Event, ...]]  # of each example
    pcm: Tensor  # float32 [B, N] in -1..1
    target: Tensor  # float32 [B, T, K], 0 or 1
    weight: Tensor  # float32 [B, T, K], 0 where the loss does not look


def batches(examples: Iterator[Example], config: Config, phrases: list[str]) -> Iterator[Batch]:
    """Groups examples, and puts beside their audio what the network should say."""
    while True:
        batch = list(islice(examples, config.train.batch_size))
        if len(batch) < config.train.batch_size:
            raise DataError(f"training examples: got an end after {len(batch)} of a batch, expected an endless supply")
        yield batch_of(batch, config, phrases)


def batch_of(examples: Sequence[Example], config: Config, phrases: Sequence[str]) -> Batch:
    """Some examples, of one length, as one batch."""
    pcm = torch.from_numpy(np.stack([example.pcm for example in examples])).float() / FULL_SCALE
    pairs = [targets(example.events, phrases, config) for example in examples]
    target, weight = (torch.from_numpy(np.stack(part)) for part in zip(*pairs, strict=True))
    return Batch([example.events for example in examples], pcm, target, weight)
