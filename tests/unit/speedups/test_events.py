"""Event objects: values, exactness, equality, immutability, pickling, freelists."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from connectors._speedups.events import (
    AggressorSide,
    Bar,
    BookUpdate,
    EventFlag,
    EventHandler,
    EventKind,
    IndexPrice,
    InstrumentBase,
    Liquidation,
    MarkPrice,
    Quote,
    Ticker,
    Trade,
)
from connectors._speedups.ticks import TickScale

INT64_MAX = 2**63 - 1


class Instrument(InstrumentBase):
    """At module level, so that it can be pickled by name."""

    def __reduce__(self):
        return Instrument, (self.id, self.symbol, self.venue, self.price_scale, self.size_scale)


def instrument(tick: str = "0.01", lot: str = "0.001") -> InstrumentBase:
    return Instrument("BTCUSDT-PERP", "BTCUSDT", "BINANCE", TickScale(tick), TickScale(lot))


def events(on: InstrumentBase | None = None) -> list[Any]:
    """One event of each kind, every field set."""
    on = on or instrument()
    times = {"ts_event": 1_702_555_534_436_000_000, "ts_init": 7, "flags": 1}
    return [
        Quote(on, 4318690, 12345, 4318700, 9001, 42, 11, 12, 1),
        Trade(on, 4318690, 5, 2, 10, 8, 9, 11, 12, EventFlag.AGGREGATE),
        BookUpdate(on, [(1, 2), (3, 0)], [(4, 5)], is_snapshot=True, first_seq=1, last_seq=2,
                   prev_seq=0, **times),
        Bar(on, interval_s=60, ts_open=1, open_ticks=2, high_ticks=5, low_ticks=1, close_ticks=3,
            volume_lots=7, taker_buy_volume_lots=4, quote_volume=Decimal("1.50"),
            taker_buy_quote_volume="0.7", trade_count=3, **times),
        MarkPrice(on, mark="1.50", index=Decimal("1.25"), settle=2, funding_rate="-0.0001",
                  ts_next_funding=9, **times),
        IndexPrice(on, index="1.250", **times),
        Liquidation(on, side=2, price_ticks=1, size_lots=2, last_size_lots=3, filled_size_lots=4,
                    average_price="1.125", **times),
        Ticker(on, last="1", open="2", high="3", low="-4.50", volume="5", quote_volume="6",
               change="-0.10", change_percent="7", weighted_average="8", last_size="9", ts_open=1,
               ts_close=2, first_id=3, last_id=4, trade_count=5, **times),
    ]  # fmt: skip


KINDS = [type(event).__name__ for event in events()]
EACH = pytest.mark.parametrize("at", range(len(KINDS)), ids=KINDS)


def changed(event: Any) -> list[Any]:
    """The same event with one argument of its constructor different, for each of them."""
    make, arguments = event.__reduce__()
    cls = type(event)
    out = []
    if make is cls or isinstance(event, BookUpdate):
        for i, value in enumerate(arguments[1:], 1):
            other = not value if isinstance(value, bool) else None
            if isinstance(value, list):
                other = [*value, (77, 78)]
            new = value + 1 if other is None else other
            out.append(make(*arguments[:i], new, *arguments[i + 1 :]))
    else:
        _, on, fields = arguments
        for name, value in fields.items():
            out.append(cls(on, **{**fields, name: value + 1}))
    return out


@EACH
def test_equality_is_by_value(at):
    one, two = events()[at], events()[at]
    assert one == two
    assert hash(one) == hash(two)
    assert one != "x"
    assert one is not two
    for other in (e for i, e in enumerate(events()) if i != at):
        assert one != other


@EACH
def test_every_field_counts_but_the_time_of_receipt(at):
    event = events()[at]
    different = changed(event)
    assert len(different) >= 4
    same = [other for other in different if other == event]
    assert [other.ts_init for other in same] == [event.ts_init + 1]


def test_the_same_value_on_a_finer_grid_is_equal():
    """Quotes and trades; the levels of a book are compared as counts."""
    coarse, fine = instrument("0.1", "0.1"), instrument("0.01", "0.01")
    assert Quote(coarse, 1, 2, 3, 4) == Quote(fine, 10, 20, 30, 40)
    assert hash(Quote(coarse, 1, 2, 3, 4)) == hash(Quote(fine, 10, 20, 30, 40))
    assert Trade(coarse, 1, 2) == Trade(fine, 10, 20)
    assert BookUpdate(coarse, [(1, 2)], []) != BookUpdate(fine, [(10, 20)], [])


@EACH
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(at, protocol):
    event = events()[at]
    other = pickle.loads(pickle.dumps(event, protocol))
    assert other == event
    assert (other.ts_init, other.flags, type(other)) == (event.ts_init, event.flags, type(event))
    assert other.instrument.price_scale == event.instrument.price_scale


@EACH
def test_copy(at):
    event = events()[at]
    assert copy.copy(event) == event
    assert copy.deepcopy(event) == event


@EACH
def test_immutable(at):
    event = events()[at]
    for name in dir(event):
        if not name.startswith("_"):
            with pytest.raises(AttributeError):
                setattr(event, name, 1)
    with pytest.raises(AttributeError):
        event.something_new = 1


@EACH
def test_final_and_slim(at):
    cls = type(events()[at])
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Derived", (cls,), {})
    assert not gc.is_tracked(events()[at])
    assert not hasattr(events()[at], "__dict__")


@EACH
def test_shown(at):
    event = events()[at]
    assert repr(event).startswith(f"{KINDS[at]}(BTCUSDT-PERP ")
    assert f"ts_event={event.ts_event}" in repr(event)


@EACH
def test_the_freelist_keeps_no_instrument(at):
    """More objects than it holds come and go; references balance."""
    on = instrument()
    before = sys.getrefcount(on)
    for _ in range(3):
        kept = [events(on)[at] for _ in range(200)]
        assert sys.getrefcount(on) >= before + 200
        del kept
    gc.collect()
    assert sys.getrefcount(on) == before


@EACH
def test_without_an_instrument(at):
    cls = type(events()[at])
    make, arguments = events()[at].__reduce__()
    with pytest.raises(TypeError):
        cls()
    with pytest.raises(TypeError):
        if make is cls:
            cls(None, *arguments[1:])
        elif cls is BookUpdate:
            cls(None, [], [])
        else:
            cls(None, **arguments[2])


def test_quote():
    event = events()[0]
    assert (event.bid, event.bid_size) == (Decimal("43186.90"), Decimal("12.345"))
    assert (event.ask, event.ask_size) == (Decimal("43187.00"), Decimal("9.001"))
    assert str(event.bid) == "43186.90"
    assert (event.bid_float, event.ask_float, event.mid_float) == (43186.9, 43187.0, 43186.95)
    assert (event.bid_size_float, event.ask_size_float) == (12.345, 9.001)
    assert (event.seq, event.ts_event, event.ts_init, event.flags) == (42, 11, 12, 1)


def test_trade():
    event = events()[1]
    assert (event.price, event.size) == (Decimal("43186.90"), Decimal("0.005"))
    assert (event.price_float, event.size_float) == (43186.9, 0.005)
    assert event.aggressor is AggressorSide.SELLER
    assert (event.is_market, event.is_aggregate) == (True, True)
    assert (event.trade_id, event.first_id, event.last_id) == (10, 8, 9)
    plain = Trade(instrument(), 1, 1, flags=EventFlag.NOT_MARKET)
    assert plain.aggressor is AggressorSide.NO_AGGRESSOR
    assert (plain.is_market, plain.is_aggregate) == (False, False)
    assert (plain.trade_id, plain.first_id, plain.last_id) == (-1, -1, -1)


class TestBookUpdate:
    def test_levels(self):
        event = events()[2]
        assert (event.bids, event.asks) == ([(1, 2), (3, 0)], [(4, 5)])
        assert (event.n_bids, event.n_asks) == (2, 1)
        assert event.bids_decimal() == [
            (Decimal("0.01"), Decimal("0.002")),
            (Decimal("0.03"), Decimal("0.000")),
        ]
        assert event.asks_decimal() == [(Decimal("0.04"), Decimal("0.005"))]
        for array, levels in ((event.bids_array(), event.bids), (event.asks_array(), event.asks)):
            assert array.dtype == np.int64
            assert array.tolist() == [list(level) for level in levels]
        assert (event.is_snapshot, event.first_seq, event.last_seq, event.prev_seq) == (
            True,
            1,
            2,
            0,
        )

    def test_no_levels(self):
        event = BookUpdate(instrument(), [], ())
        assert (event.bids, event.asks, event.n_bids) == ([], [], 0)
        assert event.bids_array().shape == event.asks_array().shape == (0, 2)
        assert (event.is_snapshot, event.first_seq, event.last_seq, event.prev_seq) == (
            False,
            -1,
            -1,
            -1,
        )

    def test_any_int64(self):
        levels = [(INT64_MAX, -INT64_MAX), (-(2**63), 0)]
        assert BookUpdate(instrument(), levels, levels).asks == levels

    @pytest.mark.parametrize(
        "levels", [[(1,)], [(1, 2, 3)], [1], [("a", 1)], [(1, 2**63)], [(1.5, 1)], 5, None]
    )
    def test_bad_levels(self, levels):
        for bids, asks in ((levels, []), ([], levels), ([(1, 1)] * 100, levels)):
            with pytest.raises((TypeError, ValueError, OverflowError)):
                BookUpdate(instrument(), bids, asks)

    @pytest.mark.parametrize("length", [0, 1, 5])
    def test_a_sequence_that_lies_about_its_length(self, length):
        class Liar(list):
            def __len__(self):
                return 2

        levels = Liar([(1, 1)] * length)
        with pytest.raises(ValueError, match="length"):
            BookUpdate(instrument(), levels, [])
        with pytest.raises(ValueError, match="length"):
            BookUpdate(instrument(), [(1, 1)], levels)

    @pytest.mark.parametrize("length", [2**61, 2**62, sys.maxsize])
    def test_a_sequence_of_impossible_length(self, length):
        class Endless:
            def __len__(self):
                return length

            def __iter__(self):
                return iter([(1, 1)] * 10)

        for bids, asks in ((Endless(), []), ([], Endless()), (Endless(), Endless())):
            with pytest.raises(MemoryError):
                BookUpdate(instrument(), bids, asks)

    def test_init_again(self):
        event = BookUpdate(instrument(), [(1, 1)], [])
        with pytest.raises(TypeError, match="immutable"):
            event.__init__(instrument(), [(2, 2)] * 1000, [])
        assert event.bids == [(1, 1)]

    def test_without_init(self):
        """__new__ alone gives an event of nothing, and it does not crash."""
        event = BookUpdate.__new__(BookUpdate)
        assert (event.bids, event.asks, event.n_bids) == ([], [], 0)
        assert event.bids_array().shape == (0, 2)

    def test_memory_goes_with_the_event(self):
        for _ in range(300):
            BookUpdate(instrument(), [(1, 1)] * 10_000, [])


def test_bar():
    event = events()[3]
    assert (event.open, event.high, event.low, event.close) == tuple(
        Decimal(t).scaleb(-2) for t in (2, 5, 1, 3)
    )
    assert (event.volume, event.taker_buy_volume) == (Decimal("0.007"), Decimal("0.004"))
    assert (str(event.quote_volume), str(event.taker_buy_quote_volume)) == ("1.50", "0.7")
    assert (event.interval_s, event.ts_open, event.trade_count) == (60, 1, 3)
    assert event.close_float == 0.03
    assert not event.is_closed
    bare = Bar(instrument(), interval_s=-1, ts_open=0, open_ticks=1, high_ticks=1, low_ticks=1,
               close_ticks=1, flags=EventFlag.CLOSED)  # fmt: skip
    assert bare.is_closed
    assert (bare.quote_volume, bare.taker_buy_quote_volume) == (None, None)


def test_mark_and_index_price():
    mark, index = events()[4:6]
    assert (str(mark.mark), str(mark.index), str(mark.settle)) == ("1.50", "1.25", "2")
    assert (str(mark.funding_rate), mark.mark_float, mark.ts_next_funding) == ("-0.0001", 1.5, 9)
    assert (str(index.index), index.index_float) == ("1.250", 1.25)
    bare = MarkPrice(instrument(), mark=1)
    assert (bare.index, bare.settle, bare.funding_rate, bare.ts_next_funding) == (
        None,
        None,
        None,
        0,
    )


def test_liquidation():
    event = events()[6]
    assert event.side is AggressorSide.SELLER
    assert (event.price, event.size, event.filled_size) == (
        Decimal("0.01"),
        Decimal("0.002"),
        Decimal("0.004"),
    )
    assert (event.price_ticks, event.size_lots) == (1, 2)
    assert (event.last_size_lots, event.filled_size_lots) == (3, 4)
    assert str(event.average_price) == "1.125"


def test_ticker():
    event = events()[7]
    assert (str(event.low), str(event.change), event.last_float) == ("-4.50", "-0.10", 1.0)
    short = Ticker(instrument(), last=1, open=1, high=1, low=1, volume=1, quote_volume=1)
    assert (short.change, short.last_size, short.ts_close) == (None, None, 0)
    assert (short.first_id, short.last_id, short.trade_count) == (-1, -1, -1)


@pytest.mark.parametrize("number", [1.5, 1.0, Decimal(1), "1", None])
def test_counts_are_whole_numbers_and_nothing_else(number):
    """A price where a count of ticks belongs must not be cut to a whole number."""
    on = instrument()
    for make in (
        lambda: Quote(on, number, 1, 1, 1),
        lambda: Trade(on, 1, number),
        lambda: BookUpdate(on, [(number, 1)], []),
        lambda: BookUpdate(on, [], [(1, number)]),
        lambda: BookUpdate(on, [], [], last_seq=number),
        lambda: Liquidation(on, side=1, price_ticks=number, size_lots=1),
        lambda: on.price_scale.format(number),
        lambda: on.price_scale.to_decimal(number),
        lambda: on.price_scale.to_float(number),
    ):
        with pytest.raises(TypeError):
            make()


class TestExactValues:
    """MarkPrice stands for all: what is given comes back, exactly, or is refused."""

    @pytest.mark.parametrize(
        "value",
        ["0", "-0.5", "11794.15000000", "0.000000000000000001", "9223372036854775807",
         "-9223372036854775807", "9.223372036854775807", Decimal("1E-7"), Decimal("1E-18"),
         Decimal("1E+3"), Decimal("-2.50"), 0, -7, 10**18, INT64_MAX],
    )  # fmt: skip
    def test_kept(self, value):
        event = MarkPrice(instrument(), mark=value)
        assert event.mark == Decimal(value)
        assert pickle.loads(pickle.dumps(event)) == event

    @pytest.mark.parametrize(
        "value",
        ["", "x", "1e5", "NaN", "1.", ".5", "1.2.3", " 1", "1_0", "+1", Decimal("NaN"),
         Decimal("Infinity"), "9223372036854775808", Decimal("1E+19"), "0.0000000000000000001",
         10**19, "\u0661", "--1", "0x1"],
    )  # fmt: skip
    def test_refused(self, value):
        with pytest.raises(ValueError, match=r"\S") as refused:
            MarkPrice(instrument(), mark=value)
        assert type(refused.value).__name__ == "PrecisionError"

    @pytest.mark.parametrize("value", [1.5, True, [], object()])
    def test_of_another_type(self, value):
        with pytest.raises(TypeError):
            MarkPrice(instrument(), mark=value)


class TestInstrumentBase:
    def test_values(self):
        one = InstrumentBase("A-PERP", "A", "V", TickScale("0.1"), TickScale("1"))
        assert (one.id, one.symbol, one.venue) == ("A-PERP", "A", "V")
        assert (one.price_scale, one.size_scale) == (TickScale("0.1"), TickScale("1"))
        assert repr(one) == "<InstrumentBase A-PERP V>"
        for name in ("id", "symbol", "venue", "price_scale", "size_scale"):
            with pytest.raises(AttributeError):
                setattr(one, name, None)

    @pytest.mark.parametrize("at", range(5))
    def test_none_is_refused(self, at):
        arguments: list[Any] = ["A", "A", "V", TickScale("1"), TickScale("1")]
        arguments[at] = None
        with pytest.raises(TypeError):
            InstrumentBase(*arguments)


def test_numbers_of_the_enums_are_part_of_the_interface():
    """Recordings and Cython code hold them as numbers."""
    assert [kind.name for kind in EventKind] == [
        "QUOTE", "TRADE", "BOOK_DELTA", "BOOK_SNAPSHOT", "BAR", "MARK_PRICE", "INDEX_PRICE",
        "LIQUIDATION", "TICKER", "KIND_COUNT",
    ]  # fmt: skip
    assert [kind.value for kind in EventKind] == list(range(10))
    assert {flag.name: flag.value for flag in EventFlag} == {
        "OFF_SCALE": 1, "NOT_MARKET": 2, "AGGREGATE": 4, "CLOSED": 8, "PARTIAL": 16, "RPI": 32,
        "MINI": 64, "CONTINUOUS": 128, "INDEX": 256, "MARK": 512, "HISTORY": 1024,
        "DELAYED": 2048, "FROZEN": 4096, "HALTED": 8192, "APPROXIMATE": 16384,
    }  # fmt: skip
    assert [side.value for side in AggressorSide] == [0, 1, 2]


def test_event_handler_can_be_made():
    assert isinstance(EventHandler(), EventHandler)
