"""A set that remembers the last `capacity` keys: the guard against repeated fills and trades."""

import os

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport Py_EQ, PyObject_Hash, PyObject_RichCompareBool
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp

__all__ = ["BoundedDedup"]

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object, int *)  # of an exact int: raises nothing
    Py_ssize_t PyUnicode_GET_LENGTH(object)
    int PyUnicode_KIND(object)
    const void *PyUnicode_DATA(object)
    ctypedef struct PyASCIIObject:
        Py_ssize_t hash  # -1: not computed yet

# Of this process: integers chosen to collide elsewhere do not collide here.
cdef uint64_t SEED_ADD = int.from_bytes(os.urandom(8), "little")
cdef uint64_t SEED_MUL = int.from_bytes(os.urandom(8), "little")


@cython.final
@cython.no_gc  # keys are atoms or flat tuples of atoms: no cycle can pass through here
cdef class BoundedDedup:
    """The last `capacity` different keys; inserting one more forgets the oldest.

    A key is an int of any size, a str, a bytes, or a tuple of those (not nested). Only the exact
    types are taken: a bool, a float or an instance of a subclass raises TypeError, so that
    comparing two keys never runs foreign code. Equality of type and value decides, never the hash
    alone: `1`, `"1"`, `b"1"` and `(1,)` are four keys.

    Seeing a key again does not make it younger: what goes is the oldest *insertion*.

    Parameters
    ----------
    capacity : int
        From 1 to 2**30. All memory, 32 to 48 bytes per key, is reserved here and never grows
        (the system hands out the pages as they are used), so no insert pays for a rehash.
        Keys that are not 64-bit integers are kept alive until they go.

    Raises
    ------
    TypeError
        If `capacity` is not an int.
    ValueError
        If it is out of range.
    MemoryError
        If there is no room for that many.

    Notes
    -----
    Not for use from several threads at once without the GIL. Iterating gives the keys oldest
    first, from a copy.
    """

    def __cinit__(self, capacity):
        if type(capacity) is not int:
            raise TypeError(f"capacity must be an int, got {type(capacity).__name__}")
        if not 1 <= capacity <= TW_DEDUP_MAX:
            raise ValueError(f"capacity must be from 1 to {TW_DEDUP_MAX}, got {capacity}")
        if not tw_dedup_init(&self.table, capacity, SEED_ADD, SEED_MUL):
            raise MemoryError(f"no memory for {capacity} keys")

    def __dealloc__(self):
        if self.table.ring != NULL:
            _forget_all(&self.table)
        tw_dedup_free(&self.table)

    @property
    def capacity(self):
        """How many keys are remembered at most."""
        return self.table.capacity

    @cython.binding(False)
    def insert(self, key, /):
        """Remember `key`; return True when it was already there.

        Raises TypeError for a key of another type; nothing has changed then.
        """
        cdef int overflow = 0
        cdef int64_t value
        cdef uint64_t hashed
        if type(key) is int:
            value = PyLong_AsLongLongAndOverflow(key, &overflow)
            if not overflow:
                return self.insert_i64(value)
        hashed = _text_hash(key) if type(key) is str else _hash(&self.table, key)
        if _find(&self.table, hashed, key):
            return True
        Py_INCREF(key)
        _release(tw_dedup_push(&self.table, hashed, <void *>key, <uint32_t>hashed))
        return False

    def __contains__(self, key):
        cdef int overflow = 0
        cdef int64_t value
        if type(key) is int:
            value = PyLong_AsLongLongAndOverflow(key, &overflow)
            if not overflow:
                return self.contains_i64(value)
        return _find(&self.table, _hash(&self.table, key), key)

    cdef bint insert_i64(self, int64_t key) noexcept:
        cdef uint32_t tag = <uint32_t>tw_dedup_mix(&self.table, <uint64_t>key)
        if tw_dedup_has(&self.table, <uint64_t>key, tag):
            return True
        _release(tw_dedup_push(&self.table, <uint64_t>key, NULL, tag))
        return False

    cdef bint contains_i64(self, int64_t key) noexcept:
        return tw_dedup_has(&self.table, <uint64_t>key,
                            <uint32_t>tw_dedup_mix(&self.table, <uint64_t>key))

    def __len__(self):
        return self.table.count

    def __iter__(self):
        cdef list keys = []
        cdef uint32_t i, at = tw_dedup_oldest(&self.table)
        cdef tw_dedup_entry *entry
        for i in range(self.table.count):
            entry = &self.table.ring[at]
            keys.append(<object>entry.key if entry.key != NULL else <int64_t>entry.word)
            at = at + 1 if at + 1 < self.table.capacity else 0
        return iter(keys)

    def clear(self):
        """Forget every key. Takes time in proportion to `len`."""
        _forget_all(&self.table)

    def __repr__(self):
        return f"BoundedDedup({self.table.count} of {self.table.capacity})"


