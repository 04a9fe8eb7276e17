"""The rules by which an order is over, or is not: every row DX-O-* (7.1), and 7.2 to 7.6."""

from __future__ import annotations

import json

import pytest
from venues.dydx.account_rig import (
    ADDRESS,
    DATA,
    HEIGHT,
    ORDER,
    Account,
    canceled,
    decimals,
    filled_row,
    placed,
    stateful,
    trade,
)

from connectors.dydx import ids
from connectors.dydx.orders import OrderStore
from connectors.execution.fills import SeenFills
from connectors.model import OrderStatus


@pytest.fixture
def account() -> Account:
    """One that looks at an empty account from `HEIGHT` on."""
    account = Account()
    account.start()
    return account


def statuses(account: Account) -> list[OrderStatus]:
    return [report.status for report in account.reports(ORDER)]


def test_dx_o_01_filled_and_canceled_are_final(account: Account) -> None:
    account.message(orders=[placed()])
    account.message(HEIGHT + 1, fills=[trade(size="0.02")], orders=[filled_row("0.02", "FILLED")])
    assert statuses(account) == [OrderStatus.ACCEPTED, OrderStatus.FILLED]
    other = "778795c8-ef33-5de4-9bbf-2989e568d756"
    account.message(HEIGHT + 1, orders=[filled_row("0", "CANCELED", order_id=other)])
    assert account.order(other).status is OrderStatus.CANCELED
    assert account.orders() == []


def test_dx_o_01_height_ends_a_short_term_order_after_its_block(account: Account) -> None:
    account.message(orders=[placed(good_til_block=HEIGHT + 2)])
    account.block(HEIGHT + 2)
    assert statuses(account) == [OrderStatus.ACCEPTED]
    account.block(HEIGHT + 3)
    assert statuses(account) == [OrderStatus.ACCEPTED, OrderStatus.EXPIRED]


def test_dx_o_01_the_block_of_a_cancel_of_ours_counts_too(account: Account) -> None:
    account.message(orders=[placed(good_til_block=HEIGHT + 2), canceled(good_til_block=HEIGHT + 2)])
    account.store.cancel_sent(ORDER, HEIGHT + 5)
    account.block(HEIGHT + 5)
    assert account.order(ORDER).status is OrderStatus.PENDING_CANCEL
    account.block(HEIGHT + 6)
    assert account.order(ORDER).status is OrderStatus.CANCELED


def test_dx_o_01_a_stateful_order_is_not_ended_by_height(account: Account) -> None:
    account.message(HEIGHT, orders=[stateful("OPEN", HEIGHT)])
    account.block(HEIGHT + 1_000)
    assert statuses(account) == [OrderStatus.ACCEPTED]


def test_dx_o_02_heights_of_another_connection_wait_one_block_more() -> None:
    account = Account(store=OrderStore(extra_blocks=1))
    account.start()
    account.message(orders=[placed(good_til_block=HEIGHT + 2)])
    account.block(HEIGHT + 3)
    assert statuses(account) == [OrderStatus.ACCEPTED]
    account.block(HEIGHT + 4)
    assert statuses(account)[-1] is OrderStatus.EXPIRED


def test_dx_o_02_a_trade_after_the_height_that_ended_its_order_is_not_lost(
    account: Account,
) -> None:
    account.message(orders=[placed(good_til_block=HEIGHT + 3)])
    account.block(HEIGHT + 4)
    assert statuses(account)[-1] is OrderStatus.EXPIRED
    account.message(HEIGHT + 2, fills=[trade(height=HEIGHT + 2)], orders=[filled_row("0.01")])
    last = account.order(ORDER)
    assert (last.status, last.filled_size) == (OrderStatus.EXPIRED, *decimals("0.01"))
    account.message(
        HEIGHT + 2, fills=[trade("f2", height=HEIGHT + 2)], orders=[filled_row("0.02", "FILLED")]
    )
    assert account.order(ORDER).status is OrderStatus.FILLED
    assert len(account.trades(ORDER)) == 2


