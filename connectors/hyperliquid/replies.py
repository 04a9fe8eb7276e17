"""What the venue answers to a command, sorted; sans-I/O (sections 2.12, 5.2 and 5.3).

====================================  =====================  =====================================
answer                                means                  for each entry of the action
====================================  =====================  =====================================
`{"status":"err","response":text}`    refused as a whole     `Refusal`
a status for each entry               taken or refused       its own, by place
fewer statuses, an error among them   refused as a whole     that error: the venue checks a batch
                                                             before it starts, and answers once
fewer statuses, no error              taken                  grouped TP/SL are answered once
cancels: any other number             nobody knows           `Unclear`
no statuses, or a strange one         nobody knows           `Unclear`
====================================  =====================  =====================================

The kind of a refusal is found by its text: the venue has no codes. Nothing is sent again because of
a text; it decides only what is said, looked up, and held back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from ..errors import VenueError
from ..execution import sending
from ..execution.sending import Kind

__all__ = [
    "Answer",
    "Entry",
    "Refusal",
    "RefusalKind",
    "State",
    "Taken",
    "Unclear",
    "entries_of",
    "kind_of",
    "raise_inner",
    "read_answer",
    "recovered_address",
]


class RefusalKind(StrEnum):
    """Why a command was refused, as far as its text tells."""

    PRICE = "price"
    NOTIONAL = "notional"
    FUNDS = "funds"
    REDUCE_ONLY = "reduce_only"
    POST_ONLY = "post_only"
    IOC = "ioc"
    TRIGGER = "trigger"
    LIQUIDITY = "liquidity"
    OPEN_INTEREST = "open_interest"
    BAND = "band"
    MARGIN_TIER = "margin_tier"
    BUILDER = "builder"
    NOT_FOUND = "not_found"  # of a cancel: never placed, canceled or filled; says nothing
    NOT_MODIFIABLE = "not_modifiable"  # canceled or filled
    SIGNER = "signer"
    DEPOSIT = "deposit"
    DUPLICATE_NONCE = "duplicate_nonce"
    NONCE = "nonce"
    EXPIRED = "expired"
    ADDRESS_LIMIT = "address_limit"
    POST_ONLY_WINDOW = "post_only_window"
    SCHEDULED_CANCEL = "scheduled_cancel"
    VAULT = "vault"
    ASSET = "asset"
    OTHER = "other"


# Part of the text in lower case, the more special first.
_TEXTS: Sequence[tuple[str, RefusalKind]] = (
    ("duplicate nonce", RefusalKind.DUPLICATE_NONCE),
    ("nonce", RefusalKind.NONCE),
    ("price must be divisible by tick size", RefusalKind.PRICE),
    ("order has invalid price", RefusalKind.PRICE),
    ("order must have minimum value", RefusalKind.NOTIONAL),
    ("insufficient margin", RefusalKind.FUNDS),
    ("insufficient spot balance", RefusalKind.FUNDS),
    ("reduce only order would increase", RefusalKind.REDUCE_ONLY),
    ("post only order would have immediately matched", RefusalKind.POST_ONLY),
    ("could not immediately match", RefusalKind.IOC),
    ("invalid tp/sl price", RefusalKind.TRIGGER),
    ("no liquidity available", RefusalKind.LIQUIDITY),
    ("open interest", RefusalKind.OPEN_INTEREST),
    ("too far from oracle", RefusalKind.BAND),
    ("away from the reference price", RefusalKind.BAND),
    ("margin tier limit", RefusalKind.MARGIN_TIER),
    ("builder fee has not been approved", RefusalKind.BUILDER),
    ("order was never placed", RefusalKind.NOT_FOUND),
    ("cannot modify canceled or filled", RefusalKind.NOT_MODIFIABLE),
    ("user or api wallet", RefusalKind.SIGNER),
    ("must deposit", RefusalKind.DEPOSIT),
    ("too many cumulative requests", RefusalKind.ADDRESS_LIMIT),
    ("only post-only orders allowed", RefusalKind.POST_ONLY_WINDOW),
    ("scheduled cancel", RefusalKind.SCHEDULED_CANCEL),
    ("expired", RefusalKind.EXPIRED),
    ("expiresafter", RefusalKind.EXPIRED),
    ("vault not registered", RefusalKind.VAULT),
    ("not a valid asset", RefusalKind.ASSET),
    ("is not a valid", RefusalKind.ASSET),
)
_WALLET = re.compile(r"wallet (0x[0-9a-fA-F]{40})")


def kind_of(text: str) -> RefusalKind:
    """Return what a text of the venue is about."""
    lower = text.lower()
    for part, kind in _TEXTS:
        if part in lower:
            return kind
    return RefusalKind.OTHER


def recovered_address(text: str) -> str | None:
    """Return the address the venue read out of our signature, where a refusal names it."""
    found = _WALLET.search(text.lower())
    return found.group(1) if found else None


@dataclass(frozen=True, slots=True)
class Refusal(sending.Refusal):
    """Why the venue did not take a command; `code` is a `RefusalKind`, or an HTTP status."""

    @property
    def due_post_only(self) -> bool:
        """Whether a post-only order would have taken."""
        return self.code == RefusalKind.POST_ONLY

    @classmethod
    def of(cls, text: str) -> Refusal:
        """Return the refusal of a text."""
        return cls(kind_of(text), text)


class State(Enum):
    """Where an order stands by the reply to it."""

    RESTING = "resting"
    FILLED = "filled"  # no word on the fills themselves: they come on the stream
    WAITING = "waiting"  # for the fill of its parent, or its trigger; has no id yet
    DONE = "done"  # no order: a cancel, a setting


@dataclass(frozen=True, slots=True)
class Taken:
    """What the venue says of a command it took.

    Attributes
    ----------
    venue_order_id : str or None
        Of an order, or of what replaces a modified one.
    filled_size, average_price : str or None
        As the venue writes them; only for information.
    """

    state: State
    venue_order_id: str | None = None
    filled_size: str | None = None
    average_price: str | None = None


@dataclass(frozen=True, slots=True)
class Unclear:
    """An answer nobody can read: the command may have been executed."""

    why: str


Entry = Taken | Refusal | Unclear
_DONE = Taken(State.DONE)
_WAITING = Taken(State.WAITING)
_WORDS = {"success": _DONE, "waitingForFill": _WAITING, "waitingForTrigger": _WAITING}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of `/exchange`, over HTTP or WebSocket.

    Attributes
    ----------
    statuses : list or None
        One for each entry as a rule; None where this kind of action has none.
    refusal : Refusal or None
        The action was refused as a whole.
    unclear : str
        Why it cannot be read; "" if it can.
    data : Any
        What else came with it.
    """

    statuses: list[Any] | None = None
    refusal: Refusal | None = None
    unclear: str = ""
    data: Any = None


