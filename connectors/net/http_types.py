"""Requests, responses and what an answer means; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import orjson

from ..errors import (
    AuthenticationError,
    ConnectorError,
    DecodeError,
    ProtocolError,
    RateLimited,
    RequestTimeout,
    TransportError,
    UnknownOutcome,
    VenueError,
)
from .backoff import BackoffPolicy
from .dial import parse_retry_after
from .redact import mask_text

__all__ = [
    "Classifier",
    "HttpRequest",
    "HttpResponse",
    "RetryPolicy",
    "classify_status",
    "is_worth_retrying",
]

T = TypeVar("T")
# A value, or something that makes it anew for each try (time stamp and signature).
Fresh: TypeAlias = T | Callable[[], T]

EXCERPT = 200
DEFAULT_RETRY_AFTER_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request; its parts go out byte for byte as given.

    Parameters
    ----------
    method : str
        Upper case.
    path : str
        Starts with a slash, already percent-encoded.
    query : str or callable returning one
        Already percent-encoded, without the question mark. A callable is asked at each
        try, so that a repeated read carries a fresh time stamp and signature.
    body : bytes, or callable returning them
        Already encoded.
    headers : mapping, or callable returning one
        Added to the client's own.
    idempotent : bool, optional
        Whether the request may be repeated blindly; by default for GET and HEAD only.
        Everything else is sent at most once.
    costs : mapping of str to int
        Request weight by window name, see `WeightCounter`.
    reserved : bool
        Whether it may use the reserved share of the weight (cancels).
    keys : tuple of str
        Rate limits to take `key_cost` units of, see `RateLimiter`.
    key_cost : int
        Units of each of them, one by default.
    timeout_s : float, optional
        Bound of each try; the client's default if None.
    priority : int
        Of its place in line for the rate limits; higher goes first.
    tries : int, optional
        Tries in all, in place of those of the client's policy; for idempotent ones only.
    """

    method: str
    path: str
    query: Fresh[str] = field(default="", repr=False)
    body: Fresh[bytes] = field(default=b"", repr=False)
    headers: Fresh[Mapping[str, str]] = field(default_factory=dict, repr=False)
    idempotent: bool | None = None
    costs: Mapping[str, int] = field(default_factory=dict)
    reserved: bool = False
    keys: tuple[str, ...] = ()
    key_cost: int = 1
    timeout_s: float | None = None
    priority: int = 0
    tries: int | None = None

    @property
    def is_idempotent(self) -> bool:
        """Whether it may be repeated without changing what happens."""
        return self.method in ("GET", "HEAD") if self.idempotent is None else self.idempotent

    @property
    def label(self) -> str:
        """What may be shown of it."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One complete answer; header names are lower case, the last one of a name wins."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced."""
        return self.body.decode(errors="replace")

    @property
    def retry_after_s(self) -> float | None:
        """Seconds of `Retry-After`, None without a usable one."""
        return parse_retry_after(self.headers.get("retry-after"))

    def json(self) -> Any:
        """Parse the body whatever its content type; DecodeError if it is not JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            kind = self.headers.get("content-type", "no content type")
            raise DecodeError(
                f"HTTP {self.status} body ({kind}, {len(self.body)} bytes) is not JSON: "
                f"{error.msg}",
                error.pos,
            ) from None


# Returns what is wrong with an answer, None if nothing is.
Classifier: TypeAlias = Callable[[HttpRequest, HttpResponse], ConnectorError | None]


def classify_status(request: HttpRequest, response: HttpResponse) -> ConnectorError | None:
    """Classify by HTTP status alone; venues put their body's code in front of this.

    =============  =============================  ================================
    status         idempotent request             other request
    =============  =============================  ================================
    2xx            fine                           fine
    3xx            ProtocolError                  ProtocolError
    401, 403       AuthenticationError            AuthenticationError
    408            RequestTimeout                 UnknownOutcome
    418, 429       RateLimited (418: banned)      RateLimited
    other 4xx      VenueError                     VenueError
    5xx            TransportError                 UnknownOutcome
    =============  =============================  ================================
    """
    status = response.status
    if 200 <= status < 300:
        return None
    shown = f"{request.label}: HTTP {status}"
    excerpt = mask_text(response.text[:EXCERPT].strip())
    text = f"{shown}: {excerpt}" if excerpt else shown
    if status in (418, 429):
        retry_after_s = response.retry_after_s
        return RateLimited(
            status,
            text,
            retry_after_s=DEFAULT_RETRY_AFTER_S if retry_after_s is None else retry_after_s,
            banned=status == 418,
            status=status,
        )
    if status >= 500 or status == 408:
        if not request.is_idempotent:
            return UnknownOutcome(f"{text}; query before sending it again")
        return RequestTimeout(text) if status == 408 else TransportError(text)
    if status in (401, 403):
        return AuthenticationError(text, code=status)
    if status >= 400:
        return VenueError(status, text, status=status)
    return ProtocolError(f"{shown}: unexpected redirect or status")


def is_worth_retrying(error: ConnectorError) -> bool:
    """Tell whether the same read may succeed later (BN-R-32); decided by type only."""
    if isinstance(error, RateLimited):
        return not error.banned
    return isinstance(error, TransportError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long an idempotent request is tried.

    Parameters
    ----------
    tries : int
        Tries in all, at least 1.
    backoff : BackoffPolicy
        Delays between them; the peer's Retry-After is obeyed where it is longer.
    total_timeout_s : float
        No try starts later than this after the first.
    is_worth : callable
        Whether an error may be gone at the next try.
    """

    tries: int = 4
    backoff: BackoffPolicy = field(
        default_factory=lambda: BackoffPolicy(
            initial_s=0.5, maximum_s=2.0, jitter_amount=0.25, immediate_first=False
        )
    )
    total_timeout_s: float = 30.0
    is_worth: Callable[[ConnectorError], bool] = is_worth_retrying
