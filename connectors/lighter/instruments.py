"""orderBookDetails to instruments (section 14 of the venue's rules).

| market              | symbol     | id              |
|---------------------|------------|-----------------|
| perpetual           | `ETH`      | `ETH-PERP`      |
| spot                | `ETH/USDC` | `ETH/USDC-SPOT` |

On the wire a market is only a number: `market_index` of an instrument.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from ..errors import UNREADABLE, ProtocolError
from ..model import Instrument, InstrumentKind, MarketStatus, OrderType, TimeInForce, instrument_id
from .config import VENUE

__all__ = ["market_index", "parse_instruments", "parse_market", "wire_name"]

log = logging.getLogger("connectors.lighter")

QUOTE = "USDC"
MAX_DECIMALS = 16
_FRACTION = Decimal("0.0001")  # margins are counted in this
_STATE = frozenset({"last_trade_price", "open_interest", "daily_chart"})  # no definition
_STATUS = {"active": MarketStatus.TRADING, "inactive": MarketStatus.PAUSED}
_PERP_ORDERS = frozenset(
    {
        OrderType.LIMIT,
        OrderType.MARKET,
        OrderType.STOP_MARKET,
        OrderType.STOP_LIMIT,
        OrderType.MARKET_IF_TOUCHED,
        OrderType.LIMIT_IF_TOUCHED,
    }
)
_SPOT_ORDERS = frozenset({OrderType.LIMIT, OrderType.MARKET})
_TIMES_IN_FORCE = frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.GTD, TimeInForce.DAY})


def market_index(instrument: Instrument) -> int:
    """Return the number by which the venue knows the instrument."""
    index: int = instrument.info["market_id"]
    return index


def wire_name(instrument: Instrument) -> str:
    """Return the number as it stands in channels: the name in the decoder's symbol table."""
    return str(market_index(instrument))


def parse_instruments(
    body: Mapping[str, Any], on_problem: Callable[[str, str], object] | None = None
) -> tuple[Instrument, ...]:
    """Return the perpetual and spot instruments of an orderBookDetails answer.

    A market that cannot be read does not hold up the others: `on_problem(symbol, reason)` is
    told, and without it the log. Kinds of markets we do not know are passed over.

    Raises
    ------
    ProtocolError
        It is no such answer at all.
    """
    found: list[Instrument] = []
    lists = [body.get(name) for name in ("order_book_details", "spot_order_book_details")]
    if not any(isinstance(each, list) for each in lists):
        raise ProtocolError("orderBookDetails has no list of markets")
    for entry in (entry for each in lists for entry in each or ()):
        try:
            instrument = parse_market(entry)
        except UNREADABLE as error:
            symbol = str(entry.get("symbol", "?")) if isinstance(entry, dict) else "?"
            reason = f"{type(error).__name__}: {error}"
            if on_problem is not None:
                on_problem(symbol, reason)
            else:
                log.warning("symbol=%s cannot be read from orderBookDetails: %s", symbol, reason)
            continue
        if instrument is not None:
            found.append(instrument)
    return tuple(found)


def parse_market(entry: Mapping[str, Any]) -> Instrument | None:
    """Return the instrument of one market, None for a kind of market we do not know."""
    kind = entry.get("market_type", "perp")
    if kind not in ("perp", "spot"):
        log.debug("symbol=%s market_type=%s is not supported", entry.get("symbol"), kind)
        return None
    is_spot = kind == "spot"
    symbol: str = entry["symbol"]
    index = entry["market_id"]
    if not isinstance(symbol, str) or not symbol:
        raise ValueError("the symbol is not a text")
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        raise ValueError(f"market_id is {index!r}")
    base, _, quote = symbol.partition("/")
    word = str(entry.get("status", ""))
    return Instrument(
        id=f"{symbol}-SPOT" if is_spot else instrument_id(symbol, InstrumentKind.PERPETUAL),
        symbol=symbol,
        venue=VENUE,
        kind=InstrumentKind.SPOT if is_spot else InstrumentKind.PERPETUAL,
        base=base,
        quote=quote or QUOTE,
        settle=quote or QUOTE,
        tick_size=_step(entry, "price_decimals"),
        lot_size=_step(entry, "size_decimals"),
        min_size=_limit(entry.get("min_base_amount")),
        min_notional=_limit(entry.get("min_quote_amount")),
        margin_initial=_fraction(entry.get("default_initial_margin_fraction")),
        margin_maintenance=_fraction(entry.get("maintenance_margin_fraction")),
        max_leverage=_leverage(entry.get("min_initial_margin_fraction")),
        order_types=_SPOT_ORDERS if is_spot else _PERP_ORDERS,
        times_in_force=_TIMES_IN_FORCE,
        status=_STATUS.get(word, MarketStatus.UNKNOWN),
        venue_status=word,
        info={
            **{name: value for name, value in entry.items() if not _is_state(name)},
            "market_type": kind,
        },
    )


def _is_state(name: str) -> bool:
    """Whether a member tells what a market does, which is another thing at every reading."""
    return name in _STATE or name.startswith("daily_")


def _step(entry: Mapping[str, Any], name: str) -> Decimal:
    decimals = entry.get(name)
    if decimals is None:
        decimals = entry.get(f"supported_{name}")
    if isinstance(decimals, bool) or not isinstance(decimals, int):
        raise ValueError(f"{name} is {decimals!r}")
    if not 0 <= decimals <= MAX_DECIMALS:
        raise ValueError(f"{name} is {decimals}, at most {MAX_DECIMALS} are supported")
    return Decimal(1).scaleb(-decimals)


def _limit(value: object) -> Decimal | None:
    """A limit of zero, or an empty one, is none."""
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number") from None
    return number if number > 0 else None


def _fraction(value: object) -> Decimal | None:
    number = _limit(value)
    return None if number is None else number * _FRACTION


def _leverage(value: object) -> Decimal | None:
    fraction = _fraction(value)
    return None if fraction is None else Decimal(1) / fraction
