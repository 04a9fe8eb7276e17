/* Lighter transactions: checks, tx_info against a writer made of snprintf, digits against strtol.
 *
 * Input: a byte for the type, then numbers: a byte below the number of edges stands for that edge,
 * any other is followed by eight bytes. What is left is digits. */
#include <inttypes.h>

#include "fuzz.h"
#include "lighter_tx/checks.h"
#include "lighter_tx/hash.h"
#include "secret/hex.h"
#include "lighter_tx/info.h"

typedef struct {
    const uint8_t *p, *end;
} input;

static const int64_t EDGES[] = {
    0, 1, 2, 3, 4, 5, 6, 7, 10, 62, 63, 99, 100, 254, 255, 256, 500, 9999, 10000, 10001, 65535,
    1000000, 1000001, LTX_MAX_32, LTX_MAX_32 + 1, LTX_MIN_POOL, LTX_MAX_48, LTX_MAX_48 + 1,
    LTX_MAX_60, LTX_MAX_60 + 1, INT64_MAX, INT64_MIN, -1, -10, -99, 1000000000000,
};
enum { EDGE_COUNT = sizeof EDGES / sizeof *EDGES };

static uint8_t byte_of(input *in) { return in->p < in->end ? *in->p++ : 0; }

static int64_t number_of(input *in) {
    uint8_t first = byte_of(in);
    uint64_t value = 0;
    int i;
    if (first < EDGE_COUNT)
        return EDGES[first];
    for (i = 0; i < 8; i++)
        value = value << 8 | byte_of(in);
    return (int64_t)(value >> (first & 63));
}

static void read_transaction(input *in, ltx_tx *t) {
    int type, i, j;
    do
        type = byte_of(in) % LTX_TYPE_LIMIT;
    while (!ltx_type_exists(type) && in->p < in->end);
    ltx_start(t, ltx_type_exists(type) ? type : LTX_CREATE_ORDER);
    t->account = number_of(in);
    t->api_key = number_of(in);
    t->expired_at = number_of(in);
    t->nonce = number_of(in);
    for (i = 0; i < LTX_BODY_MAX; i++)
        t->body[i] = number_of(in);
    t->attribute_count = byte_of(in) & 7;
    for (i = 0; i < (int)t->attribute_count; i++) {
        int kind = byte_of(in) % 10;
        if (kind == 0 || kind == 9) {
            t->unknown_attribute = 1;
            continue;
        }
        t->attributes[kind] = number_of(in);
        t->attributes_given |= 1u << kind;
    }
    t->wide = byte_of(in) & 1 ? (uint64_t)number_of(in) : 0;
    t->order_count = byte_of(in) & 7;
    for (i = 0; i < LTX_ORDERS_MAX; i++)
        for (j = 0; j < LTX_BODY_MAX; j++)
            t->orders[i][j] = number_of(in);
    for (i = 0; i < 40; i++)
        t->public_key[i] = byte_of(in);
    for (i = 0; i < 32; i++)
        t->memo[i] = byte_of(in);
    t->l1_sig_size = byte_of(in) & 1 ? sizeof t->l1_sig : 0;
    memset(t->l1_sig, 'f', sizeof t->l1_sig);
}

/* --- a slow writer -------------------------------------------------------------------------- */

static char slow[8192];
static size_t used;

#define SAY(...) \
    used += (size_t)snprintf(slow + used, sizeof slow - used, __VA_ARGS__)

/* Bit by bit. */
static void say_base64(const uint8_t *bytes, size_t size) {
    size_t bit, i;
    for (bit = 0; bit < size * 8; bit += 6) {
        int value = 0;
        for (i = bit; i < bit + 6; i++)
            value = value * 2 + (i < size * 8 && bytes[i / 8] >> (7 - i % 8) & 1);
        SAY("%c", value < 26   ? 'A' + value
                  : value < 52 ? 'a' + value - 26
                  : value < 62 ? '0' + value - 52
                  : value < 63 ? '+'
                               : '/');
    }
    for (; bit % 8 != 0; bit += 6)
        SAY("=");
}

static void say_fields(const ltx_type *type, const int64_t *values) {
    int i;
    for (i = 0; i < type->body_count; i++)
        SAY("%s\"%s\":%" PRId64, i ? "," : "", type->body[i].name, values[i]);
}

