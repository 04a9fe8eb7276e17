/* IBKR's market data frames to plain structs. No Python headers.
 *
 * A frame is one object whose fields have numbers for names, as far as they changed: {"84":"193.06",
 * "_updated":1783031091001,"topic":"smd+265598"}. What it is about stands in its topic, mostly at the
 * end, so that a frame is read whole before anything can be done with it.
 *
 * Functions take the place where a value begins and return the place behind it, or NULL with *err set.
 * Unknown keys are checked and passed over; the last of equal keys counts.
 */
#ifndef TW_IBKR_H
#define TW_IBKR_H

#include "object.h"
#include "symbols.h"

/* ---- values ------------------------------------------------------------------------------------ */

typedef enum {
    IB_EMPTY = 0, /* there is no value now */
    IB_NUMBER,
    IB_TEXT,    /* not a number */
    IB_FLOAT    /* a bare number with so many digits that its shortest spelling has to be found */
} tw_ib_kind;

typedef struct {
    tw_fixed number; /* of one that does not fit: its sign, and exponent -1 */
    tw_span text;    /* with IB_FLOAT: as it stands in the frame */
    uint8_t kind;
    uint8_t mark;        /* 'C', 'H' or 0 */
    uint8_t approximate; /* cut by the venue, to K, M, B or T */
    uint8_t percent;
} tw_ib_value;

#define TW_IB_LENGTH_MAX 64
#define TW_IB_POWER_MAX 308

/* Digits with the power of ten they are to be multiplied by, as they are collected. */
typedef struct {
    uint8_t digits[TW_IB_LENGTH_MAX];
    int count;
    int power;
} tw_ib_digits;

/* The number that digits and a power of ten make; of one that does not fit the sign, exponent -1. */
static inline tw_fixed tw_ib_number(tw_ib_digits *d, int negative) {
    tw_fixed x = {negative ? -1 : 1, -1};
    uint64_t v = 0;
    int first = 0;
    while (first < d->count && d->digits[first] == 0)
        first++;
    while (d->count > first && d->digits[d->count - 1] == 0)
        d->count--, d->power++;
    if (first == d->count)
        return (tw_fixed){0, 0};
    if (d->count - first > 19 || d->power < -18)
        return x;
    for (int i = first; i < d->count; i++)
        v = v * 10 + d->digits[i];
    for (; d->power > 0 && v <= INT64_MAX / 10; d->power--)
        v *= 10;
    if (d->power > 0 || v > (uint64_t)INT64_MAX)
        return x;
    x.mantissa = negative ? -(int64_t)v : (int64_t)v;
    x.exponent = -d->power;
    return x;
}

/* An exponent behind its `e`; returns the place behind it, NULL where there is none or it is beyond
 * TW_IB_POWER_MAX. */
static inline const uint8_t *tw_ib_exponent(const uint8_t *p, const uint8_t *end, int *power) {
    int negative = p < end && *p == '-', value = 0;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    const uint8_t *first = p;
    for (; p < end && (uint8_t)(*p - '0') < 10; p++)
        value = value < 100000 ? value * 10 + (*p - '0') : value;
    if (p == first || value > TW_IB_POWER_MAX)
        return NULL;
    *power = negative ? -value : value;
    return p;
}

/* Read a text: blanks, C or H, a sign, digits with commas between them, a fraction, an exponent or
 * one of K, M, B and T, a percent sign, blanks. */
