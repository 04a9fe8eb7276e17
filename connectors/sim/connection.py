"""One websocket connection as a venue keeps it: input, output, ends, and what tests can see.

Frames are written to the transport directly, already encoded, so that one event costs one
encoding however many connections get it; aiohttp parses what comes in.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
from aiohttp import WSMsgType, web

from .record import FrameRecord
from .shaping import Shaper, Shaping
from .wsframes import BINARY, CLOSE, PING, PONG, TEXT, close_payload, encode

if TYPE_CHECKING:
    from .server import VenueServer

__all__ = ["Connection"]

CLOSE_GRACE_S = 1.0  # for the client's CLOSE in answer to ours


class Connection:
    """Reads frames and writes them together, once per turn of the loop.

    A venue's connection says what frames mean (`on_data`), when it may be written to by itself
    (`on_open`, `check`) and what to let go of at the end (`on_closed`).

    Parameters
    ----------
    number
        Counted by the simulator, from 1.

    Attributes
    ----------
    path, query
        Of the handshake, as received, not decoded.
    received
        The last messages: time in ms, kind (`text`, `binary`, `ping`, `pong`) and content.
    sent
        The last text and binary frames; only a few of them are kept when the connection has ended.
    slow_ms
        How much later every frame goes out.
    opened_ns, last_received_ns, last_sent_ns
        Simulated time since the simulator started.
    unanswered_since_ns
        When the first ping that no pong came for was sent.
    """

    kept_received: ClassVar[int] = 200
    kept_sent: ClassVar[int] = 1_000
    kept_after_close: ClassVar[int] = 50

    def __init__(self, sim: VenueServer[Any], request: web.BaseRequest, number: int) -> None:
        transport = request.transport
        assert transport is not None
        self.sim = sim
        self.number = number
        self.path, _, self.query = request.raw_path.partition("?")
        self.user_agent = request.headers.get("User-Agent", "")
        self.opened_ms = sim.clock.now_ms()
        self.opened_ns = sim.clock.elapsed_ns()
        self.closed_ms: int | None = None
        self.close_sent: tuple[int, str] | None = None
        self.close_received: int | None = None
        self.received: deque[tuple[int, str, str]] = deque(maxlen=self.kept_received)
        self.received_count = 0
        self.sent: deque[bytes] = deque(maxlen=self.kept_sent)
        self.sent_count = 0
        self.frozen = False
        self.slow_ms = 0.0
        self.last_received_ns = self.opened_ns
        self.last_sent_ns = self.opened_ns
        self.unanswered_since_ns: int | None = None
        self._next_ping_ns: int | None = None
        self._end_after: tuple[str, bool] | None = None
        self._transport = transport
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._flushing = False
        self._stalled = False
        self._closing = False
        self._shaper: Shaper | None = None
        self._loop = asyncio.get_running_loop()

    # -- what a venue fills in ---------------------------------------------------------------

    def on_open(self) -> None:
        """Greet."""

    def on_data(self, data: str | bytes) -> None:
        """Act on a text (str) or binary (bytes) frame."""
        raise NotImplementedError

    def on_closed(self) -> None:
        """Let go of what the connection was entitled to."""

    def check(self, now_ns: int) -> None:
        """Do what is due by time; called every few ms, on a closing or frozen connection too."""

    def admit(self, kind: str) -> bool:
        """Whether a message may be acted on; `kind` as in `received`."""
        return True

    # -- life --------------------------------------------------------------------------------

    async def serve(self, ws: web.WebSocketResponse) -> None:
        """Read until the connection ends."""
        try:
            self.on_open()
            while True:
                message = await ws.receive()
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    if self._take(message.type.name.lower(), message.data):
                        self.on_data(message.data)
                elif message.type is WSMsgType.PING:
                    if self._take("ping", message.data):
                        self.send(bytes(message.data), PONG)
                elif message.type is WSMsgType.PONG:
                    self.unanswered_since_ns = None
                    self._take("pong", message.data)
                elif message.type is WSMsgType.CLOSE:
                    self.close_received = message.data
                    if self.close_sent is None:
                        self.close(message.data or 1000)
                    break
                else:
                    break
        finally:
            self.closed_ms = self.sim.clock.now_ms()
            self.flush()
            self._closing = True
            if self._shaper is not None:
                self._shaper.cancel()
            self.sent = deque(self.sent, maxlen=self.kept_after_close)
            self.on_closed()
            self._transport.close()

    def _take(self, kind: str, data: Any) -> bool:
        """Record a message; False if it must not be acted on."""
        now_ms = self.sim.clock.now_ms()
        self.last_received_ns = self.sim.clock.elapsed_ns()
        self.received_count += 1
        text = data if isinstance(data, str) else bytes(data).decode("utf-8", "replace")
        self.received.append((now_ms, kind, text))
        if kind in ("text", "binary"):
            self.sim.record.frames.append(FrameRecord(now_ms, self.number, text))
        if self._closing or self.frozen:
            return False
        return self.admit(kind)

    @property
    def open(self) -> bool:
        return self.closed_ms is None and not self._closing

    @property
    def closing(self) -> bool:
        return self._closing

    @property
    def quiet(self) -> bool:
        """Whether nothing may be written any more."""
        return self._closing or self.frozen

    # -- output ------------------------------------------------------------------------------

    def send_frame(self, frame: Any) -> None:
        """Send an object as JSON."""
        self.send(orjson.dumps(frame))

    def send(self, payload: bytes, opcode: int = TEXT) -> None:
        """Send a frame, later on a slow connection."""
        if self.slow_ms:
            self.sim.later(self.slow_ms, lambda: self._send(payload, opcode))
        else:
            self._send(payload, opcode)

    def _send(self, payload: bytes, opcode: int) -> None:
        if opcode in (TEXT, BINARY):
            self.sent.append(payload)
        if self._shaper is None:
            self.queue(encode(payload, opcode))
        elif not self._shaper.put(payload, opcode):
            self.too_slow()

    def ping(self, payload: bytes = b"") -> None:
        """Send a websocket ping; `unanswered_since_ns` tells how long no pong has come."""
        if self.unanswered_since_ns is None:
            self.unanswered_since_ns = self.sim.clock.elapsed_ns()
        self.send(payload, PING)

    def ping_due(self, now_ns: int, every_s: float) -> bool:
        """Whether it is time for a ping again, of whatever kind; true once each time."""
        every_ns = int(every_s * 1e9)
        if self._next_ping_ns is None:
            self._next_ping_ns = self.opened_ns + every_ns
        if now_ns < self._next_ping_ns:
            return False
        self._next_ping_ns = now_ns + every_ns
        return True

    def queue(self, data: bytes) -> None:
        """Write an encoded frame with what else this turn of the loop brings, unshaped."""
        if self._closing or self.frozen:
            return
        self.sent_count += 1
        self._out.append(data)
        self._out_bytes += len(data)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what gathered, unless the client lags too far behind."""
        self._flushing = False
        if self.frozen or self._transport.is_closing():
            self.forget_output()
        elif self._out:
            unsent = self._transport.get_write_buffer_size()
            if self._stalled:
                unsent += self._out_bytes
            if unsent > self.sim.config.slow_consumer_bytes:
                self.too_slow()
            elif not self._stalled:
                self.last_sent_ns = self.sim.clock.elapsed_ns()
                self._transport.write(b"".join(self._out))
                self.forget_output()

    def forget_output(self) -> int:
        """Drop what has not been written; return how many frames."""
        count = len(self._out)
        self._out.clear()
        self._out_bytes = 0
        return count

    def too_slow(self) -> None:
        """Deal with a client that does not read; cuts the connection."""
        self.abort()

    def write_raw(self, data: bytes) -> bool:
        """Write bytes behind what was sent so far, frame or not; False when closed."""
        if self._closing or self.frozen or self._transport.is_closing():
            return False
        self.flush()
        if self._stalled:
            self._out.append(data)
            self._out_bytes += len(data)
        else:
            self.last_sent_ns = self.sim.clock.elapsed_ns()
            self._transport.write(data)
        return True

    # -- faults of the output ----------------------------------------------------------------

    def shape(self, shaping: Shaping | None, source: random.Random) -> None:
        """Bend the output from now on; None ends it."""
        if self._shaper is not None:
            if shaping is None:
                self._shaper.finish()
            else:
                self._shaper.shaping = shaping
        elif shaping is not None:
            self._shaper = Shaper(
                shaping, self.write_raw, self._unshape, self.expect_pong, source=source
            )

    def _unshape(self) -> None:
        self._shaper = None

    def expect_pong(self) -> None:
        """Know that one more pong will come, for a ping that is a fault and not a duty."""

    def stall(self) -> None:
        """Keep what is sent back until `resume`."""
        self.flush()
        self._stalled = True

    def resume(self) -> None:
        self._stalled = False
        self.flush()

    def freeze(self) -> None:
        """Leave the socket open and dead: nothing is read any more, nothing sent."""
        self.frozen = True
        self.forget_output()
        self.stop_reading()

    def stop_reading(self) -> None:
        """Let what the client sends pile up in the socket."""
        with contextlib.suppress(RuntimeError):  # closing by now
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._transport.resume_reading()

    # -- ends --------------------------------------------------------------------------------

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send CLOSE and end the connection when the client answers, or soon."""
        if self._closing:
            return
        if self._shaper is not None:
            self._shaper.finish()  # a CLOSE inside of a frame would be part of it
        self.queue(encode(close_payload(code, reason), CLOSE))
        self.flush()
        self.close_sent = (code, reason)
        self._closing = True
        self._loop.call_later(CLOSE_GRACE_S, self._transport.close)

    def hang_up(self) -> None:
        """End the TCP connection behind what was sent, without a CLOSE (the client sees 1006)."""
        self.flush()
        self._closing = True
        self._transport.close()

    def cut(self) -> None:
        """End the TCP connection at once; what was not sent is lost."""
        self._closing = True
        self._transport.abort()

    def abort(self) -> None:
        """Cut the TCP connection with a reset, without a word (the client sees 1006)."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError, ValueError):  # closed by now
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.cut()

    def end_after(self, kind: str = "", *, silently: bool = False) -> None:
        """End when the next frame of a kind ("" for any) has been handled; see `handled`."""
        self._end_after = (kind, silently)

    def handled(self, kind: Any = "") -> None:
        """Be told by the venue that a frame has been handled and answered."""
        if self._end_after is None or self._end_after[0] not in ("", kind):
            return
        silently, self._end_after = self._end_after[1], None
        if silently:
            self.hang_up()
        else:
            self.close(1000, "closed by script")

    @property
    def bent(self) -> bool:
        """Whether frames must go through `send`, not encoded, because a fault bends them."""
        return self._shaper is not None or self.slow_ms > 0

    @property
    def unsent_bytes(self) -> int:
        return self._transport.get_write_buffer_size() if self.open else 0

    def describe(self) -> dict[str, Any]:
        """Return what tests may want to know."""
        return {
            "number": self.number,
            "path": self.path,
            "query": self.query,
            "user_agent": self.user_agent,
            "open": self.open,
            "frozen": self.frozen,
            "opened_ms": self.opened_ms,
            "closed_ms": self.closed_ms,
            "close_sent": self.close_sent,
            "close_received": self.close_received,
            "received": self.received_count,
            "sent": self.sent_count,
        }
