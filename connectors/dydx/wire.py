"""Frames to the venue, what its errors are about, and how a connection is kept (section 4)."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Any

import orjson

from ..net.backoff import BackoffPolicy, Jitter
from ..net.policy import Heartbeat, SessionPolicy
from .channels import Channel
from .config import Config

__all__ = [
    "ErrorKind",
    "ErrorText",
    "error_text",
    "read_error",
    "session_policy",
    "subscribe_frame",
    "unsubscribe_frame",
]

PONG_S = 10.0
MESSAGE_MAX = 1_000  # characters of a text of the venue's that are kept


def subscribe_frame(channel: Channel, *, batched: bool = False) -> bytes:
    """Return the frame that asks for a topic (DX-S-31); `batched` is named only if it is wanted."""
    return orjson.dumps(_command("subscribe", channel) | ({"batched": True} if batched else {}))


def unsubscribe_frame(channel: Channel) -> bytes:
    """Return the frame that ends a topic."""
    return orjson.dumps(_command("unsubscribe", channel))


def _command(what: str, channel: Channel) -> dict[str, Any]:
    # A topic that needs no id is dead with one (DX-W-17).
    return {"type": what, "channel": channel.kind} | ({"id": channel.id} if channel.id else {})


class ErrorKind(enum.Enum):
    """What an error frame means (4.5)."""

    OURS = enum.auto()  # the venue does not understand us; took no id
    REFUSED = enum.auto()  # the topic, for good
    FULL = enum.auto()  # the connection has no room for more topics of the channel
    TOO_FAST = enum.auto()  # the topic was asked for too often: the connection will be closed
    DUPLICATE = enum.auto()  # the topic is subscribed already
    TRANSIENT = enum.auto()  # the venue could not fetch the snapshot: ask again
    OTHER = enum.auto()  # none of a topic's business; took no id


@dataclass(frozen=True, slots=True)
class ErrorText:
    """What the text of an error says.

    Attributes
    ----------
    channel, id :
        What it names, "" for what it does not.
    limit :
        Topics a connection may have, with `FULL`.
    """

    kind: ErrorKind
    channel: str = ""
    id: str = ""
    limit: int = 0

    @property
    def took_id(self) -> bool:
        """Whether its `message_id` was a new one (DX-W-05)."""
        return self.kind not in (ErrorKind.OURS, ErrorKind.OTHER)


_CHANNEL, _ID = r"(?P<channel>\w+)", r"(?P<id>.*?)"
# A topic is its channel, which has no hyphen, a hyphen, and its id.
_TEXTS = tuple(
    (kind, re.compile(pattern, re.DOTALL))
    for kind, pattern in (
        (ErrorKind.REFUSED, rf"Invalid subscription id for channel: \({_CHANNEL}-{_ID}\)"),
        (
            ErrorKind.FULL,
            rf"Per-connection subscription limit reached for {_CHANNEL} "
            r"\(limit=(?P<limit>\d{1,6})\)\.?",
        ),
        (
            ErrorKind.TOO_FAST,
            rf"Too many subscribe attempts for channel {_CHANNEL}(?:-{_ID})?\. Please .*",
        ),
        (
            ErrorKind.DUPLICATE,
            rf"Invalid subscribe message: already subscribed \({_CHANNEL}(?:-{_ID})?\)",
        ),
        (
            ErrorKind.TRANSIENT,
            rf"Internal error, could not fetch data for subscription: {_CHANNEL}\.?",
        ),
        (ErrorKind.OURS, rf"Invalid channel: {_CHANNEL}"),
        (ErrorKind.OURS, rf"Invalid id: {_ID}"),
        (ErrorKind.OURS, r"Invalid (?:subscribe |unsubscribe )?(?:message|channel)\b.*"),
        (ErrorKind.OTHER, r"Too many invalid messages.*"),
        (ErrorKind.OTHER, r"Internal error"),
    )
)


def error_text(data: bytes) -> str:
    """Return the text of an error frame; of one that cannot be read, the frame itself."""
    try:
        frame = orjson.loads(data)
    except orjson.JSONDecodeError:
        return data[:MESSAGE_MAX].decode("utf-8", "replace")
    return str(frame.get("message", ""))[:MESSAGE_MAX] if isinstance(frame, dict) else ""


def read_error(message: str, channel: str = "", identity: str = "") -> ErrorText:
    """Return what an error means; `channel` and `identity` are the frame's, where it has them.

    A text nobody knows is about the topic of its frame: it is refused, as an address that is
    blocked.
    """
    for kind, pattern in _TEXTS:
        found = pattern.fullmatch(message)
        if found is not None:
            named = found.groupdict()
            return ErrorText(
                kind,
                channel or named.get("channel") or "",
                identity or named.get("id") or "",
                int(named.get("limit") or 0),
            )
    kind = ErrorKind.REFUSED if channel else ErrorKind.OTHER
    return ErrorText(kind, channel, identity)


def session_policy(config: Config) -> SessionPolicy:
    """Return how a connection is kept (DX-S-22, DX-S-23, DX-W-09 to DX-W-12).

    The venue pings every 30 s; without a heartbeat of ours that shows that it is there.
    """
    heartbeat = None
    if config.heartbeat_s is not None:
        heartbeat = Heartbeat(
            interval_s=float(config.heartbeat_s),
            reply_timeout_s=min(float(config.heartbeat_s), PONG_S),
        )
    return SessionPolicy(
        attempt_timeout_s=config.ws_timeout_s,
        backoff=BackoffPolicy(
            initial_s=config.reconnect_min_s,
            maximum_s=config.reconnect_max_s,
            factor=2.0,
            jitter=Jitter.ROOM,
            jitter_amount=0.2,
            immediate_first=True,
        ),
        silence_timeout_s=config.idle_timeout_s,
        heartbeat=heartbeat,
        close_delays_s={},  # what was too fast is held back by topic, see `control`
    )
