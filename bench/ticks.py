"""How long does decimal text take to become an exact, whole number of ticks?"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal

import numpy as np

from bench.measure import Case, Claim, Group, Plan, time_cases
from connectors._speedups.ticks import TickScale

__all__ = ["run"]

TICK = "0.10"
_RANDOM = random.Random(3)
TEXTS = [f"{_RANDOM.randrange(1_000, 120_000)}.{_RANDOM.randrange(10)}0" for _ in range(1_000)]

_TICK = Decimal(TICK)
_TICK_FLOAT = float(TICK)


def decimal_divided(text: str) -> int:
    """What most exact code does: divide, and refuse what is not whole."""
    quotient = Decimal(text) / _TICK
    ticks = int(quotient)
    if ticks != quotient:
        raise ValueError(f"{text} is not a multiple of {_TICK}")
    return ticks


def decimal_scaled(text: str) -> int:
    """The cheaper way where the tick is a power of ten: move the point, and check."""
    scaled = Decimal(text).scaleb(1)
    ticks = int(scaled)
    if ticks != scaled:
        raise ValueError(f"{text} is not a multiple of {_TICK}")
    return ticks


def decimal_unchecked(text: str) -> int:
    """Cuts off what is off the grid without a word."""
    return int(Decimal(text) / _TICK)


def float_rounded(text: str) -> int:
    """Rounds what is off the grid without a word."""
    return round(float(text) / _TICK_FLOAT)


WAYS: list[tuple[str, Callable[[str], int], str]] = [
    ("Decimal / tick, checked", decimal_divided, "int(Decimal(t) / tick), exactness checked"),
    ("Decimal.scaleb, checked", decimal_scaled, "int(Decimal(t).scaleb(1)), exactness checked"),
    ("Decimal / tick, unchecked", decimal_unchecked, "cuts off silently"),
    ("round(float)", float_rounded, "rounds silently"),
]


def run(plan: Plan) -> list[Group]:
    scale = TickScale(TICK)
    expected = [decimal_divided(text) for text in TEXTS]
    assert scale.to_ticks_array(TEXTS).tolist() == expected
    assert [scale.to_ticks(text) for text in TEXTS] == expected
    n = len(TEXTS)
    single = [Case("tickwire to_ticks", _each(scale.to_ticks), n, note="exact or an error")]
    single += [Case(name, _each(way), n, note=note) for name, way, note in WAYS]
    array = np.array([text.encode() for text in TEXTS])
    floats = np.array([float(text) for text in TEXTS])
    many = [
        Case("tickwire to_ticks_array(list)", lambda: scale.to_ticks_array(TEXTS), n),
        *[Case(name, _list(way), n, note=note) for name, way, note in WAYS],
        Case("numpy, rint(floats / tick)", lambda: _numpy(TEXTS), n, note="rounds silently"),
        Case("tickwire, bytes array", lambda: scale.to_ticks_array(array), n, note="numpy S dtype"),
        Case(
            "tickwire, float array",
            lambda: scale.round_to_ticks_array(floats),
            n,
            note="floats already, rounded on request",
        ),
    ]
    claims = [Claim("Decimal / tick, checked", at_least=40.0)]
    return [
        time_cases("ticks, one text", single, plan, note="a Python loop over texts; per value"),
        time_cases(
            "ticks, a list", many, plan, claims=claims, note=f"{n} texts -> integers; per value"
        ),
    ]


def _each(way: Callable[[str], int]) -> Callable[[], None]:
    def batch() -> None:
        for text in TEXTS:
            way(text)

    return batch


def _list(way: Callable[[str], int]) -> Callable[[], list[int]]:
    return lambda: [way(text) for text in TEXTS]


def _numpy(texts: list[str]) -> object:
    return np.rint(np.array(texts).astype(np.float64) / _TICK_FLOAT).astype(np.int64)
