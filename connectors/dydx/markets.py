"""What the cold channels say: markets, candles, block heights (5.3 to 5.5). Sans-I/O.

These come some times a second, not thousands of times: they are read with a JSON parser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .._speedups.events import EventFlag, InstrumentBase
from .._speedups.ticks import TickScale
from ..errors import DecodeError, PrecisionError
from ..model import Bar, Instrument, MarkPrice
from ..net.clock import NS_PER_S
from .instruments import DEFINING, merge_record, number_of
from .rows import iso_ns

__all__ = [
    "MarketChange",
    "MarketStats",
    "Markets",
    "contents_of",
    "read_bar",
    "read_height",
    "read_mark_price",
    "read_stats",
]

FUNDING_NS = 3_600 * NS_PER_S
_FINEST = Decimal("1e-18")
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
        """Take the records of all markets, by ticker; what is no record is left out."""
        for _ in self.apply({"markets": markets}, lambda error: None):
            pass

    def apply(
        self, contents: Mapping[str, Any], on_problem: Callable[[DecodeError], object]
    ) -> Iterator[MarketChange]:
        """Take the contents of one message; what is new comes one market at a time.

        What is not what it must be is told, `on_problem(error)`, and holds up no other market.
        """
        for key in ("markets", "trading", "oraclePrices"):
            updates = contents.get(key)
            if updates is None:
                continue
            if not isinstance(updates, dict):
                on_problem(DecodeError(f"{key} is no object"))
                continue
            for ticker, update in updates.items():
                if not isinstance(update, dict) or update.get("ticker", ticker) != ticker:
                    on_problem(DecodeError(f"{key}: what stands at {ticker} is no record of it"))
                    continue
                known = {} if key == "markets" else self.records.get(ticker, {})
                record = self.records[ticker] = merge_record(known, update)
                yield MarketChange(ticker, record, frozenset(update))


def contents_of(frame: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the contents of a frame: one object, or those of a batch in order.

    Raises
    ------
    DecodeError
        There is something else in its place.
    """
    found = frame.get("contents")
    parts: list[Any] = found if isinstance(found, list) else [found]
    if not all(isinstance(part, dict) for part in parts):
        raise DecodeError("contents are no object")
    return parts


def read_mark_price(
    instrument: InstrumentBase, record: Mapping[str, Any], ts_init: int
) -> MarkPrice | None:
    """Return the oracle price of a market, None as long as it has none.

    The venue values positions by it: it is the mark price and the index price. Its numbers have
    up to 20 decimals, an event has 18: what is beyond is rounded here, and not in `MarketStats`.
    """
    price = _number(record, "oraclePrice")
    if price is None:
        return None
    at, funding = record.get("effectiveAt"), _number(record, "nextFundingRate")
    ts_event = ts_init if at is None else iso_ns(at, "effectiveAt")
    return MarkPrice(
        instrument,
        mark=_to_18(price),
        index=_to_18(price),
        funding_rate=None if funding is None else _to_18(funding),
        ts_next_funding=(ts_event // FUNDING_NS + 1) * FUNDING_NS,
        ts_event=ts_event,
        ts_init=ts_init,
    )


def _to_18(number: Decimal) -> Decimal:
    return number.quantize(_FINEST) if int(number.as_tuple().exponent) < -18 else number


def read_stats(instrument: Instrument, record: Mapping[str, Any], ts_init: int) -> MarketStats:
    """Return all that is known of a market."""
    at, trades = record.get("effectiveAt"), _number(record, "trades24H")
    return MarketStats(
        instrument=instrument,
        ts_event=ts_init if at is None else iso_ns(at, "effectiveAt"),
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
    opened = iso_ns(candle.get("startedAt"), "startedAt")
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
    return int(text), iso_ns(contents.get("time"), "time")


def _needed(record: Mapping[str, Any], name: str) -> Decimal:
    number = _number(record, name)
    if number is None:
        raise DecodeError(f"{name} is missing")
    return number


def _number(record: Mapping[str, Any], name: str) -> Decimal | None:
    value = record.get(name)
    return None if value is None else number_of(value, name)
