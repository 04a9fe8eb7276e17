"""User events of the simulator: key order of the venue's frames, listen keys, faults."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from unit.sim.trading_desk import TradingDesk

from connectors.sim.binance.types import ApiError, Product
from connectors.sim.engine_order import Side

SAMPLES = {
    item["id"]: item["frame"]
    for item in json.loads(
        (Path(__file__).parents[2] / "data" / "binance" / "user_frames.json").read_text()
    )["frames"]
}


@pytest.fixture
def desk():
    desk = TradingDesk()
    desk.listen()
    return desk


def shape(value):
    """Keys in order, all the way down; of a list its first item."""
    if isinstance(value, dict):
        return [(key, shape(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return None


def types(value):
    if isinstance(value, dict):
        return {key: types(item) for key, item in value.items()}
    if isinstance(value, list):
        return [types(item) for item in value[:1]]
    return type(value)


def assert_like(frame, sample_id):
    sample = SAMPLES[sample_id]
    assert shape(frame) == shape(sample)
    assert types(frame) == types(sample)


def last(desk, name, **body):
    found = [
        f
        for f in desk.frames
        if f["e"] == name and all(f.get("o", {}).get(k) == v for k, v in body.items())
    ]
    assert found, f"no {name} {body} in {desk.names()}"
    return found[-1]


# -- BN-M-12: key order ------------------------------------------------------------------------


def test_new_order(desk):
    desk.limit(newClientOrderId="cid-1", price="43000.00")
    frame = last(desk, "ORDER_TRADE_UPDATE", x="NEW")
    assert_like(frame, "order_new")
    sample = SAMPLES["order_new"]["o"]
    same = [k for k in sample if k not in ("i", "T", "b")]
    assert {k: frame["o"][k] for k in same} == {k: sample[k] for k in same}


def test_partial_fill_then_fill(desk):
    desk.limit(newClientOrderId="cid-1")
    desk.limit("SELL", quantity="0.004", account=1)
    partial = last(desk, "ORDER_TRADE_UPDATE", x="TRADE")
    assert_like(partial, "order_partial")
    same = ["q", "p", "ap", "X", "l", "z", "L", "n", "N", "m", "rp"]
    expected = SAMPLES["order_partial"]["o"]
    assert {k: partial["o"][k] for k in same} == {k: expected[k] for k in same}
    desk.limit("SELL", quantity="0.006", account=1)
    filled = last(desk, "ORDER_TRADE_UPDATE", x="TRADE")
    expected = SAMPLES["order_filled"]["o"]
    assert {k: filled["o"][k] for k in same} == {k: expected[k] for k in same}


def test_canceled_ioc_stp_and_amendment(desk):
    order = desk.limit()
    desk.limit("SELL", quantity="0.004", account=1)
    desk.ok("DELETE", "order", symbol="BTCUSDT", orderId=order["orderId"])
    frame = last(desk, "ORDER_TRADE_UPDATE", x="CANCELED")
    assert_like(frame, "order_canceled")
    assert (frame["o"]["X"], frame["o"]["z"], frame["o"]["ap"]) == ("CANCELED", "0.004", "43000.00")

    desk.limit(timeInForce="IOC")
    frame = last(desk, "ORDER_TRADE_UPDATE", f="IOC", x="EXPIRED")
    assert_like(frame, "order_expired_ioc")
    assert (frame["o"]["X"], frame["o"]["er"]) == ("EXPIRED", "2")

    own = desk.limit("SELL", "43010.0")
    desk.limit("BUY", "43010.0")
    frame = last(desk, "ORDER_TRADE_UPDATE", i=own["orderId"], x="EXPIRED")
    assert_like(frame, "order_expired_stp")
    assert (frame["o"]["X"], frame["o"]["er"]) == ("EXPIRED_IN_MATCH", "1")

    order = desk.limit(price="42000.0")
    change = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.012", "price": "42100.0"}
    desk.ok("PUT", "order", orderId=order["orderId"], modifyId="1", **change)
    frame = last(desk, "ORDER_TRADE_UPDATE", x="AMENDMENT")
    assert_like(frame, "order_amendment")
    assert (frame["o"]["q"], frame["o"]["p"], frame["o"]["M"]) == ("0.012", "42100.00", "1")


def test_market_order_and_its_trade(desk):
    desk.bot(Side.SELL, 10, 4300110)
    desk.market()
    frame = last(desk, "ORDER_TRADE_UPDATE", x="TRADE")
    assert_like(frame, "order_market_no_price")
    sample = SAMPLES["order_market_no_price"]["o"]
    same = ["o", "f", "q", "p", "ap", "X", "l", "z", "L", "n", "m", "ot"]
    assert {k: frame["o"][k] for k in same} == {k: sample[k] for k in same}


def test_bn_u_26_trade_lite_comes_first_and_account_update_last(desk):
    desk.bot(Side.SELL, 10, 4300000)
    desk.limit()
    assert desk.names() == [
        "ORDER_TRADE_UPDATE:NEW",
        "TRADE_LITE",
        "ORDER_TRADE_UPDATE:TRADE",
        "ACCOUNT_UPDATE",
    ]
    assert_like(desk.frames[1], "trade_lite")
    assert_like(desk.frames[3], "account_update")


def test_bn_u_20_no_account_update_without_a_fill(desk):
    order = desk.limit()
    desk.ok("DELETE", "order", symbol="BTCUSDT", orderId=order["orderId"])
    assert desk.names() == ["ORDER_TRADE_UPDATE:NEW", "ORDER_TRADE_UPDATE:CANCELED"]


def test_bn_u_22_hedge_mode_shows_both_sides(desk):
    desk.ok("POST", "positionSide/dual", dualSidePosition="true")
    desk.bot(Side.SELL, 10, 4300000)
    desk.limit(positionSide="LONG")
    positions = last(desk, "ACCOUNT_UPDATE")["a"]["P"]
    assert [(p["ps"], p["pa"]) for p in positions] == [("LONG", "0.010"), ("SHORT", "0")]


def test_coin_margined_frames_carry_alias_and_margin_asset():
    desk = TradingDesk()
    desk.listen(product="dapi")
    desk.bot(Side.SELL, 10, 430000, "BTCUSD_PERP")
    params = {
        "symbol": "BTCUSD_PERP",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "10",
        "price": "43000.0",
    }
    desk.ok("POST", "/dapi/v1/order", **params)
    assert desk.names() == [
        "ORDER_TRADE_UPDATE:NEW",
        "ORDER_TRADE_UPDATE:TRADE",
        "ACCOUNT_UPDATE",
    ]
    assert_like(desk.frames[0], "order_cm")
    assert_like(desk.frames[2], "account_update_cm")
    fill = desk.frames[1]["o"]
    assert fill["n"] == "0.00000930"  # 10 x 100 / 43000 x 0.0004
    assert fill["N"] == "BTC"


def test_settings_events(desk):
    desk.ok("POST", "leverage", symbol="BTCUSDT", leverage=25)
    assert_like(desk.frames[-1], "account_config_leverage")
    desk.ok("POST", "multiAssetsMargin", multiAssetsMargin="true")
    assert_like(desk.frames[-1], "account_config_multi_asset")


def test_bn_u_21_funding(desk):
    desk.bot(Side.SELL, 10, 4300000)
    desk.limit()
    desk.exchange.apply_funding("BTCUSDT", Decimal("0.0001"))
    frame = last(desk, "ACCOUNT_UPDATE")
    assert_like(frame, "account_update_funding")
    assert frame["a"]["B"][0]["bc"] == "-0.04300000"
    assert frame["a"]["P"] == []
    assert frame["a"]["S"] == "BTCUSDT"


def test_bn_u_23_withdrawn_wallet_becomes_zero(desk):
    account = desk.exchange.accounts[0]
    everything = account.wallet("USDT").balance
    desk.exchange.change_balance(account, "USDT", -everything, "WITHDRAW")
    frame = last(desk, "ACCOUNT_UPDATE")
    assert_like(frame, "account_update_zero_wallet")
    assert frame["a"]["B"][0]["wb"] == "0.00000000"


def test_algo_updates(desk):
    desk.bot(Side.BUY, 100, 4200000)
    desk.ok(
        "POST",
        "algoOrder",
        algoType="CONDITIONAL",
        symbol="BTCUSDT",
        side="SELL",
        type="TAKE_PROFIT",
        quantity="0.010",
        price="44000.0",
        triggerPrice="43500.0",
        workingType="MARK_PRICE",
    )
    desk.mark("43500.0")
    frames = [f for f in desk.frames if f["e"] == "ALGO_UPDATE"]
    assert [f["o"]["X"] for f in frames] == ["NEW", "TRIGGERING", "TRIGGERED"]
    assert_like(frames[2], "algo_update_triggered")
    assert frames[0]["o"]["ai"] == ""
    assert frames[2]["o"]["ai"] == str(last(desk, "ORDER_TRADE_UPDATE", x="NEW")["o"]["i"])


def test_bn_u_30_liquidation_and_adl(desk):
    desk.bot(Side.SELL, 10, 4300000)
    desk.limit(quantity="0.010")
    account = desk.exchange.accounts[0]
    position = account.positions["BTCUSDT", "BOTH"]
    desk.frames.clear()
    forced = []
    desk.exchange.on_force_order = lambda order: forced.append(order.client_id)
    desk.exchange.risk.close(account, position, "adl", units=4, status="NEW_ADL")
    frame = last(desk, "ORDER_TRADE_UPDATE", x="CALCULATED")
    assert_like(frame, "order_liquidation")
    assert (frame["o"]["c"], frame["o"]["X"]) == ("adl_autoclose", "NEW_ADL")
    assert last(desk, "ACCOUNT_UPDATE")["a"]["m"] == "ADL"
    desk.exchange.risk.close(account, position, "liquidation", notice=True)
    notice, fill = desk.updates()[-2:]
    assert notice["c"] == fill["c"]
    assert notice["c"].startswith("autoclose-")
    assert (notice["l"], fill["l"], fill["X"]) == ("0", "0.006", "FILLED")
    assert forced == ["adl_autoclose", fill["c"]]
    with pytest.raises(ValueError, match="nothing to close"):
        desk.exchange.risk.close(account, position)


def test_margin_call_frame():
    desk = TradingDesk(balances={"USDT": Decimal(100)})
    desk.listen()
    desk.bot(Side.SELL, 100, 4300000)
    desk.ok("POST", "leverage", symbol="BTCUSDT", leverage=100)
    desk.limit(quantity="0.100")
    desk.mark("42225.0")
    frame = last(desk, "MARGIN_CALL")
    assert_like(frame, "margin_call")
    assert len([f for f in desk.frames if f["e"] == "MARGIN_CALL"]) == 1
    desk.mark("42224.0")
    assert len([f for f in desk.frames if f["e"] == "MARGIN_CALL"]) == 1


# -- listen keys -------------------------------------------------------------------------------


def test_bn_u_01_valid_key_comes_back_and_is_extended(desk):
    key = desk.listen()
    desk.advance(59 * 60)
    assert desk.listen() == key
    desk.advance(59 * 60)
    assert desk.exchange.user_stream.owner(key) is not None
    desk.advance(61)
    assert desk.exchange.user_stream.owner(key) is None
    assert desk.listen() != key


def test_bn_u_07_key_runs_out_with_an_event_and_then_silence(desk):
    desk.advance(60 * 60)
    assert_like(desk.frames[-1], "listen_key_expired")
    desk.limit()
    assert desk.names() == ["listenKeyExpired"]


def test_bn_u_03_put_of_a_missing_key(desk):
    desk.send("DELETE", "/fapi/v1/listenKey")
    response = desk.send("PUT", "/fapi/v1/listenKey")
    assert response.status == 400
    assert json.loads(response.body) == {
        "code": -1125,
        "msg": "This listenKey does not exist.",
    }


def test_products_have_their_own_keys_and_events(desk):
    assert desk.listen(product="dapi") != desk.listen(product="fapi")
    desk.limit()
    assert desk.names() == ["ORDER_TRADE_UPDATE:NEW"]


def test_keys_come_from_the_seed():
    assert TradingDesk(seed=3).listen() == TradingDesk(seed=3).listen()
    assert TradingDesk(seed=3).listen() != TradingDesk(seed=4).listen()


# -- faults ------------------------------------------------------------------------------------


def test_bn_m_36_listen_key_faults(desk):
    stream = desk.exchange.user_stream
    faults = stream.key_faults
    account = desk.exchange.accounts[0]
    key = stream.open(account, Product.USDM)
    faults.fail_posts = 1
    assert desk.send("POST", "/fapi/v1/listenKey").status == 503
    faults.put_unknown = 1
    assert desk.send("PUT", "/fapi/v1/listenKey").status == 400
    faults.fail_puts = 1
    with pytest.raises(ApiError, match="-1000"):
        stream.keep_alive(account, Product.USDM)
    faults.empty_put_reply = True
    assert desk.send("PUT", "/fapi/v1/listenKey").body == b"{}"
    faults.rotate = True
    rotated = desk.listen()
    assert rotated != key
    faults.expiry_as_text = True
    assert stream.expire(rotated) == 1
    assert_like(desk.frames[-1], "listen_key_expired_string_time")
    faults.rotate = False
    desk.listen()
    count = len(desk.frames)
    assert stream.expire(silent=True) == 1
    desk.limit()
    assert len(desk.frames) == count


def place_some(desk, count):
    return [desk.limit(price=f"4200{i}.0")["orderId"] for i in range(count)]


def test_bn_m_37_lost_repeated_and_swapped_events(desk):
    faults = desk.exchange.user_stream.event_faults
    faults.drop = 1
    faults.repeat = 1
    faults.swap = 0
    ids = place_some(desk, 3)
    assert [u["i"] for u in desk.updates()] == [ids[1], ids[1], ids[2]]
    desk.frames.clear()
    faults.swap = 1
    ids = place_some(desk, 3)
    assert [u["i"] for u in desk.updates()] == [ids[1], ids[0], ids[2]]


def test_bn_m_37_delayed_events_keep_their_order(desk):
    desk.exchange.user_stream.event_faults.delay_ms = 2000
    ids = place_some(desk, 2)
    desk.advance(1.9)
    assert desk.frames == []
    desk.advance(0.1)
    assert [u["i"] for u in desk.updates()] == ids


@pytest.mark.parametrize(
    ("only", "names"),
    [
        ("TRADE_LITE", ["ORDER_TRADE_UPDATE:NEW", "TRADE_LITE", "ACCOUNT_UPDATE"]),
        (
            "ORDER_TRADE_UPDATE",
            ["ORDER_TRADE_UPDATE:NEW", "ORDER_TRADE_UPDATE:TRADE", "ACCOUNT_UPDATE"],
        ),
    ],
)
def test_bn_m_37_only_one_kind_of_fill_event(desk, only, names):
    desk.exchange.user_stream.event_faults.only = only
    desk.bot(Side.SELL, 10, 4300000)
    desk.limit()
    assert desk.names() == names
