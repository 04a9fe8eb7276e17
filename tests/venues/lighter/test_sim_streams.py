"""The Lighter simulator over its websocket: channels, transactions, limits (sections 4, 7)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from venues.lighter.sim_client import (
    START_MS,
    Client,
    connected,
    limit,
    running,
    wired,
)

from patience import GRACE_S

Run = Callable[..., Any]


# -- websocket -----------------------------------------------------------------------------------


def test_subscribe_and_its_refusals(run_any: Run) -> None:
    async def body() -> None:
        async with wired() as (client, wire):
            token, account = client.tokens[0], client.traders[0].account
            assert (await wire.subscribe("order_book/0"))["channel"] == "order_book:0"
            again = await wire.subscribe("order_book/0")
            assert again["error"] == {
                "code": 30003, "message": "Already Subscribed to : order_book:0"
            }  # fmt: skip
            for channel in ("order_book/9", "order_book", "candle/0/1w", "nope", "user_stats/1x"):
                assert (await wire.subscribe(channel))["error"]["code"] == 30005, channel
            channel = f"account_all_orders/{account}"
            missing = await wire.subscribe(channel)
            assert missing["error"]["message"].endswith(
                f"auth field is required: account_all_orders:{account}"
            )
            other = await wire.subscribe(channel, client.tokens[1])
            assert other["error"]["code"] == 20001
            late = client.traders[0].token(client.sim.clock.now_ms() // 1000 - 1)
            assert "expired" in (await wire.subscribe(channel, late))["error"]["message"]
            assert (await wire.subscribe(channel, token))["orders"] == {}
            await wire.send(type="unsubscribe", channel=channel)
            assert (await wire.receive())["channel"] == f"account_all_orders:{account}"
            await wire.send(type="unsubscribe", channel=channel)
            assert (await wire.receive())["error"]["code"] == 30002
            await wire.send(type="ping")
            assert await wire.receive() == {"type": "pong"}
            await wire.ws.send_str("{")
            assert (await wire.receive())["error"]["code"] == 30000
            await wire.send(type="what")
            assert (await wire.receive())["error"]["code"] == 30001
            await wire.ws.send_str("[]")
            assert (await wire.receive())["error"]["code"] == 30001

    run_any(body())


def test_every_channel_has_a_first_frame(run: Run) -> None:
    async def body() -> None:
        async with wired("still") as (client, wire):
            account, token = client.traders[0].account, client.tokens[0]
            channels = [
                "order_book/0", "ticker/0", "trade/0", "market_stats/0", "market_stats/all",
                "spot_market_stats/2048", "spot_market_stats/all", "candle/0/1m", "height",
                "mark_price_candle/0/5m", f"account_all/{account}",
            ]  # fmt: skip
            private = [
                "account_all_orders", "account_all_trades", "account_all_positions",
                "account_all_assets", "user_stats", "account_tx", "account_orders/0",
                "account_market/0",
            ]  # fmt: skip
            for channel in channels + [f"{name}/{account}" for name in private]:
                frame = await wire.subscribe(channel, token)
                expected = channel.replace("/", ":")
                if channel.startswith("account_market"):
                    expected = channel
                assert frame["channel"] == expected, frame

    run(body())


@pytest.mark.parametrize("batch_ms", [0.0, 50.0])
def test_book_frames_chain_and_add_up(run: Run, batch_ms: float) -> None:
    """Snapshot and updates applied give the venue's book; begin_nonce follows nonce (6.4)."""

    async def body() -> None:
        async with wired("calm", rate_per_s=2_000.0, book_batch_ms=batch_ms) as (client, wire):
            first = (await wire.subscribe("order_book/0"))["order_book"]
            assert first["begin_nonce"] == 0
            book = {side: {x["price"]: x["size"] for x in first[side]} for side in ("asks", "bids")}
            nonce, offset, updates = first["nonce"], first["offset"], 0
            contiguous = True
            while updates < 20:
                frame = await wire.until("update/order_book")
                update = frame["order_book"]
                assert update["begin_nonce"] == nonce
                assert update["nonce"] > nonce
                contiguous = contiguous and update["offset"] == offset + 1
                assert update["offset"] > offset
                nonce, offset = update["nonce"], update["offset"]
                for side in ("asks", "bids"):
                    for level in update[side]:
                        if float(level["size"]) == 0:
                            book[side].pop(level["price"], None)
                        else:
                            book[side][level["price"]] = level["size"]
                updates += 1
                if updates == 20:
                    # The next frames are still on their way: look at the venue's present nonce.
                    client.sim.configure(rate_per_s=0.0)
            market = client.sim.exchange.markets[0]
            async with asyncio.timeout(GRACE_S):
                while nonce < market.nonce:
                    update = (await wire.until("update/order_book"))["order_book"]
                    assert update["begin_nonce"] == nonce
                    nonce = update["nonce"]
                    for side in ("asks", "bids"):
                        for level in update[side]:
                            if float(level["size"]) == 0:
                                book[side].pop(level["price"], None)
                            else:
                                book[side][level["price"]] = level["size"]
            assert not contiguous
            real = client.sim.exchange.engine.book("0")
            for side, levels in (("asks", real.asks()), ("bids", real.bids())):
                assert book[side] == {market.price(p): market.size(s) for p, s in levels}

    run(body(), timeout_s=20)


