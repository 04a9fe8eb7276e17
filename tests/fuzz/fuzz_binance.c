/* Every Binance parser on the same bytes: nothing outside them is read, and a frame in the usual
 * order of keys means the same as one that the general loop reads. */
#include "binance.h"

#include "common.h"

static tw_symbols table;

static void add(const char *name, int64_t price_step, int32_t price_decimals, int32_t size_decimals) {
    int32_t number = tw_symbol_add(&table, (const uint8_t *)name, (ptrdiff_t)strlen(name));
    CHECK(number >= 0);
    table.symbols[number].price.mantissa = price_step;
    table.symbols[number].price.decimals = price_decimals;
    table.symbols[number].size.mantissa = 1;
    table.symbols[number].size.decimals = size_decimals;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    add("BTCUSDT", 1, 1, 3);
    add("BNBUSDT", 1, 8, 8);
    add("BTCUSD_200626", 1, 1, 0);
    add("X", 5, 2, 0);
    add("1000000000000000000000000LONGUSDT", 1, 7, 0);
    return 0;
}

static int same(tw_fixed a, tw_fixed b) {
    return a.mantissa == b.mantissa && a.exponent == b.exponent;
}

/* A blank in front of the first key is all it takes to leave the usual way. */
static void check_general(const uint8_t *p, size_t n) {
    uint8_t *spaced = malloc(n + 1);
    tw_bn_quote a, b;
    tw_bn_trade c, d;
    tw_err err = {0};
    const uint8_t *x, *y;
    CHECK(spaced);
    spaced[0] = ' ';
    memcpy(spaced + 1, p, n);
    x = tw_bn_book_ticker(p, p + n, &table, &a, &err);
    y = tw_bn_book_ticker(spaced, spaced + n + 1, &table, &b, &err);
    CHECK((x == NULL) == (y == NULL));
    if (x) {
        CHECK(x - p == y - spaced - 1);
        CHECK(a.f.number == b.f.number && a.f.time == b.f.time && a.update_id == b.update_id);
        CHECK(same(a.bid, b.bid) && same(a.bid_size, b.bid_size) && same(a.ask, b.ask) &&
              same(a.ask_size, b.ask_size));
    }
    x = tw_bn_agg_trade(p, p + n, &table, &c, &err);
    y = tw_bn_agg_trade(spaced, spaced + n + 1, &table, &d, &err);
    CHECK((x == NULL) == (y == NULL));
    if (x) {
        CHECK(x - p == y - spaced - 1);
        CHECK(c.f.number == d.f.number && c.f.time == d.f.time && c.id == d.id);
        CHECK(c.first_id == d.first_id && c.last_id == d.last_id);
        CHECK(same(c.price, d.price) && same(c.size, d.size));
        CHECK(c.buyer_is_maker == d.buyer_is_maker);
    }
    free(spaced);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *copy = exact_copy(data, size);
    const uint8_t *p = copy, *end = copy + size, *after = NULL, *next;
    tw_levels bids = {0}, asks = {0};
    tw_bn_depth depth;
    tw_bn_trade trade;
    tw_bn_mark mark;
    tw_bn_kline kline;
    tw_bn_ticker ticker;
    tw_bn_liquidation liquidation;
    tw_bn_envelope envelope;
    tw_err err = {0};

    next = tw_bn_envelope_parse(p, end, &envelope, &err);
    CHECK(next ? next <= end : err.code != 0 && err.at >= p && err.at <= end);
    if (size > 6 && memcmp(p, "{\"e\":\"", 6) == 0) {
        tw_bn_kind kind = tw_bn_name(p + 6, end, &after);
        if (kind != BN_UNKNOWN) {
            CHECK(after > p && after <= end);
            p = after;
        }
    }
    check_general(p, (size_t)(end - p));
    depth.bids = &bids;
    depth.asks = &asks;
    next = tw_bn_depth_update(p, end, &table, NULL, NULL, &depth, &err);
    CHECK(!next || next <= end);
    next = tw_bn_single_trade(p, end, &table, &trade, &err);
    CHECK(!next || next <= end);
    next = tw_bn_mark_price(p, end, &table, &mark, &err);
    CHECK(!next || next <= end);
    next = tw_bn_index_price(p, end, &table, &mark, &err);
    CHECK(!next || next <= end);
    next = tw_bn_kline_frame(p, end, &kline, &err);
    CHECK(!next || next <= end);
    next = tw_bn_ticker_frame(p, end, &table, (int)(size & 1), &ticker, &err);
    CHECK(!next || next <= end);
    next = tw_bn_force_order(p, end, &table, &liquidation, &err);
    CHECK(!next || next <= end);
    tw_levels_free(&bids);
    tw_levels_free(&asks);
    free(copy);
    return 0;
}
