"""Trains the backbone that this package ships, on transcribed speech of people and of synthesizers.

    python benchmarks/backbone.py --audio AUDIO --work DIR [--leave-out operator,voyager] [--start-from FILE]
        [--network micro] [--frozen-layers 2] [--spotting 0.5] [--learning-rate 1e-3]
        [--voice kokoro=4000] [--voice NAME.onnx=1200] [--dictionary WORDS.txt]

The clips in DIR are made first, where they are not there yet, as `benchmarks/transcribed.py` makes them and by the same
options. The result is DIR/run/backbone.safetensors.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.signal import resample_poly

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # instead of this folder, whose synth.py is not the package

import wakeword  # noqa: E402
from benchmarks.paths import RATE_HZ, SILENCE_S, Heard, loudest  # noqa: E402
from benchmarks.transcribed import add_arguments, is_for_training, laid_out  # noqa: E402
from synth import open_clips, stream  # noqa: E402
from synth.phrases import nonsense  # noqa: E402
from synth.pool import draw_weight, stretch_samples  # noqa: E402
from synth.spoken import reading  # noqa: E402
from synth.workers import ordered_map  # noqa: E402
from wakeword import checkpoint  # noqa: E402
from wakeword.audio import read  # noqa: E402
from wakeword.backbone import PACKAGED, Backbone, Speech, load_backbone, train_backbone  # noqa: E402
from wakeword.cli.brief import brief_examples  # noqa: E402
from wakeword.cli.presets import briefly  # noqa: E402
from wakeword.cli.training import reporter  # noqa: E402
from wakeword.config import Config, load_config, override  # noqa: E402
from wakeword.detector import smooth  # noqa: E402
from wakeword.enroll import enroll, measured_brief_thresholds, measured_thresholds, path_threshold  # noqa: E402
from wakeword.likeness import measured_hearing  # noqa: E402
from wakeword.path import Paths, path_scores  # noqa: E402
from wakeword.phones import PHONES, phones  # noqa: E402

SHARES = {  # of the draws of negatives: people are few, so they are drawn often
    "calls": 0.06, "words": 0.04, "takes": 0.03, "read": 0.03, "hmm": 0.04, "espeak": 0.07, "nonsense": 0.06,
    "flite": 0.02, "festival": 0.02, "voices": 0.09, "spliced_calls": 0.25, "spliced_words": 0.08, "spliced_read": 0.12,
    "spliced_voices": 0.05, "spliced_hmm": 0.02, "spliced_flite": 0.01, "spliced_festival": 0.01,
}  # fmt: skip
PHRASES, PHRASE_PHONES, RATES_PER_HOUR = 300, range(4, 15), (0.1, 0.5, 1.0, 2.0, 5.0)  # of `thresholds`
BRIEF_PHRASES = 24  # of `brief_thresholds`
FASTER = (4, 5)  # so many samples are left of so many: a tape that runs a quarter too fast
PEOPLE = ("calls", "words", "takes")  # of the kinds of clips: what `hearing` is measured on


def main() -> int:
    arguments = _arguments()
    clips = laid_out(arguments)
    told = ("frozen_layers", "learning_rate", "max_steps", "max_minutes")
    limits = {name: value for name, value in vars(arguments).items() if name in told and value is not None}
    layers = {name: getattr(load_config(arguments.network), name).model_dump() for name in ("features", "model")}
    config = override(load_config("backbone"), **layers, train=limits)
    run = arguments.work / "run"
    found = speech(clips, config)
    backbone = train_backbone(config, found, run, reporter(False), arguments.start_from, arguments.spotting)
    if arguments.start_from:
        backbone.weights.update(load_backbone(arguments.start_from).for_members(config))
    measured(backbone, config, clips, arguments.audio, run / PACKAGED.name)
    return 0


def measured(backbone: Backbone, config: Config, clips: Path, audio: Path, out: Path) -> None:
    """Writes a backbone with what its paths need: which phones it mistakes for which, and thresholds for `enroll`."""
    found = hearing(backbone, config, clips)
    weights = backbone.weights | {name: torch.from_numpy(value) for name, value in found.items()}
    facts = {**backbone.facts, "path_thresholds": thresholds(Backbone(weights, backbone.facts), config, audio)}
    facts["brief_thresholds"] = brief_thresholds(Backbone(weights, facts), audio)
    checkpoint.save(out, {"backbone": weights}, facts)


def hearing(backbone: Backbone, config: Config, clips: Path) -> dict[str, np.ndarray]:
    """Of the people among the clips, who say nothing that was to be left out."""
    heard = Heard(backbone, config)
    said = json.loads((clips / "said.json").read_text("utf-8"))
    people = ((clips / source, phones) for source, (kind, phones) in said.items() if kind in PEOPLE and len(phones) > 1)
    return measured_hearing(((heard(path, SILENCE_S), phones) for path, phones in people), len(PHONES))


def thresholds(backbone: Backbone, config: Config, audio: Path) -> dict:
    """What `enroll` needs: how loud phrases that nobody says get, by their phones.

    On speech of people who are not kept for tests. The backbone learned from them, and finds phrases in strangers'
    speech more readily; so theirs is also heard backwards, and as a tape that runs too fast.
    """
    phrases = [_said(text) for text in _texts(9, PHRASES)]
    heard, paths = Heard(backbone, config), Paths.of(phrases)
    seconds, hours = _loud_seconds(lambda pcm: path_scores(heard.sound(pcm), paths, backbone.hearing), config, audio)
    return measured_thresholds(seconds, hours, phrases, RATES_PER_HOUR)


def brief_thresholds(backbone: Backbone, audio: Path) -> dict:
    """The same for what `enroll` teaches beside the paths: how loud that gets, by how loud they get alone."""
    told = (backbone, briefly(load_config("default")), audio)
    found = ordered_map(_brief_rows, told, ((text,) for text in _texts(10, BRIEF_PHRASES)), os.cpu_count() or 1)
    rows = np.array([row for rows in found for row in rows])
    return {"phrases": BRIEF_PHRASES, **measured_brief_thresholds(*rows.T)}


def _brief_rows(told: tuple[Backbone, Config, Path], text: str) -> list[tuple[float, float]]:
    """At each of RATES_PER_HOUR the threshold of the paths alone, and what was measured."""
    backbone, config, audio = told
    said, smoothing = _said(text), config.detector.smoothing_steps
    unmeasured = Backbone(backbone.weights, backbone.facts | {"brief_thresholds": {"line": [0.0, 0.0]}})
    with tempfile.TemporaryDirectory() as out:
        enroll([text], [said], [1.0], unmeasured, config, out, examples=brief_examples([text], config, "en"))
        ww = wakeword.load(out)
    seconds, hours = _loud_seconds(lambda pcm: smooth(ww.scores(pcm)[1][:, 0], smoothing)[:, None], config, audio)
    return [(path_threshold(backbone, said, rate), float(seconds[round(rate * hours), 0])) for rate in RATES_PER_HOUR]


def _texts(seed: int, count: int) -> list[str]:
    """So many phrases of nonsense, of as many phones as PHRASE_PHONES has."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < count:
        text = nonsense(rng, int(rng.integers(1, 4)))
        if set(map(len, _said(text))) <= set(PHRASE_PHONES):
            found.append(text)
    return found


