"""The official hyperliquid-python-sdk, unmodified, against the simulator (Q2).

Its dependencies pin a pycryptodome older than ours may be, so it lives in an environment of its
own: the interpreter named by CONNECTORS_HYPERLIQUID_SDK_PYTHON, else this one if it has the SDK,
else that of `make hyperliquid-sdk`, else a virtual environment below the temporary directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import pytest

VERSION = "0.24.0"
INSTALL_TIMEOUT_S = 240
ROOT = pathlib.Path(__file__).resolve().parents[3]


def _has_sdk(python: str) -> bool:
    code = (
        "import importlib.metadata as m, sys;"
        f"sys.exit(m.version('hyperliquid-python-sdk') != {VERSION!r})"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, timeout=60, check=False)
    return done.returncode == 0


def _make_environment(home: pathlib.Path) -> str:
    python = home / "bin" / "python"
    with open(home.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes at once
        if not (python.exists() and _has_sdk(str(python))):
            for command in (
                [sys.executable, "-m", "venv", "--clear", str(home)],
                [str(python), "-m", "pip", "-q", "install", f"hyperliquid-python-sdk=={VERSION}"],
            ):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    subprocess.run(
                        command, capture_output=True, timeout=INSTALL_TIMEOUT_S, check=False
                    )
    return str(python)


@pytest.fixture(scope="module")
def sdk_python() -> str:
    named = os.environ.get("CONNECTORS_HYPERLIQUID_SDK_PYTHON")
    if named:
        return named
    if importlib.util.find_spec("hyperliquid") is not None and _has_sdk(sys.executable):
        return sys.executable
    made = ROOT / "build" / "hyperliquid-sdk" / "bin" / "python"  # by `make hyperliquid-sdk`
    if made.exists() and _has_sdk(str(made)):
        return str(made)
    home = pathlib.Path(tempfile.gettempdir()) / f"tickwire-hyperliquid-sdk-{VERSION}"
    python = _make_environment(home)
    if not (pathlib.Path(python).exists() and _has_sdk(python)):
        pytest.skip(f"hyperliquid-python-sdk {VERSION} cannot be installed here")
    return python


@pytest.fixture
def simulator():
    """The simulator as a user starts it, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "connectors", "sim", "hyperliquid", "--port", "0", "--rate", "40"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=20)
        process.stdout.close()
    assert status == 0


PRELUDE = """
import json, sys, threading, time
import eth_account
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils import error
from hyperliquid.utils.types import Cloid

url = sys.argv[1]
wallets = [eth_account.Account.from_key(key) for key in sys.argv[2:]]
me, other = (wallet.address for wallet in wallets)
checks = {}


def check(name, good, detail=None):
    checks[name] = True if good else repr(detail)


def until(condition, timeout_s=45):
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()
"""


def drive(python: str, simulator: dict, script: str) -> None:
    """Run a script of the SDK's; every check it makes must have held."""
    keys = [account["private_key"] for account in simulator["accounts"]]
    end = "\nprint('CHECKS ' + json.dumps(checks))\n"
    done = subprocess.run(
        [python, "-W", "ignore", "-c", PRELUDE + script + end, simulator["http"], *keys],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("CHECKS "))
    checks = json.loads(line.removeprefix("CHECKS "))
    assert checks
    assert {name: good for name, good in checks.items() if good is not True} == {}


