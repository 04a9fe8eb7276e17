/* Signing many checked transactions, without Python. */
#ifndef LTX_BATCH_H
#define LTX_BATCH_H

#include "hash.h"
#include "nonces.h"

/* Sign `n` transactions. The first `ready_count` take the nonces in `ready`, which are wiped as
 * they are used; the others get nonces of their own, made together and from randomness that only
 * this call sees. Reads `secret` only, so several threads may do this with one signer. -1 with
 * errno if there is no randomness: then nothing of `signatures` may be used. */
static inline int ltx_sign_all(uint8_t (*signatures)[80], uint64_t (*messages)[5],
                               const ltx_tx *transactions, size_t n, uint64_t chain_id,
                               const ltx_secret *secret, lt_nonce *ready, size_t ready_count,
                               uint64_t counter) {
    lt_nonce made[TW_TOGETHER];
    tw_entropy entropy;
    size_t i, done;
    int failed = 0;
    tw_entropy_drop(&entropy);
    for (i = 0; i < n; i++)
        ltx_hash(messages[i], &transactions[i], chain_id);
    for (i = 0; i < ready_count; i++) {
        lt_sign(signatures[i], &secret->key, &ready[i], messages[i]);
        tw_wipe(&ready[i], sizeof ready[i]);
    }
    for (done = ready_count; done < n && !failed; done += TW_TOGETHER) {
        size_t count = n - done < TW_TOGETHER ? n - done : TW_TOGETHER;
        failed = ltx_nonces_for(made, secret, &entropy, messages[done], count, counter + done);
        for (i = 0; i < count && !failed; i++)
            lt_sign(signatures[done + i], &secret->key, &made[i], messages[done + i]);
    }
    tw_wipe(made, sizeof made);
    tw_entropy_drop(&entropy);
    return failed;
}

#endif
