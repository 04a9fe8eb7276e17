"""Lighter: market data, trading and signing.

::

    from connectors import lighter

    with lighter.Signer(private_key, account_index=12345, api_key_index=5, chain_id=304) as signer:
        order = signer.create_order(market_index=1, client_order_index=99, base_amount=1000,
                                    price=50_000, is_ask=True, nonce=77)
        send(order.tx_type, order.tx_info)

Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import Config, Credentials, Environment
    from .data import DataClient
    from .execution import CancelOrder, ExecutionClient
    from .keys import generate_key, private_key_from_seed
    from .l1 import L1Signer, eip191_digest, l1_message, with_l1_signature
    from .limits import Tier
    from .signing import SignedTx, Signer, SignerStats, error_texts, tx_hash, verify
    from .transactions import (
        Attribute,
        CancelAllTimeInForce,
        GroupingType,
        MarginDirection,
        MarginMode,
        OrderType,
        Route,
        SelfTradeBehavior,
        TimeInForce,
        TxType,
    )

__all__ = [
    "Attribute",
    "CancelAllTimeInForce",
    "CancelOrder",
    "Config",
    "Credentials",
    "DataClient",
    "Environment",
    "ExecutionClient",
    "GroupingType",
    "L1Signer",
    "MarginDirection",
    "MarginMode",
    "OrderType",
    "Route",
    "SelfTradeBehavior",
    "SignedTx",
    "Signer",
    "SignerStats",
    "Tier",
    "TimeInForce",
    "TxType",
    "eip191_digest",
    "error_texts",
    "generate_key",
    "l1_message",
    "private_key_from_seed",
    "tx_hash",
    "verify",
    "with_l1_signature",
]

_HOME = {
    "CancelOrder": "execution",
    "Config": "config",
    "Credentials": "config",
    "DataClient": "data",
    "Environment": "config",
    "ExecutionClient": "execution",
    "L1Signer": "l1",
    "SignedTx": "signing",
    "Signer": "signing",
    "SignerStats": "signing",
    "Tier": "limits",
    "eip191_digest": "l1",
    "error_texts": "signing",
    "generate_key": "keys",
    "l1_message": "l1",
    "private_key_from_seed": "keys",
    "tx_hash": "signing",
    "verify": "signing",
    "with_l1_signature": "l1",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f".{_HOME.get(name, 'transactions')}", __name__)
    value = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
