/* Binance Futures stream frames to plain structs. No Python headers.
 *
 * Each tw_bn_* function takes the place of the first key of an object (behind '{', or behind the
 * comma that follows "e") and returns the place behind its closing brace, or NULL with *err set.
 * Key order is free; unknown keys are checked and passed over; the last of equal keys counts;
 * a missing mandatory key is TW_MISSING. A further "e" key sets f->renamed: then the event name
 * that was read first may not be the one that counts.
 *
 * Key letters and their meaning: the venue's stream documentation.
 */
#ifndef TW_BINANCE_H
#define TW_BINANCE_H

#include "fields.h"
#include "levels.h"
#include "symbols.h"

typedef enum {
    BN_UNKNOWN = 0,
    BN_BOOK_TICKER,
    BN_AGG_TRADE,
    BN_TRADE,
    BN_DEPTH,
    BN_MARK_PRICE,
    BN_INDEX_PRICE,
    BN_KLINE,
    BN_CONTINUOUS_KLINE,
    BN_INDEX_KLINE,
    BN_MARK_KLINE,
    BN_TICKER,
    BN_MINI_TICKER,
    BN_FORCE_ORDER
} tw_bn_kind;

/* What every frame has. Times are ms as sent; -1: absent. */
typedef struct {
    tw_span symbol, pair, contract;
    int32_t number; /* of the symbol in the table; -1: not there, or to be looked up by its span */
    int64_t event_time, time;
    uint32_t seen; /* mandatory keys still to come are the unset bits */
    int renamed;
    uint64_t key;        /* the key being read when an error was found */
    const uint8_t *name; /* and where it stands */
} tw_bn_frame;

typedef struct {
    tw_bn_frame f;
    int64_t update_id;
    tw_fixed bid, bid_size, ask, ask_size;
} tw_bn_quote;

typedef struct {
    tw_bn_frame f;
    int64_t id, first_id, last_id;
    tw_fixed price, size;
    int buyer_is_maker, not_market;
} tw_bn_trade;

typedef struct {
    tw_bn_frame f;
    int64_t first, last, prev;
    int32_t symbol; /* -1: not in the table, and the levels were not decoded */
    tw_levels *bids, *asks;
} tw_bn_depth;

typedef struct {
    tw_bn_frame f;
    tw_fixed mark, index, settle, rate;
} tw_bn_mark;

typedef struct {
    tw_bn_frame f;
    int64_t open_time, close_time, trades;
    tw_fixed open, high, low, close, volume, quote_volume, taker_volume, taker_quote_volume;
    tw_span interval;
    int closed;
} tw_bn_kline;

typedef struct {
    tw_bn_frame f;
    tw_fixed last, open, high, low, volume, quote_volume, change, change_percent, average,
        last_size;
    int64_t open_time, close_time, first_id, last_id, trades;
} tw_bn_ticker;

typedef struct {
    tw_bn_frame f;
    tw_fixed price, average_price, size, last_size, filled_size;
    int sell;
} tw_bn_liquidation;

static inline tw_bn_kind tw_bn_kind_of(const uint8_t *name, ptrdiff_t n) {
#define TW_IS(text) (n == (ptrdiff_t)sizeof text - 1 && memcmp(name, text, sizeof text - 1) == 0)
    if (n < 5)
        return BN_UNKNOWN;
    switch (name[0]) {
    case 'b': return TW_IS("bookTicker") ? BN_BOOK_TICKER : BN_UNKNOWN;
    case 'a': return TW_IS("aggTrade") ? BN_AGG_TRADE : BN_UNKNOWN;
    case 't': return TW_IS("trade") ? BN_TRADE : BN_UNKNOWN;
    case 'd': return TW_IS("depthUpdate") ? BN_DEPTH : BN_UNKNOWN;
    case 'k': return TW_IS("kline") ? BN_KLINE : BN_UNKNOWN;
    case 'c': return TW_IS("continuous_kline") ? BN_CONTINUOUS_KLINE : BN_UNKNOWN;
    case 'm':
        return TW_IS("markPriceUpdate")   ? BN_MARK_PRICE
               : TW_IS("markPrice_kline") ? BN_MARK_KLINE
                                          : BN_UNKNOWN;
    case 'i':
        return TW_IS("indexPriceUpdate")   ? BN_INDEX_PRICE
               : TW_IS("indexPrice_kline") ? BN_INDEX_KLINE
                                           : BN_UNKNOWN;
    case 'f': return TW_IS("forceOrder") ? BN_FORCE_ORDER : BN_UNKNOWN;
    case '2':
        return TW_IS("24hrTicker") ? BN_TICKER : TW_IS("24hrMiniTicker") ? BN_MINI_TICKER
                                                                         : BN_UNKNOWN;
    default: return BN_UNKNOWN;
    }
#undef TW_IS
}

