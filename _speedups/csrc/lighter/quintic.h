/* The field Fp5 = Fp[X]/(X^5 - 3): five coefficients, c[0] first.
 *
 * Coefficients may be any words (see goldilocks.h); lt_fp5_canonical gives those below p. A product
 * of two elements sums up to five products of words for each coefficient in three words and reduces
 * once.
 *
 * Nothing branches on a coefficient or uses one as an index; lt_fp5_sqrt alone takes a time that
 * depends on its input, and is for public values.
 */
#ifndef LT_QUINTIC_H
#define LT_QUINTIC_H

#include "goldilocks.h"

typedef struct {
    uint64_t c[5];
} lt_fp5;

/* low + 2^64 * high + 2^128 * top. */
typedef struct {
    uint64_t low, high, top;
} lt_sum;

TW_INLINE void lt_sum_add_product(lt_sum *s, uint64_t a, uint64_t b) {
    uint64_t high, low = tw_mul_wide(a, b, &high);
#if TW_X86_ASM
    __asm__("addq %3, %0\n\t"
            "adcq %4, %1\n\t"
            "adcq $0, %2"
            : "+&r"(s->low), "+r"(s->high), "+r"(s->top)
            : TW_ANY(low), TW_ANY(high)
            : "cc");
#else
    uint64_t carry = 0;
    s->low = tw_add_carry(s->low, low, &carry);
    s->high = tw_add_carry(s->high, high, &carry);
    s->top += carry;
#endif
}

TW_INLINE void lt_sum_add(lt_sum *s, uint64_t a) {
#if TW_X86_ASM
    __asm__("addq %3, %0\n\t"
            "adcq $0, %1\n\t"
            "adcq $0, %2"
            : "+r"(s->low), "+r"(s->high), "+r"(s->top)
            : TW_ANY(a)
            : "cc");
#else
    uint64_t carry = 0;
    s->low = tw_add_carry(s->low, a, &carry);
    s->high = tw_add_carry(s->high, 0, &carry);
    s->top += carry;
#endif
}

TW_INLINE void lt_sum_double(lt_sum *s) {
    s->top = s->top << 1 | s->high >> 63;
    s->high = s->high << 1 | s->low >> 63;
    s->low <<= 1;
}

TW_INLINE uint64_t lt_sum_reduce(const lt_sum *s) { return lt_fp_reduce(s->low, s->high, s->top); }

TW_INLINE uint64_t lt_fp_triple(uint64_t x) { return lt_fp_small_mul_add(3, x, 0); }

/* An element b made ready to be multiplied with, perhaps more than once: 3*b1 3*b2 3*b3 3*b4 b0 b1
 * b2 b3 b4. As X^5 = 3, coefficient k of a * b is the sum of a[i] * w[k + 4 - i]. */
typedef struct {
    uint64_t w[9];
} lt_fp5_ready;

TW_INLINE void lt_fp5_make_ready(lt_fp5_ready *out, const lt_fp5 *b) {
    int i;
    for (i = 0; i < 5; i++)
        out->w[i + 4] = b->c[i];
    for (i = 1; i < 5; i++)
        out->w[i - 1] = lt_fp_triple(b->c[i]);
}

/* a[0] * w[4] + a[1] * w[3] + ... + a[4] * w[0], below 5 * 2^128. */
TW_INLINE void lt_sum_column(lt_sum *s, const uint64_t *a, const uint64_t *w) {
#if TW_X86_ASM
    __asm__("movq (%3), %%rax\n\t"
            "mulq 32(%4)\n\t"
            "movq %%rax, %0\n\t"
            "movq %%rdx, %1\n\t"
            "movq 8(%3), %%rax\n\t"
            "mulq 24(%4)\n\t"
            "xorl %k2, %k2\n\t"
            "addq %%rax, %0\n\t"
            "adcq %%rdx, %1\n\t"
            "adcl $0, %k2\n\t"
            "movq 16(%3), %%rax\n\t"
            "mulq 16(%4)\n\t"
            "addq %%rax, %0\n\t"
            "adcq %%rdx, %1\n\t"
            "adcl $0, %k2\n\t"
            "movq 24(%3), %%rax\n\t"
            "mulq 8(%4)\n\t"
            "addq %%rax, %0\n\t"
            "adcq %%rdx, %1\n\t"
            "adcl $0, %k2\n\t"
            "movq 32(%3), %%rax\n\t"
            "mulq (%4)\n\t"
            "addq %%rax, %0\n\t"
            "adcq %%rdx, %1\n\t"
            "adcl $0, %k2"
            : "=&r"(s->low), "=&r"(s->high), "=&r"(s->top)
            : "r"(a), "r"(w), "m"(*(const uint64_t(*)[5])a), "m"(*(const uint64_t(*)[5])w)
            : "rax", "rdx", "cc");
#else
    int i;
    s->low = tw_mul_wide(a[0], w[4], &s->high);
    s->top = 0;
    for (i = 1; i < 5; i++)
        lt_sum_add_product(s, a[i], w[4 - i]);
#endif
}

