"""How fast examples are rendered, as times real time on one core, in memory, with warm caches; and how fast others are.

    python benchmarks/synth.py [--examples 300] [--json]

It makes its own clips: hoarse syllables, so no voice and no download is needed. Both packaged recipes are run: the
full one of `default`, also without its codecs (which are LAME's and libopus's own time), and the seed system's of
`activate`. Then, if they are installed, audiomentations with the transforms that both have, on the same clips, and what
tutorials do with pydub. The last line is one JSON object with --json; what is not installed is null.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # instead of this folder, whose synth.py is not the package

from synth import Clips, open_clips, stream  # noqa: E402
from wakeword.audio import read, write  # noqa: E402
from wakeword.config import Config, load_config, override  # noqa: E402

CLIPS_RATE_HZ = 16000
WARM_UP_EXAMPLES = 100
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


def measured(folder: Path, examples: int) -> dict[str, float | None]:
    clips, default = folder / "clips", load_config("default")
    started = time.process_time()
    write_rooms(folder / "rooms", default)
    rooms_s = time.process_time() - started
    ours = measure(clips, override(default, synth=SHARED), examples)
    theirs = measure_audiomentations(clips, folder / "rooms", default, examples)
    return {
        "full_x_realtime_per_core": measure(clips, default, examples),
        "full_without_codecs_x_realtime_per_core": measure(
            clips, override(default, synth={"codec_probability": 0.0}), examples
        ),
        "seed_x_realtime_per_core": measure(clips, load_config("activate"), examples),
        "shards_x_realtime_per_core": measure_shards(clips, folder / "shards", default, examples),
        "room_pool_s": rooms_s,
        "shared_transforms_x_realtime_per_core": ours,
        "audiomentations_x_realtime_per_core": theirs,
        "vs_audiomentations": None if theirs is None else ours / theirs,
        "pydub_x_realtime_per_core": measure_pydub(clips, examples, reading=False),
        "pydub_reading_x_realtime_per_core": measure_pydub(clips, examples, reading=True),
    }


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


def measure(folder: Path, config: Config, examples: int) -> float:
    """Seconds of audio rendered in one second of one process's own processor time."""
    clips = open_clips(folder, config)
    consume(clips, config, WARM_UP_EXAMPLES)
    started = time.process_time()
    consume(clips, config, examples)
    return examples * config.audio.example_s / (time.process_time() - started)


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


def measure_audiomentations(folder: Path, rooms: Path, config: Config, examples: int) -> float | None:
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

    run(WARM_UP_EXAMPLES)
    started = time.process_time()
    run(examples)
    return examples * config.audio.example_s / (time.process_time() - started)


def measure_pydub(folder: Path, examples: int, reading: bool) -> float | None:
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

    started = time.process_time()
    for _ in range(examples):
        example = one("backgrounds")[: 1000 * seconds] - 20
        for kind, most in (("activates", 4), ("negatives", 2)):
            for _ in range(int(rng.integers(most + 1))):
                example = example.overlay(one(kind)[:2000], position=int(rng.integers(1000 * seconds - 2000)))
        example.apply_gain(-20.0 - example.dBFS)
    return examples * seconds / (time.process_time() - started)


def consume(clips: Clips, config: Config, examples: int) -> None:
    for _ in stream(clips, config, "train", 0, examples):
        pass


if __name__ == "__main__":
    main()
