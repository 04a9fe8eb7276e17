"""Actions that move money or settings between accounts, and those that change nothing here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from .accounts import USD
from .actions import address
from .errors import ActionError
from .markets import TOKENS
from .multisig import read_signers
from .numbers import MONEY, money

if TYPE_CHECKING:
    from .accounts import Account
    from .exchange import Exchange

__all__ = ["Transfers"]

MICRO = USD // 10**6
WITHDRAW_FEE = USD
REQUEST_PRICE = 5 * USD // 10_000
_NO_EFFECT = frozenset(
    {
        "noop",
        "setReferrer",
        "evmUserModify",
        "agentEnableDexAbstraction",
        "agentSetAbstraction",
        "tokenDelegate",
        "userDexAbstraction",
        "userSetAbstraction",
    }
)
Answer = dict[str, Any]


class Transfers:
    """Carries out everything that is not about orders."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._known: dict[str, Callable[[Account, Mapping[str, Any]], None]] = {
            "usdSend": self._usd_send,
            "withdraw3": self._withdraw,
            "spotSend": self._spot_send,
            "usdClassTransfer": self._class_transfer,
            "sendAsset": self._send_asset,
            "approveAgent": self._approve_agent,
            "approveBuilderFee": self._approve_builder_fee,
            "subAccountTransfer": self._sub_account_transfer,
            "subAccountSpotTransfer": self._sub_account_spot_transfer,
            "vaultTransfer": self._vault_transfer,
            "reserveRequestWeight": self._reserve,
            "convertToMultiSigUser": self._convert,
        }

    def run(self, account: Account, action: Mapping[str, Any]) -> Answer:
        """Carry an action out. Raises ActionError if it is refused."""
        kind = action["type"]
        if kind == "createSubAccount":
            return self._create_sub_account(account, action)
        if kind not in _NO_EFFECT:
            self._known[kind](account, action)
        return {"status": "ok", "response": {"type": "default"}}

    # -- helpers -----------------------------------------------------------------------------

    def _note(self, account: Account, delta: dict[str, Any]) -> None:
        exchange = self._exchange
        row = {"time": exchange.clock.now_ms(), "hash": exchange.action_hash, "delta": delta}
        account.ledger.append(row)
        exchange.tell(account, "ledger", row)

    def _take_usd(self, account: Account, amount: int) -> None:
        if amount > account.free(self._exchange.markets):
            raise ActionError("Insufficient balance for withdrawal")
        account.usd -= amount

    def _take_spot(self, account: Account, token: str, amount: int) -> None:
        if amount > account.available(token):
            raise ActionError("Insufficient spot balance for transfer")
        account.spot[token] -= amount

    def _receiver(self, text: str) -> Account:
        found = self._exchange.accounts.get(address(text))
        if found is None:  # the venue opens an account for whoever is sent something
            found = self._exchange.open_account(address(text))
        return found

    # -- transfers ---------------------------------------------------------------------------

    def _usd_send(self, account: Account, action: Mapping[str, Any]) -> None:
        amount = _amount(action["amount"])
        self._take_usd(account, amount)
        other = self._receiver(action["destination"])
        other.usd += amount
        delta = {
            "type": "internalTransfer",
            "usdc": money(amount),
            "user": account.address,
            "destination": other.address,
            "fee": "0.0",
        }
        self._note(account, delta)
        self._note(other, delta)

    def _withdraw(self, account: Account, action: Mapping[str, Any]) -> None:
        amount = _amount(action["amount"])
        if amount <= WITHDRAW_FEE:
            raise ActionError("Withdrawal amount must exceed the fee")
        self._take_usd(account, amount)
        delta = {
            "type": "withdraw",
            "usdc": money(amount - WITHDRAW_FEE),
            "nonce": action["time"],
            "fee": money(WITHDRAW_FEE),
        }
        self._note(account, delta)

    def _spot_send(self, account: Account, action: Mapping[str, Any]) -> None:
        token, amount = _token(action["token"]), _amount(action["amount"])
        self._take_spot(account, token, amount)
        other = self._receiver(action["destination"])
        other.spot[token] = other.spot.get(token, 0) + amount
        delta = {
            "type": "spotTransfer",
            "token": token,
            "amount": money(amount),
            "user": account.address,
            "destination": other.address,
            "fee": "0.0",
        }
        self._note(account, delta)
        self._note(other, delta)

    def _class_transfer(self, account: Account, action: Mapping[str, Any]) -> None:
        text, _, tag = action["amount"].partition(" subaccount:")
        if tag:
            account = self._sub_account(account, tag)
        amount = _amount(text)
        if action["toPerp"]:
            self._take_spot(account, "USDC", amount)
            account.usd += amount
        else:
            self._take_usd(account, amount)
            account.spot["USDC"] = account.spot.get("USDC", 0) + amount
        delta = {
            "type": "accountClassTransfer",
            "usdc": money(amount),
            "toPerp": action["toPerp"],
        }
        self._note(account, delta)
        self._exchange.touch(account)

    def _send_asset(self, account: Account, action: Mapping[str, Any]) -> None:
        if action["fromSubAccount"]:
            account = self._sub_account(account, action["fromSubAccount"])
        token, amount = _token(action["token"]), _amount(action["amount"])
        other = self._receiver(action["destination"])
        if action["sourceDex"] == "spot":
            self._take_spot(account, token, amount)
        elif token != "USDC":
            raise ActionError("Only the collateral token can leave a perp dex")
        else:
            self._take_usd(account, amount)
        if action["destinationDex"] == "spot":
            other.spot[token] = other.spot.get(token, 0) + amount
        else:
            other.usd += amount
        delta = {
            "type": "send",
            "user": account.address,
            "destination": other.address,
            "sourceDex": action["sourceDex"],
            "destinationDex": action["destinationDex"],
            "token": token,
            "amount": money(amount),
        }
        self._note(account, delta)
        self._note(other, delta)

    def _sub_account(self, account: Account, text: str) -> Account:
        found = self._exchange.accounts.get(text.lower())
        if found is None or found.leader != account.address:
            raise ActionError("Sub-account does not exist")
        return found

    def _between(
        self, account: Account, other: Account, deposit: bool, move: Callable[..., None]
    ) -> None:
        source, target = (account, other) if deposit else (other, account)
        move(source, target)
        self._exchange.touch(other)

    def _sub_account_transfer(self, account: Account, action: Mapping[str, Any]) -> None:
        self._move_usd(account, action["subAccountUser"], action, "subAccountTransfer")

    def _vault_transfer(self, account: Account, action: Mapping[str, Any]) -> None:
        vault = self._exchange.accounts.get(action["vaultAddress"])
        if vault is None or vault.role != "vault":
            raise ActionError("Vault not registered")
        self._move_usd(account, action["vaultAddress"], action, "vaultDeposit")

    def _move_usd(self, account: Account, other: str, action: Mapping[str, Any], kind: str) -> None:
        amount = action["usd"] * MICRO

        def move(source: Account, target: Account) -> None:
            self._take_usd(source, amount)
            target.usd += amount
            delta = {
                "type": kind,
                "usdc": money(amount),
                "user": source.address,
                "destination": target.address,
            }
            self._note(source, delta)
            self._note(target, delta)

        self._between(account, self._sub_account(account, other), action["isDeposit"], move)

    def _sub_account_spot_transfer(self, account: Account, action: Mapping[str, Any]) -> None:
        token, amount = _token(action["token"]), _amount(action["amount"])

        def move(source: Account, target: Account) -> None:
            self._take_spot(source, token, amount)
            target.spot[token] = target.spot.get(token, 0) + amount

        other = self._sub_account(account, action["subAccountUser"])
        self._between(account, other, action["isDeposit"], move)

    def _create_sub_account(self, account: Account, action: Mapping[str, Any]) -> Answer:
        name = action["name"]
        seed = f"sub/{account.address}/{name}".encode()
        made = "0x" + hashlib.sha256(seed).hexdigest()[:40]
        if made in self._exchange.accounts:
            raise ActionError("Sub-account name already in use")
        self._exchange.open_account(made, leader=account.address, role="subAccount", name=name)
        return {"status": "ok", "response": {"type": "createSubAccount", "data": made}}

    # -- approvals ---------------------------------------------------------------------------

    def _approve_agent(self, account: Account, action: Mapping[str, Any]) -> None:
        agent = address(action["agentAddress"])
        if agent in self._exchange.accounts or agent in self._exchange.agent_owner:
            raise ActionError("Extra agent already used.")
        name = action.get("agentName") or ""
        names = {one.name for one in account.agents.values()}
        if name and name not in names and len(names - {""}) >= 3:
            raise ActionError("Too many extra agents")
        self._exchange.add_agent(account, agent, name)

    def _approve_builder_fee(self, account: Account, action: Mapping[str, Any]) -> None:
        text = action["maxFeeRate"]
        try:
            tenths = int(Decimal(text.removesuffix("%")) * 1_000)  # of a basis point
        except InvalidOperation:
            raise ActionError(f"Invalid max fee rate {text}") from None
        if not text.endswith("%") or tenths < 0:
            raise ActionError(f"Invalid max fee rate {text}")
        account.builder_fees[address(action["builder"])] = tenths

    def _convert(self, account: Account, action: Mapping[str, Any]) -> None:
        account.multi_sig = read_signers(action["signers"])

    def _reserve(self, account: Account, action: Mapping[str, Any]) -> None:
        self._take_usd(account, action["weight"] * REQUEST_PRICE)
        account.reserved += action["weight"]


def _amount(text: Any) -> int:
    """Return an amount as money. Raises ActionError if it is none."""
    try:
        scaled = Decimal(text).scaleb(MONEY)
        whole = int(scaled)
    except (InvalidOperation, TypeError, ValueError, OverflowError):
        raise ActionError(f"Invalid amount {text!r}") from None
    if scaled != whole or whole <= 0:
        raise ActionError(f"Invalid amount {text!r}")
    return whole


def _token(text: str) -> str:
    """Return a token's name from `NAME:0xid`. Raises ActionError if there is none such."""
    name, _, token_id = text.partition(":")
    for token in TOKENS:
        if token.name == name and token_id in ("", token.token_id):
            return name
    raise ActionError(f"Token {text} does not exist")
