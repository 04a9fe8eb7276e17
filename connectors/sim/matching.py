"""Price-time priority matching engine shared by the venue simulators.

Synchronous, deterministic and integer only: prices are ticks, sizes are lots, time is the
`clock_ns` handed in. The engine knows nothing of accounts, margin or wire formats; what happens
is told to one `EngineListener`, in this order for one incoming order:

    refused on entry        on_done(order, reason)
    accepted                on_accepted(order)
      each match            on_fill(...), then on_done(maker, FILLED) when the maker is used up
      each level touched    on_level(...), once, after the fills at that price
      remainder rests       on_level(...) of its own side
      order ended           on_done(order, reason)

The book already shows the new state when a callback runs. A listener must not call back into the
engine (`RuntimeError`): it queues what it wants to do and does it after the call returned.
"""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

__all__ = [
    "Book",
    "DoneReason",
    "EngineListener",
    "EngineOrder",
    "ListenerGroup",
    "MatchingEngine",
    "SelfTrade",
    "Side",
    "TimeInForce",
]


class Side(enum.IntEnum):
    """Side of an order; the value is the sign of the position change it causes."""

    BUY = 1
    SELL = -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class TimeInForce(enum.Enum):
    """How long an order may live. Post-only is a flag of the order, not a time in force."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTD = "GTD"


class SelfTrade(enum.Enum):
    """What happens when an order meets one of the same owner; the taker's mode decides."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"


class DoneReason(enum.Enum):
    """Why an order is no longer live."""

    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"  # good-till date reached
    IOC_REMAINDER = "ioc_remainder"
    FOK_UNFILLABLE = "fok_unfillable"
    POST_ONLY_WOULD_TAKE = "post_only_would_take"
    SELF_TRADE = "self_trade"
    REDUCE_ONLY = "reduce_only"
    REPLACED_BELOW_FILLED = "replaced_below_filled"
    LIQUIDATED = "liquidated"
    DELISTED = "delisted"


@dataclass(slots=True, eq=False)
class EngineOrder:
    """One order, mutated by the engine while it lives.

    Parameters
    ----------
    order_id
        Unique in the engine (`MatchingEngine.next_order_id`).
    owner
        Whose order it is, for self-trade prevention; None never meets itself.
    price_ticks
        Limit price. For a market order the protection price, or None for no bound.
    is_market
        Never rests, whatever `time_in_force` says; the remainder ends as IOC_REMAINDER.
    expire_ns
        Good-till date of a GTD order.
    tag
        Anything the caller wants to find again in the callbacks.
    """

    order_id: int
    market: str
    side: Side
    size_lots: int
    price_ticks: int | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    owner: str | None = None
    is_market: bool = False
    post_only: bool = False
    reduce_only: bool = False
    self_trade: SelfTrade = SelfTrade.NONE
    expire_ns: int | None = None
    tag: Any = None
    filled_lots: int = field(default=0, init=False)
    resting: bool = field(default=False, init=False)
    done_reason: DoneReason | None = field(default=None, init=False)
    ts_ns: int = field(default=0, init=False)

    @property
    def open_lots(self) -> int:
        return self.size_lots - self.filled_lots


class EngineListener:
    """What the engine tells the outside. Subclass it: callbacks not overridden do nothing."""

    def on_accepted(self, order: EngineOrder) -> None:
        """The order passed its entry checks; matching starts after this."""

    def on_replaced(self, order: EngineOrder) -> None:
        """Price and size were changed; matching at the new price starts after this."""

    def on_fill(
        self,
        market: str,
        taker: EngineOrder,
        maker: EngineOrder,
        price_ticks: int,
        size_lots: int,
        trade_id: int,
        ts_ns: int,
    ) -> None:
        """Two orders traded; their `filled_lots` already include this fill."""

    def on_done(self, order: EngineOrder, reason: DoneReason) -> None:
        """The order ended. Without an `on_accepted` before it was refused on entry."""

    def on_level(self, market: str, side: Side, price_ticks: int, size_lots: int) -> None:
        """A price level has a new absolute size; 0 means it is gone."""


