/* Where k comes from: RFC 6979 for a known digest, fresh randomness for one that is not known yet.
 *
 * Known digest: HMAC-SHA-256 of key and digest as in RFC 6979, section 3.2, without additional data:
 * the same key and digest always give the same signature, bit for bit that of libsecp256k1.
 *
 * In advance, for a pool:
 *
 *     k = the first 32 bytes of HMAC-SHA-512(private key, input), drawn again unless 1 <= k < n
 *     input = random 32 | counter 8 | time 8 | process 8 | purpose 1
 *
 * Good randomness alone makes k uniform and unpredictable. Should it fail, k is still a secret function
 * of the key that differs each time, by counter, time and process.
 */
#ifndef SK_NONCES_H
#define SK_NONCES_H

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "ecdsa.h"
#include "secret/entropy.h"
#include "secret/sha512.h"
#include "sha256.h"

/* Everything secret of a signer, in one place. To be wiped. */
typedef struct {
    sk_key key;
    tw_hmac pool_mac;
    /* RFC 6979's first HMAC, whose own key is zero, after the first block of V | 00 | key | digest,
     * which holds all of the private key but its last byte. */
    sk_hmac first;
    uint8_t key_bytes[32];
    tw_entropy entropy;
} sk_secret;

/* V | a byte | key | digest: two HMACs of RFC 6979 are of such a message. */
enum { SK_SEED = 32 + 1 + 32 + 32, SK_PURPOSE_POOL = 3, SK_TRIES = 16 };

TW_INLINE void sk_seed(uint8_t out[SK_SEED], const uint8_t v[32], uint8_t byte,
                       const uint8_t key[32], const uint8_t digest[32]) {
    memcpy(out, v, 32);
    out[32] = byte;
    memcpy(out + 33, key, 32);
    memcpy(out + 65, digest, 32);
}

/* -1 if the key is 0 or not below n. */
TW_FUNCTION int sk_secret_load(sk_secret *secret, const uint8_t key[32]) {
    static const uint8_t zero[32] = {0};
    uint8_t v[32], seed[SK_SEED];
    if (sk_key_load(&secret->key, key) != 0)
        return -1;
    memcpy(secret->key_bytes, key, 32);
    tw_hmac_load(&secret->pool_mac, key, 32);
    memset(v, 1, sizeof v);
    sk_seed(seed, v, 0, key, zero);
    sk_hmac_load(&secret->first, zero);
    sk_sha256_block(&secret->first.inner, seed);
    secret->entropy.generation = tw_generation;
    secret->entropy.left = 0;
    tw_wipe(seed, sizeof seed);
    return 0;
}

/* Make the nonce that RFC 6979 gives for a digest.
 *
 * The same operations for every key and digest, but for the loop, which reveals only how often a
 * value was out of range: about once in 2^127. -1 if the library refuses a k in range, which it does
 * not. */
TW_FUNCTION int sk_nonce_for(sk_nonce *nonce, const sk_secret *secret, const uint8_t digest[32],
                             const sk_library *library) {
    uint8_t k[32], v[32], z[32], seed[SK_SEED];
    uint64_t words[4];
    sk_hmac mac;
    int tries, made = -1;
    sk_scalar_load(words, digest);
    sk_scalar_reduce(words, words);
    sk_scalar_store(z, words);
    memset(v, 1, sizeof v);
    sk_seed(seed, v, 0, secret->key_bytes, z);
    sk_sha256_finish(k, &secret->first.inner, seed + SK_SHA256_BLOCK, SK_SEED - SK_SHA256_BLOCK, 2);
    sk_sha256_finish(k, &secret->first.outer, k, 32, 1);
    sk_hmac_load(&mac, k);
    sk_hmac_sign(v, &mac, v, 0, 32);
    sk_seed(seed, v, 1, secret->key_bytes, z);
    sk_hmac_sign(k, &mac, seed, 1, SK_SEED - SK_SHA256_BLOCK);
    sk_hmac_load(&mac, k);
    sk_hmac_sign(v, &mac, v, 0, 32);
    for (tries = 0; made != 0 && tries < SK_TRIES; tries++) {
        sk_hmac_sign(v, &mac, v, 0, 32);
        made = sk_nonce_make(nonce, &secret->key, v, library);
        if (made != 0) { /* K = HMAC(K, V | 00), V = HMAC(K, V) */
            memcpy(seed, v, 32);
            seed[32] = 0;
            sk_hmac_sign(k, &mac, seed, 0, 33);
            sk_hmac_load(&mac, k);
            sk_hmac_sign(v, &mac, v, 0, 32);
        }
    }
    tw_wipe(k, sizeof k);
    tw_wipe(v, sizeof v);
    tw_wipe(seed, sizeof seed);
    tw_wipe(&mac, sizeof mac);
    return made;
}

/* Draw a nonce for a digest that is not known yet. `counter` must never be the same twice for one key
 * in one process. -1 with errno if there is no randomness, or a library that refuses every k. */
TW_FUNCTION int sk_nonce_draw(sk_nonce *nonce, const sk_secret *secret, tw_entropy *entropy,
                              uint64_t counter, const sk_library *library) {
    uint8_t input[TW_RANDOM + 8 + 8 + 8 + 1], output[TW_SHA512_SIZE];
    struct timespec now = {0, 0};
    uint64_t details[3];
    int tries, made = -1;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    details[0] = counter;
    details[1] = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    details[2] = (uint64_t)getpid();
    for (tries = 0; made != 0 && tries < SK_TRIES; tries++) {
        if (tw_entropy_take(entropy, input) != 0)
            break; /* errno is set */
        errno = EIO;
        memcpy(input + TW_RANDOM, details, sizeof details);
        input[sizeof input - 1] = SK_PURPOSE_POOL;
        tw_hmac_sign(output, &secret->pool_mac, input, sizeof input);
        made = sk_nonce_make(nonce, &secret->key, output, library);
        tw_wipe(output, sizeof output);
    }
    tw_wipe(input, sizeof input);
    return made;
}

#endif
