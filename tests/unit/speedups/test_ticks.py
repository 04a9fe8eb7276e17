"""TickScale: what it takes, what it refuses and why, the edges of 64 bits."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal, Inexact, Rounded, localcontext
from fractions import Fraction

import numpy as np
import pytest

import connectors
from connectors import ConnectorError, PrecisionError, TickScale
from oracle import ticks as oracle

INT64_MAX = 2**63 - 1
# What is no plain decimal, whatever the increment.
HOSTILE = [
    "", " ", "-", "+", ".", "-.", "1.", ".5", "-.5", "+1", "--1", "1-", "1.2.3", "1..2", "1,5",
    " 1", "1 ", "1\n", "\t1", "1 2", "1_000", "1'000", "0x10", "1a", "a1", "1.5x", "NaN", "nan",
    "sNaN", "Infinity", "-Infinity", "inf", "true", "None", "1\x00", "\x001", "1\x002", "\x00",
    "\u0661", "1\u0662", "\uff11", "\u00b2", "1\u2024\u0035", "\u22121", "1\u00a0", "1\u200b",
    "x" * 100, "1" + "x" * 100, "1" * 50 + "x", "." * 20, "/", ":", "1/2", "1:2", "0/",
    "12345678/", "1234567:", "1234567.:", "12345678:", "12345678.:", "123456789012345/",
    "-12345678:",
]  # fmt: skip
EXPONENTS = ["1e5", "1E5", "1e-5", "1.5e+3", "-2E0", "12345678e1", "1e999999999"]


def test_the_public_name():
    assert connectors.TickScale is TickScale
    assert issubclass(PrecisionError, ConnectorError)
    assert issubclass(PrecisionError, ValueError)


class TestIncrement:
    @pytest.mark.parametrize(
        ("increment", "mantissa", "decimals"),
        [
            ("0.10", 1, 1), ("0.1", 1, 1), (b"0.1", 1, 1), (Decimal("0.1"), 1, 1), ("1", 1, 0),
            (1, 1, 0), ("1.000", 1, 0), ("0.25", 25, 2), ("0.5", 5, 1), (5, 5, 0), ("10", 10, 0),
            (Decimal("1E+2"), 100, 0), ("2.50", 25, 1), ("0.000000000000000001", 1, 18),
            (Decimal("1e-18"), 1, 18), (INT64_MAX, INT64_MAX, 0),
            ("9.223372036854775807", INT64_MAX, 18), (10**18, 10**18, 0),
            (bytearray(b"0.01"), 1, 2),
        ],
    )  # fmt: skip
    def test_accepted(self, increment, mantissa, decimals):
        scale = TickScale(increment)
        assert (scale.mantissa, scale.decimals) == (mantissa, decimals)
        if isinstance(increment, bytes | bytearray):
            increment = increment.decode()
        assert scale.increment == Decimal(increment)

    @pytest.mark.parametrize(
        "increment",
        [
            "0", 0, "0.0", "-1", -1, Decimal("-0.1"), Decimal("NaN"), Decimal("Infinity"), "1e-5",
            "", "x", "1_0", "0." + "0" * 18 + "1", Decimal("1e-19"), INT64_MAX + 1,
            "9223372036854775808", Decimal("1e19"), "9.2233720368547758071", Decimal("1e999999"),
            "1" * 5000, b"\xff",
        ],
    )  # fmt: skip
    def test_refused(self, increment):
        with pytest.raises(PrecisionError):
            TickScale(increment)

    @pytest.mark.parametrize("increment", [0.1, 1.0, None, True, False, [], (1,), object(), 1j])
    def test_of_another_type(self, increment):
        with pytest.raises(TypeError):
            TickScale(increment)

    def test_equality_and_hash_by_value(self):
        assert TickScale("0.10") == TickScale("0.1") == TickScale(Decimal("0.100"))
        assert hash(TickScale("0.10")) == hash(TickScale("0.1"))
        assert TickScale("0.1") != TickScale("0.01")
        assert TickScale("1") != TickScale("10")
        assert TickScale("0.1") != "0.1"
        assert len({TickScale("1"), TickScale("1.0"), TickScale(1)}) == 1

    @pytest.mark.parametrize(
        "increment", ["0.1", "0.25", "5", "0.000000000000000001", str(INT64_MAX)]
    )
    def test_pickle_copy_repr(self, increment):
        scale = TickScale(increment)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(scale, protocol)) == scale
        assert copy.deepcopy(scale) == scale
        assert repr(scale) == f"TickScale('{increment}')"
        assert eval(repr(scale)) == scale

    def test_immutable(self):
        scale = TickScale("0.1")
        for name in ("mantissa", "decimals", "increment", "other"):
            with pytest.raises(AttributeError):
                setattr(scale, name, 1)


class TestToTicks:
    @pytest.mark.parametrize("kind", [str, str.encode, lambda t: bytearray(t.encode()), Decimal])
    @pytest.mark.parametrize(
        ("increment", "value", "ticks"),
        [
            ("0.10", "65432.10", 654321), ("0.10", "65432.1", 654321), ("0.10", "-0.3", -3),
            ("0.10", "0", 0), ("0.10", "-0", 0), ("0.10", "-0.000", 0), ("0.01", "007.50", 750),
            ("0.25", "1.75", 7), ("5", "125", 25), ("1", "42.000000", 42),
            ("0.001", "0.0010000000000000000000000", 1), ("10", "100", 10),
            ("0.000000000000000001", "9.223372036854775807", INT64_MAX),
            ("1", str(INT64_MAX), INT64_MAX), ("1", str(-INT64_MAX), -INT64_MAX),
            ("5", "9223372036854775805", 1844674407370955161),
            ("0.25", "2305843009213693951.75", INT64_MAX),
            ("0.25", "-2305843009213693951.75", -INT64_MAX),
            ("100", "922337203685477580700", INT64_MAX),
        ],
    )  # fmt: skip
    def test_exact(self, kind, increment, value, ticks):
        scale = TickScale(increment)
        assert scale.to_ticks(kind(value)) == ticks
        assert type(scale.to_ticks(kind(value))) is int

    def test_an_int_is_a_number_of_units(self):
        assert TickScale("0.1").to_ticks(3) == 30
        assert TickScale("5").to_ticks(-15) == -3
        assert TickScale("100").to_ticks(INT64_MAX * 100) == INT64_MAX

    @pytest.mark.parametrize("length", range(1, 21))
    def test_every_length_with_the_dot_at_every_place(self, length):
        """Numbers of up to 15 bytes are read by the word, and so is every byte around them."""
        digits = "12345678912345678912"[:length]
        for dot in range(max(1, length - 18), length + 1):
            text = f"{digits[:dot]}.{digits[dot:]}".removesuffix(".")
            scale = TickScale(Decimal((0, (1,), dot - length)))
            if int(digits) <= INT64_MAX:
                for sign in ("", "-"):
                    expected = int(sign + digits)
                    for kind in (str, str.encode, Decimal):
                        assert scale.to_ticks(kind(sign + text)) == expected
                        assert scale.to_ticks_array([kind(sign + text)]).tolist() == [expected]
                    rows = np.array([sign + text, "1"], dtype="S")
                    assert scale.to_ticks_array(rows).tolist()[0] == expected
            for at in range(len(text)):
                for byte in "/:x \x00.-":
                    self.like_the_oracle(scale, text[:at] + byte + text[at + 1 :])

    def like_the_oracle(self, scale, text):
        try:
            expected = oracle.ticks(oracle.plain(text), Fraction(scale.increment))
        except oracle.Refused:
            for value in (text, text.encode()):
                with pytest.raises(PrecisionError):
                    scale.to_ticks(value)
        else:
            assert scale.to_ticks(text) == scale.to_ticks(text.encode()) == expected

    @pytest.mark.parametrize("zeros", range(30))
    def test_zeros_beyond_the_scale(self, zeros):
        assert TickScale("0.1").to_ticks("12.3" + "0" * zeros) == 123
        assert TickScale("0.1").to_ticks(b"12345678.3" + b"0" * zeros) == 123456783
        with pytest.raises(PrecisionError, match="not a multiple"):
            TickScale("0.1").to_ticks("12.3" + "0" * zeros + "1")

    @pytest.mark.parametrize("text", HOSTILE)
    @pytest.mark.parametrize("increment", ["1", "0.01", "0.25"])
    def test_hostile_text(self, increment, text):
        scale = TickScale(increment)
        for value in (text, text.encode(), bytearray(text.encode())):
            for convert in (scale.to_ticks, lambda v: scale.to_ticks(v, rounding="down")):
                with pytest.raises(PrecisionError) as refused:
                    convert(value)
                assert refused.value.value is value or refused.value.value == text
                assert len(str(refused.value)) < 200
        with pytest.raises(PrecisionError, match="index 1"):
            scale.to_ticks_array(["1", text])

    @pytest.mark.parametrize("text", EXPONENTS)
    def test_an_exponent_is_refused_and_named(self, text):
        for value in (text, text.encode()):
            for kind in ({}, {"rounding": "up"}):
                with pytest.raises(PrecisionError, match="has an exponent"):
                    TickScale("1").to_ticks(value, **kind)

    def test_huge_text(self):
        for text in ("1" * 1_000_000, "0." + "1" * 1_000_000, "1" * 40 + "." + "1" * 40):
            with pytest.raises(PrecisionError) as refused:
                TickScale("0.01").to_ticks(text)
            assert len(str(refused.value)) < 200
        assert TickScale("1").to_ticks("0" * 10_000 + "7") == 7
        assert TickScale("1").to_ticks("7." + "0" * 10_000) == 7

    @pytest.mark.parametrize(
        ("increment", "value"),
        [
            ("1", INT64_MAX + 1), ("1", str(INT64_MAX + 1)), ("1", str(-INT64_MAX - 1)),
            ("0.01", "92233720368547758.08"), ("0.01", str(INT64_MAX)),
            ("0.25", "2305843009213693952"), ("1", "9" * 30), ("1", Decimal("1e30")),
            ("1", Decimal("1e999999")), ("0.000000000000000001", "9.223372036854775808"),
            ("1", 10**400),
        ],
    )  # fmt: skip
    def test_beyond_64_bits(self, increment, value):
        with pytest.raises(PrecisionError, match="does not fit 64 bits"):
            TickScale(increment).to_ticks(value)

    @pytest.mark.parametrize(
        ("increment", "value"),
        [
            ("0.10", "0.15"), ("0.10", Decimal("0.15")), ("5", 7), ("5", "7"), ("0.25", "0.30"),
            ("1", "0.5"), ("1", Decimal("1e-5")), ("1", Decimal("1e-999999")),
            ("0.1", "1" * 5 + ".05"), ("10", "15.0"),
        ],
    )  # fmt: skip
    def test_off_the_grid(self, increment, value):
        with pytest.raises(PrecisionError, match="is not a multiple of"):
            TickScale(increment).to_ticks(value)

    @pytest.mark.parametrize(
        "value", [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("-Infinity")]
    )
    def test_decimals_that_are_no_numbers(self, value):
        for kind in ({}, {"rounding": "down"}):
            with pytest.raises(PrecisionError, match="is not a number"):
                TickScale("1").to_ticks(value, **kind)

    @pytest.mark.parametrize("value", [1.0, float("nan"), np.float64(0.1), np.float32(1)])
    def test_a_float_is_refused(self, value):
        with pytest.raises(TypeError, match=r"float|expected text"):
            TickScale("0.1").to_ticks(value)

    @pytest.mark.parametrize(
        "value", [None, True, False, [], ("1",), {}, object(), 1j, memoryview(b"1")]
    )
    def test_other_types_are_refused(self, value):
        with pytest.raises(TypeError):
            TickScale("0.1").to_ticks(value)
        with pytest.raises(TypeError):
            TickScale("0.1").to_ticks(value, rounding="down")

    def test_subclasses_of_text_and_numbers(self):
        class Text(str):
            __slots__ = ()

        class Data(bytes):
            __slots__ = ()

        scale = TickScale("0.1")
        assert scale.to_ticks(Text("1.5")) == 15
        assert scale.to_ticks(Data(b"1.5")) == 15
        assert scale.to_ticks(np.str_("1.5")) == 15
        with pytest.raises(PrecisionError):
            scale.to_ticks(Text("1.55"))

    def test_the_error_says_what_was_given(self):
        with pytest.raises(PrecisionError) as refused:
            TickScale("0.10").to_ticks("0.15")
        assert str(refused.value) == "'0.15' is not a multiple of 0.1"
        assert refused.value.value == "0.15"
        assert refused.value.reason == str(refused.value)


class TestRounding:
    @pytest.mark.parametrize(
        ("rounding", "expected"),
        [
            ("down", [1, -1, 2, -2]), ("up", [2, -2, 3, -3]), ("floor", [1, -2, 2, -3]),
            ("ceiling", [2, -1, 3, -2]), ("half_even", [2, -2, 2, -2]),
        ],
    )  # fmt: skip
    def test_modes(self, rounding, expected):
        scale = TickScale("0.1")
        values = ["0.15", "-0.15", "0.25", "-0.25"]
        for kind in (str, str.encode, Decimal):
            assert [scale.to_ticks(kind(v), rounding=rounding) for v in values] == expected

    def test_what_is_on_the_grid_stays(self):
        for rounding in ("down", "up", "floor", "ceiling", "half_even"):
            assert TickScale("0.25").to_ticks("0.75", rounding=rounding) == 3
            assert TickScale("0.1").to_ticks("922337203685477580.7", rounding=rounding) == INT64_MAX

    def test_a_float_is_taken_for_the_binary_number_it_is(self):
        assert TickScale("0.1").to_ticks(0.3, rounding="half_even") == 3
        assert TickScale("0.1").to_ticks(0.3, rounding="down") == 2  # 0.299999999999999988...
        assert TickScale("0.1").to_ticks(0.1, rounding="up") == 2  # 0.1000000000000000055...
        for value in (float("nan"), float("inf"), -float("inf")):
            with pytest.raises(PrecisionError):
                TickScale("0.1").to_ticks(value, rounding="down")

    def test_the_last_digit_of_very_long_numbers_counts(self):
        text = "1." + "0" * 200 + "1"
        assert TickScale("1").to_ticks(text, rounding="up") == 2
        assert TickScale("1").to_ticks("0." + "4" + "9" * 200, rounding="half_even") == 0
        assert TickScale("1").to_ticks("0.5" + "0" * 200 + "1", rounding="half_even") == 1
        assert TickScale("0.3").to_ticks("0.59" + "9" * 200, rounding="down") == 1

    def test_beyond_64_bits(self):
        for value in (
            str(INT64_MAX + 1),
            1e30,
            "9223372036854775807.5",
            Decimal("1e400"),
            "1" * 500,
        ):
            with pytest.raises(PrecisionError, match="64 bits"):
                TickScale("1").to_ticks(value, rounding="up")

    @pytest.mark.parametrize("rounding", ["nearest", "", "UP", 1, b"down"])
    def test_unknown_mode(self, rounding):
        with pytest.raises(ValueError, match="rounding must be one of"):
            TickScale("1").to_ticks("1", rounding=rounding)

    def test_by_name_only(self):
        with pytest.raises(TypeError):
            TickScale("1").to_ticks("1", "down")


class TestArrays:
    TEXTS = ("1.5", "-0.25", "12345678.75", "0", "123456789012.50", "1.5000000")
    TICKS = (6, -1, 49382715, 0, 493827156050, 6)

    @pytest.mark.parametrize(
        "values",
        [
            list, tuple, lambda t: [x.encode() for x in t], lambda t: [Decimal(x) for x in t],
            lambda t: np.array(t, dtype="S"), lambda t: np.array(t, dtype="S40"),
            lambda t: np.array(t, dtype="U"), lambda t: np.array(t, dtype=object),
            lambda t: np.array([x.encode() for x in t], dtype=object),
            lambda t: np.repeat(np.array(t, dtype="S"), 2)[::2],
            lambda t: np.array(t[::-1], dtype="S")[::-1],
            lambda t: np.array([(x, 0) for x in t], dtype=[("p", "S16"), ("n", "i4")])["p"],
        ],
    )  # fmt: skip
    def test_kinds(self, values):
        ticks = TickScale("0.25").to_ticks_array(values(self.TEXTS))
        assert ticks.dtype == np.int64
        assert ticks.tolist() == list(self.TICKS)

    @pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i4"])
    def test_integers_are_units(self, dtype):
        values = np.array([0, 1, 5, 127], dtype=dtype)
        assert TickScale("0.25").to_ticks_array(values).tolist() == [0, 4, 20, 508]

    def test_unsigned_beyond_int64(self):
        values = np.array([1, 2**64 - 1], dtype="u8")
        with pytest.raises(PrecisionError, match="index 1"):
            TickScale("1").to_ticks_array(values)

    @pytest.mark.parametrize(
        "empty",
        [[], (), np.array([], dtype="S5"), np.array([], dtype="U"), np.array([], dtype="i8")],
    )
    def test_empty(self, empty):
        ticks = TickScale("1").to_ticks_array(empty)
        assert (ticks.dtype, ticks.shape) == (np.int64, (0,))

    @pytest.mark.parametrize(
        "make",
        [
            list,
            tuple,
            lambda v: np.array(v, dtype="S"),
            lambda v: np.array(v, dtype="U"),
            lambda v: np.array(v, dtype=object),
        ],
    )
    def test_the_first_wrong_index_is_named(self, make):
        values = make(["1", "2", "3.5", "x"])
        with pytest.raises(PrecisionError, match=r"^index 2: .*3.5.* is not a multiple of 1"):
            TickScale("1").to_ticks_array(values)

    def test_a_float_inside(self):
        with pytest.raises(TypeError, match="index 1"):
            TickScale("1").to_ticks_array(["1", 2.0])
        with pytest.raises(TypeError, match="no exact decimal values"):
            TickScale("1").to_ticks_array(np.array([1.0]))
        for values in (np.array([True]), np.array([1j]), np.array(["2020-01-01"], dtype="M8[D]")):
            with pytest.raises(TypeError):
                TickScale("1").to_ticks_array(values)

    @pytest.mark.parametrize("values", ["123", b"123", 5, None, {1}, iter([1]), {"a": 1}])
    def test_not_a_sequence(self, values):
        with pytest.raises(TypeError):
            TickScale("1").to_ticks_array(values)

    @pytest.mark.parametrize("shape", [(), (2, 2), (1, 1)])
    def test_one_dimension(self, shape):
        with pytest.raises(ValueError, match="one dimension"):
            TickScale("1").to_ticks_array(np.full(shape, "1", dtype="S1"))

    def test_nul_bytes(self):
        """numpy pads S with NUL: those at the end are no text, those inside are."""
        values = np.zeros(3, dtype="S8")
        values[:] = [b"1", b"12345678", b"2"]
        assert TickScale("1").to_ticks_array(values).tolist() == [1, 12345678, 2]
        for wrong in (b"1\x002", b"\x001", b""):
            values[1] = wrong
            with pytest.raises(PrecisionError, match="index 1"):
                TickScale("1").to_ticks_array(values)

    @pytest.mark.parametrize("width", range(1, 24))
    def test_rows_of_any_width(self, width):
        """The first row has nothing in front of it, the last nothing behind."""
        numbers = ["1234567890123456789"[: max(1, min(width, 18) - i % 3)] for i in range(5)]
        rows = np.array(numbers, dtype=f"S{width}")
        assert TickScale("1").to_ticks_array(rows).tolist() == [int(n) for n in numbers]

    def test_a_list_that_changes_while_it_is_read(self):
        class Shrinks(Decimal):
            def as_tuple(self):
                values.clear()
                return super().as_tuple()

        values = ["1", Shrinks("2"), "3", "4"]
        with pytest.raises(RuntimeError, match="changed its size"):
            TickScale("1").to_ticks_array(values)

    @pytest.mark.parametrize("rounding", ["down", "up", "floor", "ceiling", "half_even"])
    def test_round_to_ticks_array(self, rounding):
        for increment in ("0.1", "0.25", "5", "0.001"):
            scale = TickScale(increment)
            values = np.array([0.0, 1.25, -1.25, 7.5, 1234.5678, -99.999])
            expected = [scale.to_ticks(repr(float(v)), rounding=rounding) for v in values]
            ticks = scale.round_to_ticks_array(values, rounding)
            assert ticks.dtype == np.int64
            assert ticks.tolist() == expected

    def test_round_takes_grid_values_as_they_were_meant(self):
        """0.3 is a little less than 0.3 in binary, and is still three ticks, whatever the mode."""
        scale = TickScale("0.1")
        ticks = np.arange(-100_000, 100_000)
        for rounding in ("down", "up", "floor", "ceiling", "half_even"):
            assert (scale.round_to_ticks_array(ticks * 0.1, rounding) == ticks).all()
            assert (scale.round_to_ticks_array(ticks / 10, rounding) == ticks).all()

    @pytest.mark.parametrize(
        "value", [float("nan"), float("inf"), -float("inf"), 1e30, -1e19, 9.3e18]
    )
    def test_round_refuses_what_fits_no_64_bits(self, value):
        with pytest.raises(PrecisionError, match="index 1"):
            TickScale("1").round_to_ticks_array([1.0, value])

    def test_round_with_an_unknown_mode(self):
        with pytest.raises(ValueError, match="rounding must be one of"):
            TickScale("1").round_to_ticks_array([1.0], "nearest")

    def test_to_float_array(self):
        scale = TickScale("0.25")
        assert scale.to_float_array([1, -3, 4]).tolist() == [0.25, -0.75, 1.0]
        assert scale.to_float_array(np.array([], dtype=np.int64)).tolist() == []


class TestBack:
    @pytest.mark.parametrize(
        ("increment", "ticks", "text"),
        [
            ("0.10", 654321, "65432.1"), ("0.01", 100, "1.00"), ("0.01", -5, "-0.05"),
            ("0.25", 7, "1.75"), ("5", 25, "125"), ("10", -1, "-10"), ("0.1", 0, "0.0"),
            ("1", 0, "0"), ("0.000000000000000001", INT64_MAX, "9.223372036854775807"),
            ("0.000000000000000001", -1, "-0.000000000000000001"),
            ("1", INT64_MAX, "9223372036854775807"),
            ("1", -INT64_MAX - 1, "-9223372036854775808"),
            ("0.01", -INT64_MAX - 1, "-92233720368547758.08"),
            ("100", INT64_MAX, "922337203685477580700"),
            ("0.25", INT64_MAX, "2305843009213693951.75"),
            ("0.75", -INT64_MAX, "-6917529027641081855.25"),
            (str(INT64_MAX), INT64_MAX, str(INT64_MAX**2)),
        ],
    )  # fmt: skip
    def test_format(self, increment, ticks, text):
        scale = TickScale(increment)
        assert scale.format(ticks) == text
        assert scale.to_decimal(ticks) == Decimal(text)
        assert str(scale.to_decimal(ticks)) == text or "E" in str(scale.to_decimal(ticks))
        assert scale.to_float(ticks) == float(text)
        if abs(ticks) <= INT64_MAX:
            assert scale.to_ticks(text) == ticks

    def test_the_callers_decimal_context_does_not_matter(self):
        scale = TickScale("0.25")
        with localcontext() as context:
            context.prec = 3
            context.traps[Inexact] = context.traps[Rounded] = True
            assert scale.format(INT64_MAX) == "2305843009213693951.75"
            assert str(scale.to_decimal(INT64_MAX)) == "2305843009213693951.75"
            assert scale.to_ticks(Decimal("2305843009213693951.75")) == INT64_MAX
            assert scale.to_ticks("2305843009213693951.70", rounding="up") == INT64_MAX
            assert TickScale("123456.789").to_ticks("246913.578") == 2

    @pytest.mark.parametrize("ticks", [2**63, -(2**63) - 1, 10**30])
    def test_more_than_64_bits(self, ticks):
        for convert in (TickScale("1").format, TickScale("1").to_decimal, TickScale("1").to_float):
            with pytest.raises(OverflowError):
                convert(ticks)

    def test_the_nearest_float(self):
        """Not the product of two rounded ones."""
        scale = TickScale("0.1")
        for ticks in (3, 7, 654321, 2**53 - 1, 2**53 + 1, INT64_MAX):
            assert scale.to_float(ticks) == float(Decimal(ticks) / 10)
