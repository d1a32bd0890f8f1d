"""A stream that no training has seen, of voices that are kept out of it: what `wakeword demo` listens to."""

from __future__ import annotations

import tempfile

import numpy as np

from synth import noise
from synth.casting import kept_out
from synth.phrases import SENTENCES
from synth.voices.espeak import espeak_clips
from synth.voices.espeak_data import voices
from wakeword.audio import db_to_gain, read, rms, speech_activity
from wakeword.clips import Event

SCENE_SLOT_S, SCENE_NOISE_DBFS, SCENE_SNR_DB = 3.5, -40.0, 10.0


def unheard_scene(phrase: str, sample_rate_hz: int, words: int = 8, seed: int = 1) -> tuple[np.ndarray, list[Event]]:
    """A stream that no training has seen: the phrase and as many other sentences, in turn, in pink noise at 10 dB.

    Returns float32 [N] at `sample_rate_hz` and where the phrase is said. Voices, sentences' order and noise are new.
    """
    rng = np.random.default_rng([seed, 2])
    names = [name for name in voices() if kept_out(name)]
    slot = round(SCENE_SLOT_S * sample_rate_hz)
    pcm = noise.coloured("pink", slot * (2 * words + 1), sample_rate_hz, rng)
    pcm *= np.float32(db_to_gain(SCENE_NOISE_DBFS) / rms(pcm))
    texts = list(rng.permutation([text for text in SENTENCES if phrase.lower() not in text])[:words])
    said, events = [text for other in texts for text in (phrase, other)], []
    with tempfile.TemporaryDirectory() as folder:
        for number, clip in enumerate(espeak_clips(said, folder, len(said), seed + 2, names).clips):
            sound = read(clip.path, sample_rate_hz)[: slot - 1]
            level, _ = speech_activity(sound, sample_rate_hz)
            sound *= np.float32(db_to_gain(SCENE_NOISE_DBFS + SCENE_SNR_DB) / level)
            start = slot // 2 + number * slot + int(rng.integers(slot - len(sound)))
            pcm[start : start + len(sound)] += sound
            if clip.text == phrase:
                events.append(Event(kind="activate", label=phrase, start_sample=start, end_sample=start + len(sound)))
    return pcm, events
