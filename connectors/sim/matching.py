"""Price-time priority matching engine shared by the venue simulators.

Synchronous, deterministic and integer only: prices are ticks, sizes are lots, time is the
`clock_ns` handed in. The engine knows nothing of accounts, margin or wire formats; what happens
is told to one `EngineListener`, in this order for one incoming order:

    refused on entry        on_done(order, reason)
    accepted                on_accepted(order)
      each match            on_fill(fill), then on_done(maker, FILLED) when the maker is used up
      each level touched    on_level(...), once, after the fills at that price
      remainder rests       on_level(...) of its own side
      order ended           on_done(order, reason)

The book already shows the new state when a callback runs. A listener must not call back into the
engine (`RuntimeError`): it queues what it wants to do and does it after the call returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import NamedTuple

from .book import Book, Level
from .engine_order import DoneReason, EngineOrder, SelfTrade, Side, TimeInForce

__all__ = ["EngineFill", "EngineListener", "ListenerGroup", "MatchingEngine"]


class EngineFill(NamedTuple):
    """One trade of two orders; their `filled_lots` already include it."""

    market: str
    taker: EngineOrder
    maker: EngineOrder
    price_ticks: int
    size_lots: int
    trade_id: int
    ts_ns: int


class EngineListener:
    """What the engine tells the outside. Subclass it: callbacks not overridden do nothing."""

    def on_accepted(self, order: EngineOrder) -> None:
        """The order passed its entry checks; matching starts after this."""

    def on_replaced(self, order: EngineOrder) -> None:
        """Price and size were changed; matching at the new price starts after this."""

    def on_fill(self, fill: EngineFill) -> None:
        """Two orders traded."""

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

    def on_fill(self, fill: EngineFill) -> None:
        for listener in self.listeners:
            listener.on_fill(fill)

    def on_done(self, order: EngineOrder, reason: DoneReason) -> None:
        for listener in self.listeners:
            listener.on_done(order, reason)

    def on_level(self, market: str, side: Side, price_ticks: int, size_lots: int) -> None:
        for listener in self.listeners:
            listener.on_level(market, side, price_ticks, size_lots)


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
        if order.done_reason is not None or order.filled_lots or order.order_id in book:
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
        ladder = book.ladders[taker.side.opposite]
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

    def _take_level(self, book: Book, taker: EngineOrder, level: Level) -> None:
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
                    book.unqueue(level, maker)
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
                        book.unqueue(level, maker)
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
                book.unqueue(level, maker)
            trade_id = self.next_trade_id(market)
            listener.on_fill(
                EngineFill(market, taker, maker, level.price_ticks, size, trade_id, taker.ts_ns)
            )
            if maker_used_up:
                self._end(maker, DoneReason.FILLED)

    def _fillable(self, book: Book, order: EngineOrder) -> bool:
        """Whether the whole order would trade at once, counting only what it may trade with.

        Orders of one owner share that owner's reduce-only allowance, so several reduce-only
        orders are never counted beyond it (counting too little only refuses, never breaks FOK).
        """
        wanted = order.size_lots
        used: dict[str | None, int] = {}
        for level in book.ladders[order.side.opposite].best_first():
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
        level = book.queue(order)
        if order.time_in_force is TimeInForce.GTD and order.expire_ns is not None:
            heappush(self._expiries, (order.expire_ns, order.order_id, order.market))
        self._listener.on_level(book.market, order.side, level.price_ticks, level.size_lots)

    def _remove(self, book: Book, order: EngineOrder) -> None:
        """Take a resting order out of its level and report the level."""
        level = book.remove(order)
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