def test_a_second_subscriber_does_not_break_the_first_ones_chain(run: Run) -> None:
    async def body() -> None:
        async with wired(book_batch_ms=40.0) as (client, one), connected(client) as two:
            nonce = (await one.subscribe("order_book/0"))["order_book"]["nonce"]
            client.sim.house_order(0, "buy", price="2300.00", size="1.0000")
            snapshot = (await two.subscribe("order_book/0"))["order_book"]
            assert snapshot["bids"] == [{"price": "2300.00", "size": "1.0000"}]
            client.sim.house_order(0, "buy", price="2301.00", size="1.0000")
            first = (await one.until("update/order_book"))["order_book"]
            second = (await one.until("update/order_book"))["order_book"]
            assert [first["begin_nonce"], second["begin_nonce"]] == [nonce, first["nonce"]]
            theirs = (await two.until("update/order_book"))["order_book"]
            assert theirs["begin_nonce"] == snapshot["nonce"]
            assert theirs["nonce"] == second["nonce"]

    run(body())


async def follow_account(client: Client, wire: Any, number: int = 0) -> list[str]:
    names = [
        "account_all_orders", "account_all_trades", "account_all_positions", "account_all_assets",
        "user_stats", "account_tx",
    ]  # fmt: skip
    for name in names:
        await wire.subscribe(f"{name}/{client.traders[number].account}", client.tokens[number])
    return names


def test_account_streams_tell_an_orders_life(run_any: Run) -> None:
    async def body() -> None:
        async with wired() as (client, wire):
            account = client.traders[0].account
            await follow_account(client, wire)
            info, digest = client.traders[0].sign(14, limit(236_131, 50, ClientOrderIndex=77))
            answer = await wire.tx(14, info, id="a1")
            assert (answer["id"], answer["code"], answer["tx_hash"]) == ("a1", 200, digest)
            assert answer["volume_quota_remaining"] == 1000
            frame = await wire.until("update/account_all_orders")
            (row,) = frame["orders"]["0"]
            assert (row["client_order_id"], row["status"]) == ("77", "open")
            tx = (await wire.until("update/account_tx"))["txs"][0]
            assert (tx["hash"], tx["status"]) == (digest, 2)
            assert json.loads(tx["event_info"])["ae"] == ""
            wire.others.clear()
            client.sim.house_order(0, "sell", price="2361.31", size="0.0050", take=True)
            stats = await wire.until("update/user_stats")
            kinds = [frame["type"] for frame in wire.others]
            assert kinds == [
                "update/account_all_orders", "update/account_all_trades",
                "update/account_all_positions", "update/account_all_assets",
            ]  # fmt: skip
            orders, trades, positions, assets = wire.others
            assert orders["orders"]["0"][0]["status"] == "filled"
            trade = trades["trades"]["0"][0]
            assert (trade["bid_client_id"], trade["bid_account_id"]) == (77, account)
            assert (trade["is_maker_ask"], trade["maker_fee"]) == (False, 28)
            position = positions["positions"]["0"]
            assert (position["sign"], position["position"]) == (1, "0.0050")
            fee = 11_806_550 * 28 // 1_000_000
            collateral = f"{(1_000_000_000_000 - fee) / 1e6:.6f}"
            assert assets["assets"]["3"]["margin_balance"] == collateral
            assert stats["stats"]["collateral"] == collateral
            snapshot = await wire.subscribe(f"account_all/{account}")
            assert snapshot["positions"]["0"]["position"] == "0.0050"

    run_any(body())


