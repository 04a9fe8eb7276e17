"""Queries of orders and fills, for REST and the trading websocket."""

from __future__ import annotations

from .account import Account
from .commands import Reply
from .exchange import Exchange
from .lookup import find_order, no_such_order, page_size, selected_symbols, time_window
from .orders import order_query
from .params import Params
from .types import ApiError, Product

__all__ = ["Queries"]


class Queries:
    """Queries on one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def query(self, account: Account, product: Product, params: Params) -> Reply:
        """Return one order in whatever state."""
        rules = self.exchange.rules(params.require("symbol"), product)
        order = find_order(account, rules, params, no_such_order())
        params.finish()
        return order_query(order)

    def open_order(self, account: Account, product: Product, params: Params) -> Reply:
        """Return one order if it is open."""
        rules = self.exchange.rules(params.require("symbol"), product)
        order = find_order(account, rules, params, no_such_order())
        params.finish()
        if order.done:
            raise no_such_order()
        return order_query(order)

    def open_orders(self, account: Account, product: Product, params: Params) -> list[Reply]:
        """Return the open orders of a symbol, a pair (COIN-M) or all."""
        wanted = selected_symbols(self.exchange, product, params)
        params.finish()
        shown_from = self.exchange.now_ms() - self.exchange.faults.hide_open_orders_ms
        return [
            order_query(order)
            for order in account.open_orders.values()
            if order.rules.product is product
            and (wanted is None or order.rules.symbol in wanted)
            and order.created_ms <= shown_from
        ]

    def all_orders(self, account: Account, product: Product, params: Params) -> list[Reply]:
        """Return orders of a symbol, at most seven days of them, oldest first."""
        wanted = selected_symbols(self.exchange, product, params, required=True)
        first_id = params.integer("orderId")
        start, end = time_window(self.exchange, params)
        limit = page_size(params)
        params.finish()
        found = [
            order_query(order)
            for order in account.orders.values()
            if order.rules.symbol in (wanted or ())
            and start <= order.created_ms <= end
            and (first_id is None or order.order_id >= first_id)
        ]
        return found[:limit] if first_id is not None else found[-limit:]

    def user_trades(self, account: Account, product: Product, params: Params) -> list[Reply]:
        """Return fills of a symbol, by id or by time, oldest first (BN-R-33)."""
        wanted = selected_symbols(self.exchange, product, params, required=True) or set()
        order_id = params.integer("orderId")
        from_id = params.integer("fromId")
        by_time = "startTime" in params or "endTime" in params
        if from_id is not None and by_time:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        start, end = time_window(self.exchange, params)
        limit = page_size(params)
        params.finish()
        found = [
            trade
            for trade in account.trades
            if trade["symbol"] in wanted
            and (order_id is None or trade["orderId"] == order_id)
            and (from_id is None or _number(trade["id"]) >= from_id)
            and (from_id is not None or start <= _number(trade["time"]) <= end)
        ]
        forward = from_id is not None or "startTime" in params
        return found[:limit] if forward else found[-limit:]


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
