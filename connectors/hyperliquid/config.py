"""Hosts, environments, credentials and settings of the Hyperliquid clients.

Section numbers in this package are those of the venue's rules (CONTRIBUTING.md); here: 3 and 17.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..errors import ConfigError
from ..settings import Secrets, Settings, Variables, member

__all__ = [
    "VENUE",
    "AcceptSource",
    "Builder",
    "Config",
    "Credentials",
    "Endpoints",
    "Environment",
    "FillPolicy",
    "OrderChannel",
]

VENUE = "HYPERLIQUID"

_KEY = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


class Environment(StrEnum):
    """Which of the venue's networks; decides hosts, and what signatures are valid for."""

    MAINNET = "mainnet"
    TESTNET = "testnet"

    @property
    def is_test(self) -> bool:
        """Whether no real money is at stake; decides which environment variables are read."""
        return self is Environment.TESTNET

    @property
    def chain(self) -> str:
        """What actions of the account call the network (`hyperliquidChain`)."""
        return "Testnet" if self.is_test else "Mainnet"


class OrderChannel(StrEnum):
    """Which way commands go out."""

    WS = "ws"  # a post on the account's own WebSocket
    HTTP = "http"


class AcceptSource(StrEnum):
    """Which word on a new order counts as its acceptance (2.12)."""

    FIRST = "first"  # the reply or the stream, whichever comes first
    STREAM = "stream"


