"""Weights as float16 numbers: half the space on disk, the same float32 arithmetic once loaded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

SMALLEST = 1024  # elements of an array for which it is worth while


def in_halves(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """float32 arrays, each large one rounded to numbers that `halved` keeps."""
    return {n: v.astype(np.float16).astype(np.float32) if v.size >= SMALLEST else v for n, v in weights.items()}


def halved(value: np.ndarray) -> np.ndarray:
    """A large float32 array as float16, where no number of it changes by that; anything else as it is."""
    if value.dtype != np.float32 or value.size < SMALLEST:
        return value
    with np.errstate(over="ignore"):
        half = value.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), value) else value
