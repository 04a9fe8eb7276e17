"""Every section of signing_vectors.json, through the public names."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from connectors import lighter
from connectors._speedups import lighter_core
from connectors.errors import InvalidTransaction
from oracle import lighter_crypto
from oracle.lighter_vectors import (
    DATA,
    Case,
    attributes,
    error_texts,
    section,
    transactions,
    tx_types,
)

unhex = bytes.fromhex


def named(cases: list[Case]) -> dict[str, Any]:
    return {"argvalues": cases, "ids": [case["id"] for case in cases]}


@pytest.mark.parametrize("case", section("keys"), ids=lambda case: case["public_key"][:8])
def test_public_key(case: Case) -> None:
    for text in (case["private_key"], "0x" + case["private_key"], case["private_key"].upper()):
        with lighter.Signer(text, 1, 2, 304) as signer:
            assert signer.public_key == case["public_key"]
    with lighter.Signer(unhex(case["private_key"]), 1, 2, 304) as signer:
        assert signer.public_key == case["public_key"]


def test_seed_keys() -> None:
    for case in section("seed_keys"):
        private = lighter.private_key_from_seed(unhex(case["seed"]))
        assert private == case["private_key"]
        assert lighter.Signer(private, 1, 2, 304).public_key == case["public_key"]


@pytest.mark.parametrize("case", **named(transactions()))
def test_transaction(case: Case) -> None:
    kind, fields, extra = case["tx_type"], case["fields"], attributes(case)
    assert lighter.tx_hash(case["chain_id"], kind, fields, extra) == case["tx_hash"]
    with lighter.Signer(case["private_key"], 999, 99, case["chain_id"]) as signer:
        signed = signer.sign(kind, fields, extra)
        (batched,) = signer.sign_batch([(kind, fields, extra)])
    for each in (signed, batched):
        assert (each.tx_type, each.tx_hash) == (kind, case["tx_hash"])
        assert lighter.verify(case["public_key"], case["tx_hash"], each.signature)
    assert signed.signature != batched.signature

    key, message = unhex(case["private_key"]), unhex(case["tx_hash"])
    by_hand = lighter_core.sign_with_nonce(key, unhex(case["fixed_k"]), message)
    assert by_hand.hex() == case["fixed_k_sig"]
    if "tx_info" in case:
        assert lighter.verify(case["public_key"], case["tx_hash"], case["sig"])
        official = base64.b64encode(unhex(case["sig"])).decode()
        ours = base64.b64encode(signed.signature).decode()
        assert signed.tx_info.replace(ours, official) == case["tx_info"]


def test_account_and_key_index_are_filled_in() -> None:
    for case in section("tx"):
        fields = dict(case["fields"])
        account = fields.pop("FromAccountIndex", None)
        account = fields.pop("AccountIndex", account)
        api_key = fields.pop("ApiKeyIndex")
        with lighter.Signer(case["private_key"], account, api_key, case["chain_id"]) as signer:
            signed = signer.sign(case["tx_type"], fields, attributes(case))
        assert signed.tx_hash == case["tx_hash"]
        found = json.loads(signed.tx_info)
        wanted = json.loads(case["tx_info"])
        found["Sig"] = wanted["Sig"]
        assert list(found.items()) == list(wanted.items())


@pytest.mark.parametrize("case", **named(section("tx_invalid")))
def test_invalid_transaction(case: Case) -> None:
    kind, fields, extra = tx_types()[case["tx_name"]], case["fields"], attributes(case)
    with lighter.Signer("11" * 40, 1, 2, 304) as signer:
        for call in (
            lambda: signer.sign(kind, fields, extra),
            lambda: lighter.tx_hash(304, kind, fields, extra),
        ):
            with pytest.raises(InvalidTransaction) as caught:
                call()
            assert str(caught.value) == case["error"]
            assert caught.value.code == case["error_code"]
            assert isinstance(caught.value, ValueError)
        assert signer.stats.signed == 0


def test_the_texts_of_all_errors() -> None:
    official = error_texts()
    official["ErrInvalidAttributeType"] = official["ErrInvalidAttributeType"].removesuffix("N")
    assert lighter.error_texts() == official


def test_auth_tokens() -> None:
    for case in section("auth"):
        who = case["account_index"], case["api_key_index"]
        with lighter.Signer(case["private_key"], *who, 304) as signer:
            token = signer.auth_token(case["deadline"])
        for each in (token, case["token"]):
            message, _, signature = each.rpartition(":")
            assert message == case["message"]
            assert lighter.verify(case["public_key"], case["hash"], signature)
        by_hand = lighter_core.sign_with_nonce(
            unhex(case["private_key"]), unhex(case["fixed_k"]), unhex(case["hash"])
        )
        assert f"{case['message']}:{by_hand.hex()}" == case["fixed_k_token"]


def test_l1_messages() -> None:
    by_id = {case["id"]: case for case in section("tx")}
    for case in section("l1"):
        tx = by_id[case["tx_id"]]
        kind, fields = tx["tx_type"], tx["fields"]
        message = lighter.l1_message(case["chain_id"], kind, fields)
        assert message == case["message"]
        assert lighter.eip191_digest(message).hex() == case["eip191_digest"]
        l1 = lighter.L1Signer(case["eth_private_key"])
        assert l1.address == case["eth_address"]
        assert l1.sign(message) == case["l1_sig"]

        with lighter.Signer(tx["private_key"], 7, 8, case["chain_id"]) as signer:
            assert signer.l1_message(kind, fields) == message
            filled = signer.sign(kind, fields | {"L1Sig": case["l1_sig"]}, attributes(tx))
            empty = signer.sign(kind, fields, attributes(tx))
        later = lighter.with_l1_signature(empty, case["l1_sig"])
        assert json.loads(filled.tx_info)["L1Sig"] == case["l1_sig"]
        assert json.loads(later.tx_info)["L1Sig"] == case["l1_sig"]
        assert list(json.loads(filled.tx_info)) == list(json.loads(tx["tx_info"]))
        assert (later.tx_hash, later.signature) == (empty.tx_hash, empty.signature)
        with pytest.raises(InvalidTransaction, match="no empty L1Sig"):
            lighter.with_l1_signature(later, case["l1_sig"])
    for case in section("tx"):
        if "message_to_sign" in case:
            found = lighter.l1_message(case["chain_id"], case["tx_type"], case["fields"])
            assert found == case["message_to_sign"]


def test_schnorr_with_a_given_nonce() -> None:
    for case in section("schnorr_fixed_k"):
        key, k = unhex(case["private_key"]), unhex(case["k"])
        signature = lighter_core.sign_with_nonce(key, k, unhex(case["message_hash"]))
        assert signature.hex() == case["sig"] == case["s"] + case["e"]
        assert lighter.verify(case["public_key"], case["message_hash"], signature)


def test_schnorr_verification() -> None:
    for case in section("schnorr_verify"):
        found = lighter.verify(case["public_key"], case["message_hash"], case["sig"])
        assert found == case["valid"], case["name"]


def test_strings_printed_by_the_official_signer() -> None:
    """Hash from tx_info alone, signature, and the same text again."""
    file = json.loads((DATA / "tx_info_signed.json").read_text())
    assert len(file["txs"]) == 22
    for case in file["txs"]:
        fields = json.loads(case["tx_info"])
        signature = base64.b64decode(fields.pop("Sig"))
        extra = {int(k): v for k, v in (fields.pop("L2TxAttributes") or {}).items()}
        if "PubKey" in fields:
            fields["PubKey"] = base64.b64decode(fields["PubKey"])
        if "Memo" in fields:
            fields["Memo"] = bytes(fields["Memo"])
        kind = case["tx_type"]
        assert lighter.tx_hash(file["chain_id"], kind, fields, extra) == case["tx_hash"]
        assert lighter.verify(file["public_key_hex"], case["tx_hash"], signature)
        with lighter.Signer(file["private_key_hex"], 1, 1, file["chain_id"]) as signer:
            assert signer.public_key == file["public_key_hex"]
            signed = signer.sign(kind, fields, extra)
        ours = base64.b64encode(signed.signature).decode()
        theirs = base64.b64encode(signature).decode()
        assert signed.tx_info.replace(ours, theirs) == case["tx_info"].replace(", ", ",").replace(
            ": ", ":"
        )


def test_the_worked_example() -> None:
    """Section 17 of the signing rules."""
    key = bytes(range(1, 0x29)).hex()
    fields = {
        "MarketIndex": 1, "ClientOrderIndex": 99, "BaseAmount": 1000, "Price": 50000, "IsAsk": 1,
        "Type": 0, "TimeInForce": 1, "ReduceOnly": 0, "TriggerPrice": 0,
        "OrderExpiry": 1800000000000, "ExpiredAt": 1790000000000, "Nonce": 77,
    }  # fmt: skip
    with lighter.Signer(key, 12345, 5, 304) as signer:
        assert signer.public_key == (
            "710c8cd2201061fa5570d20852d90ddabd6c496825b639d6c6486ecb1f859b63f237dee54f3f42b4"
        )
        plain = signer.sign(14, fields)
        extra = signer.sign(14, fields, {4: 1, 2: 100, 1: 6})
    assert plain.tx_hash == (
        "56de2ef154e4cbed15dc28df7db946950e893bdd7637b77ba6583fa1521d6c5817d99e9087bcf8eb"
    )
    assert extra.tx_hash == (
        "9bbca25abe917f6cd6059f6a822e40e7168e7fb440af310dd118d506c63c11b9a5639677818d067f"
    )
    k = bytes(range(0x40, 0x68))
    for signed, text in (
        (plain, "q9ofB3hte6yoWPjOxFu4wV5MMQVcVhYB9xZ7SKnmIYeyW/j94vk5ZG+Yp8U2thD2/NyAUAkjyIMW5eOW"
                "W3QEIaCWOph3mR08DSBLJ4I3528="),
        (extra, "Jy3ydwqTCXeI36iw4dtXDovRmvMUg1TJn6VQ8ZZu8biQCqiIiyUDNwvmMYoQTcljeCUUSoeHan5vx7c0"
                "szRTXylkn2oexLhOSje9q+HuWWI="),
    ):  # fmt: skip
        by_hand = lighter_core.sign_with_nonce(unhex(key), k, unhex(signed.tx_hash))
        assert base64.b64encode(by_hand).decode() == text
        oracle_k = lighter_crypto.scalar(k)
        assert lighter_crypto.sign(unhex(key), unhex(signed.tx_hash), oracle_k) == by_hand
