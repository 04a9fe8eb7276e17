/* Objects of JSON, member by member: keys looked up in tables, and the values they have. No Python
 * headers.
 *
 * Key order is free; unknown keys are checked and passed over; the last of equal keys counts; null
 * stands for "absent". Functions take the place where a value begins and return the place behind
 * it, or NULL with *err set.
 */
#ifndef TW_OBJECT_H
#define TW_OBJECT_H

#include "fields.h"

/* ---- keys ------------------------------------------------------------------------------------ */

/* A key as it stands on the wire, quotes and colon included. */
typedef struct {
    uint8_t text[40];
    uint8_t n;
} tw_name;

#define TW_NAME(name) {"\"" name "\":", sizeof name + 2}
#define TW_NAME_ROOM 48 /* readable bytes that tw_name_is asks for */
#define TW_NAME_UNKNOWN (-1)
#define TW_NAME_BROKEN (-2)

static inline int tw_name_is(const uint8_t *p, const tw_name *name) {
    unsigned n = name->n;
#if TW_SWAR
    if (n < 8)
        return (tw_load8(p) ^ tw_load8(name->text)) << (64 - 8 * n) == 0;
#else
    if (n < 8)
        return memcmp(p, name->text, n) == 0;
#endif
    if (tw_load8(p) != tw_load8(name->text))
        return 0;
    for (unsigned i = 8; i + 8 < n; i += 8)
        if (tw_load8(p + i) != tw_load8(name->text + i))
            return 0;
    return tw_load8(p + n - 8) == tw_load8(name->text + n - 8); /* may overlap */
}

#if TW_SWAR
/* Whether the n bytes of `text` stand at p; made for a text that the compiler knows. */
static inline __attribute__((always_inline)) int tw_stands(const uint8_t *p, const uint8_t *end,
                                                          const uint8_t *text, unsigned n) {
    if (TW_UNLIKELY(end - p < (ptrdiff_t)n))
        return 0;
    if (n < 8)
        return memcmp(p, text, n) == 0;
    for (unsigned i = 0; i + 8 < n; i += 8)
        if (TW_UNLIKELY(tw_load8(p + i) != tw_load8(text + i)))
            return 0;
    return tw_load8(p + n - 8) == tw_load8(text + n - 8); /* may overlap */
}

/* Whether n bytes, 1 to 16, stand at p as they do in front of it at q, with one more behind them. */
static inline int tw_same(const uint8_t *p, const uint8_t *q, unsigned n, const uint8_t *end) {
    if (TW_UNLIKELY(end - p < 17))
        return 0;
    if (n < 8)
        return (tw_load8(p) ^ tw_load8(q)) << (64 - 8 * n) == 0;
    return tw_load8(p) == tw_load8(q) && tw_load8(p + n - 8) == tw_load8(q + n - 8);
}

/* Whether n bytes, 16 and more, are the same. */
static inline int tw_equal_wide(const uint8_t *p, const uint8_t *q, unsigned n) {
#if TW_WIDE
    __m128i same = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)p),
                                  _mm_loadu_si128((const __m128i *)(const void *)q));
    for (unsigned i = ((n - 1) & 15) + 1; i < n; i += 16) /* the second may overlap the first */
        same = _mm_and_si128(
            same, _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + i)),
                                 _mm_loadu_si128((const __m128i *)(const void *)(q + i))));
    return _mm_movemask_epi8(same) == 0xFFFF;
#else
    return memcmp(p, q, n) == 0;
#endif
}

/* Whether n bytes, mostly many, are the same. */
static inline int tw_equal(const uint8_t *p, const uint8_t *q, unsigned n) {
    if (TW_LIKELY(n >= 16))
        return tw_equal_wide(p, q, n);
    if (n < 8)
        return memcmp(p, q, n) == 0;
    return tw_load8(p) == tw_load8(q) && tw_load8(p + n - 8) == tw_load8(q + n - 8);
}

/* A bare whole number of up to 16 digits and no sign; returns their count, or 0 where that is not
 * what stands at p, or less than 17 bytes are left. */
static inline __attribute__((always_inline)) unsigned tw_bare_digits(const uint8_t *p,
                                                                   const uint8_t *end,
                                                                   int64_t *out) {
    if (TW_UNLIKELY(end - p < 17))
        return 0;
    uint64_t t = tw_load8(p) ^ TW_EIGHT('0'), odd = tw_not_digits(t);
    unsigned n;
    uint64_t v;
    if (odd) {
        n = (unsigned)__builtin_ctzll(odd) >> 3;
        if (TW_UNLIKELY(n == 0))
            return 0;
        v = tw_eight_digits(t << (64 - 8 * n));
    } else {
        uint64_t u = tw_load8(p + 8) ^ TW_EIGHT('0'), more = tw_not_digits(u);
        n = more ? (unsigned)__builtin_ctzll(more) >> 3 : 8;
        v = tw_eight_digits(t) * (uint64_t)tw_pow10[n];
        if (n)
            v += tw_eight_digits(u << (64 - 8 * n));
        n += 8;
    }
    /* JSON has no leading zeros; and the number ends here. */
    if (TW_UNLIKELY((n > 1 && !(t & 0xFF)) || (p[n] != ',' && p[n] != '}')))
        return 0;
    *out = (int64_t)v;
    return n;
}
#endif

