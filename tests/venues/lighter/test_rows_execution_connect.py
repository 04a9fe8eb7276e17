"""Rows of section 19 about connecting, credentials and tokens: X-21 to X-23, X-40 to X-43, X-57."""

from __future__ import annotations

import asyncio
import logging
import pickle
from typing import Any

import pytest
from venues.lighter.trading_rig import (
    ACCOUNT,
    FIRST_FRAMES,
    KEY,
    PRIVATE_KEY,
    STREAMS,
    TEMPLATES,
    buy,
    settings,
    trading,
    until,
)

from connectors.errors import (
    ClientError,
    ConfigError,
    ConnectorError,
    RequestTimeout,
    VenueError,
)
from connectors.lighter.config import Config, Credentials, Environment
from connectors.lighter.tokens import Rotation, Tokens
from connectors.model import OrderAccepted
from connectors.net.clock import ManualClock

INTEGRATOR = TEMPLATES["constants"]["integrator_account_index"]


def test_x_21_tokens_are_renewed(run: Any) -> None:
    """The plan on a clock of its own; then the renewal itself, on a live socket."""
    clock = ManualClock(wall_ns=1_795_000_000 * 10**9)
    made: list[int] = []
    tokens = Tokens(lambda deadline: made.append(deadline) or f"{deadline}:1:2:ab",
                    lifetime_s=7 * 3600, clock=clock)  # fmt: skip
    assert tokens.current() == tokens.current()
    clock.advance(7 * 3600 - 61)
    assert len(made) == 1
    tokens.current()
    clock.advance(2)
    tokens.current()
    assert made == [1_795_025_200, 1_795_050_341]

    rotation = Rotation(6 * 3600, clock.monotonic_ns())
    delays, start_ns = [], rotation.due_ns
    assert start_ns == clock.monotonic_ns() + 6 * 3600 * 10**9
    now_ns = start_ns
    while rotation.due_ns is not None:
        now_ns = rotation.due_ns
        rotation.failed(now_ns)
        if rotation.due_ns is not None:
            delays.append((rotation.due_ns - now_ns) // 10**9)
    assert delays[:5] == [30, 60, 120, 240, 300]
    assert set(delays[5:]) == {300}
    assert 3_600 <= (now_ns - start_ns) // 10**9 <= 3_900
    rotation.done(now_ns)
    assert rotation.due_ns == now_ns + 6 * 3600 * 10**9

    async def scenario() -> None:
        async with trading() as rig:
            await asyncio.sleep(1.0)  # a token's deadline counts in seconds
            first = {item.channel: item.auth for item in rig.sim.record.subscribes}
            assert rig.client._stream is not None
            rig.client._stream.rotate()
            rig.push(rig.trade_frame(41, trade_id=1, trade_id_str="1"))  # of the old subscription
            await rig.subscribes(3)  # refused as subscribed already: ended and asked for anew
            for channel in STREAMS:
                assert rig.sim.record.subscribed(channel)[-1].auth != first[channel]
            await until(lambda: rig.client._stream.is_ready)  # type: ignore[union-attr]
            rig.push(rig.trade_frame(42))
            await until(lambda: [e for e in rig.events if type(e).__name__ == "FillReport"])

    run(scenario(), 20)


def test_x_22_private_subscribe_refused_while_connecting(run: Any) -> None:
    async def scenario() -> None:
        async with trading(
            connect=False, sim={"typed_frames": False}, readiness_timeout_s=3600.0
        ) as rig:
            connecting = asyncio.ensure_future(rig.client.connect())
            await rig.subscribes(1)
            text = "invalid param : auth field is required: account_all_orders:12345"
            rig.push({"error": {"code": 20001, "message": text}})
            # Long before it would give up waiting for the first frames.
            with pytest.raises(VenueError, match="auth field is required"):
                await connecting
            assert not rig.client.is_connected
            await until(lambda: not rig.sim.connections)

    run(scenario())


def test_x_23_a_stream_that_never_comes(run: Any) -> None:
    async def scenario() -> None:
        async with trading(
            connect=False,
            sim={"typed_frames": False},
            readiness_timeout_s=3.0,
            readiness_warning_s=0.1,
        ) as rig:
            connecting = asyncio.ensure_future(rig.client.connect())
            await rig.subscribes(1)
            rig.push_first("orders", "trades", "assets", "user_stats")
            with pytest.raises(RequestTimeout, match=r"no data of: positions\b"):
                await connecting
            await until(lambda: not rig.sim.connections)
            rig.sim.configure(typed_frames=True)
            await rig.client.connect()
            assert rig.client.is_connected

    run(scenario())


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"code": 62007, "message": "maker only api key"}),
        (500, {"code": 29500, "message": "internal"}),
    ],
)
def test_x_40_approval_refused_otherwise(run: Any, status: int, body: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with trading(connect=False, integrator_account_index=INTEGRATOR) as rig:
            rig.sim.faults.next_reply("sendTx", status=status, body=body)
            await rig.client.connect()
            assert rig.client.is_connected
            rig.client.submit_order(buy())
            sends = await rig.sent(2)
            await until(lambda: sends[1].code == 200)
            assert sends[1].infos[0]["L2TxAttributes"] == {"1": INTEGRATOR}

    run(scenario())


def test_x_41_maker_only_endpoint_fails(run: Any) -> None:
    async def scenario() -> None:
        async with trading(connect=False, integrator_account_index=INTEGRATOR) as rig:
            rig.sim.faults.next_reply(
                "getMakerOnlyApiKeys", status=500, body={"code": 29500}, count=None
            )
            await rig.client.connect()
            assert [sent.types for sent in rig.sends] == [[45]]

    run(scenario(), 20)


def test_x_42_partial_credentials() -> None:
    env = {"LIGHTER_TESTNET_API_SECRET": PRIVATE_KEY}
    with pytest.raises(ConfigError) as caught:
        Credentials.from_env("testnet", env=env)
    text = str(caught.value)
    assert "account_index (LIGHTER_TESTNET_ACCOUNT_INDEX)" in text
    assert "api_key_index (LIGHTER_TESTNET_API_KEY_INDEX)" in text
    assert "api_secret" not in text
    assert PRIVATE_KEY not in text
    assert Credentials.from_env("testnet", env={}) is None
    assert Credentials.from_env("mainnet", env=env) is None  # the variables of another network


def test_x_43_blank_secret_in_config() -> None:
    env = {
        "LIGHTER_API_SECRET": f"0x{PRIVATE_KEY}",
        "LIGHTER_ACCOUNT_INDEX": "7",
        "LIGHTER_API_KEY_INDEX": "3",
    }
    found = Credentials.from_env("mainnet", api_secret="  ", account_index=8, env=env)
    assert found is not None
    assert (found.api_secret, found.account_index, found.api_key_index) == (PRIVATE_KEY, 8, 3)


@pytest.mark.parametrize(
    ("secret", "account", "key"),
    [("ab", 1, 1), (PRIVATE_KEY, -1, 1), (PRIVATE_KEY, 1, 255), (PRIVATE_KEY[:-1] + "g", 1, 1)],
)
def test_credentials_that_cannot_be(secret: str, account: int, key: int) -> None:
    with pytest.raises(ConfigError) as caught:
        Credentials(secret, account, key)
    assert secret not in str(caught.value) or len(secret) < 4


def test_secret_is_never_shown() -> None:
    config = settings(None)
    for text in (repr(config), str(config), repr(config.credentials)):
        assert PRIVATE_KEY not in text
        assert PRIVATE_KEY[:16] not in text
    with pytest.raises(TypeError):
        pickle.dumps(config.credentials)


def test_no_secret_in_any_log(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Key and tokens stay out of the logs at every level, also when things fail."""
    caplog.set_level(logging.DEBUG)

    async def scenario() -> None:
        async with trading() as rig:
            rig.sim.faults.next_ack(code=21120, message="invalid signature")
            rig.client.submit_order(buy())
            await until(lambda: len(rig.order_events) == 2)
            rig.sim.faults.next_reply("accountActiveOrders", status=403, body={"message": "no"})
            with pytest.raises(ConnectorError):
                await rig.client.generate_order_status_reports("ETH-PERP")
            rig.sim.faults.abort()
            await rig.reconnected()
            said = [caplog.text, repr(rig.client), *map(repr, rig.status)]
            tokens = {str(item.auth) for item in rig.sim.record.subscribes}
            for text in said:
                assert PRIVATE_KEY not in text
                assert not any(token in text for token in tokens)

    run(scenario(), 20)


def test_environments() -> None:
    chains = {name: Config(environment=name).endpoints for name in Environment}
    assert {name.value: end.chain_id for name, end in chains.items()} == {
        "mainnet": 304, "testnet": 300, "rh-mainnet": 466324, "rh-testnet": 300
    }  # fmt: skip
    assert chains[Environment.TESTNET].rest == "https://testnet.zklighter.elliot.ai"
    assert chains[Environment.MAINNET].stream == "wss://mainnet.zklighter.elliot.ai/stream"
    assert Config(chain_id=7).endpoints.chain_id == 7
    with pytest.raises(ConfigError, match="unknown environment"):
        Config(environment="moon")  # type: ignore[arg-type]


def test_x_57_no_integrator_configured(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.client.submit_order(buy())
            (sent,) = await rig.sent(1)
            assert sent.infos[0]["L2TxAttributes"] is None
            assert rig.hits("getMakerOnlyApiKeys") == 0
            assert rig.hits("sendTx") == 0

    run(scenario())


def test_concurrent_connects_and_a_failed_one(run: Any) -> None:
    """Section 10.1: one connection, and a failed attempt leaves nothing behind."""

    async def scenario() -> None:
        async with trading(connect=False) as rig:
            rig.sim.faults.next_reply("orderBookDetails", status=400, body={"code": 20001})
            with pytest.raises(VenueError):
                await rig.client.connect()
            await asyncio.gather(rig.client.connect(), rig.client.connect())
            assert len(rig.sim.connections) == 1
            assert rig.sim.record.opened == 1

    run(scenario())


def test_disconnect_ends_a_connect_under_way(run: Any) -> None:
    """Section 10.2: within two seconds, whatever the other side does."""

    async def scenario() -> None:
        async with trading(connect=False, sim={"typed_frames": False}) as rig:
            connecting = asyncio.ensure_future(rig.client.connect())
            await rig.subscribes(1)
            await rig.client.disconnect()
            with pytest.raises(ClientError, match="disconnected while connecting"):
                await connecting
            await until(lambda: not rig.sim.connections)
            rig.sim.configure(typed_frames=True)
            await rig.client.connect()
            assert rig.client.is_connected

    run(scenario())


def test_what_was_unknown_at_disconnect_is_found_out_later(run: Any) -> None:
    """Section 10.2: pending transactions have an unknown outcome, and no event."""

    async def scenario() -> None:
        async with trading(probe_delay_s=0.1) as rig:
            rig.sim.faults.next_ack(drop=True)
            order = buy()
            rig.client.submit_order(order)
            (sent,) = await rig.sent(1)
            await rig.client.disconnect()
            assert rig.names == ["OrderSubmitted"]
            row = rig.order_row(sent.infos[0]["ClientOrderIndex"], 281476929510300)
            body = {"code": 200, "orders": row["orders"]["0"]}
            rig.sim.faults.next_reply("accountOrders", body=body, count=None)
            await rig.client.connect()
            await rig.event(OrderAccepted, order)
            assert len(rig.sends) == 1

    run(scenario(), 20)


def test_keys_and_streams_of_the_rig() -> None:
    assert (ACCOUNT, KEY) == (12345, 5)
    assert set(FIRST_FRAMES) >= {"orders", "trades", "positions", "assets", "user_stats"}