/* The event name at p with its closing quote and comma; *after is set behind the comma. Three kinds
 * make up nearly all the traffic and are told apart by words. */
static inline tw_bn_kind tw_bn_name(const uint8_t *p, const uint8_t *end, const uint8_t **after) {
#define TW_WORD(text, at) (memcmp(p + (at), text, sizeof text - 1) == 0)
    if (TW_LIKELY(end - p >= 16)) {
        if (TW_WORD("bookTick", 0) && TW_WORD("er\",", 8)) {
            *after = p + 12;
            return BN_BOOK_TICKER;
        }
        if (TW_WORD("depthUpd", 0) && TW_WORD("ate\"", 8) && p[12] == ',') {
            *after = p + 13;
            return BN_DEPTH;
        }
        if (TW_WORD("aggTrade", 0) && TW_WORD("\",", 8)) {
            *after = p + 10;
            return BN_AGG_TRADE;
        }
    }
#undef TW_WORD
    const uint8_t *name = p;
    while (p < end && *p != '"' && *p != '\\' && *p >= 0x20)
        p++;
    if (end - p < 4 || p[0] != '"' || p[1] != ',')
        return BN_UNKNOWN;
    *after = p + 2;
    return tw_bn_kind_of(name, p - name);
}

static inline void tw_bn_begin(tw_bn_frame *f) {
    f->number = -1;
    f->symbol.text = f->pair.text = f->contract.text = NULL;
    f->event_time = f->time = -1;
    f->seen = 0;
    f->renamed = 0;
    f->key = 0;
}

/* The whole value that an error was found in, NULL where it is no JSON. */
static inline const uint8_t *tw_bn_failed_value(const tw_bn_frame *f, const uint8_t *end,
                                                ptrdiff_t *n) {
    uint64_t key;
    tw_err unused;
    const uint8_t *value = tw_key_slow(f->name, end, &key, &unused);
    const uint8_t *after = value ? tw_skip(value, end, &unused) : NULL;
    *n = after ? after - value : 0;
    return after ? value : NULL;
}

/* Find the symbol of a frame. The name may be escaped; such a name is decoded into scratch. */
static inline int32_t tw_bn_lookup(const tw_symbols *table, const tw_span *s, uint8_t *scratch,
                                   int room) {
    if (TW_LIKELY(!s->escaped))
        return tw_symbol_find(table, s->text, s->length);
    int n = tw_unescape(s->text, s->text + s->length, scratch, room);
    return n < 0 ? -1 : tw_symbol_find(table, scratch, n);
}

/* Whether a string value says `word`, escaped or not. */
static inline int tw_bn_says(const tw_span *s, const char *word) {
    uint8_t text[8];
    ptrdiff_t n = (ptrdiff_t)strlen(word); /* at most 8 */
    if (TW_LIKELY(!s->escaped))
        return s->length == n && memcmp(s->text, word, (size_t)n) == 0;
    return tw_unescape(s->text, s->text + s->length, text, 8) == n &&
           memcmp(text, word, (size_t)n) == 0;
}

#define TW_BN_SCRATCH 400 /* the longest name a table takes: 100 characters */

/* The value of "s": its number where the table has it. Names in the table hold neither quotes nor
 * backslashes nor control characters, so a name that is found needs no further check. */
