/* 1/a mod n, in constant time.
 *
 * By the division steps of Bernstein and Yang ("Fast constant-time gcd computation and modular
 * inversion", 2019), in the variant that starts at delta = 1/2: 590 steps bring any a below 2^256 to
 * the end. They are done 59 at a time on the lowest words alone, which gives a matrix of small
 * numbers that is then applied to the whole ones. Every step is done for every a, and what it does is
 * chosen by masks.
 *
 * Numbers are five signed words of 62 bits each, least significant first; only the last may be
 * negative. Without a 128-bit integer type: Fermat's a^(n-2), which takes about ten times as long and
 * is constant-time as well, since n is public.
 */
#ifndef SK_INVERSE_H
#define SK_INVERSE_H

#include "scalar.h"

#ifndef TW_NO_INT128

__extension__ typedef __int128 sk_sum;

#define SK_LOW62 (UINT64_MAX >> 2)

enum { SK_STEPS = 59, SK_ROUNDS = 10, SK_SCALE_BITS = 62 - SK_STEPS };

typedef struct {
    int64_t word[5];
} sk_signed;

static const sk_signed SK_SIGNED_N = {{
    INT64_C(0x3FD25E8CD0364141),
    INT64_C(0x2ABB739ABD2280EE),
    INT64_C(0x3FFFFFFFFFFFFFEB),
    INT64_C(0x3FFFFFFFFFFFFFFF),
    INT64_C(0xFF),
}};
#define SK_N_INVERSE62 UINT64_C(0x34F20099AA774EC1) /* 1/n mod 2^62 */

/* What a round does to f and g, times 2^62: f' = u f + v g, g' = q f + r g. The rows add up to at most
 * 2^62 in absolute value. */
typedef struct {
    int64_t u, v, q, r;
} sk_matrix;

/* All ones if x is negative, else zero. */
TW_INLINE uint64_t sk_negative(int64_t x) { return tw_mask((uint64_t)x >> 63); }

/* SK_STEPS division steps on the lowest words of f and g; f is odd. `zeta` is -(delta + 1/2). */
TW_INLINE int64_t sk_division_steps(sk_matrix *out, int64_t zeta, uint64_t f, uint64_t g) {
    /* In units of 2^SK_SCALE_BITS, so that what the steps double ends at 2^62. */
    uint64_t u = (uint64_t)1 << SK_SCALE_BITS, v = 0, q = 0, r = u;
    int i;
    for (i = 0; i < SK_STEPS; i++) {
        uint64_t swap = sk_negative(zeta), odd = tw_mask(g & 1);
        /* g becomes g + f or, where delta > 0, g - f, if it is odd. */
        g += ((f ^ swap) - swap) & odd;
        q += ((u ^ swap) - swap) & odd;
        r += ((v ^ swap) - swap) & odd;
        /* In the latter case f takes the place of the old g: f + (g - f). */
        swap &= odd;
        zeta = (int64_t)(((uint64_t)zeta ^ swap) - 1);
        f += g & swap;
        u += q & swap;
        v += r & swap;
        g >>= 1;
        u <<= 1;
        v <<= 1;
    }
    out->u = (int64_t)u;
    out->v = (int64_t)v;
    out->q = (int64_t)q;
    out->r = (int64_t)r;
    return zeta;
}

TW_INLINE int64_t sk_low(sk_sum x) { return (int64_t)((uint64_t)x & SK_LOW62); }

/* f, g = matrix * (f, g) / 2^62, which divides without a remainder. */
TW_INLINE void sk_apply(sk_signed *f, sk_signed *g, const sk_matrix *t) {
    sk_sum new_f = (sk_sum)t->u * f->word[0] + (sk_sum)t->v * g->word[0];
    sk_sum new_g = (sk_sum)t->q * f->word[0] + (sk_sum)t->r * g->word[0];
    int i;
    for (i = 1; i < 5; i++) {
        int64_t old_f = f->word[i], old_g = g->word[i];
        new_f = (new_f >> 62) + (sk_sum)t->u * old_f + (sk_sum)t->v * old_g;
        new_g = (new_g >> 62) + (sk_sum)t->q * old_f + (sk_sum)t->r * old_g;
        f->word[i - 1] = sk_low(new_f);
        g->word[i - 1] = sk_low(new_g);
    }
    f->word[4] = (int64_t)(new_f >> 62);
    g->word[4] = (int64_t)(new_g >> 62);
}

/* The multiple of n to add to x, whose lowest word is `low`, so that 2^62 divides the sum; it starts
 * from `extra` times n and leaves that within 2^62 of where it was. */
TW_INLINE int64_t sk_fitting_multiple(sk_sum low, int64_t extra) {
    uint64_t wrong = SK_N_INVERSE62 * (uint64_t)low + (uint64_t)extra;
    return extra - (int64_t)(wrong & SK_LOW62);
}

