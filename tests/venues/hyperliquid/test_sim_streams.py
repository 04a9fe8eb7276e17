"""The websocket: subscriptions, snapshots, public channels, posts, refusals (4 and 15.2)."""

from __future__ import annotations

import base64
import json
import zlib

import pytest
from venues.hyperliquid.sim_wallet import BTC, ETH, START_MS, cloid, limit, mine, updates, venue

USER_TYPES = [
    ("orderUpdates", {}),
    ("userEvents", {}),
    ("userFills", {}),
    ("userFundings", {}),
    ("userNonFundingLedgerUpdates", {}),
    ("userHistoricalOrders", {}),
    ("userTwapSliceFills", {}),
    ("userTwapHistory", {}),
    ("openOrders", {"dex": ""}),
    ("clearinghouseState", {"dex": ""}),
    ("allDexsClearinghouseState", {}),
    ("spotState", {}),
    ("twapStates", {"dex": ""}),
    ("activeAssetData", {"coin": "ETH"}),
    ("webData2", {}),
    ("webData3", {}),
    ("notification", {}),
]
SNAPSHOTS = {
    "userFills": "fills",
    "userFundings": "fundings",
    "userNonFundingLedgerUpdates": "nonFundingLedgerUpdates",
    "userHistoricalOrders": "orderHistory",
    "userTwapSliceFills": "twapSliceFills",
    "userTwapHistory": "history",
}
NO_SNAPSHOT = {"orderUpdates", "userEvents", "notification"}


@pytest.mark.parametrize(("kind", "extra"), USER_TYPES, ids=lambda value: str(value))
def test_user_channels_begin_as_they_should(run, kind, extra):
    async def main():
        async with venue() as at, at.listen() as ear:
            user = "0x" + at.me.address[2:].upper()  # any case, answered in lower case
            subscription = {"type": kind, "user": user, **extra}
            await ear.send({"method": "subscribe", "subscription": subscription})
            ack, *rest = await ear.quiet()
            assert ack["channel"] == "subscriptionResponse"
            assert ack["data"]["method"] == "subscribe"
            assert ack["data"]["subscription"] == {**subscription, "user": at.me.address}
            if kind in NO_SNAPSHOT:
                assert rest == []
                return
            (first,) = rest
            assert first["channel"] == kind
            if kind in SNAPSHOTS:
                assert first["data"] == {
                    "isSnapshot": True,
                    "user": at.me.address,
                    SNAPSHOTS[kind]: [],
                }

    run(main())


def test_the_fills_snapshot_holds_what_was_missed(run):
    async def main():
        async with venue() as at:
            await at.other.rest(ETH, False, "3000", "1")
            await at.me.order(limit(ETH, True, "3000", "0.4"))
            await at.me.order(limit(ETH, True, "3000", "0.5"))
            async with at.listen() as ear:
                await ear.subscribe("userFills", user=at.me.address)
                snapshot = await ear.channel("userFills")
                assert [fill["sz"] for fill in snapshot["fills"]] == ["0.5", "0.4"]
                assert snapshot["isSnapshot"] is True
                await at.me.order(limit(ETH, True, "3000", "0.1"))
                later = await ear.channel("userFills")
                assert [fill["sz"] for fill in later["fills"]] == ["0.1"]
                assert not later.get("isSnapshot")

    run(main())


def test_one_fill_on_every_channel(run):
    async def main():
        async with venue() as at:
            channels = mine(at.me, "orderUpdates", "userEvents", "userFills", "spotState")
            await at.other.order(*(limit(ETH, False, px, "1") for px in ("3000", "3001")))
            async with at.listen(*channels) as ear:
                await ear.quiet()
                order = limit(ETH, True, "3001", "2", cloid=cloid(3))
                (status,) = await at.me.order(order)
                oid = status["filled"]["oid"]
                names = [frame["channel"] for frame in await ear.quiet()]
                assert names == ["orderUpdates", "userFills", "user", "spotState"]
                by_name = {frame["channel"]: frame.get("data") for frame in ear.frames}
                (entry,) = by_name["orderUpdates"]  # no `open` for what trades at once
                assert (entry["status"], entry["order"]["sz"]) == ("filled", "0.0")
                assert entry["order"]["cloid"] == cloid(3)
                assert by_name["user"]["fills"] == by_name["userFills"]["fills"]
                assert [f["oid"] for f in by_name["user"]["fills"]] == [oid, oid]
                starts = [f["startPosition"] for f in by_name["user"]["fills"]]
                assert starts == ["0.0", "1.0"]

    run(main())


