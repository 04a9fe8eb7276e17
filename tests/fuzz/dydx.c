/* The parsers of dYdX's frames, and the short ways through the usual ones, on the same bytes.
 *
 * Input: one byte for the parser, the rest is its value. */
#include "frames.h"
#include "dydx.h"

static tw_levels bids, asks, quick_bids, quick_asks;
static tw_symbols symbols;

static void same_levels(const tw_levels *a, const tw_levels *b) {
    FUZZ_CHECK(a->count == b->count, "as many levels");
    for (ptrdiff_t i = 0; i < a->count; i++)
        FUZZ_CHECK(a->prices[i] == b->prices[i] && a->sizes[i] == b->sizes[i], "the same level");
}

/* What the short way takes must be what the long way finds. */
static void shortly(const uint8_t *p, const uint8_t *end, const tw_dx_frame *whole) {
    tw_dx_manner manner;
    tw_dx_frame usual;
    tw_err err = {0, NULL, 0};
    if (whole->channel == DX_OTHER_CHANNEL || !whole->connection.text || !whole->version.text)
        return;
    memset(&manner, 0, sizeof manner);
    tw_dx_expect_connection(&manner, &whole->connection);
    tw_dx_expect_version(&manner, whole->channel, &whole->version);
    FUZZ_CHECK(!tw_dx_is_plain(&whole->version) || !tw_dx_version_differs(&manner, whole),
               "a version is itself");
    const uint8_t *contents = tw_dx_usual(&manner, &symbols, p, end, &usual);
    if (!contents)
        return;
    /* Of equal keys the last counts, which the short way sees only if nothing is behind the contents. */
    if (usual.channel != DX_BOOK)
        return;
    const tw_symbol *symbol = &symbols.symbols[usual.number];
    int batch = usual.type == DX_BATCH;
    if (tw_dx_quick_book(contents, end, batch, &symbol->price, &symbol->size, &quick_bids,
                         &quick_asks)) {
        FUZZ_CHECK(whole->type == usual.type && whole->message_id == usual.message_id &&
                       whole->channel == usual.channel && whole->number == usual.number &&
                       whole->contents == contents,
                   "both ways see the same frame");
        FUZZ_CHECK(tw_dx_book(contents, end, 0, &symbol->price, &symbol->size, &bids, &asks, &err) ==
                       end - 1,
                   "the long way takes it too");
        same_levels(&bids, &quick_bids);
        same_levels(&asks, &quick_asks);
    }
}

static const uint8_t *frame(const uint8_t *p, const uint8_t *end, tw_err *err) {
    tw_dx_frame f;
    const uint8_t *after = tw_dx_scan(p, end, &symbols, &f, err);
    tw_err rest = {0, NULL, 0};
    if (!after)
        return NULL;
    FUZZ_CHECK(!f.contents || (f.contents >= base && f.contents < end), "the contents are inside");
    mix(&digest, f.type), mix(&digest, f.channel), mix(&digest, f.message_id);
    mix(&digest, f.number), mix(&digest, f.contents ? f.contents - base : -1);
    mix_span(f.type_text), mix_span(f.connection), mix_span(f.channel_text);
    mix_span(f.id), mix_span(f.version);
    if (tw_at_end(after, end, &rest))
        shortly(p, end, &f);
    return after;
}

static const uint8_t *parse(unsigned which, const uint8_t *p, const uint8_t *end, tw_err *err) {
    const tw_symbol *symbol = &symbols.symbols[which % 3];
    switch (which) {
    case 0: return frame(p, end, err);
    case 1:
    case 2:
    case 3:
        if ((p = tw_dx_book(p, end, which == 3, &symbol->price, &symbol->size, &bids, &asks, err)))
            mix_levels(&bids), mix_levels(&asks);
        return p;
    case 4: {
        tw_dx_trade t;
        if ((p = tw_dx_trade_row(p, end, &t, err)) != NULL) {
            FUZZ_CHECK(t.side == TW_DX_BUY || t.side == TW_DX_SELL, "a trade has a side");
            FUZZ_CHECK(t.time >= 0 && t.price.mantissa > 0 && t.size.mantissa > 0, "its values");
            mix(&digest, t.id), mix(&digest, t.time), mix(&digest, t.side), mix(&digest, t.type);
            mix(&digest, t.price.mantissa), mix(&digest, t.price.exponent);
            mix(&digest, t.size.mantissa), mix(&digest, t.size.exponent);
        }
        return p;
    }
    case 5: {
        const uint8_t *rows;
        if ((p = tw_dx_trades_of(p, end, &rows, err)) != NULL)
            mix(&digest, rows ? rows - base : -1);
        return p;
    }
    default: mix(&digest, tw_dx_time(p, end - p)); return end;
    }
}

static outcome run(const uint8_t *data, size_t size) {
    tw_err err = {0, NULL, 0};
    if (size < 2)
        return (outcome){-1, 0};
    if (!symbols.count)
        know(&symbols, "BTC-USD", 0, 4), know(&symbols, "PEPE-USD", 11, 0),
            know(&symbols, "FARTCOIN,RAYDIUM-USD", 18, 18);
    const uint8_t *value = value_of(data, size), *end = value + size - 1;
    const uint8_t *after = parse(data[0] % 7, value, end, &err);
    return judged(after, end, &err);
}

FUZZ_TARGET(FUZZ_NO_REFERENCE)
