/* ECgFp5: y^2 = x(x^2 + 2x + b), b = 263 X, a group of prime order; and multiples of its generator.
 *
 * A point is four elements with x = b * X/Z and u = x/y = U/T: X is the usual coordinate divided by
 * b, which takes a multiplication by b out of every formula. A common factor of X and Z, or of U
 * and T, means nothing. Neutral: X = 0, Z = 1, U = 0, T = 1. The formulas hold for all points, so
 * adding has no special case to look for.
 *
 * Secrets: a scalar multiplied with the generator, and the coordinates on the way, which would
 * betray it. Everything on that path does the same operations in the same order, reads the whole
 * row of the table for each digit, and keeps what it wants by mask. lt_point_decode and
 * lt_point_mul are for public values: they branch, and take a time that depends on their input.
 */
#ifndef LT_CURVE_H
#define LT_CURVE_H

#include "backend.h"
#include "generator_table.h"
#include "quintic.h"
#include "scalar.h"

typedef struct {
    lt_fp5 x, z, u, t;
} lt_point;

/* A point with Z = T = 1. (0, 0) is the neutral one. */
typedef struct {
    lt_fp5 x, u;
} lt_affine;

TW_INLINE void lt_point_neutral(lt_point *p) {
    memset(p, 0, sizeof *p);
    p->z.c[0] = p->t.c[0] = 1;
}

/* What both additions do once they have the products: with v = U1*U2, y = X1*X2,
 * s = X1*Z2 + X2*Z1 and t = T1*T2,
 *   m = Z1*Z2 + b*y     n = 2*v*(b*s + m)    k = t*m
 *   X = (t + 2*v)*(s + m) - k    Z = k - n    U = (U1*T2 + U2*T1)*(Z1*Z2 - b*y)    T = k + n */
TW_INLINE void lt_point_finish(lt_point *out, const lt_fp5 *twice_v, const lt_fp5 *by,
                               const lt_fp5 *s, const lt_fp5 *z, const lt_fp5 *t,
                               const lt_fp5 *cross) {
    lt_fp5 m, n, k, left, right;
    lt_fp5_add(&m, z, by);
    lt_fp5_sub(&left, z, by);
    lt_fp5_b_mul_add(&n, s, &m);
    lt_fp5_add(&right, s, &m);
    lt_fp5_mul(&k, t, &m);
    lt_fp5_mul(&n, twice_v, &n);
    lt_fp5_mul(&out->u, cross, &left);
    lt_fp5_add(&left, t, twice_v);
    lt_fp5_mul(&left, &left, &right);
    lt_fp5_sub(&out->x, &left, &k);
    lt_fp5_sub(&out->z, &k, &n);
    lt_fp5_add(&out->t, &k, &n);
}

/* p + q: 10 multiplications. */
TW_FUNCTION void lt_point_add(lt_point *out, const lt_point *p, const lt_point *q) {
    static const lt_fp5 zero = {{0, 0, 0, 0, 0}};
    lt_fp5 y, z, v, t, s, cross, left, right;
    lt_fp5_mul(&y, &p->x, &q->x);
    lt_fp5_mul(&z, &p->z, &q->z);
    lt_fp5_mul(&v, &p->u, &q->u);
    lt_fp5_mul(&t, &p->t, &q->t);
    lt_fp5_add(&left, &p->x, &p->z);
    lt_fp5_add(&right, &q->x, &q->z);
    lt_fp5_mul(&s, &left, &right);
    lt_fp5_sub(&s, &s, &y);
    lt_fp5_sub(&s, &s, &z);
    lt_fp5_add(&left, &p->u, &p->t);
    lt_fp5_add(&right, &q->u, &q->t);
    lt_fp5_mul(&cross, &left, &right);
    lt_fp5_sub(&cross, &cross, &v);
    lt_fp5_sub(&cross, &cross, &t);
    lt_fp5_add(&v, &v, &v);
    lt_fp5_b_mul_add(&y, &y, &zero);
    lt_point_finish(out, &v, &y, &s, &z, &t, &cross);
}

