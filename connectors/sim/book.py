"""The order book of one simulated market: price levels on two sides, orders in their queues."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator

from .engine_order import EngineOrder, Side

__all__ = ["Book", "Ladder", "Level"]


class Level:
    """All orders at one price, oldest first, and the sum of what is open in them."""

    __slots__ = ("orders", "price_ticks", "size_lots")

    def __init__(self, price_ticks: int) -> None:
        self.price_ticks = price_ticks
        self.size_lots = 0
        self.orders: OrderedDict[int, EngineOrder] = OrderedDict()


class Ladder:
    """One side of a book: levels by price, sorted so that the best price is last."""

    __slots__ = ("keys", "levels", "side")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.keys: list[int] = []  # price * side, ascending: best last on both sides
        self.levels: dict[int, Level] = {}

    def best(self) -> Level | None:
        return self.levels[self.keys[-1]] if self.keys else None

    def best_first(self) -> Iterator[Level]:
        levels = self.levels
        return (levels[key] for key in reversed(self.keys))

    def level(self, price_ticks: int) -> Level:
        """Return the level at a price, making it if there is none."""
        key = price_ticks * self.side
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = Level(price_ticks)
            keys = self.keys
            keys.insert(bisect_left(keys, key), key)
        return level

    def find(self, price_ticks: int) -> Level | None:
        return self.levels.get(price_ticks * self.side)

    def drop(self, level: Level) -> None:
        key = level.price_ticks * self.side
        del self.levels[key]
        keys = self.keys
        if keys[-1] == key:
            keys.pop()
        else:
            del keys[bisect_left(keys, key)]


class Book:
    """One market: price levels best first, and the live orders.

    Only the matching engine changes it (`queue`, `unqueue`, `remove` and the ladders).
    """

    __slots__ = ("_orders", "ladders", "market")

    def __init__(self, market: str) -> None:
        self.market = market
        self.ladders = {Side.BUY: Ladder(Side.BUY), Side.SELL: Ladder(Side.SELL)}
        self._orders: dict[int, EngineOrder] = {}

    @property
    def best_bid(self) -> int | None:
        level = self.ladders[Side.BUY].best()
        return None if level is None else level.price_ticks

    @property
    def best_ask(self) -> int | None:
        level = self.ladders[Side.SELL].best()
        return None if level is None else level.price_ticks

    def bids(self, depth: int | None = None) -> list[tuple[int, int]]:
        """Return up to `depth` bid levels (price_ticks, size_lots), highest first."""
        return self.levels(Side.BUY, depth)

    def asks(self, depth: int | None = None) -> list[tuple[int, int]]:
        """Return up to `depth` ask levels (price_ticks, size_lots), lowest first."""
        return self.levels(Side.SELL, depth)

    def levels(self, side: Side, depth: int | None = None) -> list[tuple[int, int]]:
        """Return up to `depth` levels (price_ticks, size_lots) of a side, best first."""
        ladder = self.ladders[side]
        keys = ladder.keys if depth is None else ladder.keys[max(len(ladder.keys) - depth, 0) :]
        levels = [ladder.levels[key] for key in reversed(keys)]
        return [(level.price_ticks, level.size_lots) for level in levels]

    def size_at(self, side: Side, price_ticks: int) -> int:
        level = self.ladders[side].find(price_ticks)
        return 0 if level is None else level.size_lots

    def would_take(self, side: Side, price_ticks: int | None) -> bool:
        """Whether a new order of this side at this price (None: any) would trade at once."""
        best = self.ladders[side.opposite].best()
        if best is None:
            return False
        return price_ticks is None or (price_ticks - best.price_ticks) * side >= 0

    def order(self, order_id: int) -> EngineOrder | None:
        return self._orders.get(order_id)

    def orders(self) -> list[EngineOrder]:
        """Return the live orders in the order in which they came to rest."""
        return list(self._orders.values())

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._orders

    def __len__(self) -> int:
        return len(self._orders)

    # -- for the engine --------------------------------------------------------------------

    def queue(self, order: EngineOrder) -> Level:
        """Let an order rest behind the others at its price; return the level."""
        assert order.price_ticks is not None
        level = self.ladders[order.side].level(order.price_ticks)
        level.orders[order.order_id] = order
        level.size_lots += order.open_lots
        self._orders[order.order_id] = order
        order.resting = True
        return level

    def unqueue(self, level: Level, order: EngineOrder) -> None:
        """Take an order out of its level, which stays in the ladder even when it is empty."""
        del level.orders[order.order_id]
        del self._orders[order.order_id]
        level.size_lots -= order.open_lots
        order.resting = False

    def remove(self, order: EngineOrder) -> Level:
        """Take a resting order out, and its level with the last order; return the level."""
        assert order.price_ticks is not None
        ladder = self.ladders[order.side]
        level = ladder.find(order.price_ticks)
        assert level is not None
        self.unqueue(level, order)
        if not level.orders:
            ladder.drop(level)
        return level
