"""The worker that fetches snapshots for the books."""

from __future__ import annotations

import asyncio

import pytest

from connectors.binance.books import Books
from connectors.binance.instruments import symbol_id
from connectors.books.sync import SyncLimits
from connectors.data.dispatch import Dispatch
from connectors.errors import RateLimited
from connectors.model import BookUpdate, Instrument, InstrumentKind
from patience import GRACE_S

BTC = Instrument(
    id=symbol_id("BTCUSDT"),
    symbol="BTCUSDT",
    venue="BINANCE",
    kind=InstrumentKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    tick_size="0.1",
    lot_size="0.001",
)


class Source:
    """Raises the given errors, then gives a snapshot that fits."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.asked = []

    async def book_snapshot(self, instrument, limit):
        self.asked.append(asyncio.get_running_loop().time())
        if self.errors:
            raise self.errors.pop(0)
        return BookUpdate(instrument, [(10, 1)], [(11, 1)], is_snapshot=True, last_seq=5)


def make_books(source):
    return Books(
        Dispatch(lambda error, kind, event: None),
        source,
        depth=1000,
        emit=lambda event: None,
        on_callback_error=lambda error, kind, event: None,
        on_off_grid=lambda instrument: None,
        limits=SyncLimits(wait_s=0.01, max_wait_s=0.01),
    )


async def live(books, *, within_s):
    """Feed one update and wait until the book is in step."""
    task = asyncio.create_task(books.run())
    try:
        books.add(BTC, 0, lambda book: None, 1)
        sync = books.get("BTCUSDT")
        sync.on_update(BookUpdate(BTC, [(10, 2)], [], first_seq=4, last_seq=6, prev_seq=3))
        async with asyncio.timeout(within_s + GRACE_S):
            while not sync.is_live:  # noqa: ASYNC110 - it may become true by anybody's doing
                await asyncio.sleep(0.005)
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyError("bids"), OSError("no route")])
def test_bn_b_15_an_unforeseen_error_counts_as_a_failed_snapshot(run, error):
    """Otherwise the book would wait for ever for a snapshot nobody is fetching."""
    source = Source(error)
    run(live(make_books(source), within_s=2))
    assert len(source.asked) == 2


def test_bn_b_20_a_limit_without_a_wait_is_no_reason_to_hurry(run):
    source = Source(RateLimited(429, "Too many requests", retry_after_s=0.0, status=429))
    run(live(make_books(source), within_s=3))
    first, second = source.asked
    assert second - first >= 0.9