/* p + q for q with Z = T = 1: 8 multiplications. Nothing depends on the values but the values. */
TW_INLINE void lt_point_add_affine(lt_point *out, const lt_point *p, const lt_affine *q) {
    static const lt_fp5 zero = {{0, 0, 0, 0, 0}};
    lt_fp5 by, v, s, cross;
    lt_fp5_ready qx, qu;
    lt_fp5_make_ready(&qx, &q->x);
    lt_fp5_make_ready(&qu, &q->u);
    lt_fp5_mul_ready(&by, &p->x, &qx);
    lt_fp5_mul_twice(&v, &p->u, &qu);
    lt_fp5_mul_add(&s, &p->z, &qx, &p->x);
    lt_fp5_mul_add(&cross, &p->t, &qu, &p->u);
    lt_fp5_b_mul_add(&by, &by, &zero);
    lt_point_finish(out, &v, &by, &s, &p->z, &p->t, &cross);
}

/* p + p: 4 multiplications and 5 squarings. */
TW_FUNCTION void lt_point_double(lt_point *out, const lt_point *p) {
    static const lt_fp5 zero = {{0, 0, 0, 0, 0}};
    lt_fp5 t1, t2, q, h, t3, w, t4;
    lt_fp5_ready ready;
    lt_fp5_mul(&t1, &p->z, &p->t);
    lt_fp5_mul(&t2, &t1, &p->t);
    lt_fp5_sqr(&q, &t2);
    lt_fp5_mul(&h, &t1, &p->u);
    lt_fp5_sqr(&t3, &p->u);
    lt_fp5_b_mul_add(&w, &p->x, &p->z);
    lt_fp5_make_ready(&ready, &t3);
    lt_fp5_mul_twice(&w, &w, &ready);
    lt_fp5_sub(&w, &t2, &w);
    lt_fp5_sqr(&t4, &h);
    lt_fp5_small_mul_add(&out->x, 4, &t4, &zero);
    lt_fp5_sqr(&out->z, &w);
    lt_fp5_add(&w, &w, &h);
    lt_fp5_sqr(&w, &w);
    lt_fp5_sub(&w, &w, &t4);
    lt_fp5_sub(&out->u, &w, &out->z);
    lt_fp5_add(&q, &q, &q);
    lt_fp5_sub(&q, &q, &out->x);
    lt_fp5_sub(&out->t, &q, &out->z);
}

/* w = T/U, canonical; 0 for the neutral point. One inversion; the same operations always. */
TW_FUNCTION void lt_point_encode(lt_fp5 *w, const lt_point *p) {
    lt_fp5 inverse;
    lt_fp5_inv(&inverse, &p->u);
    lt_fp5_mul(w, &p->t, &inverse);
    lt_fp5_canonical(w);
}

/* The point that encodes to w: 1, or 0 if there is none. An encoding is canonical: a coefficient at
 * or above p is refused. For public values: branches on them. */
TW_FUNCTION int lt_point_decode(lt_point *p, const lt_fp5 *w) {
    static const lt_fp5 zero = {{0, 0, 0, 0, 0}};
    const uint64_t half = UINT64_C(9223372034707292161); /* 1/2 */
    lt_fp5 e, d, r, x;
    int i;
    for (i = 0; i < 5; i++)
        if (w->c[i] >= LT_P)
            return 0;
    lt_point_neutral(p);
    lt_fp5_sqr(&e, w);
    e.c[0] = lt_fp_sub(e.c[0], 2);
    lt_fp5_sqr(&d, &e);
    d.c[1] = lt_fp_sub(d.c[1], 4 * 263);
    if (!lt_fp5_sqrt(&r, &d))
        return (int)lt_fp5_is_zero(w);
    lt_fp5_add(&x, &e, &r);
    if (lt_fp5_legendre(&x) <= 1) /* one of the two is not a square, and that is the point */
        lt_fp5_sub(&x, &e, &r);
    for (i = 0; i < 5; i++)
        x.c[i] = lt_fp_mul(x.c[i], half);
    /* divided by b = 263 X: a rotation, 1/263 and 1/789 */
    for (i = 0; i < 4; i++)
        p->x.c[i] = lt_fp_mul(x.c[i + 1], UINT64_C(7013971129054975027));
    p->x.c[4] = lt_fp_mul(x.c[0], UINT64_C(14635819755961381223));
    p->u = zero;
    p->u.c[0] = 1;
    p->t = *w;
    return 1;
}

