"""How well a stretch of sound follows a phrase's phones: what finds a phrase without any training.

The backbone gives, at each step, the probability of each phone. It mistakes some phones for others as a rule, so what
it heard counts for what may have been said, by a table of its own (`wakeword.likeness`). Divided by the highest of
them, m, these sums say what it costs to hear a phone instead of the likeliest one, r <= 1. Where nothing is likely,
anything would cost little; so r counts less where m is small, by its `doubt` from 0 (not at all) to 1 (as though
nothing were divided): r' = r m ^ doubt. A path walks through a pronunciation's phones with an optional blank between
each two; the best path that ends at a step multiplies the costs:

    p'[i] = pace * r'[phone of i] * max(p[i], p[i - 1], p[i - 2] if i - 2 is another phone),    p[-1] = 1

p[-1] = 1 lets a path begin at any time, after whatever was said before (the filler of keyword spotting; Rohlicek et
al. 1989, over CTC's topology). The pace makes each step cost something, so that what is said in one go is worth more
than the same phones found here and there. All in products, so a path that is not there has p = 0, and a fresh state is
zeros. The score is the last p to the power 1 / phones: the mean cost of a phone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wakeword.errors import DataError
from wakeword.phones import BLANK, PHONES

MIN_PHONES = 3
HEARING = ("likeness", "pace", "doubt")  # of the names of weights: what a path needs besides the phones' probabilities
# Of `wakeword.spotter`, which weighs the scores in with what a trained network says:
HELD_STEPS = 4  # outputs for which a score is held
WEIGHT = 1.0  # of the score's log-odds, to 1 of the network's
LEAST, MOST = 1e-3, 0.98  # between which a score is taken for a probability


@dataclass(frozen=True)
class Paths:
    """The pronunciations of all phrases as one table of P rows and I states, rows of shorter ones filled up.

    phone int64 [P, I]; `skips` float32 [P, I], 1 where a blank may be passed over; `ends` float32 [P, I], 1 at a row's
    last state; `counts` [P], its phones; `phrase` [P], the number of the phrase that a row belongs to.
    """

    phone: np.ndarray
    skips: np.ndarray
    ends: np.ndarray
    counts: np.ndarray
    phrase: np.ndarray

    @classmethod
    def of(cls, pronunciations: Sequence[Sequence[Sequence[int]]]) -> Paths:
        """From the pronunciations of each phrase, each a list of phones. Raises DataError for one that is too short."""
        rows = [(k, tuple(said)) for k, variants in enumerate(pronunciations) for said in variants]
        shortest = min((len(said) for _, said in rows), default=0)
        if shortest < MIN_PHONES:
            raise DataError(f"phrase: got one of {shortest} sounds, expected at least {MIN_PHONES} sounds")
        states = max(2 * len(said) - 1 for _, said in rows)
        phone = np.full((len(rows), states), BLANK, np.int64)
        skips, ends = np.zeros((2, len(rows), states), np.float32)
        for row, (_, said) in enumerate(rows):
            phone[row, : 2 * len(said) : 2] = said
            for i in range(1, len(said)):
                skips[row, 2 * i] = said[i] != said[i - 1]
            ends[row, 2 * len(said) - 2] = 1.0
        return cls(phone, skips, ends, np.array([len(said) for _, said in rows]), np.array([k for k, _ in rows]))

    @property
    def phrases(self) -> int:
        """K, how many phrases there are."""
        return int(self.phrase[-1]) + 1

    def zero_state(self) -> np.ndarray:
        """No path is under way: float32 zeros [P, I]."""
        return np.zeros(self.phone.shape, np.float32)

    def step(self, costs: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """pace * r', [S], of one step -> the score of each phrase [K], and the next state."""
        begun = np.concatenate([np.ones((len(state), 1), np.float32), state[:, :-1]], axis=1)
        skipped = np.concatenate([np.zeros((len(state), 2), np.float32), state[:, :-2]], axis=1) * self.skips
        state = np.maximum(np.maximum(state, begun), skipped) * costs[self.phone]
        scores = (state * self.ends).max(axis=1) ** (1.0 / self.counts)
        return np.maximum.reduceat(scores, np.flatnonzero(np.diff(self.phrase, prepend=-1))), state


def hearing_in(weights: Mapping[str, np.ndarray], prefix: str = "") -> dict[str, np.ndarray]:
    """What of a network's weights its paths need, by HEARING's names: likeness float32 [S, S], pace and doubt [1].

    The likeness says for how much of the phone of a column that of a row counts, the pace what a step costs, the doubt
    how much more one where nothing is likely. Where the weights know none of them, as those before format 4, each phone
    counts for itself alone and no step costs anything; those before format 6 have no doubt.
    """
    plain = {"likeness": np.eye(len(PHONES)), "pace": np.ones(1), "doubt": np.zeros(1)}
    plain = {name: value.astype(np.float32) for name, value in plain.items()}
    return {name: weights.get(prefix + name, plain[name]) for name in HEARING}


def path_scores(posteriors: np.ndarray, paths: Paths, hearing: Mapping[str, np.ndarray]) -> np.ndarray:
    """Probabilities of phones [T, S], from the start of a stream -> scores [T, K]. `hearing`: see `hearing_in`."""
    counted = posteriors @ hearing["likeness"]
    likeliest = counted.max(axis=1, keepdims=True) ** (1.0 - hearing["doubt"])
    state, scores = paths.zero_state(), []
    for costs in counted / likeliest * hearing["pace"]:
        score, state = paths.step(costs, state)
        scores.append(score)
    return np.array(scores).reshape(-1, paths.phrases)
