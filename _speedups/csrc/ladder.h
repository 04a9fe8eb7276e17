/* One side of an order book: sizes by price, best price at hand.
 *
 * Prices near the best stand in a window of TW_WINDOW ticks: an array of sizes by price, a bit for
 * each occupied tick, and a bit for each occupied word of those bits. What is worse than the window
 * is kept in sorted runs (ladder_far.h). The window is a ring (index = key mod TW_WINDOW), so
 * moving it copies nothing but the levels that leave or enter it, in order.
 *
 * A `key` is a price turned so that greater is better: the price itself for bids, its bitwise
 * complement for asks. Any int64 is a valid price. No price and no order of prices makes the window
 * grow, or costs more than moving its levels once.
 *
 * Invariants between calls
 *   - a side with any level has its best one in the window
 *   - `base` is a multiple of 64, and no far key is >= base
 *   - no stored size is 0
 *   - `best` is INT64_MIN when the side is empty
 *
 * No Python headers.
 */
#ifndef TW_LADDER_H
#define TW_LADDER_H

#include "ladder_far.h"

#define TW_WINDOW 16384 /* ticks; pages that are never touched cost nothing */
#define TW_WORDS (TW_WINDOW / 64)
#define TW_GROUPS (TW_WORDS / 64)
#define TW_BELOW_BEST (TW_WINDOW / 4 * 3) /* how far the window reaches below a new best */
#define TW_LOW_WATER (TW_WINDOW / 8)      /* nearer than this to its end it is moved down */

enum { TW_BOOK_OK, TW_BOOK_NEGATIVE, TW_BOOK_FULL, TW_BOOK_MEMORY };

typedef struct {
    int64_t flip; /* key == price ^ flip: 0 for bids, -1 for asks */
    int64_t best;
    int64_t base; /* lowest key of the window */
    ptrdiff_t near_count;
    tw_far far;
    uint64_t occupied[TW_GROUPS]; /* words of `bits` that are not 0 */
    uint64_t bits[TW_WORDS];
    int64_t sizes[TW_WINDOW];
} tw_side;

typedef struct {
    tw_side side[2]; /* bids, asks */
} tw_book;

static inline void tw_book_free(tw_book *book) {
    if (book) {
        tw_far_free(&book->side[0].far);
        tw_far_free(&book->side[1].far);
        free(book);
    }
}

/* An empty book, NULL without memory. */
static inline tw_book *tw_book_new(void) {
    tw_book *book = calloc(1, sizeof *book);
    int i;
    if (!book)
        return NULL;
    for (i = 0; i < 2; i++) {
        book->side[i].flip = -i;
        book->side[i].best = INT64_MIN;
        tw_far_init(&book->side[i].far);
    }
    return book;
}

/* A copy that shares nothing, NULL without memory. */
static inline tw_book *tw_book_copy(const tw_book *from) {
    tw_book *book = tw_book_new();
    int i, word;
    if (!book)
        return NULL;
    for (i = 0; i < 2; i++) {
        tw_side *s = &book->side[i];
        const tw_side *t = &from->side[i];
        s->best = t->best;
        s->base = t->base;
        s->near_count = t->near_count;
        memcpy(s->occupied, t->occupied, sizeof s->occupied);
        memcpy(s->bits, t->bits, sizeof s->bits);
        for (word = 0; word < TW_WORDS; word++)
            if (t->bits[word])
                memcpy(s->sizes + word * 64, t->sizes + word * 64, 64 * sizeof *s->sizes);
        if (!tw_far_copy(&s->far, &t->far)) {
            tw_book_free(book);
            return NULL;
        }
    }
    return book;
}

static inline ptrdiff_t tw_side_count(const tw_side *s) {
    return s->near_count + s->far.count;
}

/* Place of key above the window's base; >= TW_WINDOW when it is outside, on either side. */
static inline uint64_t tw_offset(const tw_side *s, int64_t key) {
    return (uint64_t)key - (uint64_t)s->base;
}

static inline unsigned tw_index(int64_t key) {
    return (unsigned)((uint64_t)key % TW_WINDOW);
}

static inline int64_t tw_plus(int64_t key, uint64_t offset) {
    return (int64_t)((uint64_t)key + offset);
}

/* Write a size into the window and set or clear the bits above it. Returns by how much that changes
 * the number of levels. Whether a level comes or goes cannot be predicted, so nothing branches on
 * it; that a whole word fills or empties is rare. */
static inline ptrdiff_t tw_put(tw_side *s, unsigned at, int64_t size) {
    unsigned word = at / 64;
    uint64_t was = s->bits[word];
    uint64_t bits = was & ~(UINT64_C(1) << (at % 64));
    int64_t old = s->sizes[at];
    bits |= (uint64_t)(size != 0) << (at % 64);
    s->sizes[at] = size;
    s->bits[word] = bits;
    if (__builtin_expect(!bits != !was, 0))
        s->occupied[word / 64] ^= UINT64_C(1) << (word % 64);
    return (size != 0) - (old != 0);
}

