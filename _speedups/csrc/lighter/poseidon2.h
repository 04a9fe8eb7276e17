/* Poseidon2 over Fp: width 12, rate 8, S-box x^7, 4 + 22 + 4 rounds; and the sponge on top.
 *
 * What it hashes is public (orders, and points that a signature reveals), and still nothing
 * branches on a value or uses one as an index.
 *
 * The linear layers add words in two-word pairs and reduce once, together with the constants of the
 * next round.
 */
#ifndef LT_POSEIDON2_H
#define LT_POSEIDON2_H

#include "goldilocks.h"
#include "poseidon2_avx2.h"
#include "poseidon2_constants.h"

/* A sum of a few words: low + 2^64 * high. */
typedef struct {
    uint64_t low, high;
} lt_pair;

TW_INLINE lt_pair lt_pair_of(uint64_t x) {
    lt_pair pair = {x, 0};
    return pair;
}

TW_INLINE lt_pair lt_pair_add(lt_pair a, lt_pair b) {
#if TW_X86_ASM
    __asm__("addq %2, %0\n\t"
            "adcq %3, %1"
            : "+&r"(a.low), "+r"(a.high)
            : TW_ANY(b.low), TW_ANY(b.high)
            : "cc");
#else
    uint64_t carry = 0;
    a.low = tw_add_carry(a.low, b.low, &carry);
    a.high += b.high + carry;
#endif
    return a;
}

TW_INLINE lt_pair lt_pair_add_word(lt_pair a, uint64_t b) {
#if TW_X86_ASM
    __asm__("addq %2, %0\n\t"
            "adcl $0, %k1"
            : "+r"(a.low), "+r"(a.high)
            : TW_ANY(b)
            : "cc");
#else
    uint64_t carry = 0;
    a.low = tw_add_carry(a.low, b, &carry);
    a.high += carry;
#endif
    return a;
}

TW_INLINE uint64_t lt_pair_reduce(lt_pair a) { return lt_fp_reduce_small(a.low, a.high); }

/* The external layer, then the constants added: M4 in each block of four, and the columns' sums. */
TW_INLINE void lt_poseidon2_external(uint64_t state[12], const uint64_t constants[12]) {
    lt_pair t[12], column;
    int block, i;
    for (block = 0; block < 12; block += 4) {
        uint64_t x0 = state[block], x1 = state[block + 1];
        uint64_t x2 = state[block + 2], x3 = state[block + 3];
        lt_pair x01 = lt_pair_add_word(lt_pair_of(x0), x1);
        lt_pair x23 = lt_pair_add_word(lt_pair_of(x2), x3);
        lt_pair all = lt_pair_add(x01, x23);
        lt_pair and1 = lt_pair_add_word(all, x1), and3 = lt_pair_add_word(all, x3);
        t[block] = lt_pair_add(and1, x01);
        t[block + 1] = lt_pair_add_word(lt_pair_add_word(and1, x2), x2);
        t[block + 2] = lt_pair_add(and3, x23);
        t[block + 3] = lt_pair_add_word(lt_pair_add_word(and3, x0), x0);
    }
    for (i = 0; i < 4; i++) {
        column = lt_pair_add(lt_pair_add(t[i], t[i + 4]), t[i + 8]);
        for (block = 0; block < 12; block += 4) /* at most 29 words: far below what reduces */
            state[block + i] = lt_pair_reduce(
                lt_pair_add_word(lt_pair_add(t[block + i], column), constants[block + i]));
    }
}

TW_INLINE void lt_poseidon2_full_sbox(uint64_t state[12]) {
    int i;
    for (i = 0; i < 12; i++)
        state[i] = lt_fp_pow7(state[i]);
}

/* The internal layer for words `from` to `to`, once the sum of all is known; added to *sum. */
TW_INLINE void lt_poseidon2_internal(uint64_t state[12], int from, int to, uint64_t all,
                                     lt_pair *sum) {
    int i;
    for (i = from; i <= to; i++) {
        state[i] = lt_fp_mul_add(state[i], LT_POSEIDON2_DIAGONAL[i], all);
        *sum = lt_pair_add_word(*sum, state[i]);
    }
}

