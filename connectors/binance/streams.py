"""Names of the market-data streams: what exists, on which route, in which spelling.

| channel                       | route  | products | events                    |
|-------------------------------|--------|----------|---------------------------|
| bookTicker, !bookTicker       | public | both     | Quote                     |
| depth, depth5/10/20           | public | both     | BookUpdate                |
| rpiDepth                      | public | USD-M    | BookUpdate (RPI)          |
| trade                         | public | both     | Trade                     |
| aggTrade                      | market | both     | Trade (AGGREGATE)         |
| kline, continuousKline        | market | both     | Bar                       |
| markPriceKline, indexPriceKline | market | COIN-M | Bar (MARK, INDEX)         |
| markPrice, !markPrice@arr     | market | both (!: USD-M) | MarkPrice          |
| indexPrice                    | market | COIN-M   | IndexPrice                |
| miniTicker, ticker and !...@arr | market | both   | Ticker                    |
| forceOrder, !forceOrder@arr   | market | both     | Liquidation               |
| !contractInfo                 | market | both     | InstrumentStatus          |
| compositeIndex, assetIndex, !assetIndex@arr, tradingSession | market | USD-M | typed cold events |

The venue acknowledges names that do not exist, or that another route serves, and then
stays silent for ever (BN-C-09); so every name is checked here first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from ..errors import ClientError
from .config import Product, Route

__all__ = [
    "CONTINUOUS_CONTRACTS",
    "DEPTH_STREAM_SUFFIXES",
    "INTERVALS",
    "Stream",
    "canonical",
    "check_depth_kinds",
    "depth_names",
    "parse",
    "parse_on",
    "route_of",
]

INTERVALS = (
    *("1m", "3m", "5m", "15m", "30m"),
    *("1h", "2h", "4h", "6h", "8h", "12h"),
    *("1d", "3d", "1w", "1M"),
)
CONTINUOUS_CONTRACTS = ("perpetual", "current_quarter", "next_quarter", "tradifi_perpetual")
DEPTH_STREAM_SUFFIXES = ("@depth", "@depth@0ms", "@depth@100ms", "@depth@500ms")

_BOTH = frozenset({Product.USDM, Product.COINM})
_USDM = frozenset({Product.USDM})
_COINM = frozenset({Product.COINM})
_ONE_SECOND = frozenset({"", "1s"})


@dataclass(frozen=True, slots=True)
class _Channel:
    route: Route
    products: frozenset[Product] = _BOTH
    speeds: frozenset[str] = frozenset({""})


# Channels behind a symbol, pair or asset. Kline channels are matched apart.
_SYMBOL_CHANNELS = {
    "aggTrade": _Channel(Route.MARKET),
    "trade": _Channel(Route.PUBLIC),
    "bookTicker": _Channel(Route.PUBLIC),
    "depth": _Channel(Route.PUBLIC, speeds=frozenset({"", "0ms", "100ms", "500ms"})),
    "depth5": _Channel(Route.PUBLIC, speeds=frozenset({"", "100ms", "500ms"})),
    "depth10": _Channel(Route.PUBLIC, speeds=frozenset({"", "100ms", "500ms"})),
    "depth20": _Channel(Route.PUBLIC, speeds=frozenset({"", "100ms", "500ms"})),
    "rpiDepth": _Channel(Route.PUBLIC, _USDM, frozenset({"500ms"})),
    "markPrice": _Channel(Route.MARKET, speeds=_ONE_SECOND),
    "indexPrice": _Channel(Route.MARKET, _COINM, _ONE_SECOND),
    "miniTicker": _Channel(Route.MARKET),
    "ticker": _Channel(Route.MARKET),
    "forceOrder": _Channel(Route.MARKET),
    "compositeIndex": _Channel(Route.MARKET, _USDM),
    "assetIndex": _Channel(Route.MARKET, _USDM),
}
_MARKET_WIDE = {
    "!bookTicker": _Channel(Route.PUBLIC),
    "!markPrice@arr": _Channel(Route.MARKET, _USDM),
    "!markPrice@arr@1s": _Channel(Route.MARKET, _USDM),
    "!miniTicker@arr": _Channel(Route.MARKET),
    "!ticker@arr": _Channel(Route.MARKET),
    "!forceOrder@arr": _Channel(Route.MARKET),
    "!contractInfo": _Channel(Route.MARKET),
    "!assetIndex@arr": _Channel(Route.MARKET, _USDM),
    "tradingSession": _Channel(Route.MARKET, _USDM),
}
_KLINE_CHANNELS = {
    "kline": _Channel(Route.MARKET),
    "continuousKline": _Channel(Route.MARKET),
    "indexPriceKline": _Channel(Route.MARKET, _COINM),
    "markPriceKline": _Channel(Route.MARKET, _COINM),
}
_BY_LOWER = {name.lower(): name for name in (*_SYMBOL_CHANNELS, *_KLINE_CHANNELS)}
_WIDE_BY_LOWER = {name.lower(): name for name in _MARKET_WIDE}
# Letters of any script: symbols outside ASCII exist (BN-C-11).
_SYMBOL = re.compile(r"^\w+$")


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream name taken apart.

    Attributes
    ----------
    name : str
        The canonical spelling, as sent.
    channel : str
        `depth`, `aggTrade`, `!ticker@arr`: the name without symbol, speed and interval.
    symbol : str or None
        Lower-cased symbol, pair or asset; None for a stream of the whole market.
    speed : str
        `100ms`, `1s`, or empty for the default.
    interval : str or None
        Of a kline.
    """

    name: str
    route: Route
    channel: str
    symbol: str | None = None
    speed: str = ""
    interval: str | None = None

    @property
    def depth_kind(self) -> str | None:
        """`diff`, `partial` or `rpi` for a depth stream, whose frames look alike (BN-F-06)."""
        if self.channel == "depth":
            return "diff"
        if self.channel in ("depth5", "depth10", "depth20"):
            return "partial"
        return "rpi" if self.channel == "rpiDepth" else None


