"""Names of the venue's public channels (section 4.3 of the venue's rules).

The venue knows a channel by an object, `{"type":"candle","coin":"BTC","interval":"1m"}`; here it is
called by one line, `candle BTC interval=1m`.

Two forms of the same coin's book cannot be told apart in their frames, so they must not come over
one connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..errors import ClientError

__all__ = ["INTERVALS", "Channel", "ChannelKind"]

# Seconds; -1: a month.
INTERVALS = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "2h": 7_200,
    "4h": 14_400,
    "8h": 28_800,
    "12h": 43_200,
    "1d": 86_400,
    "3d": 259_200,
    "1w": 604_800,
    "1M": -1,
}
FIGURES = (2, 3, 4, 5)
MANTISSAS = (1, 2, 5)


class ChannelKind(StrEnum):
    """What a channel brings: the `type` of a subscription."""

    BOOK = "l2Book"
    BBO = "bbo"
    TRADES = "trades"
    CANDLE = "candle"
    CONTEXT = "activeAssetCtx"
    MIDS = "allMids"
    ALL_CONTEXTS = "allDexsAssetCtxs"
    SPOT_CONTEXTS = "spotAssetCtxs"
    FAST_CONTEXTS = "fastAssetCtxs"
    OUTCOMES = "outcomeMetaUpdates"


@dataclass(frozen=True, slots=True)
class Channel:
    """A public channel.

    `figures` (2 to 5) and `mantissa` (1, 2 or 5, with 5 figures) make a book coarser; a `fast` one
    has five levels a side, ten times as often.
    """

    kind: ChannelKind
    coin: str = ""
    interval: str = ""
    dex: str = ""
    figures: int | None = None
    mantissa: int | None = None
    fast: bool = False

    @classmethod
    def book(
        cls,
        coin: str,
        *,
        fast: bool = False,
        figures: int | None = None,
        mantissa: int | None = None,
    ) -> Channel:
        """Return the channel of a book.

        Raises
        ------
        ClientError
            For an aggregation that the venue does not have; it would cut the connection.
        """
        if figures is not None and figures not in FIGURES:
            raise ClientError(f"figures must be 2 to 5, got {figures}")
        if mantissa is not None and (figures != 5 or mantissa not in MANTISSAS):
            raise ClientError(f"mantissa must be 1, 2 or 5, with figures=5, got {mantissa}")
        return cls(ChannelKind.BOOK, coin, figures=figures, mantissa=mantissa, fast=fast)

    @classmethod
    def candles(cls, coin: str, interval: str) -> Channel:
        """Return the channel of bars; ClientError for an interval the venue does not have."""
        if interval not in INTERVALS:
            raise ClientError(
                f"the venue streams no bars of {interval!r}, only {', '.join(INTERVALS)}"
            )
        return cls(ChannelKind.CANDLE, coin, interval=interval)

    @classmethod
    def of(cls, subscription: object) -> Channel | None:
        """Return the channel of a subscription as the venue echoes it, None for another one."""
        if not isinstance(subscription, Mapping):
            return None
        try:
            return cls(
                ChannelKind(str(subscription.get("type"))),
                subscription.get("coin") or "",
                interval=subscription.get("interval") or "",
                dex=subscription.get("dex") or "",
                figures=subscription.get("nSigFigs"),
                mantissa=subscription.get("mantissa"),
                fast=bool(subscription.get("fast")),
            )
        except ValueError:
            return None

    @classmethod
    def parse(cls, name: str) -> Channel | None:
        """Return the channel of a name, None if it is none."""
        kind, *rest = name.split(" ")
        coin = rest.pop(0) if rest and "=" not in rest[0] else ""
        options: dict[str, Any] = {"type": kind, "coin": coin}
        for part in rest:
            key, _, value = part.partition("=")
            number = key in ("nSigFigs", "mantissa")
            options[key] = int(value) if number else value == "true" if key == "fast" else value
        return cls.of(options)

    @property
    def subscription(self) -> dict[str, Any]:
        """The object to ask for it."""
        options = {
            "coin": self.coin,
            "interval": self.interval,
            "dex": self.dex,
            "nSigFigs": self.figures,
            "mantissa": self.mantissa,
            "fast": self.fast,
        }
        return {"type": str(self.kind), **{key: value for key, value in options.items() if value}}

    @property
    def name(self) -> str:
        """One line that names it."""
        parts = [str(self.kind)]
        for key, value in self.subscription.items():
            if key == "coin":
                parts.append(value)
            elif key != "type":
                parts.append(f"{key}={'true' if value is True else value}")
        return " ".join(parts)

    def conflicts(self, other: Channel) -> bool:
        """Whether frames of both would look the same."""
        both = self.kind is other.kind is ChannelKind.BOOK
        return both and self.coin == other.coin and self != other
