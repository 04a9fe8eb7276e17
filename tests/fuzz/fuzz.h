/* What the targets share.
 *
 * A target defines `outcome run(const uint8_t *data, size_t size)`. Its file is compiled twice: as it
 * is, and with PORTABLE and without a known byte order, which leaves the word-at-a-time code out.
 * Both get the same bytes in a block of exactly their size, so that AddressSanitizer sees a read
 * one byte too far, and must agree.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    long at;         /* bytes taken, -1: refused */
    uint64_t digest; /* of the values read; 0 where refused */
} outcome;

#define FUZZ_CHECK(condition, what)                                                                \
    if (!(condition)) {                                                                            \
        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, what);                                  \
        abort();                                                                                   \
    }

static inline void mix(uint64_t *digest, int64_t value) {
    *digest = (*digest ^ (uint64_t)value) * 0x100000001B3ULL + 0x9E3779B97F4A7C15ULL;
}

/* A copy in a block of its own; the caller frees it. */
static inline uint8_t *exactly(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    FUZZ_CHECK(copy, "no memory");
    if (size)
        memcpy(copy, data, size);
    return copy;
}

outcome run_portable(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Put at the end of a target; EXTRA is run once more on each input, to compare with a reference. */
#ifdef PORTABLE
#define FUZZ_TARGET(EXTRA)                                                                         \
    outcome run_portable(const uint8_t *data, size_t size) { return run(data, size); }
#else
#define FUZZ_TARGET(EXTRA)                                                                         \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {                                 \
        outcome fast = run(data, size), slow = run_portable(data, size);                           \
        FUZZ_CHECK(fast.at == slow.at, "one takes what the other refuses, or more of it");         \
        FUZZ_CHECK(fast.digest == slow.digest, "the same text gives different values");            \
        EXTRA(data, size, fast);                                                                   \
        return 0;                                                                                  \
    }
#endif
#define FUZZ_NO_REFERENCE(data, size, found) (void)0

#endif
