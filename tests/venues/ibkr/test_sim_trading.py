"""The IBKR simulator's trading (X-30 to X-36, sections 6.4 and 6.5, without our client)."""

from __future__ import annotations

import re
from decimal import Decimal

import aiohttp
import pytest
from venues.ibkr.sim_desk import ACCOUNT, START_MS, desk, of_topic

PATH = f"/iserver/account/{ACCOUNT}"
STATUSES = ["Inactive", None, "PendingSubmit", "PreSubmitted", "Submitted"]


def rows_of(frames, topic):
    return [row for one in of_topic(frames, topic) for row in one["args"]]


async def answered(table, answer, *, confirmed=True):
    """Say yes to all questions; return their ids and the last answer."""
    asked = []
    while isinstance(answer, list) and "message" in answer[0]:
        asked.append(answer[0]["messageIds"])
        reply = f"/iserver/reply/{answer[0]['id']}"
        answer = await table.ok("POST", reply, {"confirmed": confirmed})
    return asked, answer


def test_x_30_rests_in_a_shared_book_and_trades_by_price_and_time(run):
    async def scenario() -> None:
        async with desk(questions=False, accounts=2, levels=0) as table:
            await table.accounts()
            other = "DU1234568"
            path = f"/iserver/account/{other}/orders"
            sell = {"conid": 265598, "orderType": "LMT", "side": "SELL", "tif": "GTC"}
            for price, quantity in ((193.20, 3), (193.19, 2), (193.20, 4)):
                order = sell | {"price": price, "quantity": quantity}
                await table.ok("POST", path, {"orders": [order]})
            (taken,) = await table.place(price=193.20, quantity=6)
            assert taken["order_status"] == "Filled"
            assert re.fullmatch(r"\d{10}", taken["order_id"])
            trades = await table.ok("GET", f"/iserver/account/trades?accountId={ACCOUNT}")
            assert [(row["size"], row["price"]) for row in trades] == [
                (2.0, "193.19"), (3.0, "193.20"), (1.0, "193.20"),
            ]  # fmt: skip
            ids = [row["execution_id"] for row in trades]
            assert all(re.fullmatch(r"[0-9a-f]{8}\.[0-9a-f]{8}\.\d\d\.\d\d", one) for one in ids)
            book = await table.look("book?conid=265598")
            assert book == {"bids": [], "asks": [["193.20", "3"]]}

    run(scenario())


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"price": 150.001}, 200, "minimum price variation"),
        ({"price": -1}, 200, "minimum price variation"),
        ({"price": None}, 400, "price is missing"),
        ({"quantity": 0}, 200, "quantity"),
        ({"quantity": "x"}, 200, "quantity"),
        ({"conid": 1}, 400, "no contract"),
        ({"side": "HOLD"}, 400, "Invalid side"),
        ({"orderType": "FOK"}, 400, "Invalid order type"),
        ({"tif": "GTD"}, 400, "Invalid time in force"),
        ({"acctId": "U0"}, 400, "accountId is not valid"),
    ],
)
def test_x_30_refuses_what_cannot_be_an_order(run, change, status, text):
    async def scenario() -> None:
        async with desk(questions=False) as table:
            await table.accounts()
            order = {"conid": 265598, "orderType": "LMT", "side": "BUY", "tif": "DAY"}
            order |= {"quantity": 5, "price": 150.0} | change
            answer = await table.call("POST", f"{PATH}/orders", {"orders": [order]})
            assert answer[0] == status
            assert text in answer[1]["error"]
            assert table.sim.exchange.orders == {}

    run(scenario())


def test_x_30_a_client_id_is_taken_once(run):
    async def scenario() -> None:
        async with desk(questions=False) as table:
            await table.accounts()
            await table.place(price=150.0, cOID="bot-1")
            again = await table.place(price=150.0, cOID="bot-1")
            assert again == {
                "error": "Order couldn't be submitted: Local order ID=bot-1 is already registered."
            }

    run(scenario())


