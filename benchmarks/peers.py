"""How well ready models and their peers hear the words that both know, on the same recordings.

    python benchmarks/peers.py --audio AUDIO --work DIR [--voice kokoro] [--takes 216] [--json]

No recording of people who say these words is at hand, so they are said by voices that none of the wake words was
trained on: --voice is one of `wakeword speak` (of Kokoro's, the backbone heard other texts). AUDIO is a folder with
`manifest.jsonl`, of which the speech is used that no model of this package was trained on, and its held-out noise.

Of the peers pymicro-wakeword, pyopen-wakeword and pvporcupine 1.9.5 (install it with --no-deps) those are asked that
are installed and know the word. Each is judged by `wakeword.evaluate`, as a bundle is: words missed at its own
threshold, and at the threshold that the speech asks for at each of RATES_PER_HOUR, in quiet and in noise. Porcupine
gives no scores: it listens several times, each more sensitive than the last.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # instead of this folder, whose synth.py is not the package

import wakeword  # noqa: E402
from benchmarks.people import lay_out  # noqa: E402
from wakeword.audio import to_int16  # noqa: E402
from wakeword.evaluate import evaluate  # noqa: E402
from wakeword.evaluation import Evaluation  # noqa: E402
from wakeword.files import folder_name  # noqa: E402
from wakeword.metrics import edge_threshold, poisson_upper  # noqa: E402
from wakeword.sections import DetectorConfig  # noqa: E402

RATES_PER_HOUR = (0.1, 0.5, 2.0)
SNRS_DB = (None, 10.0)
SENSITIVITIES = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
BLOCK = 1280  # samples: what openWakeWord takes at once


@dataclass(frozen=True)
class Peer:
    """Somebody else's wake word with as much of `wakeword.WakeWord`'s interface as `wakeword.evaluate` needs.

    `listen` returns a fresh listener: int16 [step_samples] in, the highest score since the last out.
    """

    phrases: list[str]
    threshold: float
    step_samples: int
    listen: Callable[[], Callable[[np.ndarray], float]]
    sample_rate_hz: int = 16000
    warmup_steps: int = 0

    @property
    def detector_configs(self) -> list[DetectorConfig]:
        refractory = round(self.sample_rate_hz / self.step_samples)
        return [DetectorConfig(threshold=self.threshold, smoothing_steps=1, refractory_steps=refractory)]

    def scores(self, pcm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float32 [N] -> when each score was given, in seconds [T], and the scores [T, 1], from a fresh start."""
        listener, steps = self.listen(), len(pcm) // self.step_samples
        blocks = to_int16(pcm[: steps * self.step_samples]).reshape(steps, self.step_samples)
        scores = np.array([listener(block) for block in blocks], np.float32).reshape(steps, 1)
        return np.arange(1, steps + 1) * self.step_samples / self.sample_rate_hz, scores


def built_in(models: Iterable[Any], phrase: str) -> Any | None:
    """The model of a phrase among those that a package brings."""
    return next((model for model in models if model.value == folder_name(phrase)), None)


def micro_wakeword(phrase: str) -> Peer | None:
    """microWakeWord's network, as Home Assistant's client for other computers runs it."""
    try:
        from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model
    except ImportError:
        return None
    if (mine := built_in(Model, phrase)) is None:
        return None

    def listen() -> Callable[[np.ndarray], float]:
        model, front = MicroWakeWord.from_builtin(mine), MicroWakeWordFeatures()

        def heard(block: np.ndarray) -> float:
            said = [model.process_streaming_prob(features) for features in front.process_streaming(block.tobytes())]
            return max((score for score in said if score is not None), default=0.0)

        return heard

    own = MicroWakeWord.from_builtin(mine).probability_cutoff
    return Peer([phrase], own, BLOCK, listen)


def open_wakeword(phrase: str) -> Peer | None:
    """openWakeWord's networks in TensorFlow Lite's C library."""
    try:
        from pyopen_wakeword import Model, OpenWakeWord, OpenWakeWordFeatures
    except ImportError:
        return None
    if (mine := built_in(Model, phrase)) is None:
        return None

    def listen() -> Callable[[np.ndarray], float]:
        model, front = OpenWakeWord.from_builtin(mine), OpenWakeWordFeatures.from_builtin()

        def heard(block: np.ndarray) -> float:
            features = front.process_streaming(block.tobytes())
            return max((score for one in features for score in model.process_streaming(one)), default=0.0)

        return heard

    return Peer([phrase], 0.5, BLOCK, listen)  # 0.5: what its documentation says


