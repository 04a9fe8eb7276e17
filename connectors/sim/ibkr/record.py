"""What came in and went out, for tests to look at."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from ..admin import rows
from ..record import FrameRecord
from ..record import Record as Base

__all__ = ["FrameRecord", "Record", "Request", "Sent"]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request and its answer; path below the base, query as it came."""

    ms: int
    method: str
    path: str
    query: str
    body: str
    status: int
    answer: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Sent:
    """One text or binary frame to a client."""

    ms: int
    connection: int
    binary: bool
    text: bytes


class Record(Base):
    """Adds requests and sent frames."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: deque[Request] = self.log()
        self.sent: deque[Sent] = self.log()

    def everything(self) -> list[dict[str, Any]]:
        """Return requests and frames of both directions in the order of their times."""
        logs: dict[str, deque[Any]] = {"http": self.requests, "in": self.frames, "out": self.sent}
        found = [{"kind": kind, **row} for kind, log in logs.items() for row in rows(log)]
        return sorted(found, key=lambda row: row["ms"])