/* Read a key of any shape and look it up. */
static int tw_member_slow(const uint8_t **at, const uint8_t *end, const tw_name *names,
                          int count, tw_err *err) {
    uint8_t scratch[40];
    int escaped, n;
    const uint8_t *p = tw_byte(*at, end, '"', err), *body = p;
    if (!p || !(p = tw_string_end(p, end, &escaped, err)))
        return TW_NAME_BROKEN;
    n = p - 1 - body <= 36 ? (int)(p - 1 - body) : -1;
    if (escaped) {
        n = tw_unescape(body, p - 1, scratch, sizeof scratch);
        body = scratch;
    }
    if (!(p = tw_byte(p, end, ':', err)))
        return TW_NAME_BROKEN;
    *at = tw_ws(p, end);
    for (int i = 0; n >= 0 && i < count; i++)
        if (names[i].n == n + 3 && memcmp(names[i].text + 1, body, (size_t)n) == 0)
            return i;
    return TW_NAME_UNKNOWN;
}

/* The number of the key at *at in `names`, with *at moved to its value. Keys mostly come in the
 * order of the table: *hint is where to look first. */
static inline int tw_member(const uint8_t **at, const uint8_t *end, const tw_name *names,
                            int count, int *hint, tw_err *err) {
    const uint8_t *p = *at;
    if (TW_LIKELY(end - p >= TW_NAME_ROOM)) {
        int i = *hint;
        for (int left = count; left > 0; left--, i++) {
            if (i >= count)
                i = 0;
            if (tw_name_is(p, &names[i])) {
                p += names[i].n;
                *at = TW_LIKELY(*p > ' ') ? p : tw_blanks(p, end);
                *hint = i + 1;
                return i;
            }
        }
    } else if (*hint < count && end - p > names[*hint].n &&
               memcmp(p, names[*hint].text, names[*hint].n) == 0 && p[names[*hint].n] > ' ') {
        *at = p + names[*hint].n; /* the last key of a frame */
        return (*hint)++;
    }
    return tw_member_slow(at, end, names, count, err);
}

/* The loop over the members of an object: p stands on its brace, or `from` behind a member up to which
 * it was read already. CASES handles the keys by their number in `names`, setting p behind the
 * value. */
#define TW_OBJECT_FROM(from, names, CASES)                                                      \
    {                                                                                              \
        const uint8_t *next_;                                                                      \
        int hint_ = 0, more_;                                                                      \
        if (from) {                                                                                \
            more_ = tw_next(from, end, '}', &next_, err);                                          \
            if (TW_UNLIKELY(more_ < 0))                                                            \
                return NULL;                                                                       \
            p = next_;                                                                             \
        } else {                                                                                   \
            if (TW_UNLIKELY(p >= end || *p != '{'))                                                \
                return tw_wrong_type(p, end, err);                                                 \
            p = tw_ws(p + 1, end);                                                                 \
            more_ = !(p < end && *p == '}');                                                       \
            p += !more_;                                                                           \
        }                                                                                          \
        while (more_) {                                                                            \
            int key_ = tw_member(&p, end, names, TW_COUNT(names), &hint_, err);                 \
            if (TW_UNLIKELY(key_ == TW_NAME_BROKEN))                                                 \
                return NULL;                                                                       \
            if (TW_UNLIKELY(p < end && *p == 'n'))                                                 \
                p = tw_null(p, end, err);                                                          \
            else                                                                                   \
                switch (key_) {                                                                    \
                    CASES                                                                          \
                default: p = tw_skip(p, end, err); break;                                          \
                }                                                                                  \
            if (TW_UNLIKELY(!p))                                                                   \
                return NULL;                                                                       \
            more_ = tw_next(p, end, '}', &next_, err);                                             \
            if (TW_UNLIKELY(more_ < 0))                                                            \
                return NULL;                                                                       \
            p = next_;                                                                             \
        }                                                                                          \
    }
#define TW_OBJECT(names, CASES) TW_OBJECT_FROM((const uint8_t *)NULL, names, CASES)
#define TW_COUNT(names) ((int)(sizeof names / sizeof names[0]))

/* ---- values ---------------------------------------------------------------------------------- */

/* A whole number; `""` and null are as good as absent. */
static inline const uint8_t *tw_loose_int(const uint8_t *p, const uint8_t *end, int64_t *out,
                                          tw_err *err) {
#if TW_SWAR
    unsigned n = tw_bare_digits(p, end, out); /* times in us have sixteen */
    if (TW_LIKELY(n))
        return p + n;
#endif
    if (TW_UNLIKELY(end - p >= 2 && p[0] == '"' && p[1] == '"'))
        return p + 2;
    if (TW_UNLIKELY(p < end && *p == 'n'))
        return tw_null(p, end, err);
    return tw_int(p, end, out, err);
}

