"""Texts -> wav files in one folder a voice, by whichever engine."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from synth.voices import DroppedClip, Spoken, SpokenClip, VoiceEngine, kokoro, length_problems
from synth.voices.command import CommandEngine
from synth.voices.espeak import espeak_clips
from synth.voices.piper import PiperEngine
from wakeword.audio import write
from wakeword.errors import DataError

ESPEAK, KOKORO = "espeak", "kokoro"


def open_voice(name: str, language: str = "en") -> VoiceEngine | None:
    """What a user may name as a voice, to speak a language; None for "espeak".

    That is "kokoro", the path of a Piper model or of a kokoro-*.onnx, or a command with {text} and {wav}. Raises
    DataError for anything else, and for what the engines refuse.
    """
    if name == ESPEAK:
        return None
    if name == KOKORO or (name.endswith(".onnx") and Path(name).name.startswith(KOKORO)):
        return kokoro.KokoroEngine(language, None if name == KOKORO else name)
    if "{" in name or " " in name.strip():
        return CommandEngine(name)
    if name.endswith(".onnx"):
        return PiperEngine(name)
    raise DataError(
        f"voice: got {name!r}, expected {ESPEAK!r}, {KOKORO!r}, a Piper model (.onnx) "
        "or a command with {text} and {wav}"
    )


def speak(
    texts: Sequence[str],
    folder: str | Path,
    count: int,
    seed: int,
    engines: Sequence[VoiceEngine | None],
    names: Sequence[str],
) -> Spoken:
    """Speaks `count` clips, the texts in turn, shared evenly among the engines, as folder/VOICE/NUMBER.wav.

    `names` are the voices that espeak (None among the engines) draws from. The same arguments give the same bytes with
    espeak, and with other engines if they always speak alike.
    """
    clips, dropped = [], []
    for number, engine in enumerate(engines):
        share = count // len(engines) + (number < count % len(engines))
        if not share:
            continue
        if engine is None:
            done = espeak_clips(texts, folder, share, seed, names)
        else:
            done = _speak_with(engine, texts, Path(folder), share, [seed, number])
        clips += done.clips
        dropped += done.dropped
    return Spoken(clips, dropped)


def _speak_with(engine: VoiceEngine, texts: Sequence[str], folder: Path, count: int, seed: list[int]) -> Spoken:
    rng = np.random.default_rng(seed)
    plan = [(texts[i % len(texts)], engine.draw(rng)) for i in range(count)]
    stem = f"{engine.name}{seed[-1]}_"  # two engines may give their voices one name
    paths = {i: folder / params.voice / f"{stem}{i:05d}.wav" for i, (_, params) in enumerate(plan)}

    def spoken(i: int) -> float:
        pcm = engine.speak(*plan[i])
        write(paths[i], pcm, engine.sample_rate_hz)
        return len(pcm) / engine.sample_rate_hz

    with ThreadPoolExecutor(engine.threads) as pool:
        lengths_s = dict(enumerate(pool.map(spoken, range(count))))
    problems = length_problems(lengths_s, {i: text for i, (text, _) in enumerate(plan)})
    for i in problems:
        paths[i].unlink()
    return Spoken(
        [SpokenClip(paths[i], *plan[i]) for i in range(count) if i not in problems],
        [DroppedClip(*plan[i], problems[i]) for i in sorted(problems)],
    )
