"""The data client against the simulator, and a stand-in where that is too well-behaved."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random

import pytest
from venues.lighter.public_rig import FRAMES, client, until, venue

from connectors import lighter
from connectors.errors import ClientError, ConnectorError, TransportError, Unsupported
from connectors.lighter.config import Config
from connectors.model import (
    Bar,
    BookState,
    BookStatus,
    BookUpdate,
    ConnectionState,
    ConnectionStatus,
    ErrorEvent,
    EventFlag,
    IndexPrice,
    InstrumentUpdated,
    Liquidation,
    MarketStatus,
    MarkPrice,
    Quote,
    StreamState,
    Ticker,
    Trade,
    VenueEvent,
)
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota, RateLimiter
from connectors.sim.lighter.config import SimConfig
from connectors.sim.lighter.server import start

ETH, BTC, SPOT = "ETH-PERP", "BTC-PERP", "ETH/USDC-SPOT"


@contextlib.asynccontextmanager
async def simulated(scenario="calm", *, sim_settings=None, **options):
    sim = await start(SimConfig.of(scenario, **(sim_settings or {})))
    try:
        config = Config(environment="testnet", rest_url=sim.http_url, stream_url=sim.ws_url)
        options.setdefault("attempts", AttemptBudget((Quota(1000, 1.0),)))
        options.setdefault("limiter", RateLimiter())
        async with lighter.DataClient(config, **options) as data:
            yield sim, data
    finally:
        await sim.stop()


def same_book(sim, data, instrument, market):
    """Whether our book is the simulator's, level by level, as far as it has been sent."""
    book = data.book(instrument)
    there = sim.exchange.market(market)
    if book is None or book.last_seq != there.sent_nonce or there.nonce != there.sent_nonce:
        return False
    theirs = sim.exchange.engine.book(there.key)
    return book.levels(0) == theirs.bids() and book.levels(1) == theirs.asks()


def test_every_kind_of_event_reaches_its_callback(run_any):
    async def scenario():
        async with simulated("busy") as (_sim, data):
            seen: dict[type, list] = {}

            def take(event):
                seen.setdefault(type(event), []).append(event)

            heights = []
            subscriptions = [
                data.subscribe_quotes(ETH, take),
                data.subscribe_trades(ETH, take),
                data.subscribe_book_deltas(ETH, take),
                data.subscribe_candles(ETH, "1m", take, closed_only=False),
                data.subscribe_mark_price(ETH, take),
                data.subscribe_index_price(SPOT, take),
                data.subscribe_tickers(None, take),
                data.subscribe_market_stats(ETH, take),
                data.subscribe_height(lambda height, ts: heights.append((height, ts))),
            ]
            for subscription in subscriptions:
                await subscription.active()
            wanted = {Quote, Trade, BookUpdate, Bar, MarkPrice, IndexPrice, Ticker}
            await until(lambda: wanted <= set(seen) and heights)
            quote = seen[Quote][0]
            assert quote.instrument is data.instrument(ETH)
            assert quote.bid < quote.ask
            assert quote.ts_event > 1_700_000_000_000_000_000
            assert not any(t.flags & EventFlag.HISTORY for t in seen[Trade])
            first, *changes = seen[BookUpdate]
            assert first.is_snapshot
            assert all(not u.is_snapshot for u in changes)
            chain = [first.last_seq, *(u.last_seq for u in changes)]
            assert [u.prev_seq for u in changes] == chain[:-1]
            assert {t.instrument.id for t in seen[Ticker]} >= {ETH, SPOT}
            # One channel brings what the single market's would bring as well.
            assert "market_stats/0" not in data.streams[0].control.channels
            assert data.streams[0].decoder.decode_errors == 0

    run_any(scenario())


def test_iterating_over_trades(run):
    async def scenario():
        async with simulated("busy") as (_sim, data):
            trades = []
            async for trade in data.trades(ETH):
                trades.append(trade)
                if len(trades) == 3:
                    break
            assert [t.trade_id for t in trades] == sorted({t.trade_id for t in trades})
            # Dropping the iterator ends the subscription.
            await until(lambda: not data.streams[0].control.channels)

    run(scenario())


