"""What the leak checks measure with: a leak shows, free memory does not."""

from __future__ import annotations

import ctypes
import functools
import gc

import pytest

from connectors._speedups.feed import Decoder, FeedListener
from connectors.net.link import Link
from faults.soak import left_over
from faults.support_holdings import Holdings

needs_mallinfo = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the C allocator does not tell"
)
MB = 1_000_000


class Nobody:
    def on_feed_pong(self, *_):
        pass

    def on_feed_problem(self, *_):
        pass


def measure(run):
    async def now():
        return Holdings.now()

    return run(now())


def grown(before, after, **bounds):
    return after.grown_since(before, sockets=0, timers=0, objects=0, **bounds)


def test_small_objects_show_in_the_blocks(run):
    before = measure(run)
    kept = [object() for _ in range(5_000)]
    assert "blocks" in str(grown(before, measure(run), blocks=4_000, heap_mb=1.0))
    kept.clear()
    assert grown(before, measure(run), blocks=1_000, heap_mb=1.0) == []


@needs_mallinfo
@pytest.mark.parametrize("size", [2_000, 3 * MB], ids=["among others", "pages of its own"])
def test_buffers_show_in_the_heap(run, size):
    before = measure(run)
    kept = [bytes(size) for _ in range(6 * MB // size)]
    assert "C heap" in str(grown(before, measure(run), heap_mb=5.0))
    kept.clear()
    assert grown(before, measure(run), heap_mb=0.5) == []


@needs_mallinfo
def test_holes_between_buffers_that_stay_are_no_leak(run):
    """One buffer in sixty-four stays: its pages do too, and the rest is not anybody's."""
    before = measure(run)
    kept = [bytes(2_000) for _ in range(20_000)]
    kept[:] = kept[::64]
    after = measure(run)
    assert grown(before, after, blocks=1_000, heap_mb=1.0) == []
    assert after.rss_mb - before.rss_mb < 20.0  # of 40 MB that were in use
    assert len(kept) == 313


def test_the_soak_blames_the_client_for_nothing_that_was_there_before(run):
    """An error that a parametrized test keeps holds its listeners (found in CI, 2026-11-21)."""
    made = functools.partial(FeedListener, Decoder(), Nobody())
    earlier = [made(), Link(Nobody(), 0)]  # type: ignore[arg-type]
    before = measure(run)
    assert left_over(before, measure(run)) == []
    later = made()
    assert left_over(before, measure(run)) == ["1 of connectors._speedups.feed.FeedListener"]
    del later
    gc.collect()
    assert left_over(before, measure(run)) == []
    assert len(earlier) == 2
