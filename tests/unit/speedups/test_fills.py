"""`OrderFilled` is a dataclass to all who ask; orders keep their numbers twice, and the same."""

from __future__ import annotations

import copy
import dataclasses
import gc
import pickle
import sys
import weakref
from decimal import Decimal
from typing import Any

import pytest

from connectors._speedups.fills import DirectFills, OrderCore, SeenFills, order_filled
from connectors.execution.identity import TrackedOrder
from connectors.model import (
    LiquiditySide,
    OrderAccepted,
    OrderEvent,
    OrderFilled,
    OrderType,
    PositionSide,
    Side,
)

D = Decimal
VALUES: dict[str, Any] = {
    "instrument_id": "ETH-PERP", "client_order_id": "O-1", "venue_order_id": "7", "ts_event": 1,
    "ts_init": 2, "trade_id": "9", "side": Side.BUY, "order_type": OrderType.LIMIT,
    "last_size": D("0.10"), "last_price": D("43000.1"), "filled_size": D("0.30"),
    "leaves_size": D("0.70"), "liquidity": LiquiditySide.MAKER, "commission": D("-0.001"),
    "commission_currency": "USDC", "position_side": PositionSide.LONG, "realized_pnl": D("3"),
}  # fmt: skip


def made_directly(**changes: Any) -> OrderFilled:
    """Return the same event as it comes from a venue's numbers."""
    kept: list[OrderFilled] = []
    order = TrackedOrder("O-1", "ETH-PERP", Side.BUY, OrderType.LIMIT, size=D("1.00"))
    order.venue_order_id, order.is_accepted = "7", True
    order.filled_size = D("0.20")
    direct = DirectFills(
        {1: order}, {}, {}, SeenFills(), on_event=kept.append, on_error=print, end=print
    )
    values = {"liquidity": LiquiditySide.MAKER, "commission": "-0.001", **changes}
    taken = direct.offer(
        1, 7, 9, "0.10", "43000.1", commission_currency="USDC", ts_event=1, ts_init=2, **values
    )
    assert taken
    return kept[0]


def test_it_has_the_fields_of_a_dataclass() -> None:
    event = OrderFilled(**VALUES)
    assert [field.name for field in dataclasses.fields(event)] == list(VALUES)
    assert dataclasses.is_dataclass(OrderFilled)
    assert dataclasses.asdict(event) == VALUES
    assert dataclasses.astuple(event) == tuple(VALUES.values())
    assert {name: getattr(event, name) for name in VALUES} == VALUES
    assert event == order_filled(*VALUES.values())
    shown = ", ".join(f"{name}={value!r}" for name, value in VALUES.items())
    assert repr(event) == f"OrderFilled({shown})"


def test_what_was_not_given_is_what_it_was_for_the_dataclass() -> None:
    needed = {name: VALUES[name] for name in VALUES if name not in (
        "venue_order_id", "liquidity", "commission", "commission_currency", "position_side",
        "realized_pnl",
    )}  # fmt: skip
    event = OrderFilled(**needed)
    assert event.liquidity is LiquiditySide.UNKNOWN
    assert (event.venue_order_id, event.commission, event.commission_currency) == (None,) * 3
    assert (event.position_side, event.realized_pnl) == (None, None)
    for name in needed:
        with pytest.raises(TypeError, match=name):
            OrderFilled(**{each: needed[each] for each in needed if each != name})
    with pytest.raises(TypeError):
        OrderFilled(*VALUES.values())  # type: ignore[misc]


def test_it_is_an_order_event_like_the_others() -> None:
    event: OrderEvent = OrderFilled(**VALUES)
    assert isinstance(event, OrderEvent)
    accepted = OrderAccepted(instrument_id="X", client_order_id="c", ts_event=1, ts_init=1)
    assert isinstance(accepted, OrderEvent)
    assert [field.name for field in dataclasses.fields(accepted)] == [
        field.name for field in dataclasses.fields(OrderEvent)
    ]
    assert pickle.loads(pickle.dumps(accepted)) == accepted == copy.deepcopy(accepted)
    match event:
        case OrderFilled(trade_id="9", last_size=size):
            assert size == D("0.1")
        case _:
            pytest.fail("a pattern did not fit")


@pytest.mark.parametrize("make", [lambda: OrderFilled(**VALUES), made_directly])
def test_it_does_not_change_and_compares_by_value(make: Any) -> None:
    event, other = make(), make()
    for name in (*VALUES, "novelty"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(event, name, 1)
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(event, name)
    assert event == other
    assert hash(event) == hash(other)
    assert event != dataclasses.replace(other, last_size=D(1))
    assert dataclasses.replace(other, last_size=D(1)).last_size == 1
    assert event != tuple(VALUES.values())
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(event, protocol))
        assert (again, repr(again)) == (event, repr(event))
    assert copy.copy(event) == event == copy.deepcopy(event)


def test_made_of_numbers_it_is_what_it_is_made_of_decimals() -> None:
    event = made_directly()
    same = {**VALUES, "position_side": None, "realized_pnl": None}
    assert event == OrderFilled(**same)
    assert repr(event) == repr(OrderFilled(**same))
    assert event.last_size is event.last_size  # made once
    assert event.trade_id is event.trade_id
    assert made_directly(commission=None).commission is None


