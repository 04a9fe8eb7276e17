"""Every conversation of order_flows.json, against the parts that have no socket.

The player stands in for the execution client that is to come: it sends what the conversation
wants sent (and fails if that is not what the file has), and lets answers, frames and lists reach
the dispatch through the board of orders.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from venues.ibkr.ibkr_rig import AAPL, ACCOUNT, data, topic

from connectors.execution.dispatch import DispatchRules, OrderDispatch
from connectors.execution.identity import OrderRegistry, TrackedOrder
from connectors.execution.lifecycle import Doubt, OrderState
from connectors.ibkr.conversation import (
    Acknowledged,
    AnswerPolicy,
    AnswerPrompt,
    Conversation,
    InFlight,
    Known,
    Refused,
    Reply,
    read_cancel,
)
from connectors.ibkr.orders import OrderBoard, OrderDelta, read_orders, read_rows
from connectors.ibkr.topics import Detail, Prompt
from connectors.ibkr.trades import Executions, Sight, TradeRows, read_executions
from connectors.model import (
    FillReport,
    OrderAccepted,
    OrderCanceled,
    OrderCancelRejected,
    OrderFilled,
    OrderModifyRejected,
    OrderPendingCancel,
    OrderRejected,
    OrderSubmitted,
    OrderType,
    OrderUpdated,
    Side,
)
from connectors.net.clock import ManualClock

FLOWS = {flow["name"]: flow for flow in data("order_flows.json")["flows"]}
RULES = DispatchRules(announces_pending=True, refuses_accepted=True)
POLICIES = {
    "one_question_yes": {"o163"},
    "three_questions": {"o163", "o354", "o10153"},
    "too_many_questions": {"o354"},
    "after_reply_reject": {"o163"},
    "reply_id_not_found_400": {"o163"},
    "reply_timeout_503": {"o163"},
    "modify_question": {"o163"},
    "bracket_two_questions": {"o163", "o354"},
    "two_messages_one_allowed": {"o163"},
}
PROMPTS = {
    "prompt_on_socket": {"p12": "Do not use"},
    "reject_prompt_http": {"p12": "Use on this order"},
}


class Player:
    """Plays one flow and remembers what its user was told."""

    def __init__(self, name: str) -> None:
        self.clock = ManualClock(monotonic_ns=10**12, wall_ns=1783031400 * 10**9)
        self.events: list[Any] = []
        self.prompts: list[Prompt] = []
        self.must_look_up: list[str] = []
        self.corrections: list[tuple[Sight, FillReport]] = []
        self.registry = OrderRegistry()
        self.dispatch = OrderDispatch(
            self.registry,
            on_event=self.events.append,
            wall_ns=self.clock.wall_ns,
            rules=RULES,
        )
        self.board = OrderBoard(
            lambda conid: AAPL, self.clock.wall_ns, lambda account: f"IBKR-{account}"
        )
        self.executions = Executions()
        self.policy = AnswerPolicy(
            allowed=frozenset(POLICIES.get(name, ())), prompts=PROMPTS.get(name, {})
        )
        self.expected_posts: list[tuple[str, Any]] = []
        self.conversation: Conversation | None = None
        self.orders: list[TrackedOrder] = []  # of the request under way
        self.modified: TrackedOrder | None = None

    # -- what the client does ------------------------------------------------------------

    def submit(self, tickets: list[dict[str, Any]]) -> None:
        self.orders = []
        for place, ticket in enumerate(tickets):
            name = ticket.get("cOID", f"child-{place}")
            order = self.registry.add(
                TrackedOrder(
                    name,
                    AAPL.id,
                    Side(ticket["side"]),
                    OrderType.LIMIT,
                    size=Decimal(str(ticket["quantity"])),
                    price=Decimal(str(ticket["price"])),
                    client_key=name,
                )
            )
            self.orders.append(order)
            self.dispatch.submitted(order)
        self.conversation = Conversation(self.policy)

    def known(self, order_id: str = "1370093239") -> TrackedOrder:
        """Return an order that was accepted before the flow begins."""
        order = self.registry.by_venue_id(order_id)
        if order is None:
            order = self.registry.add(
                TrackedOrder("bot-000001", AAPL.id, Side.BUY, OrderType.LIMIT, size=Decimal(5),
                             price=Decimal(150), client_key="bot-000001")
            )  # fmt: skip
            self.acknowledge(order, order_id, "Submitted")
            self.events.clear()
        return order

    def acknowledge(self, order: TrackedOrder, order_id: str, status: str) -> None:
        """An acknowledgement is a row with an id and a status (D-21)."""
        row = OrderDelta(order_id, account=ACCOUNT, conid=265598, order_ref=order.client_order_id,
                         status=status, side=order.side, order_type="LIMIT", size=order.size,
                         price=order.price)  # fmt: skip
        if status not in ("Inactive", "Cancelled"):
            self.rows([row])

    # -- what comes back -----------------------------------------------------------------

    def rows(self, rows: Any, asked_ns: int | None = None) -> None:
        for order in self.board.take(rows, self.clock.monotonic_ns(), asked_ns=asked_ns):
            row = self.board.row(order)
            if row is not None:
                self.dispatch.status(row)

    def fills(self, found: TradeRows) -> None:
        for execution in found.rows:
            sight = self.executions.see(execution)
            report = FillReport(
                instrument_id=AAPL.id,
                client_order_id=execution.order_ref,
                venue_order_id=execution.order_id or "",
                trade_id=execution.base_id,
                side=execution.side,
                last_size=execution.size,
                last_price=execution.price,
                commission=execution.commission,
                ts_event=execution.ts_event,
                ts_init=0,
            )
            if sight is Sight.NEW:
                self.dispatch.fill(report, client_key=execution.order_ref)
            elif sight is not Sight.REPEATED:
                self.corrections.append((sight, report))

    def frame(self, text: str) -> None:
        found = topic(text)
        if found.detail is Detail.ORDERS:
            self.rows(read_orders(found.payload).rows)
        elif found.detail is Detail.TRADES:
            self.fills(found.value)
        elif found.detail is Detail.PROMPT:
            for prompt in found.value:
                self.prompts.append(prompt)
                chosen = self.policy.option(prompt)
                if chosen is not None:
                    self.expect_prompt(prompt.order_id, prompt.request_id, chosen)

    def expect_prompt(self, order_id: str, request_id: str, text: str) -> None:
        body = {"orderId": int(order_id), "reqId": request_id, "text": text}
        self.expected_posts.append(("/iserver/notification", body))

    def step(self, status: int, body: Any) -> None:
        assert self.conversation is not None
        step = self.conversation.take(status, body)
        if isinstance(step, Reply):
            self.expected_posts.append(
                (f"/iserver/reply/{step.reply_id}", {"confirmed": step.confirmed})
            )
        elif isinstance(step, AnswerPrompt):
            self.expect_prompt(step.order_id, step.request_id, step.text)
            self.in_flight("prompt")
        elif isinstance(step, Acknowledged):
            if self.modified is not None:
                self.dispatch.modify_done(self.modified)
            for order, told in zip(self.orders, step.orders, strict=False):
                self.acknowledge(order, told.order_id, told.status)
        elif isinstance(step, Refused):
            if self.modified is not None:
                self.dispatch.modify_refused(self.modified, step.reason, code=step.code)
            for order in self.orders:
                self.dispatch.rejected(order, step.reason, code=step.code)
        elif isinstance(step, Known | InFlight):
            self.in_flight(step.reason if isinstance(step, Known) else step.why)

    def in_flight(self, why: str) -> None:
        self.must_look_up.append(why)
        for order in self.orders:
            self.dispatch.in_doubt(order, Doubt.CREATE)

    def play(self, steps: list[dict[str, Any]]) -> None:
        for step in steps:
            self.clock.advance(0.05)
            if "ws" in step:
                self.frame(step["ws"])
            else:
                self.exchange(step["http"])
        assert self.expected_posts == [], "the client wanted to send more"

    def exchange(self, http: dict[str, Any]) -> None:
        method, path, request = http["method"], http["path"], http.get("request")
        status, body = http["status"], http.get("body", http.get("text"))
        self.clock.advance(http.get("delay_ms", 0) / 1_000)
        if path.startswith(("/iserver/reply/", "/iserver/notification")):
            assert self.expected_posts.pop(0) == (path, request)
            if path.startswith("/iserver/reply/"):
                self.step(status, body)
        elif method == "POST" and path.endswith("/orders"):
            if not self.orders:
                self.submit(request["orders"])
            self.step(status, body)
        elif method == "POST" and "/order/" in path:
            self.modified = self.known(path.rpartition("/")[2])
            self.conversation = Conversation(self.policy)
            self.step(status, body)
        elif method == "DELETE":
            self.cancel(path.rpartition("/")[2], status, body)
        elif path.startswith("/iserver/account/orders"):
            if body["orders"] or body["snapshot"]:
                self.rows(read_rows(body["orders"]).rows, asked_ns=self.clock.monotonic_ns())
        elif path.startswith("/iserver/account/trades"):
            self.fills(read_executions(body))

    def cancel(self, order_id: str, status: int, body: Any) -> None:
        ids = [order_id] if order_id != "-1" else ["1370093239"]
        for each in ids:
            order = self.known(each)
            self.dispatch.cancel_sent(order)
            answer = read_cancel(status, body)
            if isinstance(answer, Refused):
                self.dispatch.cancel_refused(order, answer.reason, code=answer.code)
                self.must_look_up.append(answer.reason)

    # -- what was told -------------------------------------------------------------------

    @property
    def kinds(self) -> list[type]:
        return [type(event) for event in self.events]

    def last(self, kind: type) -> Any:
        return next(event for event in reversed(self.events) if isinstance(event, kind))


def played(name: str) -> Player:
    player = Player(name)
    flow = FLOWS[name]
    first = next((step["http"] for step in flow["steps"] if "http" in step), None)
    starts_with_frame = "ws" in flow["steps"][0]
    if starts_with_frame and first is not None and first["path"].endswith("/orders"):
        if first["method"] == "POST":
            player.submit(first["request"]["orders"])  # sent; a frame overtakes the answer
    elif starts_with_frame:
        player.known()
    player.play(flow["steps"])
    return player


ACCEPTED = [OrderSubmitted, OrderAccepted]
FILLED = [*ACCEPTED, OrderFilled]
PENDING = [OrderPendingCancel]
KINDS: dict[str, list[type]] = {
    "accepted_at_once": ACCEPTED,
    "accepted_bare_object": ACCEPTED,
    "one_question_yes": ACCEPTED,
    "three_questions": ACCEPTED,
    "question_not_allowed": [OrderSubmitted, OrderRejected],
    "question_unknown_id": [OrderSubmitted, OrderRejected],
    "question_without_ids": [OrderSubmitted, OrderRejected],
    "too_many_questions": [OrderSubmitted],
    "reject_200": [OrderSubmitted, OrderRejected],
    "reject_400": [OrderSubmitted, OrderRejected],
    "duplicate_client_id": [OrderSubmitted],
    "after_reply_reject": [OrderSubmitted, OrderRejected],
    "reply_id_not_found_400": [OrderSubmitted],
    "reply_timeout_503": [OrderSubmitted],
    "place_timeout_then_found": ACCEPTED,
    "place_timeout_not_found": [OrderSubmitted],
    "ws_before_http": ACCEPTED,
    "fill_before_ack": FILLED,
    "lifecycle_inactive_first": ACCEPTED,
    "partial_then_full": [*FILLED, OrderFilled],
    "corrected_execution": FILLED,
    "bracket": [OrderSubmitted] * 3 + [OrderAccepted] * 3,
    "oca_group": [OrderSubmitted] * 2 + [OrderAccepted] * 2,
    "modify": [OrderUpdated],
    "modify_question": [],
    "modify_rejected": [OrderModifyRejected],
    "cancel": [*PENDING, OrderCanceled],
    "cancel_unknown": [*PENDING, OrderCancelRejected],
    "cancel_too_late": [*PENDING, OrderFilled],
    "cancel_all": PENDING,
    "sor_silent": FILLED,
    "prompt_on_socket": ACCEPTED,
    "reject_prompt_http": [OrderSubmitted],
    "late_cancel_after_session_loss": [*PENDING, OrderCancelRejected, *PENDING],
    "system_reject_after_accept": [*ACCEPTED, OrderRejected],
    "bracket_two_questions": [OrderSubmitted] * 2 + [OrderAccepted] * 2,
    "two_messages_one_allowed": [OrderSubmitted, OrderRejected],
    "cancel_ack_array": [*PENDING, OrderCanceled],
}
IN_FLIGHT = {"too_many_questions", "duplicate_client_id", "reply_id_not_found_400",
             "reply_timeout_503", "place_timeout_not_found", "reject_prompt_http"}  # fmt: skip
REASONS = {
    "question_not_allowed": "o163",
    "question_unknown_id": "o99999",
    "question_without_ids": "Percentage constraint",
    "two_messages_one_allowed": "o354",
    "reject_200": "We cannot accept an order at the limit price you selected.",
    "reject_400": "Invalid order type",
    "after_reply_reject": "insufficient buying power",
    "system_reject_after_accept": "Order rejected: sample reason",
}


def test_every_flow_of_the_file_is_here() -> None:
    assert set(KINDS) == set(FLOWS)


@pytest.mark.parametrize("name", FLOWS)
def test_what_the_user_is_told(name: str) -> None:
    """R-32 ... R-56, D-21, D-22: the events of each flow, in their order, and nothing else."""
    player = played(name)
    assert player.kinds == KINDS[name]


@pytest.mark.parametrize("name", sorted(IN_FLIGHT))
def test_r_36_what_nobody_knows_is_in_flight_and_looked_up(name: str) -> None:
    player = played(name)
    assert player.must_look_up
    assert all(order.state is OrderState.UNKNOWN for order in player.orders)


@pytest.mark.parametrize("name", REASONS)
def test_d_21_a_refusal_says_why(name: str) -> None:
    assert REASONS[name] in played(name).last(OrderRejected).reason


@pytest.mark.parametrize("name", ["accepted_at_once", "accepted_bare_object", "one_question_yes",
                                  "place_timeout_then_found", "ws_before_http"])  # fmt: skip
def test_d_21_accepted_once_with_the_venues_id(name: str) -> None:
    player = played(name)
    assert player.last(OrderAccepted).venue_order_id == "1370093239"
    assert player.kinds.count(OrderAccepted) == 1


def test_r_38_bracket_acknowledgements_come_in_the_order_sent() -> None:
    player = played("bracket")
    accepted = [event for event in player.events if isinstance(event, OrderAccepted)]
    assert [event.client_order_id for event in accepted] == ["bot-p1", "child-1", "child-2"]
    assert [event.venue_order_id for event in accepted] == [
        "1370093239", "1370093240", "1370093241"]  # fmt: skip


def test_w_41_fill_before_ack_once_and_its_commission_later() -> None:
    player = played("fill_before_ack")
    fill = player.last(OrderFilled)
    assert (fill.last_size, fill.last_price, fill.commission) == (2, 150, None)
    ((sight, report),) = player.corrections
    assert (sight, report.commission) == (Sight.COMMISSION, Decimal("1.01"))


def test_w_43_a_corrected_execution_is_no_second_fill() -> None:
    player = played("corrected_execution")
    ((sight, report),) = player.corrections
    assert (sight, report.last_price) == (Sight.CORRECTION, Decimal("149.99"))


def test_r_56_partial_then_full_ends_filled_with_two_fills() -> None:
    player = played("partial_then_full")
    (order,) = player.orders
    assert order.final is OrderState.FILLED
    assert [event.last_size for event in player.events if isinstance(event, OrderFilled)] == [2, 3]


def test_r_50_modified_price() -> None:
    assert played("modify").last(OrderUpdated).price == 151


def test_r_52_cancel_too_late_ends_filled() -> None:
    player = played("cancel_too_late")
    assert player.last(OrderFilled).last_size == 5
    assert player.known().final is OrderState.FILLED


def test_d_31_sor_silent_the_fill_of_str_and_the_status_of_the_poll() -> None:
    player = played("sor_silent")
    (order,) = player.orders
    assert order.final is OrderState.FILLED


def test_r_34_a_prompt_is_told_and_answered_from_the_policy() -> None:
    player = played("prompt_on_socket")
    (prompt,) = player.prompts
    assert prompt.message_id == "p12"


def test_r_34_a_prompt_without_an_answer_is_not_answered() -> None:
    flow = FLOWS["reject_prompt_http"]["steps"]
    step = Conversation(AnswerPolicy()).take(200, flow[0]["http"]["body"])
    assert isinstance(step, InFlight)
    assert step.prompt is not None
    wrong = AnswerPolicy(prompts={"p12": "Whatever"})
    assert wrong.option(step.prompt) is None, "only what it offers"


def test_r_41_texts_are_trusted_only_where_the_user_says_so() -> None:
    body = FLOWS["question_without_ids"]["steps"][0]["http"]["body"]
    policy = AnswerPolicy(texts=("exceeds the Percentage constraint",))
    assert Conversation(policy).take(200, body) == Reply("r1", True)
    assert Conversation(AnswerPolicy()).take(200, body) == Reply("r1", False)


@pytest.mark.parametrize("status", [0, 408, 500, 503])
@pytest.mark.parametrize("body", ["", None, {"error": "x"}, [{"order_id": "1"}]])
def test_r_36_no_answer_refuses_nothing(status: int, body: Any) -> None:
    assert isinstance(Conversation(AnswerPolicy()).take(status, body), InFlight)
    assert isinstance(read_cancel(status, body), InFlight)


@pytest.mark.parametrize("body", [None, "", "Success", 7, [], {}, [1], {"orders": []}])
def test_r_32_an_answer_of_unknown_form_is_in_flight(body: Any) -> None:
    assert isinstance(Conversation(AnswerPolicy()).take(200, body), InFlight)


def test_r_52_the_same_words_with_a_4xx() -> None:
    body = FLOWS["cancel_unknown"]["steps"][0]["http"]["body"]
    for status in (200, 400, 404):
        assert isinstance(read_cancel(status, body), Refused)


def test_the_file_has_not_changed_its_form() -> None:
    assert all(set(step) <= {"ws", "http"} for flow in FLOWS.values() for step in flow["steps"])
    assert json.dumps(FLOWS["cancel_all"]["steps"])
