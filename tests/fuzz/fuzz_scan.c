/* The scanner: whatever the bytes, nothing outside them is read, and what is said is consistent. */
#include "scan.h"

#include "common.h"

/* Walk an object or array member by member; must agree with skipping it whole. */
static const uint8_t *walk(const uint8_t *p, const uint8_t *end, tw_err *err) {
    const uint8_t *next;
    uint64_t key;
    int object = *p == '{', more;
    p = tw_ws(p + 1, end);
    if (p < end && *p == (object ? '}' : ']'))
        return p + 1;
    do {
        if (object) {
            const uint8_t *name = p;
            if (!(p = tw_key(p, end, &key, err)))
                return NULL;
            if (!(p = tw_key_check(name, p, end, &key, err)))
                return NULL;
        }
        if (!(p = tw_skip(p, end, err)))
            return NULL;
        more = tw_next(p, end, object ? '}' : ']', &next, err);
        if (more < 0)
            return NULL;
        p = next;
    } while (more);
    return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *copy = exact_copy(data, size);
    const uint8_t *end = copy + size, *p, *s;
    uint8_t room[64];
    tw_err err = {0, copy, 0};
    tw_fixed fixed;
    int64_t integer;
    ptrdiff_t n;
    int flag, escaped;

    p = tw_skip(copy, end, &err);
    CHECK(p ? p > copy && p <= end : err.code && err.at >= copy && err.at <= end);
    s = tw_ws(copy, end);
    if (s < end && (*s == '{' || *s == '[')) {
        tw_err other = {0, copy, 0};
        const uint8_t *walked = walk(s, end, &other);
        /* Going in by hand has one level less to go. */
        CHECK(walked == p || (!p && err.code == TW_DEPTH));
    }
    if (p)
        (void)tw_at_end(p, end, &err);

    p = tw_int(copy, end, &integer, &err);
    CHECK(!p || (p > copy && p <= end && tw_skip_int(copy, end, &err) != NULL));
    p = tw_fixed_value(copy, end, &fixed, &err);
    CHECK(!p || (p > copy && p <= end && fixed.exponent >= 0 && fixed.exponent <= 18));
    p = tw_bool(copy, end, &flag, &err);
    CHECK(!p || (p <= end && (flag == 0 || flag == 1)));
    p = tw_string(copy, end, &s, &n, &escaped, &err);
    CHECK(!p || (s == copy + 1 && s + n + 1 == p && p <= end));
    if (p) {
        int length = tw_unescape(s, s + n, room, sizeof room);
        CHECK(length <= (int)sizeof room && length <= n);
    }
    free(copy);
    return 0;
}
