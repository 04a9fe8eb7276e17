"""One websocket connection as the venue keeps it: subscriptions and transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson
from aiohttp import web

from .. import connection
from .channels import Channel, parse_channel
from .errors import Refused
from .record import Subscribe
from .tx import token_owner

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Connection"]

MAX_SUBSCRIPTIONS = 500
TX_KINDS = ("jsonapi/sendtx", "jsonapi/sendtxbatch")


class Connection(connection.Connection):
    """Reads frames and answers them."""

    sim: Simulator

    def __init__(self, sim: Simulator, request: web.BaseRequest, number: int) -> None:
        super().__init__(sim, request, number)
        self.read_only = parse_qs(self.query).get("readonly") == ["true"]
        self.channels: dict[str, Channel] = {}
        self._deadlines_s: dict[str, int] = {}  # of the tokens private channels came with

    # -- life --------------------------------------------------------------------------------

    def on_open(self) -> None:
        self.send_frame({"type": "connected", "session_id": f"sim-{self.number}"})

    def on_closed(self) -> None:
        for name in self.channels:
            self.sim.publisher.unfollow(self, name)

    def check(self, now_ns: int) -> None:
        """Ping, close what is idle or too old (6.7), silence what its token no longer covers."""
        config = self.sim.config
        if self.quiet:
            return
        now_s = self.sim.clock.now_ns() / 1e9
        for name in [n for n, deadline_s in self._deadlines_s.items() if deadline_s <= now_s]:
            self.drop(name)
        if config.idle_close_s and now_ns - self.last_received_ns > config.idle_close_s * 1e9:
            self.close(1000, "idle")
        elif config.lifetime_s and now_ns - self.opened_ns > config.lifetime_s * 1e9:
            self.close(1001, "too old")
        elif config.ping_interval_s and self.ping_due(now_ns, config.ping_interval_s):
            self.send_frame({"type": "ping"})

    # -- input -------------------------------------------------------------------------------

    def on_data(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            self._error(30000, "Invalid Json")
            return
        try:
            frame = orjson.loads(data)
        except orjson.JSONDecodeError:
            self._error(30000, "Invalid Json")
            return
        kind = frame.get("type") if isinstance(frame, dict) else None
        self._act(frame, kind)
        self.handled(kind)

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

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "read_only": self.read_only,
            "channels": list(self.channels),
        }
