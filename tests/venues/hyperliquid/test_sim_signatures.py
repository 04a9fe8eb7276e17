"""Whose signature it is, and whether it may still be used (15.2 Signature, Nonces)."""

from __future__ import annotations

import json
import pathlib

import pytest
from venues.hyperliquid.sim_wallet import BTC, KEYS, START_MS, Wallet, limit, sign, venue

from connectors.sim.hyperliquid.config import AccountSetup
from connectors.sim.hyperliquid.crypto import (
    ORDER,
    address_of_key,
    pack,
    parse_signature,
    recover,
)
from connectors.sim.hyperliquid.errors import Malformed
from connectors.sim.hyperliquid.multisig import read_multi_sig
from connectors.sim.hyperliquid.signing import (
    action_hash,
    l1_digest,
    read_envelope,
    user_signed_digest,
)

DATA = pathlib.Path(__file__).parents[2] / "data" / "hyperliquid"
VECTORS = json.loads((DATA / "signing_vectors.json").read_text())
PAYLOADS = json.loads((DATA / "sdk_payloads.json").read_text())
SDK_KEY = "0x" + "0123456789" * 6 + "0123"
SDK_VAULT = "0x1719884eb866cb12b2287399b15f7db5e7d775ea"
ORDER_ACTION = {"type": "order", "orders": [limit(BTC, True, "65000", "0.01")], "grouping": "na"}
STRANGER = "does not exist."
DAY_MS = 86_400_000


def envelope(vector, network):
    signature = {name: vector[network][name] for name in "rsv"}
    return {
        "action": vector["action"],
        "nonce": vector["nonce"],
        "vaultAddress": vector["vault_address"],
        "expiresAfter": vector["expires_after"],
        "signature": signature,
    }


def test_msgpack_equals_the_vectors():
    checked = 0
    for case in VECTORS["msgpack"]:
        assert "0x" + pack(case["value"]).hex() == case["hex"]
        checked += 1
    assert checked > 30


@pytest.mark.parametrize("vector", VECTORS["l1"], ids=lambda vector: vector["id"])
def test_l1_vectors_hash_and_recover(vector):
    hashed = action_hash(
        vector["action"], vector["nonce"], vector["vault_address"], vector["expires_after"]
    )
    assert "0x" + hashed.hex() == vector["action_hash"]
    for network in ("mainnet", "testnet"):
        if network not in vector:
            continue
        try:
            read = read_envelope(envelope(vector, network), mainnet=network == "mainnet")
        except Malformed:  # deployers' and made-up actions the simulator does not carry out
            assert vector["action"]["type"] in (
                "dummy", "gossipPriorityBid", "CSignerAction", "perpDeploy", "order",
            )  # fmt: skip
            continue
        assert read.signer == vector["address"].lower()
        other = read_envelope(envelope(vector, network), mainnet=network != "mainnet")
        assert other.signer != vector["address"].lower()


@pytest.mark.parametrize("vector", VECTORS["user_signed"], ids=lambda vector: vector["id"])
def test_user_signed_vectors_recover(vector):
    kind = {"UsdSend": "usdSend", "Withdraw": "withdraw3"}.get(
        vector["primary_type"].partition(":")[2]
    )
    action = {"type": kind, **vector["action"]}
    body = {"action": action, "nonce": 1, "signature": {name: vector[name] for name in "rsv"}}
    assert read_envelope(body, mainnet=False).signer == vector["address"].lower()


@pytest.mark.parametrize("number", [0, 3])
def test_multi_sig_vectors_recover(number):
    """Payloads and envelope of both networks: every signature is the vectors' wallet's."""
    payload, outer, user_signed = VECTORS["multi_sig"][number : number + 3]
    wallet = address_of_key(payload["key"])
    mainnet = payload["network"] == "mainnet"
    around = (outer["nonce"], outer["vault_address"], outer["expires_after"])
    hashed, read = read_multi_sig(outer["action"], *around, mainnet=mainnet, low_v=False)
    assert read.signers == (wallet,)
    signature = parse_signature({name: outer[name] for name in "rsv"})
    assert recover(hashed, signature) == wallet
    inner = user_signed["inner_action"]
    signature = {name: user_signed[name] for name in "rsv"}
    whole = {
        "type": "multiSig",
        "signatureChainId": "0x66eee",
        "signatures": [signature],
        "payload": {
            "multiSigUser": user_signed["multi_sig_user"],
            "outerSigner": user_signed["outer_signer"],
            "action": inner,
        },
    }
    _, read = read_multi_sig(whole, inner["time"], None, None, mainnet=mainnet, low_v=False)
    assert read.signers == (wallet,)
    assert read.user_signed