static inline void tw_ib_text(const uint8_t *p, const uint8_t *end, tw_ib_value *v) {
    tw_ib_digits d = {.count = 0, .power = 0};
    int negative = 0, fraction = 0, seen_dot = 0, power = 0, any = 0;
    ptrdiff_t length = end - p;
    memset(v, 0, sizeof *v);
    while (p < end && *p == ' ')
        p++;
    if (p == end)
        return;
    v->kind = IB_TEXT;
    if (length > TW_IB_LENGTH_MAX)
        return;
    while (end[-1] == ' ')
        end--;
    uint8_t mark = 0;
    if (*p == 'C' || *p == 'H')
        mark = *p++;
    if (p < end && (*p == '+' || *p == '-'))
        negative = *p++ == '-';
    for (; p < end; p++) {
        if ((uint8_t)(*p - '0') < 10) {
            d.digits[d.count++] = (uint8_t)(*p - '0');
            fraction += seen_dot;
            any = 1;
        } else if (*p == '.' && !seen_dot)
            seen_dot = 1;
        else if (*p == ',' && !seen_dot && any && end - p > 1 && (uint8_t)(p[1] - '0') < 10)
            continue; /* behind a digit, and in front of one */
        else
            break;
    }
    if (!any)
        return;
    uint8_t approximate = 0, percent = 0;
    if (p < end && (*p == 'e' || *p == 'E')) {
        if (!(p = tw_ib_exponent(p + 1, end, &power)))
            return;
    } else if (p < end && (*p == 'K' || *p == 'M' || *p == 'B' || *p == 'T')) {
        power = *p == 'K' ? 3 : *p == 'M' ? 6 : *p == 'B' ? 9 : 12;
        approximate = 1;
        p++;
    }
    if (p < end && *p == '%')
        percent = 1, p++;
    if (p != end)
        return;
    d.power = power - fraction;
    v->number = tw_ib_number(&d, negative);
    v->kind = IB_NUMBER;
    v->mark = mark;
    v->approximate = approximate;
    v->percent = percent;
}

/* A bare number, whose value is that of its shortest spelling. Up to fifteen digits are that, as
 * far as a double reaches. */
static inline const uint8_t *tw_ib_bare(const uint8_t *p, const uint8_t *end, tw_ib_value *v,
                                        tw_err *err) {
    const uint8_t *start = p, *stop = tw_number_end(p, end, err);
    tw_ib_digits d = {.count = 0, .power = 0};
    int is_float = 0, fraction = 0, power = 0, is_exact = 1;
    if (!stop)
        return NULL;
    memset(v, 0, sizeof *v);
    for (p += *p == '-'; p < stop && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.') {
            is_float = 1;
            continue;
        }
        fraction += is_float;
        if (d.count == TW_IB_LENGTH_MAX)
            is_exact = 0;
        else if (d.count > 0 || *p != '0')
            d.digits[d.count++] = (uint8_t)(*p - '0');
    }
    if (p < stop) {
        is_float = 1;
        if (!tw_ib_exponent(p + 1, stop, &power))
            is_exact = 0;
    }
    d.power = power - fraction;
    if (!is_exact || (is_float && (d.count > 15 || d.power < -300 || d.power + d.count > 300))) {
        v->kind = IB_FLOAT;
        v->text.text = start;
        v->text.length = stop - start;
        return stop;
    }
    v->number = tw_ib_number(&d, *start == '-');
    v->kind = IB_NUMBER;
    return stop;
}

static const uint8_t *tw_ib_value_slow(const uint8_t *p, const uint8_t *end, tw_ib_value *v,
                                       tw_err *err) {
    if (p < end && *p == '"') {
        uint8_t scratch[TW_SHORT_TEXT];
        tw_span s;
        if (!(p = tw_span_value(p, end, &s, err)))
            return NULL;
        if (!s.escaped)
            tw_ib_text(s.text, s.text + s.length, v);
        else {
            int n = tw_unescape(s.text, s.text + s.length, scratch, sizeof scratch);
            memset(v, 0, sizeof *v);
            v->kind = IB_TEXT;
            if (n >= 0)
                tw_ib_text(scratch, scratch + n, v);
        }
        return p;
    }
    if (p < end && (*p == '-' || (uint8_t)(*p - '0') < 10))
        return tw_ib_bare(p, end, v, err);
    memset(v, 0, sizeof *v);
    v->kind = p < end && *p == 'n' ? IB_EMPTY : IB_TEXT;
    return tw_skip(p, end, err);
}

#if TW_SWAR
/* A number of up to seven letters with the quote behind it: digits, with a dot or a comma among them.
 * Eight bytes from p on must be readable. Returns its length, 0 where that is not what stands there. */
