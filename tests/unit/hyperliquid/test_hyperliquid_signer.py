"""The Hyperliquid signer as an object: keys, actions, batches, pool, life."""

from __future__ import annotations

import copy
import pickle
import random
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from enum import IntEnum, StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from connectors import hyperliquid
from connectors._speedups import hyperliquid_signer
from connectors.errors import (
    ConnectorError,
    FieldTypeError,
    InvalidKey,
    InvalidTransaction,
    SignerClosed,
    SigningError,
)
from oracle import hyperliquid_signing as oracle

KEY = "0123456789012345678901234567890123456789012345678901234567890123"
ADDRESS = "0x14791697260E4c9A71f18484C9f997B308e59325"
VAULT = "0x1719884eb866cb12b2287399b15f7db5e7d775ea"
NOW_MS = 1_700_000_000_000
ORDER = {
    "type": "order",
    "orders": [
        {"a": 1, "b": True, "p": "100", "s": "100", "r": False, "t": {"limit": {"tif": "Gtc"}}}
    ],
    "grouping": "na",
}


@pytest.fixture
def signer() -> Iterator[hyperliquid.Signer]:
    with hyperliquid.Signer(KEY) as made:
        yield made


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "", "0x", "1", KEY[:-1], KEY[:-2], KEY + "0", KEY + "00", "0x0x" + KEY[:-2], "g" + KEY[1:],
        KEY[:-1] + "/", KEY[:-1] + ":", KEY[:-1] + "@", KEY[:-1] + "`", KEY[:-1] + "\0",
        KEY[:-1] + "é", "é" * 64, "\ud800" * 64, " " + KEY[1:], KEY + "\n", "00" * 32, "ff" * 32,
        f"{oracle.N:064x}", f"{oracle.N + 1:064x}", bytes(32), b"", bytes(31), bytes(33),
        bytes(64), oracle.N.to_bytes(32, "big"),
    ],
)  # fmt: skip
def test_bad_keys_are_refused(key: str | bytes) -> None:
    """S5; a key of n or more is refused, never reduced."""
    with pytest.raises(InvalidKey) as caught:
        hyperliquid.Signer(key)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, ConnectorError)


@pytest.mark.parametrize("key", [None, 5, ["1"], object()])
def test_a_key_of_another_type(key: Any) -> None:
    with pytest.raises(TypeError, match="private_key must be a str or bytes"):
        hyperliquid.Signer(key)


@pytest.mark.parametrize(
    "make",
    [
        str, str.upper, lambda k: "0x" + k, lambda k: "0X" + k, bytes.fromhex, str.encode,
        lambda k: b"0x" + k.encode(), lambda k: bytearray.fromhex(k),
        lambda k: memoryview(bytes.fromhex(k)),
    ],
)  # fmt: skip
def test_forms_of_a_key(make: Callable[[str], Any]) -> None:
    with hyperliquid.Signer(make(KEY)) as signer:
        assert signer.address == ADDRESS


