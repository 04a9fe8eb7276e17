"""Hyperliquid signatures, slowly: MessagePack, EIP-712 and ECDSA with Python's integers.

Written from the rules and RFC 6979, and independent of the package; keccak is pycryptodome's.
"""

from __future__ import annotations

import hashlib
import hmac
import random
import struct
from collections.abc import Sequence
from typing import Any

from Crypto.Hash import keccak

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)

Point = tuple[int, int] | None


def keccak256(data: bytes) -> bytes:
    digest: bytes = keccak.new(digest_bits=256, data=data).digest()
    return digest


# --- MessagePack ----------------------------------------------------------------------------------


def pack(value: Any) -> bytes:
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, str):
        data = value.encode()
        heads = [(32, 0xA0, ""), (2**8, 0xD9, ">B"), (2**16, 0xDA, ">H"), (2**32, 0xDB, ">I")]
        return _head(len(data), heads) + data
    if isinstance(value, dict):
        items = b"".join(pack(key) + pack(item) for key, item in value.items())
        return _head(len(value), [(16, 0x80, ""), (2**16, 0xDE, ">H"), (2**32, 0xDF, ">I")]) + items
    if isinstance(value, (list, tuple)):
        items = b"".join(pack(item) for item in value)
        return _head(len(value), [(16, 0x90, ""), (2**16, 0xDC, ">H"), (2**32, 0xDD, ">I")]) + items
    raise TypeError(type(value).__name__)


def _head(size: int, heads: Sequence[tuple[int, int, str]]) -> bytes:
    _, tag, form = next(head for head in heads if size < head[0])
    return bytes([tag]) + struct.pack(form, size) if form else bytes([tag | size])


def _integer(value: int) -> bytes:
    if 0 <= value < 128:
        return bytes([value])
    if -32 <= value < 0:
        return bytes([256 + value])
    if value > 0:
        forms = [(2**8, 0xCC, ">B"), (2**16, 0xCD, ">H"), (2**32, 0xCE, ">I"), (2**64, 0xCF, ">Q")]
        return _head(value, forms)
    for bits, tag, form in ((7, 0xD0, ">b"), (15, 0xD1, ">h"), (31, 0xD2, ">i"), (63, 0xD3, ">q")):
        if value >= -(2**bits):
            return bytes([tag]) + struct.pack(form, value)
    raise OverflowError


# --- what is signed -------------------------------------------------------------------------------


def action_hash(action: Any, nonce: int, vault: str | None, expires_after: int | None) -> bytes:
    data = pack(action) + nonce.to_bytes(8, "big")
    data += b"\x00" if vault is None else b"\x01" + bytes.fromhex(vault.removeprefix("0x"))
    if expires_after is not None:
        data += b"\x00" + expires_after.to_bytes(8, "big")
    return keccak256(data)


def domain(name: str, chain_id: int) -> bytes:
    text = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    parts = [keccak256(text), keccak256(name.encode()), keccak256(b"1")]
    return keccak256(b"".join(parts) + chain_id.to_bytes(32, "big") + bytes(32))


def l1_digest(connection_id: bytes, mainnet: bool) -> bytes:
    kind = keccak256(b"Agent(string source,bytes32 connectionId)")
    struct_hash = keccak256(kind + keccak256(b"a" if mainnet else b"b") + connection_id)
    return keccak256(b"\x19\x01" + domain("Exchange", 1337) + struct_hash)


def user_digest(primary: str, types: Sequence[dict[str, str]], action: dict[str, Any]) -> bytes:
    """As `primary_type` and `types` of the vectors say."""
    inside = ",".join(f"{each['type']} {each['name']}" for each in types)
    data = keccak256(f"{primary}({inside})".encode())
    for each in types:
        value = action[each["name"]]
        if each["type"] == "string":
            data += keccak256(value.encode())
        elif each["type"] == "address":
            data += bytes.fromhex(value.removeprefix("0x")).rjust(32, b"\0")
        elif each["type"] == "bytes32":
            data += value
        else:
            data += int(value).to_bytes(32, "big")
    chain = int(action["signatureChainId"], 16)
    wrapped = b"\x19\x01" + domain("HyperliquidSignTransaction", chain) + keccak256(data)
    return keccak256(wrapped)


# --- the curve ------------------------------------------------------------------------------------


def add(a: Point, b: Point) -> Point:
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(point: Point, scalar: int) -> Point:
    result: Point = None
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def address(public: Point) -> str:
    """Lowercase, without a checksum."""
    assert public is not None
    data = public[0].to_bytes(32, "big") + public[1].to_bytes(32, "big")
    return "0x" + keccak256(data)[12:].hex()


def rfc6979(key: int, digest: bytes) -> int:
    """The first k for a digest, section 3.2."""
    seed = key.to_bytes(32, "big") + (int.from_bytes(digest, "big") % N).to_bytes(32, "big")

    def mac(k: bytes, data: bytes) -> bytes:
        return hmac.new(k, data, hashlib.sha256).digest()

    v, k = b"\x01" * 32, b"\x00" * 32
    for byte in (b"\x00", b"\x01"):
        k = mac(k, v + byte + seed)
        v = mac(k, v)
    while True:
        v = mac(k, v)
        found = int.from_bytes(v, "big")
        if 0 < found < N:
            return found
        k = mac(k, v + b"\x00")
        v = mac(k, v)


def sign(key: int, digest: bytes, k: int | None = None) -> tuple[int, int, int]:
    """r, s and v (27 or 28; two more for an x of n or above)."""
    k = rfc6979(key, digest) if k is None else k
    point = multiply(G, k)
    assert point is not None
    r = point[0] % N
    s = pow(k, -1, N) * (int.from_bytes(digest, "big") + r * key) % N
    recovery = point[1] & 1 | (point[0] >= N) << 1
    if s > N // 2:
        s, recovery = N - s, recovery ^ 1
    return r, s, 27 + recovery


