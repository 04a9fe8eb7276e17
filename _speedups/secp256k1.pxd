# k * G by libsecp256k1, for the signers of every venue whose keys are of secp256k1.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

cdef extern from "secp256k1/library.h" nogil:
    ctypedef int (*sk_create)(const void *context, void *point, const uint8_t *secret)
    ctypedef int (*sk_serialize)(const void *context, uint8_t *out, size_t *size,
                                 const void *point, unsigned flags)
    ctypedef struct sk_library:
        const void *context
        sk_create create
        sk_serialize serialize
    int sk_generator_mul(const sk_library *library, uint8_t *xy, const uint8_t *secret)

# Lives as long as the process.
cdef const sk_library *library() noexcept nogil
