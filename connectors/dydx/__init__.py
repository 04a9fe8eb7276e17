"""dYdX v4: perpetuals; market data and accounts from the indexer.

::

    from connectors import dydx

    async with dydx.DataClient() as data:
        async for trade in data.trades("BTC-USD-PERP"):
            ...

    async with dydx.AccountClient(address="dydx1...", on_event=print) as account:
        print(account.orders(), account.positions(), account.balances())

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from .account_client import AccountClient
    from .config import Config, Endpoints, Environment
    from .credential import Credential
    from .data import DataClient
    from .markets import MarketStats
    from .mode import ConnectionMode
    from .websocket import WebSocketClient

__all__ = [
    "AccountClient",
    "Config",
    "ConnectionMode",
    "Credential",
    "DataClient",
    "Endpoints",
    "Environment",
    "MarketStats",
    "WebSocketClient",
]

_HOMES = {
    "account_client": ("AccountClient",),
    "config": ("Config", "Endpoints", "Environment"),
    "credential": ("Credential",),
    "data": ("DataClient",),
    "markets": ("MarketStats",),
    "mode": ("ConnectionMode",),
    "websocket": ("WebSocketClient",),
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
