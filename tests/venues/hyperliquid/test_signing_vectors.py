"""Every section of signing_vectors.json and sdk_payloads.json, through the public names."""

from __future__ import annotations

from typing import Any

import pytest

from connectors import hyperliquid
from connectors._speedups import hyperliquid_signer, secp256k1
from connectors.errors import InvalidTransaction
from oracle import hyperliquid_signing as oracle
from oracle.hyperliquid_vectors import Case, expected, load, networks, section, tail, unhex

CONSTANTS = load("signing_vectors.json")["constants"]
PRIMARY = {name: kind for kind, (name, _) in hyperliquid.USER_SIGNED_TYPES.items()}


def named(cases: list[Case]) -> dict[str, Any]:
    return {"argvalues": cases, "ids": [case["id"] for case in cases]}


@pytest.mark.parametrize("case", **named(section("l1")))
def test_l1_action(case: Case) -> None:
    """S1, S7, S9: bytes, hash, digest and signature, alone and in a batch, on both networks."""
    action, key = case["action"], case["key"]
    assert hyperliquid.encode_action(action) == unhex(case["msgpack"])
    assert hyperliquid_signer._pack(action, False) == unhex(case["msgpack"])
    hashed = hyperliquid.action_hash(action, *tail(case))
    assert hashed == unhex(case["action_hash"])
    assert networks(case)
    with hyperliquid.Signer(key) as signer:
        assert signer.address == case["address"]
        for mainnet, wanted in networks(case):
            digest = unhex(wanted["digest"])
            assert hyperliquid.l1_digest(hashed, mainnet) == digest
            assert signer.sign_l1_action(action, *tail(case), mainnet=mainnet) == expected(wanted)
            assert signer.sign_l1_action(action, *tail(case), mainnet) == expected(wanted)
            batch = [(action, *tail(case))] * 3
            assert signer.sign_batch(batch, mainnet=mainnet) == [expected(wanted)] * 3
            assert signer.sign_digest(digest) == expected(wanted)
            shown = {"r": wanted["r"], "s": wanted["s"], "v": wanted["v"]}  # without leading zeros
            assert hyperliquid.recover_address(digest, shown) == case["address"]
            other = hyperliquid.l1_digest(hashed, not mainnet)
            assert hyperliquid.recover_address(other, shown) != case["address"]
            if "rfc6979_k" in wanted:
                r, s, recovery = secp256k1.sign_with_nonce(
                    unhex(key), unhex(wanted["rfc6979_k"]), digest
                )
                found = {"r": f"0x{r.hex()}", "s": f"0x{s.hex()}", "v": 27 + recovery}
                assert found == expected(wanted)


def test_the_vectors_are_of_all_kinds() -> None:
    wanted = [each for case in section("l1") for _, each in networks(case)]
    assert len(section("l1")) == 138
    assert {each["s_flipped"] for each in wanted} == {True, False}
    assert {each["v"] for each in wanted} == {27, 28}
    assert any(len(each["r"]) < 66 for each in wanted)
    assert any(len(each["s"]) < 66 for each in wanted)


@pytest.mark.parametrize("case", **named(section("user_signed")))
def test_user_signed_action(case: Case) -> None:
    """S2."""
    mainnet = case["network"] == "mainnet"
    kind = PRIMARY[case["primary_type"].removeprefix("HyperliquidTransaction:")]
    action = {"type": kind} | case["action"]
    before = dict(action)
    with hyperliquid.Signer(case["key"]) as signer:
        assert signer.address == case["address"]
        assert hyperliquid.user_action_digest(action, mainnet) == unhex(case["digest"])
        assert signer.sign_user_action(action, mainnet=mainnet) == expected(case)
        bare = {k: v for k, v in action.items() if k != "hyperliquidChain"}
        if case["action"]["signatureChainId"] == hyperliquid.SIGNATURE_CHAIN_ID:
            del bare["signatureChainId"]
        assert signer.sign_user_action(bare, mainnet=mainnet) == expected(case)
        assert hyperliquid.complete_user_action(bare, mainnet) == action
        if kind == "approveAgent" and not action["agentName"]:
            del bare["agentName"]
            assert signer.sign_user_action(bare, mainnet=mainnet) == expected(case)
    assert action == before
    found = hyperliquid.recover_address(unhex(case["digest"]), expected(case))
    assert found == case["address"]
    assert hyperliquid.domain_separator(int(action["signatureChainId"], 16)) == unhex(
        case["domain_separator"]
    )


def test_type_hashes_and_domain_separators() -> None:
    for name, fields in hyperliquid.USER_SIGNED_TYPES.values():
        wanted = CONSTANTS["user_signed_types"][name]
        inside = ",".join(f"{kind} {field}" for field, kind in fields)
        assert wanted["encode_type"] == f"HyperliquidTransaction:{name}({inside})"
        assert hyperliquid.type_hash(name, fields) == unhex(wanted["typehash"])
    for chain in (421614, 42161):
        wanted = unhex(CONSTANTS[f"user_signed_domain_separator_{chain}"])
        assert hyperliquid.domain_separator(chain) == wanted
    multi = CONSTANTS["user_signed_types"]["SendMultiSig"]
    assert hyperliquid.keccak256(multi["encode_type"].encode()) == unhex(multi["typehash"])
    assert set(CONSTANTS["user_signed_types"]) == {*PRIMARY, "SendMultiSig"}
    assert oracle.domain("Exchange", 1337) == unhex(CONSTANTS["l1_domain_separator"])
    for name, text in (
        ("agent_typehash", b"Agent(string source,bytes32 connectionId)"),
        ("source_a_hash", b"a"),
        ("source_b_hash", b"b"),
    ):
        assert hyperliquid.keccak256(text) == unhex(CONSTANTS[name])


