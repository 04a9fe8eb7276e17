"""What an answer of the REST interface means (R-01 to R-03); no I/O.

=====================================  =====================================================
answer                                 error
=====================================  =====================================================
2xx                                    none, unless its body says otherwise (R-01)
3xx, 401, 403, 410                     NotAuthenticated
400 "no bridge", "Init session first"  NoBridge
429                                    RateLimited, and a penalty begins
other 4xx, an error in a 2xx           VenueError
5xx                                    VenueError with that status; UnknownOutcome of an order
=====================================  =====================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ..errors import ConnectorError, RateLimited, UnknownOutcome, VenueError
from ..net.http_types import HttpRequest, HttpResponse
from ..net.redact import mask_text
from .errors import NoBridge, NotAuthenticated

__all__ = ["classify_answer", "is_usable", "session_of", "status_of"]

EXCERPT = 200
NO_BRIDGE = ("no bridge", "init session first")


def classify_answer(request: HttpRequest, response: HttpResponse) -> ConnectorError | None:
    """Say what is wrong with an answer, None if nothing is; see the module's table."""
    status = response.status
    said = _reason(response)
    shown = f"{request.label}: HTTP {status}" + (f": {said}" if said else "")
    if 200 <= status < 300:
        return VenueError(status, said, status=status) if said else None
    if status == 400 and any(mark in said.lower() for mark in NO_BRIDGE):
        return NoBridge(status, shown, status=status)
    if 300 <= status < 400:
        return NotAuthenticated(f"{shown}: the venue wants a login (see the gateway)", code=status)
    if status == 401:
        return NotAuthenticated(shown, code=status)
    if status == 403:
        return NotAuthenticated(
            f"{shown}: refused before it reached the venue (this address, the User-Agent, or "
            "missing rights): repeating does not help",
            code=status,
        )
    if status == 410:
        return NotAuthenticated(f"{shown}: the session is gone", code=status)
    if status == 429:
        return RateLimited(
            status, shown, retry_after_s=response.retry_after_s or 0.0, status=status
        )
    if (status >= 500 or status == 408) and not request.is_idempotent:
        return UnknownOutcome(f"{shown}; query before sending it again")
    return VenueError(status, shown, status=status)


def _reason(response: HttpResponse) -> str:
    """Return the venue's words for what is wrong, "" where nothing is (R-01, R-02)."""
    text = response.text.strip()
    if not text:
        return ""
    try:
        body = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        is_fine = 200 <= response.status < 300
        return "" if is_fine else mask_text(" ".join(text[:EXCERPT].split()))
    if not isinstance(body, Mapping):
        return "" if 200 <= response.status < 300 else mask_text(text[:EXCERPT])
    error = body.get("error")
    if isinstance(error, str) and error and not (error == "None" and body.get("success") is True):
        return error
    if error is not None and not isinstance(error, str):
        return mask_text(str(error)[:EXCERPT])
    rules = body.get("rules")
    if isinstance(rules, Mapping) and isinstance(rules.get("error"), str) and rules["error"]:
        return str(rules["error"])
    fail = body.get("fail")
    if isinstance(fail, str) and fail:
        return fail
    if body.get("success") is False:
        return str(body.get("message") or "the venue says success: false")
    if 200 <= response.status < 300:
        return ""
    detail = body.get("detail") or body.get("title") or ""
    return mask_text(str(detail)[:EXCERPT])


def session_of(tickled: Any) -> str | None:
    """Return the session of a tickle's answer; None for a gateway without one (S-12)."""
    session = tickled.get("session") if isinstance(tickled, Mapping) else None
    return session if isinstance(session, str) and session else None


def status_of(tickled: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the authentication status in a tickle's answer, None without one."""
    server = tickled.get("iserver")
    status = server.get("authStatus") if isinstance(server, Mapping) else None
    return status if isinstance(status, Mapping) else None


def is_usable(status: Mapping[str, Any]) -> bool:
    """Tell whether an authentication status lets us trade (N-03).

    `established` counts where it is there: older builds leave it out.
    """
    return (
        status.get("authenticated") is True
        and status.get("connected") is True
        and not status.get("competing")
        and status.get("established", True) is True
    )
