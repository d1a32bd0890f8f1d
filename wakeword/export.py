"""Weights to one streaming ONNX graph: raw PCM and state in, probabilities and state out.

    inputs   pcm [1, N] float32 in -1..1, N any multiple of the step; state [1, S] from the last call, at first zeros
    outputs  probabilities [1, N / step, K]; next_state [1, S]

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

from wakeword.audio import to_float, to_int16
from wakeword.bundle import Card
from wakeword.config import SystemConfig
from wakeword.errors import BundleError
from wakeword.features import Tables, tables
from wakeword.model import WakeModel, folded_weights, stream_logits

OPSET = 17
PARITY_TOLERANCE = 1e-5  # on probabilities: float32 sums in another order stay two decades below


class GraphBuilder:
    """Collects nodes and constants, names what flows between them, and packs all state into one vector."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._states: list[tuple[str, list[int]]] = []
        self._next: dict[str, str] = {}

    def constant(self, value: np.ndarray | list | float, dtype: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=dtype), name))
        return name

    def node(self, operator: str, *inputs: str, outputs: int = 1, **attributes) -> str | list[str]:
        names = [f"{operator.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def reshape(self, value: str, shape: list[int]) -> str:
        return self.node("Reshape", value, self.constant(shape, np.int64))

    def slice(self, value: str, start: int, stop: int | None, axis: int) -> str:
        """value[start:stop] along an axis."""
        stop = np.iinfo(np.int64).max if stop is None else stop
        return self.node("Slice", value, *(self.constant([number], np.int64) for number in (start, stop, axis)))

    def state(self, name: str, shape: list[int]) -> str:
        """A part of the state by name; give its successor to `next_state`."""
        self._states.append((name, shape))
        return f"state_{name}"

    def with_earlier(self, name: str, rows: str, count: int, width: int) -> str:
        """rows [R, width] -> [R, count * width]: each row after the count - 1 before it, over the bounds of calls."""
        if count == 1:
            return rows
        known = self.node("Concat", self.state(name, [count - 1, width]), rows, axis=0)
        self.next_state(name, self.slice(known, -(count - 1), None, axis=0))
        earlier = [self.slice(known, i, i - count + 1, axis=0) for i in range(count - 1)]
        return self.node("Concat", *earlier, rows, axis=1)

    def next_state(self, name: str, value: str) -> None:
        self._next[name] = value

    def finish(self, probabilities: str, labels: int) -> onnx.GraphProto:
        """The graph with its inputs and outputs: state parts are split off at its start and joined at its end."""
        sizes = [int(np.prod(shape)) for _, shape in self._states]
        flat = [self.reshape(self._next[name], [1, -1]) for name, _ in self._states]
        self.nodes.append(helper.make_node("Concat", flat, ["next_state"], axis=1))
        self.nodes.append(helper.make_node("Identity", [probabilities], ["probabilities"]))
        body, self.nodes = self.nodes, []
        parts = [f"flat_{name}" for name, _ in self._states]
        self.nodes.append(helper.make_node("Split", ["state", self.constant(sizes, np.int64)], parts, axis=1))
        for part, (name, shape) in zip(parts, self._states, strict=True):
            self.nodes.append(helper.make_node("Reshape", [part, self.constant(shape, np.int64)], [f"state_{name}"]))
        inputs = {"pcm": [1, "N"], "state": [1, sum(sizes)]}
        outputs = {"probabilities": [1, "T", labels], "next_state": [1, sum(sizes)]}
        ends = [[_float_tensor(*item) for item in side.items()] for side in (inputs, outputs)]
        return helper.make_graph([*self.nodes, *body], "wakeword", *ends, self.constants)


def build_graph(config: SystemConfig, weights: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """The serialised graph. `weights` are folded ones (see `wakeword.bundle.Bundle.weights`)."""
    g, t = GraphBuilder(), tables(config)
    frames = _energies(g, t)
    if t.norm is not None:
        frames = _running_norm(g, frames, t)
    hidden, width = _convolution(g, frames, config, weights), config.model.conv_filters
    for i, units in enumerate(config.model.gru_units):
        hidden, width = _gru(g, g.reshape(hidden, [-1, 1, width]), i, units, weights), units
    head, bias = weights["head.weight"], weights["head.bias"]
    logits = g.node("Gemm", g.reshape(hidden, [-1, width]), g.constant(head.T), g.constant(bias))
    graph = g.finish(g.reshape(g.node("Sigmoid", logits), [1, -1, len(bias)]), len(bias))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _energies(g: GraphBuilder, t: Tables) -> str:
    """PCM [1, N] -> band energies [T, F], the floor of a running norm already added.

    A frame is the last `fft_samples` of a few hops, its window at its end: where it begins turns only phases.
    """
    hops = -(-t.fft_samples // t.hop_samples)
    frames = g.with_earlier("pcm", g.reshape("pcm", [-1, t.hop_samples]), hops, t.hop_samples)
    unused, half = hops * t.hop_samples - t.fft_samples, t.fft_samples // 2
    window = np.concatenate([np.zeros(hops * t.hop_samples - len(t.window)), t.window])
    sizes = [unused, half, half] if unused else [half, half]
    windowed = g.node("Mul", frames, g.constant(window))
    *_, early, late = g.node("Split", windowed, g.constant(sizes, np.int64), outputs=len(sizes), axis=1)
    bands = np.eye(len(t.bin_gain)) if t.mix is None else t.mix
    products, mix = [], []
    for operator, (bins, dft) in zip(("Add", "Sub"), t.half_dfts(), strict=True):
        products.append(g.node("MatMul", g.node(operator, early, late), g.constant(dft)))
        mix += [bands[bins], bands[bins]]
    spectrum = g.node("Concat", *products, axis=1)
    floor = np.full(t.bins, t.norm.floor if t.norm else 0.0)
    return g.node("Gemm", g.node("Mul", spectrum, spectrum), g.constant(np.concatenate(mix)), g.constant(floor))


def _running_norm(g: GraphBuilder, energy: str, t: Tables) -> str:
    """[T, F] -> [T, F]. The running sums are a linear recurrence: ONNX's RNN with the identity as its activation.

    With the floor already in the energies, sum over weight is the mean with the floor added.
    """
    rule, size, units = t.norm, t.bins, t.bins + 1
    take, keep, bias = np.zeros((1, units, size)), np.eye(units)[None] * rule.keep, np.zeros((1, 2 * units))
    take[0, :size] = np.eye(size) * (1 - rule.keep)
    bias[0, size] = 1 - rule.keep
    before = g.state("norm", [1, 1, units])
    weights = [g.constant(value) for value in (take, keep, bias)]
    linear = {"activations": ["Affine"], "activation_alpha": [1.0], "activation_beta": [0.0]}
    sums, last = g.node(
        "RNN", g.reshape(energy, [-1, 1, size]), *weights, "", before, outputs=2, hidden_size=units, **linear
    )
    g.next_state("norm", last)
    total, weight = g.node("Split", g.reshape(sums, [-1, units]), g.constant([size, 1], np.int64), outputs=2, axis=1)
    relative = g.node("Div", energy, g.node("Div", total, weight))
    return g.node("Log", g.node("Add", relative, g.constant(rule.offset)))


def _convolution(g: GraphBuilder, frames: str, config: SystemConfig, weights: dict[str, np.ndarray]) -> str:
    """Frames [T, F] -> ReLU of the convolution, [steps, C].

    As one matrix product on rows of kernel frames: for so few outputs faster than the runtime's convolution. A kernel
    that is no multiple of the stride gets weights of zero for the oldest frames.
    """
    stride, bins = config.model.conv_stride, config.features.bins
    blocks = -(-config.model.conv_kernel // stride)
    rows = g.with_earlier("conv", g.reshape(frames, [-1, stride * bins]), blocks, stride * bins)
    by_frame = weights["conv.weight"].transpose(2, 1, 0)  # [kernel, F, C]
    missing = np.zeros((blocks * stride - len(by_frame), *by_frame.shape[1:]))
    matrix = np.concatenate([missing, by_frame]).reshape(blocks * stride * bins, -1)
    return g.node("Relu", g.node("Gemm", rows, g.constant(matrix), g.constant(weights["conv.bias"])))


def _gru(g: GraphBuilder, x: str, index: int, units: int, weights: dict[str, np.ndarray]) -> str:
    """[steps, 1, I] -> [steps, 1, 1, H], time first. torch orders the gates r, z, n; ONNX z, r, h."""

    def gates(name: str) -> np.ndarray:
        r, z, n = np.split(weights[f"gru.{index}.{name}"], 3)
        return np.concatenate([z, r, n])

    initial = g.state(f"gru{index}", [1, 1, units])
    bias = np.concatenate([gates("bias_ih"), gates("bias_hh")])[None]
    parts = (g.constant(gates("weight_ih")[None]), g.constant(gates("weight_hh")[None]), g.constant(bias))
    steps, last = g.node("GRU", x, *parts, "", initial, outputs=2, hidden_size=units, linear_before_reset=1)
    g.next_state(f"gru{index}", last)
    return steps


def _float_tensor(name: str, shape: list) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


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
    state, pieces, at, turn = np.zeros(session.get_inputs()[1].shape, np.float32), [], 0, 0
    while at < len(pcm):
        chunk = pcm[None, at : at + chunk_samples[turn % len(chunk_samples)]]
        probabilities, state = session.run(["probabilities", "next_state"], {"pcm": chunk, "state": state})
        pieces.append(probabilities[0])
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
    samples, step = to_float(pcm), card.config.step_samples
    got = run_graph(graph, samples, [step, 4 * step, 2 * step, 7 * step])
    with torch.inference_mode():
        expected = torch.sigmoid(stream_logits(model, torch.from_numpy(samples)[None], step))[0].numpy()
    worst = float(np.abs(got - expected).max())
    if not worst <= PARITY_TOLERANCE:
        raise BundleError(f"export: ONNX and torch differ by {worst:.2e}, expected at most {PARITY_TOLERANCE:.0e}")
    return graph, weights, (pcm, got.astype(np.float32))
