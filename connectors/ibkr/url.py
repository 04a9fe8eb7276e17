"""From the REST base URL to the WebSocket's (section 1.1 of the venue's rules)."""

from __future__ import annotations

import re

from ..errors import ConfigError

__all__ = ["ws_url"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCHEMES = {"http": "ws", "https": "wss"}


def ws_url(base: str) -> str:
    """Return the URL of the WebSocket that belongs to a REST base URL (S-01 to S-08).

    `https://localhost:5000/v1/api` gives `wss://localhost:5000/v1/api/ws`. A query stays, a
    fragment goes, and a slash at the end does not double.

    Raises
    ------
    ConfigError
        It is not an absolute http or https URL with a host. The text shows no part of it but
        its scheme: there may be a password in it.
    """
    base = base.strip("".join(map(chr, range(0x21))))
    found = _SCHEME.match(base)
    if found is None:
        raise ConfigError("base_url is not an absolute URL: it begins with http:// or https://")
    scheme = found[1].lower()
    if scheme not in _SCHEMES:
        raise ConfigError(f"unsupported WebSocket base scheme '{scheme}' (expected http/https)")
    if not base[found.end() :].startswith("//") or base[found.end() + 2 :].startswith("/"):
        raise ConfigError("base_url has no host")
    if "\\" in base or _BAD_ESCAPE.search(base):
        raise ConfigError("base_url contains a backslash or a broken percent escape")
    return _derive(base, _SCHEMES[scheme])


def _derive(base: str, scheme: str) -> str:
    import yarl  # comes with aiohttp, and costs as much as all of this package

    try:
        url = yarl.URL(base)
        host, port = url.host_subcomponent, url.explicit_port
    except ValueError as error:
        raise ConfigError("base_url is not a valid URL: look at its host and port") from error
    if not host:
        raise ConfigError("base_url has no host")
    if url.user is not None or url.password is not None:
        raise ConfigError(
            "base_url contains a user or a password, which the gateway has no use for"
        )
    place = host if port in (None, {"ws": 80, "wss": 443}[scheme]) else f"{host}:{port}"
    query = f"?{url.raw_query_string}" if url.raw_query_string else ""
    return f"{scheme}://{place}{url.raw_path.rstrip('/')}/ws{query}"
