"""What a frame of the socket is about, finer than its label, and its typed value.

`classify` gives the label that callers of the raw client rely on (section 1.6 of the rules);
`decode` says beside it which of the venue's topics it is, whose it is, and what it says. A
label is never changed by it (D-10).

===================== ============================ ==========================
topic                 detail                       value
===================== ============================ ==========================
`{}`, empty           heartbeat                    None
`system`              ready, server_heartbeat,     `Ready`, `ServerHeartbeat`
                      system
`sts`                 status                       `SessionStatus`
`act`                 account                      `AccountInfo`
`tic`                 tic                          `Tic`
`ech+hb`              echo                         None
`smd+...`             market_data                  None: see `market`
`smh+CONID`           history                      `History`
`sbd+ACCT+CONID...`   depth                        `Depth`
`sor`, `ord`, `ortd`  orders                       `OrderRows`
`str`                 trades                       `TradeRows`
`spl`, `pnl`          pnl                          tuple of `PnlRow`
`ssd+ACCT`, `ssl`     summary                      tuple of `SummaryRow`
`sld+ACCT`            ledger                       tuple of `LedgerRow`
`ntf`                 notification, prompt         tuple of `Notification`, `Prompt`
`blt`                 bulletin                     `Bulletin`
`shs+...`, `inp+...`  exercise                     None
key `error`           error                        `ErrorText`
`message`, `result`   waiting_for_session,         the serverId of a history,
without a topic       unsubscribed_...             else None
other                 unknown                      None
===================== ============================ ==========================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..net.clock import NS_PER_MS
from .books import read_depth
from .history import read_history
from .orders import read_orders
from .pnl import read_ledger, read_pnl, read_summary
from .trades import read_trades
from .wire import Message, MessageKind

__all__ = [
    "AccountInfo",
    "Bulletin",
    "Detail",
    "ErrorText",
    "Notification",
    "Prompt",
    "Ready",
    "ServerHeartbeat",
    "SessionStatus",
    "Tic",
    "Topic",
    "decode",
    "read_topic",
]

WAITING = "waiting for session"
UNSUBSCRIBED_HISTORY = "Unsubscribed "


class Detail(StrEnum):
    """What a frame is about. New ones may come: have a default branch."""

    HEARTBEAT = "heartbeat"
    SERVER_HEARTBEAT = "server_heartbeat"
    READY = "ready"
    SYSTEM = "system"
    STATUS = "status"
    ACCOUNT = "account"
    TIC = "tic"
    ECHO = "echo"
    MARKET_DATA = "market_data"
    HISTORY = "history"
    DEPTH = "depth"
    ORDERS = "orders"
    TRADES = "trades"
    PNL = "pnl"
    SUMMARY = "summary"
    LEDGER = "ledger"
    NOTIFICATION = "notification"
    PROMPT = "prompt"
    BULLETIN = "bulletin"
    EXERCISE = "exercise"
    ERROR = "error"
    WAITING_FOR_SESSION = "waiting_for_session"
    UNSUBSCRIBED_HISTORY = "unsubscribed_history"
    UNSUBSCRIBED_SUMMARY = "unsubscribed_summary"
    UNSUBSCRIBED_LEDGER = "unsubscribed_ledger"
    UNKNOWN = "unknown"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Ready:
    """The socket is logged in: only from now on are requests heard (W-01)."""

    user: str
    is_paper: bool | None


@dataclass(frozen=True, slots=True)
class ServerHeartbeat:
    """The venue's clock, every 10 s, in ns since the epoch (W-02)."""

    ts_event: int


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """The brokerage session; None: unchanged, the venue tells changes only (W-03)."""

    connected: bool | None = None
    authenticated: bool | None = None
    established: bool | None = None
    competing: bool | None = None
    message: str | None = None
    fail: str | None = None


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """The accounts of the user (W-04). `session_id` is not the one of the cookie (N-08)."""

    accounts: tuple[str, ...]
    selected: str
    is_paper: bool | None
    session_id: str


