"""From sample positions to what the network should say at each output step.

The k-th output of a training example has seen samples up to receptive_samples + k * step_samples. The `label_steps`
outputs that come next after an activate's END are its own: labelled 1, but for the first `late_steps`, which the loss
leaves out, as it does the `ignore_steps` before the END. Those past the end of the example do not exist.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wakeword.clips import Event
from wakeword.config import Config


def first_step_after(sample: int, config: Config) -> int:
    """The first output step whose input reaches beyond `sample`; may lie past the example's end."""
    return max(0, (sample - config.receptive_samples) // config.step_samples + 1)


def targets(events: Sequence[Event], phrases: Sequence[str], config: Config) -> tuple[np.ndarray, np.ndarray]:
    """(target, weight), float32 [T, K] each: target is 0 or 1; weight 0 where the loss does not look."""
    target = np.zeros((config.output_steps, len(phrases)), np.float32)
    weight = np.ones_like(target)
    for event in events:
        if event.kind != "activate":
            continue
        first, column = first_step_after(event.end_sample, config), phrases.index(event.label)
        sure = first + config.labels.late_steps
        weight[max(0, first - config.labels.ignore_steps) : sure, column] = 0.0
        target[sure : first + config.labels.label_steps, column] = 1.0
    weight[target == 1.0] = 1.0
    return target, weight
