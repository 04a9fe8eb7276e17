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

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .account_client import AccountClient
    from .config import Config, Endpoints, Environment
    from .credential import Credential
    from .data import DataClient

__all__ = [
    "AccountClient",
    "Config",
    "Credential",
    "DataClient",
    "Endpoints",
    "Environment",
]

_HOMES = {
    "account_client": ("AccountClient",),
    "config": ("Config", "Endpoints", "Environment"),
    "credential": ("Credential",),
    "data": ("DataClient",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
