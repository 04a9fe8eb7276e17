"""Hosts, environments, credentials and settings of the Lighter clients.

Source: section 3 of the venue's rules (LT-3.*); the limits are in `limits`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..errors import ConfigError
from ..settings import Secrets, Settings, Variables, member
from .limits import Limits, Tier

__all__ = ["ALL_API_KEYS", "VENUE", "Config", "Credentials", "Endpoints", "Environment"]

VENUE = "LIGHTER"

ALL_API_KEYS = 255  # in queries only
MAX_API_KEY_INDEX = 254
_SECRET = re.compile(r"(?:0x)?[0-9a-fA-F]{80}")


class Environment(StrEnum):
    """Which of the venue's systems."""

    MAINNET = "mainnet"
    TESTNET = "testnet"
    RH_MAINNET = "rh-mainnet"  # the second deployment
    RH_TESTNET = "rh-testnet"

    @property
    def is_test(self) -> bool:
        """Whether no real money is at stake; decides which environment variables are read."""
        return self in (Environment.TESTNET, Environment.RH_TESTNET)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Hosts of one environment and the chain id its transactions are signed for."""

    rest: str
    stream: str
    chain_id: int


def _hosts(host: str, chain_id: int) -> Endpoints:
    return Endpoints(f"https://{host}", f"wss://{host}/stream", chain_id)


_ENDPOINTS: Mapping[Environment, Endpoints] = {
    Environment.MAINNET: _hosts("mainnet.zklighter.elliot.ai", 304),
    Environment.TESTNET: _hosts("testnet.zklighter.elliot.ai", 300),
    Environment.RH_MAINNET: _hosts("api.rh.lighter.xyz", 466324),
    Environment.RH_TESTNET: _hosts("api.rh-testnet.lighter.xyz", 300),
}


class Credentials(Secrets):
    """An API key of an account: its private key and the two numbers that name it.

    The private key appears in no text form of this object and cannot be pickled.

    Parameters
    ----------
    api_secret : str
        80 hex digits, with or without `0x`.
    account_index : int
        At least 0; sub-accounts start at 2**47.
    api_key_index : int
        0 to 254; 0 to 3 belong to the venue's own applications.

    Raises
    ------
    ConfigError
        For a value that cannot be one of these.
    """

    __slots__ = ("account_index", "api_key_index", "api_secret")

    SECRET = "api_secret"

    def __init__(self, api_secret: str, account_index: int, api_key_index: int) -> None:
        if not _SECRET.fullmatch(api_secret):
            raise ConfigError(
                f"api_secret must be 80 hex digits (40 bytes), got {len(api_secret)} characters"
            )
        if account_index < 0:
            raise ConfigError(f"account_index must not be negative, got {account_index}")
        if not 0 <= api_key_index <= MAX_API_KEY_INDEX:
            raise ConfigError(f"api_key_index must be 0 to 254, got {api_key_index}")
        self.api_secret = api_secret.removeprefix("0x")
        self.account_index = account_index
        self.api_key_index = api_key_index

    @classmethod
    def from_env(
        cls,
        environment: Environment | str = Environment.MAINNET,
        *,
        api_secret: str | None = None,
        account_index: int | None = None,
        api_key_index: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Credentials | None:
        """Return the credentials of an environment; given values win, field by field.

        Returns
        -------
        Credentials or None
            None when none of the three is set: a client without them sees public data only.

        Raises
        ------
        ConfigError
            Some but not all are set; the text names what is missing.
        """
        test = member(Environment, environment, "environment").is_test
        variables = Variables("Lighter", test=test, env=env)
        found = {
            "api_secret": variables.get("api_secret", api_secret),
            "account_index": variables.get("account_index", account_index),
            "api_key_index": variables.get("api_key_index", api_key_index),
        }
        missing = [name for name, value in found.items() if value is None]
        if len(missing) == len(found):
            return None
        if missing:
            raise variables.incomplete(*missing)
        return cls(
            found["api_secret"] or "",
            _whole(found["account_index"] or "", "account_index"),
            _whole(found["api_key_index"] or "", "api_key_index"),
        )


def _whole(value: str, name: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ConfigError(f"{name} must be a whole number") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Settings):
    """Settings of the Lighter clients.

    Attributes
    ----------
    environment :
        Text ("testnet") is taken too.
    credentials :
        None for public data only.
    rest_url, stream_url, chain_id :
        In place of the environment's.
    http_timeout_s, ws_timeout_s :
        Of one REST call; of opening a connection.
    market_order_slippage_bps :
        How far from the best price, or from the trigger, a market order may trade.
    max_quote_age_s :
        A market order whose best price was told longer ago is denied, unless it is reduce-only;
        None: however old that is.
    strict_precision :
        Deny an order whose price or size is off the grid, instead of truncating it.
    integrator_account_index :
        Attribute orders to this integrator, whom `connect` then approves for zero fees.
        None, the default: nobody is approved and orders carry no attribute.
    tier, rest_quota_per_min, sendtx_quota_per_min :
        Limits of the account (`limits`); the quotas replace the tier's.
    nonce_window :
        Transactions that may be without an answer at one time.
    tx_lifetime_s :
        After that the venue drops a transaction it has not executed.
    ack_timeout_s :
        Without an answer for so long the outcome of a transaction is unknown.
    probe_delay_s :
        Orders are looked up when an acknowledged cancel or modification shows no effect
        for so long; creates one second later.
    max_batch :
        Transactions in one request.
    signing_pool :
        Signatures prepared ahead while the loop is idle; 0: none.
    read_only_token :
        A token made by the venue (`ro:...`), for private reads and streams in place of
        our own.
    readiness_timeout_s, readiness_warning_s :
        Longest wait for the first frame of each private stream at `connect`; how often
        the wait is logged.
    heartbeat_s, idle_timeout_s :
        A ping every so many seconds; no frame for so long means reconnect.
    reconnect_min_s, reconnect_max_s :
        First and longest pause before a lost connection is tried again.
    token_lifetime_s, token_refresh_s :
        Of an auth token; when the streams get a new one.
    metadata_refresh_s :
        How often the execution client reads the markets again; it does after a reconnect as well.
    control_frames_per_min :
        Subscribes and the like that may leave in a minute; None: the venue's 200, which all
        connections of this process to a host share.
    account_id :
        Our name for the account in reports; `LIGHTER-<account_index>` by default.
    proxy :
        URL of an HTTP proxy, for REST and streams.
    """

    environment: Environment = Environment.MAINNET
    credentials: Credentials | None = None
    rest_url: str | None = None
    stream_url: str | None = None
    chain_id: int | None = None
    http_timeout_s: float = 10.0
    ws_timeout_s: float = 10.0
    market_order_slippage_bps: int = 50
    max_quote_age_s: float | None = 60.0
    strict_precision: bool = False
    integrator_account_index: int | None = None
    tier: Tier = Tier.STANDARD
    rest_quota_per_min: int | None = None
    sendtx_quota_per_min: int | None = None
    nonce_window: int = 64
    tx_lifetime_s: float = 300.0
    ack_timeout_s: float = 5.0
    probe_delay_s: float = 2.0
    max_batch: int = 15
    signing_pool: int = 0
    read_only_token: str | None = field(default=None, repr=False)
    readiness_timeout_s: float = 30.0
    readiness_warning_s: float = 5.0
    heartbeat_s: float = 30.0
    idle_timeout_s: float = 60.0
    reconnect_min_s: float = 0.25
    reconnect_max_s: float = 30.0
    token_lifetime_s: float = 7 * 3600.0
    token_refresh_s: float = 6 * 3600.0
    metadata_refresh_s: float = 3_600.0
    control_frames_per_min: int | None = None
    account_id: str | None = None
    proxy: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._take_text(environment=Environment, tier=Tier)
        self._require_positive(
            "http_timeout_s",
            "ws_timeout_s",
            "tx_lifetime_s",
            "ack_timeout_s",
            "probe_delay_s",
            "readiness_timeout_s",
            "readiness_warning_s",
            "heartbeat_s",
            "idle_timeout_s",
            "metadata_refresh_s",
        )
        if self.max_quote_age_s is not None and self.max_quote_age_s <= 0:
            raise ConfigError("max_quote_age_s must be greater than 0, or None")
        if not 0 <= self.market_order_slippage_bps < 10_000:
            raise ConfigError("market_order_slippage_bps must be 0 to 9 999")
        if not 1 <= self.max_batch <= 50:
            raise ConfigError("max_batch must be 1 to 50")
        if self.nonce_window < 1:
            raise ConfigError("nonce_window must be at least 1")
        if not 60 < self.token_refresh_s < self.token_lifetime_s <= 8 * 3600:
            raise ConfigError("needs 60 < token_refresh_s < token_lifetime_s <= 8 hours")
        if self.read_only_token is not None and not self.read_only_token.startswith("ro:"):
            raise ConfigError("read_only_token must be one made by the venue (ro:...)")

    @classmethod
    def from_env(
        cls,
        environment: Environment | str = Environment.MAINNET,
        *,
        api_secret: str | None = None,
        account_index: int | None = None,
        api_key_index: int | None = None,
        **settings: Any,
    ) -> Config:
        """Return a config whose credentials come from the environment variables.

        `LIGHTER_API_SECRET`, `LIGHTER_ACCOUNT_INDEX` and `LIGHTER_API_KEY_INDEX`, on a test
        network with `LIGHTER_TESTNET_` in front. `settings` are further fields of `Config`.
        """
        credentials = settings.pop("credentials", None) or Credentials.from_env(
            environment,
            api_secret=api_secret,
            account_index=account_index,
            api_key_index=api_key_index,
        )
        return cls(
            environment=member(Environment, environment, "environment"),
            credentials=credentials,
            **settings,
        )

    @classmethod
    def sim(
        cls, http_url: str, account: Mapping[str, Any] | None = None, **settings: Any
    ) -> Config:
        """Return a config for a simulator (`connectors sim lighter`), which is a test network.

        `http_url` and `account` as in its line of JSON.
        """
        base = http_url.rstrip("/")
        if account is not None:
            key = Credentials(
                account["private_key"], account["account_index"], account["api_key_index"]
            )
            settings.setdefault("credentials", key)
        settings.setdefault("environment", Environment.TESTNET)
        stream_url = base.replace("http", "ws", 1) + "/stream"
        return cls(rest_url=base, stream_url=stream_url, **settings)

    @property
    def endpoints(self) -> Endpoints:
        """The hosts and the chain id in use."""
        table = _ENDPOINTS[self.environment]
        return Endpoints(
            rest=(self.rest_url or table.rest).rstrip("/"),
            stream=self.stream_url or table.stream,
            chain_id=table.chain_id if self.chain_id is None else self.chain_id,
        )

    @property
    def limits(self) -> Limits:
        """The limits in use."""
        return Limits.of(
            self.tier,
            rest_per_min=self.rest_quota_per_min,
            sendtx_per_min=self.sendtx_quota_per_min,
        )

    @property
    def account_name(self) -> str | None:
        """Our name for the account, None without credentials."""
        if self.account_id is not None or self.credentials is None:
            return self.account_id
        return f"{VENUE}-{self.credentials.account_index}"
