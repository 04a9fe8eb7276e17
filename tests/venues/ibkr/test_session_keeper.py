"""The keeper on a simulated venue: session faults, gaps, and what streams hear of them.

Times run sixty times as fast as in life, so that a minute is a second.
"""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from connectors import ibkr
from connectors.errors import ClientError, ConfigError, RequestTimeout
from connectors.ibkr.config import Pacing
from connectors.ibkr.events import (
    Competed,
    Failed,
    Gap,
    GreetedLate,
    KeeperState,
    LoginNeeded,
    PenaltyBegan,
    Ready,
    SessionReplaced,
    TickleOverdue,
    VenueNotice,
)
from connectors.ibkr.keeper import FrameDecoder, SessionKeeper
from connectors.ibkr.pacing import Pacer
from connectors.ibkr.rest import IbkrRest
from connectors.ibkr.stream import TopicStream
from connectors.model import StreamState
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from connectors.net.session_events import Closed, Connected, Lost, SessionState
from connectors.sim.ibkr.server import start
from patience import until

AAPL = 'smd+265598+{"fields":["31","84","86"]}'
NAMES = ("sor+{}", 'str+{"realtimeUpdatesOnly":true,"days":1}', "spl+{}", AAPL)
# Quick enough for a test, but for what a stalled process must not trip.
TIMERS = ibkr.Timers(
    tickle_s=1.0,
    tickle_alarm_s=60.0,
    tic_s=30.0,
    greeting_s=2.0,
    login_poll_s=0.3,
    bridge_step_s=0.05,
    reconnect_min_s=0.05,
    reconnect_max_s=0.3,
    resend_s=2.0,
)


class Owner:
    """What a stream tells."""

    def __init__(self):
        self.outcomes, self.sessions, self.messages, self.asked = [], [], [], []
        self.problems, self.errors = [], []

    def on_venue_error(self, stream, code, message):
        self.errors.append((code, message))

    def on_frame_problem(self, stream, error):
        self.problems.append(error)

    def on_outcomes(self, stream, outcomes):
        self.outcomes += outcomes

    def on_session_event(self, stream, event):
        self.sessions.append(event)

    def on_message(self, message, ts_init):
        self.messages.append(message)

    def on_asked(self, topic, why):
        self.asked.append((topic, why.value))

    @property
    def active(self):
        return {each.channel for each in self.outcomes if each.state is StreamState.ACTIVE}


class Rig:
    def __init__(self, sim, **settings):
        self.sim = sim
        self.events = []
        settings.setdefault("timers", TIMERS)
        self.config = ibkr.Config.sim(sim.rest_url, **settings)
        self.rest = IbkrRest(self.config, pacer=Pacer(Pacing(per_second=1_000)))
        self.keeper = SessionKeeper(
            self.config,
            rest=self.rest,
            on_event=self.events.append,
            attempts=AttemptBudget((Quota(1_000, 1.0),)),
        )
        self.owner = Owner()
        self.stream = TopicStream(
            self.owner,
            "ibkr/test",
            self.keeper,
            on_message=self.owner.on_message,
            on_asked=self.owner.on_asked,
        )

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    async def served(self, gaps=0):
        """Wait until the session is ready after that many gaps, and every topic is served."""
        control = self.stream.topics
        await until(lambda: len(self.of(Gap)) >= gaps and self.keeper.is_ready, what=repr(self))
        await until(
            lambda: self.keeper.is_ready and all(control.is_active(name) for name in NAMES),
            what=repr(self.stream),
        )

    def __repr__(self):
        return f"{self.keeper!r} {self.events[-4:]}"


@asynccontextmanager
async def kept(subscribed=True, sim=None, **settings):
    venue = await start(md_interval_ms=50.0, init_ms=20.0, **(sim or {}))
    rig = Rig(venue, **settings)
    try:
        if subscribed:
            await rig.keeper.open()
            await rig.stream.open()
            for name in NAMES:
                rig.stream.subscribe(name)
            await rig.served()
        yield rig
    finally:
        await rig.stream.close()
        while rig.keeper.is_open:
            await rig.keeper.close()
        await rig.rest.close()
        await venue.stop()


def test_up_served_and_down_again(run):
    async def scene():
        async with kept() as rig:
            keeper = rig.keeper
            assert (keeper.account, keeper.is_paper, keeper.epoch) == ("DU1234567", True, 1)
            keeper.require_ready()
            assert {topic for topic, _ in rig.owner.asked} == {"sor", "str", "spl", "smd+265598"}
            assert {message.topic for message in rig.owner.messages} >= {"str", "spl"}
            assert "system" not in {message.topic for message in rig.owner.messages}
            state = rig.keeper.machine.session
            assert state not in repr(keeper) + repr(rig.events) + repr(rig.owner.messages)
            await rig.stream.close()
            await keeper.close()
            assert keeper.state is KeeperState.DOWN
            with pytest.raises(ClientError, match="down"):
                keeper.send("tic")
            await keeper.open()  # and up once more
            assert keeper.is_ready

    run(scene(), 60)


