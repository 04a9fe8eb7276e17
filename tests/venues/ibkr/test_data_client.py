"""The data client against the simulator: quotes, last trades, marks, halts, ladders, gaps."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest
from venues.ibkr.ibkr_rig import AAPL as STOCK
from venues.ibkr.venue_rig import login, venue

from connectors.errors import ClientError, Unsupported
from connectors.ibkr import data as data_module
from connectors.ibkr.account_client import AccountClient
from connectors.ibkr.books import Ladder, read_depth
from connectors.ibkr.data import DataClient
from connectors.ibkr.market import Code, MarketStats
from connectors.model import (
    BookState,
    BookStatus,
    EventFlag,
    InstrumentStatus,
    MarketStatus,
    MarkPrice,
    Quote,
    Reconnected,
    StreamState,
    SubscriptionStatus,
    Trade,
    VenueEvent,
)
from connectors.sim.ibkr.server import Simulator
from patience import until

AAPL = 265598
D = Decimal
Run = Callable[..., Any]


@contextlib.asynccontextmanager
async def watching(*symbols: str, **changes: Any) -> AsyncIterator[tuple[Simulator, DataClient]]:
    """Run a simulator and a client that knows some contracts."""
    async with (
        venue(**changes) as sim,
        login(sim) as keeper,
        DataClient(keeper=keeper, symbols=symbols) as data,
    ):
        yield sim, data


def of(told: list[Any], kind: type) -> list[Any]:
    return [each for each in told if isinstance(each, kind)]


def quoted(sim: Simulator, conid: int = AAPL) -> tuple[Decimal, Decimal]:
    """Return the venue's best prices."""
    fields = sim.exchange.market(conid).fields()
    return D(str(fields["84"])), D(str(fields["86"]))


def best_bids(sim: Simulator, count: int) -> list[tuple[Decimal, Decimal]]:
    """Return the venue's best levels."""
    rows = sim.admin.state({})["markets"][str(AAPL)]["bids"][:count]
    return [(D(str(price)), D(str(size))) for price, size in rows]


def test_w_11_quotes_and_trades_and_w_06_halts(run: Run) -> None:
    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, login(sim) as keeper:
            data = DataClient(keeper=keeper, symbols=("AAPL", "ES-261218"), on_status=told.append)
            async with data:
                assert data.instrument("265598").id == "AAPL"
                assert data.instrument("ES-261218").multiplier == 50
                quotes = data.subscribe_quotes("AAPL", told.append)
                data.subscribe_trades("AAPL", told.append)
                await quotes.active(timeout_s=30)
                await until(lambda: of(told, Quote) and of(told, Trade))
                assert (of(told, Quote)[0].bid, of(told, Quote)[0].ask) == quoted(sim)
                first = of(told, Trade)[0]
                assert first.flags == EventFlag.AGGREGATE
                sim.set_market(AAPL, last="193.50")
                await until(lambda: of(told, Trade)[-1].price == D("193.50"))
                sim.set_market(AAPL, halted=True)
                await until(lambda: data.status("AAPL") is MarketStatus.PAUSED)
                trades = len(of(told, Trade))
                sim.set_market(AAPL, halted=False, last="193.60")
                await until(lambda: data.status("AAPL") is MarketStatus.TRADING)
                await until(lambda: of(told, Trade)[-1].price == D("193.60"))
                assert len(of(told, Trade)) > trades
                statuses = [each.status for each in of(told, InstrumentStatus)]
                assert statuses == [MarketStatus.PAUSED, MarketStatus.TRADING]
                assert data.age_s("AAPL") is not None
                assert data.age_s("ES-261218") is None

    run(scenario())


def test_d_02_one_data_client_reads_the_frames_of_a_session(run: Run) -> None:
    """A second one would take them away from the first, which would hear nothing any more."""

    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, login(sim) as keeper:
            first = DataClient(keeper=keeper, symbols=("AAPL",))
            second = DataClient(keeper=keeper, symbols=("AAPL",))
            async with first:
                first.subscribe_quotes("AAPL", told.append)
                await until(lambda: told, what="a quote")
                with pytest.raises(ClientError, match="another DataClient"):
                    await second.connect()
            async with second:
                second.subscribe_quotes("AAPL", told.append)
                count = len(told)
                await until(lambda: len(told) > count, what="a quote, when the first has left")

    run(scenario())


