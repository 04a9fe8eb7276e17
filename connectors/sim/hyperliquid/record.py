"""What came in, for tests to look at: requests, frames, actions, subscriptions, counters."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

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
class FrameRecord:
    """One text frame from a client."""

    ms: int
    connection: int
    text: str


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


class Record:
    """Everything received, bounded, and counters that are not."""

    def __init__(self) -> None:
        self.requests: deque[Request] = deque(maxlen=KEPT)
        self.frames: deque[FrameRecord] = deque(maxlen=KEPT)
        self.actions: deque[ActionRecord] = deque(maxlen=KEPT)
        self.subscribes: deque[Subscribe] = deque(maxlen=KEPT)
        self.hits: Counter[str] = Counter()
        self.opened = 0
        self.closed = 0

    def of_kind(self, kind: str) -> list[ActionRecord]:
        """Return the actions of a type, oldest first."""
        return [item for item in self.actions if item.kind == kind]

    def clear(self) -> None:
        """Forget everything but what is open now."""
        for log in (self.requests, self.frames, self.actions, self.subscribes):
            log.clear()
        self.hits.clear()
