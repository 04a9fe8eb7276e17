"""Times as the venue writes them."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["short_time", "trade_time"]


def trade_time(ms: int) -> str:
    """Return the time of an execution: `20260702-13:31:05`."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y%m%d-%H:%M:%S")


def short_time(ms: int) -> str:
    """Return the time of an order: `260702133100`."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%y%m%d%H%M%S")
