"""Near misses and warnings, on phonemes that are written out here; espeak's own come in test_voices_espeak.py."""

from __future__ import annotations

import numpy as np
import pytest

from synth.phonemes import Pronunciation, near_misses, warnings

COMPUTER = Pronunciation.of([["h", "'eI"], ["k", "@", "m", "p", "j", "'u:", "t", "3"]])
ATHENA = Pronunciation.of([["a", "T", "'i:", "n", "@"]])
LATIN = Pronunciation.of([["'O", "r", "D", "e", "n", "a"], ["s", "t", "'0", "p"], ["f", "l", "i:", "g", "u"]])


def found(phrase: Pronunciation, count: int = 60, seed: int = 0) -> list[Pronunciation]:
    return near_misses(phrase, [LATIN], count, np.random.default_rng(seed))


@pytest.mark.parametrize("phrase", [COMPUTER, ATHENA])
def test_no_near_miss_holds_the_phrase_and_none_comes_twice(phrase: Pronunciation) -> None:
    misses = found(phrase)
    assert len(set(misses)) == len(misses) == 60
    whole = "|".join(phrase.phonemes)
    assert not [m for m in misses if whole in "|".join(m.phonemes)]


def test_the_words_alone_and_the_ends_of_the_phrase_are_among_them() -> None:
    spoken = {m.spoken() for m in found(COMPUTER)}
    assert {"[[h|'eI]]", "[[k|@|m|p|j|'u:|t|3]]", "[[p|j|'u:|t|3]]"} <= spoken


def test_a_swallowed_last_syllable_is_still_the_word() -> None:
    assert "[[h|'eI k|@|m|p|j|'u:]]" not in {m.spoken() for m in found(COMPUTER, 200)}
    assert "[[a|T|'i:]]" not in {m.spoken() for m in found(ATHENA, 200)}


def test_a_single_sound_is_never_exchanged_for_one_that_is_easily_confused_with_it() -> None:
    for miss in found(ATHENA, 200):
        if (
            len(miss.phonemes) == len(ATHENA.phonemes)
            and miss.phonemes[0] == "a"
            and miss.phonemes[2:] == ["'i:", "n", "@"]
        ):
            assert miss.phonemes[1] not in ("t", "D", "s", "f", "d")


def test_the_same_seed_gives_the_same_near_misses_and_another_gives_others() -> None:
    assert found(COMPUTER, seed=3) == found(COMPUTER, seed=3) != found(COMPUTER, seed=4)


def test_one_syllable_has_near_misses_too() -> None:
    stop = Pronunciation.of([["s", "t", "'0", "p"]])
    assert len(found(stop, 20)) == 20


def test_a_short_phrase_and_a_common_one_are_warned_of_with_a_measure() -> None:
    stop = Pronunciation.of([["s", "t", "'0", "p"]])
    short, common = warnings(stop, {"do stop it": Pronunciation.of([["d", "u:"], ["s", "t", "0", "p"], ["I", "t"]])})
    assert short.startswith("short: 1 syllables of 4 sounds")
    assert common.startswith("common: 0% of its sounds differ from a part of 'do stop it'")
    assert warnings(COMPUTER, {"of no language": LATIN}) == []
