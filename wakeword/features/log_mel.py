"""Log-mel energies, each relative to its own running mean (see `RunningNorm`), so that gain and colour cancel.

Energies are in units of a full-scale sine: a sine of amplitude 1 in the middle of a band has energy 1 (0 dBFS).
Bands are triangles of height 1, equally spaced on mel = 2595 log10(1 + f / 700) (O'Shaughnessy; the HTK formula).
"""

from __future__ import annotations

import numpy as np

from wakeword.features import RunningNorm, Tables
from wakeword.sections import LogMelConfig


def tables(config: LogMelConfig, sample_rate_hz: int) -> Tables:
    """A periodic Hann window, the unit above, the mel bands and the running mean's constants."""
    window = np.hanning(config.window_samples + 1)[:-1]
    gain = np.full(config.fft_samples // 2 + 1, (2.0 / window.sum()) ** 2)
    bands = mel_bands(config, sample_rate_hz)
    white = gain @ bands  # how white noise spreads over the bands
    norm = RunningNorm(
        keep=float(np.exp(-config.hop_samples / (config.norm_time_constant_s * sample_rate_hz))),
        floor=10.0 ** (config.norm_floor_dbfs / 10),
        offset=10.0 ** (-config.norm_range_db / 10),
        mask=white / white.sum() * (0.0 if config.mask_db is None else 10.0 ** (config.mask_db / 10)),
    )
    return Tables(window, config.hop_samples, config.fft_samples, gain, bands, norm)


def mel_bands(config: LogMelConfig, sample_rate_hz: int) -> np.ndarray:
    """The triangles [D, F], D = fft_samples // 2 + 1."""
    edges_hz = _mel_to_hz(np.linspace(_hz_to_mel(config.low_hz), _hz_to_mel(config.high_hz), config.mel_bins + 2))
    bin_hz = np.arange(config.fft_samples // 2 + 1)[:, None] * sample_rate_hz / config.fft_samples
    low, centre, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    return np.maximum(0.0, np.minimum((bin_hz - low) / (centre - low), (high - bin_hz) / (high - centre)))


def _hz_to_mel(hz: float | np.ndarray) -> float | np.ndarray:
    return 2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0)


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
