"""The `connectors` command: what it says, how it ends, and what it draws."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import threading
import urllib.request

import pytest

from connectors import cli
from connectors._cli.demo_checks import TradeRun
from connectors._cli.latency import Latencies, microseconds
from connectors._cli.screen import Picture, open_screen
from connectors._cli.watch import product_of
from connectors.errors import ConnectorError
from patience import GRACE_S

COMMAND = [sys.executable, "-P", "-m", "connectors"]


def call(*arguments, timeout_s=120):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=timeout_s)


def test_version_names_the_package_and_what_it_stands_on(capsys):
    assert cli.main(["version"]) == 0
    out = capsys.readouterr().out
    assert re.match(r"tickwire \d+\.\d+\.\d+", out)
    for name in cli.STANDS_ON:
        assert re.search(rf"^{name} \d", out, re.MULTILINE)


def test_an_unknown_venue_is_told_which_there_are(capsys):
    assert cli.main(["sim", "mtgox"]) == 2
    assert "no simulator for 'mtgox'; there is one for: binance" in capsys.readouterr().err
    assert cli.main(["watch", "mtgox", "BTC"]) == 2
    assert "no live view for 'mtgox'; there is one for: binance" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["watch", "binance"], ["sim"]])
def test_wrong_usage_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: connectors" in capsys.readouterr().err


def test_errors_of_the_package_are_one_line(monkeypatch, capsys):
    def fail(arguments):
        raise ConnectorError("no route to the venue; try again")

    monkeypatch.setattr(cli, "_version", fail)
    assert cli.main(["version"]) == 1
    assert (
        capsys.readouterr().err == "connectors: ConnectorError: no route to the venue; try again\n"
    )


def test_interrupt_ends_with_130(monkeypatch):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_version", interrupted)
    assert cli.main(["version"]) == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_sim_prints_one_line_and_ends_with_0(number):
    process = subprocess.Popen(
        [*COMMAND, "sim", "binance", "--symbols", "3", "--scenario", "calm"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        ready = json.loads(process.stdout.readline())
        assert ready["venue"] == "binance"
        assert ready["pid"] == process.pid
        assert ready["ws"].startswith("ws://127.0.0.1:")
        assert all(account.keys() >= {"api_key", "api_secret"} for account in ready["accounts"])
        with urllib.request.urlopen(f"{ready['http']}/fapi/v1/time", timeout=GRACE_S) as answer:
            assert json.load(answer)["serverTime"] > 0
        process.send_signal(number)
        rest, errors = process.communicate(timeout=GRACE_S)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, rest, errors) == (0, "", "")


def watch_until(wanted, *arguments):
    """Run `connectors watch` until lines like all the wanted ones came, then interrupt it."""
    process = subprocess.Popen(
        [*COMMAND, "watch", *arguments, "--env", "sim"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    hangs = threading.Timer(4 * GRACE_S, process.kill)
    hangs.start()
    missing, lines = list(wanted), []
    try:
        while missing and (line := process.stdout.readline()):
            lines.append(line)
            missing = [each for each in missing if not re.match(each, line)]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=4 * GRACE_S)
    finally:
        hangs.cancel()
        process.kill()
        process.communicate()
    assert missing == [], "".join(lines) + errors
    assert process.returncode == 130, errors


def test_watch_shows_both_products_of_a_simulator():
    names = ("BTCUSDT-PERP", "BTCUSD-PERP")
    shown = r"  \S+ @ \S+ \| \S+ @ \S+, .*[1-9]\d* quotes [1-9]\d* trades, .* p50 .* p99$"
    watch_until([name + shown for name in names], "binance", "BTCUSDT-PERP", "btcusd-perp")


@pytest.mark.parametrize(
    ("venue", "asked", "names"),
    [
        ("lighter", ("eth-perp", "ETH/USDC-SPOT"), ("ETH-PERP", "ETH/USDC-SPOT")),
        ("hyperliquid", *(("BTC-PERP", "kPEPE-PERP", "xyz:TSLA-PERP", "HYPE/USDC-SPOT"),) * 2),
        ("ibkr", ("aapl", "ES-261218"), ("AAPL", "ES-261218")),
        ("dydx", *(("BTC-USD-PERP", "ETH-USD-PERP"),) * 2),
    ],
)
def test_watch_shows_the_markets_of_a_simulator(venue, asked, names):
    watch_until([f"{name}  .* @ " for name in names], venue, *asked)


def test_watch_ends_by_itself():
    done = call("watch", "ibkr", "AAPL", "--env", "sim", "--for", "0.5")
    assert done.returncode == 0, done.stderr
    assert re.search("^AAPL  ", done.stdout, re.MULTILINE)


def test_watch_says_which_instrument_does_not_exist():
    done = call("watch", "binance", "NOPEUSDT-PERP", "--env", "sim", "--for", "1")
    assert done.returncode == 1
    assert "NOPEUSDT-PERP" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("instrument", "product"),
    [
        ("BTCUSDT-PERP", "usdm"),
        ("BTCUSDC-PERP", "usdm"),
        ("BTCUSD-PERP", "coinm"),
        ("btcusd_perp", "coinm"),
        ("BTCUSD-261225", "coinm"),
        ("BTCUSDT-261225", "usdm"),
    ],
)
def test_the_product_follows_from_the_name(instrument, product):
    assert product_of(instrument) == product


def test_latencies_keep_the_last_and_count_all():
    latencies = Latencies(capacity=100)
    assert latencies.percentiles((0.5,)) == []
    for ns in range(1, 1_001):
        latencies.add(ns)
    assert latencies.count == 1_000
    assert latencies.percentiles((0.0, 0.5, 0.99, 1.0)) == [901, 951, 1000, 1000]
    latencies.clear()
    assert (latencies.count, latencies.percentiles((0.5,))) == (0, [])
    with pytest.raises(ValueError, match="capacity"):
        Latencies(capacity=0)


def test_latencies_are_written_for_people():
    assert [microseconds(ns) for ns in (80, 8_300, 999_900, 1_250_000)] == [
        "0.1 µs",
        "8.3 µs",
        "999.9 µs",
        "1.2 ms",
    ]


def test_trade_runs_notice_holes_and_repeats():
    whole, hole, repeated = TradeRun(), TradeRun(), TradeRun()
    for run, ids in ((whole, (5, 6, 7)), (hole, (5, 7)), (repeated, (5, 6, 6))):
        for trade_id in ids:
            run.add(trade_id)
    assert [run.is_whole for run in (whole, hole, repeated, TradeRun())] == [
        True, False, False, True,
    ]  # fmt: skip


def picture(number, notes):
    return Picture("title", ("name", "value"), [("row", str(number))], notes, (f"line {number}",))


def test_plain_screen_prints_notes_once_and_lines_at_most_once_a_second():
    out = io.StringIO()
    with open_screen(plain=True, out=out) as screen:
        screen.show(picture(1, ["first"]))
        screen.show(picture(2, ["first", "second"]))
    assert out.getvalue() == "first\nline 1\nsecond\n"


def test_table_screen_draws_what_it_is_given():
    pytest.importorskip("rich", reason="the live table is an extra")
    out = io.StringIO()
    out.isatty = lambda: True
    with open_screen(out=out) as screen:
        screen.show(picture(1, ["a note"]))
        screen.show(picture(2, ["a note", "another"]))
    drawn = out.getvalue()
    for text in ("title", "name", "value", "row", "2", "another"):
        assert text in drawn
    assert screen.cpu_s > 0


def test_without_rich_a_terminal_gets_lines(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    out = io.StringIO()
    out.isatty = lambda: True
    with open_screen(out=out) as screen:
        screen.show(picture(1, []))
    assert "tickwire[terminal]" in out.getvalue()
    assert out.getvalue().endswith("line 1\n")
