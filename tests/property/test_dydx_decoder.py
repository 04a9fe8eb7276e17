"""The compiled dYdX decoder against json and Decimal: every shape of frame, broken ones."""

from __future__ import annotations

import contextlib
import copy
import json
import pathlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors._speedups.dydx import DydxDecoder, trade_id_of, trade_id_text
from connectors.errors import DecodeError
from oracle.dydx_frames import Oracle, trade_id
from oracle.dydx_rig import Rig
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

DATA = pathlib.Path(__file__).parents[1] / "data" / "dydx" / "wire" / "frames.jsonl"
SHARED = pathlib.Path(__file__).parents[3] / "shared" / "data" / "dydx" / "nautilus"
LINES = [json.loads(line) for line in DATA.read_text().splitlines()]
FRAMES = {line["name"]: json.loads(line["raw"]) for line in LINES}
CONNECTED = FRAMES["connected"]
CONNECTION = CONNECTED["connection_id"]
BOOK, BATCH = FRAMES["data_orderbook_multi"], FRAMES["batch_orderbook"]
TRADES, TRADES_BATCH = FRAMES["data_trades"], FRAMES["batch_trades"]
NAMES = ["bids", "asks", "price", "size", "id", "channel", "contents", "message_id", "x"]
EXAMPLES = settings(max_examples=200, deadline=None)


def shapes() -> dict[str, Any]:
    """Frames of books and trades in every form, and one of each other kind."""
    found = dict(FRAMES)
    snapshot = FRAMES["subscribed_orderbook"]["contents"]
    found["pairs and objects"] = {**BOOK, "contents": snapshot}
    found["batch of objects"] = {**BATCH, "contents": [snapshot, {"bids": [["1.5", "2"]]}]}
    found["fine"] = {**BATCH, "id": "PEPE-USD", "contents": [
        {"bids": [["0.00000712345", "120000000"], ["0.00000712344", "0.0000"]]},
        {"asks": [["0.00000712346", "1"], ["1.00000712346", "123456789012345678"]]},
    ]}  # fmt: skip
    found["long name"] = {**BOOK, "id": "FARTCOIN,RAYDIUM-USD"}
    found["many levels"] = {**BATCH, "id": "ETH-USD", "contents": [
        {side: [[f"{4290 + at}.{at % 10}", f"{at}.{at:03}"]]}
        for at in range(12) for side in ("bids", "asks")
    ]}  # fmt: skip
    kinds = ("LIQUIDATED", "DELEVERAGED", "TWAP_SUBORDER", "?")
    rows = TRADES["contents"]["trades"]
    found["kinds of trades"] = {**TRADES, "contents": {
        "trades": [{**rows[0], "type": kind, "side": "SELL"} for kind in kinds]
    }}  # fmt: skip
    found["trades of a market that is not known"] = {**TRADES, "id": "NOPE-USD"}
    return found


SHAPES = shapes()
QUICK = [frame for frame in SHAPES.values() if frame.get("version") and "TICK" not in str(frame)]
QUICK = [frame for frame in QUICK if frame["channel"] in ("v4_orderbook", "v4_trades")]


def started() -> tuple[Rig, Oracle]:
    """Return a decoder and an oracle that have seen how this connection writes."""
    rig, oracle = Rig(), Oracle()
    for frame in (CONNECTED, {**BATCH, "message_id": 1}, {**TRADES, "message_id": 2}):
        data = text_of(frame)
        assert rig.decode(data) == oracle.decode(data)
    return rig, oracle


def same(data: bytes, seen: tuple[Rig, Oracle] | None = None) -> list[tuple[Any, ...]]:
    rig, oracle = seen or started()
    got = rig.decode(data)
    with contextlib.suppress(Unsure):
        assert got == oracle.decode(data), data
        assert (rig.decoder.next_id, rig.decoder.connection_id) == (
            oracle.next_id,
            oracle.connection,
        )
    return got


def numbered(frame: Any, number: int = 3) -> Any:
    """The same frame as the one that is expected."""
    return {**frame, "message_id": number} if "message_id" in frame else frame


@pytest.mark.parametrize("name", SHAPES)
def test_every_frame_we_know_in_any_key_order(name):
    for frame in (SHAPES[name], numbered(SHAPES[name])):
        got = same(text_of(frame))
        assert ("problem",) not in got
        assert got or frame["type"] == "x"
        same(json.dumps(frame, indent=3).encode())
        same(text_of(reversed_keys(frame)))


