/* Signing and verifying, and scalars, against whole numbers bit by bit.
 *
 * Input: which bit of the signature to break, 2 bytes; private key, secret of the nonce and message, 40
 * bytes each. */
#include "lighter_signer.h"

enum { RARELY = 13 }; /* as in lighter_curve.c */

typedef struct {
    uint8_t key[40], k[40], message[40], public_key[40], signature[80];
    uint64_t r[5], words[5];
    int loaded, made;
} found;

static found compute(const uint8_t *data, size_t size, uint16_t *flip) {
    input in = {data, size};
    uint8_t two[2], many[3 * 40];
    lt_nonce nonce, nonces[3];
    lt_key key;
    found f;
    memset(&f, 0, sizeof f);
    take(&in, two, 2);
    *flip = (uint16_t)(two[0] | two[1] << 8);
    take(&in, f.key, 40);
    take(&in, f.k, 40);
    take(&in, f.message, 40);
    tw_load320(f.words, f.message);
    f.loaded = lt_key_load(&key, f.key);
    f.made = lt_nonce_make(&nonce, f.k);
    FUZZ_CHECK((f.made == 0) == lt_scalar_is_valid(f.k), "what is valid and what is taken");
    if (f.made)
        return f;
    memcpy(f.r, nonce.r, sizeof f.r);
    for (int i = 0; i < 3; i++)
        memcpy(many + 40 * i, f.k, 40);
    lt_nonce_make_many(nonces, many, 3);
    for (int i = 0; i < 3; i++)
        FUZZ_CHECK(!memcmp(&nonces[i], &nonce, sizeof nonce), "many nonces at once");
    if (f.loaded)
        return f;
    lt_public_key(f.public_key, &key);
    lt_sign(f.signature, &key, &nonce, f.words);
    return f;
}

static outcome run(const uint8_t *data, size_t size) {
    outcome out = {-1, 0};
    uint16_t flip, again;
    found f = compute(data, size, &flip);
#ifndef PORTABLE
    for (int i = 0; i < lt_backend_count(); i++) {
        lt_use_backend(i);
        found other = compute(data, size, &again);
        FUZZ_CHECK(!memcmp(&other, &f, sizeof f), "variants differ");
    }
#endif
    (void)again;
    mix_words(&out.digest, f.r, 5);
    if (f.loaded || f.made)
        return out;
    out.at = 0;
    for (int i = 0; i < 80; i++)
        mix(&out.digest, f.signature[i]);
    FUZZ_CHECK(lt_verify(f.public_key, f.words, f.signature), "our own signature is refused");
    f.signature[flip % 640 / 8] ^= (uint8_t)(1 << flip % 8);
    FUZZ_CHECK(!lt_verify(f.public_key, f.words, f.signature), "a broken signature is taken");
    /* and whatever the input says, as a signature */
    memcpy(f.signature, f.k, 40);
    memcpy(f.signature + 40, f.message, 40);
    mix(&out.digest, lt_verify(f.key, f.words, f.signature));
    return out;
}

#ifndef PORTABLE
static int canonical(const uint64_t words[5]) {
    for (int i = 0; i < 5; i++)
        if (words[i] >= P_REF)
            return 0;
    return 1;
}

static void reference(const uint8_t *data, size_t size, outcome ours) {
    uint16_t flip;
    found f = compute(data, size, &flip);
    number n = ref_n(), zero = {{0}}, key = ref_number(f.key), k = ref_number(f.k), s, e, product;
    uint64_t elements[10], hash[5];
    uint8_t bytes[40];
    int valid = ref_less(&zero, &k) && ref_less(&k, &n);
    key = ref_mod(&key);
    FUZZ_CHECK((f.made == 0) == valid, "a nonce is from 1 to n - 1");
    FUZZ_CHECK((f.loaded == 0) == ref_less(&zero, &key), "a key is not 0");
    FUZZ_CHECK((ours.at == 0) == (!f.made && !f.loaded), "signs or does not");
    if (ours.at < 0)
        return;
    s = ref_number(f.signature);
    e = ref_number(f.signature + 40);
    FUZZ_CHECK(ref_less(&s, &n) && ref_less(&e, &n), "halves below n");
    product = ref_mod_mul(&e, &key);
    product = ref_mod_add(product, &s);
    FUZZ_CHECK(!memcmp(&product, &k, sizeof k), "s + e * key is not k");
    FUZZ_CHECK(canonical(f.r), "r is not canonical");
    memcpy(elements, f.r, 40);
    memcpy(elements + 5, f.words, 40);
    ref_hash(hash, 5, elements, 10);
    for (int i = 0; i < 5; i++)
        tw_store64(bytes + 8 * i, hash[i]);
    product = ref_number(bytes);
    product = ref_mod(&product);
    FUZZ_CHECK(!memcmp(&product, &e, sizeof e), "e is not the hash");
    if (f.words[0] % RARELY)
        return;
    element w = ref_encode(ref_point_mul(ref_generator(), &key));
    for (int i = 0; i < 5; i++)
        FUZZ_CHECK(w.c[i] == tw_load64(f.public_key + 8 * i), "the public key");
    w = ref_encode(ref_point_mul(ref_generator(), &k));
    FUZZ_CHECK(!memcmp(w.c, f.r, sizeof f.r), "k * G");
}
#endif

FUZZ_TARGET(reference)
