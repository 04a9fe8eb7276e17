"""Subscriptions: what may be asked for, and how the venue writes it back (4.3, 4.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .actions import is_address
from .candles import INTERVALS
from .markets import DEXES, Market

__all__ = ["BadParameters", "Channel", "UnknownCoin", "parse_channel"]

USER_TYPES = frozenset(
    {
        "orderUpdates", "userEvents", "userFills", "userFundings", "userNonFundingLedgerUpdates",
        "userHistoricalOrders", "userTwapSliceFills", "userTwapHistory", "openOrders",
        "clearinghouseState", "allDexsClearinghouseState", "spotState", "twapStates",
        "activeAssetData", "webData2", "webData3", "notification",
    }
)  # fmt: skip
COIN_TYPES = frozenset({"l2Book", "bbo", "trades", "candle", "activeAssetCtx", "activeAssetData"})
DEX_TYPES = frozenset({"allMids", "assetCtxs", "openOrders", "clearinghouseState", "twapStates"})
PLAIN_TYPES = frozenset(
    {"allDexsAssetCtxs", "spotAssetCtxs", "fastAssetCtxs", "outcomeMetaUpdates"}
)
TYPES = USER_TYPES | COIN_TYPES | DEX_TYPES | PLAIN_TYPES
_PARAMETERS = {"type", "coin", "user", "dex", "interval", "nSigFigs", "mantissa", "fast"}
_TEXTS = ("type", "coin", "user", "dex", "interval")
_FLAGS = ("fast", "aggregateByTime")
_EXTRA = {"userFills": {"aggregateByTime"}, "userTwapSliceFills": {"aggregateByTime"}}


class BadParameters(Exception):
    """The venue answers `Invalid subscription`."""


class UnknownCoin(Exception):
    """The venue cuts the socket."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One subscription, normalised; equal ones are the same."""

    type: str
    coin: str = ""
    user: str = ""
    dex: str | None = None
    interval: str = ""
    figures: int | None = None
    mantissa: int | None = None
    fast: bool = False
    aggregate: bool | None = None

    @property
    def wire(self) -> dict[str, Any]:
        """Return it as the venue echoes it, defaults filled in."""
        out: dict[str, Any] = {"type": self.type}
        if self.user:
            out["user"] = self.user
        if self.coin:
            out["coin"] = self.coin
        if self.interval:
            out["interval"] = self.interval
        if self.dex is not None:
            out["dex"] = self.dex
        if self.type == "l2Book":
            out.update(nSigFigs=self.figures, mantissa=self.mantissa, fast=self.fast)
        if self.aggregate is not None:
            out["aggregateByTime"] = self.aggregate
        return out


def parse_channel(value: Any, markets: Mapping[str, Market]) -> Channel | None:
    """Return the channel a subscription names, None if it is not one at all.

    Raises
    ------
    BadParameters
        A parameter is missing or not accepted.
    UnknownCoin
        There is no such coin, dex or aggregation.
    """
    if not isinstance(value, Mapping):
        return None
    if not all(isinstance(value.get(name, ""), str | None) for name in _TEXTS):
        return None
    if not all(isinstance(value.get(name), bool | None) for name in _FLAGS):
        return None
    kind = value.get("type")
    if kind not in TYPES:
        return None
    if value.keys() - _PARAMETERS - _EXTRA.get(kind, set()):
        raise BadParameters
    coin = user = interval = ""
    dex = None
    if kind in COIN_TYPES:
        coin = value.get("coin", "")
        if coin not in markets:
            raise UnknownCoin
    if kind in USER_TYPES:
        user = value.get("user", "")
        if not is_address(user):
            raise BadParameters
        user = user.lower()
    if kind == "candle":
        interval = value.get("interval", "")
        if interval not in INTERVALS:
            raise BadParameters
    if kind in DEX_TYPES:
        dex = value.get("dex")
        if dex is None and kind != "allMids":
            dex = ""
        if dex is not None and dex not in DEXES:
            raise UnknownCoin
    figures, mantissa, fast = value.get("nSigFigs"), value.get("mantissa"), value.get("fast")
    if kind == "l2Book":
        if figures not in (None, 2, 3, 4, 5) or (
            mantissa is not None and (figures != 5 or mantissa not in (1, 2, 5))
        ):
            raise UnknownCoin
        return Channel(kind, coin, figures=figures, mantissa=mantissa, fast=bool(fast))
    return Channel(kind, coin, user, dex, interval, aggregate=value.get("aggregateByTime"))
