"""The compiled Lighter decoder against json and Decimal: every shape of frame, and broken ones."""

from __future__ import annotations

import contextlib
import json
import pathlib
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.frame_changes import (
    changed,
    escaped,
    is_text,
    numbers_of_every_length,
    scribbled,
    text_of,
)
from oracle.frame_values import Unsure
from oracle.lighter_frames import decode
from oracle.lighter_rig import Rig

DATA = pathlib.Path(__file__).parents[1] / "data" / "lighter"
SHARED = pathlib.Path(__file__).parents[3] / "shared" / "data" / "lighter"
FRAMES = {
    name: frame
    for name, frame in json.loads((DATA / "public_frames.json").read_text()).items()
    if name not in ("note", "details")
}
RIG = Rig()
EXAMPLES = settings(max_examples=150, deadline=None)
NAMES = ["price", "size", "t", "status", "0", "9", "x"]


def same(data: bytes) -> None:
    got = RIG.decode(data)
    with contextlib.suppress(Unsure):
        assert got == decode(data), data


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("stage", ["subscribed", "update"])
def test_every_shape_we_know(name, stage):
    frame = {**FRAMES[name], "type": f"{stage}/{FRAMES[name]['type'].partition('/')[2]}"}
    same(text_of(frame))
    same(json.dumps(frame, indent=3).encode())
    assert RIG.seen
    assert RIG.seen[0][0] not in ("problem", "control", "venue")


def test_the_recorded_frames():
    paths = sorted(SHARED.glob("ws_*.json"))
    if not paths:
        pytest.skip("the recorded frames are not here")
    for path in paths:
        same(path.read_bytes())
        same(text_of(json.loads(path.read_text(), parse_float=_Bare)))


class _Bare(float):
    """A float that is written as it was read."""

    def __new__(cls, text):
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __repr__(self):
        return self.text


@EXAMPLES
@given(changed(FRAMES.values(), NAMES))
def test_values_keys_and_order_at_random(frame):
    same(text_of(frame))


@EXAMPLES
@given(changed(FRAMES.values(), NAMES), st.randoms())
def test_blanks_and_escapes_anywhere(frame, rng):
    same(escaped(frame, rng))


@EXAMPLES
@given(st.sampled_from(list(FRAMES.values())), st.data())
def test_cut_off_anywhere_it_is_a_problem_and_nothing_else(frame, data):
    whole = text_of(frame)
    at = data.draw(st.integers(0, len(whole) - 1))
    assert RIG.decode(whole[:at]) == [("problem",)]


@EXAMPLES
@given(st.sampled_from(list(FRAMES.values())), st.data())
def test_bytes_changed_at_random_give_what_a_json_parser_gives(frame, data):
    same(scribbled(text_of(frame), data.draw))


def test_the_last_of_equal_keys_counts_also_those_that_say_what_it_is():
    book = text_of(FRAMES["order_book"]["order_book"]).decode()
    empty = '{"nonce":5,"asks":[],"bids":[],"begin_nonce":4}'
    for text in (
        f'{{"channel":"order_book:1","order_book":{book},"channel":"order_book:0",'
        f'"type":"update/order_book"}}',
        f'{{"channel":"order_book:0","order_book":{empty},"order_book":{book},'
        f'"type":"subscribed/order_book"}}',
        f'{{"channel":"ticker:0","ticker":{{}},"order_book":{empty},"channel":"order_book:0",'
        f'"type":"update/order_book"}}',
        f'{{"type":"update/trade","channel":"order_book:0","trades":[],"order_book":{empty},'
        f'"type":"update/order_book"}}',
        f'{{"type":"update/account_all_trades","trades":[],"type":"update/order_book",'
        f'"order_book":{book},"channel":"order_book:0"}}',
    ):
        same(text.encode())
        assert RIG.seen[0][0] == "book", text


def test_x_38_ids_as_text_win_over_numbers_that_were_rounded():
    frame = json.loads(json.dumps(FRAMES["account_all_orders"]))
    (row,) = frame["orders"]["0"]
    for number in (281476929510112, 2.81476929510112e14, 10**30, "x", None, [1]):
        row["order_index"] = number
        row["client_order_index"] = number
        same(text_of(frame))
        ((_, _, rows, problems),) = RIG.seen
        assert (rows[0][:2], problems) == ((281476929510110, 42), 0)
    trades = json.loads(json.dumps(FRAMES["account_all_trades"]))
    (trade,) = trades["trades"]["0"]
    trade["bid_id"] = trade["trade_id"] = 5.62947905631053e14
    same(text_of(trades))
    ((_, _, rows, problems),) = RIG.seen
    assert (rows[0][0], rows[0][5], problems) == (19209006902, 562947905631053, 0)


def test_x_37_words_that_are_not_known_are_kept_and_neutral():
    frame = json.loads(json.dumps(FRAMES["account_all_orders"]))
    (row,) = frame["orders"]["0"]
    row |= {"status": "canceled-boredom", "type": "iceberg", "time_in_force": "Unknown"}
    same(text_of(frame))
    ((_, _, rows, problems),) = RIG.seen
    assert rows[0][11:15] == ("canceled-boredom", -1, "iceberg", "Unknown")
    assert problems == 0


