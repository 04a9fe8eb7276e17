"""The listener between picows and a decoder.

What it adds to picows (RFC 6455 duties picows leaves to its user): reserved bits are refused,
fragments reassembled within a bound, text checked for UTF-8, close frames answered by the rules,
pings answered in frame order. Every complete message goes to the decoder in the same call, with
one receive time for all frames of one read.

Connect with `enable_auto_pong=False, enable_auto_ping=False`: a control frame that picows swallows
would hide where a read ends. Pings are answered here.
"""

import asyncio
import logging

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint64_t

from picows.picows cimport WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from connectors._speedups.errors import DecodeError, ProtocolError

__all__ = ["Decoder", "FeedListener"]

cdef extern from "utf8.h" nogil:
    Py_ssize_t tw_utf8_error(const uint8_t *p, Py_ssize_t n)

cdef extern from "clock.h" nogil:
    int64_t tw_now_ns()

log = logging.getLogger("connectors.feed")

# Time for a close frame to reach the peer before the socket goes: closing a socket with unread
# bytes resets the connection, and a reset overtakes what was still in flight.
cdef double CLOSE_DELAY_S = 0.01


def _seen(future):
    """Look at the error that ended a transport, lest the event loop complain that nobody did."""
    if not future.cancelled():
        future.exception()


cdef class Decoder:
    """Takes whole messages; subclass in Cython (`decode`) or in Python (`on_message`)."""

    cdef int decode(self, const uint8_t *p, Py_ssize_t n, int64_t ts_init) except -1:
        self.on_message(PyBytes_FromStringAndSize(<const char *>p, n), ts_init)
        return 0

    def on_message(self, bytes data, int64_t ts_init):
        """Handle one message, received at `ts_init` (ns since the epoch). Override this."""
        raise NotImplementedError("override on_message in Python or decode in Cython")


