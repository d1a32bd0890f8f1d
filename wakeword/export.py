"""Weights to one streaming ONNX graph: raw PCM and state in, probabilities and state out.

    inputs   pcm [B, N] float32 in -1..1, N any multiple of the step; state_* from the last call, zeros at the start
    outputs  probabilities [B, N / step, K]; next_state_*

The graph is built node by node rather than traced: torch's exporters fix the GRU's length or warn about it, and here
every node is one the runtime is known to run fast. `export` refuses to return a graph that differs from torch.
"""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from wakeword.bundle import Card
from wakeword.config import SystemConfig
from wakeword.errors import BundleError
from wakeword.features import Tables, tables
from wakeword.model import WakeModel, folded_weights, stream_logits

OPSET = 17
PARITY_TOLERANCE = 1e-5  # on probabilities: float32 sums in another order stay two decades below


class GraphBuilder:
    """Collects nodes and constants, and names what flows between them."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []

    def constant(self, value: np.ndarray | list | float, dtype: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=dtype), name))
        return name

    def node(self, operator: str, *inputs: str, outputs: int = 1, **attributes) -> str | list[str]:
        names = [f"{operator.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def state(self, name: str, shape: list) -> str:
        """Declares a state: an input `state_NAME`. Give its successor to `next_state`."""
        self.inputs.append(helper.make_tensor_value_info(f"state_{name}", TensorProto.FLOAT, shape))
        return f"state_{name}"

    def next_state(self, name: str, value: str, shape: list) -> None:
        self.nodes.append(helper.make_node("Identity", [value], [f"next_state_{name}"]))
        self.outputs.append(helper.make_tensor_value_info(f"next_state_{name}", TensorProto.FLOAT, shape))

    def last(self, value: str, count: int, axis: int) -> str:
        """The last `count` > 0 entries along an axis."""
        ends = [self.constant([number], np.int64) for number in (-count, np.iinfo(np.int64).max, axis)]
        return self.node("Slice", value, *ends)


def build_graph(config: SystemConfig, weights: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """The serialised graph. `weights` are folded ones (see `wakeword.bundle.Bundle.weights`)."""
    g = GraphBuilder()
    g.inputs.append(helper.make_tensor_value_info("pcm", TensorProto.FLOAT, ["B", "N"]))
    frames = _front_end(g, tables(config))
    hidden = _convolution(g, frames, config, weights)
    for i, units in enumerate(config.model.gru_units):
        hidden = _gru(g, hidden, i, units, weights)
    logits = g.node("MatMul", hidden, g.constant(weights["head.weight"].T))
    logits = g.node("Add", logits, g.constant(weights["head.bias"]))
    by_batch = g.node("Transpose", g.node("Sigmoid", logits), perm=[1, 0, 2])
    g.nodes.append(helper.make_node("Identity", [by_batch], ["probabilities"]))
    labels = len(weights["head.bias"])
    g.outputs.insert(0, helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["B", "T", labels]))
    graph = helper.make_graph(g.nodes, "wakeword", g.inputs, g.outputs, g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _front_end(g: GraphBuilder, t: Tables) -> str:
    """PCM -> frames [B, F, T]. The DFT is a strided convolution whose kernels are windowed sines."""
    samples, carried = "pcm", len(t.window) - t.hop_samples
    if carried:
        samples = g.node("Concat", g.state("pcm", ["B", carried]), "pcm", axis=1)
        g.next_state("pcm", g.last(samples, carried, axis=1), ["B", carried])
    dft = t.dft()
    bins = dft.shape[1]
    signal = g.node("Unsqueeze", samples, g.constant([1], np.int64))
    kernels = g.constant(dft.reshape(2 * bins, 1, -1))
    spectrum = g.node("Conv", signal, kernels, strides=[t.hop_samples])  # [B, 2D, T]
    power = g.node("Mul", spectrum, spectrum)
    mix = np.eye(bins) if t.mix is None else t.mix[t.used_bins()]
    energy = g.node("MatMul", g.constant(np.concatenate([mix, mix]).T), power)  # [B, F, T]
    return energy if t.norm is None else _running_norm(g, energy, t)


def _running_norm(g: GraphBuilder, energy: str, t: Tables) -> str:
    """The running sums are a linear recurrence: ONNX's RNN with the identity as its activation."""
    rule, size, units = t.norm, t.bins, t.bins + 1
    state = g.state("norm", ["B", units])
    initial = g.node("Unsqueeze", state, g.constant([0], np.int64))
    steps = g.node("Transpose", energy, perm=[2, 0, 1])  # [T, B, F]
    take, keep, bias = np.zeros((1, units, size)), np.eye(units)[None] * rule.keep, np.zeros((1, 2 * units))
    take[0, :size] = np.eye(size) * (1 - rule.keep)
    bias[0, size] = 1 - rule.keep
    sums, last = g.node(
        *("RNN", steps, g.constant(take), g.constant(keep), g.constant(bias), "", initial),
        outputs=2,
        hidden_size=units,
        activations=["Affine"],
        activation_alpha=[1.0],
        activation_beta=[0.0],
    )
    g.next_state("norm", g.node("Squeeze", last, g.constant([0], np.int64)), ["B", units])
    sums = g.node("Transpose", g.node("Squeeze", sums, g.constant([1], np.int64)), perm=[1, 2, 0])  # [B, F + 1, T]
    total, weight = g.node("Split", sums, g.constant([size, 1], np.int64), outputs=2, axis=1)
    floor, offset = g.constant(rule.floor), g.constant(rule.offset)
    mean = g.node("Add", g.node("Div", total, weight), floor)
    return g.node("Log", g.node("Add", g.node("Div", g.node("Add", energy, floor), mean), offset))


