"""How much of a recording is voiced: a word has a vowel in it, a click or a handled microphone has none."""

from __future__ import annotations

from functools import cache

import numpy as np

from synth.biquads import BUTTERWORTH_2, biquad_response, edge
from synth.convolve import convolved

FRAME_MS = 30
HOP_MS = 10
LOWEST_HZ, HIGHEST_HZ = 75.0, 500.0  # of the voice's pitch
LOW_CUT_HZ, HIGH_CUT_HZ = 150.0, 1200.0  # where vowels are strong; below it mains hum is periodic, too
RINGS_S = 0.03  # of what leaves out the rest; then it is 100 dB down
VOICED_CORRELATION = 0.7


def voiced_s(pcm: np.ndarray, sample_rate_hz: int) -> float:
    """Seconds of float32 [N] in which each 30 ms repeat themselves at a voice's pitch, counted in hops of 10 ms.

    A frame is voiced if its normalised cross-correlation with the same signal, one pitch period later, reaches 0.7
    (the NCCF of Talkin, "A robust algorithm for pitch tracking", 1995).
    """
    pcm = convolved(pcm, _where_vowels_are(sample_rate_hz))
    frame, hop = (sample_rate_hz * ms // 1000 for ms in (FRAME_MS, HOP_MS))
    shortest, longest = int(sample_rate_hz / HIGHEST_HZ), int(sample_rate_hz / LOWEST_HZ)
    if len(pcm) < frame + longest:
        return 0.0
    stretches = np.lib.stride_tricks.sliding_window_view(pcm, frame + longest)[::hop]  # [T, frame + longest]
    return float(np.count_nonzero(_periodicity(stretches, frame, shortest) >= VOICED_CORRELATION)) * HOP_MS / 1000


@cache
def _where_vowels_are(rate: int) -> np.ndarray:
    edges = ((LOW_CUT_HZ, -1.0), (min(HIGH_CUT_HZ, 0.45 * rate), 1.0))
    sections = np.array([edge(hz, quality, rate, side) for hz, side in edges for quality in BUTTERWORTH_2])
    return biquad_response(sections, round(RINGS_S * rate))


def _periodicity(stretches: np.ndarray, frame: int, shortest: int) -> np.ndarray:
    """The largest NCCF [T] of each stretch's first `frame` samples at lags from `shortest` to what is left."""
    from scipy import fft

    lags = np.arange(shortest, stretches.shape[1] - frame + 1)
    size = 1 << (stretches.shape[1] + frame - 1).bit_length()
    spectra = fft.rfft(stretches, size) * np.conj(fft.rfft(stretches[:, :frame], size))
    products = fft.irfft(spectra, size)[:, lags]
    sums = np.cumsum(np.pad(np.square(stretches), ((0, 0), (1, 0))), axis=1)
    energies = sums[:, lags + frame] - sums[:, lags]
    return (products / np.sqrt(sums[:, frame, None] * energies + 1e-12)).max(axis=1)
