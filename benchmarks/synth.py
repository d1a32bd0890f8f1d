"""How fast examples are rendered, as times real time on one core, in memory, with warm caches.

    python benchmarks/synth.py [--examples 300] [--json]

It makes its own clips: hoarse syllables, so no voice and no download is needed. Both packaged recipes are run: the
full one of `default` and the seed system's of `activate`. The last line is one JSON object with --json.
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
from wakeword.audio import write  # noqa: E402
from wakeword.config import Config, load_config  # noqa: E402

CLIPS_RATE_HZ = 16000
WARM_UP_EXAMPLES = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WAKEWORD_CACHE"] = str(Path(folder) / "cache")
        make_clips(Path(folder) / "clips")
        figures = {
            "full_x_realtime_per_core": measure(Path(folder) / "clips", load_config("default"), arguments.examples),
            "seed_x_realtime_per_core": measure(Path(folder) / "clips", load_config("activate"), arguments.examples),
        }
    figures = {name: round(value, 2) for name, value in figures.items()}
    print(json.dumps(figures) if arguments.json else "\n".join(f"{name} {value:g}" for name, value in figures.items()))


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


def consume(clips: Clips, config: Config, examples: int) -> None:
    for _ in stream(clips, config, "train", 0, examples):
        pass


if __name__ == "__main__":
    main()
