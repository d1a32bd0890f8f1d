"""A bundle's network as a handful of typed layers: what code generators read, and in numpy what they must reproduce.

Every layer is its weights and one `step`; what a stream carries from step to step is data, in `State`. Shape letters: F
bins, C conv filters, I inputs, H hidden units, K phrases, Q frames that the next convolution needs again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from wakeword.bundle import Bundle, read_bundle
from wakeword.config import SystemConfig
from wakeword.errors import AudioError, BundleError
from wakeword.features import FeatureState, Tables, compute, tables, zero_state
from wakeword.sections import DetectorConfig


@dataclass(frozen=True)
class Conv1d:
    """weight [C, F, kernel], bias [C]; then ReLU. One output every `stride` frames."""

    weight: np.ndarray
    bias: np.ndarray
    stride: int

    def step(self, frames: np.ndarray) -> np.ndarray:
        """The last `kernel` frames [kernel, F], oldest first -> [C]."""
        return np.maximum(np.tensordot(self.weight, frames.T, axes=2) + self.bias, 0.0)


@dataclass(frozen=True)
class Gru:
    """weight_ih [3H, I], weight_hh [3H, H], bias_ih [3H], bias_hh [3H]; gates in torch's order: reset, update, new."""

    weight_ih: np.ndarray
    weight_hh: np.ndarray
    bias_ih: np.ndarray
    bias_hh: np.ndarray

    def step(self, x: np.ndarray, h: np.ndarray) -> np.ndarray:
        """Input [I] and hidden state [H] -> the next hidden state [H], which is also the output."""
        from_input = np.split(self.weight_ih @ x + self.bias_ih, 3)
        from_hidden = np.split(self.weight_hh @ h + self.bias_hh, 3)
        reset, update = (sigmoid(a + b) for a, b in zip(from_input[:2], from_hidden[:2], strict=True))
        new = np.tanh(from_input[2] + reset * from_hidden[2])
        return new + update * (h - new)


@dataclass(frozen=True)
class Dense:
    """weight [K, H], bias [K]; then a sigmoid."""

    weight: np.ndarray
    bias: np.ndarray

    def step(self, x: np.ndarray) -> np.ndarray:
        """[H] -> probabilities [K]."""
        return sigmoid(self.weight @ x + self.bias)


