"""Orders as the caller states them."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from connectors.errors import PrecisionError
from connectors.model import (
    ClientOrderIds,
    InstrumentKind,
    OrderList,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
    instrument_id,
    limit_if_touched_order,
    limit_order,
    market_if_touched_order,
    market_order,
    stop_limit_order,
    stop_market_order,
    trailing_stop_market_order,
)


def test_limit_order_is_exact():
    order = limit_order("ETH-PERP", Side.BUY, size="0.0050", price="2361.31", post_only=True)
    assert order.order_type is OrderType.LIMIT
    assert order.size == Decimal("0.0050")
    assert str(order.price) == "2361.31"
    assert order.post_only
    assert order.time_in_force is TimeInForce.GTC


@pytest.mark.parametrize("value", [0.1, True, None, b"1"])
def test_floats_and_other_types_are_refused(value):
    with pytest.raises(TypeError, match="price must be text, Decimal or int"):
        limit_order("ETH-PERP", Side.BUY, size="1", price=value)


@pytest.mark.parametrize("value", ["abc", "NaN", "Infinity", "", Decimal("NaN")])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(PrecisionError):
        limit_order("ETH-PERP", Side.BUY, size=value, price="1")


def test_orders_do_not_change():
    order = market_order("ETH-PERP", Side.SELL, size=1)
    with pytest.raises(AttributeError):
        order.size = Decimal(2)
    assert order.with_changes(size=Decimal(2)).size == 2
    assert order.with_changes(size=Decimal(2)).client_order_id == order.client_order_id


@pytest.mark.parametrize(
    ("build", "kind"),
    [
        (lambda: stop_market_order("X", Side.BUY, trigger_price="1", size="1"), "STOP_MARKET"),
        (
            lambda: stop_limit_order("X", Side.BUY, trigger_price="1", price="2", size="1"),
            "STOP_LIMIT",
        ),
        (
            lambda: market_if_touched_order("X", Side.BUY, trigger_price="1", size="1"),
            "MARKET_IF_TOUCHED",
        ),
        (
            lambda: limit_if_touched_order("X", Side.BUY, trigger_price="1", price="1", size="1"),
            "LIMIT_IF_TOUCHED",
        ),
        (
            lambda: trailing_stop_market_order("X", Side.SELL, trailing_offset="50", size="1"),
            "TRAILING_STOP_MARKET",
        ),
    ],
)
def test_builders(build, kind):
    order = build()
    assert order.order_type == kind
    assert order.order_type.has_trigger
    assert order.client_order_id


def test_close_position_needs_no_size():
    order = stop_market_order("X", Side.SELL, trigger_price="1", close_position=True)
    assert order.size is None
    with pytest.raises(ValueError, match="needs a size"):
        stop_market_order("X", Side.SELL, trigger_price="1")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"size": "0"}, "greater than zero"),
        ({"size": "-1"}, "greater than zero"),
        ({"time_in_force": TimeInForce.GTD}, "expire_time goes with"),
        ({"expire_time": 5}, "expire_time goes with"),
        ({"post_only": True, "time_in_force": TimeInForce.IOC}, "exclude each other"),
    ],
)
def test_contradictions_are_refused(changes, text):
    with pytest.raises(ValueError, match=text):
        limit_order("X", Side.BUY, **{"size": "1", "price": "1", **changes})


def test_a_market_order_cannot_be_post_only():
    with pytest.raises(ValueError, match="cannot be post-only"):
        market_order("X", Side.BUY, size=1, post_only=True)


def test_options_are_frozen_and_the_order_hashable():
    given = {"price_match": "QUEUE"}
    order = market_order("X", Side.BUY, size=1, options=given)
    given["price_match"] = "changed"
    assert order.options["price_match"] == "QUEUE"
    with pytest.raises(TypeError):
        order.options["x"] = 1
    assert len({order, order.with_changes()}) == 1


def test_repr_is_short_and_says_it_all():
    order = limit_order("ETH-PERP", Side.BUY, size="0.5", price="2361.31", client_order_id="c1")
    assert repr(order) == "<Order c1: BUY 0.5 ETH-PERP LIMIT at 2361.31 GTC>"


def test_client_order_ids_are_unique_and_fit_every_venue():
    first, second = ClientOrderIds(), ClientOrderIds()
    ids = [maker.next() for _ in range(5000) for maker in (first, second)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9-]{1,20}", each) for each in ids)  # BN-I-01


def test_an_order_list_is_not_empty():
    with pytest.raises(ValueError, match="at least one"):
        OrderList(())


def test_statuses_are_open_or_final_or_before():
    for status in OrderStatus:
        assert not (status.is_final and status.is_open)
    assert OrderStatus.CANCELED.is_final
    assert not OrderStatus.SUBMITTED.is_final
    assert not OrderStatus.SUBMITTED.is_open


def test_sides():
    assert Side.BUY.opposite is Side.SELL
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)


def test_instrument_ids():
    assert instrument_id("BTCUSDT", InstrumentKind.PERPETUAL) == "BTCUSDT-PERP"
    assert instrument_id("BTCUSDT", InstrumentKind.FUTURE, "261225") == "BTCUSDT-261225"
    assert instrument_id("BTCUSDT", InstrumentKind.SPOT) == "BTCUSDT"
    with pytest.raises(ValueError, match="expiry"):
        instrument_id("BTCUSDT", InstrumentKind.FUTURE)
