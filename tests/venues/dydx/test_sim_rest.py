"""REST of the simulator, and what only sockets show: status, headers, refused handshakes (15)."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import aiohttp
import pytest
from venues.dydx.sim_rig import ADDRESS, HEIGHT, START_MS, Rig, in_loop

from connectors.sim.dydx.rest import Mistake
from connectors.sim.dydx.server import Simulator, start
from patience import until

BTC = "BTC-USD"
ME = {"address": ADDRESS, "subaccountNumber": "0"}


def ask(rig: Rig, path: str, **given: Any) -> Any:
    return rig.sim.rest.answer(path, {name: str(value) for name, value in given.items()})


def traded(rig: Rig) -> None:
    """Let three blocks bring a fill each."""
    for index, price in enumerate(("90000", "90001", "90002")):
        rig.house("sell", "0.01", price)
        rig.order("buy", "0.01", price, index + 1, client_metadata=7)
        rig.block()


# -- lag -------------------------------------------------------------------------------------


@in_loop
def test_dx_m_20_accounts_are_blocks_behind() -> None:
    rig = Rig(rest_lag_blocks=2)
    rig.house("sell", "0.01", "90000")
    order = rig.order("buy", "0.01", "90000", 1)
    rig.block()
    for _ in range(2):
        assert ask(rig, "fills", **ME) == {"fills": []}
        assert (
            ask(rig, f"addresses/{ADDRESS}/subaccountNumber/0")["subaccount"][
                "openPerpetualPositions"
            ]
            == {}
        )
        rig.block()
    row = ask(rig, f"addresses/{ADDRESS}/subaccountNumber/0")["subaccount"]
    assert list(row["openPerpetualPositions"]) == [BTC]
    assert row["latestProcessedBlockHeight"] == str(HEIGHT + 1)
    assert len(ask(rig, "fills", **ME)["fills"]) == 1
    assert ask(rig, f"orders/{order['id']}")["status"] == "FILLED"


@in_loop
def test_an_order_goes_through_its_states_as_blocks_pass() -> None:
    rig = Rig(indexer_expired_blocks=3)
    order = rig.order("buy", "0.01", "89000", 1, good_til_block=HEIGHT + 2)
    path = f"orders/{order['id']}"
    with pytest.raises(Mistake, match="Unable to find"):
        ask(rig, path)
    rig.block()
    assert ask(rig, path)["status"] == "BEST_EFFORT_OPENED"
    for _ in range(4):
        rig.block()
    assert ask(rig, path)["status"] == "BEST_EFFORT_OPENED"  # expired; nobody said so
    rig.block()
    with pytest.raises(Mistake) as caught:  # no block knows it: it never was in the database
        ask(rig, path)
    assert caught.value.status == 404


# -- what is asked for -----------------------------------------------------------------------


@in_loop
def test_7_3_a_replacement_keeps_the_block_of_the_trades_before_it() -> None:
    rig = Rig(rest_lag_blocks=0)
    order = rig.order("buy", "0.02", "89000", 1, good_til_block=HEIGHT + 10)
    rig.house("sell", "0.005", "89000")
    rig.block()
    before = ask(rig, f"orders/{order['id']}")
    rig.order("buy", "0.02", "89100", 1, good_til_block=HEIGHT + 15)
    after = ask(rig, f"orders/{order['id']}")
    assert (after["totalFilled"], after["goodTilBlock"]) == ("0.005", str(HEIGHT + 15))
    assert after["updatedAtHeight"] == before["updatedAtHeight"] == str(HEIGHT + 1)
    assert after["updatedAt"] == before["updatedAt"]


@in_loop
def test_orders_are_a_bare_array_and_filtered() -> None:
    rig = Rig(rest_lag_blocks=0)
    traded(rig)
    rig.order("sell", "0.01", "91000", 9, flags="long_term")
    rig.order("buy", "0.01", "80000", 10, good_til_block=HEIGHT + 20)
    rig.block()

    def found(**given: Any) -> list[int]:
        return [int(row["clientId"]) for row in ask(rig, "orders", **ME, **given)]

    assert found() == [9, 10, 3, 2, 1], "by their end, that by time before that by height"
    assert found(returnLatestOrders="false")[-2:] == [10, 9]
    assert found(limit=2) == [9, 10]
    assert sorted(found(status="OPEN,BEST_EFFORT_OPENED")) == [9, 10]
    assert found(side="SELL") == [9]
    assert found(ticker="ETH-USD") == []
    assert found(type="STOP_LIMIT") == []
    assert found(goodTilBlockAfter=HEIGHT + 15) == [10]
    assert sorted(found(goodTilBlockBeforeOrAt=HEIGHT + 15)) == [1, 2, 3]
    assert found(goodTilBlockTimeAfter="2025-12-08T00:00:00Z") == [9]
    assert found(goodTilBlockTimeBeforeOrAt="2025-12-08T00:00:00Z") == []
    assert found(returnLatestOrders="true", status="FILLED") == [3, 2, 1]
    assert found(returnLatestOrders="false", status="FILLED", limit=1) == [1]
    parents = ask(rig, "orders/parentSubaccountNumber", address=ADDRESS, parentSubaccountNumber=0)
    assert [row["subaccountNumber"] for row in parents] == [0] * 5


@in_loop
def test_fills_page_and_end_where_they_are_told() -> None:
    rig = Rig(rest_lag_blocks=0)
    traded(rig)
    fills = ask(rig, "fills", **ME)["fills"]
    assert [row["price"] for row in fills] == ["90002", "90001", "90000"]
    assert fills[0]["market"] == BTC
    assert "ticker" not in fills[0]
    page = ask(rig, "fills", **ME, limit=2, page=2)
    assert (page["pageSize"], page["totalResults"], page["offset"]) == (2, 3, 2)
    assert [row["price"] for row in page["fills"]] == ["90000"]
    old = ask(rig, "fills", **ME, createdBeforeOrAtHeight=HEIGHT + 1)["fills"]
    assert [row["price"] for row in old] == ["90000"]
    old = ask(rig, "fills", **ME, createdBeforeOrAt="2025-12-08T16:12:01.000Z")["fills"]
    assert len(old) == 2
    assert ask(rig, "fills", **ME, market="ETH-USD")["fills"] == []


@in_loop
def test_positions_and_assets() -> None:
    rig = Rig(rest_lag_blocks=0)
    traded(rig)
    rig.house("buy", "0.03", "91000")
    rig.order("sell", "0.03", "91000", 9)
    rig.block()
    closed = ask(rig, "perpetualPositions", **ME, status="CLOSED")["positions"]
    assert [(row["size"], row["sumClose"]) for row in closed] == [("0", "0.03")]
    assert ask(rig, "perpetualPositions", **ME, status="OPEN")["positions"] == []
    (usdc,) = ask(rig, "assetPositions", **ME)["positions"]
    assert (usdc["symbol"], usdc["side"]) == ("USDC", "LONG")


@in_loop
def test_transfers() -> None:
    rig = Rig(rest_lag_blocks=0)
    rig.act("transfer", to={"address": ADDRESS}, amount="7")
    rig.act(
        "transfer", amount="2", to={"address": ADDRESS, "subaccount_number": 128},
        **{"from": {"address": ADDRESS}},
    )  # fmt: skip
    rig.block()
    rows = ask(rig, "transfers", **ME)["transfers"]
    assert [(row["type"], row["size"]) for row in rows] == [("TRANSFER_OUT", "2"), ("DEPOSIT", "7")]
    family = {"address": ADDRESS, "parentSubaccountNumber": 0}
    parents = ask(rig, "transfers/parentSubaccountNumber", **family)["transfers"]
    assert [row["type"] for row in parents] == ["DEPOSIT"]
    between = ask(
        rig, "transfers/between", sourceAddress=ADDRESS, sourceSubaccountNumber=0,
        recipientAddress=ADDRESS, recipientSubaccountNumber=128,
    )  # fmt: skip
    assert (len(between["transfersSubset"]), between["totalNetTransfers"]) == (1, "2")


@in_loop
def test_market_data() -> None:
    rig = Rig()
    traded(rig)
    assert list(ask(rig, "perpetualMarkets", ticker=BTC)["markets"]) == [BTC]
    assert len(ask(rig, "perpetualMarkets")["markets"]) == 3
    assert ask(rig, "height") == {"height": str(HEIGHT + 3), "time": "2025-12-08T16:12:01.500Z"}
    assert ask(rig, "time")["epoch"] == START_MS / 1000 + 1.5
    trades = ask(rig, f"trades/perpetualMarket/{BTC}", limit=2)["trades"]
    assert [row["price"] for row in trades] == ["90002", "90001"]
    (candle,) = ask(rig, f"candles/perpetualMarkets/{BTC}", resolution="1MIN")["candles"]
    assert (candle["open"], candle["close"], candle["trades"]) == ("90000", "90002", 3)
    assert ask(
        rig, f"candles/perpetualMarkets/{BTC}", resolution="1MIN", toISO="2025-12-08T16:12:00Z"
    ) == {"candles": []}
    assert len(ask(rig, f"historicalFunding/{BTC}", limit=3)["historicalFunding"]) == 3
    assert ask(rig, "sparklines", timePeriod="ONE_DAY")[BTC] == ["90002"]
    assert ask(rig, f"compliance/screen/{ADDRESS}")["status"] == "COMPLIANT"


@pytest.mark.parametrize(
    ("path", "given", "status"),
    [
        ("nothing", {}, 404),
        ("orders", {"address": ADDRESS}, 400),
        ("orders", {"subaccountNumber": "0"}, 400),
        ("orders", {**ME, "limit": "1001"}, 400),
        ("fills", {**ME, "page": "0"}, 400),
        ("fills", {**ME, "market": "NOPE-USD"}, 400),
        ("perpetualMarkets", {"ticker": "NOPE-USD"}, 400),
        (f"candles/perpetualMarkets/{BTC}", {"resolution": "2MINS"}, 400),
        ("candles/perpetualMarkets/NOPE-USD", {"resolution": "1MIN"}, 400),
        ("sparklines", {}, 400),
        ("addresses/dydx1nobody", {}, 404),
        ("addresses/dydx1nobody/subaccountNumber/0", {}, 404),
        (f"addresses/{ADDRESS}/parentSubaccountNumber/5", {}, 404),
        (f"orderbooks/perpetualMarket/{BTC}/more", {}, 404),
    ],
)
@in_loop
def test_dx_r_02_mistakes(path: str, given: dict[str, str], status: int) -> None:
    with pytest.raises(Mistake) as caught:
        Rig().sim.rest.answer(path, given)
    assert caught.value.status == status
    assert set(caught.value.body["errors"][0]) >= {"msg"}


# -- on the wire -----------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def running(**changes: Any) -> Any:
    sim = await start(scenario="stepped", virtual_start_ms=START_MS, **changes)
    try:
        async with aiohttp.ClientSession() as session:
            yield sim, session
    finally:
        await sim.stop()


async def get(session: aiohttp.ClientSession, sim: Simulator, path: str) -> Any:
    async with session.get(f"{sim.http_url}/v4/{path}") as answer:
        return answer.status, answer.headers, await answer.text()


def test_dx_r_01_limits_faults_and_refusals_over_http(run: Any) -> None:
    async def scenario() -> None:
        async with running() as (sim, session):
            for left in range(99, -1, -1):
                status, headers, _ = await get(session, sim, "height")
                assert (status, headers["RateLimit-Remaining"]) == (200, str(left))
            status, headers, text = await get(session, sim, "height")
            assert (status, json.loads(text)) == (429, {"errors": [{"msg": "Too many requests"}]})
            assert headers["RateLimit-Limit"] == "100"
            assert int(headers["Retry-After"]) == 1_000 * int(headers["RateLimit-Reset"]) > 0
            status, headers, _ = await get(
                session, sim, f"candles/perpetualMarkets/{BTC}?resolution=1MIN"
            )
            assert (status, headers["RateLimit-Limit"]) == (200, "1000")
            await sim.advance(10.1)
            address = sim.accounts[0]["address"]
            sim.faults.apply({"fault": "block_address", "address": address})
            path = f"addresses/{address}/subaccountNumber/0"
            status, _, text = await get(session, sim, path)
            assert (status, json.loads(text)["errors"][0]["code"]) == (403, "COMPLIANCE_BLOCKED")
            sim.faults.clear()
            assert (await get(session, sim, path))[0] == 200
            sim.faults.apply({"fault": "next_reply", "path": "time", "status": 502})
            assert (await get(session, sim, "height"))[0] == 200
            status, headers, text = await get(session, sim, "time")
            assert (status, headers["Content-Type"][:9], text[:6]) == (502, "text/html", "<html>")
            sim.faults.apply({"fault": "next_reply", "status": 429})
            status, headers, _ = await get(session, sim, "time")
            assert (status, headers["Retry-After"]) == (429, "1000")
            for how in ({"lose": True}, {"truncate": True}):
                sim.faults.apply({"fault": "next_reply", "count": None, **how})
                with pytest.raises(aiohttp.ClientError):  # it asks again by itself
                    await get(session, sim, "time")
                sim.faults.clear()

    run(scenario())


def test_connections_end_in_every_way_the_venue_has(run: Any) -> None:
    """18.4 "Transport": close codes, reset, refused handshakes, open and dead."""

    async def scenario() -> None:
        async with running() as (sim, session):
            restarting = '{"message":"Service restarting"}'
            for code, reason in ((1001, ""), (1011, ""), (1012, restarting), (4000, "")):
                async with session.ws_connect(sim.ws_url) as ws:
                    assert json.loads((await ws.receive()).data)["type"] == "connected"
                    sim.faults.apply({"fault": "close", "code": code, "reason": reason})
                    end = await ws.receive()
                    assert (end.type, end.data, end.extra) == (
                        aiohttp.WSMsgType.CLOSE, code, reason,
                    )  # fmt: skip
            for status in (403, 502, 503):
                sim.faults.apply({"fault": "refuse", "status": status})
                with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                    await session.ws_connect(sim.ws_url)
                assert caught.value.status == status
            async with session.ws_connect(sim.ws_url) as ws:
                await ws.receive()
                await ws.send_str('{"type":"subscribe","channel":"v4_markets"}')
                assert json.loads((await ws.receive()).data)["type"] == "subscribed"
                sim.faults.apply({"fault": "shape", "fragments": 5, "ping_between": True})
                sim.chain.set_oracle(sim.market(BTC), 1_000_000)
                sim.block()
                frame = json.loads((await ws.receive(timeout=30)).data)
                assert BTC in frame["contents"]["oraclePrices"]
                sim.faults.clear()
                sim.faults.apply({"fault": "abort"})
                end = await ws.receive(timeout=30)
                assert end.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)

            async with session.ws_connect(sim.ws_url) as ws:
                await ws.receive()
                sim.faults.apply({"fault": "reset_mid_frame"})
                await sim.advance(0.02)
                end = await ws.receive(timeout=30)  # nothing of the frame
                assert end.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)

    run(scenario())


def test_the_control_endpoint_places_orders_and_tells_the_state(run: Any) -> None:
    async def post(session: Any, sim: Simulator, name: str, **body: Any) -> tuple[int, Any]:
        async with session.post(f"{sim.http_url}/_sim/{name}", json=body) as answer:
            return answer.status, await answer.json()

    async def scenario() -> None:
        async with running() as (sim, session):
            address = sim.accounts[0]["address"]
            order = {"address": address, "ticker": BTC, "side": "buy", "size": "0.01"}
            status, placed = await post(session, sim, "order", **order, price="89000")
            assert (status, placed["code"], placed["told"]) == (200, 0, "BEST_EFFORT_OPENED")
            assert (await post(session, sim, "cancel", id=placed["id"]))[1]["code"] == 0
            assert (await post(session, sim, "order", **order, price="0.5"))[1]["code"] == 12
            assert (await post(session, sim, "order", **order, price="x"))[0] == 400
            odd = {**order, "side": "x"}
            assert (await post(session, sim, "order", **odd, price="1"))[0] == 400
            assert (await post(session, sim, "block", count=2))[1]["height"] == HEIGHT + 2
            assert (await post(session, sim, "market", ticker=BTC, status="X"))[0] == 400
            async with session.get(f"{sim.http_url}/_sim/state") as answer:
                state = await answer.json()
            (row,) = state["subaccounts"][0]["orders"]
            assert (row["state"], row["removal"]) == ("canceled", "USER_CANCELED")
            async with session.get(f"{sim.http_url}/_sim/faults") as answer:
                assert "proposer_fill" in (await answer.json())["kinds"]

    run(scenario())


def test_house_and_blocks_go_by_the_machines_clock(run: Any) -> None:
    async def scenario() -> None:
        sim = await start(rate_per_s=300.0, block_ms=50.0, account_share=0.5)
        try:
            await until(lambda: sim.chain.height > HEIGHT + 5 and sim.chain.fill_count > 10)
        finally:
            await sim.stop()

    run(scenario())
