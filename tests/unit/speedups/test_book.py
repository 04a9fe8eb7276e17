"""OrderBook: contents, reading, errors and hostile prices."""

from __future__ import annotations

import gc
import random
import subprocess
import sys
import weakref
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from connectors._speedups.book import BookSide, ChainedBook, OrderBook
from connectors._speedups.errors import PrecisionError, ProtocolError
from connectors._speedups.events import BookUpdate, EventFlag, InstrumentBase
from connectors._speedups.ticks import TickScale
from oracle.book import ASK, BID, SlowBook

WINDOW = 16_384  # ticks kept as an array; prices around its edges are where mistakes would be
LOWEST, HIGHEST = -(2**63), 2**63 - 1


def instrument(price="0.1", size="0.001", name="BTCUSDT"):
    return InstrumentBase(f"{name}-PERP", name, "BINANCE", TickScale(price), TickScale(size))


BTC = instrument()


def update(bids=(), asks=(), **fields):
    return BookUpdate(fields.pop("instrument", BTC), list(bids), list(asks), **fields)


def snapshot(bids=(), asks=(), **fields):
    return update(bids, asks, is_snapshot=True, **fields)


def book_of(bids=(), asks=(), **fields):
    book = OrderBook(BTC)
    book.apply(snapshot(bids, asks, **fields))
    return book


def same(book, slow):
    book.check()
    return (book.levels(BID), book.levels(ASK)) == (slow.levels(BID), slow.levels(ASK))


# ---- contents ---------------------------------------------------------------------------------


def test_a_new_book_is_empty():
    book = OrderBook(BTC)
    assert len(book) == book.n_bids == book.n_asks == 0
    assert book.best_bid_ticks is book.best_ask_ticks is book.best_bid_lots is None
    assert book.best_ask_lots is book.bid is book.ask is book.bid_size is book.ask_size is None
    assert book.spread_ticks is book.mid is book.horizon is None
    assert not book.is_crossed
    assert book.levels(BookSide.BID) == book.levels(BookSide.ASK) == []
    assert book.price_for_size(BID, 1) is book.vwap(ASK, 1) is None
    assert book.size_at(BID, 0) == 0
    assert (book.last_seq, book.ts_event, book.updates) == (-1, 0, 0)
    assert book  # a book is a thing, empty or not
    book.check()


def test_best_prices_and_sizes():
    bids, asks = [(1000, 5), (999, 7)], [(1003, 2), (1010, 1)]
    book = book_of(bids, asks, last_seq=4, ts_event=9, ts_init=11)
    assert (book.best_bid_ticks, book.best_bid_lots) == (1000, 5)
    assert (book.best_ask_ticks, book.best_ask_lots) == (1003, 2)
    assert (book.bid, book.bid_size) == (Decimal("100.0"), Decimal("0.005"))
    assert (book.ask, book.ask_size) == (Decimal("100.3"), Decimal("0.002"))
    assert book.spread_ticks == 3
    assert (book.last_seq, book.ts_event, book.ts_init) == (4, 9, 11)
    assert len(book) == 4


@pytest.mark.parametrize(
    ("bid", "ask", "mid"),
    [
        (1000, 1003, "100.15"),
        (1000, 1002, "100.1"),
        (-3, 0, "-0.15"),
        (-4, -1, "-0.25"),
        (HIGHEST - 1, HIGHEST, "922337203685477580.65"),
        (LOWEST, HIGHEST, "-0.05"),
    ],
)
def test_mid_is_exact(bid, ask, mid):
    assert book_of([(bid, 1)], [(ask, 1)]).mid == Decimal(mid)


