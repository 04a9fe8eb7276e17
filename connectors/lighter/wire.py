"""Control and transaction frames of the WebSocket, in and out; sans-I/O.

==========================  ==========================================  ======================
frame in                    means                                       goes to
==========================  ==========================================  ======================
connected                   the connection may be used                  `ControlKind.CONNECTED`
ping, pong                  liveness                                    PING, PONG
shutdown                    a planned end, soon                         SHUTDOWN
subscribed, unsubscribed    bare acknowledgement                        SUBSCRIBED, ...
subscribed/x, update/x      data of a stream                            STREAM
jsonapi/...                 answer to a transaction                     ANSWER
error, {"error": ...}       refusal of a transaction or subscription    ERROR
==========================  ==========================================  ======================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import orjson

from .._speedups.lighter import Ack
from ..errors import DecodeError
from ..execution.inflight import Answer

__all__ = [
    "PONG",
    "SEND_LANE",
    "ControlKind",
    "Frame",
    "ack_frame",
    "channel_name",
    "error_channel",
    "parse",
    "sendtx_frame",
    "settles_transaction",
    "subscribe_frame",
    "unsubscribe_frame",
]

PONG = b'{"type":"pong"}'
SEND_LANE = "jsonapi/sendtx"
BATCH_LANE = "jsonapi/sendtxbatch"
_LANES = (SEND_LANE, BATCH_LANE)

# Codes outside 21000..21999 that may settle a transaction an answer names.
_NAMED_CODES = frozenset({20001, 23000, 29500, 29501, 62007})


class ControlKind(Enum):
    """What a frame is about."""

    CONNECTED = "connected"
    PING = "ping"
    PONG = "pong"
    SHUTDOWN = "shutdown"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    STREAM = "stream"
    ANSWER = "answer"
    ERROR = "error"
    UNKNOWN = "unknown"


_KINDS = {
    kind.value: kind
    for kind in (
        ControlKind.CONNECTED,
        ControlKind.PING,
        ControlKind.PONG,
        ControlKind.SHUTDOWN,
        ControlKind.SUBSCRIBED,
        ControlKind.UNSUBSCRIBED,
        ControlKind.ERROR,
    )
}


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame, sorted.

    Attributes
    ----------
    kind : ControlKind
    body : dict
        The whole frame.
    stream : str
        For STREAM: the name behind `subscribed/` or `update/`.
    is_snapshot : bool
        For STREAM: whether it came with the subscription.
    code, message : int or None, str
        For ANSWER and ERROR.
    request_id, tx_hashes, lane :
        For ANSWER and ERROR: what it says about its transaction.
    quota_remaining : int or None
        The volume quota, where an answer tells it.
    """

    kind: ControlKind
    body: dict[str, Any] = field(repr=False)
    stream: str = ""
    is_snapshot: bool = False
    code: int | None = None
    message: str = ""
    request_id: str | None = None
    tx_hashes: tuple[str, ...] = ()
    lane: str | None = None
    quota_remaining: int | None = None

    def answer(self, epoch: int) -> Answer:
        """Return what the frame says about its transaction."""
        return Answer(epoch, self.request_id, self.tx_hashes, self.lane, self.code)


def parse(data: bytes) -> Frame:
    """Sort a frame; DecodeError if it is no JSON object."""
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DecodeError(
            f"frame of {len(data)} bytes is not JSON: {error.msg}", error.pos
        ) from None
    if not isinstance(body, dict):
        raise DecodeError(f"frame of {len(data)} bytes is not a JSON object", 0)
    return sort_frame(body)


def sort_frame(body: dict[str, Any]) -> Frame:
    """Sort a frame that is parsed already."""
    name = body.get("type")
    if isinstance(body.get("error"), dict):
        return _about_transaction(ControlKind.ERROR, body, body["error"])
    if not isinstance(name, str):
        return Frame(ControlKind.UNKNOWN, body)
    if name == "error":
        return _about_transaction(ControlKind.ERROR, body, body)
    if name.startswith("jsonapi/"):
        data = body.get("data")
        inner = data if isinstance(data, dict) else {}
        lane = name if name in _LANES else None
        return _about_transaction(ControlKind.ANSWER, body, inner, lane)
    kind = _KINDS.get(name)
    if kind is not None:
        return Frame(kind, body)
    head, _, stream = name.partition("/")
    if stream and head in ("subscribed", "update"):
        return Frame(ControlKind.STREAM, body, stream, head == "subscribed")
    return Frame(ControlKind.UNKNOWN, body)


def _about_transaction(
    kind: ControlKind, body: dict[str, Any], inner: dict[str, Any], lane: str | None = None
) -> Frame:
    """Look for what may stand in the frame itself, or one level below."""

    def find(name: str) -> Any:
        value = inner.get(name)
        return body.get(name) if value is None else value

    code, hashes, request_id = find("code"), find("tx_hash"), find("id")
    if isinstance(code, str) and code.isdecimal():
        code = int(code)
    if isinstance(hashes, str):
        hashes = [hashes]
    return Frame(
        kind,
        body,
        code=code if isinstance(code, int) and not isinstance(code, bool) else None,
        message=str(find("message") or ""),
        request_id=None if request_id is None else str(request_id),
        tx_hashes=tuple(map(str, hashes)) if isinstance(hashes, list) else (),
        lane=lane,
        quota_remaining=whole if isinstance(whole := find("volume_quota_remaining"), int) else None,
    )


def ack_frame(ack: Ack) -> Frame:
    """Return the answer that the decoder read."""
    hashes = ack.tx_hashes if ack.tx_hashes is not None else [ack.tx_hash] if ack.tx_hash else []
    return Frame(
        ControlKind.ANSWER,
        {},
        code=ack.code if ack.code >= 0 else None,
        message=ack.message,
        request_id=ack.id or None,
        tx_hashes=tuple(hashes),
        lane=ack.type if ack.type in _LANES else None,
        quota_remaining=ack.quota_remaining if ack.quota_remaining >= 0 else None,
    )


def settles_transaction(code: int, named: bool) -> bool:
    """Tell whether an error of this code may be about a transaction at all."""
    return 21_000 <= code < 22_000 or (named and code in _NAMED_CODES)


def channel_name(text: str) -> str:
    """Return a channel in the form we ask for it: the venue answers with colons."""
    return text.replace(":", "/")


def error_channel(message: str) -> str | None:
    """Return the channel an error text names behind its last colon and space."""
    _, found, tail = message.rpartition(": ")
    tail = tail.strip()
    return channel_name(tail) if found and tail and " " not in tail else None


def subscribe_frame(channel: str, auth: str | None = None) -> bytes:
    """Return the request for a channel (`account_all_orders/12345`)."""
    frame = {"type": "subscribe", "channel": channel}
    if auth is not None:
        frame["auth"] = auth
    return orjson.dumps(frame)


def unsubscribe_frame(channel: str) -> bytes:
    """Return the request to end a channel."""
    return orjson.dumps({"type": "unsubscribe", "channel": channel})


def sendtx_frame(tx_type: int, tx_info: str, request_id: str) -> bytes:
    """Return a signed transaction; `tx_info` goes out byte for byte as it was signed."""
    text = (
        f'{{"type":"jsonapi/sendtx","data":{{"id":"{request_id}",'
        f'"tx_type":{tx_type},"tx_info":{tx_info}}}}}'
    )
    return text.encode()
