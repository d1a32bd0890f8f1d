"""How often people who trained nothing are missed: words typed, or with a few takes; at 0.1, 0.5 and 2 per hour.

    python benchmarks/accuracy.py --audio AUDIO --work DIR [--words operator,voyager] [--takes 0] [--json]

Lays out and trains each word as `benchmarks/people.py` does, unless its bundle is there already; speakers, words, noise
and negative speech of the test are disjoint from everything that training and the backbone heard. A threshold is
chosen for each rate on the test's own negatives, the same for quiet and noise. Intervals are 95 % of 2,000 bootstrap
samples of callers. Misses are broken down by what the corpus says of its callers: gender, native or not, telephone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # instead of this folder, whose synth.py is not the package

import wakeword  # noqa: E402
from benchmarks import people  # noqa: E402
from wakeword.bundle import CARD  # noqa: E402
from wakeword.evaluate import Ear, evaluate  # noqa: E402
from wakeword.evaluation import Evaluation  # noqa: E402
from wakeword.metrics import edge_threshold, poisson_upper  # noqa: E402
from wakeword.trials import Noise, recordings  # noqa: E402

RATES_PER_HOUR = (0.1, 0.5, 2.0)
SNRS_DB = (None, 20.0, 10.0, 5.0)
TRAITS = ("gender", "dialect", "phone")
RESAMPLES = 2000
Peaks = list[tuple[str, float]]  # of takes


def main() -> int:
    arguments = _arguments()
    rows = [json.loads(line) for line in (arguments.audio / "manifest.jsonl").read_text("utf-8").splitlines()]
    sets = {people.CALLS_SET, *people.HOUSEHOLD_SETS.values()}
    by_name = {Path(row["path"]).name: row for row in rows if row["set"] in sets}
    results = {}
    for word in arguments.words.split(","):
        results[word] = measure(word, rows, by_name, arguments)
        print(f"{word}: {json.dumps(results[word])}", file=sys.stderr, flush=True)
    means = {
        f"{snr}_{rate}": round(float(np.mean([found["missed"][snr][rate]["share"] for found in results.values()])), 4)
        for snr in map(_name, SNRS_DB)
        for rate in map(_per_hour, RATES_PER_HOUR)
    }
    result = {"takes": arguments.takes, "words": results, "mean_missed": means}
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=2))
    return 0


def measure(word: str, rows: list[dict], by_name: dict[str, dict], arguments: argparse.Namespace) -> dict[str, Any]:
    """One word: misses by SNR and rate with their intervals, and by the callers' traits in quiet."""
    clips = people.laid_out(rows, arguments, word)
    bundle = arguments.work / word / f"{arguments.name}_{arguments.takes}"
    if not (bundle / CARD).exists():
        people.train(word, clips, bundle, arguments)
    ww, test = wakeword.load(bundle), clips / "test"
    quiet = evaluate(ww, test / "positives", test / "negatives")
    heard = {_name(snr): peaks(ww, test, snr) for snr in SNRS_DB}
    thresholds = {_per_hour(rate): _threshold(quiet, rate) for rate in RATES_PER_HOUR}
    missed = {
        snr: {rate: share(found, by_name, threshold) for rate, threshold in thresholds.items()}
        for snr, found in heard.items()
    }
    hours, counts = quiet.own.negative_hours, (int(rate * quiet.own.negative_hours) for rate in RATES_PER_HOUR)
    bounds = {f"{rate:g}": round(poisson_upper(n, hours), 2) for rate, n in zip(RATES_PER_HOUR, counts, strict=True)}
    traits = dict(by_trait(heard[_name(None)], by_name, thresholds[_per_hour(0.5)]))
    return {"negative_hours": hours, "upper_bounds": bounds, "missed": missed, "in_quiet_at_0.5": traits}


def peaks(ww: wakeword.WakeWord, test: Path, snr_db: float | None) -> Peaks:
    """The highest score of each take, by its path."""
    noise = Noise(test / "noise", ww.sample_rate_hz) if snr_db else None
    hearings, _ = Ear(ww, 0, noise, snr_db).hear_takes(recordings(test / "positives"))
    return [(hearing.path, hearing.peak) for hearing in hearings]


def share(found: Peaks, by_name: dict[str, dict], threshold: float) -> dict[str, Any]:
    """Takes below a threshold, and the interval of their share when callers are drawn again with replacement."""
    by_caller = defaultdict(list)
    for path, peak in found:
        by_caller[people.group_of(by_name[Path(path).name])].append(peak < threshold)
    misses, counts = (np.array([size(takes) for takes in by_caller.values()]) for size in (sum, len))
    drawn = np.random.default_rng(0).integers(len(counts), size=(RESAMPLES, len(counts)))
    low, high = np.percentile(misses[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [2.5, 97.5])
    total = {"misses": int(misses.sum()), "takes": int(counts.sum())}
    return {**total, "share": round(misses.sum() / counts.sum(), 4), "interval": [round(low, 4), round(high, 4)]}


def by_trait(found: Peaks, by_name: dict[str, dict], threshold: float) -> Iterator[tuple[str, str]]:
    """("female", "3 of 25") for each value of each trait."""
    for trait in TRAITS:
        groups = defaultdict(list)
        for path, peak in found:
            groups[by_name[Path(path).name].get(trait, "unknown")].append(peak < threshold)
        yield from ((value, f"{sum(misses)} of {len(misses)}") for value, misses in sorted(groups.items()))


def _threshold(found: Evaluation, rate: float) -> float:
    """The lowest from which on fewer false accepts were counted; 1, at which nothing is heard, where there is none."""
    threshold = edge_threshold(found.det, rate)
    return 1.0 if threshold is None else threshold


def _name(snr_db: float | None) -> str:
    return "quiet" if snr_db is None else f"{snr_db:g}_db"


def _per_hour(rate: float) -> str:
    return f"at_{rate:g}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--words", default="operator,voyager,wildfire,onword,thinkengine")
    parser.add_argument("--takes", type=int, default=0)
    parser.add_argument("--fresh", action="store_true", help="espeak's voices alone")
    parser.add_argument("--config", default="default")
    parser.add_argument("--start-from", type=Path, help="a backbone that has not heard the words")
    parser.add_argument("--max-steps", type=int)
    parser.add_argument("--voice", action="append", help="of `train`, instead of espeak; repeatable")
    parser.add_argument("--name", default="typed", help="of the bundles' folders, to keep several")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
