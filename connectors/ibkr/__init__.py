"""Interactive Brokers through the Client Portal Web API: the face of the venue.

Rows (`S-..`, `N-..`, `W-..`) in this package are those of the project's IBKR dossier.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
