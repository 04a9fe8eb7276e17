"""Stream names: what exists, on which route, spelled how (sections 6 to 8)."""

from __future__ import annotations

import json
import pathlib

import pytest

from connectors.binance.config import Product, Route
from connectors.binance.streams import canonical, depth_names, parse, route_of
from connectors.errors import ClientError

DATA = pathlib.Path(__file__).parents[2] / "data" / "binance"
FRAMES = json.loads((DATA / "market_frames.json").read_text())["frames"]


@pytest.mark.parametrize(
    "frame", [f for f in FRAMES if f["stream"] != "-"], ids=lambda frame: frame["id"]
)
def test_bn_l_05_every_sample_stream_has_its_route(frame):
    product = Product.USDM if frame["product"] == "USD-M" else Product.COINM
    stream = parse(frame["stream"], product)
    if frame["route"] in ("public", "market"):
        assert stream.route == frame["route"]
    assert stream.name == frame["stream"]


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("btcusdt@trade", Route.PUBLIC),
        ("btcusdt@depth", Route.PUBLIC),
        ("btcusdt@depth@0ms", Route.PUBLIC),
        ("btcusdt@depth20@500ms", Route.PUBLIC),
        ("btcusdt@rpiDepth@500ms", Route.PUBLIC),
        ("!bookTicker", Route.PUBLIC),
        ("btcusdt@aggTrade", Route.MARKET),
        ("btcusdt@kline_1M", Route.MARKET),
        ("btcusdt_perpetual@continuousKline_1s", Route.MARKET),
        ("!markPrice@arr@1s", Route.MARKET),
        ("!forceOrder@arr", Route.MARKET),
        ("tradingSession", Route.MARKET),
    ],
)
def test_bn_l_02_03_routes(name, route):
    assert route_of(name) is route


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("btcusdt@aggtrade", "did you mean 'aggTrade'"),
        ("btcusdt@AggTrade", "did you mean 'aggTrade'"),
        ("btcusdt@kline_7m", "no interval '7m'"),
        ("btcusdt@Kline_1m", "did you mean 'kline'"),
        ("btcusdt@kline_1s", "no interval '1s'"),
        ("btcusdt@kline_1m@1s", "ends at the interval"),
        ("btcusdt@depth@250ms", "no speed '250ms'"),
        ("btcusdt@depth@", "ends with '@'"),
        ("btcusdt@depth5@0ms", "no speed '0ms'"),
        ("btcusdt@depth7", "no channel 'depth7'"),
        ("btcusdt@rpiDepth", "no speed ''"),
        ("btcusdt@markPrice@3s", "no speed '3s'"),
        ("!Ticker@arr", "did you mean '!ticker@arr'"),
        ("!nothing", "does not exist"),
        ("BTCUSDT", "does not exist"),
        ("", "does not exist"),
        ("@aggTrade", "is not a symbol"),
        ("btc usdt@aggTrade", "is not a symbol"),
        ('btc"usdt@aggTrade', "is not a symbol"),
        ("btcusdt@", "there is no channel"),
        ("btcusdt_weekly@continuousKline_1m", "before @continuousKline"),
        ("btcusdt@indexPrice@1s", "does not exist on UsdM"),
    ],
)
def test_bn_c_09_names_the_venue_would_never_serve(name, text):
    with pytest.raises(ClientError, match=text):
        parse(name)


@pytest.mark.parametrize(
    "name", ["btcusd_perp@rpiDepth@500ms", "!markPrice@arr", "tradingSession", "!assetIndex@arr"]
)
def test_bn_l_06_coinm_lacks_some(name):
    with pytest.raises(ClientError, match="does not exist on CoinM"):
        parse(name, Product.COINM)


def test_bn_c_10_only_the_symbol_is_lower_cased():
    assert canonical("BTCUSDT@aggTrade") == "btcusdt@aggTrade"
    assert parse("BTCUSDT@markPrice@1s").name == "btcusdt@markPrice@1s"
    assert parse("BTCUSDT@kline_1M").interval == "1M"
    assert canonical("!ticker@arr") == "!ticker@arr"


def test_bn_c_11_symbols_outside_ascii():
    assert parse("币安人生USDT@bookTicker").symbol == "币安人生usdt"


def test_bn_f_06_depth_kinds():
    assert parse("btcusdt@depth@100ms").depth_kind == "diff"
    assert parse("btcusdt@depth10").depth_kind == "partial"
    assert parse("btcusdt@rpiDepth@500ms").depth_kind == "rpi"
    assert parse("btcusdt@trade").depth_kind is None


def test_bn_md_17_the_four_depth_names():
    assert depth_names("BTCUSDT") == (
        "btcusdt@depth",
        "btcusdt@depth@0ms",
        "btcusdt@depth@100ms",
        "btcusdt@depth@500ms",
    )