/* The next occupied key of the window below `key`, which lies in it. Returns 0 if there is none. */
static inline int tw_side_below(const tw_side *s, int64_t key, int64_t *out) {
    unsigned i = tw_index(key), word = i / 64, first = tw_index(s->base) / 64, step;
    uint64_t bits = s->bits[word] & ((UINT64_C(1) << (i % 64)) - 1);
    uint64_t mask = (UINT64_C(1) << (word % 64)) - 1;
    if (bits) {
        *out = tw_plus(key, (uint64_t)(63 - __builtin_clzll(bits)) - i % 64);
        return 1;
    }
    /* Once round the ring; the last step is the rest of the group of the first. */
    for (step = 0; step <= TW_GROUPS; step++) {
        unsigned group = (word / 64 - step) % TW_GROUPS, found;
        bits = s->occupied[group];
        if (step == 0)
            bits &= mask;
        else if (step == TW_GROUPS)
            bits &= ~mask;
        if (!bits)
            continue;
        found = group * 64 + 63 - (unsigned)__builtin_clzll(bits);
        /* From the base on, in the order of keys: beyond it the ring goes on with better ones. */
        if ((found - first) % TW_WORDS >= (word - first) % TW_WORDS)
            return 0;
        *out = tw_plus(s->base, (found - first) % TW_WORDS * 64 + 63 -
                                    (unsigned)__builtin_clzll(s->bits[found]));
        return 1;
    }
    return 0;
}

/* Where a window begins whose best is `key`. */
static inline int64_t tw_base_for(int64_t key) {
    const int64_t highest = INT64_MAX - (TW_WINDOW - 1);
    int64_t base = key < INT64_MIN + TW_BELOW_BEST ? INT64_MIN : key - TW_BELOW_BEST;
    base = tw_plus(base, -((uint64_t)base % 64));
    return base < highest ? base : highest;
}

/* Move the window up, or anywhere when it is empty, to hold `key` as a new best. */
static inline void tw_side_raise(tw_side *s, int64_t key) {
    int64_t base = tw_base_for(key), word_key = s->base;
    for (; s->near_count && word_key < base; word_key = tw_plus(word_key, 64)) {
        unsigned word = tw_index(word_key) / 64;
        uint64_t bits = s->bits[word];
        s->near_count -= __builtin_popcountll(bits);
        for (; bits; bits &= bits - 1) {
            unsigned bit = (unsigned)__builtin_ctzll(bits);
            tw_far_push(&s->far, tw_plus(word_key, bit), s->sizes[word * 64 + bit]);
            s->sizes[word * 64 + bit] = 0;
        }
        s->bits[word] = 0;
        s->occupied[word / 64] &= ~(UINT64_C(1) << (word % 64));
    }
    s->base = base;
}

/* Move the window down so that its best stands where a new one would. */
static inline void tw_side_lower(tw_side *s) {
    s->base = tw_base_for(s->best);
    while (s->far.count && tw_far_last(&s->far) >= s->base) {
        tw_level level = tw_far_pop(&s->far);
        s->near_count += tw_put(s, tw_index(level.key), level.size);
    }
}

/* The best of the window is gone: find the next one. */
static inline void tw_side_next_best(tw_side *s) {
    if (tw_side_below(s, s->best, &s->best))
        return;
    if (s->far.count) {
        s->best = tw_far_last(&s->far);
        tw_side_lower(s);
    } else {
        s->best = INT64_MIN;
    }
}

/* Outside the window, or first on an empty side. */
static inline void tw_side_set_slow(tw_side *s, int64_t key, int64_t size) {
    if (s->near_count && key < s->base) {
        tw_far_set(&s->far, key, size);
    } else if (size) {
        tw_side_raise(s, key);
        s->near_count += tw_put(s, tw_index(key), size);
        s->best = key;
    }
}

/* Check a batch and make room for it, so that applying it cannot fail half way. `kept` is how many
 * of the levels there are now will stay. */
static inline int tw_side_prepare(tw_side *s, const int64_t *sizes, ptrdiff_t n, ptrdiff_t kept,
                                  ptrdiff_t max_levels) {
    int64_t signs = 0;
    ptrdiff_t i;
    for (i = 0; i < n; i++)
        signs |= sizes[i];
    if (signs < 0)
        return TW_BOOK_NEGATIVE;
    if (n > max_levels - kept)
        return TW_BOOK_FULL;
    return tw_far_reserve(&s->far, kept + n) ? TW_BOOK_OK : TW_BOOK_MEMORY;
}

