"""Topics, commands, errors and message ids: sections 4.1 to 4.6, rows DX-W-01 to DX-W-18."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.data.control import ChannelOutcome, Method
from connectors.dydx.channels import Channel, ChannelKind, ticker_from_instrument_id
from connectors.dydx.control import Control
from connectors.dydx.message_ids import OPEN_MAX, Late, MessageIds
from connectors.dydx.wire import ErrorKind, read_error, subscribe_frame, unsubscribe_frame
from connectors.errors import ClientError
from connectors.model import StreamState

WIRE = Path(__file__).resolve().parents[2] / "data" / "dydx" / "wire"
FRAMES = {
    each["name"]: json.loads(each["raw"])
    for each in map(json.loads, (WIRE / "frames.jsonl").read_text().splitlines())
}
BOOK, TRADES = "v4_orderbook:BTC-USD", "v4_trades:BTC-USD"


def scenario(name):
    lines = (WIRE / f"seq_{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines[1:]]


def control(**options):
    made = Control(per_channel=32, **options)
    made.on_connected()
    return made


def leave(made, now):
    """Send all that may leave; return it as (method, topic)."""
    sent = []
    while (command := made.next_command(now)) is not None:
        made.sent(command, now)
        sent.append((command.method.value, command.channel))
    return sent


def error(made, name, now=0.0):
    frame = FRAMES[name]
    text = read_error(frame["message"], frame.get("channel", ""), frame.get("id", ""))
    return made.on_error(text, frame["message"], now)


# ---- topics -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instrument_id", "ticker"),
    [
        ("BTC-USD-PERP", "BTC-USD"),
        ("BTC-USD-PERP.DYDX", "BTC-USD"),
        ("BTC-USD", "BTC-USD"),
        ("X-PERP-PERP", "X-PERP"),
        ("-PERP", ""),
        ("btc-usd-perp", "btc-usd-perp"),
        ("FARTCOIN,RAYDIUM,9BB6NFECjBCt-USD-PERP", "FARTCOIN,RAYDIUM,9BB6NFECjBCt-USD"),
        ("", ""),
    ],
)
def test_dx_s_41_ticker_from_instrument_id(instrument_id, ticker):
    assert ticker_from_instrument_id(instrument_id) == ticker


def test_dx_s_42_topic_keys_and_back():
    for channel, name in (
        (Channel(ChannelKind.TRADES, "BTC-USD"), "v4_trades:BTC-USD"),
        (Channel(ChannelKind.MARKETS), "v4_markets"),
        (Channel.candles("A,B-USD", "1m"), "v4_candles:A,B-USD/1MIN"),
        (Channel.subaccount("dydx1abc", 3), "v4_subaccounts:dydx1abc/3"),
        (Channel.subaccount("dydx1abc", 3, parent=True), "v4_parent_subaccounts:dydx1abc/3"),
    ):
        assert channel.name == name
        assert Channel.parse(name) == channel
    assert Channel.parse("v4_nope:x") is None
    assert Channel.candles("BTC-USD", "5MINS").ticker == "BTC-USD"
    with pytest.raises(ClientError, match="2m"):
        Channel.candles("BTC-USD", "2m")


@pytest.mark.parametrize("name", [n for n in FRAMES if "channel" in FRAMES[n]])
def test_dx_n_11a_every_frame_of_the_venue_finds_its_topic(name):
    frame = FRAMES[name]
    found = Channel.of(frame["channel"], frame.get("id", ""))
    assert found is not None
    if frame["channel"] in ("v4_block_height", "v4_markets"):
        assert found.name == frame["channel"]  # whatever id it has
    else:
        assert found.name == f"{frame['channel']}:{frame['id']}"


def test_dx_s_31_to_37_frames_byte_for_byte():
    assert subscribe_frame(Channel(ChannelKind.TRADES, "BTC-USD")) == (
        b'{"type":"subscribe","channel":"v4_trades","id":"BTC-USD"}'
    )
    assert unsubscribe_frame(Channel.candles("BTC-USD", "1m")) == (
        b'{"type":"unsubscribe","channel":"v4_candles","id":"BTC-USD/1MIN"}'
    )
    assert subscribe_frame(Channel(ChannelKind.MARKETS)) == (
        b'{"type":"subscribe","channel":"v4_markets"}'
    )
    assert subscribe_frame(Channel(ChannelKind.ORDERBOOK, "X"), batched=True) == (
        b'{"type":"subscribe","channel":"v4_orderbook","id":"X","batched":true}'
    )


# ---- what errors mean ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "about", "took_id"),
    [
        ("error_unparsable", ErrorKind.OURS, ("", ""), False),
        ("error_no_type", ErrorKind.OURS, ("", ""), False),
        ("error_bad_type", ErrorKind.OURS, ("", ""), False),
        ("error_no_channel", ErrorKind.OURS, ("", ""), False),
        ("error_bad_channel", ErrorKind.OURS, ("v4_nope", ""), False),
        ("error_bad_id", ErrorKind.OURS, ("", "undefined"), False),
        ("error_bad_market", ErrorKind.REFUSED, ("v4_trades", "NOPE-USD"), True),
        ("error_bad_candle", ErrorKind.REFUSED, ("v4_candles", "BTC-USD/2MINS"), True),
        ("error_channel_limit", ErrorKind.FULL, ("v4_trades", ""), True),
        ("error_duplicate", ErrorKind.DUPLICATE, ("v4_trades", "BTC-USD"), True),
        ("error_fetch_failed", ErrorKind.TRANSIENT, ("v4_orderbook", "BTC-USD"), True),
        ("error_rate_limited_subscribe", ErrorKind.TOO_FAST, ("v4_trades", "BTC-USD"), True),
        ("error_rate_limited_invalid", ErrorKind.OTHER, ("", ""), False),
        ("error_internal", ErrorKind.OTHER, ("", ""), False),
    ],
)
def test_4_5_every_error_text(name, kind, about, took_id):
    frame = FRAMES[name]
    text = read_error(frame["message"], frame.get("channel", ""), frame.get("id", ""))
    assert (text.kind, (text.channel, text.id), text.took_id) == (kind, about, took_id)


def test_4_5_a_blocked_address_is_refused_for_good():
    frame = FRAMES["error_blocked"]
    made = control()
    made.subscribe(Channel.parse(f"{frame['channel']}:{frame['id']}").name)
    leave(made, 0.0)
    (outcome,) = error(made, "error_blocked")
    assert (outcome.state, outcome.message) == (StreamState.REFUSED, frame["message"])
    assert not made.channels


def test_4_5_an_unknown_market_is_refused_and_others_go_on():
    made = control()
    for name in ("v4_trades:NOPE-USD", TRADES):
        made.subscribe(name)
    leave(made, 0.0)
    (outcome,) = error(made, "error_bad_market")
    assert (outcome.channel, outcome.state) == ("v4_trades:NOPE-USD", StreamState.REFUSED)
    assert (list(made.channels), made.unanswered) == ([TRADES], 1)


def test_4_5_no_room_gives_the_topic_back_and_learns_the_limit():
    made = control()
    made.subscribe(BOOK)
    made.subscribe(TRADES)
    leave(made, 0.0)
    assert made.has_room(ChannelKind.TRADES)
    made._limits[ChannelKind.TRADES] = 1_000  # as configured by somebody who hopes for more
    (outcome,) = error(made, "error_channel_limit")
    assert (outcome.channel, outcome.state) == (TRADES, StreamState.PENDING)
    assert list(made.channels) == [BOOK]
    assert made._limits[ChannelKind.TRADES] == 32


def test_4_5_already_subscribed_counts_as_served():
    made = control()
    made.subscribe(TRADES)
    leave(made, 0.0)
    assert error(made, "error_duplicate") == [ChannelOutcome(TRADES, StreamState.ACTIVE)]


def test_4_5_a_failed_snapshot_is_asked_for_again_with_longer_pauses():
    made = control()
    made.subscribe(BOOK)
    now, pauses = 0.0, []
    for _ in range(8):
        assert leave(made, now) == [("subscribe", BOOK)]
        (outcome,) = error(made, "error_fetch_failed", now)
        assert outcome.state is StreamState.PENDING
        assert leave(made, now) == []
        at = made.next_deadline(now)
        pauses.append(at - now)
        now = at
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]  # never more than 2 a second
    leave(made, now)
    made.on_subscribed(BOOK)
    made.unsubscribe(BOOK)
    assert made._retries == {}


def test_4_5_an_error_about_nothing_is_only_counted():
    made = control()
    made.subscribe(TRADES)
    leave(made, 0.0)
    for name in ("error_unparsable", "error_internal", "error_rate_limited_invalid"):
        assert error(made, name) == []
    assert (made.unattributed, made.unanswered) == (3, 1)


# ---- pace ---------------------------------------------------------------------------------------


def test_dx_w_18_a_burst_of_different_topics_leaves_at_once():
    made = control()
    names = [f"v4_trades:M{number}-USD" for number in range(32)]
    for name in names:
        made.subscribe(name)
    assert leave(made, 0.0) == [("subscribe", name) for name in names]


def test_dx_w_18_the_third_subscribe_of_a_topic_waits_and_holds_up_nobody():
    made = control(window_s=1.0)
    for now in (0.0, 0.25):
        made.subscribe(TRADES)
        assert leave(made, now) == [("subscribe", TRADES)]
        made.on_subscribed(TRADES)
        made.unsubscribe(TRADES)
        assert leave(made, now) == [("unsubscribe", TRADES)]
        made.on_unsubscribed(TRADES)
    made.subscribe(TRADES)
    made.subscribe(BOOK)
    assert leave(made, 0.5) == [("subscribe", BOOK)]
    assert made.next_deadline(0.5) == 1.0
    assert leave(made, 1.0) == [("subscribe", TRADES)]


def test_dx_w_12_after_1008_the_topic_that_caused_it_waits_and_the_others_do_not():
    made = control()
    made.subscribe(TRADES)
    made.subscribe(BOOK)
    leave(made, 0.0)
    error(made, "error_rate_limited_subscribe", 10.0)
    made.on_lost()
    made.on_connected()
    assert leave(made, 10.1) == [("subscribe", BOOK)]
    assert leave(made, 11.0) == [("subscribe", TRADES)]


def test_the_memory_of_subscribes_is_bounded():
    made = control()
    for number in range(2_000):
        name = f"v4_trades:M{number}-USD"
        made.subscribe(name)
        leave(made, float(number))
        made.on_subscribed(name)
        made.unsubscribe(name)
        leave(made, float(number))
        made.on_unsubscribed(name)
    assert len(made._times) <= 2 * made.limit + 1
    assert not made._modes


def test_nautilus_1985_a_topic_keeps_its_mode_over_reconnects():
    made = control(batched={"v4_orderbook"})
    made.subscribe(BOOK)
    made.subscribe(TRADES)
    first = [made.next_command(0.0).data]
    leave(made, 0.0)
    made.on_lost()
    made._batched = frozenset()  # the setting changed meanwhile
    made.on_connected()
    assert [made.next_command(0.0).data] == first
    assert b'"batched":true' in first[0]
    assert b"batched" not in made.encode(Method.SUBSCRIBE, TRADES)


# ---- unsubscribe while the subscribe is pending (DX-W-15) ---------------------------------------


def test_dx_w_15_scenario_unsubscribe_overtakes_subscribe():
    """The unsubscribe waits for the answer, so that it cannot overtake."""
    made = control()
    made.subscribe(BOOK)
    assert leave(made, 0.0) == [("subscribe", BOOK)]
    made.unsubscribe(BOOK)
    assert leave(made, 0.0) == []
    assert made.on_subscribed(BOOK) == []
    assert leave(made, 0.0) == [("unsubscribe", BOOK)]
    assert made.on_unsubscribed(BOOK) == [ChannelOutcome(BOOK, StreamState.CANCELED)]
    assert made.backlog == made.in_flight == 0


def test_dx_w_15_a_late_subscribed_of_an_unwanted_topic_is_ended_again():
    made = control(answer_timeout_s=25.0)
    made.subscribe(BOOK)
    leave(made, 0.0)
    made.unsubscribe(BOOK)
    made.overdue(25.0)  # no answer: the unsubscribe waits no longer, and overtakes after all
    assert leave(made, 25.0) == [("unsubscribe", BOOK)]
    made.on_unsubscribed(BOOK)
    frames = [json.loads(f["raw"]) for f in scenario("unsubscribe_overtakes_subscribe")
              if f.get("dir") == "s2c" and "subscribed" in f["raw"][:22]]  # fmt: skip
    assert [frame["type"] for frame in frames] == ["unsubscribed", "subscribed"]
    assert made.on_subscribed(BOOK) == []
    assert leave(made, 26.0) == [("unsubscribe", BOOK)]


def test_wanted_again_before_the_unsubscribe_has_left():
    made = control()
    made.subscribe(BOOK)
    leave(made, 0.0)
    made.unsubscribe(BOOK)
    made.subscribe(BOOK)
    assert made.on_subscribed(BOOK) == [ChannelOutcome(BOOK, StreamState.ACTIVE)]
    assert leave(made, 0.0) == []


def test_wanted_again_while_it_is_being_ended():
    made = control()
    made.subscribe(BOOK)
    leave(made, 0.0)
    made.on_subscribed(BOOK)
    made.unsubscribe(BOOK)
    assert leave(made, 0.0) == [("unsubscribe", BOOK)]
    made.subscribe(BOOK)
    assert leave(made, 0.0) == []
    made.on_unsubscribed(BOOK)
    assert leave(made, 0.0) == [("subscribe", BOOK)]
    assert made.on_subscribed(BOOK) == [ChannelOutcome(BOOK, StreamState.ACTIVE)]


def test_dx_w_22_a_topic_that_is_being_ended_still_takes_its_place():
    made = Control(per_channel=1)
    made.on_connected()
    made.subscribe(BOOK)
    leave(made, 0.0)
    made.on_subscribed(BOOK)
    made.unsubscribe(BOOK)
    assert (made.holds(BOOK), made.has_room(ChannelKind.ORDERBOOK)) == (True, False)
    leave(made, 0.0)
    made.on_unsubscribed(BOOK)
    assert (made.holds(BOOK), made.has_room(ChannelKind.ORDERBOOK)) == (False, True)


def test_a_renewed_topic_is_ended_and_asked_for_again_one_after_the_other():
    made = control()
    made.subscribe(BOOK)
    leave(made, 0.0)
    made.on_subscribed(BOOK)
    assert made.renew(BOOK)
    assert not made.renew(BOOK)
    assert leave(made, 0.0) == [("unsubscribe", BOOK)]
    made.on_unsubscribed(BOOK)
    assert leave(made, 0.0) == [("subscribe", BOOK)]
    assert made.on_subscribed(BOOK) == [ChannelOutcome(BOOK, StreamState.ACTIVE)]


def test_dx_n_08_after_a_loss_every_wanted_topic_is_asked_for_once():
    made = control()
    for name in (TRADES, BOOK, "v4_markets"):
        made.subscribe(name)
    leave(made, 0.0)
    made.on_subscribed(TRADES)
    made.unsubscribe(BOOK)
    made.on_lost()
    made.on_connected()
    assert leave(made, 0.1) == [("subscribe", TRADES), ("subscribe", "v4_markets")]


# ---- message ids --------------------------------------------------------------------------------


class Counter:
    """What the compiled decoder does with ids (4.3)."""

    def __init__(self):
        self.ids = MessageIds()
        self.next = 0
        self.asked = 0
        self.alarms = 0

    def frame(self, message_id, kind):
        late = None
        if message_id >= self.next:
            if message_id > self.next:
                self.ids.skipped(self.next, message_id)
            self.next = message_id + 1
        else:
            late = self.ids.late(message_id, is_data=kind.startswith("channel"))
        if kind == "subscribed":
            self.asked -= 1
        self.alarms += self.ids.settle(self.asked)
        return late


@pytest.mark.parametrize("name", ["message_id_real_gap", "message_ids_out_of_order"])
def test_dx_w_06_scenarios(name):
    counter = Counter()
    for line in scenario(name):
        if line.get("dir") == "c2s":
            counter.asked += 1
        elif "raw" in line:
            frame = json.loads(line["raw"])
            counter.frame(frame["message_id"], frame["type"])
        else:
            assert counter.alarms == line["expect"]["gap_alarms"]
    assert counter.ids.open == 0


def test_dx_w_06_a_gap_is_told_while_a_subscribe_is_open_and_told_once():
    counter = Counter()
    counter.frame(0, "connected")
    counter.asked = 1
    counter.frame(2, "channel_data")  # 1 may be the subscribe's
    assert counter.alarms == 0
    counter.frame(4, "channel_data")  # of 1 and 3 one is lost
    assert counter.alarms == 1
    assert counter.frame(3, "subscribed") is Late.ANSWER
    assert (counter.alarms, counter.ids.open) == (1, 0)


def test_dx_w_07_data_with_an_old_id_is_a_regression():
    counter = Counter()
    for message_id in (0, 1, 2, 3):
        counter.frame(message_id, "channel_data")
    assert counter.frame(2, "channel_data") is Late.REGRESSION
    assert counter.frame(2, "subscribed") is Late.REPEAT
    assert (counter.ids.regressions, counter.ids.repeats) == (1, 1)


def test_ids_that_were_passed_over_are_bounded():
    ids = MessageIds()
    ids.skipped(1, 10**12)
    assert ids.open == OPEN_MAX
    assert ids.settle(0) == OPEN_MAX
    assert ids.lost == 10**12 - 1


@given(st.lists(st.sampled_from(["data", "ask", "answer", "lose"]), max_size=60), st.randoms())
def test_dx_w_06_random_connections(steps, rng):
    """No alarm without a loss; in the end as many as there were losses."""
    counter, taken, pending, losses = Counter(), 0, [], 0
    counter.frame(0, "connected")
    for step in [*steps, *["answer"] * len(steps), "data"]:
        if step == "ask":
            taken += 1
            pending.append(taken)
            counter.asked += 1
        elif step == "answer" and pending:
            counter.frame(pending.pop(rng.randrange(len(pending))), "subscribed")
        elif step == "data":
            taken += 1
            counter.frame(taken, "channel_data")
        elif step == "lose":
            taken += 1
            losses += 1
        assert counter.alarms <= losses
    assert counter.alarms == losses
