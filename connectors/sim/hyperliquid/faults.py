"""Script and faults: what the venue does on command (15.3).

In process call the methods; from outside `POST /_sim/fault` with `{"fault": NAME, ...}`, where
NAME is a method listed in `KINDS` and the rest are its arguments.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from .commands import ModifyPlan
from .config import MODIFY_STEPS
from .taps import TAP_ACTIONS, Tap

if TYPE_CHECKING:
    from .connection import Connection
    from .server import Simulator

__all__ = ["KINDS", "Faults", "Reply"]

BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body></body></html>"
_TAPPED = ("orderUpdates", "userFills", "userEvents")


@dataclass(slots=True, eq=False)
class Reply:
    """What happens to the next requests of one kind: `/info`, `/exchange` or `post`."""

    where: str
    status: int | None = None
    body: bytes | None = None
    payload: Any = None
    as_type: str = "error"
    delay_s: float = 0.0
    lose: bool = False
    truncate: bool = False
    execute: bool = True
    probability: float = 1.0
    count: int = 1


class Faults:
    """Carries faults out and keeps those that stand."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self.random = random.Random(f"hyperliquid-sim/faults/{sim.config.seed}")
        self._replies: list[Reply] = []
        self._next_ns = int(sim.config.fault_interval_s * 1e9)
        self.applied: list[dict[str, Any]] = []

    # -- asked by the server -----------------------------------------------------------------

    def take_reply(self, where: str) -> Reply | None:
        for fault in self._replies:
            if fault.where != where:
                continue
            if fault.probability < 1 and self.random.random() >= fault.probability:
                continue
            fault.count -= 1
            if fault.count <= 0:
                self._replies.remove(fault)
            return fault
        return None

    def advance(self, now_ns: int) -> None:
        """Make the faults of the scenario; same seed, same faults at the same simulated times."""
        config = self._sim.config
        if config.fault_interval_s and config.fault_kinds and now_ns >= self._next_ns:
            self._next_ns = now_ns + int(config.fault_interval_s * 1e9)
            self._make(self.random.choice(config.fault_kinds))

    def _make(self, kind: str) -> None:
        numbers = sorted(self._sim.connections)
        if kind in ("abort", "close", "freeze"):
            if numbers:
                self.apply({"fault": kind, "connection": self.random.choice(numbers)})
        elif kind == "lose_reply":
            self.apply({"fault": "next_reply", "where": "post", "lose": True})
        elif kind in TAP_ACTIONS:
            prefix = self.random.choice(_TAPPED)
            self.apply({"fault": "tap", "prefix": prefix, "action": kind})

    def apply(self, values: Mapping[str, Any]) -> Any:
        """Carry out one fault by name.

        Raises
        ------
        ValueError, TypeError, LookupError
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
        self._replies.clear()
        for tap in list(self._sim.publisher.taps):
            self.release(tap)
        self._sim.clock.offset_ns = 0
        self._sim.admission.commands.clear_script()
        for connection in self._sim.connections.values():
            connection.slow_ms = 0.0
            connection.resume()
        for account in self._sim.exchange.accounts.values():
            account.frozen_budget = False

    # -- answers -----------------------------------------------------------------------------

    def next_reply(
        self,
        where: str = "/exchange",
        *,
        status: int | None = None,
        body: Any = None,
        as_type: str = "error",
        delay_s: float = 0.0,
        lose: bool = False,
        truncate: bool = False,
        execute: bool | None = None,
        probability: float = 1.0,
        count: int = 1,
    ) -> Reply:
        """Bend the next answers of `/info`, `/exchange` or `post` (actions over the websocket).

        `status` and `body` (object or text) replace the answer; a post is answered by `body` as
        a payload of `as_type`. `lose` cuts the HTTP connection, or leaves a post unanswered;
        `truncate` cuts the body short. Unless told otherwise the request is carried out if its
        answer is only late, lost or cut short.
        """
        if where not in ("/info", "/exchange", "post"):
            raise ValueError(f"where is /info, /exchange or post, not {where!r}")
        if status in (502, 503, 504) and body is None:
            body = BAD_GATEWAY
        payload = None if body is None else _payload(body)
        if execute is None:
            execute = status is None and body is None
        reply = Reply(
            where, status, payload, body, as_type, delay_s, lose, truncate, execute, probability,
            count,
        )  # fmt: skip
        self._replies.append(reply)
        return reply

    def next_modify(
        self,
        sequence: Sequence[str] | None = None,
        *,
        split: bool | None = None,
        gap_ms: float | None = None,
        count: int = 1,
    ) -> None:
        """Let the next modifies be seen in this sequence of open, canceled, fills, reply."""
        config = self._sim.config
        steps = config.modify_sequence if sequence is None else tuple(sequence)
        for name in steps:
            if name not in MODIFY_STEPS:
                raise ValueError(f"unknown step {name!r}, known: {', '.join(MODIFY_STEPS)}")
        plan = ModifyPlan(
            steps,
            config.modify_split if split is None else split,
            config.modify_gap_ms if gap_ms is None else gap_ms,
        )
        self._sim.admission.commands.script_modifies(plan, count)

    def remove_reply(self, reply: Reply) -> None:
        """Take a standing reply off."""
        if reply in self._replies:
            self._replies.remove(reply)

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

    def close_after_next_frame(
        self, connection: int | None = None, *, silently: bool = False
    ) -> None:
        """Handle and answer the next client frame, then end: between a reply and its stream.

        `silently` without a Close frame, so that the client sees 1006.
        """
        for chosen in self._chosen(connection):
            chosen.end_after_next = "hang_up" if silently else "close"

    def abort(self, connection: int | None = None) -> None:
        """Reset the TCP connection without a Close frame (1006)."""
        for chosen in self._chosen(connection):
            chosen.abort()

    def freeze(self, connection: int | None = None) -> None:
        """Leave the socket open and dead."""
        for chosen in self._chosen(connection):
            chosen.freeze()

    def stall(self, connection: int | None = None, ms: float | None = None) -> None:
        """Send nothing, for so long or until `resume`; then everything at once."""
        for chosen in self._chosen(connection):
            chosen.stall()
            if ms is not None:
                self._sim.later(ms, chosen.resume)

    def resume(self, connection: int | None = None) -> None:
        """End a stall."""
        for chosen in self._chosen(connection):
            chosen.resume()

    def slow(self, delay_ms: float, connection: int | None = None) -> None:
        """Let every frame come so much later; 0 ends it."""
        for chosen in self._chosen(connection):
            chosen.slow_ms = delay_ms

    def write_mode(self, mode: str, connection: int | None = None) -> None:
        """Write frames `normal`, `split` over TCP writes, or in websocket `fragment`s."""
        if mode not in ("normal", "split", "fragment"):
            raise ValueError(f"mode is normal, split or fragment, not {mode!r}")
        for chosen in self._chosen(connection):
            chosen.write_mode = mode  # type: ignore[assignment]

    def push(self, frame: Any, *, connection: int | None = None) -> int:
        """Send a frame (object, text or bytes) as it is; return how many got it."""
        payload = _payload(frame)
        chosen = self._chosen(connection)
        for one in chosen:
            one.send(payload)
        return len(chosen)

    def error(self, text: str, connection: int | None = None) -> int:
        """Send one of the error frames of section 4.5."""
        return self.push({"channel": "error", "data": text}, connection=connection)

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
        """Bend the next frames of the subscriptions whose types begin with `prefix`.

        `post` stands for the answers to posts.
        """
        if action not in TAP_ACTIONS:
            raise ValueError(f"unknown action {action!r}, known: {', '.join(TAP_ACTIONS)}")
        tap = Tap(prefix, action, count, connection, delay_ms, probability, after)
        self._sim.publisher.taps.append(tap)
        return tap

    def release(self, tap: Tap) -> None:
        """End a tap; what it holds goes out."""
        taps = self._sim.publisher.taps
        if tap in taps:
            taps.remove(tap)
        held, tap.held = tap.held, []
        for connection, payload in held:
            connection.send(payload)

    def release_all(self) -> int:
        """End every tap; return how many there were."""
        taps = list(self._sim.publisher.taps)
        for tap in taps:
            self.release(tap)
        return len(taps)

    def replay(self, channel: str, count: int = 1) -> int:
        """Send the last frames of a subscription type again; return how many."""
        publisher = self._sim.publisher
        frames = list(publisher.recent.get(channel, ()))[-count:]
        for payload in frames:
            for key, who in list(publisher.followers.items()):
                if key.type == channel:
                    for connection in list(who):
                        connection.send(payload)
        return len(frames)

    # -- accounts ----------------------------------------------------------------------------

    def prune_agent(self, address: str) -> None:
        """Let an agent be unknown from now on."""
        self._sim.exchange.prune_agent(address.lower())

    def exhaust_budget(self, user: str, *, on: bool = True) -> None:
        """Let the address's budget of requests be used up."""
        self._sim.exchange.account(user).frozen_budget = on

    def cancel_order(self, user: str, oid: int, status: str = "canceled") -> None:
        """Let the venue end an order with any status of section 8.1."""
        exchange = self._sim.exchange
        order = exchange.account(user).live.get(oid)
        if order is None:
            raise LookupError(f"no live order {oid}")
        exchange.cancel(order, status)
        self._sim.after_action()

    def post_only_window(self, *, on: bool = True) -> None:
        """Refuse everything that is not post-only."""
        self._sim.configure(post_only_window=on)

    def clock_offset(self, ms: float) -> None:
        """Let the venue's clock be off by so much."""
        self._sim.clock.offset_ns = int(ms * 1e6)


KINDS = (
    "abort", "cancel_order", "clear", "clock_offset", "close", "close_after_next_frame", "error",
    "exhaust_budget", "freeze", "next_modify", "next_reply", "post_only_window",
    "prune_agent", "push", "release_all", "replay", "resume", "slow", "stall", "tap", "write_mode",
)  # fmt: skip


def _payload(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    return orjson.dumps(value)
