"""What gaps have hidden is read, twice, and what REST says is not overrated (DX-R-05, DX-R-06)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from venues.dydx.account_rig import (
    ADDRESS,
    HEIGHT,
    ORDER,
    Account,
    canceled,
    filled_row,
    placed,
    stateful,
    trade,
)

from connectors.dydx import reconcile
from connectors.dydx.reconcile import Reconciliation
from connectors.errors import AuthenticationError, TransportError
from connectors.model import OrderStatus
from connectors.net.tasks import OwnedTasks
from patience import until

LAG = 3


class Replica:
    """A replica of the indexer, as far behind as the test lets it be."""

    def __init__(self) -> None:
        self.account: dict[str, Any] | None = None
        self.open_orders: list[dict[str, Any]] = []
        self.ended: list[dict[str, Any]] = []
        self.known: dict[str, dict[str, Any]] = {}
        self.trades: list[dict[str, Any]] = []
        self.moved: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.is_down = False

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.is_down:
            raise TransportError("the indexer is away")

    async def subaccount(self, address: str, number: int, *, is_parent: bool) -> Any:
        self._ask("subaccount")
        return self.account

    async def orders(
        self, address: str, number: int, *, is_parent: bool, latest_first: bool, limit: int
    ) -> Any:
        self._ask(f"orders:latest {limit}")
        return self.ended[:limit]

    async def short_term_order_pages(
        self, address: str, number: int, *, is_parent: bool, after_block: int
    ) -> AsyncIterator[list[Any]]:
        self._ask(f"orders:short-term after {after_block}")
        yield [
            row
            for row in self.open_orders + self.ended
            if int(row["goodTilBlock"] or 0) > after_block
        ]

    async def stateful_order_pages(
        self, address: str, number: int, *, is_parent: bool, status: Any
    ) -> AsyncIterator[list[Any]]:
        self._ask("orders:" + ",".join(status))
        yield [row for row in self.open_orders if row["goodTilBlock"] is None]

    async def fill_pages(
        self, address: str, number: int, *, is_parent: bool
    ) -> AsyncIterator[list[Any]]:
        for start in range(0, len(self.trades), 2):
            self._ask("fills")
            yield self.trades[start : start + 2]

    async def transfer_pages(
        self, address: str, number: int, *, is_parent: bool
    ) -> AsyncIterator[list[Any]]:
        self._ask("transfers")
        yield self.moved

    async def order(self, order_id: str) -> Any:
        self._ask(f"order:{order_id}")
        return self.known.get(order_id)


class Reading(Account):
    """An account that reads what it missed."""

    def __init__(self) -> None:
        super().__init__()
        self.replica = Replica()
        self.reads = 0
        self.tasks = OwnedTasks("test")
        self.reconciliation = Reconciliation(
            self,
            rest=self.replica,  # type: ignore[arg-type]
            feed=self.feed,
            store=self.store,
            heights=self.heights,
            members=self.members,
            tasks=self.tasks,
            lag_blocks=LAG,
        )

    def on_read(self) -> None:
        self.reads += 1

    def block(self, height: int) -> None:
        super().block(height)
        self.reconciliation.on_height()

    async def caught_up(self, height: int) -> None:
        """Let the second reading happen, at a height."""
        reads = self.reconciliation.readings
        self.block(height)
        await until(lambda: self.reconciliation.readings > reads, what="the second reading")
        await until(lambda: not self.reconciliation.is_open, what="the gap to be closed")

    async def lost_and_back(self, height: int, orders: tuple[dict[str, Any], ...] = ()) -> None:
        """Lose the connection and get another, up to the first reading."""
        self.reconciliation.open_gap()
        self.store.doubt()
        self.start(height, orders)
        reads = self.reads
        self.reconciliation.read_gap()
        await until(lambda: self.reads > reads, what="the first reading")


def reading(run: Callable[..., Any], test: Callable[[Reading], Any]) -> None:
    """Run a test with an account that has begun to look, and has caught up."""

    async def main() -> None:
        account = Reading()
        try:
            account.reconciliation.open_gap()
            account.start()
            account.reconciliation.read_gap()
            await until(lambda: account.reads == 1, what="the first reading")
            await test(account)
        finally:
            await account.tasks.close(timeout_s=5.0)

    run(main())


def caught_up(run: Callable[..., Any], test: Callable[[Reading], Any]) -> None:
    async def main(account: Reading) -> None:
        await account.caught_up(HEIGHT + LAG)
        account.replica.asked.clear()
        await test(account)

    reading(run, main)


def test_dx_r_06_the_start_is_read_at_once_and_again_when_no_replica_lags(run: Any) -> None:
    async def test(account: Reading) -> None:
        assert account.replica.asked == [
            "subaccount",
            "orders:OPEN,UNTRIGGERED,BEST_EFFORT_OPENED",
            "transfers",
            f"orders:short-term after {HEIGHT}",
            "orders:latest 1000",
        ]
        account.block(HEIGHT + LAG - 1)
        await asyncio.sleep(0.02)
        assert account.reconciliation.is_open
        assert account.store.is_held
        await account.caught_up(HEIGHT + LAG)
        assert account.reconciliation.readings == 2
        assert not account.store.is_held
        assert account.reads == 1, "the second reading is no news to anybody"

    reading(run, test)


def test_dx_w_14_a_trade_between_snapshot_and_subscription_comes_by_rest_once(run: Any) -> None:
    async def test(account: Reading) -> None:
        account.replica.trades = [trade("new"), trade("past", height=HEIGHT)]
        account.replica.open_orders = [filled_row("0.01")]
        await account.caught_up(HEIGHT + LAG)
        account.message(HEIGHT + 1, fills=[trade("new")])
        assert [fill.trade_id for fill in account.trades()] == ["new"], "what was before is past"
        assert account.order(ORDER).filled_size == account.store.get(ORDER).fill_sum

    reading(run, test)


def test_dx_o_01_height_ends_nothing_while_trades_may_be_unread(run: Any) -> None:
    """The block passes in the gap, the trade is only in the answer of a replica that caught up."""

    async def test(account: Reading) -> None:
        account.message(HEIGHT + LAG, orders=[placed(good_til_block=HEIGHT + 8)])
        await account.lost_and_back(HEIGHT + 12)
        account.block(HEIGHT + 12 + LAG - 1)
        assert account.order(ORDER).status is OrderStatus.ACCEPTED
        assert [state.order_id for state in account.store.in_doubt] == [ORDER]
        account.replica.trades = [trade(size="0.02", height=HEIGHT + 8)]
        account.replica.ended = [
            filled_row("0.02", "FILLED", height=HEIGHT + 8, good_til_block=HEIGHT + 8)
        ]
        await account.caught_up(HEIGHT + 12 + LAG)
        told = [report.status for report in account.reports(ORDER)]
        assert told == [OrderStatus.ACCEPTED, OrderStatus.FILLED]
        assert len(account.trades(ORDER)) == 1

    caught_up(run, test)


def test_dx_o_04_what_nobody_knows_after_the_gap_is_ended_by_height(run: Any) -> None:
    async def test(account: Reading) -> None:
        account.message(
            HEIGHT + LAG,
            orders=[placed(good_til_block=HEIGHT + 8), canceled(good_til_block=HEIGHT + 8)],
        )
        await account.lost_and_back(HEIGHT + 12)
        assert account.order(ORDER).status is OrderStatus.PENDING_CANCEL
        await account.caught_up(HEIGHT + 12 + LAG)
        assert account.order(ORDER).status is OrderStatus.CANCELED
        assert f"order:{ORDER}" not in account.replica.asked, "there may be hundreds"

    caught_up(run, test)


def test_an_order_that_began_and_ended_in_a_gap_is_told_and_older_ones_are_not(run: Any) -> None:
    async def test(account: Reading) -> None:
        def ended(name: str, height: int) -> dict[str, Any]:
            return filled_row("0.02", "FILLED", height=height, order_id=name)

        account.replica.ended = [ended("new", HEIGHT + LAG + 5), ended("past", HEIGHT + 1)]
        account.replica.trades = [trade(order_id="new", height=HEIGHT + LAG + 5, size="0.02")]
        await account.lost_and_back(HEIGHT + 12)
        await account.caught_up(HEIGHT + 12 + LAG)
        (order,) = account.orders(open_only=False)
        assert (order.venue_order_id, order.status) == ("new", OrderStatus.FILLED)
        assert account.problems == []

    caught_up(run, test)


def test_dx_r_06_an_order_no_list_has_is_looked_up_by_its_trade(run: Any) -> None:
    """An order that ended by time may be behind any number of others with a later end."""

    async def test(account: Reading) -> None:
        row = stateful("FILLED", HEIGHT + LAG + 5, filled="0.02")
        account.replica.known[ORDER] = row
        account.replica.trades = [trade(height=HEIGHT + LAG + 5, size="0.02")]
        await account.lost_and_back(HEIGHT + 12)
        await account.caught_up(HEIGHT + 12 + LAG)
        assert account.order(ORDER).status is OrderStatus.FILLED
        (fill,) = account.trades()
        assert fill.client_order_id == "14"
        assert account.told.index(fill) < account.told.index(account.order(ORDER))
        assert account.replica.asked.count(f"order:{ORDER}") == 1

    caught_up(run, test)


def test_dx_r_05_an_order_an_answer_does_not_have_is_not_over(run: Any) -> None:
    """A long-term order: height says nothing about it, so it stays in doubt until one knows it."""

    async def test(account: Reading) -> None:
        row = stateful("OPEN", HEIGHT + LAG)
        account.message(HEIGHT + LAG, orders=[row])
        await account.lost_and_back(HEIGHT + 50)
        await account.caught_up(HEIGHT + 50 + LAG)
        assert account.order(ORDER).status is OrderStatus.ACCEPTED
        assert [state.order_id for state in account.store.in_doubt] == [ORDER]
        assert account.problems == [f"order {ORDER}: believed open, and nowhere to be found"]
        account.replica.known[ORDER] = row | {
            "status": "CANCELED",
            "updatedAtHeight": str(HEIGHT + 20),
            "removalReason": "ORDER_REMOVAL_REASON_USER_CANCELED",
        }
        await account.reconciliation.read(is_settled=True)
        assert account.order(ORDER).status is OrderStatus.CANCELED
        assert account.store.in_doubt == []

    caught_up(run, test)


def test_an_order_that_is_found_as_it_was_is_in_doubt_no_more(run: Any) -> None:
    async def test(account: Reading) -> None:
        row = stateful("OPEN", HEIGHT + LAG)
        account.message(HEIGHT + LAG, orders=[row])
        account.replica.known[ORDER] = row
        await account.lost_and_back(HEIGHT + 50)
        assert len(account.store.in_doubt) == 1, "the replica may not have heard of its end"
        await account.caught_up(HEIGHT + 50 + LAG)
        assert account.store.in_doubt == []
        assert len(account.reports(ORDER)) == 1

    caught_up(run, test)


def test_the_stream_settles_a_doubt_too(run: Any) -> None:
    async def test(account: Reading) -> None:
        row = stateful("OPEN", HEIGHT + LAG)
        account.message(HEIGHT + LAG, orders=[row])
        await account.lost_and_back(HEIGHT + 50, (row,))
        assert account.store.in_doubt == []
        assert f"order:{ORDER}" not in account.replica.asked

    caught_up(run, test)


def test_frames_missing_before_the_account_is_subscribed_close_no_gap(run: Any) -> None:
    """Heights come on a connection whose account topic is late: what it misses is unread."""

    async def main(account: Reading) -> None:
        start = HEIGHT + LAG
        account.reconciliation.open_gap()
        account.reconciliation.is_deaf = True
        account.reconciliation.read_gap()  # a height did not come
        await until(lambda: account.reads == 2, what="the first reading")
        readings = account.reconciliation.readings
        account.block(start + LAG)
        await until(lambda: account.reconciliation.readings > readings, what="the second reading")
        account.replica.trades = [trade("unheard", height=start + LAG + 1)]
        account.block(start + 20)
        account.reconciliation.is_deaf = False
        await account.lost_and_back(start + 20)
        assert [fill.trade_id for fill in account.trades()] == ["unheard"]

    caught_up(run, main)


def test_dx_r_05_a_gap_is_as_long_as_the_account_says_where_heights_stand(run: Any) -> None:
    """The replicas have to reach the block of the snapshot, of which no height was told yet."""

    async def main(account: Reading) -> None:
        told = HEIGHT + LAG
        account.reconciliation.open_gap()
        account.snapshot(told + 20)
        reads, readings = account.reads, account.reconciliation.readings
        account.reconciliation.read_gap()
        await until(lambda: account.reads > reads, what="the first reading")
        account.block(told + 21)
        for _ in range(20):
            await asyncio.sleep(0)
        assert account.reconciliation.is_open
        assert account.reconciliation.readings == readings + 1
        await account.caught_up(told + 20 + LAG)

    caught_up(run, main)


def test_a_connection_lost_while_a_gap_is_read_makes_it_one_longer_gap(run: Any) -> None:
    async def test(account: Reading) -> None:
        account.message(HEIGHT + LAG, orders=[placed(good_til_block=HEIGHT + 90)])
        await account.lost_and_back(HEIGHT + 10)
        await account.lost_and_back(HEIGHT + 40)
        account.replica.trades = [
            trade("late", height=HEIGHT + 39, size="0.001"),
            trade("early", height=HEIGHT + 5, size="0.001"),
            trade("past", height=HEIGHT, size="0.001"),
        ]
        assert account.reconciliation.is_open
        await account.caught_up(HEIGHT + 40 + LAG)
        assert [fill.trade_id for fill in account.trades()] == ["early", "late"]
        assert account.reconciliation.gaps == 2

    caught_up(run, test)


def test_what_cannot_be_read_is_told_and_tried_until_it_can(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "RETRY_S", 0.001)

    async def test(account: Reading) -> None:
        account.replica.is_down = True
        account.block(HEIGHT + LAG)
        await until(lambda: len(account.problems) >= 3, what="some tries")
        assert "the indexer is away" in account.problems[0]
        assert account.store.is_held
        account.replica.is_down = False
        await until(lambda: not account.reconciliation.is_open, what="the gap to be closed")

    reading(run, test)


def test_a_connection_lost_in_the_last_reading_leaves_the_gap_open(run: Any) -> None:
    async def test(account: Reading) -> None:
        def lose() -> None:
            account.replica.subaccount = whole  # type: ignore[method-assign]
            account.reconciliation.open_gap()

        async def last(*who: Any, **more: Any) -> Any:
            lose()
            return await whole(*who, **more)

        whole = account.replica.subaccount
        account.replica.subaccount = last  # type: ignore[method-assign]
        readings = account.reconciliation.readings
        account.block(HEIGHT + LAG)
        await until(lambda: account.reconciliation.readings > readings, what="the last reading")
        await until(lambda: account.reconciliation._reading.done(), what="its end")
        assert account.reconciliation.is_open
        assert account.store.is_held
        account.reconciliation.read_gap()
        await until(lambda: account.reads == 2, what="the first reading")
        await account.caught_up(HEIGHT + 2 * LAG)

    reading(run, test)


def test_dx_r_02_a_country_that_is_blocked_is_told_and_not_asked_for_ever(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "RETRY_S", 0.001)

    async def test(account: Reading) -> None:
        def refused(what: str) -> None:
            raise AuthenticationError("not from here", code="GEOBLOCKED")

        account.replica._ask = refused  # type: ignore[method-assign]
        account.block(HEIGHT + LAG)
        await until(lambda: account.reconciliation.refusal, what="the refusal")
        assert account.reconciliation.refusal.code == "GEOBLOCKED"
        assert account.reconciliation.is_open

    reading(run, test)


def test_trades_that_are_nowhere_to_be_found_are_told(run: Any) -> None:
    async def test(account: Reading) -> None:
        account.message(HEIGHT + LAG, orders=[placed(good_til_block=HEIGHT + 90)])
        row = filled_row("0.01", height=HEIGHT + 9, good_til_block=HEIGHT + 90)
        await account.lost_and_back(HEIGHT + 10, (row,))
        await account.caught_up(HEIGHT + 10 + LAG)
        (problem,) = account.problems
        assert ORDER in problem
        assert "0.01 was filled in trades" in problem

    caught_up(run, test)


def test_transfers_of_a_gap_are_told_once_and_older_ones_not(run: Any) -> None:
    def moved(height: int, name: str) -> dict[str, Any]:
        return {
            "id": name,
            "sender": {"address": "dydx1wallet"},
            "recipient": {"address": ADDRESS, "subaccountNumber": 0},
            "size": "5",
            "symbol": "USDC",
            "type": "DEPOSIT",
            "createdAt": "2025-12-08T16:12:00.500Z",
            "createdAtHeight": str(height),
            "transactionHash": name,
        }

    async def test(account: Reading) -> None:
        account.replica.moved = [moved(HEIGHT + 2, "b"), moved(HEIGHT + 1, "a"), moved(HEIGHT, "0")]
        await account.caught_up(HEIGHT + LAG)
        names = [e.transfer_id[0] for e in account.told if hasattr(e, "transfer_id")]
        assert names == ["a", "b"]

    reading(run, test)


def test_the_account_is_read_from_time_to_time(run: Any) -> None:
    """What was lost without a trace is found then, with the trades since the time before."""

    async def test(account: Reading) -> None:
        account.replica.trades = [trade("lost", height=HEIGHT + 2)]
        task = asyncio.ensure_future(account.reconciliation.every(0.01))
        try:
            await until(lambda: account.trades(), what="the trade")
            readings = account.reconciliation.readings
            await until(lambda: account.reconciliation.readings > readings, what="the next time")
            account.replica.is_down = True
            await until(lambda: account.problems, what="a time at which nobody answers")
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert len(account.trades()) == 1

    caught_up(run, test)


def test_dx_r_06_behind_long_gaps_orders_are_read_as_far_back_as_trades(run: Any) -> None:
    """What the regular reading finds first may be older than the orders of one interval."""

    async def main(account: Reading) -> None:
        asked = account.replica.asked
        account.reconciliation.open_gap()
        task = asyncio.create_task(account.reconciliation.every(0.0))
        try:
            for _ in range(20):  # regular readings that the gap leaves out
                await asyncio.sleep(0)
            assert asked == []
            await account.lost_and_back(HEIGHT + 50)
            await account.caught_up(HEIGHT + 50 + LAG)
            usual, wide = (f"orders:latest {n}" for n in (reconcile.LATEST, reconcile.LATEST_MAX))
            await until(lambda: usual in asked, what="regular readings")
            latest = [each for each in asked if "latest" in each]
            assert latest[:4] == [wide, wide, wide, usual], "the gap twice, then what it left out"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    caught_up(run, main)
