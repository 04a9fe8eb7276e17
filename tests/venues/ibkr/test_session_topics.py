"""Topics of one client: order, confirmation, resending, renewal, limits (W-, F- rows); sans-I/O."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venues.ibkr.gateway_rig import table

from connectors import ibkr
from connectors.data.control import Method
from connectors.ibkr.config import Timers
from connectors.ibkr.control import Asked, TopicControl, cancel_frame, topic_of
from connectors.ibkr.wire import depth, history, ledger, market_data, summary, trades
from connectors.model import StreamState

AAPL = 'smd+265598+{"fields":["31"]}'
IBM = 'smd+8314+{"fields":["31"]}'


class Desk:
    """A control with the time beside it, pumped like a stream does."""

    def __init__(self, **settings):
        self.control = TopicControl(ibkr.Config(**settings))
        self.now = 100.0
        self.sent = []
        self.why = []
        self.outcomes = []

    def pump(self):
        while (command := self.control.next_command(self.now)) is not None:
            if command.method is Method.SUBSCRIBE:
                self.why.append(self.control.why(command))
                if self.control.may_be_silent(command.channel):
                    self.outcomes += self.control.on_subscribed(command.channel)
            self.control.sent(command, self.now)
            self.sent.append(command.data.decode())

    def up(self):
        self.control.on_connected()
        self.pump()
        return self

    def want(self, *names):
        for name in names:
            self.control.subscribe(name)
        self.pump()

    def drop(self, name):
        self.control.unsubscribe(name)
        self.pump()

    def hear(self, topic):
        self.outcomes += self.control.heard(topic)

    def go(self, seconds, each=lambda: None):
        end = self.now + seconds
        while (at := self.control.next_deadline(self.now)) is not None and at <= end:
            self.now = max(at, self.now)
            self.outcomes += self.control.overdue(self.now)
            self.pump()
            each()
        self.now = end

    def take(self):
        sent, self.sent = self.sent, []
        return sent


CLIENT = table("ws_client_frames.json")
MADE = {
    "trades": trades(days=1),
    "trades, defaults": "str+{}",
    "account summary": summary(
        "DU1234567", ["AccruedCash-S", "ExcessLiquidity-S"], ["currency", "monetaryValue"]
    ),
    "ledger": ledger(
        "DU1234567", ["LedgerListBASE", "LedgerListUSD"], ["cashBalance", "exchangeRate"]
    ),
    "history": history(
        265598,
        exchange="ISLAND",
        period="2h",
        bar="5min",
        outsideRth=False,
        source="trades",
        format="%o/%c/%h/%l",
    ),
    "book depth": depth("DU1234567", 265598, "ISLAND"),
    "book depth, default exchange": depth("DU1234567", 265598),
    "orders with filters": 'sor+{"filters":["Submitted","PreSubmitted"]}',
    "orders with days": 'sor+{"days":1}',
}


@pytest.mark.parametrize(
    "frame", [each for each in CLIENT["frames"] if "cancel" in each], ids=lambda f: f["call"]
)
def test_names_are_subscribe_frames_and_give_the_cancel_frame(frame):
    name = MADE.get(frame["call"], frame["frame"])
    assert name == frame["frame"]
    cancels = {cancel_frame(name, "20477"), (cancel_frame(name) or "").replace("utr", "utr+{}")}
    assert frame["cancel"] in cancels


def test_topic_of():
    assert topic_of(AAPL) == "smd+265598"
    assert topic_of("sor+{}") == "sor"
    assert topic_of(depth("DU1", 1, "ISLAND")) == "sbd+DU1+1+ISLAND"
    assert topic_of(summary("DU1")) == "ssd+DU1"
    assert topic_of(market_data("28812380;;;1/1,2/-1", ["31"])) == "smd+28812380;;;1/1,2/-1"


def test_f_02_nothing_before_the_session_is_ready_then_everything_in_order():
    desk = Desk()
    desk.want(AAPL, ledger("DU1"), "spl+{}", trades(), summary("DU1"), "sor+{}", IBM)
    assert desk.take() == []
    desk.up()
    kinds = [frame[:3] for frame in desk.take()]
    assert kinds == ["sor", "str", "spl", "ssd", "sld", "smd", "smd"]
    assert desk.why == [Asked.FIRST] * 7


def test_the_first_frame_confirms_and_sor_counts_at_once():
    desk = Desk().up()
    desk.want("sor+{}", AAPL)
    assert [outcome.channel for outcome in desk.outcomes] == ["sor+{}"]
    desk.hear("smd+8314")
    desk.hear("smd+265598")
    desk.hear("smd+265598")
    assert [outcome.channel for outcome in desk.outcomes] == ["sor+{}", AAPL]
    assert desk.control.is_active(AAPL)


def test_a_topic_that_says_nothing_is_asked_for_again_up_to_twenty_times():
    desk = Desk().up()
    desk.want("sor+{}", AAPL)
    desk.outcomes.clear()
    desk.take()
    desk.go(5.1)
    assert desk.take() == [AAPL]
    assert desk.why[-1] is Asked.AGAIN
    desk.go(1_000)
    frames = [frame for frame in desk.take() if frame == AAPL]
    assert 19 <= len(frames) <= 22  # and its renewals
    texts = [outcome.message for outcome in desk.outcomes]
    assert texts[0] == "no answer"
    assert "gave up" in texts[1]
    assert all(outcome.state is StreamState.PENDING for outcome in desk.outcomes)
    assert "sor+{}" not in desk.take()


def test_a_topic_that_speaks_late_is_served():
    desk = Desk().up()
    desk.want(AAPL)
    desk.go(7)
    desk.hear("smd+265598")
    assert desk.outcomes[-1].state is StreamState.ACTIVE
    desk.take()
    desk.go(500)
    assert desk.take() == []


def test_w_12_f_01_a_line_is_renewed_every_nine_minutes():
    desk = Desk().up()
    desk.want("sor+{}", AAPL)
    desk.hear("smd+265598")
    desk.take()
    desk.outcomes.clear()
    desk.go(539)
    assert desk.take() == []
    desk.go(2)
    assert desk.take() == [AAPL]
    assert desk.why[-1] is Asked.RENEWAL
    desk.hear("smd+265598")
    desk.go(1_700, each=lambda: desk.hear("smd+265598"))
    assert desk.take() == [AAPL] * 3
    assert desk.outcomes == []  # a renewal is no news


def test_w_12_a_renewal_without_an_answer_is_repeated():
    desk = Desk().up()
    desk.want(AAPL)
    desk.hear("smd+265598")
    desk.take()
    desk.go(546)
    assert desk.take() == [AAPL, AAPL]
    assert desk.outcomes[-1].message == "no answer"


def test_a_gap_asks_for_everything_again_with_the_history_of_executions():
    desk = Desk().up()
    desk.want(AAPL, trades(), "sor+{}")
    desk.hear("smd+265598")
    desk.take()
    desk.control.on_lost()
    assert not desk.control.is_active(AAPL)
    desk.drop(IBM)
    desk.want(IBM)
    assert desk.take() == []
    desk.why.clear()
    desk.up()
    assert desk.take() == ["sor+{}", 'str+{"realtimeUpdatesOnly":false,"days":1}', AAPL, IBM]
    assert desk.why == [Asked.AFTER_GAP] * 3 + [Asked.FIRST]


def test_a_late_greeting_asks_for_everything_again():
    desk = Desk().up()
    desk.want(AAPL, "sor+{}", depth("DU1", 1))
    desk.take()
    desk.control.ask_again()
    desk.pump()
    assert desk.take() == ["sor+{}", "sbd+DU1+1", AAPL]


def test_w_13_two_field_sets_of_a_line_and_one_cancel():
    more = 'smd+265598+{"fields":["7295"]}'
    desk = Desk().up()
    desk.want(AAPL, more)
    desk.hear("smd+265598")
    assert desk.control.is_active(AAPL)
    assert desk.control.is_active(more)
    desk.take()
    desk.drop(AAPL)
    assert desk.take() == []
    desk.hear("smd+265598")
    desk.drop(more)
    assert desk.take() == ["umd+265598+{}"]


def test_w_20_bars_are_cancelled_by_the_id_of_their_answer_even_if_it_comes_late():
    name = history(265598, period="1d", bar="1h")
    desk = Desk().up()
    desk.want(name)
    desk.control.note_server_id("smh+265598", "20477")
    desk.hear("smh+265598")
    desk.drop(name)
    assert desk.take()[-1] == "umh+20477"
    desk.want(name)
    desk.drop(name)
    assert desk.take() == [name]
    desk.control.note_server_id("smh+265598", "20478")
    desk.pump()
    assert desk.take() == ["umh+20478"]


def test_p_11_w_17_limits():
    desk = Desk(lines_max=2).up()
    desk.want(AAPL, IBM)
    assert desk.control.no_room(AAPL) is None
    assert desk.control.no_room('smd+265598+{"fields":["84"]}') is None
    assert "2 market data lines" in desk.control.no_room("smd+1+{}")
    for conid in range(5):
        desk.want(history(conid, bar="1min"))
    assert "5 histories" in desk.control.no_room(history(9, bar="1min"))
    desk.drop(history(0, bar="1min"))  # its id is not known: it still holds a place
    assert "5 histories" in desk.control.no_room(history(9, bar="1min"))
    desk.want(depth("DU1", 1))
    assert "one book" in desk.control.no_room(depth("DU1", 2))
    assert desk.control.no_room(depth("DU2", 2)) is None
    desk.drop(depth("DU1", 1))
    assert desk.control.no_room(depth("DU1", 2)) is None


def test_times_may_run_faster():
    desk = Desk(timers=Timers().faster(60)).up()
    desk.want(AAPL)
    desk.hear("smd+265598")
    desk.take()
    desk.go(9.05)
    assert desk.take() == [AAPL]


NAMES = [AAPL, IBM, 'smd+8314+{"fields":["84"]}', "sor+{}", trades(), "spl+{}"]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["want", "drop"]), st.sampled_from(NAMES)),
        st.tuples(st.just("hear"), st.sampled_from([topic_of(name) for name in NAMES])),
        st.tuples(st.just("go"), st.floats(0, 600)),
        st.tuples(st.sampled_from(["up", "lost", "again"]), st.none()),
    ),
    max_size=40,
)


@given(STEPS)
def test_the_venue_has_what_is_wanted(steps):
    """What the frames ask for, net, is what is wanted, whatever happened before."""
    desk, venue, is_up = Desk(), set(), False
    for step, value in steps:
        if step == "up" and not is_up:
            is_up = True
            desk.up()
        elif step == "lost" and is_up:
            is_up = False
            desk.control.on_lost()
            venue.clear()
        elif step == "again" and is_up:
            desk.control.ask_again()
            desk.pump()
        elif step in ("want", "drop", "hear", "go"):
            getattr(desk, step)(value)
        for frame in desk.take():
            kind, _, target = topic_of(frame).partition("+")
            topic = topic_of(frame)
            cancels = {"umd": f"smd+{target}", "utr": "str", "uor": "sor", "upl": "spl"}
            if kind in cancels:
                venue.discard(cancels[kind])
            else:
                venue.add(topic)
        assert venue == ({topic_of(name) for name in desk.control.channels} if is_up else set())


def test_a_topic_that_others_on_the_socket_want_is_not_ended():
    """Whoever leaves last ends it, also if its frame had to wait while another came to want it."""
    shared = {"spl"}
    control = TopicControl(ibkr.Config(), is_shared=shared.__contains__)
    control.on_connected()
    for name in ("spl+{}", AAPL):
        control.subscribe(name)
        control.sent(control.next_command(1.0), 1.0)
        control.unsubscribe(name)
    assert control.next_command(2.0).data == b"umd+265598+{}"
    shared.add("smd+265598")  # before it left
    assert control.next_command(2.0) is None
    shared.clear()
    control.subscribe("spl+{}")
    control.sent(control.next_command(3.0), 3.0)
    control.unsubscribe("spl+{}")
    assert control.next_command(3.0).data == b"upl+{}"


def test_a_topic_that_was_given_up_is_asked_for_now_and_then():
    """Executions that begin late are not lost for good; and nobody is told again and again."""
    desk = Desk().up()
    desk.want(trades())
    desk.go(200)
    told = len(desk.outcomes)
    desk.take()
    desk.go(3_600)
    assert 6 <= len(desk.take()) <= 7
    assert len(desk.outcomes) == told
    desk.hear("str")
    assert desk.outcomes[-1].state is StreamState.ACTIVE
    desk.go(3_600)
    assert desk.take() == []
