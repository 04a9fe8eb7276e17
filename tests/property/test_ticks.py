"""TickScale against rational arithmetic, on any text, any increment, at the edges of 64 bits."""

from __future__ import annotations

import pickle
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from connectors import PrecisionError, TickScale
from oracle import ticks as oracle

INT64_MAX = oracle.INT64_MAX
INCREMENTS = st.one_of(
    st.sampled_from(["0.1", "0.01", "0.25", "0.5", "5", "1", "10", "0.001", "0.000000000000000001",
                     "2.5", "0.05", "100", "0.00000001", "9223372036854775807", "3"]),
    st.builds(
        lambda mantissa, decimals: f"{Decimal((0, tuple(map(int, str(mantissa))), -decimals)):f}",
        st.one_of(st.integers(1, 10_000), st.integers(1, INT64_MAX)),
        st.integers(0, 18),
    ),
)  # fmt: skip
TICKS = st.one_of(
    st.integers(-INT64_MAX, INT64_MAX),
    st.integers(-10_000, 10_000),
    st.sampled_from([0, 1, -1, INT64_MAX, -INT64_MAX, INT64_MAX - 1, 2**53, 2**53 + 1]),
)
NUMBERS = st.one_of(
    st.from_regex(r"-?[0-9]{1,25}(\.[0-9]{1,25})?", fullmatch=True),
    st.from_regex(r"-?[0-9]{1,8}\.[0-9]{1,8}0{0,30}", fullmatch=True),
    st.from_regex(r"-?922337203685477580[0-9](\.[0-9])?", fullmatch=True),
)
TEXTS = st.one_of(
    NUMBERS, st.from_regex(r"[-+.0-9eE ]{0,24}", fullmatch=True), st.text(max_size=24)
)


def expected(text: str, increment: str, rounding: str | None = None) -> int | None:
    """What the oracle says; None where it refuses."""
    try:
        value = oracle.plain(text)
        if rounding is None:
            return oracle.ticks(value, Fraction(increment))
        return oracle.rounded(value, Fraction(increment), rounding)
    except oracle.Refused:
        return None


def result(function: Any, *args: Any, **kwargs: Any) -> int | None:
    """What the compiled code says; None where it refuses with the error it should."""
    try:
        value = function(*args, **kwargs)
    except PrecisionError as error:
        return None if error.reason else -1
    return value.tolist()[0] if isinstance(value, np.ndarray) else value


@settings(deadline=None)
@given(TEXTS, INCREMENTS)
@example("2305843009213693951.75", "0.25")
@example("-0.000", "0.1")
def test_text_bytes_and_arrays(text, increment):
    scale = TickScale(increment)
    want = expected(text, increment)
    assert result(scale.to_ticks, text) == want
    assert result(scale.to_ticks, text.encode("utf-8", "surrogatepass")) == want
    assert result(scale.to_ticks, bytearray(text.encode("utf-8", "surrogatepass"))) == want
    assert result(scale.to_ticks_array, [text]) == want
    assert result(scale.to_ticks_array, (text.encode("utf-8", "surrogatepass"),)) == want
    assert result(scale.to_ticks_array, np.array([text], dtype=object)) == want
    if not text.endswith("\0"):  # numpy takes NUL at the end for padding
        assert result(scale.to_ticks_array, np.array([text])) == want
        assert (
            result(scale.to_ticks_array, np.array([text.encode("utf-8", "surrogatepass")])) == want
        )


@settings(deadline=None)
@given(NUMBERS, INCREMENTS)
def test_decimals_and_ints(text, increment):
    scale = TickScale(increment)
    assert result(scale.to_ticks, Decimal(text)) == expected(text, increment)
    whole = text.partition(".")[0]
    assert result(scale.to_ticks, int(whole)) == expected(whole, increment)


@settings(deadline=None)
@given(
    st.decimals(allow_nan=False, allow_infinity=False),
    INCREMENTS,
)
def test_any_decimal(value, increment):
    assume(abs(value.adjusted()) < 200)
    assert result(TickScale(increment).to_ticks, value) == expected(f"{value:f}", increment)


