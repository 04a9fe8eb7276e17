/* Every parser of Hyperliquid's frames and rows, and the pass over a whole frame, on the same bytes.
 *
 * Input: one byte for the parser, the rest is its value. */
#include "frames.h"
#include "hyperliquid.h"

static tw_levels bids, asks;
static tw_symbols symbols;

/* The usual beginning, where there is one, must be what the pass over everything finds. */
static const uint8_t *frame(const uint8_t *p, const uint8_t *end, tw_err *err) {
    tw_hl_frame usual, whole;
    const uint8_t *data = tw_hl_usual(p, end, &usual);
    const uint8_t *after = tw_hl_scan(p, end, &whole, err);
    if (!after)
        return NULL;
    FUZZ_CHECK(!whole.data || (whole.data >= base && whole.data < end), "the data is inside");
    if (data && whole.data == data)
        FUZZ_CHECK(usual.kind == whole.kind && usual.channel.length == whole.channel.length,
                   "both passes see the same frame");
    mix(&digest, whole.kind), mix(&digest, whole.data ? whole.data - base : -1);
    mix_span(whole.channel);
    return after;
}

static const uint8_t *parse(unsigned which, const uint8_t *p, const uint8_t *end, tw_err *err) {
    switch (which) {
    case 0: return frame(p, end, err);
    case 1: {
        tw_hl_book b = {.symbols = &symbols, .bids = &bids, .asks = &asks};
        bids.count = asks.count = 0;
        if ((p = tw_hl_book_data(p, end, &b, err)) != NULL) {
            FUZZ_CHECK(b.levels >= base && b.levels < end, "the levels are inside");
            mix(&digest, b.time), mix(&digest, b.number), mix_span(b.coin);
            if (b.number >= 0)
                mix_levels(&bids), mix_levels(&asks);
        }
        return p;
    }
    case 2: {
        tw_hl_bbo b;
        if ((p = tw_hl_bbo_data(p, end, &b, err)) != NULL) {
            mix(&digest, b.time), mix(&digest, tw_hl_ns(b.time));
            mix(&digest, tw_hl_find(&symbols, &b.coin));
            mix_fixeds(&b.bid, 4);
        }
        return p;
    }
    case 3: {
        tw_hl_trade t;
        if ((p = tw_hl_trade_row(p, end, &t, err)) != NULL) {
            FUZZ_CHECK(t.side == TW_HL_BUY || t.side == TW_HL_SELL, "a trade has a side");
            mix(&digest, t.time), mix(&digest, t.tid), mix(&digest, t.side);
            mix_span(t.coin), mix_fixeds(&t.price, 2);
        }
        return p;
    }
    case 4: {
        tw_hl_candle c;
        if ((p = tw_hl_candle_data(p, end, &c, err)) != NULL) {
            mix(&digest, c.opened), mix(&digest, c.closed), mix(&digest, c.count);
            mix(&digest, c.interval_s), mix_span(c.coin), mix_fixeds(&c.open, 5);
        }
        return p;
    }
    case 5: {
        tw_hl_ctx c;
        if ((p = tw_hl_ctx_data(p, end, &c, err)) != NULL)
            mix_span(c.coin), mix_span(c.inner_coin), mix_fixeds(&c.mark, TW_HL_CTX_VALUES);
        return p;
    }
    case 6: {
        tw_hl_mids m;
        if ((p = tw_hl_mids_data(p, end, &m, err)) != NULL) {
            FUZZ_CHECK(m.mids >= base && *m.mids == '{', "the map is one");
            mix(&digest, m.mids - base), mix_span(m.dex);
        }
        return p;
    }
    case 7: {
        tw_hl_order o;
        if ((p = tw_hl_order_row(p, end, &o, err)) != NULL) {
            mix(&digest, o.oid), mix(&digest, o.timestamp), mix(&digest, o.status_timestamp);
            mix_span(o.coin), mix_span(o.cloid), mix_span(o.status.text);
            FUZZ_CHECK(o.status.number < TW_HL_STATUSES, "the number of a status");
            mix(&digest, o.status.number), mix(&digest, o.side), mix(&digest, o.reduce_only);
            mix_fixeds(&o.price, 4);
        }
        return p;
    }
    case 8: {
        tw_hl_fill f;
        if ((p = tw_hl_fill_row(p, end, &f, err)) != NULL) {
            mix(&digest, f.oid), mix(&digest, f.tid), mix(&digest, f.time);
            mix(&digest, f.twap_id), mix(&digest, f.side), mix(&digest, f.crossed);
            mix(&digest, f.liquidation);
            mix_span(f.coin), mix_span(f.dir), mix_span(f.hash), mix_span(f.fee_token);
            mix_span(f.cloid), mix_fixeds(&f.price, 6);
        }
        return p;
    }
    case 9: {
        tw_hl_fills f;
        if ((p = tw_hl_fills_data(p, end, &f, err)) != NULL) {
            mix(&digest, f.fills ? f.fills - base : -1), mix_span(f.user);
            mix(&digest, f.is_snapshot), mix(&digest, f.others);
        }
        return p;
    }
    default: {
        const uint8_t *list;
        if ((p = tw_hl_ctxs_data(p, end, &list, err)) != NULL)
            mix(&digest, list - base);
        return p;
    }
    }
}

static outcome run(const uint8_t *data, size_t size) {
    tw_err err = {0, NULL, 0};
    if (size < 1)
        return (outcome){-1, 0};
    if (!symbols.count)
        know(&symbols, "BTC", 1, 5), know(&symbols, "kPEPE", 6, 0),
            know(&symbols, "PURR/USDC", 8, 0), know(&symbols, "ALL", 18, 10);
    const uint8_t *value = value_of(data, size), *end = value + size - 1;
    const uint8_t *after = parse(data[0] % 11, value, end, &err);
    return judged(after, end, &err);
}

FUZZ_TARGET(FUZZ_NO_REFERENCE)