def test_the_recorded_frames():
    paths = sorted(SHARED.glob("ws_*.json"))
    if not paths:
        pytest.skip("the recorded frames are not here")
    for path in paths:
        same(path.read_bytes())


def test_one_connection_from_its_beginning():
    seen = Rig(), Oracle()
    for line in LINES:
        same(line["raw"].encode(), seen)


@EXAMPLES
@given(changed(SHAPES.values(), NAMES))
def test_values_keys_and_order_at_random(frame):
    same(text_of(frame))


@EXAMPLES
@given(changed(QUICK, NAMES))
def test_values_keys_and_order_where_they_are_expected(frame):
    same(text_of(numbered(frame)))


@EXAMPLES
@given(changed(SHAPES.values(), NAMES), st.randoms())
def test_blanks_and_escapes_anywhere(frame, rng):
    same(escaped(frame, rng))


@EXAMPLES
@given(st.sampled_from(list(SHAPES.values())), st.data())
def test_cut_off_anywhere_it_is_a_problem_and_nothing_else(frame, data):
    whole = text_of(numbered(frame))
    at = data.draw(st.integers(0, len(whole) - 1))
    seen = started()
    assert same(whole[:at], seen) == [("problem",)]
    assert seen[0].decoder.next_id == 3  # not counted: the next frame shows the gap


@EXAMPLES
@given(st.sampled_from(QUICK), st.data())
def test_bytes_changed_at_random_give_what_a_json_parser_gives(frame, data):
    same(scribbled(text_of(numbered(frame)), data.draw))


@EXAMPLES
@given(st.binary(max_size=200))
def test_rubbish(data):
    if is_text(data):
        same(data)
    else:
        Rig().decode(data)  # it must only be survived


def test_numbers_of_every_length_at_every_distance_from_the_end():
    for price in numbers_of_every_length(2):
        for more in ([], [{"asks": [["1", "2"]]}] * 3):
            contents = [{"bids": [[price, price]]}, *more]
            same(text_of(numbered({**BATCH, "contents": contents})))
            same(text_of(numbered({**BOOK, "contents": contents[0]})))


def test_a_batch_is_one_event_with_its_levels_in_order():
    """DX-B-05: a whole batch is one tick of the clock; the last write to a level stands last."""
    assert same(text_of(numbered(BATCH)))[-1] == (
        "book", "BTC-USD-PERP", False,
        ((Decimal(89947), Decimal("0.5")), (Decimal(89947), Decimal("0.6"))),
        ((Decimal(89959), Decimal(0)),), 3, False,
    )  # fmt: skip


def test_dx_w_04_to_08_ids_are_watched():
    rig, oracle = started()

    def feed(frame: Any, number: int, **more: Any) -> Any:
        got = same(text_of({**frame, "message_id": number, **more}), (rig, oracle))
        return [each[:3] for each in got if each[0] == "id"]

    assert feed(BOOK, 3) == []
    assert feed(BOOK, 6) == [("id", 6, 4)]  # 4 and 5 were passed over (DX-W-02)
    assert feed(FRAMES["subscribed_orderbook"], 5) == [("id", 5, 7)]  # late, and not the last
    assert feed(BOOK, 7) == []
    assert feed(FRAMES["error_no_type"], 7) == []  # reuses an id (DX-W-05)
    assert feed(BOOK, 8) == []
    rig.seen.clear()
    rig.decoder.count_id(9)  # an error with an id of its own
    assert rig.seen == oracle.count(9, ("error", "", "")) == []
    rig.decoder.count_id(12)
    assert rig.seen == oracle.count(12, ("error", "", "")) == [("id", 12, 10, "error", "", "")]
    with pytest.raises(ValueError, match="message_id"):
        rig.decoder.count_id(-1)
    assert feed(BOOK, 13, connection_id="another") == [("id", 13, -1)]
    assert feed(BOOK, 14, connection_id="another") == []
    assert feed(CONNECTED, 0) == []
    assert feed(BATCH, 1) == []
    assert rig.decoder.id_surprises == 4


