/* Hyperliquid stream frames to plain structs. No Python headers.
 *
 * A frame is {"channel":NAME,"data":..}; the order of keys is not fixed, neither here nor anywhere
 * inside. tw_hl_usual takes the usual beginning apart, so that the data can be read where it
 * stands; tw_hl_scan goes through a whole frame of any shape and finds out where the data is.
 *
 * A missing mandatory key is TW_MISSING; otherwise as in object.h.
 */
#ifndef TW_HYPERLIQUID_H
#define TW_HYPERLIQUID_H

#include "levels.h"
#include "object.h"
#include "symbols.h"

typedef enum {
    HL_OTHER = 0,
    HL_CONTROL, /* answers: subscriptionResponse, error, pong, post */
    HL_BOOK,
    HL_BBO,
    HL_TRADES,
    HL_CANDLE,
    HL_CTX,
    HL_SPOT_CTX,
    HL_MIDS,
    HL_ALL_CTXS,
    HL_SPOT_CTXS,
    HL_ORDERS, /* from here on frames of an account */
    HL_FILLS,
    HL_USER
} tw_hl_kind;

static inline tw_hl_kind tw_hl_kind_of(const uint8_t *name, ptrdiff_t n) {
#define TW_IS(word) (memcmp(name, word, sizeof word - 1) == 0)
    switch (n) {
    case 3: return TW_IS("bbo") ? HL_BBO : HL_OTHER;
    case 4: return TW_IS("user") ? HL_USER : TW_IS("post") || TW_IS("pong") ? HL_CONTROL : HL_OTHER;
    case 5: return TW_IS("error") ? HL_CONTROL : HL_OTHER;
    case 6:
        return TW_IS("l2Book")   ? HL_BOOK
               : TW_IS("trades") ? HL_TRADES
               : TW_IS("candle") ? HL_CANDLE
                                 : HL_OTHER;
    case 7: return TW_IS("allMids") ? HL_MIDS : HL_OTHER;
    case 9: return TW_IS("userFills") ? HL_FILLS : HL_OTHER;
    case 12: return TW_IS("orderUpdates") ? HL_ORDERS : HL_OTHER;
    case 13: return TW_IS("spotAssetCtxs") ? HL_SPOT_CTXS : HL_OTHER;
    case 14: return TW_IS("activeAssetCtx") ? HL_CTX : HL_OTHER;
    case 16: return TW_IS("allDexsAssetCtxs") ? HL_ALL_CTXS : HL_OTHER;
    case 18: return TW_IS("activeSpotAssetCtx") ? HL_SPOT_CTX : HL_OTHER;
    case 20: return TW_IS("subscriptionResponse") ? HL_CONTROL : HL_OTHER;
    default: return HL_OTHER;
    }
#undef TW_IS
}

typedef struct {
    tw_hl_kind kind;
    tw_span channel;     /* decoded where it was escaped */
    const uint8_t *data; /* NULL: there is none, or it is null */
    uint8_t text[TW_SHORT_TEXT];
} tw_hl_frame;

/* {"channel":"l2Book","data": at p; returns the place of the data, NULL where it is unusual. */
static inline const uint8_t *tw_hl_usual(const uint8_t *p, const uint8_t *end, tw_hl_frame *f) {
    const uint8_t *name = p + 12, *stop;
    if (TW_UNLIKELY(end - p < 48 || memcmp(p, "{\"channel\":\"", 12) != 0))
        return NULL;
    for (stop = name; stop < name + 24 && *stop != '"'; stop++)
        if (TW_UNLIKELY(*stop == '\\' || *stop < 0x20))
            return NULL;
    if (TW_UNLIKELY(stop == name + 24 || memcmp(stop, "\",\"data\":", 9) != 0 || stop[9] <= ' '))
        return NULL;
    f->channel.text = name;
    f->channel.length = stop - name;
    f->channel.escaped = 0;
    f->kind = tw_hl_kind_of(name, stop - name);
    f->data = stop + 9;
    return f->data;
}

static const tw_name tw_hl_frame_names[] = {TW_NAME("channel"), TW_NAME("data")};

/* Check a frame, find its channel and its data. */
static inline const uint8_t *tw_hl_scan(const uint8_t *p, const uint8_t *end, tw_hl_frame *f,
                                        tw_err *err) {
    memset(f, 0, offsetof(tw_hl_frame, text));
    p = tw_ws(p, end);
    TW_OBJECT(tw_hl_frame_names,
        case 0: p = tw_short_text(p, end, &f->channel, f->text, err); break;
        case 1:
            f->data = p;
            p = tw_skip(p, end, err);
            break;
        )
    if (f->channel.text)
        f->kind = tw_hl_kind_of(f->channel.text, f->channel.length);
    return p;
}

/* The number of a coin, -1: not known. */
static inline int32_t tw_hl_find(const tw_symbols *symbols, const tw_span *coin) {
    uint8_t scratch[64];
    int n;
    if (TW_LIKELY(!coin->escaped))
        return tw_symbol_find(symbols, coin->text, coin->length);
    n = tw_unescape(coin->text, coin->text + coin->length, scratch, sizeof scratch);
    return n < 0 ? -1 : tw_symbol_find(symbols, scratch, n);
}