INFO = """
info = Info(url, skip_ws=True, perp_dexs=["", "xyz"])
check("assets", info.coin_to_asset["BTC"] == 0 and info.coin_to_asset["@107"] == 10107
      and info.coin_to_asset["xyz:TSLA"] == 120000, info.coin_to_asset)
check("spot name", info.name_to_coin["HYPE/USDC"] == "@107")
state = info.user_state(me)
check("balance", float(state["marginSummary"]["accountValue"]) == 1_000_000, state)
spot = {b["coin"]: b for b in info.spot_user_state(me)["balances"]}
check("spot", float(spot["USDC"]["total"]) == 100_000, spot)
mids = info.all_mids()
check("mids", float(mids["BTC"]) > 0 and "PURR/USDC" in mids and "xyz:TSLA" not in mids, mids)
check("mids dex", set(info.all_mids("xyz")) == {"xyz:TSLA", "xyz:GOLD"})
book = info.l2_snapshot("BTC")
bids, asks = book["levels"]
check("book", 10 < len(bids) <= 20 and float(bids[0]["px"]) < float(asks[0]["px"]), book)
check("open orders", info.open_orders(me) == [] and info.frontend_open_orders(me) == [])
check("fills", info.user_fills(me) == [] and info.user_fills_by_time(me, 0) == [])
check("meta", len(info.meta()["universe"]) == 6)
check("contexts", len(info.meta_and_asset_ctxs()[1]) == 6)
check("spot contexts", len(info.spot_meta_and_asset_ctxs()[1]) == 2)
check("candles", isinstance(info.candles_snapshot("BTC", "1m", 0, 2_000_000_000_000), list))
check("fees", "userCrossRate" in info.user_fees(me))
check("rate limit", info.user_rate_limit(me)["nRequestsCap"] == 10_000)
check("role", info.user_role(me) == {"role": "user"})
check("unknown role", info.user_role("0x" + "ab" * 20) == {"role": "missing"})
check("sub accounts", info.query_sub_accounts(me) is None)
check("agents", info.extra_agents(me) == [])
check("unknown order", info.query_order_by_oid(me, 1) == {"status": "unknownOid"})
check("historical", info.historical_orders(me) == [])
check("funding", info.funding_history("BTC", 0) == [])
check("user funding", info.user_funding_history(me, 0) == [])
check("ledger", info.user_non_funding_ledger_updates(me, 0) == [])
check("twap fills", info.user_twap_slice_fills(me) == [])
check("dexs", info.perp_dexs()[2]["name"] == "xyz")
try:
    info.post("/info", {"type": "nope"})
    check("422", False)
except error.ClientError as refused:
    check("422", refused.status_code == 422, refused)
"""

