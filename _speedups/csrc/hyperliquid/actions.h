/* The actions that have to be fast, written with their keys in the order of the wire.
 *
 *     order            type, orders [order], grouping, builder {b, f}?
 *     cancel           type, cancels [{a, o}]
 *     cancelByCloid    type, cancels [{asset, cloid}]
 *     modify           type, oid, order
 *     batchModify      type, modifies [{oid, order}]
 *
 * Keys and what never changes stand here as bytes. Texts are written as they are: that they are
 * canonical numbers is for others to see to. Each function returns 0, or -1 without memory or for a
 * text or list that MessagePack has no room for.
 */
#ifndef HL_ACTIONS_H
#define HL_ACTIONS_H

#include "msgpack.h"

typedef struct {
    const char *text; /* NULL: absent */
    size_t size;
} hl_text;

/* {a, b, p, s, r, t: {limit: {tif}} or {trigger: {isMarket, triggerPx, tpsl}}, c?} */
typedef struct {
    uint64_t asset;
    hl_text price, size, cloid;
    hl_text tif;               /* absent: it is a trigger */
    hl_text trigger_px, tpsl;
    uint8_t is_buy, reduce_only, is_market;
} hl_order;

/* An order is named by the venue's number or by the client's id. */
typedef struct {
    uint64_t oid;
    hl_text cloid; /* present: instead of the number */
} hl_order_id;

static inline int hl_put(hl_out *out, hl_text text) {
    return hl_put_text(out, text.text, text.size);
}

static inline int hl_write_order(hl_out *out, const hl_order *order) {
    /* All keys and heads are below 128 bytes. */
    size_t texts = order->price.size + order->size.size + order->cloid.size + order->tif.size +
                   order->trigger_px.size + order->tpsl.size;
    int failed = 0;
    if (hl_reserve(out, 128 + texts))
        return -1;
    hl_put_byte(out, order->cloid.text ? 0x87 : 0x86);
    HL_PUT(out, "\xa1" "a");
    hl_put_uint(out, order->asset);
    HL_PUT(out, "\xa1" "b");
    hl_put_bool(out, order->is_buy);
    HL_PUT(out, "\xa1" "p");
    failed |= hl_put(out, order->price);
    HL_PUT(out, "\xa1" "s");
    failed |= hl_put(out, order->size);
    HL_PUT(out, "\xa1" "r");
    hl_put_bool(out, order->reduce_only);
    HL_PUT(out, "\xa1" "t");
    if (order->tif.text) {
        HL_PUT(out, "\x81\xa5" "limit\x81\xa3" "tif");
        failed |= hl_put(out, order->tif);
    } else {
        HL_PUT(out, "\x81\xa7" "trigger\x83\xa8" "isMarket");
        hl_put_bool(out, order->is_market);
        HL_PUT(out, "\xa9" "triggerPx");
        failed |= hl_put(out, order->trigger_px);
        HL_PUT(out, "\xa4" "tpsl");
        failed |= hl_put(out, order->tpsl);
    }
    if (order->cloid.text) {
        HL_PUT(out, "\xa1" "c");
        failed |= hl_put(out, order->cloid);
    }
    return failed;
}

/* The head of an order action; the orders follow, then hl_write_order_end. */
static inline int hl_write_order_start(hl_out *out, size_t count, int has_builder) {
    if (hl_reserve(out, 32 + HL_HEAD))
        return -1;
    hl_put_byte(out, has_builder ? 0x84 : 0x83);
    HL_PUT(out, "\xa4" "type\xa5" "order\xa6" "orders");
    return hl_put_array(out, count);
}

/* `grouping` absent: it is the map {p: priority}. `builder` absent: there is none. */
static inline int hl_write_order_end(hl_out *out, hl_text grouping, uint64_t priority,
                                     hl_text builder, uint64_t fee) {
    int failed = 0;
    if (hl_reserve(out, 48 + 4 * HL_HEAD + grouping.size + builder.size))
        return -1;
    HL_PUT(out, "\xa8" "grouping");
    if (grouping.text) {
        failed |= hl_put(out, grouping);
    } else {
        HL_PUT(out, "\x81\xa1" "p");
        hl_put_uint(out, priority);
    }
    if (builder.text) {
        HL_PUT(out, "\xa7" "builder\x82\xa1" "b");
        failed |= hl_put(out, builder);
        HL_PUT(out, "\xa1" "f");
        hl_put_uint(out, fee);
    }
    return failed;
}

static inline int hl_write_cancel_start(hl_out *out, size_t count) {
    if (hl_reserve(out, 32 + HL_HEAD))
        return -1;
    HL_PUT(out, "\x82\xa4" "type\xa6" "cancel\xa7" "cancels");
    return hl_put_array(out, count);
}

static inline int hl_write_cancel(hl_out *out, uint64_t asset, uint64_t oid) {
    if (hl_reserve(out, 8 + 2 * HL_HEAD))
        return -1;
    HL_PUT(out, "\x82\xa1" "a");
    hl_put_uint(out, asset);
    HL_PUT(out, "\xa1" "o");
    hl_put_uint(out, oid);
    return 0;
}

static inline int hl_write_cancel_by_cloid_start(hl_out *out, size_t count) {
    if (hl_reserve(out, 40 + HL_HEAD))
        return -1;
    HL_PUT(out, "\x82\xa4" "type\xad" "cancelByCloid\xa7" "cancels");
    return hl_put_array(out, count);
}

static inline int hl_write_cancel_by_cloid(hl_out *out, uint64_t asset, hl_text cloid) {
    if (hl_reserve(out, 16 + 2 * HL_HEAD + cloid.size))
        return -1;
    HL_PUT(out, "\x82\xa5" "asset");
    hl_put_uint(out, asset);
    HL_PUT(out, "\xa5" "cloid");
    return hl_put(out, cloid);
}

/* The keys oid and order; what came before decides whose they are. */
static inline int hl_write_replacement(hl_out *out, const hl_order_id *id, const hl_order *order) {
    int failed = 0;
    if (hl_reserve(out, 16 + HL_HEAD + id->cloid.size))
        return -1;
    HL_PUT(out, "\xa3" "oid");
    if (id->cloid.text)
        failed |= hl_put(out, id->cloid);
    else
        hl_put_uint(out, id->oid);
    HL_PUT(out, "\xa5" "order");
    return failed | hl_write_order(out, order);
}

static inline int hl_write_modify(hl_out *out, const hl_order_id *id, const hl_order *order) {
    if (hl_reserve(out, 16))
        return -1;
    HL_PUT(out, "\x83\xa4" "type\xa6" "modify");
    return hl_write_replacement(out, id, order);
}

static inline int hl_write_batch_modify_start(hl_out *out, size_t count) {
    if (hl_reserve(out, 40 + HL_HEAD))
        return -1;
    HL_PUT(out, "\x82\xa4" "type\xab" "batchModify\xa8" "modifies");
    return hl_put_array(out, count);
}

static inline int hl_write_batch_modify(hl_out *out, const hl_order_id *id, const hl_order *order) {
    if (hl_reserve(out, 1))
        return -1;
    hl_put_byte(out, 0x82);
    return hl_write_replacement(out, id, order);
}

#endif
