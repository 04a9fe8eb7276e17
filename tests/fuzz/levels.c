/* Arrays of price levels. Input: one byte for the grids, the rest is the array.
 *
 * The portable code takes each level by itself, number by number; it is the reference. */
#include "fuzz.h"
#include "levels.h"

static const tw_scale SCALES[] = {{1, 1}, {1, 2}, {1, 3}, {25, 2}, {5, 0}, {1, 0}, {1, 8}, {1, 18}};

static outcome run(const uint8_t *data, size_t size) {
    outcome found = {-1, 0};
    if (!size)
        return found;
    tw_scale price = SCALES[*data & 7], lot = SCALES[*data >> 3 & 7];
    uint8_t *start = exactly(data + 1, size - 1);
    const uint8_t *end = start + size - 1;
    tw_levels levels = {NULL, NULL, 0, 0};
    for (int again = 0; again < 2; again++) { /* the second time into used buffers */
        tw_err err = {0, NULL, 0};
        const uint8_t *p = tw_levels_parse(start, end, &price, &lot, &levels, &err);
        found.digest = 0;
        if (!p) {
            FUZZ_CHECK(err.code && err.at >= start && err.at <= end, "an error somewhere");
            mix(&found.digest, err.code == TW_OFF_PRICE ? 1 : err.code == TW_OFF_SIZE ? 2 : 3);
            if (err.code == TW_OFF_PRICE || err.code == TW_OFF_SIZE) {
                FUZZ_CHECK(err.decimals >= 0 && err.decimals <= 18, "decimals of a misfit");
                mix(&found.digest, err.decimals);
            }
            continue;
        }
        FUZZ_CHECK(p > start && p <= end && p[-1] == ']', "the end of the array");
        FUZZ_CHECK(levels.count <= levels.room, "more levels than room");
        tw_err unused;
        FUZZ_CHECK(tw_skip(start, end, &unused) == p, "what is taken for levels is an array");
        found.at = p - start;
        mix(&found.digest, levels.count);
        for (ptrdiff_t i = 0; i < levels.count; i++) {
            mix(&found.digest, levels.prices[i]);
            mix(&found.digest, levels.sizes[i]);
        }
    }
    tw_levels_free(&levels);
    free(start);
    return found;
}

FUZZ_TARGET(FUZZ_NO_REFERENCE)
