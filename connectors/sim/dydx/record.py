"""What came in, for tests to look at."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from .. import record

__all__ = ["Record", "Request", "Subscribe"]


@dataclass(frozen=True, slots=True)
class Subscribe:
    """One subscribe or unsubscribe that could be read."""

    ms: int
    connection: int
    type: str
    channel: str
    id: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """One request to REST."""

    ms: int
    path: str
    query: str
    status: int


class Record(record.Record):
    """Adds subscriptions and requests."""

    def __init__(self) -> None:
        super().__init__()
        self.subscribes: deque[Any] = self.log()
        self.requests: deque[Any] = self.log()
