"""Signals that several tests use. Nothing is random that has no seed."""

from __future__ import annotations

import numpy as np


def speech_like(samples: int, sample_rate_hz: int, seed: int = 0) -> np.ndarray:
    """float32 [N]: voiced syllables of changing pitch and level over faint noise, so that every band sees something."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(samples) / sample_rate_hz
    pitch_hz = 120 + 60 * np.sin(2 * np.pi * 0.7 * time_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / sample_rate_hz
    voiced = sum(np.sin(k * phase) / k for k in range(1, 20))
    syllables = np.maximum(0.0, np.sin(2 * np.pi * 2.5 * time_s)) ** 2
    return (0.1 * voiced * syllables + 0.003 * rng.standard_normal(samples)).astype(np.float32)
