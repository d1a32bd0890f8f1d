"""A simulated room decays as asked and leaves the direct sound where and as loud as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synth_clips import make_clips, noise, plain

from synth import open_clips
from synth.rooms import Room, direct_onwards, impulse_response, living_room, recorded_response, room_response
from wakeword.audio import write
from wakeword.errors import AudioError

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


@pytest.mark.parametrize("distance_m", [1.0, 2.0, 4.0])
def test_in_a_living_room_the_voice_falls_with_the_distance_and_the_room_does_not(distance_m: float) -> None:
    rooms = [living_room(distance_m, number, RATE_HZ) for number in range(16)]
    assert [response[0] for response in rooms] == [pytest.approx(1.0 / distance_m)] * 16
    reverberant = np.mean([np.square(response[1:]).sum() for response in rooms])
    near = np.mean([np.square(living_room(1.0, number, RATE_HZ)[1:]).sum() for number in range(16)])
    assert reverberant == pytest.approx(near, rel=0.3)
    assert np.array_equal(living_room(distance_m, 16, RATE_HZ), rooms[0]) and not np.array_equal(*rooms[:2])


def test_the_same_parameters_give_the_same_response() -> None:
    first = impulse_response(room(0.3), RATE_HZ).copy()
    impulse_response.cache_clear()
    assert np.array_equal(first, impulse_response(room(0.3), RATE_HZ))


def recorded(delay_samples: int = 300, level: float = -0.02) -> np.ndarray:
    """float32 [0.5 s]: noise before the direct path, that path upside down, and a decaying tail."""
    rng = np.random.default_rng(3)
    response = np.concatenate([np.zeros(delay_samples), np.exp(-np.arange(8000) / 1500.0)])
    response *= 0.2 * rng.standard_normal(len(response))
    response[delay_samples] = 1.0
    return (level * response).astype(np.float32)


def test_a_recorded_room_begins_at_its_direct_path_whatever_its_level_and_sign() -> None:
    kept = direct_onwards(recorded(), RATE_HZ)
    assert kept[0] == pytest.approx(0.9)
    assert len(kept) == 8000
    response = recorded_response(kept, RATE_HZ)
    assert np.sum(response[: RATE_HZ // 200] ** 2) == pytest.approx(1.0, rel=1e-5)
    speech = noise(1.0)
    heard = room_response(response, RATE_HZ).apply(speech)
    assert len(heard) == len(speech) + len(response) - 1
    assert np.argmax(np.correlate(heard, speech, "valid")) == 0  # not a sample later
    with pytest.raises(AudioError, match="no impulse response"):
        direct_onwards(np.zeros(100, np.float32), RATE_HZ)


def test_recorded_rooms_are_drawn_half_of_the_time_and_a_silent_one_is_listed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("WAKEWORD_CACHE", str(tmp_path / "cache"))
    folder = make_clips(tmp_path / "clips")
    for number in range(4):
        write(folder / "rooms" / f"{number}.wav", recorded(100 * number), RATE_HZ)
    write(folder / "rooms" / "silent.wav", np.zeros(8000, np.float32), RATE_HZ)
    clips = open_clips(folder, plain(room_probability=1.0, activates=[1, 1], negatives=[0, 0]))
    assert [one.path.endswith("silent.wav") for one in clips.rejected] == [True]
    assert {len(side["rooms"]) for side in clips.splits.values()} == {1, 3}
    examples = [clips.example("train", index) for index in range(60)]
    rooms = [example.recipe["events"][0]["room"] for example in examples]
    share = np.mean(["id" in room for room in rooms])
    assert 0.3 < share < 0.7
    known = {segment.take.id for segment in clips.splits["train"]["rooms"]}
    assert {room["id"] for room in rooms if "id" in room} <= known
    again = clips.example("train", 7)
    assert again.pcm.tobytes() == examples[7].pcm.tobytes()