@pytest.mark.parametrize("key", [1, 2, oracle.N - 1, oracle.N // 2, 2**255, 2**64])
def test_addresses(key: int) -> None:
    with hyperliquid.Signer(key.to_bytes(32, "big")) as signer:
        assert signer.address.lower() == oracle.address(oracle.multiply(oracle.G, key))
        assert hyperliquid.checksum_address(signer.address.lower()) == signer.address


def test_checksums() -> None:
    """The examples of EIP-55."""
    for text in (
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ):
        for form in (text, text.lower(), text[2:].upper(), bytes.fromhex(text[2:])):
            assert hyperliquid.checksum_address(form) == text
    with pytest.raises(InvalidTransaction, match="address must be 20 bytes"):
        hyperliquid.checksum_address("0x5a")


def test_a_key_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for text in (KEY, f"0x{KEY}\n", f"\n\t {KEY.upper()} \r\n"):
        path.write_text(text)
        with hyperliquid.Signer.from_file(path, pool_capacity=3) as signer:
            assert (signer.address, signer.pool_capacity) == (ADDRESS, 3)
    for text in ("", "\n", KEY[:-2], KEY[:32], KEY + KEY, KEY[:-1] + "x", "z" * 300, KEY + " x"):
        path.write_text(text)
        with pytest.raises(InvalidKey):
            hyperliquid.Signer.from_file(path)
    with pytest.raises(FileNotFoundError):
        hyperliquid.Signer.from_file(tmp_path / "none")


def test_new_keys() -> None:
    private, address = hyperliquid.generate_key()
    assert len(private) == 64
    assert hyperliquid.Signer(private).address == address
    assert hyperliquid.generate_key()[0] != private


def test_bad_arguments() -> None:
    for wrong in (None, 1.0, "1", True):
        with pytest.raises(TypeError, match="pool_capacity must be an integer"):
            hyperliquid.Signer(KEY, pool_capacity=wrong)  # type: ignore[arg-type]
    for capacity in (-1, hyperliquid_signer.MAX_POOL + 1, 2**80):
        with pytest.raises(ValueError, match="from 0 to 65536"):
            hyperliquid.Signer(KEY, pool_capacity=capacity)


# --- actions --------------------------------------------------------------------------------------


def test_the_same_action_is_signed_alike(signer: hyperliquid.Signer) -> None:
    """S4."""
    first = signer.sign_l1_action(ORDER, NOW_MS)
    assert signer.sign_l1_action(copy.deepcopy(ORDER), NOW_MS) == first
    assert list(first) == ["r", "s", "v"]
    digest = oracle.l1_digest(oracle.action_hash(ORDER, NOW_MS, None, None), mainnet=True)
    assert first == oracle.as_dict(*oracle.sign(int(KEY, 16), digest))


def test_what_goes_with_an_action_counts(signer: hyperliquid.Signer) -> None:
    calls: list[tuple[Any, ...]] = [
        (ORDER, 1), (ORDER, 2), (ORDER, 1, VAULT), (ORDER, 1, None, 0), (ORDER, 1, None, 1),
        (ORDER, 1, VAULT, 0), (ORDER, 1, None, None, False), ({**ORDER, "grouping": "x"}, 1),
    ]  # fmt: skip
    found = [signer.sign_l1_action(*call)["r"] for call in calls]
    assert len(set(found)) == len(calls)


def test_the_order_of_keys_is_kept(signer: hyperliquid.Signer) -> None:
    """S3: another order is other bytes, and is not put right."""
    (order,) = ORDER["orders"]  # type: ignore[misc]
    assert isinstance(order, dict)
    swapped = dict(reversed(order.items()))
    for action in (
        dict(reversed(ORDER.items())),
        {**ORDER, "orders": [swapped]},
        {**ORDER, "orders": [{**order, "t": {"limit": {"tif": "Gtc", "x": 1}}}]},
        {**ORDER, "orders": [{**order, "x": 1}]},
        {**ORDER, "orders": [{**order, "c": None}]},
        {**ORDER, "orders": [{**order, "p": 100}]},
        {**ORDER, "orders": [{**order, "b": 1}]},
        {**ORDER, "orders": [{**order, "a": True}]},
        {**ORDER, "orders": [{**order, "a": -1}]},
        {**ORDER, "orders": [{**order, "p": "½"}]},
        {**ORDER, "orders": (order,)},
        {**ORDER, "grouping": {"p": 1, "q": 2}},
        {**ORDER, "builder": {"b": VAULT}},
        {**ORDER, "builder": None},
        {**ORDER, "x": 1},
        {"type": "order"},
        {"type": "order", "orders": []},
        {"type": "order", "orders": 5, "grouping": "na"},
        {"type": "cancel", "cancels": [{"o": 1, "a": 2}]},
        {"type": "cancel", "cancels": [{"a": 1, "o": "2"}]},
        {"type": "cancel", "cancels": None},
        {"type": "cancelByCloid", "cancels": [{"asset": 1, "cloid": None}]},
        {"type": "modify", "oid": None, "order": order},
        {"type": "modify", "oid": 1, "order": order, "a": True},
        {"type": "batchModify", "modifies": [{"order": order, "oid": 1}]},
        {"type": "orders", "orders": [order], "grouping": "na"},
        {},
    ):
        assert hyperliquid.encode_action(action) == oracle.pack(action)


class Tif(StrEnum):
    GTC = "Gtc"


class Asset(IntEnum):
    ETH = 1


def test_what_counts_as_text_and_as_a_number(signer: hyperliquid.Signer) -> None:
    plain = signer.sign_l1_action(ORDER, NOW_MS, VAULT)
    (order,) = ORDER["orders"]  # type: ignore[misc]
    assert isinstance(order, dict)
    for each in (
        {**order, "t": {"limit": {"tif": Tif.GTC}}},
        {**order, "a": Asset.ETH},
        OrderedDict(order),
    ):
        assert signer.sign_l1_action({**ORDER, "orders": [each]}, NOW_MS, VAULT) == plain
    assert signer.sign_l1_action({**ORDER, "orders": (order,)}, NOW_MS, VAULT) == plain
    for nonce in (np.int64(NOW_MS), np.uint64(NOW_MS)):
        assert signer.sign_l1_action(ORDER, nonce, VAULT) == plain
    for vault in (VAULT[2:], VAULT.upper().replace("X", "x"), "0X" + VAULT[2:].upper(),
                  bytes.fromhex(VAULT[2:]), bytearray.fromhex(VAULT[2:])):  # fmt: skip
        assert signer.sign_l1_action(ORDER, NOW_MS, vault) == plain


class Loud(dict):  # type: ignore[type-arg]
    """A dict whose methods must not be used: they could change what is being read."""

    def items(self) -> Any:
        raise AssertionError

    __iter__ = keys = values = __getitem__ = items  # type: ignore[assignment]


def test_no_code_of_the_caller_runs_while_encoding() -> None:
    action = Loud(ORDER)
    assert hyperliquid.encode_action(action) == hyperliquid.encode_action(ORDER)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.0, FieldTypeError, "a float is never signed"),
        (float("nan"), FieldTypeError, "a float is never signed"),
        (np.float64(1.5), FieldTypeError, "a float is never signed"),
        (b"x", FieldTypeError, "bytes is nothing an action can hold"),
        (1j, FieldTypeError, "complex is nothing"),
        ({1, 2}, FieldTypeError, "set is nothing"),
        (object(), FieldTypeError, "object is nothing"),
        (np.int64(1), FieldTypeError, "int64 is nothing"),
        ({1: 2}, FieldTypeError, "a key must be a str, not int"),
        ({None: 2}, FieldTypeError, "a key must be a str, not NoneType"),
        (2**64, InvalidTransaction, "an integer beyond 64 bits"),
        (-(2**63) - 1, InvalidTransaction, "an integer beyond 64 bits"),
        (10**400, InvalidTransaction, "an integer beyond 64 bits"),
        ("\ud800", InvalidTransaction, "half a surrogate pair"),
        ({"\udfff": 1}, InvalidTransaction, "half a surrogate pair"),
    ],
)
def test_what_cannot_be_signed(
    signer: hyperliquid.Signer, value: Any, error: type[Exception], text: str
) -> None:
    """S6: wherever it stands, it is refused, with its place, and nothing is signed."""
    (order,) = ORDER["orders"]  # type: ignore[misc]
    assert isinstance(order, dict)
    places = [
        ("action.grouping", {**ORDER, "grouping": value}),
        ("action.orders[0].p", {**ORDER, "orders": [{**order, "p": value}]}),
        ("action.orders[0].a", {**ORDER, "orders": [{**order, "a": value}]}),
        ("action.orders[0].t", {**ORDER, "orders": [{**order, "t": value}]}),
        ("action.orders[1]", {**ORDER, "orders": [order, value]}),
        ("action.x[0][1]", {"type": "x", "x": ([None, value],)}),
    ]
    for place, action in places:
        for call in (
            lambda: signer.sign_l1_action(action, NOW_MS),  # noqa: B023
            lambda: hyperliquid.action_hash(action, NOW_MS),  # noqa: B023
            lambda: hyperliquid.encode_action(action),  # noqa: B023
        ):
            with pytest.raises(error, match=text) as caught:
                call()
            assert isinstance(caught.value, (ValueError, TypeError))
            assert isinstance(caught.value, SigningError)
            assert place in str(caught.value)
        with pytest.raises(error, match=rf"^entry 1: .*{text}") as batch:
            signer.sign_batch([(ORDER, 1), (action, 2)])
        assert batch.value.index == 1  # type: ignore[attr-defined]
    assert signer.signed == 0