def test_a_multi_sig_user_acts_by_enough_of_its_signers(run):
    async def main():
        setups = tuple(AccountSetup(key) for key in KEYS[:4])
        async with venue(setups=setups) as at:
            user, first, second, stranger = at.wallets
            signers = {"authorizedUsers": [first.address, second.address], "threshold": 2}
            convert = {
                "type": "convertToMultiSigUser",
                "signers": json.dumps(signers),
                "nonce": START_MS + 7,
            }
            fields = (("hyperliquidChain", "string"), ("signers", "string"), ("nonce", "uint64"))
            body = user.user_signed(convert, "ConvertToMultiSigUser", fields)
            assert (await user.send(body))["status"] == "ok"
            assert "multi-sig" in (await user.act(ORDER_ACTION))["response"]

            async def act(poster, *signed_by, claimed=None):
                nonce = next(user.nonces) + 1_000
                outer = claimed or poster.address
                payload = [user.address, outer, ORDER_ACTION]
                inner = l1_digest(action_hash(payload, nonce, None, None), mainnet=False)
                whole = {
                    "signatureChainId": "0x66eee",
                    "signatures": [sign(inner, wallet.key) for wallet in signed_by],
                    "payload": {
                        "multiSigUser": user.address,
                        "outerSigner": outer,
                        "action": ORDER_ACTION,
                    },
                }
                values = {
                    "hyperliquidChain": "Testnet",
                    "multiSigActionHash": action_hash(whole, nonce, None, None),
                    "nonce": nonce,
                }
                kinds = ("string", "bytes32", "uint64")
                digest = user_signed_digest(
                    "SendMultiSig", tuple(zip(values, kinds, strict=True)), values, 0x66EEE
                )
                action = {"type": "multiSig", **whole}
                return await poster.send(
                    {"action": action, "nonce": nonce, "signature": sign(digest, poster.key)}
                )

            assert (await act(first, first, second))["status"] == "ok"
            assert len(await user.info("openOrders")) == 1
            for poster, signed_by, text in (
                (first, (first,), "Not enough"),
                (first, (first, first), "Not enough"),
                (first, (first, stranger), "not authorized"),
                (stranger, (first, second), "not authorized"),
            ):
                assert text in (await act(poster, *signed_by))["response"]
            claimed = await act(stranger, first, second, claimed=first.address)
            assert claimed["response"].endswith(STRANGER)
            assert len(await user.info("openOrders")) == 1

    run(main())


def test_q1_every_post_of_the_official_sdk_verifies(run):
    async def main():
        setup = AccountSetup(SDK_KEY, vaults=(SDK_VAULT,))
        async with venue(setups=(setup, AccountSetup(KEYS[1])), check_nonces=False) as at:
            posts = [p for p in PAYLOADS["exchange_posts"] if p["path"] == "/exchange"]
            for post in posts:
                status, text = await at.me.raw("/exchange", post["body"])
                assert status == 200, post["call"]
                assert STRANGER not in text, post["call"]
            signers = {item.signer for item in at.sim.record.actions}
            assert signers == {address_of_key(SDK_KEY)}
            assert len(posts) == len(at.sim.record.actions) > 20

    run(main())


def test_every_info_request_of_the_official_sdk_is_answered(run):
    async def main():
        async with venue() as at:
            for post in PAYLOADS["info_posts"]:
                status, text = await at.me.raw("/info", post["body"])
                assert status == 200, (post["call"], text)

    run(main())


