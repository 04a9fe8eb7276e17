"""How requests name orders, symbols, lists and time windows."""

from __future__ import annotations

from typing import Any

import orjson

from .account import Account
from .exchange import Exchange
from .orders import Order
from .params import Params, missing
from .types import ApiError, Product, SymbolRules

__all__ = [
    "find_order",
    "json_list",
    "no_such_order",
    "page_size",
    "selected_symbols",
    "time_window",
    "unknown_order",
]

WEEK_MS = 7 * 24 * 60 * 60 * 1000


def find_order(account: Account, rules: SymbolRules, params: Params, unknown: ApiError) -> Order:
    """Return the order a request names; the id wins over the client id (BN-R-15)."""
    order_id = params.integer("orderId")
    client_id = params.text("origClientOrderId")
    if order_id is not None:
        order = account.orders.get(order_id)
        if order is not None and order.rules is rules:
            return order
        raise unknown
    if client_id is None:
        raise ApiError(
            -1102,
            "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
        )
    for order in reversed(account.orders.values()):
        if order.client_id == client_id and order.rules is rules:
            return order
    raise unknown


def selected_symbols(
    exchange: Exchange, product: Product, params: Params, *, required: bool = False
) -> set[str] | None:
    """Return the symbols a query is about, None for all of the product."""
    symbol = params.text("symbol")
    pair = params.text("pair") if product is Product.COINM else None
    if symbol is not None:
        return {exchange.rules(symbol, product).symbol}
    if pair is not None:
        return {r.symbol for r in exchange.symbols.values() if r.pair == pair}
    if required:
        raise missing("symbol")
    return None


def time_window(exchange: Exchange, params: Params) -> tuple[int, int]:
    """Return the time window of a query in ms; at most seven days, default the last seven."""
    start, end = params.integer("startTime"), params.integer("endTime")
    now = exchange.now_ms()
    if start is not None and end is not None and end - start > WEEK_MS:
        raise ApiError(-1127, "More than 168 hours between startTime and endTime.")
    if start is None:
        start = (now if end is None else end) - WEEK_MS
    return start, start + WEEK_MS if end is None else end


def page_size(params: Params) -> int:
    """Return how many items a query wants: 1 to 1000, default 500."""
    limit = params.integer("limit")
    if limit is not None and not 1 <= limit <= 1000:
        raise ApiError(-1130, "Data sent for parameter 'limit' is not valid.")
    return limit or 500


def json_list(params: Params, name: str, most: int) -> list[Any] | None:
    """Return a list sent as JSON text (BN-R-19), None if absent."""
    text = params.text(name)
    if text is None:
        return None
    try:
        items = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise missing(name) from None
    if not isinstance(items, list):
        raise missing(name)
    if not 1 <= len(items) <= most:
        raise ApiError(-4082, f"Invalid number of batch orders, 1 to {most} are allowed.")
    return items


def no_such_order() -> ApiError:
    """Return the refusal of a query or modification (BN-R-24)."""
    return ApiError(-2013, "Order does not exist.")


def unknown_order() -> ApiError:
    """Return the refusal of a cancel (BN-R-25)."""
    return ApiError(-2011, "Unknown order sent.")
