"""JSON by the book (RFC 8259), from bytes to a tree that remembers where everything stood.

Slow and obvious: one regular expression for each kind of token. It differs from a general parser
in what the scanner promises: at most `MAX_DEPTH` brackets may be open, and bytes above 0x7F may
stand in strings whether or not they are UTF-8. Held against `json` and `orjson` by
tests/property/test_scan.py, and then used as the oracle of the scanner and of the decoders.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_DEPTH = 64

BLANKS = re.compile(rb"[ \t\n\r]*")
STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"')
NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
WORD = re.compile(rb"true|false|null")
ESCAPE = re.compile(rb"\\u([dD][89abAB]..)\\u([dD][c-fC-F]..)|\\u(....)|\\(.)", re.DOTALL)
SHORT = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


class Refused(ValueError):
    """The bytes are not JSON."""


@dataclass(slots=True)
class Node:
    kind: str  # object, array, string, number, true, false, null
    start: int
    end: int
    raw: bytes  # the text of the value
    members: list[tuple[bytes | None, Node]] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """A string without its quotes, escapes still in place."""
        return self.raw[1:-1]

    @property
    def text(self) -> bytes | None:
        """What a string says; None where a surrogate stands alone."""
        return unescape(self.body)

    def all(self, key: str) -> Iterator[Node]:
        """The values of every member of that name, in order."""
        return (value for name, value in self.members if name == key.encode())


def unescape(body: bytes) -> bytes | None:
    """Return the text of a string body as UTF-8; None where a surrogate stands alone."""

    def replace(match: re.Match[bytes]) -> bytes:
        high, low, single, short = match.groups()
        if high:
            code = 0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00
            return chr(code).encode()
        if single:
            return chr(int(single, 16)).encode()  # of a lone surrogate: UnicodeEncodeError
        return SHORT.get(short, short)

    try:
        return ESCAPE.sub(replace, body)
    except UnicodeEncodeError:
        return None


def blanks(data: bytes, at: int) -> int:
    match = BLANKS.match(data, at)
    assert match is not None
    return match.end()


def value(data: bytes, at: int, depth: int = 0) -> Node:
    """Parse the value that begins at `at`; raise `Refused`."""
    for kind, token in (("string", STRING), ("number", NUMBER), ("word", WORD)):
        match = token.match(data, at)
        if match:
            raw = match.group()
            if kind == "number" and data[match.end() : match.end() + 1] in (b".", b"e", b"E"):
                raise Refused(f"half a number at {at}")
            return Node(raw.decode() if kind == "word" else kind, at, match.end(), raw)
    if data[at : at + 1] not in (b"{", b"["):
        raise Refused(f"no value at {at}")
    if depth == MAX_DEPTH:
        raise Refused(f"too deep at {at}")
    is_object = data[at : at + 1] == b"{"
    close = b"}" if is_object else b"]"
    node = Node("object" if is_object else "array", at, at, b"")
    p = blanks(data, at + 1)
    if data[p : p + 1] != close:
        while True:
            if is_object:
                name = STRING.match(data, p)
                if not name:
                    raise Refused(f"no key at {p}")
                p = blanks(data, name.end())
                if data[p : p + 1] != b":":
                    raise Refused(f"no colon at {p}")
                p = blanks(data, p + 1)
            child = value(data, p, depth + 1)
            if is_object:
                node.members.append((unescape(name.group()[1:-1]), child))
            else:
                node.items.append(child)
            p = blanks(data, child.end)
            if data[p : p + 1] == close:
                break
            if data[p : p + 1] != b",":
                raise Refused(f"neither comma nor closing bracket at {p}")
            p = blanks(data, p + 1)
    node.end = p + 1
    node.raw = data[at : node.end]
    return node


def parse(data: bytes) -> Node:
    """Parse a whole message; raise `Refused`."""
    node = value(data, blanks(data, 0))
    if blanks(data, node.end) != len(data):
        raise Refused(f"something follows at {node.end}")
    return node
