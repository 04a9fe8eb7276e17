"""Market data of Lighter: quotes, trades, books, bars, prices, statistics.

| method                        | channel                                   | event       |
|-------------------------------|-------------------------------------------|-------------|
| `subscribe_quotes`            | `ticker/{M}`                              | Quote       |
| `subscribe_trades`            | `trade/{M}`                               | Trade       |
| `subscribe_liquidations`      | `trade/{M}`                               | Liquidation |
| `subscribe_book`              | `order_book/{M}`                          | the book    |
| `subscribe_book_deltas`       | `order_book/{M}`                          | BookUpdate  |
| `subscribe_book_snapshots`    | `order_book/{M}`                          | BookUpdate  |
| `subscribe_candles`           | `candle/{M}/{R}`, `mark_price_candle/...` | Bar         |
| `subscribe_mark_price`        | `market_stats/{M}`                        | MarkPrice   |
| `subscribe_index_price`       | `market_stats/{M}`, `spot_market_stats/..`| IndexPrice  |
| `subscribe_tickers`           | the same                                  | Ticker      |
| `subscribe_market_stats`      | the same                                  | MarketStats |
| `subscribe_instrument_status` | orderBookDetails                          | see below   |
| `subscribe_height`            | `height`                                  | two numbers |

A change of trading status is an `InstrumentStatus`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from .._speedups.lighter import LighterDecoder
from ..data.market_client import Listeners
from ..model import Instrument, StatusEvent, Subscription, VenueEvent
from ..net.attempts import AttemptBudget
from ..net.policy import SessionPolicy
from ..net.ratelimit import RateLimiter
from ..settings import config_from
from .channels import Channel, ChannelKind, covering
from .config import VENUE, Config
from .feeds import MarketFeeds
from .instruments import wire_name
from .limits import STREAM_LIMITS
from .public_stream import PublicStream
from .rest import LighterRest

__all__ = ["DataClient"]

log = logging.getLogger("connectors.lighter")


class DataClient(MarketFeeds):
    """Streams market data of perpetual and spot markets.

    ::

        async with DataClient(environment="mainnet") as data:
            data.subscribe_quotes("ETH-PERP", on_quote)
            async for trade in data.trades("BTC-PERP"):
                ...

    Parameters
    ----------
    config :
        Settings; or give them by name: `DataClient(environment="testnet")`. Credentials are not
        used.
    on_status :
        Receives every `StatusEvent`: connections, subscriptions, books, instruments, errors.
    on_venue_event :
        Receives a `VenueEvent` for each typed frame that has no event of its own.
    instruments :
        In place of reading orderBookDetails at the start.
    instrument_refresh_s :
        Time between readings of orderBookDetails; 0: only when a frame shows that it is needed.
    max_channels :
        Channels of one connection; further ones open another.
    attempts, limiter, policy :
        Budget of connection attempts and limit of control frames, by default those of the
        process; how connections are kept.

    Notes
    -----
    A connection is opened when its first channel is wanted. All methods belong to one event loop.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        on_status: Callable[[StatusEvent], object] | None = None,
        on_venue_event: Callable[[VenueEvent], object] | None = None,
        instruments: Iterable[Instrument] = (),
        instrument_refresh_s: float = 3_600.0,
        max_channels: int = STREAM_LIMITS.subscriptions,
        rest: LighterRest | None = None,
        attempts: AttemptBudget | None = None,
        limiter: RateLimiter | None = None,
        policy: SessionPolicy | None = None,
        **settings: Any,
    ) -> None:
        self.config = config_from(Config, config, settings)
        self.rest = rest if rest is not None else LighterRest(self.config)
        super().__init__(
            VENUE,
            self.config,
            self.rest,
            on_status=on_status,
            on_venue_event=on_venue_event,
            instruments=instruments,
            instrument_refresh_s=instrument_refresh_s,
            max_channels=max_channels,
            attempts=attempts,
            policy=policy,
            # A bare acknowledgement, or 30003, may not be followed by one.
            snapshot_timeout_s=self.config.ws_timeout_s,
        )
        self._limiter = limiter
        self._heights: Listeners[None] = Listeners()

    # ---- looking ------------------------------------------------------------------------------

    @property
    def unknown_markets(self) -> int:
        """Frames that were dropped because their market is not known."""
        return sum(stream.decoder.unknown_markets for stream in self._streams)

    # ---- instruments --------------------------------------------------------------------------

    async def _load(self) -> Iterable[Instrument]:
        return await self.rest.instruments(self._unreadable_instrument)

    def _on_instrument(self, instrument: Instrument) -> None:
        self._symbols.add(instrument, alias=wire_name(instrument))
        self._books.on_instrument(instrument)

    # ---- what MarketFeeds needs ---------------------------------------------------------------

    def _number(self, instrument: Instrument) -> int:
        number: int = self._symbols.find(wire_name(instrument))
        return number

    def _book_channel(self, instrument: Instrument) -> Channel:
        return Channel(ChannelKind.ORDER_BOOK, wire_name(instrument))

    def _add_height(self, callback: Callable[[int, int], object]) -> Subscription:
        channel = Channel(ChannelKind.HEIGHT)
        return self._listen("height", (channel,), self._heights, None, callback)

    # ---- channels -----------------------------------------------------------------------------

    def _covering(self, name: str) -> str | None:
        return covering(name)

    def _stream_for(self, name: str) -> PublicStream:
        for stream in self._streams:
            if stream.control.free > 0:
                return stream
        return self._opened(
            PublicStream(
                self,
                f"lighter/public/{len(self._streams)}",
                self.config,
                decoder_factory=self._make_decoder,
                limit=self._max_channels,
                limiter=self._limiter,
                attempts=self._attempts,
                policy=self._policy,
            )
        )

    def _make_decoder(self, stream: PublicStream) -> LighterDecoder:
        return LighterDecoder(
            self._symbols,
            self._dispatch.router,
            on_control=stream.on_control,
            on_venue_event=self._on_typed_frame,
            on_problem=stream.on_problem,
            on_off_scale=self._off_scale,
            on_first=stream.on_first,
            on_unknown_market=self._unknown_market,
            on_empty_side=self._on_empty_side,
            on_stats=self._on_stats,
            on_height=self._on_height,
        )

    # ---- what the decoder tells ---------------------------------------------------------------

    def _on_typed_frame(self, name: str, channel: str, data: bytes) -> None:
        self._venue_event(name, data, channel)

    def _on_height(self, height: int, ts_event: int) -> None:
        for callback in self._heights.of(None):
            self._call(callback, height, ts_event)