static inline const uint8_t *tw_bn_symbol(const uint8_t *p, const uint8_t *end,
                                          const tw_symbols *table, tw_bn_frame *f, tw_err *err) {
#if TW_SWAR
    if (TW_LIKELY(end - p >= 18 && *p == '"')) {
        uint64_t first = tw_load8(p + 1), last = 0, quote = tw_find(first, '"');
        unsigned n;
        if (TW_LIKELY(quote)) {
            n = (unsigned)__builtin_ctzll(quote) >> 3;
            first &= n ? UINT64_MAX >> (64 - 8 * n) : 0;
        } else {
            quote = tw_find(tw_load8(p + 9), '"');
            n = quote ? 8 + ((unsigned)__builtin_ctzll(quote) >> 3) : 0;
            last = n ? tw_load8(p + 1 + n - 8) : 0;
        }
        f->number = n ? tw_symbol_find_words(table, p + 1, n, first, last) : -1;
        if (TW_LIKELY(f->number >= 0)) {
            f->symbol.text = p + 1;
            f->symbol.length = n;
            f->symbol.escaped = 0;
            return p + n + 2;
        }
    }
#endif
    uint8_t scratch[TW_BN_SCRATCH];
    p = tw_span_value(p, end, &f->symbol, err);
    if (p)
        f->number = tw_bn_lookup(table, &f->symbol, scratch, TW_BN_SCRATCH);
    return p;
}

/* The loop every object shares: CASES handles the keys of one kind of frame, setting p to the
 * place behind the value (NULL on error). */
#define TW_BN_OBJECT(f, CASES)                                                                     \
    for (;;) {                                                                                     \
        const uint8_t *next_;                                                                      \
        uint64_t key;                                                                              \
        const uint8_t *name_ = p;                                                                  \
        p = tw_key(p, end, &key, err);                                                             \
        if (TW_UNLIKELY(!p))                                                                       \
            return NULL;                                                                           \
        switch (key) {                                                                             \
            CASES                                                                                  \
        case tw_k1('e'):                                                                           \
            (f)->renamed = 1;                                                                      \
            p = tw_skip(p, end, err);                                                              \
            break;                                                                                 \
        default:                                                                                   \
            p = tw_key_check(name_, p, end, &key, err);                                            \
            if (!p)                                                                                \
                return NULL;                                                                       \
            p = tw_skip(p, end, err);                                                              \
            break;                                                                                 \
        }                                                                                          \
        if (TW_UNLIKELY(!p)) {                                                                     \
            (f)->key = key;                                                                        \
            (f)->name = name_;                                                                     \
            return NULL;                                                                           \
        }                                                                                          \
        int more_ = tw_next(p, end, '}', &next_, err);                                             \
        if (TW_UNLIKELY(more_ < 0))                                                                \
            return NULL;                                                                           \
        p = next_;                                                                                 \
        if (!more_)                                                                                \
            break;                                                                                 \
    }

#define TW_INT(key_, target, bit)                                                                  \
    case key_: p = tw_int(p, end, &(target), err); seen |= (bit); break;
#define TW_FIXED(key_, target, bit)                                                                \
    case key_: p = tw_fixed_value(p, end, &(target), err); seen |= (bit); break;
#define TW_SPAN(key_, target, bit)                                                                 \
    case key_: p = tw_span_value(p, end, &(target), err); seen |= (bit); break;
#define TW_SYMBOL(key_, bit)                                                                       \
    case key_: p = tw_bn_symbol(p, end, table, f, err); seen |= (bit); break;
#define TW_NOT_WANTED(key_)                                                                        \
    case key_: p = tw_skip_int(p, end, err); break;
#define TW_BOOL(key_, target, bit)                                                                 \
    case key_: p = tw_bool(p, end, &(target), err); seen |= (bit); break;

static inline const uint8_t *tw_bn_end(const uint8_t *p, tw_bn_frame *f, uint32_t seen,
                                       uint32_t needed, tw_err *err) {
    f->seen = seen;
    if (TW_UNLIKELY((seen & needed) != needed))
        return tw_fail(err, TW_MISSING, p - 1);
    return p;
}

#if TW_SWAR
/* The usual order of keys, read straight through. Each step gives up with NULL at the least
 * surprise, and the loop above reads the frame again from its beginning. Steps that read by the
 * word leave at least 24 readable bytes in front of the end. */
#define TW_ROOM()                                                                                  \
    if (TW_UNLIKELY(end - p < 24))                                                                 \
        return NULL;
#define TW_NEXT_IS(text) (memcmp(p, text, sizeof text - 1) == 0)
#define TW_EXPECT(text)                                                                            \
    TW_ROOM()                                                                                      \
    if (TW_UNLIKELY(!TW_NEXT_IS(text)))                                                            \
        return NULL;                                                                               \
    p += sizeof text - 1;
