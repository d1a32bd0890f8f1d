"""Which phones count for which, measured on posteriors that are written down by hand."""

import numpy as np
import pytest

from wakeword.likeness import BLANKS, DOUBT, LEAST_OFTEN, PACE, SHARE, SHARE_OF_NOTHING, loudest_steps, measured_hearing
from wakeword.path import Paths, hearing_in, path_scores
from wakeword.phones import BLANK, PHONES, phones

K, A, T = phones("kat")
(S,) = phones("s")


def heard(steps: list[dict[int, float]]) -> np.ndarray:
    """Posteriors [T, S] of steps, in each of which some phones have probabilities and the others share the rest."""
    posteriors = np.zeros((len(steps), len(PHONES)))
    for row, said in zip(posteriors, steps, strict=True):
        row[:] = (1.0 - sum(said.values())) / (len(PHONES) - len(said))
        row[list(said)] = list(said.values())
    return posteriors


def test_phones_are_found_where_they_are_loudest_in_their_order() -> None:
    posteriors = heard([{BLANK: 0.9}, {K: 0.6}, {K: 0.9}, {A: 0.8}, {BLANK: 0.9}, {A: 0.7}, {T: 0.2, BLANK: 0.7}])
    assert loudest_steps(posteriors, [K, A, A, T]) == [(2, K), (3, A), (5, A), (6, T)]


def test_a_recording_that_is_too_short_for_its_phones_gives_nothing() -> None:
    assert loudest_steps(heard([{K: 0.9}, {A: 0.9}]), [K, A, T]) == []
    assert loudest_steps(heard([{A: 0.9}, {A: 0.9}]), [A, A]) == []  # which needs a blank between


def test_what_is_heard_for_a_phone_counts_for_it_and_a_blank_little() -> None:
    """Where a t was said, half as much s was heard as t, and as much of nothing as of t."""
    recording = heard([{K: 0.9}, {A: 0.9}, {T: 0.4, S: 0.2, BLANK: 0.4}])
    measured = measured_hearing([(recording, [K, A, T])] * LEAST_OFTEN, len(PHONES))
    likeness = measured["likeness"]
    assert likeness[S, T] == pytest.approx(SHARE * 0.25)
    assert likeness[BLANK, T] == pytest.approx(SHARE_OF_NOTHING * BLANKS)
    assert likeness[T, T] == likeness[S, S] == 1.0
    assert likeness[T, S] == 0.0  # s was never said
    assert likeness[BLANK, BLANK] == pytest.approx(BLANKS)
    assert measured["pace"] == pytest.approx([PACE])
    assert measured["doubt"] == pytest.approx([DOUBT])
    assert likeness.max() <= 1.0


def test_a_phone_that_was_seldom_said_counts_for_itself_alone() -> None:
    recording = heard([{K: 0.9}, {A: 0.9}, {T: 0.4, S: 0.2}])
    likeness = measured_hearing([(recording, [K, A, T])] * (LEAST_OFTEN - 1), len(PHONES))["likeness"]
    assert likeness[S, T] == 0.0


def test_a_path_forgives_the_mistakes_that_were_measured_and_no_others() -> None:
    mistaken = heard([{K: 0.9}, {A: 0.9}, {T: 0.1, S: 0.8}])
    hearing = measured_hearing([(mistaken, [K, A, T])] * LEAST_OFTEN, len(PHONES))
    cat, wrong = Paths.of([[(K, A, T)]]), heard([{K: 0.9}, {A: 0.9}, {K: 0.9}])
    assert path_scores(mistaken, cat, hearing).max() > 1.2 * path_scores(mistaken, cat, hearing_in({})).max()
    assert path_scores(wrong, cat, hearing).max() < 0.5 * path_scores(mistaken, cat, hearing).max()


def test_a_phrase_said_slowly_and_in_parts_scores_less_than_in_one_go() -> None:
    hearing = measured_hearing([], len(PHONES))
    pause = [{BLANK: 0.99}] * 20
    at_once = path_scores(heard([{K: 0.9}, {A: 0.9}, {T: 0.9}]), Paths.of([[(K, A, T)]]), hearing).max()
    apart = path_scores(heard([{K: 0.9}, *pause, {A: 0.9}, {T: 0.9}]), Paths.of([[(K, A, T)]]), hearing).max()
    nothing = PACE * (BLANKS * 0.99) ** DOUBT  # what a step costs in which nothing is said
    assert apart == pytest.approx(at_once * nothing ** (20 / 3), rel=1e-3)