def test_a_book_stays_the_venues_book_through_gaps_replays_and_drops(run_any):
    async def scenario():
        events = []
        async with simulated("busy", on_status=events.append) as (sim, data):
            books = {ETH: 0, BTC: 1}
            for name in books:
                data.subscribe_book(name, lambda book: None)
            await until(lambda: all(data.book(name) for name in books))
            rng = random.Random(5)
            for _ in range(12):
                fault = rng.choice(("gap", "replay", "abort", "close"))
                market = rng.choice((0, 1))
                if fault == "gap":
                    sim.faults.book_gap(market)
                elif fault == "replay":
                    sim.faults.replay(f"order_book:{market}", 3)
                elif fault == "abort":
                    sim.faults.abort()
                else:
                    sim.faults.close()
                await asyncio.sleep(0.1)
            # A gap shows with the next update: there must be one before the market stops.
            sim.faults.clear()
            nonces = {number: sim.exchange.market(number).sent_nonce for number in (0, 1)}
            await until(
                lambda: all(sim.exchange.market(n).sent_nonce > at for n, at in nonces.items())
            )
            sim.configure(rate_per_s=0.0)
            await until(
                lambda: all(same_book(sim, data, name, number) for name, number in books.items())
            )
            assert any(isinstance(e, BookStatus) and e.state is BookState.BUFFERING for e in events)
            assert data.callback_errors == 0

    run_any(scenario(), timeout_s=20.0)


def test_a_second_reader_of_a_book_gets_a_snapshot_of_its_own(run):
    async def scenario():
        async with simulated("calm") as (_sim, data):
            # After a book: from the book. After updates only: the venue is asked again.
            shown, first, second, books = [], [], [], []
            data.subscribe_book(ETH, shown.append)
            await until(lambda: shown)
            data.subscribe_book_deltas(ETH, first.append)
            assert first[0].is_snapshot
            assert first[0].bids == data.book(ETH).levels(0)
            await data.subscribe_book_deltas(BTC, second.append).active()
            await until(lambda: second)
            data.subscribe_book(BTC, books.append)
            await until(lambda: books)
            assert len([u for u in second if u.is_snapshot]) == 2
            top = []
            data.subscribe_book_snapshots(ETH, top.append, levels=3)
            assert [top[0].n_bids, top[0].n_asks, top[0].is_snapshot] == [3, 3, True]

    run(scenario())


def test_channels_are_counted_and_ended_with_their_last_reader(run_any):
    async def scenario():
        async with venue() as stand_in, client(stand_in) as data:
            one = data.subscribe_quotes(ETH, print)
            two = data.subscribe_quotes(ETH, print)
            await two.active()
            one.cancel()
            assert two.is_active
            two.cancel()
            two.cancel()
            await stand_in.until(lambda: len(stand_in.commands()) == 2)
            assert stand_in.commands() == ["subscribe ticker/0", "unsubscribe ticker/0"]
            assert two.state is StreamState.CANCELED

    run_any(scenario())


def test_one_market_is_covered_by_all_and_comes_back_by_itself(run):
    async def scenario():
        async with venue() as stand_in, client(stand_in) as data:
            single = data.subscribe_tickers(ETH, print)
            await single.active()
            every = data.subscribe_tickers(None, print)
            await every.active()
            assert single.is_active
            await stand_in.until(lambda: len(stand_in.commands()) == 4)
            every.cancel()
            await stand_in.until(lambda: len(stand_in.commands()) == 7)
            await until(lambda: single.is_active)
            assert sorted(stand_in.commands()[:4]) == [
                "subscribe market_stats/0", "subscribe market_stats/all",
                "subscribe spot_market_stats/all", "unsubscribe market_stats/0",
            ]  # fmt: skip
            assert data.streams[0].control.channels == {"market_stats/0": None}

    run(scenario())


def test_channels_beyond_the_limit_of_a_connection_open_another(run):
    async def scenario():
        async with venue() as stand_in, client(stand_in, max_channels=2) as data:
            subscriptions = [
                subscribe(name, print)
                for name in (ETH, BTC, SPOT)
                for subscribe in (data.subscribe_quotes, data.subscribe_trades)
            ]
            for subscription in subscriptions:
                await subscription.active()
            assert len(stand_in.sockets) == 3
            assert [len(s.control.channels) for s in data.streams] == [2, 2, 2]

    run(scenario())


def test_an_unknown_market_is_looked_up_once_in_a_while(run, monkeypatch):
    monkeypatch.setattr("connectors.data.market_client.REFRESH_PAUSE_S", 0.2)
    new = {**FRAMES["details"]["order_book_details"][0], "symbol": "NEW", "market_id": 7}
    frame = json.loads(json.dumps(FRAMES["market_stats"]))
    frame["channel"] = "market_stats:all"
    frame["market_stats"] = {"7": {**frame["market_stats"], "market_id": 7}}

    async def scenario():
        events = []
        async with venue() as stand_in, client(stand_in, on_status=events.append) as data:
            assert stand_in.details_asked == 1
            stand_in.details = {
                **FRAMES["details"],
                "order_book_details": [*FRAMES["details"]["order_book_details"], new],
            }
            marks = []
            await data.subscribe_mark_price(None, marks.append).active()
            for _ in range(20):
                await stand_in.send(frame)
            await until(lambda: data.unknown_markets > 0)
            await until(lambda: "NEW-PERP" in data.instruments)
            await stand_in.send(frame)
            await until(lambda: marks)
            assert marks[0].instrument.id == "NEW-PERP"
            assert stand_in.details_asked < 6  # for 20 frames
            assert [e.instrument_id for e in events if isinstance(e, InstrumentUpdated)] == [
                "NEW-PERP"
            ]

    run(scenario())