static inline __attribute__((always_inline)) unsigned tw_ib_short(const uint8_t *p, int is_size,
                                                                  tw_fixed *out) {
    uint64_t w = tw_load8(p), quote = tw_find(w, '"');
    if (TW_UNLIKELY(!quote || (quote & 0x80)))
        return 0;
    unsigned bits = (unsigned)__builtin_ctzll(quote) & 56; /* eight times the length */
    uint64_t t = w ^ TW_EIGHT('0'), odd = tw_not_digits(t) & ((1ULL << bits) - 1);
    uint64_t low = (odd & -odd) >> 7; /* the byte that is no digit, 1; without one all is below it */
    uint64_t at = t & low * 0xFF, below = low - 1;
    unsigned behind = bits - ((unsigned)__builtin_ctzll(odd | quote) & 56);
    /* No second one, and a digit on each side of it. */
    if (TW_UNLIKELY((odd & (odd - 1)) || (low & 1) || behind == 8))
        return 0;
    /* Sizes have a comma or nothing, prices a dot or nothing, mostly. */
    if (is_size && TW_LIKELY(at == low * (',' ^ '0')))
        out->exponent = 0;
    else if (TW_LIKELY(at == low * ('.' ^ '0')))
        out->exponent = (int32_t)((behind >> 3) - (behind != 0));
    else if (at == low * (',' ^ '0'))
        out->exponent = 0;
    else
        return 0;
    t = (t & below) | (t >> 8 & ~below); /* take it out */
    out->mantissa = (int64_t)tw_eight_digits(t << (64 - bits + 8 * (unsigned)(behind != 0)));
    return bits >> 3;
}
#endif

/* The value of a field. */
static inline const uint8_t *tw_ib_value_of(const uint8_t *p, const uint8_t *end, tw_ib_value *v,
                                            tw_err *err) {
#if TW_SWAR
    if (TW_LIKELY(end - p >= 18 && *p == '"')) {
        unsigned n = tw_ib_short(p + 1, 0, &v->number);
        uint64_t x;
        if (!n && (n = tw_quick_decimal(p + 1, '"', &x, &v->number.exponent)))
            v->number.mantissa = (int64_t)x;
        if (TW_LIKELY(n)) {
            v->kind = IB_NUMBER;
            v->mark = v->approximate = v->percent = 0;
            return p + n + 2;
        }
    }
#endif
    return tw_ib_value_slow(p, end, v, err);
}

/* ---- frames ------------------------------------------------------------------------------------ */

/* The fields that are merged, as bits of what a frame has. */
enum {
    IB_LAST,
    IB_BID,
    IB_ASK,
    IB_BID_SIZE,
    IB_ASK_SIZE,
    IB_LAST_SIZE,
    IB_VALUES
};
#define TW_IB_QUOTE (1u << IB_BID | 1u << IB_ASK | 1u << IB_BID_SIZE | 1u << IB_ASK_SIZE)
#define TW_IB_TRADE (1u << IB_LAST | 1u << IB_LAST_SIZE)
#define TW_IB_AVAILABILITY (1u << 8)
#define TW_IB_OTHER (1u << 9) /* a field that is not known here */
#define TW_IB_FLOAT (1u << 10) /* a value of kind IB_FLOAT */

typedef struct {
    unsigned seen;
    unsigned plain; /* values of which is known that they are numbers, 0 or more, without a mark */
    tw_ib_value values[IB_VALUES];
    int64_t updated;      /* 0: absent */
    tw_span availability; /* length 0: absent, or no text; decoded where it was escaped */
    tw_span topic;        /* text NULL: absent */
    uint8_t scratch[TW_SHORT_TEXT];
} tw_ib_frame;

/* Keys of up to eight letters, first letter lowest. */
#define TW_IB_KEY(a, b, c, d, e, f, g, h)                                                          \
    ((uint64_t)(a) | (uint64_t)(b) << 8 | (uint64_t)(c) << 16 | (uint64_t)(d) << 24 |              \
     (uint64_t)(e) << 32 | (uint64_t)(f) << 40 | (uint64_t)(g) << 48 | (uint64_t)(h) << 56)
#define TW_IB_KEY2(a, b) TW_IB_KEY(a, b, 0, 0, 0, 0, 0, 0)
#define TW_IB_KEY4(a, b, c, d) TW_IB_KEY(a, b, c, d, 0, 0, 0, 0)

