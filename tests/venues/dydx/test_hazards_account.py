"""What would cost a trader money: positions, orders and trades of an account; no socket."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from venues.dydx.account_rig import (
    HEIGHT,
    ORDER,
    Account,
    canceled,
    filled_row,
    placed,
    stateful,
    trade,
)

from connectors.model import OrderStatus, PositionSide


def position(side: str, size: str, status: str = "OPEN", market: str = "BTC-USD") -> dict[str, Any]:
    """Return a row of `perpetualPositions`."""
    return {
        "address": "",
        "subaccountNumber": 0,
        "positionId": f"{side}-{status}",
        "market": market,
        "side": side,
        "status": status,
        "size": size,
        "entryPrice": "89000",
    }


def child(number: int, height: int, **positions: dict[str, Any]) -> dict[str, Any]:
    """Return a child of a parent, as the indexer shows it."""
    return {
        "subaccountNumber": number,
        "equity": "100",
        "freeCollateral": "100",
        "openPerpetualPositions": {name.replace("_", "-"): row for name, row in positions.items()},
        "assetPositions": {},
        "latestProcessedBlockHeight": str(height),
    }


def parent(*children: dict[str, Any], equity: str = "100") -> dict[str, Any]:
    return {
        "parentSubaccountNumber": 0,
        "equity": equity,
        "freeCollateral": equity,
        "childSubaccounts": list(children),
    }


def test_dx_r_06_what_rest_says_of_a_parent_is_taken() -> None:
    """Its children name their block, it does not: an answer is not taken for an old one."""
    account = Account(is_parent=True)
    account.feed.snapshot(
        {
            "subaccount": parent(child(0, HEIGHT), child(128, HEIGHT)),
            "orders": [],
            "blockHeight": str(HEIGHT),
        }
    )
    held = position("LONG", "0.5")
    newer = parent(child(0, HEIGHT + 5), child(128, HEIGHT + 5, BTC_USD=held), equity="250")
    account.feed.subaccount(newer, height=0)
    assert [each.size for each in account.positions()] == [Decimal("0.5")]
    assert account.feed.holdings.parent.equity == 250
    older = parent(child(0, HEIGHT + 3), child(128, HEIGHT + 3), equity="90")
    account.feed.subaccount(older, height=0)
    assert [each.size for each in account.positions()] == [Decimal("0.5")], "a replica that lags"
    assert account.feed.holdings.parent.equity == 250


def test_a_position_that_turned_is_not_flat_whatever_row_comes_first() -> None:
    """The closed one and the one that followed it stand in one message."""
    account = Account()
    account.start()
    rows = [position("SHORT", "0.2"), position("LONG", "0", "CLOSED")]
    account.message(HEIGHT + 1, perpetualPositions=rows)
    (held,) = account.positions()
    assert (held.side, held.size) == (PositionSide.SHORT, Decimal("0.2"))


def test_dx_o_01_a_removal_of_long_ago_is_no_live_order() -> None:
    """REST keeps best-effort cancels for ever: nobody ends them there."""
    account = Account()
    account.start()
    account.feed.orders([canceled(good_til_block=HEIGHT - 5_000)])
    assert account.reports(ORDER) == []
    (asked,) = account.feed.order_reports([canceled(good_til_block=HEIGHT - 5_000)])
    assert asked.status is OrderStatus.CANCELED
    assert account.orders() == []
    account.feed.orders([canceled(good_til_block=HEIGHT + 2)])
    assert account.order(ORDER).status is OrderStatus.PENDING_CANCEL


def test_dx_o_05_a_trade_the_snapshot_knew_already_is_not_counted_twice() -> None:
    """Its orders may be some blocks newer than the block it names (DX-W-14)."""
    account = Account()
    account.start(orders=(filled_row("0.01", height=HEIGHT + 1),))
    account.answered(trade("f1", size="0.01"), since_height=HEIGHT + 1)
    assert [fill.trade_id for fill in account.trades()] == ["f1"]
    report = account.order(ORDER)
    assert (report.status, report.filled_size) == (OrderStatus.PARTIALLY_FILLED, Decimal("0.01"))


@pytest.mark.parametrize("height", [None, "0"])
def test_dx_o_05_an_answer_without_a_block_counts_no_trade_twice(height: Any) -> None:
    """It may be of any time: what it shows as filled need not be from before we looked."""
    account = Account()
    account.start()
    row = placed(totalFilled="0.005", updatedAtHeight=height)
    account.feed.orders([row])
    account.answered(trade("f1", size="0.005"), since_height=HEIGHT + 1)
    report = account.order(ORDER)
    assert (report.status, report.filled_size) == (OrderStatus.PARTIALLY_FILLED, Decimal("0.005"))


def test_7_3_a_cancel_of_later_terms_than_those_that_ended_may_still_fill() -> None:
    account = Account()
    account.start()
    account.message(orders=[placed(good_til_block=HEIGHT + 2)])
    account.block(HEIGHT + 3)
    assert account.order(ORDER).status is OrderStatus.EXPIRED
    account.message(HEIGHT + 3, orders=[canceled(good_til_block=HEIGHT + 9)])
    assert account.order(ORDER).status is OrderStatus.PENDING_CANCEL
    account.block(HEIGHT + 10)
    assert account.order(ORDER).status is OrderStatus.CANCELED


def test_dx_o_05_trades_of_the_past_that_are_asked_for_fill_no_order_again() -> None:
    """Nobody has named their order yet; what it shows as filled has them in it."""
    account = Account()
    account.start()
    rows = account.feed.read_fills([trade("old", size="0.01", height=HEIGHT - 5)])
    assert len(account.feed.fill_reports(rows, lambda report: True)) == 1
    row = stateful("OPEN", HEIGHT - 5, filled="0.01", size="0.02")
    account.feed.orders([row])
    report = account.order(ORDER)
    assert (report.status, report.filled_size) == (OrderStatus.PARTIALLY_FILLED, Decimal("0.01"))
