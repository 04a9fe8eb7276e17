"""What the Lighter simulator's venue does with orders (sections 8 to 12 and 18.2)."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from unit.sim.lighter_desk import DAY_MS, Desk, ioc

from connectors.sim.lighter.changes import TxRow
from connectors.sim.lighter.config import AccountSetup
from connectors.sim.lighter.errors import Refused

MARKET = {"Type": 1, **ioc()}
ASK_IDS, BID_IDS = range(1 << 48, 1 << 49), range(1 << 48, 1 << 49)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def error(row: TxRow) -> int:
    """Return the code with which a transaction failed in the sequencer."""
    assert row.status == 0
    return int(json.loads(json.loads(row.event_info)["ae"])["code"])


def refused(desk: Desk, tx_type: int, account: int = 1001, **fields: Any) -> int:
    with pytest.raises(Refused) as caught:
        desk.send(tx_type, account, **fields)
    return caught.value.code


# -- life of an order --------------------------------------------------------------------------


def test_ids_of_asks_go_up_and_of_bids_down(desk: Desk) -> None:
    asks = [desk.order(240_000, ask=True).index for _ in range(3)]
    bids = [desk.order().index for _ in range(3)]
    assert asks == [(1 << 48) + n for n in range(3)]
    assert bids == [(1 << 49) - 1 - n for n in range(3)]


def test_a_resting_order_shows_every_documented_member(desk: Desk) -> None:
    order = desk.order(ClientOrderIndex=77, size=50, price=236_131)
    row = order.row()
    assert row["order_id"] == str(row["order_index"]) == str(order.index)
    assert (row["client_order_id"], row["client_order_index"]) == ("77", 77)
    assert (row["initial_base_amount"], row["price"]) == ("0.0050", "2361.31")
    assert (row["remaining_base_amount"], row["filled_base_amount"]) == ("0.0050", "0.0000")
    assert (row["status"], row["type"], row["time_in_force"]) == ("open", "limit", "good-till-time")
    assert (row["base_size"], row["base_price"], row["is_ask"]) == (50, 236_131, False)


def test_two_orders_trade_at_the_makers_price(desk: Desk) -> None:
    maker = desk.order(236_000, 100, ask=True, account=1002, ClientOrderIndex=5)
    taker = desk.order(237_000, 60, ClientOrderIndex=6)
    assert (taker.status, taker.filled) == ("filled", 60)
    assert (maker.status, maker.filled, maker.remaining) == ("open", 60, 40)
    (trade,) = desk.exchange.changes.trades
    row = trade.row()
    assert (row["price"], row["size"], row["usd_amount"]) == ("2360.00", "0.0060", "14.160000")
    assert (row["bid_account_id"], row["ask_account_id"]) == (1001, 1002)
    assert (row["bid_client_id"], row["ask_client_id"]) == (6, 5)
    assert row["is_maker_ask"] is True
    assert (row["taker_fee"], row["maker_fee"]) == (196, 28)
    assert (desk.position(1001), desk.position(1002)) == (60, -60)


def test_post_only_never_takes(desk: Desk) -> None:
    desk.order(236_000, 100, ask=True, account=1002)
    crossing = desk.order(236_000, 50, TimeInForce=2)
    assert (crossing.status, crossing.filled) == ("canceled-post-only", 0)
    resting = desk.order(235_999, 50, TimeInForce=2)
    assert (resting.status, resting.row()["time_in_force"]) == ("open", "post-only")


def test_immediate_or_cancel_leaves_nothing(desk: Desk) -> None:
    desk.order(236_000, 60, ask=True, account=1002)
    order = desk.order(236_000, 100, **ioc())
    assert (order.status, order.filled) == ("canceled", 60)


def test_market_order_against_its_protection_price(desk: Desk) -> None:
    desk.order(236_000, 60, ask=True, account=1002)
    desk.order(250_000, 60, ask=True, account=1002)
    assert desk.order(240_000, 100, **MARKET).status == "canceled-too-much-slippage"
    assert desk.order(260_000, 100, **MARKET).status == "canceled-not-enough-liquidity"
    assert desk.position() == 120


def test_cancel_by_either_id(desk: Desk) -> None:
    first = desk.order(ClientOrderIndex=9)
    second = desk.order()
    desk.send(15, MarketIndex=0, Index=9)
    desk.send(15, MarketIndex=0, Index=second.index)
    assert (first.status, second.status) == ("canceled", "canceled")
    assert refused(desk, 15, MarketIndex=0, Index=9) == 21700


def test_cancel_of_somebody_elses_order(desk: Desk) -> None:
    other = desk.order(account=1002)
    assert refused(desk, 15, MarketIndex=0, Index=other.index) == 21707
    assert refused(desk, 15, account=1002, MarketIndex=1, Index=other.index) == 21700
    assert other.is_live


def test_modify_keeps_the_id_and_counts_fills(desk: Desk) -> None:
    order = desk.order(236_000, 100)
    desk.order(236_000, 50, ask=True, account=1002)
    row = desk.send(17, MarketIndex=0, Index=order.index, BaseAmount=200, Price=235_000,
                    TriggerPrice=0)  # fmt: skip
    assert row.status == 2
    assert (order.status, order.size, order.price, order.filled) == ("open", 200, 235_000, 50)
    assert desk.exchange.engine.book("0").bids() == [(235_000, 150)]
    below = {"MarketIndex": 0, "Index": order.index, "BaseAmount": 50, "Price": 235_000}
    assert refused(desk, 17, **below, TriggerPrice=0) == 21701
    assert order.is_live


def test_modify_into_the_book_trades(desk: Desk) -> None:
    desk.order(236_500, 60, ask=True, account=1002)
    order = desk.order(236_000, 100)
    desk.send(17, MarketIndex=0, Index=order.index, BaseAmount=100, Price=236_500, TriggerPrice=0)
    assert (order.filled, order.status) == (60, "open")


def test_cancel_all_now_one_market_and_scheduled(desk: Desk) -> None:
    here, there = desk.order(), desk.order(640_000, 100, MarketIndex=1)
    desk.send(16, TimeInForce=0, Time=0, L2TxAttributes={"5": 1})
    assert (here.status, there.status) == ("open", "canceled")
    desk.send(16, TimeInForce=1, Time=desk.clock.now_ms() + 300_000)
    desk.advance(299_000)
    assert here.is_live
    desk.advance(2_000)
    assert here.status == "canceled"
    kept = desk.order()
    desk.send(16, TimeInForce=1, Time=desk.clock.now_ms() + 300_000)
    desk.send(16, TimeInForce=2, Time=0)
    desk.advance(301_000)
    assert kept.is_live
    desk.send(16, TimeInForce=0, Time=0)
    assert not kept.is_live


def test_expiry(desk: Desk) -> None:
    order = desk.order(OrderExpiry=desk.clock.now_ms() + 300_000)
    desk.advance(299_999)
    assert order.is_live
    desk.advance(1)
    assert order.status == "canceled-expired"


@pytest.mark.parametrize(
    ("mode", "taker_status", "maker_status"),
    [
        (0, "open", "canceled-self-trade"),
        (1, "canceled-self-trade", "open"),
        (2, "canceled-self-trade", "canceled-self-trade"),
    ],
)
def test_self_trade(desk: Desk, mode: int, taker_status: str, maker_status: str) -> None:
    maker = desk.order(236_000, 100, ask=True)
    taker = desk.order(236_000, 100, L2TxAttributes={"6": mode})
    assert (taker.status, maker.status) == (taker_status, maker_status)
    assert not desk.exchange.changes.trades


# -- conditionals and groups -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "ask", "trigger", "before", "at"),
    [
        (2, False, 240_000, 239_999, 240_000),
        (2, True, 230_000, 230_001, 230_000),
        (4, False, 230_000, 230_001, 230_000),
        (4, True, 240_000, 239_999, 240_000),
    ],
)
def test_triggers(desk: Desk, kind: int, *, ask: bool, trigger: int, before: int, at: int) -> None:
    market = desk.exchange.markets[0]
    desk.order(236_000, 500, ask=not ask, account=1002)
    order = desk.order(
        229_000 if ask else 245_000, 100, ask=ask, Type=kind, TimeInForce=0, TriggerPrice=trigger
    )
    assert (order.status, order.trigger_status) == ("pending", "mark-price")
    desk.exchange.set_mark(market, before)
    desk.exchange.settle()
    assert order.status == "pending"
    desk.exchange.set_mark(market, at)
    desk.exchange.settle()
    assert (order.status, order.trigger_status, order.filled) == ("filled", "ready", 100)


def test_stop_limit_rests_once_triggered(desk: Desk) -> None:
    order = desk.order(241_000, 100, Type=3, TriggerPrice=240_000)
    desk.send(15, MarketIndex=0, Index=order.index)
    assert order.status == "canceled"
    order = desk.order(241_000, 100, Type=3, TriggerPrice=240_000)
    desk.exchange.set_mark(desk.exchange.markets[0], 240_500)
    desk.exchange.settle()
    assert (order.status, order.trigger_status) == ("open", "ready")


def test_trades_move_the_mark_and_trigger(desk: Desk) -> None:
    stop = desk.order(250_000, 50, Type=2, TimeInForce=0, TriggerPrice=240_000)
    desk.house.order(0, is_ask=True, price=240_000, size=200)
    desk.order(240_000, 50, account=1002, **ioc())
    assert stop.status == "filled"


def group(desk: Desk, kind: int, *orders: dict[str, Any]) -> list[Any]:
    row = desk.send(28, GroupingType=kind, Orders=list(orders))
    assert row.status == 2, row.event_info
    return list(desk.exchange.orders.values())[-len(orders) :]


def exits(desk: Desk, size: int) -> tuple[dict[str, Any], dict[str, Any]]:
    common = {"ask": True, "ReduceOnly": 1, "TimeInForce": 0}
    return (
        desk.members(220_000, size, Type=2, TriggerPrice=225_000, **common),
        desk.members(250_000, size, Type=4, TriggerPrice=255_000, **common),
    )


def test_one_cancels_the_other(desk: Desk) -> None:
    desk.house.order(0, is_ask=True, price=236_000, size=100)
    desk.order(236_000, 100)
    stop, take = group(desk, 2, *exits(desk, 100))
    desk.house.order(0, is_ask=False, price=224_000, size=500)
    desk.exchange.set_mark(desk.exchange.markets[0], 225_000)
    desk.exchange.settle()
    assert (stop.status, take.status) == ("filled", "canceled-oco")
    assert desk.position() == 0


def test_parent_triggers_its_children(desk: Desk) -> None:
    parent, stop, take = group(desk, 3, desk.members(236_000, 100), *exits(desk, 0))
    assert (stop.status, stop.trigger_status) == ("pending", "parent-order")
    assert stop.row()["parent_order_index"] == parent.index
    desk.house.order(0, is_ask=True, price=236_000, size=100, take=True)
    assert parent.status == "filled"
    assert (stop.size, stop.trigger_status, take.trigger_status) == (
        100, "mark-price", "mark-price",
    )  # fmt: skip


def test_children_end_with_an_unfilled_parent(desk: Desk) -> None:
    parent, stop, _ = group(desk, 3, desk.members(236_000, 100), *exits(desk, 0))
    desk.send(15, MarketIndex=0, Index=parent.index)
    assert stop.status == "canceled-child"


def test_groups_that_are_none(desk: Desk) -> None:
    stop, take = exits(desk, 100)
    for kind, orders in ((2, [stop]), (2, [stop, stop]), (4, [stop, take]), (1, [stop, take])):
        assert refused(desk, 28, GroupingType=kind, Orders=orders) == 21740


# -- money -------------------------------------------------------------------------------------


def test_fees_and_profit(desk: Desk) -> None:
    """Entry 2360, exit 2370 with 0.01: 0.10 profit, fees of each side in millionths."""
    desk.house.order(0, is_ask=True, price=236_000, size=100)
    desk.order(236_000, 100)
    desk.house.order(0, is_ask=False, price=237_000, size=100)
    desk.order(237_000, 100, ask=True, **ioc())
    account = desk.exchange.accounts[1001]
    fees = 23_600_000 * 196 // 1_000_000 + 23_700_000 * 196 // 1_000_000
    assert account.collateral == 1_000_000_000_000 + 100_000 - fees
    position = account.positions[0]
    assert (position.size, position.entry, position.realized) == (0, 0, 100_000)


def test_a_position_that_turns_around(desk: Desk) -> None:
    desk.house.order(0, is_ask=True, price=236_000, size=100)
    desk.order(236_000, 100)
    desk.house.order(0, is_ask=False, price=235_000, size=300)
    desk.order(235_000, 250, ask=True, **ioc())
    position = desk.exchange.accounts[1001].positions[0]
    assert (position.size, position.realized) == (-150, -100_000)
    assert position.average_text() == "2350.000000"


def test_margin(desk: Desk) -> None:
    poor = Desk(AccountSetup(1001, {5: "01" + "00" * 39}, collateral="100"))
    fields = poor.members(236_000, 10_000)
    assert refused(poor, 14, **fields) == 21739
    poor.order(236_000, 8_000)  # 5 % of 1888 USDC
    assert refused(poor, 14, **poor.members(236_000, 8_000)) == 21739


def test_margin_comes_back(desk: Desk) -> None:
    account = desk.exchange.accounts[1001]
    order = desk.order(236_000, 1_000)
    assert account.reserved == 236_000_000 * 500 // 10_000
    desk.send(17, MarketIndex=0, Index=order.index, BaseAmount=500, Price=236_000, TriggerPrice=0)
    assert account.reserved == 118_000_000 * 500 // 10_000
    desk.send(15, MarketIndex=0, Index=order.index)
    assert account.reserved == 0


def test_leverage(desk: Desk) -> None:
    desk.send(20, MarketIndex=0, InitialMarginFraction=1_000, MarginMode=0)
    desk.order(236_000, 1_000)
    assert desk.exchange.accounts[1001].reserved == 236_000_000 // 10
    row = desk.send(20, MarketIndex=0, InitialMarginFraction=100, MarginMode=0)
    assert error(row) == 21113


def test_reduce_only(desk: Desk) -> None:
    """An impossible one is taken and then fails in the sequencer without an order row."""
    before = len(desk.exchange.orders)
    row = desk.send(14, **desk.members(240_000, 100, ask=True, ReduceOnly=1))
    assert error(row) == 21732
    assert len(desk.exchange.orders) == before
    desk.house.order(0, is_ask=True, price=236_000, size=100)
    desk.order(236_000, 100)
    desk.house.order(0, is_ask=False, price=236_000, size=500)
    closing = desk.order(236_000, 400, ask=True, ReduceOnly=1, **ioc())
    assert (closing.filled, desk.position()) == (100, 0)


def test_resting_reduce_only_without_position(desk: Desk) -> None:
    desk.house.order(0, is_ask=True, price=236_000, size=100)
    desk.order(236_000, 100)
    resting = desk.order(240_000, 100, ask=True, ReduceOnly=1)
    desk.house.order(0, is_ask=False, price=236_000, size=100)
    desk.order(236_000, 100, ask=True, **ioc())
    desk.order(240_000, 100, account=1002)
    assert resting.status == "canceled-reduce-only"


def test_spot_moves_both_assets(desk: Desk) -> None:
    spot = {"MarketIndex": 2048}
    maker = desk.order(23_600_000, 100, ask=True, account=1002, **spot)
    seller, buyer = desk.exchange.accounts[1002], desk.exchange.accounts[1001]
    assert seller.locked[1] == 100_000_000
    desk.order(23_600_000, 40, **spot)
    assert maker.filled == 40
    assert seller.spot[1] == 10_000_000_000 - 40_000_000
    assert seller.locked[1] == 60_000_000
    quote = 944_000_000
    assert seller.spot[3] == 100_000_000_000 + quote - quote * 28 // 1_000_000
    assert buyer.spot[3] == 100_000_000_000 - quote - quote * 196 // 1_000_000
    assert buyer.spot[1] == 10_000_000_000 + 40_000_000
    assert not buyer.positions
    assert refused(desk, 14, **desk.members(23_600_000, 50_000, ask=True, **spot)) == 21304


def test_liquidation(desk: Desk) -> None:
    desk.house.order(0, is_ask=True, price=236_000, size=100)
    desk.order(236_000, 100)
    resting = desk.order(230_000, 100)
    desk.house.order(0, is_ask=False, price=220_000, size=500)
    exchange = desk.exchange
    exchange.liquidate(exchange.accounts[1001], exchange.markets[0])
    exchange.settle()
    assert (desk.position(), resting.status) == (0, "canceled-liquidation")
    assert exchange.changes.trades[-1].row()["type"] == "liquidation"


def test_transfer_and_withdraw(desk: Desk) -> None:
    desk.send(12, ToAccountIndex=1002, AssetIndex=3, FromRouteType=0, ToRouteType=1,
              Amount=5_000_000, USDCFee=1)  # fmt: skip
    desk.send(13, AssetIndex=3, RouteType=0, Amount=1_000_000)
    assert desk.exchange.accounts[1001].collateral == 1_000_000_000_000 - 6_000_001
    assert desk.exchange.accounts[1002].spot[3] == 100_005_000_000
    assert error(desk.send(13, AssetIndex=3, RouteType=0, Amount=1 << 50)) == 21301


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"BaseAmount": 49}, 21706),
        ({"Price": 1}, 21706),
        ({"BaseAmount": 0}, 21701),
        ({"BaseAmount": -1}, 21701),
        ({"Price": 0}, 21702),
        ({"Price": 1 << 32}, 21702),
        ({"MarketIndex": 7}, 21602),
        ({"MarketIndex": 255}, 21602),
        ({"IsAsk": 2}, 21703),
        ({"Type": 9}, 21704),
        ({"Type": 6}, 21710),
        ({"TimeInForce": 3}, 21705),
        ({"OrderExpiry": 0}, 21711),
        ({"OrderExpiry": -1}, 21711),
        ({"TimeInForce": 0}, 21711),
        ({"TriggerPrice": 5}, 21729),
        ({"Type": 3}, 21729),
        ({"Type": 2, "TriggerPrice": 5}, 21705),
        ({"Type": 3, "TriggerPrice": 5, "MarketIndex": 2048}, 21618),
        ({"ClientOrderIndex": 1 << 48}, 21727),
        ({"L2TxAttributes": {"1": 6}}, 21149),
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_at_once(desk: Desk, change: dict[str, Any], code: int) -> None:
    fields = {**desk.members(236_000, 100), **change}
    assert refused(desk, 14, **fields) == code
    assert desk.exchange.accounts[1001].keys[5].nonce == 1
    sequencer = Desk(precheck=False)
    assert error(sequencer.send(14, **fields)) == code
    assert sequencer.exchange.accounts[1001].keys[5].nonce == 2


@pytest.mark.parametrize("days", [-1, 0, 31])
def test_expiry_out_of_range(desk: Desk, days: int) -> None:
    expiry_ms = desk.clock.now_ms() + days * DAY_MS
    assert refused(desk, 14, **desk.members(236_000, 100, OrderExpiry=expiry_ms)) == 21711


def test_a_client_index_is_unique_among_live_orders(desk: Desk) -> None:
    order = desk.order(ClientOrderIndex=7)
    assert refused(desk, 14, **desk.members(236_000, 100, ClientOrderIndex=7)) == 21728
    desk.order(ClientOrderIndex=7, account=1002)
    desk.send(15, MarketIndex=0, Index=order.index)
    assert desk.order(ClientOrderIndex=7).is_live


def test_integrators(desk: Desk) -> None:
    approval = {
        "IntegratorAccountIndex": 6, "MaxPerpsTakerFee": 0, "MaxPerpsMakerFee": 0,
        "MaxSpotTakerFee": 0, "MaxSpotMakerFee": 0,
    }  # fmt: skip
    order = desk.members(236_000, 100, L2TxAttributes={"1": 6})
    assert refused(desk, 14, **order) == 21149
    desk.send(45, **approval, ApprovalExpiry=desk.clock.now_ms() + 1_000)
    assert desk.send(14, **order).status == 2
    desk.advance(1_001)
    assert refused(desk, 14, **order) == 21149
    desk.send(45, **approval, ApprovalExpiry=0)
    assert not desk.exchange.accounts[1001].integrators


def test_maker_only_key() -> None:
    desk = Desk(AccountSetup(1001, {5: "01" + "00" * 39}, maker_only=frozenset({5})))
    assert refused(desk, 14, **desk.members(236_000, 100)) == 62007
    order = desk.order(236_000, 100, TimeInForce=2)
    desk.send(15, MarketIndex=0, Index=order.index)
    assert refused(desk, 20, MarketIndex=0, InitialMarginFraction=500, MarginMode=0) == 62007


def test_latency_lets_cancels_overtake_takers() -> None:
    desk = Desk(taker_latency_ms=300, maker_latency_ms=0)
    maker = desk.order(236_000, 100, ask=True, account=1002)
    row = desk.send(14, **desk.members(236_000, 100))
    assert row.status == 1
    desk.send(15, account=1002, MarketIndex=0, Index=maker.index)
    desk.advance(299)
    assert row.status == 1
    desk.advance(1)
    assert (row.status, maker.status, desk.position()) == (2, "canceled", 0)


# -- everything at once --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_made_or_lost_in_a_random_session(seed: int) -> None:
    """Positions add up to zero, money to what came in less fees, margin to what is open."""
    source = random.Random(seed)
    desk = Desk()
    exchange = desk.exchange
    accounts = [exchange.accounts[index] for index in (1001, 1002)]
    trades = []
    for _ in range(600):
        account = source.choice(accounts)
        live = list(account.live.values())
        if live and source.random() < 0.35:
            order = source.choice(live)
            if source.random() < 0.5:
                desk.send(15, account.index, MarketIndex=0, Index=order.index)
            else:
                size = order.filled + source.randint(50, 400)
                price = 236_000 + source.randint(-30, 30)
                desk.send(17, account.index, MarketIndex=0, Index=order.index, BaseAmount=size,
                          Price=price, TriggerPrice=0)  # fmt: skip
        else:
            kind: dict[str, Any] = source.choice([{}, {"TimeInForce": 2}, dict(ioc()), MARKET])
            ask = source.random() < 0.5
            price = 236_000 + source.randint(-30, 30)
            desk.send(14, account.index,
                      **desk.members(price, source.randint(50, 400), ask=ask, **kind))  # fmt: skip
        trades += exchange.changes.trades
        exchange.changes.trades.clear()
        assert sum(a.size_in(exchange.markets[0]) for a in accounts) == 0
        for one in accounts:
            held = sum(order.reserved for order in one.live.values())
            assert one.reserved == held
    assert len(trades) > 50
    fees = sum(t.quote * rate // 1_000_000 for t in trades for rate in (t.taker_fee, t.maker_fee))
    for account in accounts:
        desk.send(16, account.index, TimeInForce=0, Time=0)
        assert not account.live
        assert account.reserved == 0
    exchange.set_mark(exchange.markets[0], 236_000)
    total = sum(account.collateral + account.unrealized for account in accounts)
    assert abs(total - (2_000_000_000_000 - fees)) <= len(trades)  # an entry rounds by one each
    for account in accounts:
        mine = [t for t in trades if account.index in t.accounts()]
        signed = sum(t.size if t.accounts()[0] == account.index else -t.size for t in mine)
        assert signed == account.size_in(exchange.markets[0])
        orders = [*account.inactive]
        assert sum(order.filled for order in orders) == sum(t.size for t in mine)
