"""The venue's text of numbers and its grid of prices and sizes (rules 6.2, 6.3)."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import hyperliquid
from connectors.errors import PrecisionError
from connectors.hyperliquid import Rounding


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), ("0", "0"), ("-0", "0"), ("0.000", "0"), (Decimal("-0.0"), "0"), (-0.0, "0"),
        ("1.0", "1"), ("1.50", "1.5"), ("100", "100"), ("1e3", "1000"), ("1E-8", "0.00000001"),
        (Decimal("1E+2"), "100"), ("00.25", "0.25"), (".5", "0.5"), ("5.", "5"), ("+7", "7"),
        ("-1.50", "-1.5"), (9007199254740993, "9007199254740993"), (10**22, "1" + "0" * 22),
        ("12345678901234567890.12345678901", "12345678901234567890.12345678901"),
        (0.1, "0.1"), (1e22, "1" + "0" * 22),
    ],
)  # fmt: skip
def test_number_text(value: Any, text: str) -> None:
    assert hyperliquid.number_text(value) == text


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "1 ", " 1", "1_000", "abc", "1.2.3", "0x10", "1,5", "½", "\u0661", "NaN",
        "Infinity", "-inf", "1e41", "1e-41", "1e999999999", 10**41, Decimal("NaN"), Decimal("sNaN"),
        Decimal("-Infinity"), Decimal("1E+1000000"), math.nan, math.inf, -math.inf, 0.1 + 1e-9,
        None, True, b"1", 1j, [1],
    ],
)  # fmt: skip
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(PrecisionError) as caught:
        hyperliquid.number_text(value)
    assert isinstance(caught.value, ValueError)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_number_text_is_exact(value: Decimal) -> None:
    if value and not -40 <= value.adjusted() < 40:
        return
    text = hyperliquid.number_text(value)
    assert Decimal(text) == value
    assert "e" not in text.lower()
    assert text == "0" or not text.startswith(("+", "00", "."))
    assert not ("." in text and text.endswith(("0", ".")))
    assert hyperliquid.number_text(text) == text


@given(st.integers(-(10**11), 10**11), st.integers(0, 8))
def test_floats_of_decimals_are_those_decimals(units: int, places: int) -> None:
    """The nearest float of a short decimal gives that decimal back."""
    exact = Decimal(units).scaleb(-places)
    if abs(exact) < 10**6:
        assert hyperliquid.float_to_wire(float(exact)) == hyperliquid.number_text(exact)


@pytest.mark.parametrize("value", ["1", None, True, Decimal(1), 10**400])
def test_what_float_to_wire_does_not_take(value: Any) -> None:
    with pytest.raises(PrecisionError):
        hyperliquid.float_to_wire(value)


@pytest.mark.parametrize(
    ("price", "sz_decimals", "is_spot", "valid"),
    [
        ("1234.5", 1, False, True),  # P1
        ("1234.56", 1, False, False),  # P2
        ("123456", 0, False, True),  # P3
        ("0.001234", 0, False, True),  # P4
        ("0.0012345", 0, False, False),  # P5
        ("0.01234", 1, False, True),  # P6
        ("0.012345", 1, False, False),
        ("0.0001234", 0, True, True),  # P7
        ("0.0001234", 2, True, False),  # P8
        ("100000.5", 0, False, False),  # P9
        ("0", 0, False, False),  # P10
        ("0", 0, True, False),
        ("84143", 5, False, True),
        ("84143.5", 5, False, False),
        ("9999.5", 5, False, True),
        ("9999.55", 5, False, False),
        ("3100.5", 4, False, True),
        ("3100.55", 4, False, False),
        ("123456.7", 4, False, False),
        ("1234567890", 5, False, True),
        ("1e9", 5, False, True),
        ("9999.500", 5, False, True),
        ("-1", 0, False, False),
    ],
)
def test_prices(price: str, sz_decimals: int, is_spot: bool, valid: bool) -> None:
    if valid:
        found = hyperliquid.check_price(price, sz_decimals, is_spot=is_spot)
        assert found == Decimal(price)
        assert hyperliquid.round_price(price, sz_decimals, is_spot=is_spot) == found
    else:
        with pytest.raises(PrecisionError):
            hyperliquid.check_price(price, sz_decimals, is_spot=is_spot)


def test_what_is_wrong_with_a_price_is_said() -> None:
    for price, text in (
        ("1234.56", "price 1234.56 has 6 significant figures, 5 are allowed"),
        ("0.0012345", "price 0.0012345 has 7 decimals, 6 are allowed"),
        ("0", "a price must be above 0"),
    ):
        with pytest.raises(PrecisionError, match=f"^{text}$"):
            hyperliquid.check_price(price, 0)
    with pytest.raises(PrecisionError, match="must be Decimal, int or text, not float"):
        hyperliquid.check_price(1.5, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("price", "sz_decimals", "down", "nearest", "up"),
    [
        ("84143.5", 5, "84143", "84144", "84144"),
        ("84142.5", 5, "84142", "84142", "84143"),  # half goes to the even one
        ("123456.7", 5, "123456", "123457", "123457"),  # the SDK says 123460
        ("9999.96", 5, "9999.9", "10000", "10000"),
        ("99999.5", 0, "99999", "100000", "100000"),
        ("1.23456", 0, "1.2345", "1.2346", "1.2346"),
        ("0.00012345", 0, "0.000123", "0.000123", "0.000124"),
        ("0.0000019", 0, "0.000001", "0.000002", "0.000002"),
        ("0.14", 5, "0.1", "0.1", "0.2"),
    ],
)
def test_rounding(price: str, sz_decimals: int, down: str, nearest: str, up: str) -> None:
    for rounding, wanted in zip(
        (Rounding.DOWN, Rounding.NEAREST, Rounding.UP), (down, nearest, up), strict=True
    ):
        found = hyperliquid.round_price(price, sz_decimals, rounding=rounding)
        assert hyperliquid.number_text(found) == wanted
        hyperliquid.check_price(found, sz_decimals)


def test_nothing_rounds_to_0() -> None:
    for rounding in (Rounding.DOWN, Rounding.NEAREST):
        with pytest.raises(PrecisionError, match="rounds to 0"):
            hyperliquid.round_price("0.04", 5, rounding=rounding)
    assert hyperliquid.round_price("0.04", 5, rounding=Rounding.UP) == Decimal("0.1")


prices = st.builds(
    lambda units, places: Decimal(units).scaleb(-places),
    st.integers(1, 10**12),
    st.integers(0, 14),
)


@given(prices, st.integers(0, 6), st.booleans())
def test_rounded_prices_are_on_the_grid(price: Decimal, sz_decimals: int, is_spot: bool) -> None:
    """Down and up enclose the price, both are allowed, and nothing allowed lies between."""
    up = hyperliquid.round_price(price, sz_decimals, is_spot=is_spot, rounding=Rounding.UP)
    hyperliquid.check_price(up, sz_decimals, is_spot=is_spot)
    try:
        down = hyperliquid.round_price(price, sz_decimals, is_spot=is_spot, rounding=Rounding.DOWN)
    except PrecisionError:
        down = Decimal(0)
    else:
        hyperliquid.check_price(down, sz_decimals, is_spot=is_spot)
        nearest = hyperliquid.round_price(price, sz_decimals, is_spot=is_spot)
        assert abs(nearest - price) == min(up - price, price - down)
    assert down <= price <= up
    step = Decimal(1).scaleb(hyperliquid.price_exponent(price, sz_decimals, is_spot=is_spot))
    assert up - down == (0 if up == price else step)
    if up != price:
        with pytest.raises(PrecisionError):
            hyperliquid.check_price(price, sz_decimals, is_spot=is_spot)


@given(prices, st.integers(0, 8))
def test_sizes(size: Decimal, sz_decimals: int) -> None:
    down = hyperliquid.round_size(size, sz_decimals)
    up = hyperliquid.round_size(size, sz_decimals, rounding=Rounding.UP)
    assert down <= size <= up
    assert up - down in (0, Decimal(1).scaleb(-sz_decimals))
    for each in (down, up):
        assert hyperliquid.check_size(each, sz_decimals) == each
    if down != size:
        with pytest.raises(PrecisionError, match=f"{sz_decimals} are allowed"):
            hyperliquid.check_size(size, sz_decimals)


def test_bad_sizes() -> None:
    for call in (hyperliquid.check_size, hyperliquid.round_size):
        with pytest.raises(PrecisionError, match="must not be negative"):
            call("-1", 2)
    assert hyperliquid.check_size("0", 2) == 0


@pytest.mark.parametrize("sz_decimals", [-1, 7, 9, True, None, "2", 1.0])
def test_bad_decimals(sz_decimals: Any) -> None:
    with pytest.raises(PrecisionError, match="sz_decimals must be"):
        hyperliquid.check_price("1.5", sz_decimals)
