"""The data client against the simulator: sections 7 to 9, 16 and 18."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import pathlib
from decimal import Decimal

import pytest

from connectors.binance import Config, DataClient
from connectors.binance.instruments import symbol_id
from connectors.binance.streams import parse
from connectors.binance.wire import (
    AssetIndex,
    CompositeIndex,
    ContractInfo,
    ServerShutdown,
    TradingSession,
)
from connectors.errors import ClientError, TransportError, Unsupported, VenueError
from connectors.model import (
    AggressorSide,
    Bar,
    BookState,
    BookStatus,
    BookUpdate,
    ErrorEvent,
    IndexPrice,
    Instrument,
    InstrumentKind,
    InstrumentStatus,
    InstrumentUpdated,
    Liquidation,
    MarketStatus,
    MarkPrice,
    Quote,
    Reconnected,
    StreamSilent,
    StreamState,
    Ticker,
    Trade,
    VenueEvent,
)
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from connectors.sim.binance.config import SimConfig
from connectors.sim.binance.server import start
from patience import GRACE_S, until

DATA = pathlib.Path(__file__).parents[2] / "data" / "binance"
FRAMES = json.loads((DATA / "market_frames.json").read_text())["frames"]
BTC = "BTCUSDT-PERP"


@contextlib.asynccontextmanager
async def simulator(**settings):
    sim = await start(SimConfig(**{"symbols": 3, "coinm_symbols": 1, "rate_per_s": 0, **settings}))
    try:
        yield sim
    finally:
        await sim.stop()


def config_for(sim, product="usdm", **settings):
    base = "/ws" if product == "usdm" else "/dstream/ws"
    return Config(
        product=product,
        rest_url=sim.http_url,
        stream_url=sim.ws_url + base,
        routed=product == "usdm",
        **settings,
    )


@contextlib.asynccontextmanager
async def client(
    sim, product="usdm", *, instruments=(), on_status=None, on_venue_event=None, **more
):
    data = DataClient(
        config_for(sim, product, **more),
        instruments=instruments,
        on_status=on_status,
        on_venue_event=on_venue_event,
        attempts=AttemptBudget((Quota(1000, 1.0),)),
    )
    async with data:
        yield data


# ---- every sample frame -----------------------------------------------------------------------

KINDS = {
    "trade": Trade,
    "quote": Quote,
    "depth": BookUpdate,
    "mark": MarkPrice,
    "kline": Bar,
    "continuous_kline": Bar,
    "index": IndexPrice,
    "liquidation": Liquidation,
}


def fine(symbol, product):
    """An instrument on whose grid every sample value lies."""
    coinm = product == "COIN-M"
    return Instrument(
        id=symbol_id(symbol),
        symbol=symbol,
        venue="BINANCE",
        kind=InstrumentKind.PERPETUAL,
        base="X",
        quote="USD" if coinm else "USDT",
        pair=symbol.partition("_")[0],
        tick_size="0.00000001",
        lot_size="0.00000001",
    )


def objects(frame):
    data = frame["data"] if "data" in frame and "stream" in frame else frame
    return data if isinstance(data, list) else [data]


def symbols_of(frame):
    found = []
    for each in objects(frame):
        inner = each.get("o") or each.get("k") or {}
        symbol = each.get("s") or inner.get("s")
        if symbol and symbol != "0":
            found.append(symbol)
    return found


def subscribe(data, frame, got):
    """Subscribe what brings the frame, by the client's own methods."""
    stream = parse(frame["stream"], data.product)
    symbols = symbols_of(frame["frame"]) or [(stream.symbol or "").upper().partition("_")[0]]
    calls = {
        "aggTrade": lambda s: data.subscribe_trades(s, got.append),
        "trade": lambda s: data.subscribe_trades(
            s, got.append, aggregate=False, include_non_market=True
        ),
        "bookTicker": lambda s: data.subscribe_quotes(s, got.append),
        "!bookTicker": lambda s: data.subscribe_quotes(None, got.append),
        "depth": lambda s: data.subscribe_book_deltas(s, got.append),
        "depth5": lambda s: data.subscribe_book_snapshots(s, got.append, levels=5),
        "rpiDepth": lambda s: data.subscribe_book_snapshots(s, got.append, rpi=True),
        "markPrice": lambda s: data.subscribe_mark_price(s, got.append),
        "!markPrice@arr": lambda s: data.subscribe_mark_price(None, got.append),
        "kline": lambda s: data.subscribe_candles(s, "1m", got.append, closed_only=False),
        "continuousKline": lambda s: data.subscribe_candles(
            s, "1m", got.append, closed_only=False, contract="perpetual"
        ),
        "markPriceKline": lambda s: data.subscribe_candles(
            s, "1m", got.append, closed_only=False, source="mark"
        ),
        "indexPriceKline": lambda s: data.subscribe_candles(
            f"{s}_PERP", "1m", got.append, closed_only=False, source="index"
        ),
        "indexPrice": lambda s: data.subscribe_index_price(s, got.append),
        "miniTicker": lambda s: data.subscribe_tickers(s, got.append, mini=True),
        "!miniTicker@arr": lambda s: data.subscribe_tickers(None, got.append, mini=True),
        "ticker": lambda s: data.subscribe_tickers(s, got.append),
        "!ticker@arr": lambda s: data.subscribe_tickers(None, got.append),
        "forceOrder": lambda s: data.subscribe_liquidations(s, got.append),
        "!forceOrder@arr": lambda s: data.subscribe_liquidations(None, got.append),
    }
    call = calls[stream.channel]
    if stream.symbol is None:
        return [call(None)]
    return [call(symbol) for symbol in dict.fromkeys(symbols)]


