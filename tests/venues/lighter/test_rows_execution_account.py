"""Rows of section 19 about fills, balances, positions and reads: X-25 to X-38, X-44, X-55."""

from __future__ import annotations

import asyncio
import copy
import time
from decimal import Decimal
from typing import Any

import pytest
from venues.lighter.trading_rig import (
    FIRST_FRAMES,
    POSITION_FRAME,
    TEMPLATES,
    Rig,
    buy,
    quiet,
    sell,
    trading,
    until,
)

from connectors.errors import UnknownOutcome, VenueError
from connectors.model import (
    AccountState,
    FillReport,
    LiquiditySide,
    OrderAccepted,
    OrderFilled,
    OrderStatusReport,
    PositionSide,
    PositionStatusReport,
    Side,
)


async def _order(rig: Rig, order: Any) -> int:
    """Submit an order; return its client index."""
    count = len(rig.sends)
    rig.client.submit_order(order)
    sends = await rig.sent(count + 1)
    index: int = sends[-1].infos[0]["ClientOrderIndex"]
    return index


def _trades(frame: dict[str, Any], *rows: dict[str, Any]) -> dict[str, Any]:
    """Return the frame with these rows, each the frame's own with changes."""
    own = frame["trades"]["0"][0]
    return {**frame, "trades": {"0": [{**own, **changes} for changes in rows]}}


