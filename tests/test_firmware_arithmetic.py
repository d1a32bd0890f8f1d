"""The integer functions against the real ones, and against Python's integers, which have no width."""

from __future__ import annotations

import numpy as np

from firmware_export.arithmetic import log2_q15, ratio_q31, sigmoid_q16, tanh_q15, times_q31

RNG = np.random.default_rng(3)


def any_size(count: int) -> np.ndarray:
    """Integers of 1 to 62 bits, every length alike."""
    return np.array([int(RNG.integers(1 << bits, 2 << bits)) for bits in RNG.integers(0, 61, count)], np.int64)


def test_sigmoid_and_tanh_are_within_six_of_65536_and_never_fall() -> None:
    x = np.arange(-20 * 4096, 20 * 4096)
    y = sigmoid_q16(x)
    assert np.abs(y - 65536 / (1 + np.exp(-x / 4096))).max() <= 6
    assert np.diff(y).min() >= 0 and y.min() >= 1 and y.max() == 65535
    assert np.abs(tanh_q15(x) - 32768 * np.tanh(x / 4096)).max() <= 6


def test_log2_is_within_three_of_32768_at_any_size_and_exact_at_powers_of_two() -> None:
    x = any_size(5000)
    assert np.abs(log2_q15(x) - 32768 * np.log2(x.astype(float))).max() <= 3
    assert log2_q15(1 << np.arange(62)).tolist() == [bits << 15 for bits in range(62)]
    assert log2_q15(np.array([2**61 - 1])) <= 61 << 15


def test_products_and_ratios_in_q31_are_what_wide_integers_give() -> None:
    x, fractions = any_size(2000), RNG.integers(0, 2**31 + 1, 2000)
    expected = [(a * b) >> 31 for a, b in zip(x.tolist(), fractions.tolist(), strict=True)]
    assert times_q31(x, fractions).tolist() == expected
    for high in RNG.integers(1, 2**31 + 1, 500).tolist():
        low = int(RNG.integers(0, high + 1))
        assert ratio_q31(low, high) == (low << 31) // high
