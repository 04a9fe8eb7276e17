"""Order commands: what REST and the trading websocket do in the same way (14.1, 14.2).

Every method takes the account, the product and the request's parameters, and returns what goes
into the reply. Refusals are `ApiError` with the venue's code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from ..matching import Side
from .account import Account, notional
from .algo import ALGO_TYPES, AlgoOrder, algo_query, algo_reply
from .exchange import Exchange
from .filters import (
    PRICE_MATCH,
    check_band,
    check_notional,
    check_price,
    check_quantity,
    matched_price,
)
from .orders import Order, modify_reply, order_query, order_reply
from .params import Params, missing
from .types import ApiError, Product, SymbolRules

__all__ = ["Commands"]

Reply = dict[str, Any]
Command = Callable[[Account, Product, Params], Any]

CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")  # BN-I-01
TIMES_IN_FORCE = frozenset({"GTC", "IOC", "FOK", "GTX", "GTD", "RPI"})
SELF_TRADE_MODES = frozenset({"EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "NONE"})
DAY_MS = 24 * 60 * 60 * 1000
WEEK_MS = 7 * DAY_MS
LAST_GOOD_TILL_MS = 253402300799000


@dataclass(frozen=True, slots=True)
class _Intent:
    """What plain and conditional orders have in common, parsed and checked."""

    rules: SymbolRules
    side: Side
    position_side: str
    reduce_only: bool
    client_id: str
    self_trade: str
    price_match: str
    good_till_ms: int
    working_type: str
    price_protect: bool


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

    def _new_order(
        self, account: Account, product: Product, params: Params
    ) -> tuple[Order, bool]:
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
        time_in_force = _time_in_force(params)
        if market:
            for name in ("timeInForce", "price", "priceMatch"):
                if name in params:
                    raise ApiError(-1106, f"Parameter '{name}' sent when not required.")
            time_in_force = "GTC"
        elif time_in_force is None:
            raise missing("timeInForce")
        intent = self._intent(account, product, params, "newClientOrderId", time_in_force)
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
            time_in_force,
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

    def _intent(
        self,
        account: Account,
        product: Product,
        params: Params,
        id_name: str,
        time_in_force: str | None,
    ) -> _Intent:
        rules = self._tradable(product, params)
        side_text = params.require("side")
        if side_text not in ("BUY", "SELL"):
            raise ApiError(-1117, "Invalid side.")
        side = Side[side_text]
        position_side, reduce_only = _position_side(account, side, params)
        client_id = params.text(id_name) or self.exchange.random_id()
        if not CLIENT_ID.fullmatch(client_id):
            raise ApiError(-4015, "Client order id is not valid.")
        self_trade = params.choice(
            "selfTradePreventionMode",
            SELF_TRADE_MODES,
            ApiError(-5039, "Invalid self trade prevention mode."),
        )
        price_match = params.choice(
            "priceMatch", {"NONE", *PRICE_MATCH}, ApiError(-5037, "Invalid price match.")
        )
        if price_match not in (None, "NONE") and "price" in params:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        working_type = params.choice(
            "workingType",
            ("CONTRACT_PRICE", "MARK_PRICE"),
            ApiError(-1130, "Data sent for parameter 'workingType' is not valid."),
        )
        good_till = self._good_till(params, time_in_force)
        return _Intent(
            rules,
            side,
            position_side,
            reduce_only,
            client_id,
            self_trade or "EXPIRE_MAKER",
            price_match or "NONE",
            good_till,
            working_type or "CONTRACT_PRICE",
            params.boolean("priceProtect") or False,
        )

    def _tradable(self, product: Product, params: Params) -> SymbolRules:
        rules = self.exchange.rules(params.require("symbol"), product)
        if not rules.trading:
            raise ApiError(-4141, "Symbol is closed.")
        return rules

    def _good_till(self, params: Params, time_in_force: str | None) -> int:
        """BN-R-11: whole seconds, more than 600 s ahead, below the end of year 9999."""
        good_till = params.integer("goodTillDate")
        if time_in_force != "GTD":
            return 0
        if good_till is None:
            raise missing("goodTillDate")
        if not self.exchange.now_ms() + 600_000 < good_till < LAST_GOOD_TILL_MS:
            raise ApiError(
                -5040,
                "The goodTillDate timestamp must be greater than the current time plus 600 "
                "seconds and smaller than 253402300799000",
            )
        return good_till // 1000 * 1000

    def _price(self, intent: _Intent, price: Decimal | None) -> int:
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
        self, account: Account, intent: _Intent, size: int, units: int, *, market: bool
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
        order = self._find(account, rules, params, _no_such_order())
        params.finish()
        if quantity is None:
            raise missing("quantity")
        matched = price_match not in (None, "NONE")
        if price is None and not matched:
            raise missing("price")
        if price is not None and matched:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        if order.done:
            raise _no_such_order()
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
        order = self._find(account, rules, params, _unknown_order())
        params.finish()
        if not self.exchange.cancel(order):
            raise _unknown_order()
        return order_reply(order)

    def cancel_batch(self, account: Account, product: Product, params: Params) -> list[Reply]:
        """Cancel up to ten orders of one symbol, by ids or by client ids (BN-R-20)."""
        rules = self.exchange.rules(params.require("symbol"), product)
        ids = _json_list(params, "orderIdList", 10)
        client_ids = _json_list(params, "origClientOrderIdList", 10)
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

    # -- query -----------------------------------------------------------------------------

    def query(self, account: Account, product: Product, params: Params) -> Reply:
        """Return one order in whatever state."""
        rules = self.exchange.rules(params.require("symbol"), product)
        order = self._find(account, rules, params, _no_such_order())
        params.finish()
        return order_query(order)

    def open_order(self, account: Account, product: Product, params: Params) -> Reply:
        """Return one order if it is open."""
        rules = self.exchange.rules(params.require("symbol"), product)
        order = self._find(account, rules, params, _no_such_order())
        params.finish()
        if order.done:
            raise _no_such_order()
        return order_query(order)

    def open_orders(self, account: Account, product: Product, params: Params) -> list[Reply]:
        """Return the open orders of a symbol, a pair (COIN-M) or all."""
        wanted = self._selected(product, params)
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
        wanted = self._selected(product, params, required=True)
        first_id = params.integer("orderId")
        start, end = self._window(params)
        limit = _limit(params)
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
        wanted = self._selected(product, params, required=True) or set()
        order_id = params.integer("orderId")
        from_id = params.integer("fromId")
        by_time = "startTime" in params or "endTime" in params
        if from_id is not None and by_time:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        start, end = self._window(params)
        limit = _limit(params)
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

    # -- conditional orders ----------------------------------------------------------------

    def place_algo(self, account: Account, product: Product, params: Params) -> Reply:
        """Place a conditional order (BN-R-06, BN-R-07, BN-R-10)."""
        if params.require("algoType") != "CONDITIONAL":
            raise ApiError(-1130, "Data sent for parameter 'algoType' is not valid.")
        kind = params.require("type")
        if kind not in ALGO_TYPES:
            raise ApiError(-1116, "Invalid orderType.")
        market = kind.endswith("_MARKET")
        trailing = kind == "TRAILING_STOP_MARKET"
        time_in_force = _time_in_force(params) or "GTC"
        close_position = params.boolean("closePosition") or False
        if close_position and ("quantity" in params or "reduceOnly" in params):
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        intent = self._intent(account, product, params, "clientAlgoId", time_in_force)
        rules = intent.rules
        quantity, price = params.decimal("quantity"), params.decimal("price")
        trigger = params.decimal("triggerPrice")
        activate = params.decimal("activatePrice")
        callback = params.decimal("callbackRate")
        params.known("newOrderRespType")
        params.finish()
        if trailing:
            if callback is None:
                raise missing("callbackRate")
            if trigger is not None:
                raise ApiError(-1106, "Parameter 'triggerPrice' sent when not required.")
            if not Decimal("0.1") <= callback <= 10:
                raise ApiError(-2007, "Invalid callBack rate.")
        elif trigger is None:
            raise missing("triggerPrice")
        if quantity is None and not close_position:
            raise missing("quantity")
        if not market and price is None and intent.price_match == "NONE":
            raise missing("price")
        pending = [a for a in account.algo_orders.values() if a.open and a.rules is rules]
        if len(pending) >= rules.max_algo_orders:
            raise ApiError(-4045, "Reach max stop order limit.")
        if any(
            algo.open and algo.client_id == intent.client_id
            for algo in account.algo_orders.values()
        ):
            raise ApiError(-4116, "ClientOrderId is duplicated.")
        algo = AlgoOrder(
            account,
            rules,
            self.exchange.algos.next_id(),
            intent.client_id,
            intent.side,
            kind,
            time_in_force,
            intent.position_side,
            check_quantity(rules, quantity, market=market) if quantity is not None else 0,
            check_price(rules, price) if price is not None and not market else 0,
            check_price(rules, trigger, name="Stop price") if trigger is not None else 0,
            self.exchange.now_ms(),
            activate_price=check_price(rules, activate) if activate is not None else 0,
            callback_rate=callback if trailing else None,
            working_type=intent.working_type,
            price_protect=intent.price_protect,
            close_position=close_position,
            reduce_only=intent.reduce_only,
            self_trade=intent.self_trade,
            price_match=intent.price_match,
            good_till_ms=intent.good_till_ms,
        )
        working = self.exchange.algos.working_price(algo)
        if not trailing and working and algo.observe(working):
            raise ApiError(-2021, "Order would immediately trigger.")
        self.exchange.algos.add(algo)
        return algo_reply(algo)

    def cancel_algo(self, account: Account, product: Product, params: Params) -> Reply:
        """Cancel a conditional order that has not triggered."""
        algo = self._find_algo(account, product, params, _unknown_order())
        params.finish()
        if not algo.open:
            raise _unknown_order()
        self.exchange.algos.end(algo, "CANCELED")
        return {
            "algoId": algo.algo_id,
            "clientAlgoId": algo.client_id,
            "code": "200",
            "msg": "success",
        }

    def cancel_all_algo(self, account: Account, product: Product, params: Params) -> Reply:
        """Cancel every open conditional order of a symbol."""
        rules = self.exchange.rules(params.require("symbol"), product)
        params.finish()
        for algo in list(account.algo_orders.values()):
            if algo.open and algo.rules is rules:
                self.exchange.algos.end(algo, "CANCELED")
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def query_algo(self, account: Account, product: Product, params: Params) -> Reply:
        """Return one conditional order in whatever state."""
        algo = self._find_algo(account, product, params, _no_such_order())
        params.finish()
        return algo_query(algo)

    def open_algo(self, account: Account, product: Product, params: Params) -> list[Reply]:
        """Return the open conditional orders of a symbol or all."""
        params.known("algoType", "algoId")
        wanted = self._selected(product, params)
        params.finish()
        return [
            algo_query(algo)
            for algo in account.algo_orders.values()
            if algo.open
            and algo.rules.product is product
            and (wanted is None or algo.rules.symbol in wanted)
        ]

    def all_algo(self, account: Account, product: Product, params: Params) -> list[Reply]:
        """Return conditional orders of a symbol, at most seven days of them."""
        wanted = self._selected(product, params, required=True) or set()
        first_id = params.integer("algoId")
        start, end = self._window(params)
        limit = _limit(params)
        params.known("page")
        params.finish()
        found = [
            algo_query(algo)
            for algo in account.algo_orders.values()
            if algo.rules.symbol in wanted
            and start <= algo.created_ms <= end
            and (first_id is None or algo.algo_id >= first_id)
        ]
        return found[-limit:]

    # -- helpers ---------------------------------------------------------------------------

    def _find(
        self, account: Account, rules: SymbolRules, params: Params, unknown: ApiError
    ) -> Order:
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

    def _find_algo(
        self, account: Account, product: Product, params: Params, unknown: ApiError
    ) -> AlgoOrder:
        algo_id = params.integer("algoId")
        client_id = params.text("clientAlgoId")
        params.known("symbol")
        if algo_id is None and client_id is None:
            raise ApiError(
                -1102, "Param 'algoId' or 'clientAlgoId' must be sent, but both were empty/null!"
            )
        for algo in reversed(account.algo_orders.values()):
            named = algo.algo_id == algo_id if algo_id is not None else algo.client_id == client_id
            if named and algo.rules.product is product:
                return algo
        raise unknown

    def _selected(
        self, product: Product, params: Params, *, required: bool = False
    ) -> set[str] | None:
        """Return the symbols a query is about, None for all of the product."""
        symbol = params.text("symbol")
        pair = params.text("pair") if product is Product.COINM else None
        if symbol is not None:
            return {self.exchange.rules(symbol, product).symbol}
        if pair is not None:
            return {r.symbol for r in self.exchange.symbols.values() if r.pair == pair}
        if required:
            raise missing("symbol")
        return None

    def _window(self, params: Params) -> tuple[int, int]:
        """Return the time window of a query in ms; at most seven days, default the last seven."""
        start, end = params.integer("startTime"), params.integer("endTime")
        now = self.exchange.now_ms()
        if start is not None and end is not None and end - start > WEEK_MS:
            raise ApiError(-1127, "More than 168 hours between startTime and endTime.")
        if start is None:
            start = (now if end is None else end) - WEEK_MS
        return start, start + WEEK_MS if end is None else end

    def _batch(
        self, account: Account, product: Product, params: Params, command: Command
    ) -> list[Reply]:
        items = _json_list(params, "batchOrders", 5)
        params.finish()
        if items is None:
            raise missing("batchOrders")
        if not all(isinstance(item, dict) for item in items):
            raise ApiError(-1130, "Data sent for parameter 'batchOrders' is not valid.")
        return [
            _or_error(command, account, product, Params(item, strict=params.strict))
            for item in items
        ]


def _position_side(account: Account, side: Side, params: Params) -> tuple[str, bool]:
    """Return position side and whether the order can only reduce (BN-R-08)."""
    sent = params.choice(
        "positionSide", ("BOTH", "LONG", "SHORT"), ApiError(-4060, "Invalid position side.")
    )
    reduce_only = params.boolean("reduceOnly")
    if account.dual_side:
        if sent not in ("LONG", "SHORT"):
            raise ApiError(-4061, "Order's position side does not match user's setting.")
        if reduce_only is not None:
            raise ApiError(-1106, "Parameter 'reduceonly' sent when not required.")
        opens = Side.BUY if sent == "LONG" else Side.SELL
        return sent, side is not opens
    if sent not in (None, "BOTH"):
        raise ApiError(-4061, "Order's position side does not match user's setting.")
    return "BOTH", reduce_only or False


def _time_in_force(params: Params) -> str | None:
    return params.choice("timeInForce", TIMES_IN_FORCE, ApiError(-1115, "Invalid timeInForce."))


def _limit(params: Params) -> int:
    limit = params.integer("limit")
    if limit is not None and not 1 <= limit <= 1000:
        raise ApiError(-1130, "Data sent for parameter 'limit' is not valid.")
    return limit or 500


def _json_list(params: Params, name: str, most: int) -> list[Any] | None:
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


def _or_error(command: Command, account: Account, product: Product, params: Params) -> Reply:
    try:
        reply: Reply = command(account, product, params)
    except ApiError as error:
        return {"code": error.code, "msg": error.message}
    return reply


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value


def _no_such_order() -> ApiError:
    return ApiError(-2013, "Order does not exist.")


def _unknown_order() -> ApiError:
    return ApiError(-2011, "Unknown order sent.")
