"""What validation counts as heard, as a false accept, and as neither."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="validation needs the extra 'train'")

from wakeword.clips import ANY_PHRASE, Event
from wakeword.config import load_config
from wakeword.labels import first_step_after
from wakeword.validate import _Scored, _trials

CONFIG = load_config("default")
START, END = 32000, 40000


def scored(*events: Event, peak_at: int) -> _Scored:
    curve = np.zeros((CONFIG.output_steps, 1))
    step = first_step_after(peak_at, CONFIG)
    curve[step : step + 4] = 0.9
    word = Event(kind="activate", label="hey", start_sample=70000, end_sample=80000)
    return _Scored(curve, (*events, word), 0.0)


@pytest.mark.parametrize(("label", "counts"), [("", True), ("other", True), ("hey", False), (ANY_PHRASE, False)])
def test_near_misses_and_pieces_of_the_phrase_count_neither_way_and_other_speech_does(label: str, counts: bool) -> None:
    negative = Event(kind="negative", label=label, start_sample=START, end_sample=END)
    trials = _trials([scored(negative, peak_at=END)], 0, "hey", CONFIG)
    assert (max(scores.max() for scores in trials.negative_scores) > 0.5) == counts
    assert trials.positive_peaks.tolist() == [0.0]
    whole = _trials([scored(peak_at=END)], 0, "hey", CONFIG)
    assert (trials.negative_hours < whole.negative_hours) == (not counts)