def check_event(event, expect):
    ts_ms = expect.get("ts_ms")
    if ts_ms is not None:
        assert event.ts_event == ts_ms * 10**6
    for name, attribute in (
        ("price", "index" if isinstance(event, IndexPrice) else "price"),
        ("qty", "size"),
        ("bid", "bid"),
        ("bid_qty", "bid_size"),
        ("ask", "ask"),
        ("ask_qty", "ask_size"),
        ("mark", "mark"),
        ("index", "index"),
    ):
        if isinstance(expect.get(name), str):
            assert getattr(event, attribute) == Decimal(expect[name]), name
    for name, attribute in (
        ("id", "trade_id"),
        ("seq", "seq"),
        ("first", "first_seq"),
        ("last", "last_seq"),
        ("prev", "prev_seq"),
        ("aggregate", "is_aggregate"),
        ("market", "is_market"),
        ("closed", "is_closed"),
    ):
        if name in expect:
            assert getattr(event, attribute) == expect[name], name
    if "aggressor" in expect:
        wanted = AggressorSide.BUYER if expect["aggressor"] == "buy" else AggressorSide.SELLER
        assert event.aggressor is wanted
    if "rate" in expect:
        rate = expect["rate"]
        assert event.funding_rate == (None if rate is None else Decimal(rate))
        next_ms = expect["next_funding_ms"]
        assert event.ts_next_funding == (next_ms or 0) * 10**6  # 0: there is none
    if "levels" in expect:
        assert (event.n_bids, event.n_asks) == (0, 0)
    if "deletes" in expect:
        assert sum(size == 0 for _, size in event.bids) == expect["deletes"]
    for side in ("bids", "asks"):
        if side in expect:
            got = getattr(event, f"{side}_decimal")()
            assert got == [(Decimal(p), Decimal(q)) for p, q in expect[side]]


