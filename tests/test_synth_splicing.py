"""Recordings cut between their phones: here each phone is a tone, so that what a piece holds can be measured."""

import numpy as np
import pytest

from synth.splicing import CLIP_PHONES, FADE_S, LATE_S, PHONE_S, PIECE_PHONES, RATE_HZ, Piece, pieces, shares, spliced

STEP_S, TONE_S, DIP_S = 0.04, 0.11, 0.01
PHONES = [3, 1, 4, 1, 5, 2, 6, 2, 5, 3, 5]


def hertz(phone: int) -> float:
    return 300.0 * phone


def tone(phone: int, level: float = 0.2) -> np.ndarray:
    time_s = np.arange(round(TONE_S * RATE_HZ)) / RATE_HZ
    swell = np.minimum(1.0, np.minimum(time_s, TONE_S - time_s) / DIP_S)
    return (level * swell * np.sin(2 * np.pi * hertz(phone) * time_s)).astype(np.float32)


def recording(said: list[int]) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Tones between half seconds of silence, and the steps at which a backbone would say them."""
    silence = np.zeros(RATE_HZ // 2, np.float32)
    middles_s = [0.5 + (number + 0.5) * TONE_S for number in range(len(said))]
    steps = [(round((middle + LATE_S) / STEP_S - 0.5), phone) for middle, phone in zip(middles_s, said, strict=True)]
    return np.concatenate([silence, *(tone(phone) for phone in said), silence]), steps


def heard(pcm: np.ndarray) -> list[int]:
    """The tone of each 20 ms, repetitions left out, by where its spectrum is highest."""
    frame = round(0.02 * RATE_HZ)
    frames = pcm[: len(pcm) // frame * frame].reshape(-1, frame)
    loud = frames[np.abs(frames).max(axis=1) > 0.5 * np.abs(pcm).max()]
    peaks = np.abs(np.fft.rfft(loud * np.hanning(frame), 16 * frame)).argmax(axis=1) / 16 / 0.02
    found = [round(peak / 300.0) for peak in peaks]
    return [phone for phone, before in zip(found, [None, *found], strict=False) if phone != before]


def cut(seed: int = 0) -> list[Piece]:
    pcm, steps = recording(PHONES)
    return list(pieces(pcm, steps, STEP_S, np.random.default_rng(seed)))


@pytest.mark.parametrize("seed", range(5))
def test_pieces_hold_what_they_say_and_nothing_is_lost(seed: int) -> None:
    found = cut(seed)
    assert [phone for piece in found for phone in piece.said] == PHONES
    for piece in found:
        assert heard(piece.pcm) == piece.said
        assert PIECE_PHONES[0] <= len(piece.said) <= PIECE_PHONES[1] + 1


def test_a_cut_lies_where_it_is_quiet() -> None:
    for piece in cut():
        assert np.abs(piece.pcm[[0, -1]]).max() < 0.1 * np.abs(piece.pcm).max()


def test_a_pause_within_a_piece_is_left_out() -> None:
    pcm, steps = recording([1, 2, 3, 4])
    late = [(step + round(1.5 / STEP_S), phone) for step, phone in steps[2:]]
    halves = np.split(pcm, [round((0.5 + 2 * TONE_S) * RATE_HZ)])
    paused = np.concatenate([halves[0], np.zeros(round(1.5 * RATE_HZ), np.float32), halves[1]])
    for seed in range(5):
        for piece in pieces(paused, [*steps[:2], *late], STEP_S, np.random.default_rng(seed)):
            assert len(piece.pcm) / RATE_HZ / len(piece.said) < PHONE_S[1]


@pytest.mark.parametrize("seed", range(5))
def test_a_clip_holds_its_phones_in_their_order(seed: int) -> None:
    clip = spliced([piece for number in range(4) for piece in cut(number)], np.random.default_rng(seed))
    merged = [phone for phone, before in zip(clip.said, [None, *clip.said], strict=False) if phone != before]
    assert heard(clip.pcm) == merged
    assert len(clip.said) >= CLIP_PHONES[0]
    assert clip.pcm.dtype == np.float32


def test_pieces_meet_without_a_click_and_at_one_level() -> None:
    loud, faint = (Piece(tone(1, level), [1]) for level in (0.3, 0.2))
    clip = spliced([loud, faint], np.random.default_rng(3)).pcm
    steepest = np.abs(np.diff(tone(1, 0.3))).max()
    assert np.abs(np.diff(clip)).max() < 1.1 * steepest
    peaks = [np.abs(part).max() for part in np.array_split(clip, len(clip) // round((TONE_S - FADE_S) * RATE_HZ))]
    assert max(peaks) < 1.1 * min(peaks)


def test_clips_are_shared_among_speakers() -> None:
    assert shares([1, 4, 4], 10) == [2, 4, 4]
    assert sum(shares([3, 7, 1, 19], 1000)) == 1000
    assert shares([], 5) == []
