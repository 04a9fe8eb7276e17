"""Frames out, byte for byte, and the seven labels of frames in (sections 1.3 to 1.7).

The labels are coarse on purpose and stay exact; what a frame of `other` is about says the layer
above (`topics`). Nothing here raises for what a peer sent: a frame that is not JSON is a message
of its own kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import orjson

from ..errors import ProtocolError

__all__ = [
    "CANCEL_ORDERS",
    "CANCEL_PNL",
    "ORDERS",
    "PNL",
    "RECOMMENDED_KEEPALIVE_S",
    "TIC",
    "FieldSet",
    "Message",
    "MessageKind",
    "cancel_market_data",
    "classify",
    "depth",
    "history",
    "ledger",
    "market_data",
    "session_login",
    "summary",
    "trades",
]

ORDERS: Final = "sor+{}"
CANCEL_ORDERS: Final = "uor+{}"
PNL: Final = "spl+{}"
CANCEL_PNL: Final = "upl+{}"
TIC: Final = "tic"
RECOMMENDED_KEEPALIVE_S: Final = 60.0  # S-83

_INT64 = range(-(1 << 63), 1 << 63)
_CONID = re.compile(r"([+-]?)0*([0-9]+)")  # what is left of the digits has no leading zeros
_DIGITS = 19  # of an integer of 64 bits


class FieldSet:
    """Codes of market data fields, in the order in which they are asked for (S-21, S-22)."""

    __slots__ = ("_codes",)

    def __init__(self, codes: Iterable[str] = ()) -> None:
        self._codes = tuple(codes)

    @classmethod
    def default_l1(cls) -> FieldSet:
        """Return last, bid, ask, ask size, bid size, volume (S-20)."""
        return cls(("31", "84", "86", "85", "88", "87"))

    def as_slice(self) -> tuple[str, ...]:
        """Return the codes; duplicates are kept."""
        return self._codes

    def __iter__(self) -> Iterator[str]:
        return iter(self._codes)

    def __len__(self) -> int:
        return len(self._codes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldSet) and self._codes == other._codes

    def __hash__(self) -> int:
        return hash(self._codes)

    def __repr__(self) -> str:
        return f"FieldSet({list(self._codes)!r})"


# -- frames out --------------------------------------------------------------------------------


def market_data(line: int | str, fields: Iterable[str]) -> str:
    """Return the frame that asks for a market data line (S-30, W-10).

    `line` is a conid, which is not checked (S-36), or `conid@EXCHANGE` or a combination.

    Raises
    ------
    ProtocolError
        A code that is no text that can be written (S-98).
    """
    return f"smd+{line}+{_json({'fields': list(fields)})}"


def cancel_market_data(line: int | str) -> str:
    """Return the frame that ends a market data line (S-32)."""
    return f"umd+{line}+{{}}"


def trades(*, days: int = 1, realtime_only: bool = True) -> str:
    """Return the frame that asks for executions, of up to seven days back (W-23)."""
    return f"str+{_json({'realtimeUpdatesOnly': realtime_only, 'days': days})}"


def summary(account: str, keys: Iterable[str] = (), fields: Iterable[str] = ()) -> str:
    """Return the frame that asks for an account's figures; without keys for all (W-25)."""
    return f"ssd+{account}+{_json(_chosen(keys, fields))}"


def ledger(account: str, keys: Iterable[str] = (), fields: Iterable[str] = ()) -> str:
    """Return the frame that asks for an account's cash and values by currency (W-26)."""
    return f"sld+{account}+{_json(_chosen(keys, fields))}"


def depth(account: str, conid: int, exchange: str | None = None) -> str:
    """Return the frame that asks for a book (W-21)."""
    return f"sbd+{account}+{conid}" + (f"+{exchange}" if exchange else "")


def history(conid: int, **arguments: object) -> str:
    """Return the frame that asks for bars (W-20); names as the venue's (`outsideRth`, F-31)."""
    return f"smh+{conid}+{_json(arguments)}"


def _chosen(keys: Iterable[str], fields: Iterable[str]) -> dict[str, list[str]]:
    return {name: list(it) for name, it in (("keys", keys), ("fields", fields)) if it}


def _json(arguments: object) -> str:
    try:
        return orjson.dumps(arguments).decode()
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"the arguments cannot be written as JSON: {error}") from error


def session_login(session: str) -> str:
    """Return the frame for a server that says `waiting for session`, and only for that (T-09)."""
    return _json({"session": session})


# -- frames in ---------------------------------------------------------------------------------


class MessageKind(StrEnum):
    """The label of a message. More may be added: have a default branch (S-82)."""

    HEARTBEAT = "heartbeat"
    SYSTEM = "system"
    MARKET_DATA = "market_data"
    ORDER = "order"
    PNL = "pnl"
    OTHER = "other"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the venue.

    Attributes
    ----------
    kind : MessageKind
    topic : str
        Its topic as the venue wrote it, "" without one.
    conid : int or None
        Of market data: the topic's, not the payload's (S-70).
    payload :
        The parsed JSON with everything in it (S-71); None for heartbeats and malformed ones.
    text, error : str
        Of a malformed one: what came, and what is wrong with it.
    """

    kind: MessageKind
    topic: str = ""
    conid: int | None = None
    payload: Any = field(default=None, repr=False)  # may carry a session id
    text: str = field(default="", repr=False)
    error: str = ""

    @property
    def label(self) -> str:
        """The name of its kind (S-80)."""
        return self.kind.value

    def as_value(self) -> Any:
        """Return the payload; None for heartbeats and malformed messages (S-81)."""
        return self.payload


_HEARTBEAT = Message(MessageKind.HEARTBEAT)
_KINDS: Final = {
    "system": MessageKind.SYSTEM,
    **dict.fromkeys(("sor", "ortd", "ord"), MessageKind.ORDER),
    **dict.fromkeys(("spl", "pnl", "ssd", "ssl"), MessageKind.PNL),
}


def classify(data: bytes | str) -> Message:
    """Return what a text or binary frame says (S-51, S-52, S-60 to S-71); never raises.

    Bytes that are not UTF-8 are replaced, each sequence by one U+FFFD.
    """
    if isinstance(data, str):
        data = data.encode(errors="replace")
    if not data or data == b"{}":
        return _HEARTBEAT
    try:
        payload = orjson.loads(data)
    except orjson.JSONDecodeError as first:
        text = data.decode(errors="replace")
        try:
            payload = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            reason = str(error) or str(first) or "not JSON"
            return Message(MessageKind.MALFORMED, text=text, error=reason)
    topic = payload.get("topic") if isinstance(payload, dict) else None
    if not isinstance(topic, str):
        return Message(MessageKind.OTHER, payload=payload)
    kind = _KINDS.get(topic)
    if kind is not None:
        return Message(kind, topic, None, payload)
    if topic.startswith("smd+"):
        conid = _conid(topic[4:])
        if conid is not None:
            return Message(MessageKind.MARKET_DATA, topic, conid, payload)
    return Message(MessageKind.OTHER, topic, None, payload)


def _conid(text: str) -> int | None:
    """Return the integer of 64 bits that a text is, None if it is none (S-64)."""
    found = _CONID.fullmatch(text)
    if found is None or len(found[2]) > _DIGITS:
        return None
    conid = int(found[1] + found[2])
    return conid if conid in _INT64 else None
