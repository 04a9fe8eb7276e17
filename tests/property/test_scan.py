"""The scanner takes exactly what conforming parsers take, and nothing outside the buffer."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors._speedups import scan
from connectors._speedups.errors import DecodeError
from oracle import json_scan, ticks

BLANKS = st.text(" \t\n\r", max_size=3)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.one_of(
    st.integers().map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)


@st.composite
def documents(draw: st.DrawFn, depth: int = 4) -> str:
    """JSON text of any layout: blanks anywhere, strings escaped in any way."""
    kind = draw(st.integers(0, 6 if depth else 4))
    if kind == 0:
        text = draw(st.sampled_from(["true", "false", "null"]))
    elif kind <= 2:
        text = draw(NUMBERS)
    elif kind <= 4:
        text = draw(strings())
    else:
        children = draw(st.lists(documents(depth=depth - 1), max_size=4))
        if kind == 6:
            children = [f"{draw(strings())}{draw(BLANKS)}:{child}" for child in children]
        inside = ",".join(children) or draw(BLANKS)
        text = f"[{inside}]" if kind == 5 else f"{{{inside}}}"
    return draw(BLANKS) + text + draw(BLANKS)


@st.composite
def strings(draw: st.DrawFn) -> str:
    return json.dumps(draw(TEXTS), ensure_ascii=draw(st.booleans()))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A document with some bytes changed, removed, inserted or repeated."""
    data = bytearray(draw(documents()).encode())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        what = draw(st.integers(0, 3))
        if what == 0 and at < len(data):
            data[at] = draw(st.one_of(st.integers(0, 255), st.sampled_from(b'"\\{}[]:,0-.e ')))
        elif what == 1:
            del data[at : at + draw(st.integers(1, 3))]
        elif what == 2:
            data[at:at] = bytes([draw(st.sampled_from(b'"\\{}[]:,01-+.eE \x00\x1f\x80\xff'))])
        else:
            data[at:at] = data[: draw(st.integers(0, 8))]
    return bytes(data)


def no_constant(name: str) -> Any:
    raise ValueError(name)


def accepts(data: bytes) -> bool:
    """What the standard library says, byte for byte.

    Latin-1 makes a letter of every byte and changes neither grammar nor length. `json` has no
    limit of depth below Python's own.
    """
    try:
        json.loads(data.decode("latin-1"), parse_constant=no_constant, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


def verdict(data: bytes) -> bool:
    """What the scanner says; its offset must lie in the buffer."""
    try:
        scan.check(data)
    except DecodeError as error:
        return outside(error, data)
    return True


def outside(error: DecodeError, data: bytes) -> bool:
    """Return False, or fail where an error points outside the buffer."""
    assert 0 <= error.offset <= len(data)
    return False


def agree(data: bytes) -> bool:
    """Check scanner, oracle and the standard library against each other."""
    try:
        json_scan.parse(data)
        good = True
    except json_scan.Refused:
        good = False
    assert verdict(data) == good, data
    if max(data.count(b"["), data.count(b"{")) < json_scan.MAX_DEPTH // 2:
        assert accepts(data) == good, data
    return good


@settings(deadline=None)
@given(documents())
def test_valid_documents(text):
    data = text.encode()
    assert agree(data)
    # orjson has opinions on two things JSON leaves open: exponents beyond a double are refused.
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        assert b"e" in data.lower()


@settings(deadline=None)
@given(mutated())
@example(b'"\\ud800"')
@example(b'["\\":","a"":1]')
def test_mutated_documents(data):
    good = agree(data)
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return
    assert good  # orjson is stricter (UTF-8, lone surrogates), never laxer


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes(data):
    agree(data)


@settings(deadline=None)
@given(documents())
def test_a_document_cut_anywhere(text):
    data = text.encode()
    for length in range(len(data)):
        agree(data[:length])


def test_every_byte_of_a_document_changed_to_every_other():
    data = b'{"a":[1,-2.5e3,"x\\u00e9\\n",true,null,{}],"b" :\t""}'
    assert agree(data)
    for at in range(len(data)):
        for byte in range(256):
            agree(data[:at] + bytes([byte]) + data[at + 1 :])


@settings(deadline=None)
@given(st.one_of(documents(), mutated().map(lambda d: d.decode("latin-1"))))
def test_members_and_elements(text):
    data = text.encode("latin-1", "replace")
    try:
        node: json_scan.Node | None = json_scan.parse(data)
    except json_scan.Refused:
        node = None
    if node is not None and node.kind == "array":
        assert scan.elements(data) == [(item.start, item.end) for item in node.items]
    else:
        refuses(scan.elements, data)
    try:
        expected = [
            (name.decode(), value.start, value.end)  # type: ignore[union-attr]
            for name, value in node.members  # type: ignore[union-attr]
        ]
    except (AttributeError, UnicodeDecodeError):  # no document, a lone surrogate, no UTF-8
        expected = []
    if node is not None and node.kind == "object" and len(expected) == len(node.members):
        assert scan.members(data) == expected
    else:
        refuses(scan.members, data)


def refuses(function: Any, data: bytes) -> None:
    with pytest.raises(DecodeError) as refused:
        function(data)
    outside(refused.value, data)


SCALAR_BYTES = st.one_of(
    st.from_regex(rb'"?-?[0-9]{1,22}(\.[0-9]{0,22})?"?[ ]?', fullmatch=True),
    st.from_regex(rb'["\-+.0-9eE x]{0,20}', fullmatch=True),
    mutated(),
)


def scalar(data: bytes) -> str | None:
    """The number that a buffer holds, bare or quoted; None where it holds something else."""
    try:
        node = json_scan.parse(data)
    except json_scan.Refused:
        return None
    if node.kind == "number":
        return node.raw.decode()
    return node.body.decode("latin-1") if node.kind == "string" else None


@settings(deadline=None)
@given(SCALAR_BYTES)
def test_integer(data):
    text = scalar(data)
    digits = (text or "").removeprefix("-")
    sound = digits.isascii() and digits.isdigit() and (digits == "0" or digits[0] != "0")
    if sound and abs(int(text or "")) <= ticks.INT64_MAX:
        assert scan.integer(data) == int(text or "")
    else:
        refuses(scan.integer, data)


@settings(deadline=None)
@given(SCALAR_BYTES)
def test_decimal(data):
    text = scalar(data)
    try:
        expected = ticks.wire(text or "")
    except ticks.Refused:
        refuses(scan.decimal, data)
        return
    assert scan.decimal(data).as_tuple() == expected.as_tuple()


@settings(deadline=None)
@given(st.one_of(strings().map(str.encode), mutated()))
def test_string(data):
    try:
        node = json_scan.parse(data)
        expected = node.text.decode() if node.kind == "string" and node.text is not None else None
    except (json_scan.Refused, UnicodeDecodeError):
        expected = None
    if expected is None:
        refuses(scan.string, data)
    else:
        assert scan.string(data) == expected
