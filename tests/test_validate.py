"""What validation counts as heard, as a false accept, and as neither."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="validation needs the extra 'train'")

from wakeword.clips import ANY_PHRASE, Event
from wakeword.config import Config, load_config, override
from wakeword.labels import first_step_after
from wakeword.validate import _calibrated, _judged, _Scored, _trials, rules

CONFIG = load_config("default")
START, END = 32000, 40000


def said(kind: str, label: str, start: int, end: int) -> Event:
    return Event(kind=kind, label=label, start_sample=start, end_sample=end)


def scored(*events: Event, peak_at: int) -> _Scored:
    curve = np.zeros((CONFIG.output_steps, 1))
    step = first_step_after(peak_at, CONFIG)
    curve[step : step + 4] = 0.9
    word = said("activate", "hey", 70000, 80000)
    return _Scored(curve, (*events, word), 0.0)


@pytest.mark.parametrize(("label", "counts"), [("", True), ("other", True), ("hey", False), (ANY_PHRASE, False)])
def test_near_misses_and_pieces_of_the_phrase_count_neither_way_and_other_speech_does(label: str, counts: bool) -> None:
    negative = said("negative", label, START, END)
    trials = _trials([scored(negative, peak_at=END)], 0, "hey", CONFIG)
    assert (max(scores.max() for scores in trials.negative_scores) > 0.5) == counts
    assert trials.positive_peaks.tolist() == [0.0]
    whole = _trials([scored(peak_at=END)], 0, "hey", CONFIG)
    assert trials.negative_hours < whole.negative_hours


def test_hours_are_those_of_others_speech_and_of_everything_only_where_nobody_else_speaks() -> None:
    step_h, word = CONFIG.step_samples / CONFIG.audio.sample_rate_hz / 3600, said("activate", "hey", START, END)
    silent = _Scored(np.zeros((CONFIG.output_steps, 1)), (word,), 0.0)
    left_out = first_step_after(END, CONFIG) - first_step_after(START, CONFIG)
    left_out += CONFIG.labels.label_steps + CONFIG.detector.refractory_steps
    assert _trials([silent], 0, "hey", CONFIG).negative_hours == pytest.approx(
        (CONFIG.output_steps - left_out) * step_h
    )
    others = [said("negative", "", 70000, 80000), said("activate", "other", 4000, 8000)]
    spoken = sum(first_step_after(at.end_sample, CONFIG) - first_step_after(at.start_sample, CONFIG) for at in others)
    trials = _trials([_Scored(silent.probabilities, (word, *others), 0.0)], 0, "hey", CONFIG)
    assert trials.negative_hours == pytest.approx(spoken * step_h)


@pytest.mark.parametrize(("own", "chosen"), [(1, 2), (2, 2), (3, 3)])
def test_another_smoothing_is_chosen_only_where_it_clearly_misses_less_the_soonest_first(own: int, chosen: int) -> None:
    """Loud moments of one step, as loud as the word is for three, are what the mean of two steps can tell apart."""
    config = override(CONFIG, detector={"smoothing_steps": own}, train={"patience_choices": []})
    streams = [with_a_click(number, config) for number in range(200)]
    kept = _judged(streams, ["hey"], config)
    found = _calibrated(kept, streams, ["hey"], config)
    assert found.detector.smoothing_steps == chosen
    assert found.detector.model_copy(update={"smoothing_steps": own}) == config.detector
    assert (found == kept) == (own == chosen) and found.summary()["smoothing_steps"] == chosen
    assert found.miss_rate == 0.0 and (kept.miss_rate > 0.9) == (own == 1)


def with_a_click(number: int, config: Config) -> _Scored:
    curve = np.zeros((config.output_steps, 1))
    step = first_step_after(END, config)
    curve[step : step + 4] = 0.6 + 0.0001 * number
    curve[step + 60] = 0.9
    return _Scored(curve, (said("activate", "hey", START, END),), 0.0)


def test_the_rules_to_choose_from_are_within_the_label_and_sooner_ones_come_first() -> None:
    choices = {"smoothing_choices": [1, 3, 6], "patience_choices": [2]}
    config = override(CONFIG, labels={"label_steps": 6}, train=choices)
    found = [(rule["smoothing_steps"], rule["patience_steps"]) for rule in rules(config)]
    assert found == [(1, 1), (1, 2), (2, 2), (3, 1), (3, 2), (6, 1)]
    assert rules(load_config("activate")) == []