def test_x_31_questions_come_in_order_one_after_the_other(run):
    async def scenario() -> None:
        async with desk() as table:
            await table.accounts()
            answer = await table.place(price=150.0, quantity=5)
            assert "price exceeds \nthe Percentage constraint of 3%" in answer[0]["message"][0]
            assert re.fullmatch(r"[0-9a-f-]{36}", answer[0]["id"])
            asked, done = await answered(table, answer)
            assert asked == [["o163"], ["o354"], ["o10153"]]
            assert done[0]["order_status"] == "Submitted"
            # With market data, for more than the limits, at the market.
            await table.ok("GET", "/iserver/marketdata/snapshot?conids=265598&fields=31")
            asked, _ = await answered(table, await table.place(orderType="MKT", quantity=600))
            assert asked == [["o383"], ["o451"], ["o10151"], ["o10153"]]
            asked, _ = await answered(
                table, await table.place(orderType="STP", price=200.0, quantity=1)
            )
            assert asked == [["o10331"]]
            ids = {"messageIds": ["o163", "o10153"]}
            assert await table.ok("POST", "/iserver/questions/suppress", ids) == {
                "status": "submitted"
            }
            (done,) = await table.place(price=150.0)
            assert done["order_status"] == "Submitted"
            await table.ok("POST", "/iserver/questions/suppress/reset")
            assert (await table.place(price=150.0))[0]["messageIds"] == ["o163"]
            many = {"messageIds": [f"o{number}" for number in range(52)]}
            assert (await table.call("POST", "/iserver/questions/suppress", many))[0] == 400

    run(scenario())


@pytest.mark.parametrize("way", ["200", "400"])
def test_x_31_replies_die(run, way):
    async def scenario() -> None:
        async with desk(stale_reply=way) as table:
            await table.accounts()
            first = await table.place(price=150.0)
            reply = f"/iserver/reply/{first[0]['id']}"
            stale = (int(way), {"error": f"reply id not found: '{first[0]['id']}'"})
            await table.place(price=150.0)  # another order request
            assert await table.call("POST", reply, {"confirmed": True}) == stale
            second = await table.place(price=150.0)
            reply = f"/iserver/reply/{second[0]['id']}"
            await table.advance(61)
            assert (await table.call("POST", reply, {"confirmed": True}))[0] == int(way)
            third = await table.place(price=150.0, cOID="bot-1")
            _, answer = await answered(table, third, confirmed=False)
            assert answer == {"error": "Order not confirmed "}
            assert table.sim.exchange.orders == {}
            table.sim.faults.reply_not_found()
            fourth = await table.place(price=150.0, cOID="bot-1")  # never registered
            reply = f"/iserver/reply/{fourth[0]['id']}"
            assert (await table.call("POST", reply, {"confirmed": True}))[0] == int(way)
            table.sim.faults.reply_chain_9()
            asked, _ = await answered(table, await table.place(price=193.0))
            assert asked == [["o354"]] * 10

    run(scenario())


def test_x_33_the_life_of_one_order(run):
    async def scenario() -> None:
        async with desk(questions=False, accounts=1) as table:
            await table.accounts()
            socket = await table.ready()
            await socket.send("sor+{}", "str+{}")
            (answer,) = await table.place(price=150.0, cOID="bot-1")
            number = int(answer["order_id"])
            await table.advance(0.2)
            rows = rows_of(await socket.frames(), "sor")
            assert [row.get("status") for row in rows] == STATUSES
            assert {row["orderId"] for row in rows} == {number}
            assert (rows[0]["order_ref"], rows[0]["price"]) == ("bot-1", "150.00")
            assert rows[0]["timeInForce"] == "CLOSE"
            cancelled = await table.ok("DELETE", f"{PATH}/order/{number}")
            assert cancelled == {
                "msg": "Request was submitted", "order_id": number, "conid": 265598,
                "account": ACCOUNT,
            }  # fmt: skip
            await table.advance(0.2)
            rows = rows_of(await socket.frames(), "sor")
            assert [row["status"] for row in rows] == ["PendingCancel", "Cancelled"]
            assert "ticker" in rows[0]
            assert "ticker" not in rows[1]
            gone = await table.ok("DELETE", f"{PATH}/order/{number}")
            assert gone == {"error": f"OrderID {number} doesn't exist"}

    run(scenario())


def test_x_33_the_answer_may_leave_before_or_after_the_frames(run):
    async def scenario() -> None:
        settings = {"virtual_start_ms": None, "questions": False}
        async with desk(answer_first="no", **settings) as table:
            await table.accounts()
            socket = await table.dial()
            while not of_topic(await socket.frames(), "sts"):
                pass
            await socket.send("sor+{}")
            await socket.frames()
            await table.place(price=150.0)
            assert rows_of(await socket.frames(), "sor")[-1]["status"] == "Submitted"

    run(scenario(), timeout_s=60.0)


