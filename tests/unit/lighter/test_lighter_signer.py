"""The Lighter signer as an object: keys, fields, batches, pool, life."""

from __future__ import annotations

import copy
import json
import pickle
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from connectors import lighter
from connectors._speedups import lighter_core, lighter_signer
from connectors.errors import (
    ConnectorError,
    FieldTypeError,
    InvalidKey,
    InvalidTransaction,
    SignerClosed,
    SigningError,
)
from oracle import lighter_crypto, lighter_random, lighter_tx

KEY = bytes(range(1, 41)).hex()
ORDER = {
    "MarketIndex": 1, "ClientOrderIndex": 99, "BaseAmount": 1000, "Price": 50000, "IsAsk": 1,
    "Type": 0, "TimeInForce": 1, "ReduceOnly": 0, "TriggerPrice": 0, "OrderExpiry": 1800000000000,
    "ExpiredAt": 1790000000000, "Nonce": 77,
}  # fmt: skip
NOW_MS = 1_790_000_000_000


@pytest.fixture
def signer() -> Iterator[lighter.Signer]:
    with lighter.Signer(KEY, 12345, 5, 304, clock_ms=lambda: NOW_MS) as made:
        yield made


def changed(**fields: Any) -> dict[str, Any]:
    return ORDER | fields


# --- keys -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("", "empty private key"),
        ("0x", "empty private key"),
        ("1", "empty private key"),
        (KEY[:-1], "odd length hex string"),
        (KEY[:-2], "invalid private key length. expected: 40 got: 39"),
        (KEY + "00", "invalid private key length. expected: 40 got: 41"),
        ("0X" + KEY, "invalid private key length. expected: 40 got: 41"),
        ("g" + KEY[1:], "a character is no hexadecimal digit"),
        (KEY[:-1] + "/", "a character is no hexadecimal digit"),
        (KEY[:-1] + ":", "a character is no hexadecimal digit"),
        (KEY[:-1] + "@", "a character is no hexadecimal digit"),
        (KEY[:-1] + "`", "a character is no hexadecimal digit"),
        (KEY[:-1] + "\0", "a character is no hexadecimal digit"),
        (KEY[:-1] + "é", "a character is no hexadecimal digit"),
        ("é" * 80, "a character is no hexadecimal digit"),
        ("\ud800" * 80, "a character is no hexadecimal digit"),
        (" " + KEY[1:], "a character is no hexadecimal digit"),
        ("00" * 40, "0 mod n"),
        (lighter_crypto.N.to_bytes(40, "little").hex(), "0 mod n"),
        (bytes(40), "0 mod n"),
        (b"", "empty private key"),
        (bytes(39), "odd length hex string"),
        (bytes(41), "odd length hex string"),
    ],
)
def test_bad_keys_are_refused(key: str | bytes, text: str) -> None:
    with pytest.raises(InvalidKey) as caught:
        lighter.Signer(key, 1, 2, 304)
    assert text in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, ConnectorError)


@pytest.mark.parametrize("key", [None, 5, ["1"], object()])
def test_a_key_of_another_type(key: Any) -> None:
    with pytest.raises(TypeError, match="private_key must be a str or bytes"):
        lighter.Signer(key, 1, 2, 304)


@pytest.mark.parametrize(
    "make",
    [
        str, str.upper, lambda k: "0x" + k, bytes.fromhex, str.encode, lambda k: b"0x" + k.encode(),
        lambda k: bytearray.fromhex(k), lambda k: memoryview(bytes.fromhex(k)),
    ],
)  # fmt: skip
def test_forms_of_a_key(make: Callable[[str], Any]) -> None:
    with lighter.Signer(make(KEY), 1, 2, 304) as signer:
        assert signer.public_key == lighter_crypto.public_key(bytes.fromhex(KEY)).hex()


def test_a_key_above_n_counts_mod_n() -> None:
    reduced = (5).to_bytes(40, "little")
    whole = (lighter_crypto.N + 5).to_bytes(40, "little")
    keys = {lighter.Signer(key, 1, 2, 304).public_key for key in (reduced, whole)}
    assert len(keys) == 1


def test_a_key_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for text in (KEY, f"0x{KEY}\n", f"\n\t {KEY.upper()} \r\n"):
        path.write_text(text)
        with lighter.Signer.from_file(path, 1, 2, 304, pool_capacity=3) as signer:
            assert signer.public_key == lighter.Signer(KEY, 1, 2, 304).public_key
            assert (signer.account_index, signer.api_key_index, signer.pool_capacity) == (1, 2, 3)
    for text in ("", "\n", KEY[:-2], KEY[:40], KEY + KEY, KEY[:-1] + "x", "z" * 300):
        path.write_text(text)
        with pytest.raises(InvalidKey):
            lighter.Signer.from_file(path, 1, 2, 304)
    with pytest.raises(FileNotFoundError):
        lighter.Signer.from_file(tmp_path / "none", 1, 2, 304)


def test_new_keys() -> None:
    private, public = lighter.generate_key()
    assert len(private) == len(public) == 80
    assert lighter.Signer(private, 1, 2, 304).public_key == public
    assert lighter.generate_key()[0] != private
    with pytest.raises(ValueError, match="at least 32 bytes"):
        lighter.private_key_from_seed(bytes(31))


