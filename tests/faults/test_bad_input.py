"""Bad input, from the caller and from the venue: a typed error or a counted event, and on it goes.

One test for each line of the list: unknown product, unknown symbol, off-tick price, stream that
does not exist, one stream too many, subscribe before connect, wrong route, refused subscription;
malformed, truncated, oversized and binary frames, unknown events, numbers out of range; callbacks
that raise or block; steps of the host's clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import pytest

from connectors.binance import Config, DataClient, StreamPool
from connectors.binance.config import Route
from connectors.errors import (
    ClientError,
    ConfigError,
    DecodeError,
    PrecisionError,
    TransportError,
    Unsupported,
    VenueError,
)
from connectors.model import (
    BookStatus,
    ErrorEvent,
    Instrument,
    InstrumentKind,
    Reconnected,
    StreamState,
    SubscriptionStatus,
)
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from connectors.sim.binance.server import start
from faults.support import Rig, SimControl, until

BTC = "BTCUSDT"
ETH = "ETHUSDT"
PLENTY = (Quota(1000, 1.0),)


class Stage:
    """A moving market, a client straight to it, and everything it was told."""

    def __init__(self, sim, data):
        self.sim = sim
        self.data = data
        self.told = []
        self.cold = []
        self.eth = []

    def of(self, kind):
        return [each for each in self.told if isinstance(each, kind)]

    async def stand_still(self):
        """Stop the market and let the book reach its last update."""
        self.sim.pause()
        last = self.sim.market.feeds[BTC].update_id
        await until(lambda: (b := self.data.book(BTC)) and b.last_seq == last, 3)

    def frame(self, text, *, stream="btcusdt@depth@0ms", **more):
        """Let the venue send a text to whoever has the stream, in place of the next update."""
        last = self.sim.market.feeds[BTC].update_id
        text = text.replace("NEXT", str(last + 1)).replace("LAST", str(last))
        done = self.sim.faults.apply({"fault": "frame", "text": text, "stream": stream, **more})
        assert done["connections"]

    @property
    def problems(self):
        return sum(pool.frame_problems for pool in self.data.pools)

    def total(self, counter):
        return sum(getattr(each, counter) for pool in self.data.pools for each in pool.decoders)

    async def goes_on(self):
        """Another symbol's trades of after now arrive."""
        count = len(self.eth)
        await until(lambda: len(self.eth) > count + 2, 5, "ETHUSDT goes on")
        assert self.data.is_active


@contextlib.asynccontextmanager
async def stage(*, rate=400.0, ping_s=180.0, **settings):
    sim = await start(
        symbols=3, coinm_symbols=0, rate_per_s=rate, book_levels=40, ping_interval_s=ping_s
    )
    config = Config(rest_url=sim.http_url, stream_url=sim.ws_url, routed=True, **settings)
    data = DataClient(
        config,
        on_status=lambda event: found.told.append(event),
        on_venue_event=lambda event: found.cold.append(event),
        attempts=AttemptBudget(PLENTY),
    )
    found = Stage(sim, data)
    try:
        async with data:
            data.subscribe_quotes(ETH, found.eth.append)
            book = data.subscribe_book(BTC, lambda book: None)
            await book.active()
            await until(lambda: data.book(BTC) and found.eth, 5)
            yield found
    finally:
        await sim.stop()


def book_frame(**changes):
    """Return a depth message of BTCUSDT with some of its texts replaced.

    `LAST` and `NEXT` stand for the number the book is at and one more.
    """
    values = {"U": "NEXT", "u": "NEXT", "pu": "LAST", "b": '[["50000.0","1"]]', "a": "[]"}
    values.update(changes)
    return (
        '{{"e":"depthUpdate","E":1700000000000,"T":1700000000000,"s":"BTCUSDT","U":{U},"u":{u},'
        '"pu":{pu},"b":{b},"a":{a}}}'.format(**values)
    )


# ---- the caller's mistakes --------------------------------------------------------------------


@pytest.mark.parametrize("product", ["spot", "margin", "options", "futures", ""])
def test_unknown_product(product):
    with pytest.raises(ConfigError):
        DataClient(product=product)


