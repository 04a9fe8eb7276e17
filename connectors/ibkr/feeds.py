"""What a data client can be asked for; how it gets it is in `data`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable

from .._speedups.book import ChainedBook
from .._speedups.events import EventKind
from ..data.client import ChannelClient, EmptySideCallback
from ..data.feeds import check_callback, iterate
from ..data.market import best_levels
from ..data.market_client import Listeners
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
from .channels import LEVEL_1, Channel
from .market import Code, FreshLast, MarketStats
from .stream import TopicStream

__all__ = ["MarketFeeds"]

StatsCallback = Callable[[MarketStats], object]
BookCallback = Callable[[ChainedBook], object]


class MarketFeeds(ChannelClient[TopicStream]):
    """The subscriptions and iterations of `DataClient`.

    `instrument` is our id (`AAPL`, `ES-261218`), the conid as text or an `Instrument`, of those the
    client knows. All raise `ClientError` for one that is not known or a wrong argument, and
    `Unsupported` for what the venue does not offer.
    """

    _fresh: Listeners[int]  # by number: told when a line is asked for

    # ---- what the client provides -------------------------------------------------------------

    @abstractmethod
    def _add_bars_of(
        self,
        instrument: Instrument,
        interval: str,
        source: str,
        callback: Callable[[Bar], object],
        *,
        closed_only: bool,
        outside_rth: bool,
    ) -> Subscription:
        """Begin to deliver bars."""

    @abstractmethod
    def _add_book(
        self, instrument: Instrument, channel: Channel, callback: BookCallback
    ) -> Subscription:
        """Begin to keep a ladder."""

    @abstractmethod
    def _depth_channel(self, instrument: Instrument, exchange: str | None) -> Channel:
        """Return the channel of a ladder."""

    @abstractmethod
    def _add_stats(
        self, instrument: Instrument, codes: tuple[str, ...], callback: StatsCallback
    ) -> Subscription:
        """Begin to deliver fields."""

    # ---- quotes and trades --------------------------------------------------------------------

    def subscribe_quotes(
        self,
        instrument: Instrument | str,
        callback: Callable[[Quote], object],
        *,
        on_empty_side: EmptySideCallback | None = None,
    ) -> Subscription:
        """Deliver the best bid and ask, about twice a second while one changes.

        Flags say what a quote is worth: DELAYED, FROZEN, HALTED. While a side of the book is empty
        there is no quote: `on_empty_side(instrument, has_bid, has_ask)` is called instead.
        """
        found = self.instrument(instrument)
        return self._add_quotes(found, Channel.market_data(found.symbol), callback, on_empty_side)

    def subscribe_trades(
        self, instrument: Instrument | str, callback: Callable[[Trade], object]
    ) -> Subscription:
        """Deliver the last trade when it changes: no tape, the venue shows about two a second.

        Each has the flag AGGREGATE, and no id or aggressor. A previous close shown in place of a
        trade, and the price of a halt, are none (`subscribe_market_stats` has them). The size is 0
        while it is not known.
        """
        found, number = self._numbered(instrument)
        consumer = self._consumer(EventKind.TRADE, number, callback)
        fresh = consumer.wants = FreshLast()
        subscription = self._add(
            f"trades {found.id}", (Channel.market_data(found.symbol),), consumer
        )
        self._at_end(subscription, self._fresh.add(number, fresh.on_asked))
        return subscription

    def subscribe_liquidations(
        self, instrument: Instrument | str | None, callback: Callable[[Liquidation], object]
    ) -> Subscription:
        """Raise `Unsupported`: there are none on these markets."""
        raise Unsupported("the venue does not tell of liquidations")

    # ---- books --------------------------------------------------------------------------------

    def subscribe_book(
        self, instrument: Instrument | str, callback: BookCallback, *, exchange: str | None = None
    ) -> Subscription:
        """Keep the price ladder and show it whenever it comes, whole.

        Needs a subscription to depth at the venue, which has one ladder per account: a second one
        is refused. A crossed ladder or one off the grid makes the book invalid (`BookStatus`).
        """
        found = self.instrument(instrument)
        check_callback(callback)
        return self._add_book(found, self._depth_channel(found, exchange), callback)

    def subscribe_book_deltas(
        self,
        instrument: Instrument | str,
        callback: Callable[[BookUpdate], object],
        *,
        exchange: str | None = None,
    ) -> Subscription:
        """Deliver ladders as they come: the venue sends no changes, each update is a snapshot."""
        found, number = self._numbered(instrument)
        consumer = self._consumer(EventKind.BOOK_SNAPSHOT, number, callback)
        channel = self._depth_channel(found, exchange)
        return self._add(f"book deltas {found.id}", (channel,), consumer)

    def subscribe_book_snapshots(
        self,
        instrument: Instrument | str,
        callback: Callable[[BookUpdate], object],
        *,
        levels: int = 20,
        exchange: str | None = None,
    ) -> Subscription:
        """Deliver the best `levels` of each side of the ladder."""
        found, number = self._numbered(instrument)
        check_callback(callback)
        if levels < 1:
            raise ClientError(f"levels must be at least 1, got {levels}")

        def show(update: BookUpdate) -> None:
            is_short = update.n_bids <= levels and update.n_asks <= levels
            callback(update if is_short else best_levels(update, levels))

        consumer = self._consumer(EventKind.BOOK_SNAPSHOT, number, show)
        channel = self._depth_channel(found, exchange)
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
        outside_rth: bool = False,
    ) -> Subscription:
        """Deliver each bar once when its time is over, or with `closed_only=False` also before.

        The venue sends no bars by itself: they are asked for at the end of each. `source` is
        `trade`, `mid`, `bid` or `ask`. At most five series at the same time.
        """
        found = self.instrument(instrument)
        check_callback(callback)
        return self._add_bars_of(
            found, interval, source, callback, closed_only=closed_only, outside_rth=outside_rth
        )

    # ---- prices and statistics ----------------------------------------------------------------

    def subscribe_mark_price(
        self, instrument: Instrument | str | None, callback: Callable[[MarkPrice], object]
    ) -> Subscription:
        """Deliver the venue's mark price (field 7635)."""
        if instrument is None:
            raise Unsupported("the venue streams market data by contract only")
        found, number = self._numbered(instrument)
        consumer = self._consumer(EventKind.MARK_PRICE, number, callback)
        channel = Channel.market_data(found.symbol, (*LEVEL_1, Code.MARK))
        return self._add(f"mark price {found.id}", (channel,), consumer)

    def subscribe_index_price(
        self, instrument: Instrument | str, callback: Callable[[IndexPrice], object]
    ) -> Subscription:
        """Raise `Unsupported`: an index is a contract of its own here, with a last price."""
        raise Unsupported("an index is a contract of its own: subscribe to its trades")

    def subscribe_tickers(
        self, instrument: Instrument | str | None, callback: Callable[[Ticker], object]
    ) -> Subscription:
        """Raise `Unsupported`: the venue does not tell the value traded in a day."""
        raise Unsupported(
            "the venue does not tell the value traded in a day; subscribe_market_stats has the rest"
        )

    def subscribe_market_stats(
        self,
        instrument: Instrument | str,
        callback: StatsCallback,
        *,
        codes: Iterable[str] = (Code.FULL_VOLUME, Code.HIGH, Code.LOW, Code.OPEN,
                                Code.PRIOR_CLOSE, Code.MARK),
    ) -> Subscription:  # fmt: skip
        """Deliver fields by the venue's codes, merged, whenever one comes, with halts and marks.

        The codes of quotes and trades are told as quotes and trades only.
        """
        check_callback(callback)
        wanted = tuple(dict.fromkeys(str(code) for code in codes))
        if any(not code.isdecimal() for code in wanted):
            raise ClientError(f"codes of fields are numbers as text, got {wanted!r}")
        return self._add_stats(self.instrument(instrument), wanted, callback)

    def market_stats(
        self,
        instrument: Instrument | str,
        *,
        capacity: int = 4096,
        overflow: Overflow = Overflow.DROP_OLDEST,
    ) -> EventFeed[MarketStats]:
        """Iterate over `subscribe_market_stats`."""
        return iterate(self.subscribe_market_stats, capacity, overflow, instrument)
