/* Lighter's arithmetic the slow way, to compare with: remainders by division, inverses by Euclid and
 * by elimination, the curve as an ordinary one with chord and tangent. Shares nothing with the code it
 * judges but the constants of Poseidon2. */
#ifndef LIGHTER_REFERENCE_H
#define LIGHTER_REFERENCE_H

#include "fuzz.h"
#include "lighter/poseidon2_constants.h"

__extension__ typedef unsigned __int128 wide;
__extension__ typedef __int128 signed_wide;
typedef struct {
    uint64_t c[5];
} element;
typedef struct {
    element x, y;
    int infinite;
} affine; /* of y^2 = x^3 + 2 x^2 + b x */
typedef struct {
    uint8_t bit[321]; /* least significant first */
} number;

static const uint64_t P_REF = 0xFFFFFFFF00000001u;

static inline uint64_t ref_mul(uint64_t a, uint64_t b) { return (uint64_t)((wide)a * b % P_REF); }
static inline uint64_t ref_add(uint64_t a, uint64_t b) { return (uint64_t)(((wide)a + b) % P_REF); }
static inline uint64_t ref_sub(uint64_t a, uint64_t b) { return ref_add(a, P_REF - b % P_REF); }

static inline uint64_t ref_pow(uint64_t a, uint64_t exponent) {
    uint64_t out = 1;
    for (; exponent; exponent >>= 1, a = ref_mul(a, a))
        if (exponent & 1)
            out = ref_mul(out, a);
    return out;
}

/* By Euclid's algorithm; 0 for 0. */
static inline uint64_t ref_inv(uint64_t a) {
    signed_wide old = 0, now = 1, next;
    uint64_t r0 = P_REF, r1 = a % P_REF;
    while (r1) {
        uint64_t q = r0 / r1, r = r0 % r1;
        next = old - (signed_wide)q * now;
        old = now, now = next, r0 = r1, r1 = r;
    }
    return r0 == 1 ? (uint64_t)(old < 0 ? old + P_REF : old) : 0;
}

static inline element ref5(uint64_t a, uint64_t b) {
    element e = {{a, b, 0, 0, 0}};
    return e;
}

static inline int ref5_equal(element a, element b) { return !memcmp(&a, &b, sizeof a); }

static inline element ref5_add(element a, element b) {
    for (int i = 0; i < 5; i++)
        a.c[i] = ref_add(a.c[i], b.c[i]);
    return a;
}

static inline element ref5_sub(element a, element b) {
    for (int i = 0; i < 5; i++)
        a.c[i] = ref_sub(a.c[i], b.c[i]);
    return a;
}

static inline element ref5_mul(element a, element b) {
    element out = {{0, 0, 0, 0, 0}};
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++) {
            uint64_t term = ref_mul(a.c[i], b.c[j]);
            out.c[(i + j) % 5] = ref_add(out.c[(i + j) % 5], i + j >= 5 ? ref_mul(3, term) : term);
        }
    return out;
}

/* Solve a * out = 1: five linear equations, by elimination. 0 for 0. */
static inline element ref5_inv(element a) {
    uint64_t m[5][6] = {{0}};
    element out = {{0, 0, 0, 0, 0}};
    for (int j = 0; j < 5; j++) {
        element unit = {{0, 0, 0, 0, 0}}, column;
        unit.c[j] = 1;
        column = ref5_mul(a, unit);
        for (int i = 0; i < 5; i++)
            m[i][j] = column.c[i];
    }
    m[0][5] = 1;
    for (int j = 0; j < 5; j++) {
        int pivot = j;
        while (pivot < 5 && !m[pivot][j])
            pivot++;
        if (pivot == 5)
            return out;
        for (int k = 0; k < 6; k++) {
            uint64_t swapped = m[j][k];
            m[j][k] = m[pivot][k];
            m[pivot][k] = swapped;
        }
        uint64_t scale = ref_inv(m[j][j]);
        for (int k = 0; k < 6; k++)
            m[j][k] = ref_mul(m[j][k], scale);
        for (int i = 0; i < 5; i++) {
            uint64_t factor = m[i][j];
            for (int k = 0; i != j && k < 6; k++)
                m[i][k] = ref_sub(m[i][k], ref_mul(factor, m[j][k]));
        }
    }
    for (int i = 0; i < 5; i++)
        out.c[i] = m[i][5];
    return out;
}