def test_bn_b_13_sizes_are_absolute_and_zero_removes():
    book = book_of([(10, 5), (9, 6)], [(11, 1)])
    book.apply(update([(10, 2)], [(12, 8)]))
    assert book.levels(BID) == [(10, 2), (9, 6)]
    book.apply(update([(10, 0), (3, 0), (99_999, 0), (-(2**62), 0)], [(11, 0), (500, 0)]))
    assert book.levels(BID) == [(9, 6)]
    assert book.levels(ASK) == [(12, 8)]
    book.apply(update([(9, 0)], [(12, 0)]))
    assert len(book) == 0
    book.apply(update([(9, 0)], [(12, 0)]))
    assert len(book) == 0
    assert book.best_bid_ticks is None
    book.check()


def test_a_price_twice_in_one_update_the_later_counts():
    book = book_of([(10, 5), (10, 6), (9, 1), (9, 0)], [(11, 0), (11, 3)])
    assert (book.levels(BID), book.levels(ASK)) == ([(10, 6)], [(11, 3)])
    book.apply(update([(10, 0), (10, 8), (7, 4), (7, 0)]))
    assert book.levels(BID) == [(10, 8)]


def test_a_snapshot_replaces_everything():
    book = book_of([(10, 5), (-90_000, 1)], [(11, 1), (2**62, 1)])
    book.apply(snapshot([(8, 1), (7, 0)], [], last_seq=3))
    assert (book.levels(BID), book.levels(ASK)) == ([(8, 1)], [])
    book.apply(snapshot())
    assert len(book) == 0
    book.check()


@pytest.mark.parametrize("order", ["best first", "worst first", "mixed"])
def test_a_deep_snapshot_in_any_order(order):
    rng = random.Random(3)
    bids = [(10**6 - i * 7, i + 1) for i in range(9000)]
    asks = [(10**6 + 1 + i * 7, i + 1) for i in range(9000)]
    slow = SlowBook()
    slow.replace(bids, asks)
    if order == "worst first":
        bids.reverse(), asks.reverse()
    elif order == "mixed":
        rng.shuffle(bids), rng.shuffle(asks)
    book = book_of(bids, asks)
    assert same(book, slow)


def test_clear_and_reset():
    bids, asks = [(10, 5), (-90_000, 1)], [(9, 1)]
    book = book_of(bids, asks, last_seq=3, ts_event=5, flags=EventFlag.PARTIAL)
    assert book.crossed_run == 1
    book.clear()
    assert len(book) == 0
    assert (book.last_seq, book.ts_event, book.ts_init, book.crossed_run) == (-1, 0, 0, 0)
    assert book.horizon is None
    assert (book.updates, book.crossed_updates) == (1, 1)
    book.apply(update([(5, 1)]))
    assert book.levels(BID) == [(5, 1)]
    finer = instrument(price="0.01")
    book.reset(finer)
    assert len(book) == 0
    book.apply(update([(505, 1)], instrument=finer))
    assert book.bid == Decimal("5.05")


# ---- reading ----------------------------------------------------------------------------------


def test_levels_and_depth():
    bids, asks = [(10, 5), (9, 6), (-70_000, 7)], [(11, 1), (90_000, 2)]
    book = book_of(bids, asks)
    for n in (0, 1, 2, 3, 4, 10**9):
        assert book.levels(BID, n) == bids[:n]
        assert book.levels(BookSide.ASK, n) == asks[:n]
        for array, levels in zip(book.depth(n), (bids, asks), strict=True):
            assert array.dtype == np.int64
            assert array.shape == (min(n, len(levels)), 2)
            assert [tuple(row) for row in array.tolist()] == levels[:n]
    assert book.depth()[0].tolist() == [list(level) for level in bids]
    book.depth()[0][:] = 0
    assert book.levels(BID) == bids
    for read in (lambda: book.levels(BID, -1), lambda: book.depth(-1)):
        with pytest.raises(ValueError, match="negative"):
            read()


def test_size_at():
    book = book_of([(10, 5), (-70_000, 7)], [(11, 1), (2**62, 2)])
    assert [book.size_at(BID, price) for price in (10, -70_000, 9, 11, 70_000, LOWEST)] == [
        5,
        7,
        0,
        0,
        0,
        0,
    ]
    assert [book.size_at(ASK, price) for price in (11, 2**62, 10, HIGHEST, LOWEST)] == [
        1,
        2,
        0,
        0,
        0,
    ]


