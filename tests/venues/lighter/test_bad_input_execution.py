"""Bad input and a hostile venue: the client says no, says why, and goes on."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from venues.lighter.trading_rig import (
    ETH,
    POSITION_FRAME,
    Rig,
    buy,
    quiet,
    trading,
    until,
)

from connectors.lighter.orders import Denial, Rules, plan_order
from connectors.model import (
    Instrument,
    MarketStatus,
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderDenied,
    OrderEvent,
    OrderFilled,
    OrderList,
    OrderRejected,
    OrderStatusReport,
    OrderSubmitted,
    PositionSide,
    PositionStatusReport,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TriggerType,
    limit_order,
    market_order,
    stop_market_order,
    trailing_stop_market_order,
)
from connectors.net.session import Session

NOW_NS = 1_795_000_000_000_000_000


def _plan(order: Order, instrument: Instrument | None = ETH) -> dict[str, Any]:
    plan = plan_order(
        order,
        instrument,
        client_index=1,
        now_ns=NOW_NS,
        best_price=lambda side: None,
        rules=Rules(),
    )
    return plan.fields


def _with(**changes: Any) -> Instrument:
    values: dict[str, Any] = {
        "id": "ETH-PERP", "symbol": "ETH", "venue": "LIGHTER", "kind": ETH.kind, "base": "ETH",
        "quote": "USDC", "tick_size": "0.01", "lot_size": "0.0001", "info": {"market_id": 0},
    }  # fmt: skip
    return Instrument(**{**values, **changes})


# -- every local denial of section 8.2 ---------------------------------------------------


@pytest.mark.parametrize(
    ("order", "instrument", "words"),
    [
        (buy(quote_size=True), ETH, ["quote_quantity"]),
        (buy(display_size=Decimal(1)), ETH, ["display_qty"]),
        (buy(time_in_force=TimeInForce.FOK), ETH, ["fill-or-kill"]),
        (market_order("ETH-PERP", Side.BUY, size="1"), ETH, ["no cached quote", "ask"]),
        (market_order("ETH-PERP", Side.SELL, size="1"), ETH, ["no cached quote", "bid"]),
        (
            market_order("ETH-PERP", Side.BUY, size="1", time_in_force=TimeInForce.DAY),
            ETH,
            ["DAY"],
        ),
        (buy(time_in_force=TimeInForce.AT_OPEN), ETH, ["AT_OPEN"]),
        (buy(time_in_force=TimeInForce.AT_CLOSE), ETH, ["AT_CLOSE"]),
        (
            trailing_stop_market_order("ETH-PERP", Side.BUY, trailing_offset="10", size="1"),
            ETH,
            ["TRAILING_STOP_MARKET"],
        ),
        (buy(), None, ["ETH-PERP"]),
        (
            stop_market_order("ETH-PERP", Side.BUY, trigger_price="0.001", size="1"),
            ETH,
            ["trigger_price"],
        ),
        (buy(size="0.00001"), ETH, ["quantity", "precision"]),
        (buy(size="0.0001"), _with(min_size=Decimal("0.0050")), ["min_base_amount"]),
        (buy(size="0.0001"), _with(min_notional=Decimal(10)), ["min_quote_amount"]),
        (buy(price="0.001"), ETH, ["price"]),
        (buy(price="42949672.96"), ETH, ["price"]),
        (buy(size="28147497671.0656"), ETH, ["quantity"]),
        (
            buy(time_in_force=TimeInForce.GTD, expire_time=NOW_NS + 31 * 86_400 * 10**9),
            ETH,
            ["expiry"],
        ),
        (
            buy(),
            _with(status=MarketStatus.PAUSED, venue_status="inactive"),
            ["status", "inactive"],
        ),
        (buy(close_position=True), ETH, ["close_position"]),
        (buy(position_side=PositionSide.LONG), ETH, ["position_side"]),
        (buy(self_trade_prevention=SelfTradePrevention.NONE), ETH, ["self_trade_prevention"]),
        (
            stop_market_order(
                "ETH-PERP", Side.BUY, trigger_price="9", size="9", trigger_type=TriggerType.LAST
            ),
            ETH,
            ["trigger_type"],
        ),
        (
            limit_order("X-SPOT", Side.SELL, size="1", price="1", reduce_only=True),
            None,
            ["reduce_only"],
        ),
    ],
    ids=lambda value: None,
)
def test_local_denials(order: Order, instrument: Instrument | None, words: list[str]) -> None:
    with pytest.raises(Denial) as denial:
        _plan(order, instrument)
    assert all(word in denial.value.reason for word in words), denial.value.reason


def test_options_that_are_nonsense(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.client.set_quote("ETH-PERP", bid="2000", ask="2001")
            for options, word in (
                ({"slippage_bps": 10_000}, "slippage_bps"),
                ({"slippage_bps": "5"}, "slippage_bps"),
                ({"client_order_index": 0}, "index"),
                ({"client_order_index": 2**48}, "index"),
                ({"client_order_index": "7"}, "index"),
            ):
                order = market_order("ETH-PERP", Side.BUY, size="0.01", options=options)
                rig.client.submit_order(order)
                assert word in rig.of(OrderDenied, order)[0].reason
            first = buy(options={"client_order_index": 9})
            second = buy(options={"client_order_index": 9})
            rig.client.submit_order(first)
            rig.client.submit_order(second)
            assert first.client_order_id in rig.of(OrderDenied, second)[0].reason
            (sent,) = await rig.sent(1)
            assert sent.infos[0]["ClientOrderIndex"] == 9

    run(scenario())


def test_submit_when_not_connected_and_after_the_end(run: Any) -> None:
    async def scenario() -> None:
        async with trading(connect=False) as rig:
            for _ in range(2):
                order = buy()
                rig.client.submit_order(order)
                assert "not connected" in rig.of(OrderDenied, order)[0].reason
                rig.client.submit_order_list(OrderList((buy(), buy())))
                rig.client.cancel_all_orders()
                await rig.client.connect()
                await rig.client.disconnect()
            assert rig.sends == []

    run(scenario())


# -- frames --------------------------------------------------------------------------------

HOSTILE: list[Any] = [
    "", "null", "[]", "7", "{", '{"type":', '{"type":7}', '{"type":"update/"}', "\x00",
    '{"type":"update/account_all_orders"}',
    '{"type":"update/account_all_orders","orders":7}',
    '{"type":"update/account_all_orders","orders":{"0":[{}]}}',
    '{"type":"update/account_all_orders","orders":{"0":[7,null,"x",[]]}}',
    '{"type":"update/account_all_orders","orders":{"x":{"y":"z"}}}',
    '{"type":"update/account_all_trades","trades":[{"trade_id":"x"}]}',
    '{"type":"update/account_all_trades","trades":{"0":[{"trade_id":1}]}}',
    '{"type":"update/account_all_positions","positions":[1]}',
    '{"type":"update/account_all_positions","positions":"none"}',
    '{"type":"update/account_all_assets","assets":{"3":{"balance":"a lot"}}}',
    '{"type":"update/account_all_assets","assets":[]}',
    '{"type":"update/user_stats","stats":null}',
    '{"type":"update/user_stats","stats":{"collateral":"x"}}',
    '{"type":"update/account_tx","txs":[{"hash":7},{"hash":"ab","status":0,"info":"{",'
    '"event_info":"}"},null]}',
    '{"type":"jsonapi/sendtx"}', '{"type":"jsonapi/sendtx","code":"200"}',
    '{"type":"jsonapi/response","data":7}', '{"type":"jsonapi/other","data":{"id":[]}}',
    '{"error":7}', '{"error":{"code":"x"}}', '{"error":{"code":30009,"message":""}}',
    '{"type":"error"}', '{"type":"shutdown","close_in_ms":"soon"}', '{"type":"subscribed"}',
    '{"type":"brand/new","x":1}', '{"type":"update/brand_new","x":1}',
    '{"type":"update/account_all_orders","orders":' + "[" * 200 + "]" * 200 + "}",
    b"\xff\xfe", '{"type":"connected"}',
]  # fmt: skip


def test_frames_of_a_hostile_venue(run: Any) -> None:
    """None of them ends the connection, makes an event or keeps later frames from being read."""

    async def scenario() -> None:
        async with trading() as rig:
            order, index = await rig.seed_open(281476929510300)
            await rig.see_position()
            frames = HOSTILE.copy()
            random.Random(4).shuffle(frames)
            before = len(rig.order_events)
            for frame in frames:
                if isinstance(frame, bytes):
                    continue  # not a text frame at all: the connection rightly ends
                rig.push(frame)
            rig.push(rig.trade_frame(index, size="0.0010"))
            await rig.event(OrderFilled, order)
            assert len(rig.order_events) == before + 1
            assert rig.sim.record.opened == 1
            (held,) = await rig.positions()
            assert held.size == Decimal("1.5000")
            rig.push(rig.order_row(index, 281476929510300, status="canceled"))
            await rig.event(OrderCanceled, order)

    run(scenario())


def test_bytes_that_are_no_text_end_the_connection_only(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order, index = await rig.seed_open(281476929510300)
            rig.sim.faults.push(b"\xff\xfe")
            await rig.reconnected()
            rig.push(rig.order_row(index, 281476929510300, status="canceled"))
            await rig.event(OrderCanceled, order)

    run(scenario(), 20)


def test_rows_again_late_and_out_of_order(run: Any) -> None:
    """Stale and repeated rows make nothing; the newest state wins (section 8.7 c, d)."""

    async def scenario() -> None:
        async with trading() as rig:
            order = buy()
            rig.client.submit_order(order)
            (sent,) = await rig.sent(1)
            index = sent.infos[0]["ClientOrderIndex"]

            def row(nonce: int, **changes: Any) -> dict[str, Any]:
                return rig.order_row(index, 281476929510300, nonce=nonce, **changes)

            for frame in (
                row(103, price="2300.00"),
                row(101),  # older
                row(103, price="2300.00"),
                row(102, status="canceled"),  # older than what is known: not believed
            ):
                rig.push(frame)
            await rig.event(OrderAccepted, order)
            await quiet(rig, 0.05)
            assert rig.names[:2] == ["OrderSubmitted", "OrderAccepted"]
            assert rig.of(OrderCanceled) == []
            rig.push(row(104, status="canceled", price="2300.00"))
            rig.push(row(103, price="2300.00"))
            rig.push(row(104, status="canceled", price="2300.00"))
            await rig.event(OrderCanceled, order)
            await quiet(rig, 0.05)
            assert len(rig.of(OrderCanceled)) == 1

    run(scenario())


def test_answers_to_nothing(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            for frame in (
                {"type": "jsonapi/sendtx", "code": 200},
                {"type": "jsonapi/sendtx", "code": 21702, "message": "price"},
                {"type": "jsonapi/sendtx", "code": 200, "id": "t1"},
                {"type": "jsonapi/sendtxbatch", "code": 200, "tx_hash": ["ab", "cd"]},
                {"error": {"code": 21104, "message": "invalid nonce"}},
                {"error": {"code": 21702, "message": "price"}, "id": "t99"},
            ):
                rig.push(frame)
            order = buy()
            rig.client.submit_order(order)
            (sent,) = await rig.sent(1)
            await until(lambda: sent.code == 200)
            await quiet(rig, 0.05)
            assert rig.names == ["OrderSubmitted"]

    run(scenario())


@pytest.mark.parametrize(
    "changes",
    [
        {"position": "-1.5000"}, {"sign": 7}, {"sign": "up"}, {"position": "much"},
        {"position": None}, {"avg_entry_price": "x"},
    ],
    ids=lambda changes: json.dumps(changes),
)  # fmt: skip
def test_position_row_that_does_not_parse_flattens_nothing(
    run: Any, changes: dict[str, Any]
) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            await rig.see_position()
            bad = copy.deepcopy(POSITION_FRAME)
            bad["positions"]["0"].update(changes)
            rig.push(bad)
            bad["positions"] = {"x": "y"}  # not even its market can be read
            rig.push(bad)
            await asyncio.sleep(0.05)
            assert all(p.side is PositionSide.LONG for p in rig.of(PositionStatusReport))
            assert len(await rig.positions()) == 1

    run(scenario())


def test_callback_that_raises(run: Any) -> None:
    """It counts as delivered; nothing else suffers."""

    async def scenario() -> None:
        async with trading() as rig:
            seen: list[Any] = []

            def broken(event: Any) -> None:
                seen.append(event)
                raise RuntimeError("a bug of the caller")

            rig.take = broken
            order = buy("0.1336", "2352.73")
            rig.client.submit_order(order)
            (sent,) = await rig.sent(1)
            rig.push(rig.trade_frame(sent.infos[0]["ClientOrderIndex"]))
            await until(lambda: any(isinstance(event, OrderFilled) for event in seen))
            rig.push(rig.trade_frame(sent.infos[0]["ClientOrderIndex"]))
            await asyncio.sleep(0.05)
            names = [type(event).__name__ for event in seen if isinstance(event, OrderEvent)]
            assert names == ["OrderSubmitted", "OrderAccepted", "OrderFilled"]
            assert rig.client.callback_errors == 3
            assert rig.client.is_connected

    run(scenario())


def test_token_that_expires_in_mid_stream(run: Any) -> None:
    """The venue goes silent on it; a renewal brings every stream back, and nothing is lost."""

    async def scenario() -> None:
        async with trading(scenario="still") as rig:
            order = limit_order("ETH-PERP", Side.BUY, size="0.0100", price="2000.00")
            rig.client.submit_order(order)
            await rig.event(OrderAccepted, order)
            await asyncio.sleep(1.1)  # tokens are dated in seconds
            account = rig.sim.accounts[0]["account_index"]
            rig.sim.faults.expire_tokens(account)
            rig.client.cancel_order(order.client_order_id)
            await rig.sent(2)
            await quiet(rig, 0.05)
            rig.client._stream.rotate()  # type: ignore[union-attr]
            await rig.event(OrderCanceled, order)

    run(scenario(), 20)


@pytest.mark.parametrize("error", [OSError(105, "no buffer space"), MemoryError()], ids=repr)
def test_socket_that_raises_leaves_neither_nonce_nor_pending(
    run: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Told as not sent, so nothing may wait for its answer, and its nonce is the next one's."""

    async def scenario() -> None:
        async with trading() as rig:

            def send(*args: Any, **more: Any) -> None:
                raise error

            with monkeypatch.context() as patched:
                patched.setattr(Session, "send", send)
                order = buy()
                rig.client.submit_order(order)
            assert rig.names == ["OrderDenied"]
            sender = rig.client._sender
            assert sender is not None
            assert list(sender.inflight) == []
            rig.client.submit_order(buy())
            (sent,) = await rig.sent(1)
            assert sent.infos[0]["Nonce"] == 9999
            await until(lambda: sent.code == 200)

    run(scenario())


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_list_submitted_just_before_the_end(run: Any, turns: int) -> None:
    """Found 2026-11-21: cancelled before its first step, the batch told nobody."""

    async def scenario() -> None:
        async with trading() as rig:
            orders = [buy(), buy(price="2300.00")]
            rig.client.submit_order_list(orders)
            for _ in range(turns):
                await asyncio.sleep(0)
            await rig.client.disconnect()
            if rig.sends:  # what became of it is looked up when the client is there again
                tracked = [rig.client.registry.by_client_id(o.client_order_id) for o in orders]
                assert all(order is not None and order.doubt for order in tracked)
                assert rig.of(OrderRejected) == []
            else:
                assert [event.reason for event in rig.of(OrderRejected)] == [
                    "not sent: the client was closed before this was sent"
                ] * 2

    run(scenario())