def test_dx_o_03_an_order_nobody_has_spoken_of_does_not_exist(account: Account) -> None:
    """What was accepted for broadcast is no order yet: nothing here makes one of it."""
    account.store.cancel_sent(ORDER, HEIGHT + 5)
    account.block(HEIGHT + 40)
    assert (account.orders(open_only=False), account.store.live) == ([], [])


def test_dx_o_04_no_message_at_all_means_expired_unfilled(account: Account) -> None:
    account.message(orders=[placed(good_til_block=HEIGHT + 1)])
    account.block(HEIGHT + 2)
    last = account.order(ORDER)
    assert (last.status, last.filled_size) == (OrderStatus.EXPIRED, *decimals("0"))
    # INDEXER_EXPIRED comes twenty blocks late, or never: it says nothing new.
    account.message(HEIGHT + 30, orders=[filled_row("0", "CANCELED") | REMOVED])
    assert len(account.reports(ORDER)) == 2


REMOVED = {"removalReason": "ORDER_REMOVAL_REASON_INDEXER_EXPIRED"}


def test_dx_o_04_the_end_the_indexer_says_late_is_an_expiry(account: Account) -> None:
    account.store.is_held = True  # nobody has let height decide
    account.message(orders=[placed(good_til_block=HEIGHT + 1)])
    account.block(HEIGHT + 30)
    account.message(HEIGHT + 30, orders=[filled_row("0", "CANCELED") | REMOVED])
    last = account.order(ORDER)
    assert (last.status, last.reason) == (OrderStatus.EXPIRED, "INDEXER_EXPIRED")


def test_dx_o_05_the_filled_size_is_the_sum_of_distinct_trades(account: Account) -> None:
    account.message(orders=[placed()])
    account.message(HEIGHT + 1, fills=[trade("a", size="0.004")], orders=[filled_row("0.004")])
    account.message(HEIGHT + 1, fills=[trade("a", size="0.004")], orders=[filled_row("0.004")])
    account.message(HEIGHT + 2, fills=[trade("b", size="0.006")])
    state = account.store.get(ORDER)
    assert [state.fill_sum, state.filled, state.missing] == decimals("0.010", "0.010", "0")
    assert len(account.trades(ORDER)) == 2


def test_dx_o_05_the_optimistic_size_is_a_hint_that_may_shrink(account: Account) -> None:
    account.message(orders=[placed(), canceled(optimistic="0.01")])
    state = account.store.get(ORDER)
    assert (state.filled, state.optimistic_filled) == (*decimals("0"), *decimals("0.01"))
    account.message(orders=[canceled(optimistic="0")])
    assert state.optimistic_filled == 0
    assert account.order(ORDER).filled_size == 0


def test_dx_o_05_trades_a_row_speaks_of_and_nobody_brought_are_missing(account: Account) -> None:
    account.message(orders=[placed()])
    account.feed.orders([filled_row("0.01")])
    state = account.store.get(ORDER)
    assert [state.filled, state.missing] == decimals("0.01", "0.01")
    account.answered(trade())
    assert [state.filled, state.missing] == decimals("0.01", "0")


def test_dx_o_06_a_trade_counts_once_whatever_brings_it(account: Account) -> None:
    row = trade()
    account.message(orders=[placed()])
    account.message(HEIGHT + 1, fills=[row], orders=[filled_row("0.01")])
    account.answered({**row, "market": row["ticker"]}, row, since_height=0)
    account.message(HEIGHT + 1, fills=[row])
    assert len(account.trades()) == 1
    assert account.store.get(ORDER).fill_sum == decimals("0.01")[0]


def test_dx_o_06_the_memory_of_trades_is_bounded_and_not_cleared_as_a_whole(
    account: Account,
) -> None:
    account.fills = SeenFills(capacity=100)
    for number in range(150):
        account.message(HEIGHT + 1, fills=[trade(f"f{number}", order_id=None)])
        account.message(HEIGHT + 1, fills=[trade(f"f{max(number - 99, 0)}", order_id=None)])
    assert len(account.trades()) == 150
    assert len(account.fills) == 100


