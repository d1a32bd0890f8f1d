"""Integer arithmetic as the C runtime does it, in numpy: every function here has a namesake in runtime/ww_math.h.

A value x in "Qn" is the integer round(x * 2^n). Everything is int64 here, and nothing may pass 63 bits: what each
function takes is said with it, and the C runs under UBSan against this.
"""

from __future__ import annotations

import numpy as np

GATE_BITS = 12  # gates and logits, Q12
STATE_BITS = 15  # hidden states, Q15: |h| < 1
PROBABILITY_BITS = 16  # probabilities, Q16, at most 65535
LOG_BITS = 15  # logarithms to base 2, Q15
RATIO_BITS = 31  # fractions that long numbers are multiplied by, Q31

SIGMOID_STEP_BITS = 4  # 16 entries of its table for 1.0
SIGMOID_LIMIT = 12  # where its table ends: 1 - sigmoid(12) is 6e-6, less than half of 2^-16
LOG_TABLE_BITS = 6  # 64 entries of the logarithm's table for 1..2


def sigmoid_table() -> np.ndarray:
    """sigmoid(i / 16) in Q16, i = 0..192: uint16, so that 1 - 2^-16 is its largest value."""
    x = np.arange((SIGMOID_LIMIT << SIGMOID_STEP_BITS) + 1) / (1 << SIGMOID_STEP_BITS)
    return np.minimum(np.round(65536.0 / (1.0 + np.exp(-x))), 65535).astype(np.int64)


def log2_table() -> np.ndarray:
    """log2(1 + i / 64) in Q15, i = 0..64."""
    return np.round(2.0**LOG_BITS * np.log2(1.0 + np.arange((1 << LOG_TABLE_BITS) + 1) / (1 << LOG_TABLE_BITS))).astype(
        np.int64
    )


_SIGMOID, _LOG2 = sigmoid_table(), log2_table()


def sigmoid_q16(x: np.ndarray) -> np.ndarray:
    """x in Q12, below 2^30 in size -> 1 / (1 + exp(-x)) in Q16, 1..65535; its error is at most 6 of 65536."""
    step_bits = GATE_BITS - SIGMOID_STEP_BITS
    size = np.minimum(np.abs(x), (SIGMOID_LIMIT << GATE_BITS) - 1)
    at, part = size >> step_bits, size & ((1 << step_bits) - 1)
    y = _SIGMOID[at] + (((_SIGMOID[at + 1] - _SIGMOID[at]) * part + (1 << (step_bits - 1))) >> step_bits)
    return np.where(x < 0, 65536 - y, y)


def tanh_q15(x: np.ndarray) -> np.ndarray:
    """x in Q12, below 2^29 in size -> tanh(x) in Q15, by 2 sigmoid(2x) - 1."""
    return sigmoid_q16(2 * x) - 32768


def log2_q15(x: np.ndarray) -> np.ndarray:
    """1 <= x < 2^62 -> log2(x) in Q15; its error is at most 3 of 32768."""
    x = np.asarray(x, np.int64)
    bits = np.frexp(x.astype(np.float64))[1].astype(np.int64) - 1
    bits -= (np.int64(1) << bits) > x  # a float64 may have rounded up to the next power of two
    top = np.where(bits > 30, x >> np.maximum(bits - 30, 0), x << np.maximum(30 - bits, 0))
    at, part = (top >> 24) & 63, (top >> 8) & 0xFFFF
    return (bits << LOG_BITS) + _LOG2[at] + (((_LOG2[at + 1] - _LOG2[at]) * part + 0x8000) >> 16)


def times_q31(x: np.ndarray, fraction: np.ndarray | int) -> np.ndarray:
    """0 <= x < 2^62 times 0 <= fraction <= 2^31 in Q31; both halves are rounded down."""
    low = (1 << RATIO_BITS) - 1
    return (x >> RATIO_BITS) * fraction + (((x & low) * fraction) >> RATIO_BITS)


def ratio_q31(numerator: int, denominator: int) -> int:
    """numerator / denominator in Q31, both in 0..2^31 and the first not above the second, by long division."""
    if numerator >= denominator:
        return 1 << RATIO_BITS
    quotient = 0
    for _ in range(RATIO_BITS):
        numerator, quotient = 2 * numerator, 2 * quotient
        if numerator >= denominator:
            numerator, quotient = numerator - denominator, quotient + 1
    return quotient


def requantized(total: np.ndarray, multiplier: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """int32 sums [R] times multiplier / 2^shift, rounded to nearest, halves up. 1 <= shift <= 62."""
    return (total * multiplier + (np.int64(1) << (shift - 1))) >> shift


def half_product(real: np.ndarray, imag: np.ndarray, c: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half of (real + i imag) * (c + i s), rounded down: numbers below 2^30 in size, factors in Q31."""
    return (real * c - imag * s) >> 32, (real * s + imag * c) >> 32
