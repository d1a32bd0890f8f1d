/* SPDX-License-Identifier: Apache-2.0 */
/* Log-mel features, each relative to its own running mean: window, transform, bands, norm, logarithm. */
#include "ww_math.h"

enum { HALF = WW_FFT / 2 };

/* The windowed samples as WW_FFT / 2 complex numbers (even samples real, odd ones imaginary), bits of the index
 * reversed, which is the order that `transform` begins with. A sample of full scale becomes 2^29. */
static void load(const int16_t pcm[WW_WINDOW], int32_t real[HALF], int32_t imag[HALF]) {
    uint32_t reversed = 0;
    for (uint32_t i = 0; i < HALF; i++) {
        const uint32_t even = 2u * i, odd = even + 1u;
        real[reversed] = even < WW_WINDOW ? (pcm[even] * (int32_t)ww_window[even]) >> 1 : 0;
        imag[reversed] = odd < WW_WINDOW ? (pcm[odd] * (int32_t)ww_window[odd]) >> 1 : 0;
        uint32_t bit = HALF / 2;
        while (reversed & bit) {
            reversed ^= bit;
            bit >>= 1;
        }
        reversed |= bit;
    }
}

/* In place, radix 2, decimation in time. Every stage halves, so no value ever passes 2^30 in size. */
static void transform(int32_t real[HALF], int32_t imag[HALF]) {
    for (uint32_t span = 1; span < HALF; span *= 2) {
        for (uint32_t k = 0; k < span; k++) {
            const uint32_t angle = k * (HALF / span);
            const int32_t c = ww_cosine[angle], s = ww_cosine[angle + WW_FFT / 4];
            for (uint32_t i = k; i < HALF; i += 2 * span) {
                const uint32_t j = i + span;
                const int32_t a = real[i] >> 1, b = imag[i] >> 1;
                const int32_t x = ww_half_difference(real[j], c, imag[j], s);
                const int32_t y = ww_half_sum(real[j], s, imag[j], c);
                real[i] = a + x;
                imag[i] = b + y;
                real[j] = a - x;
                imag[j] = b - y;
            }
        }
    }
}

/* Power of bin k of the real samples, from the transform of their complex pairing. */
static int64_t power(const int32_t real[HALF], const int32_t imag[HALF], uint32_t k) {
    const uint32_t a = k & (HALF - 1u), b = (HALF - k) & (HALF - 1u);
    const int32_t even_r = (real[a] + real[b]) >> 1, even_i = (imag[a] - imag[b]) >> 1;
    const int32_t odd_r = (imag[a] + imag[b]) >> 1, odd_i = (real[b] - real[a]) >> 1;
    const int32_t c = ww_cosine[k], s = ww_cosine[k + WW_FFT / 4];
    const int32_t x = (even_r >> 1) + ww_half_difference(odd_r, c, odd_i, s);
    const int32_t y = (even_i >> 1) + ww_half_sum(odd_r, s, odd_i, c);
    return ((int64_t)x * x + (int64_t)y * y) >> WW_POWER_SHIFT;
}

/* A bin between the centres of two bands belongs to both, by shares that sum to 1. All bins sum to less than 2^63. */
static void bands(const int32_t real[HALF], const int32_t imag[HALF], int64_t energy[WW_BANDS + 1]) {
    uint32_t k = ww_edges[0];
    energy[0] = 0;
    for (uint32_t band = 0; band <= WW_BANDS; band++) {
        int64_t rising = 0, whole = 0;
        for (; k < ww_edges[band + 1]; k++) {
            const int64_t bin = power(real, imag, k);
            const uint32_t rise = ww_rise[k - ww_edges[0]];
            rising += (int64_t)((uint64_t)bin * rise);
            whole += bin;
        }
        energy[band] = rising;
        if (band > 0) {
            energy[band - 1] = (energy[band - 1] + whole * (1 << WW_BAND_BITS) - rising) >> WW_BAND_SHIFT;
        }
    }
}

/* log2((energy + hidden) / (mean + hidden) + offset), the mean moved on first. See RunningNorm in the Python package. */
static void normalise(ww_stream *stream, const int64_t energy[WW_BANDS], int16_t features[WW_BANDS]) {
    int64_t total = 0;
    stream->weight += (uint32_t)ww_times_q31((int64_t)(0x80000000u - stream->weight), WW_RATE);
    const uint32_t rate = ww_ratio_q31(WW_RATE, stream->weight);
    for (uint32_t band = 0; band < WW_BANDS; band++) {
        const int64_t above = energy[band] - stream->mean[band];
        stream->mean[band] += above < 0 ? -ww_times_q31(-above, rate) : ww_times_q31(above, rate);
        total += stream->mean[band] + WW_FLOOR;
    }
    for (uint32_t band = 0; band < WW_BANDS; band++) {
        const int64_t hidden = WW_FLOOR + ww_times_q31(total, ww_mask[band]);
        const int64_t under = stream->mean[band] + hidden;
        const int64_t over = energy[band] + hidden + ww_times_q31(under, WW_OFFSET);
        const int32_t ratio = ww_log2_q15(over) - ww_log2_q15(under);
        features[band] = (int16_t)ww_clip((ratio + WW_FEATURE_HALF) >> WW_FEATURE_SHIFT, -32768, 32767);
    }
}

void ww_front(ww_stream *stream, ww_scratch *scratch, int16_t features[WW_BANDS]) {
    load(stream->pcm, scratch->front.real, scratch->front.imag);
    transform(scratch->front.real, scratch->front.imag);
    bands(scratch->front.real, scratch->front.imag, scratch->front.energy);
    normalise(stream, scratch->front.energy, features);
}
