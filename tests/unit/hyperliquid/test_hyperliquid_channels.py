"""Names of the venue's channels (4.3), and what it says about them (4.2, 4.5)."""

from __future__ import annotations

import json
import pathlib

import pytest

from connectors.data.control import ANSWER_TIMEOUT_S, Method
from connectors.errors import ClientError
from connectors.hyperliquid.channels import INTERVALS, Channel, ChannelKind
from connectors.hyperliquid.control import SUSPICION_S, Control
from connectors.hyperliquid.wire import quoted
from connectors.model import StreamState

DATA = pathlib.Path(__file__).parents[2] / "data" / "hyperliquid"
FRAMES = json.loads((DATA / "ws_frames.json").read_text())
PUBLIC = [
    each["frame"]["subscription"]
    for each in FRAMES
    if each["dir"] == "c2s"
    and each["frame"].get("method") == "subscribe"
    and "user" not in each["frame"]["subscription"]
]
BBO, BOOK, TRADES = "bbo BTC", "l2Book BTC", "trades BTC"


@pytest.mark.parametrize("subscription", PUBLIC, ids=lambda each: json.dumps(each))
def test_a_subscription_has_a_name_that_gives_it_back(subscription):
    channel = Channel.of(subscription)
    if channel is None:
        assert subscription["type"] == "assetCtxs"  # its frames name no market
        return
    assert channel.subscription == subscription
    assert Channel.parse(channel.name) == channel


