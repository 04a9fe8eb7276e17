"""What the WebSocket client raises, and the errors the venue sends (section 2.6).

::

    WebSocketError
    |-- NotConnected             nothing can be sent
    |-- SendError                a message could not be written
    |-- SocketTransportError     no connection, or none any more
    |-- JsonError                a frame is no JSON
    |-- ParseError               a frame is not what it should be
    |-- NeedsCredential          the client was made without one
    |-- SocketClientError        a wrong argument
    |-- SubscriptionError        a topic cannot be subscribed
    `-- IndexerError             an error frame of the venue
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import (
    AuthenticationError,
    ClientError,
    ConnectorError,
    DecodeError,
    TransportError,
    VenueError,
)

__all__ = [
    "ErrorFrame",
    "IndexerError",
    "JsonError",
    "NeedsCredential",
    "NotConnected",
    "ParseError",
    "SendError",
    "SocketClientError",
    "SocketTransportError",
    "SubscriptionError",
    "WebSocketError",
]


class WebSocketError(ConnectorError):
    """Base of these; `detail` is the text behind the words that name the kind."""

    PREFIX = ""

    def __init__(self, detail: str = "") -> None:
        super().__init__(f"{self.PREFIX}{detail}")
        self.detail = detail


class NotConnected(WebSocketError, ClientError):
    """There is no connection: call `connect`."""

    PREFIX = "WebSocket client not connected"


class SendError(WebSocketError, TransportError):
    """A message could not be written; nothing was sent."""

    PREFIX = "WebSocket send error: "


class SocketTransportError(WebSocketError, TransportError):
    """No connection could be made, or nobody takes commands any more."""

    PREFIX = "WebSocket transport error: "


class JsonError(WebSocketError, DecodeError):
    """A frame is no JSON."""

    PREFIX = "JSON error: "


class ParseError(WebSocketError, DecodeError):
    """A frame is JSON, and not what it should be."""

    PREFIX = "Failed to parse message: "


class NeedsCredential(WebSocketError, AuthenticationError):
    """The client was made by `new_public`."""

    PREFIX = "Authentication error: "


class SocketClientError(WebSocketError, ClientError):
    """An argument the venue would not take; nothing was sent."""

    PREFIX = "Client error: "


class SubscriptionError(WebSocketError, ClientError):
    """There is no room for a topic; nothing was sent."""

    PREFIX = "Subscription error: "


@dataclass(frozen=True, slots=True)
class ErrorFrame:
    """An error frame as the venue sent it; "" and -1 for what it did not have."""

    type: str
    message: str
    connection_id: str = ""
    message_id: int = -1
    channel: str = ""
    id: str = ""


class IndexerError(WebSocketError, VenueError):
    """The venue sent an error; `frame` has all of it."""

    PREFIX = "dYdX error: "

    def __init__(self, frame: ErrorFrame) -> None:
        ConnectorError.__init__(self, f"{self.PREFIX}{frame.message}")
        self.detail = frame.message
        self.frame = frame
        self.code = ""
        self.message = frame.message
        self.status = None
