"""Actions of multi-sig users: several authorised wallets sign one payload, one of them posts it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .actions import USER_SIGNED, address, canonical_action, is_address
from .crypto import parse_signature, recover
from .errors import ActionError, Malformed
from .signing import action_hash, l1_digest, user_signed_digest

__all__ = ["MultiSig", "Signers", "read_multi_sig", "read_signers"]

_OUTER = (
    "SendMultiSig",
    (("hyperliquidChain", "string"), ("multiSigActionHash", "bytes32"), ("nonce", "uint64")),
)
_PAYLOAD_FIELDS = (("payloadMultiSigUser", "address"), ("outerSigner", "address"))
MOST_SIGNERS = 10


@dataclass(frozen=True, slots=True)
class Signers:
    """Who may act for a multi-sig user, and how many of them must."""

    authorized: frozenset[str]
    threshold: int


@dataclass(frozen=True, slots=True)
class MultiSig:
    """A multi-sig post, read: its inner action and everybody whose signature it carries."""

    user: str
    outer_signer: str
    signers: tuple[str | None, ...]
    action: Mapping[str, Any]
    user_signed: bool

    def check(self, posted_by: str | None, signers: Signers | None) -> None:
        """Raise ActionError unless enough authorised wallets signed, the poster among them."""
        if signers is None:
            raise ActionError(f"User {self.user} is not a multi-sig user")
        if posted_by is None or posted_by != self.outer_signer:
            shown = posted_by or "0x" + "0" * 40
            raise ActionError(f"User or API Wallet {shown} does not exist.")
        found = {signer for signer in self.signers if signer is not None}
        if posted_by not in signers.authorized or not found <= signers.authorized:
            raise ActionError("Multi-sig signer is not authorized")
        if len(found) < signers.threshold or len(found) < len(self.signers):
            raise ActionError("Not enough multi-sig signatures")


def read_signers(text: Any) -> Signers | None:
    """Read the `signers` of `convertToMultiSigUser`; null makes an ordinary user again.

    Raises
    ------
    ActionError
        They make no sense.
    """
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        raise ActionError("Invalid multi-sig signers") from None
    if value is None:
        return None
    users = value.get("authorizedUsers") if isinstance(value, dict) else None
    threshold = value.get("threshold") if isinstance(value, dict) else None
    if not isinstance(users, list) or not all(is_address(user) for user in users):
        raise ActionError("Invalid multi-sig signers")
    authorized = frozenset(user.lower() for user in users)
    if not isinstance(threshold, int) or not 1 <= threshold <= len(authorized) <= MOST_SIGNERS:
        raise ActionError("Invalid multi-sig threshold")
    return Signers(authorized, threshold)


def read_multi_sig(
    action: Mapping[str, Any],
    nonce: int,
    vault: str | None,
    expires: int | None,
    *,
    mainnet: bool,
    low_v: bool,
) -> tuple[bytes, MultiSig]:
    """Return what the poster signed, and the post.

    Raises
    ------
    Malformed
        The venue could not read it.
    """
    if set(action) != {"type", "signatureChainId", "signatures", "payload"}:
        raise Malformed("a multiSig action has signatures and a payload")
    payload, signatures = action["payload"], action["signatures"]
    if not isinstance(payload, Mapping) or not isinstance(signatures, list):
        raise Malformed("a multiSig action has signatures and a payload")
    if set(payload) != {"multiSigUser", "outerSigner", "action"}:
        raise Malformed("a multiSig payload has multiSigUser, outerSigner and action")
    user, outer = address(payload["multiSigUser"]), address(payload["outerSigner"])
    inner = payload["action"]
    kind = inner.get("type") if isinstance(inner, Mapping) else None
    user_signed = isinstance(kind, str) and kind in USER_SIGNED
    if user_signed:
        hashed = _inner_user_signed(inner, user, outer)
    else:
        inner = canonical_action(inner)
        envelope = [user, outer, inner]
        hashed = l1_digest(action_hash(envelope, nonce, vault, expires), mainnet=mainnet)
    parsed = [parse_signature(signature, low_v=low_v) for signature in signatures]
    signers = tuple(recover(hashed, signature) for signature in parsed)
    whole = {
        "signatureChainId": action["signatureChainId"],
        "signatures": [{name: signature[name] for name in "rsv"} for signature in signatures],
        "payload": {"multiSigUser": user, "outerSigner": outer, "action": inner},
    }
    primary, fields = _OUTER
    values = {
        "hyperliquidChain": "Mainnet" if mainnet else "Testnet",
        "multiSigActionHash": action_hash(whole, nonce, vault, expires),
        "nonce": nonce,
    }
    chain_id = _chain_id(action["signatureChainId"])
    posted = user_signed_digest(primary, fields, values, chain_id)
    return posted, MultiSig(user, outer, signers, inner, user_signed)


def _inner_user_signed(inner: Mapping[str, Any], user: str, outer: str) -> bytes:
    primary, fields = USER_SIGNED[inner["type"]]
    chain, *rest = fields
    values = {**inner, "payloadMultiSigUser": user, "outerSigner": outer}
    enriched = (chain, *_PAYLOAD_FIELDS, *rest)
    return user_signed_digest(primary, enriched, values, _chain_id(inner.get("signatureChainId")))


def _chain_id(text: Any) -> int:
    try:
        return int(str(text), 16)
    except ValueError:
        raise Malformed(f"not a chain id: {text!r}") from None
