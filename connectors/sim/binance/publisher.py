"""Who is told what of the market, and when: open streams and the venue's push schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..clock import SimClock
from . import frames
from .feed import Diff, Feed
from .names import StreamName
from .streams import Channel, Hub
from .types import Product

if TYPE_CHECKING:
    from .market import Market

__all__ = ["Publisher"]

RPI = -1  # the key of the rpiDepth accumulator beside the periods of the diff streams


class Publisher:
    """Publishes the feeds of a market to the hub.

    Only what somebody follows is put into words. `changed` is called after every engine command,
    `advance` with the time that passed; what a stream is pushed on follows sections 8.1 and 8.2.
    """

    def __init__(self, market: Market, hub: Hub, clock: SimClock) -> None:
        self._market = market
        self._hub = hub
        self._clock = clock
        self._active: dict[str, dict[str, tuple[StreamName, Feed | None]]] = {}
        self._traded: dict[Feed, None] = {}
        self._liquidations: dict[Feed, tuple[tuple[str, ...], int]] = {}
        self._jobs: tuple[tuple[int, tuple[Callable[[int, int], None], ...]], ...] = (
            (100, (self._publish_aggs, self._publish_depth)),
            (250, (self._publish_depth, self._publish_klines)),
            (500, (self._publish_depth, self._publish_rpi, self._tickers)),
            (1_000, (self._marks, self._publish_price_klines, self._publish_liquidations,
                     self._all_tickers, self._publish_indices)),
            (2_000, (self._tickers,)),
            (3_000, (self._marks,)),
            (5_000, (self._all_books,)),
        )  # fmt: skip
        hub.serves = self.serves
        hub.on_open = self._on_open
        hub.on_close = self._on_close

    # -- what happens ----------------------------------------------------------------------

    def traded(self, feed: Feed) -> None:
        """Note that a contract has aggregate trades to publish."""
        self._traded[feed] = None

    def changed(self, feed: Feed, now_ms: int) -> None:
        """Publish what is due on each change: trades, the book ticker, 0 ms depth."""
        channels, name = self._hub.channels, feed.name
        if feed.pending_trades:
            taken = feed.take_trades()
            if f"{name}@trade" in channels:
                for item in taken:
                    self._hub.publish(f"{name}@trade", frames.trade(feed, item, now_ms))
        if feed.refresh_best() and f"{name}@bookTicker" in channels:
            self._hub.publish(f"{name}@bookTicker", frames.book_ticker(feed, now_ms))
        if 0 in feed.diffs:
            self._publish_diff(feed, 0, now_ms)

    def advance(self, before_ms: int, elapsed_ms: int) -> None:
        """Publish what fell due between two times since the start."""
        now_ms = self._clock.now_ms()
        for period_ms, jobs in self._jobs:
            if elapsed_ms // period_ms != before_ms // period_ms:
                for job in jobs:
                    job(period_ms, now_ms)

    def flush(self) -> None:
        """Publish every pending depth change and aggregate trade at once (BN-M-51)."""
        now_ms = self._clock.now_ms()
        self._publish_aggs(0, now_ms)
        for feed in self._market.feeds.values():
            for period_ms in feed.diffs:
                if period_ms != RPI:
                    self._publish_diff(feed, period_ms, now_ms)
        for _, (name, feed) in self._each("partial_depth"):
            self._publish_partial(name, feed, now_ms)

    def announce(self, feed: Feed) -> None:
        """Publish `!contractInfo` for a contract."""
        self._hub.publish("!contractInfo", frames.contract_info(feed, self._clock.now_ms()))

    def note_liquidation(self, symbol: str, order: tuple[str, ...]) -> None:
        """Remember a liquidation; only the latest per symbol and second is shown (BN-F-14).

        `order`: side, type, time in force, quantity, price, average price, status, last filled
        and total filled quantity, as texts.
        """
        feed = self._market.feeds.get(symbol)
        if feed is not None:
            self._liquidations[feed] = (order, self._clock.now_ms())

    # -- open streams ----------------------------------------------------------------------

    def serves(self, name: StreamName, product: Product) -> bool:
        """Whether a stream of this name exists for the product."""
        if not name.subject:
            return True
        if name.kind == "composite_index":
            return name.subject == "defiusdt"
        if name.kind == "asset_index":
            return name.subject in ("btcusd", "ethusd", "usdtusd", "usdcusd")
        feed = self._subject(name, product)
        return feed is not None and feed.rules.product is product

    def _subject(self, name: StreamName, product: Product) -> Feed | None:
        if name.kind == "continuous_kline":
            return self._market.find_continuous(name.subject, name.argument.split("@")[0], product)
        feed = self._market.by_name.get(name.subject)
        if feed is None and name.kind in ("mark", "index", "index_kline"):
            return self._market.by_pair(name.subject, product)
        return feed

    def event_now(self, name: StreamName) -> str | None:
        """Return an event of a stream that has one at any time, else None."""
        feed = self._market.by_name.get(name.subject)
        if feed is None:
            return None
        now_ms = self._clock.now_ms()
        if name.kind == "book_ticker":
            return frames.book_ticker(feed, now_ms)
        if name.kind == "mark":
            return frames.mark_price(feed, now_ms)
        if name.kind == "partial_depth":
            view = feed.view(name.levels)
            ids = (feed.update_id, feed.update_id, feed.update_id - 1)
            return frames.depth(feed, now_ms, ids, view.bids, view.asks)
        if name.kind == "ticker":
            return frames.ticker(feed, feed.day(now_ms), now_ms)
        return None

    def _on_open(self, channel: Channel) -> None:
        name = channel.name
        feed = self._subject(name, channel.product) if name.subject else None
        self._active.setdefault(name.kind, {})[name.text] = (name, feed)
        if feed is None:
            return
        if name.kind == "depth":
            feed.diffs.setdefault(name.period_ms, Diff(feed.update_id))
        elif name.kind == "rpi_depth":
            feed.diffs.setdefault(RPI, Diff(feed.update_id))
        elif name.kind == "kline":
            feed.series_of(name.argument).take_ended()
        elif name.kind == "continuous_kline":
            feed.series_of(name.argument.rpartition("_")[2]).take_ended()
        elif name.kind in ("mark_kline", "index_kline"):
            self._market.sampled_series(feed, name.kind[:-6], name.argument).take_ended()

    def _on_close(self, channel: Channel) -> None:
        name = channel.name
        _, feed = self._active[name.kind].pop(name.text)
        if feed is None or name.kind not in ("depth", "rpi_depth"):
            return
        period_ms = RPI if name.kind == "rpi_depth" else name.period_ms
        # "@depth" and "@depth@250ms" share the accumulator of their period.
        if not any(
            other.period_ms == period_ms and of is feed
            for other, of in self._active["depth"].values()
        ):
            del feed.diffs[period_ms]

    def _each(self, kind: str) -> Iterator[tuple[str, tuple[StreamName, Feed]]]:
        """Iterate over the open streams of a kind whose contract is still listed."""
        for text, (name, feed) in list(self._active.get(kind, {}).items()):
            if feed is not None and feed.rules.symbol in self._market.feeds:
                yield text, (name, feed)

    # -- books and trades ------------------------------------------------------------------

    def _publish_diff(self, feed: Feed, period_ms: int, now_ms: int) -> None:
        event = feed.diffs[period_ms].take(feed.update_id)
        if event is None:
            return
        ids, bids, asks = event
        text = frames.depth(feed, now_ms, ids, bids, asks)
        self._hub.publish(f"{feed.name}@depth@{period_ms}ms", text)
        if period_ms == 250:
            self._hub.publish(f"{feed.name}@depth", text)

    def _publish_depth(self, period_ms: int, now_ms: int) -> None:
        done: set[Feed] = set()
        for _, (name, feed) in self._each("depth"):
            if name.period_ms == period_ms and feed not in done:
                done.add(feed)
                self._publish_diff(feed, period_ms, now_ms)
        for _, (name, feed) in self._each("partial_depth"):
            if name.period_ms == period_ms:
                self._publish_partial(name, feed, now_ms)

    def _publish_partial(self, name: StreamName, feed: Feed, now_ms: int) -> None:
        """Publish the top levels, if the book changed since this stream's last event."""
        ids = feed.take_partial_ids(name.text)
        if ids is not None:
            view = feed.view(name.levels)
            self._hub.publish(name.text, frames.depth(feed, now_ms, ids, view.bids, view.asks))

    def _publish_rpi(self, _: int, now_ms: int) -> None:
        for text, (_name, feed) in self._each("rpi_depth"):
            diff = feed.diffs[RPI]
            previous_id = diff.previous_id
            event = diff.take(feed.update_id)
            ids = event[0] if event else (feed.update_id, feed.update_id, previous_id)
            moved_bids, moved_asks = feed.move_rpi()
            bids = {p: feed.rpi_lots(1, p) for p, _ in event[1]} if event else {}
            asks = {p: feed.rpi_lots(-1, p) for p, _ in event[2]} if event else {}
            bids |= moved_bids
            asks |= moved_asks
            if event or bids or asks:
                self._hub.publish(
                    text,
                    frames.depth(
                        feed, now_ms, ids, sorted(bids.items(), reverse=True), sorted(asks.items())
                    ),
                )

    def _all_books(self, _: int, now_ms: int) -> None:
        if "!bookTicker" in self._hub.channels:
            for feed in self._market.feeds.values():
                self._hub.publish("!bookTicker", frames.book_ticker_all(feed, now_ms))

    def _publish_aggs(self, _: int, now_ms: int) -> None:
        traded, self._traded = self._traded, {}
        for feed in traded:
            name = f"{feed.name}@aggTrade"
            for item in feed.take_aggs():
                if name in self._hub.channels:
                    self._hub.publish(name, frames.agg_trade(feed, item, now_ms))

    # -- candles, prices, tickers ----------------------------------------------------------

    def _publish_klines(self, _: int, now_ms: int) -> None:
        # Streams of the same candles go together: a closed candle is handed out once.
        streams: dict[tuple[Feed, str], list[tuple[str, Callable[..., str]]]] = {}
        for kind, build in (
            ("kline", frames.kline),
            ("continuous_kline", frames.continuous_kline),
        ):
            for text, (name, feed) in self._each(kind):
                interval = name.argument.rpartition("_")[2]
                streams.setdefault((feed, interval), []).append((text, build))
        for (feed, interval), texts in streams.items():
            series = feed.series_of(interval)
            series.roll(now_ms)
            due = [(candle, True) for candle in series.take_ended()]
            if series.changed:
                series.changed = False
                due.append((series.live, False))
            for candle, closed in due:
                for text, build in texts:
                    self._hub.publish(text, build(feed, interval, candle, now_ms, closed=closed))

    def _publish_price_klines(self, _: int, now_ms: int) -> None:
        for kind in ("mark", "index"):
            for text, (name, feed) in self._each(f"{kind}_kline"):
                series = self._market.sampled_series(feed, kind, name.argument)
                series.roll(now_ms)
                symbol = feed.rules.symbol if kind == "mark" else "0"
                event = f"{kind}Price_kline"
                for candle in series.take_ended():
                    self._hub.publish(text, frames.price_kline(
                        event, feed.rules.pair, symbol, name.argument, candle, now_ms, closed=True
                    ))  # fmt: skip
                self._hub.publish(text, frames.price_kline(
                    event, feed.rules.pair, symbol, name.argument, series.live, now_ms,
                    closed=False
                ))  # fmt: skip

    def _marks(self, period_ms: int, now_ms: int) -> None:
        for text, (name, feed) in self._each("mark"):
            if name.period_ms != period_ms:
                continue
            if name.subject == feed.name:
                self._hub.publish(text, frames.mark_price(feed, now_ms))
            else:
                pair = self._market.pair_feeds(name.subject, Product.COINM)
                items = (frames.mark_price(item, now_ms) for item in pair)
                self._hub.publish(text, frames.array(items))
        for text, (name, feed) in self._each("index"):
            if name.period_ms == period_ms:
                self._hub.publish(
                    text, frames.index_price(feed.rules.pair, feed.index_e8, now_ms)
                )
        text = "!markPrice@arr@1s" if period_ms == 1_000 else "!markPrice@arr"
        if text in self._hub.channels:
            items = (frames.mark_price(feed, now_ms) for feed in self._market.feeds.values())
            self._hub.publish(text, frames.array(items))

    def _tickers(self, period_ms: int, now_ms: int) -> None:
        for kind, build in (("ticker", frames.ticker), ("mini_ticker", frames.mini_ticker)):
            for text, (name, feed) in self._each(kind):
                if name.period_ms == period_ms:
                    self._hub.publish(text, build(feed, feed.day(now_ms), now_ms))

    def _all_tickers(self, _: int, now_ms: int) -> None:
        """Publish the all-market arrays: only contracts that traded since the last (BN-F-11)."""
        for text, build in (
            ("!ticker@arr", frames.ticker),
            ("!miniTicker@arr", frames.mini_ticker),
        ):
            if text not in self._hub.channels:
                continue
            items = []
            for feed in self._market.feeds.values():
                if feed.traded_since(text):
                    items.append(build(feed, feed.day(now_ms), now_ms))
            if items:
                self._hub.publish(text, frames.array(items))

    def _publish_liquidations(self, _: int, now_ms: int) -> None:
        taken, self._liquidations = self._liquidations, {}
        for feed, (order, ts_ms) in taken.items():
            for text, everything in (
                (f"{feed.name}@forceOrder", False),
                ("!forceOrder@arr", True),
            ):
                if text in self._hub.channels:
                    self._hub.publish(
                        text,
                        frames.force_order(feed, order, ts_ms, now_ms, all_market=everything),
                    )

    def _publish_indices(self, _: int, now_ms: int) -> None:
        if "tradingSession" in self._hub.channels:
            self._hub.publish("tradingSession", frames.trading_session(now_ms))
        assets = self._market.asset_prices()
        for text in list(self._active.get("asset_index", ())):
            asset = text.partition("@")[0][:-3].upper()
            self._hub.publish(text, frames.asset_index(asset, assets[asset], now_ms))
        if "!assetIndex@arr" in self._hub.channels:
            self._hub.publish(
                "!assetIndex@arr",
                frames.array(frames.asset_index(a, p, now_ms) for a, p in assets.items()),
            )
        for text in list(self._active.get("composite_index", ())):
            parts = self._market.composite_parts()
            price = sum(p for _, p in parts) // max(len(parts), 1)
            self._hub.publish(text, frames.composite_index("DEFIUSDT", price, parts, now_ms))
