"""The IBKR simulator's login, brokerage session, greeting and edge (X-01 to X-23, without ours)."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import sys

import aiohttp
import pytest
from aiohttp import WSMsgType
from venues.ibkr.sim_desk import ACCOUNT, START_MS, desk, of_topic

from connectors.sim.ibkr.certs import CERTIFICATES
from connectors.sim.ibkr.config import SCENARIOS, SimConfig
from connectors.sim.ibkr.faults import KINDS
from connectors.sim.ibkr.kinds import UNATTENDED


def test_x_01_one_line_of_json_and_one_port():
    process = subprocess.Popen(
        [sys.executable, "-m", "connectors", "sim", "ibkr", "--accounts", "2"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        ready = json.loads(process.stdout.readline())
    finally:
        process.terminate()
        status = process.wait(timeout=20)
        process.stdout.close()
    assert status == 0
    assert ready["venue"] == "ibkr"
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1/api", ready["http"])
    assert ready["ws"] == ready["http"].replace("http", "ws", 1) + "/ws"
    assert [one["account_id"] for one in ready["accounts"]] == ["DU1234567", "DU1234568"]
    assert all(re.fullmatch("[0-9a-f]{32}", one["session"]) for one in ready["accounts"])


@pytest.mark.parametrize("name", ["expired", "valid", "impostor"])
def test_x_01_tls_shows_the_certificate_asked_for(run, name):
    async def scenario() -> None:
        async with desk(tls=name) as table:
            assert table.sim.rest_url.startswith("https://")
            assert table.sim.ws_url.startswith("wss://")
            assert table.sim.describe()["certificate"] == CERTIFICATES[name]
            for pinned in CERTIFICATES:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.load_verify_locations(cadata=CERTIFICATES[pinned])
                context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | 0x200000
                url = table.sim.rest_url + "/tickle"
                if pinned == name:
                    async with table.http.post(url, ssl=context) as answer:
                        assert answer.status == 200
                else:
                    with pytest.raises(aiohttp.ClientSSLError):
                        await table.http.post(url, ssl=context)

    run(scenario(), timeout_s=30.0)


def test_x_02_paths_are_normalised_and_others_are_not_there(run):
    async def scenario() -> None:
        async with desk() as table:
            await table.accounts()
            base = table.sim.http_url
            for path in ("/v1/api//iserver/accounts", "/v1/api/iserver/account/trades/"):
                async with table.http.get(base + path) as answer:
                    assert answer.status == 200
            for path in ("/v1/api/nothing", "/v2/api/tickle", "/v1/apix/tickle"):
                async with table.http.get(base + path) as answer:
                    assert answer.status == 404
                    assert "Resource not found" in await answer.text()
            forced = await table.ok("GET", "/iserver/account/orders?force=True")
            assert forced == {"orders": [], "snapshot": False}

    run(scenario())


def test_x_05_state_and_log_show_everything(run):
    async def scenario() -> None:
        async with desk() as table:
            socket = await table.ready()
            await table.ok("POST", "/tickle")
            await socket.send("tic")
            await socket.frames()
            log = await table.look("log")
            assert {row["kind"] for row in log} == {"http", "in", "out"}
            assert [row["path"] for row in log if row["kind"] == "http"] == ["/tickle"]
            state = await table.look("state")
            assert state["session"]["has_bridge"] is True
            assert state["markets"]["265598"]["fields"]["31"] == "193.18"
            await table.admin("clock", ms=50)
            await table.admin("market", conid=265598, last="193.50", halted=True)
            assert (await table.look("fields?conid=265598"))["31"] == "H193.50"
            status = await table.admin("session", do="expire")
            assert status["authenticated"] is False

    run(scenario())


def test_x_10_tickle_keeps_its_session(run):
    async def scenario() -> None:
        async with desk() as table:
            async with table.http.post(table.sim.rest_url + "/tickle") as answer:
                first = await answer.json()
                assert "x-sess-uuid" in answer.headers["Set-Cookie"]
            assert first["hmds"] == {"error": "no bridge"}
            assert first["iserver"]["authStatus"]["established"] is True
            assert (await table.ok("POST", "/tickle"))["session"] == first["session"]
            table.sim.faults.session_id_change()
            assert (await table.ok("POST", "/tickle"))["session"] != first["session"]

    run(scenario())


def test_x_11_outer_only_until_init(run):
    async def scenario() -> None:
        async with desk() as table:
            table.sim.faults.outer_only()
            assert await table.call("GET", "/iserver/accounts") == (400, "Bad Request: no bridge")
            status = await table.ok("POST", "/iserver/auth/status")
            assert (status["authenticated"], status["connected"]) == (False, True)
            assert (await table.ok("POST", "/tickle"))["iserver"]["authStatus"] == status
            init = {"publish": False, "compete": True}
            assert (await table.call("POST", "/iserver/auth/ssodh/init", init))[0] == 500
            await table.ok("POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": True})
            assert (await table.call("GET", "/iserver/accounts"))[0] == 400  # N-05
            await table.advance(1.1)
            await table.ok("GET", "/iserver/accounts")

    run(scenario())


@pytest.mark.parametrize(("way", "status"), [("401", 401), ("302", 302)])
def test_x_11_logged_out(run, way, status):
    async def scenario() -> None:
        async with desk(logged_out_as=way) as table:
            socket = await table.ready()
            assert await table.ok("POST", "/logout") == {"status": True}
            assert of_topic(await socket.frames(), "sts") == [
                {"topic": "sts", "args": {"authenticated": False}}
            ]
            for method, path in (("POST", "/tickle"), ("GET", "/iserver/accounts")):
                assert (await table.call(method, path))[0] == status
            answer = await table.ok("GET", "/iserver/auth/status")
            assert (answer["authenticated"], answer["connected"]) == (False, False)
            table.sim.session.log_in()
            await table.ok("POST", "/tickle")
            assert (await table.call("GET", "/iserver/accounts"))[0] == 400

    run(scenario())


def test_x_12_dies_without_requests_and_competes_until_taken_back(run):
    async def scenario() -> None:
        async with desk() as table:
            socket = await table.ready()
            await table.advance(300)
            await table.ok("POST", "/tickle")
            await table.advance(300)
            assert (await table.call("POST", "/tickle"))[0] == 200
            table.sim.faults.competing()
            changes = [one["args"] for one in of_topic(await socket.frames(), "sts")]
            assert changes == [{"competing": True}, {"authenticated": False}]
            assert (await table.ok("POST", "/iserver/auth/status"))["competing"] is True
            yielding = {"publish": True, "compete": False}
            answer = await table.ok("POST", "/iserver/auth/ssodh/init", yielding)
            assert answer["competing"] is True
            taking = {"publish": True, "compete": True}
            answer = await table.ok("POST", "/iserver/auth/ssodh/init", taking)
            assert answer["competing"] is False
            await table.advance(1.1)
            changes = [one["args"] for one in of_topic(await socket.frames(), "sts")]
            assert changes == [{"competing": False}, {"authenticated": True}]
            await table.advance(361)
            changes = [one["args"] for one in of_topic(await socket.frames(), "sts")]
            assert changes == [{"authenticated": False}]
            assert (await table.call("POST", "/tickle"))[0] == 401

    run(scenario(), timeout_s=60.0)


def test_x_13_preconditions(run):
    async def scenario() -> None:
        async with desk() as table:
            for method, path, status in (
                ("GET", "/iserver/marketdata/snapshot?conids=265598&fields=31", 400),
                ("GET", "/iserver/account/orders", 400),
                ("DELETE", f"/iserver/account/{ACCOUNT}/order/1", 500),
            ):
                found, body = await table.call(method, path)
                assert (found, body["error"]) == (status, "Please query /accounts first")
            assert (await table.call("GET", f"/portfolio/{ACCOUNT}/summary"))[0] == 400
            assert (await table.call("GET", "/iserver/secdef/strikes?conid=265598"))[0] == 500
            await table.accounts()
            await table.ok("GET", "/iserver/secdef/search?symbol=AAPL")
            await table.ok("GET", f"/portfolio/{ACCOUNT}/summary")
            assert (await table.ok("GET", "/iserver/secdef/strikes?conid=265598"))["call"]
            bad = await table.call("GET", "/portfolio/U0/summary")
            assert bad == (
                400,
                {"error": "Bad Request: accountId is not valid: U0", "statusCode": 400},
            )
            # A new brokerage session asks for them again.
            table.sim.faults.outer_only()
            await table.ok("POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": True})
            await table.advance(2)
            assert (await table.call("GET", "/iserver/account/orders"))[0] == 400

    run(scenario())


def test_x_14_the_edge_checks_headers(run):
    async def scenario() -> None:
        async with desk() as table:
            url = table.sim.rest_url + "/tickle"
            async with table.http.post(url, headers={"User-Agent": ""}) as answer:
                assert (answer.status, "Access Denied" in await answer.text()) == (403, True)

            async def chunks():
                yield b"{}"

            async with table.http.post(url, data=chunks()) as answer:
                assert answer.status == 411
            for cookie, status in (("a=1; b=2", 200), ("a=1; a=2", 401)):
                async with table.http.post(url, headers={"Cookie": cookie}) as answer:
                    assert answer.status == status
            # A handshake needs no User-Agent.
            socket = await table.http.ws_connect(table.sim.ws_url, headers={"User-Agent": ""})
            await socket.close()

    run(scenario())


def test_x_16_limits_and_the_penalty_box(run):
    async def scenario() -> None:
        async with desk(pacing=True, session_idle_s=0.0) as table:
            await table.ok("POST", "/tickle")
            assert (await table.call("POST", "/tickle"))[0] == 429  # P-06
            await table.advance(1.1)
            await table.ok("POST", "/tickle")  # one a minute
            assert (await table.call("GET", "/iserver/accounts"))[0] == 429
            state = (await table.look("state"))["pacing"]
            assert state["exceeded"] == {"/tickle": 1}
            assert (state["ignored"], 598 < state["penalty_s"] < 600) == (1, True)
            await table.admin("clear")
            for _ in range(10):
                await table.ok("GET", "/iserver/accounts")
            assert (await table.call("GET", "/iserver/accounts"))[0] == 429  # P-01
            assert (await table.call("POST", f"/iserver/account/{ACCOUNT}/orders", {}))[0] == 400
            await table.advance(601)
            await table.ok("GET", "/sso/validate")
            await table.advance(1.1)
            assert (await table.call("GET", "/sso/validate"))[0] == 429  # P-07

    run(scenario(), timeout_s=60.0)


def test_x_20_cookies_and_waiting_for_session(run):
    async def scenario() -> None:
        async with desk() as table:
            name = table.sim.session.session_id
            for cookie in (
                f'api={{"session": "{name}"}}',
                f'x-sess-uuid=0.1a; api={{"session":"{name}"}}',
            ):
                socket = await table.dial(cookie)
                await table.advance(0.2)
                assert (await socket.frames())[0]["topic"] == "system"
            for cookie in (None, "api=nonsense", 'api={"session":"other"}'):
                socket = await table.dial(cookie)
                waiting = {"message": "waiting for session"}
                assert await socket.frames() == [waiting]
                await socket.send('{"session":"wrong"}')
                assert await socket.frames() == [waiting]
                await socket.send(f'{{"session":"{name}"}}')
                await socket.frames()
                await table.advance(0.2)
                assert [one["topic"] for one in await socket.frames()] == ["system", "act", "sts"]
                await socket.send(f'{{"session":"{name}"}}')  # unasked now
                assert (await socket.frames())[0]["error"].startswith("Topic unknown '{\"s")

    run(scenario())


def test_x_21_greets_within_250_ms_and_drops_what_comes_before(run):
    async def scenario() -> None:
        async with desk(opcodes="text") as table:
            socket = await table.dial()
            await socket.send("spl", "tic")
            assert await socket.frames() == []
            await table.advance(0.25)
            system, act, sts = await socket.frames()
            assert system == {
                "topic": "system", "success": "simuser", "isFT": False, "isPaper": True,
            }  # fmt: skip
            assert act["args"]["accounts"] == [ACCOUNT]
            assert act["args"]["sessionId"] != table.sim.session.session_id
            assert sts["args"]["authenticated"] is True
            await table.advance(2)
            assert await socket.frames() == []  # spl was not heard
            table.sim.faults.missing_sts()
            table.sim.faults.late_system(6_000)
            socket = await table.dial()
            await table.advance(5.9)
            assert await socket.frames() == []
            await table.advance(0.2)
            assert [one["topic"] for one in await socket.frames()] == ["system", "act"]

    run(scenario())


def test_x_22_heartbeats_and_tics(run):
    async def scenario() -> None:
        async with desk() as table:
            socket = await table.ready()
            await table.advance(30)
            beats = of_topic(await socket.frames(), "system")
            assert [one["hb"] for one in beats[1:]] == [one["hb"] + 10_000 for one in beats[:-1]]
            assert len(beats) in (2, 3)
            await socket.send("tic", "tic", "ech+hb")
            *tics, echo = await socket.frames()
            assert echo["topic"] == "ech+hb"
            assert len(tics) == 8
            assert [tics[0]] * 4 + [tics[4]] * 4 == tics
            assert tics[0]["lastAccessed"] < tics[4]["lastAccessed"]
            assert (tics[0]["alive"], tics[0]["id"]) == (True, table.sim.session.session_id)
            table.sim.faults.tic_dead()
            await socket.send("tic")
            assert (await socket.frames())[0]["alive"] is False

    run(scenario())


@pytest.mark.parametrize("opcodes", ["mixed", "text", "binary"])
def test_x_23_opcodes(run, opcodes):
    async def scenario() -> None:
        async with desk(opcodes=opcodes) as table:
            socket = await table.ready()
            await socket.send(*["tic"] * 10)
            await socket.frames()
            expected = {
                "mixed": {WSMsgType.TEXT, WSMsgType.BINARY},
                "text": {WSMsgType.TEXT},
                "binary": {WSMsgType.BINARY},
            }
            assert set(socket.kinds) == expected[opcodes]

    run(scenario())


def test_12_6_every_fault_is_known_and_those_that_can_be_are_scenarios():
    named = [
        "session_expiry",
        "outer_only",
        "competing",
        "session_id_change",
        "no_bridge_window",
        "login_redirect",
        "missing_sts",
        "late_system",
        "drop_pre_ready",
        "waiting_for_session",
        "stalled_heartbeat",
        "close_1000_loop",
        "close_1006",
        "close_1011",
        "reset_mid_frame",
        "half_open",
        "lost_subscriptions",
        "sor_silent",
        "sor_no_snapshot",
        "filter_poison",
        "smd_expiry",
        "line_limit",
        "halted",
        "prev_close",
        "empty_update",
        "server_id_hop",
        "updated_backwards",
        "unknown_field",
        "malformed",
        "truncated",
        "invalid_utf8_binary",
        "binary_only",
        "empty_frames",
        "fragmented",
        "slow_reader",
        "burst",
        "tic_dead",
        "error_frame",
        "ntf_object",
        "late_order_reply",
        "reply_lost",
        "reply_not_found",
        "reply_chain_9",
        "place_503_but_live",
        "duplicate_executions",
        "commission_later",
        "out_of_order_status",
        "inactive_then_submitted",
        "bad_row",
        "cancel_too_late",
        "penalty_429",
        "maintenance",
        "gone_410",
        "edge_403",
    ]
    assert set(named) <= set(KINDS)
    assert set(named) <= set(UNATTENDED)
    assert set(named) <= set(SCENARIOS)
    for scenario in SCENARIOS:
        SimConfig.of(scenario)


def test_12_6_faults_of_the_session_and_the_edge(run):
    async def scenario() -> None:
        async with desk() as table:
            faults = table.sim.faults
            faults.no_bridge_window(1_000)
            assert (await table.call("GET", "/iserver/accounts"))[0] == 400
            await table.advance(1.1)
            assert (await table.call("GET", "/iserver/accounts"))[0] == 200
            for fault, status in (
                (faults.login_redirect, 302), (faults.gone_410, 410), (faults.edge_403, 403),
            ):  # fmt: skip
                fault(ms=500)
                assert (await table.call("POST", "/tickle"))[0] == status
                await table.advance(0.6)
            faults.tickle_failed()
            assert await table.ok("POST", "/tickle") == {"error": "failed to process request"}
            faults.waiting_for_session()
            assert await (await table.dial()).frames() == [{"message": "waiting for session"}]
            faults.session_expiry(ms=1_000)
            assert (await table.call("POST", "/tickle"))[0] == 401
            await table.advance(1.1)
            assert (await table.call("POST", "/tickle"))[0] == 200
            await table.ok("POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": True})
            await table.advance(1.1)
            socket = await table.ready()
            faults.maintenance(ms=500)
            await socket.to_the_end()
            assert socket.close_code == 1001
            assert (await table.call("POST", "/tickle"))[0] == 503
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await table.dial()
            await table.advance(0.6)
            await table.ready()

    run(scenario())


def test_12_6_faults_of_sockets(run):
    async def scenario() -> None:
        async with desk(opcodes="text") as table:
            faults = table.sim.faults
            socket = await table.ready()
            faults.malformed()
            faults.truncated()
            faults.invalid_utf8_binary()
            faults.empty_frames()
            faults.error_frame()
            faults.ntf_object()
            bad, half, lossy, *fillers, error, error2, note = await socket.frames()
            assert (bad, half[:9]) == ("not-json", '{"topic":')
            assert lossy["args"]["message"] == "\ufffd\ufffd"
            assert [fillers[0], fillers[1], fillers[2], fillers[3]] == ["", {}, "", {}]
            assert ("error" in error, error2["topic"], note["topic"]) == (True, "error", "ntf")
            await socket.send("spl")
            assert of_topic(await socket.frames(), "spl")
            faults.stalled_heartbeat(ms=5_000)
            await socket.send("tic")
            assert await socket.frames() == []
            await table.advance(5.1)
            await socket.send("tic")
            assert len(of_topic(await socket.frames(), "tic")) == 4
            faults.lost_subscriptions(deaf=1)
            assert socket_subscriptions(table) == []
            await socket.send("spl", "str+{}")
            await socket.frames()
            assert socket_subscriptions(table) == ["str"]
            for fault, code in ((faults.close_1011, 1011), (faults.close, 1000)):
                socket = await table.ready()
                fault()
                await socket.to_the_end()
                assert socket.close_code == code
            faults.close_1000_loop(count=2)
            for _ in range(2):
                socket = await table.dial()
                await table.advance(0.2)
                assert await socket.to_the_end() == []
                assert socket.close_code == 1000
            socket = await table.ready()
            faults.reset_mid_frame()
            await table.advance(0.05)
            await socket.to_the_end()
            assert socket.close_code is None
            assert table.sim.clock.now_ms() > START_MS

    run(scenario())


def socket_subscriptions(table) -> list[str]:
    return [name for one in table.sim.connections.values() for name in one.subscriptions()]
