"""The WebSocket client: one test for each row DX-S-01 to DX-S-50.

DX-S-23, -41 and -42 are shown in test_backoff.py and test_data_control.py as well.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging

import pytest
from venues.dydx.indexer_stub import FRAMES, RAW, IndexerStub
from venues.dydx.socket_rig import (
    ACCOUNT,
    BTC,
    BTC_RECORD,
    ETH,
    KEY,
    URL,
    connected,
    next_of,
    pair,
    private,
    public,
)

from connectors.dydx import errors, messages
from connectors.dydx.credential import Credential
from connectors.dydx.handler import Handler
from connectors.dydx.instruments import parse_market
from connectors.dydx.mode import ConnectionMode
from connectors.dydx.websocket import WebSocketClient
from connectors.model import BookUpdate
from connectors.net.backoff import Jitter
from patience import until

# ---- construction and accessors -----------------------------------------------------------------


def test_dx_s_01_new_public_opens_nothing_and_has_no_account():
    client = public(URL)
    assert (client.url, client.credential, client.requires_auth, client.account_id) == (
        URL, None, False, None,
    )  # fmt: skip
    assert client.connection_mode.mode is ConnectionMode.CLOSED
    assert (dict(client.instruments), client.take_receiver(), client.pool_size) == ({}, None, 0)
    assert not client.is_connected


def test_dx_s_02_new_private_keeps_credential_and_account():
    credential = Credential(KEY)
    client = WebSocketClient.new_private(URL, credential, "DYDX-001")
    assert client.credential is credential
    assert (client.url, client.requires_auth, client.account_id) == (URL, True, "DYDX-001")
    assert client.connection_mode.mode is ConnectionMode.CLOSED


def test_dx_s_03_heartbeat_is_the_interval_of_pings(run):
    async def scenario():
        async with (
            connected(heartbeat=1) as (pinged, _, _),
            connected() as (silent, _, _),
        ):
            await until(lambda: pinged.connections[0].pings, what="a ping of the client")
            assert silent.connections[0].pings == 0
            assert pinged.texts == []  # no heartbeat in text
        assert public(URL, 7).policy.heartbeat.interval_s == 7.0
        assert public(URL).policy.heartbeat is None

    run(scenario())


def test_dx_s_04_url_is_what_was_given():
    for url in (URL, "ws://localhost:3003", "nonsense"):
        assert public(url).url == url


def test_dx_s_05_credential_is_the_same_object():
    credential = Credential(KEY)
    assert WebSocketClient.new_private(URL, credential, "A").credential is credential
    assert public(URL).credential is None


def test_dx_s_06_the_credential_never_goes_out(run):
    async def scenario():
        async with connected(make=private) as (stub, client, _):
            client.subscribe_subaccount(client.credential.address, 0)
            client.subscribe_trades("BTC-USD-PERP")
            await stub.heard(2)
            connection = stub.connections[0]
            sent = "\n".join([connection.path, *map(str, connection.headers.items()), *stub.texts])
            for secret in (KEY, client.credential.public_key.hex(), "signature", "api-key"):
                assert secret.lower() not in sent.lower()
            assert not {"authorization", "cookie"} & {name.lower() for name in connection.headers}

    run(scenario())


def test_dx_s_07_no_text_form_shows_the_key(run, caplog):
    caplog.set_level(logging.DEBUG)

    async def scenario():
        async with connected(make=private) as (_, client, _):
            client.subscribe_subaccount(ACCOUNT, 0)
            shown = [repr(client), str(client), repr(client.credential), str(client.credential)]
            with pytest.raises(errors.WebSocketError) as raised:
                client.subscribe_candles("BTC-USD", "1YEAR")
            return [*shown, repr(raised.value), str(raised.value), caplog.text]

    number = int(KEY, 16)
    forms = (KEY, KEY.upper(), str(number), base64.b64encode(bytes.fromhex(KEY)).decode())
    for text in run(scenario()):
        assert not any(form in text for form in forms)


def test_dx_s_08_account_id_can_be_set_and_replaced():
    for client in (public(URL), WebSocketClient.new_private(URL, Credential(KEY), "A")):
        for name in ("X", "Y"):
            client.set_account_id(name)
            assert client.account_id == name


def test_dx_s_09_account_id_applies_at_once(run):
    """The next message has the new one, not that of `connect`."""

    async def scenario():
        async with connected(make=private) as (stub, client, receiver):
            client.subscribe_subaccount(ACCOUNT, 0)
            first = await next_of(receiver, messages.SubaccountMessage)
            client.set_account_id("DYDX-002")
            await stub.connections[0].say("data_subaccounts_transfer")
            second = await next_of(receiver, messages.SubaccountMessage)
            assert (first.account_id, second.account_id) == ("DYDX-001", "DYDX-002")
            assert (first.is_snapshot, second.is_snapshot) == (True, False)

    run(scenario())


def test_dx_s_10_is_connected_in_modes_active_and_reconnect(run):
    async def scenario():
        async with IndexerStub() as stub:
            client = public(stub.url)
            seen = {ConnectionMode.CLOSED: client.is_connected}
            await client.connect()
            seen[ConnectionMode.ACTIVE] = client.is_connected
            stub.refuse += [502] * 100
            stub.connections[0].drop()
            holder = client.connection_mode
            await until(lambda: holder.mode is ConnectionMode.RECONNECT)
            seen[ConnectionMode.RECONNECT] = client.is_connected
            ending = asyncio.create_task(client.disconnect())
            await asyncio.sleep(0)
            seen[ConnectionMode.DISCONNECT] = client.is_connected
            await ending
            assert seen == {0: True, 1: True, 2: False, 3: False}
            assert not client.is_connected

    run(scenario())


def test_dx_s_11_the_mode_is_a_live_reference(run):
    async def scenario():
        async with IndexerStub() as stub:
            client = public(stub.url)
            holder = client.connection_mode
            assert client.clone().connection_mode is holder
            seen = [int(holder.mode)]
            show = type(holder).show

            def noting(self, mode):
                show(self, mode)
                if seen[-1] != mode:
                    seen.append(int(mode))

            type(holder).show = noting
            try:
                await client.connect()
                stub.connections[0].drop()
                await until(lambda: len(stub.connections) == 2 and holder.mode == 0)
                await client.disconnect()
                await client.connect()
                await client.disconnect()
            finally:
                type(holder).show = show
            assert seen == [3, 0, 1, 0, 2, 3, 0, 2, 3]

    run(scenario())


# ---- instrument cache ---------------------------------------------------------------------------


def test_dx_s_12_the_key_is_the_symbol_and_the_last_wins():
    client = public(URL)
    other = parse_market({**BTC_RECORD, "status": "PAUSED"})
    client.cache_instruments([BTC, other])
    assert list(client.instruments) == ["BTC-USD-PERP"]
    assert client.get_instrument("BTC-USD-PERP") is other


def test_dx_s_13_caching_never_raises(run, caplog):
    caplog.set_level(logging.DEBUG, logger="connectors.dydx")

    async def scenario():
        async with IndexerStub() as stub:
            client = public(stub.url)
            client.cache_instrument(BTC)
            await client.connect()
            client.cache_instrument(ETH)
            assert client._shared.handler.symbols.find("ETH-USD") >= 0
            await client.disconnect()
            client.cache_instrument(ETH)
            assert set(client.instruments) == {"BTC-USD-PERP", "ETH-USD-PERP"}

    run(scenario())
    levels = {record.levelno for record in caplog.records if "cached only" in record.message}
    assert levels == {logging.DEBUG}


def test_dx_s_14_several_go_in_one_command(run, monkeypatch):
    commands = note_commands(monkeypatch)

    async def scenario():
        async with connected(instruments=()) as (_, client, _):
            client.cache_instruments([BTC, ETH, BTC])
            client.cache_instruments([])
            assert len(client.instruments) == 2

    run(scenario())
    assert commands == [
        messages.InitializeInstruments((BTC, ETH, BTC)),
        messages.InitializeInstruments(()),
    ]


def test_dx_s_15_what_is_cached_while_disconnected_is_not_lost(run):
    async def scenario():
        async with connected() as (_, client, _):
            await client.disconnect()
            client.cache_instrument(ETH)
            await client.connect()
            symbols = client._shared.handler.symbols
            assert "BTC-USD" in symbols
            assert "ETH-USD" in symbols

    run(scenario())


def test_dx_s_16_look_up_is_exact():
    client = public(URL)
    client.cache_instrument(BTC)
    assert client.get_instrument("BTC-USD-PERP") is BTC
    for name in ("BTC-USD", "btc-usd-perp", ""):
        assert client.get_instrument(name) is None


def test_dx_s_17_clones_share_the_cache_both_ways():
    client = public(URL)
    clone = client.clone()
    client.cache_instrument(BTC)
    clone.cache_instrument(ETH)
    assert dict(client.instruments) == dict(clone.instruments)
    assert len(client.instruments) == 2


# ---- connect, receive, disconnect ---------------------------------------------------------------


def test_dx_s_18_a_second_connect_opens_nothing(run):
    async def scenario():
        async with connected() as (stub, client, _):
            await asyncio.gather(*(client.connect() for _ in range(5)))
            await client.clone().connect()
            assert len(stub.connections) == 1
            stub.refuse += [502] * 100
            stub.connections[0].drop()
            await until(lambda: client.connection_mode.mode == 1)
            await client.connect()
            assert len(stub.connections) == 1

    run(scenario())


def test_dx_s_19_a_failed_connect_is_a_transport_error_and_may_be_repeated(run):
    async def scenario():
        async with IndexerStub() as stub:
            client = public(stub.url)
            for status in (403, 502):
                stub.refuse.append(status)
                with pytest.raises(errors.SocketTransportError) as raised:
                    await client.connect()
                assert str(raised.value).startswith("WebSocket transport error: ")
                assert (client.is_connected, client.take_receiver()) == (False, None)
            await client.connect()
            assert client.is_connected
            await client.disconnect()
            port = stub.port
            for bad in (f"wss://127.0.0.1:{port}", "http://127.0.0.1:1", "nonsense"):
                with pytest.raises(errors.SocketTransportError):
                    await public(bad).connect()
        with pytest.raises(errors.SocketTransportError):
            await public(f"ws://127.0.0.1:{port}").connect()  # nobody listens any more

    run(scenario())


def test_dx_s_20_each_connect_has_its_own_receiver(run):
    async def scenario():
        async with connected() as (stub, client, old):
            await client.disconnect()
            await client.connect()
            client.subscribe_block_height()
            new = client.take_receiver()
            await next_of(new, messages.BlockHeight)
            assert len(stub.connections) == 2
            assert [message async for message in old] == []

    run(scenario())


def note_commands(monkeypatch):
    commands = []
    execute = Handler.execute

    def noting(self, command):
        commands.append(command)
        execute(self, command)

    monkeypatch.setattr(Handler, "execute", noting)
    return commands


def test_dx_s_21_the_cache_is_replayed_first(run, monkeypatch):
    commands = note_commands(monkeypatch)

    async def scenario():
        async with IndexerStub() as stub:
            client = public(stub.url)
            await client.connect()
            assert commands == []  # an empty cache is no command
            await client.disconnect()
            client.cache_instrument(BTC)
            client.cache_instrument(ETH)
            await client.connect()
            client.subscribe_trades("BTC-USD-PERP")
            await client.disconnect()

    run(scenario())
    assert commands[0] == messages.InitializeInstruments((BTC, ETH))
    assert isinstance(commands[1], messages.Subscribe)


def test_dx_s_22_reconnect_settings():
    policy = public(URL).policy
    backoff = policy.backoff
    assert policy.attempt_timeout_s == 15.0
    assert (backoff.initial_s, backoff.maximum_s, backoff.factor) == (0.25, 5.0, 2.0)
    assert (backoff.jitter, backoff.jitter_amount, backoff.immediate_first) == (
        Jitter.ROOM, 0.2, True,
    )  # fmt: skip
    assert policy.max_attempts is None
    assert policy.silence_timeout_s == 40.0  # DX-W-11


def test_dx_s_23_the_delays_start_over_after_a_success():
    assert public(URL).policy.stable_after_s == 0.0  # the delays: test_backoff.py
    assert dict(public(URL).policy.close_delays_s) == {}


def test_dx_s_24_the_receiver_is_taken_once_for_each_connect(run):
    async def scenario():
        async with IndexerStub() as stub:
            client = public(stub.url)
            assert client.take_receiver() is None
            for _ in range(2):
                await client.connect()
                assert client.take_receiver() is not None
                assert client.take_receiver() is None
                await client.disconnect()
                assert client.take_receiver() is None
            await client.connect()
            await client.disconnect()
            assert client.take_receiver() is None  # not taken in time

    run(scenario())


def test_dx_s_25_a_clone_has_no_receiver(run):
    async def scenario():
        async with connected() as (_, client, _):
            assert client.clone().take_receiver() is None

    run(scenario())


def test_dx_s_26_disconnect_always_succeeds_and_ends_the_receiver(run):
    async def scenario():
        async with IndexerStub() as stub:
            client = public(stub.url)
            await client.disconnect()
            await client.connect()
            receiver = client.take_receiver()

            async def consume():
                return [message async for message in receiver]

            consumer = asyncio.create_task(consume())
            await asyncio.sleep(0)
            await asyncio.gather(client.disconnect(), client.disconnect())
            assert await consumer == []
            await client.disconnect()

    run(scenario())


def test_dx_s_26_disconnect_ends_a_connect_that_is_under_way(run):
    async def scenario():
        async with IndexerStub() as stub:
            client = public(stub.url)
            connecting = asyncio.create_task(client.connect())
            while client._shared.opening is None:  # noqa: ASYNC110 - for some turns of the loop
                await asyncio.sleep(0)
            await client.disconnect()
            with contextlib.suppress(errors.SocketTransportError):
                await connecting
            await client.disconnect()
            assert not client.is_connected
            assert client.connection_mode.mode is ConnectionMode.CLOSED

    run(scenario())


def test_dx_s_46_a_connect_during_a_disconnect_comes_after_it(run):
    async def scenario():
        async with IndexerStub() as stub:
            client = public(stub.url)
            await client.connect()
            ending = asyncio.create_task(client.disconnect())
            await asyncio.sleep(0)
            await client.connect()
            await ending
            assert (client.is_connected, client.connection_mode.mode) == (True, 0)
            clone = client.clone()
            await clone.disconnect()
            assert client.take_receiver() is None
            assert client.connection_mode.mode == 3

    run(scenario())


def test_dx_s_27_nothing_comes_after_disconnect(run):
    async def scenario():
        async with connected() as (stub, client, receiver):
            connection = stub.connections[0]
            client.subscribe_trades("BTC-USD-PERP")
            await stub.heard(1)
            going = True

            async def flood():
                while going and not connection.ended.is_set():
                    with contextlib.suppress(ConnectionError):
                        await connection.say("data_trades")
                    await asyncio.sleep(0)

            flooding = asyncio.create_task(flood())
            await until(lambda: receiver.pushed > 0)
            ending = asyncio.create_task(client.disconnect())
            await asyncio.sleep(0)
            count = receiver.pushed
            await ending
            going = False
            await flooding
            assert receiver.pushed == count
            assert len([message async for message in receiver]) <= count

    run(scenario())


NO_HANDLER = "WebSocket transport error: Failed to send command to handler: "


def test_dx_s_28_a_command_without_a_handler_is_a_transport_error(run):
    async def scenario():
        async with IndexerStub() as stub:
            client = public(stub.url)
            command = messages.SendText("{}")
            with pytest.raises(errors.SocketTransportError) as before:
                client.send_command(command)
            await client.connect()
            client.send_command(command)
            await client.disconnect()
            with pytest.raises(errors.SocketTransportError) as after:
                client.send_command(command)
            return str(before.value), str(after.value)

    assert all(text.startswith(NO_HANDLER) for text in run(scenario()))


CALLS = [
    ("subscribe_trades", "BTC-USD-PERP"),
    ("unsubscribe_trades", "BTC-USD-PERP"),
    ("subscribe_orderbook", "BTC-USD-PERP"),
    ("unsubscribe_orderbook", "BTC-USD-PERP"),
    ("subscribe_candles", "BTC-USD-PERP", "1MIN"),
    ("unsubscribe_candles", "BTC-USD-PERP", "1MIN"),
    ("subscribe_markets",),
    ("unsubscribe_markets",),
    ("subscribe_subaccount", ACCOUNT, 0),
    ("unsubscribe_subaccount", ACCOUNT, 0),
    ("subscribe_block_height",),
    ("unsubscribe_block_height",),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
def test_dx_s_29_every_method_needs_a_handler(call):
    client = WebSocketClient.new_private(URL, Credential(KEY), "A")
    name, *arguments = call
    with pytest.raises(errors.SocketTransportError, match=NO_HANDLER):
        getattr(client, name)(*arguments)


def test_dx_s_30_nothing_waits_for_the_venue(run):
    async def scenario():
        async with connected(answer=False, make=private) as (stub, client, _):
            for name, *arguments in CALLS:
                if not name.startswith("unsubscribe"):
                    getattr(client, name)(*arguments)  # returns, though nobody answers
            assert len(await stub.heard(6)) == 6

    run(scenario())


# ---- subscriptions ------------------------------------------------------------------------------


def frames_of(run, *calls, make=private):
    """Return what goes out when methods are called one after the other."""

    async def scenario():
        async with connected(make=make) as (stub, client, _):
            for count, (name, *arguments) in enumerate(calls, 1):
                getattr(client, name)(*arguments)
                await stub.heard(count)
            return stub.texts

    return run(scenario())


BTC_ID = ',"id":"BTC-USD"'


def test_dx_s_31_subscribe_trades(run):
    assert frames_of(run, ("subscribe_trades", "BTC-USD-PERP.DYDX")) == [
        '{"type":"subscribe","channel":"v4_trades","id":"BTC-USD"}'
    ]


def test_dx_s_32_unsubscribe_trades(run):
    assert frames_of(run, *CALLS[0:2]) == pair("v4_trades", BTC_ID)


def test_dx_s_33_orderbook(run):
    assert frames_of(run, *CALLS[2:4]) == pair("v4_orderbook", BTC_ID)


def test_dx_s_34_candles_and_an_unknown_resolution(run):
    assert frames_of(run, *CALLS[4:6]) == pair("v4_candles", ',"id":"BTC-USD/1MIN"')
    client = public(URL)
    with pytest.raises(errors.SocketClientError, match=r"Client error: .*2MINS"):
        client.subscribe_candles("BTC-USD-PERP", "2MINS")


def test_dx_s_35_markets(run):
    assert frames_of(run, *CALLS[6:8]) == pair("v4_markets")


def test_dx_s_36_subaccount(run):
    assert frames_of(run, *CALLS[8:10]) == pair("v4_subaccounts", f',"id":"{ACCOUNT}/0"')


def test_dx_s_37_block_height(run):
    assert frames_of(run, *CALLS[10:12]) == pair("v4_block_height")


def test_dx_s_38_a_public_client_may_not_subscribe_accounts(run):
    text = (
        "Authentication error: Subaccount subscriptions require authentication. "
        "Use new_private() to create an authenticated client"
    )

    async def scenario():
        async with connected() as (stub, client, _):
            with pytest.raises(errors.NeedsCredential) as live:
                client.subscribe_subaccount(ACCOUNT, 0)
            client.subscribe_markets()
            assert len(await stub.heard(1)) == 1  # the markets alone
            return str(live.value)

    assert run(scenario()) == text
    for call in ("subscribe_subaccount", "subscribe_parent_subaccount"):
        with pytest.raises(errors.NeedsCredential) as raised:
            getattr(public(URL), call)(ACCOUNT, 0)  # before the handler is looked for
        assert str(raised.value) == text


def test_dx_s_39_unsubscribe_subaccount_has_no_such_check(run):
    frames = frames_of(run, ("unsubscribe_subaccount", ACCOUNT, 0), make=public)
    assert frames == pair("v4_subaccounts", f',"id":"{ACCOUNT}/0"')[1:]


def test_dx_s_40_any_address_may_be_watched(run):
    other = "dydx1slanxj8x9ntk9knwa6cvfv2tzlsq5gk3dshml0"
    (frame,) = frames_of(run, ("subscribe_subaccount", other, 127_999))
    assert f'"id":"{other}/127999"' in frame


def test_dx_s_41_an_instrument_without_a_ticker_is_refused():
    with pytest.raises(errors.SocketClientError, match="names no market"):
        public(URL).subscribe_trades("-PERP")  # the table: test_data_control.py


def test_dx_s_42_topics_are_called_channel_and_id(run):
    async def scenario():
        async with connected() as (stub, client, receiver):
            client.subscribe_candles("BTC-USD-PERP", "1MIN")
            client.subscribe_markets()
            await stub.heard(2)
            stub.connections[0].drop()
            reconnected = await next_of(receiver, messages.SocketReconnected)
            assert reconnected.topics == ("v4_candles:BTC-USD/1MIN", "v4_markets")

    run(scenario())


def test_dx_s_43_the_wishes_survive_a_reconnect_and_end_with_disconnect(run):
    async def scenario():
        async with connected() as (stub, client, _):
            client.subscribe_trades("BTC-USD-PERP")
            await stub.heard(1)
            stub.connections[0].drop()
            assert len(await stub.heard(2)) == 2
            await client.disconnect()
            await client.connect()
            client.subscribe_markets()
            await stub.heard(3)
            assert stub.connections[2].texts == pair("v4_markets")[:1]

    run(scenario())


# ---- clones, and what must not be wrong ---------------------------------------------------------


def test_dx_s_44_a_clone_is_the_same_client_without_a_receiver(run):
    async def scenario():
        async with connected(make=private) as (stub, client, _):
            clone = client.clone()
            assert (clone.url, clone.credential, clone.requires_auth, clone.account_id) == (
                client.url, client.credential, True, "DYDX-001",
            )  # fmt: skip
            assert clone.is_connected
            clone.set_account_id("X")
            assert client.account_id == "X"
            clone.subscribe_trades("BTC-USD-PERP")
            client.unsubscribe_trades("BTC-USD-PERP")
            assert await stub.heard(2) == pair("v4_trades", BTC_ID)
            await clone.disconnect()
            assert not client.is_connected

    run(scenario())


def test_dx_s_45_a_clone_made_before_connect_works(run):
    async def scenario():
        async with IndexerStub() as stub:
            client = public(stub.url)
            clone = client.clone()
            await client.connect()
            clone.subscribe_trades("BTC-USD-PERP")
            assert await stub.heard(1) == pair("v4_trades", BTC_ID)[:1]
            await client.disconnect()

    run(scenario())


def test_dx_s_46_connect_works_after_disconnect_again_and_again(run):
    async def scenario():
        async with IndexerStub() as stub:
            client = public(stub.url)
            for _ in range(50):
                await client.connect()
                assert client.is_connected
                await client.disconnect()
                assert (client.is_connected, client.connection_mode.mode) == (False, 3)
            assert len(stub.connections) == 50

    run(scenario())


def test_dx_s_47_the_second_connection_reads_on_past_its_first_message(run):
    async def scenario():
        async with connected() as (_, client, _):
            await client.disconnect()
            await client.connect()
            receiver = client.take_receiver()
            client.subscribe_block_height()
            client.subscribe_markets()
            await next_of(receiver, messages.BlockHeight)
            await next_of(receiver, messages.MarketsMessage)

    run(scenario())


def test_dx_s_48_disconnect_sends_a_close_frame(run):
    async def scenario():
        async with connected() as (stub, client, _):
            await client.disconnect()
            await stub.connections[0].ended.wait()
            assert stub.connections[0].socket.close_code == 1000
        assert public(URL).policy.close_timeout_s == 2.0

    run(scenario())


def test_dx_s_49_a_reconnect_asks_for_every_topic_again(run):
    async def scenario():
        async with connected(make=private) as (stub, client, receiver):
            client.subscribe_trades("BTC-USD-PERP")
            client.subscribe_block_height()
            client.subscribe_subaccount(ACCOUNT, 0)
            first = list(await stub.heard(3))
            for lives in (2, 3):
                stub.connections[-1].drop()
                await next_of(receiver, messages.SocketReconnected)
                await stub.heard(3 * lives)
                assert stub.connections[-1].texts == first

    run(scenario())


def test_dx_s_50_a_clone_before_connect_has_the_client_it_is_of(run):
    async def scenario():
        async with IndexerStub() as stub:
            client = public(stub.url)
            clone = client.clone()
            await clone.connect()  # whoever connects has the receiver
            assert client.is_connected
            assert client.take_receiver() is None
            receiver = clone.take_receiver()
            client.cache_instrument(BTC)
            client.subscribe_orderbook("BTC-USD-PERP")
            await next_of(receiver, BookUpdate)
            await client.disconnect()

    run(scenario())


# ---- 2.6 ----------------------------------------------------------------------------------------


def test_2_6_every_error_shows_its_kind():
    frame = errors.ErrorFrame("error", "text", "c", 3, "v4_trades", "BTC-USD")
    shown = {
        str(errors.NotConnected()): "WebSocket client not connected",
        str(errors.SendError("x")): "WebSocket send error: x",
        str(errors.SocketTransportError("x")): "WebSocket transport error: x",
        str(errors.JsonError("x")): "JSON error: x",
        str(errors.ParseError("x")): "Failed to parse message: x",
        str(errors.NeedsCredential("x")): "Authentication error: x",
        str(errors.SocketClientError("x")): "Client error: x",
        str(errors.SubscriptionError("x")): "Subscription error: x",
        str(errors.IndexerError(frame)): "dYdX error: text",
    }
    assert all(text == wanted for text, wanted in shown.items())
    assert errors.IndexerError(frame).frame is frame


def test_2_6_an_error_of_the_venue_carries_all_of_its_frame(run):
    async def scenario():
        async with connected() as (stub, client, receiver):
            await stub.connections[0].send(RAW["error_fetch_failed"])
            error = await next_of(receiver, errors.IndexerError)
            frame = FRAMES["error_fetch_failed"]
            assert error.frame == errors.ErrorFrame(
                "error", frame["message"], frame["connection_id"], 10, "v4_orderbook", "BTC-USD"
            )
            assert client.is_connected

    run(scenario())
