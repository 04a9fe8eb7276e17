"""Orders as they are sent in: checks, and the questions they raise (R-30, R-31, X-31)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from .accounts import Account
from .answers import Answer, Refusal, error
from .contracts import Contract, NotAMultiple
from .markets import Market
from .orders import ORDER_TYPES, Order

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Question", "parse", "questions", "refuse"]

TIFS = ("DAY", "GTC", "IOC", "OPG")
PRICE_TEXT = "The price does not conform to the minimum price variation for this contract."
CAP_PERCENT = 10.0


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before an order is taken: ids and texts, one or several."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]

    def wire(self, reply_id: str) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": reply_id,
            "message": list(self.texts),
            "isSuppressed": False,
            "messageIds": list(self.ids),
        }
        if self.ids == ("o354",):
            row["messageOptions"] = ["Yes", "No"]
        return row


def refuse(text: str) -> Refusal:
    """Return an explicit reject: an error inside of a 200 (R-32c)."""
    return Refusal(Answer(body=orjson.dumps({"error": text})))


def parse(sim: Simulator, account: Account, ticket: Any, order_id: int) -> Order:
    """Return an order from what was sent, not placed yet.

    Raises
    ------
    Refusal
        It cannot be an order.
    """
    if not isinstance(ticket, dict):
        raise Refusal(error(400, "Bad Request: an order is an object"))
    market = _market(sim, ticket)
    contract = market.contract
    side, kind, tif = (str(ticket.get(name, "")).upper() for name in ("side", "orderType", "tif"))
    if side not in ("BUY", "SELL"):
        raise Refusal(error(400, "Invalid side"))
    if kind not in ORDER_TYPES:
        raise Refusal(error(400, "Invalid order type"))
    if tif not in TIFS:
        raise Refusal(error(400, "Invalid time in force"))
    if str(ticket.get("acctId", account.account_id)) != account.account_id:
        raise Refusal(error(400, f"Bad Request: accountId is not valid: {ticket['acctId']}"))
    order = Order(
        order_id, account, contract, side == "BUY", kind, tif,
        _size(contract, ticket), sim.clock.now_ms(), ref=str(ticket.get("cOID") or ""),
    )  # fmt: skip
    _take_prices(order, ticket, market)
    return order


def _market(sim: Simulator, ticket: dict[str, Any]) -> Market:
    name = ticket.get("conidex") or ticket.get("conid")
    try:
        return sim.exchange.market(str(name).partition("@")[0])
    except LookupError:
        raise Refusal(error(400, f"Bad Request: no contract {name}")) from None


def _size(contract: Contract, ticket: dict[str, Any]) -> int:
    if ticket.get("cashQty") is not None or ticket.get("fxQty") is not None:
        raise refuse("Cash quantity is not supported here.")
    try:
        return contract.parse_size(ticket.get("quantity"))
    except ValueError:
        raise refuse("Order quantity is not valid for this contract.") from None


def _take_prices(order: Order, ticket: dict[str, Any], market: Market) -> None:
    """Take what prices the type of an order needs."""
    kind = order.kind
    try:
        is_capped = kind == "MIDPRICE" and ticket.get("price") is not None
        if is_capped or kind in ("LMT", "STP", "STOP_LIMIT", "TRAILLMT"):
            order.price = _price(order.contract, ticket, "price")
        if kind == "STOP_LIMIT":
            order.aux = _price(order.contract, ticket, "auxPrice")
        if kind in ("TRAIL", "TRAILLMT"):
            order.trail = _trail(order.contract, ticket, market)
            order.best = market.last
            name = "price" if kind == "TRAIL" else "auxPrice"
            if ticket.get(name) is not None:
                order.aux = _price(order.contract, ticket, name)
    except NotAMultiple:
        raise refuse(PRICE_TEXT) from None


def _price(contract: Contract, ticket: dict[str, Any], name: str) -> int:
    try:
        return contract.parse_price(ticket.get(name))
    except NotAMultiple:
        raise
    except ValueError:
        raise Refusal(error(400, f"Bad Request: {name} is missing or no number")) from None


def _trail(contract: Contract, ticket: dict[str, Any], market: Market) -> int:
    amount = Decimal(str(ticket.get("trailingAmt") or 0))
    if amount <= 0:
        raise Refusal(error(400, "Bad Request: trailingAmt is missing"))
    if ticket.get("trailingType") == "%":
        return max(int(market.last * amount / 100), 1)
    return max(int(amount.scaleb(contract.decimals)), 1)


def questions(sim: Simulator, order: Order, market: Market) -> list[Question]:
    """Return what is asked about an order, in the venue's order (X-31)."""
    config, session = sim.config, sim.session
    if not config.questions:
        return []
    contract = order.contract
    price = order.price if order.price is not None else market.last
    off = 100 * abs(price - market.last) / max(abs(market.last), 1)
    amount = contract.quantity(order.size)
    value = abs(contract.value(price, order.size))
    side = "BUY" if order.is_buy else "SELL"
    what = f"{side} {contract.size(order.size)} {contract.symbol} {contract.listing}"
    is_stop = order.kind in ("STP", "STOP_LIMIT", "TRAIL", "TRAILLMT")
    has_limit = order.kind in ("LMT", "STOP_LIMIT", "MIDPRICE") and order.price is not None
    sure = "\nAre you sure you want to submit this order?"
    asked: list[tuple[bool, str, str]] = [
        (
            has_limit and off > config.price_percent,
            "o163",
            f'The following order "{what} @ {contract.price(price)}" price exceeds \n'
            f"the Percentage constraint of {config.price_percent:g}%.{sure}",
        ),
        (
            not sim.has_line(contract),
            "o354",
            "You are submitting an order without market data. We strongly recommend against this "
            f"as it may result in erroneous and unexpected trades.{sure}",
        ),
        (
            contract.sec_type == "STK" and amount > Decimal(str(config.size_limit)),
            "o383",
            f'The following order "{what}" size exceeds the Size Limit of '
            f"{config.size_limit:,.0f}.{sure}",
        ),
        (
            value > Decimal(str(config.value_limit)),
            "o451",
            f'The following order "{what}" value estimate of {value:,.2f} USD exceeds \n'
            f"the Total Value Limit of {config.value_limit:,.0f} USD.{sure}",
        ),
        (
            order.kind == "MKT",
            "o10151",
            "<h4>Market Order Confirmation</h4>A Market Order is an instruction to trade your "
            "order at any available price.",
        ),
        (
            is_stop,
            "o10331",
            "You are about to submit a stop order. Please be aware of the various stop order "
            f"types available and the risks associated with each one.{sure}",
        ),
        (
            order.kind == "MKT" or (has_limit and off > CAP_PERCENT),
            "o10153",
            "<h4>Confirm Mandatory Cap Price</h4>To avoid trading at a price that is not "
            "consistent with a fair and orderly market, IB may set a cap (for a buy order) or "
            "sell order).",
        ),
    ]
    return [
        Question((name,), (text,))
        for applies, name, text in asked
        if applies and name not in session.suppressed
    ]
