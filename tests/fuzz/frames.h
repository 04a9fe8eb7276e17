/* What the targets of a venue's frames share: values into the digest, markets, the judgement.
 *
 * Input: one byte for the parser, the rest is its value. */
#ifndef FUZZ_FRAMES_H
#define FUZZ_FRAMES_H

#include "fuzz.h"
#include "fields.h"
#include "levels.h"
#include "symbols.h"

static const uint8_t *base; /* of the value */
static uint64_t digest;

static inline void mix_fixed(tw_fixed x) {
    FUZZ_CHECK(x.exponent >= -1 && x.exponent <= 18, "decimals");
    mix(&digest, x.exponent < 0 ? 0 : x.mantissa);
    mix(&digest, x.exponent);
}

static inline void mix_fixeds(const tw_fixed *x, int n) {
    while (n--)
        mix_fixed(*x++);
}

static inline void mix_span(tw_span s) {
    mix(&digest, s.text ? s.length : -1);
    if (s.text)
        for (ptrdiff_t i = 0; i < s.length; i++)
            mix(&digest, s.text[i]);
}

static inline void mix_levels(const tw_levels *levels) {
    mix(&digest, levels->count);
    for (ptrdiff_t i = 0; i < levels->count; i++)
        mix(&digest, levels->prices[i]), mix(&digest, levels->sizes[i]);
}

static inline void know(tw_symbols *symbols, const char *name, int price, int size) {
    int32_t number = tw_symbol_add(symbols, (const uint8_t *)name, (ptrdiff_t)strlen(name));
    FUZZ_CHECK(number >= 0, "room for a market");
    symbols->symbols[number].price = (tw_scale){1, price};
    symbols->symbols[number].size = (tw_scale){1, size};
}

/* The value of an input that is not empty, in a block of its own; `judged` frees it. */
static inline const uint8_t *value_of(const uint8_t *data, size_t size) {
    digest = 0;
    return base = exactly(data + 1, size - 1);
}

/* What became of the value: `after` is the place behind it, NULL if it was refused. */
static inline outcome judged(const uint8_t *after, const uint8_t *end, const tw_err *err) {
    outcome found = {-1, 0};
    if (after) {
        FUZZ_CHECK(err->code == 0, "success without an error");
        FUZZ_CHECK(after > base && after <= end, "the place behind the value");
        found.at = after - base;
        found.digest = digest;
    } else {
        FUZZ_CHECK(err->code != 0, "failure with an error");
        FUZZ_CHECK(err->at >= base && err->at <= end, "the place of the error");
        found.digest = (uint64_t)err->code;
    }
    free((void *)base);
    return found;
}

#endif
