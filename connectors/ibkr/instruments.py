"""Instruments from what the venue says about a contract (5.4, R-14, R-15).

An instrument's `symbol` is its conid, which is what the wire knows; the id is for people: `AAPL`,
`ES-261218`, `EUR.USD`, `AAPL-260821-195-C`, and `BMW.IBIS` for a stock that is not listed in the
United States.

How fine a price may be can depend on the price. `tick_size` is the step that all ranges share, so
that everything the venue prints lies on the grid; what an order may ask for says `PriceRules`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from .._speedups.errors import PrecisionError
from ..errors import DecodeError
from ..execution.members import number, text, whole
from ..model.enums import InstrumentKind, MarketStatus, OrderType
from ..model.ids import instrument_id
from ..model.instruments import Instrument
from ..net.clock import NS_PER_S
from .config import VENUE

__all__ = ["PriceRules", "conid_of", "instrument_name", "make_instrument", "price_rules"]

ONE = Decimal(1)
_KINDS = {
    "STK": InstrumentKind.EQUITY,
    "FUT": InstrumentKind.FUTURE,
    "OPT": InstrumentKind.OPTION,
    "FOP": InstrumentKind.OPTION,
    "CASH": InstrumentKind.FX,
    "IND": InstrumentKind.INDEX,
    "BOND": InstrumentKind.BOND,
    "BILL": InstrumentKind.BOND,
    "CRYPTO": InstrumentKind.SPOT,
}
_ORDER_TYPES = {
    "limit": OrderType.LIMIT,
    "market": OrderType.MARKET,
    "stop": OrderType.STOP_MARKET,
    "stop_limit": OrderType.STOP_LIMIT,
    "mit": OrderType.MARKET_IF_TOUCHED,
    "lit": OrderType.LIMIT_IF_TOUCHED,
    "trailing_stop": OrderType.TRAILING_STOP_MARKET,
    "trailing_stop_limit": OrderType.TRAILING_STOP_LIMIT,
}
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PriceRules:
    """Price increments by range: each holds from its lower edge on, for the price's size.

    Attributes
    ----------
    edges, increments : tuple of Decimal
        Ascending; the first edge is 0.
    """

    edges: tuple[Decimal, ...]
    increments: tuple[Decimal, ...]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> PriceRules:
        """Read `incrementRules`; DecodeError if a row is none, or none is left."""
        found = {number(row, "lowerEdge"): number(row, "increment") for row in rows}
        if not found or any(step <= 0 for step in found.values()):
            raise DecodeError("incrementRules without a usable increment", 0)
        edges = sorted(found)
        steps = tuple(found[edge] for edge in edges)
        if edges[0] > 0:
            edges[0] = Decimal(0)
        return cls(tuple(edges), steps)

    @property
    def common_step(self) -> Decimal:
        """The largest step of which all increments, and all edges, are multiples."""
        parts = [part for part in (*self.increments, *self.edges) if part]
        digits = max(-int(part.normalize().as_tuple().exponent) for part in parts)
        digits = max(digits, 0)
        units = (int(part.scaleb(digits)) for part in parts)
        return Decimal(math.gcd(*units)).scaleb(-digits)

    def at(self, price: Decimal) -> Decimal:
        """Return the increment of an order at a price: of the last edge not above its size."""
        return self.increments[max(bisect_right(self.edges, abs(price)) - 1, 0)]

    def allows(self, price: Decimal) -> bool:
        """Whether an order may have this price."""
        return price % self.at(price) == 0

    def neighbours(self, price: Decimal) -> tuple[Decimal, Decimal]:
        """Return the nearest allowed prices not above and not below a price."""
        step = self.at(price)
        below = (price / step).to_integral_value(ROUND_FLOOR) * step
        return (below, below) if below == price else (below, below + step)

    def check(self, price: Decimal) -> Decimal:
        """Return an order's price.

        Raises
        ------
        PrecisionError
            It is between two increments; the text names the neighbours.
        """
        if not self.allows(price):
            below, above = self.neighbours(price)
            raise PrecisionError(
                f"price {price:f} is not a multiple of {self.at(price):f}, the increment from "
                f"{self.edges[max(bisect_right(self.edges, abs(price)) - 1, 0)]:f} on; use "
                f"{below:f} or {above:f}",
                price,
            )
        return price


def price_rules(instrument: Instrument) -> PriceRules:
    """Return the price increments of an instrument, by range."""
    rules = instrument.info.get("price_rules")
    if isinstance(rules, PriceRules):
        return rules
    return PriceRules((Decimal(0),), (instrument.tick_size,))


def conid_of(instrument: Instrument) -> int:
    """Return the venue's number of an instrument."""
    return int(instrument.symbol)