def test_dx_o_07_orders_and_trades_of_others_pass_through(account: Account) -> None:
    account.message(HEIGHT + 1, orders=[filled_row("0.01")])
    account.message(HEIGHT + 1, fills=[trade("x", order_id="nobody-knows-this-order")])
    assert account.order(ORDER).status is OrderStatus.PARTIALLY_FILLED
    (fill,) = account.trades()
    assert (fill.venue_order_id, fill.client_order_id) == ("nobody-knows-this-order", None)


def test_dx_o_08_a_trade_may_come_before_its_order(account: Account) -> None:
    """Fills exist at commit only; the placement may never have been announced."""
    account.message(HEIGHT + 1, fills=[trade()], orders=[filled_row("0.01")])
    (fill,) = account.trades()
    assert fill.client_order_id == "14", "the row in the same message names it"
    assert statuses(account) == [OrderStatus.PARTIALLY_FILLED]
    account.message(HEIGHT, orders=[placed()])
    assert statuses(account) == [OrderStatus.PARTIALLY_FILLED], "the announcement came late"
    other = "778795c8-ef33-5de4-9bbf-2989e568d757"
    account.message(HEIGHT + 1, fills=[trade("early", order_id=other)])
    account.message(HEIGHT + 1, orders=[filled_row("0.01", order_id=other)])
    assert account.store.get(other).missing == 0


def test_dx_o_09_terminal_wins(account: Account) -> None:
    account.message(HEIGHT + 1, orders=[filled_row("0.02", "FILLED")])
    account.message(HEIGHT + 2, orders=[placed(), canceled(), filled_row("0", "CANCELED")])
    assert statuses(account) == [OrderStatus.FILLED]
    assert account.order(ORDER).filled_size == decimals("0.02")[0]


def test_dx_o_09_of_two_ends_filled_wins(account: Account) -> None:
    account.message(HEIGHT + 1, orders=[placed(), filled_row("0.01", "CANCELED")])
    account.message(HEIGHT + 1, orders=[filled_row("0.02", "FILLED")])
    assert statuses(account)[-1] is OrderStatus.FILLED
    account.message(HEIGHT + 1, orders=[filled_row("0.01", "CANCELED")])
    assert account.order(ORDER).status is OrderStatus.FILLED


def test_dx_o_09_the_larger_filled_size_wins(account: Account) -> None:
    account.message(HEIGHT + 1, orders=[filled_row("0.015")])
    account.message(HEIGHT + 1, orders=[filled_row("0.01")])
    assert account.order(ORDER).filled_size == decimals("0.015")[0]


def test_dx_o_09_the_larger_height_wins(account: Account) -> None:
    account.message(HEIGHT + 2, orders=[placed(), canceled()])
    account.message(HEIGHT + 1, orders=[placed()])
    assert statuses(account)[-1] is OrderStatus.PENDING_CANCEL
    account.message(HEIGHT + 2, orders=[placed()])
    assert statuses(account)[-1] is OrderStatus.ACCEPTED, "announced again: it may fill"


def test_dx_w_20_an_answer_that_lags_takes_nothing_back(account: Account) -> None:
    account.message(HEIGHT + 1, orders=[filled_row("0.01")])
    account.message(HEIGHT + 2, orders=[canceled()])
    told = len(account.told)
    account.feed.orders([filled_row("0.01", height=HEIGHT + 1), filled_row("0", height=HEIGHT)])
    assert len(account.told) == told
    assert account.order(ORDER).status is OrderStatus.PENDING_CANCEL
    account.feed.orders([filled_row("0.02", "FILLED", height=HEIGHT + 3)])
    assert account.order(ORDER).status is OrderStatus.FILLED


