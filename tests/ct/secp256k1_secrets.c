/* Everything the secp256k1 signer does with a secret by itself, for Valgrind to watch.
 *
 *     valgrind --error-exitcode=99 ./secp256k1_secrets
 *
 * The private key, and with it every k, are marked undefined. Memcheck follows what is computed from
 * them and reports a conditional jump on it, or an address made of it: what an observer of time and of
 * the cache could see. It says nothing about values, so arithmetic and masks pass. Results are
 * declared public before anything here looks at them.
 *
 * k * G is libsecp256k1's and is tested there. A stand-in takes its place, which always answers with
 * one public point; so the signatures are those of an r that everybody knows, and are compared with
 * big integers by the test.
 *
 * Prints the signatures. Exits with 0 if both runs agree, 1 if not. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

#define TW_PUBLIC(pointer, size) ((void)VALGRIND_MAKE_MEM_DEFINED(pointer, size))
#include "secp256k1/nonces.h"

static void secret(void *p, size_t n) { (void)VALGRIND_MAKE_MEM_UNDEFINED(p, n); }

static void expect(const void *found, const void *expected, size_t n, const char *what) {
    (void)VALGRIND_MAKE_MEM_DEFINED(found, n);
    (void)VALGRIND_MAKE_MEM_DEFINED(expected, n);
    if (memcmp(found, expected, n)) {
        fprintf(stderr, "wrong: %s\n", what);
        exit(1);
    }
}

/* The library refuses what is out of range and tells no more than that. */
static int create(const void *context, void *point, const uint8_t *k) {
    int valid = sk_scalar_is_valid(k);
    (void)context;
    TW_PUBLIC(&valid, sizeof valid);
    memset(point, 0, 64);
    return valid;
}

static int serialize(const void *context, uint8_t *out, size_t *size, const void *point,
                     unsigned flags) {
    size_t i;
    (void)context;
    (void)point;
    if (flags != SK_UNCOMPRESSED || *size != 65)
        return 0;
    for (i = 0; i < 65; i++)
        out[i] = (uint8_t)(i * 37 + 11);
    return 1;
}

static const sk_library LIBRARY = {NULL, create, serialize};

enum { DIGESTS = 24 };

typedef struct {
    sk_signature rfc6979[DIGESTS], given;
    uint64_t sum[4], product[4], inverse[4], lower[4], inverse_of_zero[4];
    uint8_t mac[32];
    int valid, too_large, zero, drawn;
} results;

static void everything(results *out, const uint8_t key[32]) {
    static const uint64_t nothing[4] = {0, 0, 0, 0};
    uint8_t digest[32], k[32];
    uint64_t a[4], b[4];
    sk_secret all;
    sk_nonce nonce;
    sk_hmac mac;
    int i;
    if (sk_secret_load(&all, key))
        exit(1);
    for (i = 0; i < DIGESTS; i++) {
        memset(digest, i * 11, sizeof digest);
        if (sk_nonce_for(&nonce, &all, digest, &LIBRARY) ||
            sk_sign(&out->rfc6979[i], &nonce, digest))
            exit(1);
        tw_wipe(&nonce, sizeof nonce);
    }
    for (i = 0; i < 32; i++) /* as secret as the key */
        k[i] = key[31 - i] ^ 0x55;
    if (sk_nonce_make(&nonce, &all.key, k, &LIBRARY) || sk_sign(&out->given, &nonce, digest))
        exit(1);
    out->valid = sk_scalar_is_valid(k);
    sk_scalar_load(a, key);
    sk_scalar_load(b, k);
    sk_scalar_add(out->sum, a, b);
    sk_scalar_mul(out->product, a, b);
    sk_scalar_inverse(out->inverse, a);
    memcpy(b, nothing, sizeof b);
    secret(b, sizeof b);
    sk_scalar_inverse(out->inverse_of_zero, b);
    (void)sk_scalar_lower(out->lower, a);
    sk_hmac_load(&mac, key);
    sk_hmac_sign(out->mac, &mac, k, 0, 32);
    out->drawn = sk_nonce_draw(&nonce, &all, &all.entropy, 5, &LIBRARY);
    tw_wipe(&all, sizeof all);
}

/* What is out of range is told, by one bit, and nothing else is. */
static void refusals(results *out) {
    uint8_t bytes[32];
    sk_key key;
    memset(bytes, 0xFF, sizeof bytes);
    secret(bytes, sizeof bytes);
    out->too_large = sk_key_load(&key, bytes);
    memset(bytes, 0, sizeof bytes);
    secret(bytes, sizeof bytes);
    out->zero = sk_key_load(&key, bytes);
}

int main(void) {
    static results defined, undefined;
    uint8_t key[32];
    int i, j;
    for (i = 0; i < 32; i++)
        key[i] = (uint8_t)(i * 7 + 1);
    everything(&defined, key);
    refusals(&defined);
    secret(key, sizeof key);
    everything(&undefined, key);
    refusals(&undefined);
    expect(&undefined, &defined, sizeof defined, "a result");
    for (i = 0; i < DIGESTS; i++) {
        for (j = 0; j < 32; j++)
            printf("%02x", undefined.rfc6979[i].s[j]);
        printf(" %d\n", undefined.rfc6979[i].recovery);
    }
    printf("%d %d %d %d\n", undefined.valid, undefined.too_large, undefined.zero, undefined.drawn);
    return 0;
}
