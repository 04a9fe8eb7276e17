"""Bytes off the socket to a decoder, in the same call."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from picows.picows cimport WSFrame, WSListener, WSTransport


cdef class Decoder:
    """Takes whole messages. Override `decode` in Cython or `on_message` in Python."""
    # [p, p+n) is valid only during the call. ts_init: receive time, ns.
    cdef int decode(self, const uint8_t *p, Py_ssize_t n, int64_t ts_init) except -1
