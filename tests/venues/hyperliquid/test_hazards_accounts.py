"""What would cost money where a vault is traded for, or the dex of a builder (3, 6.1, 9.1)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from venues.hyperliquid.trading_rig import buy, trading, until

from connectors.hyperliquid import actions
from connectors.hyperliquid.account import Balances
from connectors.hyperliquid.config import Credentials, OrderChannel
from connectors.hyperliquid.signing import Signer
from connectors.model import (
    OrderCanceled,
    OrderCancelRejected,
    OrderFilled,
    OrderUpdated,
)
from connectors.sim.hyperliquid.config import AccountSetup

KEY, AGENT, VAULT = "0x" + "31" * 32, "0x" + "55" * 32, "0x" + "ab" * 20
SUB = "0x" + "cd" * 20


def setups() -> tuple[AccountSetup, ...]:
    return (AccountSetup(KEY, agents={"bot": AGENT}, vaults=(VAULT,), sub_accounts=(SUB,)),)


def address(key: str) -> str:
    return Signer(key).address.lower()


@pytest.mark.parametrize("channel", list(OrderChannel))
def test_everything_about_the_orders_of_a_vault_is_the_vaults(
    run: Any, channel: OrderChannel
) -> None:
    """An agent signs; orders, changes, cancels, the switch and a used-up nonce are the vault's."""

    async def scenario() -> None:
        credentials = Credentials(AGENT, account_address=address(KEY), vault_address=VAULT)
        async with trading(
            sim={"setups": setups()}, credentials=credentials, order_channel=channel,
            submit_unresolved_ms=20, unresolved_max_pause_s=0.05,
        ) as rig:  # fmt: skip
            assert rig.account.address == VAULT
            first = await rig.open_order(buy("1"))
            rig.client.modify_order(first.client_order_id, price="2901")
            await rig.event(OrderUpdated, first)
            rig.house("sell", "2901", "0.4", take=True)
            await rig.event(OrderFilled, first)
            rig.client.cancel_order(first.client_order_id)
            await rig.event(OrderCanceled, first)
            assert rig.of(OrderCancelRejected) == []
            # What nobody answers is settled by its nonce, which is the agent's.
            where = "post" if channel is OrderChannel.WS else "/exchange"
            rig.sim.faults.next_reply(where, status=500, body="no", execute=False)
            second = buy("1")
            rig.client.submit_order(second)
            await until(lambda: rig.tracked(second).is_final)
            assert rig.kinds(second) == ["Submitted", "Rejected"]
            third = await rig.open_order(buy("1"))
            await rig.client.schedule_cancel_all(3_600.0)
            assert rig.account.cancel_at_ms is not None
            rig.account.cancel_at_ms = rig.sim.clock.now_ms()
            rig.sim.exchange.tick()
            await rig.event(OrderCanceled, third)
            master = rig.sim.exchange.account(address(KEY))
            assert (master.live, list(master.fills), master.cancel_at_ms) == ({}, [], None)

    run(scenario(), 60.0)


def test_a_master_moves_money_as_itself_where_a_vault_or_sub_account_is_traded_for(
    run: Any,
) -> None:
    async def scenario() -> None:
        for user, move in ((VAULT, actions.vault_transfer), (SUB, actions.sub_account_transfer)):
            credentials = Credentials(KEY, vault_address=user)
            async with trading(sim={"setups": setups()}, credentials=credentials) as rig:
                before = rig.account.usd
                await rig.client.send_action(move(user, 7_000_000, deposit=True))
                assert rig.account.usd - before == 7 * 10**8

    run(scenario(), 60.0)


def margin_of(value: str, used: str) -> dict[str, Any]:
    return {"marginSummary": {"accountValue": value, "totalMarginUsed": used}}


def test_margin_in_another_token_is_not_taken_from_the_usdc() -> None:
    """The dex of a builder is settled in a token of its choice."""
    balances = Balances("a", {"": "USDC", "xyz": "USDE", "abc": "USDC"}.__getitem__)
    balances.apply_spot({"balances": [{"coin": "USDE", "total": "500", "hold": "0"}]}, 1)
    balances.apply_margin("", margin_of("1000", "100"), 1)
    balances.apply_margin("abc", margin_of("0", "30"), 1)
    state = balances.apply_margin("xyz", margin_of("500", "400"), 1)
    assert state is not None
    assert [(b.currency, b.free, b.locked) for b in state.balances] == [
        ("USDC", Decimal(870), Decimal(130)),
        ("USDE", Decimal(500), Decimal(0)),
    ]
    assert [(m.currency, m.initial) for m in state.margins] == [
        ("USDC", Decimal(130)),
        ("USDE", Decimal(400)),
    ]
