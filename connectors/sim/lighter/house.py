"""The market's own traders: books at the start, random makers and takers, orders by hand."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from .markets import Market
from .orders import GTT, IOC, LIMIT, MARKET, Order

if TYPE_CHECKING:
    from .exchange import Exchange

__all__ = ["House"]

MAKER, TAKER = 1, 2
MAX_BURST = 200
MAX_ORDERS = 400


class House:
    """Trades on accounts 1 and 2, which have neither margin nor fees nor keys."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        config = exchange.config
        self._random = random.Random(f"lighter-sim/house/{config.seed}")
        self._owed = 0.0
        self._last_ns = exchange.clock.elapsed_ns()
        for market in exchange.markets.values():
            for level in range(1, config.levels + 1):
                for is_ask in (False, True):
                    self._quote(market, is_ask=is_ask, distance=level)

    def _step(self, market: Market) -> int:
        """Return the distance between the levels of the house, in ticks."""
        return max(market.reference // 20_000, 1)

    def _size(self, market: Market) -> int:
        least = max(market.min_base, 1)
        need = -(-market.min_quote // max(market.quote(market.reference, 1), 1))
        return max(least, need) * self._random.randint(2, 40)

    def _quote(self, market: Market, *, is_ask: bool, distance: int) -> None:
        sign = 1 if is_ask else -1
        price = max(market.last_price + sign * distance * self._step(market), 1)
        self.order(market, is_ask=is_ask, price=price, size=self._size(market))

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

    def cancel(self, order: Order) -> None:
        if order.is_live:
            self._exchange.cancel(order)

    def advance(self) -> None:
        """Act as often as the configured rate asks for."""
        exchange = self._exchange
        now_ns = exchange.clock.elapsed_ns()
        rate = exchange.config.rate_per_s
        self._owed = min(self._owed + (now_ns - self._last_ns) * rate / 1e9, MAX_BURST)
        self._last_ns = now_ns
        markets = list(exchange.markets.values())
        while self._owed >= 1:
            self._owed -= 1
            self._act(self._random.choice(markets))

    def _act(self, market: Market) -> None:
        """Quote, cancel or take, so that the book stays about as deep as it was."""
        exchange = self._exchange
        book = exchange.engine.book(market.key)
        mine = [item.tag for item in book.orders() if item.tag.account.house]
        chance = self._random.random()
        is_ask = self._random.random() < 0.5
        deep = len(mine) > min(2 * max(exchange.config.levels, 5), MAX_ORDERS)
        if chance < 0.15:
            best = book.best_bid if is_ask else book.best_ask
            if best is not None:
                size = max(self._size(market) // 4, market.min_base)
                self.order(market, is_ask=is_ask, price=best, size=size, take=True)
        elif mine and (deep or chance < 0.5):
            self.cancel(self._random.choice(mine))
        else:
            levels = max(exchange.config.levels, 5)
            self._quote(market, is_ask=is_ask, distance=self._random.randint(1, levels))
