/* A JSON pull-scanner over [p, end).
 *
 * Every function takes the place where a value begins and returns the place after it, or NULL
 * with *err filled. Strict JSON: what is refused here is refused by any conforming parser, with
 * one exception each way: nesting is limited to TW_MAX_DEPTH, and UTF-8 is the transport's to
 * check. Numbers may stand bare or quoted. Nothing reads outside [p, end). No Python headers.
 */
#ifndef TW_SCAN_H
#define TW_SCAN_H

#include <stddef.h>

#include "decimal.h"

#define TW_MAX_DEPTH 64

typedef struct {
    int code;
    const uint8_t *at; /* the byte that does not fit */
    int32_t decimals;  /* TW_OFF_*: decimals that would hold the value */
} tw_err;

static inline const uint8_t *tw_fail(tw_err *err, int code, const uint8_t *at) {
    err->code = code;
    err->at = at;
    return NULL;
}

static inline const uint8_t *tw_blanks(const uint8_t *p, const uint8_t *end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

/* Skip blanks where there are any; the usual frame has none. */
static inline const uint8_t *tw_ws(const uint8_t *p, const uint8_t *end) {
    if (TW_LIKELY(p < end && *p > ' '))
        return p;
    return tw_blanks(p, end);
}

static inline const uint8_t *tw_expected(const uint8_t *p, const uint8_t *end, tw_err *err) {
    return tw_fail(err, p < end ? TW_SYNTAX : TW_TRUNCATED, p);
}

/* Consume one given byte, blanks allowed in front of it. */
static inline const uint8_t *tw_byte(const uint8_t *p, const uint8_t *end, uint8_t byte,
                                     tw_err *err) {
    p = tw_ws(p, end);
    if (TW_LIKELY(p < end && *p == byte))
        return p + 1;
    return tw_expected(p, end, err);
}

#if TW_SWAR
/* Whether eight bytes hold nothing that ends a string or needs a look: no quote, no backslash, no
 * control character. */
static inline int tw_plain_word(uint64_t w) {
    return !(tw_find(w, '"') | tw_find(w, '\\') | ((w - TW_EIGHT(0x20)) & ~w & TW_EIGHT(0x80)));
}

#if defined(__SSE2__)
#include <emmintrin.h>
#define TW_WIDE 1
/* The same of sixteen bytes at p. */
static inline int tw_plain_wide(const uint8_t *p) {
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1F)), v);
    return !_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, slash), control));
}
#else
static inline int tw_plain_wide(const uint8_t *p) {
    return tw_plain_word(tw_load8(p)) && tw_plain_word(tw_load8(p + 8));
}
#endif
#endif
#ifndef TW_WIDE
#define TW_WIDE 0
#endif

/* From behind an opening quote to behind the closing one; escapes are checked, not decoded. */
static inline const uint8_t *tw_string_end(const uint8_t *p, const uint8_t *end, int *escaped,
                                           tw_err *err) {
    *escaped = 0;
    for (;;) {
#if TW_WIDE
        /* What is longer than a word is a hash, an address, a long text. */
        if (TW_LIKELY(end - p >= 8) && tw_plain_word(tw_load8(p)))
            for (p += 8; end - p >= 16 && tw_plain_wide(p); p += 16)
                ;
#endif
#if TW_SWAR
        while (end - p >= 8) {
            uint64_t w = tw_load8(p);
            /* quote, backslash, or a byte below 0x20; only the lowest hit is exact */
            uint64_t hit = tw_find(w, '"') | tw_find(w, '\\') |
                           ((w - TW_EIGHT(0x20)) & ~w & TW_EIGHT(0x80));
            if (hit) {
                p += __builtin_ctzll(hit) >> 3;
                break;
            }
            p += 8;
        }
#endif
        while (p < end && *p != '"' && *p != '\\' && *p >= 0x20)
            p++;
        if (p >= end)
            return tw_fail(err, TW_TRUNCATED, p);
        if (*p == '"')
            return p + 1;
        if (*p != '\\')
            return tw_fail(err, TW_SYNTAX, p);
        *escaped = 1;
        if (++p >= end)
            return tw_fail(err, TW_TRUNCATED, p);
        switch (*p) {
        case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
            p++;
            break;
        case 'u':
            p++;
            for (int i = 0; i < 4; i++, p++) {
                if (p >= end)
                    return tw_fail(err, TW_TRUNCATED, p);
                uint8_t c = (uint8_t)(*p | 0x20);
                if (!((uint8_t)(*p - '0') < 10 || (uint8_t)(c - 'a') < 6))
                    return tw_fail(err, TW_SYNTAX, p);
            }
            break;
        default:
            return tw_fail(err, TW_SYNTAX, p);
        }
    }
}

