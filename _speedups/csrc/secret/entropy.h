/* The operating system's randomness, in small portions, and forks, which must not share any.
 *
 * Each byte is wiped as it is used. A portion does not survive a fork: parent and child would
 * otherwise draw the same.
 */
#ifndef TW_SECRET_ENTROPY_H
#define TW_SECRET_ENTROPY_H

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <sys/random.h>
#endif

#include "word.h"

enum { TW_RANDOM = 32, TW_ENTROPY = 256 }; /* 256 is the most getentropy gives at once */

enum { TW_TOGETHER = 64 }; /* nonces drawn at once: bounds the secrets outside a pool */

/* How many forks lie between the process that loaded this module and this one. Written only by a
 * child before it has a second thread. */
static volatile uint64_t tw_generation = 0;

static void tw_after_fork(void) { tw_generation++; }

/* Have forks counted; to be called once. 0, or an errno. */
static inline int tw_watch_forks(void) { return pthread_atfork(NULL, NULL, tw_after_fork); }

typedef struct {
    uint64_t generation;
    size_t left;
    uint8_t bytes[TW_ENTROPY];
} tw_entropy;

static inline void tw_entropy_drop(tw_entropy *e) {
    tw_wipe(e->bytes, sizeof e->bytes);
    e->left = 0;
    e->generation = tw_generation;
}

/* Move 32 random bytes to `out`; -1 with errno if the system gives none. */
static inline int tw_entropy_take(tw_entropy *e, uint8_t out[TW_RANDOM]) {
    uint8_t *from;
    if (e->generation != tw_generation)
        tw_entropy_drop(e);
    if (e->left < TW_RANDOM) {
        if (getentropy(e->bytes, sizeof e->bytes) != 0)
            return -1;
        e->left = sizeof e->bytes;
    }
    e->left -= TW_RANDOM;
    from = e->bytes + e->left;
    memcpy(out, from, TW_RANDOM);
    tw_wipe(from, TW_RANDOM);
    return 0;
}

#endif
