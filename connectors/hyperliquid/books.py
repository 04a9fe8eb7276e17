"""The books of Hyperliquid: each message is a whole one (section 4.3 of the venue's rules)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..data.snapshot_books import SnapshotBook, SnapshotBooks
from ..model import StatusEvent
from .config import VENUE

__all__ = ["Books", "SnapshotBook"]


class Books(SnapshotBooks):
    """All books of one client, by the name of their channel."""

    def __init__(
        self,
        *,
        emit: Callable[[StatusEvent], object],
        on_callback_error: Callable[[BaseException, int, Any], None],
    ) -> None:
        super().__init__(VENUE, emit=emit, on_callback_error=on_callback_error)
