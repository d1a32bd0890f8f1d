"""A bundle's layers in integers: int8 weights with a scale for each row, int16 activations and states.

What the network computes is in `firmware_export.reference`; here the numbers are chosen. Shape letters: D DFT bins, F
bands, R rows (outputs) and I inputs of a matrix, C conv filters, H hidden units, K phrases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from firmware_export.arithmetic import GATE_BITS, PROBABILITY_BITS, RATIO_BITS, STATE_BITS
from firmware_export.layers import Gru, Layers
from wakeword.errors import BundleError
from wakeword.features import Tables, compute, zero_state
from wakeword.sections import DetectorConfig

FFT_SIZES = (64, 128, 256, 512, 1024, 2048)
WINDOW_BITS = 15  # the window, Q15
INPUT_BITS = 29  # a full-scale sample times the window's peak, as the transform takes it
POWER_SHIFT = 6  # of a bin's power, before bands are summed
BAND_BITS = 12  # the bands' triangles, Q12
BAND_SHIFT = 4  # of a band's sum: less than BAND_BITS, so that the running mean has eight bits more to move in
HEADROOM = 4.0  # an activation may be this much larger than any in the calibration before it is clipped
ACCUMULATOR = 2**31 - 1


@dataclass(frozen=True)
class Matrix:
    """Row r of inputs x [I] gives (weight[r] @ x + bias[r]) * multiplier[r] / 2^shift[r], rounded.

    weight int8 [R, I]; bias [R] and every partial sum fit int32 for any int16 inputs; multiplier [R] in 0..2^31-1.
    """

    weight: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True)
class Front:
    """Integer log-mel. A feature of 1.0 is a factor of two in energy; `feature_bits` are its fraction's.

    window uint16 [W] in Q15; cosine [3/4 N] of 2 pi i / N in Q31; edges [F + 2]: the first bin of each stretch between
    two bands' centres; rise [D'] in Q12, of the bins from edges[0] on; mask [F], rate and offset in Q31.
    """

    window: np.ndarray
    cosine: np.ndarray
    edges: np.ndarray
    rise: np.ndarray
    mask: np.ndarray
    floor: int
    rate: int
    offset: int
    feature_bits: int


@dataclass(frozen=True)
class QuantizedGru:
    """Gates in torch's order: reset, update, new; both matrices give Q12."""

    from_input: Matrix
    from_hidden: Matrix


@dataclass(frozen=True)
class Rule:
    """One phrase's decision, on the sum of the last `smoothing_steps` probabilities in Q16. rearm_below 0: always."""

    threshold: int
    rearm_below: int


@dataclass(frozen=True)
class Quantized:
    """A wake word in integers; `layers` is the float original. `conv_scale`: one unit of the convolution's output."""

    layers: Layers
    front: Front
    conv: Matrix
    conv_scale: float
    grus: tuple[QuantizedGru, ...]
    head: Matrix
    rules: tuple[Rule, ...]

    @property
    def matrices(self) -> list[Matrix]:
        """All of them, in the order that a step passes them."""
        return [self.conv, *(one for gru in self.grus for one in (gru.from_input, gru.from_hidden)), self.head]


def quantize(layers: Layers, calibration: np.ndarray) -> Quantized:
    """Integers for a bundle's layers. calibration: float pcm [N] in -1..1, for the range of the convolution's output.

    Raises BundleError for layers that the integer runtime cannot express; it says which, and what it can.
    """
    check_expressible(layers)
    front = quantize_front(layers.front)
    feature = math.log(2.0) / 2**front.feature_bits
    kernel = layers.conv.weight.transpose(0, 2, 1).reshape(len(layers.conv.bias), -1)  # inputs in the order of frames
    conv_scale = HEADROOM * _largest_conv_output(layers, calibration) / 32767
    scale, grus = conv_scale, []
    for gru in layers.grus:
        grus.append(_quantize_gru(gru, scale))
        scale = 2.0**-STATE_BITS
    return Quantized(
        layers=layers,
        front=front,
        conv=quantize_matrix(kernel, layers.conv.bias, feature, conv_scale),
        conv_scale=conv_scale,
        grus=tuple(grus),
        head=quantize_matrix(layers.head.weight, layers.head.bias, scale, 2.0**-GATE_BITS),
        rules=tuple(quantize_rule(rule) for rule in layers.detectors),
    )


def check_expressible(layers: Layers) -> None:
    """Raises BundleError, with what to change, for what the integer runtime has no code for."""
    t = layers.front
    advice = "expected log_mel features with fft_samples a power of two: train with --config micro"
    if t.norm is None or t.mix is None:
        raise BundleError(f"export: got {layers.config.features.kind} features, {advice}")
    if t.fft_samples not in FFT_SIZES:
        raise BundleError(f"export: got features.fft_samples {t.fft_samples}, {advice} (one of {list(FFT_SIZES)})")
    if t.norm.mask.max() >= 1.0 or t.norm.offset >= 1.0:
        raise BundleError(
            "export: got features.mask_db or norm_range_db of 0 dB, expected less than a band's own level"
        )
    if t.bins < 2:
        raise BundleError(f"export: got features.mel_bins {t.bins}, expected at least 2")
    if len(layers.phrases) > 32:
        raise BundleError(f"export: got {len(layers.phrases)} phrases, expected at most 32")