#define TW_QUICK_INT(target)                                                                       \
    {                                                                                              \
        TW_ROOM()                                                                                  \
        unsigned n_ = tw_quick_int(p, &(target));                                                  \
        if (TW_UNLIKELY(!n_))                                                                      \
            return NULL;                                                                           \
        p += n_;                                                                                   \
    }
#define TW_QUICK_SKIP_INT()                                                                        \
    {                                                                                              \
        TW_ROOM()                                                                                  \
        uint64_t odd_ = tw_not_digits(tw_load8(p) ^ TW_EIGHT('0'));                                \
        if (TW_UNLIKELY(odd_ || *p == '0'))                                                        \
            return NULL;                                                                           \
        odd_ = tw_not_digits(tw_load8(p + 8) ^ TW_EIGHT('0'));                                     \
        if (TW_UNLIKELY(!odd_))                                                                    \
            return NULL;                                                                           \
        p += 8 + (__builtin_ctzll(odd_) >> 3);                                                     \
    }
#define TW_QUICK_DECIMAL(target) /* behind the opening quote */                                    \
    {                                                                                              \
        TW_ROOM()                                                                                  \
        uint64_t v_;                                                                               \
        unsigned n_ = tw_quick_decimal(p, '"', &v_, &(target).exponent);                           \
        if (TW_UNLIKELY(!n_))                                                                      \
            return NULL;                                                                           \
        (target).mantissa = (int64_t)v_;                                                           \
        p += n_ + 1;                                                                               \
    }

/* A string that is not wanted, at its opening quote: up to 16 plain bytes. */
static inline const uint8_t *tw_quick_skip_string(const uint8_t *p, const uint8_t *end) {
    for (const uint8_t *stop = end - p > 17 ? p + 17 : end; ++p < stop;) {
        if (*p == '"')
            return p + 1;
        if (*p == '\\' || *p < 0x20)
            break;
    }
    return NULL;
}

/* What may stand behind the last wanted key: "ps" and "st", in this order, and the brace. */
static inline const uint8_t *tw_bn_usual_tail(const uint8_t *p, const uint8_t *end) {
    if (end - p > 6 && TW_NEXT_IS(",\"ps\":\"")) {
        p = tw_quick_skip_string(p + 6, end);
        if (!p)
            return NULL;
    }
    if (end - p >= 8 && TW_NEXT_IS(",\"st\":") && p[6] >= '1' && p[6] <= '9')
        p += 7;
    return p < end && *p == '}' ? p + 1 : NULL;
}

static inline const uint8_t *tw_bn_book_ticker_usual(const uint8_t *p, const uint8_t *end,
                                                     const tw_symbols *table, tw_bn_quote *q,
                                                     tw_err *err) {
    tw_bn_frame *f = &q->f;
    int late_time = 1;
    f->renamed = 0;
    TW_EXPECT("\"u\":")
    TW_QUICK_INT(q->update_id)
    TW_ROOM()
    if (TW_NEXT_IS(",\"E\":")) { /* since 2025: times in front */
        p += 5;
        TW_QUICK_SKIP_INT()
        TW_EXPECT(",\"T\":")
        TW_QUICK_INT(f->time)
        late_time = 0;
    }
    TW_EXPECT(",\"s\":")
    p = tw_bn_symbol(p, end, table, f, err);
    if (TW_UNLIKELY(!p || f->number < 0))
        return NULL;
    TW_ROOM()
    if (TW_NEXT_IS(",\"ps\":\"")) {
        p = tw_quick_skip_string(p + 6, end);
        if (TW_UNLIKELY(!p))
            return NULL;
    }
    TW_EXPECT(",\"b\":\"")
    TW_QUICK_DECIMAL(q->bid)
    TW_EXPECT(",\"B\":\"")
    TW_QUICK_DECIMAL(q->bid_size)
    TW_EXPECT(",\"a\":\"")
    TW_QUICK_DECIMAL(q->ask)
    if (TW_UNLIKELY(end - p < 8 || !TW_NEXT_IS(",\"A\":\"")))
        return NULL;
    p = tw_fixed_value(p + 5, end, &q->ask_size, err);
    if (TW_UNLIKELY(!p))
        return NULL;
    if (late_time) {
        TW_EXPECT(",\"T\":")
        TW_QUICK_INT(f->time)
        if (TW_UNLIKELY(end - p < 8 || !TW_NEXT_IS(",\"E\":")))
            return NULL;
        p = tw_skip_int(p + 5, end, err);
        if (TW_UNLIKELY(!p))
            return NULL;
    }
    return tw_bn_usual_tail(p, end);
}
#endif

