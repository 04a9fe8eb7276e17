"""Bad input and a hostile venue: the client says no, says why, and goes on."""

from __future__ import annotations

import asyncio
import json
import random
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from venues.hyperliquid.trading_rig import Rig, buy, sell, trading, until

from connectors.errors import ClientError, ConfigError, UnknownOutcome, VenueError
from connectors.execution.identity import DuplicateOrder
from connectors.execution.lifecycle import OrderState
from connectors.hyperliquid.config import Config, Credentials
from connectors.hyperliquid.execution import ExecutionClient
from connectors.model import (
    ContingencyType,
    ErrorEvent,
    OrderAccepted,
    OrderCanceled,
    OrderDenied,
    OrderFilled,
    OrderModifyRejected,
    OrderRejected,
    OrderUpdated,
    PositionStatusReport,
    SelfTradePrevention,
    Side,
    TimeInForce,
    limit_order,
    market_order,
    stop_market_order,
    trailing_stop_market_order,
)

QUICK = {"submit_unresolved_ms": 50, "modify_unresolved_ms": 50, "cancel_unresolved_ms": 50}
CLOID = "0x" + "ab" * 16


# -- what is not sent ------------------------------------------------------------------------

DENIED = [
    (buy(price="2900.12"), "significant figures"),
    (buy(price="0.00001"), "price"),
    (buy("0.00001"), "decimals"),
    (buy(time_in_force=TimeInForce.FOK), "FOK"),
    (buy(self_trade_prevention=SelfTradePrevention.EXPIRE_TAKER), "resting"),
    (limit_order("NOPE-PERP", Side.BUY, size="1", price="1"), "unknown instrument"),
    (market_order("ETH-PERP", Side.BUY, size="1"), "quote"),
    (
        stop_market_order("ETH-PERP", Side.BUY, trigger_price="3000.123", size="1"),
        "2 are allowed",
    ),
    (trailing_stop_market_order("ETH-PERP", Side.BUY, trailing_offset="50", size="1"), "type"),
    (buy(options={"cloid": "0x12"}), "cloid"),
    (buy(options={"cloid": 12}), "cloid"),
]


@pytest.mark.parametrize(("order", "words"), DENIED, ids=[words for _, words in DENIED])
def test_local_denials(run: Any, order: Any, words: str) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.client.submit_order(order)
            assert words in rig.of(OrderDenied)[0].reason
            await rig.settle()
            assert rig.actions("order") == []
            assert order.client_order_id not in rig.client.registry

    run(scenario(), 60.0)


