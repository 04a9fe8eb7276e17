"""How the gateway's certificate is checked (section 9 of the venue's rules).

The gateway ships a self-signed certificate that has expired, so ordinary verification fails by
design. The answer is to pin it: exactly that certificate is accepted, whatever its dates, and no
other. Get it once with `fetch_certificate`, compare its fingerprint with the gateway's, keep it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from ..errors import ConfigError, RequestTimeout, TransportError
from ..net.attempts import is_loopback
from ..net.dial import translate_dial_error
from ..net.endpoint import check_security, default_ssl_context
from ..settings import member

__all__ = ["Certificate", "Tls", "TlsMode", "fetch_certificate", "make_context"]

# X509_V_FLAG_NO_CHECK_TIME, which the ssl module has no name for (L-03).
_NO_CHECK_TIME: Final = 0x200000
_FINGERPRINT_DIGITS = 64


class TlsMode(StrEnum):
    """What is checked."""

    VERIFY = "verify"  # against authorities: the system's, or those of a file
    PIN = "pin"  # it is this certificate, and no other
    INSECURE = "insecure"  # nothing; for this machine only, and only where asked for


@dataclass(frozen=True, slots=True)
class Tls:
    """Which certificates are accepted, for REST and the WebSocket alike (S-17, L-07).

    Attributes
    ----------
    mode : TlsMode
        Text is taken too.
    certificate : str, optional
        PEM text, or a path: the pinned certificate, or authorities in place of the system's.
    fingerprint : str, optional
        SHA-256 of the pinned certificate in hex, colons allowed, in place of `certificate`.

    Raises
    ------
    ConfigError
        The parts do not go together.
    """

    mode: TlsMode = TlsMode.VERIFY
    certificate: str | None = field(default=None, repr=False)
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "mode", member(TlsMode, self.mode, "tls mode"))
        if self.fingerprint is not None:
            digits = self.fingerprint.replace(":", "").strip().lower()
            if len(digits) != _FINGERPRINT_DIGITS or set(digits) - set("0123456789abcdef"):
                raise ConfigError("tls: a fingerprint is the SHA-256 in 64 hex digits")
            object.__setattr__(self, "fingerprint", digits)
        given = [self.certificate, self.fingerprint].count(None)
        if self.mode is TlsMode.PIN and given != 1:
            raise ConfigError("tls: a pin needs a certificate or a fingerprint, one of them")
        if self.mode is not TlsMode.PIN and self.fingerprint is not None:
            raise ConfigError("tls: a fingerprint is for mode pin")
        if self.mode is TlsMode.INSECURE and self.certificate is not None:
            raise ConfigError("tls: mode insecure checks nothing, and takes no certificate")

    @classmethod
    def pin(cls, certificate: str | os.PathLike[str]) -> Tls:
        """Accept this certificate only: PEM text, or the path of a PEM file."""
        return cls(TlsMode.PIN, os.fspath(certificate))

    @classmethod
    def pin_fingerprint(cls, sha256: str) -> Tls:
        """Accept the certificate with this SHA-256 only."""
        return cls(TlsMode.PIN, None, sha256)

    @classmethod
    def insecure(cls) -> Tls:
        """Check nothing: anybody on this machine may be the gateway. Loopback hosts only."""
        return cls(TlsMode.INSECURE)

    def check(self, base_url: str, *, allow_plaintext: bool) -> None:
        """Raise ConfigError where this must not be used for that URL (L-06, L-08)."""
        host = urlsplit(base_url).hostname or ""
        if self.mode is TlsMode.INSECURE and not is_loopback(host):
            raise ConfigError(
                "tls mode insecure is for a gateway on this machine only: pin its certificate"
            )
        check_security(base_url, None, allow_plaintext=allow_plaintext, allow_unverified=False)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server showed; nothing says that it is the right one."""

    pem: str = field(repr=False)
    fingerprint: str


async def make_context(tls: Tls, base_url: str, *, timeout_s: float = 5.0) -> ssl.SSLContext | None:
    """Return the context for all connections to a gateway; None for plain http.

    A pin by fingerprint asks the server for its certificate first, sends nothing, and pins what
    fits (L-04): not one byte of HTTP reaches a server that shows another.

    Raises
    ------
    ConfigError
        The certificate cannot be read.
    TransportError
        The server of a pin by fingerprint cannot be reached, or shows another certificate.
    """
    parts = urlsplit(base_url)
    if parts.scheme == "http":
        return None
    if tls.mode is TlsMode.INSECURE:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if tls.mode is TlsMode.VERIFY:
        if tls.certificate is None:
            return default_ssl_context()
        return _load(ssl.create_default_context(), tls.certificate)
    if tls.certificate is not None:
        return _pinned(tls.certificate)
    shown = await fetch_certificate(parts.hostname or "", parts.port or 443, timeout_s=timeout_s)
    if shown.fingerprint != tls.fingerprint:
        raise TransportError(
            f"{parts.hostname}: the server's certificate has the fingerprint "
            f"{shown.fingerprint}, not the pinned one: nothing was sent"
        )
    return _pinned(shown.pem)


async def fetch_certificate(host: str, port: int, *, timeout_s: float = 5.0) -> Certificate:
    """Return the certificate a server shows, without trusting it or sending anything (L-05).

    Compare the fingerprint with the gateway's own before you pin it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except TimeoutError:
        raise RequestTimeout(f"{host}:{port}: no certificate within {timeout_s:g} s") from None
    except (OSError, ValueError) as error:
        raise translate_dial_error(error, f"https://{host}:{port}") from error
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    return Certificate(ssl.DER_cert_to_PEM_cert(der), hashlib.sha256(der).hexdigest())


def _pinned(certificate: str) -> ssl.SSLContext:
    context = _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate)
    context.check_hostname = False  # the certificate says localhost, the user may not
    context.verify_mode = ssl.CERT_REQUIRED
    # The leaf itself is the anchor, and its dates do not matter: it is expired as shipped.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    return context


def _load(context: ssl.SSLContext, certificate: str) -> ssl.SSLContext:
    try:
        if "-----BEGIN" in certificate:
            context.load_verify_locations(cadata=certificate)
        else:
            context.load_verify_locations(cafile=certificate)
    except (OSError, ValueError) as error:
        raise ConfigError(f"tls: the certificate cannot be read: {error}") from error
    return context
