"""Going through lists that are longer than one answer, where no two answers are of one time.

Answers come from replicas and caches, each some blocks behind (DX-R-05). A page by its number alone
is counted from the newest row of whoever answers: behind one that lags, rows would be skipped. So
rows are asked for from the place on at which the last page ended; that all replicas count alike.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any

from ..errors import DecodeError
from ..execution.members import text
from .rows import height_of

__all__ = ["order_pages", "pages"]

log = logging.getLogger("connectors.dydx")

PAGE_SIZE = 100
ANSWER_MAX = 1_000  # rows of one answer (DX-R-04)
MAX_PAGES = 1_000

Ask = Callable[..., Coroutine[Any, Any, list[Any]]]


async def pages(ask: Ask) -> AsyncIterator[list[Any]]:
    """Go through trades or transfers, newest page first; rows may come twice.

    Each page begins with the last block of the one before. A block that fills a page is asked for
    in the longest there is; only one that fills that as well is gone through by number.
    """
    height: int | None = None
    size, page = PAGE_SIZE, 1
    for _ in range(MAX_PAGES):
        rows = await ask(limit=size, page=page, before_height=height)
        if rows:
            yield rows
        if len(rows) < size:
            return
        last = _height(rows[-1])
        if last is not None and (height is None or last < height):
            height, size, page = last, PAGE_SIZE, 1
        elif size < ANSWER_MAX:
            size = ANSWER_MAX
        else:
            page += 1
    log.error("venue=DYDX more than %d pages: what is older stays unread", MAX_PAGES)


def _height(row: Any) -> int | None:
    try:
        return height_of(row, "createdAtHeight") if isinstance(row, Mapping) else None
    except DecodeError:
        return None


async def order_pages(ask: Ask, end: str) -> AsyncIterator[list[Any]]:
    """Go through orders, the latest `end` first; rows may come twice.

    There are no pages of orders: what follows is asked for from the end of the last one on.
    """
    until: str | None = None
    for _ in range(MAX_PAGES):
        rows = await ask(limit=ANSWER_MAX, **{f"{end}BeforeOrAt": until})
        if rows:
            yield rows
        if len(rows) < ANSWER_MAX:
            return
        last = text(rows[-1], end) if isinstance(rows[-1], Mapping) else ""
        if not last or last == until:
            break
        until = last
    log.error("venue=DYDX orders with a %s up to %s stay unread", end, until)
