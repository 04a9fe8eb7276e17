from collections.abc import Callable
from typing import Any, final

from .book import OrderBook
from .events import Quote

__all__ = ["BookTops"]

@final
class BookTops:
    def __init__(
        self,
        callback: Callable[[Quote], object],
        on_empty_side: Callable[[Any, bool, bool], object] | None = None,
    ) -> None: ...
    @property
    def quotes(self) -> int: ...
    def __call__(self, book: OrderBook) -> None: ...
