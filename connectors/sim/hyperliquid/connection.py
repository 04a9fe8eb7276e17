"""One websocket connection as the venue keeps it: subscriptions and posts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from .. import connection
from .channels import BadParameters, Channel, UnknownCoin, parse_channel
from .errors import Malformed
from .limits import MESSAGES, POSTS, SUBSCRIPTIONS, USERS
from .record import Subscribe

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Connection"]

UNKNOWN_COIN_MS = 100
GREETING = b"Websocket connection established."


class Connection(connection.Connection):
    """Reads frames and answers them."""

    sim: Simulator

    def __init__(self, sim: Simulator, request: web.BaseRequest, number: int) -> None:
        super().__init__(sim, request, number)
        self.channels: dict[Channel, None] = {}
        self.posts = 0

    # -- life --------------------------------------------------------------------------------

    def on_open(self) -> None:
        if self.sim.config.greeting:
            self.send(GREETING)

    def on_closed(self) -> None:
        for channel in self.channels:
            self.sim.publisher.unfollow(self, channel)

    def check(self, now_ns: int) -> None:
        """Cut a socket that was sent nothing for too long (4.1)."""
        idle_s = self.sim.config.idle_close_s
        if self.quiet or not idle_s:
            return
        if now_ns - self.last_sent_ns > idle_s * 1e9:
            self.close(1000, "Inactive")

    # -- input -------------------------------------------------------------------------------

    def on_data(self, data: str | bytes) -> None:
        try:
            self._act(data if isinstance(data, str) else data.decode("utf-8", "replace"))
        finally:
            self.handled()

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
            if fault.drop:
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

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "subscriptions": [channel.wire for channel in self.channels],
            "posts": self.posts,
        }
