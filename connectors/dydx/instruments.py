"""perpetualMarkets and the markets' stream to instruments (section 8 of the venue's rules).

On the chain a price is a count of subticks and a size a count of quantums; both are integers, and
so are our ticks and lots: a tick is `subticksPerTick` subticks, a lot `stepBaseQuantums` quantums.
`Scaler` converts between them, and from text, without ever rounding unasked.

| market    | symbol    | id             |
|-----------|-----------|----------------|
| perpetual | `BTC-USD` | `BTC-USD-PERP` |
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, Literal

from ..errors import UNREADABLE, DecodeError, PrecisionError, ProtocolError
from ..model import Instrument, InstrumentKind, MarketStatus, OrderType, TimeInForce
from ..model.ids import instrument_id
from .config import VENUE

__all__ = [
    "Scaler",
    "clob_pair_id",
    "merge_record",
    "number_of",
    "parse_instruments",
    "parse_market",
    "status_of",
]

log = logging.getLogger("connectors.dydx")

QUOTE, SETTLE = "USD", "USDC"
QUOTE_RESOLUTION = -6
U64_MAX = 2**64 - 1
EXPONENT_MAX = 40  # beyond it a resolution is a mistake
# Text of more digits than this has no meaning as an amount.
DIGITS_MAX = 80

STATUSES = {
    "ACTIVE": MarketStatus.TRADING,
    "PAUSED": MarketStatus.PAUSED,
    "CANCEL_ONLY": MarketStatus.PAUSED,
    "POST_ONLY": MarketStatus.POST_ONLY,
    "INITIALIZING": MarketStatus.PRE_OPEN,
    "FINAL_SETTLEMENT": MarketStatus.SETTLING,
}
_ORDER_TYPES = frozenset(
    {
        OrderType.LIMIT,
        OrderType.MARKET,
        OrderType.STOP_LIMIT,
        OrderType.STOP_MARKET,
        OrderType.LIMIT_IF_TOUCHED,
        OrderType.MARKET_IF_TOUCHED,
    }
)
_TIMES_IN_FORCE = frozenset({TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC})
# What an instrument is made of: a change of one of these makes it another one.
DEFINING = frozenset(
    {
        "clobPairId",
        "ticker",
        "status",
        "atomicResolution",
        "quantumConversionExponent",
        "stepBaseQuantums",
        "subticksPerTick",
        "marketType",
        "initialMarginFraction",
        "maintenanceMarginFraction",
    }
)
# Of a full record that comes with a change of the market these are zeros, and mean nothing (5.4).
_STATISTICS = frozenset(
    {
        "oraclePrice",
        "priceChange24H",
        "volume24H",
        "trades24H",
        "nextFundingRate",
        "openInterest",
        "baseOpenInterest",
        "defaultFundingRate1H",
    }
)
_EXACT = Context(prec=DIGITS_MAX, traps=[Inexact, InvalidOperation])

Rounding = Literal["floor", "ceiling"]


@dataclass(frozen=True, slots=True)
class Scaler:
    """Exact conversion of one market's prices and sizes (8.2).

    Attributes
    ----------
    atomic_resolution :
        A size of one quantum is `10 ** atomic_resolution`; may be positive.
    price_exponent :
        A price of one subtick is `10 ** price_exponent`.
    step_quantums, tick_subticks :
        The grid: a lot, which is also the least size, and a tick.
    """

    atomic_resolution: int
    price_exponent: int
    step_quantums: int
    tick_subticks: int

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Scaler:
        """Return the scaler of a market's record; ValueError where an integer is missing or off."""
        resolution = _integer(record, "atomicResolution", -EXPONENT_MAX, EXPONENT_MAX)
        conversion = _integer(record, "quantumConversionExponent", -EXPONENT_MAX, EXPONENT_MAX)
        return cls(
            resolution,
            conversion + QUOTE_RESOLUTION - resolution,
            _integer(record, "stepBaseQuantums", 1, U64_MAX),
            _integer(record, "subticksPerTick", 1, U64_MAX),
        )

    @property
    def tick_size(self) -> Decimal:
        """Smallest step of the price."""
        return Decimal(self.tick_subticks).scaleb(self.price_exponent, _EXACT)

    @property
    def lot_size(self) -> Decimal:
        """Smallest step of the size, and the least size."""
        return Decimal(self.step_quantums).scaleb(self.atomic_resolution, _EXACT)

    def to_quantums(self, size: str | Decimal | int, *, rounding: Rounding | None = None) -> int:
        """Return a size as quantums, a multiple of the step from 1 to 2**64 - 1.

        Parameters
        ----------
        rounding : {"floor", "ceiling"}, optional
            What to do with a size off the grid; without it such a size is refused. What is
            rounded may come out as 0.

        Raises
        ------
        PrecisionError
            It is off the grid, not positive, or too large.
        """
        return _to_grid(size, self.atomic_resolution, self.step_quantums, "size", rounding)

    def to_subticks(self, price: str | Decimal | int, *, rounding: Rounding | None = None) -> int:
        """Return a price as subticks; otherwise as `to_quantums`."""
        return _to_grid(price, self.price_exponent, self.tick_subticks, "price", rounding)

    def size(self, quantums: int) -> Decimal:
        """Return the size of so many quantums."""
        return Decimal(quantums).scaleb(self.atomic_resolution, _EXACT)

    def price(self, subticks: int) -> Decimal:
        """Return the price of so many subticks."""
        return Decimal(subticks).scaleb(self.price_exponent, _EXACT)

    def notional_micro(self, quantums: int, subticks: int) -> Decimal:
        """Return the value of an amount at a price in millionths of a USDC, exactly."""
        conversion = self.price_exponent - QUOTE_RESOLUTION + self.atomic_resolution
        return Decimal(quantums * subticks).scaleb(conversion, _EXACT)


