"""How well a wake word does on recordings it has never heard: its score curves, turned into an `Evaluation`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wakeword.detector import smooth
from wakeword.errors import AudioError, DataError
from wakeword.evaluation import Condition, Evaluation, NegativeScore, PositiveScore
from wakeword.metrics import Trials, choose_threshold, det_curve, operating_point
from wakeword.sections import DetectorConfig
from wakeword.stream import WakeWord
from wakeword.trials import (
    HIT_TAIL_S,
    NegativeStream,
    Noise,
    Progress,
    Skipped,
    lay_take,
    negative_blocks,
    recordings,
    score_stream,
    skipped,
)

LISTED_NEGATIVES = 20
OTHER_SNRS_DB = (20.0, 10.0, 5.0, 0.0, -5.0)
LEVELS_DBFS = (-20.0, -30.0, -40.0, -50.0)
DISTANCES_M = (1.0, 2.0, 4.0)
OTHER_TARGETS_PER_HOUR = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
MOST_SNR_DB = 200.0  # either way; what is further apart nobody hears
Responses = Callable[[float, int, int], np.ndarray]


def evaluate(
    ww: WakeWord,
    positives: str | Path,
    negatives: str | Path | Sequence[str | Path],
    noise: str | Path | None = None,
    snr_db: float | None = None,
    target_fa_per_hour: float = 0.5,
    phrase: str | None = None,
    noisy_negatives: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
    response: Responses | None = None,
) -> Evaluation:
    """Streams takes of the word, and recordings without it, through `ww`, and measures one phrase (default: the first).

    positives, negatives, noise: folders, searched to any depth. With `noise`, each take is heard in an excerpt of it,
    `snr_db` (active speech level over the noise's RMS) below; with `noisy_negatives` the negatives are too. The same
    seed draws the same excerpts. `progress(what, done, total)` is called after each file. `response(distance_m, number,
    sample_rate_hz)` gives what a room makes of an impulse so far away, float32 [M] with the takes' own level at 1 m;
    with it misses are broken down by distance, too (DISTANCES_M).

    A file that cannot be used is skipped and listed. Raises DataError if nothing is left of a folder, if a file is both
    positive and negative, if the phrase is unknown, if `noise` and `snr_db` do not come together, or if
    `noisy_negatives` comes without them.
    """
    _refuse_options(target_fa_per_hour, noise, snr_db, noisy_negatives)
    takes, others = _find(positives, negatives)
    source = Noise(noise, ww.sample_rate_hz, seed) if noise is not None else None

    ear = Ear(ww, column_of(ww, phrase), source, snr_db, seed, progress, response=response)
    hearings, unusable = ear.hear_takes(takes)
    curve, stream = ear.hear_negatives(others, noisy_negatives)
    hours = stream.heard_samples / ww.sample_rate_hz / 3600.0
    figures = _figures(hearings, curve, hours, ear.config, target_fa_per_hour)
    thresholds = figures["own"].threshold, figures["chosen"].threshold
    return Evaluation(
        **figures,
        conditions=(*_by_group(hearings, Path(positives), thresholds), *_elsewhere(ear, hearings, thresholds)),
        phrase=ww.phrases[ear.column],
        target_fa_per_hour=target_fa_per_hour,
        negatives=_loudest(curve, ear.config, stream, ww),
        negative_files=len(others),
        snr_db=snr_db,
        noisy_negatives=noisy_negatives,
        skipped=(*unusable, *stream.skipped, *(source.skipped if source else ())),
    )


@dataclass(frozen=True)
class _Hearing:
    """A take's smoothed scores [T] inside its window, and when each was given, in seconds after its last sound."""

    path: str
    scores: np.ndarray
    since_end_s: np.ndarray

    @property
    def peak(self) -> float:
        return float(self.scores.max(initial=0.0))

    def latency_s(self, threshold: float) -> float | None:
        hits = np.flatnonzero(self.scores >= threshold)
        return float(self.since_end_s[hits[0]]) if len(hits) else None


@dataclass(frozen=True)
class Ear:
    """One phrase of a WakeWord, and the surroundings in which it is to hear: quiet, unless told otherwise."""

    ww: WakeWord
    column: int
    noise: Noise | None = None
    snr_db: float | None = None
    seed: int = 0
    progress: Progress | None = None
    level_dbfs: float | None = None
    distance_m: float | None = None
    response: Responses | None = None

    @property
    def config(self) -> DetectorConfig:
        return self.ww.detector_configs[self.column]

    def scores(self, blocks: Iterable[np.ndarray]) -> np.ndarray:
        return smooth(
            score_stream(self.ww, blocks, self.column), self.config.smoothing_steps, self.config.patience_steps
        )

    def hear_takes(self, paths: list[Path]) -> tuple[list[_Hearing], list[Skipped]]:
        hearings, unusable = [], []
        for number, path in enumerate(paths):
            try:
                hearings.append(self._hear(path, number))
            except AudioError as error:
                unusable.append(skipped(path, error))
            if self.progress:
                self.progress("positives", number + 1, len(paths))
        if not hearings:
            raise DataError(f"positives: none of {len(paths)} files could be used; {_first(unusable)}")
        return hearings, unusable

    def hear_negatives(self, paths: list[Path], noisy: bool) -> tuple[np.ndarray, NegativeStream]:
        """The smoothed scores [T] of all files in one stream, and what that stream turned out to be."""
        stream = NegativeStream()
        noise = self.noise if noisy else None
        blocks = negative_blocks(paths, self.ww.sample_rate_hz, stream, noise, self.snr_db, self.progress)
        curve = self.scores(blocks)
        if not stream.heard_samples:
            raise DataError(f"negatives: none of {len(paths)} files could be used; {_first(stream.skipped)}")
        return curve, stream

    def _hear(self, path: Path, number: int) -> _Hearing:
        rate, step = self.ww.sample_rate_hz, self.ww.step_samples
        response = self.response(self.distance_m, number, rate) if self.distance_m else None
        take = lay_take(path, number, rate, self.noise, self.snr_db, self.seed, self.level_dbfs, response)
        scores = self.scores([take.pcm])
        ends = np.arange(1, len(scores) + 1) * step
        inside = (ends > take.start_sample) & (ends <= take.stop_sample + HIT_TAIL_S * rate)
        return _Hearing(take.path, scores[inside], (ends[inside] - take.speech_end_sample) / rate)


def _figures(
    hearings: list[_Hearing], curve: np.ndarray, hours: float, config: DetectorConfig, target_fa_per_hour: float
) -> dict[str, Any]:
    """The fields of an Evaluation that follow from scores."""
    trials = Trials(np.array([hearing.peak for hearing in hearings]), [curve], hours)
    det = det_curve(trials, config)
    chosen = choose_threshold(det, target_fa_per_hour)
    scores = [
        PositiveScore(hearing.path, hearing.peak, hearing.latency_s(config.threshold), hearing.latency_s(chosen))
        for hearing in hearings
    ]
    return {
        "own": operating_point(trials, config),
        "chosen": operating_point(trials, config, chosen),
        "other_targets": {
            target: operating_point(trials, config, choose_threshold(det, target)) for target in OTHER_TARGETS_PER_HOUR
        },
        "det": det,
        "positives": tuple(sorted(scores, key=lambda take: take.score)),
    }


def _by_group(hearings: list[_Hearing], folder: Path, thresholds: tuple[float, float]) -> Iterator[Condition]:
    """The misses of each first sub-folder; nothing where there is only one, or one a take."""
    groups = defaultdict(list)
    for hearing in hearings:
        groups[Path(hearing.path).relative_to(folder).parts[0]].append(hearing)
    if 1 < len(groups) < len(hearings):
        for name, members in groups.items():
            yield _condition("group", name, members, thresholds)


def _elsewhere(ear: Ear, hearings: list[_Hearing], thresholds: tuple[float, float]) -> Iterator[Condition]:
    """The misses of all takes at other SNRs, where there is noise, at other levels and distances."""
    paths = [Path(hearing.path) for hearing in hearings]
    wanted = [("snr_db", value) for value in OTHER_SNRS_DB if ear.noise]
    wanted += [("level_dbfs", value) for value in LEVELS_DBFS]
    wanted += [("distance_m", value) for value in DISTANCES_M if ear.response]
    for number, (kind, value) in enumerate(wanted, 1):
        heard, _ = replace(ear, progress=None, **{kind: value}).hear_takes(paths)
        yield _condition(kind, value, heard, thresholds)
        if ear.progress:
            ear.progress("conditions", number, len(wanted))


def _condition(kind: str, value: str | float, hearings: list[_Hearing], thresholds: tuple[float, float]) -> Condition:
    own, chosen = (sum(hearing.peak < threshold for hearing in hearings) for threshold in thresholds)
    return Condition(kind, value, len(hearings), own, chosen)


def _loudest(
    curve: np.ndarray, config: DetectorConfig, stream: NegativeStream, ww: WakeWord
) -> tuple[NegativeScore, ...]:
    """The highest moments of the curve, no two within one refractory time, the highest first."""
    left, moments = curve.copy(), []
    starts = [segment.start_sample for segment in stream.segments]
    for _ in range(LISTED_NEGATIVES):
        step = int(left.argmax())
        if left[step] <= 0:
            break
        at = (step + 1) * ww.step_samples
        segment = stream.segments[max(int(np.searchsorted(starts, at, side="left")) - 1, 0)]
        time_s = round((at - segment.start_sample) / ww.sample_rate_hz, 3)
        moments.append(NegativeScore(segment.path, time_s, float(left[step])))
        left[max(step - config.refractory_steps, 0) : step + config.refractory_steps + 1] = 0.0
    return tuple(moments)


def column_of(ww: WakeWord, phrase: str | None) -> int:
    """Which column of `scores` a phrase is; the first for None. Raises DataError for one that is not listened for."""
    if phrase is None:
        return 0
    if phrase not in ww.phrases:
        raise DataError(f"phrase: got {phrase!r}, expected one of {ww.phrases}")
    return ww.phrases.index(phrase)


def _refuse_options(
    target_fa_per_hour: float, noise: str | Path | None, snr_db: float | None, noisy_negatives: bool
) -> None:
    if not 0 < target_fa_per_hour < float("inf"):
        raise DataError(f"target_fa_per_hour: got {target_fa_per_hour}, expected a positive number")
    if (noise is None) != (snr_db is None):
        raise DataError(f"noise and snr_db: got {noise} and {snr_db}, expected both or neither")
    if snr_db is not None and not abs(snr_db) <= MOST_SNR_DB:
        raise DataError(f"snr_db: got {snr_db}, expected -{MOST_SNR_DB:g} to {MOST_SNR_DB:g}")
    if noisy_negatives and noise is None:
        raise DataError("noisy_negatives: got it without noise, expected a folder of noise to hear them in")


def all_recordings(folders: str | Path | Sequence[str | Path]) -> list[Path]:
    """The recordings below one folder or several, each once. Raises what `recordings` does."""
    several = [folders] if isinstance(folders, (str, Path)) else folders
    return sorted({path for folder in several for path in recordings(folder)})


def _find(positives: str | Path, negatives: str | Path | Sequence[str | Path]) -> tuple[list[Path], list[Path]]:
    takes, others = recordings(positives), all_recordings(negatives)
    shared = {path.resolve() for path in takes} & {path.resolve() for path in others}
    if shared:
        raise DataError(f"{min(shared)}: got the same file as positive and as negative ({len(shared)} such files)")
    return takes, others


def _first(unusable: Sequence[Skipped]) -> str:
    return f"the first, {unusable[0].path}: {unusable[0].reason}"
