"""The server of the socket questions: a process of its own, so that its CPU is not the client's.

Prints its port, then serves one client at a time on 127.0.0.1. A client asks in one text message:

* `flood N`: N bookTicker frames as fast as the socket takes them, then a close frame;
* `paced N PERIOD_US`: N bookTicker frames, one each period, whose update id is the time of sending
  by the monotonic clock in ns, then a close frame.

Ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import os
import struct
import sys
import time
from pathlib import Path

import picows
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

if __name__ == "__main__":  # run as a script, the checkout is not on the path
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from bench import frames

__all__ = ["main"]

CHUNK = 256 * 1024


def framed(payload: bytes) -> bytes:
    """Return a text frame as a server sends it, unmasked."""
    if len(payload) < 126:
        return struct.pack("!BB", 0x81, len(payload)) + payload
    return struct.pack("!BBH", 0x81, 126, len(payload)) + payload


class Session(WSListener):
    """One client: waits for its wish, and fulfils it."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.writable = asyncio.Event()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.writable.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            name, *numbers = frame.get_payload_as_ascii_text().split()
            wish = self.flood if name == "flood" else self.paced
            self.task = asyncio.get_running_loop().create_task(wish(*map(int, numbers)))

    async def flood(self, count: int) -> None:
        wire = [framed(frame) for frame in frames.frames("bookTicker")]
        each = CHUNK // sum(map(len, wire)) * len(wire)  # whole frames that make a chunk
        chunk = b"".join(wire) * (each // len(wire))
        sent = 0
        while sent < count and not self.transport.is_disconnected:
            now = min(each, count - sent)
            part = chunk
            if now < each:
                part = b"".join(wire[i % len(wire)] for i in range(now))
            self.transport.underlying_transport.write(part)
            sent += now
            await self.writable.wait()
        self.transport.send_close(WSCloseCode.OK)

    async def paced(self, count: int, period_us: int) -> None:
        # The update id is the first number of the frame.
        head, rest = frames.frames("bookTicker")[0].split(b'"u":', 1)
        _, rest = rest.split(b",", 1)
        template = head + b'"u":%d,' + rest
        send, due = self.transport.send, time.monotonic_ns()
        for _ in range(count):
            due += period_us * 1000
            # This process serves nobody else meanwhile, and a plain sleep wakes up more regularly
            # than a timer of the loop.
            time.sleep(max(0, due - time.monotonic_ns()) * 1e-9)  # noqa: ASYNC251
            send(WSMsgType.TEXT, template % time.monotonic_ns())
            if self.transport.is_disconnected:
                return
        self.transport.send_close(WSCloseCode.OK)


async def main() -> None:
    def accept(request: WSUpgradeRequest) -> Session:
        return Session()

    server = await picows.ws_create_server(accept, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def on_input() -> None:
        if not os.read(sys.stdin.fileno(), 64):
            ended.set()

    loop.add_reader(sys.stdin.fileno(), on_input)
    await ended.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
