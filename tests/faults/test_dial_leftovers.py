"""A failed attempt must leave nothing behind that strikes whoever gets its descriptor next."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading

import picows.proxy
import pytest

from connectors._speedups.feed import Decoder, FeedListener
from connectors.errors import TransportError
from connectors.net import dial
from patience import GRACE_S


class Nobody:
    def on_feed_connected(self, transport):
        raise AssertionError("never connected")

    def on_feed_disconnected(self, code, reason, clean):
        pass

    def on_feed_problem(self, error, data):
        pass


def resetting_server(seen, is_reset):
    """Listen; accept one connection, in a thread, and reset it once the client has looked at it."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(1)

    def serve():
        client, _ = listening.accept()
        seen.wait(GRACE_S)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        listening.close()
        is_reset.set()

    thread = threading.Thread(target=serve)
    thread.start()
    return listening.getsockname()[1], thread


def test_a_connection_that_is_reset_at_once_leaves_no_reader(run_any, monkeypatch):
    """The next socket with the same descriptor would never be told that it has data to read."""
    is_connected = picows.proxy._is_connected
    used, seen, is_reset = [], threading.Event(), threading.Event()

    def look_and_dawdle(sock):
        found = is_connected(sock)
        used.append(sock.fileno())
        seen.set()
        is_reset.wait(GRACE_S)  # it must be there when the upgrade is sent, and no earlier
        return found

    monkeypatch.setattr(picows.proxy, "_is_connected", look_and_dawdle)

    async def main():
        port, thread = resetting_server(seen, is_reset)
        listener = FeedListener(Decoder(), Nobody())
        with pytest.raises(TransportError):
            await dial.open_websocket(
                listener, f"ws://127.0.0.1:{port}/", headers={}, max_message_size=1 << 20
            )
        thread.join()
        loop = asyncio.get_running_loop()
        (number,) = used
        pairs = [socket.socketpair() for _ in range(8)]
        try:
            reader, writer = next(
                pair if pair[0].fileno() == number else pair[::-1]
                for pair in pairs
                if number in (pair[0].fileno(), pair[1].fileno())
            )
            reader.setblocking(False)
            receiving = asyncio.create_task(loop.sock_recv(reader, 10))
            await asyncio.sleep(0)
            writer.send(b"hello")
            async with asyncio.timeout(GRACE_S):
                assert await receiving == b"hello"
        finally:
            for pair in pairs:
                for sock in pair:
                    sock.close()

    run_any(main())