/* Times are ms; returns ns, 0 for a time that is none. */
static inline int64_t tw_hl_ns(int64_t ms) {
    return ms <= 0 || __builtin_mul_overflow(ms, 1000000, &ms) ? 0 : ms;
}

#if TW_SWAR
/* The usual order of keys, read straight through. Each step gives up with NULL at the least
 * surprise, and the value is read again from its beginning, key by key. The caller has seen to it
 * that enough bytes can be read. */
#define TW_HL_EXPECT(text)                                                                         \
    if (TW_UNLIKELY(memcmp(q, text, sizeof text - 1) != 0))                                        \
        return NULL;                                                                               \
    q += sizeof text - 1;
#define TW_HL_DECIMAL(target) /* behind the opening quote, up to the closing one */                \
    {                                                                                              \
        uint64_t v_;                                                                               \
        unsigned n_ = tw_quick_decimal(q, '"', &v_, &(target).exponent);                           \
        if (TW_UNLIKELY(!n_))                                                                      \
            return NULL;                                                                           \
        (target).mantissa = (int64_t)v_;                                                           \
        q += n_;                                                                                   \
    }
#define TW_HL_INT(target)                                                                          \
    {                                                                                              \
        unsigned n_ = tw_quick_int(q, &(target));                                                  \
        if (TW_UNLIKELY(!n_))                                                                      \
            return NULL;                                                                           \
        q += n_;                                                                                   \
    }
#define TW_HL_COIN_MAX 15

/* {"coin":"BTC at p; returns the place of the closing quote. */
static inline const uint8_t *tw_hl_usual_coin(const uint8_t *p, tw_span *coin) {
    const uint8_t *q = p;
    TW_HL_EXPECT("{\"coin\":\"")
    coin->text = q;
    while (*q != '"' && q <= coin->text + TW_HL_COIN_MAX) {
        if (TW_UNLIKELY(*q == '\\' || *q < 0x20))
            return NULL;
        q++;
    }
    coin->length = q - coin->text;
    coin->escaped = 0;
    return TW_LIKELY(*q == '"') ? q : NULL;
}
#endif

/* ---- books ----------------------------------------------------------------------------------- */

static const tw_name tw_hl_level_names[] = {TW_NAME("px"), TW_NAME("sz"), TW_NAME("n")};

static const uint8_t *tw_hl_level_slow(const uint8_t *p, const uint8_t *end, const tw_scale *price,
                                       const tw_scale *size, int64_t *price_out, int64_t *size_out,
                                       tw_err *err) {
    const uint8_t *start = p;
    unsigned seen = 0;
    TW_OBJECT(tw_hl_level_names,
        case 0:
            p = tw_scaled(p, end, price, TW_OFF_PRICE, price_out, err);
            seen |= 1;
            break;
        case 1:
            p = tw_scaled(p, end, size, TW_OFF_SIZE, size_out, err);
            seen |= 2;
            break;
        case 2: p = tw_skip_int(p, end, err); break;
        )
    return seen == 3 ? p : tw_fail(err, TW_MISSING, start);
}

/* One side; p stands on its bracket. Replaces what `levels` held. */
static inline const uint8_t *tw_hl_levels(const uint8_t *p, const uint8_t *end,
                                          const tw_scale *price, const tw_scale *size,
                                          tw_levels *levels, tw_err *err) {
    const uint8_t *next;
    levels->count = 0;
    if (TW_UNLIKELY(p >= end || *p != '['))
        return tw_wrong_type(p, end, err);
    p = tw_ws(p + 1, end);
    if (p < end && *p == ']')
        return p + 1;
    for (;;) {
        if (TW_UNLIKELY(levels->count == levels->room && !tw_levels_grow(levels)))
            return tw_fail(err, TW_MEMORY, p);
        ptrdiff_t i = levels->count;
#if TW_SWAR
        /* {"px":"84143.0","sz":"10.25923","n":36}: 22 bytes besides the numbers, which are read by
         * words of up to 17 bytes each. */
        if (TW_LIKELY(end - p > 80 && memcmp(p, "{\"px\":\"", 7) == 0)) {
            uint64_t x, y;
            int32_t x_frac, y_frac;
            unsigned n = tw_quick_decimal(p + 7, '"', &x, &x_frac);
            const uint8_t *q = p + 7 + n;
            if (TW_LIKELY(n && memcmp(q, "\",\"sz\":\"", 8) == 0)) {
                n = tw_quick_decimal(q + 8, '"', &y, &y_frac);
                q += 8 + n;
                if (TW_LIKELY(n && memcmp(q, "\",\"n\":", 6) == 0)) {
                    const uint8_t *digits = q += 6;
                    while ((uint8_t)(*q - '0') < 10 && q < digits + 8)
                        q++;
                    tw_fixed price_text = {(int64_t)x, x_frac}, size_text = {(int64_t)y, y_frac};
                    if (TW_LIKELY(
                            *q == '}' && q > digits && (*digits != '0' || q == digits + 1) &&
                            !tw_to_scale(price_text, price, TW_OFF_PRICE, &levels->prices[i]) &&
                            !tw_to_scale(size_text, size, TW_OFF_SIZE, &levels->sizes[i]))) {
                        levels->count++;
                        if (TW_LIKELY(q[1] == ',' && q[2] == '{')) {
                            p = q + 2;
                            continue;
                        }
                        p = q + 1;
                        goto next_level;
                    }
                }
            }
        }
#endif
        p = tw_hl_level_slow(p, end, price, size, &levels->prices[i], &levels->sizes[i], err);
        if (!p)
            return NULL;
        levels->count++;
#if TW_SWAR
    next_level:
#endif
        switch (tw_next(p, end, ']', &next, err)) {
        case 1: p = next; break;
        case 0: return next;
        default: return NULL;
        }
    }
}

