"""ChainedBook: the live end of a sequence chain, for Binance (pu, u) and Lighter nonces alike."""

from __future__ import annotations

import pytest

from connectors._speedups.book import BookSide, ChainedBook, OrderBook
from connectors._speedups.errors import PrecisionError, ProtocolError
from connectors._speedups.events import BookUpdate, EventFlag, EventHandler, InstrumentBase
from connectors._speedups.ticks import TickScale


def instrument(price="0.1"):
    return InstrumentBase("BTCUSDT-PERP", "BTCUSDT", "BINANCE", TickScale(price), TickScale("1"))


BTC = instrument()
BID = BookSide.BID


def link(prev, last, bids=(), asks=(), **fields):
    on = fields.pop("instrument", BTC)
    return BookUpdate(on, list(bids), list(asks), prev_seq=prev, last_seq=last, **fields)


class Recorder(ChainedBook):
    """Keeps what came beside the chain, with whether the book was live at that moment."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.beside = []
        self.crossings = 0

    def on_irregular(self, update):
        self.beside.append((update.last_seq, self.live))

    def on_crossed(self):
        self.crossings += 1


def live_at(seq, **options):
    book = Recorder(BTC, **options)
    book.apply(BookUpdate(BTC, [(100, 1)], [(110, 1)], is_snapshot=True, last_seq=seq))
    book.go_live(seq)
    return book


def test_it_is_an_order_book_and_a_handler():
    book = ChainedBook(BTC, max_levels=7, crossed_limit=3)
    assert isinstance(book, OrderBook)
    assert isinstance(book, EventHandler)
    assert (book.live, book.crossed_limit, book.max_levels, book.gaps) == (False, 3, 7, 0)
    assert ChainedBook(BTC).crossed_limit == 10


def test_bn_b_09_updates_that_follow_are_applied():
    changes = []
    book = live_at(10, on_change=lambda b: changes.append((b.last_seq, b.best_bid_ticks)))
    book.on_book_update(link(10, 14, [(101, 2)]))
    book.on_book_update(link(14, 15, [(101, 0), (102, 3)], ts_event=5))
    assert changes == [(14, 101), (15, 102)]
    assert book.beside == []
    assert (book.live, book.last_seq, book.ts_event, book.irregular) == (True, 15, 5, 0)
    assert book.levels(BID) == [(102, 3), (100, 1)]


def test_bn_b_12_ids_need_not_be_consecutive():
    book = live_at(10)
    book.on_book_update(link(10, 1000, first_seq=900))
    book.on_book_update(link(1000, 1001, first_seq=1001))
    assert (book.live, book.last_seq, book.gaps) == (True, 1001, 0)


def test_bn_b_09_a_gap_ends_live_before_anybody_is_told():
    changes = []
    book = live_at(10, on_change=changes.append)
    book.on_book_update(link(11, 12, [(105, 1)]))
    assert book.beside == [(12, False)]
    assert (book.live, book.gaps, book.last_seq) == (False, 1, 10)
    assert book.levels(BID) == [(100, 1)]
    book.on_book_update(link(12, 13, [(106, 1)]))
    book.on_book_update(link(10, 11))
    assert book.beside == [(12, False), (13, False), (11, False)]
    assert (book.gaps, book.irregular, changes) == (1, 3, [])


def test_bn_b_11_repeats_are_no_gap_and_not_applied():
    book = live_at(10)
    book.on_book_update(link(10, 14, [(101, 2)]))
    book.on_book_update(link(10, 14, [(101, 9)]))
    book.on_book_update(link(8, 10, [(101, 9)]))
    assert (book.live, book.gaps, book.stale, book.last_seq) == (True, 0, 2, 14)
    assert book.beside == [(14, True), (10, True)]
    assert book.levels(BID) == [(101, 2), (100, 1)]
    book.on_book_update(link(14, 15))
    assert book.last_seq == 15


def test_a_number_that_runs_backwards_is_not_followed():
    book = live_at(10)
    book.on_book_update(link(10, 9, [(101, 9)]))
    assert (book.last_seq, book.stale, book.levels(BID)) == (10, 1, [(100, 1)])


def test_lighter_empty_update_with_its_own_nonce():
    """begin_nonce == nonce == the held one is legal and changes nothing."""
    book = live_at(10)
    book.on_book_update(link(10, 10))
    assert (book.live, book.last_seq, book.beside) == (True, 10, [])


def test_without_a_chain_nothing_is_followed():
    """prev_seq -1: the venue has no such number."""
    book = live_at(10)
    book.on_book_update(link(-1, 11, [(101, 2)]))
    assert (book.live, book.gaps) == (False, 1)


def test_a_snapshot_is_for_the_slow_path():
    book = live_at(10)
    book.on_book_update(link(10, 11, [(101, 2)], is_snapshot=True))
    assert book.beside == [(11, True)]
    assert (book.last_seq, book.gaps, book.stale) == (10, 0, 0)
    assert book.levels(BID) == [(100, 1)]


@pytest.mark.parametrize(
    "wrong", [{"flags": EventFlag.OFF_SCALE}, {"instrument": instrument("0.01")}]
)
def test_another_grid_ends_live(wrong):
    book = live_at(10)
    book.on_book_update(link(10, 11, [(101, 2)], **wrong))
    assert book.beside == [(11, False)]
    assert (book.live, book.gaps, book.levels(BID)) == (False, 0, [(100, 1)])
    with pytest.raises(PrecisionError):
        book.apply(link(10, 11, [(101, 2)], **wrong))


def test_the_irregular_update_is_a_copy_to_keep():
    kept = []

    class Keeper(ChainedBook):
        def on_irregular(self, update):
            kept.append(update)

    update = link(3, 4, [(7, 1), (6, 0)], [(9, 5)], first_seq=2, ts_event=77, ts_init=78, flags=32)
    Keeper(BTC).on_book_update(update)
    assert kept == [update]
    assert kept[0] is not update
    assert (kept[0].ts_init, kept[0].bids, kept[0].asks) == (78, [(7, 1), (6, 0)], [(9, 5)])


def test_a_refused_update_is_not_half_applied_and_ends_the_trust_in_the_book():
    book = live_at(10)
    with pytest.raises(ProtocolError, match="negative"):
        book.on_book_update(link(10, 11, [(101, 2)], [(109, -1)]))
    assert (book.last_seq, book.levels(BID)) == (10, [(100, 1)])
    assert (book.live, book.gaps) == (False, 1), "trusted until the next update shows the gap"
    book.on_book_update(link(11, 12))
    assert (book.live, book.gaps, book.irregular) == (False, 1, 1)


def test_what_the_callbacks_raise_goes_up():
    class Broken(ChainedBook):
        def on_irregular(self, update):
            raise KeyError(update.last_seq)

    book = Broken(BTC, on_change=lambda b: 1 / 0)
    with pytest.raises(KeyError, match="5"):
        book.on_book_update(link(4, 5))
    book.go_live(5)
    with pytest.raises(ZeroDivisionError):
        book.on_book_update(link(5, 6, [(1, 1)]))
    assert (book.last_seq, book.live, book.best_bid_ticks) == (6, True, 1)


def test_bn_b_21_staying_crossed():
    """More than the limit in a row: told once for each run, instead of on_change."""
    changes = []
    book = live_at(0, crossed_limit=2, on_change=lambda b: changes.append(b.last_seq))
    seq = 0

    def feed(*bids):
        nonlocal seq
        book.on_book_update(link(seq, seq + 1, bids))
        seq += 1

    feed((110, 1))
    feed()
    assert (book.crossings, book.crossed_run, changes) == (0, 2, [1, 2])
    feed()
    assert (book.crossings, changes) == (1, [1, 2])
    feed()
    assert (book.crossings, changes) == (1, [1, 2, 4])
    feed((110, 0))
    assert book.crossed_run == 0
    feed((111, 1))
    feed()
    feed()
    assert (book.crossings, book.crossed_updates) == (2, 7)
    assert book.live


def test_by_default_a_book_that_stays_crossed_is_not_live():
    book = ChainedBook(BTC, crossed_limit=0)
    book.go_live(1)
    book.on_book_update(link(1, 2, [(10, 1)], [(10, 1)]))
    assert not book.live
    book.on_book_update(link(2, 3))  # on_irregular does nothing by default
    assert (book.irregular, book.last_seq) == (1, 2)


def test_clear_ends_live_and_go_live_starts_a_new_run():
    book = live_at(10)
    book.on_book_update(link(10, 11, [(110, 1)]))
    assert book.crossed_run == 1
    book.go_live(20)
    assert (book.live, book.last_seq, book.crossed_run) == (True, 20, 0)
    book.clear()
    assert (book.live, book.last_seq, len(book)) == (False, -1, 0)
    book.live = True
    book.reset(instrument("0.01"))
    assert not book.live


def test_a_callback_may_end_live_or_clear():
    book = live_at(10, on_change=lambda b: b.clear())
    book.on_book_update(link(10, 11, [(101, 1)]))
    assert (book.live, len(book)) == (False, 0)
    book.on_book_update(link(11, 12))
    assert book.beside == [(12, False)]


def test_a_copy_is_a_plain_book():
    copy = live_at(10).copy()
    assert type(copy) is OrderBook
    assert copy.last_seq == 10
