"""Who is called with what."""

from __future__ import annotations

import pytest

from connectors._speedups.binance import BinanceDecoder
from connectors._speedups.symbols import SymbolTable
from connectors.binance.instruments import symbol_id
from connectors.data.dispatch import Consumer, Dispatch
from connectors.model import EventKind, Instrument, InstrumentKind


def instrument(symbol):
    return Instrument(
        id=symbol_id(symbol),
        symbol=symbol,
        venue="BINANCE",
        kind=InstrumentKind.PERPETUAL,
        base=symbol[:-4],
        quote="USDT",
        tick_size="0.1",
        lot_size="0.001",
    )


@pytest.fixture
def setup():
    errors = []
    dispatch = Dispatch(lambda error, kind, event: errors.append((error, kind)))
    table = SymbolTable()
    numbers = {s: table.add(instrument(s)) for s in ("BTCUSDT", "ETHUSDT")}
    decoder = BinanceDecoder(table, dispatch.router)
    return dispatch, decoder, numbers, errors


def quote(symbol, seq):
    return (
        f'{{"e":"bookTicker","u":{seq},"s":"{symbol}","b":"1.1","B":"1","a":"1.2","A":"1",'
        f'"T":1,"E":1}}'
    ).encode()


def trade(symbol, number, name="aggTrade"):
    key = "a" if name == "aggTrade" else "t"
    return (
        f'{{"e":"{name}","E":1,"s":"{symbol}","{key}":{number},"p":"1.1","q":"1","f":1,"l":1,'
        f'"T":1,"m":true}}'
    ).encode()


def test_one_consumer_is_called_by_the_router_itself(setup):
    dispatch, decoder, numbers, _ = setup
    got = []
    consumer = Consumer(EventKind.QUOTE, numbers["BTCUSDT"], got.append)
    dispatch.add(consumer)
    assert dispatch.router.routed(EventKind.QUOTE, numbers["BTCUSDT"]) == got.append
    decoder.feed(quote("BTCUSDT", 1))
    decoder.feed(quote("ETHUSDT", 2))
    dispatch.remove(consumer)
    decoder.feed(quote("BTCUSDT", 3))
    assert [event.seq for event in got] == [1]
    dispatch.remove(consumer)  # ignored


def test_several_consumers_share_and_one_error_stops_none(setup):
    dispatch, decoder, numbers, errors = setup
    first, last = [], []

    def bad(event):
        raise ValueError("mine")

    for callback in (first.append, bad, last.append):
        dispatch.add(Consumer(EventKind.QUOTE, numbers["BTCUSDT"], callback))
    decoder.feed(quote("BTCUSDT", 1))
    assert len(first) == len(last) == 1
    assert [(str(error), kind) for error, kind in errors] == [("mine", EventKind.QUOTE)]


def test_all_symbols_and_one_symbol_together(setup):
    dispatch, decoder, numbers, _ = setup
    everything, btc = [], []
    wide = Consumer(EventKind.QUOTE, -1, everything.append)
    narrow = Consumer(EventKind.QUOTE, numbers["BTCUSDT"], btc.append)
    dispatch.add(narrow)
    dispatch.add(wide)
    decoder.feed(quote("BTCUSDT", 1))
    decoder.feed(quote("ETHUSDT", 2))
    assert [e.seq for e in everything] == [1, 2]
    assert [e.seq for e in btc] == [1]
    dispatch.remove(narrow)
    decoder.feed(quote("BTCUSDT", 3))
    assert [e.seq for e in everything] == [1, 2, 3]
    dispatch.add(narrow)
    dispatch.remove(wide)
    decoder.feed(quote("BTCUSDT", 4))
    assert [e.seq for e in everything] == [1, 2, 3]
    assert [e.seq for e in btc] == [1, 4]


def test_filters(setup):
    dispatch, decoder, numbers, _ = setup
    got = []
    number = numbers["BTCUSDT"]
    dispatch.add(
        Consumer(EventKind.TRADE, number, got.append, wants=lambda event: event.is_aggregate)
    )
    decoder.feed(trade("BTCUSDT", 1))
    decoder.feed(trade("BTCUSDT", 2, "trade"))
    assert [event.trade_id for event in got] == [1]