def _said(text: str) -> list[tuple[int, ...]]:
    return sorted({tuple(phones(ipa)) for ipa in reading(text, "en").ipa})


def _loud_seconds(scored: Callable[[np.ndarray], np.ndarray], config: Config, audio: Path) -> tuple[np.ndarray, float]:
    """The highest scores of each second of strange speech [N, K], the loudest first, and how many hours that is.

    `scored` gives the scores [T, K] of a recording.
    """
    peaks, steps = [], 0
    for strange in strange_speech(audio):
        scores = scored(strange)
        peaks.append(loudest(scores, round(1000 / config.step_ms)))
        steps += len(scores)
    return np.sort(np.concatenate(peaks), axis=0)[::-1], steps * config.step_ms / 3.6e6


def strange_speech(audio: Path) -> Iterator[np.ndarray]:
    """Each recording that is not kept for tests as it is, backwards, and as a tape that runs too fast."""
    rows = map(json.loads, (audio / "manifest.jsonl").read_text("utf-8").splitlines())
    for row in rows:
        if row["kind"] in ("speech", "words") and is_for_training(row):
            pcm = read(audio / row["path"], RATE_HZ)
            yield from (pcm, pcm[::-1].copy(), resample_poly(pcm, *FASTER).astype(np.float32))


def speech(clips: Path, config: Config) -> Speech:
    """The clips as examples, each source drawn by its share."""
    said = json.loads((clips / "said.json").read_text("utf-8"))
    opened = open_clips(clips, config, ["good morning"], lambda done, total: None)
    segments, drawn = opened.splits["train"]["negatives"], Counter()
    for segment in segments:
        drawn[said[segment.take.id][0]] += draw_weight(segment, stretch_samples(config))
    by_kind = {kind: SHARES[kind] / weight * drawn.total() for kind, weight in drawn.items()}
    times = {segment.take.id: by_kind[said[segment.take.id][0]] for segment in segments}
    return Speech(
        train=lambda start: stream(opened, config, "train", start, workers=1, times=times),
        validation=lambda count: stream(opened, config, "validation", 0, count, workers=1),
        said={source: numbers for source, (_, numbers) in said.items()},
        provenance={
            "clips": opened.summary(),
            "files": dict(Counter(kind for kind, _ in said.values())),
            "shares": SHARES,
        },
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--network", default="backbone", help="the configuration whose features and layers it has")
    parser.add_argument("--start-from", type=Path, help="a backbone.safetensors to begin with")
    parser.add_argument("--frozen-layers", type=int, help="the first layers of --start-from that do not learn")
    parser.add_argument("--spotting", type=float, default=0.0, help="how much phrases that are looked for count")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--max-steps", type=int)
    parser.add_argument("--max-minutes", type=float)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
