"""Hosts, credentials from the environment, settings that cannot work, and no key anywhere (3)."""

from __future__ import annotations

import copy
import pickle
import traceback
from typing import Any

import pytest

from connectors import hyperliquid
from connectors.errors import ConfigError
from connectors.hyperliquid import Builder, Config, Credentials, Environment
from connectors.hyperliquid.config import AcceptSource, FillPolicy, OrderChannel

KEY = "c0ffee" * 10 + "c0de"
ACCOUNT = "0x" + "aB" * 20
VAULT = "0x" + "Cd" * 20


def test_hosts_of_both_networks() -> None:
    main, test = Config(), Config(environment="testnet")  # type: ignore[arg-type]
    assert main.endpoints.rest == "https://api.hyperliquid.xyz"
    assert main.endpoints.ws == "wss://api.hyperliquid.xyz/ws"
    assert test.endpoints.rest == "https://api.hyperliquid-testnet.xyz"
    assert test.endpoints.ws == "wss://api.hyperliquid-testnet.xyz/ws"
    assert (main.is_mainnet, test.is_mainnet) == (True, False)
    assert (main.environment.chain, test.environment.chain) == ("Mainnet", "Testnet")


def test_hosts_do_not_decide_what_is_signed() -> None:
    """The official SDK signs for the test network on any other URL than the main network's."""
    config = Config(rest_url="http://127.0.0.1:1/", ws_url="ws://127.0.0.1:1/ws")
    assert config.is_mainnet
    assert config.endpoints.rest == "http://127.0.0.1:1"
    sim = Config.sim("http://127.0.0.1:7/", KEY)
    assert not sim.is_mainnet
    assert (sim.endpoints.rest, sim.endpoints.ws) == (
        "http://127.0.0.1:7",
        "ws://127.0.0.1:7/ws",
    )
    assert sim.credentials is not None
    assert Config.sim("https://host").endpoints.ws == "wss://host/ws"
    assert Config.sim("http://h", environment="mainnet").is_mainnet


def test_defaults_are_those_of_the_venue() -> None:
    config = Config()
    assert config.environment is Environment.MAINNET
    assert config.order_channel is OrderChannel.WS
    assert config.accept_source is AcceptSource.FIRST
    assert config.fill_policy is FillPolicy.BUFFER
    assert config.post_timeout_ms == 5_000
    assert config.expires_after_ms is None
    assert (
        config.submit_unresolved_ms
        == config.cancel_unresolved_ms
        == config.modify_unresolved_ms
        == 2_000
    )
    assert (config.ping_interval_s, config.pong_timeout_s) == (30.0, 10.0)
    assert (config.reconnect_min_s, config.reconnect_max_s) == (0.25, 5.0)
    assert config.inflight_posts_max == 100
    assert config.rest_weight_per_min == 1_200
    assert config.messages_per_min == 2_000
    assert config.market_slippage_bps == 50
    assert config.normalize_prices is False
    assert config.builder is None
    assert config.command_queue_ms == 0
    assert config.coalesce_ms == 0