@pytest.mark.parametrize("name", ["account_index", "api_key_index", "chain_id", "pool_capacity"])
def test_bad_arguments(name: str) -> None:
    arguments: dict[str, Any] = {"account_index": 1, "api_key_index": 2, "chain_id": 304}
    for wrong in (None, 1.0, "1", True):
        with pytest.raises(TypeError, match=f"{name} must be an integer"):
            lighter.Signer(KEY, **(arguments | {name: wrong}))
    with pytest.raises(ValueError, match=r"int64|from 0 to"):
        lighter.Signer(KEY, **(arguments | {name: 2**63}))


def test_bad_limits() -> None:
    with pytest.raises(ValueError, match="chain_id must not be negative"):
        lighter.Signer(KEY, 1, 2, -1)
    for capacity in (-1, lighter_signer.MAX_POOL + 1):
        with pytest.raises(ValueError, match="from 0 to 65536"):
            lighter.Signer(KEY, 1, 2, 304, pool_capacity=capacity)
    with pytest.raises(TypeError, match="clock_ms must be callable"):
        lighter.Signer(KEY, 1, 2, 304, clock_ms=5)  # type: ignore[arg-type]


# --- fields -------------------------------------------------------------------------------------


class Side(IntEnum):
    ASK = 1


def test_what_counts_as_an_integer(signer: lighter.Signer) -> None:
    plain = signer.sign(14, ORDER).tx_hash
    for value in (np.int64(50000), np.uint32(50000)):
        assert signer.sign(14, changed(Price=value)).tx_hash == plain
    assert signer.sign(14, changed(IsAsk=Side.ASK)).tx_hash == plain
    assert signer.sign(lighter.TxType.CREATE_ORDER, ORDER).tx_hash == plain
    assert signer.sign(np.int8(14), MappingProxyType(ORDER)).tx_hash == plain
    with_attribute = signer.sign(14, ORDER, {4: 1}).tx_hash
    for extra in ({"4": 1}, {lighter.Attribute.SKIP_TX_NONCE: 1}, MappingProxyType({4: 1})):
        assert signer.sign(14, ORDER, extra).tx_hash == with_attribute


@pytest.mark.parametrize(
    "value", [True, 1.0, "1", None, b"1", [1], 1j, float("nan"), np.float64(1)]
)
def test_what_does_not(signer: lighter.Signer, value: Any) -> None:
    for name in (*ORDER, "AccountIndex", "ApiKeyIndex"):
        with pytest.raises(FieldTypeError, match=f"create_order: {name} must be an integer"):
            signer.sign(14, changed(**{name: value}))
    with pytest.raises(FieldTypeError, match="attribute 4 must be an integer"):
        signer.sign(14, ORDER, {4: value})
    if value not in ("1", [1]):  # digits are how tx_info writes the kind; a list is no key
        with pytest.raises(FieldTypeError, match="the kind of an attribute must be an integer"):
            signer.sign(14, ORDER, {value: 1})
    with pytest.raises(FieldTypeError, match="tx_type must be an integer"):
        signer.sign(value, ORDER)
    group = {"GroupingType": 1, "Orders": [changed(Price=value)], "ExpiredAt": 1, "Nonce": 1}
    for order in group["Orders"]:
        del order["ExpiredAt"], order["Nonce"]
    with pytest.raises(FieldTypeError, match="Price must be an integer"):
        signer.sign(28, group)


def test_a_type_error_is_all_kinds_of_errors(signer: lighter.Signer) -> None:
    with pytest.raises(FieldTypeError) as caught:
        signer.sign(14, changed(Price="1"))
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, InvalidTransaction)
    assert isinstance(caught.value, SigningError)


@pytest.mark.parametrize("tx_type", lighter_tx.TYPES)
def test_missing_and_surplus_fields(signer: lighter.Signer, tx_type: int) -> None:
    fields, _ = lighter_random.transaction(random.Random(1), tx_type)
    optional = {lighter_tx.account_key(tx_type), "ApiKeyIndex"}
    for name in fields:
        less = {k: v for k, v in fields.items() if k != name}
        if name in optional:
            signer.sign(tx_type, less)
            with pytest.raises(InvalidTransaction, match=f"field {name} is missing"):
                lighter.tx_hash(304, tx_type, less)
            continue
        with pytest.raises(InvalidTransaction, match=f"field {name} is missing") as caught:
            signer.sign(tx_type, less)
        assert caught.value.code == "MissingField"
    for surplus in ("Sig", "L2TxAttributes", "Ticker", "price", "Hash", 5, None):
        with pytest.raises(InvalidTransaction, match="unknown field") as caught:
            signer.sign(tx_type, fields | {surplus: 1})  # type: ignore[dict-item]
        assert caught.value.code == "UnknownField"
    for misplaced in {"Memo", "PubKey", "L1Sig", "Orders", "FromAccountIndex", "AccountIndex"}:
        carries = {"L1Sig"} if tx_type in (8, 12, 45) else set()
        if misplaced in fields or misplaced in carries:
            continue
        with pytest.raises(InvalidTransaction, match=f"unknown field '{misplaced}'"):
            signer.sign(tx_type, fields | {misplaced: ""})


def test_fields_of_grouped_orders(signer: lighter.Signer) -> None:
    fields, _ = lighter_random.transaction(random.Random(3), 28)
    order = fields["Orders"][0]
    for orders, error in (
        ([order | {"Nonce": 1}], "unknown field 'Nonce'"),
        ([{k: v for k, v in order.items() if k != "Type"}], "field Type is missing"),
    ):
        with pytest.raises(InvalidTransaction, match=error):
            signer.sign(28, fields | {"Orders": orders})
    for orders in (None, 5, "abc", {1: 2}, [5], [None], ["Type"]):
        with pytest.raises(FieldTypeError, match="Orders must be a"):
            signer.sign(28, fields | {"Orders": orders})
    assert signer.sign(28, fields | {"Orders": tuple(fields["Orders"])})


