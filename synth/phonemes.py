"""What sounds like a phrase but is not it, worked out on its phonemes, in any language that espeak can read.

A pronunciation is espeak's: mnemonics of one or more characters, stress marks in front (', ,). Nothing here depends on
the language but for two rough classes that its mnemonics share: what begins like a vowel is one, and the rest are
stops, hisses, nasals or glides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

STRESS = "',%="
VOWELS = "aeiouyAEIOUYVQ03@&"
SIMILAR = (
    *("aAV&@3", "eEaI&", "iIyYe", "oO0Q", "uUoy", "@3"),
    *("pbf", "tdTDs", "kgqcJ?", "fvTDszSZ", "xXhHGCkR", "vwb", "mnNM", "lrRwj"),
)
"""First letters of mnemonics that a foreigner, a child or a telephone may confuse: never put for one another."""
REDUCED = "@3"  # vowels that people swallow: "comp'ter" is still the word
SHORT_PHONEMES, SHORT_SYLLABLES = 6, 3
TRIES = 50

Syllable = tuple[str, ...]


@dataclass(frozen=True)
class Pronunciation:
    """A phrase as words of syllables of phonemes.

    >>> said = Pronunciation.of([["h", "'eI"], ["k", "@", "m", "p", "j", "'u:", "t", "3"]])
    >>> said.words
    ((('h', "'eI"),), (('k', '@', 'm'), ('p', 'j', "'u:"), ('t', '3')))
    >>> said.spoken()
    "[[h|'eI k|@|m|p|j|'u:|t|3]]"
    """

    words: tuple[tuple[Syllable, ...], ...]

    @classmethod
    def of(cls, words: Sequence[Sequence[str]]) -> Pronunciation:
        """From the phonemes of each word. A syllable takes all consonants before its vowel but the first of several."""
        return cls(tuple(_syllables(word) for word in words if word))

    @property
    def syllables(self) -> list[Syllable]:
        return [syllable for word in self.words for syllable in word]

    @property
    def phonemes(self) -> list[str]:
        return [phoneme for syllable in self.syllables for phoneme in syllable]

    def spoken(self) -> str:
        """The text that makes espeak say just this."""
        return "[[" + " ".join("|".join(p for s in word for p in s) for word in self.words) + "]]"

    def holds(self, other: Pronunciation) -> bool:
        """Whether all of another phrase is in this one, but for sounds that are easily confused."""
        said, wanted = self.phonemes, other.phonemes
        starts = range(len(said) - len(wanted) + 1)
        return any(all(map(_similar, said[at:], wanted)) for at in starts)

    def with_syllables(self, syllables: Sequence[Syllable]) -> Pronunciation:
        """The same with other syllables in its words' places; what is left over belongs to the last word."""
        words, at = [], 0
        for number, word in enumerate(self.words):
            end = len(syllables) if number == len(self.words) - 1 else at + len(word)
            words.append(tuple(syllables[at:end]))
            at = end
        return Pronunciation(tuple(word for word in words if word))


def near_misses(
    phrase: Pronunciation, others: Sequence[Pronunciation], count: int, rng: np.random.Generator
) -> list[Pronunciation]:
    """Up to `count` different pronunciations that a listener must not take for the phrase.

    Its words alone, its beginnings and ends; a syllable dropped, said twice, exchanged with the next or replaced by one
    of `others` (ordinary speech of the language); a quarter of its sounds put for quite different ones; and the phrase,
    its first sound changed, as the end of a longer word. Nothing is put AFTER it: a listener that fires as the word
    ends cannot know what will follow. Sounds that are easily confused are never exchanged, and swallowed vowels not
    dropped: people who say the phrase so mean it.
    """
    found = dict.fromkeys(_parts(phrase))
    inventory = [syllable for other in others for syllable in other.syllables]
    changes = (_dropped, _repeated, _swapped, _replaced, _substituted, _substituted, _prefixed)
    for turn in range(TRIES * count):
        if len(found) >= count:
            break
        changed = changes[turn % len(changes)](phrase.syllables, inventory, rng)
        if changed and not (miss := phrase.with_syllables(changed)).holds(phrase):
            found[miss] = None
    return list(found)[:count]


def warnings(phrase: Pronunciation, sentences: dict[str, Pronunciation]) -> list[str]:
    """What speaks against a phrase as a wake word, with the measure that says so; empty if nothing does."""
    found = []
    phonemes, syllables = len(phrase.phonemes), len(phrase.syllables)
    if phonemes < SHORT_PHONEMES or syllables < SHORT_SYLLABLES:
        found.append(
            f"short: {syllables} syllables of {phonemes} sounds, expected at least {SHORT_SYLLABLES} of "
            f"{SHORT_PHONEMES}: the shorter, the more often ordinary speech holds something like it"
        )
    nearest, distance = None, 1.0
    for text, sentence in sentences.items():
        share = _nearest_stretch(phrase.phonemes, sentence.phonemes) / phonemes
        if share < distance:
            nearest, distance = text, share
    if nearest is not None and distance <= 1 / 3:
        found.append(
            f"common: {distance:.0%} of its sounds differ from a part of {nearest!r}, expected more than a third"
        )
    return found


