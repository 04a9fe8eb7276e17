"""Connectors for trading venues: market data in, orders out.

`connectors.model` holds the vocabulary, `connectors.binance` and its siblings the
venues. Importing this package loads none of them: each name below and each venue
is loaded on first use.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

from ._speedups.errors import ConnectorError, DecodeError, PrecisionError, ProtocolError

if TYPE_CHECKING:
    from ._loop import run
    from ._speedups.dedup import BoundedDedup
    from ._speedups.ticks import TickScale
    from .errors import (
        AuthenticationError,
        ClientError,
        ConfigError,
        ConnectionLost,
        HandshakeError,
        RateLimited,
        RequestTimeout,
        TransportError,
        UnknownOutcome,
        Unsupported,
        VenueError,
    )

__all__ = [
    "AuthenticationError",
    "BoundedDedup",
    "ClientError",
    "ConfigError",
    "ConnectionLost",
    "ConnectorError",
    "DecodeError",
    "HandshakeError",
    "PrecisionError",
    "ProtocolError",
    "RateLimited",
    "RequestTimeout",
    "TickScale",
    "TransportError",
    "UnknownOutcome",
    "Unsupported",
    "VenueError",
    "run",
]

_HOME = {
    "BoundedDedup": "._speedups.dedup",
    "TickScale": "._speedups.ticks",
    "run": "._loop",
}
_SUBPACKAGES = frozenset(
    {"binance", "books", "dydx", "errors", "execution", "hyperliquid", "ibkr", "lighter", "model"}
)

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f".{name}", __name__)
    if name == "__version__":
        from importlib.metadata import version

        return version("tickwire")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME.get(name, ".errors"), __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBPACKAGES})
