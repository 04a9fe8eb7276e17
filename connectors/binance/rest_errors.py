"""What an HTTP answer of Binance means when it is not a success. Sans-I/O (BN-R-24 to 30, 44).

| answer                                   | becomes                                  |
|------------------------------------------|------------------------------------------|
| 429, code -1003, -1015                   | RateLimited                              |
| 418                                      | RateLimited, banned                      |
| 401, -1002, -1021, -1022, -2014, -2015, -2017 | AuthenticationError                 |
| other 4xx but 408                        | VenueError: refused, not executed        |
| 408, 5xx, -1000, -1006, -1007            | UnknownOutcome; for reads TransportError |
| 503 with one of three definite texts     | VenueError: not executed (reads as above)|
| 2xx with a negative code                 | by the code, as above                    |
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from ..errors import (
    AuthenticationError,
    ConnectorError,
    RateLimited,
    TransportError,
    UnknownOutcome,
    VenueError,
)

if TYPE_CHECKING:
    from ..net.http_types import HttpRequest, HttpResponse

__all__ = ["NO_CHANGE_CODES", "classifier", "classify", "error_of", "retry_after_s"]

NO_CHANGE_CODES = frozenset({-4046, -4059})
"""Refusals that mean "it is so already" (BN-R-23)."""

_LIMIT_CODES = frozenset({-1003, -1015})
_AUTH_CODES = frozenset({-1002, -1021, -1022, -2014, -2015, -2017})
_AMBIGUOUS_CODES = frozenset({-1000, -1006, -1007})
# BN-R-30: the code alone does not tell these from an ambiguous 503.
_DEFINITE_TEXTS = (
    "Service Unavailable.",
    "Internal error; unable to process your request.",
    "Request throttled by system-level protection",
)
_BANNED_UNTIL = re.compile(r"banned until (\d{12,14})")
_DEFAULT_WAIT_S = {429: 60.0, 418: 120.0}


def error_of(body: object) -> tuple[int | None, str]:
    """Return code and text of an error body; None where it is no such body."""
    if not isinstance(body, Mapping):
        return None, ""
    code, text = body.get("code"), body.get("msg")
    if isinstance(code, str) and code.lstrip("-").isdecimal():
        code = int(code)
    return (
        code if isinstance(code, int) and not isinstance(code, bool) else None,
        text if isinstance(text, str) else "",
    )


def retry_after_s(headers: Mapping[str, str], text: str, status: int, now_s: float) -> float:
    """Return for how long to stay away: by header, by the end of a ban in the text, or a guess."""
    for name, value in headers.items():
        if name.lower() == "retry-after" and value.strip().isdecimal():
            return float(value)
    found = _BANNED_UNTIL.search(text)
    if found is not None:
        return max(int(found.group(1)) / 1000 - now_s, 1.0)
    return _DEFAULT_WAIT_S.get(status, 1.0)


def classifier(request: HttpRequest, response: HttpResponse) -> ConnectorError | None:
    """Do what `classify` does for `HttpClient`."""
    return classify(
        response.status, response.headers, response.body, idempotent=request.is_idempotent
    )


def classify(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    idempotent: bool,
    now_s: float | None = None,
) -> ConnectorError | None:
    """Return the error an answer stands for, None for a success.

    Parameters
    ----------
    idempotent :
        Whether the request changes nothing, so that an ambiguous answer is just a failed one.
    now_s :
        Unix time, for bans that are given as a time.
    """
    try:
        parsed: Any = orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        parsed = None
    code, text = error_of(parsed)
    if 200 <= status < 300 and (code is None or code >= 0):
        return None  # a success may carry code 200 (BN-R-28)
    shown = text or _short(body) or f"HTTP {status}"
    if status in (429, 418) or code in _LIMIT_CODES:
        now_s = time.time() if now_s is None else now_s
        return RateLimited(
            code if code is not None else status,
            shown,
            retry_after_s=retry_after_s(headers, shown, status, now_s),
            banned=status == 418,
            status=status,
        )
    if code in _AUTH_CODES or status == 401:
        return AuthenticationError(f"{shown} (code {code})", code=code)
    definite = any(shown.startswith(each) for each in _DEFINITE_TEXTS) or code == -1008
    ambiguous = status == 408 or status >= 500 or code in _AMBIGUOUS_CODES
    if ambiguous and idempotent:
        return TransportError(f"HTTP {status}: {shown}")
    if ambiguous and not definite:
        return UnknownOutcome(
            f"HTTP {status}: {shown}; it may have been executed: query before resending"
        )
    if status == 403 and code is None:
        shown = f"refused by the venue's web firewall: {shown}"
    return VenueError(code if code is not None else status, shown, status=status)


def _short(body: bytes) -> str:
    """A body that is no JSON, fit for one line."""
    return " ".join(body[:200].decode("utf-8", "replace").split())
