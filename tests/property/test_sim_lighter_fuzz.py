"""Whatever a signed transaction holds, the Lighter simulator refuses it or carries it out."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.sim.lighter_desk import START_MS, Desk

from connectors.sim.lighter.errors import Refused
from connectors.sim.lighter.publisher import Publisher
from connectors.sim.lighter.tx import SHAPES

DAY_MS = 86_400_000
NUMBERS = st.one_of(
    st.sampled_from(
        [-(1 << 63), -1, 0, 1, 2, 3, 5, 50, 100, 255, 2048, 4094, 236_000, (1 << 32) - 1, 1 << 32,
         1 << 48, (1 << 49) - 1, 1 << 60, (1 << 63) - 1, (1 << 64) - 1,
         START_MS, START_MS + 301_000, START_MS + 28 * DAY_MS, 1001, 1002]
    ),
    st.integers(0, 400),
    st.integers(235_990, 236_010),
)  # fmt: skip
ORDER = {
    "MarketIndex": st.sampled_from([0, 0, 0, 1, 2048, 255, 7]),
    "ClientOrderIndex": st.integers(0, 6),
    "BaseAmount": st.one_of(st.integers(0, 300), NUMBERS),
    "Price": st.one_of(st.integers(235_990, 236_010), NUMBERS),
    "IsAsk": st.integers(0, 2),
    "Type": st.integers(0, 9),
    "TimeInForce": st.integers(0, 3),
    "ReduceOnly": st.integers(0, 1),
    "TriggerPrice": st.sampled_from([0, 0, 235_000, 236_000, 237_000, -1]),
    "OrderExpiry": st.sampled_from([0, START_MS + 301_000, START_MS + 28 * DAY_MS, -1]),
}
AMOUNT = st.one_of(st.integers(-5, 1_000_000), NUMBERS)
MEMBERS = {
    **ORDER,
    "AssetIndex": st.sampled_from([1, 3, 5]),
    "FromRouteType": st.integers(0, 2),
    "ToRouteType": st.integers(0, 2),
    "RouteType": st.integers(0, 2),
    "ToAccountIndex": st.sampled_from([1001, 1002, 9]),
    "Amount": AMOUNT,
    "USDCFee": AMOUNT,
    "USDCAmount": AMOUNT,
    "Direction": st.integers(0, 2),
    "InitialMarginFraction": st.one_of(st.integers(200, 10_000), NUMBERS),
    "MarginMode": st.integers(0, 2),
    "Index": st.one_of(st.integers(1, 6), NUMBERS),
}
ATTRIBUTES = st.one_of(
    st.none(),
    st.dictionaries(st.sampled_from("12345678"), st.integers(0, 6), max_size=4),
)


def fields(tx_type: int) -> st.SearchStrategy[dict[str, Any]]:
    """Return members for a type: half of them sensible, so that some get far."""
    members: dict[str, st.SearchStrategy[Any]] = {"L2TxAttributes": ATTRIBUTES}
    for name, _ in SHAPES[tx_type]:
        if name == "PubKey":
            members[name] = st.just("A" * 54 + "==")
        elif name == "Orders":
            members[name] = st.lists(st.fixed_dictionaries(ORDER), min_size=1, max_size=3)
        else:
            members[name] = MEMBERS.get(name, NUMBERS)
    return st.fixed_dictionaries(members)


TXS = st.lists(
    st.one_of(
        *(
            st.tuples(st.just(tx_type), st.sampled_from([1001, 1002]), fields(tx_type))
            for tx_type in [*SHAPES, 12, 12, 14, 14, 14, 14, 17, 28]
        )
    ),
    max_size=25,
)


@pytest.mark.parametrize("precheck", [True, False])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(txs=TXS)
def test_refused_or_carried_out(
    txs: list[tuple[int, int, dict[str, Any]]], *, precheck: bool
) -> None:
    desk = Desk(precheck=precheck)
    exchange = desk.exchange
    publisher = Publisher(exchange)
    desk.house.order(0, is_ask=True, price=236_003, size=200)
    desk.house.order(0, is_ask=False, price=235_997, size=200)
    money = total(desk)
    for tx_type, account, values in txs:
        nonce = exchange.accounts[account].keys[5].nonce
        with contextlib.suppress(Refused):
            row = desk.send(tx_type, account, **values)
            assert row.status in (0, 2)
            nonce = row.tx.nonce + 1
        assert exchange.accounts[account].keys[5].nonce == nonce
        assert total(desk) <= money  # only fees, withdrawals and roundings leave
        publisher.flush()
        check_books(desk)
    desk.advance(29 * DAY_MS)
    check_books(desk)


def total(desk: Desk) -> int:
    """Return the money of everybody but fees: collateral, open profit, spot."""
    accounts = desk.exchange.accounts.values()
    perps = sum(account.collateral + account.unrealized for account in accounts)
    return perps + sum(account.spot.get(3, 0) for account in accounts)


def check_books(desk: Desk) -> None:
    """Check that orders, books, holds and positions agree with each other."""
    exchange = desk.exchange
    for market in exchange.markets.values():
        resting = exchange.engine.book(market.key).orders()
        for item in resting:
            assert item.tag.status == "open"
            assert item.tag.index in item.tag.account.live
        assert sum(a.size_in(market) for a in exchange.accounts.values()) == 0
    for account in exchange.accounts.values():
        if account.house:
            continue
        assert account.reserved == sum(order.reserved for order in account.live.values())
        assert account.reserved >= 0
        for asset, units in account.locked.items():
            held = sum(o.locked for o in account.live.values() if _asset(o) == asset)
            assert units == held
        for order in account.live.values():
            assert order.status in ("open", "pending")
            assert 0 <= order.filled <= order.size
            order.row()
        account.rest_row()
        account.stats()


def _asset(order: Any) -> int:
    market = order.market
    return int(market.base_asset if order.is_ask else market.quote_asset)
