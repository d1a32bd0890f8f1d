/* SPDX-License-Identifier: Apache-2.0 */
/* A wake word on a microcontroller: 16-bit microphone samples in, detections out, in integers only.
 *
 *     static ww_stream stream;    // one for each microphone: what it remembers
 *     static ww_scratch scratch;  // one for all streams that one thread serves: work space, nothing is kept in it
 *
 *     ww_reset(&stream);
 *     for (;;) {
 *         const int16_t *pcm = buffer;
 *         size_t count = read_microphone(buffer);  // mono, WW_SAMPLE_RATE_HZ, any number of samples from 1 up
 *         ww_detection hit;
 *         while (ww_feed(&stream, &scratch, &pcm, &count, &hit)) {
 *             react_to(ww_phrases[hit.phrase]);
 *         }
 *     }
 *
 * No function here allocates, prints, waits, or keeps anything outside of the two structs. Weights are const. A result
 * depends only on the samples since ww_reset, never on how they were cut into calls: firmware_export/reference.py of
 * the Python package `wakeword` gives the same integers. Right shifts of negative numbers must be arithmetic, as they
 * are in gcc, clang, IAR, Keil and MSVC.
 */
#ifndef WW_H
#define WW_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ww_sizes.h"

#if INT_MAX < 2147483647
#error "the wake word needs int of 32 bits"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* All that a stream remembers. Private, but for `steps` and `probability`, which may be read after any call. */
typedef struct {
    int64_t mean[WW_BANDS];                        /* running mean of each band's energy */
    uint64_t steps;                                /* outputs so far, one every WW_STEP_SAMPLES samples */
    uint32_t weight;                               /* of the running mean, Q31: near 1 after its first seconds */
    uint32_t pending;                              /* phrases that fired and were not handed out, a bit each */
    uint32_t rest[WW_PHRASES];                     /* steps until a phrase may fire again */
    int16_t pcm[WW_WINDOW];                        /* the last window, of which `pcm_fill` are there */
    int16_t frames[WW_KERNEL * WW_BANDS];          /* the last features, of which `frame_fill` rows are there */
    int16_t hidden[WW_HIDDEN];                     /* of all GRUs, Q15 */
    uint16_t recent[WW_PHRASES][WW_SMOOTHING];     /* the last probabilities, oldest at `recent_at` */
    uint16_t probability[WW_PHRASES];              /* of the last step, Q16: 65536 would be 1 */
    uint16_t score[WW_PHRASES];                    /* mean of `recent` */
    uint16_t pcm_fill, frame_fill, recent_at, warmup; /* warmup: steps left in which nothing may fire */
    bool armed[WW_PHRASES];                        /* the score was low since the last detection */
} ww_stream;

/* Work space of one call of ww_feed. */
typedef union {
    struct {
        int32_t real[WW_FFT / 2], imag[WW_FFT / 2];
        int64_t energy[WW_BANDS + 1]; /* the last one is thrown away */
    } front;
    struct {
        int16_t x[WW_WIDEST], next[WW_WIDEST];
    } network;
} ww_scratch;

typedef struct {
    uint64_t end_sample; /* samples since ww_reset at the end of the step that fired; 64 bits do not wrap */
    uint16_t phrase;     /* index into ww_phrases */
    uint16_t score;      /* mean of the last WW_SMOOTHING probabilities, Q16 */
} ww_detection;

/* The phrases, in UTF-8. */
extern const char *const ww_phrases[WW_PHRASES];

/* As if nothing had been heard. A stream must be reset before its first samples. */
void ww_reset(ww_stream *stream);

/* Takes samples from *pcm until one phrase fires (true: *hit is filled, call again with what is left) or until all
 * *count of them are used (false). Moves *pcm and *count on. Work is done when a hop of WW_HOP samples is complete. */
bool ww_feed(ww_stream *stream, ww_scratch *scratch, const int16_t **pcm, size_t *count, ww_detection *hit);

#ifdef __cplusplus
}
#endif

#endif
