"""Telephones and recorders: sound that was coded at a low rate and decoded again."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np

from synth.draws import between
from wakeword.config import Config
from wakeword.sections import Section

KINDS = ("mu-law", "gsm", "mp3", "opus")
SHARES = (0.5, 0.2, 0.26, 0.04)  # opus takes ten times as long as the others
MU = 255.0
COMPRESSION = (0.3, 0.9)  # libsndfile refuses 1 for MP3
PEAK = 0.7  # at the coder's input, which clips above 1
FILES = {"gsm": ("WAV", "GSM610", 8000), "mp3": ("MP3", "MPEG_LAYER_III", 16000), "opus": ("OGG", "OPUS", 16000)}


class Codec(Section):
    """One pass through a codec. `compression` runs from 0 (its best) to 1 (its smallest file); some have but one."""

    kind: Literal["mu-law", "gsm", "mp3", "opus"]
    compression: float = 0.0

    @classmethod
    def sample(cls, rng: np.random.Generator, config: Config) -> Codec:
        kind = KINDS[int(np.searchsorted(np.cumsum(SHARES), rng.random(), side="right"))]
        return cls(kind=kind, compression=round(between(rng, COMPRESSION), 2))

    def apply(self, pcm: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """float32 [N] -> float32 [N] at the same level and, to a sample, at the same time."""
        import soxr

        peak = float(np.abs(pcm).max(initial=0.0))
        if peak == 0.0:
            return pcm
        scaled = pcm * np.float32(PEAK / peak)
        rate = 8000 if self.kind == "mu-law" else FILES[self.kind][2]
        inner = soxr.resample(scaled, sample_rate_hz, rate) if rate != sample_rate_hz else scaled
        coded = _companded(inner) if self.kind == "mu-law" else self._through_file(inner)
        outer = soxr.resample(coded, rate, sample_rate_hz) if rate != sample_rate_hz else coded
        outer = np.pad(outer[: len(pcm)], (0, max(len(pcm) - len(outer), 0)))
        return outer * np.float32(peak / PEAK)

    def _through_file(self, pcm: np.ndarray) -> np.ndarray:
        """libsndfile takes off what the coders put before the first sample."""
        import soundfile

        form, subtype, rate = FILES[self.kind]
        level = {} if self.kind == "gsm" else {"compression_level": self.compression}
        file = io.BytesIO()
        soundfile.write(file, pcm, rate, format=form, subtype=subtype, **level)
        file.seek(0)
        return soundfile.read(file, dtype="float32")[0][: len(pcm)]


def _companded(pcm: np.ndarray) -> np.ndarray:
    """Mu-law with 8 bits (ITU-T G.711, in its continuous form): about 38 dB over its own noise at any level."""
    code = np.sign(pcm) * np.log1p(MU * np.minimum(np.abs(pcm), 1.0)) / np.log1p(MU)
    steps = np.rint(code * 127.0) / 127.0
    return (np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(MU)) / MU).astype(np.float32)