def test_a_changed_grid_brings_the_book_back_on_the_new_one(run, monkeypatch):
    monkeypatch.setattr("connectors.data.market_client.REFRESH_PAUSE_S", 0.0)
    finer = {**FRAMES["details"]["order_book_details"][0], "price_decimals": 3}
    snapshot = json.loads(json.dumps(FRAMES["order_book"]))
    snapshot["order_book"]["asks"][0]["price"] = "2325.005"

    async def scenario():
        async with venue() as stand_in, client(stand_in) as data:
            stand_in.answers = lambda f: [snapshot] if f["type"] == "subscribe" else []
            stand_in.details = {**FRAMES["details"], "order_book_details": [finer]}
            data.subscribe_book(ETH, lambda book: None)
            await until(lambda: data.book(ETH) is not None)
            assert str(data.book(ETH).ask) == "2325.005"
            assert str(data.instrument(ETH).tick_size) == "0.001"
            # What vanished from the list stays known, and cannot be traded.
            assert data.status(BTC) is MarketStatus.NOT_AVAILABLE

    run(scenario())


def test_history_is_delivered_on_request_and_fills_the_gap_of_a_reconnect(run):
    def trades(stage, *numbers):
        rows = [
            {**FRAMES["trade"]["trades"][0], "trade_id": n, "trade_id_str": str(n)}
            for n in reversed(numbers)
        ]
        return {**FRAMES["trade"], "type": f"{stage}/trade", "trades": rows}

    async def scenario():
        async with venue() as stand_in, client(stand_in) as data:
            stand_in.answers = lambda f: [trades("subscribed", 1, 2, 3)]
            plain, everything = [], []
            data.subscribe_trades(ETH, lambda t: plain.append(t.trade_id))
            data.subscribe_trades(
                ETH, lambda t: everything.append(t.trade_id), include_history=True
            )
            await until(lambda: len(everything) == 3)
            await stand_in.send(trades("update", 4))
            await until(lambda: plain == [4])
            stand_in.answers = lambda f: [trades("subscribed", 2, 3, 4, 5, 6)]
            await stand_in.sockets[-1].close()
            await until(lambda: len(plain) == 3)
            await stand_in.send(trades("update", 6, 7))
            await until(lambda: len(plain) == 4)
            assert plain == [4, 5, 6, 7]
            assert everything == [1, 2, 3, 4, 5, 6, 7]

    run(scenario())


def test_liquidations_are_trades_too(run):
    frame = json.loads(json.dumps(FRAMES["trade"]))
    row = {**frame["trades"][0], "type": "liquidation"}
    frame["liquidation_trades"], frame["trades"] = [row], []

    async def scenario():
        async with venue() as stand_in, client(stand_in) as data:
            seen = []
            data.subscribe_trades(ETH, seen.append)
            await data.subscribe_liquidations(ETH, seen.append).active()
            await stand_in.send(frame)
            await until(lambda: len(seen) == 2)
            assert [type(e) for e in seen] == [Trade, Liquidation]
            assert seen[1].price == seen[0].price
            with pytest.raises(Unsupported):
                data.subscribe_liquidations(None, print)

    run(scenario())


def test_a_venue_that_does_not_greet_is_asked_again(run, monkeypatch):
    monkeypatch.setattr("connectors.lighter.public_stream.GREETING_TIMEOUT_S", 0.1)

    async def scenario():
        async with venue() as stand_in, client(stand_in) as data:
            stand_in.greets = False
            subscription = data.subscribe_quotes(ETH, print)
            await stand_in.until(lambda: len(stand_in.sockets) >= 2)
            assert stand_in.frames == []
            stand_in.greets = True
            await subscription.active()

    run(scenario())


