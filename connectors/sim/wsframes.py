"""WebSocket frames as a server writes them (RFC 6455): simulators write their own bytes."""

from __future__ import annotations

import struct

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "PING",
    "PONG",
    "TEXT",
    "close_payload",
    "encode",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def encode(payload: bytes, opcode: int = TEXT, *, fin: bool = True) -> bytes:
    """Return a websocket frame as a server sends it: unmasked, no extension bits."""
    first = opcode | (0x80 if fin else 0)
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def close_payload(code: int, reason: str = "") -> bytes:
    return struct.pack("!H", code) + reason.encode()[:123]
