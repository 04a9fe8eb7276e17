/* UTF-8 validation against a decoder that makes a code point of every sequence. */
#include "fuzz.h"
#include "utf8.h"

static outcome run(const uint8_t *data, size_t size) {
    uint8_t *start = exactly(data, size);
    outcome found = {tw_utf8_error(start, (ptrdiff_t)size), 0};
    free(start);
    return found;
}

#ifndef PORTABLE
static void reference(const uint8_t *data, size_t size, outcome found) {
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    size_t i = 0;
    while (i < size) {
        uint32_t c = data[i];
        size_t more = c < 0x80 ? 0 : c >> 5 == 6 ? 1 : c >> 4 == 14 ? 2 : c >> 3 == 30 ? 3 : 9;
        if (more == 9 || more >= size - i)
            break;
        c &= more ? 0x3Fu >> more : 0x7F;
        size_t k;
        for (k = 1; k <= more && data[i + k] >> 6 == 2; k++)
            c = c << 6 | (data[i + k] & 0x3F);
        if (k <= more || c < least[more] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
            break;
        i += more + 1;
    }
    FUZZ_CHECK((long)i == found.at, "the first byte that does not fit");
}
#endif

FUZZ_TARGET(reference)
