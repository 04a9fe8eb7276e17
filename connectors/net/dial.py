"""One attempt to open a WebSocket, which leaves nothing behind when it fails.

picows hands its transport out only after the upgrade; a cancelled or failed attempt
would leave the socket to a later time-out. So the socket is made here, and whatever
happens, it is closed before `open_websocket` returns or raises.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import logging
import math
import socket
import ssl
import sys
import time
from collections.abc import Mapping
from typing import Any

import picows

from ..errors import (
    ConfigError,
    ConnectorError,
    HandshakeError,
    RequestTimeout,
    TransportError,
)
from .endpoint import default_ssl_context
from .redact import mask_text, mask_url

__all__ = [
    "MAX_RETRY_AFTER_S",
    "open_websocket",
    "parse_retry_after",
    "translate_dial_error",
]

# A peer may ban for days (Binance: three); longer is nonsense.
MAX_RETRY_AFTER_S = 7 * 86_400.0
# TLS peers that do not answer the closing alert must not keep a socket.
TLS_SHUTDOWN_TIMEOUT_S = 1.0
SETTLE_TIMEOUT_S = 1.0
# Unanswered keepalive probes end a dead connection even where nothing is ever sent.
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 30, 10, 3


class _TransportLog(logging.LoggerAdapter):  # type: ignore[type-arg]
    """picows' log, one level quieter, and never with payloads or handshakes.

    Below DEBUG picows logs upgrade requests, which carry keys and cookies.
    """

    def isEnabledFor(self, level: int) -> bool:
        return level >= logging.DEBUG and super().isEnabledFor(level)

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.debug(msg, *args, **kwargs)


_transport_log = _TransportLog(logging.getLogger("connectors.net.transport"), {})


async def open_websocket(
    listener: picows.WSListener,
    url: str,
    *,
    headers: Mapping[str, str],
    max_message_size: int,
    ssl_context: ssl.SSLContext | None = None,
    proxy: str | None = None,
    receive_buffer_bytes: int | None = None,
) -> picows.WSTransport:
    """Connect, upgrade and return the transport; the caller bounds the time.

    The listener's `on_ws_connected` runs before this returns, and so may its first
    frames. Redirects are not followed.

    Raises
    ------
    HandshakeError
        The peer answered, but not with an upgrade.
    TransportError
        Name, TCP, TLS or proxy failed, or the peer hung up.
    ConfigError
        The URL cannot be used.
    """
    made: list[socket.socket] = []

    async def connect(parsed: Any) -> socket.socket:
        sock = await _connect_tcp(parsed.host, parsed.port, receive_buffer_bytes)
        made.append(sock)
        return sock

    secure = url.startswith("wss://")
    more: dict[str, Any] = {"ssl_shutdown_timeout": TLS_SHUTDOWN_TIMEOUT_S} if secure else {}
    if secure and ssl_context is None:
        ssl_context = default_ssl_context()
    succeeded = False
    try:
        transport, got = await picows.ws_connect(
            lambda: listener,
            url,
            ssl_context=ssl_context if secure else None,
            disconnect_on_exception=False,
            websocket_handshake_timeout=None,  # the caller's bound is for everything
            logger_name=_transport_log,
            enable_auto_ping=False,
            enable_auto_pong=False,  # the listener answers, and counts them as signs of life
            max_frame_size=max_message_size,
            extra_headers=dict(headers),
            max_redirects=0,
            proxy=proxy,
            socket_factory=connect,
            **more,
        )
        if got is None:  # picows' way to say that the peer hung up before answering
            raise TransportError("the peer closed the connection during the handshake")
        succeeded = True
        return transport
    except (ConnectorError, asyncio.CancelledError):
        raise
    except Exception as error:  # noqa: BLE001 - every failure is translated, none swallowed
        raise translate_dial_error(error, url) from None
    finally:
        if not succeeded:
            await _settle(made)


def translate_dial_error(error: Exception, url: str) -> ConnectorError:
    """Say in our terms, and without secrets, why an attempt failed."""
    shown = mask_url(url)
    if isinstance(error, ConnectorError):
        return error
    if isinstance(error, picows.WSHandshakeError):
        response = error.response
        if response is None or response.status is None:
            return HandshakeError(f"{shown}: the answer to the upgrade is not valid HTTP")
        status = int(response.status)
        retry_after = parse_retry_after(response.headers.get("Retry-After"))
        if status == 101:
            return HandshakeError(f"{shown}: the upgrade was answered wrongly", status=status)
        text = f"{shown}: upgrade refused with HTTP {status}"
        return HandshakeError(text, status=status, retry_after_s=retry_after)
    if isinstance(error, picows.WSInvalidURL):
        return ConfigError(f"{shown} is not a usable WebSocket URL")
    if isinstance(error, TimeoutError):
        return RequestTimeout(f"{shown}: no connection in time")
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or "failed"
        return TransportError(f"{shown}: TLS: {reason}")
    if isinstance(error, OSError):
        text = error.strerror or mask_text(str(error)) or type(error).__name__
        return TransportError(f"{shown}: {text}")
    return TransportError(f"{shown}: {type(error).__name__}: {mask_text(str(error))}")


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header, in either of its forms; None if unusable."""
    if value is None:
        return None
    value = value.strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


class _Socket(socket.socket):
    """A socket that is off the event loop before its descriptor is given back.

    aiofastnet 1.2, which picows connects with, begins to read one turn after it was given a
    socket, even one it has closed meanwhile because the peer reset it at once. That reader would
    stay, and the next socket with the same number, whoever's it is, would never be told that it
    has data.
    """

    def close(self) -> None:
        """Close it; see the class."""
        number = self.fileno()
        if number >= 0:
            with contextlib.suppress(RuntimeError, NotImplementedError):  # no loop runs any more
                asyncio.get_running_loop().remove_reader(number)
        super().close()


async def _connect_tcp(host: str, port: int, receive_buffer_bytes: int | None) -> socket.socket:
    """Connect to the first address of the host that answers."""
    loop = asyncio.get_running_loop()
    infos = _literal(host, port) or await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError | None = None
    for position, (family, kind, proto, _, address) in enumerate(infos):
        sock = _Socket(family, kind, proto)
        try:
            sock.setblocking(False)
            _set_options(sock, receive_buffer_bytes)
            # The attempt's time is the caller's; one dead address must not use up all of it.
            last = position == len(infos) - 1
            async with asyncio.timeout(None if last else 1.0):
                await loop.sock_connect(sock, address)
            return sock
        except OSError as error:  # includes TimeoutError
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    raise failure or OSError(f"{host} has no address")


def _literal(host: str, port: int) -> list[Any]:
    """Return address infos of an IP address without asking a resolver thread."""
    with contextlib.suppress(OSError):
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags))
    return []


def _set_options(sock: socket.socket, receive_buffer_bytes: int | None) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_COUNT)
    if receive_buffer_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)


async def _settle(sockets: list[socket.socket]) -> None:
    """See the sockets of a failed attempt closed by whoever owns them now.

    Shutting one down makes its event loop transport notice the end and close it; that
    takes a few turns of the loop. A socket no transport owns is closed at once below.
    """
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
    loop = asyncio.get_running_loop()
    give_up = loop.time() + SETTLE_TIMEOUT_S
    # Nobody announces the close of a socket.
    while any(sock.fileno() >= 0 for sock in sockets) and loop.time() < give_up:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    for sock in sockets:
        if sock.fileno() >= 0:
            sock.close()
