"""Members that learn a phrase in a second or two, for `enroll`: the loss of `wakeword.train` without its loop.

There is nothing to validate with, and nothing to resume. Adam is written out because torch's optimizers load its
compiler when they are first used, which takes as long as all of this.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice

import torch
from torch import Tensor

from wakeword.backbone import Backbone
from wakeword.batches import batch_of
from wakeword.clips import Example
from wakeword.config import Config
from wakeword.model import WakeModel, weighted_loss
from wakeword.path import Paths

MEANS, EPSILON = (0.9, 0.999), 1e-8  # Adam's (Kingma and Ba 2015)


def briefly_trained(
    backbone: Backbone, config: Config, phrases: Sequence[str], paths: Paths, examples: Iterable[Example]
) -> WakeModel:
    """A network with the backbone's weights, in eval mode, after `config.train.max_steps` batches.

    `examples` are taken in turn, again and again: of a number that is no multiple of a batch, batches differ. Raises
    ConfigError where the backbone does not fit.
    """
    limits = config.train
    torch.manual_seed(limits.seed)
    model = WakeModel(config, len(phrases), paths).train()
    backbone.put_into(model, config)
    model.freeze(limits.frozen_layers)
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    adam = _Adam(learning)
    with _one_thread():
        turns = cycle(_heard(model, config, phrases, examples))
        for step in range(limits.max_steps):
            heard, target, weight = map(torch.stack, zip(*islice(turns, limits.batch_size), strict=True))
            said, _ = model.above(heard, model.empty_state(len(heard)))
            loss = torch.stack([weighted_loss(one, target, weight, limits.positive_weight) for one in said]).mean()
            warm = min(1.0, (step + 1) / max(1, limits.warmup_steps))
            rate = limits.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / limits.max_steps))
            adam.step(torch.autograd.grad(loss, learning), rate)
    return model.eval()


def _heard(
    model: WakeModel, config: Config, phrases: Sequence[str], examples: Iterable[Example]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Of each example what members hear of it [T, I], computed once, since the layers below stay as they are; and its
    target and weight [T, K]."""
    supply = iter(examples)
    while group := list(islice(supply, config.train.batch_size)):
        batch = batch_of(group, config, phrases)
        with torch.no_grad():
            heard, _ = model.below(batch.pcm, model.empty_state(len(batch.pcm)))
        yield from zip(heard, batch.target, batch.weight, strict=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    """For so small a network others only get in the way: it takes half the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Adam:
    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters, self._steps = parameters, 0
        self._means = [(torch.zeros_like(one), torch.zeros_like(one)) for one in parameters]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], rate: float) -> None:
        self._steps += 1
        whole, squared = (1.0 - mean**self._steps for mean in MEANS)
        for parameter, gradient, (first, second) in zip(self._parameters, gradients, self._means, strict=True):
            first.lerp_(gradient, 1.0 - MEANS[0])
            second.lerp_(gradient**2, 1.0 - MEANS[1])
            parameter -= rate / whole * first / (torch.sqrt(second / squared) + EPSILON)
