"""What reports are asked for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from connectors.execution.scope import ReportScope
from connectors.model import FillReport, OrderStatus, Side
from oracle.execution import INSTRUMENT, row

LIVE = [status for status in OrderStatus if not status.is_final]
ENDED = [status for status in OrderStatus if status.is_final]
SPAN = ReportScope(start_ns=100, end_ns=200)


def order(status: OrderStatus, ts_last: int):
    return replace(row(OrderStatus.ACCEPTED).report, status=status, ts_last=ts_last)


@pytest.mark.parametrize("status", LIVE)
def test_a_live_order_is_of_every_time(status):
    """A mass status with a short look-back must not lose an order that rests since long ago."""
    for ts_last in (0, 99, 150, 201):
        assert SPAN.has_order(order(status, ts_last))
        assert replace(SPAN, open_only=True).has_order(order(status, ts_last))


@pytest.mark.parametrize("status", ENDED)
def test_an_ended_order_is_of_its_last_change(status):
    assert [SPAN.has_order(order(status, ts)) for ts in (99, 100, 200, 201)] == [
        False, True, True, False
    ]  # fmt: skip
    assert not replace(SPAN, open_only=True).has_order(order(status, 150))


def test_only_of_the_instrument():
    report = order(OrderStatus.ACCEPTED, 150)
    assert ReportScope(INSTRUMENT).has_order(report)
    assert not ReportScope("OTHER-PERP").has_order(report)


def test_trades():
    fill = FillReport(
        instrument_id=INSTRUMENT, client_order_id=None, venue_order_id="7", trade_id="1",
        side=Side.BUY, last_size=Decimal(1), last_price=Decimal(1), ts_event=150, ts_init=1,
    )  # fmt: skip
    for scope in (ReportScope(), SPAN, ReportScope(INSTRUMENT, "7"), ReportScope(start_ns=150)):
        assert scope.has_fill(fill)
    for scope in (
        ReportScope("OTHER-PERP"), ReportScope(INSTRUMENT, "8"), ReportScope(start_ns=151),
        ReportScope(end_ns=149),
    ):  # fmt: skip
        assert not scope.has_fill(fill)
