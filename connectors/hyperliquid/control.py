"""The venue's words about channels: acknowledgements and errors (sections 4.2 and 4.5).

What is wanted and asked for is in `connectors.data.control`. An error has no id and no code, only a
text that quotes what it is about.

For a coin it does not know the venue cuts the connection without a word, and with it every other
channel. Coins are checked before they are asked for; what still does that is found out: channels
that were without an answer when a connection broke are asked for last on the next, one at a time,
and one that is alone in that twice is not asked for again.
"""

from __future__ import annotations

from ..data.control import ChannelControl, ChannelOutcome, Command, Method
from ..model import StreamState
from .channels import Channel
from .wire import quoted, subscribe_frame, unsubscribe_frame

__all__ = ["Control"]

IN_FLIGHT = 100
SUSPICION_S = (
    2.0  # a connection that breaks so soon after a subscribe may have broken because of it
)
STRIKES = 2
TOO_FAST_PAUSE_S = 60.0


class Control(ChannelControl):
    """State of one connection; channels go by their names (`Channel.name`)."""

    __slots__ = ("_strikes", "_suspects")

    def __init__(self, *, limit: int, in_flight: int = IN_FLIGHT) -> None:
        super().__init__(limit=limit, in_flight=in_flight)
        self._suspects: set[str] = set()
        self._strikes: dict[str, int] = {}

    def encode(self, method: Method, channel: str) -> bytes:
        """Return the frame of a command."""
        found = Channel.parse(channel)
        assert found is not None
        if method is Method.SUBSCRIBE:
            return subscribe_frame(found.subscription)
        return unsubscribe_frame(found.subscription)

    def can_carry(self, channel: Channel) -> bool:
        """Whether there is a place for a channel, and none it could be taken for."""
        if self.free <= 0:
            return False
        carried = (Channel.parse(name) for name in self.channels)
        return not any(each is not None and each.conflicts(channel) for each in carried)

    # -- suspects --------------------------------------------------------------------------

    def next_command(self, now: float) -> Command | None:
        """Return the command to send next; a suspect only when nothing else is unanswered."""
        command = super().next_command(now)
        if command is None or not self._suspects or not self._asked:
            return command
        alone = command.channel in self._suspects
        if alone or any(each.channel in self._suspects for each in self._asked):
            return None
        return command

    def on_connected(self) -> None:
        """The connection is up: ask for every channel, suspects last."""
        if self._suspects:
            suspects = [name for name in self.channels if name in self._suspects]
            for name in suspects:
                del self.channels[name]
            self.channels.update(dict.fromkeys(suspects))
        super().on_connected()

    def on_broken(self, now: float) -> list[ChannelOutcome]:
        """The connection broke without a word; return the channel that did it, if that is sure."""
        unanswered = [
            each.channel
            for each in self._asked
            if each.method is Method.SUBSCRIBE
            and each.channel in self.channels
            and now - each.sent_at <= SUSPICION_S
        ]
        self._suspects.update(unanswered)
        self.on_lost()
        if len(unanswered) != 1:
            return []
        (name,) = unanswered
        self._strikes[name] = self._strikes.get(name, 0) + 1
        if self._strikes[name] < STRIKES:
            return []
        self._cleared(name)
        return self.refuse(name, None, "the venue cuts the connection when asked for it")

    def on_subscribed(self, channel: str) -> list[ChannelOutcome]:
        """The venue serves a channel."""
        self._cleared(channel)
        return super().on_subscribed(channel)

    def unsubscribe(self, channel: str) -> None:
        """Want a channel no more."""
        self._cleared(channel)
        super().unsubscribe(channel)

    def _cleared(self, channel: str) -> None:
        self._suspects.discard(channel)
        self._strikes.pop(channel, None)

    # -- what comes back -------------------------------------------------------------------

    def on_response(self, method: object, subscription: object) -> list[ChannelOutcome] | None:
        """An acknowledgement; None where it is of no channel of ours."""
        channel = Channel.of(subscription)
        if channel is None:
            return None
        if method == "subscribe":
            return self.on_subscribed(channel.name)
        return self.on_unsubscribed(channel.name)

    def on_error(self, text: str, now: float) -> list[ChannelOutcome]:
        """An error frame; an empty list where it is about no channel."""
        lower = text.lower()
        if lower.startswith("cannot send more than"):
            return self.pause(TOO_FAST_PAUSE_S, None, text, now)
        about = quoted(text)
        if isinstance(about, dict) and "subscription" in about:
            about = about["subscription"]  # a whole request that was not understood
        channel = Channel.of(about)
        if lower.startswith("cannot subscribe to more than"):
            oldest = next((c for c in self._asked if c.method is Method.SUBSCRIBE), None)
            return [] if oldest is None else self.refuse(oldest.channel, None, text)
        if channel is None:
            self.unattributed += 1
            return []
        if lower.startswith("already subscribed"):
            return self.on_subscribed(channel.name)
        if lower.startswith("already unsubscribed"):
            return self.on_unsubscribed(channel.name)
        return self.refuse(channel.name, None, text)

    def pause(
        self, pause_s: float, code: int | None, message: str, now: float
    ) -> list[ChannelOutcome]:
        """Too fast: nobody knows which command was dropped, so all without an answer go again."""
        self._held_until = max(self._held_until, now + pause_s)
        dropped, self._asked = self._asked, []
        self._queue.extendleft(
            self._command(each.method, each.channel) for each in reversed(dropped)
        )
        return [
            ChannelOutcome(each.channel, StreamState.PENDING, code, message)
            for each in dropped
            if each.method is Method.SUBSCRIBE
        ]
