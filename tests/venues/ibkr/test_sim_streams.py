"""The IBKR simulator's websocket topics (X-24 to X-29, section 4, without our client)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from venues.ibkr.sim_desk import ACCOUNT, START_MS, desk, of_topic

from connectors.sim.ibkr.contracts import CONTRACTS
from connectors.sim.ibkr.markets import commas, short

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "ibkr"
FIELDS = '{"fields":["31","84","86","85","88","87"]}'
COMBO = "28812380;;;679289300/1,679295546/-1"


def test_x_24_first_full_then_changes_topic_last(run):
    async def scenario() -> None:
        async with desk() as table:
            socket = await table.ready()
            await socket.send(f"smd+265598+{FIELDS}")
            (first,) = await socket.frames()
            assert list(first)[:5] == ["server_id", "conidEx", "conid", "_updated", "6119"]
            assert list(first)[-1] == "topic"
            assert set(first) >= {"31", "84", "86", "85", "88", "87", "6509"}
            assert (first["conid"], first["conidEx"]) == (265598, "265598")
            assert first["topic"] == "smd+265598"
            assert first["_updated"] == START_MS
            assert first["server_id"] == first["6119"]
            await table.advance(2)
            assert await socket.frames() == []  # nothing has changed
            table.sim.set_market(265598, last="193.50")
            await table.advance(0.6)
            (second,) = await socket.frames()
            assert second["31"] == "193.50"
            assert "6509" not in second
            # Other fields are added, and everything comes again.
            await socket.send('smd+265598+{"fields":["83","7762"]}')
            (again,) = await socket.frames()
            assert set(again) >= {"31", "84", "86", "85", "88", "87", "6509", "83", "7762"}
            assert again["83"] == round(100 * 0.32 / 193.18, 2)

    run(scenario())


def test_x_24_delta_frames_merge_to_the_fields_of_the_market(run):
    async def scenario() -> None:
        async with desk(rate_per_s=300.0, virtual_start_ms=START_MS) as table:
            socket = await table.ready()
            await socket.send(f"smd+265598+{FIELDS}", f"smd+12087792+{FIELDS}")
            await table.advance(5)
            await table.admin("quiesce")
            frames = of_topic(await socket.frames(), "smd")
            assert len(frames) > 8
            for conid in (265598, 12087792):
                merged: dict[str, object] = {}
                for frame in frames:
                    if frame["conid"] == conid:
                        merged |= frame
                truth = (await table.look("state"))["markets"][str(conid)]["fields"]
                codes = ("31", "84", "86", "85", "88", "87")
                assert {c: merged[c] for c in codes} == {c: truth[c] for c in codes}

    run(scenario())


def test_x_24_ends_after_ten_minutes_unless_renewed(run):
    async def scenario() -> None:
        async with desk(session_idle_s=0.0, heartbeat_s=1e6) as table:
            socket = await table.ready()
            await socket.send(f"smd+265598+{FIELDS}", f"smd+8314+{FIELDS}")
            await table.advance(540)
            await socket.send(f"smd+265598+{FIELDS}")
            await socket.frames()
            await table.advance(70)
            for conid in (265598, 8314):
                table.sim.set_market(conid, last="190.00")
            await table.advance(1)
            assert [one["conid"] for one in await socket.frames()] == [265598]

    run(scenario(), timeout_s=60.0)


def test_x_24_flags_exchanges_combinations_and_lines(run):
    async def scenario() -> None:
        async with desk(traded=False, market_lines=4) as table:
            socket = await table.ready()
            await socket.send(f"smd+8314+{FIELDS}")
            (first,) = await socket.frames()
            assert first["31"] == "C139.83"
            assert "7059" not in first
            table.sim.set_market(8314, last="139.90")
            await table.advance(0.6)
            assert (await socket.frames())[0]["31"] == "139.90"
            table.sim.faults.halted(8314)
            await table.advance(0.6)
            assert (await socket.frames())[0]["31"] == "H139.90"
            table.sim.faults.halted(8314, on=False)
            table.sim.faults.availability("DPB", 8314)
            await table.advance(0.6)
            (frame,) = await socket.frames()
            assert (frame["31"], frame["6509"]) == ("139.90", "DPB")
            await socket.send(f"smd+265598@ISLAND+{FIELDS}", f"smd+{COMBO}+{FIELDS}")
            island, combo = await socket.frames()
            assert (island["conid"], island["conidEx"]) == (265598, "265598@ISLAND")
            assert island["topic"] == "smd+265598@ISLAND"
            assert (combo["conid"], combo["conidEx"]) == (28812380, COMBO)
            assert combo["31"] == "C-0.25"
            assert float(combo["84"]) < float(combo["86"]) < 0
            await socket.send(f"smd+756733+{FIELDS}", f"smd+515416632+{FIELDS}")
            _, fifth = await socket.frames()
            assert fifth["6509"] == "N"
            assert not {"31", "84"} & set(fifth)
            await socket.send(f"smd+1+{FIELDS}", "smd+8314")
            assert all("error" in one for one in await socket.frames())

    run(scenario())


def test_x_24_market_data_faults(run):
    async def scenario() -> None:
        async with desk(opcodes="text") as table:
            faults = table.sim.faults
            socket = await table.ready()
            await socket.send(f"smd+265598+{FIELDS}")
            (first,) = await socket.frames()
            faults.empty_update()
            faults.unknown_field()
            empty, unknown = await socket.frames()
            assert empty == {"topic": "smd+265598"}
            assert unknown["9999"] == "new"
            faults.updated_backwards(265598)
            table.sim.exchange.market(265598).last += 1
            await table.advance(0.6)
            (frame,) = await socket.frames()
            assert frame["_updated"] < first["_updated"]
            assert frame["server_id"] != first["server_id"]
            assert faults.burst(count=500) == 500
            assert len(await socket.frames()) == 500
            faults.tap("smd", "duplicate")
            table.sim.set_market(265598, last="193.60")
            await table.advance(0.6)
            one, two = await socket.frames()
            assert one == two
            faults.smd_expiry()
            table.sim.set_market(265598, last="193.70")
            await table.advance(1)
            assert await socket.frames() == []

    run(scenario())


@pytest.mark.parametrize("conid", [one.conid for one in CONTRACTS if not one.conidex])
def test_x_36_every_contract_has_a_market_on_its_increments(run, conid):
    async def scenario() -> None:
        async with desk(rate_per_s=200.0) as table:
            await table.accounts()
            await table.advance(2)
            market = table.sim.exchange.market(conid)
            contract = market.contract
            for is_bid in (True, False):
                levels = market.depth(is_bid=is_bid)
                assert len(levels) > 5
                assert all(price % contract.increment(price) == 0 for price, _ in levels)
            assert market.bid < market.ask
            rules = await table.ok("POST", "/iserver/contract/rules", {"conid": conid})
            assert rules["incrementRules"] == contract.wire_rules()
            assert rules["error"] is None
            (row,) = (await table.ok("GET", f"/trsrv/secdef?conids={conid}"))["secdef"]
            assert (row["conid"], row["incrementRules"]) == (conid, rules["incrementRules"])

    run(scenario())


def test_5_1_texts_of_sizes():
    assert [commas(size, 4) for size in (1_000_000, 13_000_000, 5_000, 12_345_600)] == [
        "100", "1,300", "0.5", "1,234.56",
    ]  # fmt: skip
    assert [short(size, 0) for size in (9_876, 98_760, 12_345_678, 3_200_000_000)] == [
        "9876", "98.7K", "12.3M", "3.2B",
    ]  # fmt: skip


def test_x_25_history_slots_ladder_and_ends(run):
    async def scenario() -> None:
        async with desk(history_slots=2) as table:
            socket = await table.ready()
            ask = 'smh+265598+{"period":"2h","bar":"5min","source":"trades","format":"%o/%c"}'
            await socket.send(ask, ask, ask)
            first, second, third = await socket.frames()
            assert "error" in third
            assert len(first["data"]) == 24
            assert first["serverId"] != second["serverId"]
            steps = {
                b["t"] - a["t"] for a, b in zip(first["data"], first["data"][1:], strict=False)
            }
            assert steps == {300_000}
            assert all(bar["l"] <= min(bar["o"], bar["c"]) for bar in first["data"])
            await socket.send(f"umh+{first['serverId']}", ask, "umh+1")
            gone, again, unknown = await socket.frames()
            assert gone == {"message": f"Unsubscribed {first['serverId']}"}
            assert (again["topic"], "error" in unknown) == ("smh+265598", True)
            await socket.send(f"sbd+{ACCOUNT}+265598+ISLAND")
            await table.advance(0.1)
            (ladder,) = await socket.frames()
            assert ladder["topic"] == f"sbd+{ACCOUNT}+265598+ISLAND"
            rows = ladder["data"]
            assert [row["row"] for row in rows] == list(range(41))
            (focus,) = [row for row in rows if row["focus"]]
            assert focus["price"] == "100 @ 193.18"
            prices = [float(row["price"].split(" @ ")[-1]) for row in rows]
            assert prices == sorted(prices, reverse=True)
            assert all("ask" in row for row in rows[:20])
            assert all("bid" in row for row in rows[21:])
            await socket.send(f"ubd+{ACCOUNT}", "umd+265598+{}")
            table.sim.set_market(265598, last="193.50")
            await table.advance(1)
            assert await socket.frames() == []

    run(scenario())


def test_x_25_a_ladder_of_changes_merges_to_the_whole(run):
    async def scenario() -> None:
        async with desk(ladder="changes", rate_per_s=100.0) as table:
            socket = await table.ready()
            await socket.send(f"sbd+{ACCOUNT}+265598")
            await table.advance(4)
            await table.admin("quiesce")
            rows: dict[int, dict[str, object]] = {}
            frames = of_topic(await socket.frames(), "sbd")
            for frame in frames:
                rows |= {row["row"]: row for row in frame["data"]}
            assert min(len(one["data"]) for one in frames) < 41
            truth = (await table.look("state"))["markets"]["265598"]["ladder"]
            assert [rows[number] for number in range(41)] == truth

    run(scenario())


def test_x_26_x_28_each_account_topic_answers_at_once(run):
    async def scenario() -> None:
        async with desk(sor_snapshot="always") as table:
            socket = await table.ready()
            await socket.send(
                "sor+{}", "str+{}", "spl", f"ssd+{ACCOUNT}+{{}}", f"sld+{ACCOUNT}+{{}}"
            )
            orders, trades, pnl, summary, ledger = await socket.frames()
            assert orders == {"topic": "sor", "args": []}
            assert trades == {"topic": "str", "args": []}
            assert set(pnl["args"][f"{ACCOUNT}.Core"]) == {
                "rowType", "dpl", "nl", "upl", "el", "uel", "mv",
            }  # fmt: skip
            assert summary["result"][0]["key"] == "AccountCode"
            assert summary["result"][0]["value"] == ACCOUNT
            assert all({"key", "timestamp"} <= set(row) for row in summary["result"])
            assert [row["acctCode"] for row in ledger["result"]] == [ACCOUNT] * 2
            assert "cashbalance" in ledger["result"][0]
            await table.advance(10.1)
            later = await socket.frames()
            (blank,) = of_topic(later, "sld")
            assert all(set(row) == {"key", "timestamp"} for row in blank["result"])
            assert not of_topic(later, "spl")  # nothing has changed
            await socket.send(f"usd+{ACCOUNT}+{{}}", f"uld+{ACCOUNT}")
            assert await socket.frames() == [
                {"result": "unsubscribed from summary"},
                {"result": "unsubscribed from ledger"},
            ]
            await socket.send(f'ssd+{ACCOUNT}+{{"keys":["NetLiquidation"],"fields":["currency"]}}')
            (few,) = await socket.frames()
            assert [row["key"] for row in few["result"]] == ["AccountCode", "NetLiquidation"]
            assert set(few["result"][1]) == {"key", "timestamp", "currency", "severity"}

    run(scenario())


def test_x_27_every_spelling_of_the_data_file_is_understood(run):
    path = SHARED / "ws_client_frames.json"
    if not path.exists():
        pytest.skip("no data folder beside the checkout")
    data = json.loads(path.read_text())

    async def scenario() -> None:
        async with desk(history_slots=100) as table:
            socket = await table.ready()
            for text in data["accept_also"]:
                await socket.send(text)
            answers = await socket.frames()
            assert [one for one in answers if "error" in one] == [
                {"error": "no history 20477", "code": 0}
            ]
            for text in ("zzz+1", "smd", "smd+265598+{", "hello world", "smdx+1"):
                await socket.send(text)
                assert any("error" in one for one in await socket.frames()), text

    run(scenario())


def test_x_29_a_new_socket_starts_with_nothing(run):
    async def scenario() -> None:
        async with desk() as table:
            socket = await table.ready()
            await socket.send(f"smd+265598+{FIELDS}", "spl", "sor+{}")
            await socket.frames()
            await socket.ws.close()
            socket = await table.ready()
            table.sim.set_market(265598, last="193.50")
            table.sim.admin_order(
                ACCOUNT, conid=265598, side="BUY", orderType="MKT", tif="DAY", quantity=1
            )
            await table.advance(3)
            assert of_topic(await socket.frames(), "s") == []

    run(scenario())


def test_frames_have_the_keys_of_the_samples(run):
    """Every key of a recorded or documented frame that the simulator also sends."""
    path = SHARED / "ws_server_frames.json"
    if not path.exists():
        pytest.skip("no data folder beside the checkout")
    samples = {row["id"]: json.loads(row["text"]) for row in json.loads(path.read_text())["frames"]
               if row["text"].startswith("{")}  # fmt: skip

    async def scenario() -> None:
        async with desk(sor_snapshot="always") as table:
            socket = await table.ready()
            await socket.send(
                "sor+{}", "str+{}", f"sld+{ACCOUNT}+{{}}", 'smh+265598+{"period":"1d","bar":"1h"}'
            )
            *_, ledger, history = await socket.frames()
            order = table.sim.admin_order(
                ACCOUNT, conid=265598, side="BUY", orderType="LMT", price=193.19, tif="DAY",
                quantity=5, cOID="bot-000001",
            )  # fmt: skip
            assert order.status == "Filled"
            await table.admin("quiesce")
            frames = await socket.frames()
            rows = [row for one in of_topic(frames, "sor") for row in one["args"]]
            executions = [row for one in of_topic(frames, "str") for row in one["args"]]
            for name, ours in (
                ("sor_full_inactive", rows[0]), ("sor_marker", rows[1]),
                ("sor_delta_pending", rows[2]), ("sor_filled", rows[-1]),
                ("str_no_commission", executions[0]), ("str_with_commission", executions[1]),
            ):  # fmt: skip
                assert set(ours) == set(samples[name]["args"][0]), name
            assert set(ledger["result"][0]) == set(samples["sld"]["result"][0])
            assert set(history) == set(samples["smh_first"])
            assert set(history["data"][0]) == set(samples["smh_first"]["data"][0])

    run(scenario())
