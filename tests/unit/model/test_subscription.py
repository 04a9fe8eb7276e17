"""The handle of a subscription and the iteration over it."""

from __future__ import annotations

import asyncio
import gc

import pytest

from connectors.errors import ConnectorError, VenueError
from connectors.model import EventFeed, StreamState, Subscription
from connectors.net.stream import EventStream, Overflow


def make(cancels=None):
    return Subscription("quotes X", ("x@bookTicker",), ([] if cancels is None else cancels).append)


def test_it_is_pending_until_its_client_says_otherwise():
    subscription = make()
    assert subscription.state is StreamState.PENDING
    subscription.advance(StreamState.ACTIVE)
    assert subscription.is_active
    assert repr(subscription) == "<Subscription quotes X ACTIVE>"


def test_cancel_once_and_for_ever():
    cancels = []
    subscription = make(cancels)
    subscription.cancel()
    subscription.cancel()
    assert cancels == [subscription]
    subscription.advance(StreamState.ACTIVE)
    assert subscription.state is StreamState.CANCELED


def test_waiting_for_it(run):
    async def main():
        subscription = make()
        waiting = asyncio.create_task(subscription.active())
        await asyncio.sleep(0)
        subscription.advance(StreamState.ACTIVE)
        await waiting
        await subscription.active()
        with pytest.raises(TimeoutError):
            await make().active(timeout_s=0.01)

    run(main())


def test_waiting_for_what_is_refused_or_canceled(run):
    async def main():
        refused, canceled = make(), make()
        tasks = [asyncio.create_task(each.active()) for each in (refused, canceled)]
        await asyncio.sleep(0)
        refused.advance(StreamState.REFUSED, VenueError(2, "no"))
        canceled.cancel()
        with pytest.raises(VenueError):
            await tasks[0]
        with pytest.raises(ConnectorError, match="was canceled"):
            await tasks[1]

    run(main())


def test_iterating_and_closing(run):
    async def main():
        cancels = []
        source = EventStream(10, Overflow.DROP_OLDEST)
        with EventFeed(source, make(cancels)) as feed:
            for number in range(12):
                source.push(number)
            assert feed.dropped == 2
        assert len(cancels) == 1
        assert [item async for item in feed] == list(range(2, 12))

    run(main())


def test_a_dropped_feed_cancels():
    cancels = []
    feed = EventFeed(EventStream(10, Overflow.DROP_OLDEST), make(cancels))
    del feed
    gc.collect()
    assert len(cancels) == 1


def test_a_refusal_is_raised_by_the_iteration(run):
    async def main():
        subscription = make()
        source = EventStream(10, Overflow.DROP_OLDEST)
        feed = EventFeed(source, subscription)
        source.push(1)
        subscription.advance(StreamState.REFUSED, VenueError(2, "no"))
        assert await anext(feed) == 1
        with pytest.raises(VenueError):
            await anext(feed)

    run(main())
