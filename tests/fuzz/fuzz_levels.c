/* Price levels: the usual layout by the word against every level taken the general way. */
#include "levels.h"

#include "common.h"

static const uint8_t *general(const uint8_t *p, const uint8_t *end, const tw_scale *price,
                              const tw_scale *size, tw_levels *levels, tw_err *err) {
    const uint8_t *next;
    levels->count = 0;
    if (!(p = tw_byte(p, end, '[', err)))
        return NULL;
    p = tw_ws(p, end);
    if (p < end && *p == ']')
        return p + 1;
    for (;;) {
        if (levels->count == levels->room)
            CHECK(tw_levels_grow(levels));
        if (!(p = tw_byte(p, end, '[', err)))
            return NULL;
        if (!(p = tw_level_slow(p, end, price, size, levels, err)))
            return NULL;
        levels->count++;
        switch (tw_next(p, end, ']', &next, err)) {
        case 1: p = next; break;
        case 0: return next;
        default: return NULL;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tw_levels fast = {0}, slow = {0};
    tw_err fast_err = {0}, slow_err = {0};
    tw_scale price, lot;
    const uint8_t *end, *a, *b;
    uint8_t *copy;
    if (size < 2)
        return 0;
    price.decimals = data[0] % 5;
    price.mantissa = data[0] & 128 ? 5 : 1;
    lot.decimals = data[1] % 5;
    lot.mantissa = 1;
    copy = exact_copy(data + 2, size - 2);
    end = copy + size - 2;
    a = tw_levels_parse(copy, end, &price, &lot, &fast, &fast_err);
    CHECK(a ? a <= end : fast_err.code != 0 && fast_err.at >= copy && fast_err.at <= end);
    if (copy < end && *copy == '[') {
        b = general(copy, end, &price, &lot, &slow, &slow_err);
        CHECK(a == b);
        if (a) {
            CHECK(fast.count == slow.count);
            for (ptrdiff_t i = 0; i < fast.count; i++)
                CHECK(fast.prices[i] == slow.prices[i] && fast.sizes[i] == slow.sizes[i]);
        }
    }
    tw_levels_free(&fast);
    tw_levels_free(&slow);
    free(copy);
    return 0;
}
