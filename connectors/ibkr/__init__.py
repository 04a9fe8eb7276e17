"""Interactive Brokers through the Client Portal Web API: the face of the venue.

Rows (`S-..`, `N-..`, `W-..`) in this package name the venue's rules (CONTRIBUTING.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from .account_client import AccountClient
    from .config import Compete, Config, Pacing, Timers
    from .contracts import Contracts
    from .control import Asked
    from .data import DataClient
    from .errors import (
        AmbiguousContract,
        InPenalty,
        NoBridge,
        NoSession,
        NotAuthenticated,
        is_retryable,
    )
    from .events import KeeperEvent, KeeperState
    from .keeper import SessionKeeper
    from .rest import IbkrRest
    from .socket_client import RawFrame, Subscription, WsClient, WsReceiver, WsSender
    from .stream import TopicStream
    from .tls import Tls, TlsMode, fetch_certificate
    from .url import ws_url
    from .wire import FieldSet, Message, MessageKind, classify

__all__ = [
    "AccountClient",
    "AmbiguousContract",
    "Asked",
    "Compete",
    "Config",
    "Contracts",
    "DataClient",
    "FieldSet",
    "IbkrRest",
    "InPenalty",
    "KeeperEvent",
    "KeeperState",
    "Message",
    "MessageKind",
    "NoBridge",
    "NoSession",
    "NotAuthenticated",
    "Pacing",
    "RawFrame",
    "SessionKeeper",
    "Subscription",
    "Timers",
    "Tls",
    "TlsMode",
    "TopicStream",
    "WsClient",
    "WsReceiver",
    "WsSender",
    "classify",
    "fetch_certificate",
    "is_retryable",
    "ws_url",
]

_HOMES = {
    "account_client": ("AccountClient",),
    "config": ("Compete", "Config", "Pacing", "Timers"),
    "contracts": ("Contracts",),
    "control": ("Asked",),
    "data": ("DataClient",),
    "errors": (
        "AmbiguousContract", "InPenalty", "NoBridge", "NoSession", "NotAuthenticated",
        "is_retryable",
    ),
    "events": ("KeeperEvent", "KeeperState"),
    "keeper": ("SessionKeeper",),
    "rest": ("IbkrRest",),
    "socket_client": ("RawFrame", "Subscription", "WsClient", "WsReceiver", "WsSender"),
    "stream": ("TopicStream",),
    "tls": ("Tls", "TlsMode", "fetch_certificate"),
    "url": ("ws_url",),
    "wire": ("FieldSet", "Message", "MessageKind", "classify"),
}  # fmt: skip

__getattr__, __dir__ = lazy(__name__, _HOMES)
