"""The primitives under the Lighter signer, one Python call each: for tests and benchmarks only.

Nothing in the package imports this module. It signs with a nonce that the caller chooses, which in
real use gives the private key away.
"""

from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize

__all__ = [
    "backend", "backends", "fp5_add", "fp5_frobenius", "fp5_inv", "fp5_legendre", "fp5_mul",
    "fp5_sqr", "fp5_sqrt", "fp5_sub", "fp_add", "fp_inv", "fp_legendre", "fp_mul", "fp_neg",
    "fp_pow7", "fp_sqrt", "fp_sub", "generator_mul", "hash4", "hash5", "nonce_point",
    "nonce_points", "permute", "point_add", "point_decode", "point_double", "point_mul",
    "public_key", "scalar_add", "scalar_digits", "scalar_is_valid", "scalar_mul",
    "scalar_reduce", "scalar_sub", "sign_with_nonce", "time_each", "use_backend", "verify",
]

cdef extern from "lighter/schnorr.h" nogil:
    ctypedef struct lt_fp5:
        uint64_t c[5]
    ctypedef struct lt_point:
        lt_fp5 x
        lt_fp5 z
        lt_fp5 u
        lt_fp5 t
    ctypedef struct lt_key:
        uint64_t scalar[5]
    ctypedef struct lt_nonce:
        uint64_t k[5]
        uint64_t r[5]

    enum:
        LT_WINDOWS

    int lt_backend_count()
    const char *lt_backend_name(int number)
    const char *lt_backend()
    int lt_use_backend(int number)
    void tw_wipe(void *p, size_t n)
    void tw_load320(uint64_t *out, const uint8_t *p)
    void tw_store320(uint8_t *p, const uint64_t *x)

    uint64_t lt_fp_canonical(uint64_t x)
    uint64_t lt_fp_add(uint64_t a, uint64_t b)
    uint64_t lt_fp_sub(uint64_t a, uint64_t b)
    uint64_t lt_fp_neg(uint64_t x)
    uint64_t lt_fp_mul(uint64_t a, uint64_t b)
    uint64_t lt_fp_inv(uint64_t x)
    uint64_t lt_fp_pow7(uint64_t x)
    uint64_t lt_fp_legendre(uint64_t x)
    int lt_fp_sqrt(uint64_t *root, uint64_t x)

    void lt_fp5_add(lt_fp5 *out, const lt_fp5 *a, const lt_fp5 *b)
    void lt_fp5_sub(lt_fp5 *out, const lt_fp5 *a, const lt_fp5 *b)
    void lt_fp5_mul(lt_fp5 *out, const lt_fp5 *a, const lt_fp5 *b)
    void lt_fp5_sqr(lt_fp5 *out, const lt_fp5 *a)
    void lt_fp5_inv(lt_fp5 *out, const lt_fp5 *a)
    void lt_fp5_frobenius(lt_fp5 *out, const lt_fp5 *a)
    void lt_fp5_frobenius2(lt_fp5 *out, const lt_fp5 *a)
    uint64_t lt_fp5_legendre(const lt_fp5 *a)
    int lt_fp5_sqrt(lt_fp5 *root, const lt_fp5 *a)
    void lt_fp5_store(uint8_t *p, const lt_fp5 *a)
    void lt_fp5_load(lt_fp5 *out, const uint8_t *p)

    uint64_t lt_scalar_is_reduced(const uint64_t *a)
    void lt_scalar_reduce(uint64_t *out, const uint64_t *a)
    void lt_scalar_add(uint64_t *out, const uint64_t *a, const uint64_t *b)
    void lt_scalar_sub(uint64_t *out, const uint64_t *a, const uint64_t *b)
    void lt_scalar_mul(uint64_t *out, const uint64_t *a, const uint64_t *b)
    int lt_scalar_is_valid(const uint8_t *bytes)
    void lt_scalar_digits(uint8_t *digits, const uint64_t *scalar)

    int lt_point_decode(lt_point *p, const lt_fp5 *w)
    void lt_point_encode(lt_fp5 *w, const lt_point *p)
    void lt_point_add(lt_point *out, const lt_point *p, const lt_point *q)
    void lt_point_double(lt_point *out, const lt_point *p)
    void lt_point_mul(lt_point *out, const lt_point *p, const uint64_t *scalar)
    void lt_generator_mul(lt_point *out, const uint64_t *scalar)

    void lt_poseidon2_permute(uint64_t *state)
    void lt_hash5(uint64_t *out, const uint64_t *data, size_t n)
    void lt_hash4(uint64_t *out, const uint64_t *data, size_t n)

    int lt_key_load(lt_key *key, const uint8_t *data)
    void lt_public_key(uint8_t *out, const lt_key *key)
    int lt_nonce_make(lt_nonce *nonce, const uint8_t *secret)
    void lt_nonce_make_many(lt_nonce *nonces, const uint8_t *secrets, size_t n)
    void lt_sign(uint8_t *signature, const lt_key *key, const lt_nonce *nonce, const uint64_t *message)
    int lt_verify(const uint8_t *public_key, const uint64_t *message, const uint8_t *signature)