static void write_slowly(const ltx_tx *t, const uint8_t signature[80]) {
    const ltx_type *type = &LTX_TYPES[t->type];
    int l1 = t->type == 8 || t->type == 12 || t->type == 45, i, some = 0;
    size_t n;
    used = 0;
    SAY("{\"%s\":%" PRId64 ",\"ApiKeyIndex\":%" PRId64, type->account.name, t->account, t->api_key);
    if (type->body_count)
        SAY(",");
    say_fields(type, t->body);
    if (t->type == 8) {
        SAY(",\"PubKey\":\"");
        say_base64(t->public_key, 40);
        SAY("\",\"L1Sig\":\"%.*s\"", (int)t->l1_sig_size, t->l1_sig);
    }
    if (t->type == 12)
        for (i = 0; i < 32; i++)
            SAY("%s%d%s", i ? "," : ",\"Memo\":[", t->memo[i], i == 31 ? "]" : "");
    if (t->type == 28) {
        SAY(",\"Orders\":[");
        for (n = 0; n < t->order_count; n++) {
            SAY("%s{", n ? "," : "");
            say_fields(&LTX_TYPES[14], t->orders[n]);
            SAY("}");
        }
        SAY("]");
    }
    SAY(",\"ExpiredAt\":%" PRId64 ",\"Nonce\":%" PRId64 ",\"Sig\":\"", t->expired_at, t->nonce);
    say_base64(signature, 80);
    SAY("\"");
    if (l1 && t->type != 8)
        SAY(",\"L1Sig\":\"%.*s\"", (int)t->l1_sig_size, t->l1_sig);
    SAY(",\"L2TxAttributes\":");
    for (i = 1; i < LTX_ATTRIBUTE_KINDS; i++)
        if (t->attributes[i] != (i == 5 ? 255 : 0))
            SAY("%s\"%d\":%" PRId64, some++ ? "," : "{", i, t->attributes[i]);
    SAY(some ? "}}" : "null}");
}

/* --- both --------------------------------------------------------------------------------------- */

static void check_digits(const uint8_t *data, size_t size) {
    uint8_t *text = exactly(data, size / 2 * 2), *out = exactly(data, size / 2);
    size_t i, good = 1;
    int found = tw_unhex(out, (const char *)text, size / 2);
    for (i = 0; i < size / 2; i++) {
        char two[3] = {(char)text[2 * i], (char)text[2 * i + 1], 0};
        if (strspn(two, "0123456789abcdefABCDEF") != 2)
            good = 0;
        else
            FUZZ_CHECK(strtol(two, NULL, 16) == out[i], "two digits");
    }
    FUZZ_CHECK(good == (found == 0), "what a digit is");
    free(text);
    free(out);
}

static outcome run(const uint8_t *data, size_t size) {
    uint8_t *copy = exactly(data, size), signature[80];
    input in = {copy, copy + size};
    outcome found = {-1, 0};
    uint64_t hash[5];
    ltx_error error;
    ltx_tx t;
    int i;
    memset(&t, 0xA5, sizeof t);
    read_transaction(&in, &t);
    for (i = 0; i < 80; i++)
        signature[i] = byte_of(&in);
    error = ltx_check(&t);
    FUZZ_CHECK(error >= LTX_OK && error < LTX_ERROR_COUNT && LTX_CODES[error], "an error's name");
    mix(&found.digest, (int64_t)error);
    if (error == LTX_OK) {
        char *info = malloc(LTX_INFO_MAX);
        size_t length;
        FUZZ_CHECK(info, "no memory");
        length = ltx_info(info, &t, signature);
        write_slowly(&t, signature);
        FUZZ_CHECK(length == used && !memcmp(info, slow, length), "tx_info");
        free(info);
        ltx_hash(hash, &t, 304);
        for (i = 0; i < 5; i++)
            mix(&found.digest, (int64_t)hash[i]);
        found.at = (long)length;
    }
    check_digits(in.p, (size_t)(in.end - in.p));
    free(copy);
    return found;
}

FUZZ_TARGET(FUZZ_NO_REFERENCE)
