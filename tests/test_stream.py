from pathlib import Path

import numpy as np
import pytest

import wakeword
from tests.signals import speech_like
from wakeword.audio import to_float
from wakeword.errors import AudioError, BundleError

RATE_HZ = 16000
ANOTHER_ORDER = 1e-5  # of float32 sums: matrices of other heights are multiplied


@pytest.fixture
def pcm() -> np.ndarray:
    return speech_like(6 * RATE_HZ, RATE_HZ)


def hair_trigger(bundle: Path) -> wakeword.WakeWord:
    """The random bundle with its threshold in the middle of its scores, so that it fires now and then."""
    ww = wakeword.load(bundle)
    _, scores = ww.scores(speech_like(6 * RATE_HZ, RATE_HZ))
    return wakeword.load(bundle, threshold=float(np.quantile(scores[ww.warmup_steps :], 0.9)))


def test_detections_do_not_depend_on_the_chunking(tiny_bundle: Path, pcm: np.ndarray) -> None:
    ww = hair_trigger(tiny_bundle)
    whole = ww.feed(pcm) + ww.flush()
    assert whole
    rng = np.random.default_rng(0)
    for largest in (10, 1000, 20000):
        ww.reset()
        heard, at = [], 0
        while at < len(pcm):
            size = int(rng.integers(0, largest))
            heard += ww.feed(pcm[at : at + size])
            at += size
        heard += ww.flush()
        assert [(d.end_s, d.phrase) for d in heard] == [(d.end_s, d.phrase) for d in whole]


def test_reset_and_replay_is_bit_equal(tiny_bundle: Path, pcm: np.ndarray) -> None:
    ww = hair_trigger(tiny_bundle)
    first = ww.feed(pcm)
    ww.reset()
    assert ww.feed(pcm) == first


def test_scores_do_not_disturb_the_stream(tiny_bundle: Path, pcm: np.ndarray) -> None:
    ww, alone = hair_trigger(tiny_bundle), hair_trigger(tiny_bundle)
    half = len(pcm) // 2
    heard = ww.feed(pcm[:half])
    times_s, scores = ww.scores(pcm)
    heard += ww.feed(pcm[half:])
    assert heard == alone.feed(pcm)
    assert times_s.shape == (len(pcm) // ww.step_samples,)
    assert scores.shape == (len(times_s), 1)
    assert scores.dtype == np.float32
    assert times_s[0] == ww.step_samples / RATE_HZ


def test_int16_and_float32_give_the_same_scores(tiny_bundle: Path, pcm: np.ndarray) -> None:
    ww = wakeword.load(tiny_bundle)
    samples = (pcm * 32767).astype(np.int16)
    np.testing.assert_array_equal(ww.scores(samples)[1], ww.scores(samples.astype(np.float32) / 32768)[1])


def test_nothing_fires_before_a_full_window_was_heard(tiny_bundle: Path, pcm: np.ndarray) -> None:
    ww = wakeword.load(tiny_bundle, threshold=1e-6)
    first = ww.feed(pcm)[0]
    assert first.end_s > ww.warmup_steps * ww.step_samples / RATE_HZ


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((2, 100), np.float32), r"got shape \[2, 100\], expected mono"),
        (np.zeros(100, np.float64), "got dtype float64, expected int16 or float32"),
        (np.full(100, np.nan, np.float32), "NaN or infinite"),
    ],
)
def test_bad_samples_are_refused_and_change_nothing(tiny_bundle: Path, pcm: np.ndarray, bad, message: str) -> None:
    ww, untouched = hair_trigger(tiny_bundle), hair_trigger(tiny_bundle)
    ww.feed(pcm[:5000])
    with pytest.raises(AudioError, match=message):
        ww.feed(bad)
    assert ww.feed(pcm[5000:]) == untouched.feed(pcm)


def test_several_bundles_listen_side_by_side(tiny_bundle: Path, pcm: np.ndarray) -> None:
    both = wakeword.load([tiny_bundle, tiny_bundle])
    assert both.phrases == ["hey test", "hey test"]
    _, scores = both.scores(pcm)
    np.testing.assert_array_equal(scores[:, 0], scores[:, 1])


def test_a_threshold_outside_0_to_1_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"threshold: got 1\.5"):
        wakeword.load(tiny_bundle, threshold=1.5)


def test_a_rule_given_at_loading_replaces_the_bundles_own(tiny_bundle: Path) -> None:
    step_s = wakeword.load(tiny_bundle).step_samples / RATE_HZ
    ww = wakeword.load(
        tiny_bundle, {"hey test": 0.25}, smoothing_steps=3, patience_steps=4, refractory_s=5 * step_s, rearm_ratio=0.75
    )
    (rule,) = ww.detector_configs
    assert (rule.threshold, rule.smoothing_steps, rule.patience_steps) == (0.25, 3, 4)
    assert (rule.refractory_steps, rule.rearm_ratio) == (5, 0.75)
    assert wakeword.load(tiny_bundle, smoothing_steps=3).detector_configs[0].threshold == 0.5


def test_every_score_can_be_watched_and_watching_changes_nothing(tiny_bundle: Path, pcm: np.ndarray) -> None:
    ww, seen = hair_trigger(tiny_bundle), []
    expected = ww.feed(pcm)
    ww.reset()
    ww.on_score = lambda *step: seen.append(step)
    assert ww.feed(pcm) == expected
    assert [end_s for _, end_s, _, fired in seen if fired] == [hit.end_s for hit in expected]
    assert len(seen) == len(pcm) // ww.step_samples


def test_long_input_is_run_in_pieces_with_the_same_result(tiny_bundle: Path) -> None:
    ww = wakeword.load(tiny_bundle)
    long = speech_like(25 * RATE_HZ, RATE_HZ)
    _, whole = ww.scores(long)
    np.testing.assert_allclose(whole[: 5 * 50], ww.scores(long[: 5 * RATE_HZ])[1], atol=1e-6)


def test_short_calls_on_kept_buffers_give_what_one_long_call_gives(tiny_bundle: Path, pcm: np.ndarray) -> None:
    ww = wakeword.load(tiny_bundle)
    _, expected = ww.scores(pcm)
    one, other = (ww.fresh()._ears[0] for _ in range(2))
    pieces, at = [], 0
    for steps in [1, 2, 8, 9, 3, 1] * 3:
        piece = to_float(pcm[at : at + steps * ww.step_samples])
        pieces.append(one.run(piece))
        other.run(-piece)  # shares the session, and must share nothing else
        at += len(piece)
    got = np.concatenate(pieces)  # only now: no later call may have written into what was handed out
    np.testing.assert_allclose(got, expected[: len(got)], rtol=0.0, atol=ANOTHER_ORDER)
