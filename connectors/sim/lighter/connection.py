"""One websocket connection as the venue keeps it: subscriptions, transactions, output, ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson
from aiohttp import WSMsgType, web

from ..wsframes import CLOSE, PING, PONG, TEXT, close_payload, encode
from .channels import Channel, parse_channel
from .errors import Refused
from .record import FrameRecord, Subscribe
from .tx import token_owner

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Connection"]

CLOSE_GRACE_S = 1.0
MAX_SUBSCRIPTIONS = 500
SLOW_CONSUMER_BYTES = 64 << 20
TX_KINDS = ("jsonapi/sendtx", "jsonapi/sendtxbatch")


class Connection:
    """Reads frames and answers them; frames out are written together once per loop turn."""

    def __init__(self, sim: Simulator, request: web.BaseRequest, number: int) -> None:
        transport = request.transport
        assert transport is not None
        self.sim = sim
        self.number = number
        self.path, _, query = request.raw_path.partition("?")
        self.read_only = parse_qs(query).get("readonly") == ["true"]
        self.user_agent = request.headers.get("User-Agent", "")
        self.opened_ms = sim.clock.now_ms()
        self.opened_ns = sim.clock.elapsed_ns()
        self.closed_ms: int | None = None
        self.close_sent: tuple[int, str] | None = None
        self.close_received: int | None = None
        self.channels: dict[str, Channel] = {}
        self._deadlines_s: dict[str, int] = {}  # of the tokens private channels came with
        self.sent: deque[bytes] = deque(maxlen=1_000)
        self.sent_count = 0
        self.received_count = 0
        self.close_after: str | None = None  # frame type, "" for any
        self.frozen = False
        self._last_received_ns = self.opened_ns
        self._next_ping_ns = self.opened_ns + int(sim.config.ping_interval_s * 1e9)
        self._transport = transport
        self._out: list[bytes] = []
        self._flushing = False
        self._closing = False
        self._loop = asyncio.get_running_loop()

    # -- life --------------------------------------------------------------------------------

    async def serve(self, ws: web.WebSocketResponse) -> None:
        """Greet and read until the connection ends."""
        self.send_frame({"type": "connected", "session_id": f"sim-{self.number}"})
        try:
            while True:
                message = await ws.receive()
                if message.type is WSMsgType.TEXT:
                    self._on_text(message.data)
                elif message.type is WSMsgType.BINARY:
                    self._error(30000, "Invalid Json")
                elif message.type is WSMsgType.PING:
                    self._last_received_ns = self.sim.clock.elapsed_ns()
                    self._queue(encode(bytes(message.data), PONG))
                elif message.type is WSMsgType.PONG:
                    self._last_received_ns = self.sim.clock.elapsed_ns()
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
            self.sent = deque(self.sent, maxlen=10)
            for name in self.channels:
                self.sim.publisher.unfollow(self, name)
            self._transport.close()

    def check(self, now_ns: int) -> None:
        """Ping, close what is idle or too old (6.7), silence what its token no longer covers."""
        config = self.sim.config
        if self._closing or self.frozen:
            return
        now_s = self.sim.clock.now_ns() / 1e9
        for name in [n for n, deadline_s in self._deadlines_s.items() if deadline_s <= now_s]:
            self.drop(name)
        if config.idle_close_s and now_ns - self._last_received_ns > config.idle_close_s * 1e9:
            self.close(1000, "idle")
        elif config.lifetime_s and now_ns - self.opened_ns > config.lifetime_s * 1e9:
            self.close(1001, "too old")
        elif config.ping_interval_s and now_ns >= self._next_ping_ns:
            self._next_ping_ns = now_ns + int(config.ping_interval_s * 1e9)
            self.send_frame({"type": "ping"})

    # -- input -------------------------------------------------------------------------------

    def _on_text(self, text: str) -> None:
        sim = self.sim
        self.received_count += 1
        self._last_received_ns = sim.clock.elapsed_ns()
        sim.record.frames.append(FrameRecord(sim.clock.now_ms(), self.number, text))
        if self._closing or self.frozen:
            return
        try:
            frame = orjson.loads(text)
        except orjson.JSONDecodeError:
            self._error(30000, "Invalid Json")
            return
        kind = frame.get("type") if isinstance(frame, dict) else None
        self._act(frame, kind)
        if self.close_after is not None and self.close_after in ("", kind):
            self.close_after = None
            self.close(1000, "closed by script")

    def _act(self, frame: Any, kind: Any) -> None:
        if kind in TX_KINDS:
            if self.read_only:
                return self._error(30006, "Unsupported")
            return self.sim.transact.on_frame(self, kind, frame.get("data"))
        if self.sim.limits.too_many_messages():
            return self._error(30009, "Too Many Websocket Messages!")
        if kind == "ping":
            return self.send_frame({"type": "pong"})
        if kind == "pong":
            return None
        channel = frame.get("channel") if isinstance(frame, dict) else None
        if kind in ("subscribe", "unsubscribe") and isinstance(channel, str):
            if kind == "subscribe":
                return self._subscribe(channel, frame.get("auth"))
            return self._unsubscribe(channel)
        return self._error(30001, "Invalid Type")

    def _error(self, code: int, message: str) -> None:
        self.send_frame({"error": {"code": code, "message": message}})

    def _subscribe(self, text: str, auth: Any) -> None:
        sim = self.sim
        given = auth if isinstance(auth, str) else None
        sim.record.subscribes.append(Subscribe(sim.clock.now_ms(), self.number, text, given))
        channel = parse_channel(text, sim.exchange.markets, sim.exchange.accounts)
        if channel is None:
            return self._error(30005, "Invalid Channel")
        renews = channel.private and sim.config.token_refresh
        if channel.name in self.channels and not renews:
            return self._error(30003, f"Already Subscribed to : {channel.name}")
        if sim.config.limits and len(self.channels) >= MAX_SUBSCRIPTIONS:
            return self._error(23001, "Too Many Subscriptions!")
        if channel.private:
            assert channel.account is not None
            if self.read_only:
                return self._error(30006, "Unsupported")
            if not given:
                text = f"invalid param : auth field is required: {channel.name}"
                return self._error(20001, text)
            try:
                sim.check_token(given, channel.account)
            except Refused as refused:
                return self._error(refused.code, f"{refused.message}: {channel.name}")
            self._deadlines_s[channel.name] = token_owner(given)[0]
        if sim.config.bare_acks:
            self.send_frame({"type": "subscribed", "channel": channel.name})
        first = sim.publisher.first(channel) if sim.config.typed_frames else None
        self.channels[channel.name] = channel
        sim.publisher.follow(self, channel)
        if first is not None:
            self.send_frame(first)
        return None

    def _unsubscribe(self, text: str) -> None:
        sim = self.sim
        sim.record.unsubscribes.append(Subscribe(sim.clock.now_ms(), self.number, text, None))
        channel = parse_channel(text, sim.exchange.markets, sim.exchange.accounts)
        if channel is None:
            return self._error(30005, "Invalid Channel")
        if channel.name not in self.channels:
            return self._error(30002, f"Not Subscribed to : {channel.name}")
        self.drop(channel.name)
        self.send_frame({"type": "unsubscribed", "channel": channel.name})
        return None

    def drop(self, name: str) -> None:
        """End a subscription without a word."""
        self.channels.pop(name, None)
        self._deadlines_s.pop(name, None)
        self.sim.publisher.unfollow(self, name)

    # -- output ------------------------------------------------------------------------------

    def send_frame(self, frame: Any) -> None:
        self.send(orjson.dumps(frame))

    def send(self, payload: bytes) -> None:
        """Send a text frame."""
        self.sent.append(payload)
        self._queue(encode(payload, TEXT))

    def ping(self, payload: bytes = b"") -> None:
        """Send a websocket ping."""
        self._queue(encode(payload, PING))

    def _queue(self, data: bytes) -> None:
        if self._closing or self.frozen:
            return
        self.sent_count += 1
        self._out.append(data)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self.frozen or self._transport.is_closing():
            self._out.clear()
        elif self._out:
            if self._transport.get_write_buffer_size() > SLOW_CONSUMER_BYTES:
                self.abort()
                return
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def write_raw(self, data: bytes) -> None:
        """Write bytes behind what was sent so far, frame or not."""
        if not (self._closing or self.frozen or self._transport.is_closing()):
            self._flush()
            self._transport.write(data)

    # -- ends --------------------------------------------------------------------------------

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send CLOSE and end the connection when the client answers, or soon."""
        if self._closing:
            return
        self._queue(encode(close_payload(code, reason), CLOSE))
        self._flush()
        self.close_sent = (code, reason)
        self._closing = True
        self._loop.call_later(CLOSE_GRACE_S, self._transport.close)

    def abort(self) -> None:
        """Cut the TCP connection with a reset, without a word."""
        self._closing = True
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError, ValueError):  # closed by now
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def freeze(self) -> None:
        """Leave the socket open and dead: nothing is read any more, nothing sent."""
        self.frozen = True
        self.stop_reading()

    def stop_reading(self) -> None:
        """Let what the client sends pile up in the socket."""
        with contextlib.suppress(RuntimeError):  # closing by now
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._transport.resume_reading()

    def describe(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "user_agent": self.user_agent,
            "read_only": self.read_only,
            "opened_ms": self.opened_ms,
            "closed_ms": self.closed_ms,
            "close_sent": self.close_sent,
            "close_received": self.close_received,
            "channels": list(self.channels),
            "received": self.received_count,
            "sent": self.sent_count,
        }
