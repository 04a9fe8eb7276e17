"""Positions, wallets and margin of the simulator, against exact fractions."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.sim.trading_desk import TradingDesk, inverse, linear

from connectors.sim.binance.account import BRACKETS, Position, money, plain
from connectors.sim.engine_order import Side

fills = st.lists(
    st.tuples(
        st.integers(-50, 50).filter(bool),
        st.integers(10_000, 100_000),
    ),
    max_size=30,
)


def value(rules, units, price):
    """What `units` are worth at a price, as the contract defines it; signed."""
    qty = Fraction(units, 10**rules.quantity_precision)
    if rules.inverse:
        return -qty * int(rules.contract_size) / price
    return qty * price


@pytest.mark.parametrize("rules", [linear(), inverse()], ids=lambda r: r.product.value)
@given(fills)
def test_realised_plus_unrealised_is_what_the_fills_say(rules, trades):
    position = Position(rules, "BOTH")
    spent = Fraction(0)
    realised = Decimal(0)
    for units, price in trades:
        realised += position.apply(units, Decimal(price), Decimal(0))
        spent += value(rules, units, price)
    held = sum(units for units, _ in trades)
    assert position.amount == held
    assert position.realized == realised
    mark = 50_000
    total = Fraction(realised) + Fraction(position.unrealized(Decimal(mark)))
    assert abs(total - (value(rules, held, mark) - spent)) < Fraction(1, 10**15)
    if not held:
        assert position.entry == 0


@given(fills.filter(lambda trades: sum(units for units, _ in trades)))
def test_break_even_pays_for_the_fees_of_what_is_open(trades):
    rules = linear()
    position = Position(rules, "BOTH")
    fee = Decimal("0.5")
    for units, price in trades:
        position.apply(units, Decimal(price), fee)
    at_break_even = position.unrealized(position.break_even())
    assert abs(at_break_even - position.fees) < Decimal("1e-15")
    assert 0 < position.fees <= fee * len(trades)


def test_maintenance_margin_has_no_steps():
    for table in BRACKETS.values():
        for lower, upper in itertools.pairwise(table):
            assert lower.cap == upper.floor
            assert lower.cap * lower.rate - lower.cum == upper.floor * upper.rate - upper.cum


@pytest.mark.parametrize(
    ("amount", "with_eight", "short"),
    [
        ("0", "0.00000000", "0"),
        ("-0.000000001", "0.00000000", "0"),
        ("1E+3", "1000.00000000", "1000"),
        ("-12.5", "-12.50000000", "-12.5"),
        ("100", "100.00000000", "100"),
    ],
)
def test_amounts_as_text(amount, with_eight, short):
    assert money(Decimal(amount)) == with_eight
    assert plain(Decimal(amount)) == short


@pytest.fixture
def desk():
    return TradingDesk(balances={"USDT": Decimal(1000), "BTC": Decimal(1)})


def wallet(desk, asset="USDT", account=0):
    return desk.exchange.accounts[account].wallet(asset).balance


def test_fill_moves_fee_and_profit_through_the_wallet(desk):
    desk.limit(quantity="0.010")  # maker, 430 at 0.0002
    desk.limit("SELL", quantity="0.010", account=1)  # taker, 430 at 0.0004
    assert wallet(desk) == Decimal("999.914")
    assert wallet(desk, account=1) == Decimal("999.828")
    desk.limit("SELL", "43100.0", quantity="0.010")
    desk.limit("BUY", "43100.0", quantity="0.010", account=1)
    assert wallet(desk) == Decimal("999.914") + Decimal("1.0") - Decimal("0.0862")
    assert wallet(desk, account=1) == Decimal("999.828") - Decimal("1.0") - Decimal("0.1724")


def test_money_is_only_moved_never_made(desk):
    """What both sides gain and lose, fees aside, cancels out at every mark price."""
    for price, quantity in (("43000.0", "0.020"), ("43010.0", "0.010"), ("42990.0", "0.015")):
        desk.limit(price=price, quantity=quantity)
        desk.limit("SELL", price, quantity, account=1)
        desk.limit("SELL", "42980.0", "0.012", account=0)
        desk.limit("BUY", "42980.0", "0.012", account=1)
    first, second = desk.exchange.accounts
    fees = sum(Decimal(str(trade["commission"])) for a in (first, second) for trade in a.trades)
    mark = desk.exchange.mark("BTCUSDT")
    equity = sum(
        a.wallet("USDT").balance + sum(p.unrealized(mark) for p in a.active())
        for a in (first, second)
    )
    assert abs(equity + fees - 2000) < Decimal("1e-12")


def test_margin_of_orders_counts_the_larger_exposure(desk):
    def used():
        (item,) = json.loads(desk.raw("GET", "/fapi/v3/account").body)["assets"]
        return Decimal(item["initialMargin"])

    desk.limit(price="42000.0", quantity="0.010")
    assert used() == Decimal(21)  # 420 / 20
    desk.limit("SELL", "44000.0", quantity="0.010")
    assert used() == Decimal(22)  # the larger side counts, not the sum
    desk.ok("POST", "leverage", symbol="BTCUSDT", leverage=10)
    assert used() == Decimal(44)


def test_code_2019_when_margin_does_not_suffice(desk):
    assert desk.refused_limit(quantity="0.500") == -2019  # needs 1075
    desk.ok("POST", "leverage", symbol="BTCUSDT", leverage=50)
    desk.limit(quantity="0.500")
    assert desk.refused_limit(quantity="0.700") == -2019


def test_isolated_position_sets_margin_aside_and_gives_it_back(desk):
    desk.ok("POST", "marginType", symbol="BTCUSDT", marginType="ISOLATED")
    desk.bot(Side.SELL, 20, 4300000)
    desk.limit(quantity="0.020")
    (risk,) = desk.ok("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT")
    assert risk["marginType"] == "isolated"
    assert risk["isolatedWallet"] == "43.00000000"
    desk.ok("POST", "positionMargin", symbol="BTCUSDT", amount="7", type=1)
    assert desk.refused("POST", "positionMargin", symbol="BTCUSDT", amount="8", type=2) == -4051
    balance = desk.ok("GET", "/fapi/v3/balance")[0]
    assert Decimal(balance["crossWalletBalance"]) == wallet(desk) - 50
    desk.bot(Side.BUY, 10, 4300000)
    desk.limit("SELL", quantity="0.010")
    (risk,) = desk.ok("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT")
    assert risk["isolatedWallet"] == "25.00000000"


def test_cross_liquidation_closes_positions_and_clears_the_debt(desk):
    desk.listen()
    desk.ok("POST", "leverage", symbol="BTCUSDT", leverage=100)
    desk.bot(Side.SELL, 1000, 4300000)
    desk.limit(quantity="1.000")
    resting = desk.limit(price="41000.0", quantity="0.100")
    desk.mark("42500.0")
    assert list(desk.exchange.accounts[0].active()), "500 lost of 1000: still covered"
    desk.mark("41000.0")
    first = desk.exchange.accounts[0]
    assert not list(first.active())
    assert not first.open_orders
    ended = next(u for u in desk.updates() if u["i"] == resting["orderId"] and u["x"] != "NEW")
    assert (ended["X"], ended["er"]) == ("EXPIRED", "5")
    assert desk.updates()[-1]["c"].startswith("autoclose-")
    assert wallet(desk) == 0
    assert desk.frames[-1]["a"]["m"] == "INSURANCE_CLEAR"
    forced = desk.ok("GET", "forceOrders", symbol="BTCUSDT")
    assert [order["clientOrderId"][:10] for order in forced] == ["autoclose-"]


def test_isolated_liquidation_costs_only_the_isolated_wallet(desk):
    desk.ok("POST", "marginType", symbol="BTCUSDT", marginType="ISOLATED")
    desk.bot(Side.SELL, 20, 4300000)
    desk.limit(quantity="0.020")
    desk.mark("40900.0")
    first = desk.exchange.accounts[0]
    assert not list(first.active())
    assert wallet(desk) > 950


def test_inverse_contract_is_valued_in_coin(desk):
    desk.bot(Side.SELL, 43, 430000, "BTCUSD_PERP")
    order = {
        "symbol": "BTCUSD_PERP",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "43",
        "price": "43000.0",
    }
    desk.ok("POST", "/dapi/v1/order", **order)
    assert wallet(desk, "BTC") == Decimal(1) - Decimal("0.1") * Decimal("0.0004")
    desk.mark("50000.0", "BTCUSD_PERP")
    (risk,) = desk.ok("GET", "/dapi/v1/positionRisk", marginAsset="BTC")
    assert risk["unRealizedProfit"] == "0.01400000"  # 4300 x (1/43000 - 1/50000)
    assert risk["notionalValue"] == "0.086"