def test_a_failure_in_the_sequencer_is_told_by_account_tx_alone(run: Run) -> None:
    """X-56: accepted, no order row, and the reason in `event_info`."""

    async def body() -> None:
        async with wired() as (client, wire):
            await follow_account(client, wire)
            order = limit(240_000, 100, ask=True, ReduceOnly=1)
            answer = await wire.tx(14, client.traders[0].sign(14, order)[0])
            assert answer["code"] == 200
            wire.others.clear()
            tx = (await wire.until("update/account_tx"))["txs"][0]
            assert tx["status"] == 0
            failure = json.loads(json.loads(tx["event_info"])["ae"])
            assert failure["code"] == 21732
            assert wire.others == []

    run(body())


SHAPES = {
    "bare": ({"type": "jsonapi/sendtx", "code": 200}, {"type", "code", "message"}),
    "hash": ({"type", "code", "tx_hash"}, {"type", "code", "message"}),
    "id": (
        {"type", "id", "code", "message", "tx_hash", "predicted_execution_time_ms",
         "volume_quota_remaining"},
        {"type", "id", "code", "message"},
    ),
    "nested": ({"type", "data"}, {"type", "data"}),
    "error_bare": (None, {"error"}),
    "error_id": (None, {"error", "id"}),
    "error_flat": (None, {"type", "code", "message"}),
}  # fmt: skip


@pytest.mark.parametrize("mode", SHAPES)
def test_shapes_of_answers(run: Run, mode: str) -> None:
    async def body() -> None:
        async with wired(ack_mode=mode) as (client, wire):
            good, bad = SHAPES[mode]
            info, digest = client.traders[0].sign(14, limit(230_000, 100))
            data = {"tx_type": 14, "tx_info": json.loads(info), "id": "x"}
            await wire.send(type="jsonapi/sendtx", data=data)
            answer = await wire.receive()
            if good is not None:
                assert (answer == good) if isinstance(good, dict) else (set(answer) == good)
            if mode == "nested":
                assert answer["data"] == {"id": "x", "code": 200, "tx_hash": digest}
            await wire.send(type="jsonapi/sendtx", data=data)
            refusal = await wire.receive()
            assert set(refusal) == bad
            parts = [refusal, refusal.get("error"), refusal.get("data")]
            assert any(isinstance(part, dict) and part.get("code") == 21104 for part in parts)

    run(body())


def test_tx_info_as_text_and_batches_by_websocket(run: Run) -> None:
    async def body() -> None:
        async with wired() as (client, wire):
            trader = client.traders[0]
            info, digest = trader.sign(14, limit(230_000, 100))
            await wire.send(type="jsonapi/sendtx", data={"tx_type": 14, "tx_info": info})
            assert (await wire.receive())["tx_hash"] == digest
            signed = [trader.sign(14, limit(230_000, 100)) for _ in range(2)]
            data = {
                "tx_types": "[14,14]", "tx_infos": json.dumps([i for i, _ in signed]), "id": "b"
            }  # fmt: skip
            await wire.send(type="jsonapi/sendtxbatch", data=data)
            answer = await wire.receive()
            assert (answer["type"], answer["id"]) == ("jsonapi/sendtxbatch", "b")
            assert answer["tx_hash"] == [digest for _, digest in signed]
            for data in (None, {}, {"tx_type": 14}, {"tx_types": "x", "tx_infos": "[]"}):
                await wire.send(type="jsonapi/sendtx", data=data)
                assert (await wire.receive())["code"] in (21501, 21505)

    run(body())