TW_INLINE void lt_fp5_mul_ready(lt_fp5 *out, const lt_fp5 *a, const lt_fp5_ready *b) {
    uint64_t c[5];
    lt_sum s;
    int i;
    for (i = 0; i < 5; i++) {
        lt_sum_column(&s, a->c, b->w + i);
        c[i] = lt_sum_reduce(&s);
    }
    for (i = 0; i < 5; i++)
        out->c[i] = c[i];
}

TW_INLINE void lt_fp5_mul(lt_fp5 *out, const lt_fp5 *a, const lt_fp5 *b) {
    lt_fp5_ready ready;
    lt_fp5_make_ready(&ready, b);
    lt_fp5_mul_ready(out, a, &ready);
}

/* a * b + d. */
TW_INLINE void lt_fp5_mul_add(lt_fp5 *out, const lt_fp5 *a, const lt_fp5_ready *b,
                              const lt_fp5 *d) {
    uint64_t c[5];
    lt_sum s;
    int i;
    for (i = 0; i < 5; i++) {
        lt_sum_column(&s, a->c, b->w + i);
        lt_sum_add(&s, d->c[i]);
        c[i] = lt_sum_reduce(&s);
    }
    for (i = 0; i < 5; i++)
        out->c[i] = c[i];
}

/* 2 * a * b. */
TW_INLINE void lt_fp5_mul_twice(lt_fp5 *out, const lt_fp5 *a, const lt_fp5_ready *b) {
    uint64_t c[5];
    lt_sum s;
    int i;
    for (i = 0; i < 5; i++) {
        lt_sum_column(&s, a->c, b->w + i);
        lt_sum_double(&s);
        c[i] = lt_sum_reduce(&s);
    }
    for (i = 0; i < 5; i++)
        out->c[i] = c[i];
}

TW_INLINE void lt_fp5_sqr(lt_fp5 *out, const lt_fp5 *a) {
    uint64_t a0 = a->c[0], a1 = a->c[1], a2 = a->c[2], a3 = a->c[3], a4 = a->c[4];
    uint64_t t3 = lt_fp_triple(a3), t4 = lt_fp_triple(a4);
    lt_sum s[5];
    int i;
    /* The mixed products first, which count twice. */
#define LT_PAIR(i, p, q, r, t)                                                                     \
    s[i].low = tw_mul_wide(p, q, &s[i].high);                                                      \
    s[i].top = 0;                                                                                  \
    lt_sum_add_product(&s[i], r, t);                                                               \
    lt_sum_double(&s[i])
    LT_PAIR(0, a1, t4, a2, t3);
    LT_PAIR(1, a0, a1, a2, t4);
    LT_PAIR(2, a0, a2, a3, t4);
    LT_PAIR(3, a0, a3, a1, a2);
    LT_PAIR(4, a0, a4, a1, a3);
#undef LT_PAIR
    lt_sum_add_product(&s[0], a0, a0);
    lt_sum_add_product(&s[1], a3, t3);
    lt_sum_add_product(&s[2], a1, a1);
    lt_sum_add_product(&s[3], a4, t4);
    lt_sum_add_product(&s[4], a2, a2);
    for (i = 0; i < 5; i++)
        out->c[i] = lt_sum_reduce(&s[i]);
}

TW_INLINE void lt_fp5_add(lt_fp5 *out, const lt_fp5 *a, const lt_fp5 *b) {
    int i;
    for (i = 0; i < 5; i++)
        out->c[i] = lt_fp_add(a->c[i], b->c[i]);
}

TW_INLINE void lt_fp5_sub(lt_fp5 *out, const lt_fp5 *a, const lt_fp5 *b) {
    int i;
    for (i = 0; i < 5; i++)
        out->c[i] = lt_fp_sub(a->c[i], b->c[i]);
}

/* factor * a + d for a factor below 2^31. */
TW_INLINE void lt_fp5_small_mul_add(lt_fp5 *out, uint64_t factor, const lt_fp5 *a,
                                    const lt_fp5 *d) {
    int i;
    for (i = 0; i < 5; i++)
        out->c[i] = lt_fp_small_mul_add(factor, a->c[i], d->c[i]);
}

/* 263 X * a + d: 263 X is the curve's b. */
TW_INLINE void lt_fp5_b_mul_add(lt_fp5 *out, const lt_fp5 *a, const lt_fp5 *d) {
    uint64_t first = lt_fp_small_mul_add(3 * 263, a->c[4], d->c[0]);
    int i;
    for (i = 4; i > 0; i--)
        out->c[i] = lt_fp_small_mul_add(263, a->c[i - 1], d->c[i]);
    out->c[0] = first;
}

TW_INLINE void lt_fp5_canonical(lt_fp5 *a) {
    int i;
    for (i = 0; i < 5; i++)
        a->c[i] = lt_fp_canonical(a->c[i]);
}