@pytest.mark.parametrize("action", [None, 5, "order", b"", 1.5, MappingProxyType(ORDER), {1}])
def test_an_action_that_is_no_dict(signer: hyperliquid.Signer, action: Any) -> None:
    with pytest.raises(FieldTypeError, match="an action must be a dict"):
        signer.sign_l1_action(action, NOW_MS)
    with pytest.raises(FieldTypeError):
        signer.sign_user_action(action if not isinstance(action, MappingProxyType) else 5)  # type: ignore[arg-type]


def test_depth() -> None:
    action: Any = {}
    for _ in range(63):
        action = {"x": action}
    assert hyperliquid.encode_action(action) == oracle.pack(action)
    for _ in range(2000):
        action = [action]
    with pytest.raises(InvalidTransaction, match="nested more than 64 deep"):
        hyperliquid.encode_action(action)
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidTransaction, match="nested"):
        hyperliquid.encode_action(endless)


def test_long_actions() -> None:
    """Beyond the memory that is lent, and beyond every short form."""
    (order,) = ORDER["orders"]  # type: ignore[misc]
    rng = random.Random(1)
    for action in (
        {**ORDER, "orders": [order] * 1000},
        {"type": "x", "x": "é" * 70_000},
        {"type": "x", "x": list(range(70_000))},
        {"type": "x", "x": {str(i): None for i in range(70_000)}},
        {"type": "cancel", "cancels": [{"a": 1, "o": rng.getrandbits(64)} for _ in range(5000)]},
    ):
        assert hyperliquid.encode_action(action) == oracle.pack(action)
        hashed = oracle.action_hash(action, 5, VAULT, 6)
        assert hyperliquid.action_hash(action, 5, VAULT, 6) == hashed


