"""Hard-negative mining: what the network still takes for the phrase is what it gets to hear more often.

After a few thousand batches most negatives teach nothing more. So training notes the highest output on every negative
that passes by, and from time to time hands these notes to whoever draws the examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from wakeword.clips import Event
from wakeword.config import Config
from wakeword.labels import first_step_after

FORGETTING = 0.3  # share of the newest peak in a recording's mean: it follows the network, and not one lucky draw


class Hardness:
    """For each negative recording the running mean of the network's peak on it, 0 to 1, over its latest draws."""

    def __init__(self, peaks: dict[str, float] | None = None) -> None:
        self.peaks = dict(peaks or {})

    def observe(self, batch: Iterable[Sequence[Event]], outputs: np.ndarray, config: Config) -> None:
        """Notes a batch: the events of each example and `outputs` [B, T], its probabilities of anything being a hit.

        Outputs that are right, or that the loss does not look at, must have been set to 0. Pieces of the phrase are
        left out: they are activates' recordings, and hard by intention.
        """
        for events, scores in zip(batch, outputs, strict=True):
            next_starts = [*(event.start_sample for event in events[1:]), config.example_samples]
            for event, next_start in zip(events, next_starts, strict=False):  # an example may have no events at all
                if event.kind != "negative" or event.label or not event.source:
                    continue
                begin, end = (first_step_after(at, config) for at in (event.start_sample, event.end_sample))
                answered = scores[begin : min(end + config.labels.label_steps, first_step_after(next_start, config))]
                peak = float(answered.max(initial=0.0))
                before = self.peaks.get(event.source, peak)
                self.peaks[event.source] = round(before + FORGETTING * (peak - before), 4)

    def weights(self, share: float) -> dict[str, float]:
        """How many times as often as usual each recording is to be drawn, so that `share` of the draws go by hardness.

        >>> Hardness({"calm.wav": 0.1, "trap.wav": 0.9}).weights(share=0.5)
        {'calm.wav': 0.6, 'trap.wav': 1.4}
        """
        mean = float(np.mean(list(self.peaks.values()))) if self.peaks else 0.0
        if mean == 0.0:
            return {}
        return {source: round(1.0 - share + share * peak / mean, 4) for source, peak in self.peaks.items()}
