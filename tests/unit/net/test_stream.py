"""EventStream: order, bounds, gaps, one consumer, and how often it wakes."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ClientError, ConfigError, TransportError
from connectors.net.stream import BufferOverflow, EventStream, Overflow


async def rest_of(stream):
    return [item async for item in stream]


def gap(lost):
    return f"gap {lost}"


def test_items_in_order_and_the_end_after_close(run):
    async def main():
        stream = EventStream(10, Overflow.DROP_OLDEST)
        assert all(stream.push(n) for n in range(5))
        stream.close()
        assert not stream.push(99)
        assert stream.is_closed
        assert await rest_of(stream) == [0, 1, 2, 3, 4]
        assert await rest_of(stream) == []

    run(main())


def test_bn_s_73_drop_oldest_counts_and_marks_the_gap(run):
    async def main():
        stream = EventStream(3, Overflow.DROP_OLDEST, gap_marker=gap)
        results = [stream.push(n) for n in range(5)]
        assert results == [True] * 3 + [False] * 2
        assert stream.dropped == 2
        stream.close()
        assert await rest_of(stream) == ["gap 2", 2, 3, 4]

    run(main())


def test_drop_newest_keeps_the_first_and_marks_the_gap_behind_them(run):
    async def main():
        stream = EventStream(3, Overflow.DROP_NEWEST, gap_marker=gap)
        assert [stream.push(n) for n in range(5)] == [True] * 3 + [False] * 2
        iterator = aiter(stream)
        assert [await anext(iterator) for _ in range(2)] == [0, 1]
        assert stream.push(5)
        stream.close()
        assert await rest_of(stream) == [2, "gap 2", 5]

    run(main())


def test_error_policy_delivers_what_is_there_then_raises(run):
    async def main():
        stream = EventStream(2, Overflow.ERROR)
        assert [stream.push(n) for n in range(4)] == [True, True, False, False]
        seen = []
        with pytest.raises(BufferOverflow):
            async for item in stream:
                seen.append(item)
        assert seen == [0, 1]

    run(main())


def test_close_with_an_error_raises_it_once(run):
    async def main():
        stream = EventStream(2, Overflow.ERROR)
        stream.push(1)
        stream.close(TransportError("gone"))
        stream.close()
        iterator = aiter(stream)
        assert await anext(iterator) == 1
        with pytest.raises(TransportError):
            await anext(iterator)
        with pytest.raises(StopAsyncIteration):
            await anext(iterator)

    run(main())


def test_a_burst_wakes_the_consumer_once_and_costs_no_switch_per_item(run):
    async def main():
        stream = EventStream(1000, Overflow.DROP_OLDEST)
        seen, turns = [], 0

        async def consume():
            async for item in stream:
                seen.append(item)

        consumer = asyncio.create_task(consume())
        await asyncio.sleep(0)
        for n in range(500):
            stream.push(n)
        while len(seen) < 500:
            turns += 1
            assert turns < 4, "the consumer gave control away between buffered items"
            await asyncio.sleep(0)
        stream.close()
        await consumer

    run(main())


def test_close_wakes_a_waiting_consumer(run):
    async def main():
        stream = EventStream(1, Overflow.DROP_OLDEST)
        consumer = asyncio.create_task(rest_of(stream))
        await asyncio.sleep(0)
        stream.close()
        assert await consumer == []

    run(main())


def test_a_second_consumer_is_refused(run):
    async def main():
        stream = EventStream(1, Overflow.DROP_OLDEST)
        first = asyncio.create_task(rest_of(stream))
        await asyncio.sleep(0)
        with pytest.raises(ClientError, match="already has a consumer"):
            aiter(stream)
        with pytest.raises(ClientError, match="already waits"):
            await anext(stream)
        stream.push(1)
        stream.close()
        assert await first == [1]
        assert await rest_of(stream) == []  # the first one has ended, another may read the end

    run(main())


def test_a_cancelled_consumer_loses_nothing(run):
    async def main():
        stream = EventStream(5, Overflow.DROP_OLDEST)
        consumer = asyncio.create_task(rest_of(stream))
        await asyncio.sleep(0)
        stream.push(1)
        consumer.cancel()
        await asyncio.gather(consumer, return_exceptions=True)
        stream.push(2)
        stream.close()
        assert await rest_of(stream) == [1, 2]

    run(main())


def test_capacity_must_be_positive():
    with pytest.raises(ConfigError):
        EventStream(0, Overflow.ERROR)


@given(
    st.integers(1, 5),
    st.sampled_from([Overflow.DROP_OLDEST, Overflow.DROP_NEWEST]),
    st.lists(st.booleans(), max_size=80),
)
def test_every_item_is_delivered_or_counted_in_a_marker_at_its_place(capacity, policy, steps):
    """Markers stand exactly where items are missing: the sequence adds up."""

    async def main():
        stream = EventStream(capacity, policy, gap_marker=lambda lost: ("gap", lost))
        iterator = aiter(stream)
        pushed, out = 0, []
        for push in steps:
            if push:
                stream.push(pushed)
                pushed += 1
            elif len(stream):
                out.append(await anext(iterator))
            assert len(stream) <= capacity
        stream.close()
        out.extend(await rest_of(stream))
        expected = 0
        for item in out:
            if isinstance(item, tuple):
                expected += item[1]
            else:
                assert item == expected
                expected += 1
        assert expected == pushed
        assert stream.dropped == sum(i[1] for i in out if isinstance(i, tuple))

    asyncio.run(main())
