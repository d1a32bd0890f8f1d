"""A folder of clips from nothing but the text of a phrase: spoken by synthetic voices, over made-up noise.

This is what `wakeword train PHRASE` and `wakeword demo` start from when there are no recordings. Every tenth voice is
kept out of these clips: `synth.unheard` speaks with them, so that a model can be tried on voices it has not met.
"""

from __future__ import annotations

import hashlib
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from synth import cache
from synth.accents import HOMES, Accents
from synth.backgrounds import write_backgrounds
from synth.casting import Casting, heard
from synth.casual import casual
from synth.phonemes import Pronunciation, near_misses, warnings
from synth.phrases import SENTENCES, nonsense
from synth.voices import Spoken
from synth.voices.espeak import EspeakEngine, espeak_clips, espeak_lines
from synth.voices.espeak_data import FOREIGN, accents, voices
from synth.voices.speaking import speak
from wakeword.errors import DataError

VERSION = 11  # raise it when the same phrase gives other clips
SLOW_ACTIVATES, SLOW_NEGATIVES, SLOW_MISSES = 300, 200, 160  # of all other engines' together
NEAR_MISSES = 80  # texts a phrase
NONSENSE_SENTENCES = 72  # as many as there are SENTENCES
ESPEAK_ALONE = Casting()
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Amounts:
    """How many clips espeak makes of each kind, and how many backgrounds there are, each so long."""

    activates: int = 600
    negatives: int = 500
    nonsense: int = 300
    accented: int = 100
    """Of a phrase, and as many of its near misses, in foreign accents."""
    casual: int = 400
    """Of a phrase, said casually, where that is different."""
    miss_turns: int = 6
    """How often each near miss is said."""
    background_s: float = 40.0
    noises: int = 4
    """Of each colour, of hum and of knocks."""
    babbles: int = 6
    pieces: int = 8


PLENTY, FEW = Amounts(), Amounts(100, 40, 30, 20, 50, 1, 8.0, 1, 1, 0)


def speak_phrase(phrase: str, folder: str | Path, count: int, seed: int = 1, casting: Casting = ESPEAK_ALONE) -> Spoken:
    """Says a phrase `count` times, as folder/VOICE/NUMBER.wav; the folder appears when all is said.

    Raises DataError if `folder` holds anything already or cannot be made, and what the engines raise.
    """
    _check_phrases([phrase], casting)
    target = Path(folder)
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise DataError(f"{folder}: got something that is there already, expected a new folder")
    with _unfinished(target) as work:
        spoken = speak(casting.texts(phrase), work, count, seed, casting.open(), casting.names())
    clips = [replace(clip, path=target / clip.path.relative_to(work)) for clip in spoken.clips]
    return Spoken(clips, spoken.dropped)


def phrase_warnings(phrase: str, language: str = "en") -> list[str]:
    """What speaks against a phrase as a wake word, measured on its phonemes; empty if nothing does."""
    _check_phrase(phrase)
    (said,), sentences = _pronounced([phrase], language)
    return warnings(said, sentences)


@dataclass(frozen=True)
class Reading:
    """How a phrase sounds: in the International Phonetic Alphabet, by accents and habits, and how long it takes."""

    ipa: tuple[str, ...]
    seconds: float


def reading(phrase: str, language: str = "en", others: Sequence[str] = ()) -> Reading:
    """A phrase as espeak reads it in all accents of a language, casually too; its length is that of the first one.

    Ways to say it that are how one of `others`, the other phrases of the same model, is read are left out.
    """
    _check_phrase(phrase)
    names = accents(language)
    engine = EspeakEngine(names=names)
    casually = {name: [way.spoken() for way in _casually(phrase, name, engine, others)] for name in names}
    texts = [(text, name) for name in names for text in (phrase, *casually[name])]
    return Reading(tuple(dict.fromkeys(engine.ipa(*one) for one in texts)), engine.seconds(phrase, names[0]))


def speak_clips(
    phrases: str | Sequence[str],
    folder: str | Path | None = None,
    seed: int = 1,
    progress: Progress | None = None,
    casting: Casting = ESPEAK_ALONE,
    amounts: Amounts = PLENTY,
) -> Path:
    """Makes `activates/ near_misses/ negatives/ backgrounds/` for a phrase; sub-folders of the first three are voices.

    With several phrases each has its own sub-folder of `activates/`, with its voices inside. `amounts` is how much of
    each kind. Default folder: in the user's cache, made once. Raises DataError for a phrase without letters or said
    twice, or a folder that cannot be made, MissingExtraError without espeakng-loader. `progress(done, total)` counts
    the three kinds.
    """
    wanted = [phrases] if isinstance(phrases, str) else list(phrases)
    _check_phrases(wanted, casting)
    told = f"{VERSION} {seed} {wanted} {casting.digest()}" + (f" {amounts}" if amounts != PLENTY else "")
    name = hashlib.sha256(told.encode()).hexdigest()[:16]
    target = Path(folder) if folder else cache.cache_folder() / cache.SPOKEN / name
    if not (target.is_dir() and any(target.iterdir())):
        with _unfinished(target) as work:
            _fill(work, wanted, seed, casting, amounts, progress or (lambda done, total: None))
    if folder is None and (noted := cache.opened(target)):
        noted.close()
    return target


@contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """A folder beside the target that takes its place in the end, unless somebody else's is there by then."""
    try:
        work = cache.unfinished(target)
    except OSError as error:
        raise DataError(f"{target.parent}: the spoken clips cannot be kept: {error.strerror or error}") from None
    try:
        yield work
        if not target.exists() or not any(target.iterdir()):
            work.replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def speak_nonsense(folder: str | Path, count: int, seed: int = 1, languages: Sequence[str] = FOREIGN) -> None:
    """Writes `count` negatives of 3 to 7 words that do not exist, read by the rules and in the sounds of `languages`.

    Whoever has recordings of one language only can so make a model that other languages wake less often. A sub-folder
    is a voice. Raises what `espeak_clips` raises.
    """
    rng = np.random.default_rng([seed, 3])
    texts = [nonsense(rng, int(rng.integers(3, 8))) for _ in range(count)]
    espeak_clips(texts, folder, count, seed, voices(languages))


def _check_phrase(phrase: str) -> None:
    if "[[" in phrase or not any(letter.isalpha() for letter in phrase):
        raise DataError(f"phrase: got {phrase!r}, expected words to say")


def _check_phrases(phrases: Sequence[str], casting: Casting) -> None:
    for phrase in phrases:
        for text in casting.written(phrase):
            _check_phrase(text)
        if len(phrases) > 1 and any(mark in phrase for mark in '<>:"/\\|?*'):
            raise DataError(f'phrase: got {phrase!r} as one of several, expected none of the signs < > : " / \\ | ? *')
    said = [text.casefold() for phrase in phrases for text in casting.written(phrase)]
    if len(set(said)) < len(said):
        raise DataError(f"phrase: got {said}, expected different ones")
    for whose, text in casting.spellings:
        if whose not in phrases:
            raise DataError(f"spelling: got {text!r} for {whose!r}, expected one of the phrases {list(phrases)}")


def _pronounced(phrases: Sequence[str], language: str) -> tuple[list[Pronunciation], dict[str, Pronunciation]]:
    """The phrases, and ordinary speech they might be heard in, as espeak's main voice of the language reads them."""
    voice = accents(language)[0]
    engine = EspeakEngine(names=[voice])
    said = [Pronunciation.of(engine.pronounce(phrase, voice)) for phrase in phrases]
    for phrase, pronunciation in zip(phrases, said, strict=True):
        if not pronunciation.phonemes:
            raise DataError(f"phrase: got {phrase!r}, in which {language!r} reads no sound, expected words to say")
    return said, {text: Pronunciation.of(engine.pronounce(text, voice)) for text in _sentences(phrases, language)}


def _sentences(phrases: Sequence[str], language: str) -> list[str]:
    """English ones; for other languages words that do not exist, read by that language's rules."""
    if language == "en":
        return [text for text in SENTENCES if not any(phrase.lower() in text for phrase in phrases)]
    rng = np.random.default_rng(zlib.crc32(language.encode()))
    return [nonsense(rng, int(rng.integers(2, 7))) for _ in range(NONSENSE_SENTENCES)]


def _casually(phrase: str, accent: str, engine: EspeakEngine, others: Sequence[str]) -> list[Pronunciation]:
    """How an accent of English says a phrase casually, but as it reads none of the others; another language: none."""
    if accent not in accents():
        return []
    taken = {Pronunciation.of(engine.pronounce(other, accent)) for other in others}
    return [way for way in casual(Pronunciation.of(engine.pronounce(phrase, accent))) if way not in taken]


