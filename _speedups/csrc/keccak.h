/* Keccak-256 as Ethereum uses it: Keccak[c=512] with the original padding 0x01, not SHA-3's 0x06.
 *
 * For public data. Takes the same time for every input of one length all the same.
 *
 * No Python headers, no allocation.
 */
#ifndef TW_KECCAK_H
#define TW_KECCAK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { TW_KECCAK_SIZE = 32, TW_KECCAK_RATE = 136 };

static const uint64_t TW_KECCAK_ROUND[24] = {
    UINT64_C(0x0000000000000001), UINT64_C(0x0000000000008082), UINT64_C(0x800000000000808A),
    UINT64_C(0x8000000080008000), UINT64_C(0x000000000000808B), UINT64_C(0x0000000080000001),
    UINT64_C(0x8000000080008081), UINT64_C(0x8000000000008009), UINT64_C(0x000000000000008A),
    UINT64_C(0x0000000000000088), UINT64_C(0x0000000080008009), UINT64_C(0x000000008000000A),
    UINT64_C(0x000000008000808B), UINT64_C(0x800000000000008B), UINT64_C(0x8000000000008089),
    UINT64_C(0x8000000000008003), UINT64_C(0x8000000000008002), UINT64_C(0x8000000000000080),
    UINT64_C(0x000000000000800A), UINT64_C(0x800000008000000A), UINT64_C(0x8000000080008081),
    UINT64_C(0x8000000000008080), UINT64_C(0x0000000080000001), UINT64_C(0x8000000080008008),
};

static inline uint64_t tw_rotate(uint64_t x, unsigned n) { return x << (n & 63) | x >> (-n & 63); }

/* One row of the next state: five lanes of this one, which theta, rho and pi bring together, go
 * through chi. The lanes are given with their columns and their rotations. */
#define TW_KECCAK_ROW(to, l0, c0, n0, l1, c1, n1, l2, c2, n2, l3, c3, n3, l4, c4, n4) \
    do { \
        uint64_t b0 = tw_rotate(a[l0] ^ d[c0], n0), b1 = tw_rotate(a[l1] ^ d[c1], n1); \
        uint64_t b2 = tw_rotate(a[l2] ^ d[c2], n2), b3 = tw_rotate(a[l3] ^ d[c3], n3); \
        uint64_t b4 = tw_rotate(a[l4] ^ d[c4], n4); \
        e[(to) + 0] = b0 ^ (~b1 & b2); \
        e[(to) + 1] = b1 ^ (~b2 & b3); \
        e[(to) + 2] = b2 ^ (~b3 & b4); \
        e[(to) + 3] = b3 ^ (~b4 & b0); \
        e[(to) + 4] = b4 ^ (~b0 & b1); \
    } while (0)

static inline __attribute__((always_inline)) void tw_keccak_round(uint64_t e[25],
                                                                  const uint64_t a[25],
                                                                  uint64_t constant) {
    uint64_t c[5], d[5];
    int x;
    for (x = 0; x < 5; x++)
        c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
    for (x = 0; x < 5; x++)
        d[x] = c[(x + 4) % 5] ^ tw_rotate(c[(x + 1) % 5], 1);
    TW_KECCAK_ROW(0, 0, 0, 0, 6, 1, 44, 12, 2, 43, 18, 3, 21, 24, 4, 14);
    TW_KECCAK_ROW(5, 3, 3, 28, 9, 4, 20, 10, 0, 3, 16, 1, 45, 22, 2, 61);
    TW_KECCAK_ROW(10, 1, 1, 1, 7, 2, 6, 13, 3, 25, 19, 4, 8, 20, 0, 18);
    TW_KECCAK_ROW(15, 4, 4, 27, 5, 0, 36, 11, 1, 10, 17, 2, 15, 23, 3, 56);
    TW_KECCAK_ROW(20, 2, 2, 62, 8, 3, 55, 14, 4, 39, 15, 0, 41, 21, 1, 2);
    e[0] ^= constant;
}

#undef TW_KECCAK_ROW

/* Two rounds at a time, there and back between two states: nothing is copied. */
static inline void tw_keccak_permute(uint64_t state[25]) {
    uint64_t other[25];
    int i;
    for (i = 0; i < 24; i += 2) {
        tw_keccak_round(other, state, TW_KECCAK_ROUND[i]);
        tw_keccak_round(state, other, TW_KECCAK_ROUND[i + 1]);
    }
}

static inline void tw_keccak_absorb(uint64_t state[25], const uint8_t block[TW_KECCAK_RATE]) {
    size_t i;
    int j;
    for (i = 0; i < TW_KECCAK_RATE / 8; i++) {
        uint64_t lane = 0;
        for (j = 7; j >= 0; j--)
            lane = lane << 8 | block[8 * i + (size_t)j];
        state[i] ^= lane;
    }
    tw_keccak_permute(state);
}

/* Hash n bytes; `data` may be NULL if n is 0, and `out` may be part of `data`. */
static inline void tw_keccak256(uint8_t out[TW_KECCAK_SIZE], const uint8_t *data, size_t n) {
    uint64_t state[25] = {0};
    uint8_t last[TW_KECCAK_RATE] = {0};
    size_t i;
    int j;
    while (n >= TW_KECCAK_RATE) {
        tw_keccak_absorb(state, data);
        data += TW_KECCAK_RATE;
        n -= TW_KECCAK_RATE;
    }
    if (n)
        memcpy(last, data, n);
    last[n] ^= 0x01;
    last[TW_KECCAK_RATE - 1] ^= 0x80;
    tw_keccak_absorb(state, last);
    for (i = 0; i < TW_KECCAK_SIZE / 8; i++)
        for (j = 0; j < 8; j++)
            out[8 * i + (size_t)j] = (uint8_t)(state[i] >> (8 * j));
}

#endif
