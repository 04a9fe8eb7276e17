"""exchangeInfo to instruments, for USD-M and COIN-M (BN-I-10 to BN-I-18).

| contract            | symbol          | id              |
|---------------------|-----------------|-----------------|
| USD-M perpetual     | `BTCUSDT`       | `BTCUSDT-PERP`  |
| USD-M delivery      | `BTCUSDT_261225`| `BTCUSDT-261225`|
| COIN-M perpetual    | `BTCUSD_PERP`   | `BTCUSD-PERP`   |
| COIN-M delivery     | `BTCUSD_261225` | `BTCUSD-261225` |
| index of a pair     | `BTCUSD`        | `BTCUSD-INDEX`  |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ..errors import ProtocolError
from ..model import (
    Instrument,
    InstrumentKind,
    MarketStatus,
    OrderType,
    TimeInForce,
    instrument_id,
)
from ..net.clock import NS_PER_MS
from .config import VENUE, Product

__all__ = [
    "ExchangeInfo",
    "RateLimit",
    "index_instrument",
    "market_status",
    "parse_exchange_info",
    "parse_symbol",
    "symbol_id",
]


# BN-I-18; what the venue adds later maps to UNKNOWN and keeps its own word.
_STATUS = {
    "TRADING": MarketStatus.TRADING,
    "PENDING_TRADING": MarketStatus.PRE_OPEN,
    "PRE_TRADING": MarketStatus.PRE_OPEN,
    "AUCTION_MATCH": MarketStatus.PRE_OPEN,
    "POST_TRADING": MarketStatus.PAUSED,
    "END_OF_DAY": MarketStatus.PAUSED,
    "HALT": MarketStatus.PAUSED,
    "BREAK": MarketStatus.PAUSED,
    "PRE_DELIVERING": MarketStatus.SETTLING,
    "DELIVERING": MarketStatus.SETTLING,
    "PRE_SETTLE": MarketStatus.SETTLING,
    "SETTLING": MarketStatus.SETTLING,
    "PRE_DELISTING": MarketStatus.REDUCE_ONLY,
    "DELISTING": MarketStatus.REDUCE_ONLY,
    "DELIVERED": MarketStatus.CLOSED,
    "CLOSE": MarketStatus.CLOSED,
    "DOWN": MarketStatus.PAUSED,
}
_ORDER_TYPES = {
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP": OrderType.STOP_LIMIT,
    "STOP_MARKET": OrderType.STOP_MARKET,
    "TAKE_PROFIT": OrderType.LIMIT_IF_TOUCHED,
    "TAKE_PROFIT_MARKET": OrderType.MARKET_IF_TOUCHED,
    "TRAILING_STOP_MARKET": OrderType.TRAILING_STOP_MARKET,
}
_TIMES_IN_FORCE = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTD": TimeInForce.GTD,
}
# Perpetuals carry a delivery date in the year 2100.
_NEVER_MS = 4_133_404_800_000


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One entry of `rateLimits`: at most `limit` of `kind` in `interval_s`."""

    kind: str
    interval_s: int
    limit: int


@dataclass(frozen=True, slots=True)
class ExchangeInfo:
    """What one exchangeInfo said.

    `problems` names each symbol that could not be read, with the reason; the others are
    not held up by it.
    """

    instruments: tuple[Instrument, ...]
    rate_limits: tuple[RateLimit, ...]
    problems: tuple[tuple[str, str], ...]
    ts_server: int


def symbol_id(symbol: str) -> str:
    """Return our id of a raw futures symbol."""
    pair, _, suffix = symbol.partition("_")
    if not suffix or suffix == "PERP":
        return instrument_id(pair, InstrumentKind.PERPETUAL)
    return instrument_id(pair, InstrumentKind.FUTURE, suffix)


def market_status(venue_status: str) -> MarketStatus:
    """Map the venue's word for a contract's status (BN-I-18)."""
    return _STATUS.get(venue_status, MarketStatus.UNKNOWN)


def index_instrument(pair: str, quote: str = "") -> Instrument:
    """Return the pseudo instrument of a pair's index price; nobody can trade it."""
    return Instrument(
        id=f"{pair}-INDEX",
        symbol=pair,
        venue=VENUE,
        kind=InstrumentKind.INDEX,
        base=pair.removesuffix(quote) if quote else pair,
        quote=quote,
        tick_size="0.00000001",
        lot_size=1,
        status=MarketStatus.NOT_AVAILABLE,
    )


