"""Conv1D, GRUs and a sigmoid as operators that ESPHome loads, with every tensor in 8 bits.

ESPHome has neither GRU nor Tanh nor Sub, and no operator goes from 8 bits to 16 in both of TensorFlow Lite's runtimes.
With g = h / 2, m = tanh(a) / 2 = logistic(2 a) - 1/2 and u = 1 - z the cell h' = n + z (h - n) becomes
g' = g + u (m - g). A state of 8 bits would stall, as it loses an update below half of its unit: with u = 0.01, whatever
is nearer than 0.4. Therefore g is two tensors, g = hi 2^-8 + lo 2^-15, and u (m - g) is computed without loss: both
factors are split into a coarse and a fine part so small that each of the four products fits 8 bits, and a depthwise
convolution over what is stacked adds them up in 32 bits. The factors 2 are in the weights.

What goes into one stack must have one scale. It is PRODUCT; real factors between the stacked are weights of the sum.
"""

from __future__ import annotations

import math

import numpy as np

from firmware_export.esphome.program import Program, Tensor, constant
from firmware_export.layers import Conv1d, Dense, Gru

GATE, AWAY = 2.0**-8, 2.0**-7  # units of gates and m, and of m - g
PRODUCT = GATE * AWAY  # unit of lo, and by name of all that is stacked
HI = 128  # units of lo in one of hi
SUM = 51 / 1024  # unit of pre-activations: -6.4 to 6.35, beyond which the 8 bits of the logistic do not move
FEATURE = 6660 / 65536  # unit of the features as the device rounds them: 666 / 256 of the front end's 10 / 256
COARSE_GATE, COARSE_AWAY = 32, 16  # fine units in a coarse one: parts of at most 8, 16, 8 and 8

MOST_JOINED = 10  # inputs that the runtime's concatenation takes


def build(conv: Conv1d, grus: tuple[Gru, ...], head: Dense, loudest: float) -> Program:
    """The program of equalised layers. `loudest` is the largest output of the convolution that fits."""
    channels, bins, kernel = conv.weight.shape
    p = Program(Tensor("features", (1, conv.stride, bins), "int8", FEATURE, -128))
    rows = _recent_frames(p, kernel, conv.stride, bins)
    x = p.add("RESHAPE", [rows, _ints("flat", [1, kernel * bins])], _shaped(rows, (1, kernel * bins)))
    matrix = conv.weight.transpose(0, 2, 1).reshape(channels, kernel * bins)
    x = _dense(p, "conv", x, matrix, conv.bias, Tensor("", (), "int8", _short(loudest / 255), -128))
    factor = 1.0
    for i, gru in enumerate(grus):
        x, factor = _gru(p, f"gru{i}", x, gru, factor), 2.0 * HI
    logit = _dense(p, "head", x, factor * head.weight, head.bias, Tensor("", (), "int8", SUM))
    p.add("QUANTIZE", [_logistic(p, logit)], Tensor("", (1, 1), "uint8", GATE, 0))
    return p


def equalised(conv: Conv1d, grus: tuple[Gru, ...]) -> tuple[Conv1d, tuple[Gru, ...]]:
    """The same network with weights of like size: one scale serves a whole matrix.

    A filter divided by s > 0 gives outputs divided by s, for ReLU is homogeneous; the columns that read them are
    multiplied by it (cross-layer equalisation; Nagel et al. 2019).
    """
    own = np.abs(conv.weight).max(axis=(1, 2))
    read = np.abs(grus[0].weight_ih).max(axis=0)
    ratio = np.where((own > 0) & (read > 0), own / np.where(read > 0, read, 1.0), 1.0)
    scale = np.sqrt(ratio / np.exp(np.log(ratio).mean()))
    first = Gru(grus[0].weight_ih * scale, grus[0].weight_hh, grus[0].bias_ih, grus[0].bias_hh)
    return Conv1d(conv.weight / scale[:, None, None], conv.bias / scale, conv.stride), (first, *grus[1:])


