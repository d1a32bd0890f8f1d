/* The host's side of the proof: raw int16 samples on stdin, everything after every step as raw bytes on stdout.
 * argv[1]: size of the lumps that samples are read in, 0 for a different one each time.
 * A record: features of the step int16 [STRIDE * BANDS], hidden int16 [HIDDEN], probabilities uint16 [PHRASES]. After
 * the last record, every detection as uint32 step, phrase, score. Two streams run interleaved on
 * one scratch; the second is fed the same samples later, and must give the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif

#include "ww.h"

enum { MOST_HITS = 1 << 20 };

static ww_stream *streams[2]; /* on the heap, where valgrind sees what is read before it was written */
static ww_scratch *scratch;
static uint32_t hits[2][MOST_HITS][3];
static size_t hit_count[2];

static void record(const ww_stream *stream) {
    const size_t kept = (WW_KERNEL - WW_STRIDE) * WW_BANDS; /* the frames of the step were moved down by STRIDE rows */
    const int16_t *frames = stream->frames + kept;
    fwrite(frames, sizeof *frames, WW_STRIDE * WW_BANDS, stdout);
    fwrite(stream->hidden, sizeof stream->hidden[0], WW_HIDDEN, stdout);
    fwrite(stream->probability, sizeof stream->probability[0], WW_PHRASES, stdout);
}

static void drain(size_t which, const int16_t *pcm, size_t count) {
    ww_detection hit;
    while (ww_feed(streams[which], scratch, &pcm, &count, &hit)) {
        uint32_t *entry = hits[which][hit_count[which]++ % MOST_HITS];
        entry[0] = (uint32_t)(hit.end_sample / WW_STEP_SAMPLES);
        entry[1] = hit.phrase;
        entry[2] = hit.score;
    }
}

/* No more than a hop in one call, so that every step can be looked at. */
static void feed_and_record(const int16_t *pcm, size_t count) {
    while (count > 0) {
        const uint64_t before = streams[0]->steps;
        const size_t part = count < WW_HOP ? count : WW_HOP;
        drain(0, pcm, part);
        pcm += part;
        count -= part;
        if (streams[0]->steps != before) {
            record(streams[0]);
        }
    }
}

int main(int argc, char **argv) {
    const size_t lump = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 0;
    static int16_t first[16384], second[16384];
    size_t got, held = 0;
    uint32_t random = 1;
#ifdef _WIN32
    _setmode(_fileno(stdin), _O_BINARY);
    _setmode(_fileno(stdout), _O_BINARY);
#endif
    streams[0] = malloc(sizeof *streams[0]);
    streams[1] = malloc(sizeof *streams[1]);
    scratch = malloc(sizeof *scratch);
    if (!streams[0] || !streams[1] || !scratch) {
        return 2;
    }
    ww_reset(streams[0]);
    ww_reset(streams[1]);
    do {
        random = random * 1664525u + 1013904223u;
        const size_t want = lump > 0 ? lump : 1u + (random >> 8) % 2000u;
        got = fread(first, sizeof first[0], want < 16384 ? want : 16384, stdin);
        feed_and_record(first, got);
        drain(1, second, held); /* the lump before, in one call */
        memcpy(second, first, got * sizeof first[0]);
        held = got;
    } while (got > 0);
    fwrite(hits[0], sizeof hits[0][0], hit_count[0] % MOST_HITS, stdout);
    return hit_count[0] == hit_count[1] && !memcmp(hits[0], hits[1], sizeof hits[0]) &&
                   !memcmp(streams[0]->hidden, streams[1]->hidden, sizeof streams[0]->hidden)
               ? 0
               : 1;
}