def _fill(
    work: Path, phrases: Sequence[str], seed: int, casting: Casting, amounts: Amounts, progress: Progress
) -> None:
    rng = np.random.default_rng(seed)
    progress(0, 3)
    engines, names = casting.open(), casting.names()
    slow = [engine for engine in engines if engine is not None]
    written = {phrase: casting.written(phrase) for phrase in phrases}
    said, sentences = _pronounced([text for texts in written.values() for text in texts], casting.language)
    sounds, foreign_accents, ways = iter(said), _ForeignAccents(casting.language, rng), _all_casually(phrases, casting)
    for phrase in phrases:
        folder = work / "activates" / phrase if len(phrases) > 1 else work / "activates"
        said_slowly = casting.share(SLOW_ACTIVATES if None in engines else amounts.activates) if slow else 0
        speak(casting.texts(phrase), folder, said_slowly, seed, slow, names)
        own = [next(sounds) for _ in written[phrase]]
        if None in engines:
            speak(casting.texts(phrase), folder, max(1, amounts.activates - said_slowly), seed, [None], names)
            espeak_lines(foreign_accents.lines(own, amounts.accented), folder, seed + 3)
            lines = _casual_lines(ways[phrase], casting, amounts.casual)
            espeak_lines(lines, folder, seed + 4, first=amounts.activates)
    progress(1, 3)
    casually = dict.fromkeys(way for found in ways.values() for way, _ in found)
    misses = _misses(said, list(sentences.values()), casually, rng)
    turns = len(misses) * amounts.miss_turns
    espeak_clips([miss.spoken() for miss in misses], work / "near_misses", turns, seed + 1, names)
    espeak_lines(foreign_accents.lines(misses, amounts.accented * len(phrases)), work / "near_misses", seed + 3)
    espeak_clips(list(sentences), work / "negatives", amounts.negatives, seed + 1, names)
    if slow:  # whom the phrases are heard from, ordinary speech must be heard from too
        words = {word for phrase in phrases for word in phrase.split()} - set(phrases)
        texts = [*sorted(words), *sentences]
        speak(texts, work / "negatives", casting.share(SLOW_NEGATIVES), seed + 1, slow, names)
    if fluent := [engine for engine in slow if engine.reads_phonemes]:
        speak([miss.spoken() for miss in misses], work / "near_misses", casting.share(SLOW_MISSES), seed, fluent, names)
    foreign = [language for language in FOREIGN if language not in accents(casting.language)]
    speak_nonsense(work / "negatives", amounts.nonsense, seed, foreign)
    progress(2, 3)
    write_backgrounds(work, rng, amounts.background_s, amounts.noises, amounts.babbles, amounts.pieces)
    progress(3, 3)


def _misses(
    said: Sequence[Pronunciation],
    sentences: Sequence[Pronunciation],
    casually: Iterable[Pronunciation],
    rng: np.random.Generator,
) -> list[Pronunciation]:
    """What only sounds like one of the phrases, and holds none of them, however it is said."""
    found = [miss for one in said for miss in near_misses(one, sentences, NEAR_MISSES, rng)]
    return [miss for miss in found if not any(miss.holds(other) for other in (*said, *casually))]


def _all_casually(phrases: Sequence[str], casting: Casting) -> dict[str, list[tuple[Pronunciation, str]]]:
    """Of each phrase, in all its spellings, the casual ways to say it, each with its accent."""
    names = accents(casting.language)
    engine = EspeakEngine(names=names)
    found = {}
    for phrase in phrases:
        others = casting.written_others(phrase, phrases)
        spoken = [(text, name) for text in casting.written(phrase) for name in names]
        found[phrase] = [(way, name) for text, name in spoken for way in _casually(text, name, engine, others)]
    return found


def _casual_lines(
    ways: Sequence[tuple[Pronunciation, str]], casting: Casting, most: int
) -> list[tuple[str, Sequence[str]]]:
    """Up to `most` texts, the ways in turn, each with the voices of its accent: fewer where few accents have any."""
    names = accents(casting.language)
    count = most * len({accent for _, accent in ways}) // len(names)
    voices_of = {name: heard([name]) for name in names}
    return [(way.spoken(), voices_of[accent]) for way, accent in islice(cycle(ways), count)]


class _ForeignAccents:
    """Draws, for each thing to say, a language that it is said in the accent of."""

    def __init__(self, language: str, rng: np.random.Generator) -> None:
        homes = [home for home in HOMES if home not in accents(language)]
        self._voices, self._accents, self._rng = {home: heard([home]) for home in homes}, Accents(homes), rng

    def lines(self, said: Sequence[Pronunciation], count: int) -> list[tuple[str, Sequence[str]]]:
        """`count` texts, each with the voices for it: of the pronunciations in turn; fewer where a sound is lacking."""
        homes = [list(self._voices)[int(i)] for i in self._rng.integers(len(self._voices), size=count)]
        texts = [self._accents.say(said[i % len(said)], home, self._rng) for i, home in enumerate(homes)]
        return [(text, self._voices[home]) for text, home in zip(texts, homes, strict=True) if text]
