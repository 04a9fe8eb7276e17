/* What the targets of the Lighter signer share: the code compiled two ways, and fields from bytes. */
#ifndef FUZZ_LIGHTER_SIGNER_H
#define FUZZ_LIGHTER_SIGNER_H

#include "fuzz.h"

#ifdef PORTABLE
#define TW_NO_INT128
#define LT_NO_SIMD
#endif
#include "lighter/schnorr.h"
#ifndef PORTABLE
#include "lighter_reference.h"
#endif

typedef struct {
    const uint8_t *data;
    size_t size;
} input;

/* The next n bytes. Where the input is too short, others follow from those it has: a short input signs
 * and decodes as well as a long one. They are below 128, and so such a number is below n. */
static inline void take(input *in, uint8_t *out, size_t n) {
    size_t have = n < in->size ? n : in->size;
    if (have)
        memcpy(out, in->data, have);
    for (size_t i = have; i < n; i++)
        out[i] = (uint8_t)((i ? out[i - 1] * 5u : 0) + i * 37 + 11) & 127;
    in->data += have;
    in->size -= have;
}

static inline void mix_words(uint64_t *digest, const uint64_t *words, int n) {
    for (int i = 0; i < n; i++)
        mix(digest, (int64_t)words[i]);
}

#endif
