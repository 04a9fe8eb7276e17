"""Positions by instrument: what is new about them, and what is gone."""

from __future__ import annotations

from decimal import Decimal

from connectors.execution.positions import HeldPositions
from connectors.model import PositionSide, PositionStatusReport


def report(name: str, size: int, *, ts: int = 1, pnl: str | None = None) -> PositionStatusReport:
    side = PositionSide.FLAT
    if size:
        side = PositionSide.LONG if size > 0 else PositionSide.SHORT
    return PositionStatusReport(
        instrument_id=name,
        side=side,
        size=Decimal(abs(size)),
        unrealized_pnl=None if pnl is None else Decimal(pnl),
        ts_event=ts,
        ts_init=ts,
    )


def test_only_news_is_news() -> None:
    held = HeldPositions()
    assert held.take(report("A", 1))
    assert not held.take(report("A", 1, ts=2)), "the time alone is no news"
    assert held.take(report("A", 1, pnl="5"))
    assert held.take(report("A", -1))
    assert held.take(report("A", 0))
    assert not held.take(report("A", 0)), "flat already"
    assert len(held) == 0


def test_what_is_not_in_a_full_set_is_flat() -> None:
    held = HeldPositions()
    held.take(report("A", 1))
    held.take(report("B", 2))
    (gone,) = held.drop_others({"A"}, 7)
    assert (gone.instrument_id, gone.side, gone.ts_event) == ("B", PositionSide.FLAT, 7)
    assert held.instruments == {"A"}
    assert [r.instrument_id for r in held.reports()] == ["A"]
    assert held.reports("B") == []
    assert held.drop_others({"A"}, 8) == []