/* Both sides, [[bids],[asks]]. */
static inline const uint8_t *tw_hl_sides(const uint8_t *p, const uint8_t *end,
                                         const tw_scale *price, const tw_scale *size,
                                         tw_levels *bids, tw_levels *asks, tw_err *err) {
    const uint8_t *next;
    if (TW_UNLIKELY(p >= end || *p != '['))
        return tw_wrong_type(p, end, err);
    if (!(p = tw_hl_levels(tw_ws(p + 1, end), end, price, size, bids, err)))
        return NULL;
    int more = tw_next(p, end, ']', &next, err);
    if (TW_UNLIKELY(more <= 0))
        return more ? NULL : tw_fail(err, TW_MISSING, next - 1);
    if (!(p = tw_hl_levels(next, end, price, size, asks, err)))
        return NULL;
    while ((more = tw_next(p, end, ']', &next, err)) > 0)
        if (!(p = tw_skip(next, end, err)))
            return NULL;
    return more ? NULL : next;
}

typedef struct {
    const tw_symbols *symbols;
    tw_levels *bids, *asks;
    int64_t time;          /* ms */
    int32_t number;        /* of the coin, -1: not known; the sides are then only checked */
    tw_span coin;
    const uint8_t *levels; /* where the sides stand */
} tw_hl_book;

static const tw_name tw_hl_book_names[] = {
    TW_NAME("coin"), TW_NAME("time"), TW_NAME("levels"),
};

static inline const uint8_t *tw_hl_book_data(const uint8_t *p, const uint8_t *end, tw_hl_book *b,
                                             tw_err *err) {
    const uint8_t *start = p, *read = NULL;
    int32_t read_as = -1;
    b->time = -1;
    b->number = -1;
    b->coin.text = NULL;
    b->levels = NULL;
    TW_OBJECT(tw_hl_book_names,
        case 0:
            if ((p = tw_span_value(p, end, &b->coin, err)) != NULL)
                b->number = tw_hl_find(b->symbols, &b->coin);
            break;
        case 1: p = tw_int(p, end, &b->time, err); break;
        case 2:
            b->levels = p;
            if (TW_LIKELY(b->number >= 0)) {
                const tw_symbol *symbol = &b->symbols->symbols[b->number];
                p = tw_hl_sides(p, end, &symbol->price, &symbol->size, b->bids, b->asks, err);
                read = b->levels;
                read_as = b->number;
            } else
                p = tw_skip(p, end, err);
            break;
        )
    if (b->time < 0 || !b->coin.text || !b->levels)
        return tw_fail(err, TW_MISSING, start);
    if (TW_UNLIKELY(b->number >= 0 && (read != b->levels || read_as != b->number))) {
        const tw_symbol *symbol = &b->symbols->symbols[b->number];
        if (!tw_hl_sides(b->levels, end, &symbol->price, &symbol->size, b->bids, b->asks, err))
            return NULL;
    }
    return p;
}

/* Best bid and ask. */
typedef struct {
    tw_span coin;
    int64_t time;
    tw_fixed bid, bid_size, ask, ask_size; /* exponent -1: the side is empty */
} tw_hl_bbo;

/* A level, or null for none. */
static inline const uint8_t *tw_hl_best(const uint8_t *p, const uint8_t *end, tw_fixed *price,
                                        tw_fixed *size, tw_err *err) {
    const uint8_t *start = p;
    price->exponent = size->exponent = -1;
    if (TW_UNLIKELY(p < end && *p == 'n'))
        return tw_null(p, end, err);
    TW_OBJECT(tw_hl_level_names,
        case 0: p = tw_fixed_value(p, end, price, err); break;
        case 1: p = tw_fixed_value(p, end, size, err); break;
        case 2: p = tw_skip_int(p, end, err); break;
        )
    if (TW_UNLIKELY(price->exponent < 0 || size->exponent < 0))
        return tw_fail(err, TW_MISSING, start);
    return p;
}

static inline const uint8_t *tw_hl_bests(const uint8_t *p, const uint8_t *end, tw_hl_bbo *b,
                                         tw_err *err) {
    const uint8_t *next;
    if (TW_UNLIKELY(p >= end || *p != '['))
        return tw_wrong_type(p, end, err);
    if (!(p = tw_hl_best(tw_ws(p + 1, end), end, &b->bid, &b->bid_size, err)))
        return NULL;
    int more = tw_next(p, end, ']', &next, err);
    if (TW_UNLIKELY(more <= 0))
        return more ? NULL : tw_fail(err, TW_MISSING, next - 1);
    if (!(p = tw_hl_best(next, end, &b->ask, &b->ask_size, err)))
        return NULL;
    while ((more = tw_next(p, end, ']', &next, err)) > 0)
        if (!(p = tw_skip(next, end, err)))
            return NULL;
    return more ? NULL : next;
}

