"""Faults of single channels (see `connectors.sim.taps`): where numbers stand, other actions."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from .. import taps

__all__ = ["Tap"]

HUGE_BYTES = 16 << 20


@dataclass(slots=True, eq=False)
class Tap(taps.Tap):
    """Adds contents that are empty, null, of another type, or of an unknown kind.

    `empty` takes every list and batch empty, `nulls` makes optional fields null, `absent` leaves
    them out, `numbers` writes numbers where there were texts and the other way round, `unknown`
    gives a type, a channel or a field nobody knows, `regress` an id that was there before, `huge`
    makes a frame of 16 MB.
    """

    actions: ClassVar[tuple[str, ...]] = (
        *taps.Tap.actions,
        *(
            "empty",
            "nulls",
            "absent",
            "numbers",
            "unknown_type",
            "unknown_channel",
            "regress",
            "huge",
        ),
    )
    number_marks: ClassVar[tuple[bytes, ...]] = (
        b'[["', b'"price":"', b'"size":"', b'"blockHeight":"', b'"oraclePrice":"', b'"open":"',
    )  # fmt: skip

    def bend(self, payload: bytes, source: random.Random) -> bytes:
        frame = orjson.loads(payload)
        action = self.action
        if action == "unknown_type":
            return orjson.dumps({**frame, "type": "somethingNew"})
        if action == "unknown_channel":
            return orjson.dumps({**frame, "channel": "v4_something_new"})
        if action == "huge":
            return payload[:-1] + b',"padding":"%b"}' % (b"x" * HUGE_BYTES)
        if action == "regress":
            return orjson.dumps({**frame, "message_id": max(frame["message_id"] - 5, 0)})
        change = {"empty": _empty, "nulls": _nulls, "absent": _absent, "numbers": _numbers}[action]
        return orjson.dumps({**frame, "contents": change(frame.get("contents"))})


_OPTIONAL = frozenset(
    {
        "totalFilled", "totalOptimisticFilled", "removalReason", "createdAtHeight",
        "clientMetadata", "triggerPrice", "updatedAt", "updatedAtHeight", "orderRouterAddress",
        "goodTilBlock", "goodTilBlockTime", "side", "size", "price", "type", "timeInForce",
        "postOnly", "reduceOnly", "orderbookMidPriceOpen", "orderbookMidPriceClose", "exitPrice",
        "closedAt", "affiliateRevShare", "builderFee", "builderAddress", "orderRouterFee",
        "positionSizeBefore", "entryPriceBefore", "positionSideBefore", "oraclePrice",
    }
)  # fmt: skip
# What may be absent only in an order; elsewhere it is what the object is about.
_OF_ORDERS = frozenset({"side", "size", "price", "type"})


def _empty(contents: Any) -> Any:
    """Return contents with every list empty; a batch of nothing."""
    if isinstance(contents, list):
        return []
    if isinstance(contents, dict):
        return {key: [] if isinstance(v, list) else v for key, v in contents.items()}
    return contents


def _walk(value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    if isinstance(value, list):
        return [_walk(item, change) for item in value]
    if isinstance(value, dict):
        return change({key: _walk(item, change) for key, item in value.items()})
    return value


def _is_optional(key: str, row: dict[str, Any]) -> bool:
    return key in _OPTIONAL and (key not in _OF_ORDERS or "orderFlags" in row)


def _nulls(contents: Any) -> Any:
    return _walk(
        contents, lambda row: {k: None if _is_optional(k, row) else v for k, v in row.items()}
    )


def _absent(contents: Any) -> Any:
    return _walk(contents, lambda row: {k: v for k, v in row.items() if not _is_optional(k, row)})


def _numbers(contents: Any) -> Any:
    """Return contents with numbers for texts that are whole numbers, and texts for numbers."""
    if isinstance(contents, dict):
        return {key: _numbers(item) for key, item in contents.items()}
    if isinstance(contents, list):
        return [_numbers(item) for item in contents]
    if isinstance(contents, bool):
        return contents
    if isinstance(contents, int):
        return str(contents)
    if isinstance(contents, str) and contents.isdecimal() and len(contents) < 16:
        return int(contents)
    return contents