cdef extern from *:
    """
    #include <time.h>
    /* Time in some unit: the processor's own counter where there is one. */
    static inline uint64_t lt_ticks(void) {
    #if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
        uint32_t low, high;
        __asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
        return (uint64_t)high << 32 | low;
    #else
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    #endif
    }
    """
    uint64_t lt_ticks() nogil


cdef const uint8_t *_bytes(bytes value, Py_ssize_t size) except NULL:
    if len(value) != size:
        raise ValueError(f"expected {size} bytes, got {len(value)}")
    return <const uint8_t *>PyBytes_AS_STRING(value)


cdef int _load(uint64_t *out, bytes value) except -1:
    tw_load320(out, _bytes(value, 40))
    return 0


cdef bytes _store(const uint64_t *words):
    cdef uint8_t out[40]
    tw_store320(out, words)
    return PyBytes_FromStringAndSize(<char *>out, 40)


cdef int _element(lt_fp5 *out, value) except -1:
    cdef int i
    if len(value) != 5:
        raise ValueError(f"expected 5 coefficients, got {len(value)}")
    for i in range(5):
        out.c[i] = value[i]
    return 0


cdef tuple _coefficients(const lt_fp5 *a):
    return tuple([lt_fp_canonical(a.c[i]) for i in range(5)])


def backends():
    """Names of the variants this processor can run; "portable" comes first."""
    return tuple([lt_backend_name(i).decode() for i in range(lt_backend_count())])


def backend():
    """Name of the variant in use, in this module."""
    return lt_backend().decode()


def use_backend(str name):
    """Use one of `backends()`, in this module; ValueError for another name."""
    cdef int i
    for i in range(lt_backend_count()):
        if lt_backend_name(i).decode() == name:
            lt_use_backend(i)
            return
    raise ValueError(f"no variant {name!r} here, only {', '.join(backends())}")


def fp_add(uint64_t a, uint64_t b):
    """a + b mod p; like all of them, takes any 64-bit integers and returns one below p."""
    return lt_fp_canonical(lt_fp_add(a, b))


def fp_sub(uint64_t a, uint64_t b):
    """a - b mod p."""
    return lt_fp_canonical(lt_fp_sub(a, b))


def fp_neg(uint64_t a):
    """-a mod p."""
    return lt_fp_canonical(lt_fp_neg(a))


def fp_mul(uint64_t a, uint64_t b):
    """a * b mod p."""
    return lt_fp_canonical(lt_fp_mul(a, b))


def fp_inv(uint64_t a):
    """1 / a mod p, and 0 for 0."""
    return lt_fp_canonical(lt_fp_inv(a))


def fp_pow7(uint64_t a):
    """a^7 mod p."""
    return lt_fp_canonical(lt_fp_pow7(a))