COLD = {
    "contract_info": ContractInfo,
    "contract_info_no_bks": ContractInfo,
    "composite_index": CompositeIndex,
    "asset_index_arr": AssetIndex,
    "trading_session": TradingSession,
    "server_shutdown": ServerShutdown,
    "server_shutdown_wrapped": ServerShutdown,
    "unknown_event": VenueEvent,
}


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame["id"])
def test_bn_tc_14_every_sample_frame_reaches_its_callback(run, frame):
    product = "usdm" if frame["product"] == "USD-M" else "coinm"
    text = json.dumps(frame["frame"], separators=(",", ":"), ensure_ascii=False)
    is_cold = frame["id"] in COLD
    symbols = {symbol_id(s): s for s in symbols_of(frame["frame"])}
    symbols |= {"BTCUSDT-PERP": "BTCUSDT", "BTCUSD-PERP": "BTCUSD_PERP"}
    instruments = [
        fine(s, frame["product"])
        for s in symbols.values()
        if ("_" in s) == (product == "coinm") or s in symbols_of(frame["frame"])
    ]

    async def main():
        got, cold = [], []
        async with (
            simulator() as sim,
            client(
                sim, product, instruments=instruments, on_venue_event=cold.append, rotate=False
            ) as data,
        ):
            if is_cold:
                subscriptions = [data.subscribe_mark_price(instruments[0].symbol, print)]
            else:
                subscriptions = subscribe(data, frame, got)
            streams = [name for each in subscriptions for name in each.streams]
            for name in streams:  # nothing of what the venue sends by itself every second
                sim.faults.apply({"fault": "silence", "stream": name, "duration_ms": 600_000})
            for each in subscriptions:
                await each.active()
            sim.faults.apply({"fault": "frame", "text": text, "stream": streams[0]})
            items = len(objects(frame["frame"]))
            await until(lambda: len(cold if is_cold else got) >= items)
            decoders = [decoder for pool in data.pools for decoder in pool.decoders]
            assert not any(decoder.decode_errors for decoder in decoders)
        if is_cold:
            assert [type(event) for event in cold] == [COLD[frame["id"]]] * items
            return
        assert len(got) == items
        expect = frame.get("expect", {})
        if expect.get("kind") in KINDS:
            assert all(isinstance(event, KINDS[expect["kind"]]) for event in got)
            check_event(got[0], expect)
        if "ticker" in frame["id"] and "book" not in frame["id"]:
            assert all(isinstance(event, Ticker) for event in got)

    run(main())


# ---- life cycle -------------------------------------------------------------------------------


def test_the_whole_client_on_both_products(run_any):
    async def main():
        async with simulator(rate_per_s=400) as sim:
            for product in ("usdm", "coinm"):
                got = {}

                def keep(kind, into=got):
                    return lambda event: into.setdefault(kind, []).append(event)

                async with client(sim, product) as data:
                    first = next(iter(data.instruments))
                    subscriptions = [
                        data.subscribe_quotes(first, keep(Quote)),
                        data.subscribe_trades(first, keep(Trade)),
                        data.subscribe_book(first, keep("book")),
                        data.subscribe_candles(first, "1m", keep(Bar), closed_only=False),
                        data.subscribe_mark_price(first, keep(MarkPrice)),
                        data.subscribe_index_price(first, keep(IndexPrice)),
                        data.subscribe_tickers(first, keep(Ticker)),
                    ]
                    for each in subscriptions:
                        await each.active()
                    await until(lambda g=got: len(g) == 7, 10)
                    assert len(data.pools) == (2 if product == "usdm" else 1)
                    assert all(pool.frame_problems == 0 for pool in data.pools)
                    assert data.callback_errors == 0
                for kind, events in got.items():
                    if kind != "book":
                        assert isinstance(events[0], kind)
                        assert events[0].instrument.id == first

    run_any(main(), timeout_s=40)


def test_iterating(run):
    async def main():
        async with simulator(rate_per_s=400) as sim, client(sim) as data:
            feed = data.trades(BTC)
            count = 0
            async for trade in feed:
                assert trade.instrument.id == BTC
                count += 1
                if count == 5:
                    break
            assert feed.subscription.is_active
            stream = feed.subscription.streams[0]
            del feed, trade
            gc.collect()
            (market,) = [pool for pool in data.pools if "market" in pool.url]
            await until(lambda: stream not in market.stream_names)

    run(main())


def test_an_iteration_ends_with_the_client(run):
    async def main():
        async with simulator(rate_per_s=400) as sim, client(sim) as data:
            feed = data.quotes(BTC)

            async def consume():
                return [event async for event in feed]

            task = asyncio.create_task(consume())
            await feed.subscription.active()
            await data.close()
            async with asyncio.timeout(GRACE_S):
                await task

    run(main())


def test_a_refusal_is_raised_from_the_iteration(run):
    async def main():
        async with simulator() as sim, client(sim, instrument_refresh_s=0) as data:
            sim.faults.apply({"fault": "control", "action": "error", "code": 2, "count": 1})
            feed = data.trades(BTC)
            with pytest.raises(VenueError):
                async with asyncio.timeout(GRACE_S):
                    await anext(feed)
            assert feed.subscription.state is StreamState.REFUSED
            feed.close()
            # A later wish is asked for again (BN-S-54).
            await data.subscribe_trades(BTC, print).active()

    run(main())


