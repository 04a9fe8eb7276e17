"""The test vectors under tests/data/hyperliquid, ready to use."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "data" / "hyperliquid"

Case = dict[str, Any]


@cache
def load(name: str) -> Any:
    return json.loads((DATA / name).read_text())


def section(name: str) -> list[Case]:
    """Return one section of signing_vectors.json."""
    cases: list[Case] = load("signing_vectors.json")[name]
    return cases


def networks(case: Case) -> list[tuple[bool, Case]]:
    """Return (mainnet, what is expected) for each network a vector has."""
    return [(name == "mainnet", case[name]) for name in ("mainnet", "testnet") if name in case]


def tail(case: Case) -> tuple[int, str | None, int | None]:
    return case["nonce"], case["vault_address"], case["expires_after"]


def expected(case: Case) -> Case:
    """Return the signature as this package writes it."""
    return {"r": case["r_padded"], "s": case["s_padded"], "v": case["v"]}


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
