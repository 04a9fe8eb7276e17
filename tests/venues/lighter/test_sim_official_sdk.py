"""The official `lighter-sdk`, unmodified but for its address, against the simulator (18.3).

Its whole flow runs once, in a program of its own; each test looks at one part of what came back.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from connectors.sim.lighter.config import SimConfig
from connectors.sim.lighter.server import start

WANTED = "1.1.8"
PROGRAM = Path(__file__).with_name("official_sdk.py")
BOUND_S = 120.0

try:
    found = importlib.metadata.version("lighter-sdk")
except importlib.metadata.PackageNotFoundError:
    found = "none"
pytestmark = pytest.mark.skipif(
    found != WANTED, reason=f"lighter-sdk {WANTED} is not installed here (found: {found})"
)

Result = dict[str, Any]


async def flow() -> Result:
    """Run the program against a fresh simulator; return its results and the venue's ledger."""
    sim = await start(SimConfig.of("still", book_batch_ms=10.0))
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "ignore", str(PROGRAM), json.dumps(sim.describe()),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(BOUND_S):
            output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()[-4000:]
        results: Result = json.loads(output.splitlines()[-1])
        results["ledger"] = {
            str(account.index): {
                "size": account.size_in(sim.exchange.markets[0]),
                "live": len(account.live),
                "statuses": [order.status for order in account.inactive],
            }
            for account in sim.exchange.accounts.values()
            if not account.house
        }
        results["http_txs"] = len(sim.record.sends(transport="http"))
        return results
    finally:
        await sim.stop()


@pytest.fixture(scope="module")
def results() -> Result:
    return asyncio.run(flow())


def test_check_client(results: Result) -> None:
    assert results["check"] == {"errors": [None, None]}
    assert "private key does not match" in results["wrong_key"]["error"]


def test_markets(results: Result) -> None:
    markets = results["markets"]
    assert (markets["perps"], markets["spot"]) == (["ETH", "BTC", "SOL"], ["ETH/USDC"])
    assert (markets["books"], markets["asks"]) == (4, 20)
    assert markets["best_ask"] > 236_000


def test_create_modify_cancel(results: Result) -> None:
    life = results["order_life"]
    for step in ("created", "modified", "cancelled"):
        assert (life[step]["code"], life[step]["error"]) == (200, None)
    assert life["active"] == [
        [{"index": 77, "price": "2000.00", "size": "0.0100"}],
        [{"index": 77, "price": "2010.00", "size": "0.0200"}],
        [],
    ]
    assert life["inactive"] == [[77, "canceled"]]
    assert life["tx_status"] == 2


def test_a_refused_order_does_not_upset_the_nonces(results: Result) -> None:
    refusal = results["refusal"]
    assert "21706" in refusal["too_small"]["error"]
    assert refusal["next"]["code"] == 200


def test_market_order_trades_on_both_sides(results: Result) -> None:
    trade = results["trade"]
    assert (trade["resting"]["code"], trade["taken"]["code"]) == (200, 200)
    assert trade["trades"] == [[[502, 501, "0.0100"]]] * 2
    assert trade["positions"] == [[["ETH", 1, "0.0100"]], [["ETH", -1, "0.0100"]]]


def test_batch_of_three(results: Result) -> None:
    batch = results["batch"]
    assert (batch["code"], batch["same_hashes"]) == (200, True)
    assert {row["index"] for row in batch["active"]} >= {600, 601, 602}


def test_parallel_orders(results: Result) -> None:
    assert [item["code"] for item in results["parallel"]["outcomes"]] == [200, 200]


def test_recovery_from_a_lost_nonce(results: Result) -> None:
    lost = results["lost_nonce"]
    assert "invalid nonce" in lost["refused"]["error"]
    assert (lost["again"]["code"], lost["again"]["error"]) == (200, None)


def test_integrator_and_leverage(results: Result) -> None:
    settings = results["account_settings"]
    assert (settings["approved"]["code"], settings["leverage"]["code"]) == (200, 200)
    assert settings["integrators"] == [6]
    assert settings["margin"] == ["10.00"]
    assert settings["taker_fee"] == 196
    assert results["with_integrator"]["order"]["code"] == 200
    assert results["with_integrator"]["stop"]["code"] == 200


@pytest.mark.parametrize("client", ["ws_sync", "ws_async"])
def test_websocket_clients(results: Result, client: str) -> None:
    watched = results[client]
    assert watched["order"]["code"] == 200
    assert watched["books"] >= 1
    assert watched["trades"] == 1


def test_cancel_all(results: Result) -> None:
    assert results["cancel_all"]["outcome"]["code"] == 200
    assert results["cancel_all"]["active"] == []


def test_ledger(results: Result) -> None:
    """What the SDK believes to have done is what the venue holds."""
    one, two = results["ledger"].values()
    assert (one["size"], two["size"]) == (300, -100)
    assert (one["live"], two["live"]) == (0, 0)
    assert one["statuses"].count("filled") == 3
    assert two["statuses"] == ["filled"]
    assert set(one["statuses"]) == {"filled", "canceled"}
    assert results["http_txs"] >= 15