TRADING = """
exchange = Exchange(wallets[0], url)
info = exchange.info


def statuses(reply):
    assert reply["status"] == "ok", reply
    return reply["response"]["data"]["statuses"]


placed = exchange.order("BTC", True, 0.01, 40000, {"limit": {"tif": "Gtc"}})
oid = statuses(placed)[0]["resting"]["oid"]
check("resting", oid > 2**38, placed)
check("listed", [o["oid"] for o in info.open_orders(me)] == [oid])
modified = exchange.modify_order(oid, "BTC", True, 0.02, 41000, {"limit": {"tif": "Gtc"}})
new = statuses(modified)[0]["resting"]["oid"]
check("modified", new > oid, modified)
old = info.query_order_by_oid(me, oid)["order"]
check("old leg", old["status"] == "canceled", old)
check("cancel", statuses(exchange.cancel("BTC", new)) == ["success"])
gone = statuses(exchange.cancel("BTC", new))[0]["error"]
check("cancel again", "never placed, already canceled, or filled" in gone, gone)
gone = statuses(exchange.modify_order(new, "BTC", True, 0.02, 41000, {"limit": {"tif": "Gtc"}}))
check("modify gone", "Cannot modify canceled or filled order" in gone[0]["error"], gone)

cloid = Cloid.from_str("0x" + "0" * 31 + "7")
named = exchange.order("ETH", False, 0.5, 4000, {"limit": {"tif": "Alo"}}, cloid=cloid)
check("cloid", statuses(named)[0]["resting"]["cloid"] == cloid.to_raw(), named)
found = info.query_order_by_cloid(me, cloid)
check("by cloid", found["order"]["order"]["cloid"] == cloid.to_raw(), found)
moved = exchange.modify_order(cloid, "ETH", False, 0.5, 4100, {"limit": {"tif": "Alo"}},
                              cloid=cloid)
check("modify by cloid", "resting" in statuses(moved)[0], moved)
check("cancel by cloid", statuses(exchange.cancel_by_cloid("ETH", cloid)) == ["success"])

many = exchange.bulk_orders([
    {"coin": coin, "is_buy": True, "sz": size, "limit_px": px, "reduce_only": False,
     "order_type": {"limit": {"tif": "Gtc"}}}
    for coin, size, px in (("BTC", 0.01, 40000), ("SOL", 20, 1), ("PURR/USDC", 1000, 0.05))
])
first, second, third = statuses(many)
check("bulk", "resting" in first and "80% away" in second["error"] and "resting" in third, many)
cancels = [{"coin": o["coin"], "oid": o["oid"]} for o in info.open_orders(me)]
check("bulk cancel", statuses(exchange.bulk_cancel(cancels)) == ["success"] * 2, cancels)

check("leverage", exchange.update_leverage(5, "ETH", False)["status"] == "ok")
check("bad leverage", exchange.update_leverage(1000, "ETH")["status"] == "err")
check("schedule", exchange.schedule_cancel(int(time.time() * 1000) + 10_000)["status"] == "ok")
check("unschedule", exchange.schedule_cancel(None)["status"] == "ok")
early = exchange.schedule_cancel(int(time.time() * 1000))
check("schedule early", "too early" in early["response"])

opened = exchange.market_open("ETH", True, 0.5)
check("market open", statuses(opened)[0]["filled"]["totalSz"] == "0.5", opened)
position = info.user_state(me)["assetPositions"][0]["position"]
check("position", position["szi"] == "0.5" and position["leverage"]["type"] == "isolated", position)
check("margin", exchange.update_isolated_margin(10.0, "ETH")["status"] == "ok")
stop = exchange.order("ETH", False, 0.5, 1500, {"trigger": {"triggerPx": 2000.0, "isMarket": True,
                      "tpsl": "sl"}}, reduce_only=True)
check("stop", "resting" in statuses(stop)[0], stop)
kinds = [o["orderType"] for o in info.frontend_open_orders(me)]
check("stop listed", kinds == ["Stop Market"], kinds)
stop = statuses(stop)[0]["resting"]["oid"]
check("stop canceled", statuses(exchange.cancel("ETH", stop)) == ["success"])
closed = exchange.market_close("ETH")
check("market close", statuses(closed)[0]["filled"]["totalSz"] == "0.5", closed)
check("flat", info.user_state(me)["assetPositions"] == [])
fills = info.user_fills(me)
check("fills", {f["dir"] for f in fills} == {"Open Long", "Close Long"}, fills)
check("limits used", info.user_rate_limit(me)["nRequestsUsed"] > 10)

check("to spot", exchange.usd_class_transfer(10, False)["status"] == "ok")
before = float(info.user_state(other)["withdrawable"])
check("send", exchange.usd_transfer(12.5, other)["status"] == "ok")
check("received", float(info.user_state(other)["withdrawable"]) == before + 12.5)
check("spot send", exchange.spot_transfer(1.5, other, "HYPE")["status"] == "ok")
check("withdraw", exchange.withdraw_from_bridge(5, other)["status"] == "ok")
check("builder", exchange.approve_builder_fee(other, "0.01%")["status"] == "ok")
check("sub account", exchange.create_sub_account("desk")["status"] == "ok")
sub = info.query_sub_accounts(me)[0]["subAccountUser"]
check("fund it", exchange.sub_account_transfer(sub, True, 1_000_000_000)["status"] == "ok")
for_sub = Exchange(wallets[0], url, vault_address=sub, account_address=sub)
rested = for_sub.order("BTC", True, 0.001, 40000, {"limit": {"tif": "Gtc"}})
check("order for it", "resting" in statuses(rested)[0], rested)
check("its order", len(info.open_orders(sub)) == 1 and info.open_orders(me) == [])

approved, key = exchange.approve_agent("bot")
check("approve agent", approved["status"] == "ok", approved)
agent = eth_account.Account.from_key(key)
check("agent role", info.user_role(agent.address)["role"] == "agent")
by_agent = Exchange(agent, url, account_address=me)
rested = by_agent.order("BTC", True, 0.01, 40000, {"limit": {"tif": "Gtc"}})
check("agent order", "resting" in statuses(rested)[0], rested)
check("agent cannot send", "does not exist" in by_agent.usd_transfer(1, other)["response"])
by_agent.set_expires_after(int(time.time() * 1000) - 1000)
check("expired", "expired" in by_agent.order("BTC", True, 0.01, 40000,
                                             {"limit": {"tif": "Gtc"}})["response"])
stranger = Exchange(eth_account.Account.create(), url)
refused = stranger.order("BTC", True, 0.01, 40000, {"limit": {"tif": "Gtc"}})
check("stranger", refused["response"] == "User or API Wallet "
      + stranger.wallet.address.lower() + " does not exist.", refused)
check("noop", exchange.noop(int(time.time() * 1000) + 5)["status"] == "ok")

from hyperliquid.utils.signing import get_timestamp_ms, sign_multi_sig_l1_action_payload

shared = Exchange(wallets[1], url)
check("multi-sig user", shared.convert_to_multi_sig_user([me], 1)["status"] == "ok")
check("not alone", shared.update_leverage(5, "ETH")["status"] == "err")
inner = {"type": "updateLeverage", "asset": 1, "isCross": True, "leverage": 7}
nonce = get_timestamp_ms()
signed = sign_multi_sig_l1_action_payload(wallets[0], inner, False, None, nonce, None, other, me)
together = exchange.multi_sig(other, inner, [signed], nonce)
check("multi-sig action", together["status"] == "ok", together)
"""

