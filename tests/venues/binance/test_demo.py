"""The demo tells the truth: it passes when all went well, and fails when something did not."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest

from connectors._cli import demo_streaming
from connectors._cli.demo_checks import compare_books
from connectors._cli.demo_streaming import StreamingDemo
from connectors._cli.screen import open_screen
from connectors._cli.simulator import SimulatorAdmin, SimulatorProcess

SYMBOLS = 30


def demo(*arguments):
    command = [sys.executable, "-P", "-m", "connectors", "demo", "--plain", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=200)


def test_everything_the_demo_shows_happened():
    """What it waits for in vain has to fail its check, not to use up its time.

    That is a promise to who watches it; here the machine has other tests to run.
    """
    done = demo("--symbols", str(SYMBOLS), "--within", "150")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "33 of 33 checks held" in done.stdout
    assert "FAILED" not in done.stdout
    assert f"{SYMBOLS} books" in done.stdout
    assert re.search(r"callback: p50 \S+ .s, p99 \S+ .s, p99.9 \S+ .s", done.stdout)
    messages = re.search(
        r"(\d+) messages, (\d+) events, reconnects: 1, gaps repaired: 1", done.stdout
    )
    assert messages
    assert int(messages[1]) > 1_000
    assert done.stderr == ""


def test_a_demo_that_takes_too_long_says_so():
    done = demo("--symbols", "3", "--within", "0.5")
    assert done.returncode != 0
    assert "did not end within 0.5 s" in done.stderr
    assert "--within" in done.stderr


class Admin(SimulatorAdmin):
    """Forwards to the simulator, except for the faults it withholds."""

    withheld = ()

    async def post(self, name, **body):
        if body.get("fault") in self.withheld:
            return {"connections": []}
        return await super().post(name, **body)


async def play(monkeypatch, *, withheld=(), spoil=None, fault_s=8.0):
    """Play the demo in this process on a few instruments; return which claims did not hold."""
    monkeypatch.setattr(demo_streaming, "FAULT_S", fault_s)
    monkeypatch.setattr(demo_streaming, "STEADY_S", 0.5)
    monkeypatch.setattr(demo_streaming, "QUIET_S", 8.0)
    async with (
        SimulatorProcess("binance", "--symbols", "8", "--rate", "800") as simulator,
        Admin(simulator.http_url) as admin,
    ):
        admin.withheld = withheld
        with open_screen(plain=True, out=io.StringIO()) as screen:
            demo = StreamingDemo(admin, simulator.http_url, screen)
            async with demo.client:
                if spoil is not None:
                    spoil(demo)
                await demo.play()
                return {check.claim for check in demo.checks if not check.held}, demo


def claims(checks):
    return {
        re.search("connection came|gap|level|trade|quote|frame|nothing else", c)[0] for c in checks
    }


@pytest.mark.parametrize(
    ("fault", "claim"),
    [
        pytest.param("drop", "connection came", id="disconnect"),
        pytest.param("sequence", "gap", id="gap"),
    ],
)
def test_a_fault_that_did_not_happen_fails_the_demo(monkeypatch, run, fault, claim):
    # What does happen may take longer than two seconds on a busy machine, and is told as well.
    for fault_s in (2.0, 15.0):
        failed, _ = run(play(monkeypatch, withheld=(fault,), fault_s=fault_s), timeout_s=60)
        if claims(failed) == {claim}:
            break
    assert claims(failed) == {claim}


@pytest.mark.parametrize(
    ("what", "claim"), [("trade", "trade"), ("quote", "quote"), ("event", "nothing else")]
)
def test_a_lost_event_fails_the_demo(monkeypatch, run, what, claim):
    def spoil(demo):
        seen = demo.seen
        if what == "trade":
            seen.on_trade = skip_the_second(seen.on_trade)
        elif what == "quote":
            quotes = seen.quotes
            seen.on_quote = lambda quote: quotes.setdefault(quote.instrument.id, quote)
        else:
            seen.on_book = lambda book: 1 / 0

    # A subclass without __slots__, so that one object's callbacks can be replaced.
    monkeypatch.setattr(demo_streaming, "Seen", type("Seen", (demo_streaming.Seen,), {}))
    failed, _ = run(play(monkeypatch, spoil=spoil), timeout_s=30)
    assert claim in claims(failed)


def skip_the_second(callback):
    count = 0

    def skipping(event):
        nonlocal count
        count += 1
        if count != 2:
            callback(event)

    return skipping


def test_a_wrong_level_is_found(run):
    """`compare_books` compares levels, not just numbers of updates."""

    class Tampered(SimulatorAdmin):
        async def get(self, name, **query):
            answer = await super().get(name, **query)
            if name == "book" and query["symbol"] == "ETHUSDT":
                answer["asks"][3][1] = "0.001"
            return answer

    async def compare():
        async with (
            SimulatorProcess("binance", "--symbols", "3", "--rate", "300") as simulator,
            Tampered(simulator.http_url) as admin,
        ):
            with open_screen(plain=True, out=io.StringIO()) as screen:
                demo = StreamingDemo(admin, simulator.http_url, screen)
                async with demo.client:
                    demo.subscribe()
                    await demo.until(lambda: demo.live_books() == 3, 10, "books")
                    await admin.post("pause")
                    await demo.until(
                        lambda: all(demo.client.book(n).updates for n in demo.instruments), 5
                    )
                    return await compare_books(demo.client, demo.instruments, admin)

    assert run(compare(), timeout_s=30).different == ("ETHUSDT-PERP",)