@pytest.mark.parametrize("fields", [None, [], "x", 5, [("Price", 1)]])
def test_fields_that_are_no_dict(signer: lighter.Signer, fields: Any) -> None:
    with pytest.raises(FieldTypeError, match="fields must be a dict"):
        signer.sign(14, fields)
    if fields is not None:
        with pytest.raises(FieldTypeError, match="attributes must be a dict"):
            signer.sign(14, ORDER, fields)


@pytest.mark.parametrize(
    "tx_type", [-1, 0, 7, 21, 33, 46, 49, 255, 256 + 14, 2**32 + 14, 2**64 + 14]
)
def test_unknown_types(signer: lighter.Signer, tx_type: int) -> None:
    with pytest.raises(InvalidTransaction, match=f"^{tx_type} is not a transaction type") as caught:
        signer.sign(tx_type, ORDER)
    assert caught.value.code == "UnknownTxType"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"IsAsk": 256}, "ErrIsAskInvalid"),
        ({"IsAsk": -1}, "ErrIsAskInvalid"),
        ({"ReduceOnly": 256}, "ErrOrderReduceOnlyInvalid"),
        ({"Type": 256}, "ErrOrderTypeInvalid"),
        ({"TimeInForce": 257}, "ErrOrderTimeInForceInvalid"),
        ({"Price": 2**32}, "ErrPriceTooHigh"),
        ({"Price": 2**32 + 1}, "ErrPriceTooHigh"),
        ({"Price": 2**64 + 1}, "ErrPriceTooHigh"),
        ({"Price": -(2**64)}, "ErrPriceTooLow"),
        ({"TriggerPrice": 2**32}, "ErrOrderTriggerPriceInvalid"),
        ({"Type": 3, "TriggerPrice": 2**32 + 1}, "ErrOrderTriggerPriceInvalid"),
        ({"Type": 3, "TriggerPrice": -1}, "ErrOrderTriggerPriceInvalid"),
        ({"OrderExpiry": 2**63}, "ErrOrderExpiryInvalid"),
        ({"OrderExpiry": 2**64 + 5}, "ErrOrderExpiryInvalid"),
        ({"Nonce": 2**63}, "ErrNonceTooLow"),
        ({"Nonce": 2**64 + 1}, "ErrNonceTooLow"),
        ({"ExpiredAt": 2**48}, "ErrExpiredAtInvalid"),
        ({"ExpiredAt": 2**64 + 1}, "ErrExpiredAtInvalid"),
        ({"MarketIndex": 2**64 + 1}, "ErrInvalidMarketIndex"),
        ({"ClientOrderIndex": 2**64 + 1}, "ErrClientOrderIndexTooHigh"),
        ({"BaseAmount": 2**64 + 1}, "ErrBaseAmountTooHigh"),
        ({"AccountIndex": 2**64 + 1}, "ErrAccountIndexTooHigh"),
        ({"AccountIndex": -(2**64)}, "ErrAccountIndexTooLow"),
        ({"ApiKeyIndex": 256 + 5}, "ErrApiKeyIndexTooHigh"),
        ({"ApiKeyIndex": -1}, "ErrApiKeyIndexTooLow"),
    ],
)
def test_values_past_the_width_of_the_wire(
    signer: lighter.Signer, fields: dict[str, int], code: str
) -> None:
    """Section 9.2: the official library cuts them off silently; here they raise."""
    with pytest.raises(InvalidTransaction) as caught:
        signer.sign(14, changed(**fields))
    assert caught.value.code == code
    assert str(caught.value) == lighter.error_texts()[code]


def test_the_largest_values_survive(signer: lighter.Signer) -> None:
    big = changed(Nonce=2**63 - 1, OrderExpiry=2**63 - 1, Price=2**32 - 1, ExpiredAt=2**48 - 1)
    written = json.loads(signer.sign(14, big).tx_info)
    assert {name: written[name] for name in big} == big
    scheduled = {"TimeInForce": 1, "Time": 2**63 - 1, "ExpiredAt": 1, "Nonce": 1}
    assert '"Time":9223372036854775807,' in signer.sign(16, scheduled).tx_info
    margin = {"MarketIndex": 1, "Direction": 1, "ExpiredAt": 1, "Nonce": 1}
    lowest = signer.sign(29, margin | {"USDCAmount": -(2**63)})
    assert '"USDCAmount":-9223372036854775808,' in lowest.tx_info
    with pytest.raises(InvalidTransaction, match="should be larger than 1"):
        signer.sign(29, margin | {"USDCAmount": -(2**63) - 1})


