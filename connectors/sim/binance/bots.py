"""Simulated traders: one maker per contract quotes around a wandering fair price and takes too.

Everything goes through the matching engine, as a user's orders do; users trade against these.
"""

from __future__ import annotations

import random

from ..engine_order import EngineOrder, Side, TimeInForce
from ..matching import MatchingEngine
from .feed import Feed

__all__ = ["Maker"]

TAKER_SHARE = 0.12
TIDY_EVERY = 64  # steps between checks that the book is neither thin nor overgrown
PULL_HOME = 0.0002  # per step, towards the start price: keeps long runs inside the filters


class Maker:
    """Quotes and trades one contract.

    Parameters
    ----------
    source
        Random source of this maker alone, so that contracts do not disturb each other.
    levels
        Price levels per side to keep up.
    """

    def __init__(
        self, engine: MatchingEngine, feed: Feed, source: random.Random, *, levels: int
    ) -> None:
        self._engine = engine
        self._feed = feed
        self._random = source
        self._levels = levels
        self._steps = 0
        self._quotes: dict[Side, dict[int, EngineOrder]] = {Side.BUY: {}, Side.SELL: {}}
        start = feed.rules.price_units(feed.contract.start_price)
        assert start is not None
        self._home = start
        self.fair = float(start)
        rules = feed.rules
        unit = rules.contract_size if rules.inverse else feed.contract.start_price
        self._lots_per_worth = 10**rules.quantity_precision / float(unit)

    def fill_book(self) -> None:
        """Quote every level of both sides, some prices left out."""
        tick = self._feed.tick_units
        for side in Side:
            price = int(self.fair) // tick * tick + (tick if side is Side.SELL else -tick)
            while len(self._quotes[side]) < self._levels and price > 0:
                self._quote(side, price)
                price -= side * tick * self._random.choice((1, 1, 1, 2, 3))

    def step(self) -> None:
        """Do one thing: trade, quote, requote or cancel."""
        source, tick, book = self._random, self._feed.tick_units, self._feed.book
        self._steps += 1
        self.fair += source.gauss(0, 0.8) * tick + (self._home - self.fair) * PULL_HOME
        self.fair = max(self.fair, tick * 10.0)
        if self._steps % TIDY_EVERY == 0:
            self._tidy()
        bid, ask = book.best_bid, book.best_ask
        if ask is not None and ask < self.fair - tick:
            self._take(Side.BUY, int(self.fair))
        elif bid is not None and bid > self.fair + tick:
            self._take(Side.SELL, int(self.fair))
        elif source.random() < TAKER_SHARE:
            side = source.choice((Side.BUY, Side.SELL))
            best = ask if side is Side.BUY else bid
            if best is not None:
                self._take(side, best + side * tick * source.randrange(4))
        else:
            self._requote()

    def liquidate(self) -> tuple[str, ...] | None:
        """Trade as the venue does for an account out of margin; return the order as texts."""
        book, rules = self._feed.book, self._feed.rules
        side = self._random.choice((Side.BUY, Side.SELL))
        best = book.best_ask if side is Side.BUY else book.best_bid
        if best is None:
            return None
        order = self._take(side, best + side * self._feed.tick_units * 20)
        if order is None or not order.filled_lots:
            return None
        price = rules.price_text(order.price_ticks or 0)
        average = self._feed.rules.price_text(self._feed.last_price)
        filled = rules.qty_text(order.filled_lots)
        return (
            "BUY" if side is Side.BUY else "SELL", "LIMIT", "IOC",
            rules.qty_text(order.size_lots), price, average,
            "FILLED" if not order.open_lots else "EXPIRED", filled, filled,
        )  # fmt: skip

    # -- inner workings --------------------------------------------------------------------

    def _lots(self) -> int:
        """Return a size: many small ones, a few large, worth about 5 000 in the middle."""
        worth = self._random.lognormvariate(8.5, 1.2)
        step = self._feed.step_units
        return max(int(worth * self._lots_per_worth) // step * step, step)

    def _quote(self, side: Side, price: int) -> None:
        order = EngineOrder(
            self._engine.next_order_id(),
            self._feed.rules.symbol,
            side,
            self._lots(),
            price,
            post_only=True,
        )
        self._engine.submit(order)
        if order.resting:
            self._quotes[side][price] = order

    def _take(self, side: Side, price: int) -> EngineOrder | None:
        tick = self._feed.tick_units
        price = price // tick * tick
        if price <= 0:
            return None
        order = EngineOrder(
            self._engine.next_order_id(),
            self._feed.rules.symbol,
            side,
            self._lots(),
            price,
            TimeInForce.IOC,
        )
        self._engine.submit(order)
        return order

    def _requote(self) -> None:
        source, tick = self._random, self._feed.tick_units
        side = source.choice((Side.BUY, Side.SELL))
        offset = int(source.expovariate(0.18)) * tick
        price = int(self.fair - side * offset) // tick * tick
        if side is Side.SELL:
            price += tick
        if price <= 0:
            return
        quotes = self._quotes[side]
        order = quotes.get(price)
        if order is None or not order.resting:
            self._quote(side, price)
        elif source.random() < 0.5:
            del quotes[price]
            self._engine.cancel(order.market, order.order_id)
        else:
            size = order.filled_lots + self._lots()
            self._engine.replace(order.market, order.order_id, price_ticks=price, size_lots=size)

    def _tidy(self) -> None:
        """Forget quotes that are gone, cancel the farthest ones too many, fill the far end."""
        tick = self._feed.tick_units
        for side in Side:
            quotes = self._quotes[side] = {
                price: order for price, order in self._quotes[side].items() if order.resting
            }
            nearest_first = sorted(quotes, key=lambda price: -price * side)
            for price in nearest_first[self._levels * 5 // 4 :]:
                order = quotes.pop(price)
                self._engine.cancel(order.market, order.order_id)
            far = nearest_first[-1] if nearest_first else int(self.fair) // tick * tick
            for _ in range(self._levels * 3 // 4 - len(quotes)):
                far -= side * tick
                if far > 0:
                    self._quote(side, far)
