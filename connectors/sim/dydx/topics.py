"""Channels and ids of subscriptions, and which of them exist (section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .candles import RESOLUTIONS

if TYPE_CHECKING:
    from .chain import Chain

__all__ = [
    "BLOCK_HEIGHT",
    "CANDLES",
    "CHANNELS",
    "MARKETS",
    "ORDERBOOK",
    "PARENT_SUBACCOUNTS",
    "SUBACCOUNTS",
    "TRADES",
    "VERSIONS",
    "exists",
    "limit_of",
    "needs_id",
    "split_subaccount",
    "topic",
]

ORDERBOOK, TRADES, CANDLES = "v4_orderbook", "v4_trades", "v4_candles"
MARKETS, BLOCK_HEIGHT = "v4_markets", "v4_block_height"
SUBACCOUNTS, PARENT_SUBACCOUNTS = "v4_subaccounts", "v4_parent_subaccounts"

VERSIONS = {
    ORDERBOOK: "1.0.0",
    TRADES: "2.1.0",
    CANDLES: "1.0.0",
    MARKETS: "1.0.0",
    BLOCK_HEIGHT: "1.0.0",
    SUBACCOUNTS: "3.0.0",
    PARENT_SUBACCOUNTS: "3.0.0",
}
CHANNELS = frozenset(VERSIONS)
_LIMITS = {
    ORDERBOOK: 32, TRADES: 32, CANDLES: 32, MARKETS: 32, BLOCK_HEIGHT: 1,
    SUBACCOUNTS: 256, PARENT_SUBACCOUNTS: 256,
}  # fmt: skip
MAX_SUBACCOUNT, MAX_PARENT = 127_999, 127


def needs_id(channel: str) -> bool:
    return channel not in (MARKETS, BLOCK_HEIGHT)


def limit_of(channel: str) -> int:
    """Return how many subscriptions of a channel one connection may have."""
    return _LIMITS[channel]


def topic(channel: str, id_: str | None) -> str:
    """Return the name under which a subscription is kept and tapped: `channel:id`.

    An id where there should be none makes a topic nothing is ever sent to (DX-W-17).
    """
    if id_ is None or (channel == BLOCK_HEIGHT and id_ == BLOCK_HEIGHT):
        return channel
    return f"{channel}:{id_}"


def exists(chain: Chain, channel: str, id_: str | None) -> bool:
    """Whether there is something behind an id."""
    if not needs_id(channel):
        return True
    assert id_ is not None
    if channel in (ORDERBOOK, TRADES):
        return id_ in chain.markets
    if channel == CANDLES:
        ticker, slash, resolution = id_.rpartition("/")
        return bool(slash) and ticker in chain.markets and resolution in RESOLUTIONS
    most = MAX_SUBACCOUNT if channel == SUBACCOUNTS else MAX_PARENT
    parts = split_subaccount(id_)
    return parts is not None and parts[1] <= most


def split_subaccount(id_: str) -> tuple[str, int] | None:
    """Return address and number of `address/number`, None if it is not of this form."""
    address, slash, number = id_.partition("/")
    if not address or not slash or not number.isascii() or not number.isdecimal():
        return None
    return address, int(number)