def test_dx_w_20_positions_and_balances_of_an_older_block_are_not_taken(account: Account) -> None:
    position = {
        "address": ADDRESS,
        "subaccountNumber": 0,
        "market": "BTC-USD",
        "side": "LONG",
        "status": "OPEN",
        "size": "0.02",
        "entryPrice": "89000",
    }
    asset = {"subaccountNumber": 0, "symbol": "USDC", "side": "LONG", "size": "100"}
    account.message(HEIGHT + 5, perpetualPositions=[position], assetPositions=[asset])
    answer = {
        "subaccountNumber": 0,
        "equity": "1",
        "freeCollateral": "1",
        "openPerpetualPositions": {},
        "assetPositions": {"USDC": {**asset, "size": "99"}},
        "latestProcessedBlockHeight": str(HEIGHT + 4),
    }
    account.feed.subaccount(answer)
    (held,) = account.positions()
    assert held.size == decimals("0.02")[0]
    assert [balance.total for balance in account.balances()] == decimals("100")
    account.feed.subaccount({**answer, "latestProcessedBlockHeight": str(HEIGHT + 5)})
    assert account.positions() == []
    assert [balance.total for balance in account.balances()] == decimals("99")


def test_a_snapshot_that_is_older_than_the_updates_takes_nothing_back(account: Account) -> None:
    position = {
        "market": "BTC-USD",
        "side": "LONG",
        "status": "OPEN",
        "size": "0.01",
        "entryPrice": "89000",
    }
    account.message(HEIGHT + 5, orders=[placed(good_til_block=HEIGHT + 9)])
    account.message(
        HEIGHT + 6,
        fills=[trade(height=HEIGHT + 6)],
        orders=[
            canceled(good_til_block=HEIGHT + 9),
            filled_row("0.01", "CANCELED", height=HEIGHT + 6, order_id="another"),
        ],
        perpetualPositions=[position],
    )
    told = len(account.told)
    account.start(HEIGHT + 5, (placed(good_til_block=HEIGHT + 9), placed(order_id="another")))
    assert account.told[told:] == []
    assert account.order(ORDER).status is OrderStatus.PENDING_CANCEL
    assert account.order("another").status is OrderStatus.CANCELED
    assert len(account.positions()) == 1


# --- 7.2 to 7.4 -----------------------------------------------------------------------------------


def test_7_2_a_conditional_order_that_expires_by_block_time(account: Account) -> None:
    row = stateful("UNTRIGGERED", HEIGHT, orderFlags="32") | {"type": "TAKE_PROFIT"}
    account.message(orders=[row])
    account.message(
        HEIGHT + 9,
        orders=[row | {"status": "CANCELED", "removalReason": "ORDER_REMOVAL_REASON_EXPIRED"}],
    )
    assert statuses(account) == [OrderStatus.ACCEPTED, OrderStatus.EXPIRED]


def test_7_2_an_order_whose_time_has_passed_is_over_if_nobody_says_so(account: Account) -> None:
    """The venue may forget to tell (section 17): the chain's time decides, after a grace."""
    account.message(HEIGHT, orders=[stateful("OPEN", HEIGHT)])
    for height, time in ((1, "2026-03-08T16:11:59Z"), (2, "2026-03-08T16:12:09Z")):
        account.feed.block_height({"blockHeight": str(HEIGHT + height), "time": time})
        assert statuses(account) == [OrderStatus.ACCEPTED]
    account.feed.block_height({"blockHeight": str(HEIGHT + 3), "time": "2026-03-08T16:12:11Z"})
    assert statuses(account)[-1] is OrderStatus.EXPIRED


def test_5_6_4_a_sparse_row_is_forgotten_whatever_its_flags(account: Account) -> None:
    sparse = {
        name: placed()[name] for name in ("id", "clientId", "clobPairId", "status", "ticker")
    } | {"orderFlags": "64"}
    account.message(orders=[sparse])
    assert len(account.store.live) == 1
    account.block(HEIGHT + 21)
    assert account.store.live == []


def test_7_2_a_triggered_order_is_not_untriggered_again(account: Account) -> None:
    row = stateful("UNTRIGGERED", HEIGHT, orderFlags="32")
    account.message(HEIGHT, orders=[row])
    account.message(HEIGHT, orders=[row | {"status": "OPEN"}])
    account.message(HEIGHT, orders=[row])
    assert statuses(account) == [OrderStatus.ACCEPTED, OrderStatus.TRIGGERED]


