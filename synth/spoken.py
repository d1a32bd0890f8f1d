"""A folder of clips from nothing but the text of a phrase: spoken by eSpeak, over made-up noise.

This is what `wakeword train PHRASE` and `wakeword demo` start from when there are no recordings. Every tenth voice is
kept out of these clips: `unheard_scene` speaks with them, so that a model can be tried on voices it has not met.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from synth import noise
from synth.bank import cache_folder
from synth.phrases import SENTENCES, near_misses, nonsense
from synth.voices.espeak import FOREIGN, espeak_clips, voices
from wakeword.audio import db_to_gain, read, rms, speech_activity, write
from wakeword.clips import Event
from wakeword.errors import DataError

VERSION = 3  # raise it when the same phrase gives other clips
ACTIVATES, NEGATIVES = 400, 700
NEAR_MISS_TURNS = 4  # how often each is said while every other sentence is said once
BACKGROUND_S, BACKGROUND_RATE_HZ = 40.0, 16000
BABBLE_VOICES, BABBLES, NOISES = 6, 6, 4
SCENE_SLOT_S, SCENE_NOISE_DBFS, SCENE_SNR_DB = 3.5, -40.0, 10.0
Progress = Callable[[int, int], None]


def speak_clips(phrase: str, folder: str | Path | None = None, seed: int = 1, progress: Progress | None = None) -> Path:
    """Makes `activates/ negatives/ backgrounds/` for a phrase; sub-folders of the first two are voices.

    Default folder: in the user's cache, made once. Raises DataError for a phrase without letters or a folder that
    cannot be made, MissingExtraError without espeakng-loader. `progress(done, total)` counts the three kinds.
    """
    if not any(letter.isalpha() for letter in phrase):
        raise DataError(f"phrase: got {phrase!r}, expected words to say")
    name = hashlib.sha256(f"{VERSION} {seed} {phrase}".encode()).hexdigest()[:16]
    target = Path(folder) if folder else cache_folder() / "spoken" / name
    if target.is_dir() and any(target.iterdir()):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise DataError(f"{target.parent}: the spoken clips cannot be kept: {error.strerror or error}") from None
    try:
        _fill(work, phrase, seed, progress or (lambda done, total: None))
        if not target.exists() or not any(target.iterdir()):
            work.replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def speak_nonsense(folder: str | Path, count: int, seed: int = 1, languages: Sequence[str] = FOREIGN) -> None:
    """Writes `count` negatives of 3 to 7 words that do not exist, read by the rules and in the sounds of `languages`.

    Whoever has recordings of one language only can so make a model that other languages wake less often. A sub-folder
    is a voice. Raises what `espeak_clips` raises.
    """
    rng = np.random.default_rng([seed, 3])
    texts = [nonsense(rng, int(rng.integers(3, 8))) for _ in range(count)]
    espeak_clips(texts, folder, count, seed, voices(languages))


def unheard_scene(phrase: str, sample_rate_hz: int, words: int = 8, seed: int = 1) -> tuple[np.ndarray, list[Event]]:
    """A stream that no training has seen: the phrase and as many other sentences, in turn, in pink noise at 10 dB.

    Returns float32 [N] at `sample_rate_hz` and where the phrase is said. Voices, sentences' order and noise are new.
    """
    rng = np.random.default_rng([seed, 2])
    names = [name for name in voices() if _kept_out(name)]
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


def _kept_out(voice: str) -> bool:
    return zlib.crc32(voice.encode()) % 10 == 0


def _fill(work: Path, phrase: str, seed: int, progress: Progress) -> None:
    rng = np.random.default_rng(seed)
    progress(0, 3)
    heard = [name for name in voices() if not _kept_out(name)]
    espeak_clips([phrase], work / "activates", ACTIVATES, seed, heard)
    progress(1, 3)
    negatives = near_misses(phrase) * NEAR_MISS_TURNS + [text for text in SENTENCES if phrase.lower() not in text]
    espeak_clips(negatives, work / "negatives", NEGATIVES, seed + 1, heard)
    progress(2, 3)
    _write_backgrounds(work, rng)
    progress(3, 3)


def _write_backgrounds(work: Path, rng: np.random.Generator) -> None:
    """One sub-folder a kind of noise, so that whole kinds are set aside for validation."""
    samples, rate = round(BACKGROUND_S * BACKGROUND_RATE_HZ), BACKGROUND_RATE_HZ
    makers = {colour: lambda c=colour: noise.coloured(c, samples, rate, rng) for colour in noise.COLOURS_DB_PER_OCTAVE}
    makers |= {"hum": lambda: noise.hum(samples, rate, rng), "knocks": lambda: noise.knocks(samples, rate, rng)}
    for name, make in makers.items():
        for number in range(NOISES):
            write(work / "backgrounds" / name / f"{number}.wav", make(), rate)
    spoken = sorted((work / "negatives").rglob("*.wav"))
    for number in range(BABBLES):
        voices = [read(spoken[int(i)], rate) for i in rng.choice(len(spoken), BABBLE_VOICES, replace=False)]
        write(work / "backgrounds" / "babble" / f"{number}.wav", noise.babble(voices, samples, rng), rate)
