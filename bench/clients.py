"""The WebSocket clients of the socket questions, ours and what people use today.

A client connects, sends the server what `begin` returns (see server.py for the wishes), hands every
event to the callback and returns when the server closes. All run on uvloop, without compression.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import picows
import websockets
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from bench import peers
from bench.ours import decoder_to
from connectors._speedups.feed import FeedListener

__all__ = ["CLIENTS", "Client", "serving"]

Callback = Callable[[Any], object]
Begin = Callable[[], str]
Client = Callable[[str, Begin, Callback], Awaitable[None]]

TIMEOUT_S = 120


@contextmanager
def serving() -> Iterator[str]:
    """Run a server process; give its URL."""
    script = Path(__file__).with_name("server.py")
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            if not port:
                raise RuntimeError("the benchmark's server did not start; see its message above")
            yield f"ws://127.0.0.1:{port}/"
        finally:
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


# ---- ours ----------------------------------------------------------------------------------------


class Owner:
    """What a FeedListener reports to."""

    def on_feed_connected(self, transport: WSTransport) -> None:
        pass

    def on_feed_disconnected(self, code: int, reason: str, clean: bool) -> None:
        pass

    def on_feed_pong(self, payload: bytes) -> None:
        pass

    def on_feed_problem(self, error: Exception, data: bytes | None) -> None:
        raise error


async def tickwire(url: str, begin: Begin, callback: Callback) -> None:
    decoder = decoder_to(callback)
    transport, _ = await picows.ws_connect(
        lambda: FeedListener(decoder, Owner()),
        url,
        enable_auto_ping=False,
        enable_auto_pong=False,
    )
    await _finish(transport, begin())


async def _finish(transport: WSTransport, wish: str) -> None:
    transport.send(WSMsgType.TEXT, wish.encode())
    async with asyncio.timeout(TIMEOUT_S):
        await transport.wait_disconnected()


# ---- picows with a decoder from elsewhere --------------------------------------------------------


def on_picows(handle: Callable[[Any, Callback], object]) -> Client:
    """Return a client of plain picows that calls `handle(payload, callback)`.

    Written for speed: frame types looked up once, and the payload as bytes, which for frames this
    small takes less time than a view of the buffer (measured: 0.83 against 0.90 µs a message).
    """
    text, close = WSMsgType.TEXT, WSMsgType.CLOSE

    async def client(url: str, begin: Begin, callback: Callback) -> None:
        class Listener(WSListener):
            def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
                if frame.msg_type == text:
                    handle(frame.get_payload_as_bytes(), callback)
                elif frame.msg_type == close:
                    transport.send_close(frame.get_close_code())
                    transport.disconnect()

        transport, _ = await picows.ws_connect(Listener, url)
        await _finish(transport, begin())

    return client


_SHAPE = peers.SHAPES["bookTicker"]
_FLOATS = peers.typed_decoder(_SHAPE, float)
_TEXT = peers.typed_decoder(_SHAPE, str)


class Quote:
    """The event of the orjson client."""

    __slots__ = ("A", "B", "T", "a", "b", "s", "u")

    def __init__(self, s: str, T: int, u: int, b: float, B: float, a: float, A: float) -> None:
        self.s, self.T, self.u = s, T, u
        self.b, self.B, self.a, self.A = b, B, a, A


def with_orjson(payload: Any, callback: Callback) -> None:
    d = orjson.loads(payload)
    callback(
        Quote(d["s"], d["T"], d["u"], float(d["b"]), float(d["B"]), float(d["a"]), float(d["A"]))
    )


def with_msgspec_floats(payload: Any, callback: Callback) -> None:
    callback(_FLOATS(payload))


def with_msgspec_text(payload: Any, callback: Callback) -> None:
    callback(_TEXT(payload))


# ---- other WebSocket clients, with the fastest decoder that gives numbers ------------------------


async def with_websockets(url: str, begin: Begin, callback: Callback) -> None:
    async with websockets.connect(url, compression=None) as socket, asyncio.timeout(TIMEOUT_S):
        await socket.send(begin())
        try:
            while True:
                callback(_FLOATS(await socket.recv(decode=False)))
        except websockets.ConnectionClosedOK:
            return


async def with_aiohttp(url: str, begin: Begin, callback: Callback) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, decode_text=False) as socket,
        asyncio.timeout(TIMEOUT_S),
    ):
        await socket.send_str(begin())
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                callback(_FLOATS(message.data))


CLIENTS: dict[str, Client] = {
    "tickwire": tickwire,
    "picows + msgspec, floats": on_picows(with_msgspec_floats),
    "picows + msgspec, text": on_picows(with_msgspec_text),
    "picows + orjson, floats": on_picows(with_orjson),
    "websockets + msgspec, floats": with_websockets,
    "aiohttp + msgspec, floats": with_aiohttp,
}