def test_switches_of_the_order_stream(run):
    async def main():
        frames_first = ("userFills", "user", "orderUpdates")
        settings = {
            "frame_order": frames_first,
            "open_before_fill": True,
            "open_on_partial": True,
            "ioc_remainder": "iocCancelRejected",
        }
        async with venue(**settings) as at:
            maker = await at.other.rest(ETH, False, "3000", "1")
            async with (
                at.listen(*mine(at.me, "orderUpdates", "userFills")) as ear,
                at.listen(*mine(at.other, "orderUpdates")) as theirs,
            ):
                await ear.quiet()
                (status,) = await at.me.order(limit(ETH, True, "3000", "0.4"))
                taker = status["filled"]["oid"]
                frames = await ear.quiet()
                assert [f["channel"] for f in frames] == ["userFills", "orderUpdates"]
                assert updates(frames) == [("open", taker), ("filled", taker)]
                frames = await theirs.quiet()
                assert updates(frames) == [("open", maker)]
                assert frames[0]["data"][0]["order"]["sz"] == "0.6"
                (status,) = await at.me.order(limit(ETH, True, "3000", "1", "Ioc"))
                ended = updates(await ear.quiet())[-1]
                assert ended == ("iocCancelRejected", status["filled"]["oid"])

    run(main())


def test_rejections_may_be_streamed(run):
    async def main():
        async with venue() as at, at.listen(*mine(at.me, "orderUpdates")) as ear:
            await at.me.order(limit(ETH, True, "3000", "1", "Ioc"))
            ((status, oid),) = updates(await ear.quiet())
            assert status == "iocCancelRejected"
            assert await at.me.order_status(oid) == "iocCancelRejected"
            at.sim.configure(stream_rejections=False)
            await at.me.order(limit(ETH, True, "3000", "1", "Ioc"))
            assert await ear.quiet() == []

    run(main())


def test_aggregated_fills(run):
    async def main():
        async with venue() as at:
            await at.other.order(*(limit(ETH, False, px, "1") for px in ("3000", "3001")))
            async with at.listen() as ear:
                await ear.subscribe("userFills", user=at.me.address, aggregateByTime=True)
                await ear.quiet()
                await at.me.order(limit(ETH, True, "3001", "2"))
                (fill,) = (await ear.channel("userFills"))["fills"]
                assert (fill["px"], fill["sz"]) == ("3000.5", "2.0")

    run(main())


# -- subscriptions ---------------------------------------------------------------------------


def test_acknowledgements_have_defaults_filled_in(run):
    async def main():
        async with venue() as at, at.listen() as ear:
            await ear.send(
                {"method": "subscribe", "subscription": {"type": "l2Book", "coin": "BTC"}}
            )
            full = {
                "type": "l2Book",
                "coin": "BTC",
                "nSigFigs": None,
                "mantissa": None,
                "fast": False,
            }
            ack = (await ear.next())["data"]
            assert ack == {"method": "subscribe", "subscription": full}
            await ear.send({"method": "subscribe", "subscription": full})
            text = await ear.channel("error")
            assert text.startswith("Already subscribed: ")
            assert json.loads(text.removeprefix("Already subscribed: ")) == full
            bare = {"type": "l2Book", "coin": "BTC"}
            await ear.send({"method": "unsubscribe", "subscription": bare})
            ack = await ear.channel("subscriptionResponse")
            assert ack == {"method": "unsubscribe", "subscription": full}
            await ear.send({"method": "unsubscribe", "subscription": bare})
            assert (await ear.channel("error")).startswith("Already unsubscribed: ")
            await at.other.rest(BTC, False, "66000", "1")
            await at.sim.advance(6)
            assert await ear.quiet() == []

    run(main())


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (
            {
                "method": "subscribe",
                "subscription": {"type": "candle", "coin": "BTC", "interval": "7m"},
            },
            'Invalid subscription {"type":"candle","coin":"BTC","interval":"7m"}',
        ),
        (
            {"method": "subscribe", "subscription": {"type": "orderUpdates"}},
            "Invalid subscription ",
        ),
        (
            {"method": "subscribe", "subscription": {"type": "bbo", "coin": ["BTC", "ETH"]}},
            "Error parsing JSON into valid websocket request: ",
        ),
        (
            {"method": "post", "request": {"type": "info", "payload": {"type": "meta"}}},
            "Error parsing JSON into valid websocket request: ",
        ),
        ({"method": "nonsense"}, "Error parsing JSON into valid websocket request: "),
        ("{", "Error parsing JSON into valid websocket request: {"),
    ],
)
def test_refused_requests(run, frame, text):
    async def main():
        async with venue() as at, at.listen() as ear:
            await ear.send(frame)
            assert (await ear.channel("error")).startswith(text)
            await ear.send({"method": "ping"})
            assert await ear.next() == {"channel": "pong"}

    run(main())