static inline const uint8_t *tw_bn_book_ticker(const uint8_t *p, const uint8_t *end, const tw_symbols *table,
                                               tw_bn_quote *q, tw_err *err) {
    uint32_t seen = 0;
    tw_bn_frame *f = &q->f;
#if TW_SWAR
    const uint8_t *usual = tw_bn_book_ticker_usual(p, end, table, q, err);
    if (TW_LIKELY(usual))
        return usual;
    err->code = 0;
#endif
    tw_bn_begin(&q->f);
    TW_BN_OBJECT(&q->f,
        TW_INT('u', q->update_id, 1)
        TW_NOT_WANTED('E')
        TW_INT('T', q->f.time, 2)
        TW_SYMBOL('s', 4)
        TW_FIXED('b', q->bid, 8)
        TW_FIXED('B', q->bid_size, 16)
        TW_FIXED('a', q->ask, 32)
        TW_FIXED('A', q->ask_size, 64)
        TW_NOT_WANTED(tw_k2('s', 't')))
    return tw_bn_end(p, &q->f, seen, 127, err);
}

#if TW_SWAR
static inline const uint8_t *tw_bn_agg_trade_usual(const uint8_t *p, const uint8_t *end,
                                                   const tw_symbols *table, tw_bn_trade *t,
                                                   tw_err *err) {
    tw_bn_frame *f = &t->f;
    int late_symbol;
    f->renamed = 0;
    t->not_market = 0;
    TW_EXPECT("\"E\":")
    TW_QUICK_SKIP_INT()
    TW_ROOM()
    late_symbol = TW_NEXT_IS(",\"a\":"); /* before 2025-11 */
    if (late_symbol) {
        p += 5;
        TW_QUICK_INT(t->id)
    }
    TW_EXPECT(",\"s\":")
    p = tw_bn_symbol(p, end, table, f, err);
    if (TW_UNLIKELY(!p || f->number < 0))
        return NULL;
    if (!late_symbol) {
        TW_EXPECT(",\"a\":")
        TW_QUICK_INT(t->id)
    }
    TW_EXPECT(",\"p\":\"")
    TW_QUICK_DECIMAL(t->price)
    TW_EXPECT(",\"q\":\"")
    TW_QUICK_DECIMAL(t->size)
    TW_ROOM()
    if (TW_NEXT_IS(",\"nq\":")) {
        tw_fixed unused;
        p = tw_fixed_value(p + 6, end, &unused, err);
        if (TW_UNLIKELY(!p))
            return NULL;
    }
    TW_EXPECT(",\"f\":")
    TW_QUICK_INT(t->first_id)
    TW_EXPECT(",\"l\":")
    TW_QUICK_INT(t->last_id)
    TW_EXPECT(",\"T\":")
    if (TW_UNLIKELY(!(p = tw_int(p, end, &f->time, err))) || end - p < 10 || !TW_NEXT_IS(",\"m\":"))
        return NULL;
    p = tw_bool(p + 5, end, &t->buyer_is_maker, err);
    return p ? tw_bn_usual_tail(p, end) : NULL;
}
#endif

static inline const uint8_t *tw_bn_agg_trade(const uint8_t *p, const uint8_t *end, const tw_symbols *table, tw_bn_trade *t,
                                             tw_err *err) {
    uint32_t seen = 0;
    tw_bn_frame *f = &t->f;
#if TW_SWAR
    const uint8_t *usual = tw_bn_agg_trade_usual(p, end, table, t, err);
    if (TW_LIKELY(usual))
        return usual;
    err->code = 0;
#endif
    tw_bn_begin(&t->f);
    t->not_market = 0;
    TW_BN_OBJECT(&t->f,
        TW_NOT_WANTED('E')
        TW_SYMBOL('s', 1)
        TW_INT('a', t->id, 2)
        TW_FIXED('p', t->price, 4)
        TW_FIXED('q', t->size, 8)
        TW_INT('f', t->first_id, 16)
        TW_INT('l', t->last_id, 32)
        TW_INT('T', t->f.time, 64)
        TW_BOOL('m', t->buyer_is_maker, 128)
        TW_NOT_WANTED(tw_k2('s', 't')))
    return tw_bn_end(p, &t->f, seen, 255, err);
}