def canonical(name: str) -> str:
    """Return `name` with its symbol part in lower case; the suffix is never changed (BN-C-10)."""
    symbol, at, suffix = name.partition("@")
    if name.startswith("!") or not at:
        return name
    return symbol.lower() + at + suffix


@lru_cache(maxsize=8192)
def parse(name: str, product: Product = Product.USDM) -> Stream:
    """Take a stream name apart, refusing what the venue would silently never serve.

    Raises
    ------
    ClientError
        The name is malformed, does not exist, or not on this product; the text says which.
    """
    spelled = canonical(name)
    symbol, at, suffix = spelled.partition("@")
    if spelled.startswith("!") or not at:
        return _parse_wide(spelled, product)
    if not _SYMBOL.match(symbol):
        raise ClientError(f"stream {name!r}: {symbol!r} is not a symbol")
    channel, speed_at, speed = suffix.partition("@")
    if speed_at and not speed:
        raise ClientError(f"stream {name!r} ends with '@'")
    base, _, interval = channel.partition("_")
    if base in _KLINE_CHANNELS:
        return _parse_kline(spelled, symbol, base, interval, speed, product)
    entry = _SYMBOL_CHANNELS.get(channel)
    if entry is None:
        near = _BY_LOWER.get(channel.lower()) or _BY_LOWER.get(base.lower())
        hint = f"; did you mean {near!r}?" if near and near != channel else ""
        raise ClientError(f"stream {name!r}: there is no channel {channel!r}{hint}")
    _check_product(name, entry, product)
    if speed not in entry.speeds:
        known = ", ".join(sorted(f"@{each}" if each else "none" for each in entry.speeds))
        raise ClientError(f"stream {name!r}: {channel} has no speed {speed!r}, only: {known}")
    return Stream(spelled, entry.route, channel, symbol, speed)


def _parse_wide(name: str, product: Product) -> Stream:
    entry = _MARKET_WIDE.get(name)
    if entry is None:
        near = _WIDE_BY_LOWER.get(name.lower())
        hint = f"; did you mean {near!r}?" if near else ""
        raise ClientError(f"stream {name!r} does not exist{hint}")
    _check_product(name, entry, product)
    speed = "1s" if name.endswith("@1s") else ""
    return Stream(name, entry.route, name.removesuffix("@1s"), None, speed)


def _parse_kline(
    name: str, symbol: str, base: str, interval: str, speed: str, product: Product
) -> Stream:
    entry = _KLINE_CHANNELS[base]
    _check_product(name, entry, product)
    if speed:
        raise ClientError(f"stream {name!r}: {base} has no speed, it ends at the interval")
    seconds = interval == "1s" and base == "continuousKline" and product is Product.USDM
    if interval not in INTERVALS and not seconds:
        raise ClientError(f"stream {name!r}: no interval {interval!r}, only {' '.join(INTERVALS)}")
    if base == "continuousKline":
        contracts = CONTINUOUS_CONTRACTS if product is Product.USDM else CONTINUOUS_CONTRACTS[:3]
        pair, _, contract = symbol.partition("_")
        if contract not in contracts or not pair:
            raise ClientError(
                f"stream {name!r}: before @continuousKline stands pair_contract, "
                f"the contract one of {', '.join(contracts)}"
            )
    return Stream(name, entry.route, base, symbol, "", interval)


def _check_product(name: str, entry: _Channel, product: Product) -> None:
    if product not in entry.products:
        raise ClientError(f"stream {name!r} does not exist on {product.label}")


def route_of(name: str, product: Product = Product.USDM) -> Route:
    """Return the route that serves `name` (BN-L-05)."""
    return parse(name, product).route


def depth_names(symbol: str) -> tuple[str, ...]:
    """Return every diff-depth name of a symbol: what ending a book unsubscribes (BN-MD-17)."""
    return tuple(symbol.lower() + suffix for suffix in DEPTH_STREAM_SUFFIXES)


def parse_on(name: str, product: Product, route: Route | None) -> Stream:
    """Parse the name of a stream that is to come from one route; ClientError if it will not."""
    stream = parse(name, product)
    if route is not None and stream.route is not route:
        raise ClientError(
            f"stream {name!r} is served by route {stream.route}, "
            f"this pool is on route {route}: it would stay silent"
        )
    return stream


def check_depth_kinds(held: Iterable[str], new: Iterable[str], product: Product) -> None:
    """Refuse names of two kinds of depth of one symbol: they look alike on the wire (BN-F-06).

    Raises
    ------
    ClientError
        One of `new` cannot be told from another name, held or new.
    """
    added = [name for name in new if "epth" in name]
    if not added:
        return
    kinds: dict[str, tuple[str, str]] = {}
    for name in [*(name for name in held if "epth" in name), *added]:
        stream = parse(name, product)
        kind = stream.depth_kind
        if kind is None or stream.symbol is None:
            continue
        other, first = kinds.setdefault(stream.symbol, (kind, name))
        if other != kind:
            raise ClientError(
                f"stream {name!r} cannot be told from {first!r}: one symbol takes either "
                "diff, partial or RPI depth; unsubscribe the other first"
            )
