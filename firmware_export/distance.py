"""How far the integers are from the float model, stage by stage, on the same audio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firmware_export.arithmetic import GATE_BITS, PROBABILITY_BITS, STATE_BITS
from firmware_export.layers import Layers
from firmware_export.quantize import Quantized
from firmware_export.reference import Trace
from wakeword.detector import Detector
from wakeword.features import compute


@dataclass(frozen=True)
class Distance:
    """Of one stage, in its own unit: worst and root-mean-square difference, and the latter below the signal, in dB."""

    stage: str
    worst: float
    rms: float
    snr_db: float


def distances(q: Quantized, pcm: np.ndarray, trace: Trace) -> list[Distance]:
    """int16 pcm [N] and its trace -> one Distance a stage, in the order that a sample passes them.

    Every stage's difference holds that of the stages before it: both chains start from the same samples.
    """
    features, conv, hidden, probabilities = float_chain(q.layers, pcm)
    units = [gru.weight_hh.shape[1] for gru in q.layers.grus]
    states = np.split(trace.hidden * 2.0**-STATE_BITS, np.cumsum(units)[:-1], axis=1)
    got = trace.features.reshape(features.shape) * np.log(2.0) / 2**q.front.feature_bits
    stages = [_distance("features", features, got), _distance("conv", conv, trace.conv * q.conv_scale)]
    stages += [_distance(f"gru.{i}", a, b) for i, (a, b) in enumerate(zip(hidden, states, strict=True))]
    odds = probabilities.clip(1e-12, 1 - 1e-12)
    stages.append(_distance("logits", np.log(odds / (1 - odds)), trace.logits * 2.0**-GATE_BITS))
    stages.append(_distance("probabilities", probabilities, trace.probabilities * 2.0**-PROBABILITY_BITS))
    return stages


def float_chain(layers: Layers, pcm: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], np.ndarray]:
    """int16 pcm [N] -> features [T * S, F], conv [T, C], hidden states [T, H] of each GRU, probabilities [T, K]."""
    state, samples = layers.zero_state(), pcm / 32768.0
    whole = len(samples) // layers.config.step_samples * layers.config.step_samples
    features, _ = compute(layers.front, samples[:whole], state.front)
    stride, kernel = layers.conv.stride, layers.conv.weight.shape[2]
    frames = np.concatenate([state.frames, features])
    conv = [layers.conv.step(frames[at : at + kernel]) for at in range(0, len(features), stride)]
    x, hidden = conv, []
    for gru, h in zip(layers.grus, state.hidden, strict=True):
        outputs = []
        for row in x:
            h = gru.step(row, h)
            outputs.append(h)
        x = outputs
        hidden.append(np.array(outputs))
    return features, np.array(conv), hidden, np.array([layers.head.step(row) for row in x])


def float_hits(q: Quantized, probabilities: np.ndarray) -> int:
    """How often the float model's probabilities [T, K] fire."""
    fired = 0
    for k, rule in enumerate(q.layers.detectors):
        detector = Detector(rule)
        state = detector.zero_state()
        for step, probability in enumerate(probabilities[:, k].tolist()):
            score, state = detector.step(probability if step >= q.layers.warmup_steps else 0.0, state)
            fired += score is not None
    return fired


def _distance(stage: str, expected: np.ndarray, got: np.ndarray) -> Distance:
    error = got - expected
    rms = float(np.sqrt(np.mean(error**2)))
    signal = float(np.sqrt(np.mean(expected**2)))
    return Distance(stage, float(np.abs(error).max()), rms, 20 * float(np.log10(max(signal, 1e-12) / max(rms, 1e-12))))
