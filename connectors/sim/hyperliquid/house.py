"""The market's own traders (see `connectors.sim.house`), and orders of the house by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import house
from .errors import OrderError
from .markets import Market
from .orders import Order

if TYPE_CHECKING:
    from .exchange import Exchange

__all__ = ["House"]

LEAST_VALUE = 20 * 10**8


class House(house.House[Market, Order]):
    """Trades on an account that has neither margin nor fees nor a key."""

    def __init__(self, exchange: Exchange) -> None:
        config = exchange.config
        super().__init__(exchange.clock, f"hyperliquid-sim/house/{config.seed}", config.levels)
        self._exchange = exchange
        self._markets = [m for m in exchange.markets.values() if not m.delisted]
        self.fill_books()
        exchange.changed.clear()

    def markets(self) -> Sequence[Market]:
        return self._markets

    def quotes(self, market: Market) -> Sequence[Order]:
        orders = self._exchange.engine.book(market.coin).orders()
        return [item.tag for item in orders if item.tag.account.house]

    def quote(self, market: Market, *, is_buy: bool, distance: int) -> None:
        sign = -1 if is_buy else 1
        wanted = market.last + sign * distance * self._spacing(market)
        self.order(
            market, is_buy=is_buy, px=market.round_price(max(wanted, 1)), lots=self._size(market)
        )

    def take(self, market: Market, *, is_buy: bool) -> None:
        book = self._exchange.engine.book(market.coin)
        best = book.best_ask if is_buy else book.best_bid
        if best is not None:
            lots = max(self._size(market) // 4, 1)
            self.order(market, is_buy=is_buy, px=best, lots=lots, take=True)

    def cancel(self, order: Order) -> None:
        self._exchange.cancel(order)
        self._exchange.settle()

    def order(
        self, market: Market, *, is_buy: bool, px: int, lots: int, take: bool = False
    ) -> Order | None:
        """Place an order of the house (ticks, lots): resting, or `take` what is there (IOC).

        Returns None if there was nothing to take.
        """
        exchange = self._exchange
        exchange.new_hash()
        order = exchange.make(
            exchange.house, market, is_buy=is_buy, px=px, lots=lots, tif="Ioc" if take else "Gtc"
        )
        try:
            exchange.place(order)
        except OrderError:
            return None
        exchange.settle()
        return order

    def _spacing(self, market: Market) -> int:
        """Return the distance between the levels of the house, in ticks."""
        step = market.step(market.reference)
        return max(market.reference // 20_000 // step, 1) * step

    def _size(self, market: Market) -> int:
        least = -(-LEAST_VALUE // max(market.notional(market.reference, 1), 1))
        return least * self._random.randint(5, 200)