def test_x_36_lists_that_are_null_or_missing_are_empty_but_positions_must_be_there():
    for name, member in (("account_all_orders", "orders"), ("account_all_trades", "trades")):
        for value in ({member: None}, {}, {member: []}, {member: {}}, {member: {"0": None}}):
            frame = {k: v for k, v in FRAMES[name].items() if k != member} | value
            same(text_of(frame))
            assert RIG.seen == [("rows", name, (), 0)]
    frame = {k: v for k, v in FRAMES["account_all_positions"].items() if k != "positions"}
    same(text_of(frame))
    assert RIG.seen == [("problem",)]


@pytest.mark.parametrize("kind", ["update/ticker", "pong", "update/novelty", "update/trade"])
@pytest.mark.parametrize("channel", ["trade:0", "ticker:0", "trade:7"])
def test_what_was_wrong_with_a_frame_is_not_told_of_the_next(kind, channel):
    """Rows that were read may turn out to be none: type and channel come at any place."""
    frame = {**FRAMES["trade"], "trades": [{"trade_id": 1}], "type": kind, "channel": channel}
    same(text_of(frame))
    same(text_of(FRAMES["trade"]))
    assert [event[0] for event in RIG.seen] == ["trade", "trade"]


def test_markets_whose_numbers_are_written_with_escapes():
    for name in ("market_stats", "account_all_trades"):
        text = text_of(FRAMES[name]).decode()
        same(text.replace('"0":', r'"\u0030":').encode())
    value = FRAMES["market_stats"]["market_stats"]
    for key in ("\\u0030", "\\u0039\\u0039"):
        frame = f'{{"channel":"market_stats:all","market_stats":{{"{key}":%s}},' % json.dumps(value)
        same((frame + '"type":"update/market_stats"}').encode())
    assert RIG.seen == [("unknown", "99")]


def test_zeros_at_the_end_of_a_number_take_no_room_from_a_larger_one():
    ticker = FRAMES["ticker"]
    ask = {"price": "0.000000000000000000", "size": "0.000001"}  # the size needs a finer grid
    same(text_of({**ticker, "ticker": {**ticker["ticker"], "a": ask}}))
    assert RIG.seen[0][0] == "quote"


def test_a_number_that_is_an_empty_text_is_absent():
    book = FRAMES["order_book"]
    for name in ("nonce", "begin_nonce"):
        for stage in ("subscribed", "update"):
            changed = {**book["order_book"], name: ""}
            same(text_of({**book, "order_book": changed, "type": f"{stage}/order_book"}))


def test_times_whose_bar_or_funding_would_lie_behind_the_last_one_of_all():
    bar = json.loads(json.dumps(FRAMES["candle"]))
    bar["candles"][0]["t"] = 2**63 - 1
    same(text_of(bar))
    assert RIG.seen[-1] == ("row problem",)
    same(text_of({**FRAMES["market_stats"], "timestamp": 2**63 - 1}))


@pytest.mark.parametrize("odd", ["0.00", "x", 1.5, [1], True, 10**30])
def test_a_member_nobody_acts_on_costs_no_row(odd):
    """Only the row of an order whose age cannot be told is refused."""
    orders = json.loads(json.dumps(FRAMES["account_all_orders"]))
    ((order,),) = orders["orders"].values()
    order["timestamp"] = odd  # the other times are sound
    same(text_of(orders))
    assert RIG.seen[0][3] == 0
    idle = ("created_at", "block_height", "base_size", "base_price", "trigger_time",
            "parent_order_id", "to_trigger_order_id_0", "to_cancel_order_id_0")  # fmt: skip
    order.update(dict.fromkeys(idle, odd))
    same(text_of(orders))
    (_, _, ((*_, ts_event, ts_created),), problems), *_ = RIG.seen
    assert (ts_event, problems) == (ts_created, 0)
    for age in ("nonce", "transaction_time", "updated_at"):
        kept, order[age] = order[age], odd
        same(text_of(orders))
        assert RIG.seen == [("rows", "account_all_orders", (), 1), ("row problem",)]
        order[age] = kept
    trades = json.loads(json.dumps(FRAMES["account_all_trades"]))
    ((trade,),) = trades["trades"].values()
    trade["transaction_time"] = trade["block_height"] = odd
    same(text_of(trades))
    assert RIG.seen[0][2][0][-2] == trade["timestamp"] * 10**6
    trade["timestamp"] = odd
    same(text_of(trades))
    assert (RIG.seen[0][2][0][-2], RIG.seen[0][3]) == (0, 0)


@pytest.mark.parametrize("change", [{"position": "-1.5000"}, {"sign": 0}, {"sign": "x"}])
def test_l_35_a_bad_position_takes_no_other_with_it(change):
    frame = json.loads(json.dumps(FRAMES["account_all_positions"]))
    good = frame["positions"]["0"]
    frame["positions"]["1"] = {**good, "market_id": 1, **change}
    same(text_of(frame))
    (what, _, rows, problems), *rest = RIG.seen
    assert (what, [row[0] for row in rows], problems) == ("rows", [0], 1)
    assert rest == [("row problem",)]


def test_numbers_of_every_length_in_a_level():
    for price in numbers_of_every_length():
        frame = json.loads(json.dumps(FRAMES["order_book"]))
        frame["order_book"]["bids"] = [{"price": price, "size": "1.0000"}]
        same(text_of(frame))
        got = RIG.seen[-1]
        if got[0] == "book":
            assert got[3][0][0] == Decimal(price)


@EXAMPLES
@given(st.binary(max_size=200))
def test_rubbish(data):
    if is_text(data):
        same(data)
    else:
        RIG.decode(data)  # it must only be survived
