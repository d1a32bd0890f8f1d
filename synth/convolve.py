"""A sound through an impulse response: convolution by FFT in blocks.

A long response's blocks are added where they meet (`Response`); a short one is heard in blocks that overlap, whose
beginnings are left out (`convolved`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SHORT_SIZES = (1280, 4800, 16000)  # of transforms: quick ones, the first in a core's nearest cache
TOGETHER = 4  # blocks of float32 that pocketfft transforms at once, in the time of two that are transformed apart


class Response:
    """An impulse response, float32 [M], and its spectra, computed once for all that goes through it.

    `steps` are the lengths of block to choose from, in samples.
    """

    def __init__(self, response: np.ndarray, steps: Sequence[int]) -> None:
        from scipy import fft

        self.samples = len(response)
        sizes = sorted({fft.next_fast_len(step + self.samples - 1, real=True) for step in steps})
        self._spectra = {size: fft.rfft(response, size) for size in sizes}

    def apply(self, pcm: np.ndarray) -> np.ndarray:
        """float32 [N] -> [N + M - 1], the response ringing on after the end."""
        size = min(self._spectra, key=lambda size: size * _cost(-(-len(pcm) // (size - self.samples + 1))))
        return overlap_added(pcm, self._spectra[size], size, self.samples)


def _cost(blocks: int) -> int:
    """The time of the transforms of so many blocks, in that of one out of a full group."""
    groups, rest = divmod(blocks, TOGETHER)
    return TOGETHER * groups + min(2 * rest, TOGETHER)


def overlap_added(pcm: np.ndarray, spectrum: np.ndarray, size: int, response_samples: int) -> np.ndarray:
    """float32 [N] through M samples whose spectrum at `size` >= M points is there already -> [N + M - 1]."""
    from scipy import fft

    tail = response_samples - 1
    step = size - tail
    whole, rest = divmod(len(pcm), step)
    blocks = whole + (rest > 0)
    rows = blocks + (blocks % TOGETHER == TOGETHER - 1)  # an empty one that fills a group costs nothing
    cut = np.empty((rows, size), np.float32)
    cut[:, step:] = 0.0
    cut[:whole, :step] = pcm[: whole * step].reshape(whole, step)
    cut[whole:, :step] = 0.0
    cut[whole : whole + 1, :rest] = pcm[whole * step :]
    spectra = fft.rfft(cut, overwrite_x=True)
    spectra *= spectrum
    rung = fft.irfft(spectra, size, overwrite_x=True)
    if tail > step:  # a block rings on for longer than one other
        summed = np.zeros(blocks * step + tail, np.float32)
        for block in range(blocks):
            summed[block * step : block * step + size] += rung[block]
        return summed[: len(pcm) + tail]
    joined = np.empty((blocks + 1, step), np.float32)
    joined[:blocks] = rung[:blocks, :step]
    joined[blocks] = 0.0
    joined[1:, :tail] += rung[:blocks, step:]
    return joined.reshape(-1)[: len(pcm) + tail]


def convolved(pcm: np.ndarray, response: np.ndarray, late: int = 0) -> np.ndarray:
    """float32 [N] through a short response, float32 [M] -> [N], from what comes out at sample `late` on."""
    from scipy import fft

    long_enough = (size for size in SHORT_SIZES if size >= 3 * len(response))
    size = next(long_enough, 0) or fft.next_fast_len(4 * len(response), real=True)
    lead = len(response) - 1
    step = size - lead
    blocks = -(-(late + len(pcm)) // step)
    rows = blocks + (blocks % TOGETHER == TOGETHER - 1)  # one more that fills a group costs nothing
    led_in = np.zeros(rows * step + lead, np.float32)
    led_in[lead : lead + len(pcm)] = pcm
    spectra = fft.rfft(np.ndarray((rows, size), np.float32, led_in, strides=(4 * step, 4)))  # blocks that overlap
    spectra *= fft.rfft(response, size)
    rung = fft.irfft(spectra, size, overwrite_x=True)
    return rung[:blocks, lead:].reshape(-1)[late : late + len(pcm)]
