"""Script and faults: what a venue does on command.

In process call the methods of `Simulator.faults`; from outside `POST /_sim/fault` with
`{"fault": NAME, ...}`, where NAME is one of `kinds` and the rest are the method's arguments. What
is here every simulator can; a venue's `Faults` adds to it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import web

from .agenda import Agenda
from .connection import Connection
from .replies import (
    HANDSHAKE_MODES,
    HandshakeFault,
    Hold,
    Reply,
    as_payload,
    handshake_action,
    use_up,
)
from .shaping import Shaping
from .spec import Spec
from .taps import Tap, Taps
from .wsframes import BINARY, PING, TEXT, encode

if TYPE_CHECKING:
    from .server import VenueServer

__all__ = ["COMMON_FAULTS", "STRAY", "Faults", "stray_frame"]

COMMON_FAULTS = (
    "abort", "clear", "clock_offset", "close", "close_after_next_frame", "freeze", "hold", "push",
    "refuse", "release_all", "release_holds", "reset_mid_frame", "resume", "resume_reading",
    "shape", "slow", "stall", "stop_reading", "stray", "tap",
)  # fmt: skip
STRAY = ("unknown_event", "invalid_json", "invalid_utf8", "binary", "huge", "ping_flood")
HUGE_BYTES = 5 * 1024 * 1024
KEPT_APPLIED = 1_000


class Faults:
    """Carries faults out and keeps those that stand.

    Faults of a scenario (`fault_interval_s`, `fault_kinds`) come from the seed: same seed, same
    faults at the same simulated times.

    Attributes
    ----------
    applied
        The last faults that were carried out, with the venue's time in ms.
    taps
        Those that stand. Whoever sends a channel's frames asks them.
    """

    kinds: ClassVar[tuple[str, ...]] = COMMON_FAULTS
    tap_type: ClassVar[type[Tap]] = Tap
    stray_event: ClassVar[bytes] = b'{"type":"somethingNew","x":[1,2,{"y":null}]}'

    def __init__(self, sim: VenueServer[Any]) -> None:
        self._sim = sim
        self.random = random.Random(f"{sim.venue}-sim/faults/{sim.config.seed}")
        self.handshakes: list[HandshakeFault] = []
        self.replies: list[Reply] = []
        self.holds: list[Hold] = []
        self.taps = Taps(sim.later, self.random)
        self.applied: list[dict[str, Any]] = []
        self._agenda = Agenda(sim.clock)
        self._cleared = 0
        self._next_ns = int(sim.config.fault_interval_s * 1e9)

    # -- one fault, all of them, those of the scenario ---------------------------------------

    def apply(self, values: Mapping[str, Any]) -> Any:
        """Carry out one fault by name; return what it did.

        With `in_ms` it strikes so much simulated time later, unless `clear` comes before.

        Raises
        ------
        ValueError, TypeError, LookupError
            The fault or an argument is unknown, or a value is not possible.
        """
        in_ms = values.get("in_ms")
        if in_ms is not None:
            return self._schedule(float(in_ms), {k: v for k, v in values.items() if k != "in_ms"})
        done = self._carry_out(values)
        self.applied.append({"ms": self._sim.clock.now_ms(), **values})
        del self.applied[:-KEPT_APPLIED]
        return done if isinstance(done, int | str | list | dict) else {}

    def _schedule(self, ms: float, values: Mapping[str, Any]) -> Any:
        self._method(values)  # a fault nobody knows is told now
        cleared = self._cleared

        def strike() -> None:
            if self._cleared != cleared:
                return
            try:
                self.apply(values)
            except (ValueError, TypeError, LookupError) as error:  # it must not end the market
                self.applied.append({"error": str(error), **values})

        self._sim.later(ms, strike)
        return {}

    def _carry_out(self, values: Mapping[str, Any]) -> Any:
        arguments = dict(values)
        method = self._method(values)
        arguments.pop("fault")
        return method(**arguments)

    def _method(self, values: Mapping[str, Any]) -> Callable[..., Any]:
        name = values.get("fault")
        if name not in self.kinds:
            raise ValueError(f"unknown fault {name!r}, known: {', '.join(self.kinds)}")
        method: Callable[..., Any] = getattr(self, name)
        return method

    def clear(self) -> None:
        """Take every standing fault off; what is held goes out, what was due later happens now.

        Faults that were to strike later (`in_ms`) do not.
        """
        self._cleared += 1
        for connection in list(self._sim.connections.values()):
            connection.slow_ms = 0.0
            connection.shape(None, self.random)
            connection.resume()
        self.handshakes.clear()
        self.replies.clear()
        self.release_holds()
        self.release_all()
        self._agenda.run_all()
        self._sim.clock.offset_ns = 0

    def after(self, ms: float, action: Callable[[], None]) -> None:
        """Let a fault go on, or end, after that much simulated time; `clear` does it at once."""
        self._agenda.after(ms, action)

    def advance(self, now_ns: int) -> None:
        """Do what is due and, in a scenario with faults, make the next one."""
        self._agenda.run_due(now_ns)
        config = self._sim.config
        if config.fault_interval_s and config.fault_kinds and now_ns >= self._next_ns:
            self._next_ns = now_ns + int(config.fault_interval_s * 1e9)
            self.make(self.random.choice(config.fault_kinds))

    def make(self, kind: str) -> None:
        """Carry out a fault of a scenario: here one of connections, on any that is open."""
        numbers = sorted(self._sim.connections)
        if numbers:
            self.apply({"fault": kind, "connection": self.random.choice(numbers)})

    # -- connections -------------------------------------------------------------------------

    def chosen(self, connection: int | None) -> list[Any]:
        """Return the connections a fault means: one, or with none named all."""
        connections = self._sim.connections
        if connection is None:
            return list(connections.values())
        return [connections[connection]] if connection in connections else []

    def close(self, connection: int | None = None, code: int = 1000, reason: str = "") -> None:
        """Close connections with a Close frame; with none named, all of them."""
        for chosen in self.chosen(connection):
            chosen.close(code, reason)

    def close_after_next_frame(
        self, connection: int | None = None, kind: str = "", *, silently: bool = False
    ) -> None:
        """Handle and answer the next client frame (of a type, if one is named), then close.

        `silently` without a Close frame, so that the client sees 1006.
        """
        for chosen in self.chosen(connection):
            chosen.end_after(kind, silently=silently)

    def abort(self, connection: int | None = None) -> None:
        """Reset the TCP connection without a Close frame (1006)."""
        for chosen in self.chosen(connection):
            chosen.abort()

    def reset_mid_frame(self, connection: int | None = None, after_ms: float = 5.0) -> None:
        """Write half a frame, then reset the TCP connection."""
        frame = encode(self.stray_event)
        for chosen in self.chosen(connection):
            chosen.write_raw(frame[: len(frame) // 2])
            chosen.freeze()  # nothing may come behind it
            self._sim.later(after_ms, chosen.abort)

    def freeze(self, connection: int | None = None) -> None:
        """Leave the socket open and dead."""
        for chosen in self.chosen(connection):
            chosen.freeze()

    def stop_reading(self, connection: int | None = None) -> None:
        """Let what the client sends pile up."""
        for chosen in self.chosen(connection):
            chosen.stop_reading()

    def resume_reading(self, connection: int | None = None) -> None:
        for chosen in self.chosen(connection):
            chosen.resume_reading()

    def stall(self, connection: int | None = None, ms: float | None = None) -> None:
        """Send nothing, for so long or until `resume`; then everything at once."""
        for chosen in self.chosen(connection):
            chosen.stall()
            if ms is not None:
                self._sim.later(ms, chosen.resume)

    def resume(self, connection: int | None = None) -> None:
        """End a stall."""
        for chosen in self.chosen(connection):
            chosen.resume()

    def slow(self, delay_ms: float, connection: int | None = None) -> None:
        """Let every frame come so much later; 0 ends it."""
        for chosen in self.chosen(connection):
            chosen.slow_ms = delay_ms

    def shape(
        self, connection: int | None = None, duration_ms: float = 0, **settings: Any
    ) -> list[int]:
        """Bend the output as a `Shaping` says, for its count of frames or so long."""
        return self.shape_all(self.chosen(connection), Spec(settings).rest(Shaping), duration_ms)

    def shape_all(
        self, targets: list[Any], settings: Mapping[str, Any], duration_ms: float
    ) -> list[int]:
        """Bend the output of connections; return their numbers."""
        for connection in targets:
            connection.shape(Shaping(**settings), self.random)
            if duration_ms:

                def straighten(connection: Connection = connection) -> None:
                    connection.shape(None, self.random)

                self.after(duration_ms, straighten)
        return [connection.number for connection in targets]

    def push(self, frame: Any, *, connection: int | None = None) -> int:
        """Send a frame (object, text or bytes) as it is; return how many got it."""
        payload = as_payload(frame)
        chosen = self.chosen(connection)
        for one in chosen:
            one.send(payload)
        return len(chosen)

    def stray(self, what: str, connection: int | None = None, count: int = 1) -> int:
        """Send frames no client should trust: one of `STRAY`; return how many got them."""
        chosen = self.chosen(connection)
        self.send_to(chosen, *stray_frame(what, self.stray_event), count)
        return len(chosen)

    def send_to(self, targets: list[Any], payload: bytes, opcode: int, count: int) -> None:
        """Send a frame so many times."""
        for connection in targets:
            for _ in range(count):
                if opcode == PING:
                    connection.expect_pong()
                connection.send(payload, opcode)

    # -- handshakes and answers --------------------------------------------------------------

    def refuse(
        self,
        mode: str = "status",
        *,
        status: int = 503,
        retry_after_s: int | None = None,
        delay_ms: float = 1_000,
        path: str | None = None,
        count: int = 1,
    ) -> int:
        """Refuse the next handshakes (of paths that begin so): a status, slow, closed, garbage."""
        if mode not in HANDSHAKE_MODES:
            raise ValueError(f"mode is one of {', '.join(HANDSHAKE_MODES)}, not {mode!r}")
        act = handshake_action(
            mode, status=status, retry_after_s=retry_after_s, delay_s=delay_ms / 1000
        )
        self.handshakes.append(HandshakeFault(act, path, count))
        return count

    async def bend_handshake(
        self, request: web.BaseRequest, path: str
    ) -> web.StreamResponse | None:
        """Let the first fault that stands on a path have the handshake; None goes on with it."""
        for fault in self.handshakes:
            if fault.path is None or path.startswith(fault.path):
                use_up(fault, self.handshakes)
                return await fault.act(request)
        return None

    def take_reply(self, endpoint: str) -> Any:
        """Return the fault that stands on an endpoint and count its use; None if there is none."""
        for fault in self.replies:
            if fault.endpoint != endpoint:
                continue
            if fault.probability < 1 and self.random.random() >= fault.probability:
                continue
            use_up(fault, self.replies)
            return fault
        return None

    def remove_reply(self, reply: Reply) -> None:
        """Take a standing reply off."""
        if reply in self.replies:
            self.replies.remove(reply)

    def hold(self, endpoint: str) -> Hold:
        """Keep the next answer of an endpoint back until it is released."""
        hold = Hold(endpoint)
        self.holds.append(hold)
        return hold

    def take_hold(self, endpoint: str) -> Hold | None:
        self.holds = [hold for hold in self.holds if not hold.released]
        for hold in self.holds:
            if hold.endpoint == endpoint and not hold.reached.is_set():
                hold.reached.set()
                return hold
        return None

    def release_holds(self) -> int:
        """Let every held answer go; return how many were waiting."""
        waiting = sum(hold.reached.is_set() and not hold.released for hold in self.holds)
        for hold in self.holds:
            hold.release()
        self.holds.clear()
        return waiting

    # -- channels ----------------------------------------------------------------------------

    def tap(
        self,
        prefix: str,
        action: str,
        count: int = 1,
        *,
        connection: int | None = None,
        delay_ms: float = 0.0,
        probability: float = 1.0,
        after: int = 0,
    ) -> Tap:
        """Bend the next frames of the channels whose names begin with `prefix`."""
        known = self.tap_type.actions
        if action not in known:
            raise ValueError(f"unknown action {action!r}, known: {', '.join(known)}")
        tap = self.tap_type(prefix, action, count, connection, delay_ms, probability, after)
        self.taps.append(tap)
        return tap

    def release(self, tap: Tap) -> None:
        """End a tap; what it holds goes out."""
        if tap in self.taps:
            self.taps.remove(tap)
        held, tap.held = tap.held, []
        for send, payload in held:
            send(payload)

    def release_all(self) -> int:
        """End every tap; return how many there were."""
        taps = list(self.taps)
        for tap in taps:
            self.release(tap)
        return len(taps)

    # -- time --------------------------------------------------------------------------------

    def clock_offset(self, ms: float) -> None:
        """Let the venue's clock be off by so much."""
        self._sim.clock.offset_ns = int(ms * 1e6)


def stray_frame(what: str, event: bytes) -> tuple[bytes, int]:
    """Return payload and opcode of a frame no client should trust; `event` is one it can parse.

    Raises
    ------
    ValueError
        `what` is none of `STRAY`.
    """
    if what == "huge":
        return b'{"huge":"%b"}' % (b"x" * HUGE_BYTES), TEXT
    frames = {
        "unknown_event": (event, TEXT),
        "invalid_json": (event[: len(event) // 2], TEXT),
        "invalid_utf8": (b'{"text":"\xff\xfe\x80"}', TEXT),
        "binary": (event, BINARY),
        "ping_flood": (b"flood", PING),
    }
    if what not in frames:
        raise ValueError(f"a stray frame is one of {', '.join(STRAY)}, not {what!r}")
    return frames[what]
