"""The primitives under the Lighter signer against big integers, on values that try the carries.

The oracle (tests/oracle/lighter_crypto.py) works with remainders and the ordinary curve.
"""

from __future__ import annotations

import importlib.util
import random
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors._speedups import lighter_core as core
from oracle import lighter_crypto as oracle

P, N = oracle.P, oracle.N
EDGES = [0, 1, 2, 3, P - 1, P, P + 1, P + 2**32 - 2, 2**64 - 1, 2**64 - 2, 2**32 - 1, 2**32]
EDGES += [2**32 + 1, 2**63, 2**63 - 1, P - 2**32, 2**64 - 2**33 + 1, 0xFFFFFFFF << 32]
LIGHTER = Path(__file__).resolve().parents[3] / "_speedups" / "csrc" / "lighter"


@pytest.fixture(autouse=True, params=core.backends())
def variant(request: pytest.FixtureRequest) -> Iterator[None]:
    before = core.backend()
    core.use_backend(request.param)
    yield
    core.use_backend(before)


@pytest.fixture
def draw() -> random.Random:
    """Seeded anew each time; the seed is in the report of a failure."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    return random.Random(seed)


def word(draw: random.Random) -> int:
    return draw.choice(EDGES) if draw.random() < 0.5 else draw.randrange(2**64)


def element(draw: random.Random) -> tuple[int, ...]:
    return tuple(word(draw) for _ in range(5))


def little(value: int) -> bytes:
    return value.to_bytes(40, "little")


def scalar(draw: random.Random) -> int:
    kind = draw.randrange(4)
    if kind == 0:
        return draw.choice([1, 2, 15, 16, 17, 31, 32, 33, N - 1, N - 2, N // 2, 2**318, 2**256])
    if kind == 1:  # runs of one digit
        digit = draw.choice([0, 1, 15, 16, 17, 30, 31])
        return sum(digit * 32**i for i in range(63)) + 1
    return draw.randrange(1, N)


# --- fields -------------------------------------------------------------------------------------


def test_field_operations_on_all_pairs_of_edges():
    """Words at or above p count mod p, and what comes out is below it."""
    for a in EDGES:
        assert core.fp_neg(a) == -a % P
        assert core.fp_inv(a) == pow(a, P - 2, P)
        assert core.fp_pow7(a) == pow(a, 7, P)
        root = core.fp_sqrt(a)
        assert (root is None) == (oracle.sqrt_fp(a % P) is None)
        assert root is None or root * root % P == a % P
        for b in EDGES:
            assert core.fp_add(a, b) == (a + b) % P
            assert core.fp_sub(a, b) == (a - b) % P
            assert core.fp_mul(a, b) == a * b % P


def test_field_operations_on_random_words(draw):
    for _ in range(2_000):
        a, b = word(draw), word(draw)
        assert core.fp_add(a, b) == (a + b) % P
        assert core.fp_sub(a, b) == (a - b) % P
        assert core.fp_mul(a, b) == a * b % P


def test_quintic_operations(draw):
    for _ in range(500):
        a, b = element(draw), element(draw)
        x, y = (oracle.f5([limb % P for limb in value]) for value in (a, b))
        assert core.fp5_add(a, b) == oracle.add(x, y)
        assert core.fp5_sub(a, b) == oracle.sub(x, y)
        assert core.fp5_mul(a, b) == oracle.mul(x, y)
        assert core.fp5_sqr(a) == oracle.mul(x, x)
        assert core.fp5_frobenius(a, 1) == oracle.frobenius(x)
        assert core.fp5_frobenius(a, 2) == oracle.frobenius(x, 2)
    for _ in range(30):
        a = element(draw)
        x = oracle.f5([limb % P for limb in a])
        assert core.fp5_inv(a) == oracle.inverse(x)
        assert core.fp5_legendre(a) == {0: 0, 1: 1, P - 1: -1}[oracle.legendre(x)]
        root, expected = core.fp5_sqrt(a), oracle.sqrt(x)
        assert (root is None) == (expected is None)
        if expected is not None:
            assert root in (expected, oracle.sub(oracle.ZERO, expected))


def test_scalar_operations(draw):
    edges = [0, 1, N - 1, N - 2, N // 2, N // 2 + 1, 2**256, 2**64 - 1]
    for _ in range(300):
        a, b = (draw.choice(edges) if draw.random() < 0.3 else draw.randrange(N) for _ in range(2))
        wide = draw.choice([2**320 - 1, N, 2 * N, 2 * N - 1, draw.randrange(2**320)])
        assert core.scalar_add(little(a), little(b)) == little((a + b) % N)
        assert core.scalar_sub(little(a), little(b)) == little((a - b) % N)
        assert core.scalar_mul(little(a), little(b)) == little(a * b % N)
        assert core.scalar_mul(little(wide), little(b)) == little(wide * b % N)
        assert core.scalar_reduce(little(wide)) == little(wide % N)
        assert core.scalar_is_valid(little(wide)) == (1 <= wide < N)


# --- the hash -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [*range(18), 24, 25, 100])
def test_hashes_of_every_length(draw, size):
    for _ in range(3):
        elements = [word(draw) for _ in range(size)]
        assert tuple(core.hash5(elements)) == oracle.hash5(elements)
        assert core.hash4(elements) == oracle.hash4(elements)


def test_permutations_of_edges(draw):
    for value in EDGES:
        assert core.permute([value] * 12) == oracle.permute([value] * 12)
    for _ in range(50):
        state = [word(draw) for _ in range(12)]
        assert core.permute(state) == oracle.permute(state)


@pytest.mark.parametrize("place", range(12))
def test_sums_at_the_edges_of_the_first_layer(place):
    """One word that reaches `place` with factor 1, so that with the constant it makes the edge."""
    factors = ((2, 3, 1, 1), (1, 2, 3, 1), (1, 1, 2, 3), (3, 1, 1, 2))[place % 4]
    source = (place + 4) % 12 // 4 * 4 + factors.index(1)
    constant = int(oracle.CONSTANTS["external_round_constants"][0][place], 16)
    tried = 0
    for edge in (P, 2**64 - 2**32, 2**64, 2**64 + 2**32, 2**64 + P, 2**65 - 2**32):
        for value in range(edge - constant - 2, edge - constant + 3):
            if 0 <= value < 2**64:
                state = [0] * 12
                state[source] = value
                assert core.permute(state) == oracle.permute(state)
                tried += 1
    assert tried >= 10


# --- the curve ------------------------------------------------------------------------------------


def test_multiples_of_the_generator(draw):
    ks = [scalar(draw) for _ in range(100)]
    expected = [oracle.to_bytes(oracle.encode(oracle.multiply_generator(k))) for k in ks]
    assert [core.generator_mul(little(k)) for k in ks] == expected
    assert core.nonce_points([little(k) for k in ks]) == expected


def test_points(draw):
    for _ in range(20):
        i, j, k = (scalar(draw) for _ in range(3))
        p, q = (core.generator_mul(little(v)) for v in (i, j))
        assert core.point_add(p, q) == core.generator_mul(little((i + j) % N))
        assert core.point_double(p) == core.generator_mul(little(2 * i % N))
        assert core.point_mul(p, little(k)) == core.generator_mul(little(i * k % N))


def test_decoding_takes_what_the_oracle_takes(draw):
    taken = 0
    for _ in range(60):
        data = b"".join(draw.randrange(2**64).to_bytes(8, "little") for _ in range(5))
        expected, found = oracle.decode_bytes(data), core.point_decode(data)
        assert (found is None) == (expected is False)
        if found is None:
            continue
        taken += 1
        point = oracle.plus_n(expected)
        x = oracle.mul(oracle.from_bytes(found[0]), oracle.B5)
        assert x == point[0]
        assert oracle.mul(oracle.from_bytes(found[1]), point[1]) == x
    assert taken


def test_every_entry_of_the_table():
    """generate.py writes the headers again as they are; its multiples are the oracle's."""
    if not LIGHTER.is_dir():
        pytest.skip("the headers are not beside the tests")
    spec = importlib.util.spec_from_file_location("lighter_generate", LIGHTER / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    written = (LIGHTER / "generator_table.h").read_text(encoding="utf-8")
    assert generate.table_header() == written
    path = Path(oracle.__file__).parents[1] / "data" / "lighter" / "poseidon2_constants.json"
    expected = (LIGHTER / "poseidon2_constants.h").read_text(encoding="utf-8")
    assert generate.constants_header(path) == expected
    base = oracle.generator()
    for row in generate.table():
        current = base
        for x_over_b, u in row:
            x, y = oracle.plus_n(current)
            assert oracle.mul(x_over_b, oracle.B5) == x
            assert oracle.mul(u, y) == x
            last, current = current, oracle.affine_add(current, base)
        base = oracle.affine_add(last, last)


def test_every_entry_of_the_table_as_it_is_used():
    """Each row by each digit, of both signs, by a property: twice a multiple is its double."""
    for window in range(64):
        for digit in range(-16, 17):
            value = digit * 32**window
            if digit and abs(value) < N:
                doubled = core.generator_mul(little(value * 2 % N))
                assert core.point_double(core.generator_mul(little(value % N))) == doubled


# --- signatures -----------------------------------------------------------------------------------


def test_signatures(draw):
    for _ in range(25):
        key, k, other = (scalar(draw) for _ in range(3))
        message = b"".join(word(draw).to_bytes(8, "little") for _ in range(5))
        public = core.public_key(little(key))
        assert public == oracle.public_key(little(key))
        signature = core.sign_with_nonce(little(key), little(k), message)
        assert signature == oracle.sign(little(key), message, k)
        assert core.verify(public, message, signature)
        assert oracle.verifier(little(key))(message, signature)
        wrong = core.sign_with_nonce(little(other), little(k), message)
        assert core.verify(public, message, wrong) == (other == key)


def test_verification_agrees_on_what_is_no_signature(draw):
    for _ in range(8):
        public = core.generator_mul(little(scalar(draw)))
        message = b"".join(word(draw).to_bytes(8, "little") for _ in range(5))
        signature = little(scalar(draw)) + little(scalar(draw))
        assert core.verify(public, message, signature) is False
        assert oracle.verify(public, message, signature) is False


# --- timing -------------------------------------------------------------------------------------


def test_timed_operations_refuse_what_they_must():
    assert len(core.time_each("nonce", little(5) * 3)) == 3
    assert all(ticks > 0 for ticks in core.time_each("sign_key", little(5) * 3))
    with pytest.raises(ValueError, match="operation"):
        core.time_each("decode", little(5))
    with pytest.raises(ValueError, match="bytes"):
        core.time_each("nonce", bytes(41))
    with pytest.raises(ValueError, match="0 mod n, or no nonce"):
        core.time_each("nonce", bytes(40))
