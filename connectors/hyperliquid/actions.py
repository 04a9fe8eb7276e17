"""Actions as the venue reads them: their keys in its order, their numbers in its spelling.

What is signed is the action's own bytes, so the order of keys is part of it (sections 7 and 9.2).
Actions of the account itself (transfers, agents) are signed by other rules and need the account's
own key; they carry their nonce, which is filled in when they are signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..errors import ClientError
from ..execution.nonces import Nonce
from ..execution.sending import Command, Kind
from ..model._numbers import Number
from .config import Builder
from .numbers import number_text
from .orders import CancelPlan, ModifyPlan, OrderPlan

__all__ = [
    "NO_OPERATION",
    "Action",
    "Grouping",
    "approve_agent",
    "approve_builder_fee",
    "batch_modify",
    "cancel",
    "cancel_by_cloid",
    "cancels",
    "create_sub_account",
    "modifies",
    "orders",
    "other",
    "place",
    "reserve_request_weight",
    "schedule_cancel",
    "send_asset",
    "spot_send",
    "sub_account_transfer",
    "twap_cancel",
    "twap_order",
    "update_isolated_margin",
    "update_leverage",
    "usd_class_transfer",
    "usd_send",
    "vault_transfer",
    "withdraw",
]

Body = dict[str, Any]
Wire = Mapping[str, Any]

NO_OPERATION: Body = {"type": "noop"}
# What a master does as itself, also where the client trades for one of its vaults or sub-accounts.
OF_MASTER = frozenset(
    {
        "createSubAccount", "subAccountTransfer", "subAccountSpotTransfer", "vaultTransfer",
        "setReferrer", "evmUserModify", "spotDeploy", "perpDeploy", "CSignerAction",
        "CValidatorAction",
    }
)  # fmt: skip
MICRO = 1_000_000  # units in a USDC, where amounts are integers


class Grouping(StrEnum):
    """How the orders of an action belong together."""

    NONE = "na"
    WITH_EXITS = "normalTpsl"  # the first is the entry, the others close it
    OF_POSITION = "positionTpsl"  # exits whose size follows the position


@dataclass(slots=True, eq=False)
class Action:
    """What is signed and sent as one.

    Attributes
    ----------
    body : dict
        The action itself.
    commands : tuple of Command
        Its entries, in their order; for anything else one command of its own.
    is_user_signed : bool
        One of the account itself.
    is_of_master : bool
        The vault or sub-account that is traded for has no part in it.
    nonce : Nonce or None
        Set when it is signed; set before, it is used again.
    expires_ms : int or None
        Set when it is signed.
    is_probe : bool
        It only asks what became of its nonce.
    is_out, holds_slot : bool
        The sender's: it was signed and posted; it has a place among the posts.
    """

    body: Body
    commands: tuple[Command, ...]
    is_user_signed: bool = False
    is_of_master: bool = False
    nonce: Nonce | None = None
    expires_ms: int | None = None
    is_probe: bool = False
    is_out: bool = False
    holds_slot: bool = False

    @property
    def entries(self) -> int:
        """What it costs of the account's budget."""
        return len(self.commands)


# -- orders ------------------------------------------------------------------------------


def place(
    wires: Iterable[Wire], grouping: str = Grouping.NONE, builder: Builder | None = None
) -> Body:
    """Place orders."""
    body: Body = {"type": "order", "orders": list(wires), "grouping": str(grouping)}
    if builder is not None:
        body["builder"] = {"b": builder.address, "f": builder.fee_tenths_bp}
    return body


def batch_modify(entries: Iterable[tuple[int | str, Wire]]) -> Body:
    """Replace orders, each named by its oid or cloid."""
    return {
        "type": "batchModify",
        "modifies": [{"oid": oid, "order": wire} for oid, wire in entries],
    }


def cancel(entries: Iterable[tuple[int, int]]) -> Body:
    """Cancel orders named by asset and oid."""
    return {"type": "cancel", "cancels": [{"a": asset, "o": oid} for asset, oid in entries]}


def cancel_by_cloid(entries: Iterable[tuple[int, str]]) -> Body:
    """Cancel orders named by asset and cloid."""
    return {
        "type": "cancelByCloid",
        "cancels": [{"asset": asset, "cloid": cloid} for asset, cloid in entries],
    }


def orders(
    commands: Sequence[Command], grouping: str = Grouping.NONE, builder: Builder | None = None
) -> Action:
    """Return the action of commands whose plans are `OrderPlan`s."""
    return Action(place([_order(c).wire for c in commands], grouping, builder), tuple(commands))


def modifies(commands: Sequence[Command]) -> Action:
    """Return the action of commands whose plans are `ModifyPlan`s."""
    plans = [_modify(command) for command in commands]
    return Action(batch_modify((plan.oid, plan.wire) for plan in plans), tuple(commands))


def cancels(commands: Sequence[Command]) -> list[Action]:
    """Return the actions of commands whose plans are `CancelPlan`s: those by cloid first."""
    by_cloid = [command for command in commands if _cancel(command).cloid is not None]
    by_oid = [command for command in commands if _cancel(command).cloid is None]
    found: list[Action] = []
    if by_cloid:
        named = [(_cancel(c).asset, _cancel(c).cloid or "") for c in by_cloid]
        found.append(Action(cancel_by_cloid(named), tuple(by_cloid)))
    if by_oid:
        numbered = [(_cancel(c).asset, _cancel(c).oid or 0) for c in by_oid]
        found.append(Action(cancel(numbered), tuple(by_oid)))
    return found