def _recent_frames(p: Program, kernel: int, stride: int, bins: int) -> Tensor:
    """The last `kernel` frames [1, kernel, bins]: those of this call after the ones that are kept."""
    kept = kernel - stride
    if not kept:
        return p.source
    silence = Tensor("no_frames", (1, kept, bins), "int8", FEATURE, -128, np.full((1, kept, bins), -128, np.int8))
    handle, before = p.variable("frames", silence)
    rows = p.add("CONCATENATION", [before, p.source], _shaped(p.source, (1, kernel, bins)), axis=1)
    ends = [_ints(name, values) for name, values in _slice(stride, kernel, bins)]
    p.assign(handle, p.add("STRIDED_SLICE", [rows, *ends], silence))
    return rows


def _slice(start: int, stop: int, bins: int) -> list[tuple[str, list[int]]]:
    return [("slice_begin", [0, start, 0]), ("slice_end", [1, stop, bins]), ("slice_strides", [1, 1, 1])]


def _gru(p: Program, name: str, x: Tensor, gru: Gru, factor: float) -> Tensor:
    """One step: x [1, I], `factor` times smaller than the weights expect, -> the next hi [1, H]."""
    units = gru.weight_hh.shape[1]
    (hi_handle, hi), (lo_handle, lo) = (
        p.variable(f"{name}_{part}", constant(f"{name}_{part}_zero", np.zeros((1, units), np.int8), PRODUCT))
        for part in ("hi", "lo")
    )
    w, u = np.split(factor * gru.weight_ih, 3), np.split(2.0 * HI * gru.weight_hh, 3)
    b, c = np.split(gru.bias_ih, 3), np.split(gru.bias_hh, 3)
    unit = Tensor("", (), "int8", SUM)

    def gate(k: int, sign: float) -> Tensor:
        from_x = _dense(p, f"{name}_{k}_x", x, sign * w[k], sign * (b[k] + c[k]), unit)
        from_h = _dense(p, f"{name}_{k}_h", hi, sign * u[k], np.zeros(units), unit)
        return _logistic(p, _sum(p, from_x, from_h, from_x))

    reset, renew = gate(0, 1.0), gate(1, -1.0)  # of the update gate, u = 1 - z
    remembered = _dense(p, f"{name}_2_h", hi, 2.0 * u[2], 2.0 * c[2], unit)
    allowed = p.add("MUL", [reset, remembered], remembered)
    twice = _sum(p, _dense(p, f"{name}_2_x", x, 2.0 * w[2], 2.0 * b[2], unit), allowed, allowed)
    small = Tensor("", (1, units), "int8", GATE)
    new = _sum(p, _logistic(p, twice), _number(units, -128, GATE), small)
    minus_g = p.add("MUL", [hi, _number(units, -1, GATE / PRODUCT)], small)
    away = _sum(p, new, minus_g, Tensor("", (1, units), "int8", AWAY))
    return _moved(p, (hi_handle, hi), (lo_handle, lo), renew, away)


def _moved(p: Program, hi: tuple[Tensor, Tensor], lo: tuple[Tensor, Tensor], gate: Tensor, away: Tensor) -> Tensor:
    """g + gate * away, exactly, as the next hi and lo: handles and values of both come in, hi goes out."""
    gate_coarse, gate_fine = _split(p, gate, COARSE_GATE)
    away_coarse, away_fine = _split(p, away, COARSE_AWAY)
    stacked = Tensor("", away.shape, "int8", PRODUCT)
    terms = [(hi[1], HI), (lo[1], 1)]
    for a, by_a in ((gate_coarse, -COARSE_GATE), (gate_fine, 1)):
        for b, by_b in ((away_coarse, -COARSE_AWAY), (away_fine, 1)):
            terms.append((p.add("MUL", [a, b], stacked), by_a * by_b))
    next_hi = _weighted_sum(p, f"{hi[0].name}_sum", terms, 1 / HI)
    p.assign(hi[0], next_hi)
    p.assign(lo[0], _weighted_sum(p, f"{lo[0].name}_sum", [*terms, (next_hi, -HI)], 1.0))
    return next_hi