def test_a_stream_refused_only_after_a_reconnect_is_asked_for_again(run, monkeypatch):
    monkeypatch.setattr("connectors.binance.interest.REFUSED_RETRY_S", 0.1)

    async def main():
        statuses = []
        async with (
            simulator(rate_per_s=300) as sim,
            client(sim, on_status=statuses.append, instrument_refresh_s=0) as data,
        ):
            got = []
            trades = data.subscribe_trades(BTC, got.append)
            await trades.active()
            sim.faults.apply({"fault": "control", "action": "error", "code": 2, "count": 1})
            sim.faults.apply({"fault": "drop", "mode": "reset"})
            refused = StreamState.REFUSED
            await until(lambda: any(getattr(e, "state", None) is refused for e in statuses))
            assert trades.state is not refused
            await trades.active()
            before = len(got)
            await until(lambda: len(got) > before)

    run(main())


def test_connect_fails_without_the_venue(run):
    async def main():
        async with simulator() as sim:
            config = config_for(sim)
            data = DataClient(config.with_changes(rest_url="http://127.0.0.1:9"))
            with pytest.raises(TransportError):
                async with asyncio.timeout(GRACE_S):
                    await data.connect()
            assert not data.is_active

    run(main(), timeout_s=30)


def test_settings_by_name_or_config():
    assert DataClient(product="coinm").product == "coinm"
    with pytest.raises(ClientError, match="not both"):
        DataClient(Config(), product="coinm")


def test_subscribing_before_connect():
    data = DataClient(instruments=[fine("BTCUSDT", "USD-M")])
    with pytest.raises(ClientError, match=r"no instrument|not connected"):
        data.subscribe_quotes("BTCUSDT", print)


# ---- local errors -----------------------------------------------------------------------------


def test_local_errors_are_typed_and_at_once(run):
    async def main():
        async with simulator() as sim, client(sim) as data, client(sim, "coinm") as coin:

            async def later(event):
                """A coroutine function is no callback."""

            for wrong, text in (
                (lambda: data.subscribe_quotes("NOPEUSDT", print), "no instrument 'NOPEUSDT'"),
                (lambda: data.subscribe_quotes(BTC, None), "must be callable"),
                (lambda: data.subscribe_quotes(BTC, later), "plain function"),
                (lambda: data.subscribe_candles(BTC, "7m", print), "no interval"),
                (lambda: data.subscribe_candles(BTC, "1m", print, source="x"), "no source"),
                (lambda: data.subscribe_candles(BTC, "1m", print, contract="x"), "no contract"),
                (lambda: data.subscribe_book_snapshots(BTC, print, levels=7), "5, 10 or 20"),
                (lambda: data.subscribe_book_deltas(BTC, print, speed_ms=50), "every 50 ms"),
                (lambda: data.subscribe_mark_price(BTC, print, every_s=2), "1 or 3"),
            ):
                with pytest.raises(ClientError, match=text):
                    wrong()
            for wrong, text in (
                (lambda: data.subscribe_trades(None, print), "whole market"),
                (lambda: data.subscribe_candles(BTC, "1m", print, source="mark"), "COIN-M only"),
                (lambda: coin.subscribe_mark_price(None, print), "by symbol only"),
                (lambda: coin.subscribe_quotes("BTCUSD-INDEX", print), "is an index"),
                (
                    lambda: coin.subscribe_book_snapshots("BTCUSD-PERP", print, rpi=True),
                    "USD-M only",
                ),
            ):
                with pytest.raises(Unsupported, match=text):
                    wrong()
            assert all(pool.stream_count <= 1 for pool in (*data.pools, *coin.pools))

    run(main())


