"""Script and faults: what only this venue does on command (12.6)."""

from __future__ import annotations

import inspect
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

from .. import faults, taps
from ..faults import COMMON_FAULTS
from ..replies import Reply, as_payload
from ..wsframes import BINARY, TEXT
from .answers import EDGE_403, LOGIN, Answer, plain
from .kinds import EDGE_FAULTS, MARKET_FAULTS, ORDER_FAULTS, SESSION_FAULTS, SOCKET_FAULTS
from .markets import Market
from .rest import ENDPOINTS

if TYPE_CHECKING:
    from .connection import Connection
    from .server import Simulator

__all__ = ["KINDS", "Faults"]

KINDS = (
    *COMMON_FAULTS, *SESSION_FAULTS, *SOCKET_FAULTS, *MARKET_FAULTS, *ORDER_FAULTS, *EDGE_FAULTS,
)  # fmt: skip
REASON = "Order rejected: sample reason"
BURST = 10_000


class Tap(taps.Tap):
    """Stands on the topics that begin with `prefix`."""

    __slots__ = ()

    number_marks: ClassVar[tuple[bytes, ...]] = (b'"84":"', b'"31":"', b'"price":"', b'"dpl":')


class Faults(faults.Faults):
    """Adds the session, market data lines, orders and the edge in front of the venue.

    Attributes
    ----------
    system_ms
        In place of the configured time of `system`; 0 for none.
    """

    _sim: Simulator
    kinds: ClassVar[tuple[str, ...]] = KINDS
    tap_type: ClassVar[type[taps.Tap]] = Tap
    stray_event: ClassVar[bytes] = b'{"topic":"zzz+1","args":{}}'

    def __init__(self, sim: Simulator) -> None:
        super().__init__(sim)
        self.system_ms = 0.0
        self._armed: Counter[str] = Counter()
        self._edge: Answer | None = None
        self._edge_until_ns = 0
        self._close_loop = 0
        self._close_loop_ms = 0.0

    def make(self, kind: str) -> None:
        if kind in ("duplicate", "swap", "drop", "delay"):
            prefix = self.random.choice(("smd", "sor", "str", "spl"))
            self.apply({"fault": "tap", "prefix": prefix, "action": kind, "delay_ms": 50.0})
        elif "connection" in inspect.signature(getattr(self, kind)).parameters:
            super().make(kind)
        else:
            self.apply({"fault": kind})

    def clear(self) -> None:
        super().clear()
        sim = self._sim
        self.system_ms = 0.0
        self._armed.clear()
        self._edge = None
        self._close_loop = 0
        sim.pacing.pardon()
        sim.trading.chain = sim.trading.too_late = 0
        sim.trading.rejections.clear()
        sim.oauth.wrong_signatures = 0
        sim.streams.bad_rows = 0
        sim.streams.late_commissions = (0, None)
        sim.session.poisoned = False
        for connection in sim.connections.values():
            connection.muted = False
            connection.deaf = 0

    def arm(self, name: str, count: int = 1) -> None:
        """Let the next `count` occasions be bad; see `take`."""
        self._armed[name] += count

    def take(self, name: str) -> bool:
        """Whether this occasion is a bad one."""
        if not self._armed[name]:
            return False
        self._armed[name] -= 1
        return True

    # -- session -----------------------------------------------------------------------------

    def session_expiry(self, ms: float | None = None) -> None:
        """End the login; after `ms`, if given, the user logs in again."""
        self._sim.session.expire()
        if ms is not None:
            self.after(ms, self._sim.session.log_in)

    def log_in(self) -> None:
        """Do what a person does in the browser."""
        self._sim.session.log_in()

    def outer_only(self) -> None:
        """End the brokerage session, not the login."""
        self._sim.session.lose_brokerage()

    def competing(self) -> None:
        """Let another platform take the brokerage session."""
        self._sim.session.compete()

    def session_id_change(self) -> str:
        """Give the session another id; return it."""
        self._sim.session.change_id()
        return self._sim.session.session_id

    def no_bridge_window(self, ms: float = 3_000) -> None:
        """Answer /iserver with `no bridge` for so long."""
        self._sim.session.close_bridge(ms)

    def login_redirect(self, ms: float = 3_000) -> None:
        """Answer every request with a redirect to the login page for so long."""
        self._stand(LOGIN, ms)

    def oauth_expired(self) -> None:
        """End the live session token."""
        self._sim.oauth.expire()

    def oauth_bad_signature(self, count: int = 1) -> None:
        """Give the next tokens a signature that does not fit (O-11)."""
        self._sim.oauth.wrong_signatures += count

    def tickle_failed(self, count: int = 1) -> None:
        """Answer tickles with `failed to process request`."""
        self.arm("tickle_failed", count)

    def missing_sts(self, count: int = 1) -> None:
        """Leave `sts` out of the next greetings."""
        self.arm("missing_sts", count)

    def late_system(self, ms: float = 6_000) -> None:
        """Let `system` come so late on new connections, until cleared."""
        self.system_ms = ms

    def drop_pre_ready(self, ms: float = 500) -> None:
        """Let `system` come late: what is asked for before it is dropped, as always."""
        self.system_ms = ms

    def waiting_for_session(self, count: int = 1) -> None:
        """Overlook the cookie of the next handshakes."""
        self.arm("waiting_for_session", count)

    # -- sockets -----------------------------------------------------------------------------

    def close_1006(self, connection: int | None = None) -> None:
        """Reset the TCP connection."""
        self.abort(connection)

    def close_1011(self, connection: int | None = None) -> None:
        """Close with status 1011."""
        self.close(connection, 1011, "internal error")

    def close_1000_loop(
        self, connection: int | None = None, count: int = 5, after_ms: float = 100
    ) -> None:
        """Close now, and the next connections too, soon after they opened."""
        self._close_loop = count
        self._close_loop_ms = after_ms
        self.close(connection, 1000)

    def take_close_loop(self, connection: Connection) -> bool:
        """Whether a new connection is one to be closed soon."""
        if not self._close_loop:
            return False
        self._close_loop -= 1
        self._sim.later(self._close_loop_ms, lambda: connection.close(1000))
        return True

    def half_open(self, connection: int | None = None) -> None:
        """Leave the socket open and dead."""
        self.freeze(connection)

    def stalled_heartbeat(self, connection: int | None = None, ms: float | None = None) -> None:
        """Send nothing any more, though everything is read, for so long or until cleared."""
        for chosen in self.chosen(connection):
            chosen.muted = True
            if ms is not None:

                def speak(chosen: Any = chosen) -> None:
                    chosen.muted = False

                self.after(ms, speak)

    def lost_subscriptions(self, connection: int | None = None, deaf: int = 0) -> None:
        """Forget what was subscribed; the next `deaf` subscriptions are not heard either."""
        for chosen in self.chosen(connection):
            chosen.forget()
            chosen.deaf = deaf

    def binary_only(self) -> None:
        """Send every frame as a binary one from now on."""
        self._sim.configure(opcodes="binary")

    def empty_frames(self, connection: int | None = None, count: int = 1) -> None:
        """Send empty frames and `{}`, as text and as binary."""
        for chosen in self.chosen(connection):
            for _ in range(count):
                for payload, opcode in ((b"", BINARY), (b"{}", TEXT), (b"", TEXT), (b"{}", BINARY)):
                    chosen.transmit(payload, opcode)

    def malformed(self, connection: int | None = None) -> None:
        """Send text that is no JSON."""
        self._raw(connection, b"not-json", TEXT)

    def truncated(self, connection: int | None = None) -> None:
        """Send half of a market data frame."""
        self._raw(connection, b'{"topic":"smd+265598","31":"193.1', TEXT)

    def invalid_utf8_binary(self, connection: int | None = None) -> None:
        """Send a binary frame that is not UTF-8."""
        self._raw(connection, b'{"topic":"blt","args":{"id":"1","message":"\xff\xfe"}}', BINARY)

    def _raw(self, connection: int | None, payload: bytes, opcode: int) -> None:
        for chosen in self.chosen(connection):
            chosen.transmit(payload, opcode)

    def fragmented(self, connection: int | None = None, count: int = 10) -> None:
        """Send the next frames in three fragments each."""
        self.shape(connection, fragments=3, count=count)

    def slow_reader(self, connection: int | None = None, ms: float = 1_000) -> None:
        """Read nothing for so long."""
        for chosen in self.chosen(connection):
            chosen.stop_reading()
            self.after(ms, chosen.resume_reading)

    def error_frame(self, connection: int | None = None, text: str = "sample error") -> None:
        """Send an error, once in each of its shapes (W-08)."""
        for chosen in self.chosen(connection):
            chosen.error(text)
            chosen.answer({"topic": "error", "message": text})

    def ntf_object(self, connection: int | None = None) -> None:
        """Send a notification whose `args` are an object and no list (W-27)."""
        note = {"id": "1", "text": "A sample notification.", "title": "Notice", "url": ""}
        for chosen in self.chosen(connection):
            chosen.answer({"topic": "ntf", "args": note})

    def ntf_prompt(self, order_id: int, connection: int | None = None) -> None:
        """Ask something about an order on the socket (R-34)."""
        prompt = {
            "orderId": order_id, "reqId": "46562", "messageId": "p12",
            "text": "Use the price management algo?",
            "options": ["Use on this order", "Always use", "Do not use"], "type": "M",
            "prompt": True,
        }  # fmt: skip
        for chosen in self.chosen(connection):
            chosen.answer({"topic": "ntf", "args": [prompt]})

    def tic_dead(self, count: int = 1) -> None:
        """Answer `tic` with `alive: false`."""
        self.arm("tic_dead", count)

    def burst(self, connection: int | None = None, count: int = BURST) -> int:
        """Send so many updates of the lines of a connection at once; return how many."""
        sent = 0
        for chosen in self.chosen(connection):
            lines = list(chosen.lines.values())
            for number in range(count if lines else 0):
                line = lines[number % len(lines)]
                values = line.market.fields()
                shown = {code: values[code] for code in ("84", "86") if code in line.codes}
                meta, topic = line.market.meta(line.target), f"smd+{line.target}"
                chosen.answer({**meta, **shown, "topic": topic})
                sent += 1
        return sent

    # -- market data -------------------------------------------------------------------------

    def _market(self, conid: int | str | None) -> list[Market]:
        markets = self._sim.exchange.markets
        return list(markets.values()) if conid is None else [self._sim.exchange.market(conid)]

    def _touch(self, markets: list[Market]) -> None:
        for market in markets:
            market.changed(self._sim.clock.now_ms())

    def halted(self, conid: int | str | None = None, *, on: bool = True) -> None:
        """Halt trading, or let it go on."""
        for market in self._market(conid):
            market.halted = on
        self._touch(self._market(conid))

    def prev_close(self, conid: int | str | None = None) -> None:
        """Let there have been no trade today: last prices are the close."""
        for market in self._market(conid):
            market.traded = False
            market.last = market.prior_close
        self._touch(self._market(conid))

    def availability(self, letters: str, conid: int | str | None = None) -> None:
        """Set field 6509."""
        for market in self._market(conid):
            market.availability = letters
        self._touch(self._market(conid))

    def server_id_hop(self, conid: int | str | None = None) -> None:
        """Let another server deliver it."""
        for market in self._market(conid):
            market.server = self.random.randint(1, 32)
        self._touch(self._market(conid))

    def updated_backwards(self, conid: int | str | None = None, ms: int = 1_500) -> None:
        """Let the time of the next update be earlier than the last."""
        for market in self._market(conid):
            market.version += 1
            market.updated_ms -= ms
            market.server = market.server % 32 + 1

    def empty_update(self, connection: int | None = None) -> None:
        """Send updates with no conid and no field (W-15)."""
        for chosen in self.chosen(connection):
            for target in chosen.lines:
                chosen.answer({"topic": f"smd+{target}"})

    def unknown_field(self, connection: int | None = None) -> None:
        """Send updates with a field nobody knows."""
        for chosen in self.chosen(connection):
            for target, line in chosen.lines.items():
                meta = line.market.meta(target)
                chosen.answer({**meta, "9999": "new", "topic": f"smd+{target}"})

    def smd_expiry(self, connection: int | None = None) -> None:
        """End all market data lines without a word (W-12)."""
        for chosen in self.chosen(connection):
            chosen.lines.clear()

    def line_limit(self, lines: int = 2) -> None:
        """Let there be so many market data lines."""
        self._sim.configure(market_lines=lines)

    # -- orders ------------------------------------------------------------------------------

    def sor_silent(self, *, on: bool = True) -> None:
        """Let `sor` say nothing."""
        self._sim.configure(sor_silent=on)

    def sor_no_snapshot(self) -> None:
        """Let `sor` begin with nothing."""
        self._sim.configure(sor_snapshot="never")

    def filter_poison(self) -> None:
        """Do as after a filtered query: `sor` is silent until a forced one."""
        self._sim.session.poisoned = True

    def bad_row(self, count: int = 1) -> None:
        """Put a row that cannot be read among the others."""
        self._sim.streams.bad_rows += count

    def cancel_too_late(self, count: int = 1) -> None:
        """Fill the next orders whose cancel is asked for."""
        self._sim.trading.too_late += count

    def commission_later(self, ms: float | None = None, count: int = 1) -> None:
        """Tell the commissions of the next executions so late, or never."""
        self._sim.streams.late_commissions = (count, ms)

    def duplicate_executions(self, copies: int = 3) -> int:
        """Send all executions again; return how many there are."""
        found = [one for a in self._sim.exchange.accounts.values() for one in a.executions]
        for _ in range(copies):
            self._sim.streams.again(found)
        return len(found)

    def corrected_execution(self, price: str) -> str:
        """Send the last execution again, corrected (W-43); return its new id."""
        executions = [one for a in self._sim.exchange.accounts.values() for one in a.executions]
        last = max(executions, key=lambda one: one.execution_id)
        head, _, part = last.execution_id.rpartition(".")
        self._sim.exchange.correct(last, f"{head}.{int(part) + 1:02d}", price)
        self._sim.streams.again([last])
        return last.execution_id

    def out_of_order_status(self, count: int = 1) -> None:
        """Let the next two frames of `sor` change places."""
        for _ in range(count):
            self.tap("sor", "swap")

    def inactive_then_submitted(self, delay_ms: float = 1_000) -> None:
        """Let a next order look inactive for longer."""
        self.tap("sor", "delay", count=4, after=1, delay_ms=delay_ms)

    def system_reject(self, reason: str = REASON, count: int = 1) -> None:
        """Let the venue reject the next orders after it has acknowledged them."""
        self._sim.trading.rejections += [reason] * count

    def system_cancel(self, order_id: int, reason: str = REASON) -> None:
        """Let the venue cancel an order."""
        order = self._sim.exchange.orders[order_id]
        self._sim.exchange.cancel(order, reason)

    def reply_not_found(self, count: int = 1) -> None:
        """Forget the next questions before they are answered."""
        self.arm("reply_not_found", count)

    def reply_chain_9(self, questions: int = 9) -> None:
        """Ask so many questions more about the next order."""
        self._sim.trading.chain = questions

    def late_order_reply(self, ms: float = 1_000, count: int = 1) -> None:
        """Answer the next orders late; their frames come in time."""
        self.next_reply("place", delay_ms=ms, count=count)

    def reply_lost(self, count: int = 1) -> None:
        """Take the next answers to questions, but do not answer them."""
        self.next_reply("reply", drop=True, count=count)

    def place_503_but_live(self, count: int = 1) -> None:
        """Take the next orders and answer 503."""
        self.next_reply("place", status=503, body="", execute=True, count=count)

    def next_reply(
        self,
        endpoint: str,
        *,
        status: int | None = None,
        body: Any = None,
        delay_ms: float = 0.0,
        drop: bool = False,
        truncate: bool = False,
        execute: bool | None = None,
        probability: float = 1.0,
        count: int = 1,
    ) -> None:
        """Bend the next answers of an endpoint (`place`, `reply`, `cancel`, `tickle`, …).

        Unless told otherwise the request is carried out if its answer is only late, lost or cut.
        """
        if endpoint not in ENDPOINTS:
            raise ValueError(f"endpoint is one of {', '.join(ENDPOINTS)}, not {endpoint!r}")
        if execute is None:
            execute = status is None and body is None
        self.replies.append(
            Reply(
                endpoint, status, None if body is None else as_payload(body), delay_ms / 1000,
                drop=drop, truncate=truncate, execute=execute, probability=probability,
                count=count,
            )
        )  # fmt: skip

    # -- the edge ----------------------------------------------------------------------------

    def _stand(self, answer: Answer, ms: float) -> None:
        self._edge = answer
        self._edge_until_ns = self._sim.clock.elapsed_ns() + int(ms * 1e6)

    def edge(self) -> Answer | None:
        """Return what every request is answered with at present."""
        if self._edge is not None and self._sim.clock.elapsed_ns() >= self._edge_until_ns:
            self._edge = None
        return self._edge

    def penalty_429(self, ms: float = 5_000) -> None:
        """Put the user into the penalty box."""
        self._sim.pacing.punish(ms / 1000)

    def maintenance(self, ms: float = 5_000, status: int = 503) -> None:
        """Close all sockets, and answer every request with 503 or 401 for so long."""
        self._stand(plain(status), ms)
        self.refuse(status=status, count=1_000_000)
        self.close(None, 1001, "maintenance")
        self.after(ms, self.handshakes.clear)

    def gone_410(self, ms: float = 5_000) -> None:
        """Answer every request with 410 for so long."""
        self._stand(plain(410), ms)

    def edge_403(self, ms: float = 5_000) -> None:
        """Answer every request with the edge's 403 page for so long."""
        self._stand(EDGE_403, ms)
