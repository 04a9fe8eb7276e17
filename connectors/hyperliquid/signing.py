"""The Hyperliquid signer.

============================================  ======================================
what is signed                                by
============================================  ======================================
an action of the exchange                     `Signer.sign_l1_action`, `sign_batch`
an action of the account (transfers, agents)  `Signer.sign_user_action`
one signer's part of a multi-sig              `Signer.sign_multi_sig_payload`
the envelope of a multi-sig                   `Signer.sign_multi_sig_action`
============================================  ======================================

A signature is a dict of `r`, `s` (0x and 64 digits) and `v` (27 or 28), as it is posted.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import Any, Self

from .._speedups.hyperliquid_signer import (
    SignerCore,
    action_hash,
    checksum_address,
    encode_action,
    keccak256,
    l1_digest,
)
from ..errors import InvalidTransaction
from ..keyfile import key_from_file
from ..signer_stats import SignerStats
from .multi_sig import multi_sig_digest, multi_sig_payload
from .typed_data import USER_SIGNED_TYPES, user_action_digest

__all__ = [
    "Signer",
    "SignerStats",
    "action_hash",
    "checksum_address",
    "encode_action",
    "generate_key",
    "keccak256",
    "l1_digest",
    "recover_address",
]

Signature = dict[str, Any]

# The order of the curve's group.
ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141


class Signer(SignerCore):
    """Signs with one key, of an account or of an agent; see `SignerCore` for what it is made of.

    ::

        with Signer(private_key) as signer:
            action = {"type": "cancel", "cancels": [{"a": 0, "o": 77738308}]}
            signature = signer.sign_l1_action(action, nonce=1700000000000)
    """

    __slots__ = ()

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, pool_capacity: int = 0) -> Self:
        """Make a signer whose key stands in a file: 64 hexadecimal digits, `0x` allowed.

        White space around the digits does not count. What was read is wiped from memory.

        Raises
        ------
        InvalidKey
            If the file holds anything else.
        OSError
            If it cannot be read.
        """
        with key_from_file(path, 64) as digits:
            return cls(digits, pool_capacity=pool_capacity)

    @property
    def stats(self) -> SignerStats:
        """Counters of this signer, as they are now."""
        return SignerStats.of(self)

    def sign_user_action(self, action: Mapping[str, Any], mainnet: bool = True) -> Signature:
        """Sign an action of the account, such as a transfer or the approval of an agent.

        Its `type` decides what is signed. `signatureChainId` and `hyperliquidChain` are filled in
        where absent, in the signature only: post what `complete_user_action` returns. Where they
        are there, they count, whatever `mainnet` says.

        Raises
        ------
        InvalidTransaction
            If it is no action of this kind, a field is missing, or a value does not fit.
        FieldTypeError
            If a field has the wrong type.
        SignerClosed
            If the signer is closed.
        """
        return self.sign_digest(user_action_digest(action, mainnet))

    def sign_multi_sig_payload(
        self,
        action: Mapping[str, Any],
        nonce: int,
        multi_sig_user: str,
        outer_signer: str,
        vault_address: str | None = None,
        expires_after: int | None = None,
        mainnet: bool = True,
    ) -> Signature:
        """Sign the inner action of a multi-sig, as one of its users.

        Parameters
        ----------
        action : mapping
            An L1 action or one of the account's own, told apart by its `type`.
        nonce : int
            The envelope's. Actions of the account carry it themselves, as `time` or `nonce`.
        multi_sig_user : str
            The address that has several signers.
        outer_signer : str
            The address whose key will sign the envelope.
        """
        if action.get("type") in USER_SIGNED_TYPES:
            digest = user_action_digest(
                action, mainnet, multi_sig_user=multi_sig_user, outer_signer=outer_signer
            )
            return self.sign_digest(digest)
        payload = multi_sig_payload(action, multi_sig_user, outer_signer)
        return self.sign_l1_action(payload, nonce, vault_address, expires_after, mainnet)

    def sign_multi_sig_action(
        self,
        action: Mapping[str, Any],
        nonce: int,
        vault_address: str | None = None,
        expires_after: int | None = None,
        mainnet: bool = True,
    ) -> Signature:
        """Sign an envelope made by `multi_sig_action`, as its outer signer."""
        return self.sign_digest(
            multi_sig_digest(action, nonce, vault_address, expires_after, mainnet)
        )


def recover_address(digest: bytes, signature: Mapping[str, Any]) -> str:
    """Return the address whose key made a signature, with the checksum of EIP-55.

    Takes halves with or without leading zeros.

    Raises
    ------
    InvalidTransaction
        If it is nobody's signature.
    """
    from coincurve import PublicKey

    try:
        recovery = signature["v"] - 27
        halves = b"".join(int(signature[half], 16).to_bytes(32, "big") for half in ("r", "s"))
        public = PublicKey.from_signature_and_message(halves + bytes([recovery]), digest, None)
    except Exception as error:  # noqa: BLE001 - coincurve raises a bare Exception as well
        raise InvalidTransaction(f"no key made this signature: {error}", code="Signature") from None
    return checksum_address(keccak256(public.format(compressed=False)[1:])[12:])


def generate_key() -> tuple[str, str]:
    """Return a new private key, 64 hexadecimal digits, and its address.

    The key authorises nothing until an account approves its address as an agent.
    """
    private = f"{secrets.randbelow(ORDER - 1) + 1:064x}"
    with Signer(private) as signer:
        return private, signer.address
