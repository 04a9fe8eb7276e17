"""Conversations about orders: placing, questions, changing, cancelling (6.4, 6.5, 12.4)."""

from __future__ import annotations

import random
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from .accounts import Account
from .answers import Answer, Call, Refusal, as_answer, error, plain
from .orders import Order
from .tickets import Question, parse, questions, refuse

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Trading"]

LATE_MS = 10_000.0
RACE_MS = 40.0
FRAMES_FIRST_MS = 150.0
COID_HOURS = 24
CHAIN_TEXT = "Something else, again. Are you sure?"


@dataclass(slots=True, eq=False)
class Conversation:
    """An order request with its questions: those of each ticket, and those that wait."""

    rounds: list[deque[Question]]
    finish: Callable[[], Answer]
    until_ns: int
    waiting: dict[str, Question] = field(default_factory=dict)


class Trading:
    """Takes requests about orders; there is one conversation at a time (R-35).

    Attributes
    ----------
    chain
        So many questions more for the next order.
    too_late
        So many of the next cancels meet an order that is filled at that moment.
    rejections
        Reasons for which the next orders are rejected after they were acknowledged.
    """

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self._random = random.Random(f"ibkr-sim/trading/{sim.config.seed}")
        self._talk: Conversation | None = None
        self.chain = 0
        self.too_late = 0
        self.rejections: list[str] = []

    # -- placing -----------------------------------------------------------------------------

    def place(self, call: Call, account: Account) -> Answer:
        """Take one order, or a bracket, or a group of which one cancels the others."""
        self._talk = None
        tickets = call.field("orders")
        if not isinstance(tickets, list) or not tickets:
            raise Refusal(error(400, "Bad Request: orders are missing"))
        exchange = self._sim.exchange
        orders = [parse(self._sim, account, ticket, exchange.order_id()) for ticket in tickets]
        self._link(account, orders, tickets)
        for order in orders:
            self._check_ref(account, order)
        rounds = [deque(self._questions(order)) for order in orders]
        rounds[0].extend(Question(("o354",), (CHAIN_TEXT,)) for _ in range(self.chain))
        self.chain = 0
        return self._ask(self._converse(rounds, lambda: self._placed(orders, tickets)))

    def _questions(self, order: Order) -> list[Question]:
        return questions(self._sim, order, self._sim.exchange.markets[order.contract.key])

    def _check_ref(self, account: Account, order: Order) -> None:
        known = account.by_ref.get(order.ref) if order.ref else None
        if known is None:
            return
        if order.created_ms - known.created_ms < COID_HOURS * 3_600_000:
            raise refuse(
                f"Order couldn't be submitted: Local order ID={order.ref} is already registered."
            )

    def _link(self, account: Account, orders: list[Order], tickets: list[Any]) -> None:
        """Give children their parents, and groups their members."""
        refs = account.by_ref | {order.ref: order for order in orders if order.ref}
        groups: dict[Any, list[Order]] = {}
        for order, ticket in zip(orders, tickets, strict=True):
            name = ticket.get("parentId")
            if name:
                order.parent = refs.get(str(name))
                if order.parent is None or order.parent is order:
                    raise refuse(f"No parent order {name}")
                groups.setdefault(order.parent.order_id, []).append(order)
            elif ticket.get("isSingleGroup") is True:
                groups.setdefault("single", []).append(order)
            elif len(orders) > 1 and not any(one.get("parentId") == order.ref for one in tickets):
                raise Refusal(error(400, "Bad Request: unrelated orders in one request"))
        for members in groups.values():
            for order in members:
                order.group = members

    def _placed(self, orders: list[Order], tickets: list[Any]) -> Answer:
        for order in orders:
            self._sim.exchange.place(order)
            self._reject_later(order)
        rows = []
        for order, ticket in zip(orders, tickets, strict=True):
            row = {"order_id": str(order.order_id), "order_status": order.status}
            if ticket.get("parentId"):
                row["parent_order_id"] = str(ticket["parentId"])
            elif len(orders) > 1 and order.ref:
                row["local_order_id"] = order.ref
            rows.append({**row, "encrypt_message": "1"})
        return self._acknowledged(rows)

    def _reject_later(self, order: Order) -> None:
        if self.rejections and order.is_live and not order.filled:
            reason = self.rejections.pop(0)
            exchange = self._sim.exchange
            self._sim.later(
                self._sim.config.cancel_ms, lambda: exchange.cancel(order, reason, rejected=True)
            )

    def _acknowledged(self, rows: list[dict[str, str]]) -> Answer:
        config = self._sim.config
        shown: Any = rows[0] if config.answer_as == "object" and len(rows) == 1 else rows
        delay_ms = 0.0
        if config.answer_first == "no":
            delay_ms = FRAMES_FIRST_MS
        elif config.answer_first == "race" and not self._sim.clock.virtual:
            delay_ms = self._random.uniform(0.0, RACE_MS)
        return Answer(body=orjson.dumps(shown), delay_ms=delay_ms)

    # -- questions ---------------------------------------------------------------------------

    def _converse(
        self, rounds: list[deque[Question]], finish: Callable[[], Answer]
    ) -> Conversation:
        until_ns = self._sim.clock.elapsed_ns() + int(self._sim.config.reply_valid_s * 1e9)
        return Conversation(rounds, finish, until_ns)

    def _ask(self, talk: Conversation) -> Answer:
        """Ask what is to be asked next, or finish."""
        if not talk.waiting:
            for left in talk.rounds:
                if left:
                    talk.waiting[self._reply_id()] = left.popleft()
        if not talk.waiting:
            self._talk = None
            return talk.finish()
        self._talk = talk
        return as_answer([question.wire(name) for name, question in talk.waiting.items()])

    def _reply_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def reply(self, call: Call, reply_id: str) -> Answer:
        """Take the answer to a question (R-33)."""
        talk = self._talk
        is_late = talk is not None and self._sim.clock.elapsed_ns() > talk.until_ns
        if talk is None or is_late or reply_id not in talk.waiting or self._forgets():
            return self._stale(reply_id)
        del talk.waiting[reply_id]
        if call.field("confirmed") is not True:
            self._talk = None
            return as_answer({"error": "Order not confirmed "})
        return self._ask(talk)

    def _forgets(self) -> bool:
        return self._sim.faults.take("reply_not_found")

    def _stale(self, reply_id: str) -> Answer:
        kind = self._sim.config.stale_reply
        if kind == "503":
            answer = plain(503)
            return Answer(answer.status, content_type=answer.content_type, delay_ms=LATE_MS)
        body = orjson.dumps({"error": f"reply id not found: '{reply_id}'"})
        return Answer(int(kind), body)

    # -- changing and cancelling -------------------------------------------------------------

    def _order(self, account: Account, order_id: str) -> Order | None:
        order = account.orders.get(int(order_id)) if order_id.lstrip("-").isdigit() else None
        return order if order is not None and order.is_live else None

    def modify(self, call: Call, account: Account, order_id: str) -> Answer:
        """Change an order; the request repeats all of it (R-50)."""
        self._talk = None
        order = self._order(account, order_id)
        if order is None:
            raise refuse(f"OrderID {order_id} doesn't exist")
        wanted = parse(self._sim, account, call.body, order.order_id)
        same = (wanted.contract, wanted.is_buy, wanted.kind, wanted.tif)
        if same != (order.contract, order.is_buy, order.kind, order.tif):
            raise refuse("Order cannot be modified")
        if wanted.size <= order.filled or order.status == "PendingCancel":
            raise refuse("Order cannot be modified")

        def finish() -> Answer:
            if not order.is_live or wanted.size <= order.filled:
                return as_answer({"error": "Order cannot be modified"})
            aux = order.aux if wanted.aux is None else wanted.aux
            self._sim.exchange.modify(order, price=wanted.price, aux=aux, size=wanted.size)
            status = {"order_id": str(order.order_id), "order_status": order.status}
            return self._acknowledged([{**status, "encrypt_message": "1"}])

        return self._ask(self._converse([deque(self._questions(wanted))], finish))

    def cancel(self, account: Account, order_id: str) -> Answer:
        """Take a request to cancel one order, or with -1 all of an account (R-52)."""
        self._talk = None
        conid, name = -1, None
        if order_id == "-1":
            found = [order for order in account.orders.values() if order.is_live]
        else:
            order = self._order(account, order_id)
            if order is None:
                raise refuse(f"OrderID {order_id} doesn't exist")
            found = [order]
            conid, name = order.contract.conid, account.account_id
        for order in found:
            self._begin_cancel(order)
        return as_answer(
            {
                "msg": "Request was submitted",
                "order_id": int(order_id),
                "conid": conid,
                "account": name,
            }
        )

    def _begin_cancel(self, order: Order) -> None:
        sim = self._sim
        if order.status == "PendingCancel":
            return
        order.status = "PendingCancel"
        sim.streams.on_cancelling(order)
        if self.too_late and order.state == "resting":
            self.too_late -= 1
            sim.later(sim.config.cancel_ms, lambda: sim.fill(order))
        else:
            sim.later(sim.config.cancel_ms, lambda: sim.exchange.cancel(order))

    # -- looking -----------------------------------------------------------------------------

    def live_orders(self, call: Call) -> Answer:
        """List orders; the first answer and every forced one are empty (R-51)."""
        session = self._sim.session
        filters = [one for one in str(call.query.get("filters", "")).lower().split(",") if one]
        if call.flag("force"):
            session.poisoned = False
            session.asked.add("orders")
            return as_answer({"orders": [], "snapshot": False})
        if filters and filters != ["sort_by_time"]:
            session.poisoned = True
        if "orders" not in session.asked:
            session.asked.add("orders")
            return as_answer({"orders": [], "snapshot": False})
        rows = [order.row() for order in self._sim.exchange.orders.values()]
        wanted = {name.replace("_", "") for name in filters} - {"sortbytime"}
        account = call.query.get("accountId")
        shown = [
            row
            for row in rows
            if (not wanted or row["status"].lower() in wanted) and account in (None, row["acct"])
        ]
        return as_answer({"orders": shown[-1000:], "snapshot": True})

    def status(self, order_id: str) -> Answer:
        """Tell the state of one order; 503 if it is unknown (R-53)."""
        order = self._sim.exchange.orders.get(int(order_id)) if order_id.isdigit() else None
        if order is None or order.account.account_id != self._sim.session.selected:
            return plain(503)
        return as_answer(order.report())

    def trades(self, call: Call) -> Answer:
        """List executions of the last days (R-54)."""
        days = call.query.get("days", "1")
        if not days.isdigit() or not 1 <= int(days) <= 7:
            return error(400, "Bad Request: days must be 1 to 7")
        since_ms = self._sim.clock.now_ms() - int(days) * 86_400_000
        name = call.query.get("accountId")
        return as_answer(
            [
                one.row(with_commission=one.shown_commission)
                for account in self._sim.exchange.accounts.values()
                for one in account.executions
                if one.ms >= since_ms and name in (None, "", account.account_id)
            ]
        )

    def preview(self, call: Call, account: Account) -> Answer:
        """Tell what an order would cost (R-42)."""
        tickets = call.field("orders")
        if not isinstance(tickets, list) or not tickets:
            raise Refusal(error(400, "Bad Request: orders are missing"))
        sim = self._sim
        order = parse(sim, account, tickets[0], 0)
        market = sim.exchange.markets[order.contract.key]
        price = order.price if order.price is not None else market.last
        value = order.contract.value(price, order.size)
        fee = order.contract.commission(order.size)
        worth = account.pnl(sim.exchange.markets)["nl"]
        return as_answer(
            {
                "amount": {
                    "amount": f"{value:,.2f} USD ({order.contract.size(order.size)} Units)",
                    "commission": f"{fee} USD",
                    "total": f"{value + fee:,.2f} USD",
                },
                "equity": {
                    "current": f"{worth:,.0f}", "change": f"{-fee:,.0f}",
                    "after": f"{worth - float(fee):,.0f}",
                },
                "initial": {"current": "0", "change": "0", "after": "0"},
                "maintenance": {"current": "0", "change": "0", "after": "0"},
                "warn": None,
                "error": None,
            }
        )  # fmt: skip
