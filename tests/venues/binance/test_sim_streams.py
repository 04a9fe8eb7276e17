"""Market data of the Binance simulator: frames, chains, books and candles, without sockets."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from connectors.sim.binance.candles import bucket_ms, next_bucket_ms
from connectors.sim.binance.config import SimConfig
from connectors.sim.binance.frames import Frame
from connectors.sim.binance.names import parse_stream_name
from connectors.sim.binance.server import Simulator
from connectors.sim.binance.symbols import next_quarter_ms
from connectors.sim.binance.types import Product

DATA = Path(__file__).parents[2] / "data" / "binance"
START_MS = 1_795_219_190_000  # 2026-11-21 00:00 UTC less 10 s: a minute, hour and day end soon
USDM, COINM = Product.USDM, Product.COINM


class Recorder:
    """A subscriber that keeps what it gets, by stream."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def send_event(self, frame: Frame) -> None:
        self.frames.append(frame)

    def of(self, stream: str) -> list[Any]:
        return [json.loads(f.payload) for f in self.frames if f.stream == stream]


def simulator(**changes: Any) -> Simulator:
    settings = {"virtual_start_ms": START_MS, "rate_per_s": 2_000.0, "symbols": 12}
    return Simulator(SimConfig.of(**{**settings, **changes}))


def advance(sim: Simulator, seconds: float) -> None:
    for _ in range(round(seconds * 100)):
        sim.clock.advance(10_000_000)
        sim.step()


def record(sim: Simulator, *names: str, product: Product = USDM) -> Recorder:
    recorder = Recorder()
    for name in names:
        assert sim.hub.add(recorder, name, product), name
    return recorder


