"""The compiled Hyperliquid decoder against json and Decimal: every shape of frame, broken ones."""

from __future__ import annotations

import contextlib
import json
import pathlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors._speedups.hyperliquid import parse_fills
from connectors.errors import DecodeError
from oracle.frame_changes import (
    changed,
    escaped,
    is_text,
    numbers_of_every_length,
    reversed_keys,
    scribbled,
    text_of,
)
from oracle.frame_values import Unsure
from oracle.hyperliquid_frames import decode
from oracle.hyperliquid_rig import Rig

DATA = pathlib.Path(__file__).parents[1] / "data" / "hyperliquid"
SHARED = pathlib.Path(__file__).parents[3] / "shared" / "data" / "hyperliquid" / "fixtures"
SENT = [each for each in json.loads((DATA / "ws_frames.json").read_text()) if each["dir"] == "s2c"]
FRAMES = {f"{at} {each['name']}": each["frame"] for at, each in enumerate(SENT) if "frame" in each}
ALL_CONTEXTS = {
    "channel": "allDexsAssetCtxs",
    "data": {"ctxs": [
        ["", [{"funding": "0.0000018952", "openInterest": "36585.31848", "prevDayPx": "86627.0",
               "dayNtlVlm": "4161029539.6949653625", "premium": None, "oraclePx": "84198.0",
               "markPx": "84148.0", "midPx": None, "impactPxs": None, "dayBaseVlm": "4.0"}] * 4],
        ["xyz", [{"funding": "0.0", "markPx": "350.1", "oraclePx": "350.0",
                  "impactPxs": ["350.0", "350.2"]}, {"markPx": "1"}]],
        ["other", [{"markPx": "x"}]],
    ]},
}  # fmt: skip
SPOT_CONTEXTS = {
    "channel": "spotAssetCtxs",
    "data": [
        {"coin": "@107", "markPx": "31.7", "midPx": "31.7015", "prevDayPx": "30.1",
         "dayNtlVlm": "1.5", "circulatingSupply": "333928180.1", "totalSupply": "999000000.0"},
        {"coin": "@9999", "markPx": "1"},
    ],
}  # fmt: skip
FRAMES["contexts of all"] = ALL_CONTEXTS
FRAMES["contexts of spot"] = SPOT_CONTEXTS
# Few of many that look alike, so that each shape has its share of the examples.
SHAPES = {f["channel"]: f for f in FRAMES.values() if f["channel"] not in ("error", "post")}
SHAPES["several"] = FRAMES[next(name for name in FRAMES if "modify pair" in name)]
SHAPES["spot book"] = {
    "channel": "l2Book",
    "data": {"coin": "PURR/USDC", "time": 1790232236546, "levels": [
        [{"px": "0.067131", "sz": "12.0", "n": 36}, {"px": "0.06713", "sz": "7", "n": 1}],
        [{"px": "0.0672", "sz": "3", "n": 12}],
    ]},
}  # fmt: skip
SHAPES["book"] = next(f for name, f in FRAMES.items() if name.endswith(" l2Book"))
SHAPES["trades of two coins"] = {
    "channel": "trades",
    "data": [
        {"coin": coin, "side": side, "px": px, "sz": sz, "time": 1790232216193 - at, "hash": "0x7a",
         "tid": 1045359869404765 + at, "users": ["0x9a", "0x82"]}
        for at, (coin, side, px, sz) in enumerate(
            [("BTC", "A", "84143.0", "0.00036"), ("BTC", "B", "84144", "1"),
             ("kPEPE", "B", "0.004411", "2058973.0"), ("NOPE", "A", "1.0", "2")]
        )
    ],
}  # fmt: skip
NAMES = ["px", "sz", "coin", "time", "levels", "status", "fills", "x"]
RIG = Rig()
EXAMPLES = settings(max_examples=200, deadline=None)


def same(data: bytes) -> None:
    got = RIG.decode(data)
    with contextlib.suppress(Unsure):
        assert told_once(got) == told_once(decode(data)), data


def told_once(events: list[Any]) -> list[Any]:
    """An unknown coin that is spelt in two ways may be told once for each."""
    return [
        event
        for at, event in enumerate(events)
        if event[0] != "unknown" or at == 0 or events[at - 1] != event
    ]


@pytest.mark.parametrize("name", FRAMES)
def test_every_frame_we_know_in_any_key_order(name):
    frame = FRAMES[name]
    same(text_of(frame))
    assert ("problem",) not in RIG.seen
    assert RIG.seen or frame["data"] == []
    same(json.dumps(frame, indent=3).encode())
    same(text_of(reversed_keys(frame)))


def test_the_recorded_frames():
    paths = sorted(SHARED.glob("ws_*.json"))
    if not paths:
        pytest.skip("the recorded frames are not here")
    for path in paths:
        same(path.read_bytes())


def test_the_greeting_is_no_json_and_no_problem():
    assert RIG.decode(b"Websocket connection established.") == [("control", "")]


@EXAMPLES
@given(changed(SHAPES.values(), NAMES))
def test_values_keys_and_order_at_random(frame):
    same(text_of(frame))


