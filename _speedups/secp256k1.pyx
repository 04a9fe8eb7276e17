"""The arithmetic of secp256k1 signatures, one operation at a time.

`library` is for signers to cimport: libsecp256k1 as coincurve brings it, reached through the
addresses of its functions, so that a signer calls it without Python and without the GIL. The context
is this module's own and blinded with the system's randomness once; after that nobody changes it,
and any thread may use it.

The functions are for tests: numbers are bytes, most significant first, and secrets go in and out as
Python objects that nobody wipes. Signers do not use them.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint64_t, uintptr_t

import os

from coincurve._libsecp256k1 import ffi as _ffi, lib as _lib

__all__ = [
    "generator_mul",
    "hmac_sha256",
    "rfc6979_sign",
    "scalar_add",
    "scalar_inverse",
    "scalar_lower",
    "scalar_mul",
    "sign_with_nonce",
]

cdef extern from "secp256k1/nonces.h" nogil:
    enum:
        SK_SHA256_BLOCK
        SK_SHA256_LAST_MAX
    ctypedef struct sk_hmac:
        pass
    ctypedef struct sk_key:
        pass
    ctypedef struct sk_nonce:
        pass
    ctypedef struct sk_secret:
        sk_key key
    ctypedef struct sk_signature:
        uint8_t r[32]
        uint8_t s[32]
        int recovery
    void sk_scalar_load(uint64_t *out, const uint8_t *data)
    void sk_scalar_store(uint8_t *data, const uint64_t *a)
    uint64_t sk_scalar_is_reduced(const uint64_t *a)
    void sk_scalar_add(uint64_t *out, const uint64_t *a, const uint64_t *b)
    void sk_scalar_mul(uint64_t *out, const uint64_t *a, const uint64_t *b)
    void sk_scalar_inverse(uint64_t *out, const uint64_t *a)
    uint64_t sk_scalar_lower(uint64_t *out, const uint64_t *a)
    int sk_key_load(sk_key *key, const uint8_t *data)
    int sk_nonce_make(sk_nonce *nonce, const sk_key *key, const uint8_t *k, const sk_library *library)
    int sk_sign(sk_signature *signature, const sk_nonce *nonce, const uint8_t *digest)
    void sk_hmac_load(sk_hmac *mac, const uint8_t *key)
    void sk_hmac_sign(uint8_t *out, const sk_hmac *mac, const uint8_t *message, size_t blocks,
                      size_t size)
    int sk_secret_load(sk_secret *secret, const uint8_t *key)
    int sk_nonce_for(sk_nonce *nonce, const sk_secret *secret, const uint8_t *digest,
                     const sk_library *library)

cdef sk_library _library


def _load():
    """Find libsecp256k1; return what has to stay alive as long as it is used."""
    context = _lib.secp256k1_context_create(1)  # SECP256K1_CONTEXT_NONE
    if context == _ffi.NULL or not _lib.secp256k1_context_randomize(context, os.urandom(32)):
        raise ImportError("libsecp256k1 cannot make a context")
    addresses = [
        int(_ffi.cast("uintptr_t", pointer))
        for pointer in (
            context,
            _ffi.addressof(_lib, "secp256k1_ec_pubkey_create"),
            _ffi.addressof(_lib, "secp256k1_ec_pubkey_serialize"),
        )
    ]
    _library.context = <const void *><uintptr_t>addresses[0]
    _library.create = <sk_create><uintptr_t>addresses[1]
    _library.serialize = <sk_serialize><uintptr_t>addresses[2]
    return context, _ffi, _lib


_kept = _load()


cdef const sk_library *library() noexcept nogil:
    return &_library


cdef int _read(uint8_t *out, data, str name) except -1:
    cdef bytes given = bytes(data)
    cdef const uint8_t *source = given
    cdef int i
    if len(given) != 32:
        raise ValueError(f"{name} must have 32 bytes")
    for i in range(32):
        out[i] = source[i]
    return 0


cdef int _scalar(uint64_t *out, data, str name) except -1:
    cdef uint8_t given[32]
    _read(given, data, name)
    sk_scalar_load(out, given)
    if not sk_scalar_is_reduced(out):
        raise ValueError(f"{name} must be below n")
    return 0


cdef bytes _bytes(const uint64_t *a):
    cdef uint8_t out[32]
    sk_scalar_store(out, a)
    return PyBytes_FromStringAndSize(<const char *>out, 32)


def scalar_add(a, b):
    """Return a + b mod n."""
    cdef uint64_t x[4]
    cdef uint64_t y[4]
    _scalar(x, a, "a")
    _scalar(y, b, "b")
    sk_scalar_add(x, x, y)
    return _bytes(x)


def scalar_mul(a, b):
    """Return a * b mod n; a may be n or more."""
    cdef uint8_t given[32]
    cdef uint64_t x[4]
    cdef uint64_t y[4]
    _read(given, a, "a")
    sk_scalar_load(x, given)
    _scalar(y, b, "b")
    sk_scalar_mul(x, x, y)
    return _bytes(x)


def scalar_inverse(a):
    """Return 1/a mod n, and 0 for 0."""
    cdef uint64_t x[4]
    _scalar(x, a, "a")
    sk_scalar_inverse(x, x)
    return _bytes(x)


def scalar_lower(a):
    """Return the smaller of a and n - a, and whether that is n - a."""
    cdef uint64_t x[4]
    _scalar(x, a, "a")
    negated = sk_scalar_lower(x, x)
    return _bytes(x), bool(negated)


def hmac_sha256(key, message):
    """Return HMAC-SHA-256 under a key of 32 bytes; the last block may have at most 55 bytes."""
    cdef uint8_t given[32]
    cdef uint8_t out[32]
    cdef sk_hmac mac
    cdef bytes text = bytes(message)
    cdef size_t size = len(text)
    if size % SK_SHA256_BLOCK > SK_SHA256_LAST_MAX:
        raise ValueError("the last block is too long")
    _read(given, key, "key")
    sk_hmac_load(&mac, given)
    sk_hmac_sign(out, &mac, text, size // SK_SHA256_BLOCK, size % SK_SHA256_BLOCK)
    return PyBytes_FromStringAndSize(<const char *>out, 32)


def generator_mul(secret):
    """Return secret * G as x and y, 64 bytes."""
    cdef uint8_t given[32]
    cdef uint8_t point[64]
    _read(given, secret, "secret")
    if sk_generator_mul(&_library, point, given) != 0:
        raise ValueError("the secret is 0 or not below n")
    return PyBytes_FromStringAndSize(<const char *>point, 64)


cdef tuple _signed(const sk_signature *signature):
    return (
        PyBytes_FromStringAndSize(<const char *>signature.r, 32),
        PyBytes_FromStringAndSize(<const char *>signature.s, 32),
        signature.recovery,
    )


def sign_with_nonce(private_key, k, digest):
    """Sign a digest with a given k; return r, s and the recovery id."""
    cdef uint8_t given[32]
    cdef sk_key key
    cdef sk_nonce nonce
    cdef sk_signature signature
    _read(given, private_key, "private_key")
    if sk_key_load(&key, given) != 0:
        raise ValueError("the private key is 0 or not below n")
    _read(given, k, "k")
    if sk_nonce_make(&nonce, &key, given, &_library) != 0:
        raise ValueError("k is 0 or not below n")
    _read(given, digest, "digest")
    if sk_sign(&signature, &nonce, given) != 0:
        raise ValueError("s is 0")
    return _signed(&signature)


def rfc6979_sign(private_key, digest):
    """Sign a digest with the k of RFC 6979; return r, s and the recovery id."""
    cdef uint8_t given[32]
    cdef sk_secret secret
    cdef sk_nonce nonce
    cdef sk_signature signature
    _read(given, private_key, "private_key")
    if sk_secret_load(&secret, given) != 0:
        raise ValueError("the private key is 0 or not below n")
    _read(given, digest, "digest")
    if sk_nonce_for(&nonce, &secret, given, &_library) != 0 or sk_sign(&signature, &nonce, given) != 0:
        raise ValueError("the library refuses k")
    return _signed(&signature)
