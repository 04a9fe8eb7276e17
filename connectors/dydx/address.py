"""Addresses of the dYdX chain: bech32 of the hash of a public key (11.1)."""

from __future__ import annotations

import hashlib

from Crypto.Hash import RIPEMD160

from ..errors import ConfigError

__all__ = ["PREFIX", "address_of", "check_address", "is_address"]

PREFIX = "dydx"

_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_SIZE = 6
_DATA_SIZE = 32  # five-bit groups of the 20 bytes of a hash
_EXPANDED_PREFIX = [*(ord(char) >> 5 for char in PREFIX), 0, *(ord(char) & 31 for char in PREFIX)]


def address_of(public_key: bytes) -> str:
    """Return the address of a compressed public key (33 bytes)."""
    digest = RIPEMD160.new(hashlib.sha256(public_key).digest()).digest()
    bits = int.from_bytes(digest, "big")
    groups = [bits >> shift & 31 for shift in range(5 * (_DATA_SIZE - 1), -1, -5)]
    checksum = _polymod([*_EXPANDED_PREFIX, *groups, *[0] * _CHECKSUM_SIZE]) ^ 1
    groups += [checksum >> shift & 31 for shift in range(5 * (_CHECKSUM_SIZE - 1), -1, -5)]
    return f"{PREFIX}1{''.join(_CHARSET[group] for group in groups)}"


def is_address(text: str) -> bool:
    """Whether this is an address of the chain, its checksum right."""
    prefix, one, data = text.rpartition("1")
    if prefix != PREFIX or not one or len(data) != _DATA_SIZE + _CHECKSUM_SIZE:
        return False
    groups = [_CHARSET.find(char) for char in data]
    return -1 not in groups and _polymod([*_EXPANDED_PREFIX, *groups]) == 1


def check_address(text: str, name: str = "address") -> str:
    """Return an address of the chain as it is.

    The indexer answers for an address that nobody has as for an account without money (DX-W-19),
    so a typing error has to be found here.

    Raises
    ------
    ConfigError
        If it is none, or its checksum is wrong.
    """
    if not is_address(text):
        raise ConfigError(
            f"{name} must be an address of the dYdX chain (dydx1 and 38 characters, lower case): "
            f"{text!r} is none, or has a typing error"
        )
    return text


def _polymod(groups: list[int]) -> int:
    """Return the remainder bech32 computes over five-bit groups."""
    remainder = 1
    for group in groups:
        top = remainder >> 25
        remainder = (remainder & 0x1FFFFFF) << 5 ^ group
        for place, generator in enumerate(_GENERATORS):
            if top >> place & 1:
                remainder ^= generator
    return remainder