/* Apply a prepared batch of changes, in the order given by `step`, which is 1 or -1. */
static inline void tw_side_apply(tw_side *s, const int64_t *prices, const int64_t *sizes,
                                 ptrdiff_t n, ptrdiff_t step) {
    const int64_t flip = s->flip;
    /* In registers: stores to the window would otherwise force them to be loaded again. */
    int64_t best = s->best, base = s->base;
    ptrdiff_t near = s->near_count, i = step > 0 ? 0 : n - 1;
    for (; n > 0; n--, i += step) {
        int64_t key = prices[i] ^ flip, size = sizes[i];
        int inside = (uint64_t)key - (uint64_t)base < TW_WINDOW;
        if (__builtin_expect(inside, 1)) {
            near += tw_put(s, tw_index(key), size);
            if (__builtin_expect(size || key != best, 1)) {
                int64_t candidate = size ? key : INT64_MIN;
                best = candidate > best ? candidate : best;
                continue;
            }
        }
        s->near_count = near;
        s->best = best;
        if (inside)
            tw_side_next_best(s);
        else
            tw_side_set_slow(s, key, size);
        near = s->near_count;
        best = s->best;
        base = s->base;
    }
    s->near_count = near;
    s->best = best;
    if (s->far.count && tw_offset(s, best) < TW_LOW_WATER && tw_base_for(best) < s->base)
        tw_side_lower(s);
}

static inline void tw_side_clear(tw_side *s) {
    unsigned group;
    for (group = 0; group < TW_GROUPS; group++) {
        for (; s->occupied[group]; s->occupied[group] &= s->occupied[group] - 1) {
            unsigned word = group * 64 + (unsigned)__builtin_ctzll(s->occupied[group]);
            memset(s->sizes + word * 64, 0, 64 * sizeof *s->sizes);
            s->bits[word] = 0;
        }
    }
    tw_far_clear(&s->far);
    s->near_count = 0;
    s->best = INT64_MIN;
}

/* Forget what there was and apply a prepared batch. Where a price comes twice the later counts. */
static inline void tw_side_replace(tw_side *s, const int64_t *prices, const int64_t *sizes,
                                   ptrdiff_t n) {
    const int64_t flip = s->flip;
    ptrdiff_t i = 1;
    tw_side_clear(s);
    while (i < n && (prices[i - 1] ^ flip) > (prices[i] ^ flip))
        i++;
    if (i < n) {
        tw_side_apply(s, prices, sizes, n, 1);
        return;
    }
    /* Best first, as venues send it: with the window put in its place, going backwards appends the
     * far levels in order. */
    for (i = 0; i < n && !sizes[i]; i++) {
    }
    if (i < n)
        tw_side_set_slow(s, prices[i] ^ flip, sizes[i]);
    tw_side_apply(s, prices, sizes, n, -1);
}

/* Copy up to `room` levels, best first, as (price, size); returns how many. */
static inline ptrdiff_t tw_side_levels(const tw_side *s, tw_level *out, ptrdiff_t room) {
    ptrdiff_t n = 0;
    int32_t r, i;
    int64_t key = s->best;
    int more = s->near_count > 0;
    for (; more && n < room; more = tw_side_below(s, key, &key)) {
        out[n].key = key ^ s->flip;
        out[n++].size = s->sizes[tw_index(key)];
    }
    for (r = s->far.run_count - 1; r >= 0; r--) {
        const tw_level *levels = s->far.pool[s->far.runs[r].slot];
        for (i = s->far.runs[r].count - 1; i >= 0 && n < room; i--) {
            out[n].key = levels[i].key ^ s->flip;
            out[n++].size = levels[i].size;
        }
    }
    return n;
}

/* Size at a price, 0 where there is no level. */
static inline int64_t tw_side_size(const tw_side *s, int64_t price) {
    int64_t key = price ^ s->flip;
    if (tw_offset(s, key) < TW_WINDOW)
        return s->near_count ? s->sizes[tw_index(key)] : 0;
    return tw_far_size(&s->far, key);
}

/* NULL when the invariants hold, otherwise what does not. */
static inline const char *tw_side_broken(const tw_side *s) {
    ptrdiff_t near = 0, i;
    int64_t best = INT64_MIN;
    uint64_t offset;
    if ((uint64_t)s->base % 64)
        return "the window's base is not aligned";
    if (s->base > INT64_MAX - (TW_WINDOW - 1))
        return "the window reaches beyond 64 bits";
    for (offset = 0; offset < TW_WINDOW; offset++) {
        unsigned at = tw_index(tw_plus(s->base, offset));
        if (s->sizes[at] < 0)
            return "a size is negative";
        if ((s->sizes[at] != 0) != (s->bits[at / 64] >> (at % 64) & 1))
            return "a bit does not tell whether its level is occupied";
        if (s->sizes[at]) {
            near++;
            best = tw_plus(s->base, offset);
        }
    }
    for (i = 0; i < TW_WORDS; i++)
        if ((s->bits[i] != 0) != (s->occupied[i / 64] >> (i % 64) & 1))
            return "a bit does not tell whether its word is occupied";
    if (near != s->near_count)
        return "the count of levels is off";
    if (!near && s->far.count)
        return "the best level is not in the window";
    if (best != s->best)
        return "the best price is not the best";
    if (s->far.count && tw_far_last(&s->far) >= s->base)
        return "a far level belongs into the window";
    return tw_far_broken(&s->far);
}

#endif
