"""Lighter's cryptography with Python's big integers: short, slow, and unlike the compiled one.

Field elements are ints mod p, Fp5 elements are 5-tuples of them, and the curve is treated as an
ordinary elliptic curve: y^2 = x (x^2 + a x + b) in affine coordinates, chord and tangent. Lighter's
group is the set of points P whose x is no square, with the law P (+) Q = P + Q + N, where N = (0, 0)
has order 2. P -> P + N maps it onto the subgroup of odd order n of the ordinary curve, so everything
here works on `P + N` and steps back over N only to encode. Nothing here is constant-time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

P = 2**64 - 2**32 + 1
N = 0x7FFFFFFD_800000077FFFFFF1_000000167FFFFFE6_CFB80639E8885C39_D724A09CE80FD996_948BFFE1
A = 2
B5 = (0, 263, 0, 0, 0)  # b of the curve equation, 263 X
RATE = 8

F5 = tuple[int, int, int, int, int]
Affine = tuple[F5, F5] | None  # a point of the ordinary curve; None is the point at infinity

ZERO: F5 = (0, 0, 0, 0, 0)
ONE: F5 = (1, 0, 0, 0, 0)
# x^p = sum c_i z^i X^i, because X^p = X * 3^((p-1)/5).
Z_POWERS = [pow(3, (P - 1) // 5 * i, P) for i in range(5)]

CONSTANTS = json.loads(
    (Path(__file__).parent.parent / "data" / "lighter" / "poseidon2_constants.json").read_text()
)
_EXTERNAL = [[int(c, 16) for c in row] for row in CONSTANTS["external_round_constants"]]
_INTERNAL = [int(c, 16) for c in CONSTANTS["internal_round_constants"]]
_DIAGONAL = [int(c, 16) for c in CONSTANTS["internal_diagonal"]]


# --- bytes ----------------------------------------------------------------------------------


def to_bytes(element: Iterable[int]) -> bytes:
    """Eight little-endian bytes for each canonical limb."""
    return b"".join((limb % P).to_bytes(8, "little") for limb in element)


def from_bytes(data: bytes) -> F5:
    """Five limbs as they are, whether canonical or not."""
    assert len(data) == 40
    return f5([int.from_bytes(data[i : i + 8], "little") for i in range(0, 40, 8)])


def f5(limbs: Sequence[int]) -> F5:
    a, b, c, d, e = limbs
    return (a, b, c, d, e)


def scalar(data: bytes) -> int:
    """Read 40 little-endian bytes and reduce them mod n."""
    assert len(data) == 40
    return int.from_bytes(data, "little") % N


def scalar_bytes(value: int) -> bytes:
    return (value % N).to_bytes(40, "little")


# --- the quintic extension ----------------------------------------------------------------------


def add(a: F5, b: F5) -> F5:
    return ((a[0] + b[0]) % P, (a[1] + b[1]) % P, (a[2] + b[2]) % P, (a[3] + b[3]) % P,
            (a[4] + b[4]) % P)  # fmt: skip


def sub(a: F5, b: F5) -> F5:
    return ((a[0] - b[0]) % P, (a[1] - b[1]) % P, (a[2] - b[2]) % P, (a[3] - b[3]) % P,
            (a[4] - b[4]) % P)  # fmt: skip


def mul(a: F5, b: F5) -> F5:
    """Multiply the polynomials, with X^5 = 3."""
    a0, a1, a2, a3, a4 = a
    b0, b1, b2, b3, b4 = b
    return (
        (a0 * b0 + 3 * (a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1)) % P,
        (a0 * b1 + a1 * b0 + 3 * (a2 * b4 + a3 * b3 + a4 * b2)) % P,
        (a0 * b2 + a1 * b1 + a2 * b0 + 3 * (a3 * b4 + a4 * b3)) % P,
        (a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 + 3 * a4 * b4) % P,
        (a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0) % P,
    )


def scale(a: F5, k: int) -> F5:
    return f5([limb * k % P for limb in a])


def frobenius(a: F5, times: int = 1) -> F5:
    """a^(p^times)."""
    return f5([limb * Z_POWERS[i * times % 5] % P for i, limb in enumerate(a)])


def conjugates(a: F5) -> F5:
    """a^(p + p^2 + p^3 + p^4), which times `a` is the norm."""
    d = frobenius(a)
    e = mul(d, frobenius(d))
    return mul(e, frobenius(e, 2))


def norm(a: F5) -> int:
    product = mul(a, conjugates(a))
    assert product[1:] == (0, 0, 0, 0)
    return product[0]


def inverse(a: F5) -> F5:
    """1/a, and 0 for 0."""
    return ZERO if a == ZERO else scale(conjugates(a), pow(norm(a), -1, P))


def power(a: F5, exponent: int) -> F5:
    result = ONE
    for bit in bin(exponent)[2:]:
        result = mul(result, result)
        if bit == "1":
            result = mul(result, a)
    return result


def legendre(a: F5) -> int:
    """1 for a square, 0 for 0, p - 1 for any other."""
    return pow(norm(a), (P - 1) // 2, P)


def sqrt_fp(value: int) -> int | None:
    """Tonelli and Shanks, in Fp; None without a root."""
    if value == 0:
        return 0
    if pow(value, (P - 1) // 2, P) != 1:
        return None
    odd = (P - 1) >> 32
    root, rest, level = pow(value, (odd + 1) // 2, P), pow(value, odd, P), 32
    generator = pow(7, odd, P)  # 7 generates the multiplicative group
    while rest != 1:
        order, power_of_rest = 0, rest
        while power_of_rest != 1:
            power_of_rest, order = power_of_rest * power_of_rest % P, order + 1
        step = pow(generator, 1 << (level - order - 1), P)
        root, generator, level = root * step % P, step * step % P, order
        rest = rest * generator % P
    return root


def sqrt(a: F5) -> F5 | None:
    """A square root of `a`, or None.

    With r = 1 + p + p^2 + p^3 + p^4 odd, a^((r+1)/2) squared is a^r * a = norm(a) * a.
    """
    if a == ZERO:
        return ZERO
    root_of_norm = sqrt_fp(norm(a))
    if root_of_norm is None:
        return None
    r = sum(P**i for i in range(5))
    root = scale(power(a, (r + 1) // 2), pow(root_of_norm, -1, P))
    assert mul(root, root) == a
    return root


# --- the ordinary curve ---------------------------------------------------------------------


def on_curve(point: Affine) -> bool:
    if point is None:
        return True
    x, y = point
    return mul(y, y) == mul(x, add(add(mul(x, x), scale(x, A)), B5))


def affine_add(p: Affine, q: Affine) -> Affine:
    """Chord and tangent on y^2 = x^3 + a x^2 + b x."""
    if p is None:
        return q
    if q is None:
        return p
    (x1, y1), (x2, y2) = p, q
    if x1 == x2:
        if y1 != y2 or y1 == ZERO:
            return None
        rise = add(add(scale(mul(x1, x1), 3), scale(x1, 2 * A)), B5)
        slope = mul(rise, inverse(scale(y1, 2)))
    else:
        slope = mul(sub(y2, y1), inverse(sub(x2, x1)))
    x3 = sub(sub(sub(mul(slope, slope), (A, 0, 0, 0, 0)), x1), x2)
    return x3, sub(mul(slope, sub(x1, x3)), y1)


def negate(p: Affine) -> Affine:
    return p if p is None else (p[0], sub(ZERO, p[1]))


def plus_n(p: Affine) -> Affine:
    """P + N: into the subgroup of odd order, or back."""
    return affine_add(p, (ZERO, ZERO))


def multiply(p: Affine, k: int) -> Affine:
    """k * p, bit by bit."""
    result: Affine = None
    for bit in bin(k % N)[2:]:
        result = affine_add(result, result)
        if bit == "1":
            result = affine_add(result, p)
    return result


# --- encoding; points are given and returned as P + N -----------------------------------------


def encode(p: Affine) -> F5:
    """w = y/x of the point of Lighter's group; 0 for its neutral, which is infinity here."""
    if p is None:
        return ZERO
    back = plus_n(p)
    assert back is not None
    return mul(back[1], inverse(back[0]))