@pytest.mark.parametrize("side", [2, -1, "bid", None, 0.5])
def test_no_such_side(side):
    book = book_of([(10, 5)])
    for read in (book.levels, lambda s: book.size_at(s, 10), lambda s: book.vwap(s, 1)):
        with pytest.raises(ValueError, match="BookSide"):
            read(side)


def test_vwap_and_price_for_size():
    book = book_of([(1000, 5), (990, 10)], [(1001, 1), (1003, 2), (80_000, 7)])
    assert book.vwap(BID, 5) == Decimal("100.0")
    assert book.vwap(BID, 10) == Decimal("99.5")
    assert book.vwap(ASK, 3) == Decimal("100.2333333333333333333333333")
    assert [book.price_for_size(ASK, n) for n in (1, 2, 3, 4, 10)] == [
        1001,
        1003,
        1003,
        80_000,
        80_000,
    ]
    assert book.vwap(ASK, 11) is book.price_for_size(ASK, 11) is None
    for size in (0, -1):
        with pytest.raises(ValueError, match="greater than 0"):
            book.vwap(BID, size)
        with pytest.raises(ValueError, match="greater than 0"):
            book.price_for_size(BID, size)


def test_vwap_does_not_overflow():
    book = book_of([(HIGHEST, HIGHEST), (HIGHEST - 2, HIGHEST)])
    assert book.vwap(BID, HIGHEST) == Decimal("922337203685477580.7")
    slow = SlowBook()
    slow.apply([(HIGHEST, 3), (LOWEST, 3)], [])
    book = book_of([(HIGHEST, 3), (LOWEST, 3)])
    assert Fraction(book.vwap(BID, 6)) == slow.take(BID, 6)[1] / 10 == Fraction(-1, 20)


def test_bn_b_14_horizon():
    bids, asks = [(10, 5), (9, 6), (8, 1)], [(12, 1), (15, 2)]
    assert book_of(bids, asks).horizon == (None, None)
    assert book_of(bids, asks, flags=EventFlag.PARTIAL).horizon == (8, 15)
    assert book_of([], asks, flags=EventFlag.PARTIAL).horizon == (None, 15)
    book = OrderBook(BTC)
    book.apply(update(bids, asks))
    assert book.horizon is None
    for depth, expected in [(1, (8, 15)), (2, (8, 15)), (3, (8, None)), (4, (None, None))]:
        book.replace(update(bids, asks), depth=depth)
        assert book.horizon == expected
    book.replace(snapshot(bids, asks), depth=3)
    book.apply(update([(8, 0), (3, 1)], [(100, 1)]))
    assert book.horizon == (8, None)
    with pytest.raises(ValueError, match="depth"):
        book.replace(snapshot(bids, asks), depth=0)
    with pytest.raises(OverflowError):
        book.replace(snapshot(bids, asks), depth=2**70)
    assert book.copy().horizon == (8, None)


def test_copy_and_equality():
    book = book_of([(10, 5), (-70_000, 7)], [(9, 1), (2**62, 2)], last_seq=8, ts_event=3)
    other = book.copy()
    assert type(other) is OrderBook
    assert other == book
    assert (other.last_seq, other.ts_event, other.crossed_updates, other.updates) == (8, 3, 1, 1)
    other.apply(update([(-70_000, 8)]))
    assert other != book
    assert book.size_at(BID, -70_000) == 7
    other.apply(update([(-70_000, 7)]))
    assert other == book
    other.check()
    assert book != "book"
    assert OrderBook(BTC) == ChainedBook(instrument())
    assert OrderBook(BTC) != OrderBook(instrument(price="0.01"))
    assert OrderBook(BTC) != OrderBook(instrument(name="ETHUSDT"))
    with pytest.raises(TypeError, match="unhashable"):
        hash(book)


