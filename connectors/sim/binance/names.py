"""Stream names: what each one carries and which route serves it (BN-L-01..06, section 8)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .types import Product

__all__ = ["INTERVALS", "StreamName", "parse_stream_name"]

INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w",
             "1M")  # fmt: skip

_CONTRACT_TYPES = ("perpetual", "current_quarter", "next_quarter", "tradifi_perpetual")


@dataclass(frozen=True, slots=True)
class StreamName:
    """A stream name taken apart.

    Parameters
    ----------
    kind
        Which generator serves it.
    route
        `public` or `market`; COIN-M ignores it.
    subject
        The lower-case symbol, pair or asset; empty for all-market streams.
    argument
        Kline interval, or contract type and interval of a continuous kline.
    levels
        Levels of a partial depth stream, else 0.
    period_ms
        How often it is pushed; 0 means on each change.
    """

    text: str
    kind: str
    route: str
    subject: str = ""
    argument: str = ""
    levels: int = 0
    period_ms: int = 0


_ALL_MARKET = {
    "!bookTicker": ("book_ticker_all", "public", 5_000),
    "!markPrice@arr": ("mark_all", "market", 3_000),
    "!markPrice@arr@1s": ("mark_all", "market", 1_000),
    "!miniTicker@arr": ("mini_ticker_all", "market", 1_000),
    "!ticker@arr": ("ticker_all", "market", 1_000),
    "!forceOrder@arr": ("force_order_all", "market", 1_000),
    "!contractInfo": ("contract_info", "market", 0),
    "!assetIndex@arr": ("asset_index_all", "market", 1_000),
    "tradingSession": ("trading_session", "market", 1_000),
}

_interval = "|".join(INTERVALS)
_PATTERNS: tuple[tuple[re.Pattern[str], str, str, frozenset[Product]], ...] = tuple(
    (re.compile(pattern), kind, route, frozenset(products))
    for pattern, kind, route, products in (
        (r"([^@]+)@bookTicker", "book_ticker", "public", Product),
        (r"([^@]+)@trade", "trade", "public", Product),
        (r"([^@]+)@aggTrade", "agg_trade", "market", Product),
        (r"([^@]+)@depth(?:@(?P<ms>0|100|250|500)ms)?", "depth", "public", Product),
        (
            r"([^@]+)@depth(?P<levels>5|10|20)(?:@(?P<ms>100|250|500)ms)?",
            "partial_depth",
            "public",
            Product,
        ),
        (r"([^@]+)@rpiDepth@(?P<ms>500)ms", "rpi_depth", "public", [Product.USDM]),
        (r"([^@]+)@markPrice(?:@(?P<s>1)s)?", "mark", "market", Product),
        (rf"([^@]+)@kline_(?P<arg>{_interval})", "kline", "market", Product),
        (
            rf"([^@]+)_(?P<arg>(?:{'|'.join(_CONTRACT_TYPES)})@continuousKline_(?:1s|{_interval}))",
            "continuous_kline",
            "market",
            Product,
        ),
        (rf"([^@]+)@markPriceKline_(?P<arg>{_interval})", "mark_kline", "market", [Product.COINM]),
        (
            rf"([^@]+)@indexPriceKline_(?P<arg>{_interval})",
            "index_kline",
            "market",
            [Product.COINM],
        ),
        (r"([^@]+)@indexPrice(?:@(?P<s>1)s)?", "index", "market", [Product.COINM]),
        (r"([^@]+)@miniTicker", "mini_ticker", "market", Product),
        (r"([^@]+)@ticker", "ticker", "market", Product),
        (r"([^@]+)@forceOrder", "force_order", "market", Product),
        (r"([^@]+)@compositeIndex", "composite_index", "market", [Product.USDM]),
        (r"([^@]+)@assetIndex", "asset_index", "market", [Product.USDM]),
    )
)

_DEFAULT_MS = {"depth": 250, "partial_depth": 250, "force_order": 1_000, "composite_index": 1_000,
               "asset_index": 1_000, "agg_trade": 100}  # fmt: skip


def parse_stream_name(text: str, product: Product) -> StreamName | None:
    """Take a stream name apart; None if no stream of the product has such a name.

    The subject must be in lower case and the suffix spelled exactly, as at the venue (BN-C-10):
    a mistyped name is not an error there, it is silent (BN-C-09).
    """
    fixed = _ALL_MARKET.get(text)
    if fixed is not None:
        kind, route, period_ms = fixed
        return StreamName(text, kind, route, period_ms=period_ms)
    for pattern, kind, route, products in _PATTERNS:
        match = pattern.fullmatch(text)
        if match is None or product not in products:
            continue
        subject = match[1]
        if subject != subject.lower():
            return None
        found = match.groupdict()
        return StreamName(
            text,
            kind,
            route,
            subject,
            argument=found.get("arg") or "",
            levels=int(found.get("levels") or 0),
            period_ms=_period_ms(kind, product, found),
        )
    return None


def _period_ms(kind: str, product: Product, found: dict[str, str | None]) -> int:
    if found.get("ms") is not None:
        return int(found["ms"] or 0)
    if kind in ("mark", "index"):
        return 1_000 if found.get("s") else 3_000
    if kind in ("ticker", "mini_ticker"):
        return 2_000 if product is Product.USDM else 500
    if kind.endswith("kline"):
        return 250
    return _DEFAULT_MS.get(kind, 0)
