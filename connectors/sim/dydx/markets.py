"""What can be traded: resolutions, grids, status, oracle prices and statistics (section 8)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from .numbers import MONEY, count, money, show

__all__ = ["STATUSES", "Market", "make_markets"]

Q = -9  # quantum conversion exponent, the same everywhere so far
STATUSES = (*("ACTIVE", "PAUSED", "CANCEL_ONLY", "POST_ONLY", "INITIALIZING", "FINAL_SETTLEMENT"),)
VALUE_UNIT: int = 10**-Q  # quantums times subticks in a quote quantum
PPM = 1_000_000
KEPT_TRADES = 1_000


@dataclass(slots=True, eq=False)
class Market:
    """One perpetual and its order book's pair.

    Attributes
    ----------
    oracle
        Oracle price in subticks, None for a market that has had none yet.
    pinned
        The oracle price was set by hand and does not follow the book.
    last
        Price of the last trade, in subticks; at the start the oracle's.
    offset
        Counts what was told of the book.
    trades
        The last trades as REST shows them, oldest first.
    """

    ticker: str
    clob_pair_id: int
    atomic_resolution: int
    step_base_quantums: int
    subticks_per_tick: int
    oracle: int | None
    market_type: str = "CROSS"
    status: str = "ACTIVE"
    initial_margin_ppm: int = 50_000
    maintenance_margin_ppm: int = 30_000
    market_id: int = 0
    pinned: bool = False
    last: int = 0
    offset: int = 0
    open_interest: int = 0
    base_open_interest: int = 0
    volume: int = 0
    trade_count: int = 0
    first_price: int = 0
    funding_rate: str = "0.00000125"
    trades: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT_TRADES))

    # -- grids -------------------------------------------------------------------------------

    @property
    def price_exponent(self) -> int:
        """Return e such that a price is subticks * 10^e."""
        return Q + MONEY - self.atomic_resolution

    @property
    def tick(self) -> int:
        return self.subticks_per_tick

    def price(self, subticks: int) -> str:
        return show(subticks, self.price_exponent)

    def size(self, quantums: int) -> str:
        return show(quantums, self.atomic_resolution)

    def subticks(self, text: object) -> int:
        """Return a price as subticks. Raises ValueError if it is none."""
        return count(text, self.price_exponent)

    def quantums(self, text: object) -> int:
        """Return a size as quantums. Raises ValueError if it is none."""
        return count(text, self.atomic_resolution)

    def value(self, quantums: int, subticks: int) -> int:
        """Return what a size is worth in quote quantums, rounded down."""
        return quantums * subticks // VALUE_UNIT

    def round_price(self, subticks: int) -> int:
        """Return the nearest price on the grid not above."""
        return max(subticks // self.tick, 1) * self.tick

    # -- what is shown -----------------------------------------------------------------------

    def row(self) -> dict[str, Any]:
        """Return the record of 8.1."""
        return {
            "clobPairId": str(self.clob_pair_id),
            "ticker": self.ticker,
            "status": self.status,
            "oraclePrice": None if self.oracle is None else self.price(self.oracle),
            **self.statistics(),
            "initialMarginFraction": show(self.initial_margin_ppm, -6),
            "maintenanceMarginFraction": show(self.maintenance_margin_ppm, -6),
            "openInterest": self.size(self.open_interest),
            "atomicResolution": self.atomic_resolution,
            "quantumConversionExponent": Q,
            "tickSize": self.price(self.subticks_per_tick),
            "stepSize": self.size(self.step_base_quantums),
            "stepBaseQuantums": self.step_base_quantums,
            "subticksPerTick": self.subticks_per_tick,
            "marketType": self.market_type,
            "openInterestLowerCap": "0",
            "openInterestUpperCap": "0",
            "baseOpenInterest": self.size(self.base_open_interest),
            "defaultFundingRate1H": "0",
        }

    def statistics(self) -> dict[str, Any]:
        """Return what the market updater recomputes now and then."""
        change = self.last - self.first_price
        return {
            "priceChange24H": self.price(change),
            "volume24H": money(self.volume),
            "trades24H": self.trade_count,
            "nextFundingRate": self.funding_rate,
        }

    def full_update(self) -> dict[str, Any]:
        """Return what a change of the market by governance streams: statistics are zeros (5.4)."""
        return {
            "id": str(self.clob_pair_id),
            "clobPairId": str(self.clob_pair_id),
            "ticker": self.ticker,
            "marketId": self.market_id,
            "status": self.status,
            "quantumConversionExponent": Q,
            "atomicResolution": self.atomic_resolution,
            "subticksPerTick": self.subticks_per_tick,
            "stepBaseQuantums": self.step_base_quantums,
            "marketType": self.market_type,
            "initialMarginFraction": show(self.initial_margin_ppm, -6),
            "maintenanceMarginFraction": show(self.maintenance_margin_ppm, -6),
            "openInterestLowerCap": "0",
            "openInterestUpperCap": "0",
            "tickSize": self.price(self.subticks_per_tick),
            "stepSize": self.size(self.step_base_quantums),
            "priceChange24H": "0",
            "volume24H": "0",
            "trades24H": 0,
            "nextFundingRate": "0",
            "openInterest": "0",
            "baseOpenInterest": "0",
            "defaultFundingRate1H": "0",
        }

    def grid_update(self) -> dict[str, Any]:
        """Return what a change of tick and step streams."""
        return {
            "subticksPerTick": self.subticks_per_tick,
            "stepBaseQuantums": self.step_base_quantums,
            "tickSize": self.price(self.subticks_per_tick),
            "stepSize": self.size(self.step_base_quantums),
            "ticker": self.ticker,
        }


_FARTCOIN = "FARTCOIN,RAYDIUM,9BB6NFEcjBCtnNLFko2FqVQBq8HHM13kCyYcdQbgpump-USD"
# ticker, pair, atomic resolution, step, subticks per tick, price, type, initial margin in ppm
_NAMED = (
    ("BTC-USD", 0, -10, 1_000_000, 100_000, "89919", "CROSS", 20_000),
    ("ETH-USD", 1, -9, 1_000_000, 100_000, "3105.4", "CROSS", 20_000),
    ("SOL-USD", 5, -7, 1_000_000, 1_000_000, "134.25", "CROSS", 50_000),
    ("TINY-USD", 40, 1, 1_000_000, 1_000_000, "0.0000021337", "CROSS", 200_000),
    (_FARTCOIN, 252, -6, 10_000_000, 10_000, "0.8431", "ISOLATED", 200_000),
)
FIRST_MADE_UP = 1_000


def make_markets(number: int) -> dict[str, Market]:
    """Return so many markets by ticker: those with names first, then made-up ones."""
    markets = {}
    for ticker, pair, resolution, step, tick, price, kind, margin in _NAMED[:number]:
        market = Market(
            ticker, pair, resolution, step, tick, None, kind, initial_margin_ppm=margin,
            maintenance_margin_ppm=margin * 3 // 5, market_id=pair,
        )  # fmt: skip
        _price(market, price)
        markets[ticker] = market
    for index in range(number - len(markets)):
        pair = FIRST_MADE_UP + index
        market = Market(f"SIM{index:03d}-USD", pair, -7, 1_000_000, 1_000_000, None, market_id=pair)
        _price(market, str(10 + index))
        markets[market.ticker] = market
    return markets


def _price(market: Market, text: str) -> None:
    market.oracle = market.last = market.first_price = market.subticks(text)