def test_one_stream_too_many(run):
    async def main():
        async with (
            simulator() as sim,
            client(
                sim, max_streams_per_connection=2, max_connections=2, instrument_refresh_s=0
            ) as data,
        ):
            intervals = ("1m", "3m", "5m", "15m")
            for interval in intervals:
                data.subscribe_candles(BTC, interval, print)
            with pytest.raises(ClientError) as caught:
                data.subscribe_candles(BTC, "30m", print)
            assert str(caught.value) == (
                "Pool exhausted: 4 total subscriptions (2 connections x 2 streams)"
            )
            # Another callback for a stream that is there needs no place.
            data.subscribe_candles(BTC, "1m", print, closed_only=False)

    run(main())


def test_bn_f_06_one_symbol_has_one_kind_of_depth(run):
    async def main():
        async with simulator() as sim, client(sim) as data:
            deltas = data.subscribe_book_deltas(BTC, print)
            with pytest.raises(ClientError, match="has diff depth"):
                data.subscribe_book_snapshots(BTC, print)
            data.subscribe_book_snapshots("ETHUSDT", print)
            await deltas.active()
            deltas.cancel()
            async with asyncio.timeout(GRACE_S):
                while True:  # until the venue has confirmed the end
                    try:
                        snapshots = data.subscribe_book_snapshots(BTC, print)
                    except ClientError:
                        await asyncio.sleep(0.01)
                    else:
                        break
            await snapshots.active()

    run(main())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            lambda data: data.subscribe_book_deltas(BTC, print, speed_ms=100),
            lambda data: data.subscribe_book(BTC, print),
        ),
        (
            lambda data: data.subscribe_book(BTC, print),
            lambda data: data.subscribe_book_deltas(BTC, print, speed_ms=100),
        ),
        (
            lambda data: data.subscribe_book_deltas(BTC, print, speed_ms=500),
            lambda data: data.subscribe_book_deltas(BTC, print),
        ),
        (
            lambda data: data.subscribe_book_snapshots(BTC, print, levels=5),
            lambda data: data.subscribe_book_snapshots(BTC, print, levels=20),
        ),
    ],
    ids=["deltas, book", "book, deltas", "deltas twice", "levels"],
)
def test_bn_f_06_one_symbol_has_one_depth_stream(run, first, second):
    """Messages of two would both go to everybody, and break every chain."""

    async def main():
        async with simulator() as sim, client(sim) as data:
            first(data)
            first(data)  # the same once more is fine
            with pytest.raises(ClientError, match="cannot be told"):
                second(data)

    run(main())


# ---- sharing ----------------------------------------------------------------------------------


def test_bn_ss_09_shared_streams_are_counted(run):
    async def main():
        async with simulator() as sim, client(sim) as data:
            (market,) = [pool for pool in data.pools if "market" in pool.url]
            mark = data.subscribe_mark_price(BTC, print)
            index = data.subscribe_index_price(BTC, lambda event: None)
            await mark.active()
            await index.active()
            name = "btcusdt@markPrice@1s"
            assert market.stream_names.count(name) == 1
            mark.cancel()
            mark.cancel()
            await asyncio.sleep(0.05)
            assert name in market.stream_names
            assert index.is_active
            index.cancel()
            await until(lambda: name not in market.stream_names)
            with pytest.raises(Exception, match="was canceled"):
                await index.active()

    run(main())


def test_bn_f_07_aggregate_and_single_trades_apart(run):
    async def main():
        async with simulator(rate_per_s=400) as sim, client(sim) as data:
            aggregates, singles = [], []
            data.subscribe_trades(BTC, aggregates.append)
            data.subscribe_trades(BTC, singles.append, aggregate=False)
            await until(lambda: len(aggregates) > 5 and len(singles) > 5)
            assert all(trade.is_aggregate for trade in aggregates)
            assert not any(trade.is_aggregate for trade in singles)
            insurance = next(f for f in FRAMES if f["id"] == "trade_insurance")["frame"]
            text = json.dumps({**insurance, "p": "1"})
            before = len(singles)
            sim.faults.apply({"fault": "frame", "text": text, "stream": "btcusdt@trade"})
            await asyncio.sleep(0.1)
            assert all(trade.is_market for trade in singles[before:])

    run(main())


