"""BookTops: quotes read off a book."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors._speedups.book import OrderBook
from connectors._speedups.events import BookUpdate, InstrumentBase
from connectors._speedups.ticks import TickScale
from connectors._speedups.tops import BookTops

BTC = InstrumentBase("BTC-PERP", "BTC", "X", TickScale("0.5"), TickScale("0.1"))


def update(seq, bids=(), asks=(), **fields):
    fields = {"ts_event": 10 * seq, "ts_init": 20 * seq, **fields}
    return BookUpdate(BTC, list(bids), list(asks), last_seq=seq, **fields)


def seen(book, quote):
    return (quote.bid_ticks, quote.bid_lots, quote.ask_ticks, quote.ask_lots)


def test_a_quote_has_the_numbers_of_the_update_that_changed_it():
    quotes = []
    book = OrderBook(BTC, on_change=BookTops(quotes.append))
    book.on_book_update(update(1, [(100, 5)], [(110, 6)]))
    book.on_book_update(update(2, [(99, 1)], [(111, 1)]))  # below the top
    book.on_book_update(update(3, [(100, 7)]))
    assert [(q.seq, q.ts_event, q.ts_init, *seen(book, q)) for q in quotes] == [
        (1, 10, 20, 100, 5, 110, 6),
        (3, 30, 60, 100, 7, 110, 6),
    ]
    assert quotes[0].instrument is BTC
    assert book.on_change.quotes == 2


def test_a_side_that_is_empty_is_told_once_and_is_no_quote():
    quotes, empty = [], []
    tops = BookTops(quotes.append, lambda *side: empty.append(side))
    book = OrderBook(BTC, on_change=tops)
    book.on_book_update(update(1))
    book.on_book_update(update(2, [(100, 5)]))
    book.on_book_update(update(3, [(101, 5)]))
    book.on_book_update(update(4, [], [(110, 1)]))
    book.on_book_update(update(5, [(100, 0), (101, 0)]))
    book.on_book_update(update(6, [], [(110, 0)]))
    assert [side[1:] for side in empty] == [
        (False, False), (True, False), (False, True), (False, False),
    ]  # fmt: skip
    assert empty[0][0] is BTC
    assert [seen(book, quote) for quote in quotes] == [(101, 5, 110, 1)]


def test_what_callbacks_raise_goes_up_and_it_takes_books_only():
    def refuse(*_args):
        raise ZeroDivisionError

    for tops in (BookTops(refuse), BookTops(print, refuse)):
        book = OrderBook(BTC, on_change=tops)
        with pytest.raises(ZeroDivisionError):
            book.on_book_update(update(1, [(1, 1)], [(2, 1)]))
            book.on_book_update(update(2, [(1, 0)]))
    for junk in (None, 5, object()):
        with pytest.raises(TypeError):
            BookTops(print)(junk)


LEVELS = st.lists(st.tuples(st.integers(90, 110), st.integers(0, 3)), max_size=3)


@given(st.lists(st.tuples(LEVELS, LEVELS), max_size=30))
def test_quotes_are_the_changes_of_the_top(steps):
    quotes, wanted = [], []
    tops = BookTops(quotes.append)
    book = OrderBook(BTC)
    last = None
    for seq, (bids, asks) in enumerate(steps):
        book.apply(update(seq, bids, asks))
        tops(book)
        top = (book.best_bid_ticks, book.best_bid_lots, book.best_ask_ticks, book.best_ask_lots)
        if top != last and None not in top:
            wanted.append(top)
        last = top
    assert [seen(book, quote) for quote in quotes] == wanted
