"""Hosts and settings: section 1, and DX-S-22 as far as settings go."""

from __future__ import annotations

import pytest

from connectors import dydx
from connectors.dydx.wire import session_policy
from connectors.errors import ConfigError

KEY = "4f3edf983ac636a65a842ce7c78d9aa706d3b113bce9c46f30d7d21715b23b1d"
WALLET = "dydx1n56z5fhmemtffzkt2eqyf9kuc7ycjfs86mvqy7"


@pytest.mark.parametrize(
    ("name", "rest", "ws", "chain"),
    [
        ("mainnet", "https://indexer.dydx.trade", "wss://indexer.dydx.trade/v4/ws",
         "dydx-mainnet-1"),
        ("testnet", "https://indexer.v4testnet.dydx.exchange",
         "wss://indexer.v4testnet.dydx.exchange/v4/ws", "dydx-testnet-4"),
        ("local", "http://localhost:3002", "ws://localhost:3003", "localdydxprotocol"),
    ],
)  # fmt: skip
def test_1_1_hosts_and_chains(name, rest, ws, chain):
    config = dydx.Config(environment=name)
    assert (config.endpoints.rest, config.endpoints.ws) == (rest, ws)
    assert config.environment.chain_id == chain
    assert config.environment.is_test == (name != "mainnet")


def test_1_1_given_hosts_win_and_a_simulator_is_a_test_network():
    config = dydx.Config(rest_url="http://127.0.0.1:1/", ws_url="ws://127.0.0.1:2")
    assert (config.endpoints.rest, config.endpoints.ws) == (
        "http://127.0.0.1:1", "ws://127.0.0.1:2",
    )  # fmt: skip
    config = dydx.Config.sim("http://127.0.0.1:1/")
    assert config.endpoints.ws == "ws://127.0.0.1:1/v4/ws"
    assert config.environment.is_test


def test_1_1_the_account_comes_from_the_environment():
    env = {"DYDX_PRIVATE_KEY": f" 0x{KEY} ", "DYDX_WALLET_ADDRESS": "  ",
           "DYDX_TESTNET_WALLET_ADDRESS": WALLET}  # fmt: skip
    config = dydx.Config.from_env("mainnet", env=env)
    assert config.credential is not None
    assert config.address == config.credential.address
    assert KEY not in repr(config)
    config = dydx.Config.from_env("testnet", env=env, subaccount_number=3)
    assert (config.credential, config.address, config.subaccount_number) == (None, WALLET, 3)
    assert dydx.Config.from_env("local", env={}).address is None


def test_settings_make_the_policy_of_connections():
    policy = session_policy(
        dydx.Config(ws_timeout_s=3, heartbeat_s=20, reconnect_max_s=9, idle_timeout_s=25)
    )
    assert (policy.attempt_timeout_s, policy.silence_timeout_s) == (3, 25)
    assert policy.backoff.maximum_s == 9
    assert (policy.heartbeat.interval_s, policy.heartbeat.reply_timeout_s) == (20.0, 10.0)
    assert policy.heartbeat.message is None  # a ping frame


@pytest.mark.parametrize(
    "bad",
    [
        {"environment": "moon"},
        {"batched": ("v4_nope",)},
        {"heartbeat_s": 0},
        {"idle_timeout_s": 0},
        {"reconnect_min_s": 6},
        {"subaccount_number": -1},
        {"subaccount_number": 128_001},
        {"address": "dydx1nonsense"},
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(bad):
    with pytest.raises(ConfigError):
        dydx.Config(**bad)
