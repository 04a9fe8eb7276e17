"""The grid and the limits of an instrument."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.errors import PrecisionError
from connectors.model import (
    Instrument,
    InstrumentKind,
    MarketStatus,
    Side,
    TimeInForce,
    limit_order,
    market_order,
)


def make(**changes):
    settings = {
        "id": "BTCUSDT-PERP",
        "symbol": "BTCUSDT",
        "venue": "BINANCE",
        "kind": InstrumentKind.PERPETUAL,
        "base": "BTC",
        "quote": "USDT",
        "tick_size": "0.10",
        "lot_size": "0.001",
        "min_price": Decimal("556.80"),
        "max_price": Decimal(4529764),
        "min_size": Decimal("0.001"),
        "max_size": Decimal(1000),
        "market_max_size": Decimal(120),
        "min_notional": Decimal(100),
        "price_up": Decimal("1.05"),
        "price_down": Decimal("0.95"),
        **changes,
    }
    return Instrument(**settings)


def test_scales_come_from_tick_and_lot():
    instrument = make()
    assert instrument.tick_size == Decimal("0.1")
    assert instrument.price_scale.to_ticks("43000.1") == 430001
    assert instrument.size_scale.to_ticks("0.002") == 2
    assert instrument.settle == "USDT"
    assert instrument.pair == "BTCUSDT"


def test_it_does_not_change():
    instrument = make()
    for name in ("kind", "id", "tick_size", "anything"):
        with pytest.raises(AttributeError):
            setattr(instrument, name, 1)
    with pytest.raises(AttributeError):
        del instrument.kind
    with pytest.raises(TypeError):
        make(info={"a": 1}).info["a"] = 2


def test_equality_is_by_definition():
    assert make() == make()
    assert hash(make()) == hash(make())
    assert make() != make(tick_size="0.01")
    assert make() != make(status=MarketStatus.SETTLING)
    assert make() != "BTCUSDT-PERP"


def test_a_price_off_the_tick_is_refused_with_what_would_do():
    with pytest.raises(PrecisionError) as caught:
        make().make_price("43000.05")
    text = str(caught.value)
    assert "43000.05 is not a multiple of the tick 0.1" in text
    assert "43000.0 or 43000.1" in text
    assert "rounding=" in text


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [("down", "43000.0"), ("up", "43000.1"), ("floor", "43000.0"), ("ceiling", "43000.1")],
)
def test_rounding_only_when_asked(rounding, expected):
    assert make().make_price("43000.05", rounding=rounding) == Decimal(expected)


@pytest.mark.parametrize("value", ["43000.1", Decimal("43000.10"), 43000])
def test_prices_on_the_tick(value):
    assert make().make_price(value) == Decimal(value)


def test_limits_are_named():
    with pytest.raises(PrecisionError, match=r"price 100.0 is below the minimum of 556\.80"):
        make().make_price(100)
    with pytest.raises(PrecisionError, match=r"size 1001\.000 is above the maximum of 1000"):
        make().make_size(1001)
    with pytest.raises(PrecisionError, match=r"market order size 121\.000 is above"):
        make().make_size(121, market=True)
    assert make().make_size(121) == 121


def test_huge_numbers_are_an_error_not_a_wrap():
    with pytest.raises(PrecisionError):
        make(max_price=None).make_price(Decimal(10) ** 30)


def test_notional_linear_and_inverse():
    assert make().notional(Decimal("0.5"), Decimal("43000.1")) == Decimal("21500.05")
    inverse = make(inverse=True, multiplier=100, settle=None)
    assert inverse.settle == "BTC"
    assert inverse.notional(Decimal(5), Decimal(10000)) == Decimal("0.05")  # BN-I-11


def test_bn_i_14_percent_price():
    instrument = make()
    buy = limit_order(instrument.id, Side.BUY, size="0.01", price="42000.1")
    assert "above 42000.00" in instrument.order_problem(buy, reference_price=Decimal(40000))
    assert instrument.order_problem(buy, reference_price=Decimal(40001)) is None
    sell = limit_order(instrument.id, Side.SELL, size="0.01", price="37999.9")
    assert "below 38000.00" in instrument.order_problem(sell, reference_price=Decimal(40000))
    assert instrument.order_problem(buy) is None


def test_bn_i_15_minimum_notional():
    instrument = make()
    small = limit_order(instrument.id, Side.BUY, size="0.002", price="43000")
    assert "below the minimum of 100 USDT" in instrument.order_problem(small)
    assert instrument.order_problem(small.with_changes(reduce_only=True)) is None
    market = market_order(instrument.id, Side.BUY, size="0.002")
    assert instrument.order_problem(market) is None
    assert "below" in instrument.order_problem(market, reference_price=Decimal(43000))


@pytest.mark.parametrize(
    ("changes", "order", "text"),
    [
        ({"status": MarketStatus.CLOSED}, {}, "status"),
        ({"order_types": frozenset({"MARKET"})}, {}, "does not take LIMIT"),
        ({"times_in_force": frozenset({TimeInForce.IOC})}, {}, "time in force GTC"),
        ({}, {"price": "43000.05"}, "not a multiple"),
        ({}, {"size": "0.0005"}, "not a multiple"),
        ({}, {"size": "2000"}, "above the maximum"),
    ],
)
def test_order_problems(changes, order, text):
    instrument = make(**changes)
    given = limit_order(instrument.id, Side.BUY, **{"size": "0.01", "price": "43000", **order})
    assert text in instrument.order_problem(given)


def test_repr_is_short():
    assert repr(make()) == (
        "<Instrument BTCUSDT-PERP (BINANCE BTCUSDT) tick 0.1 lot 0.001 TRADING>"
    )
