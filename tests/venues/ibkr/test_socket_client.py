"""The socket client, against a gateway (S-10 to S-18, S-37, S-40, S-50 to S-59)."""

from __future__ import annotations

import asyncio
import copy
import logging
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType
from venues.ibkr.gateway_rig import SESSION, toy_gateway

from connectors import ibkr
from connectors.errors import (
    ClientError,
    ConfigError,
    ConnectionLost,
    DecodeError,
    HandshakeError,
    TransportError,
    VenueError,
)
from connectors.ibkr.user_agent import USER_AGENT
from connectors.net.stream import BufferOverflow
from patience import until


@asynccontextmanager
async def connected(**more):
    async with toy_gateway() as gateway:
        client = await ibkr.WsClient.connect(ibkr.Config(base_url=gateway.base_url), **more)
        async with client:
            await asyncio.wait_for(gateway.linked.wait(), 30)
            yield gateway, gateway.links[0], client


# -- connecting --------------------------------------------------------------------------------


def test_s_10_s_13_s_14_tickle_then_handshake(run):
    async def scene():
        async with connected() as (gateway, link, client):
            method, path, headers, body = gateway.requests[0]
            assert (method, path, body) == ("POST", "/v1/api/tickle", b"")
            assert headers["Content-Length"] == "0"  # T-04
            assert headers["User-Agent"] == USER_AGENT == link.headers["User-Agent"]
            assert link.path == "/v1/api/ws"
            assert link.headers["Cookie"] == f'api={{"session":"{SESSION}"}}'
            assert len(gateway.requests) == 1
            assert "LIVE" in repr(client).upper()

    run(scene())


FAILED_TICKLES = {
    "401": ((401, ""), ibkr.NotAuthenticated, ""),
    "404": ((404, "<html></html>"), VenueError, "tickle: HTTP 404"),
    "500": ((500, {"error": "down"}), VenueError, "tickle: HTTP 500"),
    "html": ((200, "<html></html>"), DecodeError, "tickle"),
    "list": ((200, []), DecodeError, "tickle"),
    "missing": ((200, {"ssoExpires": 1}), ibkr.NoSession, "gateway has no active session"),
    "null": ((200, {"session": None}), ibkr.NoSession, "gateway has no active session"),
    "empty": ((200, {"session": ""}), ibkr.NoSession, "gateway has no active session"),
    "injection": ((200, {"session": "a\r\nX: y"}), ConfigError, "cookie"),
}


@pytest.mark.parametrize("case", FAILED_TICKLES)
def test_s_11_s_12_s_15_no_socket_without_a_session(run, case):
    answer, family, text = FAILED_TICKLES[case]

    async def scene():
        async with toy_gateway() as gateway:
            gateway.answers["/tickle"] = answer
            with pytest.raises(family) as caught:
                await ibkr.WsClient.connect(ibkr.Config(base_url=gateway.base_url))
            assert text in str(caught.value)
            assert getattr(caught.value, "status", None) in (None, answer[0])
            assert not gateway.links
            assert len(gateway.requests) == 1

    run(scene())


def test_s_11_network_failure(run):
    async def scene():
        async with toy_gateway() as gateway:
            config = ibkr.Config(base_url=gateway.base_url)
        with pytest.raises(TransportError):
            await ibkr.WsClient.connect(config)

    run(scene())


@pytest.mark.parametrize("status", [401, 404, 503])
def test_s_16_a_refused_handshake_says_where_and_why(run, status):
    async def scene():
        async with toy_gateway() as gateway:
            gateway.ws_status = status
            with pytest.raises(HandshakeError) as caught:
                await ibkr.WsClient.connect(ibkr.Config(base_url=gateway.base_url))
            assert caught.value.status == status
            assert "/v1/api/ws" in str(caught.value)
            assert caught.value.__cause__ is not None
            assert SESSION not in str(caught.value)

    run(scene())


def test_s_18_connecting_logs_no_cookie(run, caplog):
    async def scene():
        async with connected():
            pass

    caplog.set_level(logging.DEBUG)
    run(scene())
    assert SESSION not in caplog.text
    assert not [each for each in caplog.records if each.levelno > logging.INFO]


# -- subscribing -------------------------------------------------------------------------------


def test_s_30_to_s_35_calls_send_the_frames_and_return_handles(run):
    async def scene():
        async with connected() as (_, link, client):
            quotes = client.subscribe_market_data(265598)
            client.subscribe_market_data(-1, ["31"])
            orders, pnl = client.subscribe_orders(), client.subscribe_pnl()
            client.send_text("tic")
            client.unsubscribe_market_data(265598)
            pnl.cancel(client)
            assert (quotes.name, orders.name, pnl.name) == ("market_data:265598", "orders", "pnl")
            assert quotes.cancel_payload() == "umd+265598+{}"
            await until(lambda: len(link.texts) == 7)
            assert link.texts == [
                'smd+265598+{"fields":["31","84","86","85","88","87"]}',
                'smd+-1+{"fields":["31"]}',
                "sor+{}",
                "spl+{}",
                "tic",
                "umd+265598+{}",
                "upl+{}",
            ]

    run(scene())