static inline unsigned tw_hex4(const uint8_t *p) {
    unsigned v = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = p[i];
        v = v << 4 | (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return v;
}

/* Decode the escapes of a checked string body into `out` as UTF-8. Returns the length, or -1
 * where `room` does not suffice or a surrogate stands alone. */
static inline int tw_unescape(const uint8_t *p, const uint8_t *end, uint8_t *out, int room) {
    int n = 0;
    while (p < end) {
        uint32_t c = *p++;
        if (c != '\\') {
            if (n >= room)
                return -1;
            out[n++] = (uint8_t)c;
            continue;
        }
        c = *p++;
        switch (c) {
        case 'b': c = '\b'; break;
        case 'f': c = '\f'; break;
        case 'n': c = '\n'; break;
        case 'r': c = '\r'; break;
        case 't': c = '\t'; break;
        case 'u':
            c = tw_hex4(p);
            p += 4;
            if (c >= 0xDC00 && c < 0xE000)
                return -1;
            if (c >= 0xD800 && c < 0xDC00) {
                if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
                    return -1;
                uint32_t d = tw_hex4(p + 2);
                if (d < 0xDC00 || d > 0xDFFF)
                    return -1;
                p += 6;
                c = 0x10000 + ((c - 0xD800) << 10) + (d - 0xDC00);
            }
            break;
        default: break; /* '"', '\\' and '/' stand for themselves */
        }
        uint8_t utf8[4];
        int k;
        if (c < 0x80)
            utf8[0] = (uint8_t)c, k = 1;
        else if (c < 0x800)
            utf8[0] = (uint8_t)(0xC0 | c >> 6), utf8[1] = (uint8_t)(0x80 | (c & 63)), k = 2;
        else if (c < 0x10000)
            utf8[0] = (uint8_t)(0xE0 | c >> 12), utf8[1] = (uint8_t)(0x80 | (c >> 6 & 63)),
            utf8[2] = (uint8_t)(0x80 | (c & 63)), k = 3;
        else
            utf8[0] = (uint8_t)(0xF0 | c >> 18), utf8[1] = (uint8_t)(0x80 | (c >> 12 & 63)),
            utf8[2] = (uint8_t)(0x80 | (c >> 6 & 63)), utf8[3] = (uint8_t)(0x80 | (c & 63)), k = 4;
        if (n + k > room)
            return -1;
        memcpy(out + n, utf8, (size_t)k);
        n += k;
    }
    return n;
}

/* The grammar of a bare JSON number. */
static inline const uint8_t *tw_number_end(const uint8_t *p, const uint8_t *end, tw_err *err) {
    if (p < end && *p == '-')
        p++;
    if (p >= end || (uint8_t)(*p - '0') > 9)
        return tw_expected(p, end, err);
    if (*p == '0')
        p++;
    else
        while (p < end && (uint8_t)(*p - '0') < 10)
            p++;
    if (p < end && *p == '.') {
        p++;
        if (p >= end || (uint8_t)(*p - '0') > 9)
            return tw_expected(p, end, err);
        while (p < end && (uint8_t)(*p - '0') < 10)
            p++;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        if (p >= end || (uint8_t)(*p - '0') > 9)
            return tw_expected(p, end, err);
        while (p < end && (uint8_t)(*p - '0') < 10)
            p++;
    }
    return p;
}

static inline const uint8_t *tw_word(const uint8_t *p, const uint8_t *end, const char *word,
                                     tw_err *err) {
    for (; *word; word++, p++)
        if (p >= end || *p != (uint8_t)*word)
            return tw_expected(p, end, err);
    return p;
}

/* A value that is neither object nor array. */
static inline const uint8_t *tw_skip_scalar(const uint8_t *p, const uint8_t *end, tw_err *err) {
    int escaped;
    switch (*p) {
    case '"': return tw_string_end(p + 1, end, &escaped, err);
    case 't': return tw_word(p, end, "true", err);
    case 'f': return tw_word(p, end, "false", err);
    case 'n': return tw_word(p, end, "null", err);
    default: return tw_number_end(p, end, err);
    }
}

/* Any value, checked and passed over. The stack of open brackets is one bit a level. */
static inline const uint8_t *tw_skip(const uint8_t *p, const uint8_t *end, tw_err *err) {
    uint64_t objects = 0; /* bit 0: is the innermost open bracket an object? */
    int depth = 0, escaped;
    for (;;) {
        /* a value begins here */
        p = tw_ws(p, end);
        if (p >= end)
            return tw_fail(err, TW_TRUNCATED, p);
        if (*p == '{' || *p == '[') {
            int object = *p == '{';
            if (depth == TW_MAX_DEPTH)
                return tw_fail(err, TW_DEPTH, p);
            depth++;
            objects = objects << 1 | (uint64_t)object;
            p = tw_ws(p + 1, end);
            if (p >= end)
                return tw_fail(err, TW_TRUNCATED, p);
            if (*p != (object ? '}' : ']')) {
                if (object)
                    goto key;
                continue;
            }
        } else {
            p = tw_skip_scalar(p, end, err);
            if (!p)
                return NULL;
            if (depth == 0)
                return p;
            goto after;
        }
    close: /* p stands on a closing bracket that fits */
        p++;
        depth--;
        objects >>= 1;
        if (depth == 0)
            return p;
    after: /* p stands behind a value inside a bracket */
        p = tw_ws(p, end);
        if (p >= end)
            return tw_fail(err, TW_TRUNCATED, p);
        if (*p == ((objects & 1) ? '}' : ']'))
            goto close;
        if (*p != ',')
            return tw_fail(err, TW_SYNTAX, p);
        p = tw_ws(p + 1, end);
        if (!(objects & 1))
            continue;
    key:
        if (p >= end || *p != '"')
            return tw_expected(p, end, err);
        p = tw_string_end(p + 1, end, &escaped, err);
        if (!p)
            return NULL;
        p = tw_byte(p, end, ':', err);
        if (!p)
            return NULL;
    }
}

/* Keys are compared as numbers: up to eight bytes, first byte lowest. Longer keys give
 * TW_LONG_KEY. tw_k1/tw_k2 make the constants to switch on. */
#define TW_LONG_KEY UINT64_MAX
#define tw_k1(a) ((uint64_t)(a))
#define tw_k2(a, b) ((uint64_t)(a) | (uint64_t)(b) << 8)

static inline const uint8_t *tw_key_slow(const uint8_t *p, const uint8_t *end, uint64_t *key,
                                  tw_err *err) {
    uint8_t text[8];
    int escaped, n;
    p = tw_byte(p, end, '"', err);
    if (!p)
        return NULL;
    const uint8_t *body = p;
    p = tw_string_end(p, end, &escaped, err);
    if (!p)
        return NULL;
    if (escaped)
        n = tw_unescape(body, p - 1, text, 8);
    else if (p - 1 - body <= 8)
        memcpy(text, body, (size_t)(n = (int)(p - 1 - body)));
    else
        n = -1;
    if (n < 0)
        *key = TW_LONG_KEY;
    else {
        *key = 0;
        for (int i = 0; i < n; i++)
            *key |= (uint64_t)text[i] << (8 * i);
        if (escaped && memchr(text, 0, (size_t)n)) /* "e\u0000" is not "e" */
            *key = TW_LONG_KEY;
    }
    p = tw_byte(p, end, ':', err);
    return p ? tw_ws(p, end) : NULL;
}

/* A key with its colon; returns where the value begins. One- and two-letter keys without blanks,
 * which is what these venues send, take the short way: one load and one comparison.
 *
 * The short way does not check the letters themselves. A switch over plain letters needs no more:
 * whoever gets a key it does not know must call tw_key_check. */
static inline const uint8_t *tw_key(const uint8_t *p, const uint8_t *end, uint64_t *key,
                                    tw_err *err) {
#if TW_SWAR
    if (TW_LIKELY(end - p >= 8)) {
        uint64_t w = tw_load8(p);
        if (TW_LIKELY((w & 0xFFFF00FFULL) == 0x3A220022ULL && p[4] > ' ')) { /* "?": */
            *key = w >> 8 & 0xFF;
            return p + 4;
        }
        /* "??": where "a\0" must not pass for "a" */
        if (TW_LIKELY((w & 0xFFFF0000FFULL) == 0x3A22000022ULL && p[2] && p[5] > ' ')) {
            *key = w >> 8 & 0xFFFF;
            return p + 5;
        }
    } else if (end - p >= 6 && p[0] == '"' && p[3] == '"' && p[4] == ':' && p[2] && p[5] > ' ') {
        *key = tw_k2(p[1], p[2]); /* the last key of a message: "st":1} */
        return p + 5;
    }
#endif
    return tw_key_slow(p, end, key, err);
}

static inline int tw_plain(uint8_t c) {
    return c >= 0x20 && c != '"' && c != '\\';
}

/* Check a key at p that was not among those expected, and whose value seemed to begin at `value`.
 * What only looked like a short key is read again with every check. Returns where the value really
 * begins, with *key set. */
static inline const uint8_t *tw_key_check(const uint8_t *p, const uint8_t *value,
                                          const uint8_t *end, uint64_t *key, tw_err *err) {
    ptrdiff_t n = value - p; /* the short way gives four or five */
    if (TW_LIKELY(n > 5 || (tw_plain(p[1]) && (n == 4 || tw_plain(p[2])))))
        return value;
    return tw_key_slow(p, end, key, err);
}

/* Behind a member: 1 and *next on the following key, 0 and *next behind the closing brace,
 * -1 on error. */
static inline int tw_next(const uint8_t *p, const uint8_t *end, uint8_t close,
                          const uint8_t **next, tw_err *err) {
    p = tw_ws(p, end);
    if (TW_UNLIKELY(p >= end)) {
        tw_fail(err, TW_TRUNCATED, p);
        return -1;
    }
    if (TW_LIKELY(*p == ',')) {
        *next = tw_ws(p + 1, end);
        return 1;
    }
    if (TW_LIKELY(*p == close)) {
        *next = p + 1;
        return 0;
    }
    tw_fail(err, TW_SYNTAX, p);
    return -1;
}

#if TW_SWAR
/* A bare integer of 8 to 17 digits that does not begin with 0; 18 bytes from p on must be readable.
 * Returns its length, or 0 where that is not what stands there. */
static inline __attribute__((always_inline)) unsigned tw_quick_int(const uint8_t *p, int64_t *out) {
    uint64_t t = tw_load8(p) ^ TW_EIGHT('0'), u = tw_load8(p + 8) ^ TW_EIGHT('0');
    uint64_t odd = tw_not_digits(u);
    if (TW_UNLIKELY(tw_not_digits(t) || !(t & 0xFF)))
        return 0;
    uint64_t v = tw_eight_digits(t);
    if (TW_UNLIKELY(!odd)) { /* 16 digits, or 17 */
        v = v * 100000000 + tw_eight_digits(u);
        unsigned last = (unsigned)p[16] - '0';
        if (last > 9) {
            *out = (int64_t)v;
            return 16;
        }
        *out = (int64_t)(v * 10 + last);
        return (uint8_t)(p[17] - '0') < 10 ? 0 : 17;
    }
    unsigned bits = (unsigned)__builtin_ctzll(odd) & 56;
    if (bits)
        v = v * (uint64_t)tw_pow10[bits >> 3] + tw_eight_digits(u << (64 - bits));
    *out = (int64_t)v;
    return 8 + (bits >> 3);
}
#endif

/* An integer that must fit int64, bare or quoted. */
static inline const uint8_t *tw_int(const uint8_t *p, const uint8_t *end, int64_t *out,
                                    tw_err *err) {
#if TW_SWAR
    if (TW_LIKELY(end - p >= 18)) { /* ids and times have 13 digits and more */
        unsigned n = tw_quick_int(p, out);
        if (TW_LIKELY(n && (p[n] == ',' || p[n] == '}')))
            return p + n;
    }
#endif
    int quoted = 0, negative = 0;
    if (TW_UNLIKELY(p < end && *p == '"'))
        quoted = 1, p++;
    if (TW_UNLIKELY(p < end && *p == '-'))
        negative = 1, p++;
    const uint8_t *first = p;
    uint64_t v = 0;
    while (p < end && (uint8_t)(*p - '0') < 10) {
        if (TW_UNLIKELY(v > (uint64_t)(INT64_MAX / 10)))
            return tw_fail(err, TW_RANGE, first);
        v = v * 10 + (uint64_t)(*p++ - '0');
    }
    if (TW_UNLIKELY(p == first)) {
        if (p < end && !quoted && (*p == '{' || *p == '[' || *p == 't' || *p == 'f' || *p == 'n'))
            return tw_fail(err, TW_TYPE, p);
        return tw_expected(p, end, err);
    }
    if (TW_UNLIKELY(v > (uint64_t)INT64_MAX))
        return tw_fail(err, TW_RANGE, first);
    if (TW_UNLIKELY(*first == '0' && p - first > 1))
        return tw_fail(err, TW_SYNTAX, first); /* JSON has no leading zeros */
    if (quoted) {
        if (p >= end || *p != '"')
            return tw_expected(p, end, err);
        p++;
    } else if (TW_UNLIKELY(p < end && (*p == '.' || *p == 'e' || *p == 'E')))
        return tw_fail(err, TW_VALUE, p);
    *out = negative ? -(int64_t)v : (int64_t)v;
    return p;
}

/* An integer whose value is not wanted, or any other value. */
static inline const uint8_t *tw_skip_int(const uint8_t *p, const uint8_t *end, tw_err *err) {
    const uint8_t *start = p;
#if TW_SWAR
    while (end - p >= 8) {
        uint64_t odd = tw_not_digits(tw_load8(p) ^ TW_EIGHT('0'));
        if (odd) {
            p += __builtin_ctzll(odd) >> 3;
            break;
        }
        p += 8;
    }
#endif
    while (p < end && (uint8_t)(*p - '0') < 10)
        p++;
    if (TW_LIKELY(p < end && (*p == ',' || *p == '}') && p != start && *start != '0'))
        return p;
    return tw_skip(start, end, err);
}

/* A decimal, quoted (as venues send it) or bare. */
static inline const uint8_t *tw_fixed_value(const uint8_t *p, const uint8_t *end, tw_fixed *out,
                                            tw_err *err) {
#if TW_SWAR
    if (TW_LIKELY(end - p >= 18 && *p == '"')) {
        uint64_t v;
        int32_t frac;
        unsigned len = tw_quick_decimal(p + 1, '"', &v, &frac);
        if (TW_LIKELY(len)) {
            out->mantissa = (int64_t)v;
            out->exponent = frac;
            return p + len + 2;
        }
    } else if (p < end && *p == '"') { /* the last number of a message: read it from a copy */
        uint8_t text[24] = {0};
        uint64_t v;
        int32_t frac;
        memcpy(text, p + 1, (size_t)(end - p - 1));
        unsigned len = tw_quick_decimal(text, '"', &v, &frac);
        if (TW_LIKELY(len)) {
            out->mantissa = (int64_t)v;
            out->exponent = frac;
            return p + len + 2;
        }
    }
#endif
    const uint8_t *start = p;
    int quoted = p < end && *p == '"';
    if (!quoted && p < end && (*p == '{' || *p == '[' || *p == 't' || *p == 'f' || *p == 'n'))
        return tw_fail(err, TW_TYPE, p);
    int code = TW_SYNTAX;
    const uint8_t *first = p + quoted;
    p = tw_decimal_slow(first, end, out, &code);
    if (!p)
        return tw_fail(err, code, start);
    if (quoted) {
        if (p >= end || *p != '"')
            return tw_expected(p, end, err);
        p++;
    } else {
        const uint8_t *digits = first + (*first == '-');
        if (*digits == '0' && digits + 1 < end && (uint8_t)(digits[1] - '0') < 10)
            return tw_fail(err, TW_SYNTAX, first);
    }
    return p;
}

static inline const uint8_t *tw_scaled(const uint8_t *p, const uint8_t *end, const tw_scale *s,
                                       int off, int64_t *out, tw_err *err) {
    tw_fixed x;
    const uint8_t *next = tw_fixed_value(p, end, &x, err);
    if (TW_UNLIKELY(!next))
        return NULL;
    int code = tw_to_scale(x, s, off, out);
    if (TW_UNLIKELY(code)) {
        err->decimals = x.exponent;
        return tw_fail(err, code, p);
    }
    return next;
}

static inline const uint8_t *tw_bool(const uint8_t *p, const uint8_t *end, int *out,
                                     tw_err *err) {
    if (end - p >= 4 && memcmp(p, "true", 4) == 0) {
        *out = 1;
        return p + 4;
    }
    if (end - p >= 5 && memcmp(p, "false", 5) == 0) {
        *out = 0;
        return p + 5;
    }
    const uint8_t *after = p < end ? tw_skip(p, end, err) : tw_expected(p, end, err);
    return after ? tw_fail(err, TW_TYPE, p) : NULL;
}

/* A string value; its body is [*s, *s + *n), still escaped where *escaped is set. */
static inline const uint8_t *tw_string(const uint8_t *p, const uint8_t *end, const uint8_t **s,
                                       ptrdiff_t *n, int *escaped, tw_err *err) {
    if (TW_UNLIKELY(p >= end || *p != '"')) {
        const uint8_t *after = p < end ? tw_skip(p, end, err) : tw_expected(p, end, err);
        return after ? tw_fail(err, TW_TYPE, p) : NULL;
    }
    *s = ++p;
    p = tw_string_end(p, end, escaped, err);
    if (TW_UNLIKELY(!p))
        return NULL;
    *n = p - 1 - *s;
    return p;
}

/* Only blanks may follow a whole message. */
static inline int tw_at_end(const uint8_t *p, const uint8_t *end, tw_err *err) {
    p = tw_blanks(p, end);
    if (TW_LIKELY(p == end))
        return 1;
    tw_fail(err, TW_TRAILING, p);
    return 0;
}

#endif
