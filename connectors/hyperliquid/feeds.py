"""What a data client can be asked for; how it gets it is in `data`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from .._speedups.book import ChainedBook
from .._speedups.events import EventKind
from .._speedups.hyperliquid import AssetContext
from ..data.client import ChannelClient, EmptySideCallback
from ..data.dispatch import EVERY_SYMBOL, Consumer
from ..data.feeds import check_callback, iterate
from ..data.market import best_levels, index_price_of
from ..data.trades import NewTrades
from ..errors import ClientError, Unsupported
from ..model import (
    Bar,
    BookUpdate,
    EventFeed,
    IndexPrice,
    Instrument,
    Liquidation,
    MarkPrice,
    Quote,
    Subscription,
    Ticker,
    Trade,
)
from ..net.stream import Overflow
from .channels import INTERVALS, Channel, ChannelKind
from .instruments import is_spot
from .public_stream import PublicStream

__all__ = ["BOOK_DEPTH", "FAST_DEPTH", "MarketFeeds"]

BOOK_DEPTH, FAST_DEPTH = 20, 5
# Contexts of every market, each about 14 s.
WHOLE_MARKET = (Channel(ChannelKind.ALL_CONTEXTS), Channel(ChannelKind.SPOT_CONTEXTS))

StatsCallback = Callable[[AssetContext], object]
MidsCallback = Callable[[Mapping[str, Decimal]], object]
PricesCallback = Callable[[Mapping[str, tuple[Decimal | None, Decimal | None]]], object]


def _time(trade: Trade) -> int:
    return trade.ts_event


def _trade_key(trade: Trade) -> tuple[int, int]:
    return trade.ts_event, trade.trade_id


class MarketFeeds(ChannelClient[PublicStream]):
    """The subscriptions and iterations of `DataClient`.

    `instrument` is our id (`BTC-PERP`, `xyz:TSLA-PERP`, `HYPE/USDC-SPOT`), the venue's coin (`BTC`,
    `@107`) or an `Instrument`; None, where a method takes it, means every market that is loaded.
    All raise `ClientError` for an instrument that is not known or a wrong argument, and
    `Unsupported` for what the venue does not offer.
    """

    # ---- what the client provides -------------------------------------------------------------

    @abstractmethod
    def _add_book(
        self, instrument: Instrument, channel: Channel, callback: Callable[[ChainedBook], object]
    ) -> Subscription:
        """Begin to keep a book."""

    @abstractmethod
    def _add_data(
        self, label: str, channel: Channel, callback: Callable[[Any], object]
    ) -> Subscription:
        """Begin to deliver what a channel brings that has no place in the router."""

    # ---- quotes and trades --------------------------------------------------------------------

    def subscribe_quotes(
        self,
        instrument: Instrument | str,
        callback: Callable[[Quote], object],
        *,
        on_empty_side: EmptySideCallback | None = None,
    ) -> Subscription:
        """Deliver the best bid and ask, once per block in which one changes (about 70 ms).

        While a side of the book is empty there is no quote: `on_empty_side(instrument, has_bid,
        has_ask)` is called instead, and whoever remembers the last quote should forget it.
        """
        found = self.instrument(instrument)
        channel = Channel(ChannelKind.BBO, found.symbol)
        return self._add_quotes(found, channel, callback, on_empty_side)

    def subscribe_trades(
        self,
        instrument: Instrument | str,
        callback: Callable[[Trade], object],
        *,
        include_history: bool = False,
    ) -> Subscription:
        """Deliver trades, each once, oldest first as far as the venue sends them so.

        The venue begins with trades of the last seconds: they are delivered (flag HISTORY) with
        `include_history`, and otherwise only those that fill the gap after a reconnect. A gap that
        neither they nor the venue's list of recent trades reach over is told as `DataDropped`.
        """
        found = self.instrument(instrument)
        # Ids are hashes: only time orders trades.
        new = NewTrades(include_history=include_history, rank=_time, key=_trade_key)
        return self._add_trades(found, Channel(ChannelKind.TRADES, found.symbol), callback, new)

    def subscribe_liquidations(
        self, instrument: Instrument | str | None, callback: Callable[[Liquidation], object]
    ) -> Subscription:
        """Raise `Unsupported`: the venue's public trades do not say which were liquidations."""
        raise Unsupported("the venue does not tell which public trades were liquidations")

    # ---- books --------------------------------------------------------------------------------

    def subscribe_book(
        self,
        instrument: Instrument | str,
        callback: Callable[[ChainedBook], object],
        *,
        fast: bool = False,
        figures: int | None = None,
        mantissa: int | None = None,
    ) -> Subscription:
        """Keep a local book and show it whenever the venue sends it, whole.

        Twenty levels a side about every five seconds, or with `fast` five levels ten times as
        often; for the best prices as they change use quotes. `figures` (2 to 5) and `mantissa` (1,
        2 or 5, with 5 figures) ask for coarser levels. The callback gets the book itself: look at
        `live` before you use it elsewhere. A lost connection, a crossed book or one off the grid
        makes it invalid (`BookStatus`) until the next one comes.
        """
        found, channel = self._book_channel(instrument, fast, figures, mantissa)
        check_callback(callback)
        return self._add_book(found, channel, callback)

    def subscribe_book_deltas(
        self,
        instrument: Instrument | str,
        callback: Callable[[BookUpdate], object],
        *,
        fast: bool = False,
    ) -> Subscription:
        """Deliver the book as it comes: the venue sends no changes, each update is a snapshot."""
        found, channel = self._book_channel(instrument, fast, None, None)
        consumer = self._consumer(EventKind.BOOK_SNAPSHOT, self._number(found), callback)
        return self._add(f"book deltas {found.id}", (channel,), consumer)

    def subscribe_book_snapshots(
        self,
        instrument: Instrument | str,
        callback: Callable[[BookUpdate], object],
        *,
        levels: int = BOOK_DEPTH,
        fast: bool = False,
    ) -> Subscription:
        """Deliver the best `levels` of each side: up to 20, with `fast` up to 5."""
        found, channel = self._book_channel(instrument, fast, None, None)
        check_callback(callback)
        most = FAST_DEPTH if fast else BOOK_DEPTH
        if levels < 1:
            raise ClientError(f"levels must be at least 1, got {levels}")

        def show(update: BookUpdate) -> None:
            callback(update if levels >= most else best_levels(update, levels))

        consumer = Consumer(EventKind.BOOK_SNAPSHOT, self._number(found), show)
        return self._add(f"book snapshots {found.id}", (channel,), consumer)

    # ---- bars ---------------------------------------------------------------------------------

    def subscribe_candles(
        self,
        instrument: Instrument | str,
        interval: str,
        callback: Callable[[Bar], object],
        *,
        closed_only: bool = True,
        source: str = "trade",
    ) -> Subscription:
        """Deliver bars: each closed one once, or with `closed_only=False` every update too.

        A bar is closed when the next one opens. One whose end was missed while the connection was
        down is reported as `DataDropped`. Bars come from trades only.
        """
        if source != "trade":
            raise Unsupported(f"the venue makes bars from trades, not from {source!r}")
        found = self.instrument(instrument)
        return self._add_bars(
            found,
            Channel.candles(found.symbol, interval),
            interval,
            callback,
            interval_s=INTERVALS[interval],
            closed_only=closed_only,
        )

    # ---- prices -------------------------------------------------------------------------------

    def subscribe_mark_price(
        self, instrument: Instrument | str | None, callback: Callable[[MarkPrice], object]
    ) -> Subscription:
        """Deliver mark price, oracle price (`index`) and funding rate, about once a second.

        Of all markets (None) about every 14 s. The rate is that of the current hour. Spot pairs
        have a mark price only.
        """
        label, channels, number = self._context_target("mark price", instrument)
        return self._add(label, channels, self._consumer(EventKind.MARK_PRICE, number, callback))

    def subscribe_index_price(
        self, instrument: Instrument | str, callback: Callable[[IndexPrice], object]
    ) -> Subscription:
        """Deliver the oracle price of a perpetual."""
        found, number = self._numbered(instrument)
        if is_spot(found):
            raise Unsupported(f"{found.id} is a spot pair: it has no oracle price")
        consumer = Consumer(EventKind.MARK_PRICE, number, index_price_of(callback))
        channel = Channel(ChannelKind.CONTEXT, found.symbol)
        return self._add(f"index price {found.id}", (channel,), consumer)

    def subscribe_tickers(
        self, instrument: Instrument | str | None, callback: Callable[[Ticker], object]
    ) -> Subscription:
        """Deliver statistics of the day: volumes and the price a day ago, as far as they go."""
        label, channels, number = self._context_target("tickers", instrument)
        return self._add(label, channels, self._consumer(EventKind.TICKER, number, callback))

    def subscribe_market_stats(
        self, instrument: Instrument | str | None, callback: StatsCallback
    ) -> Subscription:
        """Deliver all the venue says about a market at once: prices, open interest, funding."""
        check_callback(callback)
        label, channels, number = self._context_target("market stats", instrument)
        return self._listen(label, channels, self._stats, number, callback)

    def subscribe_mids(self, callback: MidsCallback, *, dex: str = "") -> Subscription:
        """Deliver middle prices by id of the instrument; of the first dex with those of spot."""
        check_callback(callback)
        return self._add_data(f"mids {dex}".rstrip(), Channel(ChannelKind.MIDS, dex=dex), callback)

    def subscribe_fast_prices(self, callback: PricesCallback) -> Subscription:
        """Deliver `(mark, mid)` of every market by id of the instrument."""
        check_callback(callback)
        return self._add_data("fast prices", Channel(ChannelKind.FAST_CONTEXTS), callback)

    def subscribe_outcomes(self, callback: Callable[[Any], object]) -> Subscription:
        """Deliver changes of prediction markets, as the venue's own objects."""
        check_callback(callback)
        return self._add_data("outcomes", Channel(ChannelKind.OUTCOMES), callback)

    # ---- iterated over ------------------------------------------------------------------------

    def market_stats(
        self,
        instrument: Instrument | str | None,
        *,
        capacity: int = 4096,
        overflow: Overflow = Overflow.DROP_OLDEST,
    ) -> EventFeed[AssetContext]:
        """Iterate over `subscribe_market_stats`."""
        return iterate(self.subscribe_market_stats, capacity, overflow, instrument)

    def mids(
        self,
        *,
        dex: str = "",
        capacity: int = 64,
        overflow: Overflow = Overflow.DROP_OLDEST,
    ) -> EventFeed[Mapping[str, Decimal]]:
        """Iterate over `subscribe_mids`."""
        return iterate(self.subscribe_mids, capacity, overflow, dex=dex)

    # ---- helpers ------------------------------------------------------------------------------

    def _book_channel(
        self, instrument: Instrument | str, fast: bool, figures: int | None, mantissa: int | None
    ) -> tuple[Instrument, Channel]:
        found = self.instrument(instrument)
        return found, Channel.book(found.symbol, fast=fast, figures=figures, mantissa=mantissa)

    def _context_target(
        self, what: str, instrument: Instrument | str | None
    ) -> tuple[str, tuple[Channel, ...], int]:
        if instrument is None:
            return f"{what} of all", WHOLE_MARKET, EVERY_SYMBOL
        found, number = self._numbered(instrument)
        return f"{what} {found.id}", (Channel(ChannelKind.CONTEXT, found.symbol),), number
