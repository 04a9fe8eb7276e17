"""What the tests of IBKR share: contracts, rows, and somebody who is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from connectors.execution.fills import FillKey
from connectors.ibkr.account_feed import AccountFeed
from connectors.ibkr.instruments import make_instrument
from connectors.ibkr.topics import Topic, decode
from connectors.ibkr.wire import classify
from connectors.model import FillReport, Instrument, OrderStatusReport, PositionStatusReport
from connectors.model.accounts import AccountState
from connectors.net.clock import ManualClock

__all__ = [
    "AAPL",
    "AAPL_DEFINITION",
    "AAPL_RULES",
    "ACCOUNT",
    "NAME",
    "Listener",
    "data",
    "execution_row",
    "order_row",
    "topic",
]  # fmt: skip

ACCOUNT = "DU1234567"
NAME = "IBKR-DU1234567"
ORDER = "1370093239"
AAPL_DEFINITION: dict[str, Any] = {
    "conid": 265598, "currency": "USD", "name": "APPLE INC", "assetClass": "STK", "expiry": None,
    "strike": "0", "ticker": "AAPL", "undConid": 0, "multiplier": 0.0, "type": "COMMON",
    "isUS": True, "incrementRules": [{"lowerEdge": 0.0, "increment": 0.01}],
    "displayRule": {"magnification": 0, "displayRuleStep": [
        {"decimalDigits": 2, "lowerEdge": 0.0, "wholeDigits": 4}]},
    "listingExchange": "NASDAQ", "countryCode": "US",
}  # fmt: skip
AAPL_RULES: dict[str, Any] = {
    "error": None, "orderTypes": ["limit", "midprice", "market", "stop", "stop_limit"],
    "fraqTypes": ["limit", "market"], "defaultSize": 100, "sizeIncrement": 100, "fraqInt": 4,
    "cashCcy": "USD", "incrementRules": [{"lowerEdge": 0.0, "increment": 0.01}],
    "increment": 0.01, "incrementDigits": 2, "negativeCapable": False,
}  # fmt: skip
AAPL = make_instrument(AAPL_DEFINITION, AAPL_RULES)


def data(name: str) -> Any:
    """Return a file of tests/data/ibkr."""
    return json.loads((Path(__file__).parents[2] / "data/ibkr" / name).read_text())


def topic(payload: dict[str, Any] | str) -> Topic:
    """Return what a frame says."""
    return decode(classify(payload if isinstance(payload, str) else json.dumps(payload)))


def order_row(status: str | None = None, **changes: Any) -> dict[str, Any]:
    """Return a full row of an order, or with only `orderId` and changes if `sparse`."""
    if changes.pop("sparse", False):
        row: dict[str, Any] = {"orderId": int(ORDER)}
    else:
        row = {
            "acct": ACCOUNT, "account": ACCOUNT, "conid": 265598, "orderId": int(ORDER),
            "remainingQuantity": 5.0, "filledQuantity": 0.0, "totalSize": 5.0,
            "origOrderType": "LIMIT", "orderType": "Limit", "order_ref": "bot-000001",
            "price": "150.00", "timeInForce": "CLOSE", "side": "BUY",
            "lastExecutionTime_r": 1783031460000,
        }  # fmt: skip
    if status is not None:
        row["status"] = status
    return row | changes


def execution_row(execution_id: str = "0000e0d5.6576fd38.01.01", **changes: Any) -> dict[str, Any]:
    """Return an execution."""
    return {
        "execution_id": execution_id, "symbol": "AAPL", "side": "B", "size": 2.0,
        "price": "150.00", "order_ref": "bot-000001", "account": ACCOUNT, "accountCode": ACCOUNT,
        "trade_time_r": 1783031465000, "conid": 265598, "order_id": int(ORDER), "position": "2",
        "exchange": "ISLAND", "net_amount": 300.0,
    } | changes  # fmt: skip


class Listener:
    """Somebody who is told (a `FeedOwner`), with a feed of his own."""

    def __init__(self, instruments: tuple[Instrument, ...] = (AAPL,)) -> None:
        self.instruments = {int(each.symbol): each for each in instruments}
        self.clock = ManualClock(monotonic_ns=10**12, wall_ns=1783031400 * 10**9)
        self.feed = AccountFeed(
            self,
            instrument_of=self.instruments.get,
            account_id=lambda account: f"IBKR-{account}",
            clock=self.clock,
        )
        self.told: list[Any] = []
        self.problems: list[str] = []
        self.unknown: list[int] = []

    def take_order(self, report: OrderStatusReport) -> bool:
        self.told.append(report)
        return True

    def take_fill(self, report: FillReport, key: FillKey | None = None) -> bool:
        self.told.append(report)
        return True

    def take_position(self, report: PositionStatusReport) -> bool:
        self.told.append(report)
        return True

    def take_account(self, state: AccountState) -> bool:
        self.told.append(state)
        return True

    def deliver(self, report: Any) -> None:
        self.told.append(report)

    def unknown_contract(self, conid: int) -> None:
        self.unknown.append(conid)

    def on_problem(self, message: str, code: int | None, error: Exception | None) -> None:
        self.problems.append(message)

    def of(self, kind: type) -> list[Any]:
        """Return what was told of a kind."""
        return [each for each in self.told if isinstance(each, kind)]

    def sor(self, *rows: dict[str, Any]) -> None:
        """Take a frame of orders."""
        self.feed.take(topic({"topic": "sor", "args": list(rows)}))

    def str_(self, *rows: dict[str, Any]) -> None:
        """Take a frame of executions."""
        self.feed.take(topic({"topic": "str", "args": list(rows)}))

    def list_orders(self, *rows: dict[str, Any], snapshot: bool = True) -> bool:
        """Take the live orders list, asked for just now."""
        return self.feed.live_orders(
            {"orders": list(rows), "snapshot": snapshot}, self.clock.monotonic_ns()
        )

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
