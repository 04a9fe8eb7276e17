"""Random Lighter transactions against the oracle, and against the venue's own signer.

CONNECTORS_LIGHTER_ORDERS sets how many orders are signed and verified; `make verify-signer` does
10 000. The venue's library is that of the installed lighter-sdk.
"""

from __future__ import annotations

import base64
import json
import os
import random
from collections.abc import Iterator

import pytest

from connectors import lighter
from connectors.errors import InvalidTransaction
from oracle import lighter_crypto, lighter_official, lighter_random, lighter_tx

ORDERS = int(os.environ.get("CONNECTORS_LIGHTER_ORDERS", "500"))
# One of several attributes out of range is reported, and which one is open.
ATTRIBUTE_RANGES = {
    "ErrIntegratorAccountIndexInvalidRange",
    "ErrIntegratorFeeInvalidRange",
    "ErrNonceSkipAttributeInvalid",
    "ErrCancelAllMarketIndexInvalidRange",
    "ErrSelfTradeBehaviorModeInvalidRange",
    "ErrSelfTradeEqualityModeInvalidRange",
    "ErrOrderOrderVersionInvalidRange",
    "ErrInvalidAttributeType",
}
KEY = random.Random(1).randbytes(40)
by_type = pytest.mark.parametrize("tx_type", lighter_tx.TYPES)


@pytest.fixture
def signer() -> Iterator[lighter.Signer]:
    with lighter.Signer(KEY, 77, 3, 304) as made:
        yield made


def refusal(
    tx_type: int, fields: dict[str, object], extra: dict[int, int]
) -> tuple[str | None, str]:
    """Return code and text of the error, or None."""
    try:
        lighter.tx_hash(304, tx_type, fields, extra)
    except InvalidTransaction as error:
        return error.code, str(error)
    return None, ""


@by_type
def test_valid_transactions_come_out_as_the_oracle_says(
    tx_type: int, signer: lighter.Signer
) -> None:
    rng = random.Random(tx_type)
    for _ in range(150):
        fields, extra = lighter_random.transaction(rng, tx_type)
        signed = signer.sign(tx_type, fields, extra)
        assert signed.tx_hash == lighter_tx.tx_hash(304, tx_type, fields, extra).hex()
        assert signed.tx_info == lighter_tx.tx_info(tx_type, fields, extra, signed.signature)
        assert lighter.verify(signer.public_key, signed.tx_hash, signed.signature)


@by_type
def test_damaged_transactions_are_refused_as_the_oracle_says(tx_type: int) -> None:
    rng = random.Random(1000 + tx_type)
    texts = lighter.error_texts()
    refused = 0
    for _ in range(3000):
        fields, extra = lighter_random.transaction(rng, tx_type)
        for _ in range(rng.choice([1, 1, 2, 3])):
            lighter_random.damage(rng, fields, extra)
        expected = lighter_tx.check(tx_type, fields, extra)
        code, text = refusal(tx_type, fields, extra)
        if {code, expected} <= ATTRIBUTE_RANGES:
            expected = code
        assert code == expected, (fields, extra)
        assert code is None or text.startswith(texts[code])
        refused += code is not None
    assert 1000 < refused < 3000


def test_orders_verify_under_the_oracle(signer: lighter.Signer) -> None:
    """Signed one by one, from a pool, and in batches; each verified with big integers."""
    rng = random.Random(14)
    verify = lighter_crypto.verifier(KEY)
    public = lighter_crypto.public_key(KEY)
    assert public.hex() == signer.public_key
    entries = [(14, *lighter_random.transaction(rng, 14)) for _ in range(ORDERS)]
    with lighter.Signer(KEY, 77, 3, 304, pool_capacity=ORDERS // 4) as pooled:
        pooled.precompute()
        third = ORDERS // 3
        signed = [signer.sign(*entry) for entry in entries[:third]]
        signed += [pooled.sign(*entry) for entry in entries[third : 2 * third]]
        signed += signer.sign_batch(entries[2 * third :])
        assert pooled.stats.pool_hits == ORDERS // 4
    assert len(signed) == ORDERS
    for (_, fields, extra), each in zip(entries, signed, strict=True):
        message = lighter_tx.tx_hash(304, 14, fields, extra)
        assert each.tx_hash == message.hex()
        assert verify(message, each.signature)
    for each in signed[:: max(1, ORDERS // 20)]:  # without help from the private key
        assert lighter_crypto.verify(public, bytes.fromhex(each.tx_hash), each.signature)


def test_a_changed_bit_is_noticed(signer: lighter.Signer) -> None:
    rng = random.Random(5)
    for _ in range(100):
        signed = signer.sign(14, *lighter_random.transaction(rng, 14))
        parts = [bytes.fromhex(signer.public_key), bytes.fromhex(signed.tx_hash), signed.signature]
        assert lighter.verify(*parts)
        which = rng.randrange(3)
        changed = bytearray(parts[which])
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        parts[which] = bytes(changed)
        assert not lighter.verify(*parts)


# --- the venue's own signer -------------------------------------------------------------------


@pytest.fixture(scope="module")
def official() -> Iterator[lighter_official.Official]:
    path = lighter_official.find()
    if path is None:
        pytest.skip("the official signer is not installed: lighter-sdk")
    with lighter_official.Official(path) as library:
        yield library


@by_type
def test_the_official_signer_agrees(tx_type: int, official: lighter_official.Official) -> None:
    """Hash, tx_info and both signatures of 250 transactions, and the errors of damaged ones."""
    rng = random.Random(5000 + tx_type)
    key = rng.randbytes(40).hex()
    chain, refused, compared = rng.choice([300, 304, 466324]), 0, 0
    with lighter.Signer(key, 1, 1, chain) as signer:
        for number in range(600):
            account = rng.choice([1, 77, 4242, 2**47 - 1])
            api_key = rng.choice([0, 3, 254])
            made = official.ask(client=[key, chain, api_key, account])
            assert made["error"] is None
            fields, extra = lighter_random.transaction(
                rng, tx_type, account=account, api_key=api_key
            )
            if number % 2:
                lighter_random.damage(rng, fields, extra)
            extra = lighter_tx.significant(extra)  # the library leaves the others out
            account_is_same = fields[lighter_tx.account_key(tx_type)] == account
            if not account_is_same or fields["ApiKeyIndex"] != api_key:
                continue
            if not lighter_official.in_width(tx_type, fields, extra):
                continue
            fields["ExpiredAt"] = 1  # theirs to choose
            answer = official.ask(sign=[tx_type, fields, extra, api_key, account])
            if answer["error"] is not None:
                assert refusal(tx_type, fields, extra)[1] == answer["error"], (fields, extra)
                refused += 1
                continue
            written = json.loads(answer["tx_info"])
            fields["ExpiredAt"] = written["ExpiredAt"]
            signed = signer.sign(tx_type, fields, extra)
            assert signed.tx_hash == answer["hash"]
            theirs = base64.b64decode(written["Sig"])
            ours = base64.b64encode(signed.signature).decode()
            assert signed.tx_info.replace(ours, written["Sig"]) == answer["tx_info"]
            assert lighter.verify(signer.public_key, answer["hash"], theirs)
            compared += 1
    assert compared >= 250
    assert refused > 0
    print(f"type {tx_type}: {compared} equal, {refused} refused alike")