def decode(w: F5) -> Affine | bool:
    """Return the point with y = w x whose x is no square, or False where there is none.

    y^2 = w^2 x^2 = x (x^2 + a x + b), so x solves x^2 - (w^2 - a) x + b = 0.
    """
    e = sub(mul(w, w), (A, 0, 0, 0, 0))
    root = sqrt(sub(mul(e, e), scale(B5, 4)))
    if root is None:
        return None if w == ZERO else False
    half = pow(2, -1, P)
    for x in (scale(add(e, root), half), scale(sub(e, root), half)):
        if legendre(x) == P - 1:
            point = (x, mul(w, x))
            assert on_curve(point)
            return plus_n(point)
    raise AssertionError("one of the two is never a square")


def decode_bytes(data: bytes) -> Affine | bool:
    """Decode 40 bytes; limbs that are not canonical have no point."""
    w = from_bytes(data)
    return decode(w) if all(limb < P for limb in w) else False


@cache
def generator() -> Affine:
    """G + N, for the generator of Lighter's group: w = 4."""
    point = decode((4, 0, 0, 0, 0))
    assert isinstance(point, tuple)
    return point


@cache
def _generator_table() -> list[list[Affine]]:
    """Rows of j * 256^i * G, for j below 256."""
    rows, base = [], generator()
    for _ in range(40):
        row: list[Affine] = [None]
        for _ in range(255):
            row.append(affine_add(row[-1], base))
        rows.append(row)
        base = affine_add(row[-1], base)
    return rows


