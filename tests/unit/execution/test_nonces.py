"""Transaction numbers (lighter.md 11, hyperliquid.md 10)."""

from __future__ import annotations

import pytest

from connectors.execution.nonces import (
    ClockNonces,
    CountingNonces,
    Nonce,
    NonceRefreshNeeded,
    NonceWindowFull,
)

MS = 1_000_000


def synced(start: int = 100, *, window: int = 64) -> CountingNonces:
    nonces = CountingNonces(window=window)
    refresh(nonces, start)
    return nonces


def refresh(nonces: CountingNonces, venue_next: int) -> None:
    token = nonces.begin_refresh()
    assert token is not None
    assert nonces.finish_refresh(token, venue_next) is not None


def values(given: list[Nonce]) -> list[int]:
    return [nonce.value for nonce in given]


def test_nothing_is_given_out_before_the_venue_was_asked() -> None:
    nonces = CountingNonces()
    assert nonces.wants_refresh
    assert nonces.refresh_due
    assert not nonces.is_ready
    with pytest.raises(NonceRefreshNeeded, match="nonce"):
        nonces.allocate()


def test_x_39_a_burst_is_strictly_consecutive() -> None:
    nonces = synced(7, window=500)
    assert values(nonces.allocate_many(500)) == list(range(7, 507))


def test_the_window_counts_from_the_last_accepted() -> None:
    nonces = synced(0, window=3)
    given = nonces.allocate_many(3)
    with pytest.raises(NonceWindowFull, match="nonce window"):
        nonces.allocate()
    assert not nonces.is_ready
    nonces.accepted(given[1])
    assert values(nonces.allocate_many(2)) == [3, 4]


def test_a_full_window_opens_by_a_soft_refresh_that_never_lowers() -> None:
    nonces = synced(0, window=2)
    nonces.allocate_many(2)
    token = nonces.begin_refresh()
    assert token is not None
    found = nonces.finish_refresh(token, 1)  # the venue has seen the first of them
    assert found is not None
    assert found.next == 2
    assert nonces.allocate().value == 2


def test_allocate_many_is_all_or_nothing() -> None:
    nonces = synced(0, window=3)
    with pytest.raises(NonceWindowFull):
        nonces.allocate_many(4)
    assert nonces.outstanding == 0
    assert values(nonces.allocate_many(3)) == [0, 1, 2]


def test_only_the_newest_is_rolled_back() -> None:
    nonces = synced()
    first, second = nonces.allocate_many(2)
    nonces.refused(second)
    assert nonces.next == 101
    assert not nonces.wants_refresh
    third = nonces.allocate()
    assert third.value == 101
    nonces.refused(first)  # a hole: 101 was signed behind it
    assert nonces.wants_refresh
    assert not nonces.refresh_due, "101 is still out"
    nonces.refused(third, resync=True)
    assert nonces.refresh_due


def test_not_sent_is_given_back() -> None:
    nonces = synced()
    nonces.not_sent(nonces.allocate())
    assert nonces.allocate().value == 100


def test_a_batch_is_rolled_back_in_reverse() -> None:
    nonces = synced()
    for nonce in reversed(nonces.allocate_many(5)):
        nonces.refused(nonce)
    assert nonces.next == 100
    assert not nonces.wants_refresh


def test_x_12_a_batch_refused_for_its_nonce_wants_a_refresh() -> None:
    nonces = synced()
    for nonce in reversed(nonces.allocate_many(3)):
        nonces.refused(nonce, resync=True)
    assert nonces.next == 100
    assert nonces.refresh_due
    with pytest.raises(NonceRefreshNeeded):
        nonces.allocate()
    refresh(nonces, 140)
    assert nonces.allocate().value == 140


def test_x_51_a_cascade_makes_one_refresh() -> None:
    """Five pipelined, the first refused 21702, the others 21104."""
    nonces = synced()
    given = nonces.allocate_many(5)
    before = nonces.refreshes
    nonces.refused(given[0])
    for nonce in given[1:]:
        assert not nonces.refresh_due
        nonces.refused(nonce, resync=True)
    assert nonces.refresh_due
    token = nonces.begin_refresh()
    assert token is not None
    assert nonces.begin_refresh() is None, "single flight"
    assert not nonces.refresh_due
    nonces.finish_refresh(token, 100)
    assert nonces.refreshes == before + 1
    assert nonces.allocate().value == 100


def test_unknown_is_never_rolled_back_and_decides_by_a_refresh() -> None:
    nonces = synced()
    nonce = nonces.allocate()
    nonces.unknown(nonce)
    assert nonces.next == 101
    assert nonces.refresh_due
    refresh(nonces, 101)  # it had arrived
    assert nonces.allocate().value == 101


