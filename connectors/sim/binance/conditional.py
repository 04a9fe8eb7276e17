"""The algo service: keeps conditional orders and turns them into orders of the engine (BN-R-06)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from . import user_events as events
from .algo import AlgoOrder
from .filters import matched_price
from .orders import Order
from .types import ApiError

if TYPE_CHECKING:
    from .exchange import Exchange

__all__ = ["AlgoService"]


KEPT_ORDERS = 10_000  # finished conditional orders an account remembers


class AlgoService:
    """Conditional orders of every account on one exchange.

    Prices are looked at when the exchange's `tick` says a contract's price moved, so a price
    that comes and goes between two ticks triggers nothing.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._last_id = 2_000_000
        self._open: dict[int, AlgoOrder] = {}

    def working_price(self, algo: AlgoOrder) -> Decimal:
        """Return the price an order watches: mark price, or last price if there is one."""
        symbol = algo.rules.symbol
        last = self._exchange.last_prices.get(symbol)
        if algo.working_type == "MARK_PRICE" or last is None:
            return self._exchange.mark(symbol)
        return algo.rules.price(last)

    def add(self, algo: AlgoOrder) -> None:
        """Keep a checked conditional order until its price comes."""
        kept = algo.account.algo_orders
        kept[algo.algo_id] = self._open[algo.algo_id] = algo
        if len(kept) > 2 * KEPT_ORDERS:
            for old_id in [i for i in list(kept)[:KEPT_ORDERS] if i not in self._open]:
                del kept[old_id]
        self._tell(algo)

    def end(self, algo: AlgoOrder, status: str, text: str = "") -> None:
        """Move a conditional order to another status and tell its account."""
        algo.status = status
        if not algo.open:
            self._open.pop(algo.algo_id, None)
        algo.reject_text = text
        algo.updated_ms = self._exchange.now_ms()
        self._tell(algo)

    def _tell(self, algo: AlgoOrder) -> None:
        event = events.algo_event(algo, self._exchange.now_ms())
        self._exchange.user_stream.emit(algo.account, algo.rules.product, event)

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def expire(self, now_ms: int) -> None:
        """End the orders whose good-till date came before their price."""
        for algo in list(self._open.values()):
            if 0 < algo.good_till_ms <= now_ms:
                self.end(algo, "EXPIRED")

    def delist(self, symbol: str) -> None:
        """End the orders of a contract that is closed."""
        for algo in list(self._open.values()):
            if algo.rules.symbol == symbol:
                self.end(algo, "EXPIRED", "Symbol is closed")

    def run(self, symbols: set[str]) -> None:
        """Trigger what the prices of these contracts ask for."""
        for algo in list(self._open.values()):
            if algo.open and algo.rules.symbol in symbols:
                price = self.working_price(algo)
                if price and algo.observe(price) and not self._protected(algo):
                    self._trigger(algo)

    def _protected(self, algo: AlgoOrder) -> bool:
        """Whether last and mark price are too far apart for an order with price protection."""
        last = self._exchange.last_prices.get(algo.rules.symbol)
        mark = self._exchange.mark(algo.rules.symbol)
        if not algo.price_protect or last is None or not mark:
            return False
        return abs(algo.rules.price(last) - mark) > mark * algo.rules.trigger_protect

    def _trigger(self, algo: AlgoOrder) -> None:
        """Turn a conditional order into an order of the matching engine."""
        exchange = self._exchange
        symbol = algo.rules.symbol
        algo.triggered_ms = exchange.now_ms()
        self.end(algo, "TRIGGERING")
        size = algo.size
        if algo.close_position:
            size = exchange.closable(algo.account, symbol, algo.position_side, algo.side)
            if not size:
                self.end(algo, "EXPIRED", "No position to close")
                return
        price = algo.price
        if algo.price_match != "NONE":
            try:
                price = matched_price(exchange.engine.book(symbol), algo.side, algo.price_match)
            except ApiError as error:
                self.end(algo, "REJECTED", error.message)
                return
        child = Order(
            algo.account,
            algo.rules,
            exchange.engine.next_order_id(),
            algo.client_id,
            algo.side,
            "MARKET" if algo.is_market else "LIMIT",
            algo.time_in_force,
            algo.position_side,
            size,
            price,
            algo.triggered_ms,
            reduce_only=algo.reduce_only or algo.close_position,
            close_position=algo.close_position,
            self_trade=algo.self_trade,
            price_match=algo.price_match,
            good_till_ms=algo.good_till_ms,
            orig_type=algo.type,
            stop_price=algo.trigger_price,
            working_type=algo.working_type,
            price_protect=algo.price_protect,
            algo=algo,
        )
        algo.child = child
        self.end(algo, "TRIGGERED")
        try:
            exchange.submit(child)
        except ApiError as error:
            algo.child = None
            text = "Reduce Only reject" if error.code == -2022 else error.message
            self.end(algo, "REJECTED", text)
