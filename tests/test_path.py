"""Phones and the path through them, on posteriors that are written down by hand."""

import numpy as np
import pytest

from wakeword import path
from wakeword.errors import DataError
from wakeword.path import Paths, hearing_in
from wakeword.phones import BLANK, PHONES, phones

CAT, TACK = (phones(text) for text in ("kat", "tak"))


def heard(said: list[int], doubt: float = 0.01) -> np.ndarray:
    """Posteriors in which one phone a step is all but sure."""
    posteriors = np.full((len(said), len(PHONES)), doubt / (len(PHONES) - 1))
    posteriors[np.arange(len(said)), said] = 1.0 - doubt
    return posteriors


def path_scores(posteriors: np.ndarray, paths: Paths) -> np.ndarray:
    """Where each phone counts for itself alone."""
    return path.path_scores(posteriors, paths, hearing_in({}))


def test_a_phrase_scores_one_where_its_last_phone_is_heard_and_little_before() -> None:
    k, a, t = CAT
    scores = path_scores(heard([BLANK, k, BLANK, a, a, BLANK, t, BLANK]), Paths.of([[CAT]]))[:, 0]
    assert scores[6] == pytest.approx(1.0)
    assert scores[:6].max() < 0.2


def test_the_same_phones_in_another_order_are_not_the_phrase() -> None:
    assert path_scores(heard([BLANK, *TACK, BLANK]), Paths.of([[CAT]])).max() < 0.2


def test_with_doubt_a_phrase_costs_more_where_nothing_is_likely_and_nothing_where_it_is_sure() -> None:
    sure, unsure = heard([*CAT], 0.0), heard([*CAT], 0.9)  # then the likeliest phone of each step has a tenth
    paths, hearing = Paths.of([[CAT]]), hearing_in({})
    without, with_doubt = (
        [
            path.path_scores(posteriors, paths, hearing | {"doubt": np.array([doubt])}).max()
            for posteriors in (sure, unsure)
        ]
        for doubt in (0.0, 0.5)
    )
    assert without == pytest.approx([1.0, 1.0])
    assert with_doubt == pytest.approx([1.0, 0.1**0.5])


def test_one_wrong_phone_of_many_costs_less_than_one_of_few() -> None:
    long = phones("kəmpjutə")
    wrong_long = [*long[:3], phones("s")[0], *long[4:]]
    wrong_short = [CAT[0], phones("s")[0], CAT[2]]
    few = path_scores(heard(wrong_short), Paths.of([[CAT]])).max()
    many = path_scores(heard(wrong_long), Paths.of([[long]])).max()
    assert few < many < 1.0


def test_a_phrase_is_heard_after_other_speech_and_again() -> None:
    scores = path_scores(heard([*TACK, *TACK, *CAT, BLANK, *TACK, *CAT]), Paths.of([[CAT]]))[:, 0]
    assert list(np.flatnonzero(scores > 0.9)) == [8, 15]


def test_a_repeated_phone_needs_a_blank_between() -> None:
    k, a, t = CAT
    double = Paths.of([[(k, a, a, t)]])
    assert path_scores(heard([k, a, a, a, t]), double).max() < 0.5
    assert path_scores(heard([k, a, BLANK, a, t]), double).max() == pytest.approx(1.0)


def test_the_best_pronunciation_of_a_phrase_counts_and_phrases_stay_apart() -> None:
    scores = path_scores(heard([*CAT, BLANK]), Paths.of([[TACK, CAT], [TACK]]))
    assert scores.max(axis=0) == pytest.approx([1.0, scores[:, 1].max()])
    assert scores[:, 1].max() < 0.3


def test_a_phrase_of_two_sounds_is_refused() -> None:
    with pytest.raises(DataError, match="at least 3 sounds"):
        Paths.of([[(1, 2)]])


def test_every_ipa_sign_maps_to_known_phones_only() -> None:
    assert phones("ˈɹʁɲ̃ç") == phones("ɹɹnjx")
    assert phones("ɾ", english=False) == phones("ɹ")
    assert phones("ˈː ") == []
