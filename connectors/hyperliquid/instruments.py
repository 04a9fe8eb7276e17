"""meta, spotMeta and perpDexs to instruments (section 6 of the venue's rules).

| market        | coin on the wire        | id               | asset                        |
|---------------|-------------------------|------------------|------------------------------|
| perpetual     | `BTC`                   | `BTC-PERP`       | index in `meta`              |
| builder dex's | `xyz:TSLA`              | `xyz:TSLA-PERP`  | 100 000 + 10 000 dex + index |
| spot          | `PURR/USDC`, `@107`     | `HYPE/USDC-SPOT` | 10 000 + index of the pair   |

The coin, which is case-sensitive, is the instrument's `symbol`. Assets differ between the networks.
A delisted market keeps its place in `meta`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Protocol

from .._speedups.ticks import TickScale
from ..errors import UNREADABLE, PrecisionError, ProtocolError
from ..model import (
    Instrument,
    InstrumentKind,
    MarketStatus,
    Number,
    OrderType,
    Rounding,
    TimeInForce,
    instrument_id,
)
from ..model._numbers import exact
from .config import VENUE
from .numbers import PERP_DECIMALS, SPOT_DECIMALS, price_exponent

__all__ = [
    "ALL_DEXES",
    "HyperliquidInstrument",
    "InstrumentSource",
    "asset_id",
    "dex_indexes",
    "dex_of",
    "is_spot",
    "load_instruments",
    "parse_instruments",
    "parse_perpetuals",
    "parse_spot",
    "size_decimals",
]

log = logging.getLogger("connectors.hyperliquid")

ALL_DEXES = "*"
USD = "USDC"  # what the first dex is settled in
SPOT_OFFSET = 10_000
BUILDER_OFFSET, BUILDER_STEP = 100_000, 10_000
MIN_NOTIONAL = Decimal(10)
_ORDERS = frozenset(
    {
        OrderType.LIMIT,
        OrderType.MARKET,
        OrderType.STOP_MARKET,
        OrderType.STOP_LIMIT,
        OrderType.MARKET_IF_TOUCHED,
        OrderType.LIMIT_IF_TOUCHED,
    }
)
_TIMES_IN_FORCE = frozenset({TimeInForce.GTC, TimeInForce.IOC})

OnProblem = Callable[[str, str], object]


class InstrumentSource(Protocol):
    """Where the definitions come from: `HyperliquidRest` is one."""

    async def meta(self, dex: str = "") -> Any:
        """The perpetuals of a dex."""

    async def spot_meta(self) -> Any:
        """Tokens and spot pairs."""

    async def perp_dexs(self) -> Any:
        """The dexes, None for the first."""


class HyperliquidInstrument(Instrument):
    """An instrument whose prices have at most five significant figures.

    `tick_size` is the finest step of its prices: what data is counted in. The step of an order's
    price depends on how large it is, and `make_price` knows it: of BTC, whose tick is 0.1, 9999.5
    is a price and 84143.5 is not. Whole numbers always are.
    """

    __slots__ = ()

    def make_price(self, value: Number, *, rounding: Rounding | None = None) -> Decimal:
        """Return `value` as a price; as `Instrument.make_price`, on the grid around that price."""
        number = exact(value, f"{self.id} price")
        if number <= 0:
            raise PrecisionError(f"{self.id}: a price must be above 0", value)
        exponent = price_exponent(number, size_decimals(self), is_spot=is_spot(self))
        price = self._on_grid(number, _grid(exponent), "price", "step at this price", rounding)
        if price <= 0:
            raise PrecisionError(f"{self.id}: price {number:f} rounds to 0", value)
        return self.price_scale.to_decimal(self.price_scale.to_ticks(price))


@cache
def _grid(exponent: int) -> TickScale:
    return TickScale(Decimal(1).scaleb(exponent))


def asset_id(instrument: Instrument) -> int:
    """Return the number by which orders name the instrument."""
    asset: int = instrument.info["asset"]
    return asset


def size_decimals(instrument: Instrument) -> int:
    """Return how many decimals a size has, `szDecimals`."""
    decimals: int = instrument.info["szDecimals"]
    return decimals


def dex_of(instrument: Instrument) -> str:
    """Return the name of the dex that lists it; "" for the first one and for spot."""
    dex: str = instrument.info["dex"]
    return dex


def is_spot(instrument: Instrument) -> bool:
    """Whether it is a spot pair."""
    return instrument.kind is InstrumentKind.SPOT


async def load_instruments(
    source: InstrumentSource, dexes: Iterable[str] = (), on_problem: OnProblem | None = None
) -> tuple[Instrument, ...]:
    """Read the definitions of spot, the first dex and the builder dexes named; "*": of all.

    Raises
    ------
    ConnectorError
        The venue does not give them, or there is no dex of that name.
    """
    wanted = [dex for dex in dict.fromkeys(dexes) if dex]
    spot = await source.spot_meta()
    indexes = dex_indexes(await source.perp_dexs()) if wanted else {"": 0}
    if ALL_DEXES in wanted:
        wanted = [dex for dex in indexes if dex]
    for dex in wanted:
        if dex not in indexes:
            raise ProtocolError(f"the venue has no dex {dex!r}, only {', '.join(indexes) or 'one'}")
    metas = {dex: await source.meta(dex) for dex in ("", *wanted)}
    return parse_instruments(spot, metas, indexes, on_problem)


def parse_instruments(
    spot_meta: Mapping[str, Any],
    metas: Mapping[str, Mapping[str, Any]],
    indexes: Mapping[str, int] | None = None,
    on_problem: OnProblem | None = None,
) -> tuple[Instrument, ...]:
    """Return the instruments of a spotMeta and of one meta for each dex.

    A market that cannot be read does not hold up the others: `on_problem(coin, reason)` is told,
    and without it the log.

    Parameters
    ----------
    indexes :
        Number of each dex, from `dex_indexes`; not needed for the first alone.

    Raises
    ------
    ProtocolError
        It is no such answer at all.
    """
    tokens = _tokens(spot_meta)
    found: list[Instrument] = []
    for dex, meta in metas.items():
        index = 0 if not dex else (indexes or {})[dex]
        found += parse_perpetuals(meta, tokens, dex=dex, dex_index=index, on_problem=on_problem)
    found += parse_spot(spot_meta, on_problem)
    return tuple(found)


def dex_indexes(perp_dexs: object) -> dict[str, int]:
    """Return the number of each dex by its name, 0 for the first, which is called ""."""
    if not isinstance(perp_dexs, Sequence) or isinstance(perp_dexs, str):
        raise ProtocolError("perpDexs is no list of dexes")
    return {
        str(entry["name"]) if isinstance(entry, Mapping) else "": index
        for index, entry in enumerate(perp_dexs)
        if index == 0 or (isinstance(entry, Mapping) and entry.get("name"))
    }


def parse_perpetuals(
    meta: Mapping[str, Any],
    tokens: Mapping[int, Mapping[str, Any]] | None = None,
    *,
    dex: str = "",
    dex_index: int = 0,
    on_problem: OnProblem | None = None,
) -> list[Instrument]:
    """Return the perpetuals of a `meta`; `tokens` by index, for what they are settled in."""
    universe = meta.get("universe") if isinstance(meta, Mapping) else None
    if not isinstance(universe, list):
        raise ProtocolError("meta has no list of markets")
    token = (tokens or {}).get(meta.get("collateralToken") or 0, {})
    quote = str(token.get("name") or USD)
    offset = BUILDER_OFFSET + BUILDER_STEP * dex_index if dex_index else 0
    found: list[Instrument] = []
    for index, entry in enumerate(universe):
        try:
            found.append(_perpetual(entry, offset + index, dex, quote))
        except UNREADABLE as error:
            _report(entry, error, on_problem)
    return found


def parse_spot(
    spot_meta: Mapping[str, Any], on_problem: OnProblem | None = None
) -> list[Instrument]:
    """Return the spot pairs of a `spotMeta`."""
    tokens = _tokens(spot_meta)
    universe = spot_meta.get("universe")
    if not isinstance(universe, list):
        raise ProtocolError("spotMeta has no list of pairs")
    found: dict[str, Instrument] = {}
    for entry in universe:
        try:
            instrument = _spot(entry, tokens, found)
            found[instrument.id] = instrument
        except UNREADABLE as error:
            _report(entry, error, on_problem)
    return list(found.values())


def _perpetual(entry: Mapping[str, Any], asset: int, dex: str, quote: str) -> HyperliquidInstrument:
    coin = _coin(entry)
    decimals = _decimals(entry, PERP_DECIMALS)
    delisted = bool(entry.get("isDelisted"))
    leverage = entry.get("maxLeverage")
    base = coin.removeprefix(f"{dex}:")
    return HyperliquidInstrument(
        id=instrument_id(coin, InstrumentKind.PERPETUAL),
        symbol=coin,
        venue=VENUE,
        kind=InstrumentKind.PERPETUAL,
        base=base,
        quote=quote,
        settle=quote,
        tick_size=Decimal(1).scaleb(decimals - PERP_DECIMALS),
        lot_size=Decimal(1).scaleb(-decimals),
        min_notional=MIN_NOTIONAL,
        max_leverage=Decimal(str(leverage)) if leverage else None,
        order_types=_ORDERS,
        times_in_force=_TIMES_IN_FORCE,
        status=MarketStatus.CLOSED if delisted else MarketStatus.TRADING,
        venue_status="delisted" if delisted else "",
        info={**entry, "asset": asset, "dex": dex},
    )


def _spot(
    entry: Mapping[str, Any],
    tokens: Mapping[int, Mapping[str, Any]],
    others: Mapping[str, Instrument],
) -> HyperliquidInstrument:
    coin, index = _coin(entry), _whole(entry, "index")
    base, quote = (tokens[number] for number in entry["tokens"])
    decimals = _decimals(base, SPOT_DECIMALS)
    pair = f"{base['name']}/{quote['name']}"
    name = f"{pair}-SPOT"
    if name in others:  # token names are not unique, pairs are
        name = f"{pair}@{index}-SPOT"
    return HyperliquidInstrument(
        id=name,
        symbol=coin,
        venue=VENUE,
        kind=InstrumentKind.SPOT,
        base=str(base["name"]),
        quote=str(quote["name"]),
        pair=pair,
        tick_size=Decimal(1).scaleb(decimals - SPOT_DECIMALS),
        lot_size=Decimal(1).scaleb(-decimals),
        min_notional=MIN_NOTIONAL,
        order_types=_ORDERS,
        times_in_force=_TIMES_IN_FORCE,
        info={**entry, "asset": SPOT_OFFSET + index, "dex": "", "szDecimals": decimals},
    )


def _tokens(spot_meta: object) -> dict[int, Mapping[str, Any]]:
    """The tokens by their `index`: the list itself has gaps."""
    tokens = spot_meta.get("tokens") if isinstance(spot_meta, Mapping) else None
    if not isinstance(tokens, list):
        raise ProtocolError("spotMeta has no list of tokens")
    return {
        token["index"]: token
        for token in tokens
        if isinstance(token, Mapping) and isinstance(token.get("index"), int)
    }


def _coin(entry: Mapping[str, Any]) -> str:
    coin = entry["name"]
    if not isinstance(coin, str) or not coin:
        raise ValueError("the name is not a text")
    return coin


def _whole(entry: Mapping[str, Any], name: str) -> int:
    value = entry[name]
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value!r}")
    return value


def _decimals(entry: Mapping[str, Any], most: int) -> int:
    decimals = _whole(entry, "szDecimals")
    if decimals > most:
        raise ValueError(f"szDecimals is {decimals}, at most {most} are supported")
    return decimals


def _report(entry: object, error: BaseException, on_problem: OnProblem | None) -> None:
    coin = str(entry.get("name", "?")) if isinstance(entry, Mapping) else "?"
    reason = f"{type(error).__name__}: {error}"
    if on_problem is not None:
        on_problem(coin, reason)
    else:
        log.warning("coin=%s cannot be read from the metadata: %s", coin, reason)
