"""Local order books that say when they cannot be trusted."""

from __future__ import annotations

from .._speedups.book import ChainedBook, OrderBook
from .sync import BookSync, SyncEvent, SyncLimits, SyncStep

__all__ = ["BookSync", "ChainedBook", "OrderBook", "SyncEvent", "SyncLimits", "SyncStep"]