def test_pipelined_create_modify_cancel(run: Run) -> None:
    """Three transactions in one write: each finds what the one before has done."""

    async def body() -> None:
        async with wired() as (client, wire):
            trader, token = client.traders[0], client.tokens[0]
            change = {"MarketIndex": 0, "Index": 7, "BaseAmount": 200, "Price": 231_000}
            txs = [
                (14, trader.sign(14, limit(230_000, 100, ClientOrderIndex=7))[0]),
                (17, trader.sign(17, {**change, "TriggerPrice": 0})[0]),
                (15, trader.sign(15, {"MarketIndex": 0, "Index": 7})[0]),
            ]
            for kind, info in txs:
                data = {"tx_type": kind, "tx_info": json.loads(info)}
                await wire.send(type="jsonapi/sendtx", data=data)
            for _ in txs:
                assert (await wire.until("jsonapi/sendtx"))["code"] == 200
            found = await client.get("accountOrders", client_order_indexes="7", token=token)
            (row,) = found["orders"]
            assert (row["status"], row["price"]) == ("canceled", "2310.00")

    run(body())


def test_read_only_sockets(run: Run) -> None:
    async def body() -> None:
        async with running() as client, connected(client, "?readonly=true") as wire:
            assert "error" not in await wire.subscribe("order_book/0")
            account = client.traders[0].account
            refused = await wire.subscribe(f"user_stats/{account}", client.tokens[0])
            assert refused["error"]["code"] == 30006
            await wire.send(type="jsonapi/sendtx", data={})
            assert (await wire.receive())["error"]["code"] == 30006

    run(body())


def test_too_many_messages_and_requests(run: Run) -> None:
    async def body() -> None:
        async with wired(limits=True, virtual_start_ms=START_MS) as (client, wire):
            for _ in range(200):
                await wire.send(type="ping")
                assert await wire.receive() == {"type": "pong"}
            await wire.send(type="ping")
            assert (await wire.receive())["error"]["code"] == 30009
            client.sim.clock.advance(60_000_000_000)
            await wire.send(type="ping")
            assert await wire.receive() == {"type": "pong"}
            for expected in [200] * 40 + [429]:
                params = {"market_id": "0", "limit": "1"}
                url = f"{client.sim.http_url}/api/v1/recentTrades"
                async with client.http.get(url, params=params) as response:
                    assert response.status == expected
            assert response.headers["Retry-After"] == "61"

    run(body())


def test_idle_and_old_sockets_are_cut(run: Run) -> None:
    async def body() -> None:
        async with wired(virtual_start_ms=START_MS, ping_interval_s=0.0) as (client, wire):
            sim = client.sim
            sim.clock.advance(119 * 10**9)
            sim.step()
            await wire.send(type="ping")
            await wire.receive()
            sim.clock.advance(119 * 10**9)
            sim.step()
            assert len(sim.connections) == 1
            sim.clock.advance(2 * 10**9)
            sim.step()
            await wire.closed()
            assert wire.ws.close_code == 1000
        changes = {"idle_close_s": 0.0, "ping_interval_s": 0.0}
        async with wired(virtual_start_ms=START_MS, **changes) as (client, wire):
            client.sim.clock.advance(86_399 * 10**9)
            client.sim.step()
            assert len(client.sim.connections) == 1
            client.sim.clock.advance(2 * 10**9)
            client.sim.step()
            await wire.closed()
            assert wire.ws.close_code == 1001

    run(body())


