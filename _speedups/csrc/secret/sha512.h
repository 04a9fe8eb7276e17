/* SHA-512 and HMAC-SHA-512 (FIPS 180-4, RFC 2104), for one short message under a fixed key.
 *
 * Additions, rotations and bit operations on 64-bit words, in the same order for every input:
 * nothing branches on the data or uses it as an index, so key and message may be secret.
 */
#ifndef TW_SECRET_SHA512_H
#define TW_SECRET_SHA512_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "word.h"

enum { TW_SHA512_BLOCK = 128, TW_SHA512_SIZE = 64, TW_HMAC_MESSAGE_MAX = 111 };

static const uint64_t TW_SHA512_START[8] = {
    UINT64_C(0x6a09e667f3bcc908), UINT64_C(0xbb67ae8584caa73b), UINT64_C(0x3c6ef372fe94f82b),
    UINT64_C(0xa54ff53a5f1d36f1), UINT64_C(0x510e527fade682d1), UINT64_C(0x9b05688c2b3e6c1f),
    UINT64_C(0x1f83d9abfb41bd6b), UINT64_C(0x5be0cd19137e2179),
};

static const uint64_t TW_SHA512_ROUND[80] = {
    UINT64_C(0x428a2f98d728ae22), UINT64_C(0x7137449123ef65cd), UINT64_C(0xb5c0fbcfec4d3b2f),
    UINT64_C(0xe9b5dba58189dbbc), UINT64_C(0x3956c25bf348b538), UINT64_C(0x59f111f1b605d019),
    UINT64_C(0x923f82a4af194f9b), UINT64_C(0xab1c5ed5da6d8118), UINT64_C(0xd807aa98a3030242),
    UINT64_C(0x12835b0145706fbe), UINT64_C(0x243185be4ee4b28c), UINT64_C(0x550c7dc3d5ffb4e2),
    UINT64_C(0x72be5d74f27b896f), UINT64_C(0x80deb1fe3b1696b1), UINT64_C(0x9bdc06a725c71235),
    UINT64_C(0xc19bf174cf692694), UINT64_C(0xe49b69c19ef14ad2), UINT64_C(0xefbe4786384f25e3),
    UINT64_C(0x0fc19dc68b8cd5b5), UINT64_C(0x240ca1cc77ac9c65), UINT64_C(0x2de92c6f592b0275),
    UINT64_C(0x4a7484aa6ea6e483), UINT64_C(0x5cb0a9dcbd41fbd4), UINT64_C(0x76f988da831153b5),
    UINT64_C(0x983e5152ee66dfab), UINT64_C(0xa831c66d2db43210), UINT64_C(0xb00327c898fb213f),
    UINT64_C(0xbf597fc7beef0ee4), UINT64_C(0xc6e00bf33da88fc2), UINT64_C(0xd5a79147930aa725),
    UINT64_C(0x06ca6351e003826f), UINT64_C(0x142929670a0e6e70), UINT64_C(0x27b70a8546d22ffc),
    UINT64_C(0x2e1b21385c26c926), UINT64_C(0x4d2c6dfc5ac42aed), UINT64_C(0x53380d139d95b3df),
    UINT64_C(0x650a73548baf63de), UINT64_C(0x766a0abb3c77b2a8), UINT64_C(0x81c2c92e47edaee6),
    UINT64_C(0x92722c851482353b), UINT64_C(0xa2bfe8a14cf10364), UINT64_C(0xa81a664bbc423001),
    UINT64_C(0xc24b8b70d0f89791), UINT64_C(0xc76c51a30654be30), UINT64_C(0xd192e819d6ef5218),
    UINT64_C(0xd69906245565a910), UINT64_C(0xf40e35855771202a), UINT64_C(0x106aa07032bbd1b8),
    UINT64_C(0x19a4c116b8d2d0c8), UINT64_C(0x1e376c085141ab53), UINT64_C(0x2748774cdf8eeb99),
    UINT64_C(0x34b0bcb5e19b48a8), UINT64_C(0x391c0cb3c5c95a63), UINT64_C(0x4ed8aa4ae3418acb),
    UINT64_C(0x5b9cca4f7763e373), UINT64_C(0x682e6ff3d6b2b8a3), UINT64_C(0x748f82ee5defb2fc),
    UINT64_C(0x78a5636f43172f60), UINT64_C(0x84c87814a1f0ab72), UINT64_C(0x8cc702081a6439ec),
    UINT64_C(0x90befffa23631e28), UINT64_C(0xa4506cebde82bde9), UINT64_C(0xbef9a3f7b2c67915),
    UINT64_C(0xc67178f2e372532b), UINT64_C(0xca273eceea26619c), UINT64_C(0xd186b8c721c0c207),
    UINT64_C(0xeada7dd6cde0eb1e), UINT64_C(0xf57d4f7fee6ed178), UINT64_C(0x06f067aa72176fba),
    UINT64_C(0x0a637dc5a2c898a6), UINT64_C(0x113f9804bef90dae), UINT64_C(0x1b710b35131c471b),
    UINT64_C(0x28db77f523047d84), UINT64_C(0x32caab7b40c72493), UINT64_C(0x3c9ebe0a15c9bebc),
    UINT64_C(0x431d67c49c100d4c), UINT64_C(0x4cc5d4becb3e42b6), UINT64_C(0x597f299cfc657e2a),
    UINT64_C(0x5fcb6fab3ad6faec), UINT64_C(0x6c44198c4a475817),
};

