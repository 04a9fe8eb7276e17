/* The permutation of Poseidon2 with AVX2: three vectors of four words.
 *
 * Comparisons of AVX2 are signed, so where a carry is to be seen the values are kept with their top
 * bit turned over. In the partial rounds the first word stays in ordinary registers: its S-box is
 * one long chain, beside which the vectors bring the other words up to date.
 */
#ifndef LT_POSEIDON2_AVX2_H
#define LT_POSEIDON2_AVX2_H

#include "backend.h"
#include "goldilocks.h"
#include "poseidon2_constants.h"

#if LT_HAS_AVX2

#define LT_V LT_AVX2 TW_INLINE __m256i
#define LT_V_TOP _mm256_set1_epi64x(INT64_MIN)
#define LT_V_HALF _mm256_set1_epi64x(0xFFFFFFFF) /* the lower half of a word, and EPSILON */

LT_V lt_v_load(const uint64_t words[4]) {
    return _mm256_loadu_si256((const __m256i *)(const void *)words);
}

/* low + 2^64 * high, with the top bit turned over (see lt_fp_reduce). */
LT_V lt_v_reduce(__m256i low, __m256i high) {
    __m256i turned = _mm256_xor_si256(low, LT_V_TOP), less, more;
    less = _mm256_sub_epi64(turned, _mm256_srli_epi64(high, 32));
    less = _mm256_sub_epi64(less, _mm256_srli_epi64(_mm256_cmpgt_epi64(less, turned), 32));
    more = _mm256_add_epi64(less, _mm256_mul_epu32(high, LT_V_HALF));
    return _mm256_add_epi64(more, _mm256_srli_epi64(_mm256_cmpgt_epi64(less, more), 32));
}

/* a * b with the top bit turned over; b_high is b shifted down by 32. */
LT_V lt_v_mul_turned(__m256i a, __m256i b, __m256i b_high) {
    __m256i a_high = _mm256_srli_epi64(a, 32);
    __m256i ll = _mm256_mul_epu32(a, b), lh = _mm256_mul_epu32(a, b_high);
    __m256i hl = _mm256_mul_epu32(a_high, b), hh = _mm256_mul_epu32(a_high, b_high);
    __m256i middle = _mm256_add_epi64(hl, _mm256_srli_epi64(ll, 32));
    __m256i other = _mm256_add_epi64(lh, _mm256_and_si256(middle, LT_V_HALF));
    __m256i high = _mm256_add_epi64(hh, _mm256_srli_epi64(middle, 32));
    high = _mm256_add_epi64(high, _mm256_srli_epi64(other, 32));
    return lt_v_reduce(_mm256_blend_epi32(ll, _mm256_slli_epi64(other, 32), 0xAA), high);
}

LT_V lt_v_mul(__m256i a, __m256i b) {
    return _mm256_xor_si256(lt_v_mul_turned(a, b, _mm256_srli_epi64(b, 32)), LT_V_TOP);
}

LT_V lt_v_pow7(__m256i x) {
    __m256i x2 = lt_v_mul(x, x), x3 = lt_v_mul(x2, x), x4 = lt_v_mul(x2, x2);
    return lt_v_mul(x3, x4);
}

/* M4 times four halves of words; sums of halves do not carry. */
LT_V lt_v_m4(__m256i x) {
    __m256i sum = _mm256_add_epi64(x, _mm256_shuffle_epi32(x, 0x4E));
    __m256i next = _mm256_permute4x64_epi64(x, 0x39);
    sum = _mm256_add_epi64(sum, _mm256_permute4x64_epi64(sum, 0x4E));
    return _mm256_add_epi64(_mm256_add_epi64(sum, x), _mm256_add_epi64(next, next));
}

/* low + 2^32 * high for sums of a few halves, and a constant. */
LT_V lt_v_join(__m256i low, __m256i high, const uint64_t constants[4]) {
    __m256i constant = lt_v_load(constants), above, base, sum;
    low = _mm256_add_epi64(low, _mm256_and_si256(constant, LT_V_HALF));
    high = _mm256_add_epi64(high, _mm256_srli_epi64(constant, 32));
    above = _mm256_srli_epi64(high, 32); /* times 2^64 */
    low = _mm256_add_epi64(low, _mm256_sub_epi64(_mm256_slli_epi64(above, 32), above));
    base = _mm256_xor_si256(_mm256_slli_epi64(high, 32), LT_V_TOP);
    sum = _mm256_add_epi64(base, low);
    sum = _mm256_add_epi64(sum, _mm256_srli_epi64(_mm256_cmpgt_epi64(base, sum), 32));
    return _mm256_xor_si256(sum, LT_V_TOP);
}

/* The external layer, then the constants added. */
LT_AVX2 TW_INLINE void lt_v_external(__m256i s[3], const uint64_t constants[12]) {
    __m256i low[3], high[3], low_sum, high_sum;
    int i;
    for (i = 0; i < 3; i++) {
        low[i] = lt_v_m4(_mm256_and_si256(s[i], LT_V_HALF));
        high[i] = lt_v_m4(_mm256_srli_epi64(s[i], 32));
    }
    low_sum = _mm256_add_epi64(_mm256_add_epi64(low[0], low[1]), low[2]);
    high_sum = _mm256_add_epi64(_mm256_add_epi64(high[0], high[1]), high[2]);
    for (i = 0; i < 3; i++)
        s[i] = lt_v_join(_mm256_add_epi64(low[i], low_sum), _mm256_add_epi64(high[i], high_sum),
                         constants + 4 * i);
}

