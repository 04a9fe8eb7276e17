"""Binance Futures: USD-M and COIN-M.

::

    async with binance.DataClient(product="usdm") as data:
        data.subscribe_quotes("BTCUSDT-PERP", on_quote)

Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import Config, Credentials, Environment, Product, Route
    from .data import DataClient
    from .pool import StreamPool
    from .rest import BinanceRest

__all__ = [
    "BinanceRest",
    "Config",
    "Credentials",
    "DataClient",
    "Environment",
    "Product",
    "Route",
    "StreamPool",
]

_HOME = {
    "BinanceRest": "rest",
    "Config": "config",
    "Credentials": "config",
    "DataClient": "data",
    "Environment": "config",
    "Product": "config",
    "Route": "config",
    "StreamPool": "pool",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
