"""An HTTP client that never repeats what must not be repeated.

On top of aiohttp, which is imported on first use: typed errors, request weight, retries
of idempotent reads only, and requests that go out exactly as they were signed.

A request that changes something ends in one of three ways: an answer, an error that
proves it was not executed (`VenueError`, `RateLimited`, `AuthenticationError`, and
`TransportError` or `RequestTimeout` before anything was written), or `UnknownOutcome`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ..errors import (
    ClientError,
    ConfigError,
    ConnectorError,
    ProtocolError,
    RateLimited,
    RequestTimeout,
    TransportError,
    UnknownOutcome,
)
from .backoff import Backoff
from .endpoint import check_security, default_ssl_context
from .http_types import (
    Classifier,
    Fresh,
    HttpRequest,
    HttpResponse,
    RetryPolicy,
    classify_status,
)
from .ratelimit import RateLimiter
from .redact import mask_text, mask_url
from .weights import WeightCounter

if TYPE_CHECKING:
    import aiohttp

__all__ = ["HttpClient", "HttpCounters"]

_log = logging.getLogger("connectors.net.http")

T = TypeVar("T")
USER_AGENT = "tickwire"  # some venues refuse an empty one


@dataclass(slots=True)
class HttpCounters:
    """Numbers that only grow."""

    requests: int = 0
    tries: int = 0
    failures: int = 0
    unknown_outcomes: int = 0
    rate_limited: int = 0


@dataclass(slots=True)
class _Try:
    """What became of one try, written by aiohttp's tracing hooks."""

    idempotent: bool
    sent: bool = False


class _ResendRefused(Exception):
    """aiohttp was about to send a request a second time by itself."""


