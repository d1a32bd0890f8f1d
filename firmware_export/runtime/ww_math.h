/* SPDX-License-Identifier: Apache-2.0 */
/* Integer arithmetic; firmware_export/arithmetic.py has the same functions. "Qn" is a number times 2^n. */
#ifndef WW_MATH_H
#define WW_MATH_H

#include "ww_model.h"

/* 0 <= x < 2^62 times a fraction in Q31, at most 1. */
static inline int64_t ww_times_q31(int64_t x, uint32_t fraction) {
    const uint32_t high = (uint32_t)((uint64_t)x >> 31), low = (uint32_t)((uint64_t)x & 0x7fffffffu);
    return (int64_t)((uint64_t)high * fraction + (((uint64_t)low * fraction) >> 31));
}

/* numerator / denominator in Q31, at most 1, by long division: a 64-bit one would pull in a library. */
static inline uint32_t ww_ratio_q31(uint32_t numerator, uint32_t denominator) {
    uint32_t quotient = 0;
    if (numerator >= denominator) {
        return 0x80000000u;
    }
    for (int bit = 0; bit < 31; bit++) {
        numerator <<= 1;
        quotient <<= 1;
        if (numerator >= denominator) {
            numerator -= denominator;
            quotient |= 1u;
        }
    }
    return quotient;
}

/* log2 in Q15 of 1 <= x < 2^62. */
static inline int32_t ww_log2_q15(int64_t x) {
    uint64_t rest = (uint64_t)x;
    int32_t bits = 0;
    for (int32_t width = 32; width > 0; width >>= 1) {
        if (rest >> width) {
            rest >>= width;
            bits += width;
        }
    }
    const uint32_t top = (uint32_t)(bits > 30 ? (uint64_t)x >> (bits - 30) : (uint64_t)x << (30 - bits));
    const uint32_t at = (top >> 24) & 63u, part = (top >> 8) & 0xffffu;
    const uint32_t low = ww_log2[at], slope = (uint32_t)ww_log2[at + 1u] - low;
    return bits * 32768 + (int32_t)(low + ((slope * part + 0x8000u) >> 16));
}

/* 1 / (1 + exp(-x)) in Q16, 1..65535, of x in Q12. */
static inline int32_t ww_sigmoid_q16(int32_t x) {
    const int32_t end = (12 << 12) - 1, size = x < 0 ? -x : x, inside = size < end ? size : end;
    const int32_t at = inside >> 8, part = inside & 255, low = ww_sigmoid[at];
    const int32_t y = low + (((ww_sigmoid[at + 1] - low) * part + 128) >> 8);
    return x < 0 ? 65536 - y : y;
}

/* tanh in Q15 of x in Q12. */
static inline int32_t ww_tanh_q15(int32_t x) { return ww_sigmoid_q16(2 * x) - 32768; }

/* The high half of a * c - b * s: half of it, when c and s are in Q31. */
static inline int32_t ww_half_difference(int32_t a, int32_t c, int32_t b, int32_t s) {
    return (int32_t)(((int64_t)a * c - (int64_t)b * s) >> 32);
}

static inline int32_t ww_half_sum(int32_t a, int32_t c, int32_t b, int32_t s) {
    return (int32_t)(((int64_t)a * c + (int64_t)b * s) >> 32);
}

static inline int32_t ww_clip(int64_t x, int32_t low, int32_t high) {
    return x < low ? low : x > high ? high : (int32_t)x;
}

#endif
