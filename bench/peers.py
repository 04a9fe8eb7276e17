"""What people use today to turn a Binance frame into an event: the alternatives to our decoder.

Each takes the same fields of a frame that our event holds, and makes one object of them:

* orjson and json: `loads`, the numbers converted (float or Decimal), a dataclass with slots;
* msgspec: a typed decoder for exactly this frame kind, of Structs that the collector does not
  track, the numbers kept as text or converted while decoding. A bot with several kinds on one
  socket needs a tagged union on top, which costs it more; not counted here.

Conversions are written out as source and compiled once, so they run as if written by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass
from decimal import Decimal
from typing import Any

import msgspec

from bench import frames
from bench.ours import ignore

__all__ = ["SHAPES", "Shape", "convert", "typed_decoder"]

# Marks in the tables below; in a decoder each becomes the type of the alternative.
NUMBER = "number"
LEVELS = "levels"

Handler = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of a frame kind that matter, by key.

    `inner` is the key of an object inside that holds `inside`; `wrapper` is "array" or "combined".
    `proof` names an attribute of our event, and the key it must equal.
    """

    fields: dict[str, Any]
    proof: tuple[str, str]
    inner: str = ""
    inside: dict[str, Any] = field(default_factory=dict)
    wrapper: str = ""


_QUOTE: dict[str, Any] = {"s": str, "T": int, "u": int} | dict.fromkeys("bBaA", NUMBER)
_DEPTH: dict[str, Any] = {
    "s": str,
    "T": int,
    "U": int,
    "u": int,
    "pu": int,
    "b": LEVELS,
    "a": LEVELS,
}
_MARK: dict[str, Any] = {"s": str, "E": int, "T": int} | dict.fromkeys(["p", "i", "P", "r"], NUMBER)
_CANDLE: dict[str, Any] = (
    {"t": int, "T": int, "i": str, "n": int, "x": bool} | dict.fromkeys("ohlcvqVQ", NUMBER)
)  # fmt: skip

SHAPES: dict[str, Shape] = {
    "bookTicker": Shape(_QUOTE, ("bid", "b")),
    "bookTicker, combined stream": Shape(_QUOTE, ("bid", "b"), wrapper="combined"),
    "aggTrade": Shape(
        {"s": str, "T": int, "a": int, "f": int, "l": int, "p": NUMBER, "q": NUMBER, "m": bool},
        ("price", "p"),
    ),
    "trade": Shape(
        {"s": str, "T": int, "t": int, "p": NUMBER, "q": NUMBER, "X": str, "m": bool},
        ("price", "p"),
    ),
    "depthUpdate, 5+5 levels": Shape(_DEPTH, ("last_seq", "u")),
    "depthUpdate, 20+20 levels": Shape(_DEPTH, ("last_seq", "u")),
    "markPriceUpdate": Shape(_MARK, ("mark", "p")),
    "markPriceUpdate, array of 10": Shape(_MARK, ("mark", "p"), wrapper="array"),
    "indexPriceUpdate": Shape({"i": str, "E": int, "p": NUMBER}, ("index", "p")),
    "kline": Shape({"s": str, "E": int}, ("close", "c"), "k", _CANDLE),
    "continuous_kline": Shape({"ps": str, "E": int}, ("close", "c"), "k", _CANDLE),
    "markPrice_kline": Shape({"ps": str, "E": int}, ("close", "c"), "k", _CANDLE),
    "indexPrice_kline": Shape({"ps": str, "E": int}, ("close", "c"), "k", _CANDLE),
    "24hrTicker": Shape(
        {"s": str, "E": int} | dict.fromkeys("OCFLn", int) | dict.fromkeys("pPwcQohlvq", NUMBER),
        ("last", "c"),
    ),
    "24hrMiniTicker": Shape(
        {"s": str, "E": int} | dict.fromkeys("cohlvq", NUMBER), ("last", "c")
    ),
    "forceOrder": Shape(
        {"E": int},
        ("price", "p"),
        "o",
        {"s": str, "S": str, "T": int} | dict.fromkeys(["p", "ap", "q", "l", "z"], NUMBER),
    ),
}  # fmt: skip

assert SHAPES.keys() == frames.MAKERS.keys()


def convert(
    shape: Shape, loads: Callable[[bytes], Any], number: type[float] | type[Decimal]
) -> Handler:
    """Return `handle(frame)`: parse to dicts, convert the numbers, hand the event to `ignore`."""
    names = [*shape.fields, *(shape.inner + key for key in shape.inside)]
    event = make_dataclass("Event", names, slots=True)
    values = [_expression(f"d[{key!r}]", kind) for key, kind in shape.fields.items()]
    values += [_expression(f"k[{key!r}]", kind) for key, kind in shape.inside.items()]
    lines = ["def handle(frame):"]
    if shape.wrapper == "array":
        lines += ["  for d in loads(frame):"]
    elif shape.wrapper == "combined":
        lines += ["  for d in (loads(frame)['data'],):"]
    else:
        lines += ["  for d in (loads(frame),):"]
    if shape.inner:
        lines += [f"    k = d[{shape.inner!r}]"]
    lines += [f"    callback(Event({', '.join(values)}))"]
    if not shape.wrapper:  # no loop where there is one object
        lines = ["def handle(frame):", "  d = loads(frame)", *(line[2:] for line in lines[2:])]
    scope: dict[str, Any] = {"loads": loads, "callback": ignore, "Event": event, "number": number}
    exec("\n".join(lines), scope)
    handle: Handler = scope["handle"]
    return handle


def _expression(value: str, kind: object) -> str:
    if kind is NUMBER:
        return f"number({value})"
    if kind is LEVELS:
        return f"[(number(p), number(q)) for p, q in {value}]"
    return value


def typed_decoder(shape: Shape, number: Any) -> Callable[[bytes], Any]:
    """Return a msgspec decoder of one frame kind, numbers as `number` (str, float or Decimal)."""

    def known(fields: dict[str, Any]) -> list[tuple[str, Any]]:
        types = {NUMBER: number, LEVELS: list[tuple[number, number]]}
        return [(key, types.get(kind, kind)) for key, kind in fields.items()]

    members = known(shape.fields)
    if shape.inner:
        inside = msgspec.defstruct("Inside", known(shape.inside), gc=False)
        members.append((shape.inner, inside))
    struct: Any = msgspec.defstruct("Event", members, gc=False)
    if shape.wrapper == "array":
        struct = list[struct]
    elif shape.wrapper == "combined":
        struct = msgspec.defstruct("Combined", [("data", struct)], gc=False)
    # strict=False lets text be read as a number.
    return msgspec.json.Decoder(struct, strict=number is not float).decode