class ListenerGroup(EngineListener):
    """Pass every callback on to several listeners, in order."""

    def __init__(self, listeners: Iterable[EngineListener] = ()) -> None:
        self.listeners = list(listeners)

    def on_accepted(self, order: EngineOrder) -> None:
        for listener in self.listeners:
            listener.on_accepted(order)

    def on_replaced(self, order: EngineOrder) -> None:
        for listener in self.listeners:
            listener.on_replaced(order)

    def on_fill(
        self,
        market: str,
        taker: EngineOrder,
        maker: EngineOrder,
        price_ticks: int,
        size_lots: int,
        trade_id: int,
        ts_ns: int,
    ) -> None:
        for listener in self.listeners:
            listener.on_fill(market, taker, maker, price_ticks, size_lots, trade_id, ts_ns)

    def on_done(self, order: EngineOrder, reason: DoneReason) -> None:
        for listener in self.listeners:
            listener.on_done(order, reason)

    def on_level(self, market: str, side: Side, price_ticks: int, size_lots: int) -> None:
        for listener in self.listeners:
            listener.on_level(market, side, price_ticks, size_lots)


class _Level:
    """All orders at one price, oldest first, and the sum of what is open in them."""

    __slots__ = ("orders", "price_ticks", "size_lots")

    def __init__(self, price_ticks: int) -> None:
        self.price_ticks = price_ticks
        self.size_lots = 0
        self.orders: OrderedDict[int, EngineOrder] = OrderedDict()


class _Ladder:
    """One side of a book: levels by price, sorted so that the best price is last."""

    __slots__ = ("keys", "levels", "side")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.keys: list[int] = []  # price * side, ascending: best last on both sides
        self.levels: dict[int, _Level] = {}

    def best(self) -> _Level | None:
        return self.levels[self.keys[-1]] if self.keys else None

    def best_first(self) -> Iterator[_Level]:
        levels = self.levels
        return (levels[key] for key in reversed(self.keys))

    def level(self, price_ticks: int) -> _Level:
        """Return the level at a price, making it if there is none."""
        key = price_ticks * self.side
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = _Level(price_ticks)
            keys = self.keys
            keys.insert(bisect_left(keys, key), key)
        return level

    def find(self, price_ticks: int) -> _Level | None:
        return self.levels.get(price_ticks * self.side)

    def drop(self, level: _Level) -> None:
        key = level.price_ticks * self.side
        del self.levels[key]
        keys = self.keys
        if keys[-1] == key:
            keys.pop()
        else:
            del keys[bisect_left(keys, key)]


class Book:
    """Read access to one market: price levels best first, and the live orders."""

    __slots__ = ("_ladders", "_orders", "market")

    def __init__(self, market: str) -> None:
        self.market = market
        self._ladders = {Side.BUY: _Ladder(Side.BUY), Side.SELL: _Ladder(Side.SELL)}
        self._orders: dict[int, EngineOrder] = {}

    @property
    def best_bid(self) -> int | None:
        level = self._ladders[Side.BUY].best()
        return None if level is None else level.price_ticks

    @property
    def best_ask(self) -> int | None:
        level = self._ladders[Side.SELL].best()
        return None if level is None else level.price_ticks

    def bids(self, depth: int | None = None) -> list[tuple[int, int]]:
        """Return up to `depth` bid levels (price_ticks, size_lots), highest first."""
        return self.levels(Side.BUY, depth)

    def asks(self, depth: int | None = None) -> list[tuple[int, int]]:
        """Return up to `depth` ask levels (price_ticks, size_lots), lowest first."""
        return self.levels(Side.SELL, depth)

    def levels(self, side: Side, depth: int | None = None) -> list[tuple[int, int]]:
        """Return up to `depth` levels (price_ticks, size_lots) of a side, best first."""
        ladder = self._ladders[side]
        keys = ladder.keys if depth is None else ladder.keys[max(len(ladder.keys) - depth, 0) :]
        levels = [ladder.levels[key] for key in reversed(keys)]
        return [(level.price_ticks, level.size_lots) for level in levels]

    def size_at(self, side: Side, price_ticks: int) -> int:
        level = self._ladders[side].find(price_ticks)
        return 0 if level is None else level.size_lots

    def would_take(self, side: Side, price_ticks: int | None) -> bool:
        """Whether a new order of this side at this price (None: any) would trade at once."""
        best = self._ladders[side.opposite].best()
        if best is None:
            return False
        return price_ticks is None or (price_ticks - best.price_ticks) * side >= 0

    def order(self, order_id: int) -> EngineOrder | None:
        return self._orders.get(order_id)

    def orders(self) -> list[EngineOrder]:
        """Return the live orders in the order in which they came to rest."""
        return list(self._orders.values())

    def __len__(self) -> int:
        return len(self._orders)


