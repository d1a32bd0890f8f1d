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
    frames = _energies(g, t)  # [T, 1, F], as all that follows: ONNX's recurrent operators want time first
    if t.norm is not None:
        frames = _running_norm(g, frames, t)
    hidden = _convolution(g, frames, config, weights)
    for i, units in enumerate(config.model.gru_units):
        hidden = _gru(g, hidden, i, units, weights)
    logits = g.node("MatMul", hidden, g.constant(weights["head.weight"].T))
    logits = g.node("Add", logits, g.constant(weights["head.bias"]))
    probabilities = g.node("Transpose", g.node("Sigmoid", logits), perm=[1, 0, 2])
    graph = g.finish(probabilities, len(weights["head.bias"]))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _energies(g: GraphBuilder, t: Tables) -> str:
    """PCM [1, N] -> band energies [T, 1, F].

    A frame is the last `fft_samples` of a few hops, its window at its end: where it begins turns only phases. The DFT
    is one step of Cooley and Tukey's: two small matrix products instead of one large one, a sixth of the operations.
    """
    hops = -(-t.fft_samples // t.hop_samples)
    carried = (hops - 1) * t.hop_samples
    samples = g.node("Concat", g.state("pcm", [1, carried]), "pcm", axis=1) if carried else "pcm"
    if carried:
        g.next_state("pcm", g.slice(samples, -carried, None, axis=1))
    blocks = g.reshape(samples, [-1, t.hop_samples])
    shifted = [g.slice(blocks, i, i - hops + 1 or None, axis=0) for i in range(hops)]
    frames = g.node("Concat", *shifted, axis=1) if hops > 1 else shifted[0]
    if hops * t.hop_samples > t.fft_samples:
        frames = g.slice(frames, -t.fft_samples, None, axis=1)
    first, second, mix = two_stage_dft(t)
    columns, rows, reals = first.shape  # reals: the real parts, then the imaginary ones, of rows // 2 + 1 bins
    by_column = g.node("Transpose", g.reshape(frames, [-1, rows, columns]), perm=[2, 0, 1])
    by_bin = g.node("Transpose", g.node("MatMul", by_column, g.constant(first)), perm=[2, 1, 0])
    parts = g.node("MatMul", by_bin, g.constant(second))  # [reals, T, 2 columns]
    of_real, of_imaginary = g.node("Split", parts, g.constant([reals // 2] * 2, np.int64), outputs=2, axis=0)
    spectrum = g.node("Add", of_real, of_imaginary)
    power = g.node("Transpose", g.node("Mul", spectrum, spectrum), perm=[1, 0, 2])
    energy = g.node("MatMul", g.reshape(power, [-1, reals * columns]), g.constant(mix))
    return g.reshape(energy, [-1, 1, t.bins])


def two_stage_dft(t: Tables) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrices of a DFT of n = rows * columns points whose output is squared and summed into bands.

    With x[columns * i + j] and k = a + rows * b (Cooley and Tukey 1965):
    X[k] = sum_j e^(-2 pi i j k / n) sum_i e^(-2 pi i i a / rows) x[columns * i + j].
    Real input needs only a <= rows / 2: the other bins are conjugates of these. With A = rows // 2 + 1, returns first
    [columns, rows, 2A] (window included; real parts, then imaginary), second [2A, columns, 2 columns] (from each of
    these parts to real and imaginary X) and mix [A * 2 columns, F] (gains included).
    """
    n = t.fft_samples
    rows = max(d for d in range(1, int(n**0.5) + 1) if n % d == 0)
    columns, used = n // rows, rows // 2 + 1
    window = np.concatenate([np.zeros(n - len(t.window)), t.window]).reshape(rows, columns)
    i, j, a, b = np.arange(rows), np.arange(columns), np.arange(used), np.arange(columns)
    inner = window.T[:, :, None] * np.exp(-2j * np.pi * np.outer(i, a) / rows)  # [columns, rows, A]
    first = np.concatenate([inner.real, inner.imag], axis=2)
    outer = np.exp(-2j * np.pi * j[None, :, None] * (a[:, None, None] + rows * b) / n)  # [A, j, b]
    of_real, of_imaginary = (np.concatenate([part.real, part.imag], axis=2) for part in (outer, 1j * outer))
    second = np.concatenate([of_real, of_imaginary])
    bands = np.eye(len(t.bin_gain)) if t.mix is None else t.mix
    mix = np.zeros((used, 2, columns, bands.shape[1]))
    for k in range(len(t.bin_gain)):
        same_power = k if k % rows < used else n - k
        mix[same_power % rows, :, same_power // rows] = bands[k] * t.bin_gain[k]
    return first, second, mix.reshape(used * columns * 2, -1)


def _running_norm(g: GraphBuilder, energy: str, t: Tables) -> str:
    """The running sums are a linear recurrence: ONNX's RNN with the identity as its activation."""
    rule, size, units = t.norm, t.bins, t.bins + 1
    take, keep, bias = np.zeros((1, units, size)), np.eye(units)[None] * rule.keep, np.zeros((1, 2 * units))
    take[0, :size] = np.eye(size) * (1 - rule.keep)
    bias[0, size] = 1 - rule.keep
    sums, last = g.node(
        *("RNN", energy, g.constant(take), g.constant(keep), g.constant(bias), "", g.state("norm", [1, 1, units])),
        outputs=2,
        hidden_size=units,
        activations=["Affine"],
        activation_alpha=[1.0],
        activation_beta=[0.0],
    )
    g.next_state("norm", last)
    sums = g.node("Squeeze", sums, g.constant([1], np.int64))  # [T, 1, F + 1]
    total, weight = g.node("Split", sums, g.constant([size, 1], np.int64), outputs=2, axis=2)
    floor, offset = g.constant(rule.floor), g.constant(rule.offset)
    mean = g.node("Add", g.node("Div", total, weight), floor)
    return g.node("Log", g.node("Add", g.node("Div", g.node("Add", energy, floor), mean), offset))


def _convolution(g: GraphBuilder, frames: str, config: SystemConfig, weights: dict[str, np.ndarray]) -> str:
    """Frames [T, 1, F] -> ReLU of the convolution, [steps, 1, C]."""
    history = config.model.conv_kernel - config.model.conv_stride
    frames = g.node("Transpose", frames, perm=[1, 2, 0])
    if history:
        frames = g.node("Concat", g.state("conv", [1, config.features.bins, history]), frames, axis=2)
        g.next_state("conv", g.slice(frames, -history, None, axis=2))
    kernel, bias = g.constant(weights["conv.weight"]), g.constant(weights["conv.bias"])
    filtered = g.node("Conv", frames, kernel, bias, strides=[config.model.conv_stride])
    return g.node("Transpose", g.node("Relu", filtered), perm=[2, 0, 1])


def _gru(g: GraphBuilder, x: str, index: int, units: int, weights: dict[str, np.ndarray]) -> str:
    """[steps, 1, I] -> [steps, 1, H]. torch orders the gates r, z, n; ONNX z, r, h."""

    def gates(name: str) -> np.ndarray:
        r, z, n = np.split(weights[f"gru.{index}.{name}"], 3)
        return np.concatenate([z, r, n])

    initial = g.state(f"gru{index}", [1, 1, units])
    bias = np.concatenate([gates("bias_ih"), gates("bias_hh")])[None]
    parts = (g.constant(gates("weight_ih")[None]), g.constant(gates("weight_hh")[None]), g.constant(bias))
    steps, last = g.node("GRU", x, *parts, "", initial, outputs=2, hidden_size=units, linear_before_reset=1)
    g.next_state(f"gru{index}", last)
    return g.node("Squeeze", steps, g.constant([1], np.int64))


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