def test_what_is_lost_is_told_by_topic():
    seen = started()
    bad = {**BOOK, "message_id": 3, "contents": {"bids": [["1", "x"]]}}
    lost = [("lost", "v4_orderbook", "BTC-USD", 3), ("problem",)]
    assert same(text_of(bad), seen) == lost
    assert seen[0].decoder.next_id == 4  # it was counted
    row = TRADES["contents"]["trades"][0]
    rows = {"trades": [row, {**row, "price": "-1"}, 7, row]}
    got = same(text_of({**TRADES, "message_id": 4, "contents": rows}), seen)
    kinds = [each[0] for each in got]
    assert kinds == ["trade", "trade", "lost", "row problem", "row problem"]


def test_a_new_version_is_told_once_and_costs_nothing_but_the_first_look():
    rig, oracle = started()
    for number, version, told in ((3, "1.0.0", 0), (4, "1.1.0", 1), (5, "1.1.0", 0)):
        frame = {**BATCH, "message_id": number, "version": version}
        got = same(text_of(frame), (rig, oracle))
        assert [each[0] for each in got].count("version") == told


def test_a_changed_tick_takes_effect_with_the_next_frame():
    rig, _ = started()
    frame = {**BOOK, "contents": {"bids": [["89947.5", "1"]]}}
    assert rig.decode(text_of(numbered(frame, 3)))[-1][-1] is True  # off the grid
    from connectors._speedups.events import InstrumentBase
    from connectors._speedups.ticks import TickScale

    finer = InstrumentBase("BTC-USD-PERP", "BTC-USD", "DYDX", TickScale("0.5"), TickScale("1"))
    rig.symbols.add(finer)
    assert rig.decode(text_of(numbered(frame, 4)))[-1][-1] is False


@pytest.mark.parametrize("value", [
    "03f89a950000000200000002", "000000000000000000000000", "7fffffff00000fff000fffff",
])  # fmt: skip
def test_trade_ids_of_the_venue_and_ours(value):
    number = trade_id_of(value)
    assert number == trade_id(value) >= 0
    assert trade_id_text(number) == value


@pytest.mark.parametrize("value", [
    "trade-002", "", "03F89A950000000200000002", "800000000000000200000002", "é",
    "03f89a950000100000000002", "03f89a950000000200100000", "03f89a9500000002000000020",
])  # fmt: skip
def test_other_trade_ids_are_negative_and_not_turned_back(value):
    number = trade_id_of(value)
    assert number == trade_id(value) < -1
    with pytest.raises(ValueError, match="stands for a text"):
        trade_id_text(number)


def test_trade_ids_grow_with_time():
    texts = ["03f89a9500000002000000ff", "03f89a950000000200000100", "03f89a950000000300000000",
             "03f89a960000000000000001"]  # fmt: skip
    assert sorted(map(trade_id_of, texts)) == list(map(trade_id_of, texts))


def test_a_handler_may_feed_another_frame():
    rig, _ = started()
    inner = text_of(numbered({**TRADES, "id": "ETH-USD"}, 4))
    before = rig.seen.append

    def again(event: Any) -> None:
        before(("trade", event.instrument.id))
        if event.instrument.id == "BTC-USD-PERP" and rig.decoder.next_id == 4:
            rig.decoder.feed(inner)

    rig.decoder.handler.route(1, -1, again)
    outer = copy.deepcopy(numbered(TRADES))
    rig.seen.clear()
    rig.decoder.feed(text_of(outer))
    count = len(TRADES["contents"]["trades"])
    names = [each[1] for each in rig.seen if each[0] == "trade"]
    assert names.count("BTC-USD-PERP") == names.count("ETH-USD-PERP") == count


def test_without_callbacks_a_problem_is_raised_and_the_decoder_goes_on():
    decoder = DydxDecoder(Rig().symbols)
    for frame in (CONNECTED, FRAMES["error_no_type"], FRAMES["data_candles"], BOOK):
        decoder.feed(text_of(frame))
    bad_row = {**TRADES, "message_id": 90, "contents": {"trades": [7]}}
    for broken in (b"x", b"{}"[:1], text_of({**BOOK, "contents": None}), text_of(bad_row)):
        with pytest.raises(DecodeError):
            decoder.feed(broken)
    decoder.feed(text_of(BOOK))
    assert decoder.events == 2