class FillPolicy(StrEnum):
    """What happens to a fill of a replacement that nobody has announced yet (2.7)."""

    BUFFER = "buffer"  # it waits, so that the update comes first and carries the venue's price
    PROMOTE = "promote"  # it announces the replacement itself


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Hosts of one network, without a slash at the end."""

    rest: str
    ws: str


_ENDPOINTS: Mapping[Environment, Endpoints] = {
    Environment.MAINNET: Endpoints("https://api.hyperliquid.xyz", "wss://api.hyperliquid.xyz/ws"),
    Environment.TESTNET: Endpoints(
        "https://api.hyperliquid-testnet.xyz", "wss://api.hyperliquid-testnet.xyz/ws"
    ),
}


class Credentials(Secrets):
    """The key that signs, and for which account.

    The private key appears in no text form of this object and cannot be pickled. Addresses are
    kept in lower case.

    Parameters
    ----------
    private_key : str
        64 hex digits, with or without `0x`: of the account itself, or of an agent it approved.
    account_address : str, optional
        The account. Needed when the key is an agent's; otherwise it is the key's own address.
    vault_address : str, optional
        A vault or sub-account to trade for, signed for by the same key.

    Raises
    ------
    ConfigError
        For a value that cannot be one of these.
    """

    __slots__ = ("account_address", "private_key", "vault_address")

    SECRET = "private_key"

    def __init__(
        self,
        private_key: str,
        account_address: str | None = None,
        vault_address: str | None = None,
    ) -> None:
        if not _KEY.fullmatch(private_key):
            raise ConfigError(
                f"private_key must be 64 hex digits (32 bytes), got {len(private_key)} characters"
            )
        self.private_key = private_key.removeprefix("0x")
        self.account_address = _address(account_address, "account_address")
        self.vault_address = _address(vault_address, "vault_address")

    @classmethod
    def from_env(
        cls,
        environment: Environment | str = Environment.MAINNET,
        *,
        private_key: str | None = None,
        account_address: str | None = None,
        vault_address: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Credentials | None:
        """Return the credentials of an environment; given values win, one by one.

        Returns
        -------
        Credentials or None
            None without a private key: a client without one sees public data only.

        Raises
        ------
        ConfigError
            An address is set and no key.
        """
        test = member(Environment, environment, "environment").is_test
        variables = Variables("Hyperliquid", test=test, env=env)
        key = variables.get("private_key", private_key)
        account = variables.get("account_address", account_address)
        vault = variables.get("vault_address", vault_address)
        if key is None:
            if account or vault:
                raise variables.incomplete("private_key")
            return None
        return cls(key, account, vault)

    def user(self, signer_address: str) -> str:
        """Return whose orders and balances these are: what queries and subscriptions name.

        An agent's own address would give empty answers without an error.
        """
        return self.vault_address or self.account_address or signer_address.lower()


def _address(value: str | None, name: str) -> str | None:
    if value is None:
        return None
    if not _ADDRESS.fullmatch(value):
        raise ConfigError(f"{name} must be 0x and 40 hex digits, got {value!r}")
    return value.lower()


@dataclass(frozen=True, slots=True)
class Builder:
    """Who gets a part of each order's fee; the account must have approved it.

    Attributes
    ----------
    address : str
        In lower case, as it is signed.
    fee_tenths_bp : int
        Tenths of a basis point: 10 is 0.01 %.
    """

    address: str
    fee_tenths_bp: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", _address(self.address, "builder address"))
        if self.fee_tenths_bp < 0:
            raise ConfigError("fee_tenths_bp must not be negative")


_POSITIVE = (
    "http_timeout_s",
    "ws_timeout_s",
    "post_timeout_ms",
    "submit_unresolved_ms",
    "cancel_unresolved_ms",
    "modify_unresolved_ms",
    "unresolved_max_pause_s",
    "ping_interval_s",
    "pong_timeout_s",
    "readiness_timeout_s",
    "reconcile_interval_s",
    "metadata_refresh_s",
    "inflight_posts_max",
    "connections_max",
    "rest_weight_per_min",
    "messages_per_min",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Settings):
    """Settings of the Hyperliquid clients.

    Attributes
    ----------
    environment :
        Text ("testnet") is taken too.
    credentials :
        None for public data only.
    rest_url, ws_url :
        In place of the environment's; signatures stay those of `environment`.
    dexes :
        Builder dexes, by name, whose instruments are loaded besides the main ones.
    http_timeout_s, ws_timeout_s :
        Of one REST call; of opening a connection.
    order_channel :
        Commands over the WebSocket, or over HTTP.
    post_timeout_ms :
        Without an answer for so long the outcome of a command is unknown.
    expires_after_ms :
        If set, the venue refuses a command that reaches it later than that after it was signed,
        which settles what became of one without an answer. A refusal for age counts five-fold
        against the address limit.
    accept_source, fill_policy :
        See there.
    submit_unresolved_ms, cancel_unresolved_ms, modify_unresolved_ms :
        An order is looked up when a command shows no effect for so long.
    unresolved_max_pause_s :
        Longest pause between look-ups of an order that stays unresolved.
    market_slippage_bps :
        How far from the best price, or from the trigger, a market order may trade.
    max_quote_age_s :
        A market order whose best price was told longer ago is denied, unless it is reduce-only;
        None: however old that is.
    normalize_prices :
        Round prices to the venue's grid instead of denying what is off it: passively, and
        trigger prices to the nearest.
    builder :
        None, the default: no order carries a builder fee.
    coalesce_ms :
        Commands of one kind that are given within so long leave as one action. 0: each leaves
        at once.
    signing_pool :
        Signatures prepared ahead while the loop is idle; 0: none.
    emit_fill_history :
        Report the old fills that the venue sends when the account's stream begins.
    check_signer :
        Ask at `connect` whether the key may sign for the account.
    inflight_posts_max, post_queue_max :
        Commands on the WebSocket without an answer; how many may wait for a free place, or for
        weight. 0: what cannot leave at once is denied.
    rest_weight_per_min, messages_per_min, connections_max :
        Limits of the venue per IP address; all clients of this process share them.
    command_queue_ms :
        How long commands wait for a lost connection to come back; 0: they are denied.
    ping_interval_s, pong_timeout_s :
        A ping every so many seconds; no frame for so long after it means reconnect.
    reconnect_min_s, reconnect_max_s :
        First and longest pause before a lost connection is tried again, spread by chance.
    readiness_timeout_s :
        Longest wait for the confirmations of the account's streams.
    reconcile_interval_s :
        How often open orders are compared with the venue's list.
    metadata_refresh_s :
        How often instruments are read again; after a reconnect they are as well.
    account_id :
        Our name for the account in reports; `HYPERLIQUID-<address>` by default.
    proxy :
        URL of an HTTP proxy, for REST and streams.
    """

    environment: Environment = Environment.MAINNET
    credentials: Credentials | None = None
    rest_url: str | None = None
    ws_url: str | None = None
    dexes: tuple[str, ...] = ()
    http_timeout_s: float = 10.0
    ws_timeout_s: float = 10.0
    order_channel: OrderChannel = OrderChannel.WS
    post_timeout_ms: int = 5_000
    expires_after_ms: int | None = None
    accept_source: AcceptSource = AcceptSource.FIRST
    fill_policy: FillPolicy = FillPolicy.BUFFER
    submit_unresolved_ms: int = 2_000
    cancel_unresolved_ms: int = 2_000
    modify_unresolved_ms: int = 2_000
    unresolved_max_pause_s: float = 30.0
    market_slippage_bps: int = 50
    max_quote_age_s: float | None = 60.0
    normalize_prices: bool = False
    builder: Builder | None = None
    coalesce_ms: int = 0
    signing_pool: int = 0
    emit_fill_history: bool = False
    check_signer: bool = True
    inflight_posts_max: int = 100
    post_queue_max: int = 1_000
    rest_weight_per_min: int = 1_200
    messages_per_min: int = 2_000
    connections_max: int = 10
    command_queue_ms: int = 0
    ping_interval_s: float = 30.0
    pong_timeout_s: float = 10.0
    reconnect_min_s: float = 0.25
    reconnect_max_s: float = 5.0
    readiness_timeout_s: float = 5.0
    reconcile_interval_s: float = 60.0
    metadata_refresh_s: float = 3_600.0
    account_id: str | None = None
    proxy: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._take_text(
            environment=Environment,
            order_channel=OrderChannel,
            accept_source=AcceptSource,
            fill_policy=FillPolicy,
        )
        object.__setattr__(self, "dexes", tuple(self.dexes))
        self._require_positive(*_POSITIVE)
        self._require_not_negative(
            "coalesce_ms", "command_queue_ms", "post_queue_max", "signing_pool"
        )
        if self.max_quote_age_s is not None and self.max_quote_age_s <= 0:
            raise ConfigError("max_quote_age_s must be greater than 0, or None")
        if not 0 <= self.market_slippage_bps < 10_000:
            raise ConfigError("market_slippage_bps must be 0 to 9 999")
        if self.expires_after_ms is not None and self.expires_after_ms <= 0:
            raise ConfigError("expires_after_ms must be greater than 0, or None")
        if not 0 < self.reconnect_min_s <= self.reconnect_max_s:
            raise ConfigError("needs 0 < reconnect_min_s <= reconnect_max_s")

    @classmethod
    def from_env(
        cls,
        environment: Environment | str = Environment.MAINNET,
        *,
        private_key: str | None = None,
        account_address: str | None = None,
        vault_address: str | None = None,
        **settings: Any,
    ) -> Config:
        """Return a config whose credentials come from the environment variables.

        `HYPERLIQUID_PRIVATE_KEY`, `HYPERLIQUID_ACCOUNT_ADDRESS` and `HYPERLIQUID_VAULT_ADDRESS`,
        on the test network with `HYPERLIQUID_TESTNET_` in front. `settings` are further fields
        of `Config`.
        """
        credentials = settings.pop("credentials", None) or Credentials.from_env(
            environment,
            private_key=private_key,
            account_address=account_address,
            vault_address=vault_address,
        )
        return cls(
            environment=member(Environment, environment, "environment"),
            credentials=credentials,
            **settings,
        )

    @classmethod
    def sim(cls, http_url: str, private_key: str | None = None, **settings: Any) -> Config:
        """Return a config for a simulator (`connectors sim hyperliquid`), which is a test network.

        `http_url` and `private_key` as in its line of JSON.
        """
        base = http_url.rstrip("/")
        if private_key is not None:
            settings.setdefault("credentials", Credentials(private_key))
        settings.setdefault("environment", Environment.TESTNET)
        return cls(rest_url=base, ws_url=base.replace("http", "ws", 1) + "/ws", **settings)

    @property
    def endpoints(self) -> Endpoints:
        """The hosts in use."""
        table = _ENDPOINTS[self.environment]
        return Endpoints((self.rest_url or table.rest).rstrip("/"), self.ws_url or table.ws)

    @property
    def is_mainnet(self) -> bool:
        """Whether signatures are for the main network, whatever the hosts."""
        return self.environment is Environment.MAINNET
