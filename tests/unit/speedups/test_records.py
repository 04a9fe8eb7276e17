"""Records made without `__init__`."""

from __future__ import annotations

import dataclasses
import gc
import sys
import weakref
from dataclasses import dataclass, field

import pytest

from connectors._speedups.records import RecordMaker
from connectors.model import FillReport, LiquiditySide, OrderFilled, OrderSubmitted, Side


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Base:
    one: object


@dataclass(frozen=True, slots=True)
class Record(Base):
    two: object = 2
    three: list[int] = field(default_factory=list)


def test_a_record_is_what_its_class_makes() -> None:
    made = RecordMaker(Record)(1, "b", [3])
    assert made == Record(1, "b", [3])
    assert type(made) is Record
    assert repr(made) == "Record(one=1, two='b', three=[3])"
    assert dataclasses.replace(made, two=5).two == 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.two = 1  # type: ignore[misc]


def test_the_number_of_values_is_checked() -> None:
    make = RecordMaker(Record)
    for values in ((), (1, 2), (1, 2, 3, 4)):
        with pytest.raises(TypeError, match=f"3 fields, got {len(values)}"):
            make(*values)


def test_what_cannot_be_made_is_refused() -> None:
    @dataclass
    class Open:
        one: int

    @dataclass(slots=True)
    class Checked:
        one: int

        def __post_init__(self) -> None:
            raise ValueError

    for cls in (int, Open, Checked, Record(1)):
        with pytest.raises(TypeError):
            RecordMaker(cls)  # type: ignore[arg-type]


def test_values_are_held_and_let_go() -> None:
    class Value:
        pass

    value = Value()
    before = sys.getrefcount(value)
    made = RecordMaker(Record)(value, value, [])
    assert sys.getrefcount(value) == before + 2
    watch = weakref.ref(made)
    del made
    assert sys.getrefcount(value) == before
    assert watch() is None


def test_a_cycle_through_a_record_is_collected() -> None:
    held: list[object] = []
    made = RecordMaker(Record)(1, held, [])
    held.append(made)
    watch = weakref.ref(made)
    del made, held
    gc.collect()
    assert watch() is None


def test_the_fields_of_the_model_stand_as_its_makers_use_them() -> None:
    """`dispatch` and the venues give these values by position."""
    assert [item.name for item in dataclasses.fields(OrderFilled)] == [
        "instrument_id", "client_order_id", "venue_order_id", "ts_event", "ts_init", "trade_id",
        "side", "order_type", "last_size", "last_price", "filled_size", "leaves_size", "liquidity",
        "commission", "commission_currency", "position_side", "realized_pnl",
    ]  # fmt: skip
    assert [item.name for item in dataclasses.fields(OrderSubmitted)] == [
        "instrument_id", "client_order_id", "venue_order_id", "ts_event", "ts_init",
    ]  # fmt: skip
    assert [item.name for item in dataclasses.fields(FillReport)] == [
        "instrument_id", "client_order_id", "venue_order_id", "trade_id", "side", "last_size",
        "last_price", "liquidity", "commission", "commission_currency", "position_side",
        "realized_pnl", "ts_event", "ts_init", "account_id",
    ]  # fmt: skip
    values = (
        "I", None, "v", "t", Side.BUY, 1, 2, LiquiditySide.MAKER, 3, "USDC", None, None, 4, 5, None,
    )  # fmt: skip
    assert RecordMaker(FillReport)(*values).ts_init == 5
