"""The data client against the simulator: every channel, and what goes wrong with them."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from connectors import hyperliquid
from connectors.errors import ClientError, ConnectorError, TransportError, Unsupported, VenueError
from connectors.hyperliquid.config import Config
from connectors.model import (
    Bar,
    BookState,
    BookStatus,
    BookUpdate,
    ConnectionState,
    ConnectionStatus,
    DataDropped,
    ErrorEvent,
    EventFlag,
    IndexPrice,
    InstrumentStatus,
    InstrumentUpdated,
    MarketStatus,
    MarkPrice,
    Quote,
    Reconnected,
    StreamState,
    Ticker,
    Trade,
    VenueEvent,
)
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from connectors.sim.engine_order import Side
from connectors.sim.hyperliquid.config import SimConfig
from connectors.sim.hyperliquid.server import start

BTC, ETH, HYPE, TSLA = "BTC-PERP", "ETH-PERP", "HYPE/USDC-SPOT", "xyz:TSLA-PERP"
QUICK = {
    "block_ms": 10.0,
    "book_interval_ms": 50.0,
    "fast_book_interval_ms": 20.0,
    "mids_interval_ms": 50.0,
    "ctx_interval_ms": 50.0,
    "all_ctx_interval_ms": 50.0,
}


@contextlib.asynccontextmanager
async def simulated(scenario="still", *, sim_settings=None, settings=None, **options):
    sim = await start(SimConfig.of(scenario, **{**QUICK, **(sim_settings or {})}))
    try:
        config = Config.sim(sim.http_url, **{"dexes": ("*",), **(settings or {})})
        options.setdefault("attempts", AttemptBudget((Quota(1000, 1.0),)))
        async with hyperliquid.DataClient(config, **options) as data:
            yield sim, data
    finally:
        await sim.stop()


async def until(condition):
    """Wait until something is so; the test's own bound ends it otherwise."""
    while not condition():  # noqa: ASYNC110 - it may become true by anybody's doing
        await asyncio.sleep(0.005)


def bounded(run, scenario):
    run(scenario, timeout_s=60.0)


def take(sim, coin="BTC", *, is_buy=True, times=1):
    """Let the house trade with itself."""
    market = sim.exchange.markets[coin]
    book = sim.exchange.engine.book(coin)
    for _ in range(times):
        px = book.best_ask if is_buy else book.best_bid
        assert sim.house.order(market, is_buy=is_buy, px=px, lots=1, take=True)


def engine_levels(sim, coin, depth):
    book = sim.exchange.engine.book(coin)
    return [book.levels(side, depth) for side in (Side.BUY, Side.SELL)]


def asked(sim):
    """What was subscribed, in the order in which it was asked for."""
    return [each.subscription for each in sim.record.subscribes]


def test_contexts_of_all_markets_come_once(run_any):
    """2026-11-21: two channels of one connection bring them, and each came twice."""

    async def scenario():
        async with simulated() as (_sim, data):
            marks, contexts = [], []
            data.subscribe_market_stats(None, contexts.append)
            await data.subscribe_mark_price(None, marks.append).active(timeout_s=20.0)
            everybody = {BTC, HYPE}
            await until(lambda: everybody <= {each.instrument.id for each in marks[-50:]})
            assert len({id(each) for each in marks}) == len(marks)
            assert len({id(each) for each in contexts}) == len(contexts)

    bounded(run_any, scenario())