@pytest.mark.parametrize(
    "subscription",
    [
        {"type": "bbo", "coin": "btc"},
        {"type": "trades", "coin": "NOPE"},
        {"type": "allMids", "dex": "nope"},
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 9},
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 4, "mantissa": 2},
    ],
)
def test_an_unknown_coin_drops_the_whole_socket(run, subscription):
    async def main():
        async with venue() as at, at.listen() as ear:
            await ear.send({"method": "subscribe", "subscription": subscription})
            await ear.quiet()
            await at.sim.advance(0.15)
            assert await ear.ended() in (None, 1006)
        async with venue(unknown_coin_drops=False) as at, at.listen() as ear:
            await ear.send({"method": "subscribe", "subscription": subscription})
            assert (await ear.channel("error")).startswith("Invalid subscription")

    run(main())


def test_a_silent_socket_is_closed_and_a_pinged_one_is_not(run):
    async def main():
        async with venue() as at, at.listen() as silent, at.listen() as awake:
            for _ in range(7):
                await at.sim.advance(10)
                await awake.quiet()
            assert await silent.ended() == 1000
            assert await awake.quiet() == []

    run(main())


def test_the_greeting(run):
    async def main():
        async with venue(greeting=True) as at, at.listen() as ear:
            assert await ear.next() == {"text": "Websocket connection established."}

    run(main())


# -- public channels -------------------------------------------------------------------------


def test_books_come_by_the_clock(run):
    async def main():
        async with venue(levels=30) as at, at.listen() as slow, at.listen() as fast:
            await slow.subscribe("l2Book", coin="BTC")
            await fast.subscribe("l2Book", coin="BTC", fast=True)
            await at.sim.advance(5.4)
            deep, quick = await slow.quiet(), await fast.quiet()
            assert [len(side) for side in deep[0]["data"]["levels"]] == [20, 20]
            assert [len(side) for side in quick[0]["data"]["levels"]] == [5, 5]
            assert len(deep) <= 3 < 10 <= len(quick) <= 12
            level = deep[0]["data"]["levels"][0][0]
            assert sorted(level) == ["n", "px", "sz"]

    run(main())


def test_books_of_fewer_figures(run):
    async def main():
        async with venue() as at, at.listen() as ear:
            await at.other.order(
                *(limit(BTC, True, px, "1") for px in ("64991", "64999", "64985")),
                *(limit(BTC, False, px, "1") for px in ("65001", "65011")),
            )
            await ear.subscribe("l2Book", coin="BTC", nSigFigs=4)
            book = await ear.channel("l2Book")
            rows = [[(row["px"], row["sz"], row["n"]) for row in side] for side in book["levels"]]
            assert rows[0] == [("64990.0", "2.0", 2), ("64980.0", "1.0", 1)]
            assert rows[1] == [("65010.0", "1.0", 1), ("65020.0", "1.0", 1)]

    run(main())


def test_bbo_once_per_change(run):
    async def main():
        async with venue(block_ms=70) as at, at.listen() as ear:
            await ear.subscribe("bbo", coin="ETH")
            assert (await ear.channel("bbo"))["bbo"] == [None, None]
            oid = await at.other.rest(ETH, True, "2900", "1")
            await at.other.rest(ETH, True, "2800", "1")
            await at.sim.advance(0.2)
            (frame,) = await ear.quiet()
            best = frame["data"]["bbo"]
            assert best == [{"px": "2900.0", "sz": "1.0", "n": 1}, None]
            await at.other.rest(ETH, True, "2801", "1")  # below the best: nothing new
            await at.sim.advance(0.2)
            assert await ear.quiet() == []
            await at.other.cancel(ETH, oid)
            await at.sim.advance(0.2)
            (frame,) = await ear.quiet()
            assert frame["data"]["bbo"][0]["px"] == "2801.0"

    run(main())


