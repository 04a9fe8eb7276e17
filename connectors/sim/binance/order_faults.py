"""Faults of order requests: lost and late replies, ambiguous and definite failures (BN-M-38)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from .types import ApiError

__all__ = ["FaultQueue", "OrderFault"]

# Texts and codes the venue answers trouble with (BN-R-29, BN-R-30, BN-R-44).
_TROUBLE: dict[str, tuple[int, int, str]] = {
    "-1006": (
        503,
        -1006,
        "An unexpected response was received from the message bus. Execution status unknown.",
    ),
    "-1007": (
        408,
        -1007,
        (
            "Timeout waiting for response from backend server. Send status unknown; "
            "execution status unknown."
        ),
    ),
    "503_unknown": (
        503,
        -1007,
        "Unknown error, please check your request or try again later.",
    ),
    "503_unavailable": (503, -1000, "Service Unavailable."),
    "503_internal": (
        503,
        -1000,
        "Internal error; unable to process your request. Please try again.",
    ),
    "503_throttled": (
        503,
        -1008,
        (
            "Request throttled by system-level protection. Reduce-only/close-position orders "
            "are exempt. Please try again."
        ),
    ),
    "duplicate_client_id": (400, -4116, "ClientOrderId is duplicated."),
    "429": (
        429,
        -1003,
        (
            "Too many requests; current limit is 2400 requests per minute. Please use the "
            "websocket for live updates to avoid polling the API."
        ),
    ),
    "429_orders": (
        429,
        -1015,
        "Too many new orders; current limit is 300 orders per 10 SECOND.",
    ),
    "418": (
        418,
        -1003,
        (
            "Way too many requests; IP banned until {until_ms}. Please use the websocket for "
            "live updates to avoid bans."
        ),
    ),
}
_DEFINITE = frozenset(
    {"503_unavailable", "503_internal", "503_throttled", "duplicate_client_id"}
    | {"429", "429_orders", "418"}
)


@dataclass(slots=True)
class OrderFault:
    """What goes wrong with one of the next order requests (BN-M-38, BN-M-40).

    Parameters
    ----------
    kind
        `lost` (executed, connection dropped in place of the reply), `late` (executed, answered
        after `delay_s`), `502_html` (on the websocket: status 502 without an error object),
        `no_result` (status 200 without a result, BN-W-17; on REST an empty body),
        `headers_missing` (no limit headers, no `rateLimits`), or an error reply: `-1006`,
        `-1007`, `503_unknown`, `503_unavailable`, `503_internal`, `503_throttled`,
        `duplicate_client_id`, `429`, `429_orders`, `418`.
    execute
        Whether the request takes effect all the same. None: as the kind suggests, definite
        failures are not executed, everything else is.
    command
        Only for requests of this kind: `place`, `modify`, `cancel`; None for any.
    skip
        Let so many matching requests through first.
    """

    kind: str
    execute: bool | None = None
    delay_s: float = 1.0
    command: str | None = None
    skip: int = 0
    retry_after_s: int = 5

    def __post_init__(self) -> None:
        known = {"lost", "late", "502_html", "no_result", "headers_missing", *_TROUBLE}
        if self.kind not in known:
            raise ValueError(f"unknown order fault {self.kind!r}, expected one of {sorted(known)}")

    @property
    def executes(self) -> bool:
        return self.kind not in _DEFINITE if self.execute is None else self.execute

    def error(self, now_ms: int) -> ApiError | None:
        """Return the error the venue answers with, None if the fault is not an error reply."""
        if self.kind not in _TROUBLE:
            return None
        status, code, text = _TROUBLE[self.kind]
        until_ms = now_ms + self.retry_after_s * 1000
        limited = status in (429, 418)
        headers = {"Retry-After": str(self.retry_after_s)} if limited else None
        return ApiError(code, text.format(until_ms=until_ms), status=status, headers=headers)


@dataclass(slots=True)
class FaultQueue:
    """Faults waiting for order requests, used in order."""

    waiting: deque[OrderFault] = field(default_factory=deque)

    def take(self, command: str) -> OrderFault | None:
        """Return the first fault for this kind of request that need not be skipped."""
        for fault in self.waiting:
            if fault.command not in (None, command):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                return None
            self.waiting.remove(fault)
            return fault
        return None
