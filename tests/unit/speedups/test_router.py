"""Router: which callback gets which event, and what happens when one raises."""

from __future__ import annotations

import gc
import logging
import weakref
from typing import Any

import pytest

from connectors._speedups.events import EventHandler, EventKind, Quote, Router, Trade
from oracle.binance_bench import (
    KINDS,
    Bench,
    agg_trade,
    depth,
    force_order,
    kline,
    mark,
    mini_ticker,
    quote,
)

FRAMES = {
    EventKind.QUOTE: quote(),
    EventKind.TRADE: agg_trade(),
    EventKind.BOOK_DELTA: depth(),
    EventKind.BOOK_SNAPSHOT: {"stream": "btcusdt@depth5", "data": depth()},
    EventKind.BAR: kline(),
    EventKind.MARK_PRICE: mark(),
    EventKind.INDEX_PRICE: {"e": "indexPriceUpdate", "E": 1, "i": "BTCUSDT", "p": "1"},
    EventKind.LIQUIDATION: force_order(),
    EventKind.TICKER: mini_ticker(),
}


@pytest.fixture
def bench() -> Bench:
    made = Bench("BTCUSDT", "ETHUSDT")
    for kind in KINDS:
        made.router.route(kind, -1, None)
    return made


def test_every_kind_has_a_frame():
    assert set(FRAMES) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_reaches_its_callback_and_no_other(bench, kind):
    calls: list[int] = []
    for other in KINDS:
        bench.router.route(other, 0, lambda event, other=other: calls.append(other))
    bench.feed(FRAMES[kind])
    assert calls == [kind]
    assert bench.router.delivered == 1


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_made_where_nobody_wants_it(bench, kind):
    bench.feed(FRAMES[kind])
    assert (bench.router.delivered, bench.router.errors) == (0, 0)
    assert bench.decoder.events == 1


def test_a_symbols_own_callback_stands_before_the_general_one(bench):
    got: list[Any] = []
    bench.router.route(EventKind.QUOTE, -1, lambda event: got.append("any"))
    bench.router.route(EventKind.QUOTE, 0, lambda event: got.append("own"))
    for symbol in ("BTCUSDT", "ETHUSDT"):
        bench.feed(quote(s=symbol))
    assert got == ["own", "any"]
    bench.router.route(EventKind.QUOTE, 0, None)
    bench.feed(quote())
    assert got[-1] == "any"


def test_routed_tells_what_is_in_force(bench):
    router = bench.router
    assert router.routed(EventKind.BAR, 5) is None
    router.route(EventKind.BAR, 5, print)
    assert router.routed(EventKind.BAR, 5) is print
    assert router.routed(EventKind.BAR, 4) is None
    router.route(EventKind.BAR, -1, repr)
    assert router.routed(EventKind.BAR, 4) is repr
    assert router.routed(EventKind.BAR, 1000) is repr
    assert router.routed(EventKind.BAR, -1) is repr


@pytest.mark.parametrize("kind", [-1, 9, 100, EventKind.KIND_COUNT])
def test_unknown_kinds(bench, kind):
    with pytest.raises(ValueError, match="no such event kind"):
        bench.router.route(kind, 0, print)
    with pytest.raises(ValueError, match="no such event kind"):
        bench.router.routed(kind, 0)


def test_unknown_symbols_and_callbacks(bench):
    with pytest.raises(ValueError, match="no such symbol number"):
        bench.router.route(EventKind.QUOTE, -2, print)
    for wrong in (1, "x", object()):
        with pytest.raises(TypeError, match="callable"):
            bench.router.route(EventKind.QUOTE, 0, wrong)


def test_a_native_handler_takes_book_updates_only(bench):
    for kind in KINDS:
        if kind in (EventKind.BOOK_DELTA, EventKind.BOOK_SNAPSHOT):
            bench.router.route(kind, 0, EventHandler())
        else:
            with pytest.raises(TypeError, match="native handler"):
                bench.router.route(kind, 0, EventHandler())
    bench.feed(FRAMES[EventKind.BOOK_DELTA])
    bench.feed(FRAMES[EventKind.BOOK_SNAPSHOT])
    assert bench.router.delivered == 0  # no event was made


