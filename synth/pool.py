"""What recordings are drawn from, and how often each."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from synth.splits import Segment
from wakeword.config import Config

SHORTEST_WEIGHT = 0.2  # a word of one second is drawn this often for once that a stretch of full length is


class Pool:
    """The segments of one kind on one side, and how often each is drawn."""

    def __init__(
        self, segments: Sequence[Segment], stretch_samples: int | None = None, times: Mapping[str, float] | None = None
    ) -> None:
        """Labels are drawn equally often; with `stretch_samples`, segments by their length, within reason.

        `times` says of some recordings how many times as often as that they are drawn.
        """
        self.segments = list(segments)
        if stretch_samples:
            weights = np.array([draw_weight(s, stretch_samples) for s in self.segments])
        else:
            counts = Counter(s.take.label for s in self.segments)
            weights = np.array([1.0 / counts[s.take.label] for s in self.segments])
        if times:
            weights *= [times.get(s.take.id, 1.0) for s in self.segments]
        self._cumulative = np.cumsum(weights).tolist()

    def choose(self, rng: np.random.Generator) -> Segment:
        at = rng.random() * self._cumulative[-1]
        return self.segments[min(bisect_right(self._cumulative, at), len(self.segments) - 1)]


def draw_weight(segment: Segment, stretch_samples: int) -> float:
    """How often a segment is drawn for once that one of `stretch_samples` is: by its length, within reason."""
    return min(max(segment.samples / stretch_samples, SHORTEST_WEIGHT), 10.0)


def stretch_samples(config: Config) -> int:
    """The longest stretch of a negative that is drawn at a time."""
    return round(config.synth.negative_s[1] * config.audio.sample_rate_hz)


def pools(segments: dict[str, list[Segment]], config: Config, times: Mapping[str, float]) -> dict[str, Pool]:
    """A pool for each kind that has segments; `times` is that of `Pool`."""
    stretch = {"negatives": stretch_samples(config), "backgrounds": config.example_samples}
    return {kind: Pool(found, stretch.get(kind), times) for kind, found in segments.items() if found}
