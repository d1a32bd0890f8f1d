"""Weights to one streaming ONNX graph (see `wakeword.graph`), checked: `export` refuses one that differs from torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper

from wakeword.audio import to_float, to_int16
from wakeword.bundle import Card
from wakeword.config import SystemConfig
from wakeword.errors import BundleError
from wakeword.features.micro import MicroStream
from wakeword.graph import build_graph
from wakeword.halves import in_halves
from wakeword.model import WakeModel, folded_weights, model_from_weights, stream_logits
from wakeword.path import Paths, hearing_in, path_scores

PARITY_TOLERANCE = 1e-5  # on probabilities: float32 sums in another order stay two decades below


def graph_metadata(card: Card) -> dict[str, str]:
    """What the graph says of itself, so that it can be used without its card."""
    return {
        "format_version": str(card.format_version),
        "fingerprint": card.fingerprint(),
        "sample_rate_hz": str(card.config.audio.sample_rate_hz),
        "step_samples": str(card.config.step_samples),
        "phrases": json.dumps(card.phrases),
        "thresholds": json.dumps(card.thresholds),
        "smoothing_steps": str(card.config.detector.smoothing_steps),
    }


def with_thresholds(graph: bytes, card: Card) -> bytes:
    """The same graph, with what it says of itself taken from another card of the same model."""
    model = onnx.load_model_from_string(graph)
    helper.set_model_props(model, graph_metadata(card))
    return model.SerializeToString()


def golden_signal(config: SystemConfig, seconds: float = 4.0) -> np.ndarray:
    """A fixed int16 test signal: silence, a rising sweep at speech level, noise in bursts, full scale, silence."""
    count = round(seconds * config.audio.sample_rate_hz) // config.step_samples * config.step_samples
    time_s = np.arange(count) / config.audio.sample_rate_hz
    sweep_hz = 100.0 * (0.2 * config.audio.sample_rate_hz / 100.0) ** (time_s / seconds)
    sweep = 0.1 * np.sin(2 * np.pi * np.cumsum(sweep_hz) / config.audio.sample_rate_hz)
    noise = 0.05 * np.random.default_rng(0).standard_normal(count) * (np.sin(2 * np.pi * 3 * time_s) > 0)
    level = np.select([time_s < 0.2, time_s < 3.0, time_s < 3.5], [0.0, 1.0, 8.0], 0.0)
    return to_int16((sweep + noise) * level)


def run_graph(graph: bytes, pcm: np.ndarray, chunk_samples: list[int]) -> np.ndarray:
    """Probabilities [T, K] of float32 pcm [N] fed in chunks whose lengths repeat `chunk_samples`."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    signal, carried = session.get_inputs()
    front = MicroStream() if signal.name == "features" else None
    state, pieces, at, turn = np.zeros(carried.shape, np.float32), [], 0, 0
    while at < len(pcm):
        chunk = pcm[None, at : at + chunk_samples[turn % len(chunk_samples)]]
        given = chunk if front is None else front.feed(chunk[0])[None]
        probabilities, state = session.run(["probabilities", "next_state"], {signal.name: given, "state": state})
        pieces.append(probabilities[0])
        at, turn = at + chunk.shape[1], turn + 1
    return np.concatenate(pieces)


def export(
    model: WakeModel, card: Card, hearing: Mapping[str, np.ndarray] = MappingProxyType({}), half: bool = False
) -> tuple[bytes, dict[str, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """(graph, folded weights, golden vectors) of a trained model, or of an enrolled one with its `hearing`.

    `half`: the weights are rounded to float16 numbers, and take half the space (see `wakeword.halves`).
    Raises BundleError if graph and torch model differ by more than 1e-5 in any probability, streamed in chunks of
    1, 4, 2 and 7 steps.
    """
    model.eval()
    weights = folded_weights(model) | dict(hearing)
    paths = Paths.of(card.paths) if card.paths else None
    if half:
        weights = in_halves(weights)
        model = model_from_weights(card.config, weights, paths)
    graph = build_graph(card.config, weights, graph_metadata(card), paths)
    pcm = golden_signal(card.config)
    samples, step = to_float(pcm), card.config.step_samples
    got = run_graph(graph, samples, [step, 4 * step, 2 * step, 7 * step])
    logits = stream_logits(model, torch.from_numpy(samples)[None], step)[0]
    if paths is None or card.config.model.spotter:
        expected = torch.sigmoid(logits).numpy()
    else:
        expected = path_scores(torch.softmax(logits, 1).numpy(), paths, hearing_in(weights))
    worst = float(np.abs(got - expected).max())
    if not worst <= PARITY_TOLERANCE:
        raise BundleError(f"export: ONNX and torch differ by {worst:.2e}, expected at most {PARITY_TOLERANCE:.0e}")
    return graph, weights, (pcm, got.astype(np.float32))
