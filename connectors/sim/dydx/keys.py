"""From a mnemonic to an address as wallets do it: BIP-39, BIP-32, bech32. Test keys only."""

from __future__ import annotations

import hashlib
import hmac
import random
import unicodedata

from coincurve import PrivateKey
from Crypto.Hash import RIPEMD160

__all__ = ["address_of", "private_key_of", "random_mnemonic"]

PREFIX = "dydx"
PATH = (44 + 2**31, 118 + 2**31, 2**31, 0)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
# The first of the 2 048 words. Entropy whose 11-bit groups are all below 16, and whose last seven
# bits are zero, needs no others: the last word is then the checksum of four bits.
WORDS = (
    "abandon", "ability", "able", "about", "above", "absent", "absorb", "abstract",
    "absurd", "abuse", "access", "accident", "account", "accuse", "achieve", "acid",
)  # fmt: skip
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def random_mnemonic(source: random.Random) -> str:
    """Return twelve words with a right checksum. They are easy to guess: for tests only."""
    entropy = 0
    indices = [source.randrange(len(WORDS)) for _ in range(11)]
    for index in indices:
        entropy = entropy << 11 | index
    checksum = hashlib.sha256((entropy << 7).to_bytes(16, "big")).digest()[0] >> 4
    return " ".join(WORDS[index] for index in [*indices, checksum])


def private_key_of(mnemonic: str, index: int = 0) -> bytes:
    """Return the key at m/44'/118'/0'/0/index."""
    words = unicodedata.normalize("NFKD", mnemonic).encode()
    seed = hashlib.pbkdf2_hmac("sha512", words, b"mnemonic", 2048)
    node = hmac.digest(b"Bitcoin seed", seed, "sha512")
    for step in (*PATH, index):
        node = _child(node, step)
    return node[:32]


def _child(node: bytes, step: int) -> bytes:
    key, chain = node[:32], node[32:]
    parent = b"\0" + key if step >= 2**31 else _public(key)
    digest = hmac.digest(chain, parent + step.to_bytes(4, "big"), "sha512")
    child = (int.from_bytes(digest[:32], "big") + int.from_bytes(key, "big")) % ORDER
    return child.to_bytes(32, "big") + digest[32:]


def _public(key: bytes) -> bytes:
    return PrivateKey(key).public_key.format(compressed=True)


def address_of(key: bytes) -> str:
    """Return the address of a private key."""
    hashed = RIPEMD160.new(hashlib.sha256(_public(key)).digest()).digest()
    bits = int.from_bytes(hashed, "big")  # 160 bits are 32 groups of five
    words = [bits >> shift & 31 for shift in range(155, -1, -5)]
    words += _checksum(words)
    return f"{PREFIX}1{''.join(_BECH32[word] for word in words)}"


def _checksum(words: list[int]) -> list[int]:
    expanded = [ord(c) >> 5 for c in PREFIX] + [0] + [ord(c) & 31 for c in PREFIX]
    state = 1
    for word in [*expanded, *words, 0, 0, 0, 0, 0, 0]:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ word
        for bit, generator in enumerate(
            (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
        ):
            if top >> bit & 1:
                state ^= generator
    state ^= 1
    return [state >> shift & 31 for shift in range(25, -1, -5)]
