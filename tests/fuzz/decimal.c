/* Decimal text to scaled integers, against 128-bit arithmetic one digit at a time.
 *
 * Input: one byte for the increment, the rest is the text. */
#include "fuzz.h"
#include "scan.h"

static const tw_scale SCALES[] = {
    {1, 0}, {1, 1}, {1, 2}, {1, 8}, {1, 18}, {25, 2}, {5, 0}, {5, 1}, {10, 0}, {3, 4},
    {1000000000000000000, 0}, {INT64_MAX, 0}, {INT64_MAX, 18}, {125, 3}, {1, 17}, {7, 10},
};

static tw_scale scale_of(uint8_t byte) { return SCALES[byte % (sizeof SCALES / sizeof *SCALES)]; }

/* Conversion with `before` readable bytes in front of the text and none behind it. */
static int convert(const uint8_t *text, size_t n, size_t before, tw_scale s, int64_t *out) {
    uint8_t *block = malloc(before + n + (before + n == 0));
    memset(block, '7', before);
    memcpy(block + before, text, n);
    int code = tw_text_to_scale(block + before, block + before + n, (ptrdiff_t)before, &s, out);
    free(block);
    return code;
}

static outcome run(const uint8_t *data, size_t size) {
    outcome found = {-1, 0};
    if (!size)
        return found;
    tw_scale s = scale_of(*data++);
    size--;
    /* as a value of a message: bare, quoted, and quoted with something behind it */
    for (int form = 0; form < 3; form++) {
        size_t n = size + (form ? 2 : 0) + (form == 2 ? 20 : 0);
        uint8_t *text = malloc(n + 1), *shrunk;
        memset(text, ' ', n);
        memcpy(text + (form ? 1 : 0), data, size);
        if (form)
            text[0] = text[size + 1] = '"';
        shrunk = exactly(text, n);
        tw_fixed x = {0, 0};
        tw_err err = {0, NULL, 0};
        const uint8_t *p = tw_fixed_value(shrunk, shrunk + n, &x, &err);
        if (p) {
            FUZZ_CHECK(p > shrunk && p <= shrunk + n, "the end of a number");
            FUZZ_CHECK(x.exponent >= 0 && x.exponent <= 18, "decimals");
            mix(&found.digest, x.mantissa);
            mix(&found.digest, x.exponent);
            mix(&found.digest, p - shrunk);
        } else {
            FUZZ_CHECK(err.code && err.at >= shrunk && err.at <= shrunk + n, "an error somewhere");
            mix(&found.digest, -1);
        }
        int64_t i = 0;
        p = tw_int(shrunk, shrunk + n, &i, &err);
        mix(&found.digest, p ? i : -1);
        free(shrunk);
        free(text);
    }
    int64_t out = 0, again = 0;
    int code = convert(data, size, 0, s, &out);
    for (size_t before = 1; before <= 16; before++) {
        FUZZ_CHECK(convert(data, size, before, s, &again) == code, "what stands in front matters");
        FUZZ_CHECK(code || again == out, "what stands in front changes the value");
    }
    if (!code) {
        found.at = 0;
        mix(&found.digest, out);
    }
    return found;
}

#ifndef PORTABLE
/* -1: no number, 0: sound, 1: more digits than 128 bits are sure to hold. */
static int parse(const uint8_t *p, size_t n, unsigned __int128 *v, int *negative, int *decimals) {
    size_t i = 0, whole = 0;
    int zeros = 0;
    *v = 0;
    *decimals = 0;
    *negative = n && p[0] == '-';
    for (i = (size_t)*negative; i < n && p[i] >= '0' && p[i] <= '9'; i++, whole++) {
        if (*v > ((unsigned __int128)1 << 120) / 10)
            return 1;
        *v = *v * 10 + (unsigned)(p[i] - '0');
    }
    if (!whole)
        return -1;
    if (i < n) {
        if (p[i++] != '.' || i == n)
            return -1;
        for (; i < n; i++) {
            if (p[i] < '0' || p[i] > '9')
                return -1;
            if (p[i] == '0') {
                zeros++;
                continue;
            }
            for (; zeros >= 0; zeros--) {
                if (*v > ((unsigned __int128)1 << 120) / 10)
                    return 1;
                *v = *v * 10 + (zeros ? 0 : (unsigned)(p[i] - '0'));
                ++*decimals;
            }
            zeros = 0;
        }
    }
    return 0;
}

