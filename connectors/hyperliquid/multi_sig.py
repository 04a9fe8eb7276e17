"""Accounts with several signers: what each signs, and what is posted.

Every authorised user signs the inner action (`payload`); one of them, or an agent of one, collects
the signatures and signs the envelope around them::

    inner = {"type": "order", ...}
    parts = [signer.sign_multi_sig_payload(inner, nonce, user, leader) for signer in signers]
    action = multi_sig_action(inner, parts, user, leader)
    post(action, nonce, leader_signer.sign_multi_sig_action(action, nonce))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._speedups.hyperliquid_signer import action_hash
from ..errors import FieldTypeError, InvalidTransaction
from .typed_data import (
    SIGNATURE_CHAIN_ID,
    USER_SIGNED_TYPES,
    complete_user_action,
    lower_address,
    typed_digest,
)

__all__ = ["multi_sig_action", "multi_sig_action_hash", "multi_sig_digest", "multi_sig_payload"]

_SEND = (
    ("hyperliquidChain", "string"),
    ("multiSigActionHash", "bytes32"),
    ("nonce", "uint64"),
)


def multi_sig_payload(
    action: Mapping[str, Any], multi_sig_user: str, outer_signer: str
) -> list[Any]:
    """Return what is hashed in place of an inner L1 action."""
    return [
        lower_address(multi_sig_user, "multi_sig_user"),
        lower_address(outer_signer, "outer_signer"),
        action,
    ]


def multi_sig_action(
    action: Mapping[str, Any],
    signatures: Iterable[Mapping[str, Any]],
    multi_sig_user: str,
    outer_signer: str,
    *,
    mainnet: bool = True,
) -> dict[str, Any]:
    """Return the envelope: the action to be signed with `sign_multi_sig_action` and posted.

    The halves of the signatures inside are written without leading zeros, as the official SDK and
    the venue write them: here they are part of what is hashed.
    """
    if action.get("type") in USER_SIGNED_TYPES:
        action = complete_user_action(action, mainnet)
    return {
        "type": "multiSig",
        "signatureChainId": SIGNATURE_CHAIN_ID,
        "signatures": [_minimal(signature) for signature in signatures],
        "payload": {
            "multiSigUser": lower_address(multi_sig_user, "multi_sig_user"),
            "outerSigner": lower_address(outer_signer, "outer_signer"),
            "action": action,
        },
    }


def multi_sig_action_hash(
    action: Mapping[str, Any],
    nonce: int,
    vault_address: str | None = None,
    expires_after: int | None = None,
) -> bytes:
    """Return the hash of an envelope, 32 bytes; its `type` is not part of it."""
    if not isinstance(action, Mapping):
        raise FieldTypeError(
            f"an action must be a dict, not {type(action).__name__}", code="FieldType"
        )
    without_type = {key: value for key, value in action.items() if key != "type"}
    return action_hash(without_type, nonce, vault_address, expires_after)


def multi_sig_digest(
    action: Mapping[str, Any],
    nonce: int,
    vault_address: str | None = None,
    expires_after: int | None = None,
    mainnet: bool = True,
) -> bytes:
    """Return what the outer signer signs for an envelope, 32 bytes."""
    envelope = {
        "hyperliquidChain": "Mainnet" if mainnet else "Testnet",
        "multiSigActionHash": multi_sig_action_hash(action, nonce, vault_address, expires_after),
        "nonce": nonce,
        "signatureChainId": action.get("signatureChainId", SIGNATURE_CHAIN_ID),
    }
    return typed_digest("SendMultiSig", _SEND, envelope)


def _minimal(signature: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {
            "r": hex(int(signature["r"], 16)),
            "s": hex(int(signature["s"], 16)),
            "v": signature["v"],
        }
    except (KeyError, TypeError, ValueError):
        raise InvalidTransaction(
            "a signature must have r and s as hexadecimal digits, and v", code="Signature"
        ) from None
