"""SubscriptionState against BN-SS-01 to BN-SS-10, then against three plain sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ConfigError
from connectors.net.subscriptions import SubscriptionState, TopicState


def make() -> SubscriptionState:
    return SubscriptionState("@")


@pytest.mark.parametrize(
    ("delimiter", "topic", "parts"),
    [
        ("@", "btcusdt@markPrice@1s", ("btcusdt", "markPrice@1s")),
        ("@", "btcusdt@aggTrade", ("btcusdt", "aggTrade")),
        ("@", "!bookTicker", ("!bookTicker", None)),
        ("@", "btcusdt@", ("btcusdt", "")),
        (":", "v4_candles:BTC-USD/1MIN", ("v4_candles", "BTC-USD/1MIN")),
        ("::", "a::b:c::d", ("a", "b:c::d")),
    ],
)
def test_bn_ss_01_split_at_first_delimiter(delimiter, topic, parts):
    assert SubscriptionState(delimiter).split(topic) == parts


def test_empty_delimiter_is_refused():
    with pytest.raises(ConfigError):
        SubscriptionState("")


def test_bn_ss_02_length_counts_confirmed_only_and_empty_means_all_three():
    state = make()
    assert state.is_empty
    assert len(state) == 0
    state.mark_subscribe("a@x")
    assert len(state) == 0
    assert not state.is_empty
    state.confirm_subscribe("a@x")
    assert len(state) == 1
    state.mark_unsubscribe("a@x")
    assert len(state) == 0
    assert not state.is_empty
    state.confirm_unsubscribe("a@x")
    assert state.is_empty


def test_bn_ss_03_mark_subscribe_leaves_confirmed_and_revives_pending_unsubscribe():
    state = make()
    state.confirm_subscribe("a@x")
    state.mark_subscribe("a@x")
    assert state.confirmed == ["a@x"]
    state.mark_unsubscribe("a@x")
    state.mark_subscribe("a@x")
    assert state.pending_subscribe == ["a@x"]
    assert state.pending_unsubscribe == []


def test_bn_ss_04_confirm_is_ignored_while_unsubscribing_else_confirms_even_unasked():
    state = make()
    state.confirm_subscribe("never@asked")
    assert state.is_confirmed("never@asked")
    state.mark_unsubscribe("a@x")
    state.confirm_subscribe("a@x")
    assert state.state_of("a@x") is TopicState.PENDING_UNSUBSCRIBE


@pytest.mark.parametrize("prepare", ["mark_subscribe", "confirm_subscribe", None])
def test_bn_ss_05_mark_unsubscribe_takes_from_the_other_sets(prepare):
    state = make()
    if prepare:
        getattr(state, prepare)("a@x")
    state.mark_unsubscribe("a@x")
    assert state.pending_unsubscribe == ["a@x"]
    assert state.pending_subscribe == state.confirmed == []


def test_bn_ss_06_late_unsubscribe_answer_leaves_a_newer_subscribe_alone():
    state = make()
    state.confirm_subscribe("a@x")
    state.mark_unsubscribe("a@x")
    state.mark_subscribe("a@x")
    state.confirm_unsubscribe("a@x")
    assert state.pending_subscribe == ["a@x"]


def test_bn_d_05_late_subscribe_answer_does_not_bring_a_topic_back():
    state = make()
    state.mark_subscribe("a@x")
    state.mark_unsubscribe("a@x")
    state.confirm_subscribe("a@x")
    state.confirm_unsubscribe("a@x")
    assert state.is_empty
    assert state.all_topics() == []


def test_bn_ss_07_failure_puts_a_topic_back_to_pending_unless_unsubscribing():
    state = make()
    state.confirm_subscribe("a@x")
    state.mark_failure("a@x")
    assert state.pending_subscribe == ["a@x"]
    state.mark_unsubscribe("a@x")
    state.mark_failure("a@x")
    assert state.pending_unsubscribe == ["a@x"]


def test_bn_ss_08_and_bn_s_85_all_topics_in_the_order_asked_for():
    state = make()
    for topic in ("c@1", "a@2", "b@3", "d@4"):
        state.mark_subscribe(topic)
    state.confirm_subscribe("b@3")
    state.mark_unsubscribe("a@2")
    assert state.all_topics() == ["c@1", "b@3", "d@4"]
    for topic in state.all_topics():  # a reconnect
        state.mark_failure(topic)
    assert state.all_topics() == ["c@1", "b@3", "d@4"]
    state.mark_subscribe("a@2")
    assert state.all_topics() == ["c@1", "b@3", "d@4", "a@2"]


def test_bn_ss_09_reference_counts():
    state = make()
    assert state.add_reference("t") is True
    assert state.add_reference("t") is False
    assert state.references("t") == 2
    assert state.remove_reference("t") is False
    assert state.remove_reference("t") is True
    assert state.remove_reference("t") is False
    assert state.references("t") == 0
    assert state.add_reference("t") is True


def test_forget_and_clear():
    state = make()
    state.mark_subscribe("a@x")
    state.mark_subscribe("b@x")
    state.add_reference("b@x")
    state.forget("a@x")
    state.forget("unknown")
    assert state.all_topics() == ["b@x"]
    state.clear()
    assert state.is_empty
    assert state.references("b@x") == 0


class ThreeSets:
    """The rules as three sets, word by word."""

    def __init__(self):
        self.confirmed, self.subscribing, self.unsubscribing = set(), set(), set()

    def mark_subscribe(self, topic):
        if topic not in self.confirmed:
            self.unsubscribing.discard(topic)
            self.subscribing.add(topic)

    def confirm_subscribe(self, topic):
        if topic not in self.unsubscribing:
            self.subscribing.discard(topic)
            self.confirmed.add(topic)

    def mark_unsubscribe(self, topic):
        self.unsubscribing.add(topic)
        self.subscribing.discard(topic)
        self.confirmed.discard(topic)

    def confirm_unsubscribe(self, topic):
        self.unsubscribing.discard(topic)

    def mark_failure(self, topic):
        if topic not in self.unsubscribing:
            self.confirmed.discard(topic)
            self.subscribing.add(topic)


CALLS = ["mark_subscribe", "confirm_subscribe", "mark_unsubscribe", "confirm_unsubscribe"]
CALLS.append("mark_failure")


@given(st.lists(st.tuples(st.sampled_from(CALLS), st.sampled_from("abc")), max_size=40))
def test_bn_ss_10_any_history_agrees_with_three_sets(history):
    state, sets = make(), ThreeSets()
    for call, topic in history:
        getattr(state, call)(topic)
        getattr(sets, call)(topic)
        assert set(state.confirmed) == sets.confirmed
        assert set(state.pending_subscribe) == sets.subscribing
        assert set(state.pending_unsubscribe) == sets.unsubscribing
        assert len(state) == len(sets.confirmed)
        assert set(state.all_topics()) == sets.confirmed | sets.subscribing