def test_x_34_partial_fills_commissions_and_copies(run):
    async def scenario() -> None:
        async with desk(questions=False, resends=2) as table:
            await table.accounts()
            socket = await table.ready()
            await socket.send("sor+{}", "str+{}")
            (answer,) = await table.place(price=193.0, quantity=500, cOID="bot-1")
            order = table.sim.exchange.orders[int(answer["order_id"])]
            await table.advance(0.2)
            await socket.frames()
            await table.admin("fill", order_id=order.order_id, size="200")
            await table.advance(0.2)
            frames = await socket.frames()
            (execution,) = rows_of(frames, "str")
            assert "commission" not in execution
            assert (execution["size"], execution["price"], execution["position"]) == (
                200.0, "193.00", "200",
            )  # fmt: skip
            (row,) = rows_of(frames, "sor")
            assert row == {
                "orderId": order.order_id, "sizeAndFills": "200/500", "remainingQuantity": 300.0,
                "filledQuantity": 200.0, "avgPrice": "193.00",
            }  # fmt: skip
            await table.advance(2)
            copies = rows_of(await socket.frames(), "str")
            assert [row["commission"] for row in copies] == ["1.00"] * 3
            assert {row["execution_id"] for row in copies} == {execution["execution_id"]}
            table.sim.fill(order)
            await table.advance(2)
            frames = await socket.frames()
            assert rows_of(frames, "sor")[-1]["status"] == "Filled"
            # 0.005 a share over the whole order, less what was charged.
            assert rows_of(frames, "str")[-1]["commission"] == "1.50"
            table.sim.faults.commission_later(None)
            await table.place(orderType="MKT", quantity=1)
            await table.advance(3)
            assert all("commission" not in row for row in rows_of(await socket.frames(), "str"))
            assert table.sim.faults.duplicate_executions(copies=2) == 3
            assert len(rows_of(await socket.frames(), "str")) == 6
            number = table.sim.faults.corrected_execution("193.15")
            assert number.endswith(".02")
            assert rows_of(await socket.frames(), "str")[-1]["price"] == "193.15"

    run(scenario())


def test_x_34_brackets_and_groups(run):
    async def scenario() -> None:
        async with desk(questions=False) as table:
            await table.accounts()
            base = {"conid": 265598, "tif": "GTC", "quantity": 5}
            bracket = [
                base | {"cOID": "p", "orderType": "LMT", "side": "BUY", "price": 193.0},
                base | {"parentId": "p", "orderType": "LMT", "side": "SELL", "price": 194.0},
                base | {"parentId": "p", "orderType": "STP", "side": "SELL", "price": 190.0},
            ]
            rows = await table.ok("POST", f"{PATH}/orders", {"orders": bracket})
            assert [row["order_status"] for row in rows] == [
                "Submitted", "PreSubmitted", "PreSubmitted",
            ]  # fmt: skip
            assert [row.get("local_order_id") or row["parent_order_id"] for row in rows] == [
                "p"
            ] * 3
            parent, profit, stop = (table.sim.exchange.orders[int(row["order_id"])] for row in rows)
            table.sim.set_market(265598, last="189.00")  # the parent fills, then the stop
            assert [one.status for one in (parent, profit, stop)] == [
                "Filled", "Cancelled", "Filled",
            ]  # fmt: skip
            group = [
                base | {"orderType": "LMT", "side": "BUY", "price": price, "isSingleGroup": True}
                for price in (188.0, 187.0)
            ]
            rows = await table.ok("POST", f"{PATH}/orders", {"orders": group})
            first, second = (table.sim.exchange.orders[int(row["order_id"])] for row in rows)
            table.sim.fill(first)
            assert (first.status, second.status) == ("Filled", "Cancelled")
            unrelated = [base | {"orderType": "MKT", "side": "BUY"}] * 2
            assert (await table.call("POST", f"{PATH}/orders", {"orders": unrelated}))[0] == 400

    run(scenario())