def test_bn_md_15_all_liquidations_have_priority(run):
    async def main():
        async with simulator() as sim, client(sim) as data:
            (market,) = [pool for pool in data.pools if "market" in pool.url]
            single, everything = [], []
            one = data.subscribe_liquidations(BTC, single.append)
            await one.active()
            wide = data.subscribe_liquidations(None, everything.append)
            await wide.active()
            await until(lambda: "btcusdt@forceOrder" not in market.stream_names)
            assert one.is_active  # served by the other stream
            frame = next(f for f in FRAMES if f["id"] == "force_order_all")["frame"]
            sim.faults.apply(
                {"fault": "frame", "text": json.dumps(frame), "stream": "!forceOrder@arr"}
            )
            await until(lambda: single and everything)
            assert len(single) == len(everything) == 1
            wide.cancel()
            await until(lambda: "btcusdt@forceOrder" in market.stream_names)

    run(main())


def test_bn_md_15_a_refusal_of_all_liquidations_gives_the_single_ones_back(run):
    async def main():
        async with simulator() as sim, client(sim) as data:
            (market,) = [pool for pool in data.pools if "market" in pool.url]
            one = data.subscribe_liquidations(BTC, print)
            await one.active()
            sim.faults.apply({"fault": "control", "action": "error", "count": 1})
            wide = data.subscribe_liquidations(None, print)
            await until(lambda: wide.state is StreamState.REFUSED)
            await until(lambda: "btcusdt@forceOrder" in market.stream_names)
            await one.active()

    run(main())


def test_bn_md_08_09_each_closed_bar_once(run):
    base = next(f for f in FRAMES if f["id"] == "kline_no_trades")["frame"]

    def bar(open_ms, *, closed):
        k = {**base["k"], "s": "BTCUSDT", "t": open_ms, "T": open_ms + 59_999, "x": closed}
        return json.dumps({**base, "s": "BTCUSDT", "k": k})

    async def main():
        closed, every = [], []
        instruments = [fine("BTCUSDT", "USD-M")]
        async with simulator() as sim, client(sim, instruments=instruments) as data:
            data.subscribe_candles("BTCUSDT", "1m", closed.append)
            other = data.subscribe_candles("BTCUSDT", "1m", every.append, closed_only=False)
            data.subscribe_candles("BTCUSDT", "5m", print)
            await other.active()
            for open_ms, is_closed in (
                (0, False),
                (0, True),
                (0, True),
                (0, False),
                (60_000, False),
                (60_000, True),
            ):
                text = bar(open_ms, closed=is_closed)
                sim.faults.apply({"fault": "frame", "text": text, "stream": other.streams[0]})
            await until(lambda: len(closed) == 2)
            assert [b.ts_open for b in closed] == [0, 60_000 * 10**6]
            assert [b.is_closed for b in every] == [False, True, False, True]

    run(main())


def test_a_callback_that_raises_is_reported_and_stops_nothing(run):
    async def main():
        statuses, good = [], []

        def bad(event):
            raise RuntimeError("mine")

        async with simulator(rate_per_s=300) as sim, client(sim, on_status=statuses.append) as data:
            data.subscribe_quotes(BTC, bad)
            data.subscribe_quotes(BTC, good.append)
            await until(lambda: len(good) > 3)
            assert data.callback_errors >= 3
            assert any(isinstance(e, ErrorEvent) and "mine" in e.message for e in statuses)
            assert len(sim.connections) == 2

    run(main())


def test_a_venue_event_callback_that_raises_is_not_the_frames_fault(run):
    async def main():
        statuses = []

        def bad(event):
            raise RuntimeError("mine")

        async with (
            simulator() as sim,
            client(sim, on_status=statuses.append, on_venue_event=bad) as data,
        ):
            await data.subscribe_trades(BTC, print).active()
            frame = json.dumps({"e": "somethingNew", "E": 1})
            sim.faults.apply({"fault": "frame", "text": frame, "stream": "btcusdt@aggTrade"})
            await until(lambda: data.callback_errors)
            assert any(isinstance(e, ErrorEvent) and "mine" in e.message for e in statuses)
            assert sum(pool.frame_problems for pool in data.pools) == 0

    run(main())


def test_connect_and_close_at_the_same_time_take_turns(run):
    async def main():
        async with simulator() as sim, client(sim) as data:
            await data.subscribe_trades(BTC, print).active()
            await asyncio.gather(data.close(), data.connect(), data.connect())
            await data.subscribe_trades(BTC, print).active()
            await asyncio.gather(data.connect(), data.close())
            assert not data.is_active

    run(main())


