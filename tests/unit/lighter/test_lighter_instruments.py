"""orderBookDetails to instruments (section 14), and the names of channels (6.3)."""

from __future__ import annotations

import json
import pathlib
from decimal import Decimal

import pytest

from connectors.errors import ClientError, ProtocolError
from connectors.lighter.channels import Channel, ChannelKind, covering, inbound_name
from connectors.lighter.instruments import market_index, parse_instruments, wire_name
from connectors.model import InstrumentKind, MarketStatus, OrderType

DATA = pathlib.Path(__file__).parents[2] / "data" / "lighter"
SHARED = pathlib.Path(__file__).parents[4] / "shared" / "data" / "lighter"
DETAILS = json.loads((DATA / "public_frames.json").read_text())["details"]


def test_a_perpetual():
    eth = parse_instruments(DETAILS)[0]
    assert (eth.id, eth.symbol, eth.venue) == ("ETH-PERP", "ETH", "LIGHTER")
    assert eth.kind is InstrumentKind.PERPETUAL
    assert (eth.base, eth.quote, eth.settle) == ("ETH", "USDC", "USDC")
    assert (eth.tick_size, eth.lot_size) == (Decimal("0.01"), Decimal("0.0001"))
    assert (eth.min_size, eth.min_notional) == (Decimal("0.0050"), Decimal("10.000000"))
    assert (eth.margin_initial, eth.margin_maintenance) == (Decimal("0.05"), Decimal("0.012"))
    assert eth.max_leverage == 50
    assert eth.status is MarketStatus.TRADING
    assert market_index(eth) == 0
    assert wire_name(eth) == "0"
    assert OrderType.STOP_MARKET in eth.order_types


def test_a_spot_market():
    spot = parse_instruments(DETAILS)[2]
    assert (spot.id, spot.symbol, spot.base, spot.quote) == (
        "ETH/USDC-SPOT", "ETH/USDC", "ETH", "USDC",
    )  # fmt: skip
    assert spot.kind is InstrumentKind.SPOT
    assert market_index(spot) == 2048
    assert (spot.tick_size, spot.lot_size) == (Decimal("0.0001"), Decimal("0.01"))
    assert OrderType.STOP_MARKET not in spot.order_types


def test_a_market_that_is_not_active_is_not_tradable():
    btc = parse_instruments(DETAILS)[1]
    assert (btc.status, btc.venue_status) == (MarketStatus.PAUSED, "inactive")
    assert not btc.is_tradable


def test_the_recorded_answer():
    path = SHARED / "http_order_book_details.json"
    if not path.exists():
        pytest.skip("the recorded answers are not here")
    (eth,) = parse_instruments(json.loads(path.read_text()))
    assert (eth.id, eth.min_size, market_index(eth)) == ("ETH-PERP", Decimal("0.0050"), 0)


@pytest.mark.parametrize(
    "change",
    [
        {"price_decimals": 17, "supported_price_decimals": 17},
        {"price_decimals": None, "supported_price_decimals": None},
        {"price_decimals": "2"},
        {"market_id": "0"},
        {"market_id": -1},
        {"symbol": ""},
        {"symbol": None},
        {"min_base_amount": "much"},
    ],
)
def test_a_market_that_cannot_be_read_does_not_hold_up_the_others(change):
    bad = {**DETAILS["order_book_details"][0], "symbol": "BAD", **change}
    body = {"order_book_details": [bad, DETAILS["order_book_details"][1]]}
    problems = []
    found = parse_instruments(body, lambda *problem: problems.append(problem))
    assert [each.id for each in found] == ["BTC-PERP"]
    assert len(problems) == 1


def test_decimals_fall_back_to_the_supported_ones():
    entry = {**DETAILS["order_book_details"][0], "price_decimals": None}
    assert parse_instruments({"order_book_details": [entry]})[0].tick_size == Decimal("0.01")


def test_kinds_we_do_not_know_are_passed_over():
    entry = {**DETAILS["order_book_details"][0], "market_type": "binary"}
    assert parse_instruments({"order_book_details": [entry]}) == ()


@pytest.mark.parametrize("body", [{}, {"code": 200}, {"order_book_details": None}])
def test_an_answer_without_markets_is_refused(body):
    with pytest.raises(ProtocolError):
        parse_instruments(body)


def test_channel_names():
    assert Channel(ChannelKind.ORDER_BOOK, "0").name == "order_book/0"
    assert Channel(ChannelKind.HEIGHT).name == "height"
    assert Channel.candles("3", "4h", mark=True).name == "mark_price_candle/3/4h"
    assert inbound_name("candle/3/4h") == "candle:3:4h"
    assert Channel.parse("candle:3:4h") == Channel(ChannelKind.CANDLE, "3", "4h")
    assert Channel.parse("account_all_orders:12345") is None
    with pytest.raises(ClientError, match="1w"):
        Channel.candles("0", "1w")


def test_what_covers_what():
    assert covering("market_stats/0") == "market_stats/all"
    assert covering("market_stats/all") is None
    assert covering("order_book/0") is None
