"""The compiled decoder against the slow one, on sample frames and on what becomes of them.

The usual-order fast path, the loop that takes keys in any order, the paths for envelopes and for
arrays: all are compared with the same oracle, so they agree with each other (BN-K-03, BN-F-01).
`CONNECTORS_MUTATIONS=1000000` runs BN-TC-20 in full.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle import json_scan
from oracle.binance_frames import PARTIAL, RPI
from oracle.binance_rig import Market, Rig

MUTATIONS = int(os.environ.get("CONNECTORS_MUTATIONS", "20000"))
SAMPLES = json.loads(
    (Path(__file__).resolve().parents[1] / "data/binance/market_frames.json").read_text("utf-8")
)
# Grids that some of the samples fit and some do not; 0.25 and 5 are not powers of ten.
MARKETS = [
    Market("BTCUSDT", "0.01", "0.001"),
    Market("BNBUSDT", "0.0001", "0.01", PARTIAL),
    Market("ETHUSDT", "5", "0.001"),
    Market("XYZUSDT", "0.25", "1", RPI),
    Market("X", "0.1", "0.1"),
    Market("币安人生USDT", "0.0000001", "1"),
    Market("BTCUSD_PERP", "0.1", "1"),
    Market("BTCUSD_200626", "0.1", "1"),
    Market("BTCUSD", "0.00000001", "1"),
    Market("BTCUSDT_PERPETUAL", "0.01", "0.001"),
]


def wire(frame: Any) -> bytes:
    return json.dumps(frame, separators=(",", ":"), ensure_ascii=False).encode()


FRAMES = [wire(entry["frame"]) for entry in SAMPLES["frames"]]
ODD = [entry["text"].encode() for entry in SAMPLES["odd_frames"]]
# Binance's own sizes: prices of 8 to 15 bytes, ids of 8 to 15 digits, so that the words are full.
LONG = [
    b'{"e":"bookTicker","u":3650014712345,"E":1702555534443,"T":1702555534436,"s":"BTCUSDT",'
    b'"ps":"BTCUSDT","b":"43186.90","B":"12.345","a":"43187.00","A":"9.001","st":1}',
    b'{"e":"bookTicker","u":3650014712345,"s":"BTCUSDT","b":"43186.90","B":"12.345",'
    b'"a":"43187.00","A":"9.001","T":1702555534436,"E":1702555534443}',
    b'{"e":"aggTrade","E":1702555534435,"s":"BTCUSDT","a":2029384756,"p":"43187.00","q":"0.004",'
    b'"nq":"0.004","f":4391817363,"l":4391817365,"T":1702555534281,"m":false,"st":1}',
    b'{"e":"aggTrade","E":1702555534435,"a":2029384756,"s":"BTCUSDT","p":"43187.00","q":"0.004",'
    b'"f":4391817363,"l":4391817365,"T":1702555534281,"m":true}',
    b'{"e":"depthUpdate","E":1702555534443,"T":1702555534436,"s":"BTCUSDT","U":3650014712345,'
    b'"u":3650014712399,"pu":3650014712344,"b":[["43186.90","0"],["43186.80","0.000"],'
    b'["43180.00","12.345"],["1234567.12","123456.789"]],"a":[["43187.00","1.5"],["9","0.1"]],'
    b'"ps":"BTCUSDT","st":1}',
    b'{"stream":"btcusdt@depth20@100ms","data":{"e":"depthUpdate","E":1702555534443,'
    b'"T":1702555534436,"s":"BTCUSDT","U":1,"u":2,"pu":0,"b":[["1","2"]],"a":[]}}',
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1702555534435,"s":"BTCUSDT",'
    b'"a":2029384756,"p":"43187.00","q":"0.004","f":43918173,"l":43918173,"T":1702555534281,'
    b'"m":false}}',
]
CORPUS = [*FRAMES, *ODD, *LONG]
SOUND = [data for data in CORPUS if data not in ODD]


@pytest.fixture(scope="module")
def rig() -> Rig:
    return Rig(MARKETS)


# ---- rewriting a message without changing what it says ------------------------------------------

Random = random.Random


def rewritten(node: json_scan.Node, rng: Random, *, order: bool, blanks: bool, escape: bool) -> str:
    """The same JSON value with members in another order, blanks between tokens, or escapes."""

    def gap() -> str:
        return "".join(rng.choices(" \t\n\r", k=rng.randrange(3))) if blanks else ""

    def inner(child: json_scan.Node) -> str:
        return rewritten(child, rng, order=order, blanks=blanks, escape=escape)

    if node.kind == "object":
        members = list(node.members)
        if order:
            rng.shuffle(members)
        parts = [
            f"{gap()}{string_text(name or b'', rng, escape)}{gap()}:{gap()}{inner(child)}{gap()}"
            for name, child in members
        ]
        return "{" + (",".join(parts) or gap()) + "}"
    if node.kind == "array":
        return "[" + (",".join(gap() + inner(item) + gap() for item in node.items) or gap()) + "]"
    if node.kind == "string" and not node.body.lstrip(b"-")[:1].isdigit():
        return string_text(node.text or b"", rng, escape)
    return node.raw.decode()


def string_text(text: bytes, rng: Random, escape: bool) -> str:
    shown = json.dumps(text.decode(), ensure_ascii=False)
    if escape:
        at = rng.randrange(len(text.decode()) + 1)
        head, tail = text.decode()[:at], text.decode()[at:]
        if tail and ord(tail[0]) < 0x10000:
            shown = json.dumps(head)[:-1] + f"\\u{ord(tail[0]):04x}" + json.dumps(tail[1:])[1:]
    return shown


def rewrite(data: bytes, rng: Random, **what: bool) -> bytes:
    choices = {"order": False, "blanks": False, "escape": False} | what
    return rewritten(json_scan.parse(data), rng, **choices).encode()


@pytest.mark.parametrize("what", ["order", "blanks", "escape", "all"])
def test_rewritten_messages_say_the_same(rig, what):
    """BN-F-01, BN-K-03: the fast paths agree with the general ones."""
    rng = random.Random(what)
    names = ["order", "blanks", "escape"] if what == "all" else [what]
    for data in SOUND:
        plain = rig.check(data)
        for _ in range(20):
            other = rewrite(data, rng, **dict.fromkeys(names, True))
            told = rig.check(other)
            # An event that has no type of its own is handed on as text, and so as rewritten.
            assert [t for t in told if t[0] != "venue"] == [p for p in plain if p[0] != "venue"]
            assert [t[:2] for t in told if t[0] == "venue"] == [
                p[:2] for p in plain if p[0] == "venue"
            ]


# ---- changing what it says ----------------------------------------------------------------------

VALUES = [
    b"1", b"0", b"-1", b"1.5", b"1e5", b'"1"', b'"-1.50"', b'"1e5"', b'"NaN"', b'""', b'"x"',
    b"null", b"true", b"false", b"[]", b"{}", b'[["1","2"]]', b'[["1"]]', b'{"e":"aggTrade"}',
    b'"0.000"', b"9223372036854775807", b"9223372036854775808", b'"9223372036854775807"',
    b'"0.0000000001"', b'"99999999999999999999"', b'"123456789012345.6"', b"1702555534436",
    b'"1702555534436"', b'"BTCUSDT"', b'"SELL"', b'"\\u0042UY"', b'"MARKET"', b'"ADL"', b'"1m"',
    b'"2m"', b'"0.123456789"', b'"\xff"', b'"\\ud800"', b'"1234567.8"', b'"12345678.9"',
    b'"00012345.50"', b"[[1,2],[3,4]]",
]  # fmt: skip
KEYS = [
    b"e", b"E", b"T", b"s", b"u", b"U", b"pu", b"b", b"B", b"a", b"A", b"p", b"q", b"m", b"X",
    b"k", b"o", b"ps", b"ct", b"st", b"i", b"P", b"r", b"f", b"l", b"nq", b"data", b"stream",
    b"event", b"result", b"id", b"code", b"error", b"x", b"", b"unknown_and_long", b'\\"',
    b"\\u0065", b"e\\u0000", b"\xff", b"\\ud800",
]  # fmt: skip
NAMES = [
    b"bookTicker", b"aggTrade", b"trade", b"depthUpdate", b"kline", b"continuous_kline",
    b"indexPrice_kline", b"markPrice_kline", b"markPriceUpdate", b"indexPriceUpdate",
    b"forceOrder", b"24hrTicker", b"24hrMiniTicker", b"somethingNew", b"",
]  # fmt: skip


STREAMS = [
    "btcusdt@depth", "btcusdt@depth5@100ms", "btcusdt@rpiDepth@500ms", "币安@trade", "",
    "btcusdt\\u0040depth5", "\\ud800",
]  # fmt: skip


def spans(node: json_scan.Node) -> list[json_scan.Node]:
    """Every value in a tree."""
    out = [node]
    for child in [*node.items, *(value for _, value in node.members)]:
        out += spans(child)
    return out


def change_value(data: bytes, rng: Random) -> bytes:
    node = rng.choice(spans(json_scan.parse(data)))
    return data[: node.start] + rng.choice(VALUES) + data[node.end :]


def add_member(data: bytes, rng: Random) -> bytes:
    """A key that is new, or there already, at the front, in the middle or at the end."""
    objects = [n for n in spans(json_scan.parse(data)) if n.kind == "object" and n.members]
    if not objects:
        return data
    node = rng.choice(objects)
    key, value = rng.choice(KEYS), rng.choice(VALUES)
    if key == b"e" and rng.random() < 0.5:
        value = b'"' + rng.choice(NAMES) + b'"'
    before = rng.choice(node.members)[1].end
    member = b'"' + key + b'":' + value
    if rng.random() < 0.3:
        return data[: node.start + 1] + member + b"," + data[node.start + 1 :]
    return data[:before] + b"," + member + data[before:]


def drop_member(data: bytes, rng: Random) -> bytes:
    objects = [n for n in spans(json_scan.parse(data)) if n.kind == "object" and n.members]
    if not objects:
        return data
    node = rng.choice(objects)
    at = rng.randrange(len(node.members))
    ends = [node.start + 1, *(value.end for _, value in node.members)]
    cut = data[: ends[at]] + data[ends[at + 1] :]
    first = cut[ends[at] : ends[at] + 1] == b"," and at == 0
    return cut[: ends[at]] + cut[ends[at] + 1 :] if first else cut


def rename(data: bytes, rng: Random) -> bytes:
    old = rng.choice(NAMES[:-1])
    return data.replace(b'"' + old + b'"', b'"' + rng.choice(NAMES) + b'"')


def cut(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def flip(data: bytes, rng: Random) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    byte = rng.choice([rng.randrange(256), *b'"\\{}[]:,0-.e x\x00\x1f\x80'])
    return data[:at] + bytes([byte]) + data[at + 1 :]


def insert(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + bytes([rng.choice(b'"\\{}[]:,0-.e x\x00\x1f\x80\n')]) + data[at:]


def delete(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.randrange(1, 4) :]


def splice(data: bytes, rng: Random) -> bytes:
    other = rng.choice(CORPUS)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def envelop(data: bytes, rng: Random) -> bytes:
    stream = rng.choice(
        [
            "btcusdt@depth",
            "btcusdt@depth5@100ms",
            "btcusdt@rpiDepth@500ms",
            "币安@trade",
            "",
            "\\u0040depth5",
        ]
    ).encode()
    parts = [b'"stream":"' + stream + b'"', b'"data":' + (data or b"0"), b'"x":[1]']
    del parts[rng.choice([2, 2, 2, 0, 1, 3]) :]
    if rng.random() < 0.3:
        rng.shuffle(parts)
    return b"{" + b",".join(parts) + b"}"


def in_array(data: bytes, rng: Random) -> bytes:
    items = [data, *(rng.choice(CORPUS) for _ in range(rng.randrange(4)))]
    rng.shuffle(items)
    return b"[" + b",".join(items) + b"]"


def in_event(data: bytes, rng: Random) -> bytes:
    return b'{"event":' + data + rng.choice([b"}", b',"id":1}', b',"e":1}'])


STRUCTURED: list[Callable[[bytes, Random], bytes]] = [
    change_value, add_member, drop_member, rename, envelop, in_array, in_event, lambda d,
    r: rewrite(d, r, order=True), lambda d, r: rewrite(d, r, blanks=True), lambda d,
    r: rewrite(d, r, escape=True),
]  # fmt: skip
BLUNT: list[Callable[[bytes, Random], bytes]] = [cut, flip, flip, insert, delete, splice]


def mutate(rng: Random) -> bytes:
    """Take a message through one to four changes; structured ones while it is still JSON."""
    data = rng.choice(CORPUS)
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 4])):
        try:
            json_scan.parse(data)
            json_scan.parse(data).raw.decode()
            change = rng.choice(STRUCTURED if rng.random() < 0.75 else BLUNT)
        except (json_scan.Refused, UnicodeDecodeError):
            change = rng.choice(BLUNT)
        try:
            data = change(data, rng)
        except UnicodeDecodeError:  # rewriting makes text of strings that are none
            data = flip(data, rng)
    return data


@pytest.mark.parametrize("part", range(4))
def test_bn_tc_20_mutated_messages(part):
    """BN-TC-20: fast and slow decoder agree; anything else is a typed error, never more."""
    rng = random.Random(f"{os.environ.get('CONNECTORS_MUTATION_SEED', 'tickwire')} {part}")
    rig = Rig(MARKETS)
    seen = set()
    for _ in range(MUTATIONS // 4):
        seen.update(outcome[0] for outcome in rig.check(mutate(rng)))
    if MUTATIONS >= 4000:  # the mutations are not so wild that nothing survives
        assert seen >= {"Quote", "Trade", "BookUpdate", "Bar", "MarkPrice", "Ticker", "problem"}
        assert seen >= {"Liquidation", "venue", "control", "unknown symbol"}


@pytest.mark.parametrize("part", range(2))
def test_mutated_messages_with_auto_register(part):
    rng = random.Random(f"register {part}")
    for _ in range(max(1, MUTATIONS // 2000)):
        rig = Rig(MARKETS[:2], auto_register=True)
        for _ in range(100):
            rig.check(mutate(rng))


def test_every_message_cut_at_every_byte(rig):
    for data in CORPUS:
        for length in range(len(data)):
            rig.check(data[:length])


@pytest.mark.parametrize("bits", [0x01, 0x02, 0x10, 0x20, 0x80])
def test_every_bit_of_every_message(rig, bits):
    for data in LONG:
        for at in range(len(data)):
            rig.check(data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :])


@st.composite
def overwritten(draw: st.DrawFn) -> bytes:
    """A message with any bytes in place of some of its own."""
    data = draw(st.sampled_from(LONG))
    at = draw(st.integers(0, len(data)))
    new = draw(st.binary(max_size=20))
    return data[:at] + new + data[at + len(new) :]


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=60), overwritten()))
def test_any_bytes(data):
    Rig(MARKETS).check(data)


NUMBERS = st.one_of(
    st.from_regex(r"-?[0-9]{1,17}(\.[0-9]{1,17})?", fullmatch=True),
    st.from_regex(r"0\.0{0,12}[1-9]{1,4}0{0,6}", fullmatch=True),
    st.from_regex(r"[0-9]{0,9}\.?[0-9]{0,9}", fullmatch=True),
)
PRICES = st.builds(
    lambda n, quoted: f'"{n}"' if quoted else n, NUMBERS, st.sampled_from([1, 1, 1, 0])
)


@settings(deadline=None)
@given(
    st.lists(st.tuples(PRICES, PRICES), max_size=5), st.lists(st.tuples(PRICES, PRICES), max_size=3)
)
def test_levels_of_any_numbers(bids, asks):
    """Off the grid, too large, bare, with any number of digits on either side of the dot."""
    sides = [",".join(f"[{price},{size}]" for price, size in side) for side in (bids, asks)]
    data = (
        '{"e":"depthUpdate","E":1702555534443,"T":1702555534436,"s":"BTCUSDT","U":1,"u":2,"pu":0,'
        f'"b":[{sides[0]}],"a":[{sides[1]}]}}'
    ).encode()
    Rig(MARKETS).check(data)
    Rig(MARKETS).check(data.replace(b"BTCUSDT", b"XYZUSDT"))


@settings(deadline=None)
@given(PRICES, PRICES, PRICES, PRICES)
def test_quotes_of_any_numbers(bid, bid_size, ask, ask_size):
    rig = Rig(MARKETS)
    for symbol in ("BTCUSDT", "XYZUSDT", "ETHUSDT"):
        rig.check(
            f'{{"e":"bookTicker","u":3650014712345,"s":"{symbol}","b":{bid},"B":{bid_size},'
            f'"a":{ask},"A":{ask_size},"T":1702555534436,"E":1702555534443}}'.encode()
        )
