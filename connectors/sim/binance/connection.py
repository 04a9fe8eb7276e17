"""One websocket connection as the venue keeps it: limits, pings, output, and what tests can see.

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
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from ..wsframes import CLOSE, PING, PONG, TEXT, close_payload, encode
from .control import ControlSession, Reply, error_reply
from .frames import Frame
from .shaping import Shaper, Shaping
from .types import Product, UserFrame
from .wsapi import TradingWs

if TYPE_CHECKING:
    from .server import Simulator
    from .streams import Tap

__all__ = ["Connection", "StreamConnection", "TradingConnection"]

CLOSE_GRACE_S = 1.0  # for the client's CLOSE in answer to ours
KEPT_MESSAGES = 2_000


class Connection:
    """What stream and trading connections have in common.

    Parameters
    ----------
    path, query
        As received, not decoded.
    """

    kind = "connection"

    def __init__(
        self, sim: Simulator, request: web.BaseRequest, number: int, product: Product
    ) -> None:
        transport = request.transport
        assert transport is not None
        self.sim = sim
        self.number = number
        self.product = product
        self.path, _, self.query = request.raw_path.partition("?")
        self.api_key_sent = "X-MBX-APIKEY" in request.headers
        self.user_agent = request.headers.get("User-Agent", "")
        self.opened_ms = sim.clock.now_ms()
        self.opened_ns = sim.clock.elapsed_ns()
        self.closed_ms: int | None = None
        self.close_sent: tuple[int, str] | None = None
        self.close_received: int | None = None
        self.received: deque[tuple[int, str, str]] = deque(maxlen=KEPT_MESSAGES)
        self.received_count = 0
        self.sent_count = 0
        self.skipped_count = 0
        self.violations = 0
        self.frozen = False
        self.taps: list[Tap] = []
        self._transport = transport
        self._out: list[bytes] = []
        self._flushing = False
        self._closing = False
        self._shaper: Shaper | None = None
        self._arrivals: deque[int] = deque()
        self._loop = asyncio.get_running_loop()
        self._next_ping_ns = self.opened_ns + int(sim.config.ping_interval_s * 1e9)
        self._unanswered_since_ns: int | None = None
        self._pongs_due = 0

    # -- life ------------------------------------------------------------------------------

    async def serve(self, ws: web.WebSocketResponse) -> None:
        """Read until the connection ends."""
        try:
            while True:
                message = await ws.receive()
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    if self._note(message.type.name.lower(), message.data):
                        self.on_text(message.data)
                elif message.type is WSMsgType.PING:
                    if self._note("ping", message.data):
                        self.send(bytes(message.data), PONG)
                elif message.type is WSMsgType.PONG:
                    self._unanswered_since_ns = None
                    self._note("pong", message.data)
                elif message.type is WSMsgType.CLOSE:
                    self.close_received = message.data
                    if self.close_sent is None:
                        self.close(message.data or 1000)
                    break
                else:
                    break
        finally:
            self.closed_ms = self.sim.clock.now_ms()
            self._flush()
            self._closing = True
            if self._shaper is not None:
                self._shaper.task.cancel()
            self.on_closed()
            self._transport.close()

    def _note(self, kind: str, data: Any) -> bool:
        """Record a message and count it; False if it must not be acted on (BN-M-05)."""
        now_ns = self.sim.clock.elapsed_ns()
        self.received_count += 1
        text = data if isinstance(data, str) else bytes(data).decode("utf-8", "replace")
        self.received.append((self.sim.clock.now_ms(), kind, text))
        if self._closing or self.frozen:
            return False
        if kind == "pong" and self._pongs_due:
            self._pongs_due -= 1
            return True
        if not self.rate_limited:
            return True
        arrivals = self._arrivals
        arrivals.append(now_ns)
        while arrivals[0] <= now_ns - 1_000_000_000:
            arrivals.popleft()
        if len(arrivals) > self.sim.config.max_messages_per_s:
            self.violations += 1
            self.sim.note_violation()
            self.close(1008, "Too many requests")
            return False
        return True

    rate_limited = True

    def expect_pongs(self, count: int) -> None:
        """Let so many pongs pass uncounted: nobody is punished for answering our pings."""
        self._pongs_due += count

    def on_text(self, data: str | bytes) -> None:
        raise NotImplementedError

    def on_closed(self) -> None:
        """Let go of what the connection was entitled to."""

    def check(self, now_ns: int) -> None:
        """Ping, and close a silent or too old connection (BN-M-07, BN-M-08)."""
        if self._closing or self.frozen:
            return
        config = self.sim.config
        waiting_ns = self._unanswered_since_ns
        if waiting_ns is not None and now_ns - waiting_ns > config.pong_timeout_s * 1e9:
            self.close(1008, "disconnected")
        elif now_ns - self.opened_ns > config.lifetime_s * 1e9:
            if config.lifetime_warning:
                self.send(b'{"e":"serverShutdown","E":%d}' % self.sim.clock.now_ms())
            self.close(1001)
        elif now_ns >= self._next_ping_ns:
            self._next_ping_ns = now_ns + int(config.ping_interval_s * 1e9)
            if waiting_ns is None:
                self._unanswered_since_ns = now_ns
            self.expect_pongs(1)
            self.send(str(self.sim.clock.now_ms()).encode(), PING)

    # -- output ----------------------------------------------------------------------------

    def send(self, payload: bytes, opcode: int = TEXT) -> None:
        if self._shaper is not None:
            self._shape(payload, opcode)
        else:
            self._queue(encode(payload, opcode))

    def _shape(self, payload: bytes, opcode: int) -> None:
        if self._shaper is not None and not self._shaper.put(payload, opcode):
            self._too_slow()

    def _queue(self, data: bytes) -> None:
        if self._closing or self.frozen:
            return
        self.sent_count += 1
        self._out.append(data)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Write what gathered since the last turn of the loop, unless the client lags."""
        self._flushing = False
        if self.frozen or self._transport.is_closing():
            self._out.clear()
            return
        if not self._out:
            return
        if self._transport.get_write_buffer_size() > self.sim.config.slow_consumer_bytes:
            self._too_slow()
            return
        self._transport.write(b"".join(self._out))
        self._out.clear()

    def _too_slow(self) -> None:
        self.sim.slow_consumers += 1
        self.skipped_count += len(self._out)
        self._out.clear()
        if self.sim.config.slow_consumer == "close":
            self.close_sent = (1008, "slow consumer")
            self._closing = True
            self._transport.abort()

    def write_raw(self, data: bytes) -> bool:
        """Write bytes behind what was sent so far, frame or not; False when closed."""
        if self._closing or self.frozen or self._transport.is_closing():
            return False
        self._flush()
        self._transport.write(data)
        return True

    def shape(self, shaping: Shaping | None, source: random.Random) -> None:
        """Bend the output from now on; None ends it."""
        if self._shaper is not None:
            if shaping is None:
                self._shaper.end()
            else:
                self._shaper.shaping = shaping
        elif shaping is not None:
            self._shaper = Shaper(
                shaping,
                self.write_raw,
                self._unshape,
                lambda: self.expect_pongs(1),
                source=source,
            )

    def _unshape(self) -> None:
        self._shaper = None

    # -- ends ------------------------------------------------------------------------------

    def close(self, code: int, reason: str = "") -> None:
        """Send CLOSE and end the connection when the client answers, or soon."""
        if self._closing:
            return
        self._queue(encode(close_payload(code, reason), CLOSE))
        self._flush()
        self.close_sent = (code, reason)
        self._closing = True
        self._loop.call_later(CLOSE_GRACE_S, self._transport.close)

    def reset(self) -> None:
        """Cut the TCP connection with a reset, without a word."""
        self._closing = True
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError, ValueError):  # closed by now
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def freeze(self) -> None:
        """Stop reading and writing but keep the socket: a half-open connection."""
        self.frozen = True
        self._out.clear()
        self._transport.pause_reading()

    @property
    def open(self) -> bool:
        return self.closed_ms is None and not self._closing

    def describe(self) -> dict[str, Any]:
        """Return what tests may want to know (BN-M-17)."""
        return {
            "id": self.number,
            "kind": self.kind,
            "product": self.product.value,
            "path": self.path,
            "query": self.query,
            "api_key_sent": self.api_key_sent,
            "user_agent": self.user_agent,
            "open": self.open,
            "frozen": self.frozen,
            "opened_ms": self.opened_ms,
            "closed_ms": self.closed_ms,
            "close_sent": self.close_sent,
            "close_received": self.close_received,
            "received_count": self.received_count,
            "received": [{"ms": ms, "type": kind, "text": text} for ms, kind, text in
                         self.received],
            "sent_count": self.sent_count,
            "skipped_count": self.skipped_count,
            "unsent_bytes": self._transport.get_write_buffer_size() if self.open else 0,
            "violations": self.violations,
        }  # fmt: skip


