"""What a failed attempt is called, and what Retry-After means."""

from __future__ import annotations

import email.utils
import socket
import ssl
import time

import pytest

from connectors.errors import ConfigError, HandshakeError, RequestTimeout, TransportError
from connectors.net.dial import MAX_RETRY_AFTER_S, parse_retry_after, translate_dial_error

URL = "wss://h.example/ws?listenKey=s3cret"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 0.5 ", 0.5),
        ("-3", 0.0),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", MAX_RETRY_AFTER_S),
        ("99999999999", MAX_RETRY_AFTER_S),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 0.0),
    ],
)
def test_parse_retry_after(text, seconds):
    assert parse_retry_after(text) == seconds


def test_parse_retry_after_date():
    text = email.utils.formatdate(time.time() + 60, usegmt=True)
    assert parse_retry_after(text) == pytest.approx(60, abs=2)


@pytest.mark.parametrize(
    ("error", "kind", "word"),
    [
        (TimeoutError(), RequestTimeout, "in time"),
        (ConnectionRefusedError(111, "Connection refused"), TransportError, "refused"),
        (socket.gaierror(-2, "Name or service not known"), TransportError, "Name or service"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), TransportError, "TLS"),
        (RuntimeError(f"odd {URL}"), TransportError, "RuntimeError"),
        (ConfigError("bad"), ConfigError, "bad"),
    ],
)
def test_errors_are_typed_and_without_secrets(error, kind, word):
    translated = translate_dial_error(error, URL)
    assert type(translated) is kind
    assert word in str(translated)
    assert "s3cret" not in str(translated)
    assert not isinstance(translated, HandshakeError)
