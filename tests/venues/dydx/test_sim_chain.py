"""The chain's side of the simulator: rules, codes, matching, blocks, money (DX-M-01, 05..10)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from venues.dydx.sim_rig import ADDRESS, HEIGHT, NAME, START_MS, Rig, Wire, in_loop

from connectors.sim.dydx import views
from connectors.sim.dydx.markets import make_markets
from connectors.sim.dydx.numbers import count, quotient, show

BTC = "BTC-USD"
NOW_S = START_MS // 1000


def follow(rig: Rig) -> Wire:
    wire = rig.connect()
    wire.subscribe("v4_subaccounts", NAME)
    wire.frames()
    return wire


def statuses(wire: Wire) -> list[tuple[str, str]]:
    """Return status and reason of the orders told, in order."""
    return [
        (row["status"], row.get("removalReason", "").removeprefix("ORDER_REMOVAL_REASON_"))
        for contents in wire.data("v4_subaccounts")
        for row in contents.get("orders", ())
    ]


# -- numbers and grids (8.2) -----------------------------------------------------------------


def test_numbers_are_exact_and_plain() -> None:
    assert [show(10_000_000, -10), show(-5, -1), show(0, -6), show(3, 2)] == [
        "0.001", "-0.5", "0", "300",
    ]  # fmt: skip
    assert count("89947", -5) == 8_994_700_000
    assert quotient(1, 3, 0) == "0.33333333333333333333"
    for bad in ("1e5", "", "0.1234567", "x", 5, None):
        with pytest.raises(ValueError):  # noqa: PT011 - the type is the contract
            count(bad, -6)


def test_dx_i_02_ticks_and_steps_follow_from_the_integers() -> None:
    grid = {t: (m.row()["tickSize"], m.row()["stepSize"]) for t, m in make_markets(4).items()}
    assert grid == {
        BTC: ("1", "0.0001"), "ETH-USD": ("0.1", "0.001"), "SOL-USD": ("0.01", "0.1"),
        "TINY-USD": ("0.0000000001", "10000000"),
    }  # fmt: skip


# -- what is refused (10.1, 10.2) ------------------------------------------------------------

LONG = {"flags": "long_term", "good_til_block_time": NOW_S + 60}
STOP = {"flags": "conditional", "good_til_block_time": NOW_S + 60}


@pytest.mark.parametrize(
    ("code", "size", "price", "more"),
    [
        (48, "0.01", "89000", {"time_in_force": "FOK"}),
        (44, "0.01", "89000", {"time_in_force": "DAY"}),
        (4, "0", "89000", {}),
        (5, "0.01", "89000", {"good_til_block": 0}),
        (3001, "0.01", "89000", {"flags": "long_term", "good_til_block_time": 0}),
        (3000, "0.01", "89000", {"flags": 7}),
        (3002, "0.01", "89000", {**LONG, "time_in_force": "IOC"}),
        (9003, "0.01", "89000", {"reduce_only": True}),
        (6, "0.01", "0", {}),
        (6000, "0.01", "89000", STOP),
        (6001, "0.01", "89000", {**STOP, "condition": "STOP_LOSS"}),
        (6000, "0.01", "89000", {"condition": "STOP_LOSS"}),
        (12, "0.01", "89000.5", {}),
        (12, "0.00015", "89000", {}),
        (10, "0.01", "89000", {"good_til_block": HEIGHT}),
        (11, "0.01", "89000", {"good_til_block": HEIGHT + 22}),
        (3003, "0.01", "89000", {"flags": "long_term", "good_til_block_time": NOW_S}),
        (3004, "0.01", "89000", {"flags": "long_term", "good_til_block_time": NOW_S + 9_000_000}),
        (3007, "90", "89000", LONG),
        (12, "0.01", "89000", {**STOP, "condition": "STOP_LOSS", "trigger_price": "89000.5"}),
        (2001, "0.01", "89000", {"reduce_only": True, "time_in_force": "IOC"}),
    ],
)
@in_loop
def test_dx_m_05_orders_that_are_refused_say_nothing_on_the_stream(
    code: int, size: str, price: str, more: dict[str, Any]
) -> None:
    rig = Rig()
    wire = follow(rig)
    answer = rig.order("buy", size, price, 1, **more)
    assert (answer["code"], answer["codespace"]) == (code, "clob")
    rig.block()
    assert wire.frames() == []


@pytest.mark.parametrize(
    ("status", "more", "code"),
    [
        ("PAUSED", {}, 34),
        ("CANCEL_ONLY", {"post_only": True}, 34),
        ("POST_ONLY", {}, 34),
        ("POST_ONLY", {"post_only": True}, 0),
        ("INITIALIZING", {"post_only": True}, 0),
        ("INITIALIZING", {"post_only": True, "price": "90000"}, 34),
        ("INITIALIZING", {}, 34),
        ("FINAL_SETTLEMENT", {}, 34),
    ],
)
@in_loop
def test_dx_v_18_the_status_of_a_market(status: str, more: dict[str, Any], code: int) -> None:
    rig = Rig()
    rig.act("market", ticker=BTC, status=status)
    price = more.pop("price", "89000") if "price" in more else "89000"
    assert rig.order("buy", "0.01", price, 1, **more)["code"] == code


@in_loop
def test_dx_v_14_15_what_a_node_remembers_of_an_id() -> None:
    rig = Rig()
    first = {"good_til_block": HEIGHT + 5}
    later = {"good_til_block": HEIGHT + 8}
    assert rig.order("buy", "0.02", "89000", 1, **first)["code"] == 0
    assert rig.order("buy", "0.02", "89000", 1, **first)["code"] == 20  # the same again
    assert rig.order("sell", "0.02", "89000", 1, **later)["code"] == 20
    assert rig.order("buy", "0.02", "89000", 1, **later, time_in_force="IOC")["code"] == 20
    assert rig.cancel(1, good_til_block=HEIGHT + 5)["code"] == 0
    assert rig.cancel(1, good_til_block=HEIGHT + 5)["code"] == 9
    assert rig.order("buy", "0.02", "89000", 1, **first)["code"] == 7
    assert rig.order("buy", "0.02", "89000", 1, **later)["code"] == 0
    rig.house("sell", "0.02", "89000", take=True)
    rig.block()
    assert rig.order("buy", "0.02", "89000", 1, good_til_block=HEIGHT + 9)["code"] == 24


@in_loop
def test_dx_v_21_a_cancel_that_overtakes_its_order_kills_it() -> None:
    rig = Rig()
    wire = follow(rig)
    assert rig.cancel(1, good_til_block=HEIGHT + 5)["code"] == 0
    assert rig.order("buy", "0.02", "89000", 1, good_til_block=HEIGHT + 5)["code"] == 7
    assert statuses(wire) == [("BEST_EFFORT_CANCELED", "USER_CANCELED")]


@in_loop
def test_dx_v_22_cancels_of_stateful_orders() -> None:
    rig = Rig()
    assert rig.cancel(1, flags="long_term", good_til_block_time=NOW_S + 60)["code"] == 3006
    assert rig.order("buy", "0.02", "89000", 1, **LONG)["code"] == 0
    assert rig.order("buy", "0.02", "89000", 1, **LONG)["code"] == 3005
    rig.block()
    assert rig.cancel(1, flags="long_term", good_til_block_time=NOW_S + 30)["code"] == 29
    assert rig.cancel(1, flags="long_term")["code"] == 0
    assert rig.cancel(1, flags="long_term")["code"] == 32
    assert rig.order("buy", "0.02", "89000", 1, **LONG)["code"] == 3008
    rig.block()
    assert rig.cancel(1, flags="long_term")["code"] == 3010


@in_loop
def test_dx_m_09_block_rate_limits_and_equity_tiers() -> None:
    rig = Rig(limits=("blocks", "tiers"))
    codes = [rig.order("buy", "0.001", "8000", i, **LONG)["code"] for i in range(3)]
    assert codes == [0, 0, 5001]
    rig.block()
    assert rig.order("buy", "0.001", "8000", 4, **LONG)["code"] == 0
    poor = rig.chain.open_subaccount("dydx1poor", 0)
    poor.usdc = count("15", -6)
    answer = rig.act(
        "order", address="dydx1poor", ticker=BTC, side="buy", size="0.0001", price="8000",
        client_id=1, **LONG,
    )  # fmt: skip
    assert answer["code"] == 10001


# -- matching --------------------------------------------------------------------------------


@in_loop
def test_dx_m_06_price_then_time() -> None:
    rig = Rig()
    rig.order("buy", "0.01", "89000", 1)
    rig.house("buy", "0.01", "89000")
    rig.order("buy", "0.01", "89001", 2)
    rig.house("sell", "0.02", "89000", take=True)
    rig.block()
    filled = {order.terms.client_id: order.state for order in rig.account.orders.values()}
    assert filled == {1: "filled", 2: "filled"}
    prices = [views.fill(item, rig.account)["price"] for item in rig.account.fills]
    assert prices == ["89001", "89000"]


@in_loop
def test_dx_m_06_ways_to_leave_at_once() -> None:
    rig = Rig()
    wire = follow(rig)
    rig.house("sell", "0.01", "90000")
    assert rig.order("buy", "0.01", "90000", 1, post_only=True)["code"] == 2003
    rig.order("buy", "0.02", "90000", 2, time_in_force="IOC")
    rig.order("buy", "90", "89000", 3)
    assert statuses(wire) == [
        ("BEST_EFFORT_OPENED", ""),
        ("BEST_EFFORT_CANCELED", "POST_ONLY_WOULD_CROSS_MAKER_ORDER"),
        ("BEST_EFFORT_OPENED", ""),
        ("BEST_EFFORT_CANCELED", "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK"),
        ("BEST_EFFORT_OPENED", ""),
        ("BEST_EFFORT_CANCELED", "UNDERCOLLATERALIZED"),
    ]


@in_loop
def test_dx_v_17_a_self_trade_removes_the_resting_order() -> None:
    rig = Rig()
    wire = follow(rig)
    rig.order("sell", "0.01", "90000", 1)
    rig.house("sell", "0.01", "90001")
    rig.order("buy", "0.01", "90001", 2)
    rig.block()
    assert statuses(wire) == [
        ("BEST_EFFORT_OPENED", ""),
        ("BEST_EFFORT_OPENED", ""),
        ("BEST_EFFORT_CANCELED", "SELF_TRADE_ERROR"),
        ("FILLED", ""),
    ]
    assert [views.fill(f, rig.account)["price"] for f in rig.account.fills] == ["90001"]


@in_loop
def test_reduce_only_is_cut_to_the_position() -> None:
    rig = Rig()
    rig.house("sell", "0.01", "90000")
    rig.order("buy", "0.01", "90000", 1)
    rig.house("buy", "0.05", "89990")
    rig.block()
    rig.order("sell", "0.05", "89990", 2, time_in_force="IOC", reduce_only=True)
    rig.block()
    assert rig.account.quantums(BTC) == 0
    assert [position.status for position in rig.account.past_positions] == ["CLOSED"]


# -- blocks ----------------------------------------------------------------------------------


@in_loop
def test_dx_m_07_what_matches_is_certain_with_the_next_block_only() -> None:
    rig = Rig()
    wire = follow(rig)
    rig.house("sell", "0.01", "90000")
    rig.order("buy", "0.01", "90000", 1)
    assert statuses(wire) == [("BEST_EFFORT_OPENED", "")]
    assert (rig.account.usdc, len(rig.account.fills)) == (count("45201.296", -6), 0)
    assert rig.sim.rest.answer(f"trades/perpetualMarket/{BTC}", {}) == {"trades": []}
    rig.block()
    assert rig.account.usdc == count("45201.296", -6) - count("900.45", -6)  # 5 bp of 900 USDC
    assert len(rig.sim.rest.answer(f"trades/perpetualMarket/{BTC}", {})["trades"]) == 1


@in_loop
def test_dx_m_08_stateful_orders_match_a_block_after_they_came() -> None:
    rig = Rig()
    wire = follow(rig)
    rig.house("buy", "0.01", "91000")
    rig.order("sell", "0.02", "91000", 1, **LONG)
    assert statuses(wire) == []
    rig.block()
    assert statuses(wire) == [("OPEN", "")]
    assert len(rig.account.fills) == 0
    rig.block()
    assert statuses(wire) == [("OPEN", "")]
    assert len(rig.account.fills) == 1
    rig.sim.clock.advance(60_000_000_000)
    rig.block()
    assert statuses(wire) == [("CANCELED", "EXPIRED")]
    (order,) = rig.account.orders.values()
    assert (order.state, order.committed) == ("expired", rig.sim.market(BTC).quantums("0.01"))


@pytest.mark.parametrize(
    ("side", "condition", "trigger", "oracle", "fires"),
    [
        ("sell", "STOP_LOSS", "89000", "89000", True),
        ("sell", "STOP_LOSS", "89000", "89001", False),
        ("buy", "STOP_LOSS", "91000", "91000", True),
        ("buy", "STOP_LOSS", "91000", "90999", False),
        ("sell", "TAKE_PROFIT", "91000", "91500", True),
        ("sell", "TAKE_PROFIT", "91000", "90000", False),
        ("buy", "TAKE_PROFIT", "89000", "88000", True),
        ("buy", "TAKE_PROFIT", "89000", "90000", False),
    ],
)
@in_loop
def test_dx_m_08_conditions_look_at_the_oracle_price(
    side: str, condition: str, trigger: str, oracle: str, *, fires: bool
) -> None:
    rig = Rig()
    wire = follow(rig)
    rig.order(side, "0.01", "90000", 1, **STOP, condition=condition, trigger_price=trigger)
    rig.block()
    rig.act("oracle", ticker=BTC, price=oracle)
    rig.block()
    expected = [("UNTRIGGERED", "")] + [("OPEN", "")] * fires
    assert statuses(wire) == expected


@in_loop
def test_a_triggered_order_that_cannot_rest_is_canceled_by_the_next_block() -> None:
    rig = Rig()
    wire = follow(rig)
    rig.order(
        "sell", "0.01", "90000", 1, **STOP, condition="STOP_LOSS", trigger_price="89000",
        time_in_force="IOC",
    )  # fmt: skip
    rig.act("oracle", ticker=BTC, price="88000")
    for _ in range(3):
        rig.block()
    assert statuses(wire) == [
        ("UNTRIGGERED", ""),
        ("OPEN", ""),
        ("CANCELED", "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK"),
    ]


@pytest.mark.parametrize(("blocks", "told"), [(20, 1), (0, 0)])
@in_loop
def test_dx_m_18_expiry_is_told_late_or_never(blocks: int, told: int) -> None:
    rig = Rig(indexer_expired_blocks=blocks)
    wire = follow(rig)
    rig.order("buy", "0.02", "89000", 1, good_til_block=HEIGHT + 2)
    for _ in range(21):
        rig.block()
    assert statuses(wire) == [("BEST_EFFORT_OPENED", "")]
    (order,) = rig.account.orders.values()
    assert order.state == "expired"
    assert rig.sim.chain.engine.book(BTC).best_bid is None
    rig.block()
    assert statuses(wire) == [("CANCELED", "INDEXER_EXPIRED")] * told


@in_loop
def test_a_canceled_order_is_not_told_as_expired() -> None:
    rig = Rig(indexer_expired_blocks=2)
    wire = follow(rig)
    rig.order("buy", "0.02", "89000", 1, good_til_block=HEIGHT + 2)
    rig.cancel(1)
    for _ in range(8):
        rig.block()
    assert statuses(wire) == [
        ("BEST_EFFORT_OPENED", ""), ("BEST_EFFORT_CANCELED", "USER_CANCELED"),
    ]  # fmt: skip


@in_loop
def test_a_partial_fill_behind_a_cancel_keeps_its_status() -> None:
    """7.1: BEST_EFFORT_CANCELED with a larger totalFilled."""
    rig = Rig()
    wire = follow(rig)
    order = rig.order("buy", "0.02", "89000", 1)
    rig.cancel(1)
    rig.fault("proposer_fill", order=order["id"], size="0.01")
    rig.block()
    last = [row for contents in wire.data("v4_subaccounts") for row in contents.get("orders", ())]
    assert (last[-1]["status"], last[-1]["totalFilled"]) == ("BEST_EFFORT_CANCELED", "0.01")


# -- money -----------------------------------------------------------------------------------


@in_loop
def test_positions_flip_and_money_is_conserved() -> None:
    rig = Rig(maker_fee_ppm=-110, taker_fee_ppm=500)
    wire = follow(rig)
    rig.house("sell", "0.03", "90000")
    rig.order("buy", "0.03", "90000", 1)
    rig.block()
    rig.house("buy", "0.05", "91000")
    rig.order("sell", "0.05", "91000", 2)
    rig.block()
    closed, opened = [
        row
        for contents in wire.data("v4_subaccounts")[-2:-1]
        for row in contents["perpetualPositions"]
    ]
    assert (closed["status"], closed["realizedPnl"], closed["exitPrice"]) == (
        "CLOSED", "30", "91000",
    )  # fmt: skip
    assert (opened["side"], opened["size"], opened["maxSize"]) == ("SHORT", "-0.02", "-0.02")
    assert closed["positionId"] != opened["positionId"]
    fees = Decimal("90000") * Decimal("0.03") * Decimal("0.0005")
    fees += Decimal("91000") * Decimal("0.05") * Decimal("0.0005")
    expected = Decimal("45201.296") - 2700 + 4550 - fees
    assert Decimal(views.money(rig.account.usdc)) == expected


@in_loop
def test_fees_round_up_and_rebates_down_in_whole_quantums() -> None:
    rig = Rig(maker_fee_ppm=-110, taker_fee_ppm=333)
    rig.house("sell", "0.0001", "90001")
    rig.order("buy", "0.0001", "90001", 1)
    rig.block()
    rig.order("buy", "0.0001", "90001", 2)
    rig.house("sell", "0.0001", "90001", take=True)
    rig.block()
    # 9.0001 USDC: 2997.0333 and -990.011 quantums
    assert [item.fee for item in rig.account.fills] == [2_998, -990]


@in_loop
def test_transfers_between_children_are_not_told_their_parent() -> None:
    rig = Rig()
    wire = rig.connect()
    for channel, id_ in (
        ("v4_parent_subaccounts", NAME),
        ("v4_subaccounts", NAME),
        ("v4_subaccounts", f"{ADDRESS}/128"),
    ):
        wire.subscribe(channel, id_)
    assert wire.frames()[-1]["contents"] == {}
    rig.act(
        "transfer", amount="5.5", to={"address": ADDRESS, "subaccount_number": 128},
        **{"from": {"address": ADDRESS}},
    )  # fmt: skip
    rig.block()
    frames = [frame for frame in wire.frames() if "transfers" in frame["contents"]]
    assert sorted((frame["id"], frame["contents"]["transfers"]["type"]) for frame in frames) == [
        (f"{ADDRESS}/0", "TRANSFER_OUT"), (f"{ADDRESS}/128", "TRANSFER_IN"),
    ]  # fmt: skip
    assert {frame["channel"] for frame in frames} == {"v4_subaccounts"}
    parent = rig.sim.indexer.parent_contents(ADDRESS, 0, rig.chain.height)
    assert [row["equity"] for row in parent["subaccount"]["childSubaccounts"]] == [
        "45195.796", "5.5",
    ]  # fmt: skip


@in_loop
def test_a_liquidation_has_no_order() -> None:
    rig = Rig()
    rig.house("sell", "0.01", "90000")
    rig.order("buy", "0.01", "90000", 1)
    rig.block()
    wire = follow(rig)
    trades = rig.connect()
    trades.subscribe("v4_trades", BTC)
    trades.frames()
    rig.act("liquidate", address=ADDRESS, ticker=BTC, price="80000")
    rig.block()
    contents = wire.data("v4_subaccounts")[0]
    assert "orders" not in contents
    fill = contents["fills"][0]
    assert (fill["orderId"], fill["type"], fill["liquidity"]) == (None, "LIQUIDATED", "TAKER")
    assert trades.data("v4_trades")[0]["trades"][0]["type"] == "LIQUIDATED"


# -- what tests compare with -----------------------------------------------------------------


@in_loop
def test_state_tells_everything_and_quiet_stops_the_house() -> None:
    rig = Rig(rate_per_s=400.0, levels=5, account_share=0.4, block_ms=100.0)
    rig.advance(3)
    rig.act("quiet", cancel=True)
    rig.block()
    rig.block()
    state = rig.sim.admin.state({})
    fills = [fill for row in state["subaccounts"] for fill in row["fills"]]
    assert len(fills) > 20
    assert state["pending_matches"] == 0
    for row in state["subaccounts"]:
        assert not {order["state"] for order in row["orders"]} & {"open", "untriggered"}
        by_order: dict[str, Decimal] = {}
        for fill in row["fills"]:
            size = by_order.get(fill["orderId"], Decimal(0)) + Decimal(fill["size"])
            by_order[fill["orderId"]] = size
        for order in row["orders"]:
            assert Decimal(order["filled"]) == by_order.get(order["id"], Decimal(0))
        net: dict[str, Decimal] = {}
        for fill in row["fills"]:
            sign = 1 if fill["side"] == "BUY" else -1
            net[fill["ticker"]] = net.get(fill["ticker"], Decimal(0)) + sign * Decimal(fill["size"])
        held = {p["market"]: Decimal(p["size"]) for p in row["positions"] if p["status"] == "OPEN"}
        assert held == {ticker: size for ticker, size in net.items() if size}
    offsets = {t: book["offset"] for t, book in state["books"].items()}
    rig.advance(1)
    assert {t: b["offset"] for t, b in rig.sim.admin.state({})["books"].items()} == offsets


@in_loop
def test_the_same_seed_gives_the_same_frames() -> None:
    def run() -> list[bytes]:
        rig = Rig(rate_per_s=200.0, levels=5, block_ms=100.0, seed=11, markets=2)
        wire = rig.connect()
        for channel, id_ in (("v4_orderbook", BTC), ("v4_trades", BTC), ("v4_markets", None)):
            wire.subscribe(channel, id_)
        wire.subscribe("v4_subaccounts", f"{rig.sim.accounts[0]['address']}/0")
        rig.advance(2)
        return list(wire.connection.sent)

    first = run()
    assert len(first) > 100
    assert first == run()
