"""Made-up music: as loud as the other backgrounds, never twice the same, in key and in time."""

from __future__ import annotations

import numpy as np
import pytest

from synth.music import SCALES, _Instrument, _Song, music
from synth.noise import PEAK

RATE_HZ = 16000


@pytest.mark.parametrize("seed", range(4))
def test_a_piece_fills_its_length_and_reaches_its_peak(seed: int) -> None:
    piece = music(10 * RATE_HZ + 1, RATE_HZ, np.random.default_rng(seed))
    assert piece.dtype == np.float32 and piece.shape == (10 * RATE_HZ + 1,)
    assert np.abs(piece).max() == pytest.approx(PEAK)
    seconds = piece[: 10 * RATE_HZ].reshape(10, -1)
    assert seconds.std(axis=1).min() > 0.01  # no silence anywhere
    assert np.array_equal(piece, music(10 * RATE_HZ + 1, RATE_HZ, np.random.default_rng(seed)))
    assert not np.array_equal(piece, music(10 * RATE_HZ + 1, RATE_HZ, np.random.default_rng(seed + 1)))


def test_a_note_has_its_pitch_and_nothing_beyond_what_the_rate_holds() -> None:
    plain = _Instrument(slope=1.0, resonance_hz=400.0, attack_s=0.01, decay_s=2.0, vibrato=0.0)
    for hz in (110.0, 440.0, 1760.0):
        power = np.abs(np.fft.rfft(plain.play(hz, RATE_HZ, RATE_HZ, np.random.default_rng(0)) * np.hanning(RATE_HZ)))
        on, off = power[int(hz) :: int(hz)], power[int(1.5 * hz) :: int(hz)]
        assert on[0] == pytest.approx(power.max(), rel=0.05) or hz < 400.0
        assert off.max() < 0.01 * on.max()


@pytest.mark.parametrize("scale", SCALES)
def test_the_tune_the_bass_and_the_drums_are_in_time_and_the_scale_rises(scale: tuple[int, ...]) -> None:
    song = _Song(np.random.default_rng(3), RATE_HZ, 16, 8000, 60.0, scale, (0, 3, 4, 0))
    steps = [song.hz(degree) for degree in range(15)]
    assert steps == sorted(steps) and steps[7] == 120.0 and steps[14] == 240.0
    for part in (song.chords_played(), song.bass(), song.tune(), song.drums()):
        starts = [start for start, note in part]
        assert starts == sorted(starts) and {start % 4000 for start in starts} == {0} and starts[-1] < 16 * 8000
    assert [song.chord(beat) for beat in (0, 3, 4, 8, 12, 16)] == [0, 0, 3, 4, 0, 0]
