"""A bundle for a phrase in a moment: its paths through the backbone's phones, and members that learn briefly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wakeword.backbone import Backbone
from wakeword.brief import briefly_trained
from wakeword.bundle import Bundle, Card, check_replaceable, write_bundle
from wakeword.clips import Example
from wakeword.config import Config, SystemConfig, override
from wakeword.errors import DataError
from wakeword.export import export
from wakeword.path import Paths
from wakeword.phones import PHONES

HIGHEST_THRESHOLD = 0.999  # of a phrase so short that ordinary speech holds it
SMOOTHING_STEPS = 1  # a path's score is the mean of its phones already
LEAST, MOST = 1e-3, 0.999  # scores between which log-odds are taken
RIDGE = 0.01  # on as many phrases as traits or more


def enroll(
    phrases: Sequence[str],
    pronunciations: Sequence[Sequence[Sequence[int]]],
    phrase_s: Sequence[float],
    backbone: Backbone,
    config: Config,
    out: str | Path,
    target_fa_per_hour: float = 0.5,
    examples: Iterable[Example] | None = None,
) -> Bundle:
    """Writes a bundle that listens for phrases by their pronunciations, each a list of `wakeword.phones` numbers.

    `phrase_s` is how long each usually takes. From `examples` members learn beside the paths (see `wakeword.brief`);
    without them, paths alone listen. No speech is at hand to measure a threshold on: it is what phrases of such phones
    needed on the speech that the backbone was measured with (see `measured_thresholds`, `brief_threshold`). Raises
    DataError for a phrase of under three sounds or a rate outside of what was measured, BundleError if another model is
    in `out`, ConfigError for a configuration of another network.
    """
    check_replaceable(out, phrases)
    paths = Paths.of(pronunciations)
    alone = [path_threshold(backbone, said, target_fa_per_hour) for said in pronunciations]
    told = {
        "target_fa_per_hour": target_fa_per_hour,
        "batches": 0 if examples is None else config.train.max_steps,
    }
    if examples is None:
        listening = override(config, detector={"smoothing_steps": SMOOTHING_STEPS})
        model, hearing, thresholds = backbone.model(config), backbone.hearing, alone
    else:
        model = briefly_trained(backbone, config, phrases, paths, examples)
        listening, hearing, thresholds = config, {}, [brief_threshold(backbone, one) for one in alone]
    card = Card(
        phrases=list(phrases),
        thresholds=thresholds,
        phrase_s=[round(seconds, 3) for seconds in phrase_s],
        paths=[[list(said) for said in variants] for variants in pronunciations],
        config=SystemConfig.model_validate(listening.model_dump(include=set(SystemConfig.model_fields))),
        provenance={"enrolled": told, "backbone": backbone.facts["provenance"]},
    )
    return write_bundle(out, card, *export(model, card, hearing, half=True))


def measured_thresholds(
    peaks: np.ndarray, hours: float, pronunciations: Sequence[Sequence[Sequence[int]]], fa_per_hour: Sequence[float]
) -> dict[str, Any]:
    """What `path_threshold` knows: how phrases' thresholds depend on their phones, from phrases that nobody said.

    peaks float [N, K]: of each phrase the highest scores of N or more seconds of speech, the loudest first; hours: how
    much speech that was; pronunciations: of each phrase, the more phrases the better. A second counts as one false
    accept at most. The log-odds of the thresholds at each rate are fitted by the phrases' `_traits` (ridge regression).
    """
    traits = np.array([_traits(said) for said in pronunciations])
    ranks = [round(rate * hours) for rate in fa_per_hour]
    squares = traits.T @ traits + RIDGE * np.eye(traits.shape[1])
    weights = np.linalg.solve(squares, traits.T @ _odds(peaks[ranks]).T)
    facts = {"fa_per_hour": list(fa_per_hour), "hours": round(hours, 3), "phrases": len(pronunciations)}
    return {**facts, "weights": weights.round(3).tolist()}


def path_threshold(backbone: Backbone, said: Sequence[Sequence[int]], target_fa_per_hour: float) -> float:
    """The threshold of a phrase of these pronunciations, between the measured rates along their logarithm."""
    measured = backbone.facts["path_thresholds"]
    rates = measured["fa_per_hour"]
    if not rates[0] <= target_fa_per_hour <= rates[-1]:
        raise DataError(
            f"target_fa_per_hour: got {target_fa_per_hour:g}, expected {rates[0]:g} to {rates[-1]:g}, which were "
            "measured; for others: wakeword calibrate"
        )
    odds = float(np.interp(np.log(target_fa_per_hour), np.log(rates), _traits(said) @ np.array(measured["weights"])))
    return _threshold(odds)


def brief_threshold(backbone: Backbone, alone: float) -> float:
    """That of members which learned briefly, beside a path whose own is `alone`: a line through their log-odds."""
    return _threshold(float(np.polyval(backbone.facts["brief_thresholds"]["line"], _odds(alone))))


def measured_brief_thresholds(alone: np.ndarray, measured: np.ndarray) -> dict[str, Any]:
    """What `brief_threshold` knows, from phrases that nobody said: thresholds, float [N] each, at several rates."""
    odds, others = _odds(measured), _odds(alone)
    line = np.polyfit(others, odds, 1)
    spread = float(np.std(odds - np.polyval(line, others)))
    return {"thresholds": len(odds), "spread": round(spread, 3), "line": line.round(3).tolist()}


def _odds(scores: np.ndarray | float) -> np.ndarray:
    """Their logarithm, of scores between LEAST and MOST."""
    scores = np.clip(scores, LEAST, MOST)
    return np.log(scores / (1.0 - scores))


def _threshold(odds: float) -> float:
    return min(1.0 / (1.0 + float(np.exp(-odds))), HIGHEST_THRESHOLD)


def _traits(said: Sequence[Sequence[int]]) -> np.ndarray:
    """What of a phrase's pronunciations tells its threshold: float [S + 3].

    Each phone's mean share of them, since some are heard in anything, 1 / the phones of the shortest, the logarithm of
    how many pronunciations there are, of which the likeliest counts, and 1.
    """
    shares = np.mean([np.bincount(one, minlength=len(PHONES)) / len(one) for one in said], axis=0)
    return np.array([*shares, 1.0 / min(map(len, said)), np.log(len(said)), 1.0])
