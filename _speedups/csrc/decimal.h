/* Decimal text to scaled integers, exactly.
 *
 * Grammar: -?[0-9]+(\.[0-9]+)?   No exponent, no sign '+', no NaN, no blanks.
 *
 * Nothing here reads outside [p, end) or allocates. No Python headers.
 */
#ifndef TW_DECIMAL_H
#define TW_DECIMAL_H

#include <stddef.h>
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

/* In the next functions t is eight bytes of text with '0' taken off each (t = w ^ TW_EIGHT('0')):
 * digits are 0..9 there, and shifting in zero bytes prepends zeros to the number. */

/* High bit set in each byte of t that is no digit; exact up to and including the lowest such byte
 * that is below 0xBA as text, beyond which only bytes of a foreign script can disturb it. */
static inline uint64_t tw_not_digits(uint64_t t) {
    return ((t + TW_EIGHT(0x76)) | t) & TW_EIGHT(0x80);
}

/* Eight digits, first one in the lowest byte, to a number. */
static inline uint64_t tw_eight_digits(uint64_t t) {
    t = (t * 2561) >> 8 & 0x00FF00FF00FF00FFULL;
    t = (t * 6553601) >> 16 & 0x0000FFFF0000FFFFULL;
    return (t * 42949672960001ULL) >> 32;
}

#if TW_SWAR
/* Nine to fifteen bytes that are digits but for one dot at `dot` (16: none), in two words. Returns 0
 * where the dot has nothing behind it. */
static inline int tw_wide_words(uint64_t t, uint64_t u, unsigned len, unsigned dot, uint64_t *value,
                                int32_t *frac) {
    unsigned n = len; /* digits */
    if (len == dot + 1)
        return 0;
    if (dot < 8) { /* take the dot out of two words */
        uint64_t below = (1ULL << (8 * dot)) - 1;
        t = (t & below) | (t >> 8 & ~below & (UINT64_MAX >> 8)) | u << 56;
        u >>= 8;
        n--;
    } else if (dot < 16) {
        uint64_t below = (1ULL << (8 * (dot - 8))) - 1;
        u = (u & below) | (u >> 8 & ~below);
        n--;
    }
    *frac = dot < 16 ? (int32_t)(len - dot - 1) : 0;
    *value = tw_eight_digits(t);
    if (n > 8)
        *value = *value * (uint64_t)tw_pow10[n - 8] + tw_eight_digits(u << (128 - 8 * n));
    return 1;
}

/* The part of tw_quick_decimal for 9 to 15 bytes: t, odd are of the first word. */
static unsigned tw_quick_wide(const uint8_t *p, uint8_t stop, uint64_t t, uint64_t odd,
                              uint64_t *value, int32_t *frac) {
    uint64_t u = tw_load8(p + 8) ^ TW_EIGHT('0'), more = tw_not_digits(u);
    unsigned dot = odd ? (unsigned)__builtin_ctzll(odd) >> 3 : 16; /* 16: not yet seen */
    if (!more)
        return 0;
    unsigned at = (unsigned)__builtin_ctzll(more) >> 3;
    if (dot == 16 && p[8 + at] == '.') {
        dot = 8 + at;
        more &= more - 1;
        if (!more)
            return 0;
        at = (unsigned)__builtin_ctzll(more) >> 3;
    }
    unsigned len = 8 + at;
    return p[len] == stop && tw_wide_words(t, u, len, dot, value, frac) ? len : 0;
}

/* Digits with an optional dot among them, ended by the byte `stop`, at p; 17 bytes from p on must
 * be readable. Returns the length of the number, or 0 where it is longer than 15 bytes or not of
 * that shape (which says nothing about whether it is a number). */
