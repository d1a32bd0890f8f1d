"""How fast examples are rendered, as times real time on one core, in memory, with warm caches; and how fast others are.

    python benchmarks/synth.py [--examples 300] [--json]

It makes its own clips: hoarse syllables, so no voice and no download is needed. Both packaged recipes are run: the full
one of `default`, also without its codecs, and the seed system's of `activate`. Then, if they are installed,
audiomentations with the transforms that both have, on the same clips, and what tutorials do with pydub. All of these
take turns, so that other work on the machine slows all of them alike. Then each codec alone (they are LAME's, libopus's
and libgsm's own time), the shares of the parts, and the wall clock with one worker and with two. The last line is one
JSON object with --json; what is not installed is null.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import soundfile
import soxr
from scipy import fft

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # instead of this folder, whose synth.py is not the package

from synth import build, codecs, open_clips, render, rooms, stream, transforms  # noqa: E402
from wakeword.audio import read, write  # noqa: E402
from wakeword.config import Config, load_config, override  # noqa: E402

CLIPS_RATE_HZ = 16000
WARM_UP_EXAMPLES = 100
TURNS = 10
CODED_S = 2.0
PARTS = {  # the functions whose time is told apart
    "draw": [(build, "draw")],
    "speed": [(transforms.Speed, "apply")],
    "vocal_tract": [(transforms.VocalTract, "apply")],
    "filter_and_band": [(render, "filtered")],
    "codec": [(codecs.Codec, "apply")],
    "room": [(rooms.Room, "apply")],
}
LIBRARIES = {  # the same time in another cut: what libraries compute for them
    "library_fft": [(fft, "rfft"), (fft, "irfft"), (fft, "dct")],
    "library_resampling": [(soxr, "resample")],
    "library_coding": [(soundfile, "write"), (soundfile, "read")],
}
SHARED = {  # of `default`, what audiomentations has too: background at an SNR, equaliser, band, room, gain
    "activates": [0, 0],
    "negatives": [1, 1],
    "negative_s": [5.0, 5.0],
    "partial_probability": 0.0,
    "reversed_probability": 0.0,
    "scrambled_probability": 0.0,
    "speed_probability": 0.0,
    "vocal_tract_probability": 0.0,
    "codec_probability": 0.0,
    "clip_probability": 0.0,
    "background_absent": 0.0,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WAKEWORD_CACHE"] = str(Path(folder) / "cache")
        make_clips(Path(folder) / "clips")
        figures = measured(Path(folder), arguments.examples)
    figures = {name: None if value is None else round(value, 2) for name, value in figures.items()}
    print(json.dumps(figures) if arguments.json else "\n".join(f"{name} {value}" for name, value in figures.items()))


class Contender(NamedTuple):
    """`run(n)` renders n examples of so many seconds."""

    run: Callable[[int], Any]
    example_s: float


def measured(folder: Path, examples: int) -> dict[str, Any]:
    clips, default = folder / "clips", load_config("default")
    started = time.process_time()
    write_rooms(folder / "rooms", default)
    rooms_s = time.process_time() - started
    rates = in_turns(
        {
            "full_x_realtime_per_core": ours(clips, default),
            "full_without_codecs_x_realtime_per_core": ours(clips, override(default, synth={"codec_probability": 0.0})),
            "seed_x_realtime_per_core": ours(clips, load_config("activate")),
            "shared_transforms_x_realtime_per_core": ours(clips, override(default, synth=SHARED)),
            "audiomentations_x_realtime_per_core": audiomentations(clips, folder / "rooms", default),
            "pydub_x_realtime_per_core": pydub(clips, reading=False),
            "pydub_reading_x_realtime_per_core": pydub(clips, reading=True),
        },
        examples,
    )
    shared, theirs = rates["shared_transforms_x_realtime_per_core"], rates["audiomentations_x_realtime_per_core"]
    without = rates["full_without_codecs_x_realtime_per_core"]
    return {
        **rates,
        "vs_audiomentations": theirs and shared / theirs,
        "codecs_share_of_full": 1.0 - rates["full_x_realtime_per_core"] / without,
        **in_turns({f"codec_{kind}_x_realtime_per_core": codec(kind) for kind in codecs.KINDS}, TURNS),
        **{
            f"{part}_share": share
            for cut in (PARTS, LIBRARIES)
            for part, share in parts(ours(clips, default), cut, examples)
        },
        "shards_x_realtime_per_core": measure_shards(clips, folder / "shards", default, examples),
        "room_pool_s": rooms_s,
        **two_cores(clips, default, examples),
    }


def in_turns(contenders: dict[str, Contender | None], examples: int) -> dict[str, float | None]:
    """Seconds of audio that each renders in one second of this process's own processor time."""
    there = {name: one for name, one in contenders.items() if one}
    for one in there.values():
        one.run(min(WARM_UP_EXAMPLES, examples))
    spent_s = dict.fromkeys(there, 0.0)
    for _ in range(TURNS):
        for name, one in there.items():
            started = time.process_time()
            one.run(examples // TURNS)
            spent_s[name] += time.process_time() - started
    rendered = examples // TURNS * TURNS
    return {name: rendered * one.example_s / spent_s[name] if one else None for name, one in contenders.items()}


def make_clips(folder: Path) -> None:
    """60 words of half a second, 60 sentences of 1 to 12 s and 20 backgrounds of half a minute."""
    rng = np.random.default_rng(0)
    for kind, count, shortest_s, longest_s in (("activates", 60, 0.4, 0.8), ("negatives", 60, 1.0, 12.0)):
        for number in range(count):
            samples = int(rng.uniform(shortest_s, longest_s) * CLIPS_RATE_HZ)
            write(folder / kind / f"{number}.wav", syllables(rng, samples), CLIPS_RATE_HZ)
    for number in range(20):
        noise = 0.05 * rng.standard_normal(30 * CLIPS_RATE_HZ).astype(np.float32)
        write(folder / "backgrounds" / f"{number}.wav", noise, CLIPS_RATE_HZ)


def syllables(rng: np.random.Generator, samples: int) -> np.ndarray:
    """A hoarse vowel at speech level that swells four times a second."""
    time_s, pitch_hz = np.arange(samples) / CLIPS_RATE_HZ, rng.uniform(100.0, 250.0)
    swell = np.abs(np.sin(np.pi * 4.0 * time_s)) + 0.1
    vowel = sum(np.sin(2 * np.pi * k * pitch_hz * time_s + k * k) for k in range(1, 11))
    return (swell * (0.035 * vowel + 0.05 * rng.standard_normal(samples))).astype(np.float32)


def ours(folder: Path, config: Config) -> Contender:
    examples = stream(open_clips(folder, config), config, "train")
    return Contender(lambda count: consume(examples, count), config.audio.example_s)


def codec(kind: str) -> Contender:
    sound, one = syllables(np.random.default_rng(0), round(CODED_S * CLIPS_RATE_HZ)), codecs.Codec(kind=kind)
    return Contender(lambda count: [one.apply(sound, CLIPS_RATE_HZ) for _ in range(count)], CODED_S)


def parts(one: Contender, cut: dict[str, list[tuple[Any, str]]], examples: int) -> Iterator[tuple[str, float]]:
    """The share that each part of a cut has in the processor time of an example."""
    spent_s = dict.fromkeys(cut, 0.0)
    one.run(WARM_UP_EXAMPLES)

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            started = time.process_time()
            result = function(*arguments, **named)
            spent_s[part] += time.process_time() - started
            return result

        return run

    with ExitStack() as patches:
        for part, functions in cut.items():
            for owner, name in functions:
                patches.enter_context(mock.patch.object(owner, name, timed(part, getattr(owner, name))))
        started = time.process_time()
        one.run(examples)
        all_s = time.process_time() - started
    yield from ((part, seconds / all_s) for part, seconds in spent_s.items())


def two_cores(folder: Path, config: Config, examples: int) -> dict[str, float]:
    """How many times as fast two workers are as one, by the clock: the best of three tries of each, in turns.

    Other work on the machine spoils it. What the process that reads pays for each example bounds it on two free cores:
    with w the time to render one and h to hand it over, 2 w / (w + h).
    """
    clips, best_s, handed_s = open_clips(folder, config), {1: np.inf, 2: np.inf}, np.inf
    for _ in range(3):
        for workers in best_s:
            with closing(stream(clips, config, "train", workers=workers)) as rendered:
                consume(rendered, WARM_UP_EXAMPLES)  # they have started, and are as far ahead as they will be
                started, clock = time.process_time(), time.perf_counter()
                consume(rendered, examples)
                best_s[workers] = min(best_s[workers], time.perf_counter() - clock)
                handed_s = min(handed_s, time.process_time() - started)
    return {"two_cores_vs_one": best_s[1] / best_s[2], "hand_over_ms_per_example": 1000.0 * handed_s / examples}


def measure_shards(folder: Path, out: Path, config: Config, examples: int) -> float:
    """The same with what it takes to write it: FLAC, JSON, tar and a checksum."""
    from synth import write_shards

    clips = open_clips(folder, override(config, synth={"examples": examples}))
    started = time.process_time()
    write_shards(clips, out)
    return examples * config.audio.example_s / (time.process_time() - started)


def write_rooms(folder: Path, config: Config) -> None:
    from synth.rooms import POOL_ROOMS, Room, impulse_response

    rng = np.random.default_rng(0)
    for number in range(POOL_ROOMS):
        response = impulse_response(Room.sample(rng, config), config.audio.sample_rate_hz)
        write(folder / f"{number}.wav", 0.5 * response, config.audio.sample_rate_hz)


def audiomentations(folder: Path, rooms: Path, config: Config) -> Contender | None:
    """The transforms of SHARED as audiomentations has them, with the same probabilities and ranges."""
    try:
        import audiomentations as am
    except ImportError:
        return None
    synth, rate = config.synth, config.audio.sample_rate_hz
    low_db, high_db = synth.filter_db
    gains = {"min_gain_db": low_db, "max_gain_db": high_db}
    equaliser = am.Compose([am.LowShelfFilter(p=1.0, **gains), am.PeakingFilter(p=1.0, **gains),
                            am.HighShelfFilter(p=1.0, **gains)], p=synth.filter_probability)  # fmt: skip
    augment = am.Compose(
        [
            equaliser,
            am.BandPassFilter(min_center_freq=1000.0, max_center_freq=3000.0, p=synth.band_probability),
            am.ApplyImpulseResponse(str(rooms), p=synth.room_probability, lru_cache_size=64),
            am.AddBackgroundNoise(str(folder / "backgrounds"), min_snr_db=0.0, max_snr_db=60.0, p=1.0),
            am.Gain(min_gain_db=synth.gain_db[0], max_gain_db=synth.gain_db[1], p=1.0),
        ]
    )
    rng, spoken = np.random.default_rng(0), [read(path, rate) for path in sorted((folder / "negatives").iterdir())]

    def run(count: int) -> None:
        for _ in range(count):
            sound, example = spoken[int(rng.integers(len(spoken)))], np.zeros(config.example_samples, np.float32)
            length = min(len(sound), 5 * rate)
            start = int(rng.integers(len(example) - length))
            example[start : start + length] = sound[:length]
            augment(example, sample_rate=rate)

    return Contender(run, config.audio.example_s)


def pydub(folder: Path, reading: bool) -> Contender | None:
    """What tutorials do: 10 s of background, 0 to 4 words and 0 to 2 others overlaid on it, brought to one level."""
    try:
        from pydub import AudioSegment
    except ImportError:
        return None
    kinds = ("backgrounds", "activates", "negatives")
    paths = {kind: sorted((folder / kind).iterdir()) for kind in kinds}
    held = {kind: [AudioSegment.from_wav(str(path)) for path in paths[kind]] for kind in kinds}
    rng, seconds = np.random.default_rng(0), 10

    def one(kind: str) -> AudioSegment:
        number = int(rng.integers(len(paths[kind])))
        return AudioSegment.from_wav(str(paths[kind][number])) if reading else held[kind][number]

    def run(count: int) -> None:
        for _ in range(count):
            example = one("backgrounds")[: 1000 * seconds] - 20
            for kind, most in (("activates", 4), ("negatives", 2)):
                for _ in range(int(rng.integers(most + 1))):
                    example = example.overlay(one(kind)[:2000], position=int(rng.integers(1000 * seconds - 2000)))
            example.apply_gain(-20.0 - example.dBFS)

    return Contender(run, seconds)


def consume(examples: Iterable[Any], count: int) -> None:
    for _ in islice(examples, count):
        pass


if __name__ == "__main__":
    main()
