"""What `enroll` learns from: few clips by espeak, and few examples made of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import import_module

from synth import Clips, open_clips
from synth.casting import Casting
from synth.spoken import FEW, speak_clips
from synth.workers import ordered_map
from wakeword.cli.presets import BRIEF_EXAMPLES
from wakeword.clips import Example
from wakeword.config import Config

TOGETHER = 60  # that are handed over at a time


def brief_examples(phrases: Sequence[str], config: Config, language: str, workers: int = 0) -> Iterator[Example]:
    """BRIEF_EXAMPLES as they are made. Clips are made first, in the user's cache (see `synth.spoken.speak_clips`)."""
    stretches = ((start, min(start + TOGETHER, BRIEF_EXAMPLES)) for start in range(0, BRIEF_EXAMPLES, TOGETHER))
    for made in ordered_map(_made, (tuple(phrases), config, language), stretches, workers):
        yield from made


def _made(told: tuple[tuple[str, ...], Config, str], start: int, stop: int) -> list[Example]:
    clips = _clips(*told)
    return [clips.example("train", number) for number in range(start, stop)]


@lru_cache(maxsize=1)
def _clips(phrases: tuple[str, ...], config: Config, language: str) -> Clips:
    # A quarter of a second of loading, in which espeak's processes can speak.
    threading.Thread(target=import_module, args=("scipy.fft",), daemon=True).start()
    folder = speak_clips(phrases, casting=Casting(language), amounts=FEW)
    return open_clips(folder, config, phrases, spoken=True)
