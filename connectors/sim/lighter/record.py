"""What came in, for tests to look at: requests, frames, transactions, counters (18.2.10)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..record import FrameRecord
from ..record import Record as Base

__all__ = ["FrameRecord", "Record", "Request", "SentTx", "Subscribe"]


@dataclass(frozen=True, slots=True)
class Request:
    """One REST request; `endpoint` is the path behind `/api/v1/`."""

    ms: int
    method: str
    endpoint: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    status: int


@dataclass(frozen=True, slots=True)
class Subscribe:
    """One subscribe frame."""

    ms: int
    connection: int
    channel: str
    auth: str | None


@dataclass(slots=True)
class SentTx:
    """One send of one or more transactions, from either transport, in order of arrival.

    `kind` is `jsonapi/sendtx` or `jsonapi/sendtxbatch`, whatever the transport; `infos` are the
    transactions as objects, `raw` as they came. `code` is what the venue answered, None as long
    as it has not.
    """

    ms: int
    kind: str
    transport: str
    types: list[Any]
    infos: list[Any]
    raw: Any
    hashes: list[str] = field(default_factory=list)
    code: int | None = None


class Record(Base):
    """Adds requests, transactions and subscriptions."""

    def __init__(self, kept: int) -> None:
        super().__init__(kept)
        self.requests: deque[Request] = self.log()
        self.txs: deque[SentTx] = self.log()
        self.subscribes: deque[Subscribe] = self.log()
        self.unsubscribes: deque[Subscribe] = self.log()
        self.accepted = 0
        self.refused = 0

    def sends(self, kind: str | None = None, transport: str | None = None) -> list[SentTx]:
        """Return the sends of a kind and transport, oldest first."""
        return [
            tx for tx in self.txs if kind in (None, tx.kind) and transport in (None, tx.transport)
        ]

    def subscribed(self, channel: str) -> list[Subscribe]:
        """Return the subscribes of a channel, in the client's spelling."""
        return [item for item in self.subscribes if item.channel == channel]
