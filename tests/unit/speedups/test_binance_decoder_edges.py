"""The Binance decoder: cold and broken messages, symbols, callbacks that misbehave."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from connectors._speedups.binance import BinanceDecoder
from connectors._speedups.errors import DecodeError
from connectors._speedups.events import (
    EventFlag,
    EventHandler,
    EventKind,
    Router,
)
from connectors._speedups.symbols import SymbolTable
from oracle.binance_bench import (
    Bench,
    agg_trade,
    depth,
    force_order,
    instrument,
    kline,
    mark,
    quote,
    ticker,
    trade,
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestColdMessages:
    @pytest.mark.parametrize("message", [
        {"result": None, "id": 3}, {"id": 4, "result": ["btcusdt@trade"]},
        {"code": 2, "msg": "Invalid request"}, {"error": {"code": 2, "msg": "x"}, "id": 1},
        {"code": -1, "msg": "Forced subscription failure", "id": 1},
    ])  # fmt: skip
    def test_replies_go_to_on_control(self, bench, message):
        data = json.dumps(message).encode()
        bench.decoder.feed(b" " + data + b"\n")
        assert bench.control == [data]
        assert bench.decoder.control_messages == 1
        assert (bench.venue, bench.problems, bench.events) == ([], [], [])

    def test_events_without_a_type_go_to_on_venue_event(self, bench):
        frame = {"e": "ORDER_TRADE_UPDATE", "E": 1, "o": {"s": "BTCUSDT", "X": "FILLED"}}
        data = json.dumps(frame).encode()
        bench.decoder.feed(data)
        bench.decoder.feed(b'{"stream":"abc@x","data":' + data + b"}")
        bench.decoder.feed(b'{"stream":"abc@x","data":[' + data + b"," + data + b"]}")
        bench.decoder.feed(b"[" + data + b"]")
        name = "ORDER_TRADE_UPDATE"
        assert bench.venue == [(name, data, stream) for stream in (None, *["abc@x"] * 3, None)]
        assert bench.decoder.venue_events == 5
        assert bench.decoder.unknown_events == 0

    def test_what_has_no_name_at_all_is_counted(self, bench):
        bench.feed({"x": 1})
        bench.feed({})
        bench.feed({"stream": "x", "data": {"y": 1}})
        assert [venue[0] for venue in bench.venue] == ["", "", ""]
        assert (bench.decoder.unknown_events, bench.decoder.venue_events) == (3, 3)

    def test_an_event_name_that_is_no_text(self, bench):
        for value in (1, None, [], {}):
            bench.feed({"e": value, "s": "BTCUSDT"})
        bench.feed(b'{"e":"\\ud800"}')
        bench.feed(b'{"e":"\xff"}')
        assert [venue[0] for venue in bench.venue] == ["", "", "", "", "", "\ufffd"]

    def test_a_named_object_in_event(self, bench):
        """BN-T-15: where the official client looks for serverShutdown."""
        bench.feed({"event": {"e": "serverShutdown", "E": 1}})
        bench.feed({"id": 1, "event": quote()})
        assert bench.venue[0][0] == "serverShutdown"
        assert len(bench.events) == 1

    def test_without_callbacks_it_is_only_counted(self):
        bench = Bench(on_control=None, on_venue_event=None)
        bench.feed({"id": 1, "result": None})
        bench.feed({"e": "x"})
        assert (bench.decoder.control_messages, bench.decoder.venue_events) == (1, 1)

    @pytest.mark.parametrize("data", [1, None, "x", True])
    def test_combined_data_of_another_type(self, bench, data):
        bench.feed({"stream": "x", "data": data})
        assert [error.reason for error, _ in bench.problems] == ["value has the wrong type"]


class TestProblems:
    def test_reported_with_the_whole_message_and_an_offset(self, bench):
        data = b'{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"NaN","B":"1","a":"2","A":"1","T":1}'
        bench.decoder.feed(data)
        ((error, refused),) = bench.problems
        assert refused == data
        assert data[error.offset :].startswith(b'"NaN"')
        assert bench.decoder.decode_errors == 1

    def test_without_a_callback_it_is_raised(self):
        bench = Bench(on_problem=None)
        with pytest.raises(DecodeError, match="truncated"):
            bench.feed(b'{"e":"bookTicker","u":1')
        assert bench.decoder.decode_errors == 1

    def test_a_bad_element_does_not_take_the_others_with_it(self, bench):
        bench.feed([quote(u=1), quote(b="x"), 7, [quote()], quote(u=2)])
        assert [event.seq for event in bench.events] == [1, 2]
        assert [json.loads(data) for _, data in bench.problems] == [quote(b="x"), 7, [quote()]]
        assert bench.decoder.decode_errors == 3

    def test_a_bad_element_without_a_callback_is_raised_at_the_end(self):
        bench = Bench(on_problem=None)
        for wrap in (lambda items: items, lambda items: {"stream": "x", "data": items}):
            with pytest.raises(DecodeError, match="wrong type"):
                bench.feed(wrap([quote(u=1), 7, quote(u=2)]))
        assert [event.seq for event in bench.events] == [
            1,
            2,
            1,
            2,
        ]

    def test_nothing_of_a_broken_message_is_delivered(self, bench):
        good = json.dumps(quote(), separators=(",", ":")).encode()
        for tail in (b"x", b"}", b",", b"\x00", good, b" 1"):
            assert bench.feed(good + tail) is None
            assert bench.feed(b'{"stream":"s","data":' + good + b"}" + tail) is None
        for tail in (b"", b"]", b" x}", b",}", b',"x"}', b',"x":}'):
            assert bench.feed(b'{"stream":"s","data":' + good + tail) is None
        assert len(bench.problems) == 18
        assert bench.feed(good + b" \n") is not None

    def test_deep_and_endless_nesting(self, bench):
        for deep in (
            b"[" * 1_000_000,
            b'{"a":' * 1_000_000,
            b'{"event":' * 100_000,
            b'{"stream":"","data":' * 100_000,
            b'{"e":"bookTicker","x":' + b"[" * 1000,
        ):
            bench.decoder.feed(deep)
        assert {error.reason for error, _ in bench.problems} == {"nested too deeply"}

    def test_nested_envelopes_within_the_depth(self, bench):
        data = json.dumps(quote()).encode()
        for _ in range(30):
            data = b'{"event":' + data + b"}"
        assert bench.feed(data) is not None
        data = json.dumps(quote()).encode()
        for _ in range(30):
            data = b'{"stream":"a","data":' + data + b"}"
        assert bench.feed(data) is not None

    @pytest.mark.parametrize(
        "key", [b'"a""', b'"a\x00"', b'"\x00"', b'"u\x00"', b'"""', b'"\\"', b'"\\a"']
    )
    def test_keys_that_are_no_json_string(self, bench, key):
        """Two letters and a colon are read by the word; none of these may pass for a key."""
        tail = b'"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1","T":1,"E":1'
        for data in (
            b'{"e":"bookTicker",' + key + b":1," + tail + b"}",
            b'{"e":"bookTicker",' + tail + b"," + key + b":1}",
            b'{"id":1,' + key + b":1}",
            b"{" + key + b":1234567890}",
        ):
            assert bench.feed(data) is None
        assert len(bench.problems) == 4

    @pytest.mark.parametrize(
        "key", [rb"\":x", rb"a\":", "", rb"u\u0000", rb"\\", rb"\"", rb"e\u0000"]
    )
    @pytest.mark.parametrize("value", [b"1", b'":x"', b'"a"'])
    def test_keys_with_quotes_in_them(self, bench, key, value):
        member = b'"' + (key if isinstance(key, bytes) else key.encode()) + b'":' + value
        tail = b'"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1","T":1,"E":1'
        assert bench.feed(b'{"e":"bookTicker",' + member + b"," + tail + b"}").seq == 1
        assert bench.feed(b'{"e":"bookTicker",' + tail + b"," + member + b"}").seq == 1
        bench.feed(b'{"id":1,' + member + b"}")
        assert len(bench.control) == 1
        assert not bench.problems

    def test_a_string_value_must_begin_with_its_quote(self, bench):
        """The usual order of keys is read by comparing text; ps is passed over unread."""
        for ps in (b"BTCUSDT", b"1BTCUSDT", b" BTCUSDT"):
            data = (
                b'{"e":"bookTicker","u":3650014712345,"s":"BTCUSDT","ps":%s","b":"1","B":"1",'
                b'"a":"2","A":"1","T":1702555534436,"E":1}'
            )
            assert bench.feed(data % ps) is None
        assert len(bench.problems) == 3


