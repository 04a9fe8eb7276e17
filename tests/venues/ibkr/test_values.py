"""Market data values: every case of md_values.json, and the V-rows that are about one value."""

from __future__ import annotations

import json
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.ibkr.values import Availability, PriceMark, ValueKind, parse_value

DATA = json.loads((Path(__file__).parents[2] / "data/ibkr/md_values.json").read_text())


@pytest.mark.parametrize("case", DATA["values"], ids=lambda case: repr(case["in"])[:40])
def test_v_01_to_05_every_value_of_the_table(case: dict[str, Any]) -> None:
    found = parse_value(case["in"])
    assert found.kind == case["kind"]
    if found.kind is ValueKind.NUMBER:
        assert found.number == Decimal(case["value"])
    else:
        assert found.number is None
    assert found.mark == case.get("flag")
    assert found.is_approximate == case.get("approximate", False)
    assert found.is_percent == case.get("percent", False)
    if found.kind is ValueKind.TEXT and isinstance(case["in"], str):
        assert found.text == case["in"]


@pytest.mark.parametrize("case", DATA["availability_6509"], ids=lambda case: case["in"] or "none")
def test_5_2_availability_letters(case: dict[str, Any]) -> None:
    assert list(Availability(case["in"]).words) == case["letters"]


@pytest.mark.parametrize(
    ("code", "realtime", "refused"),
    [("RpB", True, False), ("DPB", False, False), ("ZB", False, False), ("Y", False, False),
     ("N", False, True), ("O", True, True), ("", True, False), ("Rd", True, False)],
)  # fmt: skip
def test_5_2_what_is_not_realtime(code: str, realtime: bool, refused: bool) -> None:
    found = Availability(code)
    assert (found.is_realtime, found.is_refused) == (realtime, refused)


def test_v_02_exact_whatever_the_context_is() -> None:
    with localcontext() as context:
        context.prec = 3
        assert parse_value("1,234,567.891").number == Decimal("1234567.891")
        assert parse_value("12.3456M").number == Decimal("12345600")


def test_v_06_marks() -> None:
    assert parse_value("H139.10").mark is PriceMark.HALTED
    assert parse_value("C139.10").mark is PriceMark.PREVIOUS_CLOSE


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=6, min_value=-(10**15), max_value=10**15
    ),
    st.sampled_from(["", "C", "H"]),
)
def test_v_01_agrees_with_decimal(value: Decimal, flag: str) -> None:
    """Section 13 item 2: the parser equals a reference by Decimal, grouped or not."""
    assert parse_value(f"{flag}{value}").number == value
    assert parse_value(f"{flag}{value:,f}").number == value


@given(
    st.one_of(
        st.text(),
        st.text("0123456789.,+-eECHKMBT% ", max_size=70),
        st.binary(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.integers(),
    )
)
def test_v_05_nothing_raises(raw: object) -> None:
    found = parse_value(raw)
    assert (found.number is not None) == (found.kind is ValueKind.NUMBER)
    if isinstance(raw, float | int):
        assert found.number == Decimal(str(raw))