@pytest.mark.parametrize(
    ("echo", "name"),
    [
        ({"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None, "fast": True},
         "l2Book BTC fast=true"),
        ({"type": "l2Book", "coin": "PURR/USDC", "nSigFigs": 5, "mantissa": 2, "fast": False},
         "l2Book PURR/USDC nSigFigs=5 mantissa=2"),
        ({"type": "l2Book", "coin": "xyz:TSLA", "nSigFigs": None}, "l2Book xyz:TSLA"),
        ({"type": "allMids", "dex": None}, "allMids"),
        ({"type": "allMids", "dex": ""}, "allMids"),
        ({"type": "candle", "coin": "@107", "interval": "1M"}, "candle @107 interval=1M"),
    ],
)  # fmt: skip
def test_an_echo_with_defaults_filled_in_has_the_same_name(echo, name):
    channel = Channel.of(echo)
    assert channel.name == name
    assert Channel.parse(name) == channel


@pytest.mark.parametrize("other", [None, 7, "x", {}, {"type": 3}, {"type": "orderUpdates"}])
def test_what_is_no_public_channel(other):
    assert Channel.of(other) is None


def test_forms_the_venue_would_cut_the_connection_for_are_refused():
    for form in ({"figures": 6}, {"figures": 1}, {"mantissa": 2}, {"figures": 4, "mantissa": 2},
                 {"figures": 5, "mantissa": 3}):  # fmt: skip
        with pytest.raises(ClientError):
            Channel.book("BTC", **form)
    with pytest.raises(ClientError, match="7m"):
        Channel.candles("BTC", "7m")
    assert Channel.candles("BTC", "1M").subscription["interval"] == "1M"
    assert INTERVALS["1M"] == -1


def test_forms_of_a_book_conflict_and_nothing_else_does():
    book, fast = Channel.book("BTC"), Channel.book("BTC", fast=True)
    assert book.conflicts(fast)
    assert not book.conflicts(Channel.book("BTC"))
    assert not book.conflicts(Channel.book("ETH", fast=True))
    assert not book.conflicts(Channel(ChannelKind.BBO, "BTC"))


# ---- the channels of one connection ----------------------------------------------------------


def connected(*names, **settings):
    control = Control(limit=100, **settings)
    for name in names:
        control.subscribe(name)
    control.on_connected()
    return control


def send_all(control, now=0.0):
    sent = []
    while (command := control.next_command(now)) is not None:
        control.sent(command, now)
        sent.append(command)
    return sent


def names_of(commands):
    return [command.channel for command in commands]


def echo(name, method="subscribe"):
    return method, Channel.parse(name).subscription


def test_a_command_asks_for_one_channel():
    control = connected("candle BTC interval=1m")
    (command,) = send_all(control)
    assert json.loads(command.data) == {
        "method": "subscribe",
        "subscription": {"type": "candle", "coin": "BTC", "interval": "1m"},
    }
    control.on_response(*echo("candle BTC interval=1m"))
    control.unsubscribe("candle BTC interval=1m")
    (command,) = send_all(control)
    assert json.loads(command.data)["method"] == "unsubscribe"
    (outcome,) = control.on_response(*echo("candle BTC interval=1m", "unsubscribe"))
    assert outcome.state is StreamState.CANCELED


def test_an_answer_to_somebody_else_is_none_of_ours():
    control = connected(BBO)
    assert control.on_response("subscribe", {"type": "orderUpdates", "user": "0x"}) is None
    assert control.on_response("subscribe", "x") is None


def error(text, control, now=1.0):
    return [(each.channel, each.state) for each in control.on_error(text, now)]


def test_already_subscribed_is_as_good_as_an_acknowledgement():
    control = connected(BBO)
    send_all(control)
    text = 'Already subscribed: {"type":"bbo","coin":"BTC"}'
    assert error(text, control) == [(BBO, StreamState.ACTIVE)]
    assert control.in_flight == 0


def test_already_unsubscribed_ends_it():
    control = connected(BBO)
    send_all(control)
    control.on_response(*echo(BBO))
    control.unsubscribe(BBO)
    send_all(control)
    text = 'Already unsubscribed: {"type":"bbo","coin":"BTC"}'
    assert error(text, control) == [(BBO, StreamState.CANCELED)]
    assert control.in_flight == 0


@pytest.mark.parametrize(
    "text",
    [
        'Invalid subscription {"type":"candle","coin":"BTC","interval":"1m"}',
        'Error parsing JSON into valid websocket request: {"method":"subscribe","subscription":'
        '{"type":"candle","coin":"BTC","interval":"1m"}}',
    ],
)
def test_an_invalid_subscription_fails_alone(text):
    control = connected(BBO, "candle BTC interval=1m")
    send_all(control)
    assert error(text, control) == [("candle BTC interval=1m", StreamState.REFUSED)]
    assert list(control.channels) == [BBO]


def test_too_many_channels_refuses_the_oldest_that_waits():
    control = connected(BBO, BOOK)
    send_all(control)
    control.on_response(*echo(BBO))
    text = "Cannot subscribe to more than 1000 channels."
    assert error(text, control) == [(BOOK, StreamState.REFUSED)]
    assert error(text, control) == []


def test_too_many_messages_holds_everything_back_and_asks_again():
    control = connected(BBO, BOOK, TRADES)
    send_all(control)
    control.on_response(*echo(BOOK))
    text = "Cannot send more than 2000 messages per minute."
    assert error(text, control, 100.0) == [
        (BBO, StreamState.PENDING),
        (TRADES, StreamState.PENDING),
    ]
    assert control.next_command(159.0) is None
    assert control.next_deadline(100.0) == 160.0
    assert names_of(send_all(control, 160.0)) == [BBO, TRADES]


def test_an_error_about_nothing_of_ours_is_only_counted():
    control = connected(BBO)
    for text in ("Cannot track more than 10 total users.", "too many pending post requests id=4",
                 "Invalid subscription {broken", "whatever", ""):  # fmt: skip
        assert error(text, control) == []
    assert control.unattributed == 5
    assert quoted("no json") is None


def test_an_answer_that_does_not_come_is_asked_for_again():
    control = connected(BBO)
    send_all(control, 5.0)
    (outcome,) = control.overdue(5.0 + ANSWER_TIMEOUT_S)
    assert outcome.state is StreamState.PENDING
    assert names_of(send_all(control, 20.0)) == [BBO]


# ---- R9: a channel that makes the venue cut the connection ------------------------------------


def broken(control, now):
    return [(each.channel, each.state) for each in control.on_broken(now)]


def test_r9_a_channel_that_kills_twice_alone_is_not_asked_for_again():
    control = connected(BBO, "bbo NOPE", TRADES)
    send_all(control)
    control.on_response(*echo(BBO))
    control.on_response(*echo(TRADES))
    assert broken(control, 0.1) == []
    control.on_connected()
    # The others first, and when they are served the suspect by itself.
    assert names_of(send_all(control, 1.0)) == [BBO, TRADES]
    control.on_response(*echo(BBO))
    control.on_response(*echo(TRADES))
    assert names_of(send_all(control, 1.1)) == ["bbo NOPE"]
    control.subscribe(BOOK)
    assert send_all(control, 1.1) == []  # nothing beside a suspect
    assert broken(control, 1.2) == [("bbo NOPE", StreamState.REFUSED)]
    control.on_connected()
    assert names_of(send_all(control, 2.0)) == [BBO, TRADES, BOOK]


def test_r9_many_unanswered_are_all_suspects_and_the_innocent_are_cleared():
    control = connected(BBO, "bbo NOPE", BOOK, TRADES)
    send_all(control)
    assert broken(control, 0.1) == []
    control.on_connected()
    asked = []
    for name in (BBO, "bbo NOPE"):
        asked += names_of(send_all(control, 1.0))
        assert asked[-1] == name
        if name == BBO:
            control.on_response(*echo(BBO))
    assert broken(control, 1.1) == []  # its first strike: it was alone
    control.on_connected()
    # Cleared by its answer, BBO is an ordinary channel again.
    assert names_of(send_all(control, 2.0)) == [BBO]
    control.on_response(*echo(BBO))
    assert names_of(send_all(control, 2.0)) == ["bbo NOPE"]
    assert broken(control, 2.1) == [("bbo NOPE", StreamState.REFUSED)]
    control.on_connected()
    assert names_of(send_all(control, 3.0)) == [BBO]
    control.on_response(*echo(BBO))
    for name in (BOOK, TRADES):
        assert names_of(send_all(control, 3.0)) == [name]
        control.on_response(*echo(name))


def test_a_connection_that_breaks_long_after_a_subscribe_did_not_break_because_of_it():
    control = connected(BBO)
    send_all(control, 0.0)
    for time in (SUSPICION_S + 0.1, 10.0):
        assert broken(control, time) == []
        control.on_connected()
        assert names_of(send_all(control, time)) == [BBO]
        control._asked[0].sent_at = time - SUSPICION_S - 1
    assert list(control.channels) == [BBO]


def test_wanting_it_no_more_clears_a_suspect():
    control = connected("bbo NOPE")
    for time in (0.0, 10.0, 20.0):
        send_all(control, time)
        assert broken(control, time + 0.1) == []
        control.unsubscribe("bbo NOPE")
        control.subscribe("bbo NOPE")
        control.on_connected()


def test_a_connection_carries_one_form_of_a_book():
    control = connected(BOOK)
    assert not control.can_carry(Channel.book("BTC", fast=True))
    assert control.can_carry(Channel.book("ETH", fast=True))
    assert control.can_carry(Channel.book("BTC"))
    full = Control(limit=1)
    full.subscribe(BBO)
    assert not full.can_carry(Channel.book("BTC"))
    assert Method.SUBSCRIBE is not Method.UNSUBSCRIBE
