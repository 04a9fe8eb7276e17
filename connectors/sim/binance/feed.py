"""Market data of one symbol: book mirror with update ids, trades, candles, prices.

A feed is told what the matching engine did and answers what streams and REST ask for. It knows
no sockets and no timers: `Market` decides when something is published.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from ..book import Book
from ..engine_order import Side
from .candles import DAY_MS, KEPT, Candle, DayStats, Series, ValueOf, history
from .symbols import Contract
from .types import Product, fixed_text

__all__ = ["AggTrade", "BookView", "Diff", "Feed", "Trade"]

UNDO_DEPTH = 20_000  # level changes a past book can be asked for
KEPT_TRADES = 1_000  # the largest `limit` of a trades request
RPI_SPREAD = 3  # levels from the touch that may carry price improvement orders


@dataclass(frozen=True, slots=True)
class Trade:
    trade_id: int
    price: int
    lots: int
    ts_ms: int
    buyer_is_maker: bool


@dataclass(slots=True)
class AggTrade:
    """Fills in a row at one price with one taker side within 100 ms."""

    agg_id: int
    price: int
    lots: int
    first_id: int
    last_id: int
    ts_ms: int
    buyer_is_maker: bool


@dataclass(frozen=True, slots=True)
class BookView:
    """A book as of one update id, best levels first, in engine units."""

    update_id: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


class Diff:
    """Level changes since the last event of one diff stream."""

    __slots__ = ("asks", "bids", "first_id", "previous_id")

    def __init__(self, previous_id: int) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.first_id = 0
        self.previous_id = previous_id

    def note(self, side: int, price: int, lots: int, update_id: int) -> None:
        if not self.first_id:
            self.first_id = update_id
        (self.bids if side > 0 else self.asks)[price] = lots

    def take(
        self, update_id: int
    ) -> tuple[tuple[int, int, int], list[tuple[int, int]], list[tuple[int, int]]] | None:
        """Return (U, u, pu), bids and asks of the next event and start anew; None if empty."""
        if not self.first_id:
            return None
        ids = (self.first_id, update_id, self.previous_id)
        bids = sorted(self.bids.items(), reverse=True)
        asks = sorted(self.asks.items())
        self.bids, self.asks, self.first_id, self.previous_id = {}, {}, 0, update_id
        return ids, bids, asks


class Feed:
    """Everything public about one contract. Prices and sizes are engine units.

    Parameters
    ----------
    book
        The matching engine's book of the symbol.
    first_trade_id
        Id the engine gives to the first trade.
    """

    __slots__ = (
        "_agg_id", "_best", "_cached_day", "_first_trade_id", "_history", "_open_agg",
        "_partial_ids", "_random", "_rpi", "_seed", "_start_ms", "_tick", "_told_trade", "_undo",
        "aggs",
        "book", "changed_ms", "contract", "diffs", "funding_e8", "index_e8", "kept_from",
        "mark_e8", "name",
        "next_funding_ms", "pending_aggs", "pending_trades", "rules", "sampled", "series",
        "sides", "step_units", "trades", "update_id", "value_of",
    )  # fmt: skip

    def __init__(
        self, contract: Contract, book: Book, *, seed: int, now_ms: int, first_trade_id: int
    ) -> None:
        rules = contract.rules
        self.contract = contract
        self.rules = rules
        self.book = book
        self.name = rules.symbol.lower()
        self._seed = f"binance-sim/{seed}/{rules.symbol}"
        self._random = random.Random(f"{self._seed}/feed")
        self._start_ms = now_ms
        self._first_trade_id = first_trade_id

        self.sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
        self.update_id = first_trade_id * 3 + self._random.randrange(1_000)
        self.kept_from = self.update_id
        self._undo: deque[tuple[int, int, int, int]] = deque(maxlen=UNDO_DEPTH)
        self.changed_ms = now_ms
        self.diffs: dict[int, Diff] = {}
        self._best = (0, 0, 0, 0)
        self._partial_ids: dict[str, int] = {}
        self._told_trade: dict[str, int] = {}
        self._rpi: dict[int, dict[int, int]] = {1: {}, -1: {}}

        self.trades: deque[Trade] = deque(maxlen=KEPT_TRADES)
        self.pending_trades: list[Trade] = []
        self.aggs: deque[AggTrade] = deque(maxlen=KEPT_TRADES)
        self.pending_aggs: list[AggTrade] = []
        self._open_agg: AggTrade | None = None
        self._agg_id = first_trade_id // 2

        self._tick = (Decimal(0), 1)
        self.step_units = rules.qty_units(rules.step_size) or 1
        start = rules.price_units(contract.start_price)
        assert start is not None
        contract_size = int(rules.contract_size) if rules.inverse else None
        self.value_of = ValueOf(rules.price_precision, rules.quantity_precision, contract_size)
        self.series: dict[str, Series] = {"1m": Series("1m", now_ms, start)}
        self.sampled: dict[tuple[str, str], Series] = {}
        self._history: dict[str, list[Candle]] = {}
        self._cached_day: tuple[int, list[Candle]] | None = None

        self.index_e8 = self.mark_e8 = self.e8(start)
        self.funding_e8 = 10_000
        self.next_funding_ms = 0

    # -- plain facts -----------------------------------------------------------------------

    @property
    def usdm(self) -> bool:
        return self.rules.product is Product.USDM

    @property
    def perpetual(self) -> bool:
        return self.contract.perpetual

    @property
    def tick_units(self) -> int:
        """Engine units of a tick, which may change while the market runs (BN-M-42)."""
        tick = self.rules.tick_size
        if tick is not self._tick[0]:
            self._tick = (tick, self.rules.price_units(tick) or 1)
        return self._tick[1]

    @property
    def funding_text(self) -> str:
        return fixed_text(self.funding_e8, 8)

    @property
    def last_price(self) -> int:
        return self.series["1m"].live.close

    def e8(self, price_units: int) -> int:
        return price_units * int(10 ** (8 - self.rules.price_precision))

    def value_text(self, value: int) -> str:
        return fixed_text(value, self.value_of.decimals)

    # -- what the engine did ---------------------------------------------------------------

    def on_level(self, side: int, price: int, lots: int, ts_ms: int) -> None:
        levels = self.sides[side]
        before = levels.get(price, 0)
        # One id per change, with holes: ids count what happens in the whole venue (BN-B-12).
        self.update_id = update_id = self.update_id + 1 + self._random.getrandbits(2)
        if len(self._undo) == UNDO_DEPTH:
            self.kept_from = self._undo[0][0]
        self._undo.append((update_id, side, price, before))
        if lots:
            levels[price] = lots
        else:
            levels.pop(price, None)
        self.changed_ms = ts_ms
        for diff in self.diffs.values():
            diff.note(side, price, lots, update_id)

    def on_fill(
        self, price: int, lots: int, trade_id: int, ts_ms: int, *, buyer_is_maker: bool
    ) -> None:
        item = Trade(trade_id, price, lots, ts_ms, buyer_is_maker)
        self.trades.append(item)
        self.pending_trades.append(item)
        agg = self._open_agg
        if agg is not None and agg.price == price and agg.buyer_is_maker == buyer_is_maker:
            agg.lots += lots
            agg.last_id = trade_id
        else:
            self.close_agg()
            self._agg_id += 1
            self._open_agg = AggTrade(
                self._agg_id, price, lots, trade_id, trade_id, ts_ms, buyer_is_maker
            )
        value = self.value_of(price, lots)
        for series in self.series.values():
            series.add(price, lots, value, trade_id, ts_ms, taker_buys=not buyer_is_maker)

    def close_agg(self) -> None:
        if self._open_agg is not None:
            self.pending_aggs.append(self._open_agg)
            self._open_agg = None

    def take_aggs(self) -> list[AggTrade]:
        """End the 100 ms window: return its aggregate trades and make them known to REST."""
        self.close_agg()
        taken, self.pending_aggs = self.pending_aggs, []
        self.aggs.extend(taken)
        return taken

    def traded_since(self, stream: str) -> bool:
        """Whether there was a trade since the last call for this all-market stream."""
        last_id = self.trades[-1].trade_id if self.trades else 0
        before = self._told_trade.get(stream)
        self._told_trade[stream] = last_id
        return before != last_id

    def take_trades(self) -> list[Trade]:
        taken, self.pending_trades = self.pending_trades, []
        return taken

    # -- book ------------------------------------------------------------------------------

    def refresh_best(self) -> bool:
        """Read the top of the book; return whether it changed since the last call."""
        bid, ask = self.book.best_bid, self.book.best_ask
        best = (
            bid or 0,
            self.sides[1].get(bid, 0) if bid is not None else 0,
            ask or 0,
            self.sides[-1].get(ask, 0) if ask is not None else 0,
        )
        if best == self._best:
            return False
        self._best = best
        return True

    @property
    def best(self) -> tuple[int, int, int, int]:
        """Best bid, its size, best ask, its size; zeros for an empty side."""
        return self._best

    def best_texts(self) -> tuple[str, str, str, str]:
        bid, bid_lots, ask, ask_lots = self._best
        price, qty = self.rules.price_text, self.rules.qty_text
        return price(bid), qty(bid_lots), price(ask), qty(ask_lots)

    def take_partial_ids(self, stream: str) -> tuple[int, int, int] | None:
        """Return U, u and pu of a partial depth event; None if nothing changed since its last.

        The first event tells the book as it stands.
        """
        previous_id = self._partial_ids.get(stream, self.update_id - 1)
        if previous_id == self.update_id:
            return None
        self._partial_ids[stream] = self.update_id
        return previous_id + 1, self.update_id, previous_id

    def view(self, limit: int | None = None) -> BookView:
        return BookView(self.update_id, self.book.bids(limit), self.book.asks(limit))

    def view_at(self, update_id: int) -> BookView | None:
        """Return the book as it was at an update id, None if that is too old or not yet.

        Ids between two changes give the book after the earlier one.
        """
        if not self.kept_from <= update_id <= self.update_id:
            return None
        bids, asks = dict(self.sides[1]), dict(self.sides[-1])
        for changed_id, side, price, before in reversed(self._undo):
            if changed_id <= update_id:
                break
            levels = bids if side > 0 else asks
            if before:
                levels[price] = before
            else:
                levels.pop(price, None)
        return BookView(update_id, sorted(bids.items(), reverse=True), sorted(asks.items()))

    def older_id(self, changes: int) -> int:
        """Return the update id `changes` level changes ago, or the oldest one kept."""
        if len(self._undo) < changes + 1:
            return self.kept_from
        return self._undo[-changes - 1][0]

    def restart_ids(self, update_id: int) -> None:
        """Let the ids go on from another number, as after an incident at the venue (BN-M-33)."""
        self.update_id = update_id
        self.kept_from = update_id
        self._undo.clear()
        for diff in self.diffs.values():
            diff.previous_id = update_id
            if diff.first_id:
                diff.first_id = update_id

    def move_rpi(self) -> tuple[dict[int, int], dict[int, int]]:
        """Shift the price improvement orders; return the prices they left or reached, by side.

        They exist only in the rpiDepth view: on top of the ordinary sizes near the touch
        (BN-F-09), never inside the spread.
        """
        touched: list[dict[int, int]] = []
        for side, levels in ((Side.BUY, self.book.bids(8)), (Side.SELL, self.book.asks(8))):
            old = self._rpi[side]
            top = levels[:RPI_SPREAD]
            new = {
                price: self._random.randrange(1, 2 + lots // 4)
                for price, lots in top
                if self._random.random() < 0.7
            }
            self._rpi[side] = new
            touched.append({price: self.rpi_lots(side, price) for price in old | new})
        return touched[0], touched[1]

    def rpi_lots(self, side: int, price: int) -> int:
        return self.sides[side].get(price, 0) + self._rpi[side].get(price, 0)

    # -- candles ---------------------------------------------------------------------------

    def series_of(self, interval: str) -> Series:
        """Return the candles of an interval, made from the one-minute ones when first asked."""
        series = self.series.get(interval)
        if series is None:
            minutes = self.series["1m"]
            first = minutes.closed[0] if minutes.closed else minutes.live
            series = Series(interval, self._start_ms, first.open)
            if interval == "1s":
                series = Series(interval, minutes.live.open_ms, self.last_price)
            else:
                for candle in (*minutes.closed, minutes.live):
                    series.merge(candle)
            self.series[interval] = series
        return series

    def candles(self, interval: str, count: int, now_ms: int) -> list[Candle]:
        """Return up to `count` candles, newest first; made-up ones from before the start."""
        series = self.series_of(interval)
        series.roll(now_ms)
        found = list(islice(series.latest(), count))
        if len(found) < count and len(series.closed) < KEPT:
            found += self._past(series, count - len(found))
        return found

    def _past(self, series: Series, count: int) -> list[Candle]:
        made = self._history.get(series.interval)
        if made is None or len(made) < count:
            start = self.rules.price_units(self.contract.start_price) or 1
            source = history(series, start, self.tick_units, self.step_units,
                             self._first_trade_id, f"{self._seed}/{series.interval}",
                             self.value_of)  # fmt: skip
            made = list(islice(source, max(count, 24)))
            self._history[series.interval] = made
        return made[:count]

    def day(self, now_ms: int) -> DayStats:
        """Return the statistics of the last 24 hours."""
        minutes = self.series["1m"]
        minutes.roll(now_ms)
        live = minutes.live
        if self._cached_day is None or self._cached_day[0] != live.open_ms:
            self._cached_day = (live.open_ms, self._closed_day(live.open_ms))
        candles = [*self._cached_day[1], live]
        lots = sum(candle.lots for candle in candles)
        value = sum(candle.value for candle in candles)
        first = candles[0]
        return DayStats(
            open_ms=first.open_ms,
            close_ms=now_ms,
            open=first.open,
            high=max(candle.high for candle in candles),
            low=min(candle.low for candle in candles),
            close=live.close,
            lots=lots,
            value=value,
            trades=sum(candle.trades for candle in candles),
            first_id=next((c.first_id for c in candles if c.trades), -1),
            last_id=next((c.last_id for c in reversed(candles) if c.trades), -1),
            last_lots=self.trades[-1].lots if self.trades else self.step_units,
            average=sum(c.close * c.lots for c in candles) // lots if lots else live.close,
        )

    def _closed_day(self, now_ms: int) -> list[Candle]:
        """Return one candle per part of the last day: what is older than the start by the hour.

        Closed minutes of this run are folded into one candle, so that a ticker stays cheap.
        """
        since = now_ms - DAY_MS
        hours = [c for c in self._past(self.series_of("1h"), 24) if c.open_ms >= since]
        minutes = [c for c in self.series["1m"].closed if c.open_ms >= since]
        folded: list[Candle] = []
        if minutes:
            whole = Candle(minutes[0].open_ms, minutes[-1].close_ms, minutes[0].open,
                           minutes[0].open, minutes[0].open, minutes[0].open)  # fmt: skip
            for candle in minutes:
                whole.merge(candle)
            folded.append(whole)
        return [*reversed(hours), *folded]