static inline const uint8_t *tw_bn_single_trade(const uint8_t *p, const uint8_t *end, const tw_symbols *table,
                                                tw_bn_trade *t, tw_err *err) {
    uint32_t seen = 0;
    tw_bn_frame *f = &t->f;
    tw_span type;
    tw_bn_begin(&t->f);
    t->not_market = 0;
    t->first_id = t->last_id = -1;
    TW_BN_OBJECT(&t->f,
        TW_NOT_WANTED('E')
        TW_INT('T', t->f.time, 1)
        TW_SYMBOL('s', 2)
        TW_INT('t', t->id, 4)
        TW_FIXED('p', t->price, 8)
        TW_FIXED('q', t->size, 16)
        TW_BOOL('m', t->buyer_is_maker, 32)
        case 'X':
            if (p < end && *p == 'n') {
                p = tw_null(p, end, err);
                break;
            }
            p = tw_span_value(p, end, &type, err);
            t->not_market = p && !tw_bn_says(&type, "MARKET");
            break;
        )
    return tw_bn_end(p, &t->f, seen, 63, err);
}

/* The scale is known once the symbol is; the levels are decoded where they stand if it came
 * first, as it does, and otherwise at the end. */
static inline const uint8_t *tw_bn_depth_update(const uint8_t *p, const uint8_t *end,
                                         const tw_symbols *table, const tw_scale *price,
                                         const tw_scale *size, tw_bn_depth *d, tw_err *err) {
    uint32_t seen = 0;
    const uint8_t *late[2] = {NULL, NULL};
    tw_bn_begin(&d->f);
    d->symbol = -1;
    d->bids->count = d->asks->count = 0;
    TW_BN_OBJECT(&d->f,
        TW_NOT_WANTED('E')
        TW_NOT_WANTED(tw_k2('s', 't'))
        TW_INT('T', d->f.time, 1)
        TW_INT('U', d->first, 2)
        TW_INT('u', d->last, 4)
        TW_INT(tw_k2('p', 'u'), d->prev, 8)
        case 's':
            if (TW_UNLIKELY(seen & 16)) /* named again: levels decoded under the other name are void */
                return tw_fail(err, TW_VALUE, p);
            seen |= 16;
            p = tw_bn_symbol(p, end, table, &d->f, err);
            d->symbol = d->f.number;
            break;
        case 'b':
        case 'a':
            seen |= key == 'b' ? 32 : 64;
            if (TW_LIKELY(d->symbol >= 0)) {
                const tw_symbol *s = &table->symbols[d->symbol];
                late[key == 'a'] = NULL;
                p = tw_levels_parse(p, end, price ? price : &s->price, size ? size : &s->size,
                                    key == 'b' ? d->bids : d->asks, err);
            } else {
                late[key == 'a'] = p;
                p = tw_skip(p, end, err);
            }
            break;
        )
    if (TW_UNLIKELY(!tw_bn_end(p, &d->f, seen, 127, err)))
        return NULL;
    if (d->symbol >= 0) {
        const tw_symbol *s = &table->symbols[d->symbol];
        for (int i = 0; i < 2; i++)
            if (late[i] && !tw_levels_parse(late[i], end, price ? price : &s->price,
                                            size ? size : &s->size, i ? d->asks : d->bids, err))
                return NULL;
    }
    return p;
}

static inline const uint8_t *tw_bn_mark_price(const uint8_t *p, const uint8_t *end, const tw_symbols *table, tw_bn_mark *m,
                                       tw_err *err) {
    uint32_t seen = 0;
    tw_bn_frame *f = &m->f;
    tw_bn_begin(&m->f);
    m->index.exponent = m->settle.exponent = m->rate.exponent = -1;
    TW_BN_OBJECT(&m->f,
        TW_INT('E', m->f.event_time, 1)
        TW_SYMBOL('s', 2)
        TW_FIXED('p', m->mark, 4)
        TW_INT('T', m->f.time, 8)
        case 'i': p = tw_optional_fixed(p, end, &m->index, err); break;
        case 'P': p = tw_optional_fixed(p, end, &m->settle, err); break;
        case 'r': p = tw_optional_fixed(p, end, &m->rate, err); break;
        )
    return tw_bn_end(p, &m->f, seen, 15, err);
}

