"""The pool of connections and what a reconnect restores: rows DX-N-01 to DX-N-11a, DX-W-10, -12."""

from __future__ import annotations

import asyncio
import json

import pytest
from venues.dydx.indexer_stub import FRAMES, RAW, scenario
from venues.dydx.socket_rig import ACCOUNT, connected, next_of, pair, private

from connectors.dydx import errors, messages
from connectors.dydx.websocket import WebSocketClient
from connectors.model import Bar, BookUpdate, DataDropped, Liquidation, Trade
from patience import until


def trades(count, start=0):
    return [f"M{number}-USD-PERP" for number in range(start, start + count)]


def sent(stub):
    """What each connection was sent, as (type, id)."""
    frames = [[json.loads(text) for text in each.texts] for each in stub.connections]
    return [[(frame["type"], frame.get("id")) for frame in each] for each in frames]


def test_dx_n_01_the_33rd_topic_of_a_kind_opens_a_second_connection(run):
    async def scenario():
        async with connected() as (stub, client, _):
            for name in trades(33):
                client.subscribe_trades(name)
            await stub.heard(33)
            assert [len(each.texts) for each in stub.connections] == [32, 1]
            client.subscribe_orderbook("BTC-USD-PERP")  # another kind, which has room
            await stub.heard(34)
            assert [len(each.texts) for each in stub.connections] == [33, 1]
            assert client.pool_size == 2

    run(scenario())


def test_dx_n_01_both_numbers_are_at_least_one():
    client = WebSocketClient.new_public("ws://x", max_ws_connections=0, per_channel_limit=-3)
    assert (client.max_ws_connections, client.per_channel_limit) == (1, 1)
    client = WebSocketClient.new_public("ws://x")
    assert (client.max_ws_connections, client.per_channel_limit) == (8, 32)


def test_dx_n_02_a_hundred_at_once_open_no_connection_twice(run):
    async def scenario():
        async with connected() as (stub, client, _):

            async def want(name):
                client.subscribe_trades(name)

            await asyncio.gather(*(want(name) for name in trades(100)))
            assert client.pool_size == 4
            await stub.heard(100)
            counts = sorted(len(each.texts) for each in stub.connections)
            assert counts == [4, 32, 32, 32]

    run(scenario())


@pytest.mark.parametrize(
    ("name", "arguments", "kind"),
    [
        ("subscribe_trades", (), "Trades"),
        ("subscribe_candles", ("1MIN",), "Candles"),
        ("subscribe_orderbook", (), "Orderbook"),
    ],
)
def test_dx_n_03_without_room_nothing_is_sent(run, name, arguments, kind):
    async def scenario():
        options = {"max_ws_connections": 1, "per_channel_limit": 1}
        async with connected(**options) as (stub, client, _):
            subscribe = getattr(client, name)
            subscribe("A-USD-PERP", *arguments)
            with pytest.raises(errors.SubscriptionError) as raised:
                subscribe("B-USD-PERP", *arguments)
            assert str(raised.value) == (
                f"Subscription error: Pool exhausted: 1 connections x 1 {kind} subscriptions"
            )
            getattr(client, f"un{name}")("A-USD-PERP", *arguments)
            await stub.heard(2)
            subscribe("A-USD-PERP", *arguments)  # the failed one is not counted anywhere
            await stub.heard(3)
            assert len(stub.connections) == 1

    run(scenario())


def test_dx_n_04_only_the_first_and_the_last_user_send(run):
    async def scenario():
        async with connected() as (stub, client, _):
            client.unsubscribe_trades("ETH-USD-PERP")  # unknown: a silent success
            for _ in range(3):
                client.subscribe_trades("BTC-USD-PERP")
            for _ in range(2):
                client.unsubscribe_trades("BTC-USD-PERP")
            client.subscribe_markets()
            assert await stub.heard(2) == [
                *pair("v4_trades", ',"id":"BTC-USD"')[:1], *pair("v4_markets")[:1],
            ]  # fmt: skip
            client.unsubscribe_trades("BTC-USD-PERP")
            assert (await stub.heard(3))[2] == pair("v4_trades", ',"id":"BTC-USD"')[1]

    run(scenario())