class TestErrors:
    def test_reported_with_kind_and_event(self):
        reports: list[Any] = []
        bench = Bench("BTCUSDT")
        router = Router(lambda *what: reports.append(what))
        error = RuntimeError("no")

        def fail(event: Any) -> None:
            raise error

        bench.decoder = type(bench.decoder)(bench.symbols, router)
        for kind, frame in FRAMES.items():
            router.route(kind, 0, fail)
            bench.feed(frame)
            caught, reported, event = reports.pop()
            assert caught is error
            assert reported == kind
            assert event.instrument is bench.symbols.instrument(0)
        assert router.errors == router.delivered == len(KINDS)

    def test_logged_where_nobody_asked(self, caplog):
        bench = Bench("BTCUSDT")
        router = Router()

        def fail(event: Any) -> None:
            raise RuntimeError("out of luck")

        router.route(EventKind.QUOTE, 0, fail)
        bench.decoder = type(bench.decoder)(bench.symbols, router)
        with caplog.at_level(logging.ERROR, logger="connectors"):
            bench.feed(quote())
        (record,) = caplog.records
        assert record.name == "connectors.events"
        assert "QUOTE" in record.getMessage()
        assert record.exc_info is not None
        assert "out of luck" in caplog.text

    def test_a_report_that_raises_is_logged_too(self, caplog):
        bench = Bench("BTCUSDT")

        def report(*_: Any) -> None:
            raise ValueError("report failed")

        def fail(event: Any) -> None:
            raise RuntimeError("callback failed")

        router = Router(report)
        router.route(EventKind.QUOTE, 0, fail)
        bench.decoder = type(bench.decoder)(bench.symbols, router)
        with caplog.at_level(logging.ERROR, logger="connectors"):
            bench.feed(quote())
        assert "report failed" in caplog.text
        assert "callback failed" in caplog.text
        assert router.errors == 1

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
    def test_what_is_no_exception_passes(self, error):
        reports: list[Any] = []
        bench = Bench("BTCUSDT")

        def stop(event: Any) -> None:
            raise error

        router = Router(lambda *what: reports.append(what))
        router.route(EventKind.QUOTE, 0, stop)
        bench.decoder = type(bench.decoder)(bench.symbols, router)
        with pytest.raises(error):
            bench.feed(quote())
        assert isinstance(reports[0][0], error)
        router.route(EventKind.QUOTE, 0, None)
        bench.feed(quote())

    def test_a_callback_of_the_wrong_shape(self):
        bench = Bench("BTCUSDT")
        bench.router.route(EventKind.QUOTE, 0, lambda: None)
        bench.feed(quote())
        assert [type(error) for error in bench.handler_errors] == [TypeError]


class TestKeptEvents:
    """An event is made of the one before where nobody kept that; what is kept never changes."""

    @pytest.fixture(params=[EventKind.QUOTE, EventKind.TRADE, EventKind.BOOK_DELTA])
    def kind(self, request) -> EventKind:
        return EventKind(request.param)

    @staticmethod
    def frame(kind: EventKind, n: int) -> dict[str, Any]:
        if kind is EventKind.QUOTE:
            return quote(s=("BTCUSDT", "ETHUSDT")[n % 2], u=n)
        if kind is EventKind.TRADE:
            return agg_trade(s=("BTCUSDT", "ETHUSDT")[n % 2], a=n)
        # As many levels as the one before, or one more.
        bids = [[f"{n}.0", "1"]] * (n % 3) + [[f"{n}.0", "2"]]
        return depth(s=("BTCUSDT", "ETHUSDT")[n % 2], u=n, b=bids, a=[])

    @staticmethod
    def number(event: Any) -> tuple[int, str]:
        if isinstance(event, Quote):
            return event.seq, event.instrument.symbol
        if isinstance(event, Trade):
            return event.trade_id, event.instrument.symbol
        n = event.last_seq
        assert event.bids_decimal() == [(n, 1)] * (n % 3) + [(n, 2)]
        assert event.asks == []
        return n, event.instrument.symbol

    def expected(self, *numbers: int) -> list[tuple[int, str]]:
        return [(n, ("BTCUSDT", "ETHUSDT")[n % 2]) for n in numbers]

    def test_what_a_callback_keeps_never_changes(self, bench, kind):
        kept: list[Any] = []
        seen: list[Any] = []

        def callback(event: Any) -> None:
            seen.append(self.number(event))
            if seen[-1][0] % 3 == 0:
                kept.append(event)

        bench.router.route(kind, -1, callback)
        for n in range(1, 20):
            bench.feed(self.frame(kind, n))
        assert seen == self.expected(*range(1, 20))
        assert [self.number(event) for event in kept] == self.expected(*range(3, 20, 3))

    def test_a_frame_that_a_callback_feeds_leaves_its_event_alone(self, bench, kind):
        seen: list[Any] = []

        def callback(event: Any) -> None:
            number = self.number(event)
            if number[0] < 4:
                bench.feed(self.frame(kind, number[0] + 1))
            seen.append((number, self.number(event)))

        bench.router.route(kind, -1, callback)
        bench.feed(self.frame(kind, 1))
        assert seen == [(number, number) for number in self.expected(4, 3, 2, 1)]

    def test_what_a_report_keeps_never_changes(self, kind):
        reports: list[Any] = []
        bench = Bench("BTCUSDT", "ETHUSDT")
        router = Router(lambda error, kind, event: reports.append(event))
        router.route(kind, -1, lambda event: 1 // 0)
        bench.decoder = type(bench.decoder)(bench.symbols, router)
        for n in range(1, 4):
            bench.feed(self.frame(kind, n))
        assert [self.number(event) for event in reports] == self.expected(1, 2, 3)


def test_a_callback_lives_as_long_as_it_is_routed(bench):
    class Callback:
        def __call__(self, event: Any) -> None:
            bench.router.route(EventKind.QUOTE, 0, None)  # the last reference goes
            gc.collect()
            self.called = True

    callback = Callback()
    gone = weakref.ref(callback)
    bench.router.route(EventKind.QUOTE, 0, callback)
    del callback
    gc.collect()
    assert gone() is not None
    bench.feed(quote())
    gc.collect()
    assert gone() is None
    assert bench.router.errors == 0