# ---- watching ---------------------------------------------------------------------------------


def test_bn_c_09_a_confirmed_stream_that_says_nothing_is_reported(run):
    async def main():
        statuses = []
        async with (
            simulator() as sim,
            client(sim, on_status=statuses.append, first_data_timeout_s=0.2) as data,
        ):
            sim.faults.apply(
                {"fault": "silence", "stream": "btcusdt@markPrice@1s", "duration_ms": 600_000}
            )
            await data.subscribe_mark_price(BTC, print).active()
            await data.subscribe_trades(BTC, print).active()  # may be silent for long
            await until(lambda: any(isinstance(e, StreamSilent) for e in statuses))
            silent = [e.stream for e in statuses if isinstance(e, StreamSilent)]
            assert silent == ["btcusdt@markPrice@1s"]

    run(main())


def test_bn_c_09_two_speeds_of_one_stream_are_both_served_by_what_either_sends(run):
    async def main():
        statuses, got = [], []
        async with (
            simulator() as sim,
            client(sim, on_status=statuses.append, first_data_timeout_s=2.5) as data,
        ):
            slow = data.subscribe_mark_price(BTC, got.append, every_s=3)
            fast = data.subscribe_mark_price(BTC, got.append)
            await asyncio.gather(slow.active(), fast.active())
            await until(lambda: got)
            await asyncio.sleep(2.6)
            assert not any(isinstance(e, StreamSilent) for e in statuses)

    run(main())


def test_bn_c_09_a_stream_that_talks_is_not_reported(run):
    async def main():
        statuses, got = [], []
        async with (
            simulator(rate_per_s=300) as sim,
            client(sim, on_status=statuses.append, first_data_timeout_s=1.5) as data,
        ):
            await data.subscribe_quotes(BTC, got.append).active()
            await asyncio.sleep(1.6)
            await until(lambda: got)
            assert not any(isinstance(e, StreamSilent) for e in statuses)

    run(main())


def test_a_drop_shows_in_the_subscription_and_heals(run):
    async def main():
        statuses, states = [], []
        async with simulator(rate_per_s=300) as sim, client(sim, on_status=statuses.append) as data:
            got = []
            quotes = data.subscribe_quotes(BTC, got.append)
            await quotes.active()

            def on_status(event):
                states.append(quotes.state)

            data._on_status = lambda event: (statuses.append(event), on_status(event))
            sim.faults.apply({"fault": "drop", "mode": "reset", "route": "public"})
            await until(lambda: any(isinstance(e, Reconnected) for e in statuses))
            await quotes.active()
            before = len(got)
            await until(lambda: len(got) > before)
            assert StreamState.PENDING in states

    run(main())


def test_bn_t_12_a_rotation_loses_and_repeats_nothing(run, monkeypatch):
    monkeypatch.setattr("connectors.binance.rotation.OVERLAP_TAIL_S", 0.2)

    async def main():
        statuses = []
        async with simulator(rate_per_s=600) as sim, client(sim, on_status=statuses.append) as data:
            trades, books = [], []
            subscription = data.subscribe_trades(BTC, trades.append)
            book = data.subscribe_book(BTC, lambda book: books.append(book.last_seq))
            await until(lambda: len(trades) > 10 and len(books) > 10)
            for _ in range(3):
                for pool in data.pools:
                    await pool._rotation.rotate(pool._connections[0])
            before = len(trades), len(books)
            await until(lambda: len(trades) > before[0] + 5 and len(books) > before[1] + 5)
            assert [pool.rotations for pool in data.pools] == [3, 3]
            ids = [trade.trade_id for trade in trades]
            assert ids == list(range(ids[0], ids[0] + len(ids)))
            # Nobody noticed: the subscriptions stayed active and the book stayed live.
            assert subscription.is_active
            assert book.is_active
            assert [e.state for e in statuses if isinstance(e, BookStatus)] == [BookState.LIVE]
            assert books == sorted(set(books))

    run(main(), timeout_s=20)


