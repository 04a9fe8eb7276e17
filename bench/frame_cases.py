"""What the benchmarks of several venues' frames are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from bench.measure import Case, Claim, Group, Plan, time_cases
from bench.ours import ignore
from connectors._speedups.events import EventKind, Router

__all__ = ["TYPED", "decoding", "loop", "others", "router_to"]

TYPED = "msgspec typed, text"
NUMBER = re.compile(r"-?\d+\.\d+")


def router_to(number: int, callback: Callable[[Any], object]) -> Router:
    """Return a router that calls `callback` with each event of an instrument."""
    router = Router()
    for kind in EventKind:
        if kind is not EventKind.KIND_COUNT:
            router.route(kind, number, callback)
    return router


def decoding(
    venue: str,
    kinds: Iterable[str],
    cases: Callable[[str], list[Case]],
    frames: Callable[[str], list[bytes]],
    claims: Mapping[str, Sequence[Claim]],
    plan: Plan,
) -> list[Group]:
    """Time every kind of frame of a venue."""
    return [
        time_cases(
            f"decode {venue} {kind}",
            cases(kind),
            plan,
            claims=claims.get(kind, ()),
            note=f"frame of {len(frames(kind)[0])} bytes; per frame",
        )
        for kind in kinds
    ]


def others(inputs: list[bytes], shape: Callable[[Any], Any] | None = None) -> list[Case]:
    """Return the cases of the libraries ours is compared with, on the same frames.

    `shape(number)` gives msgspec's type of a frame, by the type that decimal texts are to have;
    without it that of the first frame.
    """
    import msgspec  # not for those who only count our own instructions

    sample = orjson.loads(inputs[0])
    found = []
    for name, number in ((TYPED, str), ("msgspec typed, Decimal", Decimal)):
        type_ = shape(number) if shape is not None else _struct(sample, number)
        typed = msgspec.json.Decoder(type_).decode
        found.append(Case(name, _hand_over(typed, inputs), len(inputs)))
    found.append(Case("orjson", _hand_over(orjson.loads, inputs), len(inputs), note="a dict"))
    return found


def _struct(sample: Any, number: Any, name: str = "Frame") -> Any:
    """Return the msgspec type of a value like this one; `number` is that of decimal texts."""
    import msgspec

    if isinstance(sample, list):
        return list[_struct(sample[0], number, name + "Item")] if sample else list[Any]
    if isinstance(sample, dict):
        if sample and all(key.isdigit() for key in sample):
            return dict[str, _struct(next(iter(sample.values())), number, name)]
        import msgspec

        members = [(key, _struct(value, number, name + key)) for key, value in sample.items()]
        return msgspec.defstruct(name, members, gc=False)
    if isinstance(sample, str) and NUMBER.fullmatch(sample):
        return number
    return type(sample)


def loop(call: Callable[[bytes], object], inputs: list[bytes]) -> Callable[[], None]:
    def batch() -> None:
        for frame in inputs:
            call(frame)

    return batch


def _hand_over(decode: Callable[[bytes], object], inputs: list[bytes]) -> Callable[[], None]:
    def batch() -> None:
        for frame in inputs:
            ignore(decode(frame))

    return batch