#if TW_SWAR
/* {"px":"84143.0","sz":"10.25923","n":36} at p, where 64 bytes can be read. */
static inline const uint8_t *tw_hl_usual_best(const uint8_t *p, tw_fixed *price, tw_fixed *size) {
    const uint8_t *q = p, *digits;
    TW_HL_EXPECT("{\"px\":\"")
    TW_HL_DECIMAL(*price)
    TW_HL_EXPECT("\",\"sz\":\"")
    TW_HL_DECIMAL(*size)
    TW_HL_EXPECT("\",\"n\":")
    for (digits = q; (uint8_t)(*q - '0') < 10 && q < digits + 8; q++)
        ;
    return *q == '}' && q > digits && (*digits != '0' || q == digits + 1) ? q + 1 : NULL;
}

/* The whole as it mostly comes. */
static inline const uint8_t *tw_hl_usual_bbo(const uint8_t *p, const uint8_t *end, tw_hl_bbo *b) {
    const uint8_t *q;
    if (TW_UNLIKELY(end - p < 64 || !(q = tw_hl_usual_coin(p, &b->coin))))
        return NULL;
    TW_HL_EXPECT("\",\"time\":")
    TW_HL_INT(b->time)
    TW_HL_EXPECT(",\"bbo\":[")
    uint8_t room[160];
    const uint8_t *from = q;
    if (end - q < 128) { /* the end of the message: read from a copy, behind which nothing fits */
        memset(room, 0, sizeof room);
        memcpy(room, q, (size_t)(end - q));
        from = room;
    }
    const uint8_t *r = tw_hl_usual_best(from, &b->bid, &b->bid_size);
    if (TW_UNLIKELY(!r || *r != ',' || !(r = tw_hl_usual_best(r + 1, &b->ask, &b->ask_size))))
        return NULL;
    return r[0] == ']' && r[1] == '}' ? q + (r - from) + 2 : NULL;
}
#endif

static const tw_name tw_hl_bbo_names[] = {TW_NAME("coin"), TW_NAME("time"), TW_NAME("bbo")};

static inline const uint8_t *tw_hl_bbo_data(const uint8_t *p, const uint8_t *end, tw_hl_bbo *b,
                                            tw_err *err) {
    const uint8_t *start = p;
    int seen = 0;
#if TW_SWAR
    const uint8_t *usual = tw_hl_usual_bbo(p, end, b);
    if (TW_LIKELY(usual))
        return usual;
#endif
    b->time = -1;
    b->coin.text = NULL;
    TW_OBJECT(tw_hl_bbo_names,
        case 0: p = tw_span_value(p, end, &b->coin, err); break;
        case 1: p = tw_int(p, end, &b->time, err); break;
        case 2:
            p = tw_hl_bests(p, end, b, err);
            seen = 1;
            break;
        )
    return b->time >= 0 && b->coin.text && seen ? p : tw_fail(err, TW_MISSING, start);
}

/* ---- trades and bars ------------------------------------------------------------------------ */

enum { TW_HL_BUY = 1, TW_HL_SELL = 2 };

static const tw_literal tw_hl_side_words[] = {TW_LITERAL("B"), TW_LITERAL("A")};

/* The side of an order, fill or trade: "B" bought, "A" sold. */
static inline const uint8_t *tw_hl_side(const uint8_t *p, const uint8_t *end, int *side,
                                        tw_err *err) {
    const uint8_t *start = p;
    tw_span s;
    if (TW_LIKELY(end - p >= 3 && p[0] == '"' && p[2] == '"')) {
        *side = p[1] == 'B' ? TW_HL_BUY : p[1] == 'A' ? TW_HL_SELL : 0;
        if (TW_LIKELY(*side))
            return p + 3;
    }
    if (!(p = tw_span_value(p, end, &s, err)))
        return NULL;
    *side = tw_find_literal(&s, tw_hl_side_words, TW_COUNT(tw_hl_side_words)) + 1;
    return *side ? p : tw_fail(err, TW_VALUE, start);
}

typedef struct {
    tw_span coin;
    int64_t time, tid; /* -1: absent */
    tw_fixed price, size;
    int side; /* of who took */
} tw_hl_trade;

#if TW_SWAR
/* Whether n bytes at p, 16 and more, are plain text, and a quote follows. */
static inline int tw_hl_plain(const uint8_t *p, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i + 16 < n; i += 16)
        if (TW_UNLIKELY(!tw_plain_wide(p + i)))
            return 0;
    return tw_plain_wide(p + n - 16) && p[n] == '"'; /* may overlap */
}

#define TW_HL_HASH 66    /* 0x and 64 digits */
#define TW_HL_ADDRESS 42 /* 0x and 40 digits */