def test_7_3_replaced_never_surfaces_as_a_cancel(account: Account) -> None:
    later = {"good_til_block": HEIGHT + 9, "size": "0.04", "price": "89100"}
    account.message(orders=[placed()])
    account.message(orders=[canceled("REPLACED")])
    account.block(HEIGHT + 5)
    assert statuses(account) == [OrderStatus.ACCEPTED], "its new good-til block is not known yet"
    account.message(HEIGHT + 5, orders=[placed(**later)])
    account.block(HEIGHT + 9)
    assert statuses(account) == [OrderStatus.ACCEPTED, OrderStatus.ACCEPTED]
    account.block(HEIGHT + 10)
    assert statuses(account)[-1] is OrderStatus.EXPIRED


def test_7_3_new_terms_that_never_come_are_bounded_by_the_window(account: Account) -> None:
    account.message(orders=[placed(), canceled("REPLACED")])
    account.block(HEIGHT + 20)
    assert len(account.orders()) == 1
    account.block(HEIGHT + 21)
    assert account.orders() == []


def test_7_3_a_replacement_that_overtakes_the_removal_of_the_old_terms(account: Account) -> None:
    account.message(orders=[placed(), placed(good_til_block=HEIGHT + 9, size="0.04")])
    account.message(orders=[canceled("REPLACED"), canceled()])
    last = account.order(ORDER)
    assert (last.status, last.size) == (OrderStatus.ACCEPTED, *decimals("0.04"))


def test_7_3_an_order_placed_anew_under_its_id_lives_again(account: Account) -> None:
    account.message(orders=[placed(good_til_block=HEIGHT + 1), canceled(good_til_block=HEIGHT + 1)])
    account.block(HEIGHT + 2)
    assert statuses(account)[-1] is OrderStatus.CANCELED
    account.message(HEIGHT + 2, orders=[placed(good_til_block=HEIGHT + 9)])
    assert account.order(ORDER).status is OrderStatus.ACCEPTED
    account.block(HEIGHT + 10)
    assert account.order(ORDER).status is OrderStatus.EXPIRED, "the cancel was of the old terms"


@pytest.mark.parametrize("kind", ["LIQUIDATED", "DELEVERAGED", "OFFSETTING"])
def test_7_4_a_trade_without_an_order_is_told_with_a_warning(account: Account, kind: str) -> None:
    account.message(HEIGHT + 1, fills=[trade(order_id=None, kind=kind)])
    (fill,) = account.trades()
    assert fill.venue_order_id == ""
    assert account.problems == [f"{kind.lower()}: BUY 0.01 BTC-USD at 89000"]


def test_5_6_4_unknown_words_fail_nothing(account: Account) -> None:
    account.message(orders=[placed("SOMETHING_NEW", type="ODD", timeInForce="ODD")])
    account.message(orders=[placed("ERROR"), canceled("SOMETHING_NEW")])
    assert account.problems == []
    assert account.store.unknown_words == 1
    assert account.order(ORDER).reason == "SOMETHING_NEW"


# --- 7.6 ------------------------------------------------------------------------------------------


def test_7_6_ids_follow_from_public_data() -> None:
    rows = json.loads((DATA / "signing_vectors.json").read_text("utf-8"))["order_uuids"]
    assert len(rows) == 7
    for row in rows:
        who = (row["address"], row["subaccount"])
        assert ids.subaccount_id(*who) == row["subaccount_uuid"]
        found = ids.order_id(
            *who,
            client_id=row["client_id"],
            clob_pair_id=row["clob_pair_id"],
            order_flags=row["order_flags"],
        )
        assert found == row["order_uuid"]


def test_7_6_fills_positions_and_assets() -> None:
    """The ids that stand in the wire scenarios."""
    event = "03f89a980000000200000007"
    assert ids.fill_id(event, "MAKER") == "14f1a50c-b743-5149-b7d7-6893782099eb"
    assert ids.asset_position_id(ADDRESS, 0, 0) == "aeb98753-8d9b-534d-bfab-6bbd1fe1a3b0"
    assert ids.event_height(event) == 66_624_152
    opened = ids.perpetual_position_id(ADDRESS, 0, event)
    assert opened != ids.perpetual_position_id(ADDRESS, 1, event)
    with pytest.raises(ValueError, match="24 hexadecimal digits"):
        ids.event_height("03f8")