def is_vowel(phoneme: str) -> bool:
    """Whether a mnemonic is the core of a syllable.

    >>> [is_vowel(p) for p in ("'eI", "3", "t#", "@L", "D")]
    [True, True, False, True, False]
    """
    return phoneme.lstrip(STRESS)[:1] in tuple(VOWELS)


def _syllables(word: Sequence[str]) -> tuple[Syllable, ...]:
    cores = [at for at, phoneme in enumerate(word) if is_vowel(phoneme)]
    if not cores:
        return (tuple(word),)
    cuts = [0]
    for left, right in pairwise(cores):
        consonants = right - left - 1
        cuts.append(left + 1 + (1 if consonants > 1 else 0))
    return tuple(tuple(word[a:b]) for a, b in pairwise([*cuts, len(word)]))


def _parts(phrase: Pronunciation) -> list[Pronunciation]:
    """Its words alone, and its beginnings and ends of at least a third of its syllables."""
    words = [Pronunciation((word,)) for word in phrase.words] if len(phrase.words) > 1 else []
    syllables = phrase.syllables
    shortest = max(1, round(len(syllables) / 3))
    ends = [Pronunciation((tuple(syllables[-n:]),)) for n in range(shortest, len(syllables))]
    lengths = [n for n in range(shortest, len(syllables)) if not _slurred(syllables[n:])]
    starts = [phrase.with_syllables(syllables[:n]) for n in lengths]
    return list(dict.fromkeys([*words, *ends, *starts]))


def _slurred(syllables: Sequence[Syllable]) -> bool:
    """Whether people leave these out and still mean the word."""
    return all(any(p.lstrip(STRESS)[:1] in tuple(REDUCED) for p in syllable) for syllable in syllables)


def _dropped(syllables: list[Syllable], _: list[Syllable], rng: np.random.Generator) -> list[Syllable] | None:
    at = int(rng.integers(len(syllables)))
    return None if len(syllables) == 1 or _slurred([syllables[at]]) else syllables[:at] + syllables[at + 1 :]


def _repeated(syllables: list[Syllable], _: list[Syllable], rng: np.random.Generator) -> list[Syllable] | None:
    """Not the last one: until then the whole phrase has been said, and has woken the device."""
    if len(syllables) == 1:
        return None
    at = int(rng.integers(len(syllables) - 1))
    return syllables[: at + 1] + syllables[at:]


def _swapped(syllables: list[Syllable], _: list[Syllable], rng: np.random.Generator) -> list[Syllable] | None:
    if len(syllables) == 1:
        return None
    at = int(rng.integers(len(syllables) - 1))
    return [*syllables[:at], syllables[at + 1], syllables[at], *syllables[at + 2 :]]


def _replaced(syllables: list[Syllable], inventory: list[Syllable], rng: np.random.Generator) -> list[Syllable] | None:
    at = int(rng.integers(len(syllables)))
    return [*syllables[:at], inventory[int(rng.integers(len(inventory)))], *syllables[at + 1 :]]


def _prefixed(syllables: list[Syllable], inventory: list[Syllable], rng: np.random.Generator) -> list[Syllable] | None:
    changed = _changed_sound(syllables[0], 0, inventory, rng)
    return None if changed is None else [inventory[int(rng.integers(len(inventory)))], changed, *syllables[1:]]


def _substituted(
    syllables: list[Syllable], inventory: list[Syllable], rng: np.random.Generator
) -> list[Syllable] | None:
    """A quarter of its sounds: one in ten would be a listener's ear for accents, not for the word."""
    changed = list(syllables)
    for _ in range(max(1, round(sum(map(len, syllables)) / 4))):
        at = int(rng.integers(len(syllables)))
        other = _changed_sound(changed[at], int(rng.integers(len(changed[at]))), inventory, rng)
        if other is None:
            return None
        changed[at] = other
    return changed


def _changed_sound(syllable: Syllable, at: int, inventory: list[Syllable], rng: np.random.Generator) -> Syllable | None:
    """A vowel for a quite different vowel, or a consonant for a quite different consonant, of the same stress."""
    sound = syllable[at]
    if is_vowel(sound) and _slurred([(sound,)]):
        return None
    mark = sound[: len(sound) - len(sound.lstrip(STRESS))]
    for _ in range(TRIES):
        donor = inventory[int(rng.integers(len(inventory)))]
        other = donor[int(rng.integers(len(donor)))].lstrip(STRESS)
        if is_vowel(other) == is_vowel(sound) and not _similar(other, sound) and other[:1] not in REDUCED:
            return (*syllable[:at], mark + other, *syllable[at + 1 :])
    return None


def _similar(one: str, other: str) -> bool:
    first, second = (phoneme.lstrip(STRESS)[:1] for phoneme in (one, other))
    return first == second or any(first in letters and second in letters for letters in SIMILAR)


def _nearest_stretch(phrase: Sequence[str], sentence: Sequence[str]) -> int:
    """Fewest sounds to change, add or leave out to turn some stretch of the sentence into the phrase (Sellers 1980)."""
    plain = [p.lstrip(STRESS) for p in phrase]
    column = list(range(len(plain) + 1))
    best = column[-1]
    for sound in (p.lstrip(STRESS) for p in sentence):
        before, column = column, [0]
        for at, wanted in enumerate(plain, 1):
            column.append(min(before[at] + 1, column[at - 1] + 1, before[at - 1] + (sound != wanted)))
        best = min(best, column[-1])
    return best
