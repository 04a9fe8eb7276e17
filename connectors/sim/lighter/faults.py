"""Script and faults: what only this venue does on command (18.2.9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from .. import faults, taps
from ..faults import COMMON_FAULTS
from ..replies import Reply, as_payload
from .errors import Refused
from .taps import Tap

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["KINDS", "AckFault", "Faults"]

KINDS = (
    *COMMON_FAULTS, "book_gap", "exhaust_quota", "expire_tokens", "fail_next", "hold_acks",
    "next_ack", "next_reply", "ping", "release_acks", "replay", "shift_nonce", "shutdown",
    "trade_first",
)  # fmt: skip
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


class Faults(faults.Faults):
    """Adds answers to transactions, frames of channels and the state of accounts."""

    _sim: Simulator
    kinds: ClassVar[tuple[str, ...]] = KINDS
    tap_type: ClassVar[type[taps.Tap]] = Tap

    def __init__(self, sim: Simulator) -> None:
        super().__init__(sim)
        self._acks: list[AckFault] = []

    # -- asked by the server -----------------------------------------------------------------

    def take_ack(self) -> AckFault | None:
        if not self._acks:
            return None
        fault = self._acks[0]
        fault.count -= 1
        if fault.count <= 0:
            self._acks.pop(0)
        return fault

    def make(self, kind: str) -> None:
        sim = self._sim
        if kind == "book_gap":
            self.book_gap(self.random.choice(sorted(sim.exchange.markets)))
        elif kind == "replay":
            names = sorted(sim.publisher.recent)
            if names:
                self.replay(self.random.choice(names))
        elif kind in ("duplicate", "malformed", "drop"):
            # A lost or spoilt account frame would be a loss the venue itself does not know of.
            both = kind == "duplicate"
            prefix = self.random.choice(("order_book", "account")) if both else "order_book"
            self.tap(prefix, kind)
        else:
            super().make(kind)

    def clear(self) -> None:
        super().clear()
        self._acks.clear()
        self._sim.transact.hold_next = 0
        self._sim.transact.release()
        self._sim.execution.forced.clear()

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
        payload = None if frame is None else as_payload(frame)
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
        payload = None if body is None else as_payload(body)
        if payload is not None and status is None:
            status = 200
        if status is None and not drop:
            admit = True
        reply = Reply(
            endpoint,
            status,
            payload,
            delay_s,
            drop,
            execute=admit,
            retry_after_s=retry_after_s,
            count=count,
        )
        self.replies.append(reply)
        return reply

    def fail_next(self, code: int, message: str = "") -> None:
        """Let the next transaction be accepted and fail in the sequencer."""
        self._sim.execution.forced.append(Refused(code, message))

    # -- connections -------------------------------------------------------------------------

    def ping(self, connection: int | None = None) -> None:
        """Send the venue's JSON ping."""
        self.push({"type": "ping"}, connection=connection)

    def shutdown(self, connection: int | None = None, close_in_ms: int = 50) -> None:
        """Announce a restart and close when it is due."""
        chosen = self.chosen(connection)
        self.push({"type": "shutdown", "close_in_ms": close_in_ms}, connection=connection)
        for one in chosen:
            self._sim.later(close_in_ms, lambda one=one: one.close(1001, "restart"))  # type: ignore[misc]

    def push(self, frame: Any, *, connection: int | None = None, channel: str | None = None) -> int:
        """Send a frame (object, text or bytes) as it is; return how many got it.

        To everybody, or one connection, or those who follow a channel (the venue's spelling).
        """
        payload = as_payload(frame)
        chosen = self.chosen(connection)
        if channel is not None:
            chosen = [one for one in chosen if channel in one.channels]
        for one in chosen:
            one.send(payload)
        return len(chosen)

    # -- channels ----------------------------------------------------------------------------

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


def _code_of(frame: Any) -> int | None:
    """Return the code an answer carries, wherever it does."""
    if not isinstance(frame, dict):
        return None
    for part in (frame, frame.get("error"), frame.get("data")):
        if isinstance(part, dict) and isinstance(part.get("code"), int):
            return int(part["code"])
    return None
