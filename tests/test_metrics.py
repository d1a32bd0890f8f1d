"""Laws of the figures: known counts, textbook bounds, monotony, and where a threshold is put."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wakeword.detector import Detector, smooth
from wakeword.errors import DataError
from wakeword.metrics import (
    HIGHEST_THRESHOLD,
    Trials,
    choose_threshold,
    det_curve,
    hours_needed,
    operating_point,
    poisson_lower,
    poisson_upper,
    wilson,
)
from wakeword.sections import DetectorConfig

CONFIG = DetectorConfig(threshold=0.5, smoothing_steps=1, refractory_steps=10)
REARMING = CONFIG.model_copy(update={"rearm_ratio": 0.5})


def trials(positives, negatives, hours=1.0):
    return Trials(np.asarray(positives, float), [np.asarray(negatives, float)], hours)


def bumps(heights, spacing=50):
    scores = np.zeros(spacing * (len(heights) + 1))
    scores[spacing * np.arange(1, len(heights) + 1)] = heights
    return scores


def test_each_isolated_peak_above_the_threshold_is_one_false_accept():
    det = det_curve(trials([0.9], bumps([0.2, 0.4, 0.6, 0.8]), hours=2.0), CONFIG, [0.1, 0.3, 0.5, 0.7, 0.85])
    assert det.fa_count.tolist() == [4, 3, 2, 1, 0]
    assert det.fa_per_hour.tolist() == [2.0, 1.5, 1.0, 0.5, 0.0]


def test_a_positive_is_missed_only_below_the_threshold():
    det = det_curve(trials([0.2, 0.5, 0.5, 0.9], bumps([])), CONFIG, [0.1, 0.5, 0.6, 0.95])
    assert det.miss_rate.tolist() == [0.0, 0.25, 0.75, 1.0]


def test_false_accepts_are_those_of_the_listener_s_detector():
    config = DetectorConfig(threshold=0.6, smoothing_steps=3, refractory_steps=7, rearm_ratio=0.7)
    probabilities = np.random.default_rng(1).uniform(size=3000) ** 0.5
    detector, fired = Detector(config), 0
    state = detector.zero_state()
    for probability in probabilities:
        score, state = detector.step(probability, state)
        fired += score is not None
    assert det_curve(trials([1.0], smooth(probabilities, 3)), config, [0.6]).fa_count[0] == fired > 10


@pytest.mark.parametrize("config", [CONFIG, REARMING])
def test_of_several_streams_each_is_heard_from_a_fresh_start(config):
    rng, thresholds = np.random.default_rng(2), [0.05, 0.3, 0.6, 0.9]
    streams = [rng.uniform(size=length) ** 2 for length in (1, 7, 40, 11, 90)]
    together = det_curve(Trials(np.array([1.0]), streams, 1.0), config, thresholds)
    apart = [det_curve(trials([1.0], scores), config, thresholds) for scores in streams]
    assert together.fa_count.tolist() == np.sum([one.fa_count for one in apart], axis=0).tolist()
    lengths = [len(scores) for scores in streams]
    assert together.deaf_share == pytest.approx(np.average([one.deaf_share for one in apart], axis=0, weights=lengths))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30), st.lists(st.floats(0.0, 1.0), max_size=30))
def test_misses_rise_and_false_accepts_of_isolated_peaks_fall_with_the_threshold(positives, heights):
    det = det_curve(trials(positives, bumps(heights)), CONFIG)
    assert (np.diff(det.thresholds) > 0).all()
    assert (np.diff(det.miss_rate) >= 0).all()
    assert (np.diff(det.fa_count) <= 0).all()


def test_a_perfect_detector_has_a_point_without_any_error():
    det = det_curve(trials([0.97, 0.99], bumps([0.02, 0.03])), REARMING)
    assert ((det.miss_rate == 0) & (det.fa_count == 0)).any()


def test_a_perfect_detector_s_threshold_is_the_middle_of_the_gap_in_logit():
    threshold = choose_threshold(det_curve(trials([0.99, 0.999], bumps([0.01, 0.005])), REARMING), 0.5)
    assert threshold == pytest.approx(0.5, abs=1e-6)


def test_a_useless_detector_misses_as_many_words_as_it_keeps_out_other_sounds():
    scores = np.random.default_rng(2).uniform(size=(2, 400))
    det = det_curve(trials(scores[0], bumps(scores[1])), CONFIG, np.linspace(0.05, 0.95, 19))
    np.testing.assert_allclose(det.miss_rate, 1 - det.fa_count / 400, atol=0.1)


def test_the_chosen_threshold_keeps_to_the_target_and_the_highest_offending_negative_would_not():
    overlapping = trials([0.2, 0.45, 0.7, 0.9], bumps([0.1, 0.3, 0.5, 0.6]), hours=2.0)
    threshold = choose_threshold(det_curve(overlapping, CONFIG), target_fa_per_hour=0.5)
    assert 0.5 < threshold < 0.7
    point = operating_point(overlapping, CONFIG, threshold)
    assert (point.fa_per_hour <= 0.5, point.misses) == (True, 2)
    assert operating_point(overlapping, CONFIG, 0.5).fa_per_hour > 0.5


def test_a_threshold_so_low_that_the_detector_never_rearms_is_not_mistaken_for_a_quiet_one():
    hovering = 0.1 + bumps([0.2] * 20)
    det = det_curve(trials([0.15, 0.9], hovering), REARMING)
    assert det.fa_count[np.searchsorted(det.thresholds, 0.01)] == 1
    assert choose_threshold(det, 2.0) > 0.3


def test_a_detector_that_never_rearms_is_called_deaf_and_its_threshold_is_not_chosen():
    untrained = trials(np.linspace(0.49, 0.56, 50), np.random.default_rng(3).uniform(0.48, 0.54, 5000), hours=3.0)
    assert operating_point(untrained, REARMING, 0.5).deaf_share > 0.99
    det = det_curve(untrained, REARMING)
    threshold = choose_threshold(det, 0.5)
    assert untrained.negative_scores[0].max() < threshold < 0.56
    assert operating_point(untrained, REARMING, threshold).deaf_share == 0.0


def test_the_time_between_a_false_accept_and_its_rearming_is_deaf():
    scores = np.array([0.0, 0.0, 0.8, 0.7, 0.3, 0.1, 0.0, 0.0, 0.9, 0.0])
    assert operating_point(trials([1.0], scores), REARMING, 0.5).deaf_share == 0.3  # steps 2, 3 and 4; 8 is refractory


def test_scores_that_saturate_still_get_thresholds_of_their_own():
    close_to_one = 1 - np.array([1e-3, 1e-4, 1e-5])
    threshold = choose_threshold(det_curve(trials(close_to_one, bumps([0.998])), CONFIG), 0.5)
    assert 0.998 < threshold < 1 - 1e-3


def test_if_no_threshold_keeps_to_the_target_the_highest_is_returned():
    hopeless = trials([0.9], bumps([1.0, 1.0]))
    assert choose_threshold(det_curve(hopeless, CONFIG), 0.5) == HIGHEST_THRESHOLD
    assert operating_point(hopeless, CONFIG, HIGHEST_THRESHOLD).fa_per_hour == 2.0


def test_poisson_bounds_are_the_chi_square_quantiles():
    for count in (0, 1, 3, 40):
        assert poisson_upper(count, 4.0) == pytest.approx(stats.chi2.ppf(0.95, 2 * count + 2) / 2 / 4.0)
        assert poisson_lower(count, 4.0) == pytest.approx(stats.chi2.ppf(0.05, 2 * count) / 2 / 4.0 if count else 0)


def test_no_event_in_ten_hours_is_less_than_three_in_ten_hours():
    assert poisson_upper(0, 10.0) == pytest.approx(0.29957, abs=1e-5)
    assert hours_needed(0.5) == pytest.approx(5.9915, abs=1e-4)
    assert poisson_upper(0, hours_needed(0.5)) == pytest.approx(0.5)


def test_wilson_gives_the_published_intervals():
    # Newcombe 1998, table I: 81 of 263, and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_nothing_to_measure_is_said_in_one_line():
    with pytest.raises(DataError, match="no positives"):
        trials([], [0.0])
    with pytest.raises(DataError, match=r"got 0\.0 h"):
        trials([0.5], [], hours=0.0)
    with pytest.raises(DataError, match="target_fa_per_hour: got 0"):
        choose_threshold(det_curve(trials([0.5], [0.0]), CONFIG), 0)