def fp_legendre(uint64_t a):
    """1 for a square, -1 for another, 0 for 0."""
    cdef uint64_t symbol = lt_fp_legendre(a)
    return <int>symbol if symbol <= 1 else -1


def fp_sqrt(uint64_t a):
    """A square root of a, None if there is none."""
    cdef uint64_t root
    return root if lt_fp_sqrt(&root, a) else None


def fp5_add(a, b):
    """a + b in Fp5; elements are sequences of five 64-bit integers, results tuples below p."""
    cdef lt_fp5 x, y
    _element(&x, a)
    _element(&y, b)
    lt_fp5_add(&x, &x, &y)
    return _coefficients(&x)


def fp5_sub(a, b):
    """a - b."""
    cdef lt_fp5 x, y
    _element(&x, a)
    _element(&y, b)
    lt_fp5_sub(&x, &x, &y)
    return _coefficients(&x)


def fp5_mul(a, b):
    """a * b."""
    cdef lt_fp5 x, y
    _element(&x, a)
    _element(&y, b)
    lt_fp5_mul(&x, &x, &y)
    return _coefficients(&x)


def fp5_sqr(a):
    """a * a."""
    cdef lt_fp5 x
    _element(&x, a)
    lt_fp5_sqr(&x, &x)
    return _coefficients(&x)


def fp5_inv(a):
    """1 / a, and 0 for 0."""
    cdef lt_fp5 x
    _element(&x, a)
    lt_fp5_inv(&x, &x)
    return _coefficients(&x)


def fp5_frobenius(a, int times):
    """a^(p^times), for `times` 1 or 2."""
    cdef lt_fp5 x
    _element(&x, a)
    if times == 1:
        lt_fp5_frobenius(&x, &x)
    elif times == 2:
        lt_fp5_frobenius2(&x, &x)
    else:
        raise ValueError("times is 1 or 2")
    return _coefficients(&x)


def fp5_legendre(a):
    """1 for a square, -1 for another, 0 for 0."""
    cdef lt_fp5 x
    _element(&x, a)
    cdef uint64_t symbol = lt_fp5_legendre(&x)
    return <int>symbol if symbol <= 1 else -1


def fp5_sqrt(a):
    """A square root of a, None if there is none."""
    cdef lt_fp5 x, root
    _element(&x, a)
    return _coefficients(&root) if lt_fp5_sqrt(&root, &x) else None


def scalar_reduce(bytes a):
    """Any 40 bytes mod n."""
    cdef uint64_t x[5]
    _load(x, a)
    lt_scalar_reduce(x, x)
    return _store(x)


cdef int _reduced(uint64_t *out, bytes value) except -1:
    _load(out, value)
    if not lt_scalar_is_reduced(out):
        raise ValueError("the scalar is not below n")
    return 0


def scalar_add(bytes a, bytes b):
    """a + b mod n, of scalars below n."""
    cdef uint64_t x[5]
    cdef uint64_t y[5]
    _reduced(x, a)
    _reduced(y, b)
    lt_scalar_add(x, x, y)
    return _store(x)


def scalar_sub(bytes a, bytes b):
    """a - b mod n, of scalars below n."""
    cdef uint64_t x[5]
    cdef uint64_t y[5]
    _reduced(x, a)
    _reduced(y, b)
    lt_scalar_sub(x, x, y)
    return _store(x)


def scalar_mul(bytes a, bytes b):
    """a * b mod n, for any a and b below n."""
    cdef uint64_t x[5]
    cdef uint64_t y[5]
    _load(x, a)
    _reduced(y, b)
    lt_scalar_mul(x, x, y)
    return _store(x)


def scalar_is_valid(bytes a):
    """Whether 1 <= a < n."""
    return lt_scalar_is_valid(_bytes(a, 40)) != 0


def scalar_digits(bytes a):
    """Windows of a scalar below n: a = sum of (digit - 16, the last one's as it is) * 32^i."""
    cdef uint64_t x[5]
    cdef uint8_t digits[LT_WINDOWS]
    _reduced(x, a)
    lt_scalar_digits(digits, x)
    return [digits[i] for i in range(LT_WINDOWS)]


