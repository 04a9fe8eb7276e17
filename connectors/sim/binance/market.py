"""The moving market: contracts, the traders that move them, and their prices.

`Market.advance` does what is due at the clock's time; nothing here sleeps or knows a socket.
With a virtual clock and the same seed the same calls publish the same bytes (BN-M-14).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal

from ..clock import SimClock
from ..engine_order import Side
from ..matching import EngineFill, EngineListener, MatchingEngine
from ..pace import Pace
from .bots import Maker
from .candles import Series
from .feed import Feed
from .publisher import Publisher
from .streams import Hub
from .symbols import Contract
from .types import Product

__all__ = ["Market"]

HOUR_MS = 3_600_000
FUNDING_MS = 8 * HOUR_MS
LIQUIDATION_SHARE = 0.004  # of the simulated actions


class Market(EngineListener):
    """Every contract listed with `list_contract`, and its traders; a `publisher` tells of it.

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
        self._pace = Pace(clock)
        self._advancing = False
        self._last_ns = clock.elapsed_ns()
        self.publisher = Publisher(self, hub, clock)

    # -- contracts -------------------------------------------------------------------------

    def list_contract(self, contract: Contract) -> Feed:
        """Open a market and fill its book."""
        now_ms = self.clock.now_ms()
        source = random.Random(f"binance-sim/{self._seed}/{contract.symbol}/ids")
        # Ids of a busy contract are beyond 32 bits, as at the venue.
        first_trade_id = source.randrange(10**6, 10**7) * (1 + int(contract.activity * 100))
        book = self.engine.add_market(contract.symbol, first_trade_id=first_trade_id)
        feed = Feed(contract, book, seed=self._seed, now_ms=now_ms, first_trade_id=first_trade_id)
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
        """Take a contract off the list; its orders have ended already (BN-M-42)."""
        self.settle()
        feed = self.feeds.pop(symbol)
        del self.by_name[feed.name]
        del self._makers[symbol]
        self._share_out()

    def _share_out(self) -> None:
        trading = [feed for feed in self.feeds.values() if feed.rules.trading]
        self._shares = (
            [feed.rules.symbol for feed in trading],
            [feed.contract.activity for feed in trading],
        )

    def status_changed(self, feed: Feed) -> None:
        self._share_out()
        self.publisher.announce(feed)

    # -- engine listener -------------------------------------------------------------------

    def on_level(self, market: str, side: Side, price_ticks: int, size_lots: int) -> None:
        feed = self.feeds.get(market)
        if feed is None:
            return
        feed.on_level(int(side), price_ticks, size_lots, self.clock.now_ms())
        if not self._dirty and not self._advancing:
            self.on_activity()
        self._dirty[feed] = None

    def on_fill(self, fill: EngineFill) -> None:
        feed = self.feeds.get(fill.market)
        if feed is None:
            return
        feed.on_fill(
            fill.price_ticks,
            fill.size_lots,
            fill.trade_id,
            fill.ts_ns // 1_000_000,
            buyer_is_maker=fill.taker.side is Side.SELL,
        )
        self.publisher.traded(feed)

    def settle(self) -> None:
        """Publish what is due on each change of a book."""
        if not self._dirty:
            return
        now_ms = self.clock.now_ms()
        dirty, self._dirty = self._dirty, {}
        for feed in dirty:
            self.publisher.changed(feed, now_ms)

    # -- time ------------------------------------------------------------------------------

    def advance(self) -> None:
        """Do everything that is due at the clock's present time."""
        now_ns = self.clock.elapsed_ns()
        before_ms, elapsed_ms = self._last_ns // 1_000_000, now_ns // 1_000_000
        self._advancing = True
        self._trade(self._pace.due(0 if self.paused else self.rate_per_s))
        self._last_ns = now_ns
        self._advancing = False
        self.settle()
        if elapsed_ms // 1_000 != before_ms // 1_000:
            self._move_prices()
        self.publisher.advance(before_ms, elapsed_ms)

    def flush(self) -> None:
        """Publish everything that is pending (BN-M-51)."""
        self.settle()
        self.publisher.flush()

    def _trade(self, count: int) -> None:
        symbols, weights = self._shares
        if not symbols or not count:
            return
        for symbol in self._random.choices(symbols, weights, k=count):
            maker = self._makers[symbol]
            if self._random.random() < LIQUIDATION_SHARE:
                order = maker.liquidate()
                if order is not None:
                    self.publisher.note_liquidation(symbol, order)
            else:
                maker.step()
            self.settle()

    # -- prices ----------------------------------------------------------------------------

    def _move_prices(self) -> None:
        """Set index, mark and funding rate of every contract, and settle funding when due."""
        now_ms = self.clock.now_ms()
        for feed in list(self.feeds.values()):
            self._update_prices(feed)
            self.on_mark_price(feed.rules.symbol, Decimal(feed.mark_e8).scaleb(-8))
            if feed.perpetual and now_ms >= feed.next_funding_ms:
                self._fund(feed, now_ms)

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

    # -- looking up ------------------------------------------------------------------------

    def by_pair(self, pair: str, product: Product) -> Feed | None:
        """Return the perpetual of a COIN-M pair."""
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
