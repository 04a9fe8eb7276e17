"""The market's own traders: books at the start, random makers and takers, orders by hand."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from .errors import OrderError
from .markets import Market
from .orders import Order

if TYPE_CHECKING:
    from .exchange import Exchange

__all__ = ["House"]

MAX_BURST = 200
MAX_ORDERS = 400
LEAST_VALUE = 20 * 10**8


class House:
    """Trades on an account that has neither margin nor fees nor a key."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        config = exchange.config
        self._random = random.Random(f"hyperliquid-sim/house/{config.seed}")
        self._owed = 0.0
        self._last_ns = exchange.clock.elapsed_ns()
        self._markets = [m for m in exchange.markets.values() if not m.delisted]
        for market in self._markets:
            for level in range(1, config.levels + 1):
                for is_buy in (True, False):
                    self._quote(market, is_buy=is_buy, distance=level)
        exchange.changed.clear()

    def _spacing(self, market: Market) -> int:
        """Return the distance between the levels of the house, in ticks."""
        step = market.step(market.reference)
        return max(market.reference // 20_000 // step, 1) * step

    def _size(self, market: Market) -> int:
        least = -(-LEAST_VALUE // max(market.notional(market.reference, 1), 1))
        return least * self._random.randint(5, 200)

    def _quote(self, market: Market, *, is_buy: bool, distance: int) -> None:
        sign = -1 if is_buy else 1
        wanted = market.last + sign * distance * self._spacing(market)
        self.order(
            market, is_buy=is_buy, px=market.round_price(max(wanted, 1)), lots=self._size(market)
        )

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

    def advance(self) -> None:
        """Act as often as the configured rate asks for."""
        exchange = self._exchange
        now_ns = exchange.clock.elapsed_ns()
        rate = exchange.config.rate_per_s
        self._owed = min(self._owed + (now_ns - self._last_ns) * rate / 1e9, MAX_BURST)
        self._last_ns = now_ns
        while self._owed >= 1:
            self._owed -= 1
            self._act(self._random.choice(self._markets))

    def _act(self, market: Market) -> None:
        """Quote, cancel or take, so that the book stays about as deep as it was."""
        exchange = self._exchange
        book = exchange.engine.book(market.coin)
        mine = [item.tag for item in book.orders() if item.tag.account.house]
        chance = self._random.random()
        is_buy = self._random.random() < 0.5
        levels = max(exchange.config.levels, 5)
        if chance < 0.15:
            best = book.best_ask if is_buy else book.best_bid
            if best is not None:
                lots = max(self._size(market) // 4, 1)
                self.order(market, is_buy=is_buy, px=best, lots=lots, take=True)
        elif mine and (len(mine) > min(2 * levels, MAX_ORDERS) or chance < 0.5):
            exchange.cancel(self._random.choice(mine))
            exchange.settle()
        else:
            self._quote(market, is_buy=is_buy, distance=self._random.randint(1, levels))