def other(body: Body, *, is_user_signed: bool = False) -> Action:
    """Return an action that is about no order."""
    is_of_master = is_user_signed or body.get("type") in OF_MASTER
    return Action(body, (Command(Kind.OTHER, body),), is_user_signed, is_of_master)


def _order(command: Command) -> OrderPlan:
    plan: OrderPlan = command.plan
    return plan


def _modify(command: Command) -> ModifyPlan:
    plan: ModifyPlan = command.plan
    return plan


def _cancel(command: Command) -> CancelPlan:
    plan: CancelPlan = command.plan
    return plan


# -- settings ----------------------------------------------------------------------------


def schedule_cancel(at_ms: int | None) -> Body:
    """Cancel everything at a time, at least five seconds ahead; None: take that back."""
    return {"type": "scheduleCancel"} | ({} if at_ms is None else {"time": at_ms})


def update_leverage(asset: int, leverage: int, *, isolated: bool) -> Body:
    """Set the leverage of a perpetual."""
    return {
        "type": "updateLeverage",
        "asset": asset,
        "isCross": not isolated,
        "leverage": leverage,
    }


def update_isolated_margin(asset: int, micro_usd: int) -> Body:
    """Add to the margin of an isolated position, or take from it."""
    return {"type": "updateIsolatedMargin", "asset": asset, "isBuy": True, "ntli": micro_usd}


def twap_order(
    asset: int, *, is_buy: bool, size: Number, reduce_only: bool, minutes: int, randomize: bool
) -> Body:
    """Work an order over a time, in slices of the venue's making."""
    return {
        "type": "twapOrder",
        "twap": {
            "a": asset,
            "b": is_buy,
            "s": number_text(size),
            "r": reduce_only,
            "m": minutes,
            "t": randomize,
        },
    }


def twap_cancel(asset: int, twap_id: int) -> Body:
    """End a TWAP order."""
    return {"type": "twapCancel", "a": asset, "t": twap_id}


def reserve_request_weight(weight: int) -> Body:
    """Buy requests for the account, at 0.0005 USDC each."""
    return {"type": "reserveRequestWeight", "weight": weight}


def create_sub_account(name: str) -> Body:
    """Make a sub-account."""
    return {"type": "createSubAccount", "name": name}


def sub_account_transfer(address: str, micro_usd: int, *, deposit: bool) -> Body:
    """Move USDC between the master and a sub-account."""
    return {
        "type": "subAccountTransfer",
        "subAccountUser": address.lower(),
        "isDeposit": deposit,
        "usd": micro_usd,
    }


def vault_transfer(address: str, micro_usd: int, *, deposit: bool) -> Body:
    """Move USDC into a vault, or out of it."""
    return {
        "type": "vaultTransfer",
        "vaultAddress": address.lower(),
        "isDeposit": deposit,
        "usd": micro_usd,
    }


# -- of the account itself -----------------------------------------------------------------


def usd_send(destination: str, amount: Number) -> Body:
    """Send USDC to another account of the venue."""
    return {
        "type": "usdSend",
        "destination": destination.lower(),
        "amount": number_text(amount),
        "time": None,
    }


def spot_send(destination: str, token: str, amount: Number) -> Body:
    """Send a token (`PURR:0xc1fb...`) to another account of the venue."""
    return {
        "type": "spotSend",
        "destination": destination.lower(),
        "token": token,
        "amount": number_text(amount),
        "time": None,
    }


def withdraw(destination: str, amount: Number) -> Body:
    """Withdraw USDC to an address of the bridge's chain."""
    return {
        "type": "withdraw3",
        "destination": destination.lower(),
        "amount": number_text(amount),
        "time": None,
    }


def usd_class_transfer(amount: Number, *, to_perp: bool, sub_account: str | None = None) -> Body:
    """Move USDC between spot and perpetuals, of a sub-account if one is given."""
    text = number_text(amount)
    if sub_account is not None:
        text += f" subaccount:{sub_account.lower()}"
    return {"type": "usdClassTransfer", "amount": text, "toPerp": to_perp, "nonce": None}


def send_asset(
    destination: str,
    token: str,
    amount: Number,
    *,
    source_dex: str,
    destination_dex: str,
    from_sub_account: str = "",
) -> Body:
    """Move a token between dexes, spot ("spot") and accounts; "" is the first dex."""
    return {
        "type": "sendAsset",
        "destination": destination.lower(),
        "sourceDex": source_dex,
        "destinationDex": destination_dex,
        "token": token,
        "amount": number_text(amount),
        "fromSubAccount": from_sub_account.lower(),
        "nonce": None,
    }


def approve_agent(address: str, name: str | None = None) -> Body:
    """Let another key sign for the account; of a name the newest counts."""
    body: Body = {"type": "approveAgent", "agentAddress": address.lower(), "nonce": None}
    return body | ({"agentName": name} if name else {})


def approve_builder_fee(builder: str, max_fee_rate: str) -> Body:
    """Let a builder take up to a share (`0.001%`) of each order."""
    if not max_fee_rate.endswith("%"):
        raise ClientError("a fee rate is a text with a percent sign, like 0.001%")
    return {
        "type": "approveBuilderFee",
        "maxFeeRate": max_fee_rate,
        "builder": builder.lower(),
        "nonce": None,
    }