/* The 22 partial rounds: the S-box on the first word, then the internal layer.
 *
 * The first word's way through its S-boxes is what takes the time. The other words of a round are
 * brought up to date between the steps of the next round's S-box, in what would be waiting. */
TW_INLINE void lt_poseidon2_partial_rounds(uint64_t state[12]) {
    uint64_t first = lt_fp_add(state[0], LT_POSEIDON2_INTERNAL[0]), x2, x3, x4, all, others;
    lt_pair sum = {0, 0};
    int round, i;
    for (i = 1; i < 12; i++)
        sum = lt_pair_add_word(sum, state[i]);
    others = lt_pair_reduce(sum);
    first = lt_fp_pow7(first);
    for (round = 1; round < 22; round++) {
        all = lt_fp_add(others, first);
        /* first * diagonal + first + the others, and the constant of this round */
        first = lt_fp_mul_add(first, LT_POSEIDON2_DIAGONAL[0] + 1,
                              lt_fp_add(others, LT_POSEIDON2_INTERNAL[round]));
        sum.low = sum.high = 0;
        x2 = lt_fp_sqr(first);
        lt_poseidon2_internal(state, 1, 3, all, &sum);
        x3 = lt_fp_mul(x2, first);
        x4 = lt_fp_sqr(x2);
        lt_poseidon2_internal(state, 4, 7, all, &sum);
        first = lt_fp_mul(x3, x4);
        lt_poseidon2_internal(state, 8, 11, all, &sum);
        others = lt_pair_reduce(sum);
    }
    all = lt_fp_add(others, first);
    state[0] = lt_fp_mul_add(first, LT_POSEIDON2_DIAGONAL[0] + 1, others);
    lt_poseidon2_internal(state, 1, 11, all, &sum);
}

/* Permute; any words in, any words out (lt_fp_canonical makes them fit to leave). */
TW_FUNCTION void lt_poseidon2_permute_portable(uint64_t state[12]) {
    static const uint64_t none[12] = {0};
    int round, i;
    lt_poseidon2_external(state, LT_POSEIDON2_EXTERNAL[0]);
    for (round = 1; round < 4; round++) {
        lt_poseidon2_full_sbox(state);
        lt_poseidon2_external(state, LT_POSEIDON2_EXTERNAL[round]);
    }
    lt_poseidon2_full_sbox(state);
    lt_poseidon2_external(state, none);
    lt_poseidon2_partial_rounds(state);
    for (i = 0; i < 12; i++)
        state[i] = lt_fp_add(state[i], LT_POSEIDON2_EXTERNAL[4][i]);
    for (round = 5; round < 8; round++) {
        lt_poseidon2_full_sbox(state);
        lt_poseidon2_external(state, LT_POSEIDON2_EXTERNAL[round]);
    }
    lt_poseidon2_full_sbox(state);
    lt_poseidon2_external(state, none);
}

/* The same, by whichever variant is in use. */
TW_INLINE void lt_poseidon2_permute(uint64_t state[12]) {
#if LT_HAS_AVX2
    if (lt_backend_number() == LT_WITH_AVX2) {
        lt_poseidon2_permute_avx2(state);
        return;
    }
#endif
    lt_poseidon2_permute_portable(state);
}

/* The sponge: chunks of eight written over the state, a permutation after each; what a short last
 * chunk does not cover stays. No padding, no length. Inputs count mod p. */
TW_INLINE void lt_sponge(uint64_t *out, int wanted, const uint64_t *in, size_t n) {
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
TW_FUNCTION void lt_hash5(uint64_t out[5], const uint64_t *in, size_t n) {
    lt_sponge(out, 5, in, n);
}

TW_FUNCTION void lt_hash4(uint64_t out[4], const uint64_t *in, size_t n) {
    lt_sponge(out, 4, in, n);
}

#endif
