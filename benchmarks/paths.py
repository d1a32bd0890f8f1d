"""How often a backbone misses words that it never heard, by the path through their phones alone, without training.

    python benchmarks/paths.py --audio AUDIO [--words operator,athena] [--json] [BACKBONE ...]

To choose between backbones by: takes are of the callers, and of the household's takes those, that are not kept for
tests (see `benchmarks/people.py`), at most 180 a word, in quiet and in the test's noise at 10 dB SNR; false accepts are
counted on the test's speech in quiet, a second as one at most. A word is missed where no moment of a take gets above so
many seconds of that speech as a rate allows. Without a BACKBONE it is the packaged one.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import torch

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # instead of this folder, whose synth.py is not the package

from benchmarks.athena import HELD_OUT_NOISE, held_out_speech, link  # noqa: E402
from benchmarks.people import SPELLED, holds, is_tested, takes_of  # noqa: E402
from synth.splicing import RATE_HZ, Piece, pieces  # noqa: E402
from synth.spoken import reading  # noqa: E402
from wakeword.audio import read  # noqa: E402
from wakeword.backbone import PACKAGED, Backbone, load_backbone  # noqa: E402
from wakeword.config import Config, load_config  # noqa: E402
from wakeword.likeness import loudest_steps  # noqa: E402
from wakeword.model import stream_logits  # noqa: E402
from wakeword.path import Paths, path_scores  # noqa: E402
from wakeword.phones import phones  # noqa: E402
from wakeword.trials import Noise, lay_take  # noqa: E402

WORDS = ("operator", "voyager", "wildfire", "onword", "thinkengine", "athena", "amelia")
RATES_PER_HOUR = (0.5, 2.0, 5.0, 20.0)
MOST_TAKES = 180
SNR_DB = 10.0
QUIET, NOISY = "quiet", f"{SNR_DB:g}_db"
CUTTINGS = 4  # of each recording, to choose pieces from
SILENCE_S = 0.5  # around what phones are looked for in: the last one is heard late


def main() -> int:
    arguments = _arguments()
    rows = [json.loads(line) for line in (arguments.audio / "manifest.jsonl").read_text("utf-8").splitlines()]
    result = {}
    with tempfile.TemporaryDirectory() as noise:
        for row in rows:
            if row["kind"] == "noise" and row["set"] in HELD_OUT_NOISE:
                link(arguments.audio / row["path"], Path(noise) / row["set"] / Path(row["path"]).stem)
        for path in arguments.backbones or [PACKAGED]:
            missed = measured(path, arguments.words.split(","), rows, arguments.audio, Noise(noise, RATE_HZ))
            mean = {
                where: np.mean([found[where] for found in missed.values()], axis=0).round(3).tolist()
                for where in (QUIET, NOISY)
            }
            result[str(path)] = {"rates_per_hour": RATES_PER_HOUR, "missed": missed, "mean": mean}
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=2))
    return 0


class Heard:
    """What a backbone hears in recordings: probabilities of phones [T, S]."""

    def __init__(self, backbone: Backbone, config: Config) -> None:
        self._model, self._step = backbone.model(config), config.step_samples

    def __call__(self, path: Path, silence_s: float = 0.0) -> np.ndarray:
        """Of one, with so much silence before and after it."""
        return self.sound(np.pad(read(path, RATE_HZ), round(silence_s * RATE_HZ)))

    def sound(self, pcm: np.ndarray) -> np.ndarray:
        """Of float32 [N] at RATE_HZ, from a fresh state."""
        whole = torch.from_numpy(pcm[: len(pcm) // self._step * self._step])[None]
        return torch.softmax(stream_logits(self._model, whole, whole.shape[1])[0], dim=1).numpy()

    def pieces(self, path: Path, said: list[int], rng: np.random.Generator) -> Iterator[Piece]:
        """Of a recording of these phones, cut between them; nothing where it is too short for them."""
        if len(steps := loudest_steps(self(path, SILENCE_S), said)) == len(said):
            pcm = np.pad(read(path, RATE_HZ), round(SILENCE_S * RATE_HZ))
            for _ in range(CUTTINGS):
                yield from pieces(pcm, steps, self._step / RATE_HZ, rng)


def measured(path: Path, words: Iterable[str], rows: list[dict], audio: Path, noise: Noise) -> dict[str, dict]:
    """Of each word, in quiet and in noise, the share that is missed at each of RATES_PER_HOUR."""
    backbone, config = load_backbone(path), load_config("backbone")
    heard, found = Heard(backbone, config), {}
    said_by_others = cache(lambda name: heard(audio / name))
    for word in words:
        paths = Paths.of([[phones(ipa) for ipa in reading(SPELLED.get(word, word), "en").ipa]])
        mine = [audio / row["path"] for row in takes_of(rows, audio, word) if not is_tested(row)][:MOST_TAKES]
        sounds = {QUIET: (heard(take, SILENCE_S) for take in mine)}
        noisy = (lay_take(take, number, RATE_HZ, noise, SNR_DB).pcm for number, take in enumerate(mine))
        sounds[NOISY] = map(heard.sound, noisy)
        peaks = {
            where: np.array([path_scores(sound, paths, backbone.hearing).max() for sound in of_takes])
            for where, of_takes in sounds.items()
        }
        others = [row["path"] for row in rows if _is_other_speech(row, word)]
        curves = [path_scores(said_by_others(name), paths, backbone.hearing) for name in others]
        loud = np.concatenate([loudest(curve, round(1000 / config.step_ms))[:, 0] for curve in curves])
        seconds, hours = np.sort(loud)[::-1], sum(map(len, curves)) * config.step_ms / 3.6e6
        thresholds = [seconds[int(rate * hours)] for rate in RATES_PER_HOUR]
        found[word] = {
            where: [round(float((of_takes <= threshold).mean()), 3) for threshold in thresholds]
            for where, of_takes in peaks.items()
        }
        print(f"{word}: {found[word]} of {len(mine)}, {hours:.2f} h", file=sys.stderr, flush=True)
    return found


def _is_other_speech(row: dict, word: str) -> bool:
    return row["kind"] in ("words", "speech", "tts") and held_out_speech(row) and not holds(row, word)


def loudest(scores: np.ndarray, steps: int) -> np.ndarray:
    """Scores [T, K] -> the highest of each second, which has so many steps: [T / steps, K]."""
    return np.pad(scores, ((0, -len(scores) % steps), (0, 0))).reshape(-1, steps, scores.shape[1]).max(axis=1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backbones", nargs="*", type=Path, metavar="BACKBONE")
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--words", default=",".join(WORDS))
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