@dataclass(slots=True, kw_only=True)
class HttpClient:
    """Requests to one host.

    Parameters
    ----------
    base_url : str
        Scheme, host and an optional path prefix, without a trailing slash.
    classifier : callable
        Says what is wrong with an answer; venues read their own codes there.
    headers : mapping, or callable returning one
        Sent with every request.
    weights : WeightCounter, optional
        Spent before each try, corrected by each answer, stopped by a rate limit.
    limiter : RateLimiter, optional
        For the `keys` of requests.
    retry : RetryPolicy
        For idempotent requests.
    timeout_s : float
        Default bound of one try.
    budget_timeout_s : float
        Longest wait for weight and rate limits before a try.
    connections_per_host : int
        Connections kept at most (BN-R-35); further requests wait for a free one.
    keepalive_s : float
        Age at which an idle connection is not used again. Keep it below the venue's:
        a request that meets a closing connection ends as `UnknownOutcome`.
    max_body_bytes : int
        Largest answer accepted, after decompression.
    ssl_context, proxy, allow_plaintext, allow_unverified
        As in `Endpoint`.
    rng : random.Random
        For the jitter of retries.
    """

    base_url: str
    classifier: Classifier = classify_status
    headers: Fresh[Mapping[str, str]] = field(default_factory=dict, repr=False)
    weights: WeightCounter | None = field(default=None, repr=False)
    limiter: RateLimiter | None = field(default=None, repr=False)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout_s: float = 10.0
    budget_timeout_s: float = 10.0
    connections_per_host: int = 8
    keepalive_s: float = 15.0
    max_body_bytes: int = 32 << 20
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)
    proxy: str | None = field(default=None, repr=False)
    allow_plaintext: bool = False
    allow_unverified: bool = False
    rng: random.Random = field(default_factory=random.Random, repr=False)
    counters: HttpCounters = field(default_factory=HttpCounters, init=False)
    _session: aiohttp.ClientSession | None = field(default=None, init=False, repr=False)
    _closed: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        check_security(
            self.base_url,
            self.ssl_context,
            allow_plaintext=self.allow_plaintext,
            allow_unverified=self.allow_unverified,
        )
        if not self.base_url.startswith(("http://", "https://")):
            raise ConfigError(f"{mask_url(self.base_url)} is not an http or https URL")
        if self.base_url.endswith("/") or "?" in self.base_url:
            raise ConfigError("base_url must not end in a slash nor have a query")
        if self.timeout_s <= 0 or self.connections_per_host < 1 or self.retry.tries < 1:
            raise ConfigError("timeout_s, connections_per_host and retry.tries must be positive")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; idempotent. Requests still under way fail."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(self, path: str, query: Fresh[str] = "", **more: Any) -> HttpResponse:
        """Send a GET; `more` are fields of `HttpRequest`."""
        return await self.request(HttpRequest(method="GET", path=path, query=query, **more))

    async def post(self, path: str, body: Fresh[bytes] = b"", **more: Any) -> HttpResponse:
        """Send a POST; `more` are fields of `HttpRequest`."""
        return await self.request(HttpRequest(method="POST", path=path, body=body, **more))

    async def request(self, request: HttpRequest) -> HttpResponse:
        """Send a request and return its answer; idempotent ones are retried.

        Raises
        ------
        VenueError, RateLimited, AuthenticationError
            As classified: the request was not executed.
        RequestTimeout, TransportError
            No answer to an idempotent request, or another one was never written.
        UnknownOutcome
            Written, and the result is not known.
        ProtocolError, DecodeError
            The answer to an idempotent request makes no sense.
        QuotaExceeded
            Our own limits; nothing was sent.
        """
        self.counters.requests += 1
        tries = (request.tries or self.retry.tries) if request.is_idempotent else 1
        backoff = Backoff(self.retry.backoff, self.rng)
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + self.retry.total_timeout_s
        while True:
            tries -= 1
            try:
                return await self._once(request)
            except ConnectorError as error:
                self.counters.failures += 1
                self.counters.unknown_outcomes += isinstance(error, UnknownOutcome)
                self.counters.rate_limited += isinstance(error, RateLimited)
                if tries < 1 or not self.retry.is_worth(error):
                    raise
                delay_s = backoff.next_delay_s()
                if isinstance(error, RateLimited):
                    delay_s = max(delay_s, error.retry_after_s)
                if loop.time() + delay_s > give_up_s:
                    raise
                _log.info("%s: %s; again in %.3f s", request.label, error, delay_s)
            await asyncio.sleep(delay_s)

    async def _once(self, request: HttpRequest) -> HttpResponse:
        mark = 0
        if self.limiter is not None and request.keys:
            await self.limiter.acquire(
                *request.keys,
                cost=request.key_cost,
                timeout_s=self.budget_timeout_s,
                priority=request.priority,
            )
        if self.weights is not None:
            await self.weights.take(
                request.costs, reserved=request.reserved, timeout_s=self.budget_timeout_s
            )
            mark = self.weights.mark()
        response = await self._exchange(request)
        if self.weights is not None:
            self.weights.observe(response.headers, mark)
        try:
            error = self.classifier(request, response)
        except ProtocolError as unreadable:
            raise _by_outcome(unreadable, request, sent=True) from None
        if error is None:
            return response
        if isinstance(error, RateLimited) and self.weights is not None:
            self.weights.hold(error.retry_after_s)
        raise error

    async def _exchange(self, request: HttpRequest) -> HttpResponse:
        """Make one try; every failure is translated by whether the request was written."""
        import aiohttp

        session = self._open_session()
        query, body = _fresh(request.query), _fresh(request.body)
        url = f"{self.base_url}{request.path}{'?' if query else ''}{query}"
        headers = {"User-Agent": USER_AGENT, **_fresh(self.headers), **_fresh(request.headers)}
        timeout_s = self.timeout_s if request.timeout_s is None else request.timeout_s
        attempt = _Try(request.is_idempotent)
        self.counters.tries += 1
        try:
            async with asyncio.timeout(timeout_s):
                return await self._talk(session, request, url, headers, body, attempt)
        except TimeoutError:
            error: ConnectorError = RequestTimeout(
                f"{request.label}: no answer within {timeout_s:g} s"
            )
        except ProtocolError as too_large:
            error = too_large
        except (aiohttp.ClientError, OSError, _ResendRefused) as failure:
            error = TransportError(f"{request.label}: {_describe(failure)}")
        raise _by_outcome(error, request, sent=attempt.sent)

    async def _talk(
        self,
        session: aiohttp.ClientSession,
        request: HttpRequest,
        url: str,
        headers: dict[str, str],
        body: bytes,
        attempt: _Try,
    ) -> HttpResponse:
        import yarl

        has_body = bool(body) or request.method not in ("GET", "HEAD", "DELETE")
        async with session.request(
            request.method,
            yarl.URL(url, encoded=True),
            headers=headers,
            data=body if has_body else None,  # empty: Content-Length 0, which venues insist on
            skip_auto_headers=("Content-Type",),
            allow_redirects=False,
            proxy=self.proxy,
            trace_request_ctx=attempt,
        ) as answer:
            chunks: list[bytes] = []
            size = 0
            async for chunk in answer.content.iter_any():
                size += len(chunk)
                if size > self.max_body_bytes:
                    answer.close()
                    raise ProtocolError(
                        f"{request.label}: the answer is larger than {self.max_body_bytes} bytes"
                    )
                chunks.append(chunk)
            return HttpResponse(
                answer.status,
                {name.lower(): value for name, value in answer.headers.items()},
                b"".join(chunks),
                {name: morsel.value for name, morsel in answer.cookies.items()},
            )

    def _open_session(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._closed:
            raise ClientError("the HTTP client is closed")
        if self._session is None:
            context: ssl.SSLContext | bool = True
            if self.base_url.startswith("https://"):
                context = self.ssl_context or default_ssl_context()
            trace = aiohttp.TraceConfig()
            trace.on_request_headers_sent.append(_note_sending)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    limit_per_host=self.connections_per_host,
                    keepalive_timeout=self.keepalive_s,
                    ssl=context,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                trace_configs=[trace],
                trust_env=False,
            )
        return self._session


def _by_outcome(error: ConnectorError, request: HttpRequest, *, sent: bool) -> ConnectorError:
    """Return the error, or UnknownOutcome for a change that may have been executed."""
    if request.is_idempotent or not sent:
        return error
    return UnknownOutcome(f"{error}; it was sent: query before sending it again")


async def _note_sending(session: Any, context: Any, params: Any) -> None:
    """Note, before the first byte is written, that from here on the outcome is open.

    aiohttp repeats GET, PUT and DELETE by itself when a kept connection turns out to be
    closed. A modify or cancel must not be sent twice, whatever its method.
    """
    attempt: _Try = context.trace_request_ctx
    if attempt.sent and not attempt.idempotent:
        raise _ResendRefused("connection closed by the peer")
    attempt.sent = True


def _describe(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = mask_text(str(error))
    return text if isinstance(error, _ResendRefused) else f"{type(error).__name__}: {text}"


def _fresh(value: Fresh[T]) -> T:
    return value() if callable(value) else value
