"""The further behaviour rows (section 19) that are about public data, each by its number.

X-01 and X-48 are in tests/unit/lighter too, step by step and without a socket, as is X-46.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from decimal import Decimal

import pytest
from venues.lighter.public_rig import DATA, FRAMES, client, until, venue

from connectors.errors import VenueError
from connectors.lighter.control import Control
from connectors.lighter.public_stream import CONTROL_KEY, CONTROL_QUOTA
from connectors.model import (
    BookGap,
    BookState,
    BookStatus,
    DataDropped,
    ErrorEvent,
    Reconnected,
    StreamState,
)
from connectors.net.ratelimit import RateLimiter
from patience import GRACE_S

SCRIPT = json.loads((DATA / "order_book_sequence.json").read_text())["steps"]
ETH = "ETH-PERP"


def typed(frame):
    """Answer a subscribe by the typed frame alone, as the live venue does."""

    def answers(sent):
        if sent["type"] == "subscribe":
            return [frame]
        return [{"type": "unsubscribed", "channel": sent["channel"].replace("/", ":")}]

    return answers


def book_frame(stage, nonce, begin, asks=(), bids=()):
    def levels(side):
        return [{"price": p, "size": s} for p, s in side]

    return {
        "channel": "order_book:0",
        "order_book": {
            "code": 0, "asks": levels(asks), "bids": levels(bids), "offset": nonce,
            "nonce": nonce, "begin_nonce": begin, "last_updated_at": 1778138582552000 + nonce,
        },
        "type": f"{stage}/order_book",
    }  # fmt: skip


def test_x_01_one_gap_is_one_unsubscribe_and_one_subscribe(run_any):
    async def scenario():
        async with venue() as lighter:
            lighter.answers = lambda frame: []
            events = []
            async with client(lighter, on_status=events.append) as data:
                shown = []
                data.subscribe_book(ETH, lambda book: shown.append(book.last_seq))
                await lighter.until(lambda: lighter.commands() == ["subscribe order_book/0"])
                for step in SCRIPT[:7]:
                    await lighter.send(step["frame"])
                await lighter.until(lambda: len(lighter.commands()) == 3)
                assert data.book(ETH) is None
                for step in SCRIPT[7:]:
                    await lighter.send(step["frame"])
                await until(lambda: data.book(ETH) is not None and data.book(ETH).stale == 1)
                assert shown == [100, 104, 104, 109, 120]
                assert lighter.commands() == [
                    "subscribe order_book/0", "unsubscribe order_book/0", "subscribe order_book/0",
                ]  # fmt: skip
                states = [e.state for e in events if isinstance(e, BookStatus)]
                assert states == [BookState.LIVE, BookState.BUFFERING, BookState.LIVE]
                assert len([e for e in events if isinstance(e, BookGap)]) == 1

    run_any(scenario())


def test_x_09_a_ping_is_answered_within_50_ms_whatever_waits(run_any):
    async def scenario():
        async with venue() as lighter:
            lighter.answers = lambda frame: []  # so that the gate stays shut
            async with client(lighter) as data:
                for market in (0, 1, 2048):
                    for kind in (data.subscribe_quotes, data.subscribe_trades):
                        kind(data.instruments[list(data.instruments)[min(market, 2)]], print)
                await lighter.until(lambda: len(lighter.frames) >= 6)
                # Every further control frame is held back, the pong is not.
                data.streams[0].limiter.hold(CONTROL_KEY, 60.0)
                data.subscribe_height(print)
                loop = asyncio.get_running_loop()
                asked = loop.time()
                await lighter.send({"type": "ping"})
                await lighter.until(lambda: {"type": "pong"} in lighter.frames)
                # 50 ms on a machine that does nothing else; what waits would take a minute.
                assert loop.time() - asked < GRACE_S
                assert "subscribe height" not in lighter.commands()

    run_any(scenario())


class Clock:
    def __init__(self):
        self.ns = 0

    def monotonic_ns(self):
        return self.ns

    def time_ns(self):
        return self.ns


def test_x_24_600_subscribes_keep_the_rate_and_the_gate():
    clock = Clock()
    limiter = RateLimiter({CONTROL_KEY: CONTROL_QUOTA}, clock=clock)
    control = Control(limit=1000)
    for number in range(600):
        control.subscribe(f"ticker/{number}")
    control.on_connected()
    sent, waiting, most = [], [], 0
    while len(sent) < 600:
        now = clock.ns / 1e9
        for due, channel in [each for each in waiting if each[0] <= now]:
            waiting.remove((due, channel))
            control.on_subscribed(channel)
        while (command := control.next_command(now)) is not None:
            if not limiter.try_acquire(CONTROL_KEY):
                break
            control.sent(command, now)
            sent.append(now)
            waiting.append((now + 0.8, command.channel))
            most = max(most, control.in_flight)
        clock.ns += 20_000_000
    assert most == 35
    for i, at in enumerate(sent):
        assert sum(at <= later < at + 60.0 for later in sent[i:]) <= 200
    assert sent[-1] < 3 * 60.0  # and it does not take longer than it must


def test_x_24_a_burst_leaves_at_once_and_the_rest_at_the_steady_rate(run):
    async def scenario():
        async with venue() as lighter, client(lighter) as data:
            stream_names = [f"candle/{n}/1m" for n in range(52)]
            data.subscribe_height(print)
            await lighter.until(lambda: len(lighter.frames) >= 1)
            began = time.monotonic()
            for name in stream_names:
                data.streams[0].subscribe(name)
            await lighter.until(lambda: len(lighter.frames) >= 52)
            # 50 at once, then one each 0.3 s.
            assert lighter.times[51] - began > 0.3

    run(scenario())


@pytest.mark.parametrize("change", [{"trades": None}, {"liquidation_trades": None}, {}])
def test_x_36_missing_and_null_lists_are_empty(run, change):
    frame = {**FRAMES["trade"], "trades": None, "nonce": None, **change}
    if not change:
        del frame["trades"], frame["liquidation_trades"]

    async def scenario():
        async with venue() as lighter:
            lighter.answers = typed(frame)
            events = []
            async with client(lighter, on_status=events.append) as data:
                trades = []
                subscription = data.subscribe_trades(ETH, trades.append)
                await subscription.active()
                await lighter.send(FRAMES["trade"])
                await until(lambda: len(trades) == 2)
            assert not [e for e in events if isinstance(e, ErrorEvent)]

    run(scenario())


def test_x_37_kinds_of_trades_we_do_not_know_are_no_market_trades(run):
    odd = json.loads(json.dumps(FRAMES["trade"]))
    odd["trades"][0]["type"] = "gift"

    async def scenario():
        async with venue() as lighter:
            lighter.answers = typed(odd)
            async with client(lighter) as data:
                plain, everything = [], []
                await data.subscribe_trades(ETH, plain.append).active()
                await until(lambda: data.streams[0].control.in_flight == 0)
                data.subscribe_trades(ETH, everything.append, include_non_market=True)
                await lighter.send(odd)
                await until(lambda: len(everything) == 2)
                assert [t.trade_id for t in plain] == [16164557907, 16164557907][: len(plain)]
                assert [t.is_market for t in everything] == [True, False]

    run(scenario())


def test_x_45_no_quote_from_a_one_sided_ticker(run_any):
    one_sided = json.loads(json.dumps(FRAMES["ticker"]))
    one_sided["ticker"]["a"] = {"price": "", "size": ""}

    async def scenario():
        async with venue() as lighter:
            lighter.answers = typed(FRAMES["ticker"])
            async with client(lighter) as data:
                seen = []
                data.subscribe_quotes(
                    ETH,
                    lambda quote: seen.append((quote.bid, quote.ask)),
                    on_empty_side=lambda *sides: seen.append(sides[1:]),
                )
                await until(lambda: len(seen) == 1)
                await lighter.send(one_sided)
                await lighter.send(FRAMES["ticker"])
                await until(lambda: len(seen) == 3)
                both = (Decimal("2000.50"), Decimal("2341.25"))
                assert seen == [both, (True, False), both]

    run_any(scenario())


START_MS = 1_778_820_000_000


def minute_of(bar):
    return (bar.ts_open // 1_000_000 - START_MS) // 60_000


def candle(minute, close):
    bar = {**FRAMES["candle"]["candles"][0], "t": START_MS + minute * 60_000, "c": close}
    return {**FRAMES["candle"], "candles": [bar]}


def test_x_46_closed_bars_once_and_older_ones_never(run_any):
    async def scenario():
        async with venue() as lighter:
            lighter.answers = typed(candle(100, 2263.97))
            async with client(lighter) as data:
                closed, every = [], []
                await data.subscribe_candles(ETH, "1m", closed.append).active()
                data.subscribe_candles(ETH, "1m", every.append, closed_only=False)
                for minute, close in ((100, 2264), (101, 2264.01), (99, 1), (101, 2264.02)):
                    await lighter.send(candle(minute, close))
                await lighter.send(candle(102, 2264.3))
                await until(lambda: len(closed) == 2)
                assert [(minute_of(b), b.close) for b in closed] == [
                    (100, Decimal("2264.00")), (101, Decimal("2264.02")),
                ]  # fmt: skip
                assert all(b.is_closed for b in closed)
                assert [b.is_closed for b in every] == [
                    False, True, False, False, True, False,
                ]  # fmt: skip
                assert lighter.commands() == ["subscribe candle/0/1m"]

    run_any(scenario())


def test_x_46_a_bar_that_ended_while_the_connection_was_down_is_reported(run):
    async def scenario():
        async with venue() as lighter:
            lighter.answers = typed(candle(100, 2263.97))
            events = []
            async with client(lighter, on_status=events.append) as data:
                closed = []
                await data.subscribe_candles(ETH, "1m", closed.append).active()
                lighter.answers = typed(candle(103, 2260))
                await lighter.sockets[-1].close()
                await lighter.until(lambda: len(lighter.commands()) == 2)
                await lighter.send(candle(104, 2261))
                await until(lambda: len(closed) == 1)
                assert minute_of(closed[0]) == 103
                dropped = [e for e in events if isinstance(e, DataDropped)]
                assert [(e.count, ETH in e.what) for e in dropped] == [(1, True)]

    run(scenario())


def test_x_47_after_a_shutdown_frame_the_client_comes_back(run_any):
    async def scenario():
        async with venue() as lighter:
            lighter.answers = typed(book_frame("subscribed", 7, 0, asks=[("2001.00", "1.0000")]))
            events = []
            async with client(lighter, on_status=events.append) as data:
                data.subscribe_book(ETH, lambda book: None)
                await until(lambda: data.book(ETH) is not None)
                await lighter.send({"type": "shutdown", "close_in_ms": 10})
                await lighter.sockets[-1].close(code=1001)
                await until(lambda: data.book(ETH) is None)
                await until(lambda: data.book(ETH) is not None)
                assert len(lighter.sockets) == 2
                assert lighter.commands() == ["subscribe order_book/0"] * 2
                (back,) = [e for e in events if isinstance(e, Reconnected)]
                assert back.streams == ("order_book/0",)

    run_any(scenario())


def test_x_47_a_shutdown_that_is_not_carried_out_is(run, monkeypatch):
    monkeypatch.setattr("connectors.lighter.public_stream.SHUTDOWN_GRACE_S", 0.05)

    async def scenario():
        async with venue() as lighter, client(lighter) as data:
            await data.subscribe_height(print).active()
            await lighter.send({"type": "shutdown", "close_in_ms": 10})
            await lighter.until(lambda: lighter.commands() == ["subscribe height"] * 2)

    run(scenario())


def test_x_48_no_resubscribe_for_a_book_that_was_given_up(run_any):
    async def scenario():
        limiter = RateLimiter()
        async with venue() as lighter, client(lighter, limiter=limiter) as data:
            lighter.answers = lambda frame: []
            subscription = data.subscribe_book(ETH, lambda book: None)
            await lighter.until(lambda: len(lighter.commands()) == 1)
            await lighter.send(book_frame("subscribed", 7, 0))
            await until(lambda: data.book(ETH) is not None)
            # Neither the unsubscribe nor the subscribe of the resync can leave yet.
            limiter.hold(CONTROL_KEY, 60.0)
            await lighter.send(book_frame("update", 20, 15))
            await until(lambda: data.book(ETH) is None)
            subscription.cancel()
            limiter._held_until_ns.clear()
            data.streams[0].pump()
            data.subscribe_height(print)
            await lighter.until(lambda: "subscribe height" in lighter.commands())
            assert lighter.commands() == [
                "subscribe order_book/0", "unsubscribe order_book/0", "subscribe height",
            ]  # fmt: skip

    run_any(scenario())


def shuffled(value, rng):
    """The same value with its keys in another order and strangers among them."""
    if isinstance(value, list):
        return [shuffled(each, rng) for each in value]
    if not isinstance(value, dict):
        return value
    items = [(key, shuffled(each, rng)) for key, each in value.items()]
    rng.shuffle(items)
    items.insert(rng.randrange(len(items) + 1), ("a_new_key", [{"x": None}, "\\u20ac", -1e9]))
    return dict(items)


def test_x_54_keys_in_any_order_with_strangers_among_them(run):
    kinds = ("order_book", "order_book_update", "ticker", "trade", "market_stats", "candle")

    async def scenario(rng):
        seen = []
        async with venue() as lighter, client(lighter) as data:
            for subscribe in (
                data.subscribe_book_deltas,
                data.subscribe_quotes,
                data.subscribe_trades,
                data.subscribe_mark_price,
                data.subscribe_tickers,
            ):
                subscribe(ETH, lambda event: seen.append(repr(event)))
            data.subscribe_candles(ETH, "1m", lambda b: seen.append(repr(b)), closed_only=False)
            await lighter.until(lambda: len(lighter.commands()) == 5)
            for kind in kinds:
                frame = FRAMES[kind]
                await lighter.send(shuffled(frame, rng) if rng else frame)
            await lighter.send({"type": "update/height", "channel": "height"})
            await until(lambda: len(seen) == 8)
        return seen

    plain = run(scenario(None))
    for seed in range(4):
        assert run(scenario(random.Random(seed))) == plain


# ---- errors of section 6.6 ----------------------------------------------------------------------


def test_30003_counts_as_subscribed_and_a_book_without_a_snapshot_is_renewed(run):
    async def scenario():
        async with venue() as lighter:
            already = {"error": {"code": 30003, "message": "Already Subscribed to : order_book:0"}}

            def answers(frame):
                lighter.answers = typed(book_frame("subscribed", 7, 0))
                return [already]

            lighter.answers = answers
            async with client(lighter, settings={"ws_timeout_s": 1.5}) as data:
                subscription = data.subscribe_book(ETH, lambda book: None)
                await subscription.active()
                await until(lambda: data.book(ETH) is not None)
                assert lighter.commands() == [
                    "subscribe order_book/0", "unsubscribe order_book/0", "subscribe order_book/0",
                ]  # fmt: skip

    run(scenario())


def test_30005_ends_the_subscription_and_tells_the_user(run_any):
    async def scenario():
        async with venue() as lighter:
            invalid = {"error": {"code": 30005, "message": "Invalid Channel"}}
            lighter.answers = lambda frame: (
                [invalid] if frame["channel"] == "height" else lighter.acknowledge(frame)
            )
            async with client(lighter) as data:
                good = data.subscribe_quotes(ETH, print)
                bad = data.subscribe_height(print)
                with pytest.raises(VenueError, match="Invalid Channel"):
                    await bad.active()
                await good.active()
                assert bad.state is StreamState.REFUSED
                assert bad.error.code == 30005
                # Wished for again it is asked for again.
                lighter.answers = lighter.acknowledge
                await data.subscribe_height(print).active()

    run_any(scenario())


def test_30010_slows_down_and_asks_again(run, monkeypatch):
    monkeypatch.setitem(
        __import__("connectors.lighter.control", fromlist=["_PAUSES_S"])._PAUSES_S, 30010, 0.1
    )

    async def scenario():
        async with venue() as lighter:
            refused = []

            def answers(frame):
                if not refused:
                    refused.append(frame)
                    return [{"error": {"code": 30010, "message": "Too Many Inflight Messages!"}}]
                return lighter.acknowledge(frame)

            lighter.answers = answers
            async with client(lighter) as data:
                await data.subscribe_quotes(ETH, print).active()
                assert lighter.commands() == ["subscribe ticker/0"] * 2
                assert lighter.times[1] - lighter.times[0] >= 0.1

    run(scenario())


def test_an_error_about_nothing_is_reported_and_touches_nothing(run):
    async def scenario():
        async with venue() as lighter:
            events = []
            async with client(lighter, on_status=events.append) as data:
                subscription = data.subscribe_quotes(ETH, print)
                await subscription.active()
                await lighter.send({"error": {"code": 21104, "message": "invalid nonce"}})
                await lighter.send({"error": {"message": "something odd"}})
                await lighter.send({"type": "error", "code": 30000, "message": "Invalid Json"})
                await until(lambda: len([e for e in events if isinstance(e, ErrorEvent)]) == 3)
                assert subscription.is_active

    run(scenario())
