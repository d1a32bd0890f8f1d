"""What integers cost: the same recordings through the float model and through what a device computes.

    python benchmarks/int8.py BUNDLE --positives DIR --negatives DIR --noise DIR [--draws 6] [--hours 4] [--json]

Each recording of the word is laid in quiet and at 20, 10, 5 and 0 dB SNR, each with as many draws of the noise; every
one of these trials is heard by both. Misses are counted at the bundle's own threshold, and, for both on their own
scores, at the thresholds that keep to 0.5 and 2 false accepts per hour on the negatives, which are one long stream.
The integers are those of `firmware_export.reference`, which the C equals bit for bit; of a bundle with the micro front
end they are those of ESPHome's package in TensorFlow Lite Micro's interpreter. With --json the last line is one object.
"""

from __future__ import annotations

import argparse
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # instead of this folder, whose synth.py is not the package

import wakeword  # noqa: E402
from firmware_export.esphome.package import HIGHEST_CUTOFF, program_of, run_on_device  # noqa: E402
from firmware_export.layers import read_layers  # noqa: E402
from firmware_export.quantize import quantize  # noqa: E402
from firmware_export.reference import run  # noqa: E402
from firmware_export.tflite import write_tflite  # noqa: E402
from wakeword.audio import to_float, to_int16  # noqa: E402
from wakeword.bundle import read_bundle  # noqa: E402
from wakeword.detector import fire_steps, smooth  # noqa: E402
from wakeword.features.micro import MicroStream  # noqa: E402
from wakeword.metrics import Trials, det_curve, miss_rate_at  # noqa: E402
from wakeword.stream import WakeWord  # noqa: E402
from wakeword.trials import (  # noqa: E402
    NegativeStream,
    Noise,
    lay_take,
    negative_blocks,
    recordings,
    score_stream,
)

SNRS_DB = (None, 20.0, 10.0, 5.0, 0.0)
RATES_PER_HOUR = (0.5, 2.0)
HEARERS = ("float", "int8")


def main() -> int:
    arguments = _arguments()
    pair = Pair(arguments.bundle)
    peaks = np.array([pair.peaks(take) for take in takes(arguments, pair.ww.sample_rate_hz)])  # [trials, 2]
    (floats, hours), (integers, _) = (negatives(arguments, pair, hearer) for hearer in (pair.ww, pair.integers))
    curves = (floats, integers)
    missed = peaks < np.array([config.threshold for config in pair.configs])
    result = {
        "trials": len(peaks),
        "negative_hours": round(hours, 3),
        "missed": dict(zip(HEARERS, missed.sum(axis=0).tolist(), strict=True)),
        "heard_by_one_alone": int((missed[:, 0] != missed[:, 1]).sum()),
        "false_accepts": {
            name: len(fire_steps(curve, config))
            for name, curve, config in zip(HEARERS, curves, pair.configs, strict=True)
        },
    }
    for rate in RATES_PER_HOUR:
        share = {}
        for k, name in enumerate(HEARERS):
            trials = Trials(peaks[:, k], [curves[k]], hours)
            share[name] = round(miss_rate_at(det_curve(trials, pair.configs[k]), rate), 4)
        result[f"missed_at_{rate:g}_per_hour"] = share
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=2))
    return 0


class Integers(ABC):
    """What a device computes, as far as it must look like a WakeWord to be scored like one."""

    highest_threshold = 1.0

    def __init__(self, bundle: Path, ww: WakeWord) -> None:
        self.step_samples, self.sample_rate_hz, self.warmup_steps = ww.step_samples, ww.sample_rate_hz, ww.warmup_steps
        self.bundle = read_bundle(bundle)
        self.golden = to_float(self.bundle.golden()[0])

    @abstractmethod
    def scores(self, pcm: np.ndarray) -> tuple[None, np.ndarray]:
        """Samples [N] -> nothing, and probabilities [T, K]; `WakeWord.scores` has times in the first place."""


class OnC(Integers):
    """The twin of the C runtime."""

    def __init__(self, bundle: Path, ww: WakeWord) -> None:
        super().__init__(bundle, ww)
        self._q = quantize(read_layers(bundle), self.golden)

    def scores(self, pcm: np.ndarray) -> tuple[None, np.ndarray]:
        return None, run(self._q, to_int16(pcm)).probabilities / 2**16


class OnEsphome(Integers):
    """ESPHome's package, whose logits are lowered where the threshold is too high for 8 bits."""

    highest_threshold = HIGHEST_CUTOFF

    def __init__(self, bundle: Path, ww: WakeWord) -> None:
        super().__init__(bundle, ww)
        self._program = program_of(self.bundle, MicroStream().feed(self.golden))
        self._content = write_tflite(self._program, self.bundle.card.phrases[0])

    def scores(self, pcm: np.ndarray) -> tuple[None, np.ndarray]:
        outputs = [output for _, output in run_on_device(self._content, self._program, MicroStream().feed(pcm))]
        return None, np.array(outputs, np.float32)[:, None] / 256


class Pair:
    """One bundle's first phrase, in floats and in integers; each has its threshold in its detector's configuration."""

    def __init__(self, bundle: Path) -> None:
        self.ww: WakeWord = wakeword.load(bundle)
        micro = read_bundle(bundle).card.config.features.kind == "micro"
        self.integers = OnEsphome(bundle, self.ww) if micro else OnC(bundle, self.ww)
        own = self.ww.detector_configs[0]
        lowered = own.model_copy(update={"threshold": min(own.threshold, self.integers.highest_threshold)})
        self.configs = (own, lowered)

    def curve(self, hearer: WakeWord | Integers, blocks: Iterator[np.ndarray]) -> np.ndarray:
        """Blocks float32 [N] of one stream -> the smoothed scores [T]."""
        scores = score_stream(hearer, blocks, 0).astype(np.float64)
        return smooth(scores, self.configs[0].smoothing_steps, self.configs[0].patience_steps)

    def peaks(self, pcm: np.ndarray) -> tuple[float, float]:
        return tuple(float(self.curve(hearer, iter([pcm])).max()) for hearer in (self.ww, self.integers))


def takes(arguments: argparse.Namespace, rate: int):
    """float32 [N] of 16-bit samples for each trial."""
    for snr_db in SNRS_DB:
        for seed in range(arguments.draws):
            noise = Noise(arguments.noise, rate, seed) if snr_db is not None else None
            for number, path in enumerate(recordings(arguments.positives)):
                yield to_float(to_int16(lay_take(path, number, rate, noise, snr_db, seed).pcm))
        print(f"{'quiet' if snr_db is None else snr_db}: done", file=sys.stderr, flush=True)


def negatives(arguments: argparse.Namespace, pair: Pair, hearer: WakeWord | Integers) -> tuple[np.ndarray, float]:
    """The curve of one hearer over at most so many hours, and the hours that were heard."""
    stream, rate = NegativeStream(), pair.ww.sample_rate_hz
    blocks = negative_blocks(recordings(arguments.negatives), rate, stream)
    limit = arguments.hours * 3600 * rate
    heard = (to_float(to_int16(block)) for block in takewhile(lambda _: stream.heard_samples <= limit, blocks))
    return pair.curve(hearer, heard), stream.heard_samples / rate / 3600


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--positives", type=Path, required=True)
    parser.add_argument("--negatives", type=Path, required=True)
    parser.add_argument("--noise", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