@pytest.mark.parametrize("symbol", ["NOPE", "", "BTC/USDT", "btcusdt@trade", "BTCUSDT\n", "Ü"])
def test_unknown_symbol(run, symbol):
    async def main():
        async with stage() as its:
            data = its.data
            for ask in (data.subscribe_quotes, data.subscribe_book, data.subscribe_trades):
                with pytest.raises(ClientError):
                    ask(symbol, lambda event: None)
            with pytest.raises(ClientError):
                data.trades(symbol)
            await its.goes_on()

    run(main())


def test_off_tick_price_as_text(run):
    """Exact or an error that says so: never rounded."""

    async def main():
        async with stage() as its:
            instrument = its.data.instrument(BTC)
            half = instrument.price_scale.increment / 2
            for bad in (str(half), "1e400", "nan", "", "1,5", "0x10", "99999999999999999999999"):
                with pytest.raises(PrecisionError):
                    instrument.price_scale.to_ticks(bad)

    run(main())


def test_off_tick_price_in_a_frame_ends_the_book_and_rebuilds_it(run):
    """BN-MD-13: not cut to the grid; the book is invalid, told, and built again."""

    async def main():
        async with stage() as its:
            await its.stand_still()
            its.frame(book_frame(b='[["50000.123456789","1"]]'))
            its.sim.resume()
            await until(lambda: its.total("off_scale") > 0, 3)
            await until(lambda: any(s.reason for s in its.of(BookStatus)), 3)
            await until(lambda: its.data.book(BTC), 10)
            await its.goes_on()

    run(main(), 20)


@pytest.mark.parametrize(
    "name",
    ["btcusdt@nosuch", "btcusdt", "", "@trade", "btcusdt@depth7", "btcusdt@kline_7m", "!nothing"],
)
def test_stream_name_that_does_not_exist(run, name):
    async def main():
        sim = await start(symbols=1, coinm_symbols=0)
        try:
            async with StreamPool(url=f"{sim.ws_url}/market/ws") as pool:
                with pytest.raises(ClientError):
                    await pool.subscribe(["btcusdt@aggTrade", name])
                assert pool.stream_count == 0
                await (await pool.subscribe(["btcusdt@aggTrade"])).wait()
                assert pool.subscription_count == 1
        finally:
            await sim.stop()

    run(main())


def test_wrong_route(run):
    """BN-L-05: an error here, not a silent hang there."""

    async def main():
        sim = await start(symbols=1, coinm_symbols=0)
        try:
            async with StreamPool(url=f"{sim.ws_url}/public/ws", route=Route.PUBLIC) as pool:
                with pytest.raises(ClientError, match="market"):
                    await pool.subscribe(["btcusdt@aggTrade"])
                assert pool.stream_count == 0
        finally:
            await sim.stop()

    run(main())


def many_instruments(count):
    return [
        Instrument(
            id=f"S{number}USDT-PERP",
            symbol=f"S{number}USDT",
            venue="BINANCE",
            kind=InstrumentKind.PERPETUAL,
            base=f"S{number}",
            quote="USDT",
            tick_size="0.1",
            lot_size="0.1",
        )
        for number in range(count)
    ]


def test_bn_s_48_the_4001st_stream(run):
    """4 000 streams on 20 connections are served; one more is an error that changes nothing."""

    async def main():
        sim = await start(symbols=1, coinm_symbols=0, rate_per_s=0)
        config = Config(
            rest_url=sim.http_url, stream_url=sim.ws_url, routed=True, first_data_timeout_s=None
        )
        instruments = many_instruments(4_001)
        data = DataClient(config, instruments=instruments, attempts=AttemptBudget(PLENTY))
        try:
            async with data:
                wishes = [
                    data.subscribe_quotes(each, lambda quote: None) for each in instruments[:4_000]
                ]
                with pytest.raises(ClientError) as caught:
                    data.subscribe_quotes(instruments[4_000], lambda quote: None)
                assert str(caught.value) == (
                    "Pool exhausted: 4000 total subscriptions (20 connections x 200 streams)"
                )
                await until(lambda: all(wish.is_active for wish in wishes), 20)
                served = [c.control.names for c in sim.connections.values() if c.route == "public"]
                assert [len(names) for names in served] == [200] * 20
                assert "s4000usdt@bookTicker" not in set().union(*served)
                wishes[7].cancel()
                last = data.subscribe_quotes(instruments[4_000], lambda quote: None)
                await last.active()
                assert sim.violations == 0
        finally:
            await sim.stop()

    run(main(), 40)