FAULTS = {
    "close_1006": lambda sim: sim.faults.close_1006(),
    "close_1011": lambda sim: sim.faults.close_1011(),
    "reset_mid_frame": lambda sim: sim.faults.reset_mid_frame(),
    "session_id_change": lambda sim: sim.faults.session_id_change(),
    "outer_only": lambda sim: sim.faults.outer_only(),
    "no_bridge_window": lambda sim: (sim.faults.no_bridge_window(50), sim.faults.close_1006()),
    "waiting_for_session": lambda sim: (
        sim.faults.waiting_for_session(), sim.faults.close_1006()
    ),
}  # fmt: skip


def test_every_fault_of_the_session_is_one_gap_and_everything_is_asked_for_again(run):
    async def scene():
        async with kept() as rig:
            for gaps, (name, fault) in enumerate(FAULTS.items(), start=1):
                rig.owner.asked.clear()
                ready = len(rig.of(Ready))
                fault(rig.sim)
                await rig.served(gaps)
                assert len(rig.of(Gap)) == gaps, name
                assert len(rig.of(Ready)) == ready + 1, name
                assert [why for _, why in rig.owner.asked[:4]] == ["after_gap"] * 4, name
                order = [topic for topic, _ in rig.owner.asked[:4]]
                assert order == ["sor", "str", "spl", "smd+265598"], name
            losses = [each for each in rig.owner.sessions if isinstance(each, Lost)]
            ups = [each for each in rig.owner.sessions if isinstance(each, Connected)]
            assert len(losses) == len(FAULTS)
            assert [each.is_reconnect for each in ups] == [False] + [True] * len(FAULTS)
            assert len(rig.of(SessionReplaced)) >= 1

    run(scene(), 120)


def test_competing_yields_or_takes_over(run):
    async def scene():
        async with kept(compete="take_over") as rig:
            rig.sim.faults.competing()
            await rig.served(1)
            assert [event.takes_over for event in rig.of(Competed)] == [True]
        async with kept(compete="yield") as rig:
            rig.sim.faults.competing()
            await until(lambda: rig.keeper.state is KeeperState.COMPETING)
            with pytest.raises(ClientError, match="used elsewhere"):
                rig.keeper.require_ready()
            with pytest.raises(RequestTimeout, match="competing"):
                await rig.keeper.wait_ready(timeout_s=0.05)

    run(scene(), 120)


def test_a_login_that_expires_and_comes_back(run):
    async def scene():
        async with kept() as rig:
            rig.sim.faults.session_expiry()
            await until(lambda: rig.of(LoginNeeded), what=repr(rig))
            url = rig.of(LoginNeeded)[0].url
            assert url == rig.sim.rest_url.removesuffix("/v1/api")
            assert any(url in message for _, message in rig.owner.errors)  # F-15
            rig.sim.faults.log_in()
            await rig.served(1)
            assert len(rig.of(Gap)) == 1

    run(scene(), 120)


def test_opening_says_at_once_what_only_a_person_can_change(run):
    async def scene():
        async with kept(subscribed=False) as rig:
            rig.sim.faults.session_expiry()
            with pytest.raises(ibkr.NotAuthenticated, match="log in at http://127"):
                await rig.keeper.open()
            assert not rig.keeper.is_open
        async with kept(subscribed=False, account="U0000000") as rig:
            with pytest.raises(ConfigError, match="U0000000"):
                await rig.keeper.open()

    run(scene(), 60)


def test_f_02_a_late_greeting_loses_nothing(run):
    async def scene():
        slow = ibkr.Timers(greeting_s=0.2, resend_s=20.0)
        async with kept(sim={"system_ms": 1_000.0}, subscribed=False, timers=slow) as rig:
            await rig.keeper.open()
            await rig.stream.open()
            for name in NAMES:
                rig.stream.subscribe(name)
            await rig.served()
            assert len(rig.of(GreetedLate)) == 1
            assert not rig.of(Gap)

    run(scene(), 60)


def test_missing_sts_and_error_frames_do_no_harm(run):
    async def scene():
        async with kept(sim={"greet_sts": False}, subscribed=False) as rig:
            await rig.keeper.open()
            rig.sim.faults.error_frame(text="no such thing")
            rig.sim.faults.malformed()
            await until(lambda: rig.of(VenueNotice) and rig.keeper.malformed)
            assert rig.of(VenueNotice)[0].text == "no such thing"
            assert rig.keeper.is_ready

    run(scene(), 60)


