"""The height of the chain, and the time between blocks: DX-N-11, DX-N-12."""

from __future__ import annotations

import pytest
from venues.dydx.account_rig import HEIGHT, Account

from connectors.dydx.heights import BlockHeights
from connectors.errors import DecodeError

MS = 1_000_000


def fed(*samples: tuple[int, int | None]) -> BlockHeights:
    """Return heights that heard (height, block time in ms) one after the other."""
    heights = BlockHeights()
    for height, block_ms in samples:
        heights.observe(height, None if block_ms is None else block_ms * MS, 0)
    return heights


def test_dx_n_12_five_samples_make_an_estimate() -> None:
    heights = BlockHeights()
    for number in range(4):
        heights.observe(100 + number, number * 800 * MS, 0)
    assert heights.block_time_s == 0.5
    heights.observe(104, 4 * 800 * MS, 0)
    assert heights.block_time_s == pytest.approx(0.8)
    assert heights.blocks_in(8.0) == 10
    assert heights.blocks_in(0.1) == 1


def test_dx_n_12_the_window_is_a_hundred_samples() -> None:
    heights = fed(*((number, number * 2_000) for number in range(1, 101)))
    assert heights.block_time_s == pytest.approx(2.0)
    last = 100 * 2_000
    for number in range(1, 100):
        heights.observe(100 + number, (last + number * 500) * MS, 0)
    assert heights.block_time_s == pytest.approx(0.5)


def test_dx_n_12_heights_may_jump() -> None:
    heights = fed((10, 0), (20, 5_000), (21, 5_500), (30, 10_000), (40, 15_000))
    assert heights.block_time_s == pytest.approx(0.5)


def test_dx_n_12_repeated_and_older_heights_are_ignored() -> None:
    heights = fed(*((number, number * 700) for number in range(1, 7)))
    assert not heights.observe(6, 90_000 * MS, 5)
    assert not heights.observe(2, 90_000 * MS, 5)
    assert (heights.height, heights.block_time_s) == (6, pytest.approx(0.7))


def test_dx_n_12_times_that_stand_or_go_back_are_no_samples() -> None:
    heights = fed((1, 1_000), (2, 1_000), (3, 500), (4, None), (5, 3_000), (6, 3_500), (7, 4_000))
    assert heights.height == 7
    assert heights.block_time_s == 0.5, "four samples"
    heights.observe(8, 4_500 * MS, 0)
    assert heights.block_time_s == pytest.approx(3.5 / 7)


def test_dx_n_12_estimates_below_50_ms_are_rejected() -> None:
    assert fed(*((number, number * 49) for number in range(1, 10))).block_time_s == 0.5
    assert fed(*((number, number * 50) for number in range(1, 10))).block_time_s == 0.05


def test_the_age_of_a_height_is_that_of_its_first_hearing() -> None:
    heights = BlockHeights()
    assert heights.age_s(7) is None
    heights.observe(5, None, 1_000_000_000)
    heights.observe(5, None, 9_000_000_000)
    assert heights.age_s(3_000_000_000) == 2.0


def test_dx_n_11_a_block_height_has_two_names() -> None:
    account = Account()
    account.feed.block_height({"height": str(HEIGHT), "time": "2025-12-08T16:12:00.000Z"})
    assert account.heights.height == HEIGHT
    account.feed.block_height({"blockHeight": str(HEIGHT + 1), "time": "2025-12-08T16:12:01.000Z"})
    assert account.heights.height == HEIGHT + 1
    account.feed.block_height({"blockHeight": HEIGHT + 2, "time": "nonsense"})
    assert (account.heights.height, len(account.problems)) == (HEIGHT + 2, 1)
    for contents in ({}, {"blockHeight": None}, {"height": "-1"}, [], None):
        with pytest.raises(DecodeError):
            account.feed.block_height(contents)