def read_answer(payload: object) -> Answer:
    """Sort an answer of `/exchange`."""
    if not isinstance(payload, dict):
        return Answer(unclear="the answer is not an object")
    status, response = payload.get("status"), payload.get("response")
    if status == "err":
        return Answer(refusal=Refusal.of(response if isinstance(response, str) else "refused"))
    if status != "ok" or not isinstance(response, dict):
        return Answer(unclear="the answer is neither ok nor err")
    data = response.get("data")
    if isinstance(data, dict):
        statuses = data.get("statuses")
        if isinstance(statuses, list):
            return Answer(statuses, data=data)
    return Answer(data=data)


def entries_of(kinds: Sequence[Kind], answer: Answer) -> list[Entry]:
    """Return what became of each entry of an action.

    Parameters
    ----------
    kinds : sequence of Kind
        Of the entries, which are all of one kind.
    """
    count = len(kinds)
    if answer.unclear:
        return [Unclear(answer.unclear)] * count
    if answer.refusal is not None:
        return [answer.refusal] * count
    if kinds[0] is Kind.OTHER:
        return [_DONE] * count
    if answer.statuses is None:
        return [Unclear("the answer has no statuses")] * count
    entries = [_entry(status) for status in answer.statuses]
    if len(entries) == count:
        return entries
    if kinds[0] is Kind.CANCEL or not entries:
        return [Unclear(f"{len(entries)} statuses for {count} entries")] * count
    for entry in entries:
        if isinstance(entry, Refusal):
            return [entry] * count
    if any(isinstance(entry, Unclear) for entry in entries):
        return [Unclear("a status that is not known")] * count
    return (entries + [_WAITING] * count)[:count]


def _entry(status: object) -> Entry:
    if isinstance(status, str):
        return _WORDS.get(status) or Unclear(f"a status that is not known: {status[:40]!r}")
    if isinstance(status, dict):
        error = status.get("error")
        if isinstance(error, str):
            return Refusal.of(error)
        for name, state in (("resting", State.RESTING), ("filled", State.FILLED)):
            inner = status.get(name)
            if isinstance(inner, dict) and (oid := _oid(inner.get("oid"))) is not None:
                return Taken(state, oid, _text(inner.get("totalSz")), _text(inner.get("avgPx")))
    return Unclear("a status that is not known")


def _oid(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return str(value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def raise_inner(data: object) -> None:
    """Raise what stands in the `status` of an answer that has no statuses (TWAP)."""
    status = data.get("status") if isinstance(data, Mapping) else None
    if isinstance(status, Mapping) and isinstance(error := status.get("error"), str):
        raise VenueError(Refusal.of(error).code, error)
