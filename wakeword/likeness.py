"""What a backbone hears when a phone is said: which of its phones count for which when it looks for a phrase.

A network errs by rules of its own: it may never say "th", but "s", "t" or "f" where one was. Transcribed speech shows
them. Each recording's phones are laid along it by the likeliest path (Viterbi's, over CTC's topology), and what is
heard where each of them is loudest is averaged: c[p, q] is the mean probability of phone q where p was said. For p
then counts, besides p itself, SHARE * (c[p, q] / c[p, p]) ** CONTRAST of what is heard as q: the rules of thumb for
confusions, which squares keep from drowning what was heard right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from wakeword.phones import BLANK

# Chosen together, on five words that the backbone never heard: docs/experiments.md.
SHARE, CONTRAST = 0.3, 2.0
SHARE_OF_NOTHING = 0.1  # the blank's instead: a phone that was not heard at all is a weak sign of any
BLANKS = 0.6  # how much a blank counts at all: the network says "nothing new" too readily
PACE, DOUBT = 0.95, 0.3

LEAST_OFTEN = 20  # a phone that was said less often counts for itself alone
LEAST = 1e-6  # probability


def measured_hearing(recordings: Iterable[tuple[np.ndarray, Sequence[int]]], phones: int) -> dict[str, np.ndarray]:
    """likeness float32 [S, S], pace and doubt [1] (see `wakeword.path`) of (probabilities [T, S], what is said) pairs.

    Recordings too short for what is said in them are passed over.
    """
    heard, times = np.zeros((phones, phones)), np.zeros(phones)
    for posteriors, said in recordings:
        for step, phone in loudest_steps(posteriors, said):
            heard[phone] += posteriors[step]
            times[phone] += 1
    likeness = np.eye(phones)
    for phone in np.flatnonzero(times >= LEAST_OFTEN):
        counts = SHARE * (heard[phone] / heard[phone, phone]) ** CONTRAST
        counts[BLANK] *= SHARE_OF_NOTHING / SHARE
        counts[phone] = 1.0
        likeness[:, phone] = np.minimum(counts, 1.0)
    likeness[BLANK] *= BLANKS
    scalars = {name: np.array([value], np.float32) for name, value in (("pace", PACE), ("doubt", DOUBT))}
    return {"likeness": likeness.astype(np.float32), **scalars}


def loudest_steps(posteriors: np.ndarray, said: Sequence[int]) -> list[tuple[int, int]]:
    """Probabilities [T, S] and the phones said -> of each in turn (the step at which it is likeliest, the phone).

    Nothing if the recording is too short for them.
    """
    states = np.full(2 * len(said) + 1, BLANK)
    states[1::2] = said
    skips = np.zeros(len(states), bool)
    skips[3::2] = states[3::2] != states[1:-2:2]
    costs, steps = np.log(posteriors[:, states] + LEAST), len(posteriors)
    if steps < len(said):
        return []
    best, back = np.full(len(states), -np.inf), np.zeros((steps, len(states)), int)
    best[:2] = costs[0, :2]
    for step in range(1, steps):
        before = np.stack([best, _moved(best, 1), np.where(skips, _moved(best, 2), -np.inf)])
        back[step] = before.argmax(axis=0)
        best = before.max(axis=0) + costs[step]
    state = len(states) - 1 - int(best[-2] > best[-1])
    if not np.isfinite(best[state]):
        return []
    at = np.empty(steps, int)
    for step in range(steps - 1, -1, -1):
        at[step] = state
        state -= back[step, state]
    found = []
    for state in range(1, len(states), 2):
        held = np.flatnonzero(at == state)
        if len(held):
            found.append((int(held[posteriors[held, states[state]].argmax()]), int(states[state])))
    return found


def _moved(values: np.ndarray, by: int) -> np.ndarray:
    return np.concatenate([np.full(by, -np.inf), values[:-by]])
