"""Order commands: what REST and the trading websocket do in the same way (14.1, 14.2).

Every method takes the account, the product and the request's parameters, and returns what goes
into the reply. Refusals are `ApiError` with the venue's code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from .account import Account, notional
from .algo import ALGO_TYPES
from .exchange import Exchange
from .filters import (
    PRICE_MATCH,
    check_band,
    check_notional,
    check_price,
    check_quantity,
    matched_price,
)
from .intent import Intent, parse_intent, time_in_force
from .lookup import find_order, json_list, no_such_order, unknown_order
from .orders import Order, modify_reply, order_reply
from .params import Params, missing
from .types import ApiError, Product

__all__ = ["Command", "Commands", "Reply"]

Reply = dict[str, Any]
Command = Callable[[Account, Product, Params], Any]


class Commands:
    """Order commands on one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    # -- place -----------------------------------------------------------------------------

    def place(self, account: Account, product: Product, params: Params) -> Reply:
        """Place a LIMIT or MARKET order (BN-R-05)."""
        order, result = self._new_order(account, product, params)
        self.exchange.submit(order)
        return order_reply(order, acknowledge=not result)

    def test(self, account: Account, product: Product, params: Params) -> Reply:
        """Check an order without placing it."""
        order, _ = self._new_order(account, product, params)
        return order_reply(order)

    def place_batch(self, account: Account, product: Product, params: Params) -> list[Reply]:
        """Place up to five orders, each succeeding or failing alone (BN-R-18)."""
        return self._batch(account, product, params, self.place)

    def _new_order(self, account: Account, product: Product, params: Params) -> tuple[Order, bool]:
        kind = params.text("type")
        if kind is None:
            raise missing("type")
        if kind in ALGO_TYPES:
            raise ApiError(
                -4120,
                "Order type not supported for this endpoint. "
                "Please use the Algo Order API endpoints instead.",
            )
        if kind not in ("LIMIT", "MARKET"):
            raise ApiError(-1116, "Invalid orderType.")
        market = kind == "MARKET"
        params.known("stopPrice", "activationPrice", "callbackRate", "closePosition")
        tif = time_in_force(params)
        if market:
            for name in ("timeInForce", "price", "priceMatch"):
                if name in params:
                    raise ApiError(-1106, f"Parameter '{name}' sent when not required.")
            tif = "GTC"
        elif tif is None:
            raise missing("timeInForce")
        intent = parse_intent(self.exchange, account, product, params, "newClientOrderId", tif)
        result = params.choice(
            "newOrderRespType", ("ACK", "RESULT"), ApiError(-1136, "Invalid newOrderRespType.")
        )
        rules = intent.rules
        quantity, price = params.decimal("quantity"), params.decimal("price")
        if quantity is None:
            raise missing("quantity")
        if price is None and not market and intent.price_match == "NONE":
            raise missing("price")
        params.finish()
        size = check_quantity(rules, quantity, market=market)
        units = self._price(intent, price) if not market else 0
        self._check_exposure(account, intent, size, units, market=market)
        open_count = len(account.open_of(rules.symbol))
        if open_count >= rules.max_orders:
            raise ApiError(-2025, "Reach max open order limit.")
        if any(o.client_id == intent.client_id for o in account.open_orders.values()):
            raise ApiError(-4116, "ClientOrderId is duplicated.")
        order = Order(
            account,
            rules,
            self.exchange.engine.next_order_id(),
            intent.client_id,
            intent.side,
            kind,
            tif,
            intent.position_side,
            size,
            units,
            self.exchange.now_ms(),
            reduce_only=intent.reduce_only,
            self_trade=intent.self_trade,
            price_match=intent.price_match,
            good_till_ms=intent.good_till_ms,
            working_type=intent.working_type,
            price_protect=intent.price_protect,
        )
        return order, result == "RESULT"

    def _price(self, intent: Intent, price: Decimal | None) -> int:
        """Return the limit price in engine units, checked or taken from the book (BN-R-09)."""
        rules = intent.rules
        if price is None:
            book = self.exchange.engine.book(rules.symbol)
            return matched_price(book, intent.side, intent.price_match)
        units = check_price(rules, price)
        if not units:
            raise ApiError(-4001, "Price less than or equal to 0.")
        check_band(rules, intent.side, price, self.exchange.mark(rules.symbol))
        return units

    def _check_exposure(
        self, account: Account, intent: Intent, size: int, units: int, *, market: bool
    ) -> None:
        """Minimum notional, reduce-only and margin of an order that may trade now."""
        rules = intent.rules
        mark = self.exchange.mark(rules.symbol)
        price = mark if market else rules.price(units)
        check_notional(rules, size, price, reduce_only=intent.reduce_only)
        if intent.reduce_only:
            position = account.positions.get((rules.symbol, intent.position_side))
            if position is None or position.amount * intent.side >= 0:
                raise ApiError(-2022, "ReduceOnly Order is rejected.")
            return
        value = notional(rules, size, price)
        extra = (rules, intent.position_side, intent.side, value)
        if self.exchange.available(account, rules.margin_asset, extra) < 0:
            raise ApiError(-2019, "Margin is insufficient.")

    # -- modify ----------------------------------------------------------------------------

    def modify(self, account: Account, product: Product, params: Params) -> Reply:
        """Change price and quantity of a LIMIT order (BN-R-15 to BN-R-17)."""
        rules = self.exchange.rules(params.require("symbol"), product)
        side = params.require("side")
        quantity, price = params.decimal("quantity"), params.decimal("price")
        price_match = params.choice(
            "priceMatch", {"NONE", *PRICE_MATCH}, ApiError(-5037, "Invalid price match.")
        )
        reduce_only = params.boolean("reduceOnly")
        modify_id = params.text("modifyId")
        params.known("positionSide", "newOrderRespType")
        order = find_order(account, rules, params, no_such_order())
        params.finish()
        if quantity is None:
            raise missing("quantity")
        matched = price_match not in (None, "NONE")
        if price is None and not matched:
            raise missing("price")
        if price is not None and matched:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        if order.done:
            raise no_such_order()
        if not rules.trading:
            raise ApiError(
                -5024, "Symbol is not in trading status. Order amendment is not permitted."
            )
        if order.type != "LIMIT":
            raise ApiError(-5025, "Only limit order is supported.")
        if side != order.side_text:
            raise ApiError(-1117, "Invalid side.")
        if reduce_only and not order.reduce_only:
            raise ApiError(-5047, "ReduceOnly can not be changed to true by a modification.")
        if order.modifications >= rules.max_modifications:
            raise ApiError(-5026, "Exceed maximum modify order limit.")
        size = check_quantity(rules, quantity, market=False)
        if price is not None:
            units = check_price(rules, price)
            check_band(rules, order.side, price, self.exchange.mark(rules.symbol))
        else:
            book = self.exchange.engine.book(rules.symbol)
            units = matched_price(book, order.side, str(price_match))
        if size == order.size and units == order.price:
            raise ApiError(-5027, "No need to modify the order.")
        new_price = rules.price(units)
        check_notional(rules, size, new_price, reduce_only=order.reduce_only)
        more = notional(rules, max(0, size - order.filled), new_price)
        more -= order.open_notional(new_price)
        if more > 0 and not order.reduce_only:
            extra = (rules, order.position_side, order.side, more)
            if self.exchange.available(account, rules.margin_asset, extra) < 0:
                raise ApiError(-2019, "Margin is insufficient.")
        order.modify_id = modify_id
        self.exchange.replace(order, price=units, size=size)
        return modify_reply(order)

    def modify_batch(self, account: Account, product: Product, params: Params) -> list[Reply]:
        """Modify up to five orders, each alone."""
        return self._batch(account, product, params, self.modify)

    # -- cancel ----------------------------------------------------------------------------

    def cancel(self, account: Account, product: Product, params: Params) -> Reply:
        """Cancel one order by id, or else by client id."""
        rules = self.exchange.rules(params.require("symbol"), product)
        order = find_order(account, rules, params, unknown_order())
        params.finish()
        if not self.exchange.cancel(order):
            raise unknown_order()
        return order_reply(order)

    def cancel_batch(self, account: Account, product: Product, params: Params) -> list[Reply]:
        """Cancel up to ten orders of one symbol, by ids or by client ids (BN-R-20)."""
        rules = self.exchange.rules(params.require("symbol"), product)
        # A widely used library sends both names in lower case and is served.
        ids = json_list(params, "orderIdList", 10)
        if ids is None:
            ids = json_list(params, "orderidlist", 10)
        client_ids = json_list(params, "origClientOrderIdList", 10)
        if client_ids is None:
            client_ids = json_list(params, "origclientorderidlist", 10)
        params.finish()
        if (ids is None) == (client_ids is None):
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        name = "orderId" if ids is not None else "origClientOrderId"
        items: Iterable[object] = ids if ids is not None else client_ids or ()
        replies = []
        for item in items:
            one = Params({"symbol": rules.symbol, name: item}, strict=params.strict)
            replies.append(_or_error(self.cancel, account, product, one))
        return replies

    def cancel_all(self, account: Account, product: Product, params: Params) -> Reply:
        """Cancel every open order of a symbol."""
        rules = self.exchange.rules(params.require("symbol"), product)
        params.finish()
        self.exchange.cancel_all(account, rules.symbol)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def countdown(self, account: Account, product: Product, params: Params) -> Reply:
        """Cancel every open order of a symbol unless called again in time (BN-R-22)."""
        rules = self.exchange.rules(params.require("symbol"), product)
        countdown_ms = params.integer("countdownTime")
        params.finish()
        if countdown_ms is None:
            raise missing("countdownTime")
        if countdown_ms < 0:
            raise ApiError(-1130, "Data sent for parameter 'countdownTime' is not valid.")
        if countdown_ms:
            due_ns = (self.exchange.now_ms() + countdown_ms) * 1_000_000
            account.countdowns[rules.symbol] = (countdown_ms, due_ns)
        else:
            account.countdowns.pop(rules.symbol, None)
        return {"symbol": rules.symbol, "countdownTime": str(countdown_ms)}

    # -- batches ---------------------------------------------------------------------------

    def _batch(
        self, account: Account, product: Product, params: Params, command: Command
    ) -> list[Reply]:
        items = json_list(params, "batchOrders", 5)
        params.finish()
        if items is None:
            raise missing("batchOrders")
        if not all(isinstance(item, dict) for item in items):
            raise ApiError(-1130, "Data sent for parameter 'batchOrders' is not valid.")
        return [
            _or_error(command, account, product, Params(item, strict=params.strict))
            for item in items
        ]


def _or_error(command: Command, account: Account, product: Product, params: Params) -> Reply:
    try:
        reply: Reply = command(account, product, params)
    except ApiError as error:
        return {"code": error.code, "msg": error.message}
    return reply