def multiply_generator(k: int) -> Affine:
    """k * G by the digits of k to base 256: 40 additions."""
    result: Affine = None
    for digit, row in zip((k % N).to_bytes(40, "little"), _generator_table(), strict=True):
        result = affine_add(result, row[digit])
    return result


# --- Poseidon2 --------------------------------------------------------------------------------


def external_layer(state: list[int]) -> list[int]:
    m4 = ((2, 3, 1, 1), (1, 2, 3, 1), (1, 1, 2, 3), (3, 1, 1, 2))
    mixed = [sum(m4[i % 4][j] * state[i - i % 4 + j] for j in range(4)) for i in range(12)]
    sums = [mixed[i] + mixed[4 + i] + mixed[8 + i] for i in range(4)]
    return [(mixed[i] + sums[i % 4]) % P for i in range(12)]


def permute(state: Sequence[int]) -> list[int]:
    """The Poseidon2 permutation of 12 elements."""
    current = external_layer([value % P for value in state])
    for constants in _EXTERNAL[:4]:
        current = external_layer(
            [pow(v + c, 7, P) for v, c in zip(current, constants, strict=True)]
        )
    for constant in _INTERNAL:
        current[0] = pow(current[0] + constant, 7, P)
        total = sum(current)
        current = [(v * d + total) % P for v, d in zip(current, _DIAGONAL, strict=True)]
    for constants in _EXTERNAL[4:]:
        current = external_layer(
            [pow(v + c, 7, P) for v, c in zip(current, constants, strict=True)]
        )
    return current


def sponge(elements: Sequence[int], wanted: int) -> list[int]:
    """Write each chunk of 8 over the state, permute, and read off the first elements."""
    state = [0] * 12
    for i in range(0, len(elements), RATE):
        chunk = elements[i : i + RATE]
        state[: len(chunk)] = chunk
        state = permute(state)
    return state[:wanted]


def hash5(elements: Sequence[int]) -> F5:
    return f5(sponge(elements, 5))


def hash4(elements: Sequence[int]) -> list[int]:
    return sponge(elements, 4)


def two_to_one(a: Sequence[int], b: Sequence[int]) -> list[int]:
    return hash4([*a, *b])


# --- Schnorr ------------------------------------------------------------------------------------


def public_key(private_key: bytes) -> bytes:
    return to_bytes(encode(multiply_generator(scalar(private_key))))


def challenge(r: F5, message: F5) -> int:
    return scalar(to_bytes(hash5([*r, *message])))


def sign(private_key: bytes, message: bytes, k: int) -> bytes:
    """Sign a 40-byte message with the given nonce: s || e."""
    e = challenge(encode(multiply_generator(k)), from_bytes(message))
    return scalar_bytes(k - e * scalar(private_key)) + scalar_bytes(e)


def verify(public: bytes, message: bytes, signature: bytes, *, reduce: bool = False) -> bool:
    """Check a signature: R = s*G + e*pk must hash to e.

    `reduce` accepts halves that are not below n, as the official library does.
    """
    if len(signature) != 80:
        return False
    s, e = (int.from_bytes(half, "little") for half in (signature[:40], signature[40:]))
    if not reduce and (s >= N or e >= N):
        return False
    key = decode_bytes(public)
    if isinstance(key, bool):
        return False
    r = affine_add(multiply_generator(s), multiply(key, e))
    return challenge(encode(r), from_bytes(message)) == e % N


def verifier(private_key: bytes) -> Callable[[bytes, bytes], bool]:
    """Return a check of (message, signature) that is quick because it knows the private key.

    R = s*G + e*pk is (s + e*sk)*G, so one multiplication of the generator is enough.
    """
    sk = scalar(private_key)

    def check(message: bytes, signature: bytes) -> bool:
        s, e = (int.from_bytes(half, "little") for half in (signature[:40], signature[40:]))
        if len(signature) != 80 or s >= N or e >= N:
            return False
        return challenge(encode(multiply_generator(s + e * sk)), from_bytes(message)) == e

    return check


def key_from_seed(seed: bytes) -> bytes:
    """The reference's key derivation from a seed of at least 32 bytes."""
    blocks = hashlib.sha256(b"\x01" + seed).digest() + hashlib.sha256(b"\x02" + seed).digest()[:8]
    return scalar_bytes(int.from_bytes(blocks, "big"))
