/* Lighter's Schnorr signatures over ECgFp5 with Poseidon2: keys, nonces, signing, verifying.
 *
 * This is the header to include; it brings the others.
 *
 *     r = encode(k * G)    e = hash5(r || message) mod n    s = k - e * key mod n    sig = s || e
 *
 * Secret are the key and k. Everything that touches them does the same operations and touches the
 * same memory whatever they are (the comments of the functions say how), with one exception that
 * is marked TW_PUBLIC: whether a key is 0, or k out of range, is told to the caller. tests/ct
 * proves it on the compiled code. Messages, signatures, public keys and r are public; verifying is
 * not constant-time.
 *
 * No Python headers, no allocation, no state besides the choice of variant.
 */
#ifndef LT_SCHNORR_H
#define LT_SCHNORR_H

#include "curve.h"
#include "poseidon2.h"

/* A private key below n and not 0, and the same times 2^320 for Montgomery products. To wipe. */
typedef struct {
    uint64_t scalar[5];
    uint64_t montgomery[5];
} lt_key;

/* A secret k for one signature, and its public r = encode(k * G). To be wiped. */
typedef struct {
    uint64_t k[5];
    uint64_t r[5];
} lt_nonce;

/* Take a private key, reduced mod n. -1 if it is 0 mod n, and only that is revealed. Reduces by
 * subtractions that are always done and kept by mask. */
TW_FUNCTION int lt_key_load(lt_key *key, const uint8_t bytes[40]) {
    uint64_t zero;
    tw_load320(key->scalar, bytes);
    lt_scalar_reduce(key->scalar, key->scalar);
    lt_scalar_to_montgomery(key->montgomery, key->scalar);
    zero = lt_scalar_is_zero(key->scalar);
    TW_PUBLIC(&zero, sizeof zero);
    return zero ? -1 : 0;
}

/* encode(key * G). The multiplication and the encoding are the same for every key. */
TW_FUNCTION void lt_public_key(uint8_t out[40], const lt_key *key) {
    lt_point point;
    lt_fp5 w;
    lt_generator_mul(&point, key->scalar);
    lt_point_encode(&w, &point);
    tw_store320(out, w.c);
    tw_wipe(&point, sizeof point);
}

/* 1 if 1 <= x < n, else 0. Without a branch on x; the answer is public. */
TW_FUNCTION int lt_scalar_is_valid(const uint8_t bytes[40]) {
    uint64_t x[5], valid;
    tw_load320(x, bytes);
    valid = lt_scalar_is_reduced(x) & (lt_scalar_is_zero(x) ^ 1);
    tw_wipe(x, sizeof x);
    return (int)valid;
}

/* Nonces of n secrets of 40 bytes, each of which lt_scalar_is_valid accepted; the inversions, one
 * for each otherwise, are one for every 16. The same operations for all secrets. (An invalid 0
 * would give r = 0 and leave the others alone.) */
TW_FUNCTION void lt_nonce_make_many(lt_nonce *nonces, const uint8_t *secrets, size_t n) {
    enum { TOGETHER = 16 };
    static const lt_fp5 one = {{1, 0, 0, 0, 0}};
    lt_point point;
    lt_fp5 u[TOGETHER], before[TOGETHER], inverse, product; /* before[i] = u[0] * ... * u[i - 1] */
    uint64_t zero[TOGETHER];
    while (n) {
        size_t count = n < TOGETHER ? n : TOGETHER, i, j;
        for (i = 0; i < count; i++) {
            tw_load320(nonces[i].k, secrets + 40 * i);
            lt_generator_mul(&point, nonces[i].k);
            zero[i] = lt_fp5_is_zero(&point.u);
            u[i] = point.u;
            u[i].c[0] = tw_choose(tw_mask(zero[i]), u[i].c[0], 1);
            memcpy(nonces[i].r, point.t.c, sizeof nonces[i].r); /* T until T/U is known */
            if (i)
                lt_fp5_mul(&before[i], &before[i - 1], &u[i - 1]);
            else
                before[0] = one;
        }
        lt_fp5_mul(&product, &before[count - 1], &u[count - 1]);
        lt_fp5_inv(&inverse, &product);
        for (i = count; i-- > 0;) {
            lt_fp5 w;
            memcpy(&w, nonces[i].r, sizeof w);
            lt_fp5_mul(&product, &inverse, &before[i]);
            lt_fp5_mul(&w, &w, &product);
            lt_fp5_canonical(&w);
            for (j = 0; j < 5; j++)
                nonces[i].r[j] = w.c[j] & ~tw_mask(zero[i]);
            lt_fp5_mul(&inverse, &inverse, &u[i]);
        }
        nonces += count;
        secrets += 40 * count;
        n -= count;
    }
    tw_wipe(&point, sizeof point);
    tw_wipe(u, sizeof u);
    tw_wipe(before, sizeof before);
    tw_wipe(&inverse, sizeof inverse);
    tw_wipe(&product, sizeof product);
}

/* One nonce; -1 if k is not from 1 to n - 1, and only that is revealed: draw another. */
TW_FUNCTION int lt_nonce_make(lt_nonce *nonce, const uint8_t secret[40]) {
    lt_point point;
    lt_fp5 w;
    int valid = lt_scalar_is_valid(secret);
    TW_PUBLIC(&valid, sizeof valid);
    if (!valid)
        return -1;
    tw_load320(nonce->k, secret);
    lt_generator_mul(&point, nonce->k);
    lt_point_encode(&w, &point);
    memcpy(nonce->r, w.c, sizeof nonce->r);
    tw_wipe(&point, sizeof point);
    return 0;
}

TW_INLINE void lt_challenge(uint64_t e[5], const uint64_t r[5], const uint64_t message[5]) {
    uint64_t elements[10], hash[5];
    memcpy(elements, r, 5 * sizeof *r);
    memcpy(elements + 5, message, 5 * sizeof *message);
    lt_hash5(hash, elements, 10);
    lt_scalar_reduce(e, hash);
}

/* Sign; the nonce must never be used again. key and k are only multiplied and subtracted, with
 * carries as masks. */
TW_FUNCTION void lt_sign(uint8_t signature[80], const lt_key *key, const lt_nonce *nonce,
                         const uint64_t message[5]) {
    uint64_t e[5], s[5];
    lt_challenge(e, nonce->r, message);
    lt_scalar_montmul(s, e, key->montgomery);
    lt_scalar_sub(s, nonce->k, s);
    tw_store320(signature, s);
    tw_store320(signature + 40, e);
}

/* 1 if the signature is valid, 0 if not. Halves at or above n are refused. Message elements count
 * mod p. For public values: takes a time that depends on them. */
TW_FUNCTION int lt_verify(const uint8_t public_key[40], const uint64_t message[5],
                          const uint8_t signature[80]) {
    uint64_t s[5], e[5], expected[5];
    lt_point key, from_key, point;
    lt_fp5 w;
    tw_load320(s, signature);
    tw_load320(e, signature + 40);
    lt_fp5_load(&w, public_key);
    if (!lt_scalar_is_reduced(s) || !lt_scalar_is_reduced(e) || !lt_point_decode(&key, &w))
        return 0;
    lt_generator_mul(&point, s);
    lt_point_mul(&from_key, &key, e);
    lt_point_add(&point, &point, &from_key);
    lt_point_encode(&w, &point);
    lt_challenge(expected, w.c, message);
    return memcmp(expected, e, sizeof e) == 0;
}

#endif
