/* Hyperliquid's actions as MessagePack. Input: a byte for the kind of action, one for the memory lent to
 * the writer, one for the number of entries; the rest are the fields, and start again when used up.
 *
 * The reference is a reader that walks through the output with the same fields and takes nothing but
 * the shortest form of each. The keys stand there a second time, in the order of the wire. */
#include "fuzz.h"
#include "hyperliquid/digest.h"
#include "hyperliquid/actions.h"

enum { ORDER, CANCEL, CANCEL_BY_CLOID, MODIFY, BATCH_MODIFY, VALUES, KINDS };

/* --- fields ----------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *start, *p, *end;
} source;

static uint8_t byte(source *s) {
    if (s->p == s->end)
        s->p = s->start;
    return *s->p++;
}

static uint64_t number(source *s) {
    unsigned kind = byte(s), bits = kind & 63;
    uint64_t x = 0;
    if (kind & 64) /* next to where the form changes */
        return ((uint64_t)1 << bits) + byte(s) % 3 - 1;
    for (int i = 0; i < 8; i++)
        x = x << 8 | byte(s);
    return x >> bits;
}

static int64_t signed_number(source *s) {
    uint64_t x = number(s);
    return (int64_t)(byte(s) & 1 ? 0 - x : x);
}

static hl_text text(source *s, int may_be_absent) {
    size_t size = byte(s);
    hl_text found = {(const char *)s->start, 0};
    if (may_be_absent && size & 1)
        return (hl_text){NULL, 0};
    if (size >= 250)
        size = size * 300; /* beyond every short form */
    if (size > (size_t)(s->end - s->start))
        size = (size_t)(s->end - s->start);
    found.size = size;
    return found;
}

static hl_order order(source *s) {
    hl_order o;
    o.asset = number(s);
    o.is_buy = byte(s) & 1;
    o.reduce_only = byte(s) & 1;
    o.is_market = byte(s) & 1;
    o.price = text(s, 0);
    o.size = text(s, 0);
    o.cloid = text(s, 1);
    o.tif = text(s, 1);
    o.trigger_px = o.tpsl = (hl_text){NULL, 0};
    if (!o.tif.text) {
        o.trigger_px = text(s, 0);
        o.tpsl = text(s, 0);
    }
    return o;
}

static hl_order_id order_id(source *s) {
    hl_order_id id = {number(s), {NULL, 0}};
    id.cloid = text(s, 1);
    return id;
}

