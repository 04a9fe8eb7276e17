"""The example, against a simulator of its own."""

from __future__ import annotations

from venues.example_run import run_example


def test_the_account_of_the_simulator() -> None:
    shown = run_example("ibkr", "ibkr_account.py", 1)
    for words in ("account DU1234567", "cash 1000000.0 USD", "worth ", "quote AAPL "):
        assert words in shown, (words, shown[-2_000:])
