"""A bundle for a phrase in a moment: the backbone as it is, and the phrase's paths through its phones. No training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wakeword.backbone import Backbone
from wakeword.bundle import Bundle, Card, check_replaceable, write_bundle
from wakeword.config import Config, SystemConfig, override
from wakeword.errors import DataError
from wakeword.export import export
from wakeword.path import Paths, path_scores

HIGHEST_THRESHOLD = 0.999  # of a phrase so short that ordinary speech holds it
SMOOTHING_STEPS = 1  # a path's score is the mean of its phones already


def enroll(
    phrases: Sequence[str],
    pronunciations: Sequence[Sequence[Sequence[int]]],
    phrase_s: Sequence[float],
    backbone: Backbone,
    config: Config,
    out: str | Path,
    target_fa_per_hour: float = 0.5,
) -> Bundle:
    """Writes a bundle that listens for phrases by their pronunciations, each a list of `wakeword.phones` numbers.

    `phrase_s` is how long each usually takes. The threshold is not this phrase's own: it is what phrases of as many
    phones as its shortest pronunciation, which lets most through, needed on the speech that the backbone was measured
    with. Raises DataError for a phrase of under three sounds or a rate outside of what was measured, BundleError if
    another model is in `out`, ConfigError for a configuration of another network.
    """
    check_replaceable(out, phrases)
    paths = Paths.of(pronunciations)
    counts = [int(paths.counts[paths.phrase == k].min()) for k in range(len(phrases))]
    listening = override(config, detector={"smoothing_steps": SMOOTHING_STEPS})
    card = Card(
        phrases=list(phrases),
        thresholds=[path_threshold(backbone, phones, target_fa_per_hour) for phones in counts],
        phrase_s=[round(seconds, 3) for seconds in phrase_s],
        paths=[[list(said) for said in variants] for variants in pronunciations],
        config=SystemConfig.model_validate(listening.model_dump(include=set(SystemConfig.model_fields))),
        provenance={"enrolled": {"target_fa_per_hour": target_fa_per_hour}, "backbone": backbone.facts["provenance"]},
    )
    return write_bundle(out, card, *export(backbone.model(config), card, backbone.hearing, half=True))


def measured_thresholds(
    posteriors: Sequence[np.ndarray],
    hearing: Mapping[str, np.ndarray],
    phrases: Sequence[Sequence[int]],
    step_s: float,
    fa_per_hour: Sequence[float],
) -> dict[str, Any]:
    """What thresholds phrases need on speech that holds none of them, by their number of phones: what `enroll` uses.

    posteriors: of each recording the backbone's [T, S]; hearing: the backbone's; phrases: lists of phones, of each
    number the more the better; step_s: length of a step. A second counts as one false accept at most. The rates are
    means over the phrases.
    """
    paths, per_second = Paths.of([[said] for said in phrases]), round(1.0 / step_s)
    loudest = []
    for recording in posteriors:
        scores = path_scores(recording, paths, hearing)
        scores = np.pad(scores, ((0, -len(scores) % per_second), (0, 0)))
        loudest.append(scores.reshape(-1, per_second, len(phrases)).max(axis=1))
    seconds = np.concatenate(loudest)  # [seconds, K]
    hours = sum(map(len, posteriors)) * step_s / 3600.0
    table = {}
    for count in sorted(set(paths.counts.tolist())):
        peaks = np.sort(seconds[:, paths.counts == count], axis=None)[::-1]
        allowed = [round(rate * hours * np.count_nonzero(paths.counts == count)) for rate in fa_per_hour]
        table[str(count)] = [round(float(peaks[number]), 5) for number in allowed]
    return {"fa_per_hour": list(fa_per_hour), "hours": round(hours, 3), "phrases": len(phrases), "by_phones": table}


def path_threshold(backbone: Backbone, phones: int, target_fa_per_hour: float) -> float:
    """The threshold of phrases with so many phones, between the measured rates along their logarithm."""
    measured = backbone.facts["path_thresholds"]
    rates = measured["fa_per_hour"]
    if not rates[0] <= target_fa_per_hour <= rates[-1]:
        raise DataError(
            f"target_fa_per_hour: got {target_fa_per_hour:g}, expected {rates[0]:g} to {rates[-1]:g}, which were "
            "measured; for others: wakeword calibrate"
        )
    table = {int(count): values for count, values in measured["by_phones"].items()}
    nearest = min(table, key=lambda count: abs(count - phones))
    return min(float(np.interp(np.log(target_fa_per_hour), np.log(rates), table[nearest])), HIGHEST_THRESHOLD)
