"""Every arrow of section 3.3 with a clock of its own (N-, T-, F- rows)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venues.ibkr.machine_rig import (
    ACCOUNTS,
    FINE,
    GONE,
    OUT,
    STS,
    SYSTEM,
    TAKEN,
    Rig,
    S,
    message,
    tickle,
)

from connectors import ibkr
from connectors.errors import (
    ConfigError,
    ConnectionLost,
    HandshakeError,
    RateLimited,
    RequestTimeout,
    TransportError,
    VenueError,
)
from connectors.ibkr.answers import is_usable
from connectors.ibkr.events import (
    Call,
    Competed,
    Failed,
    GreetedLate,
    KeeperState,
    LoginNeeded,
    Ready,
    SessionReplaced,
    StateChanged,
    TickleOverdue,
)

UNKNOWN = ibkr.NotAuthenticated("POST /tickle: HTTP 401", code=401)
BRIDGE = ibkr.NoBridge(400, "Bad Request: no bridge", status=400)
DOWN = VenueError(503, "maintenance", status=503)
LOST = ConnectionLost(1006)


# -- up ----------------------------------------------------------------------------------------


def test_startup_in_order():
    rig = Rig().start()
    assert rig.asked == [Call.TICKLE, Call.ACCOUNTS]
    assert [socket.session for socket in rig.sockets] == ["s1"]
    assert rig.state is KeeperState.READY
    assert (rig.machine.account, rig.machine.accounts, rig.machine.is_paper) == (
        "DU1", ("DU1",), True
    )  # fmt: skip
    states = [event.new.value for event in rig.of(StateChanged)]
    assert states == ["authenticating", "connecting", "ready"]
    assert rig.of(Ready) == [Ready(rig.wall, 1, 0)]
    assert not rig.gaps


def test_n_03_what_is_usable():
    assert is_usable(FINE)
    assert is_usable({"authenticated": True, "connected": True})  # older builds
    for name in ("authenticated", "established", "connected"):
        assert not is_usable({**FINE, name: False})
    assert not is_usable({**FINE, "competing": True})
    assert not is_usable({})


def test_status_is_asked_for_where_the_tickle_says_nothing():
    rig = Rig()
    rig.answers[Call.TICKLE] = {"session": "s1"}
    rig.start()
    assert rig.asked == [Call.TICKLE, Call.STATUS, Call.ACCOUNTS]
    assert rig.machine.is_ready


def test_n_04_n_05_init_and_the_bridge_that_takes_a_while():
    rig = Rig()
    rig.answers[Call.TICKLE] = tickle(status=GONE)
    rig.answers[Call.INIT] = GONE
    rig.answers[Call.STATUS] = [BRIDGE, GONE, GONE, FINE]
    rig.start()
    assert rig.asked == [Call.TICKLE, Call.INIT]
    rig.answers[Call.STATUS] = [GONE, GONE, FINE]
    rig.go(2.5)
    assert rig.asked[2:] == [Call.STATUS] * 2
    assert rig.state is KeeperState.AUTHENTICATING
    rig.go(1)
    assert rig.machine.is_ready


def test_f_09_no_bridge_after_init_is_no_failure():
    rig = Rig()
    rig.answers[Call.ACCOUNTS] = [BRIDGE, BRIDGE, ACCOUNTS]
    rig.start()
    assert rig.state is KeeperState.AUTHENTICATING
    rig.go(2.5)
    assert rig.machine.is_ready
    assert rig.asked.count(Call.ACCOUNTS) == 3


def test_n_05_a_bridge_that_never_comes_ends_in_a_logout_and_a_new_init():
    rig = Rig()
    rig.answers[Call.TICKLE] = tickle(status=GONE)
    rig.answers[Call.INIT] = rig.answers[Call.STATUS] = GONE
    rig.start()
    rig.go(300)
    assert rig.state is KeeperState.UNAUTHENTICATED
    assert rig.asked.count(Call.INIT) >= 4
    assert rig.asked[rig.asked.index(Call.LOGOUT) + 1] is Call.INIT
    assert rig.asked[: rig.asked.index(Call.LOGOUT)].count(Call.INIT) == 3
    rig.answers[Call.STATUS] = FINE
    rig.answers[Call.TICKLE] = tickle()
    rig.go(120)
    assert rig.machine.is_ready


def test_an_init_that_fails_is_counted_too():
    rig = Rig()
    rig.answers[Call.TICKLE] = tickle(status=GONE)
    rig.answers[Call.INIT] = DOWN
    rig.start()
    rig.go(300)
    assert Call.LOGOUT in rig.asked


def test_accounts_choose_switch_and_suppress():
    rig = Rig(account="DU2", suppress=("o163",))
    rig.answers[Call.ACCOUNTS] = {"accounts": ["DU1", "DU2"], "selectedAccount": "DU1"}
    rig.start()
    assert rig.asked == [Call.TICKLE, Call.ACCOUNTS, Call.SWITCH, Call.SUPPRESS]
    assert rig.machine.account == "DU2"
    assert rig.machine.is_ready


def test_n_12_the_account_of_a_running_session_does_not_change():
    """Another one was selected elsewhere meanwhile: who shows this one would show nothing more."""
    rig = Rig()
    both = {"accounts": ["DU1", "DU2"], "selectedAccount": "DU1"}
    rig.answers[Call.ACCOUNTS] = both
    rig.ready()
    rig.answers[Call.ACCOUNTS] = {**both, "selectedAccount": "DU2"}
    rig.lose()
    rig.go(5)
    assert rig.machine.is_ready
    assert rig.machine.account == "DU1"
    assert Call.SWITCH in rig.asked
    rig.answers[Call.ACCOUNTS] = {"accounts": ["DU7"], "selectedAccount": "DU7"}
    rig.lose()
    rig.go(5)
    assert "'DU1' is not one of this login" in str(rig.of(Failed)[0].error)


@pytest.mark.parametrize("given", [{"account": "U9"}, {"expect_paper": False}])
def test_t_03_the_wrong_account_ends_it_before_anything_is_sent(given):
    rig = Rig(**given).start()
    assert rig.state is KeeperState.DOWN
    assert isinstance(rig.of(Failed)[0].error, ConfigError)
    assert not rig.sockets
    assert rig.machine.deadline is None


def test_t_03_the_greeting_may_say_it_first():
    rig = Rig(expect_paper=True)
    rig.answers[Call.ACCOUNTS] = {"accounts": ["DU1"]}
    rig.greets = False
    rig.start()
    rig.frame({**SYSTEM, "isPaper": False})
    assert rig.state is KeeperState.DOWN
    assert rig.closed == [1]


def test_a_gateway_that_cannot_be_reached_is_tried_again_ever_more_slowly():
    rig = Rig()
    rig.answers[Call.TICKLE] = TransportError("refused")
    rig.start()
    rig.go(400)
    times = [at for at, call in rig.asked_at if call is Call.TICKLE]
    pauses = [b - a for a, b in itertools.pairwise(times)]
    assert 0.8 <= pauses[0] <= 1.2
    assert max(pauses) <= 72
    assert rig.state is KeeperState.AUTHENTICATING
    assert len(times) < 60


# -- greeting ----------------------------------------------------------------------------------


def test_w_01_w_03_both_are_waited_for():
    rig = Rig()
    rig.greets = False
    rig.start()
    assert rig.state is KeeperState.CONNECTING
    rig.frame(STS)
    assert not rig.machine.is_ready
    rig.frame(SYSTEM)
    assert rig.machine.is_ready


def test_missing_sts_is_waited_for_no_longer_than_five_seconds():
    rig = Rig()
    rig.greets = False
    rig.start()
    rig.frame(SYSTEM)
    rig.go(4.9)
    assert not rig.machine.is_ready
    rig.go(0.2)
    assert rig.machine.is_ready


def test_f_02_a_late_greeting_means_asking_again():
    rig = Rig()
    rig.greets = False
    rig.start()
    rig.go(6)
    assert rig.machine.is_ready
    rig.frame(SYSTEM)
    rig.frame(SYSTEM)
    assert len(rig.of(GreetedLate)) == 1


def test_a_venue_that_says_no_is_not_ready_after_the_wait():
    rig = Rig()
    rig.greets = False
    rig.answers[Call.STATUS] = None
    rig.start()
    rig.machine.socket.merge({"authenticated": False})
    rig.go(6)
    assert not rig.machine.is_ready
    assert rig.asked[-1] is Call.STATUS


def test_a_socket_that_was_greeted_too_early_is_replaced():
    """The status became fine, and no further `sts` comes on this socket."""
    rig = Rig()
    rig.greets = False
    rig.start()
    rig.frame(SYSTEM)
    rig.frame({"topic": "sts", "args": GONE})
    assert rig.state is KeeperState.AUTHENTICATING or rig.state is KeeperState.UNAUTHENTICATED
    rig.greets = True
    rig.go(20)
    assert rig.machine.is_ready
    assert rig.closed == [1]


def test_t_09_the_session_is_told_only_when_asked_for_and_once():
    rig = Rig()
    rig.greets = False
    rig.start()
    assert rig.sent == []
    rig.frame({"message": "waiting for session"})
    rig.frame({"message": "waiting for session"})
    assert rig.sent == ['{"session":"s1"}']
    rig.frame(SYSTEM)
    rig.frame(STS)
    assert rig.machine.is_ready


# -- losing it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [None, LOST, TransportError("no frame of any kind for 25 s")])
def test_stale_reconnects_with_a_fresh_session_and_one_gap(error):
    rig = Rig().ready()
    rig.answers[Call.TICKLE] = tickle("s2")
    rig.lose(error)
    assert rig.state is KeeperState.STALE
    assert len(rig.gaps) == 1
    rig.go(1.3)
    assert rig.machine.is_ready
    assert rig.asked == [Call.TICKLE, Call.ACCOUNTS]
    assert [socket.session for socket in rig.sockets] == ["s1", "s2"]
    ready = rig.of(Ready)[-1]
    assert ready.epoch == 2
    assert 0.8 * S <= ready.gap_ns <= 1.2 * S


def test_reconnect_pauses_grow_and_start_over_after_a_minute():
    rig = Rig().ready()
    rig.opens = HandshakeError("refused")
    rig.lose(LOST)
    rig.go(200)
    opened = len(rig.sockets)
    assert 6 <= opened <= 12
    assert len(rig.gaps) == 1
    rig.opens = True
    rig.go(80)
    assert rig.machine.is_ready
    rig.go(61)
    rig.lose(LOST)
    rig.go(1.3)
    assert rig.machine.is_ready


def test_w_05_tic_every_55_seconds_and_stale_without_an_answer():
    rig = Rig().ready()
    rig.answers_tic = False
    rig.go(54.9)
    assert rig.sent == []
    rig.go(0.2)
    assert rig.sent == ["tic"]
    rig.frame({"topic": "tic", "alive": True, "id": "s1", "lastAccessed": 7})
    for _ in range(3):
        rig.frame({"topic": "tic", "alive": True, "id": "s1", "lastAccessed": 7})
    assert rig.machine.socket.tics == 1
    rig.go(55)
    assert rig.sent == ["tic"] * 2
    rig.go(9.8)
    assert rig.machine.is_ready
    rig.go(0.3)
    assert rig.gaps == ["tic was not answered"]
    assert rig.closed == [1]


def test_a_late_look_is_not_held_against_the_venue():
    rig = Rig().ready()
    rig.answers_tic = False
    rig.go(55.1)
    rig.pass_time(20)  # stopped, with the answer in the socket
    rig.run(rig.machine.look(rig.now, rig.wall))
    assert rig.machine.is_ready
    rig.frame({"topic": "tic", "alive": True, "id": "s1", "lastAccessed": 9})
    rig.go(30)
    assert rig.machine.is_ready


def test_tic_says_that_the_session_is_dead():
    rig = Rig().ready()
    rig.answers[Call.INIT] = None
    rig.frame({"topic": "tic", "alive": False, "id": "s1", "lastAccessed": 1})
    assert rig.state is KeeperState.UNAUTHENTICATED
    assert rig.asked == [Call.INIT]


@pytest.mark.parametrize("where", ["tic", "tickle"])
def test_n_08_another_session_id_replaces_the_socket(where):
    rig = Rig().ready()
    rig.answers[Call.TICKLE] = tickle("s2")
    if where == "tic":
        rig.frame({"topic": "tic", "alive": True, "id": "s2", "lastAccessed": 1})
    else:
        rig.go(60.1)
    assert len(rig.of(SessionReplaced)) == 1
    assert rig.closed == [1]
    assert len(rig.gaps) == 1
    assert [socket.session for socket in rig.sockets] == ["s1", "s2"]
    assert rig.machine.is_ready


@pytest.mark.parametrize("sign", ["sts", "tickle", "error in a tickle", "401", "request"])
def test_unauthenticated_is_renewed_with_init_on_the_same_socket(sign):
    rig = Rig().ready()
    rig.answers[Call.INIT] = None
    if sign == "sts":
        rig.frame({"topic": "sts", "args": {"authenticated": False}})
    elif sign == "request":
        rig.answers[Call.STATUS] = GONE
        rig.run(rig.machine.doubt(rig.now, rig.wall))
    else:
        rig.answers[Call.TICKLE] = {
            "tickle": tickle(status=GONE),
            "error in a tickle": VenueError(200, "failed to process request", status=200),
            "401": UNKNOWN,
        }[sign]
        rig.go(60.1)
    assert rig.state is KeeperState.UNAUTHENTICATED
    assert rig.asked.count(Call.INIT) == 1
    assert len(rig.gaps) == 1
    rig.answers[Call.TICKLE] = tickle()
    rig.reply(Call.INIT, FINE)
    rig.frame({"topic": "sts", "args": {"authenticated": True}})
    assert rig.machine.is_ready
    assert rig.readies == 1
    assert len(rig.sockets) == 1
    assert not rig.closed


def test_f_20_only_one_renewal_at_a_time():
    rig = Rig().ready()
    rig.answers[Call.INIT] = None
    rig.frame({"topic": "sts", "args": {"authenticated": False}})
    for _ in range(5):
        rig.frame({"topic": "sts", "args": {"authenticated": False}})
        rig.run(rig.machine.doubt(rig.now, rig.wall))
        rig.frame({"topic": "tic", "alive": False, "lastAccessed": _})
    assert rig.asked == [Call.INIT]
    assert len(rig.gaps) == 1


def test_doubt_is_settled_by_one_look_where_the_session_is_fine():
    rig = Rig().ready()
    rig.answers[Call.STATUS] = None
    for _ in range(3):
        rig.run(rig.machine.doubt(rig.now, rig.wall))
    assert rig.asked == [Call.STATUS]
    rig.reply(Call.STATUS, FINE)
    assert rig.machine.is_ready
    rig.run(rig.machine.doubt(rig.now, rig.wall))
    assert rig.asked == [Call.STATUS] * 2
    rig.reply(Call.STATUS, TransportError("x"))
    assert rig.machine.is_ready
    assert not rig.gaps


# -- competing ---------------------------------------------------------------------------------


def test_n_02_yield_waits_until_the_other_leaves():
    rig = Rig().ready()
    rig.answers[Call.STATUS] = TAKEN
    rig.frame({"topic": "sts", "args": {"competing": True}})
    rig.frame({"topic": "sts", "args": {"authenticated": False}})
    assert rig.state is KeeperState.COMPETING
    assert [event.takes_over for event in rig.of(Competed)] == [False]
    assert rig.gaps == ["the user name is used elsewhere"]
    rig.go(190)
    looks = [call for call in rig.asked if call is not Call.TICKLE]
    assert looks == [Call.STATUS] * 3  # once a minute, and nothing that would take it
    rig.answers[Call.STATUS] = FINE
    rig.frame({"topic": "sts", "args": {"competing": False, "authenticated": True}})
    assert rig.machine.is_ready
    assert len(rig.of(Competed)) == 1


def test_n_02_yield_renews_what_the_other_left():
    rig = Rig().ready()
    rig.answers[Call.STATUS] = GONE
    rig.frame({"topic": "sts", "args": {"competing": True}})
    rig.go(61)
    assert rig.asked[-3:] == [Call.STATUS, Call.INIT, Call.ACCOUNTS]


def test_n_02_take_over_once_and_then_once_a_minute():
    rig = Rig(compete="take_over").ready()
    rig.answers[Call.TAKE_OVER] = rig.answers[Call.STATUS] = TAKEN
    rig.frame({"topic": "sts", "args": {"competing": True}})
    assert rig.asked == [Call.TAKE_OVER]
    rig.go(125)
    assert rig.asked.count(Call.TAKE_OVER) == 3
    assert Call.INIT not in rig.asked
    assert rig.state is KeeperState.COMPETING
    rig.answers[Call.TAKE_OVER] = rig.answers[Call.STATUS] = FINE
    rig.go(61)
    rig.frame({"topic": "sts", "args": {"competing": False, "authenticated": True}})
    assert rig.machine.is_ready
    assert len(rig.of(Competed)) == 1


@pytest.mark.parametrize("compete", ["yield", "take_over"])
def test_competing_at_the_start(compete):
    rig = Rig(compete=compete)
    rig.answers[Call.TICKLE] = tickle(status=TAKEN)
    rig.answers[Call.STATUS] = TAKEN
    rig.start()
    if compete == "yield":
        assert rig.state is KeeperState.COMPETING
        rig.answers[Call.STATUS] = FINE
        rig.answers[Call.TICKLE] = tickle()
        rig.go(61)
    assert rig.machine.is_ready


def test_the_tickle_says_that_somebody_competes():
    rig = Rig().ready()
    rig.answers[Call.TICKLE] = tickle(status=TAKEN)
    rig.answers[Call.STATUS] = TAKEN
    rig.go(60.1)
    assert rig.state is KeeperState.COMPETING


def test_f_12_three_closes_at_once_slow_us_down():
    rig = Rig().ready()
    rig.answers[Call.STATUS] = TAKEN
    for _ in range(3):
        rig.lose(ConnectionLost(1000, clean=True))
        if rig.state is KeeperState.STALE:
            rig.go(6)
    assert rig.state is KeeperState.COMPETING
    assert "another client" in rig.of(Competed)[0].reason
    opened = len(rig.sockets)
    rig.go(59)
    assert len(rig.sockets) == opened


# -- login -------------------------------------------------------------------------------------


def test_f_15_a_gateway_without_a_login_says_where_to_log_in():
    rig = Rig()
    rig.answers[Call.TICKLE] = rig.answers[Call.STATUS] = UNKNOWN
    rig.start()
    assert rig.state is KeeperState.NEEDS_LOGIN
    assert rig.of(LoginNeeded)[0].url == "https://localhost:5000"
    rig.go(300)
    assert rig.asked.count(Call.STATUS) == 5
    assert len(rig.of(LoginNeeded)) == 1
    rig.answers[Call.TICKLE], rig.answers[Call.STATUS] = tickle(), FINE
    rig.go(61)
    assert rig.machine.is_ready


@pytest.mark.parametrize("said", [{"iserver": {"authStatus": FINE}}, {}])
def test_a_gateway_without_a_session_needs_a_login(said):
    rig = Rig()
    rig.answers[Call.TICKLE] = said
    rig.start()
    assert rig.state is KeeperState.NEEDS_LOGIN
    assert len(rig.asked) <= 2
    rig.answers[Call.TICKLE] = tickle()
    rig.go(61)
    assert rig.machine.is_ready


def test_a_login_that_goes_away_closes_the_socket():
    rig = Rig().ready()
    rig.answers[Call.INIT] = rig.answers[Call.TICKLE] = UNKNOWN
    rig.answers[Call.STATUS] = OUT
    rig.frame({"topic": "sts", "args": {"authenticated": False}})
    assert rig.state is KeeperState.NEEDS_LOGIN
    assert rig.closed == [1]
    rig.go(130)
    assert Call.INIT not in rig.asked[1:]  # logged out: nothing to renew
    rig.answers[Call.TICKLE] = tickle("s9")
    rig.answers[Call.STATUS] = FINE
    rig.go(61)
    assert rig.machine.is_ready
    assert rig.sockets[-1].session == "s9"


# -- the tickle --------------------------------------------------------------------------------


def test_n_06_every_minute_the_first_at_once():
    rig = Rig().start()
    rig.go(200)
    assert [at for at, call in rig.asked_at if call is Call.TICKLE] == [0, 60, 120, 180]


FAULTS = {
    "nothing": None,
    "transport": TransportError("x"),
    "time-out": RequestTimeout("x"),
    "503": DOWN,
    "429": RateLimited(429, "x", retry_after_s=0.0, status=429),
    "penalty": ibkr.InPenalty(429, "x", retry_after_s=600.0),
    "401": UNKNOWN,
    "no bridge": BRIDGE,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_f_11_it_goes_on_under_every_fault_and_says_when_it_is_overdue(fault):
    rig = Rig().ready()
    error = FAULTS[fault]
    for call in Call:
        rig.answers[call] = error
    rig.go(119)
    assert not rig.of(TickleOverdue)
    rig.go(2)
    assert [round(event.late_s) for event in rig.of(TickleOverdue)] == [120]
    tickles = rig.asked.count(Call.TICKLE)
    assert tickles >= 1
    rig.go(300)
    assert len(rig.of(TickleOverdue)) == 1
    if fault != "nothing":
        assert rig.asked.count(Call.TICKLE) >= tickles + 4
    rig.pending.clear()


# -- time --------------------------------------------------------------------------------------


def test_f_32_a_machine_that_slept_connects_anew_at_once():
    rig = Rig().ready()
    rig.go(20)
    rig.run(rig.machine.look(rig.now, rig.wall))
    rig.wall += 3_600 * S
    rig.answers[Call.TICKLE] = tickle("s2")
    rig.go(60)
    assert rig.gaps == ["this machine slept for 3600 s"]
    assert rig.closed == [1]
    assert rig.machine.is_ready
    rig.wall -= 7_200 * S  # somebody sets the clock back: nothing happened
    rig.events.clear()
    rig.go(50)
    assert not rig.gaps


# -- the end -----------------------------------------------------------------------------------


def test_stop_closes_and_nothing_follows():
    rig = Rig().ready()
    rig.run(rig.machine.stop(rig.now, rig.wall))
    assert rig.state is KeeperState.DOWN
    assert rig.closed == [1]
    assert rig.machine.deadline is None
    assert rig.machine.look(rig.now, rig.wall) == []
    assert rig.machine.stop(rig.now, rig.wall) == []


def test_what_belongs_to_an_earlier_socket_or_step_is_ignored():
    rig = Rig().ready()
    old = rig.machine.socket.epoch
    rig.lose(LOST)
    rig.go(2)
    assert rig.machine.is_ready
    assert rig.machine.socket_over(rig.now, rig.wall, old, LOST) == []
    assert [type(each).__name__ for each in rig.machine.socket_open(rig.now, rig.wall, old)] == [
        "CloseSocket"
    ]
    assert rig.machine.answered(rig.now, rig.wall, 1, GONE) == []
    assert rig.machine.failed(rig.now, rig.wall, 1, UNKNOWN) == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("go"), st.floats(0, 130)),
        st.tuples(st.just("lose"), st.sampled_from([None, LOST])),
        st.tuples(
            st.just("frame"),
            st.sampled_from(
                [
                    SYSTEM,
                    STS,
                    {"topic": "sts", "args": {"competing": True}},
                    {"topic": "sts", "args": {"competing": False}},
                    {"topic": "sts", "args": {"authenticated": False}},
                    {"topic": "sts", "args": 7},
                    {"topic": "tic", "alive": False, "lastAccessed": 1},
                    {"topic": "tic", "alive": True, "id": "s7", "lastAccessed": 2},
                    {"message": "waiting for session"},
                    {"topic": "act", "args": {"isPaper": True}},
                    [],
                ]
            ),
        ),
        st.tuples(
            st.just("answer"),
            st.tuples(
                st.sampled_from(list(Call)),
                st.sampled_from(
                    [
                        FINE,
                        GONE,
                        TAKEN,
                        OUT,
                        {},
                        "no JSON",
                        ACCOUNTS,
                        tickle(),
                        tickle("s3"),
                        tickle(status=None),
                        tickle(status=GONE),
                        DOWN,
                        UNKNOWN,
                        BRIDGE,
                    ]
                ),
            ),
        ),
        st.tuples(st.just("doubt"), st.none()),
        st.tuples(st.just("opens"), st.sampled_from([True, HandshakeError("x")])),
    ),
    max_size=30,
)


@given(STEPS, st.sampled_from(["yield", "take_over"]))
def test_any_history_keeps_the_promises(steps, compete):
    """One gap for each loss, one open socket at most, always something to wait for."""
    rig = Rig(compete=compete)
    rig.start()
    for kind, value in steps:
        if kind == "go":
            rig.go(value)
        elif kind == "lose" and rig.machine.socket.epoch:
            rig.lose(value)
        elif kind == "frame":
            rig.frame(value)
        elif kind == "answer":
            rig.answers[value[0]] = value[1]
        elif kind == "doubt":
            rig.run(rig.machine.doubt(rig.now, rig.wall))
        elif kind == "opens":
            rig.opens = value
        readies, gaps = len(rig.of(Ready)), len(rig.gaps)
        assert readies - gaps == (1 if rig.machine.is_ready else 0)
        assert rig.machine.deadline is not None or rig.state is KeeperState.DOWN
    # The venue recovers, and so do we, without anybody's help.
    fresh = Rig()
    rig.answers.update(fresh.answers)
    rig.opens = True
    if rig.state is not KeeperState.DOWN:
        rig.frame({"topic": "sts", "args": {"competing": False, "authenticated": True}})
        rig.go(400)
        assert rig.machine.is_ready, rig.state


def test_frames_before_the_socket_is_open_say_nothing():
    rig = Rig()
    rig.opens = None
    rig.start()
    assert rig.machine.frame(rig.now, rig.wall, message(SYSTEM)) == []
    assert rig.state is KeeperState.CONNECTING