/* 1, 0 or -1: a^((p^5-1)/2), as (a^(1+p+...+p^4))^((p-1)/2) with a^p by raising to the power p. */
static inline int ref5_symbol(element a) {
    element norm = a, power = a;
    for (int k = 1; k < 5; k++) {
        element base = power, out = ref5(1, 0);
        for (uint64_t e = P_REF; e; e >>= 1, base = ref5_mul(base, base))
            if (e & 1)
                out = ref5_mul(out, base);
        power = out;
        norm = ref5_mul(norm, power);
    }
    FUZZ_CHECK(!norm.c[1] && !norm.c[2] && !norm.c[3] && !norm.c[4], "a norm lies in Fp");
    uint64_t symbol = ref_pow(norm.c[0], (P_REF - 1) / 2);
    return symbol == P_REF - 1 ? -1 : (int)symbol;
}

static inline affine ref_point_add(affine p, affine q) {
    element slope, top, bottom;
    affine out = {{{0}}, {{0}}, 0};
    if (p.infinite || q.infinite)
        return p.infinite ? q : p;
    if (ref5_equal(p.x, q.x)) {
        if (!ref5_equal(p.y, q.y) || ref5_equal(p.y, ref5(0, 0))) {
            out.infinite = 1;
            return out;
        }
        top = ref5_mul(p.x, ref5_add(ref5_mul(ref5(3, 0), p.x), ref5(4, 0)));
        top = ref5_add(top, ref5(0, 263));
        bottom = ref5_add(p.y, p.y);
    } else {
        top = ref5_sub(q.y, p.y);
        bottom = ref5_sub(q.x, p.x);
    }
    slope = ref5_mul(top, ref5_inv(bottom));
    out.x = ref5_sub(ref5_sub(ref5_sub(ref5_mul(slope, slope), ref5(2, 0)), p.x), q.x);
    out.y = ref5_sub(ref5_mul(slope, ref5_sub(p.x, out.x)), p.y);
    return out;
}

/* Add N = (0, 0): from Lighter's group to the points of odd order, or back. */
static inline affine ref_shift(affine p) {
    affine n = {{{0}}, {{0}}, 0};
    return ref_point_add(p, n);
}

static inline affine ref_point_mul(affine p, const number *scalar) {
    affine out = {{{0}}, {{0}}, 1};
    for (int i = 319; i >= 0; i--) {
        out = ref_point_add(out, out);
        if (scalar->bit[i])
            out = ref_point_add(out, p);
    }
    return out;
}

/* y/x of the point in Lighter's group. */
static inline element ref_encode(affine odd) {
    affine p = ref_shift(odd);
    return odd.infinite ? ref5(0, 0) : ref5_mul(p.y, ref5_inv(p.x));
}

static inline affine ref_generator(void) {
    affine g = {{{12883135586176881569u, 4356519642755055268u, 5248930565894896907u,
                  2165973894480315022u, 2448410071095648785u}},
                {{0}},
                0};
    g.y = ref5_mul(ref5(4, 0), g.x);
    return ref_shift(g);
}

/* --- whole numbers, bit by bit ------------------------------------------------------------------ */

static inline number ref_number(const uint8_t bytes[40]) {
    number out = {{0}};
    for (int i = 0; i < 320; i++)
        out.bit[i] = bytes[i / 8] >> (i % 8) & 1;
    return out;
}

static inline void ref_bytes(uint8_t bytes[40], const number *a) {
    memset(bytes, 0, 40);
    for (int i = 0; i < 320; i++)
        bytes[i / 8] |= (uint8_t)(a->bit[i] << (i % 8));
}

