"""The streaming ONNX graph: raw PCM and state in, probabilities and state out.

    inputs   pcm [1, N] float32 in -1..1, N any multiple of the step; state [1, S] from the last call, at first zeros
    outputs  probabilities [1, N / step, K]; next_state [1, S]

Features of kind micro are fixed-point code of a library, which no ONNX operators repeat bit for bit. Their graph has
instead of pcm the input features [1, frames, F] float32, `frames` any multiple of the convolution's stride.

The graph is built node by node rather than traced: torch's exporters fix the GRU's length or warn about it, and here
every node is one the runtime is known to run fast.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from wakeword.config import SystemConfig
from wakeword.features import Tables, tables
from wakeword.halves import halved
from wakeword.path import HELD_STEPS, LEAST, MOST, WEIGHT, Paths, hearing_in

OPSET = 17


class GraphBuilder:
    """Collects nodes and constants, names what flows between them, and packs all state into one vector.

    Every part of the state is [1, 1, n], as a GRU wants its own: for graphs so small a reshape costs as much as some
    layers. `prefix` begins every name: those of a graph inside another must differ from the outer ones.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._states: list[tuple[str, int]] = []
        self._next: dict[str, str] = {}

    def constant(self, value: np.ndarray | list | float, dtype: type = np.float32) -> str:
        """A constant by name; kept in half the space where that loses nothing: the runtime unpacks it as it loads."""
        name = f"{self._prefix}c{len(self.constants)}"
        kept = halved(np.ascontiguousarray(value, dtype=dtype))
        self.constants.append(numpy_helper.from_array(kept, name))
        return self.node("Cast", name, to=TensorProto.FLOAT) if kept.dtype == np.float16 else name

    def node(self, operator: str, *inputs: str, outputs: int = 1, **attributes) -> str | list[str]:
        names = [f"{self._prefix}{operator.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def reshape(self, value: str, shape: list[int]) -> str:
        return self.node("Reshape", value, self.constant(shape, np.int64))

    def slice(self, value: str, start: int, stop: int | None, axis: int) -> str:
        """value[start:stop] along an axis."""
        stop = np.iinfo(np.int64).max if stop is None else stop
        return self.node("Slice", value, *(self.constant([number], np.int64) for number in (start, stop, axis)))

    def state(self, name: str, size: int) -> str:
        """A part of the state by name, [1, 1, size]; give its successor to `next_state`."""
        self._states.append((name, size))
        return f"state_{name}"

    def with_earlier(self, name: str, value: str, count: int, width: int) -> str:
        """value, R rows of `width` in any shape -> [R, count * width].

        Each row comes after the count - 1 before it, over the bounds of calls.
        """
        rows = self.reshape(value, [-1, width])
        if count == 1:
            return rows
        size = (count - 1) * width
        known = self.node("Concat", self.state(name, size), self.reshape(value, [1, 1, -1]), axis=2)
        self.next_state(name, self.slice(known, -size, None, axis=2))
        known = self.reshape(known, [-1, width])
        earlier = [self.slice(known, i, i - count + 1, axis=0) for i in range(count - 1)]
        return self.node("Concat", *earlier, rows, axis=1)

    def next_state(self, name: str, value: str) -> None:
        self._next[name] = value

    def finish(self, source: dict[str, list], probabilities: str, labels: int) -> onnx.GraphProto:
        """The graph with its inputs (`source`: name and shape) and outputs.

        State parts are split off at its start and joined at its end.
        """
        names, sizes = zip(*self._states, strict=True)
        joined = self.node("Concat", *(self._next[name] for name in names), axis=2)
        self.nodes.append(helper.make_node("Squeeze", [joined, self.constant([0], np.int64)], ["next_state"]))
        self.nodes.append(helper.make_node("Identity", [probabilities], ["probabilities"]))
        body, self.nodes = self.nodes, []
        parts = [self.node("Unsqueeze", "state", self.constant([0], np.int64)), self.constant(sizes, np.int64)]
        self.nodes.append(helper.make_node("Split", parts, [f"state_{name}" for name in names], axis=2))
        inputs = {**source, "state": [1, sum(sizes)]}
        outputs = {"probabilities": [1, "T", labels], "next_state": [1, sum(sizes)]}
        ends = [[_float_tensor(*item) for item in side.items()] for side in (inputs, outputs)]
        return helper.make_graph([*self.nodes, *body], "wakeword", *ends, self.constants)


def build_graph(
    config: SystemConfig, weights: dict[str, np.ndarray], metadata: dict[str, str], paths: Paths | None = None
) -> bytes:
    """The serialised graph. `weights` are folded ones (see `wakeword.bundle.Bundle.weights`).

    With `paths` the head's outputs are phones, and the probabilities are the scores of paths through them; but where
    the configuration has a spotter, the phones are its own, and so are the paths.
    """
    g = GraphBuilder()
    source, frames = _frames(g, config)
    hidden, width = _convolution(g, frames, config, weights), config.model.conv_filters
    lower = len(config.model.gru_units) - 1
    for i, (_, units) in enumerate(config.model.grus[:lower]):
        hidden, width = _gru(g, g.reshape(hidden, [-1, 1, width]), f"gru.{i}", units, weights), units
    below = g.reshape(hidden, [-1, 1, width])
    logits = _head(g, _members(g, below, config, weights), "head", weights)
    if config.model.spotter and paths is not None:
        odds = _spotted(g, below, config, weights, paths)
        logits = g.node("Div", g.node("Add", logits, odds), g.constant(1.0 + WEIGHT))
        paths = None
    labels = len(weights["head.bias"]) if paths is None else paths.phrases
    probabilities = g.node("Sigmoid", logits) if paths is None else _path_scores(g, logits, paths, "", weights)
    graph = g.finish(source, g.reshape(probabilities, [1, -1, labels]), labels)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _frames(g: GraphBuilder, config: SystemConfig) -> tuple[dict[str, list], str]:
    """The graph's input, and the feature frames [T, F] that are made of it."""
    if config.features.kind == "micro":
        return {"features": [1, "frames", config.features.bins]}, "features"
    t = tables(config)
    energies = _energies(g, t)
    return {"pcm": [1, "N"]}, energies if t.norm is None else _running_norm(g, energies, t)


def _energies(g: GraphBuilder, t: Tables) -> str:
    """PCM [1, N] -> band energies [T, F], the floor of a running norm already added.

    A frame is the last `fft_samples` of a few hops, its window at its end: where it begins turns only phases.
    """
    hops = -(-t.fft_samples // t.hop_samples)
    frames = g.with_earlier("pcm", "pcm", hops, t.hop_samples)
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

    With the floor already in the energies, sum over weight is the mean m with the floor added. The sums are of
    energies e (I + mask'), mask' being a row of `mask` for each band, so that m (I + mask') is what comes out: the mean
    with what is hidden added. From it, times `above`, comes what is to be added to e for (e + ...) / mean to be the
    whole argument of the logarithm: the hidden part, mask' / (1 + sum of mask), and the offset.
    """
    rule, size, units = t.norm, t.bins, t.bins + 1
    spread = np.tile(rule.mask, (size, 1))
    above = spread / (1.0 + rule.mask.sum()) + rule.offset * np.eye(size)
    take, keep, bias = np.zeros((1, units, size)), np.eye(units)[None] * rule.keep, np.zeros((1, 2 * units))
    take[0, :size] = (np.eye(size) + spread.T) * (1 - rule.keep)
    bias[0, size] = 1 - rule.keep
    before = g.state("norm", units)
    weights = [g.constant(value) for value in (take, keep, bias)]
    linear = {"activations": ["Affine"], "activation_alpha": [1.0], "activation_beta": [0.0]}
    sums, last = g.node(
        "RNN", g.reshape(energy, [-1, 1, size]), *weights, "", before, outputs=2, hidden_size=units, **linear
    )
    g.next_state("norm", last)
    total, weight = g.node("Split", g.reshape(sums, [-1, units]), g.constant([size, 1], np.int64), outputs=2, axis=1)
    mean = g.node("Div", total, weight)
    return g.node("Log", g.node("Div", g.node("Gemm", mean, g.constant(above), energy), mean))


def _convolution(g: GraphBuilder, frames: str, config: SystemConfig, weights: dict[str, np.ndarray]) -> str:
    """Frames [T, F] -> ReLU of the convolution, [steps, C].

    As one matrix product on rows of kernel frames: for so few outputs faster than the runtime's convolution. A kernel
    that is no multiple of the stride gets weights of zero for the oldest frames.
    """
    stride, bins = config.model.conv_stride, config.features.bins
    blocks = -(-config.model.conv_kernel // stride)
    rows = g.with_earlier("conv", frames, blocks, stride * bins)
    by_frame = weights["conv.weight"].transpose(2, 1, 0)  # [kernel, F, C]
    missing = np.zeros((blocks * stride - len(by_frame), *by_frame.shape[1:]))
    matrix = np.concatenate([missing, by_frame]).reshape(blocks * stride * bins, -1)
    return g.node("Relu", g.node("Gemm", rows, g.constant(matrix), g.constant(weights["conv.bias"])))


def _head(g: GraphBuilder, hidden: str, name: str, weights: dict[str, np.ndarray]) -> str:
    """[steps, 1, 1, H] -> logits [steps, K]."""
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return g.node("Gemm", g.reshape(hidden, [-1, weight.shape[1]]), g.constant(weight.T), g.constant(bias))


def _spotted(g: GraphBuilder, below: str, config: SystemConfig, weights: dict[str, np.ndarray], paths: Paths) -> str:
    """[steps, 1, I] -> WEIGHT times the log-odds [steps, K] of the phrases' paths: `wakeword.spotter.Spotter`."""
    hidden = below
    for i, (width, units) in enumerate(config.model.spotter_grus):
        hidden = _gru(g, g.reshape(hidden, [-1, 1, width]) if i else hidden, f"spotter.gru.{i}", units, weights)
    phones = _head(g, hidden, "spotter.head", weights)
    scores = _path_scores(g, phones, paths, "spotter.", weights)
    recent = g.reshape(g.with_earlier("held", scores, HELD_STEPS, paths.phrases), [-1, HELD_STEPS, paths.phrases])
    held = g.node("ReduceMax", recent, axes=[1], keepdims=0)
    likely = g.node("Clip", held, g.constant(LEAST), g.constant(MOST))
    odds = g.node("Log", g.node("Div", likely, g.node("Sub", g.constant(1.0), likely)))
    return odds if WEIGHT == 1.0 else g.node("Mul", odds, g.constant(WEIGHT))


def _gru(g: GraphBuilder, x: str, name: str, units: int, weights: dict[str, np.ndarray]) -> str:
    """[steps, 1, I] -> [steps, 1, 1, H], time first. torch orders the gates r, z, n; ONNX z, r, h."""

    def gates(part: str) -> np.ndarray:
        r, z, n = np.split(weights[f"{name}.{part}"], 3)
        return np.concatenate([z, r, n])

    initial = g.state(name, units)
    bias = np.concatenate([gates("bias_ih"), gates("bias_hh")])[None]
    parts = (g.constant(gates("weight_ih")[None]), g.constant(gates("weight_hh")[None]), g.constant(bias))
    steps, last = g.node("GRU", x, *parts, "", initial, outputs=2, hidden_size=units, linear_before_reset=1)
    g.next_state(name, last)
    return steps


def _members(g: GraphBuilder, x: str, config: SystemConfig, weights: dict[str, np.ndarray]) -> str:
    """[steps, 1, I] -> what the last GRUs say side by side, [steps, 1, 1, M * H]."""
    count, units = config.model.members, config.model.gru_units[-1]
    first = len(config.model.gru_units) - 1
    said = [_gru(g, x, f"gru.{first + member}", units, weights) for member in range(count)]
    return said[0] if count == 1 else g.node("Concat", *said, axis=3)


def _path_scores(g: GraphBuilder, logits: str, paths: Paths, prefix: str, weights: dict[str, np.ndarray]) -> str:
    """Logits [T, S] of phones -> scores [T, K]: `wakeword.path.path_scores`, its state [P, I] carried."""
    hearing = hearing_in(weights, prefix)
    counted = g.node("MatMul", g.node("Softmax", logits, axis=1), g.constant(hearing["likeness"]))
    likeliest = g.node("ReduceMax", counted, axes=[1], keepdims=1)
    if hearing["doubt"].any():
        likeliest = g.node("Pow", likeliest, g.constant(1.0 - hearing["doubt"]))
    costs = g.node("Div", counted, g.node("Div", likeliest, g.constant(hearing["pace"])))
    own = g.node("Gather", costs, g.constant(paths.phone, np.int64), axis=1)  # [T, P, I]
    rows, states = paths.phone.shape
    before = g.reshape(g.state("path", rows * states), [rows, states])
    last, along = g.node("Scan", before, own, outputs=2, num_scan_inputs=1, body=_walk(paths))
    g.next_state("path", g.reshape(last, [1, 1, -1]))
    ends = g.node("ReduceMax", g.node("Mul", along, g.constant(paths.ends)), axes=[2], keepdims=0)  # [T, P]
    scores = g.node("Pow", ends, g.constant(1.0 / paths.counts))
    by_phrase = [np.flatnonzero(paths.phrase == k) for k in range(paths.phrases)]
    best = [
        g.node("ReduceMax", g.slice(scores, int(mine[0]), int(mine[-1]) + 1, axis=1), axes=[1], keepdims=1)
        for mine in by_phrase
    ]
    return g.node("Concat", *best, axis=1)


def _walk(paths: Paths) -> onnx.GraphProto:
    """One step of the paths as the body of a Scan: state and costs [P, I] -> next state, and the same as its output."""
    g, shape = GraphBuilder("walk_"), list(paths.phone.shape)
    one, two = g.constant(np.ones((shape[0], 1))), g.constant(np.zeros((shape[0], 2)))
    begun = g.node("Concat", one, g.slice("before", 0, -1, axis=1), axis=1)
    skipped = g.node("Mul", g.node("Concat", two, g.slice("before", 0, -2, axis=1), axis=1), g.constant(paths.skips))
    after = g.node("Mul", g.node("Max", "before", begun, skipped), "costs")
    ends = [g.node("Identity", after) for _ in range(2)]
    inputs = [_float_tensor(name, shape) for name in ("before", "costs")]
    return helper.make_graph(g.nodes, "walk", inputs, [_float_tensor(name, shape) for name in ends], g.constants)


def _float_tensor(name: str, shape: list) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
