"""The small parts all simulators are made of, without sockets."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar

import pytest

from connectors.sim.agenda import Agenda
from connectors.sim.clock import SimClock
from connectors.sim.decimals import positive_units
from connectors.sim.house import House
from connectors.sim.pace import Pace
from connectors.sim.record import FrameRecord, Record
from connectors.sim.rewriting import rewritten
from connectors.sim.settings import Settings
from connectors.sim.spec import Spec
from connectors.sim.taps import Tap
from connectors.sim.windows import RollingWindow

S = 1_000_000_000


@dataclass(slots=True)
class Choice(Settings):
    odd: int = 1
    names: tuple[str, ...] = ("a",)
    secret: str = "hush"

    scenarios: ClassVar = {"calm": {}, "three": {"odd": 3}}
    hidden: ClassVar = frozenset({"secret"})

    def check(self) -> None:
        if self.odd % 2 == 0:
            raise ValueError("odd is odd")


def test_settings_of_a_scenario():
    assert Choice.of("three").odd == 3
    assert Choice.of("three", odd=5, seed=2) == Choice(odd=5, seed=2, scenario="three")
    assert "secret" not in Choice().shown()
    with pytest.raises(ValueError, match="unknown scenario 'x', known: calm, three"):
        Choice.of("x")
    with pytest.raises(TypeError, match="nonsense"):
        Choice.of(nonsense=1)
    with pytest.raises(ValueError, match="odd is odd"):
        Choice.of(odd=2)


def test_a_change_of_settings_is_all_or_nothing():
    settings = Choice()
    settings.set({"odd": 7, "names": ["b", "c"]})
    assert (settings.odd, settings.names) == (7, ("b", "c"))
    for wrong in ({"odd": 9, "seed": 2}, {"odd": 9, "nonsense": 1}, {"rate_per_s": 1.0, "odd": 4}):
        before = settings.shown()
        with pytest.raises(ValueError, match=r"cannot be changed|odd is odd"):
            settings.set(wrong)
        assert settings.shown() == before


def test_agenda_keeps_order_and_can_be_done_early():
    clock = SimClock(0)
    agenda, done = Agenda(clock), []
    for ms, name in ((20, "late"), (10, "first"), (10, "second")):
        agenda.after(ms, lambda name=name: done.append(name))
    agenda.run_due(clock.elapsed_ns())
    assert done == []
    clock.advance(10_000_000)
    agenda.run_due(clock.elapsed_ns())
    assert done == ["first", "second"]
    agenda.after(5, lambda: agenda.after(0, lambda: done.append("next")))
    agenda.run_all()
    assert done == ["first", "second", "late"]
    agenda.run_all()
    assert done[-1] == "next"


def test_pace_forgets_what_a_stall_missed():
    clock = SimClock(0)
    pace = Pace(clock, most_s=0.5)
    due = []
    for seconds in (0.1, 0.15, 0.25, 60.0, 0.1):
        clock.advance(int(seconds * S))
        due.append(pace.due(10))
    assert due == [1, 1, 3, 5, 1]


def test_rolling_window():
    window = RollingWindow(60 * S)
    assert window.retry_after_s(0) == 0
    assert [window.add(0, 5), window.add(30 * S), window.used(60 * S - 1)] == [5, 6, 6]
    assert window.retry_after_s(30 * S) == 31
    assert window.used(60 * S) == 1
    window.clear()
    assert window.used(60 * S) == 0


def test_record_is_bounded_and_forgets_all_but_what_is_open():
    record = Record(kept=3)
    extra = record.log()
    for number in range(5):
        record.frames.append(FrameRecord(number, 1, "x"))
        extra.append(number)
    record.opened = 1
    record.hits["a"] += 1
    assert (len(record.frames), list(extra)) == (3, [2, 3, 4])
    record.clear()
    assert (list(record.frames), list(extra), dict(record.hits), record.opened) == ([], [], {}, 1)


@pytest.mark.parametrize(("text", "units"), [("1.5", 150), ("0.01", 1), ("2e1", 2_000)])
def test_positive_units(text, units):
    assert positive_units(text, 2) == units


@pytest.mark.parametrize("text", ["0", "-1", "0.001"])
def test_what_is_no_positive_count(text):
    with pytest.raises(ValueError, match="is not a positive multiple of 10"):
        positive_units(text, 2)


def test_rewriting_leaves_what_is_not_json():
    source = random.Random(1)
    assert rewritten(b"not json", source, shuffled_keys=True) == b"not json"
    assert rewritten(b'{"a":1}', source, unknown_key="q").count(b'"q":') == 1


class MarkedTap(Tap):
    __slots__ = ()
    number_marks: ClassVar = (b'"px":"',)


@pytest.mark.parametrize(
    ("action", "found"),
    [
        ("malformed", [b'{"px":"-x1"}']),
        ("truncate", [b'{"px"']),
        ("delay", []),
    ],
)
def test_taps_of_one_frame(action, found):
    later, sent = [], []
    tap = MarkedTap("a", action, delay_ms=7)
    out = tap.put(
        b'{"px":"1"}', sent.append, lambda ms, do: later.append((ms, do)), random.Random(1)
    )
    assert out == found
    assert tap.spent
    for ms, do in later:
        assert ms == 7
        do()
    assert sent == ([b'{"px":"1"}'] if action == "delay" else [])


def test_a_spec_refuses_what_nobody_asked_for():
    spec = Spec({"count": True, "mode": "x", "odd": "3", "left": 1})
    with pytest.raises(TypeError, match="'count' must be a number, was True"):
        spec.number("count", 1)
    with pytest.raises(ValueError, match="'mode' must be one of a, b, was 'x'"):
        spec.choice("mode", ("a", "b"))
    with pytest.raises(ValueError, match=r"unknown settings \['left', 'odd'\]"):
        spec.finish()
    with pytest.raises(TypeError, match="'odd' must be like 1, was '3'"):
        Spec({"odd": "3"}).rest(Choice)


class Paper(House[str, int]):
    """Writes down what it would do."""

    def __init__(self, clock: SimClock, *, levels: int) -> None:
        super().__init__(clock, "seed", levels)
        self.live: list[int] = []
        self.done: list[str] = []

    def markets(self) -> list[str]:
        return ["x", "y"]

    def quotes(self, market: str) -> list[int]:
        return self.live

    def quote(self, market: str, *, is_buy: bool, distance: int) -> None:
        self.live.append(len(self.done))
        self.done.append(f"quote {market} {is_buy} {distance}")

    def take(self, market: str, *, is_buy: bool) -> None:
        self.done.append("take")

    def cancel(self, order: int) -> None:
        self.live.remove(order)
        self.done.append("cancel")


def test_a_house_keeps_its_books_about_as_deep():
    runs = []
    for _ in range(2):
        clock = SimClock(0)
        house = Paper(clock, levels=10)
        house.fill_books()
        assert len(house.live) == 40
        for _ in range(400):
            clock.advance(S // 10)
            house.advance(50)
        assert len(house.done) == 40 + 2_000
        assert 5 <= len(house.live) <= 25  # tidied down to two sides of ten, never empty
        runs.append(house.done)
    assert runs[0] == runs[1]


def test_time_may_pass_faster(monkeypatch):
    monotonic = [5_000]
    monkeypatch.setattr("connectors.sim.clock.time.monotonic_ns", lambda: monotonic[0])
    monkeypatch.setattr("connectors.sim.clock.time.time_ns", lambda: 10**18)
    clock = SimClock(None, 60.0)
    assert (clock.elapsed_ns(), clock.now_ns()) == (0, 10**18)
    monotonic[0] += 1_000_000
    assert (clock.elapsed_ns(), clock.now_ns()) == (60_000_000, 10**18 + 60_000_000)
    clock.offset_ns = -5
    assert clock.now_ns() == 10**18 + 60_000_000 - 5
    with pytest.raises(ValueError, match="speed"):
        SimClock(None, 0.0)