/* The whole as it mostly comes; the time has been seen before the hash and behind it. */
static inline const uint8_t *tw_hl_usual_trade(const uint8_t *p, const uint8_t *end,
                                               tw_hl_trade *t) {
    const uint8_t *q;
    int timed = 0;
    if (TW_UNLIKELY(end - p < 144 || !(q = tw_hl_usual_coin(p, &t->coin))))
        return NULL;
    TW_HL_EXPECT("\",\"side\":\"")
    t->side = *q == 'B' ? TW_HL_BUY : *q == 'A' ? TW_HL_SELL : 0;
    q++;
    TW_HL_EXPECT("\",\"px\":\"")
    TW_HL_DECIMAL(t->price)
    TW_HL_EXPECT("\",\"sz\":\"")
    TW_HL_DECIMAL(t->size)
    q++;
    if (TW_LIKELY(memcmp(q, ",\"time\":", 8) == 0)) {
        q += 8;
        TW_HL_INT(t->time)
        timed = 1;
    }
    TW_HL_EXPECT(",\"hash\":\"")
    if (TW_UNLIKELY(end - q < TW_HL_HASH + 64 || !tw_hl_plain(q, TW_HL_HASH)))
        return NULL;
    q += TW_HL_HASH + 1;
    if (TW_UNLIKELY(!timed)) {
        TW_HL_EXPECT(",\"time\":")
        TW_HL_INT(t->time)
    }
    TW_HL_EXPECT(",\"tid\":")
    TW_HL_INT(t->tid)
    if (TW_UNLIKELY(end - q < 11 + 2 * TW_HL_ADDRESS + 6))
        return NULL;
    TW_HL_EXPECT(",\"users\":[\"")
    if (TW_UNLIKELY(!tw_hl_plain(q, TW_HL_ADDRESS)))
        return NULL;
    q += TW_HL_ADDRESS;
    TW_HL_EXPECT("\",\"")
    if (TW_UNLIKELY(!tw_hl_plain(q, TW_HL_ADDRESS)))
        return NULL;
    q += TW_HL_ADDRESS;
    TW_HL_EXPECT("\"]}")
    return t->side && t->price.mantissa > 0 && t->size.mantissa > 0 ? q : NULL;
}
#endif

static const tw_name tw_hl_trade_names[] = {
    TW_NAME("coin"), TW_NAME("side"), TW_NAME("px"), TW_NAME("sz"), TW_NAME("time"),
    TW_NAME("hash"), TW_NAME("tid"), TW_NAME("users"),
};

static inline const uint8_t *tw_hl_trade_row(const uint8_t *p, const uint8_t *end, tw_hl_trade *t,
                                             tw_err *err) {
    const uint8_t *start = p;
#if TW_SWAR
    const uint8_t *usual = tw_hl_usual_trade(p, end, t);
    if (TW_LIKELY(usual))
        return usual;
#endif
    t->coin.text = NULL;
    t->time = t->tid = -1;
    t->price.exponent = t->size.exponent = -1;
    t->side = 0;
    TW_OBJECT(tw_hl_trade_names,
        case 0: p = tw_span_value(p, end, &t->coin, err); break;
        case 1: p = tw_hl_side(p, end, &t->side, err); break;
        case 2: p = tw_fixed_value(p, end, &t->price, err); break;
        case 3: p = tw_fixed_value(p, end, &t->size, err); break;
        case 4: p = tw_int(p, end, &t->time, err); break;
        case 6: p = tw_int(p, end, &t->tid, err); break;
        )
    if (!t->coin.text || t->time < 0 || t->tid < 0 || !t->side || t->price.exponent < 0 ||
        t->size.exponent < 0)
        return tw_fail(err, TW_MISSING, start);
    if (t->price.mantissa <= 0 || t->size.mantissa <= 0)
        return tw_fail(err, TW_VALUE, start);
    return p;
}

/* Intervals of bars, with their seconds; -1: a month. */
static const tw_literal tw_hl_intervals[] = {
    TW_LITERAL("1m"), TW_LITERAL("3m"), TW_LITERAL("5m"), TW_LITERAL("15m"), TW_LITERAL("30m"),
    TW_LITERAL("1h"), TW_LITERAL("2h"), TW_LITERAL("4h"), TW_LITERAL("8h"), TW_LITERAL("12h"),
    TW_LITERAL("1d"), TW_LITERAL("3d"), TW_LITERAL("1w"), TW_LITERAL("1M"),
};
static const int32_t tw_hl_interval_s[] = {
    60, 180, 300, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 259200, 604800, -1,
};

typedef struct {
    tw_span coin, interval;
    int64_t opened, closed, count; /* times in ms; -1: absent */
    tw_fixed open, high, low, close, volume;
    int32_t interval_s;
} tw_hl_candle;

static const tw_name tw_hl_candle_names[] = {
    TW_NAME("t"), TW_NAME("T"), TW_NAME("s"), TW_NAME("i"), TW_NAME("o"), TW_NAME("c"),
    TW_NAME("h"), TW_NAME("l"), TW_NAME("v"), TW_NAME("n"),
};

static inline const uint8_t *tw_hl_candle_data(const uint8_t *p, const uint8_t *end,
                                               tw_hl_candle *c, tw_err *err) {
    const uint8_t *start = p;
    tw_fixed *values = &c->open;
    for (int i = 0; i < 5; i++) {
        values[i].mantissa = 0;
        values[i].exponent = -1;
    }
    c->coin.text = c->interval.text = NULL;
    c->opened = c->closed = c->count = -1;
    TW_OBJECT(tw_hl_candle_names,
        case 0: p = tw_int(p, end, &c->opened, err); break;
        case 1: p = tw_int(p, end, &c->closed, err); break;
        case 2: p = tw_span_value(p, end, &c->coin, err); break;
        case 3: p = tw_span_value(p, end, &c->interval, err); break;
        case 4: p = tw_fixed_value(p, end, &c->open, err); break;
        case 5: p = tw_fixed_value(p, end, &c->close, err); break;
        case 6: p = tw_fixed_value(p, end, &c->high, err); break;
        case 7: p = tw_fixed_value(p, end, &c->low, err); break;
        case 8: p = tw_fixed_value(p, end, &c->volume, err); break;
        case 9: p = tw_int(p, end, &c->count, err); break;
        )
    if (!c->coin.text || !c->interval.text || c->opened < 0 || c->closed < 0 ||
        c->open.exponent < 0 || c->high.exponent < 0 || c->low.exponent < 0 ||
        c->close.exponent < 0 || c->volume.exponent < 0)
        return tw_fail(err, TW_MISSING, start);
    int which = tw_find_literal(&c->interval, tw_hl_intervals, TW_COUNT(tw_hl_intervals));
    if (which < 0)
        return tw_fail(err, TW_VALUE, start);
    c->interval_s = tw_hl_interval_s[which];
    return p;
}