# -- a connection that ends at every step of an order's life ---------------------------------

Step = Callable[[Rig, Order], Any]


async def _after_submit(rig: Rig, order: Order) -> None:
    rig.client.submit_order(order)


async def _after_send(rig: Rig, order: Order) -> None:
    rig.client.submit_order(order)
    await rig.sent(1)


async def _after_accept(rig: Rig, order: Order) -> None:
    rig.client.submit_order(order)
    await rig.event(OrderAccepted, order)


async def _after_modify(rig: Rig, order: Order) -> None:
    await _after_accept(rig, order)
    rig.client.modify_order(order.client_order_id, price="2010.00")


async def _after_cancel(rig: Rig, order: Order) -> None:
    await _after_accept(rig, order)
    rig.client.cancel_order(order.client_order_id)


@pytest.mark.parametrize("how", ["abort", "close"])
@pytest.mark.parametrize(
    "step",
    [_after_submit, _after_send, _after_accept, _after_modify, _after_cancel],
    ids=lambda step: step.__name__.strip("_"),
)
def test_disconnect_at_every_step(run: Any, step: Step, how: str) -> None:
    """Whatever the venue made of it, the order ends once and agrees with the venue."""

    async def scenario() -> None:
        async with trading(scenario="still", probe_delay_s=0.1, tx_lifetime_s=2.0) as rig:
            order = limit_order("ETH-PERP", Side.BUY, size="0.0100", price="2000.00")
            await step(rig, order)
            getattr(rig.sim.faults, how)()
            await rig.reconnected()
            tracked = rig.client.registry.by_client_id(order.client_order_id)
            assert tracked is not None
            await until(lambda: tracked.is_final or tracked.is_accepted, 10.0, "an outcome")
            if not tracked.is_final:
                rig.client.cancel_order(order.client_order_id)
            await until(lambda: tracked.is_final, 10.0, "the end")
            await asyncio.sleep(0.05)
            ends = [e for e in rig.order_events if isinstance(e, OrderCanceled | OrderRejected)]
            assert len(ends) == 1
            assert len(rig.of(OrderSubmitted)) == 1
            assert len(rig.of(OrderAccepted)) == (not isinstance(ends[0], OrderRejected))
            reports = await rig.client.generate_order_status_reports("ETH-PERP", open_only=True)
            assert reports == []
            creates = [sent for sent in rig.sends if sent.types == [14]]
            assert len(creates) <= 1  # never sent again

    run(scenario(), 40)