cdef inline void _release(void *key) noexcept:
    if key != NULL:
        Py_DECREF(<object>key)


cdef void _forget_all(tw_dedup *table) noexcept:
    while table.count:
        _release(tw_dedup_pop(table))


cdef inline uint64_t _text_hash(key) except? 0:
    """Hash of an exact str, seeded by Python; without a call once it has been computed."""
    cdef Py_ssize_t hashed = (<PyASCIIObject *>key).hash
    return <uint64_t>(hashed if hashed != -1 else PyObject_Hash(key))


cdef uint64_t _hash(const tw_dedup *table, key) except? 0:
    """Hash of a key that is not a 64-bit int; TypeError if it is no key at all."""
    cdef uint64_t hashed
    if type(key) is str or type(key) is bytes:
        return <uint64_t>PyObject_Hash(key)
    if type(key) is int:
        return _hash_atom(table, key)
    if type(key) is tuple:
        # Not Python's own hash: that of a tuple of ints, and of a large int, is the same in
        # every process, and keys that collide are easy to make.
        hashed = tw_dedup_mix(table, <uint64_t>len(<tuple>key))
        for item in <tuple>key:
            hashed = tw_dedup_mix(table, hashed + _hash_atom(table, item))
        return hashed
    raise TypeError(f"a key is an int, str, bytes or a tuple of those, got {_type_name(key)}")


cdef uint64_t _hash_atom(const tw_dedup *table, item) except? 0:
    cdef int overflow = 0
    cdef int64_t value
    if type(item) is str or type(item) is bytes:
        return <uint64_t>PyObject_Hash(item)
    if type(item) is int:
        value = PyLong_AsLongLongAndOverflow(item, &overflow)
        if not overflow:
            return tw_dedup_mix(table, <uint64_t>value)
        return <uint64_t>PyObject_Hash(
            item.to_bytes(item.bit_length() // 8 + 1, "little", signed=True))
    raise TypeError(f"a tuple key holds int, str and bytes only, got {_type_name(item)}")


cdef object _type_name(value):
    if isinstance(value, (int, str, bytes, tuple)):
        return f"{type(value).__name__}, which is not exactly int, str, bytes or tuple"
    return type(value).__name__


cdef inline bint _find(const tw_dedup *table, uint64_t hashed, key) except -1:
    cdef uint32_t cursor = <uint32_t>hashed & table.mask
    cdef void *other = tw_dedup_candidate(table, hashed, &cursor)
    while other != NULL:
        if other == <void *>key or _same(<object>other, key):
            return True
        other = tw_dedup_candidate(table, hashed, &cursor)
    return False


cdef bint _same(a, b) except -1:
    """Same type and same value, without calling a method of either."""
    cdef Py_ssize_t i, n
    if type(a) is not type(b):
        return False
    if type(a) is str:
        # Text is stored in its narrowest kind, so equal text has equal kinds.
        n = PyUnicode_GET_LENGTH(a)
        return (n == PyUnicode_GET_LENGTH(b) and PyUnicode_KIND(a) == PyUnicode_KIND(b)
                and memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b), n * PyUnicode_KIND(a)) == 0)
    if type(a) is bytes:
        n = PyBytes_GET_SIZE(a)
        return (n == PyBytes_GET_SIZE(b)
                and memcmp(PyBytes_AS_STRING(a), PyBytes_AS_STRING(b), n) == 0)
    if type(a) is int:
        return PyObject_RichCompareBool(a, b, Py_EQ)
    if len(<tuple>a) != len(<tuple>b):
        return False
    # By index: an iterator would be a tracked object, and making one may start a collection and
    # with it foreign code, which could release `a` under us.
    for i in range(len(<tuple>a)):
        if not _same((<tuple>a)[i], (<tuple>b)[i]):
            return False
    return True
