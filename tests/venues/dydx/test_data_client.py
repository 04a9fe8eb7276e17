"""The data client over scripted frames: books, trades, bars, markets, heights, gaps (4 to 6)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from decimal import Decimal

import pytest
from venues.dydx.indexer_stub import FRAMES, RAW, IndexerStub, scenario

from connectors.dydx import data as data_module
from connectors.dydx.config import Config
from connectors.dydx.data import DataClient
from connectors.dydx.instruments import parse_market
from connectors.errors import ClientError, Unsupported, VenueError
from connectors.model import (
    BookState,
    BookStatus,
    DataDropped,
    EventFlag,
    InstrumentStatus,
    InstrumentUpdated,
    MarketStatus,
    Reconnected,
    StreamState,
    SubscriptionStatus,
)
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from patience import until

RECORD = FRAMES["subscribed_markets"]["contents"]["markets"]["BTC-USD"]
BTC = parse_market(RECORD)
ETH = parse_market({**RECORD, "ticker": "ETH-USD", "clobPairId": "1"})
HALF = parse_market({**RECORD, "subticksPerTick": 50_000, "stepBaseQuantums": 5_000_000_000})


class Seen(list):
    """Events, and waiting for them."""

    def of(self, *kinds):
        return [event for event in self if isinstance(event, kinds)]

    async def one(self, *kinds, count=1):
        await until(lambda: len(self.of(*kinds)) >= count, what=f"{count} of {kinds}")
        return self.of(*kinds)[count - 1]


@contextlib.asynccontextmanager
async def client(*, answer=False, instruments=(BTC, ETH), settings=None, **options):
    """A data client whose indexer says what it is told, and the statuses it tells."""
    statuses = Seen()
    async with IndexerStub(answer=answer) as stub:
        config = Config(ws_url=stub.url, rest_url="http://127.0.0.1:9", **(settings or {}))
        data = DataClient(
            config,
            instruments=instruments,
            instrument_refresh_s=0,
            on_status=statuses.append,
            attempts=AttemptBudget((Quota(10_000, 1.0),)),
            **options,
        )
        async with data:
            yield stub, data, statuses


async def handled(data, count):
    """Wait until so many frames came in on the first connection."""
    session = data.streams[0].session
    await until(lambda: session.counters.messages >= count, what=f"{count} frames")


def frames(texts):
    return [json.loads(text) for text in texts]


# ---- scenarios and frames of the venue ----------------------------------------------------------


def test_every_frame_of_the_venue_is_taken_and_none_is_a_problem(run):
    async def script():
        events = []
        async with client(on_venue_event=events.append) as (stub, data, _):
            subscriptions = [
                data.subscribe_book("BTC-USD-PERP", lambda book: None),
                data.subscribe_trades("BTC-USD-PERP", lambda trade: None),
                data.subscribe_candles("BTC-USD-PERP", "1m", lambda bar: None),
                data.subscribe_height(lambda height, at: None),
            ]
            connection = await stub.connection()
            await stub.heard(5)
            for raw in RAW.values():
                await connection.send(raw)
            await handled(data, 1 + len(RAW))
            assert (data.frame_problems, data.callback_errors) == (0, 0)
            assert data.streams[0].decoder.decode_errors == 0
            assert len(stub.connections) == 1
            account = [name for name, raw in RAW.items() if "ubaccounts" in raw[:200]]
            assert len(events) >= len([n for n in account if not n.startswith("error")]) - 1
            assert all(not each.error for each in subscriptions)

    run(script())


def test_dx_b_12_scenario_orderbook_crossed(run):
    lines = scenario("orderbook_crossed")
    tops, seen = lines[-1]["expect"]["tops"], []

    def top(side):
        return [] if side[0] is None else [side[0].normalize(), side[1].normalize()]

    def show(book):
        bid, ask = (book.bid, book.bid_size), (book.ask, book.ask_size)
        seen.append((top(bid), top(ask), book.n_bids, book.n_asks))

    async def script():
        async with client(instruments=(HALF,)) as (stub, data, _):
            data.subscribe_book("BTC-USD-PERP", show)
            quotes = Seen()
            data.subscribe_quotes("BTC-USD-PERP", quotes.append)
            connection = await stub.connection()
            await stub.heard(2)
            for line in lines:
                if "raw" in line:
                    await connection.send(line["raw"])
            await until(lambda: len(seen) >= len(tops))
            assert all(quote.bid < quote.ask for quote in quotes)

    run(script())
    assert seen == [
        (
            [Decimal(x).normalize() for x in each["bid"] or ()],
            [Decimal(x).normalize() for x in each["ask"] or ()],
            each["n_bids"],
            each["n_asks"],
        )
        for each in tops
    ]


@pytest.mark.parametrize("name", ["message_ids_out_of_order", "message_id_real_gap"])
def test_dx_w_06_scenarios_of_message_ids(run, name):
    lines = scenario(name)
    expect = lines[-1]["expect"]

    async def script():
        async with client() as (stub, data, statuses):
            trades = Seen()
            data.subscribe_trades("BTC-USD-PERP", trades.append)
            connection = await stub.connection()
            await stub.heard(2)
            if not any("v4_markets" in line.get("raw", "") for line in lines):
                # The client follows the markets, which the scenario does not know of.
                data.streams[0].channels.on_subscribed("v4_markets")
            raws = [each["raw"] for each in lines[1:] if each.get("dir") == "s2c"]
            for raw in raws:
                await connection.send(raw)
            await handled(data, 1 + len(raws))
            assert data.gaps == expect["gap_alarms"]
            assert len(statuses.of(DataDropped)) == expect["gap_alarms"]
            assert len(trades) == expect.get("trades", 0)

    run(script())


def test_dx_w_15_scenario_unsubscribe_overtakes_subscribe(run):
    lines = scenario("unsubscribe_overtakes_subscribe")
    subscribe, unsubscribe = [each["raw"] for each in lines if each.get("dir") == "c2s"]

    async def script():
        async with client() as (stub, data, _):
            subscription = data.subscribe_book("BTC-USD-PERP", lambda book: None)
            connection = await stub.connection()
            assert (await stub.heard(2))[1] == subscribe
            subscription.cancel()
            await connection.say("data_block_height")
            await handled(data, 2)
            assert len(stub.texts) == 2  # held until there is an answer
            await connection.say("subscribed_orderbook")
            assert (await stub.heard(3))[2] == unsubscribe
            await connection.say("data_orderbook_bid")  # of a topic nobody wants any more
            await handled(data, 4)
            assert data.frame_problems == 0

    run(script())


# ---- books --------------------------------------------------------------------------------------


async def book_up(stub, data, show=lambda book: None):
    """Subscribe a book and give it its snapshot; return the connection."""
    data.subscribe_book("BTC-USD-PERP", show)
    connection = await stub.connection()
    await stub.heard(2)
    await connection.say("subscribed_markets")
    await connection.say("subscribed_orderbook")
    await until(lambda: data.book("BTC-USD-PERP") is not None, what="the book")
    return connection


async def answered(stub, connection, *, count):
    """Answer an unsubscribe and the subscribe behind it."""
    texts = await stub.heard(count)
    assert frames(texts)[-1]["type"] == "unsubscribe"
    await connection.say("unsubscribed_trades", channel="v4_orderbook")
    texts = await stub.heard(count + 1)
    assert frames(texts)[-1]["type"] == "subscribe"
    await connection.say("subscribed_orderbook")


def test_dx_b_01_a_gap_clears_the_book_and_asks_for_its_snapshot(run):
    async def script():
        async with client() as (stub, data, statuses):
            connection = await book_up(stub, data)
            connection.message_id += 1
            await connection.say("data_orderbook_bid")
            await until(lambda: data.book("BTC-USD-PERP") is None)
            await answered(stub, connection, count=3)
            await until(lambda: data.book("BTC-USD-PERP") is not None)
            states = [each.state for each in statuses.of(BookStatus)]
            assert states == [BookState.LIVE, BookState.BUFFERING, BookState.LIVE]
            assert statuses.of(BookStatus)[1].reason == "1 frames are missing"
            assert (data.gaps, len(stub.connections)) == (1, 1)

    run(script())


def test_dx_w_07_ids_that_go_back_resync_the_topic(run):
    async def script():
        async with client() as (stub, data, statuses):
            connection = await book_up(stub, data)
            await connection.say("data_orderbook_bid", message_id=2)
            await answered(stub, connection, count=3)
            assert statuses.of(BookStatus)[1].reason == "message ids went back"
            assert data.streams[0].ids.regressions == 1

    run(script())


def test_an_update_that_does_not_decode_resyncs_the_book(run):
    async def script():
        async with client() as (stub, data, statuses):
            connection = await book_up(stub, data)
            await connection.say("data_orderbook_bid", contents={"bids": [["x", "1"]]})
            await until(lambda: data.book("BTC-USD-PERP") is None)
            reasons = {each.reason for each in statuses.of(BookStatus)}
            assert "an update did not decode" in reasons
            assert data.frame_problems == 1

    run(script())


def test_dx_w_08_another_connection_id_is_another_server(run):
    async def script():
        async with client() as (stub, data, _):
            connection = await book_up(stub, data)
            other = "114a1efa-21bb-4b19-a2e9-a8ffadd6dc53"
            await connection.say("data_block_height", connection_id=other, message_id=500)
            await until(lambda: data.book("BTC-USD-PERP") is None)
            assert data.gaps == 1

    run(script())


def test_dx_b_01_after_a_reconnect_the_book_waits_for_its_snapshot(run):
    async def script():
        async with client() as (stub, data, statuses):
            connection = await book_up(stub, data)
            connection.drop()
            await statuses.one(Reconnected)
            assert data.book("BTC-USD-PERP") is None
            again = await stub.connection(1)
            await stub.heard(4)
            assert frames(again.texts) == frames(connection.texts)
            await again.say("data_orderbook_bid")  # before the snapshot: not used
            await again.say("subscribed_orderbook", contents={"bids": [], "asks": []})
            await until(lambda: data.book("BTC-USD-PERP") is not None)
            assert len(data.book("BTC-USD-PERP")) == 0

    run(script())


def test_dx_b_08_raw_books_show_what_the_venue_sends(run):
    async def script():
        async with client(raw_books=True) as (stub, data, _):
            crossed = []
            connection = await book_up(stub, data, lambda book: crossed.append(book.is_crossed))
            for _ in range(20):
                await connection.say("data_orderbook_bid", contents={"bids": [["89990", "1"]]})
            await until(lambda: len(crossed) == 21)
            assert crossed == [False] + [True] * 20
            assert data.book("BTC-USD-PERP") is not None

    run(script())


def test_quotes_come_when_the_top_changes_and_say_when_a_side_is_empty(run):
    async def script():
        async with client() as (stub, data, _):
            quotes, empty = Seen(), []
            data.subscribe_quotes(
                "BTC-USD-PERP", quotes.append, on_empty_side=lambda *side: empty.append(side[1:])
            )
            connection = await book_up(stub, data)
            for contents in (
                {"bids": [["89000", "1"]]},  # below the top
                {"bids": [["89947", "0.5"]]},
                {"asks": [["89958", "0"]]},
                {"asks": [["89959", "0"]]},
                {"asks": [["89960", "2"]]},
            ):
                await connection.say("data_orderbook_bid", contents=contents)
            await until(lambda: len(quotes) >= 4)
            tops = [(quote.bid, quote.bid_size, quote.ask, quote.ask_size) for quote in quotes]
            assert tops == [
                (89947, Decimal("0.0002"), 89958, Decimal("0.1177")),
                (89947, Decimal("0.5"), 89958, Decimal("0.1177")),
                (89947, Decimal("0.5"), 89959, Decimal("0.1829")),
                (89947, Decimal("0.5"), 89960, 2),
            ]
            assert empty == [(True, False)]

    run(script())


def test_dx_b_09_a_book_that_differs_from_rest_for_long_is_asked_for_again(run, monkeypatch):
    monkeypatch.setattr(data_module, "WRONG_AFTER_S", 0.05)

    class Rest:
        body = FRAMES["subscribed_orderbook"]["contents"]
        asked = 0

        async def orderbook(self, ticker):
            assert ticker == "BTC-USD"
            self.asked += 1
            return self.body

        async def close(self):
            pass

    async def script():
        rest = Rest()
        async with client(rest=rest, compare_books_s=0.01) as (stub, data, statuses):
            connection = await book_up(stub, data)
            await until(lambda: rest.asked > 10)
            assert data.book("BTC-USD-PERP") is not None  # they agree
            await connection.say("data_orderbook_bid", contents={"asks": [["89950", "1"]]})
            await answered(stub, connection, count=3)
            assert statuses.of(BookStatus)[1].reason == "its top differs from REST"
            rest.body = {}  # nonsense is no reason for anything
            asked = rest.asked
            await until(lambda: rest.asked > asked + 3)
            assert data.book("BTC-USD-PERP") is not None

    run(script())


def test_deltas_begin_with_a_snapshot_whoever_came_first(run):
    async def script():
        async with client() as (stub, data, _):
            connection = await book_up(stub, data)
            updates = Seen()
            data.subscribe_book_deltas("BTC-USD-PERP", updates.append)
            await connection.say("batch_orderbook")
            await until(lambda: len(updates) == 2)
            snapshot, batch = updates
            assert (snapshot.is_snapshot, batch.is_snapshot) == (True, False)
            assert batch.bids == [(89947, 5000), (89947, 6000)]
            assert batch.asks == [(89959, 0)]

    run(script())


# ---- trades and bars ----------------------------------------------------------------------------


def trade(height, event=5, **changes):
    return {**FRAMES["data_trades"]["contents"]["trades"][0],
            "id": f"{height:08x}{2:08x}{event:08x}", **changes}  # fmt: skip


def test_5_2_each_trade_comes_once_over_snapshot_stream_and_reconnect(run):
    async def script():
        async with client() as (stub, data, statuses):
            trades, history = Seen(), Seen()
            data.subscribe_trades("BTC-USD-PERP", trades.append)
            data.subscribe_trades("BTC-USD-PERP", history.append, include_history=True)
            connection = await stub.connection()
            await stub.heard(2)
            await connection.say("subscribed_trades", contents={"trades": [trade(2), trade(1)]})
            await connection.say("data_trades", contents={"trades": [trade(3), trade(3, 6)]})
            await connection.say("data_trades", contents={"trades": [trade(3)]})
            await until(lambda: len(history) == 4)
            heights = [each.trade_id >> 32 for each in history]
            assert heights == [1, 2, 3, 3]
            assert [each.flags & EventFlag.HISTORY > 0 for each in history] == [
                True, True, False, False,
            ]  # fmt: skip
            assert len(trades) == 2
            connection.drop()
            again = await stub.connection(1)
            await stub.heard(4)
            await again.say("subscribed_trades", contents={"trades": [trade(4), trade(3, 6)]})
            await until(lambda: len(trades) == 3 and len(history) == 5)
            assert trades[-1].trade_id >> 32 == 4
            assert not statuses.of(DataDropped)
            again.drop()
            third = await stub.connection(2)
            await stub.heard(6)
            await third.say("subscribed_trades", contents={"trades": [trade(9)]})
            lost = await statuses.one(DataDropped)  # the history does not reach back far enough
            assert lost.what == "v4_trades:BTC-USD while the connection was down"

    run(script())


def test_a_gap_fills_the_trades_from_their_history(run):
    async def script():
        async with client() as (stub, data, statuses):
            trades = Seen()
            subscription = data.subscribe_trades("BTC-USD-PERP", trades.append)
            connection = await stub.connection()
            await stub.heard(2)
            await connection.say("subscribed_markets")
            await connection.say("subscribed_trades", contents={"trades": [trade(1)]})
            await connection.say("data_trades", contents={"trades": [trade(2)]})
            connection.message_id += 1  # the frame with trade 3
            await connection.say("data_trades", contents={"trades": [trade(4)]})
            assert frames(await stub.heard(3))[-1]["type"] == "unsubscribe"
            await connection.say("unsubscribed_trades")
            assert frames(await stub.heard(4))[-1]["type"] == "subscribe"
            rows = [trade(4), trade(3), trade(2), trade(1)]
            await connection.say("subscribed_trades", contents={"trades": rows})
            await until(lambda: len(trades) == 3)
            assert sorted(each.trade_id >> 32 for each in trades) == [2, 3, 4]
            assert subscription.is_active
            assert [each.what for each in statuses.of(DataDropped)] == ["frames of dydx/public/0"]

    run(script())


def test_a_gap_closes_a_bar_from_its_history(run):
    """The lost frame may have been the last of the bar: what came before it is not how it ended."""

    async def script():
        async with client() as (stub, data, statuses):
            closed = Seen()
            data.subscribe_candles("BTC-USD-PERP", "1m", closed.append)
            connection = await stub.connection()
            await stub.heard(2)
            await connection.say("subscribed_markets")
            await connection.say("subscribed_candles", contents={"candles": [candle(12)]})
            connection.message_id += 1  # the last frame of minute 12
            await connection.say("data_candles", contents=candle(13, "90001"))
            assert frames(await stub.heard(3))[-1]["type"] == "unsubscribe"
            await connection.say("data_candles", contents=candle(13, "90002"))
            about = {"channel": "v4_candles", "id": "BTC-USD/1MIN"}
            await connection.say("unsubscribed_trades", **about)
            assert frames(await stub.heard(4))[-1] == {"type": "subscribe", **about}
            rows = [candle(14), candle(13, "90009"), candle(12, "89999"), candle(11)]
            await connection.say("subscribed_candles", contents={"candles": rows})
            await until(lambda: len(closed) == 2)
            assert [bar.close for bar in closed] == [89999, 90009]
            assert len(statuses.of(DataDropped)) == 1

    run(script())


def test_a_candle_that_does_not_decode_closes_no_bar(run):
    async def script():
        async with client() as (stub, data, statuses):
            closed = Seen()
            data.subscribe_candles("BTC-USD-PERP", "1m", closed.append)
            connection = await stub.connection()
            await stub.heard(2)
            await connection.say("subscribed_candles", contents={"candles": [candle(12)]})
            await connection.say("data_candles", contents=candle(12, "x"))
            await connection.say("data_candles", contents=candle(13))
            await connection.say("data_candles", contents=candle(14))
            await until(lambda: closed)
            assert [bar.ts_open // 60_000_000_000 % 60 for bar in closed] == [13]
            assert len(statuses.of(DataDropped)) == 1

    run(script())


def test_a_gap_brings_a_snapshot_to_who_only_wants_updates(run):
    async def script():
        async with client() as (stub, data, _):
            updates = Seen()
            data.subscribe_book_deltas("BTC-USD-PERP", updates.append)
            connection = await stub.connection()
            await stub.heard(2)
            await connection.say("subscribed_markets")
            await connection.say("subscribed_orderbook")
            connection.message_id += 1
            await connection.say("data_orderbook_bid")
            await answered(stub, connection, count=3)
            await until(lambda: len(updates) == 3)
            assert [each.is_snapshot for each in updates] == [True, False, True]

    run(script())


def test_5_2_deleveraging_is_no_market_trade_and_liquidations_have_their_own_event(run):
    async def script():
        async with client() as (stub, data, _):
            plain, every, liquidations = Seen(), Seen(), Seen()
            data.subscribe_trades("BTC-USD-PERP", plain.append)
            data.subscribe_trades("BTC-USD-PERP", every.append, include_non_market=True)
            data.subscribe_liquidations("BTC-USD-PERP", liquidations.append)
            connection = await stub.connection()
            await stub.heard(2)
            rows = [trade(1, 1, type="DELEVERAGED"), trade(1, 2, type="LIQUIDATED"),
                    trade(1, 3, type="SOMETHING_NEW")]  # fmt: skip
            await connection.say("data_trades", contents={"trades": rows})
            await until(lambda: len(every) == 3)
            assert (len(plain), len(liquidations)) == (2, 1)

    run(script())


def candle(minute, close="89941", **changes):
    return {**FRAMES["data_candles"]["contents"], "close": close,
            "startedAt": f"2025-12-08T16:{minute:02}:00.000Z", **changes}  # fmt: skip


def test_5_3_a_bar_is_closed_when_a_later_one_opens(run):
    async def script():
        async with client() as (stub, data, statuses):
            closed, every = Seen(), Seen()
            data.subscribe_candles("BTC-USD-PERP", "1m", closed.append)
            data.subscribe_candles("BTC-USD-PERP", "1MIN", every.append, closed_only=False)
            connection = await stub.connection()
            await stub.heard(2)
            rows = [candle(12), candle(11), candle(10)]
            await connection.say("subscribed_candles", contents={"candles": rows})
            await connection.say("data_candles", contents=candle(12, "89950"))
            await connection.say("batch_candles", contents=[candle(12, "89960"), candle(14)])
            await until(lambda: len(closed) == 1)
            assert [(bar.close, bar.is_closed) for bar in every] == [
                (89941, False), (89950, False), (89960, False), (89960, True), (89941, False),
            ]  # fmt: skip
            (bar,) = closed
            assert (bar.interval_s, bar.trade_count, bar.volume) == (60, 49, Decimal("3.2767"))
            assert bar.quote_volume == Decimal("294697.4391")
            # Down from 14 to 17; the history closes what was missed.
            connection.drop()
            again = await stub.connection(1)
            await stub.heard(4)
            rows = [candle(17), candle(16), candle(14, "90000"), candle(12)]
            await again.say("subscribed_candles", contents={"candles": rows})
            await until(lambda: len(closed) == 3)
            opened = [bar.ts_open // 60_000_000_000 % 60 for bar in closed]
            assert (opened, closed[1].close) == ([12, 14, 16], 90000)
            assert not statuses.of(DataDropped)

    run(script())


def test_5_3_values_off_the_grid_are_exact(run):
    async def script():
        async with client() as (stub, data, _):
            bars = Seen()
            data.subscribe_candles("BTC-USD-PERP", "1m", bars.append, closed_only=False)
            connection = await stub.connection()
            await stub.heard(2)
            await connection.say("data_candles", contents=candle(12, "89941.25"))
            bar = await bars.one(object)
            assert (bar.close, bar.open, bar.flags & EventFlag.OFF_SCALE) == (
                Decimal("89941.25"), 89934, EventFlag.OFF_SCALE,
            )  # fmt: skip

    run(script())


# ---- markets and heights ------------------------------------------------------------------------


def test_5_4_prices_statistics_and_status_come_on_the_markets_channel(run):
    async def script():
        async with client() as (stub, data, _statuses):
            prices, index, stats, changes = Seen(), Seen(), Seen(), Seen()
            data.subscribe_mark_price(None, prices.append)
            data.subscribe_index_price("BTC-USD-PERP", index.append)
            data.subscribe_market_stats("BTC-USD-PERP", stats.append)
            data.subscribe_instrument_status("BTC-USD-PERP", changes.append)
            connection = await stub.connection()
            assert len(await stub.heard(1)) == 1  # the channel the client follows anyway
            for name in ("subscribed_markets", "data_markets_oracle",
                         "data_markets_trading_partial", "data_markets_status"):  # fmt: skip
                await connection.say(name)
            await changes.one(InstrumentStatus)
            first, second, third = prices[:3]
            assert (first.mark, first.index) == (Decimal("89919.2"), Decimal("89919.2"))
            assert second.mark == Decimal("89920.5")
            assert second.ts_event == 1_765_210_320_500_000_000
            assert second.ts_next_funding == 1_765_213_200_000_000_000  # the next full hour
            assert (third.mark, third.funding_rate) == (second.mark, Decimal("0.0000025"))
            assert [each.index for each in index[:2]] == [first.mark, second.mark]
            assert stats[-1].volume_24h == Decimal("247501000.1")  # not the zero of the record
            assert (changes[0].status, changes[0].venue_status) == (
                MarketStatus.PAUSED, "CANCEL_ONLY",
            )  # fmt: skip
            assert data.status("BTC-USD-PERP") is MarketStatus.PAUSED
            assert data.frame_problems == 0

    run(script())


def test_dx_i_06_a_new_tick_makes_a_new_instrument_and_a_new_book(run):
    async def script():
        async with client() as (stub, data, statuses):
            shown = []
            connection = await book_up(stub, data, lambda book: shown.append(book.bid))
            await connection.say("data_markets_tick_change")
            await statuses.one(InstrumentUpdated)
            assert data.instrument("BTC-USD").tick_size == 10
            assert data.book("BTC-USD-PERP") is None
            await stub.heard(3)
            await connection.say("unsubscribed_trades", channel="v4_orderbook")
            await stub.heard(4)
            snapshot = {"bids": [{"price": "89940", "size": "0.5"}], "asks": []}
            await connection.say("subscribed_orderbook", contents=snapshot)
            await until(lambda: shown[-1] == 89940)
            assert data.book("BTC-USD-PERP").best_bid_ticks == 8994

    run(script())


def test_5_4_a_market_nobody_knew_appears(run):
    async def script():
        async with client() as (stub, data, statuses):
            connection = await stub.connection()
            await stub.heard(1)
            record = {**RECORD, "ticker": "NEW-USD", "clobPairId": "77", "status": "INITIALIZING"}
            await connection.say("subscribed_markets")
            await connection.say(
                "data_markets_trading_partial", contents={"trading": {"NEW-USD": record}}
            )
            update = await statuses.one(InstrumentUpdated)
            assert (update.instrument_id, update.is_new) == ("NEW-USD-PERP", True)
            assert data.status("NEW-USD") is MarketStatus.PRE_OPEN
            data.subscribe_trades("NEW-USD-PERP", lambda trade: None)
            assert frames(await stub.heard(2))[1]["id"] == "NEW-USD"

    run(script())


def test_dx_w_20_rest_does_not_take_back_what_the_stream_has_told(run):
    class Rest:
        async def perpetual_markets(self):
            return {"BTC-USD": dict(RECORD), "ETH-USD": {**RECORD, "ticker": "ETH-USD"}}

        async def close(self):
            pass

    async def script():
        async with client(rest=Rest()) as (stub, data, _):
            connection = await stub.connection()
            await stub.heard(1)
            await connection.say("subscribed_markets")
            await connection.say("data_markets_status")
            await until(lambda: data.status("BTC-USD") is MarketStatus.PAUSED)
            await data.load_instruments()  # still says ACTIVE
            assert data.status("BTC-USD") is MarketStatus.PAUSED
            assert data.status("ETH-USD") is MarketStatus.TRADING

    run(script())


def test_5_4_nonsense_about_a_market_is_told_and_the_others_go_on(run):
    async def script():
        async with client() as (stub, data, _):
            prices = Seen()
            data.subscribe_mark_price("BTC-USD-PERP", prices.append)
            connection = await stub.connection()
            await stub.heard(1)
            for contents in (
                {"trading": 5},
                {"trading": {"BTC-USD": 5}},
                {"trading": {"BTC-USD": {"ticker": "ETH-USD"}}},
                {"oraclePrices": {"BTC-USD": {"oraclePrice": "x"}}},
                {"trading": {"BTC-USD": {"atomicResolution": None}}},
                5,
            ):
                await connection.say("data_markets_oracle", contents=contents)
            await connection.say("data_markets_oracle")
            price = await prices.one(object)
            assert price.mark == Decimal("89920.5")
            assert data.frame_problems == 5  # and one market that cannot be read

    run(script())


def test_5_5_the_height_never_goes_back(run):
    async def script():
        async with client() as (stub, data, _):
            heights = []
            data.subscribe_height(lambda height, at: heights.append(height))
            connection = await stub.connection()
            await stub.heard(2)
            await connection.say("subscribed_block_height")
            for height in ("66624151", "66624149", "66624151", "66624160"):
                contents = {"blockHeight": height, "time": "2025-12-08T16:12:00.500Z"}
                await connection.say("data_block_height", contents=contents)
            await until(lambda: len(heights) == 3)
            assert heights == [66624150, 66624151, 66624160]
            assert data.height == 66624160

    run(script())


# ---- topics -------------------------------------------------------------------------------------


def test_a_refused_topic_raises_and_its_neighbours_go_on(run):
    async def script():
        async with client() as (stub, data, statuses):
            refused = data.subscribe_candles("BTC-USD-PERP", "1m", lambda bar: None)
            served = data.subscribe_trades("BTC-USD-PERP", lambda trade: None)
            connection = await stub.connection()
            await stub.heard(3)
            text = "Invalid subscription id for channel: (v4_candles-BTC-USD/1MIN)"
            await connection.say("error_bad_candle", message=text)
            await connection.say("subscribed_trades")
            await served.active()
            with pytest.raises(VenueError, match="Invalid subscription id"):
                await refused.active()
            states = {each.stream: each.state for each in statuses.of(SubscriptionStatus)}
            assert states["v4_candles:BTC-USD/1MIN"] is StreamState.REFUSED

    run(script())


def test_nautilus_1938_a_snapshot_that_could_not_be_fetched_is_asked_for_again(run):
    async def script():
        async with client() as (stub, data, _):
            subscription = data.subscribe_book("BTC-USD-PERP", lambda book: None)
            connection = await stub.connection()
            await stub.heard(2)
            await connection.say("error_fetch_failed")
            await stub.heard(3)
            assert connection.texts[1] == connection.texts[2]
            await connection.say("subscribed_orderbook")
            await subscription.active()
            assert data.book("BTC-USD-PERP") is not None
            assert data.venue_errors == 0

    run(script())


def test_4_1_batches_are_asked_for_only_where_the_config_says_so(run):
    async def script():
        settings = {"batched": ("v4_orderbook",)}
        async with client(settings=settings) as (stub, data, _):
            data.subscribe_book("BTC-USD-PERP", lambda book: None)
            data.subscribe_trades("BTC-USD-PERP", lambda trade: None)
            connection = await stub.connection()
            await stub.heard(3)
            connection.drop()
            again = await stub.connection(1)
            await stub.heard(6)
            for each in (connection, again):
                assert [frame.get("batched") for frame in frames(each.texts)] == [None, True, None]

    run(script())


def test_dx_n_01_topics_are_spread_and_the_pool_has_an_end(run):
    async def script():
        settings = {"max_ws_connections": 2, "per_channel_limit": 1}
        async with client(answer=True, settings=settings) as (stub, data, _):
            first, second = (
                data.subscribe_trades(name, lambda trade: None)
                for name in ("BTC-USD-PERP", "ETH-USD-PERP")
            )
            await asyncio.gather(first.active(), second.active())
            assert len(data.streams) == 2
            third = data.subscribe_candles("ETH-USD-PERP", "1m", lambda bar: None)
            await third.active()
            fourth = data.subscribe_candles("ETH-USD-PERP", "5m", lambda bar: None)
            await fourth.active()
            fifth = data.subscribe_candles("ETH-USD-PERP", "1h", lambda bar: None)
            with pytest.raises(VenueError, match="no connection has room"):
                await fifth.active()
            # What is given up and wanted again at once stays on its connection (DX-W-22).
            second.cancel()
            again = data.subscribe_trades("ETH-USD-PERP", lambda trade: None)
            await again.active()
            counts = [sum("v4_trades" in text for text in each.texts) for each in stub.connections]
            assert counts == [1, 3]

    run(script())


def test_arguments_that_cannot_be_right(run):
    async def script():
        async with client() as (_, data, _):
            for call in (
                lambda: data.subscribe_quotes("NOPE", lambda quote: None),
                lambda: data.subscribe_candles("BTC-USD-PERP", "2m", lambda bar: None),
                lambda: data.subscribe_book_snapshots("BTC-USD-PERP", lambda b: None, levels=0),
                lambda: data.subscribe_trades("BTC-USD-PERP", None),
                lambda: DataClient(Config(), environment="testnet"),
            ):
                with pytest.raises(ClientError):
                    call()
            for call in (
                lambda: data.subscribe_tickers("BTC-USD-PERP", lambda ticker: None),
                lambda: data.subscribe_liquidations(None, lambda event: None),
                lambda: data.subscribe_candles("BTC-USD", "1m", lambda b: None, source="mark"),
            ):
                with pytest.raises(Unsupported):
                    call()

    run(script())
