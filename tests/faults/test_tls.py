"""Session and HttpClient over TLS and through a proxy: who is trusted, and what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import picows
import pytest
from aiohttp import web

from connectors._speedups.feed import Decoder
from connectors.errors import TransportError
from connectors.net.attempts import AttemptBudget
from connectors.net.endpoint import Endpoint
from connectors.net.http import HttpClient
from connectors.net.http_types import RetryPolicy
from connectors.net.policy import SessionPolicy
from connectors.net.ratelimit import Quota
from connectors.net.session import Session
from faults.certificates import server_context
from faults.market import MarketClient
from patience import GRACE_S


class Quiet(Decoder):
    def __init__(self):
        self.messages = []

    def on_message(self, data, ts_init):
        self.messages.append(data)


class Venue:
    """What `MarketClient` needs of a market."""

    def __init__(self):
        self.clients, self.greeting, self.changed = [], ["hello"], asyncio.Event()
        self.answer_pings = self.answer_close = True
        self.on_message = None


@contextlib.asynccontextmanager
async def wss_venue(certificate):
    venue = Venue()
    server = await picows.ws_create_server(
        lambda request: MarketClient(venue, request),
        "127.0.0.1",
        0,
        ssl=server_context(certificate),
        enable_auto_pong=False,
    )
    try:
        yield server.sockets[0].getsockname()[1], venue
    finally:
        server.close()
        for client in venue.clients:
            client.transport.disconnect(graceful=False)
        await server.wait_closed()
        await asyncio.sleep(0.02)


def make_session(port, scheme="wss", **endpoint):
    return Session(
        "tls",
        Endpoint(url=f"{scheme}://127.0.0.1:{port}/ws", **endpoint),
        Quiet(),
        lambda event: None,
        policy=SessionPolicy(attempt_timeout_s=GRACE_S, close_timeout_s=GRACE_S),
        attempts=AttemptBudget((Quota(1000, 1.0),)),
    )


def test_unknown_certificate_is_refused_and_a_pinned_one_accepted(run_any, certificate):
    async def main():
        async with wss_venue(certificate) as (port, venue):
            stranger = make_session(port)
            with pytest.raises(TransportError, match=r"TLS: .*self.signed"):
                await stranger.open()
            pinned = ssl.create_default_context(cafile=certificate[0])
            session = make_session(port, ssl_context=pinned)
            await session.open()
            session.send("over tls")
            async with asyncio.timeout(GRACE_S):
                while not venue.clients or not venue.clients[0].received:
                    venue.changed.clear()
                    await venue.changed.wait()
            assert venue.clients[0].received == [b"over tls"]
            await session.close()
            assert venue.clients[0].close_code == 1000

    run_any(main())


def test_loopback_without_verification_needs_a_word_and_is_logged(run_any, certificate, caplog):
    async def main():
        async with wss_venue(certificate) as (port, _):
            blind = ssl.create_default_context()
            blind.check_hostname = False
            blind.verify_mode = ssl.CERT_NONE
            session = make_session(port, ssl_context=blind, allow_unverified=True)
            await session.open()
            await session.close()

    run_any(main())
    assert "certificate is not verified" in caplog.text


def test_https_client_refuses_and_pins_alike(run_any, certificate):
    async def main():
        async def answer(request):
            return web.json_response({"ok": True})

        app = web.Application()
        app.router.add_get("/", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            context = server_context(certificate)
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
            base = f"https://127.0.0.1:{runner.addresses[0][1]}"
            async with HttpClient(base_url=base, retry=RetryPolicy(tries=1)) as stranger:
                with pytest.raises(TransportError, match=r"CERTIFICATE_VERIFY_FAILED|certificate"):
                    await stranger.get("/")
            pinned = ssl.create_default_context(cafile=certificate[0])
            async with HttpClient(base_url=base, ssl_context=pinned) as client:
                assert (await client.get("/")).json() == {"ok": True}
        finally:
            await runner.cleanup()
            await asyncio.sleep(0.02)

    run_any(main())


@contextlib.asynccontextmanager
async def connect_proxy(seen):
    """A minimal HTTP CONNECT proxy that notes the requests it got."""
    tasks = set()

    async def pump(reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def handle(reader, writer):
        tasks.add(asyncio.current_task())
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head.decode())
        host, _, port = head.split()[1].decode().rpartition(":")
        upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, upstream_writer), pump(upstream_reader, writer))

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), GRACE_S)


def test_session_goes_through_a_proxy_with_credentials(run_any, certificate, caplog):
    async def main():
        seen = []
        async with wss_venue(certificate) as (port, venue), connect_proxy(seen) as proxy_port:
            pinned = ssl.create_default_context(cafile=certificate[0])
            session = make_session(
                port, ssl_context=pinned, proxy=f"http://bot:s3cr3t@127.0.0.1:{proxy_port}"
            )
            await session.open()
            assert f"CONNECT 127.0.0.1:{port} " in seen[0]
            assert "Proxy-Authorization: Basic" in seen[0]
            assert len(venue.clients) == 1
            assert "s3cr3t" not in repr(session) + repr(session._endpoint)
            await session.close()

    with caplog.at_level(1):
        run_any(main())
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith("picows.server")]
    assert not [text for text in ours if "s3cr3t" in text]