def test_liquidations_are_told_apart(run: Run) -> None:
    async def body() -> None:
        async with wired() as (client, wire):
            account = client.traders[0].account
            await wire.subscribe("trade/0")
            await wire.subscribe(f"account_all_trades/{account}", client.tokens[0])
            client.sim.house_order(0, "sell", price="2300.00", size="0.0100")
            await client.send(14, limit(230_000, 100))
            assert (await wire.until("update/trade"))["liquidation_trades"] == []
            await wire.until("update/account_all_trades")
            client.sim.house_order(0, "buy", price="2200.00", size="0.0100")
            await client.admin("liquidate", account=account, market=0)
            public = await wire.until("update/trade")
            assert (public["trades"], len(public["liquidation_trades"])) == ([], 1)
            (row,) = (await wire.until("update/account_all_trades"))["trades"]["0"]
            assert (row["type"], row["ask_account_id"]) == ("liquidation", account)
            assert row["ask_account_pnl"] == "-1.000000"

    run(body())


def test_trading_tells_prices_and_candles(run: Run) -> None:
    async def body() -> None:
        async with wired(virtual_start_ms=START_MS) as (client, wire):
            ticker = await wire.subscribe("ticker/0")
            assert ticker["ticker"]["a"] == {"price": "", "size": ""}
            for channel in ("trade/0", "market_stats/0", "market_stats/all", "candle/0/1m"):
                await wire.subscribe(channel)
            client.sim.house_order(0, "sell", price="2400.00", size="1.0000")
            update = (await wire.until("update/ticker"))["ticker"]
            assert (update["a"], update["b"]["price"]) == (
                {"price": "2400.00", "size": "1.0000"}, "",
            )  # fmt: skip
            client.sim.house_order(0, "buy", price="2400.00", size="0.4000", take=True)
            trade = await wire.until("update/trade")
            assert [row["size"] for row in trade["trades"]] == ["0.4000"]
            await client.sim.advance(0.5)
            one = await wire.until("update/market_stats")
            assert one["market_stats"]["last_trade_price"] == "2400.00"
            every = await wire.until("update/market_stats")
            assert every["market_stats"]["0"]["mark_price"] == "2400.00"
            candle = await wire.until("update/candle")
            assert candle["candles"][0]["v"] == 0.4

    run(body())


def test_private_channels_end_with_their_token(run: Run) -> None:
    """10.3: a token that runs out silences; subscribing again helps only where it is renewed."""

    async def body() -> None:
        for renews in (False, True):
            changes = {"token_refresh": renews, "ping_interval_s": 0.0}
            async with wired(virtual_start_ms=START_MS, **changes) as (client, wire):
                trader, now_s = client.traders[0], START_MS // 1000
                channel = f"account_all_orders/{trader.account}"
                await wire.subscribe(channel, trader.token(now_s + 60))
                again = await wire.subscribe(channel, trader.token(now_s + 120))
                assert ("error" not in again) is renews
                client.sim.clock.advance(61 * 10**9)
                client.sim.step()
                order = limit(230_000, 100, now_ms=client.sim.clock.now_ms())
                await client.send(14, order)
                await wire.send(type="ping")
                expected = "update/account_all_orders" if renews else "pong"
                assert (await wire.receive())["type"] == expected

    run(body())


def test_load_frames(run: Run) -> None:
    async def body() -> None:
        kinds = ("order_book", "trade", "ticker")
        async with wired("load", load_frames_per_s=2_000.0, load_kinds=kinds) as (client, wire):
            nonce = (await wire.subscribe("order_book/0"))["order_book"]["nonce"]
            await wire.subscribe("trade/0")
            await wire.subscribe("ticker/0")
            seen: dict[str, int] = {}
            while min(seen.get(kind, 0) for kind in kinds) < 20:
                frame = await wire.receive() if not wire.others else wire.others.pop(0)
                kind = frame["type"].removeprefix("update/")
                seen[kind] = seen.get(kind, 0) + 1
                if kind == "order_book":
                    book = frame["order_book"]
                    assert book["nonce"] > book["begin_nonce"] == nonce
                    assert book["bids"][0]["price"] < book["asks"][0]["price"]
                    nonce = book["nonce"]
                elif kind == "trade":
                    assert frame["trades"][0]["trade_id_str"].isdigit()
            assert client.sim.load.sent >= 60

    run(body())
