"""The short form of `dydx_ledger.py`, and that it notices what it is there for."""

from __future__ import annotations

import asyncio
import os
from typing import Any
from unittest.mock import patch

import pytest

from connectors.dydx.account import AccountFeed
from connectors.dydx.control import Control
from connectors.execution.fills import SeenFills
from faults.dydx_ledger import Plan, run_ledger

SHORT = Plan(drops=12, seed=int(os.environ.get("LEDGER_SEED", "7")), limit_s=150)


def test_books_orders_fills_and_positions_agree_after_disconnects() -> None:
    result = asyncio.run(run_ledger(SHORT))
    assert result.violations == [], f"seed {SHORT.seed}"
    assert result.drops >= SHORT.drops
    for what in ("topics", "levels", "trades", "fills", "orders", "positions"):
        assert result.compared[what] > 0, what


def _said(seed: int, drops: int = 12) -> str:
    plan = Plan(drops=drops, seed=seed, actions=50, settle_s=2, limit_s=6)
    return "\n".join(asyncio.run(run_ledger(plan)).violations)


@pytest.mark.slow
def test_the_ledger_notices_what_is_lost() -> None:
    """A client that reads no trades after a gap fails it."""

    def no_fills(self: AccountFeed, rows: Any, *, since_height: int) -> None:
        return

    with patch.object(AccountFeed, "fills", no_fills):
        assert any("lost: " in _said(seed) for seed in range(7, 12))


@pytest.mark.slow
def test_the_ledger_notices_what_is_not_subscribed_again() -> None:
    class Lazy(Control):
        def on_connected(self) -> None:
            self.connected = getattr(self, "connected", 0) + 1
            if self.connected < 3:
                super().on_connected()

    with patch("connectors.dydx.public_stream.Control", Lazy):
        assert any(" missing" in _said(seed) for seed in range(7, 12))


@pytest.mark.slow
def test_the_ledger_notices_repeats() -> None:
    class Forgetful(SeenFills):
        def is_new(self, key: object) -> bool:
            return True

    with patch("connectors.execution.account_client.SeenFills", Forgetful):
        assert any("twice: fill" in _said(seed) for seed in range(7, 12))
