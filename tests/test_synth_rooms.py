"""A simulated room decays as asked and leaves the direct sound where and as loud as it was."""

from __future__ import annotations

import numpy as np
import pytest
from synth_clips import noise

from synth.rooms import Room, impulse_response

RATE_HZ = 16000
RT60_TOLERANCE = 0.15  # a tail of noise is one draw, and early reflections are sparse


def room(rt60_s: float, distance_m: float = 2.0, tail_seed: int = 1) -> Room:
    microphone = (1.0 + distance_m, 1.5, 1.2)
    return Room(
        size_m=(5.0, 4.0, 2.6), source_m=(1.0, 1.5, 1.2), microphone_m=microphone, rt60_s=rt60_s, tail_seed=tail_seed
    )


def measured_rt60_s(response: np.ndarray) -> float:
    """Twice the time from -5 to -35 dB of Schroeder's backward integral."""
    remaining = np.cumsum(np.square(response[::-1], dtype=np.float64))[::-1]
    levels_db = 10.0 * np.log10(remaining[1:] / remaining[1])
    times = np.arange(len(levels_db)) / RATE_HZ
    part = (levels_db < -5.0) & (levels_db > -35.0)
    return -60.0 / np.polyfit(times[part], levels_db[part], 1)[0]


@pytest.mark.parametrize("rt60_s", [0.15, 0.3, 0.5, 0.7])
def test_schroeder_integration_finds_the_reverberation_time_that_was_asked(rt60_s: float) -> None:
    found = [measured_rt60_s(impulse_response(room(rt60_s, tail_seed=seed), RATE_HZ)) for seed in range(5)]
    assert np.mean(found) == pytest.approx(rt60_s, rel=RT60_TOLERANCE)


def test_the_direct_sound_is_sample_0_at_full_level() -> None:
    response = impulse_response(room(0.4), RATE_HZ)
    assert response[0] == 1.0
    assert np.abs(response[1:20]).max() < 1.0
    dry = noise(0.2)
    assert len(room(0.4).apply(dry, RATE_HZ)) == len(dry) + len(response) - 1


def test_further_away_is_more_room() -> None:
    near, far = (impulse_response(room(0.4, distance), RATE_HZ) for distance in (0.3, 3.0))
    assert np.square(far[1:]).sum() > 20 * np.square(near[1:]).sum()


def test_the_same_parameters_give_the_same_response() -> None:
    first = impulse_response(room(0.3), RATE_HZ).copy()
    impulse_response.cache_clear()
    assert np.array_equal(first, impulse_response(room(0.3), RATE_HZ))