def test_x_25_same_trade_twice_in_one_frame(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = buy("0.1336", "2352.73")
            frame = rig.trade_frame(await _order(rig, order))
            rig.push(_trades(frame, {}, {}))
            await rig.event(OrderFilled, order)
            await quiet(rig)
            assert len(rig.of(OrderFilled)) == 1

    run(scenario())


def test_x_26_bad_row_then_a_good_copy(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = buy("0.1336", "2352.73")
            frame = rig.trade_frame(await _order(rig, order))
            rig.push(_trades(frame, {"size": "0.13x6"}))
            await until(lambda: rig.client._feed.bad_rows == 1)
            assert rig.of(OrderFilled) == []
            rig.push(frame)
            await rig.event(OrderFilled, order)
            await quiet(rig)
            assert len(rig.of(OrderFilled)) == 1

    run(scenario())


def test_x_27_fill_before_any_order_row(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = buy("0.2000", "2352.73")
            index = await _order(rig, order)
            rig.push(rig.trade_frame(index))
            filled = await rig.event(OrderFilled, order)
            assert rig.names == ["OrderSubmitted", "OrderAccepted", "OrderFilled"]
            assert filled.leaves_size == Decimal("0.0664")
            row = rig.order_row(
                index, 562947905631053, initial_base_amount="0.2000",
                filled_base_amount="0.1336", price="2352.73",
            )  # fmt: skip
            rig.push(row)
            await quiet(rig)
            assert len(rig.of(OrderAccepted)) == 1

    run(scenario())


def test_x_28_we_are_the_maker_ask(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = sell("0.1336", "2352.73")
            index = await _order(rig, order)
            rig.push(
                rig.trade_frame(
                    0, ask_account_id=12345, bid_account_id=91249, is_maker_ask=True,
                    ask_client_id=index, ask_client_id_str=str(index),
                )
            )  # fmt: skip
            filled = await rig.event(OrderFilled, order)
            assert (filled.side, filled.liquidity) == (Side.SELL, LiquiditySide.MAKER)
            # 28 millionths of 314.324728 USDC: a rate, not an amount (section 9).
            assert filled.commission == Decimal("314.324728") * 28 / 1_000_000
            assert filled.commission_currency == "USDC"

    run(scenario())


def test_x_29_neither_side_is_ours(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.push(rig.trade_frame(42, ask_account_id=1, bid_account_id=2))
            await quiet(rig)
            assert rig.of(FillReport) == []

    run(scenario())


def test_x_30_liquidation(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.push(rig.trade_frame(0, type="liquidation"))
            (report,) = await until(lambda: rig.of(FillReport))
            assert (report.client_order_id, report.side) == (None, Side.BUY)
            await rig.see_position()
            assert rig.of(PositionStatusReport)

    run(scenario())


def test_self_trade_makes_two_fills(run: Any) -> None:
    """Section 9: one of each side, told apart by the trade id."""

    async def scenario() -> None:
        async with trading() as rig:
            frame = rig.trade_frame(42, ask_account_id=12345)
            rig.push(frame)
            reports = await until(lambda: rig.of(FillReport))
            assert [(r.trade_id, r.side, r.liquidity) for r in reports] == [
                ("19209006902-buy", Side.BUY, LiquiditySide.TAKER),
                ("19209006902-sell", Side.SELL, LiquiditySide.MAKER),
            ]
            rig.push(frame)
            await asyncio.sleep(0.05)
            assert len(rig.of(FillReport)) == 2

    run(scenario())


def test_trades_snapshot_is_history(run: Any) -> None:
    """Section 6.5: the first frame of the trade stream never yields fills."""

    async def scenario() -> None:
        async with trading() as rig:
            frame = {**rig.trade_frame(42), "type": "subscribed/account_all_trades"}
            rig.push(frame)
            rig.push({**frame, "trades": []})
            await asyncio.sleep(0.05)
            assert rig.of(FillReport) == []
            newest_first = _trades(
                {**frame, "type": "update/account_all_trades"},
                {"trade_id": 3, "trade_id_str": "3", "transaction_time": 1777941384181590},
                {"trade_id": 2, "trade_id_str": "2", "transaction_time": 1777941384181588},
            )
            newest_first["trades"] = newest_first["trades"]["0"]  # a list is taken as well
            rig.push(newest_first)
            reports = await until(lambda: rig.of(FillReport))
            assert [report.trade_id for report in reports] == ["2", "3"]

    run(scenario())


def test_x_31_assets_before_user_stats(run: Any) -> None:
    async def scenario() -> None:
        async with trading(connect=False, sim={"typed_frames": False}) as rig:
            connecting = asyncio.ensure_future(rig.client.connect())
            await rig.subscribes(1)
            rig.push_first("orders", "trades", "positions")
            assets = copy.deepcopy(FIRST_FRAMES["assets"])
            assets["assets"] = {
                "3": {
                    "symbol": "USDC", "asset_id": 3, "balance": "10.000000",
                    "locked_balance": "1.500000", "margin_mode": "disabled",
                    "margin_balance": "39.995369556",
                }
            }  # fmt: skip
            rig.push(assets)
            await asyncio.sleep(0.05)
            assert rig.of(AccountState) == []
            stats = copy.deepcopy(FIRST_FRAMES["user_stats"])
            stats["stats"]["total_stats"] = {
                "collateral": "39.995369",
                "available_balance": "39.168314",
            }
            rig.push(stats)
            await connecting
            (state,) = rig.of(AccountState)
            (usdc,) = state.balances
            assert (usdc.currency, usdc.total) == ("USDC", Decimal("49.995369556"))
            assert (usdc.free, usdc.locked) == (Decimal("48.495369556"), Decimal("1.5"))
            assert state.margins[0].initial == Decimal("0.827055")
            assert await rig.client.query_account() == state

    run(scenario(), 20)


def test_x_32_position_of_an_unknown_market(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            await rig.see_position()
            frame = copy.deepcopy(POSITION_FRAME)
            frame["positions"]["77"] = {**frame["positions"]["0"], "market_id": 77}
            frame["positions"]["0"]["position"] = "2.0000"
            rig.push(frame)
            await until(lambda: len(rig.of(PositionStatusReport)) == 2)
            assert [p.size for p in await rig.positions()] == [Decimal("2.0000")]
            assert all(p.side is not PositionSide.FLAT for p in rig.of(PositionStatusReport))

    run(scenario())


def test_x_35_pages(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rows = TEMPLATES["http_inactive_canceled"]["orders"]

            def page(place: int, cursor: str | None) -> None:
                body = {
                    "code": 200,
                    "next_cursor": cursor,
                    "orders": [{**rows[0], "order_id": str(281476929510400 + place)}],
                }
                rig.sim.faults.next_reply("accountInactiveOrders", body=body)

            for place, cursor in enumerate(("a", "b", "")):
                page(place, cursor)
            reports = await rig.client.generate_order_status_reports("ETH-PERP")
            assert len(reports) == 3
            asked = [r for r in rig.sim.record.requests if r.endpoint == "accountInactiveOrders"]
            assert [r.query.get("cursor") for r in asked] == [None, "a", "b"]
            for place, cursor in enumerate(("a", "a", "a")):  # it repeats itself
                page(place, cursor)
            await rig.client.generate_order_status_reports("ETH-PERP")
            assert rig.hits("accountInactiveOrders") == 3 + 2

    run(scenario())


@pytest.mark.parametrize("missing", [True, False])
def test_x_36_lists_that_are_null_or_missing(run: Any, missing: bool) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            body: dict[str, Any] = {"code": 200} if missing else {"code": 200, "trades": None}
            rig.sim.faults.next_reply("trades", body=body)
            assert await rig.client.generate_fill_reports() == []
            for name in ("account_all_trades", "account_all_orders", "account_all_positions"):
                member = name.removeprefix("account_all_")
                frame = {"type": f"update/{name}", "channel": f"{name}:12345"}
                rig.push(frame if missing else {**frame, member: None})
            await quiet(rig)
            assert rig.client._feed.bad_rows == 0

    run(scenario())


def test_x_38_ids_that_do_not_fit_a_double(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = buy()
            index = await _order(rig, order)
            exact = 1152921504606846975  # 2**60 - 1
            frame = rig.order_row(index, exact)
            frame["orders"]["0"][0]["order_index"] = 1152921504606847000  # as a double has it
            rig.push(frame)
            accepted = await rig.event(OrderAccepted, order)
            assert accepted.venue_order_id == str(exact)

    run(scenario())


def test_x_44_rate_limit_on_rest(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            faults = rig.sim.faults
            faults.next_reply("trades", status=429, body={"code": 23000}, retry_after_s=2)
            before = time.monotonic()
            assert await rig.client.generate_fill_reports() == []
            assert time.monotonic() - before >= 2
            assert rig.hits("trades") == 2
            faults.next_reply("sendTx", status=429, body={"code": 23000, "message": "slow"})
            with pytest.raises(VenueError):
                await rig.client.cancel_all_native()
            assert rig.hits("sendTx") == 1

    run(scenario(), 20)


def test_post_that_may_have_been_executed(run: Any) -> None:
    """Section 4.3: a 5xx after a POST is no refusal."""

    async def scenario() -> None:
        async with trading() as rig:
            rig.sim.faults.next_reply("sendTx", status=500, body={"code": 29500})
            with pytest.raises(UnknownOutcome):
                await rig.client.cancel_all_native()
            assert rig.hits("sendTx") == 1

    run(scenario())


def test_x_55_channel_that_names_another_account(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            await rig.see_position()
            assert rig.client._stream is not None
            assert rig.client._stream.foreign_channels == 1
            (held,) = await rig.positions()
            assert held.size == Decimal("1.5000")

    run(scenario())


def test_external_orders_make_reports(run: Any) -> None:
    """Section 8.6: what we did not send is not ours, whatever index it has."""

    async def scenario() -> None:
        async with trading() as rig:
            rig.push(rig.order_row(0, 281476929510900))
            rig.push(rig.order_row(4242, 281476929510901))
            reports = await until(lambda: len(rig.of(OrderStatusReport)) == 2)
            assert reports
            ids = [report.client_order_id for report in rig.of(OrderStatusReport)]
            assert ids == [None, "4242"]
            assert rig.order_events == []

    run(scenario())


def test_row_of_a_market_that_is_new(run: Any) -> None:
    """Section 14: an unknown id makes one refresh, and the row is not lost."""

    async def scenario() -> None:
        async with trading() as rig:
            details = {
                "code": 200,
                "order_book_details": [
                    {
                        "symbol": "NEW", "market_id": 77, "market_type": "perp", "status": "active",
                        "price_decimals": 2, "size_decimals": 4, "min_base_amount": "0.1",
                        "min_quote_amount": "1",
                    }
                ],
                "spot_order_book_details": [],
            }  # fmt: skip
            rig.sim.faults.next_reply("orderBookDetails", body=details)
            rig.client.markets._refreshed_ns = None  # long enough ago
            rig.push(rig.trade_frame(42, market_id=77))
            (report,) = await until(lambda: rig.of(FillReport))
            assert report.instrument_id == "NEW-PERP"
            assert rig.hits("orderBookDetails") == 2

    run(scenario())


def test_rest_fill_of_a_tracked_order_is_an_event(run: Any) -> None:
    """A report may be ahead of the stream: what it brings of our orders is not lost to events."""

    async def scenario() -> None:
        async with trading() as rig:
            order = buy("0.1336", "2352.73")
            frame = rig.trade_frame(await _order(rig, order))
            rig.sim.faults.next_reply(
                "trades", body={"code": 200, "trades": frame["trades"]["0"]}, count=None
            )
            assert await rig.client.generate_fill_reports() == []
            assert len(rig.of(OrderFilled, order)) == 1
            rig.push(frame)
            await quiet(rig)

    run(scenario())
