"""The short form of `lighter_ledger.py`, and that it notices what it is there for."""

from __future__ import annotations

import asyncio
import os
from unittest.mock import patch

import pytest

from connectors.execution import dispatch
from connectors.execution.dispatch import OrderDispatch
from connectors.execution.fills import SeenFills
from connectors.lighter.outcomes import Outcomes
from connectors.lighter.recovery import Recovery
from faults.lighter_ledger import Plan, run_ledger

FOUND = ("lost: ", "ended as ['OrderRejected'], at the venue", "position by fills")
SHORT = Plan(drops=15, fills=250, seed=int(os.environ.get("LEDGER_SEED", "7")), bots=3, limit_s=150)


def test_no_fill_is_lost_repeated_or_misbooked_over_disconnects() -> None:
    result = asyncio.run(run_ledger(SHORT))
    assert result.violations == [], f"seed {SHORT.seed}"
    assert result.drops >= SHORT.drops
    assert result.fills >= SHORT.fills


async def _no_catch_up(self: Recovery) -> None:
    """Forget the trades of the gap."""


def _rejects(self: Outcomes, command: object, why: str) -> None:
    self.tx_refused(command, _Refused())  # type: ignore[arg-type]


class _Refused:
    code = 0
    message = text = "taken for refused"


@pytest.mark.slow
def test_the_ledger_notices_losses_and_wrong_ends() -> None:
    """A client that forgets gaps and takes unknown for refused fails it."""
    with (
        patch.object(Recovery, "catch_up", _no_catch_up),
        patch.object(OrderDispatch, "_note_filled", lambda self, order, report: None),
        patch.object(Outcomes, "tx_unknown", _rejects),
    ):
        # Whether a lost answer meets an order that went on to live is up to the machine.
        missing = set(FOUND)
        for seed in range(7, 17):
            said = _said(Plan(drops=30, fills=300, seed=seed, bots=3, settle_s=3, limit_s=30))
            missing = {each for each in missing if each not in said}
            if not missing:
                break
    assert not missing


@pytest.mark.slow
def test_the_ledger_notices_repeats() -> None:
    """What is read again after every gap repeats the fills of a client that does not know them."""

    class Forgetful(SeenFills):
        def is_new(self, key: object) -> bool:
            return True

    with patch.object(dispatch, "SeenFills", Forgetful):
        # Whether something is read again is up to the machine, too.
        assert any(
            "twice: " in _said(Plan(drops=6, fills=60, seed=seed, bots=2, settle_s=2, limit_s=30))
            for seed in range(7, 12)
        )


def _said(plan: Plan) -> str:
    return "\n".join(asyncio.run(run_ledger(plan)).violations)
