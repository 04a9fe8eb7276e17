/* The field Fp, p = 2^64 - 2^32 + 1.
 *
 * An element is any uint64_t and stands for its value mod p; lt_fp_canonical gives the one below p,
 * which is all that may leave this arithmetic. 2^64 = EPSILON and 2^96 = -1 mod p, so a product is
 * brought back to one word by shifts and additions.
 *
 * Nothing branches on an element or uses one as an index; lt_fp_sqrt alone takes a time that
 * depends on its input, and is for public values.
 */
#ifndef LT_GOLDILOCKS_H
#define LT_GOLDILOCKS_H

#include "secret/word.h"

#define LT_P UINT64_C(0xFFFFFFFF00000001)
#define LT_EPSILON UINT64_C(0xFFFFFFFF) /* 2^64 mod p */

/* EPSILON if bit is 1, zero if it is 0: what a carry out of 64 bits is worth. */
TW_INLINE uint64_t lt_fp_epsilon_if(uint64_t bit) {
    uint32_t mask = 0u - (uint32_t)bit;
    TW_HIDE(mask);
    return mask;
}

TW_INLINE uint64_t lt_fp_canonical(uint64_t x) {
    uint64_t borrow = 0, less = tw_sub_borrow(x, LT_P, &borrow);
    return tw_choose(tw_mask(borrow), less, x);
}

/* a + b; repaired twice, because two words at or above p can overflow twice. */
TW_INLINE uint64_t lt_fp_add(uint64_t a, uint64_t b) {
#if TW_X86_ASM
    uint32_t epsilon;
    __asm__("addq %2, %0\n\t"
            "sbbl %1, %1\n\t"
            "addq %q1, %0\n\t"
            "sbbl %1, %1\n\t"
            "addq %q1, %0"
            : "+r"(a), "=&r"(epsilon)
            : TW_ANY(b)
            : "cc");
    return a;
#else
    uint64_t carry = 0;
    a = tw_add_carry(a, b, &carry);
    b = lt_fp_epsilon_if(carry);
    carry = 0;
    a = tw_add_carry(a, b, &carry);
    return a + lt_fp_epsilon_if(carry);
#endif
}

TW_INLINE uint64_t lt_fp_sub(uint64_t a, uint64_t b) {
#if TW_X86_ASM
    uint32_t epsilon;
    __asm__("subq %2, %0\n\t"
            "sbbl %1, %1\n\t"
            "subq %q1, %0\n\t"
            "sbbl %1, %1\n\t"
            "subq %q1, %0"
            : "+r"(a), "=&r"(epsilon)
            : TW_ANY(b)
            : "cc");
    return a;
#else
    uint64_t borrow = 0;
    a = tw_sub_borrow(a, b, &borrow);
    b = lt_fp_epsilon_if(borrow);
    borrow = 0;
    a = tw_sub_borrow(a, b, &borrow);
    return a - lt_fp_epsilon_if(borrow);
#endif
}

TW_INLINE uint64_t lt_fp_neg(uint64_t x) { return lt_fp_sub(0, x); }

/* low + 2^64 * high + 2^128 * top, for top < 2^32 - 1.
 *
 * = low - (2^32 * top + high's upper half) + EPSILON * high's lower half, and neither step can
 * overflow again after its repair: what is subtracted is below 2^64 - 2^32, and so is the product,
 * (2^32 - 1)^2 = 2^64 - 2^33 + 1. */
TW_INLINE uint64_t lt_fp_reduce(uint64_t low, uint64_t high, uint64_t top) {
    uint64_t minus = (high >> 32) + (top << 32), half = (uint32_t)high;
    uint64_t plus = (half << 32) - half;
#if TW_X86_ASM
    uint32_t epsilon;
    __asm__("subq %2, %0\n\t"
            "sbbl %1, %1\n\t"
            "subq %q1, %0\n\t"
            "addq %3, %0\n\t"
            "sbbl %1, %1\n\t"
            "addq %q1, %0"
            : "+&r"(low), "=&r"(epsilon)
            : TW_ANY(minus), TW_ANY(plus)
            : "cc");
    return low;
#else
    uint64_t carry = 0;
    low = tw_sub_borrow(low, minus, &carry);
    low -= lt_fp_epsilon_if(carry);
    carry = 0;
    low = tw_add_carry(low, plus, &carry);
    return low + lt_fp_epsilon_if(carry);
#endif
}

/* low + 2^64 * high for high < 2^32 - 1: a sum of a few elements, or one times a small factor. */
TW_INLINE uint64_t lt_fp_reduce_small(uint64_t low, uint64_t high) {
    uint64_t plus = (high << 32) - high;
#if TW_X86_ASM
    uint32_t epsilon;
    __asm__("addq %2, %0\n\t"
            "sbbl %1, %1\n\t"
            "addq %q1, %0"
            : "+r"(low), "=&r"(epsilon)
            : TW_ANY(plus)
            : "cc");
    return low;
#else
    uint64_t carry = 0;
    low = tw_add_carry(low, plus, &carry);
    return low + lt_fp_epsilon_if(carry);
#endif
}

