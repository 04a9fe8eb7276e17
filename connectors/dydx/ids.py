"""Ids that follow from public data (7.6): UUIDs of version 5 over a text, in one namespace.

The venue's id of an order is known before the order is sent; and the same client id, pair and flags
give the same id again.
"""

from __future__ import annotations

from uuid import UUID, uuid5

__all__ = [
    "asset_position_id",
    "event_height",
    "fill_id",
    "order_id",
    "perpetual_position_id",
    "subaccount_id",
]

NAMESPACE = UUID("0f9da948-a6fb-4c45-9edc-4685c3f3317d")
_EVENT_DIGITS = 24  # height, transaction and event index of the block, 8 each


def subaccount_id(address: str, number: int) -> str:
    """Return the id of a subaccount."""
    return str(uuid5(NAMESPACE, f"{address}-{number}"))


def order_id(
    address: str, number: int, *, client_id: int, clob_pair_id: int, order_flags: int
) -> str:
    """Return the id of an order of a subaccount."""
    name = f"{subaccount_id(address, number)}-{client_id}-{clob_pair_id}-{order_flags}"
    return str(uuid5(NAMESPACE, name))


def fill_id(event_id: str, liquidity: str) -> str:
    """Return the id of one side of a match, `TAKER` or `MAKER`, by the match's event id (hex)."""
    return str(uuid5(NAMESPACE, f"{event_id}-{liquidity}"))


def perpetual_position_id(address: str, number: int, open_event_id: str) -> str:
    """Return the id of a position, by the event that opened it (hex)."""
    return str(uuid5(NAMESPACE, f"{subaccount_id(address, number)}-{open_event_id}"))


def asset_position_id(address: str, number: int, asset_id: int) -> str:
    """Return the id of the holding of an asset; USDC is 0."""
    return str(uuid5(NAMESPACE, f"{subaccount_id(address, number)}-{asset_id}"))


def event_height(event_id: str) -> int:
    """Return the block of an event id (24 hex digits); ValueError if it is none."""
    if len(event_id) != _EVENT_DIGITS:
        raise ValueError(f"an event id has {_EVENT_DIGITS} hexadecimal digits, got {event_id!r}")
    return int(event_id[:8], 16)
