"""The integer twin of the C runtime, in numpy: the same integers after every step, which `verify` holds the C to.

Front end (`integer_features`): window, transform, bands, running norm, logarithm. Network: convolution, GRUs,
head. Decision: sums of probabilities. The C is in runtime/ww_front.c, ww_network.c and ww.c.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from firmware_export.arithmetic import (
    LOG_BITS,
    half_product,
    log2_q15,
    ratio_q31,
    requantized,
    sigmoid_q16,
    tanh_q15,
    times_q31,
)
from firmware_export.quantize import (
    BAND_BITS,
    BAND_SHIFT,
    POWER_SHIFT,
    Matrix,
    Quantized,
    QuantizedGru,
    Rule,
)

REARM_QUANTILE = 0.45  # of the scores, in `eager`


@dataclass(frozen=True)
class Trace:
    """Everything after every step: T steps, S frames a step.

    features [T, S, F], conv [T, C], hidden [T, sum of H], logits [T, K] in Q12, probabilities [T, K] in Q16, hits as
    (step, phrase, score in Q16), steps counted from 1.
    """

    features: np.ndarray
    conv: np.ndarray
    hidden: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    hits: list[tuple[int, int, int]]


def run(q: Quantized, pcm: np.ndarray) -> Trace:
    """int16 pcm [N] from a fresh start -> the trace of its whole steps."""
    config = q.layers.config
    stride, kernel = config.model.conv_stride, config.model.conv_kernel
    steps = len(pcm) // config.step_samples
    features = integer_features(q, pcm[: steps * config.step_samples].astype(np.int64))
    frames = np.concatenate([np.zeros((kernel - stride, features.shape[1]), np.int64), features])
    hidden = [np.zeros(gru.from_hidden.weight.shape[1], np.int64) for gru in q.grus]
    conv_out, states, logits = [], [], []
    for step in range(steps):
        x = conv_step(q.conv, frames[step * stride : step * stride + kernel])
        conv_out.append(x)
        for i, gru in enumerate(q.grus):
            x = hidden[i] = gru_step(gru, x, hidden[i])
        states.append(np.concatenate(hidden))
        logits.append(np.clip(rows(q.head, x), -(1 << 24), 1 << 24))
    shape = (steps, len(q.layers.phrases))
    all_logits = np.array(logits, np.int64).reshape(shape)
    probabilities = sigmoid_q16(all_logits)
    return Trace(
        features.reshape(steps, stride, features.shape[1]),
        np.array(conv_out, np.int64).reshape(steps, -1),
        np.array(states, np.int64).reshape(steps, -1),
        all_logits,
        probabilities,
        decide(q, probabilities),
    )


def integer_features(q: Quantized, pcm: np.ndarray) -> np.ndarray:
    """pcm int64 [T * hop] from a fresh start -> features [T, F] with `front.feature_bits` bits of fraction."""
    window, hop = len(q.front.window), q.layers.front.hop_samples
    samples = np.concatenate([np.zeros(window - hop, np.int64), pcm])
    if len(samples) < window:
        return np.zeros((0, len(q.front.mask)), np.int64)
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    pieces = [band_energies(q, frames[at : at + 512]) for at in range(0, len(frames), 512)]
    return normalised(q, np.concatenate(pieces))


def band_energies(q: Quantized, frames: np.ndarray) -> np.ndarray:
    """Frames [T, W] -> energies [T, F], below 2^59."""
    size, half = q.layers.front.fft_samples, q.layers.front.fft_samples // 2
    padded = np.zeros((len(frames), size), np.int64)
    padded[:, : frames.shape[1]] = (frames * q.front.window) >> 1
    real, imag = transform(padded[:, 0::2], padded[:, 1::2], q.front.cosine)
    bins = np.arange(q.front.edges[0], q.front.edges[-1])
    a, b = bins % half, (half - bins) % half
    even_r, even_i = (real[:, a] + real[:, b]) >> 1, (imag[:, a] - imag[:, b]) >> 1
    odd_r, odd_i = (imag[:, a] + imag[:, b]) >> 1, (real[:, b] - real[:, a]) >> 1
    c, s = factors(q.front.cosine, bins)
    turned_r, turned_i = half_product(odd_r, odd_i, c, s)
    x_r, x_i = (even_r >> 1) + turned_r, (even_i >> 1) + turned_i
    power = (x_r * x_r + x_i * x_i) >> POWER_SHIFT
    rise, whole = power * q.front.rise, power << BAND_BITS
    starts = q.front.edges - q.front.edges[0]
    energies = np.zeros((len(frames), len(starts) - 2), np.int64)
    for s_at, (start, stop) in enumerate(pairwise(starts.tolist())):
        rising = rise[:, start:stop].sum(axis=1)
        if s_at < energies.shape[1]:
            energies[:, s_at] += rising
        if s_at > 0:
            energies[:, s_at - 1] += whole[:, start:stop].sum(axis=1) - rising
    return energies >> BAND_SHIFT


def transform(real: np.ndarray, imag: np.ndarray, cosine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The DFT of [T, M] complex numbers over M, M a power of two: radix 2, in time, halving at every stage."""
    points = real.shape[1]
    order = bit_reversed(points)
    real, imag = real[:, order], imag[:, order]
    span = 1
    while span < points:
        c, s = factors(cosine, np.arange(span) * (points // span))  # of 2 M points: the table is the real transform's
        a_r, b_r = np.moveaxis(real.reshape(len(real), -1, 2, span), 2, 0)
        a_i, b_i = np.moveaxis(imag.reshape(len(imag), -1, 2, span), 2, 0)
        t_r, t_i = half_product(b_r, b_i, c, s)
        real = np.stack([(a_r >> 1) + t_r, (a_r >> 1) - t_r], axis=2).reshape(real.shape)
        imag = np.stack([(a_i >> 1) + t_i, (a_i >> 1) - t_i], axis=2).reshape(imag.shape)
        span *= 2
    return real, imag


def factors(cosine: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """exp(-2 pi i k / N) in Q31 from cosine [3/4 N]; 0 <= k <= N / 2."""
    quarter = len(cosine) // 3
    return cosine[k], cosine[k + quarter]


def bit_reversed(points: int) -> np.ndarray:
    """0..points-1 with the bits of each number in reverse."""
    order = np.zeros(1, np.int64)
    while len(order) < points:
        order = np.concatenate([2 * order, 2 * order + 1])
    return order


def normalised(q: Quantized, energies: np.ndarray) -> np.ndarray:
    """Energies [T, F] over their running means, as logarithms to base 2 -> features int16 [T, F]."""
    front, mean, weight = q.front, np.zeros(energies.shape[1], np.int64), 0
    over, under = np.empty_like(energies), np.empty_like(energies)
    for t, energy in enumerate(energies):
        weight += int(times_q31((1 << 31) - weight, front.rate))
        rate = ratio_q31(front.rate, weight)
        mean += np.sign(energy - mean) * times_q31(np.abs(energy - mean), rate)
        hidden = front.floor + times_q31(np.sum(mean + front.floor), front.mask)
        under[t] = mean + hidden
        over[t] = energy + hidden + times_q31(under[t], front.offset)
    down = LOG_BITS - front.feature_bits
    features = (log2_q15(over) - log2_q15(under) + (1 << down >> 1)) >> down
    return np.clip(features, -32768, 32767)


def rows(matrix: Matrix, x: np.ndarray) -> np.ndarray:
    """int16 x [I] -> requantized [R]."""
    return requantized(matrix.weight @ x + matrix.bias, matrix.multiplier, matrix.shift)


def conv_step(matrix: Matrix, frames: np.ndarray) -> np.ndarray:
    """The last frames [kernel, F], oldest first -> [C] int16, not below 0."""
    return np.clip(rows(matrix, frames.reshape(-1)), 0, 32767)


def gru_step(gru: QuantizedGru, x: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Input int16 [I] and state Q15 [H] -> the next state Q15 [H]. Each gate's two parts are clipped at 4096."""
    limit = 1 << 24
    from_input = np.split(np.clip(rows(gru.from_input, x), -limit, limit), 3)
    from_hidden = np.split(np.clip(rows(gru.from_hidden, h), -limit, limit), 3)
    reset, update = (sigmoid_q16(a + b) >> 1 for a, b in zip(from_input[:2], from_hidden[:2], strict=True))
    new = tanh_q15(from_input[2] + ((reset * from_hidden[2] + (1 << 14)) >> 15))
    return (update * h + (32768 - update) * new + (1 << 14)) >> 15


def eager(q: Quantized, trace: Trace) -> tuple[Quantized, Trace]:
    """The same wake word with each threshold at the median of its scores in a trace, and the trace it then gives.

    It fires at least once, and mostly often, where a trained one stays silent: what decides is put to the test, too.
    Where a phrase must be armed again, that is just below: a rest that is a step too long or too short then shows.
    """
    rules = []
    for k, own in enumerate(q.layers.detectors):
        heard = trace.probabilities[q.layers.warmup_steps :, k]
        sums = np.convolve(heard, np.ones(own.smoothing_steps, np.int64))[: len(heard)]
        below, middle = (max(1, int(np.quantile(sums, part))) for part in (REARM_QUANTILE, 0.5))
        rules.append(Rule(middle, below if own.rearm_ratio else 0))
    lowered = replace(q, rules=tuple(rules))
    return lowered, replace(trace, hits=decide(lowered, trace.probabilities))


def decide(q: Quantized, probabilities: np.ndarray) -> list[tuple[int, int, int]]:
    """`wakeword.detector.Detector` on sums of Q16 probabilities [T, K]; rests are counted down, so nothing can wrap."""
    heard, hits = probabilities.copy(), []
    heard[: q.layers.warmup_steps] = 0
    for k, (rule, own) in enumerate(zip(q.rules, q.layers.detectors, strict=True)):
        recent, rest, armed = [0] * own.smoothing_steps, 0, True
        for step, probability in enumerate(heard[:, k].tolist(), start=1):
            recent = [*recent[1:], probability]
            total = sum(recent)
            armed = armed or total < rule.rearm_below
            if total >= rule.threshold and armed and rest == 0:
                hits.append((step, k, total // own.smoothing_steps))
                rest, armed = own.refractory_steps, rule.rearm_below == 0
            elif rest:
                rest -= 1
    return sorted(hits)
