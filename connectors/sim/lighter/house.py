"""The market's own traders (see `connectors.sim.house`), and orders of the house by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import house
from .markets import Market
from .orders import GTT, IOC, LIMIT, MARKET, Order

if TYPE_CHECKING:
    from .exchange import Exchange

__all__ = ["House"]

MAKER, TAKER = 1, 2


class House(house.House[Market, Order]):
    """Trades on accounts 1 and 2, which have neither margin nor fees nor keys."""

    def __init__(self, exchange: Exchange) -> None:
        config = exchange.config
        super().__init__(exchange.clock, f"lighter-sim/house/{config.seed}", config.levels)
        self._exchange = exchange
        self.fill_books()

    def markets(self) -> Sequence[Market]:
        return list(self._exchange.markets.values())

    def quotes(self, market: Market) -> Sequence[Order]:
        orders = self._exchange.engine.book(market.key).orders()
        return [item.tag for item in orders if item.tag.account.house]

    def quote(self, market: Market, *, is_buy: bool, distance: int) -> None:
        sign = -1 if is_buy else 1
        price = max(market.last_price + sign * distance * self._step(market), 1)
        self.order(market, is_ask=not is_buy, price=price, size=self._size(market))

    def take(self, market: Market, *, is_buy: bool) -> None:
        book = self._exchange.engine.book(market.key)
        best = book.best_ask if is_buy else book.best_bid
        if best is not None:
            size = max(self._size(market) // 4, market.min_base)
            self.order(market, is_ask=not is_buy, price=best, size=size, take=True)

    def cancel(self, order: Order) -> None:
        if order.is_live:
            self._exchange.cancel(order)

    def order(
        self,
        market: Market | int,
        *,
        is_ask: bool,
        price: int,
        size: int,
        take: bool = False,
        account: int | None = None,
    ) -> Order:
        """Place an order of the house (ticks, lots): resting, or `take` what is there (IOC)."""
        exchange = self._exchange
        if isinstance(market, int):
            market = exchange.markets[market]
        index = account if account is not None else (TAKER if take else MAKER)
        order = exchange.new_order(
            exchange.accounts[index], market, is_ask=is_ask, price=price, size=size,
            order_type=MARKET if take else LIMIT, tif=IOC if take else GTT,
        )  # fmt: skip
        exchange.place(order)
        exchange.settle()
        return order

    def _step(self, market: Market) -> int:
        """Return the distance between the levels of the house, in ticks."""
        return max(market.reference // 20_000, 1)

    def _size(self, market: Market) -> int:
        least = max(market.min_base, 1)
        need = -(-market.min_quote // max(market.quote(market.reference, 1), 1))
        return max(least, need) * self._random.randint(2, 40)