def recover(digest: bytes, r: int, s: int, v: int) -> str:
    """The address that made a signature."""
    x = r + (v - 27 >> 1) * N
    y = pow(x**3 + 7, (P + 1) // 4, P)
    assert y * y % P == (x**3 + 7) % P
    point = (x, y if y & 1 == v - 27 & 1 else P - y)
    inverse = pow(r, -1, N)
    ours = multiply(G, -int.from_bytes(digest, "big") * inverse % N)
    return address(add(multiply(point, s * inverse % N), ours))


def k_of(key: int, digest: bytes, r: int, s: int) -> set[int]:
    """The two k a signature can have been made with; the private key makes this possible."""
    k = (int.from_bytes(digest, "big") + r * key) * pow(s, -1, N) % N
    return {k, N - k}


def as_dict(r: int, s: int, v: int) -> dict[str, Any]:
    return {"r": f"0x{r:064x}", "s": f"0x{s:064x}", "v": v}


# --- random actions -------------------------------------------------------------------------------

INTEGERS = [
    0, 1, 31, 32, 127, 128, 255, 256, 65535, 65536, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63,
    2**64 - 1,
]  # fmt: skip


def random_number(rng: random.Random) -> str:
    text = f"{rng.randrange(10 ** rng.randrange(1, 12))}"
    places = rng.randrange(6)
    return text if not places else f"{text}.{rng.randrange(1, 10**places):0{places}}".rstrip("0")


def random_order(rng: random.Random) -> dict[str, Any]:
    order: dict[str, Any] = {
        "a": rng.choice([*INTEGERS[:12], rng.randrange(200), 110_000 + rng.randrange(100)]),
        "b": rng.random() < 0.5,
        "p": random_number(rng),
        "s": random_number(rng),
        "r": rng.random() < 0.3,
    }
    if rng.random() < 0.6:
        order["t"] = {"limit": {"tif": rng.choice(["Gtc", "Ioc", "Alo", "FrontendMarket"])}}
    else:
        order["t"] = {
            "trigger": {
                "isMarket": rng.random() < 0.5,
                "triggerPx": random_number(rng),
                "tpsl": rng.choice(["tp", "sl"]),
            }
        }
    if rng.random() < 0.5:
        order["c"] = random_cloid(rng)
    return order


def random_cloid(rng: random.Random) -> str:
    return f"0x{rng.getrandbits(128):032x}"


def random_oid(rng: random.Random) -> int | str:
    if rng.random() < 0.3:
        return random_cloid(rng)
    return rng.choice([*INTEGERS, rng.randrange(2**40)])


def random_action(rng: random.Random) -> dict[str, Any]:
    """One of the actions of trading, with all that may be in it."""
    count = rng.choice([1, 1, 1, 2, 3, 15, 16, 17, 40])
    kind = rng.randrange(11)
    asset, yes = rng.choice(INTEGERS[:12]), rng.random() < 0.5
    if kind < 3:
        action: dict[str, Any] = {
            "type": "order",
            "orders": [random_order(rng) for _ in range(count)],
            "grouping": rng.choice(["na", "normalTpsl", "positionTpsl"]),
        }
        if rng.random() < 0.1:
            action["grouping"] = {"p": rng.choice(INTEGERS)}
        if rng.random() < 0.2:
            action["builder"] = {"b": f"0x{rng.getrandbits(160):040x}", "f": rng.randrange(1000)}
        return action
    if kind == 3:
        cancels = [{"a": rng.choice(INTEGERS), "o": rng.choice(INTEGERS)} for _ in range(count)]
        return {"type": "cancel", "cancels": cancels}
    if kind == 4:
        named = [{"asset": rng.choice(INTEGERS), "cloid": random_cloid(rng)} for _ in range(count)]
        return {"type": "cancelByCloid", "cancels": named}
    if kind == 5:
        return {"type": "modify", "oid": random_oid(rng), "order": random_order(rng)}
    if kind == 6:
        modifies = [{"oid": random_oid(rng), "order": random_order(rng)} for _ in range(count)]
        batch: dict[str, Any] = {"type": "batchModify", "modifies": modifies}
        return batch | ({"a": True} if rng.random() < 0.2 else {})
    return rng.choice(
        [
            {"type": "scheduleCancel", "time": rng.choice(INTEGERS)},
            {"type": "scheduleCancel"},
            {"type": "updateLeverage", "asset": asset, "isCross": yes, "leverage": 20},
            {
                "type": "updateIsolatedMargin", "asset": asset, "isBuy": True,
                "ntli": rng.choice([-1, 1]) * rng.choice(INTEGERS[:13]),
            },
            {
                "type": "twapOrder",
                "twap": {
                    "a": asset, "b": yes, "s": random_number(rng), "r": False, "m": 30, "t": yes,
                },
            },
            {"type": "twapCancel", "a": asset, "t": rng.choice(INTEGERS)},
            {"type": "noop"},
            {"type": "setReferrer", "code": "é₿🚀" * rng.randrange(90)},
            {"type": "CSignerAction", "unjailSelf": None},
        ]
    )  # fmt: skip


def random_tail(rng: random.Random) -> tuple[int, str | None, int | None]:
    """Nonce, vault and expiry."""
    vault = f"0x{rng.getrandbits(160):040x}" if rng.random() < 0.3 else None
    expires = rng.choice(INTEGERS) if rng.random() < 0.3 else None
    return rng.choice([1_700_000_000_000 + rng.randrange(10**11), *INTEGERS]), vault, expires
