/* Every frame parser of Binance, and the envelope, on the same bytes.
 *
 * Input: one byte for the parser, the rest is the object from behind its opening brace (the envelope
 * gets all of it). The portable code has only the loop that takes keys in any order. */
#include "fuzz.h"
#include "binance.h"

static const char *const NAMES[] = {"BTCUSDT", "ETHUSDT", "X", "ABCDEFGH", "BTCUSD_200626",
                                    "1000000BABYDOGEUSDT_LONG", "\xe5\xb8\x81\xe5\xae\x89USDT"};

static tw_symbols table;

static void fill_table(void) {
    static const tw_scale prices[] = {{1, 2}, {1, 1}, {25, 2}, {5, 0}, {1, 1}, {1, 8}, {1, 18}};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        int32_t n = tw_symbol_add(&table, (const uint8_t *)NAMES[i], (ptrdiff_t)strlen(NAMES[i]));
        FUZZ_CHECK(n == (int32_t)i, "symbols are numbered in order");
        table.symbols[n].price = prices[i];
        table.symbols[n].size = prices[(i + 1) % 7];
    }
}

static const uint8_t *base;
static uint64_t digest;

static void mix_fixed(tw_fixed x) {
    mix(&digest, x.exponent < 0 ? 0 : x.mantissa);
    mix(&digest, x.exponent < 0 ? -1 : x.exponent);
}

static void mix_span(tw_span s) {
    mix(&digest, s.text ? s.text - base : -1);
    mix(&digest, s.text ? s.length : -1);
    mix(&digest, s.text ? s.escaped : -1);
    if (s.text && s.escaped) {
        uint8_t *room = malloc((size_t)s.length + 1);
        mix(&digest, tw_unescape(s.text, s.text + s.length, room, (int)s.length));
        free(room);
    }
}

static void mix_symbol(const tw_bn_frame *f) {
    uint8_t scratch[TW_BN_SCRATCH];
    FUZZ_CHECK(f->number >= -1 && f->number < table.count, "the number of a symbol");
    FUZZ_CHECK(tw_bn_lookup(&table, &f->symbol, scratch, TW_BN_SCRATCH) == f->number,
               "the number belongs to the name");
    mix(&digest, f->number);
    mix(&digest, f->time);
}

static void mix_levels(const tw_levels *levels) {
    mix(&digest, levels->count);
    for (ptrdiff_t i = 0; i < levels->count; i++) {
        mix(&digest, levels->prices[i]);
        mix(&digest, levels->sizes[i]);
    }
}

static tw_levels bids, asks;