@pytest.mark.parametrize("name", ["nonce", "expires_after"])
def test_numbers_beside_an_action(signer: hyperliquid.Signer, name: str) -> None:
    """S10."""
    good = {"nonce": 1, "expires_after": 1}
    for value in (-1, 2**64, -(2**70), 10**40):
        with pytest.raises(InvalidTransaction, match=rf"{name} must be from 0 to 2\^64 - 1"):
            signer.sign_l1_action(ORDER, **(good | {name: value}))
    for wrong in (1.0, "1", True, b"1", [1]):
        with pytest.raises(FieldTypeError, match=f"{name} must be an integer"):
            signer.sign_l1_action(ORDER, **(good | {name: wrong}))  # type: ignore[arg-type]
    with pytest.raises(FieldTypeError, match="nonce must be an integer"):
        signer.sign_l1_action(ORDER, None)  # type: ignore[arg-type]
    for value in (0, 2**64 - 1):
        assert signer.sign_l1_action(ORDER, **(good | {name: value}))
    assert signer.signed == 2


@pytest.mark.parametrize(
    "vault",
    [
        "",
        "0x",
        VAULT[:-2],
        VAULT + "00",
        VAULT[:-1],
        VAULT[:-1] + "g",
        "é" * 40,
        bytes(19),
        bytes(21),
    ],
)
def test_bad_vaults(signer: hyperliquid.Signer, vault: str | bytes) -> None:
    """S11."""
    with pytest.raises(InvalidTransaction, match="vault_address must be 20 bytes"):
        signer.sign_l1_action(ORDER, 1, vault)
    with pytest.raises(InvalidTransaction, match="vault_address must be 20 bytes"):
        hyperliquid.action_hash(ORDER, 1, vault)


@pytest.mark.parametrize("wrong", [5, 1.5, [VAULT], object()])
def test_vaults_of_another_type(signer: hyperliquid.Signer, wrong: Any) -> None:
    with pytest.raises(FieldTypeError, match="vault_address must be hexadecimal digits or bytes"):
        signer.sign_l1_action(ORDER, 1, wrong)


@pytest.mark.parametrize("wrong", [None, 0, 1, "testnet", "", [], np.bool_(True)])
def test_the_network_is_said_clearly(signer: hyperliquid.Signer, wrong: Any) -> None:
    """ "testnet" is true: it must not sign for the mainnet."""
    for call in (
        lambda: signer.sign_l1_action(ORDER, 1, mainnet=wrong),
        lambda: signer.sign_batch([(ORDER, 1)], mainnet=wrong),
        lambda: hyperliquid.l1_digest(bytes(32), wrong),
    ):
        with pytest.raises(FieldTypeError, match="mainnet must be True or False"):
            call()


