/* What is hashed of a transaction, and the hash. */
#ifndef LTX_HASH_H
#define LTX_HASH_H

#include <string.h>

#include "lighter/schnorr.h"
#include "types.h"

enum { LTX_ELEMENTS_MAX = 6 + LTX_BODY_MAX };

/* Fold the orders of a group: each hashed to four elements, then two and two. */
static inline void ltx_group_hash(uint64_t out[4], const ltx_tx *t) {
    uint64_t both[8], fields[LTX_BODY_MAX];
    size_t i, j;
    for (i = 0; i < t->order_count; i++) {
        for (j = 0; j < LTX_BODY_MAX; j++)
            fields[j] = (uint64_t)t->orders[i][j];
        lt_hash4(i == 0 ? both : both + 4, fields, LTX_BODY_MAX);
        if (i > 0) {
            uint64_t folded[4];
            lt_hash4(folded, both, 8);
            memcpy(both, folded, sizeof folded);
        }
    }
    memcpy(out, both, 4 * sizeof *out);
}

/* Write the elements of a checked transaction and return how many there are. Negative integers are
 * their two's complement; the hash takes any uint64 mod p. */
static inline size_t ltx_elements(uint64_t out[LTX_ELEMENTS_MAX], const ltx_tx *t,
                                  uint64_t chain_id) {
    const ltx_type *type = &LTX_TYPES[t->type];
    size_t n = 0;
    int i;
    out[n++] = chain_id;
    out[n++] = (uint64_t)t->type;
    out[n++] = (uint64_t)t->nonce;
    out[n++] = (uint64_t)t->expired_at;
    out[n++] = (uint64_t)t->account;
    out[n++] = (uint64_t)t->api_key;
    for (i = 0; i < type->body_count; i++) {
        uint64_t value = (uint64_t)t->body[i];
        if (type->split >> i & 1) {
            out[n++] = value & 0xFFFFFFFFu;
            /* An arithmetic shift, spelled out. */
            value = value >> 32 | (t->body[i] < 0 ? UINT64_C(0xFFFFFFFF00000000) : 0);
        }
        out[n++] = value;
    }
    if (t->type == LTX_CHANGE_PUB_KEY) {
        for (i = 0; i < 40; i += 8) {
            uint64_t word = 0;
            int j;
            for (j = 7; j >= 0; j--)
                word = word << 8 | t->public_key[i + j];
            out[n++] = word;
        }
    } else if (t->type == LTX_CREATE_GROUPED_ORDERS) {
        ltx_group_hash(out + n, t);
        n += 4;
    }
    return n;
}

/* The transaction hash, five canonical elements: the message that is signed. */
static inline void ltx_hash(uint64_t out[5], const ltx_tx *t, uint64_t chain_id) {
    uint64_t elements[LTX_ELEMENTS_MAX], both[10], slots[2 * LTX_ATTRIBUTES_MAX] = {0};
    size_t used = 0;
    int kind;
    lt_hash5(both, elements, ltx_elements(elements, t, chain_id));
    for (kind = 1; kind < LTX_ATTRIBUTE_KINDS && used < 2 * LTX_ATTRIBUTES_MAX; kind++) {
        if (t->attributes[kind] == ltx_nil(kind))
            continue;
        slots[used++] = (uint64_t)kind;
        slots[used++] = (uint64_t)t->attributes[kind];
    }
    if (used == 0) {
        memcpy(out, both, 5 * sizeof *out);
        return;
    }
    lt_hash5(both + 5, slots, 2 * LTX_ATTRIBUTES_MAX);
    lt_hash5(out, both, 10);
}

#endif