def test_bn_t_15_connections_lost_while_they_are_rotated(run):
    """The old ones reported their loss, the new ones never that they were confirmed."""

    async def main():
        async with simulator(rate_per_s=300) as sim, client(sim) as data:
            trades, quotes = [], []
            subscriptions = [
                data.subscribe_trades(BTC, trades.append),
                data.subscribe_quotes(BTC, quotes.append),
                data.subscribe_book(BTC, lambda book: None),
            ]
            for each in subscriptions:
                await each.active()
            sim.faults.apply({"fault": "shutdown", "within_ms": 0, "warn": True, "mode": "close"})
            await until(lambda: len(sim.closed_connections) >= 2)
            await until(lambda: all(each.is_active for each in subscriptions), 10)
            await until(lambda: data.book(BTC) is not None)
            before = len(trades), len(quotes)
            await until(lambda: len(trades) > before[0] and len(quotes) > before[1])

    run(main(), timeout_s=30)


# ---- instruments ------------------------------------------------------------------------------


def test_instruments_by_any_name(run):
    async def main():
        async with simulator() as sim, client(sim) as data, client(sim, "coinm") as coin:
            btc = data.instruments[BTC]
            for name in (BTC, "BTCUSDT", "btcusdt", btc):
                assert data.instrument(name) is btc
            with pytest.raises(ClientError, match="no instrument 'XYZ'"):
                data.instrument("XYZ")
            assert data.status(BTC) is MarketStatus.TRADING
            assert coin.instrument("BTCUSD").kind is InstrumentKind.INDEX
            assert coin.instrument("BTCUSD-PERP").inverse

    run(main())


def test_bn_i_17_18_instruments_change_while_live(run):
    async def main():
        statuses, watched = [], []
        async with (
            simulator() as sim,
            client(sim, on_status=statuses.append, instrument_refresh_s=0.1) as data,
        ):
            watch = data.subscribe_instrument_status(BTC, watched.append)
            await asyncio.sleep(0.15)
            assert statuses == [e for e in statuses if not isinstance(e, InstrumentStatus)]
            sim.faults.apply(
                {"fault": "instrument", "action": "status", "symbol": "BTCUSDT",
                 "status": "SETTLING"}
            )  # fmt: skip
            await until(lambda: watched)
            assert watched[0].status is MarketStatus.SETTLING
            assert watched[0].previous is MarketStatus.TRADING
            assert len([e for e in statuses if isinstance(e, InstrumentStatus)]) == 1
            old = data.instruments[BTC]
            sim.faults.apply(
                {"fault": "instrument", "action": "tick", "symbol": "BTCUSDT",
                 "tick_size": str(old.tick_size * 10)}
            )  # fmt: skip
            await until(lambda: data.instruments[BTC].tick_size == old.tick_size * 10)
            assert any(isinstance(e, InstrumentUpdated) for e in statuses)
            watch.cancel()
            sim.faults.apply({"fault": "instrument", "action": "remove", "symbol": "ETHUSDT"})
            await until(lambda: data.status("ETHUSDT") is MarketStatus.NOT_AVAILABLE)
            assert len(watched) == 1

    run(main(), timeout_s=20)


def test_bn_i_18_the_venue_says_so_by_itself(run):
    async def main():
        watched, listed = [], []
        async with simulator() as sim, client(sim) as data:

            def on_status(event):
                watched.append(event)
                listed.append(data.instruments["ETHUSDT-PERP"].status)

            data.subscribe_instrument_status(None, on_status)
            await until(lambda: any("!contractInfo" in pool.stream_names for pool in data.pools))
            (market,) = [pool for pool in data.pools if "market" in pool.url]
            await until(lambda: market.subscription_count == 1)
            before = data.instrument_refreshes
            sim.faults.apply(
                {"fault": "instrument", "action": "status", "symbol": "ETHUSDT",
                 "status": "SETTLING"}
            )  # fmt: skip
            await until(lambda: watched)
            assert watched[0].instrument_id == "ETHUSDT-PERP"
            assert listed == [MarketStatus.TRADING]  # told before it is read again
            await until(lambda: data.instrument_refreshes > before)
            await until(lambda: data.instruments["ETHUSDT-PERP"].status is MarketStatus.SETTLING)
            assert len(watched) == 1

    run(main())
