"""What the cold channels say: markets, candles, block heights (5.3 to 5.5). Sans-I/O.

These come some times a second, not thousands of times: they are read with a JSON parser.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from .._speedups.events import EventFlag, InstrumentBase
from .._speedups.ticks import TickScale
from ..errors import DecodeError, PrecisionError
from ..model import Bar, Instrument, MarkPrice
from .instruments import DEFINING, merge_record

__all__ = [
    "MarketChange",
    "MarketStats",
    "Markets",
    "contents_of",
    "read_bar",
    "read_height",
    "read_mark_price",
    "read_stats",
    "utc_ns",
]

NS_PER_S = 1_000_000_000
FUNDING_NS = 3_600 * NS_PER_S
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketStats:
    """All the venue says about a market at once.

    Attributes
    ----------
    funding_rate :
        What the current hour is expected to cost, as a fraction.
    open_interest :
        In units of base.
    volume_24h :
        In USD.
    record :
        The venue's own words, the newest of each.
    """

    instrument: Instrument
    ts_event: int
    ts_init: int
    oracle_price: Decimal | None
    funding_rate: Decimal | None
    open_interest: Decimal | None
    volume_24h: Decimal | None
    trades_24h: int | None
    price_change_24h: Decimal | None
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MarketChange:
    """What is new about one market.

    Attributes
    ----------
    record :
        All that is known of it now.
    names :
        Fields that came.
    """

    ticker: str
    record: Mapping[str, Any]
    names: frozenset[str]

    @property
    def is_definition(self) -> bool:
        """Whether the instrument may be another one."""
        return not self.names.isdisjoint(DEFINING)

    @property
    def is_price(self) -> bool:
        """Whether the oracle price or the funding rate came."""
        return not self.names.isdisjoint(("oraclePrice", "nextFundingRate"))


class Markets:
    """The records of all markets, as REST and the stream tell them.

    Attributes
    ----------
    records :
        By ticker; the venue's own fields, and of the oracle's price when it took effect.
    """

    __slots__ = ("records",)

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}

    def load(self, markets: Mapping[str, Any]) -> None:
        """Take the records of all markets, by ticker."""
        for _ in self._snapshot(markets):
            pass

    def apply(self, contents: Mapping[str, Any]) -> Iterator[MarketChange]:
        """Take the contents of one message; what is new comes one market at a time.

        Raises
        ------
        DecodeError
            They are not what they must be; of the markets before all was taken.
        """
        if "markets" in contents:
            yield from self._snapshot(contents["markets"])
        for key in ("trading", "oraclePrices"):
            for ticker, update in _records(contents.get(key), key):
                known = self.records.get(ticker, {})
                if update.get("ticker", ticker) != ticker:
                    raise DecodeError(f"the market of {ticker} is called {update['ticker']!r}")
                record = self.records[ticker] = merge_record(known, update)
                yield MarketChange(ticker, record, frozenset(update))

    def _snapshot(self, markets: Any) -> Iterator[MarketChange]:
        for ticker, record in _records(markets, "markets"):
            self.records[ticker] = record
            yield MarketChange(ticker, record, frozenset(record))


def _records(value: Any, what: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if value is None:
        return
    if not isinstance(value, dict):
        raise DecodeError(f"{what} is no object")
    for ticker, record in value.items():
        if not isinstance(record, dict):
            raise DecodeError(f"{what}: {ticker} is no object")
        yield ticker, record


def contents_of(frame: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the contents of a frame: one object, or those of a batch in order.

    Raises
    ------
    DecodeError
        There is something else in its place.
    """
    found = frame.get("contents")
    parts = found if isinstance(found, list) else [found]
    if not all(isinstance(part, dict) for part in parts):
        raise DecodeError("contents are no object")
    return parts


