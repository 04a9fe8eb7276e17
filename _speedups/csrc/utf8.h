/* UTF-8 validation (RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF). */
#ifndef TW_UTF8_H
#define TW_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The index of the first byte that is not part of valid UTF-8, or n where all is well. */
static inline ptrdiff_t tw_utf8_error(const uint8_t *p, ptrdiff_t n) {
    ptrdiff_t i = 0;
    while (i < n) {
        /* Market data is ASCII: 32 bytes a step until a high bit shows. */
        while (n - i >= 32) {
            uint64_t w[4];
            memcpy(w, p + i, 32);
            if ((w[0] | w[1] | w[2] | w[3]) & 0x8080808080808080ULL)
                break;
            i += 32;
        }
        while (i < n && p[i] < 0x80)
            i++;
        if (i == n)
            break;
        uint8_t c = p[i];
        int more;
        uint8_t low = 0x80, high = 0xBF; /* bounds of the second byte */
        if (c >= 0xC2 && c <= 0xDF)
            more = 1;
        else if (c >= 0xE0 && c <= 0xEF) {
            more = 2;
            if (c == 0xE0)
                low = 0xA0;
            else if (c == 0xED)
                high = 0x9F;
        } else if (c >= 0xF0 && c <= 0xF4) {
            more = 3;
            if (c == 0xF0)
                low = 0x90;
            else if (c == 0xF4)
                high = 0x8F;
        } else
            return i;
        if (n - i <= more)
            return i;
        if (p[i + 1] < low || p[i + 1] > high)
            return i;
        for (int k = 2; k <= more; k++)
            if ((p[i + k] & 0xC0) != 0x80)
                return i;
        i += more + 1;
    }
    return n;
}

#endif
