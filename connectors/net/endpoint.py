"""Where a session connects to, with what headers, and how TLS is checked."""

from __future__ import annotations

import functools
import inspect
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

from ..errors import ConfigError
from .attempts import attempt_key, is_loopback
from .redact import mask_url

__all__ = ["Endpoint", "check_security", "default_ssl_context"]

_log = logging.getLogger("connectors.net")

T = TypeVar("T")
Fresh: TypeAlias = T | Callable[[], T | Awaitable[T]]


@functools.cache
def default_ssl_context() -> ssl.SSLContext:
    """Return the context that verifies peers against the system's authorities.

    Made once: loading the authorities takes milliseconds, too long for a reconnect.
    """
    return ssl.create_default_context()


def check_security(
    url: str,
    ssl_context: ssl.SSLContext | None,
    *,
    allow_plaintext: bool,
    allow_unverified: bool,
) -> None:
    """Refuse what would send orders or secrets in the clear or to anybody.

    Raises
    ------
    ConfigError
        For plain ws or http to another machine without `allow_plaintext`; for a
        context without verification, except with `allow_unverified` on loopback.
    """
    parts = urlsplit(url)
    host = parts.hostname
    if not host or parts.scheme not in ("ws", "wss", "http", "https"):
        raise ConfigError(f"{mask_url(url)} is not a ws, wss, http or https URL with a host")
    if parts.scheme in ("ws", "http"):
        if not allow_plaintext and not is_loopback(host):
            raise ConfigError(
                f"{mask_url(url)} is not encrypted and not on this machine: use "
                f"{parts.scheme}s, or pass allow_plaintext=True"
            )
    elif ssl_context is not None and ssl_context.verify_mode is ssl.CERT_NONE:
        if not (allow_unverified and is_loopback(host)):
            raise ConfigError(
                f"the TLS context for {mask_url(url)} verifies nothing: pin the certificate; "
                "without verification only loopback hosts, with allow_unverified=True"
            )
        _log.warning("url=%s TLS certificate is not verified", mask_url(url))


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """How to reach one peer.

    Parameters
    ----------
    url : str or callable
        WebSocket URL. A callable, which may be a coroutine function, is asked at each
        attempt, so that a token or listen key in it is fresh. A ConfigError it raises
        ends the session; any other error fails the attempt.
    headers : mapping, or callable returning one
        Extra headers of the upgrade request, asked for at each attempt likewise.
    host : str, optional
        Key in the shared attempt budget. Taken from `url`; required if that is callable.
    proxy : str, optional
        http, https, socks4 or socks5 proxy URL, with credentials if it needs them.
    ssl_context : ssl.SSLContext, optional
        Replaces the verifying default, for example to pin a certificate.
    allow_plaintext, allow_unverified : bool
        See `check_security`.
    receive_buffer_bytes : int, optional
        Socket receive buffer; the system's default if None.
    """

    url: Fresh[str] = field(repr=False)
    headers: Fresh[Mapping[str, str]] | None = field(default=None, repr=False)
    host: str | None = None
    proxy: str | None = field(default=None, repr=False)
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)
    allow_plaintext: bool = False
    allow_unverified: bool = False
    receive_buffer_bytes: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.url, str):
            self._check(self.url)
        elif not self.host:
            raise ConfigError("an endpoint whose url is a callable needs a host")

    def _check(self, url: str) -> None:
        if not url.startswith(("ws://", "wss://")):
            raise ConfigError(f"{mask_url(url)} is not a ws or wss URL")
        check_security(
            url,
            self.ssl_context,
            allow_plaintext=self.allow_plaintext,
            allow_unverified=self.allow_unverified,
        )

    @property
    def budget_key(self) -> str:
        """The key in the shared attempt budget."""
        if self.host is not None:
            return self.host
        assert isinstance(self.url, str)
        return attempt_key(self.url)

    @property
    def label(self) -> str:
        """What may be shown of the URL."""
        return mask_url(self.url) if isinstance(self.url, str) else f"<url of {self.host}>"

    async def resolve(self) -> tuple[str, dict[str, str]]:
        """Return the URL and headers for one attempt; ConfigError if they cannot be used."""
        url = await _fresh(self.url)
        if not isinstance(self.url, str):
            self._check(url)
        headers = await _fresh(self.headers) if self.headers is not None else {}
        return url, dict(headers)


async def _fresh(value: Fresh[T]) -> T:
    if not callable(value):
        return value
    made = value()
    return await made if inspect.isawaitable(made) else made
