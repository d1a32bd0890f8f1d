"""What is done to one sound: each a frozen set of drawn numbers with `sample(rng, config)` and `apply(pcm, rate)`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from synth.biquads import BUTTERWORTH_2, BUTTERWORTH_4, bell, biquad_response, edge, shelf
from synth.convolve import convolved
from synth.draws import between
from wakeword.config import Config
from wakeword.sections import Section

FADE_S = 0.005
ENVELOPE_FRAME_S = 0.025  # at least: frames are a power of two long
ENVELOPE_QUEFRENCY_S = 0.002  # shorter than the pitch period of any voice but a child's cry
MAX_ENVELOPE_GAIN = 4.0  # nepers, 35 dB: what a formant that moves needs, and no more
PART_S = (0.1, 0.35)  # of scrambled speech: about a syllable
RINGS_S, RINGS_PERIODS = 0.016, 3.2  # of an equaliser, and of a high-pass's corner: what is later lies below -100 dB
LATEST_PEAK_S = 0.002  # of an impulse response, after the impulse
LOW_SHELF_HZ, BELL_HZ, HIGH_SHELF_HZ = 300.0, 1500.0, 4000.0


class Speed(Section):
    """Faster and higher (factor > 1) or slower and lower, like a tape."""

    factor: float

    @classmethod
    def sample(cls, rng: np.random.Generator, config: Config) -> Speed:
        # Three decimals, so that the manifest shows the number that was used.
        return cls(factor=round(between(rng, config.synth.speed), 3))

    def samples(self, samples: int) -> int:
        """How many samples come out of so many."""
        return round(samples / self.factor)

    def apply(self, pcm: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """float32 [N] -> float32 [samples(N)]: sample n of the input lands at n / factor."""
        import soxr

        changed = soxr.resample(pcm, self.factor * 1000.0, 1000.0)
        wanted = self.samples(len(pcm))
        return np.pad(changed[:wanted], (0, max(wanted - len(changed), 0)))


class VocalTract(Section):
    """A shorter throat (factor > 1, formants higher) or a longer one, at the same pitch and tempo.

    Each frame's smooth spectral envelope, the start of its cepstrum, is stretched along the frequency axis; the fine
    structure under it stays. Together with `Speed`, which moves both, this makes men, women and children of anyone.
    """

    factor: float

    @classmethod
    def sample(cls, rng: np.random.Generator, config: Config) -> VocalTract:
        return cls(factor=round(between(rng, config.synth.vocal_tract), 3))

    def apply(self, pcm: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """float32 [N] -> float32 [N]; factor 1 gives back what went in."""
        from scipy import fft

        frame = 1 << (round(ENVELOPE_FRAME_S * sample_rate_hz) - 1).bit_length()
        hop, samples = frame // 2, len(pcm)
        frames = -(-samples // hop) + 1
        padded = np.zeros((frames + 1, hop), np.float32)
        padded.reshape(-1)[hop : hop + samples] = pcm
        window = np.sin(np.pi * (np.arange(frame) + 0.5) / frame).astype(np.float32)  # squares of halves add up to 1
        cuts = np.empty((frames, frame), np.float32)
        np.multiply(padded[:-1], window[:hop], out=cuts[:, :hop])
        np.multiply(padded[1:], window[hop:], out=cuts[:, hop:])
        spectra = fft.rfft(cuts)
        spectra *= self._gains(np.abs(spectra), frame, sample_rate_hz)
        changed = fft.irfft(spectra, overwrite_x=True)
        changed *= window
        summed = changed[1:, :hop]  # the first hop and the last are padding
        summed += changed[:-1, hop:]
        return summed.reshape(-1)[:samples]

    def _gains(self, magnitudes: np.ndarray, frame: int, sample_rate_hz: int) -> np.ndarray:
        """[T, F]: the stretched envelope over the one that is there, within MAX_ENVELOPE_GAIN."""
        from scipy import fft

        kept = round(ENVELOPE_QUEFRENCY_S * sample_rate_hz)
        magnitudes += 1e-5 * magnitudes.max(axis=1, keepdims=True) + np.float32(1e-9)
        cepstra = fft.dct(np.log(magnitudes, out=magnitudes), type=1, overwrite_x=True)
        cepstra[:, kept:] = 0.0
        envelopes = fft.dct(cepstra, type=1, overwrite_x=True)
        envelopes *= np.float32(1.0 / frame)
        bins = np.minimum(np.arange(frame // 2 + 1, dtype=np.float32) / np.float32(self.factor), frame // 2)
        below = np.minimum(bins.astype(int), frame // 2 - 1)
        gains, right = (np.take(envelopes, bins, axis=1) for bins in (below, below + 1))
        right -= gains
        right *= bins - below.astype(np.float32)
        gains += right
        gains -= envelopes
        np.clip(gains, -MAX_ENVELOPE_GAIN, MAX_ENVELOPE_GAIN, out=gains)
        return np.exp(gains, out=gains)


class Filter(Section):
    """Another voice, microphone or wall: a three-band equaliser."""

    low_db: float
    middle_db: float
    high_db: float

    @classmethod
    def sample(cls, rng: np.random.Generator, config: Config) -> Filter:
        low, middle, high = (round(between(rng, config.synth.filter_db), 2) for _ in range(3))
        return cls(low_db=low, middle_db=middle, high_db=high)

    def apply(self, pcm: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """float32 [N] -> float32 [N]."""
        return filtered(pcm, sample_rate_hz, [self])

    @property
    def rings_s(self) -> float:
        """How long it rings on after an impulse, until what is left lies below -100 dB."""
        return RINGS_S

    def sections(self, sample_rate_hz: int) -> np.ndarray:
        """Biquads [3, 6], from R. Bristow-Johnson's "Cookbook formulae for audio equalizer filters"."""
        top_hz = 0.4 * sample_rate_hz
        bands = [shelf(min(LOW_SHELF_HZ, top_hz), self.low_db, sample_rate_hz, -1.0)]
        bands.append(bell(min(BELL_HZ, top_hz), self.middle_db, sample_rate_hz))
        bands.append(shelf(min(HIGH_SHELF_HZ, top_hz), self.high_db, sample_rate_hz, 1.0))
        return np.array(bands)


