"""Connectionist temporal classification (Graves et al. 2006): only the order of a recording's sounds is known."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn

from wakeword.phones import BLANK


def ctc_loss(logits: Tensor, said: list[list[int]]) -> Tensor:
    """CTC's loss of logits [B, T, S] in nats a phone, mean over the examples; one too short for its phones counts 0."""
    lengths = torch.tensor([len(phones) for phones in said])
    steps = torch.full((len(said),), logits.shape[1])
    targets = torch.tensor(list(chain.from_iterable(said)), device=logits.device)
    by_time = torch.log_softmax(logits, dim=2).transpose(0, 1)
    loss = nn.functional.ctc_loss(by_time, targets, steps, lengths, blank=BLANK, reduction="none", zero_infinity=True)
    return (loss / lengths.clamp(min=1)).mean()


def decoded(logits: Tensor) -> list[int]:
    """The likeliest phone of each step of logits [T, S], without repetitions and blanks."""
    likeliest = logits.argmax(dim=1)
    return [number for number in torch.unique_consecutive(likeliest).tolist() if number != BLANK]


def edit_distance(heard: list[int], said: list[int]) -> int:
    """Fewest sounds to change, add or leave out to turn one list into the other (Levenshtein).

    >>> edit_distance([1, 2, 3], [1, 3, 4])
    2
    """
    row = list(range(len(heard) + 1))
    for number, wanted in enumerate(said, 1):
        corner, row[0] = row[0], number
        for at, got in enumerate(heard, 1):
            corner, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, corner + (got != wanted))
    return row[-1]