def read_mark_price(
    instrument: InstrumentBase, record: Mapping[str, Any], ts_init: int
) -> MarkPrice | None:
    """Return the oracle price of a market, None as long as it has none.

    The venue values positions by it: it is the mark price and the index price.
    """
    price = _number(record, "oraclePrice")
    if price is None:
        return None
    at = record.get("effectiveAt")
    ts_event = ts_init if at is None else utc_ns(at)
    return MarkPrice(
        instrument,
        mark=price,
        index=price,
        funding_rate=_number(record, "nextFundingRate"),
        ts_next_funding=(ts_event // FUNDING_NS + 1) * FUNDING_NS,
        ts_event=ts_event,
        ts_init=ts_init,
    )


def read_stats(instrument: Instrument, record: Mapping[str, Any], ts_init: int) -> MarketStats:
    """Return all that is known of a market."""
    at, trades = record.get("effectiveAt"), _number(record, "trades24H")
    return MarketStats(
        instrument=instrument,
        ts_event=ts_init if at is None else utc_ns(at),
        ts_init=ts_init,
        oracle_price=_number(record, "oraclePrice"),
        funding_rate=_number(record, "nextFundingRate"),
        open_interest=_number(record, "openInterest"),
        volume_24h=_number(record, "volume24H"),
        trades_24h=None if trades is None else int(trades),
        price_change_24h=_number(record, "priceChange24H"),
        record=record,
    )


def read_bar(
    instrument: InstrumentBase,
    candle: Mapping[str, Any],
    interval_s: int,
    ts_init: int,
    flags: int = 0,
) -> Bar:
    """Return a candle as a bar; it has no word on whether it is closed.

    A value that is off the instrument's grid, as after a change of the tick, comes exactly on a
    finer one, with flag OFF_SCALE.
    """
    prices = [_needed(candle, name) for name in _PRICES]
    volume = _needed(candle, "baseTokenVolume")
    try:
        ticks = [instrument.price_scale.to_ticks(price) for price in prices]
        lots = instrument.size_scale.to_ticks(volume)
    except PrecisionError:
        instrument = _finer(instrument, prices, volume)
        ticks = [instrument.price_scale.to_ticks(price) for price in prices]
        lots = instrument.size_scale.to_ticks(volume)
        flags |= EventFlag.OFF_SCALE
    opened = utc_ns(candle.get("startedAt"))
    trades = _number(candle, "trades")
    return Bar(
        instrument,
        interval_s=interval_s,
        ts_open=opened,
        open_ticks=ticks[0],
        high_ticks=ticks[1],
        low_ticks=ticks[2],
        close_ticks=ticks[3],
        volume_lots=lots,
        quote_volume=_number(candle, "usdVolume"),
        trade_count=0 if trades is None else int(trades),
        ts_event=opened + interval_s * NS_PER_S,
        ts_init=ts_init,
        flags=flags,
    )


def _finer(instrument: InstrumentBase, prices: list[Decimal], volume: Decimal) -> InstrumentBase:
    return InstrumentBase(
        instrument.id,
        instrument.symbol,
        instrument.venue,
        TickScale(_step([*prices, instrument.price_scale.increment])),
        TickScale(_step([volume, instrument.size_scale.increment])),
    )


def _step(values: list[Decimal]) -> Decimal:
    """Return the largest power of ten that all values are multiples of."""
    return Decimal(1).scaleb(min(int(value.as_tuple().exponent) for value in values))


def read_height(contents: Mapping[str, Any]) -> tuple[int, int]:
    """Return height and time (ns) of a block; snapshot and update name the height differently."""
    value = contents.get("height", contents.get("blockHeight"))
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or len(text) > 18:
        raise DecodeError(f"height is {value!r}")
    return int(text), utc_ns(contents.get("time"))


def utc_ns(value: object) -> int:
    """Return a time such as `2025-12-08T16:12:00.000Z` in ns since the epoch."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        raise DecodeError(f"{value!r} is no time") from None
    if at.tzinfo is None:
        raise DecodeError(f"{value!r} is a time of an unknown zone")
    return (at - _EPOCH) // _MICROSECOND * 1_000


def _needed(record: Mapping[str, Any], name: str) -> Decimal:
    number = _number(record, name)
    if number is None:
        raise DecodeError(f"{name} is missing")
    return number


def _number(record: Mapping[str, Any], name: str) -> Decimal | None:
    value = record.get(name)
    if value is None:
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise DecodeError(f"{name} is {value!r}, not a number")
    return number