/* --- the reference ---------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *p, *end;
} reader;

static uint64_t big_endian(reader *r, int bytes) {
    uint64_t x = 0;
    FUZZ_CHECK(r->end - r->p >= bytes, "cut off");
    while (bytes--)
        x = x << 8 | *r->p++;
    return x;
}

static int64_t read_integer(reader *r, int *is_unsigned) {
    unsigned tag = (unsigned)big_endian(r, 1);
    *is_unsigned = 1;
    if (tag < 0x80)
        return tag;
    if (tag >= 0xCC && tag <= 0xCF) {
        int bytes = 1 << (tag - 0xCC);
        uint64_t x = big_endian(r, bytes);
        FUZZ_CHECK(x >> (bytes == 1 ? 7 : 4 * bytes), "a number in too many bytes");
        return (int64_t)x;
    }
    *is_unsigned = 0;
    if (tag >= 0xE0)
        return (int64_t)tag - 256;
    FUZZ_CHECK(tag >= 0xD0 && tag <= 0xD3, "not an integer");
    int bytes = 1 << (tag - 0xD0), half = bytes == 1 ? 6 : 4 * bytes - 1;
    uint64_t x = big_endian(r, bytes);
    if (bytes < 8)
        x |= UINT64_MAX << (8 * bytes);
    int64_t value = (int64_t)x;
    FUZZ_CHECK(value < 0, "a positive number in a signed form");
    FUZZ_CHECK(bytes == 1 ? value < -32 : value < -((int64_t)1 << half), "too many bytes");
    return value;
}

static void want_uint(reader *r, uint64_t x) {
    int is_unsigned;
    FUZZ_CHECK((uint64_t)read_integer(r, &is_unsigned) == x && is_unsigned, "another number");
}

static void want_int(reader *r, int64_t x) {
    int is_unsigned;
    FUZZ_CHECK(read_integer(r, &is_unsigned) == x && is_unsigned == (x >= 0), "another number");
}

static void want_byte(reader *r, unsigned x) {
    FUZZ_CHECK(big_endian(r, 1) == x, "another value");
}

static void want_head(reader *r, size_t count, unsigned fixed, unsigned limit, unsigned tag,
                      int smallest) {
    if (count < limit) {
        want_byte(r, fixed | (unsigned)count);
        return;
    }
    int bytes = smallest;
    while (bytes < 4 && count >> (8 * bytes)) {
        bytes *= 2;
        tag++;
    }
    want_byte(r, tag);
    FUZZ_CHECK(big_endian(r, bytes) == count, "another length");
}

static void want_text(reader *r, const char *expected, size_t size) {
    want_head(r, size, 0xA0, 32, 0xD9, 1);
    FUZZ_CHECK((size_t)(r->end - r->p) >= size && !memcmp(r->p, expected, size), "another text");
    r->p += size;
}

static void want(reader *r, hl_text t) { want_text(r, t.text, t.size); }
static void want_key(reader *r, const char *key) { want_text(r, key, strlen(key)); }
static void want_map(reader *r, size_t count) { want_head(r, count, 0x80, 16, 0xDE, 2); }
static void want_array(reader *r, size_t count) { want_head(r, count, 0x90, 16, 0xDC, 2); }
static void want_bool(reader *r, int yes) { want_byte(r, yes ? 0xC3 : 0xC2); }

static void want_order(reader *r, hl_order o) {
    want_map(r, o.cloid.text ? 7 : 6);
    want_key(r, "a");
    want_uint(r, o.asset);
    want_key(r, "b");
    want_bool(r, o.is_buy);
    want_key(r, "p");
    want(r, o.price);
    want_key(r, "s");
    want(r, o.size);
    want_key(r, "r");
    want_bool(r, o.reduce_only);
    want_key(r, "t");
    want_map(r, 1);
    if (o.tif.text) {
        want_key(r, "limit");
        want_map(r, 1);
        want_key(r, "tif");
        want(r, o.tif);
    } else {
        want_key(r, "trigger");
        want_map(r, 3);
        want_key(r, "isMarket");
        want_bool(r, o.is_market);
        want_key(r, "triggerPx");
        want(r, o.trigger_px);
        want_key(r, "tpsl");
        want(r, o.tpsl);
    }
    if (o.cloid.text) {
        want_key(r, "c");
        want(r, o.cloid);
    }
}

static void want_replacement(reader *r, hl_order_id id, hl_order o) {
    want_key(r, "oid");
    if (id.cloid.text)
        want(r, id.cloid);
    else
        want_uint(r, id.oid);
    want_key(r, "order");
    want_order(r, o);
}

static void want_type(reader *r, size_t keys, const char *type) {
    want_map(r, keys);
    want_key(r, "type");
    want_key(r, type);
}

/* --- both ------------------------------------------------------------------------------------- */

static int write_value(hl_out *out, source *s) {
    unsigned kind = byte(s) % 5;
    hl_text t;
    if (hl_reserve(out, HL_HEAD))
        return -1;
    switch (kind) {
    case 0:
        hl_put_nil(out);
        return 0;
    case 1:
        hl_put_bool(out, byte(s) & 1);
        return 0;
    case 2:
        hl_put_uint(out, number(s));
        return 0;
    case 3:
        hl_put_int(out, signed_number(s));
        return 0;
    default:
        t = text(s, 0);
        return hl_reserve(out, HL_HEAD + t.size) || hl_put_text(out, t.text, t.size);
    }
}

static void want_value(reader *r, source *s) {
    switch (byte(s) % 5) {
    case 0:
        want_byte(r, 0xC0);
        return;
    case 1:
        want_bool(r, byte(s) & 1);
        return;
    case 2:
        want_uint(r, number(s));
        return;
    case 3:
        want_int(r, signed_number(s));
        return;
    default:
        want(r, text(s, 0));
    }
}

static int write_action(hl_out *out, unsigned kind, size_t count, source *s) {
    hl_text grouping = text(s, 1), builder = text(s, 1);
    uint64_t priority = number(s), fee = number(s);
    hl_order o;
    hl_order_id id;
    int failed = 0;
    switch (kind) {
    case ORDER:
        failed |= hl_write_order_start(out, count, builder.text != NULL);
        break;
    case CANCEL:
        failed |= hl_write_cancel_start(out, count);
        break;
    case CANCEL_BY_CLOID:
        failed |= hl_write_cancel_by_cloid_start(out, count);
        break;
    case MODIFY:
        id = order_id(s);
        o = order(s);
        return hl_write_modify(out, &id, &o);
    case BATCH_MODIFY:
        failed |= hl_write_batch_modify_start(out, count);
        break;
    default:
        failed |= hl_reserve(out, HL_HEAD) || hl_put_array(out, count);
    }
    for (size_t i = 0; i < count && !failed; i++) {
        uint64_t asset;
        switch (kind) {
        case ORDER:
            o = order(s);
            failed |= hl_write_order(out, &o);
            break;
        case CANCEL:
            asset = number(s);
            failed |= hl_write_cancel(out, asset, number(s));
            break;
        case CANCEL_BY_CLOID:
            asset = number(s);
            failed |= hl_write_cancel_by_cloid(out, asset, text(s, 0));
            break;
        case BATCH_MODIFY:
            id = order_id(s);
            o = order(s);
            failed |= hl_write_batch_modify(out, &id, &o);
            break;
        default:
            failed |= write_value(out, s);
        }
    }
    if (kind == ORDER)
        failed |= hl_write_order_end(out, grouping, priority, builder, fee);
    return failed;
}

