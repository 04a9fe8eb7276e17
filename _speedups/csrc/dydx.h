/* Frames of the dYdX indexer to plain structs. No Python headers.
 *
 * A frame is one object: its "type" says what happened, "channel" and "id" to which subscription,
 * "contents" holds the data, of a batch a list of them. tw_dx_scan goes through a frame of any
 * shape. tw_dx_usual takes one apart that begins like those before it on the same connection, and
 * tw_dx_quick_book reads a book as it is usually written; both give up at the least surprise.
 *
 * A missing mandatory key is TW_MISSING; otherwise as in object.h.
 */
#ifndef TW_DYDX_H
#define TW_DYDX_H

#include "levels.h"
#include "object.h"
#include "symbols.h"

typedef enum {
    DX_OTHER_TYPE = 0,
    DX_CONNECTED,
    DX_SUBSCRIBED,
    DX_UNSUBSCRIBED,
    DX_ERROR,
    DX_DATA,
    DX_BATCH
} tw_dx_type;

typedef enum { DX_OTHER_CHANNEL = 0, DX_BOOK, DX_TRADES } tw_dx_channel;

/* ---- what a frame is --------------------------------------------------------------------------- */

static const tw_literal tw_dx_types[] = {
    TW_LITERAL(""),      TW_LITERAL("connected"),    TW_LITERAL("subscribed"), TW_LITERAL("unsubscribed"),
    TW_LITERAL("error"), TW_LITERAL("channel_data"), TW_LITERAL("channel_batch_data"),
};
static const tw_literal tw_dx_channels[] = {
    TW_LITERAL(""), TW_LITERAL("v4_orderbook"), TW_LITERAL("v4_trades"),
};

#define TW_DX_ID_MAX 9999999999999999 /* what sixteen digits hold */

/* The texts are decoded where they were escaped; NULL: absent. */
typedef struct {
    tw_dx_type type;
    tw_dx_channel channel;
    tw_span type_text, connection, channel_text, id, version;
    int64_t message_id;      /* -1: absent */
    int32_t number;          /* of the market, -1: not known */
    const uint8_t *contents; /* NULL: there are none */
    uint8_t texts[5][TW_SHORT_TEXT];
} tw_dx_frame;

static const tw_name tw_dx_frame_names[] = {
    TW_NAME("type"),    TW_NAME("connection_id"), TW_NAME("message_id"), TW_NAME("id"),
    TW_NAME("channel"), TW_NAME("version"),       TW_NAME("contents"),
};

static inline int tw_dx_word(const tw_span *s, const tw_literal *words, int count) {
    int found = s->text ? tw_find_literal(s, words, count) : 0;
    return found > 0 ? found : 0;
}

/* Check a frame and find out what it is. */
static inline const uint8_t *tw_dx_scan(const uint8_t *p, const uint8_t *end,
                                        const tw_symbols *symbols, tw_dx_frame *f, tw_err *err) {
    const uint8_t *start = p = tw_ws(p, end);
    memset(f, 0, offsetof(tw_dx_frame, texts));
    f->message_id = -1;
    f->number = -1;
    TW_OBJECT(tw_dx_frame_names,
        case 0: p = tw_short_text(p, end, &f->type_text, f->texts[0], err); break;
        case 1: p = tw_short_text(p, end, &f->connection, f->texts[1], err); break;
        case 2: p = tw_int(p, end, &f->message_id, err); break;
        case 3: p = tw_short_text(p, end, &f->id, f->texts[2], err); break;
        case 4: p = tw_short_text(p, end, &f->channel_text, f->texts[3], err); break;
        case 5: p = tw_short_text(p, end, &f->version, f->texts[4], err); break;
        case 6:
            f->contents = p;
            p = tw_skip(p, end, err);
            break;
        )
    f->type = (tw_dx_type)tw_dx_word(&f->type_text, tw_dx_types, TW_COUNT(tw_dx_types));
    f->channel =
        (tw_dx_channel)tw_dx_word(&f->channel_text, tw_dx_channels, TW_COUNT(tw_dx_channels));
    if (f->message_id < -1 || f->message_id > TW_DX_ID_MAX)
        return tw_fail(err, TW_RANGE, start);
    if (f->id.text)
        f->number = tw_symbol_find(symbols, f->id.text, f->id.length);
    return p;
}

