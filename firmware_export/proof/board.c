/* The emulated board's side of the proof. No libc: it starts itself, and talks to the host by semihosting.
 * Reads pcm.raw (int16), writes out.raw (the records of proof.c), hits.raw (its detections) and cost.raw (uint32:
 * counter ticks inside ww_feed, low and high word; bytes of stack below main). */
#include "ww.h"

extern uint32_t board_stack_end[], board_stack_top[];

static ww_stream stream;
static ww_scratch scratch;
static int16_t pcm[4096];
static uint32_t hits[WW_PHRASES][3]; /* of one hop of samples, in which there is at most one step */
static uint32_t hit_count;

enum { SYS_OPEN = 1, SYS_WRITE = 5, SYS_READ = 6, SYS_EXIT_EXTENDED = 32, READ_BINARY = 1, WRITE_BINARY = 5 };
enum { PAINT = 0x5a5a5a5a };

int main(void);

#if defined(__arm__)
#define COUNTER_MASK 0xffffffu
#define SYSTICK ((volatile uint32_t *)0xe000e010u)

void board_start(void);
__attribute__((section(".vectors"), used)) static const uintptr_t vectors[2] = {(uintptr_t)board_stack_top,
                                                                             (uintptr_t)board_start};

/* Before anything that may save floating-point (or vector) registers. */
__attribute__((naked)) void board_start(void) {
    __asm__ volatile("ldr r0, =0xe000ed88\n ldr r1, [r0]\n orr r1, r1, #0xf00000\n str r1, [r0]\n dsb\n isb\n b main\n");
}

static uintptr_t call(uintptr_t operation, const void *arguments) {
    register uintptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void start_counter(void) {
    SYSTICK[1] = COUNTER_MASK;
    SYSTICK[2] = 0;
    SYSTICK[0] = 5; /* on, at the processor's clock, no interrupt */
}

static uint32_t counter(void) { return COUNTER_MASK - SYSTICK[2]; /* it counts down */ }
#else
#define COUNTER_MASK 0xffffffffu

__attribute__((naked, section(".vectors"), used)) void _start(void) {
    __asm__ volatile("la sp, board_stack_top\n call main\n");
}

uintptr_t call(uintptr_t operation, const void *arguments);

/* The three instructions that a host looks for, none of them compressed; both arguments are where they must be. */
__attribute__((naked, noinline, aligned(16))) uintptr_t call(uintptr_t operation, const void *arguments) {
    (void)operation;
    (void)arguments;
    __asm__ volatile(".option norvc\n slli x0, x0, 0x1f\n ebreak\n srai x0, x0, 7\n ret\n");
}

static void start_counter(void) {}

static uint32_t counter(void) {
    uint32_t value;
    __asm__ volatile(".insn i 0x73, 2, %0, x0, -1278" : "=r"(value)); /* csrr minstret; rv32imac has no such word */
    return value;
}
#endif

void *memset(void *to, int value, size_t count);
void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memmove(void *to, const void *from, size_t count);

void *memset(void *to, int value, size_t count) {
    for (unsigned char *at = to; count > 0u; count--) {
        *at++ = (unsigned char)value;
    }
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t count) {
    const unsigned char *source = from;
    for (unsigned char *at = to; count > 0u; count--) {
        *at++ = *source++;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t count) {
    unsigned char *target = to;
    const unsigned char *source = from;
    if (target < source) {
        return memcpy(to, from, count);
    }
    while (count > 0u) {
        count--;
        target[count] = source[count];
    }
    return to;
}

static uintptr_t open_file(const char *name, uintptr_t mode, size_t length) {
    const uintptr_t arguments[3] = {(uintptr_t)name, mode, length};
    return call(SYS_OPEN, arguments);
}

static void write_file(uintptr_t file, const void *data, size_t bytes) {
    const uintptr_t arguments[3] = {file, (uintptr_t)data, bytes};
    (void)call(SYS_WRITE, arguments);
}

static size_t read_file(uintptr_t file, void *data, size_t bytes) {
    const uintptr_t arguments[3] = {file, (uintptr_t)data, bytes};
    return bytes - call(SYS_READ, arguments);
}

static void record(uintptr_t file) {
    write_file(file, stream.frames + (WW_KERNEL - WW_STRIDE) * WW_BANDS, 2u * WW_STRIDE * WW_BANDS);
    write_file(file, stream.hidden, sizeof stream.hidden);
    write_file(file, stream.probability, sizeof stream.probability);
}

/* Ticks that the samples took. */
static uint32_t feed(const int16_t *at, size_t count) {
    ww_detection hit;
    const uint32_t before = counter();
    while (ww_feed(&stream, &scratch, &at, &count, &hit)) {
        uint32_t *entry = hits[hit_count++ % WW_PHRASES];
        entry[0] = (uint32_t)(hit.end_sample / WW_STEP_SAMPLES);
        entry[1] = hit.phrase;
        entry[2] = hit.score;
    }
    return (counter() - before) & COUNTER_MASK;
}

int main(void) {
    const uintptr_t in = open_file("pcm.raw", READ_BINARY, 7), out = open_file("out.raw", WRITE_BINARY, 7);
    const uintptr_t heard = open_file("hits.raw", WRITE_BINARY, 8);
    uint32_t *const here = (uint32_t *)(uintptr_t)__builtin_frame_address(0) - 64;
    uint64_t ticks = 0;
    size_t got;
    for (uint32_t *at = board_stack_end; at < here; at++) {
        *at = PAINT;
    }
    start_counter();
    ww_reset(&stream);
    while ((got = read_file(in, pcm, 2u * WW_HOP) / 2u) > 0u) {
        const uint64_t steps = stream.steps;
        ticks += feed(pcm, got);
        if (hit_count > 0u) {
            write_file(heard, hits, 12u * hit_count);
            hit_count = 0;
        }
        if (stream.steps != steps) {
            record(out);
        }
    }
    const uint32_t *deepest = board_stack_end;
    while (*deepest == PAINT) {
        deepest++;
    }
    const uint32_t cost[3] = {(uint32_t)ticks, (uint32_t)(ticks >> 32),
                              (uint32_t)((uintptr_t)(here + 64) - (uintptr_t)deepest)};
    write_file(open_file("cost.raw", WRITE_BINARY, 8), cost, sizeof cost);
    const uintptr_t done[2] = {0x20026, 0};
    (void)call(SYS_EXIT_EXTENDED, done);
    for (;;) {
    }
}
