"""Hyperliquid: perpetuals, spot and builder dexes; market data, trading, signing.

::

    from connectors import hyperliquid

    with hyperliquid.Signer(private_key) as signer:
        action = {
            "type": "order",
            "orders": [{"a": 0, "b": True, "p": "65000", "s": "0.01", "r": False,
                        "t": {"limit": {"tif": "Gtc"}}}],
            "grouping": "na",
        }
        signature = signer.sign_l1_action(action, nonce=now_ms)

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from . import actions
    from .config import (
        AcceptSource,
        Builder,
        Config,
        Credentials,
        Endpoints,
        Environment,
        FillPolicy,
        OrderChannel,
    )
    from .data import DataClient
    from .execution import CancelOrder, ExecutionClient
    from .multi_sig import (
        multi_sig_action,
        multi_sig_action_hash,
        multi_sig_digest,
        multi_sig_payload,
    )
    from .numbers import (
        Rounding,
        check_price,
        check_size,
        float_to_wire,
        number_text,
        price_exponent,
        round_price,
        round_price_like_sdk,
        round_size,
    )
    from .replies import RefusalKind
    from .signing import (
        Signer,
        SignerStats,
        action_hash,
        checksum_address,
        encode_action,
        generate_key,
        keccak256,
        l1_digest,
        recover_address,
    )
    from .typed_data import (
        SIGNATURE_CHAIN_ID,
        USER_SIGNED_TYPES,
        complete_user_action,
        domain_separator,
        type_hash,
        user_action_digest,
    )

__all__ = [
    "SIGNATURE_CHAIN_ID",
    "USER_SIGNED_TYPES",
    "AcceptSource",
    "Builder",
    "CancelOrder",
    "Config",
    "Credentials",
    "DataClient",
    "Endpoints",
    "Environment",
    "ExecutionClient",
    "FillPolicy",
    "OrderChannel",
    "RefusalKind",
    "Rounding",
    "Signer",
    "SignerStats",
    "action_hash",
    "actions",
    "check_price",
    "check_size",
    "checksum_address",
    "complete_user_action",
    "domain_separator",
    "encode_action",
    "float_to_wire",
    "generate_key",
    "keccak256",
    "l1_digest",
    "multi_sig_action",
    "multi_sig_action_hash",
    "multi_sig_digest",
    "multi_sig_payload",
    "number_text",
    "price_exponent",
    "recover_address",
    "round_price",
    "round_price_like_sdk",
    "round_size",
    "type_hash",
    "user_action_digest",
]

_HOMES = {
    "": ("actions",),
    "config": (
        "AcceptSource", "Builder", "Config", "Credentials", "Endpoints", "Environment",
        "FillPolicy", "OrderChannel",
    ),
    "data": ("DataClient",),
    "execution": ("CancelOrder", "ExecutionClient"),
    "multi_sig": (
        "multi_sig_action", "multi_sig_action_hash", "multi_sig_digest", "multi_sig_payload",
    ),
    "numbers": (
        "Rounding", "check_price", "check_size", "float_to_wire", "number_text", "price_exponent",
        "round_price", "round_price_like_sdk", "round_size",
    ),
    "replies": ("RefusalKind",),
    "signing": (
        "Signer", "SignerStats", "action_hash", "checksum_address", "encode_action",
        "generate_key", "keccak256", "l1_digest", "recover_address",
    ),
    "typed_data": (
        "SIGNATURE_CHAIN_ID", "USER_SIGNED_TYPES", "complete_user_action", "domain_separator",
        "type_hash", "user_action_digest",
    ),
}  # fmt: skip

__getattr__, __dir__ = lazy(__name__, _HOMES)