static inline uint64_t tw_sha512_rotate(uint64_t x, unsigned by) { return x >> by | x << (64 - by); }

static inline uint64_t tw_load_be(const uint8_t *bytes) {
    uint64_t x = 0;
    int i;
    for (i = 0; i < 8; i++)
        x = x << 8 | bytes[i];
    return x;
}

static inline void tw_store_be(uint8_t *bytes, uint64_t x) {
    int i;
    for (i = 7; i >= 0; i--) {
        bytes[i] = (uint8_t)x;
        x >>= 8;
    }
}

/* One round; the caller rotates the names of the eight variables instead of moving them. */
#define TW_ROUND(a, b, c, d, e, f, g, h, i) \
    do { \
        uint64_t t = (h) + (tw_sha512_rotate(e, 14) ^ tw_sha512_rotate(e, 18) ^ tw_sha512_rotate(e, 41)) + \
                     ((g) ^ ((e) & ((f) ^ (g)))) + TW_SHA512_ROUND[(i)] + w[(i) & 15]; \
        (d) += t; \
        (h) = t + (tw_sha512_rotate(a, 28) ^ tw_sha512_rotate(a, 34) ^ tw_sha512_rotate(a, 39)) + \
              (((a) & (b)) | ((c) & ((a) | (b)))); \
    } while (0)

static inline void tw_sha512_block(uint64_t state[8], const uint8_t block[TW_SHA512_BLOCK]) {
    uint64_t w[16];
    uint64_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint64_t e = state[4], f = state[5], g = state[6], h = state[7];
    int i, j;
    for (i = 0; i < 16; i++)
        w[i] = tw_load_be(block + 8 * i);
    for (i = 0; i < 80; i += 8) {
        for (j = i; i >= 16 && j < i + 8; j++) {
            uint64_t early = w[(j + 1) & 15], late = w[(j + 14) & 15];
            w[j & 15] += (tw_sha512_rotate(early, 1) ^ tw_sha512_rotate(early, 8) ^ early >> 7) +
                         (tw_sha512_rotate(late, 19) ^ tw_sha512_rotate(late, 61) ^ late >> 6) +
                         w[(j + 9) & 15];
        }
        TW_ROUND(a, b, c, d, e, f, g, h, i);
        TW_ROUND(h, a, b, c, d, e, f, g, i + 1);
        TW_ROUND(g, h, a, b, c, d, e, f, i + 2);
        TW_ROUND(f, g, h, a, b, c, d, e, i + 3);
        TW_ROUND(e, f, g, h, a, b, c, d, i + 4);
        TW_ROUND(d, e, f, g, h, a, b, c, i + 5);
        TW_ROUND(c, d, e, f, g, h, a, b, i + 6);
        TW_ROUND(b, c, d, e, f, g, h, a, i + 7);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
    tw_wipe(w, sizeof w);
}

#undef TW_ROUND

/* The states after the key's block of the inner and the outer hash: as secret as the key. */
typedef struct {
    uint64_t inner[8], outer[8];
} tw_hmac;

/* Take a key of at most one block. */
static inline void tw_hmac_load(tw_hmac *mac, const uint8_t *key, size_t size) {
    uint8_t block[TW_SHA512_BLOCK];
    size_t i;
    memset(block, 0x36, sizeof block);
    for (i = 0; i < size; i++)
        block[i] ^= key[i];
    memcpy(mac->inner, TW_SHA512_START, sizeof mac->inner);
    tw_sha512_block(mac->inner, block);
    for (i = 0; i < sizeof block; i++)
        block[i] ^= 0x36 ^ 0x5C;
    memcpy(mac->outer, TW_SHA512_START, sizeof mac->outer);
    tw_sha512_block(mac->outer, block);
    tw_wipe(block, sizeof block);
}

/* Hash a last block of `size` bytes, at most TW_HMAC_MESSAGE_MAX, that follows one full block. */
static inline void tw_sha512_finish(uint8_t out[TW_SHA512_SIZE], const uint64_t start[8],
                                     const uint8_t *message, size_t size) {
    uint8_t block[TW_SHA512_BLOCK] = {0};
    uint64_t state[8];
    int i;
    memcpy(state, start, sizeof state);
    memcpy(block, message, size);
    block[size] = 0x80;
    tw_store_be(block + TW_SHA512_BLOCK - 8, 8 * (TW_SHA512_BLOCK + (uint64_t)size));
    tw_sha512_block(state, block);
    for (i = 0; i < 8; i++)
        tw_store_be(out + 8 * i, state[i]);
    tw_wipe(block, sizeof block);
    tw_wipe(state, sizeof state);
}

/* HMAC-SHA-512 of a message of at most TW_HMAC_MESSAGE_MAX bytes: two blocks in all. */
static inline void tw_hmac_sign(uint8_t out[TW_SHA512_SIZE], const tw_hmac *mac,
                                 const uint8_t *message, size_t size) {
    uint8_t inner[TW_SHA512_SIZE];
    tw_sha512_finish(inner, mac->inner, message, size);
    tw_sha512_finish(out, mac->outer, inner, sizeof inner);
    tw_wipe(inner, sizeof inner);
}

#endif