def test_digests(signer: hyperliquid.Signer) -> None:
    digest = bytes(range(32))
    wanted = oracle.as_dict(*oracle.sign(int(KEY, 16), digest))
    for form in (digest, digest.hex(), "0x" + digest.hex(), bytearray(digest)):
        assert signer.sign_digest(form) == wanted
    for wrong in (b"", digest[1:], digest + b"1", "zz" * 32, None, 5):
        with pytest.raises(InvalidTransaction, match="digest must be 32 bytes"):
            signer.sign_digest(wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidTransaction, match="action_hash must be 32 bytes"):
            hyperliquid.l1_digest(wrong)  # type: ignore[arg-type]
    for edge in (bytes(32), b"\xff" * 32, oracle.N.to_bytes(32, "big")):
        wanted = oracle.as_dict(*oracle.sign(int(KEY, 16), edge))
        assert signer.sign_digest(edge) == wanted


def test_keccak() -> None:
    rng = random.Random(2)
    for size in [*range(280), 1000, 5000]:
        data = rng.randbytes(size)
        assert hyperliquid.keccak256(data) == oracle.keccak256(data)
    with pytest.raises(TypeError):
        hyperliquid.keccak256("text")  # type: ignore[arg-type]


# --- user-signed actions --------------------------------------------------------------------------

SEND = {"type": "usdSend", "destination": VAULT, "amount": "1", "time": NOW_MS}
DELEGATE = {
    "type": "tokenDelegate", "validator": VAULT, "wei": 5, "isUndelegate": False, "nonce": 7,
}  # fmt: skip


@pytest.mark.parametrize(
    ("action", "error", "text"),
    [
        ({}, InvalidTransaction, "None is not an action a user signs"),
        (ORDER, InvalidTransaction, "'order' is not an action a user signs"),
        ({**SEND, "type": ["x"]}, InvalidTransaction, "is not an action a user signs"),
        (
            {"type": "usdSend", "amount": "1", "time": 1},
            InvalidTransaction,
            "destination is missing",
        ),
        ({**SEND, "amount": 1}, FieldTypeError, "amount must be text, not int"),
        ({**SEND, "amount": 1.5}, FieldTypeError, "amount must be text, not float"),
        ({**SEND, "amount": "\ud800"}, InvalidTransaction, "no UTF-8"),
        ({**SEND, "time": "1"}, FieldTypeError, "time must be an integer"),
        ({**SEND, "time": True}, FieldTypeError, "time must be an integer"),
        ({**SEND, "time": 1.0}, FieldTypeError, "time must be an integer"),
        ({**SEND, "time": -1}, InvalidTransaction, r"from 0 to 2\^64 - 1"),
        ({**SEND, "time": 2**64}, InvalidTransaction, r"from 0 to 2\^64 - 1"),
        ({**SEND, "signatureChainId": 421614}, FieldTypeError, "signatureChainId must be text"),
        ({**SEND, "signatureChainId": ""}, InvalidTransaction, "signatureChainId must be 0x"),
        ({**SEND, "signatureChainId": "0xzz"}, InvalidTransaction, "signatureChainId must be 0x"),
        ({**SEND, "signatureChainId": "0x" + "1" * 17}, InvalidTransaction, "1 to 16"),
        ({**DELEGATE, "validator": "0x12"}, InvalidTransaction, "40 hexadecimal digits"),
        ({**DELEGATE, "validator": 5}, FieldTypeError, "an address as text"),
        ({**DELEGATE, "isUndelegate": 1}, FieldTypeError, "isUndelegate must be True or False"),
        ({**DELEGATE, "hyperliquidChain": None}, FieldTypeError, "hyperliquidChain must be text"),
    ],
)
def test_bad_user_actions(
    signer: hyperliquid.Signer, action: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        signer.sign_user_action(action)
    assert signer.signed == 0


def test_what_an_action_says_of_its_network_counts(signer: hyperliquid.Signer) -> None:
    testnet = signer.sign_user_action(SEND, mainnet=False)
    assert testnet != signer.sign_user_action(SEND)
    assert signer.sign_user_action({**SEND, "hyperliquidChain": "Testnet"}) == testnet
    assert "hyperliquidChain" not in SEND


def test_addresses_count_whatever_their_case(signer: hyperliquid.Signer) -> None:
    upper = "0x" + VAULT[2:].upper()
    assert signer.sign_user_action({**DELEGATE, "validator": upper}) == signer.sign_user_action(
        DELEGATE
    )


def test_bad_multi_sigs(signer: hyperliquid.Signer) -> None:
    for who in (("0x12", VAULT), (VAULT, "zz"), (None, VAULT), (VAULT, None)):
        for action in (ORDER, SEND):
            with pytest.raises(InvalidTransaction):
                signer.sign_multi_sig_payload(action, 1, *who)  # type: ignore[arg-type]
    for signature in ({}, {"r": 5, "s": "0x1", "v": 27}, {"r": "zz", "s": "0x1", "v": 27}):
        with pytest.raises(InvalidTransaction, match="a signature must have r and s"):
            hyperliquid.multi_sig_action(ORDER, [signature], VAULT, VAULT)
    with pytest.raises(FieldTypeError):
        hyperliquid.multi_sig_action_hash([], 1)  # type: ignore[arg-type]


# --- batches --------------------------------------------------------------------------------------


def test_a_batch(signer: hyperliquid.Signer) -> None:
    """S9."""
    rng = random.Random(3)
    entries = [(oracle.random_action(rng), *oracle.random_tail(rng)) for _ in range(60)]
    for mainnet in (True, False):
        alone = [signer.sign_l1_action(*entry, mainnet=mainnet) for entry in entries]
        assert signer.sign_batch(entries, mainnet=mainnet) == alone
    assert signer.sign_batch([]) == []
    plain = signer.sign_l1_action(ORDER, 1)
    for form in ([(ORDER, 1)], [[ORDER, 1, None]], ((ORDER, 1, None, None),)):
        assert signer.sign_batch(form) == [plain]  # type: ignore[arg-type]
    assert signer.signed == 4 * 60 + 4


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (None, "must be"), ((), "must be"), ((ORDER,), "must be"),
        ((ORDER, 1, None, None, 1), "must be"),
        ((ORDER, -1), "nonce must be from 0"), ((ORDER, "1"), "nonce must be an integer"),
        ((ORDER, 1, "x"), "vault_address"), ((ORDER, 1, None, 1.5), "expires_after"),
        ((None, 1), "an action must be a dict"),
    ],
)  # fmt: skip
def test_a_bad_entry_stops_the_batch(signer: hyperliquid.Signer, entry: Any, text: str) -> None:
    with pytest.raises(InvalidTransaction, match=rf"^entry 2: .*{text}") as caught:
        signer.sign_batch([(ORDER, 1), (ORDER, 2), entry])
    assert caught.value.index == 2
    assert signer.signed == 0