def test_q3_a_tampered_action_is_a_strangers(run):
    async def main():
        async with venue() as at:
            for change in (
                {"p": "65001"}, {"s": "0.02"}, {"b": False}, {"a": 1}, {"r": True},
                {"c": "0x" + "0" * 32}, {"t": {"limit": {"tif": "Ioc"}}},
            ):  # fmt: skip
                body = at.me.l1(ORDER_ACTION)
                changed = {**ORDER_ACTION["orders"][0], **change}
                body["action"] = {**ORDER_ACTION, "orders": [changed]}
                answer = await at.me.send(body)
                assert answer["status"] == "err"
                assert answer["response"].startswith("User or API Wallet 0x")
                assert answer["response"].endswith(STRANGER)
                assert at.me.address not in answer["response"]
            for name, value in (("nonce", START_MS + 999), ("expiresAfter", START_MS + 10**6)):
                body = {**at.me.l1(ORDER_ACTION), name: value}
                assert (await at.me.send(body))["response"].endswith(STRANGER)
            assert await at.me.info("openOrders") == []

    run(main())


def test_q3_what_is_signed_must_be_in_the_venues_spelling(run):
    async def main():
        async with venue() as at:
            for spelt in ("65000.0", "065000", "65000.10"):
                order = limit(BTC, True, spelt, "0.01")
                answer = await at.me.act({**ORDER_ACTION, "orders": [order]})
                assert answer["response"].endswith(STRANGER), spelt
            order = ORDER_ACTION["orders"][0]
            flipped = {"orders": [dict(reversed(order.items()))], "type": "order", "grouping": "na"}
            assert (await at.me.act(flipped))["response"].endswith(STRANGER)
            body = at.me.l1(ORDER_ACTION)
            body["action"] = dict(reversed(ORDER_ACTION.items()))  # posted in any order: the same
            assert (await at.me.send(body))["status"] == "ok"

    run(main())


def test_unknown_fields_are_unprocessable(run):
    async def main():
        async with venue() as at:
            order = ORDER_ACTION["orders"][0]
            for action in (
                {**ORDER_ACTION, "extra": 1},
                {**ORDER_ACTION, "orders": [{**order, "x": None}]},
                {**ORDER_ACTION, "orders": [{**order, "p": 65000}]},
                {**ORDER_ACTION, "orders": [{**order, "p": "1e5"}]},
                {**ORDER_ACTION, "orders": [{**order, "t": {"limit": {"tif": "Fok"}}}]},
                {"type": "modify", "oid": 1, "order": order, "a": False},
                {"type": "nonsense"},
                "order",
            ):
                body = {**at.me.l1(ORDER_ACTION), "action": action}
                status, text = await at.me.raw("/exchange", body)
                assert (status, "Failed to deserialize" in text) == (422, True), action
            bad = ({}, {"r": "0x", "s": "0x1", "v": 27}, {"r": "0x1", "s": "0x1", "v": 5})
            for signature in bad:
                body = {**at.me.l1(ORDER_ACTION), "signature": signature}
                assert (await at.me.raw("/exchange", body))[0] == 422
            async with at.session.post(at.sim.http_url + "/exchange", data=b"{") as response:
                assert response.status == 400

    run(main())


def test_short_hex_is_read_and_high_s_is_nobodys(run):
    async def main():
        async with venue() as at:
            body = at.me.l1(ORDER_ACTION)
            while not body["signature"]["r"].startswith("0x0"):
                body = at.me.l1(ORDER_ACTION)
            body["signature"]["r"] = "0x" + body["signature"]["r"][2:].lstrip("0")
            assert (await at.me.send(body))["status"] == "ok"
            body = at.me.l1(ORDER_ACTION)
            signature = body["signature"]
            high = ORDER - int(signature["s"], 16)
            body["signature"] = {**signature, "s": hex(high), "v": 55 - signature["v"]}
            assert (await at.me.send(body))["response"].endswith(STRANGER)

    run(main())


def test_v_may_be_0_or_1_if_asked_for(run):
    async def main():
        async with venue() as at:
            body = at.me.l1({"type": "noop"})
            body["signature"]["v"] -= 27
            assert (await at.me.raw("/exchange", body))[0] == 422
            at.sim.configure(accept_low_v=True)
            assert (await at.me.send(body))["status"] == "ok"

    run(main())


def test_a_signature_for_the_other_network_is_a_strangers(run):
    async def main():
        async with venue() as at:
            assert (await at.me.act(ORDER_ACTION, mainnet=True))["response"].endswith(STRANGER)
        async with venue(network="mainnet") as at:
            assert (await at.me.act(ORDER_ACTION, mainnet=True))["status"] == "ok"

    run(main())