/* Digits of a scalar below n, for windows of five bits: scalar = sum of (digit[i] - 16) * 32^i,
 * where the 16 is not taken off the last. The 16s are added to the whole scalar beforehand, so
 * there is no carry from digit to digit. 0 to 31 each. */
TW_INLINE void lt_scalar_digits(uint8_t digits[LT_WINDOWS], const uint64_t scalar[5]) {
    static const uint64_t halves[5] = {/* 16 * 32^i for i from 0 to 62 */
                                       UINT64_C(0x0842108421084210), UINT64_C(0x1084210842108421),
                                       UINT64_C(0x2108421084210842), UINT64_C(0x4210842108421084),
                                       UINT64_C(0x0421084210842108)};
    uint64_t shifted[6];
    int i;
    lt_words_add(shifted, scalar, halves);
    shifted[5] = 0;
    for (i = 0; i < LT_WINDOWS; i++) {
        int word = i * LT_WINDOW_BITS / 64, bit = i * LT_WINDOW_BITS % 64;
        /* bits of the word above, if any; shifted twice, as a shift by 64 means nothing */
        uint64_t digit = shifted[word] >> bit | shifted[word + 1] << 1 << (63 - bit);
        digits[i] = (uint8_t)(digit & 31);
    }
    tw_wipe(shifted, sizeof shifted);
}

/* Split a digit: its size, 0 to 16, and a mask that is ones if it is negative. */
TW_INLINE uint64_t lt_digit_size(uint64_t *negative, uint64_t digit, uint64_t offset) {
    uint64_t value = digit - offset;
    *negative = tw_mask(value >> 63);
    return (value ^ *negative) - *negative;
}

/* Entry `size` of a row of the table with the sign of `negative`, (0, 0) for 0. Reads all entries,
 * whatever the size: what is not wanted goes under a mask of zeros. */
TW_INLINE void lt_table_select(lt_affine *out, const uint64_t row[LT_WINDOW_ENTRIES][10],
                               uint64_t size, uint64_t negative) {
    uint64_t found[10] = {0};
    uint64_t entry;
    int i;
    for (entry = 0; entry < LT_WINDOW_ENTRIES; entry++) {
        uint64_t mask = tw_mask(tw_is_zero(size ^ (entry + 1)));
        for (i = 0; i < 10; i++)
            found[i] |= mask & row[entry][i];
    }
    memcpy(&out->x, found, sizeof out->x);
    for (i = 0; i < 5; i++) { /* entries are canonical: p - u does not fall below zero */
        uint64_t u = found[5 + i];
        TW_HIDE(u); /* one by one: as vectors they would straddle those just written, and wait */
        out->u.c[i] = tw_choose(negative, u, LT_P - u);
    }
}

#if LT_HAS_AVX2
/* The same with vectors of four words: 2 1/2 for each entry, all of which are read. */
LT_AVX2 TW_INLINE void lt_table_select_avx2(lt_affine *out,
                                            const uint64_t row[LT_WINDOW_ENTRIES][10],
                                            uint64_t size, uint64_t negative) {
    const __m256i wanted = _mm256_set1_epi64x((long long)size);
    const __m256i sign = _mm256_set1_epi64x((long long)negative);
    const __m256i p = _mm256_set1_epi64x((long long)LT_P), one = _mm256_set1_epi64x(1);
    __m256i number = one, first = _mm256_setzero_si256(), second = first;
    __m128i third = _mm_setzero_si128();
    int entry;
    for (entry = 0; entry < LT_WINDOW_ENTRIES; entry++) {
        const __m256i mask = _mm256_cmpeq_epi64(wanted, number);
        const uint64_t *words = row[entry];
        first = _mm256_or_si256(
            first, _mm256_and_si256(mask, _mm256_loadu_si256((const __m256i *)words)));
        second = _mm256_or_si256(
            second, _mm256_and_si256(mask, _mm256_loadu_si256((const __m256i *)(words + 4))));
        third = _mm_or_si128(third, _mm_and_si128(_mm256_castsi256_si128(mask),
                                                  _mm_loadu_si128((const __m128i *)(words + 8))));
        number = _mm256_add_epi64(number, one);
    }
    /* x4 u0 u1 u2 | u3 u4: where negative, p - u. Entries are canonical. */
    second = _mm256_blendv_epi8(
        second, _mm256_sub_epi64(p, second),
        _mm256_and_si256(sign, _mm256_set_epi64x(-1, -1, -1, 0)));
    third = _mm_blendv_epi8(third, _mm_sub_epi64(_mm256_castsi256_si128(p), third),
                            _mm256_castsi256_si128(sign));
    _mm256_storeu_si256((__m256i *)(void *)out, first);
    _mm256_storeu_si256((__m256i *)(void *)((uint8_t *)out + 32), second);
    _mm_storeu_si128((__m128i *)(void *)((uint8_t *)out + 64), third);
}
#endif

