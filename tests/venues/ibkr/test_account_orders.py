"""Orders and executions as rows tell them: W-30 ... W-44, D-22, R-51 ... R-56, without a socket."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venues.ibkr.ibkr_rig import NAME, ORDER, Listener, data, execution_row, order_row

from connectors.ibkr.account_queries import AccountReader, days_since
from connectors.ibkr.orders import ENDED_KEPT, read_order, status_meaning
from connectors.ibkr.trades import Executions, Sight, read_execution
from connectors.model import (
    FillReport,
    OrderStatus,
    OrderStatusReport,
    OrderType,
    Side,
    TimeInForce,
)
from connectors.model.reports import FillCorrection

D = Decimal


@pytest.fixture
def user() -> Listener:
    return Listener()


def statuses(user: Listener) -> list[OrderStatus]:
    return [report.status for report in user.of(OrderStatusReport)]


# ---- rows of orders ---------------------------------------------------------------------------


def test_w_30_an_absent_key_is_unchanged(user: Listener) -> None:
    user.sor(order_row("Submitted"))
    user.sor(order_row(sparse=True, filledQuantity=2.0, remainingQuantity=3.0))
    user.str_(execution_row())
    last = user.of(OrderStatusReport)[-1]
    assert (last.status, last.filled_size) == (OrderStatus.PARTIALLY_FILLED, 2)
    assert (last.size, last.price, last.client_order_id) == (5, 150, "bot-000001")
    assert (last.account_id, last.instrument_id) == (NAME, "AAPL")


def test_w_31_the_captured_life_of_an_order_refuses_nothing(user: Listener) -> None:
    """Inactive, a marker without a status, and three more words, within 50 ms."""
    user.sor(order_row("Inactive"))
    user.sor(order_row(sparse=True, conid=265598, conidex="265598", isEventTrading="0"))
    for word in ("PendingSubmit", "PreSubmitted", "Submitted"):
        user.sor(order_row(word, sparse=True))
    user.sor(order_row("PendingCancel"))
    user.sor(order_row("Cancelled", sparse=True))
    assert OrderStatus.REJECTED not in statuses(user)
    assert statuses(user)[0] is OrderStatus.SUBMITTED
    assert statuses(user)[-2:] == [OrderStatus.PENDING_CANCEL, OrderStatus.CANCELED]


def test_w_32_inactive_that_stays_is_the_end(user: Listener) -> None:
    user.sor(order_row("Inactive"))
    user.wait(4.9)
    assert user.feed.settle()
    assert statuses(user) == [OrderStatus.SUBMITTED]
    user.wait(0.1)
    assert not user.feed.settle()
    assert statuses(user)[-1] is OrderStatus.REJECTED


def test_w_32_inactive_with_a_reason_of_the_list_is_the_end_at_once(user: Listener) -> None:
    user.sor(order_row("Submitted"))
    user.sor(order_row("Inactive", sparse=True))
    user.wait(0.1)
    reason = "Order rejected: sample reason"
    user.list_orders(order_row("Cancelled", order_cancellation_by_system_reason=reason))
    last = user.of(OrderStatusReport)[-1]
    assert (last.status, last.reason) == (OrderStatus.REJECTED, reason)


def test_w_32_an_order_given_up_that_lives_is_told(user: Listener) -> None:
    user.sor(order_row("Inactive"))
    user.wait(6)
    user.feed.settle()
    user.sor(order_row("Submitted", sparse=True))
    assert statuses(user)[-1] is OrderStatus.ACCEPTED
    assert user.feed.board.has_open


def test_w_33_market_orders_have_an_empty_price_and_day_reads_close(user: Listener) -> None:
    user.sor(order_row("Submitted", price="", origOrderType="MARKET", orderType="Market"))
    (report,) = user.of(OrderStatusReport)
    assert (report.price, report.order_type) == (None, OrderType.MARKET)
    assert report.time_in_force is TimeInForce.DAY


def test_w_33_numbers_as_texts(user: Listener) -> None:
    user.sor(order_row("Submitted", orderId=ORDER, totalSize="1,300", price="1,150.50"))
    (report,) = user.of(OrderStatusReport)
    assert (report.venue_order_id, report.size, report.price) == (ORDER, 1300, D("1150.50"))


def test_r_31_prices_of_stop_orders(user: Listener) -> None:
    user.sor(order_row("PreSubmitted", origOrderType="STP", price="140.00"))
    report = user.of(OrderStatusReport)[-1]
    assert (report.order_type, report.price, report.trigger_price) == (
        OrderType.STOP_MARKET, None, 140)  # fmt: skip
    user.sor(order_row("PreSubmitted", orderId=2, origOrderType="STOP_LIMIT", price="150",
                       auxPrice="149"))  # fmt: skip
    report = user.of(OrderStatusReport)[-1]
    assert (report.order_type, report.price, report.trigger_price) == (
        OrderType.STOP_LIMIT, 150, 149)  # fmt: skip


def test_w_34_order_ref_is_only_in_full_rows(user: Listener) -> None:
    user.sor(order_row("PreSubmitted"), order_row("Submitted", sparse=True))
    assert {report.client_order_id for report in user.of(OrderStatusReport)} == {"bot-000001"}


def test_w_37_orders_of_other_platforms_are_told_too(user: Listener) -> None:
    row = order_row("Submitted")
    del row["order_ref"]
    user.sor(row)
    (report,) = user.of(OrderStatusReport)
    assert report.client_order_id is None


def test_w_38_a_bad_row_is_counted_and_the_others_apply(user: Listener) -> None:
    user.sor({"orderId": "not-a-number", "status": 7}, order_row("Submitted"), order_row(side=3))
    assert statuses(user) == [OrderStatus.ACCEPTED]
    assert user.feed.bad_rows == 2
    assert len(user.problems) == 1


def test_f_22_a_first_sparse_row_waits_for_the_full_one(user: Listener) -> None:
    user.sor(order_row("Submitted", sparse=True))
    assert user.told == []
    user.list_orders(order_row("Submitted"))
    assert statuses(user) == [OrderStatus.ACCEPTED]


@pytest.mark.parametrize(
    ("word", "status"),
    [("PendingSubmit", OrderStatus.ACCEPTED), ("PreSubmitted", OrderStatus.ACCEPTED),
     ("Submitted", OrderStatus.ACCEPTED), ("WarnState", OrderStatus.ACCEPTED),
     ("PendingCancel", OrderStatus.PENDING_CANCEL), ("PreCancelled", OrderStatus.PENDING_CANCEL),
     ("Filled", OrderStatus.FILLED), ("Cancelled", OrderStatus.CANCELED)],
)  # fmt: skip
def test_r_55_statuses(word: str, status: OrderStatus) -> None:
    meaning = status_meaning(word)
    assert meaning is not None
    assert meaning.status is status


def test_r_55_an_unknown_status_ends_nothing(user: Listener) -> None:
    user.sor(order_row("Zombie"))
    (report,) = user.of(OrderStatusReport)
    assert (report.status, report.venue_status) == (OrderStatus.ACCEPTED, "Zombie")
    assert user.feed.board.unknown_words == 1


# ---- order of arrival -------------------------------------------------------------------------


def test_r_56_filled_beats_a_later_cancelled(user: Listener) -> None:
    user.sor(order_row("Submitted"))
    user.str_(execution_row(size=5.0))
    user.sor(order_row("Filled", sparse=True, filledQuantity=5.0, remainingQuantity=0.0))
    user.sor(order_row("Cancelled", sparse=True), order_row("Submitted", sparse=True))
    assert statuses(user)[-1] is OrderStatus.FILLED
    assert user.feed.board.out_of_order == 2


def test_r_56_filled_after_cancelled_wins(user: Listener) -> None:
    user.sor(order_row("Cancelled"))
    user.sor(order_row("Filled", sparse=True, filledQuantity=5.0))
    user.str_(execution_row(size=5.0))
    assert statuses(user)[-1] is OrderStatus.FILLED


def test_r_51_a_list_asked_for_before_the_sockets_row_is_older(user: Listener) -> None:
    asked_ns = user.clock.monotonic_ns()
    user.wait(0.1)
    user.sor(order_row("PendingCancel"))
    user.feed.live_orders({"orders": [order_row("Submitted")], "snapshot": True}, asked_ns)
    assert statuses(user) == [OrderStatus.PENDING_CANCEL]
    user.feed.live_orders({"orders": [order_row("Cancelled")], "snapshot": True}, asked_ns)
    assert statuses(user)[-1] is OrderStatus.CANCELED, "an end is an end, whoever says it first"


def test_r_51_f_06_an_empty_list_without_snapshot_says_nothing(user: Listener) -> None:
    user.sor(order_row("Submitted"))
    assert not user.list_orders(snapshot=False)
    assert user.list_orders(snapshot=True)
    assert user.feed.board.has_open


def test_r_53_the_status_of_one_order_in_both_spellings() -> None:
    docs = {"order_id": 7, "conid": 265598, "side": "B", "size": "3.0", "total_size": "5.0",
            "cum_fill": "2.0", "order_status": "Submitted", "order_type": "LIMIT",
            "limit_price": "150.0", "tif": "DAY", "account": "DU1"}  # fmt: skip
    row = read_order(docs)
    assert (row.order_id, row.side, row.size, row.filled) == ("7", Side.BUY, 5, 2)
    live = {"order_id": "7", "order_status": "Filled", "filled_quantity": "5", "total_size": "5",
            "remaining_quantity": "0", "avg_fill_price": "1,150.5"}  # fmt: skip
    row = read_order(live)
    assert (row.status, row.filled, row.average_price) == ("Filled", 5, D("1150.5"))


def test_the_board_is_bounded_and_keeps_what_is_open(user: Listener) -> None:
    user.sor(order_row("Submitted", orderId=1))
    for count in range(2, ENDED_KEPT + 50):
        user.feed.board.take([read_order(order_row("Cancelled", orderId=count))], count)
    assert len(user.feed.board) == ENDED_KEPT + 1
    assert [order.order_id for order in user.feed.board.open_orders] == ["1"]


# ---- executions -------------------------------------------------------------------------------


def test_w_40_re_sent_copies_make_one_fill(user: Listener) -> None:
    """277 frames in 60 s for a handful of executions were seen."""
    for _ in range(277):
        user.str_(execution_row(), execution_row("0000e0d5.6576fd39.01.01", size=3.0))
    assert [fill.last_size for fill in user.of(FillReport)] == [2, 3]
    assert user.feed.executions.repeated == 2 * 276


def test_w_40_copies_are_told_apart_by_account(user: Listener) -> None:
    user.str_(execution_row(), execution_row(accountCode="DU7654321", account="DU7654321"))
    assert [fill.account_id for fill in user.of(FillReport)] == [NAME, "IBKR-DU7654321"]


def test_w_41_the_second_sight_brings_the_commission(user: Listener) -> None:
    user.str_(execution_row())
    user.str_(execution_row(commission="1.01"))
    user.str_(execution_row(commission="1.01"))
    (fill,) = user.of(FillReport)
    (correction,) = user.of(FillCorrection)
    assert (fill.commission, correction.fill.commission) == (None, D("1.01"))
    assert correction.fill.trade_id == fill.trade_id
    assert not correction.is_replaced


def test_w_41_a_commission_of_nothing_is_one(user: Listener) -> None:
    user.str_(execution_row(commission="0.0"))
    assert user.of(FillReport)[0].commission == 0


def test_w_43_a_higher_revision_replaces_the_execution(user: Listener) -> None:
    user.str_(execution_row())
    user.str_(execution_row("0000e0d5.6576fd38.01.02", price="149.99"))
    user.str_(execution_row())  # the one before, once more
    assert len(user.of(FillReport)) == 1
    (correction,) = user.of(FillCorrection)
    assert correction.is_replaced
    assert correction.fill.last_price == D("149.99")
    assert correction.fill.trade_id == user.of(FillReport)[0].trade_id


def test_w_43_ids_of_another_form_have_no_revision() -> None:
    seen = Executions()
    first, second = (read_execution(execution_row(name)) for name in ("abc.01", "abc.02"))
    assert [seen.see(first), seen.see(second)] == [Sight.NEW, Sight.NEW]


def test_w_40_the_memory_is_bounded() -> None:
    seen = Executions(capacity=10)
    for count in range(50):
        seen.see(read_execution(execution_row(f"a.b.{count}.01")))
    assert len(seen) == 10


def test_w_44_executions_before_any_row(user: Listener) -> None:
    user.str_(execution_row(order_ref="bot-000009"))
    assert user.of(FillReport)[0].client_order_id == "bot-000009"
    user.sor(order_row("Filled", filledQuantity=2.0, totalSize=2.0, remainingQuantity=0.0))
    assert statuses(user) == [OrderStatus.FILLED]


def test_r_54_f_03_the_spelling_of_rest(user: Listener) -> None:
    user.feed.trade_list([execution_row(side="BOT", price=150.0), execution_row("x", side="SLD")])
    assert [fill.side for fill in user.of(FillReport)] == [Side.BUY, Side.SELL]
    assert user.of(FillReport)[0].last_price == 150


@pytest.mark.parametrize("change", [{"size": 0}, {"price": ""}, {"side": "X"}, {"conid": None},
                                    {"execution_id": ""}, {"size": "N/A"}])  # fmt: skip
def test_w_38_a_bad_execution_costs_itself(user: Listener, change: dict[str, Any]) -> None:
    user.str_(execution_row(**change), execution_row("0000e0d5.6576fd39.01.01"))
    assert len(user.of(FillReport)) == 1
    assert user.feed.bad_rows == 1


def test_history_before_the_client_is_no_news(user: Listener) -> None:
    user.feed.since_ns = 1783031465000 * 10**6 + 1
    user.str_(execution_row())
    user.str_(execution_row("0000e0d5.6576fd39.01.01", trade_time_r=1783031465001))
    assert [fill.trade_id for fill in user.of(FillReport)] == ["0000e0d5.6576fd39.01"]


# ---- fills that rows speak of -----------------------------------------------------------------


def test_d_22_a_row_makes_no_fill(user: Listener) -> None:
    user.sor(order_row("Submitted", filledQuantity=2.0))
    assert user.of(FillReport) == []


def test_d_22_trades_are_due_five_seconds_after_a_row_that_knows_more(user: Listener) -> None:
    user.sor(order_row("Submitted", filledQuantity=2.0))
    due_ns = user.feed.missing_due_ns()
    assert due_ns == user.clock.monotonic_ns() + 5 * 10**9
    user.str_(execution_row())
    assert user.feed.missing_due_ns() is None


def test_r_56_filled_is_told_when_its_executions_are_there(user: Listener) -> None:
    user.sor(order_row("Filled", filledQuantity=5.0, remainingQuantity=0.0))
    assert user.told == []
    user.str_(execution_row())
    assert statuses(user) == []
    user.str_(execution_row("0000e0d5.6576fd39.01.01", size=3.0))
    assert [type(each) for each in user.told] == [FillReport, FillReport, OrderStatusReport]


def test_r_56_after_three_lists_in_vain_the_row_is_believed(user: Listener) -> None:
    user.sor(order_row("Filled", filledQuantity=5.0, remainingQuantity=0.0))
    for _ in range(3):
        assert statuses(user) == []
        user.wait(5)
        user.feed.trade_list([])
        user.feed.trades_answered(user.clock.monotonic_ns())
    assert statuses(user) == [OrderStatus.FILLED]
    assert any("executions" in text for text in user.problems)
    assert not user.feed.has_missing


def test_r_56_what_was_filled_before_we_looked_is_believed_at_once(user: Listener) -> None:
    user.list_orders(order_row("Filled", filledQuantity=5.0, remainingQuantity=0.0))
    user.feed.trades_answered(user.clock.monotonic_ns(), is_first=True)
    assert statuses(user) == [OrderStatus.FILLED]
    assert user.problems == []


# ---- contracts that are not known -------------------------------------------------------------


def test_rows_of_a_new_contract_wait_for_its_definition(user: Listener) -> None:
    aapl = user.instruments.pop(265598)
    user.sor(order_row("Submitted"))
    user.str_(execution_row(), execution_row(commission="1.01"))
    assert user.told == []
    assert set(user.unknown) == {265598}
    user.instruments[265598] = aapl
    user.feed.replay(265598)
    (fill,) = user.of(FillReport)
    assert fill.commission == D("1.01"), "the later copy, which knows more"
    assert statuses(user)[-1] is OrderStatus.ACCEPTED


# ---- positions --------------------------------------------------------------------------------


def test_r_62_positions_with_conids_as_texts(user: Listener) -> None:
    samples = {each["id"]: each for each in SAMPLES}
    present = user.feed.positions("DU1234567", samples["positions2"]["body"])
    assert present == {"AAPL"}
    (position,) = user.told
    assert (position.size, position.average_entry_price) == (5, D("150.202"))
    assert position.ts_event == 1783031088 * 10**9


SAMPLES: list[dict[str, Any]] = [
    {"id": "positions2", "body": [{"position": 5.0, "conid": "265598", "avgPrice": 150.202,
                                   "unrealizedPnl": 214.89, "timestamp": 1783031088}]}
]  # fmt: skip


def test_a_position_that_cannot_be_read_is_not_flat(user: Listener) -> None:
    present = user.feed.positions("DU1", [{"conid": 265598, "position": "?"}, 7])
    assert present == {"AAPL"}
    assert user.told == []
    assert user.feed.bad_rows == 2


# ---- whatever the order -----------------------------------------------------------------------

ROWS = [
    ("sor", order_row("Inactive")),
    ("sor", order_row("PreSubmitted", sparse=True)),
    ("sor", order_row("Submitted", sparse=True)),
    ("str", execution_row()),
    ("str", execution_row(commission="1.01")),
    ("sor", order_row(sparse=True, filledQuantity=2.0, remainingQuantity=3.0)),
    ("str", execution_row("0000e0d5.6576fd39.01.01", size=3.0)),
    ("str", execution_row("0000e0d5.6576fd39.01.01", size=3.0, commission="0.0")),
    ("sor", order_row("Filled", sparse=True, filledQuantity=5.0, remainingQuantity=0.0)),
    ("sor", order_row("Cancelled", sparse=True)),
]


@given(st.randoms(use_true_random=False), st.lists(st.sampled_from(ROWS), max_size=20))
def test_any_interleaving_with_copies_ends_the_same(
    chance: random.Random, copies: list[tuple[str, dict[str, Any]]]
) -> None:
    """Fills are distinct executions; a filled order is filled, whatever came when (R-56, W-40)."""
    user = Listener()
    events = [*ROWS, *copies]
    chance.shuffle(events)
    for kind, row in events:
        if kind == "sor":
            user.sor(row)
        else:
            user.str_(row)
    fills = user.of(FillReport)
    assert sorted(fill.last_size for fill in fills) == [2, 3]
    assert statuses(user)[-1] is OrderStatus.FILLED
    order = user.feed.board.get(ORDER)
    assert order is not None
    assert order.is_over
    fees = {c.fill.trade_id: c.fill.commission for c in user.of(FillCorrection)}
    fees |= {f.trade_id: f.commission for f in fills if f.commission is not None}
    assert fees == {"0000e0d5.6576fd38.01": D("1.01"), "0000e0d5.6576fd39.01": D(0)}


def test_the_samples_of_the_socket_are_read(user: Listener) -> None:
    """Every account frame of ws_server_frames.json goes through without a problem but one."""
    for frame in data("ws_server_frames.json")["frames"]:
        if frame["detail"] in ("orders", "trades", "pnl", "summary", "ledger"):
            from venues.ibkr.ibkr_rig import topic

            assert user.feed.take(topic(frame["text"]))
    assert user.feed.bad_rows == 1  # sor_two_rows_one_bad


def test_n_11_what_other_calls_depend_on_is_asked_again_after_a_gap() -> None:
    class Rest:
        def __init__(self) -> None:
            self.calls: list[str] = []

        async def live_orders(self, *, force: bool = False) -> dict[str, Any]:
            self.calls.append(f"orders {force}")
            return {"orders": [], "snapshot": not force}

        async def portfolio_accounts(self) -> list[Any]:
            self.calls.append("accounts")
            return []

        async def positions_now(self, account: str) -> list[Any]:
            self.calls.append("positions")
            return []

    rest = Rest()
    user = Listener()
    reader = AccountReader(lambda: rest, user.feed, user.clock)  # type: ignore[arg-type,return-value]

    async def scenario() -> None:
        for _ in range(2):
            reader.begin()
            await reader.refresh_orders()
            await reader.positions("DU1")
            await reader.positions("DU1")
            assert await reader.orders()

    asyncio.run(scenario())
    once = ["orders True", "accounts", "positions", "positions", "orders False"]
    assert rest.calls == once * 2


@pytest.mark.parametrize(("days", "asked"), [(0.0, 2), (0.9, 2), (1.1, 3), (5.5, 7), (30.0, 7)])
def test_r_54_trades_as_far_back_as_the_gap(days: float, asked: int) -> None:
    now_ns = 1783031400 * 10**9
    assert days_since(now_ns - int(days * 86_400 * 10**9), now_ns) == asked
    assert days_since(None, now_ns) == 2
