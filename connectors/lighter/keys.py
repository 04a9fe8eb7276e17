"""Making private keys. `Signer` reads them; nothing here keeps one."""

from __future__ import annotations

import hashlib
import secrets

from .signing import Signer

__all__ = ["generate_key", "private_key_from_seed"]

# The order of the curve's group.
ORDER = 0x7FFFFFFD_800000077FFFFFF1_000000167FFFFFE6_CFB80639E8885C39_D724A09CE80FD996_948BFFE1


def generate_key() -> tuple[str, str]:
    """Return a new private key and its public key, 80 hexadecimal digits each.

    The private key is uniform from 1 to n - 1. It authorises nothing until a change-pub-key
    transaction has registered the public key.
    """
    private = (secrets.randbelow(ORDER - 1) + 1).to_bytes(40, "little").hex()
    with Signer(private, account_index=0, api_key_index=0, chain_id=0) as signer:
        return private, signer.public_key


def private_key_from_seed(seed: bytes) -> str:
    """Return the private key the venue's reference derives from a seed, 80 hexadecimal digits.

    The seed holds all the secrecy there is: at least 32 bytes of good randomness.
    """
    if len(seed) < 32:
        raise ValueError("a seed must have at least 32 bytes")
    digest = hashlib.sha256(b"\x01" + seed).digest() + hashlib.sha256(b"\x02" + seed).digest()[:8]
    return (int.from_bytes(digest, "big") % ORDER).to_bytes(40, "little").hex()
