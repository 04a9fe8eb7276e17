"""Side-by-side timing: in every round each alternative has one turn, so noise hits all alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Case",
    "Claim",
    "Group",
    "Plan",
    "Series",
    "Spread",
    "interleave",
    "order",
    "time_cases",
]

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much time to spend.

    `rounds` turns of about `turn_s` each for timed code; `socket_rounds` for the questions that
    talk to a server or start processes, whose turns take `socket_scale` of their full size.
    """

    rounds: int = 31
    turn_s: float = 0.010
    socket_rounds: int = 11
    socket_scale: float = 1.0
    progress: Progress = field(default=lambda text: None, repr=False)


QUICK = Plan(rounds=7, turn_s=0.003, socket_rounds=3, socket_scale=0.2)


@dataclass(frozen=True, slots=True)
class Case:
    """One alternative. `batch()` does `operations` operations; `prepare()` is not timed."""

    name: str
    batch: Callable[[], object]
    operations: int
    prepare: Callable[[], object] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, smallest value, and the band that holds the middle 80 %."""

    median: float
    best: float
    p10: float
    p90: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        ordered = sorted(values)
        return cls(statistics.median(ordered), ordered[0], order(ordered, 0.1), order(ordered, 0.9))


def order(ordered: Sequence[float], share: float) -> float:
    """Return the value below which `share` of a sorted sequence lies."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True, slots=True)
class Series:
    """What one alternative needed: a sample for each round, in the unit of its group."""

    name: str
    samples: list[float]
    note: str = ""

    @property
    def spread(self) -> Spread:
        return Spread.of(self.samples)


@dataclass(frozen=True, slots=True)
class Claim:
    """What we promise against one alternative.

    `at_least`: how many times as much as ours the alternative needs. `at_most`: how many times as
    much as the alternative ours may need.
    """

    peer: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def times(self) -> float:
        """The least ratio alternative / ours that keeps the promise."""
        if self.at_least is not None:
            return self.at_least
        assert self.at_most is not None
        return 1 / self.at_most

    def __str__(self) -> str:
        return (
            f">= {self.at_least:g}x" if self.at_least is not None else f"<= {self.at_most:g} of it"
        )


@dataclass(frozen=True, slots=True)
class Group:
    """One question's rows: `series[0]` is ours, and smaller is better."""

    title: str
    unit: str
    series: list[Series]
    claims: list[Claim] = field(default_factory=list)
    note: str = ""

    def ratio(self, peer: Series) -> Spread:
        """How many times as much as ours `peer` needed, round by round."""
        return Spread.of([b / a for a, b in zip(self.series[0].samples, peer.samples, strict=True)])

    def claim(self, name: str) -> Claim | None:
        return next((c for c in self.claims if c.peer == name), None)

    def kept(self, claim: Claim) -> bool:
        """Whether the median of the rounds keeps the promise."""
        peer = next(s for s in self.series if s.name == claim.peer)
        return self.ratio(peer).median >= claim.times

    def to_json(self) -> dict[str, Any]:
        rows = []
        for s in self.series:
            spread, ratio = s.spread, self.ratio(s)
            rows.append(
                {
                    "name": s.name,
                    "note": s.note,
                    "median": spread.median,
                    "best": spread.best,
                    "p10": spread.p10,
                    "p90": spread.p90,
                    "times_ours": {"median": ratio.median, "p10": ratio.p10, "p90": ratio.p90},
                    "samples": s.samples,
                }
            )
        claims = [
            {
                "peer": c.peer,
                "at_least": c.at_least,
                "at_most": c.at_most,
                "kept": self.kept(c),
            }
            for c in self.claims
        ]
        return {
            "title": self.title,
            "unit": self.unit,
            "note": self.note,
            "series": rows,
            "claims": claims,
        }


def interleave(
    names: Sequence[str], rounds: int, turn: Callable[[int], float], progress: Progress, label: str
) -> list[list[float]]:
    """Run `turn(i)` once a round for every i, a different one first each time; return samples."""
    samples: list[list[float]] = [[] for _ in names]
    for number in range(rounds):
        progress(f"{label}: round {number + 1}/{rounds}")
        for shift in range(len(names)):
            i = (number + shift) % len(names)
            samples[i].append(turn(i))
    return samples


def time_cases(
    title: str,
    cases: Sequence[Case],
    plan: Plan,
    *,
    claims: Sequence[Claim] = (),
    unit: str = "ns",
    note: str = "",
) -> Group:
    """Time cases against each other, the first being ours; samples in `unit` per operation.

    What counts is CPU time of the thread, which other processes on the machine do not lengthen. The
    garbage collector stays on, as it does in a bot, but what exists already is hidden from it so
    that the benchmark's own objects cost nobody anything.
    """
    scale = {"ns": 1.0, "µs": 1e3, "ms": 1e6}[unit]
    for case in cases:
        _turn(case, 1)  # first calls fill caches, free lists and inline caches
    repeats = [max(1, round(plan.turn_s / max(_turn(case, 1) * 1e-9, 1e-7))) for case in cases]
    gc.collect()
    gc.freeze()
    try:
        samples = interleave(
            [case.name for case in cases],
            plan.rounds,
            lambda i: _turn(cases[i], repeats[i]) / repeats[i] / cases[i].operations / scale,
            plan.progress,
            title,
        )
    finally:
        gc.unfreeze()
    series = [Series(c.name, s, c.note) for c, s in zip(cases, samples, strict=True)]
    return Group(title, unit, series, list(claims), note)


def _turn(case: Case, repeats: int) -> float:
    """Time `repeats` batches, in ns."""
    batch, prepare, clock = case.batch, case.prepare, time.thread_time_ns
    if prepare is None:
        start = clock()
        for _ in range(repeats):
            batch()
        return clock() - start
    total = 0
    for _ in range(repeats):
        prepare()
        start = clock()
        batch()
        total += clock() - start
    return total
