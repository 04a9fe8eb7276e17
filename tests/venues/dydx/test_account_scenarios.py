"""The wire scenarios of accounts, frame by frame, each with what it expects (section 19)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from venues.dydx.account_rig import ADDRESS, Account, frame, scenario

from connectors.model import OrderStatus, OrderType, PositionSide, Side, TimeInForce


def play(name: str) -> tuple[Account, dict[str, Any]]:
    """Run a scenario and note the state of its order after each block."""
    account, (frames, expect) = Account(), scenario(name)
    at: dict[int, OrderStatus] = {}
    for step in frames:
        account.frame(step)
        state = account.store.get(expect.get("order"))
        height = account.heights.height
        if state is not None and height is not None:
            at[height] = state.report_status()
    assert account.problems == [] or name == "liquidation_fill"
    return account, {**expect, "at": at}


def check(name: str) -> Account:
    """Run a scenario and check all that its `expect` says."""
    account, expect = play(name)
    order = expect.get("order")
    state = account.store.get(order)
    if "terminal" in expect:
        assert state is not None
        assert state.final == expect["terminal"]
        ends = [report for report in account.reports(order) if report.status.is_final]
        assert len(ends) == 1, "an order ends once"
        assert account.orders() == []
    if "terminal_at_height" in expect:
        assert expect["at"][expect["terminal_at_height"]] == expect["terminal"]
        earlier = [h for h in expect["at"] if h < expect["terminal_at_height"]]
        assert not any(expect["at"][height].is_final for height in earlier)
    if "not_terminal_at_height" in expect and expect["not_terminal_at_height"] in expect["at"]:
        before = expect["not_terminal_at_height"]
        if expect["terminal"] != "FILLED":
            assert not expect["at"][before].is_final
    if "statuses" in expect:
        told = [report.venue_status for report in account.reports(order)]
        assert told == expect["statuses"]
    if "filled" in expect:
        assert state is not None
        assert state.filled == state.fill_sum == Decimal(expect["filled"])
        assert sum(trade.last_size for trade in account.trades(order)) == Decimal(expect["filled"])
    if isinstance(expect.get("fills"), int):
        assert len(account.trades()) == expect["fills"]
    if "canceled_events" in expect:
        canceled = (OrderStatus.CANCELED, OrderStatus.PENDING_CANCEL)
        told = [report for report in account.reports(order) if report.status in canceled]
        assert len(told) == expect["canceled_events"]
    return account


def test_cancel_final_by_height() -> None:
    account = check("cancel_final_by_height")
    states = [report.status for report in account.told if hasattr(report, "venue_status")]
    assert states == [OrderStatus.ACCEPTED, OrderStatus.PENDING_CANCEL, OrderStatus.CANCELED]


def test_cancel_gtb_too_low() -> None:
    check("cancel_gtb_too_low")


def test_cancel_then_filled() -> None:
    account = check("cancel_then_filled")
    (trade,) = account.trades()
    assert (trade.last_size, trade.last_price, trade.commission) == (
        Decimal("0.02"),
        Decimal(89000),
        Decimal("-0.02"),
    )
    assert (trade.client_order_id, trade.commission_currency) == ("13", "USDC")
    (position,) = account.positions()
    assert (position.instrument_id, position.side) == ("BTC-USD-PERP", PositionSide.LONG)


def test_conditional_triggered() -> None:
    account = check("conditional_triggered")
    reports = account.reports("bbd93ecf-30c7-5ff7-8bfc-1a4140ba7d2a")
    assert [report.status for report in reports] == [
        OrderStatus.ACCEPTED,
        OrderStatus.TRIGGERED,
        OrderStatus.FILLED,
    ]
    first = reports[0]
    assert (first.order_type, first.trigger_price) == (OrderType.STOP_LIMIT, Decimal(85000))
    assert (first.side, first.time_in_force) == (Side.SELL, TimeInForce.IOC)
    (position,) = account.positions()
    assert (position.side, position.size) == (PositionSide.SHORT, Decimal("0.02"))


def test_expired_silently() -> None:
    check("expired_silently")


def test_liquidation_fill() -> None:
    account = check("liquidation_fill")
    (trade,) = account.trades()
    assert trade.venue_order_id == ""
    assert account.positions() == []
    assert account.problems == ["liquidated: SELL 0.01 BTC-USD at 80000"]


def test_long_term_partial_then_cancel() -> None:
    account = check("long_term_partial_then_cancel")
    (order,) = account.orders(open_only=False)
    assert (order.reason, order.time_in_force) == ("USER_CANCELED", TimeInForce.GTD)
    assert order.expire_time == 1_772_986_320_000_000_000


def test_post_only_would_cross() -> None:
    account = check("post_only_would_cross")
    (order,) = account.orders()
    assert order.status is OrderStatus.PENDING_CANCEL, "before its block has passed it may fill"
    assert order.reason == "POST_ONLY_WOULD_CROSS_MAKER_ORDER"
    account.block(66_624_161)
    assert account.order(order.venue_order_id).status is OrderStatus.CANCELED


def test_post_only_would_cross_after_open() -> None:
    check("post_only_would_cross_after_open")


def test_removal_of_unknown_order() -> None:
    """Not even its side is known: handed on as it is, and forgotten when it cannot live."""
    account = check("removal_of_unknown_order")
    assert account.orders() == []
    assert [name for name, _ in account.others] == ["order"]
    assert len(account.store.live) == 1
    account.block(66_624_170)
    assert len(account.store.live) == 1
    account.block(66_624_171)
    assert account.store.live == []


def test_replacement() -> None:
    account = check("replacement")
    shapes = [
        (report.size, report.price, report.filled_size)
        for report in account.reports("a6ea08d8-eacf-577a-b307-d35c48c099fb")
    ]
    assert shapes == [
        (Decimal("0.02"), Decimal(89000), Decimal(0)),
        (Decimal("0.02"), Decimal(89000), Decimal("0.01")),
        (Decimal("0.04"), Decimal(89100), Decimal("0.01")),
        (Decimal("0.04"), Decimal(89100), Decimal("0.04")),
    ]


def test_short_ioc_partial() -> None:
    account = check("short_ioc_partial")
    reports = account.reports("b842ecd7-2648-502e-b0b6-5fd63ee82ed0")
    fill_at = account.told.index(account.trades()[0])
    assert all(not report.status.is_final for report in reports[:-1])
    assert account.told.index(reports[-1]) > fill_at, "never final before its fill"


def test_short_limit_two_blocks_filled() -> None:
    account = check("short_limit_two_blocks_filled")
    assert {b.currency: b.total for b in account.balances()} == {"USDC": Decimal("44311.316")}


# --- the single frames of accounts ----------------------------------------------------------------


def test_a_snapshot_with_state() -> None:
    account = Account()
    account.frame(frame("subscribed_subaccounts_with_state"))
    (position,) = account.positions()
    assert (position.side, position.size) == (PositionSide.SHORT, Decimal("0.05"))
    assert position.average_entry_price == Decimal(90010)
    assert account.feed.is_funded
    assert account.feed.holdings.get().equity == Decimal("45201.296")
    assert {order.venue_status for order in account.orders()} >= {"OPEN"}
    assert account.problems == []


def test_dx_w_19_an_account_without_money_is_no_failure() -> None:
    account = Account()
    account.frame(frame("subscribed_subaccounts_unfunded"))
    assert account.feed.is_funded is False
    assert (account.orders(), account.positions(), account.balances()) == ([], [], ())
    account.frame(frame("data_subaccounts_transfer"))
    (transfer,) = account.told
    assert (transfer.amount, transfer.kind) == (Decimal(100), "DEPOSIT")
    assert transfer.counterparty == "dydx1slanxj8x9ntk9knwa6cvfv2tzlsq5gk3dshml0"
    account.frame(frame("data_subaccounts_transfer"))
    assert len(account.told) == 1, "a transfer is told once"


def test_5_6_2_messages_of_assets_rewards_and_batches() -> None:
    account = Account()
    account.start()
    account.frame(frame("data_subaccounts_trading_reward"))
    assert [name for name, _ in account.others] == ["tradingReward"]
    account.frame(frame("batch_subaccounts"))
    (order,) = account.orders()
    assert order.size == Decimal("0.01")
    assert {b.currency: b.total for b in account.balances()} == {"USDC": Decimal(45000)}


def test_5_7_a_parent_and_its_children() -> None:
    account = Account(is_parent=True)
    account.frame(frame("subscribed_parent_subaccounts"))
    child = account.members.account_id(128)
    assert child == f"{account.account_id[:-2]}-128"
    assert [b.total for b in account.balances()] == [Decimal("45201.296")]
    assert [b.total for b in account.balances(child)] == [Decimal(100)]
    account.frame(frame("data_parent_subaccounts_child"))
    assert account.feed.holdings.parent.equity == Decimal("45301.296")
    wrong = frame("data_parent_subaccounts_child")
    wrong["contents"]["assetPositions"][0]["subaccountNumber"] = 129
    account.frame(wrong)
    assert account.problems == ["row not used: subaccount 129 was not asked for"]


def test_5_7_a_transfer_is_one_whoever_tells_of_it() -> None:
    """REST names the parent where the stream names the child; between children none is told."""
    account = Account(is_parent=True)
    account.start()
    told = len(account.told)

    def transfer(sender: object, recipient: object, size: str) -> dict[str, Any]:
        return frame("data_subaccounts_transfer")["contents"]["transfers"] | {
            "sender": sender,
            "recipient": recipient,
            "size": size,
        }

    wallet, child = {"address": "dydx1wallet"}, {"address": ADDRESS, "subaccountNumber": 128}
    parent = {"address": ADDRESS, "parentSubaccountNumber": 0}
    account.message(transfers=transfer(wallet, child, "100"))
    account.feed.transfers(account.feed.read_transfers([transfer(wallet, parent, "100.0")]))
    account.message(transfers=transfer(child, wallet, "7"))
    account.message(transfers=transfer(child, {**child, "subaccountNumber": 0}, "7"))
    amounts = [transfer.amount for transfer in account.told[told:]]
    assert amounts == [Decimal(100), Decimal(-7)]
    assert account.told[-1].counterparty == "dydx1wallet"


@pytest.mark.parametrize("number", [-1, 128])
def test_5_7_what_is_no_parent_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 127"):
        Account(number, is_parent=True)