class StreamConnection(Connection):
    """A connection of a stream host.

    Parameters
    ----------
    route
        `public`, `market` or `private`; None for unrouted paths.
    combined
        Whether payloads start wrapped (`/stream`).
    """

    kind = "stream"

    def __init__(
        self,
        sim: Simulator,
        request: web.BaseRequest,
        number: int,
        *,
        product: Product,
        route: str | None,
        combined: bool,
    ) -> None:
        super().__init__(sim, request, number, product)
        self.route = route
        self.listen_keys: dict[str, frozenset[str] | None] = {}
        self.control = ControlSession(
            combined=combined,
            on_subscribe=self.subscribe,
            on_unsubscribe=self._unsubscribe,
            may_subscribe=self._may_subscribe,
            max_streams=lambda: sim.config.max_streams,
            flat_errors=lambda: sim.config.flat_errors,
        )

    def start(self, names: Sequence[str], keys: dict[str, frozenset[str] | None]) -> None:
        """Subscribe what the address asked for."""
        if len(names) > self.sim.config.max_streams:
            flat = self.sim.config.flat_errors
            self.send(error_reply(4, "Too many subscriptions", None, flat=flat))
            self.close(1008, "Too many subscriptions")
            return
        self.listen_keys.update(keys)
        self.control.names.update(dict.fromkeys(names))
        self.subscribe(names)

    def send_event(self, frame: Frame) -> None:
        if self.taps:
            frames: list[Frame] = [frame]
            for tap in tuple(self.taps):
                frames = [out for item in frames for out in tap(item)]
            for item in frames:
                self._send_event(item)
        else:
            self._send_event(frame)

    def _send_event(self, frame: Frame) -> None:
        combined = self.control.combined
        if self._shaper is not None:
            self._shape(frame.combined_payload if combined else frame.payload, TEXT)
        else:
            self._queue(frame.wrapped if combined else frame.raw)

    def send_user(self, frame: UserFrame) -> None:
        """Send a user event if this connection follows its listen key and wants it (BN-L-12)."""
        if frame.listen_key not in self.listen_keys:
            return
        wanted = self.listen_keys[frame.listen_key]
        if wanted is None:
            passes = not self.sim.config.private_needs_events or self.route != "private"
        else:
            passes = frame.event in wanted
        if passes:
            self.send_event(Frame(frame.listen_key, frame.data))

    # -- subscriptions ---------------------------------------------------------------------

    def subscribe(self, names: Sequence[str]) -> None:
        for name in names:
            if self.route in (None, "private") and self.sim.knows_listen_key(name):
                self.listen_keys.setdefault(name, None)
            elif self._route_serves(name):
                self.sim.hub.add(self, name, self.product)

    def _unsubscribe(self, names: Sequence[str]) -> None:
        for name in names:
            self.listen_keys.pop(name, None)
            self.sim.hub.remove(self, name)

    def _route_serves(self, name: str) -> bool:
        if self.product is Product.COINM or self.sim.config.route_check == "all":
            return True
        return self.sim.hub.route_of(name, self.product) == (self.route or "public")

    def _may_subscribe(self, name: str) -> bool:
        if self.sim.config.route_check != "reject" or self.product is Product.COINM:
            return True
        return self.sim.hub.route_of(name, self.product) is None or self._route_serves(name)

    def on_text(self, data: str | bytes) -> None:
        reply = self.control.handle(data)
        fault = self.sim.faults.take_control(self, reply)
        if fault is None:
            self.answer(reply)
        else:
            fault.act(self, reply)

    def answer(self, reply: Reply) -> None:
        """Carry out a command and confirm it, the confirmation before any data."""
        if reply.method == "UNSUBSCRIBE" and reply.apply is not None:
            reply.apply()
            self.send(reply.payload)
            return
        self.send(reply.payload)
        if reply.apply is not None:
            reply.apply()

    def on_closed(self) -> None:
        self._unsubscribe(list(self.control.names))
        self.listen_keys.clear()

    def describe(self) -> dict[str, Any]:
        return super().describe() | {
            "route": self.route,
            "combined": self.control.combined,
            "subscriptions": list(self.control.names),
            "delivering": [
                name
                for name in self.control.names
                if name in self.listen_keys
                or (
                    name in self.sim.hub.channels
                    and self in self.sim.hub.channels[name].subscribers
                )
            ],
            "listen_keys": len(self.listen_keys),
        }


class TradingConnection(Connection):
    """A connection of a trading websocket host: requests in, replies out."""

    kind = "trading"
    rate_limited = False  # requests are counted by weight and orders

    def __init__(
        self,
        sim: Simulator,
        request: web.BaseRequest,
        number: int,
        session: TradingWs,
        product: Product,
    ) -> None:
        super().__init__(sim, request, number, product)
        self.session = session

    def on_text(self, data: str | bytes) -> None:
        for reply in self.session.handle(data):
            self.send(reply)

    def check(self, now_ns: int) -> None:
        for reply in self.session.poll():
            self.send(reply)
        super().check(now_ns)