def test_values_are_held_and_let_go() -> None:
    text = "a text of its own" * 2
    before = sys.getrefcount(text)
    event = OrderFilled(**{**VALUES, "trade_id": text, "client_order_id": text})
    assert sys.getrefcount(text) == before + 2
    del event
    assert sys.getrefcount(text) == before


def test_an_event_that_is_kept_is_not_used_again() -> None:
    kept: list[Any] = []
    order = TrackedOrder("O-1", "ETH-PERP", Side.BUY, OrderType.LIMIT, size=D("1.00"))
    order.venue_order_id, order.is_accepted = "7", True
    direct = DirectFills(
        {1: order}, {}, {}, SeenFills(), end=print, on_error=print,
        on_event=lambda event: kept.append(event if event.ts_event % 2 else repr(event)),
    )  # fmt: skip
    for number in range(1, 9):
        assert direct.offer(
            None if number == 1 else 1, 7, number, "0.10", f"{number}.5", ts_event=number,
            ts_init=2, liquidity=LiquiditySide.TAKER, commission=D(number) if number < 5 else None,
        ) == (number > 1)  # fmt: skip
    shown = [each if isinstance(each, str) else repr(each) for each in kept]
    for number, text in enumerate(shown, 2):
        assert f"trade_id='{number}'" in text
        assert f"last_price=Decimal('{number}.5')" in text
        assert f"commission={D(number) if number < 5 else None!r}" in text
    assert order.filled_size == D("0.70")
    assert order.leaves_size == D("0.30")


def test_a_cycle_through_an_order_or_the_direct_way_is_collected() -> None:
    class Callback:
        direct: Any = None

        def __call__(self, event: OrderFilled) -> None:
            pass

    order = TrackedOrder("O-1", "X", Side.BUY, OrderType.LIMIT, size=D(1))
    order.tag = [order]
    callback = Callback()
    watch = weakref.ref(callback)
    order.requested = callback  # type: ignore[assignment]
    callback.direct = DirectFills(
        {1: order}, {}, {}, SeenFills(), on_event=callback, on_error=print, end=print
    )
    del order, callback
    gc.collect()
    assert watch() is None


@pytest.mark.parametrize("name", ["size", "filled_size", "reported_filled"])
def test_an_order_gives_back_the_decimal_it_was_given(name: str) -> None:
    order = OrderCore("O-1", "X", Side.BUY, OrderType.LIMIT, D(1))
    assert (order.size, order.filled_size, order.reported_filled) == (1, 0, 0)
    for value in (D("0.10"), D("1E+3"), D("-0"), D("9" * 30), D("NaN"), D("0E-30")):
        setattr(order, name, value)
        assert getattr(order, name) is value


@pytest.mark.parametrize("value", ["1E+3", "9" * 30, "NaN", "Infinity", "0E-30", "-1", "0"])
def test_an_order_whose_size_does_not_fit_has_no_direct_way(value: str) -> None:
    order = TrackedOrder("O-1", "X", Side.BUY, OrderType.LIMIT, size=D(value))
    order.venue_order_id, order.is_accepted = "7", True
    direct = DirectFills(
        {1: order}, {"7": order}, {}, SeenFills(), on_event=print, on_error=print, end=print
    )
    for key in (1, None, 2):
        assert not direct.offer(
            key, 7, 9, "1", "2", liquidity=LiquiditySide.TAKER, ts_event=1, ts_init=2
        )
    assert direct.taken == 0
    order.size = D(8)
    assert direct.offer(2, 7, 9, "1", "2", liquidity=LiquiditySide.TAKER, ts_event=1, ts_init=2)
    for size in ("0", "-1", "9223372036854775808", "0.0000000000000000001"):
        assert not direct.offer(
            1, 7, 10, size, "2", liquidity=LiquiditySide.TAKER, ts_event=1, ts_init=2
        )
    assert order.filled_size == 1


def test_a_float_is_no_number_of_a_fill() -> None:
    direct = DirectFills({}, {}, {}, SeenFills(), on_event=print, on_error=print, end=print)
    for size, price in ((1.5, "1"), ("1", 1.5), (True, "1")):
        with pytest.raises(TypeError, match="text, Decimal or int"):
            direct.offer(1, 7, 9, size, price, liquidity=LiquiditySide.TAKER, ts_event=1, ts_init=2)  # type: ignore[arg-type]


def test_l_33_a_number_is_the_same_trade_as_its_text() -> None:
    seen = SeenFills(capacity=10)
    for key in ("19209006902", 7, "0", "t7", ("7", "buy"), b"7", "9" * 30, 10**30):
        assert seen.is_new(key)
        seen.mark(key)
        assert not seen.is_new(key)
    for key in ("7", 19209006902, 0):
        assert key in seen
    for key in ("007", "-7", "07", "", " 7", "\N{ARABIC-INDIC DIGIT SEVEN}"):
        assert key not in seen
    assert (len(seen), seen.duplicates) == (8, 8)
    seen.clear()
    assert (len(seen), "7" in seen) == (0, False)
    with pytest.raises(TypeError):
        seen.mark(1.5)  # type: ignore[arg-type]
