/* Symbol text to a dense number, and the scales that belong to it. No Python headers.
 *
 * Open addressing with linear probing; equality of the bytes decides, never the hash alone. The
 * first and the last eight bytes are kept in the slot, so that names of up to 16 bytes are compared
 * without following a pointer. The text is owned by the caller and must outlive the table.
 */
#ifndef TW_SYMBOLS_H
#define TW_SYMBOLS_H

#include <stddef.h>
#include <stdlib.h>

#include "decimal.h"

typedef struct {
    tw_scale price, size;
    uint32_t depth_flags; /* what a depth message of this symbol is, where the frame does not say */
    int32_t reserved;
} tw_symbol;

typedef struct {
    const uint8_t *text;
    uint64_t first, last; /* of a name shorter than eight bytes: all of it, and 0 */
    int32_t length;
    int32_t number;
} tw_symbol_slot;

typedef struct {
    tw_symbol_slot *slots; /* mask + 1 of them; text == NULL: free */
    tw_symbol *symbols;    /* by number */
    uint32_t mask;
    int32_t count, room;
} tw_symbols;

static inline void tw_symbol_words(const uint8_t *p, ptrdiff_t n, uint64_t *first,
                                   uint64_t *last) {
    *first = *last = 0;
    if (n >= 8) {
        *first = tw_load8(p);
        *last = tw_load8(p + n - 8);
    } else {
        for (ptrdiff_t i = 0; i < n; i++)
            *first |= (uint64_t)p[i] << (8 * i);
    }
}

/* Names that agree in both words share a chain; at 200 bytes at most that is no attack. */
static inline uint32_t tw_symbol_hash(uint64_t first, uint64_t last, ptrdiff_t n) {
    uint64_t h = (first ^ (last << 29 | last >> 35) ^ (uint64_t)n) * 0x9E3779B97F4A7C15ULL;
    return (uint32_t)(h >> 32);
}

static inline int32_t tw_symbol_find_words(const tw_symbols *t, const uint8_t *p, ptrdiff_t n,
                                           uint64_t first, uint64_t last) {
    if (TW_UNLIKELY(t->count == 0))
        return -1;
    for (uint32_t i = tw_symbol_hash(first, last, n) & t->mask;; i = (i + 1) & t->mask) {
        const tw_symbol_slot *slot = &t->slots[i];
        if (TW_UNLIKELY(!slot->text))
            return -1;
        if (TW_LIKELY(slot->first == first && slot->last == last && slot->length == n) &&
            (n <= 16 || memcmp(slot->text, p, (size_t)n) == 0))
            return slot->number;
    }
}

static inline int32_t tw_symbol_find(const tw_symbols *t, const uint8_t *p, ptrdiff_t n) {
    uint64_t first, last;
    tw_symbol_words(p, n, &first, &last);
    return tw_symbol_find_words(t, p, n, first, last);
}

static inline void tw_symbol_place(tw_symbols *t, tw_symbol_slot slot) {
    uint32_t i = tw_symbol_hash(slot.first, slot.last, slot.length) & t->mask;
    while (t->slots[i].text)
        i = (i + 1) & t->mask;
    t->slots[i] = slot;
}

/* Add a symbol that is not there yet. Returns its number, or -1 without memory. */
static inline int32_t tw_symbol_add(tw_symbols *t, const uint8_t *p, ptrdiff_t n) {
    if (t->count == t->room) { /* grow; a quarter full at the most, so probes stay short */
        int32_t room = t->room ? t->room * 2 : 16;
        tw_symbol *symbols = realloc(t->symbols, (size_t)room * sizeof *symbols);
        if (!symbols)
            return -1;
        t->symbols = symbols;
        tw_symbol_slot *slots = calloc((size_t)room * 4, sizeof *slots);
        if (!slots)
            return -1;
        tw_symbols old = *t;
        t->slots = slots;
        t->mask = (uint32_t)room * 4 - 1;
        t->room = room;
        for (uint32_t i = 0; old.slots && i <= old.mask; i++)
            if (old.slots[i].text)
                tw_symbol_place(t, old.slots[i]);
        free(old.slots);
    }
    tw_symbol_slot slot = {p, 0, 0, (int32_t)n, t->count};
    tw_symbol_words(p, n, &slot.first, &slot.last);
    tw_symbol_place(t, slot);
    memset(&t->symbols[t->count], 0, sizeof *t->symbols);
    return t->count++;
}

static inline void tw_symbols_free(tw_symbols *t) {
    free(t->slots);
    free(t->symbols);
    memset(t, 0, sizeof *t);
}

#endif