static void want_action(reader *r, unsigned kind, size_t count, source *s) {
    hl_text grouping = text(s, 1), builder = text(s, 1);
    uint64_t priority = number(s), fee = number(s);
    hl_order_id id;
    switch (kind) {
    case ORDER:
        want_type(r, builder.text ? 4 : 3, "order");
        want_key(r, "orders");
        break;
    case CANCEL:
        want_type(r, 2, "cancel");
        want_key(r, "cancels");
        break;
    case CANCEL_BY_CLOID:
        want_type(r, 2, "cancelByCloid");
        want_key(r, "cancels");
        break;
    case MODIFY:
        want_type(r, 3, "modify");
        id = order_id(s);
        want_replacement(r, id, order(s));
        return;
    case BATCH_MODIFY:
        want_type(r, 2, "batchModify");
        want_key(r, "modifies");
        break;
    default:
        break;
    }
    want_array(r, count);
    for (size_t i = 0; i < count; i++) {
        switch (kind) {
        case ORDER:
            want_order(r, order(s));
            break;
        case CANCEL:
            want_map(r, 2);
            want_key(r, "a");
            want_uint(r, number(s));
            want_key(r, "o");
            want_uint(r, number(s));
            break;
        case CANCEL_BY_CLOID:
            want_map(r, 2);
            want_key(r, "asset");
            want_uint(r, number(s));
            want_key(r, "cloid");
            want(r, text(s, 0));
            break;
        case BATCH_MODIFY:
            want_map(r, 2);
            id = order_id(s);
            want_replacement(r, id, order(s));
            break;
        default:
            want_value(r, s);
        }
    }
    if (kind != ORDER)
        return;
    want_key(r, "grouping");
    if (grouping.text) {
        want(r, grouping);
    } else {
        want_map(r, 1);
        want_key(r, "p");
        want_uint(r, priority);
    }
    if (builder.text) {
        want_key(r, "builder");
        want_map(r, 2);
        want_key(r, "b");
        want(r, builder);
        want_key(r, "f");
        want_uint(r, fee);
    }
}

static outcome run(const uint8_t *data, size_t size) {
    outcome found = {-1, 0};
    uint8_t hash[32];
    hl_out out;
    if (size < 4)
        return found;
    uint8_t *fields = exactly(data + 3, size - 3);
    size_t room = (size_t)data[1] + 1, count = data[2] % 40;
    uint8_t *lent = exactly(data, room < size ? room : size);
    unsigned kind = data[0] % KINDS;
    const uint8_t vault[HL_ADDRESS] = {1, 2, 3};
    uint64_t expires = data[1];
    source again = {fields, fields, fields + size - 3}, first = again;
    hl_out_start(&out, lent, room < size ? room : size);
    FUZZ_CHECK(!write_action(&out, kind, count, &first), "no memory");
    reader r = {out.start, out.start + out.size};
    want_action(&r, kind, count, &again);
    FUZZ_CHECK(r.p == r.end, "something behind the action");
    size_t before = out.size;
    FUZZ_CHECK(!hl_write_tail(&out, expires, data[2] & 1 ? vault : NULL,
                              data[2] & 2 ? &expires : NULL), "no memory");
    FUZZ_CHECK(out.size - before ==
                   9u + (data[2] & 1 ? HL_ADDRESS : 0) + (data[2] & 2 ? 9u : 0), "the tail");
    tw_keccak256(hash, out.start, out.size);
    hl_l1_digest(hash, hash, data[2] & 4);
    found.at = (long)out.size;
    for (int i = 0; i < 32; i++)
        mix(&found.digest, hash[i]);
    hl_out_free(&out);
    free(lent);
    free(fields);
    return found;
}

FUZZ_TARGET(FUZZ_NO_REFERENCE)
