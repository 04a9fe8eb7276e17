"""The JSON scanner: corner cases, offsets, and what each reading function takes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors._speedups import scan
from connectors._speedups.errors import ConnectorError, DecodeError
from oracle import json_scan

INT64_MAX = 2**63 - 1

ACCEPTED = [
    b"0", b"-0", b"-0.0", b"1", b"10", b"1.5", b"1e5", b"1E+5", b"1e-05", b"0e0", b"0.0e000",
    b"9" * 4000, b"-1." + b"0" * 400, b"1e99999", b"123456789012345678", b"true", b"false",
    b"null", b'""', b'"a"', b'"\\""', b'"\\\\"', b'"\\/\\b\\f\\n\\r\\t"', b'"\\u0000"',
    b'"\\uABCD\\uabcd"', b'"\\ud83d\\ude00"', b'"\\ud800"', b'"\x7f"', b'"\xe2\x82\xac"',
    b'"\xff"', b'"' + b"x" * 100 + b'"', b"[]", b"{}", b"[ ]", b"{ }", b"[1]", b"[1,2]",
    b"[[],{}]", b'{"":0}', b'{"a":1,"a":2}', b'{"a":{"b":[1,{"c":null}]}}',
    b' \t\n\r[ 1 , 2 ] \t\n\r', b'{"a" : 1 , "b" : 2}', b"[" * 64 + b"]" * 64,
    b'{"a":' * 63 + b"[]" + b"}" * 63,
]  # fmt: skip
REFUSED = [
    b"", b" ", b"\n", b"-", b"+1", b"01", b"-01", b"00", b"1.", b".5", b"-.5", b"1e", b"1e+",
    b"1.e5", b"0x10", b"1_0", b"Infinity", b"-Infinity", b"NaN", b"nan", b"1 2", b"1,", b"1a",
    b"1.5.5", b"tru", b"True", b"truee", b"nul", b"fals", b"'a'", b"undefined", b'"', b'"a',
    b'"\\', b'"\\"', b'"\\x"', b'"\\u"', b'"\\u12"', b'"\\u123"', b'"\\u123g"', b'"\\U1234"',
    b'"\n"', b'"\t"', b'"\x00"', b'"\x1f"', b'"a\nb"', b'"1234567\x01"', b'"a"b"', b'"a""b"',
    b"[", b"]", b"[1", b"[1,", b"[,1]", b"[1,]", b"[,]", b"[1 2]", b"[1}", b"[1:2]", b"[]]",
    b"[[]", b"{", b"}", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b'{"a":1,}', b'{,"a":1}',
    b"{1:2}", b"{a:1}", b'{"a"}', b'{"a",1}', b'{"a":1]', b'{"a":1 "b":2}', b'{"a":1,"b"}',
    b'{"a"":1}', b'{null:1}', b"{}{}", b"/* */1", b"1//", b"\xef\xbb\xbf1", b"\x00", b"1\x00",
    b"\xa01", b"[1]\x0b", b"\xff", b"[" * 65 + b"]" * 65, b'{"a":' * 65 + b"1" + b"}" * 65,
    b"[" * 100_000, b"[{},[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("data", ACCEPTED, ids=lambda d: repr(d[:24]))
def test_valid(data):
    scan.check(data)
    json_scan.parse(data)


@pytest.mark.parametrize("data", REFUSED, ids=lambda d: repr(d[:24]))
def test_invalid(data):
    with pytest.raises(DecodeError) as refused:
        scan.check(data)
    assert 0 <= refused.value.offset <= len(data)
    with pytest.raises(json_scan.Refused):
        json_scan.parse(data)


def test_errors_say_what_and_where():
    for data, offset, words in [
        (b"[1,x]", 3, "not valid JSON"),
        (b'{"a":1', 6, "truncated"),
        (b"[1] 2", 4, "bytes after the end"),
        (b"[" * 65, 64, "nested too deeply"),
        (b'"ab\x01"', 3, "not valid JSON"),
        (b"tru", 3, "truncated"),
    ]:
        with pytest.raises(DecodeError, match=words) as refused:
            scan.check(data)
        assert refused.value.offset == offset, data
    assert issubclass(DecodeError, ConnectorError)
    assert issubclass(DecodeError, ValueError)


def test_depth_is_limited_by_constant():
    assert scan.MAX_DEPTH == 64 == json_scan.MAX_DEPTH


def test_a_control_byte_is_found_at_every_place_of_a_word():
    """Strings are read eight bytes at a time."""
    for length in range(1, 26):
        for at in range(length):
            for byte in (0x00, 0x1F, 0x0A):
                text = bytearray(b"a" * length)
                text[at] = byte
                with pytest.raises(DecodeError) as refused:
                    scan.check(b'"' + bytes(text) + b'"')
                assert refused.value.offset == at + 1
            for byte in (
                0x20,
                0x7F,
                0x80,
                0xFF,
                0xA2,
                0xDC,
            ):  # near quote and backslash but for a bit
                text = bytearray(b"a" * length)
                text[at] = byte
                scan.check(b'"' + bytes(text) + b'"')


def test_a_quote_ends_a_string_at_every_place_of_a_word():
    for length in range(26):
        for before in (b"a", b"\xff", b"\x80", b"!", b"#", b"\xa2"):
            data = b'"' + before * length + b'"'
            assert scan.elements(b"[" + data + b",1]") == [
                (1, 1 + len(data)),
                (2 + len(data), 3 + len(data)),
            ]


@pytest.mark.parametrize("view", [bytes, bytearray, memoryview])
def test_any_buffer_is_taken(view):
    scan.check(view(b"[1]"))
    assert scan.integer(view(b"7")) == 7


def test_what_is_no_buffer_is_refused():
    with pytest.raises(TypeError):
        scan.check("[1]")  # text has no bytes yet
    with pytest.raises(TypeError):
        scan.check(None)


class TestMembers:
    def test_places(self):
        data = b' {"a" : 1 , "\\u0062":[2, 3],"a":"x"} '
        found = scan.members(data)
        assert [name for name, _, _ in found] == ["a", "b", "a"]
        assert [data[start:end] for _, start, end in found] == [b"1", b"[2, 3]", b'"x"']

    def test_empty(self):
        assert scan.members(b" { } ") == []

    @pytest.mark.parametrize(
        "data", [b"[]", b"1", b"", b"{", b'{"a":1', b'{"a":1}x', b'{"a"}', b"{]"]
    )
    def test_refused(self, data):
        with pytest.raises(DecodeError):
            scan.members(data)

    def test_keys_that_are_no_text(self):
        for data, words, offset in [
            (b'{"\xff":1}', "UTF-8", 2),
            (b'{"a\xc3":1}', "UTF-8", 3),
            (b'{"\\ud800":1}', "surrogate", 2),
            (b'{"\\ud800\\u0041":1}', "surrogate", 2),
            (b'{"\\udc00\\ud800":1}', "surrogate", 2),
        ]:
            with pytest.raises(DecodeError, match=words) as refused:
                scan.members(data)
            assert refused.value.offset == offset
        assert scan.members(b'{"\\ud83d\\ude00":1}')[0][0] == "\U0001f600"

    def test_a_key_with_every_kind_of_escape(self):
        ((name, _, _),) = scan.members(b'{"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\u20ac":1}')
        assert name == '"\\/\b\f\n\r\t\0\u00e9\u20ac'


class TestElements:
    def test_places(self):
        data = b'[ 1 ,{"a":[2]}, "x" ]'
        assert [data[a:b] for a, b in scan.elements(data)] == [b"1", b'{"a":[2]}', b'"x"']
        assert scan.elements(b"[ ]") == []

    @pytest.mark.parametrize("data", [b"{}", b"1", b"", b"[", b"[1", b"[1]x", b"[1,]", b"[1}"])
    def test_refused(self, data):
        with pytest.raises(DecodeError):
            scan.elements(data)


class TestInteger:
    @pytest.mark.parametrize("value", [
        0, 1, -1, 7, 10**7, 12345678, 10**15 - 1, 10**15, 10**16, -(10**9), INT64_MAX - 1,
        INT64_MAX, -INT64_MAX,
    ])  # fmt: skip
    def test_bare_and_quoted(self, value):
        for text in (f"{value}", f'"{value}"', f" {value} ", f'\n"{value}"\t'):
            assert scan.integer(text.encode()) == value

    def test_every_length(self):
        for length in range(1, 20):
            for digits in ("1" * length, "9" * length, "1" + "0" * (length - 1)):
                if int(digits) <= INT64_MAX:
                    assert scan.integer(digits.encode()) == int(digits)
                    assert scan.integer(f"-{digits}".encode()) == -int(digits)

    def test_minus_zero_is_zero(self):
        assert scan.integer(b"-0") == 0

    @pytest.mark.parametrize("data", [
        b"9223372036854775808", b"-9223372036854775808", b"18446744073709551615",
        b"18446744073709551617", b"9" * 40, b'"99999999999999999999"',
    ])  # fmt: skip
    def test_beyond_64_bits(self, data):
        with pytest.raises(DecodeError, match="64 bits"):
            scan.integer(data)

    @pytest.mark.parametrize("data", [
        b"", b'""', b"-", b'"-"', b"+1", b"01", b'"01"', b"1.0", b"1e3", b'"1', b'1"', b'"1 "',
        b'" 1"', b"x", b"1x", b"--1", b'"\\u0031"', b"1 2", b"0x1",
    ])  # fmt: skip
    def test_not_an_integer(self, data):
        with pytest.raises(DecodeError):
            scan.integer(data)

    @pytest.mark.parametrize("data", [b"true", b"null", b"[1]", b"{}", b"false"])
    def test_wrong_type(self, data):
        with pytest.raises(DecodeError, match="wrong type"):
            scan.integer(data)


class TestDecimal:
    @pytest.mark.parametrize("text", [
        "0", "-0", "0.1", "1.50", "25.35190000", "-131.40000000", "0.000000000000000001",
        "9223372036854775807", "-9223372036854775807", "922337203685.4775807",
        "9.223372036854775807", "12345678.90", "1.2345678", "000.5",
    ])  # fmt: skip
    def test_exact_and_as_written(self, text):
        """The zeros behind the last digit are the sender's precision, and stay."""
        value = scan.decimal(f'"{text}"'.encode())
        assert value == Decimal(text)
        if value and not text.startswith("00"):
            assert value.as_tuple() == Decimal(text).as_tuple()
            assert scan.decimal(text.encode()).as_tuple() == value.as_tuple()

    def test_zeros_that_do_not_fit_are_dropped(self):
        assert str(scan.decimal(b"9223372036854775807.000")) == "9223372036854775807"
        assert scan.decimal(b"1." + b"0" * 400) == 1
        assert scan.decimal(b"0." + b"0" * 17 + b"1" + b"0" * 400) == Decimal("1e-18")

    @pytest.mark.parametrize("data", [
        b"9223372036854775808", b"922337203685477580.71", b"0." + b"0" * 18 + b"1", b"1" * 30,
        b"0.1234567890123456789",
    ])  # fmt: skip
    def test_beyond_64_bits_or_18_decimals(self, data):
        for text in (data, b'"' + data + b'"'):
            with pytest.raises(DecodeError, match="64 bits"):
                scan.decimal(text)

    @pytest.mark.parametrize("data", [
        b"", b'""', b'"-"', b'"."', b'".5"', b'"5."', b'"+1"', b'"1,5"', b'"1_0"', b'"NaN"',
        b'"Infinity"', b'" 1"', b'"1 "', b'"1', b'1"', b"01", b'"1.2.3"', b'"--1"', b'"0x1"',
        b'"\xd9\xa1"', b'"1\x00"', b'"\\u0031"', b"1.5x",
    ])  # fmt: skip
    def test_not_a_decimal(self, data):
        with pytest.raises(DecodeError):
            scan.decimal(data)

    @pytest.mark.parametrize("data", [b"1e5", b'"1E-7"', b"0e0"])
    def test_an_exponent_is_refused(self, data):
        with pytest.raises(DecodeError, match="not allowed"):
            scan.decimal(data)

    @pytest.mark.parametrize("data", [b"true", b"null", b"[1]", b"{}"])
    def test_wrong_type(self, data):
        with pytest.raises(DecodeError, match="wrong type"):
            scan.decimal(data)


class TestString:
    def test_text(self):
        assert scan.string(b'"BTCUSDT"') == "BTCUSDT"
        assert scan.string('"币安人生USDT"'.encode()) == "币安人生USDT"
        assert scan.string(b' "\\u5e01\\u5b89USDT" ') == "币安USDT"
        assert scan.string(b'""') == ""

    def test_refused(self):
        for data, words in [
            (b'"\xff"', "UTF-8"),
            (b'"\\udfff"', "surrogate"),
            (b"1", "wrong type"),
            (b"null", "wrong type"),
            (b'"a', "truncated"),
            (b'"a"b', "after the end"),
            (b'"\x00"', "not valid JSON"),
            (b"nope", "not valid JSON"),
        ]:
            with pytest.raises(DecodeError, match=words):
                scan.string(data)

    def test_escapes_and_bytes_that_are_not_utf8_together(self):
        with pytest.raises(DecodeError, match="UTF-8"):
            scan.string(b'"\\n\xff"')


def test_reasons_are_words_for_every_code():
    assert sorted(scan.REASONS) == list(range(1, 12))
    assert all(isinstance(words, str) and words for words in scan.REASONS.values())
