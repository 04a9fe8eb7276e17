"""Actions as the venue reads them: its own fields in its own order, numbers in one spelling.

The venue hashes not what was posted but what it understood (section 9.2). A client that signed
another key order, a trailing zero or a null therefore signed something else, and the address
recovered from its signature is nobody's. Keys the venue does not know are refused (422).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .errors import Malformed
from .numbers import canonical

__all__ = ["USER_SIGNED", "address", "canonical_action", "is_address"]

Read = Callable[[Any], Any]
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z")
_CLOID = re.compile(r"0x[0-9a-fA-F]{32}\Z")
U64 = 2**64


def is_address(value: Any) -> bool:
    return isinstance(value, str) and _ADDRESS.match(value) is not None


def address(value: Any) -> str:
    """Return an address in lower case. Raises Malformed if it is none."""
    if not is_address(value):
        raise Malformed(f"not an address: {value!r}")
    return str(value).lower()


def _uint(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < U64:
        raise Malformed(f"not an unsigned integer: {value!r}")
    return value


def _int(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -U64 < value < U64:
        raise Malformed(f"not an integer: {value!r}")
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Malformed(f"not a boolean: {value!r}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Malformed(f"not a text: {value!r}")
    return value


def _cloid(value: Any) -> str:
    if not isinstance(value, str) or not _CLOID.match(value):
        raise Malformed(f"not a cloid: {value!r}")
    return value


def _oid(value: Any) -> int | str:
    return _cloid(value) if isinstance(value, str) else _uint(value)


def _one_of(*known: str) -> Read:
    def read(value: Any) -> Any:
        if value not in known:
            raise Malformed(f"{value!r} is none of {', '.join(known)}")
        return value

    return read


def _true(value: Any) -> bool:
    if value is not True:
        raise Malformed("this flag is either true or absent")
    return True


def _list(read: Read) -> Read:
    def all_of(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Malformed("not a list")
        return [read(item) for item in value]

    return all_of


def _record(**fields: Read | tuple[Read, None]) -> Read:
    """Return a reader of an object with these keys; `(reader, None)` marks one that may lack.

    A null where a key may lack counts as absent, as the venue leaves it out when it writes.
    """

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Malformed("not an object")
        unknown = value.keys() - fields.keys()
        if unknown:
            raise Malformed(f"unknown field {sorted(unknown)[0]!r}")
        found: dict[str, Any] = {}
        for name, reader in fields.items():
            if isinstance(reader, tuple):
                if value.get(name) is not None:
                    found[name] = reader[0](value[name])
            elif name not in value:
                raise Malformed(f"missing field {name!r}")
            else:
                found[name] = reader(value[name])
        return found

    return read


def _kind(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or len(value) != 1:
        raise Malformed("t is either limit or trigger")
    (name, inner), *_ = value.items()
    if name == "limit":
        return {"limit": _LIMIT(inner)}
    if name == "trigger":
        return {"trigger": _TRIGGER(inner)}
    raise Malformed("t is either limit or trigger")


def _grouping(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _record(p=_uint)(value)
    return _one_of("na", "normalTpsl", "positionTpsl")(value)


_LIMIT = _record(tif=_one_of("Gtc", "Ioc", "Alo", "FrontendMarket"))
_TRIGGER = _record(isMarket=_bool, triggerPx=canonical, tpsl=_one_of("tp", "sl"))
_ORDER = _record(a=_uint, b=_bool, p=canonical, s=canonical, r=_bool, t=_kind, c=(_cloid, None))

_L1: dict[str, dict[str, Read | tuple[Read, None]]] = {
    "order": {
        "orders": _list(_ORDER),
        "grouping": _grouping,
        "builder": (_record(b=address, f=_uint), None),
    },
    "cancel": {"cancels": _list(_record(a=_uint, o=_uint))},
    "cancelByCloid": {"cancels": _list(_record(asset=_uint, cloid=_cloid))},
    "modify": {"oid": _oid, "order": _ORDER, "a": (_true, None)},
    "batchModify": {"modifies": _list(_record(oid=_oid, order=_ORDER)), "a": (_true, None)},
    "scheduleCancel": {"time": (_uint, None)},
    "updateLeverage": {"asset": _uint, "isCross": _bool, "leverage": _uint},
    "updateIsolatedMargin": {"asset": _uint, "isBuy": _bool, "ntli": _int},
    "twapOrder": {
        "twap": _record(a=_uint, b=_bool, s=canonical, r=_bool, m=_uint, t=_bool),
    },
    "twapCancel": {"a": _uint, "t": _uint},
    "noop": {},
    "reserveRequestWeight": {"weight": _uint},
    "createSubAccount": {"name": _text},
    "subAccountTransfer": {"subAccountUser": address, "isDeposit": _bool, "usd": _uint},
    "subAccountSpotTransfer": {
        "subAccountUser": address,
        "isDeposit": _bool,
        "token": _text,
        "amount": canonical,
    },
    "vaultTransfer": {"vaultAddress": address, "isDeposit": _bool, "usd": _uint},
    "setReferrer": {"code": _text},
    "evmUserModify": {"usingBigBlocks": _bool},
    "agentEnableDexAbstraction": {},
    "agentSetAbstraction": {"abstraction": _text},
}

_STRING, _UINT64, _BOOL, _ADDR = "string", "uint64", "bool", "address"
_CHAIN = ("hyperliquidChain", _STRING)
_NONCE = ("nonce", _UINT64)
_TIME = ("time", _UINT64)

USER_SIGNED: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "usdSend": ("UsdSend", (_CHAIN, ("destination", _STRING), ("amount", _STRING), _TIME)),
    "spotSend": (
        "SpotSend",
        (_CHAIN, ("destination", _STRING), ("token", _STRING), ("amount", _STRING), _TIME),
    ),
    "withdraw3": ("Withdraw", (_CHAIN, ("destination", _STRING), ("amount", _STRING), _TIME)),
    "usdClassTransfer": (
        "UsdClassTransfer",
        (_CHAIN, ("amount", _STRING), ("toPerp", _BOOL), _NONCE),
    ),
    "sendAsset": (
        "SendAsset",
        (
            _CHAIN,
            ("destination", _STRING),
            ("sourceDex", _STRING),
            ("destinationDex", _STRING),
            ("token", _STRING),
            ("amount", _STRING),
            ("fromSubAccount", _STRING),
            _NONCE,
        ),
    ),
    "approveAgent": (
        "ApproveAgent",
        (_CHAIN, ("agentAddress", _ADDR), ("agentName", _STRING), _NONCE),
    ),
    "approveBuilderFee": (
        "ApproveBuilderFee",
        (_CHAIN, ("maxFeeRate", _STRING), ("builder", _ADDR), _NONCE),
    ),
    "tokenDelegate": (
        "TokenDelegate",
        (_CHAIN, ("validator", _ADDR), ("wei", _UINT64), ("isUndelegate", _BOOL), _NONCE),
    ),
    "userDexAbstraction": (
        "UserDexAbstraction",
        (_CHAIN, ("user", _ADDR), ("enabled", _BOOL), _NONCE),
    ),
    "userSetAbstraction": (
        "UserSetAbstraction",
        (_CHAIN, ("user", _ADDR), ("abstraction", _STRING), _NONCE),
    ),
    "convertToMultiSigUser": (
        "ConvertToMultiSigUser",
        (_CHAIN, ("signers", _STRING), _NONCE),
    ),
}
"""Primary type and fields of every user-signed action, in the order they are hashed (9.3)."""


def canonical_action(action: Any) -> dict[str, Any]:
    """Return an L1 action as the venue would write it.

    Raises
    ------
    Malformed
        The venue does not know the action, or a field of it.
    """
    if not isinstance(action, Mapping):
        raise Malformed("the action is not an object")
    kind = action.get("type")
    fields = _L1.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise Malformed(f"unknown action {kind!r}")
    body = {name: value for name, value in action.items() if name != "type"}
    return {"type": kind, **_record(**fields)(body)}
