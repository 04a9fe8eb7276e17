"""The short form of `ibkr_ledger.py`, and that it notices what it is there for."""

from __future__ import annotations

import asyncio
import os
from typing import Any
from unittest.mock import patch

import pytest

from connectors.ibkr.account_feed import AccountFeed
from connectors.ibkr.control import TopicControl
from connectors.ibkr.trades import Executions, Sight
from faults.ibkr_ledger import Plan, run_ledger

SHORT = Plan(drops=15, seed=int(os.environ.get("LEDGER_SEED", "7")), actions=100, limit_s=150)


def test_what_is_seen_of_ibkr_agrees_after_disconnects() -> None:
    result = asyncio.run(run_ledger(SHORT))
    assert result.violations == [], f"seed {SHORT.seed}"
    assert result.drops >= SHORT.drops
    assert result.compared["lines"] == 4
    assert result.compared["levels"] > 10
    assert result.compared["orders"] > 20
    assert result.compared["executions"] > 20
    assert result.compared["positions"] > 0
    assert result.compared["amounts"] == 5


_really_ask = TopicControl.on_connected


def _ask_once(self: TopicControl) -> None:
    if not self._was_lost:
        _really_ask(self)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "name", "bad", "said"),
    [
        (AccountFeed, "_execution", lambda self, execution: None, "execution"),
        (Executions, "see", lambda self, execution: Sight.NEW, "execution"),
        (AccountFeed, "_tell", lambda self, order: None, "never told"),
        (AccountFeed, "take_pnl", lambda self, rows: None, "profit and loss"),
        (TopicControl, "on_connected", _ask_once, "subscribed to"),
    ],
    ids=["fills", "commissions", "orders", "profit", "subscriptions"],
)
def test_it_notices_what_is_forgotten(where: type, name: str, bad: Any, said: str) -> None:
    # Who does not subscribe again loses nothing more: the limit ends it.
    plan = Plan(drops=8, seed=5, actions=50, settle_s=1, limit_s=4)
    with patch.object(where, name, bad), patch("faults.ibkr_ledger.CURRENT_S", 1.0):
        assert said in "\n".join(asyncio.run(run_ledger(plan)).violations)
