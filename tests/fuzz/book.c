/* The order book against a plain list of levels: same levels, same best, invariants hold. */
#include "fuzz.h"
#include "ladder.h"

#define MANY 512

typedef struct {
    int64_t price, size;
} level;

typedef struct {
    level levels[MANY];
    int count;
} list;

static void list_set(list *l, int64_t price, int64_t size) {
    int i;
    for (i = 0; i < l->count; i++)
        if (l->levels[i].price == price)
            break;
    if (i < l->count && size) {
        l->levels[i].size = size;
    } else if (i < l->count) {
        l->levels[i] = l->levels[--l->count];
    } else if (size) {
        l->levels[l->count].price = price;
        l->levels[l->count++].size = size;
    }
}

static void whole(const tw_side *s) {
    const char *broken = tw_side_broken(s);
    FUZZ_CHECK(!broken, broken);
}

static void check_same(const tw_side *s, const list *l, int bids) {
    static tw_level out[MANY + 1];
    ptrdiff_t n = tw_side_levels(s, out, MANY + 1), i;
    FUZZ_CHECK(n == l->count && tw_side_count(s) == l->count, "the number of levels");
    for (i = 0; i < n; i++) {
        FUZZ_CHECK(tw_side_size(s, out[i].key) == out[i].size, "a level has two sizes");
        if (i)
            FUZZ_CHECK(bids ? out[i].key < out[i - 1].key : out[i].key > out[i - 1].key, "best first");
    }
    for (i = 0; i < l->count; i++)
        FUZZ_CHECK(tw_side_size(s, l->levels[i].price) == l->levels[i].size, "a wrong size");
}

/* Each command is 4 bytes: side and kind of price, two bytes of price, size. */
static outcome run(const uint8_t *data, size_t size) {
    outcome found = {0, 0};
    static const int64_t origins[] = {0, 1000000, INT64_MAX, INT64_MIN, -40000, 1LL << 62, 16384, 64};
    list lists[2];
    tw_book *book = tw_book_new();
    size_t i, steps = 0;
    FUZZ_CHECK(book, "no memory");
    lists[0].count = lists[1].count = 0;
    for (i = 0; i + 4 <= size && steps < MANY; i += 4, steps++) {
        int side = data[i] & 1, code;
        uint64_t offset = (uint64_t)data[i + 1] | (uint64_t)data[i + 2] << 8;
        uint64_t origin = (uint64_t)origins[data[i] >> 1 & 7];
        int64_t price = (int64_t)(data[i] & 16 ? origin - offset : origin + offset);
        int64_t lots = data[i + 3] < 64 ? 0 : data[i + 3];
        tw_side *s = &book->side[side];
        if ((data[i] & 0xE0) == 0xE0) { /* now and then all of it goes */
            tw_side_clear(s);
            lists[side].count = 0;
            continue;
        }
        code = tw_side_prepare(s, &lots, 1, tw_side_count(s), 1 << 20);
        FUZZ_CHECK(code == TW_BOOK_OK, "a good change is refused");
        tw_side_apply(s, &price, &lots, 1, 1);
        list_set(&lists[side], price, lots);
        if (steps % 64 == 0) /* looks at every tick of the window */
            whole(s);
    }
    whole(&book->side[0]);
    whole(&book->side[1]);
    check_same(&book->side[0], &lists[0], 1);
    check_same(&book->side[1], &lists[1], 0);
    for (i = 0; i < 2; i++)
        mix(&found.digest, book->side[i].best);
    found.at = (long)steps;
    tw_book_free(book);
    return found;
}

FUZZ_TARGET(FUZZ_NO_REFERENCE)
