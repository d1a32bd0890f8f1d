"""Which negatives are drawn more often, and that they are."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from synth_clips import make_clips, tiny

from synth import open_clips, stream
from synth.build import Clips
from wakeword.clips import Event
from wakeword.hardness import FORGETTING, Hardness
from wakeword.labels import first_step_after

CONFIG = tiny()


def event(kind: str, start_s: float, end_s: float, source: str, label: str = "") -> Event:
    start, end = (round(at * CONFIG.audio.sample_rate_hz) for at in (start_s, end_s))
    return Event(kind=kind, label=label, start_sample=start, end_sample=end, source=source)


def outputs(**peaks_at_s: float) -> np.ndarray:
    """[1, T]: zeros with a peak of 0.8 at each named time in seconds."""
    scores = np.zeros((1, CONFIG.output_steps), np.float32)
    for at_s in peaks_at_s.values():
        scores[0, first_step_after(round(at_s * CONFIG.audio.sample_rate_hz), CONFIG)] = 0.8
    return scores


def observed(events: list[Event], scores: np.ndarray) -> dict[str, float]:
    hardness = Hardness()
    hardness.observe([events], scores, CONFIG)
    return hardness.peaks


def test_a_peak_is_noted_for_the_negative_that_it_answers() -> None:
    events = [event("negative", 0.3, 0.8, "a"), event("negative", 0.8, 1.2, "b")]
    assert observed(events, outputs(inside=0.5)) == {"a": 0.8, "b": 0.0}
    assert observed(events, outputs(just_after_the_second_began=0.85)) == {"a": 0.0, "b": 0.8}
    assert observed(events[1:], outputs(soon_after=1.25)) == {"b": 0.8}
    assert observed([], outputs(nothing_said=0.5)) == {}


def test_activates_pieces_of_them_and_unknown_recordings_are_not_noted() -> None:
    said, piece = event("activate", 0.3, 0.6, "word", "hey"), event("negative", 0.7, 0.9, "word", "hey")
    assert observed([said, piece, event("negative", 1.0, 1.2, "")], outputs(one=0.5, two=0.8, three=1.1)) == {}


def test_the_mean_follows_the_network() -> None:
    hardness, hit = Hardness(), [event("negative", 0.3, 0.8, "a")]
    hardness.observe([hit], outputs(inside=0.5), CONFIG)
    hardness.observe([hit], outputs(), CONFIG)
    assert hardness.peaks["a"] == pytest.approx(0.8 * (1 - FORGETTING))
    assert Hardness().weights(0.5) == {}
    assert Hardness({"a": 0.0}).weights(0.5) == {}, "nothing is hard: all are drawn alike"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    folder = tmp_path_factory.mktemp("hardness")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAKEWORD_CACHE", str(folder / "cache"))
        return open_clips(make_clips(folder / "clips"), tiny(partial_probability=0.0))


def drawn(clips: Clips, times: dict[str, float] | None) -> Counter:
    examples = stream(clips, clips.config, "train", count=150, times=times)
    return Counter(event.source for one in examples for event in one.events if event.kind == "negative")


def test_hard_negatives_are_drawn_as_often_as_their_weight_says(clips: Clips) -> None:
    usual = drawn(clips, None)
    rare = min(usual, key=usual.__getitem__)
    others = {source: 1.0 for source in usual if source != rare}
    often = drawn(clips, {rare: 10.0, **others})
    share, before = often[rare] / often.total(), usual[rare] / usual.total()
    assert share == pytest.approx(10 * before / (1 + 9 * before), abs=0.12)
    assert drawn(clips, {}) == usual


def test_weights_change_no_byte_with_the_number_of_workers(clips: Clips) -> None:
    times = {take.id: 5.0 for take in clips.bank.takes[::2]}
    one, two = (list(stream(clips, clips.config, "train", 3, 10, workers, times)) for workers in (0, 2))
    assert [example.recipe for example in one] == [example.recipe for example in two]
    for here, there in zip(one, two, strict=True):
        np.testing.assert_array_equal(here.pcm, there.pcm)