def _to_grid(
    value: str | Decimal | int, exponent: int, step: int, what: str, rounding: Rounding | None
) -> int:
    if isinstance(value, bool | float):
        raise PrecisionError(f"a {what} is text, Decimal or int, not {type(value).__name__}", value)
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise PrecisionError(f"{what} {value!r} is not a number", value) from None
    sign, digits, shift = number.as_tuple()
    if not isinstance(shift, int) or abs(shift) > DIGITS_MAX or len(digits) > DIGITS_MAX:
        raise PrecisionError(f"{what} {value!r} is no amount", value)
    mantissa = int("".join(map(str, digits))) * (-1 if sign else 1)
    # value = mantissa * 10**shift = grid * step * 10**exponent
    numerator = mantissa * 10 ** max(shift - exponent, 0)
    denominator = step * 10 ** max(exponent - shift, 0)
    grid, rest = divmod(numerator, denominator)
    if rest:
        if rounding is None:
            raise PrecisionError(
                f"{what} {number} is not a multiple of {Decimal(step).scaleb(exponent):f}: "
                "use one that is, or pass rounding=",
                value,
            )
        grid += rounding == "ceiling"
    found: int = grid * step
    least = 1 if rounding is None else 0
    if not least <= found <= U64_MAX:
        raise PrecisionError(
            f"{what} {number} is {found} on the chain, not {least} to 2**64 - 1", value
        )
    return found


def clob_pair_id(instrument: Instrument) -> int:
    """Return the number by which the chain knows the market."""
    return int(instrument.info["clobPairId"])


def status_of(word: str) -> MarketStatus:
    """Return what a market's status means."""
    return STATUSES.get(word, MarketStatus.UNKNOWN)


def parse_instruments(
    markets: Mapping[str, Any], on_problem: Callable[[str, str], object] | None = None
) -> tuple[Instrument, ...]:
    """Return the instruments of records by ticker, as REST and the stream's snapshot have them.

    A market that cannot be read does not hold up the others: `on_problem(ticker, reason)` is told,
    and without it the log.

    Raises
    ------
    ProtocolError
        It is no object at all.
    """
    if not isinstance(markets, Mapping):
        raise ProtocolError("the markets are not an object of records")
    found = []
    for ticker, record in markets.items():
        try:
            found.append(parse_market(record))
        except UNREADABLE as error:
            reason = f"{type(error).__name__}: {error}"
            if on_problem is not None:
                on_problem(ticker, reason)
            else:
                log.warning("ticker=%s cannot be read from perpetualMarkets: %s", ticker, reason)
    return tuple(found)


def parse_market(record: Mapping[str, Any]) -> Instrument:
    """Return the instrument of one market's record.

    The grid comes from the integers; `tickSize` and `stepSize` are only compared (DX-I-02).

    Raises
    ------
    LookupError, TypeError, ValueError
        The record lacks something, or it is not what it must be.
    """
    ticker: str = record["ticker"]
    base, hyphen, quote = ticker.rpartition("-")
    if not hyphen or not base:
        raise ValueError(f"ticker {ticker!r} is not BASE-QUOTE")
    scaler = Scaler.of(record)
    _integer_text(record["clobPairId"], "clobPairId")
    for name, ours in (("tickSize", scaler.tick_size), ("stepSize", scaler.lot_size)):
        given = record.get(name)
        if given is not None and number_of(given, name) != ours:
            log.warning("ticker=%s %s is %s, its integers say %s", ticker, name, given, ours)
    initial = _fraction(record.get("initialMarginFraction"), "initialMarginFraction")
    word = str(record.get("status", ""))
    return Instrument(
        id=instrument_id(ticker, InstrumentKind.PERPETUAL),
        symbol=ticker,
        venue=VENUE,
        kind=InstrumentKind.PERPETUAL,
        base=base,
        quote=quote,
        settle=SETTLE,
        tick_size=scaler.tick_size,
        lot_size=scaler.lot_size,
        min_size=scaler.lot_size,
        margin_initial=initial,
        margin_maintenance=_fraction(
            record.get("maintenanceMarginFraction"), "maintenanceMarginFraction"
        ),
        max_leverage=None if initial is None else Decimal(1) / initial,
        order_types=_ORDER_TYPES,
        times_in_force=_TIMES_IN_FORCE,
        status=status_of(word),
        venue_status=word,
        info={name: record[name] for name in record if name in DEFINING},
    )


def merge_record(known: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """Return a market's record after an update of the `trading` kind (5.4).

    Only changed fields come. A record that comes whole, with its number, has zeros for what it
    does not know: the statistics of before stay.
    """
    whole = "clobPairId" in update and "atomicResolution" in update
    news = {
        name: value
        for name, value in update.items()
        if not (whole and name in _STATISTICS and name in known)
    }
    return {**known, **news}


def _integer(record: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = record[name]
    if isinstance(value, bool) or not isinstance(value, int):
        value = _integer_text(value, name)
    if not least <= value <= most:
        raise ValueError(f"{name} is {value}, not {least} to {most}")
    return int(value)


def _integer_text(value: object, name: str) -> int:
    if isinstance(value, str) and value.lstrip("-").isdecimal() and len(value) <= DIGITS_MAX:
        return int(value)
    raise ValueError(f"{name} is {value!r}, not an integer")


def number_of(value: object, name: str) -> Decimal:
    """Return a number of the venue's, exactly; DecodeError for what is none."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise DecodeError(f"{name} is {value!r}, not a number")
    return number


def _fraction(value: object, name: str) -> Decimal | None:
    """A fraction of zero, or one that is not there, is none."""
    number = number_of(value, name) if value is not None else Decimal(0)
    return number if number > 0 else None
