"""The fault proxy itself: each fault must do what its table says, or other tests prove nothing."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from faults.proxy import FaultProxy, How, Way
from patience import GRACE_S


@contextlib.asynccontextmanager
async def setup():
    """An echo venue behind a proxy."""
    writers = []

    async def echo(reader, writer):
        writers.append(writer)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with FaultProxy("127.0.0.1", port) as proxy:
            yield proxy
    finally:
        # Also for a test that failed: uvloop waits for ever to be closed while a server is open.
        for writer in writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        server.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def client(proxy):
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def nothing_within(coro, seconds=0.05):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await coro


def test_bytes_pass_and_the_end_passes(run_any):
    async def main():
        async with setup() as proxy, client(proxy) as (reader, writer):
            payload = bytes(range(256)) * 1000
            writer.write(payload)
            assert await reader.readexactly(len(payload)) == payload
            writer.write_eof()
            assert await reader.read() == b""
            connection = await proxy.wait_connection()
            await asyncio.wait_for(connection.closed.wait(), GRACE_S)
            assert connection.bytes_up == connection.bytes_down == len(payload)

    run_any(main())


def test_reset_and_finish(run_any):
    async def main():
        async with setup() as proxy:
            async with client(proxy) as (reader, writer):
                writer.write(b"x")
                await reader.readexactly(1)
                proxy.reset()
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            async with client(proxy) as (reader, writer):
                writer.write(b"x")
                await reader.readexactly(1)
                (await proxy.wait_connection(2)).finish()
                assert await reader.read() == b""

    run_any(main())


@pytest.mark.parametrize("how", list(How))
def test_cut_after_lets_exactly_that_many_bytes_through(run_any, how):
    async def main():
        async with setup() as proxy, client(proxy) as (reader, writer):
            (await proxy.wait_connection()).cut_after(5, how)
            writer.write(b"0123456789")
            assert await reader.readexactly(5) == b"01234"
            if how is How.FIN:
                assert await reader.read() == b""
            elif how is How.RST:
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            else:
                await nothing_within(reader.read(1))

    run_any(main())


def test_stall_holds_back_and_resume_delivers(run_any):
    async def main():
        async with setup() as proxy, client(proxy) as (reader, writer):
            proxy.stall(Way.DOWN)
            writer.write(b"late")
            await nothing_within(reader.read(1))
            proxy.resume()
            assert await reader.readexactly(4) == b"late"

    run_any(main())


def test_half_open_swallows_and_does_not_close(run_any):
    async def main():
        async with setup() as proxy, client(proxy) as (reader, writer):
            proxy.half_open()
            writer.write(b"lost")
            await nothing_within(reader.read(1))
            proxy.heal()
            writer.write(b"kept")
            assert await reader.readexactly(4) == b"kept"

    run_any(main())


def test_delay_and_chunk(run_any):
    async def main():
        async with setup() as proxy, client(proxy) as (reader, writer):
            loop = asyncio.get_running_loop()
            proxy.delay(0.05, Way.DOWN)
            start = loop.time()
            writer.write(b"abc")
            assert await reader.readexactly(3) == b"abc"
            assert loop.time() - start >= 0.045  # timers may fire a clock tick early
            proxy.heal()
            proxy.chunk(1, Way.DOWN)
            writer.write(b"abcdef")
            assert len(await reader.read(100)) < 6
            await reader.read(100)

    run_any(main())


def test_slow_reader_fills_the_clients_buffer(run_any):
    async def main():
        async with setup() as proxy, client(proxy) as (_, writer):
            proxy.slow_reader(1000)
            await proxy.wait_connection()
            proxy.slow_reader(1000)
            writer.write(bytes(8 << 20))
            await asyncio.sleep(0.05)
            assert writer.transport.get_write_buffer_size() > 1 << 20
            writer.transport.abort()

    run_any(main())


def test_handshake_faults_take_turns(run_any):
    async def main():
        async with setup() as proxy:
            proxy.refuse(429, {"Retry-After": "7"}, b"slow down")
            proxy.drop_next()
            proxy.hang_next()
            async with client(proxy) as (reader, writer):
                writer.write(b"GET / HTTP/1.1\r\n\r\n")
                answer = await reader.read()
                assert answer.startswith(b"HTTP/1.1 429 ")
                assert b"Retry-After: 7\r\n" in answer
                assert answer.endswith(b"slow down")
            async with client(proxy) as (reader, writer):
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            async with client(proxy) as (reader, writer):
                writer.write(b"hello")
                await nothing_within(reader.read(1))
            async with client(proxy) as (reader, writer):
                writer.write(b"echo")
                assert await reader.readexactly(4) == b"echo"
            assert proxy.accepted == 4
            assert len(proxy.connections) == 1

    run_any(main())


def test_closed_port_refuses_and_opens_again_at_the_same_place(run_any):
    async def main():
        async with setup() as proxy:
            port = proxy.port
            await proxy.close_port()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            await proxy.open_port()
            assert proxy.port == port
            async with client(proxy) as (reader, writer):
                writer.write(b"echo")
                assert await reader.readexactly(4) == b"echo"

    run_any(main())


def test_inject_reaches_the_client(run_any):
    async def main():
        async with setup() as proxy, client(proxy) as (reader, _):
            await (await proxy.wait_connection()).inject(b"made up")
            assert await reader.readexactly(7) == b"made up"

    run_any(main())
