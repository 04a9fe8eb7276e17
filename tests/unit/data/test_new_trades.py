"""What was traded while the connection was down is told, whatever was there before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from connectors._speedups.events import EventFlag
from connectors.data.trades import NewTrades


def trade(number: int, *, history: bool = False) -> Any:
    return SimpleNamespace(trade_id=number, flags=EventFlag.HISTORY if history else 0)


@pytest.mark.parametrize("first", [[], [3, 4]])
def test_an_outage_after_any_history_hides_nothing(first: list[int]) -> None:
    """2026-11: behind an empty history the trades of the first outage were taken for old."""
    new = NewTrades(include_history=False)
    assert not any(new(trade(number, history=True)) for number in first)
    new.on_history()
    new.on_lost()
    again = [new(trade(number, history=True)) for number in [*first, 5, 6]]
    assert again == [False] * len(first) + [True, True]
    assert new.is_whole


def test_a_history_that_never_came_makes_the_next_one_the_first() -> None:
    new = NewTrades(include_history=False)
    new.on_lost()
    assert not new(trade(5, history=True))
    assert new(trade(6))
    assert new.is_whole


def test_a_history_that_does_not_reach_back_is_not_whole() -> None:
    new = NewTrades(include_history=False)
    new.on_history()
    assert new(trade(5))
    new.on_lost()
    assert new(trade(9, history=True))
    assert not new.is_whole
    assert not new(trade(5, history=True))
    assert new.is_whole


def test_a_loss_that_is_noticed_late_hides_nothing() -> None:
    """What came behind the lost trades, before anybody knew of the loss, is newer than they."""
    new = NewTrades(include_history=False)
    new.on_history()
    assert not any(new(trade(number, history=True)) for number in (1, 2))
    assert [new(trade(number)) for number in (3, 6, 7)] == [True] * 3
    new.on_lost()
    told = [number for number in range(1, 10) if new(trade(number, history=True))]
    assert told == [4, 5, 8, 9]
    assert new.is_whole
    new.on_lost()
    assert [number for number in range(1, 12) if new(trade(number, history=True))] == [10, 11]


def test_who_came_later_is_told_nothing_from_before() -> None:
    first, second = NewTrades(include_history=False), NewTrades(include_history=False)
    first.on_history()
    assert all(first(trade(number)) for number in (3, 4))
    second.join(first)
    assert second(trade(7))
    second.on_lost()
    assert [number for number in range(1, 9) if second(trade(number, history=True))] == [5, 6, 8]
