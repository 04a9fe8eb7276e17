"""OrderBook against two dicts that are sorted again after every step."""

from __future__ import annotations

from fractions import Fraction

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from connectors._speedups.book import OrderBook
from connectors._speedups.events import BookUpdate, EventFlag, InstrumentBase
from connectors._speedups.ticks import TickScale
from oracle.book import ASK, BID, SlowBook

BTC = InstrumentBase("BTCUSDT-PERP", "BTCUSDT", "BINANCE", TickScale("0.5"), TickScale("0.001"))
LOWEST, HIGHEST = -(2**63), 2**63 - 1

# Close together, a window (16 384 ticks) apart, and at the ends of what 64 bits hold.
prices = (
    st.integers(-20, 20)
    | st.integers(-40_000, 40_000)
    | st.sampled_from([n * 4096 + d for n in range(-9, 10) for d in (-1, 0, 1)])
    | st.sampled_from([LOWEST, LOWEST + 1, HIGHEST, HIGHEST - 1, 2**62, -(2**62)])
    | st.integers(LOWEST, HIGHEST)
)
sizes = st.just(0) | st.integers(1, 9) | st.just(HIGHEST)
batches = st.lists(st.tuples(prices, sizes), max_size=12)


class BookMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.book = OrderBook(BTC)
        self.slow = SlowBook()

    @rule(bids=batches, asks=batches)
    def change(self, bids, asks):
        self.book.apply(BookUpdate(BTC, bids, asks))
        self.slow.apply(bids, asks)

    @rule(bids=batches, asks=batches, limited=st.booleans(), ordered=st.booleans())
    def replace(self, bids, asks, limited, ordered):
        if ordered:
            bids, asks = sorted(dict(bids).items(), reverse=True), sorted(dict(asks).items())
        flags = EventFlag.PARTIAL if limited else 0
        self.book.apply(BookUpdate(BTC, bids, asks, is_snapshot=True, flags=flags))
        self.slow.replace(bids, asks, limited=limited)

    @rule(data=st.data(), side=st.sampled_from([BID, ASK]))
    def remove_some(self, data, side):
        known = list(self.slow.sides[side])
        gone = data.draw(st.lists(st.sampled_from(known), unique=True) if known else st.just([]))
        levels = [(price, 0) for price in gone]
        sides = (levels, []) if side == BID else ([], levels)
        self.book.apply(BookUpdate(BTC, *sides))
        self.slow.apply(*sides)

    @rule(start=st.integers(-(2**62), 2**62), step=st.sampled_from([1, 63, 700]))
    def many(self, start, step):
        """Enough levels in a row that runs of far ones are split."""
        levels = [(start + i * step, 1 + i) for i in range(300)]
        self.book.apply(BookUpdate(BTC, levels, levels))
        self.slow.apply(levels, levels)

    @rule()
    def clear(self):
        self.book.clear()
        self.slow.clear()

    @rule()
    def go_on_with_a_copy(self):
        copy = self.book.copy()
        assert copy == self.book
        self.book.clear()
        self.book = copy

    @rule(side=st.sampled_from([BID, ASK]), n=st.integers(0, 30), price=prices)
    def read(self, side, n, price):
        assert self.book.levels(side, n) == self.slow.levels(side)[:n]
        assert self.book.depth(n)[side].tolist() == [list(x) for x in self.slow.levels(side)[:n]]
        assert self.book.size_at(side, price) == self.slow.sides[side].get(price, 0)

    @rule(side=st.sampled_from([BID, ASK]), size=st.integers(1, 99) | st.integers(1, HIGHEST))
    def take(self, side, size):
        expected = self.slow.take(side, size)
        vwap, worst = self.book.vwap(side, size), self.book.price_for_size(side, size)
        if expected is None:
            assert vwap is worst is None
            return
        assert worst == expected[0]
        exact = expected[1] / 2
        assert abs(Fraction(vwap) - exact) <= abs(exact) / 10**27

    @invariant()
    def same(self):
        book, slow = self.book, self.slow
        book.check()
        assert book.levels(BID) == slow.levels(BID)
        assert book.levels(ASK) == slow.levels(ASK)
        assert (book.best_bid_ticks, book.best_ask_ticks) == (slow.best(BID), slow.best(ASK))
        assert book.is_crossed is slow.is_crossed
        assert book.horizon == slow.horizon
        assert len(book) == len(slow.sides[0]) + len(slow.sides[1])
        if slow.best(BID) is not None and slow.best(ASK) is not None:
            both = slow.best(BID) + slow.best(ASK)
            assert Fraction(book.mid) == Fraction(both, 4)
            assert book.spread_ticks == slow.best(ASK) - slow.best(BID)


TestBook = BookMachine.TestCase
TestBook.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
