"""Orders, positions and money of the simulated venue (15.2 Validation, Matching, Triggers)."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from venues.hyperliquid.sim_wallet import (
    BTC,
    ETH,
    KEYS,
    SOL,
    START_MS,
    Wallet,
    cloid,
    limit,
    trigger,
    updates,
    venue,
)

from connectors.sim.hyperliquid.config import AccountSetup
from connectors.sim.hyperliquid.markets import TOKENS, Market
from connectors.sim.hyperliquid.numbers import canonical

PURR = 10_000
POLICIES = ["Gtc", "Ioc", "Alo"]


def error_of(status) -> str:
    return status["error"]


@pytest.mark.parametrize(
    ("px", "decimals", "spot", "valid"),
    [
        ("1234.5", 1, False, True),
        ("1234.56", 1, False, False),
        ("123456", 0, False, True),
        ("0.001234", 0, False, True),
        ("0.0012345", 0, False, False),
        ("0.01234", 1, False, True),
        ("0.012345", 1, False, False),
        ("0.0001234", 0, True, True),
        ("0.0001234", 2, True, False),
        ("100000.5", 0, False, False),
        ("0", 0, False, False),
        ("84143.5", 5, False, False),
        ("9999.5", 5, False, True),
        ("3100.55", 4, False, False),
    ],
)
def test_price_grid(px, decimals, spot, valid):
    """P1 to P10 of section 6.2."""
    base = TOKENS[1] if spot else None
    market = Market("X", 0, decimals, 1, base=base, quote=base)
    assert (market.read_price(canonical(px)) is not None) is valid


def test_errors_of_single_orders(run):
    async def main():
        async with venue() as at:
            await at.other.rest(BTC, False, "65100", "1")
            refusals = [
                (limit(BTC, True, "64999.5", "0.01"), "Price must be divisible by tick size."),
                (limit(BTC, True, "0", "0.01"), "Order has invalid price."),
                (limit(BTC, True, "65000", "0.000001"), "Order has invalid size."),
                (limit(BTC, True, "65000", "0.0001"), "Order must have minimum value of $10."),
                (limit(PURR, True, "0.06", "100"), "Order must have minimum value of 10 USDC."),
                (limit(BTC, True, "1000", "0.1"), "Order price cannot be more than 80% away"),
                (limit(BTC, True, "65200", "0.01", "Alo"), "Post only order would have immediate"),
                (limit(BTC, True, "65000", "0.01", "Ioc"), "Order could not immediately match"),
                (limit(BTC, True, "65000", "0.01", "FrontendMarket"), "No liquidity available"),
                (limit(BTC, False, "65000", "0.01", reduce_only=True), "Reduce only order would"),
                (limit(BTC, True, "65000", "1000"), "Insufficient margin to place order."),
                (limit(PURR, False, "0.06", "9000000"), "Order has insufficient spot balance"),
                (limit(4, True, "0.5", "100"), "Asset 4 is not a valid asset."),
                (trigger(BTC, False, "60000", "0.1", "66000", "sl"), "Invalid TP/SL price."),
            ]
            statuses = await at.me.order(*(order for order, _ in refusals))
            for status, (order, text) in zip(statuses, refusals, strict=True):
                assert error_of(status).startswith(text)
                assert error_of(status).endswith(f" asset={order['a']}")
            assert "bbo was -@65100.0." in error_of(statuses[6])
            assert await at.me.info("openOrders") == []
            at.sim.configure(error_suffix=False)
            (status,) = await at.me.order(limit(BTC, True, "65000", "0.0001"))
            assert status == {"error": "Order must have minimum value of $10."}
            at.sim.configure(prevalidate_batch=True)
            good = limit(BTC, True, "60000", "0.1")
            bad = limit(BTC, True, "60000.5", "0.1")
            assert len(await at.me.order(good, bad, good)) == 1
            assert await at.me.info("openOrders") == []

    run(main())


def test_q4_two_clients_trade(run):
    async def main():
        async with venue() as at:
            maker = await at.other.rest(ETH, False, "3000", "2", cloid=cloid(5))
            (status,) = await at.me.order(limit(ETH, True, "3010", "1.5"))
            taker = status["filled"]["oid"]
            assert taker > maker > 2**38
            assert status == {"filled": {"totalSz": "1.5", "avgPx": "3000.0", "oid": taker}}
            (mine,) = await at.me.info("userFills")
            (theirs,) = await at.other.info("userFills")
            for name in ("tid", "hash", "px", "sz", "time"):
                assert mine[name] == theirs[name]
            assert 0 < mine["tid"] < 2**50
            assert (mine["crossed"], theirs["crossed"]) == (True, False)
            assert (mine["dir"], theirs["dir"]) == ("Open Long", "Open Short")
            assert (mine["side"], theirs["side"]) == ("B", "A")
            assert (mine["fee"], theirs["fee"]) == ("2.025", "0.675")  # 4 500 USD at 4.5 and 1.5 bp
            assert theirs["cloid"] == cloid(5)
            assert "cloid" not in mine
            states = [await w.info("clearinghouseState") for w in (at.me, at.other)]
            sizes = [Decimal(s["assetPositions"][0]["position"]["szi"]) for s in states]
            assert sizes == [Decimal("1.5"), Decimal("-1.5")]
            values = [Decimal(s["marginSummary"]["accountValue"]) for s in states]
            assert values == [1_000_000 - Decimal("2.025"), 1_000_000 - Decimal("0.675")]
            (left,) = await at.other.info("openOrders")
            assert (left["sz"], left["origSz"]) == ("0.5", "2.0")

    run(main())


def test_closing_and_turning_a_position(run):
    async def main():
        async with venue() as at:
            await at.other.order(*(limit(ETH, False, px, "1") for px in ("3000", "3100")))
            await at.me.order(limit(ETH, True, "3100", "2"))
            await at.other.rest(ETH, True, "3200", "4")
            await at.me.order(limit(ETH, False, "3200", "0.5"))
            await at.me.order(limit(ETH, False, "3200", "3"))
            fills = (await at.me.info("userFills"))[::-1]
            rows = [(f["startPosition"], f["dir"], f["closedPnl"]) for f in fills]
            assert rows == [
                ("0.0", "Open Long", "0.0"),
                ("1.0", "Open Long", "0.0"),
                ("2.0", "Close Long", "75.0"),
                ("1.5", "Long > Short", "225.0"),
            ]
            state = await at.me.info("clearinghouseState")
            position = state["assetPositions"][0]["position"]
            assert (position["szi"], position["entryPx"]) == ("-1.5", "3200.0")

    run(main())


def test_price_then_time_priority(run):
    async def main():
        async with venue() as at:
            first = await at.other.rest(ETH, False, "3001", "1")
            second = await at.other.rest(ETH, False, "3000", "1")
            third = await at.other.rest(ETH, False, "3000", "1")
            await at.me.order(limit(ETH, True, "3001", "2.5"))
            makers = [f["oid"] for f in (await at.other.info("userFills"))[::-1]]
            assert makers == [second, third, first]

    run(main())


def test_ioc_remainder_and_alo(run):
    async def main():
        async with venue() as at:
            await at.other.rest(ETH, False, "3000", "1")
            (status,) = await at.me.order(limit(ETH, True, "3000", "2", "Ioc"))
            assert status["filled"]["totalSz"] == "1.0"
            assert await at.me.order_status(status["filled"]["oid"]) == "canceled"
            (status,) = await at.me.order(limit(ETH, True, "3000", "2", "Alo"))
            assert await at.me.order_status(status["resting"]["oid"]) == "open"
            (status,) = await at.me.order(limit(ETH, False, "3000", "1", "Alo"))
            assert "Post only" in error_of(status)
            last = (await at.me.info("historicalOrders"))[0]
            assert last["status"] == "badAloPxRejected"

    run(main())


def test_self_trade_cancels_the_resting_order(run):
    async def main():
        async with venue() as at, at.listen() as ear:
            own = await at.me.rest(ETH, False, "3000", "1")
            theirs = await at.other.rest(ETH, False, "3001", "1")
            await ear.subscribe("userEvents", user=at.me.address)
            (status,) = await at.me.order(limit(ETH, True, "3001", "1"))
            assert status["filled"]["avgPx"] == "3001.0"
            assert await at.me.order_status(own) == "selfTradeCanceled"
            assert await at.other.order_status(theirs) == "filled"
            frames = await ear.quiet()
            cancelled = [f["data"] for f in frames if "nonUserCancel" in f["data"]]
            assert cancelled == [{"nonUserCancel": [{"coin": "ETH", "oid": own}]}]

    run(main())


def test_reduce_only_is_cut_to_the_position(run):
    async def main():
        async with venue() as at:
            await at.other.rest(ETH, False, "3000", "1")
            await at.me.order(limit(ETH, True, "3000", "1"))
            await at.other.rest(ETH, True, "2990", "5")
            (status,) = await at.me.order(limit(ETH, False, "2990", "3", "Ioc", reduce_only=True))
            assert status["filled"]["totalSz"] == "1.0"
            assert (await at.me.info("clearinghouseState"))["assetPositions"] == []

    run(main())


def test_cancels_name_their_order(run):
    async def main():
        async with venue() as at:
            oid = await at.me.rest(ETH, True, "2900", "1", cloid=cloid(1))
            missing = "Order was never placed, already canceled, or filled. asset=1"
            assert await at.other.cancel(ETH, oid) == [{"error": missing}]
            assert "never placed" in error_of((await at.me.cancel(BTC, oid))[0])
            assert await at.me.cancel(ETH, oid, oid) == ["success", {"error": missing}]
            action = {"type": "cancelByCloid", "cancels": [{"asset": ETH, "cloid": cloid(1)}]}
            assert await at.me.statuses(action) == [{"error": missing}]
            await at.me.rest(ETH, True, "2900", "1", cloid=cloid(1))  # free again
            (status,) = await at.me.order(limit(ETH, True, "2900", "1", cloid=cloid(1)))
            assert "client order id" in error_of(status)
            assert await at.me.statuses(action) == ["success"]
            found = await at.me.info("orderStatus", oid=cloid(1))
            assert found["order"]["status"] == "canceled"

    run(main())


def test_margin_and_leverage(run):
    async def main():
        setup = AccountSetup(KEYS[0], perp_usd="1000")
        async with venue(setups=(setup, AccountSetup(KEYS[1]))) as at:
            leverage = {"type": "updateLeverage", "asset": ETH, "isCross": True, "leverage": 10}
            assert (await at.me.act(leverage))["status"] == "ok"
            (status,) = await at.me.order(limit(ETH, True, "3000", "3.4"))
            assert "Insufficient margin" in error_of(status)
            first = await at.me.rest(ETH, True, "3000", "2")
            (status,) = await at.me.order(limit(ETH, True, "3000", "1.4"))
            assert "Insufficient margin" in error_of(status)
            await at.me.rest(ETH, True, "3000", "1.3")
            moved = await at.me.modify(first, limit(ETH, True, "2950", "2"))
            assert "resting" in moved
            assert (await at.me.act({**leverage, "leverage": 26}))["status"] == "err"
            refused = await at.me.act({**leverage, "leverage": 5})  # the orders need more than that
            assert "Insufficient margin" in refused["response"]
            assert (await at.me.act({**leverage, "leverage": 20}))["status"] == "ok"

    run(main())


def test_spot_moves_both_tokens(run):
    async def main():
        async with venue() as at:
            await at.other.rest(PURR, False, "0.05", "1000")
            (status,) = await at.me.order(limit(PURR, True, "0.05", "400"))
            assert status["filled"]["totalSz"] == "400.0"
            spot = {
                b["coin"]: (Decimal(b["total"]), Decimal(b["hold"]))
                for b in (await at.me.info("spotClearinghouseState"))["balances"]
            }
            assert spot["USDC"] == (100_000 - 20, 0)
            assert spot["PURR"] == (1_000_000 + Decimal("399.72"), 0)  # 7 bp of 400 in PURR
            theirs = {
                b["coin"]: (Decimal(b["total"]), Decimal(b["hold"]))
                for b in (await at.other.info("spotClearinghouseState"))["balances"]
            }
            assert theirs["PURR"] == (1_000_000 - 400, 600)
            assert theirs["USDC"] == (100_000 + 20 - Decimal("0.008"), 0)
            (fill,) = await at.me.info("userFills")
            assert (fill["dir"], fill["feeToken"], fill["coin"]) == ("Buy", "PURR", "PURR/USDC")

    run(main())


@pytest.mark.parametrize("market_order", [True, False])
def test_a_stop_fires_on_the_mark(run, market_order):
    async def main():
        async with venue() as at, at.listen() as ear:
            await at.other.rest(ETH, False, "3000", "1")
            await at.me.order(limit(ETH, True, "3000", "1"))
            await at.other.rest(ETH, True, "2850", "1")
            await ear.subscribe("orderUpdates", user=at.me.address)
            stop = trigger(ETH, False, "2800", "1", "2900", "sl", market=market_order)
            (status,) = await at.me.order(stop)
            oid = status["resting"]["oid"]
            (shown,) = await at.me.info("frontendOpenOrders")
            assert (shown["isTrigger"], shown["triggerPx"]) == (True, "2900.0")
            assert shown["triggerCondition"] == "Price below 2900.0"
            at.sim.set_mark("ETH", "2901")
            assert await at.me.order_status(oid) == "open"
            at.sim.set_mark("ETH", "2900")
            assert await at.me.order_status(oid) == "filled"
            frames = await ear.quiet()
            assert updates(frames) == [("open", oid), ("triggered", oid), ("filled", oid)]

    run(main())


@pytest.mark.parametrize(
    ("is_buy", "tpsl", "trigger_px", "near", "at_px"),
    [
        (True, "sl", "3100", "3099", "3100"),
        (False, "tp", "3100", "3099", "3100"),
        (False, "sl", "2900", "2901", "2900"),
        (True, "tp", "2900", "2901", "2900"),
    ],
)
def test_triggers_fire_when_the_mark_is_reached(run, is_buy, tpsl, trigger_px, near, at_px):
    async def main():
        async with venue() as at:
            waits = trigger(ETH, is_buy, "3000", "1", trigger_px, tpsl, reduce_only=False)
            (status,) = await at.me.order(waits)
            oid = status["resting"]["oid"]
            at.sim.set_mark("ETH", near)
            assert await at.me.order_status(oid) == "open"
            at.sim.set_mark("ETH", at_px)
            assert await at.me.order_status(oid) == "marketOrderNoLiquidityRejected"

    run(main())


def test_a_take_profit_to_buy_fires_below_and_may_rest(run):
    async def main():
        async with venue() as at:
            entry = trigger(ETH, True, "2950", "1", "2900", "tp", market=False, reduce_only=False)
            (status,) = await at.me.order(entry)
            at.sim.set_mark("ETH", "2899")
            oid = status["resting"]["oid"]
            assert await at.me.order_status(oid) == "open"
            (shown,) = await at.me.info("frontendOpenOrders")
            assert (shown["isTrigger"], shown["triggerCondition"]) == (False, "Triggered")
            book = await at.me.info("l2Book", coin="ETH")
            assert [level["px"] for level in book["levels"][0]] == ["2950.0"]

    run(main())


def test_a_market_trigger_without_liquidity(run):
    async def main():
        async with venue() as at:
            await at.other.rest(ETH, False, "3000", "1")
            await at.me.order(limit(ETH, True, "3000", "1"))
            (status,) = await at.me.order(trigger(ETH, False, "2800", "1", "2900", "sl"))
            at.sim.set_mark("ETH", "2850")
            ended = await at.me.order_status(status["resting"]["oid"])
            assert ended == "marketOrderNoLiquidityRejected"

    run(main())


def test_normal_tpsl_children_follow_their_parent(run):
    async def main():
        async with venue() as at:
            group = (
                limit(ETH, True, "3000", "1"),
                trigger(ETH, False, "3200", "1", "3250", "tp"),
                trigger(ETH, False, "2700", "1", "2750", "sl"),
            )
            statuses = await at.me.order(*group, grouping="normalTpsl")
            assert "resting" in statuses[0]
            assert statuses[1:] == ["waitingForFill", "waitingForFill"]
            (shown,) = await at.me.info("frontendOpenOrders")
            assert [child["orderType"] for child in shown["children"]] == [
                "Take Profit Market",
                "Stop Market",
            ]
            await at.other.order(limit(ETH, False, "3000", "1"))
            shown = await at.me.info("frontendOpenOrders")
            assert sorted(o["orderType"] for o in shown) == ["Stop Market", "Take Profit Market"]
            stop = next(o["oid"] for o in shown if o["orderType"] == "Stop Market")
            await at.other.rest(ETH, True, "3260", "1")
            at.sim.set_mark("ETH", "3255")
            assert await at.me.order_status(stop) == "siblingFilledCanceled"
            assert (await at.me.info("clearinghouseState"))["assetPositions"] == []
            statuses = await at.me.order(*group, grouping="normalTpsl")
            await at.me.cancel(ETH, statuses[0]["resting"]["oid"])
            assert await at.me.info("frontendOpenOrders") == []
            at.sim.configure(grouped_reply_once=True)
            assert len(await at.me.order(*group, grouping="normalTpsl")) == 1
            bad = (limit(ETH, True, "3000.001", "1"), *group[1:])
            (refused,) = await at.me.order(*bad, grouping="normalTpsl")
            assert "tick size" in error_of(refused)

    run(main())


def test_position_tpsl_has_the_positions_size(run):
    async def main():
        async with venue() as at:
            await at.other.rest(ETH, False, "3000", "3")
            await at.me.order(limit(ETH, True, "3000", "1"))
            tpsl = (
                trigger(ETH, False, "3200", "0", "3250", "tp"),
                trigger(ETH, False, "2700", "0", "2750", "sl"),
            )
            statuses = await at.me.order(*tpsl, grouping="positionTpsl")
            assert statuses == ["waitingForTrigger"] * 2
            await at.me.order(limit(ETH, True, "3000", "1.5"))  # 2.5 now
            await at.other.rest(ETH, True, "2740", "4")
            at.sim.set_mark("ETH", "2745")
            assert (await at.me.info("clearinghouseState"))["assetPositions"] == []
            assert (await at.me.info("userFills"))[0]["sz"] == "2.5"
            assert await at.me.info("frontendOpenOrders") == []

    run(main())


def test_tpsl_without_a_position(run):
    """Orders of a position end with it; a reduce-only stop that fires then has nothing to do."""

    async def main():
        async with venue() as at:
            await at.other.rest(ETH, False, "3000", "1")
            await at.me.order(limit(ETH, True, "3000", "1"))
            stop = trigger(ETH, False, "2700", "0", "2750", "sl")
            await at.me.order(stop, grouping="positionTpsl")
            (shown,) = await at.me.info("frontendOpenOrders")
            assert (shown["isPositionTpsl"], shown["sz"]) == (True, "0.0")
            (status,) = await at.me.order(trigger(ETH, False, "2700", "1", "2800", "sl"))
            await at.other.rest(ETH, True, "2990", "1")
            await at.me.order(limit(ETH, False, "2990", "1"))
            assert await at.me.order_status(shown["oid"]) == "reduceOnlyCanceled"
            assert await at.me.order_status(status["resting"]["oid"]) == "open"
            await at.other.rest(ETH, True, "2750", "1")
            at.sim.set_mark("ETH", "2800")
            assert await at.me.order_status(status["resting"]["oid"]) == "reduceOnlyCanceled"
            assert (await at.me.info("clearinghouseState"))["assetPositions"] == []

    run(main())


def test_a_scheduled_cancel_fires(run):
    async def main():
        async with venue() as at:
            oid = await at.me.rest(ETH, True, "2900", "1")
            schedule = {"type": "scheduleCancel", "time": START_MS + 4_999}
            assert "too early" in (await at.me.act(schedule))["response"]
            schedule["time"] = START_MS + 6_000
            assert (await at.me.act(schedule))["status"] == "ok"
            await at.sim.advance(5.9)
            assert await at.me.order_status(oid) == "open"
            await at.sim.advance(0.2)
            assert await at.me.order_status(oid) == "scheduledCancel"
            at.sim.configure(schedule_cancel_volume_usd=1_000_000)
            schedule["time"] = START_MS + 60_000
            assert "enough volume" in (await at.me.act(schedule))["response"]

    run(main())


def test_a_builder_needs_approval(run):
    async def main():
        async with venue() as at:
            await at.other.rest(ETH, False, "3000", "2")
            builder = {"b": at.other.address, "f": 10}
            action = {
                "type": "order",
                "orders": [limit(ETH, True, "3000", "1")],
                "grouping": "na",
                "builder": builder,
            }
            (status,) = await at.me.statuses(action)
            assert "Builder fee has not been approved" in error_of(status)
            fields = (
                ("hyperliquidChain", "string"),
                ("maxFeeRate", "string"),
                ("builder", "address"),
                ("nonce", "uint64"),
            )
            body = {
                "type": "approveBuilderFee",
                "maxFeeRate": "0.01%",
                "builder": at.other.address,
                "nonce": START_MS + 50,
            }
            approved = await at.me.send(at.me.user_signed(body, "ApproveBuilderFee", fields))
            assert approved["status"] == "ok"
            assert await at.me.info("maxBuilderFee", builder=at.other.address) == 10
            (status,) = await at.me.statuses(action)
            assert "filled" in status
            (fill,) = await at.me.info("userFills")
            assert (fill["builderFee"], fill["fee"]) == ("0.3", "1.65")  # 1 bp on top of 4.5

    run(main())


def test_liquidation_closes_and_says_so(run):
    async def main():
        setup = AccountSetup(KEYS[0], perp_usd="1000")
        async with venue(setups=(setup, AccountSetup(KEYS[1]))) as at, at.listen() as ear:
            await at.other.rest(ETH, False, "3000", "5")
            await at.me.order(limit(ETH, True, "3000", "5"))
            waits = await at.me.rest(SOL, True, "100", "1")
            await at.other.rest(ETH, True, "2800", "2")
            await ear.subscribe("userEvents", user=at.me.address)
            at.sim.set_mark("ETH", "2805")
            assert (await at.me.info("clearinghouseState"))["assetPositions"] == []
            assert await at.me.order_status(waits) == "liquidatedCanceled"
            frames = [f["data"] for f in await ear.quiet()]
            fills = [fill for f in frames for fill in f.get("fills", ())]
            assert {f["liquidation"]["method"] for f in fills} == {"market", "backstop"}
            assert sum(Decimal(f["sz"]) for f in fills) == 5
            assert any("liquidation" in f for f in frames)

    run(main())


def test_funding_is_paid(run):
    async def main():
        async with venue() as at, at.listen() as ear:
            await at.other.rest(ETH, False, "3000", "1")
            await at.me.order(limit(ETH, True, "3000", "1"))
            await ear.subscribe("userFundings", user=at.me.address)
            before = await at.me.info("clearinghouseState")
            await at.admin("funding", {"coin": "ETH", "rate": "0.0001"})
            after = await at.me.info("clearinghouseState")
            values = [Decimal(s["marginSummary"]["accountValue"]) for s in (before, after)]
            assert values[0] - values[1] == Decimal("0.3")
            rows = []
            for frame in await ear.quiet():
                rows += frame["data"]["fundings"]
            assert [(r["usdc"], r["szi"], r["coin"]) for r in rows] == [("-0.3", "1.0", "ETH")]
            (other,) = await at.other.info("userFunding", startTime=0)
            assert other["delta"]["usdc"] == "0.3"
            assert len(await at.me.info("fundingHistory", coin="ETH", startTime=0)) == 1

    run(main())


def test_a_twap_trades_its_slices(run):
    async def main():
        async with venue() as at:
            await at.other.rest(ETH, False, "3001", "10")
            twap = {"a": ETH, "b": True, "s": "1", "r": False, "m": 5, "t": False}
            started = await at.me.act({"type": "twapOrder", "twap": twap})
            number = started["response"]["data"]["status"]["running"]["twapId"]
            await at.sim.advance(61)
            fills = await at.me.info("userFills")
            assert [f["twapId"] for f in fills] == [number] * 3
            assert {f["sz"] for f in fills} == {"0.1"}
            stopped = await at.me.act({"type": "twapCancel", "a": ETH, "t": number})
            assert stopped["response"]["data"] == {"status": "success"}
            again = await at.me.act({"type": "twapCancel", "a": ETH, "t": number})
            assert "error" in again["response"]["data"]["status"]
            await at.sim.advance(60)
            assert len(await at.me.info("userTwapSliceFills")) == 3

    run(main())


def test_post_only_window(run):
    async def main():
        async with venue() as at:
            await at.admin("fault", {"fault": "post_only_window"})
            action = {
                "type": "order",
                "orders": [limit(ETH, True, "2900", "1")],
                "grouping": "na",
            }
            assert "post-only" in (await at.me.act(action))["response"]
            (status,) = await at.me.order(limit(ETH, True, "2900", "1", "Alo"))
            assert await at.me.cancel(ETH, status["resting"]["oid"]) == ["success"]

    run(main())


@pytest.mark.parametrize("seed", range(3))
def test_q4_random_orders_keep_the_books(run, seed):
    """Positions sum to zero, money is conserved but for fees, nothing crosses, holds add up."""

    async def main():
        setups = tuple(AccountSetup(key) for key in KEYS[:3])
        async with venue(setups=setups, verify=True) as at:
            source = random.Random(seed)
            wallets = [Wallet(at.sim, at.session, key) for key in KEYS[:3]]
            live: dict[int, list[int]] = {number: [] for number in range(3)}
            for _ in range(300):
                who = source.randrange(3)
                wallet = wallets[who]
                order = limit(
                    ETH, source.random() < 0.5, str(source.randint(2_990, 3_010)),
                    str(Decimal(source.randint(1, 20)) / 10), source.choice(POLICIES),
                )  # fmt: skip
                if live[who] and source.random() < 0.4:
                    oid = live[who].pop(source.randrange(len(live[who])))
                    if source.random() < 0.5:
                        await wallet.cancel(ETH, oid)
                        continue
                    status = await wallet.modify(oid, order)
                else:
                    (status,) = await wallet.order(order)
                if "resting" in status:
                    live[who].append(status["resting"]["oid"])
            exchange = at.sim.exchange
            accounts = list(exchange.accounts.values())
            assert sum(account.lots("ETH") for account in accounts) == 0
            assert exchange.fill_count > 50
            fees = sum(Decimal(f["fee"]) for a in accounts for f in a.fills)
            total = sum(account.value(exchange.markets) for account in accounts)
            slack = 300  # cost of closed lots is rounded to 10^-8 a fill
            assert abs(total + int(fees * 10**8) - 3 * 10**14) <= slack
            book = exchange.engine.book("ETH")
            assert book.best_bid is None or book.best_ask is None or book.best_bid < book.best_ask
            resting = {o.oid for a in accounts for o in a.live.values() if o.resting}
            assert resting == {order.order_id for order in book.orders()}
            for account in accounts:
                filled: dict[int, Decimal] = {}
                for fill in account.fills:
                    filled[fill["oid"]] = filled.get(fill["oid"], Decimal(0)) + Decimal(fill["sz"])
                for oid, size in filled.items():
                    order = account.history[oid]
                    assert size == Decimal(order.market.size(order.filled_lots))

    run(main(), timeout_s=30)