def test_attributes(signer: lighter.Signer) -> None:
    for extra, code, text in (
        ({0: 1}, "ErrInvalidAttributeType", "Attribute type is invalid: 0"),
        ({9: 1}, "ErrInvalidAttributeType", "Attribute type is invalid: 9"),
        ({4: 1, 257: 1}, "ErrInvalidAttributeType", "Attribute type is invalid: 257"),
        ({-4: 1}, "ErrInvalidAttributeType", "Attribute type is invalid: -4"),
        ({2**64 + 4: 1}, "ErrInvalidAttributeType", f"Attribute type is invalid: {2**64 + 4}"),
        ({"04": 1}, "ErrInvalidAttributeType", "Attribute type is invalid: 04"),
        ({4: 0}, "ErrNonceSkipAttributeInvalid", "Nonce skip attribute is invalid"),
        ({4: 2}, "ErrNonceSkipAttributeInvalid", "Nonce skip attribute is invalid"),
        ({8: 2**70}, "ErrOrderOrderVersionInvalidRange", "OrderOrderVersion is in invalid range"),
        ({4: 1, "4": 1}, "AttributeTwice", "create_order: attribute 4 is there twice"),
        (
            {1: 0, 2: 0, 3: 0, 6: 0, 7: 0},
            "ErrTooManyAttributes",
            "Too many attributes, should not be larger than 4",
        ),
    ):
        with pytest.raises(InvalidTransaction) as caught:
            signer.sign(14, ORDER, extra)  # type: ignore[arg-type]
        assert (caught.value.code, str(caught.value)) == (code, text)
    assert signer.sign(14, ORDER, {}).tx_info.endswith('"L2TxAttributes":null}')
    assert signer.sign(14, ORDER, {1: 0, 5: 255}).tx_info.endswith('"L2TxAttributes":null}')
    assert signer.sign(14, ORDER, {8: 3, 4: 1, 2: 0}).tx_info.endswith(':{"4":1,"8":3}}')
    assert signer.sign(16, {"TimeInForce": 0, "Time": 0, "ExpiredAt": 1, "Nonce": 1}, {5: 0})


def test_forms_of_a_public_key(signer: lighter.Signer) -> None:
    fields = {"ExpiredAt": 1, "Nonce": 1}
    digits = bytes(range(40)).hex()
    forms = [digits, "0x" + digits, "0X" + digits.upper(), bytes(range(40)), bytearray(range(40))]
    assert len({signer.sign(8, fields | {"PubKey": form}).tx_hash for form in forms}) == 1
    for bad in ("", "0x", digits[:-2], digits + "00", digits[:-1] + "g", bytes(39), "é" * 80):
        with pytest.raises(InvalidTransaction, match=r"^PubKey is invalid$"):
            signer.sign(8, fields | {"PubKey": bad})
    with pytest.raises(FieldTypeError, match="PubKey must be"):
        signer.sign(8, fields | {"PubKey": 5})
    with pytest.raises(InvalidTransaction, match="AccountNonce"):  # looked at first
        signer.sign(8, fields | {"PubKey": "", "Nonce": -1})


def test_forms_of_a_memo(signer: lighter.Signer) -> None:
    fields, _ = lighter_random.transaction(random.Random(1), 12)
    memo = bytes(range(48, 80))
    forms: list[Any] = [memo, bytearray(memo), memo.decode(), memo.hex(), "0x" + memo.hex()]
    infos = {
        json.dumps(json.loads(signer.sign(12, fields | {"Memo": form}).tx_info)["Memo"])
        for form in forms
    }
    assert infos == {json.dumps(list(memo))}
    for bad, size in (("", 0), ("a" * 31, 31), ("a" * 65, 65), (bytes(33), 33), ("é" * 17, 34)):
        text = (
            "memo expected to be 32 bytes or 64 hex encoded or 66 if 0x hex encoded -- long but "
            f"received {size}"
        )
        with pytest.raises(InvalidTransaction) as caught:
            signer.sign(12, fields | {"Memo": bad})
        assert str(caught.value) == text
    with pytest.raises(InvalidTransaction, match=r"invalid byte: U\+007A 'z'"):
        signer.sign(12, fields | {"Memo": "z" * 64})
    with pytest.raises(FieldTypeError, match="Memo must be"):
        signer.sign(12, fields | {"Memo": [1] * 32})


def test_l1_sig_is_written_and_looked_at(signer: lighter.Signer) -> None:
    fields, _ = lighter_random.transaction(random.Random(1), 45)
    good = "0x" + "aB" * 65
    assert f'"L1Sig":"{good}"' in signer.sign(45, fields | {"L1Sig": good}).tx_info
    assert '"L1Sig":"",' in signer.sign(45, fields | {"L1Sig": ""}).tx_info
    for bad in ("0x", "aB" * 66, good[:-1], good + "0", good[:-1] + '"', good[:-1] + "é", "é"):
        with pytest.raises(InvalidTransaction, match="L1Sig must be empty, or 0x"):
            signer.sign(45, fields | {"L1Sig": bad})
    with pytest.raises(FieldTypeError, match="L1Sig must be a str"):
        signer.sign(45, fields | {"L1Sig": 5})


# --- signed transactions ------------------------------------------------------------------------


def test_a_signed_transaction(signer: lighter.Signer) -> None:
    signed = signer.sign(14, ORDER)
    assert len(signed.signature) == 80
    assert len(signed.tx_hash) == 80
    again = lighter.SignedTx(14, signed.tx_info, signed.tx_hash, signed.signature)
    assert again == signed
    assert hash(again) == hash(signed)
    assert signed != signer.sign(14, ORDER)
    assert signed != 5
    assert pickle.loads(pickle.dumps(signed)) == signed
    assert copy.deepcopy(signed) == signed
    assert signed.signature.hex() not in repr(signed)
    assert signed.tx_info not in repr(signed)
    with pytest.raises(AttributeError):
        signed.tx_info = ""  # type: ignore[misc]
    for wrong in ((14, "", signed.tx_hash, b""), (14, "", "", signed.signature)):
        with pytest.raises(ValueError, match="must be 80"):
            lighter.SignedTx(*wrong)


def test_the_same_transaction_is_never_signed_alike(signer: lighter.Signer) -> None:
    assert len({signer.sign(14, ORDER).signature for _ in range(100)}) == 100


