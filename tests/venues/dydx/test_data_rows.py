"""Rows of sections 4 and 6 that need a live indexer: ids, silence, races, batches, grids."""

from __future__ import annotations

from decimal import Decimal

from venues.dydx.socket_rig import connected
from venues.dydx.test_data_client import RECORD, client
from venues.dydx.test_data_sim import NAMES, agrees, in_step, simulated

from connectors.dydx import data as data_module
from connectors.dydx import messages
from connectors.dydx.channels import Channel
from connectors.dydx.wire import subscribe_frame
from connectors.model import BookState, BookStatus, ConnectionState, ConnectionStatus
from patience import until


def test_dx_w_01_each_connection_counts_from_zero(run):
    async def scenario():
        settings = {"per_channel_limit": 1}
        async with simulated(settings=settings) as (_, data, _):
            for name in NAMES:
                data.subscribe_trades(name, lambda trade: None)
            await until(lambda: len(data.streams) == 3 and all(s.is_active for s in data.streams))
            for stream in data.streams:
                await until(lambda stream=stream: stream.decoder.next_id > 0)
                assert stream.decoder.id_surprises == 0
            assert len({stream.decoder.connection_id for stream in data.streams}) == 3

    run(scenario())


def test_dx_w_03_unsubscribes_and_frames_of_all_topics_share_the_count(run):
    async def scenario():
        async with simulated(rate_per_s=100.0) as (_, data, _):
            data.subscribe_trades(NAMES[1], lambda trade: None)
            for _ in range(2):
                subscription = data.subscribe_book(NAMES[0], lambda book: None)
                await subscription.active(timeout_s=30)
                subscription.cancel()
                control = data.streams[0].channels
                await until(lambda: not control.in_flight)  # noqa: B023
            decoder = data.streams[0].decoder
            counted = data.streams[0].session.counters.messages
            assert decoder.next_id == counted  # the frames, which count from 0
            assert data.gaps == 0

    run(scenario())


def test_dx_w_05_errors_of_syntax_take_no_number(run):
    async def scenario():
        async with simulated() as (_, data, _):
            stream = data.streams[0]
            await until(lambda: stream.control.is_active("v4_markets"))
            for text in ('{"type":"login"}', '{"type":"subscribe","channel":"v4_nope"}'):
                stream.session.send(text)
            await until(lambda: data.venue_errors == 2)
            await data.subscribe_trades(NAMES[0], lambda trade: None).active(timeout_s=30)
            assert (data.gaps, stream.decoder.id_surprises, stream.ids.open) == (0, 0, 0)

    run(scenario())


def test_dx_w_11_silence_ends_a_connection(run):
    async def scenario():
        async with client(settings={"idle_timeout_s": 0.3}) as (stub, data, statuses):
            await stub.connection(1)  # nobody says anything on the first
            lost = [
                each.reason
                for each in statuses.of(ConnectionStatus)
                if each.state is ConnectionState.RECONNECTING
            ]
            assert lost[0] == "no frame of any kind for 0.3 s"
            assert data.config.with_changes(idle_timeout_s=40.0).idle_timeout_s == 40.0

    run(scenario())


def test_dx_w_21_a_half_open_connection_is_replaced(run):
    async def scenario():
        settings = {"idle_timeout_s": 0.5}
        async with simulated(rate_per_s=50.0, settings=settings) as (sim, data, _):
            data.subscribe_book(NAMES[0], lambda book: None)
            await until(lambda: data.book(NAMES[0]))
            sim.faults.freeze()
            await until(lambda: data.streams[0].session.counters.connections == 2)
            sim.configure(rate_per_s=0.0)
            await in_step(sim, data, NAMES[0])

    run(scenario())


