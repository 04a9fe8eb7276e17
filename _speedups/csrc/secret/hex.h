/* Hexadecimal digits to bytes, and back. */
#ifndef TW_SECRET_HEX_H
#define TW_SECRET_HEX_H

#include <stddef.h>
#include <stdint.h>

/* The value of a digit, either case, or 0x100 for any other character. Computed, not looked up:
 * which digit it is shows in no address and decides no branch. */
static inline uint32_t tw_unhex_digit(uint8_t character) {
    uint32_t c = character, letter = c | 0x20;
    /* Outside its range one of the two differences is negative and has its top bit set. */
    uint32_t digit_mask = (((c - '0') | ('9' - c)) >> 31) - 1;
    uint32_t letter_mask = (((letter - 'a') | ('f' - letter)) >> 31) - 1;
    return (digit_mask & (c - '0')) | (letter_mask & (letter - 'a' + 10)) |
           (~(digit_mask | letter_mask) & 0x100);
}

/* Convert 2 * size digits; 0, or -1 if one of the characters is no digit. */
static inline int tw_unhex(uint8_t *out, const char *digits, size_t size) {
    uint32_t bad = 0;
    size_t i;
    for (i = 0; i < size; i++) {
        uint32_t high = tw_unhex_digit((uint8_t)digits[2 * i]);
        uint32_t low = tw_unhex_digit((uint8_t)digits[2 * i + 1]);
        bad |= high | low;
        out[i] = (uint8_t)((high & 15) << 4 | (low & 15));
    }
    return bad & 0x100 ? -1 : 0;
}

/* Write 2 * size lowercase digits and return the place behind them. For public bytes: looks digits up. */
static inline char *tw_put_hex(char *p, const uint8_t *bytes, size_t size) {
    static const char digits[] = "0123456789abcdef";
    size_t i;
    for (i = 0; i < size; i++) {
        *p++ = digits[bytes[i] >> 4];
        *p++ = digits[bytes[i] & 15];
    }
    return p;
}

#endif