# --- batches ------------------------------------------------------------------------------------


def test_a_batch(signer: lighter.Signer) -> None:
    rng = random.Random(7)
    entries = [(kind, *lighter_random.transaction(rng, kind)) for kind in lighter_tx.TYPES * 8]
    signed = signer.sign_batch(entries)
    assert signer.stats.signed == len(entries) == 160
    for (kind, fields, extra), each in zip(entries, signed, strict=True):
        message = lighter.tx_hash(304, kind, fields, extra)
        assert each.tx_hash == message
        assert lighter.verify(signer.public_key, message, each.signature)
        assert each.tx_info == lighter_tx.tx_info(kind, fields, extra, each.signature)
    assert signer.sign_batch([]) == []
    assert len(signer.sign_batch(((14, ORDER), [14, ORDER, None]))) == 2


def test_a_bad_entry_stops_the_batch(signer: lighter.Signer) -> None:
    bad: list[tuple[Any, str, type[Exception]]] = [
        ((14, changed(Price=0)), "OrderPrice should not be less than 1", InvalidTransaction),
        ((14, changed(Price=None)), "create_order: Price must be an integer", FieldTypeError),
        ((14, {}), "create_order: field MarketIndex is missing", InvalidTransaction),
        ((99, ORDER), "99 is not a transaction type", InvalidTransaction),
        ((14,), r"must be \(tx_type, fields\)", FieldTypeError),
        ((14, ORDER, None, None), r"must be \(tx_type, fields\)", FieldTypeError),
        (None, r"must be \(tx_type, fields\)", FieldTypeError),
        ("ab", r"must be \(tx_type, fields\)", FieldTypeError),
    ]
    for place in (0, 3, 7):
        for entry, text, kind in bad:
            entries: list[Any] = [(14, ORDER, None)] * 8
            entries[place] = entry
            with pytest.raises(kind, match=f"^entry {place}: {text}") as caught:
                signer.sign_batch(entries)
            assert isinstance(caught.value, InvalidTransaction)
            assert caught.value.index == place
            assert not caught.value.message.startswith("entry")
            if entry == (14, changed(Price=0)):
                assert caught.value.code == "ErrPriceTooLow"
                revived = pickle.loads(pickle.dumps(caught.value))
                assert (str(revived), revived.index) == (str(caught.value), place)
    assert signer.stats.signed == 0
    for entries in (None, 5, "ab", {1: 2}, iter([])):
        with pytest.raises(FieldTypeError, match="entries must be a list"):
            signer.sign_batch(entries)


# --- the pool -----------------------------------------------------------------------------------


def test_the_pool() -> None:
    with lighter.Signer(KEY, 1, 2, 304, pool_capacity=10) as signer:
        assert signer.stats == lighter.SignerStats(0, 0, 0, 0, 10)
        assert signer.precompute(4) == 4
        assert signer.stats.pool_size == 4
        assert signer.precompute() == 6
        assert signer.precompute() == 0
        assert signer.precompute(0) == 0
        signatures = [signer.sign(14, ORDER) for _ in range(7)]
        assert signer.stats == lighter.SignerStats(7, 7, 0, 3, 10)
        signatures += signer.sign_batch([(14, ORDER)] * 5)
        assert signer.stats == lighter.SignerStats(12, 10, 2, 0, 10)
        signatures.append(signer.sign(14, ORDER))
        assert signer.stats == lighter.SignerStats(13, 10, 3, 0, 10)
        signer.auth_token(5)
        assert signer.stats == lighter.SignerStats(14, 10, 3, 0, 10)
        for each in signatures:
            assert lighter.verify(signer.public_key, each.tx_hash, each.signature)
        assert len({each.signature[40:] for each in signatures}) == 13
        assert signer.precompute(1000) == 10


def test_a_refused_transaction_takes_nothing_from_the_pool() -> None:
    with lighter.Signer(KEY, 1, 2, 304, pool_capacity=3) as signer:
        signer.precompute()
        with pytest.raises(InvalidTransaction):
            signer.sign(14, changed(Price=0))
        with pytest.raises(InvalidTransaction):
            signer.sign_batch([(14, ORDER), (14, changed(Price=0))])
        assert signer.stats == lighter.SignerStats(0, 0, 0, 3, 3)


def test_a_signer_without_a_pool(signer: lighter.Signer) -> None:
    with pytest.raises(SigningError, match="pass pool_capacity"):
        signer.precompute()
    signer.sign(14, ORDER)
    assert signer.stats == lighter.SignerStats(1, 0, 0, 0, 0)


def test_bad_counts() -> None:
    with lighter.Signer(KEY, 1, 2, 304, pool_capacity=3) as signer:
        with pytest.raises(ValueError, match="must not be negative"):
            signer.precompute(-1)
        with pytest.raises(TypeError, match="count must be an integer"):
            signer.precompute(1.5)  # type: ignore[arg-type]


# --- life ---------------------------------------------------------------------------------------


def test_close() -> None:
    signer = lighter.Signer(KEY, 1, 2, 304, pool_capacity=3)
    signer.precompute()
    signer.sign(14, ORDER)
    assert not signer.closed
    signer.close()
    signer.close()
    assert signer.closed
    assert "closed" in repr(signer)
    assert signer.public_key
    assert signer.stats == lighter.SignerStats(1, 1, 0, 0, 3)
    for call in (
        lambda: signer.sign(14, ORDER),
        lambda: signer.sign(14, {}),
        lambda: signer.sign_batch([(14, ORDER)]),
        lambda: signer.sign_batch([]),
        lambda: signer.auth_token(5),
        lambda: signer.precompute(),
        lambda: signer.cancel_order(market_index=1, index=1, nonce=1),
        lambda: signer.__enter__(),
    ):
        with pytest.raises(SignerClosed, match="its key is gone"):
            call()


