"""The market's own traders (see `connectors.sim.house`)."""

from __future__ import annotations

from collections.abc import Sequence

from .. import house
from ..engine_order import EngineOrder, Side
from .exchange import Exchange
from .markets import Market
from .orders import Order

__all__ = ["House"]


class House(house.House[Market, EngineOrder]):
    """Trades without an account."""

    def __init__(self, exchange: Exchange) -> None:
        config = exchange.config
        super().__init__(exchange.clock, f"ibkr-sim/house/{config.seed}", config.levels)
        self._exchange = exchange
        self._markets = list(exchange.markets.values())
        self.fill_books()

    def markets(self) -> Sequence[Market]:
        return self._markets

    def quotes(self, market: Market) -> Sequence[EngineOrder]:
        return [order for order in market.book.orders() if order.tag is None]

    def quote(self, market: Market, *, is_buy: bool, distance: int) -> None:
        price = _away(market, market.last, distance, is_buy=is_buy)
        if price > 0 or market.contract.offset:
            self.order(market, is_buy=is_buy, price=price, size=self._size(market))

    def take(self, market: Market, *, is_buy: bool) -> None:
        best = market.ask if is_buy else market.bid
        if best is not None and not market.halted:
            size = max(self._size(market) // 3 // market.contract.lot, 1) * market.contract.lot
            self.order(market, is_buy=is_buy, price=best, size=size, take=True)

    def cancel(self, order: EngineOrder) -> None:
        self._exchange.engine.cancel(order.market, order.order_id)

    def order(
        self, market: Market, *, is_buy: bool, price: int, size: int, take: bool = False
    ) -> EngineOrder:
        """Place an order of the house: resting, or `take` what is there (IOC)."""
        return self._exchange.house_order(market, is_buy=is_buy, price=price, size=size, take=take)

    # -- by hand -----------------------------------------------------------------------------

    def trade_with(self, order: Order, size: int) -> None:
        """Trade with a resting order. Raises ValueError if it does not rest."""
        engine = order.engine
        if engine is None or not engine.resting or engine.price_ticks is None:
            raise ValueError(f"order {order.order_id} does not rest in the book")
        market = self._exchange.markets[order.contract.key]
        price = engine.price_ticks - market.contract.offset
        for quote in self.quotes(market):  # none of its own is in front
            if quote.side is engine.side:
                self.cancel(quote)
        end = order.filled + size
        while engine.resting and order.filled < end:  # somebody else's may be
            self.order(
                market, is_buy=not order.is_buy, price=price, size=end - order.filled, take=True
            )
        self.fill_book(market, price)

    def move(self, market: Market, price: int, size: int) -> None:
        """Quote around a price, and trade there; what stands in the way trades first."""
        for quote in self.quotes(market):
            self.cancel(quote)
        self.fill_book(market, price)
        for is_buy in (False, True):
            self.order(market, is_buy=is_buy, price=price, size=size, take=is_buy)

    def fill_book(self, market: Market, around: int) -> None:
        """Quote the levels around a price that nobody quotes."""
        for distance in range(1, self._levels + 1):
            for is_buy, side in ((True, Side.BUY), (False, Side.SELL)):
                price = _away(market, around, distance, is_buy=is_buy)
                quoted = market.book.size_at(side, price + market.contract.offset)
                if not quoted and (price > 0 or market.contract.offset):
                    self.order(market, is_buy=is_buy, price=price, size=self._size(market))

    def _size(self, market: Market) -> int:
        return market.contract.lot * self._random.randint(1, 20)


def _away(market: Market, start: int, distance: int, *, is_buy: bool) -> int:
    """Return the price so many increments from another, on the increments there."""
    step = market.contract.increment(start)
    price = start // step * step + (-distance if is_buy else distance) * step
    return price // market.contract.increment(price) * market.contract.increment(price)
