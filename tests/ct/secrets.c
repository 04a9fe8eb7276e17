/* Everything the Lighter signer does with a secret, for Valgrind to watch.
 *
 *     valgrind --error-exitcode=99 ./secrets VARIANT
 *
 * The private key and the secrets of the nonces are marked undefined. Memcheck follows what is
 * computed from them and reports a conditional jump on it, or an address made of it: just what an
 * observer of time and of the cache could see. It says nothing about values, so arithmetic, masks and
 * conditional moves pass. Results are declared public before anything here looks at them.
 *
 * Exits with 0 if all results are right, 1 if one is wrong, 2 without the variant. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

#define TW_PUBLIC(pointer, size) ((void)VALGRIND_MAKE_MEM_DEFINED(pointer, size))
#include "lighter/schnorr.h"

enum { MANY = 17 }; /* more than share one inversion */

static void secret(void *p, size_t n) { (void)VALGRIND_MAKE_MEM_UNDEFINED(p, n); }

static void expect(const void *found, const void *expected, size_t n, const char *what) {
    (void)VALGRIND_MAKE_MEM_DEFINED(found, n);
    if (memcmp(found, expected, n)) {
        fprintf(stderr, "wrong: %s\n", what);
        exit(1);
    }
}

typedef struct {
    uint8_t public_key[40], signature[80];
    uint64_t r[MANY][5], arithmetic[8][5];
    int valid, too_large, zero;
} results;

/* The lone operations that are offered and that signing does not reach by every way. */
static void arithmetic(uint64_t out[8][5], const uint64_t a[5], const uint64_t b[5]) {
    lt_fp5 x, y;
    memcpy(x.c, a, sizeof x);
    memcpy(y.c, b, sizeof y);
    lt_scalar_mul(out[0], a, b);
    lt_scalar_add(out[1], a, b);
    lt_scalar_sub(out[2], a, b);
    lt_fp5_inv(&x, &x);
    lt_fp5_sqr(&y, &y);
    memcpy(out[3], x.c, sizeof x);
    lt_fp5_add(&x, &x, &y);
    lt_fp5_sub(&y, &x, &y);
    memcpy(out[4], x.c, sizeof x);
    memcpy(out[5], y.c, sizeof y);
    memset(out[6], 0, 80);
    out[6][0] = lt_fp_inv(a[0]);
    out[6][1] = lt_fp_legendre(a[1]);
    out[6][2] = lt_fp5_is_zero(&x);
    out[6][3] = lt_fp5_equal(&x, &y);
    lt_hash5(out[7], a, 5);
}

static void everything(results *out, const uint8_t *key_bytes, const uint8_t *ks) {
    uint64_t message[5] = {1, UINT64_MAX, 3, 4, 5};
    lt_nonce nonce, many[MANY];
    lt_key key;
    int i;
    if (lt_key_load(&key, key_bytes))
        exit(1);
    lt_public_key(out->public_key, &key);
    out->valid = lt_scalar_is_valid(ks);
    if (lt_nonce_make(&nonce, ks))
        exit(1);
    lt_sign(out->signature, &key, &nonce, message);
    lt_nonce_make_many(many, ks, MANY);
    for (i = 0; i < MANY; i++)
        memcpy(out->r[i], many[i].r, sizeof many[i].r);
    arithmetic(out->arithmetic, nonce.k, key.scalar);
    tw_wipe(&key, sizeof key);
    tw_wipe(&nonce, sizeof nonce);
    tw_wipe(many, sizeof many);
}

/* What is out of range is told, by one bit, and nothing else is. */
static void refusals(results *out) {
    uint8_t bytes[40];
    lt_nonce nonce;
    lt_key key;
    memset(bytes, 0xFF, sizeof bytes);
    secret(bytes, sizeof bytes);
    out->too_large = lt_nonce_make(&nonce, bytes);
    memset(bytes, 0, sizeof bytes);
    secret(bytes, sizeof bytes);
    out->zero = lt_key_load(&key, bytes) + lt_nonce_make(&nonce, bytes);
}

int main(int argc, char **argv) {
    static results defined, undefined;
    static uint8_t key[40], ks[MANY * 40];
    int i, variant = -1;
    for (i = 0; i < lt_backend_count(); i++)
        if (argc == 2 && !strcmp(lt_backend_name(i), argv[1]))
            variant = lt_use_backend(i);
    if (variant < 0)
        return 2;
    for (i = 0; i < 40; i++)
        key[i] = (uint8_t)(i + 1);
    for (i = 0; i < MANY * 40; i++)
        ks[i] = (uint8_t)((i * 89 + i / 40 * 7 + 64) & 127);
    everything(&defined, key, ks);
    secret(key, sizeof key);
    secret(ks, sizeof ks);
    everything(&undefined, key, ks);
    refusals(&undefined);
    expect(undefined.public_key, defined.public_key, 40, "public key");
    expect(undefined.signature, defined.signature, 80, "signature");
    expect(undefined.r, defined.r, sizeof defined.r, "nonces");
    expect(undefined.arithmetic, defined.arithmetic, sizeof defined.arithmetic, "arithmetic");
    expect(&undefined.valid, &defined.valid, sizeof defined.valid, "valid");
    for (i = 0; i < 40; i++)
        printf("%02x", undefined.public_key[i]);
    printf(" %d %d %d\n", undefined.valid, undefined.too_large, undefined.zero);
    return 0;
}
