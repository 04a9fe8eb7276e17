/* Scalars of secp256k1: integers mod n, the order of the group; four words, least significant first.
 *
 * Products are Montgomery's: sk_scalar_montmul(a, b) = a * b / 2^256 mod n. One operand must be below n,
 * the other may be any 256-bit value. Everything else takes and gives scalars below n, except where
 * it says otherwise.
 *
 * Nothing branches on a scalar or uses a part of one as an index: carries become masks, and a
 * subtraction of n is always done and kept or not by mask. All of it may be given secrets.
 */
#ifndef SK_SCALAR_H
#define SK_SCALAR_H

#include "secret/word.h"

static const uint64_t SK_N[4] = {
    UINT64_C(0xBFD25E8CD0364141),
    UINT64_C(0xBAAEDCE6AF48A03B),
    UINT64_C(0xFFFFFFFFFFFFFFFE),
    UINT64_C(0xFFFFFFFFFFFFFFFF),
};
static const uint64_t SK_HALF_N[4] = {
    /* (n - 1) / 2, the largest s there may be */
    UINT64_C(0xDFE92F46681B20A0),
    UINT64_C(0x5D576E7357A4501D),
    UINT64_C(0xFFFFFFFFFFFFFFFF),
    UINT64_C(0x7FFFFFFFFFFFFFFF),
};
static const uint64_t SK_R2[4] = {
    /* 2^512 mod n */
    UINT64_C(0x896CF21467D7D140),
    UINT64_C(0x741496C20E7CF878),
    UINT64_C(0xE697F5E45BCD07C6),
    UINT64_C(0x9D671CD581C69BC5),
};
#define SK_N_INVERSE UINT64_C(0x4B0DFF665588B13F) /* -1/n mod 2^64 */

/* Bytes, most significant first. */
TW_INLINE void sk_scalar_load(uint64_t out[4], const uint8_t bytes[32]) {
    int i, j;
    for (i = 0; i < 4; i++) {
        uint64_t word = 0;
        for (j = 0; j < 8; j++)
            word = word << 8 | bytes[8 * (3 - i) + j];
        out[i] = word;
    }
}

TW_INLINE void sk_scalar_store(uint8_t bytes[32], const uint64_t a[4]) {
    int i, j;
    for (i = 0; i < 4; i++)
        for (j = 0; j < 8; j++)
            bytes[8 * (3 - i) + j] = (uint8_t)(a[i] >> (8 * (7 - j)));
}

TW_INLINE uint64_t sk_words_sub(uint64_t out[4], const uint64_t a[4], const uint64_t b[4]) {
    uint64_t borrow = 0;
    int i;
    for (i = 0; i < 4; i++)
        out[i] = tw_sub_borrow(a[i], b[i], &borrow);
    return borrow;
}

/* a where mask is zero, b where it is ones. */
TW_INLINE void sk_words_choose(uint64_t out[4], uint64_t mask, const uint64_t a[4],
                               const uint64_t b[4]) {
    int i;
    for (i = 0; i < 4; i++)
        out[i] = tw_choose(mask, a[i], b[i]);
}

/* a - n where that is not negative, else a. `above` is a fifth word of a, 0 or 1; a < 2n. */
TW_INLINE void sk_scalar_reduce_once(uint64_t out[4], const uint64_t a[4], uint64_t above) {
    uint64_t less[4], borrow = sk_words_sub(less, a, SK_N);
    /* Stay with a if n did not fit into its four words and there is no fifth to borrow from. */
    sk_words_choose(out, tw_mask(borrow & (above ^ 1)), less, a);
}

/* Any 256-bit value mod n: once is enough, because 2^256 < 2n. */
TW_INLINE void sk_scalar_reduce(uint64_t out[4], const uint64_t a[4]) {
    sk_scalar_reduce_once(out, a, 0);
}

/* 1 if a < n, else 0. */
TW_INLINE uint64_t sk_scalar_is_reduced(const uint64_t a[4]) {
    uint64_t less[4];
    return sk_words_sub(less, a, SK_N);
}

TW_INLINE uint64_t sk_scalar_is_zero(const uint64_t a[4]) {
    return tw_is_zero(a[0] | a[1] | a[2] | a[3]);
}

TW_INLINE void sk_scalar_add(uint64_t out[4], const uint64_t a[4], const uint64_t b[4]) {
    uint64_t sum[4], carry = 0;
    int i;
    for (i = 0; i < 4; i++)
        sum[i] = tw_add_carry(a[i], b[i], &carry);
    sk_scalar_reduce_once(out, sum, carry);
}

/* n - a; gives n for 0. */
TW_INLINE void sk_scalar_negate(uint64_t out[4], const uint64_t a[4]) {
    (void)sk_words_sub(out, SK_N, a);
}

/* n - a where a is above (n - 1) / 2, else a. Returns 1 if it was. */
TW_INLINE uint64_t sk_scalar_lower(uint64_t out[4], const uint64_t a[4]) {
    uint64_t unused[4], negative[4], high = sk_words_sub(unused, SK_HALF_N, a);
    sk_scalar_negate(negative, a);
    sk_words_choose(out, tw_mask(high), a, negative);
    return high;
}

/* a * b / 2^256 mod n, below n, for b < n and any 256-bit a.
 *
 * After each word of a the sum is below b + n < 2n, which five words hold, the fifth being 0 or 1. */
TW_INLINE void sk_scalar_montmul(uint64_t out[4], const uint64_t a[4], const uint64_t b[4]) {
    uint64_t s[4] = {0, 0, 0, 0}, fifth = 0;
    int i, j;
    for (i = 0; i < 4; i++) {
        uint64_t carry = 0, reduction = 0, above = 0, factor;
        for (j = 0; j < 4; j++)
            s[j] = tw_mul_add(s[j], a[i], b[j], &carry);
        factor = s[0] * SK_N_INVERSE;
        (void)tw_mul_add(s[0], factor, SK_N[0], &reduction);
        for (j = 1; j < 4; j++)
            s[j - 1] = tw_mul_add(s[j], factor, SK_N[j], &reduction);
        /* The fifth word of the sum is fifth + carry, that of the multiple of n `reduction`. */
        carry = tw_add_carry(carry, fifth, &above);
        fifth = 0;
        s[3] = tw_add_carry(carry, reduction, &fifth);
        fifth += above;
    }
    sk_scalar_reduce_once(out, s, fifth);
}

/* a * 2^256 mod n for any 256-bit a: the form in which montmul takes a factor. */
TW_INLINE void sk_scalar_to_montgomery(uint64_t out[4], const uint64_t a[4]) {
    sk_scalar_montmul(out, a, SK_R2);
}

/* a * b mod n for b < n and any 256-bit a. */
TW_INLINE void sk_scalar_mul(uint64_t out[4], const uint64_t a[4], const uint64_t b[4]) {
    uint64_t shifted[4];
    sk_scalar_to_montgomery(shifted, a);
    sk_scalar_montmul(out, shifted, b);
}

#endif
