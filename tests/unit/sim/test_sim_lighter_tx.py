"""The Lighter simulator's own reading of transactions against the official vectors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors._speedups import lighter_core
from connectors.sim.lighter.errors import Refused
from connectors.sim.lighter.tx import TxParser, check_token, token_owner, tx_hashes, verify
from oracle.lighter_vectors import Case, attributes, section

KNOWN = {8, 9, 12, 13, 14, 15, 16, 17, 20, 28, 29, 41, 42, 45}
CASES = [case for case in section("tx") if case["tx_type"] in KNOWN]


def refusal(tx_type: Any, info: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        TxParser.parse(tx_type, info)
    return caught.value


def test_every_known_type_has_vectors() -> None:
    assert {case["tx_type"] for case in CASES} == KNOWN


def test_hash_and_signature_of_every_official_transaction() -> None:
    """The tx_info as the official signer wrote it gives its hash, and its signature fits."""
    for case in CASES:
        tx = TxParser.parse(case["tx_type"], case["tx_info"])
        assert tx.attributes == {k: v for k, v in attributes(case).items() if v or k == 5}, case
        (digest,) = tx_hashes(tx, [case["chain_id"]])
        assert digest.hex() == case["tx_hash"], case["id"]
        (other,) = tx_hashes(tx, [case["chain_id"] + 1])
        assert other != digest
        assert verify(bytes.fromhex(case["public_key"]), digest, tx.signature)


def test_a_changed_member_changes_the_hash() -> None:
    case = next(c for c in CASES if c["tx_type"] == 14)
    info = json.loads(case["tx_info"])
    (digest,) = tx_hashes(TxParser.parse(14, info), [300])
    for name, value in info.items():
        if isinstance(value, int):
            (changed,) = tx_hashes(TxParser.parse(14, {**info, name: value + 1}), [300])
            assert changed != digest, name
    (changed,) = tx_hashes(TxParser.parse(14, {**info, "L2TxAttributes": {"4": 1}}), [300])
    assert changed != digest


@pytest.mark.parametrize(
    "change",
    [
        {"Price": "1"}, {"Price": True}, {"Price": None}, {"Price": 1.5}, {"Price": 1 << 64},
        {"Sig": ""}, {"Sig": "!"}, {"Sig": 5}, {"Sig": "AAAA"}, {"Nonce": None},
        {"L2TxAttributes": []}, {"L2TxAttributes": {"9": 1}}, {"L2TxAttributes": {"x": 1}},
        {"L2TxAttributes": {"6": 4}}, {"L2TxAttributes": {"": 1}}, {"L2TxAttributes": {"12": 1}},
        {"L2TxAttributes": {"1": -1}}, {"L2TxAttributes": {"1": True}},
        {"L2TxAttributes": {"1": 1, "2": 1, "3": 1, "4": 1, "5": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_a_member_that_cannot_be_is_21501(change: dict[str, Any]) -> None:
    case = next(c for c in CASES if c["tx_type"] == 14)
    assert refusal(14, json.dumps({**json.loads(case["tx_info"]), **change})).code == 21501


@pytest.mark.parametrize("info", ["", "{", "[]", "5", "null", b"\xff", 5, None], ids=repr)
def test_what_is_no_tx_info_is_21501(info: Any) -> None:
    assert refusal(14, info).code == 21501


@pytest.mark.parametrize("tx_type", [0, 1, 27, 99, None, "14", True, 14.0], ids=repr)
def test_unknown_types_are_21505(tx_type: Any) -> None:
    assert refusal(tx_type, "{}").code == 21505


def test_tokens() -> None:
    case: Case
    for case in section("auth"):
        token = case["token"]
        deadline, account, key = token_owner(token)
        assert f"{deadline}:{account}:{key}" == case["message"]
        public_key = lighter_core.public_key(bytes.fromhex(case["private_key"]))
        check_token(token, public_key, deadline - 60)
        for now_s in (deadline, deadline + 1, deadline - 9 * 3600):
            with pytest.raises(Refused):
                check_token(token, public_key, now_s)
        spoilt = token[:-1] + ("0" if token[-1] != "0" else "1")
        with pytest.raises(Refused):
            check_token(spoilt, public_key, deadline - 60)


@pytest.mark.parametrize("token", ["", "1:2:3", "a:2:3:" + "0" * 160, "1:2:3:" + "0" * 159, "::::"])
def test_what_is_no_token(token: str) -> None:
    with pytest.raises(Refused):
        token_owner(token)