@pytest.mark.parametrize("entries", [None, 5, "ab", {1: 2}, iter([])])
def test_a_batch_that_is_no_list(signer: hyperliquid.Signer, entries: Any) -> None:
    with pytest.raises(FieldTypeError, match="entries must be a list"):
        signer.sign_batch(entries)


# --- pool and life --------------------------------------------------------------------------------


def test_the_pool() -> None:
    hashed = oracle.action_hash(ORDER, 1, None, None)
    digest = oracle.l1_digest(hashed, mainnet=True)
    with hyperliquid.Signer(KEY, pool_capacity=10) as signer:
        assert signer.precompute(3) == 3
        assert signer.stats == hyperliquid.SignerStats(0, 0, 0, 3, 10)
        found = [signer.sign_l1_action(ORDER, 1) for _ in range(4)]
        assert signer.stats == hyperliquid.SignerStats(4, 3, 1, 0, 10)
        assert len({each["r"] for each in found}) == 4
        assert found[3] == oracle.as_dict(*oracle.sign(int(KEY, 16), digest))  # RFC 6979 again
        for each in found:
            r, s, v = int(each["r"], 16), int(each["s"], 16), each["v"]
            assert s <= oracle.N // 2
            assert oracle.recover(digest, r, s, v) == ADDRESS.lower()
        assert signer.precompute() == 10
        assert signer.precompute() == 0
        assert signer.precompute(0) == 0
        batch = signer.sign_batch([(ORDER, 1)] * 12)
        assert signer.stats == hyperliquid.SignerStats(16, 13, 3, 0, 10)
        assert batch[10] == batch[11] == found[3]
        for each in batch:
            assert hyperliquid.recover_address(digest, each) == ADDRESS