/* The sum of all words but the first. */
LT_AVX2 TW_INLINE uint64_t lt_v_sum_others(const __m256i s[3]) {
    const __m256i without_first = _mm256_set_epi64x(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0);
    __m256i low = _mm256_and_si256(s[0], without_first), high = _mm256_srli_epi64(s[0], 32);
    uint64_t lows, highs, carry = 0;
    __m128i both;
    high = _mm256_and_si256(high, without_first);
    low = _mm256_add_epi64(low, _mm256_and_si256(s[1], LT_V_HALF));
    low = _mm256_add_epi64(low, _mm256_and_si256(s[2], LT_V_HALF));
    high = _mm256_add_epi64(high, _mm256_srli_epi64(s[1], 32));
    high = _mm256_add_epi64(high, _mm256_srli_epi64(s[2], 32));
    low = _mm256_add_epi64(_mm256_unpacklo_epi64(low, high), _mm256_unpackhi_epi64(low, high));
    both = _mm_add_epi64(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    lows = (uint64_t)_mm_cvtsi128_si64(both);
    highs = (uint64_t)_mm_extract_epi64(both, 1);
    lows = tw_add_carry(lows, highs << 32, &carry);
    return lt_fp_reduce_small(lows, (highs >> 32) + carry);
}

/* The internal layer for one vector: times the diagonal, plus the sum of all, which is below p: so
 * one repair is enough. */
LT_V lt_v_internal(__m256i x, __m256i all, const uint64_t diagonal[4]) {
    __m256i d = lt_v_load(diagonal);
    __m256i product = lt_v_mul_turned(x, d, _mm256_srli_epi64(d, 32));
    __m256i sum = _mm256_add_epi64(product, all);
    sum = _mm256_add_epi64(sum, _mm256_srli_epi64(_mm256_cmpgt_epi64(product, sum), 32));
    return _mm256_xor_si256(sum, LT_V_TOP);
}

LT_AVX2 TW_INLINE void lt_v_internal_all(__m256i s[3], uint64_t all) {
    __m256i wide = _mm256_set1_epi64x((long long)lt_fp_canonical(all));
    int i;
    for (i = 0; i < 3; i++)
        s[i] = lt_v_internal(s[i], wide, LT_POSEIDON2_DIAGONAL + 4 * i);
}

LT_AVX2 TW_FUNCTION void lt_poseidon2_permute_avx2(uint64_t state[12]) {
    static const uint64_t none[12] = {0};
    __m256i s[3];
    uint64_t first, others, all, x2, x3, x4;
    int round, i;
    for (i = 0; i < 3; i++)
        s[i] = lt_v_load(state + 4 * i);
    lt_v_external(s, LT_POSEIDON2_EXTERNAL[0]);
    for (round = 1; round <= 4; round++) {
        for (i = 0; i < 3; i++)
            s[i] = lt_v_pow7(s[i]);
        lt_v_external(s, round < 4 ? LT_POSEIDON2_EXTERNAL[round] : none);
    }
    first = lt_fp_add((uint64_t)_mm256_extract_epi64(s[0], 0), LT_POSEIDON2_INTERNAL[0]);
    others = lt_v_sum_others(s);
    first = lt_fp_pow7(first);
    for (round = 1; round < 22; round++) { /* as lt_poseidon2_partial_rounds */
        all = lt_fp_add(others, first);
        first = lt_fp_mul_add(first, LT_POSEIDON2_DIAGONAL[0] + 1,
                              lt_fp_add(others, LT_POSEIDON2_INTERNAL[round]));
        lt_v_internal_all(s, all);
        others = lt_v_sum_others(s);
        x2 = lt_fp_sqr(first);
        x3 = lt_fp_mul(x2, first);
        x4 = lt_fp_sqr(x2);
        first = lt_fp_mul(x3, x4);
    }
    lt_v_internal_all(s, lt_fp_add(others, first));
    first = lt_fp_mul_add(first, LT_POSEIDON2_DIAGONAL[0] + 1, others);
    s[0] = _mm256_insert_epi64(s[0], (long long)first, 0);
    for (i = 0; i < 3; i++) {
        __m256i constant = lt_v_load(LT_POSEIDON2_EXTERNAL[4] + 4 * i);
        __m256i turned = _mm256_xor_si256(s[i], LT_V_TOP);
        __m256i sum = _mm256_add_epi64(turned, constant); /* constants are below p: one repair */
        sum = _mm256_add_epi64(sum, _mm256_srli_epi64(_mm256_cmpgt_epi64(turned, sum), 32));
        s[i] = _mm256_xor_si256(sum, LT_V_TOP);
    }
    for (round = 5; round <= 8; round++) {
        for (i = 0; i < 3; i++)
            s[i] = lt_v_pow7(s[i]);
        lt_v_external(s, round < 8 ? LT_POSEIDON2_EXTERNAL[round] : none);
    }
    for (i = 0; i < 3; i++)
        _mm256_storeu_si256((__m256i *)(void *)(state + 4 * i), s[i]);
}

#endif
#endif
