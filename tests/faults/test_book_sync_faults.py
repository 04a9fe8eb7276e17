"""Snapshots and numbers that lie (BN-M-33): the book is right, or it is not live."""

from __future__ import annotations

import pytest

from connectors.books import BookSync, SyncStep
from connectors.model import BookState, BookUpdate, Instrument, InstrumentKind

BTC = Instrument(
    id="BTCUSDT-PERP",
    symbol="BTCUSDT",
    venue="BINANCE",
    kind=InstrumentKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    tick_size="0.1",
    lot_size="0.1",
)


def update(first, last, prev, at_ms):
    """One change of the best bid, whose size tells which update it was."""
    return BookUpdate(
        BTC, [(1_000, last)], [], first_seq=first, last_seq=last, prev_seq=prev, ts_event=at_ms
    )


def snapshot(seq, at_ms, *, empty=False):
    bids, asks = ([], []) if empty else ([(1_000, 1)], [(1_001, 1)])
    return BookUpdate(BTC, bids, asks, is_snapshot=True, last_seq=seq, ts_event=at_ms)


class Bench:
    def __init__(self):
        self.time = 100.0
        self.steps = []
        self.sync = BookSync(
            BTC, on_event=lambda event: self.steps.append(event.step), now=lambda: self.time
        )

    def fetch(self, taken):
        """Let a snapshot come in, as soon as the sync asks for one."""
        self.time += 60.0
        assert self.sync.wants_snapshot(self.time)
        self.sync.on_snapshot(self.sync.begin_snapshot(), taken, depth=1000)


@pytest.fixture
def bench():
    return Bench()


def test_bn_m_33_an_empty_snapshot_does_not_make_a_book(bench):
    """A changing market has orders; believing the snapshot would show a book full of holes."""
    bench.sync.on_update(update(95, 105, 94, 5))
    bench.fetch(snapshot(100, 4, empty=True))
    assert not bench.sync.is_live
    assert bench.steps == [SyncStep.SNAPSHOT_FAILED]
    bench.fetch(snapshot(100, 4))
    assert bench.sync.is_live
    assert bench.sync.chain.levels(0) == [(1_000, 105)]


def test_bn_m_33_ids_start_again_while_updates_are_buffered(bench):
    """What is buffered has numbers no snapshot will ever reach again."""
    bench.sync.on_update(update(900, 1_000, 899, 1))
    bench.sync.on_update(update(501, 510, 500, 2))
    bench.fetch(snapshot(505, 2))
    assert bench.sync.is_live
    assert bench.sync.chain.last_seq == 510


def test_bn_m_33_ids_start_again_within_the_same_millisecond(bench):
    bench.sync.on_update(update(900, 1_000, 899, 1))
    bench.sync.on_update(update(501, 510, 500, 1))
    bench.sync.on_update(update(511, 520, 510, 2))
    bench.fetch(snapshot(515, 2))
    assert bench.sync.is_live
    assert bench.sync.chain.last_seq == 520


def test_bn_m_33_ids_start_again_while_the_snapshot_waits_for_its_update(bench):
    """Everything new would look older than the snapshot, for ever."""
    bench.sync.on_update(update(900, 1_000, 899, 1))
    bench.fetch(snapshot(2_000, 3))
    assert bench.sync.state is BookState.ANCHORING
    bench.sync.on_update(update(501, 510, 500, 4))
    bench.fetch(snapshot(505, 4))
    assert bench.sync.is_live
    assert bench.sync.chain.last_seq == 510


def test_bn_m_33_a_snapshot_of_the_old_numbers_arrives_after_the_new_ones(bench):
    bench.sync.on_update(update(900, 1_000, 899, 1))
    epoch = bench.sync.begin_snapshot()
    bench.sync.on_update(update(501, 510, 500, 3))
    bench.sync.on_snapshot(epoch, snapshot(1_000, 2), depth=1000)
    assert not bench.sync.is_live
    bench.fetch(snapshot(505, 3))
    assert bench.sync.is_live
    assert bench.sync.chain.last_seq == 510


def test_swapped_updates_are_not_taken_for_new_numbers(bench):
    bench.sync.on_update(update(111, 120, 110, 2))
    bench.sync.on_update(update(101, 110, 100, 1))
    bench.sync.on_update(update(121, 130, 120, 3))
    bench.fetch(snapshot(115, 2))
    assert bench.sync.is_live
    assert bench.sync.chain.last_seq == 130
