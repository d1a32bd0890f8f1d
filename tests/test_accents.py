"""Foreign accents: sounds that the other language has, and all of the phrase."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("espeakng_loader", reason="espeak's voices need the extra 'espeak'")

from synth import accents
from synth.accents import HOMES, Accents
from synth.phonemes import Pronunciation
from synth.voices.espeak import EspeakEngine, EspeakParams

PHRASES = ("hey computer", "think engine", "wildfire", "the other boy's measure")


@pytest.fixture(scope="module")
def english() -> EspeakEngine:
    return EspeakEngine(names=["en-us"])


def pronounced(engine: EspeakEngine, phrase: str) -> Pronunciation:
    return Pronunciation.of(engine.pronounce(phrase, "en-us"))


@pytest.mark.parametrize("phrase", PHRASES)
def test_every_language_says_the_whole_phrase(english: EspeakEngine, phrase: str) -> None:
    usual = len(english.speak(phrase, EspeakParams(voice="en-us")))
    said, rng = pronounced(english, phrase), np.random.default_rng(0)
    speaker, foreign = EspeakEngine(names=list(HOMES)), Accents()
    for home in HOMES:
        text = foreign.say(said, home, rng)
        assert text is not None, home
        spoken = len(speaker.speak(text, EspeakParams(voice=home)))
        assert 0.5 < spoken / usual < 1.6, (home, text)


def test_what_a_language_has_stays_and_what_it_lacks_becomes_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accents, "HABIT", 0.0)
    said = Pronunciation.of([["T", "'I", "t#", "3"]])
    rng = np.random.default_rng(0)
    assert Accents().say(said, "es", rng) == "[[T|'i|t|@|r]]"
    assert Accents().say(Pronunciation.of([["p", "a", "p", "a"]]), "es", rng) == "[[p|a|p|a]]"


def test_habits_are_kept_throughout_a_phrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accents, "HABIT", 1.0)
    text = Accents().say(Pronunciation.of([["w", "a", "w", "i:"]]), "de", np.random.default_rng(0))
    assert text is not None and "w" not in text and text.count("v") == 2


def test_a_sound_that_nobody_has_has_no_accent() -> None:
    assert Accents().say(Pronunciation.of([["!!", "a"]]), "de", np.random.default_rng(0)) is None


def test_the_same_seed_says_the_same(english: EspeakEngine) -> None:
    said = pronounced(english, "think engine")
    texts = [[Accents().say(said, home, np.random.default_rng(3)) for home in HOMES] for _ in range(2)]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) > 1
