/* 64-bit words: wide products, carries, masks, bytes, and forgetting.
 *
 * Nothing here branches on a value or uses one as an index, so all of it may be given secrets. A
 * carry is a 0 or 1 that is turned into a mask; TW_HIDE keeps the compiler from seeing that the
 * mask has only two values, which is what tempts it to put a branch there.
 *
 * Two switches leave faster code out, for machines that lack what it needs and for tests:
 * TW_NO_ASM does without inline assembly, TW_NO_INT128 without a 128-bit integer type as well.
 *
 * No Python headers.
 */
#ifndef TW_SECRET_WORD_H
#define TW_SECRET_WORD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(__SIZEOF_INT128__) && !defined(TW_NO_INT128)
#define TW_NO_INT128
#endif
#if defined(TW_NO_INT128) && !defined(TW_NO_ASM)
#define TW_NO_ASM
#endif
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(TW_NO_ASM)
#define TW_X86_ASM 1
#else
#define TW_X86_ASM 0
#endif

/* An operand of inline assembly that may stand in a register or in memory. Given the choice, Clang
 * always takes memory. */
#ifdef __clang__
#define TW_ANY(x) "r"(x)
#else
#define TW_ANY(x) "rm"(x)
#endif

#if defined(__GNUC__) || defined(__clang__)
#define TW_INLINE static inline __attribute__((always_inline, unused))
#define TW_FUNCTION static __attribute__((noinline, unused))
#define TW_HIDE(x) __asm__("" : "+r"(x))
#define TW_FETCH_AHEAD(p) __builtin_prefetch(p)
#else
#define TW_INLINE static __forceinline
#define TW_FUNCTION static __declspec(noinline)
#define TW_HIDE(x) ((void)0)
#define TW_FETCH_AHEAD(p) ((void)(p))
#endif

/* What a secret may reveal after all is said to be public with this; the tests of constant time
 * (tests/ct) define it as a mark for Valgrind. */
#ifndef TW_PUBLIC
#define TW_PUBLIC(pointer, size) ((void)(pointer), (void)(size))
#endif

/* All ones if bit is 1, zero if it is 0. */
TW_INLINE uint64_t tw_mask(uint64_t bit) {
    uint64_t mask = 0 - bit;
    TW_HIDE(mask);
    return mask;
}

/* 1 if x is 0, else 0. */
TW_INLINE uint64_t tw_is_zero(uint64_t x) { return ((x | (0 - x)) >> 63) ^ 1; }

/* b where mask is ones, a where it is zero. */
TW_INLINE uint64_t tw_choose(uint64_t mask, uint64_t a, uint64_t b) { return a ^ (mask & (a ^ b)); }

#ifndef TW_NO_INT128

__extension__ typedef unsigned __int128 tw_wide;

TW_INLINE uint64_t tw_mul_wide(uint64_t a, uint64_t b, uint64_t *high) {
    tw_wide product = (tw_wide)a * b;
    *high = (uint64_t)(product >> 64);
    return (uint64_t)product;
}

/* a + b + *carry; *carry becomes what did not fit. */
TW_INLINE uint64_t tw_add_carry(uint64_t a, uint64_t b, uint64_t *carry) {
    tw_wide sum = (tw_wide)a + b + *carry;
    *carry = (uint64_t)(sum >> 64);
    return (uint64_t)sum;
}

/* a - b - *borrow; *borrow becomes 1 if that was below zero. */
TW_INLINE uint64_t tw_sub_borrow(uint64_t a, uint64_t b, uint64_t *borrow) {
    tw_wide difference = (tw_wide)a - b - *borrow;
    *borrow = (uint64_t)(difference >> 64) & 1;
    return (uint64_t)difference;
}

#else

TW_INLINE uint64_t tw_mul_wide(uint64_t a, uint64_t b, uint64_t *high) {
    const uint64_t half = 0xFFFFFFFF;
    uint64_t ll = (a & half) * (b & half), lh = (a & half) * (b >> 32);
    uint64_t hl = (a >> 32) * (b & half), hh = (a >> 32) * (b >> 32);
    uint64_t middle = (ll >> 32) + (lh & half) + (hl & half);
    *high = hh + (lh >> 32) + (hl >> 32) + (middle >> 32);
    return (ll & half) | (middle << 32);
}

/* The carry out of the top bit, without a comparison: where both have a 1, or one has and the sum
 * has not. */
TW_INLINE uint64_t tw_add_carry(uint64_t a, uint64_t b, uint64_t *carry) {
    uint64_t sum = a + b + *carry;
    *carry = ((a & b) | ((a | b) & ~sum)) >> 63;
    return sum;
}

TW_INLINE uint64_t tw_sub_borrow(uint64_t a, uint64_t b, uint64_t *borrow) {
    uint64_t difference = a - b - *borrow;
    *borrow = ((~a & b) | ((~a | b) & difference)) >> 63;
    return difference;
}

#endif

/* a + b * c + *carry, which always fits two words: returns the low one, *carry the high one. */
TW_INLINE uint64_t tw_mul_add(uint64_t a, uint64_t b, uint64_t c, uint64_t *carry) {
#ifndef TW_NO_INT128
    tw_wide sum = (tw_wide)b * c + a + *carry;
    *carry = (uint64_t)(sum >> 64);
    return (uint64_t)sum;
#else
    uint64_t high, none = 0, low = tw_mul_wide(b, c, &high);
    low = tw_add_carry(low, a, &none);
    high += none;
    none = 0;
    low = tw_add_carry(low, *carry, &none);
    *carry = high + none;
    return low;
#endif
}

/* Bytes, least significant first, on any machine. */
TW_INLINE uint64_t tw_load64(const uint8_t *p) {
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56;
}

TW_INLINE void tw_store64(uint8_t *p, uint64_t x) {
    int i;
    for (i = 0; i < 8; i++)
        p[i] = (uint8_t)(x >> (8 * i));
}

TW_INLINE void tw_load320(uint64_t out[5], const uint8_t *p) {
    int i;
    for (i = 0; i < 5; i++)
        out[i] = tw_load64(p + 8 * i);
}

TW_INLINE void tw_store320(uint8_t *p, const uint64_t x[5]) {
    int i;
    for (i = 0; i < 5; i++)
        tw_store64(p + 8 * i, x[i]);
}

/* Overwrite with zeros, even if nothing reads the memory again. */
TW_INLINE void tw_wipe(void *p, size_t n) {
#if defined(__GNUC__) || defined(__clang__)
    memset(p, 0, n);
    __asm__ volatile("" : : "r"(p) : "memory");
#else
    volatile uint8_t *bytes = (volatile uint8_t *)p;
    while (n--)
        *bytes++ = 0;
#endif
}

#endif
