"""How well a model does on held-out examples, in the terms of `evaluate`: misses against false accepts per hour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import numpy as np
import torch

from wakeword.audio import FULL_SCALE
from wakeword.clips import ANY_PHRASE, Event, Example
from wakeword.config import Config, override
from wakeword.detector import smooth
from wakeword.errors import DataError
from wakeword.labels import first_step_after, targets
from wakeword.metrics import OperatingPoint, Trials, choose_threshold, det_curve, miss_rate_at, operating_point
from wakeword.model import WakeModel, weighted_loss
from wakeword.sections import DetectorConfig

VALIDATION_BATCH = 16
RANKING_FA_PER_HOUR = (1.0, 4.0, 16.0, 64.0)  # one rate alone would hang on a handful of events


@dataclass(frozen=True)
class Validation:
    """Per phrase: the threshold chosen for the wanted false-accept rate, and what happens there.

    `ranking` is what checkpoints are compared by: the mean miss rate over RANKING_FA_PER_HOUR and the phrases.
    `detector` is the rule by which all of it was counted, but for its threshold.
    """

    loss: float
    ranking: float
    thresholds: list[float]
    points: list[OperatingPoint]
    detector: DetectorConfig

    @property
    def miss_rate(self) -> float:
        """Mean over the phrases."""
        return float(np.mean([point.miss_rate for point in self.points]))

    def summary(self) -> dict[str, Any]:
        """Plain numbers for a log line or a card."""
        return {
            "loss": round(self.loss, 5),
            "ranking": round(self.ranking, 5),
            "miss_rate": round(self.miss_rate, 5),
            "fa_per_hour": round(sum(point.fa_per_hour for point in self.points), 3),
            "hours": round(self.points[0].negative_hours, 3),
            "positives": sum(point.positives for point in self.points),
            "thresholds": [round(threshold, 6) for threshold in self.thresholds],
            "smoothing_steps": self.detector.smoothing_steps,
            "patience_steps": self.detector.patience_steps,
        }


@dataclass(frozen=True)
class _Scored:
    """What is kept of an example: its curve [T, K], where its events are, and the loss of its batch."""

    probabilities: np.ndarray
    events: tuple[Event, ...]
    loss: float


def validate(
    model: WakeModel, examples: Iterable[Example], phrases: Sequence[str], config: Config, choosing: bool = False
) -> Validation:
    """Scores examples with a model in eval mode. Raises DataError if a phrase never occurs in them.

    choosing: smoothing and patience, too, are chosen (see `rules`). Another than the configuration's is taken only if
    its ranking is better by more than the standard error of a miss rate: less than that is luck, and ties keep it.
    """
    scored = list(_scored(model, iter(examples), phrases, config))
    own = _judged(scored, phrases, config)
    return _calibrated(own, scored, phrases, config) if choosing else own


def _calibrated(own: Validation, scored: Sequence[_Scored], phrases: Sequence[str], config: Config) -> Validation:
    """The best of what the configuration's own rule and the others give."""
    positives = sum(point.positives for point in own.points)
    luck = (own.ranking * (1.0 - own.ranking) / positives) ** 0.5
    others = (_judged(scored, phrases, override(config, detector=rule)) for rule in rules(config))
    return min((own, *(one for one in others if one.ranking < own.ranking - luck)), key=lambda one: one.ranking)


def rules(config: Config) -> list[dict[str, int]]:
    """The other smoothing and patience that a model may be calibrated with, those first that answer soonest.

    Combinations of `train.smoothing_choices` and `train.patience_choices`; the detector's own are left out, and what
    would still be hearing the word when its label ends.
    """
    own = config.detector
    pairs = product(
        {own.smoothing_steps, *config.train.smoothing_choices}, {own.patience_steps, *config.train.patience_choices}
    )
    pairs = sorted(set(pairs) - {(own.smoothing_steps, own.patience_steps)}, key=lambda pair: (sum(pair), pair))
    return [
        {"smoothing_steps": smoothing, "patience_steps": patience}
        for smoothing, patience in pairs
        if smoothing + patience - 1 <= config.labels.label_steps
    ]


def _judged(scored: Sequence[_Scored], phrases: Sequence[str], config: Config) -> Validation:
    """What the curves give by the configuration's rule."""
    points, rankings = [], []
    for k, phrase in enumerate(phrases):
        trials = _trials(scored, k, phrase, config)
        det = det_curve(trials, config.detector)
        threshold = choose_threshold(det, config.train.target_fa_per_hour)
        points.append(operating_point(trials, config.detector, threshold))
        rankings.append(np.mean([miss_rate_at(det, rate) for rate in RANKING_FA_PER_HOUR]))
    loss, ranking = float(np.mean([one.loss for one in scored])), float(np.mean(rankings))
    return Validation(loss, ranking, [point.threshold for point in points], points, config.detector)


def _scored(model: WakeModel, examples: Iterator[Example], phrases: Sequence[str], config: Config) -> Iterator[_Scored]:
    while batch := list(islice(examples, VALIDATION_BATCH)):
        pcm = torch.from_numpy(np.stack([example.pcm for example in batch])).float() / FULL_SCALE
        pairs = [targets(example.events, phrases, config) for example in batch]
        target, weight = (torch.from_numpy(np.stack(part)) for part in zip(*pairs, strict=True))
        with torch.inference_mode():
            logits, _ = model(pcm.to(model.head.weight.device), model.empty_state(len(batch)))
            logits = logits.cpu()
            loss = weighted_loss(logits, target, weight, config.train.positive_weight).item()
        curves = torch.sigmoid(logits).numpy()
        yield from (_Scored(curve, example.events, loss) for curve, example in zip(curves, batch, strict=True))


def _trials(scored: Sequence[_Scored], column: int, phrase: str, config: Config) -> Trials:
    """Positives are the activates that end early enough to be heard; what is neither they nor pieces is negative.

    As in `evaluate`, a hit may come at any time from an activate's start on. Pieces of the phrase and near misses are
    in examples far more often than in life, so they would spoil a rate per hour: they count neither way. Hours are
    those of others' speech and not of the pauses between, which would make a model look calmer than it is; only where
    nobody else speaks they are those of everything.
    """
    peaks, negatives, steps, spoken_steps = [], [], 0, 0
    for one in scored:
        scores = smooth(one.probabilities[:, column], config.detector.smoothing_steps, config.detector.patience_steps)
        others, spoken = scores.copy(), np.zeros(len(scores), bool)
        for event in one.events:
            begin, first = (first_step_after(sample, config) for sample in (event.start_sample, event.end_sample))
            if event.label not in (phrase, ANY_PHRASE):
                spoken[begin:first] = True
                continue
            if event.kind == "activate" and first + config.detector.smoothing_steps < len(scores):
                peaks.append(scores[begin : first + config.labels.label_steps].max())
            others[begin : first + config.labels.label_steps + config.detector.refractory_steps] = np.nan
        steps += np.count_nonzero(~np.isnan(others))
        spoken_steps += np.count_nonzero(spoken & ~np.isnan(others))
        negatives.append(np.nan_to_num(others, nan=0.0))
    if not peaks:
        raise DataError(f"validation: got no example of {phrase!r}, expected at least one: give more takes or examples")
    hours = (spoken_steps or steps) * config.step_samples / config.audio.sample_rate_hz / 3600
    return Trials(np.array(peaks), negatives, hours)