@settings(deadline=None)
@given(TEXTS, INCREMENTS, st.sampled_from(oracle.ROUNDINGS))
@example("1." + "0" * 100 + "1", "1", "up")
@example("0.5", "1", "half_even")
@example("-1.5", "1", "half_even")
@example("0." + "0" * 100 + "1", "0.25", "ceiling")
@example("-9223372036854775807.5", "1", "half_even")
def test_rounding(text, increment, rounding):
    scale = TickScale(increment)
    want = expected(text, increment, rounding)
    assert result(scale.to_ticks, text, rounding=rounding) == want
    assert result(scale.to_ticks, text.encode("utf-8", "surrogatepass"), rounding=rounding) == want
    if want is not None:
        assert result(scale.to_ticks, Decimal(text), rounding=rounding) == want


@settings(deadline=None)
@given(
    st.floats(allow_nan=False, allow_infinity=False), INCREMENTS, st.sampled_from(oracle.ROUNDINGS)
)
def test_rounding_of_floats_is_of_their_binary_value(value, increment, rounding):
    text = f"{Decimal(value):f}"
    want = expected(text, increment, rounding)
    assert result(TickScale(increment).to_ticks, value, rounding=rounding) == want
    with pytest.raises(TypeError):
        TickScale(increment).to_ticks(value)


@settings(deadline=None)
@given(TICKS, INCREMENTS)
def test_there_and_back(ticks, increment):
    scale = TickScale(increment)
    exact = ticks * Fraction(increment)
    text = scale.format(ticks)
    assert Fraction(text) == exact
    assert text == f"{Decimal(text):f}"  # plain notation
    _, _, fraction = text.partition(".")
    assert len(fraction) == scale.decimals
    assert Fraction(scale.to_decimal(ticks)) == exact
    assert scale.to_float(ticks) == float(exact)
    for value in (text, text.encode(), scale.to_decimal(ticks)):
        assert scale.to_ticks(value) == ticks
        assert scale.to_ticks(value, rounding="down") == ticks


@settings(deadline=None)
@given(st.lists(st.integers(-(2**53), 2**53), max_size=20), st.integers(0, 12))
def test_float_arrays_of_grid_values(ticks, decimals):
    """Exact both ways while ticks stay below 2**53 (and a power of ten is the increment)."""
    scale = TickScale(Decimal((0, (1,), -decimals)))
    floats = scale.to_float_array(ticks)
    assert floats.tolist() == [scale.to_float(t) for t in ticks]
    small = [t for t in ticks if abs(t) < 2**51]
    for rounding in oracle.ROUNDINGS:
        assert scale.round_to_ticks_array(scale.to_float_array(small), rounding).tolist() == small


@settings(deadline=None)
@given(st.lists(NUMBERS, max_size=8), INCREMENTS)
def test_a_list_is_its_items(texts, increment):
    scale = TickScale(increment)
    want = [expected(text, increment) for text in texts]
    if None in want:
        with pytest.raises(PrecisionError, match=f"^index {want.index(None)}: "):
            scale.to_ticks_array(texts)
    else:
        for make in (
            list,
            tuple,
            lambda t: np.array(t, dtype="S"),
            lambda t: np.array(t, dtype="U"),
        ):
            assert scale.to_ticks_array(make(texts)).tolist() == want


@settings(deadline=None)
@given(INCREMENTS)
def test_equality_hash_and_pickle(increment):
    scale = TickScale(increment)
    for other in (TickScale(Decimal(increment)), pickle.loads(pickle.dumps(scale))):
        assert other == scale
        assert hash(other) == hash(scale)
    assert Fraction(scale.increment) == Fraction(increment)
    assert Fraction(scale.mantissa, 10**scale.decimals) == Fraction(increment)
    assert scale.mantissa % 10 or scale.decimals == 0
