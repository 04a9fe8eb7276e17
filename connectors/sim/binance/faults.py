"""Faults on demand: what goes wrong, where, and for how long (section 20.2).

A fault is a mapping with the name under `fault` and its settings beside it, the same for
`Faults.apply` and `POST /_sim/fault`; `fault_kinds.catalogue` lists them. Connections are chosen
by `connection` (a number or a list), `route`, `product`, `kind` (`stream` or `trading`) and
`stream` (a name they subscribed); with none of these, all open ones are meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .. import faults
from ..replies import use_up
from ..spec import Spec
from .connection import Connection, StreamConnection
from .control import Reply
from .fault_kinds import KINDS, scenario_fault
from .fault_spec import ControlFault, FrameSequence, HttpFault
from .frames import Frame
from .types import Product
from .userstream import EventFaults, ListenKeyFaults

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Faults"]

DEPTH_SUFFIXES = ("@depth", "@depth@0ms", "@depth@100ms", "@depth@250ms", "@depth@500ms",
                  "@rpiDepth@500ms")  # fmt: skip


class Faults(faults.Faults):
    """Adds faults that are described by a `Spec`; see `fault_kinds`.

    Scenario faults fall on connections counted by age.
    """

    sim: Simulator

    def __init__(self, sim: Simulator) -> None:
        super().__init__(sim)
        self.sim = sim
        self.controls: list[ControlFault] = []
        self.requests: list[HttpFault] = []
        self._undo: list[Callable[[], None]] = []

    def _carry_out(self, values: Mapping[str, Any]) -> Any:
        spec = Spec(values)
        name = spec.choice("fault", KINDS)
        done = KINDS[name](self, spec)
        spec.finish()
        return done

    def clear(self) -> None:
        """Take every standing fault off; held frames go out, what was due later happens now."""
        super().clear()
        self.controls.clear()
        self.requests.clear()
        for undo in tuple(self._undo):
            undo()
        sim = self.sim
        sim.hub.muted.clear()
        sim.public.snapshot_faults.clear()
        sim.exchange.user_stream.key_faults = ListenKeyFaults()
        sim.exchange.user_stream.event_faults = EventFaults()
        sim.exchange.faults.hide_open_orders_ms = 0
        sim.trading.faults.waiting.clear()
        sim.limits.omit_headers = False
        sim.lift_bans()
        for connection in sim.connections.values():
            connection.taps.clear()

    # -- standing faults, asked by the server ----------------------------------------------

    def take_control(self, connection: StreamConnection, reply: Reply) -> ControlFault | None:
        for fault in self.controls:
            if fault.method in (None, reply.method) and (
                fault.connections is None or connection.number in fault.connections
            ):
                use_up(fault, self.controls)
                return fault
        return None

    def take_request(self, method: str, path: str) -> HttpFault | None:
        for fault in self.requests:
            if fault.method in (None, method) and path.startswith(fault.path):
                use_up(fault, self.requests)
                return fault
        return None

    def make(self, kind: str) -> None:
        """Carry out a fault of a scenario on a random connection or followed symbol, if any."""
        spec = scenario_fault(kind, self.random)
        needs = spec.pop("needs", "")
        if needs == "symbol":
            channels = self.sim.hub.channels
            symbols = [
                symbol
                for symbol, feed in self.sim.market.feeds.items()
                if any(f"{feed.name}{suffix}" in channels for suffix in DEPTH_SUFFIXES)
            ]
            if not symbols:
                return
            spec["symbol"] = self.random.choice(symbols)
        elif needs == "connection":
            numbers = [c.number for c in self.sim.connections.values() if c.open]
            if not numbers:
                return
            spec["connection"] = self.random.choice(numbers)
        self.apply(spec)

    # -- what the kinds of faults build on --------------------------------------------------

    def targets(self, spec: Spec) -> list[Connection]:
        """Return the open connections a fault means."""
        number, route, product, kind, stream = (
            spec.take(name) for name in ("connection", "route", "product", "kind", "stream")
        )
        wanted = {number} if isinstance(number, int) else set(number or ())
        chosen = []
        for connection in self.sim.connections.values():
            if not connection.open or (wanted and connection.number not in wanted):
                continue
            if kind is not None and connection.kind != kind:
                continue
            if route is not None and getattr(connection, "route", None) != route:
                continue
            if product is not None and connection.product is not Product(product):
                continue
            if stream is not None and not (
                isinstance(connection, StreamConnection) and stream in connection.control.names
            ):
                continue
            chosen.append(connection)
        return chosen

    def stream_connection(self, number: Any) -> StreamConnection:
        connection = self.sim.connections.get(number)
        if not isinstance(connection, StreamConnection):
            raise ValueError(f"no open stream connection {number!r}")
        return connection

    def depth_streams(self, symbol: Any) -> list[str]:
        """Return the names of every diff stream of a symbol."""
        feed = self.sim.market.feeds.get(symbol)
        if feed is None:
            raise ValueError(f"unknown symbol {symbol!r}")
        return [f"{feed.name}{suffix}" for suffix in DEPTH_SUFFIXES]

    def tap_stream(self, stream: str, action: str, count: int, duration_ms: float) -> None:
        """Skip, duplicate, swap or hold the next frames of a stream, for everybody."""

        def release() -> None:
            off()
            if release in self._undo:
                self._undo.remove(release)
            held, fault.held = fault.held, []
            self.sim.hub.deliver(stream, held)

        fault = FrameSequence(action, count, release)
        off = self.sim.hub.tap(stream, fault)
        self._undo.append(release)
        if action == "hold":
            self.after(duration_ms, release)

    def tap_connection(
        self,
        connection: StreamConnection,
        stream: str,
        action: str,
        count: int,
        duration_ms: float,
    ) -> None:
        """Like `tap_stream` for one connection alone."""

        def tap(frame: Frame) -> list[Frame]:
            return fault(frame) if frame.stream == stream else [frame]

        def release() -> None:
            if tap in connection.taps:
                connection.taps.remove(tap)
            held, fault.held = fault.held, []
            for frame in held:
                connection.send_event(frame)

        fault = FrameSequence(action, count, release)
        connection.taps.append(tap)
        if action == "hold":
            self.after(duration_ms, release)