TW_INLINE uint64_t lt_fp_mul(uint64_t a, uint64_t b) {
    uint64_t high, low = tw_mul_wide(a, b, &high);
    return lt_fp_reduce(low, high, 0);
}

/* a * b + c with one reduction. */
TW_INLINE uint64_t lt_fp_mul_add(uint64_t a, uint64_t b, uint64_t c) {
    uint64_t high = 0, low = tw_mul_add(c, a, b, &high);
    return lt_fp_reduce(low, high, 0);
}

/* factor * a + c for a factor below 2^31, with one short reduction. */
TW_INLINE uint64_t lt_fp_small_mul_add(uint64_t factor, uint64_t a, uint64_t c) {
    uint64_t high = 0, low = tw_mul_add(c, a, factor, &high);
    return lt_fp_reduce_small(low, high);
}

TW_INLINE uint64_t lt_fp_sqr(uint64_t a) { return lt_fp_mul(a, a); }

/* a^(2^count); count is public. */
TW_INLINE uint64_t lt_fp_sqr_times(uint64_t a, int count) {
    while (count--)
        a = lt_fp_sqr(a);
    return a;
}

/* x^7, the S-box of Poseidon2. */
TW_INLINE uint64_t lt_fp_pow7(uint64_t x) {
    uint64_t x2 = lt_fp_sqr(x), x3 = lt_fp_mul(x2, x), x4 = lt_fp_sqr(x2);
    return lt_fp_mul(x3, x4);
}

/* x^(2^31 - 1). */
TW_INLINE uint64_t lt_fp_pow_31_ones(uint64_t x) {
    uint64_t x2 = lt_fp_mul(lt_fp_sqr(x), x); /* 2 ones */
    uint64_t x4 = lt_fp_mul(lt_fp_sqr_times(x2, 2), x2);
    uint64_t x8 = lt_fp_mul(lt_fp_sqr_times(x4, 4), x4);
    uint64_t x16 = lt_fp_mul(lt_fp_sqr_times(x8, 8), x8);
    uint64_t x24 = lt_fp_mul(lt_fp_sqr_times(x16, 8), x8);
    uint64_t x28 = lt_fp_mul(lt_fp_sqr_times(x24, 4), x4);
    uint64_t x30 = lt_fp_mul(lt_fp_sqr_times(x28, 2), x2);
    return lt_fp_mul(lt_fp_sqr(x30), x);
}

/* 1/x, and 0 for 0: x^(p-2) by a fixed chain, the same operations for every x.
 * p - 2 = 2 * (2^31 - 1) * (2^32 + 1) + 1. */
TW_FUNCTION uint64_t lt_fp_inv(uint64_t x) {
    uint64_t a = lt_fp_pow_31_ones(x);
    uint64_t b = lt_fp_mul(lt_fp_sqr_times(a, 32), a);
    return lt_fp_mul(lt_fp_sqr(b), x);
}

/* x^((p-1)/2): 1 for a square, p - 1 for another, 0 for 0. (p-1)/2 = 2^31 * (2^32 - 1). */
TW_FUNCTION uint64_t lt_fp_legendre(uint64_t x) {
    uint64_t ones = lt_fp_mul(lt_fp_sqr(lt_fp_pow_31_ones(x)), x); /* x^(2^32 - 1) */
    return lt_fp_canonical(lt_fp_sqr_times(ones, 31));
}

/* A square root of x, if there is one: 1 and *root, else 0. For public values: takes a time that
 * depends on x. Tonelli and Shanks, p - 1 = 2^32 * (2^32 - 1). */
TW_FUNCTION int lt_fp_sqrt(uint64_t *root, uint64_t x) {
    uint64_t generator = UINT64_C(7277203076849721926); /* of the 2^32nd roots of unity */
    uint64_t w, r, t, b;
    int m = 32, i;
    x = lt_fp_canonical(x);
    *root = 0;
    if (!x)
        return 1;
    if (lt_fp_legendre(x) != 1)
        return 0;
    w = lt_fp_pow_31_ones(x); /* x^((q-1)/2), q = 2^32 - 1 */
    r = lt_fp_mul(w, x);
    t = lt_fp_mul(r, w);
    while (lt_fp_canonical(t) != 1) {
        for (i = 0, b = t; lt_fp_canonical(b) != 1; i++)
            b = lt_fp_sqr(b);
        b = lt_fp_sqr_times(generator, m - i - 1);
        r = lt_fp_mul(r, b);
        generator = lt_fp_sqr(b);
        t = lt_fp_mul(t, generator);
        m = i;
    }
    *root = lt_fp_canonical(r);
    return 1;
}

#endif
