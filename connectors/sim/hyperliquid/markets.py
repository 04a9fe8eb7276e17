"""What can be traded: perps, perps of builder dexes, spot pairs; their ids and their grids."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from .numbers import MONEY, parse_scaled, show

__all__ = ["TOKENS", "Market", "Token", "make_markets", "meta", "perp_dexs", "spot_meta"]

FIGURES = 5
DEXES = ("", "test", "xyz")
SPOT_OFFSET = 10_000
PERP_UNIT = 100  # money per tick and lot of a perp: 10^-6 in 10^-8
DEPLOYER = "0x5e89b26d8d66da9888c835c9bfcc2aa51813e152"


@dataclass(frozen=True, slots=True)
class Token:
    name: str
    index: int
    sz_decimals: int
    wei_decimals: int
    full_name: str | None = None

    @property
    def token_id(self) -> str:
        return "0x" + hashlib.sha256(f"token/{self.name}".encode()).hexdigest()[:32]


# Position and index agree: older SDKs look tokens up by position, newer ones by index (15.1).
TOKENS = (
    Token("USDC", 0, 8, 8),
    Token("PURR", 1, 0, 5),
    Token("HYPE", 2, 2, 8, "Hyperliquid"),
)


@dataclass(slots=True, eq=False)
class Market:
    """One coin: what it is, and where its price stands.

    Prices are counts of `tick` (10^-`px_decimals`), sizes of 10^-`sz_decimals`.

    Attributes
    ----------
    mark
        The mark price; follows the book unless `pinned`.
    volume, base_volume
        Traded since the start, in money and lots.
    """

    coin: str
    asset: int
    sz_decimals: int
    reference: int
    max_leverage: int = 1
    dex: str = ""
    base: Token | None = None
    quote: Token | None = None
    universe_index: int = 0
    delisted: bool = False
    mark: int = 0
    last: int = 0
    pinned: bool = False
    oracle: int | None = None
    funding_rate: str = "0.0000125"
    volume: int = 0
    base_volume: int = 0
    trades: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=500))

    @property
    def is_spot(self) -> bool:
        return self.base is not None

    @property
    def px_decimals(self) -> int:
        return (8 if self.is_spot else 6) - self.sz_decimals

    def notional(self, px: int, lots: int) -> int:
        """Return price times size as money."""
        return px * lots if self.is_spot else px * lots * PERP_UNIT

    def base_amount(self, lots: int) -> int:
        """Return a size of a spot pair as an amount of its base token, in 10^-8."""
        unit: int = 10 ** (MONEY - self.sz_decimals)
        return lots * unit

    def read_price(self, text: str) -> int | None:
        """Return a canonical price on the grid of section 6.2 in ticks, None if it is off it."""
        px = parse_scaled(text, self.px_decimals)
        if px is None or px <= 0:
            return None
        whole, _, fraction = text.partition(".")
        if not fraction:
            return px
        figures = (whole + fraction).lstrip("0")
        return px if len(figures) <= FIGURES else None

    def read_size(self, text: str) -> int | None:
        return parse_scaled(text, self.sz_decimals)

    def round_price(self, px: int) -> int:
        """Return the nearest price on the grid not above `px`."""
        step = self.step(px)
        return max(px // step * step, step)

    def step(self, px: int) -> int:
        """Return the distance between valid prices around `px`, in ticks."""
        figures = len(str(px))
        coarse: int = 10 ** min(max(figures - FIGURES, 0), self.px_decimals)
        return coarse

    def price(self, px: int) -> str:
        return show(px, self.px_decimals)

    def size(self, lots: int) -> str:
        return show(lots, self.sz_decimals)


_PERPS = (
    ("BTC", 5, 40, "65000", False),
    ("ETH", 4, 25, "3000", False),
    ("ATOM", 2, 5, "9.5", False),
    ("kPEPE", 0, 10, "0.0112", False),
    ("MATIC", 1, 20, "0.5", True),
    ("SOL", 2, 20, "150", False),
)
_BUILDER_PERPS = (
    ("test", "test:ABC", 2, 3, "12"),
    ("xyz", "xyz:TSLA", 3, 10, "350"),
    ("xyz", "xyz:GOLD", 3, 20, "2600"),
)
_SPOT = (("PURR/USDC", 0, 1, "0.0671"), ("@107", 107, 2, "31.7"))


def make_markets() -> dict[str, Market]:
    """Return every market by coin."""
    markets = []
    for index, (coin, decimals, leverage, price, delisted) in enumerate(_PERPS):
        markets.append(
            Market(coin, index, decimals, _ticks(price, 6 - decimals), leverage, delisted=delisted)
        )
    counts = dict.fromkeys(DEXES, 0)
    for dex, coin, decimals, leverage, price in _BUILDER_PERPS:
        asset = 100_000 + 10_000 * DEXES.index(dex) + counts[dex]
        counts[dex] += 1
        markets.append(
            Market(coin, asset, decimals, _ticks(price, 6 - decimals), leverage, dex=dex)
        )
    for coin, index, token, price in _SPOT:
        base = TOKENS[token]
        markets.append(
            Market(
                coin, SPOT_OFFSET + index, base.sz_decimals, _ticks(price, 8 - base.sz_decimals),
                base=base, quote=TOKENS[0], universe_index=index,
            )
        )  # fmt: skip
    for market in markets:
        market.mark = market.last = market.reference
    return {market.coin: market for market in markets}


def _ticks(text: str, decimals: int) -> int:
    ticks = parse_scaled(text, decimals)
    assert ticks is not None
    return ticks


def meta(markets: dict[str, Market], dex: str) -> dict[str, Any] | None:
    """Return the `meta` of a dex, None if there is no such dex."""
    if dex not in DEXES:
        return None
    universe = []
    tables = []
    for market in markets.values():
        if market.is_spot or market.dex != dex:
            continue
        row: dict[str, Any] = {
            "szDecimals": market.sz_decimals,
            "name": market.coin,
            "maxLeverage": market.max_leverage,
            "marginTableId": market.max_leverage,
        }
        if market.delisted:
            row["isDelisted"] = True
        universe.append(row)
        tier = {"lowerBound": "0.0", "maxLeverage": market.max_leverage}
        table = [market.max_leverage, {"description": "", "marginTiers": [tier]}]
        if table not in tables:
            tables.append(table)
    return {"universe": universe, "marginTables": tables, "collateralToken": 0}


def perp_dexs() -> list[dict[str, Any] | None]:
    return [
        None,
        *(
            {
                "name": name,
                "fullName": f"{name} dex",
                "deployer": DEPLOYER,
                "oracleUpdater": None,
                "feeRecipient": None,
                "assetToStreamingOiCap": [],
            }
            for name in DEXES[1:]
        ),
    ]


def spot_meta(markets: dict[str, Market]) -> dict[str, Any]:
    return {
        "universe": [
            {
                "tokens": [market.base.index, market.quote.index],
                "name": market.coin,
                "index": market.universe_index,
                "isCanonical": not market.coin.startswith("@"),
            }
            for market in markets.values()
            if market.base is not None and market.quote is not None
        ],
        "tokens": [
            {
                "name": token.name,
                "szDecimals": token.sz_decimals,
                "weiDecimals": token.wei_decimals,
                "index": token.index,
                "tokenId": token.token_id,
                "isCanonical": token.full_name is None,
                "evmContract": None,
                "fullName": token.full_name,
            }
            for token in TOKENS
        ],
    }
