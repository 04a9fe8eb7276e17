"""FeedListener on a real connection: close rules, pings in frame order, one time per read.

The peer is written out by hand, byte for byte, because no proper server would send what these
tests need.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import picows
import pytest

from connectors._speedups.errors import ProtocolError
from connectors._speedups.feed import Decoder, FeedListener
from patience import GRACE_S

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(kind: int, payload: bytes = b"", *, bits: int = FIN) -> bytes:
    """One frame as a server sends it, unmasked."""
    n = len(payload)
    if n < 126:
        head = struct.pack("!BB", bits | kind, n)
    elif n < 65536:
        head = struct.pack("!BBH", bits | kind, 126, n)
    else:
        head = struct.pack("!BBQ", bits | kind, 127, n)
    return head + payload


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


class Peer:
    """A server for one connection: sends any bytes, reads the client's frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def shake_hands(self) -> None:
        request = await self.reader.readuntil(b"\r\n\r\n")
        key = next(
            line.split(b":", 1)[1].strip()
            for line in request.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key:")
        )
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        self.writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    def send(self, *frames: bytes) -> None:
        """Write all of it at once: the client gets it in one read."""
        self.writer.write(b"".join(frames))

    async def receive(self) -> tuple[int, bytes] | None:
        """Return the kind and payload of the client's next frame; None at the end."""
        try:
            first, second = await self.reader.readexactly(2)
            assert second & 0x80, "a client must mask"
            n = second & 0x7F
            if n >= 126:
                n = int.from_bytes(await self.reader.readexactly(2 if n == 126 else 8))
            mask = await self.reader.readexactly(4)
            payload = await self.reader.readexactly(n)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return None
        return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))

    async def receive_all(self) -> list[tuple[int, bytes]]:
        """Return everything until the client hangs up."""
        frames = []
        while (received := await self.receive()) is not None:
            frames.append(received)
        return frames


class Recorder(Decoder):
    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.times: list[int] = []
        self.news = asyncio.Event()

    def on_message(self, data: bytes, ts_init: int) -> None:
        self.messages.append(data)
        self.times.append(ts_init)
        self.news.set()
        if data == b"bad":
            raise ValueError("cannot decode this")


class Owner:
    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.problems: list[tuple[Exception, bytes | None]] = []
        self.pongs: list[bytes] = []
        self.disconnected = asyncio.get_running_loop().create_future()

    def on_feed_connected(self, transport: picows.WSTransport) -> None:
        self.log.append(("connected", transport))

    def on_feed_disconnected(self, code: int, reason: str, clean: bool) -> None:
        self.disconnected.set_result((code, reason, clean))

    def on_feed_pong(self, payload: bytes) -> None:
        self.pongs.append(payload)

    def on_feed_problem(self, error: Exception, data: bytes | None) -> None:
        self.problems.append((error, data))


class Link:
    """Both ends of a connection."""

    def __init__(self, peer: Peer, listener: FeedListener, owner: Owner, decoder: Recorder) -> None:
        self.peer = peer
        self.listener = listener
        self.owner = owner
        self.decoder = decoder

    async def ended(self) -> tuple[int, str, bool]:
        result: tuple[int, str, bool] = await asyncio.wait_for(self.owner.disconnected, GRACE_S)
        return result

    async def until(self, messages: int) -> None:
        """Wait until that many messages have been decoded."""
        async with asyncio.timeout(GRACE_S):
            while len(self.decoder.messages) < messages:
                self.decoder.news.clear()
                await self.decoder.news.wait()