cdef int _point(lt_point *out, bytes encoded) except -1:
    cdef lt_fp5 w
    lt_fp5_load(&w, _bytes(encoded, 40))
    if not lt_point_decode(out, &w):
        raise ValueError("not a point")
    return 0


cdef bytes _encoded(const lt_point *p):
    cdef lt_fp5 w
    lt_point_encode(&w, p)
    return _store(w.c)


def point_decode(bytes encoded):
    """(x/b, u) of a point as 40 bytes each, None if this encodes none. Neutral: both 0."""
    cdef lt_fp5 w, inverse
    cdef lt_point p
    cdef uint8_t out[80]
    lt_fp5_load(&w, _bytes(encoded, 40))
    if not lt_point_decode(&p, &w):
        return None
    lt_fp5_inv(&inverse, &p.z)
    lt_fp5_mul(&p.x, &p.x, &inverse)
    lt_fp5_inv(&inverse, &p.t)
    lt_fp5_mul(&p.u, &p.u, &inverse)
    lt_fp5_store(out, &p.x)
    lt_fp5_store(out + 40, &p.u)
    return (PyBytes_FromStringAndSize(<char *>out, 40),
            PyBytes_FromStringAndSize(<char *>out + 40, 40))


def point_add(bytes a, bytes b):
    """Encoding of a + b; ValueError if one encodes no point."""
    cdef lt_point p, q
    _point(&p, a)
    _point(&q, b)
    lt_point_add(&p, &p, &q)
    return _encoded(&p)


def point_double(bytes a):
    """Encoding of a + a."""
    cdef lt_point p
    _point(&p, a)
    lt_point_double(&p, &p)
    return _encoded(&p)


def point_mul(bytes a, bytes scalar):
    """Encoding of scalar * a, for a scalar below n."""
    cdef lt_point p, out
    cdef uint64_t x[5]
    _point(&p, a)
    _reduced(x, scalar)
    lt_point_mul(&out, &p, x)
    return _encoded(&out)


def generator_mul(bytes scalar):
    """Encoding of scalar * G, for a scalar below n."""
    cdef lt_point out
    cdef uint64_t x[5]
    _reduced(x, scalar)
    lt_generator_mul(&out, x)
    return _encoded(&out)


def permute(state):
    """Poseidon2's permutation of twelve 64-bit integers, canonical."""
    cdef uint64_t words[12]
    cdef int i
    if len(state) != 12:
        raise ValueError(f"expected 12 elements, got {len(state)}")
    for i in range(12):
        words[i] = state[i]
    lt_poseidon2_permute(words)
    return [lt_fp_canonical(words[i]) for i in range(12)]


cdef list _hash(elements, int wanted):
    cdef Py_ssize_t i, n = len(elements)
    cdef uint64_t out[5]
    cdef uint64_t *words = <uint64_t *>malloc(max(n, 1) * sizeof(uint64_t))
    if words == NULL:
        raise MemoryError
    try:
        for i in range(n):
            words[i] = elements[i]
        if wanted == 5:
            lt_hash5(out, words, n)
        else:
            lt_hash4(out, words, n)
    finally:
        free(words)
    return [out[i] for i in range(wanted)]


def hash5(elements):
    """Five elements from a list of 64-bit integers."""
    return _hash(elements, 5)


def hash4(elements):
    """Four elements from a list of 64-bit integers."""
    return _hash(elements, 4)


cdef int _key(lt_key *key, bytes data) except -1:
    if lt_key_load(key, _bytes(data, 40)):
        raise ValueError("the private key is 0 mod n")
    return 0


def public_key(bytes private_key):
    """Encoding of private_key * G; ValueError for 0 mod n."""
    cdef lt_key key
    cdef uint8_t out[40]
    _key(&key, private_key)
    lt_public_key(out, &key)
    tw_wipe(&key, sizeof(lt_key))
    return PyBytes_FromStringAndSize(<char *>out, 40)