class Band(Section):
    """A narrow channel, as of a telephone: Butterworth high- and low-pass, 12 and 24 dB an octave."""

    low_hz: float
    high_hz: float

    @classmethod
    def sample(cls, rng: np.random.Generator, config: Config) -> Band:
        low, high = between(rng, config.synth.band_low_hz), between(rng, config.synth.band_high_hz)
        return cls(low_hz=round(low, 1), high_hz=round(high, 1))

    def apply(self, pcm: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """float32 [N] -> float32 [N]; an upper edge above 0.45 of the rate has no effect."""
        return filtered(pcm, sample_rate_hz, [self])

    @property
    def rings_s(self) -> float:
        """How long it rings on after an impulse, until what is left lies below -100 dB."""
        return RINGS_PERIODS / self.low_hz

    def sections(self, sample_rate_hz: int) -> np.ndarray:
        """Biquads [1 or 3, 6]."""
        sections = [edge(self.low_hz, quality, sample_rate_hz, -1.0) for quality in BUTTERWORTH_2]
        if self.high_hz < 0.45 * sample_rate_hz:
            sections += [edge(self.high_hz, quality, sample_rate_hz, 1.0) for quality in BUTTERWORTH_4]
        return np.array(sections)


def filtered(pcm: np.ndarray, sample_rate_hz: int, effects: Sequence[Filter | Band]) -> np.ndarray:
    """float32 [N] through several of these, one after the other, in one pass over the samples -> float32 [N].

    A filter is late by as much as its impulse response takes to its peak; the output is early by so much, so that a
    click comes out at the sample at which it went in.
    """
    sections = np.concatenate([effect.sections(sample_rate_hz) for effect in effects])
    rings_s = max(RINGS_S, *(effect.rings_s for effect in effects))
    response = biquad_response(sections, round(rings_s * sample_rate_hz))
    late = int(np.abs(response[: round(LATEST_PEAK_S * sample_rate_hz)]).argmax())
    return convolved(pcm, response, late)


class Scramble(Section):
    """Parts of equal length in another order: the same voice and sounds, but other words."""

    order: tuple[int, ...]

    @classmethod
    def sample(cls, rng: np.random.Generator, samples: int, sample_rate_hz: int) -> Scramble:
        """Parts of PART_S each, at least two, never in their own order."""
        parts = max(2, round(samples / sample_rate_hz / between(rng, PART_S)))
        order = rng.permutation(parts)
        while (np.diff(order) == 1).all():
            order = rng.permutation(parts)
        return cls(order=tuple(map(int, order)))

    def apply(self, pcm: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """float32 [N] -> float32 [N], without clicks where parts meet."""
        edges = np.linspace(0, len(pcm), len(self.order) + 1).astype(int)
        parts = [pcm[edges[part] : edges[part + 1]].copy() for part in self.order]
        for part in parts:
            fade_edges(part, sample_rate_hz)
        return np.concatenate(parts)


def fade_edges(pcm: np.ndarray, sample_rate_hz: int) -> None:
    """Makes the first and last 5 ms of float32 [N] rise from and fall to silence, so that a cut does not click."""
    samples = min(round(FADE_S * sample_rate_hz), len(pcm) // 2)
    if samples:
        ramp = _ramp(samples)
        pcm[:samples] *= ramp
        pcm[-samples:] *= ramp[::-1]


@lru_cache(maxsize=64)
def _ramp(samples: int) -> np.ndarray:
    ramp = (np.arange(samples, dtype=np.float32) + np.float32(0.5)) / np.float32(samples)
    ramp.setflags(write=False)
    return ramp


def looped(pcm: np.ndarray, offset: int, samples: int, sample_rate_hz: int) -> np.ndarray:
    """float32 [N] repeated seamlessly to [samples], starting at `offset`: its end is faded into its beginning."""
    fade = min(round(4 * FADE_S * sample_rate_hz), len(pcm) // 4)
    period = pcm[: len(pcm) - fade].copy()
    if fade:
        angle = (np.arange(fade, dtype=np.float32) + np.float32(0.5)) * np.float32(np.pi / 2 / fade)
        period[:fade] = period[:fade] * np.sin(angle) + pcm[len(pcm) - fade :] * np.cos(angle)
    return np.resize(np.roll(period, -offset), samples)