#define TW_DX_HEAD_ROOM 128
#define TW_DX_TAIL_ROOM 96

/* How the frames of a connection are written: what stands in front of the message id, by whether it
 * is a batch, and what stands between the id of the market and the contents, by channel. Length 0:
 * not known. */
typedef struct {
    uint8_t head[2][TW_DX_HEAD_ROOM], tail[3][TW_DX_TAIL_ROOM];
    unsigned head_length[2], tail_length[3];
} tw_dx_manner;

static inline int tw_dx_is_plain(const tw_span *s) {
    if (!s->text || s->escaped)
        return 0;
    for (ptrdiff_t i = 0; i < s->length; i++)
        if (!tw_plain(s->text[i]))
            return 0;
    return 1;
}

static inline unsigned tw_dx_join(uint8_t *out, unsigned room, const char *before,
                                  const uint8_t *text, ptrdiff_t length, const char *behind) {
    size_t a = strlen(before), n = (size_t)length, b = strlen(behind);
    if (n > room || a + b > room - n)
        return 0;
    memcpy(out, before, a);
    memcpy(out + a, text, n);
    memcpy(out + a + n, behind, b);
    return (unsigned)(a + n + b);
}

/* Expect frames of this connection. */
static inline void tw_dx_expect_connection(tw_dx_manner *m, const tw_span *connection) {
    static const char *const before[2] = {
        "{\"type\":\"channel_data\",\"connection_id\":\"",
        "{\"type\":\"channel_batch_data\",\"connection_id\":\"",
    };
    for (int i = 0; i < 2; i++)
        m->head_length[i] =
            tw_dx_is_plain(connection)
                ? tw_dx_join(m->head[i], TW_DX_HEAD_ROOM, before[i], connection->text,
                             connection->length, "\",\"message_id\":")
                : 0;
}

/* Expect this version of books or trades. */
static inline void tw_dx_expect_version(tw_dx_manner *m, tw_dx_channel channel,
                                        const tw_span *version) {
    static const char *const before[3] = {
        "",
        "\",\"channel\":\"v4_orderbook\",\"version\":\"",
        "\",\"channel\":\"v4_trades\",\"version\":\"",
    };
    m->tail_length[channel] =
        tw_dx_is_plain(version)
            ? tw_dx_join(m->tail[channel], TW_DX_TAIL_ROOM, before[channel], version->text,
                         version->length, "\",\"contents\":")
            : 0;
}

/* Whether the version of a channel is another one than expected. */
static inline int tw_dx_version_differs(const tw_dx_manner *m, const tw_dx_frame *f) {
    tw_dx_manner other;
    if (!tw_dx_is_plain(&f->version))
        return 0;
    tw_dx_expect_version(&other, f->channel, &f->version);
    return other.tail_length[f->channel] != m->tail_length[f->channel] ||
           memcmp(other.tail[f->channel], m->tail[f->channel], other.tail_length[f->channel]) != 0;
}

#if TW_SWAR
/* A frame of books or trades, of a market that is known and of the connection and version that are
 * expected, up to its contents; returns their place, NULL where it is anything else. */
