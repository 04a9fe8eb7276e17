"""The example, against a simulator of its own."""

from __future__ import annotations

from venues.example_run import example_shows


def test_the_tape_of_the_simulator() -> None:
    example_shows(
        (r"\bLIVE\b", r" \| ", r"took [\d.]+ at", r"oracle [\d.]+, funding", r"block 66624\d+",
         r"\d+ bids, \d+ asks, \d+ uncrossed$"),
        "dydx", "dydx_tape.py", "--rate", "100", seconds=2,
    )  # fmt: skip
