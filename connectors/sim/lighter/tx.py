"""Transactions as text: parsing, the hash that was signed, signatures and auth tokens.

Written from the signing rules (sections 6 to 9 and 12) for this simulator
alone; field, curve and sponge come from `_speedups.lighter_core`.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from connectors._speedups import lighter_core

from .errors import Refused

__all__ = ["SHAPES", "Tx", "TxParser", "check_token", "tx_hashes", "verify"]

CREATE, CANCEL, CANCEL_ALL, MODIFY, LEVERAGE, GROUP, MARGIN = 14, 15, 16, 17, 20, 28, 29

_ORDER = (
    "MarketIndex",
    "ClientOrderIndex",
    "BaseAmount",
    "Price",
    "IsAsk",
    "Type",
    "TimeInForce",
    "ReduceOnly",
    "TriggerPrice",
    "OrderExpiry",
)
_HALVED = 1  # marks a field hashed as its lower and its upper 32 bits

# The members of each type in the order in which they are hashed.
SHAPES: dict[int, tuple[tuple[str, int], ...]] = {
    8: (("PubKey", 0),),
    9: (),
    12: (
        ("ToAccountIndex", 0),
        ("AssetIndex", 0),
        ("FromRouteType", 0),
        ("ToRouteType", 0),
        ("Amount", _HALVED),
        ("USDCFee", _HALVED),
    ),
    13: (("AssetIndex", 0), ("RouteType", 0), ("Amount", _HALVED)),
    CREATE: tuple((name, 0) for name in _ORDER),
    CANCEL: (("MarketIndex", 0), ("Index", 0)),
    CANCEL_ALL: (("TimeInForce", 0), ("Time", 0)),
    MODIFY: (
        ("MarketIndex", 0),
        ("Index", 0),
        ("BaseAmount", 0),
        ("Price", 0),
        ("TriggerPrice", 0),
    ),
    LEVERAGE: (("MarketIndex", 0), ("InitialMarginFraction", 0), ("MarginMode", 0)),
    GROUP: (("GroupingType", 0), ("Orders", 0)),
    MARGIN: (("MarketIndex", 0), ("USDCAmount", _HALVED), ("Direction", 0)),
    41: (("AccountTradingMode", 0),),
    42: (("AssetIndex", 0), ("AssetMarginMode", 0)),
    45: (
        ("IntegratorAccountIndex", 0),
        ("MaxPerpsTakerFee", 0),
        ("MaxPerpsMakerFee", 0),
        ("MaxSpotTakerFee", 0),
        ("MaxSpotMakerFee", 0),
        ("ApprovalExpiry", 0),
    ),
}
_ABSENT_ATTRIBUTE = {5: 255}
_ATTRIBUTE_NAMES = frozenset("12345678")
_MOST_OF_ATTRIBUTE = {
    1: (1 << 48) - 2,
    2: 1_000_000,
    3: 1_000_000,
    4: 1,
    5: (1 << 48) - 1,
    6: 3,
    7: 1,
    8: (1 << 48) - 1,
}
_LOW, _WORD = (1 << 32) - 1, (1 << 64) - 1
_SIGNATURE_BYTES = 80


@dataclass(frozen=True, slots=True)
class Tx:
    """One parsed transaction; `raw` is the tx_info as it came, as text."""

    tx_type: int
    fields: Mapping[str, Any]
    attributes: Mapping[int, int]
    account_index: int
    api_key_index: int
    nonce: int
    expired_at_ms: int
    signature: bytes
    raw: str

    def __getitem__(self, name: str) -> int:
        value: int = self.fields[name]
        return value


class TxParser:
    """Reads tx_info, and names what is wrong with it (21501, 21505)."""

    @staticmethod
    def parse(tx_type: Any, info: Any) -> Tx:
        """Return the transaction of a tx_info text or object. Raises Refused."""
        raw = info
        if isinstance(info, str | bytes):
            try:
                info = orjson.loads(info)
            except orjson.JSONDecodeError as error:
                raise Refused(21501, "not JSON") from error
        else:
            raw = orjson.dumps(info).decode()
        if not isinstance(info, dict):
            raise Refused(21501, "not an object")
        if not _is_int(tx_type) or tx_type not in SHAPES:
            raise Refused(21505, str(tx_type))
        values = dict(info)
        owner = "FromAccountIndex" if tx_type in (12, 13) else "AccountIndex"
        for name in (owner, "ApiKeyIndex", "Nonce", "ExpiredAt"):
            _need_int(values, name)
        for name, _ in SHAPES[tx_type]:
            if name == "PubKey":
                values[name] = _need_bytes(values, name, 40)
            elif name == "Orders":
                _need_orders(values)
            else:
                _need_int(values, name)
        return Tx(
            tx_type,
            values,
            _attributes(values.get("L2TxAttributes")),
            values[owner],
            values["ApiKeyIndex"],
            values["Nonce"],
            values["ExpiredAt"],
            _need_bytes(values, "Sig", _SIGNATURE_BYTES),
            raw if isinstance(raw, str) else raw.decode(),
        )


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _need_int(values: Mapping[str, Any], name: str) -> None:
    value = values.get(name)
    if not _is_int(value) or not -(1 << 63) <= value < 1 << 64:  # type: ignore[operator]
        raise Refused(21501, f"{name} is not an integer")


def _need_bytes(values: Mapping[str, Any], name: str, size: int) -> bytes:
    text = values.get(name)
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError) as error:
        raise Refused(21501, f"{name} is not base64") from error
    if len(data) != size:
        raise Refused(21501, f"{name} is not {size} bytes")
    return data


def _need_orders(values: Mapping[str, Any]) -> None:
    orders = values.get("Orders")
    if not isinstance(orders, list) or not 1 <= len(orders) <= 3:
        raise Refused(21501, "Orders is not a list of one to three")
    for order in orders:
        if not isinstance(order, dict):
            raise Refused(21501, "an order is not an object")
        for name in _ORDER:
            _need_int(order, name)


def _attributes(value: Any) -> dict[int, int]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > 4:
        raise Refused(21501, "L2TxAttributes")
    found: dict[int, int] = {}
    for name, number in value.items():
        most = _MOST_OF_ATTRIBUTE[int(name)] if name in _ATTRIBUTE_NAMES else None
        if most is None or not _is_int(number) or not 0 <= number <= most:
            raise Refused(21501, f"attribute {name!r}")
        found[int(name)] = number
    return {
        kind: found[kind] for kind in sorted(found) if found[kind] != _ABSENT_ATTRIBUTE.get(kind, 0)
    }


def _words(tx: Tx) -> list[int]:
    """Return what is hashed behind chain and type, as unsigned words."""
    words = [tx.nonce, tx.expired_at_ms, tx.account_index, tx.api_key_index]
    for name, how in SHAPES[tx.tx_type]:
        value = tx.fields[name]
        if name == "PubKey":
            words += struct.unpack("<5Q", value)
        elif name == "Orders":
            words += _group_hash(value)
        elif how == _HALVED:
            words += (value & _LOW, value >> 32)
        else:
            words.append(value)
    return [word & _WORD for word in words]


def _group_hash(orders: Sequence[Mapping[str, int]]) -> list[int]:
    total: list[int] = []
    for order in orders:
        one = lighter_core.hash4([order[name] & _WORD for name in _ORDER])
        total = lighter_core.hash4([*total, *one]) if total else one
    return total


def tx_hashes(tx: Tx, chain_ids: Sequence[int]) -> list[bytes]:
    """Return the 40-byte hash the transaction has on each chain."""
    words = _words(tx)
    extra: list[int] = []
    if tx.attributes:
        slots = [number for pair in tx.attributes.items() for number in pair]
        extra = lighter_core.hash5(slots + [0] * (8 - len(slots)))
    found = []
    for chain_id in chain_ids:
        digest = lighter_core.hash5([chain_id, tx.tx_type, *words])
        if extra:
            digest = lighter_core.hash5([*digest, *extra])
        found.append(struct.pack("<5Q", *digest))
    return found


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    return bool(lighter_core.verify(public_key, message, signature))


MAX_TOKEN_S = 8 * 3600
_known_tokens: OrderedDict[tuple[bytes, str], bool] = OrderedDict()


def token_owner(token: str) -> tuple[int, int, int]:
    """Return deadline (s), account and api key index of a token. Raises Refused."""
    parts = token.split(":")
    try:
        if len(parts) != 4 or len(bytes.fromhex(parts[3])) != _SIGNATURE_BYTES:
            raise ValueError(token)
        return int(parts[0]), int(parts[1]), int(parts[2])
    except ValueError as error:
        raise Refused(20001, "invalid auth token") from error


def check_token(token: str, public_key: bytes, now_s: float) -> None:
    """Check deadline and signature of a token (12). Raises Refused, 20001."""
    deadline_s, _, _ = token_owner(token)
    if deadline_s <= now_s:
        raise Refused(20001, "auth token is expired")
    if deadline_s > now_s + MAX_TOKEN_S:
        raise Refused(20001, "auth token is not valid yet")
    if not _signed(token, public_key):
        raise Refused(20001, "invalid auth token signature")


def _signed(token: str, public_key: bytes) -> bool:
    """Whether the key signed the token; answers are remembered, tokens come again and again."""
    key = (public_key, token)
    known = _known_tokens.get(key)
    if known is None:
        text, _, signature = token.rpartition(":")
        data = text.encode()
        data += bytes(-len(data) % 8)
        message = lighter_core.hash5(struct.unpack(f"<{len(data) // 8}Q", data))
        known = verify(public_key, struct.pack("<5Q", *message), bytes.fromhex(signature))
        _known_tokens[key] = known
        if len(_known_tokens) > 1_000:
            _known_tokens.popitem(last=False)
    return known