static inline int ref_less(const number *a, const number *b) {
    for (int i = 320; i >= 0; i--)
        if (a->bit[i] != b->bit[i])
            return a->bit[i] < b->bit[i];
    return 0;
}

static inline number ref_n(void) {
    static const uint8_t n[40] = {0xe1, 0xff, 0x8b, 0x94, 0x96, 0xd9, 0x0f, 0xe8, 0x9c, 0xa0,
                                  0x24, 0xd7, 0x39, 0x5c, 0x88, 0xe8, 0x39, 0x06, 0xb8, 0xcf,
                                  0xe6, 0xff, 0xff, 0x7f, 0x16, 0x00, 0x00, 0x00, 0xf1, 0xff,
                                  0xff, 0x7f, 0x07, 0x00, 0x00, 0x80, 0xfd, 0xff, 0xff, 0x7f};
    return ref_number(n);
}

/* a + b mod n by whole bits, for a, b < n. */
static inline number ref_mod_add(number a, const number *b) {
    number n = ref_n();
    int carry = 0;
    for (int i = 0; i <= 320; i++) {
        int sum = a.bit[i] + b->bit[i] + carry;
        a.bit[i] = sum & 1;
        carry = sum >> 1;
    }
    if (!ref_less(&a, &n)) {
        carry = 0;
        for (int i = 0; i <= 320; i++) {
            int difference = a.bit[i] - n.bit[i] - carry;
            a.bit[i] = difference & 1;
            carry = difference < 0;
        }
    }
    return a;
}

static inline number ref_mod(const number *a) {
    number out = {{0}}, one = {{1}};
    for (int i = 319; i >= 0; i--) {
        out = ref_mod_add(out, &out);
        if (a->bit[i])
            out = ref_mod_add(out, &one);
    }
    return out;
}

/* By doubling and adding. */
static inline number ref_mod_mul(const number *a, const number *b) {
    number out = {{0}};
    for (int i = 319; i >= 0; i--) {
        out = ref_mod_add(out, &out);
        if (a->bit[i])
            out = ref_mod_add(out, b);
    }
    return out;
}

/* --- Poseidon2 ------------------------------------------------------------------------------------ */

static inline void ref_external(uint64_t state[12]) {
    static const uint64_t m4[4][4] = {{2, 3, 1, 1}, {1, 2, 3, 1}, {1, 1, 2, 3}, {3, 1, 1, 2}};
    uint64_t out[12];
    for (int i = 0; i < 12; i++) {
        out[i] = 0;
        for (int j = 0; j < 12; j++) {
            uint64_t factor = m4[i % 4][j % 4] * (i / 4 == j / 4 ? 2 : 1);
            out[i] = ref_add(out[i], ref_mul(factor, state[j]));
        }
    }
    memcpy(state, out, sizeof out);
}

static inline void ref_permute(uint64_t state[12]) {
    ref_external(state);
    for (int round = 0; round < 30; round++) {
        int full = round < 4 || round >= 26;
        for (int i = 0; i < (full ? 12 : 1); i++) {
            uint64_t constant = full ? LT_POSEIDON2_EXTERNAL[round < 4 ? round : round - 22][i]
                                     : LT_POSEIDON2_INTERNAL[round - 4];
            state[i] = ref_pow(ref_add(state[i], constant), 7);
        }
        if (full) {
            ref_external(state);
            continue;
        }
        uint64_t sum = 0;
        for (int i = 0; i < 12; i++)
            sum = ref_add(sum, state[i]);
        for (int i = 0; i < 12; i++)
            state[i] = ref_add(ref_mul(state[i], LT_POSEIDON2_DIAGONAL[i]), sum);
    }
}

static inline void ref_hash(uint64_t *out, int wanted, const uint64_t *in, size_t n) {
    uint64_t state[12] = {0};
    for (size_t i = 0; i < n; i++) {
        state[i % 8] = in[i];
        if (i % 8 == 7 || i + 1 == n)
            ref_permute(state);
    }
    memcpy(out, state, (size_t)wanted * 8);
}

#endif