def test_s_37_s_40_sending_on_a_closed_socket(run):
    async def scene():
        async with connected() as (_, _link, client):
            orders = client.subscribe_orders()
            await client.close()
            with pytest.raises(TransportError, match="nothing was sent"):
                client.subscribe_market_data(1)
            with pytest.raises(TransportError):
                orders.cancel(client)
            assert await client.next_message() is None

    run(scene())


# -- receiving ---------------------------------------------------------------------------------


def test_s_50_s_51_s_52_s_53_s_54_messages_pings_and_other_frames(run):
    async def scene():
        async with connected() as (_, link, client):
            await link.text('{"topic":"system","success":"u"}')
            await link.frame(b"ping", WSMsgType.PING)
            await link.frame(b"unasked", WSMsgType.PONG)
            await link.binary(b'{"topic":"spl","n":"\xe2\x82"}')
            await link.binary(b"{}")
            await link.text("tic")
            labels = [(await client.next_message()).label for _ in range(4)]
            assert labels == ["system", "pnl", "heartbeat", "malformed"]
            await until(lambda: link.pongs)
            await link.frame(b"again", WSMsgType.PING)
            await until(lambda: len(link.pongs) == 2)
            assert link.pongs == [b"ping", b"again"]  # exactly one each

    run(scene())


def test_s_55_a_close_frame_is_the_end_and_stays_it(run):
    async def scene():
        async with connected() as (_, link, client):
            await link.text("{}")
            await link.socket.close(code=1000)
            assert (await client.next_message()).label == "heartbeat"
            assert await client.next_message() is None
            assert await client.next_message() is None

    run(scene())


def test_s_56_a_connection_that_breaks_is_an_error_and_then_the_end(run):
    async def scene():
        async with connected() as (_, link, client):
            link.abort()
            with pytest.raises(ConnectionLost):
                await client.next_message()
            assert await client.next_message() is None

    run(scene())


@pytest.mark.parametrize("payload", [b'{"topic":"sor","x":"\xff"}'])
def test_s_56_text_that_is_not_utf_8_is_a_transport_error(run, payload):
    async def scene():
        async with connected() as (_, link, client):
            await link.frame(payload, WSMsgType.TEXT)
            with pytest.raises(TransportError, match="UTF-8"):
                await client.next_message()
            assert await client.next_message() is None

    run(scene())


def test_s_57_raw_stream_has_errors_as_items_and_uses_the_client_up(run):
    async def scene():
        async with connected() as (_, link, client):
            stream = client.raw_stream()
            with pytest.raises(ClientError, match="raw_stream"):
                await client.next_message()
            await link.text("{}")
            await link.frame(b"p", WSMsgType.PING)
            await until(lambda: link.pongs)
            await link.frame(b"\xff", WSMsgType.TEXT)
            items = [item async for item in stream]
            assert items[0].label == "heartbeat"
            assert [type(item) for item in items[1:]] == [TransportError]
            assert link.pongs == [b"p"]

    run(scene())


def test_s_58_halves_carry_raw_messages(run):
    async def scene():
        async with connected() as (_, link, client):
            sender, receiver = client.split()
            with pytest.raises(ClientError, match="split"):
                client.send_text("tic")
            got = []

            async def read():
                async for frame in receiver:
                    got.append((frame.data, frame.is_text))

            reader = asyncio.create_task(read())
            sender.send_text("tic")
            ibkr.Subscription("orders", "uor+{}").cancel(sender)  # S-41
            await until(lambda: link.texts == ["tic", "uor+{}"])
            await link.text("no json")
            await link.binary(b"\xff")
            await link.socket.close()
            await asyncio.wait_for(reader, 30)
            assert got == [(b"no json", True), (b"\xff", False)]
            assert await receiver.next_frame() is None
            await sender.close()

    run(scene())


def test_s_59_one_owner(run):
    async def scene():
        async with connected() as (_, _link, client):
            with pytest.raises(TypeError, match="one owner"):
                copy.copy(client)
            with pytest.raises(TypeError, match="one owner"):
                copy.deepcopy(client)

    run(scene())


def test_a_reader_that_is_too_slow_is_told(run):
    async def scene():
        async with connected(capacity=4) as (_, link, client):
            for _ in range(9):
                await link.text("{}")
            await until(lambda: link.closed.is_set())
            got = [(await client.next_message()).label for _ in range(4)]
            assert got == ["heartbeat"] * 4
            with pytest.raises(BufferOverflow):
                await client.next_message()
            assert await client.next_message() is None

    run(scene())