def test_reading_fields_may_close_the_signer() -> None:
    """An integer of the caller's making runs code of theirs."""
    signer = lighter.Signer(KEY, 1, 2, 304, pool_capacity=3)
    signer.precompute()

    class Closing:
        def __index__(self) -> int:
            signer.close()
            return 50000

    for call in (
        lambda: signer.sign(14, changed(Price=Closing())),
        lambda: signer.sign_batch([(14, changed(Price=Closing()))]),
    ):
        with pytest.raises(SignerClosed):
            call()


def test_a_failing_integer_fails_the_call(signer: lighter.Signer) -> None:
    class Failing:
        def __index__(self) -> int:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        signer.sign(14, changed(Price=Failing()))
    with pytest.raises(RuntimeError, match="no"):
        signer.sign_batch([(14, changed(Price=Failing()))])


def test_a_signer_keeps_its_key(signer: lighter.Signer) -> None:
    with pytest.raises(SigningError, match="make another one"):
        signer.__init__("22" * 40, 1, 2, 304)  # type: ignore[misc]
    assert signer.public_key == lighter.Signer(KEY, 1, 2, 304).public_key


def test_a_signer_that_was_never_given_a_key() -> None:
    empty = lighter.Signer.__new__(lighter.Signer)
    with pytest.raises(SignerClosed):
        empty.sign(14, ORDER)
    assert "closed" in repr(empty)


# --- tokens, hashes, verifying ------------------------------------------------------------------


def test_tokens_are_for_accounts_that_exist() -> None:
    for account, api_key, code in (
        (-2, 5, "ErrAccountIndexTooLow"),
        (2**48 - 1, 5, "ErrAccountIndexTooHigh"),
        (5, 255, "ErrApiKeyIndexTooHigh"),
        (5, -1, "ErrApiKeyIndexTooLow"),
    ):
        with lighter.Signer(KEY, account, api_key, 304) as signer:
            with pytest.raises(InvalidTransaction) as caught:
                signer.auth_token(5)
            assert caught.value.code == code


def test_deadlines(signer: lighter.Signer) -> None:
    for deadline in (0, 1, -5, 2**63 - 1, -(2**63)):
        message, _, signature = signer.auth_token(deadline).rpartition(":")
        assert message == f"{deadline}:12345:5"
        hashed = lighter_crypto.hash5(lighter_tx.auth_elements(message))
        assert lighter.verify(signer.public_key, lighter_crypto.to_bytes(hashed), signature)
    for wrong in (None, 1.0, "1", True):
        with pytest.raises(TypeError, match="deadline_s must be an integer"):
            signer.auth_token(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="int64"):
        signer.auth_token(2**63)


def test_verify_looks_at_forms(signer: lighter.Signer) -> None:
    signed = signer.sign(14, ORDER)
    key, message, signature = signer.public_key, signed.tx_hash, signed.signature
    for form in (str, str.upper, lambda text: "0x" + text, bytes.fromhex):
        assert lighter.verify(form(key), form(message), form(signature.hex()))
    for size in (0, 79, 81, 160):
        assert not lighter.verify(key, message, bytes(size))
    assert not lighter.verify(key, message, "x" * 160)
    for wrong in ("", "00", b"", bytes(39), "g" * 80):
        with pytest.raises(ValueError, match="public_key must be 40 bytes"):
            lighter.verify(wrong, message, signature)
        with pytest.raises(ValueError, match="tx_hash must be 40 bytes"):
            lighter.verify(key, wrong, signature)
    for arguments in ((5, message, signature), (key, None, signature), (key, message, 1.0)):
        with pytest.raises(TypeError, match="must be hexadecimal digits or bytes"):
            lighter.verify(*arguments)


def test_verify_takes_canonical_forms_only() -> None:
    """The same numbers plus p or n are another text for them: refused."""
    sk, k = (7).to_bytes(40, "little"), (9).to_bytes(40, "little")
    message = lighter_crypto.to_bytes((1, 2, 3, 4, 5))
    key = lighter_core.public_key(sk)
    signature = lighter_core.sign_with_nonce(sk, k, message)
    assert lighter.verify(key, message, signature)
    for limb in range(5):
        more = list(lighter_crypto.from_bytes(message))
        more[limb] += lighter_crypto.P
        again = b"".join(value.to_bytes(8, "little") for value in more)
        assert not lighter.verify(key, again, signature)
    one = (1).to_bytes(40, "little")  # its public key is 4, which fits with p added
    four = lighter_core.public_key(one)
    assert four == (4).to_bytes(40, "little")
    signature = lighter_core.sign_with_nonce(one, k, message)
    assert lighter.verify(four, message, signature)
    same = (4 + lighter_crypto.P).to_bytes(40, "little")
    assert not lighter.verify(same, message, signature)


def test_tx_hash_needs_everything() -> None:
    with pytest.raises(InvalidTransaction, match="field AccountIndex is missing"):
        lighter.tx_hash(304, 14, ORDER)
    full = ORDER | {"AccountIndex": 12345, "ApiKeyIndex": 5}
    assert lighter.tx_hash(304, 14, full) != lighter.tx_hash(300, 14, full)
    for wrong in (None, 1.0, "304", True):
        with pytest.raises(TypeError, match="chain_id must be an integer"):
            lighter.tx_hash(wrong, 14, full)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="negative"):
        lighter.tx_hash(-1, 14, full)


