"""The state of a WebSocket client, in a place of its own that everybody can look at (DX-S-11)."""

from __future__ import annotations

from enum import IntEnum

from ..net.session_events import SessionState

__all__ = ["ConnectionMode", "ModeHolder"]


class ConnectionMode(IntEnum):
    """State of a client."""

    ACTIVE = 0
    RECONNECT = 1
    DISCONNECT = 2
    CLOSED = 3

    @classmethod
    def of(cls, state: SessionState) -> ConnectionMode:
        """Return what a connection's state means; one that was never up is closed."""
        return _MODES[state]

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, or there will be one again by itself (DX-S-10)."""
        return self <= ConnectionMode.RECONNECT


_MODES = {
    SessionState.CONNECTING: ConnectionMode.CLOSED,
    SessionState.LIVE: ConnectionMode.ACTIVE,
    SessionState.STALE: ConnectionMode.ACTIVE,
    SessionState.RECONNECTING: ConnectionMode.RECONNECT,
    SessionState.CLOSING: ConnectionMode.DISCONNECT,
    SessionState.CLOSED: ConnectionMode.CLOSED,
}


class ModeHolder:
    """The current mode; whoever holds this sees it change."""

    __slots__ = ("mode",)

    def __init__(self) -> None:
        self.mode = ConnectionMode.CLOSED

    def show(self, mode: ConnectionMode) -> None:
        """Set the mode; for the client."""
        self.mode = mode

    def __repr__(self) -> str:
        return f"<ModeHolder {self.mode.name}>"
