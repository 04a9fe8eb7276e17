/* A set of fixed capacity that forgets its oldest member: hash slots over a ring of entries.
 *
 * A member is an int64 or an opaque pointer with a 64-bit hash that the caller computed. Both live
 * in one ring, in the order they came, so the two kinds share one capacity. All memory is taken by
 * tw_dedup_init and never grows: no insert ever pays for a rehash. The pages come zeroed from
 * calloc and cost real memory only once they are used.
 *
 * Slots are probed linearly and at most half full; a removal closes the gap it leaves, so there are
 * no tombstones and the cost of a lookup does not depend on how long the set has lived. A slot
 * keeps 32 bits of the hash: enough to find its home again and to skip nearly every stranger
 * without touching the ring.
 */
#ifndef TW_DEDUP_H
#define TW_DEDUP_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
#define TW_PREFETCH(p) __builtin_prefetch((p), 1)
#else
#define TW_PREFETCH(p) ((void)0)
#endif

#define TW_DEDUP_MAX 0x40000000u /* entries; keeps slot numbers and ring places in 32 bits */

typedef struct {
    uint64_t word; /* the integer itself, or the hash of `key` */
    void *key;     /* NULL: an integer */
} tw_dedup_entry;

typedef struct {
    uint32_t tag;   /* low half of the hash; tag & mask is the slot's home */
    uint32_t place; /* index in the ring + 1; 0: free */
} tw_dedup_slot;

typedef struct {
    tw_dedup_slot *slots;
    tw_dedup_entry *ring;
    uint32_t mask; /* slots - 1 */
    uint32_t capacity, count;
    uint32_t next; /* where the next entry goes; when full, also the oldest */
    uint64_t seed_add, seed_mul;
} tw_dedup;

static inline void tw_dedup_free(tw_dedup *t) {
    free(t->slots);
    free(t->ring);
    memset(t, 0, sizeof *t);
}

/* capacity in [1, TW_DEDUP_MAX]. Returns 0 when there is no memory for it. The seed must be secret
 * and random: it is what keeps chosen integers from sharing a slot. */
static inline int tw_dedup_init(tw_dedup *t, uint32_t capacity, uint64_t seed_add,
                                uint64_t seed_mul) {
    size_t slots = 8;
    memset(t, 0, sizeof *t);
    while (slots < (size_t)capacity * 2)
        slots *= 2;
    t->slots = calloc(slots, sizeof *t->slots);
    t->ring = calloc(capacity, sizeof *t->ring);
    if (!t->slots || !t->ring) {
        tw_dedup_free(t);
        return 0;
    }
    t->mask = (uint32_t)(slots - 1);
    t->capacity = capacity;
    t->seed_add = seed_add;
    t->seed_mul = seed_mul | 1;
    return 1;
}

/* A keyed bijection of 64 bits. One multiplication alone would leave runs of consecutive ids in
 * runs of slots for unlucky seeds; the second breaks them up. */
static inline uint64_t tw_dedup_mix(const tw_dedup *t, uint64_t x) {
    x = (x ^ t->seed_add) * t->seed_mul;
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ (x >> 32);
}

static inline uint32_t tw_dedup_tag(const tw_dedup *t, const tw_dedup_entry *e) {
    return (uint32_t)(e->key ? e->word : tw_dedup_mix(t, e->word));
}

/* Whether integer x is a member; tag is the low half of tw_dedup_mix(x). */
static inline int tw_dedup_has(const tw_dedup *t, uint64_t x, uint32_t tag) {
    uint32_t i = tag & t->mask;
    for (; t->slots[i].place; i = (i + 1) & t->mask) {
        if (t->slots[i].tag == tag) {
            const tw_dedup_entry *e = &t->ring[t->slots[i].place - 1];
            if (e->word == x && !e->key)
                return 1;
        }
    }
    return 0;
}

/* The next member that is a pointer with this hash, NULL when there are no more. *cursor starts as
 * (uint32_t)hash & mask; the caller compares, and calls again when it was another key. */
static inline void *tw_dedup_candidate(const tw_dedup *t, uint64_t hash, uint32_t *cursor) {
    uint32_t i = *cursor;
    for (; t->slots[i].place; i = (i + 1) & t->mask) {
        if (t->slots[i].tag == (uint32_t)hash) {
            const tw_dedup_entry *e = &t->ring[t->slots[i].place - 1];
            if (e->word == hash && e->key) {
                *cursor = (i + 1) & t->mask;
                return e->key;
            }
        }
    }
    return NULL;
}

/* Free the slot of ring place `place`, moving back those that had to step over it. */
static inline void tw_dedup_unlink(tw_dedup *t, uint32_t place, uint32_t tag) {
    uint32_t mask = t->mask, hole = tag & mask, i;
    while (t->slots[hole].place != place)
        hole = (hole + 1) & mask;
    for (i = (hole + 1) & mask; t->slots[i].place; i = (i + 1) & mask) {
        /* It may move to the hole unless its home lies behind the hole (all cyclic). */
        uint32_t home = t->slots[i].tag & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            t->slots[hole] = t->slots[i];
            hole = i;
        }
    }
    t->slots[hole].place = 0;
}

/* Add a member known to be absent. Returns the pointer that had to go, for the caller to release,
 * or NULL. */
static inline void *tw_dedup_push(tw_dedup *t, uint64_t word, void *key, uint32_t tag) {
    tw_dedup_entry *e = &t->ring[t->next];
    void *gone = NULL;
    uint32_t i;
    if (t->count == t->capacity) {
        gone = e->key;
        tw_dedup_unlink(t, t->next + 1, tw_dedup_tag(t, e));
        /* The next one to go was last touched `capacity` inserts ago: have it here in time. */
        e = &t->ring[t->next + 1 == t->capacity ? 0 : t->next + 1];
        TW_PREFETCH(&t->slots[tw_dedup_tag(t, e) & t->mask]);
        if (e->key)
            TW_PREFETCH(e->key);
        e = &t->ring[t->next];
    } else {
        t->count++;
    }
    for (i = tag & t->mask; t->slots[i].place; i = (i + 1) & t->mask) {
    }
    t->slots[i].tag = tag;
    t->slots[i].place = t->next + 1;
    e->word = word;
    e->key = key;
    t->next = t->next + 1 == t->capacity ? 0 : t->next + 1;
    return gone;
}

/* Ring index of the oldest member, for count > 0. */
static inline uint32_t tw_dedup_oldest(const tw_dedup *t) {
    return t->next >= t->count ? t->next - t->count : t->next + t->capacity - t->count;
}

/* Remove the oldest member, for count > 0. Returns its pointer, or NULL for an integer. */
static inline void *tw_dedup_pop(tw_dedup *t) {
    uint32_t at = tw_dedup_oldest(t);
    tw_dedup_entry *e = &t->ring[at];
    void *gone = e->key;
    tw_dedup_unlink(t, at + 1, tw_dedup_tag(t, e));
    e->key = NULL;
    t->count--;
    return gone;
}

#endif