def test_on_first_is_called_once_and_costs_nothing_after(setup):
    dispatch, decoder, numbers, _ = setup
    number = numbers["BTCUSDT"]
    got, firsts = [], []
    dispatch.add(Consumer(EventKind.QUOTE, number, got.append))
    dispatch.on_first(EventKind.QUOTE, number, lambda: firsts.append(len(got)))
    decoder.feed(quote("BTCUSDT", 1))
    decoder.feed(quote("BTCUSDT", 2))
    assert firsts == [0]
    assert len(got) == 2
    assert dispatch.router.routed(EventKind.QUOTE, number) == got.append
    dispatch.on_first(EventKind.QUOTE, number, lambda: firsts.append(9))
    dispatch.forget_first(EventKind.QUOTE, number)
    decoder.feed(quote("BTCUSDT", 3))
    assert firsts == [0]


def test_on_first_with_a_consumer_of_all_symbols(setup):
    dispatch, decoder, numbers, _ = setup
    everything, firsts = [], []
    dispatch.add(Consumer(EventKind.QUOTE, -1, everything.append))
    dispatch.on_first(EventKind.QUOTE, numbers["BTCUSDT"], lambda: firsts.append(1))
    decoder.feed(quote("BTCUSDT", 1))
    decoder.feed(quote("BTCUSDT", 2))
    assert len(everything) == 2
    assert firsts == [1]


def test_bn_t_12_each_event_once_while_two_connections_overlap(setup):
    dispatch, decoder, numbers, _ = setup
    quotes, trades = [], []
    dispatch.add(Consumer(EventKind.QUOTE, numbers["BTCUSDT"], quotes.append))
    dispatch.add(Consumer(EventKind.TRADE, numbers["BTCUSDT"], trades.append))
    other = BinanceDecoder(decoder.symbols, dispatch.router)
    decoder.feed(quote("BTCUSDT", 10))
    dispatch.begin_overlap()
    for seq in (11, 12):
        decoder.feed(quote("BTCUSDT", seq))
        decoder.feed(trade("BTCUSDT", seq))
    for seq in (11, 12, 13):
        other.feed(quote("BTCUSDT", seq))
        other.feed(trade("BTCUSDT", seq))
    decoder.feed(quote("BTCUSDT", 13))
    dispatch.end_overlap()
    other.feed(quote("BTCUSDT", 14))
    assert [event.seq for event in quotes] == [10, 11, 12, 13, 14]
    assert [event.trade_id for event in trades] == [11, 12, 13]
    assert dispatch.router.routed(EventKind.QUOTE, numbers["BTCUSDT"]) == quotes.append


def test_bn_t_12_no_trade_is_lost_when_the_new_connection_is_ahead(setup):
    """The new one never sends the trades before its subscription, the old one may be late."""
    dispatch, old, numbers, _ = setup
    got = []
    dispatch.add(Consumer(EventKind.TRADE, numbers["BTCUSDT"], got.append))
    new = BinanceDecoder(old.symbols, dispatch.router)
    dispatch.begin_overlap()
    old.feed(trade("BTCUSDT", 1))
    new.feed(trade("BTCUSDT", 4))
    for number in (2, 3, 4, 5):
        old.feed(trade("BTCUSDT", number))
    new.feed(trade("BTCUSDT", 5))
    assert sorted(event.trade_id for event in got) == [1, 2, 3, 4, 5]


def test_overlap_does_not_silence_numbers_that_start_again(setup):
    dispatch, decoder, numbers, _ = setup
    got = []
    dispatch.add(Consumer(EventKind.QUOTE, numbers["BTCUSDT"], got.append))
    dispatch.begin_overlap()
    decoder.feed(quote("BTCUSDT", 100))
    later = quote("BTCUSDT", 5).replace(b'"T":1', b'"T":2')
    decoder.feed(later)
    decoder.feed(later)
    assert [event.seq for event in got] == [100, 5]


def test_one_that_was_added_twice_is_called_once_until_removed_twice(setup):
    """A subscription over two channels of one connection: each event once."""
    dispatch, decoder, numbers, _ = setup
    got, every = [], []
    one = Consumer(EventKind.QUOTE, numbers["BTCUSDT"], lambda event: got.append(event.seq))
    both = Consumer(EventKind.QUOTE, -1, lambda event: every.append(event.seq))
    for _ in range(2):
        dispatch.add(one)
        dispatch.add(both)
    decoder.feed(quote("BTCUSDT", 1))
    decoder.feed(quote("ETHUSDT", 2))
    dispatch.remove(one)
    dispatch.remove(both)
    decoder.feed(quote("BTCUSDT", 3))
    assert (got, every) == ([1, 3], [1, 2, 3])
    dispatch.remove(one)
    dispatch.remove(both)
    dispatch.remove(both)
    decoder.feed(quote("BTCUSDT", 4))
    assert (got, every) == ([1, 3], [1, 2, 3])
