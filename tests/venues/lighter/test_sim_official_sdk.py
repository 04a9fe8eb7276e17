"""The official `lighter-sdk`, unmodified but for its address, against the simulator (18.3).

Its whole flow runs once, in a program of its own; each test looks at one part of what came back.
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

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


def flow() -> Result:
    """Run the program against `connectors sim lighter`; return its results and the ledger."""
    command = [sys.executable, "-P", "-m", "connectors", "sim", "lighter", "--port", "0"]
    with subprocess.Popen(
        [*command, "--scenario", "still"], stdout=subprocess.PIPE, text=True
    ) as venue:
        try:
            assert venue.stdout is not None
            ready = json.loads(venue.stdout.readline())
            program = subprocess.run(
                [sys.executable, "-W", "ignore", str(PROGRAM), json.dumps(ready)],
                capture_output=True, text=True, timeout=BOUND_S, check=False,
            )  # fmt: skip
            assert program.returncode == 0, program.stderr[-4000:]
            results: Result = json.loads(program.stdout.splitlines()[-1])
            http = ready["http"]
            results["ledger"] = [ledger(http, a["account_index"]) for a in ready["accounts"]]
            results["http_txs"] = sum(tx["transport"] == "http" for tx in ask(http, "txs"))
        finally:
            venue.terminate()
            status = venue.wait(timeout=20)
    assert status == 0
    return results


def ask(http: str, name: str) -> Any:
    with urllib.request.urlopen(f"{http}/_sim/{name}", timeout=10) as answer:
        return json.loads(answer.read())


def ledger(http: str, account: int) -> Result:
    """Return what the venue itself holds of an account."""
    (row,) = [a for a in ask(http, "accounts") if a["account_index"] == account]
    orders = ask(http, f"orders?account={account}")
    return {
        "positions": [(p["symbol"], p["sign"], p["position"]) for p in row["positions"]],
        "statuses": [order["status"] for order in orders],
        "trades": len(ask(http, f"trades?account={account}")),
    }


@pytest.fixture(scope="module")
def results() -> Result:
    return flow()


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
    assert settings["maker_only"] == [[5], []]
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
    one, two = results["ledger"]
    assert one["positions"] == [("ETH", 1, "0.0300")]
    assert two["positions"] == [("ETH", -1, "0.0100")]
    assert one["statuses"].count("filled") == one["trades"] == 3
    assert two["statuses"] == ["filled"]
    assert set(one["statuses"]) == {"filled", "canceled"}
    assert results["http_txs"] >= 15