/* A key with its colon, by one load; *key as of tw_key_slow. Only such as are switched over are
 * sound for sure: of others tw_key_slow must be asked. */
static inline const uint8_t *tw_ib_key(const uint8_t *p, const uint8_t *end, uint64_t *key,
                                       tw_err *err) {
#if TW_SWAR
    if (TW_LIKELY(end - p >= 12 && *p == '"')) {
        uint64_t w = tw_load8(p + 1), quote = tw_find(w, '"');
        unsigned bits = quote ? (unsigned)__builtin_ctzll(quote) & 56 : 64;
        const uint8_t *q = p + 1 + (bits >> 3);
        if (TW_LIKELY(q[0] == '"' && q[1] == ':' && q[2] > ' ')) {
            *key = bits < 64 ? w & ((1ULL << bits) - 1) : w;
            return q + 2;
        }
    }
#endif
    return tw_key_slow(p, end, key, err);
}

static inline int tw_ib_is_number(uint64_t key) {
    if (!key || key == TW_LONG_KEY)
        return 0;
    for (; key; key >>= 8)
        if ((uint8_t)((key & 0xFF) - '0') > 9)
            return 0;
    return 1;
}

/* A value that is of no interest; mostly a short text or a whole number. */
static inline const uint8_t *tw_ib_pass(const uint8_t *p, const uint8_t *end, tw_err *err) {
    int escaped;
    if (TW_LIKELY(p < end && *p == '"'))
        return tw_string_end(p + 1, end, &escaped, err);
    return tw_skip_int(p, end, err);
}

/* A text, of length 0 where it is anything else. */
static inline const uint8_t *tw_ib_word(const uint8_t *p, const uint8_t *end, tw_span *s,
                                        uint8_t *scratch, tw_err *err) {
    s->length = 0;
    s->escaped = 0;
    if (TW_UNLIKELY(p >= end || *p != '"'))
        return tw_skip(p, end, err);
    return tw_short_text(p, end, s, scratch, err);
}

/* Read a whole frame. */
static inline const uint8_t *tw_ib_frame_data(const uint8_t *p, const uint8_t *end, tw_ib_frame *f,
                                              tw_err *err) {
    const uint8_t *next;
    uint64_t key;
    int more;
    f->seen = f->plain = 0;
    f->updated = 0;
    f->availability.length = 0;
    f->topic.text = NULL;
    p = tw_ws(p, end);
    if (TW_UNLIKELY(p >= end || *p != '{'))
        return tw_wrong_type(p, end, err);
    p = tw_ws(p + 1, end);
    if (p < end && *p == '}')
        return p + 1;
    do {
        const uint8_t *name = p;
        unsigned field = IB_VALUES;
        int is_checked = 0;
        if (TW_UNLIKELY(!(p = tw_ib_key(name, end, &key, err))))
            return NULL;
    again:
        switch (key) {
        case TW_IB_KEY2('3', '1'): field = IB_LAST; break;
        case TW_IB_KEY2('8', '4'): field = IB_BID; break;
        case TW_IB_KEY2('8', '6'): field = IB_ASK; break;
        case TW_IB_KEY2('8', '8'): field = IB_BID_SIZE; break;
        case TW_IB_KEY2('8', '5'): field = IB_ASK_SIZE; break;
        case TW_IB_KEY4('7', '0', '5', '9'): field = IB_LAST_SIZE; break;
        case TW_IB_KEY('_', 'u', 'p', 'd', 'a', 't', 'e', 'd'):
            f->updated = 0;
            p = tw_weak_int(p, end, &f->updated, err);
            break;
        case TW_IB_KEY4('6', '5', '0', '9'):
            p = tw_ib_word(p, end, &f->availability, f->scratch, err);
            f->seen |= TW_IB_AVAILABILITY;
            break;
        case TW_IB_KEY('t', 'o', 'p', 'i', 'c', 0, 0, 0):
            f->topic.text = NULL; /* unless it is a text */
            if (TW_LIKELY(p < end && *p == '"'))
                p = tw_span_value(p, end, &f->topic, err);
            else
                p = tw_skip(p, end, err);
            break;
        case TW_IB_KEY('c', 'o', 'n', 'i', 'd', 0, 0, 0):
        case TW_IB_KEY('c', 'o', 'n', 'i', 'd', 'E', 'x', 0):
        case TW_IB_KEY4('6', '1', '1', '9'):
        case TW_IB_KEY4('6', '5', '0', '8'):
        case TW_IB_KEY2('8', '7'): p = tw_ib_pass(p, end, err); break;
        default:
            if (!is_checked) {
                if (!(p = tw_key_slow(name, end, &key, err)))
                    return NULL;
                is_checked = 1;
                goto again;
            }
            if (tw_ib_is_number(key))
                f->seen |= TW_IB_OTHER;
            p = tw_ib_pass(p, end, err);
        }
        if (field != IB_VALUES) {
            p = tw_ib_value_of(p, end, &f->values[field], err);
            f->seen |= 1u << field;
            if (TW_UNLIKELY(f->values[field].kind == IB_FLOAT))
                f->seen |= TW_IB_FLOAT;
        }
        if (TW_UNLIKELY(!p || (more = tw_next(p, end, '}', &next, err)) < 0))
            return NULL;
        p = next;
    } while (more);
    return p;
}

