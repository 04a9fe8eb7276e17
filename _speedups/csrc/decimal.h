/* Decimal text to scaled integers, exactly.
 *
 * Grammar: -?[0-9]+(\.[0-9]+)?   No exponent, no sign '+', no NaN, no blanks.
 *
 * Nothing here reads outside [p, end) or allocates. No Python headers.
 */
#ifndef TW_DECIMAL_H
#define TW_DECIMAL_H

#include <stdint.h>
#include <string.h>

#define TW_LIKELY(x) __builtin_expect(!!(x), 1)
#define TW_UNLIKELY(x) __builtin_expect(!!(x), 0)

enum {
    TW_OK = 0,
    TW_SYNTAX = 1,     /* not JSON, or not a number where one must be */
    TW_TRUNCATED = 2,  /* the text ended too early */
    TW_DEPTH = 3,      /* nested too deeply */
    TW_TYPE = 4,       /* a valid value of the wrong type */
    TW_RANGE = 5,      /* does not fit 64 bits */
    TW_OFF_PRICE = 6,  /* not a multiple of the price increment */
    TW_OFF_SIZE = 7,   /* not a multiple of the size increment */
    TW_MISSING = 8,    /* a mandatory key is not there */
    TW_TRAILING = 9,   /* bytes after the end of the value */
    TW_MEMORY = 10,
    TW_VALUE = 11      /* a value its key does not allow */
};

/* An exact decimal: mantissa * 10^-exponent; exponent < 0 stands for "absent". */
typedef struct {
    int64_t mantissa;
    int32_t exponent;
} tw_fixed;

/* An increment: mantissa * 10^-decimals, 0 <= decimals <= 18, mantissa > 0. */
typedef struct {
    int64_t mantissa;
    int32_t decimals;
} tw_scale;

static const int64_t tw_pow10[19] = {
    1LL,
    10LL,
    100LL,
    1000LL,
    10000LL,
    100000LL,
    1000000LL,
    10000000LL,
    100000000LL,
    1000000000LL,
    10000000000LL,
    100000000000LL,
    1000000000000LL,
    10000000000000LL,
    100000000000000LL,
    1000000000000000LL,
    10000000000000000LL,
    100000000000000000LL,
    1000000000000000000LL,
};

#define TW_EIGHT(byte) (0x0101010101010101ULL * (uint64_t)(byte))

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define TW_SWAR 1
#else
#define TW_SWAR 0
#endif

static inline uint64_t tw_load8(const uint8_t *p) {
    uint64_t w;
    memcpy(&w, p, 8);
    return w;
}

/* High bit set in each byte of w that equals `byte`; exact up to and including the lowest hit. */
static inline uint64_t tw_find(uint64_t w, uint8_t byte) {
    uint64_t t = w ^ TW_EIGHT(byte);
    return (t - TW_EIGHT(0x01)) & ~t & TW_EIGHT(0x80);
}

static inline int tw_all_digits(uint64_t w) {
    return (((w & TW_EIGHT(0xF0)) ^ TW_EIGHT(0x30)) |
            (((w + TW_EIGHT(0x06)) & TW_EIGHT(0xF0)) ^ TW_EIGHT(0x30))) == 0;
}

/* Eight ASCII digits, first digit in the lowest byte, to a number. */
static inline uint64_t tw_eight_digits(uint64_t w) {
    w = ((w & TW_EIGHT(0x0F)) * 2561) >> 8;
    w = ((w & 0x00FF00FF00FF00FFULL) * 6553601) >> 16;
    return ((w & 0x0000FFFF0000FFFFULL) * 42949672960001ULL) >> 32;
}

#if TW_SWAR
/* Digits with an optional dot among them, standing in the low `len` bytes of w (1 <= len <= 8;
 * higher bytes are ignored). Returns 0 where that is not what stands there. */
static inline int tw_small_decimal(uint64_t w, unsigned len, uint64_t *value, int32_t *frac) {
    w &= UINT64_MAX >> (8 * (8 - len));
    uint64_t dots = tw_find(w, '.');
    unsigned n = len;
    int32_t f = 0;
    if (dots) {
        unsigned at = (unsigned)__builtin_ctzll(dots) >> 3;
        uint64_t below = (1ULL << (8 * at)) - 1;
        w = (w & below) | ((w >> 8) & ~below);
        n = len - 1;
        f = (int32_t)(n - at);
        if (TW_UNLIKELY(at == 0 || f == 0))
            return 0;
    }
    /* Last digit to the top, zeros below the first; in two shifts, since n may be 8. */
    w = (w << (8 * (8 - n))) | (TW_EIGHT('0') >> (8 * n - 8) >> 8);
    if (TW_UNLIKELY(!tw_all_digits(w)))
        return 0;
    *value = tw_eight_digits(w);
    *frac = f;
    return 1;
}

/* The same for 9 <= len <= 15, in two words. */
static inline int tw_wide_decimal(uint64_t low, uint64_t high, unsigned len, uint64_t *value,
                                  int32_t *frac) {
    typedef unsigned __int128 u128;
    u128 w = ((u128)high << 64) | low;
    unsigned n = len;
    int32_t f = 0;
    high &= (1ULL << (8 * (len - 8))) - 1;
    uint64_t dots_low = tw_find(low, '.'), dots_high = tw_find(high, '.');
    if (dots_low | dots_high) {
        unsigned at = dots_low ? (unsigned)__builtin_ctzll(dots_low) >> 3
                               : 8 + ((unsigned)__builtin_ctzll(dots_high) >> 3);
        u128 below = ((u128)1 << (8 * at)) - 1;
        w = (w & below) | ((w >> 8) & ~below);
        n = len - 1;
        f = (int32_t)(n - at);
        if (TW_UNLIKELY(at == 0 || f == 0))
            return 0;
    }
    /* Shifting left drops what stood above the number and makes room for leading zeros. */
    w <<= 8 * (16 - n);
    low = (uint64_t)w;
    high = (uint64_t)(w >> 64);
    low |= TW_EIGHT('0') >> (8 * (n - 8)); /* 8 <= n <= 15 */
    if (TW_UNLIKELY(!tw_all_digits(low) || !tw_all_digits(high)))
        return 0;
    *value = tw_eight_digits(low) * 100000000ULL + tw_eight_digits(high);
    *frac = f;
    return 1;
}
#endif

