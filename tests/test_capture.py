"""What comes next: without a gap, the same however the stream was cut, and over when nobody speaks any more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_listener import CutSource, speechlike, wakeful_threshold
from tone_word import RATE, WORD_HZ, hiss, tone

import wakeword
from wakeword import audio
from wakeword.capture import FRAME_S, HISTORY_S, WORD_TAIL_S, Recorder
from wakeword.errors import AudioError
from wakeword.listener import Listener
from wakeword.sources import Gap

LENGTHS = {"pre_roll_s": 0.5, "max_s": 10.0, "end_silence_s": 0.8, "wait_s": 3.0}


def counted(seconds: float) -> np.ndarray:
    """float32 [N] in which each sample tells its place."""
    return (np.arange(round(seconds * RATE)) / 2**22).astype(np.float32)


def captured(pcm: np.ndarray, hit_s: float, fed_before: int, cut: int, **lengths: float | None) -> tuple:
    """What a capture after `hit_s` holds, asked for once `fed_before` samples were fed, the rest in pieces of `cut`."""
    recorder = Recorder(RATE)
    recorder.feed(pcm[:fed_before])
    capture = recorder.capture(hit_s, **{**LENGTHS, **lengths})
    pieces = [capture.read()]
    for at in range(fed_before, len(pcm), cut):
        recorder.feed(pcm[at : at + cut])
        pieces.append(capture.read())
    return np.concatenate(pieces), capture


@pytest.mark.parametrize("fed_before", [16000, 16001, 30000])
@pytest.mark.parametrize("cut", [7, 1000, 100_000])
def test_a_capture_is_the_stream_from_the_pre_roll_on_without_a_gap(fed_before: int, cut: int) -> None:
    pcm = counted(4.0)
    heard, capture = captured(pcm, 1.0, fed_before, cut, max_s=2.0, end_silence_s=None)
    np.testing.assert_array_equal(heard, pcm[8000:48000])
    assert (capture.ended_by, capture.hit_s) == ("length", 0.5)


def test_a_capture_at_the_start_of_a_stream_has_as_much_pre_roll_as_there_is() -> None:
    heard, capture = captured(counted(1.0), 0.25, 4000, 1000, max_s=0.5, end_silence_s=None)
    assert (len(heard), capture.hit_s) == (12000, 0.25)


def dialogue(pause_s: float, said_s: float) -> np.ndarray:
    """A second of noise, a word of half a second until 1.5 s, a pause, a sentence, and 4 s of noise."""
    parts = [hiss(1.0), tone(WORD_HZ), hiss(pause_s, seed=1), tone(WORD_HZ, said_s, 0.1), hiss(4.0, seed=2)]
    return np.concatenate(parts) + hiss(5.5 + pause_s + said_s, 0.001)


@pytest.mark.parametrize("cut", [7, 1000, 100_000])
@pytest.mark.parametrize("pause_s", [0.0, 0.5, 2.0])
def test_it_ends_when_whoever_spoke_was_quiet_for_long_enough(cut: int, pause_s: float) -> None:
    pcm = dialogue(pause_s, 1.0)
    heard, capture = captured(pcm, 1.5, 24000, cut)
    assert capture.ended_by == "silence"
    assert len(heard) / RATE == pytest.approx(0.5 + pause_s + 1.0 + 0.8, abs=2 * FRAME_S)
    np.testing.assert_array_equal(heard, pcm[16000 : 16000 + len(heard)])


def test_it_ends_when_nothing_is_said_and_the_words_own_tail_is_nothing() -> None:
    tail = tone(WORD_HZ, WORD_TAIL_S - FRAME_S)
    heard, capture = captured(np.concatenate([hiss(1.0), tone(WORD_HZ), tail, hiss(5.0)]), 1.5, 24000, 1000)
    assert capture.ended_by == "nothing said"
    assert len(heard) / RATE == pytest.approx(0.5 + LENGTHS["wait_s"])


def test_a_reset_and_the_end_of_the_stream_end_it() -> None:
    for finish in (Recorder.reset, Recorder.end):
        recorder = Recorder(RATE)
        recorder.feed(counted(1.0))
        capture = recorder.capture(None, **LENGTHS)
        finish(recorder)
        recorder.feed(counted(1.0))
        assert (capture.ended_by, len(capture.read())) == ("stream", 8000)


@pytest.mark.parametrize("cut", [777, 16000, 100_000, 500_000])
def test_the_last_seconds_of_a_long_stream_are_remembered(cut: int) -> None:
    recorder, pcm = Recorder(RATE), counted(25.0)
    for at in range(0, len(pcm), cut):
        recorder.feed(pcm[at : at + cut])
    capture = recorder.capture(None, **{**LENGTHS, "pre_roll_s": HISTORY_S})
    np.testing.assert_array_equal(capture.read(), pcm[-round(HISTORY_S * RATE) :])


@pytest.mark.parametrize(
    ("lengths", "complaint"),
    [({"pre_roll_s": 11.0}, "pre_roll_s 11.0, expected 0 to 10"), ({"max_s": float("nan")}, "max_s nan")],
)
def test_lengths_out_of_range_are_refused(lengths: dict, complaint: str) -> None:
    with pytest.raises(AudioError, match=complaint):
        Recorder(RATE).capture(None, **{**LENGTHS, **lengths})


def test_after_a_hit_a_wake_word_gives_what_follows_it(tiny_bundle: Path) -> None:
    pcm = audio.to_float(speechlike(6.0))
    ww = wakeword.load(tiny_bundle, wakeful_threshold(tiny_bundle, pcm))
    hits = ww.feed(pcm[:48000])
    capture = ww.capture(pre_roll_s=0.25, max_s=1.0, end_silence_s=None)
    ww.feed(pcm[48000:])
    end = round(hits[-1].end_s * RATE)
    np.testing.assert_array_equal(capture.read(), pcm[max(0, end - 4000) : end + 16000])


def test_following_a_hit_loses_no_sound_and_no_later_hit(tiny_bundle: Path) -> None:
    pcm = audio.to_float(speechlike(12.0))
    threshold = wakeful_threshold(tiny_bundle, pcm)
    blocks = [pcm[:40000], Gap(16000), pcm[40000:]]
    alone = list(Listener(CutSource(blocks), wakeword.load(tiny_bundle, threshold, rearm_ratio=1.0)))
    listener, heard = Listener(CutSource(blocks), wakeword.load(tiny_bundle, threshold, rearm_ratio=1.0)), []
    for hit in listener:
        heard.append(hit)
        if len(heard) == len(alone) // 2:
            assert hit.end_s > 3.5, "a hit after the gap, whose sound lies a second earlier in the samples"
            followed = np.concatenate(list(listener.follow(listener.capture(hit, max_s=2.0, end_silence_s=None))))
            end = round((hit.end_s - 1.0) * RATE)
            np.testing.assert_array_equal(followed, pcm[max(40000, end - 8000) : end + 32000])
    assert heard == alone


def test_a_recorder_without_history_keeps_one_sample_and_captures_what_comes() -> None:
    recorder = Recorder(RATE, history_s=0.0)
    for length in (0, 1, 100, 100_000):
        recorder.feed(np.ones(length, np.float32))
    capture = recorder.capture(None, 0.5, 1.0, None, 3.0)
    assert capture.hit_s <= 1 / RATE
    recorder.feed(np.ones(2 * RATE, np.float32))
    assert len(capture.read()) == RATE + 1 and capture.done
