"""Evaluation on recordings made here, heard by a detector of one tone: what it must count is known beforehand."""

from pathlib import Path

import numpy as np
import pytest
from tone_word import RATE, STEP, WORD_HZ, ToneWord, hiss, run, silence, tone

from wakeword.audio import read, speech_activity, write
from wakeword.errors import DataError
from wakeword.evaluate import evaluate
from wakeword.stream import load
from wakeword.trials import (
    NegativeStream,
    Noise,
    add_noise,
    lay_take,
    negative_blocks,
    recordings,
    score_stream,
)


def test_known_misses_and_false_accepts_are_counted(folders):
    found = run(folders)
    assert (found.own.misses, found.own.positives) == (2, 10)
    assert (found.own.fa_count, found.own.negative_hours) == (2, pytest.approx(60.5 / 3600))
    assert {take.path[-10:] for take in found.positives[:2]} == {"take_3.wav", "take_7.wav"}


def test_a_false_accept_is_found_at_its_time_in_its_file(folders):
    loudest = {Path(moment.path).name: moment.time_s for moment in run(folders).negatives[:2]}
    assert loudest["other.flac"] == pytest.approx(20.25, abs=0.3)
    assert loudest["short.wav"] == pytest.approx(0.25, abs=0.3)


def test_latency_counts_from_the_last_sound_of_the_word(folders):
    latency_ms = run(folders).latency_ms("own")
    assert -500.0 < latency_ms["median"] < -400.0  # a tone is known by its first steps, half a second before it ends


def test_too_few_hours_for_the_target_are_not_called_enough(folders):
    (folders / "negatives/short.wav").unlink()
    write(folders / "negatives/deep/er/other.flac", hiss(36), RATE)
    found = run(folders, target_fa_per_hour=0.5)
    assert found.chosen.fa_count == 0
    assert not found.supported
    assert "0.01 h of negatives cannot show fewer than 0.5" in found.claim
    assert "needs 5.99 h" in found.claim


def test_enough_hours_for_the_target_are_said_to_show_it(folders):
    (folders / "negatives/short.wav").unlink()
    write(folders / "negatives/deep/er/other.flac", hiss(36), RATE)
    assert run(folders, target_fa_per_hour=300.0).supported


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0])
def test_the_measured_snr_is_the_one_asked_for(folders, snr_db):
    path = folders / "positives/speaker_0/take_0.wav"
    mixed = lay_take(path, 0, RATE, Noise(folders / "noise", RATE), snr_db)
    noise = mixed.pcm.astype(np.float64)
    noise[mixed.start_sample : mixed.stop_sample] -= read(path, RATE)
    noise_rms, speech_rms = np.sqrt(np.square(noise).mean()), 0.2 / np.sqrt(2)
    assert 20 * np.log10(speech_rms / noise_rms) == pytest.approx(snr_db, abs=0.01)


def test_a_mix_that_would_clip_is_turned_down_as_a_whole():
    speech, noise = tone(WORD_HZ, level=0.9), hiss(0.5, level=1.0)
    mixed = add_noise(speech, 0.9 / np.sqrt(2), noise, snr_db=0.0)
    meant = speech + noise * (0.9 / np.sqrt(2))
    assert np.abs(mixed).max() == pytest.approx(1.0)
    np.testing.assert_allclose(mixed, meant / np.abs(meant).max(), atol=1e-6)


def test_pauses_do_not_lower_the_active_speech_level():
    word = tone(WORD_HZ)
    alone, end = speech_activity(word, RATE)
    padded, padded_end = speech_activity(np.concatenate([silence(2), word, silence(3)]), RATE)
    assert alone == pytest.approx(0.2 / np.sqrt(2), rel=1e-3)
    assert padded == pytest.approx(alone, rel=1e-3)
    assert (end, padded_end) == (8000, 40000)


