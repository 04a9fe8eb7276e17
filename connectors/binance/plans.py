"""From what the caller wants to the stream that brings it. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass

from .._speedups.events import EventFlag
from ..errors import ClientError, Unsupported
from ..model import Bar, Instrument
from .config import Product
from .streams import CONTINUOUS_CONTRACTS, INTERVALS

__all__ = ["BarFilter", "BarPlan", "bar_plan", "depth_stream"]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SOURCE_FLAGS = EventFlag.CONTINUOUS | EventFlag.INDEX | EventFlag.MARK


def interval_s(interval: str) -> int:
    """Return the seconds of an interval as bars carry it: -1 for a calendar month."""
    if interval == "1M":
        return -1
    return int(interval[:-1]) * _SECONDS[interval[-1]]


@dataclass(frozen=True, slots=True)
class BarPlan:
    """A kline stream: its name, the name its frames carry, and how its bars are marked."""

    stream: str
    wire_name: str
    interval_s: int
    flags: int


class BarFilter:
    """Lets through the bars of one stream, each closed one once (BN-MD-08, BN-MD-09)."""

    __slots__ = ("_closed_only", "_flags", "_interval_s", "_last_closed")

    def __init__(self, plan: BarPlan, *, closed_only: bool) -> None:
        self._interval_s = plan.interval_s
        self._flags = plan.flags
        self._closed_only = closed_only
        self._last_closed = -1

    def __call__(self, bar: Bar) -> bool:
        if bar.interval_s != self._interval_s or bar.flags & _SOURCE_FLAGS != self._flags:
            return False
        if bar.ts_open <= self._last_closed:
            return False  # repeated, or an update of a bar that has been closed
        if bar.is_closed:
            self._last_closed = bar.ts_open
            return True
        return not self._closed_only


def bar_plan(
    product: Product,
    instrument: Instrument,
    interval: str,
    source: str,
    contract: str | None,
) -> BarPlan:
    """Return the kline stream for bars of an instrument.

    Parameters
    ----------
    source :
        "trade", "mark" or "index": which prices the bars are made of.
    contract :
        For bars of a continuous contract on the instrument's pair: "perpetual",
        "current_quarter", "next_quarter" or "tradifi_perpetual".

    Raises
    ------
    ClientError
        No such interval, source or contract.
    Unsupported
        The venue has no such bars on this product.
    """
    if interval not in INTERVALS and not (interval == "1s" and contract):
        raise ClientError(f"no interval {interval!r}: one of {' '.join(INTERVALS)}")
    seconds = interval_s(interval)
    symbol, pair = instrument.symbol, instrument.pair
    if contract is not None:
        if source != "trade":
            raise Unsupported("bars of a continuous contract are made of trades only")
        if contract not in CONTINUOUS_CONTRACTS:
            raise ClientError(f"no contract {contract!r}: one of {', '.join(CONTINUOUS_CONTRACTS)}")
        return BarPlan(
            f"{pair.lower()}_{contract}@continuousKline_{interval}",
            f"{pair}_{contract.upper()}",
            seconds,
            EventFlag.CONTINUOUS,
        )
    if source == "trade":
        return BarPlan(f"{symbol.lower()}@kline_{interval}", symbol, seconds, 0)
    if source not in ("mark", "index"):
        raise ClientError(f"no source {source!r}: trade, mark or index")
    if product is not Product.COINM:
        raise Unsupported(
            f"{source} price bars are streamed on COIN-M only; "
            f"on USD-M take BinanceRest.klines(source={source!r})"
        )
    if source == "mark":
        stream = f"{symbol.lower()}@markPriceKline_{interval}"
        return BarPlan(stream, symbol, seconds, EventFlag.MARK)
    stream = f"{pair.lower()}@indexPriceKline_{interval}"
    return BarPlan(stream, pair, seconds, EventFlag.INDEX)


def depth_stream(symbol: str, kind: str, speed_ms: int | None, levels: int = 0) -> str:
    """Return the name of a depth stream; a speed of 250 ms is the venue's default.

    Parameters
    ----------
    kind :
        "diff", "partial" or "rpi".
    speed_ms :
        None: the fastest there is.

    Raises
    ------
    ClientError
        The venue has no such speed or number of levels.
    """
    speeds = {"diff": (0, 100, 250, 500), "partial": (100, 250, 500), "rpi": (500,)}[kind]
    speed = speeds[0] if speed_ms is None else speed_ms
    if speed not in speeds:
        known = ", ".join(map(str, speeds))
        raise ClientError(f"no {kind} depth every {speed} ms: one of {known}")
    channel = {"diff": "depth", "partial": f"depth{levels}", "rpi": "rpiDepth"}[kind]
    if kind == "partial" and levels not in (5, 10, 20):
        raise ClientError(f"no partial depth of {levels} levels: 5, 10 or 20")
    suffix = "" if speed == 250 else f"@{speed}ms"
    return f"{symbol.lower()}@{channel}{suffix}"
