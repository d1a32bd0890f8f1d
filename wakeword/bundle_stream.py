"""What one bundle makes of its probabilities on one stream: its detectors. `wakeword.stream` has the public side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wakeword.bundle import Bundle
from wakeword.detector import Detection, Detector, Rule
from wakeword.gate import Gate

OnScore = Callable[[str, float, float, bool], None]


class BundleStream:
    """One bundle's detectors, and how many steps it heard."""

    def __init__(self, bundle: Bundle, rule: Rule) -> None:
        self._bundle, self._rule = bundle, rule
        self.card, config = bundle.card, bundle.card.config
        self.step_samples = config.step_samples
        self.warmup_steps = config.warmup_steps
        step_s = self.step_samples / config.audio.sample_rate_hz
        self.detectors = [
            Detector(rule.apply(config.detector, phrase, own, step_s))
            for phrase, own in zip(self.card.phrases, self.card.thresholds, strict=True)
        ]
        self.reset()

    def fresh(self) -> BundleStream:
        """The same at the start of another stream."""
        return BundleStream(self._bundle, self._rule)

    def reset(self) -> None:
        self._steps = 0
        self._detector_states = [detector.zero_state() for detector in self.detectors]

    def latest_scores(self) -> list[float]:
        return [state.score for state in self._detector_states]

    def decide(self, probabilities: np.ndarray, gate: Gate | None, on_score: OnScore | None) -> list[Detection]:
        """What is detected in the next steps, by their probabilities [T, K]."""
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