/* ---- contexts ------------------------------------------------------------------------------- */

/* What the venue says about a market once a second; exponent -1: absent. Volumes are sums with more
 * digits than 64 bits hold. */
typedef struct {
    tw_span coin;       /* of the frame */
    tw_span inner_coin; /* of the context: of spot markets only */
    tw_fixed mark, oracle, mid, funding, premium, open_interest, previous_day, impact_bid,
        impact_ask, day_quote_volume, day_base_volume, circulating_supply, total_supply;
} tw_hl_ctx;
#define TW_HL_CTX_VALUES 13

static const tw_name tw_hl_ctx_names[] = {
    TW_NAME("funding"), TW_NAME("openInterest"), TW_NAME("prevDayPx"), TW_NAME("dayNtlVlm"),
    TW_NAME("premium"), TW_NAME("oraclePx"), TW_NAME("markPx"), TW_NAME("midPx"),
    TW_NAME("impactPxs"), TW_NAME("dayBaseVlm"), TW_NAME("circulatingSupply"),
    TW_NAME("totalSupply"), TW_NAME("coin"),
};

/* Two numbers, [a,b]; what follows is passed over. */
static inline const uint8_t *tw_hl_pair(const uint8_t *p, const uint8_t *end, tw_fixed *a,
                                        tw_fixed *b, tw_err *err) {
    const uint8_t *next;
    int more;
    if (TW_UNLIKELY(p >= end || *p != '['))
        return tw_wrong_type(p, end, err);
    p = tw_ws(p + 1, end);
    if (p < end && *p == ']')
        return p + 1;
    if (!(p = tw_float(p, end, a, err)) || (more = tw_next(p, end, ']', &next, err)) < 0)
        return NULL;
    if (!more)
        return next;
    p = tw_float(next, end, b, err);
    while (p && (more = tw_next(p, end, ']', &next, err)) > 0)
        p = tw_skip(next, end, err);
    return !p || more ? NULL : next;
}

static inline const uint8_t *tw_hl_ctx_values(const uint8_t *p, const uint8_t *end, tw_hl_ctx *c,
                                              tw_err *err) {
    tw_fixed *values = &c->mark;
    for (int i = 0; i < TW_HL_CTX_VALUES; i++) {
        values[i].mantissa = 0;
        values[i].exponent = -1;
    }
    c->inner_coin.text = NULL;
    TW_OBJECT(tw_hl_ctx_names,
        case 0: p = tw_float(p, end, &c->funding, err); break;
        case 1: p = tw_float(p, end, &c->open_interest, err); break;
        case 2: p = tw_float(p, end, &c->previous_day, err); break;
        case 3: p = tw_float(p, end, &c->day_quote_volume, err); break;
        case 4: p = tw_float(p, end, &c->premium, err); break;
        case 5: p = tw_float(p, end, &c->oracle, err); break;
        case 6: p = tw_float(p, end, &c->mark, err); break;
        case 7: p = tw_float(p, end, &c->mid, err); break;
        case 8: p = tw_hl_pair(p, end, &c->impact_bid, &c->impact_ask, err); break;
        case 9: p = tw_float(p, end, &c->day_base_volume, err); break;
        case 10: p = tw_float(p, end, &c->circulating_supply, err); break;
        case 11: p = tw_float(p, end, &c->total_supply, err); break;
        case 12: p = tw_span_value(p, end, &c->inner_coin, err); break;
        )
    return p;
}

static const tw_name tw_hl_ctxs_names[] = {TW_NAME("ctxs")};

/* {"ctxs":[[dex,[..]],..]}: where the list stands. */
static inline const uint8_t *tw_hl_ctxs_data(const uint8_t *p, const uint8_t *end,
                                             const uint8_t **list, tw_err *err) {
    const uint8_t *start = p;
    *list = NULL;
    TW_OBJECT(tw_hl_ctxs_names,
        case 0:
            *list = p;
            p = tw_skip(p, end, err);
            break;
        )
    return *list ? p : tw_fail(err, TW_MISSING, start);
}

static const tw_name tw_hl_ctx_data_names[] = {TW_NAME("coin"), TW_NAME("ctx")};

static inline const uint8_t *tw_hl_ctx_data(const uint8_t *p, const uint8_t *end, tw_hl_ctx *c,
                                            tw_err *err) {
    const uint8_t *start = p;
    int seen = 0;
    c->coin.text = NULL;
    TW_OBJECT(tw_hl_ctx_data_names,
        case 0: p = tw_span_value(p, end, &c->coin, err); break;
        case 1:
            p = tw_hl_ctx_values(p, end, c, err);
            seen = 1;
            break;
        )
    return c->coin.text && seen ? p : tw_fail(err, TW_MISSING, start);
}