static inline __attribute__((always_inline)) unsigned
tw_quick_decimal(const uint8_t *p, uint8_t stop, uint64_t *value, int32_t *frac) {
    uint64_t t = tw_load8(p) ^ TW_EIGHT('0');
    uint64_t odd = tw_not_digits(t);
    if (TW_UNLIKELY(!odd))
        return tw_quick_wide(p, stop, t, odd, value, frac);
    unsigned bits = (unsigned)__builtin_ctzll(odd) & 56; /* eight times the place of the dot */
    uint8_t first = p[bits >> 3];
    if (first == stop) { /* no fraction */
        *value = tw_eight_digits(bits ? t << (64 - bits) : 0);
        *frac = 0;
        return bits >> 3;
    }
    if (TW_UNLIKELY(first != '.' || bits == 0))
        return 0;
    uint64_t second = odd & (odd - 1);
    unsigned len = second ? (unsigned)__builtin_ctzll(second) >> 3 : 8;
    if (TW_UNLIKELY(p[len] != stop))
        return second ? 0 : tw_quick_wide(p, stop, t, odd, value, frac);
    int32_t f = (int32_t)(len - (bits >> 3) - 1);
    if (TW_UNLIKELY(f == 0))
        return 0;
    uint64_t below = (1ULL << bits) - 1;
    t = (t & below) | (t >> 8 & ~below); /* take the dot out */
    *value = tw_eight_digits(t << (72 - 8 * len));
    *frac = f;
    return len;
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
    if (TW_LIKELY(k == 0 && s->mantissa == 1)) {
        *out = v;
        return TW_OK;
    }
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

/* The sum of two exact decimals, neither absent, with the decimals of the one that has more. Returns
 * 0, and leaves *out alone, where 64 bits do not hold it, or one of the two with as many decimals. */
static inline int tw_fixed_add(tw_fixed a, tw_fixed b, tw_fixed *out) {
    int64_t sum;
    if (TW_UNLIKELY(a.exponent != b.exponent)) {
        tw_fixed *coarse = a.exponent < b.exponent ? &a : &b;
        int32_t most = a.exponent < b.exponent ? b.exponent : a.exponent;
        if (__builtin_mul_overflow(coarse->mantissa, tw_pow10[most - coarse->exponent],
                                   &coarse->mantissa))
            return 0;
        coarse->exponent = most;
    }
    if (TW_UNLIKELY(__builtin_add_overflow(a.mantissa, b.mantissa, &sum)))
        return 0;
    out->mantissa = sum;
    out->exponent = a.exponent;
    return 1;
}

/* x * factor / 10**decimals, which keeps the decimals of x and those more that it needs. Returns 0,
 * and leaves *out alone, where 64 bits or 18 decimals do not hold it. */
static inline int tw_fixed_share(tw_fixed x, int64_t factor, int32_t decimals, tw_fixed *out) {
    int32_t least = x.exponent;
    if (TW_UNLIKELY(__builtin_mul_overflow(x.mantissa, factor, &x.mantissa)))
        return 0;
    for (x.exponent += decimals; x.exponent > least && x.mantissa % 10 == 0; x.exponent--)
        x.mantissa /= 10;
    if (TW_UNLIKELY(x.exponent > 18))
        return 0;
    *out = x;
    return 1;
}

#if TW_SWAR
/* Text of known length, 1 to 15 bytes, in two words: `low` its first eight bytes, `high` the rest,
 * with zero bytes above. Returns 0 where it is not digits with at most one dot among them. */
static inline int tw_words_decimal(uint64_t low, uint64_t high, unsigned len, uint64_t *value,
                                   int32_t *frac) {
    /* The zero bytes above the text are no digits either, so something odd is always found. */
    uint64_t t = low ^ TW_EIGHT('0'), u = high ^ TW_EIGHT('0');
    uint64_t odd = tw_not_digits(t);
    unsigned dot = odd ? (unsigned)__builtin_ctzll(odd) >> 3 : 8;
    if (TW_LIKELY(len <= 8)) {
        if (dot == len) {
            *value = tw_eight_digits(t << (64 - 8 * len));
            *frac = 0;
            return 1;
        }
        odd &= odd - 1;
        if (TW_UNLIKELY(dot == 0 || (low >> (8 * dot) & 0xFF) != '.' || dot + 1 == len ||
                        (odd ? (unsigned)__builtin_ctzll(odd) >> 3 : 8) != len))
            return 0;
        uint64_t below = (1ULL << (8 * dot)) - 1;
        t = (t & below) | (t >> 8 & ~below);
        *value = tw_eight_digits(t << (72 - 8 * len));
        *frac = (int32_t)(len - dot - 1);
        return 1;
    }
    uint64_t more = tw_not_digits(u);
    if (dot < 8) {
        if (dot == 0 || (low >> (8 * dot) & 0xFF) != '.' || (odd & (odd - 1)))
            return 0;
    } else {
        dot = 8 + ((unsigned)__builtin_ctzll(more) >> 3);
        if (dot == len)
            dot = 16;
        else if ((high >> (8 * (dot - 8)) & 0xFF) != '.')
            return 0;
        else
            more &= more - 1;
    }
    if (!more || 8 + ((unsigned)__builtin_ctzll(more) >> 3) != len)
        return 0;
    return tw_wide_words(t, u, len, dot, value, frac);
}
#endif

/* Text that must be a decimal from p to end, brought to a count of increments. `before` says how
 * many bytes in front of p may be read too (the header of the object that holds the text). */
static inline int tw_text_to_scale(const uint8_t *p, const uint8_t *end, ptrdiff_t before,
                                   const tw_scale *s, int64_t *out) {
    tw_fixed x;
#if TW_SWAR
    ptrdiff_t n = end - p;
    if (TW_LIKELY(n >= 1 && n <= 15)) {
        unsigned len = (unsigned)n;
        uint64_t low, high = 0, v;
        int32_t frac;
        if (len > 8) {
            low = tw_load8(p);
            high = tw_load8(end - 8) >> (8 * (16 - len));
        } else if (TW_LIKELY(before >= 8))
            low = tw_load8(end - 8) >> (8 * (8 - len));
        else if (len >= 4) { /* two overlapping loads, nothing outside */
            uint32_t a, b;
            memcpy(&a, p, 4);
            memcpy(&b, end - 4, 4);
            low = (uint64_t)a | (uint64_t)b << (8 * (len - 4));
        } else
            low = (uint64_t)p[0] | (uint64_t)p[len >> 1] << (8 * (len >> 1)) |
                  (uint64_t)p[len - 1] << (8 * (len - 1));
        if (TW_LIKELY(tw_words_decimal(low, high, len, &v, &frac))) {
            x.mantissa = (int64_t)v;
            x.exponent = frac;
            return tw_to_scale(x, s, TW_OFF_PRICE, out);
        }
    }
#else
    (void)before;
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
