"""From wishes to stream names, and bars that come once (BN-MD-08, BN-MD-09, BN-MD-16)."""

from __future__ import annotations

import pytest

from connectors.binance.config import Product
from connectors.binance.plans import BarFilter, bar_plan, depth_stream, interval_s
from connectors.binance.streams import INTERVALS, parse
from connectors.errors import ClientError, Unsupported
from connectors.model import Bar, EventFlag, Instrument, InstrumentKind


def make(symbol, pair):
    return Instrument(
        id=f"{pair}-PERP",
        symbol=symbol,
        venue="BINANCE",
        kind=InstrumentKind.PERPETUAL,
        base="BTC",
        quote="USDT",
        pair=pair,
        tick_size="0.1",
        lot_size="1",
    )


USDM = make("BTCUSDT", "BTCUSDT")
COINM = make("BTCUSD_PERP", "BTCUSD")


@pytest.mark.parametrize("interval", INTERVALS)
def test_every_interval(interval):
    plan = bar_plan(Product.USDM, USDM, interval, "trade", None)
    assert parse(plan.stream).interval == interval
    assert plan.interval_s == interval_s(interval)


def test_interval_seconds():
    assert [interval_s(i) for i in ("1s", "1m", "4h", "3d", "1w", "1M")] == [
        1, 60, 14_400, 259_200, 604_800, -1
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "contract", "stream", "wire_name", "flags"),
    [
        ("trade", None, "btcusd_perp@kline_1m", "BTCUSD_PERP", 0),
        ("mark", None, "btcusd_perp@markPriceKline_1m", "BTCUSD_PERP", EventFlag.MARK),
        ("index", None, "btcusd@indexPriceKline_1m", "BTCUSD", EventFlag.INDEX),
        (
            "trade",
            "current_quarter",
            "btcusd_current_quarter@continuousKline_1m",
            "BTCUSD_CURRENT_QUARTER",
            EventFlag.CONTINUOUS,
        ),
    ],
)
def test_bar_streams(source, contract, stream, wire_name, flags):
    plan = bar_plan(Product.COINM, COINM, "1m", source, contract)
    assert (plan.stream, plan.wire_name, plan.flags) == (stream, wire_name, flags)
    assert parse(plan.stream, Product.COINM).name == stream


def test_what_there_is_not():
    with pytest.raises(Unsupported, match="COIN-M only"):
        bar_plan(Product.USDM, USDM, "1m", "mark", None)
    with pytest.raises(Unsupported, match="trades only"):
        bar_plan(Product.COINM, COINM, "1m", "mark", "perpetual")
    with pytest.raises(ClientError, match="no interval '1s'"):
        bar_plan(Product.USDM, USDM, "1s", "trade", None)
    assert bar_plan(Product.USDM, USDM, "1s", "trade", "perpetual").interval_s == 1


@pytest.mark.parametrize(
    ("kind", "speed_ms", "levels", "name"),
    [
        ("diff", None, 0, "btcusdt@depth@0ms"),
        ("diff", 250, 0, "btcusdt@depth"),
        ("diff", 500, 0, "btcusdt@depth@500ms"),
        ("partial", None, 5, "btcusdt@depth5@100ms"),
        ("partial", 250, 20, "btcusdt@depth20"),
        ("rpi", None, 20, "btcusdt@rpiDepth@500ms"),
    ],
)
def test_depth_streams(kind, speed_ms, levels, name):
    assert depth_stream("BTCUSDT", kind, speed_ms, levels) == name
    assert parse(name).depth_kind == kind


def bar(opened, *, closed, interval=60, flags=0):
    return Bar(
        USDM,
        interval_s=interval,
        ts_open=opened,
        open_ticks=1,
        high_ticks=1,
        low_ticks=1,
        close_ticks=1,
        flags=flags | (EventFlag.CLOSED if closed else 0),
    )


def test_each_closed_bar_once():
    plan = bar_plan(Product.USDM, USDM, "1m", "trade", None)
    closed, every = BarFilter(plan, closed_only=True), BarFilter(plan, closed_only=False)
    bars = [
        bar(0, closed=False),
        bar(0, closed=True),
        bar(0, closed=True),
        bar(0, closed=False),
        bar(60, closed=True, interval=300),
        bar(60, closed=True, flags=EventFlag.CONTINUOUS),
        bar(60, closed=False),
        bar(60, closed=True),
    ]
    assert [closed(each) for each in bars] == [
        False, True, False, False, False, False, False, True
    ]  # fmt: skip
    assert [every(each) for each in bars] == [
        True, True, False, False, False, False, True, True
    ]  # fmt: skip