def test_x_34_stops_trails_and_immediate_orders(run):
    async def scenario() -> None:
        async with desk(questions=False) as table:
            await table.accounts()
            place = table.sim.admin_order
            kinds = {
                "STP": {"price": 195.0}, "STOP_LIMIT": {"auxPrice": 195.0, "price": 196.0},
                "TRAIL": {"trailingAmt": 1.0, "trailingType": "amt"},
            }  # fmt: skip
            orders = [
                place(
                    ACCOUNT, conid=265598, side="BUY", orderType=kind, tif="GTC", quantity=1, **more
                )
                for kind, more in kinds.items()
            ]
            assert {one.status for one in orders} == {"PreSubmitted"}
            table.sim.set_market(265598, last="193.00")  # the trail follows down to 194.00
            assert orders[2].aux == 19400
            table.sim.set_market(265598, last="194.00")
            assert [one.status for one in orders] == ["PreSubmitted", "PreSubmitted", "Filled"]
            table.sim.set_market(265598, last="195.00")
            assert {one.status for one in orders} == {"Filled"}
            ioc = place(
                ACCOUNT, conid=265598, side="BUY", orderType="LMT", tif="IOC", quantity=1, price=1.0
            )
            assert (ioc.status, ioc.reason) == ("Cancelled", "")
            middle = place(
                ACCOUNT, conid=265598, side="BUY", orderType="MIDPRICE", tif="DAY", quantity=1
            )
            assert middle.status == "Submitted"

    run(scenario())


def test_x_34_modify_repeats_everything(run):
    async def scenario() -> None:
        async with desk() as table:
            await table.accounts()
            socket = await table.ready()
            await socket.send("sor+{}", 'smd+265598+{"fields":["31"]}')
            (placed,) = await table.place(price=193.0)
            path = f"{PATH}/order/{placed['order_id']}"
            whole = {"conid": 265598, "orderType": "LMT", "side": "BUY", "tif": "DAY"}
            change = whole | {"price": 193.01, "quantity": 7}
            (changed,) = await table.ok("POST", path, change)
            assert changed["order_id"] == placed["order_id"]
            await table.advance(0.3)
            row = rows_of(await socket.frames(), "sor")[-1]
            assert (row["price"], row["totalSize"]) == ("193.01", 7.0)
            order = table.sim.exchange.orders[int(placed["order_id"])]
            assert (order.price, order.open_size) == (19301, 70_000)
            # A question about a change, then what cannot be changed.
            asked, _ = await answered(
                table, await table.ok("POST", path, change | {"price": 180.0})
            )
            assert asked == [["o163"]]
            for bad in ({"side": "SELL"}, {"tif": "GTC"}):
                assert await table.ok("POST", path, change | bad) == {
                    "error": "Order cannot be modified"
                }
            assert (await table.call("POST", path, {"price": 1.0}))[0] == 400
            unknown = await table.ok("POST", f"{PATH}/order/1", change)
            assert unknown == {"error": "OrderID 1 doesn't exist"}

    run(scenario())


def test_x_34_a_cancel_may_come_too_late_or_mean_all(run):
    async def scenario() -> None:
        async with desk(questions=False) as table:
            await table.accounts()
            socket = await table.ready()
            await socket.send("sor+{}")
            (answer,) = await table.place(price=193.0)
            table.sim.faults.cancel_too_late()
            await table.ok("DELETE", f"{PATH}/order/{answer['order_id']}")
            await table.advance(0.3)
            rows = rows_of(await socket.frames(), "sor")
            assert [row.get("status") for row in rows][-2:] == ["PendingCancel", "Filled"]
            for price in (150.0, 151.0):
                await table.place(price=price)
            everything = await table.ok("DELETE", f"{PATH}/order/-1")
            assert everything == {
                "msg": "Request was submitted", "order_id": -1, "conid": -1, "account": None,
            }  # fmt: skip
            await table.advance(0.3)
            states = [one.status for one in table.sim.exchange.orders.values()]
            assert states == ["Filled", "Cancelled", "Cancelled"]

    run(scenario())