def test_v_06_a_previous_close_is_no_trade(run: Run) -> None:
    async def scenario() -> None:
        told: list[Any] = []
        async with watching("AAPL", traded=False) as (sim, data):
            data.subscribe_trades("AAPL", told.append)
            data.subscribe_market_stats("AAPL", told.append)
            await until(lambda: of(told, MarketStats))
            stats = of(told, MarketStats)[-1]
            assert stats.line.previous_close is not None
            assert of(told, Trade) == []
            sim.set_market(AAPL, last="193.50")
            await until(lambda: of(told, Trade))

    run(scenario())


def test_5_2_delayed_data_is_marked_and_refused_data_is_told_once(run: Run) -> None:
    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, login(sim) as keeper:
            sim.set_market(AAPL, availability="DPB")
            async with DataClient(keeper=keeper, symbols=("AAPL",)) as data:
                data.subscribe_quotes("AAPL", told.append)
                await until(lambda: of(told, Quote))
                assert of(told, Quote)[0].flags & EventFlag.DELAYED
                sim.set_market(AAPL, availability="RpB")
                sim.set_market(AAPL, last="193.70")
                await until(lambda: not of(told, Quote)[-1].flags & EventFlag.DELAYED)

    run(scenario())


def test_w_17_the_line_that_the_venue_does_not_serve(run: Run) -> None:
    """One frame with N and nothing else: told as a problem of the subscription."""

    async def scenario() -> None:
        told: list[Any] = []
        async with venue(market_lines=1) as sim, login(sim) as keeper:
            data = DataClient(keeper=keeper, symbols=("AAPL", "IBM"), on_status=told.append)
            async with data:
                data.subscribe_quotes("AAPL", lambda _: None)
                await until(lambda: data.age_s("AAPL") is not None)
                data.subscribe_quotes("IBM", lambda _: None)

                def problems() -> list[Any]:
                    return [each for each in of(told, SubscriptionStatus)
                            if "no market data" in each.message]  # fmt: skip

                await until(problems)
                assert len(problems()) == 1
                assert "not_subscribed" in problems()[0].message

    run(scenario())


def test_v_09_after_a_gap_nothing_is_carried_over(run: Run) -> None:
    """The line, the ladder and the fields begin from empty, and each subscription is restored."""

    async def scenario() -> None:
        told: list[Any] = []
        async with (
            venue() as sim,
            login(sim) as keeper,
            DataClient(keeper=keeper, symbols=("AAPL",), on_status=told.append) as data,
        ):
            subscriptions = [
                data.subscribe_quotes("AAPL", told.append),
                data.subscribe_mark_price("AAPL", told.append),
                data.subscribe_market_stats("AAPL", told.append, codes=(Code.HIGH,)),
                data.subscribe_book("AAPL", lambda _: None),
            ]
            await until(lambda: data.book("AAPL") is not None and of(told, MarkPrice))
            sim.faults.apply({"fault": "abort"})
            await until(lambda: data.book("AAPL") is None, what="the book is not trusted")
            sim.set_market(AAPL, last="195.00")
            told_before = len(told)
            await until(lambda: of(told, Reconnected) and data.book("AAPL") is not None)
            await until(lambda: all(each.is_active for each in subscriptions))
            await until(lambda: of(told[told_before:], Quote))
            quote = of(told, Quote)[-1]
            assert (quote.bid, quote.ask) == quoted(sim)
            book = data.book("AAPL")
            assert book is not None
            assert (book.bid, book.ask) == quoted(sim)
            await until(lambda: of(told[told_before:], MarketStats))
            assert of(told, MarketStats)[-1].number(Code.HIGH) is not None
            for subscription in subscriptions:
                subscription.cancel()
            await until(lambda: not any(one.lines for one in sim.connections.values()))

    run(scenario())


