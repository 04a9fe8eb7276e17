"""Names of the venue's channels (section 5 of the venue's rules).

A channel of one market, resolution or account is a topic; here it is called by one line, the
channel and its id with a colon between them: `v4_candles:BTC-USD/1MIN` (DX-S-42).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..errors import ClientError

__all__ = ["POOLED", "RESOLUTIONS", "Channel", "ChannelKind", "ticker_from_instrument_id"]

# Seconds by the venue's name; ours are in `_INTERVALS`.
RESOLUTIONS = {
    "1MIN": 60,
    "5MINS": 300,
    "15MINS": 900,
    "30MINS": 1_800,
    "1HOUR": 3_600,
    "4HOURS": 14_400,
    "1DAY": 86_400,
}
_INTERVALS = dict(zip(("1m", "5m", "15m", "30m", "1h", "4h", "1d"), RESOLUTIONS, strict=True))
_PERP = "-PERP"
_VENUE = ".DYDX"


class ChannelKind(StrEnum):
    """What a channel brings: the venue's name for it."""

    TRADES = "v4_trades"
    ORDERBOOK = "v4_orderbook"
    CANDLES = "v4_candles"
    MARKETS = "v4_markets"
    SUBACCOUNTS = "v4_subaccounts"
    PARENT_SUBACCOUNTS = "v4_parent_subaccounts"
    BLOCK_HEIGHT = "v4_block_height"

    @property
    def has_id(self) -> bool:
        """Whether there is more than one topic; the others must not be asked for with an id."""
        return self not in (ChannelKind.MARKETS, ChannelKind.BLOCK_HEIGHT)

    @property
    def label(self) -> str:
        """How messages about the pool call it: `Trades`."""
        return self.name.title()


# Those that are spread over several connections; the others stay on the first (DX-N-05).
POOLED = (
    ChannelKind.TRADES,
    ChannelKind.ORDERBOOK,
    ChannelKind.CANDLES,
    ChannelKind.MARKETS,
)


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic; its `id` is a ticker, `TICKER/RESOLUTION`, `ADDRESS/NUMBER` or ""."""

    kind: ChannelKind
    id: str = ""

    @classmethod
    def candles(cls, ticker: str, interval: str) -> Channel:
        """Return the channel of bars; `interval` is `1m`, ... or the venue's `1MIN`, ...

        Raises
        ------
        ClientError
            For one that the venue does not have.
        """
        resolution = _INTERVALS.get(interval, interval)
        if resolution not in RESOLUTIONS:
            raise ClientError(
                f"the venue has no bars of {interval!r}, only {', '.join(_INTERVALS)} "
                f"(its own names: {', '.join(RESOLUTIONS)})"
            )
        return cls(ChannelKind.CANDLES, f"{ticker}/{resolution}")

    @classmethod
    def subaccount(cls, address: str, number: int, *, parent: bool = False) -> Channel:
        """Return the channel of a subaccount, or of a parent with all its children."""
        kind = ChannelKind.PARENT_SUBACCOUNTS if parent else ChannelKind.SUBACCOUNTS
        return cls(kind, f"{address}/{number}")

    @classmethod
    def of(cls, channel: str, identity: str) -> Channel | None:
        """Return the topic of a frame, None where it is none of ours.

        The only topic of its channel may come with a name of its own (DX-N-11a).
        """
        try:
            kind = ChannelKind(channel)
        except ValueError:
            return None
        return cls(kind, identity if kind.has_id else "")

    @classmethod
    def parse(cls, name: str) -> Channel | None:
        """Return the topic of a name, None if it is none of ours."""
        channel, _, identity = name.partition(":")
        return cls.of(channel, identity)

    @property
    def name(self) -> str:
        """One line that names it."""
        return f"{self.kind}:{self.id}" if self.id else str(self.kind)

    @property
    def ticker(self) -> str:
        """The market of a topic that is about one; without the resolution."""
        return self.id.rpartition("/")[0] if self.kind is ChannelKind.CANDLES else self.id

    @property
    def is_book(self) -> bool:
        """Whether it brings a book."""
        return self.kind is ChannelKind.ORDERBOOK

    @property
    def is_account(self) -> bool:
        """Whether it is about an account."""
        return self.kind in (ChannelKind.SUBACCOUNTS, ChannelKind.PARENT_SUBACCOUNTS)


def ticker_from_instrument_id(instrument_id: str) -> str:
    """Return the venue's ticker: without the venue, and one `-PERP` at the end less (DX-S-41)."""
    return instrument_id.removesuffix(_VENUE).removesuffix(_PERP)