def quantize_front(t: Tables) -> Front:
    """The tables of a log-mel front end (see `check_expressible`)."""
    size, rule = t.fft_samples, t.norm
    edges, rise = _rising_sides(t.mix)
    # A bin's power as the transform gives it, over its power in the unit of `t`; then what `Front` makes of that.
    unit = (2.0**INPUT_BITS / size) ** 2 / t.bin_gain[1] * 2.0 ** (BAND_BITS - POWER_SHIFT - BAND_SHIFT)
    lowest, highest = math.log2(rule.offset), math.log2(1.0 / (1.0 - rule.keep) + rule.offset)
    whole_bits = max(1, math.ceil(math.log2(max(-lowest, highest) + 0.01)))
    cosine = np.cos(2 * np.pi * np.arange(3 * size // 4) / size) * 2.0**RATIO_BITS
    return Front(
        window=np.round(t.window * 2**WINDOW_BITS).astype(np.int64),
        cosine=np.clip(np.round(cosine), -(2**31) + 1, 2**31 - 1).astype(np.int64),
        edges=edges,
        rise=rise,
        mask=np.round(rule.mask * 2.0**RATIO_BITS).astype(np.int64),
        floor=max(1, round(rule.floor * unit)),
        rate=round((1.0 - rule.keep) * 2.0**RATIO_BITS),
        offset=round(rule.offset * 2.0**RATIO_BITS),
        feature_bits=15 - whole_bits,
    )


def _rising_sides(mix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of triangles [D, F]: the bins at which each of F + 1 stretches begins and the last one ends; Q12 by bin.

    Stretch s is between the centres of bands s - 1 and s. A bin in it belongs to band s by its rising side and to band
    s - 1 by the rest to 1, so that one product serves two bands.
    """
    bands = mix.shape[1]
    used = np.flatnonzero(mix.any(axis=1))
    stretch, rise = [], []
    for row in mix[used]:
        highest = int(np.flatnonzero(row)[-1])
        last = highest == bands - 1 and np.count_nonzero(row) == 1 and row[highest] < 1.0
        stretch.append(bands if last else highest)
        rise.append(1.0 - row[highest] if last else row[highest])
    edges = used[0] + np.searchsorted(stretch, np.arange(bands + 2))
    return edges.astype(np.int64), np.round(np.array(rise) * 2**BAND_BITS).astype(np.int64)


def _largest_conv_output(layers: Layers, pcm: np.ndarray) -> float:
    """Of the calibration audio; at least a thousandth of what the weights could give, for audio that is all silent."""
    frames, _ = compute(layers.front, pcm, zero_state(layers.front))
    kernel = layers.conv.weight.shape[2]
    steps = [layers.conv.step(frames[i : i + kernel]) for i in range(0, len(frames) - kernel + 1, layers.conv.stride)]
    possible = float(np.abs(layers.conv.weight).sum(axis=(1, 2)).max() + np.abs(layers.conv.bias).max())
    return max([float(np.max(step)) for step in steps] + [possible / 1000, 1e-6])


def _quantize_gru(gru: Gru, input_scale: float) -> QuantizedGru:
    gate = 2.0**-GATE_BITS
    return QuantizedGru(
        from_input=quantize_matrix(gru.weight_ih, gru.bias_ih, input_scale, gate),
        from_hidden=quantize_matrix(gru.weight_hh, gru.bias_hh, 2.0**-STATE_BITS, gate),
    )


def quantize_matrix(weight: np.ndarray, bias: np.ndarray, input_scale: float, output_scale: float) -> Matrix:
    """weight [R, I] and bias [R] to int8 and int32; a row's scale grows until no int16 input can overflow its sum."""
    weight, bias = weight.astype(np.float64), bias.astype(np.float64)
    scale = np.maximum(np.abs(weight).max(axis=1) / 127, 1e-12)
    needed = np.abs(weight).sum(axis=1) * 32768 + np.abs(bias) / input_scale
    room = 0.98 * ACCUMULATOR - 32768 * weight.shape[1]  # what rounding each weight by up to a half may add, twice over
    if room <= 0:
        raise BundleError(f"export: got a layer of {weight.shape[1]} inputs, expected at most 60000")
    scale = np.maximum(scale, needed / room)
    rows = np.round(weight / scale[:, None]).astype(np.int64)
    sums = np.round(bias / (scale * input_scale)).astype(np.int64)
    assert (np.abs(rows).sum(axis=1) * 32768 + np.abs(sums)).max() <= ACCUMULATOR
    mantissa, exponent = np.frexp(scale * input_scale / output_scale)
    multiplier, shift = np.round(mantissa * 2**31).astype(np.int64), 31 - exponent.astype(np.int64)
    multiplier = np.where(multiplier == 2**31, 2**31 - 1, multiplier)
    multiplier, shift = np.where(shift > 62, 0, multiplier), np.minimum(shift, 62)
    if shift.min() < 1:
        raise BundleError("export: got weights so large that int32 cannot hold the result, expected a trained bundle")
    return Matrix(rows, sums, multiplier, shift)


def quantize_rule(rule: DetectorConfig) -> Rule:
    """A decision on sums of Q16 probabilities; a threshold that no sum can reach becomes the largest that one can."""
    whole = rule.smoothing_steps << PROBABILITY_BITS
    highest = rule.smoothing_steps * 65535
    threshold = min(math.ceil(rule.threshold * whole), highest)
    return Rule(threshold, math.ceil(rule.threshold * (rule.rearm_ratio or 0.0) * whole))