static inline const uint8_t *tw_bn_index_price(const uint8_t *p, const uint8_t *end, const tw_symbols *table, tw_bn_mark *m,
                                        tw_err *err) {
    uint32_t seen = 0;
    tw_bn_frame *f = &m->f;
    tw_bn_begin(&m->f);
    TW_BN_OBJECT(&m->f,
        TW_INT('E', m->f.event_time, 1)
        TW_SYMBOL('i', 2) /* the pair: here `i` is no price */
        TW_FIXED('p', m->index, 4))
    return tw_bn_end(p, &m->f, seen, 7, err);
}

static inline const uint8_t *tw_bn_kline_body(const uint8_t *p, const uint8_t *end, tw_bn_kline *k,
                                       tw_err *err) {
    uint32_t seen = 0;
    p = tw_byte(p, end, '{', err);
    if (!p)
        return NULL;
    TW_BN_OBJECT(&k->f,
        TW_INT('t', k->open_time, 1)
        TW_INT('T', k->close_time, 2)
        TW_SPAN('s', k->f.symbol, 0)
        TW_SPAN('i', k->interval, 4)
        TW_FIXED('o', k->open, 8)
        TW_FIXED('c', k->close, 16)
        TW_FIXED('h', k->high, 32)
        TW_FIXED('l', k->low, 64)
        TW_FIXED('v', k->volume, 128)
        TW_INT('n', k->trades, 256)
        TW_BOOL('x', k->closed, 512)
        TW_FIXED('q', k->quote_volume, 1024)
        TW_FIXED('V', k->taker_volume, 2048)
        TW_FIXED('Q', k->taker_quote_volume, 4096))
    return tw_bn_end(p, &k->f, seen, 8191, err);
}

static inline const uint8_t *tw_bn_kline_frame(const uint8_t *p, const uint8_t *end, tw_bn_kline *k,
                                        tw_err *err) {
    uint32_t seen = 0;
    tw_span outer = {NULL, 0, 0};
    tw_bn_begin(&k->f);
    TW_BN_OBJECT(&k->f,
        TW_INT('E', k->f.event_time, 1)
        TW_SPAN('s', outer, 0)
        TW_SPAN(tw_k2('p', 's'), k->f.pair, 0)
        TW_SPAN(tw_k2('c', 't'), k->f.contract, 0)
        case 'k':
            p = tw_bn_kline_body(p, end, k, err);
            seen |= 2;
            break;
        )
    if (outer.text)
        k->f.symbol = outer;
    return tw_bn_end(p, &k->f, seen, 3, err);
}

static inline const uint8_t *tw_bn_ticker_frame(const uint8_t *p, const uint8_t *end, const tw_symbols *table, int mini,
                                         tw_bn_ticker *t, tw_err *err) {
    uint32_t seen = 0;
    tw_bn_frame *f = &t->f;
    tw_bn_begin(&t->f);
    t->change.exponent = t->change_percent.exponent = t->average.exponent = -1;
    t->last_size.exponent = -1;
    t->open_time = t->close_time = t->first_id = t->last_id = t->trades = -1;
    TW_BN_OBJECT(&t->f,
        TW_INT('E', t->f.event_time, 1)
        TW_SYMBOL('s', 2)
        TW_FIXED('c', t->last, 4)
        TW_FIXED('o', t->open, 8)
        TW_FIXED('h', t->high, 16)
        TW_FIXED('l', t->low, 32)
        TW_FIXED('v', t->volume, 64)
        TW_FIXED('q', t->quote_volume, 128)
        TW_FIXED('p', t->change, 256)
        TW_FIXED('P', t->change_percent, 512)
        TW_FIXED('w', t->average, 1024)
        TW_FIXED('Q', t->last_size, 2048)
        TW_INT('O', t->open_time, 4096)
        TW_INT('C', t->close_time, 8192)
        TW_INT('F', t->first_id, 16384)
        TW_INT('L', t->last_id, 32768)
        TW_INT('n', t->trades, 65536))
    return tw_bn_end(p, &t->f, seen, mini ? 255 : 131071, err);
}

