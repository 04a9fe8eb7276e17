"""Transactions as the pipeline of a key handles them: who signs, for whom, why refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..execution import sending
from ..execution.identity import Shape
from .orders import Plan
from .rest import SendResult

__all__ = ["Command", "Refusal", "SendOwner", "Signed", "TxSigner", "is_rate_limit"]


class Signed(Protocol):
    """What a signer makes."""

    @property
    def tx_type(self) -> int: ...
    @property
    def tx_info(self) -> str: ...
    @property
    def tx_hash(self) -> str: ...


class TxSigner(Protocol):
    """What is needed of `connectors.lighter.Signer`."""

    def sign(self, tx_type: int, fields: Any, attributes: Any = None, /) -> Signed: ...
    def sign_batch(self, entries: Any, /) -> Sequence[Signed]: ...
    def auth_token(self, deadline_s: int, /) -> str: ...


@dataclass(slots=True, eq=False)
class Command(sending.Command):
    """One transaction, and whom it is for; `tx_hash` is set when it is signed.

    `requested` is what a modification asks for, `resent` how often it went out again after it was
    refused for its nonce.
    """

    plan: Plan
    tx_hash: str = ""
    requested: Shape | None = None
    resent: int = 0


@dataclass(frozen=True, slots=True)
class Refusal(sending.Refusal):
    """Why the venue did not take a transaction."""

    @property
    def text(self) -> str:
        """The reason as events carry it."""
        return f"venue rejected sendTx (code={self.code}): {self.message}"


SendOwner = sending.SendOwner[Command, SendResult | None, Refusal]


def is_rate_limit(refusal: Refusal) -> bool:
    """Tell whether a refusal asks to slow down."""
    return refusal.code in (23000, 429, 405)
