"""Whatever comes in, the venue answers: never a 500, never a dead socket, nothing changed."""

from __future__ import annotations

import copy
import json
import pathlib
import random

import pytest
from venues.hyperliquid.sim_wallet import BTC, ETH, cloid, limit, trigger, venue

from connectors.sim.hyperliquid.actions import USER_SIGNED

DATA = pathlib.Path(__file__).parents[2] / "data" / "hyperliquid"
PAYLOADS = json.loads((DATA / "sdk_payloads.json").read_text())
JUNK = [
    None, True, False, 0, -1, 1.5, 2**63, 2**64, 10**30, "", "0x", "BTC", "0", "-1", "1e5", "NaN",
    "\u0000", "é" * 50, [], [[]], [1], {}, {"a": 1}, {"type": "order"}, "9" * 300,
]  # fmt: skip


def spoil(source: random.Random, value):
    """Return a copy with one part of it replaced, left out, or added to."""
    value = copy.deepcopy(value)
    places = []

    def walk(node):
        if isinstance(node, dict):
            for key in list(node):
                places.append((node, key))
                walk(node[key])
        elif isinstance(node, list):
            for at, item in enumerate(node):
                places.append((node, at))
                walk(item)

    walk(value)
    node, key = source.choice(places)
    way = source.random()
    if way < 0.75:
        node[key] = source.choice(JUNK)
    elif way < 0.9 or not isinstance(node, dict):
        del node[key]
    else:
        node[str(source.choice(JUNK))[:20]] = source.choice(JUNK)
    return value


REQUESTS = [
    *(post["body"] for post in PAYLOADS["info_posts"]),
    {"type": "fundingHistory", "coin": "BTC", "startTime": 0, "endTime": None},
    {"type": "l2Book", "coin": "ETH", "nSigFigs": 5, "mantissa": 2},
    {"type": "maxBuilderFee", "user": "0x" + "1" * 40, "builder": "0x" + "2" * 40},
    {"type": "activeAssetData", "user": "0x" + "1" * 40, "coin": "ETH"},
]
ACTIONS = [
    {"type": "order", "orders": [limit(ETH, True, "2900", "1", cloid=cloid(1))], "grouping": "na"},
    {
        "type": "order",
        "orders": [
            limit(BTC, True, "65000", "0.1"),
            trigger(BTC, False, "60000", "0.1", "61000", "sl"),
        ],
        "grouping": "normalTpsl",
        "builder": {"b": "0x" + "1" * 40, "f": 1},
    },
    {"type": "cancel", "cancels": [{"a": 1, "o": 5}]},
    {"type": "cancelByCloid", "cancels": [{"asset": 1, "cloid": cloid(1)}]},
    {"type": "modify", "oid": 1, "order": limit(ETH, True, "2900", "1")},
    {"type": "batchModify", "modifies": [{"oid": 1, "order": limit(ETH, True, "2900", "1")}]},
    {"type": "updateLeverage", "asset": 1, "isCross": True, "leverage": 5},
    {"type": "updateIsolatedMargin", "asset": 1, "isBuy": True, "ntli": -5},
    {"type": "scheduleCancel", "time": 5},
    {"type": "twapOrder", "twap": {"a": 1, "b": True, "s": "1", "r": False, "m": 5, "t": False}},
    {"type": "vaultTransfer", "vaultAddress": "0x" + "1" * 40, "isDeposit": True, "usd": 5},
    {
        "type": "subAccountSpotTransfer",
        "subAccountUser": "0x" + "1" * 40,
        "isDeposit": True,
        "token": "PURR:0x1",
        "amount": "1",
    },
    {"type": "createSubAccount", "name": "x"},
    {"type": "reserveRequestWeight", "weight": 1},
]