class TestSymbols:
    def test_escaped_and_non_ascii_names(self):
        bench = Bench("币安USDT", "x" * 100, "币" * 100)
        assert bench.feed(quote(s="币安USDT")).instrument.symbol == "币安USDT"  # json.dumps escapes
        assert bench.feed(json.dumps(quote(s="币安USDT"), ensure_ascii=False).encode()) is not None
        for name in ("x" * 100, "币" * 100):
            assert bench.feed(quote(s=name)) is not None
            assert bench.feed(json.dumps(quote(s=name), ensure_ascii=False).encode()) is not None
        assert bench.feed(quote(s="x" * 99)) is None
        assert (
            bench.feed(
                b'{"e":"bookTicker","s":"\\ud800","u":1,"b":"1","B":"1","a":"1","A":"1","T":1}'
            )
            is None
        )
        assert bench.decoder.unknown_symbols == 2

    @pytest.mark.parametrize("length", range(1, 26))
    def test_names_of_every_length(self, length):
        """They are compared by words; a difference in any byte counts."""
        name = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:length]
        bench = Bench(name)
        assert bench.feed(quote(s=name)).instrument.symbol == name
        for at in range(length):
            other = name[:at] + "_" + name[at + 1 :]
            assert bench.feed(quote(s=other)) is None
        assert bench.feed(quote(s=name + "X")) is None
        assert bench.feed(quote(s=name[:-1])) is None
        assert bench.decoder.unknown_symbols == length + 2

    def test_auto_register(self):
        bench = Bench("BTCUSDT", auto_register=True)
        event = bench.feed(quote(s="NEWUSDT", b="0.12345678"))
        assert (event.instrument.symbol, event.instrument.venue) == ("NEWUSDT", "BINANCE")
        assert event.bid == Decimal("0.12345678")
        assert bench.feed(quote(s="NEWUSDT")).instrument is event.instrument
        book = bench.feed(depth(s="OTHER", b=[["1.5", "2"]]))
        assert book.bids_decimal() == [(Decimal("1.5"), Decimal(2))]
        assert (len(bench.symbols), bench.decoder.unknown_symbols) == (3, 0)

    @pytest.mark.parametrize(
        "name", [b"", b"x" * 101, b'a\\"b', b"a\\\\b", b"a\\u0001", b"\xff\xfe", b"\\ud800"]
    )
    def test_auto_register_of_what_is_no_name(self, name):
        bench = Bench("BTCUSDT", auto_register=True)
        for data in (
            b'{"e":"bookTicker","u":1,"s":"' + name + b'","b":"1","B":"1","a":"2","A":"1","T":1}',
            b'{"e":"depthUpdate","T":1,"s":"' + name + b'","U":1,"u":1,"pu":1,"b":[],"a":[]}',
        ):
            assert bench.feed(data) is None
        assert (bench.decoder.unknown_symbols, len(bench.symbols)) == (2, 1)
        assert not bench.problems

    def test_a_replaced_instrument_takes_effect_at_once(self, bench):
        old = bench.feed(quote())
        bench.symbols.add(instrument("BTCUSDT", "0.0001"))
        new = bench.feed(quote())
        assert (old.bid_ticks, new.bid_ticks) == (100, 10_000)
        assert old == new  # the same prices

    def test_a_depth_frame_that_names_two_symbols(self, bench):
        data = json.dumps(depth()).replace('"U"', '"s":"ETHUSDT","U"').encode()
        assert bench.feed(data) is None
        assert [error.reason for error, _ in bench.problems] == ["value is not allowed here"]

    def test_levels_before_the_symbol(self, bench):
        frame = depth(b=[["1.5", "2"]], a=[["1.505", "1"]])
        turned = {"e": "depthUpdate"} | {
            k: frame[k]
            for k in [
                "b",
                "a",
                "s",
                "T",
                "U",
                "u",
                "pu",
            ]
        }
        event = bench.feed(turned)
        assert event == bench.feed(frame)
        assert event.flags == EventFlag.OFF_SCALE


