"""A wake word without a network: it hears one tone, and a folder of recordings in which that tone is counted."""

import numpy as np

from wakeword.evaluate import evaluate
from wakeword.sections import DetectorConfig

RATE, STEP = 16000, 320
WORD_HZ, OTHER_HZ = 1000.0, 400.0


class ToneWord:
    """Scores the share of 1 kHz in a step's energy; quieter than -50 dBFS is nothing. Its memory is one step long."""

    sample_rate_hz, step_samples, warmup_steps = RATE, STEP, 2
    phrases = ("beep", "boop")
    detector_configs = (DetectorConfig(threshold=0.5, smoothing_steps=3, refractory_steps=25, rearm_ratio=0.5),) * 2

    def scores(self, pcm):
        frames = pcm[: len(pcm) // STEP * STEP].reshape(-1, STEP)
        power = np.abs(np.fft.rfft(frames * np.hanning(STEP))) ** 2
        share = power[:, 18:23].sum(axis=1) / (power.sum(axis=1) + 1e-9)
        share = np.where(np.square(frames).mean(axis=1) > 1e-5, 0.98 * share, 0.0)
        share = 0.7 * share + 0.3 * np.concatenate([[0.0], share[:-1]])
        return np.arange(1, len(frames) + 1) * STEP / RATE, np.stack([share, 0 * share], axis=1).astype(np.float32)


def tone(hz, seconds=0.5, level=0.2):
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def silence(seconds):
    return np.zeros(round(seconds * RATE), np.float32)


def hiss(seconds, level=0.01, seed=0):
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def run(folders, **options):
    return evaluate(ToneWord(), folders / "positives", folders / "negatives", **options)
