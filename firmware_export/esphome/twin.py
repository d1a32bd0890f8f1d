"""The program in numpy, integer for integer as TensorFlow Lite Micro's reference kernels compute it.

Sources: tensorflow/lite/kernels/internal/{common.h, reference/integer_ops/{add,depthwise_conv,fully_connected,
logistic,mul}.h, reference/requantize.h}; fixed-point rounding after gemmlowp. All between is in 64-bit integers.
"""

from __future__ import annotations

import math

import numpy as np

from firmware_export.esphome.program import Operator, Program

RANGES = {"int8": (-128, 127), "uint8": (0, 255)}


class Twin:
    """One stream through a program. Verbs: `step`, `reset`."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.reset()

    def reset(self) -> None:
        self._state = {v.handle: v.initial.data.astype(np.int64) for v in self._program.variables}

    def step(self, features: np.ndarray) -> np.ndarray:
        """int8 [1, stride, 40] -> uint8 [1, 1]; moves the state on."""
        values = {self._program.source: features.astype(np.int64)}
        for operator in self._program.operators:
            self._run(operator, values)
        return values[self._program.result].astype(self._program.result.dtype)

    def _run(self, operator: Operator, values: dict) -> None:
        if operator.kind == "VAR_HANDLE":
            return
        if operator.kind == "READ_VARIABLE":
            values[operator.output] = self._state[operator.inputs[0]]
        elif operator.kind == "ASSIGN_VARIABLE":
            self._state[operator.inputs[0]] = values[operator.inputs[1]]
        else:
            inputs = [values[t] if t.data is None else t.data.astype(np.int64) for t in operator.inputs]
            values[operator.output] = KERNELS[operator.kind](operator, *inputs)


def quantize_multiplier(real: float) -> tuple[int, int]:
    """A positive factor as (31-bit fraction, power of two)."""
    fraction, shift = math.frexp(real)
    fixed = math.floor(fraction * 2**31 + 0.5)
    return (fixed // 2, shift + 1) if fixed == 2**31 else (fixed, shift)


def scaled(x: np.ndarray, real: float) -> np.ndarray:
    """x times `real`, rounded twice as gemmlowp does: to 31 bits (half away from zero), then by the shift."""
    multiplier, shift = quantize_multiplier(real)
    product = (x << max(shift, 0)) * multiplier
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    high = np.sign(nudged) * (np.abs(nudged) >> 31)  # C's division cuts towards zero
    right = max(-shift, 0)
    mask = (1 << right) - 1
    return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0))


def _fitted(operator: Operator, q: np.ndarray) -> np.ndarray:
    return np.clip(q + operator.output.zero_point, *RANGES[operator.output.dtype])


def _fully_connected(operator: Operator, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    of_x, of_weight, _ = operator.inputs
    total = (x - of_x.zero_point) @ weight.T + bias
    return _fitted(operator, scaled(total, of_x.scale * of_weight.scale / operator.output.scale))


def _depthwise(operator: Operator, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A kernel as large as the image: one output for each channel."""
    of_x, of_weight, _ = operator.inputs
    total = ((x - of_x.zero_point) * weight).sum(axis=(1, 2), keepdims=True) + bias
    return _fitted(operator, scaled(total, of_x.scale * of_weight.scale / operator.output.scale))


def _add(operator: Operator, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    largest = 2 * max(tensor.scale for tensor in operator.inputs)
    pairs = zip((a, b), operator.inputs, strict=True)
    parts = [scaled((q - tensor.zero_point) << 20, tensor.scale / largest) for q, tensor in pairs]
    return _fitted(operator, scaled(sum(parts), largest / (2**20 * operator.output.scale)))


def _mul(operator: Operator, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    of_a, of_b = operator.inputs
    product = (a - of_a.zero_point) * (b - of_b.zero_point)
    return _fitted(operator, scaled(product, of_a.scale * of_b.scale / operator.output.scale))


def _logistic(operator: Operator, x: np.ndarray) -> np.ndarray:
    """The runtime's fixed-point logistic is exact to its last bit, so its rounded value is that of the formula."""
    of_x = operator.inputs[0]
    exact = 1 / (1 + np.exp(-of_x.scale * (x - of_x.zero_point)))
    return _fitted(operator, np.rint(exact / operator.output.scale).astype(np.int64))


def _quantize(operator: Operator, x: np.ndarray) -> np.ndarray:
    before, after = operator.inputs[0], operator.output
    return _fitted(operator, scaled(x - before.zero_point, before.scale / after.scale))


def _strided_slice(operator: Operator, x: np.ndarray, begin: np.ndarray, end: np.ndarray, _: np.ndarray) -> np.ndarray:
    return x[tuple(slice(int(a), int(b)) for a, b in zip(begin, end, strict=True))]


KERNELS = {
    "FULLY_CONNECTED": _fully_connected,
    "DEPTHWISE_CONV_2D": _depthwise,
    "ADD": _add,
    "MUL": _mul,
    "LOGISTIC": _logistic,
    "QUANTIZE": _quantize,
    "STRIDED_SLICE": _strided_slice,
    "CONCATENATION": lambda operator, *parts: np.concatenate(parts, axis=operator.options["axis"]),
    "RESHAPE": lambda operator, x, shape: x.reshape(shape),
}
