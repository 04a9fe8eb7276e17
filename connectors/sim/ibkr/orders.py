"""Orders as the venue keeps them, and the rows that tell of them (W-30 and following)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..engine_order import EngineOrder, Side
from .times import short_time

if TYPE_CHECKING:
    from .accounts import Account
    from .contracts import Contract

__all__ = ["ORDER_TYPES", "Order"]

ORDER_TYPES = {
    "LMT": ("LIMIT", "Limit"),
    "MKT": ("MARKET", "Market"),
    "STP": ("STOP", "Stop"),
    "STOP_LIMIT": ("STOP_LIMIT", "Stop Limit"),
    "MIDPRICE": ("MIDPRICE", "Midprice"),
    "TRAIL": ("TRAILING_STOP", "Trailing Stop"),
    "TRAILLMT": ("TRAILING_STOP_LIMIT", "Trailing Stop Limit"),
}
"""What may be ordered, as rows write it: `origOrderType` and `orderType`."""

_CCP = {"Inactive": "Pending Submit", "PendingSubmit": "Pending Submit", "PreSubmitted": "0",
        "PendingCancel": "Pending Cancel"}  # fmt: skip
_COLOURS = {"PreSubmitted": ("#FFFFFF", "#0000CC"), "Submitted": ("#FFFFFF", "#0000CC"),
            "Filled": ("#FFFFFF", "#000000"), "Cancelled": ("#FFFFFF", "#CC0000")}  # fmt: skip
_STATUS_NUMBERS = {"PreSubmitted": "0", "Submitted": "2", "Filled": "3", "Cancelled": "4"}


@dataclass(slots=True, eq=False)
class Order:
    """One order.

    Attributes
    ----------
    state
        `held` (a stop not reached, a child whose parent is not filled), `resting`, `done`.
    shown
        The status the last frame told, which is behind `status` for a few milliseconds.
    price, aux
        Limit and stop price (a stop's own price is its stop), in units of the contract.
    trail
        Distance of a trailing stop, in units of the contract.
    best
        The best price a trailing stop has seen.
    due_ns
        When its last frame that was planned goes out.
    reason
        Why the system ended it.
    """

    order_id: int
    account: Account
    contract: Contract
    is_buy: bool
    kind: str
    tif: str
    size: int
    created_ms: int
    price: int | None = None
    aux: int | None = None
    trail: int | None = None
    ref: str = ""
    parent: Order | None = None
    group: list[Order] = field(default_factory=list, repr=False)
    children: list[Order] = field(default_factory=list, repr=False)
    status: str = "PreSubmitted"
    shown: str = ""
    state: str = "new"
    filled: int = 0
    traded_value: Decimal = Decimal(0)
    charged: Decimal = Decimal(0)
    last_ms: int = 0
    best: int | None = None
    due_ns: int = 0
    reason: str = ""
    triggered: bool = False
    is_rejected: bool = False
    engine: EngineOrder | None = field(default=None, repr=False)

    @property
    def side(self) -> Side:
        return Side.BUY if self.is_buy else Side.SELL

    @property
    def open_size(self) -> int:
        return self.size - self.filled

    @property
    def is_live(self) -> bool:
        return self.state != "done"

    @property
    def stop(self) -> int | None:
        """Return the price at which it is triggered, if it is a stop."""
        if self.kind == "STP":
            return self.price
        if self.kind in ("STOP_LIMIT", "TRAIL", "TRAILLMT"):
            return self.aux
        return None

    @property
    def average(self) -> str:
        contract = self.contract
        if not self.filled:
            return "0"
        value = self.traded_value / (contract.quantity(self.filled) * contract.multiplier)
        text = f"{value:.{contract.decimals + 2}f}"
        return text.removesuffix("0").removesuffix("0")

    @property
    def shown_price(self) -> str:
        return "" if self.price is None else self.contract.price(self.price)

    # -- rows --------------------------------------------------------------------------------

    def _describe(self) -> str:
        verb = "Buy" if self.is_buy else "Sell"
        if self.status == "Filled":
            verb = "Bought" if self.is_buy else "Sold"
        price = f" {self.shown_price}" if self.price is not None else ""
        kind = ORDER_TYPES[self.kind][1]
        tif = "Day" if self.tif == "DAY" else self.tif
        return f"{verb} {self.contract.size(self.size)} {self.contract.symbol} {kind}{price}, {tif}"

    def sizes(self) -> dict[str, Any]:
        """Return the keys that change with a fill."""
        contract = self.contract
        size = contract.size(self.size)
        some = 0 < self.filled < self.size
        return {
            "sizeAndFills": f"{contract.size(self.filled)}/{size}" if some else size,
            "remainingQuantity": float(contract.quantity(self.open_size)),
            "filledQuantity": float(contract.quantity(self.filled)),
        }

    def status_row(self, status: str) -> dict[str, Any]:
        """Return a row that tells a status and nothing else."""
        back, front = _COLOURS.get(status, ("#000000", "#00F000"))
        return {
            "orderId": self.order_id,
            "status": status,
            "order_ccp_status": _CCP.get(status, status),
            "bgColor": back,
            "fgColor": front,
        }

    def fill_row(self) -> dict[str, Any]:
        """Return a row that tells of a part that was filled."""
        return {"orderId": self.order_id, **self.sizes(), "avgPrice": self.average}

    def marker_row(self) -> dict[str, Any]:
        return {
            "conid": self.contract.conid,
            "conidex": self.contract.key,
            "orderId": self.order_id,
            "isEventTrading": "0",
        }

    def price_row(self) -> dict[str, Any]:
        """Return a row that tells of a change of the order itself."""
        row = {"orderId": self.order_id, **self.sizes(), "price": self.shown_price}
        row["totalSize"] = float(self.contract.quantity(self.size))
        row["orderDesc"] = self._describe()
        return row

    def row(self, status: str | None = None) -> dict[str, Any]:
        """Return the full row, with its status or another."""
        contract, account = self.contract, self.account.account_id
        status = self.status if status is None else status
        back, front = _COLOURS.get(status, ("#000000", "#00F000"))
        at_ms = self.last_ms or self.created_ms
        original, kind = ORDER_TYPES[self.kind]
        row: dict[str, Any] = {
            "acct": account,
            "conidex": contract.key,
            "conid": contract.conid,
            "account": account,
            "orderId": self.order_id,
            "cashCcy": contract.currency,
            **self.sizes(),
            "orderDesc": self._describe(),
            "description1": contract.symbol,
            "ticker": contract.symbol,
            "secType": contract.sec_type,
            "listingExchange": contract.listing,
            "totalSize": float(contract.quantity(self.size)),
            "companyName": contract.name,
            "status": status,
            "order_ccp_status": _CCP.get(status, status),
            "origOrderType": original,
            "supportsTaxOpt": "1",
            "lastExecutionTime": short_time(at_ms),
            "orderType": kind,
            "bgColor": back,
            "fgColor": front,
            "isEventTrading": "0",
            "price": self.shown_price,
            "timeInForce": "CLOSE" if self.tif == "DAY" else self.tif,
            "lastExecutionTime_r": at_ms,
            "side": "BUY" if self.is_buy else "SELL",
        }
        if self.ref:
            row["order_ref"] = self.ref
        if self.filled:
            row["avgPrice"] = self.average
        if self.aux is not None:
            row["auxPrice"] = contract.price(self.aux)
        if self.parent is not None:
            row["parentId"] = self.parent.order_id
        if self.reason:
            row["order_cancellation_by_system_reason"] = self.reason
        return row

    def report(self) -> dict[str, Any]:
        """Return what the status of one order shows (R-53)."""
        contract = self.contract
        size, done = contract.quantity(self.size), self.state == "done"
        text = self._describe()
        return {
            "sub_type": None,
            "request_id": "209",
            "server_id": "0",
            "order_id": self.order_id,
            "conidex": contract.key,
            "conid": contract.conid,
            "symbol": contract.symbol,
            "side": "B" if self.is_buy else "S",
            "contract_description_1": contract.symbol,
            "listing_exchange": contract.listing,
            "company_name": contract.name,
            "size": str(float(contract.quantity(self.open_size))),
            "total_size": str(float(size)),
            "currency": contract.currency,
            "account": self.account.account_id,
            "order_type": ORDER_TYPES[self.kind][0],
            "limit_price": self.shown_price,
            "cum_fill": str(float(contract.quantity(self.filled))),
            "order_status": self.status,
            "order_ccp_status": _STATUS_NUMBERS.get(self.status, "0"),
            "order_status_description": f"Order {self.status}",
            "tif": self.tif,
            "order_ref": self.ref,
            "order_not_editable": done,
            "editable_fields": "\u001e",
            "cannot_cancel_order": done,
            "deactivate_order": False,
            "sec_type": contract.sec_type,
            "order_description": text,
            "order_description_with_contract": text,
            "order_clearing_account": self.account.account_id,
            "size_and_fills": self.sizes()["sizeAndFills"],
            "average_price": self.average,
            "order_time": short_time(self.created_ms),
        }
