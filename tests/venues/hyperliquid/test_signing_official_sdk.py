"""What the official SDK signs, this package signs: the same hash and signature, bit for bit.

CONNECTORS_HYPERLIQUID_ACTIONS sets how many random actions are compared.
"""

from __future__ import annotations

import copy
import os
import random
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from connectors import hyperliquid
from connectors.errors import PrecisionError
from oracle import hyperliquid_official, hyperliquid_signing

ACTIONS = int(os.environ.get("CONNECTORS_HYPERLIQUID_ACTIONS", "5000"))
N = hyperliquid_signing.N


@pytest.fixture(scope="module")
def official() -> Iterator[hyperliquid_official.Official]:
    fast = hyperliquid_official.find("coincurve")
    python = fast or hyperliquid_official.find()
    if python is None:
        pytest.skip("no official SDK: `make hyperliquid-sdk` installs it")
    backend = "coincurve" if fast else "python"
    with hyperliquid_official.Official(python, backend) as process:
        yield process


def numbers(signature: dict[str, Any]) -> tuple[int, int, int]:
    return int(signature["r"], 16), int(signature["s"], 16), signature["v"]


def keys(rng: random.Random, count: int) -> list[str]:
    return [f"0x{rng.randrange(1, N):064x}" for _ in range(count)]


def test_random_actions(official: hyperliquid_official.Official) -> None:
    rng = random.Random("the official SDK")
    signers = {key: hyperliquid.Signer(key) for key in keys(rng, 20)}
    fast = official.ask(backend=[])["name"] == "CoinCurveECCBackend"
    compared = 0
    for _ in range(ACTIONS if fast else ACTIONS // 10):
        key, signer = rng.choice([*signers.items()])
        action, mainnet = hyperliquid_signing.random_action(rng), rng.random() < 0.5
        nonce, vault, expires = hyperliquid_signing.random_tail(rng)
        theirs = official.ask(l1=[key, action, nonce, vault, expires, mainnet])
        ours = signer.sign_l1_action(action, nonce, vault, expires, mainnet)
        assert hyperliquid.action_hash(action, nonce, vault, expires).hex() == theirs["hash"]
        assert numbers(ours) == numbers(theirs), (action, nonce, vault, expires, mainnet)
        compared += 1
    print(f"{compared} actions signed alike")


def test_signatures_by_python_alone(official: hyperliquid_official.Official) -> None:
    """The SDK as it is installed by default, without coincurve."""
    python = hyperliquid_official.find()
    assert python is not None
    rng = random.Random("python alone")
    with hyperliquid_official.Official(python, "python") as slow:
        assert slow.ask(backend=[])["name"] == "NativeECCBackend"
        for key in keys(rng, 40):
            action = hyperliquid_signing.random_action(rng)
            tail = hyperliquid_signing.random_tail(rng)
            theirs = slow.ask(l1=[key, action, *tail, True])
            assert numbers(hyperliquid.Signer(key).sign_l1_action(action, *tail)) == numbers(theirs)


def user_actions(rng: random.Random) -> list[dict[str, Any]]:
    address, now = f"0x{rng.getrandbits(160):040x}", rng.getrandbits(44)
    amount = hyperliquid_signing.random_number(rng)
    return [
        {"type": "usdSend", "destination": address, "amount": amount, "time": now},
        {
            "type": "spotSend", "destination": address, "token": "PURR:0x1", "amount": amount,
            "time": now,
        },
        {"type": "withdraw3", "destination": address, "amount": amount, "time": now},
        {"type": "usdClassTransfer", "amount": amount, "toPerp": now % 2 == 0, "nonce": now},
        {
            "type": "sendAsset", "destination": address, "sourceDex": "", "destinationDex": "é",
            "token": "USDC", "amount": amount, "fromSubAccount": "", "nonce": now,
        },
        {
            "type": "tokenDelegate", "validator": address, "wei": rng.getrandbits(64),
            "isUndelegate": now % 3 == 0, "nonce": now,
        },
    ]  # fmt: skip


def test_random_user_actions(official: hyperliquid_official.Official) -> None:
    rng = random.Random("user actions")
    for key in keys(rng, 25):
        signer = hyperliquid.Signer(key)
        for action in user_actions(rng):
            for mainnet in (True, False):
                theirs = official.ask(user=[key, copy.copy(action), mainnet])
                assert numbers(signer.sign_user_action(action, mainnet)) == numbers(theirs)


def test_random_floats(official: hyperliquid_official.Official) -> None:
    rng = random.Random("floats")
    values = [
        round(rng.random() * 10 ** rng.randrange(-4, 9), rng.randrange(12)) for _ in range(1500)
    ]
    values += [rng.random() * 10 ** rng.randrange(-9, 6) for _ in range(300)]
    values += [float(rng.getrandbits(rng.randrange(1, 80))) for _ in range(200)]
    values += [struct.unpack("<d", rng.randbytes(8))[0] for _ in range(100)]
    refused = 0
    for value in values:
        if not abs(value) < 1e20:  # beyond, the SDK rounds to 28 digits, or gives NaN and Infinity
            continue
        theirs = official.ask(wire=[value.hex()])
        try:
            ours = {"text": hyperliquid.float_to_wire(value)}
        except PrecisionError:
            assert "error" in theirs, value
            refused += 1
            continue
        if theirs.get("text") == "-0":
            theirs = {"text": "0"}
        assert ours == theirs, value
    assert 100 < refused < len(values) - 500
