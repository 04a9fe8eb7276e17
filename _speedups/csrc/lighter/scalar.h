/* Scalars: integers mod n, the order of the curve; five words, least significant first.
 *
 * Products are Montgomery's: lt_scalar_montmul(a, b) = a * b / 2^320 mod n. One operand must be
 * below n, the other may be any 320-bit value. Everything else takes and gives scalars below n,
 * except where it says otherwise.
 *
 * Nothing branches on a scalar or uses a part of one as an index: carries become masks, and a
 * subtraction of n is always done and kept or not by mask. All of it may be given secrets.
 */
#ifndef LT_SCALAR_H
#define LT_SCALAR_H

#include "secret/word.h"

static const uint64_t LT_N[5] = {
    UINT64_C(0xE80FD996948BFFE1), UINT64_C(0xE8885C39D724A09C), UINT64_C(0x7FFFFFE6CFB80639),
    UINT64_C(0x7FFFFFF100000016), UINT64_C(0x7FFFFFFD80000007),
};
static const uint64_t LT_R2[5] = {
    /* 2^640 mod n */
    UINT64_C(0xA01001DCE33DC739), UINT64_C(0x6C3228D33F62ACCF), UINT64_C(0xD1D796CC91CF8525),
    UINT64_C(0xAADFFF5D1574C1D8), UINT64_C(0x4ACA13B28CA251F5),
};
#define LT_N_INVERSE UINT64_C(0xD78BEF72057B7BDF) /* -1/n mod 2^64 */

TW_INLINE uint64_t lt_words_add(uint64_t out[5], const uint64_t a[5], const uint64_t b[5]) {
    uint64_t carry = 0;
    int i;
    for (i = 0; i < 5; i++)
        out[i] = tw_add_carry(a[i], b[i], &carry);
    return carry;
}

TW_INLINE uint64_t lt_words_sub(uint64_t out[5], const uint64_t a[5], const uint64_t b[5]) {
    uint64_t borrow = 0;
    int i;
    for (i = 0; i < 5; i++)
        out[i] = tw_sub_borrow(a[i], b[i], &borrow);
    return borrow;
}

/* a where mask is zero, b where it is ones. */
TW_INLINE void lt_words_choose(uint64_t out[5], uint64_t mask, const uint64_t a[5],
                               const uint64_t b[5]) {
    int i;
    for (i = 0; i < 5; i++)
        out[i] = tw_choose(mask, a[i], b[i]);
}

/* a or a - n, whichever is not negative; a may be any 320-bit value. */
TW_INLINE void lt_scalar_reduce_once(uint64_t out[5], const uint64_t a[5]) {
    uint64_t less[5], borrow = lt_words_sub(less, a, LT_N);
    lt_words_choose(out, tw_mask(borrow), less, a);
}

/* Any 320-bit value mod n: twice is enough, because 2^320 < 3n. */
TW_INLINE void lt_scalar_reduce(uint64_t out[5], const uint64_t a[5]) {
    lt_scalar_reduce_once(out, a);
    lt_scalar_reduce_once(out, out);
}

/* 1 if a < n, else 0. */
TW_INLINE uint64_t lt_scalar_is_reduced(const uint64_t a[5]) {
    uint64_t less[5];
    return lt_words_sub(less, a, LT_N);
}

TW_INLINE uint64_t lt_scalar_is_zero(const uint64_t a[5]) {
    return tw_is_zero(a[0] | a[1] | a[2] | a[3] | a[4]);
}

/* a + b cannot leave 320 bits, because n < 2^319. */
TW_INLINE void lt_scalar_add(uint64_t out[5], const uint64_t a[5], const uint64_t b[5]) {
    uint64_t sum[5];
    lt_words_add(sum, a, b);
    lt_scalar_reduce_once(out, sum);
}

TW_INLINE void lt_scalar_sub(uint64_t out[5], const uint64_t a[5], const uint64_t b[5]) {
    uint64_t difference[5], again[5], borrow = lt_words_sub(difference, a, b);
    lt_words_add(again, difference, LT_N);
    lt_words_choose(out, tw_mask(borrow), difference, again);
}

/* a * b / 2^320 mod n, below n, for b < n and any 320-bit a.
 *
 * If the sum was below 2n, it is so again after the next word of a: (2n + (2^64 - 1)(b + n)) / 2^64
 * is. 2n < 2^320, so five words hold it between rounds and one subtraction of n ends it. */
TW_INLINE void lt_scalar_montmul(uint64_t out[5], const uint64_t a[5], const uint64_t b[5]) {
    uint64_t s[5] = {0, 0, 0, 0, 0};
    int i, j;
    for (i = 0; i < 5; i++) {
        uint64_t carry = 0, reduction = 0, above = 0, factor;
        for (j = 0; j < 5; j++)
            s[j] = tw_mul_add(s[j], a[i], b[j], &carry);
        factor = s[0] * LT_N_INVERSE;
        (void)tw_mul_add(s[0], factor, LT_N[0], &reduction);
        for (j = 1; j < 5; j++)
            s[j - 1] = tw_mul_add(s[j], factor, LT_N[j], &reduction);
        s[4] = tw_add_carry(carry, reduction, &above); /* above is always 0 */
    }
    lt_scalar_reduce_once(out, s);
}

/* a * 2^320 mod n for any 320-bit a: the form in which montmul takes a factor. */
TW_INLINE void lt_scalar_to_montgomery(uint64_t out[5], const uint64_t a[5]) {
    lt_scalar_montmul(out, a, LT_R2);
}

/* a * b mod n for b < n and any 320-bit a. */
TW_INLINE void lt_scalar_mul(uint64_t out[5], const uint64_t a[5], const uint64_t b[5]) {
    uint64_t shifted[5];
    lt_scalar_to_montgomery(shifted, a);
    lt_scalar_montmul(out, shifted, b);
}

#endif
