"""The fixed-point front end of microWakeWord, which microphones with ESPHome compute: 40 channels every 10 ms.

A 30 ms window, 125 to 7500 Hz, noise reduction, automatic gain (PCAN) and a logarithm, all in integers (TensorFlow
Lite Micro's "microfrontend"). It is not written a second time here: `pymicro_features` is the same C code, so that
training, listening and the device agree bit for bit. Its state cannot be taken out of it. Therefore a graph of this
kind takes features instead of samples, and the listener computes them.
"""

from __future__ import annotations

import numpy as np

from wakeword.audio import to_int16
from wakeword.errors import MissingExtraError
from wakeword.sections import MicroConfig

NUMBERS = MicroConfig(kind="micro")
WINDOW_SAMPLES, HOP_SAMPLES, CHANNELS = NUMBERS.window_samples, NUMBERS.hop_samples, NUMBERS.bins
UNIT = 0.0390625  # of its integer output, in which one is 1 / 25.6


class MicroStream:
    """One stream through the front end, after some silence: by default so much that every hop makes a frame."""

    def __init__(self, silence_samples: int = WINDOW_SAMPLES - HOP_SAMPLES) -> None:
        try:
            from pymicro_features import MicroFrontend
        except ModuleNotFoundError:
            raise MissingExtraError("features.kind micro", "pymicro-features", "firmware") from None
        self._frontend, self._silence_samples = MicroFrontend(), silence_samples
        self.reset()

    def reset(self) -> None:
        """As if nothing but the silence had been heard."""
        self._frontend.reset()
        self._pending = np.zeros(0, np.int16)
        self.feed(np.zeros(self._silence_samples, np.float32))

    def feed(self, pcm: np.ndarray) -> np.ndarray:
        """float32 [N] in -1..1 at 16 kHz, any N -> float32 [T, 40] in 0..26; less than a hop is kept back."""
        samples = np.concatenate([self._pending, to_int16(pcm)])
        whole = len(samples) // HOP_SAMPLES * HOP_SAMPLES
        self._pending = samples[whole:]
        content, size = samples[:whole].astype("<i2").tobytes(), 2 * HOP_SAMPLES
        outputs = (self._frontend.process_samples(content[at : at + size]) for at in range(0, len(content), size))
        return np.asarray([output.features for output in outputs if output.features], np.float32).reshape(-1, CHANNELS)


def frames(pcm: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The frames float32 [T, 40] that pcm [N] adds to a stream of which `before` [P] is all that was heard so far."""
    stream = MicroStream(silence_samples=0)
    stream.feed(before)
    return stream.feed(pcm)


def to_int8(made: np.ndarray) -> np.ndarray:
    """Frames float32 [T, 40] -> int8 [T, 40], as ESPHome and microWakeWord round the integers behind them."""
    return ((np.rint(made / UNIT).astype(np.int64) * 256 + 333) // 666 - 128).clip(-128, 127).astype(np.int8)
