"""ibind 0.2.2, unmodified, against the simulator (section 12).

It lives in an environment of its own: the interpreter named by CONNECTORS_IBIND_PYTHON, else that
of `make ibind`.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

VERSION = "0.2.2"
ROOT = pathlib.Path(__file__).resolve().parents[3]
MODES = {
    "mixed": ["--opcodes", "mixed"],
    "binary": ["--opcodes", "binary"],
    "missing sts": ["--scenario", "missing_sts"],
    "oauth": ["--oauth"],
}

FLOW = """
import json, os, sys, time

ready, mode = json.loads(sys.argv[1]), sys.argv[2]
rest, ws, account = ready["http"] + "/", ready["ws"], ready["accounts"][0]["account_id"]
os.environ.update(
    IBIND_LOG_TO_FILE="false", IBIND_LOG_TO_CONSOLE="false", IBIND_AUTO_REGISTER_SHUTDOWN="false",
    IBIND_WS_SUBSCRIPTION_TIMEOUT="15",
)
# Its reading thread may sleep for 9.5 s before it sees that the socket was closed.
os.environ["IBIND_WS_TIMEOUT"] = "2" if mode == "missing sts" else "12"
from importlib.metadata import version
from ibind import IbkrClient, CallbackSink, events
from ibind.client.ibkr_utils import OrderRequest, QuestionType
from ibind.ibkr_ws.ibkr_subscriptions import (
    AccountLedgerSubscription, AccountSummarySubscription, MarketDataSubscription,
    MarketHistorySubscription, OrdersSubscription, PnlSubscription, PriceLadderSubscription,
    TradesSubscription,
)
from ibind.ibkr_ws.ibkr_ws_client import IbkrWsClient
from ibind.oauth.oauth1a import OAuth1aConfig

checks = {"version": version("ibind") == "0.2.2"}


def check(name, good, detail=None):
    checks[name] = True if good else repr(detail)