def test_dx_w_14_what_the_snapshot_race_lost_is_found_by_comparing_with_rest(run, monkeypatch):
    monkeypatch.setattr(data_module, "WRONG_AFTER_S", 0.1)

    async def scenario():
        options = {"rate_per_s": 500.0, "snapshot_delay_ms": 60.0, "snapshot_race_ms": 50.0}
        async with simulated(limits=(), compare_books_s=0.05, **options) as (sim, data, _):
            data.subscribe_book(NAMES[0], lambda book: None)
            await until(lambda: data.book(NAMES[0]))
            sim.configure(rate_per_s=0.0)

            def same_top():
                book, truth = data.book(NAMES[0]), sim.admin._book("BTC-USD")
                best = [Decimal(truth[side][0][0]) for side in ("bids", "asks")]
                return book is not None and [book.bid, book.ask] == best

            await until(same_top)

    run(scenario())


def test_dx_w_16_batches_keep_the_book_as_well(run):
    async def scenario():
        settings = {"batched": ("v4_orderbook", "v4_trades")}
        async with simulated(batch_ms=50.0, settings=settings) as (sim, data, _):
            data.subscribe_book(NAMES[0], lambda book: None)
            trades = []
            data.subscribe_trades(NAMES[0], trades.append)
            await until(lambda: data.book(NAMES[0]))
            sim.configure(rate_per_s=400.0)
            await until(lambda: len(trades) > 5)
            sim.configure(rate_per_s=0.0)
            await in_step(sim, data, NAMES[0])
            assert data.gaps == 0
            assert data.book(NAMES[0]).updates > 1

    run(scenario())


def test_dx_w_17_topics_without_an_id_are_never_asked_for_with_one():
    for name in ("v4_markets", "v4_block_height"):
        channel = Channel.of(name, "v4_block_height")
        assert subscribe_frame(channel) == f'{{"type":"subscribe","channel":"{name}"}}'.encode()


def test_dx_b_02_a_price_off_the_grid_is_no_guess_and_the_instrument_is_read_again(run):
    class Rest:
        async def perpetual_markets(self):
            return {"BTC-USD": {**RECORD, "subticksPerTick": 50_000}}

        async def close(self):
            pass

    async def scenario():
        async with client(rest=Rest()) as (stub, data, statuses):
            data.subscribe_book("BTC-USD-PERP", lambda book: None)
            connection = await stub.connection()
            await stub.heard(2)
            await connection.say("subscribed_orderbook")
            await until(lambda: data.book("BTC-USD-PERP"))
            await connection.say("data_orderbook_bid", contents={"bids": [["89947.5", "1"]]})
            await until(lambda: data.book("BTC-USD-PERP") is None)
            await until(lambda: data.instrument("BTC-USD").tick_size == Decimal("0.5"))
            await stub.heard(3)
            await connection.say("unsubscribed_trades", channel="v4_orderbook")
            await stub.heard(4)
            contents = {"bids": [{"price": "89947.5", "size": "1"}], "asks": []}
            await connection.say("subscribed_orderbook", contents=contents)
            await until(lambda: data.book("BTC-USD-PERP"))
            assert data.book("BTC-USD-PERP").bid == Decimal("89947.5")
            reasons = [each.reason for each in statuses.of(BookStatus)]
            assert reasons[1] == "a value does not fit the instrument's grid"
            assert statuses.of(BookStatus)[-1].state is BookState.LIVE

    run(scenario())


def test_a_book_that_was_given_up_and_is_wanted_again_starts_over(run):
    async def scenario():
        async with simulated(rate_per_s=200.0) as (sim, data, _):
            for _ in range(2):
                subscription = data.subscribe_book(NAMES[0], lambda book: None)
                await until(lambda: data.book(NAMES[0]))
                subscription.cancel()
                assert data.book_state(NAMES[0]) is None
            sim.configure(rate_per_s=0.0)
            data.subscribe_quotes(NAMES[0], lambda quote: None)
            await in_step(sim, data, NAMES[0])
            assert agrees(sim, data, NAMES[0])

    run(scenario())


def test_dx_w_13_the_socket_client_names_what_it_asked_for_again(run):
    async def scenario():
        async with connected() as (stub, client_, receiver):
            client_.subscribe_markets()
            await stub.heard(1)
            stub.connections[0].drop()
            async for message in receiver:
                if isinstance(message, messages.SocketReconnected):
                    assert message.topics == ("v4_markets",)
                    break
            assert stub.texts[:1] * 2 == await stub.heard(2)

    run(scenario())
