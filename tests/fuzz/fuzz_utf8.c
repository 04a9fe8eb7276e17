/* UTF-8 against a decoder that takes one code point at a time. */
#include "utf8.h"

#include "common.h"

static size_t slow(const uint8_t *p, size_t n) {
    size_t i = 0;
    while (i < n) {
        uint32_t point;
        size_t more, k;
        uint8_t c = p[i];
        if (c < 0x80) {
            i++;
            continue;
        }
        if ((c & 0xE0) == 0xC0)
            more = 1, point = c & 0x1F;
        else if ((c & 0xF0) == 0xE0)
            more = 2, point = c & 0x0F;
        else if ((c & 0xF8) == 0xF0)
            more = 3, point = c & 0x07;
        else
            return i;
        for (k = 1; k <= more; k++) {
            if (i + k >= n || (p[i + k] & 0xC0) != 0x80)
                return i;
            point = point << 6 | (p[i + k] & 0x3F);
        }
        if (point < (more == 1 ? 0x80u : more == 2 ? 0x800u : 0x10000u) || point > 0x10FFFF ||
            (point >= 0xD800 && point < 0xE000))
            return i;
        i += more + 1;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *copy = exact_copy(data, size);
    CHECK((size_t)tw_utf8_error(copy, (ptrdiff_t)size) == slow(copy, size));
    free(copy);
    return 0;
}