static inline const uint8_t *tw_bn_force_order_body(const uint8_t *p, const uint8_t *end, const tw_symbols *table,
                                             tw_bn_liquidation *l, tw_err *err) {
    uint32_t seen = 0;
    tw_bn_frame *f = &l->f;
    tw_span side = {NULL, 0, 0};
    p = tw_byte(p, end, '{', err);
    if (!p)
        return NULL;
    TW_BN_OBJECT(&l->f,
        TW_SYMBOL('s', 1)
        TW_SPAN('S', side, 2)
        TW_FIXED('q', l->size, 4)
        TW_FIXED('p', l->price, 8)
        TW_FIXED(tw_k2('a', 'p'), l->average_price, 16)
        TW_FIXED('l', l->last_size, 32)
        TW_FIXED('z', l->filled_size, 64)
        TW_INT('T', l->f.time, 128))
    if (!tw_bn_end(p, &l->f, seen, 255, err))
        return NULL;
    if (tw_bn_says(&side, "SELL"))
        l->sell = 1;
    else if (tw_bn_says(&side, "BUY"))
        l->sell = 0;
    else
        return tw_fail(err, TW_VALUE, side.text);
    return p;
}

static inline const uint8_t *tw_bn_force_order(const uint8_t *p, const uint8_t *end, const tw_symbols *table,
                                        tw_bn_liquidation *l, tw_err *err) {
    uint32_t seen = 0;
    tw_bn_begin(&l->f);
    TW_BN_OBJECT(&l->f,
        TW_INT('E', l->f.event_time, 1)
        case 'o':
            p = tw_bn_force_order_body(p, end, table, l, err);
            seen |= 2;
            break;
        )
    return tw_bn_end(p, &l->f, seen, 3, err);
}

/* The top level of any other object: who it is for is decided by which keys it has. */
typedef struct {
    tw_span event, stream;
    const uint8_t *data, *data_end, *event_object, *event_object_end;
    int has_result, has_id, has_code, has_error;
} tw_bn_envelope;

#define TW_K5(a, b, c, d, e) (tw_k2(a, b) | tw_k2(c, d) << 16 | (uint64_t)(e) << 32)
#define TW_K4(a, b, c, d) (tw_k2(a, b) | tw_k2(c, d) << 16)
#define TW_K6(a, b, c, d, e, f) (TW_K4(a, b, c, d) | tw_k2(e, f) << 32)

static inline const uint8_t *tw_bn_envelope_parse(const uint8_t *p, const uint8_t *end,
                                           tw_bn_envelope *v, tw_err *err) {
    const uint8_t *next, *value;
    uint64_t key;
    memset(v, 0, sizeof *v);
    p = tw_byte(p, end, '{', err);
    if (!p)
        return NULL;
    p = tw_ws(p, end);
    if (p < end && *p == '}')
        return p + 1;
    for (;;) {
        if (!(value = tw_key_slow(p, end, &key, err)) || !(p = tw_skip(value, end, err)))
            return NULL;
        int text = *value == '"';
        tw_span span = {value + 1, p - value - 2,
                        text && memchr(value, '\\', (size_t)(p - value)) != NULL};
        switch (key) {
        case 'e':
            if (text)
                v->event = span;
            else
                memset(&v->event, 0, sizeof v->event);
            break;
        case TW_K6('s', 't', 'r', 'e', 'a', 'm'):
            if (text)
                v->stream = span;
            break;
        case TW_K4('d', 'a', 't', 'a'): v->data = value; v->data_end = p; break;
        case TW_K5('e', 'v', 'e', 'n', 't'):
            v->event_object = *value == '{' ? value : NULL;
            v->event_object_end = p;
            break;
        case TW_K6('r', 'e', 's', 'u', 'l', 't'): v->has_result = 1; break;
        case tw_k2('i', 'd'): v->has_id = 1; break;
        case TW_K4('c', 'o', 'd', 'e'): v->has_code = 1; break;
        case TW_K5('e', 'r', 'r', 'o', 'r'): v->has_error = 1; break;
        default: break;
        }
        int more = tw_next(p, end, '}', &next, err);
        if (more < 0)
            return NULL;
        p = next;
        if (!more)
            return p;
    }
}

#undef TW_INT
#undef TW_FIXED
#undef TW_SPAN
#undef TW_BOOL
#undef TW_SYMBOL
#undef TW_NOT_WANTED

#endif