def test_dx_n_05_accounts_and_heights_stay_on_the_first_connection(run):
    async def scenario():
        async with connected(make=private, per_channel_limit=1) as (stub, client, _):
            for name in trades(3):
                client.subscribe_trades(name)
            for number in range(5):
                client.subscribe_subaccount(ACCOUNT, number)
            client.subscribe_block_height()
            await stub.heard(9)
            assert [len(each.texts) for each in stub.connections] == [7, 1, 1]

    run(scenario())


def test_dx_n_06_room_is_used_again_and_connections_stay(run):
    async def scenario():
        async with connected(per_channel_limit=2) as (stub, client, _):
            for name in trades(4):
                client.subscribe_trades(name)
            await stub.heard(4)
            for name in trades(3):
                client.unsubscribe_trades(name)
            await stub.heard(7)
            control = client._shared.handler.streams[0].channels
            await until(lambda: not control.in_flight)
            client.subscribe_trades("NEW-USD-PERP")
            await stub.heard(8)
            assert client.pool_size == 2
            assert sent(stub)[0][-1] == ("subscribe", "NEW-USD")

    run(scenario())


def test_dx_n_07_connected_as_long_as_any_connection_is(run):
    async def scenario():
        async with connected(per_channel_limit=1) as (stub, client, receiver):
            for name in trades(2):
                client.subscribe_trades(name)
            await stub.heard(2)
            stub.refuse += [502] * 100
            stub.connections[0].drop()
            await until(lambda: client.connection_mode.mode == 1)
            assert (client.is_connected, client.pool_size) == (True, 2)
            await stub.connections[1].send(RAW["data_block_height"])
            await next_of(receiver, messages.BlockHeight)  # all feed one receiver

    run(scenario())


def test_dx_n_08_a_lost_connection_gets_its_own_topics_back_and_says_so_once(run):
    async def scenario():
        async with connected(per_channel_limit=2) as (stub, client, receiver):
            for name in trades(3):
                client.subscribe_trades(name)
            client.subscribe_orderbook("BTC-USD-PERP")
            await stub.heard(4)
            client.unsubscribe_trades("M0-USD-PERP")
            await stub.heard(5)
            stub.connections[0].drop()
            found = []
            async with asyncio.timeout(30):
                async for message in receiver:
                    if isinstance(message, messages.SocketReconnected | BookUpdate):
                        found.append(message)
                    if len(found) == 3:
                        break
            first, lost, again = found
            assert (first.is_snapshot, again.is_snapshot) == (True, True)
            assert lost.topics == ("v4_trades:M1-USD", "v4_orderbook:BTC-USD")
            await stub.heard(7)
            assert sent(stub)[2] == [("subscribe", "M1-USD"), ("subscribe", "BTC-USD")]
            assert sent(stub)[1] == [("subscribe", "M2-USD")]

    run(scenario())


def test_dx_w_13_a_loss_while_topics_are_being_restored(run):
    async def scenario():
        async with connected(answer=False) as (stub, client, _):
            for name in trades(3):
                client.subscribe_trades(name)
            await stub.heard(3)
            for lives in (1, 2, 3):  # each time before a single answer
                stub.connections[-1].drop()
                await stub.heard(3 * (lives + 1))
            assert [len(each.texts) for each in stub.connections] == [3, 3, 3, 3]
            assert len({tuple(each.texts) for each in stub.connections}) == 1

    run(scenario())


def test_dx_n_09_what_cannot_be_sent_is_a_transport_error(run):
    async def scenario():
        async with connected() as (stub, client, _):
            stub.refuse += [502] * 100
            stub.connections[0].drop()
            await until(lambda: client.connection_mode.mode == 1)
            with pytest.raises(errors.SocketTransportError) as raised:
                client.send_command(messages.SendText("{}"))
            assert str(raised.value).startswith("WebSocket transport error: Slot 0 send failed: ")
            client.subscribe_trades("BTC-USD-PERP")  # kept: it goes out on the next connection
            stub.refuse.clear()
            assert await stub.heard(1) == pair("v4_trades", ',"id":"BTC-USD"')[:1]

    run(scenario())


