"""One connection of a pool: its streams, its commands and what the venue says to them.

Sans-I/O. The shell takes commands with `next_command`, tells with `sent` when each left, and
hands replies to `on_reply`. Nothing is sent while the connection is down: when it comes back,
`on_connected` asks for every assigned stream at once (BN-S-82, BN-H-05).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from ..net.subscriptions import SubscriptionState
from .wire import Method, Reply, encode_command, split_names

__all__ = ["REPLY_TIMEOUT_S", "Command", "Outcome", "Slot", "StreamOutcome"]

REPLY_TIMEOUT_S = 5.0
"""How long a command waits for its reply (BN-D-05)."""

_TOO_MANY = 4  # code of "Too many subscriptions" (BN-C-08)


class Outcome(Enum):
    """What became of one stream of a command."""

    ACTIVE = "active"
    REFUSED = "refused"  # not subscribed; the place is free again (BN-S-54)
    ENDED = "ended"  # unsubscribed
    UNANSWERED = "unanswered"  # the reply is overdue; the stream keeps its place


@dataclass(frozen=True, slots=True)
class StreamOutcome:
    """An outcome with the venue's code and text, where it gave them."""

    name: str
    outcome: Outcome
    code: int | None = None
    message: str = ""


@dataclass(slots=True, eq=False)
class Command:
    """One frame for the venue and the streams it is about."""

    request_id: int
    method: Method
    names: tuple[str, ...]
    data: bytes
    sent_at: float | None = None


