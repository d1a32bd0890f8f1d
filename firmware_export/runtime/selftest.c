/* SPDX-License-Identifier: Apache-2.0 */
/* Does this board compute what the Python reference computed? Feeds the golden samples in odd lumps and compares. */
#include "selftest.h"

#include "ww_golden.h"

static uint32_t hashed(uint32_t hash, const int16_t *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const uint32_t value = (uint16_t)values[i];
        hash = (hash ^ (value & 0xffu)) * 16777619u;
        hash = (hash ^ (value >> 8)) * 16777619u;
    }
    return hash;
}

int ww_selftest(ww_stream *stream, ww_scratch *scratch) {
    const int16_t *pcm = ww_golden_pcm;
    size_t left = (size_t)WW_GOLDEN_STEPS * WW_STEP_SAMPLES, lump = 1u;
    uint32_t hash = 2166136261u, hits = 0u;
    ww_detection hit;
    ww_reset(stream);
    while (left > 0u) {
        const uint64_t before = stream->steps;
        size_t count = lump < left ? lump : left;
        lump = lump * 7u % 311u; /* 1, 7, 49, 32, ...: never 0, never more than a step */
        left -= count;
        while (ww_feed(stream, scratch, &pcm, &count, &hit)) {
            hits++;
        }
        if (stream->steps == before) {
            continue;
        }
        for (size_t k = 0; k < WW_PHRASES; k++) {
            if (stream->probability[k] != ww_golden_probability[before * WW_PHRASES + k]) {
                return (int)before + 1;
            }
        }
        hash = hashed(hash, stream->hidden, WW_HIDDEN);
    }
    return hash == WW_GOLDEN_HIDDEN && hits == WW_GOLDEN_HITS ? 0 : -1;
}
