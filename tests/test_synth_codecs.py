"""What a codec leaves of a sound: its time and its level, and little of its noise floor."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal
from synth_clips import RATE_HZ, db, syllables, tiny

from synth.codecs import KINDS, Codec


def telephone_speech(seconds: float = 1.5) -> np.ndarray:
    band = signal.butter(4, [300, 3000], "bandpass", fs=RATE_HZ, output="sos")
    return signal.sosfilt(band, syllables(seconds)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_sound_comes_out_of_a_codec_at_the_same_time_and_level(kind: str, rate_hz: int) -> None:
    pcm = 0.01 * signal.resample_poly(telephone_speech(), rate_hz // 100, RATE_HZ // 100).astype(np.float32)
    coded = Codec(kind=kind, compression=0.3).apply(pcm, rate_hz)
    assert coded.dtype == np.float32
    assert len(coded) == len(pcm)
    likeness = signal.correlate(coded, pcm, method="fft")
    assert abs(int(likeness.argmax()) - (len(pcm) - 1)) <= rate_hz // 16000  # within a sample of 16 kHz
    assert abs(db(np.sqrt(np.mean(coded**2) / np.mean(pcm**2)))) < 1.5  # GSM, the coarsest, loses 1 dB


def test_mu_law_has_the_noise_of_eight_bits_at_any_level() -> None:
    for level in (1.0, 0.01):
        pcm = level * telephone_speech()
        coded = Codec(kind="mu-law").apply(pcm, 16000)
        narrow = Codec(kind="mu-law").apply(coded, 16000)  # resampled twice, so that only the coding differs
        assert 30.0 < db(np.sqrt(np.mean(pcm**2) / np.mean((coded - pcm) ** 2))) < 42.0
        assert db(np.sqrt(np.mean(pcm**2) / np.mean((narrow - coded) ** 2))) > 30.0


def test_silence_stays_silence_and_all_kinds_are_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = [Codec.sample(rng, tiny()) for _ in range(300)]
    assert {codec.kind for codec in drawn} == set(KINDS)
    assert not Codec(kind="gsm").apply(np.zeros(8000, np.float32), RATE_HZ).any()
    assert len(Codec(kind="mp3").apply(np.full(50, 0.1, np.float32), RATE_HZ)) == 50
