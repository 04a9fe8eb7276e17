/* Every parser of Lighter's frames and rows, and the pass over a whole frame, on the same bytes.
 *
 * Input: one byte for the parser, the rest is its value. */
#include "frames.h"
#include "lighter.h"

static tw_levels bids, asks;

static void mix_kept(const tw_levels *levels) {
    for (ptrdiff_t i = 0; i < levels->count; i++)
        FUZZ_CHECK(levels->prices[i] != 0, "a level at price 0 is passed over");
    mix_levels(levels);
}

static const uint8_t *frame(const uint8_t *p, const uint8_t *end, int late, tw_err *err) {
    tw_lg_frame f;
    const uint8_t *data;
    tw_lg_begin(&f, p, late);
    for (;;) {
        switch (tw_lg_step(&f, end, err)) {
        case LG_STEP_DATA:
            FUZZ_CHECK(!late && f.taken, "data is handed out only on request");
            FUZZ_CHECK(f.p == tw_lg_data(&f), "the place of the data");
            if (!(f.p = tw_skip(f.p, end, err)))
                return NULL;
            break;
        case LG_STEP_ERROR: return NULL;
        case LG_STEP_END:
            if (!f.taken && !f.again) {
                data = tw_lg_data(&f);
                FUZZ_CHECK(!data || (data >= base && data < end), "the data is inside");
                mix(&digest, data ? data - base : -1);
            }
            mix(&digest, f.again), mix(&digest, f.taken), mix(&digest, f.stage);
            mix(&digest, f.kind), mix(&digest, f.channel_kind), mix(&digest, f.timestamp);
            mix(&digest, f.last_updated), mix(&digest, f.nonce), mix(&digest, f.height);
            mix_span(f.type), mix_span(f.channel), mix_span(f.suffix);
            return f.p;
        }
    }
}

static const uint8_t *parse(unsigned which, const uint8_t *p, const uint8_t *end, tw_err *err) {
    static const tw_scale cent = {1, 2}, lot = {1, 4}, fine = {1, 18}, finer = {1, 10};
    switch (which) {
    case 0:
    case 1: return frame(p, end, (int)which, err);
    case 2:
    case 3: {
        tw_lg_book b = {0, 0, 0, &bids, &asks};
        p = which == 2 ? tw_lg_book_data(p, end, &cent, &lot, &b, err)
                       : tw_lg_book_data(p, end, &fine, &finer, &b, err);
        if (p) {
            mix(&digest, b.nonce), mix(&digest, b.begin_nonce), mix(&digest, b.last_updated);
            mix_kept(&bids), mix_kept(&asks);
        }
        return p;
    }
    case 4: {
        tw_lg_ticker t;
        if ((p = tw_lg_ticker_data(p, end, &t, err)) != NULL)
            mix_fixeds(&t.ask, 4), mix(&digest, t.last_updated);
        return p;
    }
    case 5: {
        tw_lg_trade t, general;
        tw_err other = {0, NULL, 0};
        memset(&t, 0, sizeof t); /* for the bytes between the members */
        memset(&general, 0, sizeof general);
        const uint8_t *after = tw_lg_trade_read(p, end, &general, 0, &other);
        p = tw_lg_trade_row(p, end, &t, err);
        FUZZ_CHECK(p == after && err->code == other.code, "the usual order is no other grammar");
        if (p) {
            FUZZ_CHECK(memcmp(&t, &general, sizeof t) == 0, "nor another meaning");
            const int64_t *numbers = &t.trade_id;
            for (int i = 0; i < 15; i++)
                mix(&digest, numbers[i]);
            mix_fixeds(&t.size, 3);
            mix(&digest, t.is_maker_ask), mix(&digest, t.kind);
            mix_span(t.type), mix_span(t.tx_hash);
        }
        return p;
    }
    case 6: {
        tw_lg_stats s;
        if ((p = tw_lg_stats_data(p, end, &s, err)) != NULL)
            mix(&digest, s.market), mix(&digest, s.funding_timestamp), mix_fixeds(&s.index, 16);
        return p;
    }
    case 7: {
        tw_lg_candle c;
        int64_t lots = 0;
        if ((p = tw_lg_candle_row(p, end, &c, err)) != NULL) {
            mix(&digest, c.time), mix(&digest, tw_lg_ns(c.time)), mix_fixeds(&c.open, 6);
            if (c.volume.exponent >= 0 && !tw_lg_nearest(c.volume, &lot, &lots))
                mix(&digest, lots);
        }
        return p;
    }
    case 8: {
        tw_lg_order o;
        if ((p = tw_lg_order_row(p, end, &o, err)) != NULL) {
            const int64_t *numbers = &o.order_id;
            for (int i = 0; i < 18; i++)
                mix(&digest, numbers[i]);
            mix_fixeds(&o.size, 6);
            for (const tw_choice *c = &o.status; c < &o.status + 4; c++)
                mix_span(c->text), mix(&digest, c->number);
            mix(&digest, o.is_ask), mix(&digest, o.reduce_only);
        }
        return p;
    }
    case 9: {
        tw_lg_position o;
        if ((p = tw_lg_position_row(p, end, &o, err)) != NULL) {
            FUZZ_CHECK(o.size.mantissa >= 0, "sizes of positions have no sign");
            mix(&digest, o.market), mix(&digest, o.sign), mix_fixeds(&o.size, 9);
        }
        return p;
    }
    case 10: {
        tw_lg_ack a;
        if ((p = tw_lg_ack_data(p, end, &a, err)) != NULL) {
            mix(&digest, a.code), mix(&digest, a.predicted_ms), mix(&digest, a.quota_remaining);
            mix_span(a.id), mix_span(a.message), mix_span(a.tx_hash);
            mix(&digest, a.hashes ? a.hashes - base : -1), mix(&digest, a.has_error);
        }
        return p;
    }
    default: {
        tw_fixed x;
        if ((p = tw_float(p, end, &x, err)) != NULL)
            mix_fixed(x);
        return p;
    }
    }
}

static outcome run(const uint8_t *data, size_t size) {
    tw_err err = {0, NULL, 0};
    if (size < 1)
        return (outcome){-1, 0};
    const uint8_t *value = value_of(data, size), *end = value + size - 1;
    const uint8_t *after = parse(data[0] % 12, value, end, &err);
    return judged(after, end, &err);
}

FUZZ_TARGET(FUZZ_NO_REFERENCE)
