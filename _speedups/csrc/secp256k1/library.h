/* k * G by libsecp256k1, in whichever copy of it the caller has at hand.
 *
 * The library is reached through the addresses of two of its functions and a context of its own: no
 * header, no linking. Both functions take a `const` context and may run in several threads at once
 * with one, as long as nobody randomizes or destroys it.
 */
#ifndef SK_LIBRARY_H
#define SK_LIBRARY_H

#include "secret/word.h"

enum { SK_UNCOMPRESSED = 2 }; /* SECP256K1_EC_UNCOMPRESSED */

typedef int (*sk_create)(const void *context, void *point, const uint8_t *secret);
typedef int (*sk_serialize)(const void *context, uint8_t *out, size_t *size, const void *point,
                            unsigned flags);

typedef struct {
    const void *context;
    sk_create create;       /* secp256k1_ec_pubkey_create: constant-time in the secret */
    sk_serialize serialize; /* secp256k1_ec_pubkey_serialize */
} sk_library;

/* secret * G: x and y, most significant byte first. What comes out is public: the public key, or half
 * of a signature. -1 if the secret is 0 or not below n, and only that is revealed. */
TW_INLINE int sk_generator_mul(const sk_library *library, uint8_t xy[64],
                               const uint8_t secret[32]) {
    union {
        uint8_t bytes[64]; /* a secp256k1_pubkey */
        uint64_t align;
    } point;
    uint8_t text[65];
    size_t size = sizeof text;
    int fine = library->create(library->context, &point, secret);
    TW_PUBLIC(&fine, sizeof fine);
    if (!fine)
        return -1;
    TW_PUBLIC(&point, sizeof point);
    if (!library->serialize(library->context, text, &size, &point, SK_UNCOMPRESSED))
        return -1;
    memcpy(xy, text + 1, 64);
    return 0;
}

#endif