def test_trades_begin_with_history(run):
    async def main():
        async with venue() as at, at.listen() as ear:
            await at.other.rest(ETH, False, "3000", "1")
            await at.me.order(limit(ETH, True, "3000", "0.3"))
            await ear.subscribe("trades", coin="ETH")
            await ear.subscribe("candle", coin="ETH", interval="1m")
            (old,) = next(f["data"] for f in ear.frames if f["channel"] == "trades")
            assert old["users"] == [at.me.address, at.other.address]
            await at.me.order(limit(ETH, True, "3000", "0.2"))
            frames = await ear.quiet()
            (trade,) = next(f["data"] for f in frames if f["channel"] == "trades")
            assert (trade["side"], trade["px"], trade["sz"]) == ("B", "3000.0", "0.2")
            candle = [f["data"] for f in frames if f["channel"] == "candle"][-1]
            assert (candle["s"], candle["i"], candle["v"], candle["n"]) == ("ETH", "1m", "0.5", 2)
            start = START_MS // 60_000 * 60_000
            assert (candle["t"], candle["T"]) == (start, start + 59_999)
            request = {"coin": "ETH", "interval": "5m", "startTime": 0, "endTime": START_MS}
            (folded,) = await at.me.info("candleSnapshot", req=request)
            assert folded["v"] == "0.5"
            recent = await at.me.info("recentTrades", coin="ETH")
            assert [row["sz"] for row in recent] == ["0.2", "0.3"]

    run(main())


def test_contexts_and_mids(run):
    async def main():
        async with venue(levels=5) as at, at.listen() as ear:
            wanted = {
                "activeAssetCtx": {"coin": "ETH"},
                "allMids": {},
                "assetCtxs": {"dex": "xyz"},
                "allDexsAssetCtxs": {},
                "spotAssetCtxs": {},
                "fastAssetCtxs": {},
            }
            for kind, extra in wanted.items():
                await ear.subscribe(kind, **extra)
            await ear.subscribe("activeAssetCtx", coin="@107")
            await ear.quiet()
            data = {frame["channel"]: frame.get("data") for frame in ear.frames}
            ctx = data["activeAssetCtx"]["ctx"]
            assert {"funding", "openInterest", "oraclePx", "markPx", "midPx", "impactPxs"} <= set(
                ctx
            )
            assert data["activeSpotAssetCtx"]["coin"] == "@107"
            assert data["allMids"]["mids"]["@107"]
            assert len(data["assetCtxs"]["ctxs"]) == 2
            assert [dex for dex, _ in data["allDexsAssetCtxs"]["ctxs"]] == ["", "test", "xyz"]
            raw = zlib.decompress(base64.b64decode(data["fastAssetCtxs"]), wbits=-15)
            assert json.loads(raw)["BTC"]["markPx"] == "65000.0"
            await at.sim.advance(2.5)
            names = [frame["channel"] for frame in await ear.quiet()]
            assert names.count("activeAssetCtx") in (2, 3)

    run(main())


# -- posts -----------------------------------------------------------------------------------


def post(number, kind, payload):
    return {"method": "post", "id": number, "request": {"type": kind, "payload": payload}}


def test_posts(run):
    async def main():
        async with venue() as at, at.listen() as ear:
            await ear.send(post(1, "info", {"type": "l2Book", "coin": "ETH"}))
            reply = await ear.channel("post")
            assert reply["id"] == 1
            assert reply["response"]["type"] == "info"
            assert reply["response"]["payload"]["type"] == "l2Book"
            assert reply["response"]["payload"]["data"]["coin"] == "ETH"
            await ear.send(post(7, "info", {"type": "l2Book", "coin": "NOPE"}))
            reply = await ear.channel("post")
            assert reply["response"]["payload"] == {"type": "l2Book", "data": None}
            orders = [limit(ETH, True, "2900", "1"), limit(ETH, True, "2900", "0.001")]
            action = {"type": "order", "orders": orders, "grouping": "na"}
            await ear.send(post(2**63, "action", at.me.l1(action)))
            reply = await ear.channel("post")
            assert reply["id"] == 2**63
            first, second = reply["response"]["payload"]["response"]["data"]["statuses"]
            assert "resting" in first
            assert "minimum value" in second["error"]
            body = at.me.l1({"type": "noop"})
            body["nonce"] += 1
            await ear.send(post(3, "action", body))
            reply = await ear.channel("post")
            assert reply["response"]["type"] == "action"
            assert reply["response"]["payload"]["status"] == "err"
            for number, payload in ((4, {"type": "nope"}), (5, {"type": "orderStatus"})):
                await ear.send(post(number, "info", payload))
                reply = await ear.channel("post")
                assert reply["response"]["type"] == "error"
                assert reply["response"]["payload"].startswith("422")
            await ear.send(post(6, "action", {"action": {"type": "order"}}))
            assert (await ear.channel("post"))["response"]["type"] == "error"

    run(main())
