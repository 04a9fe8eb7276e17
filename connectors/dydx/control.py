"""The venue's words about topics, and at what pace it may be asked (sections 4.2 to 4.6).

What is wanted and asked for is in `connectors.data.control`. What is special about the venue:

* It closes a connection at the third subscribe of one topic within a second, whatever happens to
  other topics (DX-W-18).
* It handles an unsubscribe at once, even before a subscribe that waits for its snapshot, and ends
  up subscribed: so nothing leaves about a topic that has a command without an answer (DX-W-15).
* Some of its errors name no topic: those are about the oldest subscribe they fit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from ..data.control import INFINITE_S, ChannelControl, ChannelOutcome, Command, Method
from ..model import StreamState
from .channels import Channel, ChannelKind
from .wire import ErrorKind, ErrorText, subscribe_frame, unsubscribe_frame

__all__ = ["Control"]

IN_FLIGHT = 1_000
BURST = 2  # subscribes of one topic within the window
CLOSED_PAUSE_S = 1.0
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0
ACCOUNTS_MAX = 256


class Control(ChannelControl):
    """State of one connection; topics go by their names (`Channel.name`).

    Parameters
    ----------
    per_channel :
        Topics of each pooled channel.
    batched :
        Channels whose topics are to come in batches. How a topic comes is settled when it is first
        asked for, and stays so over reconnects.
    window_s :
        At most two subscribes of a topic leave in this time.
    """

    __slots__ = ("_batched", "_limits", "_modes", "_not_before", "_retries", "_times", "_window_s")

    def __init__(
        self,
        *,
        per_channel: int,
        batched: Collection[str] = (),
        window_s: float = 1.25,
        answer_timeout_s: float = 25.0,
    ) -> None:
        limits = dict.fromkeys(ChannelKind, per_channel)
        limits |= {
            ChannelKind.SUBACCOUNTS: ACCOUNTS_MAX,
            ChannelKind.PARENT_SUBACCOUNTS: ACCOUNTS_MAX,
            ChannelKind.BLOCK_HEIGHT: 1,
        }
        super().__init__(
            limit=sum(limits.values()), in_flight=IN_FLIGHT, answer_timeout_s=answer_timeout_s
        )
        self._limits = limits
        self._batched = frozenset(batched)
        self._modes: dict[str, bool] = {}
        self._window_s = window_s
        self._times: dict[str, deque[float]] = {}  # of the latest subscribes
        self._not_before: dict[str, float] = {}
        self._retries: dict[str, int] = {}

    # -- room ------------------------------------------------------------------------------

    def holds(self, channel: str) -> bool:
        """Whether the venue may send a topic here: it is wanted, or not ended yet."""
        return channel in self.channels or any(
            each.channel == channel for each in (*self._queue, *self._asked)
        )

    def count(self, kind: ChannelKind) -> int:
        """Return how many topics of a channel this connection holds."""
        held = {each.channel for each in (*self._queue, *self._asked)}
        return sum(name.partition(":")[0] == kind for name in held.union(self.channels))

    def has_room(self, kind: ChannelKind) -> bool:
        """Whether one more topic of a channel may be assigned."""
        return self.count(kind) < self._limits[kind]

    # -- wishes ----------------------------------------------------------------------------

    def subscribe(self, channel: str) -> None:
        """Want a topic; no effect if it is wanted."""
        if channel not in self.channels and self._is_asked(channel):
            # Its unsubscribe has not left: what was asked for before is what is wanted now.
            waiting = [each for each in self._queue if each.channel == channel]
            for command in waiting:
                self._queue.remove(command)
            self.channels[channel] = None
            return
        super().subscribe(channel)

    def encode(self, method: Method, channel: str) -> bytes:
        """Return the frame of a command."""
        found = Channel.parse(channel)
        assert found is not None
        if method is Method.UNSUBSCRIBE:
            return unsubscribe_frame(found)
        batched = self._modes.setdefault(channel, found.kind in self._batched)
        return subscribe_frame(found, batched=batched)

    def unsubscribe(self, channel: str) -> None:
        """Want a topic no more."""
        super().unsubscribe(channel)
        self._forget(channel)

    def _forget(self, channel: str) -> None:
        for known in (self._modes, self._retries):
            known.pop(channel, None)

    # -- commands out ----------------------------------------------------------------------

    @property
    def unanswered(self) -> int:
        """Subscribes without an answer: so many ids of frames may be late."""
        return sum(command.method is Method.SUBSCRIBE for command in self._asked)

    def _leaves_at(self, command: Command) -> float:
        channel = command.channel
        if any(each.channel == channel for each in self._asked):
            return INFINITE_S
        if command.method is Method.UNSUBSCRIBE:
            return 0.0
        at = self._not_before.get(channel, 0.0)
        times = self._times.get(channel)
        if times is not None and len(times) == BURST:
            at = max(at, times[0] + self._window_s)
        return at

    def sent(self, command: Command, now: float) -> None:
        """Note that a command was handed to the socket."""
        super().sent(command, now)
        if command.method is Method.SUBSCRIBE:
            if len(self._times) > 2 * self.limit:
                self._drop_old(now)
            self._times.setdefault(command.channel, deque(maxlen=BURST)).append(now)

    def _drop_old(self, now: float) -> None:
        """Forget when topics were asked for that may be asked for again."""
        for channel in [c for c, times in self._times.items() if now - times[-1] > self._window_s]:
            del self._times[channel]
        for channel in [c for c, at in self._not_before.items() if at <= now]:
            del self._not_before[channel]

    # -- what comes back -------------------------------------------------------------------

    def on_lost(self) -> None:
        """The connection is gone, and the venue's count of our subscribes with it."""
        super().on_lost()
        self._times.clear()

    def on_subscribed(self, channel: str) -> list[ChannelOutcome]:
        """The venue serves a topic."""
        # Not as the base has it: here an unsubscribe has an answer of its own.
        self._answered(Method.SUBSCRIBE, channel)
        self._renewing.discard(channel)
        self._retries.pop(channel, None)
        if channel not in self.channels:
            if not self._is_ending(channel) and self.backlog < IN_FLIGHT:
                self._enqueue(Method.UNSUBSCRIBE, channel)  # it overtook its unsubscribe
            return []
        if channel in self._active or self._is_ending(channel):
            return []
        self._active.add(channel)
        return [ChannelOutcome(channel, StreamState.ACTIVE)]

    def _is_ending(self, channel: str) -> bool:
        return any(
            each.channel == channel and each.method is Method.UNSUBSCRIBE
            for each in (*self._queue, *self._asked)
        )

    def on_error(self, error: ErrorText, message: str, now: float) -> list[ChannelOutcome]:
        """An error frame (4.5); an empty list where it is about no topic."""
        channel = self._topic_of(error)
        if channel is None:
            self.unattributed += 1
            return []
        if error.kind is ErrorKind.DUPLICATE:
            return self.on_subscribed(channel)
        if error.kind is ErrorKind.TRANSIENT:
            return self._again(channel, message, now, self._retry_pause_s(channel))
        if error.kind is ErrorKind.TOO_FAST:
            return self._again(channel, message, now, CLOSED_PAUSE_S)
        if error.kind is ErrorKind.FULL:
            return self._full(channel, error.limit, message)
        return self.refuse(channel, None, message)

    def _full(self, channel: str, limit: int, message: str) -> list[ChannelOutcome]:
        """There is no room for a topic: give it back, another connection may have some."""
        found = Channel.parse(channel)
        assert found is not None
        self._limits[found.kind] = min(self._limits[found.kind], limit)
        return [
            ChannelOutcome(channel, StreamState.PENDING, None, message)
            for _ in self.refuse(channel, None, message)
        ]

    def refuse(self, channel: str, code: int | None, message: str) -> list[ChannelOutcome]:
        """The venue does not serve a topic: it is not wanted here any more."""
        self._forget(channel)
        return super().refuse(channel, code, message)

    def _topic_of(self, error: ErrorText) -> str | None:
        """Return the topic of an error: the one it names, or the oldest asked for that it fits."""
        if error.channel and error.id:
            found = Channel.of(error.channel, error.id)
            return None if found is None else found.name
        if error.kind is ErrorKind.OTHER or not (error.channel or error.id):
            return None
        for command in self._asked:
            asked = Channel.parse(command.channel)
            assert asked is not None
            if command.method is Method.SUBSCRIBE and (
                error.channel in ("", asked.kind) and error.id in ("", asked.id)
            ):
                return command.channel
        return None

    def _retry_pause_s(self, channel: str) -> float:
        retries = self._retries[channel] = self._retries.get(channel, 0) + 1
        return min(FIRST_RETRY_S * 2.0 ** min(retries - 1, 10), LONGEST_RETRY_S)

    def _again(
        self, channel: str, message: str, now: float, pause_s: float
    ) -> list[ChannelOutcome]:
        """Ask for a topic again after a pause, on this connection or the next."""
        self._answered(Method.SUBSCRIBE, channel)
        self._renewing.discard(channel)
        if channel not in self.channels:
            return []
        self._active.discard(channel)
        self._not_before[channel] = now + pause_s
        if not any(each.channel == channel for each in (*self._queue, *self._asked)):
            self._enqueue(Method.SUBSCRIBE, channel)
        return [ChannelOutcome(channel, StreamState.PENDING, None, message)]
