"""WakeWord: a stream of samples in, detections out. What a device runs; it loads onnxruntime and little else."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from wakeword.audio import to_float
from wakeword.bundle import Bundle, read_bundle
from wakeword.bundle_stream import BundleStream, OnScore
from wakeword.capture import Capture, Recorder
from wakeword.detector import Detection, Rule
from wakeword.ear import Ear, Sessions
from wakeword.errors import BundleError
from wakeword.gate import Gate, LevelRater, Rater, VadRater
from wakeword.sections import DetectorConfig


def load(
    bundles: str | Path | Sequence[str | Path],
    threshold: float | Mapping[str, float] | None = None,
    *,
    smoothing_steps: int | None = None,
    patience_steps: int | None = None,
    refractory_s: float | None = None,
    rearm_ratio: float | None = None,
    min_level_dbfs: float | None = None,
    vad_threshold: float | None = None,
) -> WakeWord:
    """Opens one bundle folder, or several that listen side by side.

    Args:
        threshold: one for every phrase, or some by phrase, instead of the bundles' own.
        smoothing_steps, patience_steps, refractory_s, rearm_ratio: instead of the bundles' own (see `detector`).
        min_level_dbfs: nothing fires where nothing of this level was heard within the last second.
        vad_threshold: nor where Silero took nothing for speech (0..1; needs the extra `vad`).

    Raises BundleError for a folder that is no bundle, if several bundles differ in sample rate, and for a rule that
    makes no sense; AudioError for a gate that makes none.
    """
    paths = [bundles] if isinstance(bundles, (str, Path)) else list(bundles)
    rule = Rule(threshold, smoothing_steps, patience_steps, refractory_s, rearm_ratio)
    return WakeWord([read_bundle(path) for path in paths], rule, min_level_dbfs, vad_threshold)


class WakeWord:
    """One or more bundles on one stream. Not thread-safe; make one per stream.

    `feed` takes any number of samples, keeps less than one step back, and never looks at a clock. `on_score`, if set,
    is called at each step of each phrase with (phrase, end of the step in seconds, score, whether it fired).
    """

    def __init__(
        self,
        bundles: Sequence[Bundle],
        rule: Rule | float | None = None,
        min_level_dbfs: float | None = None,
        vad_threshold: float | None = None,
    ) -> None:
        if not bundles:
            raise BundleError("load: got no bundle, expected at least one folder")
        rates = {bundle.card.config.audio.sample_rate_hz for bundle in bundles}
        if len(rates) > 1:
            raise BundleError(f"load: got bundles at {sorted(rates)} Hz, expected one sample rate")
        self.sample_rate_hz: int = rates.pop()
        rule = rule if isinstance(rule, Rule) else Rule(rule)
        self._words = {number: BundleStream(bundle, rule) for number, bundle in enumerate(bundles)}
        self._sessions = Sessions(bundles)
        self._ears = self._sessions.ears(self._words)
        unknown = set(rule.threshold if isinstance(rule.threshold, Mapping) else ()) - set(self.phrases)
        if unknown:
            raise BundleError(f"threshold: got {min(unknown)!r}, expected one of the phrases {self.phrases}")
        self._gate_rule = (min_level_dbfs, vad_threshold, self.sample_rate_hz)
        self._gate = _gate(*self._gate_rule)
        self._recorder = Recorder(self.sample_rate_hz)
        self._last: Detection | None = None
        self.on_score: OnScore | None = None

    @property
    def phrases(self) -> list[str]:
        """The K phrases listened for, in the order of the columns of `scores`."""
        return [phrase for word in self._words.values() for phrase in word.card.phrases]

    @property
    def detector_configs(self) -> list[DetectorConfig]:
        """The decision rule of each phrase, with its threshold."""
        return [detector.config for word in self._words.values() for detector in word.detectors]

    @property
    def step_samples(self) -> int:
        """Samples from one probability to the next (of the first bundle)."""
        return self._first.step_samples

    @property
    def warmup_steps(self) -> int:
        """Outputs after a reset that have not yet seen a full window; they never fire (of the first bundle)."""
        return self._first.warmup_steps

    @property
    def latest_scores(self) -> list[float]:
        """What each of the K phrases' last decision was made on: its smoothed probability, 0 before the first."""
        return [score for word in self._words.values() for score in word.latest_scores()]

    def fresh(self, phrases: Collection[str] | None = None, history_s: float = 0.0) -> WakeWord:
        """Another stream of the same bundles, from the start. Cheap: it shares their sessions, and nothing else.

        Args:
            phrases: leave out the bundles that know none of these.
            history_s: how much of its sound it keeps, for a `capture` to begin in.

        Raises BundleError if no bundle is left.
        """
        words = {
            number: word.fresh()
            for number, word in self._words.items()
            if phrases is None or not set(phrases).isdisjoint(word.card.phrases)
        }
        if not words:
            raise BundleError(f"fresh: got {sorted(phrases or [])}, expected some of {self.phrases}")
        other = copy.copy(self)
        other._words, other._ears = words, self._sessions.ears(words)
        other._gate = _gate(*self._gate_rule)
        other._recorder = Recorder(self.sample_rate_hz, history_s)
        other._last = other.on_score = None
        return other

    @property
    def state_size(self) -> int:
        """Numbers that the graph carries from call to call (where there are several: the first)."""
        return self._ears[0].state_size

    def feed(self, pcm: np.ndarray) -> list[Detection]:
        """int16 or float32 mono [N] at `sample_rate_hz`, any N. Raises AudioError, and changes nothing, if unusable."""
        samples = to_float(pcm)
        if self._gate:
            self._gate.feed(samples)
        self._recorder.feed(samples)
        hits: list[Detection] = []
        for ear in self._ears:
            hits += self._decided(ear, ear.feed(samples))
        return self._heard(hits) if hits else hits

    def flush(self) -> list[Detection]:
        """The end of a stream: the samples still held back, filled up to a step with silence."""
        self._recorder.end()
        return self._heard([hit for ear in self._ears for hit in self._decided(ear, ear.flush())])

    def reset(self) -> None:
        """As if nothing had been heard: time starts again at zero."""
        for part in (*self._ears, *self._words.values()):
            part.reset()
        if self._gate:
            self._gate.reset()
        self._recorder.reset()
        self._last = None

    def capture(
        self,
        pre_roll_s: float = 0.5,
        max_s: float = 10.0,
        end_silence_s: float | None = 0.8,
        wait_s: float = 3.0,
        after: Detection | None = None,
    ) -> Capture:
        """The sound that follows a hit, without a gap, as it is fed: at most `max_s` after the hit.

        Args:
            pre_roll_s: how much of what came before the hit's end belongs to it; at most 10.
            end_silence_s: it ends where somebody spoke and then was quiet for so long; None: only by `max_s`.
            wait_s: how long after the hit somebody may begin to speak.
            after: the hit. By default the last one, or this moment if there was none.

        Raises AudioError for lengths out of range.
        """
        after = after or self._last
        return self._recorder.capture(after and after.end_s, pre_roll_s, max_s, end_silence_s, wait_s)

    @property
    def _first(self) -> BundleStream:
        return next(iter(self._words.values()))

    def _decided(self, ear: Ear, probabilities: np.ndarray | None) -> list[Detection]:
        hits: list[Detection] = []
        if probabilities is not None:
            for number, own in ear.by_bundle(probabilities):
                hits += self._words[number].decide(own, self._gate, self.on_score)
        return hits

    def _heard(self, detections: list[Detection]) -> list[Detection]:
        if detections:
            detections.sort(key=lambda detection: detection.end_s)
            self._last = detections[-1]
        return detections

    def scores(self, pcm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The raw curve of a recording from a fresh start; the stream that `feed` serves is not touched.

        pcm: int16 or float32 mono [N]; what is less than a step at its end is left out. Returns (times_s float64 [T],
        probabilities float32 [T, K] in 0..1); a time is the end of its step. Raises AudioError for pcm that is
        unusable, and BundleError if several bundles differ in their step.
        """
        samples = to_float(pcm)
        steps = {word.step_samples for word in self._words.values()}
        if len(steps) > 1:
            raise BundleError(f"scores: got bundles with steps of {sorted(steps)} samples, expected one step")
        whole, curves = samples[: len(samples) // self.step_samples * self.step_samples], {}
        for ear in self._sessions.ears(self._words):
            curves |= ear.by_bundle(ear.run(whole))
        probabilities = np.concatenate([curves[number] for number in self._words], axis=1)
        times_s = np.arange(1, len(probabilities) + 1) * (self.step_samples / self.sample_rate_hz)
        return times_s, probabilities


def _gate(min_level_dbfs: float | None, vad_threshold: float | None, sample_rate_hz: int) -> Gate | None:
    raters: list[Rater] = []
    if min_level_dbfs is not None:
        raters.append(LevelRater(min_level_dbfs, sample_rate_hz))
    if vad_threshold is not None:
        raters.append(VadRater(vad_threshold, sample_rate_hz))
    return Gate(raters, sample_rate_hz) if raters else None
