"""The example, against a simulator of its own."""

from __future__ import annotations

from venues.example_run import example_shows


def test_the_account_of_the_simulator() -> None:
    words = ("account DU1234567", r"cash 1000000\.0 USD", "worth ", "quote AAPL ")
    example_shows(words, "ibkr", "ibkr_account.py", seconds=1)
