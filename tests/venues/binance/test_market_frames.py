"""BN-TC-14: every sample frame decodes to its `expect`; odd frames never raise out of it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors._speedups.events import EventFlag
from oracle.binance_frames import told
from oracle.binance_rig import Market, Rig

HERE = Path(__file__).resolve()
SAMPLES = json.loads((HERE.parents[2] / "data/binance/market_frames.json").read_text("utf-8"))
FRAMES = {entry["id"]: entry for entry in SAMPLES["frames"]}
ODD = {entry["id"]: entry for entry in SAMPLES["odd_frames"]}
NAUTILUS = HERE.parents[4] / "shared/data/binance/nautilus/market_data_json"

MARKETS = [
    Market("BTCUSDT", "0.01", "0.001"),
    Market("BNBUSDT", "0.0001", "0.01"),
    Market("ETHUSDT", "0.01", "0.001"),
    Market("XYZUSDT", "0.0001", "1"),
    Market("币安人生USDT", "0.0000001", "1"),
    Market("币安USDT", "1", "1"),
    Market("BTCUSD_PERP", "0.1", "1"),
    Market("BTCUSD_200626", "0.1", "1"),
    Market("BTCUSD_200925", "0.1", "1"),
    Market("BTCUSD_201225", "0.1", "1"),
    Market("BTCUSD", "0.00000001", "1"),  # a pair: index price
    Market("BTCUSDT_PERPETUAL", "0.01", "0.001"),  # a continuous contract
]
KINDS = {
    "trade": "Trade",
    "quote": "Quote",
    "depth": "BookUpdate",
    "mark": "MarkPrice",
    "index": "IndexPrice",
    "kline": "Bar",
    "continuous_kline": "Bar",
    "liquidation": "Liquidation",
}


def wire(frame: Any) -> bytes:
    """The literal wire text of a frame that is stored as JSON."""
    return json.dumps(frame, separators=(",", ":"), ensure_ascii=False).encode()


class Collector(Rig):
    """Keeps the event objects too."""

    def __init__(self) -> None:
        super().__init__(MARKETS)
        self.events: list[Any] = []
        for kind in range(9):
            self.router.route(kind, -1, self.take)

    def take(self, event: Any) -> None:
        self.events.append(event)
        self.outcomes.append(told(event))


@pytest.fixture
def rig() -> Collector:
    return Collector()


def decimals(levels: list[list[str]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(size)) for price, size in levels]


def assert_expected(events: list[Any], expect: dict[str, Any]) -> None:
    """Compare the one event of a frame with the fields its sample names."""
    (event,) = events
    assert type(event).__name__ == KINDS[expect["kind"]]
    ns = 1_000_000
    checks = {
        "aggregate": lambda v: event.is_aggregate == v,
        "market": lambda v: event.is_market == v,
        "id": lambda v: event.trade_id == v,
        "price": lambda v: getattr(event, "price", getattr(event, "index", None)) == Decimal(v),
        "qty": lambda v: event.size == Decimal(v),
        "aggressor": lambda v: event.aggressor.name == {"sell": "SELLER", "buy": "BUYER"}[v],
        "side": lambda v: event.side.name == {"sell": "SELLER", "buy": "BUYER"}[v],
        "ts_ms": lambda v: event.ts_event == v * ns,
        "bid": lambda v: event.bid == Decimal(v),
        "bid_qty": lambda v: event.bid_size == Decimal(v),
        "ask": lambda v: event.ask == Decimal(v),
        "ask_qty": lambda v: event.ask_size == Decimal(v),
        "seq": lambda v: event.seq == v,
        "symbol": lambda v: event.instrument.symbol == v,
        "pair": lambda v: event.instrument.symbol == v,
        "first": lambda v: event.first_seq == v,
        "last": lambda v: event.last_seq == v,
        "prev": lambda v: event.prev_seq == v,
        "bids": lambda v: event.bids_decimal() == decimals(v),
        "asks": lambda v: event.asks_decimal() == decimals(v),
        "deletes": lambda v: sum(size == 0 for _, size in event.bids + event.asks) == v,
        "updates": lambda v: sum(size != 0 for _, size in event.bids + event.asks) == v,
        "levels": lambda v: event.n_bids + event.n_asks == v,
        "chain_only": lambda v: (event.bids, event.asks) == ([], []),
        "mark": lambda v: str(event.mark) == v,
        "index": lambda v: str(event.index) == v,
        "rate": lambda v: event.funding_rate == (None if v is None else Decimal(v)),
        "next_funding_ms": lambda v: event.ts_next_funding == (v or 0) * ns,
        "closed": lambda v: event.is_closed == v,
    }
    comments = {"kind", "note", "last_flag_on"}
    for name, value in expect.items():
        assert name in comments or checks[name](value), f"{name}: {value!r} in {event!r}"


@pytest.mark.parametrize("name", FRAMES)
def test_bn_tc_14_sample_frame(rig, name):
    """Each frame as on a raw connection; and the oracle says the same of it."""
    entry = FRAMES[name]
    expect = entry.get("expect", {})
    outcomes = rig.check(wire(entry["frame"]))
    assert "problem" not in [outcome[0] for outcome in outcomes]
    assert rig.decoder.decode_errors == 0
    kind = expect.get("kind")
    if kind in KINDS:
        assert_expected(rig.events, expect)
    elif kind == "array":
        assert len(outcomes) == expect["items"]
    elif kind in ("contract_info", "other", "server_shutdown", "unknown"):
        frame = entry["frame"].get("event", entry["frame"])
        assert outcomes == [("venue", frame["e"], wire(frame), None)]
        assert rig.decoder.venue_events == 1
    elif kind == "combined":
        assert len(rig.events) == 1
    else:
        assert expect == {}
        assert len(outcomes) == 1


STREAMED = [
    name
    for name, entry in FRAMES.items()
    if entry["stream"] != "-" and "stream" not in entry["frame"]
]


@pytest.mark.parametrize("name", STREAMED)
def test_a_combined_connection_says_the_same(rig, name):
    """BN-F-06: but for depth, where the name of the stream says what it is."""
    entry = FRAMES[name]
    raw = rig.check(wire(entry["frame"]))
    combined = rig.check(wire({"stream": entry["stream"], "data": entry["frame"]}))
    if raw[0][0] == "venue":
        assert combined == [(*outcome[:3], entry["stream"]) for outcome in raw]
    elif raw[0][0] == "BookUpdate":
        flags = {"depth_partial5": EventFlag.PARTIAL, "rpi_depth": EventFlag.RPI}.get(name, 0)
        kind, instrument, _, _, *rest = raw[0]
        snapshot = flags == EventFlag.PARTIAL
        assert combined == [(kind, instrument, int(flags), snapshot, *rest)]
    else:
        assert combined == raw


def test_combined_frames_of_the_samples(rig):
    rig.check(wire(FRAMES["combined_depth"]["frame"]))
    rig.check(wire(FRAMES["combined_array"]["frame"]))
    assert [type(event).__name__ for event in rig.events] == ["BookUpdate", "Ticker"]


ODD_EVENTS = {
    "price_number_not_string": ("Quote", "BTCUSDT", Decimal("1.5")),
    "level_extra_items": ("BookUpdate", "BTCUSDT", False),
    "escaped_symbol": ("Quote", "币安USDT", Decimal(1)),
    "pretty_printed": ("Quote", "BTCUSDT", Decimal(1)),
    "dup_key": ("Quote", "BTCUSDT", Decimal(1)),
    "nested_decoy": ("Quote", "BTCUSDT", Decimal(1)),
}


@pytest.mark.parametrize("name", ODD)
def test_bn_tc_14_odd_frame(rig, name):
    """A typed error or a defined event, and nothing out of the reader."""
    data = ODD[name]["text"].encode()
    outcomes = rig.check(data)
    if name in ODD_EVENTS:
        kind, symbol, value = ODD_EVENTS[name]
        ((found_kind, instrument, flags, found, *_),) = outcomes
        assert (found_kind, instrument, found, flags) == (kind, symbol, value, 0)
    else:
        assert outcomes == [("problem", data)]
        assert rig.decoder.decode_errors == 1
    rig.check(wire(FRAMES["book_ticker"]["frame"]))  # and the stream goes on
    assert type(rig.events[-1]).__name__ == "Quote"


def test_odd_frames_are_all_accounted_for():
    assert set(ODD_EVENTS) <= set(ODD)


def test_the_last_of_equal_keys_counts(rig):
    rig.feed(ODD["dup_key"]["text"].encode())
    assert rig.events[-1].seq == 2


@pytest.mark.skipif(not NAUTILUS.is_dir(), reason="the recorded fixtures are not in this checkout")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("agg_trade_stream", lambda e, f: e.price == Decimal(f["p"]) and e.is_aggregate),
        ("trade_stream", lambda e, f: e.price == Decimal(f["p"]) and e.is_market),
        ("book_ticker_stream", lambda e, f: e.ask_size == Decimal(f["A"])),
        ("depth_update_stream", lambda e, f: e.bids_decimal() == decimals(f["b"])),
        ("mark_price_stream", lambda e, f: e.funding_rate == Decimal(f["r"])),
        ("ticker_stream", lambda e, f: e.change_percent == Decimal(f["P"])),
        ("liquidation_stream", lambda e, f: e.average_price == Decimal(f["o"]["ap"])),
        ("kline_stream_open", lambda e, f: not e.is_closed and e.high == Decimal(f["k"]["h"])),
        ("kline_stream_closed", lambda e, f: e.is_closed and e.volume == Decimal(f["k"]["v"])),
    ],
)
def test_fixtures_of_the_reference_adapter(rig, name, says):
    """Pretty-printed as they are, and compact: `ps` and `st` in other places, older orders."""
    pretty = (NAUTILUS / f"{name}.json").read_bytes()
    frame = json.loads(pretty)
    assert rig.check(pretty) == rig.check(wire(frame))
    first, second = rig.events
    assert first == second
    assert first.instrument.symbol == (frame["s"] if "s" in frame else frame["o"]["s"])
    assert says(first, frame)