class Slot:
    """State of one connection.

    Parameters
    ----------
    index :
        Place in the pool, from 0.
    limit :
        How many streams it may hold.
    ids :
        The counter of request ids all slots share (BN-H-02).

    Attributes
    ----------
    streams : dict of str
        Names assigned, in the order they were (BN-S-85). Capacity is counted on these.
    """

    __slots__ = (
        "_ids",
        "_latest",
        "_outbox",
        "_pending",
        "connected",
        "index",
        "limit",
        "state",
        "streams",
        "unknown_replies",
    )

    def __init__(self, index: int, limit: int, ids: Iterator[int]) -> None:
        self.index = index
        self.limit = limit
        self.streams: dict[str, None] = {}
        self.state = SubscriptionState("@")
        self.connected = False
        self.unknown_replies = 0
        self._ids = ids
        self._latest: dict[str, int] = {}  # the newest request about each name
        self._pending: dict[int, Command] = {}
        self._outbox: deque[Command] = deque()

    @property
    def free(self) -> int:
        """Places left."""
        return max(self.limit - len(self.streams), 0)

    @property
    def confirmed(self) -> int:
        """Number of subscriptions the venue has confirmed."""
        return len(self.state)

    @property
    def backlog(self) -> int:
        """Commands that have not left yet."""
        return len(self._outbox)

    # ---- commands out -------------------------------------------------------------------------

    def subscribe(self, names: Sequence[str]) -> list[Command]:
        """Assign new names and queue the commands for them; none while disconnected."""
        commands = self._queue("SUBSCRIBE", names)
        for name in names:
            self.state.mark_subscribe(name)
            self.streams[name] = None
        return commands

    def unsubscribe(self, names: Sequence[str]) -> list[Command]:
        """Free the places of names and queue the commands for it; none while disconnected."""
        commands = self._queue("UNSUBSCRIBE", names)
        for name in names:
            self.state.mark_unsubscribe(name)
            self.streams.pop(name, None)
            if not self.connected:
                self.state.confirm_unsubscribe(name)
        return commands

    def _queue(self, method: Method, names: Iterable[str]) -> list[Command]:
        if not self.connected:
            return []
        commands = []
        for part in split_names(names):
            request_id = next(self._ids)
            command = Command(
                request_id, method, tuple(part), encode_command(method, part, request_id)
            )
            self._pending[request_id] = command
            for name in part:
                self._latest[name] = request_id
            commands.append(command)
        self._outbox.extend(commands)
        return commands

    def next_command(self) -> Command | None:
        """Return the command to send next, without taking it."""
        return self._outbox[0] if self._outbox else None

    def sent(self, command: Command, now: float) -> None:
        """Note that `command`, the next one, was handed to the socket at monotonic `now`."""
        if not self._outbox or self._outbox[0] is not command:
            raise ValueError("commands leave in the order they were queued")
        self._outbox.popleft()
        command.sent_at = now

    # ---- what comes back ----------------------------------------------------------------------

    def on_reply(self, reply: Reply) -> list[StreamOutcome]:
        """Apply the answer to a command; one of an unknown id is only counted (BN-H-09)."""
        command = self._pending.pop(reply.request_id, None)  # type: ignore[arg-type]
        if command is None:
            self.unknown_replies += 1
            return []
        current = [name for name in command.names if self._latest.get(name) == command.request_id]
        for name in current:
            del self._latest[name]
        # Anything but a null result is no success (BN-H-07).
        refused = not reply.ok or reply.result is not None
        if command.method == "UNSUBSCRIBE":
            for name in current:
                self.state.confirm_unsubscribe(name)
            code, text = (reply.code, _text(reply)) if refused else (None, "")
            return [StreamOutcome(name, Outcome.ENDED, code, text) for name in current]
        if not refused:
            for name in current:
                self.state.confirm_subscribe(name)
            return [StreamOutcome(name, Outcome.ACTIVE) for name in current]
        for name in current:
            self._drop(name)
        if reply.code == _TOO_MANY:
            self.limit = max(len(self.streams), 1)
        return [StreamOutcome(name, Outcome.REFUSED, reply.code, _text(reply)) for name in current]

    def _drop(self, name: str) -> None:
        self.state.forget(name)
        self.streams.pop(name, None)

    def on_connected(self) -> list[Command]:
        """Note a new connection and queue the subscribe commands for all streams."""
        self.connected = True
        return self._queue("SUBSCRIBE", tuple(self.streams))

    def on_lost(self) -> None:
        """Note the end of the connection: requests on it are forgotten (BN-H-20, BN-S-82)."""
        self.connected = False
        for command in self._pending.values():
            if command.method == "UNSUBSCRIBE":
                for name in command.names:
                    self.state.confirm_unsubscribe(name)
        self._pending.clear()
        self._outbox.clear()
        self._latest.clear()
        for name in self.streams:
            self.state.mark_failure(name)

    def overdue(self, now: float) -> list[StreamOutcome]:
        """Give up on commands that were sent too long ago and never answered.

        An unsubscribe then counts as done (BN-D-05). A subscribe is reported as unanswered and
        asked again, which the venue acknowledges without harm if it was active (BN-C-12).
        """
        late = [
            command
            for command in self._pending.values()
            if command.sent_at is not None and now - command.sent_at >= REPLY_TIMEOUT_S
        ]
        outcomes: list[StreamOutcome] = []
        again: list[str] = []
        for command in late:
            del self._pending[command.request_id]
            for name in command.names:
                if self._latest.get(name) != command.request_id:
                    continue
                del self._latest[name]
                if command.method == "UNSUBSCRIBE":
                    self.state.confirm_unsubscribe(name)
                    outcomes.append(StreamOutcome(name, Outcome.ENDED, None, "no reply"))
                else:
                    again.append(name)
                    outcomes.append(StreamOutcome(name, Outcome.UNANSWERED, None, "no reply"))
        if again:
            self._queue("SUBSCRIBE", again)
        return outcomes

    def next_deadline(self) -> float | None:
        """Return the monotonic time at which `overdue` has something to do, None for never."""
        sent = [each.sent_at for each in self._pending.values() if each.sent_at is not None]
        return min(sent) + REPLY_TIMEOUT_S if sent else None

    def __repr__(self) -> str:
        state = "connected" if self.connected else "down"
        return f"<Slot {self.index} {state} {len(self.streams)}/{self.limit} streams>"


def _text(reply: Reply) -> str:
    return reply.message if not reply.ok else f"unexpected result {reply.result!r}"
