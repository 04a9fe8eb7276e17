/* Arrays of price levels, [["price","size"],...], into two columns of integers. */
#ifndef TW_LEVELS_H
#define TW_LEVELS_H

#include <stdlib.h>

#include "scan.h"

typedef struct {
    int64_t *prices, *sizes; /* one block; sizes == prices + room */
    ptrdiff_t count, room;
} tw_levels;

static inline void tw_levels_free(tw_levels *levels) {
    free(levels->prices);
    memset(levels, 0, sizeof *levels);
}

static inline int tw_levels_grow(tw_levels *levels) {
    ptrdiff_t room = levels->room ? levels->room * 2 : 64;
    int64_t *block = malloc((size_t)room * 2 * sizeof *block);
    if (!block)
        return 0;
    if (levels->count) {
        memcpy(block, levels->prices, (size_t)levels->count * sizeof *block);
        memcpy(block + room, levels->sizes, (size_t)levels->count * sizeof *block);
    }
    free(levels->prices);
    levels->prices = block;
    levels->sizes = block + room;
    levels->room = room;
    return 1;
}

/* One level, any layout: blanks, bare numbers, further items (ignored). p stands behind '['. */
static inline const uint8_t *tw_level_slow(const uint8_t *p, const uint8_t *end, const tw_scale *price,
                                    const tw_scale *size, tw_levels *levels, tw_err *err) {
    const uint8_t *next;
    ptrdiff_t i = levels->count;
    p = tw_ws(p, end);
    if (!(p = tw_scaled(p, end, price, TW_OFF_PRICE, &levels->prices[i], err)))
        return NULL;
    int more = tw_next(p, end, ']', &next, err);
    if (more <= 0)
        return more ? NULL : tw_fail(err, TW_MISSING, next - 1); /* a level needs two items */
    if (!(p = tw_scaled(next, end, size, TW_OFF_SIZE, &levels->sizes[i], err)))
        return NULL;
    while ((more = tw_next(p, end, ']', &next, err)) > 0)
        if (!(p = tw_skip(next, end, err)))
            return NULL;
    return more ? NULL : next;
}

#if TW_SWAR
/* The usual level, ["p","s"], without blanks: numbers by the word, punctuation by hand. Returns the
 * place behind its bracket, NULL where it is anything else. 64 readable bytes are enough for both
 * numbers and what is read behind them. */
static inline __attribute__((always_inline)) const uint8_t *
tw_level_quick(const uint8_t *p, const tw_scale *price, const tw_scale *size, int64_t *price_out,
               int64_t *size_out) {
    uint64_t x, y;
    int32_t x_frac, y_frac;
    if (TW_UNLIKELY(p[1] != '"'))
        return NULL;
    unsigned n = tw_quick_decimal(p + 2, '"', &x, &x_frac);
    const uint8_t *q = p + 2 + n;
    if (TW_UNLIKELY(!n || q[1] != ',' || q[2] != '"'))
        return NULL;
    n = tw_quick_decimal(q + 3, '"', &y, &y_frac);
    q += 3 + n;
    if (TW_UNLIKELY(!n || q[1] != ']'))
        return NULL;
    tw_fixed price_text = {(int64_t)x, x_frac}, size_text = {(int64_t)y, y_frac};
    if (TW_UNLIKELY(tw_to_scale(price_text, price, TW_OFF_PRICE, price_out) ||
                    tw_to_scale(size_text, size, TW_OFF_SIZE, size_out)))
        return NULL;
    return q + 2;
}
#endif

/* p stands on the opening bracket. Replaces what `levels` held. */
static inline const uint8_t *tw_levels_parse(const uint8_t *p, const uint8_t *end, const tw_scale *price,
                                      const tw_scale *size, tw_levels *levels, tw_err *err) {
    const uint8_t *next;
    levels->count = 0;
    if (TW_UNLIKELY(p >= end || *p != '[')) {
        const uint8_t *after = p < end ? tw_skip(p, end, err) : tw_expected(p, end, err);
        return after ? tw_fail(err, TW_TYPE, p) : NULL;
    }
    p = tw_ws(p + 1, end);
    if (p < end && *p == ']')
        return p + 1;
    for (;;) {
        if (TW_UNLIKELY(levels->count == levels->room && !tw_levels_grow(levels)))
            return tw_fail(err, TW_MEMORY, p);
        if (TW_UNLIKELY(p >= end || *p != '[')) {
            const uint8_t *after = p < end ? tw_skip(p, end, err) : tw_expected(p, end, err);
            return after ? tw_fail(err, TW_TYPE, p) : NULL;
        }
        const uint8_t *start = p + 1;
#if TW_SWAR
        ptrdiff_t i = levels->count;
        if (TW_LIKELY(end - p > 64)) {
            const uint8_t *q =
                tw_level_quick(p, price, size, &levels->prices[i], &levels->sizes[i]);
            if (TW_LIKELY(q)) {
                levels->count++;
                if (TW_LIKELY(q[0] == ',' && q[1] == '[')) {
                    p = q + 1;
                    continue;
                }
                p = q;
                goto next_level;
            }
        }
#endif
        p = tw_level_slow(start, end, price, size, levels, err);
        if (!p)
            return NULL;
        levels->count++;
#if TW_SWAR
    next_level:
#endif
        switch (tw_next(p, end, ']', &next, err)) {
        case 1: p = next; break;
        case 0: return next;
        default: return NULL;
        }
    }
}

#endif
