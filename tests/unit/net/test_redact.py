"""No secret survives `mask_url`, and what helps to find a fault does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.net.redact import mask_text, mask_url

SECRET = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            f"wss://fstream.binance.com/private/ws?listenKey={SECRET}&events=ORDER_TRADE_UPDATE",
            "wss://fstream.binance.com/private/ws?listenKey=***&events=ORDER_TRADE_UPDATE",
        ),
        (
            f"https://fapi.binance.com/fapi/v1/order?symbol=BTCUSDT&signature={SECRET}",
            "https://fapi.binance.com/fapi/v1/order?symbol=BTCUSDT&signature=***",
        ),
        (f"wss://fstream.binance.com/ws/{SECRET}", "wss://fstream.binance.com/ws/***"),
        (f"wss://api.ibkr.com/v1/api/ws?oauth_token={SECRET}", None),
        (f"wss://x.example/?sessionToken={SECRET}", None),
        (f"wss://x.example/?bearer_token={SECRET}", None),
        (f"wss://x.example/?a=1&AUTH={SECRET}", None),
        (f"wss://x.example/?apiKey={SECRET};token={SECRET}", None),
        (f"http://user:{SECRET}@proxy.example:3128/", "http://***@proxy.example:3128/"),
        (
            "wss://fstream.binance.com/stream?streams=btcusdt@aggTrade/ethusdt@bookTicker",
            "wss://fstream.binance.com/stream?streams=btcusdt@aggTrade/ethusdt@bookTicker",
        ),
        ("wss://x.example/path", "wss://x.example/path"),
        ("http://[broken", "***"),
    ],
)
def test_mask_url(url, shown):
    masked = mask_url(url)
    assert SECRET not in masked
    if shown is not None:
        assert masked == shown
    assert mask_url(masked) == masked


def test_mask_text_finds_urls_in_messages():
    text = f"cannot reach wss://h.example/ws?token={SECRET} (refused); see https://a.example/?x=1"
    assert mask_text(text) == (
        "cannot reach wss://h.example/ws?token=*** (refused); see https://a.example/?x=1"
    )


@given(
    st.sampled_from(
        ["listenKey", "signature", "auth", "token", "oauth_token", "API_KEY", "Secret"]
    ),
    st.from_regex(r"[A-Za-z0-9%._~+/=-]{8,80}", fullmatch=True),
    st.lists(st.sampled_from(["a=1", "symbol=BTCUSDT", "x"]), max_size=3),
    st.integers(0, 3),
)
def test_a_secret_parameter_is_masked_wherever_it_stands(name, value, others, position):
    parts = [*others[:position], f"{name}={value}", *others[position:]]
    masked = mask_url("wss://h.example/ws?" + "&".join(parts))
    assert f"{name}=***" in masked
    assert f"={value}" not in masked