def test_x_06_an_error_nobody_can_attribute_refreshes_at_once() -> None:
    nonces = synced()
    pending = nonces.allocate()
    nonces.suspect()
    assert nonces.refresh_due, "whatever is out"
    refresh(nonces, 100)
    again = nonces.allocate()
    assert again.value == pending.value == 100
    nonces.refused(pending)  # late answer to the first of that number
    assert nonces.next == 101, "must not take the second one back"
    nonces.accepted(pending)
    assert nonces.baseline == 100


def test_a_doubt_of_before_the_refresh_asks_again() -> None:
    """An HTTP batch outlives the reconnect, whose refresh was too early for it."""
    nonces = synced()
    first, second = nonces.allocate_many(2)
    nonces.reset()
    refresh(nonces, 100)  # not arrived yet
    nonces.unknown(first)
    nonces.unknown(second)
    assert nonces.refresh_due
    refresh(nonces, 102)
    assert nonces.allocate().value == 102


def test_a_doubt_the_refresh_has_settled_asks_nothing() -> None:
    nonces = synced()
    nonce = nonces.allocate()
    nonces.reset()
    refresh(nonces, 101)
    nonces.unknown(nonce)
    assert nonces.is_ready


def test_an_abandoned_refresh_is_asked_again_and_its_answer_is_nothing() -> None:
    nonces = synced()
    nonces.reset()
    hanging = nonces.begin_refresh()
    assert hanging is not None
    nonces.abandon_refresh()
    assert nonces.refresh_due
    refresh(nonces, 101)
    assert nonces.finish_refresh(hanging, 90) is None
    nonces.fail_refresh(hanging)
    assert nonces.allocate().value == 101


def test_a_late_acceptance_of_an_unknown_counts() -> None:
    nonces = synced()
    nonce = nonces.allocate()
    nonces.unknown(nonce)
    refresh(nonces, 100)  # the venue had not seen it yet
    nonces.accepted(nonce)
    assert nonces.allocate().value == 101


def test_a_refresh_older_than_a_new_doubt_is_not_believed() -> None:
    nonces = synced()
    token = nonces.begin_refresh()  # a soft one
    assert token is not None
    nonces.unknown(nonces.allocate())
    assert nonces.finish_refresh(token, 100) is None
    assert nonces.refresh_due
    refresh(nonces, 101)
    assert nonces.next == 101


def test_a_failed_refresh_may_be_repeated() -> None:
    nonces = CountingNonces()
    token = nonces.begin_refresh()
    assert token is not None
    nonces.fail_refresh(token)
    assert nonces.refresh_due
    assert nonces.finish_refresh(token, 5) is None, "an answer after all, too late"
    refresh(nonces, 9)
    assert nonces.next == 9


def test_reset_forgets_what_is_out() -> None:
    nonces = synced()
    old = nonces.allocate()
    nonces.reset()
    assert nonces.outstanding == 0
    refresh(nonces, 100)
    fresh = nonces.allocate()
    nonces.not_sent(old)
    assert nonces.outstanding == 1
    nonces.not_sent(fresh)
    assert nonces.next == 100


def test_account_rows_advance_baseline_and_next() -> None:
    nonces = synced(100, window=2)
    nonces.allocate_many(2)
    nonces.observed(101)
    assert nonces.baseline == 101
    assert nonces.foreign == 0
    nonces.observed(105)  # somebody else signs with this key
    assert nonces.foreign == 4
    assert nonces.allocate().value == 106


def test_a_refresh_tells_of_foreign_use(caplog: pytest.LogCaptureFixture) -> None:
    nonces = synced()
    nonces.accepted(nonces.allocate())
    nonces.reset()
    token = nonces.begin_refresh()
    assert token is not None
    found = nonces.finish_refresh(token, 104)
    assert found is not None
    assert (found.next, found.expected, found.foreign) == (104, 101, 3)
    assert "one key per process" in caplog.text


def test_a_window_must_hold_something() -> None:
    with pytest.raises(ValueError, match="at least one"):
        CountingNonces(window=0)


def test_hl_n1_a_thousand_in_one_millisecond_are_unique_and_increasing() -> None:
    nonces = ClockNonces(lambda: 5_000 * MS)
    given = [nonces.allocate().value for _ in range(1000)]
    assert given == list(range(5_000, 6_000))
    assert nonces.ahead_ms == 999


def test_hl_n2_a_clock_that_steps_back_changes_nothing() -> None:
    now = [50_000 * MS]
    nonces = ClockNonces(lambda: now[0])
    first = nonces.allocate().value
    now[0] -= 10_000 * MS
    second = nonces.allocate().value
    now[0] += 20_000 * MS
    third = nonces.allocate().value
    assert first < second < third == 60_000


def test_both_kinds_have_one_face() -> None:
    for source in (synced(), ClockNonces(lambda: MS)):
        assert source.is_ready
        source.accepted(source.allocate())
        source.refused(source.allocate(), resync=False)
        source.not_sent(source.allocate())
        nonce = source.allocate()
        source.unknown(nonce)
        assert str(nonce.value) in repr(nonce)