/* {"mids":{..},"dex":..}: where the map stands. */
typedef struct {
    const uint8_t *mids;
    tw_span dex;
} tw_hl_mids;

static const tw_name tw_hl_mids_names[] = {TW_NAME("mids"), TW_NAME("dex")};

static inline const uint8_t *tw_hl_mids_data(const uint8_t *p, const uint8_t *end, tw_hl_mids *m,
                                             tw_err *err) {
    const uint8_t *start = p;
    m->mids = NULL;
    m->dex.text = NULL;
    TW_OBJECT(tw_hl_mids_names,
        case 0:
            m->mids = p;
            if (p < end && *p != '{')
                return tw_wrong_type(p, end, err);
            p = tw_skip(p, end, err);
            break;
        case 1: p = tw_span_value(p, end, &m->dex, err); break;
        )
    return m->mids ? p : tw_fail(err, TW_MISSING, start);
}

/* ---- data of an account --------------------------------------------------------------------- */

/* What became of an order. */
static const tw_literal tw_hl_statuses[] = {
    TW_LITERAL("open"), TW_LITERAL("filled"), TW_LITERAL("canceled"), TW_LITERAL("triggered"),
    TW_LITERAL("rejected"), TW_LITERAL("accepted"), TW_LITERAL("marginCanceled"),
    TW_LITERAL("vaultWithdrawalCanceled"), TW_LITERAL("openInterestCapCanceled"),
    TW_LITERAL("selfTradeCanceled"), TW_LITERAL("reduceOnlyCanceled"),
    TW_LITERAL("siblingFilledCanceled"), TW_LITERAL("delistedCanceled"),
    TW_LITERAL("liquidatedCanceled"), TW_LITERAL("scheduledCancel"), TW_LITERAL("tickRejected"),
    TW_LITERAL("minTradeNtlRejected"), TW_LITERAL("minTradeSpotNtlRejected"),
    TW_LITERAL("perpMarginRejected"), TW_LITERAL("reduceOnlyRejected"),
    TW_LITERAL("badAloPxRejected"), TW_LITERAL("iocCancelRejected"),
    TW_LITERAL("badTriggerPxRejected"), TW_LITERAL("marketOrderNoLiquidityRejected"),
    TW_LITERAL("positionIncreaseAtOpenInterestCapRejected"),
    TW_LITERAL("positionFlipAtOpenInterestCapRejected"),
    TW_LITERAL("tooAggressiveAtOpenInterestCapRejected"),
    TW_LITERAL("openInterestIncreaseRejected"), TW_LITERAL("insufficientSpotBalanceRejected"),
    TW_LITERAL("oracleRejected"), TW_LITERAL("perpMaxPositionRejected"),
};
#define TW_HL_STATUSES 31

typedef struct {
    tw_span coin, cloid;
    int64_t oid, timestamp, status_timestamp; /* -1, 0, 0: absent */
    tw_fixed price, size, original, trigger_price; /* exponent -1: absent */
    tw_choice status;
    int side, reduce_only;
} tw_hl_order;

static const tw_name tw_hl_order_names[] = {
    TW_NAME("coin"), TW_NAME("side"), TW_NAME("limitPx"), TW_NAME("sz"), TW_NAME("oid"),
    TW_NAME("timestamp"), TW_NAME("origSz"), TW_NAME("cloid"), TW_NAME("reduceOnly"),
    TW_NAME("triggerPx"),
};

static inline const uint8_t *tw_hl_order_body(const uint8_t *p, const uint8_t *end, tw_hl_order *o,
                                              tw_err *err) {
    TW_OBJECT(tw_hl_order_names,
        case 0: p = tw_span_value(p, end, &o->coin, err); break;
        case 1: p = tw_hl_side(p, end, &o->side, err); break;
        case 2: p = tw_optional_fixed(p, end, &o->price, err); break;
        case 3: p = tw_optional_fixed(p, end, &o->size, err); break;
        case 4: p = tw_int(p, end, &o->oid, err); break;
        case 5: p = tw_loose_int(p, end, &o->timestamp, err); break;
        case 6: p = tw_optional_fixed(p, end, &o->original, err); break;
        case 7: p = tw_span_value(p, end, &o->cloid, err); break;
        case 8: p = tw_bool(p, end, &o->reduce_only, err); break;
        case 9: p = tw_optional_fixed(p, end, &o->trigger_price, err); break;
        )
    return p;
}

static const tw_name tw_hl_update_names[] = {
    TW_NAME("order"), TW_NAME("status"), TW_NAME("statusTimestamp"),
};

/* {"order":{..},"status":..,"statusTimestamp":..} */
static inline const uint8_t *tw_hl_order_row(const uint8_t *p, const uint8_t *end, tw_hl_order *o,
                                             tw_err *err) {
    const uint8_t *start = p;
    memset(o, 0, sizeof *o);
    o->oid = -1;
    o->price.exponent = o->size.exponent = o->original.exponent = o->trigger_price.exponent = -1;
    o->status.number = -1;
    TW_OBJECT(tw_hl_update_names,
        case 0: p = tw_hl_order_body(p, end, o, err); break;
        case 1: p = TW_PICK_WORD(tw_hl_statuses, &o->status); break;
        case 2: p = tw_loose_int(p, end, &o->status_timestamp, err); break;
        )
    if (o->oid < 0 || !o->coin.text || !o->side || o->size.exponent < 0 || !o->status.text.text)
        return tw_fail(err, TW_MISSING, start);
    return p;
}

