"""Names of the venue's public channels (sections 6.2 and 6.3 of the venue's rules).

We ask with slashes, `order_book/0`; the venue answers with colons, `order_book:0`. Here a channel
is always called by the form with slashes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..errors import ClientError

__all__ = ["ALL", "RESOLUTIONS", "Channel", "ChannelKind", "covering", "inbound_name"]

ALL = "all"
RESOLUTIONS = {
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "4h": 14_400,
    "12h": 43_200,
    "1d": 86_400,
}


class ChannelKind(StrEnum):
    """What a channel brings."""

    ORDER_BOOK = "order_book"
    TICKER = "ticker"
    TRADE = "trade"
    MARKET_STATS = "market_stats"
    SPOT_MARKET_STATS = "spot_market_stats"
    CANDLE = "candle"
    MARK_PRICE_CANDLE = "mark_price_candle"
    HEIGHT = "height"


@dataclass(frozen=True, slots=True)
class Channel:
    """A public channel; `market` is its number as text, "all", or "" for `height`."""

    kind: ChannelKind
    market: str = ""
    resolution: str = ""

    @classmethod
    def parse(cls, name: str) -> Channel | None:
        """Return the channel of a name with slashes or colons, None if it is none of ours."""
        kind, _, rest = name.replace(":", "/").partition("/")
        market, _, resolution = rest.partition("/")
        try:
            return cls(ChannelKind(kind), market, resolution)
        except ValueError:
            return None

    @classmethod
    def candles(cls, market: str, interval: str, *, mark: bool = False) -> Channel:
        """Return the channel of bars; ClientError for an interval the venue does not have."""
        if interval not in RESOLUTIONS:
            raise ClientError(
                f"the venue streams no bars of {interval!r}, only {', '.join(RESOLUTIONS)}"
            )
        kind = ChannelKind.MARK_PRICE_CANDLE if mark else ChannelKind.CANDLE
        return cls(kind, market, interval)

    @property
    def name(self) -> str:
        """The name to ask for it."""
        return "/".join(part for part in (self.kind, self.market, self.resolution) if part)

    @property
    def is_book(self) -> bool:
        """Whether it brings a book, which begins with a snapshot."""
        return self.kind is ChannelKind.ORDER_BOOK


def covering(name: str) -> str | None:
    """Return the channel that brings all that this one does, None if there is no such channel."""
    channel = Channel.parse(name)
    stats = (ChannelKind.MARKET_STATS, ChannelKind.SPOT_MARKET_STATS)
    if channel is None or channel.kind not in stats or channel.market == ALL:
        return None
    return Channel(channel.kind, ALL).name


def inbound_name(name: str) -> str:
    """Return the form in which the venue names a channel."""
    return name.replace("/", ":")