static inline const uint8_t *tw_dx_usual(const tw_dx_manner *m, const tw_symbols *symbols,
                                         const uint8_t *p, const uint8_t *end, tw_dx_frame *f) {
    if (TW_UNLIKELY(end - p < 32))
        return NULL;
    int batch = p[17] == 'b'; /* {"type":"channel_batch_data" or channel_data */
    unsigned n = m->head_length[batch];
    /* Behind the head stand an id of 1 to 16 digits, `,"id":"`, a name and the tail. */
    if (TW_UNLIKELY(!n || end - p < (ptrdiff_t)n + TW_DX_TAIL_ROOM || !tw_equal(p, m->head[batch], n)))
        return NULL;
    f->type = batch ? DX_BATCH : DX_DATA;
    p += n;
    n = tw_bare_digits(p, end, &f->message_id);
    if (TW_UNLIKELY(!n))
        return NULL;
    p += n;
    if (TW_UNLIKELY(memcmp(p, ",\"id\":\"", 7) != 0))
        return NULL;
    f->id.text = p += 7;
    f->id.escaped = 0;
    uint64_t w = tw_load8(p), quote = tw_find(w, '"');
    if (TW_LIKELY(quote)) { /* BTC-USD */
        unsigned bits = (unsigned)__builtin_ctzll(quote) & 56;
        f->id.length = bits >> 3;
        f->number = tw_symbol_find_words(symbols, p, f->id.length, w & ((1ULL << bits) - 1), 0);
        p += f->id.length;
    } else {
        for (p += 8; p < end && *p != '"'; p++)
            ;
        f->id.length = p - f->id.text;
        f->number = tw_symbol_find(symbols, f->id.text, f->id.length);
    }
    if (TW_UNLIKELY(f->number < 0 || end - p < TW_DX_TAIL_ROOM / 2))
        return NULL;
    f->channel = p[16] == 'o' ? DX_BOOK : DX_TRADES; /* ","channel":"v4_orderbook" or v4_trades */
    n = m->tail_length[f->channel];
    if (TW_UNLIKELY(!n || end - p < (ptrdiff_t)n || !tw_equal(p, m->tail[f->channel], n)))
        return NULL;
    f->contents = p + n;
    return p + n;
}
#else
static inline const uint8_t *tw_dx_usual(const tw_dx_manner *m, const tw_symbols *symbols,
                                         const uint8_t *p, const uint8_t *end, tw_dx_frame *f) {
    (void)m, (void)symbols, (void)p, (void)end, (void)f;
    return NULL;
}
#endif

/* ---- books ------------------------------------------------------------------------------------- */

static const tw_name tw_dx_level_names[] = {TW_NAME("price"), TW_NAME("size")};

