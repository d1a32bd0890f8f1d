"""What a bundle costs on this machine: how much of real time on one thread, how soon it listens, how much memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wakeword.bundle import located
from wakeword.errors import BundleError
from wakeword.info import numbers
from wakeword.stream import load

CHUNKS_MS = (20, 80)
Feed = Callable[[int], None]
"""Feeds all of a stream in chunks of so many milliseconds."""

FRESH = """
import sys, time, numpy, wakeword
ww, chunk, scores = wakeword.load(sys.argv[1]), numpy.zeros(1280, numpy.int16), []
ww.on_score = lambda *score: scores.append(score)
while not scores:
    ww.feed(chunk)
print("scored", flush=True)
for _ in range(500):
    ww.feed(chunk)
from wakeword.bench import resident_megabytes
print(resident_megabytes())
"""


def measured(bundle: str | Path, seconds: float = 20.0, rounds: int = 3) -> dict[str, Any]:
    """Figures of one bundle by name: `rtf_20ms` and `rtf_80ms`, shares of real time; those of `fresh_process`; latency.

    Raises BundleError for what is no bundle.
    """
    ratios = {ms: timed({"": feeder(bundle, seconds)}, ms, seconds, rounds)[""] for ms in CHUNKS_MS}
    found = {f"rtf_{ms}ms": round(ratio, 6) for ms, ratio in ratios.items()}
    return {**found, **fresh_process(located(bundle)), "added_latency_ms": numbers(bundle)["added_latency_ms"]}


def feeder(bundles: str | Path | Sequence[Path], seconds: float) -> Feed:
    """Lets a bundle, or several side by side, hear so many seconds of `noise_stream`."""
    ww = load(bundles)
    pcm = noise_stream(seconds, ww.sample_rate_hz)

    def feed(chunk_ms: int) -> None:
        chunk = ww.sample_rate_hz * chunk_ms // 1000
        for at in range(0, len(pcm), chunk):
            ww.feed(pcm[at : at + chunk])

    return feed


def timed(feeders: Mapping[str, Feed], chunk_ms: int, seconds: float, rounds: int) -> dict[str, float]:
    """The share of real time that each takes, the median of several rounds in which all take turns.

    So other work on the machine slows all of them alike.
    """
    taken: dict[str, list[float]] = {name: [] for name in feeders}
    for _ in range(rounds):
        for name, feed in feeders.items():
            begin_s = time.perf_counter()
            feed(chunk_ms)
            taken[name].append(time.perf_counter() - begin_s)
    return {name: float(np.median(times)) / seconds for name, times in taken.items()}


def fresh_process(bundle: Path) -> dict[str, float]:
    """Of a process that does nothing but listen: seconds from its start to its first probability, and its memory."""
    command, begin_s = [sys.executable, "-c", FRESH, str(bundle.resolve())], time.perf_counter()
    package = Path(__file__).parent.parent  # so that the listener is this one, whichever is installed
    with subprocess.Popen(command, cwd=package, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout.readline().strip() != "scored":
            raise BundleError(f"{bundle}: a listener in a process of its own gave no score, expected one")
        first_s = time.perf_counter() - begin_s
        return {"import_to_first_score_s": round(first_s, 3), "resident_mb": round(float(process.stdout.read()), 1)}


def noise_stream(seconds: float, sample_rate_hz: int) -> np.ndarray:
    """int16 [N]: noise that swells and fades, so that no path of the code is spared."""
    time_s = np.arange(int(seconds * sample_rate_hz)) / sample_rate_hz
    noise = np.random.default_rng(0).standard_normal(len(time_s)) * (1.0 + np.sin(2 * np.pi * 0.8 * time_s))
    return (noise * 1500).astype(np.int16)


def resident_megabytes() -> float:
    """Of this process: now, where the system tells, else at most so far; not a number on Windows."""
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
