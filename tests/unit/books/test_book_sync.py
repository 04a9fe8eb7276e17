"""A book stays in step with its stream, or says that it does not (section 10)."""

from __future__ import annotations

import json
import pathlib
from decimal import Decimal

import pytest

from connectors.books import BookSync, SyncLimits, SyncStep
from connectors.model import BookState, BookUpdate, EventFlag, Instrument, InstrumentKind

DATA = pathlib.Path(__file__).parents[2] / "data" / "binance"
SCENARIOS = json.loads((DATA / "book_sync.json").read_text())["scenarios"]


def instrument(tick="0.1", lot="0.1"):
    return Instrument(
        id="BTCUSDT-PERP",
        symbol="BTCUSDT",
        venue="BINANCE",
        kind=InstrumentKind.PERPETUAL,
        base="BTC",
        quote="USDT",
        tick_size=tick,
        lot_size=lot,
    )


BTC = instrument()


def levels(pairs, on=BTC):
    return [(on.price_scale.to_ticks(p), on.size_scale.to_ticks(q)) for p, q in pairs]


def event(frame, on=BTC, flags=0):
    return BookUpdate(
        on,
        levels(frame.get("b", []), on),
        levels(frame.get("a", []), on),
        first_seq=frame["U"],
        last_seq=frame["u"],
        prev_seq=frame["pu"],
        ts_event=frame.get("T", 0) * 10**6,
        flags=flags,
    )


def simple(first, last, prev, **more):
    return event({"U": first, "u": last, "pu": prev, "T": last, **more})


def snapshot(frame, on=BTC):
    return BookUpdate(
        on,
        levels(frame["bids"], on),
        levels(frame["asks"], on),
        is_snapshot=True,
        last_seq=frame["lastUpdateId"],
        ts_event=frame.get("T", 0) * 10**6,
    )


def snap(seq, bids=(("100", "1"),), asks=(("101", "1"),)):
    return snapshot({"lastUpdateId": seq, "T": seq, "bids": bids, "asks": asks})


class Harness:
    """A sync with a clock that stands still and a log in the words of the data file."""

    def __init__(self, limits=None):
        self.time = 1000.0
        self.log = []
        self.events = []
        self.changes = []
        self.wanted = 0
        self.sync = BookSync(
            BTC,
            on_event=self._on_event,
            on_change=self._on_change,
            on_wanted=self._on_wanted,
            now=lambda: self.time,
            limits=limits,
        )

    def _on_event(self, event):
        self.events.append(event)
        self.log.append(event.step.value)
        if event.step in (SyncStep.GAP, SyncStep.RECONNECT, SyncStep.RESCALED):
            assert not self.sync.is_live
            assert not self.sync.chain.live
            assert len(self.sync.chain) == 0

    def _on_change(self, book):
        assert self.sync.is_live
        self.changes.append((book.last_seq, book.best_bid_ticks, book.best_ask_ticks))

    def _on_wanted(self):
        self.wanted += 1

    def live(self):
        """Bring it to life at 105."""
        self.sync.on_update(simple(96, 105, 95))
        self.sync.on_snapshot(self.sync.begin_snapshot(), snap(100))
        assert self.sync.is_live


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s["id"])
def test_book_sync_scenarios(scenario):
    harness = Harness()
    sync = harness.sync
    for step in scenario["steps"]:
        harness.time += 60  # past every wait
        before = len(harness.changes), len(harness.log)
        if "event" in step:
            sync.on_update(event(step["event"]))
            if len(harness.changes) > before[0] and len(harness.log) == before[1]:
                harness.log.append("apply")
        elif "snapshot" in step:
            if sync.wants_snapshot(harness.time) or sync.state is BookState.BUFFERING:
                sync.begin_snapshot()
            sync.on_snapshot(sync.epoch, snapshot(step["snapshot"]))
        else:
            sync.on_reconnect()
    expect = scenario["expect"]
    assert sync.state.value.lower() == expect["state"]
    assert harness.log == expect["log"]
    now = harness.time if expect["state"] != "failed" else 0.0
    assert sync.wants_snapshot(now) is expect["snapshot_wanted"]
    if expect["last_update_id"] is None:
        assert not sync.is_live
        assert len(sync.chain) == 0
        return
    assert sync.chain.last_seq == expect["last_update_id"]
    for side, wanted in (("bids", expect["bids"]), ("asks", expect["asks"])):
        got = sync.chain.levels(0 if side == "bids" else 1)
        assert got == levels(wanted), side
    sync.chain.check()


