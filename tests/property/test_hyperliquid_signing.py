"""The compiled Hyperliquid signer against the oracle, on random values and on the edges.

CONNECTORS_HYPERLIQUID_ACTIONS sets how many random actions are compared.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import hyperliquid
from connectors._speedups import hyperliquid_signer, secp256k1
from oracle import hyperliquid_signing as oracle

ACTIONS = int(os.environ.get("CONNECTORS_HYPERLIQUID_ACTIONS", "2000"))
N = oracle.N
EDGES = [0, 1, 2, 3, N - 1, N - 2, N // 2, N // 2 + 1, 2**255, 2**128, 2**64, 2**62 - 1, 2**192 - 1]

# As likely to be next to an edge or full of runs of ones as to be random.
words = st.one_of(
    st.integers(0, N - 1),
    st.sampled_from(EDGES),
    st.builds(lambda a, b: (2**a - 2**b) % N, st.integers(0, 256), st.integers(0, 256)),
    st.builds(lambda edge, step: (edge + step) % N, st.sampled_from(EDGES), st.integers(-40, 40)),
)


def big(value: int) -> bytes:
    return value.to_bytes(32, "big")


def small(data: bytes) -> int:
    return int.from_bytes(data, "big")


@given(words, words)
@settings(max_examples=600, deadline=None)
def test_arithmetic(a: int, b: int) -> None:
    assert small(secp256k1.scalar_add(big(a), big(b))) == (a + b) % N
    assert small(secp256k1.scalar_mul(big(a), big(b))) == a * b % N
    assert small(secp256k1.scalar_inverse(big(a))) == (pow(a, -1, N) if a else 0)
    lower, negated = secp256k1.scalar_lower(big(a))
    assert small(lower) == (a if a <= N // 2 else N - a)
    assert negated == (a > N // 2)


@given(st.integers(0, 2**256 - 1), words)
@settings(max_examples=300, deadline=None)
def test_one_factor_may_be_above_n(a: int, b: int) -> None:
    assert small(secp256k1.scalar_mul(big(a), big(b))) == a * b % N


def test_arithmetic_refuses_what_is_not_below_n() -> None:
    for value in (N, N + 1, 2**256 - 1):
        for call in (
            lambda x: secp256k1.scalar_add(x, big(1)),
            lambda x: secp256k1.scalar_add(big(1), x),
            lambda x: secp256k1.scalar_mul(big(1), x),
            secp256k1.scalar_inverse,
            secp256k1.scalar_lower,
        ):
            with pytest.raises(ValueError, match="must be below n"):
                call(big(value))
    with pytest.raises(ValueError, match="must have 32 bytes"):
        secp256k1.scalar_inverse(bytes(31))


@given(words.filter(bool))
@settings(max_examples=30, deadline=None)
def test_public_points(secret: int) -> None:
    point = oracle.multiply(oracle.G, secret)
    assert point is not None
    assert secp256k1.generator_mul(big(secret)) == big(point[0]) + big(point[1])


@given(words.filter(bool), words.filter(bool), st.integers(0, 2**256 - 1))
@settings(max_examples=40, deadline=None)
def test_signatures_with_a_given_k(key: int, k: int, digest: int) -> None:
    r, s, v = oracle.sign(key, big(digest), k)
    assert secp256k1.sign_with_nonce(big(key), big(k), big(digest)) == (big(r), big(s), v - 27)


@given(words.filter(bool), st.integers(0, 2**256 - 1))
@settings(max_examples=40, deadline=None)
def test_rfc6979(key: int, digest: int) -> None:
    r, s, v = oracle.sign(key, big(digest))
    assert secp256k1.rfc6979_sign(big(key), big(digest)) == (big(r), big(s), v - 27)


@pytest.mark.parametrize("bad", [0, N, N + 1, 2**256 - 1])
def test_secrets_out_of_range(bad: int) -> None:
    for call in (
        lambda: secp256k1.generator_mul(big(bad)),
        lambda: secp256k1.sign_with_nonce(big(bad), big(1), bytes(32)),
        lambda: secp256k1.sign_with_nonce(big(1), big(bad), bytes(32)),
        lambda: secp256k1.rfc6979_sign(big(bad), bytes(32)),
    ):
        with pytest.raises(ValueError, match="is 0 or not below n"):
            call()


def test_hmac_sha256() -> None:
    rng = random.Random(4)
    for size in range(400):
        key, message = rng.randbytes(32), rng.randbytes(size)
        if size % 64 > 55:
            with pytest.raises(ValueError, match="last block is too long"):
                secp256k1.hmac_sha256(key, message)
            continue
        wanted = hmac.new(key, message, hashlib.sha256).digest()
        assert secp256k1.hmac_sha256(key, message) == wanted


# --- actions --------------------------------------------------------------------------------------


def test_random_actions() -> None:
    """The same bytes by both writers, the same hash, and a signature of the right digest.

    The oracle makes only a few of the signatures; of all others the k is worked out and compared.
    """
    rng = random.Random("actions")
    kinds = set()
    for number in range(ACTIONS):
        action, rest = oracle.random_action(rng), oracle.random_tail(rng)
        key, mainnet = rng.randrange(1, N), rng.random() < 0.5
        kinds.add(action["type"])
        packed = oracle.pack(action)
        assert hyperliquid.encode_action(action) == packed
        assert hyperliquid_signer._pack(action, False) == packed
        hashed = oracle.action_hash(action, *rest)
        assert hyperliquid.action_hash(action, *rest) == hashed
        digest = oracle.l1_digest(hashed, mainnet)
        with hyperliquid.Signer(big(key)) as signer:
            found = signer.sign_l1_action(action, *rest, mainnet=mainnet)
        r, s = int(found["r"], 16), int(found["s"], 16)
        assert s <= N // 2
        assert oracle.rfc6979(key, digest) in oracle.k_of(key, digest, r, s)
        if number % 100 == 0:
            assert found == oracle.as_dict(*oracle.sign(key, digest))
    assert len(kinds) == 13 or ACTIONS < 1000


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.sampled_from([s * (2**b) + d for b in range(63) for s in (1, -1) for d in (-1, 0, 1)]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
        st.sampled_from(["Gtc", "limit", "na", "x" * 31, "x" * 32, "x" * 255, "x" * 256]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=20),
        st.dictionaries(
            st.one_of(
                st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from("abpsrtc")
            ),
            inner,
            max_size=20,
        ),
    ),
    max_leaves=40,
)


@given(values)
@settings(max_examples=400, deadline=None)
def test_any_value(value: Any) -> None:
    assert hyperliquid.encode_action([value]) == oracle.pack([value])


@given(st.integers(0, 2**32), st.data())
@settings(max_examples=400, deadline=None)
def test_known_actions_with_something_changed(seed: int, data: st.DataObject) -> None:
    """Wherever an action leaves the known form, the general writer takes over unnoticed."""
    rng = random.Random(seed)
    action = oracle.random_action(rng)
    places: list[tuple[Any, Any]] = []

    def collect(value: Any) -> None:
        for key in value if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], (dict, list)):
                collect(value[key])

    collect(action)
    holder, key = rng.choice(places)
    change = data.draw(st.sampled_from(["value", "drop", "move", "add"]))
    if change == "value":
        holder[key] = data.draw(values)
    elif change == "drop":
        del holder[key]
    elif isinstance(holder, list):
        holder.append(data.draw(values))
    elif change == "move":
        holder[key] = holder.pop(key)
    else:
        holder[data.draw(st.text("abcx", max_size=2))] = data.draw(values)
    assert hyperliquid.encode_action(action) == oracle.pack(action)