/* d, e = matrix * (d, e) / 2^62 mod n, between -2n and n if they were. */
TW_INLINE void sk_apply_mod_n(sk_signed *d, sk_signed *e, const sk_matrix *t) {
    /* As if n had been added to d and e where they are negative. */
    int64_t d_negative = (int64_t)sk_negative(d->word[4]), e_negative = (int64_t)sk_negative(e->word[4]);
    int64_t for_d = (t->u & d_negative) + (t->v & e_negative);
    int64_t for_e = (t->q & d_negative) + (t->r & e_negative);
    sk_sum new_d = (sk_sum)t->u * d->word[0] + (sk_sum)t->v * e->word[0];
    sk_sum new_e = (sk_sum)t->q * d->word[0] + (sk_sum)t->r * e->word[0];
    int i;
    for_d = sk_fitting_multiple(new_d, for_d);
    for_e = sk_fitting_multiple(new_e, for_e);
    new_d += (sk_sum)SK_SIGNED_N.word[0] * for_d;
    new_e += (sk_sum)SK_SIGNED_N.word[0] * for_e;
    for (i = 1; i < 5; i++) {
        int64_t old_d = d->word[i], old_e = e->word[i], n = SK_SIGNED_N.word[i];
        new_d = (new_d >> 62) + (sk_sum)t->u * old_d + (sk_sum)t->v * old_e + (sk_sum)n * for_d;
        new_e = (new_e >> 62) + (sk_sum)t->q * old_d + (sk_sum)t->r * old_e + (sk_sum)n * for_e;
        d->word[i - 1] = sk_low(new_d);
        e->word[i - 1] = sk_low(new_e);
    }
    d->word[4] = (int64_t)(new_d >> 62);
    e->word[4] = (int64_t)(new_e >> 62);
}

/* Let every word but the last be from 0 to 2^62 - 1 again. */
TW_INLINE void sk_carry(sk_signed *a) {
    int i;
    for (i = 0; i < 4; i++) {
        a->word[i + 1] += a->word[i] >> 62;
        a->word[i] &= (int64_t)SK_LOW62;
    }
}

/* Add n where a is negative. */
TW_INLINE void sk_add_n_if_negative(sk_signed *a) {
    int64_t negative = (int64_t)sk_negative(a->word[4]);
    int i;
    for (i = 0; i < 5; i++)
        a->word[i] += SK_SIGNED_N.word[i] & negative;
    sk_carry(a);
}

/* 1/a mod n for a < n; 0 for 0. */
TW_FUNCTION void sk_scalar_inverse(uint64_t out[4], const uint64_t a[4]) {
    sk_signed d = {{0, 0, 0, 0, 0}}, e = {{1, 0, 0, 0, 0}}, f = SK_SIGNED_N, g;
    sk_matrix t;
    int64_t zeta = -1, negative;
    int i;
    g.word[0] = (int64_t)(a[0] & SK_LOW62);
    g.word[1] = (int64_t)((a[0] >> 62 | a[1] << 2) & SK_LOW62);
    g.word[2] = (int64_t)((a[1] >> 60 | a[2] << 4) & SK_LOW62);
    g.word[3] = (int64_t)((a[2] >> 58 | a[3] << 6) & SK_LOW62);
    g.word[4] = (int64_t)(a[3] >> 56);
    for (i = 0; i < SK_ROUNDS; i++) {
        zeta = sk_division_steps(&t, zeta, (uint64_t)f.word[0] | (uint64_t)f.word[1] << 62,
                                 (uint64_t)g.word[0] | (uint64_t)g.word[1] << 62);
        sk_apply_mod_n(&d, &e, &t);
        sk_apply(&f, &g, &t);
    }
    /* Now g = 0 and f is 1 or -1 (or n, for 0); d is f times the inverse, between -2n and n. */
    sk_add_n_if_negative(&d);
    negative = (int64_t)sk_negative(f.word[4]);
    for (i = 0; i < 5; i++)
        d.word[i] = (d.word[i] ^ negative) - negative;
    sk_carry(&d);
    sk_add_n_if_negative(&d);
    out[0] = (uint64_t)d.word[0] | (uint64_t)d.word[1] << 62;
    out[1] = (uint64_t)d.word[1] >> 2 | (uint64_t)d.word[2] << 60;
    out[2] = (uint64_t)d.word[2] >> 4 | (uint64_t)d.word[3] << 58;
    out[3] = (uint64_t)d.word[3] >> 6 | (uint64_t)d.word[4] << 56;
    tw_wipe(&d, sizeof d);
    tw_wipe(&e, sizeof e);
    tw_wipe(&f, sizeof f);
    tw_wipe(&g, sizeof g);
    tw_wipe(&t, sizeof t);
}

#undef SK_LOW62

#else

/* 1/a mod n for a < n; 0 for 0. */
TW_FUNCTION void sk_scalar_inverse(uint64_t out[4], const uint64_t a[4]) {
    static const uint64_t one[4] = {1, 0, 0, 0};
    uint64_t base[4], power[4];
    int i;
    sk_scalar_to_montgomery(base, a);
    memcpy(power, base, sizeof power); /* the top bit of n - 2 is set */
    for (i = 254; i >= 0; i--) {
        sk_scalar_montmul(power, power, power);
        if ((i < 64 ? SK_N[0] - 2 : SK_N[i / 64]) >> (i % 64) & 1) /* a public bit */
            sk_scalar_montmul(power, power, base);
    }
    sk_scalar_montmul(out, power, one);
    tw_wipe(base, sizeof base);
    tw_wipe(power, sizeof power);
}

#endif

#endif