def parse_exchange_info(body: Mapping[str, Any], product: Product) -> ExchangeInfo:
    """Parse an exchangeInfo reply.

    Raises
    ------
    ProtocolError
        It is not one at all.
    """
    symbols = body.get("symbols")
    if not isinstance(symbols, list):
        raise ProtocolError("exchangeInfo has no list of symbols")
    instruments: list[Instrument] = []
    problems: list[tuple[str, str]] = []
    for entry in symbols:
        try:
            instruments.append(parse_symbol(entry, product))
        except (KeyError, TypeError, ValueError, InvalidOperation, AttributeError) as error:
            name = entry.get("symbol", "?") if isinstance(entry, dict) else "?"
            problems.append((str(name), f"{type(error).__name__}: {error}"))
    return ExchangeInfo(
        instruments=tuple(instruments),
        rate_limits=tuple(_rate_limits(body.get("rateLimits") or ())),
        problems=tuple(problems),
        ts_server=int(body.get("serverTime") or 0) * NS_PER_MS,
    )


def parse_symbol(entry: Mapping[str, Any], product: Product) -> Instrument:
    """Return the instrument of one entry of `symbols`."""
    symbol: str = entry["symbol"]
    filters = {item.get("filterType"): item for item in entry.get("filters") or ()}
    price = filters.get("PRICE_FILTER", {})
    lot = filters.get("LOT_SIZE", {})
    market_lot = filters.get("MARKET_LOT_SIZE", lot)
    percent = filters.get("PERCENT_PRICE", {})
    venue_status = entry.get("status") or entry.get("contractStatus") or ""
    inverse = product is Product.COINM
    identity = symbol_id(symbol)
    delivery = entry.get("deliveryDate")
    return Instrument(
        id=identity,
        symbol=symbol,
        venue=VENUE,
        kind=InstrumentKind.PERPETUAL if identity.endswith("-PERP") else InstrumentKind.FUTURE,
        base=entry["baseAsset"],
        quote=entry["quoteAsset"],
        settle=entry.get("marginAsset") or None,
        pair=entry.get("pair") or None,
        inverse=inverse,
        # contractSize is a JSON number; its text is what was meant.
        multiplier=Decimal(str(entry["contractSize"])) if inverse else Decimal(1),
        tick_size=_step(price.get("tickSize"), entry.get("pricePrecision")),
        lot_size=_step(lot.get("stepSize"), entry.get("quantityPrecision")),
        min_price=_limit(price.get("minPrice")),
        max_price=_limit(price.get("maxPrice")),
        min_size=_limit(lot.get("minQty")),
        max_size=_limit(lot.get("maxQty")),
        market_lot_size=_limit(market_lot.get("stepSize")),
        market_min_size=_limit(market_lot.get("minQty")),
        market_max_size=_limit(market_lot.get("maxQty")),
        min_notional=_limit(filters.get("MIN_NOTIONAL", {}).get("notional")),
        price_up=_limit(percent.get("multiplierUp")),
        price_down=_limit(percent.get("multiplierDown")),
        margin_initial=_percent(entry.get("requiredMarginPercent")),
        margin_maintenance=_percent(entry.get("maintMarginPercent")),
        max_orders=filters.get("MAX_NUM_ORDERS", {}).get("limit"),
        max_trigger_orders=filters.get("MAX_NUM_ALGO_ORDERS", {}).get("limit"),
        order_types=_known(entry.get("orderTypes"), _ORDER_TYPES),
        times_in_force=_known(entry.get("timeInForce"), _TIMES_IN_FORCE),
        status=market_status(venue_status),
        venue_status=venue_status,
        ts_listed=int(entry["onboardDate"]) * NS_PER_MS if entry.get("onboardDate") else None,
        ts_expiry=int(delivery) * NS_PER_MS if delivery and delivery < _NEVER_MS else None,
        info=entry,
    )


def _step(text: str | None, precision: int | None) -> Decimal:
    """The grid by the filter (BN-MD-12); a step of zero switches the filter off (BN-I-13)."""
    step = Decimal(text) if text is not None else Decimal(0)
    if step > 0:
        return step
    if precision is None:
        raise ValueError("neither a step nor a precision")
    return Decimal(1).scaleb(-precision)


def _limit(text: str | None) -> Decimal | None:
    """A limit of zero is none (BN-I-13)."""
    if text is None:
        return None
    value = Decimal(text)
    return value if value > 0 else None


def _percent(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text).scaleb(-2)


def _known(words: Iterable[str] | None, table: Mapping[str, Any]) -> frozenset[Any]:
    return frozenset(table[word] for word in words or () if word in table)


def _rate_limits(entries: Iterable[Mapping[str, Any]]) -> Iterable[RateLimit]:
    seconds = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400}
    for entry in entries:
        interval = seconds.get(entry.get("interval", ""))
        if interval is not None:
            yield RateLimit(
                entry["rateLimitType"], interval * int(entry["intervalNum"]), int(entry["limit"])
            )
