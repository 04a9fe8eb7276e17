"""UncrossedBook: DX-B-02 to DX-B-08 and DX-B-12, against the wire scenario and a slow reference."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors._speedups.book import BookSide, ChainedBook
from connectors._speedups.errors import ProtocolError
from connectors._speedups.events import BookUpdate, InstrumentBase
from connectors._speedups.ticks import TickScale
from connectors._speedups.uncrossed import UncrossedBook

WIRE = Path(__file__).resolve().parents[2] / "data" / "dydx" / "wire"
BTC = InstrumentBase("BTC-USD-PERP", "BTC-USD", "DYDX", TickScale("0.5"), TickScale("0.5"))
BID, ASK = BookSide.BID, BookSide.ASK


def update(seq, bids=(), asks=(), **fields):
    return BookUpdate(BTC, list(bids), list(asks), last_seq=seq, **fields)


def snapshot(seq, bids=(), asks=()):
    return update(seq, bids, asks, is_snapshot=True)


class Recorder(UncrossedBook):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.beside = []

    def on_irregular(self, update):
        self.beside.append((update.last_seq, self.live))


def live(*, keeps_crossed=False, bids=(), asks=(), **options):
    book = Recorder(BTC, **options)
    book.keeps_crossed = keeps_crossed
    book.replace(snapshot(1, bids, asks))
    book.go_live(1)
    return book


def sides(book):
    return book.levels(BID), book.levels(ASK)


def scenario_frames():
    """The scenario's frames as updates, and the tops it expects."""
    lines = [
        json.loads(line) for line in (WIRE / "seq_orderbook_crossed.jsonl").read_text().splitlines()
    ]
    price, size = BTC.price_scale.to_ticks, BTC.size_scale.to_ticks
    frames = []
    for frame in (json.loads(line["raw"]) for line in lines if "raw" in line):
        contents = frame["contents"]
        found = {"bids": [], "asks": []}
        for part in contents if isinstance(contents, list) else [contents]:
            for name, levels in part.items():
                pairs = [(e["price"], e["size"]) if isinstance(e, dict) else e for e in levels]
                found[name] += [(price(p), size(s)) for p, s in pairs]
        frames.append(
            update(frame["message_id"], *found.values(), is_snapshot=frame["type"] == "subscribed")
        )
    return frames, lines[-1]["expect"]["tops"]


def test_dx_b_12_the_wire_scenario_frame_by_frame():
    frames, tops = scenario_frames()
    book = Recorder(BTC)
    assert len(frames) == len(tops)
    for frame, top in zip(frames, tops, strict=True):
        if frame.is_snapshot:
            book.replace(frame)
            book.go_live(frame.last_seq)
        else:
            book.on_book_update(frame)
        best = [(book.bid, book.bid_size), (book.ask, book.ask_size)]
        wanted = [tuple(map(Decimal, top[name] or ())) for name in ("bid", "ask")]
        assert [() if side[0] is None else side for side in best] == wanted
        assert (book.n_bids, book.n_asks) == (top["n_bids"], top["n_asks"])
        book.check()
    assert not book.beside


def test_dx_b_06_the_older_level_goes_and_equal_clocks_net():
    book = live(bids=[(100, 5)], asks=[(110, 5)])
    book.on_book_update(update(2, bids=[(111, 2)]))
    assert sides(book) == ([(111, 2), (100, 5)], [])
    book.on_book_update(update(3, asks=[(99, 1)]))  # newer than both bids
    assert sides(book) == ([], [(99, 1)])
    book.on_book_update(update(4, bids=[(120, 7)], asks=[(119, 3), (120, 3)]))
    assert sides(book) == ([(120, 1)], [])
    assert book.uncrossings == 6


def test_dx_b_05_levels_keep_the_clock_of_their_last_write():
    book = live(bids=[(100, 5), (99, 1)], asks=[(110, 5)])
    assert book.clock == 1
    book.on_book_update(update(2, bids=[(99, 2)]))
    book.on_book_update(update(3, asks=[(111, 1), (110, 0)]))
    clocks = [book.written_at(BID, 100), book.written_at(BID, 99), book.written_at(ASK, 111)]
    assert clocks == [1, 2, 3]
    assert book.written_at(ASK, 110) == 0  # removed
    book.replace(snapshot(9, bids=[(98, 1)]))
    assert [book.clock, book.written_at(BID, 98), book.written_at(BID, 99)] == [1, 1, 0]
    with pytest.raises(ValueError, match="a side is"):
        book.written_at(2, 1)


def test_dx_b_03_deleting_a_level_that_is_not_there_is_silent():
    book = live(bids=[(100, 5)], asks=[(110, 5)])
    book.on_book_update(update(2, bids=[(1, 0)], asks=[(1, 0)]))
    assert (book.n_bids, book.n_asks, book.clock, book.beside) == (1, 1, 2, [])


def test_dx_b_08_the_book_as_the_venue_sends_it_may_cross():
    book = live(keeps_crossed=True, bids=[(100, 5)], asks=[(110, 5)], crossed_limit=1)
    book.on_book_update(update(2, bids=[(111, 2)]))
    assert (book.is_crossed, book.live, book.uncrossings) == (True, True, 0)
    book.on_book_update(update(3, bids=[(112, 2)]))
    assert not book.live  # crossed for longer than its owner allows


