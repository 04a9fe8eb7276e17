"""Local books on the chain of nonces (6.4): the script X-01, and what it leaves out."""

from __future__ import annotations

import json
import pathlib

from connectors._speedups.lighter import LighterDecoder
from connectors._speedups.symbols import SymbolTable
from connectors.data.dispatch import Dispatch
from connectors.data.resync import FIRST_WAIT_S, MOST_REPEATS, ResyncedBooks
from connectors.lighter.control import Control
from connectors.lighter.instruments import parse_instruments, wire_name
from connectors.model import BookGap, BookState, BookStatus

DATA = pathlib.Path(__file__).parents[2] / "data" / "lighter"
SCRIPT = json.loads((DATA / "order_book_sequence.json").read_text())["steps"]
DETAILS = json.loads((DATA / "public_frames.json").read_text())["details"]
(ETH, *_) = parse_instruments(DETAILS)


class Desk:
    """A book of ETH, its decoder and its channel, without a socket."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.events: list[object] = []
        self.waits: list[float] = []
        self.sent: list[str] = []
        self.shown: list[list[tuple[int, int]]] = []
        symbols = SymbolTable()
        number = symbols.add(ETH, alias=wire_name(ETH))
        dispatch = Dispatch(lambda error, kind, event: self.events.append(error))
        self.books = ResyncedBooks(
            "LIGHTER",
            dispatch,
            resync=self._resync,
            emit=self.events.append,
            on_callback_error=lambda error, kind, event: self.events.append(error),
            now=lambda: self.now,
        )
        self.control = Control()
        self.decoder = LighterDecoder(symbols, dispatch.router, on_control=self._control)
        self.control.subscribe("order_book/0")
        self.control.on_connected()
        self.book = self.books.add(ETH, number, self._show)
        self.pump()

    def _show(self, book) -> None:
        assert book.live
        self.shown.append(book.levels(0))

    def _resync(self, instrument, wait_s: float) -> None:
        self.waits.append(wait_s)
        self.control.renew("order_book/0")

    def _control(self, name: str, channel: str, data: bytes) -> None:
        if name == "unsubscribed":
            self.control.on_unsubscribed(channel)

    def feed(self, frame: dict) -> None:
        if frame.get("type") == "subscribed/order_book":
            self.control.on_subscribed(frame["channel"])
        self.decoder.feed(json.dumps(frame).encode())
        self.pump()

    def pump(self) -> None:
        while (command := self.control.next_command(self.now)) is not None:
            self.sent.append(f"{command.method.value} {command.channel}")
            self.control.sent(command, self.now)

    def levels(self) -> dict[str, list[list[str]]] | None:
        if not self.book.live:
            return None
        price, size = ETH.price_scale, ETH.size_scale
        return {
            side: [[price.format(p), size.format(s)] for p, s in self.book.levels(number)]
            for side, number in (("asks", 1), ("bids", 0))
        }


def snapshot(nonce: int, asks=(), bids=()) -> dict:
    return frame("subscribed", nonce, 0, asks, bids)


def update(nonce: int, begin: int, asks=(), bids=()) -> dict:
    return frame("update", nonce, begin, asks, bids)


def frame(stage: str, nonce: int, begin: int, asks, bids) -> dict:
    def sides(levels):
        return [{"price": p, "size": s} for p, s in levels]

    return {
        "channel": "order_book:0",
        "order_book": {
            "code": 0, "asks": sides(asks), "bids": sides(bids), "offset": 1, "nonce": nonce,
            "begin_nonce": begin, "last_updated_at": 1778138582552000 + nonce,
        },
        "timestamp": 1778138582552,
        "type": f"{stage}/order_book",
    }  # fmt: skip


def test_x_01_the_book_script_step_by_step():
    desk = Desk()
    for number, step in enumerate(SCRIPT):
        desk.feed(step["frame"])
        want = step["book"]
        got = desk.levels()
        why = f"step {number}: {step['action']}"
        if want is None:
            assert got is None, why
        else:
            assert got == {"asks": want["asks"], "bids": want["bids"]}, why
            assert desk.book.last_seq == want["nonce"], why
    assert desk.sent == [
        "subscribe order_book/0", "unsubscribe order_book/0", "subscribe order_book/0",
    ]  # fmt: skip
    gaps = [e for e in desk.events if isinstance(e, BookGap)]
    assert [(g.expected_seq, g.got_seq) for g in gaps] == [(109, 111)]
    states = [e.state for e in desk.events if isinstance(e, BookStatus)]
    assert states == [BookState.LIVE, BookState.BUFFERING, BookState.LIVE]
    assert desk.book.stale == 1


def test_a_crossed_update_is_a_gap():
    desk = Desk()
    desk.feed(snapshot(10, asks=[("2001.00", "1.0000")], bids=[("2000.00", "1.0000")]))
    desk.feed(update(11, 10, bids=[("2001.00", "2.0000")]))
    assert desk.levels() is None
    assert desk.waits == [0.0]
    assert len(desk.shown) == 1  # the crossed book was never shown
    desk.feed(update(12, 11, asks=[("2002.00", "1.0000")]))
    assert desk.waits == [0.0]  # one resync in flight
    desk.feed(snapshot(13, asks=[("2003.00", "1.0000")], bids=[("2000.00", "1.0000")]))
    assert desk.levels() is not None


def test_books_that_break_again_and_again_ask_ever_more_slowly():
    desk = Desk()
    for n in range(6):
        desk.feed(snapshot(100 * n, asks=[("2001.00", "1.0000")]))
        desk.feed(update(100 * n + 50, 100 * n + 40, asks=[("2001.00", "2.0000")]))
    assert desk.waits == [0.0, *(FIRST_WAIT_S * 2**n for n in range(5))]


def test_a_snapshot_may_be_empty_and_its_levels_in_any_order():
    desk = Desk()
    desk.feed(snapshot(0))
    assert desk.levels() == {"asks": [], "bids": []}
    desk.feed(snapshot(5, asks=[("2003.00", "1.0000"), ("2001.00", "1.0000"), ("0.00", "9.0000")]))
    assert desk.levels()["asks"] == [["2001.00", "1.0000"], ["2003.00", "1.0000"]]


def test_a_value_off_the_grid_ends_the_book_until_the_instrument_was_read_again():
    desk = Desk()
    desk.feed(snapshot(10, asks=[("2001.00", "1.0000")]))
    desk.feed(update(11, 10, asks=[("2001.005", "1.0000")]))
    assert desk.levels() is None
    assert desk.waits == [10.0]
    desk.feed(update(12, 11, asks=[("2001.005", "2.0000")]))
    assert desk.waits == [10.0]
    desk.books.on_instrument(ETH)
    assert desk.waits == [10.0, 0.0]


def test_a_lost_connection_makes_the_book_wait_for_its_snapshot():
    desk = Desk()
    desk.feed(snapshot(10, asks=[("2001.00", "1.0000")]))
    desk.books.on_lost({ETH.id})
    desk.control.on_lost()
    assert desk.levels() is None
    desk.control.on_connected()
    desk.feed(update(11, 10, asks=[("2001.00", "2.0000")]))
    assert desk.levels() is None  # also one that would fit: what was missed is not known
    assert desk.waits == []
    desk.feed(snapshot(20, asks=[("2001.00", "3.0000")]))
    assert desk.levels()["asks"] == [["2001.00", "3.0000"]]
    assert desk.sent == ["subscribe order_book/0", "subscribe order_book/0"]


def test_a_negative_size_is_refused_and_asked_for_anew():
    desk = Desk()
    desk.feed(snapshot(10, asks=[("2001.00", "-1.0000")]))
    assert desk.levels() is None
    assert desk.sent[1:] == ["unsubscribe order_book/0", "subscribe order_book/0"]


def test_a_callback_that_raises_does_not_keep_the_book_from_the_others():
    desk = Desk()

    def broken(book) -> None:
        raise ValueError("mine")

    desk.books.add(ETH, 0, broken)
    desk.books.add(ETH, 0, desk._show)
    desk.feed(snapshot(10, asks=[("2001.00", "1.0000")]))
    assert len(desk.shown) == 2
    assert [str(e) for e in desk.events if isinstance(e, ValueError)] == ["mine"]
    desk.books.remove(ETH, broken)
    desk.books.remove(ETH, desk._show)
    desk.books.remove(ETH, desk._show)
    assert len(desk.books) == 0


def test_a_book_that_sees_only_old_updates_is_read_again():
    """The venue began to count anew: all that comes looks like a repeat, and nothing moves."""
    desk = Desk()
    desk.feed(snapshot(1_000, asks=[("2400.00", "1.0000")], bids=[("2300.00", "1.0000")]))
    for number in range(1, MOST_REPEATS + 1):
        desk.feed(update(number, number - 1, asks=[("2390.00", "1.0000")]))
    assert desk.book.live
    desk.feed(update(1_001, 1_000))  # a long replay, and on it goes
    for number in range(1, MOST_REPEATS + 1):
        desk.feed(update(number, number - 1))
    assert desk.book.live
    assert desk.waits == []
    desk.feed(update(21, 20))
    assert not desk.book.live
    assert desk.waits == [0.0]
    desk.feed(snapshot(22, asks=[("2390.00", "1.0000")], bids=[("2300.00", "1.0000")]))
    desk.feed(update(23, 22, bids=[("2310.00", "1.0000")]))
    assert desk.levels()["bids"][0] == ["2310.00", "1.0000"]