def test_repr():
    assert repr(book_of([(1000, 5)], [(1001, 2)], last_seq=7)) == (
        "<OrderBook BTCUSDT-PERP 1 bids 1 asks 100.0 x 0.005 / 100.1 x 0.002 seq=7>"
    )
    assert "None x None" in repr(OrderBook(BTC))


def test_bn_b_21_crossed_updates_are_counted():
    book = book_of([(10, 1)], [(11, 1)])
    assert (book.is_crossed, book.crossed_updates) == (False, 0)
    for bid in (11, 12):
        book.apply(update([(bid, 1)]))
        assert book.is_crossed
    assert (book.crossed_updates, book.crossed_run, book.spread_ticks) == (2, 2, -1)
    book.apply(update([(11, 0), (12, 0)]))
    assert (book.is_crossed, book.crossed_updates, book.crossed_run) == (False, 2, 0)
    assert book.updates == 4


# ---- errors: all of an update or none -----------------------------------------------------------


@pytest.mark.parametrize(
    ("bids", "asks"),
    [([(10, 9), (9, -1)], []), ([(10, 9)], [(11, 9), (12, -1)]), ([], [(1, LOWEST)])],
)
@pytest.mark.parametrize("make", [update, snapshot])
def test_a_negative_size_is_refused_whole(make, bids, asks):
    book = book_of([(10, 5)], [(11, 1)], last_seq=3)
    before = book.copy()
    with pytest.raises(ProtocolError, match=r"BTCUSDT-PERP.*negative size"):
        book.apply(make(bids, asks, last_seq=4))
    assert book == before
    assert (book.last_seq, book.updates) == (3, 1)
    book.check()


def test_more_levels_than_allowed_are_refused_whole():
    book = OrderBook(BTC, max_levels=3)
    book.apply(snapshot([(10, 1), (9, 1)], [(11, 1)]))
    before = book.copy()
    for too_many in (update([(8, 1), (7, 1)]), snapshot([], [(n, 1) for n in range(4)])):
        with pytest.raises(ProtocolError, match="more than 3 levels"):
            book.apply(too_many)
        assert book == before
    book.apply(update([(8, 1)]))
    assert book.n_bids == 3
    for bad in (0, -1, 2**31):
        with pytest.raises(ValueError, match="max_levels"):
            OrderBook(BTC, max_levels=bad)


def test_levels_of_another_grid_or_instrument_are_refused():
    book = book_of([(10, 5)], [(11, 1)])
    before = book.copy()
    for wrong, error in [
        (update([(100, 1)], instrument=instrument(price="0.01")), PrecisionError),
        (update([(100, 1)], instrument=instrument(size="0.0001")), PrecisionError),
        (update([(100, 1)], flags=EventFlag.OFF_SCALE), PrecisionError),
        (update([(10, 1)], instrument=instrument(name="ETHUSDT")), ValueError),
    ]:
        for give in (book.apply, book.replace, book.on_book_update):
            with pytest.raises(error):
                give(wrong)
    assert book == before
    book.apply(update([(10, 7)], instrument=instrument()))  # equal, though another object
    assert book.best_bid_lots == 7


@pytest.mark.parametrize("wrong", [None, "x", [(1, 2)], object()])
def test_only_events_are_taken(wrong):
    book = OrderBook(BTC)
    for give in (book.apply, book.replace, book.on_book_update, book.reset, OrderBook):
        with pytest.raises(TypeError):
            give(wrong)


def test_without_init_a_book_refuses_updates():
    book = OrderBook.__new__(OrderBook)
    with pytest.raises(RuntimeError, match="__init__"):
        book.apply(update([(1, 1)]))
    assert "without an instrument" in repr(book)
    assert len(book) == 0


# ---- as a handler of a stream -------------------------------------------------------------------


def test_a_stream_update_calls_on_change_after_it_is_applied():
    seen = []
    book = OrderBook(BTC, on_change=lambda b: seen.append((b is book, b.best_bid_ticks)))
    book.on_book_update(snapshot([(10, 1)], last_seq=1))
    book.on_book_update(update([(11, 1)], last_seq=2))
    book.apply(update([(12, 1)], last_seq=3))
    assert seen == [(True, 10), (True, 11)]