/* ---- frames like the one before ---------------------------------------------------------------- */

/* How the frames of a line are written, beside the fields: what stands in front of the time, what
 * between it and the fields, what behind them. `behind` is empty where that is not known. */
typedef struct {
    uint8_t before[112], middle[48], behind[64];
    unsigned n_before, n_middle, n_behind;
    uint64_t digits; /* the first eight of the last time of thirteen */
    int64_t above;   /* what they count, 0: none yet */
} tw_ib_manner;

/* Whether a key says nothing here. */
static inline int tw_ib_is_dull(uint64_t key, const uint8_t *name, const uint8_t *value) {
    switch (key) {
    case TW_IB_KEY('c', 'o', 'n', 'i', 'd', 0, 0, 0):
    case TW_IB_KEY('c', 'o', 'n', 'i', 'd', 'E', 'x', 0):
    case TW_IB_KEY4('6', '1', '1', '9'): return 1;
    default: return value - name == 12 && memcmp(name, "\"server_id\":", 12) == 0;
    }
}

static inline unsigned tw_ib_keep(uint8_t *out, size_t room, const uint8_t *p, const uint8_t *end) {
    if ((size_t)(end - p) > room)
        return 0;
    memcpy(out, p, (size_t)(end - p));
    return (unsigned)(end - p);
}

/* Learn from a frame that was found sound how the next ones of its line may be written: dull members,
 * the time, dull members, the fields, the topic. */
static inline void tw_ib_learn(tw_ib_manner *m, const uint8_t *p, const uint8_t *end) {
    const uint8_t *start = p, *time = NULL, *behind_time = NULL, *fields = NULL, *next;
    uint64_t key;
    tw_err err;
    m->n_behind = 0;
    p = tw_ws(p, end);
    for (p = tw_ws(p + 1, end);; p = next) {
        const uint8_t *name = p, *value = tw_key_slow(p, end, &key, &err), *after;
        if (!value || !(after = tw_skip(value, end, &err)))
            return;
        int more = tw_next(after, end, '}', &next, &err);
        if (more < 0)
            return;
        if (key == TW_IB_KEY('_', 'u', 'p', 'd', 'a', 't', 'e', 'd') && !time) {
            time = value;
            behind_time = after;
        } else if (key == TW_IB_KEY('t', 'o', 'p', 'i', 'c', 0, 0, 0)) {
            if (more != 0 || next != end || !time || !fields || name[-1] != ',')
                return;
            m->n_before = tw_ib_keep(m->before, sizeof m->before, start, time);
            m->n_middle = tw_ib_keep(m->middle, sizeof m->middle, behind_time, fields);
            m->n_behind = tw_ib_keep(m->behind, sizeof m->behind, name - 1, end);
            if (m->n_before < 16 || !m->n_middle || m->n_behind < 16 ||
                m->middle[m->n_middle - 1] != ',')
                m->n_behind = 0;
            return;
        } else if (!tw_ib_is_dull(key, name, value)) {
            if (!time)
                return;
            if (!fields)
                fields = name;
        } else if (fields)
            return;
        if (more != 1)
            return;
    }
}