def instrument_name(definition: Row) -> str:
    """Return our id of a contract.

    Raises
    ------
    DecodeError
        The definition does not say what it is.
    """
    ticker = text(definition, "ticker") or text(definition, "symbol")
    kind = _KINDS.get(_asset_class(definition), InstrumentKind.OTHER)
    if not ticker:
        return str(whole(definition, "conid"))
    if kind is InstrumentKind.EQUITY and definition.get("isUS") is not False:
        return ticker
    if kind is InstrumentKind.FX:
        return f"{ticker.partition('.')[0]}.{text(definition, 'currency')}"
    expiry = _expiry(definition)
    if kind is InstrumentKind.FUTURE and expiry:
        return instrument_id(ticker, kind, expiry[2:])
    if kind is InstrumentKind.OPTION and expiry:
        right = text(definition, "putOrCall") or text(definition, "right")
        strike = number(definition, "strike").normalize()
        return f"{ticker}-{expiry[2:]}-{strike:f}-{right[:1].upper()}"
    exchange = text(definition, "listingExchange") or _asset_class(definition)
    return f"{ticker}.{exchange}" if kind is InstrumentKind.EQUITY else f"{ticker}-{exchange}"


def make_instrument(
    definition: Row, rules: Row | None = None, *, name: str | None = None
) -> Instrument:
    """Return the instrument of a definition (`trsrv/secdef`) and its order rules.

    Parameters
    ----------
    rules : mapping, optional
        Answer of `contract/rules`; without it there is no word on fractions and order types.
    name : str, optional
        Our id, in place of what `instrument_name` says.

    Raises
    ------
    DecodeError
        Something necessary is missing; the text says what.
    """
    conid = whole(definition, "conid")
    kind = _KINDS.get(_asset_class(definition), InstrumentKind.OTHER)
    rules = {} if rules is None else rules
    steps = _price_rules(definition, rules)
    ticker = text(definition, "ticker") or text(definition, "symbol")
    currency = text(definition, "currency")
    multiplier = number(definition, "multiplier", Decimal(0)) or ONE
    expiry = _expiry(definition)
    names = rules.get("orderTypes")
    types = frozenset(
        _ORDER_TYPES[name] for name in (names if isinstance(names, list) else ())
        if name in _ORDER_TYPES
    )  # fmt: skip
    return Instrument(
        id=instrument_name(definition) if name is None else name,
        symbol=str(conid),
        venue=VENUE,
        kind=kind,
        base=ticker or str(conid),
        quote=currency,
        tick_size=steps.common_step,
        lot_size=_lot(rules),
        pair=ticker or None,
        multiplier=multiplier,
        order_types=types,
        status=MarketStatus.TRADING,
        ts_expiry=None if not expiry else _midnight_ns(expiry),
        info={"price_rules": steps, "definition": dict(definition), "rules": dict(rules)},
    )


def _asset_class(definition: Row) -> str:
    return text(definition, "assetClass") or text(definition, "secType")


def _expiry(definition: Row) -> str:
    """Return the date as `yyyymmdd`, "" for what does not expire."""
    for name in ("expiry", "maturityDate", "expirationDate"):
        value = definition.get(name)
        found = str(value) if isinstance(value, str | int) else ""
        if len(found) == 8 and found.isdecimal():
            return found
    return ""


def _midnight_ns(date: str) -> int | None:
    try:
        moment = datetime.strptime(date, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * NS_PER_S


def _price_rules(definition: Row, rules: Row) -> PriceRules:
    for source in (rules, definition):
        rows = source.get("incrementRules")
        if isinstance(rows, list) and rows:
            return PriceRules.of(row for row in rows if isinstance(row, Mapping))
    if rules.get("increment"):
        return PriceRules((Decimal(0),), (number(rules, "increment"),))
    shown = definition.get("displayRule")
    steps = shown.get("displayRuleStep") if isinstance(shown, Mapping) else None
    if isinstance(steps, list) and steps and isinstance(steps[0], Mapping):
        digits = max(whole(step, "decimalDigits", 0) for step in steps)
        return PriceRules((Decimal(0),), (ONE.scaleb(-digits),))
    raise DecodeError(f"contract {definition.get('conid')} comes without price increments", 0)


def _lot(rules: Row) -> Decimal:
    """Return the smallest size: `sizeIncrement` is a step of a button, and not that (5.4)."""
    digits = rules.get("fraqInt")
    allows_fractions = bool(rules.get("fraqTypes"))
    if allows_fractions and isinstance(digits, int) and 0 < digits <= 12:
        return ONE.scaleb(-digits)
    return ONE
