"""Products, hosts, routes and credentials (section 1, BN-G-13, BN-G-14)."""

from __future__ import annotations

import pickle

import pytest

from connectors.binance import StreamPool
from connectors.binance.config import (
    Config,
    Credentials,
    Environment,
    Product,
    Route,
    endpoints,
    futures_only,
    route_url,
)
from connectors.errors import ConfigError


@pytest.mark.parametrize("product", ["spot", "margin", "options"])
def test_bn_p_02_only_futures(product):
    with pytest.raises(ConfigError) as caught:
        Config(product=product)
    name = Product(product).label
    assert str(caught.value) == (
        f"BinanceFuturesWebSocketClient requires UsdM or CoinM product type, was {name}"
    )


def test_texts_are_taken_and_wrong_ones_named():
    config = Config(product="coinm", environment="testnet")
    assert config.product is Product.COINM
    assert config.environment is Environment.TESTNET
    assert futures_only("usdm") is Product.USDM
    with pytest.raises(ConfigError, match="unknown product 'usd-m': one of spot"):
        Config(product="usd-m")
    with pytest.raises(ConfigError, match="unknown environment 'paper'"):
        Config(environment="paper")


def test_bn_p_05_seed_endpoints():
    assert Config().pool_url(Route.MARKET) == "wss://fstream.binance.com/market/ws"
    assert Config().pool_url(Route.PUBLIC) == "wss://fstream.binance.com/public/ws"
    for route in Route:
        assert Config(product="coinm").pool_url(route) == "wss://dstream.binance.com/ws"
    assert Config(environment="testnet").pool_url(Route.MARKET) == (
        "wss://fstream.binancefuture.com/ws"
    )


def test_every_environment_has_hosts():
    for environment in Environment:
        for product in (Product.USDM, Product.COINM):
            hosts = endpoints(product, environment)
            assert hosts.rest.startswith("https://")
            assert hosts.streams.startswith("wss://")
            assert hosts.trading.endswith("/v1")


def test_bn_p_04_an_explicit_url_is_used_byte_for_byte():
    config = Config(stream_url="ws://127.0.0.1:9/odd//path?x=1")
    assert config.pool_url(Route.MARKET) == "ws://127.0.0.1:9/odd//path?x=1"


SUFFIXES = [
    *("/market/ws", "/market/stream", "/public/ws", "/public/stream", "/private/ws"),
    *("/private/stream", "/market", "/public", "/private", "/ws", "/stream"),
]


@pytest.mark.parametrize("suffix", ["", "/", "///", *SUFFIXES, *(s + "/" for s in SUFFIXES)])
@pytest.mark.parametrize(
    "host",
    [
        "fstream.binance.com",
        "fstream-mm.binance.com",
        "fstream-auth.binance.us",
        "fstream.binance.com:9443",
    ],
)
def test_bn_p_07_routed_hosts(host, suffix):
    for route in ("market", "public", "private"):
        assert route_url(f"wss://{host}{suffix}", route) == f"wss://{host}/{route}/ws"


@pytest.mark.parametrize(
    "url",
    [
        "ws://127.0.0.1:80/ws",
        "wss://fstream.binancefuture.com/ws",
        "wss://dstream.binance.com/ws",
        "wss://proxy.example/fstream.binance.com",
        "wss://fstream.binance.com.evil.example/ws",
    ],
)
def test_bn_p_07_other_hosts_are_left_alone(url):
    assert route_url(url, "market") == url


def test_bn_p_07_a_suffix_is_removed_once():
    assert route_url("wss://fstream.binance.com/ws/ws", "market") == (
        "wss://fstream.binance.com/ws/market/ws"
    )


def test_bn_p_07_other_route_names_are_a_mistake():
    with pytest.raises(ValueError, match="trading"):
        route_url("wss://fstream.binance.com", "trading")


def test_bn_p_08_the_switch():
    base = "ws://127.0.0.1:9000/ws"
    assert route_url(base, "public", routed=True) == "ws://127.0.0.1:9000/public/ws"
    assert route_url("wss://fstream.binance.com/ws", "public", routed=False) == (
        "wss://fstream.binance.com/ws"
    )
    config = Config(stream_url=base, routed=True)
    assert config.pool_url(Route.MARKET) == "ws://127.0.0.1:9000/market/ws"


# ---- credentials ------------------------------------------------------------------------------


def test_bn_s_21_key_and_secret_go_together():
    assert Credentials.optional(None, None) is None
    for key, secret in (("k", None), (None, "s"), ("k", ""), ("", "s")):
        with pytest.raises(ConfigError, match="is missing"):
            Credentials.optional(key, secret)


def test_bn_g_14_no_secret_in_any_text():
    credentials = Credentials("abcdefghijkl", "TOPSECRET", passphrase="PASS")
    config = Config(credentials=credentials)
    for text in (repr(credentials), str(credentials), f"{credentials}", repr(config)):
        assert "TOPSECRET" not in text
        assert "PASS" not in text
        assert "abcdefgh" not in text
    assert "abcd" in repr(credentials)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(credentials)


@pytest.mark.parametrize(
    ("environment", "stem"),
    [
        ("live", "BINANCE_"),
        ("testnet", "BINANCE_FUTURES_TESTNET_"),
        ("demo", "BINANCE_DEMO_"),
    ],
)
def test_bn_g_13_environment_variables(environment, stem):
    env = {stem + "API_KEY": "key", stem + "API_SECRET": "secret"}
    found = Credentials.from_env(environment, env=env)
    assert (found.api_key, found.api_secret) == ("key", "secret")
    explicit = Credentials.from_env(environment, api_key="mine", env=env)
    assert (explicit.api_key, explicit.api_secret) == ("mine", "secret")
    with pytest.raises(ConfigError) as caught:
        Credentials.from_env(environment, env={stem + "API_KEY": "key"})
    assert str(caught.value) == f"{stem}API_SECRET not found in config or environment"


def test_bn_g_13_deprecated_names_warn():
    env = {"BINANCE_ED25519_API_KEY": "k", "BINANCE_ED25519_API_SECRET": "s"}
    with pytest.warns(DeprecationWarning, match="is deprecated, use BINANCE_API_"):
        assert Credentials.from_env("live", env=env).api_key == "k"


def test_config_from_env(monkeypatch):
    monkeypatch.setenv("BINANCE_DEMO_API_KEY", "key1")
    monkeypatch.setenv("BINANCE_DEMO_API_SECRET", "s")
    config = Config.from_env("demo", product="coinm")
    assert config.environment is Environment.DEMO
    assert config.product is Product.COINM
    assert config.credentials.api_key == "key1"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"max_streams_per_connection": 0}, "1 to 1024"),
        ({"max_streams_per_connection": 1025}, "1 to 1024"),
        ({"max_connections": 0}, "at least 1"),
        ({"book_depth": 25}, "book_depth must be 5, 10"),
    ],
)
def test_settings_are_checked(settings, text):
    with pytest.raises(ConfigError, match=text):
        Config(**settings)


@pytest.mark.parametrize("heartbeat_s", [0, -1, 0.05, 0.99])
def test_bn_l_07_pings_leave_room_for_commands(heartbeat_s):
    with pytest.raises(ConfigError, match="heartbeat_s"):
        Config(heartbeat_s=heartbeat_s)
    assert Config(heartbeat_s=1).heartbeat_s == 1
    assert Config(heartbeat_s=None).heartbeat_s is None
    with pytest.raises(ConfigError, match="heartbeat_s"):
        StreamPool(heartbeat_s=heartbeat_s)