STREAMS = """
exchange = Exchange(wallets[1], url)
info = Info(url)
seen = {}
lock = threading.Lock()


def on(name):
    def callback(message):
        with lock:
            seen.setdefault(name, []).append(message["data"])
    return callback


for name, subscription in {
    "allMids": {"type": "allMids"},
    "l2Book": {"type": "l2Book", "coin": "ETH"},
    "bbo": {"type": "bbo", "coin": "ETH"},
    "trades": {"type": "trades", "coin": "ETH"},
    "candle": {"type": "candle", "coin": "ETH", "interval": "1m"},
    "userEvents": {"type": "userEvents", "user": other},
    "userFills": {"type": "userFills", "user": other},
    "orderUpdates": {"type": "orderUpdates", "user": other},
    "userFundings": {"type": "userFundings", "user": other},
    "ledger": {"type": "userNonFundingLedgerUpdates", "user": other},
    "webData2": {"type": "webData2", "user": other},
    "activeAssetCtx": {"type": "activeAssetCtx", "coin": "ETH"},
    "spotCtx": {"type": "activeAssetCtx", "coin": "@107"},
    "activeAssetData": {"type": "activeAssetData", "user": other, "coin": "ETH"},
}.items():
    info.subscribe(subscription, on(name))
check("snapshot", until(lambda: "userFills" in seen) and seen["userFills"][0]["isSnapshot"] is True)

cloid = Cloid.from_str("0x" + "0" * 31 + "9")
oid = exchange.order("ETH", True, 0.1, 2000, {"limit": {"tif": "Gtc"}}, cloid=cloid)
oid = oid["response"]["data"]["statuses"][0]["resting"]["oid"]
new = exchange.modify_order(oid, "ETH", True, 0.1, 2100, {"limit": {"tif": "Gtc"}}, cloid=cloid)
new = new["response"]["data"]["statuses"][0]["resting"]["oid"]
exchange.cancel("ETH", new)
exchange.market_open("ETH", True, 0.2)
exchange.market_close("ETH")
exchange.usd_class_transfer(1, False)


def updates():
    return [(u["status"], u["order"]["oid"]) for batch in seen.get("orderUpdates", ())
            for u in batch]


wanted = [("open", oid), ("open", new), ("canceled", oid), ("canceled", new)]
check("modify pair", until(lambda: updates()[:4] == wanted), updates())
check("filled", until(lambda: [s for s, _ in updates()[4:]] == ["filled", "filled"]), updates())
check("two fills", until(lambda: sum(len(d["fills"]) for d in seen["userFills"][1:]) >= 2), seen)
check("user channel", until(lambda: sum(len(d.get("fills", ())) for d in seen["userEvents"]) >= 2))
for name in ("allMids", "l2Book", "bbo", "trades", "candle", "ledger", "webData2",
             "activeAssetCtx", "spotCtx", "activeAssetData", "userFundings"):
    check(name, until(lambda: name in seen), sorted(seen))
info.disconnect_websocket()
"""


@pytest.mark.parametrize("script", [INFO, TRADING, STREAMS], ids=["info", "exchange", "streams"])
def test_q2_official_sdk(sdk_python, simulator, script):
    drive(sdk_python, simulator, script)
