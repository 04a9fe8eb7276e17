"""The moving market: engine events in, published streams out, on the venue's schedule.

`Market.advance` is called with the clock and does what is due; nothing here sleeps or knows a
socket. With a virtual clock and the same seed the same calls publish the same bytes (BN-M-14).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from decimal import Decimal

from ..matching import DoneReason, EngineListener, EngineOrder, MatchingEngine, Side
from . import frames
from .bots import Maker
from .candles import Series
from .clock import SimClock
from .feed import Diff, Feed
from .names import StreamName
from .streams import Channel, Hub
from .symbols import Contract
from .types import Product

__all__ = ["Market"]

HOUR_MS = 3_600_000
FUNDING_MS = 8 * HOUR_MS
LIQUIDATION_SHARE = 0.004  # of the simulated actions


class Market(EngineListener):
    """Every contract listed with `list_contract`, its traders, and what subscribers are told.

    Parameters
    ----------
    engine
        Shared with the trading half; the caller lists this object among its listeners.
    rate_per_s
        Simulated actions per second over all symbols; may be changed at any time.
    """

    def __init__(
        self,
        engine: MatchingEngine,
        clock: SimClock,
        hub: Hub,
        *,
        seed: int,
        book_levels: int,
        rate_per_s: float,
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.hub = hub
        self.rate_per_s = rate_per_s
        self.paused = False
        self.feeds: dict[str, Feed] = {}
        self.by_name: dict[str, Feed] = {}
        self.funding_history: list[tuple[str, int, int, int]] = []
        self.on_mark_price: Callable[[str, Decimal], None] = lambda symbol, price: None
        self.on_funding: Callable[[str, Decimal], None] = lambda symbol, rate: None
        self.on_activity: Callable[[], None] = lambda: None
        self._seed = seed
        self._levels = book_levels
        self._random = random.Random(f"binance-sim/market/{seed}")
        self._makers: dict[str, Maker] = {}
        self._shares: tuple[list[str], list[float]] = ([], [])
        self._dirty: dict[Feed, None] = {}
        self._traded: dict[Feed, None] = {}
        self._active: dict[str, dict[str, tuple[StreamName, Feed | None]]] = {}
        self._liquidations: dict[Feed, tuple[tuple[str, ...], int]] = {}
        self._credit = 0.0
        self._advancing = False
        self._last_ns = clock.elapsed_ns()
        self._jobs: list[tuple[int, Callable[[int], None]]] = [
            (100, self._every_100ms),
            (250, self._every_250ms),
            (500, self._every_500ms),
            (1_000, self._every_second),
            (2_000, lambda now: self._tickers(2_000, now)),
            (3_000, lambda now: self._marks(3_000, now)),
            (5_000, self._all_books),
        ]
        hub.serves = self.serves
        hub.on_open = self._on_open
        hub.on_close = self._on_close

    # -- contracts -------------------------------------------------------------------------

    def list_contract(self, contract: Contract) -> Feed:
        """Open a market and fill its book."""
        now_ms = self.clock.now_ms()
        source = random.Random(f"binance-sim/{self._seed}/{contract.symbol}/ids")
        # Ids of a busy contract are beyond 32 bits, as at the venue.
        first_trade_id = source.randrange(10**6, 10**7) * (1 + int(contract.activity * 100))
        book = self.engine.add_market(contract.symbol, first_trade_id=first_trade_id)
        feed = Feed(
            contract, book, seed=self._seed, now_ms=now_ms, first_trade_id=first_trade_id
        )
        feed.next_funding_ms = (now_ms // FUNDING_MS + 1) * FUNDING_MS
        self.feeds[contract.symbol] = self.by_name[feed.name] = feed
        maker = Maker(
            self.engine,
            feed,
            random.Random(f"binance-sim/{self._seed}/{contract.symbol}/maker"),
            levels=self._levels,
        )
        self._makers[contract.symbol] = maker
        maker.fill_book()
        self._update_prices(feed)
        self.settle()
        self._share_out()
        return feed

    def delist(self, symbol: str) -> None:
        """Take a contract off the list; its orders end (BN-M-42)."""
        feed = self.feeds.pop(symbol)
        del self.by_name[feed.name]
        del self._makers[symbol]
        for order in feed.book.orders():
            self.engine.cancel(symbol, order.order_id, DoneReason.DELISTED)
        self._share_out()

    def announce(self, feed: Feed) -> None:
        """Publish `!contractInfo` for a contract."""
        self.hub.publish("!contractInfo", frames.contract_info(feed, self.clock.now_ms()))

    def _share_out(self) -> None:
        trading = [feed for feed in self.feeds.values() if feed.rules.trading]
        self._shares = (
            [feed.rules.symbol for feed in trading],
            [feed.contract.activity for feed in trading],
        )

    def status_changed(self, feed: Feed) -> None:
        self._share_out()
        self.announce(feed)

    # -- engine listener -------------------------------------------------------------------

    def on_level(self, market: str, side: Side, price_ticks: int, size_lots: int) -> None:
        feed = self.feeds.get(market)
        if feed is None:
            return
        feed.on_level(int(side), price_ticks, size_lots, self.clock.now_ms())
        if not self._dirty and not self._advancing:
            self.on_activity()
        self._dirty[feed] = None

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
        feed = self.feeds.get(market)
        if feed is None:
            return
        feed.on_fill(
            price_ticks,
            size_lots,
            trade_id,
            ts_ns // 1_000_000,
            buyer_is_maker=taker.side is Side.SELL,
        )
        self._traded[feed] = None

    def settle(self) -> None:
        """Publish what is due on each change: book tickers, 0 ms depth and trades."""
        if not self._dirty:
            return
        now_ms = self.clock.now_ms()
        dirty, self._dirty = self._dirty, {}
        channels = self.hub.channels
        for feed in dirty:
            name = feed.name
            if feed.pending_trades:
                taken = feed.take_trades()
                if f"{name}@trade" in channels:
                    for item in taken:
                        self.hub.publish(f"{name}@trade", frames.trade(feed, item, now_ms))
            if feed.refresh_best() and f"{name}@bookTicker" in channels:
                self.hub.publish(f"{name}@bookTicker", frames.book_ticker(feed, now_ms))
            if 0 in feed.diffs:
                self._publish_diff(feed, 0, now_ms)

    # -- time ------------------------------------------------------------------------------

    def advance(self) -> None:
        """Do everything that is due at the clock's present time."""
        now_ns = self.clock.elapsed_ns()
        before_ms, elapsed_ms = self._last_ns // 1_000_000, now_ns // 1_000_000
        self._advancing = True
        if not self.paused:
            self._trade((now_ns - self._last_ns) / 1e9)
        self._last_ns = now_ns
        self._advancing = False
        self.settle()
        now_ms = self.clock.now_ms()
        for period_ms, job in self._jobs:
            if elapsed_ms // period_ms != before_ms // period_ms:
                job(now_ms)

    def flush(self) -> None:
        """Publish every pending depth change and aggregate trade at once (BN-M-51)."""
        self.settle()
        now_ms = self.clock.now_ms()
        self._publish_aggs(now_ms)
        for feed in self.feeds.values():
            for period_ms in feed.diffs:
                self._publish_diff(feed, period_ms, now_ms)
        for _, (name, feed) in self._each("partial_depth"):
            self._publish_partial(name, feed, now_ms)

    def _trade(self, seconds: float) -> None:
        symbols, weights = self._shares
        if not symbols or not self.rate_per_s:
            return
        # A stalled process must not answer with a burst of everything it missed.
        self._credit += min(seconds, 0.25) * self.rate_per_s
        count = int(self._credit)
        self._credit -= count
        for symbol in self._random.choices(symbols, weights, k=count):
            maker = self._makers[symbol]
            if self._random.random() < LIQUIDATION_SHARE:
                order = maker.liquidate()
                if order is not None:
                    self.note_liquidation(symbol, order)
            else:
                maker.step()
            self.settle()

    def _every_100ms(self, now_ms: int) -> None:
        self._publish_aggs(now_ms)
        self._publish_depth(100, now_ms)

    def _every_250ms(self, now_ms: int) -> None:
        self._publish_depth(250, now_ms)
        self._publish_klines(now_ms)

    def _every_500ms(self, now_ms: int) -> None:
        self._publish_depth(500, now_ms)
        self._publish_rpi(now_ms)
        self._tickers(500, now_ms)

    def _every_second(self, now_ms: int) -> None:
        for feed in self.feeds.values():
            self._update_prices(feed)
            self.on_mark_price(feed.rules.symbol, Decimal(feed.mark_e8).scaleb(-8))
            if feed.perpetual and now_ms >= feed.next_funding_ms:
                self._fund(feed, now_ms)
        self._marks(1_000, now_ms)
        self._publish_price_klines(now_ms)
        self._publish_liquidations(now_ms)
        self._all_tickers(now_ms)
        self._publish_indices(now_ms)

    # -- prices ----------------------------------------------------------------------------

    def _update_prices(self, feed: Feed) -> None:
        """Move index and mark: the index follows the fair price, the mark the book around it."""
        maker = self._makers[feed.rules.symbol]
        feed.index_e8 = max(1, round(maker.fair * 10 ** (8 - feed.rules.price_precision)))
        bid, _, ask, _ = feed.best
        middle = feed.e8(bid + ask) // 2 if bid and ask else feed.index_e8
        feed.mark_e8 = (feed.index_e8 * 3 + middle) // 4
        premium = (feed.mark_e8 - feed.index_e8) / feed.index_e8
        feed.funding_e8 = round(min(max(premium + 0.0001, -0.003), 0.003) * 10**8)
        now_ms = self.clock.now_ms()
        for (kind, _), series in feed.sampled.items():
            series.sample(feed.mark_e8 if kind == "mark" else feed.index_e8, now_ms)

    def _fund(self, feed: Feed, now_ms: int) -> None:
        symbol = feed.rules.symbol
        self.funding_history.append((symbol, feed.next_funding_ms, feed.funding_e8, feed.mark_e8))
        del self.funding_history[:-10_000]
        feed.next_funding_ms = (now_ms // FUNDING_MS + 1) * FUNDING_MS
        self.on_funding(symbol, Decimal(feed.funding_e8).scaleb(-8))

    def sampled_series(self, feed: Feed, kind: str, interval: str) -> Series:
        """Return the mark or index candles of an interval, sampled from now on."""
        series = feed.sampled.get((kind, interval))
        if series is None:
            price = feed.mark_e8 if kind == "mark" else feed.index_e8
            series = Series(interval, self.clock.now_ms(), price)
            series.sample(price, self.clock.now_ms())
            feed.sampled[kind, interval] = series
        return series

    # -- subscriptions ---------------------------------------------------------------------

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
            return self.find_continuous(name.subject, name.argument.split("@")[0], product)
        feed = self.by_name.get(name.subject)
        if feed is None and name.kind in ("mark", "index", "index_kline"):
            return self._by_pair(name.subject, product)
        return feed

    def _by_pair(self, pair: str, product: Product) -> Feed | None:
        return next(iter(self.pair_feeds(pair, product)), None)

    def pair_feeds(self, pair: str, product: Product) -> list[Feed]:
        """Return the contracts of a COIN-M pair, perpetual first."""
        if product is Product.USDM:
            return []
        return [
            feed
            for feed in self.feeds.values()
            if feed.rules.product is product and feed.rules.pair.lower() == pair.lower()
        ]

    def find_continuous(self, pair: str, contract_type: str, product: Product) -> Feed | None:
        for feed in self.feeds.values():
            if (
                feed.rules.product is product
                and feed.rules.pair.lower() == pair.lower()
                and feed.contract.contract_type.lower() == contract_type.lower()
            ):
                return feed
        return None

    def event_now(self, name: StreamName) -> str | None:
        """Return an event of a stream that has one at any time, else None."""
        feed = self.by_name.get(name.subject)
        if feed is None:
            return None
        now_ms = self.clock.now_ms()
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
            feed.diffs.setdefault(-1, Diff(feed.update_id))
        elif name.kind == "kline":
            feed.series_of(name.argument).take_ended()
        elif name.kind == "continuous_kline":
            feed.series_of(name.argument.rpartition("_")[2]).take_ended()
        elif name.kind in ("mark_kline", "index_kline"):
            self.sampled_series(feed, name.kind[:-6], name.argument).take_ended()

    def _on_close(self, channel: Channel) -> None:
        name = channel.name
        _, feed = self._active[name.kind].pop(name.text)
        if feed is None or name.kind not in ("depth", "rpi_depth"):
            return
        period_ms = -1 if name.kind == "rpi_depth" else name.period_ms
        # "@depth" and "@depth@250ms" share the accumulator of their period.
        if not any(
            other.period_ms == period_ms and of is feed
            for other, of in self._active["depth"].values()
        ):
            del feed.diffs[period_ms]

    def _each(self, kind: str) -> Iterator[tuple[str, tuple[StreamName, Feed]]]:
        for text, (name, feed) in list(self._active.get(kind, {}).items()):
            if feed is not None:
                yield text, (name, feed)

    # -- publishing ------------------------------------------------------------------------

    def _publish_diff(self, feed: Feed, period_ms: int, now_ms: int) -> None:
        if period_ms < 0:
            return
        event = feed.diffs[period_ms].take(feed.update_id)
        if event is None:
            return
        ids, bids, asks = event
        text = frames.depth(feed, now_ms, ids, bids, asks)
        self.hub.publish(f"{feed.name}@depth@{period_ms}ms", text)
        if period_ms == 250:
            self.hub.publish(f"{feed.name}@depth", text)

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
            self.hub.publish(name.text, frames.depth(feed, now_ms, ids, view.bids, view.asks))

    def _publish_rpi(self, now_ms: int) -> None:
        for text, (_, feed) in self._each("rpi_depth"):
            diff = feed.diffs[-1]
            previous_id = diff.previous_id
            event = diff.take(feed.update_id)
            ids = event[0] if event else (feed.update_id, feed.update_id, previous_id)
            moved_bids, moved_asks = feed.move_rpi()
            bids = {p: feed.rpi_lots(1, p) for p, _ in event[1]} if event else {}
            asks = {p: feed.rpi_lots(-1, p) for p, _ in event[2]} if event else {}
            bids |= moved_bids
            asks |= moved_asks
            if event or bids or asks:
                self.hub.publish(
                    text,
                    frames.depth(
                        feed, now_ms, ids, sorted(bids.items(), reverse=True), sorted(asks.items())
                    ),
                )

    def _publish_aggs(self, now_ms: int) -> None:
        traded, self._traded = self._traded, {}
        for feed in traded:
            name = f"{feed.name}@aggTrade"
            for item in feed.take_aggs():
                if name in self.hub.channels:
                    self.hub.publish(name, frames.agg_trade(feed, item, now_ms))

    def _publish_klines(self, now_ms: int) -> None:
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
                    self.hub.publish(text, build(feed, interval, candle, now_ms, closed=closed))

    def _publish_price_klines(self, now_ms: int) -> None:
        for kind in ("mark", "index"):
            for text, (name, feed) in self._each(f"{kind}_kline"):
                series = self.sampled_series(feed, kind, name.argument)
                series.roll(now_ms)
                symbol = feed.rules.symbol if kind == "mark" else "0"
                event = f"{kind}Price_kline"
                for candle in series.take_ended():
                    self.hub.publish(text, frames.price_kline(
                        event, feed.rules.pair, symbol, name.argument, candle, now_ms, closed=True
                    ))  # fmt: skip
                self.hub.publish(text, frames.price_kline(
                    event, feed.rules.pair, symbol, name.argument, series.live, now_ms,
                    closed=False
                ))  # fmt: skip

    def _marks(self, period_ms: int, now_ms: int) -> None:
        for text, (name, feed) in self._each("mark"):
            if name.period_ms != period_ms:
                continue
            if name.subject == feed.name:
                self.hub.publish(text, frames.mark_price(feed, now_ms))
            else:
                pair = self.pair_feeds(name.subject, Product.COINM)
                items = (frames.mark_price(item, now_ms) for item in pair)
                self.hub.publish(text, frames.array(items))
        for text, (name, feed) in self._each("index"):
            if name.period_ms == period_ms:
                self.hub.publish(
                    text, frames.index_price(feed.rules.pair, feed.index_e8, now_ms)
                )
        text = "!markPrice@arr@1s" if period_ms == 1_000 else "!markPrice@arr"
        if text in self.hub.channels:
            items = (frames.mark_price(feed, now_ms) for feed in self.feeds.values())
            self.hub.publish(text, frames.array(items))

    def _tickers(self, period_ms: int, now_ms: int) -> None:
        for kind, build in (("ticker", frames.ticker), ("mini_ticker", frames.mini_ticker)):
            for text, (name, feed) in self._each(kind):
                if name.period_ms == period_ms:
                    self.hub.publish(text, build(feed, feed.day(now_ms), now_ms))

    def _all_tickers(self, now_ms: int) -> None:
        """Publish the all-market arrays: only contracts that traded since the last (BN-F-11)."""
        for text, build in (
            ("!ticker@arr", frames.ticker),
            ("!miniTicker@arr", frames.mini_ticker),
        ):
            if text not in self.hub.channels:
                continue
            items = []
            for feed in self.feeds.values():
                if feed.traded_since(text):
                    items.append(build(feed, feed.day(now_ms), now_ms))
            if items:
                self.hub.publish(text, frames.array(items))

    def _all_books(self, now_ms: int) -> None:
        if "!bookTicker" in self.hub.channels:
            for feed in self.feeds.values():
                self.hub.publish("!bookTicker", frames.book_ticker_all(feed, now_ms))

    def note_liquidation(self, symbol: str, order: tuple[str, ...]) -> None:
        """Remember a liquidation; only the latest per symbol and second is shown (BN-F-14).

        `order`: side, type, time in force, quantity, price, average price, status, last filled
        and total filled quantity, as texts.
        """
        feed = self.feeds.get(symbol)
        if feed is not None:
            self._liquidations[feed] = (order, self.clock.now_ms())

    def _publish_liquidations(self, now_ms: int) -> None:
        taken, self._liquidations = self._liquidations, {}
        for feed, (order, ts_ms) in taken.items():
            for text, everything in (
                (f"{feed.name}@forceOrder", False),
                ("!forceOrder@arr", True),
            ):
                if text in self.hub.channels:
                    self.hub.publish(
                        text,
                        frames.force_order(feed, order, ts_ms, now_ms, all_market=everything),
                    )

    def _publish_indices(self, now_ms: int) -> None:
        if "tradingSession" in self.hub.channels:
            self.hub.publish("tradingSession", frames.trading_session(now_ms))
        assets = self.asset_prices()
        for text in list(self._active.get("asset_index", ())):
            asset = text.partition("@")[0][:-3].upper()
            self.hub.publish(text, frames.asset_index(asset, assets[asset], now_ms))
        if "!assetIndex@arr" in self.hub.channels:
            self.hub.publish(
                "!assetIndex@arr",
                frames.array(frames.asset_index(a, p, now_ms) for a, p in assets.items()),
            )
        for text in list(self._active.get("composite_index", ())):
            parts = self.composite_parts()
            price = sum(p for _, p in parts) // max(len(parts), 1)
            self.hub.publish(text, frames.composite_index("DEFIUSDT", price, parts, now_ms))

    def asset_prices(self) -> dict[str, int]:
        """Return the dollar price of the margin assets, with 8 decimals."""
        prices = {"USDT": 10**8, "USDC": 10**8}
        for asset in ("BTC", "ETH"):
            feed = self.feeds.get(f"{asset}USDT")
            prices[asset] = feed.index_e8 if feed else 10**8
        return prices

    def composite_parts(self) -> list[tuple[str, int]]:
        """Return the members of the simulated composite index."""
        members = ("ETHUSDT", "LINKUSDT", "ADAUSDT")
        found = (self.feeds[symbol] for symbol in members if symbol in self.feeds)
        return [(feed.rules.base_asset, feed.index_e8) for feed in found]
