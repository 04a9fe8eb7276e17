"""One websocket connection as the venue keeps it: subscriptions, posts, output, ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any, Literal

import orjson
from aiohttp import WSMsgType, web

from ..wsframes import CLOSE, CONTINUATION, PONG, TEXT, close_payload, encode
from .channels import BadParameters, Channel, UnknownCoin, parse_channel
from .errors import Malformed
from .limits import MESSAGES, POSTS, SUBSCRIPTIONS, USERS
from .record import FrameRecord, Subscribe

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Connection"]

CLOSE_GRACE_S = 1.0
KEPT_AFTER_CLOSE = 50
UNKNOWN_COIN_MS = 100
GREETING = b"Websocket connection established."
WriteMode = Literal["normal", "split", "fragment"]


class Connection:
    """Reads frames and answers them; frames out are written together once per loop turn.

    Attributes
    ----------
    sent
        The last text frames; only a few of them are kept when the connection has ended.
    write_mode
        `split` writes every frame in two TCP writes, `fragment` in two websocket fragments.
    """

    def __init__(self, sim: Simulator, request: web.BaseRequest, number: int) -> None:
        transport = request.transport
        assert transport is not None
        self.sim = sim
        self.number = number
        self.user_agent = request.headers.get("User-Agent", "")
        self.opened_ms = sim.clock.now_ms()
        self.closed_ms: int | None = None
        self.close_sent: tuple[int, str] | None = None
        self.close_received: int | None = None
        self.channels: dict[Channel, None] = {}
        self.sent: deque[bytes] = deque(maxlen=1_000)
        self.sent_count = 0
        self.received_count = 0
        self.posts = 0
        self.end_after_next: Literal["", "close", "hang_up"] = ""
        self.frozen = False
        self.write_mode: WriteMode = "normal"
        self.slow_ms = 0.0
        self._stalled = False
        self._last_sent_ns = sim.clock.elapsed_ns()
        self._transport = transport
        self._out: list[bytes] = []
        self._flushing = False
        self._closing = False
        self._loop = asyncio.get_running_loop()

    @property
    def closing(self) -> bool:
        return self._closing

    # -- life --------------------------------------------------------------------------------

    async def serve(self, ws: web.WebSocketResponse) -> None:
        """Read until the connection ends."""
        if self.sim.config.greeting:
            self.send(GREETING)
        try:
            while True:
                message = await ws.receive()
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    data = message.data
                    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
                    self._on_text(text)
                elif message.type is WSMsgType.PING:
                    self._queue(encode(bytes(message.data), PONG))
                elif message.type is WSMsgType.PONG:
                    continue
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
            self.sent = deque(self.sent, maxlen=KEPT_AFTER_CLOSE)
            for channel in self.channels:
                self.sim.publisher.unfollow(self, channel)
            self._transport.close()

    def check(self, now_ns: int) -> None:
        """Cut a socket that was sent nothing for too long (4.1)."""
        idle_s = self.sim.config.idle_close_s
        if self._closing or self.frozen or not idle_s:
            return
        if now_ns - self._last_sent_ns > idle_s * 1e9:
            self.close(1000, "Inactive")

    # -- input -------------------------------------------------------------------------------

    def _on_text(self, text: str) -> None:
        sim = self.sim
        self.received_count += 1
        sim.record.frames.append(FrameRecord(sim.clock.now_ms(), self.number, text))
        if self._closing or self.frozen:
            return
        try:
            self._act(text)
        finally:
            how, self.end_after_next = self.end_after_next, ""
            if how == "close":
                self.close(1000, "closed by script")
            elif how == "hang_up":
                self.hang_up()

    def _act(self, text: str) -> None:
        if self.sim.limits.too_many_messages():
            return self._error(f"Cannot send more than {MESSAGES} messages per minute.")
        try:
            frame = orjson.loads(text)
        except orjson.JSONDecodeError:
            frame = None
        method = frame.get("method") if isinstance(frame, dict) else None
        if method == "ping":
            return self.send_frame({"channel": "pong"})
        if method in ("subscribe", "unsubscribe"):
            return self._subscription(text, method, frame.get("subscription"))
        if method == "post":
            number, request = frame.get("id"), frame.get("request")
            well_formed = isinstance(number, int) and not isinstance(number, bool) and number >= 0
            if well_formed and isinstance(request, dict):
                return self._post(text, number, request)
        return self._unparsable(text)

    def _unparsable(self, text: str) -> None:
        self._error(f"Error parsing JSON into valid websocket request: {text}")

    def _error(self, text: str) -> None:
        self.send_frame({"channel": "error", "data": text})

    def _subscription(self, text: str, method: str, value: Any) -> None:
        sim = self.sim
        try:
            channel = parse_channel(value, sim.exchange.markets)
        except BadParameters:
            return self._error(f"Invalid subscription {orjson.dumps(value).decode()}")
        except UnknownCoin:
            if sim.config.unknown_coin_drops:
                sim.later(UNKNOWN_COIN_MS, self.abort)
                return None
            return self._error(f"Invalid subscription {orjson.dumps(value).decode()}")
        if channel is None:
            return self._unparsable(text)
        wire = channel.wire
        shown = orjson.dumps(wire).decode()
        if method == "unsubscribe":
            if channel not in self.channels:
                return self._error(f"Already unsubscribed: {shown}")
            del self.channels[channel]
            sim.publisher.unfollow(self, channel)
            return self._acknowledge(method, wire)
        if channel in self.channels:
            return self._error(f"Already subscribed: {shown}")
        refusal = self._limit(channel)
        if refusal:
            return self._error(refusal)
        sim.record.subscribes.append(Subscribe(sim.clock.now_ms(), self.number, wire))
        self.channels[channel] = None
        self._acknowledge(method, wire)
        first = sim.publisher.first(channel)
        if first is not None:
            sim.publisher.send(self, channel.type, first)
        sim.publisher.follow(self, channel)
        return None

    def _limit(self, channel: Channel) -> str:
        """Return the text that refuses a subscription, empty if none does."""
        sim = self.sim
        if sim.limits.on("subscriptions"):
            count = sum(len(one.channels) for one in sim.connections.values())
            if count >= SUBSCRIPTIONS:
                return f"Cannot subscribe to more than {SUBSCRIPTIONS} channels."
        if sim.limits.on("users") and channel.user:
            users = sim.publisher.users
            if channel.user not in users and len(users) >= USERS:
                return f"Cannot track more than {USERS} total users."
        return ""

    def _acknowledge(self, method: str, wire: dict[str, Any]) -> None:
        data = {"method": method, "subscription": wire}
        self.send_frame({"channel": "subscriptionResponse", "data": data})

    # -- posts (4.6) -------------------------------------------------------------------------

    def _post(self, text: str, number: int, request: dict[str, Any]) -> None:
        sim = self.sim
        kind, payload = request.get("type"), request.get("payload")
        if kind not in ("info", "action"):
            return self._unparsable(text)
        pending = sum(one.posts for one in sim.connections.values())
        if sim.limits.on("posts") and pending >= POSTS:
            return self._error(f"too many pending post requests id={number}")
        self.posts += 1
        if kind == "info":
            return self._post_info(number, payload)
        return self._post_action(number, payload)

    def _post_info(self, number: int, payload: Any) -> None:
        sim = self.sim
        name = payload.get("type") if isinstance(payload, dict) else None
        try:
            status, answer = sim.ask(payload)
        except Malformed:
            status, answer = 422, None
        if status == 429:
            return self._reply(number, "error", "429 Too Many Requests")
        if status == 422:
            text = "Failed to deserialize the JSON body into the target type"
            return self._reply(number, "error", f"422 Unprocessable Entity: {text}")
        return self._reply(number, "info", {"type": name, "data": answer})

    def _post_action(self, number: int, payload: Any) -> None:
        sim = self.sim
        fault = sim.faults.take_reply("post")
        kind, answer, slot = "action", None, None
        if fault is None or fault.execute:
            outcome = sim.submit(payload, "ws")
            slot, answer = outcome.slot, outcome.answer
            if outcome.status == 422:
                kind, answer = "error", f"422 Unprocessable Entity: {outcome.answer}"
            elif outcome.status == 429:
                kind, answer = "error", "429 Too Many Requests"
        delay_ms = 0.0
        if fault is not None:
            if fault.lose:
                return
            if fault.payload is not None:
                kind, answer = fault.as_type, fault.payload
            delay_ms = fault.delay_s * 1_000

        def leave() -> None:
            if delay_ms:
                sim.later(delay_ms, lambda: self._reply(number, kind, answer))
            else:
                self._reply(number, kind, answer)

        if slot is None:
            leave()
        elif not slot.lost:
            slot.then(leave)

    def _reply(self, number: int, kind: str, payload: Any) -> None:
        self.posts = max(self.posts - 1, 0)
        data = {"id": number, "response": {"type": kind, "payload": payload}}
        frame = orjson.dumps({"channel": "post", "data": data})
        self.sim.publisher.send(self, "post", frame)

    # -- output ------------------------------------------------------------------------------

    def send_frame(self, frame: Any) -> None:
        self.send(orjson.dumps(frame))

    def send(self, payload: bytes) -> None:
        """Send a text frame, later on a slow connection."""
        if self.slow_ms:
            self.sim.later(self.slow_ms, lambda: self._send(payload))
        else:
            self._send(payload)

    def _send(self, payload: bytes) -> None:
        self.sent.append(payload)
        if self.write_mode == "fragment" and len(payload) > 1:
            half = len(payload) // 2
            self._queue(
                encode(payload[:half], TEXT, fin=False) + encode(payload[half:], CONTINUATION)
            )
        else:
            self._queue(encode(payload, TEXT))

    def _queue(self, data: bytes) -> None:
        if self._closing or self.frozen:
            return
        self.sent_count += 1
        self._last_sent_ns = self.sim.clock.elapsed_ns()
        self._out.append(data)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self.frozen or self._transport.is_closing():
            self._out.clear()
        elif self._out and not self._stalled:
            if self._transport.get_write_buffer_size() > self.sim.config.slow_consumer_bytes:
                self.abort()
                return
            data = b"".join(self._out)
            self._out.clear()
            if self.write_mode == "split" and len(data) > 1:
                self._transport.write(data[: len(data) // 2])
                self._loop.call_soon(self._write_rest, data[len(data) // 2 :])
            else:
                self._transport.write(data)

    def _write_rest(self, data: bytes) -> None:
        if self._out:  # keep the order: what waits goes behind the rest of what has begun
            self._out.insert(0, data)
        elif not (self.frozen or self._transport.is_closing()):
            self._transport.write(data)

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

    def hang_up(self) -> None:
        """End the TCP connection behind what was sent, without a Close frame (1006)."""
        self._flush()
        self._closing = True
        self._transport.close()

    def abort(self) -> None:
        """Cut the TCP connection with a reset, without a word (the client sees 1006)."""
        self._closing = True
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError, ValueError):  # closed by now
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def stall(self) -> None:
        """Keep what is sent back until `resume`."""
        self._flush()
        self._stalled = True

    def resume(self) -> None:
        self._stalled = False
        self._flush()

    def freeze(self) -> None:
        """Leave the socket open and dead: nothing is read any more, nothing sent."""
        self.frozen = True
        with contextlib.suppress(RuntimeError):  # closing by now
            self._transport.pause_reading()

    def describe(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "user_agent": self.user_agent,
            "opened_ms": self.opened_ms,
            "closed_ms": self.closed_ms,
            "close_sent": self.close_sent,
            "close_received": self.close_received,
            "subscriptions": [channel.wire for channel in self.channels],
            "received": self.received_count,
            "sent": self.sent_count,
            "posts": self.posts,
        }
