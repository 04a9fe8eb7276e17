"""Trading endpoints of the Binance simulator: security, filters, orders, faults (section 14)."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from unit.sim.trading_desk import TradingDesk

from connectors.sim.binance.order_faults import OrderFault
from connectors.sim.binance.types import Cost
from connectors.sim.engine_order import Side

SAMPLES = {
    item["id"]: item
    for item in json.loads(
        (Path(__file__).parents[2] / "data" / "binance" / "rest_samples.json").read_text()
    )["samples"]
}


@pytest.fixture
def desk():
    return TradingDesk()


def keys(sample_id):
    body = SAMPLES[sample_id]["body"]
    return set(body[0] if isinstance(body, list) else body)


def error(response):
    body = json.loads(response.body)
    return response.status, body["code"], body["msg"]


# -- security (BN-R-01, BN-R-02) ---------------------------------------------------------------


def test_bn_r_01_key_and_signature_are_checked(desk):
    query = f"timestamp={desk.now_ms()}"
    signed = f"{query}&signature={desk.sign(query)}".encode()
    path = "/fapi/v3/balance"
    assert desk.send("GET", path, signed).status == 200
    assert error(desk.send("GET", path, signed, headers={}))[:2] == (401, -2014)
    assert error(desk.send("GET", path, signed, headers={"x-mbx-apikey": "a b"}))[:2] == (
        401,
        -2014,
    )
    unknown = {"X-MBX-APIKEY": "A" * 64}
    assert error(desk.send("GET", path, signed, headers=unknown))[:2] == (401, -2015)
    assert error(desk.send("GET", path, signed, account=1))[:2] == (400, -1022)
    assert error(desk.send("GET", path, query.encode()))[:2] == (400, -1102)
    sent_without_time = f"signature={desk.sign('')}".encode()
    assert error(desk.send("GET", path, sent_without_time))[:2] == (400, -1102)


def test_header_name_in_any_letter_case(desk):
    query = f"timestamp={desk.now_ms()}"
    signed = f"{query}&signature={desk.sign(query)}".encode()
    key = desk.exchange.credentials[0]["api_key"]
    for name in ("x-mbx-apikey", "X-Mbx-Apikey"):
        assert desk.send("GET", "/fapi/v3/balance", signed, headers={name: key}).status == 200


@pytest.mark.parametrize(
    ("offset_ms", "window", "code"),
    [
        (0, None, None),
        (999, None, None),
        (1000, None, -1021),
        (-5000, None, None),
        (-5001, None, -1021),
        (-5001, 6000, None),
        (-60_000, 60_000, None),
        (0, 60_001, -1131),
    ],
)
def test_bn_r_02_time_window(desk, offset_ms, window, code):
    query = f"timestamp={desk.now_ms() + offset_ms}"
    if window is not None:
        query += f"&recvWindow={window}"
    response = desk.send(
        "GET", "/fapi/v3/balance", f"{query}&signature={desk.sign(query)}".encode()
    )
    if code is None:
        assert response.status == 200
    else:
        assert error(response)[:2] == (400, code)


def test_bn_r_04_query_body_or_both_and_the_query_wins(desk):
    base = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.010"
    time = f"timestamp={desk.now_ms()}"
    for query, body in (
        (f"{base}&price=42000&{time}", ""),
        ("", f"{base}&price=42000&{time}"),
        (f"{base}&price=42000", time),
        (f"price=42000&{time}", f"{base}&price=41000"),
    ):
        signature = f"&signature={desk.sign(query + body)}"
        in_body = bool(body)
        response = desk.send(
            "POST",
            "/fapi/v1/order",
            (query if in_body else query + signature).encode(),
            (body + signature if in_body else body).encode(),
        )
        assert json.loads(response.body)["price"] == "42000.00"


def test_unknown_paths_methods_and_parameters(desk):
    assert desk.raw("GET", "nothing").status == 404
    assert desk.raw("PATCH", "order").status == 405
    assert desk.refused("GET", "openOrders", foo="1") == -1104
    assert desk.refused("GET", "openOrders", symbol="") == -1105
    assert desk.refused("GET", "openOrders", symbol="NOPEUSDT") == -1121
    assert desk.refused("GET", "/dapi/v1/openOrders", symbol="NOPE") == -1121  # BN-R-34
    assert desk.refused("GET", "/dapi/v1/openOrders", symbol="BTCUSDT") == -1121
    desk.rest.strict = False
    assert desk.ok("GET", "openOrders", foo="1") == []
    assert desk.rest.serves("POST", "/dapi/v1/order")
    assert not desk.rest.serves("GET", "/fapi/v1/depth")


def test_costs_of_14_1(desk):
    costs = {
        ("POST", "/fapi/v1/order", b""): Cost(0, 1, 1),
        ("POST", "/dapi/v1/batchOrders", b""): Cost(5, 5, 1),
        ("DELETE", "/fapi/v1/order", b"symbol=X"): Cost(1),
        ("GET", "/fapi/v1/openOrders", b"symbol=X"): Cost(1),
        ("GET", "/fapi/v1/openOrders", b""): Cost(40),
        ("GET", "/fapi/v3/account", b""): Cost(5),
        ("GET", "/dapi/v1/positionRisk", b""): Cost(1),
        ("GET", "/fapi/v1/positionSide/dual", b""): Cost(30),
        ("POST", "/fapi/v1/countdownCancelAll", b""): Cost(10),
        ("PUT", "/fapi/v1/listenKey", b""): Cost(1),
    }
    assert {request: desk.rest.cost(*request) for request in costs} == costs
    response = desk.raw("GET", "openOrders")
    assert response.cost == Cost(40)
    assert response.api_key == desk.exchange.credentials[0]["api_key"]


# -- placing -----------------------------------------------------------------------------------


def test_reply_has_the_fields_of_the_venue(desk):
    reply = desk.limit(newClientOrderId="testOrder")
    assert set(reply) == keys("order_new")
    assert "avgPrice" not in reply  # BN-R-14
    assert reply["clientOrderId"] == "testOrder"
    queried = desk.ok("GET", "order", symbol="BTCUSDT", origClientOrderId="testOrder")
    assert queried["avgPrice"] == "0.00"
    assert queried["time"] == desk.now_ms()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": "XUSDT"}, -1121),
        ({"side": "HOLD"}, -1117),
        ({"side": None}, -1102),
        ({"type": "STOP_MARKET", "stopPrice": "41000"}, -4120),  # BN-R-06
        ({"type": "TRAILING_STOP_MARKET"}, -4120),
        ({"type": "ICEBERG"}, -1116),
        ({"type": None}, -1102),
        ({"timeInForce": None}, -1102),  # BN-R-05
        ({"timeInForce": "DAY"}, -1115),
        ({"quantity": None}, -1102),
        ({"price": None}, -1102),
        ({"price": "1e5"}, -1100),  # BN-I-16
        ({"quantity": "0,01"}, -1100),
        ({"price": "43000.05"}, -4014),
        ({"price": "43000.001"}, -1111),
        ({"price": "-1"}, -4001),
        ({"price": "556.7"}, -4013),
        ({"price": "4529764.1"}, -4002),
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.0001"}, -1111),
        ({"quantity": "1000.001"}, -4005),
        ({"price": "45150.1"}, -4016),  # 43000 x 1.05
        ({"side": "SELL", "price": "40849.9"}, -4024),
        ({"quantity": "0.002"}, -4164),  # BN-I-15
        ({"newClientOrderId": "a" * 37}, -4015),  # BN-I-01
        ({"newClientOrderId": "a b"}, -4015),
        ({"positionSide": "LONG"}, -4061),  # BN-R-08
        ({"positionSide": "UP"}, -4060),
        ({"reduceOnly": "true"}, -2022),
        ({"reduceOnly": "maybe"}, -1100),
        ({"priceMatch": "OPPONENT"}, -1128),  # BN-R-09
        ({"priceMatch": "BEST", "price": None}, -5037),
        ({"priceMatch": "QUEUE", "price": None}, -5041),
        ({"selfTradePreventionMode": "MAYBE"}, -5039),
        ({"timeInForce": "GTD"}, -1102),  # BN-R-11
        ({"timeInForce": "GTD", "goodTillDate": "1795219200000"}, -5040),
        ({"timeInForce": "GTD", "goodTillDate": "253402300799000"}, -5040),
        ({"newOrderRespType": "FULL"}, -1136),
        ({"timeInForce": "FOK"}, -5021),
        ({"foo": "1"}, -1104),
    ],
)
def test_refusals_and_their_codes(desk, change, code):
    assert desk.refused_limit(**change) == code
    assert desk.ok("GET", "openOrders") == []


def test_filter_borders_are_inside(desk):
    desk.limit("BUY", "45150.0")
    desk.limit("SELL", "40850.0", "0.003", account=1, timeInForce="IOC")
    desk.symbols["BTCUSDT"].step_size = Decimal("0.005")  # BN-M-42
    assert desk.refused_limit(quantity="0.007") == -4023
    desk.symbols["BTCUSDT"].status = "SETTLING"
    assert desk.refused_limit() == -4141


def test_market_orders(desk):
    def refused(**change):
        values = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}
        return desk.refused("POST", "order", **(values | change))

    assert refused(price="43000") == -1106
    assert refused(timeInForce="GTC") == -1106
    assert refused(quantity="120.001") == -4005  # MARKET_LOT_SIZE
    desk.bot(Side.SELL, 4, 4300000)
    reply = desk.market(newOrderRespType="RESULT")
    assert (reply["status"], reply["executedQty"]) == ("EXPIRED", "0.004")
    desk.bot(Side.SELL, 4, 4515010)  # beyond 5 percent
    assert refused() == -4131


def test_bn_r_13_ack_and_result(desk):
    desk.bot(Side.SELL, 10, 4300000)
    reply = desk.market(quantity="0.004")
    assert (reply["status"], reply["executedQty"]) == ("NEW", "0.000")
    reply = desk.market(quantity="0.004", newOrderRespType="RESULT")
    assert (reply["status"], reply["executedQty"]) == ("FILLED", "0.004")
    queried = desk.ok("GET", "order", symbol="BTCUSDT", orderId=reply["orderId"])
    assert (queried["avgPrice"], queried["cumQuote"]) == ("43000.00", "172")


def test_gtx_crossing_is_5022_and_leaves_no_trace(desk):
    desk.bot(Side.SELL, 10, 4300000)
    assert desk.refused_limit(timeInForce="GTX", newClientOrderId="gone") == -5022
    assert desk.refused("GET", "order", symbol="BTCUSDT", origClientOrderId="gone") == -2013
    assert desk.limit(price="42999.9", timeInForce="GTX")["status"] == "NEW"


def test_bn_i_01_client_ids_are_unique_among_open_orders(desk):
    order = desk.limit(newClientOrderId="once")
    assert desk.refused_limit(newClientOrderId="once") == -4116
    desk.ok("DELETE", "order", symbol="BTCUSDT", origClientOrderId="once")
    again = desk.limit(newClientOrderId="once")
    found = desk.ok("GET", "order", symbol="BTCUSDT", origClientOrderId="once")
    assert found["orderId"] == again["orderId"] != order["orderId"]


def test_bn_r_09_price_match(desk):
    for level in range(6):
        desk.bot(Side.SELL, 10, 4300000 + 100 * level)
    order = {"type": "LIMIT", "timeInForce": "GTX", "symbol": "BTCUSDT", "quantity": "0.010"}
    reply = desk.ok("POST", "order", side="SELL", priceMatch="QUEUE_5", **order)
    assert (reply["price"], reply["priceMatch"]) == ("43004.00", "QUEUE_5")
    reply = desk.ok(
        "POST", "order", side="BUY", priceMatch="OPPONENT", **(order | {"timeInForce": "IOC"})
    )
    assert reply["price"] == "43000.00"


def test_bn_r_11_gtd_expires_on_the_second(desk):
    desk.listen()
    good_till = desk.now_ms() + 700_999
    reply = desk.limit(timeInForce="GTD", goodTillDate=good_till)
    assert reply["goodTillDate"] == desk.now_ms() + 700_000
    desk.advance(699.9)
    assert len(desk.ok("GET", "openOrders")) == 1
    desk.advance(0.1)
    assert desk.updates()[-1]["X"] == "EXPIRED"


def test_bn_m_42_delisting_ends_orders_and_settles_positions(desk):
    desk.listen()
    desk.bot(Side.SELL, 10, 4300000)
    desk.limit()
    resting = desk.limit(price="42000.0")
    waiting = algo(desk)
    desk.exchange.delist("BTCUSDT")
    ended = next(u for u in reversed(desk.updates()) if u["i"] == resting["orderId"])
    assert (ended["X"], ended["er"]) == ("EXPIRED", "7")
    assert desk.updates()[-1]["c"].startswith("settlement_autoclose-")
    assert status(desk, waiting) == "EXPIRED"
    assert desk.ok("GET", "/fapi/v3/positionRisk") == []
    assert desk.refused_limit() == -4141
    del desk.symbols["BTCUSDT"]
    desk.exchange.mark_prices.clear()
    assert desk.refused_limit() == -1121
    assert desk.ok("GET", "openOrders") == []
    assert desk.ok("GET", "/fapi/v3/account")["positions"] == []


def test_bn_m_14_the_same_script_gives_the_same_bytes():
    def play():
        desk = TradingDesk(seed=5)
        raw = []
        desk.exchange.user_stream.subscribe(lambda frame: raw.append(frame.data))
        raw.append(desk.listen().encode())
        desk.bot(Side.SELL, 10, 4300000)
        raw.append(json.dumps(desk.limit(quantity="0.020")).encode())
        algo(desk)
        desk.mark("42000.0")
        desk.advance(3600)
        return raw

    assert play() == play()


def test_max_open_orders(desk):
    desk.symbols["BTCUSDT"].max_orders = 2
    desk.limit(price="42000.0")
    desk.limit(price="42000.0")
    assert desk.refused_limit(price="42000.0") == -2025


def test_bn_r_08_hedge_mode(desk):
    desk.ok("POST", "positionSide/dual", dualSidePosition="true")
    assert desk.ok("GET", "positionSide/dual") == {"dualSidePosition": True}
    assert desk.refused_limit() == -4061
    assert desk.refused_limit(positionSide="LONG", reduceOnly="true") == -1106
    assert desk.refused_limit("SELL", positionSide="LONG") == -2022
    desk.bot(Side.SELL, 10, 4300000)
    desk.bot(Side.BUY, 10, 4299000)
    desk.limit("BUY", "43000.0", positionSide="LONG")
    desk.limit("SELL", "42990.0", positionSide="SHORT")
    risks = desk.ok("GET", "/fapi/v3/positionRisk")
    assert {r["positionSide"]: r["positionAmt"] for r in risks} == {
        "LONG": "0.010",
        "SHORT": "-0.010",
    }
    assert desk.refused("POST", "positionSide/dual", dualSidePosition="false") == -4068


def test_reduce_only_shrinks_to_the_position_and_dies_with_it(desk):
    desk.listen()
    desk.bot(Side.SELL, 10, 4300000)
    desk.limit()
    order = desk.limit("SELL", "44000.0", "0.020", reduceOnly="true")
    assert order["origQty"] == "0.010"  # BN-X-05
    desk.bot(Side.BUY, 10, 4290000)
    desk.limit("SELL", "42900.0", "0.010")
    update = next(u for u in reversed(desk.updates()) if u["i"] == order["orderId"])
    assert (update["X"], update["er"]) == ("EXPIRED", "4")


# -- modify (BN-R-15 to BN-R-17) ---------------------------------------------------------------


def change(desk, order, *, price="42000.0", quantity="0.010", **more):
    values = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "orderId": order["orderId"],
        "quantity": quantity,
        "price": price,
    }
    values = {name: value for name, value in (values | more).items() if value is not None}
    response = desk.raw("PUT", "order", **values)
    return json.loads(response.body)


def test_bn_r_15_modify_changes_price_and_size_and_loses_priority(desk):
    first = desk.limit(price="42000.0")
    second = desk.limit(price="42000.0", account=1)
    assert change(desk, first, quantity="0.011")["origQty"] == "0.011"
    desk.bot(Side.SELL, 10, 4200000)
    assert desk.ok("GET", "order", 1, symbol="BTCUSDT", orderId=second["orderId"])["status"] == (
        "FILLED"
    )


def test_bn_r_15_the_id_wins_over_the_client_id(desk):
    first = desk.limit(newClientOrderId="a")
    desk.limit(newClientOrderId="b")
    assert change(desk, first, origClientOrderId="b")["clientOrderId"] == "a"


def test_bn_r_16_modify_below_filled_and_post_only_crossing_cancel(desk):
    order = desk.limit(price="42000.0")
    desk.bot(Side.SELL, 4, 4200000)
    reply = change(desk, order, price="42000.0", quantity="0.004")
    assert reply["status"] == "CANCELED"
    desk.bot(Side.SELL, 4, 4300000)
    order = desk.limit(price="42000.0", timeInForce="GTX")
    assert change(desk, order, price="43000.0")["status"] == "CANCELED"


def test_bn_r_16_filter_violation_leaves_the_order_alone(desk):
    order = desk.limit(price="42000.0")
    for change_to, code in (
        ({"price": "42000.05"}, -4014),
        ({"quantity": "0.001"}, -4164),
        ({"price": "99999.0"}, -4016),
    ):
        assert change(desk, order, **change_to)["code"] == code
    (still,) = desk.ok("GET", "openOrders")
    assert (still["price"], still["origQty"]) == ("42000.00", "0.010")


def test_bn_r_17_modify_errors(desk):
    order = desk.limit(price="42000.0")
    assert change(desk, order, price="42000.0")["code"] == -5027
    assert change(desk, order, reduceOnly="true")["code"] == -5047
    assert change(desk, order, side="SELL")["code"] == -1117
    assert change(desk, order, price=None)["code"] == -1102
    assert change(desk, {"orderId": 999_999})["code"] == -2013
    desk.symbols["BTCUSDT"].max_modifications = 1
    assert change(desk, order, price="42001.0")["price"] == "42001.00"
    assert change(desk, order, price="42002.0")["code"] == -5026
    desk.symbols["BTCUSDT"].status = "BREAK"
    assert change(desk, order, price="42002.0")["code"] == -5024


# -- cancel and batches ------------------------------------------------------------------------


def test_cancel_by_either_id_and_codes(desk):
    first, second = desk.limit(price="42000.0"), desk.limit(price="42000.0")
    reply = desk.ok("DELETE", "order", symbol="BTCUSDT", orderId=first["orderId"])
    assert reply["status"] == "CANCELED"
    desk.ok("DELETE", "order", symbol="BTCUSDT", origClientOrderId=second["clientOrderId"])
    assert desk.refused("DELETE", "order", symbol="BTCUSDT", orderId=first["orderId"]) == -2011
    assert desk.refused("DELETE", "order", symbol="BTCUSDT") == -1102
    assert desk.refused("DELETE", "order", 1, symbol="BTCUSDT", orderId=first["orderId"]) == -2011
    assert desk.refused("GET", "openOrder", symbol="BTCUSDT", orderId=first["orderId"]) == -2013


def test_cancel_all_of_one_symbol(desk):
    desk.limit(price="42000.0")
    desk.limit(price="42000.0")
    other = desk.limit(symbol="ETHUSDT", price="42000.0")
    assert desk.ok("DELETE", "allOpenOrders", symbol="BTCUSDT") == SAMPLES["cancel_all"]["body"]
    assert [o["orderId"] for o in desk.ok("GET", "openOrders")] == [other["orderId"]]


def batch_item(**more):
    return {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.010",
        "price": "42000.0",
    } | more


def test_bn_r_18_batch_is_in_order_and_not_atomic(desk):
    items = [batch_item(newClientOrderId="a"), batch_item(reduceOnly="true"), batch_item()]
    replies = desk.ok("POST", "batchOrders", batchOrders=json.dumps(items))
    assert replies[0]["clientOrderId"] == "a"
    assert replies[1] == {"code": -2022, "msg": "ReduceOnly Order is rejected."}
    assert replies[2]["status"] == "NEW"
    ids = [replies[0]["orderId"], replies[2]["orderId"]]
    changes = [
        {
            "orderId": i,
            "symbol": "BTCUSDT",
            "side": "BUY",
            "quantity": "0.011",
            "price": "42001.0",
        }
        for i in ids
    ]
    replies = desk.ok("PUT", "batchOrders", batchOrders=json.dumps(changes))
    assert {reply["price"] for reply in replies} == {"42001.00"}
    replies = desk.ok(
        "DELETE", "batchOrders", symbol="BTCUSDT", orderIdList=json.dumps([*ids, 999])
    )
    assert [reply.get("status", reply.get("code")) for reply in replies] == [
        "CANCELED",
        "CANCELED",
        -2011,
    ]


@pytest.mark.parametrize("name", ["origClientOrderIdList", "origclientorderidlist"])
def test_batch_cancel_by_client_ids_in_either_letter_case(desk, name):
    desk.limit(price="42000.0", newClientOrderId="a")
    ids = json.dumps(["a", "b"])
    replies = desk.ok("DELETE", "batchOrders", symbol="BTCUSDT", **{name: ids})
    assert [reply.get("status", reply.get("code")) for reply in replies] == ["CANCELED", -2011]


def test_batches_have_a_size_and_a_form(desk):
    def refused(text):
        return desk.refused("POST", "batchOrders", batchOrders=text)

    assert refused(json.dumps([batch_item()] * 6)) == -4082
    assert refused("[]") == -4082
    assert refused("{'a':1}") == -1102  # Python-style quotes (BN-Q-09)
    assert refused("[1]") == -1130
    both = {"orderIdList": "[1]", "origClientOrderIdList": '["a"]'}
    assert desk.refused("DELETE", "batchOrders", symbol="BTCUSDT", **both) == -1128  # BN-R-20
    assert desk.refused("DELETE", "batchOrders", symbol="BTCUSDT") == -1128


def test_bn_r_22_countdown_cancels_unless_refreshed(desk):
    desk.limit(price="42000.0")
    other = desk.limit(symbol="ETHUSDT", price="42000.0")
    start = {"symbol": "BTCUSDT", "countdownTime": 1000}
    reply = desk.ok("POST", "countdownCancelAll", **start)
    assert reply == {"symbol": "BTCUSDT", "countdownTime": "1000"}
    desk.advance(0.9)
    desk.ok("POST", "countdownCancelAll", **start)
    desk.advance(0.9)
    assert len(desk.ok("GET", "openOrders")) == 2
    desk.advance(0.1)
    assert [o["orderId"] for o in desk.ok("GET", "openOrders")] == [other["orderId"]]
    desk.limit(price="42000.0")
    desk.ok("POST", "countdownCancelAll", **start)
    desk.ok("POST", "countdownCancelAll", **(start | {"countdownTime": 0}))
    desk.advance(5)
    assert len(desk.ok("GET", "openOrders")) == 2


# -- queries -----------------------------------------------------------------------------------


def test_all_orders_and_windows(desk):
    ids = []
    for _ in range(3):
        order = desk.limit(price="42000.0")
        ids.append(order["orderId"])
        desk.advance(24 * 3600)
    desk.ok("DELETE", "allOpenOrders", symbol="BTCUSDT")

    def found(**params):
        orders = desk.ok("GET", "allOrders", symbol="BTCUSDT", **params)
        return [order["orderId"] for order in orders]

    assert found() == ids
    assert found(limit=2) == ids[1:]
    assert found(orderId=ids[1], limit=1) == ids[1:2]
    assert found(startTime=desk.now_ms() - 36 * 3600 * 1000) == ids[2:]
    too_long = {"startTime": 1, "endTime": 1 + 7 * 24 * 3600 * 1000 + 1}
    assert desk.refused("GET", "allOrders", symbol="BTCUSDT", **too_long) == -1127
    assert desk.refused("GET", "allOrders") == -1102
    desk.advance(8 * 24 * 3600)
    assert found() == []


def test_bn_r_33_user_trades_by_id_or_by_time(desk):
    for _ in range(5):
        desk.limit()
        desk.limit("SELL", account=1)
        desk.advance(1)

    def found(**params):
        return [t["id"] for t in desk.ok("GET", "userTrades", symbol="BTCUSDT", **params)]

    assert found() == [1, 2, 3, 4, 5]
    assert found(fromId=3) == [3, 4, 5]
    assert found(fromId=3, limit=1) == [3]
    assert found(limit=2) == [4, 5]
    assert found(startTime=desk.now_ms() - 2000, limit=1) == [4]
    both = {"fromId": 1, "startTime": 1}
    assert desk.refused("GET", "userTrades", symbol="BTCUSDT", **both) == -1128
    (trade,) = desk.ok("GET", "userTrades", symbol="BTCUSDT", limit=1)
    assert set(trade) == keys("user_trades")
    assert (trade["maker"], trade["commission"]) == (True, "0.08600000")
    (trade,) = desk.ok("GET", "userTrades", 1, symbol="BTCUSDT", limit=1)
    assert (trade["maker"], trade["commission"]) == (False, "0.17200000")


def test_bn_r_27_position_risk_shows_what_is_in_use(desk):
    assert desk.ok("GET", "/fapi/v3/positionRisk") == []
    desk.limit()
    (risk,) = desk.ok("GET", "/fapi/v3/positionRisk")
    assert set(risk) == keys("position_risk_v3")
    assert len(desk.ok("GET", "/fapi/v2/positionRisk")) == 2
    assert len(desk.ok("GET", "/dapi/v1/positionRisk")) == 1


def test_balances_and_account(desk):
    (balance,) = desk.ok("GET", "/fapi/v3/balance")
    assert set(balance) == keys("balance_v3")
    (balance,) = desk.ok("GET", "/dapi/v1/balance")
    assert balance["asset"] == "BTC"
    account = desk.ok("GET", "/fapi/v3/account")
    assert account["totalWalletBalance"] == "1000000.00000000"
    assert account["positions"] == []
    assert len(desk.ok("GET", "/fapi/v2/account")["positions"]) == 2
    assert desk.ok("GET", "/dapi/v1/account")["canTrade"] is True


def test_settings(desk):
    assert desk.ok("POST", "leverage", symbol="BTCUSDT", leverage=21)["leverage"] == 21
    assert desk.refused("POST", "leverage", symbol="BTCUSDT", leverage=126) == -4028
    (config,) = desk.ok("GET", "symbolConfig", symbol="BTCUSDT")
    assert (config["leverage"], config["marginType"]) == (21, "CROSSED")
    isolate = {"symbol": "BTCUSDT", "marginType": "ISOLATED"}
    desk.ok("POST", "marginType", **isolate)
    response = desk.raw("POST", "marginType", **isolate)
    assert json.loads(response.body) == SAMPLES["margin_type_noop"]["body"]  # BN-R-23
    response = desk.raw("POST", "positionSide/dual", dualSidePosition="false")
    assert json.loads(response.body) == SAMPLES["position_side_noop"]["body"]
    desk.limit()
    crossed = {"symbol": "BTCUSDT", "marginType": "CROSSED"}
    assert desk.refused("POST", "marginType", **crossed) == -4047
    assert desk.refused("POST", "positionSide/dual", dualSidePosition="true") == -4067
    assert desk.ok("GET", "accountConfig")["dualSidePosition"] is False
    rate = desk.ok("GET", "commissionRate", symbol="BTCUSDT")
    assert rate["takerCommissionRate"] == "0.0004"
    assert len(desk.ok("GET", "leverageBracket")) == 2
    assert desk.ok("GET", "/dapi/v1/leverageBracket")[0]["pair"] == "BTCUSD"
    assert desk.ok("GET", "/dapi/v2/leverageBracket")[0]["symbol"] == "BTCUSD_PERP"
    assert [limit["limit"] for limit in desk.ok("GET", "rateLimit/order")] == [300, 1200]


# -- conditional orders (BN-R-06, BN-R-07, BN-R-10) --------------------------------------------


def algo(desk, code=None, **change):
    values = {
        "algoType": "CONDITIONAL",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "STOP_MARKET",
        "quantity": "0.010",
        "triggerPrice": "42000.0",
        "workingType": "MARK_PRICE",
    }
    values = {name: v for name, v in (values | change).items() if v is not None}
    if code is not None:
        assert desk.refused("POST", "algoOrder", **values) == code
        return None
    return desk.ok("POST", "algoOrder", **values)


def status(desk, order):
    return desk.ok("GET", "algoOrder", algoId=order["algoId"])["algoStatus"]


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "not_yet", "then"),
    [
        ("SELL", "STOP_MARKET", "42000.0", "42000.1", "42000.0"),
        ("BUY", "STOP_MARKET", "44000.0", "43999.9", "44000.0"),
        ("SELL", "TAKE_PROFIT_MARKET", "44000.0", "43999.9", "44000.0"),
        ("BUY", "TAKE_PROFIT_MARKET", "42000.0", "42000.1", "42000.0"),
    ],
)
def test_triggers(desk, side, kind, trigger, not_yet, then):
    desk.bot(Side.BUY, 100, 4190000)
    desk.bot(Side.SELL, 100, 4410000)
    order = algo(desk, side=side, type=kind, triggerPrice=trigger)
    desk.mark(not_yet)
    assert status(desk, order) == "NEW"
    desk.mark(then)
    assert status(desk, order) == "FINISHED"
    child = desk.ok("GET", "order", symbol="BTCUSDT", origClientOrderId=order["clientAlgoId"])
    assert (child["status"], child["type"], child["origType"]) == ("FILLED", "MARKET", kind)


def test_trigger_by_last_price(desk):
    order = algo(desk, workingType="CONTRACT_PRICE")
    desk.mark("41000.0")
    desk.bot(Side.BUY, 1, 4200000)
    desk.bot(Side.SELL, 1, 4200000)
    desk.exchange.tick()
    assert status(desk, order) == "FINISHED"


def test_price_protection_waits_while_last_and_mark_are_apart(desk):
    desk.bot(Side.BUY, 2, 4300000)
    desk.bot(Side.SELL, 1, 4300000)
    order = algo(desk, priceProtect="true")
    desk.mark("40000.0")
    assert status(desk, order) == "NEW"
    desk.mark("41990.0")
    assert status(desk, order) == "FINISHED"


def test_bn_r_10_trailing_stop(desk):
    desk.bot(Side.BUY, 100, 4450000)
    order = algo(
        desk,
        type="TRAILING_STOP_MARKET",
        triggerPrice=None,
        callbackRate="1",
        activatePrice="44000.0",
    )
    for price in ("43000.0", "42000.0", "44000.0", "45000.0", "44550.1"):
        desk.mark(price)
        assert status(desk, order) == "NEW"
    desk.mark("44550.0")
    assert status(desk, order) == "FINISHED"


def test_algo_refusals(desk):
    algo(desk, -1116, type="LIMIT")
    algo(desk, -1130, algoType="VP")
    algo(desk, -1102, triggerPrice=None)
    algo(desk, -1102, quantity=None)
    algo(desk, -1102, type="STOP")  # a limit price is missing
    algo(desk, -2021, triggerPrice="43000.0")
    algo(desk, -4014, triggerPrice="42000.05")
    algo(desk, -1128, closePosition="true")  # BN-R-07
    algo(desk, -1102, type="TRAILING_STOP_MARKET", triggerPrice=None)
    algo(desk, -2007, type="TRAILING_STOP_MARKET", triggerPrice=None, callbackRate="10.1")
    algo(desk, -1106, type="TRAILING_STOP_MARKET", callbackRate="1")
    algo(desk, clientAlgoId="once")
    algo(desk, -4116, clientAlgoId="once")


def test_close_position_closes_all_or_expires(desk):
    desk.bot(Side.SELL, 10, 4300000)
    desk.bot(Side.BUY, 100, 4190000)
    desk.limit()
    order = algo(desk, quantity=None, closePosition="true")
    idle = algo(desk, quantity=None, closePosition="true", side="BUY", triggerPrice="44000.0")
    desk.mark("42000.0")
    assert status(desk, order) == "FINISHED"
    assert desk.ok("GET", "/fapi/v3/positionRisk") == []
    desk.mark("44000.0")
    assert status(desk, idle) == "EXPIRED"


def test_bn_x_20_finished_may_be_told_before_the_last_fill(desk):
    desk.listen()
    desk.exchange.faults.finish_algo_early = True
    desk.bot(Side.BUY, 100, 4190000)
    algo(desk)
    desk.mark("42000.0")
    states = [f["o"]["X"] for f in desk.frames if "o" in f]
    assert states == ["NEW", "TRIGGERING", "TRIGGERED", "NEW", "FINISHED", "FILLED"]


def test_algo_order_expires_at_its_date(desk):
    good_till = desk.now_ms() + 700_000
    order = algo(desk, timeInForce="GTD", goodTillDate=good_till)
    desk.advance(699)
    assert status(desk, order) == "NEW"
    desk.advance(1)
    assert status(desk, order) == "EXPIRED"


def test_algo_rejected_at_trigger_says_why(desk):
    desk.listen()
    order = algo(desk, reduceOnly=None)
    account = desk.exchange.accounts[0]
    account.algo_orders[order["algoId"]].reduce_only = True
    desk.mark("42000.0")
    assert status(desk, order) == "REJECTED"
    assert desk.frames[-1]["o"]["rm"] == "Reduce Only reject"


def test_cancel_and_list_algo_orders(desk):
    first, second = algo(desk), algo(desk)
    assert len(desk.ok("GET", "openAlgoOrders")) == 2
    reply = desk.ok("DELETE", "algoOrder", algoId=first["algoId"])
    assert set(reply) == keys("algo_cancel")
    assert reply["code"] == "200"
    assert desk.refused("DELETE", "algoOrder", algoId=first["algoId"]) == -2011
    desk.limit(price="42000.0")
    desk.ok("DELETE", "allOpenOrders", symbol="BTCUSDT")  # BN-R-21: leaves algo orders
    assert status(desk, second) == "NEW"
    desk.ok("DELETE", "algoOpenOrders", symbol="BTCUSDT")
    assert desk.ok("GET", "openAlgoOrders") == []
    statuses = [o["algoStatus"] for o in desk.ok("GET", "allAlgoOrders", symbol="BTCUSDT")]
    assert statuses == ["CANCELED", "CANCELED"]


# -- faults of requests (BN-M-38, BN-M-40) -----------------------------------------------------


def place(desk, client_id):
    values = batch_item(newClientOrderId=client_id)
    return desk.raw("POST", "order", **values)


def executed(desk, client_id):
    response = desk.raw("GET", "order", symbol="BTCUSDT", origClientOrderId=client_id)
    return response.status == 200


@pytest.mark.parametrize(
    ("kind", "expected", "takes_effect"),
    [
        ("-1006", (503, -1006), True),
        ("-1007", (408, -1007), True),
        ("503_unknown", (503, SAMPLES["unknown_503"]["body"]["code"]), True),
        ("503_unavailable", (503, SAMPLES["unavailable_503"]["body"]["code"]), False),
        ("503_internal", (503, SAMPLES["internal_503"]["body"]["code"]), False),
        ("503_throttled", (503, SAMPLES["throttled_503"]["body"]["code"]), False),
        ("duplicate_client_id", (400, -4116), False),
        ("429", (429, -1003), False),
        ("429_orders", (429, -1015), False),
        ("418", (418, -1003), False),
    ],
)
def test_bn_m_38_error_replies(desk, kind, expected, takes_effect):
    desk.rest.faults.waiting.append(OrderFault(kind))
    response = place(desk, "one")
    assert error(response)[:2] == expected
    assert executed(desk, "one") is takes_effect
    assert ("Retry-After" in response.headers) is (expected[0] in (429, 418))
    assert place(desk, "two").status == 200, "a fault is used once"


@pytest.mark.parametrize(
    ("kind", "sample"),
    [
        ("503_unknown", "unknown_503"),
        ("503_unavailable", "unavailable_503"),
        ("503_internal", "internal_503"),
        ("503_throttled", "throttled_503"),
    ],
)
def test_bn_r_30_texts_are_the_venues(desk, kind, sample):
    desk.rest.faults.waiting.append(OrderFault(kind))
    assert json.loads(place(desk, "one").body) == SAMPLES[sample]["body"]


def test_bn_m_38_ambiguous_error_can_also_mean_nothing_happened(desk):
    desk.rest.faults.waiting.append(OrderFault("-1007", execute=False))
    assert place(desk, "one").status == 408
    assert not executed(desk, "one")


def test_bn_m_38_lost_late_and_html_replies(desk):
    queue = desk.rest.faults.waiting
    queue += [
        OrderFault("lost"),
        OrderFault("late", delay_s=2.5),
        OrderFault("502_html"),
        OrderFault("no_result"),
    ]
    assert place(desk, "lost").drop
    late = place(desk, "late")
    assert (late.status, late.delay_s, late.drop) == (200, 2.5, False)
    html = place(desk, "html")
    assert (html.status, html.headers["Content-Type"]) == (502, "text/html")
    assert html.body.decode() == SAMPLES["bad_gateway_502"]["text"]
    empty = place(desk, "empty")
    assert (empty.status, empty.body) == (200, b"")
    assert all(executed(desk, name) for name in ("lost", "late", "html", "empty"))


def test_faults_can_wait_and_choose_their_command(desk):
    queue = desk.rest.faults.waiting
    queue += [OrderFault("503_internal", command="cancel"), OrderFault("headers_missing", skip=1)]
    assert place(desk, "one").count_headers
    assert not place(desk, "two").count_headers
    cancel = desk.raw("DELETE", "order", symbol="BTCUSDT", origClientOrderId="one")
    assert cancel.status == 503
    assert not queue
    with pytest.raises(ValueError, match="unknown order fault"):
        OrderFault("nonsense")


def test_bn_m_38_order_not_visible_in_open_orders_at_first(desk):
    desk.exchange.faults.hide_open_orders_ms = 2000
    order = desk.limit()
    assert desk.ok("GET", "openOrders") == []
    assert desk.ok("GET", "order", symbol="BTCUSDT", orderId=order["orderId"])["status"] == "NEW"
    desk.advance(2)
    assert len(desk.ok("GET", "openOrders")) == 1