@asynccontextmanager
async def linked(**options: Any) -> AsyncIterator[Link]:
    """Connect a listener to a hand-written peer on 127.0.0.1."""
    arrived: asyncio.Future[Peer] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        await peer.shake_hands()
        arrived.set_result(peer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    owner, decoder = Owner(), Recorder()
    listener = FeedListener(decoder, owner, **options)
    transport, _ = await picows.ws_connect(
        lambda: listener,
        f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/",
        enable_auto_ping=False,
        enable_auto_pong=False,
    )
    peer = await arrived
    try:
        yield Link(peer, listener, owner, decoder)
    finally:
        transport.disconnect()
        with suppress(picows.WSProtocolError):  # of a frame that its parser refused
            await transport.wait_disconnected()
        peer.writer.close()
        server.close()
        await server.wait_closed()


def test_connected_and_messages(run_any):
    async def scenario() -> None:
        async with linked() as link:
            assert link.owner.log == [("connected", link.listener.transport)]
            link.peer.send(frame(TEXT, b"one"), frame(BINARY, b"\xff"), frame(TEXT, b"x" * 70_000))
            await link.until(3)
            assert [len(message) for message in link.decoder.messages] == [3, 1, 70_000]
            assert link.listener.bytes_received == 70_004

    run_any(scenario())


def test_one_time_for_all_frames_of_a_read(run_any):
    ticks = iter(range(1, 1000))

    async def scenario() -> None:
        async with linked(clock_ns=lambda: next(ticks)) as link:
            link.peer.send(
                frame(TEXT, b"a"), frame(PING, b"p"), frame(TEXT, b"b", bits=0),
                frame(CONTINUATION, b"c"), frame(TEXT, b"d"),
            )  # fmt: skip
            await link.until(3)
            link.peer.send(
                frame(PING, b"q"), frame(TEXT, b"e"), frame(TEXT, b"bad"), frame(TEXT, b"f")
            )
            await link.until(6)
            link.peer.send(frame(TEXT, b"g"))
            await link.until(7)
            first, second, third = (link.decoder.times[at] for at in (0, 3, 6))
            assert link.decoder.times == [first] * 3 + [second] * 3 + [third]
            assert first < second < third

    run_any(scenario())


def test_a_frame_that_comes_in_two_reads_has_the_time_of_the_second(run_any):
    now = [100]

    async def scenario() -> None:
        async with linked(clock_ns=lambda: now[0]) as link:
            whole = frame(TEXT, b"0123456789")
            link.peer.send(frame(TEXT, b"a"), whole[:7])
            await link.until(1)
            now[0] = 200
            link.peer.send(whole[7:], frame(TEXT, b"b"))
            await link.until(3)
            assert link.decoder.times == [100, 200, 200]

    run_any(scenario())


def test_pings_are_answered_in_order_and_pongs_handed_on(run_any):
    async def scenario() -> None:
        async with linked() as link:
            link.peer.send(
                frame(PING, b"1"), frame(TEXT, b"a", bits=0), frame(PING, b"2" * 125),
                frame(PONG, b"mine"), frame(CONTINUATION, b"b"), frame(PING),
            )  # fmt: skip
            answers = [await link.peer.receive() for _ in range(3)]
            assert answers == [(PONG, b"1"), (PONG, b"2" * 125), (PONG, b"")]
            await link.until(1)
            assert link.decoder.messages == [b"ab"]
            assert link.owner.pongs == [b"mine"]
            assert (link.listener.pings, link.listener.pongs) == (3, 1)

    run_any(scenario())


@pytest.mark.parametrize(
    ("sent", "answer", "told"),
    [
        (close(), 1000, (1005, "", True)),
        (close(1000), 1000, (1000, "", True)),
        (close(1001, b"going"), 1001, (1001, "going", True)),
        (close(1012, "später".encode()), 1012, (1012, "später", True)),
        (close(3000), 3000, (3000, "", True)),
        (close(4999, b"x" * 123), 4999, (4999, "x" * 123, True)),
    ],
)
def test_a_close_frame_is_answered_once(run_any, sent, answer, told):
    async def scenario() -> None:
        async with linked() as link:
            link.peer.send(frame(TEXT, b"last"), sent, frame(TEXT, b"never"))
            answers = await link.peer.receive_all()
            assert [kind for kind, _ in answers] == [CLOSE]
            assert answers[0][1][:2] == struct.pack("!H", answer)
            assert await link.ended() == told
            assert link.decoder.messages == [b"last"]
            assert link.owner.problems == []

    run_any(scenario())


@pytest.mark.parametrize(
    "code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
)
def test_close_codes_that_must_not_be_sent(run_any, code):
    async def scenario() -> None:
        async with linked() as link:
            link.peer.send(close(code))
            answers = await link.peer.receive_all()
            assert [(kind, body[:2]) for kind, body in answers] == [
                (CLOSE, struct.pack("!H", 1002))
            ]
            await link.ended()
            assert [type(error) for error, _ in link.owner.problems] == [ProtocolError]

    run_any(scenario())


@pytest.mark.parametrize(
    ("frames", "code", "words"),
    [
        ([frame(TEXT, b"x", bits=FIN | RSV1)], 1002, "reserved bits"),
        ([frame(TEXT, b"x", bits=FIN | RSV2)], 1002, "reserved bits"),
        ([frame(BINARY, b"x", bits=FIN | RSV3)], 1002, "reserved bits"),
        ([frame(PING, b"x", bits=FIN | RSV1)], 1002, "reserved bits"),
        ([frame(CONTINUATION, b"x")], 1002, "continuation"),
        ([frame(TEXT, b"x", bits=0), frame(TEXT, b"y")], 1002, "inside a fragmented"),
        ([frame(TEXT, b"\xff")], 1007, "UTF-8"),
        ([frame(TEXT, b"\xce", bits=0), frame(CONTINUATION, b"x")], 1007, "UTF-8"),
        ([close(1000, b"\xff")], 1007, "UTF-8"),
        ([frame(CLOSE, b"\x03")], 1002, ""),
        ([frame(TEXT, b"x" * 1001)], 1009, "too big"),
        ([frame(TEXT, b"x" * 600, bits=0), frame(CONTINUATION, b"x" * 600)], 1009, "too big"),
        ([frame(PING, b"x" * 126)], 1002, ""),
        ([frame(PING, b"x", bits=0)], 1002, ""),
        ([frame(3, b"x")], 1002, ""),
        ([frame(11, b"x")], 1002, ""),
        ([b"\x81\x81\x00\x00\x00\x00x"], 1002, ""),  # masked by a server
    ],
)
def test_a_violation_ends_the_connection_and_is_reported(run_any, frames, code, words):
    async def scenario() -> None:
        async with linked(max_message_size=1000) as link:
            link.peer.send(
                frame(TEXT, b"good"), *frames, frame(TEXT, b"never"), frame(PING, b"never")
            )
            answers = await link.peer.receive_all()
            assert [(kind, body[:2]) for kind, body in answers] == [
                (CLOSE, struct.pack("!H", code))
            ]
            assert await link.ended() == (1006, "", False)
            assert link.decoder.messages == [b"good"]
            ((error, data),) = link.owner.problems
            assert type(error) is ProtocolError
            assert words in str(error)
            assert f"closed with {code}" in str(error)
            assert data is None
            assert link.listener.errors == 1

    run_any(scenario())


@pytest.mark.parametrize("tail", [b"", b"\x81", frame(TEXT, b"half a frame")[:-3]])
def test_a_socket_that_just_ends(run_any, tail):
    async def scenario() -> None:
        async with linked() as link:
            link.peer.send(frame(TEXT, b"one"), tail)
            await link.until(1)
            link.peer.writer.close()
            assert await link.ended() == (1006, "", False)
            assert link.owner.problems == []

    run_any(scenario())


def test_a_reset(run_any):
    async def scenario() -> None:
        async with linked() as link:
            link.peer.send(frame(TEXT, b"one"))
            await link.until(1)
            link.peer.writer.transport.abort()
            assert await link.ended() == (1006, "", False)

    run_any(scenario())


def test_our_own_close(run_any):
    """Answered by the peer: clean, with the peer's code. Messages before its answer still count."""

    async def scenario() -> None:
        async with linked() as link:
            link.listener.transport.send_close(picows.WSCloseCode.GOING_AWAY, "bye")
            assert await link.peer.receive() == (CLOSE, struct.pack("!H", 1001) + b"bye")
            link.peer.send(frame(TEXT, b"late"), close(1001))
            assert await link.peer.receive_all() == []
            assert await link.ended() == (1001, "", True)
            assert link.decoder.messages == [b"late"]

    run_any(scenario())


def test_decoder_errors_do_not_end_the_stream(run_any):
    async def scenario() -> None:
        async with linked() as link:
            link.peer.send(
                *[frame(TEXT, text) for text in (b"one", b"bad", b"two", b"bad", b"three")]
            )
            await link.until(5)
            assert link.listener.errors == 2
            assert [data for _, data in link.owner.problems] == [b"bad", b"bad"]
            link.peer.send(frame(PING, b"alive"))
            assert await link.peer.receive() == (PONG, b"alive")

    run_any(scenario())


def test_every_split_of_the_byte_stream(run_any):
    """Frames cut at any byte by the network give the same messages."""
    stream = b"".join([
        frame(TEXT, "é".encode()), frame(PING, b"p"), frame(TEXT, b"a" * 130, bits=0),
        frame(CONTINUATION, b"b"), frame(TEXT, b""),
    ])  # fmt: skip
    # Around every header; a cut inside a long payload is like its neighbours.
    cuts = [*range(1, 20), *range(135, len(stream))]

    async def scenario() -> None:
        async with linked() as link:
            for at in cuts:
                seen = len(link.decoder.messages)
                frames = link.listener.frames
                link.peer.send(stream[:at])
                await asyncio.sleep(0)
                await link.peer.writer.drain()
                await asyncio.sleep(0.001)
                link.peer.send(stream[at:])
                await link.until(seen + 3)
                assert link.decoder.messages[seen:] == ["é".encode(), b"a" * 130 + b"b", b""]
                assert link.listener.frames == frames + 5

    run_any(scenario())
