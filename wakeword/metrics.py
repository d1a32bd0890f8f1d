"""The only definition of miss rate, false accepts per hour, DET curve, confidence bounds and threshold choice.

Scores here are what the detector compares with its threshold: probabilities after `wakeword.detector.smooth`. False
accepts are counted by `wakeword.detector.fire_steps`, so refractory time and re-arming count as they do in a listener.

>>> scores = np.zeros(1000)
>>> scores[[200, 600]] = 0.3, 0.01
>>> trials = Trials(positive_peaks=np.array([0.9, 0.95, 0.99]), negative_scores=[scores], negative_hours=1.0)
>>> detector = DetectorConfig(threshold=0.5, smoothing_steps=1, refractory_steps=50)
>>> det = det_curve(trials, detector)
>>> round(choose_threshold(det, target_fa_per_hour=0.5), 3)
0.663
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from wakeword.detector import fire_steps
from wakeword.errors import DataError
from wakeword.sections import DetectorConfig

CONFIDENCE = 0.95
LOWEST_THRESHOLD = 1e-6
HIGHEST_THRESHOLD = 1.0 - 1e-6
MAX_DEAF_SHARE = 0.01  # 36 s of an hour in which the detector waits to be re-armed and would hear nothing
GRID_STEP_LOGIT = 0.25  # 111 thresholds from lowest to highest
GRID_NEGATIVE_PEAKS = 100  # the loudest moments of the negatives, each of which gets its own threshold
GRID_POSITIVE_PEAKS = 250


@dataclass(frozen=True)
class Trials:
    """What a model answered.

    positive_peaks: [P], the highest smoothed score inside each positive's window, 0..1.
    negative_scores: smoothed score curves, each [T], of streams in which the word is never said.
    negative_hours: the audio behind those curves. Never more than was heard: leave out padding and warm-up.
    """

    positive_peaks: np.ndarray
    negative_scores: list[np.ndarray]
    negative_hours: float

    def __post_init__(self) -> None:
        if len(self.positive_peaks) == 0:
            raise DataError("trials: got no positives, expected at least one take of the word")
        if not self.negative_hours > 0:
            raise DataError(f"trials: got {self.negative_hours} h of negatives, expected more than 0")


@dataclass(frozen=True)
class Det:
    """A detection error trade-off: arrays [M] over ascending thresholds.

    `fa_count` need not fall with the threshold: a score that hovers around 0.1 fires once at threshold 0.01 (and never
    re-arms) but often at 0.1. `deaf_share` tells such silence from quiet: it is the part of the negatives during which
    the detector had fired and was not re-armed. Misses do not count it, so where it is large they mean nothing.
    """

    thresholds: np.ndarray
    miss_rate: np.ndarray
    fa_per_hour: np.ndarray
    fa_count: np.ndarray
    deaf_share: np.ndarray
    positives: int
    negative_hours: float

    @property
    def first_usable(self) -> int:
        """Index of the threshold from which on no higher one leaves the detector deaf; M if there is none."""
        deaf = np.flatnonzero(self.deaf_share > MAX_DEAF_SHARE)
        return int(deaf[-1]) + 1 if len(deaf) else 0


@dataclass(frozen=True)
class OperatingPoint:
    """What happens at one threshold, with what the number of trials allows to be said about it.

    miss_interval: Wilson's two-sided 95 % interval. fa_per_hour_upper: exact one-sided 95 % Poisson bound.
    """

    threshold: float
    misses: int
    positives: int
    miss_rate: float
    miss_interval: tuple[float, float]
    fa_count: int
    negative_hours: float
    fa_per_hour: float
    fa_per_hour_upper: float
    deaf_share: float


def det_curve(trials: Trials, config: DetectorConfig, thresholds: np.ndarray | None = None) -> Det:
    """Miss rate and false accepts at each threshold; by default at those of `threshold_grid`.

    A positive is missed if its peak stays below the threshold. `config.threshold` itself plays no part.
    """
    thresholds = threshold_grid(trials, config) if thresholds is None else np.unique(np.asarray(thresholds, np.float64))
    stream, steps = _joined(trials, config)
    counts, deaf = zip(*(_listen(stream, steps, config, threshold) for threshold in thresholds), strict=True)
    counts = np.array(counts, np.int64)
    peaks = np.sort(trials.positive_peaks)
    misses = np.searchsorted(peaks, thresholds, side="left")
    rate = counts / trials.negative_hours
    return Det(thresholds, misses / len(peaks), rate, counts, np.array(deaf), len(peaks), trials.negative_hours)


def operating_point(trials: Trials, config: DetectorConfig, threshold: float | None = None) -> OperatingPoint:
    """The figures at one threshold (default: the config's own)."""
    threshold = config.threshold if threshold is None else float(threshold)
    misses = int(np.count_nonzero(trials.positive_peaks < threshold))
    positives, hours = len(trials.positive_peaks), trials.negative_hours
    count, deaf = _listen(*_joined(trials, config), config, threshold)
    return OperatingPoint(
        threshold=threshold,
        misses=misses,
        positives=positives,
        miss_rate=misses / positives,
        miss_interval=wilson(misses, positives),
        fa_count=count,
        negative_hours=hours,
        fa_per_hour=count / hours,
        fa_per_hour_upper=poisson_upper(count, hours),
        deaf_share=deaf,
    )


def threshold_grid(trials: Trials, config: DetectorConfig) -> np.ndarray:
    """Ascending thresholds [M] at which the curve can change: evenly in logit, at positives, just above negatives.

    Even steps in logit resolve 0.0001 and 0.9999 as well as 0.5; the observed peaks make the steps of the curve exact
    where thresholds are chosen. All lie between LOWEST_THRESHOLD and HIGHEST_THRESHOLD.
    """
    even = _sigmoid(np.arange(_logit(LOWEST_THRESHOLD), _logit(HIGHEST_THRESHOLD), GRID_STEP_LOGIT))
    positives = np.unique(np.asarray(trials.positive_peaks, np.float64))
    if len(positives) > GRID_POSITIVE_PEAKS:
        positives = positives[np.linspace(0, len(positives) - 1, GRID_POSITIVE_PEAKS).astype(int)]
    negatives = np.nextafter(_negative_peaks(trials, config), 1.0)
    grid = np.concatenate([even, positives, negatives, [HIGHEST_THRESHOLD]])
    return np.unique(np.clip(grid, LOWEST_THRESHOLD, HIGHEST_THRESHOLD))


def choose_threshold(det: Det, target_fa_per_hour: float) -> float:
    """The threshold that misses fewest words at the wanted false accepts per hour, with room on both sides.

    1. The edge: the lowest threshold from which on every higher one keeps to the target, and to MAX_DEAF_SHARE. (Not
       the lowest that keeps to it: far down, a detector fires once, never re-arms, and looks quiet.)
    2. From the edge up to the next positive's score no further word is lost. The answer is the middle of that stretch,
       in logit: a model that separates perfectly gets the middle of the gap, not the rim of the negatives.

    If no threshold keeps to the target the answer is the highest one; its `operating_point` tells the rate it has.
    Raises DataError for a target that is not a positive number.
    """
    if not (target_fa_per_hour > 0 and math.isfinite(target_fa_per_hour)):
        raise DataError(f"target_fa_per_hour: got {target_fa_per_hour}, expected a positive number")
    edge = _edge(det, target_fa_per_hour)
    if edge == len(det.thresholds):
        return float(det.thresholds[-1])
    last = np.searchsorted(det.miss_rate, det.miss_rate[edge], side="right") - 1
    low, high = _logit(det.thresholds[[edge, last]])
    return float(_sigmoid((low + high) / 2))


def edge_threshold(det: Det, fa_per_hour: float) -> float | None:
    """The lowest threshold from which on every one keeps to the rate (see `choose_threshold`); None if none does."""
    edge = _edge(det, fa_per_hour)
    return None if edge == len(det.thresholds) else float(det.thresholds[edge])


def miss_rate_at(det: Det, fa_per_hour: float) -> float:
    """The miss rate at the edge of a false-accept rate (see `choose_threshold`); 1 if no threshold keeps to it."""
    edge = _edge(det, fa_per_hour)
    return 1.0 if edge == len(det.thresholds) else float(det.miss_rate[edge])


def _edge(det: Det, fa_per_hour: float) -> int:
    """Index of the lowest usable threshold from which on every one keeps to the rate; their number if none does."""
    too_many = np.flatnonzero(det.fa_per_hour > fa_per_hour)
    return max(det.first_usable, int(too_many[-1]) + 1 if len(too_many) else 0)


def poisson_upper(count: int, hours: float, confidence: float = CONFIDENCE) -> float:
    """Upper bound of a rate per hour after `count` events in `hours`: exact, one-sided (Garwood 1936).

    Half the chi-square quantile with 2 * (count + 1) degrees of freedom. No events in 1 h still allow 2.996 per hour.
    """
    from scipy.special import gammaincinv

    return float(gammaincinv(count + 1, confidence)) / hours


def poisson_lower(count: int, hours: float, confidence: float = CONFIDENCE) -> float:
    """The matching one-sided lower bound; 0 without events."""
    from scipy.special import gammaincinv

    return float(gammaincinv(count, 1.0 - confidence)) / hours if count else 0.0


def hours_needed(rate_per_hour: float, confidence: float = CONFIDENCE) -> float:
    """Hours without a single event that it takes to show a rate below `rate_per_hour`: 3.0 / rate at 95 %."""
    return -math.log(1.0 - confidence) / rate_per_hour


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Two-sided interval of a proportion (Wilson 1927): sensible also at 0 of n and n of n, unlike the textbook +-z."""
    from scipy.special import ndtri

    z2 = float(ndtri((1.0 + confidence) / 2)) ** 2
    share = successes / trials
    centre = share + z2 / (2 * trials)
    spread = math.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2)))
    low, high = ((centre + sign * spread) / (1 + z2 / trials) for sign in (-1, 1))
    return (0.0 if successes == 0 else low), (1.0 if successes == trials else high)


def _joined(trials: Trials, config: DetectorConfig) -> tuple[np.ndarray, int]:
    """The negatives as one stream, and how many steps of it they are: between them the detector rests and re-arms.

    One long stream is listened to in a sixth of the time that thousands of short ones take.
    """
    pause = np.zeros(config.refractory_steps + 1)
    parts = [part for scores in trials.negative_scores for part in (np.asarray(scores, np.float64), pause)]
    return np.concatenate(parts[:-1] or [pause]), sum(map(len, trials.negative_scores))


def _listen(stream: np.ndarray, steps: int, config: DetectorConfig, threshold: float) -> tuple[int, float]:
    """(false accepts, share of the negatives' steps between a false accept and the re-arming after it)."""
    fired, deaf_steps = fire_steps(stream, config, threshold), 0
    if len(fired) and config.rearm_ratio is not None:
        low = np.append(np.flatnonzero(stream < threshold * config.rearm_ratio), len(stream))
        deaf_steps = int((low[np.searchsorted(low, fired)] - fired).sum())
    return len(fired), deaf_steps / max(1, steps)


def _negative_peaks(trials: Trials, config: DetectorConfig) -> np.ndarray:
    """The highest scores of the negatives, one for each stretch as long as the refractory time."""
    stretch = config.refractory_steps + 1
    peaks = [np.zeros(0)]
    for scores in trials.negative_scores:
        padded = np.pad(np.asarray(scores, np.float64), (0, -len(scores) % stretch))
        peaks.append(padded.reshape(-1, stretch).max(axis=1))
    return np.unique(np.concatenate(peaks))[-GRID_NEGATIVE_PEAKS:]


def _logit(probability: np.ndarray | float) -> np.ndarray:
    return np.log(probability) - np.log1p(-np.asarray(probability))


def _sigmoid(logit: np.ndarray | float) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.asarray(logit)))