def test_duplicate_cloids_and_ids(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order(buy(options={"cloid": CLOID}))
            rig.client.submit_order(buy(options={"cloid": CLOID.upper().replace("X", "x")}))
            (denied,) = rig.of(OrderDenied)
            assert order.client_order_id in denied.reason
            with pytest.raises(DuplicateOrder):
                rig.client.submit_order(buy(client_order_id=order.client_order_id))
            await rig.settle()
            assert len(rig.actions("order")) == 1

    run(scenario(), 60.0)


@pytest.mark.parametrize("way", ["list", "group"])
def test_list_with_an_id_that_was_used_before(run: Any, way: str) -> None:
    """2026-11-21: those before it stayed registered, and could never be sent."""

    async def scenario() -> None:
        async with trading() as rig:
            used = await rig.open_order()
            fresh = [buy(), buy(price="2800")]
            with pytest.raises(DuplicateOrder):
                if way == "list":
                    rig.client.submit_order_list([fresh[0], used])
                else:
                    rig.client.submit_order_group([fresh[0], used], ContingencyType.OTO)
            assert rig.client.registry.live == 1
            rig.client.submit_order_list(fresh)
            for order in fresh:
                await rig.event(OrderAccepted, order)

    run(scenario(), 60.0)


def test_cancel_all_without_a_connection_is_told(run: Any) -> None:
    """2026-11-21: it was not; who thinks that all is canceled must know."""

    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            await rig.client.disconnect()
            rig.client.cancel_all_orders()
            assert rig.kinds(order)[2:] == []
            (told,) = [each for each in rig.status if isinstance(each, ErrorEvent)]
            name = order.client_order_id
            assert told.message == f"{name} is not canceled: not connected to the venue"

    run(scenario(), 60.0)


def test_commands_without_a_connection_or_a_key(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            await rig.client.disconnect()
            rig.client.submit_order(other := buy())
            rig.client.modify_order(order.client_order_id, price="2901")
            rig.client.cancel_order(order.client_order_id)
            assert rig.kinds(other) == ["Denied"]
            assert rig.kinds(order)[2:] == ["ModifyRejected", "CancelRejected"]
            with pytest.raises(ClientError):
                await rig.client.update_leverage("ETH-PERP", 5)
        public = ExecutionClient(Config.sim("http://127.0.0.1:9"))
        with pytest.raises(ConfigError, match="private_key"):
            await public.connect()
        with pytest.raises(ConfigError, match="private_key"):
            public.submit_order(buy())

    run(scenario(), 60.0)


def test_unknown_orders_and_instruments(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.client.cancel_order("nobody")
            rig.client.modify_order("nobody", price="1", size="1")
            rig.client.cancel_order(venue_order_id="17", instrument_id="NOPE-PERP")
            assert rig.kinds() == ["CancelRejected", "ModifyRejected", "CancelRejected"]
            with pytest.raises(ClientError):
                rig.client.cancel_order()
            with pytest.raises(ClientError):
                await rig.client.update_leverage("NOPE-PERP", 5)
            with pytest.raises(ClientError):
                await rig.client.update_leverage("PURR/USDC-SPOT", 5)
            with pytest.raises(ClientError):
                await rig.client.schedule_cancel_all(1.0)
            await rig.settle()
            assert rig.actions() == []

    run(scenario(), 60.0)


def test_groups_that_are_none(run: Any) -> None:
    from connectors.model.enums import ContingencyType

    async def scenario() -> None:
        async with trading() as rig:
            stop = stop_market_order("ETH-PERP", Side.SELL, trigger_price="2500", size="1")
            for orders, contingency in (
                ([buy()], ContingencyType.OTO),
                ([buy(), buy()], ContingencyType.OTO),
                ([buy(), stop], ContingencyType.NONE),
                ([buy(price="2900.123"), stop.with_changes(client_order_id="x")],
                 ContingencyType.OTO),
            ):  # fmt: skip
                rig.client.submit_order_group(orders, contingency)
            assert set(rig.kinds()) == {"Denied"}
            await rig.settle()
            assert rig.actions() == []

    run(scenario(), 60.0)


# -- keys, agents, accounts ------------------------------------------------------------------


def test_a_key_the_venue_does_not_know(run: Any) -> None:
    async def scenario() -> None:
        async with trading(connect=False) as rig:
            for check in (True, False):
                config = Config.sim(rig.sim.http_url, "77" * 32, check_signer=check)
                client = ExecutionClient(config, on_event=rig.events.append)
                try:
                    if check:
                        with pytest.raises(VenueError, match="does not know"):
                            await client.connect()
                        continue
                    await client.connect()
                    client.submit_order(order := buy())
                    event = await rig.event(OrderRejected, order)
                    assert "does not exist" in event.reason
                finally:
                    await client.close()

    run(scenario(), 60.0)


def test_an_agent_trades_for_its_master(run: Any) -> None:
    from connectors.hyperliquid.actions import approve_agent
    from connectors.sim.hyperliquid.crypto import address_of_key

    agent = "0x" + "55" * 32

    async def scenario() -> None:
        async with trading() as rig:
            await rig.client.send_action(approve_agent(address_of_key(agent)), is_user_signed=True)
            with pytest.raises(ConfigError, match="account_address"):
                await ExecutionClient(Config.sim(rig.sim.http_url, agent)).connect()
            credentials = Credentials(agent, rig.client.user)
            clients: list[Any] = []
            other = Rig(rig.sim, Config.sim(rig.sim.http_url, credentials=credentials), clients)
            try:
                await other.client.connect()
                await other.open_order()
                assert other.client.user == rig.client.user
                assert len(rig.account.live) == 1
            finally:
                await other.client.close()
            wrong = Credentials(agent, "0x" + "66" * 20)
            with pytest.raises(ConfigError, match="signs for"):
                await ExecutionClient(Config.sim(rig.sim.http_url, credentials=wrong)).connect()

    run(scenario(), 60.0)


@pytest.mark.parametrize("kind", ["vaults", "sub_accounts"])
def test_trading_for_a_vault_or_sub_account(run: Any, kind: str) -> None:
    from connectors.sim.hyperliquid.config import AccountSetup

    key, vault = "0x" + "31" * 32, "0x" + "ab" * 20

    async def scenario() -> None:
        setups = (AccountSetup(key, **{kind: (vault,)}),)
        credentials = Credentials(key, vault_address=vault)
        async with trading(sim={"setups": setups}, credentials=credentials) as rig:
            assert rig.client.user == vault
            funds = rig.sim.exchange.account(vault)
            funds.usd = funds.usd or 10**15
            order = await rig.open_order()
            assert [str(oid) for oid in rig.sim.exchange.account(vault).live] == [
                rig.of(OrderAccepted)[0].venue_order_id
            ]
            rig.house("sell", "2900", "1", take=True)
            await rig.told(order, "Submitted", "Accepted", "Filled")

    run(scenario(), 60.0)


def test_an_agent_that_is_pruned_while_it_trades(run: Any) -> None:
    from connectors.hyperliquid.actions import approve_agent
    from connectors.sim.hyperliquid.crypto import address_of_key

    agent = "0x" + "55" * 32

    async def scenario() -> None:
        async with trading() as rig:
            address = address_of_key(agent)
            await rig.client.send_action(approve_agent(address), is_user_signed=True)
            credentials = Credentials(agent, rig.client.user)
            clients: list[Any] = []
            other = Rig(rig.sim, Config.sim(rig.sim.http_url, credentials=credentials), clients)
            try:
                await other.client.connect()
                rig.sim.faults.prune_agent(address)
                other.client.submit_order(order := buy())
                await other.told(order, "Submitted", "Rejected")
                assert any("approve" in getattr(e, "message", "") for e in other.status)
            finally:
                await other.client.close()

    run(scenario(), 60.0)


# -- nonces ----------------------------------------------------------------------------------


def test_a_nonce_that_somebody_else_has_used(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            text = "Invalid nonce: duplicate nonce 1"
            answer = {"status": "err", "response": text}
            rig.sim.faults.next_reply("post", body=answer, as_type="action", execute=False)
            rig.client.submit_order(order := buy())
            await rig.told(order, "Submitted", "Rejected")
            assert rig.of(OrderRejected)[0].reason == text
            assert any("one key per process" in getattr(e, "message", "") for e in rig.status)
            await rig.open_order(buy())

    run(scenario(), 60.0)


def test_a_nonce_far_from_the_venues_clock(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.sim.clock.offset_ns = 3 * 86_400 * 10**9
            rig.client.submit_order(order := buy())
            event = await rig.event(OrderRejected, order)
            assert "nonce" in event.reason.lower()
        async with trading(connect=False) as rig:
            rig.sim.clock.offset_ns = 2 * 3_600 * 10**9
            with pytest.raises(ClientError, match="clock"):
                await rig.client.connect()

    run(scenario(), 60.0)


# -- replies ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        {"body": {"status": "ok"}, "as_type": "action"},
        {"body": {"status": "ok", "response": {"type": "default"}}, "as_type": "action"},
        {"body": {"status": "ok", "response": {"type": "order", "data": {"statuses": [17]}}},
         "as_type": "action"},
        {"body": [], "as_type": "action"},
        {"body": "500 Internal Server Error"},
        {"lose": True},
    ],
    ids=["no response", "no statuses", "strange status", "list", "500", "none"],
)  # fmt: skip
@pytest.mark.parametrize("executed", [True, False])
def test_replies_that_prove_nothing(run: Any, answer: dict[str, Any], executed: bool) -> None:
    """The order stays unknown until the stream, a look-up or its nonce says what became of it."""

    async def scenario() -> None:
        async with trading(post_timeout_ms=100, **QUICK) as rig:
            rig.sim.faults.next_reply("post", execute=executed, **answer)
            if executed:
                rig.sim.faults.tap("orderUpdates", "drop", count=1)
            rig.client.submit_order(order := buy())
            await until(lambda: "Submitted" in rig.kinds(order))
            end = "Accepted" if executed else "Rejected"
            await rig.told(order, "Submitted", end)
            assert rig.sim.record.hits["orderStatus"] >= 1
            assert len(rig.actions("order")) == int(executed), "never sent again"

    run(scenario(), 60.0)


def test_too_many_pending_posts(run: Any) -> None:
    async def scenario() -> None:
        async with trading(post_timeout_ms=60_000, **QUICK) as rig:
            rig.sim.faults.next_reply("post", lose=True)
            rig.sim.faults.tap("orderUpdates", "drop", count=1)
            rig.client.submit_order(order := buy())
            await until(lambda: rig.actions("order"))
            (frame,) = [f for f in rig.sim.record.frames if '"orders"' in f.text]
            number = json.loads(frame.text)["id"]
            rig.sim.faults.error(f"too many pending post requests id={number}")
            await rig.told(order, "Submitted", "Accepted")  # by asking, long before the time-out

    run(scenario(), 60.0)


def test_answers_to_nothing(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            for data in (
                {"id": 999, "response": {"type": "action", "payload": {"status": "ok"}}},
                {"id": "x", "response": {"type": "action", "payload": {}}},
                {"id": 1},
                None,
                [],
            ):
                rig.push("post", data)
            rig.sim.faults.error("too many pending post requests id=12345")
            rig.sim.faults.error("something the venue never said before")
            await rig.told(order, "Submitted", "Accepted")
            await until(lambda: any("never said" in getattr(e, "message", "") for e in rig.status))

    run(scenario(), 60.0)


def test_settings_wait_for_their_answer(run: Any) -> None:
    async def scenario() -> None:
        async with trading(post_timeout_ms=200) as rig:
            await rig.client.update_leverage("ETH-PERP", 7)
            assert rig.account.leverage["ETH"] == (7, True)
            with pytest.raises(VenueError):
                await rig.client.update_leverage("ETH-PERP", 5_000)
            rig.sim.faults.next_reply("post", lose=True)
            with pytest.raises(UnknownOutcome):
                await rig.client.update_leverage("ETH-PERP", 6)
            await rig.client.schedule_cancel_all(60.0)
            assert rig.account.cancel_at_ms is not None
            await rig.client.abort_scheduled_cancel_all()
            assert rig.account.cancel_at_ms is None

    run(scenario(), 60.0)


# -- modifications ---------------------------------------------------------------------------

STEPS = ("open", "canceled", "fills", "reply")


@pytest.mark.parametrize("policy", ["buffer", "promote"])
@pytest.mark.parametrize("split", [False, True], ids=["joined", "split"])
def test_every_sequence_of_a_modification(run: Any, policy: str, split: bool) -> None:
    """Q6: whatever the order of its parts, one update, then its fills, and the venue's state."""

    async def scenario() -> None:
        async with trading(fill_policy=policy) as rig:
            rig.sim.configure(modify_split=split)
            for steps in permutations(STEPS):
                order = await rig.open_order(buy("2"))
                rig.house("sell", "3000", "0.4")
                rig.sim.faults.next_modify(steps)
                rig.client.modify_order(order.client_order_id, price="3000")
                await rig.told(order, "Submitted", "Accepted", "Updated", "Filled")
                tracked = rig.tracked(order)
                assert tracked.venue_order_id == str(rig.venue_order(order).oid)
                assert tracked.filled_size == Decimal("0.4")
                assert rig.client.dispatch.marker(tracked) is None
                rig.client.cancel_order(order.client_order_id)
                await rig.event(OrderCanceled, order)
            assert rig.late == []

    run(scenario(), 60.0)


@pytest.mark.parametrize("dropped", STEPS)
def test_a_part_of_a_modification_that_never_comes(run: Any, dropped: str) -> None:
    async def scenario() -> None:
        async with trading(post_timeout_ms=200, reconcile_interval_s=0.5, **QUICK) as rig:
            for steps in permutations([step for step in STEPS if step != dropped]):
                order = await rig.open_order(buy("2"))
                rig.house("sell", "3000", "0.4")
                rig.sim.faults.next_modify(steps)
                rig.client.modify_order(order.client_order_id, price="3000")
                await rig.told(order, "Submitted", "Accepted", "Updated", "Filled")
                assert rig.tracked(order).venue_order_id == str(rig.venue_order(order).oid)
                rig.client.cancel_order(order.client_order_id)
                await rig.event(OrderCanceled, order)

    run(scenario(), 60.0)


@pytest.mark.parametrize("mode", ["survives", "gone"])
@pytest.mark.parametrize("reply_first", [True, False])
def test_a_modification_that_fails_after_its_cancel(run: Any, mode: str, reply_first: bool) -> None:
    async def scenario() -> None:
        async with trading(sim={"modify_refused": mode, "reply_first": reply_first}) as rig:
            rig.house("sell", "3000", "1")
            order = await rig.open_order(buy(post_only=True))
            rig.client.modify_order(order.client_order_id, price="3000")
            end = ["Canceled"] if mode == "gone" else []
            await rig.told(order, "Submitted", "Accepted", "ModifyRejected", *end)
            assert (rig.venue_order(order).oid == int(rig.tracked(order).venue_order_id)) or end

    run(scenario(), 60.0)


def test_a_cancel_and_a_modification_at_once(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            first = await rig.open_order()
            rig.client.cancel_order(first.client_order_id)
            rig.client.modify_order(first.client_order_id, price="2901")
            await rig.event(OrderCanceled, first)
            await rig.event(OrderModifyRejected, first)
            second = await rig.open_order()
            rig.client.modify_order(second.client_order_id, price="2901")
            rig.client.cancel_order(second.client_order_id)
            await rig.told(second, "Submitted", "Accepted", "Updated", "Canceled")
            await rig.settle()
            assert rig.account.live == {}

    run(scenario(), 60.0)


def test_a_leg_that_is_too_big_is_brought_down(run: Any) -> None:
    """2.11: the old leg trades while its replacement is on its way."""

    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order(buy("2"))
            for name in ("userFills", "userEvents", "orderUpdates"):
                rig.sim.faults.tap(name, "delay", delay_ms=300.0)
            rig.house("sell", "2900", "0.4", take=True)
            rig.sim.flush()
            rig.client.modify_order(order.client_order_id, price="2901")  # sends 2, 1.6 is left
            await rig.event(OrderUpdated, order)
            await rig.event(OrderFilled, order)
            await rig.settle()
            venue, tracked = rig.venue_order(order), rig.tracked(order)
            total = Decimal(rig.sim.exchange.markets["ETH"].size(venue.lots))
            # Whichever came first, no more than the target can fill, or a corrective is out.
            assert total + Decimal("0.4") >= Decimal(2)
            rig.house("sell", "2901", "1.6", take=True)
            await until(lambda: tracked.final is not None)
            assert tracked.state is OrderState.FILLED
            await until(lambda: rig.account.live == {}, "the stray leg to go")

    run(scenario(), 60.0)


# -- frames ----------------------------------------------------------------------------------

GARBAGE: list[Any] = [
    {}, [], None, 17, "text", {"channel": None}, {"channel": "nobody", "data": 1},
    {"channel": "orderUpdates"}, {"channel": "orderUpdates", "data": {}},
    {"channel": "orderUpdates", "data": [{}]}, {"channel": "orderUpdates", "data": [None]},
    {"channel": "userFills", "data": []}, {"channel": "userFills", "data": {"fills": [{}]}},
    {"channel": "user", "data": {"nonUserCancel": [{"oid": "x"}, None]}},
    {"channel": "user", "data": {"fills": "x"}}, {"channel": "user", "data": None},
    {"channel": "clearinghouseState", "data": {}},
    {"channel": "spotState", "data": {"spotState": 1}},
    {"channel": "clearinghouseState", "data": {"dex": "", "clearinghouseState": {}}},
    {"channel": "subscriptionResponse", "data": 5}, {"channel": "error", "data": {}},
]  # fmt: skip


def test_frames_of_a_hostile_venue(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            for frame in GARBAGE:
                rig.sim.faults.push(frame)
            rig.sim.faults.push("{")
            await rig.settle()
            assert rig.client.is_connected
            rig.client.modify_order(order.client_order_id, price="2901")
            await rig.event(OrderUpdated, order)
            rig.house("sell", "2901", "1", take=True)
            await rig.told(order, "Submitted", "Accepted", "Updated", "Filled")

    run(scenario(), 60.0)


@pytest.mark.parametrize("action", ["duplicate", "shuffle", "extra_keys", "bad_entry"])
def test_frames_bent_on_their_way(run: Any, action: str) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            for name in ("orderUpdates", "userFills", "userEvents"):
                rig.sim.faults.tap(name, action, count=1_000)
            order = await rig.open_order()
            rig.client.modify_order(order.client_order_id, price="2901")
            await rig.event(OrderUpdated, order)
            rig.house("sell", "2901", "0.4", take=True)
            await rig.event(OrderFilled, order)
            rig.client.cancel_order(order.client_order_id)
            rig.sim.faults.release_all()
            await rig.told(order, "Submitted", "Accepted", "Updated", "Filled", "Canceled")

    run(scenario(), 60.0)


def test_fills_of_another_account_are_not_ours(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            row = rig.fill_row(order, rig.venue_order(order).oid, 5, "0.5")
            rig.push("userFills", {"user": "0x" + "12" * 20, "fills": [row]})
            await rig.told(order, "Submitted", "Accepted")

    run(scenario(), 60.0)


def test_a_position_that_does_not_parse_flattens_nothing(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            await rig.open_order()
            rig.house("sell", "2900", "1", take=True)
            await until(lambda: rig.of(PositionStatusReport))
            reports = len(rig.of(PositionStatusReport))
            for position in ({"coin": "ETH", "szi": "much"}, {"szi": "1"}, 5):
                state = {
                    "marginSummary": {"accountValue": "1", "totalMarginUsed": "0"},
                    "assetPositions": [{"type": "oneWay", "position": position}],
                    "time": 1,
                }
                rig.push(
                    "clearinghouseState",
                    {"dex": "", "user": rig.client.user, "clearinghouseState": state},
                )
            await rig.settle()
            assert len(rig.of(PositionStatusReport)) == reports
            assert len(rig.client._positions) == 1

    run(scenario(), 60.0)


def test_a_callback_that_raises(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            seen: list[Any] = []

            def broken(event: Any) -> None:
                seen.append(event)
                raise RuntimeError("the caller's own")

            rig.take = broken
            rig.client.submit_order(order := buy())
            await until(lambda: rig.tracked(order).is_accepted)
            rig.house("sell", "2900", "1", take=True)
            await until(lambda: rig.tracked(order).state is OrderState.FILLED)
            assert len([event for event in seen if isinstance(event, OrderFilled)]) == 1
            assert rig.client.callback_errors == len(seen)

    run(scenario(), 60.0)


def test_a_coin_that_is_not_known_yet(run: Any) -> None:
    """2.1: reports of it do not vanish; the definitions are read again."""

    async def scenario() -> None:
        async with trading() as rig:
            loads = rig.sim.record.hits["meta"]
            row = {
                "coin": "NEWCOIN", "side": "B", "limitPx": "1.5", "sz": "1.0", "oid": 77,
                "timestamp": 1, "origSz": "1.0",
            }  # fmt: skip
            rig.client.markets._refreshed_ns = None
            entry = {"order": row, "status": "open", "statusTimestamp": 1}
            rig.push("orderUpdates", [entry])
            await until(
                lambda: any(getattr(e, "instrument_id", "") == "NEWCOIN" for e in rig.events)
            )
            await until(lambda: rig.sim.record.hits["meta"] > loads)

    run(scenario(), 60.0)


# -- disconnects -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["abort", "close", "close_after_next_frame"])
def test_disconnect_at_every_step(run: Any, how: str) -> None:
    """Submit, modify, fill, cancel, with the connection cut before each step is answered."""

    async def scenario() -> None:
        async with trading(**QUICK) as rig:
            cuts = 0

            async def cut() -> None:
                nonlocal cuts
                getattr(rig.sim.faults, how)()
                if how == "close_after_next_frame":
                    stream = rig.client._stream
                    assert stream is not None
                    stream.session.send('{"method":"ping"}')
                cuts += 1
                await rig.back(cuts)

            rig.client.submit_order(order := buy("2"))
            await cut()
            await until(lambda: rig.tracked(order).is_accepted or rig.tracked(order).is_final)
            if rig.tracked(order).is_final:  # it never came there, and its nonce has shown it
                assert rig.kinds(order) == ["Submitted", "Rejected"]
                order = await rig.open_order(buy("2"))
            rig.client.modify_order(order.client_order_id, price="2901")
            await cut()
            await until(lambda: rig.client.dispatch.marker(rig.tracked(order)) is None)
            price = rig.sim.exchange.markets["ETH"].price(rig.venue_order(order).px)
            rig.house("sell", price, "0.5", take=True)
            await cut()
            await rig.event(OrderFilled, order)
            rig.client.cancel_order(order.client_order_id)
            await cut()
            if not rig.account.live:
                await rig.event(OrderCanceled, order)
            filled = sum(event.last_size for event in rig.of(OrderFilled, order))
            assert filled == Decimal("0.5")
            assert rig.kinds(order).count("Accepted") == 1

    run(scenario(), 60.0)


def test_orders_over_http(run: Any) -> None:
    async def scenario() -> None:
        async with trading(order_channel="http", **QUICK) as rig:
            order = await rig.open_order()
            rig.client.modify_order(order.client_order_id, price="2901")
            await rig.event(OrderUpdated, order)
            for fault in ({"status": 502}, {"lose": True}, {"truncate": True}):
                rig.sim.faults.next_reply("/exchange", execute=False, **fault)
                rig.client.submit_order(other := buy(price="2800"))
                await rig.told(other, "Submitted", "Rejected")  # its nonce has shown it
            rig.sim.faults.next_reply("/exchange", status=422, body="no", execute=False)
            rig.client.submit_order(other := buy(price="2800"))
            await rig.told(other, "Submitted", "Rejected")
            rig.client.cancel_order(order.client_order_id)
            await rig.told(order, "Submitted", "Accepted", "Updated", "Canceled")
            assert not any('"post"' in frame.text for frame in rig.sim.record.frames)

    run(scenario(), 60.0)


def test_a_storm_of_everything_ends_as_the_venue_has_it(run: Any) -> None:
    """Random commands with random bends, then quiet: both sides agree (Q5 in short)."""

    async def scenario() -> None:
        rng = random.Random(5)
        async with trading(post_timeout_ms=200, reconcile_interval_s=0.5, **QUICK) as rig:
            for number in range(60):
                rig.client.submit_order(buy(str(1 + number % 3), str(2890 + number % 7)))
                live = [order.client_order_id for order in rig.client.registry.live_orders()]
                pick = rng.choice(live)
                rng.choice(
                    (
                        lambda name: rig.client.modify_order(
                            name, price=str(rng.randint(2890, 2899))
                        ),
                        rig.client.cancel_order,
                        lambda name: rig.house("sell", "2892", "0.5", take=True),
                    )
                )(pick)
                if number % 9 == 0:
                    rig.sim.faults.tap("orderUpdates", rng.choice(("duplicate", "drop", "swap")))
                await asyncio.sleep(0.005)
            rig.sim.faults.clear()
            rig.client.submit_order(sell("0.01", "2950"))
            await rig.event(OrderAccepted)

            def agreed() -> bool:
                orders = rig.client.registry.live_orders()
                return (
                    not any(order.doubt or order.requested for order in orders)
                    and {order.venue_order_id for order in orders}
                    == {str(oid) for oid in rig.account.live}
                    and sum(e.last_size * e.side.sign for e in rig.of(OrderFilled))
                    + sum(e.last_size * e.side.sign for e in rig.late)
                    == Decimal(rig.sim.exchange.markets["ETH"].size(rig.account.lots("ETH")))
                )

            await until(agreed, "both sides to agree")

    run(scenario(), 60.0)
