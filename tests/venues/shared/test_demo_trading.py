"""The trading half of the demo tells the truth: a ledger that is wrong fails it."""

from __future__ import annotations

import io
from dataclasses import replace
from decimal import Decimal

import pytest

from connectors._cli import demo_trading
from connectors._cli.demo_checks import Story
from connectors._cli.demo_ledger import Ledger
from connectors._cli.demo_trading import TradingDemo, picture_of
from connectors._cli.demo_venues import HyperliquidVenue, LighterVenue
from connectors._cli.screen import open_screen
from connectors._cli.simulator import SimulatorAdmin, SimulatorProcess
from connectors.model import (
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    PositionStatusReport,
)


async def play(monkeypatch, spoil=None, venue=LighterVenue):
    """Play it in this process, briefly; return the claims that did not hold, and the demo.

    `spoil(event)` returns the events that the ledger is told in place of one.
    """
    monkeypatch.setattr(demo_trading, "STEADY_S", 1.5)
    # What is spoilt is waited for in vain, and more may be missing than what has to be.
    monkeypatch.setattr(demo_trading, "WAIT_S", 8.0 if spoil is None else 2.0)
    if spoil is not None:
        tell = Ledger.on_event

        def told(self, event):
            for each in spoil(event):
                tell(self, each)

        monkeypatch.setattr(Ledger, "on_event", told)
    async with (
        SimulatorProcess(venue.name.lower(), "--seed", "3", "--rate", "100") as simulator,
        SimulatorAdmin(simulator.http_url) as admin,
    ):
        with open_screen(plain=True, out=io.StringIO()) as screen:
            story = Story()
            demo = TradingDemo(
                venue,
                admin,
                simulator.ready,
                story=story,
                draw=lambda: screen.show(picture_of([demo], story)),
            )
            async with demo.client, demo.data:
                await demo.play()
            return {check.claim: check.evidence for check in demo.checks if not check.held}, demo


@pytest.mark.parametrize("venue", [LighterVenue, HyperliquidVenue])
def test_everything_it_shows_happened(monkeypatch, run, venue):
    failed, demo = run(play(monkeypatch, venue=venue), timeout_s=30)
    assert failed == {}
    assert len(demo.checks) == 7
    assert demo.ledger.fills
    assert sum(line.updates for line in demo.ledger.lines.values()) > 0
    assert demo.losses >= demo.returns == 1
    assert "with a nonce made ahead" in demo.summary()[0]


def first_of(kind, instead):
    """Return a `spoil` that replaces the first event of a kind."""
    done = []

    def spoil(event):
        if isinstance(event, kind) and not done:
            done.append(event)
            return instead(event)
        return (event,)

    return spoil


FILLS = "no fill was lost, repeated or different"
ORDERS = "every order ended once, and as the simulator says"
POSITION = "the position follows from the fills and is the simulator's"


@pytest.mark.parametrize(
    ("kind", "instead", "claims"),
    [
        pytest.param(OrderFilled, lambda e: (), {FILLS, ORDERS, POSITION}, id="a lost fill"),
        pytest.param(OrderFilled, lambda e: (e, e), {FILLS}, id="a repeated fill"),
        pytest.param(
            OrderFilled,
            lambda e: (replace(e, last_price=e.last_price + Decimal("0.01")),),
            {FILLS},
            id="another price",
        ),
        pytest.param(OrderAccepted, lambda e: (e, e), {ORDERS}, id="accepted twice"),
        pytest.param(OrderCanceled, lambda e: (e, e), {ORDERS}, id="ended twice"),
    ],
)
def test_a_wrong_ledger_fails_the_demo(monkeypatch, run, kind, instead, claims):
    spoil = first_of(kind, instead)
    failed, _ = run(play(monkeypatch, spoil), timeout_s=30)
    assert claims <= failed.keys(), failed


def test_a_position_that_is_not_told_fails_the_demo(monkeypatch, run):
    def spoil(event):
        return () if isinstance(event, PositionStatusReport) else (event,)

    failed, demo = run(play(monkeypatch, spoil), timeout_s=30)
    assert demo.ledger.signed_position == 0 or POSITION in failed