# --- one method for each transaction ------------------------------------------------------------


CALLS: list[tuple[str, int, dict[str, Any], dict[str, Any]]] = [
    (
        "create_order", 14,
        {"market_index": 1, "client_order_index": 9, "base_amount": 5, "price": 6, "is_ask": True},
        {"MarketIndex": 1, "ClientOrderIndex": 9, "BaseAmount": 5, "Price": 6, "IsAsk": 1,
         "Type": 0, "TimeInForce": 1, "ReduceOnly": 0, "TriggerPrice": 0,
         "OrderExpiry": NOW_MS + 2_419_200_000},
    ),
    (
        "create_order", 14,
        {"market_index": 1, "base_amount": 5, "price": 6, "is_ask": False, "order_type": 1,
         "reduce_only": True},
        {"MarketIndex": 1, "ClientOrderIndex": 0, "BaseAmount": 5, "Price": 6, "IsAsk": 0,
         "Type": 1, "TimeInForce": 0, "ReduceOnly": 1, "TriggerPrice": 0, "OrderExpiry": 0},
    ),
    (
        "create_order", 14,
        {"market_index": 1, "base_amount": 5, "price": 6, "is_ask": 0, "order_type": 0,
         "time_in_force": 0},
        {"MarketIndex": 1, "ClientOrderIndex": 0, "BaseAmount": 5, "Price": 6, "IsAsk": 0,
         "Type": 0, "TimeInForce": 0, "ReduceOnly": 0, "TriggerPrice": 0, "OrderExpiry": 0},
    ),
    (
        "create_order", 14,
        {"market_index": 1, "base_amount": 5, "price": 6, "is_ask": 0, "order_type": 2,
         "trigger_price": 7, "order_expiry_ms": 8},
        {"MarketIndex": 1, "ClientOrderIndex": 0, "BaseAmount": 5, "Price": 6, "IsAsk": 0,
         "Type": 2, "TimeInForce": 0, "ReduceOnly": 0, "TriggerPrice": 7, "OrderExpiry": 8},
    ),
    ("cancel_order", 15, {"market_index": 1, "index": 2}, {"MarketIndex": 1, "Index": 2}),
    ("cancel_all_orders", 16, {}, {"TimeInForce": 0, "Time": 0}),
    (
        "cancel_all_orders", 16,
        {"time_in_force": 1, "time_ms": 5},
        {"TimeInForce": 1, "Time": 5},
    ),
    (
        "modify_order", 17,
        {"market_index": 1, "index": 2, "base_amount": 3, "price": 4, "trigger_price": 5},
        {"MarketIndex": 1, "Index": 2, "BaseAmount": 3, "Price": 4, "TriggerPrice": 5},
    ),
    (
        "update_leverage", 20,
        {"market_index": 1, "initial_margin_fraction": 500, "margin_mode": 1},
        {"MarketIndex": 1, "InitialMarginFraction": 500, "MarginMode": 1},
    ),
    (
        "update_margin", 29,
        {"market_index": 1, "usdc_amount": 5, "direction": 1},
        {"MarketIndex": 1, "USDCAmount": 5, "Direction": 1},
    ),
    (
        "withdraw", 13,
        {"asset_index": 3, "route_type": 0, "amount": 9},
        {"AssetIndex": 3, "RouteType": 0, "Amount": 9},
    ),
    (
        "transfer", 12,
        {"to_account_index": 8, "asset_index": 3, "from_route_type": 0, "to_route_type": 1,
         "amount": 9},
        {"ToAccountIndex": 8, "AssetIndex": 3, "FromRouteType": 0, "ToRouteType": 1, "Amount": 9,
         "USDCFee": 0, "Memo": "00" * 32},
    ),
    ("change_pub_key", 8, {"public_key": "ab" * 40}, {"PubKey": "ab" * 40}),
    ("create_sub_account", 9, {}, {}),
    ("update_account_config", 41, {"account_trading_mode": 1}, {"AccountTradingMode": 1}),
    (
        "update_account_asset_config", 42,
        {"asset_index": 3, "asset_margin_mode": 1},
        {"AssetIndex": 3, "AssetMarginMode": 1},
    ),
    (
        "approve_integrator", 45,
        {"integrator_account_index": 6, "max_perps_taker_fee": 1, "max_perps_maker_fee": 2,
         "max_spot_taker_fee": 3, "max_spot_maker_fee": 4, "approval_expiry_ms": 5},
        {"IntegratorAccountIndex": 6, "MaxPerpsTakerFee": 1, "MaxPerpsMakerFee": 2,
         "MaxSpotTakerFee": 3, "MaxSpotMakerFee": 4, "ApprovalExpiry": 5},
    ),
    (
        "create_public_pool", 10,
        {"operator_fee": 1, "initial_total_shares": 2, "min_operator_share_rate": 3},
        {"OperatorFee": 1, "InitialTotalShares": 2, "MinOperatorShareRate": 3},
    ),
    (
        "update_public_pool", 11,
        {"public_pool_index": 9, "status": 1, "operator_fee": 1, "min_operator_share_rate": 3},
        {"PublicPoolIndex": 9, "Status": 1, "OperatorFee": 1, "MinOperatorShareRate": 3},
    ),
    (
        "mint_shares", 18,
        {"public_pool_index": 2**47, "share_amount": 3},
        {"PublicPoolIndex": 2**47, "ShareAmount": 3},
    ),
    (
        "burn_shares", 19,
        {"public_pool_index": 2**47, "share_amount": 3},
        {"PublicPoolIndex": 2**47, "ShareAmount": 3},
    ),
    (
        "stake_assets", 35,
        {"staking_pool_index": 2**47, "share_amount": 3},
        {"StakingPoolIndex": 2**47, "ShareAmount": 3},
    ),
    (
        "unstake_assets", 36,
        {"staking_pool_index": 2**47, "share_amount": 3},
        {"StakingPoolIndex": 2**47, "ShareAmount": 3},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("method", "tx_type", "arguments", "fields"), CALLS)
def test_methods(
    signer: lighter.Signer,
    method: str,
    tx_type: int,
    arguments: dict[str, Any],
    fields: dict[str, Any],
) -> None:
    account = {lighter_tx.account_key(tx_type): 12345, "ApiKeyIndex": 5}
    expected = account | fields | {"ExpiredAt": NOW_MS + 599_000, "Nonce": 7}
    signed = getattr(signer, method)(nonce=7, **arguments)
    assert signed.tx_type == tx_type
    assert signed.tx_hash == lighter_tx.tx_hash(304, tx_type, expected).hex()
    assert signed.tx_info == lighter_tx.tx_info(tx_type, expected, None, signed.signature)
    named = getattr(signer, method)(nonce=7, expired_at_ms=5, attributes={4: 1}, **arguments)
    later = expected | {"ExpiredAt": 5}
    assert named.tx_hash == lighter_tx.tx_hash(304, tx_type, later, {4: 1}).hex()


def test_grouped_orders(signer: lighter.Signer) -> None:
    fields, extra = lighter_random.transaction(random.Random(9), 28, account=12345, api_key=5)
    signed = signer.create_grouped_orders(
        grouping_type=fields["GroupingType"],
        orders=fields["Orders"],
        nonce=fields["Nonce"],
        expired_at_ms=fields["ExpiredAt"],
        attributes=extra,
    )
    assert signed.tx_hash == lighter_tx.tx_hash(304, 28, fields, extra).hex()


def test_every_transaction_has_a_method() -> None:
    methods = {name for name, *_ in CALLS} | {"create_grouped_orders"}
    assert methods == {kind.name.lower() for kind in lighter.TxType}
    assert {int(kind) for kind in lighter.TxType} == set(lighter_tx.TYPES)


def test_margin_moves_one_way(signer: lighter.Signer) -> None:
    """The method refuses what `sign` lets pass, as the official library does."""
    for amount in (0, -1):
        with pytest.raises(InvalidTransaction, match="should be larger than 1") as caught:
            signer.update_margin(market_index=1, usdc_amount=amount, direction=1, nonce=1)
        assert caught.value.code == "ErrTransferAmountTooLow"
    assert signer.sign(
        29, {"MarketIndex": 1, "USDCAmount": -1, "Direction": 1, "ExpiredAt": 1, "Nonce": 1}
    )


def test_the_owner_signs_as_well(signer: lighter.Signer) -> None:
    l1 = lighter.L1Signer("11" * 32)
    signed = signer.change_pub_key(public_key="ab" * 40, nonce=7, l1=l1)
    fields = {"PubKey": "ab" * 40, "Nonce": 7, "ExpiredAt": 1}
    message = signer.l1_message(8, fields)
    assert "account index: 0x0000000000003039" in message
    assert json.loads(signed.tx_info)["L1Sig"] == l1.sign(message)
    with pytest.raises(InvalidTransaction, match="PubKey is invalid"):
        signer.change_pub_key(public_key="ab" * 39, nonce=7, l1=l1)
    with pytest.raises(InvalidTransaction, match="carry no L1 signature"):
        signer.l1_message(14, ORDER)
    with pytest.raises(InvalidTransaction, match="field Nonce is missing"):
        lighter.l1_message(304, 8, {"PubKey": "ab" * 40})
    for wrong in ("", "11" * 31, "zz" * 32, bytes(32), "00" * 32, b"\xff" * 32, None, 5):
        with pytest.raises(InvalidKey, match="must be 32 bytes"):
            lighter.L1Signer(wrong)  # type: ignore[arg-type]
    for wrong in ("", "0x" + "1" * 129, "1" * 132, "0x" + "g" * 130):
        with pytest.raises(InvalidTransaction, match="0x and 130"):
            lighter.with_l1_signature(signed, wrong)


def test_the_clock_is_the_systems_by_default() -> None:
    import time

    with lighter.Signer(KEY, 1, 2, 304) as signer:
        assert abs(signer.now_ms() - time.time() * 1000) < 60_000


# --- the package ------------------------------------------------------------------------------


def test_signing_loads_little() -> None:
    """No network, no numpy; the Ethereum libraries only when they are used."""
    script = "from connectors import lighter; lighter.Signer; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    assert "connectors._speedups.lighter_signer" in loaded
    assert not loaded & {"numpy", "aiohttp", "picows", "asyncio", "Crypto", "coincurve"}
    assert "connectors._speedups.lighter_core" not in loaded


def test_public_names() -> None:
    for name in lighter.__all__:
        assert getattr(lighter, name) is not None
    assert set(lighter.__all__) <= set(dir(lighter))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = lighter.nonsense
    # Nothing that signs takes a nonce of the caller's choice.
    offered = {name for name in dir(lighter_signer) if "nonce" in name.lower()}
    offered |= {name for name in dir(lighter.Signer) if "nonce" in name.lower()}
    assert not offered
