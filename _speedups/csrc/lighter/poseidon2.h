/* Poseidon2 over Fp: width 12, rate 8, S-box x^7, 4 + 22 + 4 rounds; and the sponge on top.
 *
 * What it hashes is public (orders, and points that a signature reveals), and still nothing branches
 * on a value or uses one as an index.
 *
 * The linear layers add words in two-word pairs and reduce once, together with the constants of the
 * next round.
 */
#ifndef LT_POSEIDON2_H
#define LT_POSEIDON2_H

#include "goldilocks.h"
#include "poseidon2_constants.h"

#ifndef LT_NO_INT128
typedef lt_wide lt_pair;
LT_INLINE lt_pair lt_pair_of(uint64_t x) { return x; }
LT_INLINE lt_pair lt_pair_add(lt_pair a, lt_pair b) { return a + b; }
LT_INLINE uint64_t lt_pair_low(lt_pair a) { return (uint64_t)a; }
LT_INLINE uint64_t lt_pair_high(lt_pair a) { return (uint64_t)(a >> 64); }
#else
typedef struct {
    uint64_t low, high;
} lt_pair;
LT_INLINE lt_pair lt_pair_of(uint64_t x) {
    lt_pair pair = {x, 0};
    return pair;
}
LT_INLINE lt_pair lt_pair_add(lt_pair a, lt_pair b) {
    uint64_t carry = 0;
    a.low = lt_add_carry(a.low, b.low, &carry);
    a.high += b.high + carry;
    return a;
}
LT_INLINE uint64_t lt_pair_low(lt_pair a) { return a.low; }
LT_INLINE uint64_t lt_pair_high(lt_pair a) { return a.high; }
#endif

LT_INLINE uint64_t lt_pair_reduce(lt_pair a) {
    return lt_fp_reduce_small(lt_pair_low(a), lt_pair_high(a));
}

/* The external layer, then the constants added: M4 in each block of four, and the columns' sums. */
LT_INLINE void lt_poseidon2_external(uint64_t state[12], const uint64_t constants[12]) {
    lt_pair t[12], column;
    int block, i;
    for (block = 0; block < 12; block += 4) {
        lt_pair x0 = lt_pair_of(state[block]), x1 = lt_pair_of(state[block + 1]);
        lt_pair x2 = lt_pair_of(state[block + 2]), x3 = lt_pair_of(state[block + 3]);
        lt_pair x01 = lt_pair_add(x0, x1), x23 = lt_pair_add(x2, x3);
        lt_pair all = lt_pair_add(x01, x23);
        lt_pair and1 = lt_pair_add(all, x1), and3 = lt_pair_add(all, x3);
        t[block] = lt_pair_add(and1, x01);
        t[block + 1] = lt_pair_add(and1, lt_pair_add(x2, x2));
        t[block + 2] = lt_pair_add(and3, x23);
        t[block + 3] = lt_pair_add(and3, lt_pair_add(x0, x0));
    }
    for (i = 0; i < 4; i++) {
        column = lt_pair_add(lt_pair_add(t[i], t[i + 4]), t[i + 8]);
        for (block = 0; block < 12; block += 4) /* at most 28 words: far below what reduces */
            state[block + i] = lt_pair_reduce(lt_pair_add(
                lt_pair_add(t[block + i], column), lt_pair_of(constants[block + i])));
    }
}

LT_INLINE void lt_poseidon2_full_sbox(uint64_t state[12]) {
    int i;
    for (i = 0; i < 12; i++)
        state[i] = lt_fp_pow7(state[i]);
}

/* A partial round: the S-box on the first word only, and the internal layer. The sum of the other
 * eleven does not wait for it. */
LT_INLINE void lt_poseidon2_partial(uint64_t state[12], uint64_t constant) {
    lt_pair sum = lt_pair_of(state[1]);
    uint64_t sum_low, sum_high;
    int i;
    for (i = 2; i < 12; i++)
        sum = lt_pair_add(sum, lt_pair_of(state[i]));
    state[0] = lt_fp_pow7(lt_fp_add(state[0], constant));
    sum = lt_pair_add(sum, lt_pair_of(state[0]));
    sum_low = lt_pair_low(sum);
    sum_high = lt_pair_high(sum);
    for (i = 0; i < 12; i++) {
        uint64_t high, carry = 0, low = lt_mul_wide(state[i], LT_POSEIDON2_DIAGONAL[i], &high);
        low = lt_add_carry(low, sum_low, &carry);
        /* cannot overflow: high < p - 1, because the diagonal is canonical */
        state[i] = lt_fp_reduce(low, high + sum_high + carry, 0);
    }
}

/* Permute; any words in, any words out (lt_fp_canonical makes them fit to leave). */
LT_INLINE void lt_poseidon2_permute_body(uint64_t state[12]) {
    static const uint64_t none[12] = {0};
    int round;
    lt_poseidon2_external(state, LT_POSEIDON2_EXTERNAL[0]);
    for (round = 1; round < 4; round++) {
        lt_poseidon2_full_sbox(state);
        lt_poseidon2_external(state, LT_POSEIDON2_EXTERNAL[round]);
    }
    lt_poseidon2_full_sbox(state);
    lt_poseidon2_external(state, none);
    for (round = 0; round < 22; round++)
        lt_poseidon2_partial(state, LT_POSEIDON2_INTERNAL[round]);
    for (round = 4; round < 8; round++) {
        for (int i = 0; i < 12; i++)
            state[i] = lt_fp_add(state[i], LT_POSEIDON2_EXTERNAL[round][i]);
        lt_poseidon2_full_sbox(state);
        lt_poseidon2_external(state, none);
    }
}

LT_FUNCTION void lt_poseidon2_permute(uint64_t state[12]) { lt_poseidon2_permute_body(state); }

/* The sponge: chunks of eight written over the state, a permutation after each; what a short last
 * chunk does not cover stays. No padding, no length. Inputs count mod p. */
LT_INLINE void lt_sponge(uint64_t *out, int wanted, const uint64_t *in, size_t n) {
    uint64_t state[12] = {0};
    size_t i;
    int j;
    while (n) {
        size_t chunk = n < 8 ? n : 8;
        for (i = 0; i < chunk; i++)
            state[i] = in[i];
        lt_poseidon2_permute(state);
        in += chunk;
        n -= chunk;
    }
    for (j = 0; j < wanted; j++)
        out[j] = lt_fp_canonical(state[j]);
}

/* Hash to Fp5: canonical coefficients. `in` may be any words, `out` may overlap it. */
LT_FUNCTION void lt_hash5(uint64_t out[5], const uint64_t *in, size_t n) { lt_sponge(out, 5, in, n); }

LT_FUNCTION void lt_hash4(uint64_t out[4], const uint64_t *in, size_t n) { lt_sponge(out, 4, in, n); }

#endif
