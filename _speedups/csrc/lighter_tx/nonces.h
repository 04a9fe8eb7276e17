/* Where k comes from: the operating system's randomness, hedged with the key and the message.
 *
 *     k = the first 319 bits of HMAC-SHA-512(private key, input), drawn again unless 1 <= k < n
 *     input = random 32 | message 40 | counter 8 | time 8 | process 8 | purpose 1
 *
 * Good randomness alone makes k uniform and unpredictable. Should it fail, k is still a secret
 * function of the key that differs for every message, as with deterministic signatures; for a k
 * made before its message is known, the counter, the time and the process take its place.
 */
#ifndef LTX_NONCES_H
#define LTX_NONCES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lighter/schnorr.h"
#include "secret/entropy.h"
#include "secret/sha512.h"

enum { LTX_PURPOSE_SIGN = 1, LTX_PURPOSE_POOL = 2 };

/* Draw k, 1 <= k < n. `message` may be NULL for a k that is made in advance; then `counter` must
 * never be the same twice for one key in one process. -1 with errno if there is no randomness.
 *
 * The same operations for every key and every k, but for the loop, which reveals only how often a
 * value was out of range: about once in 2^30. */
static inline int ltx_draw(uint8_t k[40], const tw_hmac *mac, tw_entropy *entropy,
                           const uint64_t message[5], uint64_t counter) {
    uint8_t input[TW_RANDOM + 40 + 8 + 8 + 8 + 1], output[TW_SHA512_SIZE] = {0};
    struct timespec now = {0, 0};
    uint64_t details[3];
    int valid = 0, failed = 0;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    details[0] = counter;
    details[1] = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    details[2] = (uint64_t)getpid();
    while (!valid && !failed) {
        failed = tw_entropy_take(entropy, input);
        if (failed)
            break;
        if (message)
            tw_store320(input + TW_RANDOM, message);
        else
            memset(input + TW_RANDOM, 0, 40);
        memcpy(input + TW_RANDOM + 40, details, sizeof details);
        input[sizeof input - 1] = message ? LTX_PURPOSE_SIGN : LTX_PURPOSE_POOL;
        tw_hmac_sign(output, mac, input, sizeof input);
        memcpy(k, output, 40);
        k[39] &= 0x7F;
        valid = lt_scalar_is_valid(k);
        TW_PUBLIC(&valid, sizeof valid);
    }
    tw_wipe(input, sizeof input);
    tw_wipe(output, sizeof output);
    return failed;
}

/* Everything secret of a signer, in one place. To be wiped. */
typedef struct {
    lt_key key;
    tw_hmac mac;
    tw_entropy entropy;
} ltx_secret;

/* -1 if the key is 0 mod n. */
static inline int ltx_secret_load(ltx_secret *secret, const uint8_t key[40]) {
    if (lt_key_load(&secret->key, key) != 0)
        return -1;
    tw_hmac_load(&secret->mac, key, 40);
    secret->entropy.generation = tw_generation;
    secret->entropy.left = 0;
    return 0;
}

/* Make a nonce for a message. -1 with errno if there is no randomness. */
static inline int ltx_nonce_for(lt_nonce *nonce, const ltx_secret *secret, tw_entropy *entropy,
                                const uint64_t message[5], uint64_t counter) {
    uint8_t k[40];
    int failed = ltx_draw(k, &secret->mac, entropy, message, counter);
    if (!failed)
        failed = lt_nonce_make(nonce, k);
    tw_wipe(k, sizeof k);
    return failed;
}

/* Make up to TW_TOGETHER nonces, for messages of five words each, or for none yet (NULL). */
static inline int ltx_nonces_for(lt_nonce *nonces, const ltx_secret *secret, tw_entropy *entropy,
                                 const uint64_t *messages, size_t n, uint64_t counter) {
    uint8_t k[TW_TOGETHER * 40];
    size_t i;
    int failed = 0;
    for (i = 0; i < n && !failed; i++)
        failed = ltx_draw(k + 40 * i, &secret->mac, entropy, messages ? messages + 5 * i : NULL,
                          counter + i);
    if (!failed)
        lt_nonce_make_many(nonces, k, n);
    tw_wipe(k, sizeof k);
    return failed;
}

#endif
