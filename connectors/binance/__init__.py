"""Binance Futures: USD-M and COIN-M.

::

    async with binance.DataClient(product="usdm") as data:
        data.subscribe_quotes("BTCUSDT-PERP", on_quote)

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy

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

_HOMES = {
    "config": ("Config", "Credentials", "Environment", "Product", "Route"),
    "data": ("DataClient",),
    "pool": ("StreamPool",),
    "rest": ("BinanceRest",),
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
