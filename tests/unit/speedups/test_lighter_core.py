"""The primitives under the Lighter signer against every vector of the official implementation.

Each runs on every variant of the code that this processor can run.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from connectors._speedups import lighter_core as core
from oracle.lighter_vectors import numbers, section, transactions

P = 2**64 - 2**32 + 1
N = int.from_bytes(bytes.fromhex(
    "e1ff8b9496d90fe89ca024d7395c88e83906b8cfe6ffff7f16000000f1ffff7f07000080fdffff7f"
), "little")  # fmt: skip


@pytest.fixture(autouse=True, params=core.backends())
def variant(request: pytest.FixtureRequest) -> Iterator[str]:
    before = core.backend()
    core.use_backend(request.param)
    assert core.backend() == request.param
    yield request.param
    core.use_backend(before)


def words(text: str) -> tuple[int, ...]:
    """Five elements from 80 hex digits."""
    data = bytes.fromhex(text)
    return tuple(int.from_bytes(data[i : i + 8], "little") for i in range(0, 40, 8))


def little(value: int) -> bytes:
    return value.to_bytes(40, "little")


# --- fields -----------------------------------------------------------------------------------


def test_field_vectors():
    cases = section("field")
    assert len(cases) >= 24
    for case in cases:
        a, b = int(case["a"]), int(case["b"])
        assert core.fp_add(a, b) == int(case["add"])
        assert core.fp_sub(a, b) == int(case["sub"])
        assert core.fp_mul(a, b) == int(case["mul"])
        assert core.fp_neg(a) == int(case["neg_a"])
        assert core.fp_inv(a) == int(case["inv_a"])
        assert core.fp_pow7(a) == int(case["pow7_a"])
        assert (core.fp_legendre(a) >= 0) == case["a_is_square"]
        root = core.fp_sqrt(a)
        assert (root is not None) == case["a_is_square"]
        if root is not None:
            assert root * root % P == a % P


def test_quintic_vectors():
    cases = section("quintic")
    assert len(cases) >= 16
    for case in cases:
        a, b = numbers(case["a"]), numbers(case["b"])
        assert list(core.fp5_mul(a, b)) == numbers(case["mul"])
        assert list(core.fp5_sqr(a)) == numbers(case["square_a"])
        assert list(core.fp5_inv(a)) == numbers(case["inv_a"])
        assert list(core.fp5_frobenius(a, 1)) == numbers(case["frob1_a"])
        assert list(core.fp5_frobenius(a, 2)) == numbers(case["frob2_a"])
        assert core.fp5_legendre(a) == case["legendre_a"]
        root = core.fp5_sqrt(a)
        assert (root is not None) == case["sqrt_exists"]
        if root is not None:
            expected = numbers(case["sqrt_a_up_to_sign"])
            assert list(root) in (expected, [-c % P for c in expected])


def test_scalar_vectors():
    cases = section("scalar")
    kinds = {tuple(case) for case in cases}
    assert len(kinds) == 3
    for case in cases:
        if "a" in case:
            a, b = bytes.fromhex(case["a"]), bytes.fromhex(case["b"])
            assert core.scalar_add(a, b).hex() == case["add"]
            assert core.scalar_sub(a, b).hex() == case["sub"]
            assert core.scalar_mul(a, b).hex() == case["mul"]
        elif "fp5" in case:
            joined = b"".join(v.to_bytes(8, "little") for v in numbers(case["fp5"]))
            assert core.scalar_reduce(joined).hex() == case["as_scalar"]
        else:
            assert core.scalar_reduce(bytes.fromhex(case["bytes_le"])).hex() == case["reduced"]


# --- the hash ---------------------------------------------------------------------------------


def test_poseidon2_vectors():
    permutations = section("poseidon2_permute")
    hashes = section("poseidon2_hash")
    pairs = section("poseidon2_two_to_one")
    assert len(permutations) >= 16
    assert len(hashes) >= 27
    assert len(pairs) >= 6
    for case in permutations:
        assert core.permute(numbers(case["input"])) == numbers(case["output"])
    for case in hashes:
        elements = numbers(case["input"])
        assert core.hash4(elements) == numbers(case["out4"])
        assert core.hash5(elements) == numbers(case["out5"])
        assert tuple(core.hash5(elements)) == words(case["out5_bytes"])
    for case in pairs:
        assert core.hash4([*numbers(case["a"]), *numbers(case["b"])]) == numbers(case["out"])


def test_transactions_hash_as_the_official_signer_hashes_them():
    cases = transactions()
    assert len(cases) >= 252
    for case in cases:
        elements = [int(e) for e in case["hash_elements"]]
        assert tuple(core.hash5(elements)) == words(case["body_hash"])


# --- the curve --------------------------------------------------------------------------------


def test_curve_multiplication_vectors():
    cases = section("curve_mul")
    assert {case["base"] == "generator" for case in cases} == {True, False}
    for case in cases:
        scalar, expected = bytes.fromhex(case["scalar"]), case["out"]
        if case["base"] != "generator":
            assert core.point_mul(bytes.fromhex(case["base"]), scalar).hex() == expected
            continue
        assert core.generator_mul(scalar).hex() == expected
        assert core.point_mul(little(4), scalar).hex() == expected
        assert core.nonce_points([scalar])[0].hex() == expected
        if any(scalar):
            assert core.public_key(scalar).hex() == expected
            assert core.nonce_point(scalar).hex() == expected


def test_curve_addition_vectors():
    cases = section("curve_add")
    assert len(cases) >= 8
    for case in cases:
        a, b = bytes.fromhex(case["a"]), bytes.fromhex(case["b"])
        assert core.point_add(a, b).hex() == core.point_add(b, a).hex() == case["sum"]
        assert core.point_double(a).hex() == case["a_doubled"]
        assert core.point_add(a, a).hex() == case["a_doubled"]
        assert core.point_mul(a, little(N - 1)).hex() == case["a_negated"]
        assert core.point_add(a, bytes.fromhex(case["a_negated"])) == little(0)


def test_curve_decoding_vectors():
    cases = section("curve_decode")
    assert {case["decodes"] for case in cases} == {True, False}
    for case in cases:
        found = core.point_decode(bytes.fromhex(case["w"]))
        assert (found is not None) == case["decodes"]
        if found is None:
            continue
        x_over_b, u = (words(part.hex()) for part in found)
        if case["neutral"]:
            assert found == (little(0), little(0))
            continue
        x = core.fp5_mul(x_over_b, (0, 263, 0, 0, 0))
        assert core.fp5_inv(u) == words(case["w"])
        if "x" in case:
            assert x == words(case["x"])
        assert core.fp5_legendre(x) == -1


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("value", [P, P + 4, 2**64 - 1])
def test_an_encoding_that_is_not_canonical_is_no_point(place, value):
    """4 encodes the generator; 4 + p would as well if encodings counted mod p."""
    data = bytearray(little(4))
    data[8 * place : 8 * place + 8] = value.to_bytes(8, "little")
    assert core.point_decode(bytes(data)) is None
    with pytest.raises(ValueError, match="not a point"):
        core.point_double(bytes(data))


# --- signatures -------------------------------------------------------------------------------


def test_public_keys():
    cases = section("keys") + section("seed_keys")
    assert len(cases) >= 39
    for case in cases:
        assert core.public_key(bytes.fromhex(case["private_key"])).hex() == case["public_key"]


def test_signatures_with_fixed_nonces():
    cases = section("schnorr_fixed_k")
    assert len(cases) >= 16
    for case in cases:
        key, message, k = (
            bytes.fromhex(case[name]) for name in ("private_key", "message_hash", "k")
        )
        signature = core.sign_with_nonce(key, k, message)
        assert core.nonce_point(k).hex() == case["r"]
        assert signature[:40].hex() == case["s"]
        assert signature[40:].hex() == case["e"]
        assert signature.hex() == case["sig"]
        assert core.verify(bytes.fromhex(case["public_key"]), message, signature)


def test_transactions_signed_with_fixed_nonces():
    for case in transactions():
        key, k, message = (
            bytes.fromhex(case[name]) for name in ("private_key", "fixed_k", "tx_hash")
        )
        public = bytes.fromhex(case["public_key"])
        assert core.public_key(key) == public
        assert core.sign_with_nonce(key, k, message).hex() == case["fixed_k_sig"]
        if "sig" in case:
            assert core.verify(public, message, bytes.fromhex(case["sig"]))


def test_verification_vectors():
    cases = section("schnorr_verify")
    assert {case["valid"] for case in cases} == {True, False}
    for case in cases:
        public, message, signature = (
            bytes.fromhex(case[name]) for name in ("public_key", "message_hash", "sig")
        )
        assert core.verify(public, message, signature) == case["valid"], case["name"]
        if "valid_if_scalars_reduced_first" in case:
            reduced = core.scalar_reduce(signature[:40]) + core.scalar_reduce(signature[40:])
            expected = case["valid_if_scalars_reduced_first"]
            assert core.verify(public, message, reduced) == expected, case["name"]


def test_every_bit_of_a_signature_counts():
    case = section("schnorr_fixed_k")[1]
    public, message, signature = (
        bytes.fromhex(case[name]) for name in ("public_key", "message_hash", "sig")
    )
    for bit in range(640):
        wrong = bytearray(signature)
        wrong[bit // 8] ^= 1 << bit % 8
        assert not core.verify(public, message, bytes(wrong))
    assert core.verify(public, message, signature)


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [0, N, 2 * N])
def test_key_zero_is_refused(key):
    for call in (
        lambda: core.public_key(little(key)),
        lambda: core.sign_with_nonce(little(key), little(1), little(0)),
    ):
        with pytest.raises(ValueError, match="0 mod n"):
            call()


@pytest.mark.parametrize("k", [0, N, N + 1, 2 * N, 2**320 - 1])
def test_a_nonce_out_of_range_is_refused_and_not_reduced(k):
    assert not core.scalar_is_valid(little(k))
    with pytest.raises(ValueError, match="from 1 to n - 1"):
        core.nonce_point(little(k))
    with pytest.raises(ValueError, match="from 1 to n - 1"):
        core.sign_with_nonce(little(1), little(k), little(0))


@pytest.mark.parametrize("k", [1, 2, N - 1, N - 2, 2**318, 2**64, 2**256 - 1])
def test_a_nonce_in_range_is_taken(k):
    assert core.scalar_is_valid(little(k))
    assert core.nonce_point(little(k)) == core.generator_mul(little(k))


@pytest.mark.parametrize("size", [0, 39, 41, 80])
def test_a_wrong_size_is_refused(size):
    good, bad = little(1), bytes(size)
    calls = [
        lambda: core.public_key(bad),
        lambda: core.nonce_point(bad),
        lambda: core.nonce_points([bad]),
        lambda: core.scalar_is_valid(bad),
        lambda: core.scalar_reduce(bad),
        lambda: core.point_decode(bad),
        lambda: core.sign_with_nonce(good, good, bad),
        lambda: core.verify(good, good, bad[:79]),
        lambda: core.verify(good, bad, bytes(80)),
    ]
    for call in calls[: 2 if not size else None]:
        with pytest.raises(ValueError, match="bytes"):
            call()
    with pytest.raises(ValueError, match="5 coefficients"):
        core.fp5_inv([1, 2, 3])
    with pytest.raises(ValueError, match="12 elements"):
        core.permute([0] * 11)


# --- nonces many at a time ----------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 33, 50])
def test_many_nonces_are_the_single_ones(count):
    ks = [little(3**i * 7919 % N or 1) for i in range(1, count + 1)]
    assert core.nonce_points(ks) == [core.nonce_point(k) for k in ks]


def test_a_zero_among_many_nonces_hurts_no_other():
    ks = [little(k) for k in (5, 0, N - 1, 0, 7)]
    assert core.nonce_points(ks) == [core.generator_mul(k) for k in ks]


# --- the windows of a scalar --------------------------------------------------------------------


def test_digits_sum_back_to_the_scalar():
    edges = [0, 1, 15, 16, 17, 31, 32, N - 1, N - 2, 2**318, N - 2**289]
    edges += [2**i for i in range(319)] + [(2**i * 31 + 5) % N for i in range(0, 320, 3)]
    edges += [sum(16 * 32**i for i in range(63)), sum(15 * 32**i for i in range(64)) % N]
    for scalar in edges:
        digits = core.scalar_digits(little(scalar))
        assert len(digits) == 64
        assert all(0 <= d <= 31 for d in digits[:-1])
        assert digits[-1] <= 16
        values = [d - 16 for d in digits[:-1]] + digits[-1:]
        assert sum(v * 32**i for i, v in enumerate(values)) == scalar


def test_multiples_next_to_each_other_differ_by_the_generator():
    generator = little(4)
    around = [2**i for i in range(5, 319, 5)] + [16 * 32**i for i in range(40)] + [N - 3]
    for middle in around:
        points = [core.generator_mul(little(k)) for k in range(middle - 1, middle + 2)]
        for a, b in pairwise(points):
            assert core.point_add(a, generator) == b
