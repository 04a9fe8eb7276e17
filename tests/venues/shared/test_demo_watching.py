"""The watching part of the demo tells the truth: what is lost or wrong fails it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from connectors._cli.demo_checks import Story
from connectors._cli.demo_watched import DydxVenue, IbkrVenue, Seen
from connectors._cli.demo_watching import WatchingDemo, picture_of
from connectors._cli.simulator import SimulatorAdmin, SimulatorProcess

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


def spoiled(tell):
    """Return a `Seen.fill` that tells something else of the first fill."""
    done = []

    def fill(self, report):
        if done:
            tell_all(self, (report,))
        else:
            done.append(report)
            tell_all(self, tell(report))

    original = Seen.fill

    def tell_all(seen, reports):
        for report in reports:
            original(seen, report)

    return fill


@pytest.mark.parametrize(
    "tell",
    [
        pytest.param(lambda report: (), id="a lost fill"),
        pytest.param(lambda report: (report, report), id="a repeated fill"),
        pytest.param(
            lambda report: (replace(report, last_price=report.last_price + Decimal(1)),),
            id="another price",
        ),
    ],
)
def test_a_fill_that_is_not_told_rightly_fails_the_demo(monkeypatch, run, tell):
    monkeypatch.setattr(Seen, "fill", spoiled(tell))
    monkeypatch.setattr("connectors._cli.demo_watching.WAIT_S", 8.0)
    failed, _ = run(play(DydxVenue), timeout_s=60)
    assert FILLS in failed


def test_a_book_that_stands_still_fails_the_demo(monkeypatch, run):
    truth = DydxVenue.truth

    async def another(self):
        found = await truth(self)
        name = next(iter(found.books))
        bids, asks = found.books[name]
        return replace(found, books=dict(found.books) | {name: (bids[1:], asks)})

    monkeypatch.setattr(DydxVenue, "truth", another)
    monkeypatch.setattr("connectors._cli.demo_watching.WAIT_S", 8.0)
    failed, _ = run(play(DydxVenue), timeout_s=60)
    assert failed.keys() == {MARKETS}