def shape(value: Any) -> Any:
    """Return keys in order and leaf types of a frame; arrays by their first item."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def in_order(value: Any) -> Any:
    """Make dict comparison see the order of keys."""
    if isinstance(value, dict):
        return [(key, in_order(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [in_order(item) for item in value]
    return value


SAMPLES = {
    item["id"]: item["frame"]
    for item in json.loads((DATA / "market_frames.json").read_text())["frames"]
}

# The sample and the stream of the simulator that must look like it.
SHAPES = [
    ("agg_trade", USDM, "btcusdt@aggTrade"),
    ("trade", USDM, "btcusdt@trade"),
    ("book_ticker", USDM, "btcusdt@bookTicker"),
    ("book_ticker_all", USDM, "!bookTicker"),
    ("book_ticker_cm", COINM, "btcusd_perp@bookTicker"),
    ("depth_diff", USDM, "btcusdt@depth@100ms"),
    ("depth_diff", USDM, "btcusdt@depth5@100ms"),
    ("depth_diff_cm", COINM, "btcusd_perp@depth"),
    ("rpi_depth", USDM, "btcusdt@rpiDepth@500ms"),
    ("mark_price", USDM, "btcusdt@markPrice@1s"),
    ("mark_price_arr", USDM, "!markPrice@arr@1s"),
    ("kline_open", USDM, "btcusdt@kline_1m"),
    ("continuous_kline", USDM, "btcusdt_perpetual@continuousKline_1m"),
    ("index_kline_cm", COINM, "btcusd@indexPriceKline_1m"),
    ("mark_kline_cm", COINM, "btcusd_perp@markPriceKline_1m"),
    ("index_price_cm", COINM, "btcusd@indexPrice@1s"),
    ("mini_ticker", USDM, "btcusdt@miniTicker"),
    ("ticker", USDM, "btcusdt@ticker"),
    ("ticker_arr", USDM, "!ticker@arr"),
    ("mini_ticker_arr", USDM, "!miniTicker@arr"),
    ("force_order", USDM, "btcusdt@forceOrder"),
    ("force_order_all", USDM, "!forceOrder@arr"),
    ("force_order_cm", COINM, "btcusd_perp@forceOrder"),
    ("composite_index", USDM, "defiusdt@compositeIndex"),
    ("asset_index_arr", USDM, "!assetIndex@arr"),
    ("trading_session", USDM, "tradingSession"),
]


@pytest.fixture(scope="module")
def recorded() -> tuple[Simulator, dict[Product, Recorder]]:
    sim = simulator(rate_per_s=4_000.0)
    recorders = {
        product: record(sim, *(name for _, p, name in SHAPES if p is product), product=product)
        for product in Product
    }
    advance(sim, 12)
    return sim, recorders


@pytest.mark.parametrize(("sample", "product", "stream"), SHAPES, ids=str)
def test_frames_have_the_keys_and_types_of_the_samples(
    recorded: tuple[Simulator, dict[Product, Recorder]],
    sample: str,
    product: Product,
    stream: str,
) -> None:
    """Section 8.1 and 8.2, in wire order; levels and prices are texts, ids integers."""
    frames = recorded[1][product].of(stream)
    assert frames, f"{stream} was silent"
    frame = next((f for f in frames if isinstance(f, list) or (f.get("b") and f.get("a"))),
                 frames[0])  # fmt: skip
    assert in_order(shape(frame)) == in_order(shape(SAMPLES[sample]))


def test_every_frame_is_compact_json_with_its_product(
    recorded: tuple[Simulator, dict[Product, Recorder]],
) -> None:
    """BN-P-09: `st` 1 for USD-M and 2 for COIN-M; BN-F-15: no blanks."""
    sim, recorders = recorded
    for frame in (*recorders[USDM].frames, *recorders[COINM].frames):
        value = json.loads(frame.payload)
        compact = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        assert frame.payload == compact
        for item in value if isinstance(value, list) else [value]:
            if "st" in item and "s" in item:
                product = sim.symbols[item["s"]].product
                assert item["st"] == (1 if product is USDM else 2)


def test_all_market_arrays_carry_both_products(
    recorded: tuple[Simulator, dict[Product, Recorder]],
) -> None:
    """BN-L-14, BN-F-12."""
    latest = recorded[1][USDM].of("!markPrice@arr@1s")[-1]
    assert {item["st"] for item in latest} == {1, 2}


def test_contract_info_follows_a_change_of_status() -> None:
    """BN-M-42."""
    sim = simulator(rate_per_s=0)
    recorder = record(sim, "!contractInfo")
    sim.faults.apply({"fault": "instrument", "action": "status", "symbol": "BTCUSD_PERP"})
    (frame,) = recorder.of("!contractInfo")
    assert in_order(shape(frame)) == in_order(shape(SAMPLES["contract_info_no_bks"]))
    assert (frame["s"], frame["cs"], frame["st"]) == ("BTCUSD_PERP", "SETTLING", 2)


def test_delivery_contracts_have_no_funding() -> None:
    """Section 8.2: `r` empty and `T` 0."""
    sim = simulator(rate_per_s=0)
    symbol = next(s for s in sim.symbols if s.startswith("BTCUSD_2"))
    recorder = record(sim, f"{symbol.lower()}@markPrice@1s", "btcusd@markPrice@1s", product=COINM)
    advance(sim, 2)
    frame = recorder.of(f"{symbol.lower()}@markPrice@1s")[-1]
    assert in_order(shape(frame)) == in_order(shape(SAMPLES["mark_price_cm_delivery"]))
    assert (frame["r"], frame["T"]) == ("", 0)
    assert len(recorder.of("btcusd@markPrice@1s")[-1]) == 2  # perpetual and quarterly


def test_the_same_seed_gives_the_same_bytes() -> None:
    """BN-M-14."""
    runs = []
    for seed in (7, 7, 8):
        sim = simulator(seed=seed)
        names = ("btcusdt@bookTicker", "btcusdt@depth@0ms", "ethusdt@aggTrade", "!ticker@arr")
        recorder = record(sim, *names)
        advance(sim, 3)
        runs.append([(frame.stream, frame.payload) for frame in recorder.frames])
    assert len(runs[0]) > 300
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


# -- order book --------------------------------------------------------------------------------


def apply(book: dict[str, dict[str, str]], event: dict[str, Any]) -> None:
    for side in ("b", "a"):
        for price, qty in event[side]:
            if float(qty) == 0:
                book[side].pop(price, None)
            else:
                book[side][price] = qty


def as_book(sim: Simulator, symbol: str, at: int | None = None) -> dict[str, dict[str, str]]:
    rules, view = sim.symbols[symbol], sim.book(symbol, at)
    return {
        "b": {rules.price_text(p): rules.qty_text(q) for p, q in view.bids},
        "a": {rules.price_text(p): rules.qty_text(q) for p, q in view.asks},
    }


@pytest.mark.parametrize("product", Product)
@pytest.mark.parametrize("suffix", ["", "@0ms", "@100ms", "@250ms", "@500ms"])
def test_diffs_lead_from_one_book_to_the_next(suffix: str, product: Product) -> None:
    """BN-B-09, BN-B-12, BN-M-51: chained by `pu`, with holes, and exact at every event."""
    symbol = "BTCUSDT" if product is USDM else "BTCUSD_PERP"
    sim = simulator()
    stream = f"{symbol.lower()}@depth{suffix}"
    recorder = record(sim, stream, product=product)
    book = as_book(sim, symbol)
    start_id = sim.market.feeds[symbol].update_id
    advance(sim, 4)
    events = recorder.of(stream)
    assert len(events) >= 7
    assert events[0]["pu"] == start_id
    assert all(later["pu"] == earlier["u"] for earlier, later in pairwise(events))
    assert all(e["pu"] < e["U"] <= e["u"] for e in events)
    assert any(e["U"] > e["pu"] + 1 for e in events), "ids have holes between events"
    if suffix != "@0ms":
        assert any(e["U"] < e["u"] for e in events), "several ids in one event"
    for event in events:
        apply(book, event)
        assert book == as_book(sim, symbol, event["u"])


def test_periods_of_depth_streams() -> None:
    """Section 8.1: 250 ms unless the name says otherwise."""
    sim = simulator()
    names = [f"btcusdt@depth{suffix}" for suffix in ("", "@100ms", "@250ms", "@500ms")]
    recorder = record(sim, *names)
    advance(sim, 5)
    counts = [len(recorder.of(name)) for name in names]
    assert counts == [20, 50, 20, 10]


def test_unchanged_book_gives_no_depth_event() -> None:
    """A partial depth stream tells the top once, the others only changes."""
    sim = simulator(rate_per_s=0)
    recorder = record(sim, "btcusdt@depth@100ms", "btcusdt@depth5@100ms", "btcusdt@bookTicker")
    advance(sim, 1)
    assert [frame.stream for frame in recorder.frames] == ["btcusdt@depth5@100ms"]


def test_partial_depth_is_the_top_of_the_book() -> None:
    """BN-B-22."""
    sim = simulator()
    recorder = record(sim, "ethusdt@depth5@100ms", "ethusdt@depth20")
    advance(sim, 3)
    for stream, levels in (("ethusdt@depth5@100ms", 5), ("ethusdt@depth20", 20)):
        events = recorder.of(stream)
        assert len(events) > 8
        for event in events:
            book = as_book(sim, "ETHUSDT", event["u"])
            assert event["b"] == [list(item) for item in list(book["b"].items())[:levels]]
            assert event["a"] == [list(item) for item in list(book["a"].items())[:levels]]


def test_book_ticker_tells_every_change_of_the_top() -> None:
    sim = simulator()
    recorder = record(sim, "btcusdt@bookTicker")
    advance(sim, 3)
    tops = []
    for event in recorder.of("btcusdt@bookTicker"):
        book = as_book(sim, "BTCUSDT", event["u"])
        top = (*next(iter(book["b"].items())), *next(iter(book["a"].items())))
        assert (event["b"], event["B"], event["a"], event["A"]) == top
        tops.append(top)
    assert len(tops) > 100
    assert all(earlier != later for earlier, later in pairwise(tops))


def test_rpi_depth_adds_to_ordinary_levels_only() -> None:
    """BN-F-09: the sizes of the ordinary book plus price improvement orders near the touch."""
    sim = simulator()
    recorder = record(sim, "btcusdt@rpiDepth@500ms")
    advance(sim, 3)
    more = 0
    for event in recorder.of("btcusdt@rpiDepth@500ms"):
        ordinary = as_book(sim, "BTCUSDT", event["u"])
        for side in ("b", "a"):
            for price, qty in event[side]:
                base = float(ordinary[side].get(price, 0))
                assert float(qty) >= base
                more += float(qty) > base
    assert more > 5


def test_old_books_are_kept_and_unknown_ids_refused() -> None:
    sim = simulator()
    feed = sim.market.feeds["BTCUSDT"]
    first_id, first = feed.update_id, as_book(sim, "BTCUSDT")
    advance(sim, 1)
    assert as_book(sim, "BTCUSDT", first_id) == first
    assert as_book(sim, "BTCUSDT", feed.update_id) == as_book(sim, "BTCUSDT")
    with pytest.raises(LookupError):
        sim.book("BTCUSDT", feed.update_id + 1)
    with pytest.raises(LookupError):
        sim.book("BTCUSDT", feed.kept_from - 1)


def test_pause_stills_the_book_and_flushes_what_is_pending() -> None:
    """BN-M-51: after `pause` every stream has told everything."""
    sim = simulator()
    recorder = record(sim, "btcusdt@depth@500ms", "btcusdt@aggTrade")
    advance(sim, 0.73)
    sim.pause()
    update_id = sim.market.feeds["BTCUSDT"].update_id
    assert recorder.of("btcusdt@depth@500ms")[-1]["u"] == update_id
    count = len(recorder.frames)
    advance(sim, 2)
    assert len(recorder.frames) == count
    sim.resume()
    advance(sim, 1)
    assert len(recorder.frames) > count


# -- trades and candles ------------------------------------------------------------------------


def test_aggregates_are_the_trades_in_a_row() -> None:
    """BN-M-13: same price and taker side within 100 ms, no id left out."""
    sim = simulator()
    recorder = record(sim, "btcusdt@trade", "btcusdt@aggTrade")
    advance(sim, 3)
    sim.pause()
    trades = {t["t"]: t for t in recorder.of("btcusdt@trade")}
    aggs = recorder.of("btcusdt@aggTrade")
    assert any(a["l"] > a["f"] for a in aggs)
    assert all(later["a"] == earlier["a"] + 1 for earlier, later in pairwise(aggs))
    assert all(later["f"] == earlier["l"] + 1 for earlier, later in pairwise(aggs))
    for agg in aggs:
        parts = [trades[i] for i in range(agg["f"], agg["l"] + 1)]
        assert {(t["p"], t["m"]) for t in parts} == {(agg["p"], agg["m"])}
        assert sum(float(t["q"]) for t in parts) == pytest.approx(float(agg["q"]))
        assert agg["T"] == parts[0]["T"]
        assert agg["T"] <= agg["E"] <= agg["T"] + 110
    assert sorted(trades) == list(range(aggs[0]["f"], aggs[-1]["l"] + 1))


def rest(sim: Simulator, path: str, query: str = "") -> Any:
    response = sim.public.handle("GET", path, query.encode(), b"", None)
    assert response.status == 200, response.body
    return json.loads(response.body)


def test_rest_agrees_with_the_streams() -> None:
    """BN-M-13."""
    sim = simulator()
    recorder = record(sim, "btcusdt@trade", "btcusdt@aggTrade", "btcusdt@kline_1m",
                      "btcusdt@kline_1h", "btcusdt_perpetual@continuousKline_1m")  # fmt: skip
    advance(sim, 14)  # over the end of a minute, an hour and a day
    sim.pause()

    trades = {t["t"]: (t["p"], t["q"], t["T"], t["m"]) for t in recorder.of("btcusdt@trade")}
    listed = rest(sim, "/fapi/v1/trades", "symbol=BTCUSDT&limit=1000")
    assert len(listed) == min(1_000, len(trades))
    assert all(
        trades[t["id"]] == (t["price"], t["qty"], t["time"], t["isBuyerMaker"]) for t in listed
    )
    aggs = [{key: a[key] for key in "apqflTm"} for a in recorder.of("btcusdt@aggTrade")]
    rows = rest(sim, "/fapi/v1/aggTrades", "symbol=BTCUSDT&limit=1000")
    assert [{key: row[key] for key in "apqflTm"} for row in rows] == aggs[-1_000:]

    for interval in ("1m", "1h"):
        events = [event["k"] for event in recorder.of(f"btcusdt@kline_{interval}")]
        (closed,) = [k for k in events if k["x"]]
        rows = rest(sim, "/fapi/v1/klines", f"symbol=BTCUSDT&interval={interval}&limit=2")
        keys = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")
        assert rows[0] == [closed[key] for key in keys]
        assert rows[0][0] == bucket_ms(START_MS, interval)
        assert events[-1]["t"] == rows[1][0] == next_bucket_ms(rows[0][0], interval)
        inside = [t for t in recorder.of("btcusdt@trade") if closed["t"] <= t["T"] <= closed["T"]]
        assert (closed["f"], closed["L"]) == (inside[0]["t"], inside[-1]["t"])
        assert closed["n"] == len(inside)
        assert (closed["o"], closed["c"]) == (inside[0]["p"], inside[-1]["p"])
        assert float(closed["v"]) == pytest.approx(sum(float(t["q"]) for t in inside))
    continuous = [e["k"] for e in recorder.of("btcusdt_perpetual@continuousKline_1m")]
    assert sum(k["x"] for k in continuous) == 1, "both kline streams see the minute close"


def test_candles_without_trades_have_ids_of_minus_one() -> None:
    """`kline_no_trades` of the samples; the candle still closes."""
    sim = simulator(rate_per_s=0)
    recorder = record(sim, "btcusdt@kline_1m")
    advance(sim, 11)
    (event,) = recorder.of("btcusdt@kline_1m")
    k = event["k"]
    assert (k["x"], k["f"], k["L"], k["n"]) == (True, -1, -1, 0)
    assert k["o"] == k["h"] == k["l"] == k["c"]
    assert in_order(shape(event)) == in_order(shape(SAMPLES["kline_no_trades"]))


@pytest.mark.parametrize("interval", ["1m", "15m", "4h", "1d", "3d", "1w", "1M"])
def test_made_up_history_is_seamless(interval: str) -> None:
    """Candles before the start: no gap in time, each closes where the next opens."""
    sim = simulator(rate_per_s=0)
    rows = rest(sim, "/fapi/v1/klines", f"symbol=ETHUSDT&interval={interval}&limit=50")
    assert len(rows) == 50
    for earlier, later in pairwise(rows):
        assert earlier[6] + 1 == later[0] == next_bucket_ms(earlier[0], interval)
        assert earlier[4] == later[1]
        assert float(earlier[3]) <= float(earlier[1]) <= float(earlier[2])
    tick = float(sim.symbols["ETHUSDT"].tick_size)
    assert all(abs(float(row[4]) / tick - round(float(row[4]) / tick)) < 1e-6 for row in rows)
    latest = rest(sim, "/fapi/v1/klines", f"symbol=ETHUSDT&interval={interval}&limit=10")
    assert latest == rows[-10:]


def test_ticker_is_a_rolling_day() -> None:
    """BN-F-13."""
    sim = simulator()
    recorder = record(sim, "btcusdt@ticker", "btcusdt@miniTicker")
    advance(sim, 4)
    sim.pause()
    event = recorder.of("btcusdt@ticker")[-1]
    assert event["C"] - event["O"] <= 86_400_000
    assert float(event["l"]) <= float(event["o"]) <= float(event["h"])
    assert float(event["p"]) == pytest.approx(float(event["c"]) - float(event["o"]))
    assert event["L"] == sim.market.feeds["BTCUSDT"].trades[-1].trade_id or event["L"] > event["F"]
    mini = recorder.of("btcusdt@miniTicker")[-1]
    assert {key: mini[key] for key in "cohlvq"} == {key: event[key] for key in "cohlvq"}


def test_liquidations_are_at_most_one_per_symbol_and_second() -> None:
    """BN-F-14."""
    sim = simulator(rate_per_s=6_000)
    recorder = record(sim, "btcusdt@forceOrder", "!forceOrder@arr")
    advance(sim, 5)
    own = recorder.of("btcusdt@forceOrder")
    assert 1 <= len(own) <= 5
    listed = [(e["E"], e["o"]["s"]) for e in recorder.of("!forceOrder@arr")]
    assert len(listed) == len(set(listed))


# -- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("btcusdt@bookTicker", "public"),
        ("!bookTicker", "public"),
        ("btcusdt@depth", "public"),
        ("btcusdt@depth@0ms", "public"),
        ("btcusdt@depth20@100ms", "public"),
        ("btcusdt@rpiDepth@500ms", "public"),
        ("btcusdt@trade", "public"),
        ("btcusdt@aggTrade", "market"),
        ("btcusdt@kline_1M", "market"),
        ("btcusdt_perpetual@continuousKline_1s", "market"),
        ("btcusdt@markPrice", "market"),
        ("!markPrice@arr@1s", "market"),
        ("btcusdt@ticker", "market"),
        ("!forceOrder@arr", "market"),
        ("!contractInfo", "market"),
        ("defiusdt@compositeIndex", "market"),
        ("!assetIndex@arr", "market"),
        ("tradingSession", "market"),
    ],
)
def test_bn_l_02_l_03_routes(name: str, route: str) -> None:
    parsed = parse_stream_name(name, USDM)
    assert parsed is not None
    assert parsed.route == route


@pytest.mark.parametrize(
    "name",
    ["BTCUSDT@bookTicker", "btcusdt@bookticker", "btcusdt@aggtrade", "btcusdt@depth@50ms",
     "btcusdt@depth7", "btcusdt@kline_2m", "btcusdt", "btcusdt@", "@trade", "0", ""],
)  # fmt: skip
def test_bn_c_10_mistyped_names_are_no_streams(name: str) -> None:
    assert parse_stream_name(name, USDM) is None


def test_bn_c_09_unknown_subjects_carry_nothing() -> None:
    sim = simulator(rate_per_s=0)
    recorder = Recorder()
    assert not sim.hub.add(recorder, "nopeusdt@bookTicker", USDM)
    assert not sim.hub.add(recorder, "btcusd_perp@bookTicker", USDM)
    assert not sim.hub.add(recorder, "btcusdt@bookTicker", COINM)
    assert not sim.hub.add(recorder, "btcusdt@indexPrice", USDM)
    assert sim.hub.add(recorder, "币安人生usdt@bookTicker", USDM)


@pytest.mark.parametrize(
    ("now_ms", "delivery_ms"),
    [
        (1_795_219_200_000, 1_798_185_600_000),  # 2026-11-21 -> 2026-12-25 08:00
        (1_798_185_600_000, 1_806_048_000_000),  # at that delivery -> 2027-03-26 08:00
    ],
)
def test_quarterly_delivery_is_the_last_friday(now_ms: int, delivery_ms: int) -> None:
    assert next_quarter_ms(now_ms) == delivery_ms