def test_fills_inside_a_gap(run: Any) -> None:
    """An order that fills while nobody listens: the trades are fetched, once."""

    async def scenario() -> None:
        async with trading(scenario="still", probe_delay_s=0.1, reconnect_min_s=0.2) as rig:
            order = limit_order("ETH-PERP", Side.BUY, size="0.0100", price="2361.00")
            rig.client.submit_order(order)
            await rig.event(OrderAccepted, order)
            rig.sim.faults.abort()
            await until(lambda: not rig.client.is_connected)
            rig.sim.house_order(0, "sell", price="2300.00", size="50.0000", take=True)
            await rig.reconnected()
            await until(
                lambda: sum(e.last_size for e in rig.of(OrderFilled, order)) == Decimal("0.0100"),
                10.0,
            )
            await quiet(rig)
            trades = [event.trade_id for event in rig.of(OrderFilled)]
            assert len(trades) == len(set(trades))

    run(scenario(), 20)


def test_external_report_before_the_answer(run: Any) -> None:
    """The row of an order may come before the answer to its transaction."""

    async def scenario() -> None:
        async with trading() as rig:
            rig.sim.faults.hold_acks(1)
            order = buy()
            rig.client.submit_order(order)
            (sent,) = await rig.sent(1)
            rig.push(rig.order_row(sent.infos[0]["ClientOrderIndex"], 281476929510300))
            await rig.event(OrderAccepted, order)
            rig.sim.faults.release_acks()
            await quiet(rig, 0.05)
            assert rig.of(OrderStatusReport) == []

    run(scenario())
