"""The way into the venue: envelope, signer, expiry, nonce, budget, then the action itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .accounts import Account, NonceSet
from .commands import Commands, ReplySlot, weight_of
from .crypto import recover
from .errors import UNDESERIALIZABLE, ActionError, Malformed
from .multisig import MultiSig, read_multi_sig
from .signing import Envelope, read_envelope, read_post

if TYPE_CHECKING:
    from .exchange import Exchange

__all__ = ["Admission", "Outcome"]

SPARE_EVERY_MS = 10_000
STALE_COST = 5
CANCEL_EXTRA = 100_000
_CANCELS = frozenset({"cancel", "cancelByCloid", "scheduleCancel"})


@dataclass(slots=True)
class Outcome:
    """What an action came to: HTTP status, answer, and where the reply waits."""

    status: int
    answer: Any
    slot: ReplySlot | None = None
    kind: str = ""
    signer: str | None = None
    refused: str | None = None


class Admission:
    """Takes posts to `/exchange`, from either transport."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.commands = Commands(exchange)

    def submit(self, body: Any) -> Outcome:
        """Check a post and carry it out."""
        try:
            envelope, multi = self._read(body)
        except Malformed as error:
            return Outcome(422, UNDESERIALIZABLE, refused=str(error))
        account: Account | None = None
        try:
            account = self._admit(envelope, multi)
            done = self.commands.run(account, envelope.action)
        except ActionError as error:
            if account is not None:
                self._exchange.settle()
            answer = {"status": "err", "response": error.text}
            return Outcome(200, answer, None, envelope.kind, envelope.signer, error.text)
        except Malformed as error:  # a field of a user-signed action that is read only now
            return Outcome(422, UNDESERIALIZABLE, None, envelope.kind, refused=str(error))
        return Outcome(200, done.answer, done.slot, envelope.kind, envelope.signer)

    def _read(self, body: Any) -> tuple[Envelope, MultiSig | None]:
        """Read a post and recover who signed. Raises Malformed if the venue could not."""
        config = self._exchange.config
        mainnet, low_v = config.network == "mainnet", config.accept_low_v
        action = body.get("action") if isinstance(body, dict) else None
        if not isinstance(action, dict) or action.get("type") != "multiSig":
            return read_envelope(body, mainnet=mainnet, low_v=low_v), None
        outer = read_post(body, low_v=low_v)
        hashed, multi = read_multi_sig(
            action, outer.nonce, outer.vault_address, outer.expires_after,
            mainnet=mainnet, low_v=low_v,
        )  # fmt: skip
        signer = recover(hashed, outer.signature)
        envelope = Envelope(
            multi.action, outer.nonce, outer.vault_address, outer.expires_after, signer,
            multi.user_signed,
        )  # fmt: skip
        return envelope, multi

    def _admit(self, envelope: Envelope, multi: MultiSig | None) -> Account:
        """Return the account an envelope acts on. Raises ActionError if it may not."""
        exchange = self._exchange
        now_ms = exchange.clock.now_ms()
        master = self._master(envelope) if multi is None else self._many(envelope, multi)
        expires = envelope.expires_after
        if expires is not None and not envelope.user_signed and expires < now_ms:
            master.requests += STALE_COST
            raise ActionError(f"Action expired: expiresAfter {expires} is in the past")
        if exchange.config.check_nonces:
            signer = envelope.signer or master.address
            nonces = exchange.nonces.get(signer)
            if nonces is None:
                nonces = exchange.nonces[signer] = NonceSet(exchange.config.nonces_kept)
            nonces.take(envelope.nonce, now_ms)
        account = master
        if envelope.vault_address is not None and not envelope.user_signed:
            found = exchange.accounts.get(envelope.vault_address)
            if found is None or found.leader != master.address:
                raise ActionError("Vault not registered")
            account = found
        self._charge(account, envelope, now_ms)
        return account

    def _master(self, envelope: Envelope) -> Account:
        """Return whose wallet or agent signed. Raises ActionError if nobody's did."""
        exchange = self._exchange
        signer = envelope.signer
        if not exchange.config.verify:
            return next(a for a in exchange.accounts.values() if not a.house)
        master = None if signer is None else exchange.owner_of(signer)
        by_agent = master is not None and master.address != signer
        if master is None or (by_agent and envelope.user_signed):
            shown = signer if signer is not None else "0x" + "0" * 40
            raise ActionError(f"User or API Wallet {shown} does not exist.")
        if master.multi_sig is not None:
            raise ActionError("Actions of a multi-sig user need the signatures of its signers")
        self._check_user_signed(envelope)
        return master

    def _many(self, envelope: Envelope, multi: MultiSig) -> Account:
        """Return the multi-sig user. Raises ActionError if too few of its signers signed."""
        account = self._exchange.accounts.get(multi.user)
        multi.check(envelope.signer, None if account is None else account.multi_sig)
        assert account is not None
        self._check_user_signed(envelope)
        return account

    def _check_user_signed(self, envelope: Envelope) -> None:
        if not envelope.user_signed:
            return
        action = envelope.action
        network = "Mainnet" if self._exchange.config.network == "mainnet" else "Testnet"
        if action.get("hyperliquidChain") != network:
            raise ActionError(f"Invalid chain, this is {network}")
        if action.get("nonce", action.get("time")) != envelope.nonce:
            raise ActionError("Invalid nonce: the action carries another one")

    def _charge(self, account: Account, envelope: Envelope, now_ms: int) -> None:
        """Count the request against the address. Raises ActionError if the budget is used up."""
        cap = account.requests_cap
        weight = weight_of(envelope.action)
        if "address" in self._exchange.config.limits or account.frozen_budget:
            most = min(cap + CANCEL_EXTRA, 2 * cap) if envelope.kind in _CANCELS else cap
            if account.requests + weight > most:
                if now_ms - account.last_spare_ms < SPARE_EVERY_MS:
                    raise ActionError(
                        f"Too many cumulative requests sent ({account.requests + weight} > {cap}) "
                        f"for cumulative volume traded ${account.volume // 10**8}. "
                        "Place taker orders to free up 1 request per USDC traded."
                    )
                account.last_spare_ms = now_ms
        account.requests += weight