/* A level of a snapshot, {"price":"p","size":"s"}. */
static inline const uint8_t *tw_dx_level_object(const uint8_t *p, const uint8_t *end,
                                                const tw_scale *price, const tw_scale *size,
                                                int64_t *price_out, int64_t *size_out,
                                                tw_err *err) {
    const uint8_t *start = p;
    unsigned seen = 0;
    TW_OBJECT(tw_dx_level_names,
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

/* Levels of either form, put behind those that are there already. */
static inline const uint8_t *tw_dx_levels(const uint8_t *p, const uint8_t *end,
                                          const tw_scale *price, const tw_scale *size,
                                          tw_levels *levels, tw_err *err) {
    const uint8_t *next;
    if (TW_UNLIKELY(p >= end || *p != '['))
        return tw_wrong_type(p, end, err);
    p = tw_ws(p + 1, end);
    if (p < end && *p == ']')
        return p + 1;
    for (;;) {
        if (TW_UNLIKELY(levels->count == levels->room && !tw_levels_grow(levels)))
            return tw_fail(err, TW_MEMORY, p);
        ptrdiff_t i = levels->count;
        if (p < end && *p == '[')
            p = tw_level_slow(p + 1, end, price, size, levels, err);
        else
            p = tw_dx_level_object(p, end, price, size, &levels->prices[i], &levels->sizes[i], err);
        if (!p)
            return NULL;
        levels->count++;
        switch (tw_next(p, end, ']', &next, err)) {
        case 1: p = next; break;
        case 0: return next;
        default: return NULL;
        }
    }
}

#define TW_DX_BIDS 1
#define TW_DX_ASKS 2
static const tw_name tw_dx_side_names[] = {TW_NAME("bids"), TW_NAME("asks")};

/* The contents of one change, or of a snapshot; *seen tells which sides it has. */
static inline const uint8_t *tw_dx_sides(const uint8_t *p, const uint8_t *end,
                                         const tw_scale *price, const tw_scale *size,
                                         tw_levels *bids, tw_levels *asks, int *seen, tw_err *err) {
    const ptrdiff_t n_bids = bids->count, n_asks = asks->count;
    *seen = 0;
    TW_OBJECT(tw_dx_side_names,
        case 0:
            bids->count = n_bids;
            p = tw_dx_levels(p, end, price, size, bids, err);
            *seen |= TW_DX_BIDS;
            break;
        case 1:
            asks->count = n_asks;
            p = tw_dx_levels(p, end, price, size, asks, err);
            *seen |= TW_DX_ASKS;
            break;
        )
    return p;
}

/* All of a frame's contents, one or a list of them, as one change: the levels of each side in the
 * order sent. A snapshot is one, and has both sides. */
static inline const uint8_t *tw_dx_book(const uint8_t *p, const uint8_t *end, int is_snapshot,
                                        const tw_scale *price, const tw_scale *size,
                                        tw_levels *bids, tw_levels *asks, tw_err *err) {
    const uint8_t *start = p, *next;
    int seen;
    bids->count = asks->count = 0;
    if (is_snapshot || p >= end || *p != '[') {
        if (!(p = tw_dx_sides(p, end, price, size, bids, asks, &seen, err)))
            return NULL;
        return is_snapshot && seen != (TW_DX_BIDS | TW_DX_ASKS) ? tw_fail(err, TW_MISSING, start) : p;
    }
    p = tw_ws(p + 1, end);
    if (p < end && *p == ']')
        return p + 1;
    for (;;) {
        if (!(p = tw_dx_sides(p, end, price, size, bids, asks, &seen, err)))
            return NULL;
        switch (tw_next(p, end, ']', &next, err)) {
        case 1: p = next; break;
        case 0: return next;
        default: return NULL;
        }
    }
}

#if TW_SWAR
#define TW_DX_NEAR 96 /* a level, and what is read behind it */
#define TW_DX_COME_NEAR /* to the end: go on in a copy with zeros behind it */                     \
    if (TW_UNLIKELY(p > far)) {                                                                    \
        memcpy(near, far, TW_DX_NEAR);                                                             \
        memset(near + TW_DX_NEAR, 0, sizeof near - TW_DX_NEAR);                                    \
        p = near + (p - far);                                                                      \
        far = end = near + TW_DX_NEAR;                                                             \
    }

/* The contents of a change as they are usually written, up to the end of the frame, of which the
 * last TW_DX_NEAR bytes and more can be read. Returns 0 where they are written in any other way, or
 * do not fit the grid. */
static inline int tw_dx_quick_book(const uint8_t *p, const uint8_t *end, int batch,
                                   const tw_scale *price, const tw_scale *size, tw_levels *bids,
                                   tw_levels *asks) {
    static const uint8_t keys[2][8] = {"{\"bids\":", "{\"asks\":"};
    const uint64_t bids_key = tw_load8(keys[0]), asks_key = tw_load8(keys[1]);
    const uint8_t *far = end - TW_DX_NEAR;
    uint8_t near[TW_DX_NEAR + 32];
    tw_err err;
    bids->count = asks->count = 0;
    if (batch && *p++ != '[')
        return 0;
    for (;;) {
        unsigned seen = 0;
        uint64_t open = 0; /* what makes a brace of the byte in front of the key */
        do {
            TW_DX_COME_NEAR
            uint64_t key = tw_load8(p) ^ open;
            unsigned side = key == bids_key ? TW_DX_BIDS : TW_DX_ASKS;
            tw_levels *levels = key == bids_key ? bids : asks;
            if (TW_UNLIKELY((key != bids_key && key != asks_key) || (seen & side) || p[8] != '['))
                return 0;
            seen |= side;
            p += 8;
            if (TW_UNLIKELY(p[1] == ']'))
                p++;
            else
                do {
                    const uint8_t *level = ++p;
                    TW_DX_COME_NEAR
                    level = p;
                    if (TW_UNLIKELY(*level != '[' ||
                                    (levels->count == levels->room && !tw_levels_grow(levels))))
                        return 0;
                    ptrdiff_t i = levels->count;
                    p = tw_level_quick(level, price, size, &levels->prices[i], &levels->sizes[i]);
                    if (TW_UNLIKELY(!p) && /* many digits */
                        !(p = tw_level_slow(level + 1, end, price, size, levels, &err)))
                        return 0;
                    levels->count++;
                } while (*p == ',');
            if (TW_UNLIKELY(*p++ != ']'))
                return 0;
            open = '{' ^ ',';
        } while (*p == ',');
        if (TW_UNLIKELY(*p++ != '}'))
            return 0;
        if (!batch || *p != ',')
            break;
        p++;
    }
    if (batch && *p++ != ']')
        return 0;
    return *p == '}' && p + 1 == end;
}
#else
static inline int tw_dx_quick_book(const uint8_t *p, const uint8_t *end, int batch,
                                   const tw_scale *price, const tw_scale *size, tw_levels *bids,
                                   tw_levels *asks) {
    (void)p, (void)end, (void)batch, (void)price, (void)size, (void)bids, (void)asks;
    return 0;
}
#endif

/* ---- trades ------------------------------------------------------------------------------------ */

enum { TW_DX_SELL = 0, TW_DX_BUY = 1 };
typedef enum { DX_T_OTHER = -1, DX_T_LIMIT, DX_T_LIQUIDATED, DX_T_DELEVERAGED } tw_dx_trade_type;

typedef struct {
    int64_t id;
    int64_t time; /* ns */
    tw_fixed price, size;
    int side;
    int type;
} tw_dx_trade;

static const tw_literal tw_dx_sides_words[] = {TW_LITERAL("SELL"), TW_LITERAL("BUY")};
static const tw_literal tw_dx_trade_types[] = {
    TW_LITERAL("LIMIT"), TW_LITERAL("LIQUIDATED"), TW_LITERAL("DELEVERAGED"),
};

/* An id is a block's height, and in it the numbers of the transaction and of the event, eight hex
 * digits each. In 63 bits there is room for 31, 12 and 20 of theirs; an id that needs more, or has
 * another shape, becomes a negative number that depends on all of it. */
#define TW_DX_TX_BITS 12
#define TW_DX_EVENT_BITS 20

static inline int tw_dx_has_room(uint64_t height, uint64_t transaction, uint64_t event) {
    return !(height >> 31 | transaction >> TW_DX_TX_BITS | event >> TW_DX_EVENT_BITS);
}

static inline int64_t tw_dx_join_id(uint64_t height, uint64_t transaction, uint64_t event) {
    return (int64_t)((height << TW_DX_TX_BITS | transaction) << TW_DX_EVENT_BITS | event);
}

static inline int64_t tw_dx_trade_id(const uint8_t *text, ptrdiff_t n) {
    uint64_t part[3] = {0, 0, 0}, hash = 0xCBF29CE484222325ULL;
    int usual = n == 24;
    for (ptrdiff_t i = 0; i < n; i++) {
        uint8_t c = text[i];
        unsigned digit = (uint8_t)(c - '0') < 10 ? c - '0' : (uint8_t)(c - 'a') < 6 ? c - 'a' + 10 : 16;
        usual &= digit < 16;
        if (usual)
            part[i >> 3] = part[i >> 3] << 4 | digit;
    }
    if (TW_LIKELY(usual && tw_dx_has_room(part[0], part[1], part[2])))
        return tw_dx_join_id(part[0], part[1], part[2]);
    for (ptrdiff_t i = 0; i < n; i++)
        hash = (hash ^ text[i]) * 0x100000001B3ULL;
    return (int64_t)((hash | 1ULL << 63) & ~1ULL); /* -1 stands for "none" elsewhere */
}

static inline int tw_dx_number(const uint8_t *p, int n) {
    int v = 0;
    while (n--) {
        if ((uint8_t)(*p - '0') > 9)
            return -1;
        v = v * 10 + (*p++ - '0');
    }
    return v;
}

/* Days from 1970 to a date, -1 where there is none. */
static inline int64_t tw_dx_day(int year, int month, int day) {
    static const uint8_t days[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1 || day > days[month - 1])
        return -1;
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month == 2 && day == 29 && !leap)
        return -1;
    int y = year - (month < 3), m = (month + 9) % 12; /* the year begins in March */
    return 365LL * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 719469;
}

/* 2025-12-08T16:11:30.590Z to ns; -1 where it is no such time. */
static inline int64_t tw_dx_time(const uint8_t *p, ptrdiff_t n) {
    if (n < 20 || n > 30 || p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' ||
        p[16] != ':' || p[n - 1] != 'Z' || (n > 20 && p[19] != '.') || n == 21)
        return -1;
    int year = tw_dx_number(p, 4), month = tw_dx_number(p + 5, 2), day = tw_dx_number(p + 8, 2);
    int hour = tw_dx_number(p + 11, 2), minute = tw_dx_number(p + 14, 2);
    int second = tw_dx_number(p + 17, 2), digits = n > 20 ? (int)n - 21 : 0;
    int fraction = tw_dx_number(p + 20, digits);
    int64_t day_number = tw_dx_day(year, month, day);
    if (day_number < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
        second > 59 || fraction < 0)
        return -1;
    int64_t seconds = ((day_number * 24 + hour) * 60 + minute) * 60 + second;
    return seconds * 1000000000 + fraction * tw_pow10[9 - digits];
}

static const tw_name tw_dx_trades_names[] = {TW_NAME("trades")};

/* Where the list of trades stands in the contents; NULL: there is none. */
static inline const uint8_t *tw_dx_trades_of(const uint8_t *p, const uint8_t *end,
                                             const uint8_t **rows, tw_err *err) {
    *rows = NULL;
    TW_OBJECT(tw_dx_trades_names,
        case 0:
            *rows = p;
            if (TW_UNLIKELY(p < end && *p != '['))
                return tw_wrong_type(p, end, err);
            p = tw_skip(p, end, err);
            break;
        )
    return p;
}

static const tw_name tw_dx_trade_names[] = {
    TW_NAME("id"),        TW_NAME("size"), TW_NAME("price"), TW_NAME("side"),
    TW_NAME("createdAt"), TW_NAME("type"), TW_NAME("createdAtHeight"),
};

#if TW_SWAR
/* Eight hex digits, in lower case; 0 where they are not that. */
static inline int tw_dx_hex(const uint8_t *p, uint64_t *out) {
    uint64_t w = tw_load8(p);
    uint64_t v = ((w & TW_EIGHT(0x0F)) + (w >> 6 & TW_EIGHT(1)) * 9) & TW_EIGHT(0x0F);
    uint64_t letters = (v + TW_EIGHT(6)) >> 4 & TW_EIGHT(1);
    if (TW_UNLIKELY(v + TW_EIGHT('0') + letters * ('a' - '9' - 1) != w)) /* not what they stand for */
        return 0;
    v = (v << 4 | v >> 8) & 0x00FF00FF00FF00FFULL;
    v = (v | v >> 8) & 0x0000FFFF0000FFFFULL;
    *out = __builtin_bswap32((uint32_t)(v | v >> 16));
    return 1;
}

/* 2025-12-08T16:11:30.590Z, as it is always written, to ns; -1 where it is anything else. */
static inline int64_t tw_dx_usual_time(const uint8_t *p) {
    static const uint8_t clock[8] = "T00:00:0", rest[8] = ":00.000Z";
    uint64_t a = tw_load8(p + 10) ^ tw_load8(clock), b = tw_load8(p + 16) ^ tw_load8(rest);
    int year = tw_dx_number(p, 4), month = tw_dx_number(p + 5, 2), day = tw_dx_number(p + 8, 2);
    int64_t days = tw_dx_day(year, month, day);
    /* Nothing is left of what is no digit. */
    if (TW_UNLIKELY(tw_not_digits(a) | tw_not_digits(b) | (a & 0x00FF0000FF0000FFULL) |
                    (b & 0xFF000000FF0000FFULL)) ||
        days < 0 || p[4] != '-' || p[7] != '-')
        return -1;
#define TW_DX_DIGIT(w, i) ((int64_t)((w) >> (8 * (i)) & 0xFF))
    int64_t hour = TW_DX_DIGIT(a, 1) * 10 + TW_DX_DIGIT(a, 2);
    int64_t minute = TW_DX_DIGIT(a, 4) * 10 + TW_DX_DIGIT(a, 5);
    int64_t second = TW_DX_DIGIT(b, 1) * 10 + TW_DX_DIGIT(b, 2);
    int64_t ms = TW_DX_DIGIT(b, 4) * 100 + TW_DX_DIGIT(b, 5) * 10 + TW_DX_DIGIT(b, 6);
#undef TW_DX_DIGIT
    if (TW_UNLIKELY(hour > 23 || minute > 59 || second > 59))
        return -1;
    return ((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms) * 1000000;
}

#define TW_DX_EXPECT(text)                                                                         \
    if (TW_UNLIKELY(memcmp(q, text, sizeof text - 1) != 0))                                        \
        return NULL;                                                                               \
    q += sizeof text - 1;

/* A trade as it is usually sent, read straight through; NULL at the least surprise. */
static inline const uint8_t *tw_dx_usual_trade(const uint8_t *p, const uint8_t *end,
                                               tw_dx_trade *t) {
    const uint8_t *q = p;
    uint64_t height, transaction, event, v;
    unsigned n;
    if (TW_UNLIKELY(end - p < 96)) /* up to the price, with what is read behind it */
        return NULL;
    TW_DX_EXPECT("{\"id\":\"")
    if (TW_UNLIKELY(!tw_dx_hex(q, &height) || !tw_dx_hex(q + 8, &transaction) ||
                    !tw_dx_hex(q + 16, &event) || !tw_dx_has_room(height, transaction, event)))
        return NULL;
    q += 24;
    TW_DX_EXPECT("\",\"size\":\"")
    if (TW_UNLIKELY(!(n = tw_quick_decimal(q, '"', &v, &t->size.exponent))))
        return NULL;
    t->size.mantissa = (int64_t)v;
    q += n;
    TW_DX_EXPECT("\",\"price\":\"")
    if (TW_UNLIKELY(!(n = tw_quick_decimal(q, '"', &v, &t->price.exponent))))
        return NULL;
    t->price.mantissa = (int64_t)v;
    q += n;
    if (TW_UNLIKELY(end - q < 70)) /* the rest */
        return NULL;
    TW_DX_EXPECT("\",\"side\":\"")
    t->side = *q == 'B' ? TW_DX_BUY : TW_DX_SELL;
    if (*q == 'B') {
        TW_DX_EXPECT("BUY")
    } else {
        TW_DX_EXPECT("SELL")
    }
    TW_DX_EXPECT("\",\"createdAt\":\"")
    t->time = tw_dx_usual_time(q);
    q += 24;
    TW_DX_EXPECT("\",\"type\":\"LIMIT\"}")
    t->id = tw_dx_join_id(height, transaction, event);
    t->type = DX_T_LIMIT;
    return TW_LIKELY(t->time >= 0 && t->price.mantissa && t->size.mantissa) ? q : NULL;
}
#endif

static inline const uint8_t *tw_dx_trade_row(const uint8_t *p, const uint8_t *end, tw_dx_trade *t,
                                             tw_err *err) {
    const uint8_t *start = p;
    uint8_t id_text[TW_SHORT_TEXT], time_text[TW_SHORT_TEXT];
    tw_span id = {NULL, 0, 0}, time = {NULL, 0, 0}, side = {NULL, 0, 0};
    tw_choice type = {{NULL, 0, 0}, DX_T_OTHER};
#if TW_SWAR
    const uint8_t *after = tw_dx_usual_trade(p, end, t);
    if (TW_LIKELY(after))
        return after;
#endif
    t->price.exponent = t->size.exponent = -1;
    TW_OBJECT(tw_dx_trade_names,
        case 0: p = tw_short_text(p, end, &id, id_text, err); break;
        case 1: p = tw_fixed_value(p, end, &t->size, err); break;
        case 2: p = tw_fixed_value(p, end, &t->price, err); break;
        case 3: p = tw_span_value(p, end, &side, err); break;
        case 4: p = tw_short_text(p, end, &time, time_text, err); break;
        case 5: p = TW_PICK_WORD(tw_dx_trade_types, &type); break;
        )
    if (TW_UNLIKELY(!id.text || !id.length || !time.text || !side.text || t->price.exponent < 0 ||
                    t->size.exponent < 0))
        return tw_fail(err, TW_MISSING, start);
    t->id = tw_dx_trade_id(id.text, id.length);
    t->time = tw_dx_time(time.text, time.length);
    t->side = tw_find_literal(&side, tw_dx_sides_words, TW_COUNT(tw_dx_sides_words));
    t->type = type.number;
    if (TW_UNLIKELY(t->time < 0 || t->side < 0 || t->price.mantissa <= 0 || t->size.mantissa <= 0))
        return tw_fail(err, TW_VALUE, start);
    return p;
}

#endif
