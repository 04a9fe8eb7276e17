"""The watching part of the demo tells the truth: what is lost or wrong fails it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import pytest

from connectors._cli.demo_checks import Story
from connectors._cli.demo_seen import Seen, WatchedTruth, compare_account
from connectors._cli.demo_watched import DydxVenue, IbkrVenue
from connectors._cli.demo_watching import WatchingDemo, picture_of
from connectors._cli.simulator import SimulatorAdmin, SimulatorProcess
from connectors.model import FillReport, Side

FILLS = "no fill of the account was lost, repeated or different"
MARKETS = "market data is the simulator's, level by level"


async def play(venue):
    """Play it in this process; return the claims that did not hold, and the demo."""
    async with (
        SimulatorProcess(venue.name.lower(), "--seed", "3", *venue.options) as simulator,
        SimulatorAdmin(simulator.root_url) as admin,
    ):
        demo = WatchingDemo(
            venue, admin, simulator.ready, story=Story(), draw=lambda: picture_of([demo])
        )
        await demo.run()
        return {check.claim: check.evidence for check in demo.checks if not check.held}, demo


@pytest.mark.parametrize("venue", [DydxVenue, IbkrVenue])
def test_everything_it_shows_happened(run, venue):
    failed, demo = run(play(venue), timeout_s=60)
    assert failed == {}
    assert len(demo.checks) == 6
    assert demo.seen.fills
    assert demo.losses


def test_a_fill_that_is_not_told_fails_the_demo(monkeypatch, run):
    tell, kept = Seen.fill, []

    def told(self, report):
        if kept:
            tell(self, report)
        kept.append(report)

    monkeypatch.setattr(Seen, "fill", told)
    monkeypatch.setattr("connectors._cli.demo_watching.STEADY_S", 0.5)
    monkeypatch.setattr("connectors._cli.demo_watching.SETTLE_S", 2.0)
    failed, _ = run(play(DydxVenue), timeout_s=60)
    assert FILLS in failed


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda fills, report: fills.update(x=report), id="one that never was"),
        pytest.param(lambda fills, report: fills.clear(), id="a lost one"),
        pytest.param(
            lambda fills, report: fills.update(
                a=replace(report, last_price=report.last_price + Decimal(1))
            ),
            id="another price",
        ),
    ],
)
def test_fills_are_compared_one_by_one(change):
    seen = Seen()
    venue = SimpleNamespace(
        account=SimpleNamespace(positions=list, order=lambda name: None), instruments=()
    )
    report = FillReport(
        instrument_id="AAPL", client_order_id=None, venue_order_id="1", trade_id="a",
        side=Side.BUY, last_size=Decimal(5), last_price=Decimal(100), ts_event=1, ts_init=1,
    )  # fmt: skip
    nothing = WatchedTruth(books={}, quotes={}, fills={}, orders={}, positions={})
    truth = replace(nothing, fills={"a": ("AAPL", Side.BUY, Decimal(5), Decimal(100))})
    seen.fill(report)
    assert compare_account(venue, seen, nothing, truth)[0].held
    change(seen.fills, report)
    assert not compare_account(venue, seen, nothing, truth)[0].held
    seen.fills = {"a": report}
    seen.fill(report)
    assert not compare_account(venue, seen, nothing, truth)[0].held  # told twice


def test_a_book_that_stands_still_fails_the_demo(monkeypatch, run):
    truth = DydxVenue.truth

    async def another(self):
        found = await truth(self)
        name = next(iter(found.books))
        bids, asks = found.books[name]
        return replace(found, books=dict(found.books) | {name: (bids[1:], asks)})

    monkeypatch.setattr(DydxVenue, "truth", another)
    monkeypatch.setattr("connectors._cli.demo_watching.STEADY_S", 0.5)
    monkeypatch.setattr("connectors._cli.demo_watching.SETTLE_S", 2.0)
    failed, _ = run(play(DydxVenue), timeout_s=60)
    assert MARKETS in failed
