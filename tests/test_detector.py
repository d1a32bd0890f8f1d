"""The decision machine, stepped and whole-curve."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from wakeword.detector import Detector, fire_steps, smooth
from wakeword.sections import DetectorConfig

CURVES = st.lists(st.floats(0, 1, width=32), max_size=80)
RULES = st.builds(
    DetectorConfig,
    threshold=st.floats(0.05, 0.95),
    smoothing_steps=st.integers(1, 6),
    patience_steps=st.integers(1, 4),
    refractory_steps=st.integers(0, 12),
    rearm_ratio=st.none() | st.floats(0.1, 1.0),
)


@given(CURVES, RULES)
def test_the_whole_curve_fires_at_the_steps_where_the_machine_fires(curve: list[float], rule: DetectorConfig) -> None:
    scores = smooth(np.array(curve), rule.smoothing_steps, rule.patience_steps)
    levels = [rule.threshold, rule.threshold * (rule.rearm_ratio or 0.0)]
    # A mean within rounding of a level may fall on either side of it, by the order of its additions.
    assume(all(np.abs(scores - level).min(initial=1.0) > 1e-12 for level in levels))
    assert fire_steps(scores, rule).tolist() == stepped(curve, rule)


@given(CURVES, st.integers(1, 6))
def test_smoothing_is_the_mean_of_the_last_probabilities_with_zeros_before_them(curve: list[float], n: int) -> None:
    expected = [sum(([0.0] * n + curve)[i + 1 : i + 1 + n]) / n for i in range(len(curve))]
    np.testing.assert_allclose(smooth(np.array(curve), n), expected, atol=1e-12)


def test_a_score_equal_to_the_threshold_fires() -> None:
    assert stepped([0.25, 0.5], rule(threshold=0.5)) == [1]


def test_the_score_that_fires_is_the_smoothed_one() -> None:
    detector = Detector(rule(threshold=0.5, smoothing_steps=2))
    _, state = detector.step(0.25, detector.zero_state())
    assert detector.step(1.0, state)[0] == 0.625


def test_after_a_hit_refractory_steps_pass_before_the_next() -> None:
    assert stepped([1.0] * 10, rule(refractory_steps=3)) == [0, 4, 8]
    assert stepped([1.0] * 3, rule(refractory_steps=0)) == [0, 1, 2]


def test_with_rearming_one_long_word_fires_once() -> None:
    assert stepped([1.0] * 50, rule(rearm_ratio=0.5)) == [0]


def test_rearming_needs_the_score_below_the_ratio_and_not_just_below_the_threshold() -> None:
    assert stepped([0.9, 0.3, 0.9], rule(threshold=0.5, rearm_ratio=0.5)) == [0]
    assert stepped([0.9, 0.2, 0.9], rule(threshold=0.5, rearm_ratio=0.5)) == [0, 2]


def test_a_fall_during_the_refractory_time_rearms() -> None:
    assert stepped([1, 0, 1, 1, 1], rule(refractory_steps=2, rearm_ratio=0.5)) == [0, 3]


def test_with_patience_it_takes_successive_steps_over_the_threshold() -> None:
    assert stepped([0.9, 0.9, 0.1, 0.9, 0.9, 0.9, 0.9], rule(patience_steps=3, refractory_steps=9)) == [5]


def test_the_state_tells_the_score_whether_it_fired_or_not() -> None:
    detector = Detector(rule(smoothing_steps=2, patience_steps=2))
    state, scores = detector.zero_state(), []
    for probability in [0.2, 0.4, 1.0, 1.0]:
        _, state = detector.step(probability, state)
        scores.append(state.score)
    np.testing.assert_allclose(scores, smooth(np.array([0.2, 0.4, 1.0, 1.0]), 2, 2))


def test_silence_never_fires() -> None:
    assert stepped([0.0] * 100, rule(threshold=0.01)) == []


def test_stepping_leaves_the_old_state_as_it_was() -> None:
    detector = Detector(rule(smoothing_steps=3))
    state = detector.zero_state()
    assert detector.step(0.9, state) == detector.step(0.9, state)


def rule(**changes: float | None) -> DetectorConfig:
    return DetectorConfig(**{"threshold": 0.5, "smoothing_steps": 1, "refractory_steps": 0} | changes)


def stepped(curve: list[float], rule: DetectorConfig) -> list[int]:
    detector, fired = Detector(rule), []
    state = detector.zero_state()
    for i, probability in enumerate(curve):
        score, state = detector.step(probability, state)
        if score is not None:
            fired.append(i)
    return fired
