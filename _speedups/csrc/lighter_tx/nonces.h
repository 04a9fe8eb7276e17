/* Where k comes from: fresh randomness of the operating system, hedged with the key and the message.
 *
 *     k = the first 319 bits of HMAC-SHA-512(private key, input), drawn again unless 1 <= k < n
 *     input = random 32 | message 40 | counter 8 | time 8 | process 8 | purpose 1
 *
 * Good randomness alone makes k uniform and unpredictable. Should it fail, k is still a secret
 * function of the key that differs for every message, as with deterministic signatures; for a k made
 * before its message is known, the counter, the time and the process take the message's place.
 *
 * Randomness is fetched in small portions and each byte is wiped as it is used. A portion does not
 * survive a fork: parent and child would otherwise draw the same.
 */
#ifndef LTX_NONCES_H
#define LTX_NONCES_H

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <sys/random.h>
#endif

#include "lighter/schnorr.h"
#include "sha512.h"

enum { LTX_RANDOM = 32, LTX_ENTROPY = 256 }; /* 256 is the most getentropy gives at once */

/* How many forks lie between the process that loaded this module and this one. Written only by a
 * child before it has a second thread. */
static volatile uint64_t ltx_generation = 0;

static void ltx_after_fork(void) { ltx_generation++; }

/* Have forks counted; to be called once. 0, or an errno. */
static inline int ltx_watch_forks(void) { return pthread_atfork(NULL, NULL, ltx_after_fork); }

typedef struct {
    uint64_t generation;
    size_t left;
    uint8_t bytes[LTX_ENTROPY];
} ltx_entropy;

static inline void ltx_entropy_drop(ltx_entropy *e) {
    lt_wipe(e->bytes, sizeof e->bytes);
    e->left = 0;
    e->generation = ltx_generation;
}

/* Move 32 random bytes to `out`; -1 with errno if the system gives none. */
static inline int ltx_entropy_take(ltx_entropy *e, uint8_t out[LTX_RANDOM]) {
    uint8_t *from;
    if (e->generation != ltx_generation)
        ltx_entropy_drop(e);
    if (e->left < LTX_RANDOM) {
        if (getentropy(e->bytes, sizeof e->bytes) != 0)
            return -1;
        e->left = sizeof e->bytes;
    }
    e->left -= LTX_RANDOM;
    from = e->bytes + e->left;
    memcpy(out, from, LTX_RANDOM);
    lt_wipe(from, LTX_RANDOM);
    return 0;
}

enum { LTX_PURPOSE_SIGN = 1, LTX_PURPOSE_POOL = 2 };

/* Draw k, 1 <= k < n. `message` may be NULL for a k that is made in advance; then `counter` must never
 * be the same twice for one key in one process. -1 with errno if there is no randomness.
 *
 * The same operations for every key and every k, but for the loop, which reveals only how often a
 * value was out of range: about once in 2^30. */
static inline int ltx_draw(uint8_t k[40], const ltx_hmac *mac, ltx_entropy *entropy,
                           const uint64_t message[5], uint64_t counter) {
    uint8_t input[LTX_RANDOM + 40 + 8 + 8 + 8 + 1], output[LTX_SHA512_SIZE] = {0};
    struct timespec now = {0, 0};
    uint64_t details[3];
    int valid = 0, failed = 0;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    details[0] = counter;
    details[1] = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    details[2] = (uint64_t)getpid();
    while (!valid && !failed) {
        failed = ltx_entropy_take(entropy, input);
        if (failed)
            break;
        if (message)
            lt_store320(input + LTX_RANDOM, message);
        else
            memset(input + LTX_RANDOM, 0, 40);
        memcpy(input + LTX_RANDOM + 40, details, sizeof details);
        input[sizeof input - 1] = message ? LTX_PURPOSE_SIGN : LTX_PURPOSE_POOL;
        ltx_hmac_sign(output, mac, input, sizeof input);
        memcpy(k, output, 40);
        k[39] &= 0x7F;
        valid = lt_scalar_is_valid(k);
        LT_PUBLIC(&valid, sizeof valid);
    }
    lt_wipe(input, sizeof input);
    lt_wipe(output, sizeof output);
    return failed;
}

/* Everything secret of a signer, in one place. To be wiped. */
typedef struct {
    lt_key key;
    ltx_hmac mac;
    ltx_entropy entropy;
} ltx_secret;

/* -1 if the key is 0 mod n. */
static inline int ltx_secret_load(ltx_secret *secret, const uint8_t key[40]) {
    if (lt_key_load(&secret->key, key) != 0)
        return -1;
    ltx_hmac_load(&secret->mac, key, 40);
    secret->entropy.generation = ltx_generation;
    secret->entropy.left = 0;
    return 0;
}

/* Make a nonce for a message. -1 with errno if there is no randomness. */
static inline int ltx_nonce_for(lt_nonce *nonce, const ltx_secret *secret, ltx_entropy *entropy,
                                const uint64_t message[5], uint64_t counter) {
    uint8_t k[40];
    int failed = ltx_draw(k, &secret->mac, entropy, message, counter);
    if (!failed)
        failed = lt_nonce_make(nonce, k);
    lt_wipe(k, sizeof k);
    return failed;
}

enum { LTX_TOGETHER = 64 }; /* nonces made at once: bounds the secrets outside the pool */

/* Make up to LTX_TOGETHER nonces, for messages of five words each, or for none yet (NULL). */
static inline int ltx_nonces_for(lt_nonce *nonces, const ltx_secret *secret, ltx_entropy *entropy,
                                 const uint64_t *messages, size_t n, uint64_t counter) {
    uint8_t k[LTX_TOGETHER * 40];
    size_t i;
    int failed = 0;
    for (i = 0; i < n && !failed; i++)
        failed = ltx_draw(k + 40 * i, &secret->mac, entropy, messages ? messages + 5 * i : NULL,
                          counter + i);
    if (!failed)
        lt_nonce_make_many(nonces, k, n);
    lt_wipe(k, sizeof k);
    return failed;
}

#endif
