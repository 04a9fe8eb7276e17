"""User-signed actions: which EIP-712 type each has, and the digest a wallet signs.

=====================  ======================  =====================================================
action type            primary type            fields, in order
=====================  ======================  =====================================================
usdSend                UsdSend                 destination, amount, time
spotSend               SpotSend                destination, token, amount, time
withdraw3              Withdraw                destination, amount, time
usdClassTransfer       UsdClassTransfer        amount, toPerp, nonce
sendAsset              SendAsset               destination, sourceDex, destinationDex, token,
                                               amount, fromSubAccount, nonce
approveAgent           ApproveAgent            agentAddress, agentName, nonce
approveBuilderFee      ApproveBuilderFee       maxFeeRate, builder, nonce
tokenDelegate          TokenDelegate           validator, wei, isUndelegate, nonce
userDexAbstraction     UserDexAbstraction      user, enabled, nonce
userSetAbstraction     UserSetAbstraction      user, abstraction, nonce
convertToMultiSigUser  ConvertToMultiSigUser   signers, nonce
=====================  ======================  =====================================================

`hyperliquidChain` comes first in each, and `HyperliquidTransaction:` in front of each primary type.
Other keys of an action (`type`, `signatureChainId`) are not signed. These actions need the key of
the account itself: agents may not sign them.

Source: section 9.3 of the venue's rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from .._speedups.hyperliquid_signer import keccak256
from ..errors import FieldTypeError, InvalidTransaction

__all__ = [
    "SIGNATURE_CHAIN_ID",
    "USER_SIGNED_TYPES",
    "complete_user_action",
    "domain_separator",
    "type_hash",
    "user_action_digest",
]

Fields = tuple[tuple[str, str], ...]  # name and type

SIGNATURE_CHAIN_ID = "0x66eee"
"""What the official SDK signs with on both networks; any chain a wallet is on will do."""

_PREFIX = "HyperliquidTransaction:"
_CHAIN = ("hyperliquidChain", "string")
_NONCE = ("nonce", "uint64")
_TIME = ("time", "uint64")


def _texts(*names: str) -> Fields:
    return tuple((name, "string") for name in names)


USER_SIGNED_TYPES: Mapping[str, tuple[str, Fields]] = {
    "usdSend": ("UsdSend", (_CHAIN, *_texts("destination", "amount"), _TIME)),
    "spotSend": ("SpotSend", (_CHAIN, *_texts("destination", "token", "amount"), _TIME)),
    "withdraw3": ("Withdraw", (_CHAIN, *_texts("destination", "amount"), _TIME)),
    "usdClassTransfer": (
        "UsdClassTransfer",
        (_CHAIN, *_texts("amount"), ("toPerp", "bool"), _NONCE),
    ),
    "sendAsset": (
        "SendAsset",
        (
            _CHAIN,
            *_texts(
                "destination", "sourceDex", "destinationDex", "token", "amount", "fromSubAccount"
            ),
            _NONCE,
        ),
    ),
    "approveAgent": (
        "ApproveAgent",
        (_CHAIN, ("agentAddress", "address"), *_texts("agentName"), _NONCE),
    ),
    "approveBuilderFee": (
        "ApproveBuilderFee",
        (_CHAIN, *_texts("maxFeeRate"), ("builder", "address"), _NONCE),
    ),
    "tokenDelegate": (
        "TokenDelegate",
        (_CHAIN, ("validator", "address"), ("wei", "uint64"), ("isUndelegate", "bool"), _NONCE),
    ),
    "userDexAbstraction": (
        "UserDexAbstraction",
        (_CHAIN, ("user", "address"), ("enabled", "bool"), _NONCE),
    ),
    "userSetAbstraction": (
        "UserSetAbstraction",
        (_CHAIN, ("user", "address"), *_texts("abstraction"), _NONCE),
    ),
    "convertToMultiSigUser": ("ConvertToMultiSigUser", (_CHAIN, *_texts("signers"), _NONCE)),
}
"""Action type -> primary type and fields."""

_DOMAIN_TYPE = keccak256(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)


def complete_user_action(action: Mapping[str, Any], mainnet: bool = True) -> dict[str, Any]:
    """Return the action as it is signed and posted: network and chain filled in where absent.

    A missing `agentName` is not filled in: it is signed as "" and not posted.
    """
    complete = dict(action)
    complete.setdefault("signatureChainId", SIGNATURE_CHAIN_ID)
    complete.setdefault("hyperliquidChain", "Mainnet" if mainnet else "Testnet")
    return complete


def user_action_digest(
    action: Mapping[str, Any],
    mainnet: bool = True,
    *,
    multi_sig_user: str | None = None,
    outer_signer: str | None = None,
) -> bytes:
    """Return what is signed for a user-signed action, 32 bytes.

    Parameters
    ----------
    action : mapping
        Its `type` decides what is signed. Network and chain are filled in where absent; where they
        are there, they count, whatever `mainnet` says.
    multi_sig_user, outer_signer : str, optional
        Addresses, both or none: for one signer's part of a multi-sig.

    Raises
    ------
    InvalidTransaction
        If the type is not one of `USER_SIGNED_TYPES`, a field is missing, or a value does not fit.
    FieldTypeError
        If a field has the wrong type.
    """
    if not isinstance(action, Mapping):
        raise FieldTypeError(
            f"an action must be a dict, not {type(action).__name__}", code="FieldType"
        )
    kind = action.get("type")
    known = USER_SIGNED_TYPES.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise InvalidTransaction(
            f"{kind!r} is not an action a user signs; L1 actions go to sign_l1_action",
            code="UnknownActionType",
        )
    name, fields = known
    complete = complete_user_action(action, mainnet)
    if kind == "approveAgent":
        complete.setdefault("agentName", "")
    if multi_sig_user is not None or outer_signer is not None:
        fields = (
            fields[0],
            ("payloadMultiSigUser", "address"),
            ("outerSigner", "address"),
            *fields[1:],
        )
        complete["payloadMultiSigUser"] = lower_address(multi_sig_user, "multi_sig_user")
        complete["outerSigner"] = lower_address(outer_signer, "outer_signer")
    return typed_digest(name, fields, complete)


def typed_digest(name: str, fields: Fields, values: Mapping[str, Any]) -> bytes:
    """Return the EIP-712 digest of one of the venue's user-signed structs."""
    parts = [type_hash(name, fields)]
    for field, kind in fields:
        if field not in values:
            raise InvalidTransaction(f"{name}: field {field} is missing", code="MissingField")
        parts.append(_ENCODERS[kind](values[field], f"{name}: {field}"))
    domain = domain_separator(_chain_id(values.get("signatureChainId")))
    return keccak256(b"\x19\x01" + domain + keccak256(b"".join(parts)))


