"""Cookies of a handshake and of a request (T-06, T-08, X-14)."""

from __future__ import annotations

from collections import Counter

import orjson
from aiohttp import web

__all__ = ["has_doubles", "websocket_session"]


def _pairs(request: web.BaseRequest) -> list[tuple[str, str]]:
    found = []
    for header in request.headers.getall("Cookie", []):
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            if name:
                found.append((name, value))
    return found


def has_doubles(request: web.BaseRequest) -> bool:
    """Whether a cookie comes twice."""
    counts = Counter(name for name, _ in _pairs(request))
    return any(count > 1 for count in counts.values())


def websocket_session(request: web.BaseRequest, *, plain: bool = False) -> str:
    """Return the session id of `api={"session":"…"}`, with or without blanks; else empty.

    With `plain` also that of `api=…`, which goes with OAuth.
    """
    value = dict(_pairs(request)).get("api", "")
    if plain and not value.startswith("{"):
        return value
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return ""
    session = found.get("session") if isinstance(found, dict) else None
    return session if isinstance(session, str) else ""