def porcupine(phrase: str) -> Peer | None:
    """A score is 1 less the lowest sensitivity that detects, so that 0.5 is its default there, too."""
    try:
        import pvporcupine
    except ImportError:
        return None
    if phrase not in pvporcupine.KEYWORDS:
        return None
    frame = pvporcupine.create(keywords=[phrase]).frame_length

    def listen() -> Callable[[np.ndarray], float]:
        ears = [(1.0 - s, pvporcupine.create(keywords=[phrase], sensitivities=[s])) for s in SENSITIVITIES]

        def heard(block: np.ndarray) -> float:
            samples = block.tolist()
            detected = [score for score, ear in ears if ear.process(samples) >= 0]  # each has to hear everything
            return 0.001 + max(detected) if detected else 0.0

        return heard

    return Peer([phrase], 0.5, frame, listen)


PEERS = {"pymicro-wakeword": micro_wakeword, "pyopen-wakeword": open_wakeword, "pvporcupine 1.9.5": porcupine}
WORDS = ("okay nabu", "computer")  # ready models that a peer knows, too


def main() -> int:
    arguments = _arguments()
    rows = [json.loads(line) for line in (arguments.audio / "manifest.jsonl").read_text("utf-8").splitlines()]
    results = {}
    for phrase in WORDS:
        clips = laid_out(phrase, rows, arguments)
        for name, ww in contenders(phrase):
            results[f"{phrase}, {name}"] = figures = dict(measured(ww, clips))
            print(f"{phrase}, {name}: {json.dumps(figures)}", file=sys.stderr, flush=True)
    print(json.dumps(results) if arguments.json else json.dumps(results, indent=2))
    return 0


def contenders(phrase: str) -> Iterator[tuple[str, Any]]:
    """The ready model, then each peer that is here and knows the phrase."""
    yield "wakeword", wakeword.load(folder_name(phrase))
    for name, of in PEERS.items():
        peer = of(phrase)
        if peer is not None:
            yield name, peer


def laid_out(phrase: str, rows: list[dict], arguments: argparse.Namespace) -> Path:
    """A folder with test/negatives and test/noise as in `benchmarks/people.py`, and the phrase spoken in test/said."""
    clips = arguments.work / folder_name(phrase)
    if not (clips / "ready").exists():
        shutil.rmtree(clips, ignore_errors=True)
        lay_out(rows, arguments.audio, clips, phrase, 0)
        said = clips / "test" / "said"
        speak = ["speak", phrase, "-n", arguments.takes, "--voice", arguments.voice, "--out", said, "--seed", 7]
        subprocess.run([sys.executable, "-m", "wakeword", *map(str, speak)], check=True, cwd=ROOT)
        (clips / "ready").touch()
    return clips / "test"


def measured(ww: Any, test: Path) -> Iterator[tuple[str, Any]]:
    """Figures of one contender by name."""
    quiet = evaluate(ww, test / "said", test / "negatives")
    hours = quiet.own.negative_hours
    yield "false accepts at its own threshold", f"{quiet.own.fa_count} in {hours:.2f} h"
    yield "at 95 % at most per hour", round(poisson_upper(quiet.own.fa_count, hours), 2)
    for snr_db in SNRS_DB:
        found = quiet if snr_db is None else evaluate(ww, test / "said", test / "negatives", test / "noise", snr_db)
        where = "in quiet" if snr_db is None else f"at {snr_db:g} dB"
        yield f"missed {where} at its own threshold", f"{found.own.misses} of {found.own.positives}"
        for rate in RATES_PER_HOUR:
            yield f"missed {where} at {rate:g} per hour", missed(quiet, found, rate)


def missed(quiet: Evaluation, found: Evaluation, rate: float) -> str:
    """Where the threshold is the one of the speech alone; what noise a word is heard in is not known beforehand."""
    threshold = edge_threshold(quiet.det, rate)
    below = sum(threshold is None or take.score < threshold for take in found.positives)
    return f"{below} of {len(found.positives)}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--voice", default="kokoro", help="one of `wakeword speak --voice`")
    parser.add_argument("--takes", type=int, default=216, help="how often the phrase is said")
    parser.add_argument("--json", action="store_true", help="the result on one line")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
