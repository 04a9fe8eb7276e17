"""Events and reports: frozen, exact, and named once."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest

from connectors import model
from connectors.model import (
    Balance,
    FillReport,
    OrderAccepted,
    OrderEvent,
    OrderFilled,
    OrderStatus,
    OrderStatusReport,
    OrderType,
    PositionSide,
    PositionStatusReport,
    Side,
    StatusEvent,
)

D = Decimal


def test_every_public_name_is_there():
    for name in model.__all__:
        assert hasattr(model, name), name
    assert sorted(model.__all__) == sorted(set(model.__all__))


VALUES = [
    each
    for each in vars(model).values()
    if isinstance(each, type) and dataclasses.is_dataclass(each)
]


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_values_are_frozen_and_have_slots(kind):
    assert kind.__dataclass_params__.frozen
    assert "__slots__" in vars(kind)
    assert kind.__doc__
    for field in dataclasses.fields(kind):
        if field.name.startswith("ts_"):
            assert "int" in str(field.type), f"{kind.__name__}.{field.name} is ns, an int"
        assert "float" not in str(field.type) or field.name.endswith("_s")


def test_order_events_share_their_base():
    events = [kind for kind in VALUES if issubclass(kind, OrderEvent) and kind is not OrderEvent]
    assert len(events) == 14
    for kind in events:
        assert {"client_order_id", "ts_event", "ts_init"} <= {
            field.name for field in dataclasses.fields(kind)
        }


def test_status_events_carry_the_venue():
    events = [kind for kind in VALUES if issubclass(kind, StatusEvent)]
    assert len(events) >= 10


def test_a_fill():
    fill = OrderFilled(
        instrument_id="BTCUSDT-PERP",
        client_order_id="c",
        venue_order_id="7",
        ts_event=1,
        ts_init=2,
        trade_id="9",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        last_size=D("0.1"),
        last_price=D("43000.1"),
        filled_size=D("0.1"),
        leaves_size=D(0),
    )
    assert fill.commission is None
    with pytest.raises(AttributeError):
        fill.last_size = D(1)


def test_an_accept_compares_by_value():
    one, two = (
        OrderAccepted(instrument_id="X", client_order_id="c", ts_event=1, ts_init=1)
        for _ in range(2)
    )
    assert one == two
    assert hash(one) == hash(two)


def test_leaves_are_zero_once_final():
    report = OrderStatusReport(
        instrument_id="X",
        client_order_id=None,
        venue_order_id="1",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        status=OrderStatus.PARTIALLY_FILLED,
        size=D(3),
        filled_size=D(1),
        ts_init=1,
    )
    assert report.leaves_size == 2
    assert dataclasses.replace(report, status=OrderStatus.CANCELED).leaves_size == 0
    assert dataclasses.replace(report, filled_size=D(4)).leaves_size == 0


def test_positions_have_a_sign():
    position = PositionStatusReport(
        instrument_id="X", side=PositionSide.SHORT, size=D(2), ts_event=1, ts_init=1
    )
    assert position.signed_size == -2


def test_balance_of():
    balance = Balance.of("USDT", total=D(10), free=D(4))
    assert balance.locked == 6


def test_a_fill_report_knows_no_commission_by_default():
    fields = {field.name: field for field in dataclasses.fields(FillReport)}
    assert fields["commission"].default is None
