"""Every error of the package, in one tree.

::

    ConnectorError
    |-- ConfigError                 settings, credentials or versions that cannot work
    |-- Unsupported                 the venue or this package cannot do that
    |-- ClientError                 called in the wrong state or with the wrong argument
    |-- TransportError              the network, below any venue message
    |   |-- HandshakeError          connection refused by an HTTP status
    |   |-- ConnectionLost          an open connection ended (code, reason, clean)
    |   `-- RequestTimeout          no answer in time
    |-- ProtocolError               the peer sent what it must not send
    |   `-- DecodeError             bytes that do not parse (offset)
    |-- PrecisionError              a number that cannot be held exactly
    |-- AuthenticationError         key, signature, permission or clock refused
    |-- SigningError                a signer refused, before anything was sent
    |   |-- InvalidKey              a private key that is none
    |   |-- InvalidTransaction      a field or attribute is not allowed (code, index)
    |   |   `-- FieldTypeError      not an integer, or not what it must be
    |   |-- SignerClosed            its key is gone
    |   `-- ForkError               prepared in another process
    |-- VenueError                  the venue refused a request (code, message)
    |   `-- RateLimited             too many requests (retry_after_s, banned)
    `-- UnknownOutcome              a request may or may not have been executed

A refusal (`VenueError`) and an unknown outcome are different types: retrying is
decided by type, never by text. No error carries a secret.
"""

from __future__ import annotations

from ._speedups.errors import (
    ConnectorError,
    DecodeError,
    FieldTypeError,
    ForkError,
    InvalidKey,
    InvalidTransaction,
    PrecisionError,
    ProtocolError,
    SignerClosed,
    SigningError,
)

__all__ = [
    "UNREADABLE",
    "AuthenticationError",
    "ClientError",
    "ConfigError",
    "ConnectionLost",
    "ConnectorError",
    "DecodeError",
    "FieldTypeError",
    "ForkError",
    "HandshakeError",
    "InvalidKey",
    "InvalidTransaction",
    "PrecisionError",
    "ProtocolError",
    "RateLimited",
    "RequestTimeout",
    "SignerClosed",
    "SigningError",
    "TransportError",
    "UnknownOutcome",
    "Unsupported",
    "VenueError",
]


class ConfigError(ConnectorError, ValueError):
    """A setting, credential or installed version cannot work; the text says which."""


class Unsupported(ConnectorError, NotImplementedError):
    """The venue, or this package, cannot do what was asked; the text says why."""


class ClientError(ConnectorError):
    """The client was called in a state or with an argument that does not allow it."""


class TransportError(ConnectorError, OSError):
    """The network failed below any venue message."""


class HandshakeError(TransportError):
    """The peer answered the WebSocket upgrade with something other than 101.

    Attributes
    ----------
    status : int or None
        HTTP status, None when the answer was not HTTP at all.
    retry_after_s : float or None
        The peer's `Retry-After`, where it gave one.
    """

    def __init__(
        self, message: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class ConnectionLost(TransportError):
    """An open connection ended.

    Attributes
    ----------
    code : int
        WebSocket close code; 1006 when the peer sent no close frame.
    reason : str
        The peer's text.
    clean : bool
        Whether the close handshake was completed.
    """

    def __init__(self, code: int, reason: str = "", *, clean: bool = False) -> None:
        super().__init__(f"connection lost: code {code}{f' ({reason})' if reason else ''}")
        self.code = code
        self.reason = reason
        self.clean = clean


class RequestTimeout(TransportError, TimeoutError):
    """No answer came in time; for a request that changes state see `UnknownOutcome`."""


class AuthenticationError(ConnectorError):
    """Key, signature, permission or timestamp was refused.

    Attributes
    ----------
    code : int or str or None
        The venue's code.
    """

    def __init__(self, message: str, *, code: int | str | None = None) -> None:
        super().__init__(message)
        self.code = code


class VenueError(ConnectorError):
    """The venue refused a request: it was not executed.

    Attributes
    ----------
    code : int or str
        The venue's code, or the HTTP status where it gave none.
    message : str
        The venue's text.
    status : int or None
        HTTP status of the answer.
    """

    def __init__(self, code: int | str, message: str, *, status: int | None = None) -> None:
        super().__init__(f"{message} (code {code})")
        self.code = code
        self.message = message
        self.status = status


class RateLimited(VenueError):
    """The venue refused because of too many requests.

    Attributes
    ----------
    retry_after_s : float
        Seconds after which a request may be sent again.
    banned : bool
        Whether the address is banned (HTTP 418), not just limited.
    """

    def __init__(
        self,
        code: int | str,
        message: str,
        *,
        retry_after_s: float,
        banned: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(code, message, status=status)
        self.retry_after_s = retry_after_s
        self.banned = banned


class UnknownOutcome(ConnectorError):
    """A request was sent and its result is not known: reconcile, never resend blindly."""


UNREADABLE: tuple[type[Exception], ...] = (
    ArithmeticError,
    AttributeError,
    ConnectorError,
    LookupError,
    TypeError,
    ValueError,
)
"""What reading parsed JSON may raise where it is not what it should be."""