def test_dx_b_01_what_is_beside_the_stream_is_handed_over():
    changes = []
    book = live(bids=[(100, 5)], asks=[(110, 5)], on_change=lambda b: changes.append(b.last_seq))
    book.on_book_update(update(5, bids=[(101, 1)]))  # numbers may be left out
    book.on_book_update(update(5, bids=[(102, 1)]))  # not newer
    book.on_book_update(snapshot(6, bids=[(90, 1)]))
    assert (book.beside, changes) == ([(5, True), (6, True)], [5])
    assert book.levels(BID) == [(101, 1), (100, 5)]
    book.clear()
    assert (book.live, book.clock, len(book)) == (False, 0, 0)
    book.on_book_update(update(7, bids=[(1, 1)]))
    assert book.beside[-1] == (7, False)


def test_a_refused_update_ends_live_and_changes_nothing():
    book = live(bids=[(100, 5)], asks=[(110, 5)], max_levels=2)
    for bad in ([(90, -1)], [(90, 1), (91, 1)]):
        book.go_live(1)
        with pytest.raises(ProtocolError):
            book.on_book_update(update(2, bids=bad))
        assert (book.live, book.levels(BID), book.clock) == (False, [(100, 5)], 1)
        assert book.written_at(BID, 90) == 0


def test_it_is_a_chained_book_and_can_be_extended_beside_another_of_its_kind():
    class Kept(ChainedBook):
        def __init__(self, instrument):
            super().__init__(instrument, crossed_limit=0)

    class Both(Kept, UncrossedBook):
        pass

    book = Both(BTC)
    book.replace(snapshot(1, bids=[(100, 5)], asks=[(110, 5)]))
    book.go_live(1)
    book.on_book_update(update(2, bids=[(111, 2)]))
    assert (book.best_bid_ticks, book.best_ask_ticks, book.clock) == (111, None, 2)


class Reference:
    """The rules of DX-B-02 to DX-B-06, one after the other."""

    def __init__(self):
        self.sides = {BID: {}, ASK: {}}
        self.clock = 0

    def apply(self, bids, asks, *, is_snapshot):
        self.clock += 1
        if is_snapshot:
            self.sides = {BID: {}, ASK: {}}
            self.clock = 1
        for side, levels in ((BID, bids), (ASK, asks)):
            for price, size in levels:
                self.sides[side].pop(price, None)
                if size:
                    self.sides[side][price] = (size, self.clock)
        while all(self.sides.values()):
            bid, ask = max(self.sides[BID]), min(self.sides[ASK])
            if bid < ask:
                return
            bid_size, bid_clock = self.sides[BID][bid]
            ask_size, ask_clock = self.sides[ASK][ask]
            if bid_clock <= ask_clock:
                self.cut(BID, bid, bid_size - ask_size if bid_clock == ask_clock else 0)
            if ask_clock <= bid_clock:
                self.cut(ASK, ask, ask_size - bid_size if bid_clock == ask_clock else 0)

    def cut(self, side, price, left):
        _, clock = self.sides[side].pop(price)
        if left > 0:
            self.sides[side][price] = (left, clock)

    def levels(self, side):
        found = [(price, size) for price, (size, _) in self.sides[side].items()]
        return sorted(found, reverse=side is BID)


LEVELS = st.lists(st.tuples(st.integers(90, 110), st.integers(0, 4)), max_size=4)
FRAMES = st.lists(st.tuples(LEVELS, LEVELS, st.sampled_from([False] * 9 + [True])), max_size=30)


@settings(max_examples=40)
@given(FRAMES)
def test_20_2_random_streams_agree_with_the_reference(frames):
    book, reference = live(), Reference()
    reference.apply([], [], is_snapshot=True)
    for seq, (bids, asks, is_snapshot) in enumerate(frames, 2):
        if is_snapshot:  # each price once
            bids, asks = list(dict(bids).items()), list(dict(asks).items())
            book.replace(snapshot(seq, bids, asks))
            book.go_live(seq)
        else:
            book.on_book_update(update(seq, bids, asks))
        reference.apply(bids, asks, is_snapshot=is_snapshot)
        assert [book.levels(side) for side in (BID, ASK)] == [
            reference.levels(side) for side in (BID, ASK)
        ]
        assert not book.is_crossed
        for side in (BID, ASK):
            for price, (_, clock) in reference.sides[side].items():
                assert book.written_at(side, price) == clock
        book.check()


@settings(max_examples=40)
@given(FRAMES)
def test_dx_b_07_message_ids_as_the_clock_give_the_same_book(frames):
    book, reference = live(), Reference()
    reference.apply([], [], is_snapshot=True)
    for number, (bids, asks, _) in enumerate(frames, 1):
        book.on_book_update(update(7 * number, bids, asks))
        reference.clock = 7 * number - 1  # the next is the frame's number
        reference.apply(bids, asks, is_snapshot=False)
        assert sides(book) == (reference.levels(BID), reference.levels(ASK))


def test_dx_b_10_a_level_the_venue_has_purged_in_silence_goes_when_it_crosses():
    book = live(bids=[(100, 5), (99, 5)], asks=[(110, 5)])
    for seq, price in enumerate((105, 104, 100), 2):  # asks come down to the stale bid
        book.on_book_update(update(seq, asks=[(price, 1)]))
    assert sides(book) == ([(99, 5)], [(100, 1), (104, 1), (105, 1), (110, 5)])
