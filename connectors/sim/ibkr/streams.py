"""What the websockets are told: market data, ladders, orders, executions, money (section 4)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import orjson

from .accounts import Execution
from .exchange import Watcher
from .figures import ledger_rows, summary_rows
from .orders import Order

if TYPE_CHECKING:
    from .connection import Connection
    from .server import Simulator

__all__ = ["Streams"]

HISTORY_MS = 30.0
DAY_MS = 86_400_000
Row = dict[str, Any]


class Streams(Watcher):
    """Writes frames for whoever is subscribed.

    Attributes
    ----------
    published
        Frames by topic.
    bad_rows
        So many of the next `sor` frames hold a row that cannot be read.
    late_commissions
        In place of the configured time, for the next executions: how many, and ms (None: never).
    """

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self._random = random.Random(f"ibkr-sim/streams/{sim.config.seed}")
        self.published: dict[str, int] = {}
        self.bad_rows = 0
        self.late_commissions: tuple[int, float | None] = (0, None)

    # -- sending -----------------------------------------------------------------------------

    def send(self, connection: Connection, frame: Row) -> None:
        """Send a frame, past the faults that stand on its topic."""
        topic = str(frame.get("topic", ""))
        name = topic.partition("+")[0]
        self.published[name] = self.published.get(name, 0) + 1
        through = self._sim.faults.taps.through
        for payload in through(topic, orjson.dumps(frame), connection.deliver, connection.number):
            connection.deliver(payload)

    def _ready(self) -> list[Connection]:
        if not self._sim.session.has_bridge:
            return []
        return [one for one in self._sim.connections.values() if one.ready and not one.quiet]

    def status(self, changes: Row) -> None:
        """Tell every connection what changed about the session."""
        for connection in self._sim.connections.values():
            if connection.ready:
                self.send(connection, {"topic": "sts", "args": changes})

    def forget(self) -> None:
        """End all subscriptions: the brokerage session they belonged to is gone."""
        for connection in self._sim.connections.values():
            connection.forget()

    # -- by time -----------------------------------------------------------------------------

    def tick(self, now_ns: int) -> None:
        """Send what is due."""
        for connection in self._ready():
            self._send_lines(connection, now_ns)
            self._send_money(connection, now_ns)

    def flush(self) -> None:
        """Send now whatever has changed, due or not."""
        now_ns = self._sim.clock.elapsed_ns()
        for connection in self._ready():
            for line in connection.lines.values():
                line.due_ns = now_ns
            for ladder in connection.ladders.values():
                ladder.due_ns = now_ns
            for rows in (*connection.summaries.values(), *connection.ledgers.values()):
                rows.due_ns = now_ns
            connection.pnl_due_ns = now_ns
        self.tick(now_ns)

    def _send_lines(self, connection: Connection, now_ns: int) -> None:
        config = self._sim.config
        interval_ns = int(config.md_interval_ms * 1e6)
        for target, line in list(connection.lines.items()):
            if now_ns >= line.expires_ns:
                del connection.lines[target]  # without a word (W-12)
            elif now_ns >= line.due_ns:
                line.due_ns = now_ns + interval_ns
                frame = line.frame()
                if frame is not None:
                    self.send(connection, frame)
        for ladder in connection.ladders.values():
            if now_ns >= ladder.due_ns:
                ladder.due_ns = now_ns + interval_ns
                frame = ladder.frame(only_changes=config.ladder == "changes")
                if frame is not None:
                    self.send(connection, frame)

    def _send_money(self, connection: Connection, now_ns: int) -> None:
        config = self._sim.config
        if connection.pnl is not None and now_ns >= connection.pnl_due_ns:
            connection.pnl_due_ns = now_ns + int(config.pnl_interval_ms * 1e6)
            self._send_pnl(connection, connection.pnl)
        seconds = self._sim.clock.now_ms() // 1000
        exchange = self._sim.exchange
        for rows in connection.summaries.values():
            if now_ns >= rows.due_ns:
                rows.due_ns = now_ns + int(config.summary_interval_ms * 1e6)
                account = exchange.account(rows.account_id)
                self.send(connection, rows.frame(summary_rows(exchange, account), seconds))
        for rows in connection.ledgers.values():
            if now_ns >= rows.due_ns:
                rows.due_ns = now_ns + int(config.ledger_interval_ms * 1e6)
                account = exchange.account(rows.account_id)
                self.send(connection, rows.frame(ledger_rows(exchange, account), seconds))

    def _send_pnl(self, connection: Connection, sent: dict[str, Row]) -> None:
        """Send what changed of profit and loss; the whole of it the first time (W-24)."""
        args: dict[str, Row] = {}
        is_first = not sent
        exchange = self._sim.exchange
        for account in exchange.accounts.values():
            name = f"{account.account_id}.Core"
            row, was = account.pnl(exchange.markets), sent.get(name, {})
            changed = {key: value for key, value in row.items() if was.get(key) != value}
            sent[name] = row
            if changed:
                args[name] = {"rowType": 1, **changed}
        if args or is_first:
            self.send(connection, {"topic": "spl", "args": args})

    # -- orders (W-31) -----------------------------------------------------------------------

    def orders(self, rows: Iterable[Row]) -> None:
        """Send rows of orders to whoever wants them."""
        session, config = self._sim.session, self._sim.config
        if session.poisoned or config.sor_silent:
            return
        shown = list(rows)
        if self.bad_rows and shown:
            self.bad_rows -= 1
            shown.insert(0, {"orderId": "not-a-number", "status": 7})
        for connection in self._ready():
            if connection.orders is not None:
                wanted = [row for row in shown if connection.wants(row)]
                if wanted:
                    self.send(connection, {"topic": "sor", "args": wanted})

    def _then(self, order: Order, row: Callable[[], Row], status: str = "") -> None:
        """Send a row of an order a few milliseconds behind its last."""
        clock = self._sim.clock
        least, most = self._sim.config.order_steps_ms
        step_ns = int(self._random.uniform(least, most) * 1e6)
        order.due_ns = max(order.due_ns, clock.elapsed_ns()) + step_ns

        def tell() -> None:
            if status:
                order.shown = status
            self.orders([row()])

        self._sim.later((order.due_ns - clock.elapsed_ns()) / 1e6, tell)

    def on_new(self, order: Order) -> None:
        statuses = ["PendingSubmit", "PreSubmitted"]
        if order.status == "Submitted":
            statuses.append("Submitted")
        first = order.row("Inactive")
        self._then(order, lambda: first, "Inactive")
        self._then(order, order.marker_row)
        for status in statuses:
            self._tell_status(order, status)

    def _tell_status(self, order: Order, status: str) -> None:
        self._then(order, lambda: order.status_row(status), status)

    def on_status(self, order: Order) -> None:
        if order.is_rejected:  # the list tells more (W-32)
            self._tell_status(order, "Inactive")
        elif order.status == "Filled" or order.reason:
            status = order.status
            self._then(order, lambda: order.row(status), status)
        else:
            self._tell_status(order, order.status)

    def on_cancelling(self, order: Order) -> None:
        """A cancel was asked for."""
        self._then(order, lambda: order.row("PendingCancel"), "PendingCancel")

    def on_changed(self, order: Order) -> None:
        row = order.price_row()
        self._then(order, lambda: row)

    # -- executions (W-40, W-41) -------------------------------------------------------------

    def on_execution(self, execution: Execution) -> None:
        self.executions([execution.row(with_commission=False)])
        order = execution.order
        if order.open_size:
            row = order.fill_row()
            self._then(order, lambda: row)
        config, later = self._sim.config, self._sim.later
        count, late_ms = self.late_commissions
        after_ms: float | None = config.commission_ms
        if count:
            self.late_commissions = (count - 1, late_ms)
            after_ms = late_ms
        if after_ms is None:
            return

        def tell() -> None:
            execution.shown_commission = True
            self.executions([execution.row(with_commission=True)])

        later(after_ms, tell)
        for copy in range(config.resends):
            later(after_ms + config.resend_ms * (copy + 1), lambda: self.again([execution]))

    def again(self, executions: Iterable[Execution]) -> None:
        """Send copies of executions."""
        rows = [one.row(with_commission=one.shown_commission) for one in executions]
        if rows:
            self.executions(rows)

    def executions(self, rows: list[Row]) -> None:
        """Send rows of executions to whoever wants them."""
        for connection in self._ready():
            if connection.trades is not None:
                self.send(connection, {"topic": "str", "args": rows})

    def first_executions(self, connection: Connection) -> None:
        """Answer a subscription: an empty frame, then what happened before (W-42)."""
        trades = connection.trades
        assert trades is not None
        self.send(connection, {"topic": "str", "args": []})
        if not trades.with_history:
            return
        since_ms = self._sim.clock.now_ms() - trades.days * DAY_MS
        rows = [
            one.row(with_commission=one.shown_commission)
            for account in self._sim.exchange.accounts.values()
            for one in account.executions
            if one.ms >= since_ms
        ]
        if rows:

            def tell() -> None:
                if connection.trades is trades:
                    self.send(connection, {"topic": "str", "args": rows})

            self._sim.later(HISTORY_MS, tell)

    def first_orders(self, connection: Connection) -> None:
        """Answer a subscription with the orders there are, or with nothing (W-35)."""
        config = self._sim.config
        if config.sor_silent or self._sim.session.poisoned or config.sor_snapshot == "never":
            return
        if config.sor_snapshot == "sometimes" and self._random.random() < 0.5:
            return
        rows = [order.row() for order in self._sim.exchange.orders.values()]
        args = [row for row in rows if connection.wants(row)]
        self.send(connection, {"topic": "sor", "args": args})