def test_every_kind_of_event_reaches_its_callback(run_any):
    async def scenario():
        async with simulated("busy") as (_sim, data):
            seen: dict[type, list] = {}
            others: dict[str, list] = {"mids": [], "xyz": [], "fast": [], "stats": []}

            def take_one(event):
                seen.setdefault(type(event), []).append(event)

            subscriptions = [
                data.subscribe_quotes(BTC, take_one),
                data.subscribe_trades(BTC, take_one),
                data.subscribe_book_deltas(BTC, take_one),
                data.subscribe_candles(BTC, "1m", take_one, closed_only=False),
                data.subscribe_mark_price(None, take_one),
                data.subscribe_index_price(TSLA, take_one),
                data.subscribe_tickers(HYPE, take_one),
                data.subscribe_market_stats(TSLA, others["stats"].append),
                data.subscribe_mids(others["mids"].append),
                data.subscribe_mids(others["xyz"].append, dex="xyz"),
                data.subscribe_fast_prices(others["fast"].append),
            ]
            for subscription in subscriptions:
                await subscription.active(timeout_s=20.0)
            wanted = {Quote, Trade, BookUpdate, Bar, MarkPrice, IndexPrice, Ticker}
            everybody = {BTC, ETH, HYPE, TSLA}
            await until(
                lambda: (
                    wanted <= set(seen)
                    and all(others.values())
                    and everybody <= {each.instrument.id for each in seen[MarkPrice]}
                )
            )
            quote = seen[Quote][0]
            assert quote.instrument is data.instrument(BTC)
            assert quote.bid < quote.ask
            assert quote.ts_event == quote.seq * 1_000_000
            assert all(each.is_snapshot for each in seen[BookUpdate])
            assert not any(each.flags & EventFlag.HISTORY for each in seen[Trade])
            assert {each.interval_s for each in seen[Bar]} == {60}
            context = others["stats"][0]
            assert (context.instrument.id, context.oracle) == (TSLA, seen[IndexPrice][0].index)
            assert {BTC, HYPE} <= set(others["mids"][0])
            assert set(others["xyz"][0]) == {TSLA, "xyz:GOLD-PERP"}
            assert others["fast"][0][BTC][0] is not None
            assert data.unknown_coins == 0
            assert all(each.decoder.decode_errors == 0 for each in data.streams)

    bounded(run_any, scenario())


def test_iterating(run):
    async def scenario():
        async with simulated("busy") as (_sim, data):
            with data.quotes(ETH) as quotes:
                async for quote in quotes:
                    assert quote.instrument.id == ETH
                    break
            with data.market_stats(HYPE) as stats:
                async for context in stats:
                    assert context.circulating_supply is not None
                    break
            with data.mids() as mids:
                async for prices in mids:
                    assert BTC in prices
                    break
            with data.book_snapshots(BTC, levels=2) as books:
                async for book in books:
                    assert (book.n_bids, book.n_asks) == (2, 2)
                    break

    bounded(run, scenario())


def test_books_are_the_venues_in_every_form_at_once(run_any):
    async def scenario():
        async with simulated() as (sim, data):
            forms = ({}, {"fast": True}, {"figures": 3})
            shown = {str(form): [] for form in forms}
            for form in forms:
                data.subscribe_book(BTC, shown[str(form)].append, **form)
                data.subscribe_book(ETH, lambda book: None, **form)
            await until(
                lambda: all(data.book(name, **form) for form in forms for name in (BTC, ETH))
            )
            for coin, name in (("BTC", BTC), ("ETH", ETH)):
                for form, depth in (({}, 20), ({"fast": True}, 5)):
                    book = data.book(name, **form)
                    assert [book.levels(0), book.levels(1)] == engine_levels(sim, coin, depth)
            coarse = data.book(BTC, figures=3)
            assert len(coarse.levels(0)) < 20
            # Frames of two forms look alike: each form has a connection of its own.
            assert len(data.streams) == 3
            for stream in data.streams:
                assert len(stream.control.channels) == 2
            sim.house.order(sim.exchange.markets["BTC"], is_buy=True, px=649_990, lots=5)
            await until(lambda: data.book(BTC).levels(0) == engine_levels(sim, "BTC", 20)[0])

    bounded(run_any, scenario())


