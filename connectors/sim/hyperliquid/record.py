"""What came in, for tests to look at: requests, frames, actions, subscriptions, counters."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from ..record import FrameRecord
from ..record import Record as Base

__all__ = ["ActionRecord", "FrameRecord", "Record", "Request", "Subscribe"]

KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    ms: int
    path: str
    kind: str
    body: bytes
    status: int


@dataclass(frozen=True, slots=True)
class Subscribe:
    """One subscription that was taken, as the venue writes it."""

    ms: int
    connection: int
    subscription: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ActionRecord:
    """One post to `/exchange` from either transport: what was asked and what it came to.

    `refused` is the reason for a refusal of the whole action, None if it was carried out.
    """

    ms: int
    transport: str
    kind: str
    nonce: Any
    signer: str | None
    action: Any
    status: int
    answer: Any
    refused: str | None


class Record(Base):
    """Adds requests, actions and subscriptions."""

    def __init__(self) -> None:
        super().__init__(KEPT)
        self.requests: deque[Request] = self.log()
        self.actions: deque[ActionRecord] = self.log()
        self.subscribes: deque[Subscribe] = self.log()