@dataclass(frozen=True, slots=True)
class Tic:
    """Answer to `tic`; up to four times the same, told apart by `last_accessed_ms` (W-05)."""

    is_alive: bool
    session: str
    last_accessed_ms: int


@dataclass(frozen=True, slots=True)
class Notification:
    """A message of the venue for the user (W-27)."""

    id: str
    title: str
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question about an order, answered over REST with one of `options` (R-34)."""

    order_id: str
    request_id: str
    message_id: str
    text: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bulletin:
    """News about exchanges (W-28)."""

    id: str
    message: str


@dataclass(frozen=True, slots=True)
class ErrorText:
    """An error that belongs to no request (W-08); the socket goes on."""

    message: str
    code: int | str | None


@dataclass(frozen=True, slots=True)
class Topic:
    """One frame.

    Attributes
    ----------
    detail : Detail
    name : str
        The topic up to its first `+`.
    targets : tuple of str
        What stands behind it: a conid, an account, an exchange.
    value : object
        See the module's table; None too where the frame does not hold what it should.
    payload : object
        The frame's JSON.
    """

    detail: Detail
    name: str = ""
    targets: tuple[str, ...] = ()
    value: Any = None
    payload: Any = None


_DETAILS = {
    "sts": Detail.STATUS,
    "act": Detail.ACCOUNT,
    "tic": Detail.TIC,
    "ech": Detail.ECHO,
    "smd": Detail.MARKET_DATA,
    "smh": Detail.HISTORY,
    "sbd": Detail.DEPTH,
    "sor": Detail.ORDERS,
    "ord": Detail.ORDERS,
    "ortd": Detail.ORDERS,
    "str": Detail.TRADES,
    "spl": Detail.PNL,
    "pnl": Detail.PNL,
    "ssd": Detail.SUMMARY,
    "ssl": Detail.SUMMARY,
    "sld": Detail.LEDGER,
    "ntf": Detail.NOTIFICATION,
    "blt": Detail.BULLETIN,
    "shs": Detail.EXERCISE,
    "inp": Detail.EXERCISE,
    "error": Detail.ERROR,
}
_UNSUBSCRIBED = {
    "unsubscribed from summary": Detail.UNSUBSCRIBED_SUMMARY,
    "unsubscribed from ledger": Detail.UNSUBSCRIBED_LEDGER,
}


def decode(message: Message) -> Topic:
    """Tell what a classified frame is about; its JSON is not parsed again."""
    if message.kind is MessageKind.HEARTBEAT:
        return Topic(Detail.HEARTBEAT)
    if message.kind is MessageKind.MALFORMED:
        return Topic(Detail.MALFORMED)
    return read_topic(message.payload)


def read_topic(payload: object) -> Topic:
    """Tell what the JSON of a frame is about, and read it. Never raises over what it says."""
    if not isinstance(payload, dict):
        return Topic(Detail.UNKNOWN, payload=payload)
    found = payload.get("topic")
    topic = found if isinstance(found, str) else ""
    name, *targets = topic.split("+")
    detail = _detail(name, payload)
    read = _READERS.get(detail)
    value = None if read is None else read(payload)
    if detail is Detail.NOTIFICATION and any(isinstance(each, Prompt) for each in _notes(payload)):
        detail = Detail.PROMPT
    return Topic(detail, name, tuple(targets), value, payload)


def _detail(name: str, payload: Mapping[str, Any]) -> Detail:
    if payload.get("error"):
        return Detail.ERROR
    if name == "system":
        if "success" in payload:
            return Detail.READY
        return Detail.SERVER_HEARTBEAT if "hb" in payload else Detail.SYSTEM
    if name:
        return _DETAILS.get(name, Detail.UNKNOWN)
    message = payload.get("message")
    if message == WAITING:
        return Detail.WAITING_FOR_SESSION
    if isinstance(message, str) and message.startswith(UNSUBSCRIBED_HISTORY):
        return Detail.UNSUBSCRIBED_HISTORY
    result = payload.get("result")
    return _UNSUBSCRIBED.get(result, Detail.UNKNOWN) if isinstance(result, str) else Detail.UNKNOWN


# ---- values -----------------------------------------------------------------------------------


def _flag(row: Mapping[str, Any], name: str) -> bool | None:
    value = row.get(name)
    return value if isinstance(value, bool) else None


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None or isinstance(value, dict | list):
        return ""
    return str(value)


def _args(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    args = payload.get("args")
    return args if isinstance(args, dict) else {}


def _milliseconds(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _ready(payload: Mapping[str, Any]) -> Ready:
    return Ready(_text(payload, "success"), _flag(payload, "isPaper"))


def _server_heartbeat(payload: Mapping[str, Any]) -> ServerHeartbeat:
    return ServerHeartbeat(_milliseconds(payload.get("hb")) * NS_PER_MS)


def _status(payload: Mapping[str, Any]) -> SessionStatus:
    args = _args(payload)
    message, fail = args.get("message"), args.get("fail")
    return SessionStatus(
        _flag(args, "connected"),
        _flag(args, "authenticated"),
        _flag(args, "established"),
        _flag(args, "competing"),
        message if isinstance(message, str) else None,
        fail if isinstance(fail, str) else None,
    )


def _account(payload: Mapping[str, Any]) -> AccountInfo:
    args = _args(payload)
    accounts = args.get("accounts")
    names = accounts if isinstance(accounts, list) else []
    return AccountInfo(
        tuple(name for name in names if isinstance(name, str)),
        _text(args, "selectedAccount"),
        _flag(args, "isPaper"),
        _text(args, "sessionId"),
    )


def _tic(payload: Mapping[str, Any]) -> Tic:
    return Tic(
        _flag(payload, "alive") is True,
        _text(payload, "id"),
        _milliseconds(payload.get("lastAccessed")),
    )


def _notes(payload: Mapping[str, Any]) -> tuple[Notification | Prompt, ...]:
    args = payload.get("args")
    rows = args if isinstance(args, list) else [args]  # W-27: both forms are around
    return tuple(read_note(row) for row in rows if isinstance(row, dict))


def read_note(row: Mapping[str, Any]) -> Notification | Prompt:
    """Read a notification; one with an order, a request and options is a question (R-32d)."""
    options = row.get("options")
    if isinstance(options, list) and "orderId" in row and "reqId" in row:
        return Prompt(
            _text(row, "orderId"),
            _text(row, "reqId"),
            _text(row, "messageId"),
            _text(row, "text"),
            tuple(option for option in options if isinstance(option, str)),
        )
    return Notification(
        _text(row, "id"), _text(row, "title"), _text(row, "text"), _text(row, "url")
    )


def _bulletin(payload: Mapping[str, Any]) -> Bulletin:
    return Bulletin(_text(_args(payload), "id"), _text(_args(payload), "message"))


def _error(payload: Mapping[str, Any]) -> ErrorText:
    code = payload.get("code", payload.get("statusCode"))
    text = _text(payload, "error") or _text(payload, "message") or "error without a text"
    return ErrorText(text, code if isinstance(code, int | str) else None)


def _unsubscribed_history(payload: Mapping[str, Any]) -> str:
    return _text(payload, "message").removeprefix(UNSUBSCRIBED_HISTORY)


_READERS: dict[Detail, Callable[[Mapping[str, Any]], Any]] = {
    Detail.READY: _ready,
    Detail.SERVER_HEARTBEAT: _server_heartbeat,
    Detail.STATUS: _status,
    Detail.ACCOUNT: _account,
    Detail.TIC: _tic,
    Detail.HISTORY: read_history,
    Detail.DEPTH: read_depth,
    Detail.ORDERS: read_orders,
    Detail.TRADES: read_trades,
    Detail.PNL: read_pnl,
    Detail.SUMMARY: read_summary,
    Detail.LEDGER: read_ledger,
    Detail.NOTIFICATION: _notes,
    Detail.BULLETIN: _bulletin,
    Detail.ERROR: _error,
    Detail.UNSUBSCRIBED_HISTORY: _unsubscribed_history,
}
