"""Market data of Hyperliquid: quotes, trades, books, bars, prices, statistics.

| method                        | channel                            | event        |
|-------------------------------|------------------------------------|--------------|
| `subscribe_quotes`            | `bbo`                              | Quote        |
| `subscribe_trades`            | `trades`                           | Trade        |
| `subscribe_book`              | `l2Book`                           | the book     |
| `subscribe_book_deltas`       | `l2Book`                           | BookUpdate   |
| `subscribe_book_snapshots`    | `l2Book`                           | BookUpdate   |
| `subscribe_candles`           | `candle`                           | Bar          |
| `subscribe_mark_price`        | `activeAssetCtx`, of all:          | MarkPrice    |
| `subscribe_index_price`       | `allDexsAssetCtxs`,                | IndexPrice   |
| `subscribe_tickers`           | `spotAssetCtxs`                    | Ticker       |
| `subscribe_market_stats`      |                                    | AssetContext |
| `subscribe_mids`              | `allMids`                          | prices by id |
| `subscribe_fast_prices`       | `fastAssetCtxs`                    | prices by id |
| `subscribe_outcomes`          | `outcomeMetaUpdates`               | JSON         |
| `subscribe_instrument_status` | the metadata, read again           | see below    |

A change of trading status is an `InstrumentStatus`.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

import orjson

from .._speedups.book import ChainedBook
from .._speedups.hyperliquid import HyperliquidDecoder
from ..data.dispatch import Consumer, Dispatch
from ..data.market_client import Listeners
from ..errors import ClientError, ConnectorError, DecodeError
from ..model import DataDropped, Instrument, StatusEvent, Subscription, VenueEvent
from ..net.attempts import AttemptBudget
from ..net.policy import SessionPolicy
from ..settings import config_from
from .books import Books, SnapshotBook
from .channels import Channel, ChannelKind
from .config import VENUE, Config
from .feeds import BOOK_DEPTH, FAST_DEPTH, MarketFeeds
from .instruments import asset_id, dex_of, is_spot, load_instruments
from .limits import SUBSCRIPTIONS_MAX
from .public_stream import PublicStream
from .rest import HyperliquidRest

__all__ = ["DataClient"]

log = logging.getLogger("connectors.hyperliquid")

CHANNELS_PER_CONNECTION = 250
RESERVED_CHANNELS = 20  # of the venue's thousand, for the streams of accounts
HISTORY_S = 1.0  # after that the first frame of a channel has come
BUILDER_STEP = 10_000
INFLATED_MAX = 16 << 20


class DataClient(MarketFeeds):
    """Streams market data of perpetuals, spot pairs and builder dexes.

    ::

        async with DataClient(environment="mainnet") as data:
            data.subscribe_quotes("BTC-PERP", on_quote)
            async for trade in data.trades("HYPE/USDC-SPOT"):
                ...

    Parameters
    ----------
    config :
        Settings; or give them by name: `DataClient(environment="testnet", dexes=("xyz",))`.
        Credentials are not used.
    on_status :
        Receives every `StatusEvent`: connections, subscriptions, books, instruments, errors.
    on_venue_event :
        Receives a `VenueEvent` for each frame that has no event of its own.
    instruments :
        In place of reading the metadata at the start.
    instrument_refresh_s :
        Time between readings; 0: only when a frame shows that it is needed. By default the
        config's `metadata_refresh_s`.
    max_channels :
        Channels of one connection; further ones open another, up to the config's
        `connections_max` less one for an account.
    attempts, policy :
        Budget of connection attempts, by default that of all clients of the host; how
        connections are kept.

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
        instrument_refresh_s: float | None = None,
        max_channels: int = CHANNELS_PER_CONNECTION,
        rest: HyperliquidRest | None = None,
        attempts: AttemptBudget | None = None,
        policy: SessionPolicy | None = None,
        **settings: Any,
    ) -> None:
        self.config = config_from(Config, config, settings)
        self.rest = rest if rest is not None else HyperliquidRest(self.config)
        every_s = self.config.metadata_refresh_s
        super().__init__(
            VENUE,
            self.config,
            self.rest,
            on_status=on_status,
            on_venue_event=on_venue_event,
            instruments=instruments,
            instrument_refresh_s=every_s if instrument_refresh_s is None else instrument_refresh_s,
            max_channels=max_channels,
            attempts=attempts,
            policy=policy,
        )
        self._assets: dict[str, dict[int, int]] = {}  # by dex: from place to dense number
        self._books = Books(emit=self._emit, on_callback_error=self._callback_failed)
        self._consumers: dict[str, list[Consumer]] = {}  # by channel
        self._data: Listeners[str] = Listeners()  # by channel
        self._gap_checks: dict[str, asyncio.TimerHandle] = {}

    # ---- looking ------------------------------------------------------------------------------

    @property
    def unknown_coins(self) -> int:
        """Frames that were dropped because their coin is not known."""
        return sum(stream.decoder.unknown_coins for stream in self._streams)

    def book(self, instrument: Instrument | str, **form: Any) -> ChainedBook | None:
        """Return a subscribed book while it can be trusted, else None."""
        book = self.book_state(instrument, **form)
        return book if book is not None and book.live else None

    def book_state(self, instrument: Instrument | str, **form: Any) -> SnapshotBook | None:
        """Return a subscribed book in whatever state, None if it is not subscribed.

        `form` is as in `subscribe_book`.
        """
        return self._books.get(Channel.book(self.instrument(instrument).symbol, **form).name)

    # ---- instruments --------------------------------------------------------------------------

    async def _load(self) -> Iterable[Instrument]:
        return await load_instruments(self.rest, self.config.dexes, self._unreadable_instrument)

    def _on_instrument(self, instrument: Instrument) -> None:
        self._symbols.add(instrument)
        if not is_spot(instrument):
            place = asset_id(instrument) % BUILDER_STEP
            self._assets.setdefault(dex_of(instrument), {})[place] = self._number(instrument)
        self._books.on_instrument(instrument)

    # ---- what MarketFeeds needs ---------------------------------------------------------------

    def _add_book(
        self, instrument: Instrument, channel: Channel, callback: Callable[[ChainedBook], object]
    ) -> Subscription:
        name = channel.name
        subscription = self._make(f"book {instrument.id}", (name,))
        book = self._books.get(name)
        if book is None:
            depth = FAST_DEPTH if channel.fast else BOOK_DEPTH
            number = self._number(instrument)
            book = SnapshotBook(self._books, name, instrument, number, depth)
            for consumer in book.consumers:
                self._attach(name, consumer)
        self._books.attach(book, callback)
        self._at_end(subscription, partial(self._drop_book, name, book, callback))
        self._want(subscription)
        return subscription

    def _drop_book(
        self, name: str, book: SnapshotBook, callback: Callable[[ChainedBook], object]
    ) -> None:
        if self._books.detach(book, callback):
            for consumer in book.consumers:
                self._detach(name, consumer)

    def _add_data(
        self, label: str, channel: Channel, callback: Callable[[Any], object]
    ) -> Subscription:
        if channel.dex and channel.dex not in self._assets:
            # The venue would cut the connection.
            raise ClientError(f"dex {channel.dex!r} is not loaded: name it in the config's `dexes`")
        return self._listen(label, (channel,), self._data, channel.name, callback)

    # ---- channels -----------------------------------------------------------------------------

    def _attach(self, name: str, consumer: Consumer) -> None:
        self._consumers.setdefault(name, []).append(consumer)
        carrier = self._carriers.get(name)
        if carrier is not None:
            carrier.dispatch.add(consumer)

    def _detach(self, name: str, consumer: Consumer) -> None:
        others = [each for each in self._consumers.get(name, ()) if each is not consumer]
        if others:
            self._consumers[name] = others
        else:
            self._consumers.pop(name, None)
        carrier = self._carriers.get(name)
        if carrier is not None:
            carrier.dispatch.remove(consumer)

    def _assigned(self, name: str, stream: PublicStream) -> None:
        for consumer in self._consumers.get(name, ()):
            stream.dispatch.add(consumer)

    def _released(self, name: str, stream: PublicStream) -> None:
        self._stop_check(name)
        for consumer in self._consumers.get(name, ()):
            stream.dispatch.remove(consumer)

    def _stream_for(self, name: str) -> PublicStream | None:
        channel = Channel.parse(name)
        assert channel is not None
        if len(self._carriers) >= SUBSCRIPTIONS_MAX - RESERVED_CHANNELS:
            return None
        for stream in self._streams:
            if stream.channels.can_carry(channel):
                return stream
        if len(self._streams) >= max(self.config.connections_max - 1, 1):
            return None
        return self._opened(
            PublicStream(
                self,
                f"hyperliquid/public/{len(self._streams)}",
                self.config,
                dispatch=Dispatch(self._callback_failed),
                decoder_factory=self._make_decoder,
                limit=self._max_channels,
                limits=self.rest.limits,
                attempts=self._attempts,
                policy=self._policy,
            )
        )

    def _make_decoder(self, stream: PublicStream) -> HyperliquidDecoder:
        return HyperliquidDecoder(
            self._symbols,
            stream.dispatch.router,
            assets=self._assets,
            on_control=stream.on_control,
            on_venue_event=self._on_other_frame,
            on_problem=stream.on_problem,
            on_off_scale=self._off_scale,
            on_unknown_coin=self._unknown_market,
            on_empty_side=self._on_empty_side,
            on_context=self._on_stats,
            on_mids=self._on_mids,
        )

    def _stopped(self) -> None:
        for name in list(self._gap_checks):
            self._stop_check(name)

    def _interrupted(self, stream: PublicStream) -> None:
        for name in stream.control.channels:
            self._stop_check(name)
        self._books.on_lost(stream.control.channels)

    # ---- gaps in trades -----------------------------------------------------------------------

    def _served(self, name: str, stream: PublicStream) -> None:
        if name not in self._gap_checks and not self._is_whole(name):
            loop = asyncio.get_running_loop()
            self._gap_checks[name] = loop.call_later(HISTORY_S, self._check_gap, name, stream)

    def _stop_check(self, name: str) -> None:
        timer = self._gap_checks.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _check_gap(self, name: str, stream: PublicStream) -> None:
        """The history that came with the channel does not reach back to the loss: ask for more."""
        self._gap_checks.pop(name, None)
        channel = Channel.parse(name)
        if channel is None or self._is_whole(name) or self._carriers.get(name) is not stream:
            return
        self._tasks.spawn(self._fill_gap(channel, stream), f"trades {channel.coin}")

    async def _fill_gap(self, channel: Channel, stream: PublicStream) -> None:
        epoch = stream.session.epoch
        try:
            rows = await self.rest.recent_trades(channel.coin)
        except ConnectorError as error:
            log.warning("coin=%s recent trades could not be read: %s", channel.coin, error)
            rows = []
        rows.reverse()  # sent newest first
        if stream.session.epoch != epoch or self._carriers.get(channel.name) is not stream:
            return  # lost again: the next connection looks for itself
        now_ns = time.time_ns()
        stream.decoder.await_trades(channel.coin, now_ns)  # all of them are history
        stream.decoder.feed(orjson.dumps({"channel": "trades", "data": rows}), now_ns)
        if not rows or self._is_whole(channel.name):
            return
        what = f"trades of {channel.coin} while the connection was down"
        self._emit(DataDropped(venue=VENUE, ts_init=now_ns, what=what, count=0))

    # ---- what the decoder tells ---------------------------------------------------------------

    def _on_mids(self, dex: str, prices: Mapping[str, Decimal]) -> None:
        self._show_data(Channel(ChannelKind.MIDS, dex=dex).name, prices)

    def _show_data(self, name: str, data: Any) -> None:
        for callback in self._data.of(name):
            self._call(callback, data)

    def _on_other_frame(self, name: str, data: bytes) -> None:
        if name == ChannelKind.FAST_CONTEXTS:
            self._show_data(name, self._fast_prices(orjson.loads(data).get("data")))
        elif name in self._data:
            self._show_data(name, orjson.loads(data).get("data"))
        else:
            self._venue_event(name or "unknown", data, None)

    def _fast_prices(self, text: object) -> dict[str, tuple[Decimal | None, Decimal | None]]:
        """Unpack base64 of raw deflate of `{coin: {markPx, midPx}}`."""
        found: dict[str, tuple[Decimal | None, Decimal | None]] = {}
        by_coin = self._desk.catalog.by_symbol
        for coin, prices in _inflate(text).items():
            instrument = by_coin.get(coin)
            if instrument is not None and isinstance(prices, Mapping):
                found[instrument.id] = _number(prices, "markPx"), _number(prices, "midPx")
        return found


def _inflate(text: object) -> Mapping[str, Any]:
    try:
        packed = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
        unpacker = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        body = orjson.loads(unpacker.decompress(packed, INFLATED_MAX))
    except (ValueError, zlib.error) as error:
        raise DecodeError(f"fastAssetCtxs does not unpack: {error}", 0) from None
    if not isinstance(body, Mapping):
        raise DecodeError("fastAssetCtxs holds no map of prices", 0)
    return body


def _number(prices: Mapping[str, Any], name: str) -> Decimal | None:
    value = prices.get(name)
    try:
        return Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        return None
