"""Channels of one connection: asked for, answered, refused, asked for again (6.2, 6.6, 6.9)."""

from __future__ import annotations

import json

from connectors.lighter.control import ANSWER_TIMEOUT_S, Control, Method
from connectors.model import StreamState


def connected(*channels: str, **settings) -> Control:
    control = Control(**settings)
    for channel in channels:
        control.subscribe(channel)
    control.on_connected()
    return control


def send(control: Control, now: float = 0.0) -> list[str]:
    """Send all that may leave; return it as `subscribe order_book/0`."""
    sent = []
    while (command := control.next_command(now)) is not None:
        frame = json.loads(command.data)
        sent.append(f"{frame['type']} {frame['channel']}")
        control.sent(command, now)
    return sent


def test_nothing_leaves_before_the_venue_greets():
    control = Control()
    control.subscribe("order_book/0")
    assert send(control) == []
    control.on_connected()
    assert send(control) == ["subscribe order_book/0"]


def test_a_typed_first_frame_or_a_bare_ack_confirms_once():
    control = connected("order_book/0", "ticker/0")
    send(control)
    (outcome,) = control.on_subscribed("order_book:0")
    assert outcome.channel == "order_book/0"
    assert outcome.state is StreamState.ACTIVE
    assert control.on_subscribed("order_book:0") == []
    assert control.in_flight == 1
    assert list(control.missing()) == ["ticker/0"]


def test_no_more_than_35_are_in_flight():
    control = connected(*(f"ticker/{n}" for n in range(100)))
    assert len(send(control)) == 35
    assert send(control) == []
    control.on_subscribed("ticker:3")
    control.on_error(30003, "Already Subscribed to : ticker:5", 0.0)
    assert send(control) == ["subscribe ticker/35", "subscribe ticker/36"]


def test_a_channel_given_up_before_it_was_asked_for_sends_nothing():
    control = connected("ticker/0")
    control.unsubscribe("ticker/0")
    assert send(control) == []


def test_a_channel_given_up_while_asked_for_is_ended():
    control = connected("ticker/0")
    send(control)
    control.unsubscribe("ticker/0")
    assert send(control) == ["unsubscribe ticker/0"]
    assert control.on_subscribed("ticker:0") == []
    (outcome,) = control.on_unsubscribed("ticker:0")
    assert outcome.state is StreamState.CANCELED


def test_wanted_again_while_it_is_being_ended():
    control = connected("ticker/0")
    send(control)
    control.on_subscribed("ticker:0")
    control.unsubscribe("ticker/0")
    control.subscribe("ticker/0")
    assert send(control) == ["unsubscribe ticker/0", "subscribe ticker/0"]
    assert control.on_unsubscribed("ticker:0") == []
    (outcome,) = control.on_subscribed("ticker:0")
    assert outcome.state is StreamState.ACTIVE


def test_renew_ends_and_asks_once():
    control = connected("order_book/0")
    assert not control.renew("order_book/0")  # asked for: the snapshot is still to come
    send(control)
    control.on_subscribed("order_book:0")
    assert control.renew("order_book/0")
    assert not control.renew("order_book/0")
    assert not control.is_active("order_book/0")
    assert send(control) == ["unsubscribe order_book/0", "subscribe order_book/0"]
    assert control.on_unsubscribed("order_book:0") == []
    control.on_subscribed("order_book:0")
    assert control.is_active("order_book/0")
    assert control.in_flight == 0


def test_x_48_unsubscribe_while_a_resync_is_pending_sends_no_subscribe():
    control = connected("order_book/0")
    send(control)
    control.on_subscribed("order_book:0")
    control.renew("order_book/0")
    command = control.next_command(0.0)
    control.sent(command, 0.0)  # the unsubscribe has left, the subscribe has not
    assert command.method is Method.UNSUBSCRIBE
    control.unsubscribe("order_book/0")
    assert send(control) == []


def test_30002_for_a_channel_nobody_wants_settles_the_unsubscribe():
    control = connected("ticker/0")
    send(control)
    control.unsubscribe("ticker/0")
    send(control)
    control.on_error(30002, "Not Subscribed to : ticker:0", 0.0)
    assert list(control.channels) == []
    assert control.in_flight == 1  # the subscribe that was never answered


def test_30002_for_a_wanted_channel_asks_again():
    control = connected("ticker/0")
    send(control)
    control.on_subscribed("ticker:0")
    (outcome,) = control.on_error(30002, "Not Subscribed to : ticker:0", 0.0)
    assert outcome.state is StreamState.PENDING
    assert send(control) == ["subscribe ticker/0"]


def test_30005_refuses_the_oldest_that_was_asked_for():
    control = connected("ticker/0", "nonsense/7", "trade/0")
    send(control)
    control.on_subscribed("ticker:0")
    (outcome,) = control.on_error(30005, "Invalid Channel", 0.0)
    assert (outcome.channel, outcome.state, outcome.code) == (
        "nonsense/7", StreamState.REFUSED, 30005,
    )  # fmt: skip
    assert list(control.channels) == ["ticker/0", "trade/0"]


def test_30009_and_30010_repeat_the_last_command_after_a_pause():
    for code, pause_s in ((30009, 10.0), (30010, 1.0)):
        control = connected("ticker/0", "trade/0")
        send(control)
        (outcome,) = control.on_error(code, "Too Many ...!", 100.0)
        assert (outcome.channel, outcome.state) == ("trade/0", StreamState.PENDING)
        assert send(control, 100.0 + pause_s / 2) == []
        assert control.next_deadline(100.0) is not None
        assert send(control, 100.0 + pause_s) == ["subscribe trade/0"]


def test_errors_about_nothing_we_asked_for_touch_nothing():
    control = connected("ticker/0")
    send(control)
    control.on_subscribed("ticker:0")
    for code, text in ((21104, "invalid nonce"), (None, "something odd"), (30000, "Invalid Json")):
        assert control.on_error(code, text, 0.0) == []
    assert control.unattributed == 3
    assert control.is_active("ticker/0")


def test_a_subscribe_without_an_answer_is_repeated():
    control = connected("ticker/0")
    send(control, 5.0)
    assert control.next_deadline(5.0) == 5.0 + ANSWER_TIMEOUT_S
    assert control.overdue(5.0 + ANSWER_TIMEOUT_S - 0.1) == []
    (outcome,) = control.overdue(5.0 + ANSWER_TIMEOUT_S)
    assert outcome.state is StreamState.PENDING
    assert send(control, 20.0) == ["subscribe ticker/0"]
    control.on_error(30003, "Already Subscribed to : ticker:0", 20.0)
    assert control.is_active("ticker/0")


def test_a_new_connection_asks_for_everything_in_order():
    control = connected("ticker/0", "trade/0", "order_book/0")
    send(control)
    control.on_subscribed("trade:0")
    control.unsubscribe("ticker/0")
    control.on_lost()
    assert not control.is_active("trade/0")
    assert send(control) == []
    control.subscribe("height")
    control.on_connected()
    assert send(control) == ["subscribe trade/0", "subscribe order_book/0", "subscribe height"]
