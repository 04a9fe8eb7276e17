"""Markets: their rules, their books' nonce chains, prices and day statistics (section 14)."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["ASSETS", "QUOTE_DECIMALS", "USDC", "Asset", "Market", "default_markets", "fixed"]

USDC = 3
QUOTE_DECIMALS = 6
MINUTE_MS = 60_000


def fixed(value: int, decimals: int) -> str:
    """Return an integer count of 10^-decimals as decimal text, exactly."""
    if decimals == 0:
        return str(value)
    sign = "-" if value < 0 else ""
    text = str(abs(value)).zfill(decimals + 1)
    return f"{sign}{text[:-decimals]}.{text[-decimals:]}"


@dataclass(frozen=True, slots=True)
class Asset:
    asset_id: int
    symbol: str
    decimals: int

    def text(self, units: int) -> str:
        return fixed(units, self.decimals)

    def units(self, text: str) -> int:
        """Return decimal text as units. Raises ValueError if it does not fit."""
        whole, _, part = text.partition(".")
        if len(part) > self.decimals or not (whole + part).isdigit():
            raise ValueError(f"{text!r} is not an amount of {self.symbol}")
        return int(whole + part.ljust(self.decimals, "0"))


ASSETS = {asset.asset_id: asset for asset in (Asset(1, "ETH", 8), Asset(USDC, "USDC", 6))}


@dataclass(slots=True)
class Bar:
    """One minute of trading, in ticks and lots."""

    t: int
    open: int
    high: int
    low: int
    close: int
    lots: int = 0
    quote: int = 0
    last_trade: int = 0


@dataclass(slots=True, eq=False)
class Market:
    """One market. Prices are ticks, sizes lots, quote amounts millionths of USDC."""

    market_id: int
    symbol: str
    kind: str
    price_decimals: int
    size_decimals: int
    min_base: int
    min_quote: int
    reference: int
    default_imf: int = 500
    min_imf: int = 200
    maintenance_mf: int = 120
    closeout_mf: int = 80
    base_asset: int = 0
    quote_asset: int = 0
    status: str = "active"

    mark: int = field(init=False)
    pinned: bool = field(default=False, init=False)
    last_price: int = field(init=False)
    bars: list[Bar] = field(default_factory=list, init=False)
    trades_count: int = field(default=0, init=False)
    open_interest: int = field(default=0, init=False)
    nonce: int = field(default=0, init=False)  # of the last change of the book
    sent_nonce: int = field(default=0, init=False)  # of the last book frame
    offset: int = field(default=1, init=False)
    changed_us: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.price_decimals + self.size_decimals > QUOTE_DECIMALS:
            raise ValueError(f"{self.symbol}: price and size decimals exceed the quote's")
        self.mark = self.last_price = self.reference

    @property
    def key(self) -> str:
        """The market's name in the matching engine."""
        return str(self.market_id)

    @property
    def is_spot(self) -> bool:
        return self.kind == "spot"

    def price(self, ticks: int) -> str:
        return fixed(ticks, self.price_decimals)

    def size(self, lots: int) -> str:
        return fixed(lots, self.size_decimals)

    def quote(self, ticks: int, lots: int) -> int:
        """Return the quote amount of a trade, exact."""
        return int(ticks * lots * 10 ** (QUOTE_DECIMALS - self.price_decimals - self.size_decimals))

    def base_units(self, lots: int) -> int:
        """Return lots as units of the base asset (spot)."""
        return int(lots * 10 ** (ASSETS[self.base_asset].decimals - self.size_decimals))

    def note_trade(self, ms: int, ticks: int, lots: int, trade_id: int) -> None:
        minute = ms - ms % MINUTE_MS
        if not self.bars or self.bars[-1].t != minute:
            self.bars.append(Bar(minute, ticks, ticks, ticks, ticks))
            del self.bars[:-50_000]
        bar = self.bars[-1]
        bar.high, bar.low = max(bar.high, ticks), min(bar.low, ticks)
        bar.close = self.last_price = ticks
        bar.lots += lots
        bar.quote += self.quote(ticks, lots)
        bar.last_trade = trade_id
        self.trades_count += 1
        if not self.pinned:
            self.mark = ticks

    def day(self) -> tuple[int, int, int, int, int]:
        """Return low, high, open (ticks), lots and quote of the last 24 hours of trading."""
        bars = self.bars[-1_440:]
        if not bars:
            return self.reference, self.reference, self.reference, 0, 0
        return (
            min(bar.low for bar in bars),
            max(bar.high for bar in bars),
            bars[0].open,
            sum(bar.lots for bar in bars),
            sum(bar.quote for bar in bars),
        )


def default_markets() -> list[Market]:
    """Return the markets every simulator lists."""
    return [
        Market(0, "ETH", "perp", 2, 4, 50, 10_000_000, 236_131),
        Market(1, "BTC", "perp", 1, 5, 20, 10_000_000, 643_500),
        Market(2, "SOL", "perp", 3, 3, 50, 10_000_000, 142_500, default_imf=1_000, min_imf=500),
        Market(
            2048, "ETH/USDC", "spot", 4, 2, 1, 1_000_000, 23_613_100,
            base_asset=1, quote_asset=USDC,
        ),
    ]  # fmt: skip
