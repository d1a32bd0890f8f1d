"""One bundle on one stream: its ONNX session, its state and its detectors. `wakeword.stream` has the public side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime

from wakeword.bundle import Bundle
from wakeword.config import SystemConfig
from wakeword.detector import Detection, Detector, Rule
from wakeword.errors import BundleError
from wakeword.features.micro import MicroStream
from wakeword.gate import Gate
from wakeword.safety import check_session

OnScore = Callable[[str, float, float, bool], None]
MAX_CALL_S = 10.0  # longer input is run in pieces, so that memory stays bounded
BOUND_STEPS = 8  # calls of up to so many steps have buffers of their own; for longer ones these are not worth it
OUTPUTS = ["probabilities", "next_state"]


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


class BundleStream:
    """One bundle's session, state and detectors."""

    def __init__(self, bundle: Bundle, rule: Rule, session: onnxruntime.InferenceSession | None = None):
        self._bundle, self._rule = bundle, rule
        self.card, config = bundle.card, bundle.card.config
        self.step_samples = config.step_samples
        self.warmup_steps = config.warmup_steps
        self._max_call = max(1, int(MAX_CALL_S * config.audio.sample_rate_hz) // self.step_samples) * self.step_samples
        self._session = session or _open_session(bundle)
        step_s = self.step_samples / config.audio.sample_rate_hz
        self._graph = GraphCall(self._session, len(self.card.phrases))
        self.state_size = self._graph.state_size
        self._front = MicroStream() if config.features.kind == "micro" else None
        self.detectors = [
            Detector(rule.apply(config.detector, phrase, own, step_s))
            for phrase, own in zip(self.card.phrases, self.card.thresholds, strict=True)
        ]
        self.reset()

    def fresh(self) -> BundleStream:
        """The same model at the start of another stream."""
        return BundleStream(self._bundle, self._rule, self._session)

    def reset(self) -> None:
        self._steps = 0
        self._pending = np.zeros(0, np.float32)
        self._detector_states = [detector.zero_state() for detector in self.detectors]
        if self._front:
            self._front.reset()
        self._graph.reset()

    def latest_scores(self) -> list[float]:
        return [state.score for state in self._detector_states]

    def feed(self, samples: np.ndarray, gate: Gate | None, on_score: OnScore | None) -> list[Detection]:
        if len(self._pending):
            samples = np.concatenate([self._pending, samples])
        rest = len(samples) % self.step_samples
        if rest or len(self._pending):  # chunks of whole steps, the usual ones, are spared the copy
            whole = len(samples) - rest
            samples, self._pending = samples[:whole], samples[whole:].copy()
        return self._decide(self.run(samples), gate, on_score) if len(samples) else []

    def flush(self, gate: Gate | None, on_score: OnScore | None) -> list[Detection]:
        missing = -len(self._pending) % self.step_samples
        return self.feed(np.zeros(missing, np.float32), gate, on_score)

    def run(self, samples: np.ndarray) -> np.ndarray:
        """Probabilities [T, K] of a whole number of steps; moves the network's state on."""
        if 0 < len(samples) <= self._max_call:
            return self._call(samples)
        pieces = [self._call(samples[at : at + self._max_call]) for at in range(0, len(samples), self._max_call)]
        return np.concatenate(pieces) if pieces else np.zeros((0, len(self.card.phrases)), np.float32)

    def _call(self, samples: np.ndarray) -> np.ndarray:
        signal = self._front.feed(samples) if self._front else samples
        return self._graph(signal, len(samples) // self.step_samples)

    def _decide(self, probabilities: np.ndarray, gate: Gate | None, on_score: OnScore | None) -> list[Detection]:
        detections, states = [], self._detector_states
        for row in probabilities.tolist():
            self._steps += 1
            listens = self._steps > self.warmup_steps and (not gate or gate.is_open(self._steps * self.step_samples))
            for k, detector in enumerate(self.detectors):
                score, state = detector.step(row[k] if listens else 0.0, states[k])
                states[k] = state
                if score is not None:
                    detections.append(self._detection(k, score))
                if on_score:
                    on_score(self.card.phrases[k], self._now_s(), state.score, score is not None)
        return detections

    def _now_s(self) -> float:
        return self._steps * self.step_samples / self.card.config.audio.sample_rate_hz

    def _detection(self, k: int, score: float) -> Detection:
        end_s = self._now_s()
        return Detection(self.card.phrases[k], max(0.0, end_s - self.card.phrase_s[k]), end_s, score)


def _silence(config: SystemConfig) -> np.ndarray:
    """One step of what the graph takes: samples [1, N], or feature frames [1, T, F]."""
    micro = config.features.kind == "micro"
    shape = (config.model.conv_stride, config.features.bins) if micro else (config.step_samples,)
    return np.zeros((1, *shape), np.float32)


def _open_session(bundle: Bundle) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the graph is too small to share out
    options.log_severity_level = 3
    graph = bundle.graph()
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class but Exception
        raise BundleError(f"{bundle.path}: model.onnx cannot be loaded: {str(error).splitlines()[0]}") from None
    found = session.get_modelmeta().custom_metadata_map.get("fingerprint")
    if found != bundle.card.fingerprint():
        raise BundleError(f"{bundle.path}: model.onnx was made for other features or phrases than model.json says")
    check_session(session, _silence(bundle.card.config), len(bundle.card.phrases), bundle.path)
    return session
