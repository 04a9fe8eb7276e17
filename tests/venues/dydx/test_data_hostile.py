"""Frames that are not what they should be end no reading (20.4), nor grow anything (20.5)."""

from __future__ import annotations

import json
import random

import pytest
from venues.dydx.indexer_stub import RAW
from venues.dydx.socket_rig import connected
from venues.dydx.test_data_client import client

from connectors._speedups.book import BookSide
from connectors.dydx.handler import Handler

JUNK = [None, True, 5, -1, 1.5, 10**30, "", "x", "9" * 400, [], [None], {}, {"a": {}}, [[]]]


def places(value, path=()):
    """Go through all members and elements of a JSON value."""
    if path:
        yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    for step, inner in steps:
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, step))
        else:
            yield (*path, step)


def changed(frame, path, rng):
    """Return a copy with the value at a place gone, or another one."""
    copy = json.loads(json.dumps(frame))
    holder = copy
    for step in path[:-1]:
        holder = holder[step]
    kind = rng.randrange(3)
    if kind == 0:
        del holder[path[-1]]
    elif kind == 1 and isinstance(holder, dict):
        holder[f"{path[-1]}{rng.choice('xyz')}"] = holder.pop(path[-1])
    else:
        holder[path[-1]] = rng.choice(JUNK)
    return copy


def mutations(seed):
    """Every frame of the venue with each of its places changed, cut, and with bytes exchanged."""
    rng = random.Random(seed)
    for raw in RAW.values():
        frame = json.loads(raw)
        for path in list(places(frame)):
            yield json.dumps(changed(frame, path, rng), separators=(",", ":")).encode()
        data = raw.encode()
        for _ in range(10):
            yield data[: rng.randrange(len(data))]
            spot = rng.randrange(len(data))
            yield data[:spot] + bytes([rng.randrange(256)]) + data[spot + 1 :]


@pytest.mark.parametrize("seed", range(2))
def test_20_4_mutated_frames_end_nothing_in_the_data_client(run, seed):
    async def scenario():
        async with client() as (stub, data, _):
            data.subscribe_book("BTC-USD-PERP", lambda book: None)
            data.subscribe_trades("BTC-USD-PERP", lambda trade: None, include_history=True)
            data.subscribe_candles("BTC-USD-PERP", "1m", lambda bar: None, closed_only=False)
            data.subscribe_mark_price(None, lambda price: None)
            data.subscribe_market_stats(None, lambda stats: None)
            data.subscribe_height(lambda height, at: None)
            await stub.heard(5)
            decoder = data.streams[0].decoder
            for number, mutated in enumerate(mutations(seed), 1):
                decoder.feed(mutated, number)  # what this raises would reach the socket
            assert number > 1_000
            assert data.callback_errors == 0
            assert data.streams[0].ids.open <= 4_096
            book = data.book("BTC-USD-PERP")
            if book is not None:
                assert not book.is_crossed
                assert all(lots > 0 for side in BookSide for _, lots in book.levels(side))

    run(scenario())


def test_20_4_mutated_frames_end_nothing_in_the_socket_client(run):
    async def scenario():
        async with connected(answer=False, capacity=100) as (_, client, receiver):
            handler = client._shared.handler
            assert isinstance(handler, Handler)
            decoder = handler.streams[0].decoder
            for number, mutated in enumerate(mutations(7), 1):
                decoder.feed(mutated, number)
            assert client.is_connected
            assert len(receiver) <= 100  # 20.5
            assert receiver.dropped > 0

    run(scenario())
