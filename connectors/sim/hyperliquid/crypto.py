"""Hashes and signature recovery as the venue does them; nothing here is shared with a client."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

from coincurve import PrivateKey, PublicKey
from Crypto.Hash import keccak as _keccak

from .errors import Malformed

__all__ = [
    "address_of_key",
    "digest",
    "keccak",
    "pack",
    "parse_signature",
    "random_key",
    "recover",
]

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HEX_WORD = re.compile(r"0x[0-9a-fA-F]{1,64}\Z")


def keccak(data: bytes) -> bytes:
    return _keccak.new(data=data, digest_bits=256).digest()


# -- MessagePack -----------------------------------------------------------------------------


def pack(value: Any) -> bytes:
    """Return a value in MessagePack: maps in their own order, integers in the shortest form.

    Raises
    ------
    Malformed
        It holds something an action cannot hold.
    """
    out = bytearray()
    _pack(value, out)
    return bytes(out)


def _pack(value: Any, out: bytearray) -> None:
    if isinstance(value, str):
        data = value.encode()
        _head(len(data), out, (0xA0, 31), (0xD9, 1), (0xDA, 2), (0xDB, 4))
        out += data
    elif value is None:
        out.append(0xC0)
    elif isinstance(value, bool):
        out.append(0xC3 if value else 0xC2)
    elif isinstance(value, int):
        _pack_int(value, out)
    elif isinstance(value, dict):
        _head(len(value), out, (0x80, 15), (0xDE, 2), (0xDF, 4))
        for key, item in value.items():
            _pack(key, out)
            _pack(item, out)
    elif isinstance(value, list | tuple):
        _head(len(value), out, (0x90, 15), (0xDC, 2), (0xDD, 4))
        for item in value:
            _pack(item, out)
    else:
        raise Malformed(f"an action cannot hold a {type(value).__name__}")


def _head(size: int, out: bytearray, short: tuple[int, int], *longer: tuple[int, int]) -> None:
    base, limit = short
    if size <= limit:
        out.append(base | size)
        return
    for code, width in longer:
        if size < 1 << (8 * width):
            out.append(code)
            out += size.to_bytes(width, "big")
            return
    raise Malformed("too long")


def _pack_int(value: int, out: bytearray) -> None:
    if 0 <= value < 128:
        out.append(value)
    elif -32 <= value < 0:
        out.append(value & 0xFF)
    else:
        for step in range(4):
            bits = 8 << step
            if 0 <= value < 1 << bits:
                out.append(0xCC + step)
                out += value.to_bytes(bits // 8, "big")
                return
            if value < 0 and -value <= 1 << (bits - 1):
                out.append(0xD0 + step)
                out += value.to_bytes(bits // 8, "big", signed=True)
                return
        raise Malformed(f"integer out of range: {value}")


# -- secp256k1 -------------------------------------------------------------------------------


def digest(domain_separator: bytes, struct_hash: bytes) -> bytes:
    """Return what EIP-712 signs."""
    return keccak(b"\x19\x01" + domain_separator + struct_hash)


def parse_signature(value: Any, *, low_v: bool = False) -> tuple[int, int, int]:
    """Return r, s and the recovery id of `{"r","s","v"}`; hex may lack leading zeros.

    Raises
    ------
    Malformed
        It is not a signature's shape.
    """
    if not isinstance(value, Mapping) or set(value) != {"r", "s", "v"}:
        raise Malformed("signature needs r, s and v")
    r, s, v = value["r"], value["s"], value["v"]
    for word in (r, s):
        if not isinstance(word, str) or not _HEX_WORD.match(word):
            raise Malformed("r and s are 0x and up to 64 hex digits")
    known = (0, 1, 27, 28) if low_v else (27, 28)
    if not isinstance(v, int) or isinstance(v, bool) or v not in known:
        raise Malformed("v is 27 or 28")
    return int(r, 16), int(s, 16), v - 27 if v >= 27 else v


def recover(hashed: bytes, signature: tuple[int, int, int]) -> str | None:
    """Return the address (lower case) that signed, None if nobody can have; high s is nobody's."""
    r, s, recovery_id = signature
    if not (0 < r < ORDER and 0 < s <= ORDER // 2):
        return None
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((recovery_id,))
    try:
        key = PublicKey.from_signature_and_message(raw, hashed, hasher=None)
    except Exception:  # noqa: BLE001 - what coincurve raises for a point that is not on the curve
        return None
    return _address(key)


def _address(key: PublicKey) -> str:
    return "0x" + keccak(key.format(compressed=False)[1:])[12:].hex()


def address_of_key(private_key: str) -> str:
    """Return the address (lower case) of a private key in hex, with or without 0x."""
    secret = bytes.fromhex(private_key.removeprefix("0x"))
    return _address(PrivateKey(secret).public_key)


def random_key(source: random.Random) -> str:
    """Return a private key drawn from a `random.Random`."""
    return "0x" + source.randrange(1, ORDER).to_bytes(32, "big").hex()