def test_a_book_subscribed_twice_is_one_book(run):
    async def scenario():
        async with simulated() as (sim, data):
            first, second, updates = [], [], []
            one = data.subscribe_book(BTC, first.append)
            await one.active(timeout_s=20.0)
            await until(lambda: first)
            two = data.subscribe_book(BTC, second.append)
            assert second  # it is shown at once
            assert second[0] is first[0]
            both = data.subscribe_book_deltas(BTC, updates.append)
            await until(lambda: updates)
            assert both.is_active
            assert asked(sim) == [
                {"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None, "fast": False}
            ]
            one.cancel()
            two.cancel()
            assert data.book_state(BTC) is None
            count = len(updates)
            await until(lambda: len(updates) > count)
            both.cancel()
            await until(lambda: not any(each.channels for each in sim.connections.values()))

    bounded(run, scenario())


def test_a_lost_connection_invalidates_books_and_everything_comes_back(run_any):
    async def scenario():
        events = []
        async with simulated("busy", on_status=events.append) as (sim, data):
            quotes, books = [], []
            subscriptions = [
                data.subscribe_quotes(BTC, quotes.append),
                data.subscribe_book(BTC, books.append),
            ]
            for subscription in subscriptions:
                await subscription.active(timeout_s=20.0)
            await until(lambda: quotes and books)
            for _ in range(3):
                lost = sum(isinstance(e, Reconnected) for e in events)
                sim.faults.abort()
                await until(lambda n=lost: sum(isinstance(e, Reconnected) for e in events) > n)
                for subscription in subscriptions:
                    await subscription.active(timeout_s=20.0)
                count = len(quotes), len(books)
                await until(lambda n=count: len(quotes) > n[0] and len(books) > n[1])
                assert data.book(BTC) is not None
            states = [e.state for e in events if isinstance(e, BookStatus)]
            assert states == [BookState.LIVE, *[BookState.BUFFERING, BookState.LIVE] * 3]

    bounded(run_any, scenario())


# ---- trades over a gap ---------------------------------------------------------------------------


def lose(sim, *, then):
    """Cut all connections, and let things happen before the client can know."""
    sim.faults.abort()
    then()
    sim.publisher.flush()


def is_back(events):
    return any(isinstance(e, Reconnected) for e in events)


@pytest.mark.parametrize("missed", [0, 3, 9])
def test_trades_missed_while_the_connection_was_down_come_once(run, missed):
    async def scenario():
        events = []
        async with simulated(on_status=events.append) as (sim, data):
            trades, whole = [], []
            data.subscribe_trades(BTC, trades.append)
            await data.subscribe_trades(BTC, whole.append, include_history=True).active(
                timeout_s=20.0
            )
            take(sim, times=3)
            await until(lambda: len(trades) == 3)
            lose(sim, then=lambda: take(sim, is_buy=False, times=missed))
            await until(lambda: is_back(events) and data.streams[0].control.in_flight == 0)
            take(sim)
            await until(lambda: len(trades) == 4 + missed)
            theirs = [each["tid"] for each in sim.exchange.markets["BTC"].trades]
            assert [each.trade_id for each in trades] == theirs[-4 - missed :]
            assert [each.trade_id for each in whole] == theirs[-4 - missed :]
            assert [e for e in events if isinstance(e, DataDropped)] == []

    bounded(run, scenario())


def test_a_gap_that_is_longer_than_the_venues_memory_is_told(run, monkeypatch):
    monkeypatch.setattr("connectors.hyperliquid.data.HISTORY_S", 0.05)

    async def scenario():
        events = []
        async with simulated(on_status=events.append) as (sim, data):
            trades = []
            await data.subscribe_trades(BTC, trades.append).active(timeout_s=20.0)
            take(sim)
            await until(lambda: trades)
            lose(sim, then=lambda: take(sim, times=15))
            # Ten are in the history and in the list of recent ones; what is told cannot be less.
            await until(lambda: any(isinstance(e, DataDropped) for e in events))
            theirs = [each["tid"] for each in sim.exchange.markets["BTC"].trades]
            assert [each.trade_id for each in trades] == [theirs[0], *theirs[-10:]]
            (dropped,) = [e for e in events if isinstance(e, DataDropped)]
            assert "BTC" in dropped.what

    bounded(run, scenario())


def test_the_list_of_recent_trades_fills_what_the_history_does_not(run, monkeypatch):
    monkeypatch.setattr("connectors.hyperliquid.data.HISTORY_S", 0.05)

    async def scenario():
        events = []
        async with simulated(on_status=events.append) as (sim, data):
            trades = []
            await data.subscribe_trades(BTC, trades.append).active(timeout_s=20.0)
            take(sim)
            await until(lambda: trades)
            # The first frame after the next subscribe is lost; the list has it all.
            lose(sim, then=lambda: take(sim, times=4))
            sim.faults.apply({"fault": "tap", "prefix": "trades", "action": "drop"})
            await until(lambda: len(trades) == 5)
            theirs = [each["tid"] for each in sim.exchange.markets["BTC"].trades]
            assert [each.trade_id for each in trades] == theirs[-5:]
            assert all(each.flags & EventFlag.HISTORY for each in trades[1:])
            assert not any(isinstance(e, DataDropped) for e in events)

    bounded(run, scenario())


def test_the_history_at_the_start_is_for_those_who_ask(run):
    async def scenario():
        async with simulated() as (sim, data):
            take(sim, times=4)
            sim.publisher.flush()
            # The venue's clock is ours here: what it did is older than our subscribe.
            await asyncio.sleep(0.01)
            trades, whole = [], []
            data.subscribe_trades(BTC, trades.append)
            data.subscribe_trades(BTC, whole.append, include_history=True)
            await until(lambda: len(whole) == 4)
            assert all(each.flags & EventFlag.HISTORY for each in whole)
            take(sim)
            await until(lambda: len(whole) == 5)
            assert [each.trade_id for each in trades] == [whole[4].trade_id]

    bounded(run, scenario())


# ---- refusals (4.5) ------------------------------------------------------------------------------


def test_r9_a_channel_that_kills_the_connection_is_quarantined_and_the_others_survive(run_any):
    async def scenario():
        async with simulated() as (sim, data):
            quotes = []
            good = data.subscribe_quotes(BTC, quotes.append)
            await good.active(timeout_s=20.0)
            del sim.exchange.markets["kPEPE"]  # the venue forgets a coin that we know
            bad = data.subscribe_quotes("kPEPE-PERP", print)
            also = data.subscribe_quotes(ETH, quotes.append)
            with pytest.raises(VenueError, match="cuts the connection"):
                await bad.active(timeout_s=30.0)
            assert bad.state is StreamState.REFUSED
            await good.active(timeout_s=20.0)
            await also.active(timeout_s=20.0)
            kills = sum(each["coin"] == "kPEPE" for each in map(dict, bad_asks(sim)))
            assert kills >= 2  # more only where the machine stood still
            assert "bbo kPEPE" not in data.streams[0].control.channels

    bounded(run_any, scenario())


def bad_asks(sim):
    """Subscribe frames of the forgotten coin, as they came."""
    frames = [json.loads(each.text) for each in sim.record.frames if "kPEPE" in each.text]
    return [f["subscription"] for f in frames if f["method"] == "subscribe"]


def test_what_is_not_known_is_never_asked_for(run):
    async def scenario():
        async with simulated(settings={"dexes": ()}) as (sim, data):
            for name in ("NOPE-PERP", "KPEPE", TSLA, "btc-perpetual"):
                with pytest.raises(ClientError):
                    data.subscribe_quotes(name, print)
            with pytest.raises(ClientError):
                data.subscribe_candles(BTC, "7m", print)
            with pytest.raises(ClientError):
                data.subscribe_book(BTC, print, figures=7)
            with pytest.raises(ClientError):
                data.subscribe_book(BTC, print, mantissa=2)
            with pytest.raises(ClientError):
                data.subscribe_book_snapshots(BTC, print, levels=0)
            with pytest.raises(ClientError, match="dexes"):
                data.subscribe_mids(print, dex="xyz")
            with pytest.raises(ClientError):
                data.subscribe_quotes(BTC, None)
            for call in (
                lambda: data.subscribe_liquidations(BTC, print),
                lambda: data.subscribe_candles(BTC, "1m", print, source="mark"),
                lambda: data.subscribe_index_price(HYPE, print),
            ):
                with pytest.raises(Unsupported):
                    call()
            assert not sim.connections
            # By the coin on the wire, and in lower case where that is no other coin.
            assert data.subscribe_quotes("btc-perp", print).name == f"quotes {BTC}"
            assert data.subscribe_quotes("@107", print).name == f"quotes {HYPE}"

    bounded(run, scenario())


def test_channels_are_spread_over_connections_and_refused_when_none_has_room(run):
    async def scenario():
        async with simulated(settings={"connections_max": 3}, max_channels=2) as (_sim, data):
            subscriptions = [
                data.subscribe_quotes(name, print) for name in (BTC, ETH, HYPE, TSLA, "kPEPE-PERP")
            ]
            *served, refused = subscriptions
            for subscription in served:
                await subscription.active(timeout_s=20.0)
            assert len(data.streams) == 2  # one of the three is for an account
            with pytest.raises(VenueError, match="no connection has room"):
                await refused.active(timeout_s=20.0)
            refused.cancel()
            served[0].cancel()
            again = data.subscribe_quotes("kPEPE-PERP", print)
            await again.active(timeout_s=20.0)
            assert len(data.streams) == 2

    bounded(run, scenario())


def test_the_limit_of_channels_at_the_venue_refuses_one_and_keeps_the_others(run):
    async def scenario():
        async with simulated() as (sim, data):
            good = data.subscribe_quotes(BTC, print)
            await good.active(timeout_s=20.0)
            text = "Cannot subscribe to more than 1000 channels."
            sim.faults.apply({"fault": "tap", "prefix": "subscriptionResponse", "action": "drop"})
            for connection in sim.connections.values():
                connection._subscription = lambda text_, method, value, c=connection: c._error(text)
            bad = data.subscribe_quotes(ETH, print)
            with pytest.raises(VenueError, match="1000 channels"):
                await bad.active(timeout_s=20.0)
            assert good.is_active

    bounded(run, scenario())


# ---- frames --------------------------------------------------------------------------------------


def test_odd_frames_are_reported_and_the_stream_goes_on(run):
    async def scenario():
        events, others = [], []
        async with simulated(
            "busy",
            sim_settings={"greeting": True},
            on_status=events.append,
            on_venue_event=others.append,
        ) as (sim, data):
            quotes = []
            await data.subscribe_quotes(BTC, quotes.append).active(timeout_s=20.0)
            for frame in (
                "{",
                "not json",
                '{"channel":"bbo","data":{"coin":"BTC"}}',
                '{"channel":"trades","data":[{"coin":"BTC"}]}',
                '{"channel":"news","data":1}',
                '{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{}}}',
                '{"channel":"error","data":"something else"}',
                '{"channel":"bbo","data":{"coin":"NOPE","time":1,"bbo":[null,null]}}',
            ):
                sim.faults.push(frame)
            await until(lambda: data.frame_problems >= 4 and len(others) >= 2)
            await until(lambda: data.venue_errors and data.unknown_coins)
            count = len(quotes)
            await until(lambda: len(quotes) > count)
            assert {each.name for each in others} == {"news", "subscriptionResponse"}
            assert all(isinstance(each, VenueEvent) for each in others)
            texts = [e.message for e in events if isinstance(e, ErrorEvent)]
            assert any("did not decode" in text for text in texts)
            assert any("something else" in text for text in texts)

    bounded(run, scenario())


def test_a_side_that_is_empty_is_told_and_gives_no_quote(run):
    async def scenario():
        async with simulated("empty") as (sim, data):
            quotes, sides, books = [], [], []
            data.subscribe_quotes(
                BTC, quotes.append, on_empty_side=lambda *what: sides.append(what[1:])
            )
            data.subscribe_book(BTC, lambda book: books.append((book.n_bids, book.n_asks)))
            await until(lambda: sides and books)
            market = sim.exchange.markets["BTC"]
            sim.house.order(market, is_buy=True, px=649_000, lots=5)
            await until(lambda: sides[-1] == (True, False) and books[-1] == (1, 0))
            assert sides[0] == (False, False)
            assert quotes == []
            sim.house.order(market, is_buy=False, px=651_000, lots=5)
            await until(lambda: quotes and books[-1] == (1, 1))

    bounded(run, scenario())


def test_a_value_off_its_grid_is_delivered_exactly_and_the_instrument_read_again(run):
    async def scenario():
        events = []
        async with simulated(on_status=events.append) as (sim, data):
            quotes = []
            await data.subscribe_quotes(BTC, quotes.append).active(timeout_s=20.0)
            await until(lambda: quotes)
            frame = {
                "channel": "bbo",
                "data": {"coin": "BTC", "time": 1_790_000_000_000, "bbo": [
                    {"px": "64999.123", "sz": "1.0000001", "n": 1},
                    {"px": "65001", "sz": "2", "n": 1},
                ]},
            }  # fmt: skip
            sim.faults.push(frame)
            await until(lambda: any(q.flags & EventFlag.OFF_SCALE for q in quotes))
            quote = next(q for q in quotes if q.flags & EventFlag.OFF_SCALE)
            assert (str(quote.bid), str(quote.bid_size)) == ("64999.123", "1.0000001")
            assert data.streams[0].decoder.off_scale == 1

    bounded(run, scenario())


def test_instruments_change_while_running(run):
    async def scenario():
        events, statuses = [], []
        async with simulated(on_status=events.append) as (sim, data):
            data.subscribe_instrument_status(None, statuses.append)
            sim.exchange.markets["SOL"].delisted = True
            await data.load_instruments()
            (status,) = statuses
            assert isinstance(status, InstrumentStatus)
            assert (status.instrument_id, status.status) == ("SOL-PERP", MarketStatus.CLOSED)
            assert status in events
            del sim.exchange.markets["PURR/USDC"]
            await data.load_instruments()
            assert statuses[-1].status is MarketStatus.NOT_AVAILABLE
            assert any(isinstance(e, InstrumentUpdated) for e in events)
            assert data.status("SOL") is MarketStatus.CLOSED

    bounded(run, scenario())


# ---- life ----------------------------------------------------------------------------------------


def test_r11_a_dead_connection_is_noticed_by_its_silence(run):
    async def scenario():
        events = []
        settings = {"ping_interval_s": 0.2, "pong_timeout_s": 0.2}
        async with simulated(settings=settings, on_status=events.append) as (sim, data):
            quotes = []
            await data.subscribe_quotes(BTC, quotes.append).active(timeout_s=20.0)
            sim.faults.freeze()
            await until(lambda: any(isinstance(e, Reconnected) for e in events))
            states = [e.state for e in events if isinstance(e, ConnectionStatus)]
            assert ConnectionState.RECONNECTING in states

    bounded(run, scenario())


def test_a_callback_that_raises_keeps_nobody_else_from_the_event(run):
    async def scenario():
        events = []
        async with simulated("busy", on_status=events.append) as (_sim, data):
            quotes, contexts = [], []

            def broken(event):
                raise RuntimeError("mine")

            data.subscribe_quotes(BTC, broken)
            data.subscribe_quotes(BTC, quotes.append)
            data.subscribe_market_stats(BTC, broken)
            data.subscribe_market_stats(BTC, contexts.append)
            data.subscribe_mids(broken)
            await until(lambda: len(quotes) > 2 and len(contexts) > 1)
            await until(lambda: data.callback_errors >= 4)
            assert any("RuntimeError" in e.message for e in events if isinstance(e, ErrorEvent))

    bounded(run, scenario())


def test_connecting_to_nobody_says_so_and_leaves_nothing_open(run):
    async def scenario():
        config = Config.sim("http://127.0.0.1:9", http_timeout_s=0.5)
        data = hyperliquid.DataClient(config)
        with pytest.raises(TransportError):
            await data.connect()
        with pytest.raises(ClientError, match="not connected"):
            data.subscribe_mids(print)
        await data.close()

    bounded(run, scenario())


def test_settings_are_given_once():
    with pytest.raises(ClientError, match="not both"):
        hyperliquid.DataClient(Config(), environment="testnet")
    with pytest.raises(ClientError, match="max_channels"):
        hyperliquid.DataClient(max_channels=0)
    with pytest.raises(ConnectorError):
        hyperliquid.DataClient(environment="elsewhere")


def test_closing_cancels_subscriptions_and_can_be_repeated(run):
    async def scenario():
        async with simulated() as (_sim, data):
            subscription = data.subscribe_quotes(BTC, print)
            await subscription.active(timeout_s=20.0)
            await data.close()
            await data.close()
            assert subscription.state is StreamState.CANCELED
            assert "closed" in repr(data)

    bounded(run, scenario())