def test_w_21_a_clock_that_is_set_back_freezes_no_ladder(run: Run) -> None:
    """Only their arrival orders ladders: one that comes later is newer, whatever the time."""

    async def scenario() -> None:
        shown: list[Any] = []
        async with watching("AAPL") as (_, data):
            data.subscribe_book("AAPL", lambda book: shown.append(book.best_bid_ticks))
            await until(lambda: shown, what="the first ladder")
            ((topic, _),) = data._depths.items()
            for price, ts_init in (("10.00", 2 * 10**18), ("11.00", 10**18), ("12.00", 10**18)):
                row = {"row": 1, "price": price, "bid": "5"}
                data._depths[topic][1].clear()
                data._take_depth(topic, read_depth({"topic": topic, "data": [row]}), ts_init)
            assert shown[-3:] == [1_000, 1_100, 1_200]

    run(scenario())


def test_w_21_a_ladder_off_the_grid_leaves_no_old_book_behind(run: Run) -> None:
    """The levels that were shown before are not those of now: nobody may trade on them."""

    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, login(sim) as keeper:
            data = DataClient(keeper=keeper, symbols=("AAPL",), on_status=told.append)
            async with data:
                data.subscribe_book("AAPL", lambda _: None)
                await until(lambda: data.book("AAPL") is not None, what="the first ladder")
                ((topic, _),) = data._depths.items()
                row = {"row": 1, "price": "10.005", "bid": "5"}
                data._take_depth(topic, read_depth({"topic": topic, "data": [row]}), 1)
                assert data.book("AAPL") is None
                assert of(told, BookStatus)[-1].state is BookState.BUFFERING
                data._depths[topic][1].clear()
                row = {"row": 1, "price": "10.01", "bid": "5"}
                data._take_depth(topic, read_depth({"topic": topic, "data": [row]}), 2)
                assert data.book("AAPL") is not None

    run(scenario())


def test_v_07_prices_between_ticks_have_definitions_read_ever_more_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mid-point trades are legal, and each reading is a request for every contract."""
    data, now_s, read = DataClient(instruments=(STOCK,)), 0.0, []
    monkeypatch.setattr(data_module.time, "monotonic", lambda: now_s)
    monkeypatch.setattr(data, "_off_scale", lambda _: read.append(now_s))
    for _ in range(24 * 60):
        now_s += 60.0
        data._on_off_scale(STOCK)
    assert read[0] == 60.0
    assert 4 <= len(read) <= 12, "of a day"
    assert read[-1] - read[-2] <= 6 * 3_600


def test_w_21_a_ladder_off_the_grid_does_not_wait_behind_trades_off_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No book is shown until the definitions were read, whatever trades have had read before."""
    data, now_s, read = DataClient(instruments=(STOCK,)), 0, []
    monkeypatch.setattr(data_module.time, "monotonic", lambda: now_s)
    monkeypatch.setattr(data, "instrument", lambda _: STOCK)
    monkeypatch.setattr(data, "_off_scale", lambda _: read.append(now_s))
    for _ in range(24 * 60):
        now_s += 60
        data._on_off_scale(STOCK)
    topic = "sbd+DU1+265598"
    data._depths[topic] = STOCK, Ladder()
    depth = read_depth({"topic": topic, "data": [{"row": 1, "price": "10.005", "bid": "5"}]})
    read.clear()
    began_s = now_s
    for _ in range(360):
        data._take_depth(topic, depth, 1)
        now_s += 10
    assert read == list(range(began_s, now_s, 300))


def test_w_21_a_second_ladder_of_the_account_is_refused(run: Run) -> None:
    async def scenario() -> None:
        async with watching("AAPL", "IBM") as (_, data):
            first = data.subscribe_book_snapshots("AAPL", lambda _: None, levels=1)
            second = data.subscribe_book_deltas("IBM", lambda _: None)
            await until(lambda: second.state is StreamState.REFUSED)
            assert first.is_active

    run(scenario())