cdef class FeedListener(WSListener):
    """A picows listener that feeds one connection's messages to a decoder.

    Parameters
    ----------
    decoder : Decoder
    owner : object
        Is told what happens: `on_feed_connected(transport)`, `on_feed_disconnected(code, reason,
        clean)`, `on_feed_pong(payload)`, `on_feed_problem(error, data)`. `code` is 1006 when the
        peer sent no close frame and 1005 when its close frame carried none; `data` is the message
        that a decoder refused, None for a violation of the protocol.
    max_message_size : int
        Bytes of a whole message; a larger one closes the connection with 1009.
    clock_ns : callable, optional
        Receive time in ns since the epoch; by default the system's clock.

    Notes
    -----
    An exception in the decoder is counted in `errors`, reported, and ends nothing: the next
    message is decoded. `messages`, `frames`, `bytes_received`, `fragments`, `pings`, `pongs` and
    `errors` only ever grow, so a watchdog can compare them with what they were. `is_text` says of
    which kind the message being decoded is.
    """

    def __init__(self, Decoder decoder not None, owner, *, Py_ssize_t max_message_size=8 << 20,
                 clock_ns=None):
        if max_message_size < 125:
            raise ValueError(f"max_message_size must be at least 125, got {max_message_size}")
        self.decoder = decoder
        self.owner = owner
        self.max_message_size = max_message_size
        self._clock_ns = clock_ns
        self._fragments = bytearray()

    cdef int64_t now_ns(self) except -1:
        if self._clock_ns is None:
            return tw_now_ns()
        return self._clock_ns()

    cpdef on_ws_connected(self, WSTransport transport):
        self.transport = transport
        self.owner.on_feed_connected(transport)

    cpdef on_ws_disconnected(self, WSTransport transport):
        cdef object handshake = transport.close_handshake
        self._fragments = bytearray()
        # Nobody waits for the end of the transport; what ended it is told below.
        transport.disconnected_future.add_done_callback(_seen)
        if handshake is not None and handshake.recv is None and handshake.sent is not None:
            self._parser_failed(int(handshake.sent.code), handshake.sent.reason)
        # The handshake is complete only when both sides spoke; picows leaves it None when the
        # socket just ended, in mid-frame even without an error.
        if handshake is None or handshake.recv is None:
            self.owner.on_feed_disconnected(1006, "", False)
        else:
            code = int(handshake.recv.code) or 1005
            self.owner.on_feed_disconnected(code, handshake.recv.reason or "", handshake.sent is not None)

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        cdef const uint8_t *p = <const uint8_t *>frame.payload_ptr
        cdef Py_ssize_t n = frame.payload_size
        cdef WSMsgType kind = frame.msg_type
        if self._failing:
            return
        self.frames += 1
        if self._ts == 0:
            self._ts = self.now_ns()
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.fail(1002, "reserved bits are set but no extension was negotiated")
        elif kind == WSMsgType.TEXT or kind == WSMsgType.BINARY:
            if self._fragmented:
                self.fail(1002, "a new message began inside a fragmented one")
            elif n > self.max_message_size:
                self.fail(1009, "message is too big")
            elif frame.fin:
                self.deliver(p, n, kind == WSMsgType.TEXT)
            else:
                self.fragments += 1
                self._fragmented = True
                self._text = kind == WSMsgType.TEXT
                self._fragments = bytearray(p[:n])
        else:
            self._other_frame(transport, frame)
        if frame.last_in_buffer:
            self._ts = 0

    def _other_frame(self, WSTransport transport, WSFrame frame):
        cdef bytes payload = frame.get_payload_as_bytes()
        cdef WSMsgType kind = frame.msg_type
        cdef bytearray message
        if kind == WSMsgType.CONTINUATION:
            self.fragments += 1
            if not self._fragmented:
                self.fail(1002, "a continuation without a message to continue")
            elif len(self._fragments) + len(payload) > self.max_message_size:
                self.fail(1009, "message is too big")
            else:
                self._fragments += payload
                if frame.fin:
                    message = self._fragments
                    self._fragmented = False
                    self._fragments = bytearray()
                    self.deliver(<const uint8_t *><char *>message, len(message), self._text)
        elif kind == WSMsgType.PING:
            self.pings += 1
            transport.send_pong(payload)
        elif kind == WSMsgType.PONG:
            self.pongs += 1
            self.owner.on_feed_pong(payload)
        elif kind == WSMsgType.CLOSE:
            self._close_frame(transport, payload)
        else:
            self.fail(1002, f"unknown frame type {int(kind)}")

    def _close_frame(self, WSTransport transport, bytes payload):
        cdef int code = 1000
        if len(payload) == 1:
            return self.fail(1002, "a close frame with half a code")
        if payload:
            code = payload[0] << 8 | payload[1]
            if not (3000 <= code <= 4999 or 1000 <= code <= 1014 and code not in (1004, 1005, 1006)):
                return self.fail(1002, f"close code {code} must not be sent")
            if tw_utf8_error(<const uint8_t *><char *>payload + 2, len(payload) - 2) != len(payload) - 2:
                return self.fail(1007, "the close reason is not UTF-8")
        self._failing = True  # nothing may follow a close frame
        if not transport.is_close_frame_sent:
            transport.send_close(<WSCloseCode>code)
        asyncio.get_running_loop().call_later(CLOSE_DELAY_S, (<object>transport).disconnect)

    cdef int deliver(self, const uint8_t *p, Py_ssize_t n, bint text) except -1:
        if text and tw_utf8_error(p, n) != n:
            return self.fail(1007, "a text message is not UTF-8")
        self.messages += 1
        self.bytes_received += n
        self.is_text = text
        try:
            self.decoder.decode(p, n, self._ts)
        except Exception as error:
            self.errors += 1
            self._report(error, p[:n])
        return 0

    def _report(self, error, data):
        try:
            self.owner.on_feed_problem(error, data)
        except Exception:
            log.exception("on_feed_problem raised while %r was being reported", error)

    def _parser_failed(self, int code, reason):
        """Report a violation that picows found, and closed the connection for, by itself."""
        if code in (1002, 1007, 1009) and not self._failing:
            self.errors += 1
            self._report(ProtocolError(f"{reason or 'not a valid frame'} (closed with {code})"), None)

    cdef int fail(self, int code, str reason) except -1:
        """End the connection for a violation of the protocol."""
        self._failing = True
        self.errors += 1
        self._report(ProtocolError(f"{reason} (closed with {code})"), None)
        if self.transport is not None:
            self.transport.send_close(<WSCloseCode>code, reason)
            asyncio.get_running_loop().call_later(CLOSE_DELAY_S, (<object>self.transport).disconnect)
        return 0
