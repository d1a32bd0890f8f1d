"""Leaves a listener on for a day, faster than real time: does it grow, do its time stamps drift, does it hear the same?

    python benchmarks/soak.py [--hours 24] [--bundle DIR] [--rate 44100] [--json]

One minute of sound is played over and over into `wakeword.listener.Listener`, resampled and cut into blocks of 80 ms,
with a capture after every hit. In each minute the same must be heard at the same second, and in a fresh listener that
gets some of these minutes in blocks of random lengths. Without --bundle it is one of the default configuration with
random weights and a threshold that is passed now and then. It exits with 1 if memory grew by more than --max-growth-mb
after the first tenth, or if any hit came at another time. The last line with --json is one object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # instead of this folder, whose synth.py is not the package

import wakeword  # noqa: E402
from benchmarks.runtime import made_bundles  # noqa: E402
from wakeword.audio import StreamResampler, to_float  # noqa: E402
from wakeword.bench import resident_megabytes  # noqa: E402
from wakeword.capture import Capture  # noqa: E402
from wakeword.listener import Listener  # noqa: E402

PERIOD_S = 60
SETTLED = 3  # minutes after which a network has forgotten how it began
BLOCK_MS = 80
SHARE_OVER = 0.95  # of the scores lie below the threshold that is chosen


class Loop:
    """A source that plays int16 [N] so many times, in blocks of 80 ms or of random lengths."""

    def __init__(
        self, pcm: np.ndarray, sample_rate_hz: int, times: int, rng: np.random.Generator | None = None
    ) -> None:
        self.name, self.sample_rate_hz = "loop", sample_rate_hz
        self._pcm, self._times, self._rng = pcm, times, rng

    def blocks(self) -> Iterator[np.ndarray]:
        for _ in range(self._times):
            at = 0
            while at < len(self._pcm):
                block = self.sample_rate_hz * BLOCK_MS // 1000
                size = int(self._rng.integers(1, 4 * block)) if self._rng else block
                yield self._pcm[at : at + size]
                at += size

    def close(self) -> None:
        """Nothing to free."""


class Watch:
    """Memory at each tenth of the way, by the samples that were heard."""

    def __init__(self, samples: int) -> None:
        self._tenth, self._heard = samples // 10, 0
        self.megabytes: list[float] = []

    def __call__(self, pcm: np.ndarray) -> None:
        self._heard += len(pcm)
        if self._heard >= self._tenth * (len(self.megabytes) + 1):
            self.megabytes.append(round(resident_megabytes(), 2))


def main() -> int:
    arguments = _arguments()
    pcm = minute(arguments.rate)
    minutes = max(SETTLED + 2, round(arguments.hours * 60))
    with tempfile.TemporaryDirectory() as folder:
        bundle = arguments.bundle or made_bundle(Path(folder))
        threshold = passed_now_and_then(bundle, pcm, arguments.rate)
        begin_s = time.perf_counter()
        watch = Watch(minutes * PERIOD_S * wakeword.load(bundle).sample_rate_hz)
        long = hits(bundle, threshold, Loop(pcm, arguments.rate, minutes), watch)
        taken_s = time.perf_counter() - begin_s
        pieces = hits(bundle, threshold, Loop(pcm, arguments.rate, SETTLED + 2, np.random.default_rng(1)))
    result = judged(long, pieces, minutes) | {
        "hours": round(minutes / 60, 3),
        "x_realtime": round(minutes * PERIOD_S / taken_s, 1),
        "megabytes": watch.megabytes,
        "growth_mb": round(watch.megabytes[-1] - watch.megabytes[0], 2),
    }
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=2))
    return int(result["growth_mb"] > arguments.max_growth_mb or result["minutes_that_differ"] > 0)


def judged(long: list[float], pieces: list[float], minutes: int) -> dict[str, float]:
    """Compares every settled minute of both runs with one minute of the pieces."""
    (*_, expected), by_minute = split(pieces, SETTLED + 2)[SETTLED:], split(long, minutes)[SETTLED:]
    differing = [
        found for found in by_minute if len(found) != len(expected) or not np.allclose(found, expected, atol=1e-6)
    ]
    drifts = [
        float(np.abs(np.subtract(found, expected)).max()) for found in by_minute if len(found) == len(expected) > 0
    ]
    return {
        "hits_in_a_minute": len(expected),
        "minutes_compared": len(by_minute),
        "minutes_that_differ": len(differing) if expected else len(by_minute),
        "largest_drift_s": max(drifts, default=float("nan")),
    }


def split(times_s: list[float], minutes: int) -> list[list[float]]:
    """Times within each minute; a hit just after a minute's end belongs to the next."""
    found: list[list[float]] = [[] for _ in range(minutes)]
    for time_s in times_s:
        number = min(int((time_s - 1e-6) // PERIOD_S), minutes - 1)
        found[number].append(time_s - number * PERIOD_S)
    return found


def hits(bundle: Path, threshold: float, source: Loop, on_audio: Watch | None = None) -> list[float]:
    ww = wakeword.load(bundle, threshold, rearm_ratio=1.0)
    listener = Listener(source, ww, on_audio=on_audio)
    times_s: list[float] = []
    capture: Capture | None = None
    for hit in listener:
        times_s.append(hit.end_s)
        if capture is None or capture.done:
            capture = listener.capture(hit, max_s=2.0)
    return times_s


def made_bundle(folder: Path) -> Path:
    """In a process of its own, so that torch does not count as the listener's memory."""
    maker = multiprocessing.get_context("spawn").Process(target=made_bundles, args=(folder,))
    maker.start()
    maker.join()
    return folder / "default"


def passed_now_and_then(bundle: Path, pcm: np.ndarray, rate_hz: int) -> float:
    ww = wakeword.load(bundle)
    resampled = StreamResampler(rate_hz, ww.sample_rate_hz).feed(to_float(pcm))
    return float(np.quantile(ww.scores(resampled)[1][ww.warmup_steps :], SHARE_OVER))


def minute(rate_hz: int) -> np.ndarray:
    """int16 [N]: noise whose level moves every 100 ms."""
    rng = np.random.default_rng(5)
    level = np.repeat(rng.uniform(0, 0.3, PERIOD_S * 10), rate_hz // 10)
    return (level * rng.standard_normal(len(level)) * 8192).astype(np.int16)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--rate", type=int, default=44100, help="of the sound, a multiple of 100 Hz")
    parser.add_argument("--max-growth-mb", type=float, default=2.0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
