"""Books that each message replaces (4.3), and trades once with their gaps."""

from __future__ import annotations

import pytest

from connectors._speedups.hyperliquid import HyperliquidDecoder
from connectors._speedups.symbols import SymbolTable
from connectors.data.dispatch import Dispatch
from connectors.data.trades import NewTrades
from connectors.hyperliquid.books import Books, SnapshotBook
from connectors.hyperliquid.instruments import parse_instruments
from connectors.model import BookState, BookStatus, EventFlag, Trade

META = {"universe": [{"name": "BTC", "szDecimals": 5}, {"name": "ETH", "szDecimals": 4}]}
FINER = {"universe": [{"name": "BTC", "szDecimals": 4}, {"name": "ETH", "szDecimals": 4}]}
NO_SPOT = {"tokens": [], "universe": []}


def instruments(meta=META):
    return parse_instruments(NO_SPOT, {"": meta})


class Rig:
    """A book behind a decoder."""

    def __init__(self):
        self.told = []
        self.shown = []
        self.symbols = SymbolTable()
        for each in instruments():
            self.symbols.add(each)
        self.dispatch = Dispatch(lambda error, kind, event: self.told.append(error))
        self.decoder = HyperliquidDecoder(self.symbols, self.dispatch.router)
        self.books = Books(
            emit=self.told.append,
            on_callback_error=lambda error, kind, book: self.told.append(error),
        )
        self.book = SnapshotBook(self.books, "l2Book BTC", instruments()[0], 0, 20)
        for consumer in self.book.consumers:
            self.dispatch.add(consumer)
        self.books.attach(self.book, self._show)

    def _show(self, book):
        assert book.live
        self.shown.append((book.bid, book.ask, book.last_seq))

    def send(self, time, bids, asks, coin="BTC"):
        def level(pair):
            return f'{{"px":"{pair[0]}","sz":"{pair[1]}","n":1}}'

        sides = ",".join("[" + ",".join(map(level, side)) + "]" for side in (bids, asks))
        frame = (
            f'{{"channel":"l2Book","data":{{"coin":"{coin}","time":{time},"levels":[{sides}]}}}}'
        )
        self.decoder.feed(frame.encode())

    @property
    def states(self):
        return [(e.state, e.reason) for e in self.told if isinstance(e, BookStatus)]


def test_each_message_replaces_the_book():
    rig = Rig()
    rig.send(1, [("100", "1"), ("99", "2")], [("101", "3")])
    rig.send(2, [("98", "5")], [("99.5", "1"), ("102", "4")])
    assert rig.shown == [(100, 101, 1), (98, 99.5, 2)]
    assert [p for p, _ in rig.book.levels(0)] == [980]
    assert (rig.book.snapshots, rig.states) == (2, [(BookState.LIVE, "")])


def test_the_same_book_again_is_shown_again_and_an_older_one_is_not_applied():
    rig = Rig()
    rig.send(5, [("100", "1")], [("101", "3")])
    rig.send(5, [("100", "1")], [("101", "3")])
    rig.send(4, [("90", "1")], [("91", "3")])
    assert [seq for _, _, seq in rig.shown] == [5, 5]
    assert (rig.book.outdated, rig.book.last_seq, rig.book.live) == (1, 5, True)


def test_empty_sides_are_a_book():
    rig = Rig()
    rig.send(1, [], [])
    rig.send(2, [("100", "1")], [])
    assert rig.shown == [(None, None, 1), (100, None, 2)]


def test_a_crossed_book_is_not_shown_and_the_next_one_heals_it():
    rig = Rig()
    rig.send(1, [("100", "1")], [("101", "1")])
    rig.send(2, [("102", "1")], [("101", "1")])
    assert not rig.book.live
    assert len(rig.book) == 0
    rig.send(3, [("100", "1")], [("101", "1")])
    assert [state for state, _ in rig.states] == [
        BookState.LIVE, BookState.BUFFERING, BookState.LIVE,
    ]  # fmt: skip
    assert [seq for _, _, seq in rig.shown] == [1, 3]
    assert rig.book.refused == 1


@pytest.mark.parametrize("size", ["-1", "0.000001"])
def test_a_book_that_cannot_be_applied_is_dropped(size):
    rig = Rig()
    rig.send(1, [("100", "1")], [("101", "1")])
    rig.send(2, [("100", size)], [("101", "1")])
    assert not rig.book.live
    assert rig.book.refused == 1


def test_a_changed_grid_brings_the_book_back_on_the_new_one():
    rig = Rig()
    rig.send(1, [("100", "1")], [("101", "1")])
    rig.send(2, [("100.01", "1")], [("101", "1")])  # off the grid: the instrument is read again
    assert not rig.book.live
    (btc, _) = instruments(FINER)
    rig.symbols.add(btc)
    rig.books.on_instrument(btc)
    rig.send(3, [("100.01", "1")], [("101", "1")])
    assert rig.book.live
    assert rig.book.instrument is btc
    rig.books.on_instrument(instruments(FINER)[0])
    assert rig.book.live  # the same grid again changes nothing


def test_a_lost_connection_makes_it_invalid_until_the_next_book():
    rig = Rig()
    rig.send(9, [("100", "1")], [("101", "1")])
    rig.books.on_lost(["l2Book ETH", "l2Book BTC"])
    rig.books.on_lost(["l2Book BTC"])
    assert rig.states[1:] == [(BookState.BUFFERING, "connection lost")]
    rig.send(3, [("100", "1")], [("101", "1")])  # whatever its time: it is a new connection
    assert rig.book.live


def test_the_last_callback_takes_the_book_with_it():
    rig = Rig()
    rig.send(1, [("100", "1")], [("101", "1")])
    late = []
    rig.books.attach(rig.book, late.append)
    assert late == [rig.book]  # shown at once
    assert not rig.books.detach(rig.book, late.append)
    assert rig.books.detach(rig.book, rig._show)
    assert rig.books.get("l2Book BTC") is None


# ---- trades ---------------------------------------------------------------------------------


def trade(time, number, flags=0):
    return Trade(
        instruments()[0], price_ticks=1, size_lots=1, trade_id=number, ts_event=time, flags=flags
    )


def passing(new, *trades):
    return [each.trade_id for each in trades if new(each)]


def by_time(**options):
    return NewTrades(
        include_history=options.pop("include_history", False),
        rank=lambda t: t.ts_event,
        key=lambda t: (t.ts_event, t.trade_id),
    )


def test_each_trade_passes_once_whatever_its_number():
    new = by_time()
    assert passing(new, trade(5, 90), trade(5, 3), trade(5, 90), trade(6, 3)) == [90, 3, 3]


def test_history_passes_only_to_who_wants_it():
    old = trade(1, 7, EventFlag.HISTORY)
    assert passing(by_time(), old, trade(2, 8)) == [8]
    assert passing(by_time(include_history=True), old, trade(2, 8)) == [7, 8]


def test_after_a_loss_history_fills_the_gap_and_shows_whether_it_is_whole():
    new = by_time()
    assert new.is_whole
    new.on_lost()
    assert new.is_whole  # nothing was seen: nothing is missing
    passing(new, trade(10, 1), trade(20, 2))
    new.on_lost()
    assert not new.is_whole
    history = EventFlag.HISTORY
    assert passing(new, trade(30, 4, history), trade(40, 5, history)) == [4, 5]
    assert not new.is_whole  # nothing reached back to before the loss
    assert passing(new, trade(5, 0, history), trade(20, 2, history), trade(20, 3, history)) == [3]
    assert new.is_whole
    assert passing(new, trade(50, 6)) == [6]
