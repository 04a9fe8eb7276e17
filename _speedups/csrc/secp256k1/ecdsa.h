/* ECDSA over secp256k1: signatures with low s and a recovery id.
 *
 *     r = x(k * G) mod n    s = (z + r * key) / k mod n    z = digest mod n
 *
 * Everything that does not depend on the digest is done when the nonce is made: a nonce holds 1/k and
 * r * key / k, and signing costs one product and one sum. Secret are the key, k and both of these:
 * one of them and a signature give the key away.
 *
 * All but k * G, which is the library's, is here; the same operations for every key and every k.
 */
#ifndef SK_ECDSA_H
#define SK_ECDSA_H

#include "inverse.h"
#include "library.h"

/* A private key, as Montgomery products want it. To be wiped. */
typedef struct {
    uint64_t montgomery[4];
} sk_key;

/* What remains of a secret k for one signature. To be wiped, and never used again. */
typedef struct {
    uint64_t inverse[4]; /* 1/k, times 2^256 */
    uint64_t product[4]; /* r * key / k */
    uint8_t r[32];       /* public */
    int recovery;        /* public: bit 0 y is odd, bit 1 x was n or more */
} sk_nonce;

typedef struct {
    uint8_t r[32], s[32]; /* most significant byte first */
    int recovery;         /* 0 to 3 */
} sk_signature;

/* 1 if the 32 bytes are a number from 1 to n - 1, else 0. Without a branch on it; what the caller does
 * with the answer is public. */
TW_FUNCTION int sk_scalar_is_valid(const uint8_t bytes[32]) {
    uint64_t x[4], valid;
    sk_scalar_load(x, bytes);
    valid = sk_scalar_is_reduced(x) & (sk_scalar_is_zero(x) ^ 1);
    tw_wipe(x, sizeof x);
    return (int)valid;
}

/* Take a private key; -1 if it is 0 or not below n, and only that is revealed. */
TW_FUNCTION int sk_key_load(sk_key *key, const uint8_t bytes[32]) {
    uint64_t x[4];
    int valid = sk_scalar_is_valid(bytes);
    TW_PUBLIC(&valid, sizeof valid);
    if (!valid)
        return -1;
    sk_scalar_load(x, bytes);
    sk_scalar_to_montgomery(key->montgomery, x);
    tw_wipe(x, sizeof x);
    return 0;
}

/* Make a nonce of a secret k; -1 if k is not from 1 to n - 1 (or r would be 0), and only that is
 * revealed: draw another. */
TW_FUNCTION int sk_nonce_make(sk_nonce *nonce, const sk_key *key, const uint8_t k_bytes[32],
                              const sk_library *library) {
    uint64_t k[4], r[4], x[4];
    uint8_t point[64];
    if (sk_generator_mul(library, point, k_bytes) != 0)
        return -1;
    sk_scalar_load(x, point);
    sk_scalar_reduce(r, x);
    if (sk_scalar_is_zero(r))
        return -1;
    nonce->recovery = (point[63] & 1) | (int)(sk_scalar_is_reduced(x) ^ 1) << 1;
    sk_scalar_store(nonce->r, r);
    sk_scalar_load(k, k_bytes);
    sk_scalar_inverse(k, k);
    sk_scalar_to_montgomery(nonce->inverse, k);
    sk_scalar_montmul(nonce->product, r, key->montgomery);
    sk_scalar_montmul(nonce->product, nonce->product, nonce->inverse);
    tw_wipe(k, sizeof k);
    return 0;
}

/* Sign a digest. -1 if s is 0, which nobody will ever see: take another nonce. */
TW_FUNCTION int sk_sign(sk_signature *signature, const sk_nonce *nonce, const uint8_t digest[32]) {
    uint64_t z[4], s[4], negated;
    sk_scalar_load(z, digest);
    sk_scalar_montmul(s, z, nonce->inverse);
    sk_scalar_add(s, s, nonce->product);
    negated = sk_scalar_lower(s, s); /* of s, which is public in either form, as is this bit */
    TW_PUBLIC(s, sizeof s);
    TW_PUBLIC(&negated, sizeof negated);
    memcpy(signature->r, nonce->r, sizeof signature->r);
    sk_scalar_store(signature->s, s);
    signature->recovery = nonce->recovery ^ (int)negated;
    return sk_scalar_is_zero(s) ? -1 : 0;
}

#endif