def test_what_on_change_raises_goes_up_and_the_book_is_up_to_date():
    def broken(book):
        raise KeyError(book.best_bid_ticks)

    book = OrderBook(BTC, on_change=broken)
    with pytest.raises(KeyError, match="11"):
        book.on_book_update(update([(11, 1)], last_seq=2))
    assert (book.best_bid_ticks, book.last_seq) == (11, 2)


def test_bn_b_22_older_frames_are_dropped_but_a_restarted_numbering_is_not():
    book = OrderBook(BTC)
    book.on_book_update(snapshot([(10, 1)], last_seq=100, ts_event=50))
    book.on_book_update(snapshot([(11, 1)], last_seq=99, ts_event=49))
    assert (book.best_bid_ticks, book.stale, book.last_seq) == (10, 1, 100)
    book.on_book_update(snapshot([(12, 1)], last_seq=100, ts_event=50))
    assert (book.best_bid_ticks, book.stale) == (12, 1)
    book.on_book_update(snapshot([(13, 1)], last_seq=3, ts_event=51))
    assert (book.best_bid_ticks, book.stale, book.last_seq) == (13, 1, 3)


def test_a_callback_may_change_the_book_it_is_given():
    book = OrderBook(BTC, on_change=lambda b: b.clear())
    book.on_book_update(snapshot([(10, 1)], [(11, 1)]))
    assert len(book) == 0
    book.check()


# ---- hostile prices -----------------------------------------------------------------------------