def test_n3_a_nonce_is_used_once(run):
    async def main():
        async with venue() as at:
            nonce = START_MS + 5
            assert (await at.me.act({"type": "noop"}, nonce=nonce))["status"] == "ok"
            answer = await at.me.act(ORDER_ACTION, nonce=nonce)
            expected = f"Invalid nonce: duplicate nonce {nonce}"
            assert answer == {"status": "err", "response": expected}

    run(main())


def test_n4_the_hundred_highest_nonces_are_kept(run):
    async def main():
        async with venue() as at:
            for step in range(100):
                answer = await at.me.act({"type": "noop"}, nonce=START_MS + 2 * step)
                assert answer["status"] == "ok"
            assert "nonce" in (await at.me.act({"type": "noop"}, nonce=START_MS - 1))["response"]
            assert (await at.me.act({"type": "noop"}, nonce=START_MS + 51))["status"] == "ok"

    run(main())


def test_n5_nonces_are_near_the_clock(run):
    async def main():
        async with venue() as at:
            for nonce in (START_MS - 2 * DAY_MS - 1_000, START_MS + DAY_MS + 1_000):
                answer = await at.me.act({"type": "noop"}, nonce=nonce)
                assert "nonce" in answer["response"]
            for nonce in (START_MS - 2 * DAY_MS + 1_000, START_MS + DAY_MS - 1_000):
                assert (await at.me.act({"type": "noop"}, nonce=nonce))["status"] == "ok"

    run(main())


def test_n6_nonces_are_counted_for_each_key(run):
    async def main():
        async with venue() as at:
            for wallet in (at.me, at.other):
                assert (await wallet.act({"type": "noop"}, nonce=START_MS))["status"] == "ok"

    run(main())


def test_an_expired_action_is_refused_and_costs_five(run):
    async def main():
        async with venue() as at:
            answer = await at.me.act(ORDER_ACTION, expires=START_MS - 1)
            assert answer["status"] == "err"
            assert "expired" in answer["response"]
            assert (await at.me.info("userRateLimit"))["nRequestsUsed"] == 5
            assert (await at.me.act(ORDER_ACTION, expires=START_MS + 1))["status"] == "ok"
            assert len(await at.me.info("openOrders")) == 1

    run(main())


def test_agents_trade_for_their_master_and_cannot_move_money(run):
    async def main():
        setup = AccountSetup(KEYS[0], agents={"bot": KEYS[2]})
        async with venue(setups=(setup, AccountSetup(KEYS[1]))) as at:
            agent = Wallet(at.sim, at.session, KEYS[2])
            (status,) = await agent.order(limit(BTC, True, "65000", "0.01"))
            assert status["resting"]["oid"] in [o["oid"] for o in await at.me.info("openOrders")]
            assert await agent.info("openOrders") == []  # an agent's address has nothing
            role = await agent.info("userRole")
            assert role == {"role": "agent", "data": {"user": at.me.address}}
            body = agent.user_signed(
                {
                    "type": "usdSend",
                    "destination": at.other.address,
                    "amount": "1",
                    "time": START_MS,
                },
                "UsdSend",
                (
                    ("hyperliquidChain", "string"),
                    ("destination", "string"),
                    ("amount", "string"),
                    ("time", "uint64"),
                ),
            )
            refused = await agent.send(body)
            assert refused["response"] == f"User or API Wallet {agent.address} {STRANGER}"
            await at.admin("fault", {"fault": "prune_agent", "address": agent.address})
            refused = await agent.act(ORDER_ACTION)
            assert refused["response"] == f"User or API Wallet {agent.address} {STRANGER}"

    run(main())


def test_vaults_trade_by_their_leaders_signature_only(run):
    async def main():
        setup = AccountSetup(KEYS[0], vaults=(SDK_VAULT,))
        async with venue(setups=(setup, AccountSetup(KEYS[1]))) as at:
            answer = await at.me.act(ORDER_ACTION, vault=SDK_VAULT)
            assert answer["status"] == "ok"
            assert await at.me.info("openOrders") == []
            assert len(await at.me.info("openOrders", user=SDK_VAULT)) == 1
            refused = await at.other.act(ORDER_ACTION, vault=SDK_VAULT)
            assert refused == {"status": "err", "response": "Vault not registered"}
            body = at.me.l1(ORDER_ACTION)
            body["vaultAddress"] = SDK_VAULT  # signed without it
            assert (await at.me.send(body))["response"].endswith(STRANGER)

    run(main())
