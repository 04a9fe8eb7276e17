"""Changes of known frames: values, keys, order, blanks, escapes, bytes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st


def text_of(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def is_text(data: bytes) -> bool:
    """Whether the feed would hand bytes on."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def numbers_of_every_length(step: int = 1) -> Iterator[str]:
    """Sevens with up to 18 digits, and every so many of them behind the point."""
    for places in range(0, 19, step):
        for digits in range(max(places, 1), 19):
            text = "7" * digits
            yield text if not places else f"{text[:-places] or '0'}.{text[-places:]}"


def reversed_keys(value: Any) -> Any:
    """The same JSON with the members of every object in the opposite order."""
    if isinstance(value, dict):
        return {key: reversed_keys(each) for key, each in reversed(value.items())}
    return [reversed_keys(each) for each in value] if isinstance(value, list) else value


NUMBERS = st.one_of(
    st.decimals("0", "99999.99", places=2).map(str),
    st.decimals("-10", "10", places=6).map(str),
    st.sampled_from([
        "", "0", "0.00", "-0", "1", "00", "01.5", ".5", "5.", "1e3", "+1", " 1", "1 ", "abc",
        "9223372036854775807", "9223372036854775808", "0.000000000000000000", "1.10000000000000000",
        "0.0000000000000000001", "92233720368547758.07", "922337203685477580.8", "NaN", "12\\u0035",
    ]),
    st.integers(-(10**20), 10**20),
    st.integers(0, 10**13),
    st.sampled_from([None, True, False, [], {}, [1], {"a": 1}, 1.5, -1e-07, 1e30, 1e-30, 0.1]),
).map(copy.deepcopy)  # fmt: skip


@st.composite
def changed(draw, frames, names):
    """A known frame with values, keys and order changed somewhere; `names` for new keys."""
    frame = json.loads(json.dumps(draw(st.sampled_from(list(frames)))))
    for _ in range(draw(st.integers(0, 3))):
        holder = _holder(frame, draw)
        if isinstance(holder, list):
            action = draw(st.sampled_from(["drop", "double", "append"]))
            if action == "append" or not holder:
                holder.append(draw(NUMBERS))
            elif action == "drop":
                holder.pop()
            else:
                holder.append(holder[-1])
            continue
        if not holder:
            holder[names[0]] = draw(NUMBERS)
            continue
        key = draw(st.sampled_from(sorted(holder)))
        action = draw(st.sampled_from(["value", "value", "value", "drop", "rename", "add"]))
        if action == "value":
            holder[key] = draw(NUMBERS)
        elif action == "drop":
            del holder[key]
        elif action == "rename":
            holder[draw(st.sampled_from(names))] = holder.pop(key)
        else:
            holder["extra_" + key] = draw(NUMBERS)
    return _shuffled(frame, draw(st.randoms())) if draw(st.booleans()) else frame


def _holder(value, draw):
    """Some object or list inside a frame."""
    while True:
        inner = [
            each
            for each in (value.values() if isinstance(value, dict) else value)
            if isinstance(each, (dict, list))
        ]
        if not inner or draw(st.integers(0, 3)) == 0:
            return value
        value = inner[draw(st.integers(0, len(inner) - 1))]


def _shuffled(value, rng: random.Random):
    if isinstance(value, list):
        return [_shuffled(each, rng) for each in value]
    if isinstance(value, dict):
        items = [(key, _shuffled(each, rng)) for key, each in value.items()]
        rng.shuffle(items)
        return dict(items)
    return value


def escaped(frame: object, rng: random.Random) -> bytes:
    """The same JSON with blanks, and with some letters of keys and words escaped."""
    text = json.dumps(frame, indent=rng.choice([None, 1, 3]))
    # Escape some letters of keys and words: the same JSON.
    out, inside, skip = [], False, 0
    for at, c in enumerate(text):
        if skip:
            skip -= 1
        elif c == "\\":
            skip = 1
        elif c == '"':
            inside = not inside
        elif inside and c.isalpha() and text[at - 1] != "\\" and rng.random() < 0.02:
            c = f"\\u{ord(c):04x}"
        out.append(c)
    return "".join(out).encode()


def scribbled(whole: bytes, draw: Any) -> bytes:
    """Some bytes changed, but not where that makes equal keys or what is no text."""
    changed = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(changed) - 1))
        changed[at] = draw(st.sampled_from(b'{}[]",:0123456789.-eEntf \\x'))
    data = bytes(changed)
    keys = _keys(data)
    return data if is_text(data) and len(set(keys)) == len(keys) else whole


def _keys(data: bytes):
    """The keys of every object, with where they stand."""
    found = []

    def pairs(items):
        names = [name for name, _ in items]
        found.extend((id(items), name) for name in names)
        return dict(items)

    try:
        json.loads(data, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return []
    return found