EDGES = sorted(
    {
        near + offset
        for near in (
            LOWEST + 2 * WINDOW,
            -(2**62),
            -WINDOW,
            0,
            WINDOW,
            10**6,
            2**62,
            HIGHEST - 2 * WINDOW,
        )
        for offset in (-WINDOW, -WINDOW // 2, -64, -1, 0, 1, 63, WINDOW // 4, WINDOW)
    }
    | {LOWEST, LOWEST + 1, HIGHEST, HIGHEST - 1}
)


@pytest.mark.parametrize("seed", range(6))
def test_prices_from_everywhere(seed):
    """Each step a few of the worst prices there are, on both sides, compared with two dicts."""
    rng = random.Random(seed)
    book, slow = OrderBook(BTC), SlowBook()
    sizes = [0, 0, 1, 2, HIGHEST]
    for step in range(400):
        sides = [
            [(rng.choice(EDGES), rng.choice(sizes)) for _ in range(rng.randrange(5))]
            for _ in range(2)
        ]
        if step % 97 == 96:
            book.apply(snapshot(*sides))
            slow.replace(*sides)
        else:
            book.apply(update(*sides))
            slow.apply(*sides)
        assert same(book, slow)
        assert (book.best_bid_ticks, book.best_ask_ticks) == (slow.best(BID), slow.best(ASK))
        assert book.is_crossed is slow.is_crossed


@pytest.mark.parametrize("spread", [40, 2_000, 30_000, 2_000_000])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_long_walk_with_thousands_of_levels(seed, spread):
    """The best moves across windows, runs of far levels split and join, compared in between."""
    rng = random.Random(seed * 1000 + spread)
    book, slow = OrderBook(BTC), SlowBook()
    mid = 10**7
    for step in range(1500):
        mid += rng.randrange(-spread // 8, spread // 8 + 1)
        removals = 0.2 if step % 500 < 350 else 0.9
        sides = []
        for side, sign in ((BID, -1), (ASK, 1)):
            known = list(slow.sides[side]) if step % 10 == 0 else []
            levels = [
                (mid + sign * int(rng.expovariate(2 / spread)), rng.randrange(1, 10**6))
                for _ in range(20)
            ]
            levels += [(price, 0) for price in known if rng.random() < removals / 2]
            sides.append(levels)
        book.apply(update(*sides))
        slow.apply(*sides)
        assert len(book) == len(slow.sides[0]) + len(slow.sides[1])
        if step % 50 == 0:
            assert same(book, slow)
    assert same(book, slow)


@pytest.mark.parametrize("anchor", range(0, WINDOW, 64 * 5 + 1))
def test_the_next_level_is_found_right_across_the_window(anchor):
    """The window is a ring: from a best near its top the next level may be all the way round."""
    base = (10**6 + anchor) // 64 * 64
    first = base + WINDOW // 4 * 3  # puts the window at [base, base + WINDOW)
    for low in (0, 1, 63, 64, 200, 4000):
        for top in (WINDOW - 1, WINDOW - 64, WINDOW - 65, WINDOW - 130):
            book = book_of([(first, 1)], [(-first, 1)])
            book.apply(
                update(
                    [(base + top, 2), (base + low, 3), (first, 0)],
                    [(-base - top, 2), (-base - low, 3), (-first, 0)],
                )
            )
            assert book.levels(BID) == [(base + top, 2), (base + low, 3)]
            book.apply(update([(base + top, 0)], [(-base - top, 0)]))
            assert (book.best_bid_ticks, book.best_ask_ticks) == (base + low, -base - low)
            book.check()


def test_alternating_far_ends_lose_nothing():
    """A level at one end of the number line moves the window; the others must come back."""
    bids = [(10**6 - i, 1 + i) for i in range(3000)]
    asks = [(10**6 + 1 + i, 1 + i) for i in range(3000)]
    book = book_of(bids, asks)
    for _ in range(50):
        book.apply(update([(HIGHEST, 1)], [(LOWEST, 1)]))
        assert (book.best_bid_ticks, book.best_ask_ticks) == (HIGHEST, LOWEST)
        book.check()
        book.apply(update([(HIGHEST, 0)], [(LOWEST, 0)]))
        assert (book.best_bid_ticks, book.best_ask_ticks) == (10**6, 10**6 + 1)
        book.check()
    assert book.levels(BID) == bids
    assert book.levels(ASK) == asks


def test_memory_is_bounded_by_the_levels_not_by_what_happens_to_them():
    """Hundreds of thousands of changes all over, between two looks at the process."""
    script = """
import random, resource
from connectors._speedups.book import OrderBook
from connectors._speedups.events import BookUpdate, InstrumentBase
from connectors._speedups.ticks import TickScale

btc = InstrumentBase("B-PERP", "B", "BINANCE", TickScale("0.1"), TickScale("0.001"))
book = OrderBook(btc)
rng = random.Random(1)
held = []

def churn(rounds):
    for _ in range(rounds):
        prices = [rng.randrange(-2**62, 2**62) for _ in range(20)]
        held.append(prices)
        old = held.pop(0) if len(held) > 50 else []
        changes = [(p, 1) for p in prices] + [(p, 0) for p in old]
        book.apply(BookUpdate(btc, changes, changes))

churn(2000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
churn(10000)
for _ in range(300):
    book.copy()
book.check()
assert len(book) == 2000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert int(result.stdout) < 2_000  # KiB


def test_books_in_reference_cycles_are_collected():
    class Owner:
        pass

    owner = Owner()
    owner.book = OrderBook(BTC, on_change=lambda book, owner=owner: owner)
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None


def test_reading_makes_no_object_while_the_book_is_looked_at():
    """A collection started by making the tuples may run code that changes the book."""
    book = book_of([(10**6 - i, 1) for i in range(5000)], [(10**6 + 1 + i, 1) for i in range(5000)])

    def disturb(phase, info):
        book.clear()

    gc.callbacks.append(disturb)
    try:
        old = gc.get_threshold()
        gc.set_threshold(1)
        levels = book.levels(BID)
    finally:
        gc.set_threshold(*old)
        gc.callbacks.remove(disturb)
    assert len(levels) in (0, 5000)
    assert len(book) == 0
    book.check()
