"""How long does a Binance frame take to become an event in a Python callback?"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson

from bench import frames, peers
from bench.measure import Case, Claim, Group, Plan, time_cases
from bench.ours import decoder_to, ignore

__all__ = ["run"]

OURS = "tickwire"
FLOATS = "msgspec typed, floats"
ORJSON_FLOATS = "orjson, floats"
CLAIMS = {
    "bookTicker": [Claim(FLOATS, at_least=3.0), Claim(ORJSON_FLOATS, at_least=12.0)],
    "depthUpdate, 20+20 levels": [Claim(FLOATS, at_least=4.5)],
}


def run(plan: Plan) -> list[Group]:
    """Time every frame kind, then what reading the event costs on top."""
    groups = [
        time_cases(
            f"decode {kind}", cases(kind), plan, claims=CLAIMS.get(kind, ()), note=_size(kind)
        )
        for kind in frames.MAKERS
    ]
    return [*groups, reading(plan)]


def _size(kind: str) -> str:
    inputs = frames.frames(kind)
    size = sum(map(len, inputs)) // len(inputs)
    return f"frame of {size} bytes -> event -> Python callback; per frame"


def cases(kind: str) -> list[Case]:
    inputs = frames.frames(kind)
    shape = peers.SHAPES[kind]
    check(kind, inputs, shape)
    calls: list[tuple[str, Callable[[bytes], object], bool, str]] = [
        # name, decoder, whether its result still is to be handed to the callback, note
        (OURS, decoder_to(ignore).feed_bytes, False, "integers, exact"),
        (FLOATS, peers.typed_decoder(shape, float), True, ""),
        ("msgspec typed, text", peers.typed_decoder(shape, str), True, "numbers stay text"),
        ("msgspec typed, Decimal", peers.typed_decoder(shape, Decimal), True, ""),
        ("orjson", orjson.loads, True, "a dict, numbers stay text"),
        (ORJSON_FLOATS, peers.convert(shape, orjson.loads, float), False, ""),
        ("orjson, Decimal", peers.convert(shape, orjson.loads, Decimal), False, ""),
        ("json", json.loads, True, "a dict, numbers stay text"),
        ("tickwire, native handler", decoder_to(None).feed_bytes, False, "no event object"),
    ]
    return [
        Case(
            name, _hand_over(call, inputs) if hand else _loop(call, inputs), len(inputs), note=note
        )
        for name, call, hand, note in calls
    ]


def _loop(call: Callable[[bytes], object], inputs: list[bytes]) -> Callable[[], None]:
    def batch() -> None:
        for frame in inputs:
            call(frame)

    return batch


def _hand_over(decode: Callable[[bytes], object], inputs: list[bytes]) -> Callable[[], None]:
    callback = ignore

    def batch() -> None:
        for frame in inputs:
            callback(decode(frame))

    return batch


def check(kind: str, inputs: list[bytes], shape: peers.Shape) -> None:
    """Make sure that what is timed also is right: our events carry what the frames say."""
    events: list[Any] = []
    decoder = decoder_to(events.append)
    attribute, key = shape.proof
    for frame in inputs:
        events.clear()
        decoder.feed_bytes(frame)
        parsed = orjson.loads(frame)
        objects = {"array": parsed, "combined": [parsed.get("data")] if "data" in parsed else []}
        expected = [
            (d[shape.inner] if shape.inner else d)[key]
            for d in objects.get(shape.wrapper, [parsed])
        ]
        got = [getattr(event, attribute) for event in events]
        if got != [Decimal(value) for value in expected]:
            raise AssertionError(f"{kind}: {attribute} is {got}, the frame says {expected}")


def reading(plan: Plan) -> Group:
    """A callback that does something: it reads all four numbers of a quote."""
    inputs = frames.frames("bookTicker")
    shape = peers.SHAPES["bookTicker"]

    def ticks(event: Any) -> None:
        _ = event.bid_ticks, event.bid_lots, event.ask_ticks, event.ask_lots

    def floats(event: Any) -> None:
        _ = event.bid_float, event.bid_size_float, event.ask_float, event.ask_size_float

    def decimals(event: Any) -> None:
        _ = event.bid, event.bid_size, event.ask, event.ask_size

    def fields(event: Any) -> None:
        _ = event.b, event.B, event.a, event.A

    def typed(number: Any) -> Callable[[], None]:
        decode = peers.typed_decoder(shape, number)

        def batch() -> None:
            for frame in inputs:
                fields(decode(frame))

        return batch

    n = len(inputs)
    return time_cases(
        "read a bookTicker",
        [
            Case("tickwire, ticks and lots", _loop(decoder_to(ticks).feed_bytes, inputs), n),
            Case("tickwire, floats", _loop(decoder_to(floats).feed_bytes, inputs), n),
            Case("tickwire, Decimals", _loop(decoder_to(decimals).feed_bytes, inputs), n),
            Case(FLOATS, typed(float), n),
            Case("msgspec typed, Decimal", typed(Decimal), n),
        ],
        plan,
        note="the callback reads bid, ask and both sizes; per frame",
    )