/* scalar * G for a secret scalar below n. For each of 64 digits: read its whole row of the table,
 * keep one entry by mask, change its sign by mask, add it. No doublings. */
#define LT_GENERATOR_MUL(select)                                                                   \
    uint8_t digits[LT_WINDOWS];                                                                    \
    lt_affine entry;                                                                               \
    uint64_t negative, size;                                                                       \
    size_t i, ahead;                                                                               \
    lt_scalar_digits(digits, scalar);                                                              \
    lt_point_neutral(out);                                                                         \
    for (i = 0; i < LT_WINDOWS; i++) {                                                             \
        size = lt_digit_size(&negative, digits[i], i < LT_WINDOWS - 1 ? 16 : 0);                   \
        select(&entry, LT_GENERATOR_TABLE[i], size, negative);                                     \
        for (ahead = 0; ahead < sizeof LT_GENERATOR_TABLE[0]; ahead += 64)                         \
            TW_FETCH_AHEAD((const char *)LT_GENERATOR_TABLE[i + 1 < LT_WINDOWS ? i + 1 : 0] + ahead); \
        if (i == 0) {                                                                              \
            out->x = entry.x;                                                                      \
            out->u = entry.u;                                                                      \
        } else {                                                                                   \
            lt_point_add_affine(out, out, &entry);                                                 \
        }                                                                                          \
    }                                                                                              \
    tw_wipe(digits, sizeof digits);                                                                \
    tw_wipe(&entry, sizeof entry)

TW_FUNCTION void lt_generator_mul_portable(lt_point *out, const uint64_t scalar[5]) {
    LT_GENERATOR_MUL(lt_table_select);
}

#if LT_HAS_AVX2
LT_AVX2 TW_FUNCTION void lt_generator_mul_avx2(lt_point *out, const uint64_t scalar[5]) {
    LT_GENERATOR_MUL(lt_table_select_avx2);
}
#endif

TW_INLINE void lt_generator_mul(lt_point *out, const uint64_t scalar[5]) {
#if LT_HAS_AVX2
    if (lt_backend_number() == LT_WITH_AVX2) {
        lt_generator_mul_avx2(out, scalar);
        return;
    }
#endif
    lt_generator_mul_portable(out, scalar);
}

/* scalar * p. For public values: takes its multiples of p by index. */
TW_FUNCTION void lt_point_mul(lt_point *out, const lt_point *p, const uint64_t scalar[5]) {
    static const lt_fp5 zero = {{0, 0, 0, 0, 0}};
    uint8_t digits[LT_WINDOWS];
    lt_point multiples[17], negative; /* j * p */
    int i, j;
    lt_point_neutral(&multiples[0]);
    multiples[1] = *p;
    for (i = 2; i <= 16; i += 2) {
        lt_point_double(&multiples[i], &multiples[i / 2]);
        if (i < 16)
            lt_point_add(&multiples[i + 1], &multiples[i], p);
    }
    lt_scalar_digits(digits, scalar);
    *out = multiples[digits[LT_WINDOWS - 1]]; /* at most 16, as a scalar is below 2^319 */
    for (i = LT_WINDOWS - 2; i >= 0; i--) {
        for (j = 0; j < LT_WINDOW_BITS; j++)
            lt_point_double(out, out);
        if (digits[i] >= 16) {
            lt_point_add(out, out, &multiples[digits[i] - 16]);
        } else {
            negative = multiples[16 - digits[i]];
            lt_fp5_sub(&negative.u, &zero, &negative.u);
            lt_point_add(out, out, &negative);
        }
    }
}

#endif