def _split(p: Program, x: Tensor, parts: int) -> tuple[Tensor, Tensor]:
    """(-round(x / parts), x less that part) in units of x. Without Sub the coarse part is negative."""
    units, like = x.shape[1], Tensor("", x.shape, "int8", x.scale)
    coarse = p.add("MUL", [x, _number(units, -1, 1 / parts)], like)
    as_it_is = p.add("MUL", [x, _number(units, -1, 1.0)], Tensor("", x.shape, "int8", parts * x.scale))
    return coarse, _sum(p, x, as_it_is, like)


def _weighted_sum(p: Program, name: str, terms: list[tuple[Tensor, int]], unit: float) -> Tensor:
    """The sum of tensors [1, H] times whole numbers, times `unit`, rounded once: a depthwise convolution over a stack.

    A number beyond 127 is stacked several times.
    """
    stack, numbers = [], []
    for tensor, number in terms:
        while number:
            part = max(-127, min(127, number))
            stack.append(tensor)
            numbers.append(part)
            number -= part
    units, like = terms[0][0].shape[1], terms[0][0]
    shape = (1, len(stack), 1, units)
    while len(stack) > 1:
        joined, size = stack[:MOST_JOINED], sum(tensor.shape[1] for tensor in stack[:MOST_JOINED])
        stack = [p.add("CONCATENATION", joined, _shaped(like, (1, size)), axis=1), *stack[MOST_JOINED:]]
    (rows,) = stack
    image = p.add("RESHAPE", [rows, _ints(f"{name}_shape", list(shape))], _shaped(like, shape))
    weight = np.repeat(np.array(numbers, np.int8), units).reshape(shape)
    bias = constant(f"{name}_bias", np.zeros(units, np.int32), like.scale * unit)
    inputs = [image, constant(f"{name}_weight", weight, unit, channel_axis=3), bias]
    options = {"padding": 1, "strideW": 1, "strideH": 1, "depthMultiplier": 1}  # 1: no padding
    total = p.add("DEPTHWISE_CONV_2D", inputs, _shaped(like, (1, 1, 1, units)), **options)
    return p.add("RESHAPE", [total, _ints(f"{name}_flat", [1, units])], like)


def _dense(p: Program, name: str, x: Tensor, weight: np.ndarray, bias: np.ndarray, unit: Tensor) -> Tensor:
    """weight @ x + bias, in `unit`'s quantization: weights int8 with one scale, bias int32."""
    fits_bias = float(np.abs(bias).max()) / (x.scale * 2**30)
    scale = _short(max(float(np.abs(weight).max()) / 127, fits_bias, 1e-9))
    quantized = constant(f"{name}_weight", np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale)
    offset = np.rint(bias / (x.scale * scale)).astype(np.int32)
    output = Tensor("", (1, len(weight)), unit.dtype, unit.scale, unit.zero_point)
    return p.add("FULLY_CONNECTED", [x, quantized, constant(f"{name}_bias", offset, x.scale * scale)], output)


def _sum(p: Program, a: Tensor, b: Tensor, like: Tensor) -> Tensor:
    return p.add("ADD", [a, b], like)


def _logistic(p: Program, x: Tensor) -> Tensor:
    return p.add("LOGISTIC", [x], Tensor("", x.shape, "int8", GATE, -128))


def _number(units: int, value: int, scale: float) -> Tensor:
    return constant(f"number_{value}_{scale:g}", np.full((1, units), value, np.int8), scale)


def _ints(name: str, values: list[int]) -> Tensor:
    return constant(name, np.array(values, np.int32), 0.0)


def _shaped(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    return Tensor("", shape, tensor.dtype, tensor.scale, tensor.zero_point)


def _short(value: float) -> float:
    """The next number of 11 bits that is not smaller: a product of two fits float32, whoever computes it how."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(math.ceil(mantissa * 2048), exponent - 11)
