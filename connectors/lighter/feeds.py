"""What a data client can be asked for; how it gets it is in `data`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from .._speedups.book import ChainedBook
from .._speedups.events import EventFlag, EventKind
from .._speedups.lighter import MarketStats
from ..data.client import EmptySideCallback
from ..data.dispatch import EVERY_SYMBOL
from ..data.feeds import check_callback, iterate
from ..data.market import index_price_of
from ..data.resync_client import ResyncClient
from ..data.trades import NewTrades
from ..errors import Unsupported
from ..model import (
    Bar,
    BookUpdate,
    EventFeed,
    IndexPrice,
    Instrument,
    InstrumentKind,
    Liquidation,
    MarkPrice,
    Quote,
    Subscription,
    Ticker,
    Trade,
)
from ..net.stream import Overflow
from .channels import ALL, RESOLUTIONS, Channel, ChannelKind
from .instruments import wire_name
from .public_stream import PublicStream

__all__ = ["MarketFeeds"]

StatsCallback = Callable[[MarketStats], object]


class MarketFeeds(ResyncClient[PublicStream]):
    """The subscriptions and iterations of `DataClient`.

    What holds on every venue stands with `MarketData`. `instrument` is our id (`ETH-PERP`,
    `ETH/USDC-SPOT`), the venue's symbol or an `Instrument`.

    All raise `ClientError` for an instrument that is not known or a wrong argument, and
    `Unsupported` for what the venue does not offer.
    """

    # ---- what the client provides -------------------------------------------------------------

    @abstractmethod
    def _add_height(self, callback: Callable[[int, int], object]) -> Subscription:
        """Begin to tell the block height."""

    # ---- quotes and trades --------------------------------------------------------------------

    def subscribe_quotes(
        self,
        instrument: Instrument | str,
        callback: Callable[[Quote], object],
        *,
        on_empty_side: EmptySideCallback | None = None,
    ) -> Subscription:
        """Deliver the best bid and ask whenever one changes.

        While a side of the book is empty there is no quote: `on_empty_side(instrument, has_bid,
        has_ask)` is called instead, and whoever remembers the last quote should forget it.
        """
        found, _, market = self._target(instrument)
        return self._add_quotes(found, Channel(ChannelKind.TICKER, market), callback, on_empty_side)

    def subscribe_trades(
        self,
        instrument: Instrument | str,
        callback: Callable[[Trade], object],
        *,
        include_history: bool = False,
        include_non_market: bool = False,
    ) -> Subscription:
        """Deliver trades, liquidations among them, each once and oldest first.

        The venue begins with some trades of the past: they are delivered (flag HISTORY) with
        `include_history`, and otherwise only those that fill the gap after a reconnect. Trades
        that were not made in the market (deleveraging, settlement) need `include_non_market`.
        """
        found, _, market = self._target(instrument)
        refused = 0 if include_non_market else EventFlag.NOT_MARKET
        new = NewTrades(include_history=include_history, refused=refused)
        return self._add_trades(found, Channel(ChannelKind.TRADE, market), callback, new)

    def subscribe_liquidations(
        self, instrument: Instrument | str | None, callback: Callable[[Liquidation], object]
    ) -> Subscription:
        """Deliver liquidations: trades by which the venue closed somebody's position."""
        if instrument is None:
            raise Unsupported("the venue streams liquidations by market only")
        found, _, market = self._target(instrument)
        return self._add_liquidations(found, Channel(ChannelKind.TRADE, market), callback)

    # ---- books --------------------------------------------------------------------------------

    def subscribe_book(
        self, instrument: Instrument | str, callback: Callable[[ChainedBook], object]
    ) -> Subscription:
        """Keep a local book and show it after each change, only while it can be trusted.

        A gap, a crossed book, a lost connection or a changed grid makes it invalid at once
        (`BookGap`, `BookStatus`) until the venue has sent a new snapshot. The callback gets the
        book itself: read it there, keep it if you like, and look at `live` before you use it
        elsewhere.
        """
        found = self.instrument(instrument)
        check_callback(callback)
        return self._add_book(found, callback)

    def subscribe_book_deltas(
        self, instrument: Instrument | str, callback: Callable[[BookUpdate], object]
    ) -> Subscription:
        """Deliver the book's updates as they come, about every 50 ms.

        First and after each interruption comes a snapshot (`is_snapshot`), then changes: each
        names in `prev_seq` the `last_seq` of the one before, otherwise something is missing.
        """
        found = self.instrument(instrument)
        check_callback(callback)
        return self._add_deltas(found, callback)

    def subscribe_book_snapshots(
        self,
        instrument: Instrument | str,
        callback: Callable[[BookUpdate], object],
        *,
        levels: int = 20,
    ) -> Subscription:
        """Deliver the best `levels` of each side whenever the book changed.

        The venue has no such channel: they are read off a local book.
        """
        return self._add_snapshots(self.instrument(instrument), callback, levels)

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

        `source` is "trade" or "mark". A bar is closed when the next one opens. One whose end was
        missed while the connection was down, and which the venue does not send again, is reported
        as `DataDropped`.
        """
        if source not in ("trade", "mark"):
            raise Unsupported(f"bars come from trades or mark prices, not from {source!r}")
        found, _, market = self._target(instrument)
        is_mark = source == "mark"
        return self._add_bars(
            found,
            Channel.candles(market, interval, mark=is_mark),
            interval,
            callback,
            interval_s=RESOLUTIONS[interval],
            closed_only=closed_only,
            mark=is_mark,
        )

    # ---- prices -------------------------------------------------------------------------------

    def subscribe_mark_price(
        self, instrument: Instrument | str | None, callback: Callable[[MarkPrice], object]
    ) -> Subscription:
        """Deliver mark price, index price and funding rate of a perpetual, or of all.

        The rate is the venue's current estimate in its own unit, by all appearances percent.
        """
        if instrument is None:
            channel = Channel(ChannelKind.MARKET_STATS, ALL)
            consumer = self._consumer(EventKind.MARK_PRICE, EVERY_SYMBOL, callback)
            return self._add("mark price of all", (channel,), consumer)
        found, number, market = self._target(instrument)
        if found.kind is InstrumentKind.SPOT:
            raise Unsupported(f"{found.id} is a spot market: it has no mark price")
        consumer = self._consumer(EventKind.MARK_PRICE, number, callback)
        channel = Channel(ChannelKind.MARKET_STATS, market)
        return self._add(f"mark price {found.id}", (channel,), consumer)

    def subscribe_index_price(
        self, instrument: Instrument | str, callback: Callable[[IndexPrice], object]
    ) -> Subscription:
        """Deliver the index price under a market."""
        found, number, market = self._target(instrument)
        check_callback(callback)
        if found.kind is InstrumentKind.SPOT:
            consumer = self._consumer(EventKind.INDEX_PRICE, number, callback)
            channel = Channel(ChannelKind.SPOT_MARKET_STATS, market)
        else:
            consumer = self._consumer(EventKind.MARK_PRICE, number, index_price_of(callback))
            channel = Channel(ChannelKind.MARKET_STATS, market)
        return self._add(f"index price {found.id}", (channel,), consumer)

    def subscribe_tickers(
        self, instrument: Instrument | str | None, callback: Callable[[Ticker], object]
    ) -> Subscription:
        """Deliver statistics of the day, of a market or of all."""
        label, channels, number = self._stats_target("tickers", instrument)
        return self._add(label, channels, self._consumer(EventKind.TICKER, number, callback))

    def subscribe_market_stats(
        self, instrument: Instrument | str | None, callback: StatsCallback
    ) -> Subscription:
        """Deliver all the venue says about a market at once: prices, open interest, funding."""
        check_callback(callback)
        label, channels, number = self._stats_target("market stats", instrument)
        return self._listen(label, channels, self._stats, number, callback)

    def subscribe_height(self, callback: Callable[[int, int], object]) -> Subscription:
        """Tell the venue's block height: `callback(height, ts_event)`."""
        check_callback(callback)
        return self._add_height(callback)

    # ---- iterated over ------------------------------------------------------------------------

    def market_stats(
        self,
        instrument: Instrument | str | None,
        *,
        capacity: int = 4096,
        overflow: Overflow = Overflow.DROP_OLDEST,
    ) -> EventFeed[MarketStats]:
        """Iterate over `subscribe_market_stats`."""
        return iterate(self.subscribe_market_stats, capacity, overflow, instrument)

    # ---- helpers ------------------------------------------------------------------------------

    def _target(self, instrument: Instrument | str) -> tuple[Instrument, int, str]:
        """Return the instrument, its dense number and its market as text."""
        found, number = self._numbered(instrument)
        return found, number, wire_name(found)

    def _stats_target(
        self, what: str, instrument: Instrument | str | None
    ) -> tuple[str, tuple[Channel, ...], int]:
        if instrument is None:
            kinds = (ChannelKind.MARKET_STATS, ChannelKind.SPOT_MARKET_STATS)
            return f"{what} of all", tuple(Channel(kind, ALL) for kind in kinds), EVERY_SYMBOL
        found, number, market = self._target(instrument)
        is_spot = found.kind is InstrumentKind.SPOT
        kind = ChannelKind.SPOT_MARKET_STATS if is_spot else ChannelKind.MARKET_STATS
        return f"{what} {found.id}", (Channel(kind, market),), number