def _convolution(g: GraphBuilder, frames: str, config: SystemConfig, weights: dict[str, np.ndarray]) -> str:
    """Frames [B, F, T] -> ReLU of the convolution, [steps, B, C] as ONNX's GRU wants it."""
    history = config.model.conv_kernel - config.model.conv_stride
    if history:
        shape = ["B", config.features.bins, history]
        frames = g.node("Concat", g.state("conv", shape), frames, axis=2)
        g.next_state("conv", g.last(frames, history, axis=2), shape)
    kernel, bias = g.constant(weights["conv.weight"]), g.constant(weights["conv.bias"])
    filtered = g.node("Conv", frames, kernel, bias, strides=[config.model.conv_stride])
    return g.node("Transpose", g.node("Relu", filtered), perm=[2, 0, 1])


def _gru(g: GraphBuilder, x: str, index: int, units: int, weights: dict[str, np.ndarray]) -> str:
    """[steps, B, I] -> [steps, B, H]. torch orders the gates r, z, n; ONNX z, r, h."""

    def gates(name: str) -> np.ndarray:
        r, z, n = np.split(weights[f"gru.{index}.{name}"], 3)
        return np.concatenate([z, r, n])

    initial = g.state(f"gru{index}", [1, "B", units])
    bias = np.concatenate([gates("bias_ih"), gates("bias_hh")])[None]
    parts = (g.constant(gates("weight_ih")[None]), g.constant(gates("weight_hh")[None]), g.constant(bias))
    steps, last = g.node("GRU", x, *parts, "", initial, outputs=2, hidden_size=units, linear_before_reset=1)
    g.next_state(f"gru{index}", last, [1, "B", units])
    return g.node("Squeeze", steps, g.constant([1], np.int64))


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


def golden_signal(config: SystemConfig, seconds: float = 4.0) -> np.ndarray:
    """A fixed int16 test signal: silence, a rising sweep at speech level, noise in bursts, full scale, silence."""
    count = round(seconds * config.audio.sample_rate_hz) // config.step_samples * config.step_samples
    time_s = np.arange(count) / config.audio.sample_rate_hz
    sweep_hz = 100.0 * (0.2 * config.audio.sample_rate_hz / 100.0) ** (time_s / seconds)
    sweep = 0.1 * np.sin(2 * np.pi * np.cumsum(sweep_hz) / config.audio.sample_rate_hz)
    noise = 0.05 * np.random.default_rng(0).standard_normal(count) * (np.sin(2 * np.pi * 3 * time_s) > 0)
    level = np.select([time_s < 0.2, time_s < 3.0, time_s < 3.5], [0.0, 1.0, 8.0], 0.0)
    return np.clip(np.rint((sweep + noise) * level * 32768), -32768, 32767).astype(np.int16)


def run_graph(graph: bytes, pcm: np.ndarray, chunk_samples: list[int]) -> np.ndarray:
    """Probabilities [T, K] of float32 pcm [N] fed in chunks whose lengths repeat `chunk_samples`."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    state = {
        i.name: np.zeros([d if isinstance(d, int) else 1 for d in i.shape], np.float32) for i in session.get_inputs()
    }
    names, pieces, at, turn = [o.name for o in session.get_outputs()], [], 0, 0
    while at < len(pcm):
        chunk = pcm[None, at : at + chunk_samples[turn % len(chunk_samples)]]
        outputs = dict(zip(names, session.run(names, {**state, "pcm": chunk}), strict=True))
        pieces.append(outputs.pop("probabilities")[0])
        state = {name.removeprefix("next_"): value for name, value in outputs.items()}
        at, turn = at + chunk.shape[1], turn + 1
    return np.concatenate(pieces)


def export(model: WakeModel, card: Card) -> tuple[bytes, dict[str, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """(graph, folded weights, golden vectors) of a trained model.

    Raises BundleError if graph and torch model differ by more than 1e-5 in any probability, streamed in chunks of
    1, 4, 2 and 7 steps.
    """
    model.eval()
    weights = folded_weights(model)
    graph = build_graph(card.config, weights, graph_metadata(card))
    pcm = golden_signal(card.config)
    samples, step = pcm.astype(np.float32) / 32768, card.config.step_samples
    got = run_graph(graph, samples, [step, 4 * step, 2 * step, 7 * step])
    with torch.inference_mode():
        expected = torch.sigmoid(stream_logits(model, torch.from_numpy(samples)[None], step))[0].numpy()
    worst = float(np.abs(got - expected).max())
    if not worst <= PARITY_TOLERANCE:
        raise BundleError(f"export: ONNX and torch differ by {worst:.2e}, expected at most {PARITY_TOLERANCE:.0e}")
    return graph, weights, (pcm, got.astype(np.float32))
