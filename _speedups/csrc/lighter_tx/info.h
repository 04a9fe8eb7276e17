/* tx_info: a signed transaction as the compact JSON the official library writes. */
#ifndef LTX_INFO_H
#define LTX_INFO_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "types.h"

/* More than the longest: three orders with every number at its longest need about 1 800 bytes. */
enum { LTX_INFO_MAX = 3072 };

#define LTX_PUT(p, text) ltx_put((p), (text), sizeof(text) - 1)

static inline char *ltx_put(char *p, const char *text, size_t size) {
    memcpy(p, text, size);
    return p + size;
}

static const char LTX_DIGITS[] = "0001020304050607080910111213141516171819"
                                 "2021222324252627282930313233343536373839"
                                 "4041424344454647484950515253545556575859"
                                 "6061626364656667686970717273747576777879"
                                 "8081828384858687888990919293949596979899";

static inline char *ltx_put_unsigned(char *p, uint64_t value) {
    char digits[20], *start = digits + sizeof digits;
    while (value >= 100) {
        uint64_t rest = value / 100;
        start -= 2;
        memcpy(start, LTX_DIGITS + 2 * (value - 100 * rest), 2);
        value = rest;
    }
    if (value >= 10) {
        start -= 2;
        memcpy(start, LTX_DIGITS + 2 * value, 2);
    } else {
        *--start = (char)('0' + value);
    }
    return ltx_put(p, start, (size_t)(digits + sizeof digits - start));
}

static inline char *ltx_put_integer(char *p, int64_t value) {
    if (value >= 0)
        return ltx_put_unsigned(p, (uint64_t)value);
    *p++ = '-';
    return ltx_put_unsigned(p, 0 - (uint64_t)value);
}

/* Standard base64 with padding. The table is indexed by what it encodes: for public bytes only. */
static inline char *ltx_put_base64(char *p, const uint8_t *bytes, size_t size) {
    static const char table[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t i;
    for (i = 0; i + 2 < size; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        *p++ = table[three >> 18];
        *p++ = table[three >> 12 & 63];
        *p++ = table[three >> 6 & 63];
        *p++ = table[three & 63];
    }
    if (i < size) {
        uint32_t rest = (uint32_t)bytes[i] << 16;
        if (i + 1 < size)
            rest |= (uint32_t)bytes[i + 1] << 8;
        *p++ = table[rest >> 18];
        *p++ = table[rest >> 12 & 63];
        *p++ = i + 1 < size ? table[rest >> 6 & 63] : '=';
        *p++ = '=';
    }
    return p;
}

static inline char *ltx_put_fields(char *p, const ltx_field *fields, const int64_t *values,
                                   int count) {
    int i;
    for (i = 0; i < count; i++) {
        p = ltx_put(p, fields[i].prefix, fields[i].prefix_size);
        p = ltx_put_integer(p, values[i]);
    }
    return p;
}

static inline char *ltx_put_l1_sig(char *p, const ltx_tx *t) {
    p = LTX_PUT(p, ",\"L1Sig\":\"");
    p = ltx_put(p, t->l1_sig, t->l1_sig_size);
    *p++ = '"';
    return p;
}

static inline char *ltx_put_orders(char *p, const ltx_tx *t) {
    const ltx_type *order = &LTX_TYPES[LTX_CREATE_ORDER];
    size_t i;
    p = LTX_PUT(p, ",\"Orders\":[");
    for (i = 0; i < t->order_count; i++) {
        char *start = p;
        if (i > 0)
            *p++ = ',', start++;
        p = ltx_put_fields(p, order->body, t->orders[i], order->body_count);
        *start = '{'; /* in place of the comma before the first field */
        *p++ = '}';
    }
    *p++ = ']';
    return p;
}

static inline char *ltx_put_memo(char *p, const uint8_t memo[32]) {
    int i;
    p = LTX_PUT(p, ",\"Memo\":[");
    for (i = 0; i < 32; i++) {
        if (i > 0)
            *p++ = ',';
        p = ltx_put_unsigned(p, memo[i]);
    }
    *p++ = ']';
    return p;
}

static inline char *ltx_put_attributes(char *p, const int64_t attributes[LTX_ATTRIBUTE_KINDS]) {
    int kind, first = 1;
    p = LTX_PUT(p, ",\"L2TxAttributes\":");
    for (kind = 1; kind < LTX_ATTRIBUTE_KINDS; kind++) {
        if (attributes[kind] == ltx_nil(kind))
            continue;
        *p++ = first ? '{' : ',';
        *p++ = '"';
        *p++ = (char)('0' + kind);
        *p++ = '"';
        *p++ = ':';
        p = ltx_put_integer(p, attributes[kind]);
        first = 0;
    }
    if (first)
        return LTX_PUT(p, "null");
    *p++ = '}';
    return p;
}

/* Write a checked transaction with its signature; return the size, at most LTX_INFO_MAX. */
static inline size_t ltx_info(char out[LTX_INFO_MAX], const ltx_tx *t, const uint8_t sig[80]) {
    const ltx_type *type = &LTX_TYPES[t->type];
    int l1_place = ltx_l1_sig_place(t->type);
    char *p = ltx_put_fields(out, &type->account, &t->account, 1);
    *out = '{'; /* in place of the comma before the first field */
    p = LTX_PUT(p, ",\"ApiKeyIndex\":");
    p = ltx_put_integer(p, t->api_key);
    p = ltx_put_fields(p, type->body, t->body, type->body_count);
    if (t->type == LTX_CHANGE_PUB_KEY) {
        p = LTX_PUT(p, ",\"PubKey\":\"");
        p = ltx_put_base64(p, t->public_key, sizeof t->public_key);
        *p++ = '"';
    } else if (t->type == LTX_CREATE_GROUPED_ORDERS) {
        p = ltx_put_orders(p, t);
    } else if (t->type == LTX_TRANSFER) {
        p = ltx_put_memo(p, t->memo);
    }
    if (l1_place == 1)
        p = ltx_put_l1_sig(p, t);
    p = LTX_PUT(p, ",\"ExpiredAt\":");
    p = ltx_put_integer(p, t->expired_at);
    p = LTX_PUT(p, ",\"Nonce\":");
    p = ltx_put_integer(p, t->nonce);
    p = LTX_PUT(p, ",\"Sig\":\"");
    p = ltx_put_base64(p, sig, 80);
    *p++ = '"';
    if (l1_place == 2)
        p = ltx_put_l1_sig(p, t);
    p = ltx_put_attributes(p, t->attributes);
    *p++ = '}';
    return (size_t)(p - out);
}

#undef LTX_PUT

#endif
