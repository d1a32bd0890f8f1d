"""Rooms: simulated ones, a shoebox with early reflections (image sources) and a diffuse, decaying tail; and recorded.

A response is relative to the direct sound: sample 0 is the direct path with amplitude 1 (of a recorded one, its first
5 ms have energy 1). So a word stays where it is, its level stays what was asked, and the room is what comes after.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from synth.convolve import TOGETHER, Response
from wakeword.config import Config
from wakeword.errors import AudioError
from wakeword.sections import Section

POOL_ROOMS = 64  # rooms in a seed's pool: enough to differ, few enough to be computed once
LIVING_ROOMS = 16
SPEED_OF_SOUND_M_S = 343.0
MIXING_S = 0.04  # after this the reflections are dense enough to be noise
DECAY_TO_60_DB = 6.0 * np.log(10.0)  # ln(10 ** 6): the energy's decay constant times rt60
WALL_DISTANCE_M = 0.3
LONGEST_RESPONSE_S = 3.0  # a cathedral rings longer, but nobody wakes a device there
DIRECT_S = 0.005
SPANS_S = (1.0, 5.0)  # a word and a sentence: each is taken in as many blocks as are transformed together


class Room(Section):
    """Where somebody speaks and where the microphone stands, in metres from a corner."""

    size_m: tuple[float, float, float]
    source_m: tuple[float, float, float]
    microphone_m: tuple[float, float, float]
    rt60_s: float
    tail_seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, config: Config) -> Room:
        """One room of the seed's pool."""
        return _pool_room(config.synth.seed, config.synth.rt60_s, int(rng.integers(POOL_ROOMS)))

    def apply(self, pcm: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """float32 [N] -> [N + M - 1], the response's M samples ringing on after the end."""
        return _simulated(self, sample_rate_hz).apply(pcm)


class RecordedRoom(Section):
    """An impulse response among the clips, by its id."""

    id: str


def room_response(response: np.ndarray, sample_rate_hz: int) -> Response:
    """A room's response, float32 [M], ready for words and sentences."""
    return Response(response, [max(round(span_s * sample_rate_hz) // TOGETHER, 1) for span_s in SPANS_S])


def direct_onwards(response: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """A recorded response, float32 [N], from its direct path (its peak) on, at most 3 s long and at a peak of 0.9.

    Raises AudioError for one that is empty or silent.
    """
    if not response.any():
        raise AudioError("no impulse response in it, only silence")
    peak = int(np.abs(response).argmax())
    kept = response[peak : peak + round(LONGEST_RESPONSE_S * sample_rate_hz)]
    return kept * np.float32(0.9 / kept[0])


def recorded_response(kept: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """What `direct_onwards` gave, float32 [M], with energy 1 in its first 5 ms."""
    direct = kept[: max(round(DIRECT_S * sample_rate_hz), 1)]
    return kept / np.float32(np.sqrt(np.square(direct, dtype=np.float64).sum()))


@lru_cache(maxsize=POOL_ROOMS * 4)
def _pool_room(seed: int, rt60_range_s: tuple[float, float], number: int) -> Room:
    rng = np.random.default_rng([seed, POOL_ROOMS, number])
    size = rng.uniform([2.5, 2.5, 2.2], [8.0, 6.0, 3.5])
    low, high = np.full(3, WALL_DISTANCE_M), size - WALL_DISTANCE_M
    metres = [tuple(float(round(value, 3)) for value in point) for point in (size, *rng.uniform(low, high, (2, 3)))]
    rt60_s = float(round(rng.uniform(*rt60_range_s), 4))
    return Room(
        size_m=metres[0], source_m=metres[1], microphone_m=metres[2], rt60_s=rt60_s, tail_seed=int(rng.integers(2**31))
    )


def living_room(distance_m: float, number: int, sample_rate_hz: int) -> np.ndarray:
    """A room's response, float32 [M], to somebody so far away, relative to the direct sound at 1 m.

    The direct path falls by 6 dB where the distance doubles; what the room adds stays as loud, as a diffuse field is.
    `number` modulo LIVING_ROOMS tells which room, of 0.3 to 0.6 s, in which two places lie about that far apart.
    """
    return _living_room(distance_m, number % LIVING_ROOMS, sample_rate_hz)


@lru_cache(maxsize=LIVING_ROOMS * 4)
def _living_room(distance_m: float, number: int, sample_rate_hz: int) -> np.ndarray:
    rng = np.random.default_rng([LIVING_ROOMS, number])
    size = rng.uniform([4.5, 3.5, 2.3], [8.0, 6.0, 3.0])
    places = rng.uniform(WALL_DISTANCE_M, size - WALL_DISTANCE_M, (2000, 2, 3))
    off = np.abs(np.sqrt(np.square(places[:, 0] - places[:, 1]).sum(axis=1)) - distance_m)
    source, microphone = places[int(off.argmin())]
    rt60_s = float(rng.uniform(0.3, 0.6))
    room = Room(
        size_m=tuple(size),
        source_m=tuple(source),
        microphone_m=tuple(microphone),
        rt60_s=rt60_s,
        tail_seed=number,
    )
    return impulse_response(room, sample_rate_hz) / np.float32(distance_m)


@lru_cache(maxsize=POOL_ROOMS * 2)
def impulse_response(room: Room, sample_rate_hz: int) -> np.ndarray:
    """float32 [M], where M covers rt60_s. Sample 0 is the direct path, exactly 1.

    Early part: J. Allen, D. Berkley, "Image method for efficiently simulating small-room acoustics" (1979), with one
    reflection coefficient from Eyring's formula. Tail: noise with the energy that a diffuse field has at this distance.
    """
    rng = np.random.default_rng(room.tail_seed)
    samples = max(round(room.rt60_s * sample_rate_hz), 2)
    mixing = min(round(MIXING_S * sample_rate_hz), samples)
    fade_in = np.ones(samples)
    fade_in[:mixing] = np.linspace(0.0, 1.0, mixing, endpoint=False)
    response = _early(room, sample_rate_hz, samples) * np.sqrt(1.0 - fade_in**2)
    response += _tail(room, sample_rate_hz, samples, rng) * fade_in
    response[0] = 1.0
    response = response.astype(np.float32)
    response.setflags(write=False)
    return response


@lru_cache(maxsize=POOL_ROOMS * 2)
def _simulated(room: Room, sample_rate_hz: int) -> Response:
    return room_response(impulse_response(room, sample_rate_hz), sample_rate_hz)


def _volume_and_surface(room: Room) -> tuple[float, float]:
    x, y, z = room.size_m
    return x * y * z, 2.0 * (x * y + y * z + z * x)


def _early(room: Room, rate: int, samples: int) -> np.ndarray:
    """Image sources that arrive within the mixing time after the direct path, amplitudes relative to it."""
    volume, surface = _volume_and_surface(room)
    reflection = float(np.exp(-0.161 * volume / (surface * room.rt60_s) / 2.0))
    size, source, microphone = (np.array(point) for point in (room.size_m, room.source_m, room.microphone_m))
    direct = np.sqrt(np.sum((source - microphone) ** 2))
    reach = direct + MIXING_S * SPEED_OF_SOUND_M_S
    counts = np.ceil(reach / (2.0 * size)).astype(int)
    grid = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in counts], indexing="ij"), axis=-1).reshape(-1, 1, 3)
    flips = np.stack(np.meshgrid(*[[0, 1]] * 3, indexing="ij"), axis=-1).reshape(1, 8, 3)
    positions = (1 - 2 * flips) * source + 2 * grid * size
    bounces = np.abs(2 * grid - flips).sum(axis=-1)
    distance = np.sqrt(np.sum((positions - microphone) ** 2, axis=-1))
    delay = np.rint((distance - direct) * rate / SPEED_OF_SOUND_M_S).astype(int)
    heard = (distance < reach) & (delay < samples) & (bounces > 0)
    amplitude = reflection**bounces * max(direct, 0.1) / np.maximum(distance, 0.1)
    response = np.zeros(samples)
    np.add.at(response, delay[heard], amplitude[heard])
    return response


def _tail(room: Room, rate: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise whose energy over the direct sound's is (distance / critical distance) squared."""
    volume, _ = _volume_and_surface(room)
    distance = np.sqrt(np.sum((np.array(room.source_m) - np.array(room.microphone_m)) ** 2))
    critical_m = 0.057 * np.sqrt(volume / room.rt60_s)
    decay = DECAY_TO_60_DB / (room.rt60_s * rate)
    energy = decay * (distance / critical_m) ** 2 * np.exp(-decay * np.arange(samples))
    return rng.standard_normal(samples) * np.sqrt(energy)
