"""Ids that anybody can compute (7.6), ids of events, and how the venue writes time."""

from __future__ import annotations

import datetime as dt
import hashlib
from uuid import UUID, uuid5

__all__ = [
    "asset_position_id",
    "event_id",
    "fill_id",
    "iso",
    "order_id",
    "perpetual_position_id",
    "subaccount_id",
    "transaction_hash",
    "transfer_id",
]

NAMESPACE = UUID("0f9da948-a6fb-4c45-9edc-4685c3f3317d")
TX_INDEX_OFFSET = 2  # events of a block's begin and end have the indices below


def subaccount_id(address: str, number: int) -> str:
    return _named(f"{address}-{number}")


def order_id(subaccount: str, client_id: int, clob_pair_id: int, flags: int) -> str:
    """Return an order's id, given the id of its subaccount."""
    return _named(f"{subaccount}-{client_id}-{clob_pair_id}-{flags}")


def fill_id(event: str, liquidity: str) -> str:
    return _named(f"{event}-{liquidity}")


def perpetual_position_id(subaccount: str, open_event: str) -> str:
    return _named(f"{subaccount}-{open_event}")


def asset_position_id(subaccount: str, asset_id: int) -> str:
    return _named(f"{subaccount}-{asset_id}")


def transfer_id(event: str, sender: str, recipient: str) -> str:
    return _named(f"{event}-0-{sender}-{recipient}")


def event_id(height: int, index: int, *, transaction: int = 0) -> str:
    """Return the 24 hex digits of an event: block, transaction, event in it."""
    return f"{height:08x}{transaction + TX_INDEX_OFFSET:08x}{index:08x}"


def transaction_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest().upper()


def iso(ms: int) -> str:
    """Return milliseconds since the epoch as the indexer writes a time."""
    seconds, rest = divmod(ms, 1000)
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def _named(name: str) -> str:
    return str(uuid5(NAMESPACE, name))