def test_two_clients_share_one_keeper_and_the_last_one_ends_it(run):
    async def scene():
        async with kept() as rig:
            await rig.keeper.open()
            with pytest.raises(ClientError, match="before the session is opened"):
                rig.keeper.use_decoder(FrameDecoder)
            await rig.keeper.close()
            assert rig.keeper.is_ready
            await rig.keeper.close()
            assert rig.keeper.state is KeeperState.DOWN
            await rig.keeper.close()

    run(scene(), 60)


def test_a_callback_that_raises_ends_nothing(run):
    async def scene():
        async with kept(subscribed=False) as rig:

            def broken(*_):
                raise RuntimeError("mine")

            rig.keeper._on_event = broken
            rig.owner.on_message = broken
            await rig.keeper.open()
            assert rig.keeper.is_ready
            assert rig.keeper.callback_errors >= 3

    run(scene(), 60)


def test_a_decoder_that_cannot_be_made_or_fails_is_told_and_ends_nothing(run):
    async def scene():
        async with kept(subscribed=False) as rig:
            made = []

            class Broken(FrameDecoder):
                def on_message(self, data, ts_init):
                    super().on_message(data, ts_init)
                    if b'"hb"' in data or b'"act"' in data:
                        raise RuntimeError("mine")

            def make(keeper):
                made.append(keeper)
                if len(made) < 3:
                    raise RuntimeError("not yet")
                return Broken(keeper)

            rig.keeper.use_decoder(make)
            await rig.stream.open()
            await rig.keeper.open()
            assert len(made) == 3
            await until(lambda: rig.owner.problems)
            assert rig.keeper.problems == len(rig.owner.problems)
            assert rig.keeper.is_ready

    run(scene(), 60)


def test_f_15_w_08_clients_hear_what_keeps_their_session_away():
    """Who has no callback at the keeper: of logins, penalties, error frames, and of the end."""
    owner, keeper = Owner(), SessionKeeper(ibkr.Config())
    stream = TopicStream(owner, "ibkr/test", keeper)
    keeper.attach(stream)
    for event, words in (
        (LoginNeeded(0, "https://localhost:5000", "nobody is"), "https://localhost:5000"),
        (Competed(0, False, "the user name is used elsewhere"), "used elsewhere"),
        (PenaltyBegan(0, 600.0), "600 s"),
        (TickleOverdue(0, 120.0), "120 s"),
        (VenueNotice(0, "unknown topic", 7), "unknown topic"),
        (VenueNotice(0, "bad", "E7"), "E7: bad"),
    ):
        stream.on_keeper_event(event)
        assert words in owner.errors[-1][1], event
    assert [code for code, _ in owner.errors][-2:] == [7, None]
    assert owner.sessions == []
    wrong = ConfigError("this session is live, and a paper one is wanted")
    stream.on_keeper_event(Failed(0, wrong))
    assert [event.error for event in owner.sessions if isinstance(event, Closed)] == [wrong]
    assert stream.session.state is SessionState.CLOSED


class Wire(SessionKeeper):
    """A keeper whose session is ready, and whose frames are only noted."""

    def __init__(self):
        super().__init__(ibkr.Config())
        self.frames = []

    @property
    def is_ready(self):
        return True

    def send(self, data):
        self.frames.append(data.decode())


@pytest.mark.parametrize("what", ["cancel", "subscribe"])
def test_who_hears_that_a_topic_is_served_may_act_at_once(run, what):
    """A ladder counts as served when it is asked for, and its owner may cancel in the callback."""
    book, other = "sbd+DU1+265598", "sbd+DU2+8314"

    async def scene():
        keeper, owner = Wire(), Owner()
        stream = TopicStream(owner, "ibkr/test", keeper)
        keeper.attach(stream)

        def on_outcomes(_, outcomes):
            owner.outcomes += outcomes
            if outcomes[0].channel != book:
                return
            if what == "cancel":
                stream.unsubscribe(book)
            else:
                stream.subscribe(other)

        owner.on_outcomes = on_outcomes
        stream.subscribe(book)
        stream.subscribe(AAPL)
        assert keeper.callback_errors == 0
        assert keeper.frames == [book, "ubd+DU1" if what == "cancel" else other, AAPL]
        stream._stop_timers()

    run(scene())


def test_a_client_that_joins_late_was_not_lost_before(run):
    """The session was ready twice already: its first connection is no reconnect to the client."""

    async def scene():
        keeper, owner = Wire(), Owner()
        keeper.machine.epoch = 2
        keeper.attach(stream := TopicStream(owner, "ibkr/test", keeper))
        stream.on_keeper_event(Gap(0, "closed"))
        stream.on_keeper_event(Ready(0, 3, 10))
        seen = [event.is_reconnect for event in owner.sessions if isinstance(event, Connected)]
        assert seen == [False, True]

    run(scene())
