"""One websocket as the venue keeps it: greeting, subscriptions, heartbeats (12.3)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from .. import connection
from ..wsframes import BINARY, TEXT
from .contracts import find
from .cookies import websocket_session
from .history import BadHistory, history
from .lines import Ladder, Line, Rows, Trades
from .record import Sent
from .session import USER

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Connection"]

TIC_COPIES = 4
ACT_MS = 20.0
FIRST_SERVER_ID = 20_477


class Connection(connection.Connection):
    """Reads frames and answers them.

    Attributes
    ----------
    ready
        The session is known and `system` was sent; before that subscriptions are dropped.
    waiting
        It waits for a session id (T-09).
    muted
        Nothing is sent any more, though everything is read.
    deaf
        So many of the next subscriptions are not heard.
    lines, ladders, orders, trades, pnl, summaries, ledgers, histories
        What it is subscribed to.
    """

    sim: Simulator

    def __init__(self, sim: Simulator, request: web.BaseRequest, number: int) -> None:
        super().__init__(sim, request, number)
        self._random = random.Random(f"ibkr-sim/connection/{sim.config.seed}/{number}")
        self._presented = websocket_session(request)
        self.ready = False
        self.waiting = False
        self.muted = False
        self.deaf = 0
        self.lines: dict[str, Line] = {}
        self.ladders: dict[str, Ladder] = {}
        self.orders: frozenset[str] | None = None
        self.trades: Trades | None = None
        self.pnl: dict[str, dict[str, Any]] | None = None
        self.pnl_due_ns = 0
        self.summaries: dict[str, Rows] = {}
        self.ledgers: dict[str, Rows] = {}
        self.histories: dict[str, str] = {}
        self._next_beat_ns = 0
        self._last_tic_ms = 0

    def forget(self) -> None:
        """End every subscription without a word."""
        self.orders = self.trades = self.pnl = None
        for kind in (self.lines, self.ladders, self.summaries, self.ledgers, self.histories):
            kind.clear()

    def subscriptions(self) -> list[str]:
        """Return what it is subscribed to, as the topics name it."""
        names = [f"smd+{target}" for target in self.lines]
        names += [one.topic for one in self.ladders.values()]
        names += [f"ssd+{name}" for name in self.summaries]
        names += [f"sld+{name}" for name in self.ledgers]
        names += [f"smh+{target}" for target in self.histories.values()]
        singles = {"sor": self.orders, "str": self.trades, "spl": self.pnl}
        return sorted(names + [name for name, one in singles.items() if one is not None])

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "ready": self.ready,
            "waiting": self.waiting,
            "subscriptions": self.subscriptions(),
        }

    # -- life --------------------------------------------------------------------------------

    def on_open(self) -> None:
        faults = self.sim.faults
        if faults.take_close_loop(self):
            return
        session = self.sim.session
        known = self._presented == session.session_id and session.login
        if known and not faults.take("waiting_for_session"):
            self._greet()
        else:
            self.waiting = True
            self.answer({"message": "waiting for session"})

    def _greet(self) -> None:
        """Say `system`, `act` and `sts`, a little apart (X-21)."""
        config, later = self.sim.config, self.sim.later
        self.waiting = False
        system_ms = self.sim.faults.system_ms or config.system_ms
        later(system_ms, self._begin)
        later(system_ms + ACT_MS, lambda: self.answer(self.sim.views.act()))
        if config.greet_sts and not self.sim.faults.take("missing_sts"):
            status = self.sim.session.full_status
            later(
                max(config.sts_ms, system_ms + ACT_MS),
                lambda: self.answer({"topic": "sts", "args": status()}),
            )

    def _begin(self) -> None:
        paper = self.sim.config.paper
        self.answer({"topic": "system", "success": USER, "isFT": False, "isPaper": paper})
        self.ready = True
        self._next_beat_ns = self.sim.clock.elapsed_ns() + self._beat_ns

    @property
    def _beat_ns(self) -> int:
        return int(self.sim.config.heartbeat_s * 1e9)

    def check(self, now_ns: int) -> None:
        """Send a heartbeat when it is time (W-02)."""
        if self.ready and not self.quiet and now_ns >= self._next_beat_ns:
            self._next_beat_ns = max(self._next_beat_ns + self._beat_ns, now_ns)
            self.answer({"topic": "system", "hb": self.sim.clock.now_ms()})

    # -- output ------------------------------------------------------------------------------

    def answer(self, frame: dict[str, Any]) -> None:
        """Send a frame, past the faults that stand on its topic."""
        if not self.quiet:
            self.sim.streams.send(self, frame)

    def error(self, text: str) -> None:
        """Send an error frame (W-08)."""
        self.answer({"error": text, "code": 0})

    def deliver(self, payload: bytes) -> None:
        """Send a payload as a text or a binary frame (X-23)."""
        kind = self.sim.config.opcodes
        is_binary = kind == "binary" or (kind == "mixed" and self._random.random() < 0.5)
        self.transmit(payload, BINARY if is_binary else TEXT)

    def transmit(self, payload: bytes, opcode: int) -> None:
        """Send a frame of a certain kind."""
        if self.quiet or self.muted:
            return
        self.sim.record.sent.append(
            Sent(self.sim.clock.now_ms(), self.number, opcode == BINARY, payload)
        )
        self.send(payload, opcode)

    # -- input -------------------------------------------------------------------------------

    def on_data(self, data: str | bytes) -> None:
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        kind = text[:3]
        try:
            self._act(kind, text)
        finally:
            self.handled(kind)

    def _act(self, kind: str, text: str) -> None:
        if text.startswith("{"):
            self._log_in(text)
        elif not self.ready:
            self.sim.record.hits["dropped before system"] += 1
        elif kind == "tic":
            self._tic()
        elif text == "ech+hb":
            self.answer({"topic": "ech+hb", "args": {}})
        elif kind in _ACTS and (len(text) == 3 or text[3] == "+"):
            self._subscribe(kind, text)
        else:
            self.error(f"Topic unknown '{text[:3]}'")

    def _log_in(self, text: str) -> None:
        if not self.waiting:
            return self.error(f"Topic unknown '{text[:3]}'")
        try:
            frame = orjson.loads(text)
        except orjson.JSONDecodeError:
            frame = None
        session = self.sim.session
        if isinstance(frame, dict) and frame.get("session") == session.session_id:
            return self._greet() if session.login else None
        return self.answer({"message": "waiting for session"})

    def _tic(self) -> None:
        session, faults = self.sim.session, self.sim.faults
        self._last_tic_ms = max(self.sim.clock.now_ms(), self._last_tic_ms + 1)
        session.touch()
        frame = {
            "topic": "tic",
            "alive": session.has_bridge and not faults.take("tic_dead"),
            "id": session.session_id,
            "lastAccessed": self._last_tic_ms,
        }
        for _ in range(TIC_COPIES):
            self.answer(frame)

    def _subscribe(self, kind: str, text: str) -> None:
        if kind[0] == "s" and self.deaf:
            self.deaf -= 1
            return
        if not self.sim.session.has_bridge:
            return
        body = text[4:]
        target, options = body, {}
        at = body.find("{")
        if at >= 0:
            target = body[:at].rstrip("+")
            try:
                options = orjson.loads(body[at:])
            except orjson.JSONDecodeError:
                return self.error(f"bad request '{text}'")
        if not isinstance(options, dict):
            return self.error(f"bad request '{text}'")
        _ACTS[kind](self, target, options)

    # -- market data -------------------------------------------------------------------------

    def _market_data(self, target: str, options: dict[str, Any]) -> None:
        sim = self.sim
        codes = options.get("fields")
        contract = find((market.contract for market in sim.exchange.markets.values()), target)
        if contract is None or not isinstance(codes, list):
            return self.error(f"bad subscription smd+{target}")
        now_ns = sim.clock.elapsed_ns()
        line = self.lines.get(target)
        if line is None:
            market = sim.exchange.markets[contract.key]
            if sim.open_lines() >= sim.config.market_lines:
                return self.answer({**market.meta(target), "6509": "N", "topic": f"smd+{target}"})
            line = self.lines[target] = Line(target, market, {}, 0)
        line.renew([str(code) for code in codes], now_ns, sim.config.stream_s)
        line.due_ns = now_ns + int(sim.config.md_interval_ms * 1e6)
        frame = line.frame()
        if frame is not None:
            self.answer(frame)
        return None

    def _end_market_data(self, target: str, options: dict[str, Any]) -> None:
        self.lines.pop(target, None)

    def _ladder(self, target: str, options: dict[str, Any]) -> None:
        account, _, rest = target.partition("+")
        conid = rest.partition("+")[0]
        sim = self.sim
        contract = find((market.contract for market in sim.exchange.markets.values()), conid)
        if contract is None or account not in sim.exchange.accounts:
            return self.error(f"bad subscription sbd+{target}")
        market = sim.exchange.markets[contract.key]
        self.ladders[account] = Ladder(f"sbd+{target}", market, sim.config.ladder_rows)
        return None

    def _end_ladder(self, target: str, options: dict[str, Any]) -> None:
        self.ladders.pop(target.partition("+")[0], None)

    def _history(self, target: str, options: dict[str, Any]) -> None:
        sim = self.sim
        contract = find((market.contract for market in sim.exchange.markets.values()), target)
        if contract is None:
            return self.error(f"bad subscription smh+{target}")
        if sum(len(one.histories) for one in sim.connections.values()) >= sim.config.history_slots:
            return self.error("Too many history requests")
        server_id = str(FIRST_SERVER_ID + sim.next_history())
        try:
            answer = history(
                sim.exchange.markets[contract.key], server_id, sim.clock.now_ms(),
                period=str(options.get("period", "1d")), bar=str(options.get("bar", "1h")),
                outside=options.get("outsideRth") is True,
            )  # fmt: skip
        except BadHistory as error:
            return self.error(str(error))
        self.histories[server_id] = target
        return self.answer({**answer, "topic": f"smh+{target}"})

    def _end_history(self, target: str, options: dict[str, Any]) -> None:
        if self.histories.pop(target, None) is None:
            return self.error(f"no history {target}")
        return self.answer({"message": f"Unsubscribed {target}"})

    # -- orders and money --------------------------------------------------------------------

    def wants(self, row: dict[str, Any]) -> bool:
        """Whether a row passes the filters of the subscription."""
        return not self.orders or str(row.get("status", "")).lower() in self.orders

    def _orders(self, target: str, options: dict[str, Any]) -> None:
        wanted = options.get("filters") or ()
        self.orders = frozenset(str(one).lower() for one in wanted)
        self.sim.streams.first_orders(self)

    def _end_orders(self, target: str, options: dict[str, Any]) -> None:
        self.orders = None

    def _trades(self, target: str, options: dict[str, Any]) -> None:
        days = options.get("days", 1)
        self.trades = Trades(
            options.get("realtimeUpdatesOnly") is not True,
            days if isinstance(days, int) and 1 <= days <= 7 else 1,
        )
        self.sim.streams.first_executions(self)

    def _end_trades(self, target: str, options: dict[str, Any]) -> None:
        self.trades = None

    def _pnl(self, target: str, options: dict[str, Any]) -> None:
        self.pnl = {}
        self.pnl_due_ns = 0
        self.sim.streams.tick(self.sim.clock.elapsed_ns())

    def _end_pnl(self, target: str, options: dict[str, Any]) -> None:
        self.pnl = None

    def _rows(self, kind: str, target: str, options: dict[str, Any]) -> None:
        if target not in self.sim.exchange.accounts:
            return self.error(f"bad subscription {kind}+{target}")
        keys, fields = options.get("keys") or (), options.get("fields") or ()
        where = self.summaries if kind == "ssd" else self.ledgers
        always = ("AccountCode",) if keys else ()
        where[target] = Rows(
            f"{kind}+{target}", target, frozenset((*map(str, keys), *always)),
            frozenset(map(str, fields)),
        )  # fmt: skip
        self.sim.streams.tick(self.sim.clock.elapsed_ns())
        return None

    def _summary(self, target: str, options: dict[str, Any]) -> None:
        self._rows("ssd", target, options)

    def _ledger(self, target: str, options: dict[str, Any]) -> None:
        self._rows("sld", target, options)

    def _end_summary(self, target: str, options: dict[str, Any]) -> None:
        self.summaries.pop(target, None)
        self.answer({"result": "unsubscribed from summary"})

    def _end_ledger(self, target: str, options: dict[str, Any]) -> None:
        self.ledgers.pop(target, None)
        self.answer({"result": "unsubscribed from ledger"})


_ACTS: dict[str, Callable[[Connection, str, dict[str, Any]], None]] = {
    "smd": Connection._market_data,
    "umd": Connection._end_market_data,
    "sbd": Connection._ladder,
    "ubd": Connection._end_ladder,
    "smh": Connection._history,
    "umh": Connection._end_history,
    "sor": Connection._orders,
    "uor": Connection._end_orders,
    "str": Connection._trades,
    "utr": Connection._end_trades,
    "spl": Connection._pnl,
    "upl": Connection._end_pnl,
    "ssd": Connection._summary,
    "usd": Connection._end_summary,
    "sld": Connection._ledger,
    "uld": Connection._end_ledger,
}