def test_subscribe_before_connect_and_after_close(run):
    async def main():
        async with stage() as its:
            await its.data.close()
            with pytest.raises(ClientError, match="not connected"):
                its.data.subscribe_quotes(BTC, lambda quote: None)
            fresh = DataClient(its.data.config)
            with pytest.raises(ClientError):
                fresh.subscribe_quotes(BTC, lambda quote: None)
            await fresh.close()
            pool = StreamPool()
            with pytest.raises(ClientError, match="Output channel not initialized"):
                await pool.subscribe(["btcusdt@aggTrade"])

    run(main())


@pytest.mark.parametrize("action", ["error", "error_flat", "failed"])
def test_refused_subscription(run, action):
    async def main():
        async with stage() as its:
            its.sim.faults.apply({"fault": "control", "action": action, "code": 2})
            refused = its.data.subscribe_trades(BTC, lambda trade: None)
            with pytest.raises(VenueError) as caught:
                await refused.active()
            assert refused.state is StreamState.REFUSED
            if action != "failed":
                assert caught.value.code == 2
            states = [e.state for e in its.of(SubscriptionStatus) if "aggTrade" in e.stream]
            assert states == [StreamState.REFUSED]
            again = its.data.subscribe_trades(BTC, lambda trade: None)
            await again.active()
            await its.goes_on()

    run(main())


@pytest.mark.parametrize(
    "ask",
    [
        lambda data: data.subscribe_quotes(BTC, None),
        lambda data: data.subscribe_quotes(BTC, asyncio.sleep),
        lambda data: data.subscribe_candles(BTC, "7m", print),
        lambda data: data.subscribe_candles(BTC, "1m", print, source="moon"),
        lambda data: data.subscribe_book(BTC, print, speed_ms=17),
        lambda data: data.subscribe_book_snapshots(ETH, print, levels=7),
        lambda data: data.subscribe_mark_price(BTC, print, every_s=2),
        lambda data: data.subscribe_book_snapshots(BTC, print),  # it has diff depth already
    ],
    ids=["none", "coroutine", "interval", "source", "speed", "levels", "every", "two-depths"],
)
def test_wrong_arguments(run, ask):
    async def main():
        async with stage() as its:
            with pytest.raises((ClientError, Unsupported)):
                ask(its.data)
            await its.goes_on()

    run(main())


# ---- the venue's frames -----------------------------------------------------------------------

