"""Commands and queries of conditional orders (BN-R-06, BN-R-07, BN-R-10)."""

from __future__ import annotations

from decimal import Decimal

from .account import Account
from .algo import ALGO_TYPES, AlgoOrder, algo_query, algo_reply
from .commands import Reply
from .exchange import Exchange
from .filters import check_price, check_quantity
from .intent import parse_intent, time_in_force
from .lookup import (
    no_such_order,
    page_size,
    selected_symbols,
    time_window,
    unknown_order,
)
from .params import Params, missing
from .types import ApiError, Product

__all__ = ["AlgoCommands"]


class AlgoCommands:
    """Conditional order commands on one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def place(self, account: Account, product: Product, params: Params) -> Reply:
        """Place a conditional order (BN-R-06, BN-R-07, BN-R-10)."""
        if params.require("algoType") != "CONDITIONAL":
            raise ApiError(-1130, "Data sent for parameter 'algoType' is not valid.")
        kind = params.require("type")
        if kind not in ALGO_TYPES:
            raise ApiError(-1116, "Invalid orderType.")
        market = kind.endswith("_MARKET")
        trailing = kind == "TRAILING_STOP_MARKET"
        tif = time_in_force(params) or "GTC"
        close_position = params.boolean("closePosition") or False
        if close_position and ("quantity" in params or "reduceOnly" in params):
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        intent = parse_intent(self.exchange, account, product, params, "clientAlgoId", tif)
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
            tif,
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

    def cancel(self, account: Account, product: Product, params: Params) -> Reply:
        """Cancel a conditional order that has not triggered."""
        algo = self._find(account, product, params, unknown_order())
        params.finish()
        if not algo.open:
            raise unknown_order()
        self.exchange.algos.end(algo, "CANCELED")
        return {
            "algoId": algo.algo_id,
            "clientAlgoId": algo.client_id,
            "code": "200",
            "msg": "success",
        }

    def cancel_all(self, account: Account, product: Product, params: Params) -> Reply:
        """Cancel every open conditional order of a symbol."""
        rules = self.exchange.rules(params.require("symbol"), product)
        params.finish()
        for algo in list(account.algo_orders.values()):
            if algo.open and algo.rules is rules:
                self.exchange.algos.end(algo, "CANCELED")
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def query(self, account: Account, product: Product, params: Params) -> Reply:
        """Return one conditional order in whatever state."""
        algo = self._find(account, product, params, no_such_order())
        params.finish()
        return algo_query(algo)

    def open_orders(self, account: Account, product: Product, params: Params) -> list[Reply]:
        """Return the open conditional orders of a symbol or all."""
        params.known("algoType", "algoId")
        wanted = selected_symbols(self.exchange, product, params)
        params.finish()
        return [
            algo_query(algo)
            for algo in account.algo_orders.values()
            if algo.open
            and algo.rules.product is product
            and (wanted is None or algo.rules.symbol in wanted)
        ]

    def all_orders(self, account: Account, product: Product, params: Params) -> list[Reply]:
        """Return conditional orders of a symbol, at most seven days of them."""
        wanted = selected_symbols(self.exchange, product, params, required=True) or set()
        first_id = params.integer("algoId")
        start, end = time_window(self.exchange, params)
        limit = page_size(params)
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

    def _find(
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