def test_dx_n_10_every_frame_of_the_venue_becomes_a_message(run):
    """And none of them ends the connection (20.4)."""
    wanted = {
        "trades": Trade,
        "orderbook": BookUpdate,
        "candles": Bar,
        "markets": messages.MarketsMessage,
        "subaccounts": messages.SubaccountMessage,
        "height": messages.BlockHeight,
    }

    async def scenario():
        async with connected(answer=False, make=private) as (stub, client, receiver):
            connection = stub.connections[0]
            for name, raw in RAW.items():
                if name == "connected" or name.startswith("unsubscribed"):
                    continue
                await connection.send(raw)
                is_error = name.startswith("error")
                kind = (
                    errors.IndexerError
                    if is_error
                    else next(each for word, each in wanted.items() if word in name)
                )
                message = await next_of(receiver, kind)
                if not is_error and hasattr(message, "is_snapshot"):
                    assert message.is_snapshot == name.startswith("subscribed")
                if isinstance(message, messages.SubaccountMessage | messages.MarketsMessage):
                    contents = FRAMES[name]["contents"]
                    parts = contents if isinstance(contents, list) else [contents]
                    for part in parts[:-1]:
                        assert message.contents == part
                        message = await next_of(receiver, kind)
                    assert message.contents == parts[-1]
            assert client.is_connected
            assert client.connection_mode.mode == 0
            assert len(stub.connections) == 1

    run(scenario())


def test_dx_n_10_a_trade_of_a_liquidation_is_told_twice(run):
    async def scenario():
        async with connected(answer=False) as (stub, _, receiver):
            await stub.connections[0].send(RAW["data_trades"])
            kinds = [type(await next_of(receiver, Trade | Liquidation)) for _ in range(3)]
            assert kinds == [Trade, Trade, Liquidation]

    run(scenario())


@pytest.mark.parametrize("name", ["subscribed_block_height", "data_block_height"])
def test_dx_n_11_the_height_has_two_names(run, name):
    async def scenario():
        async with connected(answer=False) as (stub, _, receiver):
            await stub.connections[0].send(RAW[name])
            found = await next_of(receiver, messages.BlockHeight)
            contents = FRAMES[name]["contents"]
            assert found.height == int(contents.get("height") or contents["blockHeight"])

    run(scenario())


def test_dx_n_11a_the_block_height_is_confirmed_and_restored_once(run):
    async def scenario():
        async with connected() as (stub, client, receiver):
            client.subscribe_block_height()
            await next_of(receiver, messages.BlockHeight)
            control = client._shared.handler.streams[0].channels
            assert control.is_active("v4_block_height")
            stub.connections[0].drop()
            await next_of(receiver, messages.SocketReconnected)
            await next_of(receiver, messages.BlockHeight)
            assert [len(each.texts) for each in stub.connections] == [1, 1]
            client.unsubscribe_block_height()
            await stub.heard(3)
            await until(lambda: not control.in_flight)
            assert (control.unanswered, control.backlog, list(control.channels)) == (0, 0, [])

    run(scenario())


def test_dx_w_12_every_close_code_means_reconnect(run):
    async def scenario():
        async with connected() as (stub, client, receiver):
            client.subscribe_trades("BTC-USD-PERP")
            await stub.heard(1)
            for count, code in enumerate((1000, 1001, 1008, 1011, 1012, 4000), 1):
                await stub.connections[-1].socket.close(code=code, message=b"reason")
                await next_of(receiver, messages.SocketReconnected)
                await stub.heard(1 + count)
                assert client.is_connected

    run(scenario())


def test_dx_w_12_scenario_rate_limited_close(run):
    """The client does not bring it about; when it happens, the topic waits and comes back."""
    lines = scenario("rate_limited_close")

    async def script():
        async with connected(answer=False) as (stub, client, receiver):
            connection = stub.connections[0]
            client.subscribe_trades("BTC-USD-PERP")
            assert (await stub.heard(1))[0] == lines[1]["raw"]
            (error,) = [each["raw"] for each in lines if "error" in each.get("raw", "")[:15]]
            (close,) = [each for each in lines if "close" in each]
            await connection.send(error)
            await connection.socket.close(code=close["close"], message=close["reason"].encode())
            await next_of(receiver, messages.SocketReconnected)
            assert await stub.heard(2) == [lines[1]["raw"]] * 2
            return len(stub.connections) - 1

    assert run(script()) == lines[-1]["expect"]["reconnects"]


