"""Recursive filters of second order, and what a row of them does to an impulse.

Formulae from R. Bristow-Johnson, "Cookbook formulae for audio equalizer filters". A section is six coefficients as
scipy writes them: three of what comes in, then three of what is fed back, the first of which is 1.
"""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

BUTTERWORTH_2, BUTTERWORTH_4 = (0.7071,), (0.5412, 1.3066)  # the qualities of the sections of a filter of this order


def biquad_response(sections: np.ndarray, samples: int) -> np.ndarray:
    """float32 [at least so many samples], in which the filter must have rung out: what is later would come first.

    `sections` is [S, 6]. The spectrum is known without the recursion: that of one polynomial over the other's.
    """
    from scipy import fft

    samples = fft.next_fast_len(samples, real=True)
    forward, back = (reduce(np.convolve, polynomials) for polynomials in (sections[:, :3], sections[:, 3:]))
    spectra = fft.rfft([forward, back], samples)
    return fft.irfft(spectra[0] / spectra[1], samples).astype(np.float32)


def shelf(corner_hz: float, gain_db: float, rate: int, side: float) -> list[float]:
    """A shelf of slope 1 above (side 1) or below (side -1) the corner."""
    a, w = 10.0 ** (gain_db / 40.0), 2.0 * math.pi * corner_hz / rate
    cosine, root = side * math.cos(w), math.sqrt(2.0 * a) * math.sin(w)
    b = [a * (a + 1 + (a - 1) * cosine + root), -2 * side * a * (a - 1 + (a + 1) * cosine)]
    b.append(a * (a + 1 + (a - 1) * cosine - root))
    c = [a + 1 - (a - 1) * cosine + root, 2 * side * (a - 1 - (a + 1) * cosine), a + 1 - (a - 1) * cosine - root]
    return _biquad(b, c)


def bell(centre_hz: float, gain_db: float, rate: int) -> list[float]:
    """A peak or dip of quality 0.7 around the centre."""
    a, w = 10.0 ** (gain_db / 40.0), 2.0 * math.pi * centre_hz / rate
    alpha, cosine = math.sin(w) / (2.0 * 0.7), math.cos(w)
    return _biquad([1 + alpha * a, -2 * cosine, 1 - alpha * a], [1 + alpha / a, -2 * cosine, 1 - alpha / a])


def edge(corner_hz: float, quality: float, rate: int, side: float) -> list[float]:
    """A low-pass (side 1) or high-pass (side -1) of second order, from the same cookbook."""
    w = 2.0 * math.pi * corner_hz / rate
    cosine, alpha = math.cos(w), math.sin(w) / (2.0 * quality)
    passed = 1.0 - side * cosine
    return _biquad([0.5 * passed, side * passed, 0.5 * passed], [1 + alpha, -2 * cosine, 1 - alpha])


def _biquad(forward: list[float], back: list[float]) -> list[float]:
    """As scipy's second-order sections are written: divided by the first coefficient of what is fed back."""
    return [value / back[0] for value in (*forward, *back)]