def test_a_refused_action_takes_nothing_from_the_pool() -> None:
    with hyperliquid.Signer(KEY, pool_capacity=5) as signer:
        signer.precompute()
        for call in (
            lambda: signer.sign_l1_action({"x": 1.5}, 1),
            lambda: signer.sign_l1_action(ORDER, -1),
            lambda: signer.sign_batch([(ORDER, 1), ({"x": 1.5}, 1)]),
            lambda: signer.sign_digest(b""),
            lambda: signer.sign_user_action(ORDER),
        ):
            with pytest.raises(InvalidTransaction):
                call()
        assert signer.stats == hyperliquid.SignerStats(0, 0, 0, 5, 5)


def test_a_signer_without_a_pool(signer: hyperliquid.Signer) -> None:
    with pytest.raises(SigningError, match="made without a pool"):
        signer.precompute()
    signer.sign_l1_action(ORDER, 1)
    assert signer.stats == hyperliquid.SignerStats(1, 0, 0, 0, 0)


def test_bad_counts() -> None:
    with hyperliquid.Signer(KEY, pool_capacity=5) as signer:
        for wrong in (1.0, "1", True):
            with pytest.raises(TypeError, match="count must be an integer"):
                signer.precompute(wrong)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="must not be negative"):
            signer.precompute(-1)
        assert signer.precompute(2**80) == 5


def test_close() -> None:
    signer = hyperliquid.Signer(KEY, pool_capacity=2)
    signer.precompute()
    assert not signer.closed
    signer.close()
    signer.close()
    assert signer.closed
    assert signer.pool_size == 0
    assert "closed" in repr(signer)
    for call in (
        lambda: signer.sign_l1_action(ORDER, 1),
        lambda: signer.sign_batch([]),
        lambda: signer.sign_batch([(ORDER, 1)]),
        lambda: signer.sign_digest(bytes(32)),
        lambda: signer.sign_user_action(SEND),
        lambda: signer.sign_multi_sig_payload(ORDER, 1, VAULT, VAULT),
        lambda: signer.sign_multi_sig_action(ORDER, 1),
        signer.precompute,
        signer.__enter__,
    ):
        with pytest.raises(SignerClosed, match="its key is gone"):
            call()
    assert signer.address == ADDRESS


class Closing:
    """A nonce that closes the signer while it is being read."""

    def __init__(self, signer: hyperliquid.Signer) -> None:
        self.signer = signer

    def __index__(self) -> int:
        self.signer.close()
        return 1


def test_reading_a_nonce_may_close_the_signer() -> None:
    for call in (
        lambda s, n: s.sign_l1_action(ORDER, n),
        lambda s, n: s.sign_batch([(ORDER, n)]),
    ):
        signer = hyperliquid.Signer(KEY, pool_capacity=3)
        signer.precompute()
        with pytest.raises(SignerClosed):
            call(signer, Closing(signer))


def test_a_signer_keeps_its_key(signer: hyperliquid.Signer) -> None:
    with pytest.raises(SigningError, match="make another one"):
        signer.__init__("11" * 32)  # type: ignore[misc]
    assert signer.address == ADDRESS


def test_a_signer_that_was_never_given_a_key() -> None:
    signer = hyperliquid.Signer.__new__(hyperliquid.Signer)
    for call in (lambda: signer.sign_l1_action(ORDER, 1), signer.precompute, signer.__enter__):
        with pytest.raises(SignerClosed):
            call()
    signer.close()
    assert signer.closed


def test_errors_survive_a_pickle(signer: hyperliquid.Signer) -> None:
    with pytest.raises(InvalidTransaction) as caught:
        signer.sign_batch([({"x": 1.5}, 1)])
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again)) == (FieldTypeError, str(caught.value))


def test_nothing_is_leaked(signer: hyperliquid.Signer) -> None:
    """References of what is read are balanced, also where it is refused."""
    text = "x" * 50
    action = {"type": "order", "orders": [], "grouping": text}
    before = sys.getrefcount(text), sys.getrefcount(action)
    for _ in range(100):
        signer.sign_l1_action(action, 1)
        signer.sign_batch([(action, 1)] * 3)
        with pytest.raises(InvalidTransaction):
            signer.sign_l1_action({"a": [text, action, 1.5]}, 1)
    assert (sys.getrefcount(text), sys.getrefcount(action)) == before


def test_every_public_name_loads() -> None:
    for name in hyperliquid.__all__:
        assert getattr(hyperliquid, name) is not None
    assert set(hyperliquid.__all__) <= set(dir(hyperliquid))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = hyperliquid.nonsense
