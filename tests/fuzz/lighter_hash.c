/* Goldilocks and Poseidon2, against remainders by division. Input: words of eight bytes. */
#include "lighter_signer.h"

enum { MOST = 34 };

static size_t words_of(const uint8_t *data, size_t size, uint64_t words[MOST]) {
    input in = {data, size};
    size_t n = 0;
    while (in.size && n < MOST) {
        uint8_t bytes[8];
        take(&in, bytes, 8);
        words[n++] = tw_load64(bytes);
    }
    return n;
}

static outcome run(const uint8_t *data, size_t size) {
    uint64_t words[MOST], state[12] = {0}, out[5], root = 0;
    size_t n = words_of(data, size, words);
    outcome found = {(long)n, 0};
    for (size_t i = 0; i + 1 < n && i < 6; i += 2) {
        uint64_t a = words[i], b = words[i + 1];
        int square = lt_fp_sqrt(&root, a);
        const uint64_t results[] = {lt_fp_add(a, b), lt_fp_sub(a, b),     lt_fp_mul(a, b),
                                    lt_fp_inv(a),    lt_fp_neg(a),        lt_fp_pow7(a),
                                    lt_fp_sqr(root), lt_fp_legendre(a),   lt_fp_triple(a),
                                    (uint64_t)square, lt_fp_mul_add(a, b, a)};
        for (size_t k = 0; k < sizeof results / sizeof *results; k++)
            mix(&found.digest, (int64_t)lt_fp_canonical(results[k]));
    }
    memcpy(state, words, (n < 12 ? n : 12) * sizeof *words);
    lt_poseidon2_permute(state);
    for (int i = 0; i < 12; i++)
        mix(&found.digest, (int64_t)lt_fp_canonical(state[i]));
    lt_hash5(out, words, n);
    mix_words(&found.digest, out, 5);
    lt_hash4(out, words, n);
    mix_words(&found.digest, out, 4);
    return found;
}

#ifndef PORTABLE
static void reference(const uint8_t *data, size_t size, outcome found) {
    uint64_t words[MOST], state[12] = {0}, out[5];
    size_t n = words_of(data, size, words);
    uint64_t digest = 0;
    for (size_t i = 0; i + 1 < n && i < 6; i += 2) {
        uint64_t a = words[i] % P_REF, b = words[i + 1], symbol = ref_pow(a, (P_REF - 1) / 2);
        int square = symbol <= 1;
        const uint64_t results[] = {ref_add(a, b), ref_sub(a, b),   ref_mul(a, b),
                                    ref_inv(a),    ref_sub(0, a),   ref_pow(a, 7),
                                    square ? a : 0, symbol,         ref_mul(3, a),
                                    (uint64_t)square, ref_add(ref_mul(a, b), a)};
        for (size_t k = 0; k < sizeof results / sizeof *results; k++)
            mix(&digest, (int64_t)results[k]);
    }
    memcpy(state, words, (n < 12 ? n : 12) * sizeof *words);
    ref_permute(state);
    mix_words(&digest, state, 12);
    ref_hash(out, 5, words, n);
    mix_words(&digest, out, 5);
    mix_words(&digest, out, 4);
    FUZZ_CHECK(digest == found.digest, "the reference gives something else");
}
#endif

FUZZ_TARGET(reference)