@pytest.mark.parametrize("ladder", ["rows", "changes"])
def test_w_21_ladders_follow_the_venue(run: Run, ladder: str) -> None:
    async def scenario() -> None:
        books: list[Any] = []
        async with watching("AAPL", ladder=ladder) as (sim, data):
            data.subscribe_book_snapshots("AAPL", books.append, levels=3)
            await until(lambda: books)
            for price in ("193.40", "192.90", "193.15"):
                sim.set_market(AAPL, last=price)
                best = best_bids(sim, 3)
                await until(lambda best=best: books[-1].bids_decimal() == best, what=price)

    run(scenario())


def test_candles_begin_with_the_bar_under_way(run: Run) -> None:
    async def scenario() -> None:
        bars: list[Any] = []
        async with watching("AAPL") as (_, data):
            wanted = data.subscribe_candles("AAPL", "1h", bars.append, closed_only=False)
            await wanted.active(timeout_s=30)
            await until(lambda: bars)
            assert (bars[0].interval_s, bars[0].is_closed) == (3_600, False)
            wanted.cancel()
            with pytest.raises(ClientError, match="no bars of '7m'"):
                data.subscribe_candles("AAPL", "7m", bars.append)

    run(scenario())


def test_what_the_venue_cannot_do_says_why(run: Run) -> None:
    async def scenario() -> None:
        async with watching("AAPL") as (_, data):
            for call in (
                lambda: data.subscribe_liquidations("AAPL", print),
                lambda: data.subscribe_index_price("AAPL", print),
                lambda: data.subscribe_tickers("AAPL", print),
                lambda: data.subscribe_mark_price(None, print),
            ):
                with pytest.raises(Unsupported):
                    call()
            with pytest.raises(ClientError):
                data.subscribe_quotes("NOPE", print)
            (found,) = await data.add_instruments("IBM")
            assert data.instrument("IBM") == found

    run(scenario())


def test_d_02_two_clients_share_one_session(run: Run) -> None:
    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, login(sim) as keeper:
            data = DataClient(keeper=keeper, symbols=("AAPL",), on_venue_event=told.append)
            async with data, AccountClient(keeper=keeper, on_status=told.append):
                data.subscribe_quotes("AAPL", told.append)
                await until(lambda: of(told, Quote))
                assert len(sim.connections) == 1
                sim.faults.apply({"fault": "stray", "what": "unknown_event"})
                await until(lambda: of(told, VenueEvent), what="a topic nobody knows is handed on")
                with pytest.raises(ClientError, match="before the session is opened"):
                    DataClient(keeper=keeper)
            await until(lambda: not sim.connections, what="the socket is closed")

    run(scenario())


def test_v_06_a_halt_that_ends_in_a_gap_is_over(run: Run) -> None:
    async def scenario() -> None:
        told: list[Any] = []
        async with watching("AAPL") as (sim, data):
            data.subscribe_instrument_status("AAPL", told.append)
            data.subscribe_trades("AAPL", lambda _: None)
            sim.set_market(AAPL, halted=True)
            await until(lambda: data.status("AAPL") is MarketStatus.PAUSED)
            sim.faults.apply({"fault": "abort"})
            sim.set_market(AAPL, halted=False)
            await until(lambda: data.status("AAPL") is MarketStatus.TRADING)
            assert [each.status for each in told] == [MarketStatus.PAUSED, MarketStatus.TRADING]

    run(scenario())


def test_w_12_asking_for_more_fields_repeats_no_trade(run: Run) -> None:
    async def scenario() -> None:
        told: list[Any] = []
        async with watching("AAPL") as (_, data):
            data.subscribe_trades("AAPL", told.append)
            await until(lambda: told)
            mark = data.subscribe_mark_price("AAPL", lambda _: None)
            seen = data.decoder.market_data_messages
            await mark.active(timeout_s=30)
            await until(lambda: data.decoder.market_data_messages > seen)
            assert len(told) == 1

    run(scenario())
