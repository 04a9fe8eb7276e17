"""The Lighter simulator over REST: markets, accounts, tokens, reports (sections 5, 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from venues.lighter.sim_client import (
    limit,
    running,
    wired,
)

from connectors.sim.lighter.config import SEED_PRIVATE_KEY, AccountSetup

Run = Callable[..., Any]


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
