"""Settings of the IBKR clients: where the gateway is, how it is trusted, and every time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from ..errors import ConfigError
from ..settings import Settings, Variables
from .tls import Tls
from .url import ws_url
from .wire import FieldSet

__all__ = ["GATEWAY", "VENUE", "Compete", "Config", "Pacing", "Timers"]

VENUE = "IBKR"
GATEWAY = "https://localhost:5000/v1/api"
SUPPRESSIONS_MAX = 51  # P-12


class Compete(StrEnum):
    """What to do when the user name is used elsewhere (N-02, 3.3)."""

    YIELD = "yield"  # leave the session to the other; say so, and wait
    TAKE_OVER = "take_over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers(Settings):
    """Every time the session is kept by, in seconds (section 3.4).

    Attributes
    ----------
    tickle_s, tickle_alarm_s :
        Pause between tickles; without an answer to one for so long there is an alarm.
    tic_s, tic_timeout_s :
        Pause between `tic` on the socket; a connection that does not answer one is replaced.
    silence_s :
        So does one on which no frame of any kind arrived for so long.
    greeting_s :
        Longest wait for the venue's greeting before subscribing all the same.
    renewal_s :
        A market data line is asked for again so long after it was last (W-12).
    resend_s, resends_max :
        A topic that says nothing for so long is asked for again, so often.
    login_poll_s :
        Pause between looks whether somebody has logged in, and between take-overs.
    orders_idle_s :
        Pause between readings of the live orders while none is known to be open, which finds those
        of other platforms where the socket says nothing of them (W-36). The venue allows 5 (P-05).
    bridge_step_s, bridge_limit_s :
        Pause between looks whether a brokerage session is up; longest wait for it (N-05).
    reconnect_min_s, reconnect_max_s, stable_s :
        Shortest and longest pause before the next attempt; how long a session must be ready
        before the pauses start over.
    sleep_s :
        A jump of the wall clock by so much means that this machine slept (F-32).
    """

    tickle_s: float = 60.0
    tickle_alarm_s: float = 120.0
    tic_s: float = 55.0
    tic_timeout_s: float = 10.0
    silence_s: float = 25.0
    greeting_s: float = 5.0
    renewal_s: float = 540.0
    resend_s: float = 5.0
    resends_max: int = 20
    login_poll_s: float = 60.0
    orders_idle_s: float = 30.0
    bridge_step_s: float = 1.0
    bridge_limit_s: float = 30.0
    reconnect_min_s: float = 1.0
    reconnect_max_s: float = 60.0
    stable_s: float = 60.0
    sleep_s: float = 30.0

    def __post_init__(self) -> None:
        self._require_positive(*(each.name for each in fields(self)))
        if self.reconnect_min_s > self.reconnect_max_s:
            raise ConfigError("timers need reconnect_min_s <= reconnect_max_s")
        if self.tickle_alarm_s <= self.tickle_s:
            raise ConfigError("timers need tickle_s < tickle_alarm_s")

    def faster(self, factor: float) -> Timers:
        """Return the same times for a venue whose clock runs `factor` times as fast."""
        names = [each.name for each in fields(self) if each.name != "resends_max"]
        return replace(self, **{name: getattr(self, name) / factor for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing(Settings):
    """Limits of requests (section 7).

    Attributes
    ----------
    per_second :
        Requests of all kinds together; the venue allows 10 (P-01, P-02).
    penalty_s :
        Silence after a 429, orders and tickles excepted (P-09).
    wait_s :
        Longest wait of a request for its turn.
    """

    per_second: int = 9
    penalty_s: float = 600.0
    wait_s: float = 30.0

    def __post_init__(self) -> None:
        self._require_positive(*(each.name for each in fields(self)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Settings):
    """Settings of the IBKR clients.

    Attributes
    ----------
    base_url :
        Of the REST interface of a gateway, `https://localhost:5000/v1/api` by default. The
        WebSocket's is derived from it.
    tls :
        Which certificates are accepted; see `Tls`. The gateway's own fails ordinary
        verification: pin it.
    account :
        Which account to use where there are several; else the one selected at the venue when the
        session begins, and that one for as long as it is kept.
    expect_paper :
        Refuse to be ready if the session is not of a paper account (True), or is (False).
    compete :
        What to do when another platform takes the session.
    suppress :
        Ids of order questions not to be asked in this session (R-40). None by default.
    logout :
        Log out at the end, which also ends the login of the browser. Off by default (F-16).
    http_timeout_s, order_timeout_s, ws_timeout_s :
        Of a request; of one that is about an order (R-04); of opening the socket.
    lines_max :
        Market data lines at the same time (P-11).
    size_factors :
        By conid, what the venue's sizes of bid and ask are multiplied by. None by default: older
        documentation has US stocks in hundreds, and what is seen is in shares (V-10).
    timers, pacing :
        See there.
    origin :
        Send `Origin` and `Referer` of the gateway, which some deployments check (T-05).
    allow_plaintext :
        Accept http to another machine.
    account_id :
        Our name for the account in reports; `IBKR-<account>` by default.
    """

    base_url: str = GATEWAY
    tls: Tls = field(default_factory=Tls)
    account: str | None = None
    expect_paper: bool | None = None
    compete: Compete = Compete.YIELD
    fields: FieldSet = field(default_factory=FieldSet.default_l1)
    suppress: tuple[str, ...] = ()
    logout: bool = False
    http_timeout_s: float = 10.0
    order_timeout_s: float = 15.0
    ws_timeout_s: float = 5.0
    lines_max: int = 100
    size_factors: Mapping[str, int] = field(default_factory=dict, hash=False)
    timers: Timers = field(default_factory=Timers)
    pacing: Pacing = field(default_factory=Pacing)
    origin: bool = False
    allow_plaintext: bool = False
    account_id: str | None = None
    proxy: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        socket = ws_url(self.base_url)
        if "?" in socket:
            raise ConfigError("base_url has a query, which REST paths cannot be put behind")
        object.__setattr__(self, "base_url", "http" + socket.removeprefix("ws").removesuffix("/ws"))
        object.__setattr__(self, "suppress", tuple(self.suppress))
        self._take_text(compete=Compete)
        self._require_positive("http_timeout_s", "order_timeout_s", "ws_timeout_s", "lines_max")
        if len(self.suppress) > SUPPRESSIONS_MAX:
            raise ConfigError(f"suppress takes {SUPPRESSIONS_MAX} ids at most (P-12)")
        self._take_factors()
        self.tls.check(self.base_url, allow_plaintext=self.allow_plaintext)

    def _take_factors(self) -> None:
        factors = {str(conid): factor for conid, factor in self.size_factors.items()}
        for conid, factor in factors.items():
            if not conid.isdecimal() or type(factor) is not int or factor < 1:
                text = f"whole numbers from 1 by conid, got {factor!r} for {conid!r}"
                raise ConfigError(f"size_factors are {text}")
        object.__setattr__(self, "size_factors", factors)

    def size_factor(self, conid: str) -> int:
        """Return what a contract's sizes of bid and ask are multiplied by."""
        return self.size_factors.get(conid, 1)

    @classmethod
    def from_env(cls, *, env: Mapping[str, str] | None = None, **settings: Any) -> Config:
        """Return a config from `IBKR_BASE_URL`, `IBKR_ACCOUNT`, `IBKR_TLS` and their kin.

        `IBKR_TLS` is `verify`, `pin` or `insecure`, `IBKR_CERTIFICATE` the path of the pinned
        certificate (or of authorities), `IBKR_FINGERPRINT` its SHA-256; with one of the two and
        no `IBKR_TLS`, it is pinned. Given `settings` win.
        """
        variables = Variables("IBKR", test=False, env=env)
        for name in ("base_url", "account", "compete"):
            value = variables.get(name, settings.get(name))
            if value is not None:
                settings[name] = value
        if "tls" not in settings:
            certificate = variables.get("certificate")
            fingerprint = variables.get("fingerprint")
            pinned = certificate is not None or fingerprint is not None
            mode = variables.get("tls") or ("pin" if pinned else "verify")
            settings["tls"] = Tls(mode, certificate, fingerprint)  # type: ignore[arg-type]
        return cls(**settings)

    @classmethod
    def sim(cls, http_url: str, account: str | None = None, **settings: Any) -> Config:
        """Return a config for a simulator (`connectors sim ibkr`), as in its line of JSON."""
        settings.setdefault("expect_paper", True)
        return cls(base_url=http_url, account=account, **settings)

    @property
    def ws_url(self) -> str:
        """Where the WebSocket is."""
        return ws_url(self.base_url)