@pytest.mark.parametrize("seed", range(4))
def test_junk_over_http(run, seed):
    async def main():
        source = random.Random(seed)
        async with venue() as at:
            for _ in range(250):
                status, text = await at.me.raw("/info", spoil(source, source.choice(REQUESTS)))
                assert status in (200, 422), text
            for _ in range(150):
                body = spoil(source, at.me.l1(source.choice(ACTIONS)))  # the envelope spoilt
                status, text = await at.me.raw("/exchange", body)
                assert status in (200, 422), text
            multi = {
                "type": "multiSig",
                "signatureChainId": "0x66eee",
                "signatures": [at.me.l1(ACTIONS[0])["signature"]],
                "payload": {
                    "multiSigUser": at.me.address,
                    "outerSigner": at.other.address,
                    "action": ACTIONS[0],
                },
            }
            for _ in range(100):
                body = {**at.me.l1({"type": "noop"}), "action": spoil(source, multi)}
                status, text = await at.me.raw("/exchange", body)
                assert status in (200, 422), text
            for raw in (b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe"):
                for path in ("/info", "/exchange"):
                    async with at.session.post(at.sim.http_url + path, data=raw) as response:
                        assert response.status in (400, 422)

    run(main(), timeout_s=30)


@pytest.mark.parametrize("seed", range(4))
def test_junk_that_is_signed(run, seed):
    """Actions with odd values, signed as they are: whatever is accepted is consistent."""

    async def main():
        source = random.Random(seed)
        async with venue() as at:
            await at.other.rest(ETH, False, "3000", "5")
            for _ in range(250):
                action = spoil(source, source.choice(ACTIONS))
                try:
                    body = at.me.l1(action)
                except Exception:  # noqa: BLE001 - not to be packed or signed at all
                    continue
                status, text = await at.me.raw("/exchange", body)
                assert status in (200, 422), text
            await at.sim.advance(1)
            exchange = at.sim.exchange
            accounts = exchange.accounts.values()
            for coin in exchange.markets:
                assert sum(account.lots(coin) for account in accounts) == 0
            resting = {o.oid for a in accounts for o in a.live.values() if o.resting}
            books = [exchange.engine.book(coin) for coin in exchange.markets]
            booked = {order.order_id for book in books for order in book.orders()}
            assert resting == booked

    run(main(), timeout_s=30)


VALUES = {
    "string": ["", "1", "0.5", "-1", "USDC", "PURR:0x1", "spot", "0x" + "1" * 40, "x", "1e3"],
    "uint64": [0, 1, 2**64 - 1],
    "bool": [True, False],
    "address": ["0x" + "1" * 40, "0x" + "f" * 40],
}


@pytest.mark.parametrize("seed", range(4))
def test_odd_transfers_that_are_signed(run, seed):
    async def main():
        source = random.Random(seed)
        async with venue() as at:
            exchange = at.sim.exchange
            total = sum(account.usd for account in exchange.accounts.values())
            accepted = 0
            for _ in range(300):
                kind = source.choice(sorted(USER_SIGNED))
                primary, fields = USER_SIGNED[kind]
                action = {name: source.choice(VALUES[way]) for name, way in fields}
                action |= {"type": kind, "hyperliquidChain": "Testnet"}
                action[fields[-1][0]] = next(at.me.nonces)
                body = at.me.user_signed(action, primary, fields)
                status, text = await at.me.raw("/exchange", body)
                assert status in (200, 422), text
                accepted += '"ok"' in text
            assert accepted > 10
            now = sum(account.usd for account in exchange.accounts.values())
            spot = sum(account.spot.get("USDC", 0) for account in exchange.accounts.values())
            assert now <= total
            assert now + spot <= total + 2 * 100_000 * 10**8
            assert all(account.usd >= 0 for account in exchange.accounts.values())

    run(main(), timeout_s=30)


@pytest.mark.parametrize("seed", range(4))
def test_junk_over_the_websocket(run, seed):
    async def main():
        source = random.Random(seed)
        user = "0x" + "1" * 40
        frames = [
            *(
                {"method": method, "subscription": subscription}
                for method in ("subscribe", "unsubscribe")
                for subscription in (
                    {"type": "l2Book", "coin": "BTC", "fast": True, "nSigFigs": 3},
                    {"type": "candle", "coin": "BTC", "interval": "1m"},
                    {"type": "userFills", "user": user, "aggregateByTime": True},
                    {"type": "openOrders", "user": user, "dex": ""},
                )
            ),
            {"method": "ping"},
            {"method": "post", "id": 5, "request": {"type": "info", "payload": {"type": "meta"}}},
        ]
        async with venue(unknown_coin_drops=False) as at, at.listen() as ear:
            for _ in range(300):
                frame = source.choice(frames)
                if frame["method"] == "post" and source.random() < 0.5:
                    request = {"type": "action", "payload": at.me.l1(source.choice(ACTIONS))}
                    frame = {**frame, "request": request}
                await ear.send(spoil(source, frame))
                await ear.quiet()
            for text in ("", "null", "[]", "1", '"x"', "\u0000"):
                await ear.send(text)
            await ear.ws.send_bytes(b"\xff")
            await at.sim.advance(6)
            await ear.quiet()

    run(main(), timeout_s=30)
