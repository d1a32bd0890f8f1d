"""The seed system's features: a one-sided power spectral density, as matplotlib's specgram computes it.

P[k] = 2 |X[k]|^2 / (sample_rate * sum(window^2)), without the factor 2 at DC and Nyquist, of samples in int16 units.
Source: scipy.signal.welch and matplotlib.mlab.psd with scaling by frequency, Hann window, no detrending.
"""

from __future__ import annotations

import numpy as np

from wakeword.audio import FULL_SCALE
from wakeword.features import Tables
from wakeword.sections import SpectrogramConfig


def tables(config: SpectrogramConfig, sample_rate_hz: int) -> Tables:
    """A symmetric Hann window and the scale of the density above; no bands and no normalisation."""
    window = np.hanning(config.window_samples)
    gain = np.full(config.bins, 2.0)
    gain[0] = 1.0
    if config.window_samples % 2 == 0:
        gain[-1] = 1.0
    gain *= FULL_SCALE**2 / (sample_rate_hz * np.sum(window**2))
    return Tables(window, config.hop_samples, config.window_samples, gain, mix=None, norm=None)
