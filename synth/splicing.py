"""Sounds of people in words that they never said: recordings are cut between phones, and the pieces joined anew.

Of few people, who say few sentences, a network learns the sentences by heart, and hears "I'm" where somebody says "on".
The same sounds in an order of which there is no end leave it nothing to learn but the sounds (docs/experiments.md).
Where phones begin and end is asked of a backbone: what is said is known, and the likeliest path through it says when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from wakeword.audio import rms

RATE_HZ = 16000
PIECE_PHONES = (2, 6)  # shorter ones are all edges, longer ones are words again
CLIP_PHONES, CLIP_S = (5, 28), 5.5  # of what is made of them, at most
LATE_S = 0.115  # from a phone's middle to the middle of the step that says it: vowels' energy peaks so long before
BEFORE_S, AFTER_S = 0.09, 0.12  # the middle of the first phone after its beginning, that of the last before its end
SEARCHED_S, FRAME_S = 0.03, 0.01  # around an edge: for the quietest moment
PHONE_S = (0.05, 0.3)  # a piece whose phones are shorter or longer on average was misheard, or holds a pause
LEVEL_STEP = 2.0  # at most so many times louder, or fainter, a piece becomes to meet the others
FADE_S = 0.008


class Piece(NamedTuple):
    """float32 [N], and the numbers of the phones in it."""

    pcm: np.ndarray
    said: list[int]


def pieces(pcm: np.ndarray, steps: list[tuple[int, int]], step_s: float, rng: np.random.Generator) -> Iterator[Piece]:
    """One way to cut float32 [N] into pieces; `steps` are those of `wakeword.likeness.loudest_steps`."""
    middles = np.array([(step + 0.5) * step_s - LATE_S for step, _ in steps])
    edges_s = np.concatenate([[middles[0] - BEFORE_S], (middles[1:] + middles[:-1]) / 2, [middles[-1] + AFTER_S]])
    edges = [_quietest(pcm, at) for at in edges_s]
    first = 0
    while first < len(steps):
        last = min(first + int(rng.integers(PIECE_PHONES[0], PIECE_PHONES[1] + 1)), len(steps))
        if len(steps) - last < PIECE_PHONES[0]:
            last = len(steps)
        phone_s = (edges[last] - edges[first]) / RATE_HZ / (last - first)
        if PHONE_S[0] < phone_s < PHONE_S[1]:
            yield Piece(pcm[edges[first] : edges[last]], [phone for _, phone in steps[first:last]])
        first = last


def spliced(found: list[Piece], rng: np.random.Generator) -> Piece:
    """A clip of pieces drawn from those of one speaker, at the level of the first."""
    wanted, pcm, said = int(rng.integers(*CLIP_PHONES)), np.zeros(0, np.float32), []
    while len(said) < wanted and len(pcm) < CLIP_S * RATE_HZ:
        piece = found[int(rng.integers(len(found)))]
        pcm, said = _joined(pcm, piece.pcm), [*said, *piece.said]
    return Piece(np.clip(pcm, -1.0, 1.0), said)


def shares(counts: Iterable[int], clips: int) -> list[int]:
    """How many of so many clips each speaker says, by the number of pieces: of four times as many, twice as many."""
    roots = np.sqrt(list(counts))
    return np.diff(np.round(np.cumsum(roots) / max(roots.sum(), 1.0) * clips).astype(int), prepend=0).tolist()


def _quietest(pcm: np.ndarray, at_s: float) -> int:
    """The sample near a moment at which a cut is heard least: in the quietest frame, where the signal is nearest 0."""
    frame, reach = round(FRAME_S * RATE_HZ), round(SEARCHED_S * RATE_HZ)
    at = min(max(round(at_s * RATE_HZ), 0), len(pcm))
    start = max(at - reach, 0)
    frames = pcm[start : at + reach]
    frames = frames[: len(frames) // frame * frame].reshape(-1, frame)
    if not len(frames):
        return at
    quiet = int(np.square(frames).sum(axis=1).argmin())
    return start + quiet * frame + int(np.abs(frames[quiet]).argmin())


def _joined(pcm: np.ndarray, more: np.ndarray) -> np.ndarray:
    """One after the other, with a short cross-fade, the second at about the level of the first."""
    if not len(pcm):
        return more
    more = more * np.float32(np.clip(rms(pcm) / max(rms(more), 1e-6), 1.0 / LEVEL_STEP, LEVEL_STEP))
    samples = min(round(FADE_S * RATE_HZ), len(pcm), len(more))
    rising = (np.arange(samples, dtype=np.float32) + np.float32(0.5)) / np.float32(samples)
    met = pcm[-samples:] * (1.0 - rising) + more[:samples] * rising
    return np.concatenate([pcm[:-samples], met, more[samples:]])
