"""Names of channels: what a client writes, what the venue writes (sections 6.2, 6.3, 6.5)."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

__all__ = ["RESOLUTIONS", "STREAM_RESOLUTIONS", "Channel", "parse_channel"]

RESOLUTIONS = {
    "1m": 60_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "4h": 14_400_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
    "1w": 604_800_000,
}
STREAM_RESOLUTIONS = tuple(name for name in RESOLUTIONS if name != "1w")
BY_MARKET = ("order_book", "ticker", "trade")
BY_ACCOUNT = (
    "account_all_orders",
    "account_all_trades",
    "account_all_positions",
    "account_all_assets",
    "user_stats",
    "account_all",
    "account_tx",
)
OPEN = ("account_all",)


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel; `name` is how inbound frames spell it."""

    kind: str
    name: str
    market: int | None = None
    account: int | None = None
    resolution: str | None = None
    private: bool = False


def parse_channel(text: str, markets: Container[int], accounts: Container[int]) -> Channel | None:
    """Return the channel of a client's text; None if there is no such channel."""
    kind, *rest = text.replace(":", "/").split("/")
    numbers = [int(part) if part.isascii() and part.isdigit() else None for part in rest]
    if kind == "height" and not rest:
        return Channel(kind, kind)
    if kind in ("market_stats", "spot_market_stats") and rest == ["all"]:
        return Channel(kind, f"{kind}:all")
    if kind in (*BY_MARKET, "market_stats", "spot_market_stats"):
        if len(rest) == 1 and numbers[0] is not None and numbers[0] in markets:
            return Channel(kind, f"{kind}:{numbers[0]}", market=numbers[0])
        return None
    if kind in ("candle", "mark_price_candle"):
        if len(rest) == 2 and numbers[0] in markets and rest[1] in STREAM_RESOLUTIONS:
            name = f"{kind}:{numbers[0]}:{rest[1]}"
            return Channel(kind, name, market=numbers[0], resolution=rest[1])
        return None
    if kind in BY_ACCOUNT:
        if len(rest) == 1 and numbers[0] in accounts:
            name = f"{kind}:{numbers[0]}"
            return Channel(kind, name, account=numbers[0], private=kind not in OPEN)
        return None
    if kind in ("account_orders", "account_market"):
        if len(rest) == 2 and numbers[0] in markets and numbers[1] in accounts:
            # The one channel that comes back with slashes (6.2).
            separator = "/" if kind == "account_market" else ":"
            name = separator.join((kind, *map(str, numbers)))
            return Channel(kind, name, market=numbers[0], account=numbers[1], private=True)
        return None
    return None