#if TW_SWAR
/* The number of the line whose topic stands at the end of a frame, -1: none. */
static inline int32_t tw_ib_peek(const tw_symbols *symbols, const uint8_t *p, const uint8_t *end) {
    if (TW_UNLIKELY(end - p < 48 || end[-1] != '}' || end[-2] != '"'))
        return -1;
    const uint8_t *quote = end - 2, *name;
    uint64_t last = tw_load8(quote - 8), plus = tw_find(last, '+');
    if (TW_LIKELY(plus)) /* the lowest: a conid of up to seven digits has none in front of it */
        name = quote - 8 + (__builtin_ctzll(plus) >> 3);
    else
        for (name = quote - 9; *name != '+'; name--)
            if (TW_UNLIKELY(name == quote - 24))
                return -1;
    ptrdiff_t n = quote - ++name;
    if (TW_UNLIKELY(n == 0))
        return -1;
    if (n < 8)
        return tw_symbol_find_words(symbols, name, n, last >> (64 - 8 * n), 0);
    return tw_symbol_find_words(symbols, name, n, tw_load8(name), last);
}

/* Whether what stands between the time and the fields stands at p, where 16 bytes can be read. */
static inline int tw_ib_goes_on(const tw_ib_manner *m, const uint8_t *p) {
    unsigned n = m->n_middle;
    if (n < 8)
        return (tw_load8(p) ^ tw_load8(m->middle)) << (64 - 8 * n) == 0;
    return tw_equal(p, m->middle, n);
}

/* The time at p, 16 bytes or more in front of the end; returns its length, 0 where none stands there.
 * Of the thirteen digits in ms the first eight stay the same for a hundred seconds. That the number
 * ends behind them is seen by what follows. */
static inline __attribute__((always_inline)) unsigned
tw_ib_time(tw_ib_manner *m, const uint8_t *p, const uint8_t *end, int64_t *out) {
    uint64_t t = tw_load8(p + 8) ^ TW_EIGHT('0');
    if (TW_LIKELY(tw_load8(p) == m->digits && m->above &&
                  !(tw_not_digits(t) & (UINT64_MAX >> 24)))) {
        *out = m->above + (int64_t)tw_eight_digits(t << 24);
        return 13;
    }
    unsigned n = tw_bare_digits(p, end, out);
    if (n == 13) {
        m->digits = tw_load8(p);
        m->above = *out - *out % 100000;
    }
    return n;
}

/* The field of a key of two digits, by the lowest bits of the second. */
typedef struct {
    uint16_t key;
    uint8_t field;
} tw_ib_code;

#define TW_IB_CODE(a, b, field) {(uint16_t)tw_k2(a, b), field}

/* Read a frame that is written like those before it of its line; 0 where it is not, or is not
 * sound. */