def test_the_same_seed_draws_the_same_noise_and_another_does_not(folders):
    first, again, other = (Noise(folders / "noise", RATE, seed).excerpt(3, 5000) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_noise_shorter_than_the_take_is_repeated(folders):
    write(folders / "noise/hiss.wav", hiss(0.5), RATE)
    excerpt = Noise(folders / "noise", RATE).excerpt(0, 3 * RATE)
    assert len(excerpt) == 3 * RATE
    assert np.sqrt(np.square(excerpt).mean()) == pytest.approx(1.0, rel=1e-4)


def test_a_stream_scored_in_pieces_equals_one_scored_whole(monkeypatch):
    monkeypatch.setattr("wakeword.trials.PIECE_S", 3.0)
    monkeypatch.setattr("wakeword.trials.OVERLAP_S", 0.5)
    pcm = np.concatenate([hiss(4), tone(WORD_HZ), hiss(6.013)])
    blocks = np.split(pcm, [1, 777, 50000, 50001, 120000])
    whole = ToneWord().scores(np.pad(pcm, (0, -len(pcm) % STEP)))[1][:, 0]
    whole[: ToneWord.warmup_steps] = 0.0
    np.testing.assert_array_equal(score_stream(ToneWord(), blocks, 0), whole)


def test_noise_under_the_negatives_follows_their_level_however_they_are_decoded(folders, monkeypatch):
    path, noise = folders / "negatives/deep/er/other.flac", Noise(folders / "noise", RATE)
    whole = np.concatenate(list(negative_blocks([path], RATE, NegativeStream(), noise, 10.0)))
    monkeypatch.setattr("wakeword.audio.BLOCK_SAMPLES", 1000)
    small = np.concatenate(list(negative_blocks([path], RATE, NegativeStream(), noise, 10.0)))
    np.testing.assert_array_equal(whole, small)
    added = small[: 15 * RATE] - read(path, RATE)[: 15 * RATE]
    assert 20 * np.log10(0.01 / added.std()) == pytest.approx(10.0, abs=0.2)


def test_long_files_are_streamed_in_blocks_and_not_held(folders):
    write(folders / "negatives/short.wav", np.tile(hiss(10), 12), RATE)
    stream = NegativeStream()
    lengths = [len(block) for block in negative_blocks(recordings(folders / "negatives"), RATE, stream)]
    assert max(lengths) < 20 * RATE
    assert stream.heard_samples == 180 * RATE


def test_unusable_files_are_skipped_and_listed_with_a_reason(folders):
    (folders / "positives/text.wav").write_text("no audio")
    write(folders / "positives/zero.wav", silence(1), RATE)
    write(folders / "positives/empty.wav", silence(0), RATE)
    write(folders / "positives/lecture.wav", hiss(31), RATE)
    write(folders / "negatives/zero.flac", silence(10), RATE)
    (folders / "noise/text.ogg").write_text("no audio")
    found = run(folders, noise=folders / "noise", snr_db=10.0)
    reasons = {Path(file.path).name: file.reason for file in found.skipped}
    assert set(reasons) == {"text.wav", "zero.wav", "empty.wav", "lecture.wav", "zero.flac", "text.ogg"}
    assert "more than 30 s" in reasons["lecture.wav"]
    assert found.own.negative_hours == pytest.approx(60.5 / 3600)


def test_a_file_that_breaks_off_counts_up_to_there(folders):
    path = folders / "negatives/deep/er/other.flac"
    path.write_bytes(path.read_bytes()[:-20000])
    found = run(folders)
    assert [file.path for file in found.skipped] == [str(path)]
    assert 0.5 / 3600 < found.own.negative_hours < 60.4 / 3600


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"phrase": "bap"}, r"phrase: got 'bap', expected one of \('beep', 'boop'\)"),
        ({"snr_db": 3.0}, "expected both or neither"),
        ({"target_fa_per_hour": 0.0}, "target_fa_per_hour: got 0.0"),
        ({"noisy_negatives": True}, "noisy_negatives: got it without noise"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_line(folders, options, message):
    with pytest.raises(DataError, match=message):
        run(folders, **options)


def test_folders_that_hold_nothing_to_measure_are_refused_by_name(folders):
    (folders / "empty").mkdir()
    with pytest.raises(DataError, match="no such folder"):
        evaluate(ToneWord(), folders / "absent", folders / "negatives")
    with pytest.raises(DataError, match="got no recordings"):
        evaluate(ToneWord(), folders / "positives", folders / "empty")
    (folders / "empty/text.wav").write_text("no audio")
    with pytest.raises(DataError, match="none of 1 files could be used"):
        evaluate(ToneWord(), folders / "positives", folders / "empty")
    with pytest.raises(DataError, match="as positive and as negative"):
        evaluate(ToneWord(), folders / "positives", [folders / "negatives", folders / "positives/speaker_0"])


def test_misses_by_distance_hear_each_take_through_its_rooms_response(folders):
    asked = []

    def response(distance_m: float, number: int, sample_rate_hz: int) -> np.ndarray:
        asked.append((distance_m, number, sample_rate_hz))
        return np.array([0.0, 1.0 if distance_m < 4 else 0.0001], np.float32)  # late by a sample; out of earshot at 4 m

    misses = {
        one.value: one.own_misses for one in run(folders, response=response).conditions if one.kind == "distance_m"
    }
    assert misses == {1.0: 2, 2.0: 2, 4.0: 10}
    assert asked == [(distance_m, number, RATE) for distance_m in (1.0, 2.0, 4.0) for number in range(10)]
    assert not [one for one in run(folders).conditions if one.kind == "distance_m"]


def test_another_phrase_of_the_bundle_has_its_own_figures(folders):
    assert run(folders, phrase="boop").own.miss_rate == 1.0


def test_misses_are_broken_down_by_speaker_snr_and_level(folders, monkeypatch):
    monkeypatch.setattr("wakeword.evaluate.LEVELS_DBFS", (-20.0, -60.0))
    found = run(folders, noise=folders / "noise", snr_db=10.0)
    by = {kind: [one for one in found.conditions if one.kind == kind] for kind in ("group", "snr_db", "level_dbfs")}
    assert {one.value: (one.positives, one.own_misses) for one in by["group"]} == {
        "speaker_0": (5, 0),
        "speaker_1": (5, 2),
    }
    own = {one.value: one.own_misses for one in by["snr_db"]}
    assert own[10.0] == found.own.misses == 2
    assert own[-5.0] > own[20.0]
    assert {one.value: one.own_misses for one in by["level_dbfs"]}[-20.0] == 2
    faint = {one.value: one.own_misses for one in run(folders).conditions if one.kind == "level_dbfs"}
    assert faint[-20.0] == 2
    assert faint[-60.0] == 10  # below what this detector takes for sound


def test_a_real_network_scored_in_pieces_equals_itself_scored_whole(tiny_bundle, monkeypatch):
    ww = load(tiny_bundle)
    pcm = hiss(45) * np.linspace(0.1, 20, 45 * RATE, dtype=np.float32)
    whole = score_stream(ww, [pcm], 0)
    monkeypatch.setattr("wakeword.trials.PIECE_S", 15.0)
    np.testing.assert_allclose(score_stream(ww, [pcm], 0), whole, atol=1e-5)


def test_a_target_that_no_threshold_keeps_to_is_said_to_be_missed(folders):
    class EverySecond(ToneWord):
        def scores(self, pcm):
            on = np.arange(len(pcm) // STEP) % 50 < 25
            return None, np.repeat(on[:, None], 2, axis=1).astype(np.float32)

    found = evaluate(EverySecond(), folders / "positives", folders / "negatives")
    assert found.claim.startswith("No threshold keeps to 0.5 false accepts per hour")