def test_x_35_live_orders_come_the_second_time_and_filters_poison_the_stream(run):
    async def scenario() -> None:
        async with desk(questions=False) as table:
            await table.accounts()
            socket = await table.ready()
            await socket.send("sor+{}")
            (answer,) = await table.place(price=150.0)
            await table.advance(0.3)
            await socket.frames()
            live = "/iserver/account/orders"
            assert await table.ok("GET", live) == {"orders": [], "snapshot": False}
            found = await table.ok("GET", live)
            assert (found["snapshot"], found["orders"][0]["status"]) == (True, "Submitted")
            assert await table.ok("GET", f"{live}?filters=filled") == {
                "orders": [], "snapshot": True,
            }  # fmt: skip
            await table.place(price=151.0)
            await table.advance(0.3)
            assert of_topic(await socket.frames(), "sor") == []  # F-06
            assert (await table.ok("GET", f"{live}?force=true"))["snapshot"] is False
            await table.place(price=152.0)
            await table.advance(0.3)
            assert len(rows_of(await socket.frames(), "sor")) == 5
            assert len((await table.ok("GET", live))["orders"]) == 3
            report = await table.ok("GET", f"{live[:-1]}/status/{answer['order_id']}")
            assert (report["order_status"], report["total_size"]) == ("Submitted", "5.0")
            assert (await table.call("GET", f"{live[:-1]}/status/1"))[0] == 503

    run(scenario())


def test_x_35_rejections_of_the_system_have_a_reason(run):
    async def scenario() -> None:
        async with desk(questions=False) as table:
            await table.accounts()
            socket = await table.ready()
            await socket.send("sor+{}")
            table.sim.faults.system_reject("no margin")
            await table.place(price=150.0)
            await table.advance(0.5)
            rows = rows_of(await socket.frames(), "sor")
            assert [row.get("status") for row in rows] == [*STATUSES, "Inactive"]
            await table.ok("GET", "/iserver/account/orders?force=true")
            (row,) = (await table.ok("GET", "/iserver/account/orders"))["orders"]
            assert row["status"] == "Cancelled"
            assert row["order_cancellation_by_system_reason"] == "no margin"
            (answer,) = await table.place(price=150.0)
            table.sim.faults.system_cancel(int(answer["order_id"]), "expired")
            await table.advance(0.5)
            last = rows_of(await socket.frames(), "sor")[-1]
            assert last["order_cancellation_by_system_reason"] == "expired"

    run(scenario())


def test_x_35_positions_and_money_agree_with_the_executions(run):
    async def scenario() -> None:
        async with desk(questions=False, rate_per_s=100.0) as table:
            await table.accounts()
            for side, conid, quantity in (
                ("BUY", 265598, 30), ("SELL", 265598, 12), ("SELL", 515416632, 2),
                ("BUY", 515416632, 3), ("BUY", 667629330, 1),
            ):  # fmt: skip
                await table.place(orderType="MKT", side=side, conid=conid, quantity=quantity)
                await table.advance(0.5)
            await table.admin("quiesce")
            trades = await table.ok("GET", "/iserver/account/trades?days=1")
            held: dict[int, Decimal] = {}
            cash = Decimal(1_000_000)
            factors = {265598: 1, 515416632: 50, 667629330: 100}
            for row in trades:
                sign = 1 if row["side"] == "B" else -1
                size, price = Decimal(str(row["size"])), Decimal(row["price"])
                held[row["conid"]] = held.get(row["conid"], Decimal(0)) + sign * size
                cash -= sign * size * price * factors[row["conid"]] + Decimal(row["commission"])
            rows = await table.ok("GET", f"/portfolio/{ACCOUNT}/positions/0")
            assert {r["conid"]: Decimal(str(r["position"])) for r in rows} == held
            assert held == {265598: 18, 515416632: 1, 667629330: 1}
            assert await table.ok("GET", f"/portfolio/{ACCOUNT}/positions/1") == []
            near = await table.ok("GET", f"/portfolio2/{ACCOUNT}/positions")
            assert {int(r["conid"]): r["position"] for r in near} == {
                conid: float(size) for conid, size in held.items()
            }
            ledger = await table.ok("GET", f"/portfolio/{ACCOUNT}/ledger")
            assert Decimal(str(ledger["USD"]["cashbalance"])) == cash
            summary = await table.ok("GET", f"/portfolio/{ACCOUNT}/summary")
            value = sum(Decimal(str(r["mktValue"])) for r in rows)
            assert abs(Decimal(str(summary["netliquidation"]["amount"])) - cash - value) < 1
            assert await table.ok("GET", "/iserver/account/pnl/partitioned") == {"upnl": {}}
            pnl = await table.ok("GET", "/iserver/account/pnl/partitioned")
            row = pnl["upnl"][f"{ACCOUNT}.Core"]
            assert row["nl"] == summary["netliquidation"]["amount"]
            assert abs(row["dpl"] - (row["nl"] - 1_000_000)) < 0.05

    run(scenario())