@EXAMPLES
@given(changed(SHAPES.values(), NAMES), st.randoms())
def test_blanks_and_escapes_anywhere(frame, rng):
    same(escaped(frame, rng))


@EXAMPLES
@given(st.sampled_from(list(SHAPES.values())), st.data())
def test_cut_off_anywhere_it_is_a_problem_and_nothing_else(frame, data):
    whole = text_of(frame)
    at = data.draw(st.integers(0, len(whole) - 1))
    assert RIG.decode(whole[:at]) == [("problem",)]


@EXAMPLES
@given(st.sampled_from(list(SHAPES.values())), st.data())
def test_bytes_changed_at_random_give_what_a_json_parser_gives(frame, data):
    same(scribbled(text_of(frame), data.draw))


@EXAMPLES
@given(st.binary(max_size=200))
def test_rubbish(data):
    if is_text(data):
        same(data)
    else:
        RIG.decode(data)  # it must only be survived


def test_the_last_of_equal_keys_counts_also_those_that_say_what_it_is():
    book = text_of(SHAPES["book"]["data"]).decode()
    empty = '{"coin":"kPEPE","time":5,"levels":[[],[]]}'
    for frame in (
        f'{{"channel":"bbo","data":{book},"channel":"l2Book"}}',
        f'{{"channel":"l2Book","data":{empty},"data":{book}}}',
        f'{{"data":{empty},"channel":"trades","data":{book},"channel":"l2Book"}}',
        f'{{"channel":"l2Book","data":{{"coin":"kPEPE",{book[1:]}}}',
        f'{{"channel":"l2Book","data":{book[:-1]},"coin":"BTC"}}}}',
    ):
        same(frame.encode())
        assert RIG.seen[0][:2] == ("book", "BTC-PERP"), frame


def test_a_coin_named_behind_its_levels_gives_them_its_grid():
    frame = {"channel": "l2Book", "data": {
        "levels": [[{"px": "0.004411", "sz": "2058973", "n": 5}], []], "time": 7, "coin": "kPEPE",
    }}  # fmt: skip
    same(text_of(frame))
    assert RIG.seen == [
        ("book", "kPEPE-PERP", ((Decimal("0.004411"), Decimal(2058973)),), (), 7, 7_000_000, False)
    ]


def test_numbers_of_every_length_in_a_level():
    for price in numbers_of_every_length():
        for count in ("1", "123456789", "0", "-3", '"x"', "1.5"):
            level = f'{{"px":"{price}","sz":"1.0","n":{count}}}'
            frame = (
                '{"channel":"l2Book","data":{"coin":"BTC","time":1790232236546,'
                f'"levels":[[{level},{level}],[]]}}}}'
            )
            same(frame.encode())


def test_g_35_a_bad_entry_takes_no_other_with_it():
    for name, member in (("orderUpdates", None), ("userFills", "fills")):
        frame = json.loads(json.dumps(SHAPES[name]))
        rows = frame["data"] if member is None else frame["data"][member]
        good = rows[0]
        rows[:] = [good, {**good, "order": 7, "px": "x"}, good]
        same(text_of(frame))
        assert len(RIG.seen[0][-2]) == 2
        assert RIG.seen[0][-1] == 1
        assert RIG.seen[1:] == [("row problem",)]


def test_trades_are_told_oldest_first_and_history_is_flagged_once():
    frame = SHAPES["trades of two coins"]
    rig = Rig()
    flags = []
    rig.decoder.handler.route(1, -1, lambda e: flags.append((e.trade_id, e.flags)))
    newest = frame["data"][0]["time"]
    rig.decoder.await_trades("BTC", newest)
    rig.decoder.feed(text_of(frame), 0)
    first = frame["data"][0]["tid"]
    assert flags == [
        (first + 2, 0),
        (first + 1, 1024),
        (first, 0),
    ]  # by time; the other coin's: new
    flags.clear()
    rig.decoder.feed(text_of(frame), 0)
    assert [flag for _, flag in flags] == [0, 0, 0]
    rig.decoder.await_trades("NOPE", newest)  # not known: nothing to wait for


def test_fills_of_rest_are_read_by_the_same_code():
    rows = [SHAPES["userFills"]["data"]["fills"][0], {"coin": "BTC"}]
    frame = parse_fills(text_of(rows), RIG.symbols, 5)
    assert (frame.channel, len(frame), len(frame.problems), frame.ts_init) == ("", 1, 1, 5)
    assert frame.rows[0].order_id == str(rows[0]["oid"])
    for broken in (b"", b"{}", b"[", b"[1,", b"[] x"):
        with pytest.raises(DecodeError):
            parse_fills(broken, RIG.symbols)


def test_without_a_callback_a_problem_is_raised_and_the_decoder_goes_on():
    rig = Rig()
    from connectors._speedups.hyperliquid import HyperliquidDecoder

    decoder = HyperliquidDecoder(rig.symbols)
    for broken in (b'{"channel":"l2Book"}', b'{"channel":"trades","data":[7]}', b"x"):
        with pytest.raises(DecodeError):
            decoder.feed(broken)
    decoder.feed(text_of(SHAPES["book"]))
    assert decoder.events == 1
