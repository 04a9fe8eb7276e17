"""Products, hosts, environments and credentials of Binance Futures.

Source: section 1 and rules BN-P, BN-S-01..21, BN-G-13, BN-G-14 of the venue's rules.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..errors import ConfigError
from ..settings import Secrets, Settings, member

__all__ = [
    "VENUE",
    "Config",
    "Credentials",
    "Endpoints",
    "Environment",
    "Product",
    "Route",
    "check_heartbeat",
    "endpoints",
    "futures_only",
    "pool_route",
    "route_url",
]

VENUE = "BINANCE"


class Product(StrEnum):
    """Product family. The futures clients take `USDM` and `COINM` only (BN-P-01)."""

    SPOT = "spot"
    MARGIN = "margin"
    USDM = "usdm"
    COINM = "coinm"
    OPTIONS = "options"

    @property
    def label(self) -> str:
        """The name as the venue family's error texts write it."""
        return _LABELS[self]

    @property
    def rest_prefix(self) -> str:
        """First part of a REST path."""
        return "/fapi" if self is Product.USDM else "/dapi"

    @property
    def symbol_type(self) -> int:
        """The value of `st` in frames of this product (BN-P-09)."""
        return 1 if self is Product.USDM else 2

    @property
    def is_routed(self) -> bool:
        """Whether streams are split over routes (BN-L-01, BN-L-06)."""
        return self is Product.USDM


_LABELS = {
    Product.SPOT: "Spot",
    Product.MARGIN: "Margin",
    Product.USDM: "UsdM",
    Product.COINM: "CoinM",
    Product.OPTIONS: "Options",
}


def futures_only(product: Product | str) -> Product:
    """Return `product`, refusing what is not a futures product (BN-P-02)."""
    found = member(Product, product, "product")
    if found not in (Product.USDM, Product.COINM):
        raise ConfigError(
            f"BinanceFuturesWebSocketClient requires UsdM or CoinM product type, was {found.label}"
        )
    return found


def check_heartbeat(heartbeat_s: float | None) -> None:
    """Refuse pings so frequent that the venue's limit leaves no room for commands (BN-L-07)."""
    if heartbeat_s is not None and not heartbeat_s >= 1:
        raise ConfigError(f"heartbeat_s must be at least 1, or None, was {heartbeat_s}")


class Environment(StrEnum):
    """Which of the venue's systems (BN-P-06)."""

    LIVE = "live"
    TESTNET = "testnet"
    DEMO = "demo"