@lru_cache(maxsize=64)
def type_hash(name: str, fields: Fields) -> bytes:
    """Return the hash of a type's text, 32 bytes."""
    inside = ",".join(f"{kind} {field}" for field, kind in fields)
    return keccak256(f"{_PREFIX}{name}({inside})".encode())


@lru_cache(maxsize=64)
def domain_separator(chain_id: int) -> bytes:
    """Return the domain separator of user-signed actions on a chain, 32 bytes."""
    return keccak256(
        _DOMAIN_TYPE
        + keccak256(b"HyperliquidSignTransaction")
        + keccak256(b"1")
        + chain_id.to_bytes(32, "big")
        + bytes(32)
    )


def _chain_id(value: object) -> int:
    if not isinstance(value, str):
        raise FieldTypeError(
            f"signatureChainId must be text as 0xa4b1, not {type(value).__name__}", code="FieldType"
        )
    digits = value.removeprefix("0x")
    if not 0 < len(digits) <= 16 or digits.strip("0123456789abcdefABCDEF"):
        raise InvalidTransaction(
            "signatureChainId must be 0x and 1 to 16 hexadecimal digits", code="ChainId"
        )
    return int(digits, 16)


# --- values ---------------------------------------------------------------------------------------


def _string(value: object, where: str) -> bytes:
    if not isinstance(value, str):
        raise FieldTypeError(f"{where} must be text, not {type(value).__name__}", code="FieldType")
    try:
        return keccak256(value.encode())
    except UnicodeEncodeError:
        raise InvalidTransaction(
            f"{where}: text with half a surrogate pair has no UTF-8", code="Encoding"
        ) from None


def _uint64(value: object, where: str) -> bytes:
    if isinstance(value, bool) or not isinstance(value, int):
        raise FieldTypeError(
            f"{where} must be an integer, not {type(value).__name__}", code="FieldType"
        )
    if not 0 <= value < 2**64:
        raise InvalidTransaction(f"{where} must be from 0 to 2^64 - 1", code="IntegerRange")
    return value.to_bytes(32, "big")


def _bool(value: object, where: str) -> bytes:
    if not isinstance(value, bool):
        raise FieldTypeError(
            f"{where} must be True or False, not {type(value).__name__}", code="FieldType"
        )
    return int(value).to_bytes(32, "big")


def _address(value: object, where: str) -> bytes:
    return bytes(12) + bytes.fromhex(lower_address(value, where)[2:])


def _bytes32(value: object, where: str) -> bytes:
    if not isinstance(value, bytes) or len(value) != 32:
        raise FieldTypeError(f"{where} must be 32 bytes", code="FieldType")
    return value


_ENCODERS: Mapping[str, Callable[[object, str], bytes]] = {
    "string": _string,
    "uint64": _uint64,
    "bool": _bool,
    "address": _address,
    "bytes32": _bytes32,
}


def lower_address(value: object, where: str) -> str:
    """Return an address as 0x and 40 lowercase digits, the form that is hashed inside actions."""
    if not isinstance(value, str):
        raise FieldTypeError(
            f"{where} must be an address as text, not {type(value).__name__}", code="FieldType"
        )
    digits = value.lower().removeprefix("0x")
    if len(digits) != 40 or digits.strip("0123456789abcdef"):
        raise InvalidTransaction(f"{where} must be 0x and 40 hexadecimal digits", code="Address")
    return "0x" + digits
