"""What can be asked for on the socket: a channel is called by the frame that asks for it (4.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from . import wire
from .control import topic_of
from .market import Code

__all__ = ["INTERVALS", "LEVEL_1", "Channel", "Interval"]

# Quotes, the last trade, and what kind of data it is.
LEVEL_1 = (Code.LAST, Code.BID, Code.ASK, Code.ASK_SIZE, Code.BID_SIZE, Code.LAST_SIZE,
           Code.AVAILABILITY)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Interval:
    """A length of bars: in seconds, in the venue's words, and what to ask for to see some."""

    seconds: int
    bar: str
    period: str


INTERVALS = {
    "1m": Interval(60, "1min", "30min"),
    "2m": Interval(120, "2min", "1h"),
    "3m": Interval(180, "3min", "1h"),
    "5m": Interval(300, "5min", "2h"),
    "10m": Interval(600, "10min", "4h"),
    "15m": Interval(900, "15min", "8h"),
    "30m": Interval(1_800, "30min", "2d"),
    "1h": Interval(3_600, "1h", "3d"),
    "2h": Interval(7_200, "2h", "1w"),
    "3h": Interval(10_800, "3h", "1w"),
    "4h": Interval(14_400, "4h", "2w"),
    "8h": Interval(28_800, "8h", "1m"),
    "1d": Interval(86_400, "1d", "2m"),
}
SOURCES = {"trade": "trades", "mid": "midpoint", "bid": "bid", "ask": "ask"}


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel by its name."""

    name: str

    @classmethod
    def market_data(cls, line: str, codes: Iterable[str] = LEVEL_1) -> Channel:
        """Return the channel of a line: a conid, `conid@EXCHANGE`, or a combination."""
        return cls(wire.market_data(line, codes))

    @classmethod
    def depth(cls, account: str, line: str, exchange: str | None = None) -> Channel:
        """Return the channel of a price ladder, of which an account has one (W-21)."""
        return cls(wire.depth(account, int(line), exchange))

    @classmethod
    def orders(cls) -> Channel:
        """Return the channel of orders; without a filter, which would silence others (F-06)."""
        return cls(wire.ORDERS)

    @classmethod
    def trades(cls, days: int = 1) -> Channel:
        """Return the channel of executions; after a gap it brings those of `days` (W-42)."""
        return cls(wire.trades(days=days))

    @classmethod
    def pnl(cls) -> Channel:
        """Return the channel of profit and loss."""
        return cls(wire.PNL)

    @classmethod
    def summary(cls, account: str) -> Channel:
        """Return the channel of an account's summary."""
        return cls(wire.summary(account))

    @classmethod
    def ledger(cls, account: str) -> Channel:
        """Return the channel of an account's ledger."""
        return cls(wire.ledger(account))

    @property
    def topic(self) -> str:
        """The topic of its frames: without the arguments."""
        return topic_of(self.name)

    @property
    def line(self) -> str:
        """The line of market data."""
        return self.topic.partition("+")[2]
