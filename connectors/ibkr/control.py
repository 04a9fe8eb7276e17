"""The topics of one client: which are wanted, asked for and heard; sans-I/O (section 4).

A channel's name is the frame that asks for it: `smd+265598+{"fields":["31"]}`. Its topic is what
frames of it carry: `smd+265598`. The venue acknowledges nothing: the first frame of a topic is the
answer, and topics that may be silent count as served when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

from ..data.control import ChannelControl, ChannelOutcome, Command, Method
from ..model import StreamState
from .config import Config

__all__ = ["Asked", "TopicControl", "cancel_frame", "topic_of"]

# In which order everything is asked for; the rest comes last (3.2).
_ORDER = ("sor", "str", "spl", "ssd", "sld", "sbd", "smh", "smd")
# Venue's topics that may have nothing to say (W-35; nobody acknowledges depth).
_MAY_BE_SILENT = frozenset({"sor", "sbd"})
_BARE_CANCELS = {"str": "utr", "sor": "uor+{}", "spl": "upl+{}"}
_CANCELS = {"smd": "umd", "ssd": "usd", "sld": "uld"}
REALTIME, HISTORY = '"realtimeUpdatesOnly":true', '"realtimeUpdatesOnly":false'
HISTORIES_MAX = 5  # P-11
NO_LIMIT = 1 << 30


class Asked(StrEnum):
    """Why a topic is asked for."""

    FIRST = "first"
    AFTER_GAP = "after_gap"
    AGAIN = "again"  # it said nothing
    RENEWAL = "renewal"  # before the venue ends it (W-12)


def topic_of(name: str) -> str:
    """Return the topic that frames of a channel carry."""
    head = name.partition("{")[0]
    return head.removesuffix("+")


def kind_of(name: str) -> str:
    """Return the part of a topic before its target: `smd`."""
    return name.partition("+")[0]


def cancel_frame(name: str, server_id: str | None = None) -> str | None:
    """Return the frame that ends a channel, None if there is none to send.

    Bars are ended by the id in their answer, `server_id` (W-20).
    """
    kind, _, target = topic_of(name).partition("+")
    if kind in _BARE_CANCELS:
        return _BARE_CANCELS[kind]
    if kind in _CANCELS:
        return f"{_CANCELS[kind]}+{target}+{{}}"
    if kind == "sbd":
        return f"ubd+{target.partition('+')[0]}"
    if kind == "smh":
        return None if server_id is None else f"umh+{server_id}"
    return None


class TopicControl(ChannelControl):
    """State of one client's topics.

    Parameters
    ----------
    config : Config
        For its times and limits.
    is_shared : callable, optional
        `is_shared(topic)`: whether somebody else on the socket wants it, so that it must not end.
    """

    __slots__ = (
        "_asked_at",
        "_awaited",
        "_by_topic",
        "_is_shared",
        "_known",
        "_lines_max",
        "_orphans",
        "_resends",
        "_server_ids",
        "_timers",
        "_was_lost",
    )

    def __init__(
        self, config: Config, *, is_shared: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._timers = config.timers
        self._is_shared = is_shared
        super().__init__(
            limit=NO_LIMIT, in_flight=NO_LIMIT, answer_timeout_s=config.timers.resend_s
        )
        self._lines_max = config.lines_max
        self._by_topic: dict[str, dict[str, None]] = {}
        self._asked_at: dict[str, float] = {}  # by channel that is renewed, or was given up
        self._resends: dict[str, int] = {}
        self._awaited: set[str] = set()  # topics
        self._known: set[str] = set()  # channels that have been asked for once
        self._server_ids: dict[str, str] = {}
        self._orphans: set[str] = set()  # topics of bars whose id is still to come
        self._was_lost = False

    # -- limits ------------------------------------------------------------------------------

    def no_room(self, name: str) -> str | None:
        """Return why the venue would not serve one channel more (P-11), None if it would."""
        if name in self.channels:
            return None
        topic, kind = topic_of(name), kind_of(name)
        if kind == "smd" and topic not in self._by_topic:
            if self._count("smd") >= self._lines_max:
                return f"the venue serves {self._lines_max} market data lines at a time"
        elif kind == "smh" and topic not in self._by_topic:
            if self._count("smh") + len(self._orphans) >= HISTORIES_MAX:
                return f"the venue serves {HISTORIES_MAX} histories at a time"
        elif kind == "sbd":
            account = topic.split("+")[1]
            if any(other.startswith(f"sbd+{account}+") for other in self._by_topic):
                return "the venue serves one book of an account at a time"
        return None

    def _count(self, kind: str) -> int:
        return sum(kind_of(topic) == kind for topic in self._by_topic)

    # -- wishes ------------------------------------------------------------------------------

    def subscribe(self, channel: str) -> None:
        """Want a channel; no effect if it is wanted."""
        self._by_topic.setdefault(topic_of(channel), {})[channel] = None
        super().subscribe(channel)

    def unsubscribe(self, channel: str) -> None:
        """Want a channel no more."""
        self._forget(channel)
        super().unsubscribe(channel)

    def refuse(self, channel: str, code: int | None, message: str) -> list[ChannelOutcome]:
        """It is not served: it is not wanted here any more."""
        self._forget(channel)
        return super().refuse(channel, code, message)

    def _forget(self, channel: str) -> None:
        topic = topic_of(channel)
        others = self._by_topic.get(topic, {})
        others.pop(channel, None)
        if not others:
            self._by_topic.pop(topic, None)
            self._awaited.discard(topic)
        self._asked_at.pop(channel, None)
        self._resends.pop(channel, None)
        self._known.discard(channel)

    def wants(self, topic: str) -> bool:
        """Tell whether a channel of a topic is wanted."""
        return topic in self._by_topic

    def ask_again(self) -> None:
        """Ask for everything anew: what was asked before went unheard (F-02)."""
        queued = {command.channel for command in self._queue}
        self._queue.extend(
            self._command(Method.SUBSCRIBE, channel)
            for channel in sorted(self.channels, key=_rank)
            if channel not in queued
        )

    # -- commands ----------------------------------------------------------------------------

    def encode(self, method: Method, channel: str) -> bytes:
        """Return the frame of a command; executions of a gap are asked for too (W-42)."""
        if method is Method.UNSUBSCRIBE:
            topic = topic_of(channel)
            return (cancel_frame(channel, self._server_ids.get(topic)) or "").encode()
        if self._was_lost and kind_of(channel) == "str":
            channel = channel.replace(REALTIME, HISTORY)
        return channel.encode()

    def _enqueue(self, method: Method, channel: str) -> None:
        if method is Method.UNSUBSCRIBE:
            topic = topic_of(channel)
            if topic in self._by_topic:
                return  # another channel lives on it; the venue adds fields, and ends all at once
            if kind_of(channel) == "smh" and topic not in self._server_ids:
                self._orphans.add(topic)  # ended when we learn its id
                return
        super()._enqueue(method, channel)

    def next_command(self, now: float) -> Command | None:
        """Return the command to send next; none ends a topic that somebody else wants now."""
        while (command := super().next_command(now)) is not None:
            if command.method is Method.SUBSCRIBE or not self._is_shared(topic_of(command.channel)):
                break
            self._queue.remove(command)
        return command

    def sent(self, command: Command, now: float) -> None:
        """Note that a command left; only some are answered."""
        super().sent(command, now)
        channel, topic = command.channel, topic_of(command.channel)
        if command.method is Method.UNSUBSCRIBE:
            self._asked.remove(command)
            self._server_ids.pop(topic, None)
            return
        self._known.add(channel)
        if kind_of(channel) == "smd":
            self._asked_at[channel] = now
        if kind_of(channel) in _MAY_BE_SILENT:
            self._asked.remove(command)
        else:
            self._awaited.add(topic)

    def why(self, command: Command) -> Asked:
        """Return why a command that asks for a channel is about to leave."""
        channel = command.channel
        if self._resends.get(channel):
            return Asked.AGAIN
        if self.is_active(channel):
            return Asked.RENEWAL
        return Asked.AFTER_GAP if channel in self._known and self._was_lost else Asked.FIRST

    @staticmethod
    def may_be_silent(channel: str) -> bool:
        """Tell whether a channel counts as served as soon as it is asked for."""
        return kind_of(channel) in _MAY_BE_SILENT

    # -- what comes back ---------------------------------------------------------------------

    def heard(self, topic: str) -> list[ChannelOutcome]:
        """A topic spoke; cheap where that is no news."""
        if topic not in self._awaited:
            return []
        self._awaited.discard(topic)
        outcomes: list[ChannelOutcome] = []
        for channel in self._by_topic.get(topic, ()):
            self._resends.pop(channel, None)
            if kind_of(topic) != "smd":
                self._asked_at.pop(channel, None)  # it was given up, and is not renewed
            outcomes += self.on_subscribed(channel)
        return outcomes

    def note_server_id(self, topic: str, server_id: str) -> None:
        """Learn how bars are ended; end those that nobody wants any more."""
        self._server_ids[topic] = server_id
        if topic in self._orphans:
            self._orphans.discard(topic)
            if topic not in self._by_topic and self._connected:
                self._queue.append(self._command(Method.UNSUBSCRIBE, topic))

    def on_connected(self) -> None:
        """Everything can be asked for: do so."""
        super().on_connected()
        self._queue = type(self._queue)(sorted(self._queue, key=lambda each: _rank(each.channel)))

    def on_lost(self) -> None:
        """What was asked for is forgotten at the venue."""
        super().on_lost()
        self._was_lost = True
        self._asked_at.clear()
        self._resends.clear()
        self._awaited.clear()
        self._server_ids.clear()
        self._orphans.clear()

    # -- time --------------------------------------------------------------------------------

    def next_deadline(self, now: float) -> float | None:
        """Return when `overdue` has something to do, None for never."""
        times = [at + self._timers.renewal_s for at in self._asked_at.values()]
        answer = super().next_deadline(now)
        if answer is not None:
            times.append(answer)
        return min(times, default=None)

    def overdue(self, now: float) -> list[ChannelOutcome]:
        """Ask again for what said nothing, seldom in the end; renew lines in time."""
        outcomes: list[ChannelOutcome] = []
        limit = self._timers.resends_max
        for command in [
            each for each in self._asked if each.sent_at + self._answer_timeout_s <= now
        ]:
            self._asked.remove(command)
            channel = command.channel
            if channel not in self.channels:
                continue
            count = self._resends[channel] = self._resends.get(channel, 0) + 1
            if count <= limit:
                self._enqueue(Method.SUBSCRIBE, channel)
            else:
                self._asked_at[channel] = now  # as slowly as lines are renewed, from now on
            if count in (1, limit + 1):
                text = "no answer" if count == 1 else f"no answer to {count} requests: gave up"
                self._active.discard(channel)
                outcomes.append(ChannelOutcome(channel, StreamState.PENDING, None, text))
        for channel, at in list(self._asked_at.items()):
            if at + self._timers.renewal_s <= now:
                del self._asked_at[channel]
                self._enqueue(Method.SUBSCRIBE, channel)
        return outcomes

    def quiet(self) -> Iterable[str]:
        """Go through the topics that were asked for and have not spoken."""
        return iter(tuple(self._awaited))


def _rank(channel: str) -> int:
    kind = kind_of(channel)
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
