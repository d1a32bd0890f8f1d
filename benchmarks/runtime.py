"""What listening costs: the share of real time that one bundle takes on one thread, Python included, and its memory.

    python benchmarks/runtime.py [--bundle DIR] [--seconds 60] [--rounds 5] [--json]

Without --bundle, freshly made ones of the packaged configurations are timed: speed does not depend on the weights. All
are fed the same stream in turn, round after round, so that a noisy machine slows them alike; the figures are medians
over the rounds, in units of the audio's length. Of the peers pymicro-wakeword, pyopen-wakeword and pvporcupine 1.9.5
(the last that needs no key; install it with --no-deps) those that are installed run beside them, one built-in word
each; `vs_NAME`, how many times as much one takes, is null for the others. A fresh process tells `resident_mb` and, from
its start to its first probability, `import_to_first_score_s`. The last line with --json is one object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # instead of this folder, whose synth.py is not the package

from wakeword.bench import CHUNKS_MS, Feed, feeder, fresh_process, noise_stream, timed  # noqa: E402
from wakeword.bundle import READY  # noqa: E402
from wakeword.info import numbers  # noqa: E402

if TYPE_CHECKING:
    from wakeword.model import WakeModel

PEERS = ("pymicro_wakeword", "pyopen_wakeword", "pvporcupine")
TYPED = "typed"  # the default configuration as a phrase without recordings has it: with members
TEN = "ten_words"  # one bundle of the default configuration that knows ten phrases
FIVE = "five_bundles"  # the packaged models of default's size side by side, and the first of them alone
MODELS = ("hey_computer", "computer", "activate", "okay_computer", "okay_nabu")


def main() -> int:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        bundles = {"given": arguments.bundle} if arguments.bundle else made_bundles(Path(folder))
        feeders = {name: feeder(path, arguments.seconds) for name, path in bundles.items()}
        peers = {name: peer(arguments.seconds) for name, peer in zip(PEERS, PEER_FEEDERS, strict=True)}
        feeders |= {name: feed for name, feed in peers.items() if feed}
        if not arguments.bundle:
            models = [READY / name for name in MODELS]
            feeders |= {MODELS[0]: feeder(models[0], arguments.seconds), FIVE: feeder(models, arguments.seconds)}
        ratios = {ms: timed(feeders, ms, arguments.seconds, arguments.rounds) for ms in CHUNKS_MS}
        first = next(iter(feeders))
        facts = fresh_process(bundles[first]) | {"added_latency_ms": numbers(bundles[first])["added_latency_ms"]}
    for ms, by_name in ratios.items():
        for name, ratio in by_name.items():
            print(f"{name:18} {ms} ms chunks: {ratio:.5f} of real time", file=sys.stderr)
    result = {f"rtf_{ms}ms": round(by_name[first], 6) for ms, by_name in ratios.items()}
    for name in PEERS:
        result[f"vs_{name}"] = round(ratios[80][name] / ratios[80][first], 3) if name in feeders else None
    if TYPED in feeders:
        result["typed_vs_recorded"] = round(ratios[80][TYPED] / ratios[80][first], 3)
    if TEN in feeders:
        result["ten_words_vs_one"] = round(ratios[80][TEN] / ratios[80][first], 3)
    if FIVE in feeders:
        result["five_bundles_vs_one"] = round(ratios[80][FIVE] / ratios[80][MODELS[0]], 3)
    result |= facts
    result["all"] = {name: {f"rtf_{ms}ms": round(ratios[ms][name], 6) for ms in CHUNKS_MS} for name in feeders}
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=2))
    return 0


def micro_wakeword_feeder(seconds: float) -> Feed | None:
    """The client Home Assistant uses off-device, on the same stream; None if it is not installed."""
    try:
        from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model
    except ImportError:
        return None
    model, front = MicroWakeWord.from_builtin(Model.ALEXA), MicroWakeWordFeatures()
    return bytes_feeder(seconds, front.process_streaming, model.process_streaming)


def open_wakeword_feeder(seconds: float) -> Feed | None:
    """openWakeWord's networks in TensorFlow Lite's C library, with the same interface; None if not installed."""
    try:
        from pyopen_wakeword import Model, OpenWakeWord, OpenWakeWordFeatures
    except ImportError:
        return None
    model, front = OpenWakeWord.from_builtin(Model.ALEXA), OpenWakeWordFeatures.from_builtin()
    return bytes_feeder(seconds, front.process_streaming, lambda features: list(model.process_streaming(features)))


def bytes_feeder(seconds: float, features_of: Callable, score: Callable) -> Feed:
    pcm = noise_stream(seconds, 16000)

    def feed(chunk_ms: int) -> None:
        chunk = 16 * chunk_ms
        for at in range(0, len(pcm), chunk):
            for features in features_of(pcm[at : at + chunk].tobytes()):
                score(features)

    return feed


def porcupine_feeder(seconds: float) -> Feed | None:
    """Porcupine 1.9.5 takes 32 ms at a time and nothing else, so it gets them whatever the chunks are."""
    try:
        import pvporcupine
    except ImportError:
        return None
    porcupine, pcm = pvporcupine.create(keywords=["alexa"]), noise_stream(seconds, 16000)
    size = porcupine.frame_length
    frames = pcm[: len(pcm) // size * size].reshape(-1, size).tolist()  # what its C call is made of fastest

    def feed(_chunk_ms: int) -> None:
        for frame in frames:
            porcupine.process(frame)

    return feed


PEER_FEEDERS = (micro_wakeword_feeder, open_wakeword_feeder, porcupine_feeder)


def made_bundles(folder: Path) -> dict[str, Path]:
    import torch

    from wakeword.bundle import Card, write_bundle
    from wakeword.cli.presets import typed
    from wakeword.config import load_config
    from wakeword.export import export
    from wakeword.model import WakeModel
    from wakeword.path import Paths
    from wakeword.phones import phones

    torch.manual_seed(0)
    default, bundles = load_config("default"), {}
    ways = (("default", default, 1), (TYPED, typed(default), 1), ("activate", load_config("activate"), 1))
    for name, config, words in (*ways, (TEN, default, 10)):
        phrases = [f"{name} {number}" for number in range(words)]
        facts = {"thresholds": [0.5] * words, "phrase_s": [0.6] * words, "config": config, "provenance": {}}
        said = [[phones("heɪkəmpjutə"), phones("heɪkəmpjutɜɹ")]] * words if config.model.spotter else []
        card, paths = Card(phrases=phrases, paths=said, **facts), Paths.of(said) if said else None
        model = settled(WakeModel(config, words, paths))
        bundles[name] = write_bundle(folder / name, card, *export(model, card)).path
    return bundles


def settled(model: WakeModel) -> WakeModel:
    """Random weights, but batch norms that know the level of the signal, as a trained model's do."""
    import torch

    config_rate_hz = 16000  # any: only levels matter here
    pcm = torch.from_numpy(noise_stream(4.0, config_rate_hz).astype(np.float32) / 32768).reshape(4, -1)
    with torch.no_grad():
        for _ in range(100):
            model.train()(pcm, model.empty_state(len(pcm)))
    return model.eval()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