@pytest.mark.parametrize("case", **named(section("multi_sig")))
def test_multi_sig(case: Case) -> None:
    """S2: parts of L1 actions and of the account's own, and envelopes."""
    mainnet = case["network"] == "mainnet"
    with hyperliquid.Signer(case["key"]) as signer:
        if "inner_action" in case:
            who = case["multi_sig_user"], case["outer_signer"]
            nonce = case.get("nonce", 0)
            found = signer.sign_multi_sig_payload(
                case["inner_action"], nonce, *who, mainnet=mainnet
            )
            if "msgpack" in case:
                payload = hyperliquid.multi_sig_payload(case["inner_action"], *who)
                assert hyperliquid.encode_action(payload) == unhex(case["msgpack"])
                hashed = hyperliquid.action_hash(payload, *tail(case))
                assert hashed == unhex(case["action_hash"])
        else:
            hashed = hyperliquid.multi_sig_action_hash(case["action"], *tail(case))
            assert hashed == unhex(case["multi_sig_action_hash"])
            found = signer.sign_multi_sig_action(case["action"], *tail(case), mainnet=mainnet)
        assert found == expected(case)


def test_envelopes_are_built_as_the_sdk_builds_them() -> None:
    cases = section("multi_sig")
    for part, envelope in ((cases[0], cases[1]), (cases[3], cases[4])):
        found = hyperliquid.multi_sig_action(
            part["inner_action"], [expected(part)], part["multi_sig_user"], part["outer_signer"]
        )
        assert oracle.pack(found) == oracle.pack(envelope["action"])


@pytest.mark.parametrize("case", section("float_to_wire"), ids=lambda case: case["in"])
def test_float_to_wire(case: Case) -> None:
    value = int(case["in"]) if case["hex"] is None else float.fromhex(case["hex"])
    if "error" in case:
        with pytest.raises(ValueError, match="more than eight decimals"):
            hyperliquid.float_to_wire(value)
    else:
        assert hyperliquid.float_to_wire(value) == case["out"]


@pytest.mark.parametrize("case", section("msgpack"), ids=lambda case: case["hex"][:14])
def test_msgpack(case: Case) -> None:
    found = hyperliquid.encode_action([case["value"]])
    assert found == b"\x91" + unhex(case["hex"]) == oracle.pack([case["value"]])


def test_recorded_signatures() -> None:
    """S8: two that were seen on the venue."""
    l1, user = section("recovery")
    hashed = hyperliquid.action_hash(l1["action"], *tail(l1))
    digest = hyperliquid.l1_digest(hashed, l1["network"] == "mainnet")
    assert hyperliquid.recover_address(digest, l1["signature"]) == l1["recovered"]
    digest = hyperliquid.user_action_digest(user["action"])
    assert hyperliquid.recover_address(digest, user["signature"]) == user["recovered"]
    with pytest.raises(InvalidTransaction, match="no key made this signature"):
        hyperliquid.recover_address(digest, user["signature"] | {"r": "0x0"})


def test_bodies_of_the_official_sdk() -> None:
    """Q1: what it posts is what this signer makes of the same action, for a testnet."""
    key = "0x0123456789012345678901234567890123456789012345678901234567890123"
    checked = 0
    with hyperliquid.Signer(key) as signer:
        for post in load("sdk_payloads.json")["exchange_posts"]:
            if post["path"] != "/exchange":
                continue
            body = post["body"]
            action, signature = body["action"], body["signature"]
            if action["type"] in hyperliquid.USER_SIGNED_TYPES:
                found = signer.sign_user_action(action, mainnet=False)
            elif action["type"] == "multiSig":
                found = signer.sign_multi_sig_action(action, body["nonce"], mainnet=False)
            else:
                vault, expires = body.get("vaultAddress"), body.get("expiresAfter")
                found = signer.sign_l1_action(action, body["nonce"], vault, expires, mainnet=False)
            ours = {half: int(found[half], 16) for half in "rs"} | {"v": found["v"]}
            theirs = {half: int(signature[half], 16) for half in "rs"} | {"v": signature["v"]}
            assert ours == theirs, post["call"]
            checked += 1
    assert checked == 24


def test_rounding_as_the_sdk_does() -> None:
    for px, sz_decimals, is_spot, wire in load("sdk_payloads.json")["sdk_price_rounding"]["rows"]:
        rounded = hyperliquid.round_price_like_sdk(px, sz_decimals, is_spot=is_spot)
        assert hyperliquid.float_to_wire(rounded) == wire
