"""Interactive Brokers through the Client Portal Web API: the face of the venue.

Rows (`S-..`, `N-..`, `W-..`) in this package are those of the project's IBKR dossier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from .account_client import AccountClient
    from .config import Compete, Config, Pacing, Timers
    from .data import DataClient
    from .errors import (
        AmbiguousContract,
        InPenalty,
        NoBridge,
        NoSession,
        NotAuthenticated,
        is_retryable,
    )
    from .rest import IbkrRest
    from .socket_client import Subscription, WsClient, WsReceiver, WsSender
    from .tls import Tls, fetch_certificate
    from .url import ws_url
    from .wire import FieldSet, Message, MessageKind, classify

__all__ = [
    "AccountClient",
    "AmbiguousContract",
    "Compete",
    "Config",
    "DataClient",
    "FieldSet",
    "IbkrRest",
    "InPenalty",
    "Message",
    "MessageKind",
    "NoBridge",
    "NoSession",
    "NotAuthenticated",
    "Pacing",
    "Subscription",
    "Timers",
    "Tls",
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
    "data": ("DataClient",),
    "errors": (
        "AmbiguousContract",
        "InPenalty",
        "NoBridge",
        "NoSession",
        "NotAuthenticated",
        "is_retryable",
    ),
    "rest": ("IbkrRest",),
    "socket_client": ("Subscription", "WsClient", "WsReceiver", "WsSender"),
    "tls": ("Tls", "fetch_certificate"),
    "url": ("ws_url",),
    "wire": ("FieldSet", "Message", "MessageKind", "classify"),
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
