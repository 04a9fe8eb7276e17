"""OAuth 1.0a as the venue verifies it (section 8, X-15); nothing of the client's is used."""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote_plus, unquote

from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15

from ..clock import SimClock
from .config import SimConfig
from .oauth_keys import (
    ACCESS_TOKEN,
    ACCESS_TOKEN_SECRET,
    CONSUMER_KEY,
    DH_PRIME,
    ENCRYPTION_KEY,
    REALM,
    SECRET,
    SIGNATURE_KEY,
)

__all__ = ["TOKEN_PATH", "OAuth", "Refused", "base_string", "credentials", "parse_header"]

PRIME, GENERATOR = int(DH_PRIME, 16), 2
TOKEN_PATH = "/oauth/live_session_token"
SKEW_S = 300
NONCES_KEPT = 100_000
_PAIR = re.compile(r'\s*([A-Za-z_]+)=(?:"([^"]*)"|([^,\s]*))\s*(?:,|$)')


class Refused(Exception):
    """Why a request is answered with 401."""


def credentials() -> dict[str, Any]:
    """Return what a client needs (8.1)."""
    return {
        "consumer_key": CONSUMER_KEY,
        "access_token": ACCESS_TOKEN,
        "access_token_secret": ACCESS_TOKEN_SECRET,
        "dh_prime": DH_PRIME,
        "dh_generator": GENERATOR,
        "realm": REALM,
        "encryption_key": ENCRYPTION_KEY,
        "signature_key": SIGNATURE_KEY,
    }


def parse_header(text: str) -> dict[str, str]:
    """Return the parameters of an Authorization header, in any order, quoted or not.

    Raises
    ------
    Refused
        It is no OAuth header, or a parameter comes twice.
    """
    kind, _, rest = text.partition(" ")
    if kind.lower() != "oauth":
        raise Refused("no OAuth header")
    found: dict[str, str] = {}
    at = 0
    while at < len(rest):
        pair = _PAIR.match(rest, at)
        if pair is None or pair[1] in found:
            raise Refused("the OAuth header cannot be read")
        found[pair[1]] = pair[2] if pair[2] is not None else pair[3]
        at = pair.end()
    return found


def base_string(method: str, url: str, values: Mapping[str, str], prepend: str = "") -> str:
    """Return what is signed (O-05, O-14)."""
    joined = "&".join(f"{name}={value}" for name, value in sorted(values.items()))
    return f"{prepend}{method}&{quote_plus(url)}&{quote_plus(joined)}"


def secret_bytes(shared: int) -> bytes:
    """Return a shared secret as Java writes a positive integer (O-09)."""
    return shared.to_bytes(shared.bit_length() // 8 + 1, "big")


class OAuth:
    """Gives live session tokens and verifies what is signed with them.

    Attributes
    ----------
    token
        The live session token, None without one.
    wrong_signatures
        So many of the next tokens come with a signature that does not fit.
    private
        The venue's own Diffie-Hellman exponent; None: a new one each time, from the seed.
    """

    def __init__(self, config: SimConfig, clock: SimClock) -> None:
        self._config = config
        self._clock = clock
        self._random = random.Random(f"ibkr-sim/oauth/{config.seed}")
        self._public = RSA.import_key(SIGNATURE_KEY).public_key()
        self._nonces: OrderedDict[str, None] = OrderedDict()
        self._expires_ms = 0
        self.token: bytes | None = None
        self.wrong_signatures = 0
        self.private: int | None = None

    @property
    def is_valid(self) -> bool:
        """Whether there is a token that has not expired."""
        return self.token is not None and self._clock.now_ms() < self._expires_ms

    def expire(self) -> None:
        """End the token."""
        self.token = None

    # -- tokens (8.2) ------------------------------------------------------------------------

    def give_token(self, header: str, url: str) -> dict[str, Any]:
        """Answer a request for a live session token. Raises Refused."""
        values = self._checked(parse_header(header), "RSA-SHA256")
        signature = base64.b64decode(unquote(values.pop("oauth_signature", "")))
        text = base_string("POST", url, values, SECRET.hex())
        try:
            pkcs1_15.new(self._public).verify(SHA256.new(text.encode()), signature)
        except ValueError:
            raise Refused("the RSA signature is wrong") from None
        try:
            challenge = int(values["diffie_hellman_challenge"], 16)
        except (KeyError, ValueError):
            raise Refused("no challenge") from None
        if not 1 < challenge < PRIME - 1:
            raise Refused("the challenge is out of range")
        private = self.private if self.private is not None else self._random.getrandbits(256) | 1
        shared = secret_bytes(pow(challenge, private, PRIME))
        self.token = hmac.digest(shared, SECRET, "sha1")
        self._expires_ms = self._clock.now_ms() + int(self._config.token_s * 1000)
        check = hmac.new(self.token, CONSUMER_KEY.encode(), hashlib.sha1).hexdigest()
        if self.wrong_signatures:
            self.wrong_signatures -= 1
            check = f"{int(check, 16) ^ 1:040x}"
        return {
            "diffie_hellman_response": f"{pow(GENERATOR, private, PRIME):x}",
            "live_session_token_signature": check,
            "live_session_token_expiration": self._expires_ms,
        }

    # -- requests (8.3) ----------------------------------------------------------------------

    def verify(self, method: str, url: str, query: str, header: str) -> None:
        """Check a signed request; `url` is without its query. Raises Refused."""
        values = self._checked(parse_header(header), "HMAC-SHA256")
        if not self.is_valid or self.token is None:
            raise Refused("Access token expired")
        signature = unquote(values.pop("oauth_signature", ""))
        match self._config.query_signing:
            case "params":
                values |= dict(parse_qsl(query, keep_blank_values=True))
            case "in_url" if query:
                url = f"{url}?{query}"
        digest = hmac.digest(self.token, base_string(method, url, values).encode(), "sha256")
        if not hmac.compare_digest(base64.b64encode(digest).decode(), signature):
            raise Refused("the signature is wrong")

    def _checked(self, values: dict[str, str], signature_method: str) -> dict[str, str]:
        """Check everything but the signature; return what is signed, and the signature."""
        values.pop("realm", None)
        if values.get("oauth_consumer_key") != CONSUMER_KEY:
            raise Refused("invalid consumer")
        if values.get("oauth_token") != ACCESS_TOKEN:
            raise Refused("invalid access token")
        if values.get("oauth_signature_method") != signature_method:
            raise Refused(f"the signature method must be {signature_method}")
        stamp = values.get("oauth_timestamp", "")
        now_s = self._clock.now_ms() // 1000
        if not stamp.isdigit() or abs(int(stamp) - now_s) > SKEW_S:
            raise Refused("timestamp refused")
        nonce = values.get("oauth_nonce", "")
        if not nonce or nonce in self._nonces:
            raise Refused("nonce used")
        self._nonces[nonce] = None
        if len(self._nonces) > NONCES_KEPT:
            self._nonces.popitem(last=False)
        return values