def test_dx_w_10_pings_of_the_venue_are_answered_whatever_the_consumer_does(run):
    async def scenario():
        async with connected(capacity=10) as (stub, client, receiver):
            socket = stub.connections[0].socket
            for _ in range(50):
                await stub.connections[0].say("data_trades")
            await socket.ping(b"are you there")
            # The pong, and then a frame that shows it was handled before.
            client.subscribe_markets()
            await stub.heard(1)
            await until(lambda: receiver.dropped > 0)  # nobody reads
            assert len(receiver) <= 10
            assert isinstance(await next_of(receiver, DataDropped), DataDropped)

    run(scenario())


def test_a_topic_the_venue_refuses_is_nobodys_any_more(run):
    async def scenario():
        async with connected(answer=False) as (stub, client, receiver):
            client.subscribe_trades("NOPE-USD-PERP")
            await stub.heard(1)
            await stub.connections[0].send(RAW["error_bad_market"])
            await next_of(receiver, errors.IndexerError)
            stub.connections[0].drop()
            reconnected = await next_of(receiver, messages.SocketReconnected)
            assert reconnected.topics == ()
            client.subscribe_trades("NOPE-USD-PERP")  # may be asked for again
            assert len(await stub.heard(2)) == 2

    run(scenario())


def test_a_topic_without_room_goes_to_another_connection(run):
    """Somebody set the limit above the venue's."""

    async def scenario():
        async with connected(answer=False, per_channel_limit=40) as (stub, client, receiver):
            for name in trades(33):
                client.subscribe_trades(name)
            await stub.heard(33)
            for number in range(32):
                await stub.connections[0].say(
                    "subscribed_trades", id=f"M{number}-USD", contents={"trades": []}
                )
            await stub.connections[0].say("error_channel_limit")
            await stub.heard(34)
            assert sent(stub)[1] == [("subscribe", "M32-USD")]
            assert await next_of(receiver, errors.IndexerError)

    run(scenario())


def test_20_4_garbage_is_told_and_the_connection_lives(run):
    garbage = ["", "{", "[]", "null", "1", '"text"', '{"type":5}', '{"type":"channel_data"}',
               '{"type":"subscribed","channel":"v4_candles","id":"BTC-USD/1MIN","contents":5}',
               '{"type":"channel_data","channel":"v4_block_height","contents":{}}',
               '{"type":"error"}', '{"type":"news","channel":"v4_trades"}']  # fmt: skip

    async def scenario():
        async with connected(answer=False) as (stub, client, receiver):
            for text in garbage:
                await stub.connections[0].send(text)
            await stub.connections[0].say("data_trades")
            await next_of(receiver, Trade)
            assert len(stub.connections) == 1
            assert client.connection_mode.mode == 0

    run(scenario())


def test_a_missing_frame_brings_the_books_snapshot_again(run):
    lines = scenario("message_id_real_gap")
    assert lines[-1]["expect"]["gap_alarms"] == 1

    async def script():
        async with connected(answer=True) as (stub, client, receiver):
            client.subscribe_orderbook("BTC-USD-PERP")
            await next_of(receiver, BookUpdate)
            connection = stub.connections[0]
            await connection.say("data_orderbook_bid")
            connection.message_id += 1  # never comes
            await connection.say("data_orderbook_bid")
            assert (await next_of(receiver, DataDropped)).count == 1
            while not (await next_of(receiver, BookUpdate)).is_snapshot:
                pass
            frames = [("subscribe", "BTC-USD"), ("unsubscribe", "BTC-USD")]
            assert sent(stub)[0] == [*frames, frames[0]]
            stream = client._shared.handler.streams[0]
            assert (stream.ids.lost, stream.ids.open) == (1, 0)

    run(script())
