"""What people leave out: on phonemes that are written out here, and said by espeak in all its accents of English."""

from __future__ import annotations

from pathlib import Path

import pytest

from synth.casual import casual
from synth.phonemes import Pronunciation
from synth.spoken import PLENTY, reading, speak_clips


def ways(*words: str) -> list[str]:
    """The casual ways to say words that are written as phonemes with spaces between them."""
    return [said.spoken() for said in casual(Pronunciation.of([word.split() for word in words]))]


def test_an_l_becomes_a_vowel_only_where_none_follows_not_even_in_the_next_word() -> None:
    assert ways("m 'eI l", "b '0 k s") == ["[[m|'E|U b|'0|k|s]]"]
    assert ways("t 'E l", "'a l I s") == ways("h @ l 'oU") == ways("l 'aI t s") == []
    assert ways("b '0 t @L") == ["[[b|'0|t|U]]"]
    assert ways("b '0 t @L", "'E g") == []


def test_a_vowel_after_which_english_would_link_with_an_r_keeps_its_l() -> None:
    assert ways("k 'O: l", "m 'V m") == ways("w '3: l d") == []


def test_a_t_or_d_is_dropped_only_between_consonants_and_not_before_r_w_j_or_h() -> None:
    assert ways("n 'E k s t", "d 'eI") == ["[[n|'E|k|s d|'eI]]"]
    assert ways("s t r 'i: t") == ways("s 'E n t", "h 'oU m") == ways("h 'a n d") == ways("w 'I n d oU") == []


def test_a_full_vowel_without_stress_is_weakened_but_not_at_the_end_of_a_word_nor_in_a_short_one() -> None:
    assert ways("a T 'i: n @") == ["[[@|T|'i:|n|@]]"]
    assert ways("p @ t 'eI t oU") == ways("g oU", "h 'oU m") == ways("'a k t I2 v ,eI t") == []


def test_habits_go_together() -> None:
    assert ways("w 'aI l d f aI@") == ["[[w|'aI|l|f|aI@]]", "[[w|'aU|d|f|aI@]]", "[[w|'aU|f|aI@]]"]
    assert set(ways("v 0 l k 'eI n oU")) == {"[[v|@|l|k|'eI|n|oU]]", "[[v|0|U|k|'eI|n|oU]]"}


def test_what_would_be_left_of_a_short_word_is_no_way_to_say_it() -> None:
    assert ways("k 'u: l") == ways("f 'U l") == []
    assert casual(Pronunciation.of([["k"], ["t"], ["k", "'a"]])) == []


def test_an_l_before_a_glide_and_the_vowels_of_words_without_stress_stay_as_they_are() -> None:
    assert ways("w 'I l j @ m") == ways("0 n D @", "l 'aI t") == []


def test_a_phrase_without_any_has_one_way_to_be_said() -> None:
    assert ways("h 'eI", "k @ m p j 'u: t 3") == []


def test_espeak_says_all_of_it_in_every_accent_it_has_of_english() -> None:
    pytest.importorskip("espeakng_loader")
    said = reading("wildfire").ipa
    assert {"wˈaɪldfaɪə", "wˈaʊdfaɪə", "wˈaɪlfaɪə", "wˈaʊfaɪə", "wˈaʊfaɪɚ"} <= set(said)
    assert not [ipa for ipa in said if len(ipa) > len("wˈaɪldfaɪə")]  # nothing is spelled out
    assert len(reading("hey computer").ipa) < len(said)
    assert reading("wildfire", "es").ipa == ("wildfˈiɾe",)


def test_a_casual_way_is_not_how_another_phrase_of_the_model_is_read() -> None:
    pytest.importorskip("espeakng_loader")
    assert set(reading("code mode").ipa) <= set(reading("cold mode").ipa)
    assert not set(reading("code mode").ipa) & set(reading("cold mode", others=["code mode"]).ipa)


def test_a_phrase_is_learned_as_it_is_said_casually_too(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    folder = speak_clips("wildfire", tmp_path / "all")
    clips = list((folder / "activates").rglob("*.wav"))
    assert PLENTY.activates + PLENTY.casual < len(clips) <= PLENTY.activates + PLENTY.accented + PLENTY.casual


def test_a_phrase_that_one_accent_alone_says_casually_is_mostly_said_as_it_is_written(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    folder = speak_clips("hey london", tmp_path / "few")
    clips = list((folder / "activates").rglob("*.wav"))
    assert PLENTY.activates < len(clips) <= PLENTY.activates + PLENTY.accented + PLENTY.casual // 8
