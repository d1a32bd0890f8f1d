"""Who speaks the clips that a phrase is learned from, how it is written, and how often each says it."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.phrases import manners
from synth.voices import VoiceEngine
from synth.voices.espeak_data import accents, voices
from synth.voices.speaking import ESPEAK, open_voice

BRIEF = 4  # so many times fewer clips of the engines that take their time


@dataclass(frozen=True)
class Casting:
    """Who speaks: a language of espeak, and engines by name (see `synth.voices.speaking.open_voice`).

    `spellings` are pairs of a phrase and another way to write it, for names that engines misread and words that people
    say in several ways: what sounds like any of them is the phrase. `brief` lets engines that are slower than espeak
    say less.
    """

    language: str = "en"
    engines: tuple[str, ...] = (ESPEAK,)
    spellings: tuple[tuple[str, str], ...] = ()
    brief: bool = False

    def names(self) -> list[str]:
        """The language's espeak voices but those that are kept out of training."""
        return heard(accents(self.language))

    def written(self, phrase: str) -> list[str]:
        """The phrase and its other spellings."""
        return [phrase, *(text for whose, text in self.spellings if whose == phrase)]

    def written_others(self, phrase: str, phrases: Sequence[str]) -> list[str]:
        """All that is written for the others of the phrases."""
        return [text for other in phrases if other != phrase for text in self.written(other)]

    def texts(self, phrase: str) -> list[str]:
        """What the voices are given to say, in turn."""
        return [manner for text in self.written(phrase) for manner in manners(text)]

    def open(self) -> list[VoiceEngine | None]:
        return [open_voice(name, self.language) for name in self.engines]

    def share(self, count: int) -> int:
        """How many of `count` clips the engines that are slow are given to say."""
        return max(1, count // BRIEF) if self.brief else count

    def digest(self) -> str:
        """Of what the engines are, files by their content."""
        files = [Path(name) for name in self.engines if Path(name).suffix == ".onnx"]
        contents = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]
        brief = self.brief and set(self.engines) != {ESPEAK}
        return repr((self.language, self.engines, self.spellings, contents, brief))


def heard(languages: Sequence[str]) -> list[str]:
    """espeak's voices of languages but those that are kept out of training."""
    return [name for name in voices(languages) if not kept_out(name)]


def kept_out(voice: str) -> bool:
    """Whether one of espeak's voices is never trained on."""
    return zlib.crc32(voice.encode()) % 10 == 0