def test_settings_may_be_given_as_text() -> None:
    config = Config(
        environment="testnet",  # type: ignore[arg-type]
        order_channel="http",  # type: ignore[arg-type]
        fill_policy="promote",  # type: ignore[arg-type]
        accept_source="stream",  # type: ignore[arg-type]
        dexes=["xyz"],  # type: ignore[arg-type]
    )
    assert config.order_channel is OrderChannel.HTTP
    assert config.fill_policy is FillPolicy.PROMOTE
    assert config.accept_source is AcceptSource.STREAM
    assert config.dexes == ("xyz",)
    assert config.with_changes(post_timeout_ms=7).post_timeout_ms == 7


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"environment": "moon"}, "environment"),
        ({"order_channel": "pigeon"}, "order_channel"),
        ({"fill_policy": ""}, "fill_policy"),
        ({"post_timeout_ms": 0}, "post_timeout_ms"),
        ({"http_timeout_s": -1}, "http_timeout_s"),
        ({"market_slippage_bps": 10_000}, "market_slippage_bps"),
        ({"market_slippage_bps": -1}, "market_slippage_bps"),
        ({"expires_after_ms": 0}, "expires_after_ms"),
        ({"coalesce_ms": -1}, "coalesce_ms"),
        ({"signing_pool": -1}, "signing_pool"),
        ({"reconnect_min_s": 6.0}, "reconnect_min_s"),
        ({"inflight_posts_max": 0}, "inflight_posts_max"),
    ],
)
def test_settings_that_cannot_work(changes: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Config(**changes)


# -- credentials ---------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["mainnet", "testnet"])
def test_credentials_from_the_environment(network: str) -> None:
    stem = "HYPERLIQUID_TESTNET_" if network == "testnet" else "HYPERLIQUID_"
    env = {
        f"{stem}PRIVATE_KEY": f" 0x{KEY}\n",
        f"{stem}ACCOUNT_ADDRESS": ACCOUNT,
        f"{stem}VAULT_ADDRESS": VAULT,
        "HYPERLIQUID_OTHER": "x",
    }
    found = Credentials.from_env(network, env=env)
    assert found is not None
    assert found.private_key == KEY
    assert found.account_address == ACCOUNT.lower()
    assert found.vault_address == VAULT.lower()
    other = "mainnet" if network == "testnet" else "testnet"
    assert Credentials.from_env(other, env=env) is None
    given = Credentials.from_env(network, env=env, private_key="ab" * 32)
    assert given is not None
    assert given.private_key == "ab" * 32


def test_credentials_that_are_incomplete_or_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PRIVATE_KEY", "ACCOUNT_ADDRESS", "VAULT_ADDRESS"):
        monkeypatch.delenv(f"HYPERLIQUID_{name}", raising=False)
    assert Credentials.from_env(env={}) is None
    assert Config.from_env().credentials is None
    for name in ("ACCOUNT_ADDRESS", "VAULT_ADDRESS"):
        with pytest.raises(ConfigError, match="HYPERLIQUID_PRIVATE_KEY"):
            Credentials.from_env(env={f"HYPERLIQUID_{name}": ACCOUNT})
    monkeypatch.setenv("HYPERLIQUID_PRIVATE_KEY", KEY)
    config = Config.from_env(post_timeout_ms=7)
    assert config.credentials is not None
    assert config.post_timeout_ms == 7


def test_whose_account_it_is() -> None:
    """Questions name the vault or the account, never an agent (12.1)."""
    own = "0x" + "11" * 20
    assert Credentials(KEY).user(own.upper().replace("0X", "0x")) == own
    assert Credentials(KEY, ACCOUNT).user(own) == ACCOUNT.lower()
    assert Credentials(KEY, ACCOUNT, VAULT).user(own) == VAULT.lower()


@pytest.mark.parametrize("key", ["", "0x", "ab" * 31, "ab" * 33, "0X" + "ab" * 32, "zz" * 32])
def test_keys_that_are_none(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Credentials(key)
    assert "64 hex digits" in str(caught.value)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("address", ["", "0x1", ACCOUNT[2:], ACCOUNT + "0", "0x" + "g" * 40])
def test_addresses_that_are_none(address: str) -> None:
    for where in ({"account_address": address}, {"vault_address": address}):
        with pytest.raises(ConfigError, match=next(iter(where))):
            Credentials(KEY, **where)
    with pytest.raises(ConfigError, match="builder"):
        Builder(address, 1)


def test_a_builder_is_signed_in_lower_case() -> None:
    assert Builder(ACCOUNT, 10).address == ACCOUNT.lower()
    with pytest.raises(ConfigError):
        Builder(ACCOUNT, -1)


def test_the_key_appears_nowhere() -> None:
    credentials = Credentials(KEY, ACCOUNT)
    config = Config(credentials=credentials, proxy="http://user:secret@proxy")
    for thing in (credentials, config, [config], {"config": config}):
        assert KEY not in repr(thing)
        assert KEY not in str(thing)
        assert "secret@" not in repr(thing)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(credentials)
    with pytest.raises(TypeError, match="not pickled"):
        copy.copy(credentials)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(config)


def test_the_key_is_not_in_what_a_client_shows() -> None:
    config = Config(credentials=Credentials(KEY))
    client = hyperliquid.ExecutionClient(config)
    try:
        assert KEY not in repr(client)
        assert KEY.upper() not in repr(client).upper()
        try:
            raise RuntimeError("an error with a client in hand")
        except RuntimeError as error:
            shown = "".join(traceback.TracebackException.from_exception(
                error, capture_locals=True
            ).format())  # fmt: skip
        assert KEY not in shown.replace(f"KEY = '{KEY}'", "")
    finally:
        client._wipe()


def test_a_key_outside_the_curves_order_is_refused() -> None:
    for key in ("0" * 64, "f" * 64):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - InvalidKey is one
            hyperliquid.ExecutionClient(Config(credentials=Credentials(key)))
        assert key not in str(caught.value)
