/* Decimals: the ways by the word against digits taken one at a time, in exact arithmetic. */
#include "scan.h"

#include "common.h"

/* 1 and *value, *frac with trailing zeros kept, for text that is -?digits[.digits] and fits; 0 for
 * text that is not; -1 for what is right but long. */
static int plain(const uint8_t *p, size_t n, __int128 *value, int *frac) {
    size_t i = 0, digits = 0, dot = n;
    int negative = n && p[0] == '-';
    *value = 0;
    for (i = (size_t)negative; i < n; i++) {
        if (p[i] == '.' && dot == n && digits) {
            dot = i;
        } else if (p[i] >= '0' && p[i] <= '9') {
            digits++;
            if (digits > 36)
                return -1;
            *value = *value * 10 + (p[i] - '0');
        } else {
            return 0;
        }
    }
    if (!digits || dot == n - 1)
        return 0;
    *frac = dot == n ? 0 : (int)(n - dot - 1);
    if (negative)
        *value = -*value;
    return 1;
}

static void check_scaled(const uint8_t *p, size_t n, ptrdiff_t before, const tw_scale *scale) {
    __int128 value, step = scale->mantissa;
    int64_t ticks = INT64_MIN;
    int frac = 0, is = plain(p, n, &value, &frac);
    int code = tw_text_to_scale(p, p + n, before, scale, &ticks);
    if (is == 0) {
        CHECK(code == TW_SYNTAX || code == TW_TRUNCATED || code == TW_VALUE || code == TW_RANGE);
        return;
    }
    if (is < 0) {
        return;
    }
    /* value * 10^-frac == ticks * step * 10^-decimals, on a common denominator */
    if (code == TW_OK) {
        __int128 left = value, right = (__int128)ticks * step;
        int k = frac - scale->decimals;
        for (; k > 0 && left % 10 == 0; k--)
            left /= 10; /* only zeros may be dropped */
        for (; k > 0; k--)
            right *= 10;
        for (; k < 0; k++)
            left *= 10;
        CHECK(left == right);
    } else {
        CHECK(code == TW_OFF_PRICE || code == TW_RANGE);
        CHECK(ticks == INT64_MIN);
        if (code == TW_OFF_PRICE && frac <= scale->decimals) {
            int k;
            for (k = scale->decimals - frac; k > 0; k--)
                value *= 10;
            CHECK(value % step != 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const int64_t steps[] = {1, 5, 25, 125, 3, 1000, 7};
    tw_scale scale;
    uint8_t *copy, *quoted;
    tw_fixed a, b;
    tw_err err;
    const uint8_t *p;
    int code = 0;
    if (size < 2 || size > 64)
        return 0;
    scale.decimals = data[0] % 19;
    scale.mantissa = steps[data[1] % 7];
    data += 2;
    size -= 2;

    /* Alone in its block, and with readable bytes in front. */
    copy = exact_copy(data, size);
    check_scaled(copy, size, 0, &scale);
    free(copy);
    copy = malloc(size + 16);
    CHECK(copy);
    memset(copy, '9', 16);
    memcpy(copy + 16, data, size);
    check_scaled(copy + 16, size, 16, &scale);
    free(copy);

    /* In quotes, at the very end of its block and with bytes behind it: the same value. */
    for (size_t behind = 0; behind <= 24; behind += 24) {
        quoted = malloc(size + 2 + behind);
        CHECK(quoted);
        quoted[0] = '"';
        memcpy(quoted + 1, data, size);
        quoted[size + 1] = '"';
        memset(quoted + size + 2, ',', behind);
        p = tw_fixed_value(quoted, quoted + size + 2 + behind, &a, &err);
        CHECK(!p || p <= quoted + size + 2 + behind);
        if (!memchr(data, '"', size)) {
            const uint8_t *stop = tw_decimal_slow(quoted + 1, quoted + size + 1, &b, &code);
            CHECK((p != NULL) == (stop == quoted + size + 1));
            if (p) {
                CHECK(p == quoted + size + 2);
                CHECK(a.mantissa == b.mantissa && a.exponent == b.exponent);
            }
        }
        free(quoted);
    }
    return 0;
}
