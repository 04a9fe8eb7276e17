/* Which variant of the code runs: the best this processor can do, unless a test asked for another.
 *
 * Variants differ in speed only. The choice is one number for each module that includes this; it is
 * made at first use, and two threads that make it at once make the same.
 */
#ifndef LT_BACKEND_H
#define LT_BACKEND_H

#include "secret/word.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(LT_NO_SIMD)
#define LT_HAS_AVX2 1
#include <immintrin.h>
#define LT_AVX2 __attribute__((target("avx2")))
#else
#define LT_HAS_AVX2 0
#endif

enum { LT_PORTABLE, LT_WITH_AVX2 };

static int lt_backend_chosen = -1;

/* How many variants this processor can run: lt_use_backend takes numbers below that. */
TW_INLINE int lt_backend_count(void) {
#if LT_HAS_AVX2
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") ? 2 : 1;
#else
    return 1;
#endif
}

TW_INLINE const char *lt_backend_name(int number) {
    return number == LT_WITH_AVX2 ? "avx2" : "portable";
}

TW_INLINE int lt_use_backend(int number) {
#if defined(__GNUC__) || defined(__clang__)
    __atomic_store_n(&lt_backend_chosen, number, __ATOMIC_RELAXED);
#else
    lt_backend_chosen = number;
#endif
    return number;
}

TW_INLINE int lt_backend_number(void) {
#if defined(__GNUC__) || defined(__clang__)
    int number = __atomic_load_n(&lt_backend_chosen, __ATOMIC_RELAXED);
#else
    int number = lt_backend_chosen;
#endif
    return number >= 0 ? number : lt_use_backend(lt_backend_count() - 1);
}

TW_INLINE const char *lt_backend(void) { return lt_backend_name(lt_backend_number()); }

#endif