/* A number that a row can do without: its exact text comes under another key, or nobody acts on
 * it. What is none, or does not fit (rounded by a double, with an exponent), is left out. */
static inline const uint8_t *tw_weak_int(const uint8_t *p, const uint8_t *end, int64_t *out,
                                         tw_err *err) {
    int64_t value = *out;
    const uint8_t *next = tw_loose_int(p, end, &value, err);
    if (TW_LIKELY(next)) {
        *out = value;
        return next;
    }
    err->code = 0;
    return tw_skip(p, end, err);
}

/* A number whose digits do not all count: it left the venue as a binary float, and may have an
 * exponent and more digits than were meant, or it is a sum. Cut where 18 decimals or 18 digits do
 * not suffice; absent where it is 1e18 and more. */
static inline const uint8_t *tw_float(const uint8_t *p, const uint8_t *end, tw_fixed *out,
                                      tw_err *err) {
    const uint8_t *stop, *q;
    int quoted = p < end && *p == '"', negative = 0, digits = 0, frac = 0, seen_dot = 0;
    int64_t exponent = 0, value = 0, dropped = 0;
    out->mantissa = 0;
    out->exponent = -1;
    if (quoted && end - p >= 2 && p[1] == '"')
        return p + 2;
    if (p < end && (*p == '{' || *p == '[' || *p == 't' || *p == 'f' || *p == 'n'))
        return tw_wrong_type(p, end, err);
    if (!(stop = tw_number_end(p + quoted, end, err)))
        return NULL;
    q = p + quoted;
    if (*q == '-')
        negative = 1, q++;
    for (; q < stop && *q != 'e' && *q != 'E'; q++) {
        if (*q == '.') {
            seen_dot = 1;
            continue;
        }
        if (digits < 18) {
            value = value * 10 + (*q - '0');
            digits += value != 0;
            frac += seen_dot;
        } else
            dropped += !seen_dot;
    }
    if (q < stop) {
        int minus = 0;
        q++;
        if (*q == '-' || *q == '+')
            minus = *q++ == '-';
        for (; q < stop && exponent < 1000000; q++)
            exponent = exponent * 10 + (*q - '0');
        exponent = minus ? -exponent : exponent;
    }
    exponent += dropped - frac; /* value is to be multiplied by ten to this */
    for (; exponent < -18 && value != 0; exponent++)
        value /= 10;
    if (value == 0)
        exponent = 0;
    for (; exponent > 0 && value <= INT64_MAX / 10; exponent--)
        value *= 10;
    p = stop;
    if (quoted) {
        if (p >= end || *p != '"')
            return tw_expected(p, end, err);
        p++;
    }
    if (exponent <= 0) {
        out->mantissa = negative ? -value : value;
        out->exponent = (int32_t)-exponent;
    }
    return p;
}

#define TW_SHORT_TEXT 160

/* A string, decoded into `scratch` if it has escapes; one that cannot be decoded is empty. */
static inline const uint8_t *tw_short_text(const uint8_t *p, const uint8_t *end, tw_span *s,
                                           uint8_t *scratch, tw_err *err) {
    p = tw_span_value(p, end, s, err);
    if (TW_UNLIKELY(p && s->escaped)) {
        int n = tw_unescape(s->text, s->text + s->length, scratch, TW_SHORT_TEXT);
        s->text = scratch;
        s->length = n < 0 ? 0 : n;
        s->escaped = 0;
    }
    return p;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* Decide a word by a table; -1 for one that is not there. */
typedef struct {
    const char *text;
    int32_t n;
} tw_literal;

#define TW_LITERAL(text) {text, sizeof text - 1}

static inline int tw_find_literal(const tw_span *s, const tw_literal *words, int count) {
    uint8_t scratch[40];
    const uint8_t *text = s->text;
    ptrdiff_t n = s->length;
    if (TW_UNLIKELY(s->escaped)) {
        n = tw_unescape(text, text + n, scratch, sizeof scratch);
        text = scratch;
    }
    for (int i = 0; i < count; i++)
        if (n == words[i].n && memcmp(text, words[i].text, (size_t)words[i].n) == 0)
            return i;
    return -1;
}

/* A word: its number in a table, or -1 and its text. */
typedef struct {
    tw_span text;
    int number;
} tw_choice;

/* A word that need not be known, nor be a text at all. */
static inline const uint8_t *tw_pick_word(const uint8_t *p, const uint8_t *end,
                                          const tw_literal *words, int count, tw_choice *c,
                                          tw_err *err) {
    if (TW_UNLIKELY(p < end && *p != '"'))
        return tw_skip(p, end, err);
    p = tw_span_value(p, end, &c->text, err);
    c->number = p ? tw_find_literal(&c->text, words, count) : -1;
    return p;
}
#define TW_PICK_WORD(words, c) tw_pick_word(p, end, words, TW_COUNT(words), c, err)

#endif
