"""A phrase as speakers of other languages say it: its phonemes, as far as their own language has them.

A learner says `v` or `s` where a language has no `w` or no `T`, full vowels where English swallows them, and everything
in the sounds of home. espeak has those sounds: a pronunciation, given to the voice of another language phoneme by
phoneme, comes out in that language's own. What the other language lacks altogether, and espeak would stop at, is put
into the nearest sound that it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np

from synth.phonemes import STRESS, Pronunciation, is_vowel
from synth.voices.espeak import EspeakEngine, EspeakParams

# Much spoken ones, of many families, each with most sounds of English or something near them.
HOMES = (
    "ar", "bn", "de", "el", "es", "fa", "fr", "hi", "id", "it", "ml", "nl", "pl", "pt-br", "ru", "sv", "ta", "te", "th",
    "tr", "ur", "vi",
)  # fmt: skip
TAIL = "a|t|a|t|a"  # what every language can say
HABIT = 1 / 3  # share of speakers who have a habit, each for himself
HABITS = {
    "T": ("t", "s", "f"), "D": ("d", "z"), "w": ("v",), "v": ("w", "b"), "z": ("s",), "Z": ("S", "z"), "h": ("x",),
    "dZ": ("Z", "d z"), "N": ("n g",), "a": ("e", "E"), "V": ("a", "o"), "I": ("i",), "U": ("u",), "@": ("a", "e"),
    "3": ("e r", "a"), "eI": ("e",), "oU": ("o",),
}  # fmt: skip
# What only English makes of a sound, and no learner knows of.
ALLOPHONES = {
    "t#": "t", "t2": "t", "d#": "d", "r-": "r", "I2": "I", "I#": "I", "a#": "@", "@2": "@", "@5": "@", "O2": "O",
    "@L": "@ l", "3:": "3", "i@3": "i@", "aI3": "aI @", "aI@": "aI @", "A:": "A", "aa": "a",
}  # fmt: skip
# By the first letter of a mnemonic, or all of it: what comes nearest, the nearest first. A space parts two sounds.
NEAREST = {
    "0": ("O", "o", "a"), "O": ("o", "O", "0"), "o": ("o", "O"), "a": ("a", "aa", "A", "E"), "A": ("aa", "a", "A"),
    "V": ("a", "@"), "3": ("@ r", "e r", "a r", "E r", "@ R", "a R", "a"), "@": ("@", "e", "a"), "E": ("e", "E"),
    "e": ("e", "E"), "I": ("i", "I", "i:"), "i": ("i", "i:", "I"), "U": ("u", "u:", "o"), "u": ("u", "u:", "U"),
    "aI": ("a i", "a j"), "aU": ("a u", "a w"), "eI": ("e i", "e"), "oU": ("o u", "o"), "OI": ("o i", "O i", "o j"),
    "A@": ("a r", "a R"), "O@": ("o r", "o R"), "o@": ("o r", "o R"), "e@": ("e r", "e R"), "i@": ("i a", "i @"),
    "U@": ("u a", "u @"), "O:": ("o:", "o", "O"), "u:": ("u:", "u"), "i:": ("i:", "i"),
    "T": ("t", "s"), "D": ("d", "z"), "w": ("v", "u"), "v": ("w", "b", "f"), "z": ("s",), "Z": ("z", "S", "s"),
    "S": ("s",), "d": ("d",), "dZ": ("d Z", "d z", "Z"), "tS": ("t S", "t s"), "t": ("t",), "r": ("r", "R", "*", "l"),
    "j": ("i",), "h": ("x", "H"), "N": ("n g", "n"), "g": ("k",), "p": ("b",), "b": ("p",), "f": ("p",), "k": ("k",),
    "l": ("l", "r"), "m": ("m",), "n": ("n",), "s": ("s",),
}  # fmt: skip


class Accents:
    """Foreign accents of espeak. Holds what each language was found to have."""

    def __init__(self, homes: Sequence[str] = HOMES) -> None:
        self._engine = EspeakEngine(names=list(homes))
        self._known: dict[tuple[str, str], bool] = {}
        self._tails: dict[str, int] = {}

    def say(self, phrase: Pronunciation, home: str, rng: np.random.Generator) -> str | None:
        """The text that makes a voice of the language `home` say the phrase; None if it has no way to.

        Each speaker has some of the habits of learners, and keeps to them throughout.
        """
        habits = {sound: others for sound, others in HABITS.items() if rng.random() < HABIT}
        words = []
        for word in phrase.words:
            said = [self._sounds(phoneme, home, habits, rng) for syllable in word for phoneme in syllable]
            if any(sounds is None for sounds in said):
                return None
            words.append("|".join(sound for sound, _ in groupby(sound for sounds in said for sound in sounds or ())))
        return f"[[{' '.join(words)}]]"

    def _sounds(
        self, phoneme: str, home: str, habits: dict[str, tuple[str, ...]], rng: np.random.Generator
    ) -> list[str] | None:
        plain = phoneme.lstrip(STRESS)
        stress, found = phoneme[: len(phoneme) - len(plain)], []
        for sound in ALLOPHONES.get(plain, plain).split():
            usual = list(rng.permutation(habits.get(sound, ())))
            choices = [*usual, sound, *NEAREST.get(sound, ()), *NEAREST.get(sound[:1], ())]
            chosen = next((c.split() for c in choices if all(self._has(home, part) for part in c.split())), None)
            if chosen is None:
                return None
            found += chosen
        return _stressed(found, stress)

    def _has(self, home: str, sound: str) -> bool:
        """Whether a language has a sound: espeak says nothing more from the first one on that it does not know."""
        if (home, sound) not in self._known:
            self._known[home, sound] = self._samples(home, f"{sound}|t|{TAIL}") > self._alone(home)
        return self._known[home, sound]

    def _alone(self, home: str) -> int:
        if home not in self._tails:
            self._tails[home] = self._samples(home, TAIL)
        return self._tails[home]

    def _samples(self, home: str, text: str) -> int:
        return len(self._engine.speak(f"[[{text}]]", EspeakParams(voice=home)))


def _stressed(sounds: Iterable[str], stress: str) -> list[str]:
    """The stress goes to the first vowel."""
    marked = []
    for sound in sounds:
        marked.append(stress + sound if stress and is_vowel(sound) else sound)
        stress = "" if is_vowel(sound) else stress
    return marked
