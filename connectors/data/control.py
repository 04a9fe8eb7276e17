"""The channels of one connection: what is wanted, what is asked for, what the venue said.

Sans-I/O. The shell takes commands with `next_command`, tells with `sent` when each left, and hands
on what comes back. No more than `in_flight` commands are without an answer. A venue's own control
adds how commands look (`encode`) and what its errors mean.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from ..model import StreamState

__all__ = ["ANSWER_TIMEOUT_S", "ChannelControl", "ChannelOutcome", "Command", "Method"]

ANSWER_TIMEOUT_S = 10.0
INFINITE_S = float("inf")


class Method(Enum):
    """What a command asks for."""

    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"


@dataclass(slots=True, eq=False)
class Command:
    """One frame for the venue."""

    method: Method
    channel: str
    data: bytes
    sent_at: float = 0.0


@dataclass(frozen=True, slots=True)
class ChannelOutcome:
    """What became of a channel; PENDING: it is asked for again."""

    channel: str
    state: StreamState
    code: int | None = None
    message: str = ""


class ChannelControl(ABC):
    """State of one connection.

    Parameters
    ----------
    limit :
        Channels it may hold.
    in_flight :
        Commands that may be without an answer.
    answer_timeout_s :
        An answer that takes longer is not waited for.

    Attributes
    ----------
    channels : dict of str
        Those assigned, in the order in which they were.
    unattributed :
        Errors that could not be laid at any channel's door.
    """

    __slots__ = (
        "_active",
        "_answer_timeout_s",
        "_asked",
        "_connected",
        "_held_until",
        "_queue",
        "_renewing",
        "channels",
        "in_flight_limit",
        "limit",
        "unattributed",
    )

    def __init__(
        self, *, limit: int, in_flight: int, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self.limit = limit
        self._answer_timeout_s = answer_timeout_s
        self.in_flight_limit = in_flight
        self.channels: dict[str, None] = {}
        self.unattributed = 0
        self._active: set[str] = set()
        self._renewing: set[str] = set()
        self._queue: deque[Command] = deque()
        self._asked: list[Command] = []  # without an answer, oldest first
        self._connected = False
        self._held_until = 0.0

    @property
    def free(self) -> int:
        """Places left."""
        return max(self.limit - len(self.channels), 0)

    @property
    def in_flight(self) -> int:
        """Commands without an answer."""
        return len(self._asked)

    @property
    def backlog(self) -> int:
        """Commands that have not left yet."""
        return len(self._queue)

    @property
    def is_connected(self) -> bool:
        """Whether commands may leave."""
        return self._connected

    def is_active(self, channel: str) -> bool:
        """Whether the venue serves a channel."""
        return channel in self._active

    def is_renewing(self, channel: str) -> bool:
        """Whether a channel is being ended and asked for again, for a new snapshot."""
        return channel in self._renewing

    # -- wishes ----------------------------------------------------------------------------

    def subscribe(self, channel: str) -> None:
        """Want a channel; no effect if it is wanted."""
        if channel not in self.channels:
            self.channels[channel] = None
            self._enqueue(Method.SUBSCRIBE, channel)

    def unsubscribe(self, channel: str) -> None:
        """Want a channel no more."""
        if channel not in self.channels:
            return
        del self.channels[channel]
        self._renewing.discard(channel)
        self._active.discard(channel)
        waiting = [each for each in self._queue if each.channel == channel]
        for command in waiting:
            self._queue.remove(command)
        # What has left, or what the last command that has not left was to end, must be ended.
        asked = [each for each in self._asked if each.channel == channel]
        unsubscribed = bool(asked) and asked[-1].method is Method.UNSUBSCRIBE
        never_asked = not asked and waiting and waiting[0].method is Method.SUBSCRIBE
        if not unsubscribed and not never_asked:
            self._enqueue(Method.UNSUBSCRIBE, channel)

    def renew(self, channel: str) -> bool:
        """End a channel and ask for it again, which brings a new snapshot.

        Returns False where that is under way, or the channel is not wanted.
        """
        if channel not in self.channels or channel in self._renewing or not self._connected:
            return False
        if any(each.channel == channel and each.method is Method.SUBSCRIBE
               for each in (*self._queue, *self._asked)):  # fmt: skip
            return False  # asked for: its snapshot is still to come
        self._renewing.add(channel)
        self._active.discard(channel)
        self._enqueue(Method.UNSUBSCRIBE, channel)
        self._enqueue(Method.SUBSCRIBE, channel)
        return True

    def _enqueue(self, method: Method, channel: str) -> None:
        if self._connected:
            self._queue.append(self._command(method, channel))

    def _command(self, method: Method, channel: str) -> Command:
        return Command(method, channel, self.encode(method, channel))

    @abstractmethod
    def encode(self, method: Method, channel: str) -> bytes:
        """Return the frame of a command."""

    # -- commands out ----------------------------------------------------------------------

    def next_command(self, now: float) -> Command | None:
        """Return the command to send next, without taking it; None while none may leave.

        Commands of one channel leave in the order they were queued; those of others do not wait
        for one that is held back.
        """
        if not self._queue or len(self._asked) >= self.in_flight_limit or now < self._held_until:
            return None
        held: set[str] = set()
        for command in self._queue:
            if command.channel not in held:
                if self._leaves_at(command) <= now:
                    return command
                held.add(command.channel)
        return None

    def _leaves_at(self, command: Command) -> float:
        """Return from when on a command may leave: 0 for at once, infinity after an answer."""
        return 0.0

    def sent(self, command: Command, now: float) -> None:
        """Note that `command`, the next one, was handed to the socket at monotonic `now`."""
        first = next((each for each in self._queue if each.channel == command.channel), None)
        if first is not command:
            raise ValueError("commands leave in the order they were queued")
        self._queue.remove(command)
        command.sent_at = now
        self._asked.append(command)

    def next_deadline(self, now: float) -> float | None:
        """Return when `overdue` or `next_command` has something new, None for never."""
        times = [self._asked[0].sent_at + self._answer_timeout_s] if self._asked else []
        if self._queue:
            held = (max(self._leaves_at(command), self._held_until) for command in self._queue)
            times += [at for at in held if now < at < INFINITE_S]
        return min(times, default=None)

    # -- what comes back -------------------------------------------------------------------

    def on_connected(self) -> None:
        """The connection is up: ask for every channel."""
        self._connected = True
        self._queue.extend(self._command(Method.SUBSCRIBE, channel) for channel in self.channels)

    def on_lost(self) -> None:
        """The connection is gone, and everything said on it."""
        self._connected = False
        self._active.clear()
        self._renewing.clear()
        self._queue.clear()
        self._asked.clear()
        self._held_until = 0.0

    def on_subscribed(self, channel: str) -> list[ChannelOutcome]:
        """The venue serves a channel: an acknowledgement, or its first frame."""
        self._answered(Method.SUBSCRIBE, channel)
        # An unsubscribe before it may have gone without an acknowledgement of its own.
        self._answered(Method.UNSUBSCRIBE, channel)
        self._renewing.discard(channel)
        if channel not in self.channels or channel in self._active:
            return []
        self._active.add(channel)
        return [ChannelOutcome(channel, StreamState.ACTIVE)]

    def on_unsubscribed(self, channel: str) -> list[ChannelOutcome]:
        """The venue ended a channel."""
        asked = self._answered(Method.UNSUBSCRIBE, channel)
        if channel not in self.channels:
            return [ChannelOutcome(channel, StreamState.CANCELED)]
        if not asked and channel in self._active:
            # Nobody asked for that; the wish stands.
            self._active.discard(channel)
            self._enqueue(Method.SUBSCRIBE, channel)
            return [ChannelOutcome(channel, StreamState.PENDING, None, "ended by the venue")]
        return []

    def refuse(self, channel: str, code: int | None, message: str) -> list[ChannelOutcome]:
        """The venue does not serve a channel: it is not wanted here any more."""
        self._answered(Method.SUBSCRIBE, channel)
        self._renewing.discard(channel)
        self._active.discard(channel)
        if self.channels.pop(channel, "") == "":
            return []
        return [ChannelOutcome(channel, StreamState.REFUSED, code, message)]

    def pause(
        self, pause_s: float, code: int | None, message: str, now: float
    ) -> list[ChannelOutcome]:
        """Too fast: wait, and repeat the command that left last."""
        self._held_until = max(self._held_until, now + pause_s)
        if not self._asked:
            self.unattributed += 1
            return []
        command = self._asked.pop()
        self._queue.appendleft(self._command(command.method, command.channel))
        return [ChannelOutcome(command.channel, StreamState.PENDING, code, message)]

    def overdue(self, now: float) -> list[ChannelOutcome]:
        """Give up on answers that are late: an unsubscribe counts as done, a subscribe is repeated.

        Venues answer the repeat of one that was served after all without harm.
        """
        late = [each for each in self._asked if now - each.sent_at >= self._answer_timeout_s]
        outcomes: list[ChannelOutcome] = []
        for command in late:
            self._asked.remove(command)
            if command.method is Method.SUBSCRIBE and command.channel in self.channels:
                self._enqueue(Method.SUBSCRIBE, command.channel)
                outcomes.append(
                    ChannelOutcome(command.channel, StreamState.PENDING, None, "no answer")
                )
        return outcomes

    def _is_asked(self, channel: str) -> bool:
        return any(c.channel == channel and c.method is Method.SUBSCRIBE for c in self._asked)

    def _answered(self, method: Method, channel: str) -> bool:
        for command in self._asked:
            if command.channel == channel and command.method is method:
                self._asked.remove(command)
                return True
        return False

    def missing(self) -> Iterable[str]:
        """Go through the channels that are wanted and not served."""
        return (channel for channel in self.channels if channel not in self._active)

    def __repr__(self) -> str:
        state = "connected" if self._connected else "down"
        return (
            f"<{type(self).__name__} {state} {len(self._active)}/{len(self.channels)} channels, "
            f"{len(self._asked)} in flight, {len(self._queue)} waiting>"
        )
