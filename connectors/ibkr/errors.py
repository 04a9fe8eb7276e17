"""What only this venue's clients raise, and whether trying again may help (S-90 to S-99)."""

from __future__ import annotations

from ..errors import (
    AuthenticationError,
    ClientError,
    RateLimited,
    TransportError,
    VenueError,
)

__all__ = [
    "AmbiguousContract",
    "InPenalty",
    "NoBridge",
    "NoSession",
    "NotAuthenticated",
    "is_retryable",
]


class NotAuthenticated(AuthenticationError):
    """The venue does not know us: 401, a redirect to a login page, or an edge that refuses (S-92).

    Somebody has to log in, or the session to be renewed: repeating the request does not help.
    """


class NoSession(AuthenticationError):
    """The gateway answers, but nobody has opened a session there (S-12, S-91)."""


class NoBridge(VenueError):
    """The brokerage session is not up, or not yet (N-05, R-03)."""


class InPenalty(RateLimited):
    """The venue's penalty box holds us: nothing was sent (P-09)."""


class AmbiguousContract(ClientError):
    """A symbol means several contracts (R-10, F-29); choose one by its conid.

    Attributes
    ----------
    choices : tuple
        What it may mean.
    """

    def __init__(self, message: str, choices: tuple[object, ...]) -> None:
        super().__init__(message)
        self.choices = choices


def is_retryable(error: BaseException) -> bool:
    """Tell whether the same call may succeed later, without anybody doing anything (S-99).

    Decided by type and status: network failures, a gateway without a session, a brokerage
    session on its way, 429 and 5xx. An unknown outcome never is: reconcile instead.
    """
    if isinstance(error, NoSession | NoBridge | RateLimited | TransportError):
        return True
    if isinstance(error, VenueError):
        return error.status is not None and error.status >= 500
    return False