/* What a fill did to the position, and what its fee is in: the usual words. */
static const tw_literal tw_hl_dirs[] = {
    TW_LITERAL("Open Long"), TW_LITERAL("Open Short"), TW_LITERAL("Close Long"),
    TW_LITERAL("Close Short"), TW_LITERAL("Buy"), TW_LITERAL("Sell"), TW_LITERAL("Long > Short"),
    TW_LITERAL("Short > Long"),
};
#define TW_HL_DIRS 8
static const tw_literal tw_hl_tokens[] = {
    TW_LITERAL("USDC"), TW_LITERAL("HYPE"), TW_LITERAL("USDH"), TW_LITERAL("USDE"),
};
#define TW_HL_TOKENS 4

typedef struct {
    tw_span coin, dir, hash, fee_token, cloid;
    int64_t oid, time, twap_id; /* -1: absent */
    int64_t tid;                /* 0: there was no trade, or it is absent */
    tw_fixed price, size, start_position, closed_pnl, fee, builder_fee;
    int side, crossed, liquidation; /* crossed -1: not said */
} tw_hl_fill;

static const tw_name tw_hl_fill_names[] = {
    TW_NAME("coin"), TW_NAME("px"), TW_NAME("sz"), TW_NAME("side"), TW_NAME("time"),
    TW_NAME("startPosition"), TW_NAME("dir"), TW_NAME("closedPnl"), TW_NAME("hash"),
    TW_NAME("oid"), TW_NAME("crossed"), TW_NAME("fee"), TW_NAME("builderFee"), TW_NAME("tid"),
    TW_NAME("cloid"), TW_NAME("liquidation"), TW_NAME("feeToken"), TW_NAME("twapId"),
};

static inline const uint8_t *tw_hl_fill_row(const uint8_t *p, const uint8_t *end, tw_hl_fill *f,
                                            tw_err *err) {
    const uint8_t *start = p;
    memset(f, 0, sizeof *f);
    f->oid = f->time = f->twap_id = f->crossed = -1;
    f->price.exponent = f->size.exponent = f->start_position.exponent = -1;
    f->closed_pnl.exponent = f->fee.exponent = f->builder_fee.exponent = -1;
    TW_OBJECT(tw_hl_fill_names,
        case 0: p = tw_span_value(p, end, &f->coin, err); break;
        case 1: p = tw_optional_fixed(p, end, &f->price, err); break;
        case 2: p = tw_optional_fixed(p, end, &f->size, err); break;
        case 3: p = tw_hl_side(p, end, &f->side, err); break;
        case 4: p = tw_int(p, end, &f->time, err); break;
        case 5: p = tw_float(p, end, &f->start_position, err); break;
        case 6: p = tw_span_value(p, end, &f->dir, err); break;
        case 7: p = tw_float(p, end, &f->closed_pnl, err); break;
        case 8: p = tw_span_value(p, end, &f->hash, err); break;
        case 9: p = tw_int(p, end, &f->oid, err); break;
        case 10: p = tw_bool(p, end, &f->crossed, err); break;
        case 11: p = tw_optional_fixed(p, end, &f->fee, err); break;
        case 12: p = tw_optional_fixed(p, end, &f->builder_fee, err); break;
        case 13: p = tw_loose_int(p, end, &f->tid, err); break;
        case 14: p = tw_span_value(p, end, &f->cloid, err); break;
        case 15:
            f->liquidation = 1;
            p = tw_skip(p, end, err);
            break;
        case 16: p = tw_span_value(p, end, &f->fee_token, err); break;
        case 17: p = tw_weak_int(p, end, &f->twap_id, err); break;
        )
    if (f->oid < 0 || f->time < 0 || !f->coin.text || !f->side ||
        f->price.exponent < 0 || f->size.exponent < 0)
        return tw_fail(err, TW_MISSING, start);
    if (f->price.mantissa < 0 || f->size.mantissa <= 0)
        return tw_fail(err, TW_VALUE, start);
    return p;
}

/* The data of userFills and user: where the fills stand, and whether there is anything else. */
typedef struct {
    tw_span user;
    const uint8_t *fills; /* NULL: none */
    int is_snapshot, others;
} tw_hl_fills;

static const tw_name tw_hl_fills_names[] = {
    TW_NAME("fills"), TW_NAME("user"), TW_NAME("isSnapshot"),
};

static inline const uint8_t *tw_hl_fills_data(const uint8_t *p, const uint8_t *end, tw_hl_fills *f,
                                              tw_err *err) {
    memset(f, 0, sizeof *f);
    TW_OBJECT(tw_hl_fills_names,
        case 0:
            f->fills = p;
            p = tw_skip(p, end, err);
            break;
        case 1: p = tw_span_value(p, end, &f->user, err); break;
        case 2: p = tw_bool(p, end, &f->is_snapshot, err); break;
        case TW_NAME_UNKNOWN:
            f->others = 1;
            p = tw_skip(p, end, err);
            break;
        )
    return p;
}

#endif