class Route(StrEnum):
    """Which of the USD-M stream paths serves a stream (BN-L-01)."""

    PUBLIC = "public"
    MARKET = "market"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Hosts of one product in one environment; `streams` is without a route."""

    rest: str
    streams: str
    trading: str


_ENDPOINTS: Mapping[tuple[Environment, Product], Endpoints] = {
    (Environment.LIVE, Product.USDM): Endpoints(
        "https://fapi.binance.com",
        "wss://fstream.binance.com",
        "wss://ws-fapi.binance.com/ws-fapi/v1",
    ),
    (Environment.LIVE, Product.COINM): Endpoints(
        "https://dapi.binance.com",
        "wss://dstream.binance.com/ws",
        "wss://ws-dapi.binance.com/ws-dapi/v1",
    ),
    (Environment.TESTNET, Product.USDM): Endpoints(
        "https://demo-fapi.binance.com",
        "wss://fstream.binancefuture.com/ws",
        "wss://testnet.binancefuture.com/ws-fapi/v1",
    ),
    (Environment.TESTNET, Product.COINM): Endpoints(
        "https://testnet.binancefuture.com",
        "wss://dstream.binancefuture.com/ws",
        "wss://testnet.binancefuture.com/ws-dapi/v1",
    ),
    (Environment.DEMO, Product.USDM): Endpoints(
        "https://demo-fapi.binance.com",
        "wss://demo-fstream.binance.com/ws",
        "wss://testnet.binancefuture.com/ws-fapi/v1",
    ),
    (Environment.DEMO, Product.COINM): Endpoints(
        "https://demo-dapi.binance.com",
        "wss://demo-dstream.binance.com/ws",
        "wss://testnet.binancefuture.com/ws-dapi/v1",
    ),
}


def endpoints(product: Product, environment: Environment) -> Endpoints:
    """Return the hosts of a futures product."""
    return _ENDPOINTS[environment, product]


_HOST = re.compile(r"^[a-z+]+://([^/:]+)", re.IGNORECASE)
_ROUTE_SUFFIXES = (
    "/market/ws",
    "/market/stream",
    "/public/ws",
    "/public/stream",
    "/private/ws",
    "/private/stream",
    "/market",
    "/public",
    "/private",
    "/ws",
    "/stream",
)


def pool_route(product: Product, url: str | None) -> Route | None:
    """Return the route a pool is on: the one its URL names, the market's without a URL.

    None where nothing is split by route, or the URL does not say.
    """
    if not product.is_routed:
        return None
    if url is None:
        return Route.MARKET
    return next((route for route in Route if f"/{route}/" in url + "/"), None)


def route_url(base: str, route: Route | str, *, routed: bool | None = None) -> str:
    """Return the stream URL of `route` below `base` (BN-P-07, BN-P-08).

    Parameters
    ----------
    base :
        Any stream URL of the host: `wss://fstream.binance.com`, `.../market/ws`.
    routed :
        Whether the host splits its streams by route. None: by the host's name, which only
        the venue's own routed hosts have; any other URL is then returned as it is.
    """
    route = Route(route)
    if routed is None:
        match = _HOST.match(base)
        host = match.group(1).lower() if match else ""
        routed = host.startswith("fstream") and host.endswith((".binance.com", ".binance.us"))
    if not routed:
        return base
    stem = base.rstrip("/")
    for suffix in _ROUTE_SUFFIXES:
        if stem.endswith(suffix):
            stem = stem.removesuffix(suffix)
            break
    return f"{stem}/{route}/ws"


class Credentials(Secrets):
    """An API key and its secret.

    Its text forms show the first four characters of the key and nothing of the secret
    (BN-G-14). It cannot be pickled.

    Parameters
    ----------
    api_key, api_secret :
        Both are needed; one alone is a mistake (BN-S-21).
    passphrase :
        For a secret that is an encrypted PEM (BN-G-12).

    Raises
    ------
    ConfigError
        If the key or the secret is missing or empty.
    """

    __slots__ = ("api_key", "api_secret", "passphrase")

    def __init__(self, api_key: str, api_secret: str, *, passphrase: str | None = None) -> None:
        if not api_key or not api_secret:
            missing = "api_secret" if api_key else "api_key"
            raise ConfigError(f"credentials need key and secret, {missing} is missing")
        self.api_key = api_key
        self.api_secret = api_secret
        self.passphrase = passphrase

    @classmethod
    def optional(cls, api_key: str | None, api_secret: str | None) -> Credentials | None:
        """Return credentials, None when both are missing; one alone is a ConfigError."""
        if not api_key and not api_secret:
            return None
        return cls(api_key or "", api_secret or "")

    @classmethod
    def from_env(
        cls,
        environment: Environment | str = Environment.LIVE,
        *,
        api_key: str | None = None,
        api_secret: str | None = None,
        env: Mapping[str, str] = os.environ,
    ) -> Credentials:
        """Return the credentials of an environment; explicit values win (BN-G-13).

        Raises
        ------
        ConfigError
            `{NAME} not found in config or environment`.
        """
        stem, deprecated = _ENV_STEMS[member(Environment, environment, "environment")]
        return cls(
            api_key or _from_env(env, stem, deprecated, "API_KEY"),
            api_secret or _from_env(env, stem, deprecated, "API_SECRET"),
        )

    def __repr__(self) -> str:
        return f"Credentials(api_key='{self.api_key[:4]}***', api_secret=***)"


_ENV_STEMS = {
    Environment.LIVE: ("BINANCE_", "BINANCE_ED25519_"),
    Environment.TESTNET: ("BINANCE_FUTURES_TESTNET_", "BINANCE_FUTURES_TESTNET_ED25519_"),
    Environment.DEMO: ("BINANCE_DEMO_", None),
}


def _from_env(env: Mapping[str, str], stem: str, deprecated: str | None, what: str) -> str:
    value = env.get(stem + what)
    if value:
        return value
    if deprecated and (value := env.get(deprecated + what)):
        warnings.warn(
            f"{deprecated + what} is deprecated, use {stem + what}",
            DeprecationWarning,
            stacklevel=3,
        )
        return value
    raise ConfigError(f"{stem + what} not found in config or environment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Settings):
    """Settings of the Binance clients.

    Attributes
    ----------
    product, environment :
        Texts ("usdm", "live") are taken too.
    credentials :
        None for public data.
    rest_url, stream_url, trading_url :
        In place of the environment's hosts, used byte for byte (BN-P-04).
    routed :
        Whether `stream_url` is split by route; None: by its host's name (BN-P-08).
    max_streams_per_connection :
        1 to 1 024, default 200 (BN-L-08).
    max_connections :
        Per pool, default 20.
    heartbeat_s :
        A ping every so many seconds, at least 1, default 20, whose missing pong means
        reconnect: silence of data proves nothing on quiet symbols (BN-T-10, BN-T-11). None: no
        pings.
    idle_timeout_s :
        No frame of any kind for so long means reconnect, default 5 min (BN-T-11).
    rotate :
        Replace market-data connections before the venue ends them at 24 h (BN-T-12).
    first_data_timeout_s :
        A confirmed stream that always talks and sends nothing for so long is reported as
        silent; None: never (BN-C-09).
    instrument_refresh_s :
        exchangeInfo is read again every so many seconds, default 3 600; 0: never (BN-I-18).
    book_depth :
        Levels of a REST snapshot: 5, 10, 20, 50, 100, 500 or 1 000 (BN-MD-18).
    proxy :
        URL of an HTTP proxy, for REST and streams.
    request_timeout_s :
        Of one REST call.
    """

    product: Product = Product.USDM
    environment: Environment = Environment.LIVE
    credentials: Credentials | None = None
    rest_url: str | None = None
    stream_url: str | None = None
    trading_url: str | None = None
    routed: bool | None = None
    max_streams_per_connection: int = 200
    max_connections: int = 20
    heartbeat_s: float | None = 20.0
    idle_timeout_s: float = 300.0
    rotate: bool = True
    first_data_timeout_s: float | None = 30.0
    instrument_refresh_s: float = 3600.0
    book_depth: int = 1000
    proxy: str | None = None
    request_timeout_s: float = 10.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "product", futures_only(self.product))
        self._take_text(environment=Environment)
        if not 1 <= self.max_streams_per_connection <= 1024:
            raise ConfigError(
                "max_streams_per_connection must be 1 to 1024, "
                f"was {self.max_streams_per_connection}"
            )
        if self.max_connections < 1:
            raise ConfigError(f"max_connections must be at least 1, was {self.max_connections}")
        check_heartbeat(self.heartbeat_s)
        if self.book_depth not in (5, 10, 20, 50, 100, 500, 1000):
            raise ConfigError(
                f"book_depth must be 5, 10, 20, 50, 100, 500 or 1000, was {self.book_depth}"
            )

    @classmethod
    def from_env(cls, environment: Environment | str = Environment.LIVE, **settings: Any) -> Config:
        """Return a config whose credentials come from the environment variables (BN-G-13)."""
        given = settings.pop("credentials", None)
        return cls(
            environment=member(Environment, environment, "environment"),
            credentials=given or Credentials.from_env(environment),
            **settings,
        )

    @property
    def endpoints(self) -> Endpoints:
        """The hosts in use."""
        table = endpoints(self.product, self.environment)
        return Endpoints(
            rest=(self.rest_url or table.rest).rstrip("/"),
            streams=self.stream_url or table.streams,
            trading=self.trading_url or table.trading,
        )

    def pool_url(self, route: Route) -> str:
        """Return the URL of the stream pool for `route`."""
        if not self.product.is_routed:
            return self.endpoints.streams
        return route_url(self.endpoints.streams, route, routed=self.routed)
