"""A reset that comes together with data: all the data is told, and then the end, on every loop.

Under uvloop the socket's reader is called once more and then never again (`connectors.net.hangup`).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import gc
import hashlib
import socket
import ssl
import struct
import termios
import threading
import time
import weakref

import pytest

from connectors._speedups.feed import Decoder
from connectors.net.attempts import AttemptBudget
from connectors.net.endpoint import Endpoint
from connectors.net.hangup import watch_hangup
from connectors.net.policy import SessionPolicy
from connectors.net.ratelimit import Quota
from connectors.net.session import Session
from connectors.net.session_events import Closed
from faults.certificates import server_context
from patience import GRACE_S, until

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: close() resets the connection


class Collect(Decoder):
    def __init__(self):
        self.messages = []

    def on_message(self, data, ts_init):
        self.messages.append(data)


def frame(payload):
    if len(payload) < 126:
        return bytes([0x81, len(payload)]) + payload
    return bytes([0x81, 126]) + struct.pack(">H", len(payload)) + payload


def unsent(sock):
    """Return how many bytes the peer's kernel has not taken."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]


class Resetting:
    """Upgrades one connection in a thread; on `fire` writes its last bytes and resets it."""

    def __init__(self, last, context=None):
        self._last, self._context = last, context
        self._listening = socket.socket()
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen(1)
        self.port = self._listening.getsockname()[1]
        self._fire, self._fired = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._fire.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # if nobody came it still waits
        self._thread.join(GRACE_S)
        self._listening.close()

    def fire(self):
        """Return, without a turn of the loop, when data and reset are in the client's socket."""
        self._fire.set()
        assert self._fired.wait(GRACE_S)

    def _serve(self):
        with contextlib.suppress(OSError):
            peer, _ = self._listening.accept()
            peer.settimeout(GRACE_S)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            if self._context is not None:
                peer = self._context.wrap_socket(peer, server_side=True)
            with peer:
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    request += peer.recv(4096)
                key = next(
                    line.partition(b":")[2].strip()
                    for line in request.split(b"\r\n")
                    if line.lower().startswith(b"sec-websocket-key:")
                )
                accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
                peer.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
                )
                self._fire.wait(GRACE_S)
                peer.sendall(self._last)
                # What is still on its way when the connection is reset would be lost.
                give_up = time.monotonic() + GRACE_S
                while unsent(peer) and time.monotonic() < give_up:
                    time.sleep(0.001)
        self._fired.set()


MESSAGES = [b'{"n":%d,"text":"%s"}' % (n, b"x" * (n % 500)) for n in range(400)]


@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    ("messages", "rest"),
    [(MESSAGES[:1], b""), (MESSAGES[:1], frame(b"half a frame")[:5]), (MESSAGES, b""), ([], b"")],
    ids=["one", "one and a half", "more than one read takes", "none"],
)
def test_a_reset_behind_data_is_noticed(run_any, request, caplog, messages, rest, is_secure):
    client = server = None
    if is_secure:
        files = request.getfixturevalue("certificate")
        client, server = ssl.create_default_context(cafile=files[0]), server_context(files)
    last = b"".join(map(frame, messages)) + rest

    async def main():
        events, decoder = [], Collect()
        with Resetting(last, server) as peer:
            scheme = "wss" if is_secure else "ws"
            session = Session(
                "reset",
                Endpoint(
                    url=f"{scheme}://127.0.0.1:{peer.port}/",
                    ssl_context=client,
                    receive_buffer_bytes=200_000,
                ),
                decoder,
                events.append,
                policy=SessionPolicy(reconnect=False),
                attempts=AttemptBudget((Quota(100, 1.0),)),
            )
            await session.open()
            try:
                peer.fire()
                await until(lambda: any(isinstance(event, Closed) for event in events))
            finally:
                await session.close()
        assert decoder.messages == messages
        assert "to its end" not in caplog.text  # it was read in good time, and not given up

    run_any(main(), timeout_s=GRACE_S)


class Watched:
    """A transport, as far as a watch knows it, of a loop."""

    def __init__(self, loop):
        self.loop = loop

    def is_closing(self):
        return False


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_a_loop_that_is_closed_before_its_connections_is_not_kept(kind):
    loop = pytest.importorskip(kind).new_event_loop()
    gone = weakref.ref(loop)
    ours, theirs = socket.socketpair()
    with ours, theirs:

        async def main():
            watch_hangup(Watched(asyncio.get_running_loop()), ours.fileno())

        loop.run_until_complete(main())
        loop.close()
        del loop
        gc.collect()
        assert gone() is None