/* Sums and shares of two decimals that the bytes stand for. */
static void sums(const uint8_t *data, size_t size) {
    static const __int128 ten = 10;
    tw_fixed x[2], out = {7, -7};
    __int128 exact[2], product, power = 1;
    if (size < 18)
        return;
    for (int i = 0; i < 2; i++) {
        memcpy(&x[i].mantissa, data + 9 * i, 8);
        if (data[9 * i + 8] & 0x80) /* small ones too, so that something fits */
            x[i].mantissa %= 1000000;
        x[i].exponent = data[9 * i + 8] % 19;
    }
    int32_t most = x[0].exponent > x[1].exponent ? x[0].exponent : x[1].exponent;
    int fits = 1;
    for (int i = 0; i < 2; i++) {
        exact[i] = x[i].mantissa;
        for (int32_t k = x[i].exponent; k < most; k++)
            exact[i] *= ten;
        fits &= exact[i] <= INT64_MAX && exact[i] >= INT64_MIN;
    }
    __int128 sum = exact[0] + exact[1];
    fits &= sum <= INT64_MAX && sum >= INT64_MIN;
    FUZZ_CHECK(tw_fixed_add(x[0], x[1], &out) == fits, "whether a sum fits");
    FUZZ_CHECK(fits ? out.mantissa == sum && out.exponent == most
                    : out.mantissa == 7 && out.exponent == -7, "the sum");
    int32_t decimals = data[17] % 9;
    tw_fixed share = {7, -7};
    product = (__int128)x[0].mantissa * x[1].mantissa;
    if (tw_fixed_share(x[0], x[1].mantissa, decimals, &share)) {
        FUZZ_CHECK(share.exponent >= x[0].exponent && share.exponent <= 18, "decimals of a share");
        FUZZ_CHECK(share.exponent == x[0].exponent || share.mantissa % 10, "no zeros at its end");
        for (int32_t k = share.exponent; k < x[0].exponent + decimals; k++)
            power *= ten;
        FUZZ_CHECK(share.mantissa * power == product, "the share");
        return;
    }
    FUZZ_CHECK(share.mantissa == 7 && share.exponent == -7, "what does not fit changes nothing");
    if (product > INT64_MAX || product < INT64_MIN)
        return;
    int32_t needed = x[0].exponent + decimals;
    for (; needed > x[0].exponent && product % 10 == 0; needed--)
        product /= 10;
    FUZZ_CHECK(needed > 18, "a share that fits is refused");
}

static void reference(const uint8_t *data, size_t size, outcome found) {
    (void)found;
    sums(data, size);
    unsigned __int128 v;
    int negative, decimals;
    int64_t out = 0;
    if (!size || size > 60)
        return;
    tw_scale s = scale_of(data[0]);
    int code = convert(data + 1, size - 1, 0, s, &out);
    int kind = parse(data + 1, size - 1, &v, &negative, &decimals);
    if (kind < 0) {
        FUZZ_CHECK(code, "no number is taken for one");
        return;
    }
    FUZZ_CHECK(code != TW_SYNTAX && code != TW_TRUNCATED && code != TW_VALUE, "a number is refused");
    if (kind > 0) {
        FUZZ_CHECK(code, "a number of more than 36 digits fits");
        return;
    }
    int fits = v <= INT64_MAX && decimals <= 18;
    if (!fits) {
        FUZZ_CHECK(code == TW_RANGE, "more than 64 bits");
        return;
    }
    /* value = v / 10^decimals = ticks * mantissa / 10^s.decimals */
    unsigned __int128 ticks = v;
    int wrong = 0;
    for (int k = decimals; k < s.decimals && !wrong; k++)
        wrong = (ticks *= 10) > INT64_MAX ? TW_RANGE : 0;
    for (int k = decimals; k > s.decimals && !wrong; k--) {
        wrong = ticks % 10 ? TW_OFF_PRICE : 0;
        ticks /= 10;
    }
    if (!wrong && ticks % (unsigned __int128)s.mantissa)
        wrong = TW_OFF_PRICE;
    FUZZ_CHECK(code == wrong, "on or off the grid");
    if (!wrong) {
        ticks /= (unsigned __int128)s.mantissa;
        FUZZ_CHECK(out == (negative ? -(int64_t)ticks : (int64_t)ticks), "the value");
    }
}
#endif

FUZZ_TARGET(reference)
