/* Signing many encoded actions, without Python. */
#ifndef HL_BATCH_H
#define HL_BATCH_H

#include "digest.h"
#include "secp256k1/nonces.h"

/* Sign `n` actions, each with what follows it; action i ends at `ends[i]` and the next begins there. The
 * first `ready_count` take the nonces in `ready`, which are wiped as they are used; the others get
 * those of RFC 6979. Reads `secret` only, so several threads may do this with one signer. -1 if a
 * signature could not be made: then none of them may be used. */
static inline int hl_sign_all(sk_signature *signatures, const uint8_t *actions, const size_t *ends,
                              size_t n, int mainnet, const sk_secret *secret,
                              const sk_library *library, sk_nonce *ready, size_t ready_count) {
    size_t i, start = 0;
    int failed = 0;
    for (i = 0; i < n && !failed; i++) {
        uint8_t digest[32];
        sk_nonce made, *nonce = i < ready_count ? &ready[i] : &made;
        tw_keccak256(digest, actions + start, ends[i] - start);
        start = ends[i];
        hl_l1_digest(digest, digest, mainnet);
        if (i >= ready_count)
            failed = sk_nonce_for(&made, secret, digest, library);
        if (!failed)
            failed = sk_sign(&signatures[i], nonce, digest);
        tw_wipe(nonce, sizeof *nonce);
    }
    return failed;
}

#endif
