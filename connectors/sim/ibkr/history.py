"""Bars of the past: random below the present price, the same for the same seed (W-20, R-21)."""

from __future__ import annotations

import random
import re
from typing import Any

from .markets import Market
from .times import trade_time

__all__ = ["BadHistory", "history"]

PERIOD = re.compile(r"(\d+)(min|h|d|w|m|y)")
PERIOD_S = {"min": 60, "h": 3600, "d": 86_400, "w": 604_800, "m": 2_592_000, "y": 31_536_000}
MOST = {"min": 30, "h": 8, "d": 1000, "w": 792, "m": 182, "y": 15}
BARS = {
    **{f"{count}min": count * 60 for count in (1, 2, 3, 5, 10, 15, 30)},
    **{f"{count}h": count * 3600 for count in (1, 2, 3, 4, 8)},
    "1d": 86_400,
    "1w": 604_800,
    "1m": 2_592_000,
}
POINTS = 1000


class BadHistory(ValueError):
    """A period or a bar there is not."""


def history(
    market: Market, server_id: str, now_ms: int, *, period: str = "1d", bar: str = "1h",
    outside: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Return what both ways of asking answer, but for the topic.

    Raises
    ------
    BadHistory
        The period or the bar is none.
    """
    found = PERIOD.fullmatch(period)
    width_s = BARS.get(bar)
    if found is None or width_s is None or not 1 <= int(found[1]) <= MOST[found[2]]:
        raise BadHistory(f"no bars of {bar} over {period}")
    span_s = int(found[1]) * PERIOD_S[found[2]]
    count = max(min(span_s // width_s, POINTS), 1)
    end_s = now_ms // 1000 // width_s * width_s
    bars = _bars(market, count, end_s, width_s)
    factor = 10**market.contract.decimals
    decimal = market.contract.decimal
    top = max(bars, key=lambda one: one[2])
    low = min(bars, key=lambda one: one[3])
    rows = [
        {
            "o": float(decimal(opened)), "c": float(decimal(closed)), "h": float(decimal(high)),
            "l": float(decimal(least)), "v": volume, "t": start_s * 1000,
        }
        for opened, closed, high, least, volume, start_s in bars
    ]  # fmt: skip
    return {
        "serverId": server_id,
        "symbol": market.contract.symbol,
        "text": market.contract.name,
        "priceFactor": factor,
        "startTime": trade_time(bars[0][5] * 1000),
        "high": f"{top[2]}/{top[4]}/{(top[5] - bars[0][5]) // 60}",
        "low": f"{low[3]}/{low[4]}/{(low[5] - bars[0][5]) // 60}",
        "timePeriod": period,
        "barLength": width_s,
        "mdAvailability": "S",
        "mktDataDelay": 0,
        "outsideRth": outside,
        "volumeFactor": 1,
        "priceDisplayRule": 1,
        "priceDisplayValue": str(market.contract.decimals),
        "negativeCapable": bool(market.contract.offset),
        "messageVersion": 2,
        "data": rows,
        "points": len(rows) - 1,
    }


def _bars(
    market: Market, count: int, end_s: int, width_s: int
) -> list[tuple[int, int, int, int, float, int]]:
    """Return open, close, high, low, volume and start of bars, the oldest first."""
    source = random.Random(f"{market.key}/{end_s}/{width_s}/{count}")
    step = market.contract.increment(market.prior_close)
    price = market.prior_close // step * step
    bars = []
    for number in range(count):
        opened = price
        price = opened + step * source.randint(-20, 20)
        high = max(opened, price) + step * source.randint(0, 10)
        least = min(opened, price) - step * source.randint(0, 10)
        if not market.contract.offset and least <= 0:
            opened = price = high = least = step
        volume = float(source.randint(1_000, 900_000))
        bars.append((opened, price, high, least, volume, end_s - width_s * (count - 1 - number)))
    return bars
