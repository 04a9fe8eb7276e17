"""SessionCore without sockets: every transition, with time as an argument."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import (
    ClientError,
    ConfigError,
    HandshakeError,
    RequestTimeout,
    TransportError,
)
from connectors.net.backoff import BackoffPolicy, Jitter
from connectors.net.policy import Heartbeat, SessionPolicy
from connectors.net.session_core import AbandonDial, Beat, Dial, Drop, Emit, SessionCore
from connectors.net.session_events import (
    AttemptFailed,
    Closed,
    Closing,
    Connected,
    Connecting,
    Lost,
    Recovered,
    RotationDue,
    SessionState,
    WentStale,
)

S = 1_000_000_000
DOWN = TransportError("down")


class Machine:
    """A core with the time and the counters kept beside it."""

    def __init__(self, **policy):
        policy.setdefault("backoff", BackoffPolicy(jitter_amount=0.0))
        policy.setdefault("silence_timeout_s", None)
        self.core = SessionCore(SessionPolicy(**policy), random.Random(0))
        self.now = 100 * S
        self.frames = self.messages = 0

    def live(self):
        self.core.start(self.now, retry_first=False)
        self.connect()
        return self

    def connect(self):
        return self.core.connected(self.now, self.core.epoch, self.frames, self.messages)

    def fail(self, error=DOWN, **more):
        return self.core.attempt_failed(self.now, self.core.epoch, error, **more)

    def drop(self, code=1006, reason="", *, clean=False):
        return self.core.disconnected(self.now, self.core.epoch, code, reason, clean=clean)

    def data(self):
        self.frames += 1
        self.messages += 1

    def ping_from_peer(self):
        self.frames += 1

    def look(self):
        return self.core.look(self.now, self.frames, self.messages)

    def until_deadline(self, *, late_s=0.0):
        """Advance to the next deadline, look, and return the commands."""
        assert self.core.deadline is not None
        self.now = max(self.now, self.core.deadline) + round(late_s * S)
        return self.look()

    def run_for(self, seconds, each=lambda: None):
        """Look at every deadline for that long; return all commands with their times."""
        end, out = self.now + round(seconds * S), []
        while self.core.deadline is not None and self.core.deadline <= end:
            self.now = max(self.now, self.core.deadline)
            each()
            out += [(self.now, command) for command in self.look()]
        self.now = end
        return out


def events(commands):
    return [command.event for command in commands if isinstance(command, Emit)]


def test_start_dials_once_and_only_once():
    machine = Machine()
    assert machine.core.start(machine.now, retry_first=False) == [Emit(Connecting(1)), Dial(1)]
    assert machine.core.state is SessionState.CONNECTING
    assert machine.core.deadline is None
    with pytest.raises(ClientError):
        machine.core.start(machine.now, retry_first=False)
    assert machine.connect() == [Emit(Connected(1, False, 1))]
    assert machine.core.state is SessionState.LIVE


def test_bn_s_31_first_failure_ends_unless_retry_was_asked_for():
    machine = Machine()
    machine.core.start(machine.now, retry_first=False)
    assert machine.fail() == [Emit(Closed(1, DOWN))]
    assert machine.core.is_over
    machine = Machine()
    machine.core.start(machine.now, retry_first=True)
    assert machine.fail() == [Emit(AttemptFailed(1, DOWN, 1, 0.5))]


def test_bn_t_02_first_reconnect_is_immediate_then_delays_grow_and_reset():
    machine = Machine().live()
    for _ in range(2):
        (lost,) = events(machine.drop())
        assert isinstance(lost, Lost)
        assert lost.retry_in_s == 0
        start = machine.now
        assert isinstance(machine.until_deadline()[0], Dial)
        assert machine.now == start
        delays = []
        for _ in range(6):
            (failed,) = events(machine.fail())
            delays.append(failed.retry_in_s)
            before = machine.now
            (dial,) = machine.until_deadline()
            assert isinstance(dial, Dial)
            assert machine.now - before == round(failed.retry_in_s * S)
        assert delays == [0.5, 1, 2, 4, 5, 5]
        (connected,) = events(machine.connect())
        assert connected.is_reconnect
        assert connected.attempt == 7


def test_connection_that_does_not_last_does_not_reset_the_delays_where_asked():
    machine = Machine(stable_after_s=60).live()
    delays = []
    for _ in range(4):
        machine.now += 10 * S
        delays.append(events(machine.drop())[0].retry_in_s)
        machine.until_deadline()
        machine.connect()
    assert delays == [0.5, 1, 2, 4], "opening was the attempt without delay"
    machine.now += 60 * S
    assert events(machine.drop())[0].retry_in_s == 0


def test_max_attempts_and_fatal_causes_end_the_session():
    machine = Machine(max_attempts=2).live()
    machine.drop()
    machine.until_deadline()
    assert isinstance(events(machine.fail())[0], AttemptFailed)
    machine.until_deadline()
    assert events(machine.fail()) == [Closed(3, DOWN)]
    for error, status in (
        (ConfigError("no url"), None),
        (HandshakeError("no", status=401), 401),
    ):
        machine = Machine(fatal_statuses=frozenset({401})).live()
        machine.drop()
        machine.until_deadline()
        assert events(machine.fail(error, status=status)) == [Closed(2, error)]
        assert machine.core.deadline is None


@pytest.mark.parametrize("age_s", [0.0, 1_000.0])
def test_without_reconnecting_the_session_ends_with_its_connection(age_s):
    machine = Machine(reconnect=False, stable_after_s=1.0).live()
    machine.now += round(age_s * S)
    machine.look()
    ended = events(machine.drop(1001, "going away", clean=True))
    assert [type(event) for event in ended] == [Closed]
    assert (ended[0].error.code, ended[0].error.reason) == (1001, "going away")
    assert machine.core.deadline is None
    assert machine.core.is_over
    silent = Machine(reconnect=False, silence_timeout_s=5.0).live()
    out = silent.run_for(6.0)
    assert [type(command) for _, command in out] == [Drop, Emit]
    assert isinstance(out[1][1].event, Closed)
    assert "no frame" in str(out[1][1].event.error)
    assert silent.drop() == []


@pytest.mark.parametrize(
    ("status", "retry_after_s", "expected"),
    [(429, 30.0, 30.0), (418, None, 5.0), (403, 0.1, 0.5), (503, 7.0, 7.0), (500, None, 0.5)],
)
def test_bn_t_14_retry_after(status, retry_after_s, expected):
    machine = Machine().live()
    machine.drop()
    machine.until_deadline()
    error = HandshakeError("refused", status=status, retry_after_s=retry_after_s)
    (failed,) = events(machine.fail(error, status=status, retry_after_s=retry_after_s))
    assert failed.retry_in_s == expected


def test_bn_t_13_close_code_delays():
    machine = Machine(close_delays_s={1008: 5.0}).live()
    (lost,) = events(machine.drop(1008, "slow down", clean=True))
    assert (lost.retry_in_s, lost.code, lost.reason, lost.clean) == (5.0, 1008, "slow down", True)


# -- close ------------------------------------------------------------------------------


def test_close_when_live_sends_1000_and_waits_a_bounded_time():
    machine = Machine(close_timeout_s=2).live()
    assert machine.core.close(machine.now) == [Emit(Closing(1)), Drop(1, 1000)]
    assert machine.core.close(machine.now) == []
    assert machine.core.deadline == machine.now + 2 * S
    assert machine.look() == []
    assert machine.until_deadline() == [Drop(1, None), Emit(Closed(1, None))]
    assert machine.drop() == []
    assert machine.core.deadline is None


def test_close_ends_when_the_peer_answers():
    machine = Machine().live()
    machine.core.close(machine.now)
    assert machine.drop(1000, clean=True) == [Emit(Closed(1, None))]


def test_bn_t_09_close_during_back_off_is_immediate():
    machine = Machine().live()
    machine.drop()
    assert machine.core.close(machine.now) == [Emit(Closing(1)), Emit(Closed(1, None))]
    assert machine.core.deadline is None


def test_close_while_dialing_abandons_and_a_late_success_is_dropped():
    machine = Machine()
    machine.core.start(machine.now, retry_first=False)
    assert machine.core.close(machine.now) == [Emit(Closing(1)), AbandonDial(1)]
    assert machine.connect() == [Drop(1, 1000)]
    assert machine.core.state is SessionState.CLOSING
    assert machine.drop(1000) == [Emit(Closed(1, None))]
    machine = Machine()
    machine.core.start(machine.now, retry_first=False)
    machine.core.close(machine.now)
    assert machine.fail() == [Emit(Closed(1, None))]
    assert machine.connect() == [Drop(1, 1000)]
    assert machine.core.is_over


def test_reports_of_older_epochs_are_ignored():
    machine = Machine().live()
    machine.core.reconnect(machine.now, TransportError("x"))
    machine.until_deadline()
    assert machine.core.epoch == 2
    assert machine.core.disconnected(machine.now, 1, 1000, "", clean=True) == []
    assert machine.core.attempt_failed(machine.now, 1, DOWN) == []
    assert machine.core.connected(machine.now, 1, 0, 0) == [Drop(1, 1000)]
    assert machine.connect() == [Emit(Connected(2, True, 1))]
    assert machine.core.reconnect(machine.now, DOWN)[0] == Drop(2, 1000)
    assert machine.core.reconnect(machine.now, DOWN) == []


# -- watching ---------------------------------------------------------------------------


def test_stale_and_recovered_follow_data_only():
    machine = Machine(stale_after_s=8, silence_timeout_s=100).live()
    out = machine.run_for(20, machine.ping_from_peer)
    ((at, command),) = [(t, c) for t, c in out if isinstance(c, Emit)]
    assert command == Emit(WentStale(1, 8.0))
    assert at == 108 * S
    assert machine.core.state is SessionState.STALE
    machine.data()
    ((_, command),) = machine.run_for(1)
    assert command == Emit(Recovered(1))
    assert machine.core.state is SessionState.LIVE
    out = machine.run_for(20, machine.data)
    assert out == []


@given(st.lists(st.floats(0.01, 12), max_size=30), st.sampled_from(["data", "ping_from_peer"]))
def test_silence_is_noticed_soon_and_never_early(gaps, kind):
    """BN-T-11: at most an eighth late, never before the peer was silent that long."""
    machine = Machine(silence_timeout_s=10).live()
    last = machine.now
    for gap in [*gaps, 1000.0]:
        out = machine.run_for(gap)
        lost = [(at, c.event) for at, c in out if isinstance(c, Emit)]
        if lost:
            at, event = lost[0]
            assert isinstance(event, Lost)
            assert event.code == 1006
            assert 10 * S <= at - last <= round(11.25 * S) + 1
            assert gap >= 10 or gap == 1000.0
            return
        last = machine.now
        getattr(machine, kind)()
    pytest.fail("silence was never noticed")


def test_data_timeout_counts_messages_only():
    machine = Machine(data_timeout_s=10, silence_timeout_s=300).live()
    out = machine.run_for(20, machine.ping_from_peer)
    drop, lost = [command for _, command in out][:2]
    assert drop == Drop(1, None)
    assert "no data" in str(lost.event.error)


def test_ping_and_pong():
    machine = Machine(heartbeat=Heartbeat(interval_s=20, reply_timeout_s=10)).live()
    (beat,) = machine.until_deadline()
    assert isinstance(beat, Beat)
    assert machine.now == 120 * S
    machine.now += 9 * S
    machine.core.pong(machine.now, 1, b"unsolicited")
    machine.core.pong(machine.now, 99, beat.payload)
    assert machine.core.deadline == 130 * S
    machine.core.pong(machine.now, 1, beat.payload)
    (second,) = machine.until_deadline()
    assert machine.now == 140 * S
    assert second.payload != beat.payload
    machine.core.pong(machine.now, 1, beat.payload)  # an answer to the ping before
    machine.data()
    drop, lost = machine.until_deadline()
    assert machine.now == 150 * S
    assert drop == Drop(1, None)
    assert isinstance(lost.event.error, RequestTimeout)


def test_text_heartbeat_is_answered_by_any_frame():
    beat = Heartbeat(interval_s=30, reply_timeout_s=10, message="ping")
    machine = Machine(heartbeat=beat).live()
    machine.until_deadline()
    machine.ping_from_peer()
    assert machine.until_deadline() == []
    assert machine.core.state is SessionState.LIVE
    machine.until_deadline()
    assert isinstance(events(machine.until_deadline())[0], Lost)


def test_heartbeat_without_reply_only_sends():
    machine = Machine(heartbeat=Heartbeat(interval_s=55, message="tic")).live()
    out = machine.run_for(1000)
    assert len(out) == 18
    assert all(isinstance(command, Beat) for _, command in out)


@pytest.mark.parametrize("late_s", [0.3, 5.0, 3600.0])
def test_a_late_look_is_not_held_against_the_peer(late_s):
    """The process was stopped: what the peer sent meanwhile still waits in the socket."""
    machine = Machine(
        heartbeat=Heartbeat(interval_s=20, reply_timeout_s=10),
        silence_timeout_s=25,
        stale_after_s=22,
    ).live()
    machine.until_deadline()
    while machine.core.deadline < 120 * S:
        machine.until_deadline()
    machine.until_deadline()
    commands = machine.until_deadline(late_s=late_s)
    assert not [event for event in events(commands) if isinstance(event, (Lost, WentStale))]
    machine.data()
    machine.core.pong(machine.now, 1, (1).to_bytes(8, "big"))
    machine.core.pong(machine.now, 1, (2).to_bytes(8, "big"))
    assert not [e for e in events(machine.until_deadline()) if isinstance(e, (Lost, WentStale))]


def test_a_stalled_process_still_finds_a_dead_peer_afterwards():
    machine = Machine(silence_timeout_s=10).live()
    machine.until_deadline(late_s=60)
    start = machine.now
    out = machine.run_for(60)
    assert out, "a dead peer must be found"
    assert out[0][0] - start <= 10 * S


def test_bn_t_12_rotation_notice_then_replacement():
    machine = Machine(max_age_s=86_400, rotation_notice_s=1_800).live()
    ((at, command),) = machine.run_for(86_399)
    assert at == (100 + 84_600) * S
    assert command == Emit(RotationDue(1, 84_600.0, 1_800.0))
    drop, lost = [command for _, command in machine.run_for(1)][:2]
    assert drop == Drop(1, 1000)
    assert "greatest age" in str(lost.event.error)


def test_age_without_notice():
    machine = Machine(max_age_s=100).live()
    out = [command for _, command in machine.run_for(100)]
    assert out[0] == Drop(1, 1000)


@pytest.mark.parametrize(
    "bad",
    [
        {"attempt_timeout_s": 0},
        {"silence_timeout_s": -1},
        {"max_attempts": 0},
        {"rotation_notice_s": 5},
        {"rotation_notice_s": 5, "max_age_s": 5},
    ],
)
def test_impossible_policies_are_refused(bad):
    with pytest.raises(ConfigError):
        SessionPolicy(**bad)


@pytest.mark.parametrize("bad", [{"interval_s": 0}, {"interval_s": 5, "reply_timeout_s": 6}])
def test_impossible_heartbeats_are_refused(bad):
    with pytest.raises(ConfigError):
        Heartbeat(**bad)


# -- anything in any order ----------------------------------------------------------------

STEPS = st.sampled_from(
    ["connect", "fail", "drop", "look", "late", "data", "close", "reconnect", "old_drop", "pong"]
)


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=60), st.integers(0, 3), st.booleans())
def test_any_history_keeps_the_promises(steps, kind, retry):
    """No dial after close, at most one live epoch, one Closed at the end, events make sense."""
    policies = [
        {},
        {"heartbeat": Heartbeat(interval_s=2, reply_timeout_s=1), "silence_timeout_s": 7},
        {"stale_after_s": 1, "data_timeout_s": 4, "max_age_s": 9, "rotation_notice_s": 2},
        {"backoff": BackoffPolicy(jitter=Jitter.FULL), "max_attempts": 3, "stable_after_s": 3},
    ]
    machine = Machine(**policies[kind])
    log = machine.core.start(machine.now, retry_first=retry)
    for step in steps:
        if step == "late":
            out = machine.until_deadline(late_s=3) if machine.core.deadline else []
        elif step == "look":
            out = machine.until_deadline() if machine.core.deadline else []
        elif step == "data":
            machine.data()
            out = []
        elif step == "close":
            out = machine.core.close(machine.now)
        elif step == "reconnect":
            out = machine.core.reconnect(machine.now, DOWN)
        elif step == "old_drop":
            out = machine.core.disconnected(
                machine.now, machine.core.epoch - 1, 1006, "", clean=False
            )
        elif step == "pong":
            out = machine.core.pong(machine.now, machine.core.epoch, b"")
        else:
            out = getattr(machine, step)()
        log += out
    log += machine.core.close(machine.now)
    log += machine.until_deadline() if machine.core.deadline is not None else []
    if machine.core.state is SessionState.CLOSING:
        log += machine.fail() or machine.drop()
    assert machine.core.is_over
    assert machine.core.deadline is None

    told = events(log)
    assert isinstance(told[-1], Closed)
    assert sum(isinstance(event, Closed) for event in told) == 1
    ending = next(
        i for i, c in enumerate(log) if events([c]) and isinstance(c.event, Closing | Closed)
    )
    assert not [c for c in log[ending:] if isinstance(c, Dial | Beat)]
    dialed = [command.epoch for command in log if isinstance(command, Dial)]
    assert dialed == list(range(1, len(dialed) + 1))
    live = None
    for event in told:
        if isinstance(event, Connected):
            assert live is None, "a second connection while one is live"
            live = event.epoch
        elif isinstance(event, Lost):
            assert event.epoch == live
            live = None
        elif isinstance(event, WentStale | Recovered | RotationDue):
            assert event.epoch == live
        elif isinstance(event, AttemptFailed):
            assert live is None
