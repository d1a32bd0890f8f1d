"""What several bundles hear on one stream: one run of one graph for all of them, and its state."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import onnxruntime

from wakeword.bundle import Bundle
from wakeword.config import SystemConfig
from wakeword.errors import BundleError
from wakeword.features.micro import MicroStream
from wakeword.joined import JoinError, joined, metadata
from wakeword.safety import check_session

MAX_CALL_S = 10.0  # longer input is run in pieces, so that memory stays bounded
BOUND_STEPS = 8  # calls of up to so many steps have buffers of their own; for longer ones these are not worth it
OUTPUTS = ["probabilities", "next_state"]


class Sessions:
    """The opened graphs of some bundles, which any number of streams share, from any thread.

    Bundles with the same step are joined, so that what they compute alike is computed once (see `joined`). Streams that
    want some of these only have each bundle's own graph, opened when the first of them wants it.
    """

    def __init__(self, bundles: Sequence[Bundle]) -> None:
        self._bundles = list(bundles)
        self._opened: dict[tuple[int, ...], onnxruntime.InferenceSession | None] = {}
        self._lock = threading.Lock()

    def ears(self, wanted: Collection[int]) -> list[Ear]:
        """New streams that together hear the bundles of these numbers."""
        groups: dict[tuple, list[int]] = {}
        for number, bundle in enumerate(self._bundles):
            config = bundle.card.config
            groups.setdefault((config.step_samples, config.features.kind), []).append(number)
        return [ear for whole in groups.values() for ear in self._ears_of(tuple(whole), wanted)]

    def _ears_of(self, whole: tuple[int, ...], wanted: Collection[int]) -> Iterator[Ear]:
        mine = tuple(number for number in whole if number in wanted)
        session = self._session(mine) if mine == whole else None
        if session is not None:
            yield self._ear(mine, session)
        else:
            for number in mine:
                yield self._ear((number,), self._session((number,)))

    def _ear(self, numbers: tuple[int, ...], session: onnxruntime.InferenceSession) -> Ear:
        return Ear(numbers, [self._bundles[number] for number in numbers], session)

    def _session(self, numbers: tuple[int, ...]) -> onnxruntime.InferenceSession | None:
        """Of these bundles together; None where they cannot be joined."""
        with self._lock:
            if numbers not in self._opened:
                bundles = [self._bundles[number] for number in numbers]
                self._opened[numbers] = _open_one(bundles[0]) if len(bundles) == 1 else _open_joined(bundles)
            return self._opened[numbers]


class GraphCall:
    """A session with the state it carries. Short calls, as a listener makes them, run on buffers bound once.

    That saves a tenth of such a call: the runtime neither wraps arrays nor makes new ones. Not thread-safe, but the
    session is, and several of these may share one.
    """

    def __init__(self, session: onnxruntime.InferenceSession, phrases: int) -> None:
        signal, state = session.get_inputs()
        self._session, self._input, self._phrases = session, signal.name, phrases
        self._state, self._next = np.zeros((2, 1, state.shape[1]), np.float32)
        self._bound: dict[int, tuple[onnxruntime.IOBinding, np.ndarray, np.ndarray]] = {}
        self.state_size: int = state.shape[1]

    def reset(self) -> None:
        self._state[:] = 0.0

    def __call__(self, signal: np.ndarray, steps: int) -> np.ndarray:
        """The signal of some steps, samples [N] or frames [T, F] -> their probabilities [steps, K], a new array."""
        if steps > BOUND_STEPS:
            inputs = {self._input: signal[None], "state": self._state}
            probabilities, self._state[:] = self._session.run(OUTPUTS, inputs)
            return probabilities[0]
        if steps not in self._bound:
            self._bound[steps] = self._bind(signal.shape, steps)
        binding, given, probabilities = self._bound[steps]
        given[0] = signal
        self._session.run_with_iobinding(binding)
        self._state[:] = self._next
        return probabilities[0].copy()

    def _bind(self, shape: tuple[int, ...], steps: int) -> tuple[onnxruntime.IOBinding, np.ndarray, np.ndarray]:
        """What runs a call on (a signal of this shape, the state), and the arrays it reads and writes."""
        given, probabilities = np.zeros((1, *shape), np.float32), np.zeros((1, steps, self._phrases), np.float32)
        binding, shared = self._session.io_binding(), onnxruntime.OrtValue.ortvalue_from_numpy
        for name, array in ((self._input, given), ("state", self._state)):
            binding.bind_ortvalue_input(name, shared(array))
        for name, array in zip(OUTPUTS, (probabilities, self._next), strict=True):
            binding.bind_ortvalue_output(name, shared(array))
        return binding, given, probabilities


class Ear:
    """A graph on one stream, with what does not make a step yet. `numbers` are those of the bundles in it, in order."""

    def __init__(
        self, numbers: Sequence[int], bundles: Sequence[Bundle], session: onnxruntime.InferenceSession
    ) -> None:
        config = bundles[0].card.config
        self.numbers, self.step_samples = numbers, config.step_samples
        ends = np.cumsum([len(bundle.card.phrases) for bundle in bundles]).tolist()
        self._columns = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        self._graph = GraphCall(session, ends[-1])
        self._front = MicroStream() if config.features.kind == "micro" else None
        self._max_call = max(1, int(MAX_CALL_S * config.audio.sample_rate_hz) // self.step_samples) * self.step_samples
        self.reset()

    @property
    def state_size(self) -> int:
        """Numbers that the graph carries from call to call."""
        return self._graph.state_size

    def reset(self) -> None:
        self._pending = np.zeros(0, np.float32)
        if self._front:
            self._front.reset()
        self._graph.reset()

    def feed(self, samples: np.ndarray) -> np.ndarray | None:
        """float32 [N] -> probabilities [T, K] of the steps that are whole by now, None where there is none."""
        if len(self._pending):
            samples = np.concatenate([self._pending, samples])
        rest = len(samples) % self.step_samples
        if rest or len(self._pending):  # chunks of whole steps, the usual ones, are spared the copy
            whole = len(samples) - rest
            samples, self._pending = samples[:whole], samples[whole:].copy()
        return self.run(samples) if len(samples) else None

    def flush(self) -> np.ndarray | None:
        """The samples still held back, filled up to a step with silence."""
        return self.feed(np.zeros(-len(self._pending) % self.step_samples, np.float32))

    def run(self, samples: np.ndarray) -> np.ndarray:
        """Probabilities [T, K] of a whole number of steps; moves the network's state on."""
        if 0 < len(samples) <= self._max_call:
            return self._call(samples)
        pieces = [self._call(samples[at : at + self._max_call]) for at in range(0, len(samples), self._max_call)]
        return np.concatenate(pieces) if pieces else np.zeros((0, self._columns[-1].stop), np.float32)

    def by_bundle(self, probabilities: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """The number of each bundle, and its own columns."""
        if len(self.numbers) == 1:
            yield self.numbers[0], probabilities
        else:
            for number, columns in zip(self.numbers, self._columns, strict=True):
                yield number, probabilities[:, columns]

    def _call(self, samples: np.ndarray) -> np.ndarray:
        signal = self._front.feed(samples) if self._front else samples
        return self._graph(signal, len(samples) // self.step_samples)


def _open_one(bundle: Bundle) -> onnxruntime.InferenceSession:
    """Raises BundleError for a graph that is not the one its card tells of, or no wake word's."""
    graph = _graph(bundle)
    try:
        session = _session(graph)
    except Exception as error:  # onnxruntime's errors share no base class but Exception
        raise BundleError(f"{bundle.path}: model.onnx cannot be loaded: {str(error).splitlines()[0]}") from None
    check_session(session, _silence(bundle.card.config), len(bundle.card.phrases), bundle.path)
    return session


def _open_joined(bundles: Sequence[Bundle]) -> onnxruntime.InferenceSession | None:
    """None where they cannot be joined, or one of them is bad: opened alone, that one will say so."""
    phrases = [len(bundle.card.phrases) for bundle in bundles]
    try:
        session = _session(joined([_graph(bundle) for bundle in bundles], phrases))
        check_session(session, _silence(bundles[0].card.config), sum(phrases), bundles[0].path)
    except Exception:  # onnxruntime's errors share no base class but Exception
        return None
    return session


def _graph(bundle: Bundle) -> bytes:
    content = bundle.graph()
    try:
        found = metadata(content).get("fingerprint")
    except JoinError as error:
        raise BundleError(f"{bundle.path}: model.onnx: {error}") from None
    if found != bundle.card.fingerprint():
        raise BundleError(f"{bundle.path}: model.onnx was made for other features or phrases than model.json says")
    return content


def _session(graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the graph is too small to share out
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _silence(config: SystemConfig) -> np.ndarray:
    """One step of what the graph takes: samples [1, N], or feature frames [1, T, F]."""
    micro = config.features.kind == "micro"
    shape = (config.model.conv_stride, config.features.bins) if micro else (config.step_samples,)
    return np.zeros((1, *shape), np.float32)
