"""Hosts, environments and settings of the dYdX clients.

Section numbers in this package, and rows such as DX-S-22, name the venue's rules (CONTRIBUTING.md);
this is 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..errors import ConfigError
from ..settings import Settings, member
from .address import check_address
from .channels import ChannelKind
from .credential import Credential, wallet_address_from_env

__all__ = ["VENUE", "Config", "Endpoints", "Environment"]

VENUE = "DYDX"


class Environment(StrEnum):
    """Which of the venue's networks."""

    MAINNET = "mainnet"
    TESTNET = "testnet"
    LOCAL = "local"

    @property
    def is_test(self) -> bool:
        """Whether no real money is at stake; decides which environment variables are read."""
        return self is not Environment.MAINNET

    @property
    def chain_id(self) -> str:
        """What the chain is called in what is signed."""
        return _CHAIN_IDS[self]


_CHAIN_IDS = {
    Environment.MAINNET: "dydx-mainnet-1",
    Environment.TESTNET: "dydx-testnet-4",
    Environment.LOCAL: "localdydxprotocol",
}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The indexer of one network, without a slash at the end; REST paths start with `/v4`."""

    rest: str
    ws: str


_ENDPOINTS: Mapping[Environment, Endpoints] = {
    Environment.MAINNET: Endpoints("https://indexer.dydx.trade", "wss://indexer.dydx.trade/v4/ws"),
    Environment.TESTNET: Endpoints(
        "https://indexer.v4testnet.dydx.exchange", "wss://indexer.v4testnet.dydx.exchange/v4/ws"
    ),
    Environment.LOCAL: Endpoints("http://localhost:3002", "ws://localhost:3003"),
}
_POSITIVE = (
    "http_timeout_s",
    "ws_timeout_s",
    "idle_timeout_s",
    "subscribe_timeout_s",
    "subscribe_window_s",
    "reconcile_interval_s",
    "rest_lag_blocks",
    "short_block_window",
)
_HIGHEST_SUBACCOUNT = 128_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Settings):
    """Settings of the dYdX clients.

    Attributes
    ----------
    environment :
        Text ("testnet") is taken too.
    credential :
        Nothing that reads needs one, only its address; see `address`.
    address, subaccount_number :
        The account to watch; by default that of the credential, subaccount 0. Whoever knows an
        address can read all of its account.
    parent :
        `subaccount_number` (0 to 127) is a parent: its children, which hold isolated positions,
        are watched with it.
    rest_url, ws_url :
        In place of the environment's.
    max_ws_connections, per_channel_limit :
        Connections for market data, and how many topics of one kind (trades, books, candles,
        markets) each of them carries. Both at least 1; the venue takes 32 of a kind.
    batched :
        Channels (`v4_orderbook`, ...) that are to come in one frame every 250 ms instead of one
        for each change: fewer frames, but late.
    http_timeout_s, ws_timeout_s :
        Of one REST call; of opening a connection.
    heartbeat_s :
        Time between pings of ours, whole seconds; None: only the venue pings.
    idle_timeout_s :
        A connection without any frame for so long is replaced; the venue pings every 30 s.
    subscribe_timeout_s :
        A subscribe without an answer for so long is repeated; the venue may take 20 s.
    subscribe_window_s :
        At most two subscribes of one topic leave in this time: the venue closes the connection
        at the third in a second.
    reconnect_min_s, reconnect_max_s :
        Shortest and longest pause between attempts after the first, which has none.
    reconcile_interval_s :
        How often the account is compared with what REST says.
    rest_lag_blocks :
        How many blocks the replicas behind REST may lag: what a gap has hidden is read at once,
        and once more when they must have it.
    short_block_window :
        How many blocks ahead the chain takes short-term orders: 20, or 40 since a later release.
    account_id :
        Our name for the account in reports.
    proxy :
        URL of an HTTP proxy, for REST and streams.
    """

    environment: Environment = Environment.MAINNET
    credential: Credential | None = None
    address: str | None = None
    subaccount_number: int = 0
    parent: bool = False
    rest_url: str | None = None
    ws_url: str | None = None
    max_ws_connections: int = 8
    per_channel_limit: int = 32
    batched: frozenset[str] = frozenset()
    http_timeout_s: float = 5.0
    ws_timeout_s: float = 15.0
    heartbeat_s: int | None = None
    idle_timeout_s: float = 40.0
    subscribe_timeout_s: float = 25.0
    subscribe_window_s: float = 1.25
    reconnect_min_s: float = 0.25
    reconnect_max_s: float = 5.0
    reconcile_interval_s: float = 60.0
    rest_lag_blocks: int = 10
    short_block_window: int = 20
    account_id: str | None = None
    proxy: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._take_text(environment=Environment)
        object.__setattr__(self, "batched", frozenset(self.batched))
        if unknown := self.batched.difference(ChannelKind):
            raise ConfigError(f"batched names no channel of the venue: {', '.join(unknown)}")
        for name in ("max_ws_connections", "per_channel_limit"):
            object.__setattr__(self, name, max(getattr(self, name), 1))  # DX-N-01
        self._require_positive(*_POSITIVE)
        if self.heartbeat_s is not None and self.heartbeat_s < 1:
            raise ConfigError("heartbeat_s must be at least 1 second, or None")
        if not 0 < self.reconnect_min_s <= self.reconnect_max_s:
            raise ConfigError("needs 0 < reconnect_min_s <= reconnect_max_s")
        if not 0 <= self.subaccount_number <= _HIGHEST_SUBACCOUNT:
            raise ConfigError(f"subaccount_number must be 0 to {_HIGHEST_SUBACCOUNT}")
        if self.address is None and self.credential is not None:
            object.__setattr__(self, "address", self.credential.address)
        if self.address is not None:
            check_address(self.address)

    @classmethod
    def from_env(
        cls,
        environment: Environment | str = Environment.MAINNET,
        *,
        env: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> Config:
        """Return a config whose account comes from the environment variables.

        `DYDX_PRIVATE_KEY` and `DYDX_WALLET_ADDRESS`, on other networks than the main one
        `DYDX_TESTNET_PRIVATE_KEY` and `DYDX_TESTNET_WALLET_ADDRESS`. `settings` are further fields
        of `Config`; those given here win.
        """
        network = member(Environment, environment, "environment")
        test = network.is_test
        if settings.get("credential") is None:
            settings["credential"] = Credential.from_env(testnet=test, env=env)
        if settings["credential"] is None and settings.get("address") is None:
            settings["address"] = wallet_address_from_env(testnet=test, env=env)
        return cls(environment=network, **settings)

    @classmethod
    def sim(cls, http_url: str, **settings: Any) -> Config:
        """Return a config for a simulator (`connectors sim dydx`), which is a test network.

        `http_url` as in its line of JSON.
        """
        base = http_url.rstrip("/")
        settings.setdefault("environment", Environment.TESTNET)
        return cls(rest_url=base, ws_url=base.replace("http", "ws", 1) + "/v4/ws", **settings)

    @property
    def endpoints(self) -> Endpoints:
        """The hosts in use."""
        table = _ENDPOINTS[self.environment]
        return Endpoints((self.rest_url or table.rest).rstrip("/"), self.ws_url or table.ws)
