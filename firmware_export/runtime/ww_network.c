/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution, GRUs and head: int8 weights, int16 activations and states, int32 sums. */
#include "ww_math.h"

/* sum + w[0] x[0] + ... + w[3] x[3]. Both ways give the same bits: no partial sum overflows, whatever their order. */
#if defined(__ARM_FEATURE_SIMD32) && defined(__GNUC__) && !defined(WW_PORTABLE)
#include <arm_acle.h>
/* Cortex-M with DSP: SXTB16 widens bytes 0 and 2, or turned by a byte 1 and 3; SMLAD multiplies and adds two pairs. */
static inline int32_t add_four(int32_t sum, const int8_t *w, const int16_t *x) {
    uint32_t bytes, low, high; /* neither pointer need be aligned to a word */
    __builtin_memcpy(&bytes, w, 4);
    __builtin_memcpy(&low, x, 4);
    __builtin_memcpy(&high, x + 2, 4);
    const uint32_t even = (low & 0xffffu) | (high << 16), odd = (low >> 16) | (high & 0xffff0000u);
    sum = __smlad(__sxtb16((int8x4_t)bytes), (int16x2_t)even, sum);
    return __smlad(__sxtb16((int8x4_t)(bytes >> 8)), (int16x2_t)odd, sum);
}
#else
static inline int32_t add_four(int32_t sum, const int8_t *w, const int16_t *x) {
    sum += w[0] * x[0] + w[1] * x[1];
    return sum + w[2] * x[2] + w[3] * x[3];
}
#endif

/* One row of a matrix, requantized and clipped. */
static int32_t row(const ww_matrix *matrix, uint32_t index, const int16_t *x, int32_t low, int32_t high) {
    const int8_t *weight = matrix->weight + (size_t)index * matrix->inputs;
    const int8_t *const end = weight + matrix->inputs, *const fours = end - (matrix->inputs & 3u);
    int32_t sum = matrix->bias[index];
    for (; weight < fours; weight += 4, x += 4) {
        sum = add_four(sum, weight, x);
    }
    while (weight < end) {
        sum += *weight++ * *x++;
    }
    const uint32_t shift = matrix->shift[index];
    const int64_t half = (int64_t)((uint64_t)1 << (shift - 1u));
    return ww_clip(((int64_t)sum * matrix->multiplier[index] + half) >> shift, low, high);
}

static int32_t gate(const ww_matrix *matrix, uint32_t index, const int16_t *x) {
    return row(matrix, index, x, -(1 << 24), 1 << 24);
}

/* The next state of one unit, Q15: new + update * (h - new), new = tanh(from x + reset * from h). */
static int16_t unit(const ww_gru *gru, uint32_t j, const int16_t *x, const int16_t *h) {
    const uint32_t j_update = j + gru->units, j_new = j_update + gru->units;
    const int32_t reset = ww_sigmoid_q16(gate(&gru->from_input, j, x) + gate(&gru->from_hidden, j, h)) >> 1;
    const int32_t update =
        ww_sigmoid_q16(gate(&gru->from_input, j_update, x) + gate(&gru->from_hidden, j_update, h)) >> 1;
    const int64_t kept = ((int64_t)reset * gate(&gru->from_hidden, j_new, h) + (1 << 14)) >> 15;
    const int32_t new_state = ww_tanh_q15(gate(&gru->from_input, j_new, x) + (int32_t)kept);
    return (int16_t)((update * h[j] + (32768 - update) * new_state + (1 << 14)) >> 15);
}

void ww_network(ww_stream *stream, ww_scratch *scratch) {
    const int16_t *x = scratch->network.x;
    int16_t *h = stream->hidden;
    for (uint32_t i = 0; i < WW_FILTERS; i++) {
        scratch->network.x[i] = (int16_t)row(&ww_conv, i, stream->frames, 0, 32767);
    }
    for (uint32_t layer = 0; layer < WW_GRUS; layer++) {
        const ww_gru *gru = &ww_grus[layer];
        for (uint32_t j = 0; j < gru->units; j++) {
            scratch->network.next[j] = unit(gru, j, x, h);
        }
        for (uint32_t j = 0; j < gru->units; j++) {
            h[j] = scratch->network.next[j];
        }
        x = h;
        h += gru->units;
    }
    for (uint32_t k = 0; k < WW_PHRASES; k++) {
        stream->probability[k] = (uint16_t)ww_sigmoid_q16(gate(&ww_head, k, x));
    }
}
