"""The compiled IBKR decoder against json and Decimal: every frame and value, broken ones too."""

from __future__ import annotations

import contextlib
import json
import pathlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors._speedups.ibkr import IbkrDecoder
from connectors._speedups.symbols import SymbolTable
from connectors.errors import DecodeError
from oracle.frame_changes import changed, escaped, scribbled, text_of
from oracle.frame_values import Unsure
from oracle.ibkr_frames import LINES, Oracle, read
from oracle.ibkr_frames import VALUES as VALUES_OF
from oracle.ibkr_rig import Rig

DATA = pathlib.Path(__file__).parents[1] / "data" / "ibkr"
SENT = json.loads((DATA / "ws_server_frames.json").read_text(encoding="utf-8"))["frames"]
EDGES = json.loads((DATA / "ws_classify_edge.json").read_text(encoding="utf-8"))
VALUES = json.loads((DATA / "md_values.json").read_text(encoding="utf-8"))
RECORDED = [
    json.loads(line)
    for line in (DATA / "ws_session_recording.jsonl").read_text(encoding="utf-8").splitlines()
]
FULL = json.loads(next(each["text"] for each in SENT if each["id"] == "smd_full"))
DELTA = json.loads(next(each["text"] for each in SENT if each["id"] == "smd_delta_bid"))
FRAMES = [
    FULL,
    DELTA,
    {**FULL, "topic": "smd+8314", "31": "C139.83", "88": "1.2K", "6509": "DPB"},
    {**FULL, "topic": "smd+495512551", "31": "H6001.25", "84": "6001.00", "86": 6001.5, "85": 3},
    {**FULL, "topic": "smd+479624278", "84": "84123.25", "88": "0.00012345", "7059": "1"},
    {**DELTA, "topic": "smd+495512551", "31": "-0.25", "9999": "new"},
    {"topic": "smd+265598", "31": "150.25", "_updated": 1_700_000_000},
    {"topic": "smd+265598", "84": "", "88": None},
    {"topic": "smd+265598"},
    {**DELTA, "topic": "smd+76792991"},
    {"topic": "sor", "args": [{"31": "1"}]},
]  # fmt: skip
TEXTS = [each["in"] for each in VALUES["values"]]
NAMES = ["31", "84", "86", "88", "85", "7059", "6509", "_updated", "topic", "7762"]
EXAMPLES = settings(max_examples=200, deadline=None)
VALUE = st.one_of(
    st.sampled_from(TEXTS),
    st.decimals(-1000, 10**9, places=2).map(str),
    st.decimals(-10, 10, places=9).map(str),
    st.integers(-10, 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text("0123456789.,CHKMBT%eE+- ", max_size=12),
)

# A server, its time, and what changed.
TIMES = [1_783_031_091_001, 1_783_031_099_999, 1_783_031_100_000, 1_783_031_091, 17_830_310_910_011]
USUAL = st.tuples(
    st.sampled_from(["q1", "q1", "q1", "q17"]),
    st.sampled_from(TIMES),
    st.dictionaries(st.sampled_from([*VALUES_OF, "6509", "87", "7762"]), VALUE, max_size=4),
)


def both(frames: list[bytes], seen: tuple[Rig, Oracle] | None = None) -> list[Any]:
    """Feed frames to the decoder and the oracle; return what the last one gave."""
    rig, oracle = seen or (Rig(), Oracle())
    got: list[Any] = []
    for data in frames:
        got = rig.decode(data)
        with contextlib.suppress(Unsure):
            assert got == oracle.decode(data), data
        decoder = rig.decoder
        assert decoder.unreadable_values == oracle.unreadable, data
        assert decoder.approximate_values == oracle.approximate
        assert decoder.time_regressions == oracle.regressions
    return got


def frame_of(name: str, **fields: Any) -> bytes:
    return text_of({**fields, "topic": f"smd+{name}"})


@pytest.mark.parametrize("frame", FRAMES)
def test_every_frame_in_any_key_order(frame):
    both([text_of(frame), json.dumps(frame, indent=3).encode()])
    both([text_of(dict(reversed(frame.items()))), text_of(FULL)])


def test_the_frames_of_a_server_and_the_edges_of_classification():
    """S-60 to S-71: what is no market data of an open line reaches Python whole, once."""
    seen = Rig(), Oracle()
    for each in SENT:
        both([each["text"].encode()], seen)
    for each in EDGES["cases"] if "cases" in EDGES else EDGES["frames"]:
        if isinstance(each.get("text"), str):
            with contextlib.suppress(UnicodeEncodeError):
                both([each["text"].encode()], seen)


def test_a_recorded_session():
    seen = Rig(), Oracle()
    taken = 0
    for each in RECORDED:
        if each["dir"] == "in" and isinstance(each.get("text"), str):
            got = both([each["text"].encode()], seen)
            taken += got != [("cold",)]
    assert taken > 10
    assert seen[0].decoder.market_data_messages == taken


@pytest.mark.parametrize("value", TEXTS, ids=lambda value: repr(value)[:30])
@pytest.mark.parametrize("key", ["31", "84", "88"])
def test_v_01_to_v_05_every_value(key, value):
    both([text_of(FULL), frame_of("265598", **{key: value})])
    both([text_of(FULL), frame_of("265598", **{key: value, "_updated": 1_783_031_091_251})])


def test_the_oracle_reads_values_as_the_table_says():
    for each in VALUES["values"]:
        value = each["in"]
        if isinstance(value, float):
            from oracle.ibkr_frames import Float

            value = Float(repr(value))
        found = read(value)
        assert ("text" if found.is_text else "empty" if found.number is None else "number") == (
            each["kind"]
        ), each
        if each["kind"] == "number":
            assert found.number == Decimal(each["value"])
            assert found.approximate == each.get("approximate", False)


def test_v_06_to_v_09_the_states_of_a_merged_line():
    seen = Rig(), Oracle()
    for step in VALUES["merge"]:
        if step["frame"] is None:
            continue
        both([step["frame"].encode()], seen)
        state, line = step["state"], seen[1].lines["265598"]
        if isinstance(state, dict):
            for name in ("bid", "ask", "bid_size", "ask_size"):
                wanted = state[name]
                assert line.number(name) == (None if wanted is None else Decimal(wanted)), step
            assert line.halted == state["halted"]
    assert seen[0].decoder.time_regressions == 1
    assert seen[0].decoder.unreadable_values == 1


@EXAMPLES
@given(st.lists(changed(FRAMES, NAMES), min_size=1, max_size=4))
def test_values_keys_and_order_at_random(frames):
    both([text_of(frame) for frame in frames])


@EXAMPLES
@given(st.lists(st.dictionaries(st.sampled_from(NAMES[:6]), VALUE, max_size=4), max_size=5),
       st.sampled_from(list(LINES)))  # fmt: skip
def test_values_of_every_kind_merged(deltas, name):
    both([text_of({**FULL, "topic": f"smd+{name}"}), *(frame_of(name, **each) for each in deltas)])


@EXAMPLES
@given(changed(FRAMES, NAMES), st.randoms())
def test_blanks_and_escapes_anywhere(frame, rng):
    both([text_of(FULL), escaped(frame, rng)])


@EXAMPLES
@given(st.sampled_from(FRAMES), st.data())
def test_cut_off_anywhere_it_changes_nothing(frame, data):
    """1.10: fields are committed at the closing brace only."""
    whole = text_of(frame)
    at = data.draw(st.integers(0, len(whole) - 1))
    seen = Rig(), Oracle()
    both([text_of(FULL)], seen)
    assert both([whole[:at]], seen) == [("cold",)]
    got = both([frame_of("265598", **{"88": "7"})], seen)
    assert got[0][:4] == ("quote", "AAPL", Decimal("193.06"), Decimal(7))


@EXAMPLES
@given(st.sampled_from(FRAMES), st.data())
def test_bytes_changed_at_random_give_what_a_json_parser_gives(frame, data):
    whole = text_of(frame)
    both([whole, whole, scribbled(whole, data.draw), whole])


@EXAMPLES
@given(st.lists(USUAL, max_size=5), st.sampled_from(list(LINES)))
def test_frames_that_are_written_like_those_before(deltas, name):
    frames = [{**FULL, "topic": f"smd+{name}"}]
    for server, time, fields in deltas:
        meta = {"server_id": server, "conidEx": name, "conid": int(name)}
        meta |= {"_updated": time, "6119": server}
        frames.append({**meta, **fields, "topic": f"smd+{name}"})
    both([text_of(frame) for frame in frames])


def usual(time: Any, fields: str) -> bytes:
    """A frame as IBKR writes it, to the byte."""
    return (
        f'{{"server_id":"q1","conidEx":"265598","conid":265598,"_updated":{time},"6119":"q1",'
        f'{fields},"topic":"smd+265598"}}'
    ).encode()


@pytest.mark.parametrize(
    "time",
    ["1783031091002", "1783031191002", "17830310910", "17830310910021", "178303109100000001", "-1",
     "1783031091.5", "1783031091002e3", "178303109100 ", '"1783031091002"', "null",
     "01783031091002", "178303109100x", "1783031x91002", "\0" * 8 + "00000", "\0" * 13, "x" * 13,
     ""],
)  # fmt: skip
def test_a_time_of_any_shape_behind_those_of_thirteen_digits(time):
    one, two, odd = (usual(each, '"84":"193.06"') for each in (1783031091001, 1783031091002, time))
    both([one, odd, one, odd])
    both([text_of(FULL), one, two, odd, one])


@pytest.mark.parametrize("key", ["31", "84", "88", "7059"])
@pytest.mark.parametrize(
    "value",
    ['"193"', '"193."', '".5"', '"0.5"', '"00.50"', '"1,300"', '"12,300"', '"999,999"', '"1,30"',
     '",300"', '"1,3000"', '"1,300.5"', '"1.3,00"', '"1.300"', '"1..3"', '"1,,300"', '"12345.6"',
     '"1234567"', '"12345678"', '"123456,789"', '"12,345.75"', '""', '"."', '","', '"-1"',
     '"C1.5"', '"H1.5"', '"1K"', '"1\u00c4"', '"\u00c41"', '"1\0"', '"1', "1.5", "null", ' "1"',
     '"1" ', '"1","', '"1300,"', '"1,"'],
)  # fmt: skip
def test_a_value_of_any_shape_in_a_frame_of_the_usual_one(key, value):
    fields = f'"84":"193.06","{key}":'
    seen = Rig(), Oracle()
    both([text_of(FULL), usual(1783031091001, '"84":"193.05"')], seen)
    both([usual(1783031091002, fields + value), usual(1783031091003, f'"{key}":"2"')], seen)
    both([usual(1783031091002, f'{fields}{value},"{key}":"193.07"')], seen)
    both([usual(1783031091002, f'{fields}"193.07","{key}":{value}')], seen)
    both([usual(1783031091002, fields + value + ',"\0\0":"1"')], seen)


@EXAMPLES
@given(st.binary(max_size=200))
def test_rubbish_is_cold(data):
    assert Rig().decode(data) == [("cold",)]


def test_the_last_of_equal_keys_counts():
    rig = Rig()
    data = b'{"84":"1","86":"3","topic":"sor","84":"2","topic":"smd+8314"}'
    assert rig.decode(data)[0][:5] == ("quote", "IBM", 2, 0, 3)
    assert rig.decode(b'{"topic":"smd+8314","84":"1","topic":"sor"}') == [("cold",)]
    assert rig.decode(b'{"x":{"topic":"smd+8314"},"84":"1"}') == [("cold",)]  # S-62
    assert rig.decode(b'{"conid":8314,"84":"1"}') == [("cold",)]  # S-70


def test_lines_open_close_and_start_from_empty():
    """V-09, W-14: nothing is carried over; frames of a line that was ended are left alone."""
    rig = Rig()
    full, delta = frame_of("8314", **{"84": "1", "86": "2"}), frame_of("8314", **{"84": "1.5"})
    number = rig.number("8314")
    assert rig.decode(full)[0][0] == "quote"
    assert (rig.decoder.line_frames(number), rig.decoder.line_age(number) > 0) == (1, True)
    rig.decoder.clear_line(number)
    assert rig.decode(delta) == [("empty", "IBM", True, False)]
    assert rig.decode(full)[0][0] == "quote"
    rig.decoder.clear_lines()
    assert rig.decode(delta) == [("empty", "IBM", True, False)]
    rig.decoder.close_line(number)
    assert rig.decode(delta) == [("cold",)]
    assert (rig.decoder.line_frames(number), rig.decoder.line_age(number)) == (0, 0)
    rig.decoder.open_line(number)
    assert rig.decode(delta) == [("empty", "IBM", True, False)]
    for number in (-1, 99):
        rig.decoder.close_line(number)
        rig.decoder.clear_line(number)
        rig.decoder.await_line(number)
        with pytest.raises(IndexError):
            rig.decoder.open_line(number)


def test_a_line_that_is_awaited_is_told_once_and_first():
    rig = Rig()
    number = rig.number("8314")
    rig.decoder.await_line(number)
    full = frame_of("8314", **{"84": "1", "86": "2"})
    assert [each[0] for each in rig.decode(full)] == ["line", "quote"]
    assert [each[0] for each in rig.decode(full)] == ["quote"]


def test_lines_named_with_an_exchange_are_lines_where_they_are_known():
    rig = Rig()
    number = rig.symbols.add(rig.symbols.instrument(0), alias="265598@ISLAND")
    data = frame_of("265598@ISLAND", **{"84": "1", "86": "2"})
    assert rig.decode(data) == [("cold",)]
    rig.decoder.open_line(number)
    assert rig.decode(data)[0][:2] == ("quote", "AAPL")


def test_many_lines_and_a_callback_that_opens_more():
    rig = Rig()
    instrument = rig.symbols.instrument(0)

    def more(number: int) -> None:
        for at in range(200):
            rig.decoder.open_line(rig.symbols.add(instrument, alias=f"{number}{at:05}"))
        rig.decoder.close_line(number)

    decoder = IbkrDecoder(rig.symbols, rig.decoder.handler, on_line=more)
    rig.decoder = decoder
    decoder.open_line(1)
    decoder.await_line(1)
    assert [each[0] for each in rig.decode(frame_of("8314", **{"84": "1", "86": "2"}))] == ["quote"]
    assert rig.decode(frame_of("100199", **{"84": "1", "86": "2"}))[0][0] == "quote"


def test_a_changed_tick_takes_effect_with_the_next_frame():
    rig = Rig()
    full = frame_of("495512551", **{"84": "6001.10", "86": "6001.25"})
    assert rig.decode(full)[0][-1] == {"OFF_SCALE"}
    rig.symbols.add(rig.symbols.instrument(rig.number("265598")), alias="495512551")
    assert rig.decode(full)[0][-1] == set()


def test_without_callbacks_only_what_64_bits_do_not_hold_is_raised():
    symbols = SymbolTable()
    symbols.add(Rig().symbols.instrument(0), alias="265598")
    decoder = IbkrDecoder(symbols)
    decoder.open_line(0, want_fields=True)
    for data in (b"", b"{}", b"x", text_of({"topic": "sor"}), text_of(FULL), text_of(DELTA)):
        decoder.feed(data)
    assert (decoder.cold_messages, decoder.market_data_messages, decoder.events) == (4, 2, 3)
    with pytest.raises(DecodeError):
        decoder.feed(frame_of("265598", **{"84": "1e30"}))
    decoder.feed(frame_of("265598", **{"84": "1.00"}))
    assert decoder.events == 4


def test_delayed_data_stays_delayed_over_a_gap():
    """6509 is rare (W-11): the first frame after a gap may come without it."""
    rig = Rig()
    full = frame_of("8314", **{"84": "1", "86": "2"})
    assert rig.decode(frame_of("8314", **{"84": "1", "86": "2", "6509": "DPB"}))[0][-1] == {
        "DELAYED"
    }
    rig.decoder.clear_line(rig.number("8314"))
    assert rig.decode(full)[0][-1] == {"DELAYED"}
    rig.decoder.clear_lines()
    assert rig.decode(full)[0][-1] == {"DELAYED"}
    assert rig.decode(frame_of("8314", **{"84": "1", "86": "2", "6509": "RPB"}))[0][-1] == set()