def nonce_point(bytes k):
    """r = encode(k * G); ValueError unless 1 <= k < n."""
    cdef lt_nonce nonce
    if lt_nonce_make(&nonce, _bytes(k, 40)):
        raise ValueError("k is not from 1 to n - 1")
    return _store(nonce.r)


def nonce_points(list ks):
    """r of each k, by the routine that shares inversions. Takes a 0, which gives 0."""
    cdef bytes joined = b"".join(ks)
    cdef Py_ssize_t i, n = len(ks)
    _bytes(joined, 40 * n)
    cdef lt_nonce *nonces = <lt_nonce *>malloc(max(n, 1) * sizeof(lt_nonce))
    if nonces == NULL:
        raise MemoryError
    try:
        lt_nonce_make_many(nonces, <const uint8_t *>PyBytes_AS_STRING(joined), n)
        return [_store(nonces[i].r) for i in range(n)]
    finally:
        free(nonces)


def sign_with_nonce(bytes private_key, bytes k, bytes message):
    """Signature s || e of a message of 40 bytes with a nonce that must be secret and used once."""
    cdef lt_key key
    cdef lt_nonce nonce
    cdef uint64_t words[5]
    cdef uint8_t out[80]
    _load(words, message)
    _key(&key, private_key)
    if lt_nonce_make(&nonce, _bytes(k, 40)):
        raise ValueError("k is not from 1 to n - 1")
    lt_sign(out, &key, &nonce, words)
    tw_wipe(&key, sizeof(lt_key))
    tw_wipe(&nonce, sizeof(lt_nonce))
    return PyBytes_FromStringAndSize(<char *>out, 80)


def verify(bytes public_key, bytes message, bytes signature):
    """Whether a signature of 80 bytes is valid."""
    cdef uint64_t words[5]
    _load(words, message)
    return lt_verify(_bytes(public_key, 40), words, _bytes(signature, 80)) != 0


def time_each(str operation, bytes inputs):
    """How long an operation takes on each 40 bytes of `inputs`, in ticks; for tests of constant time.

    "public_key" and "nonce" (1 <= k < n) take the input as the secret; "sign_key" signs one message
    with it as the key and one nonce, "sign_nonce" with one key and it as the nonce. "sqrt", of the
    field element in the first 8 bytes, takes a time that does depend on its input. ValueError for
    another operation, an input that is refused, or a size that is no multiple of 40.
    """
    cdef Py_ssize_t i, n = len(inputs) // 40
    cdef const uint8_t *data = _bytes(inputs, 40 * n)
    cdef uint8_t secret[40]
    cdef uint8_t out[80]
    cdef uint64_t message[5]
    cdef uint64_t before, after, root
    cdef int kind, refused = 0
    cdef lt_key key
    cdef lt_nonce nonce
    names = ("public_key", "nonce", "sign_key", "sign_nonce", "sqrt")
    if operation not in names:
        raise ValueError(f"operation must be one of {', '.join(names)}, got {operation!r}")
    kind = names.index(operation)
    tw_load320(message, _bytes(bytes(range(40)), 40))
    lt_key_load(&key, _bytes(bytes(range(1, 41)), 40))
    lt_nonce_make(&nonce, _bytes(bytes(range(2, 42)), 40))
    cdef list found = []
    for i in range(n):
        memcpy(secret, data + 40 * i, 40)  # all from the same place
        if kind != 1 and kind != 4:
            refused |= lt_key_load(&key, secret) if kind != 3 else lt_nonce_make(&nonce, secret)
        before = lt_ticks()
        if kind == 0:
            lt_public_key(out, &key)
        elif kind == 1:
            refused |= lt_nonce_make(&nonce, secret)
        elif kind == 4:
            lt_fp_sqrt(&root, (<const uint64_t *>data)[5 * i])
        else:
            lt_sign(out, &key, &nonce, message)
        after = lt_ticks()
        found.append(after - before)
    if refused:
        raise ValueError("an input is 0 mod n, or no nonce")
    return found