def test_12_6_lost_and_late_answers(run):
    async def scenario() -> None:
        async with desk(questions=False) as table:
            await table.accounts()
            table.sim.faults.place_503_but_live()
            order = {"conid": 265598, "orderType": "LMT", "side": "BUY", "tif": "DAY"}
            order |= {"quantity": 1, "price": 150.0}
            answer = await table.call("POST", f"{PATH}/orders", {"orders": [order]})
            assert answer[0] == 503
            assert len(table.sim.exchange.orders) == 1
            table.sim.faults.next_reply("place", drop=True)
            with pytest.raises(aiohttp.ClientError):
                await table.place(price=150.0)
            assert len(table.sim.exchange.orders) == 2
            table.sim.faults.next_reply("place", status=500, body={"error": "x"})
            answer = await table.call("POST", f"{PATH}/orders", {"orders": [order]})
            assert answer == (500, {"error": "x"})
            assert len(table.sim.exchange.orders) == 2
            table.sim.configure(questions=True)
            table.sim.faults.reply_lost()
            question = await table.place(price=193.0)
            with pytest.raises(aiohttp.ClientError):
                await table.call("POST", f"/iserver/reply/{question[0]['id']}", {"confirmed": True})
            assert len(table.sim.exchange.orders) == 3

    run(scenario())


def test_12_6_rows_bad_swapped_and_silent(run):
    async def scenario() -> None:
        async with desk(questions=False) as table:
            await table.accounts()
            socket = await table.ready()
            await socket.send("sor+{}")
            table.sim.faults.bad_row()
            await table.place(price=150.0)
            await table.advance(0.3)
            rows = rows_of(await socket.frames(), "sor")
            assert rows[0] == {"orderId": "not-a-number", "status": 7}
            assert [row.get("status") for row in rows[1:]] == STATUSES
            table.sim.faults.out_of_order_status()
            await table.place(price=150.0)
            await table.advance(0.3)
            rows = rows_of(await socket.frames(), "sor")
            assert [row.get("status") for row in rows][:2] == [None, "Inactive"]
            table.sim.faults.sor_silent()
            await table.place(price=150.0)
            await table.advance(0.3)
            assert await socket.frames() == []
            assert table.sim.clock.now_ms() > START_MS

    run(scenario())


def test_6_2_6_3_contracts_snapshots_and_history(run):
    async def scenario() -> None:
        async with desk() as table:
            await table.accounts()
            (stock,) = (await table.ok("GET", "/trsrv/stocks?symbols=AAPL"))["AAPL"]
            assert [one["isUS"] for one in stock["contracts"]] == [True, False]
            (future,) = (await table.ok("GET", "/trsrv/futures?symbols=ES"))["ES"]
            assert (future["conid"], future["expirationDate"]) == (515416632, 20261218)
            (found,) = await table.ok("POST", "/iserver/secdef/search", {"symbol": "aapl"})
            assert found["conid"] == "265598"
            assert await table.ok("GET", "/iserver/secdef/search?symbol=ZZZ") == {
                "error": "No symbol found"
            }
            info = "/iserver/secdef/info?conid=265598&sectype=OPT&month=AUG26&strike=195&right=C"
            (option,) = await table.ok("GET", info)
            assert (option["conid"], option["strike"]) == (667629330, 195.0)
            snapshot = "/iserver/marketdata/snapshot?conids=265598,8314&fields=31,83"
            assert await table.ok("GET", snapshot) == [
                {"conidEx": "265598", "conid": 265598}, {"conidEx": "8314", "conid": 8314},
            ]  # fmt: skip
            first, _ = await table.ok("GET", snapshot)
            assert (first["31"], first["83"]) == ("193.18", "0.0%")
            for body, status in (({"conid": 8314}, 200), ({"conid": 8314}, 500)):
                path = "/iserver/marketdata/unsubscribe"
                assert (await table.call("POST", path, body))[0] == status
            assert await table.ok("GET", "/iserver/marketdata/unsubscribeall") == {
                "unsubscribed": True
            }
            bars = await table.ok(
                "GET", "/iserver/marketdata/history?conid=265598&period=1d&bar=1h"
            )
            assert len(bars["data"]) == 24
            assert bars["points"] == 23
            bad = await table.call("GET", "/iserver/marketdata/history?conid=265598&bar=7s")
            assert bad[0] == 500

    run(scenario())
