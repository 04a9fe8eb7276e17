"""The same JSON written differently: keys nobody knows, keys in another order."""

from __future__ import annotations

import random

import orjson

__all__ = ["rewritten"]


def rewritten(
    payload: bytes,
    source: random.Random,
    *,
    unknown_key: str = "",
    shuffled_keys: bool = False,
) -> bytes:
    """Return a payload in which every object has a certain key more, or another order of keys.

    What is not JSON comes back as it is.
    """

    def change(value: object) -> object:
        if isinstance(value, list):
            return [change(item) for item in value]
        if not isinstance(value, dict):
            return value
        items = [(key, change(item)) for key, item in value.items()]
        if unknown_key:
            items.insert(source.randrange(len(items) + 1), (unknown_key, {"new": [1, "2", None]}))
        if shuffled_keys:
            source.shuffle(items)
        return dict(items)

    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return payload
    return orjson.dumps(change(value))