def test_bn_b_02_a_snapshot_is_wanted_only_after_an_event():
    harness = Harness()
    assert not harness.sync.wants_snapshot(harness.time)
    harness.sync.on_update(simple(1, 2, 0))
    assert harness.sync.wants_snapshot(harness.time)
    assert harness.wanted == 1
    harness.sync.begin_snapshot()
    assert not harness.sync.wants_snapshot(harness.time)  # one at a time


def test_bn_b_09_a_gap_names_its_numbers_and_ends_live_at_once():
    harness = Harness()
    harness.live()
    harness.sync.on_update(simple(115, 118, 114))
    gap = harness.events[-1]
    assert (gap.step, gap.expected_seq, gap.got_seq) == (SyncStep.GAP, 105, 114)
    assert harness.sync.gaps == 1
    assert harness.sync.buffered == 1  # BN-B-10
    assert harness.sync.wants_snapshot(harness.time)


def test_a_stream_that_does_not_hold_is_not_fetched_for_all_the_time():
    harness = Harness()
    sync = harness.sync
    harness.live()
    waits, seq = [], 105
    for _ in range(6):
        sync.on_update(simple(seq + 50, seq + 51, seq + 49))  # a gap
        seq += 51
        wake = sync.next_wake()
        waits.append(max(wake - harness.time, 0.0))
        harness.time = max(harness.time, wake)
        assert sync.wants_snapshot(harness.time)
        sync.on_snapshot(sync.begin_snapshot(), snap(seq))
        assert sync.is_live
    assert waits == [0.0, 0.25, 0.5, 1.0, 2.0, 3.0]
    harness.time += 5.0  # it held
    sync.on_update(simple(seq + 50, seq + 51, seq + 49))
    assert sync.wants_snapshot(harness.time)


def test_bn_b_12_holes_between_updates_are_no_gap():
    harness = Harness()
    harness.live()
    harness.sync.on_update(simple(400, 410, 105))
    assert harness.sync.is_live
    assert harness.sync.chain.last_seq == 410


def test_bn_m_33_numbers_that_start_again_lower_are_a_gap():
    """Dropped as old they would freeze the book without anybody noticing."""
    harness = Harness()
    harness.live()
    harness.sync.on_update(event({"U": 3, "u": 5, "pu": 2, "T": 500}))
    assert harness.log[-1] == "gap"
    assert not harness.sync.is_live


@pytest.mark.parametrize("anchoring", [False, True])
def test_bn_m_33_numbers_that_start_again_while_buffering(anchoring):
    harness = Harness()
    sync = harness.sync
    sync.on_update(simple(96, 105, 95))
    if anchoring:
        sync.on_snapshot(sync.begin_snapshot(), snap(200))
        assert sync.state is BookState.ANCHORING
    sync.on_update(event({"U": 3, "u": 5, "pu": 2, "T": 500}))
    assert sync.buffered == 1
    assert sync.wants_snapshot(harness.time)
    sync.on_snapshot(sync.begin_snapshot(), snap(4))
    assert sync.is_live
    assert sync.chain.last_seq == 5


def test_bn_b_11_repeats_are_dropped():
    harness = Harness()
    harness.live()
    harness.sync.on_update(simple(96, 105, 95, b=[["99", "7"]]))
    assert harness.log[-1] == "drop_old"
    assert harness.sync.is_live
    assert harness.sync.chain.size_at(0, 990) == 0


