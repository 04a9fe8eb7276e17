"""Websocket connections as this venue keeps them: limits, pings, streams and trading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .. import connection
from ..windows import RollingWindow
from .addresses import StreamAddress
from .control import ControlSession, Reply, error_reply
from .frames import Frame
from .types import Product, UserFrame
from .wsapi import TradingWs

if TYPE_CHECKING:
    from .server import Simulator
    from .streams import Tap

__all__ = ["Connection", "StreamConnection", "TradingConnection"]


class Connection(connection.Connection):
    """What stream and trading connections have in common."""

    kind = "connection"
    kept_received = 2_000
    rate_limited = True
    sim: Simulator

    def __init__(
        self, sim: Simulator, request: web.BaseRequest, number: int, product: Product
    ) -> None:
        super().__init__(sim, request, number)
        self.product = product
        self.api_key_sent = "X-MBX-APIKEY" in request.headers
        self.skipped_count = 0
        self.violations = 0
        self.taps: list[Tap] = []
        self._arrivals = RollingWindow(1_000_000_000)
        self._pongs_due = 0

    def admit(self, kind: str) -> bool:
        """Count a message; false if it is one too many (BN-M-05)."""
        if kind == "pong" and self._pongs_due:
            self._pongs_due -= 1
            return True
        if not self.rate_limited:
            return True
        if self._arrivals.add(self.sim.clock.elapsed_ns()) > self.sim.config.max_messages_per_s:
            self.violations += 1
            self.sim.note_violation()
            self.close(1008, "Too many requests")
            return False
        return True

    def expect_pong(self) -> None:
        """Let a pong pass uncounted: nobody is punished for answering our pings."""
        self._pongs_due += 1

    def check(self, now_ns: int) -> None:
        """Ping, and close a silent or too old connection (BN-M-07, BN-M-08)."""
        if self.quiet:
            return
        config = self.sim.config
        waiting_ns = self.unanswered_since_ns
        if waiting_ns is not None and now_ns - waiting_ns > config.pong_timeout_s * 1e9:
            self.close(1008, "disconnected")
        elif now_ns - self.opened_ns > config.lifetime_s * 1e9:
            if config.lifetime_warning:
                self.send(b'{"e":"serverShutdown","E":%d}' % self.sim.clock.now_ms())
            self.close(1001)
        elif self.ping_due(now_ns, config.ping_interval_s):
            self.expect_pong()
            self.ping(str(self.sim.clock.now_ms()).encode())

    def too_slow(self) -> None:
        self.sim.slow_consumers += 1
        self.skipped_count += self.forget_output()
        if self.sim.config.slow_consumer == "close":
            self.close_sent = (1008, "slow consumer")
            self.cut()

    def describe(self) -> dict[str, Any]:
        """Return what tests may want to know (BN-M-17)."""
        return super().describe() | {
            "id": self.number,
            "kind": self.kind,
            "product": self.product.value,
            "api_key_sent": self.api_key_sent,
            "received_count": self.received_count,
            "received": [{"ms": ms, "type": kind, "text": text} for ms, kind, text in
                         self.received],
            "sent_count": self.sent_count,
            "skipped_count": self.skipped_count,
            "unsent_bytes": self.unsent_bytes,
            "violations": self.violations,
        }  # fmt: skip


class StreamConnection(Connection):
    """A connection of a stream host."""

    kind = "stream"

    def __init__(
        self,
        sim: Simulator,
        request: web.BaseRequest,
        number: int,
        address: StreamAddress,
    ) -> None:
        super().__init__(sim, request, number, address.product)
        self.route = address.route
        self._address = address
        self.listen_keys: dict[str, frozenset[str] | None] = {}
        self.control = ControlSession(
            combined=address.combined,
            on_subscribe=self.subscribe,
            on_unsubscribe=self._unsubscribe,
            may_subscribe=self._may_subscribe,
            max_streams=lambda: sim.config.max_streams,
            flat_errors=lambda: sim.config.flat_errors,
        )

    def on_open(self) -> None:
        """Subscribe what the address asked for."""
        names = self._address.names
        if len(names) > self.sim.config.max_streams:
            flat = self.sim.config.flat_errors
            self.send(error_reply(4, "Too many subscriptions", None, flat=flat))
            self.close(1008, "Too many subscriptions")
            return
        self.listen_keys.update(self._address.listen_keys)
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
        if self.bent:
            self.send(frame.combined_payload if combined else frame.payload)
        else:
            self.queue(frame.wrapped if combined else frame.raw)

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

    def on_data(self, data: str | bytes) -> None:
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

    def on_data(self, data: str | bytes) -> None:
        for reply in self.session.handle(data):
            self.send(reply)

    def check(self, now_ns: int) -> None:
        for reply in self.session.poll():
            self.send(reply)
        super().check(now_ns)