class MatchingEngine:
    """Match orders of many markets by price, then by time.

    Parameters
    ----------
    listener
        Told everything that happens; see the module's docstring for the order.
    clock_ns
        Simulated wall clock in nanoseconds; read once per command.
    reduce_limit
        The lots a reduce-only order may still trade without opening a position, asked on
        entry and again before each of its fills. Without it reduce-only orders are not limited.
    """

    def __init__(
        self,
        listener: EngineListener,
        clock_ns: Callable[[], int],
        *,
        reduce_limit: Callable[[EngineOrder], int] | None = None,
    ) -> None:
        self._listener = listener
        self._clock_ns = clock_ns
        self.reduce_limit = reduce_limit
        self._books: dict[str, Book] = {}
        self._trade_ids: dict[str, int] = {}
        self._expiries: list[tuple[int, int, str]] = []  # heap of (expire_ns, order_id, market)
        self._last_order_id = 0
        self._busy = False

    # -- markets ---------------------------------------------------------------------------

    def add_market(self, market: str, *, first_trade_id: int = 1) -> Book:
        """Open an empty book. Raises ValueError if the market exists."""
        if market in self._books:
            raise ValueError(f"market {market!r} exists already")
        self._trade_ids[market] = first_trade_id - 1
        book = self._books[market] = Book(market)
        return book

    @property
    def markets(self) -> list[str]:
        return list(self._books)

    def book(self, market: str) -> Book:
        """Return a market's book. Raises KeyError for an unknown market."""
        return self._books[market]

    def best_bid(self, market: str) -> int | None:
        return self._books[market].best_bid

    def best_ask(self, market: str) -> int | None:
        return self._books[market].best_ask

    def next_order_id(self) -> int:
        """Return a new order id; ids grow by one."""
        self._last_order_id += 1
        return self._last_order_id

    def next_trade_id(self, market: str) -> int:
        """Return a new trade id of a market, for a trade made outside the book."""
        trade_id = self._trade_ids[market] = self._trade_ids[market] + 1
        return trade_id

    # -- commands --------------------------------------------------------------------------

    def submit(self, order: EngineOrder) -> None:
        """Match a new order and rest, expire or refuse what is left of it.

        The outcome is told to the listener; afterwards `order.filled_lots`, `order.resting`
        and `order.done_reason` tell it too.

        Raises
        ------
        KeyError
            The market is unknown.
        ValueError
            The order contradicts itself, was submitted before, or its id is in use.
        """
        book = self._books[order.market]
        self._check(book, order)
        with _Turn(self):
            order.ts_ns = self._clock_ns()
            if order.reduce_only and self.reduce_limit is not None:
                limit = self.reduce_limit(order)
                if limit <= 0:
                    self._end(order, DoneReason.REDUCE_ONLY)
                    return
                order.size_lots = min(order.size_lots, limit)
            if order.post_only and book.would_take(order.side, order.price_ticks):
                self._end(order, DoneReason.POST_ONLY_WOULD_TAKE)
                return
            if order.time_in_force is TimeInForce.FOK and not self._fillable(book, order):
                self._end(order, DoneReason.FOK_UNFILLABLE)
                return
            self._listener.on_accepted(order)
            self._match_and_rest(book, order)

    def cancel(self, market: str, order_id: int, reason: DoneReason = DoneReason.CANCELED) -> bool:
        """Take a resting order out of the book; False if there is none with this id."""
        book = self._books[market]
        order = book.order(order_id)
        if order is None:
            return False
        with _Turn(self):
            self._remove(book, order)
            self._end(order, reason)
        return True

    def replace(self, market: str, order_id: int, *, price_ticks: int, size_lots: int) -> bool:
        """Change price and total size of a resting order; it goes to the back of the queue.

        `size_lots` is the new original size, fills included. A size not above what is filled
        ends the order (REPLACED_BELOW_FILLED), and so does a post-only order whose new price
        would trade (POST_ONLY_WOULD_TAKE). Returns False if there is no such order.

        Raises
        ------
        ValueError
            Price or size is not positive.
        """
        book = self._books[market]
        order = book.order(order_id)
        if order is None:
            return False
        if size_lots <= 0 or price_ticks <= 0:
            raise ValueError(f"replace needs positive price and size: {price_ticks}, {size_lots}")
        with _Turn(self):
            order.ts_ns = self._clock_ns()
            self._remove(book, order)
            if size_lots <= order.filled_lots:
                self._end(order, DoneReason.REPLACED_BELOW_FILLED)
            elif order.post_only and book.would_take(order.side, price_ticks):
                self._end(order, DoneReason.POST_ONLY_WOULD_TAKE)
            else:
                order.price_ticks = price_ticks
                order.size_lots = size_lots
                self._listener.on_replaced(order)
                self._match_and_rest(book, order)
        return True

    def expire(self, now_ns: int) -> int:
        """End every GTD order whose date is not after `now_ns`; return how many ended."""
        count = 0
        while self._expiries and self._expiries[0][0] <= now_ns:
            _, order_id, market = heappop(self._expiries)
            if self.cancel(market, order_id, DoneReason.EXPIRED):
                count += 1
        return count

    def next_expiry_ns(self) -> int | None:
        """Return when `expire` has something to look at next, None if never."""
        return self._expiries[0][0] if self._expiries else None

    # -- inner workings --------------------------------------------------------------------

    def _check(self, book: Book, order: EngineOrder) -> None:
        if order.size_lots <= 0:
            raise ValueError(f"size must be positive, was {order.size_lots}")
        if order.price_ticks is None:
            if not order.is_market:
                raise ValueError("a limit order needs a price")
        elif order.price_ticks <= 0:
            raise ValueError(f"price must be positive, was {order.price_ticks}")
        if order.is_market and order.post_only:
            raise ValueError("a market order cannot be post-only")
        if order.time_in_force is TimeInForce.GTD and order.expire_ns is None:
            raise ValueError("a GTD order needs expire_ns")
        if order.done_reason is not None or order.filled_lots or order.order_id in book._orders:
            raise ValueError(f"order {order.order_id} was submitted before")

    def _match_and_rest(self, book: Book, order: EngineOrder) -> None:
        self._take(book, order)
        if order.done_reason is not None:
            return
        if order.open_lots == 0:
            self._end(order, DoneReason.FILLED)
        elif order.is_market or order.time_in_force in _IMMEDIATE:
            self._end(order, DoneReason.IOC_REMAINDER)
        else:
            self._rest(book, order)

    def _take(self, book: Book, taker: EngineOrder) -> None:
        """Trade against the other side while prices cross, best price and oldest order first."""
        ladder = book._ladders[taker.side.opposite]
        limit = taker.price_ticks
        side = int(taker.side)
        while taker.done_reason is None and taker.filled_lots < taker.size_lots:
            level = ladder.best()
            if level is None or (limit is not None and (limit - level.price_ticks) * side < 0):
                return
            size_before = level.size_lots
            self._take_level(book, taker, level)
            if not level.orders:
                ladder.drop(level)
            if level.size_lots != size_before:
                self._listener.on_level(
                    book.market, ladder.side, level.price_ticks, level.size_lots
                )
            if taker.done_reason is not None:
                self._listener.on_done(taker, taker.done_reason)

    def _take_level(self, book: Book, taker: EngineOrder, level: _Level) -> None:
        """Trade with one level. Sets `taker.done_reason`, unreported, if the taker must stop."""
        listener = self._listener
        market = book.market
        while level.orders:
            size = taker.size_lots - taker.filled_lots
            if size == 0:
                return
            maker = next(iter(level.orders.values()))
            if (
                taker.owner is not None
                and taker.owner == maker.owner
                and taker.self_trade is not SelfTrade.NONE
            ):
                if taker.self_trade is not SelfTrade.EXPIRE_TAKER:
                    self._unqueue(book, level, maker)
                    self._end(maker, DoneReason.SELF_TRADE)
                if taker.self_trade is not SelfTrade.EXPIRE_MAKER:
                    taker.done_reason = DoneReason.SELF_TRADE
                    return
                continue
            size = min(size, maker.size_lots - maker.filled_lots)
            if self.reduce_limit is not None:
                if maker.reduce_only:
                    size = min(size, self.reduce_limit(maker))
                    if size <= 0:
                        self._unqueue(book, level, maker)
                        self._end(maker, DoneReason.REDUCE_ONLY)
                        continue
                if taker.reduce_only:
                    size = min(size, self.reduce_limit(taker))
                    if size <= 0:
                        taker.done_reason = DoneReason.REDUCE_ONLY
                        return
            taker.filled_lots += size
            maker.filled_lots += size
            level.size_lots -= size
            maker_used_up = maker.filled_lots == maker.size_lots
            if maker_used_up:
                self._unqueue(book, level, maker)
            trade_id = self.next_trade_id(market)
            listener.on_fill(market, taker, maker, level.price_ticks, size, trade_id, taker.ts_ns)
            if maker_used_up:
                self._end(maker, DoneReason.FILLED)

    def _fillable(self, book: Book, order: EngineOrder) -> bool:
        """Whether the whole order would trade at once, counting only what it may trade with.

        Orders of one owner share that owner's reduce-only allowance, so several reduce-only
        orders are never counted beyond it (counting too little only refuses, never breaks FOK).
        """
        wanted = order.size_lots
        used: dict[str | None, int] = {}
        for level in book._ladders[order.side.opposite].best_first():
            limit = order.price_ticks
            if limit is not None and (limit - level.price_ticks) * order.side < 0:
                break
            if self.reduce_limit is None and order.self_trade is SelfTrade.NONE:
                wanted -= level.size_lots
            else:
                for maker in level.orders.values():
                    if order.owner is not None and order.owner == maker.owner:
                        if order.self_trade is SelfTrade.EXPIRE_MAKER:
                            continue
                        if order.self_trade is not SelfTrade.NONE:
                            return False
                    size = maker.open_lots
                    if maker.reduce_only and self.reduce_limit is not None:
                        size = min(size, self.reduce_limit(maker) - used.get(maker.owner, 0))
                    size = max(size, 0)
                    used[maker.owner] = used.get(maker.owner, 0) + size
                    wanted -= size
                    if wanted <= 0:
                        return True
            if wanted <= 0:
                return True
        return False

    def _rest(self, book: Book, order: EngineOrder) -> None:
        assert order.price_ticks is not None
        level = book._ladders[order.side].level(order.price_ticks)
        level.orders[order.order_id] = order
        level.size_lots += order.open_lots
        book._orders[order.order_id] = order
        order.resting = True
        if order.time_in_force is TimeInForce.GTD and order.expire_ns is not None:
            heappush(self._expiries, (order.expire_ns, order.order_id, order.market))
        self._listener.on_level(book.market, order.side, order.price_ticks, level.size_lots)

    def _unqueue(self, book: Book, level: _Level, order: EngineOrder) -> None:
        del level.orders[order.order_id]
        del book._orders[order.order_id]
        level.size_lots -= order.open_lots
        order.resting = False

    def _remove(self, book: Book, order: EngineOrder) -> None:
        """Take a resting order out of its level and report the level."""
        assert order.price_ticks is not None
        ladder = book._ladders[order.side]
        level = ladder.find(order.price_ticks)
        assert level is not None
        self._unqueue(book, level, order)
        if not level.orders:
            ladder.drop(level)
        self._listener.on_level(book.market, order.side, level.price_ticks, level.size_lots)

    def _end(self, order: EngineOrder, reason: DoneReason) -> None:
        order.done_reason = reason
        self._listener.on_done(order, reason)


_IMMEDIATE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


class _Turn:
    """Refuse commands given from inside a callback: the book is in the middle of a change."""

    __slots__ = ("_engine",)

    def __init__(self, engine: MatchingEngine) -> None:
        self._engine = engine

    def __enter__(self) -> None:
        if self._engine._busy:
            raise RuntimeError("listener called back into the matching engine")
        self._engine._busy = True

    def __exit__(self, *_: object) -> None:
        self._engine._busy = False
