"""Script and faults: what the venue does on command (18.2.9).

In process call the methods; from outside `POST /_sim/fault` with `{"fault": NAME, ...}`, where
NAME is a method listed in `KINDS` and the rest are its arguments.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from .errors import Refused
from .taps import TAP_ACTIONS, Tap

if TYPE_CHECKING:
    from .connection import Connection
    from .server import Simulator

__all__ = ["KINDS", "AckFault", "Faults", "Hold", "Reply"]

REFUSING = (20001, 23000, 62007)


@dataclass(slots=True, eq=False)
class AckFault:
    """What happens to one answer to a transaction sent over the websocket."""

    frame: bytes | None = None
    code: int | None = None
    admit: bool = True
    drop: bool = False
    duplicate: bool = False
    delay_ms: float = 0.0
    count: int = 1


@dataclass(slots=True, eq=False)
class Reply:
    """What happens to requests of one endpoint. `count` None: until it is taken off."""

    endpoint: str
    status: int | None = None
    body: bytes | None = None
    delay_s: float = 0.0
    drop: bool = False
    admit: bool = False
    retry_after_s: int | None = None
    count: int | None = 1


class Hold:
    """A REST answer kept back: the request has been carried out, the reply waits."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.reached = asyncio.Event()
        self._go = asyncio.Event()

    def release(self) -> None:
        self._go.set()

    @property
    def released(self) -> bool:
        return self._go.is_set()

    async def wait(self) -> None:
        await self._go.wait()


