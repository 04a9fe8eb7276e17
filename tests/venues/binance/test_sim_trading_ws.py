"""Trading websocket of the Binance simulator (section 13)."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa
from unit.sim.trading_desk import TradingDesk

from connectors.sim.binance.order_faults import OrderFault
from connectors.sim.binance.types import ApiError, Cost, Product
from connectors.sim.binance.wsapi import TradingWs

SAMPLES = {
    item["id"]: item["frame"]
    for item in json.loads(
        (Path(__file__).parents[2] / "data" / "binance" / "ws_api_frames.json").read_text()
    )["replies"]
}
ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.010",
    "price": "42000.0",
}


@pytest.fixture
def desk():
    return TradingDesk()


@pytest.fixture
def session(desk):
    return desk.session()


def code(reply):
    return reply["status"], reply["error"]["code"]


def test_place_modify_status_cancel(desk, session):
    placed = desk.ws(session, "order.place", ORDER)
    assert list(placed) == list(SAMPLES["place_ok"])
    assert list(placed["result"]) == list(SAMPLES["place_ok"]["result"])
    order_id = placed["result"]["orderId"]
    change = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "orderId": order_id,
        "quantity": "0.011",
        "price": "42001.0",
        "modifyId": 1,
    }
    modified = desk.ws(session, "order.modify", change)["result"]
    assert set(modified) == set(SAMPLES["modify_ok"]["result"])
    assert modified["modifyId"] == SAMPLES["modify_ok"]["result"]["modifyId"]
    one = {"symbol": "BTCUSDT", "orderId": order_id}
    found = desk.ws(session, "order.status", one)["result"]
    assert (found["origQty"], found["avgPrice"]) == ("0.011", "0.00")
    canceled = desk.ws(session, "order.cancel", one)["result"]
    assert list(canceled) == list(SAMPLES["cancel_ok"]["result"])
    assert desk.ws(session, "order.cancel", one)["error"] == SAMPLES["cancel_unknown"]["error"]
    assert [cost for _, cost in desk.charged] == [
        Cost(0, 1, 1),
        Cost(0, 1, 1),
        Cost(1),
        Cost(1),
        Cost(1),
    ]


def test_rest_and_websocket_see_the_same_orders(desk, session):
    placed = desk.ws(session, "order.place", ORDER)["result"]
    (found,) = desk.ok("GET", "openOrders")
    assert found["orderId"] == placed["orderId"]


@pytest.mark.parametrize("request_id", ["req-1", 18, None, "x" * 36])
def test_bn_w_10_id_comes_back_with_its_type(desk, session, request_id):
    reply = desk.ws(session, "order.place", ORDER, request_id=request_id)
    assert reply["id"] == request_id
    assert type(reply["id"]) is type(request_id)


@pytest.mark.parametrize(
    "text",
    [b"", "{", "[]", '{"id":1}', '{"method":3}', '{"id":[1],"method":"ping"}', b"\xff"],
)
def test_malformed_requests_are_answered_without_an_id(session, text):
    (reply,) = session.handle(text)
    answer = json.loads(reply)
    assert answer["id"] is None
    assert answer["status"] == 400


def test_ids_too_long_or_of_another_type_are_refused(session):
    for request_id in ("x" * 37, 1.5, True):
        (reply,) = session.handle(json.dumps({"id": request_id, "method": "ping"}))
        assert code(json.loads(reply)) == (400, -1135)


def test_bn_w_03_rate_limits_can_be_switched_off(desk):
    assert "rateLimits" in desk.ws(desk.session(), "order.place", ORDER)
    quiet = desk.session(return_rate_limits=False)
    assert "rateLimits" not in desk.ws(quiet, "order.place", ORDER)
    loud = desk.ws(quiet, "order.place", ORDER | {"returnRateLimits": "true"})
    assert "rateLimits" in loud
    hushed = desk.ws(desk.session(), "order.place", ORDER | {"returnRateLimits": "false"})
    assert "rateLimits" not in hushed


def test_errors_have_the_venues_shape(desk, session):
    refused = desk.ws(session, "order.place", ORDER | {"type": "STOP_MARKET"})
    assert refused["error"] == SAMPLES["algo_needed"]["error"]
    desk.limit("SELL", "42000.0", account=1)
    refused = desk.ws(session, "order.place", ORDER | {"timeInForce": "GTX"})
    assert refused["error"] == SAMPLES["post_only_reject"]["error"]
    assert code(desk.ws(session, "nothing", {})) == (404, -1000)


def test_security(desk, session):
    text = desk.ws_request("order.place", ORDER)
    request = json.loads(text)

    def answer(**changes):
        params = request["params"] | changes
        params = {name: value for name, value in params.items() if value is not None}
        (reply,) = session.handle(json.dumps(request | {"params": params}))
        return code(json.loads(reply))

    assert answer(price="42000.1") == (400, -1022)
    assert answer(signature=None) == (400, -1102)
    assert answer(apiKey=None) == (400, -1102)
    assert answer(apiKey="A" * 64) == (401, -2015)
    assert answer(timestamp=None) == (400, -1102)
    desk.now_ns += 5_001_000_000
    assert answer() == (400, -1021)
    assert desk.ok("GET", "openOrders") == []


def test_bn_m_10_form_of_the_signed_values_is_a_switch(desk):
    params = ORDER | {"newClientOrderId": "a:b/c"}
    text = desk.ws_request("order.place", params)  # signed over the plain values
    for form, status in (("encoded", 400), ("plain", 200)):
        (reply,) = desk.session(signature_form=form).handle(text)
        assert json.loads(reply)["status"] == status


def test_algo_orders(desk, session):
    params = {
        "algoType": "CONDITIONAL",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "STOP_MARKET",
        "quantity": "0.010",
        "triggerPrice": "42000.0",
    }
    placed = desk.ws(session, "algoOrder.place", params)["result"]
    canceled = desk.ws(session, "algoOrder.cancel", {"algoId": placed["algoId"]})["result"]
    assert list(canceled) == list(SAMPLES["algo_cancel_ok"]["result"])
    assert canceled["code"] == "200"


def test_account_methods(desk, session):
    assert desk.ws(session, "v2/account.balance", {})["result"][0]["asset"] == "USDT"
    assert desk.ws(session, "v2/account.position", {})["result"] == []
    assert len(desk.ws(session, "account.position", {})["result"]) == 2
    assert "totalWalletBalance" in desk.ws(session, "account.status", {})["result"]
    assert {cost for _, cost in desk.charged} == {Cost(5)}


def test_coin_margined_connection(desk):
    session = desk.session(product=Product.COINM)
    order = ORDER | {"symbol": "BTCUSD_PERP", "quantity": "5"}
    assert desk.ws(session, "order.place", order)["status"] == 200
    assert code(desk.ws(session, "order.place", ORDER)) == (400, -1121)
    assert code(desk.ws(session, "algoOrder.place", {})) == (404, -1000)


def test_bn_u_05_listen_key_needs_only_the_key(desk, session):
    key = desk.exchange.credentials[0]["api_key"]

    def call(name, params):
        request = {"id": 1, "method": f"userDataStream.{name}", "params": params}
        (reply,) = session.handle(json.dumps(request))
        return json.loads(reply)

    started = call("start", {"apiKey": key})
    assert started["result"]["listenKey"] == desk.listen()
    assert call("ping", {"apiKey": key})["status"] == 200
    assert call("stop", {"apiKey": key})["result"] == {}
    assert code(call("ping", {"apiKey": key})) == (400, -1125)
    assert code(call("start", {})) == (400, -1102)


def test_bn_w_06_session_logon_takes_ed25519_only(desk, session):
    assert code(desk.ws(session, "session.logon", {})) == (400, -4056)
    private = ECC.construct(curve="Ed25519", seed=bytes(32))
    api_key = "E" * 64
    pem = private.public_key().export_key(format="PEM")
    desk.exchange.register_key(desk.exchange.accounts[0], api_key, pem)
    params = {"apiKey": api_key, "timestamp": desk.now_ms()}
    payload = "&".join(f"{k}={params[k]}" for k in sorted(params))
    signature = eddsa.new(private, "rfc8032").sign(payload.encode())
    params["signature"] = base64.b64encode(signature).decode()

    def call(method, params):
        (reply,) = session.handle(json.dumps({"id": 1, "method": method, "params": params}))
        return json.loads(reply)

    assert call("session.logon", params)["result"]["apiKey"] == api_key
    short = ORDER | {"timestamp": desk.now_ms()}
    assert call("order.place", short)["status"] == 200
    assert code(call("order.place", ORDER)) == (400, -1102)
    assert call("session.status", {})["result"]["authorizedSince"] == desk.now_ms()
    assert call("session.logout", {})["result"]["apiKey"] is None
    assert code(call("order.place", short)) == (400, -1102)


def test_limits_stop_an_order_before_it_is_done(desk):
    def full(api_key, cost):
        raise ApiError(-1003, "Way too many requests", status=418, headers={"Retry-After": "60"})

    session = TradingWs(desk.exchange, full)
    reply = desk.ws(session, "order.place", ORDER)
    assert code(reply) == (418, -1003)
    assert reply["error"]["data"] == {
        "serverTime": desk.now_ms(),
        "retryAfter": desk.now_ms() + 60_000,
    }
    assert desk.ok("GET", "openOrders") == []


def test_public_methods_go_to_the_market_half(desk):
    def public(method, product, params):
        return {"method": method, "product": product.value, **params}, Cost(2)

    session = desk.session(public=public)
    (reply,) = session.handle('{"id":1,"method":"depth","params":{"symbol":"BTCUSDT"}}')
    assert json.loads(reply)["result"] == {
        "method": "depth",
        "product": "usdm",
        "symbol": "BTCUSDT",
    }
    assert desk.charged == [(None, Cost(2))]
    (reply,) = desk.session().handle('{"id":1,"method":"depth","params":{}}')
    assert code(json.loads(reply)) == (404, -1000)


# -- faults (BN-M-38) --------------------------------------------------------------------------


def test_reply_lost_after_execution(desk, session):
    session.faults.waiting.append(OrderFault("lost"))
    assert session.handle(desk.ws_request("order.place", ORDER)) == []
    assert len(desk.ok("GET", "openOrders")) == 1


def test_late_reply_comes_when_due(desk, session):
    session.faults.waiting.append(OrderFault("late", delay_s=2.0))
    assert session.handle(desk.ws_request("order.place", ORDER)) == []
    desk.advance(1.9)
    assert session.poll() == []
    desk.advance(0.1)
    (reply,) = session.poll()
    assert json.loads(reply)["status"] == 200
    assert session.poll() == []


@pytest.mark.parametrize(
    ("kind", "sample"),
    [("-1006", "unexpected_resp"), ("-1007", "timeout_unknown"), ("429", "throttled")],
)
def test_trouble_has_the_venues_shape(desk, session, kind, sample):
    session.faults.waiting.append(OrderFault(kind))
    reply = desk.ws(session, "order.place", ORDER)
    assert reply["status"] == SAMPLES[sample]["status"]
    assert reply["error"] == SAMPLES[sample]["error"]


def test_replies_without_content(desk, session):
    """BN-W-17 and the 5xx without an error object: the request must end all the same."""
    session.faults.waiting += [OrderFault(k) for k in ("no_result", "502_html", "headers_missing")]
    reply = desk.ws(session, "order.place", ORDER)
    assert set(reply) == {"id", "status", "rateLimits"}
    assert reply["status"] == 200
    assert desk.ws(session, "order.place", ORDER)["status"] == 502
    assert "rateLimits" not in desk.ws(session, "order.place", ORDER)
    assert len(desk.ok("GET", "openOrders")) == 3


def test_fault_queue_may_be_shared_by_connections(desk):
    session = desk.session(faults=desk.rest.faults)
    desk.rest.faults.waiting.append(OrderFault("503_internal", command="cancel"))
    placed = desk.ws(session, "order.place", ORDER)["result"]
    one = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    assert desk.ws(session, "order.cancel", one)["status"] == 503
    assert desk.ws(session, "order.cancel", one)["status"] == 200
