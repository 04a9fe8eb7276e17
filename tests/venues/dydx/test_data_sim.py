"""The data client and the socket client against the simulator, live and with its faults."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from venues.dydx.socket_rig import next_of
from venues.dydx.test_data_client import Seen

from connectors import dydx
from connectors._speedups.book import BookSide
from connectors.dydx import messages
from connectors.dydx.websocket import WebSocketClient
from connectors.errors import VenueError
from connectors.model import (
    Bar,
    BookUpdate,
    IndexPrice,
    InstrumentStatus,
    InstrumentUpdated,
    MarketStatus,
    MarkPrice,
    Quote,
    Reconnected,
    Trade,
)
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from connectors.sim.dydx.server import start
from patience import until

NAMES = ("BTC-USD-PERP", "ETH-USD-PERP", "SOL-USD-PERP")


@contextlib.asynccontextmanager
async def simulated(*, settings=None, compare_books_s=0.0, **options):
    """A simulator with quick blocks, a data client on it, and the statuses it tells."""
    statuses = Seen()
    sim = await start(**{"rate_per_s": 0.0, "block_ms": 20.0, **options})
    try:
        data = dydx.DataClient(
            dydx.Config.sim(sim.http_url, **(settings or {})),
            on_status=statuses.append,
            compare_books_s=compare_books_s,
            attempts=AttemptBudget((Quota(10_000, 1.0),)),
        )
        async with data:
            yield sim, data, statuses
    finally:
        await sim.stop()


def agrees(sim, data, name):
    """Whether a book is the simulator's own."""
    book, truth = data.book(name), sim.admin._book(data.instrument(name).symbol)
    if book is None:
        return False
    scales = book.instrument.price_scale, book.instrument.size_scale
    return all(
        book.levels(side)
        == [tuple(s.to_ticks(x) for s, x in zip(scales, each, strict=True)) for each in truth[key]]
        for side, key in ((BookSide.BID, "bids"), (BookSide.ASK, "asks"))
    )


async def in_step(sim, data, *names):
    for name in names:
        await until(lambda name=name: agrees(sim, data, name), what=f"the book of {name}")


def test_every_kind_of_event_reaches_its_callback(run_any):
    async def scenario():
        async with simulated(rate_per_s=300.0, oracle_follows=True) as (_, data, _):
            seen = Seen()
            heights = []
            subscriptions = [
                data.subscribe_quotes(NAMES[0], seen.append),
                data.subscribe_trades(NAMES[0], seen.append),
                data.subscribe_book_deltas(NAMES[1], seen.append),
                data.subscribe_candles(NAMES[0], "1m", seen.append, closed_only=False),
                data.subscribe_mark_price(None, seen.append),
                data.subscribe_index_price(NAMES[1], seen.append),
                data.subscribe_height(lambda height, at: heights.append((height, at))),
            ]
            for subscription in subscriptions:
                await subscription.active(timeout_s=30)
            for kind in (Quote, Trade, BookUpdate, Bar, MarkPrice, IndexPrice):
                await seen.one(kind)
            await until(lambda: len(heights) > 2)
            assert heights == sorted(heights)
            assert all(quote.bid < quote.ask for quote in seen.of(Quote))
            async for trade in data.trades(NAMES[0]):
                assert trade.size > 0
                break
            assert (data.frame_problems, data.callback_errors, data.gaps) == (0, 0, 0)
            assert data.streams[0].decoder.id_surprises == 0

    run_any(scenario(), timeout_s=60.0)


def test_books_are_the_venues_after_connections_broke_in_every_way(run):
    async def scenario():
        settings = {"idle_timeout_s": 1.0, "per_channel_limit": 2, "reconnect_max_s": 0.5}
        async with simulated(rate_per_s=400.0, settings=settings) as (sim, data, statuses):
            for name in NAMES:
                data.subscribe_book(name, lambda book: None)
                data.subscribe_trades(name, lambda trade: None)
            await until(lambda: all(data.book(name) for name in NAMES))
            assert len(data.streams) == 2
            faults = sim.faults
            for count, break_all in enumerate(
                (
                    faults.abort,
                    lambda: faults.close(code=1012, reason='{"message":"Service restarting"}'),
                    lambda: faults.close(code=4000),
                    faults.freeze,
                ),
                1,
            ):
                break_all()
                await statuses.one(Reconnected, count=2 * count)
                await until(lambda: all(data.book(name) for name in NAMES))
            sim.configure(rate_per_s=0.0)
            await in_step(sim, data, *NAMES)
            wanted = sorted(name for stream in data.streams for name in stream.control.channels)
            live = [connection for connection in sim.connections.values() if not connection.quiet]
            served = sorted(f"{name}" for connection in live for name in connection.subscriptions)
            assert len(served) == len(wanted) == 7
            assert data.frame_problems == 0

    run(scenario(), timeout_s=90.0)


def test_dx_w_07_lost_repeated_and_reordered_frames_are_repaired(run):
    async def scenario():
        async with simulated(rate_per_s=60.0) as (sim, data, _):
            data.subscribe_book(NAMES[0], lambda book: None)
            await until(lambda: data.book(NAMES[0]))
            prefix = "v4_orderbook:BTC-USD"
            for action in ("drop", "duplicate", "swap", "malformed"):
                before = data._books.resyncs
                sim.faults.tap(prefix, action)
                await until(lambda before=before: data._books.resyncs > before, what=action)
                await until(lambda: data.book(NAMES[0]))
            sim.faults.skip_ids(3)
            before = data.gaps
            await until(lambda: data.gaps > before, what="the gap in the ids")
            sim.configure(rate_per_s=0.0)
            await in_step(sim, data, NAMES[0])
            assert len(sim.connections) == 1  # nothing of it cost the connection

    run(scenario(), timeout_s=90.0)


