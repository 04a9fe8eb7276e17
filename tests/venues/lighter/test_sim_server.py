"""The Lighter simulator as a server: admission, REST, streams (sections 4 to 7, 18.2)."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from venues.lighter.sim_client import Client, Trader, connected, limit, running, wired

from connectors.sim.lighter.config import SEED_PRIVATE_KEY, AccountSetup
from patience import GRACE_S

Run = Callable[..., Any]
START_MS = 1_777_941_383_576
SEED_PUBLIC_KEY = "2c4fbfa7d45258fb02da89eaaf8a3af8eb62106ddd86cd98886e0fadcd7fcacf6f8fd2af3ca004f5"


# -- admission (18.2.3) --------------------------------------------------------------------------


async def code_of(client: Client, tx_type: Any, info: str) -> int:
    status, body = await client.post("sendTx", {"tx_type": str(tx_type), "tx_info": info})
    assert status == (200 if body["code"] == 200 else 400)
    return int(body["code"])


def test_admission_refuses_and_changes_nothing(run: Run) -> None:
    """Each refusal has its code, uses no nonce and leaves no trace but in the record."""

    async def body() -> None:
        async with running() as client:
            trader = client.traders[0]
            order = limit(230_000, 100)
            info, _ = trader.sign(14, order, Nonce=1)
            values = json.loads(info)

            def changed(**change: Any) -> str:
                return json.dumps({**values, **change})

            past = client.sim.clock.now_ms() - 1
            wrong_chain = Trader(client.sim.accounts[0], chain_id=302)
            cases = [
                (21501, 14, "{"),
                (21501, 14, changed(Price="x")),
                (21505, 77, info),
                (21102, 14, changed(AccountIndex=99)),
                (21109, 14, changed(ApiKeyIndex=6)),
                (21501, 14, trader.sign(14, order, Nonce=1, ExpiredAt=past)[0]),
                (21104, 14, trader.sign(14, order, Nonce=0)[0]),
                (21104, 14, trader.sign(14, order, Nonce=2)[0]),
                (21120, 14, changed(Price=230_001)),
                (21120, 14, changed(AccountIndex=client.traders[1].account)),
                (21120, 14, wrong_chain.sign(14, order, Nonce=1)[0]),
                (21706, 14, trader.sign(14, limit(230_000, 10), Nonce=1)[0]),
            ]
            for code, tx_type, text in cases:
                assert await code_of(client, tx_type, text) == code, (code, text)
            assert not client.sim.exchange.txs
            nonce = await client.get("nextNonce", account_index=trader.account, api_key_index=5)
            assert nonce["nonce"] == 1
            assert await code_of(client, 14, info) == 200
            assert await code_of(client, 14, info) == 21104  # the same again

    run(body())


def test_first_fault_wins(run: Run) -> None:
    """Wrong nonce and wrong signature: the nonce is looked at first; and so on up the list."""

    async def body() -> None:
        async with running() as client:
            trader = client.traders[0]
            values = json.loads(trader.sign(14, limit(230_000, 100), Nonce=5)[0])
            values["Price"] = 1
            assert await code_of(client, 14, json.dumps(values)) == 21104
            values["ExpiredAt"] = 1
            assert await code_of(client, 14, json.dumps(values)) == 21501
            values["ApiKeyIndex"] = 9
            assert await code_of(client, 14, json.dumps(values)) == 21109
            values["AccountIndex"] = 9
            assert await code_of(client, 14, json.dumps(values)) == 21102
            assert await code_of(client, 78, json.dumps(values)) == 21505

    run(body())


@pytest.mark.parametrize("multipart", [True, False])
def test_both_form_encodings_and_the_true_hash(run: Run, *, multipart: bool) -> None:
    async def body() -> None:
        async with running() as client:
            info, digest = client.traders[0].sign(14, limit(230_000, 100))
            form = {"tx_type": "14", "tx_info": info, "price_protection": "true"}
            status, answer = await client.post("sendTx", form, multipart=multipart)
            assert (status, answer["code"], answer["tx_hash"]) == (200, 200, digest)
            tx = await client.get("tx", by="hash", value=digest)
            assert (tx["status"], tx["type"], tx["nonce"]) == (2, 14, 1)
            assert json.loads(tx["info"])["Price"] == 230_000
            assert (await client.get_raw("tx", by="hash", value="00"))[1]["code"] == 21500

    run(body())


def test_both_chains_fit_unless_only_one_may(run: Run) -> None:
    async def body() -> None:
        for chains, code in (((300, 304), 200), ((304,), 21120)):
            async with running(chain_ids=chains) as client:
                trader = client.traders[0]
                assert await code_of(client, 14, trader.sign(14, limit(230_000, 100))[0]) == code

    run(body())


def batch_form(txs: list[tuple[int, str]]) -> dict[str, str]:
    types, infos = [kind for kind, _ in txs], [info for _, info in txs]
    return {"tx_types": json.dumps(types), "tx_infos": json.dumps(infos)}


@pytest.mark.parametrize("multipart", [True, False])
def test_batches_are_taken_whole_and_executed_one_by_one(run: Run, *, multipart: bool) -> None:
    async def body() -> None:
        async with running() as client:
            trader = client.traders[0]
            signed = [
                trader.sign(14, limit(230_000 + n, 100, ClientOrderIndex=1)) for n in range(3)
            ]
            signed.append(trader.sign(15, {"MarketIndex": 0, "Index": 1}))
            form = batch_form([(14, info) for info, _ in signed[:3]] + [(15, signed[3][0])])
            status, answer = await client.post("sendTxBatch", form, multipart=multipart)
            assert status == 200
            assert answer["tx_hash"] == [digest for _, digest in signed]
            outcomes = [
                (await client.get("tx", by="hash", value=digest))["status"]
                for digest in answer["tx_hash"]
            ]
            assert outcomes == [2, 0, 0, 2]  # the client index was taken, then cancelled
            assert trader.nonce == client.sim.exchange.accounts[trader.account].keys[5].nonce

    run(body())


def test_batch_refusals(run: Run) -> None:
    async def body() -> None:
        async with running() as client:
            mine, other = client.traders

            async def code(txs: list[tuple[int, str]], **change: str) -> int:
                answer = await client.post("sendTxBatch", {**batch_form(txs), **change})
                return int(answer[1]["code"])

            def signed(trader: Trader, *nonces: int) -> list[tuple[int, str]]:
                return [(14, trader.sign(14, limit(230_000, 50), Nonce=n)[0]) for n in nonces]

            assert await code(signed(mine, 2, 3)) == 21104
            assert await code(signed(mine, 1, 1)) == 21105
            assert await code(signed(mine, 1, 3)) == 21105
            assert await code(signed(mine, 1) + signed(other, 1)) == 21121
            assert await code(signed(mine, *range(1, 52))) == 21514
            assert await code(signed(mine, 1), tx_types="[14,14]") == 21513
            assert await code([]) == 21513
            assert await code([], tx_infos="x") == 21501
            tampered = signed(mine, 1, 2)
            tampered[1] = (14, tampered[1][1].replace('"Price":230000', '"Price":230001'))
            assert await code(tampered) == 21120
            assert not client.sim.exchange.txs
            assert await code(signed(mine, *range(1, 51))) == 200

    run(body())


def test_nonces_may_jump_with_the_attribute(run: Run) -> None:
    async def body() -> None:
        async with running() as client:
            status, _ = await client.send(14, limit(230_000, 100), Nonce=40, attributes={4: 1})
            assert status == 200
            status, answer = await client.send(14, limit(230_000, 100), Nonce=40)
            assert (status, answer["code"]) == (400, 21104)
            assert (await client.send(14, limit(230_000, 100), Nonce=41))[0] == 200
            back = await client.send(14, limit(230_000, 100), Nonce=9, attributes={4: 1})
            assert back[0] == 400

    run(body())


def test_signatures_can_be_switched_off(run: Run) -> None:
    async def body() -> None:
        async with running(verify=False) as client:
            values = json.loads(client.traders[0].sign(14, limit(230_000, 100))[0])
            values["Price"] = 231_000
            assert await code_of(client, 14, json.dumps(values)) == 200

    run(body())


def test_change_of_key(run: Run) -> None:
    async def body() -> None:
        async with running() as client:
            old, other = client.traders[0], client.sim.accounts[1]
            fields = {"PubKey": other["public_key"], "L1Sig": "0x00"}
            assert (await client.send(8, fields))[0] == 200
            new = Trader({**other, "account_index": old.account}, nonce=2)
            assert await code_of(client, 14, old.sign(14, limit(230_000, 100))[0]) == 21120
            assert await code_of(client, 14, new.sign(14, limit(230_000, 100))[0]) == 200

    run(body())


def test_limits_of_sends_and_quota(run: Run) -> None:
    async def body() -> None:
        async with running(limits=True, quota=2, virtual_start_ms=START_MS) as client:
            for expected in (200, 200, 429):
                order = limit(230_000, 100, now_ms=START_MS, ClientOrderIndex=expected)
                status, answer = await client.send(14, {**order, "ClientOrderIndex": 0})
                assert status == expected
            assert (answer["code"], "volume quota" in answer["message"]) == (23000, True)
            client.traders[0].nonce -= 1
            assert (await client.send(16, {"TimeInForce": 0, "Time": 0}))[0] == 429
            client.traders[0].nonce -= 1
            account = client.sim.exchange.accounts[client.traders[0].account]
            order_index = next(iter(account.live))
            cancel = {"MarketIndex": 0, "Index": order_index}
            assert (await client.send(15, cancel))[0] == 200  # cancels cost nothing

    run(body())


# -- REST ----------------------------------------------------------------------------------------


def test_markets_by_rest(run: Run) -> None:
    async def body() -> None:
        async with running("still") as client:
            details = await client.get("orderBookDetails")
            eth = details["order_book_details"][0]
            assert (eth["symbol"], eth["market_id"], eth["market_type"]) == ("ETH", 0, "perp")
            assert (eth["price_decimals"], eth["size_decimals"]) == (2, 4)
            assert (eth["min_base_amount"], eth["min_quote_amount"]) == ("0.0050", "10.000000")
            (spot,) = details["spot_order_book_details"]
            assert (spot["symbol"], spot["market_id"]) == ("ETH/USDC", 2048)
            only = await client.get("orderBookDetails", market_id=2048)
            assert (only["order_book_details"], len(only["spot_order_book_details"])) == ([], 1)
            books = await client.get("orderBooks", filter="perp")
            assert [row["market_id"] for row in books["order_books"]] == [0, 1, 2]
            orders = await client.get("orderBookOrders", market_id=0, limit=5)
            assert (len(orders["asks"]), orders["total_asks"]) == (5, 20)
            prices = [float(row["price"]) for row in orders["bids"]]
            assert prices == sorted(prices, reverse=True)
            assert (await client.get_raw("orderBookOrders", market_id=0, limit=251))[0] == 400
            assert (await client.get_raw("nothing"))[1]["code"] == 29404
            for name in (
                "assetDetails", "exchangeStats", "systemConfig", "funding-rates", "liquidations",
                "positionFunding", "currentHeight", "withdrawalDelay", "transferFeeInfo",
            ):  # fmt: skip
                assert (await client.get(name))["code"] == 200
            for path in ("/", "/info"):
                async with client.http.get(client.sim.http_url + path) as response:
                    assert response.status == 200

    run(body())


def test_accounts_by_rest(run: Run) -> None:
    async def body() -> None:
        async with running() as client:
            trader = client.traders[0]
            row = (await client.get("account", by="index", value=trader.account))["accounts"][0]
            assert (row["account_index"], row["collateral"]) == (trader.account, "1000000.000000")
            same = await client.get("account", by="l1_address", value=row["l1_address"])
            assert same["accounts"][0]["index"] == trader.account
            status, answer = await client.get_raw("account", by="index", value=7)
            assert (status, answer["code"]) == (400, 21100)
            keys = await client.get("apikeys", account_index=trader.account, api_key_index=255)
            assert keys["api_keys"][0]["public_key"] == client.sim.accounts[0]["public_key"]
            limits = await client.get(
                "accountLimits", account_index=trader.account, token=client.tokens[0]
            )
            assert limits["current_taker_fee_tick"] == 196

    run(body())


def test_tokens_are_checked(run: Run) -> None:
    """Missing, expired, too far ahead, of another account, tampered: all 20001."""

    async def body() -> None:
        async with running() as client:
            trader, now_s = client.traders[0], client.sim.clock.now_ms() // 1000
            good = trader.token()
            for token in (
                None, "", "x", trader.token(now_s - 1), trader.token(now_s + 9 * 3600),
                client.tokens[1], trader.token(account=client.traders[1].account),
                good[:-1] + ("0" if good[-1] != "0" else "1"),
            ):  # fmt: skip
                status, answer = await client.get_raw(
                    "accountActiveOrders", account_index=trader.account, token=token
                )
                assert (status, answer["code"]) == (400, 20001), token
            by_query = await client.get(
                "accountActiveOrders", account_index=trader.account, auth=good
            )
            assert by_query["orders"] == []

    run(body())


def test_maker_only_list_wants_its_token_in_the_header_alone(run: Run) -> None:
    async def body() -> None:
        setup = AccountSetup(12345, {5: SEED_PRIVATE_KEY}, maker_only=frozenset({5}))
        async with running(setups=(setup,)) as client:
            token = client.tokens[0]
            found = await client.get("getMakerOnlyApiKeys", account_index=12345, token=token)
            assert found["api_key_indexes"] == [5]
            for query in ({"auth": token}, {"authorization": token}):
                assert (
                    await client.get_raw(
                        "getMakerOnlyApiKeys", account_index=12345, token=token, **query
                    )
                )[0] == 400
            assert (await client.get_raw("getMakerOnlyApiKeys", account_index=12345))[0] == 400

    run(body())


def test_reports_page_by_page(run: Run) -> None:
    """7 cancelled orders in pages of 3; trades the same way; look-up by client index."""

    async def body() -> None:
        async with running() as client:
            trader, token = client.traders[0], client.tokens[0]
            me = {"account_index": trader.account, "token": token}
            for number in range(1, 8):
                await client.send(14, limit(230_000, 100, ClientOrderIndex=number))
                await client.send(15, {"MarketIndex": 0, "Index": number})
            for _ in range(5):
                client.sim.house_order(0, "sell", price="2300.00", size="0.0100")
                await client.send(14, limit(230_000, 100))
            seen, cursor, pages = [], None, 0
            while cursor != "":
                more = {"cursor": cursor} if cursor else {}
                page = await client.get("accountInactiveOrders", limit=3, **me, **more)
                seen += [row["client_order_index"] for row in page["orders"]]
                cursor, pages = page["next_cursor"] or "", pages + 1
            assert (seen, pages) == ([0] * 5 + [7, 6, 5, 4, 3, 2, 1], 4)
            first = await client.get("trades", sort_by="timestamp", limit=4, **me)
            rest = await client.get(
                "trades", sort_by="timestamp", limit=4, cursor=first["next_cursor"], **me
            )
            ids = [row["trade_id"] for row in first["trades"] + rest["trades"]]
            assert (len(ids), ids, rest["next_cursor"]) == (5, sorted(ids, reverse=True), None)
            maker = await client.get("trades", sort_by="timestamp", limit=9, role="maker", **me)
            assert maker["trades"] == []
            one = await client.get(
                "trades", sort_by="trade_id", limit=9, order_index_str=rest["trades"][0]["bid_id"],
                **me,
            )  # fmt: skip
            assert len(one["trades"]) == 1
            found = await client.get("accountOrders", client_order_indexes="2,5,99", token=token)
            assert [row["client_order_id"] for row in found["orders"]] == ["2", "5"]
            status, answer = await client.get_raw("trades", sort_by="timestamp", limit=101, **me)
            assert (status, answer["code"]) == (400, 20001)
            recent = await client.get("recentTrades", market_id=0, limit=2)
            assert [row["trade_id"] for row in recent["trades"]] == ids[:2]
            candles = await client.get(
                "candles", market_id=0, resolution="1m", start_timestamp=0,
                end_timestamp=1 << 50, count_back=10,
            )  # fmt: skip
            assert sum(bar["v"] for bar in candles["c"]) == pytest.approx(0.05)
            txs = await client.get(
                "accountTxs", by="account_index", value=trader.account, limit=2, token=token
            )
            assert len(txs["txs"]) == 2

    run(body())


HOSTILE = (
    "", "-1", "0", "x", "1e9", "99999999999999999999999", "0,1", "1-2", "\x00", "\u0663", " 5",
)  # fmt: skip


def test_no_question_upsets_rest(run: Run) -> None:
    """Any value for any parameter of any endpoint is answered or refused, never a 5xx."""

    async def body() -> None:
        async with running("still") as client:
            names = (
                "account_index", "market_id", "limit", "cursor", "by", "value", "sort_by", "index",
                "client_order_indexes", "between_timestamps", "api_key_index", "resolution",
                "start_timestamp", "order_index", "ask_filter", "from", "filter", "auth",
            )  # fmt: skip
            good = {
                "account_index": "12345", "market_id": "0", "limit": "5", "by": "index",
                "value": "12345", "sort_by": "timestamp", "api_key_index": "5", "resolution": "1m",
                "start_timestamp": "0", "end_timestamp": "1", "count_back": "1",
                "client_order_indexes": "1",
            }  # fmt: skip
            statuses: set[int] = set()
            for endpoint in client.sim.rest.endpoints:
                for number, name in enumerate(names):
                    value = HOSTILE[(number + len(endpoint)) % len(HOSTILE)]
                    query = {**good, name: value}
                    status, _ = await client.get_raw(endpoint, token=client.tokens[0], **query)
                    statuses.add(status)
            assert statuses == {200, 400}

    run(body(), timeout_s=30)


def test_no_frame_or_form_upsets_the_venue(run: Run) -> None:
    async def body() -> None:
        async with wired() as (client, wire):
            odd: list[Any] = [None, 5, [], {}, "x", True, 1e300, "[1,2]", "{}", [[]], {"a": 1}]
            frames = [{"type": kind, "data": value, "channel": value, "auth": value}
                      for kind in ("subscribe", "unsubscribe", "jsonapi/sendtx",
                                   "jsonapi/sendtxbatch", "pong", "x")
                      for value in odd]  # fmt: skip
            frames += [
                {"type": "jsonapi/sendtxbatch", "data": {"tx_types": one, "tx_infos": two}}
                for one in odd for two in odd
            ]  # fmt: skip
            frames += [
                {"type": "jsonapi/sendtx", "data": {"tx_type": 14, "tx_info": value}}
                for value in odd
            ]  # fmt: skip
            channel = f"user_stats/{client.traders[0].account}"
            frames += [
                {"type": "subscribe", "channel": channel, "auth": token}
                for token in (":::", "1:2:3:4", "x" * 10_000, "-1:12345:5:" + "0" * 160)
            ]
            for frame in frames:
                await wire.send(**frame)
            for text in ("", "5", '"x"', "[[[", '{"type":[]}', '{"type":{}}'):
                await wire.ws.send_str(text)
            await wire.ws.send_bytes(b"\xff")
            await wire.send(type="ping")
            await wire.until("pong")
            for form in ({}, {"tx_type": "14"}, {"tx_type": "x", "tx_info": "{}"},
                         {"tx_type": "14", "tx_info": "5"}):  # fmt: skip
                for endpoint in ("sendTx", "sendTxBatch"):
                    for multipart in (True, False):
                        status, _ = await client.post(endpoint, form, multipart=multipart)
                        assert status == 400
            url = f"{client.sim.http_url}/api/v1/sendTx"
            for kind, data in (
                ("multipart/form-data", b"--x"), ("multipart/form-data; boundary=x", b"--x"),
                ("application/json", b"{"), ("application/x-www-form-urlencoded", b"\xff=%zz&&"),
            ):  # fmt: skip
                async with client.http.post(
                    url, data=data, headers={"Content-Type": kind}
                ) as response:
                    assert response.status == 400
            assert not client.sim.exchange.txs

    run(body(), timeout_s=30)


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


# -- the `mock` scenario (2.0) ---------------------------------------------------------------------


def test_mock_takes_and_does_nothing(run: Run) -> None:
    async def body() -> None:
        async with wired("mock") as (client, wire):
            (account,) = client.sim.accounts
            assert (account["account_index"], account["api_key_index"]) == (12345, 5)
            assert account["public_key"] == SEED_PUBLIC_KEY
            nonce = await client.get("nextNonce", account_index=12345, api_key_index=5)
            assert nonce["nonce"] == 9_999
            trader = Trader(account, nonce=9_999)
            await wire.send(
                type="subscribe", channel="account_all_orders/12345", auth=trader.token()
            )
            assert await wire.receive() == {
                "type": "subscribed", "channel": "account_all_orders:12345"
            }  # fmt: skip
            assert (await wire.receive())["type"] == "subscribed/account_all_orders"
            for kind, fields in (
                (14, limit(236_131, 50)), (15, {"MarketIndex": 0, "Index": 281476929510110}),
            ):  # fmt: skip
                answer = await wire.tx(kind, trader.sign(kind, fields)[0])
                assert answer == {"type": "jsonapi/sendtx", "code": 200}
            assert [tx.types for tx in client.sim.record.sends("jsonapi/sendtx", "ws")] == [
                [14], [15],
            ]  # fmt: skip
            assert client.sim.record.txs[0].infos[0]["Price"] == 236_131
            assert not client.sim.exchange.orders

    run(body())


def test_typed_frames_can_be_off(run: Run) -> None:
    async def body() -> None:
        async with wired("mock", typed_frames=False) as (client, wire):
            await wire.send(type="subscribe", channel="user_stats/12345", auth=client.tokens[0])
            assert (await wire.receive())["type"] == "subscribed"
            frame = {"type": "subscribed/user_stats", "channel": "user_stats:12345", "stats": {}}
            assert client.sim.faults.push(frame, channel="user_stats:12345") == 1
            assert await wire.receive() == frame

    run(body())


# -- process ---------------------------------------------------------------------------------------


def test_command_prints_one_line_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-P", "-m", "connectors", "sim", "lighter", "--seed", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert (ready["venue"], ready["pid"]) == ("lighter", process.pid)
        assert ready["http"].startswith("http://127.0.0.1:")
        assert ready["ws"].startswith("ws://127.0.0.1:")
        assert ready["ws"].endswith("/stream")
        account = ready["accounts"][0]
        assert set(account) == {"account_index", "api_key_index", "private_key", "public_key"}
        assert len(account["private_key"]) == len(account["public_key"]) == 80
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=GRACE_S)
        assert (process.returncode, rest) == (0, "")
