/* The scanner: any value, members with their keys and strings, integers. The reference is a
 * recursive grammar that looks at one byte at a time. */
#include "fuzz.h"
#include "scan.h"

static void check_error(const tw_err *err, const uint8_t *start, const uint8_t *end) {
    FUZZ_CHECK(err->code >= TW_SYNTAX && err->code <= TW_VALUE, "an error without a code");
    FUZZ_CHECK(err->at >= start && err->at <= end, "an error outside the buffer");
}

/* Read a string again into a block of exactly the size its text can need. */
static void read_string(const uint8_t *p, const uint8_t *end, uint64_t *digest) {
    const uint8_t *text, *after;
    ptrdiff_t n;
    int escaped;
    tw_err err;
    after = tw_string(p, end, &text, &n, &escaped, &err);
    FUZZ_CHECK(after && text == p + 1 && text + n + 1 == after, "a string that was skipped is read");
    uint8_t *out = malloc((size_t)n + 1);
    int length = tw_unescape(text, text + n, out, (int)n);
    FUZZ_CHECK(length <= n, "a text is longer than its escapes");
    FUZZ_CHECK(escaped || length == n, "without an escape nothing is left out");
    for (int i = 0; i < length; i++)
        mix(digest, out[i]);
    mix(digest, length);
    free(out);
}

static void read_members(const uint8_t *start, const uint8_t *end, uint64_t *digest) {
    const uint8_t *p = start + 1, *next;
    tw_err err;
    int more;
    p = tw_ws(p, end);
    if (*p == '}')
        return;
    do {
        uint64_t key = 0, checked;
        const uint8_t *value = tw_key(p, end, &key, &err);
        /* What only looks like a short key may be refused; then the check must read it right. */
        const uint8_t *sure = tw_key_slow(p, end, &checked, &err);
        FUZZ_CHECK(sure, "a key of a sound object");
        if (value)
            value = tw_key_check(p, value, end, &key, &err);
        FUZZ_CHECK(value == sure, "the place of a value");
        FUZZ_CHECK(key == checked, "a key");
        mix(digest, (int64_t)key);
        p = tw_skip(value, end, &err);
        FUZZ_CHECK(p, "a value of a sound object");
        if (*value == '"')
            read_string(value, end, digest);
        int64_t number = 0;
        const uint8_t *after = tw_int(value, end, &number, &err);
        mix(digest, after ? number : -1);
        tw_fixed decimal = {0, 0};
        after = tw_fixed_value(value, end, &decimal, &err);
        mix(digest, after ? decimal.mantissa ^ decimal.exponent : -1);
        FUZZ_CHECK(tw_skip_int(value, end, &err) == p, "a value whose number is not wanted");
        more = tw_next(p, end, '}', &next, &err);
        FUZZ_CHECK(more >= 0, "behind a member of a sound object");
        p = next;
    } while (more);
}

static outcome run(const uint8_t *data, size_t size) {
    uint8_t *start = exactly(data, size);
    const uint8_t *end = start + size, *p;
    outcome found = {-1, 0};
    tw_err err = {0, NULL, 0};
    p = tw_skip(start, end, &err);
    if (!p)
        check_error(&err, start, end);
    else {
        FUZZ_CHECK(p > start && p <= end, "the end of a value");
        found.at = p - start;
        const uint8_t *first = tw_blanks(start, end);
        if (*first == '{')
            read_members(first, end, &found.digest);
        mix(&found.digest, tw_at_end(p, end, &err));
    }
    free(start);
    return found;
}

#ifndef PORTABLE
/* ---- reference ---------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *p, *end;
    int bad;
} reader;

static int peek(const reader *r) { return r->p < r->end ? *r->p : -1; }

static void blanks(reader *r) {
    while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\n' || peek(r) == '\r')
        r->p++;
}

static int take(reader *r, int byte) {
    if (peek(r) != byte)
        return 0;
    r->p++;
    return 1;
}

static int digits(reader *r) {
    int n = 0;
    while (peek(r) >= '0' && peek(r) <= '9')
        r->p++, n++;
    return n;
}

static int string(reader *r) {
    if (!take(r, '"'))
        return 0;
    for (;;) {
        int c = peek(r);
        if (c < 0x20) /* control, or the end */
            return 0;
        r->p++;
        if (c == '"')
            return 1;
        if (c != '\\')
            continue;
        c = peek(r);
        if (c < 0 || !strchr("\"\\/bfnrtu", c) || c == 0)
            return 0;
        r->p++;
        for (int i = 0; c == 'u' && i < 4; i++) {
            int h = peek(r);
            if (h < 0 || !((h >= '0' && h <= '9') || (h >= 'a' && h <= 'f') || (h >= 'A' && h <= 'F')))
                return 0;
            r->p++;
        }
    }
}

static int number(reader *r) {
    take(r, '-');
    if (!take(r, '0') && digits(r) == 0)
        return 0;
    if (take(r, '.') && digits(r) == 0)
        return 0;
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '+'))
            take(r, '-');
        if (digits(r) == 0)
            return 0;
    }
    return 1;
}

static int word(reader *r, const char *text) {
    for (; *text; text++)
        if (!take(r, *text))
            return 0;
    return 1;
}

static int value(reader *r, int depth) {
    blanks(r);
    switch (peek(r)) {
    case '"': return string(r);
    case 't': return word(r, "true");
    case 'f': return word(r, "false");
    case 'n': return word(r, "null");
    case '{':
    case '[': break;
    default: return number(r);
    }
    int object = take(r, '{'), close = object ? '}' : ']';
    if (depth == TW_MAX_DEPTH || (!object && !take(r, '[')))
        return 0;
    blanks(r);
    if (take(r, close))
        return 1;
    do {
        blanks(r);
        if (object) {
            if (!string(r))
                return 0;
            blanks(r);
            if (!take(r, ':'))
                return 0;
        }
        if (!value(r, depth + 1))
            return 0;
        blanks(r);
    } while (take(r, ','));
    return take(r, close);
}

static void reference(const uint8_t *data, size_t size, outcome found) {
    reader r = {data, data + size, 0};
    long at = value(&r, 0) ? r.p - data : -1;
    FUZZ_CHECK(at == found.at, "the scanner and the grammar disagree");
}
#endif

FUZZ_TARGET(reference)
