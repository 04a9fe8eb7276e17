"""The short form of `hyperliquid_ledger.py`, and that it notices what it is there for."""

from __future__ import annotations

import asyncio
import os
from unittest.mock import patch

import pytest

from connectors.execution import dispatch
from connectors.execution.dispatch import Outcome
from connectors.execution.fills import SeenFills
from connectors.execution.legs import LegDispatch
from connectors.hyperliquid.account_feed import AccountFeed
from connectors.hyperliquid.outcomes import Outcomes
from connectors.hyperliquid.queries import Queries
from connectors.hyperliquid.replies import Refusal
from faults.hyperliquid_ledger import Plan, run_ledger

SHORT = Plan(drops=15, fills=250, seed=int(os.environ.get("LEDGER_SEED", "7")), bots=3, limit_s=150)


def test_no_fill_is_lost_repeated_or_misbooked_over_disconnects() -> None:
    result = asyncio.run(run_ledger(SHORT))
    assert result.violations == [], f"seed {SHORT.seed}"
    assert result.drops >= SHORT.drops
    assert result.fills >= SHORT.fills
    assert result.modifies > 0


async def _no_fills(self: Queries, *args: object) -> list[object]:
    return []


def _rejects(self: Outcomes, command: object, why: str) -> None:
    self.tx_refused(command, Refusal("other", "taken for refused"))  # type: ignore[arg-type]


def _every_cancel_is_real(self: LegDispatch, order: object, row: object) -> Outcome:
    self._cancel_by(order, row.report)  # type: ignore[arg-type, attr-defined]
    return Outcome.TRACKED


def _said(drops: int, fills: int, seed: int) -> str:
    plan = Plan(drops=drops, fills=fills, seed=seed, bots=3, settle_s=3, limit_s=30)
    return "\n".join(asyncio.run(run_ledger(plan)).violations)


@pytest.mark.slow
def test_the_ledger_notices_losses_and_wrong_ends() -> None:
    """A client that reads no gap and takes unknown for refused fails it."""
    with (
        patch.object(Queries, "fills_since", _no_fills),
        patch.object(Queries, "fills_of", _no_fills),
        patch.object(AccountFeed, "past_fills", lambda self, rows, is_history=False: None),
        patch.object(Outcomes, "tx_unknown", _rejects),
    ):
        # Whether a lost answer meets an order that went on to live is up to the machine.
        missing = {"lost: ", "position by fills"}
        for seed in range(7, 12):
            said = _said(30, 300, seed)
            missing = {each for each in missing if each not in said}
            if not missing:
                break
    assert not missing


@pytest.mark.slow
def test_the_ledger_notices_cancels_that_were_modifications() -> None:
    with patch.object(LegDispatch, "_on_canceled", _every_cancel_is_real):
        assert "ended as ['OrderCanceled']" in _said(6, 100, 7)


@pytest.mark.slow
def test_the_ledger_notices_repeats() -> None:
    """What is read again after every gap repeats the fills of a client that does not know them."""

    class Forgetful(SeenFills):
        def is_new(self, key: object) -> bool:
            return True

    with patch.object(dispatch, "SeenFills", Forgetful):
        # Whether something is read again is up to the machine, too.
        assert any("twice: " in _said(6, 60, seed) for seed in range(7, 12))
