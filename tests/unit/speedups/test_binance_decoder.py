"""The Binance decoder by the venue's rules (BN-MD-*, BN-F-*), one test for each."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from connectors._speedups.binance import BinanceDecoder
from connectors._speedups.events import (
    AggressorSide,
    EventFlag,
    InstrumentBase,
)
from oracle.binance_bench import (
    MS,
    Bench,
    agg_trade,
    depth,
    force_order,
    instrument,
    kline,
    mark,
    mini_ticker,
    quote,
    ticker,
    trade,
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestMarketDataRules:
    @pytest.mark.parametrize(("maker", "side"), [(True, "SELLER"), (False, "BUYER")])
    @pytest.mark.parametrize("frame", [agg_trade, trade])
    def test_bn_md_01_the_aggressor_is_not_the_maker(self, bench, frame, maker, side):
        assert bench.feed(frame(m=maker)).aggressor is AggressorSide[side]

    def test_bn_md_02_aggregate_trade(self, bench):
        event = bench.feed(agg_trade(a=123, p="1.25", q="0.5", T=77, f=10, l=12))
        assert (event.trade_id, event.price, event.size) == (123, Decimal("1.25"), Decimal("0.5"))
        assert (event.first_id, event.last_id, event.ts_event) == (10, 12, 77 * MS)
        assert event.is_aggregate
        assert event.is_market

    def test_bn_md_03_trade(self, bench):
        event = bench.feed(trade(t=321, T=78))
        assert (event.trade_id, event.ts_event) == (321, 78 * MS)
        assert (event.first_id, event.last_id) == (-1, -1)
        assert not event.is_aggregate

    def test_bn_md_04_book_ticker(self, bench):
        event = bench.feed(quote(T=5, E=6, u=99))
        assert (event.ts_event, event.seq) == (5 * MS, 99)
        assert (event.bid_ticks, event.bid_lots, event.ask_ticks, event.ask_lots) == (
            100,
            1,
            200,
            2,
        )

    def test_bn_md_05_depth(self, bench):
        event = bench.feed(depth(T=5, U=10, u=12, pu=9))
        assert (event.ts_event, event.first_seq, event.last_seq, event.prev_seq) == (
            5 * MS,
            10,
            12,
            9,
        )
        assert (event.bids, event.asks) == ([(100, 1)], [(200, 0)])
        assert not event.is_snapshot
        empty = bench.feed(depth(b=[], a=[]))
        assert (empty.bids, empty.asks, empty.last_seq) == ([], [], 4)

    def test_bn_md_06_mark_price(self, bench):
        event = bench.feed(mark(E=5, T=8))
        assert (event.mark, event.index, event.settle) == (
            Decimal("1.5"),
            Decimal("1.25"),
            Decimal("1.75"),
        )
        assert (event.funding_rate, event.ts_next_funding) == (Decimal("0.0001"), 8 * MS)
        assert event.ts_event == 5 * MS
        assert bench.feed(mark(T=0)).ts_next_funding == 0

    def test_bn_md_07_no_funding_rate(self, bench):
        """COIN-M delivery: an empty text. Mark and index are delivered all the same."""
        event = bench.feed(mark(r="", T=0))
        assert (event.funding_rate, event.mark, event.index) == (
            None,
            Decimal("1.5"),
            Decimal("1.25"),
        )
        without = mark()
        for key in "riP":
            del without[key]
        event = bench.feed(without)
        assert (event.funding_rate, event.index, event.settle) == (None, None, None)
        assert bench.feed(mark(r=None)).funding_rate is None
        assert not bench.problems

    def test_bn_md_08_a_bar_has_the_time_of_its_close(self, bench):
        event = bench.feed(kline())
        assert (event.ts_open, event.ts_event) == (60_000 * MS, 119_999 * MS)
        assert event.is_closed
        assert not bench.feed(kline(body={"x": False})).is_closed

    @pytest.mark.parametrize(
        "text", ["x", "", "NaN", "1e5", "1.", ".5", "1.5x", "1,5", "--1", "0x1"]
    )
    @pytest.mark.parametrize(
        ("key", "name"),
        [
            ("p", "price_change"), ("P", "price_change_percent"), ("w", "weighted_avg_price"),
            ("c", "last_price"), ("Q", "last_qty"), ("o", "open_price"), ("h", "high_price"),
            ("l", "low_price"), ("v", "volume"), ("q", "quote_volume"), ("O", "open_time"),
            ("C", "close_time"), ("E", "event_time"),
        ],
    )  # fmt: skip
    def test_bn_md_10_a_bad_ticker_value_is_named(self, bench, key, name, text):
        assert bench.feed(ticker(**{key: text})) is None
        ((error, _),) = bench.problems
        assert error.reason == f"invalid Binance ticker {name}='{text}'"

    @pytest.mark.parametrize(
        ("key", "name"), [("O", "open_time"), ("C", "close_time"), ("E", "event_time")]
    )
    def test_bn_md_10_a_negative_time_is_bad(self, bench, key, name):
        assert bench.feed(ticker(**{key: -1})) is None
        assert bench.problems[0][0].reason == f"invalid Binance ticker {name}='-1'"

    def test_bn_md_10_the_words_do_not_stick(self, bench):
        """The error of one message must not describe the next."""
        bench.feed(mini_ticker(c="x"))
        bench.feed(b'{"e":"24hrMiniTicker","c":"x","e":"somethingNew"}')
        bench.feed(quote(b="x"))
        reasons = [error.reason for error, _ in bench.problems]
        assert reasons[0] == "invalid Binance ticker last_price='x'"
        assert reasons[1:] == ["not valid JSON, or not a number where one must be"]

    def test_bn_md_10_ticker_values_are_exact_and_as_sent(self, bench):
        event = bench.feed(ticker(p="-131.40000000", q="2036102085.69746400"))
        assert str(event.change) == "-131.40000000"
        assert str(event.quote_volume) == "2036102085.69746400"
        assert (event.ts_open, event.ts_close) == (0, 86_400_000 * MS)
        assert (event.first_id, event.last_id, event.trade_count) == (0, 18150, 18151)
        mini = bench.feed(mini_ticker())
        assert (mini.change, mini.ts_close, mini.trade_count) == (None, 0, -1)
        assert mini.flags == EventFlag.MINI

    def test_bn_md_11_times_become_ns_by_integer_arithmetic(self, bench):
        most = (2**63 - 1) // MS
        assert bench.feed(quote(T=most)).ts_event == most * MS
        assert bench.feed(quote(T=1702555534436)).ts_event == 1702555534436000000
        for bad in (most + 1, 2**63 - 1, -1):
            assert bench.feed(quote(T=bad)) is None
        assert [error.reason for error, _ in bench.problems] == ["number does not fit 64 bits"] * 3

    def test_bn_md_14_liquidation(self, bench):
        event = bench.feed(force_order())
        assert (event.side, event.ts_event) == (AggressorSide.SELLER, 5 * MS)
        assert (event.size_lots, event.last_size_lots, event.filled_size_lots) == (14, 13, 12)
        assert str(event.average_price) == "9910.12345678"
        assert bench.feed(force_order({"S": "BUY"})).side is AggressorSide.BUYER
        assert bench.feed(force_order({"S": "HOLD"})) is None


class TestOffScale:
    """BN-MD-13: not cut, not refused: delivered exactly, on a finer scale, with a flag."""

    def test_quote(self, bench):
        event = bench.feed(quote(b="1.005", A="0.00025"))
        assert (event.bid, event.ask) == (Decimal("1.005"), Decimal("2.00"))
        assert (event.bid_size, event.ask_size) == (Decimal("0.001"), Decimal("0.00025"))
        assert event.flags & EventFlag.OFF_SCALE
        assert event.instrument.id == "BTCUSDT-PERP"
        assert event.instrument is not bench.symbols.instrument(0)
        assert bench.refreshes == [bench.symbols.instrument(0)]
        assert bench.decoder.off_scale == 1

    @pytest.mark.parametrize("frame", [agg_trade, trade])
    def test_trade(self, bench, frame):
        event = bench.feed(frame(p="1.0000001", q="0.00001"))
        assert (event.price, event.size) == (Decimal("1.0000001"), Decimal("0.00001"))
        assert event.flags & EventFlag.OFF_SCALE
        assert len(bench.refreshes) == 1

    def test_depth(self, bench):
        levels = [["1.00", "0.001"], ["1.001", "1"], ["1.00000001", "0.0000001"]]
        event = bench.feed(depth(b=levels, a=[]))
        assert event.bids_decimal() == [(Decimal(p), Decimal(s)) for p, s in levels]
        assert event.flags == EventFlag.OFF_SCALE
        assert (bench.refreshes, bench.decoder.off_scale) == ([bench.symbols.instrument(0)], 1)

    def test_bar_and_liquidation(self, bench):
        bar = bench.feed(kline("markPrice_kline", {"o": "1.00000001"}))
        assert bar.open == Decimal("1.00000001")
        assert bar.flags == EventFlag.MARK | EventFlag.CLOSED | EventFlag.OFF_SCALE
        order = bench.feed(force_order({"p": "9910.125"}))
        assert order.price == Decimal("9910.125")
        assert order.flags == EventFlag.OFF_SCALE

    def test_a_grid_that_is_no_power_of_ten(self):
        bench = Bench()
        bench.symbols.add(instrument("BTCUSDT", "0.25", "5"))
        assert bench.feed(quote(b="0.75", a="1.00", B="10", A="5")).bid_ticks == 3
        event = bench.feed(quote(b="0.80", a="1.00", B="10", A="7"))
        assert (event.bid, event.ask_size) == (Decimal("0.80"), Decimal(7))
        assert event.flags == EventFlag.OFF_SCALE

    def test_zeros_beyond_the_scale_are_on_it(self, bench):
        event = bench.feed(quote(b="1.0000000", B="0.00100000000"))
        assert event.flags == 0
        assert not bench.refreshes

    def test_a_value_that_fits_no_64_bits_on_the_finer_scale_is_a_problem(self, bench):
        huge = "92233720368547758"
        assert bench.feed(quote(a=huge)).ask == Decimal(huge)
        assert bench.feed(quote(a=huge, b="1.00001")) is None
        assert bench.feed(depth(b=[[huge, "1"], ["1.00001", "1"]])) is None
        assert bench.feed(quote(a="922337203685477580700")) is None
        assert [error.reason for error, _ in bench.problems] == ["number does not fit 64 bits"] * 3

    def test_the_next_event_is_on_the_usual_scale_again(self, bench):
        bench.feed(quote(b="1.005"))
        event = bench.feed(quote())
        assert event.instrument is bench.symbols.instrument(0)
        assert event.flags == 0

    def test_a_callback_that_brings_the_new_tick_size(self):
        """And one that feeds another depth message, which takes the same buffers."""
        bench = Bench()

        def refresh(old: InstrumentBase) -> None:
            bench.symbols.add(instrument(old.symbol, "0.0001", "0.001"))
            bench.decoder.feed(json.dumps(depth(s="ETHUSDT", b=[["9.00", "9"]] * 500)).encode(), 5)

        bench.decoder = BinanceDecoder(bench.symbols, bench.router, on_off_scale=refresh)
        bench.feed(depth(b=[["1.0001", "0.001"], ["1.00", "0"]]), 7)
        other, event = bench.events
        assert other.n_bids == 500
        assert event.bids_decimal() == [(Decimal("1.0001"), Decimal("0.001")), (Decimal(1), 0)]
        assert (other.ts_init, event.ts_init) == (5, 7)
        assert bench.feed(depth(b=[["1.0001", "0.001"]])).flags == 0


def one_of_each():
    return (quote(), agg_trade(), trade(), depth(), mark(), kline(), ticker(), force_order())


class TestFrameRules:
    def test_bn_f_01_any_order_of_keys(self, bench):
        for frame in one_of_each():
            usual = bench.feed(frame)
            turned = bench.feed(dict(reversed(frame.items())))
            assert usual == turned
            assert usual is not turned

    def test_bn_f_02_unknown_keys_are_ignored(self, bench):
        extra = {"zz": {"e": "aggTrade", "u": [1, {"b": "x"}]}, "longer_than_eight": [[]], "": 1}
        for frame in one_of_each():
            assert bench.feed(frame | extra) == bench.feed(frame)
            assert bench.feed(extra | frame) == bench.feed(frame)

    def test_bn_f_02_missing_optional_keys_are_absent_not_zero(self, bench):
        frame = trade()
        del frame["X"]
        assert bench.feed(frame).is_market
        assert bench.feed(mark(P="")).settle is None

    @pytest.mark.parametrize(
        "make", [quote, agg_trade, trade, depth, mark, kline, ticker, mini_ticker]
    )
    def test_bn_f_03_a_missing_mandatory_key(self, bench, make):
        optional = {"e": [], "bookTicker": ["E"], "aggTrade": ["E"], "trade": ["E", "X"],
                    "depthUpdate": ["E"], "markPriceUpdate": ["i", "P", "r"], "kline": ["s"],
                    "24hrTicker": [], "24hrMiniTicker": []}  # fmt: skip
        frame = make()
        for key in frame:
            if key != "e":
                bench.problems.clear()
                event = bench.feed({k: v for k, v in frame.items() if k != key})
                if key in optional[frame["e"]]:
                    assert event is not None
                else:
                    ((error, _),) = bench.problems
                    assert error.reason == "a mandatory field is missing"
        bench.problems.clear()
        assert bench.feed(frame) is not None  # the error was that frame's alone
        assert not bench.problems

    @pytest.mark.parametrize("level", [[], ["1"], "1", {}, None, [["1", "1"]], ["1", []]])
    def test_bn_f_04_levels_need_two_items(self, bench, level):
        assert bench.feed(depth(b=[["1", "1"], level])) is None
        assert len(bench.problems) == 1

    def test_bn_f_04_further_items_are_ignored(self, bench):
        event = bench.feed(depth(b=[["1", "2", []], ["2", "3", {"x": ["["]}, "4", None]]))
        assert event.bids == [(100, 2000), (200, 3000)]

    @pytest.mark.parametrize("zero", ["0", "0.0", "0.000", "0.00000000000000000000000000", "-0"])
    def test_bn_f_05_zero_in_any_spelling(self, bench, zero):
        assert bench.feed(depth(b=[["1", zero]])).bids == [(100, 0)]

    def test_bn_f_06_the_stream_name_says_what_a_depth_frame_is(self, bench):
        for stream, flags in [
            ("btcusdt@depth", 0),
            ("btcusdt@depth@100ms", 0),
            ("btcusdt@depth5", EventFlag.PARTIAL),
            ("btcusdt@depth20@100ms", EventFlag.PARTIAL),
            ("btcusdt@rpiDepth@500ms", EventFlag.RPI),
        ]:
            event = bench.feed({"stream": stream, "data": depth()})
            assert (event.flags, event.is_snapshot) == (flags, flags == EventFlag.PARTIAL)
            turned = bench.feed({"data": depth(), "stream": stream})
            assert turned == event

    def test_bn_f_06_on_a_raw_connection_the_table_says_it(self, bench):
        assert not bench.feed(depth()).is_snapshot
        bench.symbols.set_depth_mode(0, partial=True)
        event = bench.feed(depth())
        assert (event.flags, event.is_snapshot) == (EventFlag.PARTIAL, True)
        bench.symbols.set_depth_mode(0, rpi=True)
        assert bench.feed(depth()).flags == EventFlag.RPI
        combined = bench.feed({"stream": "btcusdt@depth", "data": depth()})
        assert combined.flags == 0

    @pytest.mark.parametrize("kind", ["INSURANCE_FUND", "ADL", "NA", "", "market"])
    def test_bn_f_07_not_a_market_trade(self, bench, kind):
        event = bench.feed(trade(X=kind))
        assert not event.is_market
        assert event.flags == EventFlag.NOT_MARKET

    def test_bn_f_07_market_in_other_spellings(self, bench):
        text = json.dumps(trade()).replace('"MARKET"', r'"\u004dARKET"').encode()
        assert bench.feed(text).is_market
        assert bench.feed(trade(X=None)).is_market

    def test_bn_f_08_the_quantity_includes_rpi_fills(self, bench):
        """nq is q without them."""
        assert bench.feed(agg_trade(q="0.500", nq="0.100")).size == Decimal("0.5")

    def test_bn_f_09_a_book_ticker_has_no_rpi_flag(self, bench):
        bench.symbols.set_depth_mode(0, rpi=True)
        assert bench.feed(quote()).flags == 0

    def test_bn_f_10_bare_numbers_are_read_as_quoted_ones(self, bench):
        assert bench.feed(quote(b=1.5, u="12")) == bench.feed(quote(b="1.5", u=12))

    def test_bn_f_11_an_array_of_symbols(self, bench):
        bench.feed([mark(), mark(s="ETHUSDT"), mark(s="NEWUSDT")])
        assert [event.instrument.symbol for event in bench.events] == ["BTCUSDT", "ETHUSDT"]
        assert bench.decoder.unknown_symbols == 1

    @pytest.mark.parametrize("make", [quote, agg_trade, trade, depth, mark, ticker, mini_ticker])
    def test_bn_f_12_a_symbol_we_do_not_know_is_dropped_and_counted(self, bench, make):
        assert bench.feed(make(s="NEWUSDT")) is None
        assert bench.feed(make(s="BTCUSD")) is None
        assert (bench.decoder.unknown_symbols, bench.decoder.events) == (2, 0)
        assert not bench.problems

    def test_bn_f_15_long_messages(self, bench):
        """1 000 levels in one update; all tickers in one array."""
        bids = [[f"{60000 + i}.{i % 100:02}", f"{i}.{i % 1000:03}"] for i in range(1000)]
        event = bench.feed(depth(b=bids))
        assert event.bids_decimal() == [(Decimal(p), Decimal(s)) for p, s in bids]
        bench.feed([ticker()] * 2000)
        assert len(bench.events) == 2001


class TestKlines:
    def test_index_price(self):
        bench = Bench("BTCUSD")
        event = bench.feed(kline("indexPrice_kline", {"s": "0"}, ps="BTCUSD", s=None) | {"s": "0"})
        assert event.flags == EventFlag.INDEX | EventFlag.CLOSED
        assert bench.feed(kline("indexPrice_kline", {"s": "0"})) is None  # no pair

    def test_continuous(self):
        bench = Bench("BTCUSDT_PERPETUAL")
        frame = kline("continuous_kline", ps="BTCUSDT", ct="PERPETUAL")
        del frame["s"]
        event = bench.feed(frame)
        assert event.flags == EventFlag.CONTINUOUS | EventFlag.CLOSED
        assert event.instrument.symbol == "BTCUSDT_PERPETUAL"

    @pytest.mark.parametrize("missing", ["ps", "ct"])
    def test_continuous_without_pair_or_type_is_a_problem(self, bench, missing):
        frame = kline("continuous_kline", ps="BTCUSDT", ct="PERPETUAL")
        del frame[missing]
        assert bench.feed([frame, quote()]) is not None
        assert [error.reason for error, _ in bench.problems] == [
            "a mandatory field is missing",
        ]

    def test_intervals(self, bench):
        seconds = {"1s": 1, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600,
                   "2h": 7200, "4h": 14400, "6h": 21600, "8h": 28800, "12h": 43200, "1d": 86400,
                   "3d": 259200, "1w": 604800, "1M": -1}  # fmt: skip
        for text, expected in seconds.items():
            assert bench.feed(kline(body={"i": text})).interval_s == expected
        for text in ("2m", "", "1", "1min", "60", "m"):
            assert bench.feed(kline(body={"i": text})) is None
        assert len(bench.problems) == 6
        escaped = json.dumps(kline()).replace('"1m"', r'"\u0031m"').encode()
        assert bench.feed(escaped).interval_s == 60

    @pytest.mark.parametrize("body", [1, [], {}, "x", None])
    def test_no_body(self, bench, body):
        assert bench.feed(kline() | {"k": body}) is None
        assert len(bench.problems) == 1
