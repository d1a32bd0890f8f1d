"""What a backbone is for, as a loss: phrases that it was never told of, found where they are said and nowhere else.

CTC asks that a recording's phones be likely; it does not ask that they be unlikely anywhere else. Here phrases are
drawn from what the examples of a batch say, and each is looked for in all of them as a listener does (see
`wakeword.path`). The example that says it should hold the best path: cross-entropy over the examples, the logarithm of
the best path's product of costs in each being its logit (InfoNCE; van den Oord et al. 2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wakeword.path import Paths

PHRASES = 32  # of each batch
PHRASE_PHONES = (4, 13)  # at least, and fewer than
LEAST = 1e-9  # probability
NOWHERE = -400.0  # the logarithm of a path that is not there: far below that of any that is


class Phrase(NamedTuple):
    """Phones, and the number of the example that says them."""

    example: int
    said: tuple[int, ...]


def drawn(said: Sequence[Sequence[Sequence[int]]], rng: np.random.Generator, count: int = PHRASES) -> list[Phrase]:
    """At most `count` runs of phones out of the recordings of each example; none that spans two recordings."""
    shortest, most = PHRASE_PHONES[0], PHRASE_PHONES[1]
    whole = [(i, tuple(one)) for i, recordings in enumerate(said) for one in recordings if len(one) >= shortest]
    phrases = []
    for number in rng.integers(len(whole), size=count) if whole else ():
        example, phones = whole[number]
        length = min(int(rng.integers(shortest, most)), len(phones))
        start = int(rng.integers(len(phones) - length + 1))
        phrases.append(Phrase(example, phones[start : start + length]))
    return phrases


def best_paths(logits: Tensor, paths: Paths, hearing: Mapping[str, Tensor]) -> Tensor:
    """Logits [B, T, S] of phones -> the logarithm of the best path's product in each example, [P, B].

    In logarithms, where `Spotter` multiplies: a product of what nobody says underflows, and leaves no gradient.
    """
    counted = torch.softmax(logits, dim=2) @ hearing["likeness"] + LEAST
    costs = torch.log(counted) - (1.0 - hearing["doubt"]) * torch.log(counted.amax(dim=2, keepdim=True))
    phone, skips, ends = (torch.from_numpy(table).to(logits.device) for table in (paths.phone, paths.skips, paths.ends))
    own = (costs + torch.log(hearing["pace"]))[:, :, phone].unbind(1)  # [B, P, I] of each step
    skips, last = torch.where(skips > 0, 0.0, NOWHERE), ends.argmax(dim=1).expand(len(logits), -1)[:, :, None]
    rows, states = paths.phone.shape
    path = logits.new_full((len(logits), rows, states), NOWHERE)
    begun, nowhere = path.new_zeros(len(logits), rows, 1), path.new_full((len(logits), rows, 2), NOWHERE)
    reached = []
    for now in own:
        moved, skipped = torch.cat([begun, path[:, :, :-1]], dim=2), torch.cat([nowhere, path[:, :, :-2]], dim=2)
        path = torch.maximum(torch.maximum(path, moved), skipped + skips) + now
        reached.append(path.gather(2, last)[:, :, 0])
    return torch.stack(reached).amax(dim=0).T


def spotting_loss(
    logits: Tensor, said: Sequence[Sequence[Sequence[int]]], hearing: Mapping[str, Tensor], rng: np.random.Generator
) -> Tensor:
    """Nats a phrase. `said` are the phones of each recording of each example; 0 where no phrase can be drawn.

    Of the examples that hold a phrase only the one it was drawn from counts.
    """
    phrases = drawn(said, rng)
    if not phrases:
        return logits.sum() * 0.0
    found = best_paths(logits, Paths.of([[phrase.said] for phrase in phrases]), hearing)
    source = torch.tensor([phrase.example for phrase in phrases], device=logits.device)
    elsewhere = [[any(places(one, phrase.said) for one in each) for each in said] for phrase in phrases]
    others = found.masked_fill(torch.tensor(elsewhere, device=logits.device), NOWHERE)
    own = found.gather(1, source[:, None])
    return (torch.logsumexp(torch.cat([own, others], dim=1), dim=1) - own[:, 0]).mean()


def places(recording: Sequence[int], phrase: tuple[int, ...]) -> list[int]:
    """Where in a recording's phones those of a phrase begin."""
    count = len(phrase)
    return [at for at in range(len(recording) - count + 1) if tuple(recording[at : at + count]) == phrase]
