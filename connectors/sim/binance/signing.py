"""Verification of request signatures over the bytes that were received (BN-M-10).

Written from the venue's rules and sharing nothing with any signer: a client that signs one text
and sends another is caught here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import random
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote, unquote_to_bytes

__all__ = [
    "ApiKey",
    "deterministic_key",
    "hmac_key",
    "public_key",
    "split_signature",
    "ws_payloads",
]

_ALPHABET = string.ascii_letters + string.digits


class _Verifier(Protocol):
    kind: str

    def verify(self, payload: bytes, signature: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key and what checks its signatures; the secret is never shown."""

    api_key: str
    verifier: _Verifier = field(repr=False)

    @property
    def kind(self) -> str:
        """`hmac`, `rsa` or `ed25519`."""
        return self.verifier.kind

    def verify(self, payload: bytes, signature: str) -> bool:
        """Whether `signature`, percent-decoded, belongs to exactly these bytes (BN-G-01)."""
        return self.verifier.verify(payload, signature)


class _Hmac:
    kind = "hmac"

    def __init__(self, secret: str) -> None:
        self._key = secret.encode()

    def verify(self, payload: bytes, signature: str) -> bool:
        """BN-G-04; the venue takes hex of either case."""
        digest = hmac.new(self._key, payload, hashlib.sha256).hexdigest()
        return hmac.compare_digest(digest.encode(), signature.lower().encode())


class _Rsa:
    kind = "rsa"

    def __init__(self, pem: str) -> None:
        from Crypto.PublicKey import RSA

        self._key = RSA.import_key(pem)

    def verify(self, payload: bytes, signature: str) -> bool:
        """BN-G-05: PKCS#1 v1.5 with SHA-256, standard base64."""
        from Crypto.Hash import SHA256
        from Crypto.Signature import pkcs1_15

        raw = _base64(signature)
        if raw is None:
            return False
        try:
            pkcs1_15.new(self._key).verify(SHA256.new(payload), raw)
        except ValueError:
            return False
        return True


class _Ed25519:
    kind = "ed25519"

    def __init__(self, pem: str) -> None:
        from Crypto.PublicKey import ECC

        self._key = ECC.import_key(pem)
        if self._key.curve != "Ed25519":
            raise ValueError(f"expected an Ed25519 key, got {self._key.curve}")

    def verify(self, payload: bytes, signature: str) -> bool:
        """BN-G-06: over the payload bytes themselves, standard base64."""
        from Crypto.Signature import eddsa

        raw = _base64(signature)
        if raw is None:
            return False
        try:
            eddsa.new(self._key, "rfc8032").verify(payload, raw)
        except ValueError:
            return False
        return True


def _base64(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    # Non-canonical texts decode to the same bytes; the venue's gateway wants the exact text.
    return raw if base64.b64encode(raw).decode() == text else None


def hmac_key(api_key: str, secret: str) -> ApiKey:
    return ApiKey(api_key, _Hmac(secret))


def public_key(api_key: str, pem: str) -> ApiKey:
    """Register an RSA or Ed25519 public key in PEM form.

    Raises
    ------
    ValueError
        The text is not such a key.
    """
    try:
        return ApiKey(api_key, _Ed25519(pem))
    except ValueError:
        return ApiKey(api_key, _Rsa(pem))


def deterministic_key(seed: int, index: int) -> tuple[str, str]:
    """Return (api_key, api_secret) of account `index`; the same seed gives the same pair."""
    source = random.Random(f"binance-sim/{seed}/{index}")
    return tuple("".join(source.choices(_ALPHABET, k=64)) for _ in range(2))  # type: ignore[return-value]


def split_signature(query: bytes, body: bytes) -> tuple[bytes, str | None]:
    """Return the signed bytes and the percent-decoded signature of a REST request.

    The payload is the query string followed by the form body exactly as received, without the
    signature, which must be the last parameter of the part it is in (BN-G-01, BN-G-02). None
    stands for a signature that is missing, in the wrong place, or not ASCII.
    """
    signature: str | None = None
    parts = []
    for part in (query, body):
        head, separator, tail = part.rpartition(b"signature=")
        found = separator and (not head or head.endswith(b"&")) and b"&" not in tail
        if found and signature is None:
            part = head[:-1]
            try:
                signature = unquote_to_bytes(tail).decode("ascii")
            except UnicodeDecodeError:
                signature = None
        parts.append(part)
    return b"".join(parts), signature


def ws_payloads(params: Mapping[str, Any], form: str) -> list[bytes]:
    """Return the texts a websocket signature may cover (BN-W-05, BN-G-07).

    `form` is `plain` (values as they stand in the JSON), `encoded` (values percent-encoded
    before signing) or `both`. They differ only for characters outside the unreserved set.
    """
    items = sorted((key, _text(value)) for key, value in params.items() if key != "signature")
    plain = "&".join(f"{key}={value}" for key, value in items).encode()
    encoded = "&".join(f"{key}={quote(value, safe='-_.~')}" for key, value in items).encode()
    return {"plain": [plain], "encoded": [encoded]}.get(form, [plain, encoded])


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