/* One parser on [p, end); what it read goes into the digest. */
static const uint8_t *parse(unsigned which, const uint8_t *p, const uint8_t *end, tw_err *err) {
    switch (which) {
    case 0: {
        tw_bn_quote q;
        p = tw_bn_book_ticker(p, end, &table, &q, err);
        mix(&digest, q.f.renamed);
        if (p) {
            mix_symbol(&q.f);
            mix(&digest, q.update_id);
            mix_fixed(q.bid), mix_fixed(q.bid_size), mix_fixed(q.ask), mix_fixed(q.ask_size);
        }
        return p;
    }
    case 1:
    case 2: {
        tw_bn_trade t;
        p = which == 1 ? tw_bn_agg_trade(p, end, &table, &t, err)
                       : tw_bn_single_trade(p, end, &table, &t, err);
        mix(&digest, t.f.renamed);
        if (p) {
            mix_symbol(&t.f);
            mix(&digest, t.id), mix(&digest, t.first_id), mix(&digest, t.last_id);
            mix(&digest, t.buyer_is_maker), mix(&digest, t.not_market);
            mix_fixed(t.price), mix_fixed(t.size);
        }
        return p;
    }
    case 3:
    case 4: {
        static const tw_scale fine = {1, 18}, finer = {1, 10};
        tw_bn_depth d;
        d.bids = &bids;
        d.asks = &asks;
        p = which == 3 ? tw_bn_depth_update(p, end, &table, NULL, NULL, &d, err)
                       : tw_bn_depth_update(p, end, &table, &fine, &finer, &d, err);
        mix(&digest, d.f.renamed);
        if (p) {
            mix_symbol(&d.f);
            FUZZ_CHECK(d.symbol == d.f.number, "the symbol of a depth update");
            mix(&digest, d.first), mix(&digest, d.last), mix(&digest, d.prev);
            if (d.symbol >= 0)
                mix_levels(&bids), mix_levels(&asks);
        }
        return p;
    }
    case 5:
    case 6: {
        tw_bn_mark m;
        p = which == 5 ? tw_bn_mark_price(p, end, &table, &m, err)
                       : tw_bn_index_price(p, end, &table, &m, err);
        if (p) {
            mix_symbol(&m.f);
            mix(&digest, m.f.event_time);
            mix_fixed(m.index);
            if (which == 5)
                mix_fixed(m.mark), mix_fixed(m.settle), mix_fixed(m.rate);
        }
        return p;
    }
    case 7: {
        tw_bn_kline k;
        p = tw_bn_kline_frame(p, end, &k, err);
        if (p) {
            mix_span(k.f.symbol), mix_span(k.f.pair), mix_span(k.f.contract), mix_span(k.interval);
            mix(&digest, k.open_time), mix(&digest, k.close_time), mix(&digest, k.trades);
            mix(&digest, k.closed);
            mix_fixed(k.open), mix_fixed(k.high), mix_fixed(k.low), mix_fixed(k.close);
            mix_fixed(k.volume), mix_fixed(k.quote_volume), mix_fixed(k.taker_volume);
            mix_fixed(k.taker_quote_volume);
        }
        return p;
    }
    case 8:
    case 9: {
        tw_bn_ticker t;
        p = tw_bn_ticker_frame(p, end, &table, which == 9, &t, err);
        if (p) {
            mix_symbol(&t.f);
            mix_fixed(t.last), mix_fixed(t.open), mix_fixed(t.high), mix_fixed(t.low);
            mix_fixed(t.volume), mix_fixed(t.quote_volume), mix_fixed(t.change);
            mix_fixed(t.change_percent), mix_fixed(t.average), mix_fixed(t.last_size);
            mix(&digest, t.open_time), mix(&digest, t.close_time), mix(&digest, t.trades);
            mix(&digest, t.first_id), mix(&digest, t.last_id);
        } else if (t.f.key) {
            ptrdiff_t n;
            const uint8_t *value = tw_bn_failed_value(&t.f, end, &n);
            FUZZ_CHECK(!value || (value >= base && n > 0 && n <= end - value), "the failed value");
            mix(&digest, value ? n : -1);
        }
        return p;
    }
    case 10: {
        tw_bn_liquidation l;
        p = tw_bn_force_order(p, end, &table, &l, err);
        if (p) {
            mix_symbol(&l.f);
            mix_fixed(l.price), mix_fixed(l.average_price), mix_fixed(l.size);
            mix_fixed(l.last_size), mix_fixed(l.filled_size);
            mix(&digest, l.sell);
        }
        return p;
    }
    case 11: {
        tw_bn_envelope v;
        tw_err other;
        const uint8_t *whole = tw_skip(p, end, &other), *start = p;
        p = tw_bn_envelope_parse(p, end, &v, err);
        FUZZ_CHECK(!p || whole == p || (!whole && other.code == TW_DEPTH), "an envelope is JSON");
        FUZZ_CHECK(p || !whole || *tw_ws(start, end) != '{', "an object is an envelope");
        if (p) {
            mix_span(v.event), mix_span(v.stream);
            mix(&digest, v.data ? v.data - base : -1);
            mix(&digest, v.data ? v.data_end - base : -1);
            mix(&digest, v.event_object ? v.event_object - base : -1);
            mix(&digest, v.has_result | v.has_id << 1 | v.has_code << 2 | v.has_error << 3);
        }
        return p;
    }
    default: {
        const uint8_t *after = NULL;
        tw_bn_kind kind = tw_bn_name(p, end, &after);
        mix(&digest, kind);
        if (kind == BN_UNKNOWN) {
            err->code = TW_SYNTAX;
            err->at = p;
            return NULL;
        }
        return after;
    }
    }
}

static outcome run(const uint8_t *data, size_t size) {
    outcome found = {-1, 0};
    if (!size)
        return found;
    if (!table.count)
        fill_table();
    uint8_t *start = exactly(data + 1, size - 1);
    const uint8_t *end = start + size - 1;
    tw_err err = {0, start, 0};
    base = start;
    digest = 0;
    const uint8_t *p = parse(data[0] % 13, start, end, &err);
    if (p) {
        FUZZ_CHECK(p > start && p <= end, "the end of an object");
        found.at = p - start;
    } else {
        FUZZ_CHECK(err.code && err.at >= start && err.at <= end, "an error somewhere");
    }
    found.digest = digest;
    free(start);
    return found;
}

FUZZ_TARGET(FUZZ_NO_REFERENCE)