def test_repeats_inside_the_buffer_are_no_gap():
    harness = Harness()
    for update in (simple(96, 105, 95), simple(96, 105, 95), simple(106, 107, 105)):
        harness.sync.on_update(update)
    harness.sync.on_snapshot(harness.sync.begin_snapshot(), snap(100))
    assert harness.sync.is_live
    assert harness.sync.chain.last_seq == 107


def test_bn_b_15_waits_and_the_end_of_patience():
    harness = Harness()
    sync = harness.sync
    sync.on_update(simple(120, 125, 119))
    waits = []
    for number in range(6):
        assert sync.wants_snapshot(harness.time)
        sync.on_snapshot(sync.begin_snapshot(), snap(100 + number))
        wake = sync.next_wake()
        waits.append(wake - harness.time)
        assert not sync.wants_snapshot(wake - 0.001)
        harness.time = wake
    assert waits == [0.25, 0.5, 1.0, 2.0, 3.0, 30.0]
    assert harness.log[-1] == "failed"
    assert sync.state is BookState.FAILED
    # After the pause it tries again, with what came meanwhile.
    assert sync.wants_snapshot(harness.time)
    assert harness.log[-1] == "retry"
    sync.on_snapshot(sync.begin_snapshot(), snap(123))
    assert sync.is_live


def test_bn_b_15_failed_requests_use_the_same_counter():
    harness = Harness()
    sync = harness.sync
    sync.on_update(simple(120, 125, 119))
    for number in range(6):
        assert sync.wants_snapshot(harness.time)
        epoch = sync.begin_snapshot()
        if number % 2:
            sync.on_snapshot_failed(epoch, "HTTP 500")
        else:
            sync.on_snapshot(epoch, snap(100))
        harness.time += 3.0
    assert sync.state is BookState.FAILED


def test_bn_b_20_retry_after_is_obeyed():
    harness = Harness()
    sync = harness.sync
    sync.on_update(simple(120, 125, 119))
    sync.on_snapshot_failed(sync.begin_snapshot(), "HTTP 429", retry_after_s=37)
    assert sync.next_wake() == harness.time + 37


def test_a_withdrawn_request_counts_for_nothing():
    harness = Harness()
    sync = harness.sync
    sync.on_update(simple(120, 125, 119))
    for _ in range(20):
        sync.on_snapshot_withdrawn(sync.begin_snapshot())
    assert sync.wants_snapshot(harness.time)
    assert harness.log == []


def test_bn_b_15_the_buffer_is_bounded():
    harness = Harness(SyncLimits(buffer=3))
    sync = harness.sync
    for seq in range(10, 16):
        sync.on_update(simple(seq, seq, seq - 1))
    assert sync.buffered == 3
    assert sync.overflows == 3
    sync.on_snapshot(sync.begin_snapshot(), snap(11))
    assert harness.log == ["overflow", "overflow", "stale_snapshot"]  # the anchor check decides
    harness.time += 1
    sync.on_snapshot(sync.begin_snapshot(), snap(14))
    assert sync.is_live
    assert sync.chain.last_seq == 15


def test_bn_b_16_a_snapshot_of_an_older_epoch_is_thrown_away():
    harness = Harness()
    sync = harness.sync
    sync.on_update(simple(96, 105, 95))
    epoch = sync.begin_snapshot()
    sync.on_reconnect()
    sync.on_update(simple(200, 205, 199))
    sync.on_snapshot(epoch, snap(203))
    sync.on_snapshot_failed(epoch, "late")
    sync.on_snapshot_withdrawn(epoch)
    assert sync.state is BookState.BUFFERING
    assert harness.log == ["reconnect"]
    assert sync.wants_snapshot(harness.time)


def test_bn_b_17_a_reconnect_needs_a_new_snapshot_even_if_the_chain_fits():
    harness = Harness()
    harness.live()
    harness.sync.on_reconnect()
    harness.sync.on_update(simple(106, 107, 105))
    assert not harness.sync.is_live


def test_bn_b_21_a_book_that_stays_crossed_is_fetched_again():
    harness = Harness(SyncLimits(crossed=3))
    harness.live()
    seq = 105
    for _ in range(4):
        assert harness.sync.is_live
        harness.sync.on_update(simple(seq + 1, seq + 1, seq, b=[["102", "1"]]))
        seq += 1
    assert harness.log[-1] == "crossed"
    assert not harness.sync.is_live


