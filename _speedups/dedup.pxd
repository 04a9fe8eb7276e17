"""A set that remembers the last `capacity` keys."""

from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef extern from "dedup.h" nogil:
    enum:
        TW_DEDUP_MAX

    ctypedef struct tw_dedup_entry:
        uint64_t word
        void *key

    ctypedef struct tw_dedup:
        tw_dedup_entry *ring
        uint32_t mask
        uint32_t capacity
        uint32_t count

    void tw_dedup_free(tw_dedup *t)
    int tw_dedup_init(tw_dedup *t, uint32_t capacity, uint64_t seed_add, uint64_t seed_mul)
    uint64_t tw_dedup_mix(const tw_dedup *t, uint64_t x)
    int tw_dedup_has(const tw_dedup *t, uint64_t x, uint32_t tag)
    void *tw_dedup_candidate(const tw_dedup *t, uint64_t hash, uint32_t *cursor)
    void *tw_dedup_push(tw_dedup *t, uint64_t word, void *key, uint32_t tag)
    uint32_t tw_dedup_oldest(const tw_dedup *t)
    void *tw_dedup_pop(tw_dedup *t)


cdef class BoundedDedup:
    cdef tw_dedup table

    # True when `key` was already there. The same keys as Python ints: insert_i64(7) and
    # insert(7) are one. Neither allocates; both need the GIL, to release a key that goes.
    cdef bint insert_i64(self, int64_t key) noexcept
    cdef bint contains_i64(self, int64_t key) noexcept
