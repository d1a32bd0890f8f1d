"""Front ends: PCM in, feature frames out, a frame as soon as its window is full.

Two of them are the same few operations with other tables: window, DFT, power, an optional mix of bins into bands, an
optional running normalisation. `Tables` holds the numbers; torch (model.py), ONNX (graph.py) and C read them from
here, and `compute` below is the plain definition that all of them are tested against. A third one, micro.py, has no
tables: it is fixed-point code of microWakeWord, called as a library wherever features are needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wakeword.config import SystemConfig
from wakeword.errors import ConfigError


@dataclass(frozen=True)
class RunningNorm:
    """y = log((e + floor + hidden) / (mean + floor + hidden) + offset); mean is the running mean of a band's energy e.

    The mean is bias-corrected: sum and weight both start at zero, so the very first frame is its own mean, and a gain
    on the signal cancels from that frame on (down to `floor`, the energy of a band that counts as silent).

    `hidden` is `mask` [F] times the sum of (mean + floor) over all bands. It works as white noise would that follows
    the signal's level: what lies below it, the hiss of one microphone or the artefacts of one codec, cannot be learned,
    nor mislead. A mask of zeros hides nothing.
    """

    keep: float
    floor: float
    offset: float
    mask: np.ndarray


@dataclass(frozen=True)
class Tables:
    """Everything a front end computes with.

    window [W]; `bin_gain` [D] scales each bin's power, which fixes the unit; `mix` [D, F] sums bins into bands or is
    None (F = D); D = fft_samples // 2 + 1.
    """

    window: np.ndarray
    hop_samples: int
    fft_samples: int
    bin_gain: np.ndarray
    mix: np.ndarray | None
    norm: RunningNorm | None  # None: energies come out as they are

    @property
    def bins(self) -> int:
        return len(self.bin_gain) if self.mix is None else self.mix.shape[1]

    def used_bins(self) -> np.ndarray:
        """Indices of the DFT bins that reach a band."""
        return np.arange(len(self.bin_gain)) if self.mix is None else np.flatnonzero(self.mix.any(axis=1))

    def half_dfts(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The DFT of a windowed frame x [N], N = fft_samples, as products of half its length: [(bins, matrix), ...].

        X[k] = sum over n < N / 2 of (x[n] + x[n + N / 2]) e^(-2 pi i n k / N) for even k, and of the difference for odd
        ones (decimation in frequency; Cooley and Tukey 1965). Of the even bins that reach a band first, then of the odd
        ones: their indices [B] and a float32 matrix [N / 2, 2 B], real parts before imaginary ones, gain included, so
        that the squares of both sum to a bin's energy.
        """
        parts = []
        for parity in (0, 1):
            bins = self.used_bins()[self.used_bins() % 2 == parity]
            angle = 2 * np.pi * np.outer(np.arange(self.fft_samples // 2), bins) / self.fft_samples
            both = np.concatenate([np.cos(angle), -np.sin(angle)], axis=1)
            parts.append((bins, (both * np.sqrt(np.tile(self.bin_gain[bins], 2))).astype(np.float32)))
        return parts


@dataclass(frozen=True)
class FeatureState:
    """What a stream carries over: the last samples [P], and the running sums and weight [F + 1]."""

    pcm: np.ndarray
    norm: np.ndarray


def tables(config: SystemConfig) -> Tables:
    """The tables of the configured front end. Raises ConfigError for micro, which has none."""
    from wakeword.features import log_mel, spectrogram

    if config.features.kind == "micro":
        raise ConfigError("features.kind: got micro, which is fixed-point code of a library, expected one with tables")

    module = {"spectrogram": spectrogram, "log_mel": log_mel}[config.features.kind]
    return module.tables(config.features, config.audio.sample_rate_hz)


def zero_state(t: Tables) -> FeatureState:
    """The state of a stream that begins: silence before the first sample, nothing averaged yet."""
    return FeatureState(np.zeros(len(t.window) - t.hop_samples), np.zeros(t.bins + 1))


def compute(t: Tables, pcm: np.ndarray, state: FeatureState) -> tuple[np.ndarray, FeatureState]:
    """pcm [N] in -1..1 -> frames float64 [T, F] and the next state. The definition, written to be read."""
    samples = np.concatenate([state.pcm, pcm])
    frames = max(0, 1 + (len(samples) - len(t.window)) // t.hop_samples)
    output, norm = np.empty((frames, t.bins)), state.norm.copy()
    for i in range(frames):
        window = samples[i * t.hop_samples :][: len(t.window)] * t.window
        energy = np.abs(np.fft.rfft(window, t.fft_samples)) ** 2 * t.bin_gain
        if t.mix is not None:
            energy = energy @ t.mix
        if t.norm is not None:
            norm = t.norm.keep * norm + (1 - t.norm.keep) * np.append(energy, 1.0)
            mean = norm[:-1] / norm[-1] + t.norm.floor
            hidden = mean.sum() * t.norm.mask
            energy = np.log((energy + t.norm.floor + hidden) / (mean + hidden) + t.norm.offset)
        output[i] = energy
    return output, FeatureState(samples[frames * t.hop_samples :], norm)