@dataclass(frozen=True)
class State:
    """What a stream carries: the front end's own state, the last frames [Q, F], and [H] for each GRU."""

    front: FeatureState
    frames: np.ndarray
    hidden: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Layers:
    """A whole wake word. `detectors` holds the decision rule of each of the K phrases, with its threshold."""

    config: SystemConfig
    phrases: tuple[str, ...]
    detectors: tuple[DetectorConfig, ...]
    front: Tables
    conv: Conv1d
    grus: tuple[Gru, ...]
    head: Dense

    @property
    def warmup_steps(self) -> int:
        """Outputs at the start of a stream that have not yet seen a full window; they never fire."""
        return self.config.warmup_steps

    def zero_state(self) -> State:
        """The state at the start of a stream."""
        kept = self.conv.weight.shape[2] - self.conv.stride
        hidden = tuple(np.zeros(gru.weight_hh.shape[1]) for gru in self.grus)
        return State(zero_state(self.front), np.zeros((kept, self.front.bins)), hidden)

    def step(self, pcm: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """float [step_samples] in -1..1 -> probabilities [K] and the next state; AudioError for another length."""
        if pcm.shape != (self.config.step_samples,):
            raise AudioError(f"pcm: got shape {list(pcm.shape)}, expected one step, [{self.config.step_samples}]")
        new_frames, front = compute(self.front, pcm, state.front)
        frames = np.concatenate([state.frames, new_frames])
        x, hidden = self.conv.step(frames), []
        for gru, before in zip(self.grus, state.hidden, strict=True):
            x = gru.step(x, before)
            hidden.append(x)
        return self.head.step(x), State(front, frames[self.conv.stride :], tuple(hidden))


def read_layers(path: str | Path) -> Layers:
    """Reads the folder of a trained bundle.

    Raises what `read_network` does, and BundleError for features of kind micro, which no C here computes.
    """
    bundle = read_bundle(path)
    if bundle.card.config.features.kind == "micro":
        raise BundleError(
            f"{bundle.path}: got features.kind micro, which is ESPHome's front end, expected log_mel: wakeword train "
            "PHRASE --config micro, or export this one --to esphome"
        )
    conv, grus, head = read_network(bundle)
    card, config = bundle.card, bundle.card.config
    return Layers(
        config=config,
        phrases=tuple(card.phrases),
        detectors=tuple(config.detector.model_copy(update={"threshold": own}) for own in card.thresholds),
        front=tables(config),
        conv=conv,
        grus=grus,
        head=head,
    )


def read_network(bundle: Bundle) -> tuple[Conv1d, tuple[Gru, ...], Dense]:
    """The weights of a trained bundle, whatever its front end.

    Raises BundleError that names the tensor if its weights do not fit its configuration, for an enrolled bundle, and
    for one with patience or members.
    """
    card, config, weights = bundle.card, bundle.card.config, bundle.weights()
    if card.paths and not config.model.spotter:
        raise BundleError(
            f"{bundle.path}: got an enrolled bundle, expected a trained one: wakeword train PHRASE makes it"
        )
    steps = config.detector.patience_steps
    if steps != 1:
        raise BundleError(
            f"{bundle.path}: got detector.patience_steps {steps}, expected 1: devices know no patience yet"
        )
    members = config.model.members
    if members != 1 or config.model.spotter:
        raise BundleError(
            f"{bundle.path}: got model.members {members}, expected 1, no ensemble: wakeword train PHRASE --config micro"
        )
    _check_weights(weights, _expected_shapes(config, len(card.phrases)), str(bundle.path))
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return (
        Conv1d(weights["conv.weight"], weights["conv.bias"], config.model.conv_stride),
        tuple(Gru(*(weights[f"gru.{i}.{name}"] for name in names)) for i in range(len(config.model.gru_units))),
        Dense(weights["head.weight"], weights["head.bias"]),
    )


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), written so that no exp overflows."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def _expected_shapes(config: SystemConfig, phrases: int) -> dict[str, tuple[int, ...]]:
    model = config.model
    shapes: dict[str, tuple[int, ...]] = {
        "conv.weight": (model.conv_filters, config.features.bins, model.conv_kernel),
        "conv.bias": (model.conv_filters,),
    }
    for i, (inputs, units) in enumerate(pairwise((model.conv_filters, *model.gru_units))):
        shapes[f"gru.{i}.weight_ih"] = (3 * units, inputs)
        shapes[f"gru.{i}.weight_hh"] = (3 * units, units)
        shapes[f"gru.{i}.bias_ih"] = shapes[f"gru.{i}.bias_hh"] = (3 * units,)
    return shapes | {"head.weight": (phrases, model.gru_units[-1]), "head.bias": (phrases,)}


def _check_weights(weights: dict[str, np.ndarray], expected: dict[str, tuple[int, ...]], origin: str) -> None:
    for name in sorted(weights.keys() ^ expected.keys()):
        problem = "missing" if name in expected else "got a tensor that the configuration has no place for"
        raise BundleError(f"{origin}: {name}: {problem}, expected {sorted(expected)}")
    for name, shape in expected.items():
        got = weights[name]
        if got.shape != shape:
            raise BundleError(f"{origin}: {name}: got shape {list(got.shape)}, expected {list(shape)}")
        if got.dtype != np.float32:
            raise BundleError(f"{origin}: {name}: got {got.dtype}, expected float32")
        if not np.isfinite(got).all():
            raise BundleError(f"{origin}: {name}: got values that are NaN or infinite, expected finite numbers")