BROKEN = {
    "malformed": '{"e":"depthUpdate",,}',
    "truncated": '{"e":"bookTicker","u":40090021',
    "not json": "hello",
    "empty": "",
    "no key": "{}",
    "wrong type": '{"e":17}',
    "deep": "[" * 5_000 + "]" * 5_000,
    "missing level size": book_frame(b='[["50000.0"]]'),
    "level is a text": book_frame(b='["50000.0"]'),
    "price is not a number": book_frame(b='[["abc","1"]]'),
    "id is a text": book_frame(u='"x"'),
    "id has a fraction": book_frame(u="1.5"),
    "id beyond 64 bits": book_frame(u="99999999999999999999999"),
    "price out of range": book_frame(b='[["1e30","1"]]'),
    "size out of range": book_frame(b='[["50000.0","123456789012345678901234567890"]]'),
    "infinite price": book_frame(b='[["Infinity","1"]]'),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_broken_frames_are_counted_and_change_nothing(run, text):
    """Told once, counted each, the connection and the book stay (BN-H-13)."""

    async def main():
        async with stage(rate=200.0) as its:
            await its.stand_still()
            book = its.data.book(BTC)
            chain_gaps = its.data.book_sync(BTC).gaps
            for _ in range(5):
                its.frame(text)
            counted = ("decode_errors", "unknown_events", "off_scale")
            await until(
                lambda: its.problems + sum(map(its.total, counted)) >= 5, 3, "it is counted"
            )
            its.sim.resume()
            await its.goes_on()
            lost = [each for each in its.told if "RECONNECTING" in repr(each)]
            assert not lost
            await until(lambda: its.data.book(BTC), 10)
            check_book(its, book, chain_gaps)

    run(main(), 20)


def test_an_update_the_book_refuses_costs_it_its_trust_until_it_is_repaired(run):
    """It decodes, so it counts as part of the chain: what it said is missing (BN-B-09)."""

    async def main():
        async with stage(rate=200.0) as its:
            await its.stand_still()
            book = its.data.book(BTC)
            its.frame(book_frame(b='[["50000.0","-1"]]'))
            await until(lambda: its.problems >= 1, 3, "it is reported")
            assert its.data.book(BTC) is None
            its.sim.resume()
            await its.goes_on()
            await until(lambda: its.data.book(BTC), 10)
            check_book(its, book, its.data.book_sync(BTC).gaps)

    run(main(), 20)


def check_book(its, book, gaps):
    """The book is the same one and exact, unless the frame put its grid in doubt."""
    now = its.data.book(BTC)
    assert now is book
    now.check()
    view = its.sim.book(BTC, now.last_seq)
    rules = its.sim.market.feeds[BTC].rules
    price, size = now.instrument.price_scale.to_ticks, now.instrument.size_scale.to_ticks
    for side, levels in ((0, view.bids), (1, view.asks)):
        wanted = [(price(rules.price_text(p)), size(rules.qty_text(q))) for p, q in levels]
        assert now.levels(side) == wanted
    if its.total("off_scale") == 0:
        assert its.data.book_sync(BTC).gaps == gaps


def test_binary_frames_are_read_like_text(run):
    """BN-S-80."""

    async def main():
        async with stage() as its:
            got = []
            await its.data.subscribe_quotes(BTC, got.append).active()
            text = (
                '{"e":"bookTicker","u":9007199254740993,"s":"BTCUSDT","b":"1.0","B":"2","a":"3.0",'
                '"A":"4","T":1,"E":1}'
            )
            its.sim.faults.apply(
                {"fault": "frame", "hex": text.encode().hex(), "opcode": 2,
                 "stream": "btcusdt@bookTicker"}
            )  # fmt: skip
            await until(lambda: any(quote.seq == 9007199254740993 for quote in got), 3)
            await its.goes_on()

    run(main())


def test_an_oversized_frame_costs_the_connection_and_nothing_else(run):
    """More than 8 MB is refused with 1009; the streams come back on the next connection."""

    async def main():
        async with stage() as its:
            its.frame('{"x":"' + "x" * (9 << 20) + '"}')
            await until(lambda: its.of(ErrorEvent), 5, "it is told")
            await until(lambda: any("RECONNECTING" in repr(each) for each in its.told), 5)
            await until(lambda: its.data.book(BTC), 10)
            await its.goes_on()

    run(main(), 30)


def test_unknown_events_reach_whoever_asks(run):
    """BN-H-12: kept as they came, the stream goes on."""

    async def main():
        async with stage() as its:
            its.frame('{"e":"brandNew","E":1,"s":"BTCUSDT","x":[1,{"y":null}]}')
            await until(lambda: any(each.name == "brandNew" for each in its.cold), 3)
            assert its.cold[-1].payload.endswith(b'"x":[1,{"y":null}]}')
            its.frame('{"e":"depthUpdate","E":1,"T":1,"s":"NEVERHEARD","U":1,"u":2,"pu":0,'
                      '"b":[],"a":[]}')  # fmt: skip
            await until(lambda: its.total("unknown_symbols") == 1, 3)
            await its.goes_on()

    run(main())


def test_many_broken_frames_do_not_flood_the_caller(run):
    """Every one is counted, about one a second is told."""

    async def main():
        async with stage() as its:
            began = time.monotonic()
            its.frame("{nonsense", count=500)
            await until(lambda: its.problems == 500, 5)
            assert 1 <= len(its.of(ErrorEvent)) <= 3 + time.monotonic() - began
            assert all(isinstance(e.error, DecodeError) for e in its.of(ErrorEvent))
            await its.goes_on()

    run(main())


# ---- the caller's callbacks -------------------------------------------------------------------


def test_a_callback_that_raises(run_any):
    """Told and counted each time; the other callbacks are still called, the book goes on."""

    async def main():
        async with stage() as its:

            def bad(event):
                raise ZeroDivisionError("a bug of the caller")

            good = []
            for subscribe in (its.data.subscribe_quotes, its.data.subscribe_trades):
                subscribe(BTC, bad)
                subscribe(BTC, good.append)
            its.data.subscribe_book(BTC, bad)
            its.data.subscribe_mark_price(BTC, bad)
            await until(lambda: its.data.callback_errors > 20 and len(good) > 20, 5)
            errors = its.of(ErrorEvent)
            assert any(isinstance(each.error, ZeroDivisionError) for each in errors)
            assert its.data.book(BTC) is not None
            await its.goes_on()

    run_any(main())


def test_a_status_callback_that_raises(run):
    async def main():
        sim = await start(symbols=2, coinm_symbols=0)

        told = []

        def bad(event):
            told.append(event)
            raise ZeroDivisionError

        config = Config(rest_url=sim.http_url, stream_url=sim.ws_url, routed=True)
        data = DataClient(config, on_status=bad, attempts=AttemptBudget(PLENTY))
        try:
            async with data:
                data.subscribe_book(BTC, lambda book: None)
                await until(lambda: data.book(BTC), 5)
                sim.faults.apply({"fault": "drop", "mode": "reset"})
                await until(lambda: any(isinstance(each, Reconnected) for each in told), 5)
                await until(lambda: data.book(BTC), 5)
                assert data.callback_errors == len(told)
        finally:
            await sim.stop()

    run(main())


def test_a_callback_that_blocks_for_200_ms(run_any):
    """Slow is slow, but nothing is lost or repeated, and no peer is blamed for it."""

    async def main():
        sim = await start(symbols=2, coinm_symbols=0, rate_per_s=300)
        try:
            async with (
                SimControl(sim.http_url) as control,
                Rig(control, sim.port, connections=1) as rig,
            ):
                await rig.settle(10)
                calls = []

                def block(quote):
                    if len(calls) < 12:
                        calls.append(quote)
                        time.sleep(0.2)

                rig.client.subscribe_quotes(BTC, block)
                await until(lambda: len(calls) == 12, 15)
                await rig.settle(10)
                await rig.still()
                await rig.verify()
                assert rig.losses == 0
                assert rig.ledger.violations == []
        finally:
            await sim.stop()

    run_any(main(), 40)


def test_a_callback_that_blocks_for_longer_than_the_idle_timeout(run):
    """We were not there to listen: that is no proof of a dead peer (BN-T-11)."""

    async def main():
        async with stage(idle_timeout_s=0.5, ping_s=0.1) as its:
            blocked = []

            def block(quote):
                if not blocked:
                    blocked.append(quote)
                    time.sleep(1.2)

            its.data.subscribe_quotes(BTC, block)
            await until(lambda: blocked, 5)
            await its.goes_on()
            assert not [each for each in its.told if "RECONNECTING" in repr(each)]

    run(main())


# ---- the host's clock -------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [3_600.0, -3_600.0, 86_400.0])
def test_a_step_of_the_wall_clock_disturbs_nothing(run, monkeypatch, step_s):
    """Liveness, back-off and deadlines go by the monotonic clock."""

    async def main():
        async with stage(idle_timeout_s=1.0, ping_s=0.1) as its:
            wall, wall_ns = time.time, time.time_ns
            monkeypatch.setattr(time, "time", lambda: wall() + step_s)
            monkeypatch.setattr(time, "time_ns", lambda: wall_ns() + int(step_s * 1e9))
            await asyncio.sleep(1.5)
            assert not [each for each in its.told if "RECONNECTING" in repr(each)]
            await its.goes_on()
            its.sim.faults.apply({"fault": "drop", "mode": "reset"})
            await until(lambda: any(s.reason == "connection lost" for s in its.of(BookStatus)), 5)
            await until(lambda: its.data.book(BTC), 5)
            await its.goes_on()

    run(main(), 20)


# ---- the venue is not there -------------------------------------------------------------------


def test_connect_without_a_venue(run):
    async def main():
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))  # nobody else gets the port, and nobody listens
            host = f"127.0.0.1:{deaf.getsockname()[1]}"
            config = Config(rest_url=f"http://{host}", stream_url=f"ws://{host}", routed=True)
            data = DataClient(config)
            with pytest.raises(TransportError):
                await data.connect()
            with pytest.raises(ClientError):
                data.subscribe_quotes(BTC, lambda quote: None)

    run(main(), 20)