def test_dx_b_04_a_crossed_venue_gives_no_crossed_book(run):
    async def scenario():
        async with simulated() as (sim, data, _):
            crossed, quotes = [], Seen()
            data.subscribe_book(NAMES[0], lambda book: crossed.append(book.is_crossed))
            data.subscribe_quotes(NAMES[0], quotes.append)
            await until(lambda: data.book(NAMES[0]))
            sim.faults.cross("BTC-USD", ms=50)
            await until(lambda: data.book(NAMES[0]).uncrossings > 0)
            assert not any(crossed)
            assert all(quote.bid < quote.ask for quote in quotes)

    run(scenario())


def test_dx_w_18_a_topic_wanted_and_given_up_all_the_time_costs_no_connection(run):
    async def scenario():
        settings = {"subscribe_window_s": 1.05}
        async with simulated(settings=settings) as (sim, data, _):
            for _ in range(4):
                subscription = data.subscribe_trades(NAMES[0], lambda trade: None)
                await subscription.active(timeout_s=30)
                subscription.cancel()
            assert len(sim.connections) == 1
            asked = [each for each in sim.record.subscribes if each.channel == "v4_trades"]
            times = [each.ms for each in asked if each.type == "subscribe"]
            assert len(times) == 4
            # Never three within a second.
            assert all(
                third - first > 1_000 for first, third in zip(times, times[2:], strict=False)
            )

    run(scenario())


def test_dx_w_02_snapshots_that_come_late_and_out_of_order_are_no_gaps(run):
    async def scenario():
        async with simulated(rate_per_s=300.0, snapshot_delay_ms=60.0) as (_, data, _):
            for name in NAMES:
                trades = data.subscribe_trades(name, lambda trade: None)
            await trades.active(timeout_s=30)
            for name in NAMES:  # while trades flow
                data.subscribe_book(name, lambda book: None)
            await until(lambda: all(data.book(name) for name in NAMES))
            assert data.streams[0].decoder.id_surprises > 0
            assert (data.gaps, data.streams[0].ids.open) == (0, 0)

    run(scenario())


def test_dx_i_06_governance_changes_a_market_while_it_is_watched(run):
    async def scenario():
        async with simulated() as (sim, data, statuses):
            data.subscribe_book(NAMES[0], lambda book: None)
            await until(lambda: data.book(NAMES[0]))
            market = sim.market("BTC-USD")
            sim.set_market("BTC-USD", subticks_per_tick=market.subticks_per_tick // 10)
            await statuses.one(InstrumentUpdated)
            assert data.instrument(NAMES[0]).tick_size == Decimal("0.1")
            await in_step(sim, data, NAMES[0])
            sim.set_market("BTC-USD", status="POST_ONLY")
            change = await statuses.one(InstrumentStatus)
            assert (change.status, change.previous) == (
                MarketStatus.POST_ONLY, MarketStatus.TRADING,
            )  # fmt: skip

    run(scenario())


def test_dx_w_09_the_venues_pings_are_answered(run):
    async def scenario():
        options = {"ping_interval_s": 0.05, "pong_timeout_s": 10.0}
        async with simulated(**options) as (sim, data, _):
            data.subscribe_trades(NAMES[0], lambda trade: None)
            session = data.streams[0].session
            await until(lambda: session.counters.frames - session.counters.messages > 5)
            assert len(sim.connections) == 1

    run(scenario())


def test_4_5_a_blocked_address_and_a_failing_snapshot(run):
    async def scenario():
        async with simulated() as (sim, data, _):
            sim.faults.subscribe_error("v4_trades", count=2)
            subscription = data.subscribe_trades(NAMES[0], lambda trade: None)
            await subscription.active(timeout_s=30)
            sim.faults.subscribe_error("v4_candles", text="this address has been blocked.")
            refused = data.subscribe_candles(NAMES[0], "1m", lambda bar: None)
            with pytest.raises(VenueError, match="has been blocked"):
                await refused.active(timeout_s=30)

    run(scenario())


def test_dx_w_19_an_account_without_funds_is_watched_until_it_has_some(run):
    async def scenario():
        sim = await start(rate_per_s=0.0, block_ms=20.0)
        try:
            address = sim.accounts[0]["address"]
            client = WebSocketClient.new_private(sim.ws_url, _Address(address), "DYDX-1")
            await client.connect()
            receiver = client.take_receiver()
            client.subscribe_subaccount(address, 7)
            first = await next_of(receiver, messages.SubaccountMessage)
            assert (first.contents, first.is_snapshot) == ({}, True)
            ends = {end: {"address": address, "subaccount_number": number}
                    for end, number in (("from", 0), ("to", 7))}  # fmt: skip
            sim.admin._transfer({**ends, "amount": "5"})
            later = await next_of(receiver, messages.SubaccountMessage)
            assert "transfers" in later.contents or "assetPositions" in later.contents
            await client.disconnect()
        finally:
            await sim.stop()

    run(scenario())


class _Address:
    def __init__(self, address):
        self.address = address
