"""How well a model does on held-out examples, in the terms of `evaluate`: misses against false accepts per hour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from wakeword.clips import Example
from wakeword.config import Config
from wakeword.detector import smooth
from wakeword.errors import DataError
from wakeword.labels import first_step_after, targets
from wakeword.metrics import OperatingPoint, Trials, choose_threshold, det_curve, operating_point
from wakeword.model import WakeModel, weighted_loss

VALIDATION_BATCH = 16


@dataclass(frozen=True)
class Validation:
    """Per phrase: the threshold chosen for the wanted false-accept rate, and what happens there."""

    loss: float
    thresholds: list[float]
    points: list[OperatingPoint]

    @property
    def miss_rate(self) -> float:
        """Mean over the phrases."""
        return float(np.mean([point.miss_rate for point in self.points]))

    def summary(self) -> dict[str, Any]:
        """Plain numbers for a log line or a card."""
        return {
            "loss": round(self.loss, 5),
            "miss_rate": round(self.miss_rate, 5),
            "fa_per_hour": round(sum(point.fa_per_hour for point in self.points), 3),
            "hours": round(self.points[0].negative_hours, 3),
            "positives": sum(point.positives for point in self.points),
            "thresholds": [round(threshold, 6) for threshold in self.thresholds],
        }


def validate(model: WakeModel, examples: Sequence[Example], phrases: Sequence[str], config: Config) -> Validation:
    """Scores examples with a model in eval mode. Raises DataError if a phrase never occurs in them."""
    curves, losses = zip(*_scored(model, examples, phrases, config), strict=True)
    points = []
    for k, phrase in enumerate(phrases):
        trials = _trials([curve[:, k] for curve in curves], examples, phrase, config)
        threshold = choose_threshold(det_curve(trials, config.detector), config.train.target_fa_per_hour)
        points.append(operating_point(trials, config.detector, threshold))
    return Validation(float(np.mean(losses)), [point.threshold for point in points], points)


def _scored(
    model: WakeModel, examples: Sequence[Example], phrases: Sequence[str], config: Config
) -> Iterator[tuple[np.ndarray, float]]:
    """(probabilities [T, K], loss of its batch) of each example."""
    for start in range(0, len(examples), VALIDATION_BATCH):
        batch = examples[start : start + VALIDATION_BATCH]
        pcm = torch.from_numpy(np.stack([example.pcm for example in batch])).float() / 32768
        pairs = [targets(example.events, phrases, config) for example in batch]
        target, weight = (torch.from_numpy(np.stack(part)) for part in zip(*pairs, strict=True))
        with torch.inference_mode():
            logits, _ = model(pcm, model.empty_state(len(batch)))
            loss = weighted_loss(logits, target, weight, config.train.positive_weight).item()
        yield from ((curve, loss) for curve in torch.sigmoid(logits).numpy())


def _trials(curves: Sequence[np.ndarray], examples: Sequence[Example], phrase: str, config: Config) -> Trials:
    """Positives are the activates that end early enough to be heard; everything else of the curves is negative."""
    peaks, negatives, positive_steps = [], [], 0
    for curve, example in zip(curves, examples, strict=True):
        scores = smooth(curve, config.detector.smoothing_steps)
        others = scores.copy()
        for event in example.events:
            if event.kind != "activate" or event.label != phrase:
                continue
            first = first_step_after(event.end_sample, config)
            begin = max(0, first - config.labels.ignore_steps)
            heard = scores[begin : first + config.labels.label_steps]
            if first + config.detector.smoothing_steps < len(scores):
                peaks.append(heard.max())
            rest = slice(begin, first + config.labels.label_steps + config.detector.refractory_steps)
            positive_steps += len(others[rest])
            others[rest] = 0.0
        negatives.append(others)
    if not peaks:
        raise DataError(f"validation: got no example of {phrase!r}, expected at least one: give more takes or examples")
    steps = sum(len(scores) for scores in negatives) - positive_steps
    return Trials(np.array(peaks), negatives, steps * config.step_samples / config.audio.sample_rate_hz / 3600)