static inline int tw_ib_quick(tw_ib_manner *m, const uint8_t *p, const uint8_t *end,
                              tw_ib_frame *f) {
    static const uint8_t last_size[8] = ",\"7059\":", availability[8] = ",\"6509\":";
    static const tw_ib_code codes[8] = {
        TW_IB_CODE('8', '8', IB_BID_SIZE), TW_IB_CODE('3', '1', IB_LAST), {0, 0}, {0, 0},
        TW_IB_CODE('8', '4', IB_BID), TW_IB_CODE('8', '5', IB_ASK_SIZE), TW_IB_CODE('8', '6', IB_ASK),
        TW_IB_CODE('8', '7', IB_VALUES),
    };
    const uint8_t *stop = end - m->n_behind; /* behind it stand 16 bytes and more */
    tw_err err;
    if (TW_UNLIKELY(!m->n_behind || stop - p < (ptrdiff_t)(m->n_before + m->n_middle) + 13 ||
                    !tw_equal_wide(p, m->before, m->n_before) ||
                    !tw_equal_wide(stop, m->behind, m->n_behind)))
        return 0;
    p += m->n_before;
    unsigned n = tw_ib_time(m, p, end, &f->updated);
    p += n;
    if (TW_UNLIKELY(!n || stop - p < (ptrdiff_t)m->n_middle || !tw_ib_goes_on(m, p)))
        return 0;
    p += m->n_middle - 1; /* on the comma */
    unsigned seen = 0, plain = 0;
    f->availability.length = 0;
    while (TW_LIKELY(p < stop)) {
        uint64_t w = tw_load8(p);
        unsigned field = IB_LAST_SIZE;
        if (TW_LIKELY((w & 0xFFFF0000FFFFULL) == 0x3A220000222CULL)) { /* ,"??": */
            const tw_ib_code *code = &codes[w >> 24 & 7];
            if (TW_UNLIKELY(code->key != (w >> 16 & 0xFFFF)))
                return 0;
            field = code->field;
            p += 6;
        } else {
            if (w == tw_load8(availability))
                field = IB_VALUES + 1;
            else if (w != tw_load8(last_size))
                return 0;
            p += 8;
        }
        if (TW_LIKELY(field < IB_VALUES)) {
            tw_ib_value *v = &f->values[field];
            unsigned bit = 1u << field;
            seen |= bit;
            if (TW_LIKELY(*p == '"' && (n = tw_ib_short(p + 1, field > IB_ASK, &v->number)))) {
                p += n + 2;
                v->kind = IB_NUMBER;
                v->mark = v->approximate = v->percent = 0;
                plain |= bit;
            } else {
                if (*p <= ' ' || !(p = tw_ib_value_of(p, end, v, &err)))
                    return 0;
                plain &= ~bit;
                if (TW_UNLIKELY(v->kind == IB_FLOAT))
                    seen |= TW_IB_FLOAT;
            }
        } else if (*p <= ' ')
            return 0;
        else if (field == IB_VALUES)
            p = tw_ib_pass(p, end, &err);
        else {
            p = tw_ib_word(p, end, &f->availability, f->scratch, &err);
            seen |= TW_IB_AVAILABILITY;
        }
        if (TW_UNLIKELY(!p))
            return 0;
    }
    f->seen = seen;
    f->plain = plain;
    return p == stop;
}
#else
static inline int32_t tw_ib_peek(const tw_symbols *symbols, const uint8_t *p, const uint8_t *end) {
    (void)symbols, (void)p, (void)end;
    return -1;
}

static inline int tw_ib_quick(tw_ib_manner *m, const uint8_t *p, const uint8_t *end,
                              tw_ib_frame *f) {
    (void)m, (void)p, (void)end, (void)f;
    return 0;
}
#endif

/* What a field takes of a value: a price has neither K nor %, only the last price a mark, a size is
 * not negative. */
static inline tw_ib_kind tw_ib_taken(const tw_ib_value *v, unsigned field) {
    int is_price = field <= IB_ASK;
    if (TW_LIKELY(v->kind == IB_NUMBER && !(v->mark | v->approximate | v->percent) &&
                  (is_price || v->number.mantissa >= 0)))
        return IB_NUMBER;
    if (v->kind != IB_NUMBER)
        return (tw_ib_kind)v->kind;
    if (v->percent || (is_price ? v->approximate : v->number.mantissa < 0) || (v->mark && field != IB_LAST))
        return IB_TEXT;
    return IB_NUMBER;
}

/* ---- times and words --------------------------------------------------------------------------- */

/* `_updated` counts seconds or ms; returns ms, 0 for none or where 64 bits do not hold it in ns. */
static inline int64_t tw_ib_ms(int64_t updated) {
    if (updated <= 0)
        return 0;
    if (updated < 100000000000)
        updated *= 1000;
    return updated <= INT64_MAX / 1000000 ? updated : 0;
}

#define TW_IB_DELAYED 1
#define TW_IB_FROZEN 2

/* What the letters of 6509 say about the prices. */
static inline int tw_ib_availability(const uint8_t *p, ptrdiff_t n) {
    int found = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        if (p[i] == 'D' || p[i] == 'Y' || p[i] == 'N')
            found |= TW_IB_DELAYED;
        if (p[i] == 'Z' || p[i] == 'Y')
            found |= TW_IB_FROZEN;
    }
    return found;
}

#endif
