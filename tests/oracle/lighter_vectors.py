"""The test vectors under tests/data/lighter, ready to use."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "data" / "lighter"

Case = dict[str, Any]


@cache
def _load(name: str) -> Any:
    return json.loads((DATA / name).read_text())


def section(name: str) -> list[Case]:
    """Return one section of signing_vectors.json."""
    cases: list[Case] = _load("signing_vectors.json")[name]
    return cases


def transactions() -> list[Case]:
    """Return every valid transaction: official ones and those of the reference."""
    return section("tx") + section("tx_reference_only")


def attributes(case: Case) -> dict[int, int]:
    """Return the attributes with their types as ints."""
    return {int(kind): value for kind, value in case["attributes"].items()}


def tx_types() -> dict[str, int]:
    """Name of a transaction -> number of its type."""
    return {case["tx_name"]: case["tx_type"] for case in section("tx")}


def error_texts() -> dict[str, str]:
    """Code -> official text; ErrInvalidAttributeType ends with `N` for the number."""
    texts: dict[str, str] = _load("error_texts.json")
    return texts


def numbers(strings: list[str]) -> list[int]:
    """Field elements are decimal strings in the file."""
    return [int(text) for text in strings]