def test_bn_b_21_a_book_crossed_for_a_moment_is_kept():
    harness = Harness(SyncLimits(crossed=3))
    harness.live()
    harness.sync.on_update(simple(106, 106, 105, b=[["102", "1"]]))
    harness.sync.on_update(simple(107, 107, 106, b=[["102", "0"]]))
    assert harness.sync.is_live
    assert harness.sync.chain.crossed_updates == 1


def test_bn_b_25_a_snapshot_that_cannot_be_applied_is_rejected_whole():
    harness = Harness()
    sync = harness.sync
    sync.on_update(simple(96, 105, 95))
    finer = instrument("0.01", "0.01")
    bad = snapshot({"lastUpdateId": 100, "bids": [["100.01", "1"]], "asks": []}, finer)
    sync.on_snapshot(sync.begin_snapshot(), bad)
    assert harness.log == ["snapshot_failed"]
    assert len(sync.chain) == 0
    assert not sync.is_live


def test_bn_b_14_the_horizon_of_a_limited_snapshot():
    harness = Harness()
    sync = harness.sync
    sync.on_update(simple(96, 105, 95))
    bids = [["100", "1"], ["99.5", "1"]]
    sync.on_snapshot(sync.begin_snapshot(), snap(100, bids=bids), depth=2)
    assert sync.chain.horizon[0] == 995
    assert sync.chain.horizon[1] is None  # fewer asks than asked for: that is all there are


def test_bn_md_13_a_value_off_the_grid_invalidates_the_book():
    harness = Harness()
    harness.live()
    finer = instrument("0.01", "0.01")
    update = event(
        {"U": 106, "u": 107, "pu": 105, "T": 107, "b": [["100.05", "1"]]},
        finer,
        flags=EventFlag.OFF_SCALE,
    )
    harness.sync.on_update(update)
    assert harness.log[-1] == "rescaled"
    assert not harness.sync.is_live
    assert harness.sync.buffered == 0


def test_bn_i_17_a_new_grid_starts_the_book_over():
    harness = Harness()
    harness.live()
    harness.sync.rescale(instrument())  # the same grid
    assert harness.sync.is_live
    finer = instrument("0.01", "0.01")
    harness.sync.rescale(finer)
    assert not harness.sync.is_live
    assert harness.sync.instrument is finer
    update = event({"U": 106, "u": 110, "pu": 105, "T": 110, "b": [["100.05", "1"]]}, finer)
    harness.sync.on_update(update)
    new = snapshot({"lastUpdateId": 107, "bids": [["100.01", "2"]], "asks": []}, finer)
    harness.sync.on_snapshot(harness.sync.begin_snapshot(), new)
    assert harness.sync.is_live
    assert harness.sync.chain.bid == Decimal("100.05")


def test_partial_snapshots_of_a_stream_do_not_touch_the_book():
    harness = Harness()
    harness.live()
    harness.sync.on_update(snap(500))
    assert harness.sync.is_live
    assert harness.sync.chain.last_seq == 105


def test_changes_are_shown_only_while_live():
    harness = Harness()
    harness.sync.on_update(simple(96, 105, 95))
    assert harness.changes == []
    harness.sync.on_snapshot(harness.sync.begin_snapshot(), snap(100))
    assert [seq for seq, _, _ in harness.changes] == [105]
    harness.sync.on_update(simple(106, 107, 105))
    harness.sync.on_update(simple(150, 151, 149))
    assert [seq for seq, _, _ in harness.changes] == [105, 107]


def test_a_closed_sync_forgets_everything():
    harness = Harness()
    harness.sync.on_update(simple(96, 105, 95))
    epoch = harness.sync.begin_snapshot()
    harness.sync.close()
    harness.sync.on_snapshot(epoch, snap(100))
    assert not harness.sync.is_live
    assert harness.sync.buffered == 0
