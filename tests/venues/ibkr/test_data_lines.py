"""Lines of market data: the merge of md_values.json, and the rows about it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venues.ibkr.ibkr_rig import AAPL

from connectors._speedups.ibkr import IbkrDecoder
from connectors._speedups.symbols import SymbolTable
from connectors.data.dispatch import Consumer, Dispatch
from connectors.errors import ConfigError, DecodeError
from connectors.ibkr.config import Config
from connectors.ibkr.market import Code, FreshLast, MarketLine
from connectors.ibkr.values import ValueKind
from connectors.model import EventFlag, EventKind, Trade

DATA = json.loads((Path(__file__).parents[2] / "data/ibkr/md_values.json").read_text())


def state(line: MarketLine) -> dict[str, Any]:
    volume = line.value(Code.VOLUME)
    found = {
        "last": line.last,
        "previous_close": line.previous_close,
        "bid": line.number(Code.BID),
        "ask": line.number(Code.ASK),
        "ask_size": line.number(Code.ASK_SIZE),
        "bid_size": line.number(Code.BID_SIZE),
        "volume": line.volume,
        "volume_approximate": volume is not None and volume.is_approximate,
        "halted": line.halted,
        "availability": line.availability.code,
    }
    return {
        name: str(value.quantize(Decimal(1)) if name == "volume" else value)
        if isinstance(value, Decimal)
        else value
        for name, value in found.items()
    }


def test_v_08_the_merge_of_the_table() -> None:
    """Eleven steps: deltas, another server, halts, C, one side empty, nonsense, a gap."""
    line = MarketLine()
    for step in DATA["merge"]:
        before = state(line)
        if step["frame"] is None:
            line.clear()
            assert set(line.codes) == set()
            assert line.last is None
            assert not line.halted
            continue
        line.apply(json.loads(step["frame"]))
        expected = step["state"]
        if expected == "unchanged":
            assert state(line) == before, step["step"]
        elif isinstance(expected, str):  # the unparsable price
            assert state(line) == before | {"ask": None}
            assert line.unparsable == 1
        else:
            found = state(line)
            assert {name: found[name] for name in expected} == expected, step["step"]
    assert line.regressions == 1


def frame(**fields: Any) -> dict[str, Any]:
    return {"topic": "smd+1", "_updated": 1783031091000} | {
        name.removeprefix("f"): value for name, value in fields.items()
    }


def wire(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload | {"topic": "smd+265598"}).encode()


def test_v_03_an_empty_text_is_no_value_and_no_key_is_unchanged() -> None:
    line = MarketLine()
    line.apply(frame(f84="1.00", f86="1.01"))
    line.apply(frame(f84=""))
    assert line.number(Code.BID) is None
    assert line.number(Code.ASK) == Decimal("1.01")
    assert line.value(Code.BID).kind is ValueKind.EMPTY  # type: ignore[union-attr]


def test_v_06_a_halt_begins_once_and_ends_with_the_next_plain_price() -> None:
    line = MarketLine()
    assert line.apply(frame(f31="10")).halted is None
    assert line.apply(frame(f31="H10")).halted is True
    assert line.apply(frame(f31="H10")).halted is None
    assert line.apply(frame(f84="9")).halted is None
    assert line.halted
    assert line.apply(frame(f31="10.5")).halted is False


def test_v_06_a_previous_close_is_no_trade() -> None:
    line = MarketLine()
    line.apply(frame(f31="C139.83"))
    assert (line.last, line.previous_close) == (None, Decimal("139.83"))
    line.apply(frame(f31="139.85"))
    assert (line.last, line.previous_close) == (Decimal("139.85"), Decimal("139.83"))


def test_v_07_an_ask_off_the_tick_is_exact_and_told() -> None:
    """Never rounded: the quote comes on a finer grid, with a flag and a word before it."""
    symbols = SymbolTable()
    told: list[Any] = []
    dispatch = Dispatch(lambda error, kind, event: told.append(error))
    number = symbols.add(AAPL)
    dispatch.add(Consumer(EventKind.QUOTE, number, told.append))
    dispatch.add(Consumer(EventKind.TRADE, number, told.append))
    decoder = IbkrDecoder(symbols, dispatch.router, on_off_scale=told.append)
    decoder.open_line(number)
    decoder.feed(wire(frame(f84="1.00", f86="1.005")), 7)
    assert told[0] is AAPL
    assert (told[1].ask, told[1].bid) == (Decimal("1.005"), Decimal("1.00"))
    assert told[1].flags & EventFlag.OFF_SCALE
    del told[:]
    decoder.feed(wire(frame(f31="1.0025")), 8)
    assert told[-1].price == Decimal("1.0025")  # a mid-point trade is legal (V-07)


def test_v_10_sizes_of_the_book_are_multiplied_where_the_config_says_so() -> None:
    """Older documentation has US stocks by the hundred; last sizes are whole everywhere."""
    symbols = SymbolTable()
    told: list[Any] = []
    dispatch = Dispatch(lambda error, kind, event: told.append(error))
    number = symbols.add(AAPL)
    for kind in (EventKind.QUOTE, EventKind.TRADE):
        dispatch.add(Consumer(kind, number, told.append))
    decoder = IbkrDecoder(symbols, dispatch.router, on_problem=lambda *it: told.append(it))
    decoder.open_line(number, size_factor=Config(size_factors={265598: 100}).size_factor("265598"))
    decoder.feed(wire(frame(f84="1", f86="2", f88="1,300", f85="0.0001", f31="1", f7059="7")), 7)
    quote, trade = told
    assert (quote.bid_size, quote.ask_size) == (130_000, Decimal("0.01"))
    assert trade.size == 7
    decoder.feed(wire(frame(f88="2")), 8)
    assert (told[-1].bid_size, told[-1].ask_size) == (200, Decimal("0.01"))
    decoder.clear_line(number)
    decoder.feed(wire(frame(f84="1", f86="2", f88="100000000000000000")), 9)
    assert isinstance(told[-1][0], DecodeError), "more than 64 bits hold"
    decoder.open_line(number)
    decoder.feed(wire(frame(f84="1", f86="2", f88="3", f85="4")), 10)
    assert (told[-1].bid_size, told[-1].ask_size) == (3, 4)


@pytest.mark.parametrize("factors", [{"265598": 0}, {"AAPL": 100}, {265598: 1.5}, {265598: True}])
def test_v_10_a_factor_is_a_whole_number_of_a_conid(factors: Any) -> None:
    with pytest.raises(ConfigError, match="size_factors"):
        Config(size_factors=factors)


def test_v_08_seconds_and_milliseconds() -> None:
    line = MarketLine()
    line.apply({"topic": "smd+1", "31": "150.25", "_updated": 1700000000})
    assert line.ts_event == 1_700_000_000 * 10**9
    line.apply({"topic": "smd+1", "31": "150.25", "_updated": 1700000001000})
    assert line.ts_event == 1_700_000_001 * 10**9


def test_v_09_what_a_frame_is_about() -> None:
    line = MarketLine()
    assert line.apply(frame(f84="1")).is_quote
    change = line.apply(frame(f31="1"))
    assert change.is_last
    assert not change.is_quote
    assert line.apply(frame(f7059="100")).is_last
    assert not line.apply(frame(f87="1.2M")).is_quote


def test_v_12_unknown_codes_are_kept() -> None:
    line = MarketLine()
    change = line.apply(frame(f9999="new"))
    assert change.codes == {"9999"}
    assert line.value("9999").text == "new"  # type: ignore[union-attr]


def test_w_15_an_empty_update_changes_nothing() -> None:
    line = MarketLine()
    line.apply(frame(f84="1"))
    change = line.apply({"topic": "smd+1"})
    assert not change.codes
    assert line.number(Code.BID) == 1


def test_5_2_no_subscription_is_told_once() -> None:
    line = MarketLine()
    assert line.apply(frame(f6509="N")).refused
    assert not line.apply(frame(f6509="N")).refused
    assert not line.apply(frame(f6509="DPB", f31="655.89")).refused
    line.clear()
    assert line.apply(frame(f6509="N")).refused


def test_w_14_f_22_a_sparse_delta_has_no_zeros() -> None:
    line = MarketLine()
    line.apply(frame(f84="5", f86="6", f85="1", f88="2"))
    line.apply(frame(f85="3"))
    assert [line.number(code) for code in (Code.BID, Code.ASK, Code.BID_SIZE)] == [5, 6, 2]


codes = st.sampled_from(["31", "84", "86", "85", "88", "7059", "87", "7635"])
texts = st.sampled_from(["1.25", "1.26", "", "1,300", "12.3M", "-0.5"])


@given(st.lists(st.dictionaries(codes, texts)))
def test_merge_of_any_frames_is_the_merge_of_their_net_effect(frames: list[dict[str, str]]) -> None:
    """Section 13 item 2."""
    one, many = MarketLine(), MarketLine()
    net: dict[str, str] = {}
    for each in frames:
        many.apply(each)
        net |= each
    one.apply(net)
    assert {code: many.value(code) for code in many.codes} == {
        code: one.value(code) for code in one.codes
    }
    assert (one.last, one.halted) == (many.last, many.halted)


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.none(), st.integers(), st.booleans(),
                                            st.lists(st.integers()))))  # fmt: skip
def test_d_13_no_frame_raises(payload: dict[str, Any]) -> None:
    MarketLine().apply(payload)


def test_w_12_the_last_trade_shown_again_by_a_renewal_is_no_trade() -> None:
    fresh = FreshLast()
    trade, other = Trade(AAPL, 15_000, 100), Trade(AAPL, 15_001, 100)
    fresh.on_asked()
    assert fresh(trade), "the first one"
    assert fresh(trade), "the same price and size again, by a delta"
    fresh.on_asked()
    assert not fresh(trade)
    assert fresh(trade)
    fresh.on_asked()
    assert fresh(other), "what was traded while nobody looked"