def test_silence_of_any_kind_ends_in_a_new_connection(run):
    async def scenario():
        async with venue() as stand_in:
            settings = {"heartbeat_s": 0.2, "idle_timeout_s": 0.4}
            async with client(stand_in, settings=settings) as data:
                await data.subscribe_quotes(ETH, print).active()
                await stand_in.until(lambda: {"type": "ping"} in stand_in.frames)
                stand_in.answers = lambda frame: []  # not even to a ping
                await stand_in.until(lambda: len(stand_in.sockets) >= 2)

    run(scenario())


def test_frames_that_do_not_decode_are_counted_and_cost_nothing_else(run_any):
    broken = [
        "not json", "[]", "{", '{"type":"update/order_book"}', '{"type":7}',
        '{"channel":"ticker:0","type":"update/order_book","order_book":{}}',
        '{"channel":"trade:0","type":"update/trade","trades":[7,{"trade_id":1}]}',
    ]  # fmt: skip

    async def scenario():
        events, unknown = [], []
        async with venue() as stand_in:
            options = {"on_status": events.append, "on_venue_event": unknown.append}
            async with client(stand_in, **options) as data:
                quotes = []
                await data.subscribe_quotes(ETH, quotes.append).active()
                for text in broken:
                    await stand_in.send(text)
                await stand_in.send({"type": "update/weather", "channel": "weather:0"})
                await stand_in.send({"type": "festival"})
                await stand_in.send(FRAMES["ticker"])
                await until(lambda: quotes)
                assert data.frame_problems == 8
                assert len(stand_in.sockets) == 1
                assert len([e for e in events if isinstance(e, ErrorEvent)]) >= 1
                assert [e.name for e in unknown if isinstance(e, VenueEvent)] == [
                    "update/weather", "festival",
                ]  # fmt: skip

    run_any(scenario())


def test_a_callback_that_raises_is_reported_and_ends_nothing(run):
    async def scenario():
        events = []
        async with venue() as stand_in, client(stand_in, on_status=events.append) as data:
            seen = []

            def broken(quote):
                raise ValueError("mine")

            data.subscribe_quotes(ETH, broken)
            await data.subscribe_quotes(ETH, seen.append).active()
            await stand_in.send(FRAMES["ticker"])
            await stand_in.send(FRAMES["ticker"])
            await until(lambda: len(seen) == 2)
            assert data.callback_errors == 2
            assert [str(e.error) for e in events if isinstance(e, ErrorEvent)] == ["mine"] * 2

    run(scenario())


def test_wrong_arguments_are_refused_at_once(run):
    async def scenario():
        async with venue() as stand_in, client(stand_in) as data:

            async def coroutine(quote):
                pass

            for wrong in (
                lambda: data.subscribe_quotes("DOGE-PERP", print),
                lambda: data.subscribe_quotes(ETH, None),
                lambda: data.subscribe_quotes(ETH, coroutine),
                lambda: data.subscribe_candles(ETH, "1w", print),
                lambda: data.subscribe_book_snapshots(ETH, print, levels=0),
            ):
                with pytest.raises(ClientError):
                    wrong()
            for unsupported in (
                lambda: data.subscribe_mark_price(SPOT, print),
                lambda: data.subscribe_candles(ETH, "1m", print, source="index"),
            ):
                with pytest.raises(Unsupported):
                    unsupported()
            assert not data.streams
        with pytest.raises(ClientError, match="not connected"):
            data.subscribe_quotes(ETH, print)
        with pytest.raises(ClientError, match="not both"):
            lighter.DataClient(Config(), environment="testnet")

    run(scenario())


def test_nothing_is_left_open_when_the_instruments_cannot_be_had(run):
    async def scenario():
        async with venue() as stand_in:
            stand_in.details = {"code": 200}
            with pytest.raises(ConnectorError):
                async with client(stand_in):
                    pass
        config = Config(
            rest_url="http://127.0.0.1:1", stream_url="ws://127.0.0.1:1/", http_timeout_s=1.0
        )
        with pytest.raises(TransportError):
            async with lighter.DataClient(config):
                pass

    run(scenario())


def test_closing_ends_subscriptions_and_iterations(run_any):
    async def scenario():
        events = []
        async with venue() as stand_in:
            async with client(stand_in, on_status=events.append) as data:
                feed = data.quotes(ETH)
                await feed.subscription.active()
                reader = asyncio.ensure_future(anext(aiter(feed)))
                await asyncio.sleep(0)
            with pytest.raises(StopAsyncIteration):
                await reader
            assert feed.subscription.state is StreamState.CANCELED
            states = [e.state for e in events if isinstance(e, ConnectionStatus)]
            assert states[-1] is ConnectionState.CLOSED
            # And it can be opened again.
            async with lighter.DataClient(data.config) as again:
                await again.subscribe_quotes(ETH, print).active()

    run_any(scenario())
