"""The indexer's side of the simulator: messages, ids, limits, batches (DX-M-11..22, DX-W)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from venues.dydx.sim_rig import ADDRESS, DATA, HEIGHT, NAME, Rig, Wire, in_loop

from connectors.sim.dydx import ids, keys

BTC = "BTC-USD"
BOOK = "v4_orderbook"


def types(wire: Wire) -> list[tuple[str, int]]:
    return [(frame["type"], frame["message_id"]) for frame in wire.frames()]


# -- ids (7.6) -------------------------------------------------------------------------------


def test_dx_m_10_ids_are_those_of_the_vectors() -> None:
    vectors = json.loads((DATA / "signing_vectors.json").read_text())
    for row in vectors["order_uuids"]:
        subaccount = ids.subaccount_id(row["address"], row["subaccount"])
        assert subaccount == row["subaccount_uuid"]
        parts = row["client_id"], row["clob_pair_id"], row["order_flags"]
        assert ids.order_id(subaccount, *parts) == row["order_uuid"]
    assert ids.event_id(66_624_151, 7) == "03f89a970000000200000007"


def test_wallets_are_those_of_the_vectors() -> None:
    for wallet in json.loads((DATA / "signing_vectors.json").read_text())["wallets"]:
        for index, derived in enumerate(wallet["derived"]):
            key = keys.private_key_of(wallet["mnemonic"], index)
            assert key.hex() == derived["private_key"]
            assert keys.address_of(key) == derived["address"]


# -- ids of messages -------------------------------------------------------------------------


@in_loop
def test_dx_w_01_to_05_ids_count_everything_but_syntax_errors() -> None:
    rig = Rig()
    wire = rig.connect()
    wire.send("nonsense")
    wire.subscribe("v4_trades", "NOPE-USD")
    wire.send({"type": "subscribe"})
    wire.subscribe("v4_trades", BTC)
    wire.unsubscribe("v4_candles", f"{BTC}/1MIN")  # never subscribed, answered all the same
    rig.sim.indexer.tell("v4_trades", BTC, {"trades": []})
    assert types(wire) == [
        ("error", 0), ("error", 1), ("error", 1), ("subscribed", 2), ("unsubscribed", 3),
        ("channel_data", 4),
    ]  # fmt: skip


@in_loop
def test_dx_w_02_and_m_12_subscribed_keeps_the_id_of_the_request() -> None:
    rig = Rig(snapshot_delay_ms=100.0)
    wire = rig.connect()
    wire.subscribe(BOOK, BTC)
    rig.sim.configure(snapshot_delay_ms=0.0)
    wire.subscribe("v4_block_height")
    rig.block()
    assert types(wire) == [("subscribed", 2), ("channel_data", 3)]
    rig.advance(0.11)
    assert types(wire) == [("subscribed", 1)]


@in_loop
def test_dx_w_14_and_m_13_what_happens_behind_the_snapshot_is_lost() -> None:
    rig = Rig(snapshot_delay_ms=100.0, snapshot_race_ms=40.0)
    wire = rig.connect()
    wire.subscribe(BOOK, BTC)
    rig.house("buy", "1", "89000")
    rig.advance(0.07)
    rig.house("buy", "1", "88000")
    assert wire.frames() == []
    rig.advance(0.05)
    rig.house("buy", "1", "87000")
    first, update = wire.frames()
    assert first["contents"]["bids"] == [{"price": "89000", "size": "1"}]
    assert update["contents"] == {"bids": [["87000", "1"]]}


# -- syntax ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        ("[1", "Invalid message: could not parse"),
        ("null", "Invalid message: could not parse"),
        ("5", "Invalid message: type is required"),
        ({"type": ""}, "Invalid message: type is required"),
        ({"type": "connected"}, "Invalid message type: connected"),
        ({"type": "unsubscribe"}, "Invalid subscribe message: channel is required"),
        ({"type": "subscribe", "channel": "v4_x"}, "Invalid channel: v4_x"),
        ({"type": "subscribe", "channel": "v4_trades", "id": None}, "Invalid id: null"),
        ({"type": "subscribe", "channel": "v4_trades", "id": 7}, "Invalid id: 7"),
        ({"type": "unsubscribe", "channel": "v4_trades"}, "Invalid id: undefined"),
    ],
)
@in_loop
def test_dx_m_11_texts_of_syntax_errors(frame: Any, text: str) -> None:
    wire = Rig().connect()
    wire.send(frame)
    (error,) = wire.frames()
    assert (error["type"], error["message"], error["message_id"]) == ("error", text, 0)


@in_loop
def test_spaced_json_is_taken_and_a_ping_is_not_answered() -> None:
    wire = Rig().connect()
    wire.send('{"type": "ping"}')
    wire.send('{ "type" : "subscribe" , "channel" : "v4_markets" }')
    assert types(wire) == [("subscribed", 1)]


@pytest.mark.parametrize(
    ("channel", "id_"),
    [
        ("v4_candles", BTC),
        ("v4_candles", f"{BTC}/7MINS"),
        ("v4_subaccounts", ADDRESS),
        ("v4_subaccounts", f"{ADDRESS}/128000"),
        ("v4_subaccounts", f"{ADDRESS}/x"),
        ("v4_parent_subaccounts", f"{ADDRESS}/128"),
        (BOOK, "btc-usd"),
    ],
)
@in_loop
def test_ids_behind_which_there_is_nothing(channel: str, id_: str) -> None:
    wire = Rig().connect()
    wire.subscribe(channel, id_)
    (error,) = wire.frames()
    assert error["message"] == f"Invalid subscription id for channel: ({channel}-{id_})"
    assert (error["message_id"], "channel" in error) == (1, False)


@in_loop
def test_dx_w_17_an_id_where_none_belongs_makes_a_dead_topic() -> None:
    rig = Rig()
    wire = rig.connect()
    wire.subscribe("v4_markets", "v4_markets")
    wire.subscribe("v4_block_height", "x")
    wire.subscribe("v4_block_height", "v4_block_height")
    wire.frames()
    rig.act("oracle", ticker=BTC, price="90000")
    rig.block()
    assert [frame["channel"] for frame in wire.frames()] == []


# -- limits ----------------------------------------------------------------------------------


@in_loop
def test_dx_m_15_two_subscribes_a_second_for_a_topic() -> None:
    rig = Rig()
    wire = rig.connect()
    for _ in range(2):
        wire.subscribe("v4_trades", BTC)
        wire.unsubscribe("v4_trades", BTC)
    wire.subscribe("v4_trades", "ETH-USD")  # another topic has its own count (DX-W-18)
    rig.advance(1.01)
    wire.subscribe("v4_trades", BTC)
    assert wire.closed is None
    wire.unsubscribe("v4_trades", BTC)
    wire.subscribe("v4_trades", BTC)
    wire.unsubscribe("v4_trades", BTC)
    wire.subscribe("v4_trades", BTC)
    assert wire.closed == (1008, '{"message":"Rate limited"}')


@in_loop
def test_dx_m_15_three_invalid_messages_in_a_second_end_it() -> None:
    rig = Rig()
    wire = rig.connect()
    for _ in range(2):
        wire.send("x")
    rig.advance(1.01)
    for _ in range(5):
        wire.send({"type": "subscribe", "channel": "v4_x"})  # these are not counted
    for _ in range(3):
        assert wire.closed is None
        wire.send("x")
    assert wire.closed == (1008, '{"message":"Rate limited"}')


@in_loop
def test_dx_m_15_subscriptions_per_connection_and_channel() -> None:
    rig = Rig(markets=40)
    wire = rig.connect()
    tickers = list(rig.chain.markets)
    for ticker in tickers[:33]:
        wire.subscribe("v4_trades", ticker)
        wire.subscribe(BOOK, ticker)
    errors = [frame["message"] for frame in wire.frames() if frame["type"] == "error"]
    assert errors == [
        "Per-connection subscription limit reached for v4_trades (limit=32).",
        "Per-connection subscription limit reached for v4_orderbook (limit=32).",
    ]
    wire.unsubscribe("v4_trades", tickers[0])
    wire.subscribe("v4_trades", tickers[32])
    assert [frame["type"] for frame in wire.frames()] == ["unsubscribed", "subscribed"]


@in_loop
def test_dx_m_16_a_ping_every_30_s_and_ten_for_the_pong() -> None:
    rig = Rig()
    wire = rig.connect()
    written = wire.connection._transport
    rig.advance(29.9)
    assert wire.connection.unanswered_since_ns is None
    rig.advance(0.2)
    assert wire.connection.unanswered_since_ns is not None
    wire.connection.flush()
    assert b"\x89\x00" in written.written
    rig.advance(9.7)
    assert wire.closed is None
    rig.advance(0.4)
    assert wire.closed == (1011, "Heartbeat timeout")


# -- batches, order of requests --------------------------------------------------------------


@in_loop
def test_dx_m_14_batches_are_shared_and_may_hold_what_the_snapshot_has() -> None:
    rig = Rig()
    rig.advance(0.3)
    rig.house("buy", "1", "89000")
    late = rig.connect()
    late.subscribe(BOOK, BTC, batched=True)
    rig.house("buy", "2", "88000")
    (snapshot,) = late.frames()
    assert snapshot["contents"]["bids"] == [{"price": "89000", "size": "1"}]
    rig.advance(0.26)
    (batch,) = late.frames()
    assert batch["type"] == "channel_batch_data"
    assert batch["contents"] == [{"bids": [["89000", "1"]]}, {"bids": [["88000", "2"]]}]
    rig.advance(0.26)
    assert late.frames() == []


@in_loop
def test_batches_of_children_are_apart() -> None:
    """4.2: a batch is of one version and one subaccount."""
    rig = Rig()
    wire = rig.connect()
    wire.subscribe("v4_parent_subaccounts", NAME, batched=True)
    rig.act("transfer", to={"address": ADDRESS, "subaccount_number": 128}, amount="5")
    rig.act("transfer", to={"address": ADDRESS}, amount="5")
    rig.block()
    rig.advance(0.3)
    _, *batches = wire.frames()
    assert [batch["subaccountNumber"] for batch in batches] == [128, 0]
    assert list(batches[0])[-2:] == ["contents", "subaccountNumber"]


@in_loop
def test_dx_m_17_an_unsubscribe_overtakes_a_pending_subscribe() -> None:
    rig = Rig(snapshot_delay_ms=50.0)
    wire = rig.connect()
    wire.subscribe(BOOK, BTC)
    wire.unsubscribe(BOOK, BTC)
    rig.advance(0.06)
    rig.house("buy", "1", "89000")
    assert types(wire) == [("unsubscribed", 2), ("subscribed", 1), ("channel_data", 3)]
    assert list(wire.connection.subscriptions) == ["v4_orderbook:BTC-USD"]


@in_loop
def test_a_second_subscribe_while_the_first_is_pending_is_told_it_was_there() -> None:
    rig = Rig(snapshot_delay_ms=50.0)
    wire = rig.connect()
    for _ in range(2):
        wire.subscribe(BOOK, BTC)
    rig.advance(0.06)
    first, second = wire.frames()
    assert (first["type"], second["type"]) == ("subscribed", "error")
    assert second["message"].startswith("Invalid subscribe message: already subscribed")
    assert (second["message_id"], second["channel"], second["id"]) == (2, BOOK, BTC)


# -- nodes and books -------------------------------------------------------------------------


@in_loop
def test_dx_m_22_nodes_are_late_each_in_its_own_way() -> None:
    rig = Rig(node_lags_ms=(0.0, 200.0))
    quick, late = rig.connect(), rig.connect()
    for wire in (quick, late):
        wire.subscribe("v4_block_height")
        wire.subscribe(BOOK, BTC)
        wire.frames()
    rig.house("buy", "1", "89000")
    rig.block()
    assert [frame["channel"] for frame in quick.frames()] == [BOOK, "v4_block_height"]
    assert late.frames() == []
    third, fourth = rig.connect(), rig.connect()
    for wire, height, bids in ((third, HEIGHT + 1, 1), (fourth, HEIGHT, 0)):
        wire.subscribe("v4_block_height")
        wire.subscribe(BOOK, BTC)
        one, two = wire.frames()
        assert one["contents"]["height"] == str(height)
        assert len(two["contents"]["bids"]) == bids
    rig.advance(0.21)
    assert [frame["channel"] for frame in late.frames()] == [BOOK, "v4_block_height"]


@in_loop
def test_dx_m_19_books_cross_on_command_and_rest_uncrosses() -> None:
    rig = Rig()
    rig.house("sell", "1", "90000")
    rig.house("buy", "1", "89990")
    wire = rig.connect()
    wire.subscribe(BOOK, BTC)
    wire.frames()
    price = rig.fault("cross", ticker=BTC, ms=500)
    assert wire.data(BOOK) == [{"bids": [[price, "0.001"]]}]
    assert price == "90001"
    book = rig.sim.rest.answer(f"orderbooks/perpetualMarket/{BTC}", {})
    assert book["bids"][0]["price"] == "90001"  # the newer one stays (DX-B-09)
    assert book["asks"] == []
    rig.advance(0.6)
    assert wire.data(BOOK) == [{"bids": [["90001", "0"]]}]
    book = rig.sim.rest.answer(f"orderbooks/perpetualMarket/{BTC}", {})
    assert [row["price"] for row in book["asks"]] == ["90000"]


@in_loop
def test_snapshots_have_100_levels_a_side() -> None:
    rig = Rig()
    for step in range(150):
        rig.house("buy", "1", str(89000 - step))
    wire = rig.connect()
    wire.subscribe(BOOK, BTC)
    (frame,) = wire.frames()
    prices = [int(row["price"]) for row in frame["contents"]["bids"]]
    assert prices == list(range(89000, 88900, -1))


# -- markets ---------------------------------------------------------------------------------


@in_loop
def test_dx_m_21_partial_updates_oracles_status_and_grid() -> None:
    rig = Rig(markets_interval_s=1.0)
    wire = rig.connect()
    wire.subscribe("v4_markets")
    wire.frames()
    rig.advance(1.1)
    assert wire.data("v4_markets") == []  # nothing changed
    rig.house("sell", "1", "90000")
    rig.house("buy", "1", "90000", take=True)
    rig.block()
    rig.advance(1.1)
    (update,) = wire.data("v4_markets")
    assert list(update["trading"]) == [BTC]
    assert update["trading"][BTC] == {
        "trades24H": 1, "priceChange24H": "81", "volume24H": "90000",
    }  # fmt: skip
    rig.house("sell", "1", "91000")
    rig.house("buy", "1", "90998")
    rig.block()
    (oracle,) = wire.data("v4_markets")
    assert oracle["oraclePrices"][BTC]["oraclePrice"] == "90999"
    rig.act("market", ticker=BTC, step_base_quantums=10_000_000, status="POST_ONLY")
    grid, status = wire.data("v4_markets")
    assert grid["trading"][BTC]["stepSize"] == "0.001"
    assert (status["trading"][BTC]["status"], status["trading"][BTC]["volume24H"]) == (
        "POST_ONLY", "0",
    )  # fmt: skip


# -- faults of 18.4 "Indexer" ----------------------------------------------------------------


@in_loop
def test_a_subscribe_may_fail_for_once_for_good_or_never_be_answered() -> None:
    rig = Rig()
    wire = rig.connect()
    rig.fault("subscribe_error", channel=BOOK)
    wire.subscribe(BOOK, BTC)
    (error,) = wire.frames()
    assert error["message"] == f"Internal error, could not fetch data for subscription: {BOOK}."
    assert (error["message_id"], error["id"]) == (1, BTC)
    wire.subscribe(BOOK, BTC)
    assert types(wire) == [("subscribed", 2)]
    rig.fault("subscribe_error", channel="v4_trades", id=BTC, never=True)
    wire.subscribe("v4_trades", BTC)
    assert wire.frames() == []
    rig.fault("subscribe_error", channel="v4_candles", count=None)
    for _ in range(2):
        wire.subscribe("v4_candles", f"{BTC}/1MIN")
    assert types(wire) == [("error", 4), ("error", 5)]


@in_loop
def test_heights_may_stand_still_jump_and_go_back() -> None:
    rig = Rig()
    wire = rig.connect()
    wire.subscribe("v4_block_height")
    wire.frames()
    rig.block(5)
    rig.fault("height_back", blocks=3)
    rig.fault("stale_height")
    rig.block()
    rig.sim.faults.clear()
    rig.block()
    told = [int(row["blockHeight"]) for row in wire.data("v4_block_height")]
    assert told == [HEIGHT + 5, HEIGHT + 2, HEIGHT + 7]


@in_loop
def test_ids_may_skip_and_regress() -> None:
    rig = Rig()
    wire = rig.connect()
    wire.subscribe("v4_block_height")
    rig.fault("skip_ids", count=3)
    rig.block()
    rig.fault("skip_ids", count=-2)
    rig.block()
    assert [number for _, number in types(wire)] == [1, 5, 4]


@pytest.mark.parametrize(
    ("action", "check"),
    [
        ("drop", lambda frames: frames == []),
        ("duplicate", lambda frames: len(frames) == 2 and frames[0] == frames[1]),
        ("unknown_type", lambda frames: frames[0]["type"] == "somethingNew"),
        ("unknown_channel", lambda frames: frames[0]["channel"] == "v4_something_new"),
        ("extra_keys", lambda frames: "simUnknown" in frames[0]),
        ("empty", lambda frames: frames[0]["contents"]["orders"] == []),
        ("nulls", lambda frames: frames[0]["contents"]["orders"][0]["price"] is None),
        ("absent", lambda frames: "price" not in frames[0]["contents"]["orders"][0]),
        ("numbers", lambda frames: frames[0]["contents"]["orders"][0]["clientId"] == 5),
        ("regress", lambda frames: frames[0]["message_id"] == 0),
        ("huge", lambda frames: len(frames[0]["padding"]) == 16 << 20),
    ],
)
@in_loop
def test_taps_bend_the_frames_of_a_topic(action: str, check: Any) -> None:
    rig = Rig()
    wire = rig.connect()
    wire.subscribe("v4_subaccounts", NAME)
    wire.frames()
    rig.fault("tap", prefix="v4_subaccounts", action=action)
    rig.order("buy", "0.01", "89000", 5)
    assert check(wire.frames())


@in_loop
def test_fills_may_come_before_the_order_twice_or_from_elsewhere() -> None:
    rig = Rig()
    wire = rig.connect()
    wire.subscribe("v4_subaccounts", NAME)
    wire.frames()
    order = rig.fault("foreign_fill", address=ADDRESS, size="0.01", price="90000", open_after=True)
    rig.block()
    told = wire.data("v4_subaccounts")
    assert told[0]["fills"][0]["orderId"] == order
    assert told[0]["orders"][0]["status"] == "FILLED"
    assert told[-1]["orders"][0]["status"] == "BEST_EFFORT_OPENED"
    again = rig.fault("repeat_fill", address=ADDRESS)
    (repeated,) = wire.data("v4_subaccounts")
    assert repeated["fills"][0]["id"] == again == told[0]["fills"][0]["id"]


@in_loop
def test_a_fault_may_strike_later_unless_all_are_cleared() -> None:
    rig = Rig()
    wire = rig.connect()
    rig.fault("close", code=1012, in_ms=100)
    rig.sim.faults.clear()
    rig.fault("close", connection=99, code="x", in_ms=100)  # nobody is there
    rig.fault("tap", prefix="v4_trades", action="nonsense", in_ms=100)
    rig.advance(0.2)
    assert wire.closed is None
    assert "unknown action" in rig.sim.faults.applied[-1]["error"]
    rig.fault("close", code=1012, in_ms=100)
    rig.advance(0.09)
    assert wire.closed is None
    rig.advance(0.02)
    assert wire.closed == (1012, "")
    with pytest.raises(ValueError, match="unknown fault"):
        rig.fault("nonsense", in_ms=5)
