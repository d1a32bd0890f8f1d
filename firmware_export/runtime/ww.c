/* SPDX-License-Identifier: Apache-2.0 */
/* Samples to windows, windows to frames, frames to probabilities, probabilities to detections. */
#include "ww.h"

#include "ww_model.h"

void ww_reset(ww_stream *stream) {
    *stream = (ww_stream){0};
    stream->pcm_fill = WW_WINDOW - WW_HOP;
    stream->frame_fill = WW_KERNEL - WW_STRIDE;
    stream->warmup = WW_WARMUP;
    for (uint32_t k = 0; k < WW_PHRASES; k++) {
        stream->armed[k] = true;
    }
}

/* The mean of the last probabilities over its threshold, rested, and low since the last time. */
static void decide(ww_stream *stream, uint32_t k, uint16_t heard) {
    uint32_t sum = 0;
    stream->recent[k][stream->recent_at] = heard;
    for (uint32_t i = 0; i < WW_SMOOTHING; i++) {
        sum += stream->recent[k][i];
    }
    stream->score[k] = (uint16_t)(sum / WW_SMOOTHING);
    if (sum < ww_rearm_below[k]) {
        stream->armed[k] = true;
    }
    if (sum >= ww_threshold[k] && stream->armed[k] && stream->rest[k] == 0u) {
        stream->pending |= 1u << k;
        stream->rest[k] = WW_REFRACTORY;
        stream->armed[k] = ww_rearm_below[k] == 0u;
    } else if (stream->rest[k] > 0u) {
        stream->rest[k]--;
    }
}

/* All frames of a step are there: one output. */
static void step(ww_stream *stream, ww_scratch *scratch) {
    ww_network(stream, scratch);
    stream->steps++;
    for (uint32_t k = 0; k < WW_PHRASES; k++) {
        decide(stream, k, stream->warmup > 0u ? 0u : stream->probability[k]);
    }
    stream->recent_at = (uint16_t)((stream->recent_at + 1u) % WW_SMOOTHING);
    if (stream->warmup > 0u) {
        stream->warmup--;
    }
    for (uint32_t i = WW_STRIDE * WW_BANDS; i < WW_KERNEL * WW_BANDS; i++) {
        stream->frames[i - WW_STRIDE * WW_BANDS] = stream->frames[i];
    }
    stream->frame_fill = WW_KERNEL - WW_STRIDE;
}

/* A window is full: one frame. */
static void frame(ww_stream *stream, ww_scratch *scratch) {
    ww_front(stream, scratch, stream->frames + (size_t)stream->frame_fill * WW_BANDS);
    for (uint32_t i = WW_HOP; i < WW_WINDOW; i++) {
        stream->pcm[i - WW_HOP] = stream->pcm[i];
    }
    stream->pcm_fill = WW_WINDOW - WW_HOP;
    if (++stream->frame_fill == WW_KERNEL) {
        step(stream, scratch);
    }
}

/* Hands out one of the phrases that fired at the last step. */
static bool hand_out(ww_stream *stream, ww_detection *hit) {
    for (uint32_t k = 0; k < WW_PHRASES; k++) {
        if (stream->pending >> k & 1u) {
            stream->pending &= ~(1u << k);
            hit->end_sample = stream->steps * WW_STEP_SAMPLES;
            hit->phrase = (uint16_t)k;
            hit->score = stream->score[k];
            return true;
        }
    }
    return false;
}

bool ww_feed(ww_stream *stream, ww_scratch *scratch, const int16_t **pcm, size_t *count, ww_detection *hit) {
    while (!hand_out(stream, hit)) {
        if (*count == 0u) {
            return false;
        }
        while (*count > 0u && stream->pcm_fill < WW_WINDOW) {
            stream->pcm[stream->pcm_fill++] = *(*pcm)++;
            (*count)--;
        }
        if (stream->pcm_fill == WW_WINDOW) {
            frame(stream, scratch);
        }
    }
    return true;
}
