"""exchangeInfo to instruments (BN-I-10 to BN-I-18)."""

from __future__ import annotations

import copy
import json
import pathlib
from decimal import Decimal

import pytest

from connectors.binance.config import Product
from connectors.binance.instruments import (
    index_instrument,
    market_status,
    parse_exchange_info,
    symbol_id,
)
from connectors.errors import ProtocolError
from connectors.model import InstrumentKind, MarketStatus, OrderType, TimeInForce

DATA = pathlib.Path(__file__).parents[2] / "data" / "binance"
SAMPLES = {s["id"]: s for s in json.loads((DATA / "rest_samples.json").read_text())["samples"]}
USDM = SAMPLES["exchange_info_um"]["body"]
COINM = SAMPLES["exchange_info_cm"]["body"]


@pytest.mark.parametrize(
    ("symbol", "identity"),
    [
        ("BTCUSDT", "BTCUSDT-PERP"),
        ("BTCUSDT_261225", "BTCUSDT-261225"),
        ("BTCUSD_PERP", "BTCUSD-PERP"),
        ("BTCUSD_261225", "BTCUSD-261225"),
        ("币安人生USDT", "币安人生USDT-PERP"),
    ],
)
def test_bn_i_10_ids(symbol, identity):
    assert symbol_id(symbol) == identity


def test_usdm():
    info = parse_exchange_info(USDM, Product.USDM)
    btc, shib, delivery = info.instruments
    assert info.problems == ()
    assert (btc.id, btc.base, btc.quote, btc.settle) == ("BTCUSDT-PERP", "BTC", "USDT", "USDT")
    assert not btc.inverse
    assert btc.tick_size == Decimal("0.10")
    assert btc.lot_size == Decimal("0.001")
    assert btc.market_max_size == Decimal(120)
    assert btc.min_notional == Decimal(100)
    assert (btc.price_up, btc.price_down) == (Decimal("1.05"), Decimal("0.95"))
    assert btc.margin_initial == Decimal("0.05")
    assert (btc.max_orders, btc.max_trigger_orders) == (200, 10)
    assert btc.ts_expiry is None
    assert OrderType.TRAILING_STOP_MARKET in btc.order_types
    assert TimeInForce.GTD in btc.times_in_force
    assert shib.tick_size == Decimal("0.000001")
    assert delivery.kind is InstrumentKind.FUTURE
    assert delivery.ts_expiry is not None
    assert info.ts_server == 1795219200000 * 10**6


def test_bn_i_11_coinm():
    (btc,) = parse_exchange_info(COINM, Product.COINM).instruments
    assert btc.id == "BTCUSD-PERP"
    assert btc.inverse
    assert btc.multiplier == 100
    assert btc.settle == "BTC"
    assert btc.status is MarketStatus.TRADING  # from contractStatus
    assert btc.min_notional is None
    assert btc.notional(Decimal(10), Decimal(50000)) == Decimal("0.02")


def test_bn_r_41_rate_limits():
    info = parse_exchange_info(USDM, Product.USDM)
    assert {(limit.kind, limit.interval_s, limit.limit) for limit in info.rate_limits} == {
        ("REQUEST_WEIGHT", 60, 2400),
        ("ORDERS", 60, 1200),
        ("ORDERS", 10, 300),
    }


def changed(**changes):
    body = copy.deepcopy(USDM)
    body["symbols"] = body["symbols"][:1]
    body["symbols"][0].update(changes)
    return body


def test_bn_i_13_zero_switches_a_limit_off():
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "0", "tickSize": "0"},
        {"filterType": "LOT_SIZE", "minQty": "0", "maxQty": "0", "stepSize": "0"},
        {"filterType": "SOMETHING_NEW", "x": 1},
    ]
    (btc,) = parse_exchange_info(changed(filters=filters), Product.USDM).instruments
    assert btc.tick_size == Decimal("0.01")  # pricePrecision 2
    assert btc.min_price is btc.max_price is btc.min_size is btc.max_size is None
    assert btc.make_price("0.01") == Decimal("0.01")


def test_one_broken_symbol_does_not_hold_up_the_others():
    body = copy.deepcopy(USDM)
    del body["symbols"][1]["baseAsset"]
    body["symbols"].append("nonsense")
    info = parse_exchange_info(body, Product.USDM)
    assert [i.symbol for i in info.instruments] == ["BTCUSDT", "BTCUSDT_261225"]
    assert [name for name, _ in info.problems] == ["1000SHIBUSDT", "?"]


def test_what_is_no_exchange_info():
    with pytest.raises(ProtocolError):
        parse_exchange_info({"code": -1}, Product.USDM)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("TRADING", MarketStatus.TRADING),
        ("PENDING_TRADING", MarketStatus.PRE_OPEN),
        ("HALT", MarketStatus.PAUSED),
        ("SETTLING", MarketStatus.SETTLING),
        ("PRE_DELISTING", MarketStatus.REDUCE_ONLY),
        ("DELIVERED", MarketStatus.CLOSED),
        ("CLOSE", MarketStatus.CLOSED),
        ("BRAND_NEW", MarketStatus.UNKNOWN),
    ],
)
def test_bn_i_18_status(word, status):
    assert market_status(word) is status
    (btc,) = parse_exchange_info(changed(status=word), Product.USDM).instruments
    assert (btc.status, btc.venue_status) == (status, word)


def test_the_index_of_a_pair():
    index = index_instrument("BTCUSD")
    assert (index.id, index.kind) == ("BTCUSD-INDEX", InstrumentKind.INDEX)
    assert not index.is_tradable
