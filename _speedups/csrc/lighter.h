/* Lighter stream frames to plain structs. No Python headers.
 *
 * A frame is one object. What it is stands in "type" ("update/order_book") and in "channel"
 * ("order_book:0"), in any order and at any place: public frames end with their type, account
 * frames begin with it. tw_lg_step goes through the members and stops at the one that holds the
 * data, which the caller reads where it stands; where the data comes before anything that says
 * what it is, it is passed over and read at the end.
 *
 * Key order is free; unknown keys are checked and passed over; the last of equal keys counts; null
 * stands for "absent". Functions take the place where a value begins and return the place behind
 * it, or NULL with *err set. A missing mandatory key is TW_MISSING.
 */
#ifndef TW_LIGHTER_H
#define TW_LIGHTER_H

#include "levels.h"
#include "object.h"

/* What a frame is about: the word behind "update/" and in front of the colon of the channel. */
typedef enum {
    LG_OTHER = 0,
    LG_BOOK,
    LG_TICKER,
    LG_TRADE,
    LG_STATS,
    LG_SPOT_STATS,
    LG_CANDLE,
    LG_MARK_CANDLE,
    LG_HEIGHT,
    LG_ORDERS, /* from here on frames of an account */
    LG_MARKET_ORDERS,
    LG_FILLS,
    LG_POSITIONS,
    LG_ACK /* jsonapi/... */
} tw_lg_kind;

/* ---- what a frame is --------------------------------------------------------------------------- */

static inline tw_lg_kind tw_lg_kind_of(const uint8_t *name, ptrdiff_t n) {
#define TW_IS(word) (memcmp(name, word, sizeof word - 1) == 0)
    switch (n) {
    case 5: return TW_IS("trade") ? LG_TRADE : LG_OTHER;
    case 6:
        return TW_IS("ticker")   ? LG_TICKER
               : TW_IS("candle") ? LG_CANDLE
               : TW_IS("height") ? LG_HEIGHT
                                 : LG_OTHER;
    case 10: return TW_IS("order_book") ? LG_BOOK : LG_OTHER;
    case 12: return TW_IS("market_stats") ? LG_STATS : LG_OTHER;
    case 14: return TW_IS("account_orders") ? LG_MARKET_ORDERS : LG_OTHER;
    case 17:
        return TW_IS("spot_market_stats")   ? LG_SPOT_STATS
               : TW_IS("mark_price_candle") ? LG_MARK_CANDLE
                                            : LG_OTHER;
    case 18:
        return TW_IS("account_all_orders")   ? LG_ORDERS
               : TW_IS("account_all_trades") ? LG_FILLS
                                             : LG_OTHER;
    case 21: return TW_IS("account_all_positions") ? LG_POSITIONS : LG_OTHER;
    default: return LG_OTHER;
    }
#undef TW_IS
}

enum { TW_LG_NO_TYPE = 0, TW_LG_SUBSCRIBED, TW_LG_UPDATE, TW_LG_CONTROL };

enum {
    LG_K_CHANNEL, LG_K_LAST_UPDATED, LG_K_NONCE, LG_K_OFFSET, LG_K_BOOK, LG_K_TICKER,
    LG_K_LIQUIDATIONS, LG_K_TRADES, LG_K_CANDLES, LG_K_STATS, LG_K_SPOT_STATS, LG_K_HEIGHT,
    LG_K_TIMESTAMP, LG_K_TYPE, LG_K_ORDERS, LG_K_POSITIONS, LG_K_COUNT
};
static const tw_name tw_lg_frame_names[] = {
    TW_NAME("channel"), TW_NAME("last_updated_at"), TW_NAME("nonce"),
    TW_NAME("offset"), TW_NAME("order_book"), TW_NAME("ticker"),
    TW_NAME("liquidation_trades"), TW_NAME("trades"), TW_NAME("candles"),
    TW_NAME("market_stats"), TW_NAME("spot_market_stats"), TW_NAME("height"),
    TW_NAME("timestamp"), TW_NAME("type"), TW_NAME("orders"), TW_NAME("positions"),
};

/* Which key holds the data of a kind. */
static inline int tw_lg_data_key(tw_lg_kind kind) {
    switch (kind) {
    case LG_BOOK: return LG_K_BOOK;
    case LG_TICKER: return LG_K_TICKER;
    case LG_TRADE: case LG_FILLS: return LG_K_TRADES;
    case LG_STATS: return LG_K_STATS;
    case LG_SPOT_STATS: return LG_K_SPOT_STATS;
    case LG_CANDLE: case LG_MARK_CANDLE: return LG_K_CANDLES;
    case LG_ORDERS: case LG_MARKET_ORDERS: return LG_K_ORDERS;
    case LG_POSITIONS: return LG_K_POSITIONS;
    default: return -1;
    }
}

/* The members of a frame as far as they are known. Times are as sent; 0: absent. */
typedef struct {
    const uint8_t *p; /* where tw_lg_step goes on */
    int started, hint;
    int late;  /* hand out no data: it is to be read when the whole frame is known */
    int taken; /* the data was handed out where it stands */
    int again; /* and what came behind it speaks against it: start over with `late` */
    int stage; /* of the type, TW_LG_SUBSCRIBED ... */
    tw_lg_kind kind, type_kind, channel_kind;
    tw_span type, channel; /* decoded where they were escaped */
    tw_span suffix;        /* of the channel, behind its first separator */
    const uint8_t *data[LG_K_COUNT]; /* by key, where it was passed over */
    int64_t timestamp, last_updated, nonce, height;
    uint8_t type_text[TW_SHORT_TEXT], channel_text[TW_SHORT_TEXT];
} tw_lg_frame;

static inline void tw_lg_begin(tw_lg_frame *f, const uint8_t *p, int late) {
    memset(f, 0, offsetof(tw_lg_frame, type_text));
    f->p = p;
    f->late = late;
    f->nonce = f->height = -1;
}