/* Read a decimal that starts at p; it ends at the first byte that cannot belong to it.
 * Returns that place, or NULL with *code set. Trailing zeros of the fraction are dropped only
 * where the digits would not fit otherwise. */
static inline const uint8_t *tw_decimal_slow(const uint8_t *p, const uint8_t *end, tw_fixed *out,
                                             int *code) {
    int negative = 0;
    if (p < end && *p == '-')
        negative = 1, p++;
    const uint8_t *first = p;
    uint64_t v = 0;
    int32_t frac = 0;
    for (; p < end && (uint8_t)(*p - '0') < 10; p++) {
        if (v > (uint64_t)(INT64_MAX / 10) ||
            (v = v * 10 + (uint64_t)(*p - '0')) > (uint64_t)INT64_MAX) {
            *code = TW_RANGE;
            return NULL;
        }
    }
    if (p == first) {
        *code = p == end ? TW_TRUNCATED : TW_SYNTAX;
        return NULL;
    }
    if (p < end && *p == '.') {
        const uint8_t *dot = p++;
        int32_t zeros = 0; /* zeros not yet taken into v: they count only if a digit follows */
        for (; p < end && (uint8_t)(*p - '0') < 10; p++) {
            if (*p == '0') {
                zeros++;
                continue;
            }
            for (zeros++; zeros > 0; zeros--) {
                uint64_t digit = zeros == 1 ? (uint64_t)(*p - '0') : 0;
                if (v > (uint64_t)(INT64_MAX / 10) ||
                    (v = v * 10 + digit) > (uint64_t)INT64_MAX || ++frac > 18) {
                    *code = TW_RANGE;
                    return NULL;
                }
            }
        }
        if (p == dot + 1) {
            *code = p == end ? TW_TRUNCATED : TW_SYNTAX;
            return NULL;
        }
        /* Keep the zeros that fit, so that the value reads back as it was sent. */
        for (; zeros > 0 && frac < 18 && v <= (uint64_t)(INT64_MAX / 10); zeros--, frac++)
            v *= 10;
    }
    if (p < end && (*p == 'e' || *p == 'E')) { /* never seen on these venues; never guessed at */
        *code = TW_VALUE;
        return NULL;
    }
    out->mantissa = negative ? -(int64_t)v : (int64_t)v;
    out->exponent = frac;
    return p;
}

/* Bring an exact decimal to a count of increments. `off` is the code for "not a multiple". */
static inline int tw_to_scale(tw_fixed x, const tw_scale *s, int off, int64_t *out) {
    int64_t v = x.mantissa;
    int32_t k = s->decimals - x.exponent;
    if (k > 0) {
        if (TW_UNLIKELY(__builtin_mul_overflow(v, tw_pow10[k], &v)))
            return TW_RANGE;
    } else if (k < 0) {
        int64_t q = v / tw_pow10[-k];
        if (TW_UNLIKELY(q * tw_pow10[-k] != v))
            return off;
        v = q;
    }
    if (s->mantissa != 1) {
        int64_t q = v / s->mantissa;
        if (TW_UNLIKELY(q * s->mantissa != v))
            return off;
        v = q;
    }
    *out = v;
    return TW_OK;
}

/* Text that must be a decimal from p to end, brought to a count of increments. */
static inline int tw_text_to_scale(const uint8_t *p, const uint8_t *end, const tw_scale *s,
                                   int64_t *out) {
    tw_fixed x;
#if TW_SWAR
    uint64_t v;
    unsigned len = (unsigned)(end - p);
    if (TW_LIKELY(end - p >= 1 && end - p <= 15)) {
        int ok;
        int32_t frac = 0;
        if (len <= 8) {
            uint64_t w = 0;
            /* Two overlapping loads gather 1..8 bytes without touching a byte outside. */
            if (len >= 4) {
                uint32_t a, b;
                memcpy(&a, p, 4);
                memcpy(&b, p + len - 4, 4);
                w = (uint64_t)a | (uint64_t)b << (8 * (len - 4));
            } else {
                w = (uint64_t)p[0] | (uint64_t)p[len >> 1] << (8 * (len >> 1)) |
                    (uint64_t)p[len - 1] << (8 * (len - 1));
            }
            ok = tw_small_decimal(w, len, &v, &frac);
        } else {
            /* Bytes 8.. of the text, brought down to the low end. */
            uint64_t high = tw_load8(p + len - 8) >> (8 * (16 - len));
            ok = tw_wide_decimal(tw_load8(p), high, len, &v, &frac);
        }
        if (TW_LIKELY(ok)) {
            x.mantissa = (int64_t)v;
            x.exponent = frac;
            return tw_to_scale(x, s, TW_OFF_PRICE, out);
        }
    }
#endif
    int code = TW_SYNTAX;
    const uint8_t *stop = tw_decimal_slow(p, end, &x, &code);
    if (!stop)
        return code;
    if (stop != end)
        return TW_SYNTAX;
    return tw_to_scale(x, s, TW_OFF_PRICE, out);
}

#endif
