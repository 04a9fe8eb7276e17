"""What a data client can be asked for; how it gets it is in `data`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from .._speedups.book import ChainedBook
from .._speedups.events import EventFlag, EventKind
from .._speedups.tops import BookTops
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
    Liquidation,
    MarkPrice,
    Quote,
    Subscription,
    Ticker,
    Trade,
)
from ..net.stream import Overflow
from .channels import RESOLUTIONS, Channel, ChannelKind
from .markets import MarketStats
from .public_stream import PublicStream

__all__ = ["MarketFeeds"]

StatsCallback = Callable[[MarketStats], object]
MARKETS = Channel(ChannelKind.MARKETS)
HEIGHT = Channel(ChannelKind.BLOCK_HEIGHT)


class MarketFeeds(ResyncClient[PublicStream]):
    """The subscriptions and iterations of `DataClient`.

    What holds on every venue stands with `MarketData`. `instrument` is our id (`BTC-USD-PERP`), the
    venue's ticker (`BTC-USD`) or an `Instrument`.

    All raise `ClientError` for an instrument that is not known or a wrong argument, and
    `Unsupported` for what the venue does not offer.
    """

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

        The venue has no such channel: they are read off a local book, and are never crossed.
        While a side is empty there is no quote: `on_empty_side(instrument, has_bid, has_ask)` is
        called instead, and whoever remembers the last quote should forget it.
        """
        check_callback(callback)
        if on_empty_side is not None:
            check_callback(on_empty_side)
        return self._add_book(
            self.instrument(instrument), BookTops(callback, on_empty_side), "quotes"
        )

    def subscribe_trades(
        self,
        instrument: Instrument | str,
        callback: Callable[[Trade], object],
        *,
        include_history: bool = False,
        include_non_market: bool = False,
    ) -> Subscription:
        """Deliver trades, liquidations among them, each once and oldest first.

        The venue begins with up to a thousand trades of the past: they are delivered (flag
        HISTORY) with `include_history`, and otherwise only those that were missed: after a
        reconnect, or, behind newer ones, when frames were lost. Trades that were not made in the
        market (deleveraging) need `include_non_market`.
        """
        found = self.instrument(instrument)
        refused = 0 if include_non_market else EventFlag.NOT_MARKET
        new = NewTrades(include_history=include_history, refused=refused)
        return self._add_trades(found, Channel(ChannelKind.TRADES, found.symbol), callback, new)

    def subscribe_liquidations(
        self, instrument: Instrument | str | None, callback: Callable[[Liquidation], object]
    ) -> Subscription:
        """Deliver liquidations: trades by which the venue closed somebody's position.

        Those that were missed while the connection was down come to `subscribe_trades` only.
        """
        if instrument is None:
            raise Unsupported("the venue streams liquidations by market only")
        found = self.instrument(instrument)
        return self._add_liquidations(found, Channel(ChannelKind.TRADES, found.symbol), callback)

    # ---- books --------------------------------------------------------------------------------

    def subscribe_book(
        self, instrument: Instrument | str, callback: Callable[[ChainedBook], object]
    ) -> Subscription:
        """Keep a local book and show it after each change, only while it can be trusted.

        It is never crossed. A frame that is missing, a lost connection or a changed grid makes it
        invalid at once (`BookStatus`) until the venue has sent a new snapshot. The callback gets
        the book itself: read it there, keep it if you like, and look at `live` before you use it
        elsewhere.
        """
        check_callback(callback)
        return self._add_book(self.instrument(instrument), callback)

    def subscribe_book_deltas(
        self, instrument: Instrument | str, callback: Callable[[BookUpdate], object]
    ) -> Subscription:
        """Deliver the book's updates as the venue sends them: they may cross.

        First and after each interruption comes a snapshot (`is_snapshot`), then changes. Their
        numbers (`last_seq`) grow; those of other topics of the connection lie between them.
        """
        check_callback(callback)
        return self._add_deltas(self.instrument(instrument), callback)

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

        `interval` is `1m`, `5m`, `15m`, `30m`, `1h`, `4h` or `1d`. The venue does not say when a
        bar is closed: that is when a later one opens. Nothing is sent while nobody trades, so a
        bar may be missing, or be closed late. One whose end was missed while the connection was
        down, and which the venue does not send again, is reported as `DataDropped`.
        """
        if source != "trade":
            raise Unsupported(f"the venue makes bars from trades, not from {source!r}")
        found = self.instrument(instrument)
        channel = Channel.candles(found.symbol, interval)
        return self._add_bars(
            found,
            channel,
            interval,
            callback,
            interval_s=RESOLUTIONS[channel.id.rpartition("/")[2]],
            closed_only=closed_only,
        )

    # ---- prices -------------------------------------------------------------------------------

    def subscribe_mark_price(
        self, instrument: Instrument | str | None, callback: Callable[[MarkPrice], object]
    ) -> Subscription:
        """Deliver the oracle price, which positions are valued by, and the expected funding rate.

        `mark` and `index` are the same price; it changes about once a block. The rate is that of
        the current hour, as a fraction.
        """
        label, number = self._market_target("mark price", instrument)
        return self._add(label, (MARKETS,), self._consumer(EventKind.MARK_PRICE, number, callback))

    def subscribe_index_price(
        self, instrument: Instrument | str, callback: Callable[[IndexPrice], object]
    ) -> Subscription:
        """Deliver the oracle price."""
        check_callback(callback)
        label, number = self._market_target("index price", instrument)
        consumer = self._consumer(EventKind.MARK_PRICE, number, index_price_of(callback))
        return self._add(label, (MARKETS,), consumer)

    def subscribe_tickers(
        self, instrument: Instrument | str | None, callback: Callable[[Ticker], object]
    ) -> Subscription:
        """Raise `Unsupported`: the venue tells no last, highest and lowest price of the day."""
        raise Unsupported(
            "the venue has no statistics by trade; `subscribe_market_stats` has what it does tell"
        )

    def subscribe_market_stats(
        self, instrument: Instrument | str | None, callback: StatsCallback
    ) -> Subscription:
        """Deliver all the venue says about a market at once, whenever some of it changes."""
        check_callback(callback)
        label, number = self._market_target("market stats", instrument)
        return self._listen(label, (MARKETS,), self._stats, number, callback)

    def subscribe_height(self, callback: Callable[[int, int], object]) -> Subscription:
        """Tell the height of the chain: `callback(height, ts_event)`; it only grows."""
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

    def _market_target(self, what: str, instrument: Instrument | str | None) -> tuple[str, int]:
        if instrument is None:
            return f"{what} of all", EVERY_SYMBOL
        found, number = self._numbered(instrument)
        return f"{what} {found.id}", number