static inline void tw_lg_channel(tw_lg_frame *f) {
    const uint8_t *p = f->channel.text, *end = p + f->channel.length;
    while (p < end && *p != ':' && *p != '/')
        p++;
    f->channel_kind = tw_lg_kind_of(f->channel.text, p - f->channel.text);
    f->suffix.text = p < end ? p + 1 : end;
    f->suffix.length = p < end ? end - p - 1 : 0;
    f->suffix.escaped = 0;
}

static inline void tw_lg_type(tw_lg_frame *f) {
    const uint8_t *p = f->type.text;
    ptrdiff_t n = f->type.length;
    f->type_kind = LG_OTHER;
    f->stage = TW_LG_CONTROL;
    if (n > 7 && memcmp(p, "update/", 7) == 0) {
        f->stage = TW_LG_UPDATE;
        f->type_kind = tw_lg_kind_of(p + 7, n - 7);
    } else if (n > 11 && memcmp(p, "subscribed/", 11) == 0) {
        f->stage = TW_LG_SUBSCRIBED;
        f->type_kind = tw_lg_kind_of(p + 11, n - 11);
    } else if (n > 8 && memcmp(p, "jsonapi/", 8) == 0)
        f->type_kind = LG_ACK;
}

/* Frames of an account are told by their type alone: the account in their channel has been seen to
 * be another one. The channel of a public frame names its market and must be of the same kind. */
static inline int tw_lg_agree(const tw_lg_frame *f) {
    return f->type_kind >= LG_ORDERS || f->type_kind == f->channel_kind;
}

/* The data of a frame of a known kind, NULL where it was not there. */
static inline const uint8_t *tw_lg_data(const tw_lg_frame *f) {
    int key = tw_lg_data_key(f->kind);
    return key < 0 ? NULL : f->data[key];
}

typedef enum {
    LG_STEP_DATA, /* f->p stands on the data of f->kind: read it and set f->p behind it */
    LG_STEP_END,  /* f->p stands behind the frame; f->kind is final */
    LG_STEP_ERROR
} tw_lg_step_result;

static inline tw_lg_step_result tw_lg_step(tw_lg_frame *f, const uint8_t *end, tw_err *err) {
    const uint8_t *p = f->p, *next;
    int key, more;
    if (!f->started) {
        f->started = 1;
        if (!(p = tw_byte(p, end, '{', err)))
            return LG_STEP_ERROR;
        p = tw_ws(p, end);
        if (p < end && *p == '}') {
            f->p = p + 1;
            return LG_STEP_END;
        }
    } else
        goto behind;
    for (;;) {
        key = tw_member(&p, end, tw_lg_frame_names, TW_COUNT(tw_lg_frame_names), &f->hint, err);
        if (TW_UNLIKELY(key == TW_NAME_BROKEN))
            return LG_STEP_ERROR;
        if (TW_UNLIKELY(p >= end)) {
            tw_fail(err, TW_TRUNCATED, p);
            return LG_STEP_ERROR;
        }
        switch (key) {
        case LG_K_CHANNEL:
            f->again |= f->taken && f->kind < LG_ORDERS;
            if (*p == 'n') {
                p = tw_null(p, end, err);
                break;
            }
            if ((p = tw_short_text(p, end, &f->channel, f->channel_text, err)) != NULL) {
                tw_lg_channel(f);
                if (f->stage == TW_LG_NO_TYPE)
                    f->kind = f->channel_kind;
            }
            break;
        case LG_K_TYPE:
            if ((p = tw_short_text(p, end, &f->type, f->type_text, err)) != NULL) {
                tw_lg_type(f);
                f->again |= f->taken && f->type_kind != f->kind;
                f->kind = f->type_kind;
            }
            break;
        case LG_K_TIMESTAMP: p = tw_loose_int(p, end, &f->timestamp, err); break;
        case LG_K_LAST_UPDATED: p = tw_loose_int(p, end, &f->last_updated, err); break;
        case LG_K_NONCE: p = tw_loose_int(p, end, &f->nonce, err); break;
        case LG_K_HEIGHT: p = tw_weak_int(p, end, &f->height, err); break;
        case LG_K_OFFSET: p = tw_skip_int(p, end, err); break;
        case LG_K_BOOK: case LG_K_TICKER: case LG_K_TRADES: case LG_K_LIQUIDATIONS:
        case LG_K_CANDLES: case LG_K_STATS: case LG_K_SPOT_STATS: case LG_K_ORDERS:
        case LG_K_POSITIONS:
            f->data[key] = p;
            if (key == tw_lg_data_key(f->kind) && !f->late &&
                (f->kind >= LG_ORDERS || f->channel.text)) {
                f->again |= f->taken;
                f->taken = 1;
                f->p = p;
                if (key == LG_K_BOOK || key == LG_K_TICKER)
                    f->hint = LG_K_TIMESTAMP;
                return LG_STEP_DATA;
            }
            p = tw_skip(p, end, err);
            break;
        default: p = tw_skip(p, end, err); break;
        }
        if (TW_UNLIKELY(!p))
            return LG_STEP_ERROR;
    behind:
        more = tw_next(p, end, '}', &next, err);
        if (TW_UNLIKELY(more < 0))
            return LG_STEP_ERROR;
        p = next;
        if (!more) {
            f->p = p;
            return LG_STEP_END;
        }
    }
}

/* ---- public data ------------------------------------------------------------------------------- */

/* One level, {"price":"..","size":".."}, of any layout. */
static const tw_name tw_lg_level_names[] = {TW_NAME("price"), TW_NAME("size")};

