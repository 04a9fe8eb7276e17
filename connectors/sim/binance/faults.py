"""Faults on demand: what goes wrong, where, and for how long (section 20.2).

A fault is a mapping with the name under `fault` and its settings beside it, the same for
`Faults.apply` and `POST /_sim/fault`; `fault_kinds.catalogue` lists them. Connections are chosen
by `connection` (a number or a list), `route`, `product`, `kind` (`stream` or `trading`) and
`stream` (a name they subscribed); with none of these, all open ones are meant.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .connection import Connection, StreamConnection
from .control import Reply
from .fault_kinds import KINDS, scenario_fault
from .fault_spec import ControlFault, FrameSequence, HandshakeFault, HttpFault, Spec
from .frames import Frame
from .types import Product
from .userstream import EventFaults, ListenKeyFaults

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Faults"]

DEPTH_SUFFIXES = ("@depth", "@depth@0ms", "@depth@100ms", "@depth@250ms", "@depth@500ms",
                  "@rpiDepth@500ms")  # fmt: skip


class Faults:
    """Carries faults out and keeps those that stand.

    Scenario faults (`fault_interval_s`, `fault_kinds`) come from the seed: same seed, same
    faults at the same simulated times, on connections counted by age.
    """

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self.random = random.Random(f"binance-sim/faults/{sim.config.seed}")
        self.handshakes: list[HandshakeFault] = []
        self.controls: list[ControlFault] = []
        self.requests: list[HttpFault] = []
        self.applied: list[dict[str, Any]] = []
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self._later_count = 0
        self._undo: list[Callable[[], None]] = []
        self._next_ns = int(sim.config.fault_interval_s * 1e9)

    def apply(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one fault; return what it did.

        Raises
        ------
        ValueError, TypeError
            The fault or a setting is unknown, or a value is not possible.
        """
        spec = Spec(values)
        name = spec.choice("fault", KINDS)
        done = KINDS[name](self, spec)
        spec.finish()
        self.applied.append({"ms": self.sim.clock.now_ms(), **values})
        del self.applied[:-1_000]
        return done

    def clear(self) -> None:
        """Take every standing fault off; held frames go out, what was due later happens now."""
        self.handshakes.clear()
        self.controls.clear()
        self.requests.clear()
        later, self._later = self._later, []
        for _, _, action in later:
            action()
        for undo in tuple(self._undo):
            undo()
        sim = self.sim
        sim.hub.muted.clear()
        sim.public.snapshot_faults.clear()
        sim.exchange.user_stream.key_faults = ListenKeyFaults()
        sim.exchange.user_stream.event_faults = EventFaults()
        sim.exchange.faults.hide_open_orders_ms = 0
        sim.trading.faults.waiting.clear()
        sim.clock.offset_ns = 0
        sim.limits.omit_headers = False
        sim.lift_bans()
        for connection in sim.connections.values():
            connection.taps.clear()
            connection.shape(None, self.random)

    # -- standing faults, asked by the server ----------------------------------------------

    def take_handshake(self, path: str) -> HandshakeFault | None:
        for fault in self.handshakes:
            if fault.path is None or path.startswith(fault.path):
                _use_up(fault, self.handshakes)
                return fault
        return None

    def take_control(self, connection: StreamConnection, reply: Reply) -> ControlFault | None:
        for fault in self.controls:
            if fault.method in (None, reply.method) and (
                fault.connections is None or connection.number in fault.connections
            ):
                _use_up(fault, self.controls)
                return fault
        return None

    def take_request(self, method: str, path: str) -> HttpFault | None:
        for fault in self.requests:
            if fault.method in (None, method) and path.startswith(fault.path):
                _use_up(fault, self.requests)
                return fault
        return None

    # -- time ------------------------------------------------------------------------------

    def after(self, ms: float, action: Callable[[], None]) -> None:
        """Do something after that much simulated time."""
        self._later_count += 1
        due_ns = self.sim.clock.elapsed_ns() + int(ms * 1e6)
        self._later.append((due_ns, self._later_count, action))
        self._later.sort(key=lambda item: item[:2])

    def advance(self, now_ns: int) -> None:
        """Do what is due and, in a scenario with faults, make the next ones."""
        while self._later and self._later[0][0] <= now_ns:
            self._later.pop(0)[2]()
        interval_s = self.sim.config.fault_interval_s
        if interval_s and now_ns >= self._next_ns:
            self._next_ns = now_ns + int(interval_s * 1e9)
            kinds = self.sim.config.fault_kinds
            if kinds:
                self.make(self.random.choice(kinds))

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


def _use_up(fault: Any, standing: list[Any]) -> None:
    """Count one use of a standing fault; forget it after the last."""
    fault.count -= 1
    if fault.count <= 0:
        standing.remove(fault)
