"""Bytes off the socket to a decoder, in the same call."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from picows.picows cimport WSFrame, WSListener, WSTransport


cdef class Decoder:
    """Takes whole messages. Override `decode` in Cython, or `on_message` in Python."""

    # [p, p+n) is valid only during the call; ts_init is the receive time in ns. An exception is
    # counted and reported by the feed, which goes on with the next message.
    cdef int decode(self, const uint8_t *p, Py_ssize_t n, int64_t ts_init) except -1


cdef class FeedListener(WSListener):
    cdef readonly Decoder decoder
    cdef readonly object owner
    cdef object _clock_ns
    cdef readonly WSTransport transport
    cdef readonly Py_ssize_t max_message_size
    cdef bytearray _fragments           # of the message being reassembled
    cdef bint _fragmented               # such a message is under way
    cdef bint _text                     # and it is text
    cdef bint _failing                  # a close for a protocol error was sent: ignore the rest
    cdef int64_t _ts                    # receive time of the read being worked on; 0: none yet
    cdef readonly bint is_text          # the message being decoded came in text frames
    cdef readonly uint64_t frames, messages, bytes_received, fragments, pings, pongs, errors

    cdef int64_t now_ns(self) except -1
    cdef int deliver(self, const uint8_t *p, Py_ssize_t n, bint text) except -1
    cdef int fail(self, int code, str reason) except -1
