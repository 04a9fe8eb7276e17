"""A certificate of our own for 127.0.0.1."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

__all__ = ["Files", "make_certificate", "server_context"]

Files = tuple[Path, Path]
"""The certificate, and its key."""


def make_certificate(folder: Path) -> Files:
    """Make a self-signed certificate; skip the test where there is no openssl."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(cert)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("the openssl program is not installed")
    return cert, key


def server_context(files: Files) -> ssl.SSLContext:
    """Return what a server shows to its clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context