static const uint8_t *tw_lg_level_slow(const uint8_t *p, const uint8_t *end, const tw_scale *price,
                                       const tw_scale *size, int64_t *price_out, int64_t *size_out,
                                       tw_err *err) {
    const uint8_t *start = p;
    unsigned seen = 0;
    TW_OBJECT(tw_lg_level_names,
        case 0:
            p = tw_scaled(p, end, price, TW_OFF_PRICE, price_out, err);
            seen |= 1;
            break;
        case 1:
            p = tw_scaled(p, end, size, TW_OFF_SIZE, size_out, err);
            seen |= 2;
            break;
        )
    return seen == 3 ? p : tw_fail(err, TW_MISSING, start);
}

/* p stands on the opening bracket. Replaces what `levels` held; a level at price 0 says nothing. */
static inline const uint8_t *tw_lg_levels(const uint8_t *p, const uint8_t *end,
                                          const tw_scale *price, const tw_scale *size,
                                          tw_levels *levels, tw_err *err) {
    const uint8_t *next;
    levels->count = 0;
    if (TW_UNLIKELY(p < end && *p == 'n'))
        return tw_null(p, end, err);
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
        /* {"price":"2064.54","size":"0.3285"}: 20 bytes besides the numbers, which are read by
         * words of up to 17 bytes each. */
        if (TW_LIKELY(end - p > 72 && memcmp(p, "{\"price\":\"", 10) == 0)) {
            uint64_t x, y;
            int32_t x_frac, y_frac;
            unsigned n = tw_quick_decimal(p + 10, '"', &x, &x_frac);
            const uint8_t *q = p + 10 + n;
            if (TW_LIKELY(n && memcmp(q, "\",\"size\":\"", 10) == 0)) {
                n = tw_quick_decimal(q + 10, '"', &y, &y_frac);
                q += 10 + n;
                if (TW_LIKELY(n && q[1] == '}')) {
                    tw_fixed price_text = {(int64_t)x, x_frac}, size_text = {(int64_t)y, y_frac};
                    if (TW_LIKELY(
                            !tw_to_scale(price_text, price, TW_OFF_PRICE, &levels->prices[i]) &&
                            !tw_to_scale(size_text, size, TW_OFF_SIZE, &levels->sizes[i]))) {
                        levels->count += levels->prices[i] != 0;
                        if (TW_LIKELY(q[2] == ',' && q[3] == '{')) {
                            p = q + 3;
                            continue;
                        }
                        p = q + 2;
                        goto next_level;
                    }
                }
            }
        }
#endif
        p = tw_lg_level_slow(p, end, price, size, &levels->prices[i], &levels->sizes[i], err);
        if (!p)
            return NULL;
        levels->count += levels->prices[i] != 0;
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

typedef struct {
    int64_t nonce, begin_nonce, last_updated; /* -1, -1, 0: absent */
    tw_levels *bids, *asks;
} tw_lg_book;

static const tw_name tw_lg_book_names[] = {
    TW_NAME("code"), TW_NAME("asks"), TW_NAME("bids"), TW_NAME("offset"),
    TW_NAME("nonce"), TW_NAME("last_updated_at"), TW_NAME("begin_nonce"),
};

static inline const uint8_t *tw_lg_book_data(const uint8_t *p, const uint8_t *end,
                                             const tw_scale *price, const tw_scale *size,
                                             tw_lg_book *b, tw_err *err) {
    const uint8_t *start = p;
    b->nonce = b->begin_nonce = -1;
    b->last_updated = 0;
    b->bids->count = b->asks->count = 0;
    TW_OBJECT(tw_lg_book_names,
        case 0: case 3: p = tw_skip_int(p, end, err); break;
        case 1: p = tw_lg_levels(p, end, price, size, b->asks, err); break;
        case 2: p = tw_lg_levels(p, end, price, size, b->bids, err); break;
        case 4: p = tw_loose_int(p, end, &b->nonce, err); break;
        case 5: p = tw_loose_int(p, end, &b->last_updated, err); break;
        case 6: p = tw_loose_int(p, end, &b->begin_nonce, err); break;
        )
    return b->nonce >= 0 ? p : tw_fail(err, TW_MISSING, start);
}

typedef struct {
    tw_fixed ask, ask_size, bid, bid_size; /* exponent -1: the side is empty */
    int64_t last_updated;
} tw_lg_ticker;

static inline const uint8_t *tw_lg_ticker_side(const uint8_t *p, const uint8_t *end,
                                               tw_fixed *price, tw_fixed *size, tw_err *err) {
    TW_OBJECT(tw_lg_level_names,
        case 0: p = tw_optional_fixed(p, end, price, err); break;
        case 1: p = tw_optional_fixed(p, end, size, err); break;
        )
    return p;
}

static const tw_name tw_lg_ticker_names[] = {
    TW_NAME("s"), TW_NAME("a"), TW_NAME("b"), TW_NAME("last_updated_at"),
};

static inline const uint8_t *tw_lg_ticker_data(const uint8_t *p, const uint8_t *end,
                                               tw_lg_ticker *t, tw_err *err) {
    t->ask.exponent = t->ask_size.exponent = t->bid.exponent = t->bid_size.exponent = -1;
    t->last_updated = 0;
    TW_OBJECT(tw_lg_ticker_names,
        case 1: p = tw_lg_ticker_side(p, end, &t->ask, &t->ask_size, err); break;
        case 2: p = tw_lg_ticker_side(p, end, &t->bid, &t->bid_size, err); break;
        case 3: p = tw_loose_int(p, end, &t->last_updated, err); break;
        )
    return p;
}

/* What happened: the venue's word for a trade. */
typedef enum { LG_T_TRADE, LG_T_LIQUIDATION, LG_T_DELEVERAGE, LG_T_SETTLEMENT } tw_lg_trade_kind;
static const tw_literal tw_lg_trade_kinds[] = {
    TW_LITERAL("trade"), TW_LITERAL("liquidation"), TW_LITERAL("deleverage"),
    TW_LITERAL("market-settlement"),
};

/* One trade with both of its sides, as public frames, account frames and REST have it. Ids are -1
 * and times 0 where absent; ids as text win over numbers, which a double may have rounded. */
typedef struct {
    int64_t trade_id, market, ask_id, bid_id, ask_client, bid_client, ask_account, bid_account;
    int64_t block_height, timestamp, transaction_time;
    int64_t taker_fee, maker_fee, integrator_taker_fee, integrator_maker_fee;
    tw_fixed size, price, usd_amount;
    int is_maker_ask; /* -1: not said */
    int kind;         /* tw_lg_trade_kind; -1: another word, or none */
    tw_span type, tx_hash;
} tw_lg_trade;

static const tw_name tw_lg_trade_names[] = {
    TW_NAME("trade_id"), TW_NAME("trade_id_str"), TW_NAME("tx_hash"), TW_NAME("type"),
    TW_NAME("market_id"), TW_NAME("size"), TW_NAME("price"), TW_NAME("usd_amount"),
    TW_NAME("ask_id"), TW_NAME("ask_id_str"), TW_NAME("bid_id"), TW_NAME("bid_id_str"),
    TW_NAME("ask_client_id"), TW_NAME("ask_client_id_str"), TW_NAME("bid_client_id"),
    TW_NAME("bid_client_id_str"), TW_NAME("ask_account_id"), TW_NAME("bid_account_id"),
    TW_NAME("is_maker_ask"), TW_NAME("block_height"), TW_NAME("timestamp"),
    TW_NAME("taker_fee"), TW_NAME("maker_fee"), TW_NAME("transaction_time"),
    TW_NAME("integrator_taker_fee"), TW_NAME("integrator_maker_fee"),
};

#if TW_SWAR
/* The members of a trade that stand in the usual order, without blanks, read straight through, in
 * a third of the time of the general way, which goes on wherever this one stops. Returns the place
 * behind the last such member, NULL where there is none. `rounded` gets the five ids as numbers. */
static inline const uint8_t *tw_lg_usual_trade(const uint8_t *p, const uint8_t *end,
                                               tw_lg_trade *t, int64_t *rounded, tw_err *err) {
    const uint8_t *read = NULL;
    unsigned n;
    /* Each member sets `read` once it is complete. */
#define TW_LG_AT(text)                                                                             \
    if (TW_UNLIKELY(!tw_stands(p, end, (const uint8_t *)text, sizeof text - 1)))                    \
        return read;                                                                               \
    p += sizeof text - 1;
#define TW_LG_WHOLE(text, out)                                                                     \
    TW_LG_AT(text)                                                                                 \
    if (TW_UNLIKELY(!(n = tw_bare_digits(p, end, out))))                                             \
        return read;                                                                               \
    read = p += n;
    /* An id as number and again as text, which is the same but where it is too large for a double. */
#define TW_LG_ID(first, name, number, out)                                                         \
    TW_LG_WHOLE(first "\"" name "\":", number)                                                     \
    TW_LG_AT(",\"" name "_str\":\"")                                                               \
    if (TW_UNLIKELY(!tw_same(p, read - n, n, end) || p[n] != '"'))                              \
        return read;                                                                               \
    *(out) = *(number);                                                                            \
    read = p += n + 1;
#define TW_LG_VALUE(text, call)                                                                    \
    TW_LG_AT(text)                                                                                 \
    if (TW_UNLIKELY(!(p = call))) {                                                                \
        err->code = 0;                                                                             \
        return read;                                                                               \
    }                                                                                              \
    read = p;
    TW_LG_ID("{", "trade_id", &rounded[0], &t->trade_id)
    TW_LG_VALUE(",\"tx_hash\":", tw_span_value(p, end, &t->tx_hash, err))
    TW_LG_AT(",\"type\":\"trade\"")
    t->type.text = p - 6;
    t->type.length = 5;
    t->kind = LG_T_TRADE;
    read = p;
    TW_LG_WHOLE(",\"market_id\":", &t->market)
    TW_LG_VALUE(",\"size\":", tw_optional_fixed(p, end, &t->size, err))
    TW_LG_VALUE(",\"price\":", tw_optional_fixed(p, end, &t->price, err))
    TW_LG_VALUE(",\"usd_amount\":", tw_optional_fixed(p, end, &t->usd_amount, err))
    TW_LG_ID(",", "ask_id", &rounded[1], &t->ask_id)
    TW_LG_ID(",", "bid_id", &rounded[2], &t->bid_id)
    TW_LG_ID(",", "ask_client_id", &rounded[3], &t->ask_client)
    TW_LG_ID(",", "bid_client_id", &rounded[4], &t->bid_client)
    TW_LG_WHOLE(",\"ask_account_id\":", &t->ask_account)
    TW_LG_WHOLE(",\"bid_account_id\":", &t->bid_account)
    TW_LG_VALUE(",\"is_maker_ask\":", tw_bool(p, end, &t->is_maker_ask, err))
    TW_LG_WHOLE(",\"block_height\":", &t->block_height)
    TW_LG_WHOLE(",\"timestamp\":", &t->timestamp)
    TW_LG_WHOLE(",\"taker_fee\":", &t->taker_fee)
    TW_LG_WHOLE(",\"maker_fee\":", &t->maker_fee)
    TW_LG_WHOLE(",\"transaction_time\":", &t->transaction_time)
    return read;
#undef TW_LG_AT
#undef TW_LG_WHOLE
#undef TW_LG_ID
#undef TW_LG_VALUE
}
#endif

/* `usual`: whether to try the usual order first; what comes out is the same. */
static inline const uint8_t *tw_lg_trade_read(const uint8_t *p, const uint8_t *end, tw_lg_trade *t,
                                              int usual, tw_err *err) {
    const uint8_t *start = p, *read = NULL;
    /* Texts of ids are kept apart, so that they win whatever the order. */
    int64_t ids[5] = {-1, -1, -1, -1, -1};
    /* By member: a memset would be a call, or a string instruction, for each row. */
    t->trade_id = t->ask_id = t->bid_id = t->ask_client = t->bid_client = -1;
    t->ask_account = t->bid_account = t->market = t->block_height = -1;
    t->timestamp = t->transaction_time = t->taker_fee = t->maker_fee = 0;
    t->integrator_taker_fee = t->integrator_maker_fee = 0;
    t->size = t->price = t->usd_amount = (tw_fixed){0, -1};
    t->is_maker_ask = t->kind = -1;
    t->type = t->tx_hash = (tw_span){NULL, 0, 0};
#if TW_SWAR
    if (usual)
        read = tw_lg_usual_trade(p, end, t, ids, err);
#else
    (void)usual;
#endif
    TW_OBJECT_FROM(read, tw_lg_trade_names,
        case 0: p = tw_weak_int(p, end, &ids[0], err); break;
        case 1: p = tw_loose_int(p, end, &t->trade_id, err); break;
        case 2: p = tw_span_value(p, end, &t->tx_hash, err); break;
        case 3:
            p = tw_span_value(p, end, &t->type, err);
            t->kind = -1;
            break;
        case 4: p = tw_loose_int(p, end, &t->market, err); break;
        case 5: p = tw_optional_fixed(p, end, &t->size, err); break;
        case 6: p = tw_optional_fixed(p, end, &t->price, err); break;
        case 7: p = tw_optional_fixed(p, end, &t->usd_amount, err); break;
        case 8: p = tw_weak_int(p, end, &ids[1], err); break;
        case 9: p = tw_loose_int(p, end, &t->ask_id, err); break;
        case 10: p = tw_weak_int(p, end, &ids[2], err); break;
        case 11: p = tw_loose_int(p, end, &t->bid_id, err); break;
        case 12: p = tw_weak_int(p, end, &ids[3], err); break;
        case 13: p = tw_loose_int(p, end, &t->ask_client, err); break;
        case 14: p = tw_weak_int(p, end, &ids[4], err); break;
        case 15: p = tw_loose_int(p, end, &t->bid_client, err); break;
        case 16: p = tw_loose_int(p, end, &t->ask_account, err); break;
        case 17: p = tw_loose_int(p, end, &t->bid_account, err); break;
        case 18: p = tw_bool(p, end, &t->is_maker_ask, err); break;
        case 19: p = tw_weak_int(p, end, &t->block_height, err); break;
        case 20: p = tw_weak_int(p, end, &t->timestamp, err); break;
        case 21: p = tw_loose_int(p, end, &t->taker_fee, err); break;
        case 22: p = tw_loose_int(p, end, &t->maker_fee, err); break;
        case 23: p = tw_weak_int(p, end, &t->transaction_time, err); break;
        case 24: p = tw_loose_int(p, end, &t->integrator_taker_fee, err); break;
        case 25: p = tw_loose_int(p, end, &t->integrator_maker_fee, err); break;
        )
    if (t->trade_id < 0) t->trade_id = ids[0];
    if (t->ask_id < 0) t->ask_id = ids[1];
    if (t->bid_id < 0) t->bid_id = ids[2];
    if (t->ask_client < 0) t->ask_client = ids[3];
    if (t->bid_client < 0) t->bid_client = ids[4];
    if (t->type.text && t->kind < 0)
        t->kind = tw_find_literal(&t->type, tw_lg_trade_kinds, TW_COUNT(tw_lg_trade_kinds));
    if (t->trade_id < 0 || t->size.exponent < 0 || t->price.exponent < 0 || t->is_maker_ask < 0)
        return tw_fail(err, TW_MISSING, start);
    if (t->size.mantissa <= 0 || t->price.mantissa <= 0)
        return tw_fail(err, TW_VALUE, start);
    return p;
}

static inline const uint8_t *tw_lg_trade_row(const uint8_t *p, const uint8_t *end, tw_lg_trade *t,
                                             tw_err *err) {
    return tw_lg_trade_read(p, end, t, 1, err);
}

/* Statistics of a market; the last ones left the venue as binary floats. */
typedef struct {
    int64_t market, funding_timestamp; /* -1, 0: absent */
    tw_fixed index, mark, mid, last, open_interest, open_interest_limit, funding_rate,
        current_funding_rate, funding_clamp_small, funding_clamp_big, base_interest_rate;
    tw_fixed volume, quote_volume, low, high, change;
} tw_lg_stats;

static const tw_name tw_lg_stats_names[] = {
    TW_NAME("symbol"), TW_NAME("market_id"), TW_NAME("index_price"),
    TW_NAME("mark_price"), TW_NAME("mid_price"), TW_NAME("open_interest"),
    TW_NAME("open_interest_limit"), TW_NAME("funding_clamp_small"),
    TW_NAME("funding_clamp_big"), TW_NAME("last_trade_price"),
    TW_NAME("current_funding_rate"), TW_NAME("funding_rate"),
    TW_NAME("funding_timestamp"), TW_NAME("daily_base_token_volume"),
    TW_NAME("daily_quote_token_volume"), TW_NAME("daily_price_low"),
    TW_NAME("daily_price_high"), TW_NAME("daily_price_change"),
    TW_NAME("base_interest_rate"),
};

static inline const uint8_t *tw_lg_stats_data(const uint8_t *p, const uint8_t *end, tw_lg_stats *s,
                                              tw_err *err) {
    tw_fixed *values = &s->index;
    for (size_t i = 0; i < 16; i++) {
        values[i].mantissa = 0;
        values[i].exponent = -1;
    }
    s->market = -1;
    s->funding_timestamp = 0;
    TW_OBJECT(tw_lg_stats_names,
        case 1: p = tw_loose_int(p, end, &s->market, err); break;
        case 2: p = tw_float(p, end, &s->index, err); break;
        case 3: p = tw_float(p, end, &s->mark, err); break;
        case 4: p = tw_float(p, end, &s->mid, err); break;
        case 5: p = tw_float(p, end, &s->open_interest, err); break;
        case 6: p = tw_float(p, end, &s->open_interest_limit, err); break;
        case 7: p = tw_float(p, end, &s->funding_clamp_small, err); break;
        case 8: p = tw_float(p, end, &s->funding_clamp_big, err); break;
        case 9: p = tw_float(p, end, &s->last, err); break;
        case 10: p = tw_float(p, end, &s->current_funding_rate, err); break;
        case 11: p = tw_float(p, end, &s->funding_rate, err); break;
        case 12: p = tw_loose_int(p, end, &s->funding_timestamp, err); break;
        case 13: p = tw_float(p, end, &s->volume, err); break;
        case 14: p = tw_float(p, end, &s->quote_volume, err); break;
        case 15: p = tw_float(p, end, &s->low, err); break;
        case 16: p = tw_float(p, end, &s->high, err); break;
        case 17: p = tw_float(p, end, &s->change, err); break;
        case 18: p = tw_float(p, end, &s->base_interest_rate, err); break;
        )
    return p;
}

/* One bar: times in ms, everything else as binary floats. */
typedef struct {
    int64_t time;
    tw_fixed open, high, low, close, volume, quote_volume;
} tw_lg_candle;

static const tw_name tw_lg_candle_names[] = {
    TW_NAME("t"), TW_NAME("o"), TW_NAME("h"), TW_NAME("l"), TW_NAME("c"),
    TW_NAME("v"), TW_NAME("V"), TW_NAME("i"),
};

static inline const uint8_t *tw_lg_candle_row(const uint8_t *p, const uint8_t *end,
                                              tw_lg_candle *c, tw_err *err) {
    const uint8_t *start = p;
    tw_fixed *values = &c->open;
    for (size_t i = 0; i < 6; i++) {
        values[i].mantissa = 0;
        values[i].exponent = -1;
    }
    c->time = -1;
    TW_OBJECT(tw_lg_candle_names,
        case 0: p = tw_loose_int(p, end, &c->time, err); break;
        case 1: p = tw_float(p, end, &c->open, err); break;
        case 2: p = tw_float(p, end, &c->high, err); break;
        case 3: p = tw_float(p, end, &c->low, err); break;
        case 4: p = tw_float(p, end, &c->close, err); break;
        case 5: p = tw_float(p, end, &c->volume, err); break;
        case 6: p = tw_float(p, end, &c->quote_volume, err); break;
        )
    if (c->time < 0 || c->open.exponent < 0 || c->high.exponent < 0 || c->low.exponent < 0 ||
        c->close.exponent < 0)
        return tw_fail(err, TW_MISSING, start);
    return p;
}

/* Bring a binary float to its grid, to the nearest step: the venue's sums of sizes carry the error
 * of floating-point addition (13.223699999999997 for 13.2237, seen 2026-05). */
static inline int tw_lg_nearest(tw_fixed x, const tw_scale *s, int64_t *out) {
    int64_t v = x.mantissa;
    int32_t k = s->decimals - x.exponent;
    if (k > 0) {
        if (__builtin_mul_overflow(v, tw_pow10[k], &v))
            return TW_RANGE;
    } else if (k < 0) {
        int64_t unit = tw_pow10[-k], rest = v % unit;
        v /= unit;
        if (rest >= unit - rest)
            v++;
        else if (-rest > unit + rest)
            v--;
    }
    if (s->mantissa != 1) {
        int64_t rest = v % s->mantissa;
        v = v / s->mantissa + (rest >= s->mantissa - rest);
    }
    *out = v;
    return TW_OK;
}

/* ---- data of an account ------------------------------------------------------------------------ */

/* What became of an order, in the order of the venue's numbers. */
static const tw_literal tw_lg_statuses[] = {
    TW_LITERAL("in-progress"), TW_LITERAL("pending"), TW_LITERAL("open"), TW_LITERAL("filled"),
    TW_LITERAL("canceled"), TW_LITERAL("canceled-post-only"), TW_LITERAL("canceled-reduce-only"),
    TW_LITERAL("canceled-position-not-allowed"), TW_LITERAL("canceled-margin-not-allowed"),
    TW_LITERAL("canceled-too-much-slippage"), TW_LITERAL("canceled-not-enough-liquidity"),
    TW_LITERAL("canceled-self-trade"), TW_LITERAL("canceled-expired"),
    TW_LITERAL("canceled-oco"), TW_LITERAL("canceled-child"), TW_LITERAL("canceled-liquidation"),
    TW_LITERAL("canceled-invalid-balance"),
};
static const tw_literal tw_lg_order_types[] = {
    TW_LITERAL("limit"), TW_LITERAL("market"), TW_LITERAL("stop-loss"),
    TW_LITERAL("stop-loss-limit"), TW_LITERAL("take-profit"), TW_LITERAL("take-profit-limit"),
    TW_LITERAL("twap"), TW_LITERAL("twap-sub"), TW_LITERAL("liquidation"),
};
static const tw_literal tw_lg_tifs[] = {
    TW_LITERAL("immediate-or-cancel"), TW_LITERAL("good-till-time"), TW_LITERAL("post-only"),
};
static const tw_literal tw_lg_trigger_statuses[] = {
    TW_LITERAL("na"), TW_LITERAL("ready"), TW_LITERAL("mark-price"), TW_LITERAL("twap"),
    TW_LITERAL("parent-order"),
};

typedef struct {
    int64_t order_id, client_index, market, account, nonce, block_height;
    int64_t base_size, base_price;
    int64_t order_expiry, trigger_time, timestamp, created_at, updated_at, transaction_time;
    int64_t parent_id, to_trigger_0, to_trigger_1, to_cancel_0;
    tw_fixed size, remaining, filled, filled_quote, price, trigger_price;
    tw_choice status, type, tif, trigger_status;
    int is_ask, reduce_only;
} tw_lg_order;

static const tw_name tw_lg_order_names[] = {
    TW_NAME("order_index"), TW_NAME("client_order_index"), TW_NAME("order_id"),
    TW_NAME("client_order_id"), TW_NAME("market_index"), TW_NAME("owner_account_index"),
    TW_NAME("initial_base_amount"), TW_NAME("price"), TW_NAME("nonce"),
    TW_NAME("remaining_base_amount"), TW_NAME("is_ask"), TW_NAME("base_size"),
    TW_NAME("base_price"), TW_NAME("filled_base_amount"), TW_NAME("filled_quote_amount"),
    TW_NAME("side"), TW_NAME("type"), TW_NAME("time_in_force"), TW_NAME("reduce_only"),
    TW_NAME("trigger_price"), TW_NAME("order_expiry"), TW_NAME("status"),
    TW_NAME("trigger_status"), TW_NAME("trigger_time"), TW_NAME("parent_order_index"),
    TW_NAME("parent_order_id"), TW_NAME("to_trigger_order_id_0"),
    TW_NAME("to_trigger_order_id_1"), TW_NAME("to_cancel_order_id_0"),
    TW_NAME("integrator_fee_collector_index"), TW_NAME("integrator_taker_fee"),
    TW_NAME("integrator_maker_fee"), TW_NAME("block_height"), TW_NAME("timestamp"),
    TW_NAME("created_at"), TW_NAME("updated_at"), TW_NAME("transaction_time"),
};

static inline const uint8_t *tw_lg_order_row(const uint8_t *p, const uint8_t *end, tw_lg_order *o,
                                             tw_err *err) {
    const uint8_t *start = p;
    int64_t id = -1, client = -1, parent = -1;
    tw_fixed *values = &o->size;
    tw_choice *words = &o->status;
    memset(o, 0, sizeof *o);
    for (size_t i = 0; i < 6; i++)
        values[i].exponent = -1;
    for (size_t i = 0; i < 4; i++)
        words[i].number = -1;
    o->order_id = o->client_index = o->market = o->account = o->block_height = -1;
    o->nonce = o->parent_id = -1;
    o->is_ask = -1;
    TW_OBJECT(tw_lg_order_names,
        case 0: p = tw_weak_int(p, end, &id, err); break;
        case 1: p = tw_weak_int(p, end, &client, err); break;
        case 2: p = tw_loose_int(p, end, &o->order_id, err); break;
        case 3: p = tw_loose_int(p, end, &o->client_index, err); break;
        case 4: p = tw_loose_int(p, end, &o->market, err); break;
        case 5: p = tw_loose_int(p, end, &o->account, err); break;
        case 6: p = tw_optional_fixed(p, end, &o->size, err); break;
        case 7: p = tw_optional_fixed(p, end, &o->price, err); break;
        case 8: p = tw_loose_int(p, end, &o->nonce, err); break;
        case 9: p = tw_optional_fixed(p, end, &o->remaining, err); break;
        case 10: p = tw_bool(p, end, &o->is_ask, err); break;
        case 11: p = tw_weak_int(p, end, &o->base_size, err); break;
        case 12: p = tw_weak_int(p, end, &o->base_price, err); break;
        case 13: p = tw_optional_fixed(p, end, &o->filled, err); break;
        case 14: p = tw_optional_fixed(p, end, &o->filled_quote, err); break;
        case 16: p = TW_PICK_WORD(tw_lg_order_types, &o->type); break;
        case 17: p = TW_PICK_WORD(tw_lg_tifs, &o->tif); break;
        case 18: p = tw_bool(p, end, &o->reduce_only, err); break;
        case 19: p = tw_optional_fixed(p, end, &o->trigger_price, err); break;
        case 20: p = tw_loose_int(p, end, &o->order_expiry, err); break;
        case 21: p = TW_PICK_WORD(tw_lg_statuses, &o->status); break;
        case 22: p = TW_PICK_WORD(tw_lg_trigger_statuses, &o->trigger_status); break;
        case 23: p = tw_weak_int(p, end, &o->trigger_time, err); break;
        case 24: p = tw_weak_int(p, end, &parent, err); break;
        case 25: p = tw_weak_int(p, end, &o->parent_id, err); break;
        case 26: p = tw_weak_int(p, end, &o->to_trigger_0, err); break;
        case 27: p = tw_weak_int(p, end, &o->to_trigger_1, err); break;
        case 28: p = tw_weak_int(p, end, &o->to_cancel_0, err); break;
        case 32: p = tw_weak_int(p, end, &o->block_height, err); break;
        case 33: p = tw_weak_int(p, end, &o->timestamp, err); break;
        case 34: p = tw_weak_int(p, end, &o->created_at, err); break;
        case 35: p = tw_loose_int(p, end, &o->updated_at, err); break;
        case 36: p = tw_loose_int(p, end, &o->transaction_time, err); break;
        )
    if (o->order_id <= 0) o->order_id = id;
    if (o->client_index < 0) o->client_index = client;
    if (o->parent_id < 0) o->parent_id = parent;
    if (o->order_id <= 0 || !o->status.text.text || o->size.exponent < 0)
        return tw_fail(err, TW_MISSING, start);
    return p;
}

typedef struct {
    int64_t market, sign, margin_mode, open_orders, pending_orders;
    tw_fixed size, entry_price, value, unrealized, realized, liquidation_price, margin_fraction,
        allocated_margin, funding_paid;
} tw_lg_position;

static const tw_name tw_lg_position_names[] = {
    TW_NAME("market_id"), TW_NAME("symbol"), TW_NAME("initial_margin_fraction"),
    TW_NAME("open_order_count"), TW_NAME("pending_order_count"),
    TW_NAME("position_tied_order_count"), TW_NAME("sign"), TW_NAME("position"),
    TW_NAME("avg_entry_price"), TW_NAME("position_value"), TW_NAME("unrealized_pnl"),
    TW_NAME("realized_pnl"), TW_NAME("liquidation_price"),
    TW_NAME("total_funding_paid_out"), TW_NAME("margin_mode"),
    TW_NAME("allocated_margin"),
};

static inline const uint8_t *tw_lg_position_row(const uint8_t *p, const uint8_t *end,
                                                tw_lg_position *o, tw_err *err) {
    const uint8_t *start = p;
    int no_sign = 1;
    tw_fixed *values = &o->size;
    memset(o, 0, sizeof *o);
    for (size_t i = 0; i < 9; i++)
        values[i].exponent = -1;
    o->market = -1;
    TW_OBJECT(tw_lg_position_names,
        case 0: p = tw_loose_int(p, end, &o->market, err); break;
        case 2: p = tw_optional_fixed(p, end, &o->margin_fraction, err); break;
        case 3: p = tw_loose_int(p, end, &o->open_orders, err); break;
        case 4: p = tw_loose_int(p, end, &o->pending_orders, err); break;
        case 6:
            p = tw_int(p, end, &o->sign, err);
            no_sign = 0;
            break;
        case 7: p = tw_optional_fixed(p, end, &o->size, err); break;
        case 8: p = tw_optional_fixed(p, end, &o->entry_price, err); break;
        case 9: p = tw_optional_fixed(p, end, &o->value, err); break;
        case 10: p = tw_optional_fixed(p, end, &o->unrealized, err); break;
        case 11: p = tw_optional_fixed(p, end, &o->realized, err); break;
        case 12: p = tw_optional_fixed(p, end, &o->liquidation_price, err); break;
        case 13: p = tw_optional_fixed(p, end, &o->funding_paid, err); break;
        case 14: p = tw_loose_int(p, end, &o->margin_mode, err); break;
        case 15: p = tw_optional_fixed(p, end, &o->allocated_margin, err); break;
        )
    if (no_sign || o->size.exponent < 0)
        return tw_fail(err, TW_MISSING, start);
    if (o->size.mantissa < 0 || (o->size.mantissa > 0 && o->sign != 1 && o->sign != -1))
        return tw_fail(err, TW_VALUE, start);
    return p;
}

/* An answer to a transaction, in any of its shapes. Spans are of whole strings; a hash list is the
 * place of its value. */
typedef struct {
    int64_t code, predicted_ms, quota_remaining; /* -1: absent */
    tw_span id, message, tx_hash;
    const uint8_t *hashes;
    int has_error; /* {"error":{..}} */
} tw_lg_ack;

static const tw_name tw_lg_ack_names[] = {
    TW_NAME("type"), TW_NAME("id"), TW_NAME("code"), TW_NAME("message"),
    TW_NAME("tx_hash"), TW_NAME("predicted_execution_time_ms"),
    TW_NAME("volume_quota_remaining"), TW_NAME("data"), TW_NAME("error"),
};

/* A string, or a number by its digits; anything else is passed over. */
static inline const uint8_t *tw_lg_any_text(const uint8_t *p, const uint8_t *end, tw_span *s,
                                            tw_err *err) {
    const uint8_t *start = p;
    if (TW_LIKELY(p < end && *p == '"'))
        return tw_span_value(p, end, s, err);
    p = tw_skip(p, end, err);
    if (p && ((uint8_t)(*start - '0') < 10 || *start == '-')) {
        s->text = start;
        s->length = p - start;
        s->escaped = 0;
    }
    return p;
}

static const uint8_t *tw_lg_ack_members(const uint8_t *p, const uint8_t *end, int nested,
                                        tw_lg_ack *a, tw_err *err) {
    TW_OBJECT(tw_lg_ack_names,
        case 1: p = tw_lg_any_text(p, end, &a->id, err); break;
        case 2: p = tw_weak_int(p, end, &a->code, err); break;
        case 3: p = tw_lg_any_text(p, end, &a->message, err); break;
        case 4:
            if (p < end && *p == '"') {
                p = tw_span_value(p, end, &a->tx_hash, err);
            } else {
                a->hashes = p < end && *p == '[' ? p : NULL;
                p = tw_skip(p, end, err);
            }
            break;
        case 5: p = tw_weak_int(p, end, &a->predicted_ms, err); break;
        case 6: p = tw_weak_int(p, end, &a->quota_remaining, err); break;
        case 7: case 8:
            a->has_error |= key_ == 8;
            p = !nested && p < end && *p == '{' ? tw_lg_ack_members(p, end, 1, a, err)
                                                : tw_skip(p, end, err);
            break;
        )
    return p;
}

static inline const uint8_t *tw_lg_ack_data(const uint8_t *p, const uint8_t *end, tw_lg_ack *a,
                                            tw_err *err) {
    memset(a, 0, sizeof *a);
    a->code = a->predicted_ms = a->quota_remaining = -1;
    return tw_lg_ack_members(tw_ws(p, end), end, 0, a, err);
}

/* Times: the venue's units differ, and have been seen wrong: told apart by magnitude. Returns ns, 0
 * for a time that is none. */
static inline int64_t tw_lg_ns(int64_t time) {
    if (time <= 0)
        return 0;
    int64_t unit = time < 100000000000LL         ? 1000000000LL
                   : time < 100000000000000LL    ? 1000000LL
                   : time < 100000000000000000LL ? 1000LL
                                                 : 1;
    return __builtin_mul_overflow(time, unit, &time) ? 0 : time;
}

#endif