class TestCallbacks:
    def test_ts_init_is_handed_on(self, bench):
        index = {"e": "indexPriceUpdate", "E": 1, "i": "BTCUSDT", "p": "1"}
        makers = [quote, agg_trade, trade, depth, mark, kline, ticker, force_order]
        for frame in [index, *(make() for make in makers)]:
            assert bench.feed(frame, 12345).ts_init == 12345
        bench.decoder.feed_bytes(json.dumps(quote()).encode())
        assert bench.events[-1].ts_init == 0

    def test_a_handler_that_raises_is_reported_and_the_stream_goes_on(self, bench):
        def fail(event: Any) -> None:
            raise RuntimeError(f"no {event.seq}")

        bench.router.route(EventKind.QUOTE, 0, fail)
        bench.feed([quote(u=1), quote(u=2, s="ETHUSDT"), quote(u=3)])
        assert [str(error) for error in bench.handler_errors] == ["no 1", "no 3"]
        assert [event.seq for event in bench.events] == [2]
        assert (bench.router.errors, bench.router.delivered) == (2, 3)

    @pytest.mark.parametrize("name", ["on_control", "on_venue_event", "on_problem", "on_off_scale"])
    def test_other_callbacks_that_raise_reach_the_feed(self, name):
        """Which counts and reports it; see FeedListener."""

        def fail(*_: Any) -> None:
            raise KeyError(name)

        bench = Bench(**{name: fail})
        message = {
            "on_control": {"id": 1},
            "on_venue_event": {"e": "x"},
            "on_problem": quote(b="x"),
            "on_off_scale": quote(b="1.001"),
        }[name]
        with pytest.raises(KeyError):
            bench.feed(message)
        assert bench.feed(quote()) is not None

    def test_a_handler_that_feeds_the_decoder(self, bench):
        """Elements after a nested message keep their own times and offsets."""

        def nested(event: Any) -> None:
            bench.events.append(event)
            if event.seq == 1:
                bench.decoder.feed(json.dumps(depth(b=[["5", "5"]] * 300)).encode(), 99)

        bench.router.route(EventKind.QUOTE, -1, nested)
        outer = json.dumps([quote(u=1), quote(u=2, b="x"), quote(u=3)]).encode()
        bench.decoder.feed(outer, 11)
        assert [(type(e).__name__, e.ts_init) for e in bench.events] == [
            ("Quote", 11),
            ("BookUpdate", 99),
            ("Quote", 11),
        ]
        ((error, _),) = bench.problems
        assert outer[error.offset :].startswith(b'"x"')

    def test_a_problem_handler_that_feeds_the_decoder(self):
        bench = Bench()
        offsets = []

        def nested(error: DecodeError, _: bytes) -> None:
            offsets.append(error.offset)
            if len(offsets) == 1:
                bench.feed(quote(u=5), 99)

        bench.decoder = BinanceDecoder(bench.symbols, bench.router, on_problem=nested)
        data = json.dumps([7, quote(u=1), 8]).encode()
        bench.decoder.feed(data, 11)
        assert [(e.seq, e.ts_init) for e in bench.events] == [(5, 99), (1, 11)]
        assert [data[offset : offset + 1] for offset in offsets] == [b"7", b"8"]

    def test_a_handler_that_unroutes_itself(self, bench):
        seen = []

        def once(event: Any) -> None:
            bench.router.route(EventKind.QUOTE, 0, None)
            bench.router.route(EventKind.QUOTE, -1, None)
            seen.append(event)

        bench.router.route(EventKind.QUOTE, 0, once)
        bench.feed([quote(u=1), quote(u=2)])
        assert [event.seq for event in seen] == [1]

    def test_a_handler_that_adds_symbols_and_replaces_its_own(self, bench):
        """The table grows, and moves, in the middle of a message."""

        def grow(event: Any) -> None:
            for i in range(100):
                bench.symbols.add(instrument(f"S{event.seq}_{i}"))
            bench.symbols.add(instrument("BTCUSDT", "0.001"))
            bench.events.append(event)

        bench.router.route(EventKind.QUOTE, -1, grow)
        frames = [quote(u=u, s=s) for u, s in enumerate(["BTCUSDT", "S0_7", "S1_99", "BTCUSDT"])]
        bench.feed(frames)
        assert [e.instrument.symbol for e in bench.events] == [
            "BTCUSDT",
            "S0_7",
            "S1_99",
            "BTCUSDT",
        ]
        assert [e.bid_ticks for e in bench.events] == [100, 100, 100, 1000]

    def test_keyboard_interrupt_passes(self, bench):
        def stop(_: Any) -> None:
            raise KeyboardInterrupt

        bench.router.route(EventKind.QUOTE, -1, stop)
        with pytest.raises(KeyboardInterrupt):
            bench.feed(quote())
        assert [type(error) for error in bench.handler_errors] == [KeyboardInterrupt]

    def test_a_handler_of_nothing(self):
        """EventHandler takes everything and does nothing; counting goes on."""
        symbols = SymbolTable()
        symbols.add(instrument("BTCUSDT"))
        decoder = BinanceDecoder(symbols, EventHandler())
        index = {"e": "indexPriceUpdate", "E": 1, "i": "BTCUSDT", "p": "1"}
        frames = [quote(), trade(), depth(), mark(), kline(), ticker(), force_order(), index]
        decoder.feed(json.dumps(frames).encode())
        assert (decoder.events, decoder.decode_errors) == (8, 0)


class TestArguments:
    def test_the_table_and_the_handler_are_needed(self):
        with pytest.raises(TypeError):
            BinanceDecoder(None, Router())
        with pytest.raises(TypeError):
            BinanceDecoder(SymbolTable(), None)
        with pytest.raises(TypeError):
            BinanceDecoder(SymbolTable(), print)
        with pytest.raises(TypeError):
            BinanceDecoder(SymbolTable(), Router(), print)  # callbacks by name only

    def test_what_can_be_fed(self, bench):
        data = json.dumps(quote()).encode()
        for view in (data, bytearray(data), memoryview(data), memoryview(b"x" + data)[1:]):
            bench.decoder.feed(view)
        assert len(bench.events) == 4
        for wrong in (data.decode(), None, 1):
            with pytest.raises(TypeError):
                bench.decoder.feed(wrong)
        for wrong in (bytearray(data), None, "x"):
            with pytest.raises(TypeError):
                bench.decoder.feed_bytes(wrong)

    def test_nothing_at_all(self, bench):
        bench.decoder.feed(b"")
        bench.decoder.feed_bytes(b"")
        assert [(error.reason, error.offset) for error, _ in bench.problems] == [
            ("message is truncated", 0),
        ] * 2
