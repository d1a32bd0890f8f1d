"""WakeWord: a stream of samples in, detections out. What a device runs; it loads onnxruntime and little else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from wakeword.audio import to_float
from wakeword.bundle import Bundle, read_bundle
from wakeword.detector import Detection, Detector
from wakeword.errors import BundleError
from wakeword.features.micro import MicroStream
from wakeword.sections import DetectorConfig

MAX_CALL_S = 10.0  # longer input is run in pieces, so that memory stays bounded


def load(bundles: str | Path | Sequence[str | Path], threshold: float | None = None) -> WakeWord:
    """Opens one bundle folder, or several that listen side by side; `threshold` replaces the bundles' own.

    Raises BundleError for a folder that is no bundle, if several bundles differ in sample rate, and for a threshold
    that is not between 0 and 1.
    """
    paths = [bundles] if isinstance(bundles, (str, Path)) else list(bundles)
    return WakeWord([read_bundle(path) for path in paths], threshold)


class WakeWord:
    """One or more bundles on one stream. Not thread-safe; make one per stream.

    `feed` takes any number of samples, keeps less than one step back, and never looks at a clock.
    """

    def __init__(self, bundles: Sequence[Bundle], threshold: float | None = None) -> None:
        if not bundles:
            raise BundleError("load: got no bundle, expected at least one folder")
        rates = {bundle.card.config.audio.sample_rate_hz for bundle in bundles}
        if len(rates) > 1:
            raise BundleError(f"load: got bundles at {sorted(rates)} Hz, expected one sample rate")
        if threshold is not None and not 0.0 < threshold < 1.0:
            raise BundleError(f"threshold: got {threshold}, expected a number between 0 and 1")
        self.sample_rate_hz: int = rates.pop()
        self._words = [_BundleStream(bundle, threshold) for bundle in bundles]

    @property
    def phrases(self) -> list[str]:
        """The K phrases listened for, in the order of the columns of `scores`."""
        return [phrase for word in self._words for phrase in word.card.phrases]

    @property
    def detector_configs(self) -> list[DetectorConfig]:
        """The decision rule of each phrase, with its threshold."""
        return [detector.config for word in self._words for detector in word.detectors]

    @property
    def step_samples(self) -> int:
        """Samples from one probability to the next (of the first bundle)."""
        return self._words[0].step_samples

    @property
    def warmup_steps(self) -> int:
        """Outputs after a reset that have not yet seen a full window; they never fire (of the first bundle)."""
        return self._words[0].warmup_steps

    @property
    def state_size(self) -> int:
        """Numbers that the graph carries from call to call (of the first bundle)."""
        return self._words[0].state_size

    def feed(self, pcm: np.ndarray) -> list[Detection]:
        """int16 or float32 mono [N] at `sample_rate_hz`, any N. Raises AudioError, and changes nothing, if unusable."""
        samples = to_float(pcm)
        detections = [detection for word in self._words for detection in word.feed(samples)]
        return sorted(detections, key=lambda detection: detection.end_s) if len(self._words) > 1 else detections

    def flush(self) -> list[Detection]:
        """The end of a stream: the samples still held back, filled up to a step with silence."""
        return [detection for word in self._words for detection in word.flush()]

    def reset(self) -> None:
        """As if nothing had been heard: time starts again at zero."""
        for word in self._words:
            word.reset()

    def scores(self, pcm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The raw curve of a recording from a fresh start; the stream that `feed` serves is not touched.

        pcm: int16 or float32 mono [N]; what is less than a step at its end is left out. Returns (times_s float64 [T],
        probabilities float32 [T, K] in 0..1); a time is the end of its step. Raises AudioError for pcm that is
        unusable, and BundleError if several bundles differ in their step.
        """
        samples = to_float(pcm)
        steps = {word.step_samples for word in self._words}
        if len(steps) > 1:
            raise BundleError(f"scores: got bundles with steps of {sorted(steps)} samples, expected one step")
        curves = [
            word.fresh().run(samples[: len(samples) // self.step_samples * self.step_samples]) for word in self._words
        ]
        times_s = np.arange(1, len(curves[0]) + 1) * (self.step_samples / self.sample_rate_hz)
        return times_s, np.concatenate(curves, axis=1)


class _BundleStream:
    """One bundle's session, state and detectors."""

    def __init__(self, bundle: Bundle, threshold: float | None, session: onnxruntime.InferenceSession | None = None):
        self._bundle, self._threshold = bundle, threshold
        self.card, config = bundle.card, bundle.card.config
        self.step_samples = config.step_samples
        self.warmup_steps = -(-config.receptive_samples // config.step_samples) - 1
        self._max_call = max(1, int(MAX_CALL_S * config.audio.sample_rate_hz) // self.step_samples) * self.step_samples
        self._session = session or _open_session(bundle)
        signal, state = self._session.get_inputs()
        self._input, self.state_size = signal.name, state.shape[1]
        self._front = MicroStream() if config.features.kind == "micro" else None
        self.detectors = [
            Detector(config.detector.model_copy(update={"threshold": threshold or own})) for own in self.card.thresholds
        ]
        self.reset()

    def fresh(self) -> _BundleStream:
        """The same model at the start of another stream."""
        return _BundleStream(self._bundle, self._threshold, self._session)

    def reset(self) -> None:
        self._steps = 0
        self._pending = np.zeros(0, np.float32)
        self._detector_states = [detector.zero_state() for detector in self.detectors]
        if self._front:
            self._front.reset()
        self._state = np.zeros((1, self.state_size), np.float32)

    def feed(self, samples: np.ndarray) -> list[Detection]:
        if len(self._pending):
            samples = np.concatenate([self._pending, samples])
        whole = len(samples) // self.step_samples * self.step_samples
        self._pending = samples[whole:].copy()
        return self._decide(self.run(samples[:whole])) if whole else []

    def flush(self) -> list[Detection]:
        missing = -len(self._pending) % self.step_samples
        return self.feed(np.zeros(missing, np.float32))

    def run(self, samples: np.ndarray) -> np.ndarray:
        """Probabilities [T, K] of a whole number of steps; moves the network's state on."""
        if 0 < len(samples) <= self._max_call:
            return self._call(samples)
        pieces = [self._call(samples[at : at + self._max_call]) for at in range(0, len(samples), self._max_call)]
        return np.concatenate(pieces) if pieces else np.zeros((0, len(self.card.phrases)), np.float32)

    def _call(self, samples: np.ndarray) -> np.ndarray:
        signal = self._front.feed(samples) if self._front else samples
        inputs = {self._input: signal[None], "state": self._state}
        probabilities, self._state = self._session.run(["probabilities", "next_state"], inputs)
        return probabilities[0]

    def _decide(self, probabilities: np.ndarray) -> list[Detection]:
        detections = []
        for row in probabilities.tolist():
            self._steps += 1
            for k, detector in enumerate(self.detectors):
                heard = row[k] if self._steps > self.warmup_steps else 0.0
                score, self._detector_states[k] = detector.step(heard, self._detector_states[k])
                if score is not None:
                    detections.append(self._detection(k, score))
        return detections

    def _detection(self, k: int, score: float) -> Detection:
        end_s = self._steps * self.step_samples / self.card.config.audio.sample_rate_hz
        return Detection(self.card.phrases[k], max(0.0, end_s - self.card.phrase_s[k]), end_s, score)


def _open_session(bundle: Bundle) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the graph is too small to share out
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(bundle.graph(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class but Exception
        raise BundleError(f"{bundle.path}: model.onnx cannot be loaded: {str(error).splitlines()[0]}") from None
    found = session.get_modelmeta().custom_metadata_map.get("fingerprint")
    if found != bundle.card.fingerprint():
        raise BundleError(f"{bundle.path}: model.onnx was made for other features or phrases than model.json says")
    return session
