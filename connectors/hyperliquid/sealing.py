"""From an action to what is posted: nonce, expiry, signature (section 5)."""

from __future__ import annotations

from typing import Any, Protocol

from ..net.clock import NS_PER_MS, Clock
from .actions import Action
from .config import Config
from .nonces import key_nonces
from .posting import envelope
from .typed_data import complete_user_action

__all__ = ["ActionSigner", "Sealer"]

NONCE_NAMES = ("time", "nonce")  # in actions of the account itself


class ActionSigner(Protocol):
    """What is needed of `connectors.hyperliquid.Signer`."""

    @property
    def address(self) -> str: ...
    def sign_l1_action(
        self,
        action: Any,
        nonce: int,
        vault_address: str | None = None,
        expires_after: int | None = None,
        mainnet: bool = True,
        /,
    ) -> dict[str, Any]: ...
    def sign_user_action(self, action: Any, mainnet: bool = True, /) -> dict[str, Any]: ...


class Sealer:
    """Signs the actions of one key.

    Attributes
    ----------
    signer : ActionSigner
    nonces : KeyNonces
        Those of the key.
    ahead_ms : int
        How far our clock is ahead of the venue's: actions expire by the latter.
    """

    def __init__(self, signer: ActionSigner, config: Config, clock: Clock) -> None:
        self.signer = signer
        self.nonces = key_nonces(signer.address, clock)
        self._clock = clock
        credentials = config.credentials
        self._vault = credentials.vault_address if credentials is not None else None
        self._mainnet = config.is_mainnet
        self._life_ms = config.expires_after_ms
        self.ahead_ms = 0

    def seal(self, action: Action) -> bytes:
        """Give the action its nonce, its expiry and its signature, and return what is posted."""
        nonce = action.nonce
        if nonce is None:
            nonce = action.nonce = self.nonces.allocate()
        body = action.body
        vault, expires_ms = None if action.is_of_master else self._vault, None
        if action.is_user_signed:
            for name in NONCE_NAMES:
                if name in body:
                    body = {**body, name: nonce.value}
            body = complete_user_action(body, self._mainnet)
            signature = self.signer.sign_user_action(body, self._mainnet)
        else:
            if self._life_ms is not None:
                now_ms = self._clock.wall_ns() // NS_PER_MS - self.ahead_ms
                expires_ms = now_ms + self._life_ms
            signature = self.signer.sign_l1_action(
                body, nonce.value, vault, expires_ms, self._mainnet
            )
        action.expires_ms = expires_ms
        for command in action.commands:
            command.nonce = nonce
            command.expires_ms = expires_ms or 0
        return envelope(body, nonce.value, signature, vault, expires_ms)
