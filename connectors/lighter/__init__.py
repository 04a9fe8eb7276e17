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

from typing import TYPE_CHECKING

from .._lazy import lazy

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

_HOMES = {
    "config": ("Config", "Credentials", "Environment"),
    "data": ("DataClient",),
    "execution": ("CancelOrder", "ExecutionClient"),
    "keys": ("generate_key", "private_key_from_seed"),
    "l1": ("L1Signer", "eip191_digest", "l1_message", "with_l1_signature"),
    "limits": ("Tier",),
    "signing": ("SignedTx", "Signer", "SignerStats", "error_texts", "tx_hash", "verify"),
    "transactions": (
        "Attribute",
        "CancelAllTimeInForce",
        "GroupingType",
        "MarginDirection",
        "MarginMode",
        "OrderType",
        "Route",
        "SelfTradeBehavior",
        "TimeInForce",
        "TxType",
    ),
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
