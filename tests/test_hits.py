"""Saved hits and near misses: real files, of a bounded size, and what counts as a near miss."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wakeword.capture import Recorder
from wakeword.detector import Detection
from wakeword.errors import FileError
from wakeword.hits import AFTER_S, BEFORE_S, HITS, NEAR_MISSES, RIGHT, SETTLED_S, WRONG, HitSaver, NearMisses

HIT = Detection("hey test", 1.0, 1.5, 0.9)
RATE = 16000


def saver_at(folder: Path, max_mb: float = 10.0) -> HitSaver:
    seconds = iter(range(1000))
    return HitSaver(folder, max_mb, lambda job: job(), lambda: datetime.fromtimestamp(1e9 + next(seconds), UTC))


def test_a_hit_is_saved_with_the_sound_around_it_and_what_is_known_of_it(tmp_path: Path) -> None:
    saver, recorder = saver_at(tmp_path), Recorder(RATE)
    pcm = (np.arange(RATE * 4) / 2**17).astype(np.float32)
    recorder.feed(pcm[:50000])
    saver.add(HITS, Detection("a/b: c", 2.5, 3.0, 0.93), recorder.capture(3.0, wait_s=0.0, **saver.lengths))
    assert not list((tmp_path / HITS).iterdir())
    recorder.feed(pcm[50000:])
    saver.poll()
    (wav,) = (tmp_path / HITS).glob("*.wav")
    assert wav.name == "20010909T014640.000Z_a_b_c_0.93.wav"
    heard, rate = soundfile.read(wav, dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(heard, pcm[RATE : round((3.0 + AFTER_S) * RATE)], atol=1 / 32768)
    about = json.loads(wav.with_suffix("").with_name(wav.stem + ".json").read_text())
    assert (about["kind"], about["phrase"], about["end_in_file_s"]) == ("hits", "a/b: c", BEFORE_S)


def test_the_oldest_go_when_it_is_too_much_but_never_what_somebody_sorted(tmp_path: Path) -> None:
    for name in (RIGHT, WRONG, HITS):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.wav").write_bytes(bytes(1_000_000))
    saver, recorder = saver_at(tmp_path, max_mb=0.25), Recorder(RATE)
    recorder.feed(np.zeros(3 * RATE, np.float32))
    for kind in [HITS, NEAR_MISSES] * 5:
        capture = recorder.capture(2.5, wait_s=0.0, **saver.lengths)
        saver.add(kind, HIT, capture)
    saved = [path for kind in (HITS, NEAR_MISSES) for path in (tmp_path / kind).glob("2001*")]
    assert 0 < sum(path.stat().st_size for path in saved) <= 250_000
    assert max(saved).stem.startswith("20010909T014649"), "the newest is there"
    assert len(list(tmp_path.rglob("mine.wav"))) == 3


def test_what_is_being_captured_at_the_end_is_saved_as_far_as_it_came(tmp_path: Path) -> None:
    saver, recorder = saver_at(tmp_path), Recorder(RATE)
    recorder.feed(np.zeros(RATE, np.float32))
    saver.add(HITS, HIT, recorder.capture(1.0, wait_s=0.0, **saver.lengths))
    saver.close()
    (wav,) = (tmp_path / HITS).glob("*.wav")
    assert soundfile.info(wav).frames == RATE


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user to whom a folder can be read-only")
def test_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(FileError, match="cannot be written"):
        saver_at(tmp_path / "hits")


def near(scores: list[float], fired: list[int] = ()) -> list[tuple[float, float]]:
    """(time, score) of the near misses at a threshold of 0.8, of steps of 0.1 s."""
    misses = NearMisses({"a": 0.8})
    for step, score in enumerate(scores):
        misses.step("a", round(0.1 * step, 1), score, step in fired)
    return [(one.end_s, one.score) for one in misses.take()]


def test_a_near_miss_is_the_peak_of_a_score_that_came_near_and_fell() -> None:
    assert near([0.1, 0.3, 0.1]) == []
    assert near([0.1, 0.5, 0.7, 0.6, 0.1, 0.1, 0.5, 0.2]) == [(0.2, 0.7), (0.6, 0.5)]


def test_a_hit_and_what_is_left_of_it_are_no_near_miss() -> None:
    assert near([0.1, 0.7, 0.9, 0.7, 0.6, 0.1], fired=[2]) == []
    assert near([0.1, 0.7, 0.9, 0.7, 0.1]) == [], "over the threshold, but too soon after a hit"
    assert near([0.1, 0.9, 0.1, 0.6, 0.1], fired=[1]) == [(0.3, 0.6)]


def test_a_peak_from_before_a_reset_is_forgotten_with_its_sound() -> None:
    misses = NearMisses({"a": 0.8})
    for end_s, score in [(5.0, 0.7), (0.1, 0.1), (0.2, 0.5), (0.3, 0.1)]:
        misses.step("a", end_s, score, False)
    assert [one.end_s for one in misses.take()] == [0.2]


def test_a_score_that_stays_up_is_one_near_miss_and_soon() -> None:
    assert near([0.1] + [0.5] * 100) == [(0.1, 0.5)]
    assert len(near([0.1] + [0.5] * int(SETTLED_S / 0.1 - 1))) == 0