/* 1 if a is 0, else 0. */
TW_INLINE uint64_t lt_fp5_is_zero(const lt_fp5 *a) {
    uint64_t all = 0;
    int i;
    for (i = 0; i < 5; i++)
        all |= lt_fp_canonical(a->c[i]);
    return tw_is_zero(all);
}

TW_INLINE uint64_t lt_fp5_equal(const lt_fp5 *a, const lt_fp5 *b) {
    lt_fp5 difference;
    lt_fp5_sub(&difference, a, b);
    return lt_fp5_is_zero(&difference);
}

/* a^p: coefficient i times z^i, z = 3^((p-1)/5). */
TW_INLINE void lt_fp5_frobenius(lt_fp5 *out, const lt_fp5 *a) {
    out->c[0] = a->c[0];
    out->c[1] = lt_fp_mul(a->c[1], UINT64_C(1041288259238279555));
    out->c[2] = lt_fp_mul(a->c[2], UINT64_C(15820824984080659046));
    out->c[3] = lt_fp_mul(a->c[3], UINT64_C(211587555138949697));
    out->c[4] = lt_fp_mul(a->c[4], UINT64_C(1373043270956696022));
}

/* a^(p^2). */
TW_INLINE void lt_fp5_frobenius2(lt_fp5 *out, const lt_fp5 *a) {
    out->c[0] = a->c[0];
    out->c[1] = lt_fp_mul(a->c[1], UINT64_C(15820824984080659046));
    out->c[2] = lt_fp_mul(a->c[2], UINT64_C(1373043270956696022));
    out->c[3] = lt_fp_mul(a->c[3], UINT64_C(1041288259238279555));
    out->c[4] = lt_fp_mul(a->c[4], UINT64_C(211587555138949697));
}

/* The first coefficient of a * b. */
TW_INLINE uint64_t lt_fp5_mul_first(const lt_fp5 *a, const lt_fp5 *b) {
    lt_sum s = {0, 0, 0};
    int i;
    for (i = 1; i < 5; i++)
        lt_sum_add_product(&s, a->c[i], b->c[5 - i]);
    s.low = lt_fp_triple(lt_sum_reduce(&s));
    s.high = s.top = 0;
    lt_sum_add_product(&s, a->c[0], b->c[0]);
    return lt_sum_reduce(&s);
}

/* a^(p + p^2 + p^3 + p^4); times a it is the norm, which lies in Fp and is returned. */
TW_INLINE uint64_t lt_fp5_conjugates(lt_fp5 *out, const lt_fp5 *a) {
    lt_fp5 d, e;
    lt_fp5_frobenius(&d, a);
    lt_fp5_frobenius(&e, &d);
    lt_fp5_mul(&e, &d, &e);
    lt_fp5_frobenius2(&d, &e);
    lt_fp5_mul(out, &e, &d);
    return lt_fp5_mul_first(a, out);
}

/* 1/a, and 0 for 0. The same operations for every a. */
TW_FUNCTION void lt_fp5_inv(lt_fp5 *out, const lt_fp5 *a) {
    lt_fp5 f;
    uint64_t g = lt_fp_inv(lt_fp5_conjugates(&f, a));
    int i;
    for (i = 0; i < 5; i++)
        out->c[i] = lt_fp_mul(f.c[i], g);
}

/* 1 for a square, p - 1 for another, 0 for 0. */
TW_FUNCTION uint64_t lt_fp5_legendre(const lt_fp5 *a) {
    lt_fp5 f;
    return lt_fp_legendre(lt_fp5_conjugates(&f, a));
}

/* A square root of a, if there is one: 1 and *root, else 0. For public values: takes a time that
 * depends on a. */
TW_FUNCTION int lt_fp5_sqrt(lt_fp5 *root, const lt_fp5 *a) {
    lt_fp5 v = *a, d, e, f;
    uint64_t g;
    int i;
    for (i = 0; i < 31; i++)
        lt_fp5_sqr(&v, &v);
    d = v;
    for (i = 0; i < 32; i++)
        lt_fp5_sqr(&d, &d);
    lt_fp5_mul(&d, a, &d);
    lt_fp5_inv(&v, &v);
    lt_fp5_mul(&d, &d, &v); /* a^((p+1)/2) */
    lt_fp5_frobenius2(&e, &d);
    lt_fp5_mul(&d, &d, &e);
    lt_fp5_frobenius(&e, &d);
    lt_fp5_sqr(&f, &e);
    if (!lt_fp_sqrt(&g, lt_fp5_mul_first(a, &f)))
        return 0;
    lt_fp5_inv(&e, &e);
    for (i = 0; i < 5; i++)
        root->c[i] = lt_fp_canonical(lt_fp_mul(e.c[i], g));
    return 1;
}

TW_INLINE void lt_fp5_load(lt_fp5 *out, const uint8_t *p) { tw_load320(out->c, p); }

TW_INLINE void lt_fp5_store(uint8_t *p, const lt_fp5 *a) {
    lt_fp5 canonical = *a;
    lt_fp5_canonical(&canonical);
    tw_store320(p, canonical.c);
}

#endif