class Faults:
    """Carries faults out and keeps those that stand."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self._random = random.Random(f"lighter-sim/faults/{sim.config.seed}")
        self._acks: list[AckFault] = []
        self._replies: list[Reply] = []
        self._holds: list[Hold] = []
        self._next_ns = int(sim.config.fault_interval_s * 1e9)
        self.applied: list[dict[str, Any]] = []

    # -- asked by the server -----------------------------------------------------------------

    def take_ack(self) -> AckFault | None:
        if not self._acks:
            return None
        fault = self._acks[0]
        fault.count -= 1
        if fault.count <= 0:
            self._acks.pop(0)
        return fault

    def take_reply(self, endpoint: str) -> Reply | None:
        for fault in self._replies:
            if fault.endpoint == endpoint:
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count <= 0:
                        self._replies.remove(fault)
                return fault
        return None

    def take_hold(self, endpoint: str) -> Hold | None:
        self._holds = [hold for hold in self._holds if not hold.released]
        for hold in self._holds:
            if hold.endpoint == endpoint and not hold.reached.is_set():
                hold.reached.set()
                return hold
        return None

    def advance(self, now_ns: int) -> None:
        """Make the faults of the scenario; same seed, same faults at the same simulated times."""
        config = self._sim.config
        if config.fault_interval_s and config.fault_kinds and now_ns >= self._next_ns:
            self._next_ns = now_ns + int(config.fault_interval_s * 1e9)
            self._make(self._random.choice(config.fault_kinds))

    def _make(self, kind: str) -> None:
        sim = self._sim
        if kind in ("abort", "close", "shutdown"):
            numbers = sorted(sim.connections)
            if numbers:
                self.apply({"fault": kind, "connection": self._random.choice(numbers)})
        elif kind == "book_gap":
            self.book_gap(self._random.choice(sorted(sim.exchange.markets)))
        elif kind == "replay":
            names = sorted(sim.publisher.recent)
            if names:
                self.replay(self._random.choice(names))
        elif kind in ("duplicate", "malformed", "drop"):
            # A lost or spoilt account frame would be a loss the venue itself does not know of.
            both = kind == "duplicate"
            prefix = self._random.choice(("order_book", "account")) if both else "order_book"
            self.tap(prefix, kind)

    def apply(self, values: Mapping[str, Any]) -> Any:
        """Carry out one fault by name.

        Raises
        ------
        ValueError, TypeError
            The fault or an argument is unknown.
        """
        arguments = dict(values)
        name = arguments.pop("fault", None)
        if name not in KINDS:
            raise ValueError(f"unknown fault {name!r}, known: {', '.join(KINDS)}")
        method: Callable[..., Any] = getattr(self, name)
        done = method(**arguments)
        self.applied.append({"ms": self._sim.clock.now_ms(), **values})
        del self.applied[:-1_000]
        return done if isinstance(done, int | str | list | dict) else {}

    def clear(self) -> None:
        """Take every standing fault off and let go of what is held."""
        self._acks.clear()
        self._replies.clear()
        self.release_holds()
        for tap in list(self._sim.publisher.taps):
            self.release(tap)
        self._sim.transact.hold_next = 0
        self._sim.transact.release()
        self._sim.execution.forced.clear()
        self._sim.clock.offset_ns = 0

    # -- answers -----------------------------------------------------------------------------

    def next_ack(
        self,
        *,
        frame: Any = None,
        code: int | None = None,
        message: str = "",
        admit: bool | None = None,
        drop: bool = False,
        duplicate: bool = False,
        delay_ms: float = 0.0,
        count: int = 1,
    ) -> None:
        """Replace, drop, double or delay the next answers to websocket transactions.

        `frame` (object or text) goes out in place of the answer; `code` and `message` make an
        ordinary refusal. Unless told otherwise a transaction whose answer is a refusal is not
        admitted: it uses no nonce and has no effect.
        """
        if frame is None and code is not None:
            frame = {"type": "jsonapi/sendtx", "code": code, "message": message}
        found = _code_of(frame) if code is None else code
        if admit is None:
            admit = not (found is not None and (21000 <= found < 22000 or found in REFUSING))
        payload = None if frame is None else _payload(frame)
        self._acks.append(AckFault(payload, found, admit, drop, duplicate, delay_ms, count))

    def hold_acks(self, count: int = 1) -> None:
        """Keep the next answers to websocket transactions back until `release_acks`."""
        self._sim.transact.hold_next += count

    def release_acks(self, *, reverse: bool = False) -> int:
        return self._sim.transact.release(reverse=reverse)

    def next_reply(
        self,
        endpoint: str,
        *,
        status: int | None = None,
        body: Any = None,
        delay_s: float = 0.0,
        drop: bool = False,
        admit: bool = False,
        retry_after_s: int | None = None,
        count: int | None = 1,
    ) -> Reply:
        """Bend the next REST answers of an endpoint such as `sendTx`; `count` None: all of them.

        With a status or a body the request is not carried out unless `admit` is set. `drop` cuts
        the connection instead of answering.
        """
        payload = None if body is None else _payload(body)
        if payload is not None and status is None:
            status = 200
        if status is None and not drop:
            admit = True
        reply = Reply(endpoint, status, payload, delay_s, drop, admit, retry_after_s, count)
        self._replies.append(reply)
        return reply

    def remove_reply(self, reply: Reply) -> None:
        """Take a standing reply off."""
        if reply in self._replies:
            self._replies.remove(reply)

    def hold(self, endpoint: str) -> Hold:
        """Keep the next REST answer of an endpoint back until it is released."""
        hold = Hold(endpoint)
        self._holds.append(hold)
        return hold

    def release_holds(self) -> int:
        """Let every held REST answer go; return how many were waiting."""
        waiting = sum(hold.reached.is_set() and not hold.released for hold in self._holds)
        for hold in self._holds:
            hold.release()
        self._holds.clear()
        return waiting

    def fail_next(self, code: int, message: str = "") -> None:
        """Let the next transaction be accepted and fail in the sequencer."""
        self._sim.execution.forced.append(Refused(code, message))

    # -- connections -------------------------------------------------------------------------

    def _chosen(self, connection: int | None) -> list[Connection]:
        connections = self._sim.connections
        if connection is None:
            return list(connections.values())
        return [connections[connection]] if connection in connections else []

    def close(self, connection: int | None = None, code: int = 1000, reason: str = "") -> None:
        """Close connections with a Close frame; with none named, all of them."""
        for chosen in self._chosen(connection):
            chosen.close(code, reason)

    def close_after_next_frame(self, connection: int | None = None, kind: str = "") -> None:
        """Handle and answer the next client frame (of a type, if one is named), then close."""
        for chosen in self._chosen(connection):
            chosen.close_after = kind

    def abort(self, connection: int | None = None) -> None:
        """Reset the TCP connection without a Close frame."""
        for chosen in self._chosen(connection):
            chosen.abort()

    def freeze(self, connection: int | None = None) -> None:
        """Leave the socket open and dead."""
        for chosen in self._chosen(connection):
            chosen.freeze()

    def stop_reading(self, connection: int | None = None) -> None:
        for chosen in self._chosen(connection):
            chosen.stop_reading()

    def resume_reading(self, connection: int | None = None) -> None:
        for chosen in self._chosen(connection):
            chosen.resume_reading()

    def ping(self, connection: int | None = None) -> None:
        """Send the venue's JSON ping."""
        self.push({"type": "ping"}, connection=connection)

    def shutdown(self, connection: int | None = None, close_in_ms: int = 50) -> None:
        """Announce a restart and close when it is due."""
        chosen = self._chosen(connection)
        self.push({"type": "shutdown", "close_in_ms": close_in_ms}, connection=connection)
        for one in chosen:
            self._sim.later(close_in_ms, lambda one=one: one.close(1001, "restart"))  # type: ignore[misc]

    def push(self, frame: Any, *, connection: int | None = None, channel: str | None = None) -> int:
        """Send a frame (object, text or bytes) as it is; return how many got it.

        To everybody, or one connection, or those who follow a channel (the venue's spelling).
        """
        payload = _payload(frame)
        chosen = self._chosen(connection)
        if channel is not None:
            chosen = [one for one in chosen if channel in one.channels]
        for one in chosen:
            one.send(payload)
        return len(chosen)

    # -- channels ----------------------------------------------------------------------------

    def tap(self, prefix: str, action: str, count: int = 1) -> Tap:
        """Bend the next frames of the channels whose names begin with `prefix`."""
        if action not in TAP_ACTIONS:
            raise ValueError(f"unknown action {action!r}, known: {', '.join(TAP_ACTIONS)}")
        tap = Tap(prefix, action, count)
        self._sim.publisher.taps.append(tap)
        return tap

    def release(self, tap: Tap) -> None:
        """End a tap; what it holds goes out."""
        publisher = self._sim.publisher
        if tap in publisher.taps:
            publisher.taps.remove(tap)
        held, tap.held = tap.held, []
        for name, payload in held:
            publisher.deliver(name, payload)

    def book_gap(self, market: int, count: int = 1) -> None:
        """Leave out the next updates of a book: its nonce chain breaks."""
        self.tap(f"order_book:{market}", "drop", count)

    def replay(self, channel: str, count: int = 1) -> int:
        """Send the last frames of a channel again; return how many."""
        recent = list(self._sim.publisher.recent.get(channel, ()))[-count:]
        for payload in recent:
            for connection in list(self._sim.publisher.followers.get(channel, ())):
                connection.send(payload)
        return len(recent)

    def trade_first(self) -> None:
        """From now on trades come before the order rows they belong to."""
        order = [name for name in self._sim.config.frame_order if name != "trades"]
        self._sim.configure(frame_order=("trades", *order))

    # -- accounts ----------------------------------------------------------------------------

    def shift_nonce(self, account: int, key: int, by: int = 1) -> None:
        """Let the key's expected nonce move, as if somebody else had used it."""
        self._sim.exchange.account(account).keys[key].nonce += by

    def exhaust_quota(self, account: int, quota: int = 0) -> None:
        self._sim.exchange.account(account).quota = quota

    def expire_tokens(self, account: int) -> None:
        """Refuse every token the account has subscribed with so far.

        Subscriptions that stand go silent, as with a token that ran out.
        """
        sim = self._sim
        sim.revoked_tokens.update(
            item.auth
            for item in sim.record.subscribes
            if item.auth is not None and item.auth.split(":")[1:2] == [str(account)]
        )
        for connection in sim.connections.values():
            for name, channel in list(connection.channels.items()):
                if channel.private and channel.account == account:
                    connection.drop(name)

    def clock_offset(self, ms: float) -> None:
        """Let the venue's clock be off by so much."""
        self._sim.clock.offset_ns = int(ms * 1e6)


KINDS = (
    "abort", "book_gap", "clear", "clock_offset", "close", "close_after_next_frame",
    "exhaust_quota", "expire_tokens", "fail_next", "freeze", "hold", "hold_acks", "next_ack",
    "next_reply", "ping", "push", "release_acks", "release_holds", "replay", "resume_reading",
    "shift_nonce", "shutdown", "stop_reading", "tap", "trade_first",
)  # fmt: skip


def _payload(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    return orjson.dumps(value)


def _code_of(frame: Any) -> int | None:
    """Return the code an answer carries, wherever it does."""
    if not isinstance(frame, dict):
        return None
    for part in (frame, frame.get("error"), frame.get("data")):
        if isinstance(part, dict) and isinstance(part.get("code"), int):
            return int(part["code"])
    return None
