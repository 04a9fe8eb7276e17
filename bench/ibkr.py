"""How long does a market data frame of IBKR take to become quotes and trades in a callback?

Shapes, key order and number formats are those of the wire; values come from a seeded random walk,
and each kind is a list of different frames that stays within 32 kB. Each frame is merged into what
is known of its line; the other libraries only read it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from bench.frame_cases import TYPED, loop, others, router_to
from bench.measure import Case, Claim, Group, Plan, time_cases
from bench.ours import ignore
from connectors._speedups.events import InstrumentBase
from connectors._speedups.ibkr import IbkrDecoder
from connectors._speedups.symbols import SymbolTable
from connectors._speedups.ticks import TickScale

__all__ = ["MAKERS", "run"]

ROOM = 32_768
CONID = "265598"
FULL, QUOTE, BID, LAST = "smd, all fields", "smd, both sides", "smd, the bid alone", "smd, the last"
FLOATS = "msgspec typed, floats"
CLAIMS = {kind: [Claim(TYPED, at_least=2.7)] for kind in (QUOTE, BID, LAST)}
# Events of a frame.
EVENTS = {FULL: 2, QUOTE: 1, BID: 1, LAST: 1}


class Market:
    """A seeded market that moves a little with every look at it."""

    def __init__(self) -> None:
        self.random = random.Random(20_261_121)
        self.cents = 19_306
        self.ms = 1_783_031_091_001

    def step(self) -> None:
        self.cents += self.random.choice((-3, -1, 0, 0, 1, 3))
        self.ms += self.random.randrange(250, 900)

    def price(self, away: int = 0) -> str:
        return f"{(self.cents + away) / 100:.2f}"

    def size(self) -> str:
        return f"{self.random.randrange(1, 40) * 100:,}"


def frame(m: Market, **fields: str) -> dict[str, Any]:
    return {
        "server_id": "q1", "conidEx": CONID, "conid": int(CONID), "_updated": m.ms, "6119": "q1",
        **fields, "topic": f"smd+{CONID}",
    }  # fmt: skip


def full(m: Market) -> Any:
    return frame(m, **{
        "31": m.price(4), "84": m.price(), "86": m.price(8), "85": m.size(), "88": m.size(),
        "87": f"{m.random.randrange(100, 200) / 10}M", "7059": m.size(), "6509": "RpB",
    })  # fmt: skip


def quote(m: Market) -> Any:
    return frame(m, **{"84": m.price(), "86": m.price(8), "85": m.size(), "88": m.size()})


def bid(m: Market) -> Any:
    return frame(m, **{"84": m.price()})


def last(m: Market) -> Any:
    return frame(m, **{"31": m.price(4), "7059": m.size()})


MAKERS: dict[str, Callable[[Market], Any]] = {FULL: full, QUOTE: quote, BID: bid, LAST: last}


def frames(kind: str) -> list[bytes]:
    """Return different frames of a kind, as they come off the socket."""
    market = Market()
    found: list[bytes] = []
    while sum(map(len, found)) < ROOM - 2_000:
        market.step()
        found.append(json.dumps(MAKERS[kind](market), separators=(",", ":")).encode())
    return found


def shape(number: Any) -> Any:
    """Return how msgspec is to read a frame: one type for all, of which fields may be missing."""
    import msgspec  # not for those who only count our own instructions

    del number  # sizes have commas, the volume a letter: they can only be texts
    codes = [key for key in full(Market()) if key.isdigit()]
    members: list[Any] = [("topic", str), ("updated", int), ("conid", int)]
    members += [(f"f{code}", str | None, None) for code in codes]
    rename = {f"f{code}": code for code in codes} | {"updated": "_updated"}
    return msgspec.defstruct("Frame", members, gc=False, rename=rename)


def in_floats(inputs: list[bytes]) -> Callable[[], None]:
    """Return what reads the frames with msgspec and makes numbers of their texts."""
    import msgspec

    decode = msgspec.json.Decoder(shape(str)).decode

    def number(text: str | None) -> float | None:
        return None if text is None else float(text.replace(",", ""))

    def batch() -> None:
        for data in inputs:
            f = decode(data)
            ignore((number(f.f31), number(f.f84), number(f.f86), number(f.f85), number(f.f88),
                    number(f.f7059)))  # fmt: skip

    return batch


def decoder_to(callback: Callable[[Any], object]) -> IbkrDecoder:
    """Return a decoder that calls `callback` with each event, and knows all of its line."""
    symbols = SymbolTable()
    instrument = InstrumentBase("AAPL", "AAPL", "IBKR", TickScale("0.01"), TickScale("1"))
    number = symbols.add(instrument, alias=CONID)
    decoder = IbkrDecoder(symbols, router_to(number, callback))
    decoder.open_line(number)
    decoder.feed_bytes(frames(FULL)[0])
    return decoder


def run(plan: Plan) -> list[Group]:
    """Time every frame kind."""
    return [
        time_cases(
            f"decode IBKR {kind}",
            cases(kind),
            plan,
            claims=CLAIMS.get(kind, ()),
            note=f"frame of {len(frames(kind)[0])} bytes; per frame",
        )
        for kind in MAKERS
    ]


def cases(kind: str) -> list[Case]:
    inputs = frames(kind)
    check(kind, inputs)
    feed = decoder_to(ignore).feed_bytes
    found = [Case("tickwire", loop(feed, inputs), len(inputs), note="merged, integers, exact")]
    found.append(Case(FLOATS, in_floats(inputs), len(inputs), note="by hand, from the texts"))
    # Decimals are texts here, too.
    return [*found, *(each for each in others(inputs, shape) if "Decimal" not in each.name)]


def check(kind: str, inputs: list[bytes]) -> None:
    """Make sure that what is timed also happens."""
    seen: list[Any] = []
    decoder = decoder_to(seen.append)
    seen.clear()
    for each in inputs:
        decoder.feed_bytes(each)
    if len(seen) != len(inputs) * EVENTS[kind] or decoder.cold_messages:
        raise AssertionError(f"{kind}: {len(seen)} events of {len(inputs)} frames")