def until(condition, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(condition())


seen = {}
sink = CallbackSink()
for kind in (
    events.MarketData, events.MarketHistory, events.Orders, events.Trades, events.Pnl,
    events.AccountSummary, events.AccountLedger, events.PriceLadder, events.IbkrError,
    events.AccountUpdate,
):
    sink.on(kind, lambda event, kind=kind: seen.setdefault(kind.__name__, []).append(event))

oauth = {}
if mode == "oauth":
    given = ready["oauth"]
    config = OAuth1aConfig(
        oauth_rest_url=rest, access_token=given["access_token"],
        access_token_secret=given["access_token_secret"], consumer_key=given["consumer_key"],
        dh_prime=given["dh_prime"], encryption_key=given["encryption_key"],
        signature_key=given["signature_key"], realm=given["realm"],
    )
    client = IbkrClient(account_id=account, use_oauth=True, oauth_config=config)
    oauth = {"use_oauth": True, "access_token": given["access_token"]}
else:
    client = IbkrClient(account_id=account, url=rest)
check("opened", until(client.check_auth_status))
check("health", client.check_health() and client.check_auth_status())
check("accounts", client.receive_brokerage_accounts().data["accounts"] == [account])
check("portfolio", client.portfolio_accounts().data[0]["accountId"] == account)
conid = client.stock_conid_by_symbol("AAPL").data["AAPL"]
check("conid", conid == 265598, conid)
check("positions", client.positions(account_id=account).data == [])
check("summary", "netliquidation" in client.portfolio_summary(account_id=account).data)

socket = IbkrWsClient(account_id=account, url=ws, ibkr_client=client, sink=sink, **oauth)
started = socket.start()
if mode == "missing sts":
    check("start says no", started is False, started)
    check("recovers", until(socket.is_authenticated))
else:
    check("start", started is True, started)

fields = ["31", "84", "86", "85", "88", "87", "83"]
history = MarketHistorySubscription(
    conid="265598", period="1d", bar="1h", outside_rth=False, source="trades", format="%h/%l"
)
subscriptions = [
    MarketDataSubscription(conid="265598", fields=fields),
    history,
    OrdersSubscription(),
    TradesSubscription(realtime_updates_only=True, days=1),
    PnlSubscription(),
    AccountSummarySubscription(account_id=account),
    AccountLedgerSubscription(account_id=account),
    PriceLadderSubscription(account_id=account, conid="265598"),
]
handles = [socket.subscribe(one) for one in subscriptions]
failed = socket.wait_all(handles, timeout_each=60)
check("confirmed", failed == [], [str(one) for one in failed])
check("active", all(socket.is_subscription_active(one.binding_key()) for one in subscriptions))
names = ("MarketData", "MarketHistory", "Trades", "Pnl", "AccountSummary", "AccountLedger",
         "PriceLadder")
check("all arrived", until(lambda: all(seen.get(name) for name in names)), list(seen))
check("error free", "IbkrError" not in seen, seen.get("IbkrError"))

tic = socket.tic()
check("tic", tic is not None and tic["alive"] is True, tic)
check("second tic", (socket.tic() or {}).get("lastAccessed", 0) > (tic or {})["lastAccessed"])

order = OrderRequest(
    conid=8314, side="BUY", quantity=5, order_type="LMT", acct_id=account, price=120.0,
    coid=f"bot-{mode}", tif="DAY",
)
answers = {
    QuestionType.PRICE_PERCENTAGE_CONSTRAINT: True,
    QuestionType.MISSING_MARKET_DATA: True,
    QuestionType.MANDATORY_CAP_PRICE: True,
}
placed = client.place_order(order, answers, account).data
check("placed", placed["order_status"] in ("PreSubmitted", "Submitted"), placed)
order_id = placed["order_id"]


def rows():
    return [row for one in seen.get("Orders", []) for row in one.data["args"]
            if row.get("orderId") == int(order_id)]


check("order rows", until(lambda: any(row.get("status") == "Submitted" for row in rows())))
client.live_orders(force=True)
live = client.live_orders().data
check("live", [row["order_ref"] for row in live["orders"]] == [f"bot-{mode}"], live)
check("status", client.order_status(order_id).data["order_status"] == "Submitted")
cancelled = client.cancel_order(order_id, account).data
check("cancel", cancelled["msg"] == "Request was submitted", cancelled)
check("cancelled", until(lambda: any(row.get("status") == "Cancelled" for row in rows())))

bought = client.place_order(
    OrderRequest(conid=265598, side="BUY", quantity=2, order_type="MKT", acct_id=account,
                 tif="DAY"),
    answers | {QuestionType.MARKET_ORDER_CONFIRMATION: True}, account,
).data
check("bought", bought["order_status"] == "Filled", bought)


def executions():
    return {row["execution_id"]: row for one in seen.get("Trades", []) for row in one.data["args"]}


check("execution", until(lambda: any("commission" in one for one in executions().values())))


def held():
    return [row["position"] for row in client.positions(account_id=account).data]


check("position", until(lambda: held() == [2.0]), held())

gone = [socket.unsubscribe(one) for one in subscriptions]
failed = socket.wait_all(gone, timeout_each=60)
check("unsubscribed", failed == [], [str(one) for one in failed])
still = [one for one in subscriptions if socket.is_subscription_active(one.binding_key())]
check("inactive", not still, still)
check("stopped", until(socket.shutdown))
if mode == "oauth":
    client.oauth_shutdown()
else:
    check("logout", client.logout().data == {"status": True})
print("CHECKS " + json.dumps(checks))
"""


@pytest.fixture(scope="module")
def ibind_python() -> str:
    named = os.environ.get("CONNECTORS_IBIND_PYTHON")
    if named:
        return named
    made = ROOT / "build" / "ibind" / "bin" / "python"
    if not made.exists():
        pytest.skip("no ibind: `make ibind` installs it")
    return str(made)


@pytest.mark.slow
def test_ibind_runs_its_flows_in_every_mode(ibind_python):
    """Start, all eight subscriptions, tic, orders with questions, ends (X-10 to X-32).

    The modes run side by side: the last waits ten seconds for a health check of ibind's.
    """
    simulators, flows = [], {}
    try:
        for mode, options in MODES.items():
            simulator = subprocess.Popen(
                [sys.executable, "-m", "connectors", "sim", "ibkr", "--rate", "20", *options],
                stdout=subprocess.PIPE,
                text=True,
            )
            simulators.append(simulator)
            ready = json.loads(simulator.stdout.readline())
            flows[mode] = subprocess.Popen(
                [ibind_python, "-W", "ignore", "-c", FLOW, json.dumps(ready), mode],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
        for mode, flow in flows.items():
            out, err = flow.communicate(timeout=240)
            assert flow.returncode == 0, (mode, err[-3_000:])
            line = next(line for line in out.splitlines() if line.startswith("CHECKS "))
            checks = json.loads(line.removeprefix("CHECKS "))
            assert {name: good for name, good in checks.items() if good is not True} == {}, mode
            assert len(checks) > 25
    finally:
        for flow in flows.values():
            flow.kill()
            flow.communicate()
        for simulator in simulators:
            simulator.send_signal(signal.SIGTERM)
            assert simulator.wait(timeout=20) == 0
            simulator.stdout.close()
