"""Rows L-01 to L-08, L-29, L-34 to L-36 of the venue's rules: connecting, gates, positions."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from venues.lighter.trading_rig import (
    COUNTER_S,
    FIRST_FRAMES,
    POSITION_FRAME,
    STREAMS,
    TEMPLATES,
    Rig,
    buy,
    settings,
    trading,
    until,
)

from connectors.errors import ConfigError, VenueError
from connectors.lighter.config import Config
from connectors.lighter.execution import ExecutionClient
from connectors.model import PositionSide, PositionStatusReport
from patience import GRACE_S

INTEGRATOR = TEMPLATES["constants"]["integrator_account_index"]
APPROVAL_TTL_MS = TEMPLATES["constants"]["integrator_approval_max_ttl_ms"]
ENV = [
    f"LIGHTER_{net}{name}"
    for net in ("", "TESTNET_")
    for name in ("API_KEY_INDEX", "API_SECRET", "ACCOUNT_INDEX")
]
NAMES = ("orders", "trades", "positions", "assets", "user_stats")


async def _pending_connect(rig: Rig) -> asyncio.Task[None]:
    """Start to connect and wait until the five streams are asked for."""
    task = asyncio.ensure_future(rig.client.connect())
    await rig.subscribes(1)
    return task


async def _gate_opens_last(rig: Rig, last: str) -> None:
    connecting = await _pending_connect(rig)
    rig.push_first(*(name for name in NAMES if name != last))
    await asyncio.sleep(0.25)
    assert not connecting.done()
    assert not rig.client.is_connected
    rig.push_first(last)
    async with asyncio.timeout(GRACE_S):
        await connecting
    assert rig.client.is_connected


def test_l_01_connect_and_disconnect(run: Any) -> None:
    async def scenario() -> None:
        async with trading(connect=False, sim={"typed_frames": False}) as rig:
            assert not rig.client.is_connected
            await _gate_opens_last(rig, "user_stats")
            record = rig.sim.record
            for channel in STREAMS:
                auths = [item.auth for item in record.subscribed(channel)]
                assert [len((auth or "").split(":")) for auth in auths] == [4]
            await until(lambda: len(rig.sim.connections) == 1)
            await rig.client.disconnect()
            assert not rig.client.is_connected
            await until(lambda: not rig.sim.connections)
            await rig.client.disconnect()  # idempotent

    run(scenario(), 20)


def test_l_02_automatic_integrator_approval(run: Any) -> None:
    async def scenario() -> None:
        before_ms = int(time.time() * 1000)
        async with trading(integrator_account_index=INTEGRATOR) as rig:
            after_ms = int(time.time() * 1000)
            assert rig.client.is_connected
            assert rig.hits("sendTx") == 1
            (sent,) = rig.sends
            assert (sent.transport, sent.types) == ("http", [45])
            info = dict(sent.infos[0])
            expiry = info.pop("ApprovalExpiry")
            assert before_ms + APPROVAL_TTL_MS <= expiry <= after_ms + APPROVAL_TTL_MS
            for name in ("Nonce", "ExpiredAt", "Sig", "L2TxAttributes"):
                info.pop(name)
            assert info == {
                "AccountIndex": 12345, "ApiKeyIndex": 5, "IntegratorAccountIndex": 723813,
                "MaxPerpsTakerFee": 0, "MaxPerpsMakerFee": 0, "MaxSpotTakerFee": 0,
                "MaxSpotMakerFee": 0, "L1Sig": "",
            }  # fmt: skip
            post = next(r for r in rig.sim.record.requests if r.endpoint == "sendTx")
            assert post.headers["Content-Type"].startswith("multipart/form-data")

    run(scenario())


def test_l_03_maker_only_key_skips_approval(run: Any) -> None:
    async def scenario() -> None:
        async with trading(connect=False, integrator_account_index=INTEGRATOR) as rig:
            rig.sim.faults.next_reply("getMakerOnlyApiKeys", body=TEMPLATES["maker_only_ok"])
            await rig.client.connect()
            requests = [r for r in rig.sim.record.requests if r.endpoint == "getMakerOnlyApiKeys"]
            assert len(requests) == 1
            assert requests[0].headers["Authorization"]
            assert dict(requests[0].query) == {"account_index": "12345"}
            assert rig.hits("sendTx") == 0
            assert rig.sends == []
            assert rig.client.is_connected

    run(scenario())


def test_l_04_integrator_not_approved(run: Any) -> None:
    async def scenario() -> None:
        async with trading(connect=False, integrator_account_index=INTEGRATOR) as rig:
            body = {"code": 21149, "message": "integrator is not approved"}
            rig.sim.faults.next_reply("sendTx", status=200, body=body)
            with pytest.raises(VenueError) as caught:
                await rig.client.connect()
            text = str(caught.value)
            assert "Lighter account is not integrator-approved (venue 21149)" in text
            assert "orders cannot be placed" in text
            assert rig.hits("getMakerOnlyApiKeys") == 1
            assert rig.hits("sendTx") == 1
            assert not rig.client.is_connected
            assert rig.sim.record.opened == 0

    run(scenario())


@pytest.mark.parametrize("last", NAMES)
def test_l_05_each_stream_opens_its_own_gate(run: Any, last: str) -> None:
    async def scenario() -> None:
        async with trading(connect=False, sim={"typed_frames": False}) as rig:
            await _gate_opens_last(rig, last)

    run(scenario(), 20)


def test_l_06_reconnect_by_the_user_clears_positions(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            await rig.see_position()
            await rig.client.disconnect()
            await rig.client.connect()
            assert await rig.positions() == []

    run(scenario())


def test_l_07_connect_without_credentials(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENV:
        monkeypatch.delenv(name, raising=False)

    async def scenario() -> None:
        async with trading(connect=False) as rig:
            config = Config.from_env(
                "testnet", rest_url=rig.sim.http_url, stream_url=rig.sim.ws_url
            )
            client = ExecutionClient(config)
            with pytest.raises(ConfigError, match="requires credentials"):
                await client.connect()
            assert not client.is_connected
            assert rig.sim.record.opened == 0
            assert not rig.sim.record.hits
            await client.close()

    run(scenario())


def test_l_08_submit_without_credentials(run: Any) -> None:
    async def scenario() -> None:
        events: list[Any] = []
        client = ExecutionClient(settings(None, credentials=None), on_event=events.append)
        with pytest.raises(ConfigError, match="cannot submit without credentials"):
            client.submit_order(buy())
        assert events == []

    run(scenario())


def test_l_29_resubscribe_with_auth(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.sim.faults.close_after_next_frame(kind="jsonapi/sendtx")
            rig.client.cancel_order(instrument_id="ETH-PERP", venue_order_id="1")
            await rig.subscribes(2)
            (cancel,) = rig.sends
            assert cancel.infos[0]["Index"] == 1
            for channel in STREAMS:
                assert all(item.auth for item in rig.sim.record.subscribed(channel))

    run(scenario(), 20)


def test_l_34_empty_snapshot_flattens(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            await rig.see_position()
            rig.push(FIRST_FRAMES["positions_empty_update"])
            flat = await until(
                lambda: [p for p in rig.of(PositionStatusReport) if p.side is PositionSide.FLAT]
            )
            assert [(p.instrument_id, p.size) for p in flat] == [("ETH-PERP", 0)]
            assert await rig.positions() == []

    run(scenario())


def test_l_35_bad_row_does_not_flatten(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            await rig.see_position()
            bad = json.loads(json.dumps(POSITION_FRAME))
            bad["positions"]["0"]["position"] = "-1.5000"
            rig.push(bad)
            await asyncio.sleep(0.25)
            reports = rig.of(PositionStatusReport)
            assert all(p.side is not PositionSide.FLAT for p in reports)
            (held,) = await rig.positions()
            assert (held.instrument_id, str(held.size)) == ("ETH-PERP", "1.5000")

    run(scenario())


def test_l_36_empty_snapshot_after_transparent_reconnect(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            await rig.see_position()
            rig.sim.configure(typed_frames=False)
            before = len(rig.sim.record.subscribes)
            rig.sim.faults.close()
            await until(lambda: len(rig.sim.record.subscribes) >= before + 4, COUNTER_S)
            await rig.subscribes(2)
            assert len(await rig.positions()) == 1  # kept until the next snapshot
            rig.push(FIRST_FRAMES["positions_empty_update"])
            flat = await until(
                lambda: [p for p in rig.of(PositionStatusReport) if p.side is PositionSide.FLAT]
            )
            assert len(flat) == 1
            assert await rig.positions() == []

    run(scenario(), 20)
