"""Orders of ours, found by any id; live ones are never forgotten."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.execution.identity import DuplicateOrder, OrderRegistry, TrackedOrder
from connectors.execution.lifecycle import LEGAL_STEPS, Doubt, OrderState
from connectors.model import OrderStatus, OrderType, Side, limit_order, stop_market_order


def order(number: int, *, venue_id: str | None = None) -> TrackedOrder:
    return TrackedOrder(
        f"O{number}",
        "ETH-PERP",
        Side.BUY,
        OrderType.LIMIT,
        size=Decimal(1),
        price=Decimal(100),
        client_key=number,
        venue_order_id=venue_id,
    )


def end(registry: OrderRegistry, found: TrackedOrder) -> None:
    found.final = OrderState.CANCELED
    registry.ended(found)


def test_an_order_is_found_by_each_of_its_ids() -> None:
    registry = OrderRegistry()
    one = registry.add(order(1))
    registry.add(order(2))
    registry.bind(one, "v1")
    assert registry.by_client_id("O1") is registry.by_key(1) is registry.by_venue_id("v1") is one
    assert registry.find(client_order_id="?", client_key="?", venue_order_id="v1") is one
    assert registry.find() is None
    assert registry.by_client_id(None) is registry.by_key(None) is registry.by_venue_id(None)
    assert "O1" in registry
    assert len(registry) == registry.live == 2


def test_former_venue_ids_still_find_it() -> None:
    registry = OrderRegistry(capacity=1)
    one = registry.add(order(1, venue_id="v1"))
    registry.bind(one, "v2")
    registry.bind(one, "v2")
    assert one.former_venue_order_ids == ["v1"]
    assert registry.by_venue_id("v1") is registry.by_venue_id("v2") is one
    end(registry, one)
    registry.add(order(2))
    assert registry.by_venue_id("v1") is registry.by_venue_id("v2") is None


def test_ids_in_use_are_refused() -> None:
    registry = OrderRegistry()
    registry.add(order(1))
    with pytest.raises(DuplicateOrder, match="client order id"):
        registry.add(order(1))
    other = order(2)
    other.client_key = 1
    with pytest.raises(DuplicateOrder, match="client key"):
        registry.add(other)
    assert len(registry) == 1


def test_live_orders_are_never_evicted_and_ended_ones_in_order() -> None:
    registry = OrderRegistry(capacity=5)
    orders = [registry.add(order(number)) for number in range(10)]
    assert len(registry) == registry.live == 10, "more than its capacity, all live"
    for number in (3, 1, 7):
        end(registry, orders[number])
    assert len(registry) == 7
    assert "O3" not in registry
    assert registry.by_key(3) is None
    for found in orders:
        end(registry, found)
        registry.ended(found)  # idempotent
    assert sorted(found.client_order_id for found in registry) == ["O4", "O5", "O6", "O8", "O9"]


def test_an_id_that_was_reused_by_the_venue_is_not_taken_from_its_new_order() -> None:
    registry = OrderRegistry(capacity=1)
    old = registry.add(order(1, venue_id="v1"))
    new = registry.add(order(2))
    registry.bind(new, "v1")
    end(registry, old)
    assert "O1" not in registry
    assert registry.by_venue_id("v1") is new


def test_discard_frees_the_ids() -> None:
    registry = OrderRegistry()
    one = registry.add(order(1))
    registry.discard(one)
    assert registry.live == len(registry) == 0
    registry.add(order(1))


def test_live_orders_by_instrument() -> None:
    registry = OrderRegistry()
    one = registry.add(order(1))
    assert registry.live_orders() == registry.live_orders("ETH-PERP") == [one]
    assert registry.live_orders("BTC-PERP") == []


def test_of_an_order_as_it_goes_to_the_venue() -> None:
    placed = limit_order("ETH-PERP", Side.SELL, size="0.00509", price="2361.319")
    tracked = TrackedOrder.of(placed, size=Decimal("0.0050"), price=Decimal("2361.31"))
    assert tracked.shape == (Decimal("0.0050"), Decimal("2361.31"), None)
    assert tracked.side is Side.SELL
    close_all = stop_market_order("ETH-PERP", Side.SELL, trigger_price="9", close_position=True)
    assert TrackedOrder.of(close_all).size == 0
    assert placed.client_order_id in repr(tracked)


def test_states_of_an_order() -> None:
    one = order(1)
    assert one.state is OrderState.INITIALIZED
    one.is_submitted = True
    assert one.state is OrderState.SUBMITTED
    one.doubt = Doubt.CREATE
    assert one.state is OrderState.UNKNOWN
    assert one.state.status is OrderStatus.SUBMITTED
    one.is_accepted = True
    one.doubt = Doubt.CANCEL
    assert one.state is OrderState.ACCEPTED
    one.is_triggered = True
    assert one.state is OrderState.TRIGGERED
    one.filled_size = Decimal("0.4")
    assert one.state is OrderState.PARTIALLY_FILLED
    assert one.leaves_size == Decimal("0.6")
    one.requested = one.shape
    assert one.state is OrderState.PENDING_UPDATE
    one.is_pending_cancel = True
    assert one.state is OrderState.PENDING_CANCEL
    assert one.state.is_working
    one.final = OrderState.EXPIRED
    assert one.state.is_final
    assert one.leaves_size == 0


def test_the_table_of_steps_names_every_state() -> None:
    assert set(LEGAL_STEPS) == set(OrderState)
    for state, steps in LEGAL_STEPS.items():
        assert state not in steps
        assert bool(steps) is not state.is_final
    for state in OrderState:
        assert state.status.is_final is state.is_final


def test_a_registry_keeps_something() -> None:
    with pytest.raises(ValueError, match="at least one"):
        OrderRegistry(0)


def test_of_many_former_ids_the_oldest_are_forgotten() -> None:
    registry = OrderRegistry()
    one = registry.add(order(1, venue_id="v0"))
    for number in range(1, 151):
        registry.bind(one, f"v{number}")
    assert len(one.former_venue_order_ids) == 100
    assert registry.by_venue_id("v49") is None
    assert registry.by_venue_id("v50") is registry.by_venue_id("v150") is one
