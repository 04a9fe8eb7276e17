/* SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104) for messages of a few blocks.
 *
 * Additions, rotations and bit operations on 32-bit words, in the same order for every input of one
 * length: nothing branches on the data or uses it as an index, so keys and messages may be secret.
 */
#ifndef SK_SHA256_H
#define SK_SHA256_H

#include "secret/word.h"

enum { SK_SHA256_BLOCK = 64, SK_SHA256_SIZE = 32, SK_SHA256_LAST_MAX = 55 };

typedef struct {
    uint32_t word[8];
} sk_sha256;

static const sk_sha256 SK_SHA256_START = {{
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
    0x1f83d9ab, 0x5be0cd19,
}};

static const uint32_t SK_SHA256_ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

TW_INLINE uint32_t sk_rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

/* One round; the caller rotates the names of the eight variables instead of moving them. */
#define SK_ROUND(a, b, c, d, e, f, g, h, i) \
    do { \
        uint32_t t = (h) + (sk_rotate(e, 6) ^ sk_rotate(e, 11) ^ sk_rotate(e, 25)) + \
                     ((g) ^ ((e) & ((f) ^ (g)))) + SK_SHA256_ROUND[(i)] + w[(i) & 15]; \
        (d) += t; \
        (h) = t + (sk_rotate(a, 2) ^ sk_rotate(a, 13) ^ sk_rotate(a, 22)) + \
              (((a) & (b)) | ((c) & ((a) | (b)))); \
    } while (0)

/* Take one block into the state. */
TW_FUNCTION void sk_sha256_block(sk_sha256 *state, const uint8_t block[SK_SHA256_BLOCK]) {
    uint32_t *s = state->word, w[16];
    uint32_t a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
    int i, j;
    for (i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | (uint32_t)block[4 * i + 3];
    for (i = 0; i < 64; i += 16) {
        for (j = 0; i && j < 16; j++) {
            uint32_t early = w[(j + 1) & 15], late = w[(j + 14) & 15];
            w[j] += (sk_rotate(early, 7) ^ sk_rotate(early, 18) ^ early >> 3) +
                    (sk_rotate(late, 17) ^ sk_rotate(late, 19) ^ late >> 10) + w[(j + 9) & 15];
        }
        for (j = 0; j < 16; j += 8) {
            SK_ROUND(a, b, c, d, e, f, g, h, i + j);
            SK_ROUND(h, a, b, c, d, e, f, g, i + j + 1);
            SK_ROUND(g, h, a, b, c, d, e, f, i + j + 2);
            SK_ROUND(f, g, h, a, b, c, d, e, i + j + 3);
            SK_ROUND(e, f, g, h, a, b, c, d, i + j + 4);
            SK_ROUND(d, e, f, g, h, a, b, c, i + j + 5);
            SK_ROUND(c, d, e, f, g, h, a, b, i + j + 6);
            SK_ROUND(b, c, d, e, f, g, h, a, i + j + 7);
        }
    }
    s[0] += a;
    s[1] += b;
    s[2] += c;
    s[3] += d;
    s[4] += e;
    s[5] += f;
    s[6] += g;
    s[7] += h;
    tw_wipe(w, sizeof w);
}

#undef SK_ROUND

/* Take the last `size` bytes, at most SK_SHA256_LAST_MAX, after `blocks` blocks; write the hash. */
TW_INLINE void sk_sha256_finish(uint8_t out[SK_SHA256_SIZE], const sk_sha256 *start,
                                const uint8_t *last, size_t size, size_t blocks) {
    uint8_t block[SK_SHA256_BLOCK] = {0};
    uint64_t bits = 8 * (SK_SHA256_BLOCK * (uint64_t)blocks + size);
    sk_sha256 state = *start;
    int i;
    memcpy(block, last, size);
    block[size] = 0x80;
    for (i = 0; i < 8; i++)
        block[SK_SHA256_BLOCK - 1 - i] = (uint8_t)(bits >> (8 * i));
    sk_sha256_block(&state, block);
    for (i = 0; i < SK_SHA256_SIZE; i++)
        out[i] = (uint8_t)(state.word[i / 4] >> (8 * (3 - i % 4)));
    tw_wipe(block, sizeof block);
    tw_wipe(&state, sizeof state);
}

/* The states after the key's block of the inner and the outer hash: as secret as the key. */
typedef struct {
    sk_sha256 inner, outer;
} sk_hmac;

/* Take a key of 32 bytes. */
TW_INLINE void sk_hmac_load(sk_hmac *mac, const uint8_t key[32]) {
    uint8_t block[SK_SHA256_BLOCK];
    size_t i;
    memset(block, 0x36, sizeof block);
    for (i = 0; i < 32; i++)
        block[i] ^= key[i];
    mac->inner = SK_SHA256_START;
    sk_sha256_block(&mac->inner, block);
    for (i = 0; i < sizeof block; i++)
        block[i] ^= 0x36 ^ 0x5C;
    mac->outer = SK_SHA256_START;
    sk_sha256_block(&mac->outer, block);
    tw_wipe(block, sizeof block);
}

/* HMAC of a message of `blocks` whole blocks and `size` bytes, at most SK_SHA256_LAST_MAX. */
TW_INLINE void sk_hmac_sign(uint8_t out[SK_SHA256_SIZE], const sk_hmac *mac, const uint8_t *message,
                            size_t blocks, size_t size) {
    uint8_t hash[SK_SHA256_SIZE];
    sk_sha256 state = mac->inner;
    size_t i;
    for (i = 0; i < blocks; i++)
        sk_sha256_block(&state, message + SK_SHA256_BLOCK * i);
    sk_sha256_finish(hash, &state, message + SK_SHA256_BLOCK * blocks, size, blocks + 1);
    sk_sha256_finish(out, &mac->outer, hash, sizeof hash, 1);
    tw_wipe(hash, sizeof hash);
    tw_wipe(&state, sizeof state);
}

#endif
